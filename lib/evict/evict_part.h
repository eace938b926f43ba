/*
 * Several orders over the same slots: of each owner of a cache its own.
 *
 *   whole   oldest --> ... --> newest        links of all slots
 *   part    oldest --> ... --> newest        queues and history of its own
 *
 * A slot is in one of them at a time, so one pair of links serves all, and a
 * part costs no memory for slots.  Whoever calls keeps track of which slot is
 * in which order: each call on a slot goes to that one.
 */
#ifndef EVICT_PART_H
#define EVICT_PART_H

#include <aibrix/evict.h>

/*
 * An order over the slots of whole, with its policy, that remembers what a
 * cache of history slots would.  aibrix_evict_free it before whole.
 * Fails: E_UNSUPPORTED (density; flags, signals), E_NOMEM.
 */
int aibrix__evict_part(const aibrix_evict *whole, uint32_t history,
		       aibrix_evict **out);

/* How many slots it is to share out between its queues. */
void aibrix__evict_resize(aibrix_evict *evict, uint32_t capacity);

/* The slot that a pop would look at first; NONE.  With lru and fifo it is the
 * next victim, unless it is pinned. */
uint32_t aibrix__evict_oldest(const aibrix_evict *evict);

/* If that one is pinned, put it aside, as a pop would: 1. */
int aibrix__evict_aside(aibrix_evict *evict, uint32_t oldest);

#endif
