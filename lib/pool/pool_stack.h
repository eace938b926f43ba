/*
 * A stack of free slots: Treiber's (IBM RJ 5118, 1986), of numbers.
 *
 *   head: tag | slot --> next --> next --> NONE
 *
 * Its one trap: between reading head = A and A's next, others may take A and
 * B and give A back; head is A again but its next is not.  So each change
 * also counts up the tag that shares head's 64 bits.  To be fooled, a thread
 * must sleep between two instructions for exactly 2^32 changes, or a
 * multiple.
 *
 * The tag also lets several slots be taken by one exchange: as long as head
 * is what was read, nothing below it has changed.  Numbers met on the way
 * down of a stack that does change lead astray, but never out of the table,
 * and the exchange then fails.
 */
#ifndef POOL_STACK_H
#define POOL_STACK_H

#include "pool/pool_internal.h"

static inline uint64_t
stack_head(uint64_t before, uint32_t top)
{
	return ((before >> 32) + 1) << 32 | top;
}

/* The slot after this one of a chain that is ours. */
static inline uint32_t
chain_next(const struct pool_slot *slots, uint32_t slot)
{
	return atomic_load_explicit(&slots[slot].next, memory_order_relaxed);
}

static inline void
chain_link(struct pool_slot *slots, uint32_t slot, uint32_t next)
{
	/* Release: with the acquire in stack_look (pool_check.c). */
	atomic_store_explicit(&slots[slot].next, next, memory_order_release);
}

/* Take up to want slots off the top: *first, and what follows from it by
 * next.  Returns how many. */
static inline uint32_t
stack_pop(struct pool_stack *stack, const struct pool_slot *slots,
	  uint32_t want, uint32_t *first)
{
	/* Acquire, here and below: with the release in stack_push, so that
	 * next, word and the slot's contents are those of its last holder.
	 * An exchange here keeps the releases before it visible, being a
	 * read-modify-write, and needs none itself. */
	uint64_t head =
		atomic_load_explicit(&stack->head, memory_order_acquire);
	uint32_t below, n;

	do {
		below = (uint32_t)head;
		for (n = 0; n < want && below != NONE; n++)
			below = atomic_load_explicit(&slots[below].next,
						     memory_order_relaxed);
		if (n == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&stack->head, &head, stack_head(head, below),
		memory_order_acquire, memory_order_acquire));
	*first = (uint32_t)head;
	return n;
}

/* Put a chain of slots on top; first becomes the top. */
static inline void
stack_push(struct pool_stack *stack, struct pool_slot *slots, uint32_t first,
	   uint32_t last)
{
	uint64_t head =
		atomic_load_explicit(&stack->head, memory_order_relaxed);

	/* Release: with the acquire in stack_pop. */
	do {
		chain_link(slots, last, (uint32_t)head);
	} while (!atomic_compare_exchange_weak_explicit(
		&stack->head, &head, stack_head(head, first),
		memory_order_release, memory_order_relaxed));
}

/* All of it, without a look: the top, or NONE. */
static inline uint32_t
stack_detach(struct pool_stack *stack)
{
	uint64_t head =
		atomic_load_explicit(&stack->head, memory_order_relaxed);

	/* Acquire: as in stack_pop. */
	while (!atomic_compare_exchange_weak_explicit(
		&stack->head, &head, stack_head(head, NONE),
		memory_order_acquire, memory_order_relaxed))
		;
	return (uint32_t)head;
}

#endif
