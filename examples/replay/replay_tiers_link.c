/*
 * Tiers whose L2 is behind links: calls of the cache at virtual times, none
 * of which waits.
 */
#include "replay_tiers.h"

#include <stdio.h>

int
replay_tiers_ask(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		 uint32_t n, uint64_t budget_ns, uint64_t now_ns,
		 uint64_t *lease, replay_hits *hits)
{
	uint64_t begin_ns = replay_now_ns();
	uint64_t held;
	int status;

	*hits = (replay_hits){0};
	if (n == 0)
		return AIBRIX_OK;
	status = aibrix_cache_acquire(tiers->caches[pod], keys, n,
				      now_ns + budget_ns, now_ns, lease, &held);
	tiers->ns += replay_now_ns() - begin_ns;
	tiers->blocks += n;
	if (status == AIBRIX_E_AGAIN)
		return status;
	if (status != AIBRIX_OK)
		return replay_tiers_fail("reading the cache", status);
	return replay_tiers_take(tiers, pod, keys, *lease, held, hits);
}

int
replay_tiers_get(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		 uint64_t lease, replay_hits *hits)
{
	uint64_t held;
	int status = aibrix_cache_state(tiers->caches[pod], lease, &held);

	*hits = (replay_hits){0};
	if (status == AIBRIX_E_AGAIN)
		return status;
	if (status != AIBRIX_OK)
		return replay_tiers_fail("reading the cache", status);
	return replay_tiers_take(tiers, pod, keys, lease, held, hits);
}

int
replay_tiers_poll(replay_tiers *tiers, uint32_t pod, uint64_t now_ns)
{
	uint64_t begin_ns = replay_now_ns();
	uint64_t busy;
	int status = aibrix_cache_poll(tiers->caches[pod], now_ns, 0, &busy);

	tiers->ns += replay_now_ns() - begin_ns;
	return status == AIBRIX_OK
		       ? status
		       : replay_tiers_fail("polling the cache", status);
}

uint64_t
replay_tiers_wake(const replay_tiers *tiers, uint32_t pod)
{
	return tiers->links ? aibrix_store_wake(tiers->links[pod])
			    : AIBRIX_FOREVER;
}
