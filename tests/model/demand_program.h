/*
 * A program of arrivals, engines, pods that come, start and go, numbers that
 * are missing or absurd, and clocks, run on a demand; after each step what
 * must hold of every decision is looked at.
 *
 * demand_program_run returns NULL, or what did not hold.
 */
#ifndef MODEL_DEMAND_PROGRAM_H
#define MODEL_DEMAND_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/demand.h>

#include "choices.h"

enum { PODS = 16, COLUMNS = 10, STATE_WORDS = 512, SAVED = 4096 };

/* Planted in what is looked at, never in the library. */
enum { NO_FAULT, FAULT_FORGETS, FAULT_LESS };

#define SECOND ((uint64_t)1000000000)

struct demand_play {
	struct choices choices;
	int fault;
	aibrix_demand_opts o;
	aibrix_scale_fleet fleet;
	aibrix_scale_pod pods[PODS];
	double columns[COLUMNS][PODS];
	uint64_t at_ns[PODS];
	aibrix_demand_seen seen;
	uint64_t memory[3][STATE_WORDS];
	aibrix_demand_state *state;
	uint64_t now;
	uint8_t saved[SAVED], again[SAVED];
};

static inline double
play_number(struct demand_play *p, double most)
{
	static const double odd[] = {NAN,  INFINITY, -1,    -INFINITY,
				     1e15, 1e300,    1e-30, 9e14};

	if (draw(&p->choices, 40) == 0)
		return odd[draw(&p->choices, 8)];
	return most * draw(&p->choices, 200) / 200;
}

static inline void
play_options(struct demand_play *p)
{
	aibrix_demand_opts *o = &p->o;

	o->size = sizeof(*o);
	o->role = draw(&p->choices, 3);
	o->slots = draw(&p->choices, 2) * 64;
	o->ttft_s = draw(&p->choices, 3) * 0.5;
	o->itl_s = draw(&p->choices, 3) * 0.02;
	o->step_s = draw(&p->choices, 2) * 0.01;
	o->kv_s = draw(&p->choices, 2) * 0.02;
	o->token_s = draw(&p->choices, 2) * 1e-4;
	o->quantile = 0.5 + draw(&p->choices, 49) / 100.0;
	o->up_use = 0.3 + draw(&p->choices, 70) / 100.0;
	o->down_use = o->up_use - draw(&p->choices, 20) / 100.0;
	o->start_ns = (1 + draw(&p->choices, 200)) * SECOND;
	o->season_ns = draw(&p->choices, 2) * 600 * SECOND;
}

/* Each of them may be untold. */
static inline void
play_columns(struct demand_play *p)
{
	const double **at[COLUMNS] = {
		&p->seen.running,        &p->seen.waiting,
		&p->seen.kv_ratio,       &p->seen.prompt_per_s,
		&p->seen.cached_ratio,   &p->seen.output_per_s,
		&p->seen.finished_per_s, &p->seen.input_tokens,
		&p->seen.output_tokens,  &p->seen.itl_s};

	for (uint32_t i = 0; i < COLUMNS; i++)
		*at[i] = draw(&p->choices, 12) ? p->columns[i] : NULL;
	p->seen.at_ns = draw(&p->choices, 2) ? p->at_ns : NULL;
}

static inline void
play_pod(struct demand_play *p, uint32_t i)
{
	p->pods[i].phase = draw(&p->choices, 8) > 4 ? draw(&p->choices, 5)
						    : AIBRIX_SCALE_RUNNING;
	p->pods[i].ready = draw(&p->choices, 3);
	p->pods[i].started_ns = p->now - draw(&p->choices, 200) * SECOND;
	p->pods[i].changed_ns =
		p->pods[i].started_ns + draw(&p->choices, 100) * SECOND;
}

static inline void
play_world(struct demand_play *p)
{
	static const double most[COLUMNS] = {50,  20, 1,    8000, 1,
					     3e3, 10, 2000, 500,  0.1};
	uint32_t changes = 1 + draw(&p->choices, 4);

	p->now += draw(&p->choices, 40)
			  ? draw(&p->choices, 20) * SECOND
			  : draw(&p->choices, 200) * 3000 * SECOND;
	for (uint32_t i = 0; i < changes; i++)
		play_pod(p, draw(&p->choices, PODS));
	for (uint32_t i = 0; i < PODS; i++) {
		uint32_t column = draw(&p->choices, COLUMNS);

		p->columns[column][i] = play_number(p, most[column]);
		p->at_ns[i] = p->now - draw(&p->choices, 35) * SECOND;
	}
	p->seen.flags = draw(&p->choices, 32);
	p->seen.arrivals_per_s = play_number(p, 100);
	p->seen.ttft_mean_s = play_number(p, 2);
	p->seen.itl_mean_s = play_number(p, 0.1);
	p->seen.input_next = play_number(p, 4000);
	p->seen.output_next = play_number(p, 1000);
	p->fleet.n_pods = draw(&p->choices, PODS + 1);
	p->fleet.queued = draw(&p->choices, 4) ? 0 : draw(&p->choices, 50);
	p->fleet.flags = draw(&p->choices, 8) ? 0 : draw(&p->choices, 8);
	p->fleet.replicas = (int32_t)draw(&p->choices, 20);
}

static inline int
play_step(struct demand_play *p, void *state, aibrix_demand *d)
{
	*d = (aibrix_demand){.size = sizeof(*d)};
	return aibrix_demand_step(&p->o, &p->fleet, &p->seen, state, p->now, d);
}

/* The same state in another place gives the same decision and state; so does
 * one that was saved and loaded. */
static inline const char *
play_twice(struct demand_play *p, aibrix_demand *d)
{
	aibrix_demand_state *copy = (void *)p->memory[1];
	aibrix_demand again;
	uint64_t n;

	if (draw(&p->choices, 2)) {
		memcpy(p->memory[1], p->memory[0], sizeof(p->memory[0]));
	} else {
		if (aibrix_demand_state_init(p->memory[1], sizeof(p->memory[1]),
					     &copy) ||
		    aibrix_demand_state_save(p->state, p->saved, SAVED, &n))
			return "a state is not saved";
		if (p->fault != FAULT_FORGETS &&
		    aibrix_demand_state_load(copy, p->saved, n, 0))
			return "a state is not loaded";
	}
	if (play_step(p, p->state, d) || play_step(p, copy, &again))
		return "a step fails";
	if (memcmp(d, &again, sizeof(again)) != 0)
		return "the same state decides otherwise";
	if (aibrix_demand_state_save(p->state, p->saved, SAVED, &n) ||
	    aibrix_demand_state_save(copy, p->again, SAVED, &n) ||
	    memcmp(p->saved, p->again, n) != 0)
		return "the same state goes on otherwise";
	return NULL;
}

/* Of two deployments with one past the one to which more comes wants no
 * fewer.  memory[2] has the state before the step. */
static inline const char *
play_more(struct demand_play *p, const aibrix_demand *d)
{
	double was = p->seen.arrivals_per_s;
	aibrix_demand more;
	int err;

	if (!(p->seen.flags & AIBRIX_DEMAND_ARRIVALS) ||
	    !(was >= 0 && was <= 1e6) || isnan(d->capacity))
		return NULL;
	p->seen.arrivals_per_s = was + draw(&p->choices, 50) / 2.0;
	err = play_step(p, p->memory[2], &more);
	p->seen.arrivals_per_s = was;
	if (err)
		return "a step with more fails";
	if (isnan(d->wanted) != isnan(more.wanted))
		return "more arrivals change what is known";
	if (more.wanted + (p->fault == FAULT_LESS ? -1 : 0) < d->wanted)
		return "more arrivals want fewer pods";
	return NULL;
}

static inline const char *
play_look(const struct demand_play *p, const aibrix_demand *d)
{
	double c = p->fleet.replicas;

	if (d->wanted < 0 || isinf(d->wanted) ||
	    d->wanted != floor(isnan(d->wanted) ? 0 : d->wanted))
		return isnan(d->wanted) ? NULL : "no number of pods";
	if (d->up > d->down)
		return "too few and too many";
	if (d->reason == AIBRIX_DEMAND_STEADY && d->wanted != c)
		return "steady and moved";
	if (d->reason == AIBRIX_DEMAND_FEWER && d->wanted >= c)
		return "fewer and not fewer";
	if (p->fleet.flags & AIBRIX_SCALE_PODS_UNKNOWN)
		return "moved without knowing";
	return NULL;
}

static inline const char *
play_back(struct demand_play *p)
{
	aibrix_demand d = {.size = sizeof(d)};

	memcpy(p->memory[1], p->memory[0], sizeof(p->memory[0]));
	p->now--;
	if (play_step(p, p->state, &d) != AIBRIX_E_STATE)
		return "a clock goes back";
	p->now++;
	if (memcmp(p->memory[1], p->memory[0], sizeof(p->memory[0])))
		return "a refused step changed the state";
	return NULL;
}

static inline const char *
play_once(struct demand_play *p)
{
	const char *bad;
	aibrix_demand d;

	play_world(p);
	play_columns(p);
	memcpy(p->memory[2], p->memory[0], sizeof(p->memory[0]));
	bad = play_twice(p, &d);
	if (!bad)
		bad = play_look(p, &d);
	if (!bad)
		bad = play_more(p, &d);
	if (!bad && draw(&p->choices, 8) == 0)
		bad = play_back(p);
	return bad;
}

static inline const char *
demand_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct demand_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	p->now = 1000000 * SECOND;
	p->fleet.size = sizeof(p->fleet);
	p->fleet.pods = p->pods;
	p->seen.size = sizeof(p->seen);
	for (uint32_t i = 0; i < PODS; i++)
		play_pod(p, i);
	play_options(p);
	if (aibrix_demand_state_init(p->memory[0], sizeof(p->memory[0]),
				     &p->state))
		bad = "no state";
	for (uint32_t i = 0; !bad && i < steps; i++)
		bad = play_once(p);
	free(p);
	return bad;
}

#endif
