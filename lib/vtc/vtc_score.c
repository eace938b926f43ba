/* AIBrix's estimate of tokens and its vtc-basic score: formulas. */

#include <aibrix/vtc_window.h>

#include <math.h>

#include "base/rand.h"
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

static double
score_of(const aibrix_vtc_score_request *own)
{
	double bucket = fmax(own->min_tokens, (own->least + own->most) / 2);
	double place = own->user_tokens, fairness, utilization;

	/* Without tokens at all there is nothing to divide by. */
	if (bucket > 0)
		place /= bucket;
	place = fmin(place, (double)(own->n - 1));
	fairness = fabs((double)own->index - place);
	utilization = fmin(own->load / own->max_load, 1);
	return own->fairness_weight * fairness +
	       own->utilization_weight * utilization + own->noise;
}

int
aibrix_vtc_score(const aibrix_vtc_score_request *request, double *score)
{
	aibrix_vtc_score_request own;
	int err = score ? request_load(&own, request) : AIBRIX_E_INVAL;

	if (!err)
		*score = score_of(&own);
	return err;
}

/* AIBrix draws from [0, 0.1). */
static double
noise_of(uint64_t entropy, uint32_t index)
{
	return (double)(mix64(entropy + mix64(index)) >> 11) * 0x1p-53 * 0.1;
}

static int
list_check(const uint32_t *rows, uint32_t n, const double *loads,
	   uint32_t n_rows)
{
	if (!rows && n > n_rows)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t row = rows ? rows[i] : i;
		double load;

		if (row >= n_rows)
			return AIBRIX_E_INVAL;
		load = loads ? loads[row] : NAN;
		if (!gauge_load(&load))
			return AIBRIX_E_INVAL;
	}
	return AIBRIX_OK;
}

int
aibrix_vtc_scores(const aibrix_vtc_score_request *request, const uint32_t *rows,
		  uint32_t n, const double *loads, uint64_t entropy,
		  double *scores, uint32_t n_rows)
{
	aibrix_vtc_score_request own, some;
	int err;

	if (!request || (n_rows && !scores))
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(
		&some, sizeof(some), request,
		STRUCT_UPTO(aibrix_vtc_score_request, min_tokens));
	if (err)
		return err;
	some.size = sizeof(some);
	some.index = 0;
	some.n = n ? n : 1;
	some.load = some.noise = 0;
	err = request_load(&own, &some);
	if (!err)
		err = list_check(rows, n, loads, n_rows);
	if (err)
		return err;
	for (uint32_t row = 0; row < n_rows; row++)
		scores[row] = NAN;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t row = rows ? rows[i] : i;

		own.index = i;
		own.load = loads ? loads[row] : 0;
		(void)gauge_load(&own.load);
		own.noise = noise_of(entropy, i);
		scores[row] = score_of(&own);
	}
	return AIBRIX_OK;
}
