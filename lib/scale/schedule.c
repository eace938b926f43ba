/*
 * Windows of the day.
 *
 * A window is active when a clock on the wall shows a time within it.  So
 * whoever asks what holds now needs nothing but the clock, whatever was done
 * to it, and the question when that changes is the harder one: on the days
 * when clocks are set, midnight and so many minutes is an hour off.
 *
 *	wall   1:30 ... 1:59 3:00 ...        start 2:30
 *	                     ^ it is past 2:30: here the window begins
 *
 *	wall   1:30 ... 2:59 2:00 ... 3:30   start 2:30
 *	                ^    ^    ^ again
 *	                |    not any more
 *	                active from 2:30 on
 *
 * Candidates are a boundary's instant under the offsets of the day before and
 * the day after, and, where these differ, the moment of the change; the first
 * at which what is active differs from a second ago is the answer.
 *
 * A window over midnight is of the day on which it starts.
 */

#include "base/versioned.h"
#include "scale/schedule_internal.h"

enum {
	ZONE_V1 = STRUCT_UPTO(aibrix_schedule_zone, ahead),
	BOUNDS_V1 = STRUCT_UPTO(aibrix_schedule_bounds, spare)
};

static const int64_t unix_max = 100000000000;

/* Windows over a zone. */
struct calendar {
	const aibrix_schedule_window *window;
	uint32_t n;
	aibrix_schedule_zone zone;
};

int
aibrix__zone_load(aibrix_schedule_zone *zone, const aibrix_schedule_zone *from,
		  int64_t unix_s)
{
	int err = aibrix__struct_load(zone, sizeof(*zone), from, ZONE_V1);

	if (err)
		return err;
	if (zone->spare)
		return AIBRIX_E_ABI;
	if ((from && !zone->ahead) || unix_s < -unix_max || unix_s > unix_max)
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static int
calendar_load(struct calendar *c, const aibrix_schedule_window *windows,
	      uint32_t n, const aibrix_schedule_zone *zone, int64_t unix_s)
{
	int err = aibrix__zone_load(&c->zone, zone, unix_s);

	if (err)
		return err;
	if ((n && !windows) || n > SCHEDULES_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++)
		if (!aibrix__window_valid(&windows[i]))
			return AIBRIX_E_INVAL;
	c->window = windows;
	c->n = n;
	return AIBRIX_OK;
}

int64_t
aibrix__ahead_at(const aibrix_schedule_zone *zone, int64_t t)
{
	int64_t ahead = zone->ahead ? zone->ahead(zone->ctx, t) : 0;

	return ahead > DAY_S ? DAY_S : ahead < -DAY_S ? -DAY_S : ahead;
}

/* Of today, or of yesterday into today. */
static int
window_active(const aibrix_schedule_window *w, uint32_t weekday,
	      uint32_t minute)
{
	uint32_t today = w->days >> weekday & 1;
	uint32_t yesterday = w->days >> (weekday + WEEK - 1) % WEEK & 1;

	if (!(w->flags & AIBRIX_SCHEDULE_NEXT_DAY))
		return today && minute >= w->start_minute &&
		       minute < w->end_minute;
	return (today && minute >= w->start_minute) ||
	       (yesterday && minute < w->end_minute);
}

static uint32_t
active_at(const struct calendar *c, int64_t t)
{
	int64_t local = t + aibrix__ahead_at(&c->zone, t), day = day_of(local);
	uint32_t minute = (uint32_t)((local - day * DAY_S) / 60);

	for (uint32_t i = 0; i < c->n; i++)
		if (window_active(&c->window[i], weekday_of(day), minute))
			return i;
	return AIBRIX_SCHEDULE_NONE;
}

int
aibrix_schedule_resolve(const aibrix_schedule_window *windows, uint32_t n,
			int32_t min_replicas, int32_t max_replicas,
			const aibrix_schedule_zone *zone, int64_t unix_s,
			aibrix_schedule_bounds *bounds)
{
	aibrix_schedule_bounds b = {.size = sizeof(b),
				    .min_replicas = min_replicas,
				    .max_replicas = max_replicas};
	struct calendar c;
	int err = calendar_load(&c, windows, n, zone, unix_s);

	if (err)
		return err;
	if (!bounds)
		return AIBRIX_E_INVAL;
	b.active = active_at(&c, unix_s);
	if (b.active != AIBRIX_SCHEDULE_NONE) {
		const aibrix_schedule_window *w = &windows[b.active];

		if (w->flags & AIBRIX_SCHEDULE_MIN)
			b.min_replicas = w->min_replicas;
		if (w->flags & AIBRIX_SCHEDULE_MAX)
			b.max_replicas = w->max_replicas;
		b.min_scheduled = (w->flags & AIBRIX_SCHEDULE_MIN) != 0;
	}
	return aibrix__struct_store(bounds, &b, sizeof(b), BOUNDS_V1);
}

int64_t
aibrix__change_find(const aibrix_schedule_zone *zone, int64_t low, int64_t high)
{
	int64_t ahead = aibrix__ahead_at(zone, low);

	while (high - low > 1) {
		int64_t mid = low + (high - low) / 2;

		if (aibrix__ahead_at(zone, mid) == ahead)
			low = mid;
		else
			high = mid;
	}
	return high;
}

struct search {
	const struct calendar *c;
	int64_t after, best; /* best: found, or one more than is looked at */
};

static void
search_try(struct search *s, int64_t t)
{
	if (t > s->after && t < s->best &&
	    active_at(s->c, t) != active_at(s->c, t - 1))
		s->best = t;
}

/* Clocks show local: when is that, or when do they pass over it? */
static void
search_local(struct search *s, int64_t local)
{
	int64_t before = aibrix__ahead_at(&s->c->zone, local - DAY_S);
	int64_t after = aibrix__ahead_at(&s->c->zone, local + DAY_S);

	search_try(s, local - before);
	if (before == after)
		return;
	search_try(s, local - after);
	search_try(s, aibrix__change_find(&s->c->zone, local - DAY_S,
					  local + DAY_S));
}

int
aibrix_schedule_next(const aibrix_schedule_window *windows, uint32_t n,
		     const aibrix_schedule_zone *zone, int64_t unix_s,
		     int64_t *next_s)
{
	struct calendar c;
	struct search s = {&c, unix_s, INT64_MAX};
	int64_t today;
	int err = calendar_load(&c, windows, n, zone, unix_s);

	if (err)
		return err;
	if (!next_s)
		return AIBRIX_E_INVAL;
	today = day_of(unix_s + aibrix__ahead_at(&c.zone, unix_s));
	for (int64_t day = today - 1; day <= today + WEEK + 1; day++)
		for (uint32_t i = 0; i < n; i++) {
			search_local(&s, day * DAY_S +
						 windows[i].start_minute * 60);
			search_local(&s,
				     day * DAY_S + windows[i].end_minute * 60);
		}
	if (s.best == INT64_MAX)
		return AIBRIX_E_NOT_FOUND;
	*next_s = s.best;
	return AIBRIX_OK;
}
