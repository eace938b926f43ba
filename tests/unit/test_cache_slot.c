#include <criterion/criterion.h>

#include "cache/cache_slot.h"

/* READY, of a generation, with one pin. */
static struct slot
slot_ready(uint32_t generation)
{
	struct slot s = {.depth = 1};

	slot_begin(&s, SLOT_FILLING, generation);
	slot_change(&s, SLOT_READY);
	return s;
}

Test(cache, a_pinned_slot_is_not_claimed)
{
	struct slot s = slot_ready(7);

	cr_expect(!slot_claim(&s));
	cr_expect_eq(word_pins(slot_let_go(&s, 0)), 1);
	cr_expect(slot_claim(&s));
	cr_expect_eq(slot_state(&s), SLOT_LOOSE);
	cr_expect_eq(word_generation(slot_word(&s)), 7);
}

Test(cache, pins_have_a_bound_and_readers_a_lower_one)
{
	struct slot s = slot_ready(7);
	uint32_t before;

	cr_expect(!slot_hold(&s, 1, &before));
	cr_expect_eq(before, 1);
	cr_expect(slot_hold(&s, 2, &before));
	cr_expect_eq(slot_pins(&s), 2);
	atomic_store(&s.word, (uint64_t)7 << 32 |
				      (uint64_t)SLOT_PINS_MAX * SLOT_PIN |
				      SLOT_READY);
	cr_expect(!slot_hold(&s, SLOT_PINS_MAX, &before));
	cr_expect_eq(slot_pins(&s), SLOT_PINS_MAX);
	cr_expect_eq(word_generation(slot_word(&s)), 7);
}

Test(cache, a_slot_is_marked_only_with_pins_or_only_without)
{
	struct slot s = slot_ready(7);

	cr_expect(!slot_mark_if(&s, SLOT_KEPT, 0));
	cr_expect(slot_mark_if(&s, SLOT_LAST, 1));
	cr_expect(slot_word(&s) & SLOT_LAST);
	slot_unmark(&s, SLOT_LAST);
	slot_let_go(&s, 0);
	cr_expect(!slot_mark_if(&s, SLOT_LAST, 1));
	cr_expect(slot_mark_if(&s, SLOT_KEPT, 0));
	cr_expect_eq(slot_word(&s), (uint64_t)7 << 32 | SLOT_KEPT | SLOT_READY);
}

Test(cache, who_lets_go_marks_the_slot_for_those_that_remain)
{
	struct slot s = slot_ready(7);
	uint32_t before;

	cr_assert(slot_hold(&s, SLOT_PINS_MAX, &before));
	slot_let_go(&s, SLOT_LAST);
	cr_expect(slot_word(&s) & SLOT_LAST);
	slot_unmark(&s, SLOT_LAST);
	slot_let_go(&s, SLOT_LAST);
	cr_expect_eq(slot_word(&s), (uint64_t)7 << 32 | SLOT_READY);
}

Test(cache, a_slot_that_has_another_block_by_now_is_not_pinned)
{
	struct slot s = slot_ready(7);
	uint64_t seen, word;

	slot_let_go(&s, 0);
	seen = slot_word(&s);
	cr_assert(slot_claim(&s));
	slot_begin(&s, SLOT_FILLING, 9);
	slot_change(&s, SLOT_READY);
	slot_let_go(&s, 0);
	word = seen;
	cr_expect(!slot_pin(&s, &word));
	cr_expect_eq(slot_pins(&s), 0);
	word = slot_word(&s);
	cr_expect(slot_pin(&s, &word));
	cr_expect_eq(slot_pins(&s), 1);
}

Test(cache, pins_of_others_do_not_keep_a_reader_out)
{
	struct slot s = slot_ready(7);
	uint64_t word = slot_word(&s);
	uint32_t before;

	cr_assert(slot_hold(&s, SLOT_PINS_MAX, &before));
	cr_expect(slot_pin(&s, &word));
	cr_expect_eq(word_pins(word), 2);
	cr_expect_eq(slot_pins(&s), 3);
}

Test(cache, what_is_not_ready_or_is_to_be_reused_is_not_pinned)
{
	static const uint8_t states[] = {SLOT_FREE, SLOT_FILLING, SLOT_FETCHING,
					 SLOT_LOOSE};
	struct slot s = slot_ready(7);
	uint64_t word;

	for (size_t i = 0; i < sizeof(states); i++) {
		slot_change(&s, states[i]);
		word = slot_word(&s);
		cr_expect(!slot_pin(&s, &word));
	}
	slot_change(&s, SLOT_READY);
	slot_mark(&s, SLOT_KEPT);
	word = slot_word(&s);
	cr_expect(!slot_pin(&s, &word));
	slot_unmark(&s, SLOT_KEPT);
	word = slot_word(&s);
	cr_expect(slot_pin(&s, &word));
}

Test(cache, the_last_pin_stays_where_its_end_means_more)
{
	struct slot s = slot_ready(7);
	uint64_t word;
	uint32_t before;

	cr_expect(slot_mark_if(&s, SLOT_LAST, 1));
	cr_assert(slot_hold(&s, SLOT_PINS_MAX, &before));
	cr_expect(slot_unpin(&s, &word));
	cr_expect(!slot_unpin(&s, &word));
	cr_expect_eq(slot_pins(&s), 1);
	slot_unmark(&s, SLOT_LAST);
	slot_change(&s, SLOT_LOOSE);
	cr_expect(!slot_unpin(&s, &word));
	slot_change(&s, SLOT_READY);
	cr_expect(slot_unpin(&s, &word));
	cr_expect(!slot_mark_if(&s, SLOT_LAST, 1));
}
