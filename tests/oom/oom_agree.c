#include <criterion/criterion.h>

#include <aibrix/agree.h>

#include "failing.h"

Test(agree, a_failed_new_leaves_nothing)
{
	uint64_t i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_agree_opts opts = {.size = sizeof(opts),
					  .ranks = 4,
					  .requests = 8,
					  .alloc = &a};
		const uint32_t length = 1;
		aibrix_agree *agree = NULL;
		int err = aibrix_agree_new(&opts, &agree);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(agree);
			cr_expect_eq(f.live, 0);
			cr_expect_eq(f.live_bytes, 0);
			continue;
		}
		cr_expect_eq(aibrix_agree_begin(agree, 1, 0, &length, 1, 0),
			     AIBRIX_OK);
		cr_expect_eq(f.calls, calls, "only new allocates");
		aibrix_agree_free(agree);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_eq(i, 4u);
}
