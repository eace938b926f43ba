#include <criterion/criterion.h>

#include <aibrix/limit.h>

#include "failing.h"

enum { USERS = 1000, NAMES = 3000 };

static void
use(aibrix_limit *limit)
{
	aibrix_limit_rate rate = {.units = 10};

	for (uint32_t i = 0; i < NAMES; i++) {
		aibrix_limit_request r = {.size = sizeof(r),
					  .name = &i,
					  .name_bytes = sizeof(i),
					  .requests = &rate,
					  .tokens = &rate,
					  .tokens_estimated = i % 10};
		aibrix_limit_verdict v = {.size = sizeof(v)};
		aibrix_limit_ticket t;

		cr_assert_eq(aibrix_limit_admit(limit, &r, i, &v, &t),
			     AIBRIX_OK);
		if (v.reason == 0 && i % 3 == 0)
			cr_assert_eq(aibrix_limit_settle(limit, &t, i % 20, i),
				     AIBRIX_OK);
	}
}

Test(oom_limit, all_memory_is_taken_at_once_and_nothing_later_can_fail)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_limit_opts opts = {
			.size = sizeof(opts), .users = USERS, .alloc = &a};
		aibrix_limit_stat stat = {.size = sizeof(stat)};
		aibrix_limit *limit = NULL;
		int err = aibrix_limit_new(&opts, &limit);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(limit);
			cr_expect_eq(f.live, 0);
			continue;
		}
		use(limit);
		cr_expect_eq(f.calls, calls);
		cr_expect_eq(aibrix_limit_stats(limit, &stat), AIBRIX_OK);
		cr_expect_eq(stat.bytes, f.live_bytes);
		aibrix_limit_free(limit);
		cr_expect_eq(f.live, 0);
		break;
	}
}
