/*
 * Least latency, in seconds: what this request would take where requests
 * took so long before.
 *
 *	queue + prefill * (prompt / mean prompt) + decode * (output / mean
 *output)
 *
 * The means are those of the row's own requests, so the quotients make its
 * times those of one and the same request everywhere.  Default: prompt is
 * this request's; where no row knows its mean the quotient is 1, and a row
 * that alone does not know it has no score.
 *
 * AIBrix (algorithms/least_latency.go) asks for the prompt of a mean request
 * of the fleet instead, 10 and 100 tokens where nobody knows, and takes the
 * row's own mean for that when it is 0: then the quotient is 1.
 */

#include "route/route_internal.h"

enum { QUEUE, PREFILL, DECODE, PROMPT, OUTPUT };
enum { PROMPT_GUESS, OUTPUT_GUESS };

/* Mean of what is above 0; NaN when nothing is. */
static double
mean_known(const struct route_view *view, uint32_t i)
{
	double sum = 0;
	uint32_t at = 0, n = 0, row;

	while (route_next(view, &at, &row)) {
		double x = view_get(view, i, row, 0);

		if (x > 0) {
			sum += x;
			n++;
		}
	}
	return n ? sum / n : NAN;
}

/* The middle between least and most: unlike a mean it does not depend on the
 * order in which rows are visited. */
static double
middle_known(const struct route_view *view, uint32_t i)
{
	double low = INFINITY, high = 0;
	uint32_t at = 0, row;

	while (route_next(view, &at, &row)) {
		double x = view_get(view, i, row, 0);

		if (x > 0) {
			low = x < low ? x : low;
			high = x > high ? x : high;
		}
	}
	return high > 0 ? low / 2 + high / 2 : NAN;
}

static void
latency_prepare(struct route_view *view)
{
	uint64_t prompt = view->request->prompt_tokens;
	double middle = middle_known(view, PROMPT);

	view->fact[PROMPT_GUESS] =
		prompt && !isnan(middle) ? (double)prompt : middle;
	view->fact[OUTPUT_GUESS] = middle_known(view, OUTPUT);
}

/* How much larger than the row's mean request ours is. */
static double
size_ratio(const struct route_view *view, uint32_t mean, uint32_t guess,
	   uint32_t row)
{
	double tokens = view_get(view, mean, row, 0);

	if (isnan(view->fact[guess]))
		return 1;
	return tokens > 0 ? view->fact[guess] / tokens : NAN;
}

static double
latency_score(const struct route_view *view, uint32_t row)
{
	return view_gauge(view, QUEUE, row) +
	       view_gauge(view, PREFILL, row) *
		       size_ratio(view, PROMPT, PROMPT_GUESS, row) +
	       view_gauge(view, DECODE, row) *
		       size_ratio(view, OUTPUT, OUTPUT_GUESS, row);
}

/* What one request more adds to the others of a batch. */
static double
latency_unit(const struct route_view *view)
{
	(void)view;
	return 0.1;
}

const struct route_ops aibrix__route_least_latency = {
	.columns = {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PREFILL_S,
		    AIBRIX_COL_DECODE_S, AIBRIX_COL_PROMPT_TOKENS,
		    AIBRIX_COL_OUTPUT_TOKENS},
	.n_columns = 5,
	.reason = AIBRIX_REASON_LEAST_LATENCY,
	.rank = {.score = latency_score, .lower_is_better = 1},
	.prepare = latency_prepare,
	.unit = latency_unit,
};

static void
compat_prepare(struct route_view *view)
{
	double prompt = mean_known(view, PROMPT);
	double output = mean_known(view, OUTPUT);

	view->fact[PROMPT_GUESS] = isnan(prompt) ? 10 : prompt;
	view->fact[OUTPUT_GUESS] = isnan(output) ? 100 : output;
}

/* In AIBrix's order of operations. */
static double
compat_part(const struct route_view *view, uint32_t time, uint32_t mean,
	    uint32_t guess, uint32_t row)
{
	double tokens = view_get(view, mean, row, NAN);

	if (tokens == 0)
		tokens = view->fact[guess];
	return view_get(view, time, row, NAN) / tokens * view->fact[guess];
}

static double
compat_score(const struct route_view *view, uint32_t row)
{
	return view_get(view, QUEUE, row, NAN) +
	       compat_part(view, PREFILL, PROMPT, PROMPT_GUESS, row) +
	       compat_part(view, DECODE, OUTPUT, OUTPUT_GUESS, row);
}

const struct route_ops aibrix__route_least_latency_compat = {
	.columns = {AIBRIX_COL_QUEUE_S, AIBRIX_COL_PREFILL_S,
		    AIBRIX_COL_DECODE_S, AIBRIX_COL_PROMPT_TOKENS,
		    AIBRIX_COL_OUTPUT_TOKENS},
	.n_columns = 5,
	.reason = AIBRIX_REASON_LEAST_LATENCY,
	.rank = {compat_score, NULL, .lower_is_better = 1, .tie = TIE_LAST},
	.prepare = compat_prepare,
};
