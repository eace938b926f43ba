#include <criterion/criterion.h>

#include <aibrix/evict.h>

#include "each_failure.h"

static int
density_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_DENSITY,
			       .capacity = 4,
			       .alloc = a};
	aibrix_evict *evict = NULL;
	uint64_t calls;
	uint32_t slot = 0;
	int err = aibrix_evict_new(&o, &evict);

	(void)arg;
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
	each_failure(density_use, NULL);
}
