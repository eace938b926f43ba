/*
 * APA, in AIBrix's form and in ours, and AIBrix's form of KPA.
 *
 * AIBrix multiplies the replicas that it has asked for by how far the mean of
 * the pods that answer is above the target.  While pods load a model for
 * minutes that mean does not change, so the product grows with every step:
 *
 *	asked   2 -> 4 -> 8 -> 16        two pods answer: 3 x target each
 *
 * Ours multiplies the pods that the mean is of.  Pods that were asked for
 * and are not there count as pods that will take their part of it:
 *
 *	asked   2 -> 6, and stays: 2 x 3 / 6 = 1
 *
 * Pods that are ready and have not told are taken for idle where there is too
 * much load and for right where there is too little, as Kubernetes does: what
 * is not known moves nothing.
 * (Source: AIBrix e3e10f9 pkg/controller/podautoscaler/algorithm/{apa,kpa}.go.)
 */

#include <math.h>

#include "scale/scale_internal.h"

int32_t
aibrix__replicas(double x)
{
	if (!(x > 0))
		return 0;
	return x < INT32_MAX ? (int32_t)x : INT32_MAX;
}

double
aibrix__ceil_near(double x)
{
	return ceil(x - fabs(x) * 1e-9);
}

int32_t
aibrix__apa_compat(double mean, double target, int32_t replicas,
		   const struct band *band, const struct rates *rates)
{
	double ratio = mean / target, c = replicas;

	if (!(target > 0) || isnan(mean))
		return replicas;
	if (ratio > 1 + band->up)
		return aibrix__replicas(
			fmin(ceil(c * ratio), ceil(rates->up * c)));
	if (ratio < 1 - band->down)
		return aibrix__replicas(
			fmax(ceil(c * ratio), floor(c / rates->down)));
	return replicas;
}

static int
band_holds(const struct band *band, double ratio)
{
	return ratio <= 1 + band->up && ratio >= 1 - band->down;
}

static int32_t
rates_cut(const struct rates *rates, int32_t replicas, double want)
{
	if (rates->up > 0 && want > replicas)
		want = fmin(want, ceil(rates->up * replicas));
	if (rates->down > 0 && want < replicas)
		want = fmax(want, floor(replicas / rates->down));
	return aibrix__replicas(want);
}

int32_t
aibrix__apa(double mean, double target, int32_t replicas,
	    const struct counts *counts, const struct band *band,
	    const struct rates *rates)
{
	double ratio = mean / target, all = counts->told, load = mean * all;
	double want;

	if (band_holds(band, ratio))
		return replicas;
	if (ratio > 1) {
		all += (double)counts->missing + counts->coming;
	} else {
		all += counts->missing;
		load += target * counts->missing;
	}
	if (band_holds(band, load / (all * target)) ||
	    (load > all * target) != (ratio > 1))
		return replicas;
	want = aibrix__ceil_near(load / target);
	if ((want > replicas) != (ratio > 1))
		return replicas;
	return rates_cut(rates, replicas, want);
}

int
aibrix__kpa_compat_panics(double stable, double panicking, double threshold)
{
	return stable <= 0 || panicking / stable > threshold;
}

static double
pods_for(double value, const struct kpa *k, int32_t replicas)
{
	if (value > k->target * (1 + k->band.up) ||
	    value < k->target * (1 - k->band.down))
		return ceil(value / k->target);
	return replicas;
}

static int32_t
kpa_clamp(double want, const struct kpa *k, int32_t replicas)
{
	double up = fmax(1, ceil(k->rates.up * replicas));
	double down = floor(replicas / k->rates.down);
	int32_t pods = aibrix__replicas(fmin(fmax(want, down), up));

	return want > 0 && pods < k->activation ? k->activation : pods;
}

int32_t
aibrix__kpa_compat(const struct kpa *k, int32_t replicas, int32_t *most)
{
	int32_t pods, panicking;

	if (!(k->target > 0) || isnan(k->stable) || isnan(k->panicking))
		return replicas;
	pods = kpa_clamp(pods_for(k->stable, k, replicas), k, replicas);
	if (!k->panic)
		return pods;
	panicking = kpa_clamp(pods_for(k->panicking, k, replicas), k, replicas);
	if (panicking > pods)
		pods = panicking;
	if (pods > *most)
		*most = pods;
	return *most;
}
