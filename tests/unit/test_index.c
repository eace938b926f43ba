#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/index.h>

#include "index/index_internal.h"

/* Content hashes of the blocks A, B, ...; their names are +100. */
enum { A = 1, B, C, D, E, NAME = 100 };

static aibrix_index *
new_index(void)
{
	aibrix_index *index = NULL;

	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	for (uint32_t owner = 0; owner < 4; owner++)
		cr_assert_eq(aibrix_index_owner_add(index, owner), AIBRIX_OK);
	return index;
}

static void
free_index(aibrix_index *index)
{
	cr_expect_eq(aibrix__index_check(index), AIBRIX_OK);
	aibrix_index_free(index);
}

/* Blocks first, first + 1, ... in tier, with names first + base. */
static int
store(aibrix_index *index, uint32_t owner, uint64_t parent, uint64_t first,
      uint32_t n, uint32_t tier, uint64_t base)
{
	uint64_t hashes[8], names[8];
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = n,
				 .hashes = hashes,
				 .names = names,
				 .parent = parent,
				 .flags = parent ? AIBRIX_INDEX_HAS_PARENT : 0,
				 .tier = tier};

	for (uint32_t i = 0; i < n; i++) {
		hashes[i] = first + i;
		names[i] = first + i + base;
	}
	return aibrix_index_apply_stored(index, owner, &e);
}

static void
must_store(aibrix_index *index, uint32_t owner, uint64_t parent, uint64_t first,
	   uint32_t n)
{
	cr_assert_eq(store(index, owner, parent, first, n, 0, NAME), AIBRIX_OK);
}

static void
must_remove(aibrix_index *index, uint32_t owner, uint64_t name)
{
	cr_assert_eq(aibrix_index_apply_removed(index, owner, &name, 1, 0, 0),
		     AIBRIX_OK);
}

/* What owner holds of the prompt A, B, C, D, E. */
static aibrix_match
score(aibrix_index *index, uint32_t owner)
{
	static const uint64_t prompt[] = {A, B, C, D, E};
	aibrix_match out[4], none = {.owner = owner};
	aibrix_index_reader *reader;
	uint32_t n = 0;

	cr_assert_eq(aibrix_index_reader_new(index, &reader), AIBRIX_OK);
	cr_assert_eq(aibrix_index_lookup(reader, prompt, 5, out, 4, &n),
		     AIBRIX_OK);
	aibrix_index_reader_free(reader);
	for (uint32_t i = 0; i < n; i++)
		if (out[i].owner == owner)
			return out[i];
	return none;
}

static aibrix_index_stat
stat_of(aibrix_index *index)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
	return stat;
}

Test(index, score_counts_leading_blocks)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 3);
	must_store(index, 1, 0, A, 5);

	cr_expect_eq(score(index, 0).held, 3);
	cr_expect_eq(score(index, 1).held, 5);
	cr_expect_eq(score(index, 2).held, 0);
	free_index(index);
}

Test(index, a_hole_stops_the_score_and_heals_when_filled)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 5);
	must_remove(index, 0, B + NAME);
	cr_expect_eq(score(index, 0).held, 1);
	cr_expect_eq(stat_of(index).held, 4, "what is behind stays held");

	must_store(index, 0, A + NAME, B, 1);
	cr_expect_eq(score(index, 0).held, 5);
	free_index(index);
}

Test(index, without_block_0_an_owner_is_not_listed)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 5);
	must_remove(index, 0, A + NAME);

	cr_expect_eq(score(index, 0).held, 0);
	free_index(index);
}

Test(index, device_counts_the_device_tier_alone)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 2);
	cr_assert_eq(store(index, 0, B + NAME, C, 2, AIBRIX_TIER_HOST, NAME),
		     AIBRIX_OK);
	must_store(index, 0, D + NAME, E, 1);

	cr_expect_eq(score(index, 0).held, 5);
	cr_expect_eq(score(index, 0).device, 2);
	free_index(index);
}

Test(index, a_parent_may_be_held_by_another_owner)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 2);
	must_store(index, 1, B + NAME, C, 1);
	cr_expect_eq(score(index, 1).held, 0);

	must_store(index, 1, 0, A, 2);
	cr_expect_eq(score(index, 1).held, 3);
	free_index(index);
}

Test(index, an_ancestor_of_a_held_block_is_a_known_parent)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 3);
	must_remove(index, 0, A + NAME);
	must_remove(index, 0, B + NAME);

	cr_expect_eq(stat_of(index).places, 3);
	must_store(index, 1, B + NAME, D, 1);
	free_index(index);
}

Test(index, an_unknown_parent_is_refused_and_counted)
{
	aibrix_index *index = new_index();

	cr_expect_eq(store(index, 0, B + NAME, C, 2, 0, NAME),
		     AIBRIX_E_NOT_FOUND);

	cr_expect_eq(stat_of(index).unknown_parents, 1);
	cr_expect_eq(stat_of(index).places, 0);
	free_index(index);
}

Test(index, a_place_is_forgotten_with_its_last_holder_and_descendant)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 3);
	must_remove(index, 0, B + NAME);
	must_remove(index, 0, A + NAME);
	must_remove(index, 0, C + NAME);

	cr_expect_eq(stat_of(index).places, 0);
	cr_expect_eq(store(index, 0, A + NAME, B, 1, 0, NAME),
		     AIBRIX_E_NOT_FOUND, "its name is gone too");
	free_index(index);
}

Test(index, each_copy_is_removed_by_itself)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 1);
	must_store(index, 0, 0, A, 1);
	cr_expect_eq(stat_of(index).duplicates, 1);

	must_remove(index, 0, A + NAME);
	cr_expect_eq(score(index, 0).held, 1);
	must_remove(index, 0, A + NAME);
	cr_expect_eq(score(index, 0).held, 0);
	must_remove(index, 0, A + NAME);
	cr_expect_eq(stat_of(index).unknown_removals, 1);
	free_index(index);
}

Test(index, a_removal_takes_from_its_tier_and_owner_only)
{
	aibrix_index *index = new_index();
	uint64_t name = A + NAME;

	must_store(index, 0, 0, A, 1);
	must_store(index, 1, 0, A, 1);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, &name, 1,
						AIBRIX_TIER_HOST, 0),
		     AIBRIX_OK);
	cr_expect_eq(stat_of(index).unknown_removals, 1);

	must_remove(index, 0, A + NAME);
	cr_expect_eq(score(index, 0).held, 0);
	cr_expect_eq(score(index, 1).held, 1);
	free_index(index);
}

Test(index, a_second_name_of_a_place_is_filed_and_counted_once)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 2);
	cr_assert_eq(store(index, 1, 0, A, 2, 0, 2 * NAME), AIBRIX_OK);
	cr_assert_eq(store(index, 1, 0, A, 2, 0, 2 * NAME), AIBRIX_OK);
	cr_expect_eq(stat_of(index).twins, 2);
	cr_expect_eq(stat_of(index).places, 2);

	must_store(index, 2, B + 2 * NAME, C, 1);
	must_store(index, 3, B + NAME, C, 1);
	cr_expect_eq(stat_of(index).places, 3);
	free_index(index);
}

/* Owner 0 calls A 101; owner 1 calls another block 101. */
static aibrix_index *
new_index_in_conflict(void)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 1);
	cr_assert_eq(store(index, 1, 0, D, 1, 0, A + NAME - D), AIBRIX_OK);
	return index;
}

Test(index, a_name_means_what_its_owner_announced)
{
	aibrix_index *index = new_index_in_conflict();

	must_store(index, 1, 0, A, 0);
	must_remove(index, 1, A + NAME);

	cr_expect_eq(score(index, 0).held, 1);
	cr_expect_eq(stat_of(index).places, 1, "owner 1's block is gone");
	free_index(index);
}

Test(index, others_mean_what_the_first_owner_meant)
{
	aibrix_index *index = new_index_in_conflict();

	must_store(index, 2, 0, A, 1);
	must_store(index, 2, A + NAME, B, 1);

	cr_expect_eq(score(index, 2).held, 2);
	free_index(index);
}

Test(index, agreeing_again_drops_the_private_meaning)
{
	aibrix_index *index = new_index_in_conflict();

	must_store(index, 1, 0, A, 1);
	must_store(index, 1, A + NAME, B, 1);

	cr_expect_eq(score(index, 1).held, 2);
	cr_expect_eq(index->owners[1]->private, NONE);
	free_index(index);
}

Test(index, a_private_name_outlives_the_shared_one)
{
	aibrix_index *index = new_index_in_conflict();

	must_remove(index, 0, A + NAME);
	must_remove(index, 1, A + NAME);

	cr_expect_eq(stat_of(index).removed, 2);
	cr_expect_eq(stat_of(index).places, 0);
	free_index(index);
}

Test(index, an_event_may_contradict_itself)
{
	static const uint64_t hashes[] = {A, B, C}, names[] = {7, 7, 7};
	aibrix_index_stored e = {
		.size = sizeof(e), .n = 3, .hashes = hashes, .names = names};
	aibrix_index *index = new_index();

	cr_expect_eq(aibrix_index_apply_stored(index, 0, &e), AIBRIX_OK);
	must_remove(index, 0, 7);

	cr_expect_eq(score(index, 0).held, 2, "7 means the last, C");
	free_index(index);
}

Test(index, groups_of_another_kind_are_ignored_until_they_turn_full)
{
	static const uint64_t hash = A, name = A + NAME;
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = 1,
				 .hashes = &hash,
				 .names = &name,
				 .group = 63,
				 .kind = AIBRIX_GROUP_OTHER};
	aibrix_index *index = new_index();

	cr_expect_eq(aibrix_index_apply_stored(index, 0, &e), AIBRIX_OK);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, &name, 1, 0, 63),
		     AIBRIX_OK);
	cr_expect_eq(stat_of(index).ignored, 2);
	cr_expect_eq(score(index, 0).held, 0);
	e.kind = AIBRIX_GROUP_FULL;
	cr_expect_eq(aibrix_index_apply_stored(index, 0, &e), AIBRIX_OK);
	cr_expect_eq(score(index, 0).held, 1);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, &name, 1, 0, 63),
		     AIBRIX_OK);
	cr_expect_eq(stat_of(index).removed, 1);
	free_index(index);
}

Test(index, clearing_takes_all_tiers_of_one_owner)
{
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 5);
	cr_assert_eq(store(index, 0, 0, A, 2, AIBRIX_TIER_DISK, NAME),
		     AIBRIX_OK);
	must_store(index, 1, 0, A, 2);
	cr_expect_eq(aibrix_index_apply_cleared(index, 0), AIBRIX_OK);

	cr_expect_eq(score(index, 0).held, 0);
	cr_expect_eq(score(index, 1).held, 2);
	cr_expect_eq(stat_of(index).places, 2);
	cr_expect_eq(stat_of(index).cleared, 1);
	free_index(index);
}

Test(index, a_removed_owner_returns_with_nothing)
{
	aibrix_index *index = new_index_in_conflict();

	must_store(index, 2, 0, D, 1);
	cr_expect_eq(aibrix_index_owner_remove(index, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_index_apply_cleared(index, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_index_owner_add(index, 1), AIBRIX_OK);

	must_remove(index, 1, A + NAME);
	cr_expect_eq(stat_of(index).unknown_removals, 1);
	cr_expect_eq(stat_of(index).held, 2);
	free_index(index);
}

Test(index, owners_are_registered_once_and_below_the_limit)
{
	aibrix_index_opts opts = {.size = sizeof(opts), .max_owners = 2};
	aibrix_index *index = NULL;

	cr_assert_eq(aibrix_index_new(&opts, &index), AIBRIX_OK);
	cr_expect_eq(aibrix_index_owner_add(index, 1), AIBRIX_OK);
	cr_expect_eq(aibrix_index_owner_add(index, 1), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_index_owner_add(index, 2), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_index_owner_remove(index, 0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_index_owner_remove(index, 2), AIBRIX_E_NOT_FOUND);
	aibrix_index_free(index);
	opts.max_owners = 65537;
	cr_expect_eq(aibrix_index_new(&opts, &index), AIBRIX_E_INVAL);
}

Test(index, events_outside_their_limits_are_invalid)
{
	static const uint64_t one = 1;
	const aibrix_index_stored good = {
		.size = sizeof(good), .n = 1, .hashes = &one, .names = &one};
	aibrix_index *index = new_index();
	aibrix_index_stored bad[6];

	for (uint32_t i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].n = AIBRIX_INDEX_EVENT_BLOCKS + 1;
	bad[1].tier = AIBRIX_TIERS;
	bad[2].group = AIBRIX_INDEX_GROUPS;
	bad[3].kind = 2;
	bad[4].names = NULL;
	bad[5].size = 8;
	for (uint32_t i = 0; i < 6; i++)
		cr_expect_eq(aibrix_index_apply_stored(index, 0, &bad[i]),
			     AIBRIX_E_INVAL, "%u", i);
	bad[0] = good;
	bad[0].flags = 2;
	cr_expect_eq(aibrix_index_apply_stored(index, 0, &bad[0]),
		     AIBRIX_E_ABI);
	cr_expect_eq(aibrix_index_apply_stored(index, 4, &good),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_index_apply_stored(index, 4000, &good),
		     AIBRIX_E_INVAL);
	cr_expect_eq(stat_of(index).stored, 0);
	free_index(index);
}

Test(index, removals_outside_their_limits_are_invalid)
{
	static const uint64_t one = 1;
	aibrix_index *index = new_index();

	cr_expect_eq(aibrix_index_apply_removed(index, 0, &one, 1, 4, 0), -1);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, &one, 1, 0, 64), -1);
	cr_expect_eq(aibrix_index_apply_removed(index, 4, &one, 1, 0, 0), -1);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, NULL, 1, 0, 0), -1);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, &one,
						AIBRIX_INDEX_EVENT_BLOCKS + 1,
						0, 0),
		     -1);
	cr_expect_eq(aibrix_index_apply_removed(index, 0, NULL, 0, 0, 0), 0);
	free_index(index);
}

/* The last store that fits and the first that does not. */
Test(index, the_budget_refuses_whole_events)
{
	aibrix_index_opts opts = {
		.size = sizeof(opts), .max_owners = 4, .budget_bytes = 400000};
	aibrix_index *index = NULL;
	uint64_t first = 1, held;
	int err = AIBRIX_OK;

	cr_assert_eq(aibrix_index_new(&opts, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 0), AIBRIX_OK);
	for (; !err; first += 8)
		err = store(index, 0, 0, first, 8, 0, 0);

	cr_expect_eq(err, AIBRIX_E_FULL);
	held = stat_of(index).held;
	cr_expect_gt(held, 1000);
	cr_expect_eq(held % 8, 0);
	cr_expect_eq(stat_of(index).refused, 1);
	cr_expect_leq(stat_of(index).bytes, 400000);
	cr_expect_eq(aibrix_index_apply_cleared(index, 0), AIBRIX_OK);
	cr_expect_eq(store(index, 0, 0, 1, 8, 0, 0), AIBRIX_OK);
	free_index(index);
}

Test(index, without_hashes_names_stand_for_places_that_they_mean)
{
	static const uint64_t names[] = {B + NAME, 7777, A + NAME};
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = 3,
				 .names = names,
				 .tier = AIBRIX_TIER_HOST};
	aibrix_index *index = new_index();

	must_store(index, 0, 0, A, 3);
	cr_assert_eq(aibrix_index_apply_stored(index, 1, &e), AIBRIX_OK);

	cr_expect_eq(score(index, 1).held, 2);
	cr_expect_eq(score(index, 1).device, 0);
	cr_expect_eq(stat_of(index).unknown_names, 1);
	cr_expect_eq(stat_of(index).stored, 5);
	free_index(index);
}
