#include <criterion/criterion.h>

#include <aibrix/prefix.h>

#include "failing.h"

enum { BLOCKS = 100, PODS = 9 };

Test(oom_prefix, all_memory_is_taken_at_once_and_nothing_later_can_fail)
{
	uint64_t hashes[3 * BLOCKS];

	for (uint64_t i = 0; i < 3 * BLOCKS; i++)
		hashes[i] = i;
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_prefix_opts opts = {.size = sizeof(opts),
					   .max_blocks = BLOCKS,
					   .alloc = &a,
					   .max_pods = PODS - 1};
		aibrix_prefix_stat stat = {.size = sizeof(stat)};
		aibrix_prefix *prefix = NULL;
		int err = aibrix_prefix_new(&opts, &prefix);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(prefix);
			cr_expect_eq(f.live, 0);
			continue;
		}
		for (uint64_t pod = 0; pod < PODS; pod++)
			cr_expect_eq(aibrix_prefix_add(prefix, 0, pod, hashes,
						       3 * BLOCKS, pod),
				     AIBRIX_OK);
		aibrix_prefix_forget(prefix, 3);
		cr_expect_eq(f.calls, calls);
		cr_expect_eq(aibrix_prefix_stats(prefix, &stat), AIBRIX_OK);
		cr_expect_eq(stat.bytes, f.live_bytes);
		cr_expect_eq(stat.blocks, BLOCKS);
		aibrix_prefix_free(prefix);
		cr_expect_eq(f.live, 0);
		break;
	}
}
