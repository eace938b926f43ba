/* What the tests of the cache share: small caches, named blocks, and bytes
 * that tell which block they are. */
#ifndef TESTS_CACHE_TOOLS_H
#define TESTS_CACHE_TOOLS_H

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/cache.h>

#include "cache/cache_internal.h"

enum { BLOCK = 64, VALUE = FRAME_BYTES + BLOCK, CHAIN_MAX = 4096 };

/* Block i of chain c.  Chains below 10 share nothing. */
static inline aibrix_key
key_of(uint32_t c, uint32_t i)
{
	aibrix_key key = {{1}};

	memcpy(key.bytes + 4, &c, sizeof(c));
	memcpy(key.bytes + 8, &i, sizeof(i));
	return key;
}

static inline aibrix_key *
chain(uint32_t c)
{
	static aibrix_key keys[CHAIN_MAX];

	for (uint32_t i = 0; i < CHAIN_MAX; i++)
		keys[i] = key_of(c, i);
	return keys;
}

static inline uint8_t
byte_of(uint32_t c, uint64_t i)
{
	return (uint8_t)(c * 37 + i * 11 + 1);
}

static inline aibrix_cache *
new_cache(uint32_t blocks, aibrix_store *l2)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .l2 = l2};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static inline void
check(aibrix_cache *cache)
{
	const char *broken = aibrix__cache_check(cache);

	cr_assert_null(broken, "does not hold: %s", broken ? broken : "");
}

static inline aibrix_cache_stat
stat_of(aibrix_cache *cache)
{
	aibrix_cache_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_cache_stats(cache, &s), AIBRIX_OK);
	return s;
}

static inline aibrix_cache_view
view_of(aibrix_cache *cache, uint64_t lease, uint64_t i)
{
	aibrix_cache_view v = {.size = sizeof(v)};

	cr_assert_eq(aibrix_cache_block(cache, lease, i, &v), AIBRIX_OK);
	return v;
}

/* Reserve the first n blocks of a chain and fill them. */
static inline uint64_t
fill_blocks(aibrix_cache *cache, uint32_t c, uint64_t n, uint64_t *lease)
{
	uint64_t got = 0;
	int err =
		aibrix_cache_reserve(cache, chain(c), NULL, n, 1, lease, &got);

	if (err)
		return 0;
	for (uint64_t i = 0; i < got; i++) {
		aibrix_cache_view v = view_of(cache, *lease, i);

		if (v.data)
			memset(v.data, byte_of(c, i), BLOCK);
	}
	check(cache);
	return got;
}

/* The same, published; how many blocks of the chain are then in the cache. */
static inline uint64_t
put_blocks(aibrix_cache *cache, uint32_t c, uint64_t n)
{
	uint64_t lease = 0, got = fill_blocks(cache, c, n, &lease);

	if (got)
		cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	check(cache);
	return got;
}

/* Polls until something is given up: a disk may be busy, so the later ones
 * wait for it. */
enum { TURNS = 20000, TURNS_AT_ONCE = 1000, TURN_NS = 1000000 };

static inline uint64_t
turn_timeout(int turn)
{
	return turn < TURNS_AT_ONCE ? 0 : TURN_NS;
}

/* Until nothing is in flight. */
static inline void
settle_all(aibrix_cache *cache, uint64_t now)
{
	uint64_t busy = 1;

	for (int i = 0; busy && i < TURNS; i++)
		cr_assert_eq(
			aibrix_cache_poll(cache, now, turn_timeout(i), &busy),
			AIBRIX_OK);
	cr_assert_eq(busy, 0, "transfers end");
	check(cache);
}

/* Acquire n blocks and wait; how many were held.  Their bytes are right. */
static inline uint64_t
get_blocks(aibrix_cache *cache, uint32_t c, uint64_t n, uint64_t *lease)
{
	uint64_t got = 0, busy;
	int err = aibrix_cache_acquire(cache, chain(c), n, 0, 1, lease, &got);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	for (int i = 0; err == AIBRIX_E_AGAIN && i < TURNS; i++) {
		cr_assert_eq(
			aibrix_cache_poll(cache, 1, turn_timeout(i), &busy),
			AIBRIX_OK);
		check(cache);
		err = aibrix_cache_state(cache, *lease, &got);
	}
	cr_assert_eq(err, AIBRIX_OK, "a lease settles");
	for (uint64_t i = 0; i < got; i++) {
		const uint8_t *data = view_of(cache, *lease, i).data;

		for (int b = 0; b < BLOCK; b++)
			cr_assert_eq(data[b], byte_of(c, i));
	}
	check(cache);
	return got;
}

/* The same, released at once. */
static inline uint64_t
count_blocks(aibrix_cache *cache, uint32_t c, uint64_t n)
{
	uint64_t lease, got = get_blocks(cache, c, n, &lease);

	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	return got;
}

static inline aibrix_store *
new_store(uint32_t values)
{
	aibrix_store_opts o = {.size = sizeof(o),
			       .capacity_bytes = (uint64_t)values * VALUE,
			       .value_bytes = VALUE};
	aibrix_store *store = NULL;

	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	return store;
}

/* Chain c, n blocks, in the store and in no L1. */
static inline void
store_blocks(aibrix_store *store, uint32_t c, uint32_t n)
{
	aibrix_cache *cache = new_cache(n, store);

	cr_assert_eq(put_blocks(cache, c, n), n);
	settle_all(cache, 1);
	cr_assert_eq(stat_of(cache).l2_written, n);
	aibrix_cache_free(cache);
}

#endif
