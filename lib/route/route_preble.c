/*
 * prefix-cache-preble: who was sent the beginning of this prompt, against how
 * much everyone was sent in the last minutes.
 *
 * Default, in seconds of the history:
 *
 *	score = load + (1 - held share) * (least load + slack)
 *
 *	load    HISTORY_S / capacity
 *	slack   imbalance_abs (8) requests of the mean cost
 *
 * A row that holds the whole prompt is left when it was sent more than twice
 * what the idlest was, and eight requests; one that holds a third of it, a
 * third as soon.  So a prefix that everybody asks for spreads to as many rows
 * as it takes, one that few ask for stays, and nothing changes at a threshold.
 *
 * compat, AIBrix e3e10f9 (algorithms/prefix_cache_preble.go): where more than
 * half of the prompt is known, the row with the fewest requests of those that
 * hold the most of it; else the one with the least cost.  As with its prefix
 * strategy only rows at the minimum count once running requests are further
 * apart than imbalance_abs.
 */

#include "route/route_internal.h"

enum { BLOCKS, REQUESTS, SECONDS, RUNNING, CAPACITY };

/* Not more than the prompt has, and not below 0. */
static double
blocks_held(const struct route_view *view, uint32_t row)
{
	double blocks = view_get(view, BLOCKS, row, 0);
	double n = (double)view->request->n_blocks;

	if (blocks >= n)
		return n;
	return blocks > 0 ? blocks : 0;
}

/* default */
enum { KNOWN, WORTH, MEAN, HELD };
enum { KNOWS_NOBODY, KNOWS_RUNNING, KNOWS_HISTORY };

static double
load_of(const struct route_view *view, uint32_t row)
{
	double load = 0;

	if (view->fact[KNOWN] == KNOWS_HISTORY)
		load = view_count(view, SECONDS, row);
	else if (view->fact[KNOWN] == KNOWS_RUNNING)
		load = view_count(view, RUNNING, row);
	return load / view_capacity(view, CAPACITY, row);
}

static double
held_share(const struct route_view *view, uint32_t row)
{
	double n = (double)view->request->n_blocks;

	return n > 0 ? blocks_held(view, row) / n : 0;
}

/* The load of what is best known; whoever holds anything. */
static void
facts_find(struct route_view *view)
{
	uint32_t at = 0, row;

	while (route_next(view, &at, &row)) {
		if (!isnan(view_count(view, SECONDS, row)))
			view->fact[KNOWN] = KNOWS_HISTORY;
		else if (view->fact[KNOWN] == KNOWS_NOBODY &&
			 !isnan(view_count(view, RUNNING, row)))
			view->fact[KNOWN] = KNOWS_RUNNING;
		if (blocks_held(view, row) > 0)
			view->fact[HELD] = 1;
	}
}

/* Of whole nanoseconds, whose sum is the same in any order. */
static double
whole_ns(double seconds)
{
	return seconds < 1e6 ? floor(seconds * 1e9) : 1e15;
}

static void
preble_prepare(struct route_view *view)
{
	double least = INFINITY, ns = 0, requests = 0;
	uint32_t at = 0, row;

	facts_find(view);
	while (route_next(view, &at, &row)) {
		double load = load_of(view, row);
		double n = view_count(view, REQUESTS, row);

		if (isnan(load))
			continue;
		least = load < least ? load : least;
		if (isnan(n))
			continue;
		requests += n < 1e9 ? floor(n) : 1e9;
		ns += whole_ns(load);
	}
	/* A request among those running is one. */
	view->fact[MEAN] = 1;
	if (view->fact[KNOWN] == KNOWS_HISTORY)
		view->fact[MEAN] = requests > 0 ? ns * 1e-9 / requests : 0;
	view->fact[WORTH] = view->route->imbalance_abs * view->fact[MEAN];
	if (least < INFINITY)
		view->fact[WORTH] += least;
}

static double
preble_score(const struct route_view *view, uint32_t row)
{
	if (view->fact[KNOWN] == KNOWS_NOBODY && view->fact[HELD] == 0)
		return NAN;
	return load_of(view, row) +
	       (1 - held_share(view, row)) * view->fact[WORTH];
}

/* Where nobody was sent anything there is no worth, but there are blocks. */
static double
share_missing(const struct route_view *view, uint32_t row)
{
	return 1 - held_share(view, row);
}

static double
preble_unit(const struct route_view *view)
{
	return view->fact[MEAN] > 0 ? view->fact[MEAN] : 1;
}

static void
preble_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &view->ops->rank, out);
	if (view->fact[HELD] == 0)
		out->reason = AIBRIX_REASON_PREFIX_NONE;
	else
		out->reason = blocks_held(view, out->row) > 0
				      ? AIBRIX_REASON_PREFIX
				      : AIBRIX_REASON_PREFIX_SKIPPED;
}

const struct route_ops aibrix__route_preble = {
	.columns = {AIBRIX_COL_PREFIX_BLOCKS, AIBRIX_COL_HISTORY_REQUESTS,
		    AIBRIX_COL_HISTORY_S, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 5,
	.rank = {preble_score, share_missing, .lower_is_better = 1},
	.unit = preble_unit,
	.prepare = preble_prepare,
	.choose = preble_choose,
};

/* compat */
enum { CEILING, MOST, MOST_BELOW };

static double
running_or_zero(const struct route_view *view, uint32_t row)
{
	return view_get(view, RUNNING, row, 0);
}

static void
compat_prepare(struct route_view *view)
{
	double low = INFINITY, high = -INFINITY;
	uint32_t at = 0, row;

	while (route_next(view, &at, &row)) {
		double count = running_or_zero(view, row);
		double held = blocks_held(view, row);

		low = count < low ? count : low;
		high = count > high ? count : high;
		if (held > view->fact[MOST])
			view->fact[MOST] = held;
	}
	view->fact[CEILING] =
		high - low > view->route->imbalance_abs ? low : INFINITY;
	at = 0;
	while (route_next(view, &at, &row))
		if (running_or_zero(view, row) <= view->fact[CEILING] &&
		    blocks_held(view, row) > view->fact[MOST_BELOW])
			view->fact[MOST_BELOW] = blocks_held(view, row);
}

static int
half_known(const struct route_view *view)
{
	return 2 * view->fact[MOST] > (double)view->request->n_blocks;
}

static double
requests_of_holder(const struct route_view *view, uint32_t row, double most)
{
	return blocks_held(view, row) == most ? view_get(view, REQUESTS, row, 0)
					      : NAN;
}

/* Its score where strategies are combined, without the gate. */
static double
compat_score(const struct route_view *view, uint32_t row)
{
	return half_known(view)
		       ? requests_of_holder(view, row, view->fact[MOST])
		       : view_get(view, SECONDS, row, 0);
}

static double
gated_requests(const struct route_view *view, uint32_t row)
{
	return running_or_zero(view, row) <= view->fact[CEILING]
		       ? requests_of_holder(view, row, view->fact[MOST_BELOW])
		       : NAN;
}

static double
gated_seconds(const struct route_view *view, uint32_t row)
{
	return running_or_zero(view, row) <= view->fact[CEILING]
		       ? view_get(view, SECONDS, row, 0)
		       : NAN;
}

static const struct route_rank by_requests = {
	gated_requests, NULL, .lower_is_better = 1, .tie = TIE_FIRST};
static const struct route_rank by_seconds = {
	gated_seconds, NULL, .lower_is_better = 1, .tie = TIE_FIRST};

static void
compat_choose(const struct route_view *view, struct route_choice *out)
{
	if (half_known(view) && view->fact[MOST_BELOW] > 0) {
		aibrix__route_choose(view, &by_requests, out);
		out->reason = AIBRIX_REASON_PREFIX;
		return;
	}
	aibrix__route_choose(view, &by_seconds, out);
	out->reason = view->fact[MOST] > 0 ? AIBRIX_REASON_PREFIX_SKIPPED
					   : AIBRIX_REASON_PREFIX_NONE;
}

const struct route_ops aibrix__route_preble_compat = {
	.columns = {AIBRIX_COL_PREFIX_BLOCKS, AIBRIX_COL_HISTORY_REQUESTS,
		    AIBRIX_COL_HISTORY_S, AIBRIX_COL_REQUESTS_RUNNING},
	.n_columns = 4,
	.rank = {compat_score, NULL, .lower_is_better = 1, .tie = TIE_FIRST},
	.prepare = compat_prepare,
	.choose = compat_choose,
};
