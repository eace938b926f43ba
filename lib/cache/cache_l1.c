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

#include "base/arch.h"
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
	cache->count[SLOT_FREE] = cache->capacity;
	return aibrix__table_open(&cache->table, &cache->alloc,
				  cache->capacity);
}

/* The order asks: is it pinned?  Then its last pin comes back with the lock. */
static int
slot_busy(void *ctx, uint32_t slot)
{
	aibrix_cache *cache = ctx;

	if (!slot_mark_if(&cache->slots[slot], SLOT_LAST, 1))
		return 0;
	cache->slots[slot].aside = 1;
	return 1;
}

int
aibrix__l1_open(aibrix_cache *cache, uint64_t l1_bytes, int l2)
{
	aibrix_pool_opts pool = {.size = sizeof(pool),
				 .slot_bytes = cache->slot_bytes,
				 .align = PAGE,
				 .alloc = &cache->alloc};
	aibrix_evict_opts evict = {.size = sizeof(evict),
				   .policy = cache->policy,
				   .alloc = &cache->alloc};
	int err;

	if (l1_bytes / cache->slot_bytes > BLOCKS_MAX)
		return AIBRIX_E_INVAL;
	cache->capacity = (uint32_t)(l1_bytes / cache->slot_bytes);
	if (cache->capacity == 0)
		return AIBRIX_E_INVAL;
	/* A page for direct I/O, but not for each of many small blocks. */
	if (cache->block_bytes < PAGE)
		pool.align = LINE;
	pool.slots = cache->capacity;
	evict.capacity = cache->capacity;

	evict.ghosts = aibrix__tenants_ghosts(cache);
	err = aibrix_evict_new(&evict, &cache->alone.evict);
	if (!err)
		aibrix__evict_ask(cache->alone.evict, slot_busy, cache);
	if (!err)
		err = aibrix__tenants_open(cache);
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
	aibrix__free(&cache->alloc, cache->slots, cache->capacity,
		     sizeof(*cache->slots));
	aibrix_pool_free(cache->pool);
	aibrix__tenants_close(cache);
}

aibrix_key
aibrix__l1_key(const aibrix_cache *cache, uint32_t slot)
{
	aibrix_key key;

	aibrix__table_key(&cache->table, slot_at(&cache->slots[slot]), &key);
	return key;
}

static void
slot_set(aibrix_cache *cache, uint32_t slot, uint8_t state)
{
	uint64_t before = slot_change(&cache->slots[slot], state);

	cache->count[word_state(before)]--;
	cache->count[state]++;
}

/* Back to the pool: in no table, in no order, without pins. */
static void
slot_free(aibrix_cache *cache, uint32_t slot)
{
	const uint64_t word = slot_word(&cache->slots[slot]);
	aibrix_lease hold = {.data = aibrix_pool_slot(cache->pool, slot),
			     .bytes = cache->slot_bytes,
			     .slot = slot,
			     .generation = word_generation(word)};
	int err;

	assert(word_pins(word) == 0 && !cache->slots[slot].ordered);
	tenant_of(cache, slot)->blocks--;
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
	aibrix_evict *evict = order_of(cache, slot);
	int err = AIBRIX_OK;

	aibrix__events_hidden(cache, slot);
	aibrix__table_remove(&cache->table, slot_at(s));
	aibrix__ingest_forget(cache, slot);
	if (!s->ordered)
		return;
	if (s->aside)
		err = aibrix_evict_unpin(evict, slot);
	if (!err)
		err = aibrix_evict_remove(evict, slot);
	assert(!err);
	s->ordered = s->aside = 0;
}

/* A victim that nobody can pin any more; NONE: there is none. */
static uint32_t
victim_claim(aibrix_cache *cache, struct tenant *from)
{
	uint32_t slot = aibrix__ingest_victim(cache, from);

	while (slot != NONE && !slot_claim(&cache->slots[slot])) {
		aibrix__l1_back(cache, slot);
		slot = aibrix__ingest_victim(cache, from);
	}
	return slot;
}

int
aibrix__l1_evict(aibrix_cache *cache, struct tenant *from)
{
	uint32_t slot = victim_claim(cache, from);

	if (slot == NONE)
		return 0;
	cache->count[SLOT_READY]--;
	cache->count[SLOT_LOOSE]++;
	if (cache->ahead && cache->slots[slot].l2 < L2_ASKED)
		cache->stat.l2_dropped++;
	slot_hide(cache, slot);
	slot_free(cache, slot);
	cache->stat.evicted++;
	from->stat.evicted++;
	return 1;
}

uint32_t
aibrix__l1_take(aibrix_cache *cache, uint32_t tenant, const aibrix_key *key,
		const aibrix_key *parent, uint8_t state)
{
	struct tenant *t = &cache->tenants[tenant];
	aibrix_lease hold;
	struct slot *s;

	if (!aibrix__tenant_may(cache, t))
		return NONE;
	while (aibrix_pool_take(cache->pool, &hold))
		if (!aibrix__tenant_room(cache, t))
			return NONE;
	s = &cache->slots[hold.slot];
	assert(slot_state(s) == SLOT_FREE);
	cache->count[SLOT_FREE]--;
	cache->count[state]++;
	atomic_fetch_add_explicit(&cache->pinned, 1, memory_order_relaxed);
	s->parent = parent ? aibrix__table_find(&cache->table, parent) : NONE;
	if (cache->n_tenants > 1)
		s->tenant = tenant & UINT8_MAX;
	else
		s->depth = s->parent == NONE
				   ? 1
				   : cache->slots[s->parent].depth + 1;
	t->blocks++;
	s->checksum = 0;
	aibrix__tail_set(cache, hold.slot, 0);
	if (cache->origins)
		cache->origins[hold.slot] =
			(struct origin){parent ? *parent : no_key, 0};
	slot_begin(s, state, hold.generation);
	slot_at_set(s, aibrix__table_add(&cache->table, key, hold.slot));
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

/* The first pin of one that was to be reused: it stays. */
static int
pin_add(aibrix_cache *cache, uint32_t slot, uint32_t max)
{
	struct slot *s = &cache->slots[slot];
	uint32_t before;

	if (!slot_hold(s, max, &before))
		return 0;
	if (before == 0)
		atomic_fetch_add_explicit(&cache->pinned, 1,
					  memory_order_relaxed);
	if (before == 0 && (s->leaving || s->left))
		aibrix__ingest_stay(cache, slot);
	return 1;
}

/* All words first, then all keys, then the swaps: a slot whose key was not
 * yet, or not any more, the one that is wanted has another generation. */
uint64_t
aibrix__l1_read_run(aibrix_cache *cache, const void *keys, size_t stride,
		    uint64_t n, uint32_t tail, uint32_t *slots)
{
	uint64_t words[L1_WINDOW], got, i, first = 0;
	uint32_t at[L1_WINDOW];

	assert(n <= L1_WINDOW);
	got = aibrix__table_run(&cache->table, keys, stride, n, slots);
	for (i = 0; i < got; i++)
		prefetch(&cache->slots[slots[i]]);
	for (i = 0; i < got; i++) {
		words[i] = slot_word(&cache->slots[slots[i]]);
		at[i] = slot_at(&cache->slots[slots[i]]);
		if (slot_tail(cache, slots[i]) != (i == n - 1 ? tail : 0))
			break;
	}
	got = aibrix__table_match(&cache->table, keys, stride, i, slots, at);
	for (i = 0; i < got; i++) {
		if (!slot_pin(&cache->slots[slots[i]], &words[i]))
			break;
		first += word_pins(words[i]) == 0;
	}
	atomic_fetch_add_explicit(&cache->pinned, first, memory_order_relaxed);
	return i;
}

int
aibrix__l1_read(aibrix_cache *cache, uint32_t slot)
{
	return pin_add(cache, slot, SLOT_READERS_MAX);
}

void
aibrix__l1_pin(aibrix_cache *cache, uint32_t slot)
{
	int pinned = pin_add(cache, slot, SLOT_PINS_MAX);

	assert(pinned);
	(void)pinned;
}

/* The order had put it aside. */
static void
slot_return(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	int err;

	s->aside = 0;
	slot_unmark(s, SLOT_LAST);
	slot_used(cache, slot);
	err = aibrix_evict_unpin(order_of(cache, slot), slot);
	assert(!err);
	(void)err;
}

void
aibrix__l1_unpin(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	/* In no order: whoever is the last puts it there. */
	int lost = !s->ordered && !s->leaving;
	uint64_t before = slot_let_go(s, lost ? SLOT_LAST : 0);

	assert(word_pins(before));
	if (word_pins(before) > 1)
		return;
	atomic_fetch_sub_explicit(&cache->pinned, 1, memory_order_relaxed);
	if (word_state(before) == SLOT_LOOSE)
		slot_free(cache, slot);
	else if (s->leaving && !s->queued)
		aibrix__ingest_left(cache, slot);
	else if (s->aside)
		slot_return(cache, slot);
	else if (lost)
		aibrix__l1_order(cache, slot);
}

void
aibrix__l1_publish(aibrix_cache *cache, uint32_t slot)
{
	slot_set(cache, slot, SLOT_READY);
	aibrix__table_show(&cache->table, slot_at(&cache->slots[slot]));
	aibrix__events_shown(cache, slot);
}

void
aibrix__l1_order(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	aibrix_key key = aibrix__l1_key(cache, slot);
	aibrix_evict_block block = {.parent_slot = s->parent};
	int err;

	_Static_assert(NONE == AIBRIX_EVICT_NO_PARENT, "one number");
	assert(slot_state(s) == SLOT_READY);
	if (s->ordered)
		return;
	if (cache->n_tenants == 1)
		block.depth = s->depth;
	slot_used(cache, slot);
	memcpy(&block.fingerprint, key.bytes, sizeof(block.fingerprint));
	err = aibrix_evict_insert_block(order_of(cache, slot), slot, &block);
	assert(!err);
	(void)err;
	s->ordered = 1;
	if (slot_word(s) & SLOT_LAST)
		slot_unmark(s, SLOT_LAST);
}

void
aibrix__l1_back(aibrix_cache *cache, uint32_t slot)
{
	aibrix__l1_order(cache, slot);
	if (slot_busy(cache, slot))
		(void)!aibrix_evict_pin(order_of(cache, slot), slot);
}

void
aibrix__l1_touch(aibrix_cache *cache, uint32_t slot)
{
	aibrix_evict *evict = cache->alone.evict;

	if (!evict) { /* several tenants */
		evict = order_of(cache, slot);
		slot_used(cache, slot);
	}
	/* One that is not in the order yet enters it as used. */
	if (cache->slots[slot].ordered)
		(void)!aibrix_evict_hit(evict, slot);
	else if (cache->slots[slot].leaving)
		aibrix__ingest_stay(cache, slot);
}

void
aibrix__l1_drop(aibrix_cache *cache, uint32_t slot)
{
	uint64_t before = slot_change(&cache->slots[slot], SLOT_LOOSE);

	assert(word_state(before) != SLOT_FREE &&
	       word_state(before) != SLOT_LOOSE);
	cache->count[word_state(before)]--;
	cache->count[SLOT_LOOSE]++;
	slot_hide(cache, slot);
	if (word_pins(before) == 0)
		slot_free(cache, slot);
}

void
aibrix__l1_damaged(aibrix_cache *cache, uint32_t slot)
{
	/* Two readers may have found the same damage at the same time. */
	if (slot_state(&cache->slots[slot]) != SLOT_READY)
		return;
	cache->stat.corrupt_l1++;
	aibrix__l1_drop(cache, slot);
}
