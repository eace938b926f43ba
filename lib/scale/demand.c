/*
 * From what is seen to pods wanted.
 *
 *	look -> learn (shapes, step model, start-ups, arrivals)
 *	     -> foresee (arrivals when a pod that is asked for now is ready)
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

#define LARGE 1e15
#define SHAPE_S 60.0 /* over which requests' shapes are means */
#define SHAPE_MOVES 0.2
#define SHAPE_FORGETS 0.5
#define FIT_LEAST 3.0 /* steps from which a model is one */
#define PRIOR_GIVEN 0.5
#define PRIOR_NONE 0.005

struct demand_step {
	struct demand_plan plan;
	aibrix_scale_fleet fleet;
	aibrix_demand_seen seen;
	struct pods pods;
	struct look look;
	struct sight sight;
	aibrix_demand_state *s;
	uint64_t now_ns;
	double dt; /* since the last step; 0: this is the first */
	struct model model;
	struct load load;
	double queued;
	aibrix_demand d;
};

static int
known(const struct demand_step *st, uint32_t flag, double x)
{
	return (st->seen.flags & flag) && x >= 0 && x <= LARGE;
}

static double
mean_to(double old, double x, double share)
{
	return old < 0 ? x : old + (x - old) * share;
}

/* ---- learn ---- */

static void
shapes_learn(struct demand_step *st)
{
	const struct sight *g = &st->sight;
	aibrix_demand_state *s = st->s;
	double share = st->dt > 0 ? 1 - exp(-st->dt / SHAPE_S) : 1;

	if (g->input_mean > 0)
		s->input = mean_to(s->input, g->input_mean, share);
	else if (g->input_mean < 0 && g->finished > 0 && g->prompt > 0)
		s->input = mean_to(s->input, g->prompt / g->finished, share);
	if (g->output_mean > 0)
		s->output = mean_to(s->output, g->output_mean, share);
	else if (g->output_mean < 0 && g->finished > 0 && g->output > 0)
		s->output = mean_to(s->output, g->output / g->finished, share);
	if (g->prompt > 0)
		s->cached =
			mean_to(s->cached, 1 - g->computed / g->prompt, share);
	if (g->running >= 1 && g->kv > 0)
		s->kv = mean_to(s->kv, fmin(1, g->kv / g->running), share);
}

/* A share of a cache holds other numbers of requests when their lengths are
 * others, and a request costs something beside its tokens. */
static void
shapes_watch(aibrix_demand_state *s)
{
	if (s->input < 0 || s->output < 0)
		return;
	if (s->fit_input < 0) {
		s->fit_input = s->input;
		s->fit_output = s->output;
	}
	if (fabs(s->input / s->fit_input - 1) < SHAPE_MOVES &&
	    fabs(s->output / s->fit_output - 1) < SHAPE_MOVES)
		return;
	/* Not so much that there is no model. */
	if (s->fit.weight > FIT_LEAST)
		aibrix__fit_forget(
			&s->fit,
			fmin(SHAPE_FORGETS, 1 - FIT_LEAST / s->fit.weight));
	s->fit_input = s->input;
	s->fit_output = s->output;
}

static void
model_learn(struct demand_step *st)
{
	aibrix_demand_state *s = st->s;
	const aibrix_demand_opts *o = &st->plan.o;
	struct model prior = {{o->step_s, o->kv_s, o->token_s}};

	if (st->dt > 0) {
		double prefill = aibrix__sight_prefill(&st->look);

		aibrix__fit_forget(&s->fit,
				   1 - exp(-st->dt / st->plan.memory_s));
		if (o->role != AIBRIX_DEMAND_PREFILL)
			aibrix__sight_fit(&st->look, st->sight.told, &s->fit);
		if (prefill > 0)
			s->prefill_s = mean_to(s->prefill_s, 1 / prefill, 0.1);
	}
	shapes_watch(s);
	st->model = aibrix__fit_solve(
		&s->fit, &prior, st->plan.given ? PRIOR_GIVEN : PRIOR_NONE);
	if (o->role == AIBRIX_DEMAND_PREFILL && s->prefill_s > 0)
		st->model.x[2] = s->prefill_s;
	st->d.learned = o->role == AIBRIX_DEMAND_PREFILL
				? s->prefill_s > 0
				: s->fit.weight >= 0.99 * FIT_LEAST;
	st->d.step_s = st->model.x[0];
	st->d.kv_s = st->model.x[1];
	st->d.token_s = st->model.x[2];
	st->d.fit_weight = s->fit.weight;
	st->d.fit_error = aibrix__fit_error(&s->fit, &st->model);
}

/* A pod becomes ready once: those that did since the last step. */
static void
starts_learn(struct demand_step *st)
{
	aibrix_demand_state *s = st->s;

	if (s->replicas != (uint64_t)st->fleet.replicas)
		s->moved_ns = st->now_ns;
	for (uint32_t i = 0; s->started && i < st->fleet.n_pods; i++) {
		const aibrix_scale_pod *p = &st->fleet.pods[i];

		if (!pod_ready(p) || p->changed_ns <= s->last_ns ||
		    p->changed_ns > st->now_ns)
			continue;
		s->moved_ns = st->now_ns;
		if (p->started_ns > 0 && p->started_ns <= p->changed_ns)
			aibrix__starts_feed(
				&s->starts,
				(double)(p->changed_ns - p->started_ns) / 1e9);
	}
	st->d.start_s = aibrix__starts_quantile(
		&s->starts, st->plan.o.start_quantile, st->plan.start_s);
}

/* Requests that came: a gateway's count, or those that went and those by
 * which the ones inside have become more.  Below 0: not known. */
static double
arrivals_of(struct demand_step *st)
{
	aibrix_demand_state *s = st->s;
	double inside =
		st->sight.running + st->sight.waiting + st->fleet.queued;
	double grown = 0, all = 1;

	if (st->seen.flags & AIBRIX_DEMAND_ARRIVALS)
		return known(st, AIBRIX_DEMAND_ARRIVALS,
			     st->seen.arrivals_per_s)
			       ? st->seen.arrivals_per_s
			       : -1;
	if (st->sight.told == 0 || !st->seen.finished_per_s)
		return -1;
	all = (double)(st->sight.told + st->sight.missing) / st->sight.told;
	if (st->dt > 0 && s->told == st->sight.told && s->inside >= 0)
		grown = (inside - s->inside) / st->dt;
	return fmax(0, st->sight.finished * all + grown);
}

static void
arrivals_learn(struct demand_step *st)
{
	aibrix_demand_state *s = st->s;
	double x = arrivals_of(st);

	if (x >= 0)
		st->d.arrivals = x;
	if (x >= 0 && (st->dt > 0 || s->trend.known == 0)) {
		aibrix__trend_feed(&s->trend, x, st->dt > 0 ? st->dt : 1,
				   st->plan.trend_s);
		aibrix__season_feed(&s->season, s->trend.level, st->now_ns,
				    st->dt);
	}
	s->inside = st->sight.told ? st->sight.running + st->sight.waiting +
					     st->fleet.queued
				   : -1;
	s->told = st->sight.told;
}

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

	if (known(st, AIBRIX_DEMAND_INPUT, st->seen.input_next))
		input = st->seen.input_next;
	if (known(st, AIBRIX_DEMAND_OUTPUT, st->seen.output_next))
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
	if (!(b.rate > 0 && b.rate <= LARGE))
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
	    known(st, AIBRIX_DEMAND_TTFT, st->seen.ttft_mean_s) &&
	    st->seen.ttft_mean_s > o->ttft_s)
		st->d.late |= 1;
	if (o->itl_s > 0 && known(st, AIBRIX_DEMAND_ITL, st->seen.itl_mean_s) &&
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
	starts_learn(st);
	if (!(st->fleet.flags & AIBRIX_SCALE_PODS_UNKNOWN)) {
		st->sight = aibrix__sight(&st->look);
		st->queued = st->sight.waiting + st->fleet.queued;
		st->d.missing = st->sight.missing;
		st->d.drain = st->queued / st->plan.drain_s;
		shapes_learn(st);
		model_learn(st);
		arrivals_learn(st);
		arrivals_foresee(st);
		capacity_know(st);
		if (st->pods.ready == 0 || st->sight.told > 0 ||
		    known(st, AIBRIX_DEMAND_ARRIVALS, st->seen.arrivals_per_s))
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
