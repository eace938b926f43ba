#include <aibrix/evict.h>

#include "base/rand.h"
#include "evict/evict_ask.h"
#include "evict_help.h"

enum { SLOTS = 24, STEPS = 20000 };

/* One order is told of every pin, the other asks.  The pins are here. */
struct pair {
	aibrix_evict *told, *asks;
	uint32_t pins[SLOTS];
	uint8_t aside[SLOTS]; /* the one that asks took it for pinned */
	uint8_t in[SLOTS];
};

static int
pair_busy(void *ctx, uint32_t slot)
{
	struct pair *p = ctx;

	cr_assert(!p->aside[slot], "it knows that one");
	p->aside[slot] = p->pins[slot] > 0;
	return p->aside[slot];
}

static void
pair_pin(struct pair *p, uint32_t slot)
{
	p->pins[slot]++;
	cr_assert_eq(aibrix_evict_pin(p->told, slot), AIBRIX_OK);
}

static void
pair_unpin(struct pair *p, uint32_t slot)
{
	p->pins[slot]--;
	cr_assert_eq(aibrix_evict_unpin(p->told, slot), AIBRIX_OK);
	if (p->pins[slot] || !p->aside[slot])
		return;
	p->aside[slot] = 0;
	cr_assert_eq(aibrix_evict_unpin(p->asks, slot), AIBRIX_OK);
}

static void
pair_pop(struct pair *p)
{
	uint32_t told = SLOTS, asks = SLOTS;

	cr_assert_eq(aibrix_evict_pop(p->told, &told),
		     aibrix_evict_pop(p->asks, &asks));
	cr_assert_eq(told, asks);
	if (told < SLOTS)
		p->in[told] = 0;
}

static void
pair_insert(struct pair *p, uint32_t slot, uint64_t fingerprint)
{
	cr_assert_eq(aibrix_evict_insert(p->told, slot, fingerprint,
					 AIBRIX_EVICT_NO_PARENT),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_evict_insert(p->asks, slot, fingerprint,
					 AIBRIX_EVICT_NO_PARENT),
		     AIBRIX_OK);
	p->in[slot] = 1;
}

static void
pair_step(struct pair *p, uint64_t *state)
{
	uint32_t slot = rand_below(state, SLOTS);

	if (!p->in[slot]) {
		pair_insert(p, slot, rand_below(state, 3 * SLOTS));
		return;
	}
	switch (rand_below(state, 6)) {
	case 0: pair_pop(p); break;
	case 1:
		cr_assert_eq(aibrix_evict_hit(p->told, slot), AIBRIX_OK);
		cr_assert_eq(aibrix_evict_hit(p->asks, slot), AIBRIX_OK);
		break;
	case 2:
	case 3:
		if (p->pins[slot])
			pair_unpin(p, slot);
		break;
	default:
		if (p->pins[slot] < 3)
			pair_pin(p, slot);
	}
}

Test(evict, an_order_that_asks_for_pins_gives_up_what_one_that_is_told_does)
{
	for (uint32_t policy = 0; policy <= AIBRIX_EVICT_DENSITY; policy++) {
		aibrix_evict_opts o = {.policy = policy, .capacity = SLOTS};
		struct pair p = {new_order(o), new_order(o), {0}, {0}, {0}};
		uint64_t state = policy + 1;

		aibrix__evict_ask(p.asks, pair_busy, &p);
		for (uint32_t i = 0; i < STEPS; i++)
			pair_step(&p, &state);
		cr_expect_gt(stats_of(p.told).evictions, 1000);
		cr_expect_eq(stats_of(p.told).evictions,
			     stats_of(p.asks).evictions);
		cr_expect_eq(stats_of(p.told).ghost_hits,
			     stats_of(p.asks).ghost_hits);
		aibrix_evict_free(p.told);
		aibrix_evict_free(p.asks);
	}
}

Test(evict, what_an_order_found_busy_counts_as_pinned_and_comes_back)
{
	struct pair p = {.asks = new_order((aibrix_evict_opts){
				 .policy = AIBRIX_EVICT_LRU, .capacity = 3})};
	const aibrix_evict_block block = {
		.fingerprint = 9, .parent_slot = AIBRIX_EVICT_NO_PARENT};
	uint32_t slot;

	aibrix__evict_ask(p.asks, pair_busy, &p);
	insert_range(p.asks, 0, 3);
	p.pins[0] = 1;
	cr_expect_eq(stats_of(p.asks).pinned, 0);
	cr_expect_eq(aibrix_evict_replace(p.asks, &block, &slot), AIBRIX_OK);
	cr_expect_eq(slot, 1);
	cr_expect_eq(stats_of(p.asks).pinned, 1);
	cr_expect_eq(aibrix_evict_remove(p.asks, 0), AIBRIX_E_BUSY);
	p.pins[0] = 0;
	cr_expect_eq(aibrix_evict_unpin(p.asks, 0), AIBRIX_OK);
	EXPECT_POPS(p.asks, 2, 1);
	aibrix_evict_free(p.asks);
}
