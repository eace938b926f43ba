#include <criterion/criterion.h>

#include "index_program.h"
#include "programs.h"

enum { PROGRAMS = 4000, PROGRAM_BYTES = 512 };

static const char *
program(uint32_t seed, int fault)
{
	uint8_t bytes[PROGRAM_BYTES];

	program_draw(bytes, sizeof(bytes), seed);
	return program_run(bytes, sizeof(bytes), fault);
}

Test(index, answers_as_the_naive_model_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, FAULT_NONE, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(index, a_model_that_ignores_holes_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_HOLE_IS_FILLED, &seed));
}

Test(index, a_model_that_removes_for_all_owners_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_REMOVES_FOR_ALL, &seed));
}

Test(index, a_model_in_which_names_cannot_change_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_FIRST_NAME_STAYS, &seed));
}
