/* Fingerprints of what was evicted lately: two bounded FIFOs with one
 * look-up. */
#ifndef EVICT_GHOST_H
#define EVICT_GHOST_H

#include "evict/evict_internal.h"

enum { GHOST_LISTS = 2 };

struct ghost_entry {
	uint64_t fingerprint;
	uint32_t next; /* of its chain; of the unused */
	uint32_t newer, older;
	uint32_t list;
};

struct ghost_fifo {
	uint32_t newest, oldest; /* of no meaning when count is 0 */
	uint32_t count;
};

struct evict_ghost {
	uint32_t cap;    /* of both lists together */
	uint32_t used;   /* entries from here on were never used */
	uint32_t unused; /* given back; NONE: none */
	uint32_t mask;   /* heads - 1 */
	struct ghost_fifo fifo[GHOST_LISTS];
	uint32_t *heads; /* of chains: entry + 1; 0: none */
	struct ghost_entry *entries;
};

/* ghost is zeroed; close accepts what a failed open left.  cap is at most
 * 2^30 + 1. */
int aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		       uint32_t cap);
void aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a);

/* Remember as the newest of a list; at the bound that list's oldest is
 * forgotten, or the other's when it has none. */
void aibrix__ghost_push(struct evict_ghost *ghost, uint32_t list,
			uint64_t fingerprint);

/* The list that remembers it, plus one; 0: none does. */
uint32_t aibrix__ghost_find(const struct evict_ghost *ghost,
			    uint64_t fingerprint);

/* The same, and forget it. */
uint32_t aibrix__ghost_take(struct evict_ghost *ghost, uint64_t fingerprint);

/* Forget the oldest of a list that is not empty. */
void aibrix__ghost_drop(struct evict_ghost *ghost, uint32_t list);

static inline uint32_t
ghost_count(const struct evict_ghost *ghost)
{
	return ghost->fifo[0].count + ghost->fifo[1].count;
}

#endif
