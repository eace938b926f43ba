/*
 * AIBrix's vtc-basic, row by row.  Those named T are the expectations of its
 * own tests (token_tracker_test.go, token_estimator_test.go,
 * vtc_basic_test.go); those named C follow from its formula.
 */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/vtc_window.h>

enum { USER = 1, OTHER = 2 };

#define SECOND ((uint64_t)1000000000)
#define START (1700000000 * SECOND)

static aibrix_vtc_window *
new_window(double input_weight, double output_weight)
{
	aibrix_vtc_window_opts o = {.size = sizeof(o),
				    .profile = AIBRIX_VTC_WINDOW_COMPAT,
				    .max_users = 8,
				    .input_weight = input_weight,
				    .output_weight = output_weight};
	aibrix_vtc_window *w = NULL;

	cr_assert_eq(aibrix_vtc_window_new(&o, &w), AIBRIX_OK);
	return w;
}

static double
total(aibrix_vtc_window *w, uint64_t user, uint64_t now_ns)
{
	double tokens = -1;

	cr_assert_eq(aibrix_vtc_window_total(w, user, now_ns, &tokens),
		     AIBRIX_OK);
	return tokens;
}

static double
added(aibrix_vtc_window *w, int64_t input, int64_t output, uint64_t now_ns)
{
	cr_assert_eq(aibrix_vtc_window_add(w, USER, input, output, now_ns),
		     AIBRIX_OK);
	return total(w, USER, now_ns);
}

Test(vtc_compat, vtc01_to_vtc06_T_weighted_tokens_add_up)
{
	aibrix_vtc_window *w = new_window(1, 2);

	cr_expect_eq(added(w, 10, 15, START), 40);
	cr_expect_eq(added(w, 5, 5, START + SECOND), 55);
	aibrix_vtc_window_free(w);

	w = new_window(1, 2);
	cr_expect_eq(added(w, 10, 15, START), 40);
	cr_expect_eq(added(w, 5, 10, START), 65);
	aibrix_vtc_window_free(w);

	w = new_window(2, 3);
	cr_expect_eq(added(w, 2, 4, START), 16);
	aibrix_vtc_window_free(w);

	w = new_window(2, 0.5);
	cr_expect_eq(added(w, 10, 20, START), 30);
	cr_expect_eq(added(w, 5, 10, START), 45);
	aibrix_vtc_window_free(w);
}

Test(vtc_compat, vtc07_T_nobody_is_refused_and_strangers_have_nothing)
{
	aibrix_vtc_window *w = new_window(1, 2);
	uint64_t nobody = aibrix_vtc_user(0, "", 0);

	cr_expect_eq(aibrix_vtc_window_add(w, nobody, 1, 1, START),
		     AIBRIX_E_INVAL);
	cr_expect_eq(total(w, nobody, START), 0);
	cr_expect_eq(total(w, OTHER, START), 0);
	aibrix_vtc_window_free(w);
}

Test(vtc_compat, vtc09_to_vtc12_T_negative_numbers_count_as_nothing)
{
	aibrix_vtc_window *w = new_window(1, 2);

	cr_expect_eq(added(w, -5, 0, START), 0);
	aibrix_vtc_window_free(w);

	w = new_window(1, 2);
	cr_expect_eq(added(w, 50, 25, START), 100);
	cr_expect_eq(added(w, -10, -5, START), 100);
	cr_expect_eq(added(w, -20, -15, START), 100);
	aibrix_vtc_window_free(w);

	w = new_window(1, 2);
	cr_expect_eq(added(w, -10, -5, START), 0);
	cr_expect_eq(added(w, 30, 10, START), 50);
	aibrix_vtc_window_free(w);

	w = new_window(1, 2);
	cr_expect_eq(added(w, 5, 0, START), 5);
	cr_expect_eq(added(w, 7, 0, START), 12);
	aibrix_vtc_window_free(w);
}

Test(vtc_compat, vtc14_T_the_range_is_that_of_users_with_tokens)
{
	aibrix_vtc_window *w = new_window(1, 1);
	double least, most;

	cr_assert_eq(aibrix_vtc_window_range(w, START, &least, &most),
		     AIBRIX_OK);
	cr_expect_eq(least, 1000);
	cr_expect_eq(most, 8000);
	cr_assert_eq(aibrix_vtc_window_add(w, USER, 500, 0, START), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_window_range(w, START, &least, &most),
		     AIBRIX_OK);
	cr_expect(least == 500 && most == 500);
	cr_assert_eq(aibrix_vtc_window_add(w, OTHER, 1000, 0, START),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_window_range(w, START, &least, &most),
		     AIBRIX_OK);
	cr_expect(least == 500 && most == 1000);
	aibrix_vtc_window_free(w);
}

Test(vtc_compat, vtc15_and_vtc16_T_a_token_for_four_bytes_and_half_as_many_more)
{
	static const struct {
		const char *text;
		int64_t input, output;
	} rows[] = {
		{"", 0, 0},
		{"Hello", 2, 3},
		{"abcd", 1, 2},
		{"abcde", 2, 3},
		{"This is a longer text.  ", 6, 9},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t input = -1, output = -1;

		cr_assert_eq(aibrix_vtc_estimate(strlen(rows[i].text), &input,
						 &output),
			     AIBRIX_OK);
		cr_expect_eq(input, rows[i].input, "%s", rows[i].text);
		cr_expect_eq(output, rows[i].output, "%s", rows[i].text);
	}
}

Test(vtc_compat, vtc17_T_a_routed_message_is_charged_by_its_estimate)
{
	aibrix_vtc_window *w = new_window(1, 1);
	int64_t input, output;

	cr_assert_eq(
		aibrix_vtc_estimate(strlen("test message"), &input, &output),
		AIBRIX_OK);
	cr_expect_eq(total(w, USER, START), 0);
	cr_expect_eq(added(w, input, output, START), 8);
	aibrix_vtc_window_free(w);
}

static double
score(uint32_t index, uint32_t n, double tokens, double least, double most,
      double load, double weight)
{
	aibrix_vtc_score_request r = {.size = sizeof(r),
				      .index = index,
				      .n = n,
				      .user_tokens = tokens,
				      .least = least,
				      .most = most,
				      .load = load,
				      .fairness_weight = weight,
				      .utilization_weight = weight};
	double s = -1;

	cr_assert_eq(aibrix_vtc_score(&r, &s), AIBRIX_OK);
	return s;
}

/* The winner among n idle pods for the only user. */
static uint32_t
winner(double tokens, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++)
		if (score(i, n, tokens, tokens, tokens, 0, 1) <
		    score(best, n, tokens, tokens, tokens, 0, 1))
			best = i;
	return best;
}

Test(vtc_compat, vtc18_to_vtc21_T_an_only_user_moves_with_its_tokens)
{
	cr_expect_eq(winner(10000, 3), 1);
	cr_expect_eq(winner(10, 3), 0);
	cr_expect_eq(winner(50, 3), 0);
	cr_expect_eq(winner(90, 3), 0);
	cr_expect_eq(winner(1, 2), 0);
	cr_expect_eq(winner(10, 2), 0);
	cr_expect_eq(winner(100, 2), 0);
	cr_expect_eq(winner(1000, 2), 1);
}

Test(vtc_compat, vtc22_T_tokens_end_with_the_window)
{
	aibrix_vtc_window_opts o = {.size = sizeof(o),
				    .profile = AIBRIX_VTC_WINDOW_COMPAT,
				    .unit = AIBRIX_VTC_SECONDS,
				    .window = 1};
	aibrix_vtc_window *w = NULL;

	cr_assert_eq(aibrix_vtc_window_new(&o, &w), AIBRIX_OK);
	cr_expect_eq(added(w, 10, 15, START), 40);
	cr_expect_eq(total(w, USER, START + SECOND), 40);
	cr_expect_eq(total(w, USER, START + 21 * SECOND / 10), 0);
	aibrix_vtc_window_free(w);
}

static void
expect_scores(double tokens, double least, double most, uint32_t n,
	      const double *loads, double weight, const double *expected)
{
	for (uint32_t i = 0; i < n; i++)
		cr_expect_float_eq(
			score(i, n, tokens, least, most, loads[i], weight),
			expected[i], 1e-12, "pod %u", i);
}

Test(vtc_compat, vtc24_to_vtc26_C_scores_follow_the_formula)
{
	static const double loads[] = {80, 40, 10}, late[] = {0, 0, 0, 150};
	static const double vtc24[] = {1.4, 0.8, 1.5};
	static const double vtc25[] = {0.9, 0.2, 0.55};
	static const double vtc26[] = {3, 2, 1, 1};

	expect_scores(1500, 500, 4500, 3, loads, 1, vtc24);
	expect_scores(4500, 4500, 4500, 3, loads, 0.5, vtc25);
	expect_scores(9000, 1000, 3000, 4, late, 1, vtc26);
}

/* The same as a column, with AIBrix's noise on top. */
Test(vtc_compat, vtc24_C_scores_of_a_list_are_a_column)
{
	static const double loads[] = {10, NAN, 80, 40}, vtc24[] = {1.4, 0.8};
	static const uint32_t rows[] = {2, 3, 0};
	const aibrix_vtc_score_request request = {.size = sizeof(request),
						  .user_tokens = 1500,
						  .least = 500,
						  .most = 4500};
	double scores[4], again[4];
	uint32_t noisy = 0;

	for (uint64_t entropy = 0; entropy < 64; entropy++) {
		cr_assert_eq(aibrix_vtc_scores(&request, rows, 3, loads,
					       entropy, scores, 4),
			     AIBRIX_OK);
		for (uint32_t i = 0; i < 2; i++)
			cr_expect(scores[rows[i]] >= vtc24[i] - 1e-12 &&
				  scores[rows[i]] < vtc24[i] + 0.1);
		cr_expect(scores[0] >= 1.5 && scores[0] < 1.6);
		cr_expect(isnan(scores[1]));
		noisy += scores[2] > 1.45;
		cr_assert_eq(aibrix_vtc_scores(&request, rows, 3, loads,
					       entropy, again, 4),
			     AIBRIX_OK);
		cr_expect_eq(again[2], scores[2]);
	}
	cr_expect(noisy > 16 && noisy < 48, "%u", noisy);
}

Test(vtc_compat, wrong_lists_are_refused_and_change_nothing)
{
	static const double below[] = {0, -1};
	static const uint32_t beyond[] = {0, 2};
	aibrix_vtc_score_request request = {.size = sizeof(request)};
	double scores[2] = {77, 77};

	cr_expect_eq(aibrix_vtc_scores(NULL, NULL, 2, NULL, 0, scores, 2),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_scores(&request, NULL, 2, NULL, 0, NULL, 2),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_scores(&request, NULL, 3, NULL, 0, scores, 2),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_scores(&request, beyond, 2, NULL, 0, scores, 2),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vtc_scores(&request, NULL, 2, below, 0, scores, 2),
		     AIBRIX_E_INVAL);
	request.least = INFINITY;
	cr_expect_eq(aibrix_vtc_scores(&request, NULL, 2, NULL, 0, scores, 2),
		     AIBRIX_E_INVAL);
	request.least = 0;
	request.flags = 1u << 31;
	cr_expect_eq(aibrix_vtc_scores(&request, NULL, 2, NULL, 0, scores, 2),
		     AIBRIX_E_ABI);
	cr_expect(scores[0] == 77 && scores[1] == 77);
	request.flags = 0;
	cr_expect_eq(aibrix_vtc_scores(&request, NULL, 0, NULL, 0, scores, 2),
		     AIBRIX_OK);
	cr_expect(isnan(scores[0]) && isnan(scores[1]));
}

/* The parts of AIBrix's rule that are faults, as they are. */
Test(vtc_compat, a_single_user_of_a_thousand_tokens_or_more_stays_at_one)
{
	cr_expect_eq(winner(1000, 8), 1);
	cr_expect_eq(winner(1e9, 8), 1);
}

Test(vtc_compat, tokens_of_whom_nobody_asks_about_stay_in_the_range)
{
	aibrix_vtc_window *w = new_window(1, 1);
	double least, most;
	uint64_t late = START + 3600 * SECOND;

	cr_assert_eq(aibrix_vtc_window_add(w, OTHER, 5000, 0, START),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_window_add(w, USER, 100, 0, late), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_window_range(w, late, &least, &most),
		     AIBRIX_OK);
	cr_expect(least == 100 && most == 5000);
	cr_expect_eq(total(w, OTHER, late), 0);
	cr_assert_eq(aibrix_vtc_window_range(w, late, &least, &most),
		     AIBRIX_OK);
	cr_expect(least == 100 && most == 100);
	aibrix_vtc_window_free(w);
}
