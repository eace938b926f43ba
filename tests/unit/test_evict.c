#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/evict.h>

#include "evict/evict_internal.h"
#include "evict_help.h"

static aibrix_evict *
new_evict(uint32_t policy, uint32_t capacity)
{
	return new_order(
		(aibrix_evict_opts){.policy = policy, .capacity = capacity});
}

static void
pin(aibrix_evict *evict, uint32_t slot)
{
	cr_assert_eq(aibrix_evict_pin(evict, slot), AIBRIX_OK);
}

static void
unpin(aibrix_evict *evict, uint32_t slot)
{
	cr_assert_eq(aibrix_evict_unpin(evict, slot), AIBRIX_OK);
}

static int
new_with(aibrix_evict_opts o)
{
	aibrix_evict *evict = NULL;
	int err;

	o.size = sizeof(o);
	err = aibrix_evict_new(&o, &evict);
	if (err)
		cr_expect_null(evict, "output untouched on failure");
	aibrix_evict_free(evict);
	return err;
}

Test(evict, options_out_of_range_are_refused)
{
	enum { COMPAT = AIBRIX_EVICT_COMPAT };
	static const aibrix_evict_opts bad[] = {
		{.policy = AIBRIX_EVICT_DENSITY + 1},
		{.capacity = (1 << 30) + 1},
		{.ghosts = (1 << 30) + 1},
		{.signals = (1 << 30) + 1},
		{.signal_kinds = 8},
		{.promote_hits = 4},
		{.small_ratio = 1.0},
		{.small_ratio = -0.1},
		{.flags = AIBRIX_EVICT_COMPAT_OVERFLOW},
		{.policy = AIBRIX_EVICT_ARC, .flags = COMPAT},
		{.policy = AIBRIX_EVICT_AUTO, .flags = COMPAT},
	};
	aibrix_evict_opts nan_ratio = {.small_ratio = NAN};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(new_with(bad[i]), AIBRIX_E_INVAL, "row %zu", i);
	cr_expect_eq(new_with(nan_ratio), AIBRIX_E_INVAL);
	cr_expect_eq(new_with((aibrix_evict_opts){.flags = 16}), AIBRIX_E_ABI);
}

Test(evict, null_options_are_lru_of_1024_slots)
{
	aibrix_evict *evict = NULL;

	cr_assert_eq(aibrix_evict_new(NULL, &evict), AIBRIX_OK);
	insert(evict, 1023);
	cr_expect_eq(
		aibrix_evict_insert(evict, 1024, 0, AIBRIX_EVICT_NO_PARENT),
		AIBRIX_E_INVAL);
	insert(evict, 0);
	hit(evict, 1023, 1);
	EXPECT_POPS(evict, 0, 1023);
	aibrix_evict_free(evict);
}

Test(evict, null_pointers_are_invalid)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 2);
	aibrix_evict_stat stat = {.size = sizeof(stat)};
	uint32_t slot;

	cr_expect_eq(aibrix_evict_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_insert(NULL, 0, 0, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_hit(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_remove(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_pop(NULL, &slot), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_pop(evict, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_pin(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_unpin(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_insert_block(evict, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_rewrite(NULL, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_reserve(NULL, NULL, 1, 0, &slot, &slot),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_reserve(evict, NULL, 1, 0, NULL, &slot),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_reserve(evict, NULL, 1, 0, &slot, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_drain(NULL, NULL, 0, &slot), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_drain(evict, NULL, 1, &slot), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_due(NULL), 0);
	cr_expect_eq(aibrix_evict_fingerprint(NULL, 0), 0);
	cr_expect_eq(aibrix_evict_fingerprint(evict, 2), 0);
	cr_expect_eq(aibrix_evict_stats(NULL, &stat), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_stats(evict, NULL), AIBRIX_E_INVAL);
	aibrix_evict_free(evict);
	aibrix_evict_free(NULL);
}

Test(evict, a_statistics_struct_without_its_size_is_invalid)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 2);
	aibrix_evict_stat stat = {.size = 0, .hits = 7};

	cr_expect_eq(aibrix_evict_stats(evict, &stat), AIBRIX_E_INVAL);
	cr_expect_eq(stat.hits, 7, "output untouched on failure");
	aibrix_evict_free(evict);
}

Test(evict, pop_on_empty_says_not_found)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++) {
		aibrix_evict *evict = new_evict(policy, 2);
		uint32_t slot = 7;

		cr_expect_eq(aibrix_evict_pop(evict, &slot),
			     AIBRIX_E_NOT_FOUND);
		cr_expect_eq(slot, 7, "output untouched on failure");
		aibrix_evict_free(evict);
	}
}

Test(evict, a_slot_is_in_the_order_once)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 2);

	insert(evict, 1);
	cr_expect_eq(aibrix_evict_insert(evict, 1, 9, AIBRIX_EVICT_NO_PARENT),
		     AIBRIX_E_STATE);
	cr_expect_eq(stats_of(evict).inserts, 1);
	aibrix_evict_free(evict);
}

Test(evict, the_parent_is_another_slot_of_the_order_or_none)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 2);

	cr_expect_eq(aibrix_evict_insert(evict, 0, 0, 2), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_insert(evict, 0, 0, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_insert(evict, 0, 0, 1), AIBRIX_OK);
	aibrix_evict_free(evict);
}

Test(evict, absent_slots_are_not_found)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 2);
	static const uint32_t absent[] = {1, 2, UINT32_MAX};

	for (size_t i = 0; i < 3; i++) {
		cr_expect_eq(aibrix_evict_hit(evict, absent[i]), -4);
		cr_expect_eq(aibrix_evict_remove(evict, absent[i]), -4);
		cr_expect_eq(aibrix_evict_pin(evict, absent[i]), -4);
		cr_expect_eq(aibrix_evict_unpin(evict, absent[i]), -4);
	}
	cr_expect_eq(stats_of(evict).hits, 0);
	aibrix_evict_free(evict);
}

Test(evict, lru_gives_up_the_least_recently_used)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 4);

	insert_range(evict, 0, 4);
	hit(evict, 0, 1);
	hit(evict, 2, 1);
	hit(evict, 2, 1);
	EXPECT_POPS(evict, 1, 3, 0, 2);
	aibrix_evict_free(evict);
}

Test(evict, chains_walked_last_block_first_lose_their_leaves_first)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 6);

	/* Chain 0 1 2, then 0 1 3 4: shared parents become recent again. */
	insert(evict, 2);
	insert(evict, 1);
	insert(evict, 0);
	insert(evict, 4);
	insert(evict, 3);
	hit(evict, 1, 1);
	hit(evict, 0, 1);
	EXPECT_POPS(evict, 2, 4, 3, 1, 0);
	aibrix_evict_free(evict);
}

Test(evict, remove_takes_a_slot_out_of_the_middle)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++) {
		aibrix_evict *evict = new_evict(policy, 10);

		insert_range(evict, 0, 5);
		cr_expect_eq(aibrix_evict_remove(evict, 2), AIBRIX_OK);
		cr_expect_eq(aibrix_evict_remove(evict, 2), AIBRIX_E_NOT_FOUND);
		cr_expect_eq(stats_of(evict).count, 4);
		cr_expect_eq(stats_of(evict).evictions, 0);
		EXPECT_POPS(evict, 0, 1, 3, 4);
		aibrix_evict_free(evict);
	}
}

Test(evict, a_removed_slot_is_not_remembered)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 10);

	insert(evict, 3);
	cr_expect_eq(aibrix_evict_remove(evict, 3), AIBRIX_OK);
	cr_expect_eq(stats_of(evict).ghosts, 0);
	insert(evict, 3);
	cr_expect_eq(stats_of(evict).ghost_hits, 0);
	aibrix_evict_free(evict);
}

/* AIBrix's own trace (kvcache, S3FIFO of 10 blocks, ratio 0.3, promotion 1);
 * a put there evicts one block more than it needs, hence two pops. */
Test(evict, s3fifo_follows_the_reference_trace)
{
	/* 14 slots, so that slot and key are one number; a ratio that makes
	 * the small share 3, as with 10 blocks. */
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_S3FIFO,
			       .capacity = 14,
			       .small_ratio = 0.25};
	aibrix_evict *evict = NULL;

	cr_assert_eq(aibrix_evict_new(&o, &evict), AIBRIX_OK);
	insert_range(evict, 0, 10);
	hit(evict, 0, 1);
	hit(evict, 1, 1);
	hit(evict, 2, 4);
	EXPECT_POPS(evict, 3, 4);
	insert(evict, 10);
	insert(evict, 11);
	EXPECT_POPS(evict, 5, 6);
	insert(evict, 3);
	cr_expect_eq(stats_of(evict).ghost_hits, 1);
	cr_expect_eq(stats_of(evict).ghosts, 3, "4, 5 and 6");
	insert(evict, 12);
	EXPECT_POPS(evict, 7, 8);
	insert(evict, 13);
	EXPECT_POPS(evict, 9, 10, 0);
	cr_expect_eq(stats_of(evict).ghosts, 7, "4 to 10; 0 left from main");
	cr_expect_eq(stats_of(evict).count, 6);
	/* Small is 13 12 11, within its share; main is 3 2 1. */
	EXPECT_POPS(evict, 1, 2, 3, 11, 12, 13);
	aibrix_evict_free(evict);
}

Test(evict, s3fifo_promotes_at_the_wanted_number_of_hits)
{
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_S3FIFO,
			       .capacity = 4,
			       .promote_hits = 2};
	aibrix_evict *evict = NULL;

	cr_assert_eq(aibrix_evict_new(&o, &evict), AIBRIX_OK);
	insert_range(evict, 0, 4);
	hit(evict, 0, 1);
	hit(evict, 1, 2);
	EXPECT_POPS(evict, 0, 2, 1, 3);
	aibrix_evict_free(evict);
}

Test(evict, s3fifo_gives_main_at_most_three_second_chances)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 4);
	uint32_t slot;

	/* Main: 0 (many hits), 1 (three), 2 (none); small: 3. */
	insert_range(evict, 0, 3);
	for (uint32_t i = 0; i < 3; i++)
		hit(evict, i, 1);
	insert(evict, 3);
	cr_assert_eq(aibrix_evict_pop(evict, &slot), AIBRIX_OK);
	cr_expect_eq(slot, 0, "promoted first, so the tail of main");
	insert(evict, 0);
	hit(evict, 1, 100);
	hit(evict, 2, 3);
	EXPECT_POPS(evict, 3, 1, 2, 0);
	aibrix_evict_free(evict);
}

Test(evict, ghosts_are_bounded_by_main_and_the_oldest_go_first)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 10);
	uint32_t slot;

	for (uint64_t key = 0; key < 100000; key++) {
		cr_assert_eq(aibrix_evict_insert(evict, 0, key,
						 AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_evict_pop(evict, &slot), AIBRIX_OK);
	}
	cr_expect_eq(stats_of(evict).ghosts, 7);
	cr_expect_eq(stats_of(evict).ghost_hits, 0);

	for (uint64_t key = 99992; key < 99994; key++)
		cr_assert_eq(aibrix_evict_insert(evict, (uint32_t)key - 99992,
						 key, AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
	cr_expect_eq(stats_of(evict).ghost_hits, 1, "99993, not 99992");
	cr_expect_eq(stats_of(evict).ghosts, 6);
	aibrix_evict_free(evict);
}

Test(evict, a_fingerprint_of_two_slots_is_remembered_once)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 10);

	for (uint32_t slot = 0; slot < 2; slot++)
		cr_assert_eq(aibrix_evict_insert(evict, slot, 42,
						 AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
	EXPECT_POPS(evict, 0, 1);
	cr_expect_eq(stats_of(evict).ghosts, 1);
	aibrix_evict_free(evict);
}

Test(evict, an_order_of_one_slot_works)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++) {
		aibrix_evict *evict = new_evict(policy, 1);

		for (int i = 0; i < 3; i++) {
			insert(evict, 0);
			hit(evict, 0, 2);
			EXPECT_POPS(evict, 0);
		}
		cr_expect_leq(stats_of(evict).ghosts, 2,
			      "arc's: twice the "
			      "slots");
		aibrix_evict_free(evict);
	}
}

Test(evict, pinned_slots_are_never_victims)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++) {
		aibrix_evict *evict = new_evict(policy, 3);
		uint32_t slot = 7;

		insert_range(evict, 0, 3);
		pin(evict, 0);
		pin(evict, 2);
		EXPECT_POPS(evict, 1);
		cr_expect_eq(aibrix_evict_pop(evict, &slot),
			     AIBRIX_E_NOT_FOUND);
		cr_expect_eq(slot, 7);
		cr_expect_eq(stats_of(evict).count, 2);
		cr_expect_eq(stats_of(evict).pinned, 2);
		aibrix_evict_free(evict);
	}
}

Test(evict, a_slot_put_aside_comes_back_as_the_most_recent)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 4);

	insert_range(evict, 0, 4);
	pin(evict, 0);
	EXPECT_POPS(evict, 1);
	unpin(evict, 0);
	EXPECT_POPS(evict, 2, 3, 0);
	aibrix_evict_free(evict);
}

Test(evict, a_slot_put_aside_comes_back_into_main)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 4);

	insert_range(evict, 0, 4);
	pin(evict, 0);
	EXPECT_POPS(evict, 1, 2);
	unpin(evict, 0);
	cr_expect_eq(stats_of(evict).ghosts, 2, "1 and 2; 0 is no victim");
	/* Small, 3, is within its share of one: main, 0, gives first. */
	EXPECT_POPS(evict, 0, 3);
	aibrix_evict_free(evict);
}

Test(evict, a_pin_that_no_pop_met_leaves_the_place_alone)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 3);

	insert_range(evict, 0, 3);
	pin(evict, 0);
	unpin(evict, 0);
	EXPECT_POPS(evict, 0, 1, 2);
	aibrix_evict_free(evict);
}

Test(evict, pins_are_counted)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 2);
	uint32_t slot;

	insert(evict, 0);
	pin(evict, 0);
	pin(evict, 0);
	cr_expect_eq(stats_of(evict).pinned, 1);
	cr_expect_eq(aibrix_evict_pop(evict, &slot), AIBRIX_E_NOT_FOUND);
	unpin(evict, 0);
	cr_expect_eq(aibrix_evict_pop(evict, &slot), AIBRIX_E_NOT_FOUND);
	unpin(evict, 0);
	cr_expect_eq(stats_of(evict).pinned, 0);
	cr_expect_eq(aibrix_evict_unpin(evict, 0), AIBRIX_E_STATE);
	EXPECT_POPS(evict, 0);
	aibrix_evict_free(evict);
}

Test(evict, a_pin_count_that_would_wrap_is_refused)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_LRU, 2);

	insert(evict, 0);
	pin(evict, 0);
	evict->slots[0].pins = UINT32_MAX;
	cr_expect_eq(aibrix_evict_pin(evict, 0), AIBRIX_E_FULL);
	cr_expect_eq(evict->slots[0].pins, UINT32_MAX);
	aibrix_evict_free(evict);
}

Test(evict, remove_of_a_pinned_slot_says_busy)
{
	aibrix_evict *evict = new_evict(AIBRIX_EVICT_S3FIFO, 2);
	uint32_t slot;

	insert(evict, 0);
	pin(evict, 0);
	cr_expect_eq(aibrix_evict_remove(evict, 0), AIBRIX_E_BUSY);
	cr_expect_eq(aibrix_evict_pop(evict, &slot), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_evict_remove(evict, 0), AIBRIX_E_BUSY,
		     "also when put aside");
	unpin(evict, 0);
	cr_expect_eq(aibrix_evict_remove(evict, 0), AIBRIX_OK);
	aibrix_evict_free(evict);
}

Test(evict, hits_on_a_slot_put_aside_are_counted)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++) {
		aibrix_evict *evict = new_evict(policy, 2);
		uint32_t slot;

		insert(evict, 0);
		pin(evict, 0);
		cr_expect_eq(aibrix_evict_pop(evict, &slot),
			     AIBRIX_E_NOT_FOUND);
		hit(evict, 0, 2);
		cr_expect_eq(stats_of(evict).hits, 2);
		unpin(evict, 0);
		EXPECT_POPS(evict, 0);
		aibrix_evict_free(evict);
	}
}
