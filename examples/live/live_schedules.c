/*
 * Schedules of the command line, and the clocks of a zone.
 *
 * The library has no zones: it asks what a zone's clocks are ahead of UTC.
 * The C library knows that of one zone, that of TZ.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "live/live_options.h"

enum { DAYS_MAX = 7, NUMBER_MAX = 1000000 };

extern char **environ;

typedef struct schedule_text {
	const char *days[DAYS_MAX];
	aibrix_schedule schedule;
} schedule_text;

static int
bound_take(schedule_text *t, const char *value, uint32_t flag)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)value[0]) || *end || n > NUMBER_MAX)
		return -1;
	t->schedule.flags |= flag;
	if (flag == AIBRIX_SCHEDULE_MIN)
		t->schedule.min_replicas = (int32_t)n;
	else
		t->schedule.max_replicas = (int32_t)n;
	return 0;
}

/* Mon+Tue */
static int
days_take(schedule_text *t, char *value)
{
	char *rest = value;
	const char *day;

	t->schedule.days = t->days;
	while ((day = strsep(&rest, "+")) != NULL) {
		if (t->schedule.n_days == DAYS_MAX)
			return -1;
		t->days[t->schedule.n_days++] = day;
	}
	return 0;
}

static int
field_take(schedule_text *t, const char *name, char *value)
{
	if (strcmp(name, "name") == 0)
		t->schedule.name = value;
	else if (strcmp(name, "start") == 0)
		t->schedule.start = value;
	else if (strcmp(name, "end") == 0)
		t->schedule.end = value;
	else if (strcmp(name, "days") == 0)
		return days_take(t, value);
	else if (strcmp(name, "min") == 0)
		return bound_take(t, value, AIBRIX_SCHEDULE_MIN);
	else if (strcmp(name, "max") == 0)
		return bound_take(t, value, AIBRIX_SCHEDULE_MAX);
	else
		return -1;
	return 0;
}

/* name=day,days=Mon+Tue,start=09:00,end=18:00,min=2 */
static int
schedule_take(schedule_text *t, char *own)
{
	char *rest = own, *value;
	const char *name;

	while ((value = strsep(&rest, ",")) != NULL) {
		name = strsep(&value, "=");
		if (!value || field_take(t, name, value))
			return -1;
	}
	if (!t->schedule.name || !t->schedule.start || !t->schedule.end)
		return -1;
	/* 22:00 to 06:00 is a night.  Texts that are no times are refused
	 * later. */
	if (strcmp(t->schedule.end, t->schedule.start) <= 0)
		t->schedule.flags |= AIBRIX_SCHEDULE_NEXT_DAY;
	return 0;
}

static int
zone_set(live_options *o)
{
	char path[4096];
	size_t n = 0;

	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", o->zone);
	if (strstr(o->zone, "..") || !isalpha((unsigned char)o->zone[0]) ||
	    access(path, R_OK) != 0)
		return live_fail("zone", o->zone,
				 "no such zone in /usr/share/zoneinfo");
	/* Pods go on with the zone that we were started with. */
	while (environ[n])
		n++;
	o->env = calloc(n + 1, sizeof(*o->env));
	if (!o->env)
		return live_fail("zone", o->zone, "out of memory");
	memcpy(o->env, environ, n * sizeof(*o->env));
	setenv("TZ", o->zone, 1);
	tzset();
	return 0;
}

int32_t
live_zone_ahead(void *ctx, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	struct tm tm;

	(void)ctx;
	return localtime_r(&at, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

int
live_schedules_read(live_options *o, const char *const *texts, uint32_t n)
{
	schedule_text t[LIVE_SCHEDULES_MAX];
	aibrix_schedule schedules[LIVE_SCHEDULES_MAX];
	uint32_t bad = 0;
	int status;

	memset(t, 0, sizeof(t));
	if (o->zone && zone_set(o))
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		o->schedules_own[i] = strdup(texts[i]);
		if (!o->schedules_own[i])
			return live_fail("schedule", texts[i], "out of memory");
		if (schedule_take(&t[i], o->schedules_own[i]))
			return live_fail(
				"schedule", texts[i],
				"not of the form name=day,days=Mon+Tue,"
				"start=09:00,end=18:00,min=2,max=8");
		t[i].schedule.zone = o->zone;
		schedules[i] = t[i].schedule;
		o->window_names[i] = t[i].schedule.name;
	}
	if (n == 0)
		return 0;
	status = aibrix_schedule_read(schedules, n, o->min, o->max, o->windows,
				      &bad);
	if (status != AIBRIX_OK)
		return live_fail("schedule", texts[bad],
				 status == AIBRIX_E_PARSE
					 ? "a name, day or time that is none"
					 : "no bound, bounds that cross, a "
					   "name twice, or "
					   "an overlap");
	o->n_windows = n;
	return 0;
}
