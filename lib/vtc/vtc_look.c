/*
 * Who would go next if those before could not.
 *
 * The first few of a heap without taking any out: whoever is next is a child
 * of one that has been, so a few candidates are held and the least of them is
 * moved on from.  Of 16 users at most 46 are held.
 */

#include "vtc/vtc_internal.h"

enum {
	LOOK_MAX = AIBRIX_VTC_LOOK_MAX,
	HELD_MAX = 1 + (HEAP_CHILDREN - 1) * (LOOK_MAX - 1)
};

/* Places in the heap that may be next. */
struct held {
	uint32_t at[HELD_MAX];
	uint32_t n;
};

static uint32_t
held_least(const struct heap *h, const struct held *held)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < held->n; i++)
		if (heap_before(heap_at(h, held->at[i]),
				heap_at(h, held->at[best])))
			best = i;
	return best;
}

/* Its children may be next instead of it. */
static void
held_move(const struct heap *h, struct held *held, uint32_t i)
{
	uint64_t first = HEAP_CHILDREN * (uint64_t)held->at[i] + 1;

	held->at[i] = held->at[--held->n];
	for (uint64_t c = first; c < first + HEAP_CHILDREN; c++)
		if (c < h->count)
			held->at[held->n++] = (uint32_t)c;
}

uint32_t
aibrix__vtc_ith(const aibrix_vtc *v, uint32_t i)
{
	const struct heap *h = &v->waiting;
	struct held held = {.n = 1};

	if (i >= h->count)
		return NONE;
	while (i-- > 0)
		held_move(h, &held, held_least(h, &held));
	return heap_item(heap_at(h, held.at[held_least(h, &held)]));
}
