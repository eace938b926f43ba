/*
 * Density: the victim is the block whose next stretch of time in the cache
 * is worth least, after what blocks like it did before.
 *
 *     class of a block, when it is used:
 *       length of its chain (8) x uses before (4) x last of its chain (2)
 *
 *     class 0    newest --> ... --> oldest --.
 *     class 1    newest --> ... --> oldest --+--> the least dense of at
 *     ...                                    |    most 64 is the victim
 *     class 63   newest --> ... --> oldest --'
 *
 * What web caches do not know and this one does: a conversation's blocks are
 * used together, a long first prompt comes back less often than a short one
 * or than one that has come back already, and the last block of a chain,
 * half full, hardly ever does.  How much so differs from one workload to
 * another, so it is learnt (evict_learn.c); nothing about workloads is
 * written down here.  There is no admission: a class that is never used
 * again gives the next victim at once.
 *
 * Chains.  Walked last block first, the depths of a chain's blocks fall one
 * by one; any other step begins a chain, whose length is that first depth.
 * Blocks without a depth are chains of their own.  All blocks of a chain
 * count as used at least as often as the deeper ones: a memory that loses
 * some must not make holes.
 *
 * Uses outlive blocks in a small table of fingerprints, 14 bits each: one in
 * two thousand is wrong, and costs a block a better class than it deserves.
 */

#include "base/arch.h"
#include "base/rand.h"
#include "evict/evict_internal.h"
#include "evict/evict_learn.h"

enum { CHAIN_LOG_MAX = 7, USES_MAX = 3 };
enum { CELLS_MIN = 16384, CELLS_PER_SLOT = 4, CELL_WAYS = 8 };

struct density_slot {
	uint64_t used_at;
	uint32_t depth; /* 0: not known */
	uint8_t class;
	uint8_t uses; /* before the last; at most USES_MAX */
	uint8_t watched;
};

/* Uses of blocks that left: sets of cells, each overwritten in turn. */
struct memory {
	uint16_t *cells; /* 14 bits of hash, 2 of uses; 0: empty */
	uint8_t *turns;  /* by set: the next to be overwritten */
	uint32_t sets, ways;
	uint32_t filled;
};

struct density {
	uint64_t now;    /* uses so far */
	uint64_t filled; /* classes that are not empty */
	struct evict_queue queues[LEARN_CLASSES];
	uint64_t oldest_at[LEARN_CLASSES]; /* use of the oldest */
	struct density_slot *slots;
	struct evict_learn learn;
	struct memory memory;
	/* The chain that is being walked. */
	uint32_t chain_depth; /* of the block last used */
	uint32_t chain_length;
	uint8_t chain_uses;
};

static uint32_t
power_floor(uint64_t x)
{
	return UINT32_C(1) << highest_bit(x);
}

static int
memory_open(struct memory *memory, const aibrix_allocator *a, uint32_t capacity,
	    uint32_t ghosts)
{
	uint64_t cells = (uint64_t)capacity * CELLS_PER_SLOT;
	uint32_t n;

	if (cells < CELLS_MIN)
		cells = CELLS_MIN;
	n = power_floor(ghosts ? ghosts : cells);
	memory->ways = n < CELL_WAYS ? n : CELL_WAYS;
	memory->sets = n / memory->ways;
	memory->cells = aibrix__alloc(a, n, sizeof(*memory->cells));
	memory->turns = aibrix__alloc(a, memory->sets, sizeof(*memory->turns));
	return memory->cells && memory->turns ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

static void
memory_close(struct memory *memory, const aibrix_allocator *a)
{
	aibrix__free(a, memory->turns, memory->sets, sizeof(*memory->turns));
	aibrix__free(a, memory->cells, (size_t)memory->sets * memory->ways,
		     sizeof(*memory->cells));
}

static uint16_t
hash_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 44 & ~(uint64_t)USES_MAX);
}

static void
memory_put(struct memory *memory, uint64_t hash, uint32_t uses)
{
	uint32_t set = (uint32_t)hash & (memory->sets - 1);
	uint16_t *cell = &memory->cells[(size_t)set * memory->ways];

	cell += memory->turns[set]++ & (memory->ways - 1);
	memory->filled -= *cell != 0;
	*cell = (uint16_t)(hash_tag(hash) | uses);
	memory->filled += *cell != 0;
}

/* 1 and the uses when it was there, which is then forgotten. */
static uint32_t
memory_take(struct memory *memory, uint64_t hash, uint8_t *uses)
{
	uint32_t set = (uint32_t)hash & (memory->sets - 1);
	uint16_t *cells = &memory->cells[(size_t)set * memory->ways];
	uint16_t tag = hash_tag(hash);

	for (uint32_t i = 0; i < memory->ways; i++) {
		if (cells[i] && (cells[i] & ~USES_MAX) == tag) {
			*uses = cells[i] & USES_MAX;
			cells[i] = 0;
			memory->filled--;
			return 1;
		}
	}
	return 0;
}

static int
density_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	struct density *d = aibrix__alloc(&evict->alloc, 1, sizeof(*d));
	int err;

	if (!d)
		return AIBRIX_E_NOMEM;
	evict->state = d;
	d->slots =
		aibrix__alloc(&evict->alloc, evict->numbers, sizeof(*d->slots));
	if (!d->slots)
		return AIBRIX_E_NOMEM;
	err = memory_open(&d->memory, &evict->alloc, evict->capacity,
			  opts->ghosts);
	return err ? err
		   : aibrix__learn_open(&d->learn, &evict->alloc,
					evict->capacity);
}

static void
density_close(aibrix_evict *evict)
{
	struct density *d = evict->state;

	if (!d)
		return;
	aibrix__learn_close(&d->learn, &evict->alloc);
	memory_close(&d->memory, &evict->alloc);
	aibrix__free(&evict->alloc, d->slots, evict->numbers,
		     sizeof(*d->slots));
	aibrix__free(&evict->alloc, d, 1, sizeof(*d));
}

/* To the head of its class. */
static void
density_push(aibrix_evict *evict, uint32_t slot)
{
	struct density *d = evict->state;
	uint32_t class = d->slots[slot].class;

	if (d->queues[class].count == 0) {
		d->filled |= UINT64_C(1) << class;
		d->oldest_at[class] = d->now;
	}
	d->slots[slot].used_at = d->now;
	queue_push(evict, &d->queues[class], slot, (uint8_t)(IN_QUEUE + class));
}

static void
density_remove(aibrix_evict *evict, uint32_t slot)
{
	struct density *d = evict->state;
	uint32_t class = d->slots[slot].class;
	struct evict_queue *q = &d->queues[class];

	int oldest = q->oldest == slot;

	queue_remove(evict, q, slot);
	if (q->count == 0)
		d->filled &= ~(UINT64_C(1) << class);
	else if (oldest)
		d->oldest_at[class] = d->slots[q->oldest].used_at;
}

/* Which chain the block belongs to; 1: it is the chain's last block. */
static uint32_t
chain_step(struct density *d, struct density_slot *at)
{
	uint32_t last = at->depth == 0 || at->depth + 1 != d->chain_depth;

	if (last) {
		d->chain_length = at->depth;
		d->chain_uses = 0;
	}
	d->chain_depth = at->depth;
	if (at->uses < d->chain_uses)
		at->uses = d->chain_uses;
	d->chain_uses = at->uses;
	return last;
}

/* A block that is in no queue was used; watched: may be watched. */
static void
density_use(aibrix_evict *evict, uint32_t slot, uint64_t hash, int watched)
{
	struct density *d = evict->state;
	struct density_slot *at = &d->slots[slot];
	uint32_t last = chain_step(d, at);
	uint32_t length = 0;

	d->now++;
	if (watched)
		aibrix__learn_reuse(&d->learn, hash, d->now);
	if (d->chain_length)
		length = highest_bit(d->chain_length);
	if (length > CHAIN_LOG_MAX)
		length = CHAIN_LOG_MAX;
	at->class = (uint8_t)(length << 3 | (uint32_t)at->uses << 1 | last);
	density_push(evict, slot);
	at->watched =
		(uint8_t)aibrix__learn_use(&d->learn, hash, at->class, d->now);
}

static void
uses_add(struct density_slot *at)
{
	if (at->uses < USES_MAX)
		at->uses++;
}

static uint32_t
density_insert(aibrix_evict *evict, uint32_t slot,
	       const aibrix_evict_block *block)
{
	struct density *d = evict->state;
	struct density_slot *at = &d->slots[slot];
	uint64_t hash = mix64(block->fingerprint);
	uint32_t remembered;

	at->uses = 0;
	at->depth = block->depth;
	remembered = memory_take(&d->memory, hash, &at->uses);
	if (remembered)
		uses_add(at);
	density_use(evict, slot, hash, 1);
	return remembered;
}

static void
density_hit(aibrix_evict *evict, uint32_t slot)
{
	struct density *d = evict->state;

	density_remove(evict, slot);
	uses_add(&d->slots[slot]);
	density_use(evict, slot, mix64(evict->slots[slot].fingerprint),
		    d->slots[slot].watched);
}

/* The class whose oldest block is least dense; of equals, the older one. */
static uint32_t
class_choose(const struct density *d)
{
	uint64_t left = d->filled;
	uint32_t best = lowest_bit(left);
	double least =
		learn_density(&d->learn, best, d->now - d->oldest_at[best]);

	for (left &= left - 1; left; left &= left - 1) {
		uint32_t c = lowest_bit(left);
		double density =
			learn_density(&d->learn, c, d->now - d->oldest_at[c]);

		if (density > least)
			continue;
		if (density == least && d->oldest_at[c] >= d->oldest_at[best])
			continue;
		best = c;
		least = density;
	}
	return best;
}

static uint32_t
density_pop(aibrix_evict *evict, const uint64_t *next)
{
	struct density *d = evict->state;
	uint32_t oldest, turns = EVICT_SPARES_MAX;

	(void)next;
	while (d->filled) {
		oldest = d->queues[class_choose(d)].oldest;
		density_remove(evict, oldest);
		if (slot_busy(evict, oldest)) {
			evict->slots[oldest].where = ASIDE;
			continue;
		}
		if (slot_spared(evict, oldest, &turns)) {
			density_push(evict, oldest);
			continue;
		}
		memory_put(&d->memory, mix64(evict->slots[oldest].fingerprint),
			   d->slots[oldest].uses);
		return oldest;
	}
	return NONE;
}

static void
density_stats(const aibrix_evict *evict, aibrix_evict_stat *stat)
{
	const struct density *d = evict->state;

	stat->ghosts = d->memory.filled;
}

const struct evict_policy aibrix__evict_density = {
	.open = density_open,
	.close = density_close,
	.insert = density_insert,
	.hit = density_hit,
	.remove = density_remove,
	.pop = density_pop,
	.back = density_push,
	.stats = density_stats,
};
