/*
 * Kubernetes' replica calculator.
 *
 * There every quantity is a whole number of thousandths, means and percents
 * are divisions of whole numbers, and only a ratio and its product with a
 * number of pods are doubles.  So are they here, in the same order, or
 * rounding would differ in the one case that a test of theirs has.
 *
 *	pod                           group      counts when
 *	leaving, failed               ignored    never
 *	pending                       unready    load is above: as 0
 *	no value                      missing    above: as 0, below: as target
 *	cpu, starting or not ready    unready    above: as 0
 *	any other                     told       always
 *
 * (Source: Kubernetes pkg/controller/podautoscaler/replica_calculator.go.)
 */

#include <math.h>

#include "scale/scale_internal.h"

enum { MILLI = 1000, PERCENT = 100 };

/* Sums of those that told, and of the groups that may be put in for. */
struct groups {
	int64_t usage, requests; /* told */
	int64_t missing_requests, unready_requests;
	int64_t missing_usage; /* what missing pods have at the fallback */
	uint32_t told, missing, unready;
	int no_request;
};

int64_t
aibrix__milli(double x)
{
	double m = x * MILLI;
	int64_t whole;

	if (!(m > 0))
		return 0;
	if (m >= 9223372036854775808.0)
		return INT64_MAX;
	whole = (int64_t)m;
	return whole + (m - (double)whole > m * 1e-12);
}

static int64_t
sum_of(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* a * b / c, a and b not negative, c above 0. */
static int64_t
mul_div(int64_t a, int64_t b, int64_t c)
{
	double about = (double)a * (double)b;

	if (about < 4e18)
		return a * b / c;
	about = floor(about / (double)c);
	return about >= 9223372036854775808.0 ? INT64_MAX : (int64_t)about;
}

/* A pod whose cpu says nothing yet: what it burns is its start. */
static int
cpu_unready(const struct hpa *h, uint32_t i)
{
	const aibrix_scale_pod *p = &h->pods[i];
	uint64_t at = h->v->at_ns         ? h->v->at_ns[i]
		      : h->v->total_at_ns ? h->v->total_at_ns
					  : h->now_ns;

	if (p->ready == AIBRIX_SCALE_READY_UNKNOWN || p->started_ns == 0)
		return 1;
	if (p->started_ns > h->now_ns ||
	    h->now_ns - p->started_ns < h->cpu_start_ns)
		return p->ready == AIBRIX_SCALE_NOT_READY ||
		       at < p->changed_ns ||
		       at - p->changed_ns < h->v->window_ns;
	return p->ready == AIBRIX_SCALE_NOT_READY &&
	       (p->started_ns > p->changed_ns ||
		p->changed_ns - p->started_ns < h->cpu_delay_ns);
}

/* A request in thousandths; 0: there is none. */
static int64_t
request_of(const struct hpa *h, uint32_t i)
{
	double x = h->v->requests ? h->v->requests[i] : 0;

	return x > 0 && x <= AIBRIX_WINDOW_VALUE_MAX ? aibrix__milli(x) : 0;
}

static int64_t
target_of(const struct hpa *h)
{
	if (h->metric->kind == AIBRIX_SCALE_UTILIZATION)
		return aibrix__replicas(h->metric->target);
	return aibrix__milli(h->metric->target);
}

static void
group_missing(const struct hpa *h, struct groups *g, int64_t request)
{
	int64_t percent = target_of(h);

	if (percent < PERCENT)
		percent = PERCENT;
	g->missing++;
	g->missing_requests = sum_of(g->missing_requests, request);
	g->missing_usage =
		sum_of(g->missing_usage, mul_div(request, percent, PERCENT));
}

static void
group_pod(const struct hpa *h, struct groups *g, uint32_t i)
{
	int utilization = h->metric->kind == AIBRIX_SCALE_UTILIZATION;
	int64_t request = utilization ? request_of(h, i) : 0;
	uint32_t phase = h->pods[i].phase;

	if (phase != AIBRIX_SCALE_PENDING && phase != AIBRIX_SCALE_RUNNING)
		return;
	g->no_request |= utilization && request == 0;
	if (phase == AIBRIX_SCALE_PENDING) {
		g->unready++;
		g->unready_requests = sum_of(g->unready_requests, request);
	} else if (!value_counts(h->v, i, h->fresh_ns, h->now_ns)) {
		group_missing(h, g, request);
	} else if ((h->metric->flags & AIBRIX_SCALE_CPU) && cpu_unready(h, i)) {
		g->unready++;
		g->unready_requests = sum_of(g->unready_requests, request);
	} else {
		g->told++;
		g->usage = sum_of(g->usage, aibrix__milli(h->v->values[i]));
		g->requests = sum_of(g->requests, request);
	}
}

/* Percent of what was requested, or the mean of n. */
static int64_t
measured(const struct hpa *h, int64_t usage, int64_t requests, uint32_t n)
{
	if (h->metric->kind == AIBRIX_SCALE_UTILIZATION)
		return mul_div(usage, PERCENT, requests);
	return usage / n;
}

static int
band_holds(const struct hpa *h, double ratio)
{
	return 1.0 - h->band.down <= ratio && ratio <= 1.0 + h->band.up;
}

/* The ratio with the missing and the unready put in, and their number. */
static double
ratio_filled(const struct hpa *h, const struct groups *g, double ratio,
	     uint32_t *n)
{
	int64_t usage = g->usage, requests = g->requests;

	*n = g->told;
	if (ratio < 1.0 && g->missing) {
		int64_t fill = h->metric->kind == AIBRIX_SCALE_UTILIZATION
				       ? g->missing_usage
				       : mul_div(target_of(h), g->missing, 1);

		usage = sum_of(usage, fill);
	}
	if (ratio != 1.0) {
		*n += g->missing;
		requests = sum_of(requests, g->missing_requests);
	}
	if (ratio > 1.0) {
		*n += g->unready;
		requests = sum_of(requests, g->unready_requests);
	}
	return (double)measured(h, usage, requests, *n) / (double)target_of(h);
}

static int
pods_propose(const struct hpa *h, struct hpa_result *out)
{
	struct groups g = {0};
	double ratio, filled;
	uint32_t n;

	for (uint32_t i = 0; i < h->n_pods; i++)
		group_pod(h, &g, i);
	out->missing = g.missing;
	if (g.told == 0 || g.no_request)
		return 0;
	out->utilization = measured(h, g.usage, g.requests, g.told);
	ratio = (double)out->utilization / (double)target_of(h);
	out->replicas = h->replicas;
	if (g.missing == 0 && !(g.unready && ratio > 1.0)) {
		if (!band_holds(h, ratio))
			out->replicas = aibrix__replicas(ceil(ratio * g.told));
		return 1;
	}
	filled = ratio_filled(h, &g, ratio, &n);
	if (band_holds(h, filled) || (ratio < 1.0 && filled > 1.0) ||
	    (ratio > 1.0 && filled < 1.0))
		return 1;
	n = (uint32_t)aibrix__replicas(ceil(filled * n));
	if ((filled < 1.0 && n <= (uint32_t)h->replicas) ||
	    (filled > 1.0 && n >= (uint32_t)h->replicas))
		out->replicas = (int32_t)n;
	return 1;
}

/* The number of the deployment, or the sum of what pods tell.  0: unknown. */
static int
total_of(const struct hpa *h, int64_t *usage, uint32_t *missing)
{
	int64_t sum = 0;
	uint32_t told = 0;

	if (!h->v->values) {
		*usage = aibrix__milli(h->v->total);
		return h->v->total >= 0 &&
		       h->v->total <= AIBRIX_WINDOW_VALUE_MAX &&
		       (h->v->total_at_ns == 0 ||
			time_counts(h->v->total_at_ns, h->fresh_ns, h->now_ns));
	}
	for (uint32_t i = 0; i < h->n_pods; i++) {
		if (h->pods[i].phase != AIBRIX_SCALE_RUNNING)
			continue;
		if (!value_counts(h->v, i, h->fresh_ns, h->now_ns)) {
			(*missing)++;
			continue;
		}
		sum = sum_of(sum, aibrix__milli(h->v->values[i]));
		told++;
	}
	*usage = sum;
	return told > 0;
}

static uint32_t
pods_ready(const struct hpa *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n_pods; i++)
		n += h->pods[i].phase == AIBRIX_SCALE_RUNNING &&
		     h->pods[i].ready != AIBRIX_SCALE_NOT_READY;
	return n;
}

static int
value_propose(const struct hpa *h, struct hpa_result *out)
{
	int64_t usage;
	double ratio;

	if (!total_of(h, &usage, &out->missing))
		return 0;
	ratio = (double)usage / (double)target_of(h);
	out->utilization = usage;
	if (h->replicas == 0)
		out->replicas = aibrix__replicas(ceil(ratio));
	else if (band_holds(h, ratio))
		out->replicas = h->replicas;
	else
		out->replicas = aibrix__replicas(ceil(ratio * pods_ready(h)));
	return 1;
}

static int
total_propose(const struct hpa *h, struct hpa_result *out)
{
	int64_t usage;
	double one, ratio;

	if (!total_of(h, &usage, &out->missing))
		return 0;
	one = (double)usage / (double)target_of(h);
	ratio = one / h->replicas;
	out->utilization = usage;
	if (h->replicas > 0)
		out->utilization =
			usage / h->replicas + (usage % h->replicas != 0);
	out->replicas = h->replicas;
	if (h->replicas == 0 || !band_holds(h, ratio))
		out->replicas = aibrix__replicas(ceil(one));
	return 1;
}

int
aibrix__hpa(const struct hpa *h, struct hpa_result *out)
{
	switch (h->metric->kind) {
	case AIBRIX_SCALE_TOTAL: return total_propose(h, out);
	case AIBRIX_SCALE_VALUE: return value_propose(h, out);
	default: return h->v->values && pods_propose(h, out);
	}
}
