/*
 * May a request that failed be sent again, and when?  A plain struct, one per
 * store, without allocation.  One thread at a time.
 */
#ifndef STORE_RETRY_H
#define STORE_RETRY_H

#include <stdint.h>

/* Answers; all but the first are reasons against it. */
enum {
	RETRY_YES = 0,
	RETRY_UNSAFE = 1, /* done twice is not the same as done once */
	RETRY_FINAL = 2,  /* the status would be the same again */
	RETRY_TIMES = 3,  /* often enough */
	RETRY_LATE = 4,   /* it could not end before the deadline */
	RETRY_BUDGET = 5, /* others have used up what retries may cost */
	RETRY_ANSWERS = 6
};

struct retry_opts {
	uint64_t backoff_min_ns; /* 0: 2 ms */
	uint64_t backoff_max_ns; /* 0: 100 ms, or the minimum if above */
	uint32_t jitter_pct;     /* 0: 50; at most 100 */
	uint32_t retries;        /* 0: 1 for each call */
	uint32_t budget_pct;     /* 0: 10; retries in 100 calls; at most 100 */
	uint32_t burst;          /* 0: 10; retries that may be saved up */
};

struct retry {
	struct retry_opts opts; /* with the defaults filled in */
	uint64_t rand;
	uint64_t tokens;                 /* hundredths of a retry */
	uint64_t answers[RETRY_ANSWERS]; /* counts, up to UINT64_MAX */
};

/* A request whose attempt has ended. */
struct retry_call {
	uint64_t deadline_ns; /* AIBRIX_FOREVER: none */
	uint64_t need_ns;     /* what an attempt takes at the least, or 0 */
	uint32_t op;          /* AIBRIX_STORE_* */
	int32_t status;       /* of the attempt */
	uint32_t retries;     /* made so far */
};

/*
 * entropy seeds the jitter.
 *
 * Fails: E_INVAL (an option out of range; *r is untouched).
 */
int aibrix__retry_init(struct retry *r, const struct retry_opts *opts,
		       uint64_t entropy);

/* A call goes out for the first time: it earns its share of a retry. */
void aibrix__retry_call(struct retry *r);

/* A RETRY_* answer; with RETRY_YES one retry is paid for, and is to go out
 * at *at_ns.  Otherwise *at_ns is untouched. */
uint32_t aibrix__retry_may(struct retry *r, const struct retry_call *call,
			   uint64_t now_ns, uint64_t *at_ns);

#endif
