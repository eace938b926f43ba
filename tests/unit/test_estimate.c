/* What is learned from first tokens, and what cannot be taught. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/estimate.h>

#include "base/rand.h"
#include "fleet_fixture.h"

#define MS 1000000u
#define SECOND 1000000000u

static aibrix_estimate *
estimate_new(const aibrix_estimate_opts *opts)
{
	aibrix_estimate *estimate;

	cr_assert_eq(aibrix_estimate_new(opts, &estimate), AIBRIX_OK);
	return estimate;
}

static aibrix_charge
routed(aibrix_estimate *estimate, aibrix_fleet *fleet, uint32_t row,
       uint64_t computed, uint64_t now_ns)
{
	aibrix_work work = {.computed = computed, .row = row};
	aibrix_charge charge;

	cr_assert_eq(
		aibrix_estimate_routed(estimate, fleet, &work, now_ns, &charge),
		AIBRIX_OK);
	return charge;
}

static aibrix_estimate_row
row_of(const aibrix_estimate *estimate, const aibrix_fleet *fleet, uint32_t row)
{
	aibrix_estimate_row out = {.size = sizeof(out)};

	cr_assert_eq(aibrix_estimate_read(estimate, fleet, row, &out),
		     AIBRIX_OK);
	return out;
}

static aibrix_route_model
model_of(const aibrix_estimate *estimate, const aibrix_fleet *fleet,
	 uint64_t now_ns)
{
	aibrix_route_model out = {.size = sizeof(out)};

	cr_assert_eq(aibrix_estimate_model(estimate, fleet, now_ns, &out),
		     AIBRIX_OK);
	return out;
}

static double
column_at(const aibrix_fleet *fleet, uint32_t column, uint32_t row)
{
	double value;

	cr_assert_eq(aibrix_fleet_get(fleet, row, column, 0, &value, NULL),
		     AIBRIX_OK);
	return value;
}

/* n prompts of many lengths, one after the other, to rows in turn; row takes
 * slow[row] times 20 ms, 50 us a token and 3 ns a pair, give or take a
 * fifth. */
static uint64_t
teach(aibrix_estimate *estimate, aibrix_fleet *fleet, const double *slow,
      uint32_t rows, uint32_t n)
{
	uint64_t rand = 7, now = SECOND;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t row = i % rows;
		double computed = 1 + rand_below(&rand, 20000);
		double cached = rand_below(&rand, 20000);
		double s = 0.02 + 50e-6 * computed +
			   3e-9 * computed * (cached + computed / 2);
		double noise = 0.8 + 0.4 * rand_below(&rand, 1001) / 1000;
		aibrix_work work = {.computed = (uint64_t)computed,
				    .cached = (uint64_t)cached,
				    .row = row};
		aibrix_charge charge;

		cr_assert_eq(aibrix_estimate_routed(estimate, fleet, &work, now,
						    &charge),
			     AIBRIX_OK);
		now += (uint64_t)(1e9 * s * slow[row] * noise);
		cr_assert_eq(aibrix_estimate_first_token(estimate, fleet,
							 &charge, now),
			     AIBRIX_OK);
		now += 10 * MS;
	}
	return now;
}

Test(estimate, what_engines_take_is_found_out)
{
	static const double slow[] = {1, 1, 2, 1};
	aibrix_fleet *fleet = fixture_fleet(4, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	uint64_t now = teach(estimate, fleet, slow, 4, 800);
	aibrix_route_model model = model_of(estimate, fleet, now);
	double scale = row_of(estimate, fleet, 0).slowness;
	double twice = row_of(estimate, fleet, 2).slowness / scale;

	cr_expect(twice > 1.6 && twice <= 2, "%g", twice);
	/* 10000 tokens, 5000 of them cached: 0.02 + 0.25 + 0.1125 s */
	scale *= model.first_s + 5000 * model.token_s +
		 5000 * 7500 * model.pair_s;
	cr_expect(scale > 0.36 && scale < 0.41, "%g", scale);
	cr_expect_gt(column_at(fleet, AIBRIX_COL_SLOWNESS_RATIO, 2), 1.5);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, the_more_is_seen_of_a_row_the_surer_it_is)
{
	static const double slow[] = {1};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	double before = row_of(estimate, fleet, 0).error;

	cr_expect_float_eq(before, 0.25, 1e-9, "nothing is known");
	cr_expect_float_eq(row_of(estimate, fleet, 0).slowness, 1, 1e-9);
	(void)teach(estimate, fleet, slow, 1, 60);
	cr_expect_lt(row_of(estimate, fleet, 0).error, before / 2);
	cr_expect_gt(row_of(estimate, fleet, 0).observations, 20);
	cr_expect_float_eq(row_of(estimate, fleet, 1).observations, 0, 1e-9);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

/* Sixteen equal rows, each gap up to a fifth off: who was lucky is not taken
 * for fast. */
Test(estimate, rows_that_are_equal_stay_equal)
{
	double slow[16];
	aibrix_fleet *fleet = fixture_fleet(16, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	uint32_t same = 0;

	for (uint32_t i = 0; i < 16; i++)
		slow[i] = 1;
	(void)teach(estimate, fleet, slow, 16, 1600);
	for (uint32_t i = 0; i < 16; i++)
		same += row_of(estimate, fleet, i).slowness == 1;
	cr_expect_geq(same, 15, "%u", same);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, a_row_begins_as_configured)
{
	static const double capacity[] = {1, 4};
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);

	fixture_set(fleet, AIBRIX_COL_CAPACITY_RATIO, capacity);
	cr_expect_float_eq(row_of(estimate, fleet, 1).slowness, 0.25, 1e-9);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

/* Three prompts of one step take 0.3 s together, not 0.3 and twice nothing. */
Test(estimate, first_tokens_that_come_at_once_are_one_lesson)
{
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	uint64_t now = SECOND;

	for (uint32_t i = 0; i < 200; i++) {
		aibrix_charge charge[3];

		for (uint32_t k = 0; k < 3; k++)
			charge[k] = routed(estimate, fleet, 0, 2000, now);
		now += 300 * MS;
		for (uint32_t k = 0; k < 3; k++)
			cr_assert_eq(
				aibrix_estimate_first_token(
					estimate, fleet, &charge[k], now + k),
				AIBRIX_OK);
	}
	cr_expect(row_of(estimate, fleet, 0).observations > 60 &&
		  row_of(estimate, fleet, 0).observations < 128);
	{
		aibrix_charge next = routed(estimate, fleet, 0, 6000, now);

		cr_expect(next.seconds > 0.27 && next.seconds < 0.36, "%g",
			  next.seconds);
	}
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

/* The second waited for the first: the row spent 0.1 s on each. */
Test(estimate, a_queue_is_not_taken_for_a_slow_engine)
{
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	uint64_t now = SECOND;

	for (uint32_t i = 0; i < 100; i++) {
		aibrix_charge charge[10];

		for (uint32_t k = 0; k < 10; k++)
			charge[k] = routed(estimate, fleet, 0, 3000, now);
		for (uint32_t k = 0; k < 10; k++) {
			now += 100 * MS;
			cr_assert_eq(aibrix_estimate_first_token(
					     estimate, fleet, &charge[k], now),
				     AIBRIX_OK);
		}
	}
	{
		aibrix_charge next = routed(estimate, fleet, 0, 3000, now);

		cr_expect(next.seconds > 0.09 && next.seconds < 0.11, "%g",
			  next.seconds);
	}
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, one_gap_counts_as_eight_times_what_was_expected_at_most)
{
	static const double slow[] = {1};
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	uint64_t now = teach(estimate, fleet, slow, 1, 300);
	double before = row_of(estimate, fleet, 0).slowness;
	aibrix_charge charge = routed(estimate, fleet, 0, 5000, now);

	/* A day, and one more so that it is learned from. */
	now += 86400ull * SECOND;
	cr_assert_eq(aibrix_estimate_first_token(estimate, fleet, &charge, now),
		     AIBRIX_OK);
	charge = routed(estimate, fleet, 0, 5000, now + SECOND);
	cr_assert_eq(aibrix_estimate_first_token(estimate, fleet, &charge,
						 now + SECOND + 250 * MS),
		     AIBRIX_OK);
	cr_expect_lt(row_of(estimate, fleet, 0).slowness, 1.3 * before);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, what_waits_is_told_and_taken_back_once)
{
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	aibrix_charge a = routed(estimate, fleet, 0, 4000, SECOND);
	aibrix_charge b = routed(estimate, fleet, 0, 9000, SECOND);
	double both = a.seconds + b.seconds;

	cr_expect_float_eq(row_of(estimate, fleet, 0).pending_s, both, 1e-12);
	cr_expect_float_eq(column_at(fleet, AIBRIX_COL_BUSY_UNTIL_S, 0),
			   1 + both, 1e-9);
	cr_expect_eq(aibrix_estimate_gone(estimate, fleet, &a, SECOND),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_estimate_gone(estimate, fleet, &a, SECOND),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_float_eq(row_of(estimate, fleet, 0).pending_s, b.seconds,
			   1e-12);
	cr_expect_eq(
		aibrix_estimate_first_token(estimate, fleet, &b, 2 * SECOND),
		AIBRIX_OK);
	cr_expect_eq(
		aibrix_estimate_first_token(estimate, fleet, &b, 2 * SECOND),
		AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_estimate_gone(estimate, fleet, &b, 2 * SECOND),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_float_eq(row_of(estimate, fleet, 0).pending_s, 0, 1e-12);
	cr_expect_float_eq(column_at(fleet, AIBRIX_COL_BUSY_UNTIL_S, 0), 2,
			   1e-9);
	cr_expect_eq(aibrix_estimate_done(estimate, &b, 10, 3 * SECOND),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_estimate_done(estimate, &b, 10, 3 * SECOND),
		     AIBRIX_E_NOT_FOUND);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, the_next_owner_of_a_row_begins_anew)
{
	static const double slow[] = {3};
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	aibrix_owner other = {7, 0, 0};
	uint64_t now = teach(estimate, fleet, slow, 1, 100);
	aibrix_charge late = routed(estimate, fleet, 0, 4000, now);
	uint32_t row;

	cr_assert_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_estimate_first_token(estimate, fleet, &late, now),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_fleet_add(fleet, &other, &row), AIBRIX_OK);
	cr_expect_float_eq(row_of(estimate, fleet, 0).slowness, 1, 1e-9);
	(void)routed(estimate, fleet, 0, 4000, now);
	cr_expect_eq(aibrix_estimate_first_token(estimate, fleet, &late, now),
		     AIBRIX_E_NOT_FOUND, "of the owner before");
	cr_expect_eq(aibrix_estimate_gone(estimate, fleet, &late, now),
		     AIBRIX_E_NOT_FOUND);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

/* A pod that crashed and came back has no queue, whoever forgot to say so. */
Test(estimate, an_owner_that_comes_back_begins_anew)
{
	static const double slow[] = {3};
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	aibrix_owner same = {100, 0, 0};
	uint64_t now = teach(estimate, fleet, slow, 1, 100);
	aibrix_charge late = routed(estimate, fleet, 0, 4000, now);
	aibrix_charge next;
	uint32_t row;

	cr_assert_eq(aibrix_fleet_remove(fleet, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_fleet_add(fleet, &same, &row), AIBRIX_OK);
	cr_expect_eq(row_of(estimate, fleet, 0).pending_s, 0);
	cr_expect_float_eq(row_of(estimate, fleet, 0).slowness, 1, 1e-9);
	cr_expect_eq(aibrix_estimate_gone(estimate, fleet, &late, now),
		     AIBRIX_E_NOT_FOUND);
	next = routed(estimate, fleet, 0, 4000, now);
	cr_expect_eq(row_of(estimate, fleet, 0).pending_s, next.seconds);
	cr_expect_eq(aibrix_estimate_first_token(estimate, fleet, &late, now),
		     AIBRIX_E_NOT_FOUND, "of the time before");
	cr_expect_eq(row_of(estimate, fleet, 0).pending_s, next.seconds);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, a_clock_that_goes_back_teaches_nothing_absurd)
{
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);

	for (uint32_t i = 0; i < 50; i++) {
		aibrix_charge charge =
			routed(estimate, fleet, 0, 4000, (100 - i) * SECOND);

		cr_assert_eq(aibrix_estimate_first_token(
				     estimate, fleet, &charge,
				     (50 - i) * (uint64_t)SECOND),
			     AIBRIX_OK);
		cr_assert(row_of(estimate, fleet, 0).slowness > 0);
	}
	cr_expect(isfinite(model_of(estimate, fleet, 0).busy_ratio));
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

/* Two rows, ten requests a second, a twentieth of a second each. */
Test(estimate, rates_are_those_of_a_row)
{
	aibrix_fleet *fleet = fixture_fleet(2, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	aibrix_route_model model = model_of(estimate, fleet, 0);
	uint64_t now = SECOND;

	cr_expect_float_eq(model.busy_ratio, 0.5, 1e-9, "as assumed");
	for (uint32_t i = 0; i < 4000; i++, now += 50 * MS) {
		aibrix_charge charge =
			routed(estimate, fleet, i % 2, 1000, now);

		now += 50 * MS;
		cr_assert_eq(aibrix_estimate_first_token(estimate, fleet,
							 &charge, now),
			     AIBRIX_OK);
	}
	model = model_of(estimate, fleet, now);
	cr_expect_float_eq(model.arrivals_per_s, 5, 0.2);
	cr_expect_float_eq(model.busy_ratio, 0.25, 0.02);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

/* A token takes 10 ms and 1 ms for each request beside it; answers have 100
 * tokens: one more costs 0.1 s, and its neighbour as much. */
Test(estimate, what_neighbours_cost_is_the_slope_over_their_number)
{
	const aibrix_estimate_opts opts = {.size = sizeof(opts),
					   .finish_weight = 0.5};
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(&opts);
	uint64_t now = SECOND;

	for (uint32_t i = 0; i < 100; i++) {
		aibrix_work work = {.computed = 1000, .running = i % 20};
		aibrix_charge charge;

		cr_assert_eq(aibrix_estimate_routed(estimate, fleet, &work, now,
						    &charge),
			     AIBRIX_OK);
		now += SECOND;
		cr_assert_eq(aibrix_estimate_first_token(estimate, fleet,
							 &charge, now),
			     AIBRIX_OK);
		now += 99ull * (10 + i % 20) * MS;
		cr_assert_eq(aibrix_estimate_done(estimate, &charge, 100, now),
			     AIBRIX_OK);
	}
	cr_expect_float_eq(model_of(estimate, fleet, now).finish_s, 0.1, 1e-6);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, values_that_cannot_be_are_refused)
{
	aibrix_fleet *fleet = fixture_fleet(1, NULL);
	aibrix_estimate *estimate = estimate_new(NULL);
	aibrix_work bad[] = {
		{.computed = AIBRIX_ESTIMATE_TOKENS_MAX + 1},
		{.cached = UINT64_MAX},
		{.cached = 5, .pulled = 6},
		{.flags = 2},
		{.spare = 1},
	};
	aibrix_charge charge = {.state = 9};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(aibrix_estimate_routed(estimate, fleet, &bad[i], 0,
						    &charge),
			     AIBRIX_E_INVAL);
	bad[0] = (aibrix_work){.row = 1};
	cr_expect_eq(
		aibrix_estimate_routed(estimate, fleet, &bad[0], 0, &charge),
		AIBRIX_E_NOT_FOUND);
	cr_expect_eq(charge.state, 9, "untouched");
	cr_expect_eq(aibrix_estimate_first_token(estimate, fleet, &charge, 0),
		     AIBRIX_E_NOT_FOUND);
	charge = routed(estimate, fleet, 0, 10, 0);
	charge.seconds = NAN;
	cr_expect_eq(aibrix_estimate_first_token(estimate, fleet, &charge, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_estimate_gone(estimate, fleet, &charge, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_estimate_done(estimate, &charge, UINT64_MAX, 0),
		     AIBRIX_E_INVAL);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
}

Test(estimate, options_that_mean_nothing_are_refused)
{
	const aibrix_route_model model = {.size = sizeof(model),
					  .token_s = NAN};
	const aibrix_estimate_opts bad[] = {
		{.size = sizeof(bad[0]), .caution = NAN},
		{.size = sizeof(bad[0]), .caution = -1},
		{.size = sizeof(bad[0]), .finish_weight = INFINITY},
		{.size = sizeof(bad[0]), .row_memory = UINT32_MAX},
		{.size = sizeof(bad[0]), .fleet_memory = UINT32_MAX},
		{.size = sizeof(bad[0]), .spare = 1},
		{.size = sizeof(bad[0]), .prior = &model},
		{.size = 8},
	};
	aibrix_estimate *estimate;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(aibrix_estimate_new(&bad[i], &estimate),
			     AIBRIX_E_INVAL, "%zu", i);
	cr_expect_eq(aibrix_estimate_new(NULL, NULL), AIBRIX_E_INVAL);
	aibrix_estimate_free(NULL);
}
