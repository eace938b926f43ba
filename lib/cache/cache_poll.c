/*
 * Completions.
 *
 * A store may serve several caches of one thread, and poll hands out
 * whatever has ended.  So a completion is given to the cache that its
 * transfer names, and that cache goes on at its own next poll.
 */

#include "cache/cache_internal.h"

#include "base/alloc.h"

enum { DONES = 64 };

static uint32_t
inflight(const aibrix_cache *cache)
{
	return cache->max_transfers - cache->transfers_free.count;
}

/* Take what has ended, waiting for the first; *n becomes how many.  An error
 * is one of the call, not of a transfer.  What was waited for has passed of
 * the caller's time, too. */
static int
take_dones(aibrix_cache *cache, uint64_t timeout_ns, uint32_t *n)
{
	aibrix_done dones[DONES];
	uint64_t before = 0;
	uint32_t some;
	int err;

	*n = 0;
	do {
		some = 0;
		if (timeout_ns)
			before = cache->clock(cache->clock_ctx);
		err = aibrix_store_poll(cache->l2, dones, DONES, cache->now_ns,
					timeout_ns, &some);
		if (timeout_ns)
			cache->now_ns +=
				cache->clock(cache->clock_ctx) - before;
		if (err)
			return err;
		for (uint32_t i = 0; i < some; i++)
			aibrix__l2_done(&dones[i]);
		*n += some;
		timeout_ns = 0;
	} while (some == DONES);
	return AIBRIX_OK;
}

/* No longer than the first lease wants to wait. */
static uint64_t
timeout_bound(const aibrix_cache *cache, uint64_t timeout_ns)
{
	uint32_t i;
	uint64_t limit, left;

	i = cache->leases_waiting.count ? cache->leases_waiting.head : NONE;
	for (; i != NONE; i = cache->lease_links[i].next) {
		limit = aibrix__budget_limit(cache, &cache->leases[i]);
		if (!limit)
			continue;
		left = limit > cache->now_ns ? limit - cache->now_ns : 0;
		timeout_ns = left < timeout_ns ? left : timeout_ns;
	}
	return timeout_ns;
}

static uint64_t
work_left(const aibrix_cache *cache)
{
	return (uint64_t)inflight(cache) + cache->writes.count;
}

int
aibrix_cache_poll(aibrix_cache *cache, uint64_t now_ns, uint64_t timeout_ns,
		  uint64_t *busy)
{
	uint32_t n;

	if (!cache || !busy)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	if (cache->l2) {
		cache->now_ns = now_ns;
		/* What has arrived counts, however late it is looked at. */
		if (timeout_bound(cache, 1) == 0 && take_dones(cache, 0, &n))
			cache->stat.l2_errors++;
		aibrix__l2_move(cache, now_ns);
		/* Another cache's poll may have ended what this one would
		 * wait for. */
		if (cache->ended ||
		    (!work_left(cache) && !cache->leases_waiting.count))
			timeout_ns = 0;
		cache->ended = 0;
		timeout_ns = timeout_bound(cache, timeout_ns);
		if (take_dones(cache, timeout_ns, &n))
			cache->stat.l2_errors++;
		aibrix__l2_move(cache, cache->now_ns);
		cache->ended = 0;
	}
	*busy = work_left(cache);
	aibrix__cache_leave(cache);
	return AIBRIX_OK;
}

/* Detached fetches are cancelled already. */
static void
probes_cancel(aibrix_cache *cache)
{
	const struct transfer *t;

	for (uint32_t i = 0; i < cache->max_transfers; i++) {
		t = &cache->transfers[i];
		if (t->owner && t->op == AIBRIX_STORE_PROBE)
			(void)!aibrix_store_cancel(cache->l2,
						   (uint64_t)(uintptr_t)t);
	}
}

/* Nobody waits for reads any more; writes that have begun are worth their
 * while.  When the store says that the time is over, it is: so requests
 * without an answer run into the store's own deadline. */
int
aibrix__l2_drain(aibrix_cache *cache)
{
	enum { SECOND_NS = 1000000000 };
	uint64_t now;
	uint32_t n;

	for (uint32_t i = 0; i < cache->max_leases; i++)
		if (cache->leases[i].state != LEASE_FREE)
			aibrix__lease_cut(cache, &cache->leases[i], 0);
	probes_cancel(cache);
	while (inflight(cache)) {
		now = cache->now_ns;
		if (take_dones(cache, SECOND_NS, &n))
			return 0;
		if (n == 0 && now < AIBRIX_FOREVER - SECOND_NS)
			cache->now_ns = now + SECOND_NS;
	}
	return 1;
}
