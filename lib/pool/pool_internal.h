#ifndef POOL_INTERNAL_H
#define POOL_INTERNAL_H

#include <stdatomic.h>

#include <aibrix/pool.h>

#include "base/alloc.h"

enum { CACHE_LINE = 64 };

struct pool_slot {
	_Atomic uint32_t word; /* generation; odd: taken */
	_Atomic uint32_t next; /* of a free slot: the one below, or NONE */
};

struct pool_shape {
	size_t slot_bytes, stride, align;
	uint32_t slots, region_slots, regions;
};

struct pool_region {
	unsigned char *base;
	size_t bytes;
	uint32_t first, slots;
};

struct aibrix_pool {
	/* Every take and give writes head, so its counters share its line. */
	_Alignas(CACHE_LINE) _Atomic uint64_t head; /* tag << 32 | slot */
	_Atomic uint64_t takes, gives;
	_Alignas(CACHE_LINE) _Atomic uint64_t fulls, stale_gives;
	/* Constant from here on. */
	_Alignas(CACHE_LINE) aibrix_allocator alloc;
	struct pool_slot *slots;
	struct pool_region *regions;
	struct pool_shape shape;
};

/* Private, zeroed, untouched memory whose start is aligned to align; bytes
 * becomes whole pages.  1 on success. */
int aibrix__pool_map(size_t align, size_t *bytes, unsigned char **base);
void aibrix__pool_unmap(unsigned char *base, size_t bytes);

/* 1 when every slot is either free, once, or taken.  Only while no other
 * thread takes or gives; for tests. */
int aibrix__pool_check(const aibrix_pool *pool);

#endif
