/*
 * AIBrix's prefix table: which pods a gateway has lately sent which prefix
 * to.  Optimistic (written when a request is routed, before an engine has
 * computed anything) and so less exact than index.h, but it needs no events
 * from engines.  Answers as AIBrix answers.
 * (Source: AIBrix pkg/utils/prefixcacheindexer/hash.go.)
 *
 * Hashes come from aibrix_compat_gateway_hashes: chained, so that one hash
 * names a whole prefix.
 *
 * Memory is fixed: it is taken when the table is made, by the bounds in the
 * options, and no call takes more.  At a bound the oldest makes room:
 *   max_blocks   the least recently added block goes
 *   max_pods     the (model, pod) least recently added to is forgotten
 *   block_pods, more_pods
 *                the pod of that block whose time is up first goes
 */
#ifndef AIBRIX_PREFIX_H
#define AIBRIX_PREFIX_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aibrix_prefix_opts {
	uint32_t size;
	uint32_t spare;                /* must be 0 */
	uint64_t max_blocks;           /* 0: 200 000, as AIBrix */
	uint64_t max_age_ns;           /* 0: 20 minutes; FOREVER: none */
	const aibrix_allocator *alloc; /* NULL: malloc */
	uint32_t max_pods;   /* (model, pod)s; 0: 4096; at most 65 536 */
	uint32_t block_pods; /* (model, pod)s of one block; 0: 256 */
	uint64_t more_pods;  /* second and further pods of blocks, of all
			      * blocks together; 0: 5/4 of max_blocks */
} aibrix_prefix_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_prefix aibrix_prefix;

/*
 * An empty table.  opts may be NULL.  *out is owned: aibrix_prefix_free.
 *
 * Takes 32 bytes per block and 9 to 19 for its hash table, 64 bytes for
 * each five of more_pods, and 54 to 73 bytes for each of max_pods.
 *
 * Fails: E_INVAL (max_blocks, max_pods, more_pods out of range), E_ABI,
 * E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_prefix_new(const aibrix_prefix_opts *opts,
					      aibrix_prefix **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_prefix_free(aibrix_prefix *prefix);

/*
 * Note at now_ns that pod was sent a prompt of model with these hashes.
 * model is any number of the caller.
 *
 * What has expired is reclaimed by a hand that moves on with each add, 16
 * blocks and 2 for each hash; nothing is ever searched as a whole.
 *
 * Fails: E_INVAL.
 * Cost: O(n x block_pods) at worst, O(n) where blocks have few pods; no
 * allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_prefix_add(aibrix_prefix *prefix, uint64_t model, uint64_t pod,
		  const uint64_t *hashes, uint64_t n, uint64_t now_ns);

/*
 * For each of n_pods ready pods, the share of the prompt's n blocks that it
 * has, contiguous from the first, as AIBrix counts it: percent[i] becomes
 * blocks x 100 / n in whole numbers, 0 when there is none.
 *
 * pods must not hold a number twice.  Unlike AIBrix the caller's list is
 * not modified, and blocks older than max_age_ns do not count.
 *
 * Cost: O(n_pods + pods of the blocks matched) for each 256 of n_pods, no
 * allocation.  Since: 0.1.
 */
AIBRIX_API void aibrix_prefix_match(const aibrix_prefix *prefix,
				    uint64_t model, const uint64_t *pods,
				    uint32_t n_pods, const uint64_t *hashes,
				    uint64_t n, uint64_t now_ns,
				    uint32_t *percent);

/*
 * Forget pod everywhere, for when it is restarted or gone.
 *
 * Cost: O(models of the pod), whatever it has.  Since: 0.1.
 */
AIBRIX_API void aibrix_prefix_forget(aibrix_prefix *prefix, uint64_t pod);

/*
 * Blocks in the table.  One whose pods have all expired or been forgotten
 * answers nothing, and is counted until the hand has come by.
 *
 * Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_prefix_count(const aibrix_prefix *prefix);

/* Counters only grow; gauges say so. */
typedef struct aibrix_prefix_stat {
	uint32_t size;
	uint32_t pods;           /* gauge: (model, pod)s */
	uint64_t blocks;         /* gauge: as aibrix_prefix_count */
	uint64_t entries;        /* gauge: (block, model, pod)s */
	uint64_t bytes;          /* gauge: memory, fixed */
	uint64_t added;          /* blocks noted */
	uint64_t evicted;        /* blocks that made room at max_blocks */
	uint64_t reclaimed;      /* blocks that the hand found without pods */
	uint64_t replaced;       /* pods of a block that made room */
	uint64_t forgotten;      /* (model, pod)s by aibrix_prefix_forget */
	uint64_t forgotten_room; /* (model, pod)s that made room */
} aibrix_prefix_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_prefix_stats(const aibrix_prefix *prefix,
						aibrix_prefix_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
