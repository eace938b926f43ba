#include <criterion/criterion.h>

#include "base/rand.h"
#include "model/fleet_program.h"

static void
random_program(uint64_t seed, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)rand_next(&seed);
}

Test(fleet, random_programs_agree_with_a_plain_array)
{
	uint8_t program[9000];

	for (uint64_t seed = 1; seed <= 60; seed++) {
		random_program(seed, program, sizeof(program));
		cr_assert_eq(fleet_program_run(program, sizeof(program), 0), 1,
			     "seed %llu", (unsigned long long)seed);
	}
}

/* Add, set, fault (op 7): the model then holds what nobody set. */
Test(fleet, a_planted_fault_is_noticed)
{
	static const uint8_t program[] = {0, 1, 0, 3, 0, 4, 7, 0, 0, 6, 1, 0};

	cr_expect_eq(fleet_program_run(program, sizeof(program), 0), 1);
	cr_expect_eq(fleet_program_run(program, sizeof(program), 1), 0);
}
