/*
 * Agreement of a tensor-parallel group on lengths: each rank says how many
 * tokens it has of each request of a step, all learn the least of them.  A
 * pure machine: the caller moves messages of one fixed size, one for each
 * rank and step, by whatever it has.
 *
 *   rank 1, 2, ...   begin   -> vote ->          poll: the decision's lengths
 *   rank 0           begin   reads votes -> decision -> to all
 *
 * Rank 0 alone decides, with all votes or at its deadline.  A rank without a
 * vote has promised nothing: then every length is 0, and all compute anew.
 * Any other rank waits for the decision, and has none at its deadline: then
 * poll says E_TIMEOUT, and the step must not be run with loaded KV, nor
 * without, since others may have been told of either.
 *
 * Messages may be lost, late, repeated, reordered.  Whatever happens: two
 * ranks that are told lengths for one step are told the same, and none above
 * its own.
 */
#ifndef AIBRIX_AGREE_H
#define AIBRIX_AGREE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_AGREE_RANKS_MAX = 1024,
	AIBRIX_AGREE_REQUESTS_MAX = 65536 /* of a step */
};

/* Thread: confined. */
typedef struct aibrix_agree aibrix_agree;

typedef struct aibrix_agree_opts {
	uint32_t size;
	uint32_t ranks;    /* of the group, at least 1 */
	uint32_t rank;     /* of this process; 0 decides */
	uint32_t requests; /* most in a step, at least 1 */
	/* The same on all ranks.  Another one whenever rank 0 starts: what
	   it decided before is forgotten. */
	uint64_t epoch;
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_agree_opts;

/*
 * A machine without a step.  *out is owned.
 *
 * Fails: E_INVAL (a count of 0 or above its limit, rank not below ranks),
 * E_NOMEM, E_ABI.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_agree_new(const aibrix_agree_opts *opts,
					     aibrix_agree **out);

/* NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_agree_free(aibrix_agree *agree);

/* Bytes of every message of this group.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_agree_bytes(const aibrix_agree *agree);

/*
 * Begin a step with this rank's lengths of n requests, copied.  step is
 * above that of the last one, and tag says what the lengths are about (a
 * hash of the requests' ids, say): ranks whose n or tag differ from rank
 * 0's count as having nothing.  What was under way is given up.  Also where n
 * is 0: every rank begins every step.
 *
 * deadline_ns of rank 0 should come first, by the time that a message takes.
 *
 * Fails: E_INVAL (n is above the group's, lengths missing), E_STATE (step is
 * not above the last).
 * Cost: O(n + ranks).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_agree_begin(aibrix_agree *agree, uint64_t step, uint64_t tag,
		   const uint32_t *lengths, uint32_t n, uint64_t deadline_ns);

/*
 * Write the message that this rank has for the others: a vote, to rank 0; or
 * rank 0's decision, to all.  May be asked for again, to be sent again.
 *
 * Fails: E_AGAIN (no step, or rank 0 has not decided), E_SPACE (cap is below
 * aibrix_agree_bytes).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_agree_write(const aibrix_agree *agree,
					       void *message, uint64_t cap);

/*
 * Take a message.  One of another epoch, of a step that is over, or one that
 * was here before, changes nothing.  Of two votes of a rank for a step (it
 * has started again) the least counts.  *reply becomes the rank that should
 * be sent aibrix_agree_write's message because it seems to lack it, else 0.
 *
 * Fails: E_PARSE (no message of such a group; nothing has changed),
 * E_INVAL.
 * Cost: O(requests + ranks).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_agree_read(aibrix_agree *agree,
					      const void *message,
					      uint64_t bytes, uint32_t *reply);

/*
 * The lengths agreed on for the step, n of them as it was begun.
 *
 * Fails: E_AGAIN (not yet), E_TIMEOUT (not rank 0: no decision came),
 * E_CANCELED (not rank 0: the decision is more than this rank has, since an
 * earlier start of it had more), E_STATE (no step).  The last three stay so:
 * begin the next step.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_agree_poll(aibrix_agree *agree,
					      uint64_t now_ns,
					      uint32_t *lengths);

#ifdef __cplusplus
}
#endif

#endif
