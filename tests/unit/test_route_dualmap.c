/* dualmap, and the key that it goes by. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/hot.h>

#include "fleet_fixture.h"

enum { ROWS = 8, KEYS = 2000 };

static aibrix_fleet *fleet;

static void
open_fleet(void)
{
	static const double idle[ROWS] = {0};

	fleet = fixture_fleet(ROWS, NULL);
	fixture_set(fleet, AIBRIX_COL_TOKENS_PENDING, idle);
	fixture_set(fleet, AIBRIX_COL_PREFIX_BLOCKS, idle);
}

static void
close_fleet(void)
{
	aibrix_fleet_free(fleet);
}

TestSuite(route_dualmap, .init = open_fleet, .fini = close_fleet);

static aibrix_route_result
pick(uint32_t profile, uint64_t key, uint64_t entropy)
{
	aibrix_route *route = fixture_route("dualmap", profile);
	const aibrix_route_request request = {.size = sizeof(request),
					      .block_tokens = 16,
					      .prompt_tokens = 1600,
					      .n_blocks = 100,
					      .prefix_key = key,
					      .entropy = entropy};
	aibrix_route_result result = fixture_pick(route, fleet, &request);

	aibrix_route_free(route);
	return result;
}

static void
set(uint32_t column, uint32_t row, double value)
{
	cr_assert_eq(aibrix_fleet_set(fleet, row, column, value, 0), AIBRIX_OK);
}

/* The two rows of a key, by making the first one busy. */
static void
pair_of(uint64_t key, uint32_t *first, uint32_t *second)
{
	*first = pick(0, key, 0).row;
	set(AIBRIX_COL_TOKENS_PENDING, *first, 1e6);
	*second = pick(0, key, 0).row;
	set(AIBRIX_COL_TOKENS_PENDING, *first, 0);
	cr_assert_neq(*first, *second);
}

Test(route_dualmap, a_key_has_two_rows_and_entropy_no_say)
{
	uint32_t first, second;

	for (uint64_t key = 1; key < 50; key++) {
		pair_of(key, &first, &second);
		for (uint64_t entropy = 0; entropy < 16; entropy++) {
			aibrix_route_result result = pick(0, key, entropy);

			cr_expect_eq(result.row, first);
			cr_expect_eq(result.reason, AIBRIX_REASON_DUAL_FIRST);
		}
		/* Nor have the others, however idle. */
		set(AIBRIX_COL_TOKENS_PENDING, first, 1e6);
		set(AIBRIX_COL_TOKENS_PENDING, second, 1e5);
		cr_expect_eq(pick(0, key, 3).row, second);
		cr_expect_eq(pick(0, key, 3).reason, AIBRIX_REASON_DUAL_SECOND);
		set(AIBRIX_COL_TOKENS_PENDING, first, 0);
		set(AIBRIX_COL_TOKENS_PENDING, second, 0);
	}
}

Test(route_dualmap, keys_are_shared_evenly_and_pairs_are_of_all)
{
	uint32_t shares[ROWS] = {0}, pairs[ROWS] = {0};

	for (uint64_t key = 1; key <= KEYS; key++)
		shares[pick(0, key, 0).row]++;
	for (uint64_t key = 1; key <= 200; key++) {
		uint32_t first, second;

		pair_of(key, &first, &second);
		pairs[first] |= 1u << second;
	}
	for (uint32_t row = 0; row < ROWS; row++) {
		cr_expect(shares[row] > KEYS / ROWS * 8 / 10 &&
			  shares[row] < KEYS / ROWS * 12 / 10);
		cr_expect_eq(pairs[row], 255u & ~(1u << row));
	}
}

/* Keys of who leaves go elsewhere, and nobody else's do. */
Test(route_dualmap, who_leaves_takes_its_own_keys_along)
{
	uint32_t before[KEYS];

	for (uint64_t key = 1; key < KEYS; key++)
		before[key] = pick(0, key, 0).row;
	set(AIBRIX_COL_HEALTH_RATIO, 3, 0);
	for (uint64_t key = 1; key < KEYS; key++) {
		uint32_t now = pick(0, key, 0).row;

		cr_expect(before[key] == 3 ? now != 3 : now == before[key]);
	}
}

Test(route_dualmap, a_block_is_not_worth_a_long_queue)
{
	uint32_t first, second;

	pair_of(77, &first, &second);
	set(AIBRIX_COL_PREFIX_BLOCKS, second, 1);
	set(AIBRIX_COL_TOKENS_PENDING, second, 2000);
	/* 16 tokens saved, for 2000 / 8 to wait. */
	cr_expect_eq(pick(0, 77, 0).row, first);
}

/* AIBrix stays where more is held while less than a bound waits, however
 * little it saves. */
Test(route_dualmap, profiles_differ_on_a_holder_that_is_busy)
{
	uint32_t first = pick(1, 77, 0).row, other;

	/* Who of the others takes over when the first is full. */
	set(AIBRIX_COL_TOKENS_PENDING, first, 2049);
	other = pick(1, 77, 0).row;
	cr_expect_neq(other, first);
	set(AIBRIX_COL_TOKENS_PENDING, first, 2048);
	cr_expect_eq(pick(1, 77, 0).row, first);
	set(AIBRIX_COL_PREFIX_BLOCKS, other, 1);
	cr_expect_eq(pick(1, 77, 0).row, other);
	/* The default form looks at what a block is worth. */
	set(AIBRIX_COL_TOKENS_PENDING, other, 2000);
	set(AIBRIX_COL_TOKENS_PENDING, first, 0);
	cr_expect_eq(pick(1, 77, 0).row, other);
	cr_expect_neq(pick(0, 77, 0).row, other);
}

Test(route_dualmap, without_a_key_every_row_may_be_picked)
{
	uint32_t found = 0;

	for (uint64_t entropy = 0; entropy < 200; entropy++)
		found |= 1u << pick(0, 0, entropy).row;
	cr_expect_eq(found, 255);
	found = 0;
	for (uint64_t entropy = 0; entropy < 200; entropy++)
		found |= 1u << pick(1, 0, entropy).row;
	cr_expect_eq(found, 255);
	cr_expect_eq(pick(1, 0, 0).reason, AIBRIX_REASON_NO_DATA);
}

Test(route_dualmap, a_key_says_where_when_nothing_is_known)
{
	uint32_t first = pick(0, 5, 0).row;

	for (uint32_t row = 0; row < ROWS; row++)
		set(AIBRIX_COL_TOKENS_PENDING, row, NAN);
	for (uint64_t entropy = 0; entropy < 16; entropy++)
		cr_expect_eq(pick(0, 5, entropy).row, first);
}

static aibrix_hot *
new_hot(aibrix_hot_opts opts)
{
	aibrix_hot *hot;

	opts.size = sizeof(opts);
	cr_assert_eq(aibrix_hot_new(&opts, &hot), AIBRIX_OK);
	return hot;
}

/* The key of a prompt of 20 blocks: the first ones are common, the next is
 * tail and so on. */
static uint64_t
note(aibrix_hot *hot, uint32_t common, uint64_t tail)
{
	uint64_t hashes[20], key = 77;

	for (uint32_t i = 0; i < 20; i++)
		hashes[i] = i < common ? i : tail + i;
	cr_assert_eq(aibrix_hot_note(hot, hashes, 20, &key), AIBRIX_OK);
	return key;
}

Test(hot, the_first_block_is_the_key_until_it_is_frequent)
{
	aibrix_hot *hot = new_hot((aibrix_hot_opts){0});
	uint64_t first = note(hot, 1, 1000);

	/* Fewer than 20: nothing is hot, though all are alike. */
	for (uint32_t i = 1; i < 20; i++)
		cr_expect_eq(note(hot, 1, 1000 * i), first);
	cr_expect_neq(note(hot, 1, 5000), first);
	cr_expect_neq(note(hot, 1, 5000), note(hot, 1, 6000));
	aibrix_hot_free(hot);
}

Test(hot, a_beginning_becomes_hot_at_one_share_and_cools_at_another)
{
	aibrix_hot *hot = new_hot((aibrix_hot_opts){
		.window = 100, .hot_share = 0.1, .cool_share = 0.05});
	uint64_t first = note(hot, 1, 1000), tail = 10000;

	for (uint32_t i = 1; i < 100; i++)
		(void)note(hot, 0, tail += 1000);
	for (uint32_t i = 0; i < 10; i++)
		cr_expect_eq(note(hot, 1, 1000), first, "%u", i);
	/* Ten of a hundred. */
	cr_expect_neq(note(hot, 1, 1000), first);
	/* It stays hot while there are five, and not with four. */
	for (uint32_t i = 0; i < 89 + 6; i++)
		(void)note(hot, 0, tail += 1000);
	cr_expect_neq(note(hot, 1, 1000), first);
	for (uint32_t i = 0; i < 95; i++)
		(void)note(hot, 0, tail += 1000);
	cr_expect_eq(note(hot, 1, 1000), first);
	aibrix_hot_free(hot);
}

Test(hot, a_key_is_sixteen_blocks_at_most)
{
	aibrix_hot *hot = new_hot((aibrix_hot_opts){.samples = 1});
	uint64_t keys[40];

	for (uint32_t i = 0; i < 40; i++)
		keys[i] = note(hot, 20, 0);
	for (uint32_t i = 2; i < 40; i++)
		cr_expect_eq(keys[i], keys[1], "the whole of it is hot");
	cr_expect_neq(keys[0], keys[1]);
	cr_expect_eq(note(hot, 16, 999), keys[1]);
	cr_expect_neq(note(hot, 15, 999), keys[1]);
	aibrix_hot_free(hot);
}

Test(hot, a_prompt_without_a_block_has_no_key)
{
	aibrix_hot *hot = new_hot((aibrix_hot_opts){0});
	uint64_t key = 77;

	cr_assert_eq(aibrix_hot_note(hot, NULL, 0, &key), AIBRIX_OK);
	cr_expect_eq(key, 0);
	aibrix_hot_free(hot);
}

Test(hot, wrong_calls_are_refused)
{
	static const aibrix_hot_opts wrong[] = {
		{.window = 65537},   {.hot_share = 1.5},
		{.hot_share = -0.1}, {.cool_share = 0.07},
		{.hot_share = NAN},  {.cool_share = INFINITY},
	};
	aibrix_hot_opts opts;
	aibrix_hot *hot = NULL;
	uint64_t key = 77;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		opts = wrong[i];
		opts.size = sizeof(opts);
		cr_expect_eq(aibrix_hot_new(&opts, &hot), AIBRIX_E_INVAL);
	}
	opts = (aibrix_hot_opts){.size = sizeof(opts), .spare = 1};
	cr_expect_eq(aibrix_hot_new(&opts, &hot), AIBRIX_E_ABI);
	cr_expect_eq(aibrix_hot_new(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_null(hot);
	hot = new_hot((aibrix_hot_opts){0});
	cr_expect_eq(aibrix_hot_note(NULL, &key, 1, &key), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_hot_note(hot, NULL, 1, &key), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_hot_note(hot, &key, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(key, 77);
	aibrix_hot_free(hot);
	aibrix_hot_free(NULL);
}
