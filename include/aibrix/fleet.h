/*
 * The fleet: a table whose rows are owners (a pod's data-parallel rank) and
 * whose columns are metrics.  Every decision reads one such table; a new
 * metric is a new column number, not a new struct.
 */
#ifndef AIBRIX_FLEET_H
#define AIBRIX_FLEET_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Columns.  Numbers are stable.  A value that nobody has set is NaN: not
 * known is never zero.  Units are in the names; gauges unless stated.
 */
enum {
	/* the gateway's own counts */
	AIBRIX_COL_REQUESTS_RUNNING = 0, /* routed there and not finished */
	AIBRIX_COL_TOKENS_PENDING = 1,   /* uncached prompt tokens routed there
	                                    and not yet prefilled */
	/* of one request; used as overlays */
	AIBRIX_COL_PREFIX_BLOCKS = 2, /* leading blocks of the prompt held */
	AIBRIX_COL_LOAD_RATIO = 3,    /* of the row's capacity in use */
	AIBRIX_COL_REQUEST_LOAD_RATIO = 4, /* this request adds; infinite: it
	                                      can never be served there */
	AIBRIX_COL_ADAPTER_HELD = 5, /* the request's adapter: 1 there, 0 not */
	AIBRIX_COL_TIER_BLOCKS = 6, /* leading blocks that the row holds or can
	                               pull from a lower tier */
	AIBRIX_COL_USER_SCORE = 7, /* of its user: aibrix_vtc_scores */
	/* what engines report */
	AIBRIX_COL_ENGINE_RUNNING = 8, /* num_requests_running */
	AIBRIX_COL_ENGINE_WAITING = 9, /* num_requests_waiting */
	AIBRIX_COL_ENGINE_SWAPPED = 10,
	AIBRIX_COL_KV_USAGE_RATIO = 11,  /* kv_cache_usage_perc, 0-1 */
	AIBRIX_COL_GPU_USAGE_RATIO = 12, /* gpu_cache_usage_perc, 0-1 */
	AIBRIX_COL_CPU_USAGE_RATIO = 13, /* cpu_cache_usage_perc, 0-1 */
	AIBRIX_COL_GPU_BUSY_RATIO = 14,
	AIBRIX_COL_UTILIZATION_RATIO = 15, /* engine_utilization */
	AIBRIX_COL_QUEUE_S = 16,           /* mean request_queue_time */
	AIBRIX_COL_PREFILL_S = 17,
	AIBRIX_COL_DECODE_S = 18,
	AIBRIX_COL_PROMPT_TOKENS = 19, /* mean per request */
	AIBRIX_COL_OUTPUT_TOKENS = 20,
	AIBRIX_COL_TOKENS_PER_S = 21,
	AIBRIX_COL_REQUESTS_PER_S = 22,  /* drain rate */
	AIBRIX_COL_PREFILL_TOKENS_PER_S = 23,
	AIBRIX_COL_ADAPTERS = 24,     /* loaded */
	AIBRIX_COL_ADAPTERS_MAX = 25, /* that fit */
	/* verdicts and configuration */
	AIBRIX_COL_HEALTH_RATIO = 40, /* 0: do not use; NaN counts as healthy */
	AIBRIX_COL_CAPACITY_RATIO = 41, /* speed relative to its peers */
	AIBRIX_COL_JOINED_S = 42, /* when it was first seen, in seconds of the
	                             clock that now_ns is of */
	/* what time goes into; aibrix/estimate.h learns the first two */
	AIBRIX_COL_SLOWNESS_RATIO = 43, /* its time over the model's */
	AIBRIX_COL_BUSY_UNTIL_S = 44, /* when the prompts that wait there will
	                                 be computed, as JOINED_S */
	AIBRIX_COL_EXTRA_S = 45,      /* that a request costs there besides */
	/* the gateway's account of the last minutes: aibrix_radix_history */
	AIBRIX_COL_HISTORY_REQUESTS = 46, /* sent there */
	AIBRIX_COL_HISTORY_S = 47,        /* what they cost it */
	/* the caller's own */
	AIBRIX_COL_USER = 96,
	AIBRIX_COL_MAX = 128
};

/*
 * Frozen: 16 bytes.  A column of the caller, laid over the table for one
 * call: facts of one request, such as matched blocks.  rows must equal
 * aibrix_fleet_rows.
 */
typedef struct aibrix_column {
	uint32_t id;
	uint32_t rows;
	const double *values; /* by row; NaN: not known; borrowed */
} aibrix_column;

/* Frozen: 16 bytes.  Who a row is. */
typedef struct aibrix_owner {
	uint64_t pod;   /* the caller's id of the pod, any number */
	uint32_t rank;  /* data-parallel rank; 0 for single-rank pods */
	uint32_t spare; /* must be 0 */
} aibrix_owner;

typedef struct aibrix_fleet_opts {
	uint32_t size;
	uint32_t max_rows;             /* 0: 1024; at most 65536 */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_fleet_opts;

/*
 * Thread: readers.
 */
typedef struct aibrix_fleet aibrix_fleet;

/*
 * An empty table.  opts may be NULL.  *out is owned: aibrix_fleet_free.
 *
 * Fails: E_INVAL (size, max_rows), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_fleet_new(const aibrix_fleet_opts *opts,
					     aibrix_fleet **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_fleet_free(aibrix_fleet *fleet);

/*
 * Give owner a row, the lowest free one, all of its values not known.  A
 * row keeps its number until it is removed; the number then goes to the
 * next owner added.
 *
 * Fails: E_STATE (owner has a row; *row is set to it), E_FULL (max_rows),
 * E_INVAL (spare), E_NOMEM.
 * Cost: O(1) expected.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_fleet_add(aibrix_fleet *fleet,
					     const aibrix_owner *owner,
					     uint32_t *row);

/* Free row.  Fails: E_NOT_FOUND (no owner there).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_fleet_remove(aibrix_fleet *fleet,
						uint32_t row);

/* The row of owner.  Fails: E_NOT_FOUND.  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_fleet_find(const aibrix_fleet *fleet,
					      const aibrix_owner *owner,
					      uint32_t *row);

/* Who row is.  Fails: E_NOT_FOUND (free row).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_fleet_owner(const aibrix_fleet *fleet,
					       uint32_t row,
					       aibrix_owner *owner);

/* One more than the highest row in use: the length of every column; rows
 * below it may be free.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_fleet_rows(const aibrix_fleet *fleet);

/* Rows in use.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_fleet_count(const aibrix_fleet *fleet);

/*
 * Set one value as of now_ns; NaN makes it not known.
 *
 * Fails: E_NOT_FOUND (free row), E_INVAL (column), E_NOMEM (first use of a
 * column).
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_fleet_set(aibrix_fleet *fleet, uint32_t row,
					     uint32_t column, double value,
					     uint64_t now_ns);

/*
 * Set rows [0, rows) of a column at once as of now_ns; values of free rows
 * are ignored.  rows must equal aibrix_fleet_rows.
 *
 * Fails: E_INVAL (column, rows), E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_fleet_set_column(aibrix_fleet *fleet, uint32_t column,
			const double *values, uint32_t rows, uint64_t now_ns);

/*
 * One value (NaN: not known) and, unless age_ns is NULL, how old it is at
 * now_ns (0 when it was set later; AIBRIX_FOREVER when not known).
 *
 * Fails: E_NOT_FOUND (free row), E_INVAL (column).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_fleet_get(const aibrix_fleet *fleet, uint32_t row, uint32_t column,
		 uint64_t now_ns, double *value, uint64_t *age_ns);

/*
 * A column in place, aibrix_fleet_rows long, NaN in free rows; borrowed
 * until the next non-const call.  NULL when nobody has ever set a value in
 * it, or for a bad column.
 *
 * Since: 0.1.
 */
AIBRIX_API const double *aibrix_fleet_column(const aibrix_fleet *fleet,
					     uint32_t column);

#ifdef __cplusplus
}
#endif

#endif
