/*
 * What L2 is given, and when.
 *
 *   ALL      commit ------------------------------> queue --> L2
 *   HOT      acquire, the n-th time --------------> queue --> L2
 *   EVICTED  order --> leaving --> queue --> L2 --> left --> reused
 *                         | used meanwhile            | used meanwhile
 *                         '--> order                  '--> order
 *
 * A block of L2 is worth nothing without those before it.  So nothing is
 * queued alone: the blocks before it that L2 was not given go first, as far
 * back as L1 has them.  A victim, which is a leaf, so takes its chain along;
 * the chain stays in L1 and need not be written when its turn comes.
 *
 * A victim's memory is wanted at once, and L2 is slow: so victims are chosen
 * ahead of need, and while they are written, and afterwards until somebody
 * needs their memory, they are blocks like others.  L1 is as large as
 * before, and a commit does not wait for L2.  What is needed sooner than L2
 * takes it is reused unwritten, and counted.
 *
 * All this is a queue of slots that whoever holds the lock drains; no request
 * is made while an order is changed.  (AIBrix calls back under its lock, and a
 * hit waits for a put: eviction_policy, cache_manager.py.)
 */

#include <string.h>

#include "cache/cache_internal.h"

int
aibrix__writes_wanted(const aibrix_cache *cache)
{
	return cache->l2 && !(cache->flags & AIBRIX_CACHE_NO_L2_WRITE);
}

/* The slot of the block before, as far as L1 has it whole. */
static uint32_t
parent_of(const aibrix_cache *cache, uint32_t slot)
{
	uint32_t parent = cache->slots[slot].parent;
	aibrix_key key;

	if (parent == NONE || slot_state(&cache->slots[parent]) != SLOT_READY)
		return NONE;
	/* The slot may have another block by now. */
	key = aibrix__l1_key(cache, parent);
	if (memcmp(&key, &cache->origins[slot].parent, sizeof(key)) != 0)
		return NONE;
	return parent;
}

/* When L2 takes nothing, no chain is offered again with each of its
 * blocks. */
void
aibrix__ingest_chain(aibrix_cache *cache, uint32_t slot)
{
	struct list chain = {0};
	uint32_t at = slot;
	struct slot *s;

	while (at != NONE && cache->slots[at].l2 < L2_ASKED) {
		s = &cache->slots[at];
		s->l2 = L2_ASKED;
		if (s->left) {
			aibrix__ingest_stay(cache, at);
			aibrix__ingest_leave(cache, at);
		}
		list_prepend(&chain, cache->write_links, at);
		at = cache->lost ? NONE : parent_of(cache, at);
	}
	while ((at = list_pop(&chain, cache->write_links)) != NONE)
		aibrix__l2_queue(cache, at);
}

void
aibrix__ingest_commit(aibrix_cache *cache, uint32_t slot)
{
	if (aibrix__writes_wanted(cache) &&
	    cache->ingest == AIBRIX_CACHE_INGEST_ALL)
		aibrix__ingest_chain(cache, slot);
}

/* Its chain grows.  While L2 takes nothing, it is not asked each time; and
 * another reader may have found the block damaged. */
void
aibrix__ingest_again(aibrix_cache *cache, uint32_t slot)
{
	if (!cache->lost && slot_state(&cache->slots[slot]) == SLOT_READY)
		aibrix__ingest_commit(cache, slot);
}

void
aibrix__ingest_hit(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];

	/* Another reader may have found it damaged. */
	if (!aibrix__writes_wanted(cache) || slot_state(s) != SLOT_READY ||
	    cache->ingest != AIBRIX_CACHE_INGEST_HOT || s->l2 >= L2_ASKED)
		return;
	s->l2++;
	if (s->l2 >= cache->hot_hits)
		aibrix__ingest_chain(cache, slot);
}

void
aibrix__ingest_ahead(aibrix_cache *cache)
{
	struct tenant *from;
	uint32_t slot;

	while (cache->count[SLOT_FREE] + cache->left + cache->leaving <
		       cache->ahead &&
	       (from = aibrix__tenant_next(cache)) &&
	       aibrix_evict_pop(from->evict, &slot) == AIBRIX_OK) {
		cache->slots[slot].ordered = 0;
		/* A reader has come since the order asked. */
		if (!slot_mark_if(&cache->slots[slot], SLOT_KEPT, 0)) {
			aibrix__l1_back(cache, slot);
			continue;
		}
		aibrix__ingest_leave(cache, slot);
		aibrix__ingest_chain(cache, slot);
		if (cache->slots[slot].l2 == L2_HAS)
			aibrix__ingest_left(cache, slot);
	}
}

void
aibrix__ingest_leave(aibrix_cache *cache, uint32_t slot)
{
	slot_mark(&cache->slots[slot], SLOT_KEPT);
	cache->slots[slot].leaving = 1;
	cache->leaving++;
	tenant_of(cache, slot)->leaving++;
}

void
aibrix__ingest_left(aibrix_cache *cache, uint32_t slot)
{
	struct tenant *t = tenant_of(cache, slot);

	cache->slots[slot].leaving = 0;
	cache->leaving--;
	t->leaving--;
	cache->slots[slot].left = 1;
	cache->left++;
	list_append(&t->left, cache->write_links, slot);
}

void
aibrix__ingest_stay(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	struct tenant *t = tenant_of(cache, slot);

	if (!s->leaving && !s->left)
		return;
	/* In no order now: its last reader puts it there. */
	slot_mark(s, SLOT_LAST);
	slot_unmark(s, SLOT_KEPT);
	cache->leaving -= s->leaving;
	t->leaving -= s->leaving;
	cache->left -= s->left;
	if (s->left)
		list_remove(&t->left, cache->write_links, slot);
	s->leaving = 0;
	s->left = 0;
}

/* A victim that waits for its turn, the last to have one; NONE. */
static uint32_t
waiting_victim(const aibrix_cache *cache, const struct tenant *from)
{
	uint32_t i = from->leaving && cache->writes.count ? cache->writes.tail
							  : NONE;

	while (i != NONE &&
	       !(cache->slots[i].leaving && tenant_of(cache, i) == from))
		i = cache->write_links[i].prev;
	return i;
}

int
aibrix__ingest_waits(const aibrix_cache *cache, const struct tenant *from)
{
	return waiting_victim(cache, from) != NONE;
}

uint32_t
aibrix__ingest_victim(aibrix_cache *cache, struct tenant *from)
{
	uint32_t slot = NONE;

	if (from->left.count)
		return from->left.head;
	if (aibrix_evict_pop(from->evict, &slot) == AIBRIX_OK)
		cache->slots[slot].ordered = 0;
	else
		slot = waiting_victim(cache, from);
	return slot;
}

/* L2 was asked whether it has the block, and has not answered. */
static int
question_waits(const aibrix_cache *cache, const struct slot *s)
{
	return s->l2 == L2_ASKED && !s->queued && !s->probed &&
	       cache->flags & AIBRIX_CACHE_PROBE_FIRST;
}

void
aibrix__ingest_forget(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];

	/* A put that is on its way tells by itself what it came to. */
	if (s->queued || question_waits(cache, s))
		cache->stat.l2_refused++;
	if (s->queued)
		aibrix__l2_unqueue(cache, slot);
	aibrix__ingest_stay(cache, slot);
	aibrix__flush_settle(cache, slot, 0);
	s->probed = 0;
	s->l2 = 0;
}
