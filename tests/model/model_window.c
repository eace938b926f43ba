#include <criterion/criterion.h>

#include "programs.h"
#include "window_program.h"

enum { PROGRAMS = 3000, STEPS = 400 };

static const char *
program(uint32_t seed, int fault)
{
	return window_program_run((struct choices){.rand = seed}, STEPS, fault);
}

Test(window, reads_are_those_of_a_list_of_all_samples)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(window, a_model_that_keeps_a_slot_more_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(program, PROGRAMS,
					FAULT_KEEPS_A_SLOT_MORE, &seed));
}

Test(window, a_model_that_never_expires_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_NEVER_EXPIRES, &seed));
}
