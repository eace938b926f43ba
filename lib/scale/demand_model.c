/*
 * What a step of an engine takes, and what a pod therefore bears.
 *
 *	step = step_s + kv_s x used part of the KV cache
 *	              + token_s x prompt tokens in the step
 *
 * is fitted to what pods show: the mean time between tokens is a step, and
 * prompt tokens a second times it are those in a step.  Requests' lengths are
 * in none of the three, so traffic of other lengths needs no new fit.
 *
 * Let requests come at rate x to a pod, with I tokens to compute and O to
 * give.  Prompts take x I token_s of the pod's time.  Little's law has n = x
 * O y requests in it when a step takes y, each holding a part k of the
 * cache, so that
 *
 *	y = step_s / (1 - x W),   W = I token_s + O k kv_s:
 *
 * W is the time that a request takes of the pod, and 1 / (1 - x W) how much
 * slower everything is than on an idle pod.  All bounds are then in closed
 * form, and there is nothing to search:
 *
 *	time             x < 1 / W
 *	between tokens   y <= target             x <= (1 - step_s / target) / W
 *	first token      f / (1 - x W) <= target, f = I token_s + step_s
 *	KV cache         n k <= part             x <= 1 / (O k step_s / part +
 *W) slots            n <= slots              x <= 1 / (O step_s / slots + W)
 *
 * A target that an idle pod misses bounds nothing: more pods do not help.
 *
 * (llm-d fits time between tokens to the KV cache alone and forgets all when
 * lengths change; Dynamo fits prefill and decode apart, which mixed steps of
 * one engine are not.)
 */

#include <math.h>

#include "scale/demand_internal.h"

enum { ROUNDS = 200 };

void
aibrix__fit_add(struct fit *f, double kv, double tokens, double y,
		double weight)
{
	double x[FIT] = {1 / y, kv / y, tokens / y};
	uint32_t at = 0;

	for (uint32_t i = 0; i < FIT; i++) {
		for (uint32_t j = 0; j <= i; j++)
			f->a[at++] += weight * x[i] * x[j];
		f->b[i] += weight * x[i];
	}
	f->y += weight;
	f->weight += weight;
}

void
aibrix__fit_forget(struct fit *f, double share)
{
	double keep = 1 - share;

	for (uint32_t i = 0; i < FIT * (FIT + 1) / 2; i++)
		f->a[i] *= keep;
	for (uint32_t i = 0; i < FIT; i++)
		f->b[i] *= keep;
	f->y *= keep;
	f->weight *= keep;
}

static double
fit_at(const struct fit *f, uint32_t i, uint32_t j)
{
	return i >= j ? f->a[i * (i + 1) / 2 + j] : f->a[j * (j + 1) / 2 + i];
}

/* Coordinate by coordinate, in units of the prior: the sums are positive
 * definite with it, so this comes down to the one best point. */
struct model
aibrix__fit_solve(const struct fit *f, const struct model *prior,
		  double prior_weight)
{
	double z[FIT] = {1, 1, 1};
	struct model m;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < FIT; i++) {
			double u = prior->x[i];
			double up = f->b[i] * u + prior_weight;
			double down = fit_at(f, i, i) * u * u + prior_weight;

			for (uint32_t j = 0; j < FIT; j++)
				if (j != i)
					up -= fit_at(f, i, j) * u *
					      prior->x[j] * z[j];
			z[i] = fmax(0, up / down);
		}
	}
	for (uint32_t i = 0; i < FIT; i++)
		m.x[i] = z[i] * prior->x[i];
	return m;
}

double
aibrix__fit_error(const struct fit *f, const struct model *m)
{
	double sum = f->y;

	for (uint32_t i = 0; i < FIT; i++) {
		sum -= 2 * m->x[i] * f->b[i];
		for (uint32_t j = 0; j < FIT; j++)
			sum += m->x[i] * m->x[j] * fit_at(f, i, j);
	}
	return f->weight > 0 ? sqrt(fmax(0, sum) / f->weight) : NAN;
}

double
aibrix__pod_work(const struct model *m, const struct load *l, uint32_t role)
{
	double work = 0;

	if (role != AIBRIX_DEMAND_DECODE)
		work += l->input * m->x[2];
	if (role != AIBRIX_DEMAND_PREFILL)
		work += l->output * l->kv * m->x[1];
	return work;
}

double
aibrix__pod_first(const struct model *m, const struct load *l)
{
	return l->input * m->x[2] + m->x[0];
}

static void
bound_by(struct bound *b, double rate, uint32_t by)
{
	if (rate < b->rate)
		*b = (struct bound){rate, by};
}

/* alone x stretch is the target. */
static void
bound_stretch(struct bound *b, double alone, double target, double work,
	      uint32_t by)
{
	if (target > alone)
		bound_by(b, (1 - alone / target) / work, by);
}

struct bound
aibrix__pod_bears(const struct model *m, const struct load *l, uint32_t role,
		  const struct targets *t)
{
	double work = aibrix__pod_work(m, l, role);
	double resident = l->output * m->x[0];
	struct bound b = {1 / work, AIBRIX_DEMAND_BY_TIME};

	if (role != AIBRIX_DEMAND_PREFILL)
		bound_stretch(&b, m->x[0], t->itl_s, work,
			      AIBRIX_DEMAND_BY_ITL);
	if (role != AIBRIX_DEMAND_DECODE)
		bound_stretch(&b, aibrix__pod_first(m, l), t->ttft_s, work,
			      AIBRIX_DEMAND_BY_TTFT);
	if (role == AIBRIX_DEMAND_PREFILL)
		return b;
	if (l->kv > 0)
		bound_by(&b, 1 / (resident * l->kv / t->kv + work),
			 AIBRIX_DEMAND_BY_KV);
	if (t->slots > 0)
		bound_by(&b, 1 / (resident / t->slots + work),
			 AIBRIX_DEMAND_BY_SLOTS);
	return b;
}
