/*
 * L1: slots of the pool, found by key.
 *
 *   key --> table --> slot {state, pins, checksum, entry of the table}
 *                       |
 *                       v
 *                     payload in the pool
 *
 * All tables are made with the cache: nothing here allocates later.
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

/* Positions in the table have 32 bits. */
enum { PAGE = 4096, LINE = 64, BLOCKS_MAX = 1 << 30 };

static const aibrix_key no_key;

static int
l1_tables(aibrix_cache *cache, int l2)
{
	cache->slots = aibrix__alloc(&cache->alloc, cache->capacity,
				     sizeof(*cache->slots));
	if (!cache->slots)
		return AIBRIX_E_NOMEM;
	if (l2) {
		cache->origins = aibrix__alloc(&cache->alloc, cache->capacity,
					       sizeof(*cache->origins));
		if (!cache->origins)
			return AIBRIX_E_NOMEM;
	}
	cache->tails = aibrix__alloc(&cache->alloc, cache->capacity,
				     sizeof(*cache->tails));
	if (!cache->tails)
		return AIBRIX_E_NOMEM;
	cache->count[SLOT_FREE] = cache->capacity;
	return aibrix__table_open(&cache->table, &cache->alloc,
				  cache->capacity);
}

int
aibrix__l1_open(aibrix_cache *cache, uint64_t l1_bytes, int l2)
{
	aibrix_pool_opts pool = {.size = sizeof(pool),
				 .slot_bytes = cache->block_bytes,
				 .align = PAGE,
				 .alloc = &cache->alloc};
	aibrix_evict_opts evict = {.size = sizeof(evict),
				   .policy = cache->policy,
				   .alloc = &cache->alloc};
	int err;

	if (l1_bytes / cache->block_bytes > BLOCKS_MAX)
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
		err = l1_tables(cache, l2);
	return err;
}

void
aibrix__l1_close(aibrix_cache *cache)
{
	aibrix__table_close(&cache->table, &cache->alloc);
	aibrix__free(&cache->alloc, cache->origins, cache->capacity,
		     sizeof(*cache->origins));
	aibrix__free(&cache->alloc, cache->tails, cache->capacity,
		     sizeof(*cache->tails));
	aibrix__free(&cache->alloc, cache->slots, cache->capacity,
		     sizeof(*cache->slots));
	aibrix_pool_free(cache->pool);
	aibrix_evict_free(cache->evict);
}

aibrix_key
aibrix__l1_key(const aibrix_cache *cache, uint32_t slot)
{
	aibrix_key key;

	aibrix__table_key(&cache->table, cache->slots[slot].at, &key);
	return key;
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

	aibrix__events_hidden(cache, slot);
	aibrix__table_remove(&cache->table, s->at);
	aibrix__ingest_forget(cache, slot);
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
	uint32_t slot = aibrix__ingest_victim(cache);

	if (slot == NONE)
		return 0;
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
	s->parent = parent ? aibrix__table_find(&cache->table, parent) : NONE;
	s->depth = s->parent == NONE ? 1 : cache->slots[s->parent].depth + 1;
	s->checksum = 0;
	s->tail = 0;
	if (cache->origins)
		cache->origins[hold.slot] =
			(struct origin){parent ? *parent : no_key, 0};
	s->generation = hold.generation;
	aibrix__l1_pin(cache, hold.slot);
	s->at = aibrix__table_add(&cache->table, key, hold.slot);
	aibrix__events_taken(cache, hold.slot, parent);
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
	return cache->hash(aibrix__l1_data(cache, slot), cache->block_bytes);
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
	if (s->leaving || s->left)
		aibrix__ingest_stay(cache, slot);
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
	else if (s->leaving && !s->queued)
		aibrix__ingest_left(cache, slot);
	else if (s->ordered)
		err = aibrix_evict_unpin(cache->evict, slot);
	else if (!s->leaving)
		aibrix__l1_order(cache, slot);
	assert(!err);
	(void)err;
}

void
aibrix__l1_publish(aibrix_cache *cache, uint32_t slot)
{
	slot_set(cache, slot, SLOT_READY);
	aibrix__table_show(&cache->table, cache->slots[slot].at);
	aibrix__events_shown(cache, slot);
}

void
aibrix__l1_order(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	aibrix_key key = aibrix__l1_key(cache, slot);
	aibrix_evict_block block = {.parent_slot = s->parent,
				    .depth = s->depth};
	int err;

	_Static_assert(NONE == AIBRIX_EVICT_NO_PARENT, "one number");
	assert(s->state == SLOT_READY);
	if (s->ordered)
		return;
	memcpy(&block.fingerprint, key.bytes, sizeof(block.fingerprint));
	err = aibrix_evict_insert_block(cache->evict, slot, &block);
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
	else if (cache->slots[slot].leaving)
		aibrix__ingest_stay(cache, slot);
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
