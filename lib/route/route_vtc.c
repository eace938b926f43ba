/*
 * vtc-basic, compat profile: least of a column that aibrix_vtc_scores fills,
 * the first of equals.  Without a user there is no column, and AIBrix draws.
 *
 * Default: least-request.  AIBrix (algorithms/vtc/vtc_basic.go) moves a user
 * who has had much to another place of a list that it has shuffled before,
 * which is no fairness; who has had much is to wait, and that is the order of
 * a queue, not a choice of a row: aibrix_vtc_pop, then this pick.
 */

#include "route/route_internal.h"

static double
user_score(const struct route_view *view, uint32_t row)
{
	return view_get(view, 0, row, NAN);
}

const struct route_ops aibrix__route_vtc_compat = {
	.columns = {AIBRIX_COL_USER_SCORE},
	.n_columns = 1,
	.reason = AIBRIX_REASON_USER_SCORE,
	.rank = {user_score, NULL, .lower_is_better = 1, .tie = TIE_FIRST},
};
