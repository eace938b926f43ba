/*
 * Leases: what a caller holds of the cache.
 *
 *   acquire --> WAITING --> ACQUIRED --> release
 *         '------------------^
 *   reserve --> RESERVED --> commit, abort
 *
 * The prefix rule is lease_good(): the leading blocks that are held.  Every
 * path ends in lease_cut(lease, lease_good(lease)) or cuts earlier, so no
 * count of scattered successes can pass for a prefix.  (In AIBrix it can:
 * l2_cache.py, _mget_impl.)
 */

#include "cache/cache_internal.h"

#include <string.h>

void
aibrix__blocks_free(aibrix_cache *cache, struct lease_block *blocks, uint64_t n)
{
	if (blocks)
		aibrix__free(&cache->alloc, blocks, n, sizeof(*blocks));
}

void
aibrix__lease_close(aibrix_cache *cache)
{
	for (uint32_t i = 0; cache->leases && i < cache->max_leases; i++) {
		aibrix__blocks_free(cache, cache->leases[i].blocks,
				    cache->leases[i].cap);
		aibrix__expected_free(cache, cache->leases[i].expected,
				      cache->leases[i].asked);
	}
	aibrix__free(&cache->alloc, cache->leases, cache->max_leases,
		     sizeof(*cache->leases));
	aibrix__free(&cache->alloc, cache->lease_links, cache->max_leases,
		     sizeof(*cache->lease_links));
}

static inline int
key_is_none(const aibrix_key *key)
{
	uint64_t half[2];

	memcpy(half, key, sizeof(half));
	return (half[0] | half[1]) == 0;
}

uint64_t
aibrix__keys_named(const aibrix_key *keys, uint64_t n)
{
	uint64_t i = 0;

	while (i < n && !key_is_none(&keys[i]))
		i++;
	return i;
}

/* Up to the first zero key; how many. */
static uint64_t
blocks_fill(struct lease_block *blocks, const aibrix_key *keys, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n && !key_is_none(&keys[i]); i++) {
		memset(&blocks[i], 0, sizeof(blocks[i]));
		blocks[i].key = keys[i];
	}
	return i;
}

int
aibrix__blocks_new(aibrix_cache *cache, const aibrix_key *keys, uint64_t *n,
		   struct lease_block **out)
{
	uint64_t want = *n < cache->capacity ? *n : cache->capacity, use = 0;
	struct lease_block *blocks = NULL;

	if (!keys && *n)
		return AIBRIX_E_INVAL;
	/* Twice where a zero key cuts it, which is hardly ever. */
	while (want) {
		blocks =
			aibrix__alloc_raw(&cache->alloc, want, sizeof(*blocks));
		if (!blocks)
			return AIBRIX_E_NOMEM;
		use = blocks_fill(blocks, keys, want);
		if (use == want)
			break;
		aibrix__blocks_free(cache, blocks, want);
		blocks = NULL;
		want = use;
	}
	*out = blocks;
	*n = want;
	return AIBRIX_OK;
}

/* A stack of free leases.  Its head counts its changes, so that one that was
 * taken and given back meanwhile does not pass for unchanged. */
static void
free_push(aibrix_cache *cache, struct lease *l)
{
	uint64_t head =
		atomic_load_explicit(&cache->leases_free, memory_order_relaxed);
	uint64_t after;

	do {
		atomic_store_explicit(&l->below, (uint32_t)head,
				      memory_order_relaxed);
		after = ((head >> 32) + 1) << 32 |
			(uint32_t)(l - cache->leases);
	} while (!atomic_compare_exchange_weak_explicit(
		&cache->leases_free, &head, after, memory_order_release,
		memory_order_relaxed));
}

int
aibrix__lease_open(aibrix_cache *cache, uint32_t max_leases)
{
	cache->lease_bits = 1;
	while (cache->lease_bits < 32 && max_leases >> cache->lease_bits)
		cache->lease_bits++;
	cache->max_leases = max_leases;
	cache->leases = aibrix__alloc(&cache->alloc, max_leases,
				      sizeof(*cache->leases));
	cache->lease_links = aibrix__alloc(&cache->alloc, max_leases,
					   sizeof(*cache->lease_links));
	if (!cache->leases || !cache->lease_links)
		return AIBRIX_E_NOMEM;
	atomic_init(&cache->leases_free, NONE);
	atomic_init(&cache->hits_noted, NONE);
	for (uint32_t i = 0; i < max_leases; i++)
		atomic_init(&cache->leases[i].id,
			    ((uint64_t)1 << cache->lease_bits) | i);
	for (uint32_t i = max_leases; i-- > 0;)
		free_push(cache, &cache->leases[i]);
	return AIBRIX_OK;
}

static struct lease *
free_pop(aibrix_cache *cache)
{
	uint64_t head =
		atomic_load_explicit(&cache->leases_free, memory_order_acquire);
	uint64_t after;

	do {
		if ((uint32_t)head == NONE)
			return NULL;
		after = ((head >> 32) + 1) << 32 |
			atomic_load_explicit(
				&cache->leases[(uint32_t)head].below,
				memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		&cache->leases_free, &head, after, memory_order_acquire,
		memory_order_acquire));
	return &cache->leases[(uint32_t)head];
}

uint64_t
aibrix__leases_free_count(const aibrix_cache *cache)
{
	uint32_t i = (uint32_t)atomic_load(&cache->leases_free);
	uint64_t n = 0;

	for (; i != NONE; i = atomic_load(&cache->leases[i].below))
		n++;
	return n;
}

struct lease *
aibrix__lease_take(aibrix_cache *cache, struct lease_block *blocks, uint64_t n)
{
	const size_t body = offsetof(struct lease, n);
	struct lease *l = free_pop(cache);

	if (!l)
		return NULL;
	memset((char *)l + body, 0, sizeof(*l) - body);
	l->n = l->cap = l->used = n;
	l->blocks = blocks;
	atomic_store_explicit(&l->damaged, NONE_DAMAGED, memory_order_relaxed);
	lease_set(l, LEASE_BUSY);
	atomic_fetch_add_explicit(&cache->leases_held, 1, memory_order_relaxed);
	aibrix__meter_leases(cache, 1);
	return l;
}

/* Its blocks are let go; the caller frees them. */
static struct lease_block *
lease_put(aibrix_cache *cache, struct lease *l, uint64_t *cap)
{
	struct lease_block *blocks = l->blocks;
	uint64_t step = (uint64_t)1 << cache->lease_bits;

	*cap = l->cap;
	l->blocks = NULL;
	l->cap = 0;
	atomic_store_explicit(&l->id, lease_id(l) + step, memory_order_release);
	lease_set(l, LEASE_FREE);
	atomic_fetch_sub_explicit(&cache->leases_held, 1, memory_order_relaxed);
	aibrix__meter_leases(cache, (uint64_t)-1);
	free_push(cache, l);
	return blocks;
}

static struct lease *
lease_at(const aibrix_cache *cache, uint64_t id)
{
	uint64_t i = id & (((uint64_t)1 << cache->lease_bits) - 1);

	return i < cache->max_leases ? &cache->leases[i] : NULL;
}

struct lease *
aibrix__lease_find(const aibrix_cache *cache, uint64_t id)
{
	struct lease *l = lease_at(cache, id);
	uint32_t state;

	if (!l || lease_id(l) != id)
		return NULL;
	state = lease_state(l);
	return state == LEASE_FREE || state == LEASE_ENDED ? NULL : l;
}

struct lease *
aibrix__lease_enter(aibrix_cache *cache, uint64_t id)
{
	struct lease *l = lease_at(cache, id);
	uint32_t word;

	if (!l)
		return NULL;
	word = atomic_load_explicit(&l->word, memory_order_relaxed);
	do {
		if ((word & LEASE_STATE) != LEASE_ACQUIRED)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(
		&l->word, &word, word + LEASE_USER, memory_order_acquire,
		memory_order_relaxed));
	/* It cannot become another one from here on. */
	if (lease_id(l) == id)
		return l;
	aibrix__lease_leave(cache, l);
	return NULL;
}

uint64_t
aibrix__lease_good(struct lease *l)
{
	while (l->good < l->n && l->blocks[l->good].state >= BLOCK_HELD)
		l->good++;
	return l->good;
}

static void
block_let_go(aibrix_cache *cache, struct lease_block *b)
{
	uint32_t ref = b->ref;

	switch (b->state) {
	case BLOCK_OWN:
		/* Unless it was removed already. */
		if (slot_state(&cache->slots[ref]) != SLOT_LOOSE)
			aibrix__l1_drop(cache, ref);
		aibrix__l1_unpin(cache, ref);
		break;
	case BLOCK_PINNED:
	case BLOCK_HELD: aibrix__l1_unpin(cache, ref); break;
	case BLOCK_PROBING:
	case BLOCK_FETCHING: aibrix__l2_detach(cache, ref); break;
	default: break;
	}
	b->state = BLOCK_WANTED;
}

/* Last block first: what the order had put aside for its pins comes back as
 * used, and parents must be the more recent ones. */
void
aibrix__lease_cut(aibrix_cache *cache, struct lease *l, uint64_t at)
{
	uint64_t rest = at > l->used ? at : l->used;

	if (l->n > rest)
		l->n = rest;
	while (l->n > at)
		block_let_go(cache, &l->blocks[--l->n]);
	if (l->good > at)
		l->good = at;
}

void
aibrix__lease_fail(aibrix_cache *cache, struct lease *l, uint64_t at, int why)
{
	if (at < l->n)
		l->why = why;
	aibrix__lease_cut(cache, l, at);
}

/* Ends a lease; the caller frees the blocks when the lock is released. */
struct lease_block *
aibrix__lease_end(aibrix_cache *cache, struct lease *l, uint64_t *cap)
{
	aibrix__lease_cut(cache, l, 0);
	if (l->prefetch)
		cache->prefetch_blocks -= l->cap;
	if (l->removal)
		aibrix__remove_released(cache, l->removal);
	l->removal = NULL;
	if (lease_state(l) == LEASE_WAITING) {
		if (!l->prefetch)
			aibrix__meter_given_up(cache, l);
		aibrix__budget_close(cache, l, 1);
		list_remove(&cache->leases_waiting, cache->lease_links,
			    (uint32_t)(l - cache->leases));
		aibrix__wait_settled(cache);
	}
	aibrix__expected_drop(cache, l);
	return lease_put(cache, l, cap);
}

/* What needs no lock: nearly all pins.  How many are left. */
static uint64_t
pins_give(aibrix_cache *cache, struct lease *l)
{
	uint64_t left = 0, last = 0;
	uint64_t word;

	for (uint64_t i = l->n; i-- > 0;) {
		struct lease_block *b = &l->blocks[i];

		if (!slot_unpin(&cache->slots[b->ref], &word)) {
			left++;
			continue;
		}
		b->state = BLOCK_WANTED;
		last += word_pins(word) == 1;
	}
	atomic_fetch_sub_explicit(&cache->pinned, last, memory_order_relaxed);
	return left;
}

/* Released, and nobody uses it.  Hits that it noted need its blocks. */
static void
lease_finish(aibrix_cache *cache, struct lease *l)
{
	int noted = atomic_load_explicit(&l->noted, memory_order_acquire) != 0;
	struct expected *expected = l->expected;
	const uint64_t asked = l->asked;
	struct lease_block *blocks;
	uint64_t cap;

	if (noted) {
		aibrix__cache_enter(cache);
		aibrix__cache_leave(cache);
	}
	if (pins_give(cache, l)) {
		aibrix__cache_enter(cache);
		aibrix__lease_cut(cache, l, 0);
		aibrix__cache_leave(cache);
	}
	l->expected = NULL;
	blocks = lease_put(cache, l, &cap);
	aibrix__blocks_free(cache, blocks, cap);
	aibrix__expected_free(cache, expected, asked);
}

void
aibrix__lease_leave(aibrix_cache *cache, struct lease *l)
{
	uint32_t word = atomic_fetch_sub_explicit(&l->word, LEASE_USER,
						  memory_order_acq_rel);

	if (word == (LEASE_USER | LEASE_ENDED))
		lease_finish(cache, l);
}

int
aibrix__lease_release(aibrix_cache *cache, struct lease *l)
{
	uint32_t word = atomic_load_explicit(&l->word, memory_order_relaxed);
	uint32_t after;

	do {
		if ((word & LEASE_STATE) == LEASE_ENDED) {
			aibrix__lease_leave(cache, l);
			return AIBRIX_E_NOT_FOUND;
		}
		after = ((word - LEASE_USER) & ~(uint32_t)LEASE_STATE) |
			LEASE_ENDED;
	} while (!atomic_compare_exchange_weak_explicit(&l->word, &word, after,
							memory_order_acq_rel,
							memory_order_relaxed));
	if (after == LEASE_ENDED)
		lease_finish(cache, l);
	return AIBRIX_OK;
}

void
aibrix__lease_settle(aibrix_cache *cache, struct lease *l)
{
	aibrix_cache_tenant_stat *of = &cache->tenants[l->tenant].stat;
	const uint64_t before = cache->stat.hits_l1;
	struct lease_block *b;

	aibrix__lease_cut(cache, l, aibrix__lease_good(l));
	for (uint64_t i = l->n; i-- > 0;) {
		b = &l->blocks[i];
		if (l->prefetch) {
			if (b->tier == AIBRIX_CACHE_L2 &&
			    slot_state(&cache->slots[b->ref]) == SLOT_READY)
				aibrix__l1_order(cache, b->ref);
			cache->stat.prefetched += b->tier == AIBRIX_CACHE_L2;
		} else if (b->tier == AIBRIX_CACHE_L1) {
			aibrix__l1_touch(cache, b->ref);
			aibrix__ingest_hit(cache, b->ref);
			cache->stat.hits_l1++;
			of->hits_l1++;
		} else {
			aibrix__promote(cache, b->ref);
			cache->stat.hits_l2++;
			of->hits_l2++;
		}
	}
	if (!l->prefetch)
		aibrix__meter_acquired(cache, l, cache->stat.hits_l1 - before);
	if (lease_state(l) == LEASE_WAITING) {
		aibrix__budget_close(cache, l, 0);
		list_remove(&cache->leases_waiting, cache->lease_links,
			    (uint32_t)(l - cache->leases));
		aibrix__wait_settled(cache);
	}
	lease_set(l, l->prefetch ? LEASE_LOADED : LEASE_ACQUIRED);
}
