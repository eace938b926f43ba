/*
 * From what pods tell to what each metric wants.
 *
 * Only pods that run and are not known to be unready are asked.  A pod that
 * still loads its model reports an idle engine, and would lower the mean at
 * the moment when there is too little of everything.
 */

#include <math.h>
#include <string.h>

#include "scale/scale_internal.h"

/* What pods tell of a metric now. */
struct tally {
	double value; /* mean, busiest, or total */
	uint32_t told, missing;
};

/* The rank-th smallest of what pods tell, from 1.  Values that count are not
 * negative, so their bits are in their order; each pass settles eight. */
static double
value_ranked(const struct step *st, const aibrix_scale_values *v, uint32_t rank)
{
	uint64_t found = 0;
	double x;

	for (int shift = 56; shift >= 0; shift -= 8) {
		uint32_t count[256] = {0}, digit = 0;

		for (uint32_t i = 0; i < st->fleet.n_pods; i++) {
			uint64_t bits;

			if (!pod_ready(&st->fleet.pods[i]) ||
			    !value_counts(v, i, st->plan.o.fresh_ns,
					  st->now_ns))
				continue;
			x = v->values[i] + 0.0; /* of two zeros the one */
			memcpy(&bits, &x, sizeof(bits));
			if (shift == 56 || bits >> (shift + 8) == found)
				count[bits >> shift & 255]++;
		}
		while (rank > count[digit])
			rank -= count[digit++];
		found = found << 8 | digit;
	}
	memcpy(&x, &found, sizeof(x));
	return x;
}

static struct tally
values_tally(const struct step *st, const aibrix_scale_values *v,
	     const aibrix_scale_metric *m)
{
	struct tally t = {0, 0, 0};
	double most = 0;

	for (uint32_t i = 0; i < st->fleet.n_pods; i++) {
		if (!pod_ready(&st->fleet.pods[i]))
			continue;
		if (!value_counts(v, i, st->plan.o.fresh_ns, st->now_ns)) {
			t.missing++;
			continue;
		}
		t.told++;
		t.value += v->values[i];
		most = fmax(most, v->values[i]);
	}
	if (m->flags & AIBRIX_SCALE_BUSIEST)
		t.value = most * t.told;
	else if (m->share > 0 && t.told > 0)
		t.value = t.told * value_ranked(st, v,
						(uint32_t)aibrix__ceil_near(
							m->share * t.told));
	return t;
}

/* A number of the deployment that counts. */
static int
total_counts(const struct step *st, const aibrix_scale_values *v)
{
	return v->total >= 0 && v->total <= AIBRIX_WINDOW_VALUE_MAX &&
	       (v->total_at_ns == 0 ||
		time_counts(v->total_at_ns, st->plan.o.fresh_ns, st->now_ns));
}

/* 0: nothing is known. */
static int
metric_tally(const struct step *st, uint32_t metric, struct tally *t)
{
	const aibrix_scale_metric *m = &st->plan.o.metrics[metric];
	const aibrix_scale_values *v = &st->values[metric];

	if (m->kind == AIBRIX_SCALE_TOTAL && !v->values) {
		*t = (struct tally){v->total, st->pods.ready, 0};
		return total_counts(st, v);
	}
	if (!v->values)
		return 0;
	*t = values_tally(st, v, m);
	if (t->told == 0)
		return 0;
	if (m->kind == AIBRIX_SCALE_PODS)
		t->value /= t->told;
	return 1;
}

struct means {
	double stable, panicking;
};

/* 0: the window does not take it. */
static int
windows_feed(struct step *st, uint32_t metric, double value,
	     struct means *means)
{
	aibrix_window *stable = aibrix__state_stable(st->s, metric);
	aibrix_window *panic = aibrix__state_panic(st->s, metric);
	aibrix_window_view a = {.size = sizeof(a)}, b = {.size = sizeof(b)};

	/* What pods tell adds up beyond what a window takes. */
	value = fmin(value, AIBRIX_WINDOW_VALUE_MAX);
	if (aibrix_window_add(stable, value, st->now_ns) ||
	    aibrix_window_add(panic, value, st->now_ns) ||
	    aibrix_window_read(stable, st->now_ns, &a) ||
	    aibrix_window_read(panic, st->now_ns, &b))
		return 0;
	means->stable = a.value;
	means->panicking = b.value;
	return 1;
}

static int32_t
apa_propose(const struct step *st, uint32_t metric, const struct tally *t,
	    const struct means *means)
{
	const aibrix_scale_metric *m = &st->plan.o.metrics[metric];
	struct counts counts = {t->told, t->missing, st->pods.coming};
	double mean = means->stable;

	if (st->plan.o.profile == AIBRIX_SCALE_COMPAT)
		return aibrix__apa_compat(mean, m->target, st->fleet.replicas,
					  &st->plan.band, &st->plan.rates);
	if (m->kind == AIBRIX_SCALE_TOTAL) {
		counts.told = st->pods.ready ? st->pods.ready : 1;
		counts.missing = 0;
		mean /= counts.told;
	}
	return aibrix__apa(mean, m->target, st->fleet.replicas, &counts,
			   &st->plan.band, &st->plan.rates);
}

static int32_t
kpa_compat_propose(const struct step *st, uint32_t metric,
		   const struct means *means, aibrix_scale_decision *d)
{
	const aibrix_scale_opts *o = &st->plan.o;
	int32_t most = 0;
	struct kpa k = {.stable = means->stable,
			.panicking = means->panicking,
			.target = o->metrics[metric].target,
			.band = st->plan.band,
			.rates = st->plan.rates,
			.threshold = o->panic_threshold,
			.activation = o->activation,
			.panic = aibrix__kpa_compat_panics(means->stable,
							   means->panicking,
							   o->panic_threshold)};

	d->panic |= (uint32_t)(k.panic != 0) << metric;
	return aibrix__kpa_compat(&k, st->fleet.replicas, &most);
}

static int32_t
kpa_propose(struct step *st, uint32_t metric, const struct means *means,
	    double *burst)
{
	const aibrix_scale_opts *o = &st->plan.o;
	const aibrix_scale_metric *m = &o->metrics[metric];
	const struct band *band = &st->plan.band;
	struct panic *panic = &st->s->panic[metric];
	struct knative k = {
		.stable = means->stable,
		.panicking = means->panicking,
		.target = m->target,
		.capacity = m->capacity > 0 ? m->capacity : m->target,
		.rates = st->plan.rates,
		.threshold = o->panic_threshold,
		.burst = o->burst_capacity,
		.activation = o->activation,
		.ready = st->pods.ready,
		.reachable = !(st->fleet.flags & AIBRIX_SCALE_NO_TRAFFIC),
		.stable_ns = o->stable_ns};
	int32_t pods;
	double ratio = k.stable / (k.target * st->fleet.replicas);

	if (!st->s->started)
		*panic = aibrix__panic_start(st->pods.ready, st->now_ns);
	pods = aibrix__knative(&k, panic, st->now_ns);
	st->d.panic |= panic->on << metric;
	*burst = aibrix__knative_burst(&k);
	if (!panic->on && band->up + band->down > 0 && ratio <= 1 + band->up &&
	    ratio >= 1 - band->down)
		return st->fleet.replicas;
	return pods;
}

/* What Knative sees is all that the pods bear. */
static double
kpa_total(const struct step *st, uint32_t metric, const struct tally *t)
{
	if (st->plan.o.profile == AIBRIX_SCALE_COMPAT ||
	    st->plan.o.metrics[metric].kind == AIBRIX_SCALE_TOTAL)
		return t->value;
	return t->value * ((double)t->told + t->missing);
}

static int
windowed_propose(struct step *st, uint32_t metric, int32_t *pods,
		 aibrix_scale_decision *d)
{
	struct means means;
	struct tally t;
	double value;
	int told = metric_tally(st, metric, &t);

	if (st->values[metric].values)
		d->missing = t.missing;
	if (!told)
		return 0;
	value = st->plan.o.strategy == AIBRIX_SCALE_KPA
			? kpa_total(st, metric, &t)
			: t.value;
	if (!windows_feed(st, metric, value, &means))
		return 0;
	if (st->plan.o.strategy == AIBRIX_SCALE_APA)
		*pods = apa_propose(st, metric, &t, &means);
	else if (st->plan.o.profile == AIBRIX_SCALE_COMPAT)
		*pods = kpa_compat_propose(st, metric, &means, &st->d);
	else
		*pods = kpa_propose(st, metric, &means, &d->burst);
	d->stable = means.stable;
	d->panicking = means.panicking;
	return 1;
}

static int
hpa_propose(const struct step *st, uint32_t metric, int32_t *pods,
	    aibrix_scale_decision *d)
{
	const aibrix_scale_opts *o = &st->plan.o;
	struct hpa h = {.pods = st->fleet.pods,
			.n_pods = st->fleet.n_pods,
			.v = &st->values[metric],
			.metric = &o->metrics[metric],
			.band = st->plan.band,
			.fresh_ns = o->fresh_ns,
			.cpu_start_ns = o->cpu_start_ns,
			.cpu_delay_ns = o->cpu_delay_ns,
			.now_ns = st->now_ns,
			.replicas = st->fleet.replicas};
	struct hpa_result r = {0};
	int ok = aibrix__hpa(&h, &r);

	d->missing = r.missing;
	if (!ok)
		return 0;
	*pods = r.replicas;
	d->utilization = (double)r.utilization;
	return 1;
}

/* A metric is the pods that it wants; what is to be smoothed has been. */
static int
tpa_propose(const struct step *st, uint32_t metric, int32_t *pods,
	    aibrix_scale_decision *d)
{
	const aibrix_scale_values *v = &st->values[metric];

	if (v->values || !total_counts(st, v))
		return 0;
	*pods = aibrix__replicas(aibrix__ceil_near(
		v->total / st->plan.o.metrics[metric].target));
	d->stable = v->total;
	return 1;
}

static int
metric_propose(struct step *st, uint32_t metric, int32_t *pods,
	       aibrix_scale_decision *d)
{
	switch (st->plan.o.strategy) {
	case AIBRIX_SCALE_HPA: return hpa_propose(st, metric, pods, d);
	case AIBRIX_SCALE_TPA: return tpa_propose(st, metric, pods, d);
	default: return windowed_propose(st, metric, pods, d);
	}
}

void
aibrix__step_propose(struct step *st)
{
	for (uint32_t i = 0; i < st->plan.o.n_metrics; i++) {
		aibrix_scale_decision d = {.stable = NAN,
					   .panicking = NAN,
					   .utilization = NAN,
					   .burst = NAN};
		int32_t pods = 0;
		int ok = metric_propose(st, i, &pods, &d);

		st->d.missing += d.missing;
		if (!ok) {
			st->d.failed |= (uint32_t)1 << i;
			continue;
		}
		if (st->proposals++ > 0 && pods <= st->wanted)
			continue;
		st->wanted = pods;
		st->d.metric = i;
		st->d.stable = d.stable;
		st->d.panicking = d.panicking;
		st->d.utilization = d.utilization;
		st->d.burst = d.burst;
	}
}
