/*
 * How many pods a deployment should have.
 *
 *	values by pod --> windows --> proposal of each metric --> the largest
 *	                                                              |
 *	replicas <-- zero <-- bounds <-- rates <-- stabilisation <----'
 *
 * One call, aibrix_scale_step, is given all that is known at now_ns and says
 * what to do.  What it remembers lies in a state of fixed size without
 * pointers, which may be copied, written to a file, or carried on by another
 * process.  No clock, no allocation, and the same inputs give the same
 * decision.
 *
 * Missing is not zero: a value that is NaN, infinite, negative or old is
 * missing, and a deployment of which nothing is known stays as it is.
 */
#ifndef AIBRIX_SCALE_H
#define AIBRIX_SCALE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* AIBrix's pod autoscaler: so many times the pods as the mean of a
	   metric is above its target, outside of a dead band. */
	AIBRIX_SCALE_APA = 0,
	/* Knative's: total load over the target of one pod, from a long window
	   or, in panic, a short one. */
	AIBRIX_SCALE_KPA = 1,
	/* Kubernetes': ratios in whole thousandths, of what pods say now. */
	AIBRIX_SCALE_HPA = 2,
	/* By tokens, ahead of time: metrics are pods wanted, of kind TOTAL and
	   mostly with target 1, as aibrix_demand_step has them. */
	AIBRIX_SCALE_TPA = 3
};

enum {
	AIBRIX_SCALE_DEFAULT = 0,
	/* APA and KPA, stabilisation and several metrics as AIBrix has them. */
	AIBRIX_SCALE_COMPAT = 1
};

/* Flags of options. */
enum {
	AIBRIX_SCALE_TO_ZERO = 1,     /* min_replicas 0 means 0, not 1 */
	AIBRIX_SCALE_UP_TOLERANCE_SET = 2,   /* up_tolerance may be 0 */
	AIBRIX_SCALE_DOWN_TOLERANCE_SET = 4,
	AIBRIX_SCALE_DOWN_WINDOW_SET = 8,    /* down_window_ns may be 0 */
	/* HPA without behaviours: at most max(2 replicas, 4) at once, and not
	   below what the last down_window_ns asked for. */
	AIBRIX_SCALE_PLAIN_LIMITS = 16
};

enum {
	AIBRIX_SCALE_METRICS_MAX = 16,
	AIBRIX_SCALE_POLICIES_MAX = 8
};

/* What a metric's numbers are. */
enum {
	AIBRIX_SCALE_PODS = 0,        /* of each pod; the target is one pod's */
	AIBRIX_SCALE_UTILIZATION = 1, /* of each pod, in percent of what it has
	                                 requested; HPA */
	AIBRIX_SCALE_TOTAL = 2, /* of the deployment; the target is one pod's */
	AIBRIX_SCALE_VALUE = 3  /* one number and its target, whatever the
	                           number of pods; HPA */
};

/* Flags of metrics. */
enum {
	/* HPA: pods that start or are not ready do not count (Kubernetes does
	   so for the metric cpu). */
	AIBRIX_SCALE_CPU = 1,
	/* The busiest pod stands for each, not the mean; APA and KPA. */
	AIBRIX_SCALE_BUSIEST = 2
};

/* Frozen: 48 bytes. */
typedef struct aibrix_scale_metric {
	uint32_t kind;   /* AIBRIX_SCALE_PODS and so on */
	uint32_t flags;
	double target;   /* above 0 */
	double capacity; /* KPA: that one pod can bear, for the burst capacity;
	                    0: target */
	double share;    /* up to 1: the pod that so many of the pods are not
	                    busier than stands for each, 0.9 the ninth of ten;
	                    APA and KPA, without BUSIEST, which is 1; 0: the
	                    mean */
	uint64_t spare[2]; /* must be 0 */
} aibrix_scale_metric;

/* A policy's value is pods, or percent of the replicas that there were when
 * its period began. */
enum { AIBRIX_SCALE_BY_PODS = 0, AIBRIX_SCALE_BY_PERCENT = 1 };

/* Frozen: 16 bytes.  How far replicas may move within a period. */
typedef struct aibrix_scale_policy {
	uint32_t kind;
	uint32_t value;
	uint64_t period_ns; /* 1 ns to 1 h */
} aibrix_scale_policy;

/* Of several policies: the one that lets most through, or least; or none
 * moves that way. */
enum {
	AIBRIX_SCALE_SELECT_MAX = 0,
	AIBRIX_SCALE_SELECT_MIN = 1,
	AIBRIX_SCALE_SELECT_DISABLED = 2
};

/* Where two defaults stand, the second is COMPAT's. */
typedef struct aibrix_scale_opts {
	uint32_t size;
	uint32_t strategy; /* AIBRIX_SCALE_APA and so on */
	uint32_t profile;  /* AIBRIX_SCALE_DEFAULT, COMPAT */
	uint32_t flags;
	int32_t min_replicas; /* 0: 1, or 0 with AIBRIX_SCALE_TO_ZERO */
	int32_t max_replicas; /* above 0, at least min_replicas */
	int32_t activation;   /* pods out of zero; 0: 1 */
	uint32_t n_metrics;
	const aibrix_scale_metric *metrics; /* borrowed for the call */
	double up_tolerance;   /* dead band over the target; 0: 0.1, but KPA's
	                          default 0 */
	double down_tolerance; /* below 1; as above */
	double max_up_rate;    /* above 1: times the pods in one step; 0: APA
	                          none, KPA 1000; 2 */
	double max_down_rate;  /* above 1: pods divided by it; 0: APA none, KPA
	                          2; 2 */
	double panic_threshold; /* KPA, at least 1.1; 0: 2 */
	double burst_capacity;  /* KPA: load that a proxy must be able to hold;
	                           0: there is none; below 0: unlimited */
	double wake_target; /* queued requests for each pod out of zero; 0:
	                       activation, whatever is queued */
	uint32_t up_select, down_select; /* AIBRIX_SCALE_SELECT_* */
	uint32_t n_up, n_down;
	const aibrix_scale_policy *up; /* none: 4 pods or 100 % in 15 s;
	                                  TPA 300 % */
	const aibrix_scale_policy *down; /* none: 50 % in 60 s; HPA 100 % in
	                                    15 s */
	uint64_t stable_ns; /* long window; 0: 60 s; 180 s.  At most 1 h */
	uint64_t panic_ns;  /* short one; 0: 10 s; 60 s.  Not above it */
	uint64_t slot_ns;   /* of windows; 0: 1 s */
	uint64_t delay_ns;  /* replicas do not fall below what was wanted within
	                       (Knative's scale-down-delay); at most 1 h */
	uint64_t up_window_ns;   /* stabilisation; at most 1 h */
	uint64_t down_window_ns; /* 0: 300 s; TPA 90 s */
	uint64_t fresh_ns;      /* older is missing; 0: 30 s; FOREVER: none */
	uint64_t zero_grace_ns; /* nothing was wanted for this long before the
	                           last pod goes; 0: 30 s */
	uint64_t cpu_start_ns;  /* a pod's start, for CPU; 0: 300 s */
	uint64_t cpu_delay_ns;  /* until it is first ready; 0: 30 s */
} aibrix_scale_opts;

enum {
	AIBRIX_SCALE_ABSENT = 0, /* no pod: a free row of the caller's table */
	AIBRIX_SCALE_PENDING = 1,
	AIBRIX_SCALE_RUNNING = 2,
	AIBRIX_SCALE_FAILED = 3,
	AIBRIX_SCALE_LEAVING = 4 /* is being deleted */
};

enum {
	AIBRIX_SCALE_READY_UNKNOWN = 0, /* counts as ready, but not for CPU */
	AIBRIX_SCALE_READY = 1,
	AIBRIX_SCALE_NOT_READY = 2
};

/* Frozen: 32 bytes. */
typedef struct aibrix_scale_pod {
	uint32_t phase; /* AIBRIX_SCALE_PENDING and so on */
	uint32_t ready;
	uint64_t started_ns; /* 0: not known */
	uint64_t changed_ns; /* when ready became what it is */
	uint64_t spare;      /* must be 0 */
} aibrix_scale_pod;

/* Flags of a fleet. */
enum {
	AIBRIX_SCALE_NO_TRAFFIC = 1,   /* nobody can reach it: KPA may let all
	                                  go at once */
	AIBRIX_SCALE_PODS_UNKNOWN = 2, /* they could not be listed: hold */
	AIBRIX_SCALE_MIN_SCHEDULED = 4 /* min_replicas is of a schedule: it
	                                  raises a deployment at zero, too */
};

typedef struct aibrix_scale_fleet {
	uint32_t size;
	uint32_t flags;
	int32_t replicas; /* that it was told to have */
	uint32_t n_pods;
	const aibrix_scale_pod *pods; /* borrowed for the call */
	double queued; /* requests that no pod is there to take */
} aibrix_scale_fleet;

/* Frozen: 56 bytes.  What is known of a metric.  Arrays are by pod, n_pods
 * long, and borrowed for the call; a column of aibrix_fleet is one, its rows
 * being the pods. */
typedef struct aibrix_scale_values {
	const double *values;   /* NULL for TOTAL and VALUE: total has it; else
	                           they are added up */
	const uint64_t *at_ns;  /* of each value; NULL: all of total_at_ns */
	const double *requests; /* UTILIZATION: what each has requested */
	double total;
	uint64_t total_at_ns;   /* 0: now */
	uint64_t window_ns;     /* CPU: over which values were measured */
	uint64_t spare;         /* must be 0 */
} aibrix_scale_values;

/* Why the decision is what it is. */
enum {
	AIBRIX_SCALE_STABLE = 0,
	AIBRIX_SCALE_ABOVE_TARGET = 1,
	AIBRIX_SCALE_BELOW_TARGET = 2, /* all metrics */
	AIBRIX_SCALE_OVER_MAX = 3,     /* there are more than max_replicas */
	AIBRIX_SCALE_UNDER_MIN = 4,
	AIBRIX_SCALE_PARKED = 5, /* at zero, and min_replicas is not: by hand */
	AIBRIX_SCALE_ASLEEP = 6, /* at zero, and nothing is queued */
	AIBRIX_SCALE_WAKE = 7,
	AIBRIX_SCALE_NO_DATA = 8, /* not valid: nothing is known; held */
	AIBRIX_SCALE_PART_DATA = 9 /* not valid: some metrics say fewer, of
	                              others nothing is known; held */
};

/* What held back what metrics want, and what cut it. */
enum {
	AIBRIX_SCALE_UNLIMITED = 0,
	AIBRIX_SCALE_BY_UP_WINDOW = 1,
	AIBRIX_SCALE_BY_DOWN_WINDOW = 2,
	AIBRIX_SCALE_BY_DELAY = 3,
	AIBRIX_SCALE_BY_GRACE = 4, /* the last pod stays a while */
	AIBRIX_SCALE_BY_UP_RATE = 5,
	AIBRIX_SCALE_BY_DOWN_RATE = 6,
	AIBRIX_SCALE_BY_MAX = 7,
	AIBRIX_SCALE_BY_MIN = 8
};

typedef struct aibrix_scale_decision {
	uint32_t size;
	uint32_t valid;   /* 0: nothing could be decided; replicas are kept */
	int32_t replicas; /* that it should have */
	int32_t change;   /* replicas less those it has; 0: do nothing */
	uint32_t reason;  /* AIBRIX_SCALE_STABLE and so on */
	uint32_t held_by;
	uint32_t limited_by;
	int32_t wanted;     /* by the metrics; -1: none was asked */
	int32_t stabilized; /* of that, before rates and bounds; -1 */
	uint32_t metric;    /* that wanted most */
	uint32_t failed;    /* bit i: of metric i nothing is known */
	uint32_t panic;     /* bit i: KPA panics by metric i */
	uint32_t ready;     /* pods */
	uint32_t coming;    /* pods that were asked for and are not ready */
	uint32_t missing;   /* values, of all metrics, that ready pods lack */
	uint32_t spare;
	double stable;      /* of that metric: the long window; HPA what it
	                       measured; NaN */
	double panicking;   /* the short one; NaN */
	double utilization; /* HPA: percent, or thousandths of a pod's mean */
	double burst;       /* KPA: spare capacity for bursts; below 0: keep
	                       the proxy in the path */
} aibrix_scale_decision;

/*
 * What is remembered of one deployment.  No pointers in it: its bytes may be
 * copied to where there is room, and carried on there.
 *
 * Thread: confined.
 */
typedef struct aibrix_scale_state aibrix_scale_state;

/*
 * Bytes that a state takes under these options: 16 for each slot of two
 * windows for each metric (none for HPA and TPA), and some kilobytes.
 *
 * Fails: E_INVAL (an option out of range), E_ABI (an unknown flag).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_state_bytes(const aibrix_scale_opts *opts, uint64_t *bytes);

/*
 * The state of a deployment of which nothing is known, in memory, which stays
 * the caller's and is aligned to 8.  *out points to it.
 *
 * Fails: E_INVAL, E_ABI, E_SPACE (bytes is below aibrix_scale_state_bytes).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_state_init(const aibrix_scale_opts *opts, void *memory,
			uint64_t bytes, aibrix_scale_state **out);

/*
 * Decide.  values: n_metrics of them.  That the host does as it was told is
 * seen from replicas of the next call; what it did not do is not counted.
 * Options may differ from call to call, but not in strategy, profile,
 * n_metrics, and the lengths of windows, slots and delay: for these see
 * aibrix_scale_state_load.
 *
 * Fails, and has changed nothing: E_INVAL (an option or count out of range, a
 * state of other options), E_ABI, E_STATE (now_ns is before the last step's).
 * Cost: O(metrics x pods + slots), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_step(const aibrix_scale_opts *opts,
		  const aibrix_scale_fleet *fleet,
		  const aibrix_scale_values *values, aibrix_scale_state *state,
		  uint64_t now_ns, aibrix_scale_decision *decision);

/* Bytes that aibrix_scale_state_save writes.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_scale_state_save_bytes(const aibrix_scale_state *s);

/*
 * Write a state for another process, machine or version.  *n becomes the
 * length.
 *
 * Fails: E_INVAL, E_SPACE (*n says how much is needed).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_state_save(const aibrix_scale_state *state, void *out,
			uint64_t cap, uint64_t *n);

/*
 * Go on from what was saved.  state was made by aibrix_scale_state_init,
 * maybe with windows of other lengths: it keeps the newest of what was in
 * them.  All times become later by shift_ns, for a clock that began
 * elsewhere.
 *
 * Fails: E_PARSE (not such bytes, cut off or damaged), E_INVAL (of another
 * strategy, profile, number of metrics or length of slots, or a shift beyond
 * the clock).  The state is then as it was made.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scale_state_load(aibrix_scale_state *state, const void *bytes,
			uint64_t n, int64_t shift_ns);

/*
 * Pods for what is queued at a deployment of none: 0 when nothing is, else
 * ceil(queued / target) and at least activation, at most max.  target 0:
 * activation.
 *
 * Fails: E_INVAL (queued or target negative or not finite, activation or max
 * below 1).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scale_wake(double queued, double target,
					      int32_t activation, int32_t max,
					      int32_t *replicas);

/*
 * How many proxies Knative has in the path of a deployment whose pods bear
 * capacity each: 2 without a burst capacity (0), else for all that ready pods
 * bear and the burst, at least 2.  burst below 0: unlimited.  proxy_capacity:
 * that one proxy bears; 0: 100.
 *
 * Fails: E_INVAL (a number that is negative or not finite, ready beyond
 * INT32_MAX).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scale_proxies(uint32_t ready,
						 double capacity, double burst,
						 double proxy_capacity,
						 int32_t *proxies);

/* "above target" and so on; never NULL.  Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_scale_reason_text(uint32_t reason);

#ifdef __cplusplus
}
#endif

#endif
