/*
 * Front of the eviction orders: arguments, pins and statistics, once for all
 * policies.
 *
 * A policy is a table of functions over index-linked lists: a slot is in at
 * most one queue, so one pair of links per slot serves every policy, and
 * all memory is taken when the order is made.
 *
 * Pins.  The queues do not know pinned slots until a pop meets one at its
 * tail.  It then leaves the queue (ASIDE) and returns when its last pin
 * goes.  So a pop meets each pin once, however long the pin is held, and no
 * limit on the search is needed.  Coming back as used is right: who held
 * the pin was reading the block.
 */

#include <aibrix/evict.h>

#include <assert.h>

#include "base/versioned.h"
#include "evict/evict_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_evict_opts, alloc) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_evict_stat, ghost_hits) };
enum { CAPACITY_DEFAULT = 1024 };

static const struct evict_policy *const policies[] = {
	[AIBRIX_EVICT_LRU] = &aibrix__evict_lru,
	[AIBRIX_EVICT_S3FIFO] = &aibrix__evict_s3fifo,
};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

/* Written so that a ratio that is NaN fails. */
static int
opts_valid(const aibrix_evict_opts *o)
{
	return o->policy < POLICIES && o->capacity < UINT32_MAX &&
	       o->promote_hits <= EVICT_HITS_MAX && o->small_ratio >= 0 &&
	       o->small_ratio < 1;
}

int
aibrix_evict_new(const aibrix_evict_opts *opts, aibrix_evict **out)
{
	aibrix_evict_opts o;
	aibrix_allocator a;
	aibrix_evict *evict;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (err)
		return err;
	if (!opts_valid(&o))
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;

	evict = aibrix__alloc(&a, 1, sizeof(*evict));
	if (!evict)
		return AIBRIX_E_NOMEM;
	evict->alloc = a;
	evict->policy = policies[o.policy];
	evict->capacity = o.capacity ? o.capacity : CAPACITY_DEFAULT;
	evict->slots =
		aibrix__alloc(&a, evict->capacity, sizeof(*evict->slots));
	evict->links =
		aibrix__alloc(&a, evict->capacity, sizeof(*evict->links));
	err = AIBRIX_E_NOMEM;
	if (evict->slots && evict->links)
		err = evict->policy->open(evict, &o);
	if (err) {
		aibrix_evict_free(evict);
		return err;
	}
	*out = evict;
	return AIBRIX_OK;
}

void
aibrix_evict_free(aibrix_evict *evict)
{
	aibrix_allocator a;

	if (!evict)
		return;
	a = evict->alloc; /* evict itself came from it */
	evict->policy->close(evict);
	aibrix__free(&a, evict->links, evict->capacity, sizeof(*evict->links));
	aibrix__free(&a, evict->slots, evict->capacity, sizeof(*evict->slots));
	aibrix__free(&a, evict, 1, sizeof(*evict));
}

static int
slot_present(const aibrix_evict *evict, uint32_t slot)
{
	return slot < evict->capacity && evict->slots[slot].where != OUT;
}

int
aibrix_evict_insert(aibrix_evict *evict, uint32_t slot, uint64_t fingerprint,
		    uint32_t parent_slot)
{
	if (!evict || slot >= evict->capacity || slot == parent_slot)
		return AIBRIX_E_INVAL;
	if (parent_slot >= evict->capacity &&
	    parent_slot != AIBRIX_EVICT_NO_PARENT)
		return AIBRIX_E_INVAL;
	if (evict->slots[slot].where != OUT)
		return AIBRIX_E_STATE;

	assert(evict->slots[slot].pins == 0);
	evict->ghost_hits += evict->policy->insert(evict, slot, fingerprint);
	evict->inserts++;
	evict->count++;
	return AIBRIX_OK;
}

int
aibrix_evict_hit(aibrix_evict *evict, uint32_t slot)
{
	if (!evict)
		return AIBRIX_E_INVAL;
	if (!slot_present(evict, slot))
		return AIBRIX_E_NOT_FOUND;
	evict->hits++;
	/* What is aside comes back as used anyway. */
	if (evict->slots[slot].where != ASIDE)
		evict->policy->hit(evict, slot);
	return AIBRIX_OK;
}

int
aibrix_evict_remove(aibrix_evict *evict, uint32_t slot)
{
	if (!evict)
		return AIBRIX_E_INVAL;
	if (!slot_present(evict, slot))
		return AIBRIX_E_NOT_FOUND;
	if (evict->slots[slot].pins)
		return AIBRIX_E_BUSY;
	evict->policy->remove(evict, slot);
	evict->slots[slot].where = OUT;
	evict->count--;
	return AIBRIX_OK;
}

int
aibrix_evict_pop(aibrix_evict *evict, uint32_t *slot)
{
	uint32_t victim;

	if (!evict || !slot)
		return AIBRIX_E_INVAL;
	if (!evict->policy->pop(evict, &victim))
		return AIBRIX_E_NOT_FOUND;
	evict->slots[victim].where = OUT;
	evict->count--;
	evict->evictions++;
	*slot = victim;
	return AIBRIX_OK;
}

int
aibrix_evict_pin(aibrix_evict *evict, uint32_t slot)
{
	if (!evict)
		return AIBRIX_E_INVAL;
	if (!slot_present(evict, slot))
		return AIBRIX_E_NOT_FOUND;
	if (evict->slots[slot].pins == UINT32_MAX)
		return AIBRIX_E_FULL;
	evict->pinned += evict->slots[slot].pins == 0;
	evict->slots[slot].pins++;
	return AIBRIX_OK;
}

int
aibrix_evict_unpin(aibrix_evict *evict, uint32_t slot)
{
	if (!evict)
		return AIBRIX_E_INVAL;
	if (!slot_present(evict, slot))
		return AIBRIX_E_NOT_FOUND;
	if (evict->slots[slot].pins == 0)
		return AIBRIX_E_STATE;
	evict->slots[slot].pins--;
	if (evict->slots[slot].pins)
		return AIBRIX_OK;
	evict->pinned--;
	if (evict->slots[slot].where == ASIDE)
		evict->policy->back(evict, slot);
	return AIBRIX_OK;
}

int
aibrix_evict_stats(const aibrix_evict *evict, aibrix_evict_stat *stat)
{
	aibrix_evict_stat s = {.size = sizeof(s)};

	if (!evict || !stat)
		return AIBRIX_E_INVAL;
	s.count = evict->count;
	s.pinned = evict->pinned;
	if (evict->policy->ghosts)
		s.ghosts = evict->policy->ghosts(evict);
	s.inserts = evict->inserts;
	s.hits = evict->hits;
	s.evictions = evict->evictions;
	s.ghost_hits = evict->ghost_hits;
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}
