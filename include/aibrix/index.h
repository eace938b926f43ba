/*
 * The block index: which owner holds which prefix.
 *
 * Engines announce blocks as they store and remove them (KV events); the
 * index keeps the trie of places that follows, and answers for a prompt how
 * many leading blocks each owner holds.
 *
 *   place   a block under its whole prefix: the path of content hashes from
 *           the first block of a prompt
 *   name    the engine's own 64-bit hash of a place (aibrix_hash_fold),
 *           opaque to us
 *   owner   a small number, the fleet row of the (pod, rank)
 *
 * Rules (doc/modules/index.md has them with examples):
 *   - The score of an owner is the number of leading blocks, from block 0,
 *     that it holds after the events applied so far.  A hole stops it and
 *     heals when filled.
 *   - A name means what its owner last announced under it.  A name that the
 *     owner has not announced means what the first owner to announce it
 *     meant.  Names live as long as their place is known.
 *   - A place is known while some owner holds it or a descendant of it.
 *   - An owner may hold several copies of a block; each store adds one,
 *     each removal takes one.
 */
#ifndef AIBRIX_INDEX_H
#define AIBRIX_INDEX_H

#include <aibrix/base.h>
#include <aibrix/hash.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_TIER_DEVICE = 0,   /* GPU */
	AIBRIX_TIER_HOST = 1,     /* CPU memory */
	AIBRIX_TIER_DISK = 2,
	AIBRIX_TIER_EXTERNAL = 3, /* a shared store */
	AIBRIX_TIERS = 4
};

/* What kind of KV-cache group a block belongs to (kv_cache_spec_kind). */
enum {
	AIBRIX_GROUP_FULL = 0,  /* full, MLA or sink attention: indexed */
	AIBRIX_GROUP_OTHER = 1  /* sliding window, Mamba, ...: not indexed */
};

enum { AIBRIX_INDEX_GROUPS = 64, AIBRIX_INDEX_EVENT_BLOCKS = 1 << 20 };

typedef struct aibrix_index_opts {
	uint32_t size;
	uint32_t max_owners;           /* 0: 1024; at most 65536 */
	uint64_t budget_bytes;         /* of index memory; 0: no limit */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_index_opts;

/*
 * Thread: shared; events of one owner from one thread at a time, in order.
 * Lookups go through a reader, of which each thread has its own.
 */
typedef struct aibrix_index aibrix_index;

/* Thread: confined. */
typedef struct aibrix_index_reader aibrix_index_reader;

/*
 * An empty index.  opts may be NULL.  *out is owned: aibrix_index_free.
 *
 * Fails: E_INVAL, E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_index_new(const aibrix_index_opts *opts,
					     aibrix_index **out);

/* Release; NULL is allowed.  Its readers must be gone.  Since: 0.1. */
AIBRIX_API void aibrix_index_free(aibrix_index *index);

/* A reader, owned: aibrix_index_reader_free.  Fails: E_NOMEM.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_index_reader_new(aibrix_index *index,
						    aibrix_index_reader **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_index_reader_free(aibrix_index_reader *reader);

/*
 * Register owner before its first event.
 *
 * Fails: E_INVAL (not below max_owners), E_STATE (registered), E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_index_owner_add(aibrix_index *index,
						   uint32_t owner);

/*
 * Forget owner and all it holds; its number may be registered again.
 *
 * Fails: E_NOT_FOUND.  Cost: O(blocks held).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_index_owner_remove(aibrix_index *index,
						      uint32_t owner);

enum { AIBRIX_INDEX_HAS_PARENT = 1 };

/* n blocks that follow each other, the first one under parent. */
typedef struct aibrix_index_stored {
	uint32_t size;
	uint32_t n;             /* at most AIBRIX_INDEX_EVENT_BLOCKS */
	const uint64_t *hashes; /* content hashes; NULL: by name alone */
	const uint64_t *names;  /* the engine's names of the same blocks */
	uint64_t parent;        /* name; only with HAS_PARENT */
	uint32_t flags;         /* AIBRIX_INDEX_HAS_PARENT, else at the root */
	uint32_t tier;          /* AIBRIX_TIER_* */
	uint32_t group;         /* KV-cache group, below AIBRIX_INDEX_GROUPS */
	uint32_t kind;          /* AIBRIX_GROUP_*, of that group */
} aibrix_index_stored;

/*
 * Apply a "blocks stored" event of owner.
 *
 * Blocks of a group that is not indexed are counted and ignored, and so are
 * later removals in that group.
 *
 * Without hashes (offload tiers announce blocks without their tokens) the
 * names stand for places that they already mean, each one by itself, and
 * the parent is not looked at; names that mean nothing are counted
 * (unknown_names) and left out.
 *
 * Fails: E_NOT_FOUND (the parent is unknown: nothing is stored, the event
 * is counted), E_INVAL (owner not registered, n, tier, group, flags),
 * E_ABI, E_NOMEM and E_FULL (memory or budget: nothing of the event is
 * stored).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_index_apply_stored(aibrix_index *index, uint32_t owner,
			  const aibrix_index_stored *event);

/*
 * Apply a "blocks removed" event of owner.  Names that mean nothing, or
 * blocks that owner does not hold in tier, are normal and counted.
 *
 * A removal is not refused.  A hole in a chain takes memory; where there is
 * none, the owner's further blocks of that stretch are forgotten (counted):
 * a lookup then shows less than is held, never more.
 *
 * Fails: E_INVAL (owner not registered, n, tier, group).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_index_apply_removed(aibrix_index *index, uint32_t owner,
			   const uint64_t *names, uint32_t n, uint32_t tier,
			   uint32_t group);

/*
 * Apply an "all blocks cleared" event of owner, all tiers.
 *
 * Fails: E_INVAL (owner not registered).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_index_apply_cleared(aibrix_index *index,
						       uint32_t owner);

/* Frozen: 16 bytes.  How much of a prompt one owner holds. */
typedef struct aibrix_match {
	uint32_t owner;
	uint32_t held;   /* leading blocks, in any tier */
	uint32_t device; /* leading blocks in the device tier */
	uint32_t spare;
} aibrix_match;

/*
 * Every owner that holds at least block 0 of the prompt with these content
 * hashes, in order of owner.  *n_out becomes their number.
 *
 * Fails: E_SPACE (cap too small; *n_out holds the number), E_INVAL (n above
 * UINT32_MAX).
 * Cost: O(blocks matched x holders), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_index_lookup(aibrix_index_reader *reader, const uint64_t *hashes,
		    uint64_t n, aibrix_match *out, uint32_t cap,
		    uint32_t *n_out);

/*
 * The same for a prompt that is not hashed yet: blocks are hashed a few at a
 * time, and no more once one is unknown to the index.  hashes has room for
 * hashes_cap, at least the whole blocks of the prompt; its first known
 * entries are taken as given, and *n_hashes becomes the number that are
 * there afterwards, for the next turn of the conversation.
 *
 * Fails: as aibrix_hash_blocks and aibrix_index_lookup.
 * Cost: as lookup, and hashing at most 8 blocks and a quarter of what is
 * known to the index in vain.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_index_lookup_tokens(aibrix_index_reader *reader, const aibrix_hash *hash,
			   const aibrix_prompt *prompt, uint64_t known,
			   uint64_t *hashes, uint64_t hashes_cap,
			   uint64_t *n_hashes, aibrix_match *out, uint32_t cap,
			   uint32_t *n_out);

/*
 * Many prompts at once: hashes of prompt i are hashes[ends[i - 1]] up to
 * hashes[ends[i]] (the form aibrix_hash_batch gives).  The matches of prompt
 * i end before out_ends[i].
 *
 * Fails: as aibrix_index_lookup (E_SPACE: *n_out holds the total, out and
 * out_ends nothing of use), E_INVAL (ends not ascending).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_index_lookup_batch(aibrix_index_reader *reader, const uint64_t *hashes,
			  const uint64_t *ends, uint32_t n_prompts,
			  aibrix_match *out, uint32_t cap, uint32_t *out_ends,
			  uint32_t *n_out);

/*
 * The same as a column for routing: blocks[owner] becomes the number of
 * leading blocks held (device tier only when device_only != 0), 0 for
 * owners without any.  Owners not below rows are left out.
 *
 * Fails: E_INVAL.  Cost: as lookup, plus O(rows).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_index_match(aibrix_index_reader *reader, const uint64_t *hashes,
		   uint64_t n, uint32_t device_only, double *blocks,
		   uint32_t rows);

/* Counters only grow; gauges say so. */
typedef struct aibrix_index_stat {
	uint32_t size;
	uint32_t owners;           /* gauge */
	uint64_t places;           /* gauge: places known */
	uint64_t held;             /* gauge: (owner, place) pairs */
	uint64_t bytes;            /* gauge: memory */
	uint64_t stored;           /* blocks stored */
	uint64_t removed;          /* blocks removed */
	uint64_t cleared;          /* clear events */
	uint64_t unknown_parents;  /* stored events refused for it */
	uint64_t unknown_removals; /* names or blocks not held */
	uint64_t duplicates;       /* second and further copies stored */
	uint64_t twins;            /* second names of one place */
	uint64_t ignored;          /* blocks of groups that are not indexed */
	uint64_t refused;          /* stored events refused for memory */
	uint64_t unknown_names;    /* stored without hashes, name unknown */
	uint64_t runs;             /* gauge: arrays that the places are in */
	uint64_t retries;          /* lookups that met a removal */
	uint64_t locked;           /* lookups that took the lock in the end */
	uint64_t forgotten;        /* held, but no memory for what a removal
				      left of its chain */
} aibrix_index_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_index_stats(aibrix_index *index,
					       aibrix_index_stat *stat);

/*
 * The whole index as bytes, in a versioned little-endian form that ends in
 * a checksum.  *n becomes the number of bytes.
 *
 * Fails: E_SPACE (cap too small; *n holds the need), E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_index_dump(aibrix_index *index, void *out,
					      uint64_t cap, uint64_t *n);

/*
 * Fill an index that has no owners from a dump; bytes are not trusted.
 *
 * Fails: E_STATE (owners are registered), E_PARSE (not a dump, truncated or
 * inconsistent), E_CORRUPT (checksum), E_UNSUPPORTED (newer form), E_INVAL
 * (an owner not below max_owners), E_NOMEM, E_FULL; the index is then empty.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_index_load(aibrix_index *index,
					      const void *bytes, uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
