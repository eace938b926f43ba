/* The prefix-cache strategy of both profiles; AIBrix's own answers are in
 * golden_route.c. */

#include <math.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

/* One prefix-cache question to four pods. */
struct prefix_case {
	double pending[4], running[4], capacity[4], blocks[4];
	uint64_t prompt_tokens, n_blocks;
};

static aibrix_route_result
prefix_pick(const struct prefix_case *c, uint32_t profile)
{
	aibrix_fleet *fleet = fixture_fleet(4, NULL);
	aibrix_route *route = fixture_route("prefix-cache", profile);
	aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, 4, c->blocks};
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 1,
					.overlay = &overlay,
					.prompt_tokens = c->prompt_tokens,
					.n_blocks = c->n_blocks};
	aibrix_route_result result;

	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, c->pending);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, c->running);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, c->capacity);
	result = fixture_pick(route, fleet, &request);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return result;
}

#define UNKNOWN                                                                \
	{                                                                      \
		NAN, NAN, NAN, NAN                                             \
	}

Test(route_prefix, a_holder_wins_while_its_queue_is_shorter_than_what_it_saves)
{
	struct prefix_case c = {.pending = {0, 6399, 7200, 7200},
				.running = UNKNOWN,
				.capacity = UNKNOWN,
				.blocks = {0, 50, 0, 0},
				.prompt_tokens = 1000,
				.n_blocks = 62};
	aibrix_route_result result = prefix_pick(&c, 0);

	cr_expect_eq(result.row, 1);
	cr_expect_eq(result.score, 6399 / 8.0 + 1000 - 800);
	cr_expect_eq(result.reason, AIBRIX_REASON_PREFIX);

	c.pending[1] = 6401;
	result = prefix_pick(&c, 0);
	cr_expect_eq(result.row, 0);
	cr_expect_eq(result.score, 1000);
	cr_expect_eq(result.reason, AIBRIX_REASON_PREFIX_SKIPPED);
}

Test(route_prefix, without_holders_the_shortest_queue_wins)
{
	struct prefix_case c = {.pending = {30, 20, 40, 50},
				.running = UNKNOWN,
				.capacity = UNKNOWN,
				.blocks = {0, NAN, -3, 0},
				.prompt_tokens = 100,
				.n_blocks = 6};
	aibrix_route_result result = prefix_pick(&c, 0);

	cr_expect_eq(result.row, 1);
	cr_expect_eq(result.score, 102.5);
	cr_expect_eq(result.reason, AIBRIX_REASON_PREFIX_NONE);
}

Test(route_prefix, running_requests_stand_in_for_pending_tokens)
{
	struct prefix_case c = {.pending = {NAN, 5000, NAN, NAN},
				.running = {2, 0, 3, NAN},
				.capacity = UNKNOWN,
				.blocks = {0},
				.prompt_tokens = 100,
				.n_blocks = 6};
	aibrix_route_result result = prefix_pick(&c, 0);

	cr_expect_eq(result.row, 0);
	cr_expect_eq(result.score, 2 * 2048 / 8 + 100);
}

Test(route_prefix, cost_is_divided_by_capacity)
{
	struct prefix_case c = {.pending = {100, 150, 190, 400},
				.running = UNKNOWN,
				.capacity = {1, 1, 2, NAN},
				.blocks = {0},
				.prompt_tokens = 100,
				.n_blocks = 6};

	cr_expect_eq(prefix_pick(&c, 0).row, 2);
	cr_expect_eq(prefix_pick(&c, 0).score, 61.875);
}

Test(route_prefix, a_row_whose_load_is_not_known_never_beats_one_with_data)
{
	struct prefix_case c = {.pending = {NAN, 1e6, NAN, NAN},
				.running = UNKNOWN,
				.capacity = UNKNOWN,
				.blocks = {60, 0, 0, 0},
				.prompt_tokens = 1000,
				.n_blocks = 62};

	cr_expect_eq(prefix_pick(&c, 0).row, 1);
	cr_expect_eq(prefix_pick(&c, 0).reason, AIBRIX_REASON_PREFIX_SKIPPED);
}

Test(route_prefix, prefixes_decide_when_no_load_is_known_at_all)
{
	struct prefix_case c = {.pending = UNKNOWN,
				.running = UNKNOWN,
				.capacity = UNKNOWN,
				.blocks = {0, 10, 60, 0},
				.prompt_tokens = 1000,
				.n_blocks = 62};

	cr_expect_eq(prefix_pick(&c, 0).row, 2);
	cr_expect_eq(prefix_pick(&c, 0).reason, AIBRIX_REASON_PREFIX);
}

Test(route_prefix, equal_costs_go_to_fewer_running_requests)
{
	struct prefix_case c = {.pending = {10, 10, 10, 10},
				.running = {4, NAN, 2, 3},
				.capacity = UNKNOWN,
				.blocks = {0},
				.prompt_tokens = 100,
				.n_blocks = 6};

	cr_expect_eq(prefix_pick(&c, 0).row, 2);
	cr_expect_eq(prefix_pick(&c, 0).ties, 1);
}

Test(route_prefix, a_prompt_of_unknown_length_counts_its_blocks)
{
	struct prefix_case c = {.pending = {0, 0, 0, 0},
				.running = UNKNOWN,
				.capacity = UNKNOWN,
				.blocks = {1, 3, 99, 0},
				.n_blocks = 4};
	aibrix_route_result result = prefix_pick(&c, 0);

	cr_expect_eq(result.row, 2);
	cr_expect_eq(result.score, 0, "no more is cached than was asked for");
	c.blocks[2] = 0;
	cr_expect_eq(prefix_pick(&c, 0).score, 16);
}

Test(route_prefix, a_prompt_without_blocks_and_length_goes_to_the_least_loaded)
{
	struct prefix_case c = {.pending = {7, 5, 6, 8},
				.running = {3, 4, 1, 2},
				.capacity = UNKNOWN,
				.blocks = {0}};

	cr_expect_eq(prefix_pick(&c, 0).row, 1);
	cr_expect_eq(prefix_pick(&c, 1).row, 2);
	cr_expect_eq(prefix_pick(&c, 1).reason, AIBRIX_REASON_PREFIX_NONE);
}

/* One block is worth 16 tokens, eight requests in front cost far more. */
Test(route_prefix, prefix_profiles_differ_on_a_short_prefix_and_a_busy_holder)
{
	struct prefix_case c = {.pending = UNKNOWN,
				.running = {0, 8, 8, 8},
				.capacity = UNKNOWN,
				.blocks = {0, 1, 0, 0},
				.n_blocks = 10};

	cr_expect_eq(prefix_pick(&c, 0).row, 0);
	cr_expect_eq(prefix_pick(&c, 0).reason, AIBRIX_REASON_PREFIX_SKIPPED);
	cr_expect_eq(prefix_pick(&c, 1).row, 1);
	cr_expect_eq(prefix_pick(&c, 1).reason, AIBRIX_REASON_PREFIX);
}

/* max = mean + d / 2 and the deviation is d / sqrt(2): AIBrix's limit lies
 * above any holder's count. */
Test(route_prefix, prefix_profiles_differ_on_two_pods)
{
	static const double running[] = {0, 1e6}, blocks[] = {0, 1};
	aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, 2, blocks};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route_opts opts = {.size = sizeof(opts),
					  .strategy = "prefix-cache",
					  .profile = profile,
					  .imbalance_abs = 1e9};
		aibrix_route_request request = {.size = sizeof(request),
						.n_overlay = 1,
						.overlay = &overlay,
						.n_blocks = 10};
		aibrix_route *route;

		cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
		cr_expect_eq(fixture_pick(route, fleet, &request).row, profile);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

/* AIBrix gives up a prefix of any length for a spread of 9 requests. */
Test(route_prefix, prefix_profiles_differ_on_a_long_prefix_and_a_busy_holder)
{
	struct prefix_case c = {.pending = {0, 1000, 0, 0},
				.running = {0, 9, 1, 1},
				.capacity = UNKNOWN,
				.blocks = {0, 6000, 0, 0},
				.prompt_tokens = 100000,
				.n_blocks = 6250};

	cr_expect_eq(prefix_pick(&c, 0).row, 1);
	cr_expect_eq(prefix_pick(&c, 0).reason, AIBRIX_REASON_PREFIX);
	cr_expect_eq(prefix_pick(&c, 1).row, 0);
	cr_expect_eq(prefix_pick(&c, 1).reason, AIBRIX_REASON_PREFIX_SKIPPED);
}

Test(route_prefix, compat_matches_whole_blocks_and_a_match_may_be_zero_percent)
{
	struct prefix_case c = {.pending = UNKNOWN,
				.running = {0, 1, 1, 1},
				.capacity = UNKNOWN,
				.blocks = {0, 0.9, 1, 0},
				.n_blocks = 1000};
	aibrix_route_result result = prefix_pick(&c, 1);

	cr_expect_eq(result.row, 2);
	cr_expect_eq(result.score, 0);
	cr_expect_eq(result.reason, AIBRIX_REASON_PREFIX);
	c.n_blocks = 0;
	cr_expect_eq(prefix_pick(&c, 1).reason, AIBRIX_REASON_PREFIX_NONE);
}

Test(route_prefix, compat_percent_is_exact_for_prompts_of_any_size)
{
	struct prefix_case c = {.pending = UNKNOWN,
				.running = {1, 1, 1, 1},
				.capacity = UNKNOWN,
				.blocks = {1e18, 2e18, 1e300, 0},
				.n_blocks = UINT64_MAX};

	cr_expect_eq(prefix_pick(&c, 1).row, 2);
	cr_expect_eq(prefix_pick(&c, 1).score, 100);
	c.blocks[2] = 0;
	cr_expect_eq(prefix_pick(&c, 1).row, 1);
	cr_expect_eq(prefix_pick(&c, 1).score, 10);
}

Test(route_prefix, weights_change_what_a_queue_costs)
{
	static const double pending[] = {400, 0}, blocks[] = {10, 0};
	aibrix_route_opts opts = {.size = sizeof(opts),
				  .strategy = "prefix-cache",
				  .queue_weight = 2};
	aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, 2, blocks};
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 1,
					.overlay = &overlay,
					.prompt_tokens = 160};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *one = fixture_route("prefix-cache", 0), *two;

	cr_assert_eq(aibrix_route_new(&opts, &two), AIBRIX_OK);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	cr_expect_eq(fixture_pick(one, fleet, &request).row, 0);
	cr_expect_eq(fixture_pick(two, fleet, &request).row, 1);
	request.block_tokens = 4;
	cr_expect_eq(fixture_pick(one, fleet, &request).row, 1,
		     "blocks of 4 tokens save 40");
	aibrix_route_free(one);
	aibrix_route_free(two);
	aibrix_fleet_free(fleet);
}

/* There environment variables that are 0 count as not set. */
Test(route_prefix, defect_23_a_threshold_of_zero_is_one)
{
	static const double counts[] = {0, 1}, blocks[] = {0, 4};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	const aibrix_route_request request = {.size = sizeof(request),
					      .n_blocks = 4};
	uint32_t rows[2];

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, blocks);
	for (uint32_t i = 0; i < 2; i++) {
		aibrix_route_opts opts = {
			.size = sizeof(opts),
			.profile = AIBRIX_PROFILE_COMPAT,
			.flags = i ? AIBRIX_ROUTE_IMBALANCE_SET : 0};
		aibrix_route *route;

		cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
		rows[i] = fixture_pick(route, fleet, &request).row;
		aibrix_route_free(route);
	}
	cr_expect(rows[0] == 1 && rows[1] == 0);
	aibrix_fleet_free(fleet);
}
