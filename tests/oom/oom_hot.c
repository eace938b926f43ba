#include <criterion/criterion.h>

#include <aibrix/hot.h>

#include "failing.h"

Test(oom_hot, all_memory_is_taken_at_once_and_nothing_later_can_fail)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_hot_opts opts = {.size = sizeof(opts), .alloc = &a};
		aibrix_hot *hot = NULL;
		int err = aibrix_hot_new(&opts, &hot);
		uint64_t calls = f.calls, key;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(hot);
			cr_expect_eq(f.live, 0);
			continue;
		}
		for (uint64_t k = 0; k < 1000; k++) {
			const uint64_t hashes[] = {k % 3, k % 7, k};

			cr_expect_eq(aibrix_hot_note(hot, hashes, 3, &key),
				     AIBRIX_OK);
		}
		cr_expect_eq(f.calls, calls);
		aibrix_hot_free(hot);
		cr_expect_eq(f.live, 0);
		break;
	}
}
