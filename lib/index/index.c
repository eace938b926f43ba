/*
 * The block index: exact, and fast because chains are kept as arrays.
 *
 *      root
 *       |                         content hashes, engine names
 *       v                               |
 *     run [A B C D E ...] <-------------'
 *       |      |  '--> owners that hold all of it: a bit each;
 *       |      |       others: how many leading blocks, or a bit per block
 *       |      '--> child runs at any block
 *       v
 *     run ...                     map: name -> run and position
 *
 * Made for: events and lookups in about equal number, millions of blocks,
 * eight to thousands of owners, prompts of up to thousands of blocks, most
 * of them shared by few.
 *
 * Lookups (index_walk.c) take no lock and write nothing that others read;
 * memory waits for them (index_epoch.c).  Events take the lock, one at a
 * time.  doc/modules/index.md says what was measured and why it is so.
 */

#include "index/index_internal.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/fence.h"
#include "base/versioned.h"

/* A run without room, that owners and events never see. */
static struct run *
anchor_new(struct aibrix_index *index, int *err)
{
	struct run *run = aibrix__mem_take_line(&index->mem, run_bytes(1), err);

	if (run) {
		run->cap = 1;
		run->aliases = NONE;
	}
	return run;
}

/* The root takes number 0. */
static int
index_fill(struct aibrix_index *index)
{
	int err;

	index->owners = aibrix__mem_take(&index->mem, index->max_owners,
					 sizeof(*index->owners), &err);
	if (!err)
		index->gone = anchor_new(index, &err);
	if (!err)
		index->root = aibrix__run_new(index, 1, &err);
	if (!err)
		err = aibrix__map_init(index);
	if (err)
		return err;
	index->gone->at = NONE;
	return AIBRIX_OK;
}

static void
anchors_free(struct aibrix_index *index)
{
	if (index->root)
		aibrix__mem_give(&index->mem, index->root, 1, run_bytes(1));
	if (index->gone)
		aibrix__mem_give(&index->mem, index->gone, 1, run_bytes(1));
	aibrix__slab_free(&index->mem, &index->slots);
	aibrix__mem_give(&index->mem, index->owners, index->max_owners,
			 sizeof(*index->owners));
}

int
aibrix_index_new(const aibrix_index_opts *opts, aibrix_index **out)
{
	aibrix_index_opts o;
	aibrix_allocator a;
	aibrix_index *index;
	int err = aibrix__struct_load(&o, sizeof(o), opts,
				      STRUCT_UPTO(aibrix_index_opts, alloc));

	if (err)
		return err;
	if (!out || o.max_owners > INDEX_OWNERS_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	index = aibrix__alloc(&a, 1, sizeof(*index));
	if (!index)
		return AIBRIX_E_NOMEM;
	index->max_owners = o.max_owners ? o.max_owners : INDEX_OWNERS;
	index->mem.a = a;
	index->mem.used = sizeof(*index);
	index->salt = mix64((uintptr_t)index + 1);
	index->limbo_end = &index->limbo;
	index->asymmetric = aibrix__fence_asymmetric();
	index->slots = (struct slab){.item = SLOT_BYTES, .free = NONE};
	index->aliases.items =
		(struct slab){.item = sizeof(struct alias), .free = NONE};
	atomic_store_explicit(&index->epoch, 1, memory_order_relaxed);
	err = index_fill(index);
	if (!err && pthread_mutex_init(&index->lock, NULL) != 0) {
		aibrix__map_free(index);
		err = AIBRIX_E_NOMEM;
	}
	if (err) {
		anchors_free(index);
		aibrix__free(&a, index, 1, sizeof(*index));
		return err;
	}
	/* Only now: the empty index is not refused for the budget. */
	index->mem.budget = o.budget_bytes;
	*out = index;
	return AIBRIX_OK;
}

int
aibrix__owner_new(struct aibrix_index *index, uint32_t owner)
{
	uint64_t budget = index->mem.budget;
	int err;

	if (owner >= index->max_owners)
		return AIBRIX_E_INVAL;
	if (index->owners[owner])
		return AIBRIX_E_STATE;
	/* The budget bounds what events store; an owner is some bytes. */
	index->mem.budget = 0;
	index->owners[owner] = aibrix__mem_take(
		&index->mem, 1, sizeof(*index->owners[owner]), &err);
	index->mem.budget = budget;
	if (err)
		return err;
	index->owners[owner]->private = NONE;
	index->stat.owners++;
	return AIBRIX_OK;
}

static void
owner_free(struct aibrix_index *index, uint32_t owner)
{
	struct owner *o = index->owners[owner];

	aibrix__owner_clear(index, owner);
	while (o->private != NONE)
		aibrix__alias_drop(index, o->private);
	aibrix__list_free(&index->mem, &o->runs);
	aibrix__mem_give(&index->mem, o, 1, sizeof(*o));
	index->owners[owner] = NULL;
	index->stat.owners--;
}

void
aibrix__index_empty(struct aibrix_index *index)
{
	for (uint32_t i = 0; i < index->max_owners; i++)
		if (index->owners[i])
			owner_free(index, i);
	/* What a dump that was refused has left: nobody holds it. */
	for (uint32_t id = 1; id < index->slots.used; id++)
		if (run_at(index, id))
			aibrix__run_settle(index, run_at(index, id));
}

void
aibrix_index_free(aibrix_index *index)
{
	aibrix_allocator a;

	if (!index)
		return;
	assert(!index->readers);
	aibrix__index_empty(index);
	aibrix__kids_drop(index, index->root);
	aibrix__reclaim(index);
	aibrix__map_free(index);
	aibrix__aliases_free(index);
	aibrix__extras_free(index);
	aibrix__list_free(&index->mem, &index->odd);
	aibrix__mem_give(&index->mem, index->grants.items, index->grants.cap,
			 sizeof(*index->grants.items));
	anchors_free(index);
	assert(index->mem.used == sizeof(*index));
	pthread_mutex_destroy(&index->lock);
	a = index->mem.a;
	aibrix__free(&a, index, 1, sizeof(*index));
}

int
aibrix_index_owner_add(aibrix_index *index, uint32_t owner)
{
	int err;

	if (!index)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	err = aibrix__owner_new(index, owner);
	pthread_mutex_unlock(&index->lock);
	return err;
}

static int
owner_known(const struct aibrix_index *index, uint32_t owner)
{
	return owner < index->max_owners && index->owners[owner];
}

int
aibrix_index_owner_remove(aibrix_index *index, uint32_t owner)
{
	int err = AIBRIX_E_NOT_FOUND;

	if (!index)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (owner_known(index, owner)) {
		owner_free(index, owner);
		aibrix__limbo_trim(index);
		err = AIBRIX_OK;
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}

static int
stored_apply(struct aibrix_index *index, uint32_t owner,
	     const aibrix_index_stored *event)
{
	uint64_t group = (uint64_t)1 << event->group;
	int err;

	if (!owner_known(index, owner))
		return AIBRIX_E_INVAL;
	if (event->kind == AIBRIX_GROUP_OTHER) {
		index->owners[owner]->ignored |= group;
		index->stat.ignored += event->n;
		return AIBRIX_OK;
	}
	err = aibrix__stored_apply(index, owner, event);
	if (err == AIBRIX_E_FULL && index->limbo && event->hashes) {
		/* Perhaps only what waits for lookups is in the way. */
		aibrix__reclaim(index);
		err = aibrix__stored_apply(index, owner, event);
	}
	if (err == AIBRIX_E_NOT_FOUND)
		index->stat.unknown_parents++;
	else if (err)
		index->stat.refused++;
	else
		index->owners[owner]->ignored &= ~group;
	aibrix__limbo_trim(index);
	return err;
}

int
aibrix_index_apply_stored(aibrix_index *index, uint32_t owner,
			  const aibrix_index_stored *event)
{
	aibrix_index_stored e;
	int err;

	if (!index || !event)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&e, sizeof(e), event,
				  STRUCT_UPTO(aibrix_index_stored, kind));
	if (err)
		return err;
	if (e.flags & ~(uint32_t)AIBRIX_INDEX_HAS_PARENT)
		return AIBRIX_E_ABI;
	if (e.n > AIBRIX_INDEX_EVENT_BLOCKS || e.tier >= AIBRIX_TIERS ||
	    e.group >= AIBRIX_INDEX_GROUPS || e.kind > AIBRIX_GROUP_OTHER ||
	    (e.n && !e.names))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	err = stored_apply(index, owner, &e);
	pthread_mutex_unlock(&index->lock);
	return err;
}

int
aibrix_index_apply_removed(aibrix_index *index, uint32_t owner,
			   const uint64_t *names, uint32_t n, uint32_t tier,
			   uint32_t group)
{
	int err = AIBRIX_OK;

	if (!index || (n && !names) || n > AIBRIX_INDEX_EVENT_BLOCKS ||
	    tier >= AIBRIX_TIERS || group >= AIBRIX_INDEX_GROUPS)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (!owner_known(index, owner)) {
		err = AIBRIX_E_INVAL;
	} else if (index->owners[owner]->ignored >> group & 1) {
		index->stat.ignored += n;
	} else {
		aibrix__removed_apply(index, owner, names, n, tier);
		aibrix__limbo_trim(index);
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}

int
aibrix_index_apply_cleared(aibrix_index *index, uint32_t owner)
{
	int err = AIBRIX_E_INVAL;

	if (!index)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (owner_known(index, owner)) {
		aibrix__owner_clear(index, owner);
		aibrix__limbo_trim(index);
		index->stat.cleared++;
		err = AIBRIX_OK;
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}

int
aibrix_index_stats(aibrix_index *index, aibrix_index_stat *stat)
{
	aibrix_index_stat now;

	if (!index || !stat)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	now = index->stat;
	now.places = index->places;
	now.bytes = index->mem.used;
	now.runs = index->runs;
	for (const struct aibrix_index_reader *r = index->readers; r;
	     r = r->next) {
		now.retries +=
			atomic_load_explicit(&r->retries, memory_order_relaxed);
		now.locked +=
			atomic_load_explicit(&r->locked, memory_order_relaxed);
	}
	pthread_mutex_unlock(&index->lock);
	return aibrix__struct_store(stat, &now, sizeof(now),
				    STRUCT_UPTO(aibrix_index_stat, forgotten));
}
