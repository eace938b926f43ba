#include <criterion/criterion.h>

#include <aibrix/evict.h>

#include "each_failure.h"

/* One order from birth to death; NULL and status when it cannot be made. */
static int
evict_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	const uint32_t *policy = arg;
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = *policy,
			       .capacity = 4,
			       .flags = AIBRIX_EVICT_CHILD_GUARD |
					AIBRIX_EVICT_WEIGH_COST,
			       .signals = 2,
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
	for (uint64_t key = 0; key < 100; key++) {
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

Test(evict, every_policy_survives_every_allocation_failure)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_AUTO; policy++)
		each_failure(evict_use, &policy);
}
