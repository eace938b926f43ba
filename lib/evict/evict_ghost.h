/* Fingerprints of what was evicted lately: bounded FIFOs with one look-up. */
#ifndef EVICT_GHOST_H
#define EVICT_GHOST_H

#include "base/arch.h"
#include "base/rand.h"
#include "evict/evict_internal.h"

enum { GHOST_LISTS = 2, GHOST_CELLS = 6, GHOST_ALL_CELLS = 63 };

/* The last two of each row are of the lists: whether a cell of a later set
 * was taken instead, and the newest number that was. */
struct ghost_set {
	uint32_t tag[GHOST_CELLS + GHOST_LISTS];
	uint32_t number[GHOST_CELLS + GHOST_LISTS];
};

_Static_assert(sizeof(struct ghost_set) == 64, "a cache line");

/* What is remembered has numbers from oldest to before next, modulo 2^31. */
struct ghost_fifo {
	uint32_t oldest, next;
	uint32_t count; /* of them that are not gone */
	uint64_t *gone; /* a bit for each number, modulo the window */
};

struct evict_ghost {
	uint32_t cap; /* of all lists together */
	uint32_t lists;
	uint32_t n;      /* sets */
	uint32_t window; /* numbers of a list, a power of two */
	struct ghost_fifo fifo[GHOST_LISTS];
	struct ghost_set *sets;
};

/* ghost is zeroed; close accepts what a failed open left.  cap is at most
 * 2^30 + 1. */
int aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		       uint32_t cap, uint32_t lists);
void aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a);

/* Remember as the newest of a list; at the bound that list's oldest is
 * forgotten, or the other's when it has none. */
void aibrix__ghost_push(struct evict_ghost *ghost, uint32_t list,
			uint64_t fingerprint);

/* Where a fingerprint is looked for: its first set, which is on its way, and
 * its tag. */
struct ghost_place {
	uint32_t set, tag;
};

static inline struct ghost_place
ghost_place(const struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint64_t mix = mix64(fingerprint);
	struct ghost_place at = {(uint32_t)((mix >> 32) * ghost->n >> 32),
				 (uint32_t)mix};

	prefetch(&ghost->sets[at.set]);
	return at;
}

/* Nearly always the tags of the first set say that it is not remembered. */
static inline int
ghost_unknown(const struct evict_ghost *ghost, struct ghost_place at)
{
	const struct ghost_set *set = &ghost->sets[at.set];

	return !(eight_equal(set->tag, at.tag) & GHOST_ALL_CELLS) &&
	       !(set->tag[GHOST_CELLS] | set->tag[GHOST_CELLS + 1]);
}

uint32_t aibrix__ghost_search(const struct evict_ghost *ghost,
			      struct ghost_place at);
uint32_t aibrix__ghost_search_take(struct evict_ghost *ghost,
				   struct ghost_place at);

/* The list that remembers it, plus one; 0: none does. */
static inline uint32_t
ghost_find(const struct evict_ghost *ghost, struct ghost_place at)
{
	return ghost_unknown(ghost, at) ? 0 : aibrix__ghost_search(ghost, at);
}

/* The same, and forget it. */
static inline uint32_t
ghost_take(struct evict_ghost *ghost, struct ghost_place at)
{
	return ghost_unknown(ghost, at) ? 0
					: aibrix__ghost_search_take(ghost, at);
}

/* Forget the oldest of a list that is not empty. */
void aibrix__ghost_drop(struct evict_ghost *ghost, uint32_t list);

static inline uint32_t
ghost_count(const struct evict_ghost *ghost)
{
	return ghost->fifo[0].count + ghost->fifo[1].count;
}

#endif
