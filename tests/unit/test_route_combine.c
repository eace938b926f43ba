/* Several strategies in one string. */

#include <math.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "failing.h"
#include "fleet_fixture.h"

enum { MAX = 4 };

struct rig {
	aibrix_fleet *fleet;
	aibrix_route *route;
	aibrix_route_request request;
	aibrix_route_result result;
	double score[MAX];
};

/* Columns of the caller, NAN where there is no value. */
static struct rig
rig_open(const char *strategy, uint32_t profile, uint32_t n,
	 const double columns[][MAX], uint32_t n_columns)
{
	struct rig rig = {.fleet = fixture_fleet(n, NULL),
			  .route = fixture_route(strategy, profile),
			  .request = {.size = sizeof(rig.request)}};
	aibrix_route_score scores[MAX];
	uint32_t count, lower;

	for (uint32_t i = 0; i < n_columns; i++)
		fixture_set(rig.fleet, AIBRIX_COL_USER + i, columns[i]);
	rig.result = fixture_pick(rig.route, rig.fleet, &rig.request);
	cr_assert_eq(aibrix_route_explain(rig.route, rig.fleet, &rig.request, 0,
					  scores, MAX, &count, &lower),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++)
		rig.score[i] = scores[i].score;
	return rig;
}

static void
rig_close(struct rig *rig)
{
	aibrix_route_free(rig->route);
	aibrix_fleet_free(rig->fleet);
}

/* AIBrix, router_test.go TestScoreAndRank and others.  One strategy alone is
 * not scored there, so it stands beside one of which nothing is known and
 * that adds nothing: twice its total is the total. */
static const struct {
	const char *id, *strategy;
	uint32_t n, n_columns;
	double columns[2][MAX], total[MAX];
	double of; /* totals are to be multiplied by this */
	uint32_t winner;
} multi[] = {
	{"multi01",
	 "most-user-0,least-user-9",
	 3,
	 1,
	 {{10, 20, 30}},
	 {0, 0.5, 1},
	 2,
	 2},
	{"multi02",
	 "least-user-0,least-user-9",
	 3,
	 1,
	 {{10, 20, 30}},
	 {1, 0.5, 0},
	 2,
	 0},
	{"multi03",
	 "most-user-0:2,least-user-1:8",
	 3,
	 2,
	 {{100, 50, 0}, {30, 20, 10}},
	 {0.2, 0.5, 0.8},
	 1,
	 2},
	{"multi04",
	 "most-user-0,most-user-1",
	 3,
	 2,
	 {{100, 50, NAN}, {10, 20, 30}},
	 {0.5, 0.25, 0.5},
	 1,
	 0},
	{"multi05",
	 "most-user-0,most-user-1",
	 3,
	 2,
	 {{NAN, NAN, NAN}, {10, 30, 20}},
	 {0, 0.5, 0.25},
	 1,
	 1},
	{"multi06",
	 "most-user-0,least-user-9",
	 3,
	 1,
	 {{10, 10, NAN}},
	 {1, 1, 0},
	 2,
	 0},
	{"multi07",
	 "most-user-0,least-user-1:3",
	 3,
	 2,
	 {{10, 20, 30}, {10, 20, 30}},
	 {0.75, 0.5, 0.25},
	 1,
	 0},
	{"multi08",
	 "most-user-0,least-user-9",
	 4,
	 1,
	 {{INFINITY, 20, 10, -INFINITY}},
	 {0, 1, 0, 0},
	 2,
	 1},
	{"multi09", "most-user-0,least-user-9", 2, 1, {{1, 2}}, {0, 1}, 2, 1},
};

Test(route_combine, totals_are_those_of_aibrix)
{
	for (size_t i = 0; i < sizeof(multi) / sizeof(multi[0]); i++) {
		struct rig rig = rig_open(multi[i].strategy,
					  AIBRIX_PROFILE_COMPAT, multi[i].n,
					  multi[i].columns, multi[i].n_columns);

		for (uint32_t row = 0; row < multi[i].n; row++)
			cr_expect_float_eq(rig.score[row] * multi[i].of,
					   multi[i].total[row], 1e-12, "%s %u",
					   multi[i].id, row);
		cr_expect_eq(rig.result.row, multi[i].winner, "%s",
			     multi[i].id);
		cr_expect_eq(rig.result.reason, AIBRIX_REASON_COMBINED);
		rig_close(&rig);
	}
}

/* multi10: a row is a rank with its own count, so the free rank of the pod
 * that the other strategy prefers wins without a second step (defect 6: in
 * AIBrix the ranks of a pod share one count). */
Test(route_combine, ranks_of_one_pod_are_told_apart_by_their_own_counts)
{
	static const aibrix_owner owners[] = {{1, 0, 0}, {1, 1, 0}, {2, 0, 0}};
	static const double fixed[] = {1, 1, 0}, counts[] = {20, 1, 100};
	aibrix_fleet *fleet = fixture_fleet(0, NULL);
	uint32_t row;

	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(aibrix_fleet_add(fleet, &owners[i], &row), 0);
	fixture_set(fleet, AIBRIX_COL_USER, fixed);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route = fixture_route(
			"most-user-0:100,least-request:1", profile);
		aibrix_route_request request = {.size = sizeof(request)};
		aibrix_owner won = fixture_pick(route, fleet, &request).owner;

		cr_expect_eq(won.pod, 1);
		cr_expect_eq(won.rank, 1);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

/* router_test.go, weighted end to end. */
Test(route_combine, requests_outweigh_throughput_ten_to_one)
{
	static const double counts[] = {10, 2}, prompt[] = {100, 10},
			    output[] = {50, 5};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("least-request:10,throughput:1", 1);
	aibrix_route_request request = {.size = sizeof(request)};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_PROMPT_TOKENS, prompt);
	fixture_set(fleet, AIBRIX_COL_OUTPUT_TOKENS, output);
	cr_expect_eq(fixture_pick(route, fleet, &request).row, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

/* AIBrix stretches today's range to 0..1, so one request more is as bad as
 * the whole of a cache that is nearly full; here a difference is worth what
 * it is worth. */
Test(route_combine, profiles_differ_in_what_a_small_difference_weighs)
{
	static const double counts[] = {1, 2, 2}, kv[] = {0.95, 0.10, 0.94},
			    none[] = {0, 0, 0};

	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_fleet *fleet = fixture_fleet(3, NULL);
		aibrix_route *route = fixture_route(
			"least-request:3,least-kv-cache:2", profile);
		aibrix_route_request request = {.size = sizeof(request)};

		fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
		fixture_set(fleet, AIBRIX_COL_KV_USAGE_RATIO, kv);
		fixture_set(fleet, AIBRIX_COL_CPU_USAGE_RATIO, none);
		cr_expect_eq(fixture_pick(route, fleet, &request).row,
			     profile == AIBRIX_PROFILE_COMPAT ? 0 : 1);
		aibrix_route_free(route);
		aibrix_fleet_free(fleet);
	}
}

/* A row without a metric counts as the worst in AIBrix. */
Test(route_combine, profiles_differ_on_a_row_that_reports_one_of_two)
{
	static const double columns[2][MAX] = {{4, 2, NAN}, {9, 5, 0}};

	for (uint32_t profile = 0; profile < 2; profile++) {
		struct rig rig = rig_open("least-user-0,least-user-1", profile,
					  3, columns, 2);

		cr_expect_eq(rig.result.row,
			     profile == AIBRIX_PROFILE_COMPAT ? 1 : 2);
		rig_close(&rig);
	}
}

Test(route_combine, totals_of_the_default_profile_are_in_requests)
{
	static const double columns[2][MAX] = {{5, 8, NAN}, {3, 3, 3}};
	struct rig rig =
		rig_open("least-user-0:3,least-user-1", 0, 3, columns, 2);

	cr_expect_eq(rig.score[0], 0);
	cr_expect_eq(rig.score[1], 3 * 0.75);
	cr_expect_eq(rig.score[2], 1.5 * 0.75, "the middle of 5 and 8");
	cr_expect_eq(rig.result.row, 0);
	rig_close(&rig);
}

Test(route_combine, nothing_known_by_any_strategy_is_said)
{
	for (uint32_t profile = 0; profile < 2; profile++) {
		static const double columns[1][MAX] = {{NAN, NAN, NAN}};
		struct rig rig = rig_open("least-user-0,most-user-1:4", profile,
					  3, columns, 1);

		cr_expect_eq(rig.result.reason, AIBRIX_REASON_NO_DATA);
		rig_close(&rig);
	}
}

Test(route_combine, stages_narrow_what_those_before_them_left)
{
	static const double columns[2][MAX] = {{1, 1, 3, 1}, {9, 5, 0, 7}};

	for (uint32_t profile = 0; profile < 2; profile++) {
		struct rig rig = rig_open("least-user-0>least-user-1", profile,
					  4, columns, 2);

		cr_expect_eq(rig.result.row, 1);
		cr_expect_eq(rig.result.reason, AIBRIX_REASON_CHAINED);
		cr_expect_eq(rig.result.score, 5);
		cr_expect(isnan(rig.score[2]));
		rig_close(&rig);
	}
}

/* Of equals to the letter there is one, so AIBrix's first stage leaves
 * nothing to the second; one request more or less is no reason. */
Test(route_combine, profiles_differ_in_what_a_stage_leaves)
{
	static const double columns[2][MAX] = {{1, 1.5, 9}, {9, 5, 0}};

	for (uint32_t profile = 0; profile < 2; profile++) {
		struct rig rig = rig_open("least-user-0>least-user-1", profile,
					  3, columns, 2);

		cr_expect_eq(rig.result.row,
			     profile == AIBRIX_PROFILE_COMPAT ? 0 : 1);
		rig_close(&rig);
	}
}

Test(route_combine, a_stage_that_knows_nothing_is_skipped)
{
	static const double columns[3][MAX] = {
		{NAN, NAN, NAN}, {4, 2, 8}, {NAN, NAN, 3}};

	for (uint32_t profile = 0; profile < 2; profile++) {
		struct rig rig =
			rig_open("least-user-0>least-user-1>least-user-2",
				 profile, 3, columns, 3);

		cr_expect_eq(rig.result.row, 1);
		cr_expect(isnan(rig.result.score));
		rig_close(&rig);
	}
}

/* In AIBrix one request's text makes a router that is kept for ever
 * (defect 27). */
Test(route_combine, a_request_may_bring_its_strategy_and_nothing_is_kept)
{
	static const double counts[] = {1, 2}, kv[] = {0.5, 0.25};
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_route_opts opts = {.size = sizeof(opts), .alloc = &a};
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route;
	char text[32];
	uint64_t calls;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_KV_USAGE_RATIO, kv);
	cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
	calls = f.calls;
	for (uint32_t i = 1; i <= 1000; i++) {
		request.strategy = text;
		snprintf(text, sizeof(text), "least-kv-cache:%u", i);
		cr_expect_eq(fixture_pick(route, fleet, &request).row, 1);
		snprintf(text, sizeof(text), "least-request:%u", i);
		cr_expect_eq(fixture_pick(route, fleet, &request).row, 0);
	}
	cr_expect_eq(f.calls, calls);
	request.strategy = "least-request:x";
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &result),
		     AIBRIX_E_PARSE);
	request.strategy = "pd";
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &result),
		     AIBRIX_E_UNSUPPORTED);
	request.strategy = NULL;
	cr_expect_eq(fixture_pick(route, fleet, &request).reason,
		     AIBRIX_REASON_COST);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}
