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
 * strategy is a name of the table that aibrix_route_strategy lists, or
 *
 *   "a:6,b:4"  both, weighted: each name with a whole number from 0 to
 *              1000000, 1 when there is none; 0 leaves the item out
 *   "a>b>c"    each narrows what the one before it left
 *
 * "least-user-N" and "most-user-N" read column AIBRIX_COL_USER + N, so that
 * whatever the caller computes is a strategy, too.
 */
typedef struct aibrix_route_opts {
	uint32_t size;
	uint32_t profile;     /* AIBRIX_PROFILE_* */
	/* copied; NULL: "cost", in the compat profile, which has no such
	   strategy, "prefix-cache" */
	const char *strategy;
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
	/* default profile: what an engine reported longer ago than this is
	   not known; 0: 10 s, AIBRIX_FOREVER: any age will do */
	uint64_t max_age_ns;
	/* any strategy: when the most and the least requests running are
	   further apart, who is further above the least (compat: not at it)
	   is no candidate; 0: off, unless FILTER is set */
	double imbalance_filter;
	/* default session-affinity: a row may have this share more requests
	   than the mean before sessions go elsewhere; 0: 1/4 */
	double session_bound;
	/* least-request-top-k: how far above the least is as good; 0: 4 */
	double top_k_epsilon;
	uint64_t ramp_ns; /* least-request-top-k: warm-up; 0: 300 s */
	/* least-load-pulling, pack-load: how full a row may be; 0: 1 */
	double load_capacity;
	/* default lora-affinity: what loading an adapter costs, in requests;
	   0: 8 */
	double adapter_requests;
	/* compat lora-affinity: how often rows with the adapter are chosen;
	   0: 0.999 */
	double affinity_ratio;
	uint32_t top_k; /* 0: 5; at most 64 */
	uint32_t spare2; /* must be 0 */
} aibrix_route_opts;

enum {
	AIBRIX_ROUTE_IMBALANCE_SET = 1,
	AIBRIX_ROUTE_STDDEV_SET = 2,
	AIBRIX_ROUTE_FILTER = 4,
	AIBRIX_ROUTE_EPSILON_SET = 8, /* top_k_epsilon may be 0 */
	AIBRIX_ROUTE_NO_RAMP = 16
};

enum {
	/* bytes of a strategy string, and items in it */
	AIBRIX_ROUTE_TEXT_MAX = 1024,
	AIBRIX_ROUTE_ITEMS_MAX = 16,
	AIBRIX_ROUTE_COEFFICIENT_MAX = 1000000
};

enum {
	/* "pd" or "slo...": the first of them is the whole strategy */
	AIBRIX_ROUTE_ITEM_EXCLUSIVE = 1,
	/* separated by '>' */
	AIBRIX_ROUTE_ITEM_STAGE = 2
};

/* Frozen: 16 bytes.  One item of a strategy string. */
typedef struct aibrix_route_item {
	uint32_t at;          /* where its name begins */
	uint32_t len;         /* bytes of the name */
	uint32_t coefficient; /* 1-1000000 */
	uint32_t flags;       /* AIBRIX_ROUTE_ITEM_* */
} aibrix_route_item;

/*
 * The items of a strategy string as the grammar has them: without those of
 * coefficient 0, with the coefficients of a name that stands twice added to
 * the first, and an exclusive one alone.  Names are not looked up.  *n
 * becomes their number, at most AIBRIX_ROUTE_ITEMS_MAX.
 *
 * Fails: E_PARSE (not of this grammar, or above a limit; *offset, unless
 * NULL, says where), E_SPACE (*n holds the number), E_INVAL.
 * Cost: O(len), no allocation.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_route_parse(const char *text, uint64_t len, aibrix_route_item *out,
		   uint32_t cap, uint32_t *n, uint64_t *offset);

/*
 * The one spelling of a strategy string, for logs and labels: what parse
 * leaves, coefficients divided by their greatest common divisor and ":1"
 * left out.  Two strings with one spelling choose alike.  *n becomes the
 * number of bytes without the NUL that ends them; out is not longer than
 * the text was.
 *
 * Fails: as parse; E_SPACE (cap is not above *n).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_route_canonical(const char *text,
						   uint64_t len, char *out,
						   uint64_t cap, uint64_t *n);

/*
 * Thread: shared (immutable after _new in this version).
 */
typedef struct aibrix_route aibrix_route;

/*
 * A router.  opts may be NULL.  *out is owned: aibrix_route_free.
 *
 * Fails: E_PARSE (strategy is not of the grammar), E_UNSUPPORTED (unknown
 * strategy, "pd", or one that cannot be combined in a list), E_INVAL (profile,
 * spare, numbers not finite, negative without a _SET flag), E_ABI, E_NOMEM.
 * Since: 0.1.
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

/*
 * The call that serves one strategy, len bytes of a name: "aibrix_route_pick",
 * "aibrix_pd_pick" for "pd", which picks two rows; NULL for a name that nobody
 * serves.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const char *aibrix_route_call(const char *strategy, uint64_t len);

/*
 * What time goes into until a request's first token: the coefficients of
 * strategy "cost", all of them finite and not below 0.  Seconds, or whatever
 * unit the caller likes, as long as it is one.
 */
typedef struct aibrix_route_model {
	uint32_t size;
	uint32_t spare;     /* must be 0 */
	double first_s;     /* a first token, however short the prompt */
	double token_s;     /* a prompt token that is computed */
	double pair_s;      /* it, with one token before it */
	double load_s;      /* a prompt token pulled from a lower tier */
	double running_s;   /* a request that is running there */
	double adapter_s;   /* the request's adapter, where it is not held */
	double pending_s;   /* a token of TOKENS_PENDING */
	double finish_s;    /* a request that is running there, until the end */
	double wait_weight; /* of what waits there before us */
	double arrivals_per_s; /* at a row: who is delayed by what we compute */
	double busy_ratio;     /* of a row's time in first tokens; below 1 */
} aibrix_route_model;

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
	uint64_t entropy; /* decides ties and random picks only */
	/* wins over the router's; it is read for this call, nothing of it is
	   kept, so a client may name what it likes.  NULL: the router's */
	const char *strategy;
	/* "ip:port" by row, NULL for rows without; for session ids.  NULL, or
	   n_addresses equals aibrix_fleet_rows */
	const char *const *addresses;
	const char *session_id;  /* of the client, any bytes */
	const void *session_key; /* of the client, any bytes */
	uint64_t session_id_len, session_key_len;
	uint32_t n_addresses;
	uint32_t spare; /* must be 0 */
	/* of cost; NULL: that of an 8B model on one large GPU */
	const aibrix_route_model *model;
	/* of the prompt's beginning, for dualmap: aibrix_hot_note; 0: none */
	uint64_t prefix_key;
} aibrix_route_request;

/*
 * What the client is to send as session id next time: the address in
 * base64, with its NUL.  *n becomes the number of bytes without it.
 *
 * Fails: E_SPACE (*n holds the number), E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_route_session_id(const char *address,
						    char *out, uint64_t cap,
						    uint64_t *n);

/*
 * AIBrix's name of the counter in Redis that its power-of-two reads and
 * counts, with its NUL: of the hour that began_s is in.  began_s is when the
 * request began, in seconds since 1970; port 0: the pod has one only.  *n
 * becomes the number of bytes without the NUL.
 *
 * Fails: E_SPACE (*n holds the number), E_INVAL.  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_route_count_key(const char *model, const char *pod, uint32_t port,
		       uint64_t began_s, char *out, uint64_t cap, uint64_t *n);

/* Why a row was picked.  Numbers are stable. */
enum {
	AIBRIX_REASON_NONE = 0,
	AIBRIX_REASON_RANDOM = 1,        /* the strategy is random */
	AIBRIX_REASON_LEAST_REQUEST = 2, /* fewest requests running */
	AIBRIX_REASON_PREFIX = 3,        /* prefix held there */
	AIBRIX_REASON_PREFIX_NONE = 4,   /* nobody holds it: least loaded */
	AIBRIX_REASON_PREFIX_SKIPPED = 5, /* holders overloaded: least loaded */
	AIBRIX_REASON_ONLY_CANDIDATE = 6,
	AIBRIX_REASON_NO_DATA = 7, /* nothing known of any candidate: random */
	AIBRIX_REASON_COMBINED = 8, /* best of the weighted strategies */
	AIBRIX_REASON_CHAINED = 9,  /* best of what the stages left */
	AIBRIX_REASON_COLUMN = 10,  /* best in a column of the caller */
	AIBRIX_REASON_THROUGHPUT = 11,
	AIBRIX_REASON_LEAST_KV_CACHE = 12,
	AIBRIX_REASON_LEAST_GPU_CACHE = 13,
	AIBRIX_REASON_LEAST_BUSY_TIME = 14,
	AIBRIX_REASON_LEAST_UTILIZATION = 15,
	AIBRIX_REASON_LEAST_LATENCY = 16,
	AIBRIX_REASON_POWER_OF_TWO = 17,
	AIBRIX_REASON_LOAD_BALANCE = 18,
	AIBRIX_REASON_TOP_K = 19,
	AIBRIX_REASON_L_METRIC = 20,
	AIBRIX_REASON_LEAST_LOAD = 21,
	AIBRIX_REASON_PACK_LOAD = 22,
	AIBRIX_REASON_ADAPTER = 23,       /* adapter held there */
	AIBRIX_REASON_ADAPTER_LOAD = 24,  /* it must be loaded there */
	AIBRIX_REASON_SESSION_ID = 25,    /* the session's own row */
	AIBRIX_REASON_SESSION_KEY = 26,   /* the row that its key points to */
	AIBRIX_REASON_SESSION_MOVED = 27, /* that row had too many requests */
	AIBRIX_REASON_SESSION_NONE = 28,  /* no session known */
	AIBRIX_REASON_COST = 29, /* soonest, though it holds nothing */
	AIBRIX_REASON_USER_SCORE = 30,    /* compat vtc-basic */
	AIBRIX_REASON_DUAL_FIRST = 31, /* first row of the prompt's key */
	AIBRIX_REASON_DUAL_SECOND = 32 /* its second one */
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
 * Fails: E_NOT_FOUND (no usable candidate), E_UNAVAILABLE (all are full:
 * least-load-pulling, pack-load, slo...), E_INVAL (overlay or addresses of
 * another length than the fleet, column number, a candidate that is not a
 * row in use), E_PARSE and E_UNSUPPORTED (the request's strategy), E_ABI.
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
 * Fails: as aibrix_route_pick, but not where all are full or of unknown
 * load; E_SPACE (*n holds the number).  Since: 0.1.
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
