#include <criterion/criterion.h>

#include "base/rand.h"
#include "radix_program.h"

enum { PROGRAMS = 300, PROGRAM_BYTES = 1201 };

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
		bad = radix_program_run(bytes, sizeof(bytes), fault);
		*which = i;
	}
	return bad;
}

Test(radix, answers_as_the_list_of_prompts_after_every_step_of_random_programs)
{
	uint32_t seed = 0;
	const char *bad = programs_run(NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(radix, a_model_that_mixes_models_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_MODELS_ARE_ONE, &seed));
}

Test(radix, a_model_that_ends_early_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_ENDS_EARLY, &seed));
}

Test(radix, a_model_that_forgets_nothing_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_FORGETS_NOTHING, &seed));
}

Test(radix, a_model_that_charges_what_was_sent_before_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(programs_run(FAULT_COSTS_ALL_TOKENS, &seed));
}
