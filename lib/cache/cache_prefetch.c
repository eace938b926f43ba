/*
 * Blocks that L1 is to have before they are asked for, and whether L1 keeps
 * what was asked for.
 *
 * A prefetch is a lease that nobody reads: what a lease does about holes,
 * deadlines and transfers that outlive it goes for it too.  It begins with the
 * last block that L1 has, as the parent of the next one, counts no hits,
 * and ends by itself.  Its shares of transfers and slots are bounded, since
 * what it holds cannot be evicted for those who wait.
 *
 * A block that was read from L2 once is no reason to evict others.  With
 * PROMOTE_USED it is made to leave as soon as it is in L1: when its reader is
 * done it is the next to go, unless another one has come for it.
 */

#include <aibrix/cache.h>

#include "cache/cache_internal.h"

enum { SHARE = 4 };

int
aibrix__prefetch_may(const aibrix_cache *cache, const struct lease *l)
{
	return !l->prefetch || cache->prefetching == 0 ||
	       cache->prefetching < cache->max_transfers / SHARE;
}

void
aibrix__promote(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];

	/* Found damaged by another reader, or removed. */
	if (slot_state(s) != SLOT_READY)
		return;
	if (cache->promote == AIBRIX_CACHE_PROMOTE_ALL) {
		aibrix__l1_order(cache, slot);
	} else if (!s->ordered && !s->leaving) {
		aibrix__ingest_leave(cache, slot);
	}
}

/* The allocator is not called under the lock. */
void
aibrix__prefetch_over(aibrix_cache *cache, struct lease *l)
{
	struct lease_block *blocks;
	struct dead *dead;
	uint64_t cap;

	/* One that is acquired may be another one by now. */
	if (lease_state(l) != LEASE_LOADED)
		return;
	blocks = aibrix__lease_end(cache, l, &cap);
	if (!blocks)
		return;
	_Static_assert(sizeof(*dead) <= sizeof(*blocks), "fits in its place");
	dead = (void *)blocks;
	*dead = (struct dead){cache->dead, cap};
	cache->dead = dead;
}

/* What it may hold besides those that are under way. */
static uint64_t
room_of(const aibrix_cache *cache)
{
	uint64_t max = cache->capacity / SHARE;

	max = max ? max : 1;
	return cache->prefetch_blocks < max ? max - cache->prefetch_blocks : 0;
}

int
aibrix__prefetch(aibrix_cache *cache, const aibrix_cache_request *r,
		 uint64_t *lease)
{
	const aibrix_key *keys = r->keys;
	const uint64_t n = r->n;
	struct expected *expected;
	struct lease_block *blocks;
	uint64_t have, want, room;
	struct lease *l;
	int err;

	if (!keys && n)
		return AIBRIX_E_INVAL;
	if (!cache->l2)
		return AIBRIX_E_UNSUPPORTED;
	have = aibrix__table_run(&cache->table, keys, sizeof(*keys), n, NULL);
	if (have == n || aibrix__keys_named(keys + have, 1) == 0) {
		*lease = 0;
		return AIBRIX_OK;
	}
	have -= have > 0; /* the parent of the first one */
	aibrix__cache_enter(cache);
	room = room_of(cache);
	aibrix__cache_leave(cache);
	if (room == 0)
		return AIBRIX_E_FULL;
	want = n - have < room ? n - have : room;
	err = aibrix__blocks_new(cache, keys + have, &want, &blocks);
	if (err)
		return err;
	err = aibrix__expected_new(cache, r, n - have, &expected);
	if (err) {
		aibrix__blocks_free(cache, blocks, want);
		return err;
	}

	aibrix__cache_enter(cache);
	l = NULL;
	if (want <= room_of(cache)) /* another thread may have taken it */
		l = aibrix__lease_take(cache, blocks, want);
	if (!l) {
		aibrix__cache_leave(cache);
		aibrix__blocks_free(cache, blocks, want);
		aibrix__expected_free(cache, expected, n - have);
		return AIBRIX_E_FULL;
	}
	l->prefetch = 1;
	l->expected = expected;
	l->asked = n - have;
	l->tenant = r->tenant;
	l->tail = r->tail_tokens;
	l->used = 0;
	cache->prefetch_blocks += l->cap;
	*lease = lease_id(l);
	if (aibrix__lease_ask(cache, l, r->deadline_ns, r->now_ns) ==
	    AIBRIX_OK) {
		*lease = 0;
		aibrix__prefetch_over(cache, l);
	}
	aibrix__cache_leave(cache);
	return AIBRIX_OK;
}
