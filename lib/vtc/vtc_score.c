/* AIBrix's estimate of tokens and its vtc-basic score: formulas. */

#include <aibrix/vtc_window.h>

#include <math.h>

#include "base/versioned.h"

enum {
	BYTES_PER_TOKEN = 4,
	KNOWN_FLAGS = AIBRIX_VTC_MIN_TOKENS_SET | AIBRIX_VTC_FAIRNESS_SET |
		      AIBRIX_VTC_UTILIZATION_SET
};

#define BYTES_MAX ((uint64_t)1 << 60)

int
aibrix_vtc_estimate(uint64_t bytes, int64_t *input_tokens,
		    int64_t *output_tokens)
{
	int64_t input;

	if (!input_tokens || !output_tokens || bytes > BYTES_MAX)
		return AIBRIX_E_INVAL;
	input = (int64_t)((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
	*input_tokens = input;
	*output_tokens = input + (input + 1) / 2;
	return AIBRIX_OK;
}

/* The default where it is not set; 0 unless the number is sound. */
static int
number_load(double *x, double otherwise, int set)
{
	if (*x == 0 && !set)
		*x = otherwise;
	return isfinite(*x) && *x >= 0;
}

/* Of what nobody knows AIBrix reads 0. */
static int
gauge_load(double *x)
{
	if (isnan(*x))
		*x = 0;
	return isfinite(*x) && *x >= 0;
}

static int
request_load(aibrix_vtc_score_request *own,
	     const aibrix_vtc_score_request *request)
{
	int err;

	if (!request)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(
		own, sizeof(*own), request,
		STRUCT_UPTO(aibrix_vtc_score_request, min_tokens));
	if (err)
		return err;
	if (own->flags & ~(uint32_t)KNOWN_FLAGS)
		return AIBRIX_E_ABI;
	if (own->index >= own->n || !gauge_load(&own->user_tokens) ||
	    !gauge_load(&own->load) || !number_load(&own->least, 0, 1) ||
	    !number_load(&own->most, 0, 1) || !number_load(&own->noise, 0, 1) ||
	    !number_load(&own->fairness_weight, 1,
			 own->flags & AIBRIX_VTC_FAIRNESS_SET) ||
	    !number_load(&own->utilization_weight, 1,
			 own->flags & AIBRIX_VTC_UTILIZATION_SET) ||
	    !number_load(&own->max_load, 100, 0) ||
	    !number_load(&own->min_tokens, 1000,
			 own->flags & AIBRIX_VTC_MIN_TOKENS_SET))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix_vtc_score(const aibrix_vtc_score_request *request, double *score)
{
	aibrix_vtc_score_request own;
	double bucket, place, fairness, utilization;
	int err = score ? request_load(&own, request) : AIBRIX_E_INVAL;

	if (err)
		return err;
	bucket = fmax(own.min_tokens, (own.least + own.most) / 2);
	place = own.user_tokens;
	/* Without tokens at all there is nothing to divide by. */
	if (bucket > 0)
		place /= bucket;
	place = fmin(place, (double)(own.n - 1));
	fairness = fabs((double)own.index - place);
	utilization = fmin(own.load / own.max_load, 1);
	*score = own.fairness_weight * fairness +
		 own.utilization_weight * utilization + own.noise;
	return AIBRIX_OK;
}
