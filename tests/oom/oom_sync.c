#include <criterion/criterion.h>

#include <aibrix/sync.h>

#include "failing.h"

Test(oom_sync, all_memory_is_taken_at_once_and_nothing_later_can_fail)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_sync_opts opts = {
			.size = sizeof(opts), .epoch = 1, .alloc = &a};
		aibrix_sync_record r = {.key = "k", .key_bytes = 1};
		aibrix_sync_log *log = NULL;
		int err = aibrix_sync_log_new(&opts, &log);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(log);
			cr_expect_eq(f.live, 0);
			continue;
		}
		for (uint32_t j = 0; j < 40000; j++)
			cr_assert_eq(aibrix_sync_log_add(log, &r), AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_sync_log_free(log);
		cr_expect_eq(f.live, 0);
		break;
	}
}
