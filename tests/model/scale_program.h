/*
 * A program of loads, pods that come, start, fail and leave, hosts that do
 * not as they are told, and clocks, run on a scaler; after each step what
 * must hold of every decision is looked at.
 *
 * scale_program_run returns NULL, or what did not hold.
 */
#ifndef MODEL_SCALE_PROGRAM_H
#define MODEL_SCALE_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/scale.h>

#include "choices.h"

enum { PODS = 24, METRICS = 3, STATE_WORDS = 4096, SAVED = 1 << 16 };

/* Planted in what is looked at, never in the scaler. */
enum { NO_FAULT, FAULT_FORGETS, FAULT_ONE_MORE };

#define SECOND ((uint64_t)1000000000)

struct scale_play {
	struct choices choices;
	int fault;
	aibrix_scale_opts o;
	aibrix_scale_metric metrics[METRICS];
	aibrix_scale_policy up, down;
	aibrix_scale_fleet fleet;
	aibrix_scale_pod pods[PODS];
	double values[METRICS][PODS], requests[PODS];
	aibrix_scale_values v[METRICS];
	uint64_t memory[2][STATE_WORDS];
	uint64_t before[STATE_WORDS];
	aibrix_scale_state *state;
	int which;
	uint64_t now;
	uint8_t saved[SAVED];
};

static inline double
play_number(struct scale_play *p)
{
	static const double odd[] = {NAN,  INFINITY, -1,    -INFINITY,
				     1e18, 1e300,    1e-30, 9.3e15};

	if (draw(&p->choices, 12) == 0)
		return odd[draw(&p->choices, 8)];
	return draw(&p->choices, 200) / 4.0;
}

static inline void
play_metrics(struct scale_play *p)
{
	for (uint32_t i = 0; i < METRICS; i++) {
		uint32_t kinds = p->o.strategy == AIBRIX_SCALE_HPA ? 4 : 2;
		uint32_t kind = draw(&p->choices, kinds);

		if (kinds == 2)
			kind *= AIBRIX_SCALE_TOTAL;
		if (p->o.strategy == AIBRIX_SCALE_TPA)
			kind = AIBRIX_SCALE_TOTAL;
		p->metrics[i] = (aibrix_scale_metric){
			.kind = kind,
			.flags = draw(&p->choices, 4),
			.target = 1 + draw(&p->choices, 80)};
		if (p->o.strategy < AIBRIX_SCALE_HPA &&
		    !(p->metrics[i].flags & AIBRIX_SCALE_BUSIEST))
			p->metrics[i].share = draw(&p->choices, 5) / 4.0;
		p->v[i].values =
			kind < 2 || draw(&p->choices, 2) ? p->values[i] : NULL;
		p->v[i].requests = p->requests;
	}
	p->o.metrics = p->metrics;
	p->o.n_metrics = 1 + draw(&p->choices, METRICS);
}

static inline void
play_options(struct scale_play *p)
{
	aibrix_scale_opts *o = &p->o;

	o->size = sizeof(*o);
	o->strategy = draw(&p->choices, 4);
	o->profile = draw(&p->choices, 2);
	if (o->strategy == AIBRIX_SCALE_TPA)
		o->profile = AIBRIX_SCALE_DEFAULT;
	o->flags = draw(&p->choices, 32);
	o->min_replicas = (int32_t)draw(&p->choices, 4);
	o->max_replicas = 4 + (int32_t)draw(&p->choices, 30);
	o->activation = (int32_t)draw(&p->choices, 3);
	o->max_up_rate = draw(&p->choices, 2) * 1.5;
	o->max_down_rate = draw(&p->choices, 2) * 3.0;
	o->burst_capacity = draw(&p->choices, 3) * 50.0 - 50;
	o->wake_target = draw(&p->choices, 4);
	o->stable_ns = (1 + draw(&p->choices, 60)) * SECOND;
	o->panic_ns = SECOND;
	o->delay_ns = draw(&p->choices, 3) * 10 * SECOND;
	o->up_window_ns = draw(&p->choices, 3) * 20 * SECOND;
	o->down_window_ns = draw(&p->choices, 3) * 60 * SECOND;
	p->up = (aibrix_scale_policy){draw(&p->choices, 2),
				      1 + draw(&p->choices, 100),
				      (1 + draw(&p->choices, 60)) * SECOND};
	p->down = (aibrix_scale_policy){draw(&p->choices, 2),
					1 + draw(&p->choices, 100),
					(1 + draw(&p->choices, 60)) * SECOND};
	o->up = &p->up;
	o->down = &p->down;
	o->n_up = draw(&p->choices, 2);
	o->n_down = draw(&p->choices, 2);
	o->up_select = draw(&p->choices, 3);
	o->down_select = draw(&p->choices, 3);
	play_metrics(p);
}

static inline void
play_pod(struct scale_play *p, uint32_t i)
{
	p->pods[i].phase = draw(&p->choices, 8) > 4 ? draw(&p->choices, 5)
						    : AIBRIX_SCALE_RUNNING;
	p->pods[i].ready = draw(&p->choices, 3);
	p->pods[i].started_ns = p->now - draw(&p->choices, 200) * SECOND;
	p->pods[i].changed_ns =
		p->pods[i].started_ns + draw(&p->choices, 100) * SECOND;
	p->requests[i] = draw(&p->choices, 20) ? 1 : 0;
}

static inline void
play_world(struct scale_play *p)
{
	uint32_t steps = 1 + draw(&p->choices, 6);

	p->now += draw(&p->choices, 40) ? draw(&p->choices, 20) * SECOND
					: draw(&p->choices, 200) * 30 * SECOND;
	for (uint32_t i = 0; i < steps; i++)
		play_pod(p, draw(&p->choices, PODS));
	for (uint32_t m = 0; m < METRICS; m++) {
		double all = play_number(p);

		for (uint32_t i = 0; i < PODS; i++)
			p->values[m][i] =
				draw(&p->choices, 16) ? all : play_number(p);
		p->v[m].total = all;
	}
	p->fleet.n_pods = draw(&p->choices, PODS + 1);
	p->fleet.queued = draw(&p->choices, 8) ? 0 : draw(&p->choices, 50);
	p->fleet.flags = draw(&p->choices, 8) ? 0 : draw(&p->choices, 8);
	if (draw(&p->choices, 20) == 0)
		p->fleet.replicas = (int32_t)draw(&p->choices, 40);
}

static inline int
decision_equal(const aibrix_scale_decision *a, const aibrix_scale_decision *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The same state in another place gives the same decision and state; so does
 * one that was saved and loaded. */
static inline const char *
play_twice(struct scale_play *p, aibrix_scale_decision *d)
{
	aibrix_scale_decision again = {.size = sizeof(again)};
	uint64_t *other = p->memory[!p->which], n;
	aibrix_scale_state *copy;

	if (draw(&p->choices, 2)) {
		memcpy(other, p->memory[p->which], sizeof(p->memory[0]));
		copy = (void *)other;
	} else {
		if (aibrix_scale_state_init(&p->o, other, sizeof(p->memory[0]),
					    &copy) ||
		    aibrix_scale_state_save(p->state, p->saved, SAVED, &n) ||
		    n != aibrix_scale_state_save_bytes(p->state))
			return "a state is not saved";
		if (p->fault != FAULT_FORGETS &&
		    aibrix_scale_state_load(copy, p->saved, n, 0))
			return "a state is not loaded";
	}
	if (aibrix_scale_step(&p->o, &p->fleet, p->v, p->state, p->now, d) ||
	    aibrix_scale_step(&p->o, &p->fleet, p->v, copy, p->now, &again))
		return "a step fails";
	if (!decision_equal(d, &again))
		return "the same state decides otherwise";
	if (aibrix_scale_state_save(p->state, p->saved, SAVED, &n) ||
	    aibrix_scale_state_save(copy, p->saved + n, SAVED - n, &n) ||
	    memcmp(p->saved, p->saved + n, n) != 0)
		return "the same state goes on otherwise";
	p->which = !p->which;
	p->state = copy;
	return NULL;
}

static inline int32_t
play_min(const struct scale_play *p)
{
	if (p->o.min_replicas > 0 || (p->o.flags & AIBRIX_SCALE_TO_ZERO))
		return p->o.min_replicas;
	return 1;
}

static inline const char *
play_look(const struct scale_play *p, const aibrix_scale_decision *d)
{
	int32_t c = p->fleet.replicas, min = play_min(p);
	int32_t max = p->o.max_replicas - (p->fault == FAULT_ONE_MORE);

	if (d->change != d->replicas - c)
		return "change is not the difference";
	if (!d->valid)
		return d->change ? "moved without knowing" : NULL;
	if (d->replicas > max)
		return "above the maximum";
	if (d->replicas < min && d->reason != AIBRIX_SCALE_PARKED)
		return "below the minimum";
	if (p->o.profile == AIBRIX_SCALE_DEFAULT && d->wanted >= 0 && c > 0 &&
	    c >= min && c <= max) {
		if (d->replicas > c && d->replicas > d->wanted &&
		    p->o.delay_ns == 0 &&
		    !(p->o.flags & AIBRIX_SCALE_PLAIN_LIMITS))
			return "a rise above what is wanted";
		if (d->replicas < c && d->replicas < d->wanted &&
		    d->limited_by != AIBRIX_SCALE_BY_UP_RATE &&
		    d->limited_by != AIBRIX_SCALE_BY_MAX)
			return "a fall below what is wanted";
	}
	return NULL;
}

/* A clock that goes back is refused, and nothing has changed. */
static inline const char *
play_back(struct scale_play *p)
{
	aibrix_scale_decision d = {.size = sizeof(d)};

	memcpy(p->before, p->memory[p->which], sizeof(p->before));
	if (aibrix_scale_step(&p->o, &p->fleet, p->v, p->state, p->now - 1,
			      &d) != AIBRIX_E_STATE)
		return "a clock goes back";
	if (memcmp(p->before, p->memory[p->which], sizeof(p->before)))
		return "a refused step changed the state";
	return NULL;
}

static inline const char *
scale_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct scale_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	p->now = 100000 * SECOND;
	p->fleet.size = sizeof(p->fleet);
	p->fleet.pods = p->pods;
	p->fleet.replicas = 3;
	for (uint32_t i = 0; i < PODS; i++)
		play_pod(p, i);
	play_options(p);
	if (aibrix_scale_state_init(&p->o, p->memory[0], sizeof(p->memory[0]),
				    &p->state))
		bad = "no state";
	for (uint32_t i = 0; !bad && i < steps; i++) {
		aibrix_scale_decision d = {.size = sizeof(d)};

		play_world(p);
		bad = play_twice(p, &d);
		if (!bad)
			bad = play_look(p, &d);
		if (!bad && draw(&p->choices, 8) == 0)
			bad = play_back(p);
		if (draw(&p->choices, 4))
			p->fleet.replicas = d.replicas;
	}
	free(p);
	return bad;
}

#endif
