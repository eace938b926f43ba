#include <criterion/criterion.h>

#include "prefix_program.h"
#include "programs.h"

enum { PROGRAMS = 4000, PROGRAM_BYTES = 600 };

static const char *
program(uint32_t seed, int fault)
{
	uint8_t bytes[PROGRAM_BYTES];

	program_draw(bytes, sizeof(bytes), seed);
	return prefix_program_run(bytes, sizeof(bytes), fault);
}

Test(prefix, answers_as_the_naive_model_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(prefix, a_model_whose_matches_refresh_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_MATCH_REFRESHES, &seed));
}

Test(prefix, a_model_in_which_pods_keep_each_other_fresh_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_AGE_OF_BLOCK, &seed));
}

Test(prefix, a_model_without_a_hand_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_NO_HAND, &seed));
}

Test(prefix, a_model_in_which_blocks_have_pods_without_bound_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(program, PROGRAMS,
					FAULT_PODS_WITHOUT_BOUND, &seed));
}
