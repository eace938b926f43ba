/* A fleet of n single-rank pods with ids 100, 101, ... for the routing
 * tests. */
#ifndef TESTS_FLEET_FIXTURE_H
#define TESTS_FLEET_FIXTURE_H

#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/route.h>

static inline aibrix_fleet *
fixture_fleet(uint32_t n, const aibrix_allocator *alloc)
{
	aibrix_fleet_opts opts = {
		.size = sizeof(opts), .max_rows = 4096, .alloc = alloc};
	aibrix_fleet *fleet;

	cr_assert_eq(aibrix_fleet_new(&opts, &fleet), AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++) {
		aibrix_owner owner = {100 + i, 0, 0};
		uint32_t row;

		cr_assert_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_OK);
		cr_assert_eq(row, i);
	}
	return fleet;
}

/* rows values, NAN for not known. */
static inline void
fixture_set(aibrix_fleet *fleet, uint32_t column, const double *values)
{
	cr_assert_eq(aibrix_fleet_set_column(fleet, column, values,
					     aibrix_fleet_rows(fleet), 0),
		     AIBRIX_OK);
}

static inline aibrix_route *
fixture_route(const char *strategy, uint32_t profile)
{
	aibrix_route_opts opts = {
		.size = sizeof(opts),
		.strategy = strategy,
		.profile = profile,
	};
	aibrix_route *route;

	cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
	return route;
}

static inline aibrix_route_result
fixture_pick(const aibrix_route *route, const aibrix_fleet *fleet,
	     const aibrix_route_request *request)
{
	aibrix_route_result result = {.size = sizeof(result)};

	cr_assert_eq(aibrix_route_pick(route, fleet, request, 0, &result),
		     AIBRIX_OK);
	return result;
}

#endif
