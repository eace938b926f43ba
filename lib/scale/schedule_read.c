/*
 * Schedules from their texts, as AIBrix checks them: the whole list or none
 * of it.  (Source: AIBrix e3e10f9 pkg/utils/paschedules.)
 */

#include <string.h>

#include "scale/scale_object_internal.h"
#include "scale/schedule_internal.h"

enum {
	NAME_MAX_BYTES = 63,
	DAYS = 7,
	ALL_DAYS = 127,
	BOUNDS = AIBRIX_SCHEDULE_MIN | AIBRIX_SCHEDULE_MAX,
	FLAGS = BOUNDS | AIBRIX_SCHEDULE_NEXT_DAY
};

static int
letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A DNS label: RFC 1123. */
static int
name_valid(const char *name)
{
	size_t n = name ? strnlen(name, NAME_MAX_BYTES + 1) : 0;

	if (n == 0 || n > NAME_MAX_BYTES || !letter(name[0]) ||
	    !letter(name[n - 1]))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!letter(name[i]) && name[i] != '-')
			return 0;
	return 1;
}

/* "HH:MM"; DAY_MINUTES: it is not. */
static uint32_t
minute_read(const char *text)
{
	uint32_t digit[5], hour, minute;

	if (!text || strnlen(text, 6) != 5 || text[2] != ':')
		return DAY_MINUTES;
	for (int i = 0; i < 5; i++) {
		digit[i] = (uint32_t)(text[i] - '0');
		if (i != 2 && digit[i] > 9)
			return DAY_MINUTES;
	}
	hour = digit[0] * 10 + digit[1];
	minute = digit[3] * 10 + digit[4];
	return hour < 24 && minute < 60 ? hour * 60 + minute : DAY_MINUTES;
}

/* The number of a day's name; DAYS: it is none. */
static uint32_t
day_read(const char *text)
{
	static const char names[] = "sunmontuewedthufrisat";

	if (!text || strnlen(text, 4) != 3)
		return DAYS;
	for (uint32_t day = 0; day < DAYS; day++) {
		int same = 1;

		for (uint32_t i = 0; i < 3; i++) {
			char c = text[i];

			if (c >= 'A' && c <= 'Z')
				c = (char)(c - 'A' + 'a');
			same &= c == names[3 * day + i];
		}
		if (same)
			return day;
	}
	return DAYS;
}

static int
days_read(const aibrix_schedule *s, uint32_t *days)
{
	if (!s->days) {
		*days = ALL_DAYS;
		return s->n_days == 0 ? AIBRIX_OK : AIBRIX_E_INVAL;
	}
	*days = 0;
	if (s->n_days == 0 || s->n_days > DAYS)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < s->n_days; i++) {
		uint32_t day = day_read(s->days[i]);

		if (day == DAYS)
			return AIBRIX_E_PARSE;
		*days |= 1u << day;
	}
	return AIBRIX_OK;
}

static const char *
zone_of(const aibrix_schedule *s)
{
	return s->zone && s->zone[0] ? s->zone : "UTC";
}

int
aibrix__window_valid(const aibrix_schedule_window *w)
{
	int next_day = (w->flags & AIBRIX_SCHEDULE_NEXT_DAY) != 0;

	return w->days != 0 && w->days <= ALL_DAYS &&
	       w->start_minute < DAY_MINUTES && w->end_minute < DAY_MINUTES &&
	       (w->start_minute < w->end_minute) != next_day &&
	       (w->flags & BOUNDS) && (w->flags & ~(uint32_t)FLAGS) == 0;
}

/* What it does not set is the deployment's. */
static int
bounds_valid(const aibrix_schedule *s, int32_t min, int32_t max)
{
	if (s->flags & AIBRIX_SCHEDULE_MIN)
		min = s->min_replicas;
	if (s->flags & AIBRIX_SCHEDULE_MAX)
		max = s->max_replicas;
	return min >= 0 && max > 0 && min <= max;
}

static int
window_read(const aibrix_schedule *s, int32_t min, int32_t max,
	    aibrix_schedule_window *w)
{
	int err = days_read(s, &w->days);

	if ((s->flags & ~(uint32_t)FLAGS) || s->spare)
		return AIBRIX_E_ABI;
	w->start_minute = minute_read(s->start);
	w->end_minute = minute_read(s->end);
	w->flags = s->flags;
	w->min_replicas = s->min_replicas;
	w->max_replicas = s->max_replicas;
	if (!name_valid(s->name) || w->start_minute == DAY_MINUTES ||
	    w->end_minute == DAY_MINUTES)
		return AIBRIX_E_PARSE;
	if (err)
		return err;
	return aibrix__window_valid(w) && bounds_valid(s, min, max)
		       ? AIBRIX_OK
		       : AIBRIX_E_INVAL;
}

/* Minutes from its start to its end. */
static int32_t
window_length(const aibrix_schedule_window *w)
{
	int32_t n = (int32_t)w->end_minute - (int32_t)w->start_minute;

	return w->flags & AIBRIX_SCHEDULE_NEXT_DAY ? n + DAY_MINUTES : n;
}

/* Do they, begun on these days, the second as many weeks later? */
static int
begun_overlap(const aibrix_schedule_window *a, int32_t on,
	      const aibrix_schedule_window *b, int32_t other, int32_t weeks)
{
	int32_t from = on * DAY_MINUTES + (int32_t)a->start_minute;
	int32_t to =
		(other + weeks * DAYS) * DAY_MINUTES + (int32_t)b->start_minute;

	return from < to + window_length(b) && to < from + window_length(a);
}

static int
windows_overlap(const aibrix_schedule_window *a,
		const aibrix_schedule_window *b)
{
	for (int32_t i = 0; i < DAYS * DAYS; i++) {
		int32_t on = i / DAYS, other = i % DAYS;

		if (!(a->days >> on & 1) || !(b->days >> other & 1))
			continue;
		for (int32_t weeks = -1; weeks <= 1; weeks++)
			if (begun_overlap(a, on, b, other, weeks))
				return 1;
	}
	return 0;
}

/* Two of one list. */
static int
schedules_agree(const aibrix_schedule *a, const aibrix_schedule *b, int32_t min,
		int32_t max)
{
	aibrix_schedule_window v, w;

	return strcmp(a->name, b->name) != 0 &&
	       strcmp(zone_of(a), zone_of(b)) == 0 &&
	       window_read(a, min, max, &v) == AIBRIX_OK &&
	       window_read(b, min, max, &w) == AIBRIX_OK &&
	       !windows_overlap(&v, &w);
}

int
aibrix__schedules_check(const aibrix_schedule *schedules, uint32_t n,
			int32_t min_replicas, int32_t max_replicas,
			uint32_t *bad)
{
	aibrix_schedule_window w;

	*bad = 0;
	if (n == 0 || n > SCHEDULES_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		int err = window_read(&schedules[i], min_replicas, max_replicas,
				      &w);

		for (uint32_t k = 0; !err && k < i; k++)
			if (!schedules_agree(&schedules[k], &schedules[i],
					     min_replicas, max_replicas))
				err = AIBRIX_E_INVAL;
		if (err) {
			*bad = i;
			return err;
		}
	}
	return AIBRIX_OK;
}

int
aibrix_schedule_read(const aibrix_schedule *schedules, uint32_t n,
		     int32_t min_replicas, int32_t max_replicas,
		     aibrix_schedule_window *windows, uint32_t *bad)
{
	int err;

	if (!schedules || !windows || !bad || n > SCHEDULES_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__schedules_check(schedules, n, min_replicas, max_replicas,
				      bad);
	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		if (window_read(&schedules[i], min_replicas, max_replicas,
				&windows[i]))
			return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}
