/*
 * Capacity is counted, not mapped:
 *
 *   capacity = free + cached + private
 *
 * cached blocks have a name and a slot here (pinned or in the LRU list);
 * private ones belong to a running request and have none yet, or, for
 * output, never.  A block whose parent is not here cannot be found, so the
 * parent is always at least as recent: requests pin whole prefixes and
 * unpin them last block first.
 *
 * Names are 64 bits of a chained key.  Among a million blocks the chance
 * that two share one is below 1e-7, and a simulated GPU survives it.
 */
#include "sim_gpu_cache.h"

#include <stdlib.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

enum { EVENT_NAMES = 256 };

typedef struct gpu_slot {
	uint64_t name;
	uint32_t before, after; /* LRU list, or free list by after */
	uint32_t pins;
} gpu_slot;

struct sim_gpu_cache {
	aibrix_index *index;
	uint32_t owner;
	uint64_t capacity;
	uint64_t cached;
	uint64_t pinned; /* of cached */
	uint64_t private_blocks;
	gpu_slot *slots;
	uint32_t n_slots, cap_slots;
	uint32_t free_slot;
	uint32_t oldest, newest; /* LRU list */
	uint32_t *table;         /* open addressing, linear; NO_SLOT: empty */
	uint32_t table_mask;
};

static int
table_new(sim_gpu_cache *cache, uint32_t size)
{
	uint32_t *table = malloc(size * sizeof(*table));

	if (!table)
		return -1;
	memset(table, 0xff, size * sizeof(*table));
	free(cache->table);
	cache->table = table;
	cache->table_mask = size - 1;
	return 0;
}

/* Where name is, or the empty place where it belongs. */
static uint32_t
table_place(const sim_gpu_cache *cache, uint64_t name)
{
	uint32_t place = (uint32_t)name & cache->table_mask;

	while (cache->table[place] != NO_SLOT &&
	       cache->slots[cache->table[place]].name != name)
		place = (place + 1) & cache->table_mask;
	return place;
}

/* Close the gap: move back what would no longer be found. */
static void
table_remove(sim_gpu_cache *cache, uint64_t name)
{
	uint32_t mask = cache->table_mask;
	uint32_t gap = table_place(cache, name);
	uint32_t place = gap;

	for (;;) {
		uint32_t home;

		place = (place + 1) & mask;
		if (cache->table[place] == NO_SLOT)
			break;
		home = (uint32_t)cache->slots[cache->table[place]].name & mask;
		if (((place - home) & mask) >= ((place - gap) & mask)) {
			cache->table[gap] = cache->table[place];
			gap = place;
		}
	}
	cache->table[gap] = NO_SLOT;
}

/* Slots double, and the table with them: never more than half full. */
static int
slots_grow(sim_gpu_cache *cache)
{
	uint32_t cap = cache->cap_slots ? 2 * cache->cap_slots : 1024;
	gpu_slot *slots;

	if (cap > UINT32_MAX / 4)
		return -1;
	slots = realloc(cache->slots, cap * sizeof(*slots));
	if (!slots)
		return -1;
	cache->slots = slots;
	if (table_new(cache, 2 * cap) != 0)
		return -1;
	cache->cap_slots = cap;
	/* Only called without a free slot: all below n_slots are in use. */
	for (uint32_t i = 0; i < cache->n_slots; i++)
		cache->table[table_place(cache, slots[i].name)] = i;
	return 0;
}

sim_gpu_cache *
sim_gpu_cache_new(uint64_t capacity_blocks, aibrix_index *index, uint32_t owner)
{
	sim_gpu_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->index = index;
	cache->owner = owner;
	cache->capacity = capacity_blocks;
	cache->free_slot = cache->oldest = cache->newest = NO_SLOT;
	if (slots_grow(cache) != 0) {
		sim_gpu_cache_free(cache);
		return NULL;
	}
	return cache;
}

void
sim_gpu_cache_free(sim_gpu_cache *cache)
{
	if (!cache)
		return;
	free(cache->slots);
	free(cache->table);
	free(cache);
}

static uint32_t
slot_find(const sim_gpu_cache *cache, uint64_t name)
{
	return cache->table[table_place(cache, name)];
}

uint32_t
sim_gpu_cache_match(const sim_gpu_cache *cache, const uint64_t *names,
		    uint32_t n)
{
	uint32_t i = 0;

	while (i < n && slot_find(cache, names[i]) != NO_SLOT)
		i++;
	return i;
}

static void
lru_append(sim_gpu_cache *cache, uint32_t slot)
{
	gpu_slot *s = &cache->slots[slot];

	s->before = cache->newest;
	s->after = NO_SLOT;
	if (cache->newest != NO_SLOT)
		cache->slots[cache->newest].after = slot;
	else
		cache->oldest = slot;
	cache->newest = slot;
}

static void
lru_remove(sim_gpu_cache *cache, uint32_t slot)
{
	const gpu_slot *s = &cache->slots[slot];

	if (s->before != NO_SLOT)
		cache->slots[s->before].after = s->after;
	else
		cache->oldest = s->after;
	if (s->after != NO_SLOT)
		cache->slots[s->after].before = s->before;
	else
		cache->newest = s->before;
}

static void
slot_pin(sim_gpu_cache *cache, uint32_t slot)
{
	if (cache->slots[slot].pins++ == 0) {
		lru_remove(cache, slot);
		cache->pinned++;
	}
}

static void
slot_unpin(sim_gpu_cache *cache, uint32_t slot)
{
	if (--cache->slots[slot].pins == 0) {
		lru_append(cache, slot);
		cache->pinned--;
	}
}

/* Give up the n oldest blocks and say so. */
static int
blocks_evict(sim_gpu_cache *cache, uint64_t n)
{
	uint64_t names[EVENT_NAMES];
	uint32_t told = 0;
	int status = AIBRIX_OK;

	while (n > 0 && status == AIBRIX_OK) {
		uint32_t slot = cache->oldest;

		names[told++] = cache->slots[slot].name;
		lru_remove(cache, slot);
		table_remove(cache, cache->slots[slot].name);
		cache->slots[slot].after = cache->free_slot;
		cache->free_slot = slot;
		cache->cached--;
		n--;
		if (told == EVENT_NAMES || n == 0) {
			status = aibrix_index_apply_removed(
				cache->index, cache->owner, names, told,
				AIBRIX_TIER_DEVICE, 0);
			told = 0;
		}
	}
	return status;
}

int
sim_gpu_cache_admit(sim_gpu_cache *cache, const uint64_t *names, uint32_t hits,
		    uint64_t blocks, uint32_t *slots)
{
	uint64_t need = blocks - hits;
	uint64_t free_blocks;

	for (uint32_t i = 0; i < hits; i++) {
		slots[i] = slot_find(cache, names[i]);
		slot_pin(cache, slots[i]);
	}
	if (need > cache->capacity - cache->private_blocks - cache->pinned) {
		for (uint32_t i = hits; i-- > 0;)
			slot_unpin(cache, slots[i]);
		return AIBRIX_E_FULL;
	}
	free_blocks = cache->capacity - cache->private_blocks - cache->cached;
	cache->private_blocks += need;
	if (need > free_blocks)
		return blocks_evict(cache, need - free_blocks);
	return AIBRIX_OK;
}

/* A slot for name, pinned once. */
static int
slot_new(sim_gpu_cache *cache, uint64_t name, uint32_t *slot)
{
	if (cache->free_slot != NO_SLOT) {
		*slot = cache->free_slot;
		cache->free_slot = cache->slots[*slot].after;
	} else {
		if (cache->n_slots == cache->cap_slots &&
		    slots_grow(cache) != 0)
			return AIBRIX_E_NOMEM;
		*slot = cache->n_slots++;
	}
	cache->slots[*slot] = (gpu_slot){.name = name, .pins = 1};
	cache->table[table_place(cache, name)] = *slot;
	cache->cached++;
	cache->pinned++;
	return AIBRIX_OK;
}

/* In as many events as the limit of one asks for. */
static int
stored_tell(const sim_gpu_cache *cache, const uint64_t *hashes,
	    const uint64_t *names, uint32_t from, uint32_t to)
{
	aibrix_index_stored event = {
		.size = sizeof(event),
		.tier = AIBRIX_TIER_DEVICE,
		.kind = AIBRIX_GROUP_FULL,
	};
	int status = AIBRIX_OK;

	while (from < to && status == AIBRIX_OK) {
		event.n = to - from;
		if (event.n > AIBRIX_INDEX_EVENT_BLOCKS)
			event.n = AIBRIX_INDEX_EVENT_BLOCKS;
		event.hashes = hashes + from;
		event.names = names + from;
		if (from > 0) {
			event.parent = names[from - 1];
			event.flags = AIBRIX_INDEX_HAS_PARENT;
		}
		status = aibrix_index_apply_stored(cache->index, cache->owner,
						   &event);
		from += event.n;
	}
	return status;
}

int
sim_gpu_cache_store(sim_gpu_cache *cache, const uint64_t *hashes,
		    const uint64_t *names, uint32_t hits, uint32_t n,
		    uint32_t *slots)
{
	uint32_t known = hits;
	int status = AIBRIX_OK;

	/* Computed by another request meanwhile: theirs serves us too. */
	for (; known < n; known++) {
		slots[known] = slot_find(cache, names[known]);
		if (slots[known] == NO_SLOT)
			break;
		slot_pin(cache, slots[known]);
	}
	/* Without its parent no block is here: all the rest is new. */
	for (uint32_t i = known; i < n && status == AIBRIX_OK; i++)
		status = slot_new(cache, names[i], &slots[i]);
	cache->private_blocks -= n - hits;
	if (status != AIBRIX_OK)
		return status;
	return stored_tell(cache, hashes, names, known, n);
}

void
sim_gpu_cache_finish(sim_gpu_cache *cache, const uint32_t *slots, uint32_t n,
		     uint64_t extra)
{
	for (uint32_t i = n; i-- > 0;)
		slot_unpin(cache, slots[i]);
	cache->private_blocks -= extra;
}

uint64_t
sim_gpu_cache_blocks(const sim_gpu_cache *cache)
{
	return cache->cached;
}

double
sim_gpu_cache_usage(const sim_gpu_cache *cache)
{
	return (double)(cache->pinned + cache->private_blocks) /
	       (double)cache->capacity;
}
