/* Fingerprints of what was evicted lately: a bounded FIFO with look-up. */
#ifndef EVICT_GHOST_H
#define EVICT_GHOST_H

#include "evict/evict_internal.h"

struct ghost_cell {
	uint32_t hash;  /* its low bits are the cell where it wants to be */
	uint32_t entry; /* plus one; 0: the cell is empty */
};

struct evict_ghost {
	uint32_t cap;
	uint32_t used; /* entries from here on were never used */
	uint32_t mask; /* cells - 1 */
	struct list fifo, unused;
	struct link *links;     /* by entry */
	uint64_t *fingerprints; /* by entry */
	struct ghost_cell *cells;
};

/* ghost is zeroed; close accepts what a failed open left. */
int aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		       uint32_t cap);
void aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a);

/* Remember as the newest; at the bound the oldest is forgotten. */
void aibrix__ghost_push(struct evict_ghost *ghost, uint64_t fingerprint);

/* Forget it; 1 when it was remembered. */
uint32_t aibrix__ghost_take(struct evict_ghost *ghost, uint64_t fingerprint);

#endif
