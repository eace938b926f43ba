/* Is a tier worth asking?  Figures are of published models and networks. */

#include <criterion/criterion.h>

#include <math.h>

#include <aibrix/cache.h>

enum { TOKENS = 16, PROMPT = 16000, HIT = 900 };

/* 8 B parameters: 128 KiB and 50 us a token. */
static aibrix_cache_costs
dense(double gb_per_s)
{
	return (aibrix_cache_costs){.size = sizeof(aibrix_cache_costs),
				    .block_tokens = TOKENS,
				    .block_bytes = TOKENS * 128 * 1024,
				    .bytes_per_s = gb_per_s * 1e9,
				    .token_ns = 50000};
}

static uint64_t
worth(const aibrix_cache_costs *costs, uint64_t start, uint64_t hit)
{
	uint64_t n = 12345;

	cr_assert_eq(aibrix_cache_worth(costs, start, PROMPT, hit, &n),
		     AIBRIX_OK);
	return n;
}

/* 128 KiB in 50 us are 2.62 GB/s, 2.91 with the margin of a tenth. */
Test(cache_worth, a_tier_must_be_faster_than_computing_by_the_margin)
{
	aibrix_cache_costs c = dense(1.1);

	cr_expect_eq(worth(&c, 0, HIT), 0, "10 GbE");
	c = dense(2.9);
	cr_expect_eq(worth(&c, 0, HIT), 0);
	c = dense(2.95);
	cr_expect_eq(worth(&c, 0, HIT), HIT);
	c = dense(2.7);
	c.margin = -1;
	cr_expect_eq(worth(&c, 0, HIT), HIT, "any gain will do");
	c = dense(50);
	cr_expect_eq(worth(&c, 0, HIT), HIT, "memory");
}

Test(cache_worth, small_caches_are_worth_a_slow_network)
{
	aibrix_cache_costs c = dense(1.1);

	c.block_bytes = TOKENS * 70000;
	c.token_ns = 100000;
	cr_expect_eq(worth(&c, 0, HIT), HIT);
}

/* A block saves 0.8 ms of which it costs 0.21: 5 ms of latency are ten. */
Test(cache_worth, latency_must_be_earned)
{
	aibrix_cache_costs c = dense(10);

	c.latency_ns = 5e6;
	cr_expect_eq(worth(&c, 0, 9), 0);
	cr_expect_eq(worth(&c, 0, 10), 10);
	cr_expect_eq(worth(&c, 0, 0), 0);
}

/* Attention: a token costs more the more there are before it. */
Test(cache_worth, late_positions_are_worth_more)
{
	aibrix_cache_costs c = dense(2);

	c.position_ns = 3;
	cr_expect_eq(worth(&c, 0, 100), 0);
	cr_expect_eq(worth(&c, 8000, 100), 100);
}

Test(cache_worth, what_would_wait_too_long_is_not_loaded)
{
	aibrix_cache_costs c = dense(20.97152); /* 0.1 ms a block */

	c.max_wait_ns = 5050000;
	cr_expect_eq(worth(&c, 0, HIT), 50);
	c.latency_ns = 5000000;
	cr_expect_eq(worth(&c, 0, HIT), 0, "nothing arrives in time");
}

/* 0.8 ms to compute a block, as long to load one: half of 1000 each. */
Test(cache_worth, side_by_side_loading_meets_the_rest)
{
	aibrix_cache_costs c = dense(2.62144);

	c.flags = AIBRIX_CACHE_OVERLAP;
	cr_expect_eq(worth(&c, 0, HIT), 500);
	cr_expect_eq(worth(&c, 0, 400), 400);
	c.max_wait_ns = 80000000;
	cr_expect_eq(worth(&c, 0, HIT), 100);
	c.max_wait_ns = 100;
	cr_expect_eq(worth(&c, 0, HIT), 0);
}

/* Against all numbers of blocks, one by one. */
static uint64_t
best_of_all(const aibrix_cache_costs *c, double start, uint64_t hit)
{
	double best = INFINITY, none = 0, made = 0;
	uint64_t at = 0;

	for (uint64_t n = 0; n <= hit; n++) {
		double from = start + (double)n * TOKENS;
		double load =
			n ? c->latency_ns + (double)n * (double)c->block_bytes /
						    c->bytes_per_s * 1e9
			  : 0;
		double rest =
			(PROMPT - from) *
			(c->token_ns + c->position_ns * (PROMPT + from) / 2);
		double time = c->flags ? fmax(load, rest) : load + rest;

		if (n == 0)
			none = time;
		if (c->max_wait_ns && load > (double)c->max_wait_ns)
			break;
		if (time < best) {
			best = time;
			at = n;
		}
	}
	made = (double)at * TOKENS *
	       (c->token_ns +
		c->position_ns * (start + (double)at * TOKENS / 2));
	return none - best > 0.1 * made ? at : 0;
}

Test(cache_worth, is_the_best_of_all_numbers)
{
	for (uint32_t i = 0; i < 2000; i++) {
		aibrix_cache_costs c = dense(0.5 + i % 17 * 0.4);
		uint64_t start = i % 5 * 1000, hit = i % 13 * 40;

		c.latency_ns = i % 7 * 1e6;
		c.position_ns = i % 3 * 2;
		c.flags = i % 2;
		c.max_wait_ns = i % 11 * 20000000;
		cr_assert_eq(worth(&c, start, hit),
			     best_of_all(&c, (double)start, hit), "%u", i);
	}
}

static int
answer(const aibrix_cache_costs *c, uint64_t start, uint64_t tokens,
       uint64_t hit)
{
	uint64_t n = 7;
	int err = aibrix_cache_worth(c, start, tokens, hit, &n);

	cr_expect_eq(n, err ? 7 : n);
	return err;
}

Test(cache_worth, costs_that_nobody_knows_are_refused)
{
	aibrix_cache_costs c = dense(1);
	uint64_t n;

	cr_expect_eq(answer(&c, 0, 160, 10), AIBRIX_OK);
	cr_expect_eq(answer(&c, 0, 160, 11), AIBRIX_E_INVAL);
	cr_expect_eq(answer(&c, 161, 160, 0), AIBRIX_E_INVAL);
	cr_expect_eq(answer(NULL, 0, 160, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_worth(&c, 0, 160, 0, NULL), AIBRIX_E_INVAL);
	c.bytes_per_s = NAN;
	cr_expect_eq(answer(&c, 0, 160, 0), AIBRIX_E_INVAL);
	c = dense(0);
	cr_expect_eq(answer(&c, 0, 160, 0), AIBRIX_E_INVAL);
	c = dense(INFINITY);
	cr_expect_eq(answer(&c, 0, 160, 0), AIBRIX_E_INVAL);
	c = dense(1);
	c.token_ns = -1;
	cr_expect_eq(answer(&c, 0, 160, 0), AIBRIX_E_INVAL);
	c = dense(1);
	c.margin = 1;
	cr_expect_eq(answer(&c, 0, 160, 0), AIBRIX_E_INVAL);
	c = dense(1);
	c.flags = 2;
	cr_expect_eq(answer(&c, 0, 160, 0), AIBRIX_E_INVAL);
	c = dense(1);
	c.size = 4;
	cr_expect_neq(answer(&c, 0, 160, 0), AIBRIX_OK);
	c = dense(1);
	c.block_tokens = 0;
	cr_expect_eq(answer(&c, 0, UINT64_MAX, UINT64_MAX), AIBRIX_E_INVAL);
	c.block_tokens = 1;
	cr_expect_eq(aibrix_cache_worth(&c, 0, UINT64_MAX, UINT64_MAX, &n),
		     AIBRIX_OK);
}
