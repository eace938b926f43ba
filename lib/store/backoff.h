/* How long to wait before the next attempt. */
#ifndef STORE_BACKOFF_H
#define STORE_BACKOFF_H

#include <stdint.h>

#include "base/rand.h"

/* min, 2 min, 4 min, and so on, but never above max; level 0 is min. */
static inline uint64_t
backoff_ns(uint64_t min_ns, uint64_t max_ns, uint32_t level)
{
	if (level > 63 || max_ns >> level < min_ns)
		return max_ns;
	return min_ns << level;
}

/*
 * Uniform in [ns - pct % of it, ns].  Only downwards, so that the longest
 * wait of a caller stays the longest; pct is at most 100.
 */
static inline uint64_t
jitter_ns(uint64_t *rand, uint64_t ns, uint32_t pct)
{
	uint64_t spread = ns / 100 * pct + ns % 100 * pct / 100;
	uint64_t r = rand_next(rand) >> 32;

	/* spread * r / 2^32, in halves: the product has 96 bits. */
	return ns - ((spread >> 32) * r + ((spread & UINT32_MAX) * r >> 32));
}

#endif
