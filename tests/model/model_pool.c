#include <criterion/criterion.h>

#include "base/rand.h"
#include "pool_program.h"

enum { PROGRAMS = 2000, BYTES = 400 };

/* The last kind of step damages the model, so it is left out. */
static void
program_fill(uint8_t *data, uint64_t seed)
{
	uint64_t state = seed;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t)rand_next(&state);
	for (size_t i = 3; i < BYTES; i++)
		data[i] = (uint8_t)((data[i] & 0xf0) |
				    rand_below(&state, STEP_DAMAGE));
}

Test(pool, random_programs_agree_with_a_plain_stack)
{
	uint8_t data[BYTES];

	for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
		program_fill(data, seed);
		cr_assert_eq(program_run(data, BYTES, 0), PROGRAM_EQUAL,
			     "seed %llu differs at byte %d",
			     (unsigned long long)seed,
			     program_run(data, BYTES, 0));
	}
}

/* Of four slots take one; spoil; take another. */
Test(pool, a_damaged_model_is_noticed)
{
	static const uint8_t sound[] = {3, 0, 0, STEP_TAKE, 0x10 | STEP_TAKE};
	static const uint8_t damaged[] = {
		3, 0, 0, STEP_TAKE, STEP_DAMAGE, 0x10 | STEP_TAKE};

	cr_expect_eq(program_run(sound, sizeof(sound), 1), PROGRAM_EQUAL);
	cr_expect_eq(program_run(damaged, sizeof(damaged), 1), 5);
}
