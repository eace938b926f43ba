#include <criterion/criterion.h>

#include "programs.h"
#include "resp_program.h"

enum { PROGRAMS = 3000, PROGRAM_BYTES = 200 };

static const char *
program(uint32_t seed, int fault)
{
	uint8_t bytes[PROGRAM_BYTES];

	program_draw(bytes, sizeof(bytes), seed);
	/* Program 0 comes whole. */
	return resp_program_run(bytes, sizeof(bytes), seed, fault);
}

Test(resp, tells_the_replies_that_random_programs_write)
{
	uint32_t seed = 0;
	const char *bad = programs_run(program, PROGRAMS, NO_FAULT, &seed);

	cr_expect_null(bad, "seed %u: %s", seed, bad);
}

Test(resp, a_model_whose_empty_values_are_nil_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_EMPTY_IS_NIL, &seed));
}

Test(resp, a_model_whose_replies_end_with_an_inner_array_is_found_out)
{
	uint32_t seed;

	cr_expect_not_null(
		programs_run(program, PROGRAMS, FAULT_ARRAY_ENDS_EARLY, &seed));
}

Test(resp, random_bytes_say_the_same_whole_and_in_pieces)
{
	static const char alphabet[] = "\r\n\r\n\r\n+-:$*01239OK ";
	uint8_t bytes[120];

	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t seed = i;
		const char *bad;

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)alphabet[rand_below(
				&seed, sizeof(alphabet) - 1)];
		bad = resp_hostile(bytes, sizeof(bytes), seed);
		cr_assert_null(bad, "seed %u: %s", (uint32_t)i, bad);
	}
}
