/*
 * AIBrix's extended values, through the cache: what it writes, byte for byte,
 * and what it makes of values that others have written.
 */
#include "cache_quota_tools.h"
#include "failing.h"
#include "store/store_faults.h"

enum { TOKENS = 16, MOST = 6 * TOKENS, ROOM = 64 + 12 + 4 * MOST + 4 };

static uint32_t prompt[MOST];

static aibrix_store *
trailer_store(void)
{
	aibrix_store_opts o = {.size = sizeof(o),
			       .capacity_bytes = 64 * 4096,
			       .value_bytes = ROOM};
	aibrix_store *store;

	for (uint32_t i = 0; i < MOST; i++)
		prompt[i] = 0x01020300 + i;
	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	return store;
}

static aibrix_cache_opts
trailer_opts(aibrix_store *store)
{
	return (aibrix_cache_opts){.size = sizeof(aibrix_cache_opts),
				   .block_bytes = BLOCK,
				   .l1_bytes = 8 * ROOM,
				   .l2 = store,
				   .flags = AIBRIX_CACHE_L2_RAW,
				   .trailer_tokens = MOST};
}

static aibrix_cache *
trailer_cache(aibrix_store *store)
{
	aibrix_cache_opts o = trailer_opts(store);
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

/* Keys of AIBrix's ROLLING_HASH. */
static aibrix_key *
prompt_keys(void)
{
	static aibrix_key keys[MOST / TOKENS];
	aibrix_hash_opts o = {.size = sizeof(o),
			      .algorithm = AIBRIX_KEY_CITY128};
	aibrix_prompt p = {
		.size = sizeof(p), .tokens = prompt, .n_tokens = MOST};
	aibrix_hash *hash;
	uint64_t n;

	cr_assert_eq(aibrix_hash_new(&o, &hash), AIBRIX_OK);
	cr_assert_eq(
		aibrix_hash_blocks(hash, &p, 0, NULL, keys, MOST / TOKENS, &n),
		AIBRIX_OK);
	aibrix_hash_free(hash);
	return keys;
}

/* Blocks [first, first + n) of the prompt. */
static void
put(aibrix_cache *cache, uint64_t first, uint64_t n)
{
	uint64_t lease, room;

	cr_assert_eq(aibrix_cache_reserve_tokens(
			     cache, prompt_keys() + first, NULL, n, prompt,
			     (first + n) * TOKENS, 1, &lease, &room),
		     AIBRIX_OK);
	cr_assert_eq(room, n);
	for (uint64_t i = 0; i < n; i++) {
		aibrix_cache_view v = view_of(cache, lease, i);

		cr_assert_eq(v.bytes, BLOCK);
		if (v.data)
			memset(v.data, byte_of(1, first + i), BLOCK);
	}
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle_all(cache, 1);
}

/* How many of the blocks [first, first + n) come, with these tokens. */
static uint64_t
get(aibrix_cache *cache, const uint32_t *tokens, uint64_t first, uint64_t n)
{
	uint64_t lease, got, busy;
	int err = aibrix_cache_acquire_tokens(cache, prompt_keys() + first, n,
					      tokens, (first + n) * TOKENS, 0,
					      1, &lease, &got);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	for (int i = 0; err == AIBRIX_E_AGAIN && i < TURNS; i++) {
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
		check(cache);
		err = aibrix_cache_state(cache, lease, &got);
	}
	cr_assert_eq(err, AIBRIX_OK);
	for (uint64_t i = 0; i < got; i++) {
		const uint8_t *data = view_of(cache, lease, i).data;

		for (int b = 0; b < BLOCK; b++)
			cr_assert_eq(data[b], byte_of(1, first + i));
	}
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	return got;
}

/* By a cache that has nothing in memory. */
static uint64_t
get_anew(aibrix_store *store, const uint32_t *tokens, uint64_t first,
	 uint64_t n)
{
	aibrix_cache *cache = trailer_cache(store);
	uint64_t got = get(cache, tokens, first, n);

	cr_expect_eq(stat_of(cache).corrupt_l2, 0);
	aibrix_cache_free(cache);
	return got;
}

static uint64_t
value_do(aibrix_store *store, uint32_t op, uint64_t block, uint8_t *value,
	 uint64_t bytes)
{
	aibrix_iov iov = {value, bytes};
	aibrix_io io = {.key = prompt_keys()[block].bytes,
			.key_bytes = sizeof(aibrix_key),
			.op = op};
	aibrix_done done;
	uint32_t n;

	if (bytes) {
		io.iov = &iov;
		io.n_iov = 1;
	}
	cr_assert_eq(aibrix_store_submit(store, &io, 1, 1, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 1, 0, &n), AIBRIX_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(done.status, AIBRIX_OK);
	return done.bytes;
}

static void
value_replace(aibrix_store *store, uint64_t block, uint8_t *value,
	      uint64_t bytes)
{
	value_do(store, AIBRIX_STORE_DELETE, block, NULL, 0);
	value_do(store, AIBRIX_STORE_PUT, block, value, bytes);
}

/* Block, 3A7F1C42, 16 tokens before, 16 of its own, the tokens, padding. */
static uint64_t
golden(uint8_t out[ROOM], uint32_t block, uint8_t padding)
{
	static const uint8_t magic[4] = {0x42, 0x1c, 0x7f, 0x3a};
	uint32_t tokens = (block + 1) * TOKENS;
	uint64_t bytes = BLOCK + 12 + 4 * tokens + 4;
	uint8_t *at = out + BLOCK;

	memset(out, padding, bytes);
	memset(out, byte_of(1, block), BLOCK);
	memcpy(at, magic, 4);
	memset(at + 4, 0, 8);
	at[4] = (uint8_t)(block * TOKENS);
	at[8] = TOKENS;
	at += 12;
	for (uint32_t i = 0; i < tokens; i++) {
		const uint8_t token[4] = {(uint8_t)i, 3, 2, 1};

		memcpy(at, token, sizeof(token));
		at += sizeof(token);
	}
	return bytes;
}

Test(cache_trailer, what_is_written_is_what_aibrix_writes)
{
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store);
	uint8_t value[ROOM], want[ROOM];

	put(cache, 0, 4);
	put(cache, 4, 2);
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t bytes = value_do(store, AIBRIX_STORE_GET, i, value,
					  sizeof(value));

		cr_assert_eq(bytes, golden(want, i, 0));
		cr_assert_arr_eq(value, want, bytes);
	}
	cr_expect_eq(value_do(store, AIBRIX_STORE_PROBE, 0, NULL, 0), 144);
	cr_expect_eq(value_do(store, AIBRIX_STORE_PROBE, 5, NULL, 0), 464);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* With a prefix, which AIBrix's own reader takes for something else, and
 * padding that it does not clear. */
Test(cache_trailer, what_aibrix_has_written_is_read)
{
	aibrix_store *store = trailer_store();
	uint8_t value[ROOM];

	for (uint32_t i = 0; i < 6; i++)
		value_do(store, AIBRIX_STORE_PUT, i, value,
			 golden(value, i, 0xa5));
	cr_expect_eq(get_anew(store, prompt, 0, 6), 6);
	cr_expect_eq(get_anew(store, prompt, 2, 4), 4,
		     "behind what the engine has itself");
	aibrix_store_free(store);
}

/* CityHash128 is no proof that two prompts are one. */
Test(cache_trailer, another_prompt_under_the_same_key_is_a_miss)
{
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store);
	uint32_t other[MOST];

	put(cache, 0, 6);
	aibrix_cache_free(cache);
	for (uint32_t i = 0; i < MOST; i += 5) {
		memcpy(other, prompt, sizeof(other));
		other[i] ^= 1;
		cr_expect_eq(get_anew(store, other, 0, 6), i / TOKENS);
	}
	cr_expect_eq(get_anew(store, prompt, 0, 6), 6, "and it stays");
	aibrix_store_free(store);
}

/* Blocks of the prompt that are in L1 when a prefetch with these tokens has
 * ended; L1 has the first ones already. */
static uint64_t
fetch_anew(aibrix_store *store, const uint32_t *tokens, uint64_t there)
{
	aibrix_cache_opts o = trailer_opts(store);
	aibrix_cache_request r = {.size = sizeof(r),
				  .keys = prompt_keys(),
				  .n = MOST / TOKENS,
				  .tokens = tokens,
				  .n_tokens = MOST,
				  .now_ns = 1};
	uint64_t lease, got;
	aibrix_cache *cache;

	o.l1_bytes = 32 * ROOM;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	if (there)
		cr_assert_eq(get(cache, prompt, 0, there), there);
	cr_assert_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_OK);
	settle_all(cache, 1);
	got = aibrix_cache_lookup(cache, prompt_keys(), MOST / TOKENS);
	cr_expect_eq(get(cache, tokens, 0, got), got);
	cr_expect_eq(stat_of(cache).prefetched, got - there);
	r.n_tokens--;
	cr_expect_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_E_INVAL);
	r.tokens = NULL;
	cr_expect_eq(aibrix_cache_prefetch_request(cache, &r, &lease),
		     AIBRIX_E_UNSUPPORTED);
	aibrix_cache_free(cache);
	return got;
}

Test(cache_trailer, a_prefetch_brings_what_has_the_right_tokens)
{
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store);
	uint32_t other[MOST];

	put(cache, 0, 6);
	aibrix_cache_free(cache);
	cr_expect_eq(fetch_anew(store, prompt, 0), 6);
	cr_expect_eq(fetch_anew(store, prompt, 2), 6);
	memcpy(other, prompt, sizeof(other));
	other[3 * TOKENS] ^= 1;
	cr_expect_eq(fetch_anew(store, other, 0), 3);
	cr_expect_eq(fetch_anew(store, other, 2), 3);
	aibrix_store_free(store);
}

Test(cache_trailer, tokens_that_are_divided_otherwise_are_a_miss)
{
	static const struct {
		uint32_t at;
		uint8_t byte;
	} cases[] = {{BLOCK, 0x43},    {BLOCK + 4, 0},   {BLOCK + 4, 32},
		     {BLOCK + 8, 0},   {BLOCK + 8, 32},  {BLOCK + 7, 0x80},
		     {BLOCK + 11, 64}, {BLOCK + 12, 99}, {BLOCK + 139, 9}};
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store);
	uint8_t value[ROOM];
	uint64_t bytes;

	put(cache, 0, 2);
	aibrix_cache_free(cache);
	for (uint32_t i = 0; i < 9; i++) {
		bytes = golden(value, 1, 0);
		value[cases[i].at] = cases[i].byte;
		value_replace(store, 1, value, bytes);
		cr_expect_eq(get_anew(store, prompt, 0, 2), 1, "case %u", i);
	}
	bytes = golden(value, 1, 0);
	value[BLOCK + 4] = 0;
	value[BLOCK + 8] = 32;
	value_replace(store, 1, value, bytes);
	cr_expect_eq(get_anew(store, prompt, 0, 2), 1, "all are its own");
	value_replace(store, 1, value, golden(value, 1, 0));
	cr_expect_eq(get_anew(store, prompt, 0, 2), 2);
	aibrix_store_free(store);
}

Test(cache_trailer, another_length_is_a_miss)
{
	static const int off[] = {-1, 1, -4, 16, -16};
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store);
	uint8_t value[ROOM] = {0};

	put(cache, 0, 2);
	aibrix_cache_free(cache);
	for (int i = 0; i < 5; i++) {
		uint64_t bytes = golden(value, 1, 0);

		value_replace(store, 1, value, bytes + (uint64_t)off[i]);
		cr_expect_eq(get_anew(store, prompt, 0, 2), 1);
	}
	value_replace(store, 1, value, BLOCK);
	cr_expect_eq(get_anew(store, prompt, 0, 2), 1, "a compact one");
	aibrix_store_free(store);
}

/* A slot that had a longer trailer before. */
Test(cache_trailer, memory_that_is_used_again_says_nothing_of_before)
{
	aibrix_store *store = trailer_store();
	aibrix_cache_opts o = trailer_opts(store);
	uint8_t value[ROOM], want[ROOM];
	aibrix_cache *cache;
	uint64_t bytes;

	o.l1_bytes = ROOM;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	for (uint32_t i = 6; i-- > 0;) {
		put(cache, i, 1);
		bytes = value_do(store, AIBRIX_STORE_GET, i, value,
				 sizeof(value));
		cr_assert_eq(bytes, golden(want, i, 0));
		cr_assert_arr_eq(value, want, bytes);
	}
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_trailer, l2_is_asked_for_the_right_length_before_it_is_given_more)
{
	aibrix_store *store = trailer_store();
	aibrix_cache_opts o = trailer_opts(store);
	aibrix_cache *cache;

	o.flags |= AIBRIX_CACHE_PROBE_FIRST;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
		put(cache, 0, 6);
		cr_expect_eq(stat_of(cache).l2_written, i ? 0 : 6);
		cr_expect_eq(stat_of(cache).l2_had, i ? 6 : 0);
		aibrix_cache_free(cache);
	}
	aibrix_store_free(store);
}

Test(cache_trailer, a_prompt_of_tokens_is_handed_over)
{
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store);
	uint64_t n;

	put(cache, 0, 6);
	cr_expect_eq(aibrix_cache_hand_over(cache, prompt_keys(), 6, 1, 1, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 6);
	cr_expect_eq(get(cache, prompt, 0, 6), 6, "from memory");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_trailer, calls_without_tokens_are_refused)
{
	aibrix_store *store = trailer_store();
	aibrix_cache *cache = trailer_cache(store), *plain = new_cache(2, NULL);
	uint64_t lease = 7, n = 7;

	cr_expect_eq(
		aibrix_cache_reserve(cache, chain(1), NULL, 1, 1, &lease, &n),
		AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_cache_acquire(cache, chain(1), 1, 0, 1, &lease, &n),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_cache_prefetch(cache, chain(1), 1, 0, 1, &lease),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_cache_acquire_tokens(plain, chain(1), 1, prompt, 16,
						 0, 1, &lease, &n),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_cache_reserve_tokens(plain, chain(1), NULL, 1,
						 prompt, 16, 1, &lease, &n),
		     AIBRIX_E_UNSUPPORTED);
	for (uint64_t tokens = 0; tokens < 128; tokens += 8)
		cr_expect_eq(aibrix_cache_acquire_tokens(cache, chain(1), 2,
							 prompt, tokens, 1, 1,
							 &lease, &n),
			     tokens >= 32 && tokens <= MOST && tokens % 16 == 0
				     ? AIBRIX_OK
				     : AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_acquire_tokens(cache, chain(1), 1, NULL, 16,
						 0, 1, &lease, &n),
		     AIBRIX_E_INVAL);
	aibrix_cache_free(plain);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_trailer, a_store_must_have_room_for_the_longest_prompt)
{
	aibrix_store *store = trailer_store();
	aibrix_cache_opts o = trailer_opts(store);
	aibrix_cache *cache = NULL;

	o.trailer_tokens = MOST + 4;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o.trailer_tokens = (uint64_t)1 << 40;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o.trailer_tokens = MOST;
	o.flags = 0;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o.flags = AIBRIX_CACHE_L2_RAW;
	o.l2 = NULL;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	aibrix_store_free(store);
}

/* AIBrix's other format: the block and nothing else. */
Test(cache_trailer, a_compact_value_is_the_block)
{
	aibrix_store *store = trailer_store();
	aibrix_cache_opts o = trailer_opts(store);
	uint8_t value[ROOM], want[BLOCK];
	aibrix_cache *cache;
	uint64_t lease, n;

	o.trailer_tokens = 0;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_reserve(cache, prompt_keys(), NULL, 1, 1,
					  &lease, &n),
		     AIBRIX_OK);
	memset(want, 0x5a, sizeof(want));
	memcpy(view_of(cache, lease, 0).data, want, BLOCK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(value_do(store, AIBRIX_STORE_GET, 0, value, sizeof(value)),
		     BLOCK);
	cr_expect_arr_eq(value, want, BLOCK);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_trailer, a_reading_without_memory_leaves_all_as_it_was)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_store *store = trailer_store();
		aibrix_cache_opts o = trailer_opts(store);
		uint64_t lease = 7, n = 7;
		aibrix_cache *cache = NULL;
		int err;

		o.alloc = &a;
		err = aibrix_cache_new(&o, &cache);
		if (!err) {
			err = aibrix_cache_acquire_tokens(cache, prompt_keys(),
							  6, prompt, MOST, 0, 1,
							  &lease, &n);
			cr_assert(err != AIBRIX_E_NOMEM ||
				  (lease == 7 && n == 7));
			check(cache);
		}
		if (cache && err != AIBRIX_E_NOMEM) {
			const aibrix_cache_request r = {.size = sizeof(r),
							.keys = prompt_keys(),
							.n = 2,
							.tokens = prompt,
							.n_tokens = 2 * TOKENS};

			lease = 7;
			err = aibrix_cache_prefetch_request(cache, &r, &lease);
			cr_assert(err != AIBRIX_E_NOMEM || lease == 7);
			check(cache);
		}
		aibrix_cache_free(cache);
		aibrix_store_free(store);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
		if (err != AIBRIX_E_NOMEM)
			break;
	}
}
