/* The inside of the index; the picture is in index.c. */
#ifndef INDEX_INDEX_INTERNAL_H
#define INDEX_INDEX_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <aibrix/index.h>

#include "base/rand.h"

/* No number. */
#define NONE UINT32_MAX
/* As a scope: the name means this to every owner without its own. */
#define SHARED UINT32_MAX
/* As a cut: to the end of the run, wherever that is. */
#define ALL UINT32_MAX

enum {
	CHUNK_SHIFT = 10,
	CHUNK_ITEMS = 1 << CHUNK_SHIFT,
	INLINE_OWNERS = 128, /* have a bit in each run */
	INDEX_OWNERS = 1024,
	INDEX_OWNERS_MAX = 65536,
	RUNS_MAX = 1 << 26, /* as many numbers as a map entry can hold */
	OFF_STEP = 255,     /* a map entry knows its offset modulo this */
	HOPS = 256,         /* runs on the path of one lookup */
	BATCH = 16,         /* prompts that wait for memory together */
	BATCH_HOPS = 16
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

struct list {
	uint32_t *items;
	size_t n, cap;
};

/* Memory that lookups may still be reading. */
struct retired {
	struct retired *next;
	uint64_t epoch;
	uint32_t bytes;
	uint32_t before; /* bytes of it that lie before this struct */
};

/*
 * Which positions of a run an owner holds, when that is not a prefix of
 * single copies on the device.  The writer's alone.
 */
struct detail {
	uint32_t words; /* per tier */
	uint32_t held;  /* positions held in any tier */
	uint64_t bits[];
};

/* What an owner without a bit holds: leading blocks in any tier and on the
 * device.  Gone when both are 0 and there is no detail. */
struct part {
	uint32_t owner;
	_Atomic uint32_t held, device;
	uint32_t spare;
	struct detail *detail;
};

struct parts {
	struct retired retired;
	uint32_t n, gone;
	struct part at[]; /* ascending by owner */
};

struct run;

struct kid {
	_Atomic uint64_t key;
	_Atomic(struct run *) run; /* NULL: never used */
};

/* Open addressing; a slot keeps its key for ever. */
struct kids {
	struct retired retired;
	uint32_t mask;
	uint32_t used; /* slots with a key */
	uint32_t spare;
	struct kid at[];
};

/*
 * A stretch of one chain.  Block i of it is content[i], named engine[i];
 * both arrays follow the struct: content[cap], engine[cap].  Owners below
 * INLINE_OWNERS that hold all of it, once, on the device, have their bit in
 * cover; all others that hold something of it are in parts.
 */
struct run {
	/* Read by lookups. */
	_Atomic uint32_t version; /* counts what went or moved */
	_Atomic uint32_t len;     /* blocks known */
	uint32_t at;              /* blocks of the parent before it */
	uint32_t cap;
	_Atomic uint64_t cover[INLINE_OWNERS / 64];
	_Atomic(struct parts *) parts;
	_Atomic(struct kids *) kids;
	_Atomic uint64_t kid_key; /* the first child; set once */
	_Atomic(struct run *) kid;
	/* The writer's. */
	union {
		struct retired retired; /* when dead */
		struct {
			uint64_t *unfiled; /* bit i: engine[i] means another
					      place */
			uint32_t mark;
		};
	};
	struct run *parent;
	uint32_t id;
	uint32_t filled;  /* positions ever used */
	uint32_t holders; /* owners that hold something of it */
	uint32_t n_kids;
	uint32_t kid_max;   /* where the last child hangs */
	uint32_t kid_max_n; /* how many there; 0: look again */
	uint32_t aliases;   /* first, of its places */
	uint32_t extras;    /* positions with further copies */
};

/*
 * Runs by number.  The name map asks for little, of many: how far the places
 * of its entries are known, in one byte.
 */
struct slots {
	struct run *run[CHUNK_ITEMS]; /* NULL: dead */
	uint32_t len[CHUNK_ITEMS];    /* 0: dead */
	uint32_t refs[CHUNK_ITEMS];   /* map entries with it; next free */
	uint8_t known[CHUNK_ITEMS];   /* of len, OFF_STEP at most */
};

enum { SLOT_BYTES = sizeof(struct slots) / CHUNK_ITEMS };

enum {
	BUCKET_BITS = 8,
	SEGMENT_BUCKETS = 1 << BUCKET_BITS,
	BUCKET_ENTRIES = 8, /* one cache line */
	SEGMENT_ENTRIES = SEGMENT_BUCKETS * BUCKET_ENTRIES
};

/* 16 KB: large enough for a directory that stays in the second cache. */
struct segment {
	uint64_t entries[SEGMENT_ENTRIES];
};

/* Memory of segments. */
struct chunk {
	void *start;
	size_t bytes;
};

/* Shared meanings: name -> place.  index_map.c. */
struct map {
	uintptr_t *dir; /* segments; in the low bits the depth of each */
	uint32_t depth;
	uint32_t segments;
	struct chunk *chunks;
	size_t chunks_cap;
	uint32_t n_chunks;
	uint32_t spare; /* segments of the last chunk not yet in use */
	uint64_t salt;
	uint64_t stale; /* entries of blocks that were forgotten */
};

/* A name that is not in the map: a second one, or private. */
struct alias {
	uint64_t name;
	uint32_t scope; /* an owner, or SHARED */
	uint32_t run, off;
	uint32_t next;               /* of its chain, or of the free list */
	uint32_t run_next, run_prev; /* among those of the run */
	uint32_t own_next, own_prev; /* private: among those of the owner */
};

struct aliases {
	struct slab items;
	uint32_t *heads;
	size_t n_heads; /* a power of two or 0 */
};

/* Copies beyond the first of (run, off, owner, tier). */
struct extra {
	uint32_t run, off, owner;
	uint32_t tier; /* + 1; 0: free */
	uint32_t count;
};

struct extras {
	struct extra *at;
	size_t n; /* a power of two or 0 */
	size_t used;
};

struct owner {
	uint64_t ignored; /* bit g: group g is not indexed */
	struct list runs; /* numbers; may be stale or twice */
	uint32_t n_runs;  /* that it holds something of */
	uint32_t private; /* first private name */
	uint32_t extras;  /* entries of its own */
};

/* What a stored event will add to one run. */
struct grant {
	struct run *run;
	uint32_t from, to;
	uint32_t first;        /* block of the event */
	uint32_t copies;       /* blocks that the owner holds already */
	struct parts *parts;   /* to replace the run's */
	struct detail *detail; /* to become the owner's */
};

struct grants {
	struct grant *items;
	size_t n, cap;
};

struct aibrix_index {
	_Atomic uint64_t epoch; /* read by lookups */
	int asymmetric;         /* which fences: base/fence.h */
	uint64_t salt;
	struct run *root;
	struct run *gone;     /* what the slot of a dead child points at */
	pthread_mutex_t lock; /* all below */
	struct mem mem;
	struct slab slots; /* of runs */
	struct map map;
	struct aliases aliases;
	struct extras extras;
	struct owner **owners; /* NULL: not registered */
	uint32_t max_owners;
	struct aibrix_index_reader *readers;
	struct retired *limbo; /* oldest first */
	struct retired **limbo_end;
	size_t limbo_bytes, limbo_allowed;
	/* Of the event under way. */
	struct grants grants;
	struct list odd; /* blocks whose names need a second look */
	uint32_t mark;   /* of runs already seen */
	uint64_t runs, places, unfiled;
	aibrix_index_stat stat; /* without places and bytes */
};

/* One run on the path of a lookup. */
struct hop {
	const struct run *run;
	uint32_t version;
	uint32_t n; /* leading blocks of the run that the prompt has */
};

struct aibrix_index_reader {
	_Atomic uint64_t epoch; /* when the lookup began; 0: none */
	_Atomic uint64_t retries, locked;
	uint8_t apart[64 - 3 * sizeof(uint64_t)];
	aibrix_index *index;
	struct aibrix_index_reader *next;
	aibrix_match *rows; /* max_owners of them */
	uint32_t *in_play;  /* positions in rows, ascending */
	struct hop hops[HOPS];
	struct hop batch_hops[BATCH][BATCH_HOPS];
};

static inline struct slots *
slots_of(const struct aibrix_index *index, uint32_t id)
{
	return index->slots.chunks[id >> CHUNK_SHIFT];
}

static inline struct run *
run_at(const struct aibrix_index *index, uint32_t id)
{
	return slots_of(index, id)->run[id % CHUNK_ITEMS];
}

/* Blocks of the run that are known; 0: dead. */
static inline uint32_t
slot_len(const struct aibrix_index *index, uint32_t id)
{
	return slots_of(index, id)->len[id % CHUNK_ITEMS];
}

static inline void
slot_len_set(struct aibrix_index *index, uint32_t id, uint32_t len)
{
	struct slots *slots = slots_of(index, id);

	slots->len[id % CHUNK_ITEMS] = len;
	slots->known[id % CHUNK_ITEMS] =
		(uint8_t)(len < OFF_STEP ? len : OFF_STEP);
}

static inline uint32_t *
slot_refs(const struct aibrix_index *index, uint32_t id)
{
	return &slots_of(index, id)->refs[id % CHUNK_ITEMS];
}

static inline struct alias *
alias_at(const struct aibrix_index *index, uint32_t id)
{
	struct alias *chunk = index->aliases.items.chunks[id >> CHUNK_SHIFT];

	return chunk + (id & (CHUNK_ITEMS - 1));
}

static inline const uint64_t *
run_content(const struct run *run)
{
	return (const uint64_t *)(run + 1);
}

static inline const uint64_t *
run_engine(const struct run *run)
{
	return run_content(run) + run->cap;
}

static inline uint32_t
run_len(const struct run *run)
{
	return atomic_load_explicit(&run->len, memory_order_relaxed);
}

static inline struct parts *
run_parts(const struct run *run)
{
	return atomic_load_explicit(&run->parts, memory_order_acquire);
}

static inline size_t
run_bytes(uint32_t cap)
{
	return sizeof(struct run) + (size_t)cap * 2 * sizeof(uint64_t);
}

static inline int
bit_get(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static inline int
part_gone(const struct part *part)
{
	return !part->detail &&
	       !atomic_load_explicit(&part->held, memory_order_relaxed);
}

static inline int
cover_bit(const struct run *run, uint32_t owner)
{
	return owner < INLINE_OWNERS &&
	       (atomic_load_explicit(&run->cover[owner / 64],
				     memory_order_relaxed) >>
			owner % 64 &
		1);
}

/* How many leading ones of n are equal; a cache line at a time. */
static inline uint32_t
blocks_equal(const uint64_t *a, const uint64_t *b, uint32_t n)
{
	uint32_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t differ = 0;

		for (uint32_t k = 0; k < 8; k++)
			differ |= a[i + k] ^ b[i + k];
		if (differ)
			break;
	}
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* Where a child hangs and how it begins, as one number. */
static inline uint64_t
kid_key(const struct aibrix_index *index, uint32_t at, uint64_t hash)
{
	return mix64((hash ^ index->salt) + at * 0x9e3779b97f4a7c15u);
}

/* index_mem.c: all reservations fail with E_FULL (budget, numbers) or
 * E_NOMEM and change nothing that shows. */
void *aibrix__mem_take(struct mem *mem, size_t n, size_t bytes, int *err);
void *aibrix__mem_take_line(struct mem *mem, size_t bytes, int *err);
/* Not zeroed, of whole pages. */
void *aibrix__mem_take_pages(struct mem *mem, size_t bytes, int *err);
void aibrix__mem_give(struct mem *mem, void *ptr, size_t n, size_t bytes);
int aibrix__array_grow(struct mem *mem, void *array, size_t *cap, size_t want,
		       size_t bytes);
int aibrix__list_reserve(struct mem *mem, struct list *list, size_t more);
void aibrix__list_free(struct mem *mem, struct list *list);
int aibrix__slab_reserve(struct mem *mem, struct slab *slab, uint64_t more);
void aibrix__slab_free(struct mem *mem, struct slab *slab);

/* index_epoch.c */
void aibrix__retire(struct aibrix_index *index, void *start,
		    struct retired *what, size_t bytes);
/* Free what no lookup can be reading. */
void aibrix__reclaim(struct aibrix_index *index);
void aibrix__limbo_trim(struct aibrix_index *index);

/* index_runs.c */
struct run *aibrix__run_new(struct aibrix_index *index, uint32_t cap, int *err);
/* The run was never seen by a lookup. */
void aibrix__run_discard(struct aibrix_index *index, struct run *run);
struct run *aibrix__kid_find(const struct aibrix_index *index,
			     const struct run *run, uint32_t at, uint64_t hash);
/* *kids: what aibrix__kid_add will need besides, or NULL. */
int aibrix__kid_reserve(struct aibrix_index *index, const struct run *run,
			uint32_t at, uint64_t hash, struct kids **kids);
/* kids were not needed. */
void aibrix__kids_discard(struct aibrix_index *index, struct kids *kids);
void aibrix__kid_add(struct aibrix_index *index, struct run *run,
		     struct run *kid, struct kids *kids);
void aibrix__kids_drop(struct aibrix_index *index, struct run *run);
size_t aibrix__kids_bytes(const struct run *run);
/* Blocks of the run that children stand on. */
uint32_t aibrix__kids_end(const struct aibrix_index *index, struct run *run);
/* Something of the run went: forget what nothing keeps. */
void aibrix__run_settle(struct aibrix_index *index, struct run *run);
void aibrix__run_shrunk(struct run *run);
/* Cut the run, of one holder, unless children stand on more; 0: they do. */
int aibrix__run_shorten(struct aibrix_index *index, struct run *run,
			uint32_t len);

/* index_map.c */
int aibrix__map_init(struct aibrix_index *index);
void aibrix__map_free(struct aibrix_index *index);
/* No name has a meaning; for an index without runs. */
void aibrix__map_reset(struct aibrix_index *index);
/* Position of name in *run, or NONE. */
uint32_t aibrix__map_find(const struct aibrix_index *index, uint64_t name,
			  struct run **run);
/*
 * Enter names as those of the run's places from off on; how many were.  When
 * it is less than n: E_STATE (the next one has a meaning), or no memory.
 */
uint32_t aibrix__map_add(struct aibrix_index *index, const uint64_t *names,
			 uint32_t n, const struct run *run, uint32_t off,
			 int *err);
size_t aibrix__map_bytes(const struct aibrix_index *index);
/* For checks: every entry counted by its run's number; 0: the map is wrong. */
int aibrix__map_tally(const struct aibrix_index *index, uint32_t *refs);

/* index_names.c: names besides the map */
uint32_t aibrix__alias_find(const struct aibrix_index *index, uint32_t scope,
			    uint64_t name);
int aibrix__aliases_reserve(struct aibrix_index *index, uint64_t more);
uint32_t aibrix__alias_add(struct aibrix_index *index, uint32_t scope,
			   uint64_t name, const struct run *run, uint32_t off);
void aibrix__alias_drop(struct aibrix_index *index, uint32_t id);
void aibrix__aliases_cut(struct aibrix_index *index, struct run *run,
			 uint32_t len);
void aibrix__aliases_free(struct aibrix_index *index);
/* The position that owner means by name, in *run, or NONE. */
uint32_t aibrix__name_resolve(const struct aibrix_index *index, uint32_t owner,
			      uint64_t name, struct run **run);
/* After a reservation of one alias. */
void aibrix__name_announce(struct aibrix_index *index, uint32_t owner,
			   uint64_t name, struct run *run, uint32_t off);

/* index_extras.c */
int aibrix__extras_reserve(struct aibrix_index *index, uint64_t more);
uint32_t aibrix__extra_count(const struct aibrix_index *index,
			     const struct run *run, uint32_t off,
			     uint32_t owner, uint32_t tier);
void aibrix__extra_add(struct aibrix_index *index, struct run *run,
		       uint32_t off, uint32_t owner, uint32_t tier,
		       uint32_t count);
/* 0: there was none. */
int aibrix__extra_take(struct aibrix_index *index, struct run *run,
		       uint32_t off, uint32_t owner, uint32_t tier);
/* All of owner in the run. */
void aibrix__extras_drop(struct aibrix_index *index, struct run *run,
			 uint32_t owner);
void aibrix__extras_free(struct aibrix_index *index);

/* index_cover.c */
enum cover { COVER_NONE, COVER_CUT, COVER_FULL, COVER_DETAIL };
/* *n: leading blocks (not for DETAIL); *part: NULL when it has a bit. */
enum cover aibrix__cover(const struct run *run, uint32_t owner, uint32_t *n,
			 struct part **part);
/* Does owner hold position off in tier (AIBRIX_TIERS: in any)? */
int aibrix__cover_has(const struct run *run, uint32_t owner, uint32_t tier,
		      uint32_t off);
/* Positions held, and one beyond the last of them. */
uint32_t aibrix__cover_held(const struct run *run, uint32_t owner);
uint32_t aibrix__cover_end(const struct run *run);
/* Make room for owner to hold [from, to) in tier. */
int aibrix__cover_reserve(struct aibrix_index *index, uint32_t owner,
			  uint32_t tier, struct grant *grant);
void aibrix__cover_release(struct aibrix_index *index, struct grant *grant);
void aibrix__cover_add(struct aibrix_index *index, uint32_t owner,
		       uint32_t tier, struct grant *grant);
/* Take one copy of each of [from, to); how many there were. */
uint32_t aibrix__cover_take(struct aibrix_index *index, uint32_t owner,
			    uint32_t tier, struct run *run, uint32_t from,
			    uint32_t to);
/* The owner holds nothing of the run any more. */
void aibrix__cover_drop(struct aibrix_index *index, uint32_t owner,
			struct run *run);
/* After the run became shorter: who holds all of it, again. */
void aibrix__cover_trim(struct aibrix_index *index, struct run *run);
void aibrix__parts_free(struct aibrix_index *index, struct run *run);
size_t aibrix__parts_bytes(const struct run *run); /* and details */
/* Do the forms of the run's owners fit? */
int aibrix__cover_fits(const struct aibrix_index *index, const struct run *run);

/* index_store.c, index_remove.c */
int aibrix__stored_apply(struct aibrix_index *index, uint32_t owner,
			 const aibrix_index_stored *event);
void aibrix__removed_apply(struct aibrix_index *index, uint32_t owner,
			   const uint64_t *names, uint32_t n, uint32_t tier);
/* The owner holds nothing afterwards. */
void aibrix__owner_clear(struct aibrix_index *index, uint32_t owner);
int aibrix__owner_reserve(struct aibrix_index *index, uint32_t owner,
			  size_t more);

/* index.c */
int aibrix__owner_new(struct aibrix_index *index, uint32_t owner);
/* Nothing is known, no owner is registered, memory is given back. */
void aibrix__index_empty(struct aibrix_index *index);

/* index_walk.c: the memory that a lookup touches, in cache lines. */
void aibrix__index_lines(aibrix_index_reader *reader, const uint64_t *hashes,
			 uint64_t n, uint64_t *dependent, uint64_t *sequential);

/* index_check.c: E_CORRUPT when the parts do not fit together, E_NOMEM. */
int aibrix__index_check(struct aibrix_index *index);

#endif
