/*
 * What engines call the places.
 *
 * Engines that hash alike announce the same names, so one shared entry
 * serves all of them.  Only where an owner contradicts it does a private
 * entry (owner, name) keep the owner's own meaning.
 *
 *   (SHARED, name) --> place      everybody else's meaning
 *   (owner, name)  --> place      that owner's meaning, looked at first
 *
 * The names of a place form a list, since they go when it goes; private
 * names are also listed by owner, since they go with the owner.
 */

#include "reference/simple_internal.h"

#include <assert.h>

#include "base/arch.h"

static void
meanings_grow(struct simple_index *index, struct heads bigger)
{
	for (uint32_t id = 0; id < index->names.used; id++) {
		struct name *name = name_at(index, id);
		uint32_t *head;

		if (name->scope == FREE)
			continue;
		head = head_of(&bigger, name->scope, name->name);
		name->next = *head;
		*head = id;
	}
	simple__heads_free(&index->mem, &index->meanings);
	index->meanings = bigger;
}

int
simple__names_reserve(struct simple_index *index, uint64_t more)
{
	struct heads bigger;
	int err = simple__slab_reserve(&index->mem, &index->names, more);

	if (err)
		return err;
	err = simple__heads_reserve(&index->mem, &index->meanings,
				    index->names.live + more, &bigger);
	if (!err && bigger.n)
		meanings_grow(index, bigger);
	return err;
}

uint32_t
simple__name_find(const struct simple_index *index, uint32_t scope,
		  uint64_t name)
{
	uint32_t id;

	if (!index->meanings.n)
		return NONE;
	id = *head_of(&index->meanings, scope, name);
	while (id != NONE) {
		const struct name *entry = name_at(index, id);

		if (entry->name == name && entry->scope == scope)
			break;
		id = entry->next;
	}
	return id;
}

/*
 * One step for all names, then the next: each step waits for the memory that
 * the one before asked for, but the names do not wait for each other.  A
 * name leads to the place it will most likely be compared with.
 */
void
simple__names_warm(const struct simple_index *index, const uint64_t *names,
		   uint32_t n)
{
	uint32_t ids[WINDOW], places[WINDOW], found = 0;

	if (!index->meanings.n)
		return;
	for (uint32_t i = 0; i < n; i++)
		prefetch(head_of(&index->meanings, SHARED, names[i]));
	for (uint32_t i = 0; i < n; i++) {
		ids[found] = *head_of(&index->meanings, SHARED, names[i]);
		if (ids[found] != NONE)
			prefetch(name_at(index, ids[found++]));
	}
	for (uint32_t i = 0; i < found; i++) {
		places[i] = name_at(index, ids[i])->place;
		prefetch(place_at(index, places[i]));
	}
	for (uint32_t i = 0; i < found; i++)
		simple__place_warm(index, places[i]);
}

/* Owners without private names, nearly all, skip the search. */
static uint32_t
private_find(const struct simple_index *index, uint32_t owner, uint64_t name)
{
	if (!index->owners[owner]->names.n)
		return NONE;
	return simple__name_find(index, owner, name);
}

uint32_t
simple__name_resolve(const struct simple_index *index, uint32_t owner,
		     uint64_t name)
{
	uint32_t id = private_find(index, owner, name);

	if (id == NONE)
		id = simple__name_find(index, SHARED, name);
	return id == NONE ? NONE : name_at(index, id)->place;
}

uint32_t
simple__name_file(struct simple_index *index, uint32_t scope, uint64_t name,
		  uint32_t place)
{
	struct slab *slab = &index->names;
	uint32_t *first = &place_at(index, place)->names;
	uint32_t id = slab->free, at = 0;
	struct name *entry;
	uint32_t *head;

	if (scope != SHARED) {
		struct list *names = &index->owners[scope]->names;

		assert(names->n < names->cap);
		at = (uint32_t)names->n;
	}
	if (id == NONE)
		id = slab->used++;
	entry = name_at(index, id);
	if (id == slab->free)
		slab->free = entry->next;
	slab->live++;
	head = head_of(&index->meanings, scope, name);
	*entry = (struct name){name, scope, place, *head, *first, NONE, at};
	*head = id;
	if (*first != NONE)
		name_at(index, *first)->before = id;
	*first = id;
	if (scope != SHARED)
		index->owners[scope]
			->names.items[index->owners[scope]->names.n++] = id;
	return id;
}

static void
private_unlist(struct simple_index *index, const struct name *entry)
{
	struct list *names = &index->owners[entry->scope]->names;
	uint32_t moved = names->items[--names->n];

	names->items[entry->at] = moved;
	name_at(index, moved)->at = entry->at;
}

void
simple__name_drop(struct simple_index *index, uint32_t id)
{
	struct name *entry = name_at(index, id);
	uint32_t *link = head_of(&index->meanings, entry->scope, entry->name);

	while (*link != id)
		link = &name_at(index, *link)->next;
	*link = entry->next;
	if (entry->before != NONE)
		name_at(index, entry->before)->after = entry->after;
	else
		place_at(index, entry->place)->names = entry->after;
	if (entry->after != NONE)
		name_at(index, entry->after)->before = entry->before;
	if (entry->scope != SHARED)
		private_unlist(index, entry);
	entry->scope = FREE;
	entry->next = index->names.free;
	index->names.free = id;
	index->names.live--;
}

void
simple__name_announce(struct simple_index *index, uint32_t owner, uint64_t name,
		      uint32_t place)
{
	uint32_t shared = simple__name_find(index, SHARED, name);
	uint32_t own = private_find(index, owner, name);
	int agrees = shared != NONE && name_at(index, shared)->place == place;

	if (!agrees && own != NONE && name_at(index, own)->place == place &&
	    shared != NONE)
		return;
	if (own != NONE)
		simple__name_drop(index, own);
	if (agrees)
		return;
	if (place_at(index, place)->names != NONE)
		index->stat.twins++;
	simple__name_file(index, shared == NONE ? SHARED : owner, name, place);
}
