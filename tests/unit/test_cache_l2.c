#include "cache_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store_faults.h"
#include "temp_path.h"

static uint64_t
values_of(const aibrix_store *store)
{
	aibrix_store_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	return s.values;
}

Test(cache_l2, what_was_committed_is_found_by_another_cache)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *cache;
	uint64_t lease;

	store_blocks(store, 1, 20);
	cache = new_cache(32, store);
	cr_assert_eq(get_blocks(cache, 1, 32, &lease), 20);
	cr_expect_eq(view_of(cache, lease, 0).tier, AIBRIX_CACHE_L2);
	cr_expect_eq(stat_of(cache).hits_l2, 20);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 32), 20,
		     "it is in L1 now");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_chain_longer_than_a_window_arrives_whole)
{
	aibrix_store *store = new_store(512);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 512 * BLOCK,
			       .l2 = store,
			       .l2_inflight = 7};
	aibrix_cache *cache;

	store_blocks(store, 1, 400);
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 500), 400);
	cr_expect_eq(count_blocks(cache, 1, 500), 400);
	cr_expect_eq(stat_of(cache).hits_l2, 400);
	cr_expect_eq(stat_of(cache).hits_l1, 400);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_miss_of_l2_costs_one_probe_and_no_eviction)
{
	aibrix_store *store = new_store(8);
	aibrix_store_stat s = {.size = sizeof(s)};
	aibrix_cache *cache = new_cache(2000, store);

	cr_assert_eq(put_blocks(cache, 1, 2000), 2000);
	settle_all(cache, 1);
	cr_expect_eq(count_blocks(cache, 2, 2000), 0);
	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	cr_expect_eq(s.probes, 1);
	cr_expect_eq(s.gets, 0);
	cr_expect_eq(stat_of(cache).evicted, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* How many blocks of a prompt of 100 are asked about at first. */
static uint32_t
asked_at_first(aibrix_cache *cache, aibrix_store *store, uint32_t c,
	       uint64_t have)
{
	aibrix_store_stat s = {.size = sizeof(s)};
	uint64_t lease, n;

	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(c), 100, 0, 1, &lease, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	settle_all(cache, 1);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, have);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	return s.inflight;
}

Test(cache_l2, an_l2_that_had_the_last_prompts_is_asked_a_window_at_once)
{
	static const struct {
		uint32_t chain;
		uint32_t have, asked;
	} steps[] = {{1, 100, 1}, {2, 100, 1}, {3, 100, 64}, {4, 100, 64},
		     {5, 0, 64},  {6, 0, 64},  {7, 0, 1},    {8, 0, 1}};
	aibrix_store *store = new_store(512);
	aibrix_cache *cache;

	for (uint32_t c = 1; c <= 4; c++)
		store_blocks(store, c, 100);
	cache = new_cache(512, store);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		cr_expect_eq(asked_at_first(cache, store, steps[i].chain,
					    steps[i].have),
			     steps[i].asked, "step %zu", i);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_lease_is_not_readable_before_it_is_settled)
{
	aibrix_store *store = new_store(8);
	aibrix_cache_view v = {.size = sizeof(v)};
	aibrix_cache *cache;
	uint64_t lease, n = 7;

	store_blocks(store, 1, 2);
	cache = new_cache(8, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 2, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_expect_eq(n, 7, "the length is not known");
	cr_expect_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_E_AGAIN);
	cr_expect_eq(aibrix_cache_block(cache, lease, 0, &v), AIBRIX_E_AGAIN);
	cr_expect_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_E_STATE);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, the_chain_is_cut_where_l1_has_no_room)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;
	uint64_t held, lease;

	store_blocks(store, 1, 6);
	cache = new_cache(6, store);
	cr_assert_eq(put_blocks(cache, 2, 4), 4);
	settle_all(cache, 1);
	cr_assert_eq(get_blocks(cache, 2, 4, &held), 4);
	cr_expect_eq(get_blocks(cache, 1, 6, &lease), 2);
	cr_assert_eq(aibrix_cache_release(cache, held), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 6), 6);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_hole_of_l1_is_filled_from_l2)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(16, store);
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 6), 6);
	settle_all(cache, 1);
	cr_assert_eq(get_blocks(cache, 1, 6, &lease), 6);
	*(uint8_t *)view_of(cache, lease, 2).data ^= 1;
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);

	cr_expect_eq(get_blocks(cache, 1, 6, &lease), 6);
	cr_expect_eq(view_of(cache, lease, 2).tier, AIBRIX_CACHE_L2);
	cr_expect_eq(view_of(cache, lease, 3).tier, AIBRIX_CACHE_L1);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Every second block is in L1, and the store takes one request at a time:
 * what it refuses is asked again, and nothing is pinned twice for it. */
Test(cache_l2, a_chain_of_l2_enters_l1_with_its_leaves_first_to_go)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;

	store_blocks(store, 1, 8);
	cache = new_cache(8, store);
	cr_assert_eq(count_blocks(cache, 1, 8), 8);
	cr_assert_eq(put_blocks(cache, 2, 3), 3);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 8), 5);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* The block behind the hole is met again when the hole is filled: it has to
 * be looked at then, too. */
Test(cache_l2, a_byte_flipped_behind_a_hole_of_l1_is_caught_and_fetched)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(16, store);
	uint32_t slot;
	aibrix_key key;
	uint8_t *data;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	key = key_of(1, 1);
	aibrix__l1_drop(cache, aibrix__table_find(&cache->table, &key));
	key = key_of(1, 2);
	slot = aibrix__table_find(&cache->table, &key);
	data = aibrix__l1_data(cache, slot);
	data[5] ^= 1;

	cr_expect_eq(count_blocks(cache, 1, 4), 4);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	cr_expect_eq(stat_of(cache).hits_l2, 2);
	cr_expect_eq(stat_of(cache).hits_l1, 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, what_a_full_store_refuses_is_asked_again)
{
	aibrix_store_opts o = {.size = sizeof(o),
			       .capacity_bytes = 64 * VALUE,
			       .value_bytes = VALUE,
			       .max_inflight = 1};
	aibrix_store *store;
	aibrix_cache *cache;
	uint64_t lease, n;

	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	store_blocks(store, 1, 12);
	cache = new_cache(16, store);
	for (uint32_t i = 0; i < 12; i += 2) {
		aibrix_key key = key_of(1, i);

		cr_assert_eq(aibrix_cache_reserve(cache, &key, NULL, 1, 1,
						  &lease, &n),
			     AIBRIX_OK);
		memset(view_of(cache, lease, 0).data, byte_of(1, i), BLOCK);
		cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	}
	cr_expect_eq(count_blocks(cache, 1, 12), 12);
	cr_expect_eq(stat_of(cache).hits_l1, 6);
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).l1_pinned, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, two_readers_share_one_fetch)
{
	aibrix_store *store = new_store(16);
	aibrix_store_stat s = {.size = sizeof(s)};
	aibrix_cache *cache;
	uint64_t first, second, n;

	store_blocks(store, 1, 6);
	cache = new_cache(16, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 6, 0, 1, &first, &n),
		     AIBRIX_E_AGAIN);
	cr_expect_eq(get_blocks(cache, 1, 6, &second), 6);
	cr_expect_eq(aibrix_cache_state(cache, first, &n), AIBRIX_OK);
	cr_expect_eq(n, 6);
	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	cr_expect_eq(s.gets, 6);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_waiting_reader_fetches_itself_when_the_first_gives_up)
{
	static const struct store_fault slow[] = {
		{FAULT_DELAY, AIBRIX_STORE_GET, 0, 3, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;
	uint64_t first, second, n, busy;

	store_blocks(store, 1, 3);
	aibrix__store_faults(store, slow, 1);
	cache = new_cache(16, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 3, 0, 1, &first, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 3, 0, 1, &second, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_release(cache, first), AIBRIX_OK);
	check(cache);
	settle_all(cache, 1);
	cr_expect_eq(aibrix_cache_state(cache, second, &n), AIBRIX_OK);
	cr_expect_eq(n, 3);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, other_layouts_and_models_never_meet)
{
	aibrix_store *store = new_store(64);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .l2 = store,
			       .layout = "NHD"};
	aibrix_store_stat l2 = {.size = sizeof(l2)};
	aibrix_cache *nhd, *hnd, *small;

	cr_assert_eq(aibrix_cache_new(&o, &nhd), AIBRIX_OK);
	o.layout = "HND";
	cr_assert_eq(aibrix_cache_new(&o, &hnd), AIBRIX_OK);
	o.layout = "NHD";
	o.block_bytes = BLOCK / 2;
	cr_assert_eq(aibrix_cache_new(&o, &small), AIBRIX_OK);
	cr_assert_eq(put_blocks(nhd, 1, 4), 4);
	settle_all(nhd, 1);

	cr_expect_eq(count_blocks(small, 1, 4), 0);
	cr_assert_eq(aibrix_store_stats(store, &l2), AIBRIX_OK);
	cr_expect_eq(l2.gets, 0, "another length is not even fetched");
	cr_expect_eq(count_blocks(hnd, 1, 4), 0);
	cr_expect_eq(count_blocks(hnd, 2, 4), 0, "another model: other keys");
	cr_expect_eq(stat_of(hnd).corrupt_l2, 0, "a miss, not damage");
	cr_expect_eq(values_of(store), 4, "and left alone");
	aibrix_cache_free(small);
	aibrix_cache_free(hnd);
	aibrix_cache_free(nhd);
	aibrix_store_free(store);
}

/* Chain 1 of 4 blocks in L2; what a cache gets with one scripted fault. */
static aibrix_cache_stat
stat_with_fault(struct store_fault fault, uint64_t want)
{
	aibrix_store *store = new_store(16);
	aibrix_cache_stat s;
	aibrix_cache *cache;

	store_blocks(store, 1, 4);
	aibrix__store_faults(store, &fault, 1);
	cache = new_cache(16, store);
	cr_expect_eq(count_blocks(cache, 1, 4), want);
	settle_all(cache, 1);
	s = stat_of(cache);
	cr_expect_eq(s.l1_pinned, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	return s;
}

/* A cache with flags, over a store of its own values' length. */
static aibrix_cache *
cache_with(aibrix_store *store, uint32_t flags)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .l2 = store,
			       .flags = flags};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

/* One request to the store itself. */
static aibrix_done
store_ask(aibrix_store *store, uint32_t op, const aibrix_key *key, void *at,
	  uint64_t bytes)
{
	aibrix_iov iov = {at, bytes};
	aibrix_io io = {.key = key->bytes,
			.key_bytes = sizeof(key->bytes),
			.op = op,
			.iov = &iov,
			.n_iov = op == AIBRIX_STORE_DELETE ? 0 : 1,
			.priority = AIBRIX_PRIORITY_GET};
	aibrix_done done = {.status = AIBRIX_E_STATE};
	uint32_t n;

	cr_assert_eq(aibrix_store_submit(store, &io, 1, 1, &n), AIBRIX_OK);
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 1, 0, &n), AIBRIX_OK);
	cr_assert_eq(n, 1);
	return done;
}

Test(cache_l2, raw_values_are_the_bytes_of_the_block_alone)
{
	aibrix_store_opts o = {.size = sizeof(o),
			       .capacity_bytes = 64 * BLOCK,
			       .value_bytes = BLOCK};
	aibrix_key key = key_of(2, 0), shorter = key_of(3, 0);
	uint8_t bytes[BLOCK];
	aibrix_store *store;
	aibrix_cache *cache;

	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	cache = cache_with(store, AIBRIX_CACHE_L2_RAW);
	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	for (uint32_t i = 0; i < 3; i++) {
		aibrix_key own = key_of(1, i);
		aibrix_done done =
			store_ask(store, AIBRIX_STORE_GET, &own, bytes, BLOCK);

		cr_expect_eq(done.status, AIBRIX_OK);
		cr_expect_eq(done.bytes, BLOCK);
		cr_expect_eq(bytes[BLOCK - 1], byte_of(1, i));
	}

	/* What another program wrote is read. */
	memset(bytes, byte_of(2, 0), BLOCK);
	store_ask(store, AIBRIX_STORE_PUT, &key, bytes, BLOCK);
	store_ask(store, AIBRIX_STORE_PUT, &shorter, bytes, BLOCK - 1);
	cache = cache_with(store, AIBRIX_CACHE_L2_RAW);
	cr_expect_eq(count_blocks(cache, 1, 4), 3);
	cr_expect_eq(count_blocks(cache, 2, 4), 1);
	cr_expect_eq(count_blocks(cache, 3, 4), 0, "another length: a miss");
	cr_expect_eq(stat_of(cache).l2_errors, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, raw_and_framed_values_do_not_pass_for_each_other)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *cache;

	store_blocks(store, 1, 2);
	cache = cache_with(store, AIBRIX_CACHE_L2_RAW);
	cr_expect_eq(count_blocks(cache, 1, 2), 0);
	cr_assert_eq(put_blocks(cache, 2, 2), 2);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	cache = new_cache(8, store);
	cr_expect_eq(count_blocks(cache, 2, 2), 0);
	cr_expect_eq(count_blocks(cache, 1, 2), 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, who_trusts_l2_is_handed_what_it_has)
{
	struct store_fault flip = {.kind = FAULT_CORRUPT,
				   .op = AIBRIX_STORE_GET,
				   .arg = FRAME_BYTES + 5};
	struct store_fault key = {
		.kind = FAULT_CORRUPT, .op = AIBRIX_STORE_GET, .arg = 40};
	aibrix_store *store = new_store(64);
	uint64_t lease, busy, n = 0;
	aibrix_key k = key_of(1, 0);
	aibrix_cache *cache;

	store_blocks(store, 1, 1);
	cache = cache_with(store, AIBRIX_CACHE_NO_L2_VERIFY);
	aibrix__store_faults(store, &flip, 1);
	cr_assert_eq(aibrix_cache_acquire(cache, &k, 1, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 1, "the sum was not asked");
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	aibrix_cache_free(cache);

	cache = cache_with(store, AIBRIX_CACHE_NO_L2_VERIFY);
	aibrix__store_faults(store, &key, 1);
	cr_expect_eq(count_blocks(cache, 1, 1), 0, "its frame still is");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, values_without_a_sum_are_for_those_who_trust)
{
	uint32_t trusting =
		AIBRIX_CACHE_NO_L2_VERIFY | AIBRIX_CACHE_NO_L1_VERIFY;
	aibrix_store *store = new_store(64);
	aibrix_cache *cache = cache_with(store, trusting);

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	cache = new_cache(8, store);
	cr_expect_eq(count_blocks(cache, 1, 2), 0);
	aibrix_cache_free(cache);
	cache = cache_with(store, trusting);
	cr_expect_eq(count_blocks(cache, 1, 2), 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_fault_of_l2_is_a_miss)
{
	static const int32_t faults[] = {AIBRIX_E_IO, AIBRIX_E_CLOSED,
					 AIBRIX_E_TIMEOUT,
					 AIBRIX_E_UNAVAILABLE};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct store_fault f = {FAULT_STATUS, AIBRIX_STORE_GET, 2, 0,
					faults[i]};

		cr_expect_eq(stat_with_fault(f, 2).l2_errors, 1);
		f.op = AIBRIX_STORE_PROBE;
		f.at = 1;
		cr_expect_eq(stat_with_fault(f, 1).l2_errors, 1);
	}
}

static void
lines_count(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	(void)level;
	(void)code;
	(void)text;
	++*(int *)ctx;
}

Test(cache_l2, an_outage_is_logged_each_time_it_has_doubled)
{
	int lines = 0;
	aibrix_log log = {sizeof(log), 0, &lines, lines_count};
	struct store_fault down[100];
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .log = &log};
	aibrix_cache *cache;

	for (uint64_t i = 0; i < 100; i++)
		down[i] = (struct store_fault){.kind = FAULT_STATUS,
					       .op = AIBRIX_STORE_PROBE,
					       .at = i,
					       .status = AIBRIX_E_CLOSED};
	o.l2 = new_store(8);
	aibrix__store_faults(o.l2, down, 100);
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(count_blocks(cache, 1, 1), 0);
	cr_expect_eq(stat_of(cache).l2_errors, 100);
	cr_expect_eq(lines, 7, "at 1, 2, 4, 8, 16, 32 and 64");
	aibrix_cache_free(cache);
	aibrix_store_free(o.l2);
}

Test(cache_l2, a_value_that_is_gone_after_its_probe_is_a_miss)
{
	struct store_fault f = {FAULT_STATUS, AIBRIX_STORE_GET, 0, 0,
				AIBRIX_E_NOT_FOUND};

	cr_expect_eq(stat_with_fault(f, 0).l2_errors, 0);
}

Test(cache_l2, every_flipped_byte_of_a_value_is_caught)
{
	for (uint64_t at = 0; at < VALUE; at += 3) {
		struct store_fault f = {FAULT_CORRUPT, AIBRIX_STORE_GET, 1, at,
					0};
		aibrix_cache_stat s = stat_with_fault(f, 1);

		/* Another version is somebody else's value. */
		if (at != 4 && at != 5)
			cr_expect_eq(s.corrupt_l2, 1, "byte %llu",
				     (unsigned long long)at);
	}
}

Test(cache_l2, a_damaged_value_is_deleted_and_can_be_written_again)
{
	static const struct store_fault damage[] = {
		{FAULT_CORRUPT, AIBRIX_STORE_GET, 0, VALUE - 1, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;

	store_blocks(store, 1, 2);
	aibrix__store_faults(store, damage, 1);
	cache = new_cache(16, store);
	cr_expect_eq(count_blocks(cache, 1, 2), 0);
	settle_all(cache, 1);
	cr_expect_eq(values_of(store), 1);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	settle_all(cache, 1);
	cr_expect_eq(values_of(store), 2);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_lease_ends_at_its_deadline_with_what_has_arrived)
{
	static const struct store_fault lost[] = {
		{FAULT_DROP, AIBRIX_STORE_GET, 2, 0, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;
	uint64_t lease, n = 7, busy;

	store_blocks(store, 1, 4);
	aibrix__store_faults(store, lost, 1);
	cache = new_cache(16, store);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 4, 1000, 1, &lease, &n),
		AIBRIX_E_AGAIN);
	for (uint64_t now = 1; now < 20; now++) {
		cr_assert_eq(aibrix_cache_poll(cache, now, 0, &busy), 0);
		cr_assert_eq(aibrix_cache_state(cache, lease, &n),
			     AIBRIX_E_AGAIN);
		check(cache);
	}
	cr_assert_eq(aibrix_cache_poll(cache, 1000, 0, &busy), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_state(cache, lease, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	check(cache);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* The second lease has nothing in flight that could run late for it. */
Test(cache_l2, who_waits_for_anothers_fetch_waits_until_its_own_deadline)
{
	static const struct store_fault lost[] = {
		{FAULT_DROP, AIBRIX_STORE_GET, 0, 0, 0}};
	aibrix_store *store = new_store(16);
	uint64_t first, second, n = 7, busy;
	aibrix_cache *cache;

	store_blocks(store, 1, 1);
	aibrix__store_faults(store, lost, 1);
	cache = new_cache(16, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 1, 0, 1, &first, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 1, 100, 1, &second, &n),
		AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 99, 0, &busy), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_state(cache, second, &n), AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 100, 0, &busy), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_state(cache, second, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_cache_state(cache, first, &n), AIBRIX_E_AGAIN);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, an_acquire_past_its_deadline_is_what_l1_has)
{
	aibrix_store *store = new_store(16);
	aibrix_cache *cache;
	uint64_t lease, n = 7;

	store_blocks(store, 1, 4);
	cache = new_cache(16, store);
	cr_expect_eq(aibrix_cache_acquire(cache, chain(1), 4, 5, 5, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, a_read_only_l2_is_not_written)
{
	aibrix_store *store = new_store(16);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .l2 = store,
			       .flags = AIBRIX_CACHE_NO_L2_WRITE};
	aibrix_cache *cache;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	settle_all(cache, 1);
	cr_expect_eq(values_of(store), 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

/* Its owner may know better, or may want to look at it. */
Test(cache_l2, a_damaged_value_of_a_read_only_l2_is_a_miss_and_stays)
{
	static const struct store_fault damage[] = {
		{FAULT_CORRUPT, AIBRIX_STORE_GET, 0, VALUE - 1, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .l2 = store,
			       .flags = AIBRIX_CACHE_NO_L2_WRITE};
	aibrix_store_stat l2 = {.size = sizeof(l2)};
	aibrix_cache *cache;

	store_blocks(store, 1, 2);
	aibrix__store_faults(store, damage, 1);
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 2), 0);
	settle_all(cache, 1);
	cr_expect_eq(stat_of(cache).corrupt_l2, 1);
	cr_expect_eq(values_of(store), 2);
	cr_assert_eq(aibrix_store_stats(store, &l2), AIBRIX_OK);
	cr_expect_eq(l2.deletes, 0);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, free_cancels_reads_that_would_wait_for_ever, .timeout = 20)
{
	static const struct store_fault lost[] = {
		{FAULT_DROP, AIBRIX_STORE_PROBE, 0, 0, 0}};
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = new_cache(16, store);
	uint64_t lease, n, busy;

	aibrix__store_faults(store, lost, 1);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 1, AIBRIX_FOREVER, 1,
					  &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_assert_eq(busy, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, free_waits_for_writes_and_gives_reads_up)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *cache = new_cache(16, store);
	uint64_t lease, n;

	cr_assert_eq(put_blocks(cache, 1, 8), 8);
	aibrix_cache_free(cache);
	cr_expect_eq(values_of(store), 8);

	cache = new_cache(16, store);
	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 8, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
}

Test(cache_l2, caches_that_share_a_store_may_be_polled_in_any_order)
{
	aibrix_store *store = new_store(64);
	aibrix_cache *a, *b;
	uint64_t first, second, n = 0, busy;

	store_blocks(store, 1, 5);
	store_blocks(store, 2, 5);
	a = new_cache(16, store);
	b = new_cache(16, store);
	cr_assert_eq(aibrix_cache_acquire(a, chain(1), 5, 0, 1, &first, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_acquire(b, chain(2), 5, 0, 1, &second, &n),
		     AIBRIX_E_AGAIN);
	for (int i = 0; i < 50; i++)
		cr_assert_eq(aibrix_cache_poll(a, 1, 0, &busy), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_state(a, first, &n), AIBRIX_OK);
	cr_expect_eq(n, 5);
	settle_all(b, 1);
	cr_expect_eq(aibrix_cache_state(b, second, &n), AIBRIX_OK);
	cr_expect_eq(n, 5);
	aibrix_cache_free(a);
	check(b);
	aibrix_cache_free(b);
	aibrix_store_free(store);
}

/* Flip one bit of the first place in the file that holds n bytes of value
 * byte. */
static void
flip_in_file(const char *path, uint8_t byte, size_t n)
{
	int fd = open(path, O_RDWR);
	uint8_t *all;
	off_t size;
	size_t run = 0;
	uint8_t bad = byte ^ 0x20;

	cr_assert_geq(fd, 0);
	size = lseek(fd, 0, SEEK_END);
	all = malloc((size_t)size);
	cr_assert_eq(pread(fd, all, (size_t)size, 0), size);
	for (off_t i = 0; i < size; i++) {
		run = all[i] == byte ? run + 1 : 0;
		if (run == n) {
			cr_assert_eq(pwrite(fd, &bad, 1, i - (off_t)n / 2), 1);
			break;
		}
	}
	cr_assert_eq(run, n, "the block is in the file");
	free(all);
	close(fd);
}

Test(cache_l2, a_byte_flipped_in_the_slot_file_is_caught_and_counted)
{
	struct temp_path path = temp_path_new();
	aibrix_store_opts o = {.size = sizeof(o),
			       .backend = AIBRIX_BACKEND_FILE,
			       .path = path.text,
			       .capacity_bytes = 64 * 4096,
			       .value_bytes = VALUE};
	aibrix_store *store;
	aibrix_cache *cache;

	cr_assert_eq(aibrix_store_open(&o, &store), AIBRIX_OK);
	store_blocks(store, 1, 6);
	flip_in_file(path.text, byte_of(1, 3), BLOCK);

	cache = new_cache(16, store);
	cr_expect_eq(count_blocks(cache, 1, 6), 3, "the prefix ends there");
	cr_expect_eq(stat_of(cache).corrupt_l2, 1);
	settle_all(cache, 1);
	cr_expect_eq(count_blocks(cache, 1, 6), 3);
	cr_expect_eq(stat_of(cache).corrupt_l2, 1, "it is gone");
	settle_all(cache, 1);
	cr_assert_eq(put_blocks(cache, 1, 6), 6);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	cache = new_cache(16, store);
	cr_expect_eq(count_blocks(cache, 1, 6), 6, "it was written again");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	unlink(path.text);
}
