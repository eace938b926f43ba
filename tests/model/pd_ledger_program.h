/*
 * A program of charges and their ends, run on a ledger and on a list of who
 * owes what: requests that are picked for or charged, prefilled, answered,
 * ended, forgotten, ended twice, in any order, under a clock that steps both
 * ways; pods that restart, and other gateways.
 *
 * pd_ledger_program_run returns NULL, or what differed.
 */
#ifndef MODEL_PD_LEDGER_PROGRAM_H
#define MODEL_PD_LEDGER_PROGRAM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/pd_ledger.h>

#include "choices.h"

enum { PODS = 8, PD_OPEN = 24, PD_STEPS = 400, PD_LEASE = 50, COST = 7 };

/* Planted in the model, never in the ledger. */
enum { PD_SOUND, PD_KV_STAYS, PD_TWICE, PD_NO_LEASE };

struct debt {
	uint64_t ticket, heard, prefill, decode, tokens, decode_tokens;
	int computes, holds, arrives, decodes; /* what is not given back */
	int open;
};

struct pd_play {
	struct choices choices;
	int fault;
	aibrix_pd_ledger *ledger;
	aibrix_pd_pod pods[PODS];
	aibrix_pd_stat stats[PODS];
	uint64_t ids[PODS];
	aibrix_pd_charge others[PODS];
	struct debt debts[PD_STEPS];
	uint32_t n;
	uint64_t now, latest; /* the clock, and the latest it showed */
};

static inline void
play_expire(struct pd_play *p)
{
	if (p->now > p->latest)
		p->latest = p->now;
	for (uint32_t i = 0; i < p->n && p->fault != PD_NO_LEASE; i++)
		if (p->latest - p->debts[i].heard > PD_LEASE)
			p->debts[i].open = 0;
}

static inline uint32_t
play_open(const struct pd_play *p)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < p->n; i++)
		open += p->debts[i].open != 0;
	return open;
}

static inline aibrix_pd_charge
play_owes(const struct pd_play *p, uint64_t pod)
{
	aibrix_pd_charge c = {0};

	for (uint32_t i = 0; i < p->n; i++) {
		const struct debt *d = &p->debts[i];

		if (!d->open)
			continue;
		if (d->prefill == pod && d->computes) {
			c.prefills++;
			c.tokens += d->tokens;
		}
		if (d->prefill == pod && d->holds)
			c.kv_tokens += d->tokens;
		if (d->decode == pod && d->arrives)
			c.arriving++;
		if (d->decode == pod && d->decodes) {
			c.decodes++;
			c.decode_tokens += d->decode_tokens;
		}
	}
	return c;
}

static inline void
play_note(struct pd_play *p, uint64_t ticket, uint64_t prefill, uint64_t decode,
	  uint64_t tokens, uint64_t decode_tokens)
{
	p->debts[p->n++] = (struct debt){.ticket = ticket,
					 .heard = p->latest,
					 .prefill = prefill,
					 .decode = decode,
					 .tokens = tokens + COST,
					 .decode_tokens = decode_tokens,
					 .computes = 1,
					 .holds = 1,
					 .arrives = 1,
					 .decodes = 1,
					 .open = 1};
}

static inline aibrix_pd_request
play_request(struct pd_play *p)
{
	aibrix_pd_request r = {.size = sizeof(r)};

	r.prompt_tokens = draw(&p->choices, 4) * 100;
	r.output_tokens = draw(&p->choices, 3) * 10;
	r.entropy = draw(&p->choices, 256);
	return r;
}

static inline const char *
play_charge(struct pd_play *p)
{
	aibrix_pd_request r = play_request(p);
	uint64_t a = p->ids[draw(&p->choices, PODS)];
	uint64_t b = p->ids[draw(&p->choices, PODS)], ticket = 0;
	double match = draw(&p->choices, 2) ? NAN : 50;
	int err = aibrix_pd_ledger_charge(p->ledger, a, b, &r, match, p->now,
					  &ticket);

	play_expire(p);
	if (play_open(p) == PD_OPEN)
		return err == AIBRIX_E_FULL ? NULL : "one too many";
	if (err || ticket == 0)
		return "no charge";
	play_note(p, ticket, a, b,
		  isnan(match) ? r.prompt_tokens : r.prompt_tokens / 2,
		  r.prompt_tokens + r.output_tokens);
	return NULL;
}

/* The prefill has the least tokens of its group that others and we know. */
static inline const char *
play_check_pick(const struct pd_play *p, const aibrix_pd_pick_result *r)
{
	aibrix_pd_charge mine = play_owes(p, p->ids[r->prefill]);
	double load = (double)(mine.tokens + p->others[r->prefill].tokens);

	if (r->gates)
		return NULL;
	for (uint32_t i = 0; i < PODS; i++) {
		aibrix_pd_charge c = play_owes(p, p->ids[i]);

		if (p->pods[i].role == AIBRIX_PD_PREFILL &&
		    p->pods[i].group == p->pods[r->prefill].group &&
		    (double)(c.tokens + p->others[i].tokens) < load)
			return "not the least loaded of its group";
	}
	return p->pods[r->prefill].group == p->pods[r->decode].group
		       ? NULL
		       : "a pair of two groups";
}

static inline const char *
play_pick(struct pd_play *p)
{
	aibrix_pd_opts o = {.size = sizeof(o),
			    .prefill_policy = AIBRIX_PD_POLICY_TOKEN_LOAD,
			    .decode_policy = AIBRIX_PD_POLICY_TOKEN_LOAD};
	aibrix_pd_view view = {p->pods, p->stats, p->ids, PODS, 0};
	aibrix_pd_request r = play_request(p);
	aibrix_pd_pick_result got = {.size = sizeof(got)};
	uint32_t prefill[PODS], decode[PODS];
	aibrix_pd_lists l = {prefill, decode, 0, 0};
	double scores[PODS];
	uint64_t ticket = 0;
	const char *bad;
	int err;

	for (uint32_t i = 0; i < PODS; i++)
		if (p->pods[i].role == AIBRIX_PD_PREFILL)
			prefill[l.n_prefill++] = i;
		else
			decode[l.n_decode++] = i;
	err = aibrix_pd_ledger_pick(p->ledger, &o, &view, &l, &r, p->now,
				    scores, &got, &ticket);
	play_expire(p);
	if (play_open(p) == PD_OPEN)
		return err == AIBRIX_E_FULL ? NULL : "one too many";
	if (err || ticket == 0)
		return "no pick";
	bad = play_check_pick(p, &got);
	play_note(p, ticket, p->ids[got.prefill], p->ids[got.decode],
		  r.prompt_tokens, r.prompt_tokens + r.output_tokens);
	return bad;
}

/* Of any request that ever was. */
static inline const char *
play_event(struct pd_play *p, uint32_t what)
{
	struct debt *d;
	int err, open;

	if (p->n == 0)
		return NULL;
	d = &p->debts[draw(&p->choices, p->n)];
	open = d->open;
	if (what != 0 && p->now > p->latest) /* settle is told no time */
		p->latest = p->now;
	d->heard = p->latest;
	switch (what) {
	case 0:
		err = aibrix_pd_ledger_settle(p->ledger, d->ticket);
		d->open = 0;
		break;
	case 1:
		err = aibrix_pd_ledger_prefilled(p->ledger, d->ticket, p->now);
		d->computes = p->fault == PD_TWICE && !d->computes;
		break;
	case 2:
		err = aibrix_pd_ledger_first_token(p->ledger, d->ticket,
						   p->now);
		d->computes = 0;
		d->holds = p->fault == PD_KV_STAYS && d->holds;
		d->arrives = 0;
		break;
	default: err = aibrix_pd_ledger_renew(p->ledger, d->ticket, p->now);
	}
	return err == (open ? AIBRIX_OK : AIBRIX_E_NOT_FOUND) ? NULL : "an end";
}

static inline const char *
play_expire_step(struct pd_play *p)
{
	uint32_t before = play_open(p);
	uint64_t n = 0;
	int err = aibrix_pd_ledger_expire(p->ledger, p->now, &n);

	play_expire(p);
	return !err && n == before - play_open(p) ? NULL : "leases";
}

static inline const char *
play_forget(struct pd_play *p)
{
	uint32_t at = draw(&p->choices, PODS);

	for (uint32_t i = 0; i < p->n; i++) {
		struct debt *d = &p->debts[i];

		if (d->prefill == p->ids[at])
			d->computes = d->holds = 0;
		if (d->decode == p->ids[at])
			d->arrives = d->decodes = 0;
	}
	p->others[at] = (aibrix_pd_charge){0};
	return aibrix_pd_ledger_forget(p->ledger, p->ids[at]) ? "forget" : NULL;
}

static inline const char *
play_others(struct pd_play *p)
{
	uint32_t at = draw(&p->choices, PODS);
	aibrix_pd_charge c = {.tokens = draw(&p->choices, 3) * 1000u};

	p->others[at] = c;
	return aibrix_pd_ledger_others(p->ledger, p->ids[at], &c) ? "others"
								  : NULL;
}

static inline const char *
play_compare(const struct pd_play *p)
{
	if (aibrix_pd_ledger_open(p->ledger) != play_open(p))
		return "what is open";
	for (uint32_t i = 0; i < PODS; i++) {
		aibrix_pd_charge owes = play_owes(p, p->ids[i]), got;

		if (aibrix_pd_ledger_read(p->ledger, p->ids[i], &got) ||
		    memcmp(&got, &owes, sizeof(got)) != 0)
			return "a charge";
	}
	return NULL;
}

static inline const char *
pd_play_step(struct pd_play *p)
{
	uint32_t what = draw(&p->choices, 24);

	p->now += draw(&p->choices, 4);
	if (draw(&p->choices, 40) == 0)
		p->now -= p->now < 30 ? p->now : 30;
	if (what < 5)
		return play_charge(p);
	if (what < 10)
		return play_pick(p);
	if (what < 21)
		return play_event(p, what % 4);
	if (what == 21)
		return play_expire_step(p);
	return what == 22 ? play_others(p) : play_forget(p);
}

static inline void
pd_play_open(struct pd_play *p)
{
	aibrix_pd_ledger_opts opts = {
		.size = sizeof(opts),
		.flags = AIBRIX_PD_LEDGER_REQUEST_TOKENS_SET |
			 AIBRIX_PD_LEDGER_KV_WEIGHT_SET,
		.max_open = PD_OPEN,
		.lease_ns = PD_LEASE,
		.request_tokens = COST};

	for (uint32_t i = 0; i < PODS; i++) {
		p->ids[i] = i * 1000;
		p->pods[i] = (aibrix_pd_pod){.group = i / 4,
					     .role = i % 2 ? AIBRIX_PD_PREFILL
							   : AIBRIX_PD_DECODE};
		p->stats[i] = (aibrix_pd_stat){.running = NAN,
					       .tokens_per_s = NAN,
					       .finished_per_s = NAN,
					       .kv_usage = NAN,
					       .match_percent = NAN};
	}
	if (aibrix_pd_ledger_new(&opts, &p->ledger))
		abort();
}

static inline const char *
pd_ledger_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct pd_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	pd_play_open(p);
	for (uint32_t i = 0; !bad && i < steps && i < PD_STEPS; i++) {
		bad = pd_play_step(p);
		if (!bad)
			bad = play_compare(p);
	}
	aibrix_pd_ledger_free(p->ledger);
	free(p);
	return bad;
}

#endif
