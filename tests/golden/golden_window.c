/*
 * Windows of Knative and AIBrix, row by row: what their own tests expect
 * (knative pkg/autoscaler/aggregation/bucketing_test.go, max/window_test.go;
 * aibrix pkg/controller/podautoscaler/types).
 */

#include <math.h>

#include <criterion/criterion.h>

#include "window_box.h"

static void
expect(struct box *b, double second, double want)
{
	double is = box_view(b, second).value;

	cr_expect_float_eq(is, want, 1e-6, "%g s: %.9g is not %.9g", second, is,
			   want);
}

Test(window_golden, lin01_to_lin07_knatives_linear_buckets)
{
	struct box b = box_of(AIBRIX_WINDOW_LINEAR, 5, 1);

	box_add(&b, 0, 1);
	expect(&b, 0, 1);

	box_add(&b, 1, 2);
	box_add(&b, 2, 3);
	box_add(&b, 3, 4);
	box_add(&b, 4, 5);
	expect(&b, 4, 3);
	expect(&b, 3.6, 3);
	expect(&b, 6, 4);
	expect(&b, 10, 0);

	box_add(&b, 6, 91);
	expect(&b, 6, 20.6);

	box_add(&b, 12, 1984);
	expect(&b, 12, 1984);

	box_add(&b, 9, 4);
	expect(&b, 12, 497);
}

Test(window_golden, wgt01_to_wgt03_knatives_weighted_buckets)
{
	const double c = 0.841510680753889;
	struct box b = box_of(AIBRIX_WINDOW_WEIGHTED, 5, 1);

	box_add(&b, 0, 2);
	expect(&b, 0, 2 * c);
	expect(&b, 1, 2 * c * (1 - c));

	for (int i = 2; i <= 6; i++)
		box_add(&b, i - 1, i);
	expect(&b, 5, 5.811579787);
	expect(&b, 15, 0);
}

Test(window_golden, wgt04_the_weight_of_the_newest_slot)
{
	static const struct {
		uint32_t slots;
		double want;
	} rows[] = {{5, .841511}, {6, .784557}, {40, .205672}, {60, .2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct box b = box_of(AIBRIX_WINDOW_WEIGHTED, rows[i].slots, 1);

		box_add(&b, 0, 1);
		expect(&b, 0, rows[i].want);
	}
}

static void
expect_row(const int *in, const int *want, int n)
{
	struct box b = box_of(AIBRIX_WINDOW_MAX, 5, 1);

	for (int i = 0; i < n; i++) {
		box_add(&b, i, in[i]);
		expect(&b, i, want[i]);
	}
}

Test(window_golden, max01_and_max02_the_largest_of_five)
{
	static const int in1[] = {5, 6, 5, 5, 5, 5, 5};
	static const int want1[] = {5, 6, 6, 6, 6, 6, 5};
	static const int in2[] = {5, 8, 5, 7, 5, 5, 1, 4, 4,
				  4, 4, 9, 3, 4, 2, 1, 0};
	static const int want2[] = {5, 8, 8, 8, 8, 8, 7, 7, 5,
				    5, 4, 9, 9, 9, 9, 9, 4};

	expect_row(in1, want1, 7);
	expect_row(in2, want2, 17);
}

Test(window_golden, max03_and_max04_gaps_and_one_slot_twice)
{
	struct box b = box_of(AIBRIX_WINDOW_MAX, 5, 1);

	box_add(&b, 0, 6);
	expect(&b, 0, 6);
	box_add(&b, 1, 5);
	expect(&b, 1, 6);
	box_add(&b, 2, 2);
	expect(&b, 2, 6);
	box_add(&b, 6, 1);
	expect(&b, 6, 2);

	b = box_of(AIBRIX_WINDOW_MAX, 5, 1);
	box_add(&b, 0, 3);
	box_add(&b, 0.5, 1);
	expect(&b, 0.5, 3);
}

/* mean of the values that the row lists */
Test(window_golden, abx01_to_abx04_aibrix_keeps_the_newest_of_a_slot)
{
	struct box b = box_of(AIBRIX_WINDOW_LATEST, 120, 60);

	box_add(&b, 0, 10);
	box_add(&b, 1, 20);
	expect(&b, 1, 20);
	box_add(&b, 60, 30);
	expect(&b, 60, 25);
	box_add(&b, 61, 40);
	expect(&b, 61, 30);
	box_add(&b, 120, 50);
	expect(&b, 120, (20 + 40 + 50) / 3.0);
	box_add(&b, 121, 60);
	expect(&b, 121, 40);
	cr_expect_eq(box_view(&b, 121).samples, 3);
	box_add(&b, 180, 70);
	expect(&b, 180, (40 + 60 + 70) / 3.0);
	box_add(&b, 181, 80);
	expect(&b, 181, 60);
	cr_expect_eq(box_view(&b, 181).samples, 3);
}

Test(window_golden, abx05_mean_least_most_variance)
{
	struct box b = box_of(AIBRIX_WINDOW_LATEST, 120, 60);
	aibrix_window_view v;

	box_add(&b, 0, 20);
	box_add(&b, 60, 30);
	box_add(&b, 120, 40);
	v = box_view(&b, 120);

	cr_expect_eq(v.value, 30);
	cr_expect_eq(v.least, 20);
	cr_expect_eq(v.most, 40);
	cr_expect_float_eq(v.variance, 66.6667, 1e-4);
	cr_expect_float_eq(sqrt(v.variance), 8.16497, 1e-5);
}

Test(window_golden, abx07_what_is_as_old_as_the_window_is_dropped)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 30, 10);

	for (int i = 0; i <= 3; i++)
		box_add(&b, 10 * i, i);

	cr_expect_eq(box_view(&b, 30).samples, 3);
	cr_expect_eq(box_view(&b, 30).value, 2);
}

Test(window_golden, abx08_one_series_in_a_long_and_a_short_window)
{
	struct box stable = box_of(AIBRIX_WINDOW_LATEST, 90, 1);
	struct box panic = box_of(AIBRIX_WINDOW_LATEST, 30, 1);

	box_add(&stable, 0, 10);
	box_add(&panic, 0, 10);
	box_add(&stable, 60, 70);
	box_add(&panic, 60, 70);

	expect(&stable, 60, 40);
	expect(&panic, 60, 70);
}
