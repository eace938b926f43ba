/*
 * What decodes score; less is better.
 *
 *	                compat                         default
 *	LOAD_BALANCING  (running / most + 1 - tokens   (running + 1) /
 *	                / most) / free share           (most + 1) / free share
 *	LEAST_REQUEST   running                        running
 *	CONDUCTOR       1000 / tokens *                1000 / tokens *
 *	                (1 + 1 / running)              (running + 1)
 *	TOKEN_LOAD      tokens charged                 tokens charged
 *
 * Tokens per second are those of all requests of a pod together, so 1000 by
 * them is no time between the tokens of one: that takes the requests which
 * share them, and with it a busy pod comes after an idle one, which it does
 * not in AIBrix.  For the same reason many tokens per second are not a sign
 * of little load, and the default form does without that term.
 */

#include <math.h>

#include "pd/pd_internal.h"

/* Of a list of decodes. */
struct decodes {
	double most_running, most_tokens, most_free;
	double running, free; /* what a pod counts as that does not say */
	double idle_ms; /* between tokens of a pod with nothing else to do */
	int known;      /* is the running of any known */
};

static double
stat_free(const aibrix_pd_stat *s, double unknown)
{
	double used = stat_known(s->kv_usage);
	double free = round(100 - 100 * used);

	if (isnan(used))
		return unknown;
	return free <= 0 ? 0.1 : free;
}

static double
stat_requests(const aibrix_pd_stat *s, const struct decodes *d)
{
	double running = stat_known(s->running);

	return (isnan(running) ? d->running : running) + s->pending;
}

static double
stat_tokens(const aibrix_pd_stat *s)
{
	double tokens = stat_known(s->tokens_per_s);

	return isnan(tokens) ? 0 : tokens;
}

/* What the others say of those that do not. */
static void
means_take(const aibrix_pd_stat *stats, const aibrix_pd_lists *l,
	   struct decodes *d)
{
	double running = 0, free = 0, n_running = 0, n_free = 0;

	for (uint32_t i = 0; i < l->n_decode; i++) {
		const aibrix_pd_stat *s = &stats[l->decode[i]];
		double says = stat_known(s->running);
		double ms = 1000 * says / stat_tokens(s);

		if (!isnan(says)) {
			running += says;
			n_running++;
		}
		if (!isnan(stat_known(s->kv_usage))) {
			free += stat_free(s, 0);
			n_free++;
		}
		if (says >= 1 && isfinite(ms) &&
		    (d->idle_ms == 0 || ms < d->idle_ms))
			d->idle_ms = ms;
	}
	d->known = n_running > 0;
	d->running = n_running > 0 ? running / n_running : 0;
	d->free = n_free > 0 ? free / n_free : 100;
	if (d->idle_ms == 0)
		d->idle_ms = 20;
}

static struct decodes
decodes_measure(const aibrix_pd_stat *stats, const aibrix_pd_lists *l,
		int compat)
{
	struct decodes d = {
		.most_running = 1, .most_tokens = 1, .most_free = 1};

	means_take(stats, l, &d);
	if (compat) {
		d.running = 0;
		d.free = 100;
	}
	for (uint32_t i = 0; i < l->n_decode; i++) {
		const aibrix_pd_stat *s = &stats[l->decode[i]];

		d.most_running = greater(d.most_running, stat_requests(s, &d));
		d.most_tokens = greater(d.most_tokens, stat_tokens(s));
		d.most_free = greater(d.most_free, stat_free(s, d.free));
	}
	return d;
}

static double
balancing(const aibrix_pd_opts *o, const aibrix_pd_stat *s,
	  const struct decodes *d)
{
	double running = stat_requests(s, d);
	double share = stat_free(s, d->free) / d->most_free;

	if (!o->compat)
		return o->running_weight * (running + 1) /
		       (d->most_running + 1) / share;
	return (o->running_weight * (running / d->most_running) +
		o->tokens_weight * (1 - stat_tokens(s) / d->most_tokens)) /
	       share;
}

/* Milliseconds between tokens with one request more. */
static double
conductor(const aibrix_pd_opts *o, const aibrix_pd_stat *s,
	  const struct decodes *d)
{
	double running = stat_requests(s, d), tokens = stat_tokens(s);
	double full = 1 - stat_free(s, d->free) / 100 > 0.9 ? 1.5 : 1;

	if (o->compat)
		return (tokens > 0 ? 1000 / tokens : 20) *
		       (1 + 1 / greater(running, 1)) * full;
	if (tokens > 0 && running > 0)
		return 1000 * (running + 1) / tokens * full;
	return d->idle_ms * (running + 1) * full;
}

static double
stat_load(const aibrix_pd_stat *s, const struct decodes *d)
{
	double load = stat_known(s->charged_tokens);

	return isnan(load) ? 3500 * stat_requests(s, d) : load;
}

static double
stat_score(const aibrix_pd_opts *o, const aibrix_pd_stat *s,
	   const struct decodes *d)
{
	if (o->decode_policy == AIBRIX_PD_POLICY_TOKEN_LOAD)
		return stat_load(s, d);
	if (o->compat && d->known && isnan(stat_known(s->running)))
		return 1 + (double)s->pending;
	switch (o->decode_policy) {
	case AIBRIX_PD_POLICY_LEAST_REQUEST: return stat_requests(s, d);
	case AIBRIX_PD_POLICY_CONDUCTOR: return conductor(o, s, d);
	default: return balancing(o, s, d);
	}
}

void
aibrix__pd_decode_scores(const aibrix_pd_opts *o, const aibrix_pd_stat *stats,
			 const aibrix_pd_lists *l, double *scores,
			 aibrix_pd_pick_result *r)
{
	struct decodes d = decodes_measure(stats, l, o->compat != 0);

	r->max_running = d.most_running;
	r->max_tokens_per_s = d.most_tokens;
	r->max_free_percent = d.most_free;
	r->max_decode = 0.01;
	for (uint32_t i = 0; i < l->n_decode; i++) {
		const aibrix_pd_stat *s = &stats[l->decode[i]];
		double score = stat_score(o, s, &d);

		r->unknown += isnan(stat_known(s->running));
		if (!isfinite(score))
			continue;
		scores[l->decode[i]] = score;
		r->max_decode = greater(r->max_decode, score);
	}
}
