/*
 * Several orders over the same slots.
 *
 * What a policy knows of a slot is in the slot; what it has besides are the
 * ends of its queues and what it remembers of those that have left.  So an
 * order of its own for each owner needs no more than that, and a victim of
 * one owner is found without a look at those of others.
 */

#include "evict/evict_part.h"

#include "evict/evict_internal.h"

int
aibrix__evict_part(const aibrix_evict *whole, uint32_t history,
		   aibrix_evict **out)
{
	const aibrix_evict_opts opts = {.size = sizeof(opts),
					.promote_hits = whole->hot};
	aibrix_evict *evict;
	int err;

	if (!whole->policy->oldest || whole->extras || whole->flags)
		return AIBRIX_E_UNSUPPORTED;
	evict = aibrix__alloc(&whole->alloc, 1, sizeof(*evict));
	if (!evict)
		return AIBRIX_E_NOMEM;
	evict->alloc = whole->alloc;
	evict->policy = whole->policy;
	evict->slots = whole->slots;
	evict->whole = whole;
	evict->busy = whole->busy;
	evict->busy_ctx = whole->busy_ctx;
	evict->capacity = history ? history : 1;
	evict->numbers = whole->numbers;
	evict->hot = whole->hot;
	err = evict->policy->open(evict, &opts);
	if (err) {
		aibrix_evict_free(evict);
		return err;
	}
	*out = evict;
	return AIBRIX_OK;
}

void
aibrix__evict_resize(aibrix_evict *evict, uint32_t capacity)
{
	if (evict->capacity == capacity)
		return;
	evict->capacity = capacity;
	if (evict->policy->resize)
		evict->policy->resize(evict);
}

uint32_t
aibrix__evict_oldest(const aibrix_evict *evict)
{
	return evict->policy->oldest(evict);
}

int
aibrix__evict_aside(aibrix_evict *evict, uint32_t oldest)
{
	if (!slot_busy(evict, oldest))
		return 0;
	evict->policy->remove(evict, oldest);
	evict->slots[oldest].where = ASIDE;
	return 1;
}
