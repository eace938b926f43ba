/*
 * What the cache tells its host's meter.
 *
 * Sums come from the statistics, which are right anyway: what has changed is
 * added to the meter when the lock is left.  Operations are told where they
 * end.
 *
 * Time is what callers say, so a call costs none, and a latency is what lies
 * between the calls: of a reading, from acquire to the call in which the
 * lease is settled, all of it waiting for L2.  Reservations have none: the
 * time from reserve to commit is the engine's.
 *
 * An engine asks for what follows its own blocks, and does not say how many
 * these are.  So hits count as if the prompt began with them, and what they
 * save is the least that it can be.
 */

#include "cache/cache_internal.h"

#include <stddef.h>

enum { BLOCKS = 0, BYTES = 1 };

static const struct {
	size_t at; /* in aibrix_cache_stat */
	uint32_t value, where, unit;
} sums[] = {
	{offsetof(aibrix_cache_stat, hits_l1), AIBRIX_METER_READ_BYTES,
	 AIBRIX_METER_L1, BYTES},
	{offsetof(aibrix_cache_stat, hits_l2), AIBRIX_METER_READ_BYTES,
	 AIBRIX_METER_L2, BYTES},
	{offsetof(aibrix_cache_stat, stored), AIBRIX_METER_WRITTEN_BYTES,
	 AIBRIX_METER_L1, BYTES},
	{offsetof(aibrix_cache_stat, l2_written), AIBRIX_METER_WRITTEN_BYTES,
	 AIBRIX_METER_L2, BYTES},
	{offsetof(aibrix_cache_stat, evicted), AIBRIX_METER_EVICTED_BLOCKS,
	 AIBRIX_METER_L1, BLOCKS},
	{offsetof(aibrix_cache_stat, no_room), AIBRIX_METER_REFUSED_BLOCKS,
	 AIBRIX_METER_L1, BLOCKS},
	{offsetof(aibrix_cache_stat, l2_refused), AIBRIX_METER_REFUSED_BLOCKS,
	 AIBRIX_METER_L2, BLOCKS},
	{offsetof(aibrix_cache_stat, l2_dropped), AIBRIX_METER_REFUSED_BLOCKS,
	 AIBRIX_METER_L2, BLOCKS},
	{offsetof(aibrix_cache_stat, corrupt_l1), AIBRIX_METER_CORRUPT_BLOCKS,
	 AIBRIX_METER_L1, BLOCKS},
	{offsetof(aibrix_cache_stat, corrupt_l2), AIBRIX_METER_CORRUPT_BLOCKS,
	 AIBRIX_METER_L2, BLOCKS},
	{offsetof(aibrix_cache_stat, removed), AIBRIX_METER_REMOVED_BLOCKS,
	 AIBRIX_METER_L1, BLOCKS},
	{offsetof(aibrix_cache_stat, l2_removed), AIBRIX_METER_REMOVED_BLOCKS,
	 AIBRIX_METER_L2, BLOCKS},
	{offsetof(aibrix_cache_stat, l2_unremoved), AIBRIX_METER_FAULTS,
	 AIBRIX_METER_L2, BLOCKS},
	{offsetof(aibrix_cache_stat, l2_errors), AIBRIX_METER_FAULTS,
	 AIBRIX_METER_L2, BLOCKS},
};

static const struct {
	uint32_t value, where;
} gauges[METER_GAUGES] = {
	{AIBRIX_METER_QUEUED_BLOCKS, AIBRIX_METER_L2},
	{AIBRIX_METER_USED_BYTES, AIBRIX_METER_L1},
	{AIBRIX_METER_TAKEN_BYTES, AIBRIX_METER_L1},
	{AIBRIX_METER_CAPACITY_BYTES, AIBRIX_METER_L1},
};

static void
value_add(const aibrix_cache *cache, uint32_t value, uint32_t where,
	  uint64_t more)
{
	if (more)
		(void)!aibrix_meter_add(cache->meter, value, where, more);
}

static uint64_t
sum_of(const aibrix_cache_stat *stat, size_t at)
{
	return *(const uint64_t *)(const void *)((const char *)stat + at);
}

static void
gauges_tell(aibrix_cache *cache, const uint64_t now[METER_GAUGES])
{
	for (uint32_t i = 0; i < METER_GAUGES; i++) {
		value_add(cache, gauges[i].value, gauges[i].where,
			  now[i] - cache->metered.gauges[i]);
		cache->metered.gauges[i] = now[i];
	}
}

static void
sums_tell(aibrix_cache *cache)
{
	struct metered *m = &cache->metered;
	uint64_t more;

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		more = sum_of(&cache->stat, sums[i].at) -
		       sum_of(&m->stat, sums[i].at);
		if (sums[i].unit == BYTES)
			more *= cache->block_bytes;
		value_add(cache, sums[i].value, sums[i].where, more);
	}
	m->stat = cache->stat;
}

void
aibrix__meter_read(const aibrix_cache *cache, uint64_t blocks)
{
	if (cache->meter)
		value_add(cache, AIBRIX_METER_READ_BYTES, AIBRIX_METER_L1,
			  blocks * cache->block_bytes);
}

void
aibrix__meter_leases(const aibrix_cache *cache, uint64_t more)
{
	if (cache->meter)
		value_add(cache, AIBRIX_METER_LEASES, AIBRIX_METER_MANAGER,
			  more);
}

void
aibrix__meter_tell(aibrix_cache *cache)
{
	uint64_t taken = cache->capacity - cache->count[SLOT_FREE];
	const uint64_t now[METER_GAUGES] = {
		cache->max_transfers - cache->transfers_free.count +
			(uint64_t)cache->writes.count,
		cache->count[SLOT_READY] * cache->block_bytes,
		taken * cache->block_bytes,
		cache->capacity * cache->block_bytes,
	};

	sums_tell(cache);
	gauges_tell(cache, now);
}

void
aibrix__meter_close(aibrix_cache *cache)
{
	static const uint64_t nothing[METER_GAUGES];

	if (!cache->meter)
		return;
	sums_tell(cache);
	gauges_tell(cache, nothing);
	aibrix__meter_leases(cache, 0 - cache->leases_held);
	value_add(cache, AIBRIX_METER_LEAKED_LEASES, AIBRIX_METER_MANAGER,
		  cache->leases_held);
}

static void
operation_tell(const aibrix_cache *cache, uint32_t where, uint32_t op,
	       int status, uint64_t blocks, uint64_t done, uint64_t spent_ns)
{
	const aibrix_meter_op o = {.size = sizeof(o),
				   .where = where,
				   .op = op,
				   .status = status,
				   .tokens = blocks * cache->block_tokens,
				   .done_tokens = done * cache->block_tokens,
				   .spent_ns = spent_ns};

	(void)!aibrix_meter_record(cache->meter, &o);
}

static uint64_t
spent_ns(const aibrix_cache *cache, const struct lease *lease)
{
	return cache->now_ns > lease->begun_ns ? cache->now_ns - lease->begun_ns
					       : 0;
}

void
aibrix__meter_acquired(const aibrix_cache *cache, const struct lease *lease,
		       uint64_t l1)
{
	const uint64_t asked = lease->asked, n = lease->n;
	const int waited = lease_state(lease) == LEASE_WAITING;
	const uint64_t spent = waited ? spent_ns(cache, lease) : 0;

	if (!cache->meter)
		return;
	operation_tell(cache, AIBRIX_METER_MANAGER, AIBRIX_METER_ACQUIRE,
		       n ? AIBRIX_OK : AIBRIX_E_NOT_FOUND, asked, n, spent);
	operation_tell(cache, AIBRIX_METER_L1, AIBRIX_METER_ACQUIRE,
		       l1 ? AIBRIX_OK : AIBRIX_E_NOT_FOUND, asked, l1, 0);
	if (waited)
		operation_tell(cache, AIBRIX_METER_L2, AIBRIX_METER_ACQUIRE,
			       n > l1 ? AIBRIX_OK : AIBRIX_E_NOT_FOUND,
			       asked - l1, n - l1, spent);
}

void
aibrix__meter_given_up(const aibrix_cache *cache, const struct lease *lease)
{
	if (cache->meter)
		operation_tell(cache, AIBRIX_METER_MANAGER,
			       AIBRIX_METER_ACQUIRE, AIBRIX_E_CANCELED,
			       lease->asked, 0, spent_ns(cache, lease));
}

void
aibrix__meter_call(const aibrix_cache *cache, uint32_t op, int status,
		   uint64_t blocks, uint64_t done)
{
	if (cache->meter)
		operation_tell(cache, AIBRIX_METER_MANAGER, op, status, blocks,
			       done, AIBRIX_FOREVER);
}

void
aibrix__meter_put(const aibrix_cache *cache, int status)
{
	if (cache->meter)
		operation_tell(cache, AIBRIX_METER_L2, AIBRIX_METER_PUT, status,
			       1, 1, AIBRIX_FOREVER);
}

void
aibrix__meter_fault(const aibrix_cache *cache, int status)
{
	switch (status) {
	case AIBRIX_OK:
	case AIBRIX_E_SPACE: /* of another layout, as the next */
	case AIBRIX_E_UNSUPPORTED:
	case AIBRIX_E_CANCELED: return;
	default: break;
	}
	if (cache->meter)
		(void)!aibrix_meter_fail(cache->meter, AIBRIX_METER_L2,
					 AIBRIX_METER_ACQUIRE, status);
}
