#include <criterion/criterion.h>

#include "failing.h"
#include "fleet_fixture.h"

Test(route, a_router_without_memory_is_no_router)
{
	int err = AIBRIX_E_NOMEM;

	for (uint64_t i = 0; err; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_route_opts opts = {.size = sizeof(opts), .alloc = &a};
		aibrix_route *route = NULL;

		err = aibrix_route_new(&opts, &route);
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOMEM);
		cr_assert_eq(err != AIBRIX_OK, route == NULL);
		aibrix_route_free(route);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
	}
}

Test(route, pick_and_explain_allocate_nothing)
{
	static aibrix_route_score scores[1000];
	static const char *addresses[1000];
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_fleet *fleet = fixture_fleet(1000, &a);

	cr_assert_eq(
		aibrix_fleet_set(fleet, 500, AIBRIX_COL_REQUESTS_RUNNING, 1, 0),
		AIBRIX_OK);
	for (uint32_t i = 0; i < 1000; i++) {
		addresses[i] = "10.0.0.1:8000";
		cr_assert_eq(aibrix_fleet_set(fleet, i, AIBRIX_COL_LOAD_RATIO,
					      0.5, 0),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_fleet_set(fleet, i,
					      AIBRIX_COL_REQUEST_LOAD_RATIO,
					      0.1, 0),
			     AIBRIX_OK);
	}
	for (uint32_t i = 0; aibrix_route_strategy(i / 2); i++) {
		aibrix_route_opts opts = {.size = sizeof(opts),
					  .profile = i % 2,
					  .strategy =
						  aibrix_route_strategy(i / 2),
					  .alloc = &a};
		aibrix_route_request request = {
			.size = sizeof(request),
			.addresses = addresses,
			.n_addresses = 1000,
			.strategy = i == 2   ? "least-request:2,prefix-cache"
				    : i == 4 ? "least-request>throughput"
					     : NULL};
		aibrix_route *route;
		uint64_t calls;
		uint32_t n, lower;

		cr_assert_eq(aibrix_route_new(&opts, &route), AIBRIX_OK);
		calls = f.calls;
		cr_expect_eq(fixture_pick(route, fleet, &request).candidates,
			     1000);
		cr_expect_eq(aibrix_route_explain(route, fleet, &request, 0,
						  scores, 1000, &n, &lower),
			     AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_route_free(route);
	}
	aibrix_fleet_free(fleet);
	cr_expect_eq(f.live, 0);
}
