/*
 * AIBrix's radix tree and what it makes of Preble's measurements, row by row:
 * those named T are the expectations of its own tests
 * (tree_iterative_test.go, prefix_cache_preble_test.go), those named C follow
 * from its formulas.
 */

#include <math.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include <aibrix/radix.h>

#include "fleet_fixture.h"

enum { MODEL = 7, P1 = 1, P2 = 2, ROWS = 4, LONG = 30000 };

static aibrix_radix *radix;
static uint32_t tokens[LONG];

static void
open_tree(void)
{
	cr_assert_eq(aibrix_radix_new(NULL, &radix), AIBRIX_OK);
}

static void
close_tree(void)
{
	aibrix_radix_free(radix);
}

TestSuite(golden_radix, .init = open_tree, .fini = close_tree);

/* first, first + 1, ... from place i on. */
static void
fill(uint32_t i, uint32_t n, uint32_t first)
{
	for (uint32_t k = 0; k < n; k++)
		tokens[i + k] = first + k;
}

static uint64_t
add(uint32_t owner, uint64_t n)
{
	uint64_t matched = 77;

	cr_assert_eq(aibrix_radix_add(radix, MODEL, owner, n ? tokens : NULL, n,
				      0, &matched),
		     AIBRIX_OK);
	return matched;
}

static uint64_t
match(uint64_t n, double *held)
{
	uint64_t matched = 77;

	cr_assert_eq(aibrix_radix_match(radix, MODEL, n ? tokens : NULL, n, 0,
					held, ROWS, &matched),
		     AIBRIX_OK);
	return matched;
}

Test(golden_radix, tree01_to_tree06_T_empty_and_single)
{
	double held[ROWS];

	cr_expect_eq(add(P1, 0), 0);
	tokens[0] = 42;
	cr_expect_eq(add(P1, 1), 0, "tree02");
	cr_expect_eq(add(P1, 1), 1, "tree03");
	tokens[0] = 99;
	cr_expect_eq(match(1, held), 0);
	cr_expect_eq(held[P1], 0);
	cr_expect_eq(add(P1, 1), 0);
	cr_expect_eq(match(0, held), 0);
	cr_expect_eq(held[P1], 0);
	tokens[0] = 42;
	cr_expect_eq(match(1, held), 1);
	cr_expect(held[P1] == 1 && held[P2] == 0);
}

Test(golden_radix, tree07_to_tree09_T_sequences_that_part)
{
	/* How much of 1, 2, ... each begins with, and what follows. */
	static const uint32_t rows[][2] = {{5, 0}, {2, 100}, {1, 200}};
	static const uint32_t matched[] = {0, 2, 1};
	double held[ROWS];

	for (uint32_t i = 0; i < 3; i++) {
		fill(0, rows[i][0], 1);
		fill(rows[i][0], 5 - rows[i][0], rows[i][1]);
		cr_expect_eq(add(P1, 5), matched[i], "row %u", i);
	}
	for (uint32_t i = 0; i < 3; i++) {
		fill(0, rows[i][0], 1);
		fill(rows[i][0], 5 - rows[i][0], rows[i][1]);
		cr_expect_eq(match(5, held), 5);
		cr_expect_eq(held[P1], 5);
	}
}

Test(golden_radix, tree10_to_tree13_T_a_chain_of_a_thousand)
{
	double held[ROWS];

	fill(0, 1010, 1);
	for (uint32_t n = 1; n <= 1000; n++)
		cr_assert_eq(add(P1, n), n - 1);
	cr_expect_eq(match(1000, held), 1000);
	cr_expect(held[P1] == 1000 && held[P2] == 0);
	cr_expect_eq(match(1005, held), 1000);
	cr_expect_eq(held[P1], 1000);
	tokens[500] = 99999;
	cr_expect_eq(match(501, held), 500, "tree13");
	tokens[500] = 501;
	cr_expect_eq(add(P1, 1010), 1000);
	cr_expect_eq(match(1010, held), 1010);
}

Test(golden_radix, tree14_T_a_split_leaves_the_old_prompt_whole)
{
	double held[ROWS];

	fill(0, 500, 1);
	cr_expect_eq(add(P1, 500), 0);
	fill(250, 50, 9000);
	cr_expect_eq(add(P2, 300), 250);
	fill(250, 250, 251);
	cr_expect_eq(match(500, held), 500);
	cr_expect(held[P1] == 500 && held[P2] == 250);
}

Test(golden_radix, tree15_tree16_T_prompts_of_thirty_thousand)
{
	double held[ROWS];

	fill(0, LONG, 1);
	cr_expect_eq(add(P1, LONG), 0);
	fill(29000, 1000, 100000);
	cr_expect_eq(add(P1, LONG), 29000);
	fill(15000, 15000, 200000);
	cr_expect_eq(add(P1, LONG), 15000);
	fill(0, LONG, 1);
	cr_expect_eq(match(LONG, held), LONG);
}

Test(golden_radix, tree17_T_a_match_changes_nothing)
{
	aibrix_radix_stat before = {.size = sizeof(before)}, after = before;
	double held[ROWS];

	fill(0, 100, 1);
	(void)add(P1, 100);
	fill(50, 50, 900);
	cr_assert_eq(aibrix_radix_stats(radix, &before), AIBRIX_OK);
	cr_expect_eq(match(100, held), 50);
	cr_assert_eq(aibrix_radix_stats(radix, &after), AIBRIX_OK);
	cr_expect_eq(memcmp(&before, &after, sizeof(before)), 0);
}

Test(golden_radix, prefill_C_is_what_was_measured)
{
	static const struct {
		uint32_t gpu;
		uint64_t n, context;
		double seconds;
	} rows[] = {
		{AIBRIX_RADIX_V100, 100, 100, 0.062},
		{AIBRIX_RADIX_V100, 192, 192, 0.077633778},
		{AIBRIX_RADIX_V100, 300, 1200, 0.074420000},
		{AIBRIX_RADIX_V100, 384, 384, 0.128236807},
		{AIBRIX_RADIX_V100, 512, 2048, 0.166649460},
		{AIBRIX_RADIX_V100, 4096, 4096, 1.372005267},
		{AIBRIX_RADIX_V100, 8192, 8192, 2.953673300},
		{AIBRIX_RADIX_A6000, 100, 100, 0.0248},
		{AIBRIX_RADIX_A6000, 192, 192, 0.031053511},
		{AIBRIX_RADIX_A6000, 300, 1200, 0.029767889},
		{AIBRIX_RADIX_A6000, 384, 384, 0.051294722},
		{AIBRIX_RADIX_A6000, 512, 2048, 0.066659672},
		{AIBRIX_RADIX_A6000, 4096, 4096, 0.548801875},
		{AIBRIX_RADIX_A6000, 8192, 8192, 1.181469080},
	};
	double seconds;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(aibrix_radix_prefill(rows[i].gpu, rows[i].n,
						  rows[i].context, &seconds),
			     AIBRIX_OK);
		cr_expect_float_eq(seconds, rows[i].seconds, 1e-9, "%zu", i);
	}
	cr_expect_eq(aibrix_radix_prefill(2, 1, 1, &seconds), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_radix_prefill(0, 1, 1, NULL), AIBRIX_E_INVAL);
}

/* As a gateway does: who was sent this prompt how often, then the pick. */
static uint32_t
winners(aibrix_radix *history, uint32_t n, const double *running)
{
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_route *route = fixture_route("prefix-cache-preble", 1);
	double held[ROWS], requests[ROWS], seconds[ROWS];
	const aibrix_column overlay[] = {
		{AIBRIX_COL_PREFIX_BLOCKS, ROWS, held},
		{AIBRIX_COL_HISTORY_REQUESTS, ROWS, requests},
		{AIBRIX_COL_HISTORY_S, ROWS, seconds},
	};
	aibrix_route_request request = {.size = sizeof(request),
					.n_overlay = 3,
					.overlay = overlay,
					.block_tokens = 1,
					.n_blocks = n};
	uint32_t set = 0;

	fixture_set(fleet, AIBRIX_COL_REQUESTS_RUNNING, running);
	cr_assert_eq(aibrix_radix_match(history, MODEL, tokens, n, 0, held,
					ROWS, NULL),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_radix_history(history, 0, requests, seconds, ROWS),
		     AIBRIX_OK);
	for (; request.entropy < 32; request.entropy++)
		set |= 1u << fixture_pick(route, fleet, &request).row;
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return set;
}

static aibrix_radix *
compat_tree(void)
{
	aibrix_radix_opts opts = {.size = sizeof(opts), .compat = 1};
	aibrix_radix *made;

	cr_assert_eq(aibrix_radix_new(&opts, &made), AIBRIX_OK);
	return made;
}

Test(golden_radix, preble_T_the_stored_prompt_goes_where_it_was_sent)
{
	static const double zero[ROWS] = {0}, busy[ROWS] = {1, 1, 10, 10};
	aibrix_radix *compat = compat_tree();
	uint32_t set;

	fill(0, 60, 1);
	for (uint32_t owner = 1; owner < ROWS; owner += 2)
		cr_assert_eq(aibrix_radix_add(compat, MODEL, owner, tokens, 60,
					      0, NULL),
			     AIBRIX_OK);
	set = winners(compat, 60, zero);
	cr_expect(set && !(set & ~(1u << 1 | 1u << 3)), "%u", set);
	for (uint32_t owner = 0; owner < ROWS; owner++)
		cr_assert_eq(aibrix_radix_add(compat, MODEL, owner, tokens, 60,
					      0, NULL),
			     AIBRIX_OK);
	set = winners(compat, 60, busy);
	cr_expect(set && !(set & ~3u), "%u", set);
	aibrix_radix_free(compat);
}

Test(golden_radix, preble_T_nobody_and_an_empty_prompt)
{
	aibrix_fleet *empty = fixture_fleet(0, NULL);
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_route *route = fixture_route("prefix-cache-preble", 1);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_route_score scores[ROWS];
	uint32_t n, lower;

	cr_expect_eq(aibrix_route_pick(route, empty, &request, 0, &result),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_route_explain(route, fleet, &request, 0, scores,
					  ROWS, &n, &lower),
		     AIBRIX_OK);
	cr_expect_eq(n, ROWS);
	cr_expect_eq(lower, 1);
	for (uint32_t i = 0; i < ROWS; i++)
		cr_expect(scores[i].scored && scores[i].score == 0);
	aibrix_route_free(route);
	aibrix_fleet_free(empty);
	aibrix_fleet_free(fleet);
}

/* A node's cost is borne by all who have it: two requests of 100 tokens that
 * the tree did not have, and a third of which it had 40. */
Test(golden_radix, cost_C_each_node_once_for_each_owner)
{
	aibrix_radix *compat = compat_tree();
	double requests[ROWS], seconds[ROWS], first, last;

	fill(0, 100, 1);
	cr_assert_eq(aibrix_radix_add(compat, MODEL, P1, tokens, 100, 0, NULL),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_radix_add(compat, MODEL, P2, tokens, 100, 0, NULL),
		     AIBRIX_OK);
	fill(40, 60, 500);
	cr_assert_eq(aibrix_radix_add(compat, MODEL, P1, tokens, 100, 0, NULL),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_radix_history(compat, 0, requests, seconds, ROWS),
		     AIBRIX_OK);
	/* [1-40] has no request, [41-100] two, all of it new; [501-560] one,
	   40 of whose 100 tokens hit. */
	cr_expect(requests[0] == 0 && requests[P1] == 3 && requests[P2] == 2);
	cr_assert_eq(aibrix_radix_prefill(AIBRIX_RADIX_V100, 60, 100, &first),
		     AIBRIX_OK);
	last = 0.6 * first + 45 * 0.15;
	first = 2 * first + 45 * 0.15;
	cr_expect_float_eq(seconds[P2], first, 1e-9);
	cr_expect_float_eq(seconds[P1], first + last, 1e-9);
	cr_expect_eq(seconds[0], 0);
	aibrix_radix_free(compat);
}
