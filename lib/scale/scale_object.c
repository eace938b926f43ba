/*
 * Whether an object is one, by AIBrix's checks in AIBrix's order, so that a
 * condition here and there says the same.
 *
 *	target, bounds, strategy, windows, schedules, sources
 *
 * (Source: AIBrix e3e10f9 api/autoscaling/v1alpha1/podautoscaler_types.go,
 * pkg/controller/podautoscaler/podautoscaler_controller.go.)
 */

#include <string.h>

#include "base/decimal.h"
#include "base/versioned.h"
#include "scale/scale_object_internal.h"

enum {
	OBJECT_V1 = STRUCT_UPTO(aibrix_scale_object, annotations),
	HOUR_S = 3600,
	OBSERVE_S = 180,
	PANIC_S = 60,
	HAS_FLAGS = AIBRIX_SCALE_OBJECT_HAS_MIN |
		    AIBRIX_SCALE_OBJECT_HAS_OBSERVE |
		    AIBRIX_SCALE_OBJECT_HAS_PANIC |
		    AIBRIX_SCALE_OBJECT_HAS_SCHEDULES
};

static int
text_is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static int
text_set(const char *text)
{
	return text && text[0];
}

int
aibrix__positive_read(const char *text, double *out)
{
	double x;
	size_t n = text ? strnlen(text, OBJECT_TEXT_MAX) : 0;

	if (n == 0 || aibrix__decimal_read(text, n, &x))
		return AIBRIX_E_PARSE;
	if (!(x > 0 && x <= 1.7976931348623157e308))
		return AIBRIX_E_INVAL;
	*out = x;
	return AIBRIX_OK;
}

/* A member that is not there has AIBrix's default. */
int
aibrix__object_load(struct object *o, const aibrix_scale_object *object)
{
	aibrix_scale_object *a = &o->a;
	int err;

	if (!object)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(a, sizeof(*a), object, OBJECT_V1);
	if (err)
		return err;
	if ((a->flags & ~(uint32_t)HAS_FLAGS) || a->spare)
		return AIBRIX_E_ABI;
	if ((a->n_sources && !a->sources) ||
	    (a->n_schedules && !a->schedules) ||
	    (a->n_annotations && !a->annotations))
		return AIBRIX_E_INVAL;
	if (!(a->flags & AIBRIX_SCALE_OBJECT_HAS_MIN))
		a->min_replicas = 1;
	if (!(a->flags & AIBRIX_SCALE_OBJECT_HAS_OBSERVE))
		a->observe_s = OBSERVE_S;
	if (!(a->flags & AIBRIX_SCALE_OBJECT_HAS_PANIC))
		a->panic_s = PANIC_S;
	o->strategy = text_is(a->strategy, "APA")   ? AIBRIX_SCALE_APA
		      : text_is(a->strategy, "KPA") ? AIBRIX_SCALE_KPA
		      : text_is(a->strategy, "HPA") ? AIBRIX_SCALE_HPA
						    : STRATEGY_NONE;
	return AIBRIX_OK;
}

static int
protocol_valid(const aibrix_scale_source *s)
{
	return text_is(s->protocol, "http") || text_is(s->protocol, "https");
}

static int
source_valid(const aibrix_scale_source *s)
{
	if (text_is(s->type, "pod"))
		return protocol_valid(s) && text_set(s->port) &&
		       text_set(s->path);
	if (text_is(s->type, "external") || text_is(s->type, "domain"))
		return !text_set(s->endpoint) ||
		       (protocol_valid(s) && text_set(s->path));
	if (text_is(s->type, "resource"))
		return (text_is(s->metric, "cpu") ||
			text_is(s->metric, "memory")) &&
		       !text_set(s->endpoint) && !text_set(s->port) &&
		       !text_set(s->path) && !text_set(s->protocol);
	return text_is(s->type, "custom");
}

static int
source_check(const aibrix_scale_source *s)
{
	double target;

	if (s->spare)
		return AIBRIX_E_ABI;
	if (!text_set(s->metric) || !source_valid(s))
		return AIBRIX_E_INVAL;
	return aibrix__positive_read(s->target, &target);
}

static int
sources_check(const aibrix_scale_object *a, aibrix_scale_fault *fault)
{
	int err = a->n_sources ? AIBRIX_OK : AIBRIX_E_INVAL;
	uint32_t i = 0;

	while (!err && i < a->n_sources) {
		err = source_check(&a->sources[i]);
		i += !err;
	}
	if (err)
		aibrix__fault(fault, err, AIBRIX_SCALE_OBJECT_SOURCES, i);
	return err;
}

static int
schedules_check(const aibrix_scale_object *a, aibrix_scale_fault *fault)
{
	uint32_t bad = 0;
	int err;

	if (!(a->flags & AIBRIX_SCALE_OBJECT_HAS_SCHEDULES))
		return AIBRIX_OK;
	err = aibrix__schedules_check(a->schedules, a->n_schedules,
				      a->min_replicas, a->max_replicas, &bad);
	if (err)
		aibrix__fault(fault, err, AIBRIX_SCALE_OBJECT_SCHEDULES, bad);
	return err;
}

static uint32_t
members_check(const struct object *o)
{
	const aibrix_scale_object *a = &o->a;

	if (!text_set(a->kind) || !text_set(a->name))
		return AIBRIX_SCALE_OBJECT_TARGET;
	if (a->min_replicas < 0 || a->max_replicas <= 0 ||
	    a->max_replicas < a->min_replicas)
		return AIBRIX_SCALE_OBJECT_BOUNDS;
	if (o->strategy == STRATEGY_NONE ||
	    (o->strategy == AIBRIX_SCALE_HPA && text_set(a->role)))
		return AIBRIX_SCALE_OBJECT_STRATEGY;
	if (a->observe_s < 1 || a->observe_s > HOUR_S || a->panic_s < 1 ||
	    a->panic_s > a->observe_s)
		return AIBRIX_SCALE_OBJECT_WINDOWS;
	return AIBRIX_SCALE_OBJECT_VALID;
}

int
aibrix__object_check(struct object *o, const aibrix_scale_object *object,
		     aibrix_scale_fault *fault)
{
	int err = aibrix__object_load(o, object);
	uint32_t reason;

	if (err)
		return aibrix__fault(fault, err, AIBRIX_SCALE_OBJECT_OPTIONS,
				     0);
	reason = members_check(o);
	if (reason)
		return aibrix__fault(fault, AIBRIX_E_INVAL, reason, 0);
	err = schedules_check(&o->a, fault);
	if (!err)
		err = sources_check(&o->a, fault);
	if (err)
		return err;
	return aibrix__fault(fault, AIBRIX_OK, AIBRIX_SCALE_OBJECT_VALID, 0);
}

int
aibrix_scale_object_check(const aibrix_scale_object *object,
			  aibrix_scale_fault *fault)
{
	struct object o;

	return aibrix__object_check(&o, object, fault);
}

/* Bytes of a text behind those there are, as far as there is room. */
static uint64_t
text_put(char *out, uint64_t cap, uint64_t at, const char *text)
{
	uint64_t n = text ? strlen(text) : 0;

	if (at + n <= cap && n)
		memcpy(out + at, text, n);
	return at + n;
}

int
aibrix_scale_object_key(const aibrix_scale_object *object, char *out,
			uint64_t cap, uint64_t *n)
{
	struct object o;
	uint64_t at = 0;
	int err = aibrix__object_load(&o, object);

	if (err)
		return err;
	if (!n || (cap && !out) || !text_set(o.a.kind) || !text_set(o.a.name))
		return AIBRIX_E_INVAL;
	at = text_put(out, cap, at, o.a.api_version);
	at = text_put(out, cap, at, ".");
	at = text_put(out, cap, at, o.a.kind);
	at = text_put(out, cap, at, "/");
	at = text_put(out, cap, at, o.a.space);
	at = text_put(out, cap, at, "/");
	at = text_put(out, cap, at, o.a.name);
	if (text_is(o.a.kind, "StormService") && text_set(o.a.role)) {
		at = text_put(out, cap, at, "/");
		at = text_put(out, cap, at, o.a.role);
	}
	*n = at;
	return at <= cap ? AIBRIX_OK : AIBRIX_E_SPACE;
}

const char *
aibrix_scale_object_reason_text(uint32_t reason)
{
	static const char *const text[] = {
		[AIBRIX_SCALE_OBJECT_VALID] = "AsExpected",
		[AIBRIX_SCALE_OBJECT_TARGET] = "MissingScaleTargetRef",
		[AIBRIX_SCALE_OBJECT_BOUNDS] = "InvalidBounds",
		[AIBRIX_SCALE_OBJECT_STRATEGY] = "InvalidScalingStrategy",
		[AIBRIX_SCALE_OBJECT_WINDOWS] = "InvalidSpec",
		[AIBRIX_SCALE_OBJECT_SCHEDULES] = "InvalidSpec",
		[AIBRIX_SCALE_OBJECT_SOURCES] = "MetricsConfigError",
		[AIBRIX_SCALE_OBJECT_ANNOTATION] = "InvalidAnnotation",
		[AIBRIX_SCALE_OBJECT_UNKNOWN] = "UnknownAnnotation",
		[AIBRIX_SCALE_OBJECT_OPTIONS] = "InvalidOptions",
	};

	return reason < sizeof(text) / sizeof(*text) ? text[reason] : "Unknown";
}
