/*
 * What a strategy is, and what it sees.
 *
 * A strategy says which columns it reads and how good a row is; filter,
 * choice, ties, reasons and explanation are written once, in route.c and
 * route_choose.c.  doc/modules/route.md has the recipe for a new one.
 */
#ifndef ROUTE_INTERNAL_H
#define ROUTE_INTERNAL_H

#include <math.h>

#include <aibrix/route.h>

#include "fleet/fleet_view.h"

enum { ROUTE_COLUMNS = 8, ROUTE_FACTS = 4 };

/* One decision, seen by one strategy. */
struct route_view {
	const struct aibrix_route *route;
	const aibrix_route_request *request; /* ours, defaults filled in */
	struct fleet_view fleet;
	const double *health;
	const double *column[ROUTE_COLUMNS]; /* in the order of ops->columns;
						NULL: nothing known */
	double fact[ROUTE_FACTS];            /* what prepare found out */
};

/* An order of rows.  Scores that are NaN or infinite are not known: such
 * rows come last, as equals. */
struct route_rank {
	double (*score)(const struct route_view *view, uint32_t row);
	/* among equal scores, lower first, NaN last; may be NULL */
	double (*then)(const struct route_view *view, uint32_t row);
	uint32_t lower_is_better;
};

struct route_choice {
	uint32_t row, reason;
	uint32_t scored; /* candidates with a score */
	uint32_t ties;   /* as good as row, row included */
};

struct route_ops {
	uint32_t columns[ROUTE_COLUMNS]; /* that the functions read */
	uint32_t n_columns;
	uint32_t reason; /* of a choice by rank */
	struct route_rank rank;
	/* Facts about all candidates, before any score; may be NULL. */
	void (*prepare)(struct route_view *view);
	/* NULL: the best by rank.  Otherwise fills out, and rank is what
	 * results and explanations show. */
	void (*choose)(const struct route_view *view, struct route_choice *out);
};

struct aibrix_route {
	aibrix_allocator alloc;
	const struct route_ops *ops;
	uint32_t profile;
	double tokens_per_request, queue_weight;
	double imbalance_abs, stddev_factor;
};

extern const struct route_ops aibrix__route_random;
extern const struct route_ops aibrix__route_least_request;
extern const struct route_ops aibrix__route_least_request_compat;
extern const struct route_ops aibrix__route_prefix_cache;
extern const struct route_ops aibrix__route_prefix_compat;

/* The best row; there is at least one candidate.  Leaves out->reason. */
void aibrix__route_choose(const struct route_view *view,
			  const struct route_rank *rank,
			  struct route_choice *out);

/* The i-th of ops->columns at row, or other when it is not known. */
static inline double
view_get(const struct route_view *view, uint32_t i, uint32_t row, double other)
{
	const double *column = view->column[i];

	return column && isfinite(column[row]) ? column[row] : other;
}

/* Walk over the usable candidates: *at begins at 0; 0 at the end. */
static inline int
route_next(const struct route_view *view, uint32_t *at, uint32_t *row)
{
	const uint32_t *rows = view->request->rows;
	uint32_t n = rows ? view->request->n_rows : view->fleet.rows;

	while (*at < n) {
		uint32_t r = rows ? rows[*at] : *at;

		++*at;
		/* NaN: nobody has judged it, so it is healthy. */
		if (fleet_view_used(&view->fleet, r) &&
		    !(view->health && view->health[r] <= 0)) {
			*row = r;
			return 1;
		}
	}
	return 0;
}

#endif
