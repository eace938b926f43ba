#include <criterion/criterion.h>

#include "base/rand.h"
#include "evict_program.h"

enum { PROGRAMS = 4000, BYTES = 600 };

/* The last kind of step damages the model, so it is left out.  In every
 * second program most steps are hits: counters reach their limit. */
static void
program_fill(uint8_t *data, uint64_t seed)
{
	uint64_t state = seed;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t)rand_next(&state);
	for (size_t i = 3; i < BYTES; i += 2) {
		uint32_t step = rand_below(&state, STEP_DAMAGE);

		if (seed % 2 && rand_below(&state, 2))
			step = STEP_HIT;
		data[i] = (uint8_t)((data[i] & 0xf8) | step);
	}
}

Test(evict, random_programs_agree_with_plain_arrays)
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

/* Insert 0, 1, 2; spoil; all of it is popped at the end. */
Test(evict, a_damaged_model_is_noticed)
{
	static const uint8_t program[] = {0, 3,           0, STEP_INSERT,
					  0, STEP_INSERT, 1, STEP_INSERT,
					  2, STEP_DAMAGE, 0};

	cr_expect_eq(program_run(program, sizeof(program) - 2, 1),
		     PROGRAM_EQUAL);
	cr_expect_neq(program_run(program, sizeof(program), 1), PROGRAM_EQUAL);
}
