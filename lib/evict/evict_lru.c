/*
 * One list: least recently used, and first in, first out.
 *
 * Callers walk chains last block first, so a parent is always more recent
 * than its children: least recently used is then leaf-first without a tree
 * and without counting children.
 */

#include "evict/evict_internal.h"

#include "base/arch.h"

struct lru {
	struct evict_queue list;
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

	queue_push(evict, &lru->list, slot, IN_QUEUE);
}

static void
lru_remove(aibrix_evict *evict, uint32_t slot)
{
	struct lru *lru = evict->state;

	queue_remove(evict, &lru->list, slot);
}

static uint32_t
lru_insert(aibrix_evict *evict, uint32_t slot, const aibrix_evict_block *block)
{
	(void)block;
	lru_push(evict, slot);
	return 0;
}

static void
lru_hit(aibrix_evict *evict, uint32_t slot)
{
	struct lru *lru = evict->state;

	if (slot == lru->list.newest)
		return;
	lru_remove(evict, slot);
	lru_push(evict, slot);
}

static void
lru_rewrite(aibrix_evict *evict, uint32_t slot)
{
	lru_hit(evict, slot);
	evict->slots[slot].uses = 0;
}

static uint32_t
lru_pop(aibrix_evict *evict, const uint64_t *next)
{
	struct lru *lru = evict->state;
	uint32_t oldest, turns = EVICT_SPARES_MAX;

	(void)next;
	while (lru->list.count) {
		oldest = queue_take(evict, &lru->list);
		if (slot_busy(evict, oldest)) {
			evict->slots[oldest].where = ASIDE;
			continue;
		}
		if (slot_spared(evict, oldest, &turns)) {
			lru_push(evict, oldest);
			continue;
		}
		return oldest;
	}
	return NONE;
}

/* Pinned ones out of the way; there is one that is not. */
static APART void
lru_skip(aibrix_evict *evict)
{
	struct lru *lru = evict->state;

	while (evict->slots[lru->list.oldest].pins)
		evict->slots[queue_take(evict, &lru->list)].where = ASIDE;
}

static uint32_t
lru_replace(aibrix_evict *evict, const aibrix_evict_block *block)
{
	struct lru *lru = evict->state;

	(void)block;
	if (evict->slots[lru->list.oldest].pins)
		lru_skip(evict);
	queue_turn(evict, &lru->list);
	return lru->list.newest;
}

static uint32_t
lru_oldest(const aibrix_evict *evict)
{
	const struct lru *lru = evict->state;

	return lru->list.count ? lru->list.oldest : NONE;
}

const struct evict_policy aibrix__evict_lru = {
	.open = lru_open,
	.close = lru_close,
	.insert = lru_insert,
	.hit = lru_hit,
	.rewrite = lru_rewrite,
	.remove = lru_remove,
	.pop = lru_pop,
	.replace = lru_replace,
	.back = lru_push,
	.oldest = lru_oldest,
};

static void
fifo_hit(aibrix_evict *evict, uint32_t slot)
{
	(void)evict;
	(void)slot;
}

static void
fifo_rewrite(aibrix_evict *evict, uint32_t slot)
{
	evict->slots[slot].uses = 0;
}

const struct evict_policy aibrix__evict_fifo = {
	.open = lru_open,
	.close = lru_close,
	.insert = lru_insert,
	.hit = fifo_hit,
	.rewrite = fifo_rewrite,
	.remove = lru_remove,
	.pop = lru_pop,
	.replace = lru_replace,
	.back = lru_push,
	.oldest = lru_oldest,
};
