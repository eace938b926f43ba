/*
 * The gates before the scores: where one pod has far less to do than
 * another, it is taken whatever prefixes say.
 *
 *	prefills:  pending            most - least > 16  --> the least
 *	decodes:   requests           most - least >= 16 --> the least
 *	           tokens per second  (compat)
 *	           seconds            most / least > 1.5 --> the least
 *
 * AIBrix's gate on tokens per second takes the pod that makes the fewest,
 * while its scores prefer one that makes many.  A slow pod and an idle one
 * make few alike, so it is left out of the default form.
 */

#include <math.h>

#include "base/rand.h"
#include "pd/pd_internal.h"

/* What pods are compared by. */
enum measure { PENDING, REQUESTS, TOKENS, SECONDS };

/*
 * Seconds until a decode is through with its own.  In compat a count that
 * is missing is none.
 */
static double
stat_seconds(const aibrix_pd_stat *s, int compat)
{
	double rate = stat_known(s->finished_per_s);

	if (!(rate > 0))
		return NAN;
	return (compat ? stat_running_or_none(s) : stat_running(s)) /
	       fmax(rate, 0.1);
}

static double
stat_measure(const aibrix_pd_stat *s, enum measure by, int compat)
{
	switch (by) {
	case PENDING: return s->pending;
	case REQUESTS: return stat_running(s);
	case TOKENS: return stat_known(s->tokens_per_s);
	case SECONDS: break;
	}
	return stat_seconds(s, compat);
}

struct range {
	double least, most;
	uint32_t known;
	uint32_t place; /* of one with the least */
};

/* Each of k equals stays with a chance of 1 in k. */
static struct range
list_range(const aibrix_pd_stat *stats, const uint32_t *list, uint32_t n,
	   enum measure by, int compat, uint64_t entropy)
{
	struct range r = {.least = INFINITY, .most = -INFINITY};
	uint32_t equals = 0;

	for (uint32_t i = 0; i < n; i++) {
		double value = stat_measure(&stats[list[i]], by, compat);

		if (isnan(value))
			continue;
		r.known++;
		r.most = fmax(r.most, value);
		if (value > r.least)
			continue;
		if (value < r.least)
			equals = 0;
		r.least = value;
		if (rand_below(&entropy, ++equals) == 0)
			r.place = list[i];
	}
	return r;
}

void
aibrix__pd_list_keep(const aibrix_pd_pod *pods, uint32_t *list, uint32_t *n,
		     uint64_t group)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < *n; i++)
		kept += pods[list[i]].group == group;
	if (kept == 0)
		return;
	kept = 0;
	for (uint32_t i = 0; i < *n; i++)
		if (pods[list[i]].group == group)
			list[kept++] = list[i];
	*n = kept;
}

static uint32_t
prefill_gate(const aibrix_pd_opts *o, const aibrix_pd_pod *pods,
	     const aibrix_pd_stat *stats, uint64_t entropy, aibrix_pd_lists *l)
{
	struct range r = list_range(stats, l->prefill, l->n_prefill, PENDING, 0,
				    entropy);

	if (r.known == 0 || r.most - r.least <= o->prefill_spread)
		return 0;
	l->prefill[0] = r.place;
	l->n_prefill = 1;
	aibrix__pd_list_keep(pods, l->decode, &l->n_decode,
			     pods[r.place].group);
	return AIBRIX_PD_GATE_PREFILL;
}

/* Which gate the decodes go through; *place becomes the one that is left. */
static uint32_t
decode_gate_find(const aibrix_pd_opts *o, const aibrix_pd_stat *stats,
		 uint64_t entropy, const aibrix_pd_lists *l, uint32_t *place)
{
	int compat = o->compat != 0;
	struct range requests = list_range(stats, l->decode, l->n_decode,
					   REQUESTS, compat, entropy);
	struct range tokens = list_range(stats, l->decode, l->n_decode, TOKENS,
					 compat, entropy);
	struct range seconds = list_range(stats, l->decode, l->n_decode,
					  SECONDS, compat, entropy);

	if (requests.known > 0 &&
	    requests.most - requests.least >= o->decode_spread) {
		*place = !compat && seconds.known == requests.known
				 ? seconds.place
				 : requests.place;
		return AIBRIX_PD_GATE_DECODE;
	}
	if (compat && tokens.known > 0 &&
	    tokens.most - tokens.least > o->tokens_spread) {
		*place = tokens.place;
		return AIBRIX_PD_GATE_TOKENS;
	}
	if (seconds.known > 0 && seconds.known == l->n_decode &&
	    seconds.least > 0 &&
	    seconds.most / seconds.least > o->seconds_ratio) {
		*place = seconds.place;
		return AIBRIX_PD_GATE_SECONDS;
	}
	return 0;
}

static uint32_t
decode_gate(const aibrix_pd_opts *o, const aibrix_pd_pod *pods,
	    const aibrix_pd_stat *stats, uint64_t entropy, aibrix_pd_lists *l)
{
	uint32_t place = 0, gate;

	gate = decode_gate_find(o, stats, entropy, l, &place);
	if (gate == 0)
		return 0;
	l->decode[0] = place;
	l->n_decode = 1;
	aibrix__pd_list_keep(pods, l->prefill, &l->n_prefill,
			     pods[place].group);
	return gate;
}

int
aibrix_pd_gate(const aibrix_pd_opts *opts, const aibrix_pd_pod *pods,
	       const aibrix_pd_stat *stats, uint32_t n, uint64_t entropy,
	       aibrix_pd_lists *lists, uint32_t *gates)
{
	aibrix_pd_opts o;
	uint32_t found;
	int err;

	if (!gates)
		return AIBRIX_E_INVAL;
	err = aibrix__pd_opts_load(&o, opts);
	if (!err)
		err = aibrix__pd_lists_check(pods, stats, n, lists);
	if (err)
		return err;
	found = prefill_gate(&o, pods, stats, entropy, lists);
	found |= decode_gate(&o, pods, stats, rand_next(&entropy), lists);
	*gates = found;
	return AIBRIX_OK;
}
