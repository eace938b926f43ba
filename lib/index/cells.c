/*
 * Linear probing: almost every look-up reads one line of memory.
 *
 * A cell has 32 bits of the hash, so strange items are passed, and the gap
 * of a removed one is closed, without a look at the items, which lie
 * elsewhere and are in no cache.  There are no tombstones: a table that
 * replaces its items for months is as fast as a new one.
 *
 * Prompts decide what is hashed, so the hash is salted with the address of
 * the table: who does not know it cannot make long walks.  No answer depends
 * on the order of the cells.
 */

#include "index/cells.h"

int
aibrix__cells_open(struct cells *cells, const aibrix_allocator *a,
		   uint32_t items)
{
	uint64_t n = 1, want = (uint64_t)items + items / 2 + 1;

	/* At most two thirds full; 2^32 cells are all that a hash can name,
	 * and still more than items. */
	while (n < want && n <= UINT32_MAX)
		n *= 2;
	cells->mask = n - 1;
	cells->at = n <= SIZE_MAX
			    ? aibrix__alloc_aligned(a, (size_t)n,
						    sizeof(*cells->at), 64)
			    : NULL;
	if (!cells->at)
		return AIBRIX_E_NOMEM;
	cells->salt = mix64((uintptr_t)cells->at);
	return AIBRIX_OK;
}

void
aibrix__cells_close(struct cells *cells, const aibrix_allocator *a)
{
	aibrix__free(a, cells->at, (size_t)cells->mask + 1, sizeof(*cells->at));
	cells->at = NULL;
}

void
aibrix__cells_add(struct cells *cells, uint32_t hash, uint32_t item)
{
	uint64_t at = hash & cells->mask;

	while (cells->at[at].item)
		at = (at + 1) & cells->mask;
	cells->at[at] = (struct cell){hash, item + 1};
}

void
aibrix__cells_remove(struct cells *cells, uint32_t hash, uint32_t item)
{
	uint64_t mask = cells->mask, hole = hash & mask, at;

	while (cells->at[hole].item != item + 1)
		hole = (hole + 1) & mask;
	/* Those that passed the hole on their way move up. */
	for (at = (hole + 1) & mask; cells->at[at].item; at = (at + 1) & mask) {
		uint64_t way = (at - cells->at[at].hash) & mask;

		if (way >= ((at - hole) & mask)) {
			cells->at[hole] = cells->at[at];
			hole = at;
		}
	}
	cells->at[hole] = (struct cell){0, 0};
}
