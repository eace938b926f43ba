/* Batches straight into the index, and batches that we write. */
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

static const uint64_t names[] = {0, 200, 70000, (uint64_t)1 << 40};
static const uint32_t tokens[] = {
	0,     127, 128, 255, 256, 65535, 65536,      UINT32_MAX,
	70000, 1,   2,   3,   4,   5,     4000000000, 6};

/* One event of each sort, and what each field may be. */
static const aibrix_event samples[] = {
	{.type = AIBRIX_EVENT_STORED,
	 .flags = AIBRIX_INDEX_HAS_PARENT,
	 .parent = UINT64_MAX,
	 .tier = AIBRIX_TIER_HOST,
	 .group = 5,
	 .n = 4,
	 .names = names,
	 .tokens = tokens,
	 .n_tokens = 16,
	 .block_tokens = 4,
	 .lora = "adapter"},
	{.type = AIBRIX_EVENT_STORED,
	 .tier = AIBRIX_TIER_DISK,
	 .kind = AIBRIX_GROUP_OTHER,
	 .n = 1,
	 .names = names,
	 .tokens = tokens,
	 .n_tokens = 3,
	 .block_tokens = 64},
	{.type = AIBRIX_EVENT_STORED,
	 .tier = AIBRIX_TIER_EXTERNAL,
	 .n = 2,
	 .names = names},
	{.type = AIBRIX_EVENT_STORED,
	 .n = 1,
	 .names = names,
	 .tokens = tokens,
	 .n_tokens = 4,
	 .block_tokens = 4,
	 .extra = "\x91\x91\x92\xa1i\xfd",
	 .extra_bytes = 6},
	{.type = AIBRIX_EVENT_STORED},
	{.type = AIBRIX_EVENT_REMOVED,
	 .tier = AIBRIX_TIER_HOST,
	 .group = 63,
	 .n = 3,
	 .names = names},
	{.type = AIBRIX_EVENT_REMOVED},
	{.type = AIBRIX_EVENT_CLEARED},
};

enum { SAMPLES = sizeof(samples) / sizeof(*samples) };

static void
expect_bytes(const void *a, const void *b, size_t n)
{
	if (n)
		cr_expect_arr_eq(a, b, n);
}

static void
expect_same(const aibrix_event *a, const aibrix_event *b)
{
	cr_expect_eq(a->type, b->type);
	cr_expect_eq(a->flags, b->flags);
	cr_expect_eq(a->tier, b->tier);
	cr_expect_eq(a->group, b->group);
	cr_expect_eq(a->kind, b->kind);
	cr_expect_eq(a->parent, b->parent);
	cr_expect_eq(a->block_tokens, b->block_tokens);
	cr_assert_eq(a->n, b->n);
	expect_bytes(a->names, b->names, a->n * sizeof(*a->names));
	cr_assert_eq(a->n_tokens, b->n_tokens);
	expect_bytes(a->tokens, b->tokens, a->n_tokens * sizeof(*a->tokens));
	cr_assert_eq(!a->lora, !b->lora);
	if (a->lora)
		cr_expect_str_eq(a->lora, b->lora);
	cr_assert_eq(!a->salt, !b->salt);
	if (a->salt)
		cr_expect_str_eq(a->salt, b->salt);
	cr_assert_eq(a->extra_bytes, b->extra_bytes);
	expect_bytes(a->extra, b->extra, a->extra_bytes);
}

static void
expect_round_trip(uint32_t flags, const aibrix_event *events, uint32_t n)
{
	const aibrix_event_encoding encoding = {.size = sizeof(encoding),
						.flags = flags,
						.time_s = 12.25,
						.rank = 300};
	aibrix_event_batch batch = {.size = sizeof(batch)};
	uint8_t bytes[1024];
	uint64_t need;
	uint32_t rank;
	aibrix_event e;

	cr_assert_eq(aibrix_event_encode(&encoding, events, n, bytes,
					 sizeof(bytes), &need),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_event_open(decoder, bytes, need, &batch),
		     AIBRIX_OK);
	cr_expect_eq(batch.n_events, n);
	cr_expect_eq(batch.time_s, 12.25);
	for (uint32_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_OK);
		expect_same(&events[i], &e);
	}
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_event_rank(bytes, need, &rank), AIBRIX_OK);
	cr_expect_eq(rank, 300);
}

Test(event_encode, what_is_written_is_read)
{
	start();
	expect_round_trip(AIBRIX_EVENT_HAS_RANK, samples, SAMPLES);
	expect_round_trip(AIBRIX_EVENT_HAS_RANK | AIBRIX_EVENT_MAPS, samples,
			  SAMPLES);
	stop();
}

Test(event_encode, a_salt_goes_into_maps_only)
{
	aibrix_event e = samples[3];
	uint8_t bytes[256];
	uint64_t n;

	start();
	e.salt = "tenant";
	expect_round_trip(AIBRIX_EVENT_HAS_RANK | AIBRIX_EVENT_MAPS, &e, 1);
	cr_expect_eq(aibrix_event_encode(NULL, &e, 1, bytes, sizeof(bytes), &n),
		     AIBRIX_E_INVAL);
	stop();
}

Test(event_encode, too_small_a_buffer_says_what_is_needed)
{
	uint8_t bytes[512];
	uint64_t n, need = 0;

	cr_assert_eq(aibrix_event_encode(NULL, samples, SAMPLES, NULL, 0, &n),
		     AIBRIX_E_SPACE);
	for (uint64_t cap = 0; cap < n; cap++) {
		memset(bytes, 0x5a, sizeof(bytes));
		cr_assert_eq(aibrix_event_encode(NULL, samples, SAMPLES, bytes,
						 cap, &need),
			     AIBRIX_E_SPACE);
		cr_assert_eq(need, n);
		for (uint64_t i = cap; i < sizeof(bytes); i++)
			cr_assert_eq(bytes[i], 0x5a);
	}
	cr_expect_eq(
		aibrix_event_encode(NULL, samples, SAMPLES, bytes, n, &need),
		AIBRIX_OK);
}

static int
status_of(const aibrix_event *e)
{
	uint8_t bytes[256];
	uint64_t n;

	return aibrix_event_encode(NULL, e, 1, bytes, sizeof(bytes), &n);
}

Test(event_encode, wrong_events_are_refused)
{
	const aibrix_event good = samples[3];
	aibrix_event e = good;

	cr_assert_eq(status_of(&e), AIBRIX_OK);
	e.type = 0;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.type = 4;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.tier = AIBRIX_TIERS;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.group = AIBRIX_INDEX_GROUPS;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.kind = 2;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.flags = 2;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.spare = 1;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.names = NULL;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.tokens = NULL;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.n_tokens = (uint64_t)UINT32_MAX + 1;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
}

Test(event_encode, extra_keys_are_one_whole_value)
{
	aibrix_event e = samples[3];

	e.extra_bytes = 5;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.extra = "\x90\x90";
	e.extra_bytes = 2;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.extra_bytes = 0;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.extra = NULL;
	e.extra_bytes = 1;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
}

Test(event_encode, wrong_calls_are_refused)
{
	aibrix_event_encoding x = {.size = sizeof(x)};
	uint8_t bytes[64];
	char text[4098];
	uint64_t n;
	aibrix_event e = samples[4];

	memset(text, 'x', sizeof(text));
	text[4097] = '\0';
	e.lora = text;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_encode(&x, samples, 1, bytes, 64, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_encode(&x, NULL, 1, bytes, 64, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_encode(&x, samples, 1, NULL, 64, &n),
		     AIBRIX_E_INVAL);
	x.flags = 4;
	cr_expect_eq(aibrix_event_encode(&x, NULL, 0, bytes, 64, &n),
		     AIBRIX_E_ABI);
	x.flags = 0;
	x.spare = 1;
	cr_expect_eq(aibrix_event_encode(&x, NULL, 0, bytes, 64, &n),
		     AIBRIX_E_INVAL);
	x.size = 4;
	cr_expect_eq(aibrix_event_encode(&x, NULL, 0, bytes, 64, &n),
		     AIBRIX_E_INVAL);
}
