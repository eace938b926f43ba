/*
 * A program of records, messages and a network that loses, repeats, reorders
 * and damages them, run on a log and its peer, and on a list of all records
 * with a mark at each that the peer has.
 *
 * sync_program_run returns NULL, or what differed.
 */
#ifndef MODEL_SYNC_PROGRAM_H
#define MODEL_SYNC_PROGRAM_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/sync.h>

#include "choices.h"

enum { ALL = 600, FLIGHT = 8, ORIGIN = 42, RING_BYTES = 1 << 14, RING = 12 };

/* Planted in the model, never in the log. */
enum { NO_FAULT, FAULT_TAKES_TWICE, FAULT_OLD_EPOCH_COUNTS, FAULT_SEES_NO_GAP };

struct flight {
	uint8_t bytes[RING_BYTES + 64];
	uint64_t n, epoch, first, count;
	int state;
};

struct sync_play {
	struct choices choices;
	int fault;
	uint64_t epoch;
	aibrix_sync_log *log;
	aibrix_sync_peer peer;
	uint32_t added; /* of this epoch */
	uint8_t keys[ALL];
	uint16_t values[ALL];        /* lengths */
	uint64_t known_epoch, known; /* has 1 .. known of known_epoch */
	struct flight flights[FLIGHT];
};

static inline void
play_start(struct sync_play *p)
{
	aibrix_sync_opts opts = {.size = sizeof(opts),
				 .records = RING,
				 .bytes = RING_BYTES,
				 .origin = ORIGIN,
				 .epoch = ++p->epoch};

	aibrix_sync_log_free(p->log);
	p->log = NULL;
	p->added = 0;
	if (aibrix_sync_log_new(&opts, &p->log))
		abort();
}

static inline uint8_t
value_byte(uint64_t epoch, uint64_t number, uint64_t i)
{
	return (uint8_t)(epoch * 31 + number * 7 + i);
}

static inline const char *
play_add(struct sync_play *p)
{
	uint8_t value[AIBRIX_SYNC_VALUE_MAX], key[AIBRIX_SYNC_KEY_MAX];
	uint32_t at = p->added;
	aibrix_sync_record r = {.kind = at, .key = key, .value = value};

	if (at + 1 == ALL)
		return NULL;
	p->keys[at] = (uint8_t)draw(&p->choices, 40);
	p->values[at] =
		(uint16_t)(draw(&p->choices, 8) * draw(&p->choices, 586));
	r.key_bytes = p->keys[at];
	r.value_bytes = p->values[at];
	memset(key, (int)at, r.key_bytes);
	for (uint64_t i = 0; i < r.value_bytes; i++)
		value[i] = value_byte(p->epoch, at + 1, i);
	if (aibrix_sync_log_add(p->log, &r))
		return "no record";
	p->added++;
	return aibrix_sync_log_next(p->log) == p->added + 1 ? NULL : "a number";
}

static inline const char *
play_write(struct sync_play *p, struct flight *f)
{
	uint64_t cap = 48 + draw(&p->choices, 17) * 1000u, next = 0;
	uint64_t from = draw(&p->choices, 2) ? p->known + 1
					     : draw(&p->choices, p->added + 2);
	int err;

	if (cap > sizeof(f->bytes))
		cap = sizeof(f->bytes);
	f->n = 0;
	err = aibrix_sync_log_write(p->log, from, f->bytes, cap, &f->n, &next);
	if (from > p->added + 1)
		return err == AIBRIX_E_INVAL ? NULL : "what is not yet";
	if (err == AIBRIX_E_NOT_FOUND && (from == 0 || p->added - from >= 3))
		return NULL;
	if (err == AIBRIX_E_SPACE && f->n > cap) {
		f->n = 0;
		return NULL;
	}
	if (err || f->n > cap || next < from || next > p->added + 1)
		return "no message";
	if (next == from && from <= p->added)
		return "an empty message";
	f->epoch = p->epoch;
	f->first = from;
	f->count = next - from;
	f->state = 0;
	return NULL;
}

static inline const char *
play_snapshot(struct sync_play *p, struct flight *f)
{
	uint64_t state = p->added;

	f->epoch = p->epoch;
	f->first = p->added + 1;
	f->count = 0;
	f->state = 1;
	return aibrix_sync_log_snapshot(p->log, &state, sizeof(state), f->bytes,
					sizeof(f->bytes), &f->n)
		       ? "no snapshot"
		       : NULL;
}

static inline const char *
records_compare(const struct sync_play *p, aibrix_sync_news *news,
		uint64_t epoch, uint64_t first)
{
	aibrix_sync_record r;

	for (uint64_t number = first; news->records; number++) {
		if (aibrix_sync_next(news, &r) || r.spare)
			return "no next record";
		if (r.kind != number - 1)
			return "another record";
		/* Of earlier epochs the list is gone. */
		if (epoch == p->epoch &&
		    (r.key_bytes != p->keys[number - 1] ||
		     r.value_bytes != p->values[number - 1]))
			return "another length";
		for (uint64_t i = 0; i < r.value_bytes; i++)
			if (((const uint8_t *)r.value)[i] !=
			    value_byte(epoch, number, i))
				return "another value";
	}
	return aibrix_sync_next(news, &r) == AIBRIX_E_NOT_FOUND
		       ? NULL
		       : "one record too many";
}

/* What the list says of a message; also marks what it brings. */
static inline uint32_t
model_take(struct sync_play *p, const struct flight *f, uint64_t *records)
{
	int fresh = f->epoch > p->known_epoch;
	uint64_t last = f->first + f->count - 1;

	*records = 0;
	if (f->epoch < p->known_epoch && p->fault != FAULT_OLD_EPOCH_COUNTS)
		return AIBRIX_SYNC_NOTHING;
	if (fresh) {
		p->known_epoch = f->epoch;
		p->known = 0;
	}
	if (f->state && (fresh || last > p->known)) {
		p->known = last;
		return AIBRIX_SYNC_STATE;
	}
	if (f->state)
		return AIBRIX_SYNC_NOTHING;
	if (f->first > p->known + 1 && p->fault != FAULT_SEES_NO_GAP)
		return AIBRIX_SYNC_GAP;
	if (p->fault == FAULT_TAKES_TWICE && f->count) {
		*records = f->count;
	} else if (last > p->known) {
		*records = last - p->known;
	} else {
		return AIBRIX_SYNC_NOTHING;
	}
	p->known = last > p->known ? last : p->known;
	return AIBRIX_SYNC_RECORDS;
}

static inline const char *
play_deliver(struct sync_play *p, const struct flight *f)
{
	aibrix_sync_news news = {.size = sizeof(news)};
	uint8_t *own = malloc(f->n);
	uint64_t records, had = p->known_epoch == f->epoch ? p->known : 0;
	uint64_t state;
	uint32_t what;
	const char *bad = NULL;

	if (!own)
		abort();
	memcpy(own, f->bytes, f->n);
	if (aibrix_sync_read(&p->peer, own, f->n, &news)) {
		free(own);
		return "a message that cannot be read";
	}
	what = model_take(p, f, &records);
	if (news.what != what || news.records != records ||
	    news.want != p->known + 1)
		bad = "another kind of news";
	else if (what == AIBRIX_SYNC_RECORDS)
		bad = records_compare(p, &news, f->epoch, had + 1);
	else if (what == AIBRIX_SYNC_STATE &&
		 (news.bytes != sizeof(state) ||
		  memcpy(&state, news.at, sizeof(state)) != &state ||
		  state != p->known))
		bad = "another state";
	free(own);
	return bad;
}

/* A bit is flipped, or the end is lost: nothing happens. */
static inline const char *
play_damage(struct sync_play *p, const struct flight *f)
{
	aibrix_sync_news news = {.size = sizeof(news), .want = 77};
	aibrix_sync_peer before = p->peer;
	uint64_t n = f->n, at = draw(&p->choices, 256) * n / 256;
	uint8_t *own = malloc(n);
	int err;

	if (!own)
		abort();
	memcpy(own, f->bytes, n);
	if (draw(&p->choices, 2))
		n = at;
	else
		own[at] ^= 1 << draw(&p->choices, 8);
	err = aibrix_sync_read(&p->peer, own, n, &news);
	free(own);
	if (err != AIBRIX_E_PARSE || news.want != 77 ||
	    memcmp(&before, &p->peer, sizeof(before)) != 0)
		return "damage that was not seen";
	return NULL;
}

static inline const char *
play_step(struct sync_play *p)
{
	struct flight *f = &p->flights[draw(&p->choices, FLIGHT)];
	uint32_t what = draw(&p->choices, 32);

	if (what < 12)
		return play_add(p);
	if (what < 20)
		return play_write(p, f);
	if (what == 20)
		return play_snapshot(p, f);
	if (what == 21 && p->added > 20)
		play_start(p);
	if (f->n && what < 30)
		return play_deliver(p, f);
	return f->n ? play_damage(p, f) : NULL;
}

static inline const char *
sync_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct sync_play *p = calloc(1, sizeof(*p));
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	p->peer.origin = ORIGIN;
	play_start(p);
	for (uint32_t i = 0; !bad && i < steps; i++)
		bad = play_step(p);
	aibrix_sync_log_free(p->log);
	free(p);
	return bad;
}

#endif
