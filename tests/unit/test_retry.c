#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>
#include <aibrix/store.h>

#include "base/rand.h"
#include "store/retry.h"

#define MS ((uint64_t)1000000)

static struct retry
new_retry(void)
{
	struct retry_opts o = {0};
	struct retry r;

	cr_assert_eq(aibrix__retry_init(&r, &o, 1), AIBRIX_OK);
	return r;
}

static struct retry_call
failed_get(void)
{
	return (struct retry_call){.deadline_ns = 1000 * MS,
				   .op = AIBRIX_STORE_GET,
				   .status = AIBRIX_E_CLOSED};
}

static uint32_t
may(struct retry *r, const struct retry_call *c, uint64_t now_ns)
{
	uint64_t at = 0;
	uint32_t answer = aibrix__retry_may(r, c, now_ns, &at);

	cr_expect_eq(at != 0, answer == RETRY_YES);
	return answer;
}

Test(retry, all_but_delete_may_be_sent_again)
{
	struct retry r = new_retry();
	struct retry_call c = failed_get();

	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES);
	c.op = AIBRIX_STORE_PUT;
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES);
	c.op = AIBRIX_STORE_PROBE;
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES);
	c.op = AIBRIX_STORE_DELETE;
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_UNSAFE);
	c.op = 99;
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_UNSAFE);
}

Test(retry, only_what_passes_is_tried_again)
{
	static const int final[] = {AIBRIX_OK,         AIBRIX_E_NOT_FOUND,
				    AIBRIX_E_INVAL,    AIBRIX_E_FULL,
				    AIBRIX_E_CANCELED, AIBRIX_E_CORRUPT,
				    AIBRIX_E_DENIED,   AIBRIX_E_DEVICE_LOST};
	static const int passing[] = {AIBRIX_E_IO, AIBRIX_E_CLOSED,
				      AIBRIX_E_TIMEOUT, AIBRIX_E_UNAVAILABLE};
	struct retry r = new_retry();
	struct retry_call c = failed_get();

	for (int i = 0; i < 8; i++) {
		c.status = final[i];
		cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_FINAL, "%d",
			     c.status);
	}
	for (int i = 0; i < 4; i++) {
		c.status = passing[i];
		cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES, "%d",
			     c.status);
	}
}

Test(retry, once_and_no_more)
{
	struct retry r = new_retry();
	struct retry_call c = failed_get();

	c.retries = 1;
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_TIMES);
	cr_expect_eq(r.answers[RETRY_TIMES], 1u);
}

Test(retry, it_waits_two_milliseconds_less_up_to_a_half)
{
	struct retry_call c = failed_get();

	for (uint64_t entropy = 0; entropy < 1000; entropy++) {
		struct retry_opts o = {0};
		struct retry r;
		uint64_t at = 0;

		cr_assert_eq(aibrix__retry_init(&r, &o, entropy), AIBRIX_OK);
		cr_assert_eq(aibrix__retry_may(&r, &c, 500 * MS, &at),
			     (uint32_t)RETRY_YES);
		cr_assert_geq(at, 501 * MS);
		cr_assert_leq(at, 502 * MS);
	}
}

Test(retry, later_retries_wait_longer_but_not_above_the_longest)
{
	struct retry_opts o = {.retries = 100, .jitter_pct = 1};
	struct retry r;
	struct retry_call c = failed_get();
	uint64_t at = 0;

	cr_assert_eq(aibrix__retry_init(&r, &o, 1), AIBRIX_OK);
	c.retries = 3;
	cr_assert_eq(aibrix__retry_may(&r, &c, 0, &at), (uint32_t)RETRY_YES);
	cr_expect_geq(at, 15 * MS);
	cr_expect_leq(at, 16 * MS);
	c.retries = 99;
	cr_assert_eq(aibrix__retry_may(&r, &c, 0, &at), (uint32_t)RETRY_YES);
	cr_expect_geq(at, 99 * MS);
	cr_expect_leq(at, 100 * MS);
}

Test(retry, it_fits_before_the_deadline_or_is_not_made)
{
	struct retry r = new_retry();
	struct retry_call c = failed_get();

	cr_expect_eq(may(&r, &c, 999 * MS), (uint32_t)RETRY_LATE);
	cr_expect_eq(may(&r, &c, 1000 * MS), (uint32_t)RETRY_LATE);
	cr_expect_eq(may(&r, &c, UINT64_MAX), (uint32_t)RETRY_LATE);
	cr_expect_eq(may(&r, &c, 998 * MS - 1), (uint32_t)RETRY_YES);
	c.need_ns = 20 * MS;
	cr_expect_eq(may(&r, &c, 980 * MS), (uint32_t)RETRY_LATE);
	cr_expect_eq(may(&r, &c, 978 * MS), (uint32_t)RETRY_YES);
	c.need_ns = UINT64_MAX;
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_LATE);
	c.deadline_ns = AIBRIX_FOREVER;
	c.need_ns = 0;
	cr_expect_eq(may(&r, &c, UINT64_MAX - 1), (uint32_t)RETRY_LATE);
	cr_expect_eq(may(&r, &c, UINT64_MAX / 2), (uint32_t)RETRY_YES);
}

Test(retry, a_deadline_is_no_time_to_begin)
{
	struct retry a = new_retry(), b = a, c = a;
	struct retry_call call = failed_get();
	uint64_t at = 0;

	cr_assert_eq(aibrix__retry_may(&a, &call, 0, &at), (uint32_t)RETRY_YES);
	call.deadline_ns = at;
	cr_expect_eq(may(&b, &call, 0), (uint32_t)RETRY_LATE);
	call.deadline_ns = at + 1;
	cr_expect_eq(may(&c, &call, 0), (uint32_t)RETRY_YES);
}

Test(retry, ten_at_once_and_then_one_for_ten_calls)
{
	struct retry r = new_retry();
	struct retry_call c = failed_get();

	for (int i = 0; i < 10; i++)
		cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES);
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_BUDGET);
	for (int i = 0; i < 9; i++)
		aibrix__retry_call(&r);
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_BUDGET);
	aibrix__retry_call(&r);
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES);
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_BUDGET);
	cr_expect_eq(r.answers[RETRY_YES], 11u);
}

Test(retry, quiet_times_save_no_more_than_the_burst)
{
	struct retry r = new_retry();
	struct retry_call c = failed_get();

	for (int i = 0; i < 100000; i++)
		aibrix__retry_call(&r);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_YES);
	cr_expect_eq(may(&r, &c, 0), (uint32_t)RETRY_BUDGET);
}

/* Any mixture of calls and failures. */
Test(retry, retries_are_a_tenth_of_the_calls_and_a_burst_at_most)
{
	struct retry_call c = failed_get();

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct retry r = new_retry();
		uint64_t rand = seed, calls = 0, retries = 0;
		uint32_t rate = rand_below(&rand, 100);

		for (int i = 0; i < 10000; i++) {
			if (rand_below(&rand, 100) < rate) {
				aibrix__retry_call(&r);
				calls++;
			} else {
				retries += may(&r, &c, 0) == RETRY_YES;
			}
			cr_assert_leq(retries * 10, calls + 100, "seed %u",
				      (unsigned)seed);
		}
	}
}

Test(retry, options_out_of_range_leave_it_untouched)
{
	static const struct retry_opts bad[] = {
		{.backoff_min_ns = 2, .backoff_max_ns = 1},
		{.jitter_pct = 101},
		{.budget_pct = 101},
	};
	struct retry r, before;

	memset(&r, 0x5a, sizeof(r));
	before = r;
	for (int i = 0; i < 3; i++)
		cr_expect_eq(aibrix__retry_init(&r, &bad[i], 1),
			     AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&r, &before, sizeof(r)), 0);
}
