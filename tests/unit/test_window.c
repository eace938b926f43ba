/* What a window does beside the tables: order, gaps, clocks, refusals. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "window_box.h"

Test(window, equal_values_have_that_mean_for_every_number_of_them)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 100, 1);

	for (int i = 0; i < 1000; i++) {
		box_add(&b, i / 7.0, 0.1);
		cr_assert_eq(box_view(&b, i / 7.0).value, 0.1, "%d", i);
	}
}

Test(window, what_has_expired_counts_no_more_though_nothing_comes)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 10, 1);

	box_add(&b, 0, 100);
	box_add(&b, 5, 10);

	cr_expect_eq(box_view(&b, 9).value, 55);
	cr_expect_eq(box_view(&b, 10).value, 10);
	cr_expect_eq(box_view(&b, 14).value, 10);
	cr_expect_eq(box_view(&b, 15).state, AIBRIX_WINDOW_STALE);
	cr_expect(isnan(box_view(&b, 15).value));
}

Test(window, states_say_what_a_mean_may_lean_on)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 10, 1);

	cr_expect_eq(box_view(&b, 0).state, AIBRIX_WINDOW_EMPTY);
	cr_expect_eq(box_view(&b, 0).age_ns, AIBRIX_FOREVER);
	box_add(&b, 0, 1);
	cr_expect_eq(box_view(&b, 8).state, AIBRIX_WINDOW_PARTIAL);
	cr_expect_eq(box_view(&b, 8).age_ns, 8000000000);
	cr_expect_eq(box_view(&b, 9).state, AIBRIX_WINDOW_FULL);
	cr_expect_eq(box_view(&b, 10).state, AIBRIX_WINDOW_STALE);
}

Test(window, a_mean_weighs_every_sample_and_not_every_slot)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 10, 1);

	box_add(&b, 0, 1);
	box_add(&b, 1, 4);
	box_add(&b, 1.5, 7);

	cr_expect_eq(box_view(&b, 2).value, 4);
	cr_expect_eq(box_view(&b, 2).samples, 3);
}

Test(window, samples_may_come_in_any_order)
{
	struct box a = box_of(AIBRIX_WINDOW_LINEAR, 10, 1);
	struct box b = box_of(AIBRIX_WINDOW_LINEAR, 10, 1);

	for (int i = 0; i < 10; i++) {
		box_add(&a, i, i);
		box_add(&b, i == 9 ? 0 : 9 - i, i == 9 ? 0 : 9 - i);
	}

	cr_expect_eq(box_view(&a, 9).value, 4.5);
	cr_expect_eq(box_view(&b, 9).value, 4.5);
}

Test(window, a_sample_older_than_the_window_is_refused)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 10, 1), was;
	aibrix_window *w = box_window(&b);

	box_add(&b, 20, 3);
	was = b;
	cr_expect_eq(aibrix_window_add(w, 9, box_time(10)), AIBRIX_E_STATE);
	cr_expect_eq(memcmp(&b, &was, sizeof(b)), 0);
	box_add(&b, 11, 9);
	cr_expect_eq(box_view(&b, 20).value, 6);
}

Test(window, a_clock_that_was_set_back_begins_again_by_clear)
{
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 10, 1);
	aibrix_window *w = box_window(&b);

	box_add(&b, 1000000, 3);
	cr_expect_eq(aibrix_window_add(w, 5, box_time(0)), AIBRIX_E_STATE);
	cr_expect_eq(box_view(&b, 0).value, 3);
	aibrix_window_clear(w);
	box_add(&b, 0, 5);
	cr_expect_eq(box_view(&b, 0).value, 5);
}

Test(window, a_jump_ahead_leaves_nothing_behind)
{
	for (uint32_t kind = 0; kind <= AIBRIX_WINDOW_MAX; kind++) {
		struct box b = box_of(kind, 10, 1);

		box_add(&b, 0, 1000);
		cr_assert_eq(aibrix_window_add(box_window(&b), 1, UINT64_MAX),
			     AIBRIX_OK);
		cr_expect_leq(box_view(&b, 0).value, 1);
		cr_expect_eq(box_view(&b, 0).samples, 1);
	}
}

Test(window, numbers_that_are_none_are_refused_and_change_nothing)
{
	const double bad[] = {NAN, INFINITY, -INFINITY, 1.1e18, -1.1e18};
	struct box b = box_of(AIBRIX_WINDOW_MEAN, 10, 1), was;

	box_add(&b, 0, 1);
	was = b;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(
			aibrix_window_add(box_window(&b), bad[i], box_time(1)),
			AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&b, &was, sizeof(b)), 0);
}

Test(window, the_extremes_of_what_is_taken_stay_finite)
{
	for (uint32_t kind = 0; kind <= AIBRIX_WINDOW_MAX; kind++) {
		struct box b = box_of(kind, 10, 1);

		for (int i = 0; i < 40; i++)
			box_add(&b, i / 2.0, i % 3 ? 1e18 : -1e18);
		cr_expect(isfinite(box_view(&b, 19).value));
		cr_expect(isfinite(box_view(&b, 19).variance));
	}
}

Test(window, a_longer_and_a_shorter_window_take_over_the_newest)
{
	struct box from = box_of(AIBRIX_WINDOW_MEAN, 10, 1);
	struct box more = box_of(AIBRIX_WINDOW_MEAN, 100, 1);
	struct box less = box_of(AIBRIX_WINDOW_MEAN, 3, 1);

	for (int i = 0; i < 25; i++)
		box_add(&from, i, i);
	cr_assert_eq(aibrix_window_copy(box_window(&more), box_window(&from)),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_window_copy(box_window(&less), box_window(&from)),
		     AIBRIX_OK);

	cr_expect_eq(box_view(&more, 24).value, 19.5);
	cr_expect_eq(box_view(&more, 24).state, AIBRIX_WINDOW_PARTIAL);
	cr_expect_eq(box_view(&less, 24).value, 23);
	cr_expect_eq(box_view(&less, 24).state, AIBRIX_WINDOW_FULL);
	for (int i = 25; i < 40; i++)
		box_add(&more, i, i);
	cr_expect_eq(box_view(&more, 39).value, 27);
}

/* Knative's moves the first sample to the far end of the old window when it
 * resizes, and divides by seconds of which nothing is known. */
Test(window, a_window_that_grows_divides_by_the_slots_it_knows)
{
	struct box from = box_of(AIBRIX_WINDOW_LINEAR, 10, 1);
	struct box more = box_of(AIBRIX_WINDOW_LINEAR, 100, 1);

	box_add(&from, 0, 6);
	box_add(&from, 1, 6);
	cr_assert_eq(aibrix_window_copy(box_window(&more), box_window(&from)),
		     AIBRIX_OK);
	cr_expect_eq(box_view(&more, 1).value, 6);
}

Test(window, other_kinds_and_slots_are_not_taken_over)
{
	struct box a = box_of(AIBRIX_WINDOW_MEAN, 10, 1);
	struct box b = box_of(AIBRIX_WINDOW_MAX, 10, 1);
	struct box c = box_of(AIBRIX_WINDOW_MEAN, 10, 2);
	aibrix_window *w = box_window(&a);

	cr_expect_eq(aibrix_window_copy(w, box_window(&b)), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_copy(w, box_window(&c)), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_copy(w, w), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_copy(NULL, w), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_copy(w, NULL), AIBRIX_E_INVAL);
}

Test(window, its_bytes_may_be_moved)
{
	struct box a = box_of(AIBRIX_WINDOW_MEAN, 10, 1), b;

	box_add(&a, 0, 1);
	memcpy(&b, &a, sizeof(b));
	box_add(&b, 1, 3);
	cr_expect_eq(box_view(&b, 1).value, 2);
	cr_expect_eq(box_view(&a, 1).value, 1);
}

Test(window, options_that_cannot_be_are_refused)
{
	aibrix_window_opts good = {.size = sizeof(good),
				   .window_ns = 10000000000},
			   o;
	uint64_t memory[8 + 2 * 10 + 1], bytes = 0;
	aibrix_window *w = NULL;
	char *odd = (char *)memory + 1;

	cr_expect_eq(aibrix_window_bytes(&good, &bytes), AIBRIX_OK);
	cr_expect_eq(bytes, 64 + 16 * 10);
	cr_expect_eq(aibrix_window_init(&good, memory, bytes, &w), AIBRIX_OK);
	cr_expect_eq(aibrix_window_init(&good, memory, bytes - 1, &w),
		     AIBRIX_E_SPACE);
	cr_expect_eq(aibrix_window_init(&good, odd, bytes, &w), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_init(&good, NULL, bytes, &w),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_bytes(NULL, &bytes), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_window_bytes(&good, NULL), AIBRIX_E_INVAL);
	o = good;
	o.window_ns = 0;
	cr_expect_eq(aibrix_window_bytes(&o, &bytes), AIBRIX_E_INVAL);
	o.window_ns = 1500000000;
	cr_expect_eq(aibrix_window_bytes(&o, &bytes), AIBRIX_E_INVAL);
	o = good;
	o.slot_ns = 999;
	cr_expect_eq(aibrix_window_bytes(&o, &bytes), AIBRIX_E_INVAL);
	o = good;
	o.kind = 5;
	cr_expect_eq(aibrix_window_bytes(&o, &bytes), AIBRIX_E_INVAL);
	o = good;
	o.window_ns = (uint64_t)65536 * 1000000000;
	cr_expect_eq(aibrix_window_bytes(&o, &bytes), AIBRIX_E_INVAL);
}
