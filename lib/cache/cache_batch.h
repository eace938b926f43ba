/* Transfers on their way to the store: gathered, then submitted together. */
#ifndef CACHE_BATCH_H
#define CACHE_BATCH_H

#include "cache/cache_internal.h"

enum { BATCH = 64 };

struct batch {
	aibrix_cache *cache;
	uint64_t now_ns;
	uint32_t n;
	uint32_t stalled; /* the store took less than it was offered */
	aibrix_io ios[BATCH];
};

/* A transfer for key with neither lease nor slot, or NULL: all are busy. */
struct transfer *aibrix__transfer_take(aibrix_cache *cache, uint32_t op,
				       const aibrix_key *key);
/* Its slot has been let go of. */
void aibrix__transfer_give(aibrix_cache *cache, struct transfer *t);
/* Submits when full. */
void aibrix__batch_add(struct batch *batch, struct transfer *t,
		       uint64_t deadline_ns);
/* What the store does not take is undone: its blocks and slots are as before
 * the transfer, and the lease's cursors point at them again. */
void aibrix__batch_flush(struct batch *batch);

#endif
