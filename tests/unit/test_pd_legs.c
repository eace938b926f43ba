/* The machine of two legs: what is done about one when the other fails. */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pd_legs.h>

#define SECOND 1000000000ull

#define TOGETHER AIBRIX_PD_LEGS_TOGETHER
#define STREAM AIBRIX_PD_LEGS_STREAM
#define ABORT (AIBRIX_PD_DO_CLOSE_DECODE | AIBRIX_PD_DO_ABORT)
#define FAIL AIBRIX_PD_DO_FAIL_CLIENT

static aibrix_pd_legs legs;
static aibrix_pd_orders orders;
static aibrix_pd_legs_opts opts;

static void
start(uint32_t flags)
{
	opts = (aibrix_pd_legs_opts){.size = sizeof(opts), .flags = flags};
	orders = (aibrix_pd_orders){.size = sizeof(orders)};
	cr_assert_eq(aibrix_pd_legs_start(&opts, 0, &legs, &orders), AIBRIX_OK);
	cr_assert_eq(orders.actions, 0u);
}

/* What is to be done at a time in tenths of a second. */
static uint32_t
at(uint64_t tenths, uint32_t event)
{
	uint32_t failure = event == AIBRIX_PD_EVENT_PREFILL_FAILED
				   ? AIBRIX_PD_FAILURE_TRANSPORT
				   : 0;

	cr_assert_eq(aibrix_pd_legs_step(&legs, event, failure,
					 tenths * SECOND / 10, &orders),
		     AIBRIX_OK);
	return orders.actions;
}

#define EXPECT(tenths, event, actions_)                                        \
	cr_expect_eq(at(tenths, AIBRIX_PD_EVENT_##event),                      \
		     (uint32_t)(actions_), "got %u", orders.actions)

Test(pd_legs, a_request_that_goes_well_asks_for_nothing)
{
	start(STREAM);
	cr_expect_eq(orders.next_ns, 30 * SECOND);
	EXPECT(10, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	cr_expect_eq(orders.next_ns, 61 * SECOND);
	EXPECT(20, HEAD, 0);
	cr_expect_eq(orders.next_ns, 61 * SECOND, "a head is no data");
	EXPECT(30, DATA, 0);
	cr_expect_eq(orders.next_ns, 123 * SECOND);
	cr_expect_eq(orders.sent, 1u);
	EXPECT(40, DATA, 0);
	EXPECT(50, END, 0);
	cr_expect_eq(orders.over, 1u);
	cr_expect_eq(orders.next_ns, AIBRIX_FOREVER);
	cr_expect_eq(orders.failure, 0u);
}

Test(pd_legs, legs_that_run_together_end_in_any_order)
{
	start(TOGETHER | STREAM);
	EXPECT(10, DATA, 0);
	EXPECT(20, PREFILLED, 0);
	EXPECT(30, END, 0);
	cr_expect_eq(orders.over, 1u);
	start(TOGETHER | STREAM);
	EXPECT(10, DATA, 0);
	EXPECT(20, END, 0);
	cr_expect_eq(orders.over, 0u);
	EXPECT(30, PREFILLED, 0);
	cr_expect_eq(orders.over, 1u);
}

/* AIBrix issue 2289: an asynchronous prefill that failed left the decode and
 * its client to wait for 300 s. */
Test(pd_legs, a_prefill_that_fails_ends_the_decode_that_waits_for_it)
{
	start(TOGETHER | STREAM);
	EXPECT(10, PREFILL_FAILED, FAIL | ABORT);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_TRANSPORT);
	cr_expect_eq(orders.sent, 0u);
	EXPECT(12, ABORTED, 0);
	cr_expect_eq(orders.next_ns, 3 * SECOND);
	EXPECT(30, TICK, AIBRIX_PD_DO_ABORT);
	cr_expect_eq(orders.over, 0u);
	EXPECT(31, ABORTED, 0);
	cr_expect_eq(orders.over, 1u);
}

Test(pd_legs, an_abort_that_takes_too_long_is_dropped)
{
	start(TOGETHER);
	EXPECT(10, PREFILL_FAILED, FAIL | ABORT);
	EXPECT(30, TICK, AIBRIX_PD_DO_ABORT);
	cr_expect_eq(orders.next_ns, 6 * SECOND);
	EXPECT(60, TICK, AIBRIX_PD_DO_CANCEL_ABORT);
	cr_expect_eq(orders.over, 1u);
}

Test(pd_legs, a_decode_that_answers_is_not_aborted_again)
{
	start(TOGETHER | STREAM);
	EXPECT(10, PREFILL_FAILED, FAIL | ABORT);
	EXPECT(20, HEAD, AIBRIX_PD_DO_CANCEL_ABORT);
	EXPECT(30, TICK, 0);
	cr_expect_eq(orders.over, 1u);
}

Test(pd_legs, a_decode_that_answers_lives_on_when_prefill_is_lost)
{
	start(TOGETHER | STREAM);
	EXPECT(5, HEAD, 0);
	EXPECT(10, PREFILL_FAILED, 0);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_TRANSPORT);
	cr_expect_eq(orders.next_ns, 61 * SECOND, "and is watched");
	EXPECT(20, DATA, 0);
	EXPECT(30, END, 0);
	cr_expect_eq(orders.over, 1u);
}

Test(pd_legs, an_answer_that_cannot_be_read_has_moved_the_kv)
{
	start(TOGETHER | STREAM);
	cr_assert_eq(aibrix_pd_legs_step(&legs, AIBRIX_PD_EVENT_PREFILL_FAILED,
					 AIBRIX_PD_FAILURE_BAD_RESPONSE, SECOND,
					 &orders),
		     AIBRIX_OK);
	cr_expect_eq(orders.actions, 0u);
	EXPECT(610, TICK, FAIL | ABORT);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_FIRST,
		     "what ended it goes before what it survived");
}

Test(pd_legs, without_its_answer_a_decode_that_waits_is_not_started)
{
	start(STREAM);
	cr_assert_eq(aibrix_pd_legs_step(&legs, AIBRIX_PD_EVENT_PREFILL_FAILED,
					 AIBRIX_PD_FAILURE_BAD_RESPONSE, SECOND,
					 &orders),
		     AIBRIX_OK);
	cr_expect_eq(orders.actions, (uint32_t)FAIL);
	cr_expect_eq(orders.over, 1u);
	EXPECT(20, PREFILLED, 0);
}

Test(pd_legs, a_prefill_is_given_30_seconds)
{
	start(TOGETHER);
	EXPECT(299, TICK, 0);
	EXPECT(300, TICK, FAIL | ABORT | AIBRIX_PD_DO_CANCEL_PREFILL);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_TIMEOUT);
	start(0);
	EXPECT(300, TICK, FAIL | AIBRIX_PD_DO_CANCEL_PREFILL);
	cr_expect_eq(orders.over, 1u);
}

Test(pd_legs, an_answer_with_the_end_of_its_time_comes_before_it)
{
	start(0);
	EXPECT(300, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	cr_expect_eq(orders.failure, 0u);
}

Test(pd_legs, a_stream_without_first_data_for_60_seconds_is_ended)
{
	start(TOGETHER | STREAM);
	EXPECT(10, PREFILLED, 0);
	EXPECT(300, HEAD, 0);
	EXPECT(609, TICK, 0);
	EXPECT(610, TICK, FAIL | ABORT);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_FIRST);
	cr_expect_eq(orders.next_ns, 64 * SECOND,
		     "one abort: it knows the rid");
	EXPECT(620, ABORTED, 0);
	cr_expect_eq(orders.over, 1u);
}

Test(pd_legs, a_stream_that_is_silent_for_120_seconds_is_ended)
{
	start(STREAM);
	EXPECT(10, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	EXPECT(20, DATA, 0);
	EXPECT(1219, TICK, 0);
	EXPECT(1219, DATA, 0);
	EXPECT(2418, TICK, 0);
	EXPECT(2419, TICK, FAIL | ABORT);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_IDLE);
	cr_expect_eq(orders.sent, 1u);
}

Test(pd_legs, a_whole_answer_may_take_its_time_unless_it_is_bounded)
{
	start(0);
	EXPECT(10, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	cr_expect_eq(orders.next_ns, AIBRIX_FOREVER);
	EXPECT(99999, TICK, 0);
	opts.response_ns = 5 * SECOND;
	cr_assert_eq(aibrix_pd_legs_start(&opts, 0, &legs, &orders), AIBRIX_OK);
	EXPECT(10, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	EXPECT(60, TICK, FAIL | ABORT);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_FIRST);
}

Test(pd_legs, a_decode_that_fails_ends_a_prefill_that_runs)
{
	start(TOGETHER);
	EXPECT(10, DECODE_FAILED, FAIL | AIBRIX_PD_DO_CANCEL_PREFILL);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_DECODE);
	cr_expect_eq(orders.over, 1u);
	EXPECT(20, PREFILL_FAILED, 0);
}

Test(pd_legs, a_client_that_goes_ends_both)
{
	start(TOGETHER);
	EXPECT(10, CLIENT_GONE, ABORT | AIBRIX_PD_DO_CANCEL_PREFILL);
	cr_expect_eq(orders.failure, AIBRIX_PD_FAILURE_CANCELED);
	EXPECT(30, TICK, AIBRIX_PD_DO_ABORT);
	start(STREAM);
	EXPECT(10, CLIENT_GONE, AIBRIX_PD_DO_CANCEL_PREFILL);
	cr_expect_eq(orders.over, 1u);
	start(STREAM);
	EXPECT(10, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	EXPECT(20, DATA, 0);
	EXPECT(30, CLIENT_GONE, ABORT);
	cr_expect_eq(orders.next_ns, 6 * SECOND, "one abort");
	start(STREAM);
	EXPECT(10, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	EXPECT(20, END, 0);
	EXPECT(30, CLIENT_GONE, 0);
	cr_expect_eq(orders.failure, 0u);
}

Test(pd_legs, engines_without_aborts_are_only_closed)
{
	start(TOGETHER | AIBRIX_PD_LEGS_NO_ABORT);
	EXPECT(10, PREFILL_FAILED, FAIL | AIBRIX_PD_DO_CLOSE_DECODE);
	cr_expect_eq(orders.over, 1u);
}

/* 0 cannot be said to AIBrix's environment for most of them. */
Test(pd_legs, every_time_can_be_for_ever)
{
	opts = (aibrix_pd_legs_opts){.size = sizeof(opts),
				     .flags = TOGETHER | STREAM,
				     .prefill_ns = AIBRIX_FOREVER,
				     .abort_ns = AIBRIX_FOREVER,
				     .abort_again_ns = AIBRIX_FOREVER,
				     .first_ns = AIBRIX_FOREVER,
				     .idle_ns = AIBRIX_FOREVER};
	orders = (aibrix_pd_orders){.size = sizeof(orders)};
	cr_assert_eq(aibrix_pd_legs_start(&opts, 5, &legs, &orders), AIBRIX_OK);
	cr_expect_eq(orders.next_ns, AIBRIX_FOREVER);
	EXPECT(99999, TICK, 0);
	EXPECT(99999, PREFILL_FAILED, FAIL | ABORT);
	cr_expect_eq(orders.next_ns, AIBRIX_FOREVER);
	EXPECT(99999, ABORTED, 0);
	cr_expect_eq(orders.over, 1u);
	cr_assert_eq(aibrix_pd_legs_step(&legs, 0, 0, AIBRIX_FOREVER, &orders),
		     AIBRIX_OK);
	cr_expect_eq(orders.actions, 0u);
}

Test(pd_legs, a_clock_that_steps_back_stands_still)
{
	start(STREAM);
	EXPECT(100, PREFILLED, AIBRIX_PD_DO_START_DECODE);
	EXPECT(5, DATA, 0);
	cr_expect_eq(orders.next_ns, 130 * SECOND);
}

Test(pd_legs, events_that_cannot_be_change_nothing)
{
	aibrix_pd_legs before;

	start(TOGETHER);
	before = legs;
	cr_expect_eq(aibrix_pd_legs_step(&legs, 9, 0, 1, &orders),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_legs_step(&legs, AIBRIX_PD_EVENT_PREFILL_FAILED,
					 0, 1, &orders),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_legs_step(&legs, AIBRIX_PD_EVENT_PREFILL_FAILED,
					 AIBRIX_PD_FAILURE_FIRST, 1, &orders),
		     AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_pd_legs_step(&legs, AIBRIX_PD_EVENT_END, 1, 1, &orders),
		AIBRIX_E_INVAL);
	orders.size = 3;
	cr_expect_eq(
		aibrix_pd_legs_step(&legs, AIBRIX_PD_EVENT_END, 0, 1, &orders),
		AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&before, &legs, sizeof(legs)), 0);
	orders.size = sizeof(orders);
	opts.flags = 8;
	cr_expect_eq(aibrix_pd_legs_start(&opts, 0, &legs, &orders),
		     AIBRIX_E_ABI);
	cr_expect_eq(aibrix_pd_legs_start(&opts, 0, NULL, &orders),
		     AIBRIX_E_INVAL);
}

Test(pd_legs, a_rid_is_the_id_and_16_digits)
{
	char out[32] = "";
	uint64_t n = 0;

	cr_expect_eq(aibrix_pd_rid("req", 3, 0x0123456789abcdefu, out, 20, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 20);
	cr_expect_str_eq(out, "req-0123456789abcdef");
	cr_expect_eq(aibrix_pd_rid("", 0, 0xf, out, 17, &n), AIBRIX_OK);
	cr_expect_eq(memcmp(out, "-000000000000000f", 17), 0);
	cr_expect_eq(aibrix_pd_rid("req", 3, 0, NULL, 0, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, 20);
	cr_expect_eq(aibrix_pd_rid(NULL, 1, 0, out, 20, &n), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_rid("x", UINT64_MAX, 0, out, 20, &n),
		     AIBRIX_E_INVAL);
}
