/*
 * A radix tree of prompts: which owner was lately sent which prefix, to the
 * token, and how much it was sent.  Strategy "prefix-cache-preble" reads both
 * as overlays:
 *
 *   aibrix_radix_match(radix, model, tokens, n, now_ns, held, rows, NULL);
 *   aibrix_radix_history(radix, now_ns, requests, seconds, rows);
 *   ... pick: PREFIX_BLOCKS is held, with block_tokens 1 and n_blocks n;
 *       HISTORY_REQUESTS and HISTORY_S are the others ...
 *   aibrix_radix_add(radix, model, owner, tokens, n, now_ns, NULL);
 *
 * Written when a request is routed, before an engine has computed anything:
 * for engines that announce no events.  Where they do, index.h knows better
 * what is held, and the history here is still of use.
 * (Source: AIBrix pkg/utils/prefixcacheindexer/tree.go and
 * prefix_cache_preble.go; Preble, Srivatsa et al. 2024.)
 *
 * Memory is fixed: it is taken when the tree is made, by the bounds in the
 * options, and no call takes more.  At a bound of nodes or tokens the prompt
 * that was sent least recently is forgotten from its end; at max_requests the
 * history ends early.
 */
#ifndef AIBRIX_RADIX_H
#define AIBRIX_RADIX_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whose prefill was measured, with Mistral 7B. */
enum { AIBRIX_RADIX_V100 = 0, AIBRIX_RADIX_A6000 = 1 };

typedef struct aibrix_radix_opts {
	uint32_t size;
	uint32_t compat;        /* 1: history as AIBrix counts it */
	uint32_t max_owners;    /* 0: 1024; at most 65 536 */
	uint32_t max_nodes;     /* 0: 65 536; at most 2^24 */
	uint64_t max_tokens;    /* 0: 4 194 304; at most 2^31 */
	uint32_t max_requests;  /* in the window; 0: 65 536; at most 2^24 */
	uint32_t decode_tokens; /* of an answer; 0: 45 */
	uint64_t max_age_ns;    /* a prefix not sent for longer is forgotten;
	                           0: 5 min; FOREVER: none */
	uint64_t window_ns;     /* of the history; 0: 3 min */
	uint32_t gpu;           /* AIBRIX_RADIX_* */
	uint32_t spare;         /* must be 0 */
	double decode_s;        /* of a token; 0: 0.15 */
	/* what prefill takes where it was measured, in place of gpu's, unless
	   all are 0: prefill_s + token_s * n + pair_s * n * context */
	double prefill_s, token_s, pair_s;
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_radix_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_radix aibrix_radix;

/*
 * An empty tree.  opts may be NULL.  *out is owned: aibrix_radix_free.
 *
 * Fails: E_INVAL (a number out of its range, negative or not finite), E_ABI,
 * E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_radix_new(const aibrix_radix_opts *opts,
					     aibrix_radix **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_radix_free(aibrix_radix *radix);

/*
 * At now_ns a prompt of model, any number of the caller, was sent to owner.
 * *matched, unless NULL, becomes how many of its leading tokens were in the
 * tree before, whoever had them.
 *
 * A prompt that the bounds have no room for is kept as far as it fits.
 *
 * Fails: E_INVAL (owner not below max_owners).
 * Cost: O(n + owners of the nodes on its way), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_radix_add(aibrix_radix *radix,
					     uint64_t model, uint32_t owner,
					     const uint32_t *tokens, uint64_t n,
					     uint64_t now_ns,
					     uint64_t *matched);

/*
 * held[owner] becomes how many leading tokens of this prompt that owner was
 * sent, 0 for owners that were sent none of it; owners not below rows are
 * left out.  *matched, unless NULL, becomes the most that the tree has,
 * whoever was sent it.
 *
 * Fails: E_INVAL.
 * Cost: O(rows + n + owners of the nodes on its way), no allocation.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_radix_match(const aibrix_radix *radix, uint64_t model,
		   const uint32_t *tokens, uint64_t n, uint64_t now_ns,
		   double *held, uint32_t rows, uint64_t *matched);

/*
 * What each owner was sent in the window that ends now: requests, and what
 * they cost it in seconds: the prefill of what it had not been sent before,
 * and the answer.  Either array may be NULL.
 *
 * compat: the requests and the cost of each node of the tree that is an end
 * of a request, for every owner that has the node.
 *
 * Fails: E_INVAL.
 * Cost: O(rows), and O(1) for each request that leaves the window; compat:
 * O(nodes and their owners).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_radix_history(aibrix_radix *radix,
						 uint64_t now_ns,
						 double *requests,
						 double *seconds,
						 uint32_t rows);

/*
 * owner has nothing any more, and has been sent nothing: for when it
 * restarts or goes.
 *
 * Fails: E_INVAL (owner not below max_owners).
 * Cost: O(1), whatever it was sent.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_radix_forget(aibrix_radix *radix,
						uint32_t owner);

/*
 * The prefill of tokens that follow others, context with them, as it was
 * measured on gpu.
 *
 * Fails: E_INVAL (gpu, pointer).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_radix_prefill(uint32_t gpu, uint64_t tokens,
						 uint64_t context,
						 double *seconds);

/* Counters only grow; gauges say so. */
typedef struct aibrix_radix_stat {
	uint32_t size;
	uint32_t nodes;     /* gauge */
	uint64_t tokens;    /* gauge: in the nodes */
	uint64_t entries;   /* gauge: (node, owner)s, also dead ones */
	uint64_t requests;  /* gauge: in the window */
	uint64_t bytes;     /* gauge: memory, fixed */
	uint64_t added;     /* prompts */
	uint64_t splits;    /* nodes that became two */
	uint64_t expired;   /* nodes too old */
	uint64_t evicted;   /* nodes that made room */
	uint64_t cut;       /* prompts that there was no room for, in part */
	uint64_t early;     /* requests that left the window to make room */
	uint64_t forgotten; /* calls of aibrix_radix_forget */
} aibrix_radix_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_radix_stats(const aibrix_radix *radix,
					       aibrix_radix_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
