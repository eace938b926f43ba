/* Bands: which group a prompt of a length is for. */

#include <stdlib.h>

#include <criterion/criterion.h>

#include <aibrix/pd_buckets.h>

#define SECOND 1000000000ull

static aibrix_pd_buckets *buckets;
static aibrix_pd_band bands[AIBRIX_PD_BANDS_MAX];
static uint32_t n_bands;

static void
start(uint32_t mode)
{
	aibrix_pd_buckets_opts opts = {.size = sizeof(opts), .mode = mode};

	aibrix_pd_buckets_free(buckets);
	buckets = NULL;
	cr_assert_eq(aibrix_pd_buckets_new(&opts, &buckets), AIBRIX_OK);
}

static void
end(void)
{
	aibrix_pd_buckets_free(buckets);
}

TestSuite(pd_buckets, .fini = end);

/* The group that a prompt is for; 0: any. */
static uint64_t
step(uint64_t tokens, uint64_t now_ns, const aibrix_pd_group *groups,
     uint32_t n)
{
	aibrix_pd_band band = {.group = 99};
	int err = aibrix_pd_buckets_step(buckets, tokens, now_ns, groups, n,
					 &band);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOT_FOUND);
	cr_assert(err == AIBRIX_OK || band.group == 99, "untouched");
	return err ? 0 : band.group;
}

/* As many prompts of each of these lengths, and the plan then. */
static void
pass(uint64_t lo, uint64_t hi, uint32_t each, const aibrix_pd_group *groups,
     uint32_t n)
{
	for (uint64_t tokens = lo; tokens <= hi; tokens++)
		for (uint32_t i = 0; i < each; i++)
			(void)step(tokens, SECOND, groups, n);
	(void)step(hi, 6 * SECOND, groups, n);
	cr_assert_eq(aibrix_pd_buckets_plan(buckets, bands, AIBRIX_PD_BANDS_MAX,
					    &n_bands),
		     AIBRIX_OK);
}

static void
expect_band(uint32_t at, uint64_t group, int64_t min, int64_t max, int64_t off)
{
	const aibrix_pd_band *b = &bands[at];

	cr_assert_lt(at, n_bands);
	cr_expect_eq(b->group, group, "band %u", at);
	cr_expect(llabs((int64_t)b->min_tokens - min) <= off,
		  "band %u begins at %u", at, b->min_tokens);
	cr_expect(llabs((int64_t)b->max_tokens - max) <= off,
		  "band %u ends at %u", at, b->max_tokens);
}

static const aibrix_pd_group two[2] = {{.group = 1, .replicas = 1},
				       {.group = 2, .replicas = 1}};

Test(pd_buckets, two_groups_for_all_lengths_each_get_half_of_the_requests)
{
	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, two, 2);
	cr_assert_eq(n_bands, 2u);
	expect_band(0, 1, 0, 1500, 30);
	expect_band(1, 2, 1501, UINT32_MAX, 30);
	cr_expect_eq(step(1100, 6 * SECOND, two, 2), 1);
	cr_expect_eq(step(1900, 6 * SECOND, two, 2), 2);
	cr_expect_eq(step(50, 6 * SECOND, two, 2), 1);
	cr_expect_eq(step(500000, 6 * SECOND, two, 2), 2);
}

/* Half of the tokens of 1001..2000 are in prompts up to 1581. */
Test(pd_buckets, or_half_of_the_tokens)
{
	start(AIBRIX_PD_BUCKETS_TOKENS);
	pass(1001, 2000, 1, two, 2);
	cr_assert_eq(n_bands, 2u);
	expect_band(0, 1, 0, 1581, 30);
}

Test(pd_buckets, groups_get_what_their_pods_are_of_all)
{
	const aibrix_pd_group groups[2] = {{.group = 1, .replicas = 1},
					   {.group = 2, .replicas = 4}};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, groups, 2);
	cr_assert_eq(n_bands, 2u);
	expect_band(0, 1, 0, 1200, 30);
	expect_band(1, 2, 1201, UINT32_MAX, 30);
}

/* 1 alone is for a quarter, so it gets a quarter more of what both are for. */
Test(pd_buckets, what_a_group_alone_is_for_counts_to_its_share)
{
	const aibrix_pd_group groups[2] = {
		{.group = 1, .max_tokens = 2000, .replicas = 1},
		{.group = 2, .min_tokens = 1251, .replicas = 1}};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, groups, 2);
	cr_assert_eq(n_bands, 2u);
	expect_band(0, 1, 1251, 1500, 30);
	expect_band(1, 2, 1501, 2000, 30);
	cr_expect_eq(step(1100, 6 * SECOND, groups, 2), 0, "1 alone is for it");
}

Test(pd_buckets, who_has_its_share_already_gets_nothing_more)
{
	const aibrix_pd_group groups[2] = {
		{.group = 1, .max_tokens = 1600, .replicas = 1},
		{.group = 2, .min_tokens = 1501, .replicas = 1}};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 1600, 1, groups, 2);
	cr_assert_eq(n_bands, 1u);
	expect_band(0, 2, 1501, 1600, 0);
}

Test(pd_buckets, little_traffic_is_not_cut)
{
	const aibrix_pd_group groups[2] = {
		{.group = 1, .max_tokens = 4000, .replicas = 1},
		{.group = 2, .min_tokens = 3900, .replicas = 1}};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, groups, 2);
	cr_expect_eq(n_bands, 0u);
	cr_expect_eq(step(3950, 6 * SECOND, groups, 2), 0);
}

Test(pd_buckets, groups_apart_and_those_for_nothing_have_no_bands)
{
	const aibrix_pd_group groups[3] = {
		{.group = 1, .max_tokens = 1500},
		{.group = 2, .min_tokens = 1501},
		{.group = 3, .min_tokens = 9, .max_tokens = 8}};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, groups, 3);
	cr_expect_eq(n_bands, 0u);
	pass(1001, 2000, 1, groups, 0);
	cr_expect_eq(n_bands, 0u);
}

Test(pd_buckets, there_are_at_most_16_bands)
{
	aibrix_pd_group groups[20];

	for (uint32_t i = 0; i < 20; i++)
		groups[i] = (aibrix_pd_group){.group = i, .replicas = 1};
	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, groups, 20);
	cr_expect_eq(n_bands, 16u);
}

/* AIBrix orders bands by need: these two would change places, and with them
 * all prefixes that pods hold. */
Test(pd_buckets, bands_keep_their_order_when_needs_change)
{
	aibrix_pd_group groups[2] = {{.group = 1, .replicas = 2},
				     {.group = 2, .replicas = 3}};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	pass(1001, 2000, 1, groups, 2);
	expect_band(0, 1, 0, 1400, 30);
	groups[1].replicas = 1;
	(void)step(1500, 6 * SECOND, groups, 2);
	cr_assert_eq(aibrix_pd_buckets_plan(buckets, bands, AIBRIX_PD_BANDS_MAX,
					    &n_bands),
		     AIBRIX_OK);
	expect_band(0, 1, 0, 1667, 30);
}

Test(pd_buckets, old_prompts_fade_by_half_in_30_seconds)
{
	start(AIBRIX_PD_BUCKETS_REQUESTS);
	for (uint32_t i = 0; i < 1000; i++)
		(void)step(100 + i % 10, 0, two, 2);
	for (uint32_t i = 0; i < 1000; i++)
		(void)step(1000 + i % 100, 60 * SECOND, two, 2);
	(void)step(1000, 66 * SECOND, two, 2);
	cr_assert_eq(aibrix_pd_buckets_plan(buckets, bands, AIBRIX_PD_BANDS_MAX,
					    &n_bands),
		     AIBRIX_OK);
	cr_assert_eq(n_bands, 2u);
	/* 250 of the first are left: half of all is in the second */
	cr_expect_gt(bands[0].max_tokens, 990u);
	cr_expect_lt(bands[0].max_tokens, 1100u);
	start(AIBRIX_PD_BUCKETS_REQUESTS);
	for (uint32_t i = 0; i < 1000; i++)
		(void)step(100 + i % 10, 0, two, 2);
	for (uint32_t i = 0; i < 10; i++)
		(void)step(1000 + i, 300 * SECOND, two, 2);
	(void)step(1000, 306 * SECOND, two, 2);
	cr_assert_eq(aibrix_pd_buckets_plan(buckets, bands, AIBRIX_PD_BANDS_MAX,
					    &n_bands),
		     AIBRIX_OK);
	cr_expect_gt(bands[0].max_tokens, 900u, "ten halves: 1000 are one");
}

Test(pd_buckets, a_plan_is_made_anew_every_5_seconds_or_for_other_groups)
{
	const aibrix_pd_group other[2] = {{.group = 3, .replicas = 1},
					  {.group = 4, .replicas = 1}};
	const aibrix_pd_group turned[2] = {other[1], other[0]};

	start(AIBRIX_PD_BUCKETS_REQUESTS);
	cr_expect_eq(step(1000, 0, two, 2), 2, "all traffic is here: a cut");
	for (uint32_t i = 0; i < 1000; i++)
		(void)step(100000, 1, two, 2);
	cr_expect_eq(step(90000, 5 * SECOND - 1, two, 2), 2);
	cr_expect_eq(step(90000, 5 * SECOND, two, 2), 1);
	cr_expect_eq(step(90000, 5 * SECOND, other, 2), 3);
	cr_expect_eq(step(90000, 5 * SECOND, turned, 2), 3);
}

Test(pd_buckets, a_clock_may_step_or_stand_still)
{
	start(AIBRIX_PD_BUCKETS_TOKENS);
	pass(1001, 2000, 1, two, 2);
	(void)step(1500, 0, two, 2);
	cr_expect_eq(step(1100, 3, two, 2), 1);
	cr_expect_eq(step(UINT64_MAX, UINT64_MAX, two, 2), 0);
	cr_expect_neq(step(1100, 1, two, 2), 0);
	cr_expect_eq(step(0, 1, two, 2), 0);
}

Test(pd_buckets, what_cannot_be_is_refused)
{
	static const aibrix_pd_buckets_opts bad[] = {
		{.size = sizeof(bad[0]), .mode = 2},
		{.size = sizeof(bad[0]), .spare = 1},
		{.size = sizeof(bad[0]), .max_groups = 1025},
	};
	const aibrix_pd_group spare = {.group = 1, .spare = 1};
	aibrix_pd_group many[65] = {{0}};
	aibrix_pd_band band = {.group = 99};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(aibrix_pd_buckets_new(&bad[i], &buckets),
			     AIBRIX_E_INVAL);
	start(0);
	cr_expect_eq(aibrix_pd_buckets_step(buckets, 1, 0, &spare, 1, &band),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_buckets_step(buckets, 1, 0, many, 65, &band),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_buckets_step(buckets, 1, 0, NULL, 1, &band),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_buckets_step(NULL, 1, 0, NULL, 0, &band),
		     AIBRIX_E_INVAL);
	pass(1001, 2000, 1, two, 2);
	cr_expect_eq(aibrix_pd_buckets_plan(buckets, bands, 1, &n_bands),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n_bands, 2u);
}

Test(pd_groups, groups_are_for_what_a_prefill_and_a_decode_are_for)
{
	static const aibrix_pd_pod pods[] = {
		{.group = 7, .role = AIBRIX_PD_PREFILL, .max_tokens = 100},
		{.group = 5, .role = AIBRIX_PD_PREFILL},
		{.group = 7, .role = AIBRIX_PD_DECODE, .min_tokens = 50},
		{.group = 7,
		 .role = AIBRIX_PD_PREFILL,
		 .min_tokens = 200,
		 .max_tokens = 300},
		{.group = 5, .role = AIBRIX_PD_DECODE},
		{.group = 3, .role = AIBRIX_PD_PREFILL},
		{.group = 3, .role = AIBRIX_PD_COMBINED},
		{.group = 9, .role = AIBRIX_PD_PREFILL, .max_tokens = 10},
		{.group = 9, .role = AIBRIX_PD_DECODE, .min_tokens = 20},
	};
	aibrix_pd_group g[4];
	uint32_t order[9], n;

	cr_assert_eq(aibrix_pd_groups(pods, 9, order, g, 4, &n), AIBRIX_OK);
	cr_assert_eq(n, 3u);
	cr_expect(g[0].group == 5 && g[0].min_tokens == 0 &&
		  g[0].max_tokens == 0 && g[0].replicas == 1);
	cr_expect(g[1].group == 7 && g[1].min_tokens == 50 &&
		  g[1].max_tokens == 300 && g[1].replicas == 2);
	cr_expect(g[2].group == 9 && g[2].min_tokens > g[2].max_tokens);
	cr_expect_eq(aibrix_pd_groups(pods, 9, order, g, 2, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 3u);
}

Test(pd_groups, lists_are_left_with_one_group_that_has_both)
{
	static const aibrix_pd_pod pods[] = {
		{.group = 1, .role = AIBRIX_PD_PREFILL},
		{.group = 2, .role = AIBRIX_PD_PREFILL},
		{.group = 2, .role = AIBRIX_PD_DECODE},
		{.group = 3, .role = AIBRIX_PD_PREFILL}};
	uint32_t prefill[3] = {0, 1, 3}, decode[1] = {2};
	aibrix_pd_lists l = {prefill, decode, 3, 1};

	cr_expect_eq(aibrix_pd_keep(pods, 4, 3, &l), AIBRIX_OK);
	cr_expect_eq(l.n_prefill, 3u, "3 has no decode");
	cr_expect_eq(aibrix_pd_keep(pods, 4, 2, &l), AIBRIX_OK);
	cr_expect(l.n_prefill == 1 && prefill[0] == 1 && l.n_decode == 1);
	cr_expect_eq(aibrix_pd_keep(pods, 1, 2, &l), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_keep(pods, 4, 2, NULL), AIBRIX_E_INVAL);
}
