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

typedef struct aibrix_pool_opts {
	uint32_t size;
	uint32_t flags;      /* must be 0 */
	uint64_t slot_bytes; /* payload of a slot; not 0 */
	uint64_t slots;      /* how many; not 0, below 2^32 - 1 */
	uint64_t align;      /* of a slot; 0: 4096; a power of two, <= 2 MiB */
	uint64_t region_bytes; /* a mapping's size; 0: 1 GiB; rounded to whole
	                          slots, at least one */
	const aibrix_allocator *alloc; /* for tables only; NULL: malloc */
} aibrix_pool_opts;

/*
 * Thread: shared.
 */
typedef struct aibrix_pool aibrix_pool;

/*
 * Map the regions; pages are touched by their first use.  *out is owned:
 * aibrix_pool_free.
 *
 * Fails: E_INVAL (slot_bytes or slots 0, align, a product that overflows),
 * E_ABI, E_NOMEM (tables or mappings).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_pool_new(const aibrix_pool_opts *opts,
					    aibrix_pool **out);

/* Unmap; NULL is allowed.  Leases end with it.  Since: 0.1. */
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
	uint32_t spare;
	void *base;
	uint64_t bytes;  /* of the mapping */
	uint64_t stride; /* from one slot to the next */
} aibrix_pool_region_info;

/*
 * The i-th region, for registration with devices.
 * Fails: E_NOT_FOUND (there are fewer), E_INVAL (info->size).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_pool_region(const aibrix_pool *pool, uint32_t i,
		   aibrix_pool_region_info *info);

typedef struct aibrix_pool_stat {
	uint32_t size;
	uint32_t regions;    /* gauge */
	uint64_t slots;      /* gauge: in all */
	uint64_t taken;      /* gauge: held by leases */
	uint64_t mapped_bytes; /* gauge */
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
