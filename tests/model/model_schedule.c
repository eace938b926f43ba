#include <criterion/criterion.h>

#include "schedule_program.h"

enum { PROGRAMS = 400 };

/* What the first walk that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = schedule_program_run(choices, fault);
		*seed = i;
	}
	return bad;
}

Test(schedule, transitions_are_those_that_clocks_show)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(schedule, a_clock_that_is_never_set_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_NEVER_SET, &seed));
}
