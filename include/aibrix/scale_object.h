/*
 * A scaler as clusters write it down: Kubernetes' quantities, AIBrix's
 * PodAutoscaler with its annotations, and the HorizontalPodAutoscaler that
 * AIBrix makes of one.
 *
 *	check    object                -> whether AIBrix takes it, or why not
 *	read     object, annotations   -> aibrix_scale_opts
 *	hpa      object, annotations   -> what Kubernetes would be told
 *	key      object                -> what it drives
 *
 * Texts come from anybody.  Whatever is wrong with one, nothing of the whole
 * is taken over, and the fault says where it is.
 */
#ifndef AIBRIX_SCALE_OBJECT_H
#define AIBRIX_SCALE_OBJECT_H

#include <aibrix/scale.h>
#include <aibrix/schedule.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The n bytes of a quantity ("250m", "1.5", "2Gi", "3e2", "-1k") in
 * thousandths; what is finer is rounded away from zero, as Kubernetes does.
 * Exact: no double in between.
 *
 * Fails: E_PARSE (not of that form, above 128 bytes), E_INVAL (beyond 63
 * bits, NULL).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_quantity_read(const char *text, uint64_t n,
						 int64_t *milli);

/* Why an object is refused, in the order in which it is looked at. */
enum {
	AIBRIX_SCALE_OBJECT_VALID = 0,
	AIBRIX_SCALE_OBJECT_TARGET = 1, /* no kind or name */
	AIBRIX_SCALE_OBJECT_BOUNDS = 2,
	AIBRIX_SCALE_OBJECT_STRATEGY = 3,  /* or HPA for a role */
	AIBRIX_SCALE_OBJECT_WINDOWS = 4,
	AIBRIX_SCALE_OBJECT_SCHEDULES = 5,
	AIBRIX_SCALE_OBJECT_SOURCES = 6,
	AIBRIX_SCALE_OBJECT_ANNOTATION = 7, /* its value */
	AIBRIX_SCALE_OBJECT_UNKNOWN = 8, /* no annotation has this name */
	AIBRIX_SCALE_OBJECT_OPTIONS = 9  /* aibrix_scale_step takes no such */
};

/* Frozen: 16 bytes. */
typedef struct aibrix_scale_fault {
	int32_t status;
	uint32_t reason; /* AIBRIX_SCALE_OBJECT_* */
	uint32_t which;  /* schedule, source or annotation */
	uint32_t spare;
} aibrix_scale_fault;

/* The reason of AIBrix's condition, "InvalidBounds" and so on; never NULL.
 * Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_scale_object_reason_text(uint32_t reason);

/* Frozen: 16 bytes. */
typedef struct aibrix_scale_annotation {
	const char *key;
	const char *value;
} aibrix_scale_annotation;

/*
 * Annotations of the prefix autoscaling.aibrix.ai/ into opts; others are
 * passed over.  opts->profile is the caller's.
 *
 *	max-scale-up-rate           above 1          max_up_rate
 *	max-scale-down-rate         above 1          max_down_rate
 *	scale-up-tolerance          0 to below 1     up_tolerance
 *	scale-down-tolerance        0 to below 1     down_tolerance
 *	panic-threshold             1.1 to 1000      panic_threshold
 *	scale-up-cooldown-window    "90s", "1m30s"   up_window_ns
 *	scale-down-cooldown-window  up to "1h"       down_window_ns
 *	scale-to-zero               "true", "false"  AIBRIX_SCALE_TO_ZERO
 *	storm-service-mode          "replica", "pool": checked, the host's
 *
 * Names of the prefix (and of AIBrix's older ones, kpa. and apa. before it)
 * that nobody knows are refused.  AIBRIX_SCALE_COMPAT passes over them as
 * AIBrix does, and over scale-to-zero once it is read.
 *
 * Fails, and has changed nothing but *fault (may be NULL): E_NOT_FOUND (no
 * such annotation), E_PARSE (its value is not of its form), E_INVAL (out of
 * range, twice the same, NULL), E_ABI.
 * Cost: O(n^2).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_annotations_read(const aibrix_scale_annotation *annotations,
			      uint32_t n, aibrix_scale_opts *opts,
			      aibrix_scale_fault *fault);

/* Frozen: 64 bytes.  A source of a metric as it is written; NULL or "": not
 * set. */
typedef struct aibrix_scale_source {
	const char *type;     /* pod, resource, custom, external, domain */
	const char *protocol; /* http, https */
	const char *endpoint;
	const char *path;
	const char *port;
	const char *metric;
	const char *target; /* decimal, above 0 */
	uint64_t spare;     /* must be 0 */
} aibrix_scale_source;

/* Which members are there at all. */
enum {
	AIBRIX_SCALE_OBJECT_HAS_MIN = 1,
	AIBRIX_SCALE_OBJECT_HAS_OBSERVE = 2,
	AIBRIX_SCALE_OBJECT_HAS_PANIC = 4,
	AIBRIX_SCALE_OBJECT_HAS_SCHEDULES = 8
};

/* A PodAutoscaler.  All that it points to is borrowed for the call. */
typedef struct aibrix_scale_object {
	uint32_t size;
	uint32_t flags; /* AIBRIX_SCALE_OBJECT_HAS_* */
	const char *api_version;
	const char *kind; /* of the target */
	const char *space;
	const char *name;
	const char *role;     /* of a StormService; NULL: all of it */
	const char *strategy; /* HPA, KPA, APA */
	int32_t min_replicas; /* not there: 1 */
	int32_t max_replicas;
	int32_t observe_s; /* not there: 180; 1 to 3600 */
	int32_t panic_s;   /* not there: 60; not above observe_s */
	uint32_t n_sources;
	uint32_t n_schedules;
	uint32_t n_annotations;
	uint32_t spare; /* must be 0 */
	const aibrix_scale_source *sources;
	const aibrix_schedule *schedules;
	const aibrix_scale_annotation *annotations;
} aibrix_scale_object;

/*
 * Whether AIBrix takes it: its checks in its order; the first that fails is
 * *fault (may be NULL).  Annotations are not looked at, as there.
 *
 * Fails: E_INVAL, E_PARSE (a text of a schedule or a target), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_object_check(const aibrix_scale_object *object,
			  aibrix_scale_fault *fault);

enum { AIBRIX_SCALE_OBJECT_POLICIES = 2 };

/*
 * Options of the object and of its annotations.  What neither says stays as
 * it is in opts, of which the caller sets size and profile at least.  metrics
 * has room for n_sources, policies for AIBRIX_SCALE_OBJECT_POLICIES; opts
 * points to both.
 *
 *	pod, custom, resource  PODS         external  TOTAL
 *	HPA: cpu               UTILIZATION  memory    PODS, in MiB
 *	HPA, COMPAT: external  PODS, and targets of pods without fractions
 *
 * HPA moves by the percents of aibrix_scale_object_hpa where annotations set
 * rates, and in COMPAT always.
 *
 * Fails, and has changed nothing but *fault: as aibrix_scale_object_check
 * and aibrix_scale_annotations_read do; E_INVAL (a target or rate that comes
 * to 0).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_object_read(const aibrix_scale_object *object,
			 aibrix_scale_opts *opts, aibrix_scale_metric *metrics,
			 aibrix_scale_policy *policies,
			 aibrix_scale_fault *fault);

/* Where Kubernetes takes a metric from. */
enum {
	AIBRIX_HPA_RESOURCE = 0,
	AIBRIX_HPA_PODS = 1,
	AIBRIX_HPA_EXTERNAL = 2
};

/* What its target is of. */
enum {
	AIBRIX_HPA_AVERAGE_VALUE = 0, /* of a pod */
	AIBRIX_HPA_UTILIZATION = 1    /* percent of what a pod requested */
};

/* Frozen: 32 bytes. */
typedef struct aibrix_hpa_metric {
	const char *name; /* of the source; borrowed */
	uint32_t source;  /* AIBRIX_HPA_RESOURCE and so on */
	uint32_t target;  /* AIBRIX_HPA_AVERAGE_VALUE, UTILIZATION */
	int64_t milli;    /* average value in thousandths; memory: of bytes */
	int32_t percent;  /* utilization */
	uint32_t spare;
} aibrix_hpa_metric;

/* One policy each way: so many percent in a period. */
typedef struct aibrix_hpa {
	uint32_t size;
	uint32_t n_metrics;
	int32_t min_replicas; /* 0: not set */
	int32_t max_replicas;
	uint32_t up_select, down_select; /* AIBRIX_SCALE_SELECT_* */
	int32_t up_percent, down_percent;
	int32_t up_period_s, down_period_s;
	int32_t up_window_s, down_window_s;
} aibrix_hpa;

/*
 * The HorizontalPodAutoscaler that AIBrix makes of an object with strategy
 * HPA.  metrics has room for n_sources.  AIBRIX_SCALE_COMPAT cuts targets of
 * pods, percents and seconds as AIBrix does; else a target keeps its
 * thousandths, percents are to the nearest, seconds rounded up, and external
 * metrics are external.
 *
 * Fails, and has changed nothing but *fault: as aibrix_scale_object_read;
 * E_INVAL (another strategy).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_object_hpa(const aibrix_scale_object *object, uint32_t profile,
			aibrix_hpa *hpa, aibrix_hpa_metric *metrics,
			aibrix_scale_fault *fault);

/*
 * What an object drives: "apiVersion.kind/namespace/name", and "/role" for a
 * StormService with one.  Two objects with one key conflict: the one that
 * was made first should win.  *n bytes into out, without a zero.
 *
 * Fails: E_SPACE (*n bytes are needed), E_INVAL (no kind or name), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_object_key(const aibrix_scale_object *object, char *out,
			uint64_t cap, uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
