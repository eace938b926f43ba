/*
 * Batches as they travel.  Rows ev01 to ev11 and the rules behind them are
 * those of AIBrix's decoder (pkg/cache/kvcache/msgpack_decoder_test.go,
 * pkg/utils/syncprefixcacheindexer/sync_hash_test.go), with the required
 * answer where AIBrix's differs; cleared_* are vLLM's bytes.
 */
#include <criterion/criterion.h>

#include "event_tools.h"

static const char ev01[] =
	"93cb3ff80000000000009197ab426c6f636b53746f726564920102c098010203040506"
	"070804c0a347505500";
static const char ev02[] =
	"92cb3ff80000000000009193ac426c6f636b52656d6f7665649101a3475055";
static const char ev04[] =
	"92cb3ff80000000000009196ab426c6f636b53746f72656491c4080102030405060708"
	"c408ffffffffffffffff91090107";
static const char ev05[] =
	"93cb3ff80000000000009188a474797065ab426c6f636b53746f726564ac626c6f636b"
	"5f686173686573920102b1706172656e745f626c6f636b5f68617368c0a9746f6b656e"
	"5f696473980102030405060708aa626c6f636b5f73697a6504a76c6f72615f6964c0a6"
	"6d656469756da3475055a96c6f72615f6e616d65c000";
static const char ev06[] =
	"92cb3ff80000000000009183a474797065ac426c6f636b52656d6f766564ac626c6f63"
	"6b5f68617368657391cfffffffffffffffffa66d656469756da3435055";
static const char ev07[] = "92cb3ff80000000000009181a474797065b0416c6c426c6f636"
			   "b73436c6561726564";
static const char ev09[] = "92cb3ff80000000000009192a44e6f706501";
static const char ev10[] = "92cb3ff800000000000090";
static const char ev11[] =
	"92cb3ff80000000000009195ab426c6f636b53746f7265649101c09301020304";
static const char cleared_array[] =
	"93cb3ff00000000000009191b0416c6c426c6f636b73436c656172656400";
static const char cleared_map[] = "93cb3ff00000000000009181a474797065b0416c6c42"
				  "6c6f636b73436c656172656400";

static aibrix_hash *hash;
static aibrix_event_decoder *decoder;

static void
start(uint32_t block_tokens, uint32_t flags)
{
	hash = new_hash(block_tokens);
	decoder = new_decoder(hash, flags);
}

static void
stop(void)
{
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}

static aibrix_event
event_of(const char *hex)
{
	struct wire w = wire_of_hex(hex);

	return one_event(decoder, &w);
}

/* The content hashes of a prompt of n_tokens counted up from first. */
static void
contents(uint32_t first, uint32_t n_tokens, const char *lora, uint64_t *hashes)
{
	uint32_t tokens[64];
	const aibrix_prompt prompt = {.size = sizeof(prompt),
				      .tokens = tokens,
				      .n_tokens = n_tokens,
				      .lora = lora};
	uint64_t n;

	for (uint32_t i = 0; i < n_tokens; i++)
		tokens[i] = first + i;
	cr_assert_eq(aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, 16, &n),
		     AIBRIX_OK);
}

static void
expect_two_blocks(const char *hex)
{
	aibrix_event e = event_of(hex);
	uint64_t expected[2];

	contents(1, 8, NULL, expected);
	cr_assert_eq(e.type, AIBRIX_EVENT_STORED);
	cr_assert_eq(e.n, 2);
	cr_expect_eq(e.names[0], 1);
	cr_expect_eq(e.names[1], 2);
	cr_expect_eq(e.hashes[0], expected[0]);
	cr_expect_eq(e.hashes[1], expected[1]);
	cr_expect_eq(e.n_tokens, 8);
	cr_expect_eq(e.tokens[7], 8);
	cr_expect_eq(e.block_tokens, 4);
	cr_expect_eq(e.flags, 0);
	cr_expect_eq(e.tier, AIBRIX_TIER_DEVICE);
	cr_expect_null(e.lora);
}

Test(event, ev01_an_array_stores_two_blocks)
{
	struct wire w = wire_of_hex(ev01);
	uint32_t rank = 9;

	start(4, 0);
	expect_two_blocks(ev01);
	cr_expect_eq(aibrix_event_rank(w.bytes, w.n, &rank), AIBRIX_OK);
	cr_expect_eq(rank, 0);
	stop();
}

Test(event, ev02_an_array_removes_a_block)
{
	aibrix_event e;

	start(4, 0);
	e = event_of(ev02);
	cr_assert_eq(e.type, AIBRIX_EVENT_REMOVED);
	cr_assert_eq(e.n, 1);
	cr_expect_eq(e.names[0], 1);
	cr_expect_eq(e.tier, AIBRIX_TIER_DEVICE);
	stop();
}

Test(event, ev04_bytes_are_folded_and_a_lora_number_is_a_name)
{
	aibrix_event e;
	uint64_t expected;

	start(1, 0);
	e = event_of(ev04);
	contents(9, 1, "7", &expected);
	cr_assert_eq(e.n, 1);
	cr_expect_eq(e.names[0], 0x0102030405060708);
	cr_expect_eq(e.flags, AIBRIX_INDEX_HAS_PARENT);
	cr_expect_eq(e.parent, UINT64_MAX);
	cr_expect_str_eq(e.lora, "7");
	cr_expect_eq(e.hashes[0], expected);
	stop();
}

Test(event, ev05_a_map_stores_two_blocks)
{
	start(4, 0);
	expect_two_blocks(ev05);
	stop();
}

Test(event, ev06_a_map_removes_from_host_memory)
{
	aibrix_event e;

	start(4, 0);
	e = event_of(ev06);
	cr_assert_eq(e.type, AIBRIX_EVENT_REMOVED);
	cr_expect_eq(e.names[0], UINT64_MAX);
	cr_expect_eq(e.tier, AIBRIX_TIER_HOST);
	stop();
}

Test(event, ev07_a_map_clears)
{
	start(4, 0);
	cr_expect_eq(event_of(ev07).type, AIBRIX_EVENT_CLEARED);
	stop();
}

Test(event, ev09_an_unknown_type_is_skipped)
{
	struct wire w = wire_of_hex(ev09);
	aibrix_event e;

	start(4, 0);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(decoder).unknown_types, 1);
	stop();
}

Test(event, ev10_a_batch_may_be_empty)
{
	struct wire w = wire_of_hex(ev10);

	start(4, 0);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(decoder).batches, 1);
	stop();
}

Test(event, ev11_tokens_that_fill_no_block_cost_the_event)
{
	struct wire w = wire_of_hex(ev11);

	start(4, 0);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_PARSE);
	cr_expect_eq(stat_of(decoder).wrong_tokens, 1);
	stop();
}

Test(event, cleared_in_the_bytes_of_vllm)
{
	aibrix_event_batch batch = {.size = sizeof(batch)};
	struct wire w = wire_of_hex(cleared_array);

	start(4, 0);
	cr_assert_eq(aibrix_event_open(decoder, w.bytes, w.n, &batch),
		     AIBRIX_OK);
	cr_expect_eq(batch.n_events, 1);
	cr_expect_eq(batch.time_s, 1.0);
	cr_expect_eq(event_of(cleared_array).type, AIBRIX_EVENT_CLEARED);
	cr_expect_eq(event_of(cleared_map).type, AIBRIX_EVENT_CLEARED);
	stop();
}

/* Decoding and encoding again gives the engine's bytes; of the arrays, which
 * are of older engines, event_vectors.py has today's. */
static void
expect_same_bytes(const char *hex, uint32_t flags)
{
	const aibrix_event_encoding encoding = {
		.size = sizeof(encoding), .flags = flags, .time_s = 1.5};
	struct wire w = wire_of_hex(hex);
	aibrix_event e = event_of(hex);
	uint8_t out[256];
	uint64_t n;

	cr_assert_eq(
		aibrix_event_encode(&encoding, &e, 1, out, sizeof(out), &n),
		AIBRIX_OK);
	cr_expect_eq(n, w.n);
	cr_expect_arr_eq(out, w.bytes, n);
}

Test(event, encoded_again_the_maps_are_the_same_bytes)
{
	start(4, 0);
	expect_same_bytes(ev05, AIBRIX_EVENT_HAS_RANK | AIBRIX_EVENT_MAPS);
	expect_same_bytes(ev06, AIBRIX_EVENT_MAPS);
	expect_same_bytes(ev07, AIBRIX_EVENT_MAPS);
	stop();
}

Test(event, five_elements_are_enough_and_optional_fields_absent)
{
	aibrix_event e;
	struct wire w;

	start(4, 0);
	wire_batch(&w, 1);
	wire_stored(&w, 5, 10, 1, 1, 4);
	e = one_event(decoder, &w);
	cr_expect_eq(e.n, 1);
	cr_expect_null(e.lora);
	cr_expect_null(e.extra);
	cr_expect_eq(e.group, 0);
	cr_expect_eq(e.kind, AIBRIX_GROUP_FULL);
	stop();
}

Test(event, nil_in_an_optional_field_is_absence)
{
	aibrix_event e;
	struct wire w;

	start(4, 0);
	wire_batch(&w, 1);
	wire_stored(&w, 12, 10, 1, 1, 4);
	for (int i = 5; i < 12; i++)
		wire_nil(&w);
	e = one_event(decoder, &w);
	cr_expect_eq(e.tier, AIBRIX_TIER_DEVICE);
	cr_expect_null(e.lora);
	cr_expect_null(e.extra);
	cr_expect_eq(e.group, 0);
	cr_expect_eq(e.kind, AIBRIX_GROUP_FULL);
	cr_expect_eq(stat_of(decoder).unknown_fields, 0);
	stop();
}

Test(event, the_group_stands_at_position_9_behind_extra_keys)
{
	struct wire w;

	start(4, 0);
	wire_batch(&w, 1);
	wire_stored(&w, 10, 10, 1, 1, 4);
	wire_nil(&w);
	wire_text(&w, "GPU");
	wire_nil(&w);
	wire_array(&w, 1);
	wire_nil(&w);
	wire_uint(&w, 3);
	cr_expect_eq(one_event(decoder, &w).group, 3);
	stop();
}

static struct wire
digest_removed(void)
{
	uint8_t digest[32];
	struct wire w;

	for (uint8_t i = 0; i < 32; i++)
		digest[i] = i;
	wire_batch(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "BlockRemoved");
	wire_array(&w, 1);
	wire_bin(&w, digest, 32);
	return w;
}

Test(event, a_digest_folds_to_its_first_8_bytes_as_aibrix_does)
{
	struct wire w = digest_removed();

	start(4, AIBRIX_EVENT_FOLD_FIRST);
	cr_expect_eq(one_event(decoder, &w).names[0], 0x0001020304050607);
	stop();
}

Test(event, a_digest_folds_to_its_last_8_bytes_by_default)
{
	struct wire w = digest_removed();

	start(4, 0);
	cr_expect_eq(one_event(decoder, &w).names[0], 0x18191a1b1c1d1e1f);
	stop();
}

Test(event, hashes_and_token_blocks_must_be_as_many)
{
	struct wire w;

	start(4, 0);
	wire_batch(&w, 1);
	wire_array(&w, 5);
	wire_text(&w, "BlockStored");
	wire_range(&w, 1, 2);
	wire_nil(&w);
	wire_range(&w, 1, 4);
	wire_uint(&w, 4);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_PARSE);
	cr_expect_eq(stat_of(decoder).wrong_tokens, 1);
	stop();
}

static uint64_t
held(aibrix_index *index, const uint64_t *hashes, uint64_t n)
{
	aibrix_index_reader *reader;
	aibrix_match match = {0};
	uint32_t found;

	cr_assert_eq(aibrix_index_reader_new(index, &reader), AIBRIX_OK);
	cr_assert_eq(aibrix_index_lookup(reader, hashes, n, &match, 1, &found),
		     AIBRIX_OK);
	aibrix_index_reader_free(reader);
	return found ? match.held : 0;
}

static aibrix_index *
new_index(void)
{
	aibrix_index *index;

	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_assert_eq(aibrix_index_owner_add(index, 0), AIBRIX_OK);
	return index;
}

static void
apply(aibrix_index *index, const struct wire *w)
{
	cr_assert_eq(aibrix_event_apply(decoder, index, 0, w->bytes, w->n),
		     AIBRIX_OK);
}

Test(event, no_hashes_store_nothing)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};
	aibrix_index *index = new_index();
	struct wire w;

	start(4, 0);
	wire_batch(&w, 1);
	wire_stored(&w, 5, 10, 0, 1, 4);
	apply(index, &w);
	cr_assert_eq(aibrix_index_stats(index, &stat), AIBRIX_OK);
	cr_expect_eq(stat.places, 0);
	cr_expect_eq(stat_of(decoder).stored, 1);
	aibrix_index_free(index);
	stop();
}

Test(event, no_tokens_store_by_name)
{
	struct wire w;
	aibrix_event e;

	start(4, 0);
	wire_batch(&w, 1);
	wire_array(&w, 5);
	wire_text(&w, "BlockStored");
	wire_range(&w, 1, 2);
	wire_nil(&w);
	wire_array(&w, 0);
	wire_uint(&w, 0);
	e = one_event(decoder, &w);
	cr_expect_eq(e.n, 2);
	cr_expect_null(e.hashes);
	cr_expect_null(e.tokens);
	cr_expect_eq(stat_of(decoder).without_tokens, 1);
	stop();
}

Test(event, the_same_event_twice_changes_no_score)
{
	aibrix_index *index = new_index();
	struct wire w = wire_of_hex(ev01);
	uint64_t hashes[2];

	start(4, 0);
	contents(1, 8, NULL, hashes);
	apply(index, &w);
	cr_expect_eq(held(index, hashes, 2), 2);
	apply(index, &w);
	cr_expect_eq(held(index, hashes, 2), 2);
	aibrix_index_free(index);
	stop();
}

Test(event, blocks_of_two_adapters_are_apart)
{
	aibrix_index *index = new_index();
	uint64_t seven[1], eight[1];
	struct wire w;

	start(4, 0);
	wire_batch(&w, 1);
	wire_stored(&w, 6, 10, 1, 1, 4);
	wire_uint(&w, 7);
	apply(index, &w);
	contents(1, 4, "7", seven);
	contents(1, 4, "8", eight);
	cr_expect_eq(held(index, seven, 1), 1);
	cr_expect_eq(held(index, eight, 1), 0);
	aibrix_index_free(index);
	stop();
}

/* AIBrix gives both blocks the same parent. */
Test(event, blocks_of_one_event_follow_each_other)
{
	aibrix_index *index = new_index();
	uint64_t hashes[2], second[1];
	struct wire w;

	start(16, 0);
	wire_batch(&w, 1);
	wire_stored(&w, 5, 10, 2, 1, 16);
	apply(index, &w);
	contents(1, 32, NULL, hashes);
	contents(17, 16, NULL, second);
	cr_expect_eq(held(index, hashes, 2), 2);
	cr_expect_eq(held(index, second, 1), 0);
	aibrix_index_free(index);
	stop();
}
