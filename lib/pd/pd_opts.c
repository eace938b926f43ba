/*
 * Options and checks that the steps share.  What an option is where nobody
 * set it stands in one table; a flag sets it to anything, 0 too, which
 * AIBrix's environment variables cannot.
 */

#include <stddef.h>
#include <string.h>

#include "base/versioned.h"
#include "pd/pd_internal.h"

struct setting {
	uint32_t flag;
	size_t at; /* of a double in aibrix_pd_opts */
	double unset;
};

#define SETTING(flag, field, unset)                                            \
	{                                                                      \
		AIBRIX_PD_##flag##_SET, offsetof(aibrix_pd_opts, field), unset \
	}

static const struct setting settings[] = {
	SETTING(LOW_LOAD, low_load, 0.25),
	SETTING(HIGH_LOAD, high_load, 1),
	SETTING(PREFILL_SPREAD, prefill_spread, 16),
	SETTING(DECODE_SPREAD, decode_spread, 16),
	SETTING(TOKENS_SPREAD, tokens_spread, 2048),
	SETTING(SECONDS_RATIO, seconds_ratio, 1.5),
	SETTING(STDDEV, stddev_factor, 1),
	SETTING(RUNNING_WEIGHT, running_weight, 1),
	SETTING(TOKENS_WEIGHT, tokens_weight, 1),
	SETTING(HYBRID_FACTOR, hybrid_factor, 0.5),
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* The value of a setting, as it was set or not. */
static double
setting_load(aibrix_pd_opts *o, const struct setting *s)
{
	unsigned char *at = (unsigned char *)o + s->at;
	double value;

	memcpy(&value, at, sizeof(value));
	if (!(o->flags & s->flag))
		value = s->unset;
	memcpy(at, &value, sizeof(value));
	return value;
}

/* What is not said, by the form. */
static void
policies_fill(aibrix_pd_opts *o)
{
	if (o->prefill_policy == AIBRIX_PD_POLICY_UNSET)
		o->prefill_policy = o->compat ? AIBRIX_PD_POLICY_PREFIX_CACHE
					      : AIBRIX_PD_POLICY_HYBRID;
	if (o->decode_policy == AIBRIX_PD_POLICY_UNSET)
		o->decode_policy = AIBRIX_PD_POLICY_LOAD_BALANCING;
}

static int
scoring_is_good(const aibrix_pd_opts *o)
{
	const uint32_t both = 1u << AIBRIX_PD_POLICY_LEAST_REQUEST |
			      1u << AIBRIX_PD_POLICY_CONDUCTOR |
			      1u << AIBRIX_PD_POLICY_TOKEN_LOAD;
	const uint32_t prefill = both | 1u << AIBRIX_PD_POLICY_PREFIX_CACHE |
				 1u << AIBRIX_PD_POLICY_HYBRID;
	const uint32_t decode = both | 1u << AIBRIX_PD_POLICY_LOAD_BALANCING;

	return o->prefill_policy < 32 && o->decode_policy < 32 &&
	       (prefill >> o->prefill_policy & 1) &&
	       (decode >> o->decode_policy & 1) && o->hybrid_factor <= 1 &&
	       o->min_match_percent >= 0 && o->min_match_percent <= 100;
}

int
aibrix__pd_opts_load(aibrix_pd_opts *o, const aibrix_pd_opts *from)
{
	uint32_t known = AIBRIX_PD_BUCKETS;
	int err, good = 1;

	err = aibrix__struct_load(
		o, sizeof(*o), from,
		STRUCT_UPTO(aibrix_pd_opts, min_match_percent));
	if (err)
		return err;
	for (size_t i = 0; i < SETTINGS; i++) {
		double value = setting_load(o, &settings[i]);

		known |= settings[i].flag;
		good &= isfinite(value) && value >= 0;
	}
	if (o->flags & ~known)
		return AIBRIX_E_ABI;
	policies_fill(o);
	good = good && o->compat <= 1 && !o->spare && scoring_is_good(o);
	return good ? AIBRIX_OK : AIBRIX_E_INVAL;
}

static int
list_is_good(const aibrix_pd_pod *pods, const aibrix_pd_stat *stats, uint32_t n,
	     const uint32_t *list, uint32_t n_list, uint32_t role)
{
	if (n_list > 0 && (!list || !pods || !stats))
		return 0;
	for (uint32_t i = 0; i < n_list; i++)
		if (list[i] >= n || pods[list[i]].role != role ||
		    stats[list[i]].spare)
			return 0;
	return 1;
}

int
aibrix__pd_lists_check(const aibrix_pd_pod *pods, const aibrix_pd_stat *stats,
		       uint32_t n, const aibrix_pd_lists *lists)
{
	if (!lists ||
	    !list_is_good(pods, stats, n, lists->prefill, lists->n_prefill,
			  AIBRIX_PD_PREFILL) ||
	    !list_is_good(pods, stats, n, lists->decode, lists->n_decode,
			  AIBRIX_PD_DECODE))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}
