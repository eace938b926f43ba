/*
 * Whether loading blocks is cheaper than computing them.
 *
 * Comes with cache.h, which asks this before it asks L2; a function of its
 * arguments alone for whoever else must choose.
 */
#ifndef AIBRIX_CACHE_WORTH_H
#define AIBRIX_CACHE_WORTH_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What loading and computing cost, as measured: for aibrix_cache_worth.
 * Tokens are those of this engine's prefill, bytes those of its share.
 */
typedef struct aibrix_cache_costs {
	uint32_t size;
	uint32_t flags;        /* AIBRIX_CACHE_OVERLAP */
	uint64_t block_tokens; /* not 0 */
	uint64_t block_bytes;  /* not 0 */
	double bytes_per_s;    /* of the tier; above 0 */
	double latency_ns;     /* until its first byte; not negative */
	double token_ns;       /* to compute a token at position 0 */
	double position_ns;    /* more for each token before it: attention */
	double margin;         /* share of the computing that loading must save;
				  0: 0.1; below 1; negative: none */
	uint64_t max_wait_ns;  /* for what is loaded; 0: no limit */
} aibrix_cache_costs;

enum {
	AIBRIX_CACHE_OVERLAP = 1 /* the rest is computed while blocks arrive,
				    layer by layer */
};

/*
 * When L2 is asked, given token_ns or position_ns:
 *
 *   - The cache measures how long L2 takes until its first block and for
 *     each byte, and acquire asks aibrix_cache_worth with these.  Positions
 *     count from keys[0].  Nothing measured yet counts as no time at all.
 *   - A lease waits as long as what has arrived outweighs the wait: until
 *     wait - cost of computing what it has got > risk, where risk is a tenth
 *     of the cost of what it lacks at most.  Then it is what has arrived.
 *   - Risks are taken from a credit of l2_risk_ns and given back with the
 *     gain.  A fiftieth of what each prompt's missing blocks cost is added,
 *     and it never exceeds l2_risk_ns.  Without credit L2 is not asked.
 *   - After a failure L2 is tried again 100 ms later, then 200 ms, up to 30 s.
 *
 * So whatever L2 does, all waits together exceed what was saved by them by no
 * more than l2_risk_ns and a fiftieth of the computing, and each prompt is
 * late by a tenth at most; besides how late poll is called.
 */

/*
 * How many leading blocks are worth loading.  The engine has the first start
 * tokens of a prompt of tokens; a tier has the next hit blocks.  With
 *
 *	load(n) = latency + n block_bytes / bytes_per_s, load(0) = 0
 *	compute(i, j) = token_ns (j - i) + position_ns (j^2 - i^2) / 2
 *	rest(n) = compute(start + n block_tokens, tokens)
 *	time(n) = load(n) + rest(n), with OVERLAP the larger of both
 *
 * *n is the number of blocks, hit at most, with the least time, or 0 unless
 * time(0) - time(n) is more than margin of computing these blocks.  Without
 * OVERLAP that is nearly always 0 or hit; with it, as many as arrive while
 * the rest is computed.
 *
 * Fails: E_INVAL (costs that are negative, infinite or not known; block
 * sizes of 0; start above tokens; more hits than the prompt has blocks),
 * E_ABI.  Thread: any.  Cost: O(log hit).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_worth(const aibrix_cache_costs *costs, uint64_t start,
		   uint64_t tokens, uint64_t hit, uint64_t *n);

#ifdef __cplusplus
}
#endif

#endif
