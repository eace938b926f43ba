/*
 * Choices make a program for a cache over a store that fails at times.  An
 * index is told what the cache tells.  Whenever all has been taken, it says
 * of every prompt what lookup says, and was told of no child before its
 * parent and of no removal that was none.
 */
#ifndef TESTS_CACHE_EVENTS_PROGRAM_H
#define TESTS_CACHE_EVENTS_PROGRAM_H

#include <string.h>

#include <aibrix/cache.h>
#include <aibrix/index.h>

#include "cache/cache_internal.h"
#include "choices.h"
#include "store/store_faults.h"

enum {
	TELL_BLOCK = 48,
	TELL_CHAINS = 4,
	TELL_LENGTH = 8,
	TELL_LEASES = 6,
	TELL_FAULTS = 4,
	TELL_STEPS = 200,
	TELL_EQUAL = -1
};

struct tell_lease {
	uint64_t id; /* 0: none */
	int writing;
};

struct tell {
	struct choices from;
	aibrix_cache *cache;
	aibrix_store *store;
	aibrix_index *index;
	aibrix_index_reader *reader;
	struct tell_lease leases[TELL_LEASES];
	struct store_fault faults[TELL_FAULTS];
	uint64_t now, next;
	uint32_t lose; /* the event that the index is not told; NONE */
};

/* Chains 0 and 1 begin with the same three blocks. */
static void
tell_chain(uint32_t chain, aibrix_key *keys, uint64_t *hashes)
{
	uint32_t own;

	memset(keys, 0, TELL_LENGTH * sizeof(*keys));
	for (uint32_t i = 0; i < TELL_LENGTH; i++) {
		own = chain == 1 && i < 3 ? 0 : chain;
		keys[i].bytes[5] = 1;
		keys[i].bytes[15] = (uint8_t)(own * TELL_LENGTH + i);
		/* Contents come again behind other parents. */
		hashes[i] = 100 + (i + 3 * own) % 5;
	}
}

static uint64_t
tell_clock(void *ctx)
{
	struct tell *t = ctx;

	t->now += 1000;
	return t->now;
}

/* The index's answer to an event. */
static int
tell_one(struct tell *t, const aibrix_cache_event *e)
{
	uint64_t name = aibrix_hash_fold(e->key.bytes, sizeof(e->key.bytes), 0);
	uint64_t parent =
		aibrix_hash_fold(e->parent.bytes, sizeof(e->parent.bytes), 0);
	static const aibrix_key none;
	const aibrix_index_stored stored = {
		.size = sizeof(stored),
		.n = 1,
		.hashes = &e->hash,
		.names = &name,
		.parent = parent,
		.flags = memcmp(&e->parent, &none, sizeof(none))
				 ? AIBRIX_INDEX_HAS_PARENT
				 : 0,
		.tier = AIBRIX_TIER_HOST};

	if (e->seq != t->next++ || e->tier != AIBRIX_CACHE_L1 || e->spare)
		return AIBRIX_E_CORRUPT;
	if (e->seq == t->lose)
		return AIBRIX_OK;
	switch (e->type) {
	case AIBRIX_CACHE_STORED:
		return aibrix_index_apply_stored(t->index, 0, &stored);
	case AIBRIX_CACHE_REMOVED:
		return aibrix_index_apply_removed(t->index, 0, &name, 1,
						  AIBRIX_TIER_HOST, 0);
	default: return aibrix_index_apply_cleared(t->index, 0);
	}
}

/* Take at most max calls of cap events.  1: all was taken; -1: a fault. */
static int
tell_take(struct tell *t, uint32_t max, uint32_t cap)
{
	aibrix_cache_event events[8];
	uint32_t n;

	while (max--) {
		if (aibrix_cache_events(t->cache, events, cap, &n) || n > cap)
			return -1;
		for (uint32_t i = 0; i < n; i++)
			if (tell_one(t, &events[i]) && t->lose == NONE)
				return -1;
		if (n < cap)
			return 1;
	}
	return 0;
}

static int
tell_check(struct tell *t)
{
	aibrix_index_stat s = {.size = sizeof(s)};
	aibrix_key keys[TELL_LENGTH];
	uint64_t hashes[TELL_LENGTH];
	double blocks;

	for (uint32_t c = 0; c < TELL_CHAINS; c++) {
		tell_chain(c, keys, hashes);
		if (aibrix_index_match(t->reader, hashes, TELL_LENGTH, 0,
				       &blocks, 1) ||
		    (uint64_t)blocks !=
			    aibrix_cache_lookup(t->cache, keys, TELL_LENGTH))
			return 0;
	}
	if (t->lose != NONE)
		return 1;
	return !aibrix_index_stats(t->index, &s) && !s.unknown_parents &&
	       !s.unknown_removals && !s.duplicates && !s.twins;
}

static void
tell_flip(struct tell *t)
{
	uint32_t slot = draw(&t->from, t->cache->capacity);
	uint8_t *data;

	if (slot_state(&t->cache->slots[slot]) == SLOT_READY &&
	    !slot_pins(&t->cache->slots[slot])) {
		data = aibrix__l1_data(t->cache, slot);
		data[0] ^= 1;
	}
}

static void
tell_fault(struct tell *t)
{
	static const int32_t status[] = {AIBRIX_E_IO, AIBRIX_E_NOT_FOUND,
					 AIBRIX_E_FULL, AIBRIX_E_TIMEOUT};

	for (uint32_t i = 0; i < TELL_FAULTS; i++)
		t->faults[i] = (struct store_fault){
			.kind = draw(&t->from, 4) + 1,
			.op = draw(&t->from, 4),
			.at = draw(&t->from, 8),
			.arg = draw(&t->from, 5) + 1,
			.status = status[draw(&t->from, 4)]};
	aibrix__store_faults(t->store, t->faults, draw(&t->from, 5));
}

static int
tell_reserve(struct tell *t, struct tell_lease *l)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	aibrix_key keys[TELL_LENGTH];
	uint64_t hashes[TELL_LENGTH], got = 0;
	uint32_t n = draw(&t->from, TELL_LENGTH) + 1;
	int err;

	tell_chain(draw(&t->from, TELL_CHAINS), keys, hashes);
	err = aibrix_cache_reserve(t->cache, keys, hashes, n, t->now, &l->id,
				   &got);
	if (err) {
		l->id = 0;
		return err == AIBRIX_E_FULL;
	}
	l->writing = 1;
	for (uint64_t i = 0; i < got; i++) {
		if (aibrix_cache_block(t->cache, l->id, i, &v))
			return 0;
		if (v.data)
			memset(v.data, 7, TELL_BLOCK);
	}
	return 1;
}

static int
tell_acquire(struct tell *t, struct tell_lease *l)
{
	uint64_t hashes[TELL_LENGTH], got = 0;
	uint64_t deadline = draw(&t->from, 3) ? 0 : t->now + 3000;
	aibrix_key keys[TELL_LENGTH];
	int err;

	tell_chain(draw(&t->from, TELL_CHAINS), keys, hashes);
	err = aibrix_cache_acquire(t->cache, keys,
				   draw(&t->from, TELL_LENGTH) + 1, deadline,
				   t->now, &l->id, &got);
	if (err == AIBRIX_E_FULL)
		l->id = 0;
	l->writing = 0;
	return !err || err == AIBRIX_E_AGAIN || err == AIBRIX_E_FULL;
}

static int
tell_end(struct tell *t, struct tell_lease *l)
{
	int err;

	if (!l->writing)
		err = aibrix_cache_release(t->cache, l->id);
	else if (draw(&t->from, 4))
		err = aibrix_cache_commit(t->cache, l->id, t->now);
	else
		err = aibrix_cache_abort(t->cache, l->id);
	l->id = 0;
	return err == AIBRIX_OK;
}

/* Nobody waits for it. */
static int
tell_remove(struct tell *t)
{
	uint64_t hashes[TELL_LENGTH], id = 0;
	uint32_t from = draw(&t->from, TELL_LENGTH);
	aibrix_key keys[TELL_LENGTH];
	int err;

	if (!draw(&t->from, 8))
		return !aibrix_cache_clear(t->cache, t->now);
	tell_chain(draw(&t->from, TELL_CHAINS), keys, hashes);
	err = aibrix_cache_remove(
		t->cache, keys + from, draw(&t->from, TELL_LENGTH - from) + 1,
		draw(&t->from, 2) ? AIBRIX_CACHE_L1 : 0, 0, t->now, &id);
	if (err == AIBRIX_E_AGAIN)
		return !aibrix_cache_release(t->cache, id);
	return !err || err == AIBRIX_E_FULL;
}

static int
tell_step(struct tell *t)
{
	struct tell_lease *l = &t->leases[draw(&t->from, TELL_LEASES)];
	uint64_t busy;
	int all;

	switch (draw(&t->from, 11)) {
	case 0:
	case 1:
	case 2:
		if (l->id)
			return tell_end(t, l);
		return tell_reserve(t, l);
	case 3:
	case 4: return l->id ? tell_end(t, l) : tell_acquire(t, l);
	case 5: tell_flip(t); return 1;
	case 6:
		if (t->store && !draw(&t->from, 4))
			tell_fault(t);
		t->now += 1000;
		return !aibrix_cache_poll(t->cache, t->now, 0, &busy);
	case 7: return tell_take(t, 1, draw(&t->from, 3) + 1) >= 0;
	case 8:
		if (!draw(&t->from, 8))
			return !aibrix_cache_events_begin(t->cache);
		return 1;
	case 9: return tell_remove(t);
	default:
		all = tell_take(t, 1000, 1 + draw(&t->from, 8));
		return all > 0 && tell_check(t);
	}
}

static int
tell_open(struct tell *t)
{
	aibrix_store_opts store = {.size = sizeof(store),
				   .value_bytes = FRAME_BYTES + TELL_BLOCK,
				   .max_inflight = 6,
				   .timeout_ns = 50000,
				   .clock = tell_clock,
				   .clock_ctx = t};
	aibrix_cache_opts cache = {.size = sizeof(cache),
				   .block_bytes = TELL_BLOCK,
				   .max_leases = TELL_LEASES};
	const aibrix_index_opts index = {.size = sizeof(index),
					 .max_owners = 1};

	store.capacity_bytes = 20 * store.value_bytes;
	if (draw(&t->from, 2) && aibrix_store_open(&store, &t->store))
		return 0;
	cache.l2 = t->store;
	cache.evict = draw(&t->from, 2);
	cache.ingest = draw(&t->from, 3);
	cache.l1_bytes = (draw(&t->from, 14) + 1) * (uint64_t)TELL_BLOCK;
	cache.l2_inflight = draw(&t->from, 8) + 1;
	return !aibrix_cache_new(&cache, &t->cache) &&
	       !aibrix_cache_events_begin(t->cache) &&
	       !aibrix_index_new(&index, &t->index) &&
	       !aibrix_index_reader_new(t->index, &t->reader) &&
	       !aibrix_index_owner_add(t->index, 0);
}

/* TELL_EQUAL, or the step at which cache and index differ.  The index is not
 * told event lose. */
static int
tell_run(struct choices from, uint32_t lose)
{
	struct tell t = {.from = from, .now = 1, .lose = lose};
	int at = 0;

	if (tell_open(&t))
		for (at = 1; at <= TELL_STEPS; at++)
			if (!tell_step(&t) || aibrix__cache_check(t.cache))
				break;
	if (at > TELL_STEPS)
		at = tell_take(&t, 1000, 8) > 0 && tell_check(&t) ? TELL_EQUAL
								  : at;
	aibrix_index_reader_free(t.reader);
	aibrix_index_free(t.index);
	aibrix_cache_free(t.cache);
	aibrix_store_free(t.store);
	return at;
}

#endif
