/*
 * Pods at random, with numbers that cannot be among what is known of them.
 * Every pair of one group is weighed as the rule is said; and the same pods
 * in another order score what they scored.
 */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pd.h>

#include "base/rand.h"

enum { MAX = 64, PROGRAMS = 3000 };

/* What is planted to see that it is found. */
enum { SOUND, PAIRS_OF_TWO_GROUPS };

struct fleet {
	aibrix_pd_pod pods[MAX];
	aibrix_pd_stat stats[MAX];
	uint32_t prefill[MAX], decode[MAX], n;
	double scores[MAX];
	aibrix_pd_lists lists;
	aibrix_pd_pick_result got;
};

static double
number(uint64_t *state, double most)
{
	static const double odd[] = {NAN, INFINITY, -1, 0, 1e308, -INFINITY};
	uint32_t i = rand_below(state, 24);

	return i < 6 ? odd[i] : most * rand_below(state, 1000) / 1000;
}

static void
pods_make(uint64_t *state, struct fleet *f)
{
	f->n = rand_below(state, MAX);
	for (uint32_t i = 0; i < f->n; i++) {
		f->pods[i] = (aibrix_pd_pod){
			.group = rand_below(state, 1 + f->n / 4),
			.role = rand_below(state, 3),
		};
		f->stats[i] = (aibrix_pd_stat){
			.pending = rand_below(state, 9),
			.running = floor(number(state, 50)),
			.tokens_per_s = number(state, 5000),
			.finished_per_s = number(state, 4),
			.kv_usage = number(state, 1.2),
			.match_percent = number(state, 100),
			.prefill_s = number(state, 1),
			.charged_tokens = number(state, 20000),
		};
	}
}

static void
lists_make(struct fleet *f)
{
	f->lists = (aibrix_pd_lists){f->prefill, f->decode, 0, 0};
	for (uint32_t i = 0; i < f->n; i++) {
		if (f->pods[i].role == AIBRIX_PD_PREFILL)
			f->prefill[f->lists.n_prefill++] = i;
		if (f->pods[i].role == AIBRIX_PD_DECODE)
			f->decode[f->lists.n_decode++] = i;
	}
}

/* The least total of all pairs; INFINITY: there is none. */
static double
best_of_all(const struct fleet *f, int fault)
{
	double best = INFINITY;

	for (uint32_t p = 0; p < f->n; p++)
		for (uint32_t d = 0; d < f->n; d++)
			if (f->pods[p].role == AIBRIX_PD_PREFILL &&
			    f->pods[d].role == AIBRIX_PD_DECODE &&
			    (f->pods[p].group == f->pods[d].group ||
			     fault == PAIRS_OF_TWO_GROUPS))
				best = fmin(best,
					    f->scores[p] / f->got.max_prefill +
						    f->scores[d] /
							    f->got.max_decode);
	return best;
}

static aibrix_pd_opts
opts_make(uint64_t *state)
{
	static const uint32_t decodes[] = {0, 2, 3, 5};
	aibrix_pd_opts o = {.size = sizeof(o)};

	o.compat = rand_below(state, 2);
	o.prefill_policy = rand_below(state, 5);
	o.decode_policy = decodes[rand_below(state, 4)];
	o.min_match_percent = rand_below(state, 3) * 20;
	return o;
}

static int
pick(const aibrix_pd_opts *o, struct fleet *f, uint64_t entropy)
{
	lists_make(f);
	f->got.size = sizeof(f->got);
	return aibrix_pd_pick(o, f->pods, f->stats, f->n, &f->lists, 500,
			      entropy, f->scores, &f->got);
}

/* Do library and model agree? */
static int
agree(const aibrix_pd_opts *o, struct fleet *f, uint64_t entropy, int fault)
{
	const aibrix_pd_pick_result *r = &f->got;
	int err = pick(o, f, entropy);
	double best = best_of_all(f, fault);

	if (err == AIBRIX_E_NOT_FOUND)
		return isinf(best) && r->prefill == AIBRIX_PD_NOBODY &&
		       r->decode == AIBRIX_PD_NOBODY;
	return err == AIBRIX_OK && r->score == best &&
	       f->pods[r->prefill].group == f->pods[r->decode].group &&
	       f->scores[r->prefill] == r->prefill_score &&
	       f->scores[r->decode] == r->decode_score;
}

/* Programs in which library and model differ. */
static uint32_t
programs(int fault)
{
	static struct fleet f;
	uint64_t state = 11;
	uint32_t differ = 0;

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		aibrix_pd_opts o = opts_make(&state);

		pods_make(&state, &f);
		differ += !agree(&o, &f, i, fault);
	}
	return differ;
}

static int
close_to(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return fabs(a - b) <= 1e-9 * fmax(fabs(a), 1);
}

Test(model_pd_pick, the_best_of_all_pairs_of_one_group_is_picked)
{
	cr_expect_eq(programs(SOUND), 0u);
}

/* As many pods and groups as are sorted one way, and as are sorted another:
 * lists of one role's pods, in the order that was asked for. */
Test(model_pd_pick, lists_of_any_length_come_back_in_order_of_groups)
{
	static const uint32_t sizes[] = {1, 2, 511, 1024, 1025, 3000};
	static const uint32_t groups[] = {1, 2, 127, 128, 129, 3000};
	enum { MOST = 6000 };
	static aibrix_pd_pod pods[MOST];
	static aibrix_pd_stat stats[MOST];
	static uint32_t prefill[MOST], decode[MOST];
	static double scores[MOST];
	uint64_t state = 5;

	for (uint32_t c = 0; c < 6 * 6 * 3; c++) {
		uint32_t n = sizes[c % 6], g = groups[c / 6 % 6];
		aibrix_pd_lists l = {prefill, decode, n, n};
		aibrix_pd_pick_result got = {.size = sizeof(got)};
		uint64_t sum = 0;

		for (uint32_t i = 0; i < 2 * n; i++) {
			uint64_t group = rand_below(&state, g);

			/* 1: they differ in their high bits only. */
			pods[i] = (aibrix_pd_pod){
				.group = c / 36 == 1 ? group << 52 : group,
				.role = i < n ? AIBRIX_PD_PREFILL
					      : AIBRIX_PD_DECODE,
				.load = NAN};
			stats[i].running = i;
			if (i < n)
				prefill[i] = i;
			else
				decode[i - n] = i;
		}
		/* 2: places do not ascend. */
		for (uint32_t i = 0; c / 36 == 2 && i < n; i++)
			prefill[i] = n - 1 - i;
		(void)!aibrix_pd_pick(NULL, pods, stats, 2 * n, &l, 1, 1,
				      scores, &got);
		for (uint32_t i = 0; i < n; i++) {
			sum += prefill[i] + decode[i];
			if (i == 0)
				continue;
			cr_assert(pods[prefill[i - 1]].group <
					  pods[prefill[i]].group ||
				  (pods[prefill[i - 1]].group ==
					   pods[prefill[i]].group &&
				   prefill[i - 1] < prefill[i]));
			cr_assert(pods[decode[i - 1]].group <
					  pods[decode[i]].group ||
				  (pods[decode[i - 1]].group ==
					   pods[decode[i]].group &&
				   decode[i - 1] < decode[i]));
		}
		cr_assert_eq(sum, (uint64_t)2 * n * (2 * n - 1) / 2,
			     "each once");
	}
}

Test(model_pd_pick, a_planted_fault_is_found)
{
	cr_expect_gt(programs(PAIRS_OF_TWO_GROUPS), 100u);
}

Test(model_pd_pick, the_order_of_pods_does_not_count)
{
	static struct fleet f, back;
	uint64_t state = 12;

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		aibrix_pd_opts o = opts_make(&state);
		int err;

		pods_make(&state, &f);
		back.n = f.n;
		for (uint32_t k = 0; k < f.n; k++) {
			back.pods[k] = f.pods[f.n - 1 - k];
			back.stats[k] = f.stats[f.n - 1 - k];
		}
		err = pick(&o, &f, i);
		cr_assert_eq(pick(&o, &back, i), err);
		cr_expect(close_to(f.got.score, back.got.score));
		cr_expect_eq(f.got.reason, back.got.reason);
		for (uint32_t k = 0; k < f.n; k++)
			cr_expect(close_to(f.scores[k],
					   back.scores[f.n - 1 - k]));
	}
}
