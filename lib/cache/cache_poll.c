/*
 * Completions.
 *
 * A store may serve several caches of one thread, and poll hands out
 * whatever has ended.  So a completion is given to the cache that its
 * transfer names, and that cache goes on at its own next poll.
 *
 * The store is given back before payloads are summed.  Two threads may sum
 * at the same time, each the values that it has taken.
 */

#include "cache/cache_batch.h"

enum { DONES = 64 };

static uint32_t
inflight(const aibrix_cache *cache)
{
	return cache->max_transfers - cache->transfers_free.count;
}

uint64_t
aibrix__l2_work(const aibrix_cache *cache)
{
	return (uint64_t)inflight(cache) + cache->writes.count +
	       aibrix__remove_waiting(cache);
}

static aibrix_cache *
done_owner(const aibrix_done *done)
{
	return ((const struct transfer *)(uintptr_t)done->tag)->owner;
}

/* Completions of one cache.  Values are looked at without its lock: what they
 * arrived in is their transfers'. */
static void
dones_apply(aibrix_cache *owner, const aibrix_done *dones, uint32_t n)
{
	struct verified verified[DONES];
	uint8_t wanted[DONES];

	aibrix__cache_enter(owner);
	for (uint32_t i = 0; i < n; i++)
		wanted[i] = (uint8_t)aibrix__l2_wanted(&dones[i]);
	aibrix__cache_unlock(owner);
	for (uint32_t i = 0; i < n; i++) {
		verified[i] = (struct verified){.status = AIBRIX_E_CANCELED};
		if (wanted[i])
			aibrix__l2_verify(&dones[i], &verified[i]);
	}
	aibrix__cache_enter(owner);
	for (uint32_t i = 0; i < n; i++)
		aibrix__l2_done(&dones[i], &verified[i]);
	aibrix__cache_unlock(owner);
}

static void
dones_hand_out(const aibrix_done *dones, uint32_t n)
{
	for (uint32_t i = 0, end; i < n; i = end) {
		aibrix_cache *owner = done_owner(&dones[i]);

		for (end = i + 1; end < n && done_owner(&dones[end]) == owner;)
			end++;
		dones_apply(owner, &dones[i], end - i);
	}
}

/* Take what has ended, waiting for the first; *n becomes how many.  An error
 * is one of the call, not of a transfer.  The lock is held, and released. */
static int
dones_take(aibrix_cache *cache, uint64_t now_ns, uint64_t timeout_ns,
	   uint32_t *n)
{
	aibrix_done dones[DONES];
	uint64_t wake_ns;
	int err;

	*n = 0;
	if (!aibrix__store_take(cache))
		return AIBRIX_OK;
	aibrix__cache_unlock(cache);
	err = aibrix_store_poll(cache->l2, dones, DONES, now_ns, timeout_ns, n);
	wake_ns = aibrix__wait_ask(cache);
	aibrix__cache_enter(cache);
	aibrix__wait_tell(cache, wake_ns);
	aibrix__store_give(cache);
	if (err) {
		*n = 0;
		return err;
	}
	/* What others wanted meanwhile, before the summing. */
	if (cache->stirred)
		aibrix__l2_drive(cache, 0, NULL, now_ns);
	if (*n) {
		aibrix__cache_unlock(cache);
		dones_hand_out(dones, *n);
		aibrix__cache_enter(cache);
	}
	return AIBRIX_OK;
}

static void
dones_take_all(aibrix_cache *cache)
{
	uint32_t n;

	do {
		if (dones_take(cache, cache->now_ns, 0, &n))
			cache->stat.l2_errors++;
	} while (n == DONES);
}

void
aibrix__l2_round(aibrix_cache *cache, uint64_t now_ns)
{
	if (now_ns > cache->now_ns)
		cache->now_ns = now_ns;
	/* What has arrived counts, however late it is looked at. */
	if (now_ns >= cache->wait.late_ns)
		dones_take_all(cache);
	aibrix__wait_late(cache, now_ns);
	aibrix__l2_drive(cache, DRIVE_ALL, NULL, now_ns);
	dones_take_all(cache);
	aibrix__l2_drive(cache, DRIVE_ALL, NULL, now_ns);
}

int
aibrix_cache_poll(aibrix_cache *cache, uint64_t now_ns, uint64_t timeout_ns,
		  uint64_t *busy)
{
	struct waiting *w;
	struct sleep sleep;

	if (!cache || !busy)
		return AIBRIX_E_INVAL;
	w = &cache->wait;
	aibrix__sleep_begin(cache, &sleep, now_ns, timeout_ns);
	aibrix__wait_noted(cache);
	aibrix__cache_enter(cache);
	while (cache->l2) {
		aibrix__l2_round(cache, sleep.now_ns);
		/* Another cache's poll, or another thread's, may have ended
		 * what this one would wait for. */
		if (w->ended != w->polled || aibrix__sleep_over(&sleep) ||
		    (!aibrix__l2_work(cache) && !cache->leases_waiting.count))
			break;
		aibrix__sleep_nap(cache, &sleep, &w->pollers);
	}
	w->polled = w->ended;
	w->told = w->settled;
	aibrix__sleep_end(cache);
	*busy = aibrix__l2_work(cache);
	aibrix__cache_leave(cache);
	return AIBRIX_OK;
}

/* Detached fetches are cancelled already. */
static void
probes_cancel(aibrix_cache *cache)
{
	struct transfer *t;

	for (uint32_t i = 0; i < cache->max_transfers; i++) {
		t = &cache->transfers[i];
		if (!t->owner || t->op != AIBRIX_STORE_PROBE || t->doomed)
			continue;
		t->doomed = 1;
		list_append(&cache->cancels, cache->transfer_links, i);
	}
}

/* Nobody waits for reads any more; writes that have begun are worth their
 * while.  When the store says that the time is over, it is: so requests
 * without an answer run into the store's own deadline. */
int
aibrix__l2_drain(aibrix_cache *cache)
{
	enum { SECOND_NS = 1000000000 };
	uint32_t n;
	int err = AIBRIX_OK;

	aibrix__cache_enter(cache);
	for (uint32_t i = 0; i < cache->max_leases; i++)
		if (lease_state(&cache->leases[i]) != LEASE_FREE)
			aibrix__lease_cut(cache, &cache->leases[i], 0);
	probes_cancel(cache);
	cache->stirred = 0;
	aibrix__l2_drive(cache, DRIVE_WRITES, NULL, 0); /* one turn of them */
	do {
		cache->stirred = 0; /* no new writes */
		aibrix__l2_drive(cache, 0, NULL, 0);
		if (!inflight(cache))
			break;
		err = dones_take(cache, cache->now_ns, SECOND_NS, &n);
		if (n == 0 && cache->now_ns < AIBRIX_FOREVER - SECOND_NS)
			cache->now_ns += SECOND_NS;
	} while (!err);
	aibrix__cache_unlock(cache);
	return !err;
}
