/* The SLO strategies and vtc-basic: where a request goes whose turn it is. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/gpu_profile.h>
#include <aibrix/vtc_window.h>

#include "fleet_fixture.h"

enum { DRAWS = 64, ROWS = 3 };

static const char *const slos[] = {"slo", "slo-least-load-pulling",
				   "slo-least-load", "slo-pack-load"};

static int
pick(const char *strategy, uint32_t profile, const aibrix_fleet *fleet,
     uint64_t entropy, aibrix_route_result *out)
{
	aibrix_route *route = fixture_route(strategy, profile);
	aibrix_route_request request = {.size = sizeof(request),
					.entropy = entropy};
	int err;

	*out = (aibrix_route_result){.size = sizeof(*out)};
	err = aibrix_route_pick(route, fleet, &request, 0, out);
	aibrix_route_free(route);
	return err;
}

/* One bit for each row that some entropy picks; 0: none, *err says why. */
static uint32_t
winners(const char *strategy, uint32_t profile, const aibrix_fleet *fleet,
	int *err, aibrix_route_result *last)
{
	uint32_t set = 0;

	*err = AIBRIX_OK;
	for (uint64_t entropy = 0; !*err && entropy < DRAWS; entropy++) {
		*err = pick(strategy, profile, fleet, entropy, last);
		if (!*err)
			set |= 1u << last->row;
	}
	return set;
}

static aibrix_fleet *
fleet_of(const double *load, const double *added, const double *running)
{
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);

	fixture_set(fleet, AIBRIX_COL_LOAD_RATIO, load);
	fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, added);
	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	return fleet;
}

Test(route_slo, each_takes_the_row_of_its_rule)
{
	static const double load[] = {0.2, 0.9, 0.6}, running[] = {9, 0, 9};
	static const double added[] = {0.4, 0.05, 0.3};
	/* Totals: 0.6, 0.95, 0.9. */
	static const uint32_t rows[] = {0, 0, 0, 1};
	static const uint32_t reasons[] = {
		AIBRIX_REASON_LEAST_LOAD, AIBRIX_REASON_LEAST_LOAD,
		AIBRIX_REASON_LEAST_LOAD, AIBRIX_REASON_PACK_LOAD};
	aibrix_fleet *fleet = fleet_of(load, added, running);
	aibrix_route_result last;
	int err;

	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t profile = 0; profile < 2; profile++) {
			cr_expect_eq(
				winners(slos[i], profile, fleet, &err, &last),
				1u << rows[i], "%s", slos[i]);
			cr_expect_eq(last.reason, reasons[i]);
		}
	aibrix_fleet_free(fleet);
}

/* AIBrix reads 0 for a pod whose load nobody has counted, so a pod of which
 * nothing is known looks idle. */
Test(route_slo, profiles_differ_on_a_row_of_unknown_load)
{
	static const double load[] = {0.5, NAN, 0.6}, zero[] = {0, 0, 0};
	static const double added[] = {0.1, 0.1, 0.1};
	static const uint32_t rows[] = {1, 1, 1, 4}; /* pack: the fullest */
	aibrix_fleet *fleet = fleet_of(load, added, zero);
	aibrix_route_result last;
	int err;

	for (uint32_t i = 0; i < 4; i++) {
		cr_expect_eq(winners(slos[i], 0, fleet, &err, &last), rows[i]);
		if (i < 3)
			cr_expect_eq(winners(slos[i], 1, fleet, &err, &last),
				     2);
	}
	aibrix_fleet_free(fleet);
}

/* AIBrix's push mode does not ask what the request takes there. */
Test(route_slo, profiles_differ_on_a_row_that_can_never_serve_it)
{
	static const double load[] = {0.1, 0.8, 0.9}, zero[] = {0, 0, 0};
	static const double added[] = {INFINITY, 0.1, 0.1};
	aibrix_fleet *fleet = fleet_of(load, added, zero);
	aibrix_route_result last;
	int err;

	cr_expect_eq(winners("slo-least-load", 0, fleet, &err, &last), 2);
	cr_expect_eq(winners("slo-least-load", 1, fleet, &err, &last), 1);
	aibrix_fleet_free(fleet);
}

/* It begins at 0 there and asks for more, and takes the first of equals. */
Test(route_slo, profiles_differ_on_an_idle_fleet_that_is_packed)
{
	static const double zero[] = {0, 0, 0};
	aibrix_fleet *fleet = fleet_of(zero, zero, zero);
	aibrix_route_result last;
	int err;

	cr_expect_eq(winners("slo-pack-load", 0, fleet, &err, &last), 7);
	cr_expect_eq(winners("slo-pack-load", 1, fleet, &err, &last), 0);
	cr_expect_eq(err, AIBRIX_E_UNAVAILABLE);
	aibrix_fleet_free(fleet);
}

/* slo01 of AIBrix's tests: no profile, or none with a target. */
Test(route_slo, slo01_without_any_profile_it_is_least_request)
{
	static const double none[] = {NAN, NAN, NAN}, load[] = {0, 0.5, 0.9};
	static const double running[] = {5, 2, 2};
	aibrix_fleet *fleet = fleet_of(load, none, running);
	aibrix_route_result last;
	int err;

	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t profile = 0; profile < 2; profile++) {
			cr_expect_eq(
				winners(slos[i], profile, fleet, &err, &last),
				6, "%s", slos[i]);
			cr_expect_eq(last.reason, AIBRIX_REASON_LEAST_REQUEST);
			cr_expect_eq(last.score, 2);
		}
	aibrix_fleet_free(fleet);
}

/* slo02, slo04: never and not now are told apart. */
Test(route_slo, full_and_never_are_told_apart)
{
	static const double load[] = {0.95, 0.99, 1}, zero[] = {0, 0, 0};
	static const double never[] = {INFINITY, INFINITY, INFINITY};
	static const double full[] = {0.1, 0.1, INFINITY};
	aibrix_fleet *fleet = fleet_of(load, never, zero);
	aibrix_route_result last;
	int err;

	for (uint32_t profile = 0; profile < 2; profile++) {
		fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, never);
		cr_expect_eq(winners("slo", profile, fleet, &err, &last), 0);
		cr_expect_eq(err, AIBRIX_E_NOT_FOUND);
		fixture_set(fleet, AIBRIX_COL_REQUEST_LOAD_RATIO, full);
		cr_expect_eq(winners("slo", profile, fleet, &err, &last), 0);
		cr_expect_eq(err, AIBRIX_E_UNAVAILABLE);
	}
	aibrix_fleet_free(fleet);
}

/* Defect 18: where AIBrix's pending load does not know a latency it says 0,
 * and the request weighs nothing.  Here the status goes into the column. */
Test(route_slo, defect_18_a_load_that_cannot_be_known_is_not_zero)
{
	static const char text[] =
		"{\"indexes\": [[4], [128]], \"tputs\": [[2]], "
		"\"e2e\": [[null]], \"slos\": {}}";
	static const double load[] = {0.2, 0.3, 0.4}, zero[] = {0, 0, 0};
	double added[ROWS] = {NAN, 0.25, 0.25};
	aibrix_gpu_profile *profile;
	aibrix_fleet *fleet;
	aibrix_route_result last;
	uint64_t at;
	int err;

	cr_assert_eq(aibrix_gpu_profile_read(text, sizeof(text) - 1, NULL, &at,
					     &profile),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_gpu_profile_load(profile, 4, 128, &added[0]),
		     AIBRIX_E_NOT_FOUND);
	fleet = fleet_of(load, added, zero);
	cr_expect_eq(winners("slo", 0, fleet, &err, &last), 2);
	cr_expect_eq(winners("slo", 1, fleet, &err, &last), 2);
	aibrix_fleet_free(fleet);
	aibrix_gpu_profile_free(profile);
}

/* Defect 7: a user who has had much is moved to where the queue is long.
 * Here the pick is the same whoever asks; who has had much waits in vtc. */
Test(route_slo, vtc_profiles_differ_on_a_user_who_has_had_much)
{
	static const double running[] = {1, 50, 50};
	static const aibrix_vtc_score_request much = {
		.size = sizeof(much),
		.user_tokens = 9000,
		.least = 1000,
		.most = 3000,
	};
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_route_result last;
	double scores[ROWS];
	int err;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	cr_assert_eq(
		aibrix_vtc_scores(&much, NULL, ROWS, running, 7, scores, ROWS),
		AIBRIX_OK);
	fixture_set(fleet, AIBRIX_COL_USER_SCORE, scores);
	cr_expect_eq(winners("vtc-basic", 0, fleet, &err, &last), 1);
	cr_expect_eq(last.reason, AIBRIX_REASON_LEAST_REQUEST);
	cr_expect_eq(winners("vtc-basic", 1, fleet, &err, &last), 4);
	cr_expect_eq(last.reason, AIBRIX_REASON_USER_SCORE);
	aibrix_fleet_free(fleet);
}

Test(route_slo, vtc_compat_takes_the_first_of_equals_and_draws_without_a_user)
{
	static const double scores[] = {2, 1, 1}, none[] = {NAN, NAN, NAN};
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_route_result last;
	int err;

	fixture_set(fleet, AIBRIX_COL_USER_SCORE, scores);
	cr_expect_eq(winners("vtc-basic", 1, fleet, &err, &last), 2);
	fixture_set(fleet, AIBRIX_COL_USER_SCORE, none);
	cr_expect_eq(winners("vtc-basic", 1, fleet, &err, &last), 7);
	cr_expect_eq(last.reason, AIBRIX_REASON_NO_DATA);
	aibrix_fleet_free(fleet);
}

Test(route_slo, each_name_of_the_catalogue_says_which_call_serves_it)
{
	static const char *const picked[] = {
		"random",
		"least-request",
		"throughput",
		"least-kv-cache",
		"least-gpu-cache",
		"least-busy-time",
		"least-latency",
		"prefix-cache",
		"vtc-basic",
		"power-of-two",
		"session-affinity",
		"slo",
		"slo-pack-load",
		"slo-least-load",
		"slo-least-load-pulling",
		"load-balance",
		"least-request-top-k",
		"lora-affinity",
		"l-metric-local",
		"least-utilization",
	};

	for (size_t i = 0; i < sizeof(picked) / sizeof(picked[0]); i++) {
		const char *call =
			aibrix_route_call(picked[i], strlen(picked[i]));

		cr_assert_not_null(call, "%s", picked[i]);
		cr_expect_str_eq(call, "aibrix_route_pick");
		aibrix_route_free(fixture_route(picked[i], 0));
		aibrix_route_free(fixture_route(picked[i], 1));
	}
	cr_expect_str_eq(aibrix_route_call("pd", 2), "aibrix_pd_pick");
	cr_expect_null(aibrix_route_call("slow", 4));
	cr_expect_null(aibrix_route_call("pd", 1));
	cr_expect_null(aibrix_route_call("", 0));
	cr_expect_null(aibrix_route_call(NULL, 3));
}
