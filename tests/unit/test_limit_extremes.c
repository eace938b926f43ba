#include <criterion/criterion.h>

#include <aibrix/limit.h>

#include "base/rand.h"
#include "limit/limit_table.h"

enum { STEPS = 300000, OPEN = 16, NAMES = 6 };

static const uint64_t units[] = {1,
				 2,
				 3,
				 7,
				 1000,
				 1 << 20,
				 AIBRIX_LIMIT_UNITS_MAX - 1,
				 AIBRIX_LIMIT_UNITS_MAX};
static const uint64_t periods[] = {1, 2, 999, 60000000000, 604800000000000};
static const uint64_t times[] = {
	0, 1, 1000, (uint64_t)1 << 62, UINT64_MAX - 1, UINT64_MAX};

static uint64_t
one_of(uint64_t *seed, const uint64_t *list, uint32_t n)
{
	return list[rand_below(seed, n)];
}

static aibrix_limit_rate
any_rate(uint64_t *seed)
{
	return (aibrix_limit_rate){one_of(seed, units, 8),
				   one_of(seed, periods, 5),
				   one_of(seed, units, 8)};
}

static void
admit_or_end(aibrix_limit *limit, aibrix_limit_ticket *ticket, uint64_t *seed,
	     uint64_t now)
{
	aibrix_limit_rate requests = any_rate(seed), tokens = any_rate(seed);
	uint8_t name = (uint8_t)rand_below(seed, NAMES);
	uint64_t cost = one_of(seed, units, 8);
	aibrix_limit_request r = {.size = sizeof(r),
				  .name = &name,
				  .name_bytes = 1,
				  .requests = &requests,
				  .tokens = &tokens,
				  .tokens_estimated = cost};
	aibrix_limit_verdict v = {.size = sizeof(v)};

	if (ticket->shifts && rand_below(seed, 2)) {
		cr_assert_eq(aibrix_limit_settle(limit, ticket, cost, now), 0);
	} else if (ticket->shifts) {
		cr_assert_eq(aibrix_limit_cancel(limit, ticket, now), 0);
	} else {
		cr_assert_eq(aibrix_limit_admit(limit, &r, now, &v, ticket), 0);
		cr_assert_eq(v.reason == 0, v.retry_ns == 0);
	}
}

/* Rates, times and costs at both ends, tickets of users long forgotten. */
Test(limit_extremes, no_numbers_hang_it_or_overflow)
{
	aibrix_limit_opts opts = {.size = sizeof(opts), .users = 4};
	aibrix_limit_ticket tickets[OPEN] = {{.turn = 0}};
	static uint8_t saved[1 << 14];
	aibrix_limit *limit = NULL;
	uint64_t seed = 5, n;

	cr_assert_eq(aibrix_limit_new(&opts, &limit), AIBRIX_OK);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint64_t now = one_of(&seed, times, 6) + rand_below(&seed, 50);

		admit_or_end(limit, &tickets[rand_below(&seed, OPEN)], &seed,
			     now);
		if (i % 100)
			continue;
		cr_assert_eq(
			aibrix_limit_save(limit, now, saved, sizeof(saved), &n),
			AIBRIX_OK);
		for (uint8_t name = 0; name < NAMES; name++)
			(void)!aibrix_limit_forget(limit, &name, 1);
		if (i % 200)
			cr_assert_eq(aibrix_limit_load(limit, now, saved, n),
				     AIBRIX_OK);
		cr_assert_eq(aibrix__limit_check(limit), 0);
	}
	aibrix_limit_free(limit);
}

Test(limit_extremes, a_ticket_of_a_lane_that_was_never_charged_ends)
{
	aibrix_limit_opts opts = {.size = sizeof(opts), .users = 4};
	aibrix_limit_rate rate = {.units = 10};
	aibrix_limit_request r = {.size = sizeof(r),
				  .name = "ann",
				  .name_bytes = 3,
				  .tokens = &rate,
				  .tokens_estimated = 5};
	aibrix_limit_verdict v = {.size = sizeof(v)};
	aibrix_limit_ticket old, other;
	aibrix_limit *limit = NULL;

	cr_assert_eq(aibrix_limit_new(&opts, &limit), AIBRIX_OK);
	cr_assert_eq(aibrix_limit_admit(limit, &r, 0, &v, &old), AIBRIX_OK);
	cr_assert_eq(aibrix_limit_forget(limit, "ann", 3), AIBRIX_OK);
	r.requests = &rate;
	r.tokens = NULL;
	cr_assert_eq(aibrix_limit_admit(limit, &r, UINT64_MAX, &v, &other),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_limit_settle(limit, &old, 0, UINT64_MAX),
		     AIBRIX_OK);
	aibrix_limit_free(limit);
}
