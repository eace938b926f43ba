/*
 * Least recently used: one list, the victim is its tail.
 *
 * Callers walk chains last block first, so a parent is always more recent
 * than its children: this list is then leaf-first LRU without a tree and
 * without counting children.
 */

#include "evict/evict_internal.h"

struct lru {
	struct list list;
};

static int
lru_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	(void)opts;
	evict->state = aibrix__alloc(&evict->alloc, 1, sizeof(struct lru));
	return evict->state ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

static void
lru_close(aibrix_evict *evict)
{
	aibrix__free(&evict->alloc, evict->state, 1, sizeof(struct lru));
}

static void
lru_push(aibrix_evict *evict, uint32_t slot)
{
	struct lru *lru = evict->state;

	list_prepend(&lru->list, evict->links, slot);
	evict->slots[slot].where = IN_QUEUE;
}

static void
lru_remove(aibrix_evict *evict, uint32_t slot)
{
	struct lru *lru = evict->state;

	list_remove(&lru->list, evict->links, slot);
}

static uint32_t
lru_insert(aibrix_evict *evict, uint32_t slot, uint64_t fingerprint)
{
	(void)fingerprint;
	lru_push(evict, slot);
	return 0;
}

static void
lru_hit(aibrix_evict *evict, uint32_t slot)
{
	lru_remove(evict, slot);
	lru_push(evict, slot);
}

static int
lru_pop(aibrix_evict *evict, uint32_t *slot)
{
	struct lru *lru = evict->state;
	uint32_t tail;

	while (lru->list.count) {
		tail = lru->list.tail;
		lru_remove(evict, tail);
		if (evict->slots[tail].pins) {
			evict->slots[tail].where = ASIDE;
			continue;
		}
		*slot = tail;
		return 1;
	}
	return 0;
}

const struct evict_policy aibrix__evict_lru = {
	.open = lru_open,
	.close = lru_close,
	.insert = lru_insert,
	.hit = lru_hit,
	.remove = lru_remove,
	.pop = lru_pop,
	.back = lru_push,
};
