#include <criterion/criterion.h>

#include <aibrix/estimate.h>

#include "each_failure.h"
#include "fleet_fixture.h"

enum { ROWS = 40 };

/* A call that fails has changed nothing and can be repeated. */
static int
use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	aibrix_estimate_opts opts = {.size = sizeof(opts), .alloc = a};
	aibrix_fleet *fleet = fixture_fleet(ROWS, NULL);
	aibrix_estimate *estimate = NULL;
	int err = aibrix_estimate_new(&opts, &estimate), first = err;

	(void)arg;
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
	each_failure(use, NULL);
}
