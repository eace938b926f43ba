/*
 * Leases by whom and until when: ended from outside, and counted.
 *
 * All of it walks the table of slots.  Lists by holder or a queue of
 * deadlines would be written by every take and give, to save time in what is
 * done once a second or when a process has died.
 */

#include <aibrix/pool.h>

#include "pool/pool_internal.h"

static int
deadline_passed(uint64_t word, uint64_t now_ns)
{
	uint32_t deadline = (uint32_t)(word >> 32);
	uint32_t now = (uint32_t)(now_ns >> 20);

	return deadline != 0 && (int32_t)(now - deadline) >= 0;
}

/* Which leases a sweep ends. */
struct sweep {
	uint64_t now_ns;
	uint32_t holder;
	int by_holder;
};

static int
sweep_wants(const struct sweep *sweep, const struct pool_slot *slot,
	    uint64_t word)
{
	if (word % 2 == 0)
		return 0;
	return sweep->by_holder ? atomic_load_explicit(&slot->holder,
						       memory_order_relaxed) ==
					  sweep->holder
				: deadline_passed(word, sweep->now_ns);
}

/* End the lease of a slot as long as the sweep wants it: of exactly the word
 * that was judged, so that a lease renewed meanwhile goes on. */
static int
slot_end(aibrix_pool *pool, const struct sweep *sweep, uint32_t number,
	 aibrix_lease *ended)
{
	struct pool_slot *slot = &pool->slots[number];
	/* Acquire, twice: with the release in leases_begin, so that holder is
	 * this lease's or a later one's; if later, then the word has changed
	 * too and the exchange fails. */
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

	/* Release: with the acquire in aibrix_pool_holds. */
	do {
		if (!sweep_wants(sweep, slot, word))
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->word, &word, (uint32_t)(word + 1), memory_order_acq_rel,
		memory_order_acquire));
	if (ended)
		*ended = (aibrix_lease){
			pool_data(pool, number),
			pool->classes[pool_kind(pool, number)].bytes, number,
			(uint32_t)word};
	aibrix__pool_slot_free(pool, number);
	return 1;
}

static uint32_t
slots_end(aibrix_pool *pool, const struct sweep *sweep, uint32_t cap,
	  aibrix_lease *ended)
{
	uint32_t n = 0;

	for (uint32_t i = 0; n < cap && i < pool->shape.slots; i++)
		n += slot_end(pool, sweep, i, ended ? &ended[n] : NULL);
	atomic_fetch_add_explicit(&pool->ended, n, memory_order_relaxed);
	return n;
}

int
aibrix_pool_expire(aibrix_pool *pool, uint64_t now_ns, uint32_t cap,
		   aibrix_lease *ended, uint32_t *n)
{
	const struct sweep sweep = {.now_ns = now_ns};

	if (!pool || !n)
		return AIBRIX_E_INVAL;
	*n = slots_end(pool, &sweep, cap, ended);
	return AIBRIX_OK;
}

int
aibrix_pool_revoke(aibrix_pool *pool, uint32_t holder, uint32_t *n)
{
	const struct sweep sweep = {.holder = holder, .by_holder = 1};

	if (!pool || !n)
		return AIBRIX_E_INVAL;
	*n = slots_end(pool, &sweep, NONE, NULL);
	return AIBRIX_OK;
}

int
aibrix_pool_held(const aibrix_pool *pool, uint32_t holder, uint64_t *slots,
		 uint64_t *bytes)
{
	const struct sweep sweep = {.holder = holder, .by_holder = 1};
	uint64_t held = 0, held_bytes = 0;

	if (!pool || !slots || !bytes)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < pool->shape.slots; i++) {
		/* Acquire: with the release in leases_begin. */
		uint64_t word = atomic_load_explicit(&pool->slots[i].word,
						     memory_order_acquire);
		uint32_t kind = pool_kind(pool, i);

		if (kind == NONE || !sweep_wants(&sweep, &pool->slots[i], word))
			continue;
		held++;
		held_bytes += pool->classes[kind].bytes;
	}
	*slots = held;
	*bytes = held_bytes;
	return AIBRIX_OK;
}
