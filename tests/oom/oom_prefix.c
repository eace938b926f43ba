#include <criterion/criterion.h>

#include <aibrix/prefix.h>

#include "failing.h"

enum { BLOCKS = 100 }; /* the hash table grows once */

Test(oom_prefix,
     what_was_added_before_the_failure_stays_and_the_rest_can_follow)
{
	uint64_t hashes[BLOCKS], pod = 7;

	for (uint64_t i = 0; i < BLOCKS; i++)
		hashes[i] = i;
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_prefix_opts opts = {.size = sizeof(opts), .alloc = &a};
		aibrix_prefix *prefix = NULL;
		uint32_t percent;
		int err = aibrix_prefix_new(&opts, &prefix), add = 1;

		if (!err) {
			add = aibrix_prefix_add(prefix, 0, pod, hashes, BLOCKS,
						0);
			err = add ? aibrix_prefix_add(prefix, 0, pod, hashes,
						      BLOCKS, 0)
				  : AIBRIX_OK;
			cr_expect_eq(err, AIBRIX_OK);
			cr_expect_eq(aibrix_prefix_count(prefix), BLOCKS);
			aibrix_prefix_match(prefix, 0, &pod, 1, hashes, BLOCKS,
					    0, &percent);
			cr_expect_eq(percent, 100);
		} else {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(prefix);
		}
		if (add < 0)
			cr_expect_eq(add, AIBRIX_E_NOMEM);
		aibrix_prefix_free(prefix);
		cr_expect_eq(f.live, 0);
		if (add == AIBRIX_OK)
			break;
	}
}
