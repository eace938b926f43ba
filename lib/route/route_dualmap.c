/*
 * dualmap: the beginning of a prompt points to two rows, and the better one of
 * them gets it.  What begins alike meets at one of two caches, and two choices
 * are enough to keep loads even.
 *
 * The key is of the host's: aibrix_hot_note has the shortest beginning that is
 * not too frequent.  Each of two hashes of key and owner orders the rows; the
 * first of each order are the pair, of the second order the first that is
 * another row.
 *
 * default: the lower cost of prefix-cache, which knows work and capacity.
 *
 * compat (AIBrix's later revisions): the one that holds more, unless more than
 * tokens_per_request wait there: then the one where fewer wait.  Where both
 * hashes say one row, the next one of the caller's list is the second.  Its
 * rings of a hundred points for each pod are orders here, which share more
 * evenly and need no ring.
 */

#include "base/rand.h"
#include "route/route_internal.h"

enum { PENDING, RUNNING, CAPACITY, BLOCKS };
enum { PAIR = 3, CHOSEN = 0 }; /* default: the others are prefix-cache's */

/* Of two rows, each below 65536, one number. */
static double
pair_of(uint32_t a, uint32_t b)
{
	return a * 65536.0 + b;
}

static uint32_t
pair_first(const struct route_view *view)
{
	return (uint32_t)(view->fact[PAIR] / 65536);
}

static uint32_t
pair_second(const struct route_view *view)
{
	return (uint32_t)view->fact[PAIR] % 65536;
}

struct best {
	uint64_t lot;
	uint32_t row;
	int found;
};

static void
best_take(const struct route_view *view, struct best *best, uint64_t key,
	  uint32_t row)
{
	const aibrix_owner *owners = view->ask->fleet.owners;
	uint64_t lot = aibrix__route_lot(&owners[row], key);

	/* Lots of two owners differ but by chance, and then by owner. */
	if (best->found && (lot < best->lot ||
			    (lot == best->lot &&
			     (owners[row].pod > owners[best->row].pod ||
			      (owners[row].pod == owners[best->row].pod &&
			       owners[row].rank > owners[best->row].rank)))))
		return;
	*best = (struct best){lot, row, 1};
}

/* The row behind another one in the caller's list. */
static uint32_t
row_behind(const struct route_view *view, uint32_t of)
{
	uint32_t at = 0, row, first = of, last = UINT32_MAX;

	while (route_next(view, &at, &row)) {
		if (last == of)
			return row;
		if (last == UINT32_MAX)
			first = row;
		last = row;
	}
	return first;
}

static void
pair_find(struct route_view *view)
{
	const uint64_t golden = 0x9e3779b97f4a7c15u;
	const uint64_t key = mix64(view->request->prefix_key);
	const uint64_t other = mix64(key + golden);
	struct best a = {0, 0, 0}, b = {0, 0, 0};
	uint32_t at = 0, row;

	view->fact[PAIR] = -1;
	if (view->request->prefix_key == 0)
		return;
	while (route_next(view, &at, &row))
		best_take(view, &a, key, row);
	at = 0;
	while (route_next(view, &at, &row))
		if (row != a.row ||
		    view->route->profile == AIBRIX_PROFILE_COMPAT)
			best_take(view, &b, other, row);
	if (!b.found || b.row == a.row)
		b.row = row_behind(view, a.row);
	view->fact[PAIR] = pair_of(a.row, b.row);
}

static int
in_pair(const struct route_view *view, uint32_t row)
{
	return view->fact[PAIR] < 0 || row == pair_first(view) ||
	       row == pair_second(view);
}

static void
dual_prepare(struct route_view *view)
{
	aibrix__route_prefix_cache.prepare(view);
	pair_find(view);
}

static double
dual_cost(const struct route_view *view, uint32_t row)
{
	double cost = NAN;

	if (in_pair(view, row))
		aibrix__route_prefix_cache.rank.scores(view, &row, 1, &cost);
	return cost;
}

/* Of equals the first: it is likely to hold more next time. */
static double
dual_second(const struct route_view *view, uint32_t row)
{
	return view->fact[PAIR] >= 0 && row != pair_first(view);
}

static void
dual_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &view->ops->rank, out);
	if (view->fact[PAIR] < 0) {
		out->reason = AIBRIX_REASON_PREFIX_NONE;
		return;
	}
	/* Nothing is known of either: the key still says where. */
	if (out->scored == 0) {
		out->row = pair_first(view);
		out->scored = out->ties = 1;
	}
	out->reason = out->row == pair_first(view) ? AIBRIX_REASON_DUAL_FIRST
						   : AIBRIX_REASON_DUAL_SECOND;
}

const struct route_ops aibrix__route_dualmap = {
	.columns = {AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_CAPACITY_RATIO, AIBRIX_COL_PREFIX_BLOCKS},
	.n_columns = 4,
	.rank = {dual_cost, dual_second, .lower_is_better = 1},
	.alone = 1,
	.prepare = dual_prepare,
	.choose = dual_choose,
};

static void
compat_prepare(struct route_view *view)
{
	const double bound = view->route->tokens_per_request;
	uint32_t a, b, chosen;

	pair_find(view);
	if (view->fact[PAIR] < 0)
		return;
	a = pair_first(view);
	b = pair_second(view);
	chosen = view_get(view, BLOCKS, b, 0) > view_get(view, BLOCKS, a, 0)
			 ? b
			 : a;
	if (view_get(view, PENDING, chosen, 0) > bound) {
		uint32_t rest = chosen == a ? b : a;

		if (view_get(view, PENDING, rest, 0) <
		    view_get(view, PENDING, chosen, 0))
			chosen = rest;
	}
	view->fact[CHOSEN] = chosen;
}

/* 0 for the one of the two, 1 for the other one. */
static double
compat_score(const struct route_view *view, uint32_t row)
{
	if (view->fact[PAIR] < 0 || !in_pair(view, row))
		return NAN;
	return row != (uint32_t)view->fact[CHOSEN];
}

static void
compat_choose(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &view->ops->rank, out);
	out->reason = out->row == pair_first(view) ? AIBRIX_REASON_DUAL_FIRST
						   : AIBRIX_REASON_DUAL_SECOND;
}

const struct route_ops aibrix__route_dualmap_compat = {
	.columns = {AIBRIX_COL_TOKENS_PENDING, AIBRIX_COL_REQUESTS_RUNNING,
		    AIBRIX_COL_CAPACITY_RATIO, AIBRIX_COL_PREFIX_BLOCKS},
	.n_columns = 4,
	.rank = {compat_score, NULL, .lower_is_better = 1},
	.alone = 1,
	.prepare = compat_prepare,
	.choose = compat_choose,
};
