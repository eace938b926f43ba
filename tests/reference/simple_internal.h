/* The inside of the index; the picture is in simple_index.c. */
#ifndef SIMPLE_INTERNAL_H
#define SIMPLE_INTERNAL_H

#include <pthread.h>

#include "reference/simple_index.h"

#include "base/rand.h"

/* No place, no name, the end of a chain.  As a parent: the root. */
#define NONE UINT32_MAX
#define ROOT NONE
/* In the parent or scope field of an item on the free list. */
#define FREE (UINT32_MAX - 1)
/* As a scope: the name means this to every owner without its own. */
#define SHARED UINT32_MAX

enum {
	CHUNK_SHIFT = 10,
	CHUNK_ITEMS = 1 << CHUNK_SHIFT,
	WINDOW = 32, /* names loaded at once: about 16 KB of cache lines */
	INDEX_OWNERS = 1024,
	INDEX_OWNERS_MAX = 65536
};

/* An allocator that counts, and refuses beyond the budget. */
struct mem {
	aibrix_allocator a;
	uint64_t used, budget; /* bytes; budget 0: no limit */
};

/* Items that keep their address and number; freed numbers are reused. */
struct slab {
	void **chunks;
	size_t chunks_cap;
	size_t item; /* bytes */
	uint32_t n_chunks;
	uint32_t used; /* numbers ever given */
	uint32_t live;
	uint32_t free; /* first of the free list, which the items link */
};

/* Heads of the chains of a hash table; n is a power of two or 0. */
struct heads {
	uint32_t *at;
	size_t n;
};

struct list {
	uint32_t *items;
	size_t n, cap;
};

/* That an owner holds a place; at least one of copies is not 0. */
struct holder {
	uint32_t owner;
	uint32_t at; /* where in the owner's held list */
	uint32_t copies[AIBRIX_TIERS];
};

struct place {
	uint64_t hash;
	union {
		struct holder one;   /* cap == 1 */
		struct holder *many; /* else; ascending by owner */
	} by;
	uint32_t parent;
	uint32_t next; /* of its chain, or of the free list */
	uint32_t children;
	uint32_t names; /* first name */
	uint32_t n_holders, cap;
};

struct name {
	uint64_t name;
	uint32_t scope; /* an owner, or SHARED */
	uint32_t place;
	uint32_t next;          /* of its chain, or of the free list */
	uint32_t after, before; /* among the names of the place */
	uint32_t at;            /* private: where in the owner's names */
};

struct owner {
	uint64_t ignored;  /* bit g: group g is not indexed */
	struct list held;  /* places, in no order */
	struct list names; /* private names, in no order */
};

struct simple_index {
	pthread_mutex_t lock; /* all below */
	struct mem mem;
	struct slab places, names;
	struct heads children; /* places by (parent, hash) */
	struct heads meanings; /* names by (scope, name) */
	struct owner **owners; /* NULL: not registered */
	uint32_t max_owners;
	aibrix_index_stat stat; /* without places and bytes */
};

static inline struct place *
place_at(const struct simple_index *index, uint32_t id)
{
	struct place *chunk = index->places.chunks[id >> CHUNK_SHIFT];

	return chunk + (id & (CHUNK_ITEMS - 1));
}

static inline struct name *
name_at(const struct simple_index *index, uint32_t id)
{
	struct name *chunk = index->names.chunks[id >> CHUNK_SHIFT];

	return chunk + (id & (CHUNK_ITEMS - 1));
}

static inline struct holder *
holders_of(struct place *place)
{
	return place->cap == 1 ? &place->by.one : place->by.many;
}

/*
 * The chain of (of, hash).  Where the heads lie is the table's salt: hashes
 * follow from prompts and names from engines and dumps, and whoever knows the
 * slots beforehand can put a million items into one chain.  Nothing that can
 * be asked depends on the order of chains.
 */
static inline uint32_t *
head_of(const struct heads *heads, uint32_t of, uint64_t hash)
{
	uint64_t salt = (uintptr_t)heads->at;
	uint64_t x = mix64((hash ^ salt) + of * 0x9e3779b97f4a7c15u);

	return &heads->at[x & (heads->n - 1)];
}

/* simple_mem.c: all reservations fail with E_FULL (budget, numbers) or
 * E_NOMEM and change nothing that shows. */
void *simple__mem_take(struct mem *mem, size_t n, size_t bytes, int *err);
void simple__mem_give(struct mem *mem, void *ptr, size_t n, size_t bytes);
int simple__list_reserve(struct mem *mem, struct list *list, size_t more);
void simple__list_free(struct mem *mem, struct list *list);
int simple__slab_reserve(struct mem *mem, struct slab *slab, uint64_t more);
void simple__slab_free(struct mem *mem, struct slab *slab);
/* New, empty heads for that many items in *out; n 0: the old ones do. */
int simple__heads_reserve(struct mem *mem, const struct heads *heads,
			  uint64_t items, struct heads *out);
void simple__heads_free(struct mem *mem, struct heads *heads);

/* simple_places.c */
int simple__places_reserve(struct simple_index *index, uint64_t more);
void simple__place_warm(const struct simple_index *index, uint32_t id);
uint32_t simple__place_child(const struct simple_index *index, uint32_t parent,
			     uint64_t hash);
/* The three after a reservation that covers them. */
uint32_t simple__place_new(struct simple_index *index, uint32_t parent,
			   uint64_t hash);
struct holder *simple__holder_new(struct simple_index *index, uint32_t id,
				  uint32_t owner);
int simple__holders_reserve(struct simple_index *index, uint32_t id,
			    uint32_t want);
struct holder *simple__holder_find(const struct simple_index *index,
				   uint32_t id, uint32_t owner);
/* Forgets the place too, and its ancestors, when nothing keeps them. */
void simple__holder_drop(struct simple_index *index, uint32_t id,
			 struct holder *holder);
/* The owner holds nothing afterwards. */
void simple__owner_clear(struct simple_index *index, uint32_t owner);

/* simple_names.c */
int simple__names_reserve(struct simple_index *index, uint64_t more);
uint32_t simple__name_find(const struct simple_index *index, uint32_t scope,
			   uint64_t name);
/* Load what is about to be asked of n names; n at most WINDOW. */
void simple__names_warm(const struct simple_index *index, const uint64_t *names,
			uint32_t n);
/* The place that owner means by name, or NONE. */
uint32_t simple__name_resolve(const struct simple_index *index, uint32_t owner,
			      uint64_t name);
/* After a reservation, also in the owner's list of names. */
uint32_t simple__name_file(struct simple_index *index, uint32_t scope,
			   uint64_t name, uint32_t place);
void simple__name_announce(struct simple_index *index, uint32_t owner,
			   uint64_t name, uint32_t place);
void simple__name_drop(struct simple_index *index, uint32_t id);

/* simple_index.c */
int simple__owner_new(struct simple_index *index, uint32_t owner);
/* Nothing is known, no owner is registered, memory is given back. */
void simple__index_empty(struct simple_index *index);

#endif
