/*
 * Least squares with factors that are not below zero, one observation at a
 * time.
 *
 *	seen  ~  sum  factor * part        parts in seconds, as assumed
 *
 * The normal equations are kept with a past that fades, so that the state is
 * a square of six and old engines are forgotten.  An observation counts by
 * its square, like an error in percent, but the short ones not more than
 * those of the mean.  PRIOR observations say that all factors are 1: parts
 * that do not vary, or of which there are none, stay what was assumed.  One
 * round of Gauss and Seidel an observation, with what is below zero put to
 * zero, follows the minimum closely; nothing is inverted, so nothing can be
 * singular.
 */

#include "route/route_fit.h"

static const double prior = 1;
static const double factor_max = 1024;

void
aibrix__fit_open(struct fit *fit, double memory)
{
	*fit = (struct fit){.keep = 1 - 1 / memory};
	for (int i = 0; i < FIT_PARTS; i++)
		fit->factor[i] = 1;
}

double
aibrix__fit_sum(const struct fit *fit, const double part[FIT_PARTS])
{
	double sum = 0;

	for (int i = 0; i < FIT_PARTS; i++)
		sum += fit->factor[i] * part[i];
	return sum;
}

static void
fit_round(struct fit *fit)
{
	for (int i = 0; i < FIT_PARTS; i++) {
		double rest = fit->sums[i] + prior;

		for (int j = 0; j < FIT_PARTS; j++)
			if (j != i)
				rest -= fit->parts[i][j] * fit->factor[j];
		rest /= fit->parts[i][i] + prior;
		rest = rest > 0 ? rest : 0;
		fit->factor[i] = rest < factor_max ? rest : factor_max;
	}
}

void
aibrix__fit_learn(struct fit *fit, const double part[FIT_PARTS], double seen)
{
	double sum = aibrix__fit_sum(fit, part), weight;

	fit->mean = fit->mean > 0 ? fit->mean + (seen - fit->mean) / 32 : seen;
	weight = 1 / (sum * sum + fit->mean * fit->mean);
	for (int i = 0; i < FIT_PARTS; i++) {
		for (int j = 0; j < FIT_PARTS; j++)
			fit->parts[i][j] = fit->keep * fit->parts[i][j] +
					   weight * part[i] * part[j];
		fit->sums[i] =
			fit->keep * fit->sums[i] + weight * part[i] * seen;
	}
	fit_round(fit);
}
