/* Strategies over the gateway's counts: where the profiles differ, and why. */

#include <math.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { DRAWS = 256, MAX = 16 };

#define SECOND 1000000000u

static aibrix_route *
new_route(const aibrix_route_opts *some, const char *strategy, uint32_t profile)
{
	aibrix_route_opts opts = *some;
	aibrix_route *route;

	opts.size = sizeof(opts);
	opts.strategy = strategy;
	opts.profile = profile;
	cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
	return route;
}

/* One bit for each row that some entropy picks. */
static uint32_t
winners(const char *strategy, uint32_t profile, const aibrix_fleet *fleet,
	const aibrix_route_opts *opts, aibrix_route_result *last)
{
	aibrix_route *route = new_route(opts, strategy, profile);
	aibrix_route_request request = {.size = sizeof(request)};
	uint32_t set = 0;

	for (; request.entropy < DRAWS; request.entropy++) {
		*last = (aibrix_route_result){.size = sizeof(*last)};
		cr_assert_eq(aibrix_route_pick(route, fleet, &request,
					       1000ull * SECOND, last),
			     AIBRIX_OK);
		set |= 1u << last->row;
	}
	aibrix_route_free(route);
	return set;
}

static const aibrix_route_opts none;

/* AIBrix's counter in Redis loses its time to live while requests run, and
 * goes below zero when they end: such a pod wins for an hour (defect 8). */
Test(route_load, two_choices_are_not_drawn_in_by_a_count_below_zero)
{
	static const double counts[] = {-7, 0}, capacity[] = {1, 1};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, capacity);
	cr_expect_eq(winners("power-of-two", 0, fleet, &none, &last), 3);
	cr_expect_eq(winners("power-of-two", 1, fleet, &none, &last), 1);
	cr_expect_eq(last.reason, AIBRIX_REASON_POWER_OF_TWO);
	aibrix_fleet_free(fleet);
}

/* Missing is 0 in AIBrix. */
Test(route_load, two_choices_prefer_who_is_known)
{
	static const double counts[] = {9, NAN};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(winners("power-of-two", 0, fleet, &none, &last), 1);
	cr_expect_eq(winners("power-of-two", 1, fleet, &none, &last), 2);
	aibrix_fleet_free(fleet);
}

Test(route_load, two_choices_reach_all_but_the_worst)
{
	static const double counts[] = {1, 2, 3, 4};
	aibrix_fleet *fleet = fixture_fleet(4, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	for (uint32_t profile = 0; profile < 2; profile++)
		cr_expect_eq(
			winners("power-of-two", profile, fleet, &none, &last),
			7);
	aibrix_fleet_free(fleet);
}

Test(route_load, a_load_below_zero_is_an_error_and_not_the_least)
{
	static const double load[] = {-1, 0.5}, added[] = {0.1, 0.1};
	static const char *const names[] = {"least-load", "least-load-pulling"};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_LOAD_RATIO, load);
	fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, added);
	for (uint32_t i = 0; i < 2; i++) {
		cr_expect_eq(winners(names[i], 0, fleet, &none, &last), 2);
		cr_expect_eq(last.reason, AIBRIX_REASON_LEAST_LOAD);
		cr_expect_eq(winners(names[i], 1, fleet, &none, &last), 1);
	}
	aibrix_fleet_free(fleet);
}

/* AIBrix begins at 0 and asks for more, so an idle fleet serves nobody. */
Test(route_load, an_empty_row_can_be_packed)
{
	static const double zero[] = {0, 0};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *compat = fixture_route("pack-load", 1);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result last = {.size = sizeof(last)};

	fixture_set(fleet, AIBRIX_COL_LOAD_RATIO, zero);
	fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, zero);
	cr_expect_eq(aibrix_route_pick(compat, fleet, &request, 0, &last),
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(winners("pack-load", 0, fleet, &none, &last), 3);
	cr_expect_eq(last.reason, AIBRIX_REASON_PACK_LOAD);
	aibrix_route_free(compat);
	aibrix_fleet_free(fleet);
}

Test(route_load, packing_fills_the_fullest_that_has_room)
{
	static const double load[] = {.3, .8, .95}, added[] = {.1, .2, .1};
	static const aibrix_route_opts half = {.load_capacity = 0.5};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_LOAD_RATIO, load);
	fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, added);
	for (uint32_t profile = 0; profile < 2; profile++) {
		cr_expect_eq(winners("pack-load", profile, fleet, &none, &last),
			     2);
		cr_expect_eq(winners("pack-load", profile, fleet, &half, &last),
			     1);
	}
	aibrix_fleet_free(fleet);
}

/* An error of the provider is a load of 0 in AIBrix (defect 18); here the
 * caller hears that nobody's load is known, or that all are full. */
Test(route_load, full_and_not_known_are_told_apart)
{
	static const double load[] = {.95, NAN, .9}, added[] = {.1, .1, .2};
	static const double never[] = {INFINITY, INFINITY, INFINITY};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_route_score scores[3];
	uint32_t n, lower;

	fixture_set(fleet, AIBRIX_COL_LOAD_RATIO, load);
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route =
			fixture_route("least-load-pulling", profile);

		fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, added);
		cr_expect_eq(
			aibrix_route_pick(route, fleet, &request, 0, &result),
			AIBRIX_E_UNAVAILABLE);
		cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0,
						  scores, 3, &n, &lower),
			     AIBRIX_OK);
		cr_expect_eq(scores[0].scored, 0);
		fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, never);
		cr_expect_eq(
			aibrix_route_pick(route, fleet, &request, 0, &result),
			AIBRIX_E_NOT_FOUND);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

/* A rate of 1 for a row that has not reported makes it 100 times slower than
 * its peers, and for ever idle. */
Test(route_load, a_row_of_unknown_rate_is_like_the_others)
{
	static const double counts[] = {50, 50, 10}, rate[] = {100, 80, NAN};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_assert_eq(aibrix_fleet_set_column(fleet, AIBRIX_COL_REQUESTS_PER_S,
					     rate, 3, 1000ull * SECOND),
		     0);
	cr_expect_eq(winners("load-balance", 0, fleet, &none, &last), 4);
	cr_expect_eq(last.reason, AIBRIX_REASON_LOAD_BALANCE);
	cr_expect_eq(winners("load-balance", 1, fleet, &none, &last), 1);
	aibrix_fleet_free(fleet);
}

Test(route_load, equal_loads_go_to_the_emptier_cache)
{
	static const double counts[] = {5, 5}, kv[] = {.9, .2};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_assert_eq(aibrix_fleet_set_column(fleet, AIBRIX_COL_KV_USAGE_RATIO,
					     kv, 2, 1000ull * SECOND),
		     0);
	cr_expect_eq(winners("load-balance", 0, fleet, &none, &last), 2);
	cr_expect_eq(winners("load-balance", 1, fleet, &none, &last), 3);
	aibrix_fleet_free(fleet);
}

/* (100 + 64 - 32) * 3 against (0 + 64) * 6 and the one nobody knows. */
Test(route_load, l_metric_multiplies_tokens_and_requests)
{
	static const double pending[] = {100, 0, NAN}, counts[] = {2, 5, NAN};
	static const double blocks[] = {2, 0, 0};
	const aibrix_column overlay = {AIBRIX_COL_PREFIX_BLOCKS, 3, blocks};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 1,
					.overlay = &overlay,
					.prompt_tokens = 64,
					.n_blocks = 4};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, pending);
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route = fixture_route("l-metric-local", profile);
		aibrix_route_result r = fixture_pick(route, fleet, &request);

		cr_expect_eq(r.row, profile ? 2 : 1, "missing is 0 in compat");
		cr_expect_eq(r.score, profile ? 64 : 384);
		cr_expect_eq(r.reason, AIBRIX_REASON_L_METRIC);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

Test(route_load, top_k_draws_from_the_best_within_epsilon)
{
	static const double counts[] = {1, 3, 5, 6, 0, 2, 2, 2};
	static const aibrix_route_opts two = {.top_k = 2};
	static const aibrix_route_opts exact = {
		.flags = AIBRIX_ROUTE_EPSILON_SET};
	aibrix_fleet *fleet = fixture_fleet(8, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	for (uint32_t profile = 0; profile < 2; profile++) {
		cr_expect_eq(winners("least-request-top-k", profile, fleet,
				     &none, &last),
			     1 | 16 | 32 | 64 | 128);
		cr_expect_eq(last.reason, AIBRIX_REASON_TOP_K);
		cr_expect_eq(last.ties, 5);
		cr_expect_eq(winners("least-request-top-k", profile, fleet,
				     &two, &last),
			     1 | 16);
		cr_expect_eq(winners("least-request-top-k", profile, fleet,
				     &exact, &last),
			     16);
	}
	aibrix_fleet_free(fleet);
}

Test(route_load, top_k_leaves_out_who_is_not_known)
{
	static const double counts[] = {8, NAN, 9};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(winners("least-request-top-k", 0, fleet, &none, &last), 5);
	cr_expect_eq(winners("least-request-top-k", 1, fleet, &none, &last), 2);
	aibrix_fleet_free(fleet);
}

/* At 1000 s a row that joined at 850 s is half warm: 0 + 40 / 2. */
Test(route_load, a_new_row_begins_with_its_share)
{
	static const double counts[] = {40, 41, 0}, joined[] = {0, NAN, 850};
	static const aibrix_route_opts cold = {.flags = AIBRIX_ROUTE_NO_RAMP};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_JOINED_S, joined);
	for (uint32_t profile = 0; profile < 2; profile++) {
		cr_expect_eq(winners("least-request-top-k", profile, fleet,
				     &none, &last),
			     4);
		cr_expect_eq(last.score, 20);
		(void)winners("least-request-top-k", profile, fleet, &cold,
			      &last);
		cr_expect_eq(last.score, 0);
	}
	aibrix_fleet_free(fleet);
}

/* AIBrix keeps to holders 999 times in 1000, however busy they are. */
Test(route_load, a_holder_is_left_when_it_is_busier_than_a_load_costs)
{
	static const double counts[] = {30, 2, 5}, held[] = {1, 0, 0};
	static const double loaded[] = {4, 4, 3}, fit[] = {4, 4, 4};
	static const aibrix_route_opts dear = {.adapter_requests = 40};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_ADAPTER_HELD, held);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(aibrix_fleet_set(fleet, i, AIBRIX_COL_ADAPTERS,
					      loaded[i], 1000ull * SECOND),
			     0);
		cr_assert_eq(aibrix_fleet_set(fleet, i, AIBRIX_COL_ADAPTERS_MAX,
					      fit[i], 1000ull * SECOND),
			     0);
	}
	cr_expect_eq(winners("lora-affinity", 0, fleet, &none, &last), 4,
		     "5 + 8 against 2 + 16 and 30");
	cr_expect_eq(last.reason, AIBRIX_REASON_ADAPTER_LOAD);
	cr_expect_eq(winners("lora-affinity", 0, fleet, &dear, &last), 1);
	cr_expect_eq(last.reason, AIBRIX_REASON_ADAPTER);
	cr_expect_eq(winners("lora-affinity", 1, fleet, &none, &last) & 1, 1);
	aibrix_fleet_free(fleet);
}

Test(route_load, compat_leaves_the_holders_as_often_as_the_ratio_says)
{
	static const double counts[] = {0, 0, 0}, held[] = {1, 0, 0};
	static const double loaded[] = {4, 4, NAN}, fit[] = {4, 4, NAN};
	static const aibrix_route_opts half = {.affinity_ratio = 0.5};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_ADAPTER_HELD, held);
	fixture_set(fleet, AIBRIX_COL_ADAPTERS, loaded);
	fixture_set(fleet, AIBRIX_COL_ADAPTERS_MAX, fit);
	cr_expect_eq(winners("lora-affinity", 1, fleet, &half, &last), 5,
		     "metrics missing is room; the full one never");
	aibrix_fleet_free(fleet);
}

/* AIBrix leaves only the rows at the minimum, which is where all of a burst
 * then goes. */
Test(route_load, the_filter_leaves_who_is_not_far_above_the_least)
{
	static const double counts[] = {0, 2, 3, 9};
	static const aibrix_route_opts filter = {.imbalance_filter = 2};
	static const aibrix_route_opts wide = {.imbalance_filter = 9};
	static const aibrix_route_opts strict = {.flags = AIBRIX_ROUTE_FILTER};
	aibrix_fleet *fleet = fixture_fleet(4, NULL);
	aibrix_route_result last;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(winners("random", 0, fleet, &filter, &last), 3);
	cr_expect_eq(last.candidates, 2);
	cr_expect_eq(winners("random", 1, fleet, &filter, &last), 1);
	for (uint32_t profile = 0; profile < 2; profile++) {
		cr_expect_eq(winners("random", profile, fleet, &wide, &last),
			     15, "9 apart is not more than 9");
		cr_expect_eq(winners("random", profile, fleet, &strict, &last),
			     1);
	}
	aibrix_fleet_free(fleet);
}
