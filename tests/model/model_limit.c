#include <criterion/criterion.h>

#include "limit_program.h"

enum { PROGRAMS = 3000, STEPS = 300 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = limit_program_run(choices, STEPS, fault);
		*seed = i;
	}
	return bad;
}

Test(limit, answers_as_the_list_of_all_charges_after_every_step)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(limit, a_model_that_refunds_all_of_what_others_came_after_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_REFUNDS_ALL, &seed));
}

Test(limit, a_model_whose_time_runs_backwards_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_TIME_RUNS_BACK, &seed));
}

Test(limit, a_model_with_one_more_in_its_burst_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_BURST_PLUS_1, &seed));
}
