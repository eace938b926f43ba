#include <criterion/criterion.h>

#include "predict_program.h"
#include "programs.h"

enum { PROGRAMS = 400, PROGRAM_BYTES = 1200 };

static const char *
program(uint32_t seed, int fault)
{
	uint8_t bytes[PROGRAM_BYTES];

	program_draw(bytes, sizeof(bytes), seed);
	/* Few kinds of blocks, so that prompts meet. */
	for (size_t j = 3; j < sizeof(bytes); j += 4)
		bytes[j] &= seed % 2 ? 0x1f : 0xff;
	return predict_program_run(bytes, sizeof(bytes), fault);
}

Test(predict, answers_as_the_naive_model_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(predict, a_model_in_which_adding_shortens_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_ADDING_SHORTENS, &seed));
}

Test(predict, a_model_that_knows_only_predictions_from_block_0_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(program, PROGRAMS,
					FAULT_ONLY_FROM_BLOCK_0, &seed));
}

Test(predict, a_model_whose_leases_end_early_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_ENDS_EARLY, &seed));
}

Test(predict, a_model_that_confirms_too_much_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(program, PROGRAMS,
					FAULT_CONFIRM_TAKES_ALL_BEHIND, &seed));
}
