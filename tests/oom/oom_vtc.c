#include <criterion/criterion.h>

#include <aibrix/vtc.h>
#include <aibrix/vtc_window.h>

#include "failing.h"

static void
use_queue(aibrix_vtc *v)
{
	const aibrix_vtc_request r = {
		.size = sizeof(r), .user = 1, .input_tokens = 5};
	aibrix_vtc_item item = {.size = sizeof(item)};
	uint64_t ticket;

	cr_assert_eq(aibrix_vtc_push(v, &r, 0, &ticket), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_pop(v, 0, &item), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_tokens(v, ticket, 3, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_vtc_done(v, ticket, 5, 3), AIBRIX_OK);
}

Test(vtc, a_failed_new_leaves_nothing_and_only_new_allocates)
{
	uint64_t i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_vtc_opts o = {
			.size = sizeof(o), .max_requests = 10, .alloc = &a};
		aibrix_vtc_stat stat = {.size = sizeof(stat)};
		aibrix_vtc *v = NULL;
		int err = aibrix_vtc_new(&o, &v);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(v);
			cr_expect_eq(f.live, 0);
			cr_expect_eq(f.live_bytes, 0);
			continue;
		}
		cr_assert_eq(aibrix_vtc_stats(v, &stat), AIBRIX_OK);
		cr_expect_eq(stat.bytes, f.live_bytes);
		use_queue(v);
		cr_expect_eq(f.calls, calls);
		aibrix_vtc_free(v);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_eq(i, 8u);
}

Test(vtc_window, a_failed_new_leaves_nothing_and_only_new_allocates)
{
	uint64_t i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_vtc_window_opts o = {
			.size = sizeof(o), .max_users = 10, .alloc = &a};
		aibrix_vtc_window *w = NULL;
		double tokens, most;
		int err = aibrix_vtc_window_new(&o, &w);
		uint64_t calls = f.calls;

		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(w);
			cr_expect_eq(f.live, 0);
			cr_expect_eq(f.live_bytes, 0);
			continue;
		}
		cr_expect_eq(aibrix_vtc_window_add(w, 1, 5, 5, 0), AIBRIX_OK);
		cr_expect_eq(aibrix_vtc_window_total(w, 1, 0, &tokens),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_vtc_window_range(w, 0, &tokens, &most),
			     AIBRIX_OK);
		cr_expect_eq(f.calls, calls);
		aibrix_vtc_window_free(w);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_eq(i, 11u);
}
