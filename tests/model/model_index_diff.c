/* Long programs on the block index and on the simple one. */

#include <criterion/criterion.h>

#include "index_diff_run.h"
#include "index_profiles.h"

enum { SEEDS = 2, SEED = 20 };

static void
profile_check(const struct profile *profile)
{
	char bad[160];

	for (uint64_t seed = SEED; seed < SEED + SEEDS; seed++)
		cr_expect_null(profile_run(profile, seed, DIFF_FAULT_NONE, bad,
					   sizeof(bad)),
			       "%s, seed %llu: %s", profile->name,
			       (unsigned long long)seed, bad);
}

Test(index_diff, answers_as_the_simple_index_on_conversations)
{
	profile_check(&profiles[0]);
}

Test(index_diff, answers_as_the_simple_index_for_owners_beyond_128)
{
	profile_check(&profiles[1]);
}

Test(index_diff, answers_as_the_simple_index_for_300_owners)
{
	profile_check(&profiles[2]);
}

Test(index_diff, answers_as_the_simple_index_while_decoding_block_by_block)
{
	profile_check(&profiles[3]);
}

Test(index_diff, answers_as_the_simple_index_on_thousands_of_single_blocks)
{
	profile_check(&profiles[4]);
}

Test(index_diff, answers_as_the_simple_index_with_thousands_of_children)
{
	profile_check(&profiles[5]);
}

Test(index_diff, answers_as_the_simple_index_when_names_contradict)
{
	profile_check(&profiles[6]);
}

Test(index_diff, answers_as_the_simple_index_with_holes_and_copies_in_all_tiers)
{
	profile_check(&profiles[7]);
}

Test(index_diff, answers_as_the_simple_index_when_groups_are_not_indexed)
{
	profile_check(&profiles[8]);
}

Test(index_diff, answers_as_the_simple_index_on_everything_in_a_small_world)
{
	profile_check(&profiles[9]);
}

Test(index_diff, answers_as_the_simple_index_for_few_owners_in_a_small_world)
{
	profile_check(&profiles[10]);
}

Test(index_diff, answers_as_the_simple_index_on_a_million_blocks)
{
	profile_check(&profiles[11]);
}

Test(index_diff, a_removal_that_the_simple_index_misses_is_found_out)
{
	char bad[160];

	cr_expect_not_null(profile_run(&profiles[0], SEED, DIFF_FAULT_REMOVAL,
				       bad, sizeof(bad)));
}

Test(index_diff, a_copy_in_another_tier_is_found_out)
{
	char bad[160];

	cr_expect_not_null(profile_run(&profiles[1], SEED, DIFF_FAULT_TIER, bad,
				       sizeof(bad)));
}
