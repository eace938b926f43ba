/*
 * Who is passed over by a pop although its turn has come.
 *
 * Child guard.  Each slot counts its resident children.  Children come into
 * the order before their parents (chains are walked last block first), so a
 * count belongs to a slot before the slot is in the order; it ends when the
 * slot leaves.  A slot number is soon another block's: a generation tells a
 * child whose parent has gone from one whose parent is there.
 *
 * Cost.  A candidate that costs more than twice the mean of late victims
 * goes round once; a second time when it has been used in between.
 *
 * Both are a preference, not a promise: a pop passes over no more than
 * EVICT_SPARES_MAX candidates, so that it always ends, and soon.
 */

#include "evict/evict_internal.h"

#include <assert.h>

/* The mean of late victims: each moves it by a 64th. */
enum { COST_SHIFT = 6, COST_FACTOR = 2 };

struct family {
	uint32_t parent;            /* NONE: of no meaning here */
	uint32_t parent_generation; /* of the parent, when this came */
	uint32_t generation;        /* how often this has left */
	uint32_t children;          /* resident */
};

struct evict_spare {
	struct family *family;  /* by slot; NULL: no guard */
	uint32_t *cost;         /* by slot; NULL: not weighed */
	uint64_t mean_cost_x64; /* of victims */
	uint64_t spared;
};

int
aibrix__spare_open(aibrix_evict *evict)
{
	int guard = (evict->flags & AIBRIX_EVICT_CHILD_GUARD) != 0;
	int weigh = (evict->flags & AIBRIX_EVICT_WEIGH_COST) != 0;
	struct evict_spare *spare;

	if (!guard && !weigh)
		return AIBRIX_OK;
	spare = aibrix__alloc(&evict->alloc, 1, sizeof(*spare));
	if (!spare)
		return AIBRIX_E_NOMEM;
	evict->spare = spare;
	if (guard)
		spare->family = aibrix__alloc(&evict->alloc, evict->numbers,
					      sizeof(*spare->family));
	if (weigh)
		spare->cost = aibrix__alloc(&evict->alloc, evict->numbers,
					    sizeof(*spare->cost));
	if ((guard && !spare->family) || (weigh && !spare->cost))
		return AIBRIX_E_NOMEM;
	return AIBRIX_OK;
}

void
aibrix__spare_close(aibrix_evict *evict)
{
	struct evict_spare *spare = evict->spare;

	if (!spare)
		return;
	aibrix__free(&evict->alloc, spare->cost, evict->numbers,
		     sizeof(*spare->cost));
	aibrix__free(&evict->alloc, spare->family, evict->numbers,
		     sizeof(*spare->family));
	aibrix__free(&evict->alloc, spare, 1, sizeof(*spare));
}

void
aibrix__spare_insert(aibrix_evict *evict, uint32_t slot,
		     const aibrix_evict_block *block)
{
	struct evict_spare *spare = evict->spare;
	uint32_t parent = block->parent_slot;

	evict->slots[slot].spared = 0;
	if (spare->cost)
		spare->cost[slot] = block->cost ? block->cost : 1;
	if (!spare->family)
		return;
	spare->family[slot].parent = parent;
	if (parent == AIBRIX_EVICT_NO_PARENT)
		return;
	spare->family[slot].parent_generation =
		spare->family[parent].generation;
	spare->family[parent].children++;
}

static void
family_leave(struct family *family, uint32_t slot)
{
	struct family *me = &family[slot], *parent;

	me->generation++;
	me->children = 0;
	if (me->parent == AIBRIX_EVICT_NO_PARENT)
		return;
	parent = &family[me->parent];
	if (parent->generation != me->parent_generation)
		return;
	assert(parent->children > 0);
	parent->children--;
}

/* The first victim is the mean of all so far. */
static void
mean_move(struct evict_spare *spare, uint32_t cost)
{
	if (spare->mean_cost_x64 == 0)
		spare->mean_cost_x64 = (uint64_t)cost << COST_SHIFT;
	spare->mean_cost_x64 -= spare->mean_cost_x64 >> COST_SHIFT;
	spare->mean_cost_x64 += cost;
}

void
aibrix__spare_leave(aibrix_evict *evict, uint32_t slot, int victim)
{
	struct evict_spare *spare = evict->spare;

	if (spare->cost && victim)
		mean_move(spare, spare->cost[slot]);
	if (spare->family)
		family_leave(spare->family, slot);
}

int
aibrix__spare_wants(aibrix_evict *evict, uint32_t slot)
{
	struct evict_spare *spare = evict->spare;
	uint64_t mean = spare->mean_cost_x64 >> COST_SHIFT;
	int wants = spare->family && spare->family[slot].children > 0;

	if (!wants && spare->cost && !evict->slots[slot].spared && mean > 0 &&
	    spare->cost[slot] > COST_FACTOR * mean) {
		evict->slots[slot].spared = 1;
		wants = 1;
	}
	spare->spared += (uint64_t)wants;
	return wants;
}

uint64_t
aibrix__spare_count(const aibrix_evict *evict)
{
	return evict->spare ? evict->spare->spared : 0;
}
