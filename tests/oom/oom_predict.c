#include <criterion/criterion.h>

#include <aibrix/predict.h>

#include "failing.h"

enum { BLOCKS = 100, OWNERS = 9 };

Test(oom_predict, all_memory_is_taken_at_once_and_nothing_later_can_fail)
{
	uint64_t hashes[3 * BLOCKS];
	double blocks[OWNERS] = {0};

	for (uint64_t i = 0; i < 3 * BLOCKS; i++)
		hashes[i] = i;
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_predict_opts opts = {.size = sizeof(opts),
					    .max_owners = OWNERS,
					    .max_blocks = BLOCKS,
					    .alloc = &a};
		aibrix_predict_stat stat = {.size = sizeof(stat)};
		aibrix_predict *predict = NULL;
		int err = aibrix_predict_new(&opts, &predict);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(predict);
			cr_expect_eq(f.live, 0);
			continue;
		}
		for (uint32_t owner = 0; owner < OWNERS; owner++)
			cr_expect_eq(aibrix_predict_add(predict, owner, hashes,
							3 * BLOCKS, owner, 0),
				     AIBRIX_OK);
		cr_expect_eq(aibrix_predict_match(predict, hashes, 3 * BLOCKS,
						  0, blocks, OWNERS),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_predict_confirm(predict, 0, hashes, BLOCKS),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_predict_forget(predict, 3), AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		cr_expect_eq(aibrix_predict_stats(predict, &stat), AIBRIX_OK);
		cr_expect_eq(stat.bytes, f.live_bytes);
		cr_expect_eq(stat.blocks, BLOCKS);
		aibrix_predict_free(predict);
		cr_expect_eq(f.live, 0);
		break;
	}
}
