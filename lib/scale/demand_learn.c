/*
 * What a step of TPA learns from what it sees: shapes of requests, the step
 * model of engines, how long pods take to start, arrivals.
 */

#include <math.h>

#include "scale/demand_internal.h"

#define SHAPE_S 60.0 /* over which requests' shapes are means */
#define SHAPE_MOVES 0.2
#define SHAPE_FORGETS 0.5
#define FIT_LEAST 3.0 /* steps from which a model is one */
#define PRIOR_GIVEN 0.5
#define PRIOR_NONE 0.005

static double
mean_to(double old, double x, double share)
{
	return old < 0 ? x : old + (x - old) * share;
}

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

void
aibrix__demand_starts(struct demand_step *st)
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
		return demand_known(st, AIBRIX_DEMAND_ARRIVALS,
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

void
aibrix__demand_learn(struct demand_step *st)
{
	shapes_learn(st);
	model_learn(st);
	arrivals_learn(st);
}
