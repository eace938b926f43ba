/*
 * From a pick to the events that confirm it, through the modules that a
 * gateway joins: index, predictions, fleet, route.
 */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/index.h>
#include <aibrix/predict.h>

#include "fleet_fixture.h"

enum { ROWS = 4, BLOCKS = 8, BLOCK_TOKENS = 16 };

#define SECOND ((uint64_t)1000000000)

static const uint64_t hashes[BLOCKS] = {11, 12, 13, 14, 15, 16, 17, 18};
static const uint64_t names[BLOCKS] = {91, 92, 93, 94, 95, 96, 97, 98};

struct gateway {
	aibrix_fleet *fleet;
	aibrix_index *index;
	aibrix_index_reader *reader;
	aibrix_predict *predict;
	aibrix_route *route;
	double blocks[ROWS], tiers[ROWS];
};

static struct gateway g;

/* Two pods of two ranks each: every rank has a cache and a queue, so a row. */
static void
open_gateway(void)
{
	static const double idle[ROWS] = {0};
	uint32_t row;

	cr_assert_eq(aibrix_fleet_new(NULL, &g.fleet), AIBRIX_OK);
	cr_assert_eq(aibrix_index_new(NULL, &g.index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_reader_new(g.index, &g.reader), AIBRIX_OK);
	cr_assert_eq(aibrix_predict_new(NULL, &g.predict), AIBRIX_OK);
	for (uint32_t i = 0; i < ROWS; i++) {
		aibrix_owner owner = {100 + i / 2, i % 2, 0};

		cr_assert_eq(aibrix_fleet_add(g.fleet, &owner, &row),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_index_owner_add(g.index, row), AIBRIX_OK);
	}
	fixture_set(g.fleet, AIBRIX_COL_REQUESTS_RUNNING, idle);
	fixture_set(g.fleet, AIBRIX_COL_TOKENS_PENDING, idle);
	g.route = fixture_route("prefix-cache", 0);
}

static void
close_gateway(void)
{
	aibrix_route_free(g.route);
	aibrix_predict_free(g.predict);
	aibrix_index_reader_free(g.reader);
	aibrix_index_free(g.index);
	aibrix_fleet_free(g.fleet);
}

TestSuite(route_path, .init = open_gateway, .fini = close_gateway);

/* What a gateway does with each request. */
static aibrix_route_result
ask(const char *strategy, uint64_t entropy, uint64_t now_ns)
{
	const aibrix_column overlay[] = {
		{AIBRIX_COL_PREFIX_BLOCKS, ROWS, g.blocks},
		{AIBRIX_COL_TIER_BLOCKS, ROWS, g.tiers},
	};
	const aibrix_route_request request = {
		.size = sizeof(request),
		.n_overlay = 2,
		.overlay = overlay,
		.block_tokens = BLOCK_TOKENS,
		.prompt_tokens = BLOCKS * BLOCK_TOKENS,
		.n_blocks = BLOCKS,
		.entropy = entropy,
		.strategy = strategy,
	};

	cr_assert_eq(
		aibrix_index_match(g.reader, hashes, BLOCKS, 1, g.blocks, ROWS),
		AIBRIX_OK);
	cr_assert_eq(
		aibrix_index_match(g.reader, hashes, BLOCKS, 0, g.tiers, ROWS),
		AIBRIX_OK);
	cr_assert_eq(aibrix_predict_match(g.predict, hashes, BLOCKS, now_ns,
					  g.blocks, ROWS),
		     AIBRIX_OK);
	return fixture_pick(g.route, g.fleet, &request);
}

static void
stored(uint32_t owner, uint32_t first, uint32_t n, uint32_t tier)
{
	aibrix_index_stored event = {
		.size = sizeof(event),
		.n = n,
		.hashes = hashes + first,
		.names = names + first,
		.parent = first ? names[first - 1] : 0,
		.flags = first ? AIBRIX_INDEX_HAS_PARENT : 0,
		.tier = tier,
	};

	cr_assert_eq(aibrix_index_apply_stored(g.index, owner, &event),
		     AIBRIX_OK);
}

static void
predicted(uint32_t owner, uint64_t now_ns)
{
	cr_assert_eq(
		aibrix_predict_add(g.predict, owner, hashes, BLOCKS, now_ns, 0),
		AIBRIX_OK);
}

Test(route_path, siblings_follow_the_first_before_its_events_come)
{
	aibrix_route_result first = ask(NULL, 1, 0), next;

	cr_expect_eq(first.reason, AIBRIX_REASON_PREFIX_NONE);
	cr_expect_eq(first.ties, ROWS);
	predicted(first.row, 0);
	for (uint64_t entropy = 2; entropy < 50; entropy++) {
		next = ask(NULL, entropy, SECOND / 10);
		cr_expect_eq(next.row, first.row);
		cr_expect_eq(next.reason, AIBRIX_REASON_PREFIX);
	}
}

/* Defect 10: a claim that never came true would hold for 20 minutes. */
Test(route_path, a_prediction_that_does_not_come_true_heals)
{
	aibrix_route_result first = ask(NULL, 1, 0);

	predicted(first.row, 0);
	cr_expect_eq(ask(NULL, 7, 5 * SECOND).reason, AIBRIX_REASON_PREFIX);
	cr_expect_eq(ask(NULL, 7, 5 * SECOND + 1).reason,
		     AIBRIX_REASON_PREFIX_NONE);
	/* Or at once, when the engine restarts. */
	predicted(first.row, 6 * SECOND);
	cr_assert_eq(aibrix_predict_forget(g.predict, first.row), AIBRIX_OK);
	cr_expect_eq(ask(NULL, 7, 6 * SECOND).reason,
		     AIBRIX_REASON_PREFIX_NONE);
}

/* A long prompt is announced piece by piece, from the front; what events say
 * takes the place of what was predicted, and stays when the lease ends. */
Test(route_path, events_confirm_a_prediction_from_the_front)
{
	uint32_t row = ask(NULL, 1, 0).row;

	predicted(row, 0);
	for (uint32_t n = 2; n <= BLOCKS; n += 2) {
		stored(row, n - 2, 2, AIBRIX_TIER_DEVICE);
		cr_assert_eq(aibrix_predict_confirm(g.predict, row, hashes, n),
			     AIBRIX_OK);
		cr_expect_eq(ask(NULL, 7, SECOND).row, row);
		cr_expect_eq(g.blocks[row], BLOCKS, "%u blocks", n);
	}
	cr_expect_eq(ask(NULL, 7, 3600 * SECOND).row, row);
	cr_expect_eq(g.blocks[row], BLOCKS);
}

/* The engine may hold less than was thought: the rest ends with the lease. */
Test(route_path, what_events_do_not_confirm_ends)
{
	predicted(2, 0);
	stored(2, 0, 3, AIBRIX_TIER_DEVICE);
	cr_assert_eq(aibrix_predict_confirm(g.predict, 2, hashes, 3),
		     AIBRIX_OK);
	(void)ask(NULL, 7, SECOND);
	cr_expect_eq(g.blocks[2], BLOCKS);
	(void)ask(NULL, 7, 6 * SECOND);
	cr_expect_eq(g.blocks[2], 3);
}

/* Ranks of a pod are owners: what one holds the other one does not. */
Test(route_path, a_rank_is_told_from_the_other_one_of_its_pod)
{
	aibrix_route_result result;

	stored(1, 0, BLOCKS, AIBRIX_TIER_DEVICE);
	predicted(2, 0);
	(void)ask(NULL, 7, 0);
	cr_expect(g.blocks[0] == 0 && g.blocks[1] == BLOCKS);
	cr_expect(g.blocks[2] == BLOCKS && g.blocks[3] == 0);
	cr_assert_eq(aibrix_predict_forget(g.predict, 2), AIBRIX_OK);
	result = ask(NULL, 7, 0);
	cr_expect_eq(result.owner.pod, 100);
	cr_expect_eq(result.owner.rank, 1);
}

/* Blocks in host memory must be pulled: worth less than on the device, and
 * more than computing them. */
Test(route_path, a_lower_tier_is_worth_less_than_the_device_and_more_than_none)
{
	static const double busy[ROWS] = {0, 0, 0, 1e5};

	stored(1, 0, BLOCKS, AIBRIX_TIER_HOST);
	cr_expect_eq(ask("cost", 7, 0).row, 1);
	cr_expect(g.blocks[1] == 0 && g.tiers[1] == BLOCKS);
	stored(3, 0, BLOCKS, AIBRIX_TIER_DEVICE);
	for (uint64_t entropy = 0; entropy < 16; entropy++)
		cr_expect_eq(ask("cost", entropy, 0).row, 3);
	fixture_set(g.fleet, AIBRIX_COL_TOKENS_PENDING, busy);
	cr_expect_eq(ask("cost", 7, 0).row, 1);
}

/* A prediction is of what the engine will compute, so of its device. */
Test(route_path, a_prediction_raises_the_device_over_a_lower_tier)
{
	stored(1, 0, BLOCKS, AIBRIX_TIER_HOST);
	predicted(2, 0);
	cr_expect_eq(ask("cost", 7, 0).row, 2);
	cr_expect_eq(ask("cost", 7, 6 * SECOND).row, 1);
}
