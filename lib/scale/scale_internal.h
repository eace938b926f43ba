/* Numbers of a step, and what a state remembers. */
#ifndef SCALE_SCALE_INTERNAL_H
#define SCALE_SCALE_INTERNAL_H

#include <aibrix/scale.h>

#include "window/window_ring.h"

enum { ADVICE_MAX = 64, EVENTS_MAX = 32 };

/* Replicas that a double says: 0 to INT32_MAX. */
int32_t aibrix__replicas(double x);

/* The smallest number of pods that is not below x, but for rounding. */
double aibrix__ceil_near(double x);

/* A fleet that is in order, and its pods that are ready and that are coming:
 * those that are seen, or those that were asked for and are not seen. */
struct pods {
	uint32_t ready, coming;
};

int aibrix__fleet_load(aibrix_scale_fleet *fleet, struct pods *pods,
		       const aibrix_scale_fleet *from);

static inline int
pod_ready(const aibrix_scale_pod *p)
{
	return p->phase == AIBRIX_SCALE_RUNNING &&
	       p->ready != AIBRIX_SCALE_NOT_READY;
}

/* ---- a proposal from numbers ---- */

struct band {
	double up, down; /* tolerances */
};

struct rates {
	double up, down; /* 0: none */
};

/* AIBrix's: mean per pod, target, replicas. */
int32_t aibrix__apa_compat(double mean, double target, int32_t replicas,
			   const struct band *band, const struct rates *rates);

/* Pods by what is known of them. */
struct counts {
	uint32_t told;    /* ready, and the value is known */
	uint32_t missing; /* ready, and it is not */
	uint32_t coming;  /* asked for and not ready */
};

/* Ours: mean of those that told. */
int32_t aibrix__apa(double mean, double target, int32_t replicas,
		    const struct counts *counts, const struct band *band,
		    const struct rates *rates);

struct kpa {
	double stable, panicking, target;
	struct band band;
	struct rates rates;
	double threshold;
	int32_t activation;
	int panic;
};

/* AIBrix's KPA.  *most: of a panic, in and out. */
int32_t aibrix__kpa_compat(const struct kpa *k, int32_t replicas,
			   int32_t *most);
int aibrix__kpa_compat_panics(double stable, double panicking,
			      double threshold);

struct panic {
	uint64_t since_ns;
	int32_t most; /* pods wanted in it */
	uint32_t on;
};

struct knative {
	double stable, panicking; /* totals */
	double target, capacity;
	struct rates rates;
	double threshold, burst; /* burst 0: no proxy; below 0: unlimited */
	int32_t activation;
	uint32_t ready;
	int reachable;
	uint64_t stable_ns;
};

/* The state of a scaler that starts with so many pods ready. */
struct panic aibrix__panic_start(uint32_t ready, uint64_t now_ns);
int32_t aibrix__knative(const struct knative *k, struct panic *panic,
			uint64_t now_ns);
/* Capacity to spare for bursts, and proxies for it. */
double aibrix__knative_burst(const struct knative *k);

/* The largest of what was wanted lately; the window takes this one. */
int32_t aibrix__delay(aibrix_window *window, int32_t wanted, uint64_t now_ns);

/* ---- Kubernetes' replica calculator ---- */

struct hpa {
	const aibrix_scale_pod *pods;
	uint32_t n_pods;
	const aibrix_scale_values *v;
	const aibrix_scale_metric *metric;
	struct band band;
	uint64_t fresh_ns, cpu_start_ns, cpu_delay_ns, now_ns;
	int32_t replicas;
};

struct hpa_result {
	int32_t replicas;
	int64_t utilization; /* percent, or thousandths of a mean */
	uint32_t missing;
};

/* 0: no proposal can be made. */
int aibrix__hpa(const struct hpa *h, struct hpa_result *out);

/* x in thousandths: rounded up, but for the rounding of x itself, and at most
 * what 63 bits hold. */
int64_t aibrix__milli(double x);

/* Not old, and not from the future beyond a third of what old is. */
static inline int
time_counts(uint64_t at_ns, uint64_t fresh_ns, uint64_t now_ns)
{
	if (fresh_ns == AIBRIX_FOREVER)
		return 1;
	return at_ns > now_ns ? at_ns - now_ns <= fresh_ns / 3
			      : now_ns - at_ns <= fresh_ns;
}

/* A value that counts: finite, not negative, and its time counts. */
static inline int
value_counts(const aibrix_scale_values *v, uint32_t pod, uint64_t fresh_ns,
	     uint64_t now_ns)
{
	uint64_t at_ns = v->at_ns ? v->at_ns[pod] : v->total_at_ns;
	double x = v->values[pod];

	if (!(x >= 0 && x <= AIBRIX_WINDOW_VALUE_MAX))
		return 0;
	return (!v->at_ns && at_ns == 0) ||
	       time_counts(at_ns, fresh_ns, now_ns);
}

/* ---- what was, and how far it lets go ---- */

struct advice {
	uint64_t at_ns;
	int32_t replicas;
	int32_t older; /* events: how much of it was before at_ns */
};

/* What was wanted, as far as a minimum (or maximum) over the last while may
 * still need it: oldest first, replicas rising (or falling). */
struct advices {
	uint32_t n;
	uint32_t spare;
	struct advice item[ADVICE_MAX];
};

void aibrix__advice_add(struct advices *a, int largest, int32_t replicas,
			uint64_t now_ns);
/* Of those newer than window_ns ago and x. */
int32_t aibrix__advice_least(const struct advices *a, uint64_t window_ns,
			     int32_t x, uint64_t now_ns);
int32_t aibrix__advice_most(const struct advices *a, uint64_t window_ns,
			    int32_t x, uint64_t now_ns);

/* How much replicas have changed, oldest first. */
struct events {
	uint32_t n;
	uint32_t spare;
	struct advice item[EVENTS_MAX];
};

void aibrix__event_add(struct events *e, int32_t change, uint64_t at_ns);
/* Of the last period; late: what has no time of its own counts as late. */
int64_t aibrix__event_sum(const struct events *e, int late, uint64_t period_ns,
			  uint64_t now_ns);

struct policies {
	const aibrix_scale_policy *item;
	uint32_t n, select;
};

/* As far as policies let replicas go now. */
int32_t aibrix__up_limit(const struct policies *p, int32_t replicas,
			 const struct events *up, const struct events *down,
			 uint64_t now_ns);
int32_t aibrix__down_limit(const struct policies *p, int32_t replicas,
			   const struct events *up, const struct events *down,
			   uint64_t now_ns);

/* ---- options with their defaults ---- */

struct plan {
	aibrix_scale_opts o; /* 0 only where it means 0 */
	struct band band;
	struct rates rates;
	struct policies up, down;
};

int aibrix__plan_load(struct plan *plan, const aibrix_scale_opts *opts);

/* ---- the state ---- */

struct aibrix_scale_state {
	uint32_t strategy, profile, n_metrics;
	uint32_t started; /* has a step been made? */
	uint64_t stable_bytes, panic_bytes, delay_bytes; /* 0: no such */
	uint64_t last_ns;
	uint64_t asked_ns;   /* the last change that was asked for */
	int32_t asked, from; /* equal: none */
	uint64_t zero_ns;    /* since when nothing is wanted */
	uint32_t zero;       /* is it so? */
	uint32_t spare;
	struct advices low, high;
	struct events up, down;
	struct panic panic[AIBRIX_SCALE_METRICS_MAX];
	uint64_t windows[]; /* of each metric the long and the short one, then
			       the delay's */
};

aibrix_window *aibrix__state_stable(aibrix_scale_state *s, uint32_t metric);
aibrix_window *aibrix__state_panic(aibrix_scale_state *s, uint32_t metric);
aibrix_window *aibrix__state_delay(aibrix_scale_state *s);

/* Is it one of these options? */
int aibrix__state_fits(aibrix_scale_state *s, const struct plan *plan);

/* ---- a step ---- */

struct step {
	struct plan plan;
	aibrix_scale_fleet fleet;
	const aibrix_scale_values *values;
	aibrix_scale_state *s;
	uint64_t now_ns;
	struct pods pods;
	int32_t wanted;     /* largest proposal */
	uint32_t proposals; /* that could be made */
	aibrix_scale_decision d;
};

/* Fills wanted, proposals, and of the decision metric, failed, panic,
 * missing and measured values. */
void aibrix__step_propose(struct step *step);

/* From wanted to replicas: windows, rates, bounds. */
void aibrix__step_settle(struct step *step);

#endif
