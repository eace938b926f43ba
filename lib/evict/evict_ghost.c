/*
 * Ghosts: FIFOs of fingerprints with a chained hash table over them.
 *
 *   heads:   [ ] [e] [ ] [e] ...      entry: fingerprint, next of its chain,
 *   fifo 0:  newest <--> ... <--> oldest     neighbours in its list
 *   fifo 1:  newest <--> ... <--> oldest
 *
 * A hit takes a fingerprint out of the middle.  A ring would keep the hole
 * and so forget too early or count wrongly; links keep the bound exact: no
 * more than cap are remembered, and always the newest ones.  AIBrix measures
 * its ghosts in bytes of a value that is already gone, so they grow for
 * ever, and then every block is admitted as one seen before.
 *
 * Almost every look-up ends in "never seen".  It reads one head, four bytes
 * of a table that is small beside the entries, and in most cases nothing
 * else.  Chains rather than open addressing: taking an entry out moves no
 * other one.  Four heads for each entry, since a branch that nearly always
 * goes one way costs nothing, and with two a miss took a tenth longer.
 *
 * 28 to 32 bytes per entry, none of it allocated after open.
 */

#include "evict/evict_ghost.h"

#include "base/rand.h"

int
aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		   uint32_t cap)
{
	uint64_t heads = 1, want = cap;

	while (heads < want)
		heads *= 2;
	ghost->cap = cap;
	ghost->mask = (uint32_t)(heads - 1);
	ghost->unused = NONE;
	ghost->entries = aibrix__alloc(a, cap, sizeof(*ghost->entries));
	ghost->heads = aibrix__alloc(a, (size_t)heads, sizeof(*ghost->heads));
	return ghost->entries && ghost->heads ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a)
{
	aibrix__free(a, ghost->heads, (size_t)ghost->mask + 1,
		     sizeof(*ghost->heads));
	aibrix__free(a, ghost->entries, ghost->cap, sizeof(*ghost->entries));
}

static uint32_t *
head_of(const struct evict_ghost *ghost, uint64_t fingerprint)
{
	return &ghost->heads[mix64(fingerprint) & ghost->mask];
}

/* The entry in a chain; NONE: not there. */
static uint32_t
entry_find(const struct evict_ghost *ghost, const uint32_t *head,
	   uint64_t fingerprint)
{
	uint32_t i = *head;

	while (i != 0 && ghost->entries[i - 1].fingerprint != fingerprint)
		i = ghost->entries[i - 1].next;
	return i - 1;
}

static void
fifo_remove(struct evict_ghost *ghost, uint32_t i)
{
	const struct ghost_entry *e = &ghost->entries[i];
	struct ghost_fifo *fifo = &ghost->fifo[e->list];

	if (e->newer == NONE)
		fifo->newest = e->older;
	else
		ghost->entries[e->newer].older = e->older;
	if (e->older == NONE)
		fifo->oldest = e->newer;
	else
		ghost->entries[e->older].newer = e->newer;
	fifo->count--;
}

static void
fifo_push(struct evict_ghost *ghost, uint32_t list, uint32_t i)
{
	struct ghost_fifo *fifo = &ghost->fifo[list];
	struct ghost_entry *e = &ghost->entries[i];

	e->list = list;
	e->newer = NONE;
	e->older = fifo->newest;
	if (fifo->count == 0) {
		e->older = NONE;
		fifo->oldest = i;
	} else {
		ghost->entries[fifo->newest].newer = i;
	}
	fifo->newest = i;
	fifo->count++;
}

/* Out of its chain, which begins at head. */
static void
chain_remove(struct evict_ghost *ghost, uint32_t *head, uint32_t i)
{
	uint32_t *link = head;

	while (*link != i + 1)
		link = &ghost->entries[*link - 1].next;
	*link = ghost->entries[i].next;
}

static void
entry_forget(struct evict_ghost *ghost, uint32_t *head, uint32_t i)
{
	chain_remove(ghost, head, i);
	fifo_remove(ghost, i);
	ghost->entries[i].next = ghost->unused;
	ghost->unused = i;
}

uint32_t
aibrix__ghost_find(const struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t i =
		entry_find(ghost, head_of(ghost, fingerprint), fingerprint);

	return i == NONE ? 0 : ghost->entries[i].list + 1;
}

uint32_t
aibrix__ghost_take(struct evict_ghost *ghost, uint64_t fingerprint)
{
	uint32_t *head = head_of(ghost, fingerprint);
	uint32_t i = entry_find(ghost, head, fingerprint);

	if (i == NONE)
		return 0;
	entry_forget(ghost, head, i);
	return ghost->entries[i].list + 1;
}

void
aibrix__ghost_drop(struct evict_ghost *ghost, uint32_t list)
{
	uint32_t i = ghost->fifo[list].oldest;

	entry_forget(ghost, head_of(ghost, ghost->entries[i].fingerprint), i);
}

/* An entry in neither chain nor list; at the bound that of the oldest. */
static uint32_t
entry_new(struct evict_ghost *ghost, uint32_t list)
{
	uint32_t i = ghost->unused;

	if (ghost_count(ghost) == ghost->cap) {
		i = ghost->fifo[ghost->fifo[list].count ? list : !list].oldest;
		chain_remove(ghost,
			     head_of(ghost, ghost->entries[i].fingerprint), i);
		fifo_remove(ghost, i);
	} else if (i == NONE) {
		i = ghost->used++;
	} else {
		ghost->unused = ghost->entries[i].next;
	}
	return i;
}

void
aibrix__ghost_push(struct evict_ghost *ghost, uint32_t list,
		   uint64_t fingerprint)
{
	uint32_t *head = head_of(ghost, fingerprint);
	uint32_t i = entry_find(ghost, head, fingerprint);

	if (ghost->cap == 0)
		return;
	/* Two slots may have held the same: it is remembered once. */
	if (i != NONE) {
		fifo_remove(ghost, i);
	} else {
		i = entry_new(ghost, list);
		ghost->entries[i].fingerprint = fingerprint;
		ghost->entries[i].next = *head;
		*head = i + 1;
	}
	fifo_push(ghost, list, i);
}
