#include <criterion/criterion.h>

#include <aibrix/pd_buckets.h>

#include "failing.h"

Test(pd_buckets, all_memory_is_taken_at_first_or_none)
{
	int err = AIBRIX_E_NOMEM;

	for (uint64_t i = 0; err; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_pd_buckets_opts opts = {.size = sizeof(opts),
					       .alloc = &a};
		const aibrix_pd_group groups[2] = {{.group = 1}, {.group = 2}};
		aibrix_pd_buckets *buckets = NULL;
		aibrix_pd_band band;
		uint64_t calls;

		err = aibrix_pd_buckets_new(&opts, &buckets);
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOMEM);
		cr_assert_eq(err != AIBRIX_OK, buckets == NULL);
		calls = f.calls;
		if (!err)
			cr_expect_eq(aibrix_pd_buckets_step(buckets, 5, 1,
							    groups, 2, &band),
				     AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_pd_buckets_free(buckets);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
	}
}
