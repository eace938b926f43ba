/*
 * The SLO strategies: where a request goes whose turn it is.
 *
 *	aibrix_queue_plan        whose turn, and at which deployment
 *	aibrix_gpu_profile_load  the share of a row that it takes there:
 *	                         REQUEST_LOAD_RATIO, infinite where never
 *	here                     the row, among those of the deployment
 *
 *	slo, slo-least-load-pulling   least load with it, if it fits
 *	slo-least-load                least load, however full
 *	slo-pack-load                 most load with it, if it fits
 *
 * AIBrix (queue/slo_queue.go, pending_load_provider.go) does all of it in one
 * router, which waits.  Here the queue is the host's, and a pick that finds
 * everybody full says so (E_UNAVAILABLE): try what the plan has next.  Where
 * no candidate has a profile it is least-request, as there.
 *
 * Default: a load that is not known is not 0, and a row that can never serve
 * the request within its targets is none for slo-least-load, either.
 */

#include "route/route_internal.h"

enum { LOAD, ADDED, RUNNING, CAPACITY };
enum { RATED, ROOM }; /* who has a profile; who can ever serve it */

static const double tolerance = 1e-9;

static double
load_of(const struct route_view *view, uint32_t row)
{
	return view->route->profile == AIBRIX_PROFILE_COMPAT
		       ? view_get(view, LOAD, row, 0)
		       : view_gauge(view, LOAD, row);
}

/* Infinite is known here: never. */
static double
added_of(const struct route_view *view, uint32_t row)
{
	double added = view->column[ADDED] ? view->column[ADDED][row] : NAN;

	return added < 0 ? NAN : added;
}

static double
requests_of(const struct route_view *view, uint32_t row)
{
	if (view->route->profile == AIBRIX_PROFILE_COMPAT)
		return view_get(view, RUNNING, row, 0);
	return view_count(view, RUNNING, row) /
	       view_capacity(view, CAPACITY, row);
}

static void
slo_prepare(struct route_view *view)
{
	uint32_t at = 0, row;

	while (view->fact[ROOM] == 0 && route_next(view, &at, &row)) {
		double added = added_of(view, row);

		if (isnan(load_of(view, row)) || isnan(added))
			continue;
		view->fact[RATED] = 1;
		view->fact[ROOM] = added < INFINITY;
	}
}

static double
total_of(const struct route_view *view, uint32_t row)
{
	double total = load_of(view, row) + added_of(view, row);

	return total <= view->route->load_capacity + tolerance ? total : NAN;
}

static double
pull_score(const struct route_view *view, uint32_t row)
{
	return view->fact[RATED] > 0 ? total_of(view, row)
				     : requests_of(view, row);
}

static double
push_score(const struct route_view *view, uint32_t row)
{
	double added = added_of(view, row);

	if (view->fact[RATED] == 0)
		return requests_of(view, row);
	if (view->route->profile == AIBRIX_PROFILE_DEFAULT &&
	    (isnan(added) || added == INFINITY))
		return NAN;
	return load_of(view, row);
}

/* What is left of it, so that lower is better whoever decides.  AIBrix packs
 * no row that would be at 0. */
static double
pack_score(const struct route_view *view, uint32_t row)
{
	double total;

	if (view->fact[RATED] == 0)
		return requests_of(view, row);
	total = total_of(view, row);
	if (view->route->profile == AIBRIX_PROFILE_COMPAT && !(total > 0))
		return NAN;
	return view->route->load_capacity - total;
}

static void
slo_choose(const struct route_view *view, struct route_choice *out)
{
	struct route_rank rank = view->ops->rank;

	/* AIBrix's least-request draws among equals. */
	if (view->fact[RATED] == 0)
		rank.tie = TIE_DRAWN;
	aibrix__route_choose(view, &rank, out);
	out->reason = view->fact[RATED] > 0 ? view->ops->reason
					    : AIBRIX_REASON_LEAST_REQUEST;
	if (view->fact[RATED] > 0 && out->scored == 0)
		out->err = view->fact[ROOM] > 0 ? AIBRIX_E_UNAVAILABLE
						: AIBRIX_E_NOT_FOUND;
}

#define SLO_COLUMNS                                                            \
	.columns = {AIBRIX_COL_LOAD_RATIO, AIBRIX_COL_REQUEST_LOAD_RATIO,      \
		    AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_CAPACITY_RATIO},   \
	.n_columns = 4, .alone = 1, .prepare = slo_prepare,                    \
	.choose = slo_choose

const struct route_ops aibrix__route_slo_pull = {
	SLO_COLUMNS,
	.reason = AIBRIX_REASON_LEAST_LOAD,
	.rank = {pull_score, NULL, .lower_is_better = 1, .tie = TIE_LAST},
};

const struct route_ops aibrix__route_slo_push = {
	SLO_COLUMNS,
	.reason = AIBRIX_REASON_LEAST_LOAD,
	.rank = {push_score, NULL, .lower_is_better = 1, .tie = TIE_LAST},
};

const struct route_ops aibrix__route_slo_pack = {
	SLO_COLUMNS,
	.reason = AIBRIX_REASON_PACK_LOAD,
	.rank = {pack_score, NULL, .lower_is_better = 1, .tie = TIE_FIRST},
};
