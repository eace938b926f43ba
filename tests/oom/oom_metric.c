#include <criterion/criterion.h>

#include <aibrix/meter.h>

#include "failing.h"

Test(metric, a_failed_new_leaves_nothing)
{
	static const uint64_t edges[] = {10, 100};
	uint64_t i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_histogram_opts opts = {.size = sizeof(opts),
					      .edges = edges,
					      .n_edges = 2,
					      .alloc = &a};
		aibrix_histogram *h = NULL;
		int err = aibrix_histogram_new(&opts, &h);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(h);
			cr_expect_eq(f.live, 0);
			continue;
		}
		aibrix_histogram_record(h, 7);
		cr_expect_eq(f.calls, calls, "only new allocates");
		aibrix_histogram_free(h);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_eq(i, 1u);
}

Test(metric, a_failed_new_meter_leaves_nothing)
{
	uint64_t i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_meter_opts opts = {.size = sizeof(opts), .alloc = &a};
		aibrix_meter_op op = {.size = sizeof(op)};
		aibrix_meter *m = NULL;
		int err = aibrix_meter_new(&opts, &m);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(m);
			cr_expect_eq(f.live, 0);
			cr_expect_eq(f.live_bytes, 0);
			continue;
		}
		cr_expect_eq(aibrix_meter_record(m, &op), AIBRIX_OK);
		cr_expect_eq(f.calls, calls, "only new allocates");
		cr_expect_leq(f.live_bytes, 280 * 1024, "%llu",
			      (unsigned long long)f.live_bytes);
		aibrix_meter_free(m);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_gt(i, 17u);
}
