/*
 * The trie of places, and who holds them.
 *
 * A place is found as the child of (parent, content hash) in one chained
 * hash table, so a node with ten thousand children costs no more than one
 * with two.  Holders of a place are an array in order of owner: a lookup
 * walks it beside the owners still in question, and gives its answer sorted
 * for nothing.  Most places have one holder, which lives in the place.
 *
 * Each owner lists the places it holds and each holder knows its position
 * there, so clearing an owner visits nothing else.
 */

#include "reference/simple_internal.h"

#include <assert.h>
#include <string.h>

#include "base/arch.h"

static void
children_grow(struct simple_index *index, struct heads bigger)
{
	for (uint32_t id = 0; id < index->places.used; id++) {
		struct place *place = place_at(index, id);
		uint32_t *head;

		if (place->parent == FREE)
			continue;
		head = head_of(&bigger, place->parent, place->hash);
		place->next = *head;
		*head = id;
	}
	simple__heads_free(&index->mem, &index->children);
	index->children = bigger;
}

int
simple__places_reserve(struct simple_index *index, uint64_t more)
{
	struct heads bigger;
	int err = simple__slab_reserve(&index->mem, &index->places, more);

	if (err)
		return err;
	err = simple__heads_reserve(&index->mem, &index->children,
				    index->places.live + more, &bigger);
	if (!err && bigger.n)
		children_grow(index, bigger);
	return err;
}

uint32_t
simple__place_child(const struct simple_index *index, uint32_t parent,
		    uint64_t hash)
{
	uint32_t id;

	if (!index->children.n)
		return NONE;
	id = *head_of(&index->children, parent, hash);
	while (id != NONE) {
		const struct place *place = place_at(index, id);

		if (place->hash == hash && place->parent == parent)
			break;
		id = place->next;
	}
	return id;
}

/* Its holders, and the chain in which it is found. */
void
simple__place_warm(const struct simple_index *index, uint32_t id)
{
	const struct place *place = place_at(index, id);

	prefetch(head_of(&index->children, place->parent, place->hash));
	if (place->cap > 1) {
		prefetch(place->by.many);
		prefetch(place->by.many + place->n_holders / 2);
		prefetch(place->by.many + place->n_holders);
	}
}

uint32_t
simple__place_new(struct simple_index *index, uint32_t parent, uint64_t hash)
{
	struct slab *slab = &index->places;
	uint32_t id = slab->free;
	struct place *place;
	uint32_t *head;

	if (id == NONE)
		id = slab->used++;
	place = place_at(index, id);
	if (id == slab->free)
		slab->free = place->next;
	slab->live++;
	head = head_of(&index->children, parent, hash);
	*place = (struct place){.hash = hash,
				.parent = parent,
				.next = *head,
				.names = NONE,
				.cap = 1};
	*head = id;
	if (parent != ROOT)
		place_at(index, parent)->children++;
	return id;
}

static void
place_unlink(struct simple_index *index, uint32_t id)
{
	struct place *place = place_at(index, id);
	uint32_t *link = head_of(&index->children, place->parent, place->hash);

	while (*link != id)
		link = &place_at(index, *link)->next;
	*link = place->next;
}

/* Forget the place, and its ancestors, as far as nothing keeps them. */
static void
place_settle(struct simple_index *index, uint32_t id)
{
	while (id != ROOT) {
		struct place *place = place_at(index, id);
		uint32_t parent = place->parent;

		if (place->n_holders || place->children)
			break;
		while (place->names != NONE)
			simple__name_drop(index, place->names);
		place_unlink(index, id);
		place->parent = FREE;
		place->next = index->places.free;
		index->places.free = id;
		index->places.live--;
		if (parent != ROOT)
			place_at(index, parent)->children--;
		id = parent;
	}
}

/* First position whose owner is not below owner. */
static uint32_t
holder_position(const struct holder *holders, uint32_t n, uint32_t owner)
{
	uint32_t low = 0;

	while (low < n) {
		uint32_t middle = low + (n - low) / 2;

		if (holders[middle].owner < owner)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

struct holder *
simple__holder_find(const struct simple_index *index, uint32_t id,
		    uint32_t owner)
{
	struct place *place = place_at(index, id);
	struct holder *holders = holders_of(place);
	uint32_t at = holder_position(holders, place->n_holders, owner);

	if (at == place->n_holders || holders[at].owner != owner)
		return NULL;
	return &holders[at];
}

int
simple__holders_reserve(struct simple_index *index, uint32_t id, uint32_t want)
{
	struct place *place = place_at(index, id);
	uint32_t cap = place->cap;
	struct holder *many;
	int err;

	if (want <= cap)
		return AIBRIX_OK;
	while (cap < want)
		cap *= 2; /* at most 65536: there are no more owners */
	many = simple__mem_take(&index->mem, cap, sizeof(*many), &err);
	if (!many)
		return err;
	memcpy(many, holders_of(place), place->n_holders * sizeof(*many));
	if (place->cap > 1)
		simple__mem_give(&index->mem, place->by.many, place->cap,
				 sizeof(*many));
	place->by.many = many;
	place->cap = cap;
	return AIBRIX_OK;
}

struct holder *
simple__holder_new(struct simple_index *index, uint32_t id, uint32_t owner)
{
	struct place *place = place_at(index, id);
	struct list *held = &index->owners[owner]->held;
	struct holder *holder = holders_of(place);
	uint32_t at = holder_position(holder, place->n_holders, owner);

	assert(place->n_holders < place->cap && held->n < held->cap);
	holder += at;
	memmove(holder + 1, holder, (place->n_holders - at) * sizeof(*holder));
	place->n_holders++;
	*holder = (struct holder){.owner = owner, .at = (uint32_t)held->n};
	held->items[held->n++] = id;
	index->stat.held++;
	return holder;
}

/* Back into the place itself when one is left or none. */
static void
holders_shrink(struct simple_index *index, struct place *place)
{
	struct holder *many = place->by.many;
	struct holder last;

	if (place->cap == 1 || place->n_holders > 1)
		return;
	last = many[0];
	simple__mem_give(&index->mem, many, place->cap, sizeof(*many));
	place->by.one = last;
	place->cap = 1;
}

/* The last of the owner's list moves into the gap. */
static void
held_remove(struct simple_index *index, const struct holder *holder)
{
	struct list *held = &index->owners[holder->owner]->held;
	uint32_t moved = held->items[--held->n];

	if (holder->at == held->n)
		return;
	held->items[holder->at] = moved;
	simple__holder_find(index, moved, holder->owner)->at = holder->at;
}

void
simple__holder_drop(struct simple_index *index, uint32_t id,
		    struct holder *holder)
{
	struct place *place = place_at(index, id);
	size_t behind;

	held_remove(index, holder);
	behind = place->n_holders - (size_t)(holder - holders_of(place)) - 1;
	memmove(holder, holder + 1, behind * sizeof(*holder));
	place->n_holders--;
	index->stat.held--;
	holders_shrink(index, place);
	place_settle(index, id);
}

void
simple__owner_clear(struct simple_index *index, uint32_t owner)
{
	const struct list *held = &index->owners[owner]->held;

	while (held->n) {
		uint32_t id = held->items[held->n - 1];

		simple__holder_drop(index, id,
				    simple__holder_find(index, id, owner));
	}
}
