/*
 * The cases that AIBrix's own tests of its L2 and of its manager check, and
 * those that they should: test_l2cache.py, test_cache_manager.py (e3e10f9).
 * Blocks stand for tokens, keys for prefixes.  Elsewhere: writes beyond a
 * quota in test_cache_ingest.c, sequences that are too long in
 * test_cache_promote.c, random sequences in the model test.
 */
#include "cache_tools.h"

#include "store/store_faults.h"

struct config {
	const char *name;
	uint32_t l1_blocks;
	uint32_t ingest;
	int l2;
};

/* L1 alone, both, and an L1 that is too small with what it evicts in L2. */
static const struct config configs[] = {
	{"l1", 16, AIBRIX_CACHE_INGEST_ALL, 0},
	{"l2", 16, AIBRIX_CACHE_INGEST_ALL, 1},
	{"l1_l2", 8, AIBRIX_CACHE_INGEST_EVICTED, 1},
};

enum { CONFIGS = sizeof(configs) / sizeof(configs[0]) };

static aibrix_cache *
config_open(const struct config *c, aibrix_store **store)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)c->l1_blocks * BLOCK,
			       .ingest = c->ingest};
	aibrix_cache *cache = NULL;

	*store = c->l2 ? new_store(64) : NULL;
	o.l2 = *store;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static void
config_close(aibrix_cache *cache, aibrix_store *store)
{
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* The value of one block under the key of another, as in a collision. */
static void
value_move(aibrix_store *store, const aibrix_key *from, const aibrix_key *to)
{
	uint8_t value[VALUE];
	aibrix_iov iov = {value, sizeof(value)};
	aibrix_io io = {.key = from->bytes,
			.key_bytes = sizeof(from->bytes),
			.iov = &iov,
			.n_iov = 1,
			.op = AIBRIX_STORE_GET};
	aibrix_done done;
	uint32_t n;

	for (int put = 0; put < 2; put++) {
		cr_assert_eq(aibrix_store_submit(store, &io, 1, 1, &n), 0);
		cr_assert_eq(aibrix_store_poll(store, &done, 1, 1, 0, &n), 0);
		cr_assert_eq(n, 1);
		cr_assert_eq(done.status, AIBRIX_OK);
		io.key = to->bytes;
		io.op = AIBRIX_STORE_PUT;
	}
}

Test(cache_cases, s4_a_value_under_another_blocks_key_is_no_hit)
{
	aibrix_store *store = new_store(64);
	aibrix_key a = key_of(1, 0), b = key_of(2, 0);
	aibrix_cache *cache;

	store_blocks(store, 1, 1);
	value_move(store, &a, &b);
	cache = new_cache(8, store);
	cr_expect_eq(count_blocks(cache, 2, 1), 0);
	cr_expect_eq(count_blocks(cache, 1, 1), 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* 64 probes are one batch: the last of it, and its neighbours. */
Test(cache_cases, s8_a_batch_without_its_last_block_ends_before_it)
{
	for (uint64_t lost = 62; lost <= 65; lost++) {
		struct store_fault gap = {FAULT_STATUS, AIBRIX_STORE_GET, lost,
					  0, AIBRIX_E_NOT_FOUND};
		aibrix_store *store = new_store(128);
		aibrix_cache *cache = new_cache(128, store);

		cr_assert_eq(put_blocks(cache, 1, 100), 100);
		settle_all(cache, 1);
		aibrix_cache_free(cache);
		aibrix__store_faults(store, &gap, 1);
		cache = new_cache(128, store);
		cr_expect_eq(count_blocks(cache, 1, 100), lost);
		settle_all(cache, 1);
		cr_expect_eq(stat_of(cache).l1_pinned, 0);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

Test(cache_cases, g1_two_blocks_are_put_and_acquired)
{
	for (uint32_t i = 0; i < CONFIGS; i++) {
		aibrix_store *store;
		aibrix_cache *cache = config_open(&configs[i], &store);

		cr_expect_eq(put_blocks(cache, 1, 2), 2, "%s", configs[i].name);
		settle_all(cache, 1);
		cr_expect_eq(count_blocks(cache, 1, 2), 2);
		cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 2), 2);
		config_close(cache, store);
	}
}

Test(cache_cases, g2_what_is_put_behind_a_prefix_is_found_with_it)
{
	for (uint32_t i = 0; i < CONFIGS; i++) {
		aibrix_store *store;
		aibrix_cache *cache = config_open(&configs[i], &store);

		cr_expect_eq(put_blocks(cache, 1, 2), 2, "%s", configs[i].name);
		cr_expect_eq(put_blocks(cache, 1, 4), 4);
		settle_all(cache, 1);
		cr_expect_eq(count_blocks(cache, 1, 2), 2);
		cr_expect_eq(aibrix_cache_lookup(cache, chain(1) + 2, 2), 2);
		cr_expect_eq(count_blocks(cache, 1, 4), 4);
		config_close(cache, store);
	}
}

Test(cache_cases, g3_ten_puts_of_one_chain_keep_the_first)
{
	for (uint32_t i = 0; i < CONFIGS; i++) {
		aibrix_store *store;
		aibrix_cache *cache = config_open(&configs[i], &store);

		for (int k = 0; k < 10; k++)
			cr_expect_eq(put_blocks(cache, 1, 2), 2);
		settle_all(cache, 1);
		cr_expect_eq(count_blocks(cache, 1, 2), 2);
		cr_expect_eq(stat_of(cache).stored, 2);
		config_close(cache, store);
	}
}

/* Until L2 has lost it, too. */
static void
block_remove(aibrix_cache *cache, uint32_t c, uint32_t i)
{
	uint64_t lease, n = 1;
	int err = aibrix_cache_remove(cache, chain(c) + i, 1, 0, 0, 1, &lease);

	cr_assert_eq(err, cache->l2 ? AIBRIX_E_AGAIN : AIBRIX_OK);
	settle_all(cache, 1);
	if (err) {
		cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
		cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	}
	cr_assert_eq(n, 1);
}

/* G4 of the manager, and S5 of L2: another cache reads what L2 has left. */
Test(cache_cases, g4_a_deleted_block_is_not_found_and_the_first_is)
{
	for (uint32_t i = 0; i < CONFIGS; i++) {
		aibrix_store *store;
		aibrix_cache *cache = config_open(&configs[i], &store);

		cr_expect_eq(put_blocks(cache, 1, 2), 2, "%s", configs[i].name);
		settle_all(cache, 1);
		block_remove(cache, 1, 1);
		cr_expect_eq(count_blocks(cache, 1, 1), 1);
		cr_expect_eq(count_blocks(cache, 1, 2), 1);
		cr_expect_eq(aibrix_cache_lookup(cache, chain(1) + 1, 1), 0);
		config_close(cache, store);
	}
}

/* One batch of four, and two of two. */
Test(cache_cases, s7_what_is_behind_a_deleted_block_of_l2_is_not_counted)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *cache = new_cache(8, store);

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	block_remove(cache, 1, 1);
	aibrix_cache_free(cache);
	for (uint32_t inflight = 2; inflight <= 4; inflight += 2) {
		aibrix_cache_opts o = {.size = sizeof(o),
				       .block_bytes = BLOCK,
				       .l1_bytes = 8 * BLOCK,
				       .l2 = store,
				       .l2_inflight = inflight};

		cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
		cr_expect_eq(count_blocks(cache, 1, 4), 1);
		aibrix_cache_free(cache);
	}
	aibrix_store_free(store);
}

/* L1 has two of six blocks; L2 has the rest, has it not, or does not say. */
Test(cache_cases, g8_what_is_counted_is_filled_whatever_l2_does)
{
	static const struct {
		struct store_fault fault;
		uint64_t want;
	} cases[] = {
		{{.kind = 0}, 6},
		{{FAULT_STATUS, AIBRIX_STORE_PROBE, 1, 0, AIBRIX_E_NOT_FOUND},
		 3},
		{{FAULT_STATUS, AIBRIX_STORE_GET, 0, 0, AIBRIX_E_IO}, 2},
		{{FAULT_DROP, AIBRIX_STORE_GET, 1, 0, 0}, 3},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		aibrix_store *store = new_store(64);
		aibrix_cache *cache = new_cache(8, store);
		uint64_t lease, n, busy;
		int err;

		cr_assert_eq(put_blocks(cache, 1, 6), 6);
		settle_all(cache, 1);
		aibrix_cache_free(cache);
		cache = new_cache(8, store);
		cr_assert_eq(put_blocks(cache, 1, 2), 2);
		settle_all(cache, 1);
		aibrix__store_faults(store, &cases[i].fault, 1);
		err = aibrix_cache_acquire(cache, chain(1), 6, 1000, 1, &lease,
					   &n);
		for (uint64_t now = 2; err == AIBRIX_E_AGAIN; now += 20) {
			cr_assert_eq(aibrix_cache_poll(cache, now, 0, &busy),
				     AIBRIX_OK);
			err = aibrix_cache_state(cache, lease, &n);
		}
		cr_assert_eq(err, AIBRIX_OK);
		cr_expect_eq(n, cases[i].want, "case %zu", i);
		for (uint64_t k = 0; k < n; k++)
			cr_expect_eq(*(uint8_t *)view_of(cache, lease, k).data,
				     byte_of(1, k));
		cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
		settle_all(cache, 3000000000);
		cr_expect_eq(stat_of(cache).l1_pinned, 0);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}
