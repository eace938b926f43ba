/*
 * SIEVE (Zhang et al., NSDI 2024): one list, a bit per slot, and a hand that
 * walks from the oldest to the newest, clears bits and takes the first slot
 * without one.
 *
 *   newest ... [1] [0] <-- hand ... oldest
 *
 * Here for comparison only: new blocks leave from behind the hand while old
 * ones that were used once stay, which on KV chains loses up to two thirds
 * of what LRU has.
 */

#include "evict/evict_internal.h"

struct sieve {
	struct evict_queue list;
	uint32_t hand; /* NONE: at the oldest */
};

static int
sieve_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	struct sieve *sieve = aibrix__alloc(&evict->alloc, 1, sizeof(*sieve));

	(void)opts;
	if (!sieve)
		return AIBRIX_E_NOMEM;
	sieve->hand = NONE;
	evict->state = sieve;
	return AIBRIX_OK;
}

static void
sieve_close(aibrix_evict *evict)
{
	aibrix__free(&evict->alloc, evict->state, 1, sizeof(struct sieve));
}

static uint32_t
sieve_insert(aibrix_evict *evict, uint32_t slot,
	     const aibrix_evict_block *block)
{
	struct sieve *sieve = evict->state;

	(void)block;
	evict->slots[slot].hits = 0;
	queue_push(evict, &sieve->list, slot, IN_QUEUE);
	return 0;
}

static void
sieve_hit(aibrix_evict *evict, uint32_t slot)
{
	evict->slots[slot].hits = 1;
}

static void
sieve_remove(aibrix_evict *evict, uint32_t slot)
{
	struct sieve *sieve = evict->state;

	if (sieve->hand == slot)
		sieve->hand = evict->slots[slot].newer;
	queue_remove(evict, &sieve->list, slot);
}

static uint32_t
sieve_oldest(const aibrix_evict *evict)
{
	const struct sieve *sieve = evict->state;

	if (sieve->list.count == 0)
		return NONE;
	return sieve->hand == NONE ? sieve->list.oldest : sieve->hand;
}

/* Each turn ends the search, or uses up a bit, a pin or a turn. */
static uint32_t
sieve_pop(aibrix_evict *evict, const uint64_t *next)
{
	struct sieve *sieve = evict->state;
	uint32_t at, turns = EVICT_SPARES_MAX;

	(void)next;
	while (sieve->list.count) {
		at = sieve_oldest(evict);
		sieve->hand = evict->slots[at].newer;
		if (slot_busy(evict, at)) {
			sieve_remove(evict, at);
			evict->slots[at].where = ASIDE;
		} else if (evict->slots[at].hits) {
			evict->slots[at].hits = 0;
		} else if (!slot_spared(evict, at, &turns)) {
			sieve_remove(evict, at);
			return at;
		}
	}
	return NONE;
}

static void
sieve_back(aibrix_evict *evict, uint32_t slot)
{
	struct sieve *sieve = evict->state;

	evict->slots[slot].hits = 1;
	queue_push(evict, &sieve->list, slot, IN_QUEUE);
}

const struct evict_policy aibrix__evict_sieve = {
	.open = sieve_open,
	.close = sieve_close,
	.insert = sieve_insert,
	.hit = sieve_hit,
	.remove = sieve_remove,
	.pop = sieve_pop,
	.back = sieve_back,
	.oldest = sieve_oldest,
};
