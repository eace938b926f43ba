/*
 * Prompts of lengths at random and groups that come, go and change, against
 * a list of all prompts, each with its own age.  Whatever the plan: bands are
 * ascending and apart, each within its group's lengths, at most 16.  Where
 * all groups are for all lengths, each has its share of what the list says
 * has passed.
 *
 * pd_buckets_program_run returns NULL, or what differed.
 */
#ifndef MODEL_PD_BUCKETS_PROGRAM_H
#define MODEL_PD_BUCKETS_PROGRAM_H

#include <math.h>
#include <stdlib.h>

#include <aibrix/pd_buckets.h>

#include "choices.h"

enum { BK_GROUPS = 6, BK_PROMPTS = 500, BK_HALF = 1000, BK_REFRESH = 100 };

/* Planted in the model, never in the library. */
enum { BK_SOUND, BK_NOTHING_FADES, BK_OTHER_MODE };

struct bk_play {
	struct choices choices;
	int fault;
	uint32_t mode;
	aibrix_pd_buckets *buckets;
	aibrix_pd_group groups[BK_GROUPS];
	uint32_t n_groups;
	uint64_t serial;
	uint64_t tokens[BK_PROMPTS], at[BK_PROMPTS];
	uint32_t n;
	uint64_t now, latest;
};

static inline void
bk_groups(struct bk_play *p)
{
	int all = draw(&p->choices, 2) != 0;

	p->serial++; /* never the same twice */
	p->n_groups = draw(&p->choices, BK_GROUPS + 1);
	for (uint32_t i = 0; i < p->n_groups; i++) {
		aibrix_pd_group *g = &p->groups[i];

		*g = (aibrix_pd_group){.group = p->serial * 10 + i};
		g->replicas = draw(&p->choices, 4);
		if (all)
			continue;
		g->min_tokens = draw(&p->choices, 40) * 50u;
		g->max_tokens = draw(&p->choices, 60) * 50u;
	}
}

/* What of all that has passed the list counts for a band. */
static inline double
bk_weight(const struct bk_play *p, uint64_t lo, uint64_t hi)
{
	int tokens = (p->mode == AIBRIX_PD_BUCKETS_TOKENS) !=
		     (p->fault == BK_OTHER_MODE);
	double sum = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		double age = (double)(p->latest - p->at[i]) / BK_HALF;

		if (p->tokens[i] < lo || p->tokens[i] > hi)
			continue;
		sum += (tokens ? (double)p->tokens[i] : 1) *
		       (p->fault == BK_NOTHING_FADES ? 1 : exp2(-age));
	}
	return sum;
}

static inline const char *
bk_check_bands(const struct bk_play *p, const aibrix_pd_band *bands, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const aibrix_pd_group *g = NULL;

		for (uint32_t k = 0; k < p->n_groups; k++)
			if (p->groups[k].group == bands[i].group)
				g = &p->groups[k];
		if (!g || bands[i].min_tokens > bands[i].max_tokens ||
		    bands[i].min_tokens < g->min_tokens ||
		    (g->max_tokens && bands[i].max_tokens > g->max_tokens))
			return "a band beyond its group";
		if (i && bands[i].min_tokens <= bands[i - 1].max_tokens)
			return "bands that overlap";
	}
	return NULL;
}

/* A bin is 9 % wide, and even within: what the cuts are off by is less than
 * the traffic of one bin, of either side. */
static inline const char *
bk_check_shares(const struct bk_play *p, const aibrix_pd_band *bands,
		uint32_t n)
{
	double all = bk_weight(p, 0, UINT64_MAX), replicas = 0;

	for (uint32_t i = 0; i < p->n_groups; i++) {
		if (p->groups[i].min_tokens || p->groups[i].max_tokens)
			return NULL;
		replicas += p->groups[i].replicas ? p->groups[i].replicas : 1;
	}
	if (p->n_groups < 2)
		return n == 0 ? NULL : "a band without a choice";
	if (n != p->n_groups)
		return "a group without a band";
	for (uint32_t i = 0; i < n; i++) {
		const aibrix_pd_group *g = &p->groups[bands[i].group % 10];
		double share = (g->replicas ? g->replicas : 1) / replicas;
		double lo = bands[i].min_tokens, hi = bands[i].max_tokens;
		double most = bk_weight(p, (uint64_t)(lo / 1.12),
					(uint64_t)(hi * 1.12));
		double least = bk_weight(p, (uint64_t)ceil(lo * 1.12),
					 (uint64_t)(hi / 1.12));

		if (share * all > most * 1.001 || share * all < least * 0.999)
			return "another share";
	}
	return NULL;
}

static inline const char *
bk_step(struct bk_play *p)
{
	aibrix_pd_band bands[AIBRIX_PD_BANDS_MAX], band, mine = {0};
	uint64_t tokens = 50 + draw(&p->choices, 200) * 10u;
	int changed = draw(&p->choices, 20) == 0, err, found = 0;
	const char *bad;
	uint32_t n;

	if (changed)
		bk_groups(p);
	p->now += draw(&p->choices, 3) * 40u;
	if (draw(&p->choices, 30) == 0)
		p->now = p->now < 500 ? 0 : p->now - 500;
	p->latest = p->now > p->latest ? p->now : p->latest;
	p->tokens[p->n] = tokens;
	p->at[p->n++] = p->latest;
	err = aibrix_pd_buckets_step(p->buckets, tokens, p->now, p->groups,
				     p->n_groups, &band);
	if (aibrix_pd_buckets_plan(p->buckets, bands, AIBRIX_PD_BANDS_MAX, &n))
		return "no plan";
	for (uint32_t i = 0; i < n; i++)
		if (tokens >= bands[i].min_tokens &&
		    tokens <= bands[i].max_tokens) {
			found = 1;
			mine = bands[i];
		}
	if (found ? err || band.group != mine.group : err != AIBRIX_E_NOT_FOUND)
		return "another band";
	bad = bk_check_bands(p, bands, n);
	/* A plan that is not new is of what had passed then. */
	return bad || !changed ? bad : bk_check_shares(p, bands, n);
}

static inline const char *
pd_buckets_program_run(struct choices choices, uint32_t steps, int fault)
{
	struct bk_play *p = calloc(1, sizeof(*p));
	aibrix_pd_buckets_opts opts = {.size = sizeof(opts),
				       .half_life_ns = BK_HALF,
				       .refresh_ns = BK_REFRESH};
	const char *bad = NULL;

	if (!p)
		abort();
	p->choices = choices;
	p->fault = fault;
	p->mode = opts.mode = draw(&p->choices, 2);
	if (aibrix_pd_buckets_new(&opts, &p->buckets))
		abort();
	for (uint32_t i = 0; !bad && i < steps && i < BK_PROMPTS; i++)
		bad = bk_step(p);
	aibrix_pd_buckets_free(p->buckets);
	free(p);
	return bad;
}

#endif
