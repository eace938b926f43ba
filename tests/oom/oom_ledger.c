#include <criterion/criterion.h>

#include <aibrix/ledger.h>

#include "each_failure.h"
#include "fleet_fixture.h"

enum { PICKS = 40 };

/* A failed pick charges nothing and can be repeated. */
static int
use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	aibrix_ledger_opts opts = {.size = sizeof(opts), .alloc = a};
	aibrix_fleet *fleet = fixture_fleet(5, NULL);
	aibrix_route *route = fixture_route("least-request", 0);
	aibrix_route_request request = {.size = sizeof(request)};
	aibrix_route_result result = {.size = sizeof(result)};
	aibrix_ledger *ledger = NULL;
	int err = aibrix_ledger_new(&opts, &ledger), first = err;
	uint64_t ticket;

	(void)arg;
	for (uint32_t i = 0; !err && i < PICKS; i++) {
		err = aibrix_ledger_pick(ledger, route, fleet, &request, 0,
					 &result, &ticket);
		if (!err)
			continue;
		first = err;
		cr_assert_eq(aibrix_ledger_open(ledger), i);
		f->fail_at = AIBRIX_FOREVER;
		err = aibrix_ledger_pick(ledger, route, fleet, &request, 0,
					 &result, &ticket);
	}
	cr_assert_eq(err != AIBRIX_OK, ledger == NULL);
	aibrix_ledger_free(ledger);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return first;
}

Test(ledger, without_memory_nothing_is_charged)
{
	each_failure(use, NULL);
}
