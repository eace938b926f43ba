#include <criterion/criterion.h>

#include "programs.h"
#include "radix_program.h"

enum { PROGRAMS = 300, PROGRAM_BYTES = 1201 };

static const char *
program(uint32_t seed, int fault)
{
	uint8_t bytes[PROGRAM_BYTES];

	program_draw(bytes, sizeof(bytes), seed);
	return radix_program_run(bytes, sizeof(bytes), fault);
}

Test(radix, answers_as_the_list_of_prompts_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(radix, a_model_that_mixes_models_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_MODELS_ARE_ONE, &seed));
}

Test(radix, a_model_that_ends_early_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_ENDS_EARLY, &seed));
}

Test(radix, a_model_that_forgets_nothing_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_FORGETS_NOTHING, &seed));
}

Test(radix, a_model_that_charges_what_was_sent_before_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_COSTS_ALL_TOKENS, &seed));
}
