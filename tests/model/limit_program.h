/*
 * A program of admissions, settlements, cancellations and time, run on the
 * limits and on a list of every charge that there ever was.
 *
 * The list gives the bucket as it would be had every true cost been known at
 * once, by definition and in whole numbers: time times the rate.  Compared:
 *
 *   - while nothing was refunded but what came last: the same answer, and
 *     the same time to wait, exactly;
 *   - else: never fuller than the list's by more than a slot;
 *   - always: of each stretch of time not longer than a bucket takes to
 *     drain, what was let in cost at most the burst and what drains in it.
 *
 * limit_program_run returns NULL, or what differed.
 */
#ifndef MODEL_LIMIT_PROGRAM_H
#define MODEL_LIMIT_PROGRAM_H

#include <stdlib.h>

#include <aibrix/limit.h>

#include "choices.h"
#include "limit/limit_table.h"

enum { MODEL_USERS = 3, CHARGES = 400, MODEL_LANES = 2 };

/* Planted in the model, never in the limits. */
enum { NO_FAULT, FAULT_REFUNDS_ALL, FAULT_TIME_RUNS_BACK, FAULT_BURST_PLUS_1 };

struct model_charge {
	uint64_t at;
	uint64_t units[MODEL_LANES]; /* as known now */
	int extra; /* above an estimate: not let in by anybody */
};

struct model_user {
	struct model_charge charges[CHARGES];
	uint32_t n;
	uint64_t last;
	int inexact; /* something was refunded that others came after */
};

struct model_open {
	aibrix_limit_ticket ticket;
	uint32_t user, charge;
};

struct limit_play {
	struct choices choices;
	int fault;
	int refunds; /* the program may refund what others came after */
	uint64_t now;
	aibrix_limit_rate rate[MODEL_LANES];
	aibrix_limit *limit;
	struct model_user users[MODEL_USERS];
	struct model_open open[CHARGES];
	uint32_t n_open;
};

static inline uint64_t
play_now(const struct limit_play *p, const struct model_user *u)
{
	if (p->fault == FAULT_TIME_RUNS_BACK)
		return p->now;
	return u->last > p->now ? u->last : p->now;
}

/* When the bucket is empty, in 1 / units of a nanosecond. */
static inline uint64_t
model_due(const struct limit_play *p, const struct model_user *u, uint32_t lane)
{
	const aibrix_limit_rate *rate = &p->rate[lane];
	uint64_t due = 0;

	for (uint32_t i = 0; i < u->n; i++) {
		const struct model_charge *c = &u->charges[i];
		uint64_t at = c->at * rate->units;

		if (c->units[lane] == 0)
			continue;
		due = (due > at ? due : at) + c->units[lane] * rate->period_ns;
	}
	return due;
}

/* Rounded up, in nanoseconds; 0: units fit now. */
static inline uint64_t
model_wait(const struct limit_play *p, const struct model_user *u,
	   uint32_t lane, uint64_t units)
{
	const aibrix_limit_rate *rate = &p->rate[lane];
	uint64_t now = play_now(p, u) * rate->units;
	uint64_t burst = rate->burst + (p->fault == FAULT_BURST_PLUS_1);
	uint64_t due = model_due(p, u, lane), most;

	if (units > burst)
		return AIBRIX_FOREVER;
	due = (due > now ? due : now) + units * rate->period_ns;
	most = now + burst * rate->period_ns;
	return due > most ? (due - most + rate->units - 1) / rate->units : 0;
}

/* A slot's width, and what rounding up every charge may add. */
static inline uint64_t
model_slack(const struct limit_play *p, uint32_t lane)
{
	const aibrix_limit_rate *rate = &p->rate[lane];

	return rate->burst * rate->period_ns / rate->units / 4 + 2 * CHARGES;
}

/* Of each stretch that ends now and is not longer than a bucket's time. */
static inline const char *
model_stretches(const struct limit_play *p, const struct model_user *u,
		uint32_t lane)
{
	const aibrix_limit_rate *rate = &p->rate[lane];
	uint64_t sum = 0, burst = rate->burst * rate->period_ns;

	if (u->n == 0)
		return NULL;
	for (uint32_t i = u->n; i-- > 0;) {
		const struct model_charge *c = &u->charges[i];
		uint64_t drains = (u->last - c->at) * rate->units;

		if (drains > burst)
			break;
		if (!c->extra)
			sum += c->units[lane] * rate->period_ns;
		if (sum > burst + drains)
			return "more than a burst and what drains";
	}
	return NULL;
}

static inline const char *
play_verdict(const struct limit_play *p, const struct model_user *u,
	     const aibrix_limit_verdict *v, uint64_t tokens)
{
	const uint64_t wait[] = {model_wait(p, u, 0, 1),
				 model_wait(p, u, 1, tokens)};
	uint64_t most = wait[0] > wait[1] ? wait[0] : wait[1];
	uint64_t slack[] = {model_slack(p, 0), model_slack(p, 1)};
	uint64_t more = slack[0] > slack[1] ? slack[0] : slack[1];
	uint32_t reason = most == AIBRIX_FOREVER ? AIBRIX_LIMIT_TOO_LARGE
			  : wait[0]              ? AIBRIX_LIMIT_REQUESTS
			  : wait[1]              ? AIBRIX_LIMIT_TOKENS
						 : AIBRIX_LIMIT_ADMITTED;

	if (!u->inexact)
		return v->reason == reason && v->retry_ns == most
			       ? NULL
			       : "another verdict";
	if (most == AIBRIX_FOREVER || v->retry_ns == AIBRIX_FOREVER)
		return v->retry_ns == most ? NULL : "another forever";
	return v->retry_ns <= most + more ? NULL : "too long a wait";
}

static inline aibrix_limit_request
play_request(struct limit_play *p, uint8_t *name, uint64_t tokens)
{
	return (aibrix_limit_request){.size = sizeof(aibrix_limit_request),
				      .name = name,
				      .name_bytes = 1,
				      .requests = &p->rate[0],
				      .tokens = &p->rate[1],
				      .tokens_estimated = tokens};
}

static inline const char *
play_admit(struct limit_play *p, uint32_t user)
{
	uint64_t tokens = draw(&p->choices, (uint32_t)p->rate[1].burst + 2);
	aibrix_limit_verdict v = {.size = sizeof(v)}, peek = v;
	struct model_user *u = &p->users[user];
	struct model_open *o = &p->open[p->n_open];
	uint8_t name = (uint8_t)user;
	aibrix_limit_request r = play_request(p, &name, tokens);
	const char *bad;

	if (u->n == CHARGES || p->n_open == CHARGES)
		return NULL;
	if (aibrix_limit_peek(p->limit, &r, p->now, &peek) ||
	    aibrix_limit_admit(p->limit, &r, p->now, &v, &o->ticket))
		return "a status";
	if (peek.reason != v.reason || peek.retry_ns != v.retry_ns)
		return "a peek that says something else";
	bad = play_verdict(p, u, &v, tokens);
	if (bad || v.reason)
		return bad;
	u->last = play_now(p, u);
	u->charges[u->n] = (struct model_charge){u->last, {1, tokens}, 0};
	o->user = user;
	o->charge = u->n++;
	p->n_open++;
	bad = model_stretches(p, u, 0);
	return bad ? bad : model_stretches(p, u, 1);
}

static inline void
model_refund(struct limit_play *p, struct model_user *u, uint32_t charge,
	     uint32_t lane, uint64_t cost)
{
	uint64_t *units = &u->charges[charge].units[lane];

	if (*units != cost && charge + 1 < u->n)
		u->inexact = 1;
	/* As if it had been the last. */
	if (p->fault == FAULT_REFUNDS_ALL && charge + 1 < u->n) {
		uint64_t *last = &u->charges[u->n - 1].units[lane];
		uint64_t refund = *units - cost;

		*last -= refund < *last ? refund : *last;
		u->inexact = 0;
		return;
	}
	*units = cost;
}

static inline const char *
play_end(struct limit_play *p, uint32_t cancel)
{
	uint32_t which = draw(&p->choices, p->n_open);
	struct model_open *o = &p->open[which];
	struct model_user *u = &p->users[o->user];
	struct model_charge *c = &u->charges[o->charge];
	uint64_t tokens = c->units[1];
	int err;

	if (p->refunds || o->charge + 1 == u->n)
		tokens = draw(&p->choices, (uint32_t)p->rate[1].burst + 4);
	else
		cancel = 0;
	if (cancel) {
		err = aibrix_limit_cancel(p->limit, &o->ticket, p->now);
		model_refund(p, u, o->charge, 0, 0);
		model_refund(p, u, o->charge, 1, 0);
	} else {
		err = aibrix_limit_settle(p->limit, &o->ticket, tokens, p->now);
		if (tokens < c->units[1]) {
			model_refund(p, u, o->charge, 1, tokens);
		} else if (tokens > c->units[1] && u->n < CHARGES) {
			u->last = play_now(p, u);
			u->charges[u->n++] = (struct model_charge){
				u->last, {0, tokens - c->units[1]}, 1};
		} else if (tokens > c->units[1]) {
			return "full"; /* of the model: the program ends */
		}
	}
	if (err)
		return "an ending that fails";
	if (aibrix_limit_settle(p->limit, &o->ticket, 0, p->now) !=
	    AIBRIX_E_STATE)
		return "a second ending";
	*o = p->open[--p->n_open];
	return NULL;
}

static inline const char *
play_step(struct limit_play *p)
{
	uint32_t what = draw(&p->choices, 16);

	if (what < 7)
		return play_admit(p, draw(&p->choices, MODEL_USERS));
	if (what < 11 && p->n_open)
		return play_end(p, what == 7);
	if (what == 11) {
		uint32_t back = draw(&p->choices, 200);

		p->now -= back < p->now ? back : p->now;
	} else if (what > 11) {
		p->now += draw(&p->choices, what == 15 ? 2000 : 60);
	}
	return NULL;
}

static inline const char *
limit_program_run(struct choices choices, uint32_t steps, int fault)
{
	aibrix_limit_opts opts = {.size = sizeof(opts), .users = MODEL_USERS};
	struct limit_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	p->refunds = (int)draw(&p->choices, 2);
	/* Rates that divide, and that do not. */
	p->rate[0] = (aibrix_limit_rate){1 + draw(&p->choices, 9),
					 1 + draw(&p->choices, 200),
					 1 + draw(&p->choices, 12)};
	p->rate[1] = (aibrix_limit_rate){1 + draw(&p->choices, 99),
					 1 + draw(&p->choices, 250),
					 1 + draw(&p->choices, 90)};
	p->now = 1000;
	opts.seed = draw(&p->choices, 100);
	if (aibrix_limit_new(&opts, &p->limit))
		abort();
	for (uint32_t i = 0; !bad && i < steps; i++) {
		bad = play_step(p);
		if (!bad && aibrix__limit_check(p->limit))
			bad = "inconsistent";
	}
	if (bad && bad[0] == 'f' && bad[1] == 'u')
		bad = NULL;
	aibrix_limit_free(p->limit);
	free(p);
	return bad;
}

#endif
