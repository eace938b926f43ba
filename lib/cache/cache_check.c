/*
 * The invariants of the cache, as one function that tests call after every
 * step.  Each is a sum that two independent places must agree on, so that a
 * lost or doubled reference shows at once and not when the pool runs dry.
 */

#include <string.h>

#include "cache/cache_internal.h"

static int
check_found(const aibrix_cache *cache, uint32_t slot)
{
	uint8_t state = slot_state(&cache->slots[slot]);
	uint32_t shown;
	aibrix_key key;

	if (state == SLOT_FREE || state == SLOT_LOOSE)
		return 1;
	key = aibrix__l1_key(cache, slot);
	if (aibrix__table_find(&cache->table, &key) != slot)
		return 0;
	return aibrix__table_run(&cache->table, &key, sizeof(key), 1, &shown) ==
	       (state == SLOT_READY);
}

/* What a slot's word says to those without the lock. */
static const char *
check_marks(const struct slot *s)
{
	const uint64_t word = slot_word(s);

	if (!(word & SLOT_KEPT) != !(s->leaving || s->left))
		return "victims are marked as such";
	if (s->aside && !(s->ordered && word_pins(word) && word & SLOT_LAST))
		return "what is aside is pinned, and its last pin is awaited";
	if (word & SLOT_LAST && word_state(word) == SLOT_READY && s->ordered &&
	    !s->aside)
		return "who has the last pin is not asked for in vain";
	return NULL;
}

static const char *
check_slots(const aibrix_cache *cache)
{
	uint64_t count[SLOT_STATES] = {0}, pinned = 0, queued = 0;
	uint64_t leaving = 0, left = 0, flushing = 0;
	aibrix_pool_stat pool = {.size = sizeof(pool)};
	const char *broken;
	const struct slot *s;

	for (uint32_t i = 0; i < cache->capacity; i++) {
		s = &cache->slots[i];
		count[slot_state(s)]++;
		pinned += slot_pins(s) != 0;
		queued += s->queued;
		leaving += s->leaving;
		left += s->left;
		flushing += s->flush;
		if ((s->ordered || s->queued || s->leaving || s->left ||
		     s->l2) &&
		    slot_state(s) != SLOT_READY)
			return "only READY slots are in an order or a queue";
		if (s->ordered + s->leaving + s->left > 1)
			return "a slot has one way to leave";
		if (slot_state(s) == SLOT_FREE
			    ? slot_pins(s) != 0
			    : !s->ordered && !s->leaving && !s->left &&
				      slot_pins(s) == 0)
			return "what has neither pins nor order is free";
		broken = check_marks(s);
		if (broken)
			return broken;
		if ((s->left && slot_pins(s)) ||
		    (s->queued && s->l2 != L2_ASKED))
			return "victims are unused, what waits is asked for";
		if (!check_found(cache, i))
			return "the table finds what is stored, and shows it "
			       "when it is whole";
	}
	for (uint32_t i = 0; i < SLOT_STATES; i++)
		if (count[i] != cache->count[i])
			return "counts of states are exact";
	if (pinned != cache->pinned || queued != cache->writes.count)
		return "counts of pins and of the queue are exact";
	if (leaving != cache->leaving || left != cache->left ||
	    flushing != cache->flushing)
		return "counts of victims and of a flush are exact";
	if (aibrix_pool_stats(cache->pool, &pool) ||
	    pool.taken != cache->capacity - count[SLOT_FREE])
		return "the pool gave what slots hold";
	return aibrix__tenants_check(cache);
}

static const char *
check_table(const aibrix_cache *cache)
{
	if (aibrix__table_count(&cache->table) !=
	    cache->count[SLOT_FILLING] + cache->count[SLOT_FETCHING] +
		    cache->count[SLOT_READY])
		return "the table has one entry per key";
	return NULL;
}

/* Slots that a lease refers to; NONE of them may be free. */
static const char *
check_lease(const aibrix_cache *cache, const struct lease *l, uint64_t *refs)
{
	const struct lease_block *b;

	if (l->removal && l->n)
		return "a removal holds nothing";
	for (uint64_t i = 0; i < l->n; i++) {
		b = &l->blocks[i];
		if (lease_state(l) != LEASE_WAITING && b->state < BLOCK_HELD)
			return "a settled lease holds all its blocks";
		switch (b->state) {
		case BLOCK_PINNED:
		case BLOCK_HELD:
		case BLOCK_OWN:
			if (slot_pins(&cache->slots[b->ref]) == 0)
				return "what a lease holds is pinned";
			++*refs;
			break;
		case BLOCK_PROBING:
		case BLOCK_FETCHING:
			if (cache->transfers[b->ref].block != i ||
			    cache->transfers[b->ref].lease !=
				    (uint32_t)(l - cache->leases))
				return "a transfer knows its block";
			break;
		default: break;
		}
	}
	return NULL;
}

/* Transfers on the free list have no slot. */
static const char *
check_refs(const aibrix_cache *cache)
{
	uint64_t refs = 0, pins = 0, held = 0, prefetch = 0;
	const char *broken;

	for (uint32_t i = 0; i < cache->capacity; i++)
		pins += slot_pins(&cache->slots[i]);
	for (uint32_t i = 0; i < cache->max_leases; i++) {
		if (lease_state(&cache->leases[i]) == LEASE_FREE)
			continue;
		held++;
		broken = check_lease(cache, &cache->leases[i], &refs);
		if (broken)
			return broken;
	}
	for (uint32_t i = 0; i < cache->max_transfers; i++)
		refs += cache->transfers[i].owner &&
			cache->transfers[i].slot != NONE;
	for (uint32_t i = 0; i < cache->max_leases; i++)
		if (lease_state(&cache->leases[i]) != LEASE_FREE &&
		    cache->leases[i].prefetch)
			prefetch += cache->leases[i].cap;
	if (prefetch != cache->prefetch_blocks)
		return "prefetches hold what was counted";
	if (refs != pins)
		return "pins are what leases and transfers hold";
	if (held != cache->leases_held ||
	    held + aibrix__leases_free_count(cache) != cache->max_leases)
		return "leases are held or free";
	return NULL;
}

/* Requests of L2 about a key that is being removed. */
static void
transfers_count(const aibrix_cache *cache, const struct gone *g,
		uint64_t *writes, uint64_t *own)
{
	const struct transfer *t;

	*writes = *own = 0;
	for (uint32_t i = 0; i < cache->max_transfers; i++) {
		t = &cache->transfers[i];
		if (t->owner && t->goal == GOAL_WRITE)
			*writes +=
				memcmp(&t->key, &g->key, sizeof(g->key)) == 0;
		*own += t->owner && t->goal == GOAL_REMOVE && t->gone == g;
	}
}

static const char *
check_removing(const aibrix_cache *cache)
{
	const struct removing *all = &cache->removing;
	uint64_t left = 0, queued = 0, blocked = 0, sent = 0, writes, own;

	for (const struct gone *g = all->first; g; g = g->after)
		queued++;
	for (const struct removal *r = all->all; r; r = r->next) {
		left += r->left;
		for (uint64_t i = 0; i < r->n; i++) {
			if (r->keys[i].status != AIBRIX_E_AGAIN)
				continue;
			transfers_count(cache, &r->keys[i], &writes, &own);
			if (r->keys[i].writes != writes || (writes && own))
				return "a removal waits for writes of its keys";
			blocked += writes != 0;
			sent += own;
		}
	}
	if (left != all->count || sent != all->sent ||
	    queued + blocked + sent != left)
		return "keys that go wait, are queued or are sent";
	return NULL;
}

const char *
aibrix__cache_check(aibrix_cache *cache)
{
	const char *broken;

	aibrix__cache_enter(cache);
	broken = check_slots(cache);
	if (!broken)
		broken = check_table(cache);
	if (!broken)
		broken = check_refs(cache);
	if (!broken)
		broken = check_removing(cache);
	aibrix__cache_leave(cache);
	return broken;
}
