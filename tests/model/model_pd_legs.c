#include <criterion/criterion.h>

#include "pd_legs_program.h"
#include "programs.h"

enum { PROGRAMS = 20000 };

static const char *
program(uint32_t seed, int fault)
{
	return pd_legs_program_run((struct choices){.rand = seed}, fault);
}

Test(pd_legs, told_only_when_it_asked_it_does_what_constant_looking_does)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, LEGS_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(pd_legs, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, LEGS_ONE_ABORT, &seed));
	cr_expect_not_null(
		programs_run(program, PROGRAMS, LEGS_HEAD_IS_DATA, &seed));
	cr_expect_not_null(
		programs_run(program, PROGRAMS, LEGS_NEVER_IDLE, &seed));
}
