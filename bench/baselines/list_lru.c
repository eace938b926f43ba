#include "list_lru.h"

#include <stdlib.h>

#include <aibrix/evict.h>

#include "base/rand.h"

/* Chains of both maps: two for each name at least. */
static uint32_t
heads_wanted(uint32_t capacity)
{
	uint32_t n = 2;

	while (n < 2 * (uint64_t)capacity)
		n *= 2;
	return n;
}

struct node {
	uint64_t name;
	struct node *next; /* of its chain */
	struct node *newer, *older;
};

struct list_lru {
	struct node **heads;
	struct node ends; /* between newest and oldest */
	uint32_t mask, capacity, count;
};

struct list_lru *
list_lru_new(uint32_t capacity)
{
	struct list_lru *lru = calloc(1, sizeof(*lru));

	if (!lru)
		return NULL;
	lru->capacity = capacity;
	lru->mask = heads_wanted(capacity) - 1;
	lru->ends.newer = lru->ends.older = &lru->ends;
	lru->heads = calloc((size_t)lru->mask + 1, sizeof(struct node *));
	if (!lru->heads) {
		list_lru_free(lru);
		return NULL;
	}
	return lru;
}

static void
node_unlink(struct node *node)
{
	node->newer->older = node->older;
	node->older->newer = node->newer;
}

static void
node_front(struct list_lru *lru, struct node *node)
{
	node->newer = &lru->ends;
	node->older = lru->ends.older;
	node->older->newer = node;
	lru->ends.older = node;
}

/* The oldest, out of list and map. */
static void
node_evict(struct list_lru *lru)
{
	struct node *node = lru->ends.newer;
	struct node **link = &lru->heads[mix64(node->name) & lru->mask];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	node_unlink(node);
	free(node);
	lru->count--;
}

void
list_lru_free(struct list_lru *lru)
{
	if (!lru)
		return;
	while (lru->count)
		node_evict(lru);
	free(lru->heads);
	free(lru);
}

int
list_lru_use(struct list_lru *lru, uint64_t name)
{
	struct node **head = &lru->heads[mix64(name) & lru->mask];
	struct node *node = *head;

	while (node && node->name != name)
		node = node->next;
	if (node) {
		node_unlink(node);
		node_front(lru, node);
		return 1;
	}
	if (lru->count == lru->capacity)
		node_evict(lru);
	node = malloc(sizeof(*node));
	if (!node)
		abort();
	*node = (struct node){.name = name, .next = *head};
	*head = node;
	node_front(lru, node);
	lru->count++;
	return 0;
}

struct named {
	uint64_t name;
	uint32_t next; /* of its chain: slot + 1; 0: none */
};

struct ordered_cache {
	uint32_t *heads;     /* of chains: slot + 1; 0: none */
	struct named *named; /* by slot */
	aibrix_evict *order;
	uint32_t mask, capacity, count;
};

struct ordered_cache *
ordered_cache_new(uint32_t capacity, uint32_t policy)
{
	const aibrix_evict_opts o = {
		.size = sizeof(o), .policy = policy, .capacity = capacity};
	struct ordered_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->capacity = capacity;
	cache->mask = heads_wanted(capacity) - 1;
	cache->heads = calloc((size_t)cache->mask + 1, sizeof(*cache->heads));
	cache->named = calloc(capacity, sizeof(*cache->named));
	if (!cache->heads || !cache->named ||
	    aibrix_evict_new(&o, &cache->order)) {
		ordered_cache_free(cache);
		return NULL;
	}
	return cache;
}

void
ordered_cache_free(struct ordered_cache *cache)
{
	if (!cache)
		return;
	aibrix_evict_free(cache->order);
	free(cache->heads);
	free(cache->named);
	free(cache);
}

/* A slot whose old name is in no chain any more. */
static uint32_t
slot_reuse(struct ordered_cache *cache, uint64_t name)
{
	const aibrix_evict_block block = {
		.fingerprint = name, .parent_slot = AIBRIX_EVICT_NO_PARENT};
	uint32_t slot, *link;

	if (aibrix_evict_replace(cache->order, &block, &slot))
		abort();
	link = &cache->heads[mix64(cache->named[slot].name) & cache->mask];
	while (*link != slot + 1)
		link = &cache->named[*link - 1].next;
	*link = cache->named[slot].next;
	return slot;
}

static uint32_t
slot_first(struct ordered_cache *cache, uint64_t name)
{
	uint32_t slot = cache->count++;

	if (aibrix_evict_insert(cache->order, slot, name,
				AIBRIX_EVICT_NO_PARENT))
		abort();
	return slot;
}

int
ordered_cache_use(struct ordered_cache *cache, uint64_t name)
{
	uint32_t *head = &cache->heads[mix64(name) & cache->mask];
	uint32_t at = *head, slot;

	while (at != 0 && cache->named[at - 1].name != name)
		at = cache->named[at - 1].next;
	if (at != 0) {
		if (aibrix_evict_hit(cache->order, at - 1))
			abort();
		return 1;
	}
	slot = cache->count < cache->capacity ? slot_first(cache, name)
					      : slot_reuse(cache, name);
	cache->named[slot] = (struct named){name, *head};
	*head = slot + 1;
	return 0;
}
