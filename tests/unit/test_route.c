/* Which row is picked, and why. */

#include <math.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

enum { DRAWS = 256 };

/* The score of row as explain shows it. */
static double
score_of(const aibrix_route *route, const aibrix_fleet *fleet,
	 const aibrix_route_request *request, uint32_t row)
{
	aibrix_route_score scores[64];
	uint32_t n, lower;

	cr_assert_eq(aibrix_route_explain(route, fleet, request, 0, scores, 64,
					  &n, &lower),
		     AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++)
		if (scores[i].row == row)
			return scores[i].score;
	cr_assert_fail("row %u is not explained", row);
	return NAN;
}

/* How often each of the first rows wins over DRAWS entropies. */
static void
count_wins(const aibrix_route *route, const aibrix_fleet *fleet,
	   aibrix_route_request *request, uint32_t *wins)
{
	for (request->entropy = 0; request->entropy < DRAWS; request->entropy++)
		wins[fixture_pick(route, fleet, request).row]++;
}

Test(route, random_reaches_every_candidate_about_equally)
{
	aibrix_fleet *fleet = fixture_fleet(4, NULL);

	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route = fixture_route("random", profile);
		aibrix_route_request request = {.size = sizeof(request)};
		uint32_t wins[4] = {0};

		count_wins(route, fleet, &request, wins);
		for (uint32_t i = 0; i < 4; i++)
			cr_expect(wins[i] > 40 && wins[i] < 90, "%u: %u", i,
				  wins[i]);
		cr_expect_eq(fixture_pick(route, fleet, &request).reason,
			     AIBRIX_REASON_RANDOM);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

/* Computed apart, from the rule in doc/modules/route.md: a log of inputs
 * replays with every later version. */
Test(route, equals_are_drawn_by_a_rule_that_stays)
{
	static const uint32_t expected[] = {6, 3, 1, 5, 1, 1, 3, 3, 5, 5, 1, 0};
	aibrix_fleet *fleet = fixture_fleet(0, NULL);
	aibrix_route *route = fixture_route("random", 0);
	aibrix_route_request request = {.size = sizeof(request)};
	uint32_t row;

	for (uint32_t i = 0; i < 8; i++)
		cr_assert_eq(aibrix_fleet_add(fleet,
					      &(aibrix_owner){i / 2, i % 2, 0},
					      &row),
			     AIBRIX_OK);
	for (request.entropy = 0; request.entropy < 12; request.entropy++)
		cr_expect_eq(fixture_pick(route, fleet, &request).row,
			     expected[request.entropy]);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, least_request_picks_the_lowest_count)
{
	static const double counts[] = {3, 1, 2};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	result = fixture_pick(route, fleet, &request);
	cr_expect_eq(result.row, 1);
	cr_expect_eq(result.owner.pod, 101);
	cr_expect_eq(result.score, 1);
	cr_expect_eq(result.reason, AIBRIX_REASON_LEAST_REQUEST);
	cr_expect_eq(result.candidates, 3);
	cr_expect_eq(result.ties, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, least_request_counts_per_capacity_where_it_is_known)
{
	static const double counts[] = {6, 4, 5};
	static const double capacity[] = {2, NAN, 0};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route *compat = fixture_route("least-request", 1);
	aibrix_route_request request = {.size = sizeof(request)};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, capacity);
	cr_expect_eq(fixture_pick(route, fleet, &request).row, 0);
	cr_expect_eq(score_of(route, fleet, &request, 0), 3);
	cr_expect_eq(score_of(route, fleet, &request, 1), 4);
	cr_expect_eq(score_of(route, fleet, &request, 2), 5);
	cr_expect_eq(fixture_pick(compat, fleet, &request).row, 1,
		     "AIBrix does not know capacity");
	aibrix_route_free(route);
	aibrix_route_free(compat);
	aibrix_fleet_free(fleet);
}

Test(route, a_count_below_zero_does_not_win_for_ever)
{
	static const double counts[] = {-5, 0};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route *compat = fixture_route("least-request", 1);
	aibrix_route_request request = {.size = sizeof(request)};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(fixture_pick(route, fleet, &request).ties, 2);
	cr_expect_eq(fixture_pick(compat, fleet, &request).ties, 1);
	cr_expect_eq(fixture_pick(compat, fleet, &request).row, 0);
	aibrix_route_free(route);
	aibrix_route_free(compat);
	aibrix_fleet_free(fleet);
}

/* AIBrix reads an absent count as 0, so a pod that never reported draws all
 * traffic; here not known is worse than any number. */
Test(route, least_request_profiles_differ_on_a_row_without_data)
{
	static const double counts[] = {7, NAN, 9};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *better = fixture_route("least-request", 0);
	aibrix_route *compat = fixture_route("least-request", 1);
	aibrix_route_request request = {.size = sizeof(request)};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(fixture_pick(better, fleet, &request).row, 0);
	cr_expect_eq(fixture_pick(compat, fleet, &request).row, 1);
	aibrix_route_free(better);
	aibrix_route_free(compat);
	aibrix_fleet_free(fleet);
}

/* AIBrix draws from the list in its order (which it shuffles); the default
 * depends on who the candidates are only, so a caller need not shuffle and a
 * log replays whatever the order was. */
Test(route, random_profiles_differ_in_what_the_order_decides)
{
	static const uint32_t forth[] = {0, 1, 2, 3}, back[] = {3, 2, 1, 0};
	aibrix_fleet *fleet = fixture_fleet(4, NULL);
	uint32_t moved[2] = {0};

	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route = fixture_route("random", profile);

		for (uint64_t entropy = 0; entropy < DRAWS; entropy++) {
			aibrix_route_request a = {.size = sizeof(a),
						  .rows = forth,
						  .n_rows = 4,
						  .entropy = entropy};
			aibrix_route_request b = a;

			b.rows = back;
			moved[profile] += fixture_pick(route, fleet, &a).row !=
					  fixture_pick(route, fleet, &b).row;
		}
		aibrix_route_free(route);
	}
	cr_expect_eq(moved[AIBRIX_PROFILE_DEFAULT], 0);
	cr_expect_gt(moved[AIBRIX_PROFILE_COMPAT], DRAWS / 2);
	aibrix_fleet_free(fleet);
}

Test(route, nothing_known_of_anyone_is_random_and_says_so)
{
	static const char *const names[] = {"least-request", "prefix-cache"};
	aibrix_fleet *fleet = fixture_fleet(4, NULL);

	for (uint32_t i = 0; i < 2; i++) {
		aibrix_route *route = fixture_route(names[i], 0);
		aibrix_route_request request = {.size = sizeof(request),
						.n_blocks = 5};
		uint32_t wins[4] = {0};
		aibrix_route_result result;

		count_wins(route, fleet, &request, wins);
		for (uint32_t row = 0; row < 4; row++)
			cr_expect_gt(wins[row], 40);
		result = fixture_pick(route, fleet, &request);
		cr_expect_eq(result.reason, AIBRIX_REASON_NO_DATA);
		cr_expect_eq(result.ties, 4);
		cr_expect(isnan(result.score));
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

Test(route, infinite_values_are_not_known)
{
	static const double counts[] = {-INFINITY, 5, INFINITY};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {.size = sizeof(request)};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(fixture_pick(route, fleet, &request).row, 1);
	cr_expect(isnan(score_of(route, fleet, &request, 0)));
	cr_expect(isnan(score_of(route, fleet, &request, 2)));
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, a_score_that_overflows_is_not_known)
{
	static const double counts[] = {1e308, 1e308};
	static const double capacity[] = {1e-300, 1};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {.size = sizeof(request)};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, capacity);
	cr_expect_eq(fixture_pick(route, fleet, &request).row, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, a_row_judged_dead_is_not_a_candidate)
{
	static const double counts[] = {0, 1, 2}, health[] = {0, NAN, 0.5};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	fixture_set(fleet, AIBRIX_COL_HEALTH_RATIO, health);
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_route *route = fixture_route("least-request", profile);
		aibrix_route_request request = {.size = sizeof(request)};
		aibrix_route_result result;

		result = fixture_pick(route, fleet, &request);
		cr_expect_eq(result.row, 1);
		cr_expect_eq(result.candidates, 2);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}

Test(route, an_overlay_wins_over_the_table)
{
	static const double counts[] = {1, 2}, over[] = {5, NAN};
	static const double health[] = {1, 0};
	aibrix_column overlay[] = {{AIBRIX_COL_REQUESTS_RUNNING, 2, over},
				   {AIBRIX_COL_HEALTH_RATIO, 2, health}};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {
		.size = sizeof(request), .n_overlay = 1, .overlay = overlay};

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(score_of(route, fleet, &request, 0), 5);
	cr_expect(isnan(score_of(route, fleet, &request, 1)));
	request.n_overlay = 2;
	cr_expect_eq(fixture_pick(route, fleet, &request).candidates, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, of_two_overlays_of_one_column_the_first_wins)
{
	static const double first[] = {5, 1}, second[] = {1, 5};
	aibrix_column overlay[] = {{AIBRIX_COL_REQUESTS_RUNNING, 2, first},
				   {AIBRIX_COL_REQUESTS_RUNNING, 2, second}};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {
		.size = sizeof(request), .n_overlay = 2, .overlay = overlay};

	cr_expect_eq(fixture_pick(route, fleet, &request).row, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, only_listed_candidates_are_compared)
{
	static const double counts[] = {0, 5, 4};
	static const uint32_t rows[] = {2, 1};
	aibrix_fleet *fleet = fixture_fleet(3, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {
		.size = sizeof(request), .rows = rows, .n_rows = 2};
	aibrix_route_score scores[2];
	uint32_t n, lower;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, counts);
	cr_expect_eq(fixture_pick(route, fleet, &request).row, 2);
	cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0, scores, 2,
					  &n, &lower),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(lower, 1);
	cr_expect_eq(scores[0].row, 2, "in the order of the list");
	cr_expect_eq(scores[1].row, 1);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
}

Test(route, a_single_candidate_is_picked_for_that_reason)
{
	aibrix_fleet *fleet = fixture_fleet(1, NULL);

	for (uint32_t i = 0; i < 6; i++) {
		aibrix_route *route =
			fixture_route(aibrix_route_strategy(i / 2), i % 2);
		aibrix_route_request request = {.size = sizeof(request)};

		cr_expect_eq(fixture_pick(route, fleet, &request).reason,
			     AIBRIX_REASON_ONLY_CANDIDATE);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
}
