#include <criterion/criterion.h>

#include "limit_program.h"
#include "programs.h"

enum { PROGRAMS = 3000, STEPS = 300 };

static const char *
program(uint32_t seed, int fault)
{
	return limit_program_run((struct choices){.rand = seed}, STEPS, fault);
}

Test(limit, answers_as_the_list_of_all_charges_after_every_step)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(limit, a_model_that_refunds_all_of_what_others_came_after_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_REFUNDS_ALL, &seed));
}

Test(limit, a_model_whose_time_runs_backwards_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_TIME_RUNS_BACK, &seed));
}

Test(limit, a_model_with_one_more_in_its_burst_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_BURST_PLUS_1, &seed));
}
