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
	AIBRIX_EVICT_S3FIFO = 1, /* small queue 30 %, promotion at one hit */
	AIBRIX_EVICT_FIFO = 2,
	AIBRIX_EVICT_ARC = 3,
	AIBRIX_EVICT_SIEVE = 4, /* to compare with; unfit for KV chains */
	AIBRIX_EVICT_AUTO = 5,  /* s3fifo that adapts, and admits on second
	                           sight when the cache is too small */
	AIBRIX_EVICT_DENSITY = 6 /* learns which blocks come back; wants
	                            their depth (aibrix_evict_block) */
};

enum {
	/* Prefer victims without children in the order.  Chains inserted last
	   block first hardly need it with LRU; FIFO queues do. */
	AIBRIX_EVICT_CHILD_GUARD = 1,
	/* Give blocks that cost more than twice the mean victim one more
	   round. */
	AIBRIX_EVICT_WEIGH_COST = 2,
	/* fifo, lru, s3fifo do what AIBrix's do, in AIBrix's order: a block
	   comes first, then victims go (aibrix_evict_due).  So there is one
	   slot more: 0 .. capacity. */
	AIBRIX_EVICT_COMPAT = 4,
	/* With COMPAT: a block too many makes two go, as in AIBrix. */
	AIBRIX_EVICT_COMPAT_OVERFLOW = 8
};

/* parent_slot of a chain's first block, or when it is not resident. */
#define AIBRIX_EVICT_NO_PARENT UINT32_MAX

typedef struct aibrix_evict_opts {
	uint32_t size;
	uint32_t policy;       /* AIBRIX_EVICT_* */
	uint32_t capacity;     /* slots are 0 .. capacity - 1; 0: 1024 */
	uint32_t promote_hits; /* s3fifo: hits that promote, all: hits that
	                          make hot; 0: 1; at most 3 */
	double small_ratio;    /* s3fifo: small queue's share; 0: 0.3 */
	const aibrix_allocator *alloc; /* NULL: malloc */
	uint32_t flags;        /* AIBRIX_EVICT_CHILD_GUARD and so on */
	uint32_t ghosts;       /* fingerprints remembered at most; 0: what the
	                          policy wants.  AIBrix's never forget: what
	                          will ever be evicted reproduces that. */
	uint32_t signals;      /* that may wait to be drained; 0: none */
	uint32_t signal_kinds; /* AIBRIX_EVICT_HOT and so on; 0: all */
} aibrix_evict_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_evict aibrix_evict;

/*
 * An empty order.  opts may be NULL.  *out is owned: aibrix_evict_free.
 * All memory is taken here; nothing later allocates.
 *
 * Fails: E_INVAL (policy, capacity or ghosts above 2^30, promote_hits,
 * small_ratio outside (0, 1), COMPAT with a policy that AIBrix lacks,
 * COMPAT_OVERFLOW alone, an unknown kind of signal), E_ABI (an unknown
 * flag), E_NOMEM.
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

/* A block in all detail; 0 is "not known" where nothing else is said.
 * Frozen: 32 bytes. */
typedef struct aibrix_evict_block {
	uint64_t fingerprint;
	uint32_t parent_slot; /* AIBRIX_EVICT_NO_PARENT: none, not resident */
	uint32_t depth;       /* blocks from the chain's first to this one, 1
	                         for the first */
	uint32_t cost;        /* of computing it again, in any unit; 0 is 1 */
	uint32_t spare[3];    /* zero */
} aibrix_evict_block;

/*
 * The same, with all that is known.  A parent may come later than its
 * children: parent_slot is then the slot that it will have.
 *
 * Fails: as aibrix_evict_insert; E_ABI (block->spare is not zero).
 * Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_evict_insert_block(aibrix_evict *evict, uint32_t slot,
			  const aibrix_evict_block *block);

/* slot was used.  Fails: E_NOT_FOUND (not in the order).  Cost: O(1).
 * Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_hit(aibrix_evict *evict,
					     uint32_t slot);

/* What is in slot was put again under the same key.  As a hit; with COMPAT
 * what AIBrix does then.  Fails: E_NOT_FOUND.  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_rewrite(aibrix_evict *evict,
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

/* What slot holds, or held when it was last in the order; 0: nothing yet.
 * A victim's is at hand without a look at the caller's own tables.
 * Cost: O(1).  Since: 0.1. */
AIBRIX_API uint64_t aibrix_evict_fingerprint(const aibrix_evict *evict,
					     uint32_t slot);

enum {
	AIBRIX_EVICT_WHOLE = 1 /* n victims or none */
};

/*
 * Take victims out for n blocks that are about to be inserted, and store
 * their slots: as many as can be had, *n_out of them, so that the longest
 * prefix of a chain finds room.  fingerprints are those blocks', in the order
 * of the chain (ARC looks them up); NULL: not known.
 *
 * Fails: E_FULL (not one victim, or with WHOLE not n: nothing was taken),
 * E_ABI (an unknown flag).
 * Cost: O(n), amortised.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_evict_reserve(aibrix_evict *evict, const uint64_t *fingerprints,
		     uint32_t n, uint32_t flags, uint32_t *slots,
		     uint32_t *n_out);

/*
 * Take a victim out and insert block in its slot, which is stored in *slot: as
 * a reservation for one block and its insert, in one call that is cheaper.  A
 * parent that is the victim itself counts as not resident.
 *
 * Fails: E_INVAL (parent_slot out of range), E_ABI (block->spare), E_FULL
 * (nothing that is not pinned); then nothing has changed.
 * Cost: amortised O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_evict_replace(aibrix_evict *evict, const aibrix_evict_block *block,
		     uint32_t *slot);

/* How many victims AIBrix would take now; 0 without COMPAT, whose order is
 * never above its capacity.  Cost: O(1).  Since: 0.1. */
AIBRIX_API uint32_t aibrix_evict_due(const aibrix_evict *evict);

/* Pins are counted.  Fails: E_NOT_FOUND (not in the order), E_FULL (2^32 - 1
 * pins).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_pin(aibrix_evict *evict,
					     uint32_t slot);

/* Fails: E_NOT_FOUND, E_STATE (not pinned).  Cost: O(1).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_unpin(aibrix_evict *evict,
					       uint32_t slot);

/* Kinds of signals. */
enum {
	AIBRIX_EVICT_HOT = 1,    /* used promote_hits times since it came */
	AIBRIX_EVICT_EVICTED = 2, /* popped or reserved */
	AIBRIX_EVICT_PUT = 4     /* inserted */
};

/* slot may hold another block when the signal is read: compare.
 * Frozen: 16 bytes. */
typedef struct aibrix_evict_signal {
	uint64_t fingerprint;
	uint32_t slot;
	uint32_t kind;
} aibrix_evict_signal;

/*
 * Take up to cap signals, the oldest first; *n becomes how many.  A signal
 * that finds no room when it arises is lost and counted.
 *
 * Fails: E_INVAL.  Cost: O(*n).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_drain(aibrix_evict *evict,
					       aibrix_evict_signal *signals,
					       uint32_t cap, uint32_t *n);

typedef struct aibrix_evict_stat {
	uint32_t size;
	uint32_t count;      /* gauge: slots in the order */
	uint32_t pinned;     /* gauge: of them, pinned */
	uint32_t ghosts;     /* gauge: fingerprints remembered */
	uint64_t inserts;
	uint64_t hits;
	uint64_t evictions;
	uint64_t ghost_hits; /* inserts whose fingerprint was remembered */
	uint64_t spared;       /* candidates passed over */
	uint64_t signals_lost; /* for want of room */
	uint64_t unadmitted;   /* auto: inserts that are first to go */
	uint32_t signals;      /* gauge: waiting */
	uint32_t small_share;  /* gauge: slots that new blocks may hold before
	                          they give first: s3fifo, arc, auto; else 0 */
} aibrix_evict_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_evict_stats(const aibrix_evict *evict,
					       aibrix_evict_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
