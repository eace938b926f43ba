/*
 * A step.
 *
 * Everything that can be refused is refused before the state is touched;
 * from then on nothing fails.
 */

#include <math.h>

#include "base/versioned.h"
#include "scale/scale_internal.h"

enum {
	FLEET_V1 = STRUCT_UPTO(aibrix_scale_fleet, queued),
	DECISION_V1 = STRUCT_UPTO(aibrix_scale_decision, burst),
	DECISION_MAX = 4096,
	FLEET_FLAGS = AIBRIX_SCALE_NO_TRAFFIC | AIBRIX_SCALE_PODS_UNKNOWN |
		      AIBRIX_SCALE_MIN_SCHEDULED,
	PODS_MAX = 1 << 24,
	PROXY_CAPACITY = 100, /* requests; Knative's activator-capacity */
	PROXIES_LEAST = 2
};

/* 0: a pod is not in order. */
static int
pods_count(const aibrix_scale_fleet *f, struct pods *pods)
{
	uint32_t ready = 0, unready = 0, asked = (uint32_t)f->replicas;

	for (uint32_t i = 0; i < f->n_pods; i++) {
		const aibrix_scale_pod *p = &f->pods[i];

		if (p->phase > AIBRIX_SCALE_LEAVING ||
		    p->ready > AIBRIX_SCALE_NOT_READY || p->spare)
			return 0;
		if (pod_ready(p))
			ready++;
		else if (p->phase == AIBRIX_SCALE_RUNNING ||
			 p->phase == AIBRIX_SCALE_PENDING)
			unready++;
	}
	pods->ready = ready;
	pods->coming = unready;
	if (asked > ready && asked - ready > unready)
		pods->coming = asked - ready;
	return 1;
}

int
aibrix__fleet_load(aibrix_scale_fleet *f, struct pods *pods,
		   const aibrix_scale_fleet *from)
{
	int err;

	if (!from)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(f, sizeof(*f), from, FLEET_V1);
	if (err)
		return err;
	if (f->flags & ~(uint32_t)FLEET_FLAGS)
		return AIBRIX_E_ABI;
	if (f->replicas < 0 || f->n_pods > PODS_MAX ||
	    (f->n_pods && !f->pods) || !(f->queued >= 0 && f->queued <= 1e15) ||
	    !pods_count(f, pods))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static int
values_valid(const struct step *st)
{
	for (uint32_t i = 0; i < st->plan.o.n_metrics; i++)
		if (st->values[i].spare)
			return 0;
	return 1;
}

/* What became of the last decision, by the replicas that there are. */
static void
asked_settle(aibrix_scale_state *s, int32_t replicas)
{
	int64_t asked = (int64_t)s->asked - s->from;
	int64_t done = (int64_t)replicas - s->from;

	if (asked > 0 && done > 0)
		aibrix__event_add(&s->up,
				  (int32_t)(done < asked ? done : asked),
				  s->asked_ns);
	if (asked < 0 && done < 0)
		aibrix__event_add(&s->down,
				  (int32_t)(done > asked ? -done : -asked),
				  s->asked_ns);
	s->asked = s->from = 0;
	s->asked_ns = 0;
}

static void
decide(struct step *st, uint32_t reason, int32_t replicas)
{
	st->d.valid = 1;
	st->d.reason = reason;
	st->d.replicas = replicas;
}

static void
hold(struct step *st, uint32_t reason)
{
	st->d.valid = 0;
	st->d.reason = reason;
	st->d.replicas = st->fleet.replicas;
}

/* What bounds decide, without any metric.  0: nothing. */
static int
bounds_decide(struct step *st)
{
	const aibrix_scale_opts *o = &st->plan.o;
	int32_t c = st->fleet.replicas;

	if (c == 0 && o->min_replicas > 0 &&
	    !(st->fleet.flags & AIBRIX_SCALE_MIN_SCHEDULED))
		decide(st, AIBRIX_SCALE_PARKED, 0);
	else if (c > o->max_replicas)
		decide(st, AIBRIX_SCALE_OVER_MAX, o->max_replicas);
	else if (c < o->min_replicas)
		decide(st, AIBRIX_SCALE_UNDER_MIN, o->min_replicas);
	else
		return 0;
	return 1;
}

/* Out of zero there is no metric of pods to wait for. */
static int
zero_decide(struct step *st)
{
	const aibrix_scale_opts *o = &st->plan.o;
	int32_t pods = 0;

	if (st->fleet.replicas > 0 || o->profile == AIBRIX_SCALE_COMPAT)
		return 0;
	if (aibrix_scale_wake(st->fleet.queued, o->wake_target, o->activation,
			      o->max_replicas, &pods))
		pods = 0;
	if (pods > 0 && pods >= st->wanted)
		decide(st, AIBRIX_SCALE_WAKE, pods);
	else if (st->wanted <= 0)
		decide(st, AIBRIX_SCALE_ASLEEP, 0);
	else
		return 0;
	return 1;
}

static void
metrics_decide(struct step *st)
{
	int compat = st->plan.o.profile == AIBRIX_SCALE_COMPAT;

	if (zero_decide(st))
		return;
	if (st->proposals == 0)
		hold(st, AIBRIX_SCALE_NO_DATA);
	else if (st->d.failed && st->wanted < st->fleet.replicas && !compat)
		hold(st, AIBRIX_SCALE_PART_DATA);
	else
		aibrix__step_settle(st);
}

static void
step_decide(struct step *st)
{
	aibrix_scale_state *s = st->s;
	int bounded = bounds_decide(st);
	int compat = st->plan.o.profile == AIBRIX_SCALE_COMPAT;

	asked_settle(s, st->fleet.replicas);
	if (!s->started && !compat) {
		aibrix__advice_add(&s->low, 0, st->fleet.replicas, st->now_ns);
		aibrix__advice_add(&s->high, 1, st->fleet.replicas, st->now_ns);
	}
	if (!(st->fleet.flags & AIBRIX_SCALE_PODS_UNKNOWN) &&
	    !(bounded && compat)) {
		aibrix__step_propose(st);
		s->started = 1;
	}
	if (st->proposals)
		st->d.wanted = st->wanted;
	if (!bounded)
		metrics_decide(st);
	st->d.change = st->d.replicas - st->fleet.replicas;
	if (st->d.change) {
		s->asked = st->d.replicas;
		s->from = st->fleet.replicas;
		s->asked_ns = st->now_ns;
	}
	s->last_ns = st->now_ns;
}

int
aibrix_scale_step(const aibrix_scale_opts *opts,
		  const aibrix_scale_fleet *fleet,
		  const aibrix_scale_values *values, aibrix_scale_state *state,
		  uint64_t now_ns, aibrix_scale_decision *decision)
{
	struct step st = {.values = values, .s = state, .now_ns = now_ns};
	int err = aibrix__plan_load(&st.plan, opts);

	if (err)
		return err;
	if (!values || !state || !decision || decision->size < DECISION_V1 ||
	    decision->size > DECISION_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__fleet_load(&st.fleet, &st.pods, fleet);
	if (err)
		return err;
	if (!values_valid(&st) || !aibrix__state_fits(state, &st.plan))
		return AIBRIX_E_INVAL;
	if (now_ns < state->last_ns)
		return AIBRIX_E_STATE;
	st.d = (aibrix_scale_decision){.size = sizeof(st.d),
				       .wanted = -1,
				       .stabilized = -1,
				       .ready = st.pods.ready,
				       .coming = st.pods.coming,
				       .stable = NAN,
				       .panicking = NAN,
				       .utilization = NAN,
				       .burst = NAN};
	step_decide(&st);
	return aibrix__struct_store(decision, &st.d, sizeof(st.d), DECISION_V1);
}

int
aibrix_scale_wake(double queued, double target, int32_t activation, int32_t max,
		  int32_t *replicas)
{
	double pods = activation;

	if (!replicas || !(queued >= 0 && queued <= 1e15) ||
	    !(target >= 0 && target <= 1e15) || activation < 1 || max < 1)
		return AIBRIX_E_INVAL;
	if (target > 0)
		pods = fmax(pods, aibrix__ceil_near(queued / target));
	*replicas = queued > 0 ? aibrix__replicas(fmin(pods, max)) : 0;
	return AIBRIX_OK;
}

int
aibrix_scale_proxies(uint32_t ready, double capacity, double burst,
		     double proxy_capacity, int32_t *proxies)
{
	double all, one = proxy_capacity > 0 ? proxy_capacity : PROXY_CAPACITY;

	if (!proxies || ready > INT32_MAX ||
	    !(capacity >= 0 && capacity <= 1e15) || !(fabs(burst) <= 1e15) ||
	    !(proxy_capacity >= 0 && proxy_capacity <= 1e15))
		return AIBRIX_E_INVAL;
	all = burst == 0 ? 0 : ready * capacity + fmax(burst, 0);
	*proxies = aibrix__replicas(
		fmax(PROXIES_LEAST, aibrix__ceil_near(all / one)));
	return AIBRIX_OK;
}

const char *
aibrix_scale_reason_text(uint32_t reason)
{
	static const char *const text[] = {
		[AIBRIX_SCALE_STABLE] = "stable",
		[AIBRIX_SCALE_ABOVE_TARGET] = "above target",
		[AIBRIX_SCALE_BELOW_TARGET] = "all metrics below target",
		[AIBRIX_SCALE_OVER_MAX] = "current replicas exceed maximum",
		[AIBRIX_SCALE_UNDER_MIN] = "current replicas below minimum",
		[AIBRIX_SCALE_PARKED] = "scaling disabled: no replicas",
		[AIBRIX_SCALE_ASLEEP] = "no replicas and nothing queued",
		[AIBRIX_SCALE_WAKE] = "requests wait for a first replica",
		[AIBRIX_SCALE_NO_DATA] = "no metric is known",
		[AIBRIX_SCALE_PART_DATA] = "not every metric is known",
	};

	return reason < sizeof(text) / sizeof(*text) ? text[reason] : "unknown";
}
