#include <criterion/criterion.h>

#include <aibrix/evict.h>

#include "failing.h"

static int
density_use(const aibrix_allocator *a, const struct failing *f)
{
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_DENSITY,
			       .capacity = 4,
			       .alloc = a};
	aibrix_evict *evict = NULL;
	uint64_t calls;
	uint32_t slot = 0;
	int err = aibrix_evict_new(&o, &evict);

	if (err) {
		cr_assert_null(evict, "output untouched on failure");
		return err;
	}
	calls = f->calls;
	/* Long enough for conclusions. */
	for (uint64_t key = 0; key < 3000; key++) {
		if (key >= 4)
			cr_assert_eq(aibrix_evict_pop(evict, &slot), 0);
		cr_assert_eq(aibrix_evict_insert(
				     evict, key < 4 ? (uint32_t)key : slot,
				     key % 9, AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
	}
	cr_expect_eq(f->calls, calls, "nothing allocates after new");
	aibrix_evict_free(evict);
	return AIBRIX_OK;
}

Test(density, survives_every_allocation_failure)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		int err = density_use(&a, &f);

		cr_assert_eq(f.live, 0, "leak when allocation %llu fails",
			     (unsigned long long)i);
		cr_assert_eq(f.live_bytes, 0, "sizes given back differ");
		if (err == AIBRIX_OK) {
			cr_assert_eq(i, f.calls, "the loop ended early");
			return;
		}
		cr_assert_eq(err, AIBRIX_E_NOMEM);
	}
}
