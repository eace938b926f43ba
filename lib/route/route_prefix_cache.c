/*
 * Prefix cache, default profile: least cost, in tokens of prefill.
 *
 *	         queue_weight * pending + uncached
 *	cost  =  ---------------------------------
 *	                     capacity
 *
 *	pending   prompt tokens that wait there for their prefill
 *	uncached  prompt tokens of this request that the row must compute
 *
 * Both parts are the same physical thing, so they add up, and the sum is
 * the time to the first token in units of one token's prefill.  A holder
 * wins as long as its queue is shorter than what it saves; no threshold and
 * no deviation from a mean is needed, and two pods work like two hundred.
 *
 * Unlike AIBrix (algorithms/prefix_cache.go), whose gate and limit are in
 * requests: there a cached request of 100 tokens and one of 100 000 count
 * the same, with two pods the limit can never refuse, and a spread of 9
 * requests gives up a prefix of any length.
 */

#include "route/route_internal.h"

enum { PENDING, RUNNING, CAPACITY, BLOCKS };
enum { LOAD_KNOWN, HELD, PROMPT };

/* Not below zero: see route_least_request.c. */
static double
requests_running(const struct route_view *view, uint32_t row)
{
	double requests = view_get(view, RUNNING, row, NAN);

	return requests < 0 ? 0 : requests;
}

static double
tokens_pending(const struct route_view *view, uint32_t row)
{
	double pending = view_get(view, PENDING, row, NAN);

	if (isnan(pending))
		return requests_running(view, row) *
		       view->route->tokens_per_request;
	return pending < 0 ? 0 : pending;
}

/* An index that says nothing of a row is taken at its worst: it holds
 * nothing. */
static double
blocks_held(const struct route_view *view, uint32_t row)
{
	double blocks = view_get(view, BLOCKS, row, 0);

	return blocks > 0 ? blocks : 0;
}

static void
prefix_prepare(struct route_view *view)
{
	const aibrix_route_request *request = view->request;
	uint32_t at = 0, row;

	while ((view->fact[LOAD_KNOWN] == 0 || view->fact[HELD] == 0) &&
	       route_next(view, &at, &row)) {
		if (!isnan(tokens_pending(view, row)))
			view->fact[LOAD_KNOWN] = 1;
		if (blocks_held(view, row) > 0)
			view->fact[HELD] = 1;
	}
	view->fact[PROMPT] =
		request->prompt_tokens
			? (double)request->prompt_tokens
			: (double)request->n_blocks * request->block_tokens;
}

static void
prefix_costs(const struct route_view *view, const uint32_t *rows, uint32_t n,
	     double *restrict out)
{
	const double per_request = view->route->tokens_per_request;
	const double weight = view->route->queue_weight;
	const double block_tokens = view->request->block_tokens;
	const double prompt = view->fact[PROMPT];
	/* When no row has a load, prefixes still tell them apart. */
	const double unknown =
		view->fact[LOAD_KNOWN] > 0 || view->fact[HELD] == 0 ? NAN : 0;
	double pending[ROUTE_BATCH], running[ROUTE_BATCH];
	double capacity[ROUTE_BATCH], blocks[ROUTE_BATCH];

	aibrix__route_get(view, PENDING, rows, n, pending);
	aibrix__route_get(view, RUNNING, rows, n, running);
	aibrix__route_get(view, CAPACITY, rows, n, capacity);
	aibrix__route_get(view, BLOCKS, rows, n, blocks);
	for (uint32_t i = 0; i < n; i++) {
		double guess = (running[i] < 0 ? 0 : running[i]) * per_request;
		double tokens = pending[i] < 0 ? 0 : pending[i];
		double cached = (blocks[i] > 0 ? blocks[i] : 0) * block_tokens;

		tokens = isnan(tokens) ? guess : tokens;
		tokens = isnan(tokens) ? unknown : tokens;
		cached = cached > prompt ? prompt : cached;
		out[i] = (weight * tokens + (prompt - cached)) /
			 (capacity[i] > 0 ? capacity[i] : 1);
	}
}

static void
prefix_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &aibrix__route_prefix_cache.rank, out);
	if (view->fact[HELD] == 0)
		out->reason = AIBRIX_REASON_PREFIX_NONE;
	else if (blocks_held(view, out->row) > 0)
		out->reason = AIBRIX_REASON_PREFIX;
	else
		out->reason = AIBRIX_REASON_PREFIX_SKIPPED;
}

/* What one waiting request of tokens_per_request is in this cost. */
static double
prefix_unit(const struct route_view *view)
{
	return view->route->queue_weight * view->route->tokens_per_request;
}

const struct route_ops aibrix__route_prefix_cache = {
	.columns = {AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_CAPACITY_RATIO, AIBRIX_COL_PREFIX_BLOCKS},
	.n_columns = 4,
	.rank = {.scores = prefix_costs,
		 .then = requests_running,
		 .lower_is_better = 1},
	.unit = prefix_unit,
	.prepare = prefix_prepare,
	.choose = prefix_choose,
};
