#include <math.h>

#include <criterion/criterion.h>

#include <aibrix/fleet.h>

#include "failing.h"

/* Fills a fleet past several growths; the first status that is not OK. */
static int
fill(aibrix_fleet *fleet)
{
	double values[40];
	int err = AIBRIX_OK;

	for (uint64_t pod = 0; !err && pod < 40; pod++) {
		uint32_t before = aibrix_fleet_rows(fleet), row = 99;

		err = aibrix_fleet_add(fleet, &(aibrix_owner){pod, 0, 0}, &row);
		if (err) {
			cr_assert_eq(aibrix_fleet_rows(fleet), before);
			cr_assert_eq(row, 99);
			return err;
		}
		err = aibrix_fleet_set(fleet, row, (uint32_t)pod % 3, 1, pod);
	}
	for (uint32_t i = 0; i < 40; i++)
		values[i] = i;
	return err ? err : aibrix_fleet_set_column(fleet, 9, values, 40, 0);
}

/* All that was taken in is still there. */
static void
check(const aibrix_fleet *fleet)
{
	uint32_t rows = aibrix_fleet_rows(fleet), row;

	for (uint32_t i = 0; i < rows; i++) {
		aibrix_owner owner;

		cr_assert_eq(aibrix_fleet_owner(fleet, i, &owner), AIBRIX_OK);
		cr_assert_eq(owner.pod, i);
		cr_assert_eq(aibrix_fleet_find(fleet, &owner, &row), 0);
		cr_assert_eq(row, i);
		/* only the last row can have failed to get its value */
		if (i + 1 < rows)
			cr_assert_eq(aibrix_fleet_column(fleet, i % 3)[i], 1);
	}
}

Test(fleet, every_failed_allocation_leaves_the_fleet_as_it_was)
{
	int err = AIBRIX_E_NOMEM;

	for (uint64_t i = 0; err; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_fleet_opts opts = {.size = sizeof(opts), .alloc = &a};
		aibrix_fleet *fleet = NULL;

		err = aibrix_fleet_new(&opts, &fleet);
		if (!err) {
			err = fill(fleet);
			check(fleet);
		} else {
			cr_assert_null(fleet);
		}
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOMEM);
		if (err && fleet) {
			f.fail_at = AIBRIX_FOREVER;
			cr_assert_eq(aibrix_fleet_set(fleet, 0, 77, 1, 0),
				     aibrix_fleet_rows(fleet)
					     ? AIBRIX_OK
					     : AIBRIX_E_NOT_FOUND);
		}
		aibrix_fleet_free(fleet);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
	}
}
