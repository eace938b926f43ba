#include <criterion/criterion.h>

#include "base/rand.h"
#include "prefix_program.h"

enum { PROGRAMS = 4000, PROGRAM_BYTES = 600 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *which)
{
	uint8_t bytes[PROGRAM_BYTES];
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		uint64_t seed = i;

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)rand_next(&seed);
		bad = prefix_program_run(bytes, sizeof(bytes), fault);
		*which = i;
	}
	return bad;
}

Test(prefix, answers_as_the_naive_model_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(prefix, a_model_whose_matches_refresh_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_MATCH_REFRESHES, &seed));
}

Test(prefix, a_model_in_which_pods_keep_each_other_fresh_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_AGE_OF_BLOCK, &seed));
}

Test(prefix, a_model_without_a_hand_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_NO_HAND, &seed));
}

Test(prefix, a_model_in_which_blocks_have_pods_without_bound_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_PODS_WITHOUT_BOUND, &seed));
}
