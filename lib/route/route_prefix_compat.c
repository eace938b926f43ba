/*
 * Prefix cache, compat profile: AIBrix e3e10f9, algorithms/prefix_cache.go.
 *
 *	gate    max - min of running > imbalance_abs: only rows at the minimum
 *	        may match
 *	match   rows with a block, by percent held, then by fewest running; the
 *	        first with running <= mean + factor * deviation, over all
 *	else    fewest running, over all
 *
 * Gate and limit are both an upper bound on the count of a match, so one
 * number, the lower of the two, is all that the match needs; and the first
 * acceptable one of a sorted list is the best of the acceptable ones, so
 * nothing is sorted.
 */

#include "route/route_internal.h"

enum { RUNNING, BLOCKS };
enum { CEILING, HELD };

static double
requests_or_zero(const struct route_view *view, uint32_t row)
{
	return view_get(view, RUNNING, row, 0);
}

/* Whole blocks, not more than the prompt has. */
static uint64_t
blocks_held(const struct route_view *view, uint32_t row)
{
	double blocks = view_get(view, BLOCKS, row, 0);
	uint64_t n = view->request->n_blocks;

	if (blocks >= (double)n)
		return n;
	return blocks > 0 ? (uint64_t)blocks : 0;
}

static double
match_percent(const struct route_view *view, uint32_t row)
{
	uint64_t n = view->request->n_blocks, held = blocks_held(view, row);

	if (held == 0)
		return 0;
	/* 100 * held fits, or n is so large that rounding it hides. */
	return (double)(held <= UINT64_MAX / 100 ? 100 * held / n
						 : held / (n / 100));
}

struct load {
	double min, max, mean, deviation;
};

/* The sample deviation (n - 1), 0 for one row (algorithms/util.go). */
static struct load
load_of(const struct route_view *view)
{
	struct load load = {INFINITY, -INFINITY, 0, 0};
	double sum = 0, squares = 0;
	uint32_t at = 0, n = 0, row;

	while (route_next(view, &at, &row)) {
		double count = requests_or_zero(view, row);

		load.min = count < load.min ? count : load.min;
		load.max = count > load.max ? count : load.max;
		sum += count;
		n++;
	}
	load.mean = sum / n;
	at = 0;
	while (route_next(view, &at, &row)) {
		double off = requests_or_zero(view, row) - load.mean;

		squares += off * off;
	}
	if (n > 1)
		load.deviation = sqrt(squares / (n - 1));
	return load;
}

static void
compat_prepare(struct route_view *view)
{
	const struct aibrix_route *route = view->route;
	const struct load load = load_of(view);
	double ceiling = load.mean + route->stddev_factor * load.deviation;
	uint32_t at = 0, row;

	if (load.max - load.min > route->imbalance_abs && load.min < ceiling)
		ceiling = load.min;
	view->fact[CEILING] = ceiling;
	while (route_next(view, &at, &row))
		if (blocks_held(view, row) > 0)
			view->fact[HELD] = 1;
}

static double
acceptable_percent(const struct route_view *view, uint32_t row)
{
	if (blocks_held(view, row) == 0 ||
	    !(requests_or_zero(view, row) <= view->fact[CEILING]))
		return NAN;
	return match_percent(view, row);
}

static const struct route_rank by_match = {acceptable_percent, requests_or_zero,
					   .lower_is_better = 0};
static const struct route_rank by_requests = {requests_or_zero, NULL,
					      .lower_is_better = 1};

static void
compat_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &by_match, out);
	if (out->scored) {
		out->reason = AIBRIX_REASON_PREFIX;
		return;
	}
	aibrix__route_choose(view, &by_requests, out);
	out->reason = view->fact[HELD] > 0 ? AIBRIX_REASON_PREFIX_SKIPPED
					   : AIBRIX_REASON_PREFIX_NONE;
}

/* The score that AIBrix gives when strategies are combined: the percent,
 * without gate and limit. */
const struct route_ops aibrix__route_prefix_compat = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_PREFIX_BLOCKS},
	.n_columns = 2,
	.rank = {match_percent, requests_or_zero, .lower_is_better = 0},
	.prepare = compat_prepare,
	.choose = compat_choose,
};
