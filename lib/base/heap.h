/*
 * The least of some small numbers by a key, where keys change and any number
 * may leave: a heap that knows where each of its items stands.
 *
 * Four children to a node: half as deep as with two, and the children's
 * entries are one cache line.
 *
 *	entry   - - - 0 | 1 2 3 4 | 5 6 7 8 | ...
 *	                children of 0, of 1, ...
 *
 * Which of four is the least is chance, so it is found without branches.
 * Equal keys are ordered by tie, and equal ties by item: what comes out does
 * not depend on the order in which things went in.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"

enum { HEAP_CHILDREN = 4, HEAP_ALIGN = 64 };

struct heap_entry {
	uint64_t key;
	uint64_t rank; /* among equal keys: tie, then item */
};

struct heap {
	struct heap_entry *entry; /* HEAP_CHILDREN - 1, then count of them */
	uint32_t *place;          /* of each item; NONE: not here */
	uint32_t count, cap;
};

/* For at most cap of the items whose places these are: several heaps may
 * share them, when an item is in one at most.  0: no memory. */
static inline int
heap_take(struct heap *h, const aibrix_allocator *a, uint32_t cap,
	  uint32_t *place)
{
	h->entry = aibrix__alloc_aligned(a, cap + (size_t)HEAP_CHILDREN - 1,
					 sizeof(*h->entry), HEAP_ALIGN);
	h->place = place;
	h->count = 0;
	h->cap = cap;
	return h->entry != NULL;
}

static inline void
heap_give(const struct heap *h, const aibrix_allocator *a)
{
	aibrix__free(a, h->entry, h->cap + (size_t)HEAP_CHILDREN - 1,
		     sizeof(*h->entry));
}

static inline uint64_t
heap_bytes(const struct heap *h)
{
	return (h->cap + (uint64_t)HEAP_CHILDREN - 1) * sizeof(*h->entry);
}

static inline struct heap_entry *
heap_at(const struct heap *h, uint32_t at)
{
	return &h->entry[(size_t)at + HEAP_CHILDREN - 1];
}

static inline uint32_t
heap_parent(uint32_t at)
{
	return (at - 1) / HEAP_CHILDREN;
}

static inline uint32_t
heap_item(const struct heap_entry *e)
{
	return (uint32_t)e->rank;
}

/* Both comparisons are made whatever the first says. */
static inline uint32_t
heap_before(const struct heap_entry *a, const struct heap_entry *b)
{
	return (uint32_t)(a->key < b->key) |
	       ((uint32_t)(a->key == b->key) & (uint32_t)(a->rank < b->rank));
}

static inline void
heap_set(struct heap *h, uint32_t at, struct heap_entry e)
{
	*heap_at(h, at) = e;
	h->place[heap_item(&e)] = at;
}

static inline void
heap_up(struct heap *h, uint32_t at, struct heap_entry e)
{
	while (at > 0 && heap_before(&e, heap_at(h, heap_parent(at)))) {
		heap_set(h, at, *heap_at(h, heap_parent(at)));
		at = heap_parent(at);
	}
	heap_set(h, at, e);
}

/* The least of the four from first on. */
static inline uint32_t
heap_least_of_four(const struct heap *h, uint32_t first)
{
	const struct heap_entry *e = heap_at(h, first);
	uint32_t a = heap_before(&e[1], &e[0]);
	uint32_t b = 2 + heap_before(&e[3], &e[2]);
	uint32_t second = 0 - heap_before(&e[b], &e[a]);

	return first + (a ^ ((a ^ b) & second));
}

/* The least of at's children; 0: it has none. */
static inline uint32_t
heap_child(const struct heap *h, uint32_t at)
{
	uint64_t first = HEAP_CHILDREN * (uint64_t)at + 1;
	uint32_t best;

	if (first + HEAP_CHILDREN <= h->count)
		return heap_least_of_four(h, (uint32_t)first);
	if (first >= h->count)
		return 0;
	best = (uint32_t)first;
	for (uint32_t i = best + 1; i < h->count; i++)
		if (heap_before(heap_at(h, i), heap_at(h, best)))
			best = i;
	return best;
}

static inline void
heap_down(struct heap *h, uint32_t at, struct heap_entry e)
{
	uint32_t child;

	while ((child = heap_child(h, at)) != 0 &&
	       heap_before(heap_at(h, child), &e)) {
		heap_set(h, at, *heap_at(h, child));
		at = child;
	}
	heap_set(h, at, e);
}

/* Let item, there or not, have this key and tie.  O(log n). */
static inline void
heap_put(struct heap *h, uint32_t item, uint64_t key, uint32_t tie)
{
	struct heap_entry e = {key, (uint64_t)tie << 32 | item};
	uint32_t at = h->place[item];

	if (at == NONE)
		heap_up(h, h->count++, e);
	else if (at > 0 && heap_before(&e, heap_at(h, heap_parent(at))))
		heap_up(h, at, e);
	else
		heap_down(h, at, e);
}

/* No effect when it is not there.  O(log n). */
static inline void
heap_remove(struct heap *h, uint32_t item)
{
	uint32_t at = h->place[item];
	struct heap_entry last;

	if (at == NONE)
		return;
	h->place[item] = NONE;
	last = *heap_at(h, --h->count);
	if (heap_item(&last) == item)
		return;
	if (at > 0 && heap_before(&last, heap_at(h, heap_parent(at))))
		heap_up(h, at, last);
	else
		heap_down(h, at, last);
}

/* The item with the least key; NONE: there is none. */
static inline uint32_t
heap_first(const struct heap *h)
{
	return h->count ? heap_item(heap_at(h, 0)) : NONE;
}

/* Its key; there is one. */
static inline uint64_t
heap_first_key(const struct heap *h)
{
	return heap_at(h, 0)->key;
}

#endif
