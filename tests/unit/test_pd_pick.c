#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

enum { MAX = 8 };

#define P AIBRIX_PD_PREFILL
#define D AIBRIX_PD_DECODE

static aibrix_pd_pod pods[MAX];
static aibrix_pd_stat stats[MAX];
static uint32_t prefill[MAX], decode[MAX], n_pods;
static double scores[MAX];
static aibrix_pd_lists lists;
static aibrix_pd_opts opts;
static aibrix_pd_pick_result got;

static void
start(uint32_t compat)
{
	n_pods = 0;
	lists = (aibrix_pd_lists){.prefill = prefill, .decode = decode};
	opts = (aibrix_pd_opts){.size = sizeof(opts), .compat = compat};
}

/* Nothing is known of it yet. */
static aibrix_pd_stat *
add(uint64_t group, uint32_t role)
{
	uint32_t at = n_pods++;

	pods[at] = (aibrix_pd_pod){.group = group, .role = role, .load = NAN};
	stats[at] = (aibrix_pd_stat){.running = NAN,
				     .tokens_per_s = NAN,
				     .finished_per_s = NAN,
				     .kv_usage = NAN,
				     .match_percent = NAN,
				     .prefill_s = NAN,
				     .charged_tokens = NAN};
	if (role == P)
		prefill[lists.n_prefill++] = at;
	else
		decode[lists.n_decode++] = at;
	return &stats[at];
}

static void
add_prefill(uint64_t group, double match, double charged)
{
	aibrix_pd_stat *s = add(group, P);

	s->match_percent = match;
	s->charged_tokens = charged;
}

static aibrix_pd_stat *
add_decode(uint64_t group, double running)
{
	aibrix_pd_stat *s = add(group, D);

	s->running = running;
	return s;
}

static int
pick(uint64_t entropy)
{
	memset(&got, 0x5a, sizeof(got));
	got.size = sizeof(got);
	return aibrix_pd_pick(&opts, pods, stats, n_pods, &lists, 100, entropy,
			      scores, &got);
}

static void
expect(uint32_t reason, uint32_t p, uint32_t d)
{
	cr_expect_eq(got.reason, reason, "reason %u", got.reason);
	cr_expect_eq(got.prefill, p, "prefill %u", got.prefill);
	cr_expect_eq(got.decode, d, "decode %u", got.decode);
}

Test(pd_pick, the_best_pair_is_of_one_group)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_prefill(2, 90, 0);
		add_prefill(1, 50, 0);
		add_decode(1, 0);
		add_decode(2, 30);
		opts.min_match_percent = 95;
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_SCORE, 1, 2);
		opts.min_match_percent = 0;
		stats[2].running = 29;
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_SCORE, 0, 3);
		cr_expect_eq(got.groups, 2u);
		cr_expect_eq(got.ties, 1u);
		cr_expect_eq(got.unknown, 0u);
	}
}

Test(pd_pick, lists_come_back_in_order_of_groups)
{
	start(0);
	add_prefill(3, 0, 0);
	add_decode(1, 0);
	add_prefill(1, 0, 0);
	add_decode(3, 0);
	add_prefill(3, 0, 0);
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(prefill[0], 2u);
	cr_expect_eq(prefill[1], 0u);
	cr_expect_eq(prefill[2], 4u);
	cr_expect_eq(decode[0], 1u);
	cr_expect_eq(decode[1], 3u);
}

Test(pd_pick, the_one_pair_there_is_has_a_reason_of_its_own)
{
	start(0);
	add_prefill(1, 0, 0);
	add_decode(1, 3);
	cr_assert_eq(pick(1), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_ONLY, 0, 1);
	cr_expect_eq(scores[0], got.prefill_score);
	cr_expect_eq(scores[1], got.decode_score);
}

Test(pd_pick, with_nothing_known_pending_decides)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add(1, P)->pending = 2;
		add(1, P)->pending = 1;
		add(1, D)->pending = 1;
		add(1, D);
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_NO_DATA, 1, 3);
		cr_expect_eq(got.unknown, 4u);
	}
}

Test(pd_pick, who_is_missing_is_said)
{
	start(0);
	cr_expect_eq(pick(1), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_PREFILL, AIBRIX_PD_NOBODY, AIBRIX_PD_NOBODY);
	cr_expect_eq(got.max_prefill, 1.0);
	cr_expect_eq(got.max_decode, 0.01);
	add_prefill(1, 0, 0);
	cr_expect_eq(pick(1), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_DECODE, AIBRIX_PD_NOBODY, AIBRIX_PD_NOBODY);
	add_decode(2, 0);
	cr_expect_eq(pick(1), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_PAIR, AIBRIX_PD_NOBODY, AIBRIX_PD_NOBODY);
	cr_expect_eq(got.groups, 0u);
	cr_expect(!isnan(scores[0]) && !isnan(scores[1]), "each has a score");
}

/* The two forms differ: AIBrix passes over who is far above the mean,
 * whatever it holds; HYBRID weighs the load. */
Test(pd_pick, a_busy_prefill_is_passed_over_in_compat)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		opts.prefill_policy = AIBRIX_PD_POLICY_PREFIX_CACHE;
		for (int i = 0; i < 4; i++)
			add_prefill(1, 0, 0);
		stats[2].pending = 4;
		stats[2].match_percent = 100;
		add_decode(1, 0);
		cr_assert_eq(pick(1), AIBRIX_OK);
		cr_expect_eq(got.prefill == 2, !compat);
		cr_expect_eq(isnan(scores[2]), (int)compat);
		opts.flags = AIBRIX_PD_STDDEV_SET;
		opts.stddev_factor = 1;
		cr_assert_eq(pick(1), AIBRIX_OK);
		cr_expect_neq(got.prefill, 2u, "set in the default form, too");
		opts.stddev_factor = 2;
		cr_assert_eq(pick(1), AIBRIX_OK);
		cr_expect_eq(got.prefill, 2u);
	}
}

/* The two forms differ: one percent of the prompt beats any load there. */
Test(pd_pick, the_default_weighs_a_prefix_against_the_load)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_prefill(1, 11, 20000);
		stats[0].pending = 5;
		add_prefill(1, 0, 0);
		add_decode(1, 0);
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_SCORE, compat ? 0u : 1u, 2);
	}
}

Test(pd_pick, tokens_that_nobody_charged_are_guessed_from_pending)
{
	start(0);
	add_prefill(1, 0, NAN);
	add_prefill(1, 0, 6999);
	add_prefill(1, 0, 7001);
	stats[0].pending = 2;
	add_decode(1, 0);
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[0], 7000.0);
	cr_expect_eq(scores[1], 6999.0);
	cr_expect_eq(got.prefill, 1u);
	cr_expect_eq(got.max_prefill, 7001.0);
}

Test(pd_pick, with_a_factor_of_0_hybrid_is_the_load)
{
	start(0);
	add_prefill(1, 100, 50);
	add_decode(1, 0);
	opts.flags = AIBRIX_PD_HYBRID_FACTOR_SET;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(got.prefill_score, 50.0);
	opts.hybrid_factor = 1;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(got.prefill_score, 0.0);
	opts.hybrid_factor = 1.01;
	cr_expect_eq(pick(1), AIBRIX_E_INVAL);
}

/* The two forms differ: a decode that says nothing is scored 1 among those
 * of other units in AIBrix, and as busy as the others here. */
Test(pd_pick, a_decode_that_says_nothing_is_as_busy_as_the_others)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		opts.decode_policy = AIBRIX_PD_POLICY_LEAST_REQUEST;
		add_prefill(1, 0, 0);
		add_decode(1, 2);
		add_decode(1, 10);
		add(1, D)->pending = 3;
		cr_assert_eq(pick(1), AIBRIX_OK);
		cr_expect_eq(scores[3], compat ? 4.0 : 9.0);
		cr_expect_eq(got.unknown, 1u);
		stats[3].pending = 0;
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_SCORE, 0, compat ? 3u : 1u);
	}
}

/* Defect of AIBrix, required otherwise: its conductor prefers busy pods.
 * The two forms differ. */
Test(pd_pick, a_busy_decode_is_slower_between_tokens_than_an_idle_one)
{
	static const double default_ms[] = {20, 25, 20, 40};

	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		opts.decode_policy = AIBRIX_PD_POLICY_CONDUCTOR;
		add_prefill(1, 0, 0);
		add_decode(1, 0)->tokens_per_s = 200;
		add_decode(1, 4)->tokens_per_s = 200;
		add_decode(1, 0)->tokens_per_s = 0;
		add_decode(1, 1)->tokens_per_s = 0;
		cr_assert_eq(pick(1), AIBRIX_OK);
		if (compat) {
			cr_expect_eq(scores[1], 10.0);
			cr_expect_eq(scores[2], 6.25, "busy, and preferred");
			continue;
		}
		for (int i = 0; i < 4; i++)
			cr_expect_float_eq(scores[1 + i], default_ms[i], 1e-12,
					   "%d: %f", i, scores[1 + i]);
	}
}

Test(pd_pick, an_idle_decode_is_as_fast_as_the_fastest_step_that_was_seen)
{
	start(0);
	opts.decode_policy = AIBRIX_PD_POLICY_CONDUCTOR;
	add_prefill(1, 0, 0);
	add_decode(1, 0);
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[1], 20.0, "where none was seen");
	add_decode(1, 8)->tokens_per_s = 1000;
	add_decode(1, 3)->tokens_per_s = 300;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[1], 8.0);
	cr_expect_eq(scores[2], 9.0);
	cr_expect_float_eq(scores[3], 40 / 3.0, 1e-12);
	stats[1].kv_usage = 0.91;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[1], 12.0, "its memory is nearly full");
}

/* Defect of AIBrix, required otherwise: many tokens per second make a pod a
 * good one in the scores, and a bad one in the gate.  The two forms differ. */
Test(pd_pick, tokens_per_second_do_not_balance_the_default)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_prefill(1, 0, 0);
		add_decode(1, 9)->tokens_per_s = 4000;
		add_decode(1, 8)->tokens_per_s = 100;
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_SCORE, 0, compat ? 1u : 2u);
	}
	opts.flags = AIBRIX_PD_TOKENS_WEIGHT_SET;
	cr_assert_eq(pick(1), AIBRIX_OK);
	expect(AIBRIX_PD_REASON_SCORE, 0, 2);
	opts.flags |= AIBRIX_PD_RUNNING_WEIGHT_SET;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(got.ties, 1u, "of one group is one pair");
	cr_expect_eq(got.decode_score, 0.0);
}

/* The two forms differ: memory that nobody measured is free in AIBrix. */
Test(pd_pick, free_memory_that_is_not_known_is_the_others_mean)
{
	for (uint32_t compat = 0; compat < 2; compat++) {
		start(compat);
		add_prefill(1, 0, 0);
		add_decode(1, 1)->kv_usage = 0.8;
		add_decode(1, 1)->kv_usage = 0.4;
		add_decode(1, 1);
		cr_assert_eq(pick(1), AIBRIX_OK);
		expect(AIBRIX_PD_REASON_SCORE, 0, compat ? 3u : 2u);
		cr_expect_eq(got.max_free_percent, compat ? 100.0 : 60.0);
		if (!compat)
			cr_expect_float_eq(scores[3], 1.5, 1e-12);
	}
}

Test(pd_pick, numbers_that_cannot_be_are_not_known)
{
	static const double wrong[] = {-1, INFINITY, -INFINITY, NAN};

	for (size_t i = 0; i < 8; i++) {
		double x = wrong[i % 4];

		start(i < 4);
		add_prefill(1, x, x);
		stats[0].prefill_s = x;
		*add_decode(1, x) = (aibrix_pd_stat){.running = x,
						     .tokens_per_s = x,
						     .finished_per_s = x,
						     .kv_usage = x};
		cr_assert_eq(pick(1), AIBRIX_OK);
		cr_expect_eq(got.unknown, 2u);
		cr_expect(isfinite(got.score));
	}
}

Test(pd_pick, numbers_beyond_all_do_not_win)
{
	start(0);
	opts.prefill_policy = AIBRIX_PD_POLICY_CONDUCTOR;
	add_prefill(1, 0, 0);
	stats[0].pending = 9;
	stats[0].prefill_s = 1e308;
	add_decode(1, 0);
	cr_expect_eq(pick(1), AIBRIX_E_NOT_FOUND);
	expect(AIBRIX_PD_REASON_NO_PAIR, AIBRIX_PD_NOBODY, AIBRIX_PD_NOBODY);
	cr_expect(isnan(scores[0]));
	add_prefill(1, 0, 0);
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(got.prefill, 2u);
}

Test(pd_pick, a_match_below_the_least_is_none)
{
	start(1);
	add_prefill(1, 29, 0);
	add_decode(1, 0);
	opts.min_match_percent = 30;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[0], 10.0);
	stats[0].match_percent = 200;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[0], 0.0, "nobody holds more than all");
	opts.min_match_percent = 101;
	cr_expect_eq(pick(1), AIBRIX_E_INVAL);
	opts.min_match_percent = NAN;
	cr_expect_eq(pick(1), AIBRIX_E_INVAL);
}

Test(pd_pick, what_is_held_is_not_computed)
{
	start(1);
	opts.prefill_policy = AIBRIX_PD_POLICY_CONDUCTOR;
	add_prefill(1, 75, 0);
	add_decode(1, 0);
	cr_assert_eq(pick(1), AIBRIX_OK);
	/* 100 tokens: 0.005 * 75 + 1, and 0.001 * 25^1.5 + 5 */
	cr_expect_float_eq(scores[0], 1.375 + 5.125, 1e-12);
	stats[0].match_percent = 100;
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_float_eq(scores[0], 1.5, 1e-12);
}

Test(pd_pick, equals_of_a_group_are_drawn)
{
	uint32_t seen = 0;

	for (uint64_t entropy = 0; entropy < 100; entropy++) {
		uint32_t first;

		start(0);
		add_prefill(1, 0, 0);
		add_prefill(1, 0, 0);
		add_decode(1, 0);
		add_decode(1, 0);
		cr_assert_eq(pick(entropy), AIBRIX_OK);
		first = got.prefill;
		cr_assert_eq(pick(entropy), AIBRIX_OK);
		cr_expect_eq(got.prefill, first, "one entropy, one answer");
		seen |= 1u << got.prefill | 1u << got.decode;
	}
	cr_expect_eq(seen, 15u);
}

Test(pd_pick, policies_are_of_one_side_or_both)
{
	static const struct {
		uint32_t prefill, decode;
		int err;
	} rows[] = {
		{AIBRIX_PD_POLICY_LOAD_BALANCING, 0, AIBRIX_E_INVAL},
		{0, AIBRIX_PD_POLICY_PREFIX_CACHE, AIBRIX_E_INVAL},
		{0, AIBRIX_PD_POLICY_HYBRID, AIBRIX_E_INVAL},
		{7, 0, AIBRIX_E_INVAL},
		{0, 7, AIBRIX_E_INVAL},
		{33, 0, AIBRIX_E_INVAL},
		{0, UINT32_MAX, AIBRIX_E_INVAL},
		{AIBRIX_PD_POLICY_CONDUCTOR, AIBRIX_PD_POLICY_CONDUCTOR, 0},
		{AIBRIX_PD_POLICY_LEAST_REQUEST, AIBRIX_PD_POLICY_LEAST_REQUEST,
		 0},
		{AIBRIX_PD_POLICY_TOKEN_LOAD, AIBRIX_PD_POLICY_TOKEN_LOAD, 0},
	};

	start(0);
	add_prefill(1, 0, 0);
	add_decode(1, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		opts.prefill_policy = rows[i].prefill;
		opts.decode_policy = rows[i].decode;
		cr_expect_eq(pick(1), rows[i].err, "row %zu", i);
	}
}

/* AIBrix's policies of later revisions: only what is charged counts. */
Test(pd_pick, token_load_scores_are_tokens_charged)
{
	aibrix_pd_stat *s;

	start(0);
	opts.prefill_policy = AIBRIX_PD_POLICY_TOKEN_LOAD;
	opts.decode_policy = AIBRIX_PD_POLICY_TOKEN_LOAD;
	add_prefill(1, 100, 9000);
	add_prefill(1, NAN, NAN);
	stats[1].pending = 2;
	s = add_decode(1, 7);
	s->charged_tokens = 1234;
	s->kv_usage = 0.99;
	(void)add_decode(1, 1);
	cr_assert_eq(pick(1), AIBRIX_OK);
	cr_expect_eq(scores[0], 9000.);
	cr_expect_eq(scores[1], 7000., "3500 for each pending");
	cr_expect_eq(scores[2], 1234.);
	cr_expect_eq(scores[3], 3500.);
	cr_expect_eq(got.prefill, 1u);
	cr_expect_eq(got.decode, 2u);
}

Test(pd_pick, wrong_calls_leave_the_result_alone)
{
	start(0);
	add_prefill(1, 0, 0);
	add_decode(1, 0);
	decode[0] = 2;
	cr_expect_eq(pick(1), AIBRIX_E_INVAL, "no such place");
	decode[0] = 0;
	cr_expect_eq(pick(1), AIBRIX_E_INVAL, "another role");
	decode[0] = 1;
	stats[0].spare = 1;
	cr_expect_eq(pick(1), AIBRIX_E_INVAL);
	stats[0].spare = 0;
	opts.flags = 1u << 31;
	cr_expect_eq(pick(1), AIBRIX_E_ABI);
	cr_expect_eq(got.reason, 0x5a5a5a5au);
	got.size = 0;
	cr_expect_eq(aibrix_pd_pick(NULL, pods, stats, 2, &lists, 0, 1, scores,
				    &got),
		     AIBRIX_E_INVAL);
	got.size = sizeof(got);
	cr_expect_eq(
		aibrix_pd_pick(NULL, pods, stats, 2, &lists, 0, 1, NULL, &got),
		AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_pd_pick(NULL, pods, stats, 2, NULL, 0, 1, scores, &got),
		AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_pd_pick(NULL, pods, NULL, 2, &lists, 0, 1, scores, &got),
		AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_pd_pick(NULL, pods, stats, 2, &lists, 0, 1, scores,
				    NULL),
		     AIBRIX_E_INVAL);
}
