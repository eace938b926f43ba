/*
 * What AIBrix's tests of its L2 ask (tests/test_l2cache.py at e3e10f9), of
 * ours: blocks of 16 tokens; one cache writes, others, with nothing in their
 * own memory, read.
 *
 * Answers that differ: a second put of a key replaces the value there, and
 * here the first stays, since a key names what it holds.  A missing block
 * inside a batch ends the prefix here whatever the batch; there the blocks
 * behind it are counted too (L2Cache._mget_impl).
 */

#include <criterion/criterion.h>

#include <string.h>

#include <aibrix/cache.h>
#include <aibrix/hash.h>

#include "golden_prompt.h"
#include "store/store_faults.h"

enum { TOKENS = 16, BYTES = 128, LONGEST = 2048, VALUES = 20000 };
enum { MAX_BLOCKS = LONGEST / TOKENS };

struct l2 {
	aibrix_hash *hash;
	aibrix_store *store;
};

static void
l2_open(struct l2 *l2)
{
	aibrix_hash_opts identity = {.size = sizeof(identity),
				     .block_tokens = TOKENS};
	uint64_t value = BYTES + AIBRIX_CACHE_FRAME_BYTES;
	aibrix_store_opts o = {.size = sizeof(o),
			       .value_bytes = value,
			       .capacity_bytes = VALUES * value};

	cr_assert_eq(aibrix_hash_new(&identity, &l2->hash), AIBRIX_OK);
	cr_assert_eq(aibrix_store_open(&o, &l2->store), AIBRIX_OK);
}

static void
l2_close(struct l2 *l2)
{
	aibrix_store_free(l2->store);
	aibrix_hash_free(l2->hash);
}

static uint64_t
keys_of(const struct l2 *l2, const uint32_t *tokens, uint64_t n,
	aibrix_key *keys)
{
	return prompt_keys(l2->hash, tokens, n, keys, MAX_BLOCKS);
}

static aibrix_cache *
cache_of(const struct l2 *l2, uint32_t batch)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BYTES,
			       .l1_bytes = (uint64_t)MAX_BLOCKS * BYTES,
			       .l2 = l2->store,
			       .l2_inflight = batch};
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static void
settle(aibrix_cache *cache)
{
	uint64_t busy = 1;

	for (int i = 0; busy && i < 100000; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(busy, 0);
}

/* Bytes that follow from key and version. */
static void
put(const struct l2 *l2, const aibrix_key *keys, uint64_t n, uint8_t version)
{
	aibrix_cache *cache = cache_of(l2, 0);
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease, room;

	cr_assert_eq(
		aibrix_cache_reserve(cache, keys, NULL, n, 1, &lease, &room),
		AIBRIX_OK);
	cr_assert_eq(room, n);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_cache_block(cache, lease, i, &v),
			     AIBRIX_OK);
		memset(v.data, keys[i].bytes[0] + version, BYTES);
	}
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle(cache);
	aibrix_cache_free(cache);
}

/* Blocks that come from L2, each with the bytes that were put. */
static uint64_t
get_in_batches(const struct l2 *l2, const aibrix_key *keys, uint64_t n,
	       uint32_t batch)
{
	aibrix_cache *cache = cache_of(l2, batch);
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease, held = 0;
	int status = aibrix_cache_acquire(cache, keys, n, 0, 1, &lease, &held);

	if (status == AIBRIX_E_AGAIN) {
		settle(cache);
		status = aibrix_cache_state(cache, lease, &held);
	}
	cr_assert_eq(status, AIBRIX_OK);
	for (uint64_t i = 0; i < held; i++) {
		uint8_t want[BYTES];

		memset(want, keys[i].bytes[0], BYTES);
		cr_assert_eq(aibrix_cache_block(cache, lease, i, &v),
			     AIBRIX_OK);
		cr_assert_eq(v.tier, AIBRIX_CACHE_L2);
		cr_assert_arr_eq(v.data, want, BYTES);
	}
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	aibrix_cache_free(cache);
	return held;
}

static uint64_t
get(const struct l2 *l2, const aibrix_key *keys, uint64_t n)
{
	return get_in_batches(l2, keys, n, 0);
}

static aibrix_done
ask(const struct l2 *l2, uint32_t op, const aibrix_key *key)
{
	aibrix_io io = {
		.key = key->bytes, .key_bytes = sizeof(key->bytes), .op = op};
	aibrix_done done;
	uint32_t n;

	cr_assert_eq(aibrix_store_submit(l2->store, &io, 1, 1, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_store_poll(l2->store, &done, 1, 1, 0, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1);
	return done;
}

/* How many leading values the store has. */
static uint64_t
exist(const struct l2 *l2, const aibrix_key *keys, uint64_t n)
{
	uint64_t i = 0;

	while (i < n && ask(l2, AIBRIX_STORE_PROBE, &keys[i]).status == 0)
		i++;
	return i;
}

Test(cache_l2_golden, what_was_put_is_there)
{
	uint32_t tokens[32];
	aibrix_key keys[2];
	uint64_t state = 1;
	struct l2 l2;

	l2_open(&l2);
	tokens_make(tokens, 32, &state);
	cr_assert_eq(keys_of(&l2, tokens, 32, keys), 2);
	put(&l2, keys, 2, 0);
	cr_expect_eq(get(&l2, keys, 2), 2);
	cr_expect_eq(exist(&l2, keys, 2), 2);
	l2_close(&l2);
}

Test(cache_l2_golden, a_prompt_goes_on_from_a_prefix)
{
	uint32_t tokens[64];
	aibrix_key keys[4];
	uint64_t state = 2;
	struct l2 l2;

	l2_open(&l2);
	tokens_make(tokens, 64, &state);
	cr_assert_eq(keys_of(&l2, tokens, 64, keys), 4);
	put(&l2, keys, 2, 0);
	put(&l2, keys + 2, 2, 0);
	cr_expect_eq(get(&l2, keys, 2), 2);
	cr_expect_eq(get(&l2, keys + 2, 2), 2);
	cr_expect_eq(get(&l2, keys, 4), 4);
	l2_close(&l2);
}

Test(cache_l2_golden, of_ten_puts_the_first_stays)
{
	uint32_t tokens[32];
	aibrix_key keys[2];
	uint64_t state = 3;
	struct l2 l2;

	l2_open(&l2);
	tokens_make(tokens, 32, &state);
	cr_assert_eq(keys_of(&l2, tokens, 32, keys), 2);
	for (uint8_t version = 0; version < 10; version++)
		put(&l2, keys, 2, version);
	cr_expect_eq(get(&l2, keys, 2), 2);
	l2_close(&l2);
}

Test(cache_l2_golden, what_is_deleted_ends_the_prefix)
{
	uint32_t tokens[32];
	aibrix_key keys[2];
	uint64_t state = 4;
	struct l2 l2;

	l2_open(&l2);
	tokens_make(tokens, 32, &state);
	cr_assert_eq(keys_of(&l2, tokens, 32, keys), 2);
	put(&l2, keys, 2, 0);
	cr_assert_eq(ask(&l2, AIBRIX_STORE_DELETE, &keys[1]).status, AIBRIX_OK);
	cr_expect_eq(get(&l2, keys, 2), 1);
	cr_expect_eq(get(&l2, keys + 1, 1), 0);
	l2_close(&l2);
}

Test(cache_l2_golden, many_sequences_are_what_was_put)
{
	static uint32_t tokens[LONGEST];
	static aibrix_key keys[MAX_BLOCKS];
	uint64_t state = 5, hits = 0;
	struct l2 l2;

	l2_open(&l2);
	for (int i = 0; i < 200; i++) {
		uint64_t n = TOKENS * (1 + rand_below(&state, MAX_BLOCKS));
		uint64_t blocks, found;

		tokens_make(tokens, n, &state);
		blocks = keys_of(&l2, tokens, n, keys);
		put(&l2, keys, blocks, 0);
		found = exist(&l2, keys, blocks);
		cr_assert_eq(get(&l2, keys, blocks), found);
		hits += found > 0;
	}
	cr_expect_gt(hits, 50);
	l2_close(&l2);
}

Test(cache_l2_golden, a_hole_in_a_batch_ends_the_prefix)
{
	uint32_t tokens[64];
	aibrix_key keys[4];
	uint64_t state = 6;
	struct l2 l2;

	l2_open(&l2);
	tokens_make(tokens, 64, &state);
	cr_assert_eq(keys_of(&l2, tokens, 64, keys), 4);
	put(&l2, keys, 4, 0);
	cr_assert_eq(ask(&l2, AIBRIX_STORE_DELETE, &keys[1]).status, AIBRIX_OK);
	cr_expect_eq(get_in_batches(&l2, keys, 4, 4), 1);
	cr_expect_eq(get_in_batches(&l2, keys, 4, 2), 1);
	l2_close(&l2);
}

Test(cache_l2_golden, a_get_past_its_deadline_writes_nowhere)
{
	struct store_fault slow = {
		.kind = FAULT_DELAY, .op = AIBRIX_STORE_GET, .arg = 8};
	uint64_t state = 7, lease, held = 9, busy, room;
	aibrix_cache_view v = {.size = sizeof(v)};
	uint32_t tokens[16 * TOKENS];
	aibrix_key keys[16];
	aibrix_cache *cache;
	struct l2 l2;

	l2_open(&l2);
	tokens_make(tokens, 16 * TOKENS, &state);
	cr_assert_eq(keys_of(&l2, tokens, 16 * TOKENS, keys), 16);
	put(&l2, keys, 1, 0);
	cache = cache_of(&l2, 0);
	aibrix__store_faults(l2.store, &slow, 1);
	cr_assert_eq(aibrix_cache_acquire(cache, keys, 1, 10, 1, &lease, &held),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 2, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_poll(cache, 11, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_state(cache, lease, &held), AIBRIX_OK);
	cr_expect_eq(held, 0);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);

	/* The memory is given to others while the value is on its way. */
	cr_assert_eq(aibrix_cache_reserve(cache, keys + 1, NULL, 15, 12, &lease,
					  &room),
		     AIBRIX_OK);
	for (uint64_t i = 0; i < room; i++) {
		cr_assert_eq(aibrix_cache_block(cache, lease, i, &v),
			     AIBRIX_OK);
		memset(v.data, 0x77, BYTES);
	}
	for (int i = 0; i < 20; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 13, 0, &busy), AIBRIX_OK);
	for (uint64_t i = 0; i < room; i++) {
		uint8_t want[BYTES];

		memset(want, 0x77, BYTES);
		cr_assert_eq(aibrix_cache_block(cache, lease, i, &v),
			     AIBRIX_OK);
		cr_expect_arr_eq(v.data, want, BYTES);
	}
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	aibrix_cache_free(cache);
	l2_close(&l2);
}
