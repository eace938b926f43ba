/*
 * AIBrix's prefix table: which pods a gateway has lately sent which prefix
 * to.  Optimistic (written when a request is routed, before an engine has
 * computed anything) and so less exact than index.h, but it needs no events
 * from engines.  Answers as AIBrix answers.
 * (Source: AIBrix pkg/utils/prefixcacheindexer/hash.go.)
 *
 * Hashes come from aibrix_compat_gateway_hashes: chained, so that one hash
 * names a whole prefix.
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
} aibrix_prefix_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_prefix aibrix_prefix;

/*
 * An empty table.  opts may be NULL.  *out is owned: aibrix_prefix_free.
 *
 * Fails: E_INVAL, E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_prefix_new(const aibrix_prefix_opts *opts,
					      aibrix_prefix **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_prefix_free(aibrix_prefix *prefix);

/*
 * Note at now_ns that pod was sent a prompt of model with these hashes.
 * model is any number of the caller.  The least recently added blocks go
 * when max_blocks is reached.
 *
 * Fails: E_NOMEM (the first blocks may have been added).
 * Cost: O(n).  Since: 0.1.
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
 * Cost: O(blocks matched x pods), no allocation.  Since: 0.1.
 */
AIBRIX_API void aibrix_prefix_match(const aibrix_prefix *prefix,
				    uint64_t model, const uint64_t *pods,
				    uint32_t n_pods, const uint64_t *hashes,
				    uint64_t n, uint64_t now_ns,
				    uint32_t *percent);

/* Forget pod everywhere.  Cost: O(blocks).  Since: 0.1. */
AIBRIX_API void aibrix_prefix_forget(aibrix_prefix *prefix, uint64_t pod);

/* Blocks in the table.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_prefix_count(const aibrix_prefix *prefix);

#ifdef __cplusplus
}
#endif

#endif
