/*
 * The best pair.  Of each group the best prefill and the best decode make
 * its pair, since the two scores only add up; groups are found by sorting
 * both lists by them and walking the two side by side.
 *
 *	prefill  [1 1 1][2 2]   [5]
 *	decode   [1]    [2 2 2] [5 5]
 *	pair      |      |       |    the least of score / most + score / most
 */

#include <math.h>

#include "base/rand.h"
#include "base/versioned.h"
#include "pd/pd_internal.h"

/* A list in order of groups, walked. */
struct walk {
	const uint32_t *list;
	uint32_t n, at;
};

/*
 * The best of the group at which the walk is; it goes on to the next group.
 * AIBRIX_PD_NOBODY: none is scored.  Each of k equals stays with a chance of
 * 1 in k.
 */
static uint32_t
walk_best(struct walk *w, const aibrix_pd_pod *pods, const double *scores,
	  uint64_t *entropy)
{
	uint64_t group = pods[w->list[w->at]].group;
	uint32_t best = AIBRIX_PD_NOBODY, equals = 0;

	for (; w->at < w->n && pods[w->list[w->at]].group == group; w->at++) {
		uint32_t place = w->list[w->at];

		if (isnan(scores[place]) ||
		    (equals > 0 && scores[place] > scores[best]))
			continue;
		if (equals > 0 && scores[place] < scores[best])
			equals = 0;
		if (rand_below(entropy, ++equals) == 0)
			best = place;
	}
	return best;
}

static void
pair_weigh(const double *scores, uint32_t prefill, uint32_t decode,
	   uint64_t *entropy, aibrix_pd_pick_result *r)
{
	double score = scores[prefill] / r->max_prefill +
		       scores[decode] / r->max_decode;

	r->groups++;
	if (r->ties > 0 && score > r->score)
		return;
	if (score < r->score)
		r->ties = 0;
	r->score = score;
	if (rand_below(entropy, ++r->ties) != 0)
		return;
	r->prefill = prefill;
	r->decode = decode;
	r->prefill_score = scores[prefill];
	r->decode_score = scores[decode];
}

static void
pairs_weigh(const aibrix_pd_pod *pods, const aibrix_pd_lists *l,
	    const double *scores, uint64_t entropy, aibrix_pd_pick_result *r)
{
	struct walk p = {.list = l->prefill, .n = l->n_prefill};
	struct walk d = {.list = l->decode, .n = l->n_decode};

	while (p.at < p.n && d.at < d.n) {
		uint64_t prefills = pods[p.list[p.at]].group;
		uint64_t decodes = pods[d.list[d.at]].group;
		uint32_t prefill = AIBRIX_PD_NOBODY, decode = AIBRIX_PD_NOBODY;

		if (prefills <= decodes)
			prefill = walk_best(&p, pods, scores, &entropy);
		if (decodes <= prefills)
			decode = walk_best(&d, pods, scores, &entropy);
		if (prefill != AIBRIX_PD_NOBODY && decode != AIBRIX_PD_NOBODY)
			pair_weigh(scores, prefill, decode, &entropy, r);
	}
}

static uint32_t
pick_reason(const aibrix_pd_lists *l, const aibrix_pd_pick_result *r)
{
	if (l->n_prefill == 0)
		return AIBRIX_PD_REASON_NO_PREFILL;
	if (l->n_decode == 0)
		return AIBRIX_PD_REASON_NO_DECODE;
	if (r->groups == 0)
		return AIBRIX_PD_REASON_NO_PAIR;
	if (l->n_prefill == 1 && l->n_decode == 1)
		return AIBRIX_PD_REASON_ONLY;
	if (r->unknown == l->n_prefill + l->n_decode)
		return AIBRIX_PD_REASON_NO_DATA;
	return AIBRIX_PD_REASON_SCORE;
}

static void
pick(const aibrix_pd_opts *o, const aibrix_pd_pod *pods,
     const aibrix_pd_stat *stats, uint32_t n, const aibrix_pd_lists *l,
     uint64_t tokens, uint64_t entropy, double *scores,
     aibrix_pd_pick_result *r)
{
	for (uint32_t i = 0; i < n; i++)
		scores[i] = NAN;
	aibrix__pd_prefill_scores(o, stats, l, tokens, scores, r);
	aibrix__pd_decode_scores(o, stats, l, scores, r);
	aibrix__pd_order(pods, l->prefill, l->n_prefill);
	aibrix__pd_order(pods, l->decode, l->n_decode);
	pairs_weigh(pods, l, scores, entropy, r);
	r->reason = pick_reason(l, r);
}

int
aibrix_pd_pick(const aibrix_pd_opts *opts, const aibrix_pd_pod *pods,
	       const aibrix_pd_stat *stats, uint32_t n,
	       const aibrix_pd_lists *lists, uint64_t prompt_tokens,
	       uint64_t entropy, double *scores, aibrix_pd_pick_result *result)
{
	const uint32_t v1 =
		STRUCT_UPTO(aibrix_pd_pick_result, max_free_percent);
	aibrix_pd_pick_result mine = {.prefill = AIBRIX_PD_NOBODY,
				      .decode = AIBRIX_PD_NOBODY};
	aibrix_pd_opts o;
	int err;

	if (!result || (n > 0 && !scores))
		return AIBRIX_E_INVAL;
	err = aibrix__pd_opts_load(&o, opts);
	if (!err)
		err = aibrix__pd_lists_check(pods, stats, n, lists);
	if (!err) /* does the result have a size? */
		err = aibrix__struct_store(result, &mine, sizeof(mine), v1);
	if (err)
		return err;
	pick(&o, pods, stats, n, lists, prompt_tokens, entropy, scores, &mine);
	err = aibrix__struct_store(result, &mine, sizeof(mine), v1);
	if (err)
		return err;
	return mine.groups > 0 ? AIBRIX_OK : AIBRIX_E_NOT_FOUND;
}
