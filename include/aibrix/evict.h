/*
 * Eviction order: which slot to give up next.
 *
 * A slot is a small number of the caller (a pool slot).  A fingerprint is 64
 * bits of what is stored in it (of the key): slots are reused, so ghosts,
 * which remember what was evicted lately, know fingerprints.
 *
 * A KV block is worth nothing without the blocks before it.  So callers
 * insert and hit the blocks of a chain last block first: every parent is
 * then more recent than its children, and leaves go first.
 */
#ifndef AIBRIX_EVICT_H
#define AIBRIX_EVICT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_EVICT_LRU = 0,
	AIBRIX_EVICT_S3FIFO = 1 /* small queue 30 %, promotion at one hit */
};

/* parent_slot of a chain's first block, or when it is not resident. */
#define AIBRIX_EVICT_NO_PARENT UINT32_MAX

typedef struct aibrix_evict_opts {
	uint32_t size;
	uint32_t policy;       /* AIBRIX_EVICT_* */
	uint32_t capacity;     /* slots are 0 .. capacity - 1; 0: 1024 */
	uint32_t promote_hits; /* s3fifo: hits that promote; 0: 1; at most 3 */
	double small_ratio;    /* s3fifo: small queue's share; 0: 0.3 */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_evict_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_evict aibrix_evict;

/*
 * An empty order.  opts may be NULL.  *out is owned: aibrix_evict_free.
 * All memory is taken here; nothing later allocates.
 *
 * Fails: E_INVAL (policy, capacity of 2^32 - 1, promote_hits, small_ratio
 * outside (0, 1)), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_new(const aibrix_evict_opts *opts,
					     aibrix_evict **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_evict_free(aibrix_evict *evict);

/*
 * slot now holds what fingerprint names; parent_slot holds the block before
 * it.  The order is bounded by its slots: the caller pops before it reuses
 * one.
 *
 * Fails: E_INVAL (slot or parent_slot out of range, or the same), E_STATE
 * (slot is already in the order).
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_insert(aibrix_evict *evict,
						uint32_t slot,
						uint64_t fingerprint,
						uint32_t parent_slot);

/* slot was used.  Fails: E_NOT_FOUND (not in the order).  Cost: O(1).
 * Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_hit(aibrix_evict *evict,
					     uint32_t slot);

/* Take slot out without remembering it (deleted, corrupt).
 * Fails: E_NOT_FOUND, E_BUSY (pinned).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_remove(aibrix_evict *evict,
						uint32_t slot);

/*
 * Take the next victim out and store it in *slot.  Pinned slots are never
 * victims: they are put aside when met and come back, as used, when their
 * last pin goes.
 *
 * Fails: E_NOT_FOUND (nothing that is not pinned).
 * Cost: amortised O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_pop(aibrix_evict *evict,
					     uint32_t *slot);

/* Pins are counted.  Fails: E_NOT_FOUND (not in the order), E_FULL (2^32 - 1
 * pins).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_pin(aibrix_evict *evict,
					     uint32_t slot);

/* Fails: E_NOT_FOUND, E_STATE (not pinned).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_unpin(aibrix_evict *evict,
					       uint32_t slot);

typedef struct aibrix_evict_stat {
	uint32_t size;
	uint32_t count;      /* gauge: slots in the order */
	uint32_t pinned;     /* gauge: of them, pinned */
	uint32_t ghosts;     /* gauge: fingerprints remembered */
	uint64_t inserts;
	uint64_t hits;
	uint64_t evictions;
	uint64_t ghost_hits; /* inserts whose fingerprint was remembered */
} aibrix_evict_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_stats(const aibrix_evict *evict,
					       aibrix_evict_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
