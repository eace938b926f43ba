/* Least busy GPU.  Default: the ratio, and without one the engine's own
 * utilization; AIBrix reads a gauge that nothing in it produces, so it draws
 * at random, and nobody is told. */

#include "route/route_internal.h"

enum { BUSY, UTILIZATION };

static double
busy_ratio(const struct route_view *view, uint32_t row)
{
	double busy = view_gauge(view, BUSY, row);

	return isnan(busy) ? view_gauge(view, UTILIZATION, row) : busy;
}

/* One of some 32 requests that keep a GPU busy. */
static double
busy_unit(const struct route_view *view)
{
	(void)view;
	return 1.0 / 32;
}

const struct route_ops aibrix__route_least_busy_time = {
	.columns = {AIBRIX_COL_GPU_BUSY_RATIO, AIBRIX_COL_UTILIZATION_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_BUSY_TIME,
	.rank = {.score = busy_ratio, .lower_is_better = 1},
	.unit = busy_unit,
};

/* AIBrix: algorithms/least_busy_time.go. */
static double
busy_plain(const struct route_view *view, uint32_t row)
{
	return view_get(view, BUSY, row, NAN);
}

const struct route_ops aibrix__route_least_busy_time_compat = {
	.columns = {AIBRIX_COL_GPU_BUSY_RATIO},
	.n_columns = 1,
	.reason = AIBRIX_REASON_LEAST_BUSY_TIME,
	.rank = {busy_plain, NULL, .lower_is_better = 1, .tie = TIE_FIRST},
};
