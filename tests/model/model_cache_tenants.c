#include <criterion/criterion.h>

#include "base/rand.h"
#include "cache_tenants_program.h"

enum { PROGRAMS = 4000, BYTES = 601 };

static void
program_make(uint8_t *data, uint64_t seed)
{
	uint64_t state = seed;
	uint32_t step;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t)rand_next(&state);
	data[0] &= 0x3f;
	if (seed % 4 == 0)
		data[0] |= 0x40;
	for (size_t i = 1; i < BYTES; i += 3) {
		step = rand_below(&state, STEP_KINDS);
		if (rand_below(&state, 2))
			step = STEP_WRITE + rand_below(&state, 2);
		else if (step == STEP_DROP && rand_below(&state, 4))
			step = STEP_READ;
		data[i] = (uint8_t)((data[i] & 0xf0) | step);
	}
}

Test(cache_tenants, random_programs_take_the_block_that_a_naive_cache_takes)
{
	uint8_t data[BYTES];

	for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
		program_make(data, seed);
		cr_assert_eq(program_run(data, BYTES, 0), PROGRAM_EQUAL,
			     "seed %llu differs at byte %d",
			     (unsigned long long)seed,
			     program_run(data, BYTES, 0));
	}
}

/* Two tenants fill L1; the model then takes one block more for guaranteed. */
Test(cache_tenants, a_damaged_model_is_noticed)
{
	static const uint8_t program[] = {
		0, STEP_WRITE, 0, 3, STEP_DAMAGE, 0, 0, 16 + STEP_WRITE, 1, 3};

	cr_expect_eq(program_run(program, sizeof(program) - 6, 1),
		     PROGRAM_EQUAL);
	cr_expect_eq(program_run(program, sizeof(program), 0), PROGRAM_EQUAL);
	cr_expect_eq(program_run(program, sizeof(program), 1), 4);
}
