/* Strategies over what engines report: where the profiles differ, and why. */

#include <math.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { MAX = 4 };

#define SECOND 1000000000u

/* The row that strategy picks in each profile, by any of 16 entropies, or
 * UINT32_MAX when they differ. */
struct both {
	uint32_t standard, compat, reason[2];
};

static struct both
pick_both(const char *strategy, const aibrix_fleet *fleet, uint64_t prompt)
{
	uint32_t rows[2] = {0};
	struct both both;

	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route = fixture_route(strategy, profile);
		aibrix_route_request request = {.size = sizeof(request),
						.prompt_tokens = prompt};

		rows[profile] = fixture_pick(route, fleet, &request).row;
		for (; request.entropy < 16; request.entropy++) {
			aibrix_route_result result =
				fixture_pick(route, fleet, &request);

			if (result.row != rows[profile])
				rows[profile] = UINT32_MAX;
			both.reason[profile] = result.reason;
		}
		aibrix_route_free(route);
	}
	both.standard = rows[0];
	both.compat = rows[1];
	return both;
}

/* vLLM V1 reports one ratio under the newer name and has no CPU cache
 * (defect 5). */
Test(route_gauges, a_cache_is_known_by_either_name)
{
	static const double kv[] = {0.5, 0.2, 0.9};
	static const char *const names[] = {"least-kv-cache",
					    "least-gpu-cache"};
	static const uint32_t reasons[] = {AIBRIX_REASON_LEAST_KV_CACHE,
					   AIBRIX_REASON_LEAST_GPU_CACHE};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);

	fixture_set(fleet, AIBRIX_COL_KV_USAGE_RATIO, kv);
	for (uint32_t i = 0; i < 2; i++) {
		struct both both = pick_both(names[i], fleet, 0);

		cr_expect_eq(both.standard, 1);
		cr_expect_eq(both.reason[0], reasons[i]);
		cr_expect_eq(both.compat, UINT32_MAX, "drawn");
		cr_expect_eq(both.reason[1], AIBRIX_REASON_NO_DATA,
			     "but not silently");
	}
	aibrix_fleet_free(fleet);
}

/* V0 engines beside V1 engines. */
Test(route_gauges, old_and_new_names_are_compared_in_one_fleet)
{
	static const double kv[] = {0.5, NAN, 0.9}, gpu[] = {NAN, 0.2, NAN},
			    cpu[] = {NAN, 0.4, NAN};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);

	fixture_set(fleet, AIBRIX_COL_KV_USAGE_RATIO, kv);
	fixture_set(fleet, AIBRIX_COL_GPU_USAGE_RATIO, gpu);
	fixture_set(fleet, AIBRIX_COL_CPU_USAGE_RATIO, cpu);
	cr_expect_eq(pick_both("least-kv-cache", fleet, 0).standard, 0);
	cr_expect_eq(pick_both("least-gpu-cache", fleet, 0).standard, 1);
	aibrix_fleet_free(fleet);
}

/* No engine reports a busy ratio to AIBrix, only xLLM a utilization: each
 * stands in for the other. */
Test(route_gauges, busy_and_utilization_stand_in_for_each_other)
{
	static const double ratio[] = {0.5, 0.2, 0.9};
	static const uint32_t columns[] = {AIBRIX_COL_UTILIZATION_RATIO,
					   AIBRIX_COL_GPU_BUSY_RATIO};
	static const char *const names[] = {"least-busy-time",
					    "least-utilization"};

	for (uint32_t i = 0; i < 2; i++) {
		aibrix_fleet *fleet = fixture_fleet(3, NULL);
		struct both both;

		fixture_set(fleet, columns[i], ratio);
		both = pick_both(names[i], fleet, 0);
		cr_expect_eq(both.standard, 1);
		cr_expect_eq(both.compat, UINT32_MAX);
		cr_expect_eq(both.reason[1], AIBRIX_REASON_NO_DATA);
		aibrix_fleet_free(fleet);
	}
}

Test(route_gauges, a_ratio_below_zero_is_an_error_and_does_not_win)
{
	static const double ratio[] = {0.5, -1, 0.9}, cpu[] = {0, 0, 0};
	static const struct {
		const char *name;
		uint32_t column;
	} cases[] = {
		{"least-kv-cache", AIBRIX_COL_KV_USAGE_RATIO},
		{"least-gpu-cache", AIBRIX_COL_GPU_USAGE_RATIO},
		{"least-busy-time", AIBRIX_COL_GPU_BUSY_RATIO},
		{"least-utilization", AIBRIX_COL_UTILIZATION_RATIO},
	};

	for (size_t i = 0; i < 4; i++) {
		aibrix_fleet *fleet = fixture_fleet(3, NULL);
		struct both both;

		fixture_set(fleet, AIBRIX_COL_CPU_USAGE_RATIO, cpu);
		fixture_set(fleet, cases[i].column, ratio);
		both = pick_both(cases[i].name, fleet, 0);
		cr_expect_eq(both.standard, 0, "%s", cases[i].name);
		cr_expect_eq(both.compat, 1, "%s", cases[i].name);
		aibrix_fleet_free(fleet);
	}
}

/* What AIBrix reads as tokens per request is 0 for every pod in production,
 * and would not be throughput (defect 4). */
Test(route_gauges, throughput_is_work_per_second_for_the_size_of_the_pod)
{
	static const double per_s[] = {900, 500, 800}, size[] = {2, 1, 1};
	static const double prompt[] = {9, 9, 1}, output[] = {9, 9, 1};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	struct both both;

	fixture_set(fleet, AIBRIX_COL_TOKENS_PER_S, per_s);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, size);
	fixture_set(fleet, AIBRIX_COL_PROMPT_TOKENS, prompt);
	fixture_set(fleet, AIBRIX_COL_OUTPUT_TOKENS, output);
	both = pick_both("throughput", fleet, 0);
	cr_expect_eq(both.standard, 0, "450 per unit of capacity");
	cr_expect_eq(both.compat, 2);
	aibrix_fleet_free(fleet);
}

/* Row 0 is quick at long prompts, row 1 at long answers.  AIBrix asks for a
 * mean request of the fleet, whatever this one is. */
Test(route_gauges, latency_is_that_of_this_request)
{
	static const double zero[] = {0, 0}, prefill[] = {1, 4},
			    decode[] = {4, 2}, prompt[] = {1000, 1000},
			    output[] = {100, 100};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	struct both both;

	fixture_set(fleet, AIBRIX_COL_QUEUE_S, zero);
	fixture_set(fleet, AIBRIX_COL_PREFILL_S, prefill);
	fixture_set(fleet, AIBRIX_COL_DECODE_S, decode);
	fixture_set(fleet, AIBRIX_COL_PROMPT_TOKENS, prompt);
	fixture_set(fleet, AIBRIX_COL_OUTPUT_TOKENS, output);
	both = pick_both("least-latency", fleet, 100);
	cr_expect_eq(both.standard, 1, "2.4 s against 4.1 s");
	cr_expect_eq(both.compat, 0, "5 s against 6 s");
	both = pick_both("least-latency", fleet, 5000);
	cr_expect_eq(both.standard, 0);
	both = pick_both("least-latency", fleet, 0);
	cr_expect_eq(both.standard, 0, "not known: a mean one");
	aibrix_fleet_free(fleet);
}

/* A queue of which nothing is known is not an empty one (defect 4). */
Test(route_gauges, latency_of_a_queue_that_is_not_known_is_not_known)
{
	static const double queue[] = {8, NAN}, one[] = {1, 1};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);

	fixture_set(fleet, AIBRIX_COL_QUEUE_S, queue);
	fixture_set(fleet, AIBRIX_COL_PREFILL_S, one);
	fixture_set(fleet, AIBRIX_COL_DECODE_S, one);
	cr_expect_eq(pick_both("least-latency", fleet, 7).standard, 0);
	aibrix_fleet_free(fleet);
}

/* AIBrix reads the last value of a pod that stopped answering for ever. */
Test(route_gauges, what_an_engine_reported_long_ago_is_not_known)
{
	static const struct {
		const char *name;
		uint32_t column;
	} cases[] = {
		{"least-gpu-cache", AIBRIX_COL_GPU_USAGE_RATIO},
		{"least-busy-time", AIBRIX_COL_GPU_BUSY_RATIO},
		{"least-utilization", AIBRIX_COL_UTILIZATION_RATIO},
	};

	for (size_t i = 0; i < 3; i++) {
		for (uint32_t profile = 0; profile < 2; profile++) {
			aibrix_fleet *fleet = fixture_fleet(2, NULL);
			aibrix_route *route =
				fixture_route(cases[i].name, profile);
			aibrix_route_request request = {
				.size = sizeof(request)};
			aibrix_route_result at10 = {.size = sizeof(at10)};
			aibrix_route_result after = {.size = sizeof(after)};

			cr_assert_eq(aibrix_fleet_set(fleet, 0, cases[i].column,
						      0.1, 5ull * SECOND),
				     0);
			cr_assert_eq(aibrix_fleet_set(fleet, 1, cases[i].column,
						      0.9, 15ull * SECOND),
				     0);
			cr_assert_eq(aibrix_route_pick(route, fleet, &request,
						       15ull * SECOND, &at10),
				     0);
			cr_expect_eq(at10.row, 0, "ten seconds are the limit");
			cr_assert_eq(aibrix_route_pick(route, fleet, &request,
						       15ull * SECOND + 1,
						       &after),
				     0);
			cr_expect_eq(after.row, profile ? 0 : 1);
			/* The clock of this caller went back. */
			cr_assert_eq(aibrix_route_pick(route, fleet, &request,
						       0, &after),
				     0);
			cr_expect_eq(after.row, 0);
			aibrix_route_free(route);
			aibrix_fleet_free(fleet);
		}
	}
}

Test(route_gauges, the_age_is_an_option_and_own_counts_have_none)
{
	aibrix_route_opts opts = {.size = sizeof(opts),
				  .strategy = "least-gpu-cache",
				  .max_age_ns = AIBRIX_FOREVER};
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	static const double ratio[] = {0.9, 0.1}, counts[] = {1, 2};
	aibrix_route *route;

	fixture_set(fleet, AIBRIX_COL_GPU_USAGE_RATIO, ratio);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
	cr_assert_eq(
		aibrix_route_pick(route, fleet, &request, UINT64_MAX, &result),
		AIBRIX_OK);
	cr_expect_eq(result.row, 1);
	aibrix_route_free(route);
	opts.max_age_ns = 1;
	opts.strategy = "least-request";
	cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
	cr_assert_eq(
		aibrix_route_pick(route, fleet, &request, UINT64_MAX, &result),
		AIBRIX_OK);
	cr_expect_eq(result.row, 0);
	cr_expect_eq(result.reason, AIBRIX_REASON_LEAST_REQUEST);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route_gauges, a_column_of_the_caller_is_a_strategy)
{
	static const double first[] = {3, 1, 2}, last[] = {1, 2, 3};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);

	fixture_set(fleet, AIBRIX_COL_USER, first);
	fixture_set(fleet, AIBRIX_COL_USER + 31, last);
	cr_expect_eq(pick_both("least-user-0", fleet, 0).standard, 1);
	cr_expect_eq(pick_both("most-user-0", fleet, 0).standard, 0);
	cr_expect_eq(pick_both("most-user-31", fleet, 0).compat, 2);
	cr_expect_eq(pick_both("least-user-7", fleet, 0).reason[0],
		     AIBRIX_REASON_NO_DATA);
	aibrix_fleet_free(fleet);
}
