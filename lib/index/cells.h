/*
 * Numbers of items by hash: open addressing, of a size that is fixed when it
 * is opened.  Whoever owns the items compares what was hashed.
 */
#ifndef INDEX_CELLS_H
#define INDEX_CELLS_H

#include "base/alloc.h"
#include "base/arch.h"
#include "base/list.h"
#include "base/rand.h"

struct cell {
	uint32_t hash; /* its low bits are the cell where it wants to be */
	uint32_t item; /* plus one; 0: the cell is empty */
};

struct cells {
	struct cell *at;
	uint64_t mask; /* cells - 1 */
	uint64_t salt; /* so that nobody can aim at one cell */
};

/* Room for items numbers.  cells is zeroed; close accepts what a failed open
 * left. */
int aibrix__cells_open(struct cells *cells, const aibrix_allocator *a,
		       uint32_t items);
void aibrix__cells_close(struct cells *cells, const aibrix_allocator *a);

void aibrix__cells_add(struct cells *cells, uint32_t hash, uint32_t item);

/* item is there under hash. */
void aibrix__cells_remove(struct cells *cells, uint32_t hash, uint32_t item);

static inline uint64_t
cells_bytes(const struct cells *cells)
{
	return (cells->mask + 1) * sizeof(*cells->at);
}

static inline uint32_t
cells_hash(const struct cells *cells, uint64_t key)
{
	return (uint32_t)mix64(key ^ cells->salt);
}

static inline void
cells_prefetch(const struct cells *cells, uint32_t hash)
{
	prefetch(&cells->at[hash & cells->mask]);
}

/* The first item with hash that is *way or more cells from where it wants to
 * be; *way becomes where to go on.  NONE: there is no other. */
static inline uint32_t
cells_next(const struct cells *cells, uint32_t hash, uint32_t *way)
{
	for (;;) {
		const struct cell *cell =
			&cells->at[(hash + *way) & cells->mask];

		if (!cell->item)
			return NONE;
		++*way;
		if (cell->hash == hash)
			return cell->item - 1;
	}
}

#endif
