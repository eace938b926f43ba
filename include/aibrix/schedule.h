/*
 * Bounds of a deployment by the time of day: recurring daily windows, as
 * AIBrix's schedules are, and rules that begin by cron.
 *
 *	read      texts -> windows, checked as a whole
 *	resolve   windows, time -> the bounds that hold, for aibrix_scale_opts
 *	next      windows, time -> when they change
 *
 * Time is in seconds since 1970, UTC; what the clocks of a zone show is asked
 * of the caller, so that no database of zones is needed here.
 */
#ifndef AIBRIX_SCHEDULE_H
#define AIBRIX_SCHEDULE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a schedule and of a window. */
enum {
	AIBRIX_SCHEDULE_MIN = 1, /* it sets min_replicas */
	AIBRIX_SCHEDULE_MAX = 2,
	AIBRIX_SCHEDULE_NEXT_DAY = 4 /* it ends on the day after its start, not
	                                later than it began; AIBrix has none */
};

/* Frozen: 64 bytes.  As it is written. */
typedef struct aibrix_schedule {
	const char *name; /* lower-case letters, digits, hyphens within; 63 */
	const char *zone; /* NULL: "UTC"; one for all schedules */
	const char *const *days; /* "Mon" and so on, any case; NULL: all */
	const char *start;       /* "HH:MM" */
	const char *end;         /* after start, on the same day */
	uint32_t n_days;
	uint32_t flags; /* AIBRIX_SCHEDULE_MIN, MAX: one at least */
	int32_t min_replicas;
	int32_t max_replicas;
	uint64_t spare; /* must be 0 */
} aibrix_schedule;

/* Frozen: 24 bytes.  From start to before end on each of its days. */
typedef struct aibrix_schedule_window {
	uint32_t days;         /* bit 0: Sunday, ... bit 6: Saturday */
	uint32_t start_minute; /* of the day */
	uint32_t end_minute;
	uint32_t flags;
	int32_t min_replicas;
	int32_t max_replicas;
} aibrix_schedule_window;

/*
 * n windows of as many schedules, over bounds of the deployment from which a
 * schedule takes what it does not set.  Windows may touch and not overlap.
 *
 * Fails: E_PARSE (a text is not of its form), E_INVAL (no schedule, no bound,
 * no day, an end that is not after its start, two of one name, two zones, an
 * overlap, bounds that cross), E_ABI (flags, spare).  *bad is then the
 * schedule, and nothing else has changed.
 * Cost: O(n^2).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_schedule_read(const aibrix_schedule *schedules, uint32_t n,
		     int32_t min_replicas, int32_t max_replicas,
		     aibrix_schedule_window *windows, uint32_t *bad);

/* What a zone's clocks are ahead of UTC, in seconds, at unix_s; negative west
 * of it.  Less than a day, and set at most once in three days. */
typedef struct aibrix_schedule_zone {
	uint32_t size;
	uint32_t spare; /* must be 0 */
	void *ctx;
	int32_t (*ahead)(void *ctx, int64_t unix_s);
} aibrix_schedule_zone;

#define AIBRIX_SCHEDULE_NONE ((uint32_t)-1)

typedef struct aibrix_schedule_bounds {
	uint32_t size;
	uint32_t active; /* window; AIBRIX_SCHEDULE_NONE: of the deployment */
	int32_t min_replicas;
	int32_t max_replicas;
	uint32_t min_scheduled; /* for AIBRIX_SCALE_MIN_SCHEDULED */
	uint32_t spare;
} aibrix_schedule_bounds;

/*
 * The bounds that hold at unix_s: of the first window that is active, over
 * those given.  zone NULL: UTC.
 *
 * Fails: E_INVAL (a window that cannot be, a time beyond 10^11), E_ABI.
 * Cost: O(n).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_schedule_resolve(const aibrix_schedule_window *windows, uint32_t n,
			int32_t min_replicas, int32_t max_replicas,
			const aibrix_schedule_zone *zone, int64_t unix_s,
			aibrix_schedule_bounds *bounds);

/*
 * When another window, or none, becomes active: the first such second after
 * unix_s; a week is looked at.  Where clocks are set, that may be the moment
 * when they are.
 *
 * Fails: E_NOT_FOUND (nothing changes), E_INVAL, E_ABI.
 * Cost: O(n^2).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_schedule_next(const aibrix_schedule_window *windows, uint32_t n,
		     const aibrix_schedule_zone *zone, int64_t unix_s,
		     int64_t *next_s);

/* Cron */

/* The field is "*": the other one says which days. */
enum { AIBRIX_CRON_ANY_DAY = 1, AIBRIX_CRON_ANY_WEEKDAY = 2 };

/* Frozen: 32 bytes.  Bit i: at i. */
typedef struct aibrix_cron {
	uint64_t minutes;  /* 0 to 59 */
	uint32_t hours;    /* 0 to 23 */
	uint32_t days;     /* of the month, 1 to 31 */
	uint32_t months;   /* 1 to 12 */
	uint32_t weekdays; /* 0: Sunday, to 6 */
	uint32_t flags;    /* AIBRIX_CRON_* */
	uint32_t spare;    /* must be 0 */
} aibrix_cron;

/*
 * The n bytes of an expression: minute, hour, day of the month, month, day
 * of the week, with blanks between; each "*", numbers, ranges "1-5" and steps
 * behind them ("*", "1-31" or "3" and "/2"; "3/2" begins at 3), and commas;
 * months and weekdays also by three letters in any case, 7 is Sunday too,
 * "?" is "*".  Or "@hourly", "@daily", "@midnight", "@weekly", "@monthly",
 * "@yearly", "@annually".
 *
 * A day must be one of both fields, or of either where neither is "*"; a "*"
 * with a step is no "*", as in Kubernetes and not in Vixie's cron.
 *
 * Fails: E_PARSE (not of that form, above 256 bytes), E_INVAL (NULL).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cron_read(const char *text, uint64_t n,
					     aibrix_cron *cron);

/*
 * The first second after unix_s when clocks come to a minute of cron.  One
 * that they pass over is when they do; one that comes twice is twice.
 *
 * Fails: E_NOT_FOUND (there is none: 30 February), E_INVAL, E_ABI.
 * Cost: O(days until then), at most 8 years.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cron_next(const aibrix_cron *cron,
					     const aibrix_schedule_zone *zone,
					     int64_t unix_s, int64_t *next_s);

/* Frozen: 64 bytes.  From when start comes, less lead_s, for lead_s +
 * duration_s. */
typedef struct aibrix_schedule_rule {
	aibrix_cron start;
	uint64_t duration_s; /* 1 to a week */
	uint64_t lead_s; /* earlier, for pods to load; at most a day */
	uint32_t flags;  /* AIBRIX_SCHEDULE_MIN, MAX: one at least */
	int32_t min_replicas;
	int32_t max_replicas;
	uint32_t spare; /* must be 0 */
} aibrix_schedule_rule;

/*
 * The bounds that hold at unix_s.  Rules may overlap: of those that are
 * active the largest minimum and the smallest maximum, and no minimum above
 * that.  bounds->active is the first of them.
 *
 * Fails: E_INVAL (a rule that cannot be, a time beyond 10^11), E_ABI.
 * Cost: O(n x days of a rule).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_schedule_rules_resolve(const aibrix_schedule_rule *rules, uint32_t n,
			      int32_t min_replicas, int32_t max_replicas,
			      const aibrix_schedule_zone *zone, int64_t unix_s,
			      aibrix_schedule_bounds *bounds);

/*
 * The first second after unix_s at which a rule becomes active or ceases to
 * be; at most a week ahead while one is active, even if it stays so: ask
 * again then.
 *
 * Fails: E_NOT_FOUND (none does), E_INVAL, E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_schedule_rules_next(const aibrix_schedule_rule *rules, uint32_t n,
			   const aibrix_schedule_zone *zone, int64_t unix_s,
			   int64_t *next_s);

#ifdef __cplusplus
}
#endif

#endif
