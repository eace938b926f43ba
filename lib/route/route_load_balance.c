/*
 * Requests running for the rate at which the row finishes them: the time in
 * which it would be idle.
 *
 * Default: a row of unknown rate is taken for the middle of the others, and
 * equals go to the emptier KV cache.
 */

#include "route/route_internal.h"

enum { RUNNING, RATE, KV };
enum { RATE_GUESS };

/* Not a mean: that would depend on the order of rows in its last bit. */
static void
rate_prepare(struct route_view *view)
{
	double low = INFINITY, high = 0;
	uint32_t at = 0, row;

	while (route_next(view, &at, &row)) {
		double rate = view_get(view, RATE, row, 0);

		if (rate > 0) {
			low = rate < low ? rate : low;
			high = rate > high ? rate : high;
		}
	}
	view->fact[RATE_GUESS] = high > 0 ? low / 2 + high / 2 : 1;
}

static double
idle_s(const struct route_view *view, uint32_t row)
{
	double rate = view_get(view, RATE, row, 0);

	return view_count(view, RUNNING, row) /
	       (rate > 0 ? rate : view->fact[RATE_GUESS]);
}

static double
kv_ratio(const struct route_view *view, uint32_t row)
{
	return view_gauge(view, KV, row);
}

/* One request more, where the rate is as in the middle. */
static double
idle_unit(const struct route_view *view)
{
	return 1 / view->fact[RATE_GUESS];
}

const struct route_ops aibrix__route_load_balance = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_REQUESTS_PER_S,
		    AIBRIX_COL_KV_USAGE_RATIO},
	.n_columns = 3,
	.reason = AIBRIX_REASON_LOAD_BALANCE,
	.rank = {idle_s, kv_ratio, .lower_is_better = 1},
	.prepare = rate_prepare,
	.unit = idle_unit,
};

/* AIBrix: a rate of 1 where none above 0 is known, a count of 0. */
static double
idle_compat(const struct route_view *view, uint32_t row)
{
	double rate = view_get(view, RATE, row, 0);

	return view_get(view, RUNNING, row, 0) / (rate > 0 ? rate : 1);
}

const struct route_ops aibrix__route_load_balance_compat = {
	.columns = {AIBRIX_COL_REQUESTS_RUNNING, AIBRIX_COL_REQUESTS_PER_S},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LOAD_BALANCE,
	.rank = {.score = idle_compat, .lower_is_better = 1},
};
