/*
 * Pool: fixed-size slots for KV blocks in large mapped regions.
 *
 * A slot is taken as a lease: its number, its address and a generation that
 * makes a second release, or the use of a lease that has ended, an error
 * rather than a corruption.
 */
#ifndef AIBRIX_POOL_H
#define AIBRIX_POOL_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the memory of a region comes from; also what was got. */
enum {
	AIBRIX_POOL_PAGES_AUTO = 0,  /* the first of these that there is: */
	AIBRIX_POOL_PAGES_HUGE = 1,  /* 2 MiB pages of the system's reserve */
	AIBRIX_POOL_PAGES_THP = 2,   /* large pages as the system finds them */
	AIBRIX_POOL_PAGES_PLAIN = 3  /* the system's smallest */
};

/* How pages are bound to numa_nodes. */
enum {
	AIBRIX_POOL_NUMA_BIND = 0,      /* nowhere else */
	AIBRIX_POOL_NUMA_PREFER = 1,    /* elsewhere when the first is full */
	AIBRIX_POOL_NUMA_INTERLEAVE = 2 /* page by page over all of them */
};

/* Flags. */
enum {
	AIBRIX_POOL_MEMFD = 1, /* regions have descriptors: can be shared */
	AIBRIX_POOL_SCRUB = 2  /* slots that are given back become zeros */
};

typedef struct aibrix_pool_opts {
	uint32_t size;
	uint32_t flags;      /* AIBRIX_POOL_MEMFD, ... */
	uint64_t slot_bytes; /* payload of a slot; not 0 */
	uint64_t slots;      /* how many; not 0, below 2^32 - 1 */
	uint64_t align;      /* of a slot; 0: 4096; a power of two, <= 2 MiB */
	uint64_t region_bytes; /* a mapping's size; 0: 1 GiB; rounded to whole
	                          slots, at least one */
	const aibrix_allocator *alloc; /* for tables only; NULL: malloc */
	const aibrix_log *log;         /* why a mapping failed; NULL: silent */
	uint32_t pages;      /* AIBRIX_POOL_PAGES_* */
	uint32_t numa;       /* AIBRIX_POOL_NUMA_*; without nodes unused */
	uint64_t numa_nodes; /* bit i: node i; 0: where threads first touch */
} aibrix_pool_opts;

/*
 * Thread: shared.
 */
typedef struct aibrix_pool aibrix_pool;

/*
 * Map the regions; pages are touched by their first use, or by
 * aibrix_pool_touch.  *out is owned: aibrix_pool_free.
 *
 * PAGES_AUTO goes from one kind to the next region by region, and takes
 * plain pages for a region below 2 MiB.  Pages of the reserve are reserved
 * here, so that no later touch fails; where they are bound to nodes they are
 * also touched here, since the system reserves them for no node.
 *
 * Fails: E_INVAL (slot_bytes or slots 0, align, a product that overflows, an
 * unknown kind, a node that the system does not have), E_ABI, E_NOMEM
 * (tables, mappings, or the reserve is too small), E_UNSUPPORTED (pages of a
 * kind that this system does not have, memory descriptors, or nodes in a
 * build or system without them), E_DENIED (the system forbids to bind).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_new(const aibrix_pool_opts *opts,
					    aibrix_pool **out);

/* Take back registrations, unmap; NULL is allowed.  Leases end with it.
 * Since: 0.1. */
AIBRIX_API void aibrix_pool_free(aibrix_pool *pool);

/* Frozen: 24 bytes. */
typedef struct aibrix_lease {
	void *data;          /* slot_bytes bytes, aligned; yours until give */
	uint64_t bytes;      /* slot_bytes */
	uint32_t slot;
	uint32_t generation;
} aibrix_lease;

/*
 * Take a slot, the one given back last.  Its contents are what they were.
 *
 * Fails: E_FULL.  Cost: O(1), lock-free.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_take(aibrix_pool *pool,
					     aibrix_lease *lease);

/*
 * Give a slot back.
 *
 * Fails: E_STATE (this lease has ended: given back already), E_INVAL (not a
 * lease of this pool).
 * Cost: O(1), lock-free.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_give(aibrix_pool *pool,
					     const aibrix_lease *lease);

/* 1 when the lease has not ended, else 0.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_pool_holds(const aibrix_pool *pool,
				      const aibrix_lease *lease);

/* Address of a slot, whoever has it, or NULL.  Since: 0.1. */
AIBRIX_API void *aibrix_pool_slot(const aibrix_pool *pool, uint32_t slot);

typedef struct aibrix_pool_region_info {
	uint32_t size;
	uint32_t first_slot;
	uint32_t slots;
	uint32_t pages;  /* AIBRIX_POOL_PAGES_*: what was got, never AUTO */
	void *base;
	uint64_t bytes;  /* of the mapping */
	uint64_t stride; /* from one slot to the next */
	uint64_t page_bytes; /* the mapping's borders are multiples of it */
	int32_t fd;      /* borrowed until aibrix_pool_free; -1: none */
	uint32_t spare;
} aibrix_pool_region_info;

/*
 * The i-th region.
 * Fails: E_NOT_FOUND (there are fewer), E_INVAL (info->size).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pool_region(const aibrix_pool *pool, uint32_t i,
		   aibrix_pool_region_info *info);

typedef struct aibrix_pool_progress {
	uint32_t size;
	uint32_t spare;
	uint64_t total_bytes;   /* of all regions */
	uint64_t begun_bytes;   /* by all callers so far */
	uint64_t touched_bytes; /* of these done */
	uint64_t failed_bytes;  /* of these refused: left to first use */
} aibrix_pool_progress;

/*
 * Give pages to the next pieces of the pool, about bytes of them, where no
 * call has begun.  Contents stay, so slots may be in use.  Threads that call
 * at once get different pieces; on a pool of several nodes give each node
 * its own threads.  The pool is ready when begun_bytes is total_bytes and
 * no caller is left inside.
 *
 * progress is written also when it fails; NULL is allowed.
 *
 * Fails: E_NOT_FOUND (nothing left to begin), E_NOMEM (the system has no
 * pages, or not on these nodes; a piece is lost to failed_bytes), E_INVAL.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_touch(aibrix_pool *pool,
					      uint64_t bytes,
					      aibrix_pool_progress *progress);

/*
 * How a device learns of the memory: a driver's registration of host memory,
 * fixed buffers of a ring, memory regions of a network card.
 *
 * add is called with one piece of a region at a time and returns AIBRIX_OK
 * or an AIBRIX_E_*; remove with the same pieces, in reverse order.  Pieces
 * begin and end on borders of slots, and on borders of pages where a piece
 * can hold both.  They run in the thread that attaches, detaches or frees,
 * and call nothing of this pool but aibrix_pool_region.
 */
typedef struct aibrix_pool_hooks {
	uint32_t size;
	uint32_t flags;       /* must be 0 */
	uint64_t piece_bytes; /* at most; 0: 64 GiB, which is the most: single
	                         calls of 512 GiB are known to fail */
	void *ctx;
	int (*add)(void *ctx, uint32_t region, void *base, uint64_t bytes);
	void (*remove)(void *ctx, uint32_t region, void *base, uint64_t bytes);
} aibrix_pool_hooks;

/*
 * Register all regions.  When a piece is refused, those before it are
 * removed again.  hooks is copied, its ctx borrowed until it is detached;
 * *id names it.  Best done before the pool is in use: registering pins, thus
 * touches, all of it.
 *
 * Fails: what add returned (E_DEVICE for what is no status), E_FULL (8 are
 * attached), E_INVAL (hooks, or a slot is larger than piece_bytes), E_ABI.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_attach(aibrix_pool *pool,
					       const aibrix_pool_hooks *hooks,
					       uint32_t *id);

/* Fails: E_NOT_FOUND (nothing is attached as id).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_detach(aibrix_pool *pool, uint32_t id);

typedef struct aibrix_pool_stat {
	uint32_t size;
	uint32_t regions;    /* gauge */
	uint64_t slots;      /* gauge: in all */
	uint64_t taken;      /* gauge: held by leases */
	uint64_t mapped_bytes; /* gauge */
	uint64_t huge_bytes;   /* gauge: of these, PAGES_HUGE */
	uint64_t thp_bytes;    /* gauge: of these, PAGES_THP */
	uint64_t touched_bytes; /* by aibrix_pool_touch */
	uint64_t takes;
	uint64_t fulls;        /* takes refused */
	uint64_t stale_gives;  /* gives refused */
} aibrix_pool_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_stats(const aibrix_pool *pool,
					      aibrix_pool_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
