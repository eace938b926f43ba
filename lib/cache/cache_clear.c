/*
 * All of L1 at once: other weights; or all of a tenant that leaves.
 *
 * Slots are walked by number, STEP of them for each hold of the lock, so that
 * a million blocks hold nobody up.  That loses nothing: what comes into a slot
 * behind the walk was reserved after the call began.
 *
 * Who listens is told in one event instead of one for each block, if by the
 * end nothing that was told is there.
 */

#include <aibrix/cache_tenant.h>

#include "cache/cache_internal.h"

enum { STEP = 256 };

/* Of whom: NULL is all. */
static int
slot_is_of(const aibrix_cache *cache, uint32_t slot, const struct tenant *whom)
{
	return !whom || tenant_of(cache, slot) == whom;
}

/* What comes from L2 now was asked for before. */
static void
reads_end(aibrix_cache *cache, const struct tenant *whom)
{
	for (uint32_t i = 0; i < cache->max_transfers; i++) {
		const struct transfer *t = &cache->transfers[i];

		if (t->owner && t->op == AIBRIX_STORE_GET && t->lease != NONE &&
		    slot_is_of(cache, t->slot, whom))
			aibrix__lease_fail(cache, &cache->leases[t->lease],
					   t->block, AIBRIX_E_NOT_FOUND);
	}
	cache->stirred = 1;
}

static void
slots_clear(aibrix_cache *cache, const struct tenant *whom, uint32_t from,
	    uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		uint32_t state = slot_state(&cache->slots[i]);

		if ((state == SLOT_FILLING || state == SLOT_READY) &&
		    slot_is_of(cache, i, whom))
			aibrix__remove_slot(cache, i);
	}
}

static void
blocks_clear(aibrix_cache *cache, const struct tenant *whom, uint64_t now_ns)
{
	aibrix__cache_enter(cache);
	reads_end(cache, whom);
	for (uint32_t i = 0, end; i < cache->capacity; i = end) {
		end = cache->capacity - i < STEP ? cache->capacity : i + STEP;
		if (i) {
			aibrix__cache_leave(cache);
			aibrix__cache_enter(cache);
		}
		slots_clear(cache, whom, i, end);
	}
	if (!whom)
		aibrix__events_cleared(cache);
	aibrix__l2_drive(cache, DRIVE_WRITES, NULL, now_ns);
	aibrix__cache_leave(cache);
}

int
aibrix_cache_clear(aibrix_cache *cache, uint64_t now_ns)
{
	if (!cache)
		return AIBRIX_E_INVAL;
	blocks_clear(cache, NULL, now_ns);
	return AIBRIX_OK;
}

int
aibrix_cache_clear_tenant(aibrix_cache *cache, uint32_t tenant, uint64_t now_ns)
{
	if (!cache || tenant >= cache->n_tenants)
		return AIBRIX_E_INVAL;
	blocks_clear(cache, &cache->tenants[tenant], now_ns);
	return AIBRIX_OK;
}
