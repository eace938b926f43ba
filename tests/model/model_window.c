#include <criterion/criterion.h>

#include "window_program.h"

enum { PROGRAMS = 3000, STEPS = 400 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		struct choices choices = {.rand = i};

		bad = window_program_run(choices, STEPS, fault);
		*seed = i;
	}
	return bad;
}

Test(window, reads_are_those_of_a_list_of_all_samples)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(window, a_model_that_keeps_a_slot_more_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_KEEPS_A_SLOT_MORE, &seed));
}

Test(window, a_model_that_never_expires_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_NEVER_EXPIRES, &seed));
}
