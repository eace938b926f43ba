/*
 * An order whose owner does not tell it of pins, since readers pin without
 * the lock that guards the order: it asks.
 *
 * Only aibrix_evict_pop asks, and only about a slot that it would give up.
 * One that is busy counts as pinned once from then on, like any other that a
 * pop has put aside: aibrix_evict_unpin brings it back, as used.
 * aibrix_evict_reserve counts on pins that were told, and is not for such an
 * order.
 */
#ifndef EVICT_ASK_H
#define EVICT_ASK_H

#include <aibrix/evict.h>

/* 1: the slot is in use, and its owner will say when that has ended. */
typedef int (*evict_busy_fn)(void *ctx, uint32_t slot);

void aibrix__evict_ask(aibrix_evict *evict, evict_busy_fn busy, void *ctx);

#endif
