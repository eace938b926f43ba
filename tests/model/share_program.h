/*
 * Three gateways that charge, claim, restart and fall silent, and a network
 * that loses, repeats and reorders what they say; beside them, of each log,
 * what it had said by each number.  After every message a gateway has of
 * another exactly what that had said by the number which is known; and when
 * in the end the network is good, all have the same.
 *
 * share_program_run returns NULL, or what differed.
 */
#ifndef MODEL_SHARE_PROGRAM_H
#define MODEL_SHARE_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/share.h>

#include "choices.h"

enum {
	GATES = 3,
	COUNTS = 8, /* pods of two kinds */
	EPOCHS = 4,
	RECORDS = 80,
	FLIGHTS = 8,
	SHARE_LEASE = 100,
	SHARE_BYTES = 1 << 15
};

/* Planted in the model, never in the library. */
enum { SHARE_SOUND, SHARE_OWN_COUNTS, SHARE_NO_LEASE, SHARE_OLD_EPOCH_STAYS };

struct said {
	uint8_t values[COUNTS];
};

struct packet {
	uint8_t bytes[SHARE_BYTES];
	uint64_t n;
	uint32_t from, epoch;
};

struct gate {
	aibrix_share *share;
	aibrix_sync_log *log;
	uint32_t epoch;                    /* 1 and on */
	struct said said[EPOCHS][RECORDS]; /* by number; 0: nothing */
	struct said sums;                  /* what the callbacks told */
	/* of the others */
	int known[GATES];
	uint32_t epochs[GATES];
	struct said views[GATES];
	uint64_t heard[GATES], want[GATES];
};

struct share_play {
	struct choices choices;
	int fault;
	struct gate gates[GATES];
	struct packet packets[FLIGHTS];
	uint64_t now;
};

static inline aibrix_share_count
count_of(uint32_t at, uint8_t value)
{
	aibrix_share_count c = {.pod = 100 + at / 2,
				.rank = at / 4,
				.kind = at % 2 ? AIBRIX_SHARE_PD_LEDGER
					       : AIBRIX_SHARE_LEDGER};

	for (uint32_t i = 0; i < AIBRIX_SHARE_VALUES; i++)
		c.values[i] = (uint64_t)value * (i + 1);
	return c;
}

static inline void
sink_changed(void *ctx, const aibrix_share_count *sum)
{
	struct gate *g = ctx;
	uint32_t at = (uint32_t)(sum->pod - 100) * 2 +
		      (sum->kind == AIBRIX_SHARE_PD_LEDGER);

	g->sums.values[at] = (uint8_t)sum->values[0];
}

static inline void
sink_claim(void *ctx, const aibrix_share_claim_of *c)
{
	(void)ctx;
	for (uint64_t i = 0; i < c->n; i++)
		if (c->hashes[i] != c->pod * 1000 + i || c->rank != 3 ||
		    c->lease_ns != c->n)
			abort();
}

static inline void
gate_start(struct gate *g, uint32_t id)
{
	aibrix_sync_opts log = {.size = sizeof(log),
				.records = 24,
				.bytes = 1 << 14,
				.origin = id,
				.epoch = ++g->epoch};
	aibrix_share_opts share = {.size = sizeof(share),
				   .origin = id,
				   .max_origins = GATES,
				   .max_counts = GATES * COUNTS,
				   .lease_ns = SHARE_LEASE};

	aibrix_sync_log_free(g->log);
	aibrix_share_free(g->share);
	memset(g->known, 0, sizeof(g->known));
	memset(g->views, 0, sizeof(g->views));
	memset(&g->sums, 0, sizeof(g->sums));
	if (aibrix_sync_log_new(&log, &g->log) ||
	    aibrix_share_new(&share, &g->share))
		abort();
}

static inline struct said *
gate_now(struct gate *g)
{
	return &g->said[g->epoch - 1][aibrix_sync_log_next(g->log) - 1];
}

static inline const char *
share_put(struct share_play *p, struct gate *g)
{
	uint32_t at = draw(&p->choices, COUNTS);
	uint8_t value = (uint8_t)draw(&p->choices, 4);
	aibrix_share_count c = count_of(at, value);
	struct said *was = gate_now(g);
	uint64_t next = aibrix_sync_log_next(g->log);
	int same = was->values[at] == value;

	if (next == RECORDS)
		return NULL;
	if (aibrix_share_put(g->share, g->log, &c))
		return "no count";
	if (aibrix_sync_log_next(g->log) != next + !same)
		return same ? "a count twice" : "a count without a record";
	*gate_now(g) = *was;
	gate_now(g)->values[at] = value;
	return NULL;
}

static inline const char *
share_claim(struct share_play *p, struct gate *g)
{
	uint64_t hashes[20];
	aibrix_share_claim_of c = {
		.pod = draw(&p->choices, 9), .rank = 3, .hashes = hashes};
	struct said *was = gate_now(g);

	if (aibrix_sync_log_next(g->log) == RECORDS)
		return NULL;
	c.n = 1 + draw(&p->choices, 20);
	c.lease_ns = c.n;
	for (uint64_t i = 0; i < c.n; i++)
		hashes[i] = c.pod * 1000 + i;
	if (aibrix_share_claim(g->log, &c))
		return "no claim";
	*gate_now(g) = *was;
	return NULL;
}

static inline const char *
packet_state(struct gate *g, struct packet *k)
{
	uint8_t state[64 * COUNTS];
	uint64_t n;

	if (aibrix_share_save(g->share, state, sizeof(state), &n) ||
	    aibrix_sync_log_snapshot(g->log, state, n, k->bytes,
				     sizeof(k->bytes), &k->n))
		return "no snapshot";
	k->epoch = g->epoch;
	return NULL;
}

/* What lacks from a number on, or all. */
static inline const char *
packet_write(struct gate *g, struct packet *k, uint64_t from)
{
	uint64_t next;
	int err = aibrix_sync_log_write(g->log, from, k->bytes,
					sizeof(k->bytes), &k->n, &next);

	k->epoch = g->epoch;
	if (err)
		k->n = 0;
	return err == AIBRIX_E_NOT_FOUND || err == AIBRIX_E_INVAL
		       ? packet_state(g, k)
		       : NULL;
}

/* What the list says of a message that was taken. */
static inline void
model_note(struct share_play *p, struct gate *g, const struct packet *k,
	   const aibrix_share_news *news)
{
	uint32_t from = k->from;
	int has = news->what == AIBRIX_SYNC_RECORDS ||
		  news->what == AIBRIX_SYNC_STATE;

	g->want[from] = news->want;
	if (!g->known[from] && !has)
		return;
	if (!g->known[from])
		g->epochs[from] = k->epoch;
	g->known[from] = 1;
	g->heard[from] = p->now;
	if (k->epoch > g->epochs[from]) {
		if (p->fault != SHARE_OLD_EPOCH_STAYS)
			memset(&g->views[from], 0, sizeof(g->views[from]));
		g->epochs[from] = k->epoch;
	}
	if (has)
		g->views[from] =
			p->gates[from].said[k->epoch - 1][news->want - 1];
}

static inline const char *
share_deliver(struct share_play *p, struct gate *g, const struct packet *k)
{
	aibrix_share_sink sink = {.size = sizeof(sink),
				  .ctx = g,
				  .changed = sink_changed,
				  .claim = sink_claim};
	aibrix_share_news news = {.size = sizeof(news)};

	if (k->n == 0)
		return NULL;
	if (aibrix_share_take(g->share, k->bytes, k->n, p->now, &sink, &news))
		return "a message that is not taken";
	if (news.origin != k->from || news.dropped)
		return "another origin, or no room";
	if (g != &p->gates[k->from])
		model_note(p, g, k, &news);
	else if (news.what != AIBRIX_SYNC_NOTHING)
		return "its own";
	return NULL;
}

static inline const char *
share_lapse(struct share_play *p, struct gate *g)
{
	aibrix_share_sink sink = {
		.size = sizeof(sink), .ctx = g, .changed = sink_changed};
	uint32_t n, lapsed = 0;

	for (uint32_t o = 0; o < GATES; o++)
		if (g->known[o] && p->now - g->heard[o] > SHARE_LEASE) {
			lapsed++;
			g->known[o] = 0;
			if (p->fault != SHARE_NO_LEASE)
				memset(&g->views[o], 0, sizeof(g->views[o]));
		}
	if (aibrix_share_expire(g->share, p->now, &sink, &n) || n != lapsed)
		return "leases";
	return NULL;
}

static inline const char *
share_compare(struct share_play *p)
{
	for (uint32_t b = 0; b < GATES; b++)
		for (uint32_t at = 0; at < COUNTS; at++) {
			struct gate *g = &p->gates[b];
			aibrix_share_count c = count_of(at, 0);
			uint64_t sum = 0;

			for (uint32_t o = 0; o < GATES; o++)
				sum += g->views[o].values[at];
			if (p->fault == SHARE_OWN_COUNTS)
				sum += gate_now(g)->values[at];
			if (aibrix_share_sum(g->share, &c) ||
			    c.values[0] != sum || c.values[5] != 6 * sum)
				return "a sum";
			if (g->sums.values[at] != sum)
				return "a sum that was not told";
		}
	return NULL;
}

static inline const char *
share_step(struct share_play *p)
{
	uint32_t id = draw(&p->choices, GATES), what = draw(&p->choices, 32);
	struct packet *k = &p->packets[draw(&p->choices, FLIGHTS)];
	struct gate *g = &p->gates[id];

	p->now += draw(&p->choices, 4);
	if (what < 10)
		return share_put(p, g);
	if (what == 10)
		return share_claim(p, g);
	if (what < 18) {
		uint32_t to = draw(&p->choices, GATES);
		uint64_t from = p->gates[to].want[id];

		k->from = id;
		return packet_write(g, k, from ? from : 1);
	}
	if (what == 18) {
		k->from = id;
		return packet_state(g, k);
	}
	if (what == 19 && g->epoch < EPOCHS && draw(&p->choices, 4) == 0)
		gate_start(g, id);
	if (what == 20) {
		p->now += draw(&p->choices, 60);
		return share_lapse(p, g);
	}
	return share_deliver(p, g, k);
}

/* The network is good now: each tells each what it lacks. */
static inline const char *
share_settle(struct share_play *p)
{
	struct packet *k = &p->packets[0];

	for (uint32_t o = 0; o < GATES; o++)
		for (uint32_t b = 0; b < GATES; b++) {
			struct gate *g = &p->gates[b], *from = &p->gates[o];
			const char *bad = NULL;

			g->want[o] = 1;
			k->from = o;
			for (uint32_t i = 0; !bad && b != o && i < RECORDS;
			     i++) {
				bad = packet_write(from, k, g->want[o]);
				if (!bad)
					bad = share_deliver(p, g, k);
			}
			if (bad)
				return bad;
			if (b != o && memcmp(&g->views[o], gate_now(from),
					     sizeof(g->views[o])) != 0)
				return "they do not agree in the end";
		}
	return share_compare(p);
}

static inline const char *
share_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct share_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	for (uint32_t i = 0; i < GATES; i++)
		gate_start(&p->gates[i], i);
	for (uint32_t i = 0; !bad && i < steps; i++) {
		bad = share_step(p);
		if (!bad)
			bad = share_compare(p);
	}
	if (!bad)
		bad = share_settle(p);
	for (uint32_t i = 0; i < GATES; i++) {
		aibrix_sync_log_free(p->gates[i].log);
		aibrix_share_free(p->gates[i].share);
	}
	free(p);
	return bad;
}

#endif
