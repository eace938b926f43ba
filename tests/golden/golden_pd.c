/* AIBrix e3e10f9: the expected answers of its Go tests of prefill and decode
 * (pkg/plugins/gateway/algorithms, pd_disaggregation_test.go), asked of the
 * compat form.  Their pods 1, 2, 3 are places 0, 1, 2. */

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

enum { MAX = 4, DRAWS = 64 };

static const aibrix_pd_opts compat = {.size = sizeof(compat), .compat = 1};

/* Groups 1..n have a prefill each at 0..n-1 and a decode each behind. */
static void
pods_make(aibrix_pd_pod *pods, uint32_t n, aibrix_pd_lists *l)
{
	for (uint32_t i = 0; i < 2 * n; i++)
		pods[i] = (aibrix_pd_pod){
			.group = i % n,
			.role = i < n ? AIBRIX_PD_PREFILL : AIBRIX_PD_DECODE,
			.load = NAN,
		};
	for (uint32_t i = 0; i < n; i++) {
		l->prefill[i] = i;
		l->decode[i] = n + i;
	}
	l->n_prefill = n;
	l->n_decode = n;
}

/* Pods that a gate leaves, as bits; 0: no gate. */
static uint32_t
gate_draws(const aibrix_pd_stat *stats, uint32_t n, uint32_t role)
{
	aibrix_pd_pod pods[2 * MAX];
	uint32_t prefill[MAX], decode[MAX], seen = 0, gates;
	aibrix_pd_lists l = {.prefill = prefill, .decode = decode};

	for (uint64_t entropy = 0; entropy < DRAWS; entropy++) {
		pods_make(pods, n, &l);
		cr_assert_eq(aibrix_pd_gate(&compat, pods, stats, 2 * n,
					    entropy, &l, &gates),
			     AIBRIX_OK);
		if (gates == 0)
			continue;
		cr_expect_eq(l.n_prefill, 1u);
		cr_expect_eq(l.n_decode, 1u);
		cr_expect_eq(prefill[0] + n, decode[0], "of one group");
		seen |= role == AIBRIX_PD_PREFILL ? 1u << prefill[0]
						  : 1u << (decode[0] - n);
	}
	return seen;
}

static const struct {
	const char *id;
	uint32_t n, counts[MAX], left;
} prefills[] = {
	{"pf01", 3, {5, 5, 5}, 0},
	{"pf02", 3, {10, 15, 20}, 0},
	{"pf04", 4, {2, 2, 50, 45}, 1 | 2},
	{"pf05", 0, {0}, 0},
	{"pf06", 1, {10}, 0},
	{"pf07", 2, {0, 50}, 1},
};

Test(golden_pd, prefill_gate)
{
	for (size_t i = 0; i < sizeof(prefills) / sizeof(prefills[0]); i++) {
		aibrix_pd_stat stats[2 * MAX];

		for (uint32_t p = 0; p < 2 * MAX; p++)
			stats[p] = (aibrix_pd_stat){.running = NAN,
						    .tokens_per_s = NAN,
						    .finished_per_s = NAN};
		for (uint32_t p = 0; p < prefills[i].n; p++)
			stats[p].pending = prefills[i].counts[p];
		cr_expect_eq(
			gate_draws(stats, prefills[i].n, AIBRIX_PD_PREFILL),
			prefills[i].left, "%s", prefills[i].id);
	}
}

static aibrix_pd_pick_result got;
static double scores[2 * MAX];

static aibrix_pd_stat
stat_of(double running, double tokens, double usage, double rate)
{
	return (aibrix_pd_stat){.running = running,
				.tokens_per_s = tokens,
				.kv_usage = usage,
				.finished_per_s = rate,
				.match_percent = NAN,
				.prefill_s = NAN,
				.charged_tokens = NAN};
}

static const struct {
	const char *id;
	uint32_t n;
	double stats[MAX][4]; /* running, tokens, usage, rate */
	uint32_t left;
	double most[3]; /* running, tokens, free */
	double free[MAX];
} decodes[] = {
	{"df01",
	 2,
	 {{5, 100, .5, NAN}, {7, 120, .6, NAN}},
	 0,
	 {7, 120, 50},
	 {50, 40}},
	{"df02",
	 3,
	 {{2, 100, .3, NAN}, {40, 120, .8, NAN}, {35, 110, .7, NAN}},
	 1,
	 {40, 120, 70},
	 {70, 20, 30}},
	{"df04",
	 2,
	 {{10, 100, .4, NAN}, {12, 200, .5, NAN}},
	 0,
	 {12, 200, 60},
	 {60, 50}},
	{"df05",
	 2,
	 {{0, 100, .2, NAN}, {5, 120, .3, NAN}},
	 0,
	 {5, 120, 80},
	 {80, 70}},
	{"df06", 1, {{NAN, NAN, NAN, NAN}}, 0, {1, 1, 100}, {100}},
	{"df07",
	 2,
	 {{5, 100, .95, NAN}, {7, 120, 1, NAN}},
	 0,
	 {7, 120, 5},
	 {5, .1}},
	{"df09",
	 2,
	 {{8, 200, .3, 2}, {6, 150, .4, 1.5}},
	 0,
	 {8, 200, 70},
	 {70, 60}},
	{"df10",
	 2,
	 {{8, 200, .3, 2}, {6, 30, .5, NAN}},
	 0,
	 {8, 200, 70},
	 {70, 50}},
};

/* Scores of the pods of a row under a policy, one group to each. */
static int
pick(const aibrix_pd_opts *o, const aibrix_pd_stat *stats, uint32_t n,
     uint64_t tokens)
{
	aibrix_pd_pod pods[2 * MAX] = {{0}};
	uint32_t prefill[MAX], decode[MAX];
	aibrix_pd_lists l = {.prefill = prefill, .decode = decode};

	pods_make(pods, n, &l);
	got.size = sizeof(got);
	return aibrix_pd_pick(o, pods, stats, 2 * n, &l, tokens, 1, scores,
			      &got);
}

Test(golden_pd, decode_gate)
{
	for (size_t i = 0; i < sizeof(decodes) / sizeof(decodes[0]); i++) {
		aibrix_pd_stat stats[2 * MAX] = {{0}};
		uint32_t n = decodes[i].n;

		for (uint32_t p = 0; p < n; p++) {
			const double *s = decodes[i].stats[p];

			stats[n + p] = stat_of(s[0], s[1], s[2], s[3]);
		}
		cr_expect_eq(gate_draws(stats, n, AIBRIX_PD_DECODE),
			     decodes[i].left, "%s", decodes[i].id);
		cr_assert_eq(pick(&compat, stats, n, 0), AIBRIX_OK);
		cr_expect_eq(got.max_running, decodes[i].most[0]);
		cr_expect_eq(got.max_tokens_per_s, decodes[i].most[1]);
		cr_expect_eq(got.max_free_percent, decodes[i].most[2]);
		/* The score alone is divided by the share that is free. */
		for (uint32_t p = 0; p < n; p++) {
			const aibrix_pd_stat *s = &stats[n + p];
			double load = isnan(s->running) ? 0 : s->running;
			double made =
				isnan(s->tokens_per_s) ? 0 : s->tokens_per_s;

			load = load / got.max_running + 1 -
			       made / got.max_tokens_per_s;
			cr_expect_float_eq(
				load / scores[n + p] * got.max_free_percent,
				decodes[i].free[p], 1e-9, "%s", decodes[i].id);
		}
	}
}

/* ps01, ps02, ps04: both prefills are of one group. */
Test(golden_pd, prefix_then_load_decide_among_prefills)
{
	aibrix_pd_pod pods[] = {{.role = AIBRIX_PD_PREFILL},
				{.role = AIBRIX_PD_PREFILL},
				{.role = AIBRIX_PD_DECODE},
				{1, AIBRIX_PD_PREFILL, 0, 0, 0, 0},
				{1, AIBRIX_PD_DECODE, 0, 0, 0, 0}};
	aibrix_pd_stat stats[5];
	uint32_t prefill[] = {0, 1, 3}, decode[] = {2, 4};
	aibrix_pd_lists l = {prefill, decode, 2, 1};

	for (int i = 0; i < 5; i++)
		stats[i] = stat_of(0, NAN, NAN, NAN);
	got.size = sizeof(got);
	stats[0].match_percent = 100;
	cr_assert_eq(
		aibrix_pd_pick(&compat, pods, stats, 5, &l, 0, 1, scores, &got),
		AIBRIX_OK);
	cr_expect_eq(got.prefill, 0u, "ps01");
	stats[0].match_percent = 0;
	stats[1].pending = 5;
	cr_assert_eq(
		aibrix_pd_pick(&compat, pods, stats, 5, &l, 0, 1, scores, &got),
		AIBRIX_OK);
	cr_expect_eq(got.prefill, 0u, "ps02");
	cr_expect_eq(got.groups, 1u);
	l.n_prefill = 3;
	l.n_decode = 2;
	cr_assert_eq(
		aibrix_pd_pick(&compat, pods, stats, 5, &l, 0, 1, scores, &got),
		AIBRIX_OK);
	cr_expect_eq(got.groups, 2u, "ps04");
}

Test(golden_pd, prefills_and_nobody)
{
	cr_expect_eq(pick(&compat, NULL, 0, 0), AIBRIX_E_NOT_FOUND, "ps05");
	cr_expect_eq(got.reason, AIBRIX_PD_REASON_NO_PREFILL);
	cr_expect_eq(got.max_prefill, 1.0);
}

/* ps06: what cannot be prepared has no scores at all. */
Test(golden_pd, what_cannot_be_scored_leaves_no_scores)
{
	const aibrix_pd_stat stats[2] = {{0}};
	aibrix_pd_opts o = compat;

	got.max_prefill = scores[0] = scores[1] = 77;
	o.prefill_policy = 99;
	cr_expect_eq(pick(&o, stats, 1, 0), AIBRIX_E_INVAL, "ps06");
	cr_expect(scores[0] == 77 && scores[1] == 77 && got.max_prefill == 77);
}

/* What a prefill scores beside another with most requests pending, whose
 * score is none of the row's. */
static double
prefill_score(uint32_t policy, uint32_t pending, uint32_t most, double match,
	      double prefill_s, uint64_t tokens)
{
	aibrix_pd_stat stats[4];
	aibrix_pd_opts o = compat;

	o.prefill_policy = policy;
	for (int i = 0; i < 4; i++)
		stats[i] = stat_of(0, NAN, NAN, NAN);
	stats[0].pending = pending;
	stats[0].match_percent = match;
	stats[0].prefill_s = prefill_s;
	stats[1].pending = most;
	cr_assert_eq(pick(&o, stats, 2, tokens), AIBRIX_OK);
	return scores[0];
}

Test(golden_pd, prefill_scores)
{
	const uint32_t least = AIBRIX_PD_POLICY_LEAST_REQUEST;
	const uint32_t ms = AIBRIX_PD_POLICY_CONDUCTOR;
	static const double missing[] = {NAN, -1, INFINITY};

	cr_expect_eq(prefill_score(least, 3, 7, NAN, NAN, 0), 3.0, "ps07");
	cr_expect_eq(scores[1], 7.0);
	cr_expect_eq(got.max_prefill, 7.0);
	cr_expect_float_eq(
		prefill_score(AIBRIX_PD_POLICY_PREFIX_CACHE, 3, 6, 66, NAN, 0),
		3.9, 1e-12, "ps09");
	cr_expect_float_eq(prefill_score(ms, 3, 3, NAN, .002, 4), 11.008, 1e-12,
			   "ps10");
	cr_expect_float_eq(prefill_score(ms, 3, 3, NAN, .002, 0), 6, 1e-12,
			   "ps11");
	for (int i = 0; i < 3; i++)
		cr_expect_float_eq(prefill_score(ms, 1, 1, NAN, missing[i], 4),
				   21.593237502960396, 1e-12, "ps12");
}

/* What a decode scores beside one that makes the maxima. */
static double
decode_score(uint32_t policy, double running, double tokens, double usage,
	     double most_running, double most_tokens)
{
	aibrix_pd_stat stats[4];
	aibrix_pd_opts o = compat;

	o.decode_policy = policy;
	for (int i = 0; i < 2; i++)
		stats[i] = stat_of(0, NAN, NAN, NAN);
	stats[2] = stat_of(running, tokens, usage, NAN);
	stats[3] = stat_of(most_running, most_tokens, usage, NAN);
	cr_assert_eq(pick(&o, stats, 2, 0), AIBRIX_OK);
	return scores[2];
}

Test(golden_pd, decode_scores)
{
	const uint32_t least = AIBRIX_PD_POLICY_LEAST_REQUEST;
	const uint32_t ms = AIBRIX_PD_POLICY_CONDUCTOR;

	cr_expect_eq(decode_score(least, 3, NAN, NAN, 7, NAN), 3.0, "ds01");
	cr_expect_eq(got.max_decode, 7.0);
	cr_expect_float_eq(decode_score(AIBRIX_PD_POLICY_LOAD_BALANCING, 5, 100,
					.5, 7, 120),
			   0.880952381, 1e-9, "ds02");
	cr_expect_float_eq(decode_score(ms, 4, 50, .95, 4, 50), 37.5, 1e-12,
			   "ds04");
	cr_expect_float_eq(decode_score(ms, 2, 0, .5, 4, 50), 30, 1e-12,
			   "ds05");
	cr_expect_float_eq(decode_score(ms, 0, 50, .5, 4, 50), 40, 1e-12,
			   "ds06");
}

/* ds07: 4/8 + 2/2 and 8/8 + 1/2. */
Test(golden_pd, pairs_that_score_alike_are_drawn)
{
	aibrix_pd_pod pods[4];
	aibrix_pd_stat stats[4];
	uint32_t prefill[2], decode[2], seen = 0;
	aibrix_pd_lists l = {.prefill = prefill, .decode = decode};
	aibrix_pd_opts o = compat;

	o.prefill_policy = AIBRIX_PD_POLICY_LEAST_REQUEST;
	o.decode_policy = AIBRIX_PD_POLICY_LEAST_REQUEST;
	for (int i = 0; i < 4; i++)
		stats[i] = stat_of(i == 2 ? 2 : 1, NAN, NAN, NAN);
	stats[0].pending = 4;
	stats[1].pending = 8;
	for (uint64_t entropy = 0; entropy < DRAWS; entropy++) {
		pods_make(pods, 2, &l);
		got.size = sizeof(got);
		cr_assert_eq(aibrix_pd_pick(&o, pods, stats, 4, &l, 0, entropy,
					    scores, &got),
			     AIBRIX_OK);
		cr_expect_eq(got.score, 1.5);
		cr_expect_eq(got.ties, 2u);
		cr_expect_eq(got.prefill + 2, got.decode, "of one group");
		seen |= 1u << got.prefill;
	}
	cr_expect_eq(seen, 3u);
}

/* token_load and hybrid_cache_load of later revisions: hy01 to hy03, and
 * hy04, where a minimum below 0 is refused, as 0 says the same. */
Test(golden_pd, hybrid_scores)
{
	static const struct {
		double match, min, load, score;
	} rows[] = {
		{0, 0, 0, 1},     {50, 0, 0, .875},      {100, 0, 0, .5},
		{100, 0, .5, .5}, {100, 0, 12000, 6000}, {50, 60, 0, 1},
		{60, 60, 0, .82}, {30, 0, 0, .955},      {30, 30, 0, .955},
		{29, 30, 0, 1},   {100, 30, 0, .5},      {50, 100, 0, 1},
	};
	aibrix_pd_opts o = compat;

	o.prefill_policy = AIBRIX_PD_POLICY_HYBRID;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aibrix_pd_stat stats[2] = {stat_of(NAN, NAN, NAN, NAN),
					   stat_of(0, NAN, NAN, NAN)};

		o.min_match_percent = rows[i].min;
		stats[0].match_percent = rows[i].match;
		stats[0].charged_tokens = rows[i].load;
		cr_assert_eq(pick(&o, stats, 1, 0), AIBRIX_OK);
		cr_expect_float_eq(got.prefill_score, rows[i].score, 1e-12,
				   "row %zu", i);
	}
	o.min_match_percent = -1;
	cr_expect_eq(pick(&o, (aibrix_pd_stat[2]){{0}}, 1, 0), AIBRIX_E_INVAL);
}
