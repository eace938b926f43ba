/*
 * When cron fires next, and rules that begin then.
 *
 * Days are looked at by the calendar that clocks show, from yesterday on: a
 * day that is none of the expression's costs a few instructions, one that is
 * asks for the offsets around it.  Where these are equal a minute of clocks
 * is an instant; where they differ it is one, two, or none, which is then
 * the moment when clocks pass over it.  So the first instant of a day may be
 * after one of the next: two more days are looked at.
 *
 *	wall  1:59 3:00          2:30 is at 3:00
 *	wall  1:59 2:00 ... 2:59 2:00 ... 2:59 3:00     2:30 is twice
 *
 * A rule is active at t when start fires in (t - duration, t + lead].
 */

#include "base/versioned.h"
#include "scale/schedule_internal.h"

enum {
	BOUNDS_V1 = STRUCT_UPTO(aibrix_schedule_bounds, spare),
	YEARS_DAYS = 8 * 366 + 2, /* from one 29 February to the next */
	WEEK_S = WEEK * DAY_S,
	ERA_DAYS = 146097 /* 400 years */
};

struct date {
	uint32_t month, day;
};

/* Of a day since 1970: years begin in March, so 29 February is the last day
 * of one (Hinnant's days_from_civil, inverted). */
static struct date
date_of(int64_t day)
{
	int64_t since = day + 719468;
	int64_t era = (since - (since < 0 ? ERA_DAYS - 1 : 0)) / ERA_DAYS;
	uint32_t doe = (uint32_t)(since - era * ERA_DAYS);
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint32_t month = (5 * doy + 2) / 153;

	return (struct date){month < 10 ? month + 3 : month - 9,
			     doy - (153 * month + 2) / 5 + 1};
}

static int
day_fires(const aibrix_cron *c, int64_t day)
{
	struct date date = date_of(day);
	uint32_t on_day = c->days >> date.day & 1;
	uint32_t on_weekday = c->weekdays >> weekday_of(day) & 1;

	if (!(c->months >> date.month & 1))
		return 0;
	return c->flags ? on_day && on_weekday : on_day || on_weekday;
}

/* Where an offset is in force around a day. */
struct offsets {
	const aibrix_schedule_zone *zone;
	int64_t before, after;
	int64_t change; /* the second when they change */
};

static struct offsets
offsets_of(const aibrix_schedule_zone *zone, int64_t day)
{
	struct offsets o = {.zone = zone};
	int64_t low = (day - 1) * DAY_S, high = (day + 2) * DAY_S;

	o.before = aibrix__ahead_at(zone, low);
	o.after = aibrix__ahead_at(zone, high);
	if (o.before != o.after)
		o.change = aibrix__change_find(zone, low, high);
	return o;
}

/* The first instant after t at which clocks show local, or pass over it. */
static int64_t
instant_of(const struct offsets *o, int64_t local, int64_t t)
{
	int64_t early = local - o->before, late = local - o->after;

	if (o->before == o->after)
		return early > t ? early : INT64_MAX;
	if (early < o->change && early > t)
		return early;
	if (late >= o->change)
		return late > t ? late : INT64_MAX;
	/* Neither: clocks pass over it. */
	return early >= o->change && o->change > t ? o->change : INT64_MAX;
}

/* The first of a day.  Without a change they are in order, and none before
 * what clocks show at t counts. */
static int64_t
day_first(const aibrix_cron *c, const struct offsets *o, int64_t day, int64_t t)
{
	int64_t best = INT64_MAX, from = t + o->before - day * DAY_S;
	int same = o->before == o->after;
	uint32_t minute = 0;

	if (same && from >= DAY_S)
		return INT64_MAX;
	if (same && from > 0)
		minute = (uint32_t)(from / 60);
	for (; minute < DAY_MINUTES; minute++) {
		int64_t at;

		if (!(c->hours >> minute / 60 & 1)) {
			minute += 59 - minute % 60;
			continue;
		}
		if (!(c->minutes >> minute % 60 & 1))
			continue;
		at = instant_of(o, day * DAY_S + minute * 60, t);
		best = at < best ? at : best;
		if (same && best != INT64_MAX)
			break;
	}
	return best;
}

/* The first second after unix_s at which cron fires, if it is within so many
 * days; INT64_MAX: none. */
static int64_t
cron_next(const aibrix_cron *cron, const aibrix_schedule_zone *zone,
	  int64_t unix_s, int64_t days)
{
	int64_t today = day_of(unix_s + aibrix__ahead_at(zone, unix_s));
	int64_t best = INT64_MAX, last = today + days + 1;

	for (int64_t day = today - 1; day <= last; day++) {
		struct offsets o;
		int64_t at;

		if (!day_fires(cron, day))
			continue;
		o = offsets_of(zone, day);
		at = day_first(cron, &o, day, unix_s);
		if (at >= best)
			continue;
		best = at;
		if (last > day + 2)
			last = day + 2;
	}
	return best;
}

int
aibrix_cron_next(const aibrix_cron *cron, const aibrix_schedule_zone *zone,
		 int64_t unix_s, int64_t *next_s)
{
	aibrix_schedule_zone z;
	int64_t next;
	int err = aibrix__zone_load(&z, zone, unix_s);

	if (err)
		return err;
	if (!cron || !next_s || !aibrix__cron_valid(cron))
		return AIBRIX_E_INVAL;
	next = cron_next(cron, &z, unix_s, YEARS_DAYS);
	if (next == INT64_MAX)
		return AIBRIX_E_NOT_FOUND;
	*next_s = next;
	return AIBRIX_OK;
}

/* ---- rules ---- */

static int
rule_valid(const aibrix_schedule_rule *r)
{
	const uint32_t both = AIBRIX_SCHEDULE_MIN | AIBRIX_SCHEDULE_MAX;

	return aibrix__cron_valid(&r->start) && r->duration_s >= 1 &&
	       r->duration_s <= WEEK_S && r->lead_s <= DAY_S && r->flags &&
	       !(r->flags & ~both) && !r->spare &&
	       (!(r->flags & AIBRIX_SCHEDULE_MIN) || r->min_replicas >= 0) &&
	       (!(r->flags & AIBRIX_SCHEDULE_MAX) || r->max_replicas > 0) &&
	       (r->flags != both || r->min_replicas <= r->max_replicas);
}

static int
rules_load(aibrix_schedule_zone *z, const aibrix_schedule_rule *rules,
	   uint32_t n, const aibrix_schedule_zone *zone, int64_t unix_s)
{
	int err = aibrix__zone_load(z, zone, unix_s);

	if (err)
		return err;
	if ((n && !rules) || n > SCHEDULES_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++)
		if (!rule_valid(&rules[i]))
			return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static int
rule_active(const aibrix_schedule_rule *r, const aibrix_schedule_zone *z,
	    int64_t t)
{
	int64_t lead = (int64_t)r->lead_s, length = (int64_t)r->duration_s;
	int64_t days = (lead + length) / DAY_S + 1;
	int64_t start = cron_next(&r->start, z, t - length, days);

	return start != INT64_MAX && start - lead <= t;
}

/* When it becomes active or ceases to be, or a week, in which it does not
 * cease to be; INT64_MAX: never. */
static int64_t
rule_next(const aibrix_schedule_rule *r, const aibrix_schedule_zone *z,
	  int64_t t)
{
	int64_t lead = (int64_t)r->lead_s, length = (int64_t)r->duration_s;
	int64_t start = cron_next(&r->start, z, t - length, YEARS_DAYS);

	if (start == INT64_MAX || start - lead > t)
		return start == INT64_MAX ? start : start - lead;
	/* The first end before which no other has started. */
	while (start + length < t + WEEK_S) {
		int64_t end = start + length;

		start = cron_next(&r->start, z, start, YEARS_DAYS);
		if (start == INT64_MAX || start - lead > end)
			return end;
	}
	return t + WEEK_S;
}

int
aibrix_schedule_rules_resolve(const aibrix_schedule_rule *rules, uint32_t n,
			      int32_t min_replicas, int32_t max_replicas,
			      const aibrix_schedule_zone *zone, int64_t unix_s,
			      aibrix_schedule_bounds *bounds)
{
	aibrix_schedule_bounds b = {.size = sizeof(b),
				    .active = AIBRIX_SCHEDULE_NONE,
				    .min_replicas = min_replicas,
				    .max_replicas = max_replicas};
	aibrix_schedule_zone z;
	int max_scheduled = 0;
	int err = rules_load(&z, rules, n, zone, unix_s);

	if (err)
		return err;
	if (!bounds)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		const aibrix_schedule_rule *r = &rules[i];

		if (!rule_active(r, &z, unix_s))
			continue;
		if (b.active == AIBRIX_SCHEDULE_NONE)
			b.active = i;
		if ((r->flags & AIBRIX_SCHEDULE_MIN) &&
		    (!b.min_scheduled || r->min_replicas > b.min_replicas)) {
			b.min_scheduled = 1;
			b.min_replicas = r->min_replicas;
		}
		if ((r->flags & AIBRIX_SCHEDULE_MAX) &&
		    (!max_scheduled || r->max_replicas < b.max_replicas)) {
			max_scheduled = 1;
			b.max_replicas = r->max_replicas;
		}
	}
	if (b.min_replicas > b.max_replicas)
		b.min_replicas = b.max_replicas;
	return aibrix__struct_store(bounds, &b, sizeof(b), BOUNDS_V1);
}

int
aibrix_schedule_rules_next(const aibrix_schedule_rule *rules, uint32_t n,
			   const aibrix_schedule_zone *zone, int64_t unix_s,
			   int64_t *next_s)
{
	aibrix_schedule_zone z;
	int64_t best = INT64_MAX;
	int err = rules_load(&z, rules, n, zone, unix_s);

	if (err)
		return err;
	if (!next_s)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		int64_t next = rule_next(&rules[i], &z, unix_s);

		best = next < best ? next : best;
	}
	if (best == INT64_MAX)
		return AIBRIX_E_NOT_FOUND;
	*next_s = best;
	return AIBRIX_OK;
}
