#include <math.h>

#include <aibrix/evict.h>

#include "evict_help.h"

static void
put(aibrix_evict *evict, uint32_t slot, uint64_t fingerprint)
{
	cr_assert_eq(aibrix_evict_insert(evict, slot, fingerprint,
					 AIBRIX_EVICT_NO_PARENT),
		     AIBRIX_OK);
}

static void
put_child(aibrix_evict *evict, uint32_t slot, uint32_t parent)
{
	cr_assert_eq(aibrix_evict_insert(evict, slot, slot, parent), AIBRIX_OK);
}

static void
put_cost(aibrix_evict *evict, uint32_t slot, uint32_t cost)
{
	const aibrix_evict_block block = {.fingerprint = slot,
					  .parent_slot = AIBRIX_EVICT_NO_PARENT,
					  .cost = cost};

	cr_assert_eq(aibrix_evict_insert_block(evict, slot, &block), AIBRIX_OK);
}

/* Room for one block, which takes it. */
static uint32_t
replace(aibrix_evict *evict, uint64_t fingerprint)
{
	uint32_t slot, n;

	cr_assert_eq(aibrix_evict_reserve(evict, &fingerprint, 1, 0, &slot, &n),
		     AIBRIX_OK);
	put(evict, slot, fingerprint);
	return slot;
}

Test(evict, fifo_gives_up_the_oldest_whatever_is_used)
{
	aibrix_evict *evict = new_order((aibrix_evict_opts){
		.policy = AIBRIX_EVICT_FIFO, .capacity = 3});

	insert_range(evict, 0, 3);
	hit(evict, 0, 5);
	EXPECT_POPS(evict, 0, 1, 2);
	aibrix_evict_free(evict);
}

Test(evict, sieve_keeps_its_hand_where_it_took_the_last_victim)
{
	aibrix_evict *evict = new_order((aibrix_evict_opts){
		.policy = AIBRIX_EVICT_SIEVE, .capacity = 5});

	insert_range(evict, 0, 5);
	hit(evict, 0, 1);
	hit(evict, 1, 1);
	hit(evict, 3, 1);
	/* 0 and 1 are spared, 2 goes; the hand is at 3. */
	EXPECT_POPS(evict, 2);
	/* 3 is spared, 4 goes, the hand is at the end: what is new waits, and
	 * the oldest are looked at again. */
	EXPECT_POPS(evict, 4, 0);
	insert(evict, 2);
	EXPECT_POPS(evict, 1, 3, 2);
	aibrix_evict_free(evict);
}

Test(evict, arc_keeps_what_was_used_again)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_ARC, .capacity = 4});

	insert_range(evict, 0, 4);
	hit(evict, 0, 1);
	hit(evict, 1, 1);
	/* Once: 2 3; again: 0 1; the target is 0. */
	cr_expect_eq(replace(evict, 4), 2);
	cr_expect_eq(replace(evict, 5), 3);
	/* Remembered, 2 moves the target to 1: once is longer and gives. */
	cr_expect_eq(stats_of(evict).small_share, 0);
	cr_expect_eq(replace(evict, 2), 2);
	cr_expect_eq(stats_of(evict).small_share, 1);
	cr_expect_eq(stats_of(evict).ghost_hits, 1);
	/* Now 3, and the target 2 is above the one slot of once. */
	cr_expect_eq(replace(evict, 3), 0);
	cr_expect_eq(stats_of(evict).small_share, 2);
	aibrix_evict_free(evict);
}

Test(evict, arc_remembers_no_more_than_it_holds)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_ARC, .capacity = 8});

	insert_range(evict, 0, 8);
	for (uint32_t slot = 0; slot < 4; slot++)
		hit(evict, slot, 1);
	for (uint64_t name = 8; name < 100000; name++)
		replace(evict, name);
	cr_expect_leq(stats_of(evict).ghosts, 8);
	cr_expect_eq(stats_of(evict).count, 8);
	aibrix_evict_free(evict);
}

/* Four hot blocks of a cache of eight, used once in 16 new ones. */
static aibrix_evict *
new_auto_under_scan(uint32_t rounds)
{
	aibrix_evict *evict = new_order((aibrix_evict_opts){
		.policy = AIBRIX_EVICT_AUTO, .capacity = 8});
	uint64_t at[8], name = 100;

	for (uint32_t slot = 0; slot < 8; slot++) {
		put(evict, slot, slot);
		at[slot] = slot;
	}
	for (uint32_t round = 0; round < rounds; round++)
		for (uint32_t i = 0; i < 20; i++) {
			uint64_t next = i < 4 ? i : name++;
			uint32_t slot = 0;

			while (slot < 8 && at[slot] != next)
				slot++;
			if (slot < 8)
				hit(evict, slot, 1);
			else
				at[replace(evict, next)] = next;
		}
	return evict;
}

Test(evict, auto_admits_all_until_reuse_says_that_room_is_short)
{
	aibrix_evict *evict = new_auto_under_scan(20);

	cr_expect_eq(stats_of(evict).unadmitted, 0);
	aibrix_evict_free(evict);
}

Test(evict, auto_keeps_what_comes_back_from_a_scan_of_new_blocks)
{
	aibrix_evict *evict = new_auto_under_scan(400);
	aibrix_evict_stat stat = stats_of(evict);
	uint64_t hits = stat.hits;

	cr_expect_gt(stat.unadmitted, 0);
	aibrix_evict_free(evict);
	evict = new_auto_under_scan(500);
	stat = stats_of(evict);
	cr_expect_eq(stat.hits - hits, 400, "all four, in 100 rounds");
	aibrix_evict_free(evict);
}

Test(evict, auto_moves_the_share_within_its_bounds)
{
	aibrix_evict *evict = new_auto_under_scan(500);

	cr_expect_geq(stats_of(evict).small_share, 1);
	cr_expect_leq(stats_of(evict).small_share, 5);
	aibrix_evict_free(evict);
}

Test(evict, guarded_parents_stay_while_their_children_do)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_FIFO,
				    .capacity = 5,
				    .flags = AIBRIX_EVICT_CHILD_GUARD});

	/* A chain of 0 1 2, first block first; 3 and 4 are others. */
	insert(evict, 0);
	put_child(evict, 1, 0);
	put_child(evict, 2, 1);
	insert_range(evict, 3, 5);
	/* 0 and 1 are passed over and go behind 4. */
	EXPECT_POPS(evict, 2, 3, 4, 1, 0);
	cr_expect_eq(stats_of(evict).spared, 3);
	aibrix_evict_free(evict);
}

Test(evict, children_may_come_before_their_parent)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_FIFO,
				    .capacity = 3,
				    .flags = AIBRIX_EVICT_CHILD_GUARD});

	put_child(evict, 1, 0);
	insert(evict, 0);
	hit(evict, 1, 1);
	cr_expect_eq(aibrix_evict_remove(evict, 1), AIBRIX_OK);
	put_child(evict, 1, 0);
	/* 0 is older. */
	EXPECT_POPS(evict, 1, 0);
	aibrix_evict_free(evict);
}

Test(evict, the_children_of_a_slot_are_not_those_of_its_next_block)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_FIFO,
				    .capacity = 4,
				    .flags = AIBRIX_EVICT_CHILD_GUARD});

	insert(evict, 0);
	put_child(evict, 1, 0);
	cr_expect_eq(aibrix_evict_remove(evict, 0), AIBRIX_OK);
	insert(evict, 0); /* another block */
	insert(evict, 2);
	EXPECT_POPS(evict, 1, 0, 2);
	aibrix_evict_free(evict);
}

Test(evict, a_guard_gives_way_when_only_parents_are_left)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_S3FIFO,
				    .capacity = 3,
				    .flags = AIBRIX_EVICT_CHILD_GUARD});

	insert(evict, 0);
	put_child(evict, 1, 0);
	cr_assert_eq(aibrix_evict_pin(evict, 1), AIBRIX_OK);
	EXPECT_POPS(evict, 0);
	cr_expect_eq(stats_of(evict).spared, 64, "as many as a pop looks at");
	aibrix_evict_free(evict);
}

Test(evict, costly_blocks_get_one_more_round)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_LRU,
				    .capacity = 200,
				    .flags = AIBRIX_EVICT_WEIGH_COST});

	/* Victims of cost 10 make the mean. */
	for (uint32_t slot = 0; slot < 200; slot++)
		put_cost(evict, slot, slot == 190 ? 100 : 10);
	for (uint32_t slot = 0; slot < 190; slot++)
		EXPECT_POPS(evict, slot);
	EXPECT_POPS(evict, 191);
	cr_expect_eq(stats_of(evict).spared, 1);
	for (uint32_t slot = 192; slot < 200; slot++)
		EXPECT_POPS(evict, slot);
	EXPECT_POPS(evict, 190);
	cr_expect_eq(stats_of(evict).spared, 1, "one round, not two");
	aibrix_evict_free(evict);
}

Test(evict, a_block_with_spare_fields_set_is_of_a_newer_library)
{
	aibrix_evict *evict = new_order((aibrix_evict_opts){.capacity = 2});
	aibrix_evict_block block = {.parent_slot = AIBRIX_EVICT_NO_PARENT};

	block.spare[2] = 1;
	cr_expect_eq(aibrix_evict_insert_block(evict, 0, &block), AIBRIX_E_ABI);
	cr_expect_eq(stats_of(evict).count, 0);
	aibrix_evict_free(evict);
}

Test(evict, a_reservation_is_the_longest_prefix_that_fits)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++) {
		aibrix_evict *evict = new_order(
			(aibrix_evict_opts){.policy = policy, .capacity = 5});
		uint32_t slots[5], n = 0;

		insert_range(evict, 0, 5);
		cr_assert_eq(aibrix_evict_pin(evict, 1), AIBRIX_OK);
		cr_assert_eq(aibrix_evict_pin(evict, 3), AIBRIX_OK);
		cr_expect_eq(aibrix_evict_reserve(evict, NULL, 5, 0, slots, &n),
			     AIBRIX_OK);
		cr_expect_eq(n, 3);
		cr_expect_eq(slots[0] + slots[1] + slots[2], 0 + 2 + 4);
		cr_expect_eq(aibrix_evict_reserve(evict, NULL, 1, 0, slots, &n),
			     AIBRIX_E_FULL);
		cr_expect_eq(n, 3, "output untouched on failure");
		aibrix_evict_free(evict);
	}
}

Test(evict, a_whole_reservation_takes_all_or_nothing)
{
	aibrix_evict *evict = new_order((aibrix_evict_opts){.capacity = 4});
	uint32_t slots[4], n = 9;

	insert_range(evict, 0, 4);
	cr_assert_eq(aibrix_evict_pin(evict, 2), AIBRIX_OK);
	cr_expect_eq(aibrix_evict_reserve(evict, NULL, 4, AIBRIX_EVICT_WHOLE,
					  slots, &n),
		     AIBRIX_E_FULL);
	cr_expect_eq(n, 9);
	cr_expect_eq(stats_of(evict).count, 4);
	cr_expect_eq(aibrix_evict_reserve(evict, NULL, 3, AIBRIX_EVICT_WHOLE,
					  slots, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 3);
	cr_expect_eq(aibrix_evict_reserve(evict, NULL, 0, 0, NULL, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_evict_reserve(evict, NULL, 0, 2, NULL, &n),
		     AIBRIX_E_ABI);
	aibrix_evict_free(evict);
}

Test(evict, the_fingerprint_of_a_victim_is_at_hand)
{
	aibrix_evict *evict = new_order((aibrix_evict_opts){.capacity = 2});

	put(evict, 1, 77);
	cr_expect_eq(aibrix_evict_fingerprint(evict, 1), 77);
	EXPECT_POPS(evict, 1);
	cr_expect_eq(aibrix_evict_fingerprint(evict, 1), 77);
	aibrix_evict_free(evict);
}

Test(evict, signals_say_what_came_what_is_hot_and_what_went)
{
	static const uint32_t wanted[][2] = {
		{AIBRIX_EVICT_PUT, 0},     {AIBRIX_EVICT_PUT, 1},
		{AIBRIX_EVICT_HOT, 0},     {AIBRIX_EVICT_EVICTED, 1},
		{AIBRIX_EVICT_EVICTED, 0},
	};
	aibrix_evict *evict = new_order((aibrix_evict_opts){
		.capacity = 2, .promote_hits = 2, .signals = 8});

	insert_range(evict, 0, 2);
	hit(evict, 1, 1);
	hit(evict, 0, 3);
	EXPECT_POPS(evict, 1, 0);
	cr_expect_eq(stats_of(evict).signals, 5);
	expect_signals(evict, wanted, 5);
	expect_signals(evict, wanted, 0);
	aibrix_evict_free(evict);
}

Test(evict, only_the_wanted_kinds_of_signals_are_kept)
{
	static const uint32_t wanted[][2] = {{AIBRIX_EVICT_EVICTED, 1}};
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.capacity = 2,
				    .signals = 1,
				    .signal_kinds = AIBRIX_EVICT_EVICTED});

	insert_range(evict, 0, 2);
	hit(evict, 0, 1);
	EXPECT_POPS(evict, 1);
	expect_signals(evict, wanted, 1);
	cr_expect_eq(stats_of(evict).signals_lost, 0);
	aibrix_evict_free(evict);
}

Test(evict, signals_without_room_are_lost_and_counted)
{
	static const uint32_t wanted[][2] = {{AIBRIX_EVICT_PUT, 0},
					     {AIBRIX_EVICT_PUT, 1}};
	aibrix_evict *evict =
		new_order((aibrix_evict_opts){.capacity = 4, .signals = 2});

	insert_range(evict, 0, 4);
	expect_signals(evict, wanted, 2);
	cr_expect_eq(stats_of(evict).signals_lost, 2);
	insert_range(evict, 4, 4);
	EXPECT_POPS(evict, 0);
	cr_expect_eq(stats_of(evict).signals, 1, "room again");
	aibrix_evict_free(evict);
}

/* Reserve and insert in one call: model_evict has what it does. */
Test(evict, replace_reuses_the_slot_of_a_victim)
{
	aibrix_evict *evict = new_order(
		(aibrix_evict_opts){.policy = AIBRIX_EVICT_LRU, .capacity = 3});
	aibrix_evict_block block = {.fingerprint = 7,
				    .parent_slot = AIBRIX_EVICT_NO_PARENT};
	uint32_t slot = 9;

	cr_expect_eq(aibrix_evict_replace(evict, &block, &slot), AIBRIX_E_FULL,
		     "nothing to take out");
	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(aibrix_evict_insert(evict, i, i + 1,
						 AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
	cr_expect_eq(aibrix_evict_replace(NULL, &block, &slot), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_replace(evict, NULL, &slot), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_evict_replace(evict, &block, NULL), AIBRIX_E_INVAL);
	block.parent_slot = 3;
	cr_expect_eq(aibrix_evict_replace(evict, &block, &slot),
		     AIBRIX_E_INVAL);
	block.parent_slot = 0; /* the victim: then it has none */
	block.spare[2] = 1;
	cr_expect_eq(aibrix_evict_replace(evict, &block, &slot), AIBRIX_E_ABI);
	block.spare[2] = 0;
	cr_expect_eq(slot, 9);

	cr_assert_eq(aibrix_evict_pin(evict, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_evict_replace(evict, &block, &slot), AIBRIX_OK);
	cr_expect_eq(slot, 1, "the oldest that is not pinned");
	cr_expect_eq(aibrix_evict_fingerprint(evict, 1), 7);
	cr_assert_eq(aibrix_evict_unpin(evict, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_evict_replace(evict, &block, &slot), AIBRIX_OK);
	cr_expect_eq(slot, 2);
	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(aibrix_evict_pin(evict, i), AIBRIX_OK);
	cr_expect_eq(aibrix_evict_replace(evict, &block, &slot), AIBRIX_E_FULL);
	aibrix_evict_free(evict);
}
