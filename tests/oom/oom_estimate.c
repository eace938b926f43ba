#include <criterion/criterion.h>

#include <aibrix/estimate.h>

#include "failing.h"
#include "fleet_fixture.h"

enum { ROWS = 40 };

/* A call that fails has changed nothing and can be repeated. */
static int
run(const aibrix_allocator *a, struct failing *f)
{
	aibrix_estimate_opts opts = {.size = sizeof(opts), .alloc = a};
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_estimate *estimate = NULL;
	int err = aibrix_estimate_new(&opts, &estimate), first = err;

	for (uint32_t row = 0; !err && row < ROWS; row++) {
		aibrix_work work = {.computed = 1000, .row = row};
		aibrix_charge charge = {.state = 9};

		err = aibrix_estimate_routed(estimate, fleet, &work, 0,
					     &charge);
		if (!err)
			continue;
		first = err;
		cr_assert_eq(charge.state, 9);
		f->fail_at = AIBRIX_FOREVER;
		err = aibrix_estimate_routed(estimate, fleet, &work, 0,
					     &charge);
	}
	cr_assert_eq(err != AIBRIX_OK, estimate == NULL);
	aibrix_estimate_free(estimate);
	aibrix_fleet_free(fleet);
	return first;
}

Test(estimate, without_memory_nothing_is_expected)
{
	int err = AIBRIX_E_NOMEM;

	for (uint64_t i = 0; err; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);

		err = run(&a, &f);
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOMEM);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
	}
}
