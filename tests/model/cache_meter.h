/* What a cache has told its meter is what its statistics say. */
#ifndef TESTS_MODEL_CACHE_METER_H
#define TESTS_MODEL_CACHE_METER_H

#include <aibrix/cache.h>
#include <aibrix/meter.h>

static inline int
meter_is(const aibrix_meter *meter, uint32_t value, uint32_t where,
	 uint64_t want)
{
	uint64_t got = 0;

	return aibrix_meter_get(meter, value, where, &got) == AIBRIX_OK &&
	       got == want;
}

static inline int
meter_agrees(const aibrix_meter *m, const aibrix_cache_stat *s,
	     uint64_t block_bytes, uint64_t block_tokens)
{
	enum { MANAGER, L1, L2 };
	const uint64_t b = block_bytes, t = block_tokens;
	uint64_t misses = 0;

	/* A lease that waits is neither yet. */
	if (aibrix_meter_get(m, AIBRIX_METER_MISS_TOKENS, MANAGER, &misses))
		return 0;
	return meter_is(m, AIBRIX_METER_HIT_TOKENS, MANAGER,
			(s->hits_l1 + s->hits_l2) * t) &&
	       misses <= (s->asked - s->hits_l1 - s->hits_l2) * t &&
	       meter_is(m, AIBRIX_METER_HIT_TOKENS, L1, s->hits_l1 * t) &&
	       meter_is(m, AIBRIX_METER_HIT_TOKENS, L2, s->hits_l2 * t) &&
	       meter_is(m, AIBRIX_METER_READ_BYTES, L1, s->hits_l1 * b) &&
	       meter_is(m, AIBRIX_METER_READ_BYTES, L2, s->hits_l2 * b) &&
	       meter_is(m, AIBRIX_METER_WRITTEN_BYTES, L1, s->stored * b) &&
	       meter_is(m, AIBRIX_METER_WRITTEN_BYTES, L2, s->l2_written * b) &&
	       meter_is(m, AIBRIX_METER_EVICTED_BLOCKS, L1, s->evicted) &&
	       meter_is(m, AIBRIX_METER_REFUSED_BLOCKS, L1, s->no_room) &&
	       meter_is(m, AIBRIX_METER_REFUSED_BLOCKS, L2,
			s->l2_refused + s->l2_dropped) &&
	       meter_is(m, AIBRIX_METER_CORRUPT_BLOCKS, L1, s->corrupt_l1) &&
	       meter_is(m, AIBRIX_METER_CORRUPT_BLOCKS, L2, s->corrupt_l2) &&
	       meter_is(m, AIBRIX_METER_FAULTS, L2,
			s->l2_errors + s->l2_unremoved) &&
	       meter_is(m, AIBRIX_METER_REMOVED_BLOCKS, L1, s->removed) &&
	       meter_is(m, AIBRIX_METER_REMOVED_BLOCKS, L2, s->l2_removed) &&
	       meter_is(m, AIBRIX_METER_LEASES, MANAGER, s->leases) &&
	       meter_is(m, AIBRIX_METER_USED_BYTES, L1, s->l1_blocks * b) &&
	       meter_is(m, AIBRIX_METER_CAPACITY_BYTES, L1, s->l1_capacity * b);
}

/* After the cache: it holds nothing, and leaked the leases that it had. */
static inline int
meter_ended(const aibrix_meter *m, uint64_t leases)
{
	int ok = meter_is(m, AIBRIX_METER_LEAKED_LEASES, 0, leases);

	for (uint32_t v = AIBRIX_METER_LEASES; v <= AIBRIX_METER_CAPACITY_BYTES;
	     v++)
		for (uint32_t where = 0; where < 4; where++)
			ok = ok && meter_is(m, v, where, 0);
	return ok;
}

#endif
