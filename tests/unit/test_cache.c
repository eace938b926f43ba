#include "cache_tools.h"

#include <aibrix/base.h>

static int
open_with(const aibrix_cache_opts *o)
{
	aibrix_cache *cache = NULL;
	int err = aibrix_cache_new(o, &cache);

	aibrix_cache_free(cache);
	return err;
}

Test(cache, sizes_that_hold_no_block_are_refused)
{
	aibrix_cache_opts o = {
		.size = sizeof(o), .block_bytes = 64, .l1_bytes = 63};

	cr_expect_eq(open_with(&o), AIBRIX_E_INVAL);
	o.l1_bytes = 64;
	cr_expect_eq(open_with(&o), AIBRIX_OK);
	o.block_bytes = 0;
	cr_expect_eq(open_with(&o), AIBRIX_E_INVAL);
	o.block_bytes = 64;
	o.evict = 99;
	cr_expect_eq(open_with(&o), AIBRIX_E_INVAL);
	o.evict = 0;
	o.flags = 1u << 31;
	cr_expect_eq(open_with(&o), AIBRIX_E_ABI);
	o.flags = 0;
	o.size = 4;
	cr_expect_eq(open_with(&o), AIBRIX_E_INVAL);
	cr_expect_eq(open_with(NULL), AIBRIX_E_INVAL);
}

Test(cache, a_store_whose_values_are_too_short_is_refused)
{
	aibrix_store *store = new_store(4);
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK + 1,
			       .l1_bytes = 1024,
			       .l2 = store};

	cr_expect_eq(open_with(&o), AIBRIX_E_INVAL);
	o.block_bytes = BLOCK;
	cr_expect_eq(open_with(&o), AIBRIX_OK);
	aibrix_store_free(store);
}

Test(cache, null_arguments_are_refused)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint64_t lease = 7, n = 7;
	aibrix_cache_view view = {.size = 1};

	aibrix_cache_free(NULL);
	cr_expect_eq(aibrix_cache_lookup(NULL, chain(1), 1), 0);
	cr_expect_eq(aibrix_cache_acquire(cache, NULL, 1, 0, 0, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_acquire(cache, chain(1), 1, 0, 0, NULL, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_reserve(cache, NULL, NULL, 1, 0, &lease, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(lease, 7, "outputs are untouched");
	cr_expect_eq(aibrix_cache_poll(cache, 0, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_stats(cache, NULL), AIBRIX_E_INVAL);
	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(get_blocks(cache, 1, 1, &lease), 1);
	cr_expect_eq(aibrix_cache_block(cache, lease, 0, &view),
		     AIBRIX_E_INVAL);
	aibrix_cache_free(cache);
}

Test(cache, what_was_committed_is_what_is_read)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t lease;

	cr_expect_eq(put_blocks(cache, 1, 5), 5);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 9), 5);
	cr_assert_eq(get_blocks(cache, 1, 9, &lease), 5);
	cr_expect_eq(view_of(cache, lease, 4).tier, AIBRIX_CACHE_L1);
	cr_expect_eq(view_of(cache, lease, 4).bytes, BLOCK);
	cr_expect_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(stat_of(cache).asked, 9);
	cr_expect_eq(stat_of(cache).hits_l1, 5);
	cr_expect_eq(stat_of(cache).stored, 5);
	aibrix_cache_free(cache);
}

Test(cache, a_block_is_invisible_until_it_is_committed)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t lease;

	cr_assert_eq(fill_blocks(cache, 1, 3, &lease), 3);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 3), 0);
	cr_expect_eq(count_blocks(cache, 1, 3), 0);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 3), 3);
	aibrix_cache_free(cache);
}

Test(cache, an_aborted_reservation_leaves_nothing)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint64_t lease;

	cr_assert_eq(fill_blocks(cache, 1, 4, &lease), 4);
	cr_expect_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	check(cache);
	cr_expect_eq(aibrix_cache_abort(cache, lease), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(cache).l1_blocks, 0);
	cr_expect_eq(put_blocks(cache, 2, 4), 4, "its room is free again");
	aibrix_cache_free(cache);
}

Test(cache, blocks_that_are_there_need_not_be_filled)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t lease;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	cr_assert_eq(fill_blocks(cache, 1, 5, &lease), 5);
	cr_expect_null(view_of(cache, lease, 2).data);
	cr_expect_not_null(view_of(cache, lease, 3).data);
	cr_expect_eq(view_of(cache, lease, 3).tier, 0);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 5), 5);
	cr_expect_eq(stat_of(cache).stored, 5);
	aibrix_cache_free(cache);
}

Test(cache, two_reservations_of_one_key_make_one_entry)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t first, second, n;

	cr_assert_eq(fill_blocks(cache, 1, 3, &first), 3);
	cr_assert_eq(fill_blocks(cache, 1, 4, &second), 4);
	cr_expect_null(view_of(cache, second, 0).data);
	cr_expect_not_null(view_of(cache, second, 3).data);
	cr_assert_eq(aibrix_cache_commit(cache, second, 1), AIBRIX_OK);
	check(cache);
	cr_expect_eq(count_blocks(cache, 1, 4), 0, "the first has the front");
	cr_assert_eq(aibrix_cache_commit(cache, first, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 1, 4), 4);
	cr_expect_eq(aibrix_cache_state(cache, first, &n), AIBRIX_E_NOT_FOUND);
	aibrix_cache_free(cache);
}

Test(cache, a_key_twice_in_a_chain_is_stored_once)
{
	aibrix_cache *cache = new_cache(8, NULL);
	aibrix_key keys[3] = {key_of(1, 0), key_of(1, 1), key_of(1, 0)};
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_reserve(cache, keys, NULL, 3, 1, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 3);
	cr_expect_null(view_of(cache, lease, 2).data);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	check(cache);
	cr_expect_eq(aibrix_cache_lookup(cache, keys, 3), 3);
	cr_expect_eq(stat_of(cache).stored, 2);
	aibrix_cache_free(cache);
}

Test(cache, a_zero_key_is_no_key)
{
	aibrix_cache *cache = new_cache(8, NULL);
	aibrix_key keys[2] = {key_of(1, 0), {{0}}};
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_reserve(cache, keys, NULL, 2, 1, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 1, "the prefix ends before it");
	cr_expect_eq(stat_of(cache).no_room, 0, "not for want of room");
	cr_expect_eq(aibrix_cache_abort(cache, lease), AIBRIX_OK);
	cr_expect_eq(
		aibrix_cache_reserve(cache, keys + 1, NULL, 1, 1, &lease, &n),
		AIBRIX_E_INVAL);
	check(cache);
	aibrix_cache_free(cache);
}

Test(cache, an_empty_prompt_has_an_empty_lease)
{
	aibrix_cache *cache = new_cache(2, NULL);
	uint64_t lease, n = 9;

	cr_assert_eq(aibrix_cache_acquire(cache, NULL, 0, 0, 1, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_neq(lease, 0);
	cr_expect_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_reserve(cache, NULL, NULL, 0, 1, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	check(cache);
	aibrix_cache_free(cache);
}

Test(cache, a_lease_is_used_as_what_it_is)
{
	aibrix_cache *cache = new_cache(8, NULL);
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t lease, writing, n = 0;

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(get_blocks(cache, 1, 2, &lease), 2);
	cr_assert_eq(fill_blocks(cache, 2, 2, &writing), 2);
	cr_expect_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_abort(cache, lease), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_release(cache, writing), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_cache_block(cache, lease, 2, &v),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_state(cache, writing, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(aibrix_cache_block(cache, 0, 0, &v), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_cache_release(cache, UINT64_MAX),
		     AIBRIX_E_NOT_FOUND);
	aibrix_cache_free(cache);
}

Test(cache, the_handle_of_an_ended_lease_is_refused_for_ever)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint64_t old, lease, n;
	aibrix_cache_view v = {.size = sizeof(v)};

	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(get_blocks(cache, 1, 1, &old), 1);
	cr_assert_eq(aibrix_cache_release(cache, old), AIBRIX_OK);
	for (int i = 0; i < 5000; i++) {
		cr_assert_eq(get_blocks(cache, 1, 1, &lease), 1);
		cr_assert_neq(lease, old);
		cr_assert_eq(aibrix_cache_release(cache, old),
			     AIBRIX_E_NOT_FOUND);
		cr_assert_eq(aibrix_cache_block(cache, old, 0, &v),
			     AIBRIX_E_NOT_FOUND);
		cr_assert_eq(aibrix_cache_state(cache, old, &n),
			     AIBRIX_E_NOT_FOUND);
		cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	}
	aibrix_cache_free(cache);
}

Test(cache, leases_are_limited_and_an_ended_one_makes_room)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .max_leases = 3};
	aibrix_cache *cache;
	uint64_t lease[3], other = 7, n = 7;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(get_blocks(cache, 1, 1, &lease[i]), 0);
	cr_expect_eq(stat_of(cache).leases, 3);
	cr_expect_eq(aibrix_cache_acquire(cache, chain(1), 1, 0, 1, &other, &n),
		     AIBRIX_E_FULL);
	cr_expect_eq(
		aibrix_cache_reserve(cache, chain(1), NULL, 1, 1, &other, &n),
		AIBRIX_E_FULL);
	cr_expect(other == 7 && n == 7, "outputs are untouched");
	cr_expect_eq(aibrix_cache_release(cache, lease[1]), AIBRIX_OK);
	cr_expect_eq(put_blocks(cache, 1, 1), 1);
	aibrix_cache_free(cache);
}

Test(cache, leaves_are_evicted_before_their_parents)
{
	aibrix_cache *cache = new_cache(4, NULL);

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(put_blocks(cache, 2, 2), 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 2);
	cr_expect_eq(stat_of(cache).evicted, 2);
	aibrix_cache_free(cache);
}

Test(cache, a_chain_that_was_read_outlives_one_that_was_not)
{
	aibrix_cache *cache = new_cache(4, NULL);

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(put_blocks(cache, 2, 2), 2);
	cr_assert_eq(count_blocks(cache, 1, 2), 2);
	cr_assert_eq(put_blocks(cache, 3, 2), 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 2), 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 2), 0);
	aibrix_cache_free(cache);
}

Test(cache, reading_a_chain_leaves_its_leaves_the_first_to_go)
{
	aibrix_cache *cache = new_cache(8, NULL);

	cr_assert_eq(put_blocks(cache, 1, 8), 8);
	cr_assert_eq(count_blocks(cache, 1, 8), 8);
	cr_assert_eq(put_blocks(cache, 2, 3), 3);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 8), 5);
	aibrix_cache_free(cache);
}

/* Making room for chain 3 meets chain 1, which is held, and puts it aside. */
Test(cache, a_chain_that_was_held_comes_back_with_its_leaves_first_to_go)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t held;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(get_blocks(cache, 1, 4, &held), 4);
	cr_assert_eq(put_blocks(cache, 2, 4), 4);
	cr_assert_eq(put_blocks(cache, 3, 2), 2);
	cr_assert_eq(aibrix_cache_release(cache, held), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(2), 4), 2);
	cr_assert_eq(put_blocks(cache, 4, 6), 6);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 2);
	aibrix_cache_free(cache);
}

Test(cache, a_growing_chain_keeps_its_front_longest)
{
	aibrix_cache *cache = new_cache(4, NULL);

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(put_blocks(cache, 2, 2), 2);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 4), 2);
	aibrix_cache_free(cache);
}

Test(cache, held_blocks_are_never_evicted)
{
	aibrix_cache *cache = new_cache(4, NULL);
	uint64_t lease, writing = 7, n = 7;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(get_blocks(cache, 1, 4, &lease), 4);
	cr_expect_eq(
		aibrix_cache_reserve(cache, chain(2), NULL, 3, 1, &writing, &n),
		AIBRIX_E_FULL);
	cr_expect(writing == 7 && n == 7, "outputs are untouched");
	check(cache);
	cr_expect_eq(stat_of(cache).no_room, 3);
	cr_expect_eq(stat_of(cache).l1_pinned, 4);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(put_blocks(cache, 2, 3), 3);
	aibrix_cache_free(cache);
}

Test(cache, the_longest_prefix_is_reserved_and_never_a_suffix)
{
	aibrix_cache *cache = new_cache(6, NULL);
	uint64_t held, lease;

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(get_blocks(cache, 1, 4, &held), 4);
	cr_expect_eq(fill_blocks(cache, 2, 5, &lease), 2);
	cr_expect_eq(stat_of(cache).no_room, 3);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(count_blocks(cache, 2, 5), 2);
	aibrix_cache_free(cache);
}

Test(cache, room_is_not_made_from_the_chain_itself)
{
	aibrix_cache *cache = new_cache(4, NULL);

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	cr_assert_eq(put_blocks(cache, 2, 1), 1);
	cr_expect_eq(put_blocks(cache, 1, 6), 4, "only chain 2 gives way");
	cr_expect_eq(count_blocks(cache, 1, 6), 4);
	cr_expect_eq(stat_of(cache).evicted, 1);
	aibrix_cache_free(cache);
}

Test(cache, a_hole_is_filled_at_the_price_of_what_lies_behind_it)
{
	aibrix_cache *cache = new_cache(4, NULL);
	aibrix_key *keys = chain(1);
	uint64_t lease, n;

	/* Blocks 1 to 4 without block 0. */
	cr_assert_eq(
		aibrix_cache_reserve(cache, keys + 1, NULL, 4, 1, &lease, &n),
		AIBRIX_OK);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(fill_blocks(cache, 1, 5, &lease), 4);
	cr_expect_not_null(view_of(cache, lease, 0).data);
	cr_expect_null(view_of(cache, lease, 3).data);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_lookup(cache, keys, 5), 4);
	aibrix_cache_free(cache);
}

Test(cache, a_byte_flipped_in_l1_memory_is_caught_and_counted)
{
	aibrix_cache *cache = new_cache(8, NULL);
	uint64_t lease;
	uint8_t *data;

	cr_assert_eq(put_blocks(cache, 1, 5), 5);
	cr_assert_eq(get_blocks(cache, 1, 5, &lease), 5);
	data = view_of(cache, lease, 2).data;
	data[17] ^= 4;

	cr_expect_eq(count_blocks(cache, 1, 5), 2, "the prefix ends there");
	cr_expect_eq(stat_of(cache).corrupt_l1, 1);
	cr_expect_eq(aibrix_cache_lookup(cache, chain(1), 5), 2);
	cr_expect_eq(count_blocks(cache, 1, 5), 2);
	cr_expect_eq(stat_of(cache).corrupt_l1, 1, "it is dropped");
	data[17] ^= 4; /* still the first lease's to read */
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	cr_expect_eq(stat_of(cache).l1_blocks, 4);
	cr_expect_eq(put_blocks(cache, 1, 5), 5, "it can be stored again");
	cr_expect_eq(count_blocks(cache, 1, 5), 5);
	aibrix_cache_free(cache);
}

Test(cache, without_verification_memory_is_trusted)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .flags = AIBRIX_CACHE_NO_L1_VERIFY};
	aibrix_cache *cache;
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(get_blocks(cache, 1, 2, &lease), 2);
	*(uint8_t *)view_of(cache, lease, 0).data ^= 1;
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_acquire(cache, chain(1), 2, 0, 1, &lease, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	aibrix_cache_free(cache);
}

static void
keep_code(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	(void)level;
	(void)text;
	*(uint32_t *)ctx = code;
}

Test(cache, damage_is_logged_with_its_number)
{
	uint32_t code = 0;
	aibrix_log log = {sizeof(log), 0, &code, keep_code};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 8 * BLOCK,
			       .log = &log};
	aibrix_cache *cache;
	uint64_t lease;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(put_blocks(cache, 1, 1), 1);
	cr_assert_eq(get_blocks(cache, 1, 1, &lease), 1);
	*(uint8_t *)view_of(cache, lease, 0).data ^= 1;
	cr_expect_eq(count_blocks(cache, 1, 1), 0);
	if (aibrix_has(AIBRIX_FEATURE_LOGGING))
		cr_expect_eq(code, 200);
	aibrix_cache_free(cache);
}

Test(cache, a_lease_of_a_million_blocks_is_held_and_released)
{
	enum { MILLION = 1000000 };
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = 64,
			       .l1_bytes = (uint64_t)MILLION * 64};
	aibrix_key *keys = calloc(MILLION, sizeof(*keys));
	aibrix_cache *cache;
	uint64_t lease, n;

	for (uint32_t i = 0; i < MILLION; i++)
		keys[i] = key_of(1, i);
	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	cr_assert_eq(
		aibrix_cache_reserve(cache, keys, NULL, MILLION, 1, &lease, &n),
		AIBRIX_OK);
	cr_expect_eq(n, MILLION);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_assert_eq(
		aibrix_cache_acquire(cache, keys, MILLION, 0, 1, &lease, &n),
		AIBRIX_OK);
	cr_expect_eq(n, MILLION);
	cr_expect_eq(stat_of(cache).l1_pinned, MILLION);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	check(cache);
	aibrix_cache_free(cache);
	free(keys);
}

Test(cache, without_l2_a_poll_has_nothing_to_do)
{
	aibrix_cache *cache = new_cache(2, NULL);
	uint64_t busy = 9;

	cr_expect_eq(aibrix_cache_poll(cache, 1, 1000, &busy), AIBRIX_OK);
	cr_expect_eq(busy, 0);
	aibrix_cache_free(cache);
}
