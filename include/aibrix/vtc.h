/*
 * Fair order: whose request goes next.
 *
 * A virtual token counter for each user (Sheng et al., OSDI 2024) adds up
 * what the user has been served, in weighted tokens.  Next is always the
 * oldest request of the user with the least.  So users who want more than
 * their share wait for each other, those who want less do not wait, and
 * nothing stands still while anybody has a request.
 *
 *   push, when a request arrives          counter lifted to the others'
 *   pop, when an engine has room          input charged, and output expected
 *   tokens, as they are generated         charged beyond what was expected
 *   done, at the end                      settled: what was used, exactly
 *
 * A user who comes back after a pause begins level with those who wait: time
 * not used is not saved up.  A user who has had more than the others keeps
 * that debt, also when it is forgotten to make room (see max_users).
 *
 * Which engine serves the request is another question, for route.h.
 */
#ifndef AIBRIX_VTC_H
#define AIBRIX_VTC_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_VTC_INPUT_WEIGHT_SET = 1, /* input_weight may be 0 */
	AIBRIX_VTC_OUTPUT_WEIGHT_SET = 2 /* output_weight may be 0 */
};

enum {
	AIBRIX_VTC_LOOK_MAX = 16 /* users that aibrix_vtc_look shows */
};

typedef struct aibrix_vtc_opts {
	uint32_t size;
	uint32_t flags;             /* AIBRIX_VTC_*_SET */
	uint32_t max_requests;      /* waiting and running; 0: 65 536; at most
	                               2^24 */
	uint32_t max_user_requests; /* of one user, waiting and running; 0: a
	                               quarter of max_requests */
	/* Users remembered; 0: twice max_requests; at most 2^25.  When there
	   are more, the idle one with the least counter is forgotten, and who
	   is not known begins with the largest counter ever forgotten: nobody
	   gains by that, and a newcomer loses what the least of so many
	   idle users has had. */
	uint32_t max_users;
	uint32_t spare;        /* must be 0 */
	double input_weight;   /* of a prompt token; 0: 1; at most 1000 */
	double output_weight;  /* of a generated token; 0: 2; at most 1000 */
	uint64_t lease_ns;     /* a running request of which nothing is heard
	                          for so long has ended; 0: 10 min */
	uint64_t seed;         /* of the table of users: secret where they
	                          choose their own numbers */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_vtc_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_vtc aibrix_vtc;

/*
 * An empty queue.  opts may be NULL.  *out is owned: aibrix_vtc_free.  All
 * memory is taken here, about 250 bytes for each request that there may be
 * where the rest is default; nothing later allocates.
 *
 * Fails: E_INVAL (a number out of its range or not finite, max_user_requests
 * above max_requests), E_ABI (an unknown flag), E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_new(const aibrix_vtc_opts *opts,
					   aibrix_vtc **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_vtc_free(aibrix_vtc *vtc);

/*
 * The number of a user whose name is text: 64 bits of a SHA-256 over seed
 * and name, so that nobody finds a name that has another's number.  An empty
 * name is nobody: 0.
 *
 * Cost: a hash; keep the number where the name is used again.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_vtc_user(uint64_t seed, const void *name,
				    uint64_t bytes);

typedef struct aibrix_vtc_request {
	uint32_t size;
	uint32_t input_tokens;
	uint64_t user;            /* not 0 */
	uint64_t tag;             /* the host's, given back */
	uint32_t expected_tokens; /* output charged in advance, settled later;
	                             0: charged as it comes */
	uint32_t spare;           /* must be 0 */
	double share; /* what it costs is divided by that, from 1/1000 to
	                 1000; 0: 1.  The same for all of a user's. */
} aibrix_vtc_request;

/*
 * A request arrives, behind the others of its user.  *ticket names it until
 * it is done or cancelled; never 0.
 *
 * Fails: E_INVAL (user 0, share), E_FULL (max_requests; or max_users, none
 * of them idle), E_BUSY (max_user_requests), E_ABI.
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_vtc_push(aibrix_vtc *vtc, const aibrix_vtc_request *request,
		uint64_t now_ns, uint64_t *ticket);

typedef struct aibrix_vtc_item {
	uint32_t size;
	uint32_t input_tokens;
	uint64_t ticket;
	uint64_t user;
	uint64_t tag;
	uint64_t waited_ns; /* since push */
} aibrix_vtc_item;

/*
 * What pop would take now, for a host that must see first whether it fits.
 *
 * Fails: E_NOT_FOUND (nobody waits), E_INVAL.
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_peek(const aibrix_vtc *vtc,
					    uint64_t now_ns,
					    aibrix_vtc_item *item);

/*
 * The next request runs from now on: its input, and the output expected of
 * it, are charged.
 *
 * Fails: as aibrix_vtc_peek.
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_pop(aibrix_vtc *vtc, uint64_t now_ns,
					   aibrix_vtc_item *item);

/*
 * The oldest request of the user who is the i-th in order, from 0: what a
 * host may send when those before it do not fit anywhere.  Whoever lets
 * others pass without end starves the first; pass only users who have more
 * than their share already.
 *
 * Fails: E_NOT_FOUND (fewer users wait), E_INVAL (i is not below
 * AIBRIX_VTC_LOOK_MAX).
 * Cost: O(i^2), 0 as aibrix_vtc_peek.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_look(const aibrix_vtc *vtc, uint32_t i,
					    uint64_t now_ns,
					    aibrix_vtc_item *item);

/*
 * A request that aibrix_vtc_look has shown runs from now on, before its
 * turn, and is charged as if popped.
 *
 * Fails: E_NOT_FOUND (no such ticket), E_STATE (it runs, or another one of
 * its user's is older).
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_take(aibrix_vtc *vtc, uint64_t ticket,
					    uint64_t now_ns);

/*
 * A running request could not start after all: it is again the first of its
 * user's, as though it had not been popped.
 *
 * Fails: E_NOT_FOUND (no such ticket), E_STATE (it waits).
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_put_back(aibrix_vtc *vtc,
						uint64_t ticket);

/*
 * A running request has generated output_tokens so far, all together.  A
 * count that is not above an earlier one changes nothing but the lease:
 * reports may come twice or out of order.
 *
 * Fails: E_NOT_FOUND (no such ticket), E_STATE (it waits).
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_tokens(aibrix_vtc *vtc, uint64_t ticket,
					      uint32_t output_tokens,
					      uint64_t now_ns);

/*
 * A running request has ended, whether it succeeded or not: it is charged
 * for these tokens, and what was charged before beyond that is given back.
 * input_tokens are those that were computed: a host that finds prompts in a
 * cache may leave out what it found.
 *
 * What is given back does not undo a lift: a counter that was raised to the
 * others' since the pop stays there.
 *
 * Fails: E_NOT_FOUND (no such ticket), E_STATE (it waits).
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_done(aibrix_vtc *vtc, uint64_t ticket,
					    uint32_t input_tokens,
					    uint32_t output_tokens);

/*
 * Take a waiting request out, from anywhere in the queue; nothing is charged.
 *
 * Fails: E_NOT_FOUND (no such ticket), E_STATE (it runs: aibrix_vtc_done).
 * Cost: O(log users).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_cancel(aibrix_vtc *vtc,
					      uint64_t ticket);

/*
 * A user's counter, in weighted tokens.  Only differences mean something.
 *
 * Fails: E_NOT_FOUND (not known, or forgotten), E_INVAL.
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_counter(const aibrix_vtc *vtc,
					       uint64_t user, double *counter);

/* Counters only grow; gauges say so. */
typedef struct aibrix_vtc_stat {
	uint32_t size;
	uint32_t waiting;   /* gauge */
	uint32_t running;   /* gauge */
	uint32_t users;     /* gauge: known */
	uint32_t backlog;   /* gauge: of them, those with a request waiting */
	uint32_t spare;
	uint64_t bytes;     /* gauge: memory, fixed */
	uint64_t pushed;
	uint64_t popped;
	uint64_t put_back;
	uint64_t canceled;
	uint64_t done;
	uint64_t expired;   /* running requests whose lease had ended */
	uint64_t lifted;    /* arrivals raised to those who waited */
	uint64_t forgotten; /* idle users who made room */
	uint64_t rebased;   /* times that all counters were lowered alike */
} aibrix_vtc_stat;

/* Fails: E_INVAL (stat->size).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_vtc_stats(const aibrix_vtc *vtc,
					     aibrix_vtc_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
