/*
 * From what is seen to pods wanted.
 *
 *	look -> learn (shapes, step model, start-ups, arrivals: demand_learn.c)
 *	     -> foresee (arrivals when a pod that is asked for at once is ready)
 *	     -> weigh (what a pod bears; too few, too many)
 *
 * Pods that start are counted as there: arrivals are those of the time when
 * they will be.  Between "too few" (demand above up_use of what pods bear)
 * and "too many" (below down_use, and the targets kept with room by those
 * that stay: Dynamo's consolidation test) nothing moves, so one pod more
 * never makes one pod too many.
 *
 * A pod that is ready and says nothing is taken for idle when there are too
 * few and for as loaded as it may be when there are too many: what is not
 * known moves nothing.
 */

#include <math.h>

#include "base/versioned.h"
#include "scale/demand_internal.h"

enum {
	SEEN_V1 = STRUCT_UPTO(aibrix_demand_seen, output_next),
	DEMAND_V1 = STRUCT_UPTO(aibrix_demand, ttft_s),
	DEMAND_MAX = 4096,
	SEEN_FLAGS = AIBRIX_DEMAND_ARRIVALS | AIBRIX_DEMAND_TTFT |
		     AIBRIX_DEMAND_ITL | AIBRIX_DEMAND_INPUT |
		     AIBRIX_DEMAND_OUTPUT
};

/* ---- foresee ---- */

static void
arrivals_foresee(struct demand_step *st)
{
	const struct trend *t = &st->s->trend;
	struct forecast f;
	double ahead = st->d.start_s + fmin(st->dt, st->d.start_s), season;

	if (t->known == 0)
		return;
	f = aibrix__trend_ahead(t, ahead, st->plan.trend_s);
	season = aibrix__season_ahead(&st->s->season, t->level, st->now_ns,
				      ahead);
	st->d.level = t->level;
	st->d.trend = t->trend;
	st->d.error = f.error;
	st->d.forecast = fmax(t->level, f.mean + st->plan.z * f.error);
	if (season >= 0) {
		st->d.season = season;
		st->d.forecast = fmax(st->d.forecast, season);
	}
}

/* ---- weigh ---- */

static void
load_know(struct demand_step *st)
{
	const aibrix_demand_state *s = st->s;
	double input = s->input, output = s->output;
	uint32_t role = st->plan.o.role;
	double cached = s->cached > 0 ? s->cached : 0;

	if (demand_known(st, AIBRIX_DEMAND_INPUT, st->seen.input_next))
		input = st->seen.input_next;
	if (demand_known(st, AIBRIX_DEMAND_OUTPUT, st->seen.output_next))
		output = st->seen.output_next;
	/* What the other side has to do with. */
	if (role == AIBRIX_DEMAND_PREFILL && output < 0)
		output = 0;
	if (role == AIBRIX_DEMAND_DECODE && input < 0)
		input = 0;
	if (input >= 0)
		st->d.input = input;
	if (output >= 0)
		st->d.output = output;
	st->d.cached = cached;
	st->d.kv_request = s->kv > 0 ? s->kv : 0;
	st->load =
		(struct load){input * (1 - cached), output, st->d.kv_request};
}

/* Of a target, the part that load adds to what an idle pod takes. */
static double
target_careful(double target, double alone, double sensitivity)
{
	return target > alone ? alone + (target - alone) * sensitivity : target;
}

static void
capacity_know(struct demand_step *st)
{
	const aibrix_demand_opts *o = &st->plan.o;
	struct targets t = {o->ttft_s, o->itl_s, o->kv_limit, o->slots};
	struct bound b, careful;

	load_know(st);
	if (!(st->plan.given || st->d.learned) || isnan(st->d.input) ||
	    isnan(st->d.output))
		return;
	b = aibrix__pod_bears(&st->model, &st->load, o->role, &t);
	t.itl_s = target_careful(t.itl_s, st->model.x[0], o->sensitivity);
	t.ttft_s = target_careful(t.ttft_s,
				  aibrix__pod_first(&st->model, &st->load),
				  o->sensitivity);
	careful = aibrix__pod_bears(&st->model, &st->load, o->role, &t);
	if (!(b.rate > 0 && b.rate <= DEMAND_LARGE))
		return;
	st->d.capacity = b.rate;
	st->d.careful = careful.rate;
	st->d.limit = b.by;
}

/* What is expected of pods that are and will be there. */
static void
outlook_tell(struct demand_step *st, double demand)
{
	double pods = (double)st->pods.ready + st->pods.coming;
	double work = aibrix__pod_work(&st->model, &st->load, st->plan.o.role);
	double slower = 1 / (1 - demand / pods * work);

	st->d.use = demand / (pods * st->d.capacity);
	if (!(slower >= 1))
		slower = INFINITY;
	if (st->plan.o.role != AIBRIX_DEMAND_PREFILL)
		st->d.itl_s = st->model.x[0] * slower;
	if (st->plan.o.role != AIBRIX_DEMAND_DECODE)
		st->d.ttft_s =
			aibrix__pod_first(&st->model, &st->load) * slower;
}

/* Pods for what is in the caches, and what waits. */
static double
memory_need(struct demand_step *st)
{
	if (!st->seen.kv_ratio || st->sight.told == 0)
		return 0;
	st->d.kv_ratio = st->sight.kv;
	return (st->sight.kv + st->queued * st->d.kv_request) /
	       st->plan.o.kv_limit;
}

/* Does nothing come, is nothing there, and will nothing come before a pod
 * that is asked for then would be ready? */
static int
idle(const struct demand_step *st)
{
	double season = st->d.season > 0 ? st->d.season : 0;

	return st->d.arrivals == 0 && st->sight.running == 0 &&
	       st->sight.missing == 0 && st->queued == 0 &&
	       fmax(st->d.level, season) * st->d.start_s < 1;
}

static void
want(struct demand_step *st, double pods, uint32_t reason)
{
	st->d.wanted = pods;
	st->d.reason = reason;
}

static void
pods_weigh(struct demand_step *st)
{
	const aibrix_demand_opts *o = &st->plan.o;
	double demand = st->d.forecast + st->d.drain;
	double c = st->fleet.replicas, memory = memory_need(st);
	double ready = (double)st->sight.told + st->sight.missing;
	double told = ready > 0 ? st->sight.told / ready : 1;
	double more = 0, fewer = 0;

	if (st->seen.flags & AIBRIX_DEMAND_ARRIVALS)
		told = 1;
	if (!isnan(st->d.capacity) && !isnan(st->d.arrivals)) {
		outlook_tell(st, demand);
		st->d.prefill_tokens = demand * st->load.input;
		st->d.decode_tokens = demand * st->load.output;
		more = demand * told / (o->up_use * st->d.capacity);
		fewer = fmax(demand / (o->down_use * st->d.capacity),
			     demand / st->d.careful);
	} else if (memory <= 0 && st->queued <= 0 && !idle(st)) {
		return; /* of which nothing follows */
	} else {
		fewer = c;
	}
	st->d.up = aibrix__ceil_near(fmax(more, memory));
	st->d.down =
		fmax(st->d.up, aibrix__ceil_near(fewer) + st->sight.missing);
	if (idle(st))
		want(st, 0, AIBRIX_DEMAND_IDLE);
	else if (st->d.up > c)
		want(st, st->d.up,
		     more > c ? AIBRIX_DEMAND_MORE : AIBRIX_DEMAND_MEMORY);
	else if (st->d.down < c)
		want(st, fmax(st->d.down, 1), AIBRIX_DEMAND_FEWER);
	else
		want(st, c, AIBRIX_DEMAND_STEADY);
}

/* Targets that are missed as it is, whatever the model says: nothing goes,
 * and when that lasts with all pods there, one more comes. */
static void
late_weigh(struct demand_step *st)
{
	aibrix_demand_state *s = st->s;
	const aibrix_demand_opts *o = &st->plan.o;
	uint64_t since;

	if (o->ttft_s > 0 &&
	    demand_known(st, AIBRIX_DEMAND_TTFT, st->seen.ttft_mean_s) &&
	    st->seen.ttft_mean_s > o->ttft_s)
		st->d.late |= 1;
	if (o->itl_s > 0 &&
	    demand_known(st, AIBRIX_DEMAND_ITL, st->seen.itl_mean_s) &&
	    st->seen.itl_mean_s > o->itl_s)
		st->d.late |= 2;
	if (!st->d.late) {
		s->late_ns = 0;
		return;
	}
	if (s->late_ns == 0)
		s->late_ns = st->now_ns;
	since = s->late_ns > s->moved_ns ? s->late_ns : s->moved_ns;
	if (isnan(st->d.wanted))
		return;
	if (st->pods.coming == 0 && st->now_ns - since >= o->drain_ns &&
	    st->d.wanted <= st->fleet.replicas)
		want(st, st->fleet.replicas + 1.0, AIBRIX_DEMAND_LATE);
	else if (st->d.wanted < st->fleet.replicas)
		want(st, st->fleet.replicas, AIBRIX_DEMAND_LATE);
}

static void
step_run(struct demand_step *st)
{
	aibrix_demand_state *s = st->s;

	if (s->season.ns != st->plan.o.season_ns)
		aibrix__season_start(&s->season, st->plan.o.season_ns);
	st->dt = s->started ? (double)(st->now_ns - s->last_ns) / 1e9 : 0;
	aibrix__demand_starts(st);
	if (!(st->fleet.flags & AIBRIX_SCALE_PODS_UNKNOWN)) {
		st->sight = aibrix__sight(&st->look);
		st->queued = st->sight.waiting + st->fleet.queued;
		st->d.missing = st->sight.missing;
		st->d.drain = st->queued / st->plan.drain_s;
		aibrix__demand_learn(st);
		arrivals_foresee(st);
		capacity_know(st);
		if (st->pods.ready == 0 || st->sight.told > 0 ||
		    demand_known(st, AIBRIX_DEMAND_ARRIVALS,
				 st->seen.arrivals_per_s))
			pods_weigh(st);
		late_weigh(st);
	}
	s->replicas = (uint64_t)st->fleet.replicas;
	s->last_ns = st->now_ns;
	s->started = 1;
}

static int
seen_load(struct demand_step *st, const aibrix_demand_seen *seen)
{
	int err =
		aibrix__struct_load(&st->seen, sizeof(st->seen), seen, SEEN_V1);

	if (err)
		return err;
	return st->seen.flags & ~(uint32_t)SEEN_FLAGS ? AIBRIX_E_ABI
						      : AIBRIX_OK;
}

static void
demand_start(struct demand_step *st)
{
	st->look = (struct look){&st->fleet, &st->seen, st->plan.o.fresh_ns,
				 st->now_ns};
	st->d = (aibrix_demand){.size = sizeof(st->d),
				.reason = AIBRIX_DEMAND_NO_DATA,
				.ready = st->pods.ready,
				.coming = st->pods.coming,
				.wanted = NAN,
				.up = NAN,
				.down = NAN,
				.arrivals = NAN,
				.level = NAN,
				.trend = NAN,
				.error = NAN,
				.start_s = NAN,
				.forecast = NAN,
				.season = NAN,
				.drain = NAN,
				.input = NAN,
				.output = NAN,
				.cached = NAN,
				.prefill_tokens = NAN,
				.decode_tokens = NAN,
				.kv_ratio = NAN,
				.kv_request = NAN,
				.step_s = NAN,
				.kv_s = NAN,
				.token_s = NAN,
				.fit_error = NAN,
				.capacity = NAN,
				.careful = NAN,
				.use = NAN,
				.itl_s = NAN,
				.ttft_s = NAN};
}

int
aibrix_demand_step(const aibrix_demand_opts *opts,
		   const aibrix_scale_fleet *fleet,
		   const aibrix_demand_seen *seen, aibrix_demand_state *state,
		   uint64_t now_ns, aibrix_demand *demand)
{
	struct demand_step st = {.s = state, .now_ns = now_ns};
	int err;

	if (!seen || !state || !demand || demand->size < DEMAND_V1 ||
	    demand->size > DEMAND_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__demand_plan(&st.plan, opts);
	if (!err)
		err = aibrix__fleet_load(&st.fleet, &st.pods, fleet);
	if (!err)
		err = seen_load(&st, seen);
	if (err)
		return err;
	if (now_ns < state->last_ns)
		return AIBRIX_E_STATE;
	demand_start(&st);
	step_run(&st);
	return aibrix__struct_store(demand, &st.d, sizeof(st.d), DEMAND_V1);
}
