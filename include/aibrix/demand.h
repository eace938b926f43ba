/*
 * How many pods the requests to come need: strategy AIBRIX_SCALE_TPA.
 *
 *	engines' numbers --> step model --> capacity of a pod --.
 *	arrivals --> forecast at now + start-up --> demand ------+--> pods
 *	pods that start --> how long that takes --'
 *
 * Other strategies compare what pods say now with a target.  This one learns
 * how long an engine's step takes, what requests look like and how long a pod
 * takes to start, and asks how many pods keep the targets for time to first
 * token and between tokens when a pod asked for at once would be ready.
 *
 * The number goes through aibrix_scale_step as a metric of kind
 * AIBRIX_SCALE_TOTAL with target 1:
 *
 *   aibrix_demand_step(&demand_opts, &fleet, &seen, demand_state, now_ns, &d);
 *   values[0] = (aibrix_scale_values){.total = d.wanted};
 *   aibrix_scale_step(&opts, &fleet, values, state, now_ns, &decision);
 *
 * No clock, no allocation, and the same inputs give the same numbers.
 * Prefill and decode pods are two deployments, each with its own state.
 */
#ifndef AIBRIX_DEMAND_H
#define AIBRIX_DEMAND_H

#include <aibrix/base.h>
#include <aibrix/scale.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What pods of a deployment do. */
enum {
	AIBRIX_DEMAND_BOTH = 0,
	AIBRIX_DEMAND_PREFILL = 1,
	AIBRIX_DEMAND_DECODE = 2
};

typedef struct aibrix_demand_opts {
	uint32_t size;
	uint32_t role;  /* AIBRIX_DEMAND_BOTH and so on */
	uint32_t flags; /* must be 0 */
	uint32_t slots; /* requests that a pod runs at once; 0: not known */
	double ttft_s;  /* mean time to first token that is wanted; 0: none */
	double itl_s;   /* between tokens; 0: none */
	/* What is known of the engine before it is seen (a profile, or a
	   roofline): a step takes step_s + kv_s x used part of the KV cache +
	   token_s x prompt tokens in it.  All 0: nothing. */
	double step_s, kv_s, token_s;
	double kv_limit;    /* of the KV cache; 0: 0.85 */
	double up_use;      /* more pods above that part of what they can
	                       bear; 0: 0.85 */
	double down_use;    /* fewer below, not above up_use; 0: 0.6 up_use */
	double sensitivity; /* fewer only if the rest stay below that part of
	                       the targets; 0: 0.8 */
	double quantile;    /* of what may come: being late costs quantile /
	                       (1 - quantile) as much as a pod too many;
	                       0.5 to 0.999; 0: 0.8 */
	double start_quantile; /* of the times that pods take to start, as
	                          above; 0: 0.9 */
	uint64_t start_ns;  /* assumed until pods are seen to start; 0: 120 s;
	                       at most 1 h */
	uint64_t drain_ns;  /* in which queues should be gone; 0: 60 s */
	uint64_t trend_ns;  /* that a trend is believed to last; 0: 300 s */
	uint64_t season_ns; /* arrivals repeat after, a day mostly; 0: they do
	                       not */
	uint64_t memory_ns; /* of engines; 0: 1800 s */
	uint64_t fresh_ns;  /* older is missing; 0: 30 s; FOREVER: none */
} aibrix_demand_opts;

/* Flags of what is seen: that number is known. */
enum {
	AIBRIX_DEMAND_ARRIVALS = 1,
	AIBRIX_DEMAND_TTFT = 2,
	AIBRIX_DEMAND_ITL = 4,
	AIBRIX_DEMAND_INPUT = 8,
	AIBRIX_DEMAND_OUTPUT = 16
};

/*
 * What engines' pages and maybe a gateway say.  Arrays are by pod as in the
 * fleet and borrowed for the call; NULL: nobody tells that.  Rates and means
 * are of a window of the caller's, some 15 to 60 s long.  A number that is
 * NaN, infinite, negative or old is missing, and so is its pod; of itl_s,
 * input_tokens and output_tokens only the number.
 */
typedef struct aibrix_demand_seen {
	uint32_t size;
	uint32_t flags; /* AIBRIX_DEMAND_ARRIVALS and so on */
	const double *running, *waiting; /* requests */
	const double *kv_ratio;          /* of the KV cache in use, 0 to 1 */
	const double *prompt_per_s;      /* tokens, found in a cache or not */
	const double *cached_ratio;      /* of them that were found */
	const double *output_per_s;      /* tokens */
	const double *finished_per_s;    /* requests */
	const double *input_tokens;      /* mean of a request */
	const double *output_tokens;
	const double *itl_s; /* mean between tokens; missing: running requests
	                        over output_per_s (Little) */
	const uint64_t *at_ns; /* of all of a pod's; NULL: now */
	/* of the deployment */
	double arrivals_per_s; /* requests; not known: those that finish and
	                          by which those in pods have become more */
	double ttft_mean_s;    /* as it is, to be compared with the target */
	double itl_mean_s;
	double input_next;     /* mean of requests to come, as predicted */
	double output_next;
} aibrix_demand_seen;

/* What a pod's capacity ends at. */
enum {
	AIBRIX_DEMAND_BY_TIME = 0, /* steps fill all time */
	AIBRIX_DEMAND_BY_ITL = 1,
	AIBRIX_DEMAND_BY_TTFT = 2,
	AIBRIX_DEMAND_BY_KV = 3,
	AIBRIX_DEMAND_BY_SLOTS = 4
};

/* Why so many are wanted. */
enum {
	AIBRIX_DEMAND_STEADY = 0, /* between the marks */
	AIBRIX_DEMAND_MORE = 1,   /* what comes is above up_use */
	AIBRIX_DEMAND_FEWER = 2,
	AIBRIX_DEMAND_MEMORY = 3, /* what is there does not fit the KV caches */
	AIBRIX_DEMAND_LATE = 4,   /* targets are missed as it is */
	AIBRIX_DEMAND_IDLE = 5,
	AIBRIX_DEMAND_NO_DATA = 6 /* nothing is known: wanted is NaN */
};

/* A decision's numbers; NaN: not known. */
typedef struct aibrix_demand {
	uint32_t size;
	uint32_t reason;  /* AIBRIX_DEMAND_STEADY and so on */
	uint32_t limit;   /* AIBRIX_DEMAND_BY_TIME and so on */
	uint32_t learned; /* 0: the step model is the caller's, or there is
	                     none; 1: it is learned */
	uint32_t ready, coming, missing; /* pods */
	uint32_t late;        /* bit 0: time to first token, 1: between */
	double wanted;        /* pods */
	double up, down;      /* pods below which there are too few, above
	                         which too many */
	double arrivals;      /* requests a second, seen in this step */
	double level, trend;  /* of them; the trend by second and second */
	double error;         /* standard error of the forecast */
	double start_s;       /* that a pod takes to start */
	double forecast;      /* requests a second then, at the quantile */
	double season;        /* of that, by the season */
	double drain;         /* requests a second of queues */
	double input, output; /* mean tokens of a request */
	double cached;        /* of the input, ratio */
	double prefill_tokens, decode_tokens; /* demand, a second */
	double kv_ratio;      /* KV caches that are in use, in pods */
	double kv_request;    /* of a pod's cache, by a request */
	double step_s, kv_s, token_s; /* the step model */
	double fit_error;     /* of it, relative; standard deviation */
	double fit_weight;    /* steps that it was learned from */
	double capacity;      /* requests a second of a pod */
	double careful;       /* the same under sensitivity */
	double use;           /* demand over what ready and coming pods bear */
	double itl_s, ttft_s; /* expected of those pods then */
} aibrix_demand;

/*
 * What is remembered of one deployment.  No pointers in it: its bytes may be
 * copied.
 *
 * Thread: confined.
 */
typedef struct aibrix_demand_state aibrix_demand_state;

/* Bytes that a state takes, whatever the options: some 3 KB.
 * Thread: any.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_demand_state_bytes(void);

/*
 * The state of a deployment of which nothing is known, in memory, which stays
 * the caller's and is aligned to 8.  *out points to it.
 *
 * Fails: E_INVAL, E_SPACE (bytes is below aibrix_demand_state_bytes).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_demand_state_init(void *memory, uint64_t bytes,
			 aibrix_demand_state **out);

/*
 * How many pods.  fleet is that of aibrix_scale_step; its queued counts as
 * waiting.  Options may differ from call to call; with another season_ns what
 * was known of seasons is forgotten.
 *
 * Fails, and has changed nothing: E_INVAL (an option or count out of range),
 * E_ABI, E_STATE (now_ns is before the last step's).
 * Cost: O(pods), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_demand_step(const aibrix_demand_opts *opts,
		   const aibrix_scale_fleet *fleet,
		   const aibrix_demand_seen *seen, aibrix_demand_state *state,
		   uint64_t now_ns, aibrix_demand *demand);

/* Bytes that aibrix_demand_state_save writes.  Thread: any.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_demand_state_save_bytes(void);

/*
 * Write a state for another process, machine or version.  *n becomes the
 * length.
 *
 * Fails: E_INVAL, E_SPACE (*n says how much is needed).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_demand_state_save(const aibrix_demand_state *state, void *out,
			 uint64_t cap, uint64_t *n);

/*
 * Go on from what was saved.  All times become later by shift_ns, for a clock
 * that began elsewhere.
 *
 * Fails: E_PARSE (not such bytes, cut off or damaged), E_INVAL.  The state is
 * then as it was made.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_demand_state_load(aibrix_demand_state *state, const void *bytes,
			 uint64_t n, int64_t shift_ns);

/*
 * Prefill and decode pods in proportion, by giving more and never taking:
 * decode pods until prefill / decode <= most, then prefill pods until it is
 * >= least.  0 of both stay.  most 0: no bound.
 *
 * Fails: E_INVAL (a number negative or not finite, most above 0 and below
 * least).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_demand_ratio(double least, double most,
						int32_t *prefill,
						int32_t *decode);

/* "steady" and so on; never NULL.  Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_demand_reason_text(uint32_t reason);

#ifdef __cplusplus
}
#endif

#endif
