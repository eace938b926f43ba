/* Where the window differs from AIBrix's, and its bounds. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/vtc_window.h>

#define SECOND ((uint64_t)1000000000)
#define START (100000 * SECOND)

static aibrix_vtc_window *
new_window(aibrix_vtc_window_opts o)
{
	aibrix_vtc_window *w = NULL;

	o.size = sizeof(o);
	cr_assert_eq(aibrix_vtc_window_new(&o, &w), AIBRIX_OK);
	return w;
}

static void
add(aibrix_vtc_window *w, uint64_t user, int64_t tokens, uint64_t second)
{
	cr_assert_eq(aibrix_vtc_window_add(w, user, tokens, 0,
					   START + second * SECOND),
		     AIBRIX_OK);
}

static double
total(aibrix_vtc_window *w, uint64_t user, uint64_t second)
{
	double tokens = -1;

	cr_assert_eq(aibrix_vtc_window_total(w, user, START + second * SECOND,
					     &tokens),
		     AIBRIX_OK);
	return tokens;
}

static void
expect_range(aibrix_vtc_window *w, uint64_t second, double least, double most)
{
	double a = -1, b = -1;

	cr_assert_eq(
		aibrix_vtc_window_range(w, START + second * SECOND, &a, &b),
		AIBRIX_OK);
	cr_expect_eq(a, least, "least %g", a);
	cr_expect_eq(b, most, "most %g", b);
}

/* In AIBrix what nobody asks about stays, so the bucket by which users are
 * divided grows with those who have left. */
Test(vtc_window, by_default_tokens_of_all_end_where_compat_keeps_strangers)
{
	for (uint32_t profile = 0; profile < 2; profile++) {
		aibrix_vtc_window *w = new_window((aibrix_vtc_window_opts){
			.profile = profile, .max_users = 8});

		add(w, 1, 5000, 0);
		add(w, 2, 100, 400);
		expect_range(w, 400, 100, profile ? 5000 : 100);
		aibrix_vtc_window_free(w);
	}
}

Test(vtc_window, buckets_end_one_by_one)
{
	aibrix_vtc_window *w = new_window((aibrix_vtc_window_opts){
		.unit = AIBRIX_VTC_SECONDS, .window = 3, .max_users = 8});

	add(w, 1, 1, 0);
	add(w, 1, 10, 1);
	add(w, 1, 100, 2);
	cr_expect_eq(total(w, 1, 3), 111);
	cr_expect_eq(total(w, 1, 4), 110);
	cr_expect_eq(total(w, 1, 5), 100);
	cr_expect_eq(total(w, 1, 6), 0);
	expect_range(w, 6, 1000, 8000);
	aibrix_vtc_window_free(w);
}

Test(vtc_window, milliseconds_are_a_unit)
{
	aibrix_vtc_window *w = new_window((aibrix_vtc_window_opts){
		.unit = AIBRIX_VTC_MILLISECONDS, .window = 20, .max_users = 2});
	double tokens;

	cr_assert_eq(aibrix_vtc_window_add(w, 1, 7, 0, 1000000), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_window_total(w, 1, 21999999, &tokens),
		     AIBRIX_OK);
	cr_expect_eq(tokens, 7);
	cr_assert_eq(aibrix_vtc_window_total(w, 1, 22000000, &tokens),
		     AIBRIX_OK);
	cr_expect_eq(tokens, 0);
	aibrix_vtc_window_free(w);
}

Test(vtc_window, a_clock_that_goes_backwards_stands_still)
{
	aibrix_vtc_window *w = new_window((aibrix_vtc_window_opts){
		.unit = AIBRIX_VTC_SECONDS, .window = 3, .max_users = 2});

	add(w, 1, 10, 10);
	add(w, 1, 20, 2);
	cr_expect_eq(total(w, 1, 0), 30);
	cr_expect_eq(total(w, 1, 13), 30);
	cr_expect_eq(total(w, 1, 14), 0);
	aibrix_vtc_window_free(w);
}

Test(vtc_window, of_too_many_users_the_one_with_the_least_is_forgotten)
{
	aibrix_vtc_window *w =
		new_window((aibrix_vtc_window_opts){.max_users = 2});

	add(w, 1, 5000, 0);
	for (uint64_t user = 2; user < 1000; user++)
		add(w, user, 10, 0);
	cr_expect_eq(total(w, 1, 0), 5000);
	cr_expect_eq(total(w, 998, 0), 0);
	cr_expect_eq(total(w, 999, 0), 10);
	aibrix_vtc_window_free(w);
}

Test(vtc_window, without_buckets_left_tokens_count_longer_never_shorter)
{
	aibrix_vtc_window *w =
		new_window((aibrix_vtc_window_opts){.unit = AIBRIX_VTC_SECONDS,
						    .window = 10,
						    .max_users = 2,
						    .max_buckets = 1});

	add(w, 1, 1, 0);
	add(w, 1, 10, 1);
	add(w, 1, 100, 2);
	cr_expect_eq(total(w, 1, 11), 110);
	cr_expect_eq(total(w, 1, 12), 110);
	cr_expect_eq(total(w, 1, 13), 0);
	aibrix_vtc_window_free(w);
}

Test(vtc_window, weights_may_be_zero_when_they_are_set)
{
	aibrix_vtc_window *w = new_window((aibrix_vtc_window_opts){
		.flags = AIBRIX_VTC_OUTPUT_WEIGHT_SET, .max_users = 2});

	cr_assert_eq(aibrix_vtc_window_add(w, 1, 3, 100, START), AIBRIX_OK);
	cr_expect_eq(total(w, 1, 0), 3);
	aibrix_vtc_window_free(w);
}

Test(vtc_window, wrong_options_are_refused)
{
	static const aibrix_vtc_window_opts bad[] = {
		{.size = sizeof(bad[0]), .profile = 2},
		{.size = sizeof(bad[0]), .unit = 3},
		{.size = sizeof(bad[0]), .window = (1 << 20) + 1},
		{.size = sizeof(bad[0]), .max_users = (1 << 24) + 1},
		{.size = sizeof(bad[0]), .max_buckets = (1 << 28) + 1},
		{.size = sizeof(bad[0]), .spare = 1},
		{.size = sizeof(bad[0]), .input_weight = -1},
		{.size = sizeof(bad[0]), .output_weight = NAN},
		{.size = sizeof(bad[0]), .min_tokens = INFINITY},
		{.size = sizeof(bad[0]), .max_tokens = 1e16},
	};
	aibrix_vtc_window_opts unknown = {.size = sizeof(unknown), .flags = 8};
	aibrix_vtc_window *w = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(aibrix_vtc_window_new(&bad[i], &w), AIBRIX_E_INVAL,
			     "%zu", i);
	cr_expect_eq(aibrix_vtc_window_new(&unknown, &w), AIBRIX_E_ABI);
	cr_expect_eq(aibrix_vtc_window_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(w);
}

static int
score(aibrix_vtc_score_request r, double *s)
{
	r.size = sizeof(r);
	*s = -1;
	return aibrix_vtc_score(&r, s);
}

Test(vtc_window, a_score_takes_unknown_numbers_as_nothing)
{
	double s;

	cr_expect_eq(score((aibrix_vtc_score_request){.n = 2,
						      .index = 1,
						      .user_tokens = NAN,
						      .load = NAN,
						      .noise = 0.05},
			   &s),
		     AIBRIX_OK);
	cr_expect_eq(s, 1.05);
}

Test(vtc_window, a_score_without_any_tokens_is_a_number)
{
	double s;

	cr_expect_eq(
		score(
			(aibrix_vtc_score_request){
				.n = 2, .flags = AIBRIX_VTC_MIN_TOKENS_SET},
			&s),
		AIBRIX_OK);
	cr_expect_eq(s, 0);
}

Test(vtc_window, weights_of_a_score_may_be_zero_when_they_are_set)
{
	double s;

	cr_expect_eq(score(
			     (aibrix_vtc_score_request){
				     .n = 3,
				     .index = 2,
				     .load = 50,
				     .flags = AIBRIX_VTC_FAIRNESS_SET},
			     &s),
		     AIBRIX_OK);
	cr_expect_eq(s, 0.5);
	cr_expect_eq(score(
			     (aibrix_vtc_score_request){
				     .n = 3,
				     .index = 2,
				     .load = 50,
				     .flags = AIBRIX_VTC_UTILIZATION_SET},
			     &s),
		     AIBRIX_OK);
	cr_expect_eq(s, 2);
}

Test(vtc_window, a_score_of_wrong_numbers_is_refused)
{
	static const aibrix_vtc_score_request bad[] = {
		{.n = 0},
		{.n = 1, .index = 1},
		{.n = 1, .user_tokens = INFINITY},
		{.n = 1, .user_tokens = -1},
		{.n = 1, .load = -1},
		{.n = 1, .least = NAN},
		{.n = 1, .most = -1},
		{.n = 1, .noise = NAN},
		{.n = 1, .fairness_weight = -1},
		{.n = 1, .utilization_weight = INFINITY},
		{.n = 1, .max_load = -1},
		{.n = 1, .min_tokens = NAN},
	};
	double s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_expect_eq(score(bad[i], &s), AIBRIX_E_INVAL, "%zu", i);
		cr_expect_eq(s, -1);
	}
	cr_expect_eq(score((aibrix_vtc_score_request){.n = 1, .flags = 1}, &s),
		     AIBRIX_E_ABI);
}

Test(vtc_window, an_estimate_has_a_bound)
{
	int64_t input = -1, output = -1;

	cr_expect_eq(aibrix_vtc_estimate(UINT64_MAX, &input, &output),
		     AIBRIX_E_INVAL);
	cr_expect(input == -1 && output == -1);
}
