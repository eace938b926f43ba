#include <criterion/criterion.h>

#include "programs.h"
#include "schedule_program.h"

enum { PROGRAMS = 400 };

static const char *
program(uint32_t seed, int fault)
{
	return schedule_program_run((struct choices){.rand = seed}, fault);
}

Test(schedule, transitions_are_those_that_clocks_show)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(schedule, a_clock_that_is_never_set_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_NEVER_SET, &seed));
}
