#include <criterion/criterion.h>

#include "base/rand.h"
#include "model/estimate_case.h"

enum { CASE_BYTES = 2000, CASES = 400 };

static void
random_case(uint64_t seed, uint8_t *bytes)
{
	for (size_t i = 0; i < CASE_BYTES; i++)
		bytes[i] = (uint8_t)rand_next(&seed);
}

Test(estimate, what_waits_is_what_was_charged_and_not_settled)
{
	uint8_t bytes[CASE_BYTES];

	for (uint64_t seed = 1; seed <= CASES; seed++) {
		const char *wrong;

		random_case(seed, bytes);
		wrong = estimate_case_run(bytes, sizeof(bytes), 0);
		cr_assert_null(wrong, "seed %llu: %s", (unsigned long long)seed,
			       wrong);
	}
}

Test(estimate, a_planted_fault_is_noticed)
{
	uint8_t bytes[CASE_BYTES];

	random_case(1, bytes);
	cr_expect_not_null(estimate_case_run(bytes, sizeof(bytes), 1));
}
