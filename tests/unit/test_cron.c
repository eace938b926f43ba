/* Cron expressions, when they fire, and rules that begin then. */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/schedule.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };

#define DAY_2024_02_28 ((int64_t)1709078400) /* a Wednesday, 00:00 UTC */

static aibrix_cron
cron_of(const char *text)
{
	aibrix_cron c;

	cr_assert_eq(aibrix_cron_read(text, strlen(text), &c), AIBRIX_OK, "%s",
		     text);
	return c;
}

Test(cron, fields_are_stars_numbers_ranges_steps_and_lists)
{
	aibrix_cron c = cron_of("*/15 0-6/3,22 1,15 * mon-FRI");

	cr_expect_eq(c.minutes, 1ull | 1ull << 15 | 1ull << 30 | 1ull << 45);
	cr_expect_eq(c.hours, 1u | 1u << 3 | 1u << 6 | 1u << 22);
	cr_expect_eq(c.days, 1u << 1 | 1u << 15);
	cr_expect_eq(c.months, 8190);
	cr_expect_eq(c.weekdays, 62);
	cr_expect_eq(c.flags, 0);

	c = cron_of("\t59  23 * Jan,dec/5 ? ");
	cr_expect_eq(c.minutes, 1ull << 59);
	cr_expect_eq(c.months, 1u << 1 | 1u << 12);
	cr_expect_eq(c.weekdays, 127);
	cr_expect_eq(c.flags, AIBRIX_CRON_ANY_DAY | AIBRIX_CRON_ANY_WEEKDAY);
}

Test(cron, a_number_with_a_step_goes_on_to_the_last)
{
	aibrix_cron c = cron_of("50/4 20/2 28/2 11/1 5/1");

	cr_expect_eq(c.minutes, 1ull << 50 | 1ull << 54 | 1ull << 58);
	cr_expect_eq(c.hours, 1u << 20 | 1u << 22);
	cr_expect_eq(c.days, 1u << 28 | 1u << 30);
	cr_expect_eq(c.months, 1u << 11 | 1u << 12);
	cr_expect_eq(c.weekdays, 1u << 5 | 1u << 6);
	c = cron_of("0 0 * * */9");
	cr_expect_eq(c.weekdays, 1);
}

Test(cron, seven_is_sunday_too)
{
	cr_expect_eq(cron_of("0 0 * * 7").weekdays, 1);
	cr_expect_eq(cron_of("0 0 * * 5-7").weekdays, 97);
	cr_expect_eq(cron_of("0 0 * * 0,7").weekdays, 1);
	cr_expect_eq(cron_of("0 0 * * sun-tue").weekdays, 7);
}

Test(cron, words_stand_for_expressions)
{
	static const char *const rows[][2] = {
		{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_cron a = cron_of(rows[i][0]), b = cron_of(rows[i][1]);

		cr_expect_eq(memcmp(&a, &b, sizeof(a)), 0, "%s", rows[i][0]);
	}
}

Test(cron, what_is_none_is_refused)
{
	static const char *const none[] = {
		"",
		"*",
		"* * * *",
		"* * * * * *",
		"60 * * * *",
		"* 24 * * *",
		"* * 0 * *",
		"* * 32 * *",
		"* * * 0 *",
		"* * * 13 *",
		"* * * * 8",
		"-1 * * * *",
		"5-1 * * * *",
		"* * * * sat-sun",
		"1- * * * *",
		"1-2-3 * * * *",
		"*/0 * * * *",
		"*/ * * * *",
		"*/-1 * * * *",
		"*-5 * * * *",
		"1,,2 * * * *",
		",1 * * * *",
		"1, * * * *",
		"1 , 2 * * * *",
		"* * * janu *",
		"* * * * mond",
		"* * jan * *",
		"mon * * * *",
		"** * * * *",
		"1* * * * *",
		"99999999999 * * * *",
		"*/99999999999 * * * *",
		"1.5 * * * *",
		"@reboot",
		"@every 5m",
		"@Daily",
		"@daily ",
		"TZ=UTC * * * * *",
		"* * * * *\n",
	};
	aibrix_cron c = {.minutes = 77};
	char text[400];

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		cr_expect_eq(aibrix_cron_read(none[i], strlen(none[i]), &c),
			     AIBRIX_E_PARSE, "%s", none[i]);
	memset(text, ' ', sizeof(text));
	memcpy(text, "* * * * *", 9);
	cr_expect_eq(aibrix_cron_read(text, 257, &c), AIBRIX_E_PARSE);
	cr_expect_eq(aibrix_cron_read("* * * * *", 8, &c), AIBRIX_E_PARSE);
	cr_expect_eq(c.minutes, 77);
	cr_expect_eq(aibrix_cron_read(text, 256, &c), AIBRIX_OK);
	cr_expect_eq(aibrix_cron_read(NULL, 1, &c), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cron_read(text, 9, NULL), AIBRIX_E_INVAL);
}

static void
expect_next(const char *text, int64_t from, int64_t want)
{
	aibrix_cron c = cron_of(text);
	int64_t next = -7;

	cr_expect_eq(aibrix_cron_next(&c, NULL, from, &next), AIBRIX_OK);
	cr_expect_eq(next, want, "%s: %ld days and %ld s too late", text,
		     (long)((next - want) / DAY), (long)((next - want) % DAY));
}

Test(cron, it_fires_at_the_next_minute_of_its_own)
{
	const int64_t from = DAY_2024_02_28;

	expect_next("* * * * *", from, from + 60);
	expect_next("* * * * *", from + 59, from + 60);
	expect_next("0 0 * * *", from - 1, from);
	expect_next("0 0 * * *", from, from + DAY);
	expect_next("30 9 * * *", from, from + 9 * HOUR + 30 * MINUTE);
	expect_next("0 0 29 2 *", from, from + DAY);
	expect_next("0 0 29 2 *", from + DAY, from + (1461 + 1) * DAY);
	expect_next("0 0 1 * *", from, from + 2 * DAY);
	expect_next("0 0 * * 1", from, from + 5 * DAY);
	expect_next("0 0 31 12 *", from, from + 307 * DAY);
	expect_next("0 0 1 1 *", -1, 0);
	expect_next("0 0 * * thu", -DAY, 0);
	expect_next("0 0 * * wed", -DAY - 1, -DAY);
}

/* 2100 is no leap year: from 29 February 2096 it is eight. */
Test(cron, a_29th_of_february_may_be_eight_years_away)
{
	expect_next("0 0 29 2 *", (int64_t)3981312000, (int64_t)4233686400);
}

/* The 13th, Fridays, or both. */
Test(cron, days_are_either_where_neither_is_a_star)
{
	const int64_t from = DAY_2024_02_28;

	expect_next("0 0 13 * 5", from, from + 2 * DAY);
	expect_next("0 0 13 * *", from, from + 14 * DAY);
	expect_next("0 0 * * 5", from, from + 2 * DAY);
	expect_next("0 0 13 * */7", from, from + 4 * DAY);
	expect_next("0 0 13 * */1", from, from + 14 * DAY);
	expect_next("0 0 */31 * 5", from, from + 2 * DAY);
	expect_next("0 0 ? * 5", from, from + 2 * DAY);
}

Test(cron, a_day_that_never_comes_is_not_found)
{
	static const char *const never[] = {"0 0 30 2 *", "0 0 31 4,6 *"};
	int64_t next = -7;

	for (size_t i = 0; i < 2; i++) {
		aibrix_cron c = cron_of(never[i]);

		cr_expect_eq(aibrix_cron_next(&c, NULL, 0, &next),
			     AIBRIX_E_NOT_FOUND);
	}
	cr_expect_eq(next, -7);
}

/* ---- New York, 2026: 8 March 07:00 UTC, 1 November 06:00 UTC ---- */

#define SPRING ((int64_t)1772953200)
#define AUTUMN ((int64_t)1793512800)

static int32_t
new_york_ahead(void *ctx, int64_t unix_s)
{
	(void)ctx;
	return unix_s >= SPRING && unix_s < AUTUMN ? -4 * HOUR : -5 * HOUR;
}

static const aibrix_schedule_zone new_york = {.size = sizeof(new_york),
					      .ahead = new_york_ahead};

static int64_t
next_in_new_york(const char *text, int64_t from)
{
	aibrix_cron c = cron_of(text);
	int64_t next = -7;

	cr_assert_eq(aibrix_cron_next(&c, &new_york, from, &next), AIBRIX_OK);
	return next;
}

Test(cron, a_minute_that_clocks_pass_over_is_when_they_do)
{
	cr_expect_eq(next_in_new_york("30 2 * * *", SPRING - HOUR), SPRING);
	cr_expect_eq(next_in_new_york("30 2 * * *", SPRING),
		     SPRING + DAY - 30 * MINUTE);
	cr_expect_eq(next_in_new_york("59 1 * * *", SPRING - HOUR),
		     SPRING - MINUTE);
	cr_expect_eq(next_in_new_york("0 3 * * *", SPRING - HOUR), SPRING);
	cr_expect_eq(next_in_new_york("0 9 * * *", SPRING - DAY),
		     SPRING - DAY + 7 * HOUR);
	cr_expect_eq(next_in_new_york("0 9 * * *", SPRING - HOUR),
		     SPRING + 6 * HOUR);
}

Test(cron, an_hour_that_comes_twice_fires_twice)
{
	cr_expect_eq(next_in_new_york("30 1 * * *", AUTUMN - DAY / 2),
		     AUTUMN - 30 * MINUTE);
	cr_expect_eq(next_in_new_york("30 1 * * *", AUTUMN - 30 * MINUTE),
		     AUTUMN + 30 * MINUTE);
	cr_expect_eq(next_in_new_york("30 1 * * *", AUTUMN + 30 * MINUTE),
		     AUTUMN + 30 * MINUTE + DAY);
	cr_expect_eq(next_in_new_york("0 * * * *", AUTUMN - HOUR), AUTUMN);
}

/* ---- rules ---- */

static aibrix_schedule_rule
rule_of(const char *start, uint64_t hours, int32_t min)
{
	return (aibrix_schedule_rule){.start = cron_of(start),
				      .duration_s = hours * HOUR,
				      .flags = AIBRIX_SCHEDULE_MIN,
				      .min_replicas = min};
}

static aibrix_schedule_bounds
bounds_at(const aibrix_schedule_rule *r, uint32_t n, int64_t t)
{
	aibrix_schedule_bounds b = {.size = sizeof(b)};

	cr_assert_eq(aibrix_schedule_rules_resolve(r, n, 1, 10, NULL, t, &b),
		     AIBRIX_OK);
	return b;
}

Test(cron, a_rule_holds_from_its_lead_to_its_end)
{
	aibrix_schedule_rule r = rule_of("0 22 * * *", 8, 4);
	const int64_t start = DAY_2024_02_28 + 22 * HOUR;
	int64_t next;

	r.lead_s = 10 * MINUTE;
	cr_expect_eq(bounds_at(&r, 1, start - 601).active,
		     AIBRIX_SCHEDULE_NONE);
	cr_expect_eq(bounds_at(&r, 1, start - 600).min_replicas, 4);
	cr_expect_eq(bounds_at(&r, 1, start - 600).min_scheduled, 1);
	cr_expect_eq(bounds_at(&r, 1, start + 8 * HOUR - 1).active, 0);
	cr_expect_eq(bounds_at(&r, 1, start + 8 * HOUR).min_replicas, 1);
	cr_assert_eq(
		aibrix_schedule_rules_next(&r, 1, NULL, start - HOUR, &next),
		AIBRIX_OK);
	cr_expect_eq(next, start - 600);
	cr_assert_eq(aibrix_schedule_rules_next(&r, 1, NULL, next, &next),
		     AIBRIX_OK);
	cr_expect_eq(next, start + 8 * HOUR);
}

Test(cron, of_rules_that_overlap_the_largest_minimum_and_smallest_maximum)
{
	aibrix_schedule_rule r[3] = {rule_of("0 0 * * *", 12, 3),
				     rule_of("0 6 * * *", 12, 7),
				     rule_of("0 9 * * *", 1, 0)};
	aibrix_schedule_bounds b;

	r[2].flags = AIBRIX_SCHEDULE_MAX;
	r[2].max_replicas = 5;
	b = bounds_at(r, 3, DAY_2024_02_28 + 7 * HOUR);
	cr_expect_eq(b.active, 0);
	cr_expect_eq(b.min_replicas, 7);
	cr_expect_eq(b.max_replicas, 10);
	b = bounds_at(r, 3, DAY_2024_02_28 + 9 * HOUR);
	cr_expect_eq(b.min_replicas, 5);
	cr_expect_eq(b.max_replicas, 5);
	b = bounds_at(r, 3, DAY_2024_02_28 + 19 * HOUR);
	cr_expect_eq(b.active, AIBRIX_SCHEDULE_NONE);
	cr_expect_eq(b.min_scheduled, 0);
}

Test(cron, a_rule_that_never_ends_is_asked_of_each_week)
{
	aibrix_schedule_rule r = rule_of("* * * * *", 1, 2);
	int64_t next;

	cr_assert_eq(aibrix_schedule_rules_next(&r, 1, NULL, 1000, &next),
		     AIBRIX_OK);
	cr_expect_eq(next, 1000 + 7 * DAY);
	r = rule_of("0 0 30 2 *", 1, 2);
	cr_expect_eq(aibrix_schedule_rules_next(&r, 1, NULL, 1000, &next),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_schedule_rules_next(NULL, 0, NULL, 1000, &next),
		     AIBRIX_E_NOT_FOUND);
}

Test(cron, rules_that_cannot_be_are_refused)
{
	const aibrix_schedule_rule good = rule_of("0 0 * * *", 1, 2);
	aibrix_schedule_bounds b = {.size = sizeof(b)};
	aibrix_schedule_rule r;
	int64_t next;

#define BAD(change)                                                            \
	do {                                                                   \
		r = good;                                                      \
		change;                                                        \
		cr_expect_eq(aibrix_schedule_rules_resolve(&r, 1, 1, 9, NULL,  \
							   0, &b),             \
			     AIBRIX_E_INVAL);                                  \
		cr_expect_eq(                                                  \
			aibrix_schedule_rules_next(&r, 1, NULL, 0, &next),     \
			AIBRIX_E_INVAL);                                       \
	} while (0)
	BAD(r.duration_s = 0);
	BAD(r.duration_s = 7 * DAY + 1);
	BAD(r.duration_s = UINT64_MAX);
	BAD(r.lead_s = DAY + 1);
	BAD(r.flags = 0);
	BAD(r.flags = AIBRIX_SCHEDULE_NEXT_DAY | AIBRIX_SCHEDULE_MIN);
	BAD(r.min_replicas = -1);
	BAD((r.flags = AIBRIX_SCHEDULE_MAX, r.max_replicas = 0));
	BAD((r.flags = AIBRIX_SCHEDULE_MAX | AIBRIX_SCHEDULE_MIN,
	     r.max_replicas = 1));
	BAD(r.spare = 1);
	BAD(r.start.minutes = 0);
	BAD(r.start.minutes = 1ull << 60);
	BAD(r.start.hours = 1u << 24);
	BAD(r.start.days = 1);
	BAD(r.start.months = 1u << 13);
	BAD(r.start.weekdays = 128);
	BAD(r.start.flags = 4);
	BAD(r.start.spare = 1);
#undef BAD
	cr_expect_eq(
		aibrix_schedule_rules_next(&good, 1, NULL, INT64_MAX, &next),
		AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_rules_next(&good, 257, NULL, 0, &next),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_schedule_rules_next(&good, 1, NULL, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cron_next(NULL, NULL, 0, &next), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cron_next(&good.start, NULL, 0, NULL),
		     AIBRIX_E_INVAL);
}
