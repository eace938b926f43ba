/*
 * The block index: exact, and as simple as that allows.
 *
 *      root
 *       | child of (parent, content hash)
 *       v
 *     place --> holders, by owner: copies per tier
 *       |  '--> names (shared, or private to an owner)
 *       v
 *     place ...
 *
 * Made for: events and lookups in about equal number, a million places,
 * eight to a thousand owners, prompts of up to thousands of blocks.  Since
 * a place is a block under its whole prefix, a hole needs no bookkeeping:
 * what lies behind it stays held, and a lookup, which walks down from the
 * root, stops there until it is filled.
 *
 * One mutex guards everything.  A read-write lock would let readers that
 * overlap keep the events out for as long as they come.
 *
 * An event is planned first: the walk down the known part counts what is
 * missing, that much is reserved, and only then something changes.
 */

#include "reference/simple_internal.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/versioned.h"

/* What a stored event needs that is not there yet. */
struct plan {
	uint32_t start; /* the first block goes under it */
	uint32_t known; /* leading blocks whose place is known */
	uint32_t names, holders;
};

int
simple_index_new(const aibrix_index_opts *opts, simple_index **out)
{
	aibrix_index_opts o;
	aibrix_allocator a;
	simple_index *index;
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
	index->places =
		(struct slab){.item = sizeof(struct place), .free = NONE};
	index->names = (struct slab){.item = sizeof(struct name), .free = NONE};
	index->owners = simple__mem_take(&index->mem, index->max_owners,
					 sizeof(*index->owners), &err);
	if (!index->owners || pthread_mutex_init(&index->lock, NULL) != 0) {
		aibrix__free(&a, index->owners, index->max_owners,
			     sizeof(*index->owners));
		aibrix__free(&a, index, 1, sizeof(*index));
		return AIBRIX_E_NOMEM;
	}
	/* Only now: the empty index is not refused for the budget. */
	index->mem.budget = o.budget_bytes;
	*out = index;
	return AIBRIX_OK;
}

int
simple__owner_new(struct simple_index *index, uint32_t owner)
{
	uint64_t budget = index->mem.budget;
	int err;

	if (owner >= index->max_owners)
		return AIBRIX_E_INVAL;
	if (index->owners[owner])
		return AIBRIX_E_STATE;
	/* The budget bounds what events store; an owner is some bytes. */
	index->mem.budget = 0;
	index->owners[owner] = simple__mem_take(
		&index->mem, 1, sizeof(*index->owners[owner]), &err);
	index->mem.budget = budget;
	if (!err)
		index->stat.owners++;
	return err;
}

static void
owner_free(struct simple_index *index, uint32_t owner)
{
	struct owner *o = index->owners[owner];

	simple__list_free(&index->mem, &o->held);
	simple__list_free(&index->mem, &o->names);
	simple__mem_give(&index->mem, o, 1, sizeof(*o));
	index->owners[owner] = NULL;
	index->stat.owners--;
}

void
simple__index_empty(struct simple_index *index)
{
	for (uint32_t id = 0; id < index->places.used; id++) {
		struct place *place = place_at(index, id);

		if (place->parent != FREE && place->cap > 1)
			simple__mem_give(&index->mem, place->by.many,
					 place->cap, sizeof(*place->by.many));
	}
	for (uint32_t i = 0; i < index->max_owners; i++)
		if (index->owners[i])
			owner_free(index, i);
	simple__slab_free(&index->mem, &index->places);
	simple__slab_free(&index->mem, &index->names);
	simple__heads_free(&index->mem, &index->children);
	simple__heads_free(&index->mem, &index->meanings);
	index->stat.held = 0;
}

void
simple_index_free(simple_index *index)
{
	aibrix_allocator a;

	if (!index)
		return;
	simple__index_empty(index);
	simple__mem_give(&index->mem, index->owners, index->max_owners,
			 sizeof(*index->owners));
	assert(index->mem.used == sizeof(*index));
	pthread_mutex_destroy(&index->lock);
	a = index->mem.a;
	aibrix__free(&a, index, 1, sizeof(*index));
}

int
simple_index_owner_add(simple_index *index, uint32_t owner)
{
	int err;

	if (!index)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	err = simple__owner_new(index, owner);
	pthread_mutex_unlock(&index->lock);
	return err;
}

static int
owner_known(const struct simple_index *index, uint32_t owner)
{
	return owner < index->max_owners && index->owners[owner];
}

int
simple_index_owner_remove(simple_index *index, uint32_t owner)
{
	int err = AIBRIX_E_NOT_FOUND;

	if (!index)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (owner_known(index, owner)) {
		const struct list *names = &index->owners[owner]->names;

		simple__owner_clear(index, owner);
		while (names->n)
			simple__name_drop(index, names->items[names->n - 1]);
		owner_free(index, owner);
		err = AIBRIX_OK;
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}

/* Before each window of an event's names. */
static void
names_ahead(const struct simple_index *index, const uint64_t *names, uint32_t n,
	    uint32_t i)
{
	if (i % WINDOW == 0)
		simple__names_warm(index, names + i,
				   n - i < WINDOW ? n - i : WINDOW);
}

/* The next place of the event; without hashes names say which. */
static uint32_t
event_step(const struct simple_index *index, uint32_t owner,
	   const aibrix_index_stored *event, uint32_t at, uint32_t i)
{
	if (!event->hashes)
		return simple__name_resolve(index, owner, event->names[i]);
	return simple__place_child(index, at, event->hashes[i]);
}

/* Has the holder room for this copy, and for those before it?  Names may
 * repeat a block of the event, hashes cannot. */
static int
copies_fit(const struct simple_index *index, uint32_t owner,
	   const aibrix_index_stored *event, uint32_t i,
	   const struct holder *holder, uint32_t at)
{
	uint32_t room = UINT32_MAX - holder->copies[event->tier], same = 1;

	if (room >= event->n)
		return 1;
	for (uint32_t j = 0; !event->hashes && j < i; j++)
		same += event_step(index, owner, event, at, j) == at;
	return room >= same;
}

/*
 * Walk down the known part and count.  A name that already resolves to its
 * place needs nothing; every other one needs at most one entry, even when
 * the event contradicts itself, for then the older entry is dropped first.
 */
static int
event_plan(struct simple_index *index, uint32_t owner,
	   const aibrix_index_stored *event, struct plan *plan)
{
	uint32_t at = plan->start;

	for (uint32_t i = 0; i < event->n; i++) {
		const struct holder *holder;

		names_ahead(index, event->names, event->n, i);
		at = event_step(index, owner, event, at, i);
		if (at == NONE && event->hashes)
			break;
		plan->known++;
		if (at == NONE)
			continue;
		if (simple__name_resolve(index, owner, event->names[i]) != at)
			plan->names++;
		holder = simple__holder_find(index, at, owner);
		if (!holder)
			plan->holders++;
		else if (!copies_fit(index, owner, event, i, holder, at))
			return AIBRIX_E_FULL;
	}
	plan->names += event->n - plan->known;
	plan->holders += event->n - plan->known;
	return AIBRIX_OK;
}

static int
event_reserve(struct simple_index *index, uint32_t owner,
	      const aibrix_index_stored *event, const struct plan *plan)
{
	struct owner *o = index->owners[owner];
	struct mem *mem = &index->mem;
	uint32_t at = plan->start;
	int err = simple__places_reserve(index, event->n - plan->known);

	if (!err)
		err = simple__names_reserve(index, plan->names);
	if (!err)
		err = simple__list_reserve(mem, &o->held, plan->holders);
	if (!err)
		err = simple__list_reserve(mem, &o->names, plan->names);
	if (plan->holders == event->n - plan->known)
		return err; /* it holds the known part already */
	for (uint32_t i = 0; !err && i < plan->known; i++) {
		at = event_step(index, owner, event, at, i);
		if (at != NONE && !simple__holder_find(index, at, owner))
			err = simple__holders_reserve(
				index, at, place_at(index, at)->n_holders + 1);
	}
	return err;
}

static void
event_store(struct simple_index *index, uint32_t owner,
	    const aibrix_index_stored *event, const struct plan *plan)
{
	uint32_t at = plan->start;

	for (uint32_t i = 0; i < event->n; i++) {
		struct holder *holder = NULL;

		names_ahead(index, event->names, event->n, i);
		if (i < plan->known) {
			at = event_step(index, owner, event, at, i);
			if (at == NONE) {
				index->stat.unknown_names++;
				continue;
			}
			holder = simple__holder_find(index, at, owner);
		} else {
			at = simple__place_new(index, at, event->hashes[i]);
		}
		if (!holder)
			holder = simple__holder_new(index, at, owner);
		else if (holder->copies[event->tier])
			index->stat.duplicates++;
		holder->copies[event->tier]++;
		simple__name_announce(index, owner, event->names[i], at);
		index->stat.stored++;
	}
}

static int
stored_apply(struct simple_index *index, uint32_t owner,
	     const aibrix_index_stored *event)
{
	uint64_t group = (uint64_t)1 << event->group;
	struct plan plan = {.start = ROOT};
	int err;

	if (!owner_known(index, owner))
		return AIBRIX_E_INVAL;
	if (event->kind == AIBRIX_GROUP_OTHER) {
		index->owners[owner]->ignored |= group;
		index->stat.ignored += event->n;
		return AIBRIX_OK;
	}
	if (event->hashes && event->flags & AIBRIX_INDEX_HAS_PARENT) {
		plan.start = simple__name_resolve(index, owner, event->parent);
		if (plan.start == NONE) {
			index->stat.unknown_parents++;
			return AIBRIX_E_NOT_FOUND;
		}
	}
	err = event_plan(index, owner, event, &plan);
	if (!err)
		err = event_reserve(index, owner, event, &plan);
	if (err) {
		index->stat.refused++;
		return err;
	}
	index->owners[owner]->ignored &= ~group;
	event_store(index, owner, event, &plan);
	return AIBRIX_OK;
}

int
simple_index_apply_stored(simple_index *index, uint32_t owner,
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

/* 0: the owner holds no copy of it in that tier. */
static int
copy_take(struct simple_index *index, uint32_t owner, uint64_t name,
	  uint32_t tier)
{
	uint32_t id = simple__name_resolve(index, owner, name);
	struct holder *holder;

	if (id == NONE)
		return 0;
	holder = simple__holder_find(index, id, owner);
	if (!holder || !holder->copies[tier])
		return 0;
	holder->copies[tier]--;
	for (uint32_t t = 0; t < AIBRIX_TIERS; t++)
		if (holder->copies[t])
			return 1;
	simple__holder_drop(index, id, holder);
	return 1;
}

int
simple_index_apply_removed(simple_index *index, uint32_t owner,
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
		for (uint32_t i = 0; i < n; i++) {
			names_ahead(index, names, n, i);
			if (copy_take(index, owner, names[i], tier))
				index->stat.removed++;
			else
				index->stat.unknown_removals++;
		}
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}

int
simple_index_apply_cleared(simple_index *index, uint32_t owner)
{
	int err = AIBRIX_E_INVAL;

	if (!index)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (owner_known(index, owner)) {
		simple__owner_clear(index, owner);
		index->stat.cleared++;
		err = AIBRIX_OK;
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}

int
simple_index_stats(simple_index *index, aibrix_index_stat *stat)
{
	aibrix_index_stat now;

	if (!index || !stat)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	now = index->stat;
	now.places = index->places.live;
	now.bytes = index->mem.used;
	pthread_mutex_unlock(&index->lock);
	return aibrix__struct_store(
		stat, &now, sizeof(now),
		STRUCT_UPTO(aibrix_index_stat, unknown_names));
}
