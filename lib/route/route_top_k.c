/*
 * Any of the K rows with the fewest requests that are about as good as the
 * best: no herd, and no row that is much worse.
 *
 * A row that joined less than ramp_ns ago counts as having the least count of
 * the warm ones on top, less as it gets older: it begins with its share, not
 * with all of the traffic that an empty row would get.
 *
 * Default: requests for their capacity; a row of unknown count is left out;
 * the draw is by owner, so neither order of rows nor of the list matters.
 */

#include "base/rand.h"
#include "route/route_internal.h"

enum { RUNNING, JOINED, CAPACITY };
enum { WARM_MIN, NOW_S, RAMP_S };

/* From 1 for a row that joins now to 0 for one that is warm. */
static double
row_coldness(const struct route_view *view, uint32_t row)
{
	double age = view->fact[NOW_S] - view_get(view, JOINED, row, -INFINITY);

	if (!(age < view->fact[RAMP_S]))
		return 0;
	return age > 0 ? 1 - age / view->fact[RAMP_S] : 1;
}

static double
row_requests(const struct route_view *view, uint32_t row)
{
	if (view->route->profile == AIBRIX_PROFILE_COMPAT)
		return view_get(view, RUNNING, row, 0);
	return view_count(view, RUNNING, row) /
	       view_capacity(view, CAPACITY, row);
}

static void
top_prepare(struct route_view *view)
{
	double warm_min = INFINITY;
	uint32_t at = 0, row;

	view->fact[NOW_S] = (double)view->ask->now_ns / 1e9;
	view->fact[RAMP_S] = (double)view->route->ramp_ns / 1e9;
	while (route_next(view, &at, &row)) {
		double requests = row_requests(view, row);

		if (row_coldness(view, row) == 0 && requests < warm_min)
			warm_min = requests;
	}
	/* All are new: nobody waits for anybody. */
	view->fact[WARM_MIN] = isfinite(warm_min) ? warm_min : 0;
}

static double
top_score(const struct route_view *view, uint32_t row)
{
	double more = view->fact[WARM_MIN] * row_coldness(view, row);

	if (view->route->profile == AIBRIX_PROFILE_COMPAT)
		more = round(more);
	return row_requests(view, row) + more;
}

struct top {
	double score;
	uint64_t lot;
	uint32_t row;
};

static int
top_below(const struct route_view *view, const struct top *a,
	  const struct top *b)
{
	const aibrix_owner *owners = view->ask->fleet.owners;

	if (a->score != b->score)
		return a->score < b->score;
	if (a->lot != b->lot)
		return a->lot < b->lot;
	if (owners[a->row].pod != owners[b->row].pod)
		return owners[a->row].pod < owners[b->row].pod;
	return owners[a->row].rank < owners[b->row].rank;
}

/* The best of all, best first; AIBrix shuffles before it sorts. */
static uint32_t
top_collect(const struct route_view *view, struct top *top,
	    struct route_choice *out)
{
	const int compat = view->route->profile == AIBRIX_PROFILE_COMPAT;
	uint64_t state = view->request->entropy;
	uint32_t at = 0, row, n = 0, i;

	out->scored = 0;
	while (route_next(view, &at, &row)) {
		struct top t = {view_score(view, row), 0, row};

		if (isnan(t.score))
			continue;
		out->scored++;
		t.lot = compat ? rand_next(&state)
			       : aibrix__route_lot(
					 &view->ask->fleet.owners[row], state);
		if (n < view->route->top_k)
			n++;
		else if (!top_below(view, &t, &top[n - 1]))
			continue;
		for (i = n - 1; i > 0 && top_below(view, &t, &top[i - 1]); i--)
			top[i] = top[i - 1];
		top[i] = t;
	}
	return n;
}

static void
top_choose(const struct route_view *view, struct route_choice *out)
{
	struct top top[ROUTE_TOP_MAX];
	uint64_t state = mix64(view->request->entropy + 1);
	uint32_t n = top_collect(view, top, out), near = 0;

	out->reason = AIBRIX_REASON_TOP_K;
	if (n == 0) {
		aibrix__route_choose(view, &view->ops->rank, out);
		return;
	}
	while (near < n &&
	       top[near].score <= top[0].score + view->route->top_k_epsilon)
		near++;
	out->ties = near;
	out->row = top[rand_below(&state, near)].row;
}

const struct route_ops aibrix__route_top_k = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_JOINED_S,
		    AIBRIX_COL_CAPACITY_RATIO},
	.n_columns = 3,
	.rank = {.score = top_score, .lower_is_better = 1},
	.prepare = top_prepare,
	.choose = top_choose,
};

const struct route_ops aibrix__route_top_k_compat = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_JOINED_S},
	.n_columns = 2,
	.rank = {.score = top_score, .lower_is_better = 1},
	.prepare = top_prepare,
	.choose = top_choose,
};
