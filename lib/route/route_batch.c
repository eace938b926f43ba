/*
 * Rows in batches.
 *
 * A pick that asks for one row's score after another spends most of its time
 * in calls, and in asking again which columns there are.  A batch asks once,
 * keeps what it reads on the stack (4 KiB for the longest formula, within
 * the first-level cache), and chooses by masks where a row would branch, so
 * that compilers can do two or four rows at a time.  They do where the
 * candidates are rows in sequence, the usual fleet: nobody left, all healthy.
 */

#include "route/route_internal.h"

void
aibrix__route_scores(const struct route_view *view,
		     const struct route_rank *rank, const uint32_t *rows,
		     uint32_t n, double *restrict out)
{
	if (rank->scores) {
		rank->scores(view, rows, n, out);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		out[i] = rank->score(view, rows[i]);
}

void
aibrix__route_get(const struct route_view *view, uint32_t i,
		  const uint32_t *rows, uint32_t n, double *restrict out)
{
	const uint64_t oldest_ns = view->ask->oldest_ns;
	const uint64_t *set_ns = view->set_ns[i];
	const double *column = view->column[i];

	if (!column) {
		for (uint32_t k = 0; k < n; k++)
			out[k] = NAN;
	} else if (set_ns) {
		for (uint32_t k = 0; k < n; k++)
			out[k] = set_ns[rows[k]] < oldest_ns
					 ? NAN
					 : finite_or_nan(column[rows[k]]);
	} else if (view->ask->dense && n) {
		column += rows[0];
		for (uint32_t k = 0; k < n; k++)
			out[k] = finite_or_nan(column[k]);
	} else {
		for (uint32_t k = 0; k < n; k++)
			out[k] = finite_or_nan(column[rows[k]]);
	}
}

const double *
aibrix__route_column(const struct route_view *view, uint32_t i,
		     const uint32_t *rows, uint32_t n, double room[ROUTE_BATCH])
{
	if (view->column[i] && !view->set_ns[i] && view->ask->dense && n)
		return view->column[i] + rows[0];
	aibrix__route_get(view, i, rows, n, room);
	return room;
}
