/*
 * Waiting until L2 has what L1 has.
 *
 * Every slot that is not known to be in L2 is queued and marked.  A mark goes
 * when its write has ended, and is counted when that came to nothing; so
 * commits that come meanwhile prolong no flush, and one that runs into its
 * deadline leaves marks that go by themselves.
 */

#include <aibrix/cache.h>

#include "cache/cache_internal.h"

void
aibrix__flush_settle(aibrix_cache *cache, uint32_t slot, int taken)
{
	struct slot *s = &cache->slots[slot];

	if (!s->flush)
		return;
	s->flush = 0;
	cache->flushing--;
	cache->unflushed += !taken;
	if (!cache->flushing)
		aibrix__wait_flushed(cache);
}

static void
flush_mark(aibrix_cache *cache)
{
	struct slot *s;

	for (uint32_t i = 0; i < cache->capacity; i++) {
		s = &cache->slots[i];
		if (slot_state(s) != SLOT_READY || s->l2 == L2_HAS)
			continue;
		if (s->l2 < L2_ASKED)
			aibrix__ingest_chain(cache, i);
		cache->flushing += !s->flush;
		s->flush = 1;
	}
}

int
aibrix_cache_flush(aibrix_cache *cache, uint64_t deadline_ns, uint64_t now_ns,
		   uint64_t *left)
{
	uint64_t before, wait;
	struct sleep sleep;

	if (!cache || !left)
		return AIBRIX_E_INVAL;
	if (!aibrix__writes_wanted(cache))
		return AIBRIX_E_UNSUPPORTED;
	aibrix__sleep_begin(cache, &sleep, now_ns,
			    deadline_ns > now_ns ? deadline_ns - now_ns : 0);
	aibrix__cache_enter(cache);
	before = cache->unflushed;
	flush_mark(cache);
	for (;;) {
		aibrix__l2_round(cache, sleep.now_ns);
		if (!cache->flushing || aibrix__sleep_over(&sleep))
			break;
		aibrix__sleep_nap(cache, &sleep, &cache->wait.pollers);
	}
	/* Those that may still come there, and all that are not there. */
	wait = cache->flushing;
	*left = cache->unflushed - before + wait;
	aibrix__sleep_end(cache);
	aibrix__cache_leave(cache);
	if (*left == 0)
		return AIBRIX_OK;
	return wait ? AIBRIX_E_TIMEOUT : AIBRIX_E_UNAVAILABLE;
}
