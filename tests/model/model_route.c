#include <criterion/criterion.h>

#include "base/rand.h"
#include "model/route_case.h"

enum { CASE_BYTES = 4 + CASE_ROWS * (CASE_COLUMNS + 3) + 40, CASES = 40000 };

static void
random_case(uint64_t seed, uint8_t *bytes)
{
	for (size_t i = 0; i < CASE_BYTES; i++)
		bytes[i] = (uint8_t)rand_next(&seed);
}

Test(route, random_cases_have_the_answers_they_must_have)
{
	uint8_t bytes[CASE_BYTES];

	for (uint64_t seed = 1; seed <= CASES; seed++) {
		const char *wrong;

		random_case(seed, bytes);
		wrong = route_case_run(bytes, sizeof(bytes), 0);
		cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)seed,
			       wrong);
	}
}

Test(route, a_planted_fault_is_noticed)
{
	uint8_t bytes[CASE_BYTES];
	uint32_t noticed = 0;

	for (uint64_t seed = 1; seed <= 100; seed++) {
		random_case(seed, bytes);
		noticed += route_case_run(bytes, sizeof(bytes), 1) != NULL;
	}
	cr_expect_gt(noticed, 70, "the rest has one candidate or no answer");
}
