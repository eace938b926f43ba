#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/radix.h>

#include "index/claims_check.h"

enum { ROWS = 4, PROMPT = 100 };

#define SECOND ((uint64_t)1000000000)
#define MINUTE (60 * SECOND)

static uint32_t tokens[PROMPT];

static aibrix_radix *
new_radix(aibrix_radix_opts opts)
{
	aibrix_radix *radix;

	opts.size = sizeof(opts);
	cr_assert_eq(aibrix_radix_new(&opts, &radix), AIBRIX_OK);
	return radix;
}

/* A prompt whose first shared tokens all have, and then only this one. */
static const uint32_t *
prompt(uint32_t shared, uint32_t which)
{
	for (uint32_t i = 0; i < PROMPT; i++)
		tokens[i] = i < shared ? i : 1000 * which + i;
	return tokens;
}

static void
add(aibrix_radix *radix, uint32_t owner, uint32_t shared, uint32_t which,
    uint64_t now_ns)
{
	cr_assert_eq(aibrix_radix_add(radix, 0, owner, prompt(shared, which),
				      PROMPT, now_ns, NULL),
		     AIBRIX_OK);
	cr_expect_eq(aibrix__radix_check(radix), AIBRIX_OK);
}

static double
held(aibrix_radix *radix, uint32_t owner, uint32_t shared, uint32_t which,
     uint64_t now_ns)
{
	double rows[ROWS];

	cr_assert_eq(aibrix_radix_match(radix, 0, prompt(shared, which), PROMPT,
					now_ns, rows, ROWS, NULL),
		     AIBRIX_OK);
	return rows[owner];
}

static aibrix_radix_stat
stats(const aibrix_radix *radix)
{
	aibrix_radix_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_radix_stats(radix, &stat), AIBRIX_OK);
	return stat;
}

/* In AIBrix the end of one prompt takes its pod from all of its ancestors. */
Test(radix, defect_12_a_prompt_that_ends_takes_nothing_from_its_sibling)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){0});

	add(radix, 1, 60, 1, 0);
	add(radix, 1, 60, 2, 3 * MINUTE);
	/* The first has ended, and its end has been taken out. */
	add(radix, 2, 0, 3, 6 * MINUTE);
	cr_expect_eq(stats(radix).expired, 1);
	cr_expect_eq(held(radix, 1, 60, 1, 6 * MINUTE), 60);
	cr_expect_eq(held(radix, 1, 60, 2, 6 * MINUTE), PROMPT);
	aibrix_radix_free(radix);
}

/* There a split leaves the depths below it as they were, and what leaves the
 * window is taken away by the lengths that the node has by then. */
Test(radix, defect_12_a_split_changes_no_depth_and_no_cost)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){
		.prefill_s = 1, .token_s = 1, .decode_s = 1});
	double requests[ROWS], seconds[ROWS];

	add(radix, 1, 0, 1, 0);
	add(radix, 2, 0, 1, 0);
	for (uint32_t shared = 90; shared > 0; shared -= 30) {
		cr_assert_eq(aibrix_radix_add(radix, 0, 3, prompt(0, 1), shared,
					      SECOND, NULL),
			     AIBRIX_OK);
		cr_expect_eq(held(radix, 1, 0, 1, SECOND), PROMPT);
		cr_expect_eq(held(radix, 3, 0, 1, SECOND), 90);
	}
	cr_expect_eq(stats(radix).splits, 3);
	cr_assert_eq(
		aibrix_radix_history(radix, SECOND, requests, seconds, ROWS),
		AIBRIX_OK);
	/* 1 and a token each, and an answer of 45: the first is sent 90. */
	cr_expect(requests[1] == 1 && seconds[1] == 1 + 100 + 45);
	cr_expect(requests[3] == 3 && seconds[3] == 3 * (1 + 45) + 90);
	cr_assert_eq(aibrix_radix_history(radix, 3 * MINUTE + 1, requests,
					  seconds, ROWS),
		     AIBRIX_OK);
	cr_expect(requests[1] == 0 && seconds[1] == 0);
	cr_expect(requests[3] == 3 && seconds[3] == 3 * (1 + 45) + 90);
	cr_assert_eq(aibrix_radix_history(radix, 3 * MINUTE + SECOND + 1,
					  requests, seconds, ROWS),
		     AIBRIX_OK);
	cr_expect(requests[3] == 0 && seconds[3] == 0);
	aibrix_radix_free(radix);
}

/* There the cost of a node is divided by the number of its models, taken for
 * that of its pods.  Here one request is one owner's. */
Test(radix, defect_13_a_cost_is_borne_by_whom_it_was_sent_to)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){
		.prefill_s = 1, .token_s = 1, .decode_s = 1});
	aibrix_radix *compat = new_radix((aibrix_radix_opts){
		.prefill_s = 1, .token_s = 1, .decode_s = 1, .compat = 1});
	double seconds[ROWS], there[ROWS];

	for (uint32_t owner = 0; owner < 3; owner++) {
		add(radix, owner, 0, 1, 0);
		add(compat, owner, 0, 1, 0);
	}
	cr_assert_eq(aibrix_radix_history(radix, 0, NULL, seconds, ROWS),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_radix_history(compat, 0, NULL, there, ROWS),
		     AIBRIX_OK);
	for (uint32_t owner = 0; owner < 3; owner++) {
		cr_expect_eq(seconds[owner], 1 + 100 + 45);
		/* All three requests, for each of them. */
		cr_expect_eq(there[owner], 3 * (1 + 100) + 45);
	}
	aibrix_radix_free(radix);
	aibrix_radix_free(compat);
}

Test(radix, models_share_nothing)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){0});
	double rows[ROWS];
	uint64_t matched;

	add(radix, 1, 0, 1, 0);
	cr_assert_eq(aibrix_radix_match(radix, 8, prompt(0, 1), PROMPT, 0, rows,
					ROWS, &matched),
		     AIBRIX_OK);
	cr_expect(rows[1] == 0 && matched == 0);
	aibrix_radix_free(radix);
}

/* A restart loses the cache; a number that is used again begins with none. */
Test(radix, a_forgotten_owner_begins_with_nothing)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){0});
	double requests[ROWS];

	add(radix, 1, 0, 1, 0);
	add(radix, 2, 0, 1, 0);
	cr_assert_eq(aibrix_radix_forget(radix, 1), AIBRIX_OK);
	cr_expect_eq(held(radix, 1, 0, 1, 0), 0);
	cr_expect_eq(held(radix, 2, 0, 1, 0), PROMPT);
	add(radix, 1, 50, 2, SECOND);
	cr_assert_eq(
		aibrix_radix_history(radix, 2 * MINUTE, requests, NULL, ROWS),
		AIBRIX_OK);
	cr_expect_eq(requests[1], 1);
	/* The request before takes nothing away when it leaves. */
	cr_assert_eq(aibrix_radix_history(radix, 3 * MINUTE + 1, requests, NULL,
					  ROWS),
		     AIBRIX_OK);
	cr_expect(requests[1] == 1 && requests[2] == 0);
	aibrix_radix_free(radix);
}

Test(radix, at_its_bounds_the_prompt_sent_least_recently_goes_from_its_end)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){.max_tokens = 225});

	add(radix, 1, 60, 1, 0);
	add(radix, 1, 60, 2, 1);
	add(radix, 1, 60, 3, 2);
	add(radix, 1, 60, 4, 3);
	cr_expect_eq(held(radix, 1, 60, 4, 3), PROMPT);
	cr_expect_eq(held(radix, 1, 60, 1, 3), 60);
	cr_expect_gt(stats(radix).evicted, 0);
	cr_expect_leq(stats(radix).tokens, 225);
	aibrix_radix_free(radix);
}

Test(radix, of_a_prompt_that_is_too_long_the_beginning_is_kept)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){.max_tokens = 30});

	add(radix, 1, 0, 1, 0);
	cr_expect_eq(held(radix, 1, 0, 1, 0), 30);
	add(radix, 1, 0, 2, 0);
	cr_expect_eq(held(radix, 1, 0, 1, 0), 0);
	cr_expect_eq(held(radix, 1, 0, 2, 0), 30);
	add(radix, 1, 10, 3, 0);
	cr_expect_leq(stats(radix).tokens, 30);
	aibrix_radix_free(radix);
}

Test(radix, without_room_for_more_requests_the_window_is_shorter)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){.max_requests = 3});
	double requests[ROWS];

	for (uint32_t i = 0; i < 5; i++)
		add(radix, i % 2, 0, i, i);
	cr_assert_eq(aibrix_radix_history(radix, 5, requests, NULL, ROWS),
		     AIBRIX_OK);
	cr_expect(requests[0] == 2 && requests[1] == 1);
	cr_expect_eq(stats(radix).early, 2);
	aibrix_radix_free(radix);
}

Test(radix, a_clock_that_goes_backwards_stands_still)
{
	aibrix_radix *radix = new_radix((aibrix_radix_opts){0});
	double requests[ROWS];

	add(radix, 1, 0, 1, 10 * MINUTE);
	add(radix, 1, 0, 2, 1 * MINUTE);
	cr_expect_eq(held(radix, 1, 0, 2, 15 * MINUTE), PROMPT);
	cr_assert_eq(aibrix_radix_history(radix, 0, requests, NULL, ROWS),
		     AIBRIX_OK);
	cr_expect_eq(requests[1], 2);
	aibrix_radix_free(radix);
}

Test(radix, a_prefix_may_be_kept_for_ever)
{
	aibrix_radix *radix =
		new_radix((aibrix_radix_opts){.max_age_ns = AIBRIX_FOREVER});

	add(radix, 1, 0, 1, 5);
	cr_expect_eq(held(radix, 1, 0, 1, UINT64_MAX - 1), PROMPT);
	aibrix_radix_free(radix);
}

Test(radix, wrong_calls_are_refused)
{
	static const aibrix_radix_opts wrong[] = {
		{.max_owners = 65537},
		{.max_nodes = 1u << 25},
		{.max_tokens = 1ull << 32},
		{.max_requests = 1u << 25},
		{.gpu = 2},
		{.compat = 2},
		{.decode_s = -1},
		{.token_s = NAN},
		{.pair_s = INFINITY},
	};
	aibrix_radix_stat stat = {.size = 0};
	aibrix_radix *radix = NULL;
	double rows[ROWS];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		aibrix_radix_opts opts = wrong[i];

		opts.size = sizeof(opts);
		cr_expect_eq(aibrix_radix_new(&opts, &radix), AIBRIX_E_INVAL,
			     "%zu", i);
	}
	cr_expect_eq(
		aibrix_radix_new(&(aibrix_radix_opts){.size = sizeof(wrong[0]),
						      .spare = 1},
				 &radix),
		AIBRIX_E_ABI);
	cr_expect_eq(aibrix_radix_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(radix);
	radix = new_radix((aibrix_radix_opts){.max_owners = ROWS});
	cr_expect_eq(aibrix_radix_add(radix, 0, ROWS, tokens, 1, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_add(radix, 0, 0, NULL, 1, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_add(NULL, 0, 0, tokens, 1, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_match(radix, 0, NULL, 1, 0, rows, ROWS, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_match(radix, 0, tokens, 1, 0, NULL, 1, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_history(NULL, 0, NULL, NULL, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_forget(radix, ROWS), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_stats(radix, &stat), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_stats(radix, NULL), AIBRIX_E_INVAL);
	aibrix_radix_free(radix);
	aibrix_radix_free(NULL);
}
