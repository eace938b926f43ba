/* Days on which clocks are set, and what is refused. */

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/schedule.h>

enum { MINUTE = 60, HOUR = 3600 };

/* Berlin in 2026: clocks go on at 01:00 UTC on 29 March, and back at 01:00
 * UTC on 25 October. */
#define SPRING ((int64_t)1774746000)
#define AUTUMN ((int64_t)1792890000)

static int32_t
berlin_ahead(void *ctx, int64_t t)
{
	(void)ctx;
	return t >= SPRING && t < AUTUMN ? 2 * HOUR : HOUR;
}

static const aibrix_schedule_zone berlin = {.size = sizeof(berlin),
					    .ahead = berlin_ahead};

static aibrix_schedule_window
window(uint32_t start, uint32_t end)
{
	return (aibrix_schedule_window){.days = 127,
					.start_minute = start,
					.end_minute = end,
					.flags = AIBRIX_SCHEDULE_MIN,
					.min_replicas = 5};
}

static int64_t
next_after(const aibrix_schedule_window *w, int64_t t)
{
	int64_t next = 0;

	cr_assert_eq(aibrix_schedule_next(w, 1, &berlin, t, &next), AIBRIX_OK);
	return next;
}

/* Local midnight and nine hours would be 08:00 or 10:00 on these days. */
Test(schedule, w9_nine_o_clock_is_nine_on_the_days_when_clocks_are_set)
{
	aibrix_schedule_window w = window(9 * 60, 18 * 60);

	cr_expect_eq(next_after(&w, SPRING - HOUR), SPRING + 6 * HOUR);
	cr_expect_eq(next_after(&w, AUTUMN - HOUR), AUTUMN + 7 * HOUR);
}

Test(schedule, a_start_that_clocks_pass_over_is_when_they_do)
{
	aibrix_schedule_window w = window(2 * 60 + 30, 4 * 60);

	cr_expect_eq(next_after(&w, SPRING - HOUR), SPRING);
	cr_expect_eq(next_after(&w, SPRING), SPRING + HOUR);
}

Test(schedule, a_window_that_clocks_pass_over_is_not_there_that_day)
{
	aibrix_schedule_window w = window(2 * 60 + 10, 2 * 60 + 50);

	cr_expect_eq(next_after(&w, SPRING - HOUR),
		     SPRING + 24 * HOUR - HOUR + 10 * MINUTE);
}

Test(schedule, an_hour_that_comes_twice_counts_twice)
{
	aibrix_schedule_window w = window(2 * 60 + 30, 3 * 60 + 30);

	cr_expect_eq(next_after(&w, AUTUMN - HOUR), AUTUMN - 30 * MINUTE);
	cr_expect_eq(next_after(&w, AUTUMN - 30 * MINUTE), AUTUMN);
	cr_expect_eq(next_after(&w, AUTUMN), AUTUMN + 30 * MINUTE);
	cr_expect_eq(next_after(&w, AUTUMN + 30 * MINUTE),
		     AUTUMN + HOUR + 30 * MINUTE);
}

Test(schedule, before_1970_days_have_their_names)
{
	aibrix_schedule_window w = window(0, 60);
	aibrix_schedule_bounds b = {.size = sizeof(b)};

	w.days = 1 << 3; /* 31 December 1969 was a Wednesday */
	cr_assert_eq(aibrix_schedule_resolve(&w, 1, 1, 9, NULL, -86400, &b),
		     AIBRIX_OK);
	cr_expect_eq(b.active, 0);
	cr_assert_eq(aibrix_schedule_resolve(&w, 1, 1, 9, NULL, -1, &b),
		     AIBRIX_OK);
	cr_expect_eq(b.active, AIBRIX_SCHEDULE_NONE);
}

Test(schedule, without_windows_nothing_changes)
{
	aibrix_schedule_bounds b = {.size = sizeof(b)};
	int64_t next = -7;

	cr_assert_eq(aibrix_schedule_resolve(NULL, 0, 1, 9, NULL, 5, &b),
		     AIBRIX_OK);
	cr_expect_eq(b.min_replicas, 1);
	cr_expect_eq(b.active, AIBRIX_SCHEDULE_NONE);
	cr_expect_eq(aibrix_schedule_next(NULL, 0, NULL, 5, &next),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(next, -7);
}

Test(schedule, windows_that_cannot_be_are_refused)
{
	aibrix_schedule_window good = window(60, 120), w;
	aibrix_schedule_zone zone = {.size = sizeof(zone)};
	aibrix_schedule_bounds b = {.size = sizeof(b)};
	int64_t next;

#define BAD(change)                                                            \
	do {                                                                   \
		w = good;                                                      \
		change;                                                        \
		cr_expect_eq(                                                  \
			aibrix_schedule_resolve(&w, 1, 1, 9, NULL, 0, &b),     \
			AIBRIX_E_INVAL);                                       \
		cr_expect_eq(aibrix_schedule_next(&w, 1, NULL, 0, &next),      \
			     AIBRIX_E_INVAL);                                  \
	} while (0)
	BAD(w.days = 0);
	BAD(w.days = 128);
	BAD(w.start_minute = 120);
	BAD(w.end_minute = 1440);
	BAD(w.flags = 0);
	BAD(w.flags = 4);
#undef BAD
	cr_expect_eq(aibrix_schedule_next(&good, 1, NULL, INT64_MAX, &next),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_next(&good, 1, NULL, INT64_MIN, &next),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_next(&good, 1, &zone, 0, &next),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_next(&good, 1, NULL, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_resolve(NULL, 1, 1, 9, NULL, 0, &b),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_resolve(&good, 1, 1, 9, NULL, 0, NULL),
		     AIBRIX_E_INVAL);
}

Test(schedule, texts_that_are_long_or_absent_are_refused)
{
	aibrix_schedule s = {.name = "a",
			     .start = "01:00",
			     .end = "02:00",
			     .flags = AIBRIX_SCHEDULE_MIN,
			     .min_replicas = 1};
	aibrix_schedule_window w;
	char name[65];
	uint32_t bad;

	memset(name, 'a', 64);
	name[64] = 0;
	s.name = name;
	cr_expect_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad),
		     AIBRIX_E_PARSE);
	name[63] = 0;
	cr_expect_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad), AIBRIX_OK);
	name[62] = '-';
	cr_expect_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad),
		     AIBRIX_E_PARSE);
	s.name = NULL;
	cr_expect_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad),
		     AIBRIX_E_PARSE);
	s.name = "";
	cr_expect_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad),
		     AIBRIX_E_PARSE);
	s.name = "a";
	s.start = NULL;
	cr_expect_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad),
		     AIBRIX_E_PARSE);
}
