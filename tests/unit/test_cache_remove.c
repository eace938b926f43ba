#include "cache_tools.h"

#include "store/store_faults.h"

static uint64_t
values_of(const aibrix_store *store)
{
	aibrix_store_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	return s.values;
}

/* A cache that sends one block to L2 at a time. */
static aibrix_cache *
new_slow(uint32_t blocks, aibrix_store *store, uint32_t flags)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .l2 = store,
			       .write_bytes = BLOCK,
			       .flags = flags};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

/* Keys [from, from + n) of a chain leave both tiers; not waited for. */
static uint64_t
remove_begin(aibrix_cache *cache, uint32_t c, uint32_t from, uint32_t n)
{
	uint64_t lease = 7;
	int err =
		aibrix_cache_remove(cache, chain(c) + from, n, 0, 0, 1, &lease);

	cr_assert_eq(err, cache->l2 ? AIBRIX_E_AGAIN : AIBRIX_OK);
	cr_assert_eq(lease != 0, cache->l2 != NULL);
	check(cache);
	return lease;
}

/* How many keys are gone, once L2 has answered. */
static uint64_t
remove_end(aibrix_cache *cache, uint64_t lease)
{
	uint64_t n = 99;

	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_E_NOT_FOUND);
	check(cache);
	return n;
}

Test(cache_remove, a_removed_block_ends_the_prefix_before_it)
{
	aibrix_cache *cache = new_cache(8, NULL);

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_expect_eq(remove_begin(cache, 1, 1, 1), 0);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 1);
	cr_expect_eq(count_blocks(cache, 1, 4), 1);
	cr_expect_eq(stat_of(cache).removed, 1);
	cr_expect_eq(stat_of(cache).evicted, 0);
	cr_expect_eq(stat_of(cache).l1_blocks, 3);
	cr_expect_eq(put_blocks(cache, 1, 2), 2, "it can be written again");
	cr_expect_eq(count_blocks(cache, 1, 4), 4, "and those behind it serve");
	aibrix_cache_free(cache);
}

Test(cache_remove, what_is_held_stays_for_its_holders)
{
	aibrix_cache *cache = new_cache(2, NULL);
	uint64_t lease, n;

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(get_blocks(cache, 1, 2, &lease), 2);
	remove_begin(cache, 1, 0, 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 2), 0);
	cr_expect_eq(fill_blocks(cache, 2, 2, &n), 0, "its memory is not free");
	for (uint64_t i = 0; i < 2; i++)
		cr_expect_eq(*(uint8_t *)view_of(cache, lease, i).data,
			     byte_of(1, i));
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(put_blocks(cache, 2, 2), 2);
	cr_expect_eq(stat_of(cache).evicted, 0);
	aibrix_cache_free(cache);
}

Test(cache_remove, a_reservation_does_not_publish_what_was_removed_meanwhile)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t lease;

	cr_assert_eq(fill_blocks(cache, 1, 4, &lease), 4);
	remove_begin(cache, 1, 1, 1);
	cr_expect_not_null(view_of(cache, lease, 1).data, "it may be filled");
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	check(cache);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 1);
	cr_expect_eq(stat_of(cache).stored, 3);
	cr_expect_eq(stat_of(cache).removed, 0, "it was not there yet");
	cr_assert_eq(fill_blocks(cache, 1, 4, &lease), 4);
	remove_begin(cache, 1, 1, 1);
	cr_assert_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	check(cache);
	cr_expect_eq(put_blocks(cache, 1, 4), 4);
	cr_expect_eq(count_blocks(cache, 1, 4), 4);
	aibrix_cache_free(cache);
}

Test(cache_remove, both_tiers_lose_it)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	lease = remove_begin(cache, 1, 2, 3);
	cr_expect_eq(aibrix_cache_removed(cache, lease, 0), AIBRIX_E_AGAIN);
	cr_expect_eq(remove_end(cache, lease), 3, "one was in no tier");
	cr_expect_eq(values_of(store), 2);
	cr_expect_eq(count_blocks(cache, 1, 4), 2);
	cr_expect_eq(stat_of(cache).removed, 2);
	cr_expect_eq(stat_of(cache).l2_removed, 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, what_waits_to_be_written_is_not_written)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_slow(8, store, 0);
	uint64_t lease, left = 9;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_expect_eq(stat_of(cache).l2_waiting, 4);
	cr_expect_eq(aibrix_cache_flush(cache, 1, 1, &left), AIBRIX_E_TIMEOUT);
	lease = remove_begin(cache, 1, 3, 1);
	cr_expect_eq(remove_end(cache, lease), 1);
	cr_expect_eq(values_of(store), 3);
	cr_expect_eq(stat_of(cache).l2_written, 3);
	cr_expect_eq(stat_of(cache).l2_refused, 0, "nobody refused it");
	cr_expect_eq(stat_of(cache).l2_unqueued, 1);
	cr_expect_eq(aibrix_cache_flush(cache, 0, 1, &left), AIBRIX_OK);
	cr_expect_eq(left, 0, "a flush does not miss it");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* The question whether L2 has it is under way, then the block. */
Test(cache_remove, a_write_under_way_ends_before_the_delete_begins)
{
	static const uint32_t flags[] = {0, AIBRIX_CACHE_PROBE_FIRST};

	for (int i = 0; i < 2; i++) {
		struct store_fault slow[] = {
			{FAULT_DELAY, AIBRIX_STORE_PUT, 0, 50, 0},
			{FAULT_DELAY, AIBRIX_STORE_PROBE, 0, 50, 0}};
		aibrix_store *store = new_store(16);
		aibrix_cache *cache = new_slow(8, store, flags[i]);
		uint64_t lease, busy;

		aibrix__store_faults(store, slow, 2);
		cr_assert_eq(put_blocks(cache, 1, 1), 1);
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
		lease = remove_begin(cache, 1, 0, 1);
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
		cr_expect_eq(busy, 2, "one under way, one that waits for it");
		check(cache);
		cr_expect_eq(remove_end(cache, lease), 1);
		cr_expect_eq(values_of(store), 0);
		cr_expect_eq(count_blocks(cache, 1, 1), 0);
		cr_expect_eq(stat_of(cache).l2_refused, 0);
		aibrix_cache_free(cache);
		aibrix_store_free(store);
	}
}

Test(cache_remove, a_block_on_its_way_from_l2_is_let_go_of)
{
	struct store_fault slow = {FAULT_DELAY, AIBRIX_STORE_GET, 2, 50, 0};
	aibrix_store *store = new_store(16);
	uint64_t lease, removal, n = 9, busy;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	aibrix__store_faults(store, &slow, 1);
	cache = new_cache(8, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	for (int i = 0; i < 9; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_E_AGAIN);
	removal = remove_begin(cache, 1, 2, 1);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK,
		     "it has what it can get");
	cr_expect_eq(n, 2);
	cr_expect_eq(*(uint8_t *)view_of(cache, lease, 1).data, byte_of(1, 1));
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(remove_end(cache, removal), 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 2);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(values_of(store), 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, what_l2_is_about_to_lose_is_a_miss)
{
	struct store_fault slow = {FAULT_DELAY, AIBRIX_STORE_DELETE, 0, 50, 0};
	aibrix_store *store = new_store(16);
	uint64_t lease, removal;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	aibrix__store_faults(store, &slow, 1);
	cache = new_cache(8, store);
	removal = remove_begin(cache, 1, 1, 1);
	cr_expect_eq(get_blocks(cache, 1, 4, &lease), 1);
	cr_expect_eq(values_of(store), 4, "it is there still");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(remove_end(cache, removal), 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, what_is_written_again_is_in_both_tiers_afterwards)
{
	struct store_fault slow = {FAULT_DELAY, AIBRIX_STORE_DELETE, 0, 9, 0};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	uint64_t removal;

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	settle_all(cache, 1);
	aibrix__store_faults(store, &slow, 1);
	removal = remove_begin(cache, 1, 0, 2);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_expect_eq(count_blocks(cache, 1, 2), 2);
	cr_expect_eq(remove_end(cache, removal), 2);
	cr_expect_eq(stat_of(cache).l2_written, 4);
	cr_expect_eq(values_of(store), 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, a_delete_that_failed_is_told_of_its_key)
{
	struct store_fault fault = {FAULT_STATUS, AIBRIX_STORE_DELETE, 1, 0,
				    AIBRIX_E_IO};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	uint64_t removal, n;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	aibrix__store_faults(store, &fault, 1);
	removal = remove_begin(cache, 1, 0, 3);
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_state(cache, removal, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(aibrix_cache_removed(cache, removal, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_removed(cache, removal, 1), AIBRIX_E_IO);
	cr_expect_eq(aibrix_cache_removed(cache, removal, 2), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_removed(cache, removal, 3),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_cache_release(cache, removal), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).l2_removed, 2);
	cr_expect_eq(stat_of(cache).l2_unremoved, 1);
	cr_expect_eq(values_of(store), 1);
	cr_expect_eq(remove_end(cache, remove_begin(cache, 1, 1, 1)), 1,
		     "and can be tried again");
	cr_expect_eq(values_of(store), 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, one_that_nobody_waits_for_is_done_all_the_same)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	lease = remove_begin(cache, 1, 0, 3);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_removed(cache, lease, 0), AIBRIX_E_NOT_FOUND);
	check(cache);
	settle_all(cache, 1);
	cr_expect_eq(values_of(store), 0);
	cr_expect_eq(stat_of(cache).l2_removed, 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, what_l2_was_not_told_by_the_deadline_it_is_not_told)
{
	struct store_fault slow = {FAULT_DELAY, AIBRIX_STORE_PUT, 0, 50, 0};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_slow(8, store, 0);
	uint64_t lease, n, busy;

	aibrix__store_faults(store, &slow, 1);
	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_remove(cache, chain(1), 1, 0, 50, 1, &lease),
		     AIBRIX_E_AGAIN);
	settle_all(cache, 60);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_cache_removed(cache, lease, 0), AIBRIX_E_TIMEOUT);
	cr_expect_eq(values_of(store), 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, l1_alone_lets_l2_bring_it_back)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	uint64_t lease = 7;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_remove(cache, chain(1), 3, AIBRIX_CACHE_L1, 0,
					 1, &lease),
		     AIBRIX_OK);
	cr_expect_eq(lease, 0);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 3), 0);
	cr_expect_eq(count_blocks(cache, 1, 3), 3);
	cr_expect_eq(stat_of(cache).hits_l2, 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, an_l2_that_is_read_only_cannot_lose_a_block)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_slow(8, store, AIBRIX_CACHE_NO_L2_WRITE);
	uint64_t lease = 7;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	cr_expect_eq(aibrix_cache_remove(cache, chain(1), 3, 0, 0, 1, &lease),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(lease, 7);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 3), 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, wrong_calls_remove_nothing)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	aibrix_key keys[2] = {key_of(1, 0), {{0}}};
	uint64_t lease = 7, n = 7;
	aibrix_cache_view v = {.size = sizeof(v)};

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_expect_eq(aibrix_cache_remove(NULL, keys, 1, 0, 0, 1, &lease),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_remove(cache, NULL, 1, 0, 0, 1, &lease),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_remove(cache, keys, 1, 0, 0, 1, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_remove(cache, keys, 2, 0, 0, 1, &lease),
		     AIBRIX_E_INVAL, "a key that is none");
	cr_expect_eq(aibrix_cache_remove(cache, keys, 1, AIBRIX_CACHE_L2, 0, 1,
					 &lease),
		     AIBRIX_E_INVAL, "L1 would give it back");
	cr_expect_eq(aibrix_cache_remove(cache, keys, 1, 4, 0, 1, &lease),
		     AIBRIX_E_INVAL);
	cr_expect_eq(lease, 7);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 2), 2);
	cr_expect_eq(aibrix_cache_remove(cache, NULL, 0, 0, 0, 1, &lease),
		     AIBRIX_OK);
	cr_expect_eq(lease, 0);
	cr_expect_eq(aibrix_cache_removed(cache, 0, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_removed(NULL, 0, 0), AIBRIX_E_INVAL);
	lease = remove_begin(cache, 1, 0, 1);
	cr_expect_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_abort(cache, lease), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_block(cache, lease, 0, &v), AIBRIX_E_AGAIN);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_block(cache, lease, 0, &v),
		     AIBRIX_E_NOT_FOUND, "it holds nothing");
	cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* More keys than transfers, steps of the lock, and buckets. */
Test(cache_remove, thousands_of_keys_are_removed_and_waited_for)
{
	aibrix_store *store = new_store(4096);
	aibrix_cache *cache = new_cache(4096, store);
	uint64_t lease, n = 0;

	cr_assert_eq(put_blocks(cache, 1, 3000), 3000);
	settle_all(cache, 1);
	lease = remove_begin(cache, 1, 0, 4000);
	cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n), AIBRIX_OK);
	cr_expect_eq(n, 4000);
	cr_expect_eq(values_of(store), 0);
	cr_expect_eq(stat_of(cache).removed, 3000);
	cr_expect_eq(stat_of(cache).l1_blocks, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, a_key_that_is_named_twice_is_removed_twice)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(8, store);
	aibrix_key keys[3] = {key_of(1, 0), key_of(1, 0), key_of(1, 0)};
	uint64_t lease, other;

	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(aibrix_cache_remove(cache, keys, 3, 0, 0, 1, &lease),
		     AIBRIX_E_AGAIN);
	check(cache);
	other = remove_begin(cache, 1, 0, 1);
	cr_expect_eq(remove_end(cache, lease), 3);
	cr_expect_eq(remove_end(cache, other), 1);
	cr_expect_eq(values_of(store), 0);
	cr_expect_eq(stat_of(cache).removed, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_remove, free_drops_what_l2_was_not_told)
{
	struct store_fault slow = {FAULT_DROP, AIBRIX_STORE_DELETE, 0, 0, 0};
	aibrix_store *store = new_store(512);
	aibrix_cache *cache = new_cache(512, store);

	cr_assert_eq(put_blocks(cache, 1, 500), 500);
	settle_all(cache, 1);
	aibrix__store_faults(store, &slow, 1);
	remove_begin(cache, 1, 0, 500);
	aibrix_cache_free(cache);
	cr_expect_gt(values_of(store), 0);
	cr_expect_lt(values_of(store), 500);
	aibrix_store_free(store);
}

Test(cache_remove, a_removal_is_told_to_those_who_listen)
{
	aibrix_cache *cache = NULL;
	aibrix_meter *meter = NULL;
	aibrix_cache_opts o = {
		.size = sizeof(o), .block_bytes = BLOCK, .l1_bytes = 8 * BLOCK};
	aibrix_cache_event events[8];
	aibrix_key key = key_of(1, 1);
	uint64_t count = 0;
	uint32_t n;

	cr_assert_eq(aibrix_meter_new(NULL, &meter), AIBRIX_OK);
	o.meter = meter;
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(aibrix_cache_events(cache, events, 8, &n), AIBRIX_OK);
	cr_assert_eq(n, 2);
	remove_begin(cache, 1, 1, 1);
	cr_assert_eq(aibrix_cache_events(cache, events, 8, &n), AIBRIX_OK);
	cr_assert_eq(n, 1);
	cr_expect_eq(events[0].type, (uint32_t)AIBRIX_CACHE_REMOVED);
	cr_expect_eq(memcmp(&events[0].key, &key, sizeof(key)), 0);
	cr_assert_eq(aibrix_meter_get(meter, AIBRIX_METER_REMOVED_BLOCKS,
				      AIBRIX_METER_L1, &count),
		     AIBRIX_OK);
	cr_expect_eq(count, 1);
	aibrix_cache_free(cache);
	aibrix_meter_free(meter);
}

Test(cache_clear, all_of_l1_goes_and_what_is_held_stays)
{
	aibrix_cache *cache = new_cache(600, NULL);
	uint64_t lease, writing;

	cr_assert_eq(put_blocks(cache, 1, 500), 500);
	cr_assert_eq(get_blocks(cache, 1, 3, &lease), 3);
	cr_assert_eq(fill_blocks(cache, 2, 2, &writing), 2);
	cr_assert_eq(aibrix_cache_clear(cache, 1), AIBRIX_OK);
	check(cache);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 500), 0);
	cr_expect_eq(stat_of(cache).removed, 500);
	cr_expect_eq(*(uint8_t *)view_of(cache, lease, 2).data, byte_of(1, 2));
	cr_assert_eq(aibrix_cache_commit(cache, writing, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 2), 0,
		     "it was computed before");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	cr_expect_eq(put_blocks(cache, 1, 600), 600, "all memory is free");
	cr_expect_eq(stat_of(cache).evicted, 0);
	cr_expect_eq(aibrix_cache_clear(NULL, 1), AIBRIX_E_INVAL);
	aibrix_cache_free(cache);
}

Test(cache_clear, it_is_one_event_and_what_comes_later_is_told_behind_it)
{
	aibrix_cache *cache = new_cache(16, NULL);
	aibrix_cache_event events[16];
	uint32_t n;

	cr_assert_eq(aibrix_cache_events_begin(cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 8), 8);
	cr_assert_eq(aibrix_cache_events(cache, events, 16, &n), AIBRIX_OK);
	cr_assert_eq(n, 8);
	cr_assert_eq(aibrix_cache_clear(cache, 1), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(aibrix_cache_events(cache, events, 16, &n), AIBRIX_OK);
	cr_assert_eq(n, 3);
	cr_expect_eq(events[0].type, (uint32_t)AIBRIX_CACHE_CLEARED);
	cr_expect_eq(events[1].type, (uint32_t)AIBRIX_CACHE_STORED);
	cr_expect_eq(events[2].type, (uint32_t)AIBRIX_CACHE_STORED);
	aibrix_cache_free(cache);
}

Test(cache_clear, what_comes_from_l2_is_let_go_of_and_can_be_asked_for_again)
{
	struct store_fault slow = {FAULT_DELAY, AIBRIX_STORE_GET, 1, 50, 0};
	aibrix_store *store = new_store(16);
	uint64_t lease, n = 9, busy;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	aibrix__store_faults(store, &slow, 1);
	cache = new_cache(8, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	for (int i = 0; i < 9; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_clear(cache, 1), AIBRIX_OK);
	check(cache);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 0);
	cr_expect_eq(count_blocks(cache, 1, 4), 4);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}
