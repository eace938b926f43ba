/* The rows of a fleet in place, for modules that walk over all of them and
 * cannot afford a call per row.  Borrowed until the next non-const call. */
#ifndef FLEET_VIEW_H
#define FLEET_VIEW_H

#include <aibrix/fleet.h>

struct fleet_view {
	const aibrix_owner *owners; /* by row; garbage in free rows */
	const uint64_t *used;       /* one bit per row */
	uint32_t rows, count;
};

struct fleet_view aibrix__fleet_view(const aibrix_fleet *fleet);

/* When each value of a column that has values was set. */
const uint64_t *aibrix__fleet_times(const aibrix_fleet *fleet, uint32_t column);

static inline int
fleet_view_used(const struct fleet_view *view, uint32_t row)
{
	return row < view->rows && (view->used[row / 64] >> row % 64 & 1);
}

#endif
