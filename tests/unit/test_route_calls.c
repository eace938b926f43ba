/* What routing refuses, and what it leaves alone. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

/* A router over three pods; the last one is gone again, row 1 is free. */
static aibrix_route *route;
static aibrix_fleet *fleet;
static aibrix_route_request request;
static aibrix_route_result result;

static void
open_rig(void)
{
	route = fixture_route("least-request", 0);
	fleet = fixture_fleet(3, NULL);
	cr_assert_eq(aibrix_fleet_remove(fleet, 1), AIBRIX_OK);
	request = (aibrix_route_request){.size = sizeof(request)};
	result = (aibrix_route_result){.size = sizeof(result), .row = 77};
}

static void
close_rig(void)
{
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

TestSuite(route_calls, .init = open_rig, .fini = close_rig);

/* Pick and explain agree that the request fails with err, and write
 * nothing. */
static void
expect_refused(int err)
{
	aibrix_route_score scores[4] = {{77, 0, 0}};
	uint32_t n = 77, lower = 77;

	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &result),
		     err);
	cr_expect_eq(result.row, 77);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, scores, 4,
					  &n, &lower),
		     err);
	cr_expect_eq(scores[0].row, 77);
	cr_expect_eq(n, 77);
	cr_expect_eq(lower, 77);
}

Test(route_calls, strategies_are_listed_by_name)
{
	cr_expect_str_eq(aibrix_route_strategy(0), "random");
	cr_expect_str_eq(aibrix_route_strategy(1), "least-request");
	cr_expect_str_eq(aibrix_route_strategy(2), "prefix-cache");
	cr_expect_str_eq(aibrix_route_strategy(8), "least-latency");
	cr_expect_str_eq(aibrix_route_strategy(17), "l-metric-local");
	for (uint32_t i = 0; aibrix_route_strategy(i); i++)
		aibrix_route_free(fixture_route(aibrix_route_strategy(i), 0));
	cr_expect_null(aibrix_route_strategy(UINT32_MAX));
}

Test(route_calls, reasons_have_texts)
{
	cr_expect_str_eq(aibrix_route_reason(AIBRIX_REASON_PREFIX), "prefix");
	cr_expect_str_eq(aibrix_route_reason(AIBRIX_REASON_NO_DATA), "no-data");
	cr_expect_str_eq(aibrix_route_reason(99), "?");
	cr_expect_str_eq(aibrix_route_reason(UINT32_MAX), "?");
	for (uint32_t i = 0; i < 29; i++)
		cr_expect_str_neq(aibrix_route_reason(i), "?");
}

Test(route_calls, a_strategy_nobody_knows_is_unsupported)
{
	static const char *const names[] = {
		"pd",
		"slow-pack:2,random",
		"least-request,least",
		"Random",
		"least-user-",
		"least-user-32",
		"least-user-x",
		"most-user-100",
		/* It has no score. */
		"random,least-request",
		"least-request,power-of-two",
		"pack-load,random",
	};
	aibrix_route *none = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		aibrix_route_opts opts = {.size = sizeof(opts),
					  .strategy = names[i]};

		cr_expect_eq(aibrix_route_new(&opts, &none),
			     AIBRIX_E_UNSUPPORTED, "%s", names[i]);
	}
	cr_expect_null(none);
}

static aibrix_route_result
unnamed_pick(const aibrix_route_opts *opts)
{
	aibrix_route *unnamed;
	aibrix_route_result r;

	cr_assert_eq(aibrix_route_new(opts, &unnamed), AIBRIX_OK);
	r = fixture_pick(unnamed, fleet, &request);
	aibrix_route_free(unnamed);
	return r;
}

Test(route_calls, without_a_name_the_strategy_is_cost)
{
	const aibrix_route_opts opts = {.size = sizeof(opts)};
	aibrix_route *cost = fixture_route("cost", AIBRIX_PROFILE_DEFAULT);
	aibrix_route_result r;

	cr_assert_eq(
		aibrix_fleet_set(fleet, 0, AIBRIX_COL_REQUESTS_RUNNING, 1, 0),
		AIBRIX_OK);
	r = unnamed_pick(NULL);
	cr_expect_eq(r.reason, AIBRIX_REASON_COST);
	cr_expect_eq(r.score, fixture_pick(cost, fleet, &request).score);
	cr_expect_eq(unnamed_pick(&opts).reason, AIBRIX_REASON_COST);
	aibrix_route_free(cost);
	aibrix_route_free(NULL);
}

/* AIBrix has no cost; an empty name is an error there, not a default. */
Test(route_calls, without_a_name_compat_is_prefix_cache)
{
	aibrix_route_opts opts = {.size = sizeof(opts),
				  .profile = AIBRIX_PROFILE_COMPAT};
	aibrix_route *none = NULL;

	cr_assert_eq(
		aibrix_fleet_set(fleet, 0, AIBRIX_COL_REQUESTS_RUNNING, 1, 0),
		AIBRIX_OK);
	cr_expect_eq(unnamed_pick(&opts).reason, AIBRIX_REASON_PREFIX_NONE);
	for (uint32_t profile = 0; profile < 2; profile++) {
		opts.profile = profile;
		opts.strategy = "";
		cr_expect_eq(aibrix_route_new(&opts, &none), AIBRIX_E_PARSE);
	}
	cr_expect_null(none);
}

Test(route_calls, options_out_of_range_are_refused)
{
	const aibrix_route_opts good = {.size = sizeof(good)};
	aibrix_route_opts bad[18];
	aibrix_route *none = NULL;

	for (size_t i = 0; i < 18; i++)
		bad[i] = good;
	bad[0].size = 0;
	bad[1].size = 5000;
	bad[2].profile = 2;
	bad[3].spare = 1;
	bad[4].tokens_per_request = NAN;
	bad[5].tokens_per_request = -1;
	bad[6].queue_weight = INFINITY;
	bad[7].queue_weight = -1;
	bad[8].imbalance_abs = NAN;
	bad[8].flags = AIBRIX_ROUTE_IMBALANCE_SET;
	bad[9].imbalance_abs = -1;
	bad[10].stddev_factor = -INFINITY;
	bad[10].flags = AIBRIX_ROUTE_STDDEV_SET;
	bad[11].stddev_factor = -1;
	bad[12].spare2 = 1;
	bad[13].top_k = 65;
	bad[14].affinity_ratio = 1.5;
	bad[15].session_bound = NAN;
	bad[16].top_k_epsilon = -1;
	bad[17].imbalance_filter = INFINITY;
	for (size_t i = 0; i < 18; i++)
		cr_expect_eq(aibrix_route_new(&bad[i], &none), AIBRIX_E_INVAL,
			     "%zu", i);
	cr_expect_eq(aibrix_route_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(none);
}

Test(route_calls, options_of_a_newer_library_are_refused_when_used)
{
	struct {
		aibrix_route_opts opts;
		uint64_t newer;
	} next = {{.size = sizeof(next)}, 0};
	aibrix_route *r;

	cr_assert_eq(aibrix_route_new(&next.opts, &r), AIBRIX_OK);
	aibrix_route_free(r);
	next.newer = 1;
	cr_expect_eq(aibrix_route_new(&next.opts, &r), AIBRIX_E_ABI);
	next.newer = 0;
	next.opts.flags = 1u << 31;
	cr_expect_eq(aibrix_route_new(&next.opts, &r), AIBRIX_E_ABI);
}

Test(route_calls, missing_pointers_are_wrong_calls)
{
	aibrix_route_score scores[4];
	uint32_t n, lower;

	cr_expect_eq(aibrix_route_pick(NULL, fleet, &request, 0, &result),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_pick(route, NULL, &request, 0, &result),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_pick(route, fleet, NULL, 0, &result),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, NULL, 4,
					  &n, &lower),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, scores, 4,
					  NULL, &lower),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, scores, 4,
					  &n, NULL),
		     AIBRIX_E_INVAL);
}

Test(route_calls, sizes_that_were_not_set_are_refused)
{
	request.size = 0;
	expect_refused(AIBRIX_E_INVAL);
	request.size = sizeof(request);
	result.size = 0;
	cr_expect_eq(aibrix_route_pick(route, fleet, &request, 0, &result),
		     AIBRIX_E_INVAL);
	cr_expect_eq(result.row, 77);
}

Test(route_calls, a_request_of_a_newer_library_is_refused_when_used)
{
	struct {
		aibrix_route_request request;
		uint64_t newer;
	} next = {{.size = sizeof(next)}, 1};

	cr_expect_eq(aibrix_route_pick(route, fleet, &next.request, 0, &result),
		     AIBRIX_E_ABI);
}

Test(route_calls, an_empty_fleet_has_nobody_to_pick)
{
	cr_assert_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_remove(fleet, 2), AIBRIX_OK);
	expect_refused(AIBRIX_E_NOT_FOUND);
}

Test(route_calls, an_empty_list_of_candidates_has_nobody_to_pick)
{
	static const uint32_t rows[] = {0};

	request.rows = rows;
	expect_refused(AIBRIX_E_NOT_FOUND);
}

Test(route_calls, a_fleet_of_dead_rows_has_nobody_to_pick)
{
	static const double health[] = {0, NAN, -1};

	fixture_set(fleet, AIBRIX_COL_HEALTH_RATIO, health);
	expect_refused(AIBRIX_E_NOT_FOUND);
}

Test(route_calls, candidates_must_be_rows_in_use)
{
	static const uint32_t bad[] = {1, 3, 65536, UINT32_MAX};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const uint32_t rows[] = {0, bad[i]};

		request.rows = rows;
		request.n_rows = 2;
		expect_refused(AIBRIX_E_INVAL);
	}
	request.rows = NULL;
	request.n_rows = 1;
	expect_refused(AIBRIX_E_INVAL);
}

Test(route_calls, an_overlay_of_another_length_is_refused)
{
	static const double values[4] = {1, 1, 1, 1};
	aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, 2, values};

	request.overlay = &overlay;
	request.n_overlay = 1;
	expect_refused(AIBRIX_E_INVAL);
	overlay.rows = 4;
	expect_refused(AIBRIX_E_INVAL);
	overlay.rows = 0;
	expect_refused(AIBRIX_E_INVAL);
	overlay.rows = 3;
	overlay.id = AIBRIX_COL_MAX;
	expect_refused(AIBRIX_E_INVAL);
	overlay.id = AIBRIX_COL_PREFIX_BLOCKS;
	overlay.values = NULL;
	expect_refused(AIBRIX_E_INVAL);
	request.overlay = NULL;
	expect_refused(AIBRIX_E_INVAL);
}

Test(route_calls, explain_says_how_much_room_it_needs)
{
	aibrix_route_score scores[2] = {{77, 0, 0}, {77, 0, 0}};
	uint32_t n = 0, lower = 77;

	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, scores, 1,
					  &n, &lower),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 2);
	cr_expect_eq(scores[0].row, 77);
	cr_expect_eq(lower, 77);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, NULL, 0,
					  &n, &lower),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, scores, n,
					  &n, &lower),
		     AIBRIX_OK);
	cr_expect_eq(scores[1].row, 2, "the free row is left out");
	cr_expect_eq(scores[1].scored, 0);
}

Test(route_calls, a_longer_result_of_a_newer_program_is_cleared_at_the_end)
{
	aibrix_route_request old = {.size = sizeof(old)};
	struct {
		aibrix_route_result result;
		uint64_t newer;
	} next;

	memset(&next, 0xff, sizeof(next));
	next.result.size = sizeof(next);
	cr_expect_eq(aibrix_route_pick(route, fleet, &old, 0, &next.result),
		     AIBRIX_OK);
	cr_expect_eq(next.result.size, sizeof(next));
	cr_expect_eq(next.newer, 0, "fields that we lack read as zero");
	cr_expect_eq(next.result.spare, 0);
}
