/*
 * Ghost list: a FIFO of fingerprints threaded through a chained hash table.
 *
 *   buckets --> entry --> entry      chain: entries of one bucket
 *   fifo:  newest <--> ... <--> oldest
 *
 * A hit takes a fingerprint out of the middle.  A ring would keep the hole
 * and so forget too early or count wrongly; links keep the bound exact: no
 * more than cap are remembered, and always the cap newest of them.  AIBrix
 * measures its ghosts in bytes of a value that is already gone, so they
 * grow for ever, and then every block is admitted as one seen before.
 *
 * About 28 bytes per entry, and none of it is allocated after open.
 */

#include "evict/evict_ghost.h"

#include "base/rand.h"

int
aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		   uint32_t cap)
{
	uint32_t buckets = 1;

	/* Up to two entries a bucket; 2^31 buckets are enough for all. */
	while (buckets < cap / 2 + 1)
		buckets *= 2;
	ghost->cap = cap;
	ghost->mask = buckets - 1;
	ghost->links = aibrix__alloc(a, cap, sizeof(*ghost->links));
	ghost->entries = aibrix__alloc(a, cap, sizeof(*ghost->entries));
	ghost->buckets = aibrix__alloc(a, buckets, sizeof(*ghost->buckets));
	if (!ghost->links || !ghost->entries || !ghost->buckets)
		return AIBRIX_E_NOMEM;
	return AIBRIX_OK;
}

void
aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a)
{
	aibrix__free(a, ghost->buckets, (size_t)ghost->mask + 1,
		     sizeof(*ghost->buckets));
	aibrix__free(a, ghost->entries, ghost->cap, sizeof(*ghost->entries));
	aibrix__free(a, ghost->links, ghost->cap, sizeof(*ghost->links));
}

static uint32_t *
bucket_of(struct evict_ghost *ghost, uint64_t fingerprint)
{
	return &ghost->buckets[mix64(fingerprint) & ghost->mask];
}

/* The reference that names the entry, or the one that ends its chain. */
static uint32_t *
entry_ref(struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t *ref = bucket_of(ghost, fingerprint);

	while (*ref && ghost->entries[*ref - 1].fingerprint != fingerprint)
		ref = &ghost->entries[*ref - 1].chain;
	return ref;
}

uint32_t
aibrix__ghost_take(struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t *ref = entry_ref(ghost, fingerprint);
	uint32_t entry;

	if (!*ref)
		return 0;
	entry = *ref - 1;
	*ref = ghost->entries[entry].chain;
	list_unlink(&ghost->fifo, ghost->links, entry);
	list_push(&ghost->unused, ghost->links, entry);
	return 1;
}

static uint32_t
entry_new(struct evict_ghost *ghost)
{
	uint32_t entry = ghost->unused.head;

	if (ghost->unused.count == 0)
		return ghost->used++;
	list_unlink(&ghost->unused, ghost->links, entry);
	return entry;
}

void
aibrix__ghost_push(struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t *bucket = bucket_of(ghost, fingerprint);
	uint32_t entry;

	if (ghost->cap == 0)
		return;
	/* Two slots may have held the same: it is remembered once. */
	aibrix__ghost_take(ghost, fingerprint);
	if (ghost->fifo.count == ghost->cap)
		aibrix__ghost_take(
			ghost, ghost->entries[ghost->fifo.tail].fingerprint);

	entry = entry_new(ghost);
	ghost->entries[entry].fingerprint = fingerprint;
	ghost->entries[entry].chain = *bucket;
	*bucket = entry + 1;
	list_push(&ghost->fifo, ghost->links, entry);
}
