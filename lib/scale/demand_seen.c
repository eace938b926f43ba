/*
 * What ready pods say, added up.
 *
 * A pod of which a number is missing is left out of all sums, so that ratios
 * between them stay right; how many there are of those is told.
 */

#include <math.h>

#include "scale/demand_internal.h"

struct pod_seen {
	double running, waiting, kv, prompt, cached, output, finished;
};

static int
counts(double x)
{
	return x >= 0 && x <= DEMAND_LARGE;
}

/* x of a pod; 0 where nobody tells it.  *ok becomes 0 when it is missing. */
static double
told(const double *column, uint32_t pod, int *ok)
{
	if (!column)
		return 0;
	*ok &= counts(column[pod]);
	return column[pod];
}

/* 0: the pod is not ready, or has not told; *missing counts the latter. */
static int
pod_load(const struct look *k, uint32_t i, struct pod_seen *p,
	 uint32_t *missing)
{
	const aibrix_demand_seen *s = k->seen;
	int ok = 1;

	if (!pod_ready(&k->fleet->pods[i]))
		return 0;
	if (s->at_ns)
		ok = time_counts(s->at_ns[i], k->fresh_ns, k->now_ns);
	p->running = told(s->running, i, &ok);
	p->waiting = told(s->waiting, i, &ok);
	p->kv = fmin(1, told(s->kv_ratio, i, &ok));
	p->prompt = told(s->prompt_per_s, i, &ok);
	p->cached = fmin(1, told(s->cached_ratio, i, &ok));
	p->output = told(s->output_per_s, i, &ok);
	p->finished = told(s->finished_per_s, i, &ok);
	if (!ok && missing)
		(*missing)++;
	return ok;
}

struct mean {
	double sum, weight;
};

/* x counts for as much as its pod finishes. */
static void
mean_add(struct mean *m, const double *column, uint32_t pod, double weight)
{
	if (!column || !counts(column[pod]))
		return;
	m->sum += column[pod] * weight;
	m->weight += weight;
}

static double
mean_of(const struct mean *m)
{
	return m->weight > 0 ? m->sum / m->weight : -1;
}

struct sight
aibrix__sight(const struct look *k)
{
	const aibrix_demand_seen *seen = k->seen;
	struct mean input = {0, 0}, output = {0, 0};
	struct sight s = {0};

	for (uint32_t i = 0; i < k->fleet->n_pods; i++) {
		struct pod_seen p;
		double weight;

		if (!pod_load(k, i, &p, &s.missing))
			continue;
		s.told++;
		s.running += p.running;
		s.waiting += p.waiting;
		s.kv += p.kv;
		s.prompt += p.prompt;
		s.computed += p.prompt * (1 - p.cached);
		s.output += p.output;
		s.finished += p.finished;
		weight = seen->finished_per_s ? p.finished : 1;
		mean_add(&input, seen->input_tokens, i, weight);
		mean_add(&output, seen->output_tokens, i, weight);
	}
	s.input_mean = mean_of(&input);
	s.output_mean = mean_of(&output);
	return s;
}

/* What a step of that pod takes; 0: it does not show. */
static double
step_seen(const aibrix_demand_seen *seen, uint32_t pod,
	  const struct pod_seen *p)
{
	double y = 0;

	if (seen->itl_s && counts(seen->itl_s[pod]))
		y = seen->itl_s[pod];
	else if (seen->running && p->output > 0)
		y = p->running / p->output;
	return y >= 1e-6 && y <= 1e3 ? y : 0;
}

void
aibrix__sight_fit(const struct look *k, uint32_t n, struct fit *fit)
{
	for (uint32_t i = 0; i < k->fleet->n_pods; i++) {
		struct pod_seen p;
		double y;

		if (!pod_load(k, i, &p, NULL))
			continue;
		y = step_seen(k->seen, i, &p);
		if (y > 0)
			aibrix__fit_add(fit, p.kv,
					p.prompt * (1 - p.cached) * y, y,
					1.0 / n);
	}
}

double
aibrix__sight_prefill(const struct look *k)
{
	double most = 0;

	for (uint32_t i = 0; i < k->fleet->n_pods; i++) {
		struct pod_seen p;

		if (pod_load(k, i, &p, NULL) && p.waiting >= 1)
			most = fmax(most, p.prompt * (1 - p.cached));
	}
	return most;
}
