/*
 * A series of numbers over the last seconds or minutes, in slots of time:
 * fixed memory of the caller's, samples in any order, clocks that stop or
 * jump.
 *
 *	   first                    last        now
 *	  . . [s] [s] [ ] [s] [ ] [s] . . . . . .|
 *	      |<------ window_ns ------>|            read at last
 *	                  |<------ window_ns ------>|  read at now
 *
 * A read counts the slots that lie within the window before now, so what has
 * become old counts no more, whether or not anything new has come.
 */
#ifndef AIBRIX_WINDOW_H
#define AIBRIX_WINDOW_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What samples of one slot become, and slots of the window. */
enum {
	/* The mean of all samples. */
	AIBRIX_WINDOW_MEAN = 0,
	/* The mean of the newest sample of each slot; both ends of the window
	   count, so it is a slot longer.  AIBrix's (e3e10f9). */
	AIBRIX_WINDOW_LATEST = 1,
	/* Sums of the slots, divided by the slots since the first sample:
	   Knative's linear buckets, for one sample in each slot. */
	AIBRIX_WINDOW_LINEAR = 2,
	/* Sums of the slots, each weighted less than the one after it:
	   Knative's weighted-exponential buckets. */
	AIBRIX_WINDOW_WEIGHTED = 3,
	/* The largest sample. */
	AIBRIX_WINDOW_MAX = 4
};

typedef struct aibrix_window_opts {
	uint32_t size;
	uint32_t kind;      /* AIBRIX_WINDOW_* */
	uint64_t window_ns; /* a multiple of slot_ns; 65 536 of them at most */
	uint64_t slot_ns;   /* 0: 1 s; at least 1 us */
} aibrix_window_opts;

/*
 * No pointers in it: its bytes may be copied to wherever there is room.
 *
 * Thread: confined.
 */
typedef struct aibrix_window aibrix_window;

/*
 * Bytes that a window takes: 16 for each slot, and 64.
 *
 * Fails: E_INVAL (an option out of range), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_window_bytes(const aibrix_window_opts *opts, uint64_t *bytes);

/*
 * Make an empty window in memory, which stays the caller's and is aligned
 * to 8.  *out points to it.
 *
 * Fails: E_INVAL, E_ABI, E_SPACE (bytes is below aibrix_window_bytes).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_window_init(const aibrix_window_opts *opts,
					       void *memory, uint64_t bytes,
					       aibrix_window **out);

/* The largest sample, and the least with a minus. */
#define AIBRIX_WINDOW_VALUE_MAX 1e18

/*
 * A sample as of at_ns.  Samples may come late; one that is older than the
 * window before the newest is refused, and nothing has changed.  When a
 * clock was set back for good, aibrix_window_clear begins again.
 *
 * Fails: E_INVAL (NaN, infinite, above AIBRIX_WINDOW_VALUE_MAX), E_STATE (too
 * old).
 * Cost: O(1), and O(slots) after a gap.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_window_add(aibrix_window *window,
					      double value, uint64_t at_ns);

/* What a read may lean on. */
enum {
	AIBRIX_WINDOW_EMPTY = 0,   /* nothing has come */
	AIBRIX_WINDOW_STALE = 1,   /* all is older than the window */
	AIBRIX_WINDOW_PARTIAL = 2, /* the first sample is younger than it */
	AIBRIX_WINDOW_FULL = 3
};

typedef struct aibrix_window_view {
	uint32_t size;
	uint32_t state;    /* AIBRIX_WINDOW_EMPTY and so on */
	double value;      /* of the kind; EMPTY and STALE: NaN, but 0 for
	                      LINEAR and WEIGHTED, as Knative has it */
	double least;      /* of the slots that count; NaN when there is none */
	double most;
	double variance;   /* of these slots' values, divided by their number */
	uint64_t samples;  /* that count; LATEST: slots */
	uint64_t age_ns;   /* of the newest sample; FOREVER: none ever came */
} aibrix_window_view;

/*
 * The window as of now_ns.  A now_ns before the newest sample counts as that
 * sample's time.
 *
 * Fails: E_INVAL.  Cost: O(slots).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_window_read(const aibrix_window *window,
					       uint64_t now_ns,
					       aibrix_window_view *view);

/* As if it had just been made.  NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_window_clear(aibrix_window *window);

/*
 * Let to hold what from holds, as much as it has slots for, the newest: for
 * a window whose length changes.
 *
 * Fails: E_INVAL (another kind or length of slots, to is from).
 * Cost: O(slots).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_window_copy(aibrix_window *to,
					       const aibrix_window *from);

#ifdef __cplusplus
}
#endif

#endif
