/*
 * Is every slot where it belongs?
 *
 * Stacks change while they are read, so they are read as a whole: all heads,
 * then all stacks, then all heads again.  As each change counts up a tag,
 * equal heads mean that the stacks were all like this at one moment.
 *
 * What calls have between two steps is in no stack, and not yet, or no
 * longer, taken.  From here it cannot be told from what is lost; so it is
 * counted, and who knows that no call is inside knows what the count means.
 */

#include <aibrix/pool.h>

#include "base/versioned.h"
#include "pool/pool_stack.h"

enum { REPORT_V1 = STRUCT_UPTO(aibrix_pool_report, drift) };
enum { TRIES = 8 };

/* The memory of one check. */
struct look {
	uint64_t *heads;
	uint8_t *seen; /* bit per slot */
	uint32_t stacks;
	size_t bytes;
};

static uint32_t
slot_word(const aibrix_pool *pool, uint32_t slot)
{
	/* Acquire: with the releases in pool_slots.c. */
	return (uint32_t)atomic_load_explicit(&pool->slots[slot].word,
					      memory_order_acquire);
}

/* Slots of one stack; 0: one of them cannot be there. */
static int
stack_look(const aibrix_pool *pool, const struct look *look, uint32_t i,
	   uint64_t *free)
{
	uint32_t kind = i % pool->shape.classes;
	uint32_t slot = (uint32_t)look->heads[i];

	/* Every read here is an acquire: what it finds was written, with a
	 * release, by one who had changed a head before; and the heads are
	 * read again after it. */
	for (; slot != NONE;
	     slot = atomic_load_explicit(&pool->slots[slot].next,
					 memory_order_acquire)) {
		uint32_t span = slot / pool->shape.span_slots;

		if (slot >= pool->shape.slots ||
		    look->seen[slot / 8] & 1u << slot % 8 ||
		    slot_word(pool, slot) % 2 == 1 ||
		    atomic_load_explicit(&pool->spans[span].kind,
					 memory_order_acquire) != kind)
			return 0;
		look->seen[slot / 8] |= (uint8_t)(1u << slot % 8);
		++*free;
	}
	return 1;
}

static uint64_t
head_read(const aibrix_pool *pool, uint32_t i)
{
	/* Acquire: with the release in stack_push. */
	return atomic_load_explicit(&pool->stacks[i].head,
				    memory_order_acquire);
}

/* AIBRIX_OK, E_CORRUPT, or E_AGAIN: something changed meanwhile. */
static int
stacks_look(const aibrix_pool *pool, const struct look *look,
	    aibrix_pool_report *r)
{
	uint64_t exist = 0;
	int sound = 1;

	for (size_t i = 0; i < look->bytes; i++)
		look->seen[i] = 0;
	r->free = r->taken = 0;
	for (uint32_t i = 0; i < look->stacks; i++)
		look->heads[i] = head_read(pool, i);
	for (uint32_t i = 0; sound && i < look->stacks; i++)
		sound = stack_look(pool, look, i, &r->free);
	for (uint32_t i = 0; i < pool->shape.slots; i++)
		r->taken += slot_word(pool, i) % 2;
	for (uint32_t i = 0; i < pool->shape.spans; i++)
		exist += aibrix__pool_span_slots(pool, i);
	for (uint32_t i = 0; i < look->stacks; i++)
		if (look->heads[i] != head_read(pool, i))
			return AIBRIX_E_AGAIN;
	if (!sound || r->free + r->taken > exist)
		return AIBRIX_E_CORRUPT;
	r->moving = exist - r->free - r->taken;
	return AIBRIX_OK;
}

int
aibrix_pool_check(const aibrix_pool *pool, aibrix_pool_report *report)
{
	aibrix_pool_report r = {.size = sizeof(r)};
	aibrix_pool_stat stat = {.size = sizeof(stat)};
	struct look look = {0};
	int err;

	if (!pool || !report)
		return AIBRIX_E_INVAL;
	look.stacks = (pool->shape.magazines + 1) * pool->shape.classes;
	look.bytes = pool->shape.slots / 8 + 1;
	look.heads =
		aibrix__alloc(&pool->alloc, look.stacks, sizeof(*look.heads));
	look.seen = aibrix__alloc(&pool->alloc, look.bytes, 1);
	err = look.heads && look.seen ? AIBRIX_E_AGAIN : AIBRIX_E_NOMEM;
	for (int i = 0; err == AIBRIX_E_AGAIN && i < TRIES; i++)
		err = stacks_look(pool, &look, &r);
	aibrix__free(&pool->alloc, look.seen, look.bytes, 1);
	aibrix__free(&pool->alloc, look.heads, look.stacks,
		     sizeof(*look.heads));
	if (!err)
		err = aibrix_pool_stats(pool, &stat);
	if (err)
		return err;
	r.drift = (int64_t)(stat.taken - r.taken);
	return aibrix__struct_store(report, &r, sizeof(r), REPORT_V1);
}
