/*
 * Bounds of a deployment by the time of day: recurring daily windows, as
 * AIBrix's schedules are.
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
	AIBRIX_SCHEDULE_MAX = 2
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
 * of it.  Less than a day, and set at most once in two days. */
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

#ifdef __cplusplus
}
#endif

#endif
