/*
 * Routing: pick the owner that should serve a request.
 *
 * A router is configured once; a pick is a pure function of the fleet table,
 * the request and its entropy.  It says which row, by which rule (reason)
 * and with what score.
 */
#ifndef AIBRIX_ROUTE_H
#define AIBRIX_ROUTE_H

#include <aibrix/base.h>
#include <aibrix/fleet.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* The better rule that doc/modules/route.md describes. */
	AIBRIX_PROFILE_DEFAULT = 0,
	/* AIBrix's answer, candidates in the caller's order. */
	AIBRIX_PROFILE_COMPAT = 1
};

/*
 * strategy is one of
 *   "random"         uniform over the candidates
 *   "least-request"  fewest requests running
 *   "prefix-cache"   most of the prompt already there, without overload
 */
typedef struct aibrix_route_opts {
	uint32_t size;
	uint32_t profile;     /* AIBRIX_PROFILE_* */
	const char *strategy; /* copied; NULL: "prefix-cache" */
	/* default prefix-cache: prompt tokens that one running request counts
	   as, for rows whose TOKENS_PENDING is not known */
	double tokens_per_request; /* 0: 2048 */
	/* default prefix-cache: what a token that waits before us costs, in
	   tokens computed again */
	double queue_weight; /* 0: 1/8 */
	/* compat prefix-cache, AIBrix's environment variables; the _SET flags
	   make 0 and negative values possible */
	double imbalance_abs; /* default 8 */
	double stddev_factor; /* default 1 */
	uint32_t flags;       /* AIBRIX_ROUTE_*_SET */
	uint32_t spare;       /* must be 0 */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_route_opts;

enum {
	AIBRIX_ROUTE_IMBALANCE_SET = 1,
	AIBRIX_ROUTE_STDDEV_SET = 2
};

/*
 * Thread: shared (immutable after _new in this version).
 */
typedef struct aibrix_route aibrix_route;

/*
 * A router.  opts may be NULL.  *out is owned: aibrix_route_free.
 *
 * Fails: E_UNSUPPORTED (unknown strategy), E_INVAL (profile, spare, numbers
 * not finite, negative without a _SET flag), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_route_new(const aibrix_route_opts *opts,
					     aibrix_route **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_route_free(aibrix_route *route);

/*
 * Name of the i-th strategy, or NULL when there are fewer.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const char *aibrix_route_strategy(uint32_t i);

/* Everything is borrowed for the call. */
typedef struct aibrix_route_request {
	uint32_t size;
	uint32_t n_overlay;
	/* wins over the table's column; of two with one id the first wins */
	const aibrix_column *overlay;
	/* candidates; NULL: all rows in use.  Rows may not repeat. */
	const uint32_t *rows;
	uint32_t n_rows;
	uint32_t block_tokens;  /* of PREFIX_BLOCKS; 0: 16 */
	uint64_t prompt_tokens; /* 0: not known */
	uint64_t n_blocks;      /* whole blocks of the prompt */
	uint64_t entropy; /* decides ties and random picks; nothing else does */
} aibrix_route_request;

/* Why a row was picked.  Numbers are stable. */
enum {
	AIBRIX_REASON_NONE = 0,
	AIBRIX_REASON_RANDOM = 1,        /* the strategy is random */
	AIBRIX_REASON_LEAST_REQUEST = 2, /* fewest requests running */
	AIBRIX_REASON_PREFIX = 3,        /* prefix held there */
	AIBRIX_REASON_PREFIX_NONE = 4,   /* nobody holds it: least loaded */
	AIBRIX_REASON_PREFIX_SKIPPED = 5, /* holders overloaded: least loaded */
	AIBRIX_REASON_ONLY_CANDIDATE = 6,
	AIBRIX_REASON_NO_DATA = 7 /* nothing known of any candidate: random */
};

typedef struct aibrix_route_result {
	uint32_t size;
	uint32_t row;
	aibrix_owner owner;
	double score;        /* of the winner, in its strategy's unit */
	uint32_t reason;     /* AIBRIX_REASON_* */
	uint32_t candidates; /* usable rows that were compared */
	uint32_t ties;       /* of them, as good as the winner, itself too */
	uint32_t spare;
} aibrix_route_result;

/*
 * Pick a row.  Candidates whose HEALTH_RATIO is 0 are not usable.
 *
 * Fails: E_NOT_FOUND (no usable candidate), E_INVAL (overlay of another
 * length than the fleet, column number, a candidate that is not a row in
 * use), E_ABI.
 * Cost: O(candidates), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_route_pick(const aibrix_route *route, const aibrix_fleet *fleet,
		  const aibrix_route_request *request, uint64_t now_ns,
		  aibrix_route_result *out);

/* Frozen: 16 bytes.  One candidate as a pick sees it. */
typedef struct aibrix_route_score {
	uint32_t row;
	uint32_t scored; /* 0: nothing known, the score is NaN */
	double score;    /* in the strategy's unit */
} aibrix_route_score;

/*
 * What a pick would compare: one entry per usable candidate in the order
 * in which the pick visits them.  *n becomes their number.  Lower is better
 * when *lower_is_better becomes 1.
 *
 * Fails: as aibrix_route_pick; E_SPACE (*n holds the number).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_route_explain(const aibrix_route *route, const aibrix_fleet *fleet,
		     const aibrix_route_request *request, uint64_t now_ns,
		     aibrix_route_score *out, uint32_t cap, uint32_t *n,
		     uint32_t *lower_is_better);

/* A reason as text for logs ("prefix"), "?" when unknown.
 * Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_route_reason(uint32_t reason);

#ifdef __cplusplus
}
#endif

#endif
