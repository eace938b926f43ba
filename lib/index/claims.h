/*
 * Who is thought to have which block, until when: what the prefix table and
 * the predictions have in common.
 *
 *   block   whatever a 64-bit hash names
 *   id      a small number: who
 *   claim   an id and its generation; those of an earlier generation are
 *           stale, so retiring an id does not visit its entries
 *   entry   (block, claim, until): dead when stale, or when now is past until
 *
 * All memory is taken at open.  claims.c says how it is kept and reclaimed.
 */
#ifndef INDEX_CLAIMS_H
#define INDEX_CLAIMS_H

#include "index/cells.h"

enum {
	CHUNK_ENTRIES = 5,
	AHEAD_BLOCKS = 16, /* blocks on their way while one is worked on */
	AHEAD_CELLS = 32,  /* the same of lines of cells: these come first */
	CLAIMS_IDS_MAX = 65536,
	/* What the hand passes: in a call, and for each block added. */
	HAND_CALL = 16,
	HAND_BLOCK = 2
};

/* 32 bytes.  The first entry is part of it. */
struct claim_block {
	uint64_t hash;
	uint64_t until_ns;
	uint32_t claim;        /* 0: the slot is free */
	uint32_t more;         /* first chunk */
	uint32_t older, newer; /* by last add; newer: also the free list */
};

/* 64 bytes: further entries of a block, packed. */
struct claim_chunk {
	uint64_t until_ns[CHUNK_ENTRIES];
	uint32_t claims[CHUNK_ENTRIES]; /* 0: unused, as all behind it */
	uint32_t next;                  /* chunk, also of the free list */
};

struct claims_bounds {
	uint32_t blocks;
	uint32_t chunks;
	uint32_t ids;
	uint32_t entries; /* of one block */
};

struct claims {
	struct claims_bounds max;
	struct cells cells;
	struct claim_block *blocks;
	struct claim_chunk *chunks;
	uint32_t *now;  /* by id: its claim */
	uint32_t step;  /* between generations: the lowest bit of theirs */
	uint32_t sweep; /* how far the hand goes for an id that retires */
	uint32_t used, count, free; /* blocks ever given, there, given back */
	uint32_t chunks_used, chunks_free;
	uint32_t oldest, newest;
	uint32_t hand; /* slot */
	uint64_t owed; /* steps of the hand for ids that have retired */
	uint64_t entries;
	uint64_t added, evicted, reclaimed, replaced;
};

/* t is zeroed; close accepts what a failed open left.  bounds are above 0,
 * but for chunks. */
int aibrix__claims_open(struct claims *t, const aibrix_allocator *a,
			const struct claims_bounds *max);
void aibrix__claims_close(struct claims *t, const aibrix_allocator *a);

/* The memory taken. */
uint64_t aibrix__claims_bytes(const struct claims *t);

/* id has these blocks until until_ns, or until it was told before if that is
 * later.  They become the most recently added, in this order. */
void aibrix__claims_add(struct claims *t, uint32_t id, const uint64_t *hashes,
			uint64_t n, uint64_t now_ns, uint64_t until_ns);

/* Remove the entry of id at hash, whose cell hash is given; 1 when it was
 * there. */
uint32_t aibrix__claims_remove(struct claims *t, uint32_t id, uint64_t hash,
			       uint64_t cell_hash);

/* Nobody has hash any more, whoever had. */
void aibrix__claims_drop(struct claims *t, uint64_t hash);

/* id has nothing any more.  A sweep, of any length, must follow. */
void aibrix__claims_retire(struct claims *t, uint32_t id);

/* Let the hand pass steps slots; now_ns 0: nothing has expired. */
void aibrix__claims_sweep(struct claims *t, uint64_t steps, uint64_t now_ns);

/* The block with hash, NONE when there is none. */
static inline uint32_t
claims_find(const struct claims *t, uint64_t hash, uint64_t cell_hash)
{
	struct cells_walk walk = cells_start(&t->cells, cell_hash);
	uint32_t at;

	do
		at = cells_next(&t->cells, cell_hash, &walk);
	while (at != NONE && t->blocks[at].hash != hash);
	return at;
}

/* Loads ahead of somebody who looks up n hashes from first to last. */
struct claims_ahead {
	const uint64_t *hashes;
	uint64_t n, cells, blocks; /* loaded so far */
	uint64_t ring[AHEAD_CELLS];
};

/* The cell hash of hashes[i]; what follows is on its way then. */
static inline uint64_t
ahead_hash(struct claims_ahead *ahead, const struct claims *t, uint64_t i)
{
	while (ahead->cells < ahead->n && ahead->cells < i + AHEAD_CELLS) {
		uint64_t hash =
			cells_hash(&t->cells, ahead->hashes[ahead->cells]);

		cells_prefetch(&t->cells, hash);
		ahead->ring[ahead->cells++ % AHEAD_CELLS] = hash;
	}
	while (ahead->blocks < ahead->cells &&
	       ahead->blocks < i + AHEAD_BLOCKS) {
		uint64_t hash = ahead->ring[ahead->blocks++ % AHEAD_CELLS];
		struct cells_walk walk = cells_start(&t->cells, hash);
		uint32_t at = cells_next(&t->cells, hash, &walk);

		if (at != NONE)
			prefetch(&t->blocks[at]);
	}
	return ahead->ring[i % AHEAD_CELLS];
}

/* Walks the entries of a block: its own, then those of its chunks. */
struct claim_cursor {
	uint64_t *until_ns;
	uint32_t *claim; /* NULL, or to a 0: behind the last */
	uint32_t *link;  /* to the chunk that follows */
	uint32_t i;
};

static inline struct claim_cursor
claim_first(const struct claims *t, uint32_t block)
{
	struct claim_block *b = &t->blocks[block];

	return (struct claim_cursor){&b->until_ns, &b->claim, &b->more,
				     CHUNK_ENTRIES - 1};
}

static inline int
claim_ended(const struct claim_cursor *c)
{
	return !c->claim || !*c->claim;
}

static inline void
claim_next(const struct claims *t, struct claim_cursor *c)
{
	struct claim_chunk *chunk;

	/* Also from an end, when a chunk has been hung there. */
	if (c->claim && ++c->i < CHUNK_ENTRIES) {
		c->until_ns++;
		c->claim++;
		return;
	}
	if (*c->link == NONE) {
		c->claim = NULL;
		return;
	}
	chunk = &t->chunks[*c->link];
	*c = (struct claim_cursor){chunk->until_ns, chunk->claims, &chunk->next,
				   0};
}

static inline uint32_t
claim_id(const struct claims *t, uint32_t claim)
{
	return claim & (t->step - 1);
}

/* Whether an entry that a cursor stands at counts. */
static inline int
claim_counts(const struct claims *t, const struct claim_cursor *c,
	     uint64_t now_ns)
{
	return now_ns <= *c->until_ns &&
	       t->now[claim_id(t, *c->claim)] == *c->claim;
}

#endif
