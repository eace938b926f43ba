/* Least utilization, as the engine reports it.  Default: not when the value
 * is old or below zero, and a GPU's busy ratio where the engine reports
 * none (only xLLM does). */

#include "route/route_internal.h"

enum { UTILIZATION, BUSY };

static double
utilization_ratio(const struct route_view *view, uint32_t row)
{
	double ratio = view_gauge(view, UTILIZATION, row);

	return isnan(ratio) ? view_gauge(view, BUSY, row) : ratio;
}

/* As in route_least_busy_time.c. */
static double
utilization_unit(const struct route_view *view)
{
	(void)view;
	return 1.0 / 32;
}

const struct route_ops aibrix__route_least_utilization = {
	.columns = {AIBRIX_COL_UTILIZATION_RATIO, AIBRIX_COL_GPU_BUSY_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_UTILIZATION,
	.rank = {.score = utilization_ratio, .lower_is_better = 1},
	.unit = utilization_unit,
};

/* AIBrix: algorithms/least_util.go. */
static double
utilization_plain(const struct route_view *view, uint32_t row)
{
	return view_get(view, UTILIZATION, row, NAN);
}

const struct route_ops aibrix__route_least_utilization_compat = {
	.columns = {AIBRIX_COL_UTILIZATION_RATIO},
	.n_columns = 1,
	.reason = AIBRIX_REASON_LEAST_UTILIZATION,
	.rank = {.score = utilization_plain, .lower_is_better = 1},
};
