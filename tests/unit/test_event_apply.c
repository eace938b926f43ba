/* Batches straight into the index. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "event_tools.h"

static aibrix_hash *hash;
static aibrix_event_decoder *decoder;
static aibrix_index *index;

static void
start(void)
{
	hash = new_hash(4);
	decoder = new_decoder(hash, 0);
	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 3), AIBRIX_OK);
}

static void
stop(void)
{
	aibrix_index_free(index);
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}

TestSuite(event_apply, .init = start, .fini = stop);

static aibrix_index_stat
index_stat(void)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
	return stat;
}

static int
apply(const struct wire *w)
{
	return aibrix_event_apply(decoder, index, 3, w->bytes, w->n);
}

/* Leading blocks held of a prompt of n blocks of tokens 1, 2, 3, ... */
static uint32_t
held(uint32_t n)
{
	uint32_t tokens[64], found = 0;
	const aibrix_prompt prompt = {.size = sizeof(prompt),
				      .tokens = tokens,
				      .n_tokens = 4 * (uint64_t)n};
	aibrix_index_reader *reader;
	uint64_t hashes[16], blocks;
	aibrix_match match = {0};

	for (uint32_t i = 0; i < 4 * n; i++)
		tokens[i] = 1 + i;
	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, 16, &blocks),
		AIBRIX_OK);
	cr_assert_eq(aibrix_index_reader_new(index, &reader), AIBRIX_OK);
	cr_assert_eq(aibrix_index_lookup(reader, hashes, n, &match, 1, &found),
		     AIBRIX_OK);
	aibrix_index_reader_free(reader);
	return match.held;
}

static void
wire_removed(struct wire *w, uint64_t name, uint32_t n, const char *medium)
{
	wire_array(w, 3);
	wire_text(w, "BlockRemoved");
	wire_range(w, name, n);
	wire_text(w, medium);
}

static void
wire_cleared(struct wire *w)
{
	wire_array(w, 1);
	wire_text(w, "AllBlocksCleared");
}

/* Block first of the prompt above, under its parent. */
static void
wire_child(struct wire *w, uint32_t first, uint32_t n)
{
	wire_array(w, 5);
	wire_text(w, "BlockStored");
	wire_range(w, 10 + first, n);
	wire_uint(w, 9 + first);
	wire_range(w, 1 + 4 * first, 4 * n);
	wire_uint(w, 4);
}

Test(event_apply, stores_and_removals_in_order)
{
	struct wire w;

	wire_batch(&w, 4);
	wire_stored(&w, 5, 10, 2, 1, 4);
	wire_child(&w, 2, 3);
	wire_removed(&w, 14, 1, "GPU");
	wire_removed(&w, 13, 1, "GPU");
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(5), 3);
	cr_expect_eq(stat_of(decoder).stored, 2);
	cr_expect_eq(stat_of(decoder).removed, 2);
	cr_expect_eq(stat_of(decoder).removed_blocks, 2);
}

Test(event_apply, a_clear_takes_all)
{
	struct wire w;

	wire_batch(&w, 3);
	wire_stored(&w, 5, 10, 4, 1, 4);
	wire_removed(&w, 13, 1, "GPU");
	wire_cleared(&w);
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(4), 0);
	cr_expect_eq(index_stat().removed, 1);
	cr_expect_eq(index_stat().places, 0);
}

/* Removals wait for each other, never for a store behind them. */
Test(event_apply, a_block_removed_and_stored_again_is_held)
{
	struct wire w;

	wire_batch(&w, 5);
	wire_stored(&w, 5, 10, 3, 1, 4);
	wire_removed(&w, 12, 1, "GPU");
	wire_removed(&w, 11, 1, "GPU");
	wire_child(&w, 1, 2);
	wire_removed(&w, 12, 1, "GPU");
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(3), 2);
}

Test(event_apply, removals_of_other_tiers_are_apart)
{
	struct wire w;

	wire_batch(&w, 6);
	wire_stored(&w, 5, 10, 3, 1, 4);
	wire_array(&w, 7); /* by name alone, in memory of the host */
	wire_text(&w, "BlockStored");
	wire_range(&w, 10, 3);
	wire_nil(&w);
	wire_array(&w, 0);
	wire_uint(&w, 0);
	wire_nil(&w);
	wire_text(&w, "CPU");
	wire_removed(&w, 12, 1, "GPU");
	wire_removed(&w, 11, 1, "GPU");
	wire_removed(&w, 12, 1, "CPU");
	wire_removed(&w, 10, 1, "GPU");
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(3), 2);
	cr_expect_eq(index_stat().unknown_removals, 0);
	cr_expect_eq(index_stat().removed, 4);
}

/* The names of a removal that waits are moved to the front. */
Test(event_apply, removals_that_take_turns_are_not_mixed_up)
{
	struct wire w;

	wire_batch(&w, 5);
	wire_stored(&w, 5, 10, 3, 1, 4);
	wire_array(&w, 7);
	wire_text(&w, "BlockStored");
	wire_range(&w, 10, 3);
	wire_nil(&w);
	wire_array(&w, 0);
	wire_uint(&w, 0);
	wire_nil(&w);
	wire_text(&w, "CPU");
	wire_removed(&w, 12, 1, "GPU");
	wire_removed(&w, 12, 1, "CPU");
	wire_removed(&w, 11, 1, "GPU");
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(3), 2);
}

Test(event_apply, removals_of_other_groups_are_apart)
{
	struct wire w;

	wire_batch(&w, 3);
	wire_stored(&w, 11, 20, 1, 1, 4);
	for (int i = 0; i < 4; i++)
		wire_nil(&w);
	wire_uint(&w, 1);
	wire_text(&w, "mamba");
	for (uint32_t group = 0; group < 2; group++) {
		wire_array(&w, 4);
		wire_text(&w, "BlockRemoved");
		wire_range(&w, 20, 1);
		wire_nil(&w);
		wire_uint(&w, group);
	}
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(index_stat().unknown_removals, 1);
	cr_expect_eq(index_stat().ignored, 2);
}

/* 2^20 names in one event, and one in the next. */
Test(event_apply, removals_are_joined_as_far_as_the_index_takes_them)
{
	const uint32_t most = AIBRIX_INDEX_EVENT_BLOCKS;
	uint8_t *bytes = calloc(1, (size_t)most + 128);
	struct wire w;
	size_t n;

	cr_assert_not_null(bytes);
	wire_batch(&w, 2);
	wire_array(&w, 2);
	wire_text(&w, "BlockRemoved");
	wire_wide(&w, 0xdd, most, 4);
	memcpy(bytes, w.bytes, w.n);
	n = w.n + most;
	w.n = 0;
	wire_removed(&w, 12, 1, "GPU");
	memcpy(bytes + n, w.bytes, w.n);
	cr_expect_eq(aibrix_event_apply(decoder, index, 3, bytes, n + w.n),
		     AIBRIX_OK);
	cr_expect_eq(stat_of(decoder).removed_blocks, (uint64_t)most + 1);
	free(bytes);
}

Test(event_apply, skipped_events_part_no_removals)
{
	struct wire w;

	wire_batch(&w, 4);
	wire_stored(&w, 5, 10, 3, 1, 4);
	wire_removed(&w, 12, 1, "GPU");
	wire_removed(&w, 11, 1, "TAPE");
	wire_removed(&w, 11, 1, "GPU");
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(3), 1);
	cr_expect_eq(stat_of(decoder).unknown_media, 1);
}

Test(event_apply, an_unknown_parent_is_refused_and_counted)
{
	struct wire w;

	wire_batch(&w, 2);
	wire_child(&w, 2, 1);
	wire_stored(&w, 5, 10, 1, 1, 4);
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(held(1), 1);
	cr_expect_eq(stat_of(decoder).refused, 1);
	cr_expect_eq(index_stat().unknown_parents, 1);
}

Test(event_apply, what_came_before_broken_framing_is_applied)
{
	struct wire w;

	wire_batch(&w, 3);
	wire_stored(&w, 5, 10, 3, 1, 4);
	wire_removed(&w, 12, 1, "GPU");
	wire_tag(&w, 0xc1);
	cr_assert_eq(apply(&w), AIBRIX_E_PARSE);
	cr_expect_eq(held(3), 2);
	cr_expect_eq(stat_of(decoder).lost, 1);
}

Test(event_apply, nothing_of_a_bad_batch_is_applied)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_stored(&w, 5, 10, 3, 1, 4);
	w.bytes[0] = 0x91;
	cr_assert_eq(apply(&w), AIBRIX_E_PARSE);
	cr_expect_eq(held(3), 0);
	cr_expect_eq(stat_of(decoder).bad_batches, 1);
}

Test(event_apply, an_owner_must_be_registered)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_stored(&w, 5, 10, 3, 1, 4);
	cr_expect_eq(aibrix_event_apply(decoder, index, 4, w.bytes, w.n),
		     AIBRIX_E_INVAL);
	wire_batch(&w, 1);
	wire_removed(&w, 12, 1, "GPU");
	cr_expect_eq(aibrix_event_apply(decoder, index, 4, w.bytes, w.n),
		     AIBRIX_E_INVAL);
	wire_batch(&w, 1);
	wire_cleared(&w);
	cr_expect_eq(aibrix_event_apply(decoder, index, 4, w.bytes, w.n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_apply(NULL, index, 3, w.bytes, w.n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_apply(decoder, NULL, 3, w.bytes, w.n),
		     AIBRIX_E_INVAL);
}

/* A pull of the same batch sees what apply saw, and ends it. */
Test(event_apply, apply_leaves_no_batch_open)
{
	struct wire w;
	aibrix_event e;

	wire_batch(&w, 2);
	wire_cleared(&w);
	wire_cleared(&w);
	cr_assert_eq(first_status(decoder, &w), AIBRIX_OK);
	cr_assert_eq(apply(&w), AIBRIX_OK);
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_STATE);
}
