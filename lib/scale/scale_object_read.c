/*
 * An object as options of a step, and as the HPA that AIBrix leaves a
 * deployment to.
 *
 *	source      APA, KPA        HPA                   in Kubernetes
 *	cpu         PODS            UTILIZATION, percent  Resource
 *	memory      PODS            PODS, MiB             Resource
 *	pod, custom PODS            PODS                  Pods
 *	external    TOTAL           TOTAL; COMPAT PODS    External; Pods
 *
 *	rate up r    (r - 1) x 100 percent in 60 s      2: 100 %
 *	rate down r  (1 - 1 / r) x 100 percent in 60 s  2: 50 %, 3: 66 %
 *
 * AIBrix cuts percents and targets to whole numbers, which makes 0 of a
 * target of 0.5 and of a rate of 1: those are refused in either profile.
 * (Source: AIBrix e3e10f9 pkg/controller/podautoscaler/hpa_resources.go.)
 */

#include <math.h>
#include <string.h>

#include "base/versioned.h"
#include "scale/scale_internal.h"
#include "scale/scale_object_internal.h"

#define SECOND ((uint64_t)1000000000)

enum {
	HPA_V1 = STRUCT_UPTO(aibrix_hpa, down_window_s),
	OPTS_V1 = STRUCT_UPTO(aibrix_scale_opts, cpu_delay_ns),
	PERIOD_S = 60,
	RATE = 2,
	MIB = 1 << 20
};

static int
text_is(const char *text, const char *word)
{
	return strcmp(text, word) == 0;
}

static int
is_external(const aibrix_scale_source *s)
{
	return text_is(s->type, "external") || text_is(s->type, "domain");
}

/* A percent of what policies move by; a double that is just below a whole
 * number is that number, but for AIBrix. */
static int32_t
percent_of(double x, uint32_t profile)
{
	x *= 100;
	if (profile != AIBRIX_SCALE_COMPAT)
		x = floor(x + 0.5);
	return aibrix__replicas(x);
}

/* Seconds of a window. */
static int32_t
seconds_of(uint64_t ns, uint32_t profile)
{
	if (profile != AIBRIX_SCALE_COMPAT)
		ns += SECOND - 1;
	return (int32_t)(ns / SECOND);
}

/* A source's target as Kubernetes would be told it.  0: it comes to 0. */
static int
hpa_metric(const aibrix_scale_source *s, uint32_t profile, aibrix_hpa_metric *m)
{
	int whole = profile == AIBRIX_SCALE_COMPAT;
	double target = 0;

	*m = (aibrix_hpa_metric){.name = s->metric, .source = AIBRIX_HPA_PODS};
	if (aibrix__positive_read(s->target, &target))
		return 0;
	if (text_is(s->type, "resource"))
		m->source = AIBRIX_HPA_RESOURCE;
	else if (is_external(s) && !whole)
		m->source = AIBRIX_HPA_EXTERNAL;
	if (text_is(s->metric, "cpu") && m->source == AIBRIX_HPA_RESOURCE) {
		m->target = AIBRIX_HPA_UTILIZATION;
		m->percent = aibrix__replicas(ceil(target));
		return m->percent > 0;
	}
	target = whole ? floor(target) : target;
	if (m->source == AIBRIX_HPA_RESOURCE)
		target *= MIB;
	m->milli = aibrix__milli(target);
	return m->milli > 0 && m->milli < INT64_MAX;
}

/* The target of one pod and what it is of, for a step. */
static int
metric_of(const aibrix_scale_source *s, uint32_t strategy, uint32_t profile,
	  aibrix_scale_metric *m)
{
	aibrix_hpa_metric h;

	*m = (aibrix_scale_metric){.kind = AIBRIX_SCALE_PODS};
	if (is_external(s))
		m->kind = AIBRIX_SCALE_TOTAL;
	if (strategy != AIBRIX_SCALE_HPA)
		return aibrix__positive_read(s->target, &m->target) ==
		       AIBRIX_OK;
	if (!hpa_metric(s, profile, &h))
		return 0;
	if (h.source == AIBRIX_HPA_PODS)
		m->kind = AIBRIX_SCALE_PODS;
	m->target = (double)h.milli / 1000;
	if (h.target == AIBRIX_HPA_UTILIZATION) {
		m->kind = AIBRIX_SCALE_UTILIZATION;
		m->flags = AIBRIX_SCALE_CPU;
		m->target = h.percent;
	}
	return 1;
}

/* What Kubernetes would move by.  0: not at all. */
static int
policies_of(const aibrix_scale_opts *o, int32_t *up, int32_t *down)
{
	double up_rate = o->max_up_rate > 0 ? o->max_up_rate : RATE;
	double down_rate = o->max_down_rate > 0 ? o->max_down_rate : RATE;

	*up = percent_of(up_rate - 1, o->profile);
	*down = percent_of(1 - 1 / down_rate, o->profile);
	return *up > 0 && *down > 0;
}

/* Members and annotations; o has the caller's options. */
static int
options_read(const struct object *object, aibrix_scale_opts *o,
	     aibrix_scale_fault *fault)
{
	const aibrix_scale_object *a = &object->a;
	const uint32_t windows =
		AIBRIX_SCALE_OBJECT_HAS_OBSERVE | AIBRIX_SCALE_OBJECT_HAS_PANIC;
	int err = aibrix_scale_annotations_read(a->annotations,
						a->n_annotations, o, fault);

	if (err)
		return err;
	o->strategy = object->strategy;
	o->min_replicas = a->min_replicas;
	o->max_replicas = a->max_replicas;
	if (a->flags & windows) {
		o->stable_ns = (uint64_t)a->observe_s * SECOND;
		o->panic_ns = (uint64_t)a->panic_s * SECOND;
	}
	if (!(a->flags & AIBRIX_SCALE_OBJECT_HAS_MIN) &&
	    (o->flags & AIBRIX_SCALE_TO_ZERO))
		o->min_replicas = 0;
	if (o->min_replicas == 0)
		o->flags |= AIBRIX_SCALE_TO_ZERO;
	return AIBRIX_OK;
}

static int
sources_read(const struct object *object, uint32_t profile,
	     aibrix_scale_metric *metrics, uint32_t *which)
{
	const aibrix_scale_object *a = &object->a;

	for (*which = 0; *which < a->n_sources; ++*which)
		if (!metric_of(&a->sources[*which], object->strategy, profile,
			       &metrics[*which]))
			return 0;
	return 1;
}

/* Is what was read what a step takes? */
static int
plan_check(const aibrix_scale_opts *o, aibrix_scale_fault *fault)
{
	struct plan plan;
	int err = aibrix__plan_load(&plan, o);

	if (err)
		aibrix__fault(fault, err, AIBRIX_SCALE_OBJECT_OPTIONS, 0);
	return err;
}

int
aibrix_scale_object_read(const aibrix_scale_object *object,
			 aibrix_scale_opts *opts, aibrix_scale_metric *metrics,
			 aibrix_scale_policy *policies,
			 aibrix_scale_fault *fault)
{
	aibrix_scale_metric read[AIBRIX_SCALE_METRICS_MAX];
	aibrix_scale_policy p[AIBRIX_SCALE_OBJECT_POLICIES] = {
		{AIBRIX_SCALE_BY_PERCENT, 0, PERIOD_S * SECOND},
		{AIBRIX_SCALE_BY_PERCENT, 0, PERIOD_S * SECOND}};
	struct object o;
	aibrix_scale_opts own;
	int32_t up, down;
	uint32_t which;
	int err = aibrix__object_check(&o, object, fault);

	if (err)
		return err;
	err = opts && metrics && policies
		      ? aibrix__struct_load(&own, sizeof(own), opts, OPTS_V1)
		      : AIBRIX_E_INVAL;
	if (err || o.a.n_sources > AIBRIX_SCALE_METRICS_MAX)
		return aibrix__fault(fault, err ? err : AIBRIX_E_INVAL,
				     AIBRIX_SCALE_OBJECT_OPTIONS, 0);
	err = options_read(&o, &own, fault);
	if (err)
		return err;
	if (!sources_read(&o, own.profile, read, &which))
		return aibrix__fault(fault, AIBRIX_E_INVAL,
				     AIBRIX_SCALE_OBJECT_SOURCES, which);
	own.metrics = read;
	own.n_metrics = o.a.n_sources;
	if (o.strategy == AIBRIX_SCALE_HPA &&
	    (own.profile == AIBRIX_SCALE_COMPAT || own.max_up_rate > 0 ||
	     own.max_down_rate > 0)) {
		if (!policies_of(&own, &up, &down))
			return aibrix__fault(fault, AIBRIX_E_INVAL,
					     AIBRIX_SCALE_OBJECT_OPTIONS, 0);
		p[0].value = (uint32_t)up;
		p[1].value = (uint32_t)down;
		own.up = &p[0];
		own.down = &p[1];
		own.n_up = own.n_down = 1;
	}
	err = plan_check(&own, fault);
	if (err)
		return err;
	memcpy(metrics, read, o.a.n_sources * sizeof(*metrics));
	own.metrics = metrics;
	if (own.up == &p[0]) {
		memcpy(policies, p, sizeof(p));
		own.up = &policies[0];
		own.down = &policies[1];
	}
	return aibrix__struct_store(opts, &own, sizeof(own), OPTS_V1);
}

int
aibrix_scale_object_hpa(const aibrix_scale_object *object, uint32_t profile,
			aibrix_hpa *hpa, aibrix_hpa_metric *metrics,
			aibrix_scale_fault *fault)
{
	aibrix_scale_opts own = {.size = sizeof(own), .profile = profile};
	aibrix_hpa_metric m;
	aibrix_hpa h = {.size = sizeof(h),
			.up_select = AIBRIX_SCALE_SELECT_MAX,
			.down_select = AIBRIX_SCALE_SELECT_MIN,
			.up_period_s = PERIOD_S,
			.down_period_s = PERIOD_S};
	struct object o;
	int err = aibrix__object_check(&o, object, fault);

	if (err)
		return err;
	if (o.strategy != AIBRIX_SCALE_HPA)
		return aibrix__fault(fault, AIBRIX_E_INVAL,
				     AIBRIX_SCALE_OBJECT_STRATEGY, 0);
	if (!hpa || !metrics || hpa->size < HPA_V1)
		return aibrix__fault(fault, AIBRIX_E_INVAL,
				     AIBRIX_SCALE_OBJECT_OPTIONS, 0);
	err = options_read(&o, &own, fault);
	if (err)
		return err;
	if (!policies_of(&own, &h.up_percent, &h.down_percent))
		return aibrix__fault(fault, AIBRIX_E_INVAL,
				     AIBRIX_SCALE_OBJECT_OPTIONS, 0);
	for (uint32_t i = 0; i < o.a.n_sources; i++)
		if (!hpa_metric(&o.a.sources[i], profile, &m))
			return aibrix__fault(fault, AIBRIX_E_INVAL,
					     AIBRIX_SCALE_OBJECT_SOURCES, i);
	h.n_metrics = o.a.n_sources;
	h.min_replicas = own.min_replicas;
	h.max_replicas = own.max_replicas;
	h.up_window_s = seconds_of(own.up_window_ns, profile);
	h.down_window_s = 300;
	if (own.flags & AIBRIX_SCALE_DOWN_WINDOW_SET)
		h.down_window_s = seconds_of(own.down_window_ns, profile);
	err = aibrix__struct_store(hpa, &h, sizeof(h), HPA_V1);
	for (uint32_t i = 0; !err && i < o.a.n_sources; i++)
		if (!hpa_metric(&o.a.sources[i], profile, &metrics[i]))
			err = AIBRIX_E_INVAL;
	return err;
}
