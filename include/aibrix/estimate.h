/*
 * What engines take, learned from what they took.
 *
 * A gateway sees when it sent a request and when its first token came.  An
 * engine computes prompts in order, so the time from the later of "sent" and
 * "the first token before this one" to its first token is what the engine
 * spent on it.  From that an estimate learns what a token, a pair of tokens, a
 * pull and a running request take in this fleet, how much slower one row is
 * than the others, and how sure that is; strategy "cost" reads it:
 *
 *   aibrix_estimate_model(estimate, fleet, now_ns, &model);
 *   request.model = &model;
 *   ... pick ...
 *   aibrix_estimate_routed(estimate, fleet, &work, now_ns, &charge);
 *   ... the first token comes ...
 *   aibrix_estimate_first_token(estimate, fleet, &charge, now_ns);
 *   ... the last one ...
 *   aibrix_estimate_done(estimate, &charge, output_tokens, now_ns);
 *
 * Picks stay pure: these calls write SLOWNESS_RATIO and BUSY_UNTIL_S of the
 * row into the fleet.
 */
#ifndef AIBRIX_ESTIMATE_H
#define AIBRIX_ESTIMATE_H

#include <aibrix/base.h>
#include <aibrix/fleet.h>
#include <aibrix/route.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_ESTIMATE_TOKENS_MAX = 100000000 /* of one request */
};

typedef struct aibrix_estimate_opts {
	uint32_t size;
	/* first tokens that a row's slowness is the mean of; 0: 64 */
	uint32_t row_memory;
	/* first tokens that the coefficients are fitted to; 0: 1024 */
	uint32_t fleet_memory;
	uint32_t spare; /* must be 0 */
	/* what it begins with; NULL: as a request without one */
	const aibrix_route_model *prior;
	/* a row is as configured until it differs by more than this many
	   standard errors, and then by what is beyond; 0: 2 */
	double caution;
	/* what a second of others' output is worth beside one of a first
	   token; 0: 1/32 */
	double finish_weight;
	uint64_t rate_ns; /* that rates are the mean of; 0: 60 s */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_estimate_opts;

/*
 * Thread: confined.  The fleet is written to.
 */
typedef struct aibrix_estimate aibrix_estimate;

/*
 * Nothing learned.  opts may be NULL.  *out is owned: aibrix_estimate_free.
 *
 * Fails: E_INVAL (numbers not finite, below 0), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_estimate_new(const aibrix_estimate_opts *opts, aibrix_estimate **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_estimate_free(aibrix_estimate *estimate);

enum {
	AIBRIX_WORK_ADAPTER = 1 /* its adapter must be loaded first */
};

/* Frozen: 40 bytes.  What a row has to do until the first token. */
typedef struct aibrix_work {
	uint64_t computed; /* prompt tokens */
	uint64_t cached;   /* prompt tokens that are there, pulled ones too */
	uint64_t pulled;   /* of these, from a lower tier */
	uint32_t row;
	uint32_t running;  /* requests there when it came */
	uint32_t flags;    /* AIBRIX_WORK_* */
	uint32_t spare;    /* must be 0 */
} aibrix_work;

/* Frozen: 80 bytes.  Kept by the caller from routed to done; only these
 * calls read and write it. */
typedef struct aibrix_charge {
	aibrix_work work;
	uint64_t routed_ns, first_ns;
	double seconds; /* that the work is expected to take */
	uint64_t epoch; /* of the row's owner */
	uint64_t state; /* 0: nothing is owed or expected */
} aibrix_charge;

/*
 * A request was sent to work->row.
 *
 * Fails: E_NOT_FOUND (no such row), E_INVAL (more tokens than
 * AIBRIX_ESTIMATE_TOKENS_MAX, flags), E_NOMEM.  Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_estimate_routed(aibrix_estimate *estimate, aibrix_fleet *fleet,
		       const aibrix_work *work, uint64_t now_ns,
		       aibrix_charge *charge);

/*
 * Its first token has come.  Set charge->work first when the engine says what
 * it really computed, as usage.prompt_tokens_details does.
 *
 * Fails: E_NOT_FOUND (it has come before, or the request has ended, or the
 * row has another owner: nothing is learned), E_INVAL.  Cost: O(1).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_estimate_first_token(aibrix_estimate *estimate, aibrix_fleet *fleet,
			    aibrix_charge *charge, uint64_t now_ns);

/*
 * It ended before its first token: what is expected of it is taken back.
 *
 * Fails: as first_token.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_estimate_gone(aibrix_estimate *estimate,
						 aibrix_fleet *fleet,
						 aibrix_charge *charge,
						 uint64_t now_ns);

/*
 * Its last token has come.  For a request that ends early this is not called.
 *
 * Fails: E_NOT_FOUND (no first token, or told before), E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_estimate_done(aibrix_estimate *estimate, aibrix_charge *charge,
		     uint64_t output_tokens, uint64_t now_ns);

/* What has been learned for strategy "cost".
 * Fails: E_ABI, E_INVAL.  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_estimate_model(const aibrix_estimate *estimate,
		      const aibrix_fleet *fleet, uint64_t now_ns,
		      aibrix_route_model *out);

typedef struct aibrix_estimate_row {
	uint32_t size;
	uint32_t spare;
	double observations; /* that the next ones are worth */
	double slowness;     /* its time over the model's */
	double error;        /* standard error of that, as a share of it */
	double pending_s;    /* of work that waits there */
} aibrix_estimate_row;

/*
 * What is known of a row: with no observations, what is assumed.
 * Fails: E_NOT_FOUND (no such row), E_ABI, E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_estimate_read(const aibrix_estimate *estimate, const aibrix_fleet *fleet,
		     uint32_t row, aibrix_estimate_row *out);

#ifdef __cplusplus
}
#endif

#endif
