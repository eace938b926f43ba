/*
 * Pool: slots for KV blocks in large mapped regions.
 *
 * A pool has slots of one size, or of a few (classes) that share its memory.
 * A slot is taken as a lease: its number, its address and a generation that
 * makes a second release, or the use of a lease that has ended, an error
 * rather than a corruption.  A lease may have a holder and a deadline.
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

/* How blocks are copied. */
enum {
	AIBRIX_POOL_COPY_AUTO = 0,   /* measured when the pool is made; below
	                                64 MiB by the kind of processor */
	AIBRIX_POOL_COPY_MEMCPY = 1, /* the C library's */
	AIBRIX_POOL_COPY_MOVSB = 2,  /* rep movsb */
	AIBRIX_POOL_COPY_STREAM = 3, /* stores past the caches */
	AIBRIX_POOL_COPY_AHEAD = 4,  /* the same, reading 16 KiB ahead */
	AIBRIX_POOL_COPY_PAGES = 5   /* the same, four pages side by side */
};

/* Flags. */
enum {
	AIBRIX_POOL_MEMFD = 1, /* regions have descriptors: can be shared */
	AIBRIX_POOL_SCRUB = 2  /* slots that are given back become zeros */
};

typedef struct aibrix_pool_opts {
	uint32_t size;
	uint32_t flags;      /* AIBRIX_POOL_MEMFD, ... */
	uint64_t slot_bytes; /* payload of a slot; not 0 without classes */
	uint64_t slots;      /* how many; not 0 without classes; < 2^32 - 1 */
	uint64_t align;      /* of a slot; 0: 4096; a power of two, <= 2 MiB */
	uint64_t region_bytes; /* a mapping's size; 0: 1 GiB; rounded to whole
	                          slots, at least one */
	const aibrix_allocator *alloc; /* for tables only; NULL: malloc */
	const aibrix_log *log;         /* why a mapping failed; NULL: silent */
	uint32_t pages;      /* AIBRIX_POOL_PAGES_* */
	uint32_t numa;       /* AIBRIX_POOL_NUMA_*; without nodes unused */
	uint64_t numa_nodes; /* bit i: node i; 0: where threads first touch */
	uint32_t magazines;  /* stocks for threads of their own; <= 1024 */
	uint32_t magazine_slots; /* in each, about; 0: 16; <= 1024 */
	/* Instead of slot_bytes and slots: sizes that share the memory. */
	const uint64_t *class_bytes; /* ascending; copied */
	uint32_t classes;        /* of them; <= 64 */
	uint32_t copy;           /* AIBRIX_POOL_COPY_* */
	uint64_t capacity_bytes; /* of all classes: whole spans */
	uint64_t span_bytes; /* what passes from one class to another; holds
	                        the largest slot, a multiple of align; 0: 16
	                        of the largest, and capacity rounded down */
	/* To measure copies; NULL: CLOCK_MONOTONIC. */
	uint64_t (*clock)(void *clock_ctx);
	void *clock_ctx;
} aibrix_pool_opts;

/*
 * Taking and giving are lock-free; with classes, a take that finds no slot
 * of its class enters a lock to look for a span.
 *
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
 * unknown kind, classes not ascending, a capacity that is 0 or not whole
 * spans, a node that the system does not have), E_ABI, E_NOMEM
 * (tables, mappings, or the reserve is too small), E_UNSUPPORTED (pages or a
 * copy of a kind that this machine does not have, memory descriptors, or
 * nodes in a build or system without them), E_DENIED (the system forbids to
 * bind).
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
 * Take a slot (of class 0), the one given back last.  Its contents are what
 * they were.
 *
 * Fails: E_FULL.  Cost: O(1).  Since: 0.1.
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

enum {
	AIBRIX_POOL_ALL = 1 /* all n slots or none */
};

/* Zeros: as aibrix_pool_take. */
typedef struct aibrix_pool_want {
	uint32_t size;
	uint32_t flags;       /* AIBRIX_POOL_ALL */
	uint32_t slot_class;  /* which of class_bytes */
	uint32_t magazine;    /* 0: none; 1 to opts.magazines: the thread's */
	uint64_t deadline_ns; /* 0, AIBRIX_FOREVER: none; rounded up to about
	                         a millisecond, less than 26 days ahead */
	uint32_t holder;      /* any number of the caller's */
	uint32_t spare;
} aibrix_pool_want;

/*
 * Take up to n slots: *taken of them, in leases[0] and on.
 *
 * A magazine is a small stock of slots between a thread and the pool: only
 * one thread at a time may take and give by it, its leases may go anywhere.
 * Nothing is hidden in it: before a pool is full its slots are taken too.
 *
 * want may be NULL.  On E_FULL *taken is 0 and leases are undefined.
 *
 * Fails: E_FULL (not one; with AIBRIX_POOL_ALL, not n), E_INVAL (n 0, no such
 * class or magazine, want->size), E_ABI.
 * Cost: O(n).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_take_n(aibrix_pool *pool,
					       const aibrix_pool_want *want,
					       uint32_t n, aibrix_lease *leases,
					       uint32_t *taken);

/*
 * Give n slots back, into a magazine or (0) to all.  Those that are refused
 * are passed over; *given counts the others, also on failure.
 *
 * Fails: as aibrix_pool_give does for the first that is refused, E_INVAL (no
 * such magazine: nothing is given).
 * Cost: O(n), lock-free.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_give_n(aibrix_pool *pool,
					       uint32_t magazine,
					       const aibrix_lease *leases,
					       uint32_t n, uint32_t *given);

/* The smallest class of slots with bytes or more.
 * Fails: E_NOT_FOUND (all are smaller), E_INVAL.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_class(const aibrix_pool *pool,
					      uint64_t bytes,
					      uint32_t *slot_class);

/* Another deadline for a lease; 0, AIBRIX_FOREVER: none.
 * Fails: E_STATE (it has ended), E_INVAL (not a lease of this pool).
 * Cost: O(1), lock-free.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_renew(aibrix_pool *pool,
					      const aibrix_lease *lease,
					      uint64_t deadline_ns);

/*
 * End leases whose deadline has passed, at most cap of them: *n, in ended[0]
 * and on (NULL: not wanted).  Their holders find out by E_STATE.  What they
 * still do to the slot is theirs to prevent: end no lease that a device may
 * be writing through.
 *
 * Fails: E_INVAL.  Cost: O(slots).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_expire(aibrix_pool *pool,
					       uint64_t now_ns, uint32_t cap,
					       aibrix_lease *ended,
					       uint32_t *n);

/* End all leases of a holder that is gone: *n.
 * Fails: E_INVAL.  Cost: O(slots).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_revoke(aibrix_pool *pool,
					       uint32_t holder, uint32_t *n);

/* What a holder holds: a leak, when it should be nothing.  Counted in the
 * table of slots, so nothing can drift; exact when no call is inside.
 * Fails: E_INVAL.  Cost: O(slots).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_held(const aibrix_pool *pool,
					     uint32_t holder, uint64_t *slots,
					     uint64_t *bytes);

/*
 * Copy a block between a slot and other memory, the way that is fastest for
 * what is in no cache, and past the caches from 32 KiB on.  The two must not
 * overlap; any address will do, 64-byte aligned destinations are best.
 *
 * Fails: E_INVAL (NULL).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_copy(const aibrix_pool *pool, void *dst,
					     const void *src, size_t bytes);

/*
 * The same, and *sum = XXH3-64 of the bytes with seed 0, which is what value
 * frames carry; memory is read once.
 *
 * Fails: E_INVAL (NULL).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_copy_sum(const aibrix_pool *pool,
						 void *dst, const void *src,
						 size_t bytes, uint64_t *sum);

typedef struct aibrix_pool_report {
	uint32_t size;
	uint32_t spare;
	uint64_t free;   /* slots in stacks and magazines */
	uint64_t taken;  /* slots held by leases */
	uint64_t moving; /* slots between two steps of a call, or lost: 0 when
	                    no call is inside */
	int64_t drift;   /* statistics less taken: 0 when no call is inside */
} aibrix_pool_report;

/*
 * Is every slot where it belongs: free, once, in a stack of its class, or
 * taken?  May be called at any time.
 *
 * Fails: E_CORRUPT (no), E_AGAIN (others took and gave too fast for a look at
 * all at once), E_NOMEM, E_INVAL.
 * Cost: O(slots), a bit of memory each.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_check(const aibrix_pool *pool,
					      aibrix_pool_report *report);

/* 1 when the lease has not ended, else 0.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_pool_holds(const aibrix_pool *pool,
				      const aibrix_lease *lease);

/* Address of a slot, whoever has it; NULL: there is none, or its span has no
 * class now.  Since: 0.1. */
AIBRIX_API void *aibrix_pool_slot(const aibrix_pool *pool, uint32_t slot);

typedef struct aibrix_pool_region_info {
	uint32_t size;
	uint32_t first_slot;
	uint32_t slots;
	uint32_t pages;  /* AIBRIX_POOL_PAGES_*: what was got, never AUTO */
	void *base;
	uint64_t bytes;  /* of the mapping */
	uint64_t stride; /* from one slot to the next; 0: of several classes */
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
 * begin and end on borders of slots (with classes: of spans), and on borders
 * of pages where a piece can hold both.  They run in the thread that
 * attaches, detaches or frees, and call nothing of this pool but
 * aibrix_pool_region.
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
 * attached), E_INVAL (hooks, or a slot or span is larger than piece_bytes),
 * E_ABI.
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
	uint64_t slots;      /* gauge: in all; with classes: in their spans */
	uint64_t taken;      /* gauge: held by leases */
	uint64_t taken_bytes;  /* gauge: their payload */
	uint64_t mapped_bytes; /* gauge */
	uint64_t huge_bytes;   /* gauge: of these, PAGES_HUGE */
	uint64_t thp_bytes;    /* gauge: of these, PAGES_THP */
	uint64_t touched_bytes; /* by aibrix_pool_touch */
	uint64_t takes;
	uint64_t fulls;        /* takes refused */
	uint64_t stale_gives;  /* gives refused */
	uint64_t ended;        /* leases ended by expire and revoke */
	uint64_t spans;        /* gauge: in all; 0 without classes */
	uint64_t free_spans;   /* gauge: of no class */
	uint32_t copy;         /* AIBRIX_POOL_COPY_*: what was chosen */
	uint32_t spare;
} aibrix_pool_stat;

/* With other threads at work, taken is a moment's estimate, never below 0 nor
 * above slots.  Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_stats(const aibrix_pool *pool,
					      aibrix_pool_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
