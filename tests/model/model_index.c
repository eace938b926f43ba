#include <criterion/criterion.h>

#include "base/rand.h"
#include "index_program.h"

enum { PROGRAMS = 4000, PROGRAM_BYTES = 512 };

/* What the first program that differs says; NULL: none does. */
static const char *
programs_run(int fault, uint32_t *which)
{
	uint8_t bytes[PROGRAM_BYTES];
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < PROGRAMS; i++) {
		uint64_t seed = i;

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)rand_next(&seed);
		bad = program_run(bytes, sizeof(bytes), fault);
		*which = i;
	}
	return bad;
}

Test(index, answers_as_the_naive_model_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(FAULT_NONE, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(index, a_model_that_ignores_holes_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_HOLE_IS_FILLED, &seed));
}

Test(index, a_model_that_removes_for_all_owners_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_REMOVES_FOR_ALL, &seed));
}

Test(index, a_model_in_which_names_cannot_change_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_FIRST_NAME_STAYS, &seed));
}
