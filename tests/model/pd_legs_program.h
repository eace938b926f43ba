/*
 * Two legs under events at random, against a clumsy gateway that looks at
 * all its clocks in every unit of time.  The machine is told the time only
 * when something happens and when it asked to be; both must do the same
 * things at the same times.
 *
 * pd_legs_program_run returns NULL, or what differed.
 */
#ifndef MODEL_PD_LEGS_PROGRAM_H
#define MODEL_PD_LEGS_PROGRAM_H

#include <stddef.h>

#include <aibrix/pd_legs.h>

#include "choices.h"

enum { END_OF_TIME = 120 };

/* Planted in the model, never in the machine. */
enum { LEGS_SOUND, LEGS_ONE_ABORT, LEGS_HEAD_IS_DATA, LEGS_NEVER_IDLE };

struct clumsy {
	int fault, together, stream, aborts;
	int prefill, decode; /* 0 waits, 1 runs, 2 is through, 3 failed */
	int head, data, told;
	uint64_t now, prefilled_at, data_at, abort_at, first_abort_at;
	int abort_flies, again;
	uint32_t done; /* actions of this unit of time */
};

/* PREFILL .. of the options below. */
enum {
	T_PREFILL = 20,
	T_ABORT = 3,
	T_AGAIN = 2,
	T_FIRST = 11,
	T_WHOLE = 13,
	T_IDLE = 7
};

static inline void
clumsy_drop(struct clumsy *c, int again)
{
	if (c->decode != 1)
		return;
	c->decode = 3;
	c->done |= AIBRIX_PD_DO_CLOSE_DECODE;
	if (!c->aborts)
		return;
	c->done |= AIBRIX_PD_DO_ABORT;
	c->abort_flies = 1;
	c->abort_at = c->first_abort_at = c->now;
	c->again = again && c->fault != LEGS_ONE_ABORT;
}

static inline void
clumsy_fail(struct clumsy *c, int again)
{
	c->done |= AIBRIX_PD_DO_FAIL_CLIENT;
	c->told = 1;
	clumsy_drop(c, again);
}

static inline void
clumsy_prefill_fails(struct clumsy *c, uint32_t failure)
{
	c->prefill = 3;
	c->prefilled_at = c->now;
	if (c->together && (failure == AIBRIX_PD_FAILURE_BAD_RESPONSE ||
			    c->head || c->decode != 1))
		return;
	clumsy_fail(c, 1);
}

static inline void
clumsy_cancel(struct clumsy *c)
{
	if (c->prefill == 1) {
		c->prefill = 3;
		c->done |= AIBRIX_PD_DO_CANCEL_PREFILL;
	}
}

static inline void
clumsy_answer(struct clumsy *c, int data)
{
	if (c->decode == 0 || c->decode == 2)
		return;
	c->head = 1;
	if (data || c->fault == LEGS_HEAD_IS_DATA) {
		c->data = 1;
		c->data_at = c->now;
	}
	if (c->decode == 3) {
		if (c->abort_flies)
			c->done |= AIBRIX_PD_DO_CANCEL_ABORT;
		c->abort_flies = c->again = 0;
	}
}

static inline void
clumsy_event(struct clumsy *c, uint32_t event, uint32_t failure)
{
	switch (event) {
	case AIBRIX_PD_EVENT_PREFILLED:
		if (c->prefill != 1)
			return;
		c->prefill = 2;
		c->prefilled_at = c->now;
		if (c->decode == 0) {
			c->decode = 1;
			c->done |= AIBRIX_PD_DO_START_DECODE;
		}
		return;
	case AIBRIX_PD_EVENT_PREFILL_FAILED:
		if (c->prefill == 1)
			clumsy_prefill_fails(c, failure);
		return;
	case AIBRIX_PD_EVENT_HEAD: clumsy_answer(c, 0); return;
	case AIBRIX_PD_EVENT_DATA: clumsy_answer(c, 1); return;
	case AIBRIX_PD_EVENT_END:
		if (c->decode == 1)
			c->decode = 2;
		return;
	case AIBRIX_PD_EVENT_DECODE_FAILED:
		if (c->decode != 1)
			return;
		c->decode = 3;
		c->done |= AIBRIX_PD_DO_FAIL_CLIENT;
		clumsy_cancel(c);
		return;
	case AIBRIX_PD_EVENT_CLIENT_GONE:
		clumsy_cancel(c);
		clumsy_drop(c, !c->head);
		return;
	case AIBRIX_PD_EVENT_ABORTED: c->abort_flies = 0; return;
	default: return;
	}
}

/* Is decode silent for too long? */
static inline int
clumsy_silent(const struct clumsy *c)
{
	if (c->decode != 1)
		return 0;
	if (c->data)
		return c->fault != LEGS_NEVER_IDLE &&
		       c->now - c->data_at >= T_IDLE;
	if (c->prefill < 2)
		return 0;
	return c->now - c->prefilled_at >= (c->stream ? T_FIRST : T_WHOLE);
}

static inline void
clumsy_look(struct clumsy *c)
{
	if (c->prefill == 1 && c->now >= T_PREFILL) {
		c->done |= AIBRIX_PD_DO_CANCEL_PREFILL;
		clumsy_prefill_fails(c, AIBRIX_PD_FAILURE_TIMEOUT);
	}
	if (clumsy_silent(c)) {
		clumsy_cancel(c);
		clumsy_fail(c, 0);
	}
	if (c->abort_flies && c->now - c->abort_at >= T_ABORT) {
		c->abort_flies = 0;
		c->done |= AIBRIX_PD_DO_CANCEL_ABORT;
	}
	if (c->again && c->now - c->first_abort_at >= T_AGAIN) {
		c->again = 0;
		c->abort_flies = 1;
		c->abort_at = c->now;
		c->done |= AIBRIX_PD_DO_ABORT;
	}
}

/* One unit of time, with an event in it or TICK. */
static inline const char *
legs_unit(struct clumsy *c, aibrix_pd_legs *legs, aibrix_pd_orders *orders,
	  uint32_t event, uint32_t failure)
{
	uint32_t done = 0;

	c->done = 0;
	clumsy_event(c, event, failure);
	clumsy_look(c);
	if (event || orders->next_ns <= c->now) {
		if (aibrix_pd_legs_step(legs, event, failure, c->now, orders))
			return "a step";
		done = orders->actions;
	}
	if (orders->next_ns <= c->now)
		return "a time that is over";
	return done == c->done ? NULL : "what is to be done";
}

static inline const char *
pd_legs_program_run(struct choices choices, int fault)
{
	struct clumsy c = {.fault = fault, .prefill = 1};
	aibrix_pd_legs_opts opts = {.size = sizeof(opts),
				    .prefill_ns = T_PREFILL,
				    .abort_ns = T_ABORT,
				    .abort_again_ns = T_AGAIN,
				    .first_ns = T_FIRST,
				    .response_ns = T_WHOLE,
				    .idle_ns = T_IDLE};
	aibrix_pd_orders orders = {.size = sizeof(orders)};
	aibrix_pd_legs legs;
	const char *bad = NULL;

	c.together = draw(&choices, 2) != 0;
	c.stream = draw(&choices, 2) != 0;
	c.aborts = draw(&choices, 4) != 0;
	c.decode = c.together;
	opts.flags = (c.together ? AIBRIX_PD_LEGS_TOGETHER : 0u) |
		     (c.stream ? AIBRIX_PD_LEGS_STREAM : 0u) |
		     (c.aborts ? 0u : AIBRIX_PD_LEGS_NO_ABORT);
	if (aibrix_pd_legs_start(&opts, 0, &legs, &orders))
		return "no start";
	for (c.now = 1; !bad && c.now < END_OF_TIME; c.now++) {
		uint32_t event = draw(&choices, 24), failure = 0;

		event = event > AIBRIX_PD_EVENT_ABORTED || c.now > 60 ? 0
								      : event;
		if (event == AIBRIX_PD_EVENT_PREFILL_FAILED)
			failure = 1 + draw(&choices, 6);
		bad = legs_unit(&c, &legs, &orders, event, failure);
	}
	if (bad)
		return bad;
	return orders.over && orders.next_ns == AIBRIX_FOREVER
		       ? NULL
		       : "it is not over";
}

#endif
