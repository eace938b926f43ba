/*
 * One map per owner, the naive design (Dynamo calls its own so; AIBrix's
 * synchronised indexer and many home-made routers are of this kind).
 *
 *     owner 0: place -> block, name -> block
 *     owner 1: place -> block, name -> block
 *
 * A place is the chain over the content hashes that lead to it.  A lookup
 * walks the prompt once per owner; one lock guards all.  The maps are
 * uthash, as a C program would have them.
 *
 * Promised beyond baseline.h: holes, exactly.  Not promised: a parent that
 * its owner does not hold is unknown even if others hold it; a second copy
 * or a second name of a block counts for nothing.
 */
#include "baseline.h"
#include "chain.h"
#include "memory.h"
#include "owners.h"
#include "rwlock.h"

#define MAP_ALLOCATOR (&m->memory.counted)
#define MAP_REFUSED(block) ((block)->refused)
#include "base/map.h"

struct block {
	uint64_t name, place;
	UT_hash_handle by_name, by_place;
	int refused;
};

struct blocks {
	struct block *by_name, *by_place;
};

struct maps {
	struct memory memory;
	rwlock lock;
	uint32_t n_owners;
	struct blocks *owners;
};

static struct block *
block_named(const struct blocks *b, uint64_t name)
{
	struct block *block;

	HASH_FIND(by_name, b->by_name, &name, sizeof(name), block);
	return block;
}

static struct block *
block_at(const struct blocks *b, uint64_t place)
{
	struct block *block;

	HASH_FIND(by_place, b->by_place, &place, sizeof(place), block);
	return block;
}

static void
block_drop(struct maps *m, struct blocks *b, struct block *block)
{
	HASH_DELETE(by_name, b->by_name, block);
	HASH_DELETE(by_place, b->by_place, block);
	aibrix__free(MAP_ALLOCATOR, block, 1, sizeof(*block));
}

static int
block_add(struct maps *m, struct blocks *b, uint64_t name, uint64_t place)
{
	struct block *block = block_at(b, place);

	if (block)
		return AIBRIX_OK;
	block = block_named(b, name);
	if (block)
		block_drop(m, b, block);
	block = aibrix__alloc(MAP_ALLOCATOR, 1, sizeof(*block));
	if (!block)
		return AIBRIX_E_NOMEM;
	block->name = name;
	block->place = place;
	HASH_ADD(by_name, b->by_name, name, sizeof(name), block);
	if (!block->refused) {
		HASH_ADD(by_place, b->by_place, place, sizeof(place), block);
		if (!block->refused)
			return AIBRIX_OK;
		HASH_DELETE(by_name, b->by_name, block);
	}
	aibrix__free(MAP_ALLOCATOR, block, 1, sizeof(*block));
	return AIBRIX_E_NOMEM;
}

static int
maps_store(struct maps *m, struct blocks *b, uint64_t place,
	   const uint64_t *hashes, const uint64_t *names, uint32_t n)
{
	int err = AIBRIX_OK;

	for (uint32_t i = 0; i < n && !err; i++) {
		place = chain_next(place, hashes[i]);
		err = block_add(m, b, names[i], place);
	}
	return err;
}

static int
maps_stored(void *self, uint32_t owner, uint64_t parent_name, int has_parent,
	    const uint64_t *hashes, const uint64_t *names, uint32_t n)
{
	struct maps *m = self;
	struct blocks *b = &m->owners[owner];
	const struct block *parent = NULL;
	int err = AIBRIX_E_NOT_FOUND;

	rwlock_write(&m->lock);
	if (has_parent)
		parent = block_named(b, parent_name);
	if (!has_parent || parent)
		err = maps_store(m, b, parent ? parent->place : CHAIN_ROOT,
				 hashes, names, n);
	rwlock_write_end(&m->lock);
	return err;
}

static void
maps_removed(void *self, uint32_t owner, const uint64_t *names, uint32_t n)
{
	struct maps *m = self;
	struct blocks *b = &m->owners[owner];

	rwlock_write(&m->lock);
	for (uint32_t i = 0; i < n; i++) {
		struct block *block = block_named(b, names[i]);

		if (block)
			block_drop(m, b, block);
	}
	rwlock_write_end(&m->lock);
}

static void
maps_cleared(void *self, uint32_t owner)
{
	struct maps *m = self;
	struct blocks *b = &m->owners[owner];
	struct block *block, *next;

	rwlock_write(&m->lock);
	HASH_ITER(by_name, b->by_name, block, next)
	block_drop(m, b, block);
	rwlock_write_end(&m->lock);
}

static uint32_t
blocks_held(const struct blocks *b, const uint64_t *hashes, uint32_t n)
{
	uint64_t place = CHAIN_ROOT;
	uint32_t held = 0;

	for (; held < n; held++) {
		place = chain_next(place, hashes[held]);
		if (!block_at(b, place))
			break;
	}
	return held;
}

static uint32_t
maps_lookup(void *self, const uint64_t *hashes, uint32_t n, aibrix_match *out,
	    uint32_t cap)
{
	struct maps *m = self;
	uint32_t found = 0;

	rwlock_read(&m->lock);
	for (uint32_t i = 0; i < m->n_owners; i++) {
		uint32_t held = blocks_held(&m->owners[i], hashes, n);

		if (!held)
			continue;
		if (found < cap)
			out[found] = (aibrix_match){i, held, held, 0};
		found++;
	}
	rwlock_read_end(&m->lock);
	return found;
}

static uint64_t
maps_bytes(void *self)
{
	const struct maps *m = self;

	return sizeof(*m) + memory_bytes(&m->memory);
}

static void
maps_destroy(void *self)
{
	struct maps *m = self;
	aibrix_allocator inner = m->memory.inner;

	for (uint32_t i = 0; i < m->n_owners; i++)
		maps_cleared(m, i);
	aibrix__free(MAP_ALLOCATOR, m->owners, m->n_owners, sizeof(*m->owners));
	aibrix__free(&inner, m, 1, sizeof(*m));
}

static void *
maps_create(uint32_t owners, const aibrix_allocator *alloc)
{
	aibrix_allocator inner;
	struct maps *m;

	if (owners > OWNERS_MAX || aibrix__allocator_load(&inner, alloc))
		return NULL;
	m = aibrix__alloc(&inner, 1, sizeof(*m));
	if (!m)
		return NULL;
	memory_open(&m->memory, &inner);
	m->owners = aibrix__alloc(MAP_ALLOCATOR, owners, sizeof(*m->owners));
	if (!m->owners) {
		aibrix__free(&inner, m, 1, sizeof(*m));
		return NULL;
	}
	m->n_owners = owners;
	return m;
}

const struct baseline baseline_nested_map = {
	.name = "nested_map",
	.create = maps_create,
	.destroy = maps_destroy,
	.stored = maps_stored,
	.removed = maps_removed,
	.cleared = maps_cleared,
	.lookup = maps_lookup,
	.bytes = maps_bytes,
};
