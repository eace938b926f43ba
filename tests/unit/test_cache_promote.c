/* What comes from L2 into L1, before it is asked for and for how long; and
 * what is too long for either. */
#include "cache_tools.h"

#include "store/store_faults.h"

static aibrix_cache *
cache_of(aibrix_store *store, uint32_t blocks, uint32_t promote)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .l2 = store,
			       .promote = promote};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static void
store_chains(aibrix_store *store, uint32_t chains, uint32_t n)
{
	aibrix_cache *cache = new_cache(chains * n, store);

	for (uint32_t c = 1; c <= chains; c++)
		cr_assert_eq(put_blocks(cache, c, n), n);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
}

static int
prefetch(aibrix_cache *cache, uint32_t c, uint64_t n, uint64_t *lease)
{
	int err = aibrix_cache_prefetch(cache, chain(c), n, 0, 1, lease);

	check(cache);
	return err;
}

Test(cache_promote, a_scan_through_l2_does_not_flush_l1)
{
	aibrix_store *store = new_store(128);
	aibrix_cache *cache;

	store_chains(store, 9, 4);
	cache = cache_of(store, 16, AIBRIX_CACHE_PROMOTE_USED);
	cr_assert_eq(put_blocks(cache, 20, 12), 12);
	settle_all(cache, 1);
	for (uint32_t c = 1; c <= 9; c++)
		cr_assert_eq(count_blocks(cache, c, 4), 4);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(20), 12), 12);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(9), 4), 4,
		     "found until its memory is needed");
	aibrix_cache_free(cache);

	cache = cache_of(store, 16, AIBRIX_CACHE_PROMOTE_ALL);
	cr_assert_eq(put_blocks(cache, 21, 12), 12);
	settle_all(cache, 1);
	for (uint32_t c = 1; c <= 9; c++)
		cr_assert_eq(count_blocks(cache, c, 4), 4);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(21), 12), 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, what_is_used_again_stays)
{
	aibrix_store *store = new_store(128);
	uint64_t first, second;
	aibrix_cache *cache;

	store_chains(store, 9, 4);
	cache = cache_of(store, 16, AIBRIX_CACHE_PROMOTE_USED);
	cr_assert_eq(count_blocks(cache, 1, 4), 4);
	cr_assert_eq(count_blocks(cache, 1, 4), 4);
	cr_assert_eq(get_blocks(cache, 2, 4, &first), 4);
	cr_assert_eq(get_blocks(cache, 2, 4, &second), 4);
	cr_assert_eq(aibrix_cache_release(cache, first), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, second), AIBRIX_OK);
	for (uint32_t c = 3; c <= 9; c++)
		cr_assert_eq(count_blocks(cache, c, 4), 4);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 4);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 4), 4);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, a_prefetch_brings_blocks_into_l1_and_ends)
{
	aibrix_store *store = new_store(128);
	aibrix_cache *cache;
	uint64_t lease = 0, n;

	store_chains(store, 1, 8);
	cache = new_cache(64, store);
	cr_assert_eq(prefetch(cache, 1, 16, &lease), AIBRIX_OK);
	cr_assert_neq(lease, 0);
	cr_expect_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_E_AGAIN);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 16), 8);
	cr_expect_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(cache).leases, 0);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(stat_of(cache).prefetched, 8);
	cr_expect_eq(stat_of(cache).asked, 0);
	cr_expect_eq(stat_of(cache).hits_l2, 0);
	cr_assert_eq(prefetch(cache, 1, 8, &lease), AIBRIX_OK);
	cr_expect_eq(lease, 0, "all is there");
	cr_expect_eq(count_blocks(cache, 1, 8), 8);
	cr_expect_eq(stat_of(cache).hits_l1, 8);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, a_prefetch_goes_on_where_l1_ends)
{
	aibrix_store *store = new_store(128);
	aibrix_cache *cache;
	uint64_t lease = 0;

	store_chains(store, 1, 12);
	cache = new_cache(64, store);
	cr_assert_eq(count_blocks(cache, 1, 5), 5);
	cr_assert_eq(prefetch(cache, 1, 12, &lease), AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).prefetched, 7);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 12), 12);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, a_prefetch_is_cancelled_by_its_handle)
{
	aibrix_store *store = new_store(128);
	aibrix_cache *cache;
	uint64_t lease = 0, busy;

	store_chains(store, 1, 8);
	cache = new_cache(64, store);
	cr_assert_eq(prefetch(cache, 1, 8, &lease), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 8), 0);
	cr_expect_eq(aibrix_cache_release(cache, lease), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, a_prefetch_ends_at_its_deadline)
{
	struct store_fault lost = {.kind = FAULT_DROP,
				   .op = AIBRIX_STORE_PROBE};
	aibrix_store *store = new_store(128);
	aibrix_cache *cache;
	uint64_t lease = 0, busy;

	store_chains(store, 1, 8);
	cache = new_cache(64, store);
	aibrix__store_faults(store, &lost, 1);
	cr_assert_eq(aibrix_cache_prefetch(cache, chain(1), 8, 1000, 1, &lease),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_cache_poll(cache, 999, 0, &busy), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).leases, 1);
	cr_assert_eq(aibrix_cache_poll(cache, 1000, 0, &busy), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).leases, 0);
	check(cache);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, prefetches_hold_a_quarter_of_l1_and_evict_nothing_held)
{
	aibrix_store *store = new_store(128);
	uint64_t held, lease = 0, other = 0;
	aibrix_cache *cache;

	store_chains(store, 3, 8);
	cache = new_cache(16, store);
	cr_assert_eq(put_blocks(cache, 20, 14), 14);
	settle_all(cache, 1);
	cr_assert_eq(get_blocks(cache, 20, 14, &held), 14);
	cr_assert_eq(prefetch(cache, 1, 8, &lease), AIBRIX_OK);
	cr_expect_eq(prefetch(cache, 2, 8, &other), AIBRIX_E_FULL);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(20), 14), 14);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 8), 2);
	cr_assert_eq(aibrix_cache_release(cache, held), AIBRIX_OK);
	cr_expect_eq(prefetch(cache, 2, 8, &other), AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 8), 4);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, a_reader_is_served_beside_a_prefetch)
{
	aibrix_store *store = new_store(256);
	uint64_t lease = 0;
	aibrix_cache *cache;

	store_chains(store, 2, 32);
	cache = new_cache(200, store);
	cr_assert_eq(prefetch(cache, 1, 32, &lease), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 2, 32), 32);
	cr_expect_eq(count_blocks(cache, 1, 32), 32, "and by it");
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_promote, without_l2_there_is_nothing_to_prefetch_from)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint64_t lease = 7;

	cr_expect_eq(prefetch(cache, 1, 4, &lease), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(lease, 7);
	cr_expect_eq(aibrix_cache_prefetch(NULL, NULL, 0, 0, 1, &lease),
		     AIBRIX_E_INVAL);
	aibrix_cache_free(cache);
}

/* G9. */
Test(cache_promote, a_sequence_that_is_too_long_is_cut_and_then_refused)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .max_tokens = 63};
	aibrix_cache *cache;
	uint64_t lease, n = 7;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_expect_eq(put_blocks(cache, 1, 3), 3);
	cr_expect_eq(put_blocks(cache, 1, 5), 4, "48 tokens, then 16 more");
	cr_expect_eq(
		aibrix_cache_reserve(cache, chain(1), NULL, 6, 1, &lease, &n),
		AIBRIX_E_DENIED);
	cr_expect_eq(n, 7);
	cr_expect_eq(put_blocks(cache, 1, 4), 4, "not longer");
	cr_expect_eq(count_blocks(cache, 1, 6), 4);
	cr_expect_eq(stat_of(cache).too_long, 3);
	cr_expect_eq(stat_of(cache).no_room, 0);
	check(cache);
	aibrix_cache_free(cache);
}
