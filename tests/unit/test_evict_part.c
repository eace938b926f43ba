#include <criterion/criterion.h>

#include "evict/evict_part.h"

#include "base/list.h"
#include "base/rand.h"
#include "failing.h"

enum { PARTS = 3, SLOTS = 30, HISTORY = 12, STEPS = 30000 };

static const uint32_t policies[] = {AIBRIX_EVICT_LRU,   AIBRIX_EVICT_S3FIFO,
				    AIBRIX_EVICT_FIFO,  AIBRIX_EVICT_ARC,
				    AIBRIX_EVICT_SIEVE, AIBRIX_EVICT_AUTO};

static aibrix_evict *
order_new(uint32_t policy, uint32_t capacity)
{
	const aibrix_evict_opts o = {
		.size = sizeof(o), .policy = policy, .capacity = capacity};
	aibrix_evict *evict;

	cr_assert_eq(aibrix_evict_new(&o, &evict), AIBRIX_OK);
	return evict;
}

/* Parts of one whole, and beside each the only part of another. */
struct both {
	aibrix_evict *whole, *part[PARTS];
	aibrix_evict *wholes[PARTS], *alone[PARTS];
	uint32_t of[SLOTS]; /* the part it is in; NONE */
	uint32_t pins[SLOTS];
};

static struct both
both_new(uint32_t policy)
{
	struct both b = {.whole = order_new(policy, SLOTS)};

	for (uint32_t i = 0; i < PARTS; i++) {
		cr_assert_eq(aibrix__evict_part(b.whole, HISTORY, &b.part[i]),
			     AIBRIX_OK);
		b.wholes[i] = order_new(policy, SLOTS);
		cr_assert_eq(
			aibrix__evict_part(b.wholes[i], HISTORY, &b.alone[i]),
			AIBRIX_OK);
	}
	memset(b.of, 0xff, sizeof(b.of));
	return b;
}

static void
both_pop(struct both *b, uint32_t i)
{
	uint32_t part = SLOTS, alone = SLOTS;

	cr_assert_eq(aibrix_evict_pop(b->part[i], &part),
		     aibrix_evict_pop(b->alone[i], &alone));
	cr_assert_eq(part, alone, "%u %u", part, alone);
	if (part == SLOTS)
		return;
	cr_assert_eq(b->of[part], i, "it gives its own");
	cr_assert_eq(b->pins[part], 0);
	b->of[part] = NONE;
}

static void
both_step(struct both *b, uint64_t *seed)
{
	uint32_t slot = rand_below(seed, SLOTS), i = b->of[slot];

	if (i == NONE) {
		i = rand_below(seed, PARTS);
		cr_assert_eq(aibrix_evict_insert(b->part[i], slot,
						 rand_below(seed, 60) + 1,
						 AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_evict_insert(
				     b->alone[i], slot,
				     aibrix_evict_fingerprint(b->part[i], slot),
				     AIBRIX_EVICT_NO_PARENT),
			     AIBRIX_OK);
		b->of[slot] = i;
		return;
	}
	switch (rand_below(seed, 5)) {
	case 0:
		cr_assert_eq(aibrix_evict_pin(b->part[i], slot), AIBRIX_OK);
		cr_assert_eq(aibrix_evict_pin(b->alone[i], slot), AIBRIX_OK);
		b->pins[slot]++;
		break;
	case 1:
		while (b->pins[slot]) {
			b->pins[slot]--;
			cr_assert_eq(aibrix_evict_unpin(b->part[i], slot),
				     AIBRIX_OK);
			cr_assert_eq(aibrix_evict_unpin(b->alone[i], slot),
				     AIBRIX_OK);
		}
		break;
	case 2:
		cr_assert_eq(aibrix_evict_remove(b->part[i], slot),
			     aibrix_evict_remove(b->alone[i], slot));
		if (!b->pins[slot])
			b->of[slot] = NONE;
		break;
	case 3: both_pop(b, rand_below(seed, PARTS)); break;
	default:
		cr_assert_eq(aibrix_evict_hit(b->part[i], slot), AIBRIX_OK);
		cr_assert_eq(aibrix_evict_hit(b->alone[i], slot), AIBRIX_OK);
	}
}

/* They share links, and nothing else: each gives what it would give if it were
 * alone. */
Test(evict_part, parts_do_not_see_each_other)
{
	for (size_t k = 0; k < sizeof(policies) / sizeof(policies[0]); k++) {
		struct both b = both_new(policies[k]);
		uint64_t seed = 7 + k;

		for (int i = 0; i < STEPS; i++)
			both_step(&b, &seed);
		for (uint32_t i = 0; i < PARTS; i++) {
			aibrix_evict_stat s = {.size = sizeof(s)}, t = s;

			cr_assert_eq(aibrix_evict_stats(b.part[i], &s), 0);
			cr_assert_eq(aibrix_evict_stats(b.alone[i], &t), 0);
			cr_expect_eq(memcmp(&s, &t, sizeof(s)), 0);
			cr_expect_gt(s.evictions, 100u);
			aibrix_evict_free(b.part[i]);
			aibrix_evict_free(b.alone[i]);
			aibrix_evict_free(b.wholes[i]);
		}
		aibrix_evict_free(b.whole);
	}
}

/* A part with the whole's slots gives what the whole would. */
Test(evict_part, a_part_of_all_is_the_order_itself)
{
	for (size_t k = 0; k < sizeof(policies) / sizeof(policies[0]); k++) {
		aibrix_evict *alone = order_new(policies[k], SLOTS);
		aibrix_evict *whole = order_new(policies[k], SLOTS), *part;
		uint64_t seed = 3 + k;
		uint32_t a, b;

		cr_assert_eq(aibrix__evict_part(whole, SLOTS, &part), 0);
		for (uint32_t i = 0; i < 5000; i++) {
			uint64_t name = rand_below(&seed, 50) + 1;

			a = b = i;
			if (i >= SLOTS) {
				cr_assert_eq(aibrix_evict_pop(alone, &a), 0);
				cr_assert_eq(aibrix_evict_pop(part, &b), 0);
			}
			cr_assert_eq(a, b);
			cr_assert_eq(aibrix_evict_insert(alone, a, name, NONE),
				     0);
			cr_assert_eq(aibrix_evict_insert(part, b, name, NONE),
				     0);
			a = rand_below(&seed, SLOTS);
			cr_assert_eq(aibrix_evict_hit(alone, a),
				     aibrix_evict_hit(part, a));
		}
		aibrix_evict_free(part);
		aibrix_evict_free(whole);
		aibrix_evict_free(alone);
	}
}

Test(evict_part, the_oldest_is_the_next_victim_and_pins_are_put_aside)
{
	aibrix_evict *whole = order_new(AIBRIX_EVICT_LRU, SLOTS), *part;
	uint32_t slot;

	cr_assert_eq(aibrix__evict_part(whole, HISTORY, &part), AIBRIX_OK);
	cr_expect_eq(aibrix__evict_oldest(part), NONE);
	for (uint32_t i = 0; i < 5; i++)
		cr_assert_eq(aibrix_evict_insert(part, i, i + 1, NONE), 0);
	cr_expect_eq(aibrix__evict_oldest(part), 0u);
	cr_assert_eq(aibrix_evict_pin(part, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_evict_pin(part, 1), AIBRIX_OK);
	/* Each is met once. */
	for (uint32_t i = 0; i < 2; i++) {
		cr_expect_eq(aibrix__evict_oldest(part), i);
		cr_expect_eq(aibrix__evict_aside(part, i), 1);
	}
	cr_expect_eq(aibrix__evict_oldest(part), 2u);
	cr_expect_eq(aibrix__evict_aside(part, 2), 0);
	cr_expect_eq(aibrix__evict_oldest(part), 2u);
	cr_assert_eq(aibrix_evict_unpin(part, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_evict_unpin(part, 1), AIBRIX_OK);
	/* 0 and 1 have come back as used. */
	for (uint32_t i = 0; i < 5; i++) {
		const uint32_t want = (i + 2) % 5;

		cr_expect_eq(aibrix__evict_oldest(part), want);
		cr_assert_eq(aibrix_evict_pop(part, &slot), AIBRIX_OK);
		cr_expect_eq(slot, want);
	}
	aibrix_evict_free(part);
	aibrix_evict_free(whole);
}

Test(evict_part, shares_follow_the_size_that_is_said)
{
	aibrix_evict *whole = order_new(AIBRIX_EVICT_S3FIFO, 1000), *part;
	aibrix_evict_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix__evict_part(whole, 100, &part), AIBRIX_OK);
	cr_assert_eq(aibrix_evict_stats(part, &s), AIBRIX_OK);
	cr_expect_eq(s.small_share, 30u);
	aibrix__evict_resize(part, 500);
	cr_assert_eq(aibrix_evict_stats(part, &s), AIBRIX_OK);
	cr_expect_eq(s.small_share, 150u);
	aibrix__evict_resize(part, 1);
	cr_assert_eq(aibrix_evict_stats(part, &s), AIBRIX_OK);
	cr_expect_eq(s.small_share, 1u);
	aibrix_evict_free(part);
	aibrix_evict_free(whole);
}

Test(evict_part, density_has_no_parts)
{
	aibrix_evict *whole = order_new(AIBRIX_EVICT_DENSITY, SLOTS), *part;

	cr_expect_eq(aibrix__evict_part(whole, HISTORY, &part),
		     AIBRIX_E_UNSUPPORTED);
	aibrix_evict_free(whole);
}

Test(evict_part, an_allocation_that_fails_leaves_nothing)
{
	for (size_t k = 0; k < sizeof(policies) / sizeof(policies[0]); k++) {
		for (uint64_t at = 1;; at++) {
			struct failing f = {.fail_at = UINT64_MAX};
			aibrix_allocator a = failing_allocator(&f);
			const aibrix_evict_opts o = {.size = sizeof(o),
						     .policy = policies[k],
						     .alloc = &a};
			aibrix_evict *whole, *part = NULL;
			int err;

			cr_assert_eq(aibrix_evict_new(&o, &whole), AIBRIX_OK);
			f.fail_at = f.calls + at - 1;
			err = aibrix__evict_part(whole, HISTORY, &part);
			if (!err)
				aibrix_evict_free(part);
			aibrix_evict_free(whole);
			cr_expect_eq(f.live, 0);
			if (!err)
				break;
			cr_assert_eq(err, AIBRIX_E_NOMEM);
		}
	}
}
