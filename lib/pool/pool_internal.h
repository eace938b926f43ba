#ifndef POOL_INTERNAL_H
#define POOL_INTERNAL_H

#include <stdatomic.h>

#include <aibrix/pool.h>

#include "base/alloc.h"
#include "base/log.h"

enum { CACHE_LINE = 64, POOL_ATTACH_MAX = 8 };
enum { HUGE_PAGE = 2 << 20 };

struct pool_slot {
	_Atomic uint32_t word; /* generation; odd: taken */
	_Atomic uint32_t next; /* of a free slot: the one below, or NONE */
};

struct pool_shape {
	size_t slot_bytes, stride, align;
	uint32_t slots, region_slots, regions;
};

/* What a mapping is to be made of. */
struct pool_source {
	uint64_t nodes;
	size_t align;
	uint32_t pages, numa;
	int memfd;
	aibrix_log log;
};

struct pool_region {
	unsigned char *base;
	size_t bytes;
	size_t page;    /* bytes of one */
	uint32_t pages; /* AIBRIX_POOL_PAGES_* */
	int fd;
	uint32_t first, slots;
};

enum { ATTACH_FREE, ATTACH_BUSY, ATTACH_LIVE };

struct pool_attach {
	_Atomic uint32_t state;
	aibrix_pool_hooks hooks;
};

struct pool_touch {
	_Atomic uint64_t begun, done, failed;
	uint64_t total;
};

struct aibrix_pool {
	/* Every take and give writes head, so its counters share its line. */
	_Alignas(CACHE_LINE) _Atomic uint64_t head; /* tag << 32 | slot */
	_Atomic uint64_t takes, gives;
	_Alignas(CACHE_LINE) _Atomic uint64_t fulls, stale_gives;
	struct pool_touch touch;
	struct pool_attach attach[POOL_ATTACH_MAX];
	/* Constant from here on. */
	_Alignas(CACHE_LINE) aibrix_allocator alloc;
	struct pool_slot *slots;
	struct pool_region *regions;
	struct pool_shape shape;
	int scrub;
};

/* Zeroed memory of at least bytes whose start is aligned; *r gets base,
 * bytes (whole pages), page, pages and fd. */
int aibrix__pool_map(const struct pool_source *from, size_t bytes,
		     struct pool_region *r);
void aibrix__pool_unmap(struct pool_region *r);

/* Give pages to bytes from base on, whatever they hold; whole pages. */
int aibrix__pool_populate(unsigned char *base, size_t bytes, size_t page);

/* Bind what is mapped and not yet touched. */
int aibrix__pool_bind(const struct pool_source *from, unsigned char *base,
		      size_t bytes);

void aibrix__pool_detach_all(aibrix_pool *pool);

/* 1 when every slot is either free, once, or taken.  Only while no other
 * thread takes or gives; for tests. */
int aibrix__pool_check(const aibrix_pool *pool);

#endif
