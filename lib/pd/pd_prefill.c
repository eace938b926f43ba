/*
 * What prefills score; less is better.
 *
 *	PREFIX_CACHE   (100 - match) / 10 + pending / most pending
 *	LEAST_REQUEST  pending
 *	CONDUCTOR      milliseconds: queue, prefix, rest of the prompt
 *	HYBRID         1 - match^2 / 2, times the tokens charged
 *	TOKEN_LOAD     the tokens charged
 *
 * HYBRID follows the prefix while pods are idle and the load once they are
 * not, so nobody needs to be passed over for it: AIBrix's rule of a mean and
 * a standard deviation is a step, on one side of which a load counts for
 * nothing and on the other for everything.
 */

#include <math.h>

#include "pd/pd_internal.h"

/* Of the pending of a list. */
struct pending {
	double most, mean, deviation;
};

static struct pending
pending_measure(const aibrix_pd_stat *stats, const aibrix_pd_lists *l)
{
	struct pending p = {.most = 1};
	double n = l->n_prefill, squares = 0;

	for (uint32_t i = 0; i < l->n_prefill; i++) {
		p.most = greater(p.most, stats[l->prefill[i]].pending);
		p.mean += stats[l->prefill[i]].pending;
	}
	p.mean = n > 0 ? p.mean / n : 0;
	for (uint32_t i = 0; i < l->n_prefill; i++) {
		double off = stats[l->prefill[i]].pending - p.mean;

		squares += off * off;
	}
	p.deviation = n > 1 ? sqrt(squares / (n - 1)) : 0;
	return p;
}

/* Percent of the prompt that can be counted on. */
static double
stat_match(const aibrix_pd_opts *o, const aibrix_pd_stat *s)
{
	double match = fmin(stat_known(s->match_percent), 100);

	return isnan(stat_known(s->match_percent)) ||
			       match < o->min_match_percent
		       ? 0
		       : match;
}

/* Milliseconds to compute tokens and to find those that are held.
 * (Source: AIBrix's conductor policy.) */
static double
tokens_ms(double tokens)
{
	return tokens > 0 ? 0.001 * (tokens * sqrt(tokens)) + 5 : 0;
}

static double
prefix_ms(double tokens)
{
	return tokens > 0 ? 0.005 * tokens + 1 : 0;
}

static double
conductor(const aibrix_pd_stat *s, double match, double tokens)
{
	double mean = stat_known(s->prefill_s) * 1000;
	double held = tokens * match / 100;

	if (isnan(mean))
		mean = tokens_ms(512);
	return s->pending * mean + prefix_ms(held) + tokens_ms(tokens - held);
}

static double
stat_load(const aibrix_pd_stat *s)
{
	double load = stat_known(s->charged_tokens);

	return isnan(load) ? 3500.0 * s->pending : load;
}

static double
hybrid(const aibrix_pd_opts *o, const aibrix_pd_stat *s, double match)
{
	double load = stat_load(s);
	double rest = 1 - match / 100 * (match / 100) * o->hybrid_factor;

	return load < 1 ? rest : load * rest;
}

static double
stat_score(const aibrix_pd_opts *o, const aibrix_pd_stat *s,
	   const struct pending *p, double tokens)
{
	double match = stat_match(o, s);

	switch (o->prefill_policy) {
	case AIBRIX_PD_POLICY_PREFIX_CACHE:
		return (100 - match) * 0.1 + s->pending / p->most;
	case AIBRIX_PD_POLICY_CONDUCTOR: return conductor(s, match, tokens);
	case AIBRIX_PD_POLICY_HYBRID: return hybrid(o, s, match);
	case AIBRIX_PD_POLICY_TOKEN_LOAD: return stat_load(s);
	default: return s->pending;
	}
}

void
aibrix__pd_prefill_scores(const aibrix_pd_opts *o, const aibrix_pd_stat *stats,
			  const aibrix_pd_lists *l, uint64_t prompt_tokens,
			  double *scores, aibrix_pd_pick_result *r)
{
	int skips = o->compat || (o->flags & AIBRIX_PD_STDDEV_SET);
	int asks = o->prefill_policy != AIBRIX_PD_POLICY_LEAST_REQUEST &&
		   o->prefill_policy != AIBRIX_PD_POLICY_TOKEN_LOAD;
	struct pending p = pending_measure(stats, l);

	r->max_prefill = 1;
	for (uint32_t i = 0; i < l->n_prefill; i++) {
		const aibrix_pd_stat *s = &stats[l->prefill[i]];
		double score = stat_score(o, s, &p, (double)prompt_tokens);

		r->unknown += asks && isnan(stat_known(s->match_percent));
		if ((skips &&
		     s->pending > p.mean + o->stddev_factor * p.deviation) ||
		    !isfinite(score))
			continue;
		scores[l->prefill[i]] = score;
		r->max_prefill = greater(r->max_prefill, score);
	}
}
