/*
 * L2 is asked where that pays.  One request after the other on a clock that
 * stands in this file: a turn of poll takes STEP_NS, computing a block that
 * was not found takes BLOCK_NS.
 */
#include "cache_tools.h"

#include "store/store_faults.h"

#define STEP_NS UINT64_C(100000)
#define BLOCK_NS UINT64_C(1000000) /* 16 tokens of 62.5 us */
#define RISK_NS UINT64_C(20000000)

enum { FAULTS = 4096, PROMPT = 40 };

struct scene {
	uint64_t now, asked_blocks, waited, saved, longest;
	struct store_fault faults[FAULTS];
	uint32_t n_faults;
	aibrix_store *store;
	aibrix_cache *cache;
};

static uint64_t
scene_clock(void *ctx)
{
	const struct scene *s = ctx;

	return s->now;
}

static aibrix_cache_opts
scene_opts(struct scene *s)
{
	return (aibrix_cache_opts){.size = sizeof(aibrix_cache_opts),
				   .block_bytes = BLOCK,
				   .l1_bytes = PROMPT * BLOCK,
				   .l2 = s->store,
				   .token_ns = (double)BLOCK_NS / 16,
				   .l2_risk_ns = RISK_NS,
				   .clock = scene_clock,
				   .clock_ctx = s,
				   .flags = AIBRIX_CACHE_NO_L2_WRITE};
}

/* Chains 1 to 9 of PROMPT blocks are in L2, and L1 holds one of them. */
static void
scene_open(struct scene *s, const aibrix_cache_opts *opts)
{
	aibrix_store_opts so = {.size = sizeof(so),
				.capacity_bytes = 400 * VALUE,
				.value_bytes = VALUE,
				.timeout_ns = 60000000000,
				.clock = scene_clock,
				.clock_ctx = s};
	aibrix_cache_opts o;
	aibrix_cache *writer;

	s->now = 1;
	cr_assert_eq(aibrix_store_open(&so, &s->store), AIBRIX_OK);
	writer = new_cache(PROMPT * 9, s->store);
	for (uint32_t c = 1; c <= 9; c++)
		cr_assert_eq(put_blocks(writer, c, PROMPT), PROMPT);
	settle_all(writer, 1);
	aibrix_cache_free(writer);
	o = opts ? *opts : scene_opts(s);
	o.l2 = s->store;
	cr_assert_eq(aibrix_cache_new(&o, &s->cache), AIBRIX_OK);
}

static void
scene_close(struct scene *s)
{
	check(s->cache);
	aibrix_cache_free(s->cache);
	aibrix_store_free(s->store);
}

/* From now on requests of op take polls turns, or for ever. */
static void
scene_faults(struct scene *s, uint32_t kind, uint64_t polls)
{
	for (s->n_faults = 0; s->n_faults < FAULTS; s->n_faults++)
		s->faults[s->n_faults] = (struct store_fault){
			.kind = kind,
			.op = s->n_faults % 2 ? AIBRIX_STORE_GET
					      : AIBRIX_STORE_PROBE,
			.at = s->n_faults / 2,
			.arg = polls};
	aibrix__store_faults(s->store, s->faults, kind ? s->n_faults : 0);
}

/* The first n blocks of chain c are asked for, and the rest is computed. */
static uint64_t
scene_ask(struct scene *s, uint32_t c, uint64_t n)
{
	uint64_t begin = s->now, lease, got = 0, l1, busy;
	int err;

	l1 = aibrix_cache_lookup(s->cache, chain(c), n);
	err = aibrix_cache_acquire(s->cache, chain(c), n, 0, s->now, &lease,
				   &got);
	while (err == AIBRIX_E_AGAIN) {
		s->now += STEP_NS;
		cr_assert_eq(aibrix_cache_poll(s->cache, s->now, 0, &busy),
			     AIBRIX_OK);
		err = aibrix_cache_state(s->cache, lease, &got);
	}
	cr_assert_eq(err, AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(s->cache, lease), AIBRIX_OK);
	check(s->cache);
	s->asked_blocks += n - l1;
	s->saved += (got - l1) * BLOCK_NS;
	s->waited += s->now - begin;
	if (s->now - begin > s->longest)
		s->longest = s->now - begin;
	s->now += (n - got) * BLOCK_NS;
	return got;
}

static void
scene_run(struct scene *s, uint32_t requests)
{
	for (uint32_t i = 0; i < requests; i++)
		(void)scene_ask(s, i % 9 + 1, PROMPT);
}

/* What all waits cost more than they have saved. */
static void
expect_bounded(const struct scene *s, uint32_t requests)
{
	uint64_t computing = s->asked_blocks * BLOCK_NS;
	uint64_t bound =
		s->saved + RISK_NS + computing / 50 + requests * STEP_NS;

	cr_expect_leq(s->waited, bound, "%llu ns lost, of %llu computed",
		      (unsigned long long)(s->waited - s->saved),
		      (unsigned long long)computing);
}

Test(cache_budget, a_tier_that_pays_is_asked)
{
	struct scene s = {0};

	scene_open(&s, NULL);
	scene_run(&s, 50);
	cr_expect_eq(stat_of(s.cache).l2_skipped, 0);
	cr_expect_eq(stat_of(s.cache).hits_l2, 50 * PROMPT);
	cr_expect_eq(stat_of(s.cache).l2_wait_ns, s.waited);
	cr_expect_eq(stat_of(s.cache).l2_saved_ns, s.saved);
	scene_close(&s);
}

Test(cache_budget, a_tier_that_is_slower_than_computing_is_left_alone)
{
	struct scene s = {0};

	scene_open(&s, NULL);
	scene_faults(&s, FAULT_DELAY, 1000); /* 100 ms for 40 ms of computing */
	scene_run(&s, 500);
	expect_bounded(&s, 500);
	cr_expect_gt(stat_of(s.cache).l2_skipped, 480 * PROMPT);
	cr_expect_leq(s.longest, PROMPT * BLOCK_NS / 10 + STEP_NS);
	scene_close(&s);
}

Test(cache_budget, a_tier_that_hangs_costs_no_more_than_the_bound)
{
	struct scene s = {0};

	scene_open(&s, NULL);
	scene_run(&s, 20);
	scene_faults(&s, FAULT_DROP, 0);
	s.waited = s.saved = s.asked_blocks = s.longest = 0;
	scene_run(&s, 2000);
	expect_bounded(&s, 2000);
	cr_expect_leq(s.waited, s.asked_blocks * BLOCK_NS / 500,
		      "tried ever more seldom");
	cr_expect_leq(s.longest, PROMPT * BLOCK_NS / 10 + STEP_NS);
	scene_close(&s);
}

Test(cache_budget, a_tier_that_flaps_costs_no_more_than_the_bound)
{
	for (uint32_t period = 1; period <= 64; period *= 4) {
		struct scene s = {0};

		scene_open(&s, NULL);
		for (uint32_t turn = 0; turn < 40; turn++) {
			scene_faults(&s, turn % 2 ? FAULT_DROP : 0, 0);
			scene_run(&s, period);
		}
		expect_bounded(&s, 40 * period);
		scene_close(&s);
	}
}

/* Just as slow as computing, and now and then far slower. */
Test(cache_budget, a_tier_at_the_edge_costs_no_more_than_the_bound)
{
	for (uint64_t polls = 1; polls <= 256; polls *= 2) {
		struct scene s = {0};

		scene_open(&s, NULL);
		for (uint32_t turn = 0; turn < 20; turn++) {
			scene_faults(&s, FAULT_DELAY,
				     turn % 4 == 3 ? polls * 16 : polls);
			scene_run(&s, 20);
		}
		expect_bounded(&s, 400);
		scene_close(&s);
	}
}

Test(cache_budget, a_tier_that_is_back_is_used_again)
{
	struct scene s = {0};
	uint64_t hits;

	scene_open(&s, NULL);
	scene_faults(&s, FAULT_DROP, 0);
	scene_run(&s, 100);
	cr_expect_eq(stat_of(s.cache).hits_l2, 0);
	scene_faults(&s, 0, 0);
	s.now += 30000000000;
	hits = scene_ask(&s, 9, PROMPT);
	cr_expect_eq(hits, PROMPT, "one is let through");
	scene_run(&s, 20);
	cr_expect_eq(stat_of(s.cache).hits_l2, 21 * PROMPT);
	scene_close(&s);
}

Test(cache_budget, short_prompts_do_not_wait_and_long_ones_do)
{
	struct scene s = {0};

	scene_open(&s, NULL);
	scene_faults(&s, FAULT_DELAY, 10); /* 1 ms each way */
	cr_expect_eq(scene_ask(&s, 1, PROMPT), PROMPT);
	for (uint32_t i = 0; i < 30; i++) {
		cr_expect_eq(scene_ask(&s, i % 8 + 2, 2), 0);
		cr_expect_eq(scene_ask(&s, i % 8 + 2, PROMPT), PROMPT);
	}
	expect_bounded(&s, 61);
	scene_close(&s);
}

Test(cache_budget, a_tier_that_has_nothing_is_asked_within_the_bound)
{
	struct scene s = {0};

	scene_open(&s, NULL);
	for (uint32_t i = 0; i < 1000; i++)
		cr_expect_eq(scene_ask(&s, 10 + i, 4), 0);
	expect_bounded(&s, 1000);
	scene_close(&s);
}

Test(cache_budget, what_comes_ends_the_wait_no_sooner_than_it_pays)
{
	struct scene s = {0};

	scene_open(&s, NULL);
	cr_expect_eq(scene_ask(&s, 1, PROMPT), PROMPT);
	/* The second half is lost: the first is kept. */
	for (uint32_t i = 0; i < PROMPT; i++)
		s.faults[i] = (struct store_fault){.kind = FAULT_DROP,
						   .op = AIBRIX_STORE_GET,
						   .at = 20 + i};
	aibrix__store_faults(s.store, s.faults, PROMPT);
	cr_expect_eq(scene_ask(&s, 2, PROMPT), 20);
	cr_expect_eq(stat_of(s.cache).l2_late, 1);
	scene_close(&s);
}

Test(cache_budget, who_gives_up_gives_the_risk_back)
{
	struct scene s = {0};
	uint64_t lease, n;

	scene_open(&s, NULL);
	scene_faults(&s, FAULT_DROP, 0);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(aibrix_cache_acquire(s.cache, chain(1), PROMPT, 0,
						  s.now, &lease, &n),
			     AIBRIX_E_AGAIN);
		cr_assert_eq(aibrix_cache_release(s.cache, lease), AIBRIX_OK);
	}
	scene_close(&s);
}

/* AIBrix: l2_cache.py reads with 20 ms for each token. */
Test(cache_budget, the_wait_of_aibrix_is_20_ms_for_each_missing_token)
{
	struct scene s = {0};
	aibrix_cache_opts o = scene_opts(&s);

	o.token_ns = 0;
	o.token_wait_ns = 20000000;
	scene_open(&s, &o);
	scene_faults(&s, FAULT_DROP, 0);
	cr_expect_eq(scene_ask(&s, 1, 2), 0);
	cr_expect_eq(s.waited, 2 * 16 * UINT64_C(20000000));
	cr_expect_eq(stat_of(s.cache).l2_late, 1);
	scene_close(&s);
}

/* AIBrix: 4 blocks and a tenth of the prompt. */
Test(cache_budget, a_few_missing_blocks_are_not_asked_for)
{
	struct scene s = {0};
	aibrix_cache_opts o = scene_opts(&s);

	o.token_ns = 0;
	o.min_lack_blocks = 4;
	o.min_lack_ratio = 0.25;
	scene_open(&s, &o);
	cr_expect_eq(scene_ask(&s, 1, 3), 0, "three of three");
	cr_expect_eq(scene_ask(&s, 1, 4), 4, "four of four");
	cr_expect_eq(scene_ask(&s, 1, 7), 4, "three of seven");
	cr_expect_eq(scene_ask(&s, 1, 12), 12, "eight of twelve");
	cr_expect_eq(scene_ask(&s, 1, 16), 16, "a quarter");
	cr_expect_eq(scene_ask(&s, 1, 20), 16, "four of twenty");
	cr_expect_eq(stat_of(s.cache).l2_skipped, 3 + 3 + 4);
	scene_close(&s);
}

Test(cache_budget, costs_that_are_none_are_refused)
{
	struct scene s = {0};
	aibrix_cache_opts good = scene_opts(&s), o = good;
	aibrix_cache *cache = NULL;

	o.token_ns = -1;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o = good;
	o.position_ns = 1e300;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
	o = good;
	o.min_lack_ratio = 1.5;
	cr_expect_eq(aibrix_cache_new(&o, &cache), AIBRIX_E_INVAL);
}
