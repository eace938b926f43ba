/* prefix-cache-preble: where the profiles differ, and why. */

#include <math.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { ROWS = 3, PROMPT = 1000 };

struct facts {
	double held[ROWS], requests[ROWS], seconds[ROWS], running[ROWS];
};

static aibrix_route_result last;

/* One bit for each row that some entropy picks. */
static uint32_t
winners(uint32_t profile, const struct facts *facts)
{
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_route *route = fixture_route("prefix-cache-preble", profile);
	const aibrix_column overlay[] = {
		{AIBRIX_COL_PREFIX_BLOCKS, ROWS, facts->held},
		{AIBRIX_COL_HISTORY_REQUESTS, ROWS, facts->requests},
		{AIBRIX_COL_HISTORY_S, ROWS, facts->seconds},
		{AIBRIX_COL_REQUESTS_RUNNING, ROWS, facts->running},
	};
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 4,
					.overlay = overlay,
					.block_tokens = 1,
					.n_blocks = PROMPT};
	uint32_t set = 0;

	for (; request.entropy < 64; request.entropy++) {
		last = fixture_pick(route, fleet, &request);
		set |= 1u << last.row;
	}
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return set;
}

/* 480 tokens of 1000 are worth something; there they are worth nothing, and
 * 510 anything. */
Test(route_preble, profiles_differ_just_below_half_of_the_prompt)
{
	const struct facts facts = {.held = {480, 0, 0},
				    .requests = {11, 10, 10},
				    .seconds = {110, 100, 100}};

	cr_expect_eq(winners(0, &facts), 1);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX);
	cr_expect_eq(winners(1, &facts), 2);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX_SKIPPED);
}

/* There a prefix that everybody asks for stays on one row, as long as its
 * running requests are not too many. */
Test(route_preble, profiles_differ_on_a_holder_that_was_sent_everything)
{
	const struct facts facts = {.held = {900, 0, 0},
				    .requests = {100, 10, 20},
				    .seconds = {1000, 100, 200},
				    .running = {8, 0, 0}};

	cr_expect_eq(winners(0, &facts), 2);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX_SKIPPED);
	cr_expect_eq(winners(1, &facts), 1);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX);
}

/* There a request of ten tokens and one of a hundred thousand are one. */
Test(route_preble, profiles_differ_on_what_holders_were_sent)
{
	const struct facts facts = {.held = {900, 900, 0},
				    .requests = {3, 4, 7},
				    .seconds = {90, 10, 10}};

	cr_expect_eq(winners(0, &facts), 2);
	cr_expect_eq(winners(1, &facts), 1);
}

/* There a row that holds one token less is none of the holders. */
Test(route_preble, profiles_differ_on_who_holds_a_token_less)
{
	const struct facts facts = {.held = {1000, 999, 0},
				    .requests = {30, 3, 30},
				    .seconds = {300, 30, 300}};

	cr_expect_eq(winners(0, &facts), 2);
	cr_expect_eq(winners(1, &facts), 1);
}

/* There a row without history has cost nothing. */
Test(route_preble, profiles_differ_on_a_row_of_unknown_history)
{
	const struct facts facts = {.requests = {5, NAN, 9},
				    .seconds = {50, NAN, 90}};

	cr_expect_eq(winners(0, &facts), 1);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX_NONE);
	cr_expect_eq(winners(1, &facts), 2);
}

Test(route_preble, only_rows_at_the_minimum_count_there_when_far_apart)
{
	const struct facts facts = {.held = {1000, 700, 700},
				    .requests = {1, 2, 3},
				    .running = {9, 0, 0}};

	cr_expect_eq(winners(1, &facts), 2);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX);
}

/* A prefix spreads to as many rows as it takes. */
Test(route_preble, one_hot_prefix_reaches_every_row_in_time)
{
	struct facts facts = {.running = {0}};
	uint32_t moved = 0, before = 0;

	for (uint32_t i = 0; i < 300; i++) {
		uint32_t set = winners(0, &facts), row = 0;

		while (!(set >> row & 1))
			row++;
		moved += row != before;
		before = row;
		facts.held[row] = PROMPT;
		facts.requests[row]++;
		facts.seconds[row] += 10;
	}
	for (uint32_t row = 0; row < ROWS; row++)
		cr_expect(facts.requests[row] >= 90, "%u: %g", row,
			  facts.requests[row]);
	cr_expect_gt(moved, 0);
}

Test(route_preble, without_history_running_requests_decide_and_then_blocks)
{
	struct facts facts = {.held = {0, 900, 900},
			      .requests = {NAN, NAN, NAN},
			      .seconds = {NAN, NAN, NAN},
			      .running = {0, 9, 2}};

	cr_expect_eq(winners(0, &facts), 4);
	facts.running[1] = facts.running[2] = facts.running[0] = NAN;
	cr_expect_eq(winners(0, &facts), 6);
	cr_expect_eq(last.reason, AIBRIX_REASON_PREFIX);
	facts.held[1] = facts.held[2] = 0;
	cr_expect_eq(winners(0, &facts), 7);
	cr_expect_eq(last.reason, AIBRIX_REASON_NO_DATA);
}

Test(route_preble, an_idle_fleet_takes_who_holds_the_most)
{
	const struct facts facts = {.held = {100, 300, 200}};

	cr_expect_eq(winners(0, &facts), 2);
}
