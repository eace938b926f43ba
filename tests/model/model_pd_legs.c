#include <criterion/criterion.h>

#include "pd_legs_program.h"

enum { PROGRAMS = 20000 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = pd_legs_program_run(choices, fault);
		*seed = i;
	}
	return bad;
}

Test(pd_legs, told_only_when_it_asked_it_does_what_constant_looking_does)
{
	uint32_t seed = 0;
	const char *bad = programs_run(LEGS_SOUND, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(pd_legs, planted_faults_are_found)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(LEGS_ONE_ABORT, &seed));
	cr_expect_not_null(programs_run(LEGS_HEAD_IS_DATA, &seed));
	cr_expect_not_null(programs_run(LEGS_NEVER_IDLE, &seed));
}
