/*
 * Fewest requests running, by the gateway's own count: it changes with the
 * decision itself, while what engines report is a scrape interval old.
 *
 * Default: requests / capacity, so that a pod twice as fast carries twice as
 * many; a row whose count is not known is not scored.
 */

#include "route/route_internal.h"

enum { RUNNING, CAPACITY };

static void
requests_per_capacity(const struct route_view *view, const uint32_t *rows,
		      uint32_t n, double *restrict out)
{
	double running[ROUTE_BATCH], capacity[ROUTE_BATCH];

	aibrix__route_get(view, RUNNING, rows, n, running);
	aibrix__route_get(view, CAPACITY, rows, n, capacity);
	for (uint32_t i = 0; i < n; i++) {
		/* A count below zero is a bookkeeping error, not a reason to
		 * win for ever, as counters of AIBrix that lost a decrement
		 * do. */
		double requests = running[i] < 0 ? 0 : running[i];

		out[i] = requests / (capacity[i] > 0 ? capacity[i] : 1);
	}
}

const struct route_ops aibrix__route_least_request = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_REQUEST,
	.rank = {.scores = requests_per_capacity, .lower_is_better = 1},
};

/* AIBrix (algorithms/least_request.go): the plain count, absent is 0. */
static double
requests_or_zero(const struct route_view *view, uint32_t row)
{
	return view_get(view, RUNNING, row, 0);
}

const struct route_ops aibrix__route_least_request_compat = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING},
	.n_columns = 1,
	.reason = AIBRIX_REASON_LEAST_REQUEST,
	.rank = {.score = requests_or_zero, .lower_is_better = 1},
};
