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
	BAD(w.flags = AIBRIX_SCHEDULE_NEXT_DAY);
	BAD(w.flags = 8 | AIBRIX_SCHEDULE_MIN);
	BAD(w.flags |= AIBRIX_SCHEDULE_NEXT_DAY);
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

/* 22:00 to 06:00: of the day on which it starts. */
Test(schedule, a_window_over_midnight_is_of_the_day_of_its_start)
{
	static const char *const friday[] = {"fri"};
	aibrix_schedule s = {.name = "night",
			     .days = friday,
			     .n_days = 1,
			     .start = "22:00",
			     .end = "06:00",
			     .flags = AIBRIX_SCHEDULE_MIN |
				      AIBRIX_SCHEDULE_NEXT_DAY,
			     .min_replicas = 1};
	static const struct {
		int64_t at;
		uint32_t active;
	} rows[] = {{79199, AIBRIX_SCHEDULE_NONE},
		    {79200, 0},
		    {86400, 0},
		    {86400 + 21599, 0},
		    {86400 + 21600, AIBRIX_SCHEDULE_NONE},
		    {86400 + 79200, AIBRIX_SCHEDULE_NONE},
		    {0, AIBRIX_SCHEDULE_NONE}};
	const int64_t day = 86400; /* 2 January 1970 was a Friday */
	aibrix_schedule_window w;
	int64_t next;
	uint32_t bad;

	cr_assert_eq(aibrix_schedule_read(&s, 1, 1, 9, &w, &bad), AIBRIX_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_schedule_bounds b = {.size = sizeof(b)};

		cr_assert_eq(aibrix_schedule_resolve(&w, 1, 1, 9, NULL,
						     day + rows[i].at, &b),
			     AIBRIX_OK);
		cr_expect_eq(b.active, rows[i].active, "%d", (int)rows[i].at);
	}
	cr_assert_eq(aibrix_schedule_next(&w, 1, NULL, day, &next), AIBRIX_OK);
	cr_expect_eq(next, day + 79200);
	cr_assert_eq(aibrix_schedule_next(&w, 1, NULL, next, &next), AIBRIX_OK);
	cr_expect_eq(next, day + 86400 + 21600);
}

static int
both_read(const char *day, const char *start, const char *end, uint32_t flags)
{
	static const char *const saturday[] = {"sat"};
	aibrix_schedule s[2] = {
		{.name = "night",
		 .days = saturday,
		 .n_days = 1,
		 .start = "22:00",
		 .end = "06:00",
		 .flags = AIBRIX_SCHEDULE_MIN | AIBRIX_SCHEDULE_NEXT_DAY,
		 .min_replicas = 1},
		{.name = "other",
		 .days = &day,
		 .n_days = 1,
		 .start = start,
		 .end = end,
		 .flags = AIBRIX_SCHEDULE_MIN | flags,
		 .min_replicas = 1}};
	aibrix_schedule_window w[2];
	uint32_t bad;

	return aibrix_schedule_read(s, 2, 1, 9, w, &bad);
}

Test(schedule, windows_over_midnight_overlap_into_the_next_day_and_week)
{
	const uint32_t next_day = AIBRIX_SCHEDULE_NEXT_DAY;

	cr_expect_eq(both_read("sun", "05:59", "08:00", 0), AIBRIX_E_INVAL);
	cr_expect_eq(both_read("sun", "06:00", "08:00", 0), AIBRIX_OK);
	cr_expect_eq(both_read("sat", "06:00", "22:00", 0), AIBRIX_OK);
	cr_expect_eq(both_read("sat", "06:00", "22:01", 0), AIBRIX_E_INVAL);
	cr_expect_eq(both_read("fri", "23:00", "22:00", next_day), AIBRIX_OK);
	cr_expect_eq(both_read("fri", "23:00", "23:00", next_day),
		     AIBRIX_E_INVAL);
	cr_expect_eq(both_read("sun", "03:00", "02:00", next_day),
		     AIBRIX_E_INVAL);
}
