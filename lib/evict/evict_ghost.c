/*
 * Ghost list: a FIFO of fingerprints with an open-addressing table over it.
 *
 *   cells:  { hash, entry } { empty } { hash, entry } ...
 *   fifo:   newest entry <--> ... <--> oldest entry
 *
 * A hit takes a fingerprint out of the middle.  A ring would keep the hole
 * and so forget too early or count wrongly; links keep the bound exact: no
 * more than cap are remembered, and always the cap newest of them.  AIBrix
 * measures its ghosts in bytes of a value that is already gone, so they
 * grow for ever, and then every block is admitted as one seen before.
 *
 * Almost every look-up ends in "never seen", and a large table is in no
 * cache.  So a cell has 32 bits of the hash: a strange fingerprint, and the
 * shift that closes the gap of a removed one, read the cells alone, which
 * is one line of memory most of the time.
 *
 * About 28 to 40 bytes per entry, none of it allocated after open.
 */

#include "evict/evict_ghost.h"

#include "base/rand.h"

int
aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		   uint32_t cap)
{
	uint64_t cells = 1, want = (uint64_t)cap + cap / 2 + 1;

	/* At most two thirds full; 2^32 cells are all that a hash can name,
	 * and still more than cap. */
	while (cells < want && cells <= UINT32_MAX)
		cells *= 2;
	ghost->cap = cap;
	ghost->mask = (uint32_t)(cells - 1);
	ghost->links = aibrix__alloc(a, cap, sizeof(*ghost->links));
	ghost->fingerprints =
		aibrix__alloc(a, cap, sizeof(*ghost->fingerprints));
	ghost->cells = aibrix__alloc(a, (size_t)cells, sizeof(*ghost->cells));
	if (!ghost->links || !ghost->fingerprints || !ghost->cells)
		return AIBRIX_E_NOMEM;
	return AIBRIX_OK;
}

void
aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a)
{
	aibrix__free(a, ghost->cells, (size_t)ghost->mask + 1,
		     sizeof(*ghost->cells));
	aibrix__free(a, ghost->fingerprints, ghost->cap,
		     sizeof(*ghost->fingerprints));
	aibrix__free(a, ghost->links, ghost->cap, sizeof(*ghost->links));
}

static uint32_t
hash_of(uint64_t fingerprint)
{
	return (uint32_t)mix64(fingerprint);
}

/* The cell of a fingerprint, or the empty one where it would go. */
static uint32_t
cell_find(const struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t hash = hash_of(fingerprint), at = hash & ghost->mask;
	const struct ghost_cell *cell = &ghost->cells[at];

	while (cell->entry &&
	       (cell->hash != hash ||
		ghost->fingerprints[cell->entry - 1] != fingerprint)) {
		at = (at + 1) & ghost->mask;
		cell = &ghost->cells[at];
	}
	return at;
}

/* Empty a cell, and move up those that passed it on their way. */
static void
cell_clear(struct evict_ghost *ghost, uint32_t hole)
{
	uint32_t mask = ghost->mask, at = (hole + 1) & mask;

	for (; ghost->cells[at].entry; at = (at + 1) & mask) {
		uint32_t way = (at - ghost->cells[at].hash) & mask;

		if (way >= ((at - hole) & mask)) {
			ghost->cells[hole] = ghost->cells[at];
			hole = at;
		}
	}
	ghost->cells[hole].entry = 0;
}

uint32_t
aibrix__ghost_take(struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t at = cell_find(ghost, fingerprint);
	uint32_t entry = ghost->cells[at].entry;

	if (!entry)
		return 0;
	cell_clear(ghost, at);
	list_remove(&ghost->fifo, ghost->links, entry - 1);
	list_prepend(&ghost->unused, ghost->links, entry - 1);
	return 1;
}

static uint32_t
entry_new(struct evict_ghost *ghost)
{
	uint32_t entry = ghost->unused.head;

	if (ghost->unused.count == 0)
		return ghost->used++;
	list_remove(&ghost->unused, ghost->links, entry);
	return entry;
}

void
aibrix__ghost_push(struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t at, entry;

	if (ghost->cap == 0)
		return;
	/* Two slots may have held the same: it is remembered once. */
	aibrix__ghost_take(ghost, fingerprint);
	if (ghost->fifo.count == ghost->cap)
		aibrix__ghost_take(ghost,
				   ghost->fingerprints[ghost->fifo.tail]);

	entry = entry_new(ghost);
	ghost->fingerprints[entry] = fingerprint;
	at = cell_find(ghost, fingerprint);
	ghost->cells[at] = (struct ghost_cell){hash_of(fingerprint), entry + 1};
	list_prepend(&ghost->fifo, ghost->links, entry);
}
