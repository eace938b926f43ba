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

/* Whether a case has it, alone or in a list. */
static int
in_cases(const char *name)
{
	aibrix_route_item items[AIBRIX_ROUTE_ITEMS_MAX];
	uint32_t n, len = (uint32_t)strlen(name), found = 0;

	for (uint32_t i = 0; i < CASE_STRATEGIES; i++) {
		const char *text = case_strategy[i];

		cr_assert_eq(aibrix_route_parse(text, strlen(text), items,
						AIBRIX_ROUTE_ITEMS_MAX, &n,
						NULL),
			     AIBRIX_OK);
		for (uint32_t k = 0; k < n; k++)
			found |= items[k].len == len &&
				 memcmp(text + items[k].at, name, len) == 0;
	}
	return (int)found;
}

/* So each is held to one answer for one question, in any order of rows. */
Test(route, every_strategy_of_the_table_is_among_the_cases)
{
	for (uint32_t i = 0; aibrix_route_strategy(i); i++)
		cr_expect(in_cases(aibrix_route_strategy(i)), "%s",
			  aibrix_route_strategy(i));
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
