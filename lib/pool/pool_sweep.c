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

static uint32_t
slots_end(aibrix_pool *pool, const struct sweep *sweep, uint32_t cap,
	  aibrix_lease *ended)
{
	uint32_t n = 0;

	for (uint32_t i = 0; n < cap && i < pool->shape.slots; i++) {
		/* Acquire: with the release in leases_begin, so that holder is
		 * this lease's or a later one's; if later, then the word has
		 * changed too and the lease is not ended. */
		uint64_t word = atomic_load_explicit(&pool->slots[i].word,
						     memory_order_acquire);
		aibrix_lease lease = {0};
		uint32_t given;

		if (!sweep_wants(sweep, &pool->slots[i], word))
			continue;
		lease.data = pool_data(pool, i);
		lease.slot = i;
		lease.generation = (uint32_t)word;
		lease.bytes = pool->classes[pool_kind(pool, i)].bytes;
		if (aibrix_pool_give_n(pool, 0, &lease, 1, &given))
			continue;
		if (ended)
			ended[n] = lease;
		n++;
	}
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
