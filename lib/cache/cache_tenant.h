/* Whose blocks are whose; cache_tenant.c. */
#ifndef CACHE_TENANT_INTERNAL_H
#define CACHE_TENANT_INTERNAL_H

#include <stdint.h>

#include <aibrix/cache_tenant.h>
#include <aibrix/evict.h>

#include "base/list.h"

enum {
	TENANTS_MAX = 256,   /* a slot has 8 bits for its own */
	TICKS = 1 << 24,     /* and 24 for when it was used */
	TICKS_FULL = 1 << 16 /* in which L1 is used once, at least */
};

struct tenant {
	aibrix_evict *evict; /* the order of its blocks */
	struct list left;    /* those to be reused first */
	uint64_t blocks;     /* slots, in any state but FREE */
	uint64_t leaving;    /* of them, victims that are written */
	uint64_t guaranteed;
	uint64_t ceiling; /* UINT64_MAX: none */
	aibrix_cache_tenant_stat stat;
};

/* The first order is there, and all others are parts of it. */
int aibrix__tenants_open(aibrix_cache *cache);
void aibrix__tenants_close(aibrix_cache *cache);
/* What that one remembers of what it lost; 0: what it wants. */
uint32_t aibrix__tenants_ghosts(const aibrix_cache *cache);

/* May it have one block more?  At its ceiling one of its own goes first. */
int aibrix__tenant_may(aibrix_cache *cache, struct tenant *t);
/* One slot more is free for it.  0: all that could be is pinned. */
int aibrix__tenant_room(aibrix_cache *cache, struct tenant *t);
/* Who will have to give up a block next; NULL: nobody. */
struct tenant *aibrix__tenant_next(aibrix_cache *cache);

/* As aibrix__cache_check. */
const char *aibrix__tenants_check(const aibrix_cache *cache);

#endif
