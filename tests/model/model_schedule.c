#include <criterion/criterion.h>

#include "cron_program.h"
#include "programs.h"
#include "schedule_program.h"

enum { PROGRAMS = 400, CRON_PROGRAMS = 50 };

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

static const char *
cron_program(uint32_t seed, int fault)
{
	return cron_program_run((struct choices){.rand = seed}, fault);
}

Test(schedule, rules_begin_when_clocks_come_to_a_minute_of_cron)
{
	uint32_t seed = 0;
	const char *bad =
		programs_run(cron_program, CRON_PROGRAMS, CRON_NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(schedule, a_start_that_clocks_pass_over_and_is_forgotten_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(cron_program, CRON_PROGRAMS,
					CRON_FAULT_PASSED_OVER, &seed));
}
