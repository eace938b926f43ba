/*
 * (tokens pending + tokens of ours that are not cached) * (requests + 1):
 * what waits for its prefill, times who shares the engine meanwhile.
 *
 * Default: for the row's capacity, with the tokens that the blocks held are;
 * a row whose counts are not known has no score.  AIBrix counts in percent
 * of the prompt, and takes what is not known as 0.
 */

#include "route/route_internal.h"

enum { PENDING, RUNNING, BLOCKS, CAPACITY };

static double
prompt_tokens(const struct route_view *view)
{
	const aibrix_route_request *request = view->request;

	return request->prompt_tokens
		       ? (double)request->prompt_tokens
		       : (double)request->n_blocks * request->block_tokens;
}

static double
tokens_uncached(const struct route_view *view, uint32_t row)
{
	double left = prompt_tokens(view);
	double blocks = view_get(view, BLOCKS, row, 0);

	left -= (blocks > 0 ? blocks : 0) * view->request->block_tokens;
	return left > 0 ? left : 0;
}

static double
metric_score(const struct route_view *view, uint32_t row)
{
	return (view_count(view, PENDING, row) + tokens_uncached(view, row)) *
	       (view_count(view, RUNNING, row) + 1) /
	       view_capacity(view, CAPACITY, row);
}

/* A request of the usual size more, for an engine that is idle. */
static double
metric_unit(const struct route_view *view)
{
	return view->route->tokens_per_request;
}

const struct route_ops aibrix__route_l_metric = {
	.columns = {AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_PREFIX_BLOCKS, AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 4,
	.reason = AIBRIX_REASON_L_METRIC,
	.rank = {.score = metric_score, .lower_is_better = 1},
	.unit = metric_unit,
};

static double
metric_compat(const struct route_view *view, uint32_t row)
{
	double n = (double)view->request->n_blocks;
	double held = view_get(view, BLOCKS, row, 0), percent = 0;
	double prompt = prompt_tokens(view);

	if (n > 0 && held > 0)
		percent = held < n ? floor(100 * held / n) : 100;
	return (view_get(view, PENDING, row, 0) + prompt -
		prompt * percent / 100) *
	       (view_get(view, RUNNING, row, 0) + 1);
}

const struct route_ops aibrix__route_l_metric_compat = {
	.columns = {AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_PREFIX_BLOCKS},
	.n_columns = 3,
	.reason = AIBRIX_REASON_L_METRIC,
	.rank = {.score = metric_compat, .lower_is_better = 1},
};
