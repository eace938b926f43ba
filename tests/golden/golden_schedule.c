/* Schedules as AIBrix's tests have them (pkg/utils/paschedules). */

#include <criterion/criterion.h>

#include <aibrix/schedule.h>

#include "scale_bed.h"

enum { MINUTE = 60, HOUR = 3600 };

#define DAY_2026_08_03 ((int64_t)1785715200) /* a Monday, 00:00 UTC */

static int32_t
shanghai_ahead(void *ctx, int64_t unix_s)
{
	(void)ctx;
	(void)unix_s;
	return 8 * HOUR;
}

static const aibrix_schedule_zone shanghai = {.size = sizeof(shanghai),
					      .ahead = shanghai_ahead};
static const char *const first_days[] = {"Mon", "tue", "WED"};

static aibrix_schedule
daily(const char *name, const char *start, const char *end)
{
	return (aibrix_schedule){.name = name,
				 .start = start,
				 .end = end,
				 .flags = AIBRIX_SCHEDULE_MIN,
				 .min_replicas = 2};
}

static aibrix_schedule_window
read_one(const aibrix_schedule *s)
{
	aibrix_schedule_window w;
	uint32_t bad;

	cr_assert_eq(aibrix_schedule_read(s, 1, 1, 10, &w, &bad), AIBRIX_OK);
	return w;
}

static void
expect(const aibrix_schedule_window *w, const aibrix_schedule_zone *zone,
       int64_t unix_s, int32_t min, int32_t max, uint32_t active)
{
	aibrix_schedule_bounds b = {.size = sizeof(b)};

	cr_assert_eq(aibrix_schedule_resolve(w, 1, 1, 10, zone, unix_s, &b),
		     AIBRIX_OK);
	cr_expect_eq(b.min_replicas, min);
	cr_expect_eq(b.max_replicas, max);
	cr_expect_eq(b.active, active);
	cr_expect_eq(b.min_scheduled, active == 0);
}

Test(schedule_golden, sch01_and_sch02_working_hours_in_shanghai)
{
	aibrix_schedule s = daily("work", "09:00", "18:00");
	aibrix_schedule_window w;

	s.zone = "Asia/Shanghai";
	s.days = first_days;
	s.n_days = 3;
	s.flags |= AIBRIX_SCHEDULE_MAX;
	s.min_replicas = 3;
	s.max_replicas = 12;
	w = read_one(&s);
	expect(&w, &shanghai, DAY_2026_08_03 + 2 * HOUR, 3, 12, 0);
	expect(&w, &shanghai, DAY_2026_08_03 + 10 * HOUR, 1, 10,
	       AIBRIX_SCHEDULE_NONE);
}

Test(schedule_golden, sch03_from_its_start_to_before_its_end)
{
	aibrix_schedule s = daily("a", "09:00", "10:00");
	aibrix_schedule_window w = read_one(&s);
	int64_t nine = DAY_2026_08_03 + 9 * HOUR;

	expect(&w, NULL, nine + 30 * MINUTE, 2, 10, 0);
	expect(&w, NULL, nine, 2, 10, 0);
	expect(&w, NULL, nine - 1, 1, 10, AIBRIX_SCHEDULE_NONE);
	expect(&w, NULL, nine + HOUR - 1, 2, 10, 0);
	expect(&w, NULL, nine + HOUR, 1, 10, AIBRIX_SCHEDULE_NONE);
}

Test(schedule_golden, sch04_the_next_transition)
{
	aibrix_schedule s = daily("a", "09:00", "18:00");
	aibrix_schedule_window w = read_one(&s);
	int64_t from = DAY_2026_08_03 + 8 * HOUR + 30 * MINUTE, next;

	cr_assert_eq(aibrix_schedule_next(&w, 1, NULL, from, &next), AIBRIX_OK);
	cr_expect_eq(next - from, 30 * MINUTE);
	from += HOUR;
	cr_assert_eq(aibrix_schedule_next(&w, 1, NULL, from, &next), AIBRIX_OK);
	cr_expect_eq(next - from, 8 * HOUR + 30 * MINUTE);
}

static void
expect_bad(const aibrix_schedule *s, uint32_t n, int status, uint32_t which)
{
	aibrix_schedule_window w[2] = {{.days = 99}, {.days = 99}};
	uint32_t bad = 77;

	cr_expect_eq(aibrix_schedule_read(s, n, 1, 10, w, &bad), status);
	cr_expect_eq(bad, which);
	cr_expect_eq(w[0].days, 99);
}

Test(schedule_golden, sch05_what_is_invalid)
{
	static const char *const monday[] = {"Monday"};
	aibrix_schedule s[2];

	s[0] = daily("a", "09:00", "10:00");
	expect_bad(s, 0, AIBRIX_E_INVAL, 0);
	s[0].start = "9:00";
	expect_bad(s, 1, AIBRIX_E_PARSE, 0);
	s[0] = daily("a", "09:00", "18:00:00");
	expect_bad(s, 1, AIBRIX_E_PARSE, 0);
	s[0] = daily("a", "18:00", "09:00");
	expect_bad(s, 1, AIBRIX_E_INVAL, 0);
	s[0] = daily("a", "09:00", "24:00");
	expect_bad(s, 1, AIBRIX_E_PARSE, 0);
	s[0] = daily("a", "09:60", "10:00");
	expect_bad(s, 1, AIBRIX_E_PARSE, 0);
	s[0] = daily("a", "09:00", "10:00");
	s[0].days = first_days;
	expect_bad(s, 1, AIBRIX_E_INVAL, 0);
	s[0].days = monday;
	s[0].n_days = 1;
	expect_bad(s, 1, AIBRIX_E_PARSE, 0);
	s[0] = daily("a", "09:00", "10:00");
	s[0].flags = 0;
	expect_bad(s, 1, AIBRIX_E_INVAL, 0);
	s[0] = daily("a", "09:00", "10:00");
	s[0].min_replicas = 11;
	expect_bad(s, 1, AIBRIX_E_INVAL, 0);
	s[0] = daily("Bad_Name", "09:00", "10:00");
	expect_bad(s, 1, AIBRIX_E_PARSE, 0);
	s[0] = daily("a", "09:00", "10:00");
	s[0].flags = 8;
	expect_bad(s, 1, AIBRIX_E_ABI, 0);
}

Test(schedule_golden, sch05_what_is_invalid_together)
{
	aibrix_schedule s[2];

	s[0] = daily("a", "09:00", "10:00");
	s[1] = daily("a", "11:00", "12:00");
	expect_bad(s, 2, AIBRIX_E_INVAL, 1);
	s[1] = daily("b", "09:30", "12:00");
	expect_bad(s, 2, AIBRIX_E_INVAL, 1);
	s[1] = daily("b", "11:00", "12:00");
	s[1].zone = "Asia/Shanghai";
	expect_bad(s, 2, AIBRIX_E_INVAL, 1);
}

Test(schedule_golden, sch06_windows_may_touch)
{
	aibrix_schedule s[2];
	aibrix_schedule_window w[2];
	uint32_t bad;

	s[0] = daily("a", "09:00", "10:00");
	s[1] = daily("b", "10:00", "11:00");
	s[1].zone = "UTC";
	cr_expect_eq(aibrix_schedule_read(s, 2, 1, 10, w, &bad), AIBRIX_OK);
	cr_expect_eq(w[1].start_minute, 600);
	cr_expect_eq(w[1].days, 127);
}

/* What a schedule says of its minimum goes into the step. */
static int32_t
step_at_zero(const aibrix_schedule *s)
{
	aibrix_schedule_window w = read_one(s);
	aibrix_schedule_bounds bounds = {.size = sizeof(bounds)};
	struct bed b;

	cr_assert_eq(aibrix_schedule_resolve(&w, 1, 1, 10, NULL,
					     DAY_2026_08_03 + 9 * HOUR,
					     &bounds),
		     AIBRIX_OK);
	bed_make(&b, AIBRIX_SCALE_APA, AIBRIX_SCALE_COMPAT);
	bed_pods(&b, 0);
	b.o.min_replicas = bounds.min_replicas;
	b.o.max_replicas = bounds.max_replicas;
	if (bounds.min_scheduled)
		b.fleet.flags = AIBRIX_SCALE_MIN_SCHEDULED;
	return bed_step(&b, 0);
}

Test(schedule_golden, sch07_only_a_scheduled_minimum_raises_from_zero)
{
	aibrix_schedule s = daily("a", "09:00", "10:00");

	s.min_replicas = 4;
	cr_expect_eq(step_at_zero(&s), 4);
	s.flags = AIBRIX_SCHEDULE_MAX;
	s.max_replicas = 20;
	cr_expect_eq(step_at_zero(&s), 0);
}
