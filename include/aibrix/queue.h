/*
 * Requests that wait for room, most urgent first.
 *
 * A queue knows what each request wants; profiles (gpu_profile.h) say how
 * long it would take where, and by when it should be done.  A plan is what to
 * try now, in order: this request at that deployment, or else the next one.
 * The host tries, since it knows the loads, and takes out what found a place:
 *
 *   aibrix_queue_plan(queue, profiles, n_profiles, now_ns, tries, cap, &n);
 *   for each try:
 *       find a pod of deployment tries[i].profile with room
 *       found:    aibrix_queue_take(queue, tries[i].ticket, now_ns, &item)
 *       no room:  the next try
 */
#ifndef AIBRIX_QUEUE_H
#define AIBRIX_QUEUE_H

#include <aibrix/base.h>
#include <aibrix/gpu_profile.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_QUEUE_SLO = 0, /* by how late a request will be */
	/* AIBrix's: one request that cannot be ranked puts all of them in
	   order of arrival. */
	AIBRIX_QUEUE_SLO_COMPAT = 1,
	AIBRIX_QUEUE_FIFO = 2 /* in order of arrival */
};

enum { AIBRIX_QUEUE_PROFILES_MAX = 64 };

typedef struct aibrix_queue_opts {
	uint32_t size;
	uint32_t policy;       /* AIBRIX_QUEUE_* */
	uint32_t max_requests; /* 0: 65 536; at most 2^24 */
	uint32_t spare;        /* must be 0 */
	uint64_t patience_ns;  /* SLO: a request that no profile ranks is late
	                          when it has waited so long; 0: 1 s */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_queue_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_queue aibrix_queue;

/*
 * An empty queue.  opts may be NULL.  *out is owned: aibrix_queue_free.  All
 * memory is taken here, 64 bytes for each request.
 *
 * Fails: E_INVAL (policy, max_requests, spare), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_queue_new(const aibrix_queue_opts *opts,
					     aibrix_queue **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_queue_free(aibrix_queue *queue);

typedef struct aibrix_queue_item {
	uint32_t size;
	uint32_t spare;         /* must be 0 */
	uint64_t tag;           /* the host's, given back */
	uint64_t input_tokens;  /* at most 2^32 */
	uint64_t output_tokens; /* expected; at most 2^32 */
	uint64_t waited_ns;     /* an answer: since push */
} aibrix_queue_item;

/*
 * A request arrives.  *ticket names it until it is taken; never 0.
 *
 * Fails: E_INVAL (no item, tokens), E_FULL, E_ABI.
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_queue_push(aibrix_queue *queue,
					      const aibrix_queue_item *item,
					      uint64_t now_ns,
					      uint64_t *ticket);

/* AIBRIX_QUEUE_NO_PROFILE in a try: at any deployment, by the strategy that
 * the host has for that (AIBrix's: least-request). */
#define AIBRIX_QUEUE_NO_PROFILE UINT32_MAX

/* Frozen: 40 bytes.  One request at one deployment. */
typedef struct aibrix_queue_try {
	uint64_t ticket;
	uint64_t tag;
	double rank;      /* how late there, in seconds; NaN: not known */
	double best;      /* the least rank of the request */
	uint32_t profile; /* which of the profiles, or NO_PROFILE */
	uint32_t spare;   /* zero */
} aibrix_queue_try;

/*
 * What to try now.  profiles[i] is that of deployment i, NULL where there is
 * none; borrowed for the call.
 *
 * Requests of about the same size (the same rounded logarithms of both
 * lengths) wait in one line, and only its first is tried.  The most urgent
 * comes first: the one whose least rank is the largest, the oldest of equals.
 * Each is tried where it is least late, and then wherever it is not late.
 *
 * *n becomes the number of tries; 0: nothing waits.
 *
 * Fails: E_SPACE (more than cap; *n holds the number), E_INVAL (more than
 * AIBRIX_QUEUE_PROFILES_MAX).
 * Cost: O(lines x profiles, and log tries of that), no allocation.  There are
 * 1089 lines at most.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_queue_plan(const aibrix_queue *queue,
		  const aibrix_gpu_profile *const *profiles,
		  uint32_t n_profiles, uint64_t now_ns, aibrix_queue_try *tries,
		  uint32_t cap, uint32_t *n);

/*
 * A request leaves: it was placed, it failed, or it was cancelled; from
 * anywhere in the queue.  item may be NULL.
 *
 * Fails: E_NOT_FOUND (no such ticket), E_INVAL.
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_queue_take(aibrix_queue *queue,
					      uint64_t ticket, uint64_t now_ns,
					      aibrix_queue_item *item);

typedef struct aibrix_queue_stat {
	uint32_t size;
	uint32_t waiting; /* gauge */
	uint32_t lines;   /* gauge: sizes that somebody waits with */
	uint32_t spare;
	uint64_t bytes;   /* gauge: memory, fixed */
	uint64_t pushed;
	uint64_t taken;
} aibrix_queue_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_queue_stats(const aibrix_queue *queue,
					       aibrix_queue_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
