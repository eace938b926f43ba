/*
 * Predictions: which owner will hold which prefix in a moment.
 *
 * Between the decision to send a prompt somewhere and the KV events that
 * say its blocks are there, the index knows nothing of it.  A burst of
 * prompts with the same beginning would be spread over all owners.  So the
 * host notes each decision here, under a lease, and lays the answer over
 * the column of the index:
 *
 *   aibrix_index_match(reader, hashes, n, 0, blocks, rows);
 *   aibrix_predict_match(predict, hashes, n, now_ns, blocks, rows);
 *   ... pick ...
 *   aibrix_predict_add(predict, owner, hashes, n, now_ns, 0);
 *
 * A lease ends by itself, so a decision that came to nothing heals.
 *
 * Memory is fixed: it is taken when the object is made, by the bounds in
 * the options, and no call takes more.  At max_blocks the block predicted
 * least recently goes; at block_owners and more_owners the owner of that
 * block whose lease ends first.
 */
#ifndef AIBRIX_PREDICT_H
#define AIBRIX_PREDICT_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aibrix_predict_opts {
	uint32_t size;
	uint32_t max_owners;           /* 0: 1024; at most 65 536 */
	uint64_t max_blocks;           /* 0: 262 144 */
	uint64_t lease_ns;             /* where a call says 0; 0: 5 s */
	const aibrix_allocator *alloc; /* NULL: malloc */
	uint32_t block_owners;         /* of one block; 0: 256 */
	uint32_t spare;                /* must be 0 */
	uint64_t more_owners; /* second and further owners of blocks, of all
			       * blocks together; 0: 5/4 of max_blocks */
} aibrix_predict_opts;

/*
 * Thread: shared.  Matches run beside each other.
 */
typedef struct aibrix_predict aibrix_predict;

/*
 * Nothing predicted.  opts may be NULL.  *out is owned: aibrix_predict_free.
 *
 * Fails: E_INVAL (max_owners, max_blocks, more_owners out of range), E_ABI,
 * E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_predict_new(const aibrix_predict_opts *opts, aibrix_predict **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_predict_free(aibrix_predict *predict);

/*
 * At now_ns a prompt with these content hashes, from its first block on,
 * was sent to owner.  Until now_ns + lease_ns (0: the default; FOREVER: no
 * end) each of its prefixes is predicted to be there.  A prediction that is
 * there already is prolonged, never shortened.
 *
 * Fails: E_INVAL (owner not below max_owners).
 * Cost: O(n x block_owners) at worst, O(n) where blocks have few owners; no
 * allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_predict_add(aibrix_predict *predict, uint32_t owner,
		   const uint64_t *hashes, uint64_t n, uint64_t now_ns,
		   uint64_t lease_ns);

/*
 * Raise blocks[owner] to what it will be when predictions come true: the
 * number of leading blocks of this prompt each of which the owner holds, as
 * the column says, or is predicted to hold at now_ns.
 *
 * So on a column of zeros the answer is the number of leading blocks that
 * are predicted.  On one that aibrix_index_match has filled a prediction
 * goes on where the index ends: events confirm a long prompt piece by
 * piece, from the front.
 *
 * No entry is lowered.  Entries count as whole blocks, rounded down; NaN
 * and negative ones as 0, and they stay as they are when nothing is
 * predicted.  Owners not below rows are left out.
 *
 * Fails: E_INVAL.
 * Cost: O(rows + blocks up to the deepest entry + owners predicted at the
 * blocks that are looked at), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_predict_match(aibrix_predict *predict, const uint64_t *hashes,
		     uint64_t n, uint64_t now_ns, double *blocks,
		     uint32_t rows);

/*
 * The first n blocks of this prompt have arrived at owner, or will not: its
 * predictions of them end.  What lies behind them stays predicted.
 *
 * Fails: E_INVAL (owner not below max_owners).  Cost: as add.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_predict_confirm(aibrix_predict *predict, uint32_t owner,
		       const uint64_t *hashes, uint64_t n);

/*
 * Nothing is predicted of owner any more, for when it restarts, clears its
 * cache or goes.
 *
 * Fails: E_INVAL (owner not below max_owners).
 * Cost: O(1), whatever was predicted.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_predict_forget(aibrix_predict *predict,
						  uint32_t owner);

/* Counters only grow; gauges say so. */
typedef struct aibrix_predict_stat {
	uint32_t size;
	uint32_t spare;
	uint64_t blocks;    /* gauge: also those not reclaimed yet */
	uint64_t entries;   /* gauge: (block, owner)s, the same */
	uint64_t bytes;     /* gauge: memory, fixed */
	uint64_t added;     /* blocks predicted */
	uint64_t confirmed; /* (block, owner)s that confirm ended */
	uint64_t evicted;   /* blocks that made room at max_blocks */
	uint64_t reclaimed; /* blocks whose leases had ended */
	uint64_t replaced;  /* owners of a block that made room */
	uint64_t forgotten; /* calls of aibrix_predict_forget */
} aibrix_predict_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_predict_stats(aibrix_predict *predict,
						 aibrix_predict_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
