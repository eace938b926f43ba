/*
 * Load as a share of what a row can take, and what this request adds: from
 * who keeps account of both (pending load, in-flight limits).
 *
 *	least-load           least load, however full
 *	least-load-pulling   least load with this request in it, if it fits
 *	pack-load            most load with this request in it, if it fits
 *
 * "Fits" is at most load_capacity, with 0.8 + 0.2 fitting into 1.  Where
 * nobody has room the pick fails, and the request stays where it waits:
 * E_UNAVAILABLE when somebody may have room later, E_NOT_FOUND when nobody's
 * load is known.
 *
 * Default: a load below 0 is an error and not the least; equals are drawn by
 * owner instead of always being the last of a list; least-load without any
 * load is drawn and says so, and an empty row can be packed.
 */

#include "route/route_internal.h"

enum { LOAD, ADDED };

static const double tolerance = 1e-9;

static double
load_now(const struct route_view *view, uint32_t row)
{
	return view_gauge(view, LOAD, row);
}

static double
load_compat(const struct route_view *view, uint32_t row)
{
	return view_get(view, LOAD, row, NAN);
}

static double
within(const struct route_view *view, double total)
{
	return total <= view->route->load_capacity + tolerance ? total : NAN;
}

static double
load_then(const struct route_view *view, uint32_t row)
{
	return within(view, view_gauge(view, LOAD, row) +
				    view_gauge(view, ADDED, row));
}

static double
load_then_compat(const struct route_view *view, uint32_t row)
{
	return within(view, view_get(view, LOAD, row, NAN) +
				    view_get(view, ADDED, row, NAN));
}

/* It begins at 0 there and asks for more. */
static double
load_packed_compat(const struct route_view *view, uint32_t row)
{
	double total = load_then_compat(view, row);

	return total > 0 ? total : NAN;
}

static void
choose_known(const struct route_view *view, struct route_choice *out)
{
	aibrix__route_choose(view, &view->ops->rank, out);
	out->reason = view->ops->reason;
	if (out->scored == 0)
		out->err = AIBRIX_E_NOT_FOUND;
}

static void
choose_fitting(const struct route_view *view, struct route_choice *out)
{
	uint32_t at = 0, row;

	choose_known(view, out);
	while (out->err && route_next(view, &at, &row))
		if (!isnan(view_get(view, LOAD, row, NAN)) &&
		    !isnan(view_get(view, ADDED, row, NAN)))
			out->err = AIBRIX_E_UNAVAILABLE;
}

static double
load_unit(const struct route_view *view)
{
	(void)view;
	return 1.0 / 32;
}

const struct route_ops aibrix__route_least_load = {
	.columns = {AIBRIX_COL_LOAD_RATIO},
	.n_columns = 1,
	.reason = AIBRIX_REASON_LEAST_LOAD,
	.rank = {.score = load_now, .lower_is_better = 1},
	.unit = load_unit,
};

const struct route_ops aibrix__route_least_load_compat = {
	.columns = {AIBRIX_COL_LOAD_RATIO},
	.n_columns = 1,
	.reason = AIBRIX_REASON_LEAST_LOAD,
	.rank = {load_compat, NULL, .lower_is_better = 1, .tie = TIE_LAST},
	.choose = choose_known,
};

const struct route_ops aibrix__route_least_load_pulling = {
	.columns = {AIBRIX_COL_LOAD_RATIO, AIBRIX_COL_REQUEST_LOAD_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_LOAD,
	.rank = {.score = load_then, .lower_is_better = 1},
	.alone = 1,
	.choose = choose_fitting,
};

const struct route_ops aibrix__route_least_load_pulling_compat = {
	.columns = {AIBRIX_COL_LOAD_RATIO, AIBRIX_COL_REQUEST_LOAD_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_LEAST_LOAD,
	.rank = {load_then_compat, NULL, .lower_is_better = 1, .tie = TIE_LAST},
	.alone = 1,
	.choose = choose_fitting,
};

const struct route_ops aibrix__route_pack_load = {
	.columns = {AIBRIX_COL_LOAD_RATIO, AIBRIX_COL_REQUEST_LOAD_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_PACK_LOAD,
	.rank = {.score = load_then, .lower_is_better = 0},
	.alone = 1,
	.choose = choose_fitting,
};

const struct route_ops aibrix__route_pack_load_compat = {
	.columns = {AIBRIX_COL_LOAD_RATIO, AIBRIX_COL_REQUEST_LOAD_RATIO},
	.n_columns = 2,
	.reason = AIBRIX_REASON_PACK_LOAD,
	.rank = {load_packed_compat, NULL, .lower_is_better = 0,
		 .tie = TIE_FIRST},
	.alone = 1,
	.choose = choose_fitting,
};
