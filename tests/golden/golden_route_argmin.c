/* AIBrix e3e10f9: the expected answers of the Go tests of its strategies
 * that pick the least of something, asked of the compat profile. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { MAX = 4, COLUMNS = 5, DRAWS = 64 };

/* winners: one bit per row that may win; what is always the same there but
 * drawn from a shuffled list is drawn here from every order of the list. */
static const struct {
	const char *id, *strategy;
	uint32_t n, columns[COLUMNS];
	double values[COLUMNS][MAX];
	uint32_t winners;
} argmin[] = {
	{"kv01",
	 "least-kv-cache",
	 4,
	 {AIBRIX_COL_KV_USAGE_RATIO, AIBRIX_COL_CPU_USAGE_RATIO},
	 {{.2, .1, .6, .6}, {.3, .5, .6, .8}},
	 1},
	{"kv02",
	 "least-kv-cache",
	 3,
	 {AIBRIX_COL_KV_USAGE_RATIO, AIBRIX_COL_CPU_USAGE_RATIO},
	 {{.2, .5, .3}, {.3, .5, .2}},
	 1 | 4},
	{"kv04", "least-kv-cache", 2, {0}, {{0}}, 1 | 2},
	{"gpu01",
	 "least-gpu-cache",
	 4,
	 {AIBRIX_COL_GPU_USAGE_RATIO},
	 {{.1, .2, .3, .4}},
	 1},
	{"gpu02",
	 "least-gpu-cache",
	 3,
	 {AIBRIX_COL_GPU_USAGE_RATIO},
	 {{.1, .5, .1}},
	 1 | 4},
	{"util01",
	 "least-utilization",
	 4,
	 {AIBRIX_COL_UTILIZATION_RATIO},
	 {{.25, .5, .75, .9}},
	 1},
	{"util02",
	 "least-utilization",
	 3,
	 {AIBRIX_COL_UTILIZATION_RATIO},
	 {{.25, .5, .25}},
	 1 | 4},
	{"busy01",
	 "least-busy-time",
	 4,
	 {AIBRIX_COL_GPU_BUSY_RATIO},
	 {{.1, .5, .8, .9}},
	 1},
	{"busy02",
	 "least-busy-time",
	 2,
	 {AIBRIX_COL_GPU_BUSY_RATIO},
	 {{0, .3}},
	 1},
	{"busy04",
	 "least-busy-time",
	 2,
	 {AIBRIX_COL_GPU_BUSY_RATIO},
	 {{NAN, .5}},
	 2},
	{"busy05",
	 "least-busy-time",
	 3,
	 {AIBRIX_COL_GPU_BUSY_RATIO},
	 {{.5, .5, .5}},
	 1 | 2 | 4},
	{"busy06",
	 "least-busy-time",
	 2,
	 {AIBRIX_COL_GPU_BUSY_RATIO},
	 {{.5, NAN}},
	 1},
	{"tp01",
	 "throughput",
	 4,
	 {AIBRIX_COL_PROMPT_TOKENS, AIBRIX_COL_OUTPUT_TOKENS},
	 {{1, 2, 3, 4}, {2, 1, 3, 4}},
	 1},
	{"tp02",
	 "throughput",
	 3,
	 {AIBRIX_COL_PROMPT_TOKENS, AIBRIX_COL_OUTPUT_TOKENS},
	 {{1, 5, 2}, {4, 5, 2}},
	 1 | 4},
	{"tp04", "throughput", 2, {0}, {{0}}, 1 | 2},
	{"ll01",
	 "least-latency",
	 4,
	 {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PROMPT_TOKENS,
	  AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_COL_PREFILL_S, AIBRIX_COL_DECODE_S},
	 {{5, 5, 5, 5},
	  {10, 20, 30, 40},
	  {100, 200, 300, 400},
	  {10, 21, 31, 41},
	  {10, 21, 31, 41}},
	 1},
	{"ll02",
	 "least-latency",
	 3,
	 {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PROMPT_TOKENS,
	  AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_COL_PREFILL_S, AIBRIX_COL_DECODE_S},
	 {{5, 5, 5}, {10, 20, 30}, {100, 200, 300}, {10, 21, 30}, {10, 21, 30}},
	 1 | 4},
	{"ll04",
	 "least-latency",
	 2,
	 {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PROMPT_TOKENS,
	  AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_COL_PREFILL_S, AIBRIX_COL_DECODE_S},
	 {{5, 5}, {10, 10}, {0, 0}, {10, 10}, {10, 20}},
	 1},
	{"ll05",
	 "least-latency",
	 3,
	 {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PROMPT_TOKENS,
	  AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_COL_PREFILL_S, AIBRIX_COL_DECODE_S},
	 {{1, 1, 5}, {9, 9, 9}, {9, 9, 9}, {NAN, 1, 10}, {1, NAN, 10}},
	 4},
	{"ll06",
	 "least-latency",
	 3,
	 {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PROMPT_TOKENS,
	  AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_COL_PREFILL_S, AIBRIX_COL_DECODE_S},
	 {{5, NAN, NAN},
	  {9, NAN, NAN},
	  {9, NAN, NAN},
	  {9, NAN, NAN},
	  {9, NAN, NAN}},
	 1},
};

static aibrix_fleet *
case_fleet(size_t i)
{
	aibrix_fleet *fleet = fixture_fleet(argmin[i].n, NULL);

	for (uint32_t k = 0; k < COLUMNS && argmin[i].columns[k]; k++)
		fixture_set(fleet, argmin[i].columns[k], argmin[i].values[k]);
	return fleet;
}

/* Over entropies, and over the list begun at each of its rows. */
static uint32_t
winners(size_t i, const aibrix_fleet *fleet)
{
	aibrix_route *route =
		fixture_route(argmin[i].strategy, AIBRIX_PROFILE_COMPAT);
	uint32_t set = 0;

	for (uint64_t entropy = 0; entropy < DRAWS; entropy++) {
		uint32_t rows[MAX];
		aibrix_route_request request = {.size = sizeof(request),
						.rows = rows,
						.n_rows = argmin[i].n,
						.entropy = entropy};

		for (uint32_t row = 0; row < argmin[i].n; row++)
			rows[row] = (uint32_t)(row + entropy) % argmin[i].n;
		set |= 1u << fixture_pick(route, fleet, &request).row;
	}
	aibrix_route_free(route);
	return set;
}

Test(golden_route_argmin, winners_are_those_of_aibrix)
{
	for (size_t i = 0; i < sizeof(argmin) / sizeof(argmin[0]); i++) {
		aibrix_fleet *fleet = case_fleet(i);

		cr_expect_eq(winners(i, fleet), argmin[i].winners, "%s",
			     argmin[i].id);
		aibrix_fleet_free(fleet);
	}
}

static void
expect_scores(const char *strategy, const aibrix_fleet *fleet, uint32_t n,
	      const double *expected)
{
	aibrix_route *route = fixture_route(strategy, AIBRIX_PROFILE_COMPAT);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_score scores[MAX];
	uint32_t count, lower;

	cr_assert_eq(aibrix_route_explain(route, fleet, &request, 0, scores,
					  MAX, &count, &lower),
		     AIBRIX_OK);
	cr_expect_eq(lower, 1);
	for (uint32_t i = 0; i < n; i++) {
		cr_expect_eq(scores[i].scored, !isnan(expected[i]), "%s %u",
			     strategy, i);
		if (!isnan(expected[i]))
			cr_expect_float_eq(scores[i].score, expected[i], 1e-4,
					   "%s %u", strategy, i);
	}
	aibrix_route_free(route);
}

Test(golden_route_argmin, kv05_scores)
{
	static const double kv[] = {.1, .5, NAN}, cpu[] = {.1, 0, NAN};
	static const double expected[] = {.2, .5, NAN};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);

	fixture_set(fleet, AIBRIX_COL_KV_USAGE_RATIO, kv);
	fixture_set(fleet, AIBRIX_COL_CPU_USAGE_RATIO, cpu);
	expect_scores("least-kv-cache", fleet, 3, expected);
	aibrix_fleet_free(fleet);
}

Test(golden_route_argmin, scores_of_least_latency)
{
	static const struct {
		const char *id;
		double scores[MAX];
	} expected[] = {
		{"ll01", {55, 57.5, 56.6667, 56.25}},
		{"ll02", {45, 47, 45}},
		{"ll04", {25, 35}},
		{"ll05", {NAN, NAN, 25}},
	};

	for (size_t i = 0, k = 0; i < sizeof(argmin) / sizeof(argmin[0]); i++) {
		aibrix_fleet *fleet;

		if (k == 4 || strcmp(argmin[i].id, expected[k].id) != 0)
			continue;
		fleet = case_fleet(i);
		expect_scores("least-latency", fleet, argmin[i].n,
			      expected[k].scores);
		aibrix_fleet_free(fleet);
		k++;
	}
}
