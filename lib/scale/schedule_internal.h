/* What a window may be. */
#ifndef SCALE_SCHEDULE_INTERNAL_H
#define SCALE_SCHEDULE_INTERNAL_H

#include <aibrix/schedule.h>

enum {
	SCHEDULES_MAX = 256,
	DAY_MINUTES = 1440,
	DAY_S = 86400,
	WEEK = 7,
	THURSDAY = 4 /* 1 January 1970 */
};

int aibrix__window_valid(const aibrix_schedule_window *w);

/* The caller's zone; NULL: UTC.  unix_s is what the call is about. */
int aibrix__zone_load(aibrix_schedule_zone *zone,
		      const aibrix_schedule_zone *from, int64_t unix_s);

/* What clocks show, less UTC.  A day is the most. */
int64_t aibrix__ahead_at(const aibrix_schedule_zone *zone, int64_t t);

/* The first second after low, at most high, whose offset is not low's. */
int64_t aibrix__change_find(const aibrix_schedule_zone *zone, int64_t low,
			    int64_t high);

static inline int64_t
day_of(int64_t local)
{
	return (local - (local < 0 ? DAY_S - 1 : 0)) / DAY_S;
}

/* 0: Sunday. */
static inline uint32_t
weekday_of(int64_t day)
{
	return (uint32_t)((day % WEEK + THURSDAY + WEEK) % WEEK);
}

/* Can it be? */
int aibrix__cron_valid(const aibrix_cron *cron);

#endif
