/*
 * Our own index, but with a map of names for each owner instead of one for
 * all, as SMG's ChainIndex has it.
 *
 *     owner 0: name -> run, offset     one entry per block and holder,
 *     owner 1: name -> run, offset     entered when the owner stores it,
 *                                      taken out when it removes it
 *
 * It is the library's code, compiled a second time: runs, covers, lookups
 * and memory are the same to the letter, and only index_map.c and
 * index_names.c, the meanings of names, are replaced by this file.  So what
 * a comparison with it shows is the price of that choice: blocks that are
 * known still enter the owner's map, and each removed name is looked up and
 * taken out.  Neighbouring removals change a run together here too.
 *
 * All of it is in a shared object that exports one symbol, since a program
 * that measures both has two of every function.
 *
 * Promised beyond baseline.h: holes, exactly.  Not promised: a parent that
 * its owner does not hold is unknown even if others hold it; a second copy
 * or a second name of a block counts for nothing.
 */
#include "baseline.h"

#include <string.h>

#include "index/index_internal.h"
#include "memory.h"
#include "owner_names.h"

enum { READERS = 8, TAKEN = 64 };

struct seat {
	_Atomic int taken;
	aibrix_index_reader *reader;
};

struct maps {
	struct memory memory; /* first: the index's allocator leads here */
	aibrix_index *index;
	struct owner_names *names;
	struct owner_place fresh; /* of the new blocks of an event */
	struct seat seats[READERS];
};

/* Only one thing is noted in place of index_map.c: where new blocks are.
 * Their names follow when the event can no longer fail. */
uint32_t
aibrix__map_add(struct aibrix_index *index, const uint64_t *names, uint32_t n,
		const struct run *run, uint32_t off, int *err)
{
	struct maps *m = index->mem.a.ctx;

	(void)names;
	m->fresh = (struct owner_place){run->id, off};
	*err = AIBRIX_OK;
	return n;
}

int
aibrix__map_init(struct aibrix_index *index)
{
	(void)index;
	return AIBRIX_OK;
}

void
aibrix__map_free(struct aibrix_index *index)
{
	(void)index;
}

uint32_t
aibrix__map_find(const struct aibrix_index *index, uint64_t name,
		 struct run **run)
{
	(void)index;
	(void)name;
	(void)run;
	return NONE;
}

/* In place of index_names.c.  A name of which the library says that it means
 * something else to this owner is entered like all others. */
uint32_t
aibrix__alias_find(const struct aibrix_index *index, uint32_t scope,
		   uint64_t name)
{
	(void)index;
	(void)scope;
	(void)name;
	return NONE;
}

int
aibrix__aliases_reserve(struct aibrix_index *index, uint64_t more)
{
	(void)index;
	(void)more;
	return AIBRIX_OK;
}

void
aibrix__alias_drop(struct aibrix_index *index, uint32_t id)
{
	(void)index;
	(void)id;
}

void
aibrix__aliases_cut(struct aibrix_index *index, struct run *run, uint32_t len)
{
	(void)index;
	(void)run;
	(void)len;
}

void
aibrix__aliases_free(struct aibrix_index *index)
{
	(void)index;
}

void
aibrix__name_announce(struct aibrix_index *index, uint32_t owner, uint64_t name,
		      struct run *run, uint32_t off)
{
	(void)index;
	(void)owner;
	(void)name;
	(void)run;
	(void)off;
}

/* The run of a place, NULL when it has gone: an owner that gives two names
 * to a block, and then up one of them, leaves the other behind. */
static struct run *
place_run(const struct aibrix_index *index, struct owner_place place)
{
	struct run *run = place.run ? run_at(index, place.run) : NULL;

	return run && place.off < run_len(run) ? run : NULL;
}

uint32_t
aibrix__name_resolve(const struct aibrix_index *index, uint32_t owner,
		     uint64_t name, struct run **run)
{
	const struct maps *m = index->mem.a.ctx;
	struct owner_place place = owner_names_find(m->names, owner, name);

	*run = place_run(index, place);
	return *run ? place.off : NONE;
}

/* The places of the event that was just stored. */
static void
places_enter(struct maps *m, uint32_t owner, const uint64_t *names, uint32_t n)
{
	const struct grants *known = &m->index->grants;
	uint32_t at = 0;

	for (size_t i = 0; i < known->n; i++) {
		const struct grant *g = &known->items[i];

		owner_names_enter(m->names, owner, names + at, g->to - g->from,
				  (struct owner_place){g->run->id, g->from});
		at += g->to - g->from;
	}
	owner_names_enter(m->names, owner, names + at, n - at, m->fresh);
}

static int
maps_stored(void *self, uint32_t owner, uint64_t parent_name, int has_parent,
	    const uint64_t *hashes, const uint64_t *names, uint32_t n)
{
	struct maps *m = self;
	const aibrix_index_stored event = {
		.size = sizeof(event),
		.n = n,
		.hashes = hashes,
		.names = names,
		.parent = parent_name,
		.flags = has_parent ? AIBRIX_INDEX_HAS_PARENT : 0,
		.tier = AIBRIX_TIER_DEVICE};
	int err;

	pthread_mutex_lock(&m->index->lock);
	err = owner_names_reserve(m->names, owner, n);
	if (!err)
		err = aibrix__stored_apply(m->index, owner, &event);
	if (!err)
		places_enter(m, owner, names, n);
	aibrix__limbo_trim(m->index);
	pthread_mutex_unlock(&m->index->lock);
	return err;
}

/* Neighbours that go together. */
struct stretch {
	struct run *run; /* NULL: nothing */
	uint32_t from, to;
};

static void
stretch_take(struct aibrix_index *index, uint32_t owner, struct stretch *s)
{
	if (s->run && aibrix__cover_take(index, owner, AIBRIX_TIER_DEVICE,
					 s->run, s->from, s->to))
		aibrix__run_settle(index, s->run);
	s->run = NULL;
}

static void
places_take(struct aibrix_index *index, uint32_t owner,
	    const struct owner_place *places, uint32_t n)
{
	struct stretch s = {.run = NULL};

	for (uint32_t i = 0; i < n; i++) {
		uint32_t off = places[i].off;

		if (s.run && s.run->id == places[i].run && off + 1 == s.from) {
			s.from--;
			continue;
		}
		if (s.run && s.run->id == places[i].run && off == s.to &&
		    off < run_len(s.run)) {
			s.to++;
			continue;
		}
		stretch_take(index, owner, &s);
		s = (struct stretch){place_run(index, places[i]), off, off + 1};
	}
	stretch_take(index, owner, &s);
}

static void
maps_removed(void *self, uint32_t owner, const uint64_t *names, uint32_t n)
{
	struct maps *m = self;
	struct owner_place places[TAKEN];

	pthread_mutex_lock(&m->index->lock);
	for (uint32_t i = 0; i < n; i += TAKEN) {
		uint32_t some = n - i < TAKEN ? n - i : TAKEN;

		owner_names_take(m->names, owner, names + i, some, places);
		places_take(m->index, owner, places, some);
	}
	aibrix__limbo_trim(m->index);
	pthread_mutex_unlock(&m->index->lock);
}

static void
maps_cleared(void *self, uint32_t owner)
{
	struct maps *m = self;

	pthread_mutex_lock(&m->index->lock);
	aibrix__owner_clear(m->index, owner);
	owner_names_clear(m->names, owner);
	aibrix__limbo_trim(m->index);
	pthread_mutex_unlock(&m->index->lock);
}

/* A reader serves one lookup at a time; callers have none of their own. */
static struct seat *
seat_take(struct maps *m)
{
	uint32_t i = 0;

	/* Acquire: partner of the release in maps_lookup. */
	while (atomic_exchange_explicit(&m->seats[i].taken, 1,
					memory_order_acquire))
		i = (i + 1) % READERS;
	return &m->seats[i];
}

static uint32_t
maps_lookup(void *self, const uint64_t *hashes, uint32_t n, aibrix_match *out,
	    uint32_t cap)
{
	struct seat *seat = seat_take(self);
	uint32_t found = 0;

	/* Where there is not enough room, the reader has the rows. */
	if (aibrix_index_lookup(seat->reader, hashes, n, out, cap, &found) ==
	    AIBRIX_E_SPACE)
		memcpy(out, seat->reader->rows, cap * sizeof(*out));
	/* Partner of the acquire in seat_take. */
	atomic_store_explicit(&seat->taken, 0, memory_order_release);
	return found;
}

static uint64_t
maps_bytes(void *self)
{
	const struct maps *m = self;

	return sizeof(*m) + memory_bytes(&m->memory) -
	       owner_names_idle(m->names);
}

static void
maps_destroy(void *self)
{
	struct maps *m = self;
	aibrix_allocator inner = m->memory.inner;

	for (uint32_t i = 0; i < READERS; i++)
		aibrix_index_reader_free(m->seats[i].reader);
	aibrix_index_free(m->index);
	owner_names_free(m->names);
	aibrix__free(&inner, m, 1, sizeof(*m));
}

static int
maps_fill(struct maps *m, uint32_t owners)
{
	aibrix_index_opts opts = {.size = sizeof(opts),
				  .max_owners = owners,
				  .alloc = &m->memory.counted};
	int err = aibrix_index_new(&opts, &m->index);

	for (uint32_t i = 0; !err && i < owners; i++)
		err = aibrix_index_owner_add(m->index, i);
	for (uint32_t i = 0; !err && i < READERS; i++)
		err = aibrix_index_reader_new(m->index, &m->seats[i].reader);
	if (err)
		return err;
	m->names = owner_names_new(owners, &m->memory.counted);
	return m->names ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

static void *
maps_create(uint32_t owners, const aibrix_allocator *alloc)
{
	aibrix_allocator inner;
	struct maps *m;

	if (aibrix__allocator_load(&inner, alloc))
		return NULL;
	m = aibrix__alloc(&inner, 1, sizeof(*m));
	if (!m)
		return NULL;
	memory_open(&m->memory, &inner);
	if (maps_fill(m, owners)) {
		maps_destroy(m);
		return NULL;
	}
	return m;
}

const struct baseline baseline_owner_maps = {
	.name = "owner_maps",
	.create = maps_create,
	.destroy = maps_destroy,
	.stored = maps_stored,
	.removed = maps_removed,
	.cleared = maps_cleared,
	.lookup = maps_lookup,
	.bytes = maps_bytes,
};
