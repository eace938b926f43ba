/*
 * What AIBrix's tests of its L1 ask (tests/test_l1cache.py at e3e10f9), of
 * ours: blocks of 16 tokens, 128 of them unless said, under every policy.
 *
 * One answer differs.  A second put of a key replaces the data there; here a
 * key names what it holds, so the second put has nothing to do.
 */

#include <criterion/criterion.h>

#include <string.h>

#include <aibrix/cache.h>
#include <aibrix/evict.h>
#include <aibrix/hash.h>

#include "golden_prompt.h"

enum { TOKENS = 16, BLOCKS = 128, BYTES = 128, LONGEST = 2048 };
enum { POLICIES = AIBRIX_EVICT_DENSITY + 1 };

struct l1 {
	aibrix_hash *hash;
	aibrix_cache *cache;
};

static void
l1_open(struct l1 *l1, uint32_t policy, uint64_t blocks)
{
	aibrix_hash_opts identity = {.size = sizeof(identity),
				     .block_tokens = TOKENS};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .evict = policy,
			       .block_bytes = BYTES,
			       .l1_bytes = blocks * BYTES};

	cr_assert_eq(aibrix_hash_new(&identity, &l1->hash), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_new(&o, &l1->cache), AIBRIX_OK);
}

static void
l1_close(struct l1 *l1)
{
	aibrix_cache_free(l1->cache);
	aibrix_hash_free(l1->hash);
}

static uint64_t
keys_of(const struct l1 *l1, const uint32_t *tokens, uint64_t n,
	aibrix_key *keys)
{
	return prompt_keys(l1->hash, tokens, n, keys, LONGEST / TOKENS);
}

/* Filled with bytes that follow from key and version; blocks written. */
static uint64_t
put(const struct l1 *l1, const aibrix_key *keys, uint64_t n, uint8_t version)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease, room, written = 0;

	cr_assert_eq(aibrix_cache_reserve(l1->cache, keys, NULL, n, 1, &lease,
					  &room),
		     AIBRIX_OK);
	for (uint64_t i = 0; i < room; i++) {
		cr_assert_eq(aibrix_cache_block(l1->cache, lease, i, &v),
			     AIBRIX_OK);
		if (!v.data)
			continue;
		memset(v.data, keys[i].bytes[0] + version, BYTES);
		written++;
	}
	cr_assert_eq(aibrix_cache_commit(l1->cache, lease, 1), AIBRIX_OK);
	return written;
}

/* Blocks that are there, each with the bytes that were put. */
static uint64_t
get(const struct l1 *l1, const aibrix_key *keys, uint64_t n)
{
	uint64_t exist = aibrix_cache_lookup(l1->cache, keys, n), lease, held;
	aibrix_cache_view v = {.size = sizeof(v)};

	cr_assert_eq(
		aibrix_cache_acquire(l1->cache, keys, n, 0, 1, &lease, &held),
		AIBRIX_OK);
	cr_assert_eq(held, exist);
	for (uint64_t i = 0; i < held; i++) {
		uint8_t want[BYTES];

		memset(want, keys[i].bytes[0], BYTES);
		cr_assert_eq(aibrix_cache_block(l1->cache, lease, i, &v),
			     AIBRIX_OK);
		cr_assert_arr_eq(v.data, want, BYTES);
	}
	cr_assert_eq(aibrix_cache_release(l1->cache, lease), AIBRIX_OK);
	return held;
}

static aibrix_cache_stat
stat_of(const struct l1 *l1)
{
	aibrix_cache_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_cache_stats(l1->cache, &s), AIBRIX_OK);
	return s;
}

Test(cache_golden, what_was_put_is_there)
{
	for (uint32_t policy = 0; policy < POLICIES; policy++) {
		uint32_t tokens[32];
		uint64_t state = policy;
		aibrix_key keys[LONGEST / TOKENS];
		struct l1 l1;

		l1_open(&l1, policy, BLOCKS);
		tokens_make(tokens, 32, &state);
		cr_expect_eq(keys_of(&l1, tokens, 32, keys), 2);
		cr_expect_eq(put(&l1, keys, 2, 0), 2);
		cr_expect_eq(get(&l1, keys, 2), 2);
		l1_close(&l1);
	}
}

Test(cache_golden, part_of_a_block_is_not_kept)
{
	uint32_t tokens[35];
	uint64_t state = 1;
	aibrix_key keys[LONGEST / TOKENS], first[LONGEST / TOKENS];
	struct l1 l1;

	l1_open(&l1, AIBRIX_EVICT_LRU, BLOCKS);
	tokens_make(tokens, 35, &state);
	cr_expect_eq(keys_of(&l1, tokens, 35, keys), 2);
	cr_expect_eq(put(&l1, keys, 2, 0), 2);
	cr_expect_eq(keys_of(&l1, tokens, 32, first), 2);
	cr_expect_eq(get(&l1, first, 2), 2);
	l1_close(&l1);
}

Test(cache_golden, a_prompt_goes_on_from_a_prefix)
{
	for (uint32_t policy = 0; policy < POLICIES; policy++) {
		uint32_t tokens[67];
		uint64_t state = policy;
		aibrix_key keys[LONGEST / TOKENS];
		struct l1 l1;

		l1_open(&l1, policy, BLOCKS);
		tokens_make(tokens, 67, &state);
		cr_expect_eq(keys_of(&l1, tokens, 67, keys), 4);
		cr_expect_eq(put(&l1, keys, 2, 0), 2);
		cr_expect_eq(put(&l1, keys, 4, 0), 2);
		cr_expect_eq(get(&l1, keys, 2), 2);
		cr_expect_eq(get(&l1, keys + 2, 2), 2);
		cr_expect_eq(get(&l1, keys, 4), 4);
		l1_close(&l1);
	}
}

Test(cache_golden, the_same_key_again_is_the_same_block)
{
	uint32_t tokens[32];
	uint64_t state = 1;
	aibrix_key keys[LONGEST / TOKENS];
	struct l1 l1;

	l1_open(&l1, AIBRIX_EVICT_S3FIFO, BLOCKS);
	tokens_make(tokens, 32, &state);
	cr_expect_eq(keys_of(&l1, tokens, 32, keys), 2);
	for (uint8_t i = 0; i < 10; i++)
		cr_expect_eq(put(&l1, keys, 2, i), i ? 0 : 2);
	cr_expect_eq(get(&l1, keys, 2), 2);
	cr_expect_eq(stat_of(&l1).l1_blocks, 2);
	l1_close(&l1);
}

Test(cache_golden, a_full_cache_takes_one_more)
{
	for (uint32_t policy = 0; policy < POLICIES; policy++) {
		uint64_t state = policy, blocks = 0, first = 0;
		aibrix_key keys[LONGEST / TOKENS];
		uint32_t tokens[32];
		struct l1 l1;

		l1_open(&l1, policy, BLOCKS);
		for (uint32_t i = 0; i < BLOCKS / 2 + 1; i++) {
			tokens_make(tokens, 32, &state);
			keys_of(&l1, tokens, 32, keys);
			blocks = stat_of(&l1).l1_blocks;
			cr_expect_eq(put(&l1, keys, 2, 0), 2);
			cr_expect_eq(get(&l1, keys, 2), 2);
			if (!first && stat_of(&l1).evicted)
				first = blocks;
		}
		cr_expect_eq(first, BLOCKS, "full at the first eviction");
		cr_expect_eq(stat_of(&l1).l1_blocks, BLOCKS);
		l1_close(&l1);
	}
}

enum { SEQUENCES = 500 };

/* A sequence begins with up to 10 blocks of an earlier one. */
static uint64_t
sequence_make(uint32_t (*tokens)[LONGEST], const uint64_t *lengths, uint32_t i,
	      uint64_t *state)
{
	uint64_t more = 16 + rand_below(state, 1009), shared = 0;

	if (i) {
		uint32_t from = rand_below(state, i);

		shared = rand_below(state, 11) * TOKENS;
		if (shared > lengths[from])
			shared = lengths[from];
		memcpy(tokens[i], tokens[from], shared * sizeof(uint32_t));
	}
	tokens_make(tokens[i] + shared, more, state);
	return shared + more;
}

Test(cache_golden, many_sequences_are_what_was_put)
{
	static uint32_t tokens[SEQUENCES][LONGEST];
	static uint64_t lengths[SEQUENCES];

	for (uint32_t policy = 0; policy < POLICIES; policy++) {
		uint64_t state = policy + 10, hits = 0, n;
		aibrix_key keys[LONGEST / TOKENS];
		struct l1 l1;

		l1_open(&l1, policy, 4096);
		for (uint32_t i = 0; i < SEQUENCES; i++) {
			uint32_t asked = rand_below(&state, i + 1);

			lengths[i] = sequence_make(tokens, lengths, i, &state);
			n = keys_of(&l1, tokens[i], lengths[i], keys);
			put(&l1, keys, n, 0);
			n = keys_of(&l1, tokens[asked], lengths[asked], keys);
			n = 1 + rand_below(&state, (uint32_t)n);
			hits += get(&l1, keys, n) > 0;
		}
		cr_expect_gt(hits, 250);
		l1_close(&l1);
	}
}
