/*
 * L1: slots of the pool, found by key.
 *
 *   key --> bucket {slot, tag} --> slot {key, state, pins, checksum}
 *                                    |
 *                                    v
 *                                  payload in the pool
 *
 * All tables are made with the cache: nothing here allocates later.  The
 * table is open addressing with at most half of its buckets used; removal
 * shifts the run back, so there are no tombstones and a miss stays cheap
 * however long the cache lives.
 *
 * A slot is in the eviction order from the settling of the lease that
 * brought it, not from its publication: blocks of L2 arrive in any order, and
 * the order wants chains last block first.  Until then the lease's pin keeps
 * it.
 */

#include "cache/cache_internal.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/rand.h"

enum { PAGE = 4096, LINE = 64 };

static const aibrix_key no_key;

static int
l1_tables(aibrix_cache *cache)
{
	size_t n = 2;

	while (n < 2 * (size_t)cache->capacity)
		n *= 2;
	cache->mask = (uint32_t)(n - 1);
	cache->slots = aibrix__alloc(&cache->alloc, cache->capacity,
				     sizeof(*cache->slots));
	cache->buckets =
		aibrix__alloc(&cache->alloc, n, sizeof(*cache->buckets));
	if (!cache->slots || !cache->buckets)
		return AIBRIX_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		cache->buckets[i].slot = NONE;
	cache->count[SLOT_FREE] = cache->capacity;
	return AIBRIX_OK;
}

int
aibrix__l1_open(aibrix_cache *cache, uint64_t l1_bytes)
{
	aibrix_pool_opts pool = {.size = sizeof(pool),
				 .slot_bytes = cache->block_bytes,
				 .align = PAGE,
				 .alloc = &cache->alloc};
	aibrix_evict_opts evict = {.size = sizeof(evict),
				   .policy = cache->policy,
				   .alloc = &cache->alloc};
	int err;

	/* Half a table's buckets are numbered with 32 bits. */
	if (l1_bytes / cache->block_bytes > INT32_MAX)
		return AIBRIX_E_INVAL;
	cache->capacity = (uint32_t)(l1_bytes / cache->block_bytes);
	if (cache->capacity == 0)
		return AIBRIX_E_INVAL;
	/* A page for direct I/O, but not for each of many small blocks. */
	if (cache->block_bytes < PAGE)
		pool.align = LINE;
	pool.slots = cache->capacity;
	evict.capacity = cache->capacity;

	err = aibrix_evict_new(&evict, &cache->evict);
	if (!err)
		err = aibrix_pool_new(&pool, &cache->pool);
	if (!err)
		err = l1_tables(cache);
	return err;
}

void
aibrix__l1_close(aibrix_cache *cache)
{
	aibrix__free(&cache->alloc, cache->buckets, (size_t)cache->mask + 1,
		     sizeof(*cache->buckets));
	aibrix__free(&cache->alloc, cache->slots, cache->capacity,
		     sizeof(*cache->slots));
	aibrix_pool_free(cache->pool);
	aibrix_evict_free(cache->evict);
}

/* Keys are hashes already, but of several algorithms, and in some of them a
 * prompt's owner has a say: all bytes count. */
static uint64_t
key_mix(const aibrix_key *key)
{
	uint64_t half[2];

	memcpy(half, key->bytes, sizeof(half));
	return mix64(half[0] ^ mix64(half[1] + 0x9e3779b97f4a7c15u));
}

static uint32_t
bucket_home(const aibrix_cache *cache, uint64_t mix)
{
	return (uint32_t)mix & cache->mask;
}

/* The key's bucket, or the empty one where it would go. */
static uint32_t
bucket_find(const aibrix_cache *cache, const aibrix_key *key)
{
	uint64_t mix = key_mix(key);
	uint32_t tag = (uint32_t)(mix >> 32);
	uint32_t i = bucket_home(cache, mix);
	const struct bucket *b;

	for (;; i = (i + 1) & cache->mask) {
		b = &cache->buckets[i];
		if (b->slot == NONE)
			return i;
		if (b->tag == tag &&
		    memcmp(&cache->slots[b->slot].key, key, sizeof(*key)) == 0)
			return i;
	}
}

uint32_t
aibrix__l1_find(const aibrix_cache *cache, const aibrix_key *key)
{
	return cache->buckets[bucket_find(cache, key)].slot;
}

static void
table_add(aibrix_cache *cache, uint32_t slot)
{
	const aibrix_key *key = &cache->slots[slot].key;
	uint32_t i = bucket_find(cache, key);

	assert(cache->buckets[i].slot == NONE);
	cache->buckets[i] =
		(struct bucket){slot, (uint32_t)(key_mix(key) >> 32)};
}

/* What follows in the run moves back into the hole, unless that would put it
 * before its home. */
static void
table_remove(aibrix_cache *cache, uint32_t slot)
{
	uint32_t mask = cache->mask;
	uint32_t hole = bucket_find(cache, &cache->slots[slot].key);
	uint32_t i, home;
	struct bucket b;

	assert(cache->buckets[hole].slot == slot);
	for (i = (hole + 1) & mask; cache->buckets[i].slot != NONE;
	     i = (i + 1) & mask) {
		b = cache->buckets[i];
		home = bucket_home(cache, key_mix(&cache->slots[b.slot].key));
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		cache->buckets[hole] = b;
		hole = i;
	}
	cache->buckets[hole].slot = NONE;
}

static void
slot_set(aibrix_cache *cache, uint32_t slot, uint8_t state)
{
	cache->count[cache->slots[slot].state]--;
	cache->count[state]++;
	cache->slots[slot].state = state;
}

/* Back to the pool: in no table, in no order, without pins. */
static void
slot_free(aibrix_cache *cache, uint32_t slot)
{
	aibrix_lease hold = {.data = aibrix_pool_slot(cache->pool, slot),
			     .bytes = cache->block_bytes,
			     .slot = slot,
			     .generation = cache->slots[slot].generation};
	int err;

	assert(cache->slots[slot].pins == 0 && !cache->slots[slot].ordered);
	slot_set(cache, slot, SLOT_FREE);
	err = aibrix_pool_give(cache->pool, &hold);
	assert(!err);
	(void)err;
}

/* Out of table, queue and order, whatever pins there are. */
static void
slot_hide(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	int err = AIBRIX_OK;

	table_remove(cache, slot);
	if (s->queued) {
		aibrix__l2_unqueue(cache, slot);
		cache->stat.l2_refused++;
	}
	if (!s->ordered)
		return;
	if (s->pins)
		err = aibrix_evict_unpin(cache->evict, slot);
	if (!err)
		err = aibrix_evict_remove(cache->evict, slot);
	assert(!err);
	s->ordered = 0;
}

static int
slot_evict(aibrix_cache *cache)
{
	uint32_t slot;

	if (aibrix_evict_pop(cache->evict, &slot))
		return 0;
	cache->slots[slot].ordered = 0;
	slot_hide(cache, slot);
	slot_free(cache, slot);
	cache->stat.evicted++;
	return 1;
}

uint32_t
aibrix__l1_take(aibrix_cache *cache, const aibrix_key *key,
		const aibrix_key *parent, uint8_t state)
{
	aibrix_lease hold;
	struct slot *s;

	while (aibrix_pool_take(cache->pool, &hold))
		if (!slot_evict(cache))
			return NONE;
	s = &cache->slots[hold.slot];
	assert(s->state == SLOT_FREE);
	slot_set(cache, hold.slot, state);
	s->key = *key;
	s->parent = parent ? *parent : no_key;
	s->checksum = 0;
	s->digest = 0;
	s->generation = hold.generation;
	aibrix__l1_pin(cache, hold.slot);
	table_add(cache, hold.slot);
	return hold.slot;
}

void *
aibrix__l1_data(const aibrix_cache *cache, uint32_t slot)
{
	return aibrix_pool_slot(cache->pool, slot);
}

uint64_t
aibrix__l1_sum(const aibrix_cache *cache, uint32_t slot)
{
	return aibrix__xxh3_64(aibrix__l1_data(cache, slot), cache->block_bytes,
			       0);
}

/* The order knows a slot as pinned or not; how often is counted here, since
 * slots outside the order have pins too. */
void
aibrix__l1_pin(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	int err = AIBRIX_OK;

	if (s->pins++)
		return;
	cache->pinned++;
	if (s->ordered)
		err = aibrix_evict_pin(cache->evict, slot);
	assert(!err);
	(void)err;
}

void
aibrix__l1_unpin(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	int err = AIBRIX_OK;

	assert(s->pins);
	if (--s->pins)
		return;
	cache->pinned--;
	if (s->state == SLOT_LOOSE)
		slot_free(cache, slot);
	else if (s->ordered)
		err = aibrix_evict_unpin(cache->evict, slot);
	else
		aibrix__l1_order(cache, slot);
	assert(!err);
	(void)err;
}

void
aibrix__l1_publish(aibrix_cache *cache, uint32_t slot)
{
	slot_set(cache, slot, SLOT_READY);
}

void
aibrix__l1_order(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	uint32_t parent = aibrix__l1_find(cache, &s->parent);
	uint64_t fingerprint;
	int err;

	assert(s->state == SLOT_READY);
	if (s->ordered)
		return;
	if (parent == NONE || parent == slot)
		parent = AIBRIX_EVICT_NO_PARENT;
	memcpy(&fingerprint, s->key.bytes, sizeof(fingerprint));
	err = aibrix_evict_insert(cache->evict, slot, fingerprint, parent);
	if (!err && s->pins)
		err = aibrix_evict_pin(cache->evict, slot);
	assert(!err);
	(void)err;
	s->ordered = 1;
}

void
aibrix__l1_touch(aibrix_cache *cache, uint32_t slot)
{
	/* One that is not in the order yet enters it as used. */
	if (cache->slots[slot].ordered)
		(void)!aibrix_evict_hit(cache->evict, slot);
}

void
aibrix__l1_drop(aibrix_cache *cache, uint32_t slot)
{
	assert(cache->slots[slot].state != SLOT_FREE &&
	       cache->slots[slot].state != SLOT_LOOSE);
	slot_hide(cache, slot);
	slot_set(cache, slot, SLOT_LOOSE);
	if (cache->slots[slot].pins == 0)
		slot_free(cache, slot);
}

void
aibrix__l1_damaged(aibrix_cache *cache, uint32_t slot)
{
	/* Two readers may have found the same damage at the same time. */
	if (cache->slots[slot].state != SLOT_READY)
		return;
	cache->stat.corrupt_l1++;
	aibrix__l1_drop(cache, slot);
}
