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
}

static void
flush_mark(aibrix_cache *cache)
{
	struct slot *s;

	for (uint32_t i = 0; i < cache->capacity; i++) {
		s = &cache->slots[i];
		if (s->state != SLOT_READY || s->l2 == L2_HAS)
			continue;
		if (s->l2 < L2_ASKED)
			aibrix__ingest_chain(cache, i);
		cache->flushing += !s->flush;
		s->flush = 1;
	}
}

/* How many blocks are not in L2, of those that may still come there (*wait)
 * and all. */
static uint64_t
flush_left(aibrix_cache *cache, uint64_t lost_before, uint32_t *wait)
{
	uint64_t left;

	aibrix__cache_enter(cache);
	*wait = cache->flushing;
	left = cache->unflushed - lost_before + *wait;
	aibrix__cache_leave(cache);
	return left;
}

/* The time when the last poll ended: never before now. */
static uint64_t
time_after(aibrix_cache *cache, uint64_t now_ns)
{
	uint64_t now;

	aibrix__cache_enter(cache);
	now = cache->now_ns;
	aibrix__cache_leave(cache);
	return now > now_ns ? now : now_ns;
}

int
aibrix_cache_flush(aibrix_cache *cache, uint64_t deadline_ns, uint64_t now_ns,
		   uint64_t *left)
{
	uint64_t before, busy;
	uint32_t wait;
	int err;

	if (!cache || !left)
		return AIBRIX_E_INVAL;
	if (!aibrix__writes_wanted(cache))
		return AIBRIX_E_UNSUPPORTED;
	aibrix__cache_enter(cache);
	before = cache->unflushed;
	flush_mark(cache);
	aibrix__cache_leave(cache);

	err = aibrix_cache_poll(cache, now_ns, 0, &busy);
	*left = flush_left(cache, before, &wait);
	while (!err && wait && now_ns < deadline_ns) {
		err = aibrix_cache_poll(cache, now_ns, deadline_ns - now_ns,
					&busy);
		now_ns = time_after(cache, now_ns);
		*left = flush_left(cache, before, &wait);
	}
	if (err || *left == 0)
		return err;
	return wait ? AIBRIX_E_TIMEOUT : AIBRIX_E_UNAVAILABLE;
}
