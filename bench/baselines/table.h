/*
 * Open addressing from a 64-bit name to the includer's struct slot: home by
 * the high bits of a product, linear probing, at most three quarters full,
 * removal by moving later slots back.
 *
 * Before including, a file defines struct slot, whose first member is
 * uint64_t name, and SLOT_USED(slot).  A slot of zeroes is unused.
 */
#ifndef BASELINES_TABLE_H
#define BASELINES_TABLE_H

#include "base/alloc.h"

struct table {
	struct slot *slots;
	uint64_t cap; /* a power of two, or 0 */
	uint64_t n;
	uint32_t shift;
};

static inline uint64_t
table_home(const struct table *t, uint64_t name)
{
	return name * 0x9e3779b97f4a7c15u >> t->shift;
}

/* The slot of name, or the unused one where it would be.  cap > 0. */
static inline struct slot *
table_seek(const struct table *t, uint64_t name)
{
	uint64_t at = table_home(t, name);

	while (SLOT_USED(&t->slots[at]) && t->slots[at].name != name)
		at = (at + 1) & (t->cap - 1);
	return &t->slots[at];
}

static inline struct slot *
table_find(const struct table *t, uint64_t name)
{
	struct slot *slot = t->cap ? table_seek(t, name) : NULL;

	return slot && SLOT_USED(slot) ? slot : NULL;
}

static inline void
table_close(struct table *t, const aibrix_allocator *alloc)
{
	if (t->cap)
		aibrix__free(alloc, t->slots, t->cap, sizeof(*t->slots));
	*t = (struct table){0};
}

static inline int
table_resize(struct table *t, const aibrix_allocator *alloc, uint64_t cap)
{
	struct table old = *t;
	struct slot *slots = aibrix__alloc(alloc, cap, sizeof(*slots));

	if (!slots)
		return AIBRIX_E_NOMEM;
	t->slots = slots;
	t->cap = cap;
	t->shift = 64 - (uint32_t)__builtin_ctzll(cap);
	for (uint64_t i = 0; i < old.cap; i++)
		if (SLOT_USED(&old.slots[i]))
			*table_seek(t, old.slots[i].name) = old.slots[i];
	table_close(&old, alloc);
	return AIBRIX_OK;
}

/* Room for more names, so that the next table_seek of so many finds a slot
 * that the caller may fill; the caller counts n. */
static inline int
table_reserve(struct table *t, const aibrix_allocator *alloc, uint32_t more)
{
	uint64_t want = t->n + more, cap = t->cap ? t->cap : 4;

	while (want > cap / 4 * 3)
		cap *= 2;
	return cap == t->cap ? AIBRIX_OK : table_resize(t, alloc, cap);
}

static inline void
table_drop(struct table *t, struct slot *slot)
{
	uint64_t mask = t->cap - 1, hole = (uint64_t)(slot - t->slots);

	for (uint64_t at = (hole + 1) & mask; SLOT_USED(&t->slots[at]);
	     at = (at + 1) & mask) {
		uint64_t home = table_home(t, t->slots[at].name);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		t->slots[hole] = t->slots[at];
		hole = at;
	}
	t->slots[hole] = (struct slot){0};
	t->n--;
}

#endif
