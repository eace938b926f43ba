/* A column of the caller: whatever it computes of a row, such as the fair
 * share of a tenant or a verdict of another service, is a strategy of its
 * own and a part of weighted ones. */

#include "route/route_internal.h"

static double
column_score(const struct route_view *view, uint32_t row)
{
	return view_get(view, 0, row, NAN);
}

const struct route_ops aibrix__route_least_user = {
	.columns = {AIBRIX_COL_USER},
	.n_columns = 1,
	.reason = AIBRIX_REASON_COLUMN,
	.rank = {.score = column_score, .lower_is_better = 1},
};

const struct route_ops aibrix__route_most_user = {
	.columns = {AIBRIX_COL_USER},
	.n_columns = 1,
	.reason = AIBRIX_REASON_COLUMN,
	.rank = {.score = column_score, .lower_is_better = 0},
};
