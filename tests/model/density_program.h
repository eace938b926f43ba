/*
 * The density order and a naive one go through the same program, a small
 * service: conversations that grow, long prompts that nobody repeats, pins
 * and removals.  What happens is drawn from a seed, or from bytes:
 *
 *	byte 0: slots, 1 to 64
 *	then for each request: chain (0 to 15: a conversation), length, and
 *	whether something is disturbed; then what, and how
 */
#ifndef TESTS_DENSITY_PROGRAM_H
#define TESTS_DENSITY_PROGRAM_H

#include <aibrix/evict.h>

#include "density_naive.h"
#include "choices.h"

struct pair {
	aibrix_evict *evict;
	struct naive *model;
	struct choices choices;
	uint32_t step;
};

/* A pin, its end, or a removal.  0: order and model differ. */
static int
pair_disturb(struct pair *p)
{
	uint32_t slot = draw(&p->choices, p->model->capacity);
	struct naive_slot *s = &p->model->slots[slot];

	if (s->state == ABSENT)
		return aibrix_evict_remove(p->evict, slot) ==
		       AIBRIX_E_NOT_FOUND;
	if (s->pins) {
		s->pins = 0;
		if (s->state == ASIDE) {
			s->state = QUEUED;
			s->used_at = p->model->now;
			s->order = p->model->order++;
		}
		return aibrix_evict_unpin(p->evict, slot) == AIBRIX_OK;
	}
	if (draw(&p->choices, 2)) {
		s->pins = 1;
		return aibrix_evict_pin(p->evict, slot) == AIBRIX_OK;
	}
	s->state = ABSENT;
	return aibrix_evict_remove(p->evict, slot) == AIBRIX_OK;
}

/* A slot for a new block; capacity: all are pinned.  0: they differ. */
static int
pair_room(struct pair *p, uint32_t *slot)
{
	struct naive *m = p->model;
	uint32_t victim = 0;
	int popped;

	for (*slot = 0; *slot < m->capacity; ++*slot)
		if (m->slots[*slot].state == ABSENT)
			return 1;
	popped = aibrix_evict_pop(p->evict, &victim) == AIBRIX_OK;
	if (popped != naive_pop(m, slot))
		return 0;
	return !popped || victim == *slot;
}

static int
pair_use(struct pair *p, uint32_t name, uint32_t depth)
{
	struct naive *m = p->model;
	aibrix_evict_block block = {.fingerprint = name,
				    .parent_slot = AIBRIX_EVICT_NO_PARENT,
				    .depth = depth};
	uint32_t slot;

	p->step++;
	for (slot = 0; slot < m->capacity; slot++) {
		if (m->slots[slot].state == ABSENT ||
		    m->slots[slot].name != name)
			continue;
		naive_hit(m, slot);
		return aibrix_evict_hit(p->evict, slot) == AIBRIX_OK;
	}
	if (!pair_room(p, &slot))
		return 0;
	if (slot == m->capacity)
		return 1;
	naive_insert(m, slot, name, depth);
	return aibrix_evict_insert_block(p->evict, slot, &block) == AIBRIX_OK;
}

/*
 * Chain 0 to 15: a conversation of 1 to 9 blocks, the same ones each time;
 * others: prompts that are new.  Returns 0, or the step at which order and
 * model differ.
 */
static uint32_t
pair_run(struct pair *p, uint32_t uses)
{
	uint32_t fresh = 1024;

	while (p->step < uses && (!p->choices.data || p->choices.left)) {
		uint32_t chain = draw(&p->choices, 40);
		uint32_t length = 1 + draw(&p->choices, 9);

		if (chain >= 16) {
			length *= 1 + chain % 4;
			chain = fresh;
			fresh = (fresh + 64) % NAMES;
		} else {
			chain *= 64;
		}
		for (uint32_t i = length; i-- > 0;)
			if (!pair_use(p, chain + i, chain % 5 ? i + 1 : 0))
				return p->step;
		if (draw(&p->choices, 4) == 0 && !pair_disturb(p))
			return p->step;
	}
	return 0;
}

/* 0, or the step at which they differ. */
static uint32_t
program_run(struct pair *p, uint32_t capacity, uint32_t uses, int fault)
{
	aibrix_evict_opts o = {.size = sizeof(o),
			       .policy = AIBRIX_EVICT_DENSITY,
			       .capacity = capacity};
	uint32_t step;

	if (aibrix_evict_new(&o, &p->evict))
		abort();
	p->model = new_naive(capacity);
	p->model->fault = fault;
	step = pair_run(p, uses);
	aibrix_evict_free(p->evict);
	free(p->model);
	return step;
}

#endif
