/*
 * A slot is 16 bytes with the name in it, so that most names cost one line
 * (ChainIndex has a byte per slot in an array beside them, and thus two);
 * the slots of names to come are asked for ahead.
 */
#include "owner_names.h"

#include "base/arch.h"
#include "pages.h"

struct slot {
	uint64_t name;
	struct owner_place place;
};

#define SLOT_USED(slot) ((slot)->place.run != 0)
#include "table.h"

enum { AHEAD = 16 };

struct owner_names {
	const aibrix_allocator *alloc;
	struct pages pages; /* of the tables */
	uint32_t owners;
	struct table tables[];
};

static size_t
names_bytes(uint32_t owners)
{
	return sizeof(struct owner_names) + owners * sizeof(struct table);
}

struct owner_names *
owner_names_new(uint32_t owners, const aibrix_allocator *alloc)
{
	struct owner_names *all = aibrix__alloc(alloc, 1, names_bytes(owners));

	if (all) {
		all->alloc = alloc;
		all->owners = owners;
		pages_open(&all->pages, alloc);
	}
	return all;
}

void
owner_names_free(struct owner_names *all)
{
	if (!all)
		return;
	for (uint32_t i = 0; i < all->owners; i++)
		table_close(&all->tables[i], &all->pages.allocator);
	pages_close(&all->pages);
	aibrix__free(all->alloc, all, 1, names_bytes(all->owners));
}

uint64_t
owner_names_idle(const struct owner_names *all)
{
	return all->pages.idle;
}

int
owner_names_reserve(struct owner_names *all, uint32_t owner, uint32_t more)
{
	return table_reserve(&all->tables[owner], &all->pages.allocator, more);
}

static void
slot_warm(const struct table *t, const uint64_t *names, uint32_t n, uint32_t i)
{
	if (i < n && t->cap)
		prefetch(&t->slots[table_home(t, names[i])]);
}

void
owner_names_enter(struct owner_names *all, uint32_t owner,
		  const uint64_t *names, uint32_t n, struct owner_place from)
{
	struct table *t = &all->tables[owner];

	for (uint32_t i = 0; i < AHEAD; i++)
		slot_warm(t, names, n, i);
	for (uint32_t i = 0; i < n; i++) {
		struct slot *slot = table_seek(t, names[i]);

		slot_warm(t, names, n, i + AHEAD);
		t->n += !SLOT_USED(slot);
		*slot = (struct slot){names[i], {from.run, from.off + i}};
	}
}

struct owner_place
owner_names_find(const struct owner_names *all, uint32_t owner, uint64_t name)
{
	const struct slot *slot = table_find(&all->tables[owner], name);

	return slot ? slot->place : (struct owner_place){0, 0};
}

void
owner_names_take(struct owner_names *all, uint32_t owner, const uint64_t *names,
		 uint32_t n, struct owner_place *places)
{
	struct table *t = &all->tables[owner];

	for (uint32_t i = 0; i < AHEAD; i++)
		slot_warm(t, names, n, i);
	for (uint32_t i = 0; i < n; i++) {
		struct slot *slot = table_find(t, names[i]);

		slot_warm(t, names, n, i + AHEAD);
		places[i] = slot ? slot->place : (struct owner_place){0, 0};
		if (slot)
			table_drop(t, slot);
	}
}

void
owner_names_clear(struct owner_names *all, uint32_t owner)
{
	table_close(&all->tables[owner], &all->pages.allocator);
}
