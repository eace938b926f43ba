/*
 * Least throughput: the row that does least work for its size.
 *
 * Default: tokens per second / capacity, from the engine's counters.
 */

#include "route/route_internal.h"

enum { TOKENS_PER_S, CAPACITY };

static void
tokens_per_capacity(const struct route_view *view, const uint32_t *rows,
		    uint32_t n, double *restrict out)
{
	double tokens[ROUTE_BATCH], capacity[ROUTE_BATCH];

	aibrix__route_get(view, TOKENS_PER_S, rows, n, tokens);
	aibrix__route_get(view, CAPACITY, rows, n, capacity);
	for (uint32_t i = 0; i < n; i++)
		out[i] = (tokens[i] < 0 ? NAN : tokens[i]) /
			 (capacity[i] > 0 ? capacity[i] : 1);
}

/* A busy engine makes some 32 tokens per second for each of its requests. */
static double
tokens_unit(const struct route_view *view)
{
	(void)view;
	return 32;
}

const struct route_ops aibrix__route_throughput = {
	.columns = {AIBRIX_COL_TOKENS_PER_S, AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_THROUGHPUT,
	.rank = {.scores = tokens_per_capacity, .lower_is_better = 1},
	.unit = tokens_unit,
};

enum { PROMPT, OUTPUT };

/* AIBrix (algorithms/throughput.go): the size of a mean request of the last
 * day, which is not throughput.  There both are read as 0 in production
 * (issue 1185), and the choice is random. */
static double
tokens_per_request(const struct route_view *view, uint32_t row)
{
	return 2 * view_get(view, PROMPT, row, NAN) +
	       view_get(view, OUTPUT, row, NAN);
}

const struct route_ops aibrix__route_throughput_compat = {
	.columns = {AIBRIX_COL_PROMPT_TOKENS, AIBRIX_COL_OUTPUT_TOKENS},
	.n_columns = 2,
	.reason = AIBRIX_REASON_THROUGHPUT,
	.rank = {.score = tokens_per_request, .lower_is_better = 1},
};
