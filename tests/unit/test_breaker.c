#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "store/backoff.h"
#include "store/breaker.h"

#define MS ((uint64_t)1000000)
#define T0 (1000 * MS)

/* The defaults without jitter, made at T0. */
static struct breaker
new_breaker(void)
{
	struct breaker_opts o = {.jitter_pct = BREAKER_NO_JITTER};
	struct breaker b;

	cr_assert_eq(aibrix__breaker_init(&b, &o, 1, T0), AIBRIX_OK);
	return b;
}

static uint64_t
take(struct breaker *b, uint64_t now_ns)
{
	uint64_t token = 0, until = 0;

	cr_assert_eq(aibrix__breaker_take(b, now_ns, &token, &until),
		     AIBRIX_OK);
	cr_assert_eq(until, 0u);
	return token;
}

/* Until when. */
static uint64_t
refused(struct breaker *b, uint64_t now_ns)
{
	uint64_t token = 0, until = 0;

	cr_assert_eq(aibrix__breaker_take(b, now_ns, &token, &until),
		     AIBRIX_E_UNAVAILABLE);
	cr_assert_eq(token, 0u);
	return until;
}

static void
call(struct breaker *b, uint64_t now_ns, uint32_t outcome)
{
	aibrix__breaker_give(b, take(b, now_ns), outcome, now_ns);
}

static void
calls(struct breaker *b, uint64_t now_ns, uint32_t outcome, int n)
{
	for (int i = 0; i < n; i++)
		call(b, now_ns, outcome);
}

Test(breaker, opens_on_the_fifth_failure_in_a_row)
{
	struct breaker b = new_breaker();

	calls(&b, T0, BREAKER_ERROR, 4);
	cr_expect_eq(b.state, (uint32_t)BREAKER_CLOSED);
	call(&b, T0, BREAKER_TIMEOUT);

	cr_expect_eq(b.state, (uint32_t)BREAKER_OPEN);
	cr_expect_eq(refused(&b, T0), T0 + 100 * MS);
	cr_expect_eq(refused(&b, T0 + 100 * MS - 1), T0 + 100 * MS);
	cr_expect_eq(b.stat.opened, 1u);
	cr_expect_eq(b.stat.refused, 2u);
}

Test(breaker, a_miss_is_an_answer)
{
	struct breaker b = new_breaker();

	for (int i = 0; i < 9; i++) {
		calls(&b, T0, BREAKER_ERROR, 1);
		calls(&b, T0, BREAKER_MISS, 2);
	}
	calls(&b, T0, BREAKER_ERROR, 4);
	call(&b, T0, BREAKER_MISS);
	calls(&b, T0, BREAKER_ERROR, 4);
	cr_expect_eq(b.state, (uint32_t)BREAKER_CLOSED);
}

Test(breaker, opens_when_half_of_twenty_calls_fail)
{
	struct breaker b = new_breaker();

	for (int i = 0; i < 9; i++) {
		call(&b, T0, BREAKER_ERROR);
		call(&b, T0, BREAKER_SUCCESS);
	}
	call(&b, T0, BREAKER_SUCCESS);
	cr_expect_eq(b.state, (uint32_t)BREAKER_CLOSED);
	call(&b, T0, BREAKER_ERROR);
	cr_expect_eq(b.state, (uint32_t)BREAKER_OPEN);
}

Test(breaker, calls_older_than_the_window_do_not_count)
{
	struct breaker b = new_breaker();

	for (int i = 0; i < 9; i++) {
		call(&b, T0, BREAKER_ERROR);
		call(&b, T0, BREAKER_SUCCESS);
	}
	call(&b, T0 + 10000 * MS, BREAKER_SUCCESS);
	call(&b, T0 + 10000 * MS, BREAKER_ERROR);
	cr_expect_eq(b.state, (uint32_t)BREAKER_CLOSED);
	cr_expect_eq(b.buckets[b.newest].calls, 2u);
}

static uint32_t
window_calls(const struct breaker *b)
{
	uint32_t n = 0;

	for (int i = 0; i < BREAKER_BUCKETS; i++)
		n += b->buckets[i].calls;
	return n;
}

Test(breaker, the_window_moves_on_in_eighths)
{
	struct breaker b = new_breaker();

	call(&b, T0 + 1000 * MS, BREAKER_SUCCESS);
	call(&b, T0 + 1249 * MS, BREAKER_SUCCESS);
	call(&b, T0 + 1250 * MS, BREAKER_SUCCESS);
	(void)take(&b, T0 + 9999 * MS);
	cr_expect_eq(window_calls(&b), 3u);
	(void)take(&b, T0 + 10000 * MS);
	cr_expect_eq(window_calls(&b), 1u);
	(void)take(&b, T0 + 11250 * MS);
	cr_expect_eq(window_calls(&b), 0u);
	call(&b, T0 + 11250 * MS, BREAKER_SUCCESS);
	(void)take(&b, UINT64_MAX);
	cr_expect_eq(window_calls(&b), 0u);
}

Test(breaker, half_open_lets_one_probe_through_and_three_close_it)
{
	struct breaker b = new_breaker();
	uint64_t t = T0 + 100 * MS, token;

	calls(&b, T0, BREAKER_ERROR, 5);
	token = take(&b, t);
	cr_expect_eq(b.state, (uint32_t)BREAKER_HALF_OPEN);
	cr_expect_eq(refused(&b, t), t + 5000 * MS);
	aibrix__breaker_give(&b, token, BREAKER_SUCCESS, t);
	call(&b, t, BREAKER_MISS);
	cr_expect_eq(b.state, (uint32_t)BREAKER_HALF_OPEN);
	call(&b, t, BREAKER_SUCCESS);

	cr_expect_eq(b.state, (uint32_t)BREAKER_CLOSED);
	cr_expect_eq(b.stat.probes, 3u);
	cr_expect_eq(b.stat.closed, 1u);
}

Test(breaker, each_failed_probe_doubles_the_wait_up_to_the_longest)
{
	static const uint64_t wait_ms[] = {100,   200,   400,  800,
					   1600,  3200,  6400, 12800,
					   25600, 30000, 30000};
	struct breaker b = new_breaker();
	uint64_t t = T0;

	calls(&b, t, BREAKER_ERROR, 5);
	for (int i = 0; i < 11; i++) {
		cr_expect_eq(refused(&b, t), t + wait_ms[i] * MS, "%d", i);
		t += wait_ms[i] * MS;
		call(&b, t, BREAKER_TIMEOUT);
	}
	cr_expect_eq(b.stat.opened, 12u);
}

Test(breaker, the_wait_is_short_again_after_a_good_window)
{
	struct breaker b = new_breaker();
	uint64_t t = T0 + 100 * MS;

	calls(&b, T0, BREAKER_ERROR, 5);
	calls(&b, t, BREAKER_SUCCESS, 3);
	calls(&b, t + 9999 * MS, BREAKER_ERROR, 5);
	t += 9999 * MS;
	cr_expect_eq(refused(&b, t), t + 200 * MS);

	t += 200 * MS;
	calls(&b, t, BREAKER_SUCCESS, 3);
	t += 10000 * MS;
	calls(&b, t, BREAKER_ERROR, 5);
	cr_expect_eq(refused(&b, t), t + 100 * MS);
}

Test(breaker, outcomes_of_an_earlier_epoch_do_not_count)
{
	struct breaker b = new_breaker();
	uint64_t t = T0 + 100 * MS, early = take(&b, T0);

	calls(&b, T0, BREAKER_ERROR, 5);
	aibrix__breaker_give(&b, early, BREAKER_ERROR, T0);
	cr_expect_eq(b.stat.opened, 1u);

	(void)take(&b, t);
	aibrix__breaker_give(&b, early, BREAKER_SUCCESS, t);
	cr_expect_eq(b.succeeded, 0u);
	aibrix__breaker_give(&b, early, BREAKER_ERROR, t);
	cr_expect_eq(b.state, (uint32_t)BREAKER_HALF_OPEN);
	cr_expect_eq(b.stat.late, 3u);
}

Test(breaker, a_probe_that_ends_twice_counts_once)
{
	struct breaker b = new_breaker();
	uint64_t t = T0 + 100 * MS, token;

	calls(&b, T0, BREAKER_ERROR, 5);
	token = take(&b, t);
	aibrix__breaker_give(&b, token, BREAKER_SUCCESS, t);
	aibrix__breaker_give(&b, token, BREAKER_SUCCESS, t);
	cr_expect_eq(b.succeeded, 1u);
	cr_expect_eq(b.running, 0u);
}

Test(breaker, a_cancelled_probe_makes_room_for_another)
{
	struct breaker b = new_breaker();
	uint64_t t = T0 + 100 * MS;

	calls(&b, T0, BREAKER_ERROR, 5);
	calls(&b, t, BREAKER_NOTHING, 100);
	cr_expect_eq(b.state, (uint32_t)BREAKER_HALF_OPEN);
	cr_expect_eq(b.succeeded, 0u);
}

Test(breaker, a_lost_probe_is_a_failure_at_the_end_of_its_time)
{
	struct breaker b = new_breaker();
	uint64_t t = T0 + 100 * MS, token;

	calls(&b, T0, BREAKER_ERROR, 5);
	token = take(&b, t);
	cr_expect_eq(refused(&b, t + 5050 * MS), t + 5200 * MS);
	aibrix__breaker_give(&b, token, BREAKER_SUCCESS, t + 5051 * MS);
	cr_expect_eq(b.stat.late, 1u);
	(void)take(&b, t + 5200 * MS);
}

Test(breaker, a_clock_that_jumps_back_does_not_lock_it)
{
	struct breaker b = new_breaker();
	uint64_t t = T0;

	calls(&b, t, BREAKER_ERROR, 5);
	cr_expect_eq(refused(&b, t + 60 * MS), t + 100 * MS);
	/* 40 ms are left, wherever the clock stands. */
	cr_expect_eq(refused(&b, 5), 5 + 40 * MS);
	cr_expect_eq(refused(&b, 5 + 39 * MS), 5 + 40 * MS);
	(void)take(&b, 5 + 40 * MS);
}

Test(breaker, a_reader_a_little_behind_makes_no_time)
{
	struct breaker b = new_breaker();

	calls(&b, T0, BREAKER_ERROR, 5);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(refused(&b, i % 2 ? T0 : T0 - 9 * MS),
			     T0 + 100 * MS);
}

Test(breaker, the_ends_of_the_clock_are_times_as_well)
{
	struct breaker_opts o = {.jitter_pct = BREAKER_NO_JITTER,
				 .backoff_min_ns = UINT64_MAX,
				 .window_ns = UINT64_MAX,
				 .probe_ns = UINT64_MAX};
	struct breaker b;

	cr_assert_eq(aibrix__breaker_init(&b, &o, 1, 0), AIBRIX_OK);
	calls(&b, UINT64_MAX, BREAKER_ERROR, 5);
	cr_expect_eq(refused(&b, UINT64_MAX), UINT64_MAX);
	cr_expect_eq(refused(&b, 0), UINT64_MAX);
	(void)take(&b, UINT64_MAX);
}

Test(breaker, counters_stop_at_their_ends)
{
	struct breaker b = new_breaker();

	b.buckets[0].calls = UINT32_MAX;
	b.stat.refused = UINT64_MAX;
	calls(&b, T0, BREAKER_ERROR, 5);
	(void)refused(&b, T0);
	cr_expect_eq(b.buckets[0].calls, UINT32_MAX);
	cr_expect_eq(b.stat.refused, UINT64_MAX);
}

Test(breaker, jitter_shortens_a_wait_by_a_fifth_at_most)
{
	uint64_t lowest = UINT64_MAX, highest = 0;

	for (uint64_t entropy = 0; entropy < 1000; entropy++) {
		struct breaker_opts o = {0};
		struct breaker b;
		uint64_t wait;

		cr_assert_eq(aibrix__breaker_init(&b, &o, entropy, T0),
			     AIBRIX_OK);
		calls(&b, T0, BREAKER_ERROR, 5);
		wait = refused(&b, T0) - T0;
		lowest = wait < lowest ? wait : lowest;
		highest = wait > highest ? wait : highest;
	}
	cr_expect_geq(lowest, 80 * MS);
	cr_expect_lt(lowest, 81 * MS);
	cr_expect_leq(highest, 100 * MS);
	cr_expect_gt(highest, 99 * MS);
}

Test(breaker, the_same_entropy_gives_the_same_waits)
{
	struct breaker_opts o = {0};
	struct breaker a, b;

	cr_assert_eq(aibrix__breaker_init(&a, &o, 42, T0), AIBRIX_OK);
	cr_assert_eq(aibrix__breaker_init(&b, &o, 42, T0), AIBRIX_OK);
	calls(&a, T0, BREAKER_ERROR, 5);
	calls(&b, T0, BREAKER_TIMEOUT, 5);
	cr_expect_eq(refused(&a, T0), refused(&b, T0));
}

Test(breaker, a_node_known_to_be_gone_needs_no_counting)
{
	struct breaker b = new_breaker();
	uint64_t early = take(&b, T0), probe;

	aibrix__breaker_trip(&b, T0);
	cr_expect_eq(b.state, BREAKER_OPEN);
	cr_expect_eq(refused(&b, T0), T0 + 100 * MS);
	/* Once more says nothing new, and neither do those under way. */
	aibrix__breaker_trip(&b, T0 + 50 * MS);
	aibrix__breaker_give(&b, early, BREAKER_SUCCESS, T0 + 60 * MS);
	cr_expect_eq(refused(&b, T0 + 60 * MS), T0 + 100 * MS);
	cr_expect_eq(b.stat.opened, 1u);
	/* A probe that finds it gone waits twice as long. */
	probe = take(&b, T0 + 100 * MS);
	aibrix__breaker_trip(&b, T0 + 101 * MS);
	aibrix__breaker_give(&b, probe, BREAKER_ERROR, T0 + 101 * MS);
	cr_expect_eq(refused(&b, T0 + 101 * MS), T0 + 301 * MS);
	cr_expect_eq(b.stat.opened, 2u);
}

Test(breaker, options_out_of_range_leave_it_untouched)
{
	static const struct breaker_opts bad[] = {
		{.window_ns = BREAKER_BUCKETS - 1},
		{.backoff_min_ns = 2, .backoff_max_ns = 1},
		{.failure_pct = 101},
		{.jitter_pct = 101},
	};
	struct breaker b, before;

	memset(&b, 0x5a, sizeof(b));
	before = b;
	for (int i = 0; i < 4; i++)
		cr_expect_eq(aibrix__breaker_init(&b, &bad[i], 1, T0),
			     AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&b, &before, sizeof(b)), 0);
}

Test(breaker, statuses_stand_for_outcomes)
{
	static const struct {
		int status;
		uint32_t outcome;
	} rows[] = {
		{AIBRIX_OK, BREAKER_SUCCESS},
		{AIBRIX_E_NOT_FOUND, BREAKER_MISS},
		{AIBRIX_E_FULL, BREAKER_SUCCESS},
		{AIBRIX_E_SPACE, BREAKER_SUCCESS},
		{AIBRIX_E_INVAL, BREAKER_NOTHING},
		{AIBRIX_E_NOMEM, BREAKER_NOTHING},
		{AIBRIX_E_CANCELED, BREAKER_NOTHING},
		{AIBRIX_E_IO, BREAKER_ERROR},
		{AIBRIX_E_CLOSED, BREAKER_ERROR},
		{AIBRIX_E_TIMEOUT, BREAKER_TIMEOUT},
		{AIBRIX_E_CORRUPT, BREAKER_ERROR},
		{AIBRIX_E_DENIED, BREAKER_ERROR},
		{AIBRIX_E_UNAVAILABLE, BREAKER_ERROR},
		{AIBRIX_E_DEVICE_LOST, BREAKER_ERROR},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(aibrix__breaker_outcome(rows[i].status),
			     rows[i].outcome, "%d", rows[i].status);
}

Test(breaker, backoff_neither_overflows_nor_passes_its_end)
{
	cr_expect_eq(backoff_ns(3, 100, 0), 3u);
	cr_expect_eq(backoff_ns(3, 100, 5), 96u);
	cr_expect_eq(backoff_ns(3, 100, 6), 100u);
	cr_expect_eq(backoff_ns(3, 100, UINT32_MAX), 100u);
	cr_expect_eq(backoff_ns(1, UINT64_MAX, 63), (uint64_t)1 << 63);
	cr_expect_eq(backoff_ns(3, UINT64_MAX, 63), UINT64_MAX);
}
