/* Transfers on their way to the store: gathered, then submitted together. */
#ifndef CACHE_BATCH_H
#define CACHE_BATCH_H

#include "cache/cache_internal.h"

enum { BATCH = 64 };

struct batch {
	aibrix_cache *cache;
	uint64_t now_ns;
	uint32_t n;
	uint32_t n_cancels;
	uint32_t n_looks;
	uint32_t stalled; /* the store took less than it was offered */
	aibrix_io ios[BATCH];
	uint64_t cancels[BATCH];       /* tags */
	struct transfer *looks[BATCH]; /* blocks of L1, to be verified */
};

/* No place for another transfer of any kind. */
static inline int
batch_full(const struct batch *batch)
{
	return batch->n == BATCH || batch->n_looks == BATCH;
}

/* A transfer for key with neither lease nor slot, or NULL: all are busy. */
struct transfer *aibrix__transfer_take(aibrix_cache *cache, uint32_t op,
				       const aibrix_key *key);
/* Its slot has been let go of. */
void aibrix__transfer_give(aibrix_cache *cache, struct transfer *t);
/* The batch is not full. */
void aibrix__batch_add(struct batch *batch, struct transfer *t,
		       uint64_t deadline_ns);
/* The store is the caller's; the lock is released in between.  What the store
 * does not take is undone: its blocks and slots are as before the transfer,
 * and the lease's cursors point at them again; then it returns 1. */
int aibrix__batch_send(struct batch *batch);
/* Sum the blocks of L1, with the lock released, and hand them over. */
void aibrix__batch_verify(struct batch *batch);

/* cache_l2.c, cache_write.c: fill a batch. */

/* What a waiting lease lacks; settles it when nothing does. */
void aibrix__l2_advance(struct batch *batch, struct lease *lease);
void aibrix__l2_write(struct batch *batch);
/* A transfer, of whichever cache, has ended: verified says what its bytes
 * are, for a GET that somebody waits for. */
struct verified {
	uint64_t sum;
	int status;
};
int aibrix__l2_wanted(const aibrix_done *done);
void aibrix__l2_verify(const aibrix_done *done, struct verified *verified);
void aibrix__l2_done(const aibrix_done *done, const struct verified *verified);

#endif
