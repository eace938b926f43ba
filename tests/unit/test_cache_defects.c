/*
 * Published faults of other caches, each as the rule that excludes it.  The
 * numbers are those of the list of AIBrix's faults in doc/modules/cache.md.
 */

#include "cache_tools.h"

#include "store/store_faults.h"

enum { N = 8 };

/* N blocks of chain 1 in the store, in no L1. */
static aibrix_store *
new_filled_store(void)
{
	aibrix_store *store = new_store(64);

	store_blocks(store, 1, N);
	return store;
}

Test(cache_defects, d01_scattered_hits_are_not_a_prefix)
{
	for (uint64_t hole = 0; hole < N; hole++) {
		struct store_fault lost = {FAULT_STATUS, AIBRIX_STORE_GET, hole,
					   0, AIBRIX_E_IO};
		aibrix_store *store = new_filled_store();
		aibrix_cache *cache = new_cache(16, store);

		aibrix__store_faults(store, &lost, 1);
		cr_expect_eq(count_blocks(cache, 1, N), hole);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

/* The last of a batch fails; get_blocks compares each block's bytes. */
Test(cache_defects, d02_a_failed_block_does_not_shift_the_next_ones)
{
	struct store_fault lost = {FAULT_STATUS, AIBRIX_STORE_GET, 3, 0,
				   AIBRIX_E_IO};
	aibrix_store *store = new_filled_store();
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .l2 = store,
			       .l2_inflight = 4};
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	aibrix__store_faults(store, &lost, 1);
	cr_expect_eq(count_blocks(cache, 1, N), 3);
	cr_expect_eq(count_blocks(cache, 1, N), N);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_defects, d03_blocks_of_l1_and_l2_are_both_read)
{
	aibrix_store *store = new_filled_store();
	aibrix_cache *cache = new_cache(16, store);
	uint64_t lease;

	cr_assert_eq(count_blocks(cache, 1, 3), 3);
	cr_assert_eq(get_blocks(cache, 1, N, &lease), N);
	cr_expect_eq(view_of(cache, lease, 2).tier, AIBRIX_CACHE_L1);
	cr_expect_eq(view_of(cache, lease, 3).tier, AIBRIX_CACHE_L2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_defects, d03_blocks_of_l1_are_read_when_l2_fails)
{
	struct store_fault lost = {FAULT_STATUS, AIBRIX_STORE_PROBE, 0, 0,
				   AIBRIX_E_CLOSED};
	aibrix_store *store = new_filled_store();
	aibrix_cache *cache = new_cache(16, store);

	cr_assert_eq(count_blocks(cache, 1, 3), 3);
	aibrix__store_faults(store, &lost, 1);
	cr_expect_eq(count_blocks(cache, 1, N), 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_defects, d04_reading_leaves_no_pin_behind)
{
	aibrix_cache *cache = new_cache(N, NULL);

	cr_assert_eq(put_blocks(cache, 1, N), N);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(count_blocks(cache, 1, N), N);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(put_blocks(cache, 2, N), N);
	aibrix_cache_free(cache);
}

Test(cache_defects, d05_refused_writes_do_not_drain_the_pool)
{
	struct store_fault full[4096];
	aibrix_store *store = new_store(4);
	aibrix_cache *cache = new_cache(N, store);

	for (uint64_t i = 0; i < 4096; i++)
		full[i] = (struct store_fault){FAULT_STATUS, AIBRIX_STORE_PUT,
					       i, 0, AIBRIX_E_FULL};
	aibrix__store_faults(store, full, 4096);
	for (uint32_t c = 0; c < 200; c++) {
		cr_assert_eq(put_blocks(cache, c, N), N);
		settle_all(cache, 1);
	}
	cr_expect_eq(stat_of(cache).l2_refused, 200 * N);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Writes wait for a transfer without a pin, so what waits can be evicted. */
Test(cache_defects, d05_writes_that_wait_do_not_hold_the_pool)
{
	aibrix_store *store = new_store(64);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = N * BLOCK,
			       .l2 = store,
			       .l2_inflight = 1};
	aibrix_cache *cache;
	uint64_t busy;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, N), N);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).l1_pinned, 1, "one is away, one is done");
	cr_assert_eq(put_blocks(cache, 2, N - 1), N - 1);
	cr_expect_eq(stat_of(cache).l2_refused, N - 2);
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).l2_written, N + 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

static void
expect_slots(const aibrix_cache *cache, uint32_t loose, uint32_t free)
{
	cr_expect_eq(cache->count[SLOT_LOOSE], loose);
	cr_expect_eq(cache->count[SLOT_FREE], free);
}

/* The store still owns the buffers of reads that are late: nobody else gets
 * them before it lets go. */
Test(cache_defects, d06_buffers_of_a_late_read_are_not_reused)
{
	struct store_fault slow[N];
	aibrix_store *store = new_filled_store();
	aibrix_cache *cache = new_cache(N, store);
	uint64_t lease, n = 7, busy;

	for (uint64_t i = 0; i < N; i++)
		slow[i] = (struct store_fault){FAULT_DROP, AIBRIX_STORE_GET, i,
					       0, 0};
	aibrix__store_faults(store, slow, N);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), N, 100, 1, &lease, &n),
		AIBRIX_E_AGAIN);
	/* What the first block's probe says, what the others' do. */
	for (int i = 0; i < 2; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(cache->count[SLOT_FETCHING], N);

	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	expect_slots(cache, N, 0);
	cr_expect_eq(put_blocks(cache, 2, 1), 0, "there is no room yet");
	settle_all(cache, 1000);
	expect_slots(cache, 0, N);
	cr_expect_eq(put_blocks(cache, 2, N), N);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Whichever of a chain fails: the others are written, L2 gives the prefix
 * before it, and as soon as L2 has taken something again, the next block of
 * the chain takes it along. */
Test(cache_defects, d13_a_write_that_fails_costs_itself_and_is_made_up_for)
{
	for (uint64_t hole = 0; hole < N; hole++) {
		struct store_fault lost = {FAULT_STATUS, AIBRIX_STORE_PUT, hole,
					   0, AIBRIX_E_IO};
		aibrix_store *store = new_store(64);
		aibrix_cache *cache = new_cache(2 * N, store), *other;

		aibrix__store_faults(store, &lost, 1);
		cr_assert_eq(put_blocks(cache, 1, N), N);
		settle_all(cache, 1);
		cr_expect_eq(stat_of(cache).l2_written, N - 1);
		cr_expect_eq(stat_of(cache).l2_errors, 1);
		other = new_cache(2 * N, store);
		cr_expect_eq(count_blocks(other, 1, N), hole);
		aibrix_cache_free(other);
		for (uint64_t n = N + 1; n <= N + 2; n++) {
			cr_assert_eq(put_blocks(cache, 1, n), n);
			settle_all(cache, 1);
		}
		other = new_cache(2 * N, store);
		cr_expect_eq(count_blocks(other, 1, N + 2), N + 2);
		aibrix_cache_free(other);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

Test(cache_defects, d14_eviction_makes_exactly_the_room_that_is_needed)
{
	aibrix_cache *cache = new_cache(N, NULL);

	cr_assert_eq(put_blocks(cache, 1, N), N);
	cr_expect_eq(stat_of(cache).evicted, 0, "all of the pool is used");
	cr_assert_eq(put_blocks(cache, 2, 1), 1);
	cr_expect_eq(stat_of(cache).evicted, 1);
	cr_expect_eq(stat_of(cache).l1_blocks, N);
	aibrix_cache_free(cache);
}

Test(cache_defects, d29_pinned_blocks_do_not_flush_the_rest)
{
	aibrix_cache *cache = new_cache(N, NULL);
	uint64_t held, lease;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(put_blocks(cache, 2, 4), 4);
	cr_assert_eq(get_blocks(cache, 1, 4, &held), 4);
	cr_expect_eq(fill_blocks(cache, 3, 2, &lease), 2);
	cr_expect_eq(stat_of(cache).evicted, 2, "not one more");
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 4), 2);
	aibrix_cache_free(cache);
}
