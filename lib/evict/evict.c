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

#include "base/arch.h"
#include "base/versioned.h"
#include "evict/evict_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_evict_opts, alloc) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_evict_stat, ghost_hits) };
enum { CAPACITY_DEFAULT = 1024, CAPACITY_MAX = 1 << 30 };
enum {
	FLAGS = AIBRIX_EVICT_CHILD_GUARD | AIBRIX_EVICT_WEIGH_COST |
		AIBRIX_EVICT_COMPAT | AIBRIX_EVICT_COMPAT_OVERFLOW,
	KINDS = AIBRIX_EVICT_HOT | AIBRIX_EVICT_EVICTED | AIBRIX_EVICT_PUT
};

static const struct evict_policy *const policies[] = {
	[AIBRIX_EVICT_LRU] = &aibrix__evict_lru,
	[AIBRIX_EVICT_S3FIFO] = &aibrix__evict_s3fifo,
	[AIBRIX_EVICT_FIFO] = &aibrix__evict_fifo,
	[AIBRIX_EVICT_ARC] = &aibrix__evict_arc,
	[AIBRIX_EVICT_SIEVE] = &aibrix__evict_sieve,
	[AIBRIX_EVICT_AUTO] = &aibrix__evict_auto,
	[AIBRIX_EVICT_DENSITY] = &aibrix__evict_density,
};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

/* AIBrix has three policies, and its overflow is a part of its order. */
static int
compat_valid(const aibrix_evict_opts *o)
{
	if (!(o->flags & AIBRIX_EVICT_COMPAT))
		return !(o->flags & AIBRIX_EVICT_COMPAT_OVERFLOW);
	return o->policy == AIBRIX_EVICT_FIFO ||
	       o->policy == AIBRIX_EVICT_LRU ||
	       o->policy == AIBRIX_EVICT_S3FIFO;
}

/* Written so that a ratio that is NaN fails. */
static int
opts_valid(const aibrix_evict_opts *o)
{
	return o->policy < POLICIES && o->capacity <= CAPACITY_MAX &&
	       o->ghosts <= CAPACITY_MAX && o->signals <= CAPACITY_MAX &&
	       o->promote_hits <= EVICT_HITS_MAX && o->small_ratio >= 0 &&
	       o->small_ratio < 1 && !(o->signal_kinds & ~(uint32_t)KINDS) &&
	       compat_valid(o);
}

static int
evict_open(aibrix_evict *evict, const aibrix_evict_opts *o)
{
	int compat = (o->flags & AIBRIX_EVICT_COMPAT) != 0;
	int err;

	evict->policy = policies[o->policy];
	evict->capacity = o->capacity ? o->capacity : CAPACITY_DEFAULT;
	evict->numbers = evict->capacity + (uint32_t)compat;
	evict->flags = o->flags;
	evict->hot = o->promote_hits ? o->promote_hits : 1;
	evict->slots = aibrix__alloc(&evict->alloc, evict->numbers,
				     sizeof(*evict->slots));
	if (!evict->slots)
		return AIBRIX_E_NOMEM;
	err = aibrix__spare_open(evict);
	if (!err)
		err = aibrix__signals_open(evict, o->signals,
					   o->signal_kinds ? o->signal_kinds
							   : KINDS);
	evict->extras = evict->spare || evict->signals;
	return err ? err : evict->policy->open(evict, o);
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
	if (o.flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	if (!opts_valid(&o))
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;

	evict = aibrix__alloc(&a, 1, sizeof(*evict));
	if (!evict)
		return AIBRIX_E_NOMEM;
	evict->alloc = a;
	err = evict_open(evict, &o);
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
	aibrix__signals_close(evict);
	aibrix__spare_close(evict);
	if (!evict->whole)
		aibrix__free(&a, evict->slots, evict->numbers,
			     sizeof(*evict->slots));
	aibrix__free(&a, evict, 1, sizeof(*evict));
}

void
aibrix__evict_ask(aibrix_evict *evict, evict_busy_fn busy, void *ctx)
{
	evict->busy = busy;
	evict->busy_ctx = ctx;
}

static int
slot_present(const aibrix_evict *evict, uint32_t slot)
{
	return slot < evict->numbers && evict->slots[slot].where != OUT;
}

/* What only some orders want of an insert. */
static void
extras_insert(aibrix_evict *evict, uint32_t slot,
	      const aibrix_evict_block *block, uint32_t remembered)
{
	struct evict_slot *at = &evict->slots[slot];

	at->uses = 0;
	if (evict->spare)
		aibrix__spare_insert(evict, slot, block);
	/* A put of what its ghosts know is a hot access to AIBrix, and never
	 * another one. */
	if (remembered && evict->flags & AIBRIX_EVICT_COMPAT) {
		at->uses = EVICT_HITS_MAX;
		slot_signal(evict, slot, AIBRIX_EVICT_HOT);
	} else {
		slot_signal(evict, slot, AIBRIX_EVICT_PUT);
	}
}

static int
block_insert(aibrix_evict *evict, uint32_t slot,
	     const aibrix_evict_block *block)
{
	uint32_t remembered;

	assert(evict->slots[slot].pins == 0);
	evict->slots[slot].fingerprint = block->fingerprint;
	remembered = evict->policy->insert(evict, slot, block);
	evict->ghost_hits += remembered;
	evict->inserts++;
	evict->count++;
	if (evict->extras)
		extras_insert(evict, slot, block, remembered);
	return AIBRIX_OK;
}

static int
insert_check(const aibrix_evict *evict, uint32_t slot, uint32_t parent_slot)
{
	if (slot >= evict->numbers || slot == parent_slot)
		return AIBRIX_E_INVAL;
	if (parent_slot >= evict->numbers &&
	    parent_slot != AIBRIX_EVICT_NO_PARENT)
		return AIBRIX_E_INVAL;
	return evict->slots[slot].where == OUT ? AIBRIX_OK : AIBRIX_E_STATE;
}

int
aibrix_evict_insert(aibrix_evict *evict, uint32_t slot, uint64_t fingerprint,
		    uint32_t parent_slot)
{
	const aibrix_evict_block block = {.fingerprint = fingerprint,
					  .parent_slot = parent_slot};
	int err =
		evict ? insert_check(evict, slot, parent_slot) : AIBRIX_E_INVAL;

	return err ? err : block_insert(evict, slot, &block);
}

int
aibrix_evict_insert_block(aibrix_evict *evict, uint32_t slot,
			  const aibrix_evict_block *block)
{
	int err;

	if (!evict || !block)
		return AIBRIX_E_INVAL;
	if (block->spare[0] || block->spare[1] || block->spare[2])
		return AIBRIX_E_ABI;
	err = insert_check(evict, slot, block->parent_slot);
	return err ? err : block_insert(evict, slot, block);
}

static void
extras_hit(aibrix_evict *evict, uint32_t slot)
{
	struct evict_slot *at = &evict->slots[slot];

	at->spared = 0;
	if (at->uses < EVICT_HITS_MAX && ++at->uses == evict->hot)
		slot_signal(evict, slot, AIBRIX_EVICT_HOT);
}

int
aibrix_evict_hit(aibrix_evict *evict, uint32_t slot)
{
	if (!evict)
		return AIBRIX_E_INVAL;
	if (!slot_present(evict, slot))
		return AIBRIX_E_NOT_FOUND;
	evict->hits++;
	if (evict->extras)
		extras_hit(evict, slot);
	/* What is aside comes back as used anyway. */
	if (evict->slots[slot].where != ASIDE)
		evict->policy->hit(evict, slot);
	return AIBRIX_OK;
}

int
aibrix_evict_rewrite(aibrix_evict *evict, uint32_t slot)
{
	if (!evict)
		return AIBRIX_E_INVAL;
	if (!(evict->flags & AIBRIX_EVICT_COMPAT))
		return aibrix_evict_hit(evict, slot);
	if (!slot_present(evict, slot))
		return AIBRIX_E_NOT_FOUND;
	if (evict->slots[slot].where != ASIDE)
		evict->policy->rewrite(evict, slot);
	return AIBRIX_OK;
}

static void
slot_leave(aibrix_evict *evict, uint32_t slot, int victim)
{
	if (evict->spare)
		aibrix__spare_leave(evict, slot, victim);
	evict->slots[slot].where = OUT;
	evict->count--;
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
	slot_leave(evict, slot, 0);
	return AIBRIX_OK;
}

static int
victim_take(aibrix_evict *evict, const uint64_t *next, uint32_t *slot)
{
	uint32_t victim = evict->policy->pop(evict, next);

	if (victim == NONE)
		return AIBRIX_E_NOT_FOUND;
	slot_leave(evict, victim, 1);
	evict->evictions++;
	if (evict->extras)
		slot_signal(evict, victim, AIBRIX_EVICT_EVICTED);
	*slot = victim;
	return AIBRIX_OK;
}

int
aibrix_evict_pop(aibrix_evict *evict, uint32_t *slot)
{
	if (!evict || !slot)
		return AIBRIX_E_INVAL;
	return victim_take(evict, NULL, slot);
}

int
aibrix_evict_reserve(aibrix_evict *evict, const uint64_t *fingerprints,
		     uint32_t n, uint32_t flags, uint32_t *slots,
		     uint32_t *n_out)
{
	uint32_t room;
	int err = AIBRIX_OK;

	if (!evict || !n_out || (n > 0 && !slots))
		return AIBRIX_E_INVAL;
	if (flags & ~(uint32_t)AIBRIX_EVICT_WHOLE)
		return AIBRIX_E_ABI;
	/* Every policy finds every slot that is not pinned. */
	room = evict->count - evict->pinned;
	if (n > 0 && (room == 0 || (room < n && flags & AIBRIX_EVICT_WHOLE)))
		return AIBRIX_E_FULL;
	if (room > n)
		room = n;
	for (uint32_t i = 0; i < room && !err; i++)
		err = victim_take(evict, fingerprints ? &fingerprints[i] : NULL,
				  &slots[i]);
	assert(!err);
	*n_out = room;
	return AIBRIX_OK;
}

/* The two halves one after the other. */
static APART int
slot_replace(aibrix_evict *evict, const aibrix_evict_block *block,
	     uint32_t *slot)
{
	aibrix_evict_block alone = *block;

	if (victim_take(evict, &block->fingerprint, slot))
		return AIBRIX_E_FULL;
	if (block->parent_slot == *slot)
		alone.parent_slot = AIBRIX_EVICT_NO_PARENT;
	return block_insert(evict, *slot, &alone);
}

int
aibrix_evict_replace(aibrix_evict *evict, const aibrix_evict_block *block,
		     uint32_t *slot)
{
	uint32_t victim;

	if (!evict || !block || !slot)
		return AIBRIX_E_INVAL;
	if (block->spare[0] | block->spare[1] | block->spare[2])
		return AIBRIX_E_ABI;
	_Static_assert(AIBRIX_EVICT_NO_PARENT + 1 == 0, "one before slot 0");
	if (block->parent_slot + 1 > evict->numbers)
		return AIBRIX_E_INVAL;
	if (evict->count == evict->pinned)
		return AIBRIX_E_FULL;
	if (evict->extras || evict->busy || !evict->policy->replace)
		return slot_replace(evict, block, slot);
	victim = evict->policy->replace(evict, block);
	evict->slots[victim].fingerprint = block->fingerprint;
	evict->replaced++;
	*slot = victim;
	return AIBRIX_OK;
}

uint64_t
aibrix_evict_fingerprint(const aibrix_evict *evict, uint32_t slot)
{
	if (!evict || slot >= evict->numbers)
		return 0;
	return evict->slots[slot].fingerprint;
}

/* Unlike AIBrix (l1/eviction_policy), which makes room for one byte more than
 * it needs and so for two blocks: only on request. */
uint32_t
aibrix_evict_due(const aibrix_evict *evict)
{
	if (!evict || evict->count <= evict->capacity)
		return 0;
	return evict->count - evict->capacity +
	       ((evict->flags & AIBRIX_EVICT_COMPAT_OVERFLOW) != 0);
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
	s.inserts = evict->inserts + evict->replaced;
	s.hits = evict->hits;
	s.evictions = evict->evictions + evict->replaced;
	s.ghost_hits = evict->ghost_hits;
	s.spared = aibrix__spare_count(evict);
	aibrix__signals_stats(evict, &s);
	if (evict->policy->stats)
		evict->policy->stats(evict, &s);
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}
