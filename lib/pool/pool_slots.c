/*
 * Taking slots and giving them back.
 *
 *   thread --> magazine --> common stack of the class --> spans
 *                 ^                                          (lock)
 *                 '--- other threads, before they say E_FULL
 *
 * KV blocks of one model have one size, so stacks of free slots are all the
 * allocation there is: nothing fragments, and the slot given back last,
 * whose pages are warm, is taken first.  The table of slots lies beside the
 * memory, never in it: slots stay aligned for direct I/O and devices, and a
 * stray write into a block cannot break the pool.
 *
 * A magazine is a stack like the common one, on a cache line that only its
 * thread uses.  A plain array would save an atomic operation, and hide its
 * slots from a thread that finds the pool full.
 *
 * word is a slot's generation, odd while it is taken, with the lease's
 * deadline above it.  A lease carries the odd number.  To give it back, to
 * renew it and to end it from outside are one compare-and-swap each of the
 * same word, so of any number who try, at any time, one wins.  A lease that
 * is kept for 2^31 takes of its slot could be mistaken for a new one.
 */

#include <aibrix/pool.h>

#include <assert.h>
#include <string.h>

#include "base/versioned.h"
#include "pool/pool_stack.h"

enum { WANT_V1 = STRUCT_UPTO(aibrix_pool_want, spare) };

/* By one exchange: the way down is walked again when another thread wins. */
enum { CHAIN_MAX = 64 };

/* What a take asks for, checked. */
struct ask {
	uint32_t kind, magazine, holder;
	uint32_t deadline; /* as in a slot's word */
};

/* A deadline in a word counts 2^20 ns and wraps, like a clock's face: it is
 * compared by the sign of the difference.  0: none. */
static uint32_t
deadline_pack(uint64_t ns)
{
	uint64_t ticks = (ns >> 20) + ((ns & 0xfffff) != 0);

	if (ns == 0 || ns == AIBRIX_FOREVER)
		return 0;
	return (uint32_t)ticks ? (uint32_t)ticks : 1;
}

/* Count a slot out of, or into, its class's common stack.  A span that is
 * idle there can pass to another class; with one class nobody asks. */
static void
span_count_out(aibrix_pool *pool, uint32_t kind, uint32_t slot)
{
	struct pool_span *span = &pool->spans[pool_span_of(pool, slot)];

	if (pool->shape.several &&
	    atomic_fetch_add_explicit(&span->out, 1, memory_order_relaxed) == 0)
		atomic_fetch_sub_explicit(&pool->classes[kind].idle, 1,
					  memory_order_relaxed);
}

static void
span_count_in(aibrix_pool *pool, uint32_t kind, uint32_t slot)
{
	struct pool_span *span = &pool->spans[pool_span_of(pool, slot)];

	if (pool->shape.several &&
	    atomic_fetch_sub_explicit(&span->out, 1, memory_order_relaxed) == 1)
		atomic_fetch_add_explicit(&pool->classes[kind].idle, 1,
					  memory_order_relaxed);
}

/* Up to n slots from one stack, their numbers into leases. */
static uint32_t
stack_collect(aibrix_pool *pool, struct pool_stack *stack, uint32_t n,
	      aibrix_lease *leases)
{
	uint32_t slot, got = stack_pop(stack, pool->slots, n, &slot);

	for (uint32_t i = 0; i < got; i++) {
		leases[i].slot = slot;
		slot = chain_next(pool->slots, slot);
	}
	return got;
}

/* Up to n slots from the common stack, and a few more for the magazine. */
static uint32_t
common_collect(aibrix_pool *pool, const struct ask *ask, uint32_t n,
	       aibrix_lease *leases)
{
	uint32_t more = ask->magazine ? pool->shape.magazine_slots : 0;
	uint32_t slot, got, first = NONE, last = NONE;

	if (n > CHAIN_MAX)
		n = CHAIN_MAX;
	got = stack_pop(pool_stack(pool, 0, ask->kind), pool->slots, n + more,
			&slot);

	for (uint32_t i = 0; i < got; i++) {
		span_count_out(pool, ask->kind, slot);
		if (i < n)
			leases[i].slot = slot;
		if (i == n)
			first = slot;
		last = slot;
		slot = chain_next(pool->slots, slot);
	}
	if (got > n)
		stack_push(pool_stack(pool, ask->magazine, ask->kind),
			   pool->slots, first, last);
	return got < n ? got : n;
}

static uint32_t
slots_collect(aibrix_pool *pool, const struct ask *ask, uint32_t n,
	      aibrix_lease *leases)
{
	uint32_t got = 0, some;

	if (ask->magazine)
		got = stack_collect(pool,
				    pool_stack(pool, ask->magazine, ask->kind),
				    n, leases);
	while (got < n) {
		some = common_collect(pool, ask, n - got, leases + got);
		got += some;
		if (some == 0 && !aibrix__pool_span_more(pool, ask->kind))
			break;
	}
	for (uint32_t m = 1; got < n && m <= pool->shape.magazines; m++)
		got += stack_collect(pool, pool_stack(pool, m, ask->kind),
				     n - got, leases + got);
	return got;
}

/* Count leases, and return the count before.  A magazine's is written by its
 * one thread.  Release: with the acquire in leases_count. */
static uint64_t
count_add(_Atomic uint64_t *count, uint32_t magazine, uint32_t n)
{
	uint64_t before;

	if (!magazine)
		return atomic_fetch_add_explicit(count, n,
						 memory_order_release);
	before = atomic_load_explicit(count, memory_order_relaxed);
	atomic_store_explicit(count, before + n, memory_order_release);
	return before;
}

/* Nobody else knows these slots: make leases of them. */
static void
leases_begin(aibrix_pool *pool, const struct ask *ask, uint32_t n,
	     aibrix_lease *leases)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = leases[i].slot;
		struct pool_slot *slot = &pool->slots[number];
		/* Relaxed: a stale give that comes now compares with an older
		 * odd number and fails on either value. */
		uint32_t word = (uint32_t)atomic_load_explicit(
			&slot->word, memory_order_relaxed);

		assert(word % 2 == 0);
		word++;
		atomic_store_explicit(&slot->holder, ask->holder,
				      memory_order_relaxed);
		/* Release: with the acquire in slot_end (pool_sweep.c),
		 * for the holder. */
		atomic_store_explicit(&slot->word,
				      (uint64_t)ask->deadline << 32 | word,
				      memory_order_release);
		leases[i] = (aibrix_lease){pool_data(pool, number),
					   pool->classes[ask->kind].bytes,
					   number, word};
	}
	count_add(&pool_stack(pool, ask->magazine, ask->kind)->takes,
		  ask->magazine, n);
}

/* A chain of ended slots becomes free. */
static void
chain_free(aibrix_pool *pool, uint32_t magazine, uint32_t kind, uint32_t first,
	   uint32_t last)
{
	if (!magazine)
		for (uint32_t slot = first;;
		     slot = chain_next(pool->slots, slot)) {
			span_count_in(pool, kind, slot);
			if (slot == last)
				break;
		}
	stack_push(pool_stack(pool, magazine, kind), pool->slots, first, last);
}

/* What was collected and is not wanted. */
static void
slots_return(aibrix_pool *pool, const struct ask *ask, uint32_t n,
	     const aibrix_lease *leases)
{
	if (n == 0)
		return;
	for (uint32_t i = 0; i + 1 < n; i++)
		chain_link(pool->slots, leases[i].slot, leases[i + 1].slot);
	/* They may be from magazines, whose slots are counted out. */
	chain_free(pool, 0, ask->kind, leases[0].slot, leases[n - 1].slot);
}

static int
slots_take(aibrix_pool *pool, const struct ask *ask, uint32_t n,
	   uint32_t at_least, aibrix_lease *leases, uint32_t *taken)
{
	uint32_t got = 0;

	if (n <= pool->shape.slots)
		got = slots_collect(pool, ask, n, leases);
	if (got < at_least) {
		slots_return(pool, ask, got, leases);
		atomic_fetch_add_explicit(&pool->fulls, 1,
					  memory_order_relaxed);
		return AIBRIX_E_FULL;
	}
	leases_begin(pool, ask, got, leases);
	*taken = got;
	return AIBRIX_OK;
}

int
aibrix_pool_take(aibrix_pool *pool, aibrix_lease *lease)
{
	static const struct ask ask = {0};
	uint32_t taken;

	if (!pool || !lease)
		return AIBRIX_E_INVAL;
	return slots_take(pool, &ask, 1, 1, lease, &taken);
}

int
aibrix_pool_take_n(aibrix_pool *pool, const aibrix_pool_want *want, uint32_t n,
		   aibrix_lease *leases, uint32_t *taken)
{
	aibrix_pool_want w = {0};
	struct ask ask;
	int err;

	if (!pool || !leases || !taken || n == 0)
		return AIBRIX_E_INVAL;
	if (want && want->size == sizeof(w)) {
		w = *want;
	} else if (want) {
		err = aibrix__struct_load(&w, sizeof(w), want, WANT_V1);
		if (err)
			return err;
	}
	if (w.flags & ~(uint32_t)AIBRIX_POOL_ALL)
		return AIBRIX_E_ABI;
	if (w.slot_class >= pool->shape.classes ||
	    w.magazine > pool->shape.magazines)
		return AIBRIX_E_INVAL;
	if (n > pool->shape.slots && !(w.flags & AIBRIX_POOL_ALL))
		n = pool->shape.slots;
	ask = (struct ask){w.slot_class, w.magazine, w.holder,
			   deadline_pack(w.deadline_ns)};
	*taken = 0;
	return slots_take(pool, &ask, n, w.flags & AIBRIX_POOL_ALL ? n : 1,
			  leases, taken);
}

/* AIBRIX_OK: was, or is, a lease of this pool. */
static int
lease_check(const aibrix_pool *pool, const aibrix_lease *lease)
{
	const struct pool_slot *slot;

	if (lease->slot >= pool->shape.slots || lease->generation % 2 == 0 ||
	    !lease->data)
		return AIBRIX_E_INVAL;
	if (lease->data == pool_data(pool, lease->slot))
		return AIBRIX_OK;
	/* The slot may be of another class by now, and have moved. */
	slot = &pool->slots[lease->slot];
	return pool->shape.several &&
			       (uint32_t)atomic_load_explicit(
				       &slot->word, memory_order_relaxed) !=
				       lease->generation
		       ? AIBRIX_E_STATE
		       : AIBRIX_E_INVAL;
}

/* 1 for the one caller that ends this lease. */
static int
lease_end(aibrix_pool *pool, uint32_t slot, uint32_t generation)
{
	_Atomic uint64_t *at = &pool->slots[slot].word;
	uint64_t word = atomic_load_explicit(at, memory_order_relaxed);

	/* Release: with the acquire in aibrix_pool_holds, so that who learns
	 * of the end also sees what was done before it. */
	do {
		if ((uint32_t)word != generation)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		at, &word, (uint32_t)(generation + 1), memory_order_release,
		memory_order_relaxed));
	return 1;
}

/* Back from a magazine that has grown to twice its size: the lower half,
 * which is colder. */
static void
magazine_trim(aibrix_pool *pool, uint32_t magazine, uint32_t kind)
{
	struct pool_stack *stack = pool_stack(pool, magazine, kind);
	uint32_t size = pool->shape.magazine_slots;
	uint32_t first, keep, below, last, n = 0;

	/* A look that may be wrong while others change the stack. */
	below = (uint32_t)atomic_load_explicit(&stack->head,
					       memory_order_relaxed);
	for (; below != NONE && n < 2 * size; n++)
		below = chain_next(pool->slots, below);
	if (n < 2 * size)
		return;
	n = stack_pop(stack, pool->slots, 2 * size, &first);
	if (n == 0)
		return;
	keep = first;
	for (uint32_t i = 1; i < n && i < size; i++)
		keep = chain_next(pool->slots, keep);
	if (n > size) {
		last = below = chain_next(pool->slots, keep);
		for (uint32_t i = size + 1; i < n; i++)
			last = chain_next(pool->slots, last);
		chain_free(pool, 0, kind, below, last);
	}
	stack_push(stack, pool->slots, first, keep);
}

/* Slots that have just been ended: a chain of n. */
static void
chain_give(aibrix_pool *pool, uint32_t magazine, uint32_t kind,
	   const uint32_t ends[2], uint32_t n)
{
	/* Release: with the acquire in aibrix_pool_stats. */
	uint64_t before = count_add(&pool_stack(pool, magazine, kind)->gives,
				    magazine, n);
	uint32_t every = pool->shape.magazine_slots;

	chain_free(pool, magazine, kind, ends[0], ends[1]);
	if (magazine && before / every != (before + n) / every)
		magazine_trim(pool, magazine, kind);
}

/* After the lease and before anyone else can take the slot. */
static void
slot_scrub(const aibrix_pool *pool, uint32_t slot)
{
	if (pool->scrub)
		memset(pool_data(pool, slot), 0,
		       pool->classes[pool_kind(pool, slot)].bytes);
}

/* End the lease; the caller then frees the slot. */
static int
lease_give(aibrix_pool *pool, const aibrix_lease *lease)
{
	int err = lease_check(pool, lease);

	if (!err && !lease_end(pool, lease->slot, lease->generation))
		err = AIBRIX_E_STATE;
	if (err == AIBRIX_E_STATE)
		atomic_fetch_add_explicit(&pool->stale_gives, 1,
					  memory_order_relaxed);
	if (!err)
		slot_scrub(pool, lease->slot);
	return err;
}

void
aibrix__pool_slot_free(aibrix_pool *pool, uint32_t slot)
{
	const uint32_t ends[2] = {slot, slot};

	slot_scrub(pool, slot);
	chain_give(pool, 0, pool_kind(pool, slot), ends, 1);
}

int
aibrix_pool_give(aibrix_pool *pool, const aibrix_lease *lease)
{
	uint32_t ends[2];
	int err;

	if (!pool || !lease)
		return AIBRIX_E_INVAL;
	err = lease_give(pool, lease);
	if (err)
		return err;
	ends[0] = ends[1] = lease->slot;
	chain_give(pool, 0, pool_kind(pool, lease->slot), ends, 1);
	return AIBRIX_OK;
}

int
aibrix_pool_give_n(aibrix_pool *pool, uint32_t magazine,
		   const aibrix_lease *leases, uint32_t n, uint32_t *given)
{
	uint32_t ends[2] = {NONE, NONE}, kind = 0, chained = 0, done = 0;
	int first_err = AIBRIX_OK;

	if (!pool || !leases || !given || magazine > pool->shape.magazines)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++) {
		int err = lease_give(pool, &leases[i]);
		uint32_t slot = leases[i].slot;

		if (err) {
			first_err = first_err ? first_err : err;
			continue;
		}
		if (chained && pool_kind(pool, slot) != kind) {
			chain_give(pool, magazine, kind, ends, chained);
			chained = 0;
		}
		kind = pool_kind(pool, slot);
		if (chained)
			chain_link(pool->slots, slot, ends[0]);
		else
			ends[1] = slot;
		ends[0] = slot;
		chained++;
		done++;
	}
	if (chained)
		chain_give(pool, magazine, kind, ends, chained);
	*given = done;
	return first_err;
}

uint32_t
aibrix_pool_holds(const aibrix_pool *pool, const aibrix_lease *lease)
{
	if (!pool || !lease || lease_check(pool, lease))
		return 0;
	/* Acquire: with the release in lease_end. */
	return (uint32_t)atomic_load_explicit(&pool->slots[lease->slot].word,
					      memory_order_acquire) ==
	       lease->generation;
}

int
aibrix_pool_renew(aibrix_pool *pool, const aibrix_lease *lease,
		  uint64_t deadline_ns)
{
	uint64_t word, renewed;
	_Atomic uint64_t *at;
	int err;

	if (!pool || !lease)
		return AIBRIX_E_INVAL;
	err = lease_check(pool, lease);
	if (err)
		return err;
	renewed =
		(uint64_t)deadline_pack(deadline_ns) << 32 | lease->generation;
	at = &pool->slots[lease->slot].word;
	word = atomic_load_explicit(at, memory_order_relaxed);
	/* Relaxed: only the word itself is agreed on. */
	do {
		if ((uint32_t)word != lease->generation)
			return AIBRIX_E_STATE;
	} while (!atomic_compare_exchange_weak_explicit(at, &word, renewed,
							memory_order_relaxed,
							memory_order_relaxed));
	return AIBRIX_OK;
}
