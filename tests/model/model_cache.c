#include <criterion/criterion.h>

#include "base/rand.h"
#include "cache_program.h"

enum { PROGRAMS = 3000, BYTES = 603 };

/* The step that damages the model is left out. */
static void
program_make(uint8_t *data, uint64_t seed)
{
	static const uint8_t often[] = {STEP_ACQUIRE, STEP_RESERVE, STEP_COMMIT,
					STEP_RELEASE, STEP_POLL,    STEP_POLL,
					STEP_FAULT,   STEP_REMOVE};
	uint64_t state = seed;
	uint32_t step;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t)rand_next(&state);
	data[0] |= seed % 3 != 0;
	for (size_t i = 3; i < BYTES; i += 3) {
		step = rand_below(&state, STEP_KINDS);
		if (rand_below(&state, 2))
			step = often[rand_below(&state, sizeof(often))];
		else if (step == STEP_RENEW && rand_below(&state, 8))
			step = STEP_POLL;
		data[i] = (uint8_t)((data[i] & 0xf0) | step);
	}
}

Test(cache, random_programs_never_show_a_byte_that_was_not_committed)
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

/* Write chain 0, read it, spoil the model. */
Test(cache, a_damaged_model_is_noticed)
{
	static const uint8_t program[] = {0,           9, 3, STEP_RESERVE, 0, 3,
					  STEP_COMMIT, 0, 0, STEP_ACQUIRE, 0, 3,
					  STEP_DAMAGE, 0, 0};

	cr_expect_eq(program_run(program, sizeof(program) - 3, 1),
		     PROGRAM_EQUAL);
	cr_expect_eq(program_run(program, sizeof(program), 0), PROGRAM_EQUAL);
	cr_expect_eq(program_run(program, sizeof(program), 1), 12);
}
