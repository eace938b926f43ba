#include <stdio.h>

#include <criterion/criterion.h>

#include "admit_program.h"
#include "base/rand.h"

enum { LENGTH_MAX = 16, RANDOM = 40000 };

static char text[160];

static const char *
describe(const char *bad, const uint8_t *ops, uint32_t n, uint32_t settings)
{
	size_t at = (size_t)snprintf(text, sizeof(text), "%s; settings %u, ops",
				     bad, settings);

	for (uint32_t i = 0; i < n && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %u",
				       ops[i] % OPS);
	return text;
}

/* Every program of length ops; NULL, or what the first bad one does. */
static const char *
all_programs(uint32_t length, uint32_t settings, int fault)
{
	uint8_t ops[LENGTH_MAX] = {0};
	uint32_t at = 0;

	while (at < length) {
		const char *bad =
			admit_program_run(ops, length, settings, fault);

		if (bad)
			return describe(bad, ops, length, settings);
		for (at = 0; at < length && ++ops[at] == OPS; at++)
			ops[at] = 0;
	}
	return NULL;
}

static const char *
random_programs(uint32_t settings, int fault)
{
	for (uint32_t seed = 0; seed < RANDOM; seed++) {
		uint64_t state = seed;
		uint8_t ops[LENGTH_MAX * 3];
		uint32_t n = 1 + rand_below(&state, sizeof(ops));
		const char *bad;

		for (uint32_t i = 0; i < n; i++)
			ops[i] = (uint8_t)rand_below(&state, OPS);
		bad = admit_program_run(ops, n, settings, fault);
		if (bad)
			return describe(bad, ops, n, settings);
	}
	return NULL;
}

Test(admit, every_short_program_ends_as_the_engine_or_says_degraded)
{
	for (uint32_t settings = 0; settings < 8; settings++)
		for (uint32_t length = 1; length <= 5; length++) {
			const char *bad =
				all_programs(length, settings, NO_FAULT);

			cr_expect_null(bad, "%s", bad);
		}
}

Test(admit, every_program_of_six_steps_with_replay_ends_as_the_engine)
{
	const char *bad = all_programs(6, SET_REPLAY, NO_FAULT);

	cr_expect_null(bad, "%s", bad);
}

Test(admit, long_random_programs_end_as_the_engine_or_say_degraded)
{
	for (uint32_t settings = 0; settings < 8; settings++) {
		const char *bad = random_programs(settings, NO_FAULT);

		cr_expect_null(bad, "%s", bad);
	}
}

Test(admit, a_host_that_does_not_clear_is_found_out)
{
	cr_expect_not_null(all_programs(5, SET_REPLAY, FAULT_NO_CLEAR));
}

Test(admit, a_host_that_forgets_what_it_holds_is_found_out)
{
	cr_expect_not_null(random_programs(SET_REPLAY, FAULT_HELD_FORGOTTEN));
}

Test(admit, a_host_that_cannot_tell_two_processes_apart_is_found_out)
{
	cr_expect_not_null(random_programs(SET_REPLAY, FAULT_NO_PRINT_OF_LIFE));
}

Test(admit, a_replay_out_of_order_is_found_out)
{
	cr_expect_not_null(
		random_programs(SET_REPLAY, FAULT_REPLAY_OUT_OF_ORDER));
}
