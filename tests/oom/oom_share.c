#include <criterion/criterion.h>

#include <aibrix/share.h>

#include "failing.h"

Test(share, all_memory_is_taken_at_first_or_none)
{
	int err = AIBRIX_E_NOMEM;

	for (uint64_t i = 0; err; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_share_opts opts = {
			.size = sizeof(opts), .max_counts = 8, .alloc = &a};
		aibrix_sync_opts log_opts = {.size = sizeof(log_opts),
					     .epoch = 1};
		aibrix_share *share = NULL;
		aibrix_sync_log *log = NULL;
		uint64_t calls;

		cr_assert_eq(aibrix_sync_log_new(&log_opts, &log), AIBRIX_OK);
		err = aibrix_share_new(&opts, &share);
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOMEM);
		cr_assert_eq(err != AIBRIX_OK, share == NULL);
		calls = f.calls;
		for (uint64_t pod = 0; !err && pod < 8; pod++) {
			aibrix_share_count c = {.pod = pod,
						.kind = AIBRIX_SHARE_LEDGER,
						.values = {1}};

			cr_expect_eq(aibrix_share_put(share, log, &c),
				     AIBRIX_OK);
		}
		cr_expect_eq(f.calls, calls);
		aibrix_share_free(share);
		aibrix_sync_log_free(log);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
	}
}
