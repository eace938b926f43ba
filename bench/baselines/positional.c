/*
 * A flat table of (position, content hash), searched in jumps (the design of
 * Dynamo's PositionalIndexer).
 *
 *     (0, h0) -> {place, owners}   (1, h1) -> {place, owners}   ...
 *     owner 0: name -> (position, content hash, place), ...
 *
 * An entry is told from others of its position and content by its place,
 * the chain over the whole prefix.  They stand beside each other in the
 * table, instead of behind a second map, since two of them are rare.  The
 * table is 64 open-addressed ones with a readers-writer lock each, as the
 * sharded map of the original.
 *
 * A lookup reads position 0, then steps 32 or 64 positions.  If the entry
 * there, of the same place, has every owner that is still in the running,
 * the positions between are taken as held; else they are read one by one to
 * see where each owner dropped out.  The original compares how many owners
 * there are, without looking which, and trusts a lone entry without looking
 * at its place: its answers are wrong where prompts part and meet in content
 * again.  Here both are verified.
 *
 * Promised beyond baseline.h: by positional_each, which takes no jump,
 * holes, exactly.  Not promised: the jumping ones take a hole that they
 * jump over as held, as the original does; a parent that its owner does not
 * hold is unknown even if others hold it; a second copy or a second name of
 * a block counts for nothing.
 */
#include <stdalign.h>

#include "baseline.h"
#include "chain.h"
#include "memory.h"
#include "owners.h"
#include "rwlock.h"

struct slot {
	uint64_t name;
	uint64_t hash, place;
	uint32_t position;
	uint32_t used;
};
#define SLOT_USED(slot) ((slot)->used)
#include "table.h"

enum { SHARD_BITS = 6, SHARDS = 1 << SHARD_BITS, SHARD_MIN = 16 };
enum { JUMP_MAX = 64 };

/* Unused: nobody holds it.  The position is owners.tag. */
struct entry {
	uint64_t hash, place;
	struct owners owners;
};

struct shard {
	alignas(64) rwlock lock;
	uint32_t shift;
	uint64_t cap, n;
	struct entry *entries;
};

struct positional {
	struct shard shards[SHARDS];
	struct memory memory;
	struct owners_room room;
	uint32_t n_names;
	struct table *names; /* of each owner */
};

struct key {
	uint64_t hash, place;
	uint32_t position;
};

static uint64_t
key_mix(uint64_t hash, uint32_t position)
{
	return (hash ^ position * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
}

static struct shard *
shard_of(struct positional *p, const struct key *key)
{
	return &p->shards[key_mix(key->hash, key->position) >>
			  (64 - SHARD_BITS)];
}

static uint64_t
shard_home(const struct shard *s, uint64_t hash, uint32_t position)
{
	return key_mix(hash, position) << SHARD_BITS >> s->shift;
}

/* The entry of key, or the unused one where it would be.  cap > 0. */
static struct entry *
shard_seek(const struct shard *s, const struct key *key)
{
	uint64_t at = shard_home(s, key->hash, key->position);

	for (;; at = (at + 1) & (s->cap - 1)) {
		struct entry *e = &s->entries[at];

		if (!e->owners.n ||
		    (e->place == key->place && e->hash == key->hash &&
		     e->owners.tag == key->position))
			return e;
	}
}

static int
shard_grow(struct shard *s, const aibrix_allocator *alloc)
{
	uint64_t cap = s->cap ? 2 * s->cap : SHARD_MIN;
	struct shard old = {.cap = s->cap, .entries = s->entries};
	struct entry *entries = aibrix__alloc(alloc, cap, sizeof(*entries));

	if (!entries)
		return AIBRIX_E_NOMEM;
	s->entries = entries;
	s->cap = cap;
	s->shift = 64 - (uint32_t)__builtin_ctzll(cap);
	for (uint64_t i = 0; i < old.cap; i++) {
		const struct entry *e = &old.entries[i];
		struct key key = {e->hash, e->place, e->owners.tag};

		if (e->owners.n)
			*shard_seek(s, &key) = *e;
	}
	if (old.cap)
		aibrix__free(alloc, old.entries, old.cap, sizeof(*entries));
	return AIBRIX_OK;
}

static void
shard_drop(struct shard *s, const struct entry *e)
{
	uint64_t mask = s->cap - 1, hole = (uint64_t)(e - s->entries);

	for (uint64_t at = (hole + 1) & mask; s->entries[at].owners.n;
	     at = (at + 1) & mask) {
		const struct entry *next = &s->entries[at];
		uint64_t home = shard_home(s, next->hash, next->owners.tag);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		s->entries[hole] = *next;
		hole = at;
	}
	s->entries[hole] = (struct entry){0};
	s->n--;
}

/* 1: owner is new there, 0: it is not; or AIBRIX_E_NOMEM. */
static int
holder_add(struct positional *p, uint32_t owner, const struct key *key)
{
	struct shard *s = shard_of(p, key);
	int added = AIBRIX_E_NOMEM;

	rwlock_write(&s->lock);
	if (s->n < s->cap / 4 * 3 ||
	    shard_grow(s, &p->memory.counted) == AIBRIX_OK) {
		struct entry *e = shard_seek(s, key);

		if (!e->owners.n) {
			e->hash = key->hash;
			e->place = key->place;
			e->owners.tag = key->position & 0x7fffffff;
			s->n++;
		}
		added = owners_add(&e->owners, &p->room, owner);
	}
	rwlock_write_end(&s->lock);
	return added;
}

/* owner holds key. */
static void
holder_drop(struct positional *p, uint32_t owner, const struct key *key)
{
	struct shard *s = shard_of(p, key);
	struct entry *e;

	rwlock_write(&s->lock);
	e = shard_seek(s, key);
	owners_drop(&e->owners, &p->room, owner);
	if (!e->owners.n)
		shard_drop(s, e);
	rwlock_write_end(&s->lock);
}

/* key is new to owner: file its name.  If that meant another key, owner
 * gives that one up. */
static void
name_file(struct positional *p, uint32_t owner, uint64_t name,
	  const struct key *key)
{
	struct table *names = &p->names[owner];
	struct slot *slot = table_seek(names, name);
	struct slot old = *slot;

	*slot = (struct slot){name, key->hash, key->place, key->position, 1};
	if (old.used)
		holder_drop(p, owner,
			    &(struct key){old.hash, old.place, old.position});
	else
		names->n++;
}

static int
positional_stored(void *self, uint32_t owner, uint64_t parent_name,
		  int has_parent, const uint64_t *hashes, const uint64_t *names,
		  uint32_t n)
{
	struct positional *p = self;
	struct key key = {0, CHAIN_ROOT, UINT32_MAX};

	if (has_parent) {
		const struct slot *slot =
			table_find(&p->names[owner], parent_name);

		if (!slot)
			return AIBRIX_E_NOT_FOUND;
		key.place = slot->place;
		key.position = slot->position;
	}
	if (table_reserve(&p->names[owner], &p->memory.counted, n))
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		int added;

		key.hash = hashes[i];
		key.place = chain_next(key.place, key.hash);
		key.position++;
		added = holder_add(p, owner, &key);
		if (added < 0)
			return added;
		if (added)
			name_file(p, owner, names[i], &key);
	}
	return AIBRIX_OK;
}

static void
positional_removed(void *self, uint32_t owner, const uint64_t *names,
		   uint32_t n)
{
	struct positional *p = self;

	for (uint32_t i = 0; i < n; i++) {
		struct slot *slot = table_find(&p->names[owner], names[i]);
		struct key key;

		if (!slot)
			continue;
		key = (struct key){slot->hash, slot->place, slot->position};
		table_drop(&p->names[owner], slot);
		holder_drop(p, owner, &key);
	}
}

static void
positional_cleared(void *self, uint32_t owner)
{
	struct positional *p = self;
	struct table *names = &p->names[owner];

	for (uint64_t i = 0; i < names->cap; i++) {
		const struct slot *slot = &names->slots[i];
		struct key key = {slot->hash, slot->place, slot->position};

		if (slot->used)
			holder_drop(p, owner, &key);
	}
	table_close(names, &p->memory.counted);
}

/* The entry of key, its shard locked for reading; nobody's if there is
 * none. */
static const struct owners *
owners_lock(struct positional *p, const struct key *key, struct shard **shard)
{
	static const struct owners nobody;
	struct shard *s = *shard = shard_of(p, key);

	rwlock_read(&s->lock);
	return s->cap ? &shard_seek(s, key)->owners : &nobody;
}

static int
key_has_all(struct positional *p, const struct key *key,
	    const struct alive *alive)
{
	struct shard *s;
	int all = alive_within(alive, owners_lock(p, key, &s));

	rwlock_read_end(&s->lock);
	return all;
}

static void
key_filter(struct positional *p, const struct key *key, struct alive *alive)
{
	struct shard *s;

	alive_filter(alive, owners_lock(p, key, &s), key->position);
	rwlock_read_end(&s->lock);
}

static void
key_begin(struct positional *p, const struct key *key, struct alive *alive,
	  aibrix_match *out, uint32_t cap)
{
	struct shard *s;

	alive_begin(alive, owners_lock(p, key, &s), p->room.words, out, cap);
	rwlock_read_end(&s->lock);
}

/* From the place before position on: the places of the next n blocks. */
static inline void
places_chain(uint64_t *places, uint64_t place, const uint64_t *hashes,
	     uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		places[i] = place = chain_next(place, hashes[i]);
}

static inline uint32_t
positional_lookup(struct positional *p, const uint64_t *hashes, uint32_t n,
		  aibrix_match *out, uint32_t cap, uint32_t jump)
{
	struct key key = {0, CHAIN_ROOT, 0};
	uint64_t places[JUMP_MAX];
	struct alive alive;

	if (n == 0)
		return 0;
	key.hash = hashes[0];
	key.place = chain_next(CHAIN_ROOT, key.hash);
	key_begin(p, &key, &alive, out, cap);
	for (uint32_t at = 1, step; alive.n && at < n; at += step) {
		step = n - at < jump ? n - at : jump;
		places_chain(places, key.place, hashes + at, step);
		key.place = places[step - 1];
		key.hash = hashes[at + step - 1];
		key.position = at + step - 1;
		if (step > 1 && key_has_all(p, &key, &alive))
			continue;
		for (uint32_t i = 0; i < step && alive.n; i++) {
			struct key each = {hashes[at + i], places[i], at + i};

			key_filter(p, &each, &alive);
		}
	}
	return alive_end(&alive, n);
}

static uint32_t
lookup_32(void *self, const uint64_t *hashes, uint32_t n, aibrix_match *out,
	  uint32_t cap)
{
	return positional_lookup(self, hashes, n, out, cap, 32);
}

static uint32_t
lookup_64(void *self, const uint64_t *hashes, uint32_t n, aibrix_match *out,
	  uint32_t cap)
{
	return positional_lookup(self, hashes, n, out, cap, 64);
}

static uint32_t
lookup_each(void *self, const uint64_t *hashes, uint32_t n, aibrix_match *out,
	    uint32_t cap)
{
	return positional_lookup(self, hashes, n, out, cap, 1);
}

static uint64_t
positional_bytes(void *self)
{
	const struct positional *p = self;

	return sizeof(*p) + memory_bytes(&p->memory);
}

static void
positional_destroy(void *self)
{
	struct positional *p = self;
	const aibrix_allocator *alloc = &p->memory.counted;
	aibrix_allocator inner = p->memory.inner;

	for (uint32_t i = 0; i < p->n_names; i++)
		positional_cleared(p, i);
	for (uint32_t i = 0; i < SHARDS; i++)
		if (p->shards[i].cap)
			aibrix__free(alloc, p->shards[i].entries,
				     p->shards[i].cap, sizeof(struct entry));
	aibrix__free(alloc, p->names, p->n_names, sizeof(*p->names));
	aibrix__free(&inner, p, 1, sizeof(*p));
}

static void *
positional_create(uint32_t owners, const aibrix_allocator *alloc)
{
	aibrix_allocator inner;
	struct positional *p;

	if (owners > OWNERS_MAX || aibrix__allocator_load(&inner, alloc))
		return NULL;
	p = aibrix__alloc_aligned(&inner, 1, sizeof(*p),
				  alignof(struct positional));
	if (!p)
		return NULL;
	memory_open(&p->memory, &inner);
	p->room = (struct owners_room){&p->memory.counted, (owners + 63) / 64};
	p->names = aibrix__alloc(&p->memory.counted, owners, sizeof(*p->names));
	if (!p->names) {
		aibrix__free(&inner, p, 1, sizeof(*p));
		return NULL;
	}
	p->n_names = owners;
	return p;
}

#define POSITIONAL(how)                                                        \
	const struct baseline baseline_positional_##how = {                    \
		.name = "positional_" #how,                                    \
		.create = positional_create,                                   \
		.destroy = positional_destroy,                                 \
		.stored = positional_stored,                                   \
		.removed = positional_removed,                                 \
		.cleared = positional_cleared,                                 \
		.lookup = lookup_##how,                                        \
		.bytes = positional_bytes,                                     \
	}

POSITIONAL(32);
POSITIONAL(64);
POSITIONAL(each);
