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
