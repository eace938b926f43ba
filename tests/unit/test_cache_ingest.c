/* What L2 is given, and when. */
#include "cache_tools.h"

#include "store/store_faults.h"

static aibrix_cache *
cache_giving(aibrix_store *store, uint32_t blocks, uint32_t ingest,
	     uint32_t flags)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .l2 = store,
			       .ingest = ingest,
			       .flags = flags};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static aibrix_store_stat
store_stat(const aibrix_store *store)
{
	aibrix_store_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	return s;
}

/* How many leading blocks of chain c another cache finds in L2. */
static uint64_t
prefix_in(aibrix_store *store, uint32_t c, uint64_t n)
{
	aibrix_cache *cache = new_cache(64, store);
	uint64_t got = count_blocks(cache, c, n);

	aibrix_cache_free(cache);
	return got;
}

Test(cache_ingest, options_outside_their_range_are_refused)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = BLOCK,
			       .ingest = 3};
	aibrix_cache *cache = NULL;

	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o.ingest = AIBRIX_CACHE_INGEST_HOT;
	o.hot_hits = 201;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o.hot_hits = 200;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	aibrix_cache_free(cache);
}

Test(cache_ingest, what_is_hot_is_written_at_its_nth_hit_and_once)
{
	aibrix_store *store = new_store(16);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .ingest = AIBRIX_CACHE_INGEST_HOT,
			       .hot_hits = 2};
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_assert_eq(count_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 0, "committed, hit once");
	cr_assert_eq(count_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 3);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(count_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, what_came_from_l2_is_not_written_back)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	cache = cache_giving(store, 8, AIBRIX_CACHE_INGEST_HOT, 0);
	cr_assert_eq(count_blocks(cache, 1, 4), 4);
	cr_assert_eq(count_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 4);
	aibrix_cache_free(cache);
	cache = cache_giving(store, 4, AIBRIX_CACHE_INGEST_EVICTED, 0);
	cr_assert_eq(count_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_assert_eq(put_blocks(cache, 2, 3), 3);
	settle_all(cache, 1);
	cr_expect_eq(prefix_in(store, 1, 4), 4);
	cr_expect_eq(stat_of(cache).l2_dropped, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Nobody asked for its first blocks alone. */
Test(cache_ingest, a_hot_block_takes_those_before_it_along)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache =
		cache_giving(store, 8, AIBRIX_CACHE_INGEST_HOT, 0);
	uint64_t lease, n;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	/* An engine that holds the first two blocks itself. */
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1) + 2, 1, 0, 1, &lease, &n),
		AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(prefix_in(store, 1, 4), 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, a_victim_is_written_before_its_memory_is_reused)
{
	aibrix_store *store = new_store(32);
	aibrix_cache *cache =
		cache_giving(store, 8, AIBRIX_CACHE_INGEST_EVICTED, 0);

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 0, "there is room");
	cr_assert_eq(put_blocks(cache, 2, 4), 4);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 4,
		     "its two leaves are written, and readable");
	cr_assert_eq(put_blocks(cache, 3, 2), 2);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 2);
	cr_expect_eq(count_blocks(cache, 1, 4), 4, "the rest is in L2");
	cr_expect_eq(stat_of(cache).l2_dropped, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, victims_give_l2_a_prefix)
{
	aibrix_store *store = new_store(32);
	aibrix_cache *cache =
		cache_giving(store, 8, AIBRIX_CACHE_INGEST_EVICTED, 0);

	cr_assert_eq(put_blocks(cache, 1, 7), 7);
	settle_all(cache, 1);
	cr_expect_eq(prefix_in(store, 1, 7), 7, "the last one is a victim");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, a_victim_that_is_used_stays)
{
	aibrix_store *store = new_store(32);
	aibrix_cache *cache =
		cache_giving(store, 8, AIBRIX_CACHE_INGEST_EVICTED, 0);

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(put_blocks(cache, 2, 4), 4);
	settle_all(cache, 1);
	cr_assert_eq(count_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_assert_eq(put_blocks(cache, 3, 2), 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 4);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 4), 2);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, victims_of_a_store_that_hangs_are_reused_and_counted)
{
	struct store_fault lost[8];
	aibrix_store *store = new_store(32);
	aibrix_cache *cache =
		cache_giving(store, 16, AIBRIX_CACHE_INGEST_EVICTED, 0);
	aibrix_cache_stat s;

	for (uint64_t i = 0; i < 8; i++)
		lost[i] = (struct store_fault){
			.kind = FAULT_DROP, .op = AIBRIX_STORE_PUT, .at = i};
	aibrix__store_faults(store, lost, 8);
	for (uint32_t c = 1; c <= 10; c++)
		cr_assert_eq(put_blocks(cache, c, 4), 4, "no commit waits");
	s = stat_of(cache);
	cr_expect_leq(s.l1_pinned, 12);
	cr_expect_geq(s.l2_dropped, 8);
	settle_all(cache, 3000000000);
	s = stat_of(cache);
	cr_expect_eq(s.l1_pinned, 0);
	cr_expect_eq(s.l2_waiting, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, a_victim_that_waits_gives_way_to_a_block_that_is_needed)
{
	aibrix_store *store = new_store(32);
	struct store_fault lost = {.kind = FAULT_DROP, .op = AIBRIX_STORE_PUT};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .l2_inflight = 1,
			       .ingest = AIBRIX_CACHE_INGEST_EVICTED};
	uint64_t held, lease, busy;
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	aibrix__store_faults(store, &lost, 1);
	cr_assert_eq(put_blocks(cache, 1, 8), 8);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(get_blocks(cache, 1, 6, &held), 6);
	cr_expect_geq(fill_blocks(cache, 2, 2, &lease), 1);
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, held), AIBRIX_OK);
	settle_all(cache, 3000000000);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, only_what_l2_lacks_is_sent)
{
	aibrix_store *store = new_store(32);
	aibrix_cache *cache;

	store_blocks(store, 1, 3);
	cache = cache_giving(store, 8, AIBRIX_CACHE_INGEST_ALL,
			     AIBRIX_CACHE_PROBE_FIRST);
	cr_assert_eq(put_blocks(cache, 1, 5), 5);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 3 + 2);
	cr_expect_eq(stat_of(cache).l2_had, 3);
	cr_expect_eq(stat_of(cache).l2_written, 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, a_question_that_fails_is_followed_by_the_write)
{
	struct store_fault fails = {FAULT_STATUS, AIBRIX_STORE_PROBE, 0, 0,
				    AIBRIX_E_IO};
	aibrix_store *store = new_store(32);
	aibrix_cache *cache = cache_giving(store, 8, AIBRIX_CACHE_INGEST_ALL,
					   AIBRIX_CACHE_PROBE_FIRST);

	aibrix__store_faults(store, &fails, 1);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).l2_written, 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Damaged while L2 was asked, and committed anew. */
Test(cache_ingest, an_answer_for_a_block_that_is_gone_is_no_write)
{
	aibrix_store *store = new_store(32);
	aibrix_cache *cache = cache_giving(store, 8, AIBRIX_CACHE_INGEST_ALL,
					   AIBRIX_CACHE_PROBE_FIRST);
	aibrix_key key = key_of(1, 1);

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	aibrix__l1_drop(cache, aibrix__table_find(&cache->table, &key));
	check(cache);
	settle_all(cache, 1);
	cr_expect_eq(store_stat(store).puts, 1);
	cr_expect_eq(stat_of(cache).l2_refused, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* S10: more writes than the share allows pin no more than the share, and in
 * the end nothing. */
Test(cache_ingest, writes_beyond_their_share_wait_without_a_reference)
{
	for (uint32_t ingest = AIBRIX_CACHE_INGEST_ALL;
	     ingest <= AIBRIX_CACHE_INGEST_EVICTED; ingest++) {
		aibrix_store *store = new_store(64);
		aibrix_cache_opts o = {.size = sizeof(o),
				       .block_bytes = BLOCK,
				       .l1_bytes = 32 * BLOCK,
				       .l2 = store,
				       .ingest = ingest,
				       .write_bytes = 3 * BLOCK + 1};
		aibrix_cache *cache;

		cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
		for (uint32_t c = 1; c <= 4; c++) {
			cr_assert_eq(put_blocks(cache, c, 8), 8);
			cr_expect_leq(stat_of(cache).l1_pinned, 3);
			cr_assert_eq(count_blocks(cache, c, 8), 8);
		}
		settle_all(cache, 1);
		cr_expect_eq(stat_of(cache).l1_pinned, 0);
		cr_expect_eq(stat_of(cache).l2_waiting, 0);
		cr_expect_eq(stat_of(cache).l2_refused, 0);
		cr_expect_gt(stat_of(cache).l2_written, 3);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

Test(cache_ingest, a_share_below_a_block_lets_one_pass)
{
	aibrix_store *store = new_store(64);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .write_bytes = 1};
	aibrix_cache *cache;
	uint64_t busy;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 8), 8);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(stat_of(cache).l2_waiting, 8, "for the next poll");
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).l1_pinned, 1);
	cr_expect_eq(stat_of(cache).l2_waiting, 7);
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).l2_written, 8);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, a_hole_that_a_fault_left_is_closed_with_the_next_block)
{
	struct store_fault fails = {FAULT_STATUS, AIBRIX_STORE_PUT, 1, 0,
				    AIBRIX_E_IO};
	aibrix_store *store = new_store(64);
	aibrix_cache *cache = new_cache(16, store);

	aibrix__store_faults(store, &fails, 1);
	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_expect_eq(prefix_in(store, 1, 4), 1);
	cr_assert_eq(put_blocks(cache, 1, 5), 5);
	settle_all(cache, 1);
	cr_expect_eq(prefix_in(store, 1, 5), 5);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_ingest, a_read_only_l2_is_given_nothing_in_any_mode)
{
	for (uint32_t ingest = AIBRIX_CACHE_INGEST_ALL;
	     ingest <= AIBRIX_CACHE_INGEST_EVICTED; ingest++) {
		aibrix_store *store = new_store(64);
		aibrix_cache *cache = cache_giving(store, 4, ingest,
						   AIBRIX_CACHE_NO_L2_WRITE);

		cr_assert_eq(put_blocks(cache, 1, 4), 4);
		cr_assert_eq(count_blocks(cache, 1, 4), 4);
		cr_assert_eq(put_blocks(cache, 2, 4), 4);
		settle_all(cache, 1);
		cr_expect_eq(store_stat(store).puts, 0);
		cr_expect_eq(stat_of(cache).l2_dropped, 0);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}
