/* What each field of an event may hold. */
#include <criterion/criterion.h>

#include "event_tools.h"

static aibrix_hash *hash;
static aibrix_event_decoder *decoder;

static void
start(void)
{
	hash = new_hash(4);
	decoder = new_decoder(hash, 0);
}

static void
stop(void)
{
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}

TestSuite(event_fields, .init = start, .fini = stop);

/* One value in hex, and what it is as a token and as a hash. */
struct number_case {
	const char *hex;
	int is_token, is_name;
	uint64_t x;
};

static const struct number_case numbers[] = {
	{"00", 1, 1, 0},
	{"7f", 1, 1, 127},
	{"cc80", 1, 1, 128},
	{"ccff", 1, 1, 255},
	{"cd0100", 1, 1, 256},
	{"cdffff", 1, 1, 65535},
	{"ce00010000", 1, 1, 65536},
	{"ceffffffff", 1, 1, 4294967295},
	{"cf00000000ffffffff", 1, 1, 4294967295},
	{"d07f", 1, 1, 127},
	{"d17fff", 1, 1, 32767},
	{"d27fffffff", 1, 1, 2147483647},
	{"d300000000ffffffff", 1, 1, 4294967295},
	{"ca47800000", 1, 1, 65536},
	{"cb41efffffffe00000", 1, 1, 4294967295},
	{"cf0000000100000000", 0, 1, 4294967296},
	{"cfffffffffffffffff", 0, 1, UINT64_MAX},
	{"d37fffffffffffffff", 0, 1, INT64_MAX},
	{"cb41f0000000000000", 0, 1, 4294967296},
	{"cb43e0000000000000", 0, 1, (uint64_t)1 << 63},
	{"ff", 0, 1, UINT64_MAX},
	{"e0", 0, 1, (uint64_t)-32},
	{"d0ff", 0, 1, UINT64_MAX},
	{"d18000", 0, 1, (uint64_t)-32768},
	{"d280000000", 0, 1, (uint64_t)INT32_MIN},
	{"d38000000000000000", 0, 1, (uint64_t)1 << 63},
	{"cac0000000", 0, 1, (uint64_t)-2},
	{"cbc3e0000000000000", 0, 1, (uint64_t)1 << 63},
	{"c40105", 0, 1, 5},
	{"c50003010203", 0, 1, 0x010203},
	{"c600000003010203", 0, 1, 0x010203},
	{"a8ffffffffffffffff", 0, 1, UINT64_MAX},
	{"c409aa0102030405060708", 0, 1, 0x0102030405060708},
	{"ca3fc00000", 0, 0, 0},         /* 1.5 */
	{"cb7ff8000000000000", 0, 0, 0}, /* NaN */
	{"cb7ff0000000000000", 0, 0, 0}, /* infinite */
	{"cb43f0000000000000", 0, 0, 0}, /* 2^64 */
	{"cbc3e0000000000001", 0, 0, 0}, /* below -2^63 */
	{"c400", 0, 0, 0},
	{"a0", 0, 0, 0},
	{"c0", 0, 0, 0},
	{"c3", 0, 0, 0},
	{"80", 0, 0, 0},
	{"d40105", 0, 0, 0},
	{"c7020105aa", 0, 0, 0},
};

/* In the middle of 8, and last in the batch: both ways of reading. */
static struct wire
tokens_with(const char *hex, uint32_t place)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_map(&w, 4);
	wire_text(&w, "type");
	wire_text(&w, "BlockStored");
	wire_text(&w, "block_hashes");
	wire_range(&w, 1, 2);
	wire_text(&w, "block_size");
	wire_uint(&w, 4);
	wire_text(&w, "token_ids");
	wire_array(&w, 8);
	for (uint32_t i = 0; i < 8; i++) {
		if (i == place)
			wire_hex(&w, hex);
		else
			wire_uint(&w, 100 + i);
	}
	return w;
}

Test(event_fields, tokens_of_every_form)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		for (uint32_t place = 0; place < 8; place++) {
			const struct number_case *c = &numbers[i];
			struct wire w = tokens_with(c->hex, place);
			aibrix_event e = {0};
			int err;

			cr_assert_eq(
				aibrix_event_open(decoder, w.bytes, w.n, NULL),
				AIBRIX_OK);
			err = aibrix_event_next(decoder, &e);
			cr_expect_eq(err,
				     c->is_token ? AIBRIX_OK : AIBRIX_E_PARSE,
				     "%s", c->hex);
			for (uint32_t j = 0; !err && j < 8; j++)
				cr_expect_eq(e.tokens[j],
					     j == place ? c->x : 100 + j, "%s",
					     c->hex);
		}
}

/* parent nil: a removal; else the hash is the parent. */
static struct wire
name_with(const char *hex)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "BlockRemoved");
	wire_array(&w, 3);
	wire_wide(&w, 0xcf, 11, 8);
	wire_hex(&w, hex);
	wire_wide(&w, 0xcf, 13, 8);
	return w;
}

Test(event_fields, hashes_of_every_form)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const struct number_case *c = &numbers[i];
		struct wire w = name_with(c->hex);
		aibrix_event e = {0};
		int err;

		cr_assert_eq(aibrix_event_open(decoder, w.bytes, w.n, NULL),
			     AIBRIX_OK);
		err = aibrix_event_next(decoder, &e);
		cr_expect_eq(err, c->is_name ? AIBRIX_OK : AIBRIX_E_PARSE, "%s",
			     c->hex);
		if (err)
			continue;
		cr_expect_eq(e.names[0], 11, "%s", c->hex);
		cr_expect_eq(e.names[1], c->x, "%s", c->hex);
		cr_expect_eq(e.names[2], 13, "%s", c->hex);
	}
}

Test(event_fields, a_hash_has_at_most_64_bytes)
{
	uint8_t bytes[65] = {0};
	aibrix_event e;
	struct wire w;

	bytes[63] = 7;
	wire_batch(&w, 2);
	for (uint8_t n = 64; n < 66; n++) {
		wire_array(&w, 2);
		wire_text(&w, "BlockRemoved");
		wire_array(&w, 1);
		wire_bin(&w, bytes, n);
	}
	cr_expect_eq(one_event(decoder, &w).names[0], 7);
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_PARSE);
}

Test(event_fields, tokens_in_pairs_are_counted)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_array(&w, 5);
	wire_text(&w, "BlockStored");
	wire_range(&w, 1, 1);
	wire_nil(&w);
	wire_array(&w, 4);
	for (uint32_t i = 0; i < 4; i++)
		wire_range(&w, i, 2);
	wire_uint(&w, 4);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(stat_of(decoder).bigrams, 1);
}

struct text_case {
	const char *text;
	uint32_t meaning;
};

static const struct text_case media[] = {
	{"GPU", AIBRIX_TIER_DEVICE},      {"CPU", AIBRIX_TIER_HOST},
	{"CPU_PINNED", AIBRIX_TIER_HOST}, {"DISK", AIBRIX_TIER_DISK},
	{"STORAGE", AIBRIX_TIER_DISK},    {"EXTERNAL", AIBRIX_TIER_EXTERNAL},
	{"", AIBRIX_TIER_DEVICE},
};

static struct wire
removed_from(const char *medium)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_array(&w, 3);
	wire_text(&w, "BlockRemoved");
	wire_range(&w, 1, 1);
	wire_text(&w, medium);
	return w;
}

Test(event_fields, media_are_tiers)
{
	for (size_t i = 0; i < sizeof(media) / sizeof(*media); i++) {
		struct wire w = removed_from(media[i].text);

		cr_expect_eq(one_event(decoder, &w).tier, media[i].meaning,
			     "%s", media[i].text);
	}
}

Test(event_fields, an_unknown_medium_costs_the_event)
{
	struct wire w = removed_from("TAPE");

	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_UNSUPPORTED);
	w = removed_from("GPU ");
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(stat_of(decoder).unknown_media, 2);
}

static const struct text_case kinds[] = {
	{"full_attention", AIBRIX_GROUP_FULL},
	{"mla_attention", AIBRIX_GROUP_FULL},
	{"sink_full_attention", AIBRIX_GROUP_FULL},
	{"", AIBRIX_GROUP_FULL},
	{"sliding_window", AIBRIX_GROUP_OTHER},
	{"mamba", AIBRIX_GROUP_OTHER},
	{"anything", AIBRIX_GROUP_OTHER},
};

/* A stored event of one block with another field. */
static struct wire
stored_with(const char *key)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_map(&w, 6);
	wire_text(&w, "type");
	wire_text(&w, "BlockStored");
	wire_text(&w, "block_hashes");
	wire_range(&w, 1, 1);
	wire_text(&w, "parent_block_hash");
	wire_nil(&w);
	wire_text(&w, "token_ids");
	wire_range(&w, 1, 4);
	wire_text(&w, "block_size");
	wire_uint(&w, 4);
	wire_text(&w, key);
	return w;
}

Test(event_fields, kinds_of_groups)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct wire w = stored_with("kv_cache_spec_kind");
		aibrix_event e;

		wire_text(&w, kinds[i].text);
		e = one_event(decoder, &w);
		cr_expect_eq(e.kind, kinds[i].meaning, "%s", kinds[i].text);
		cr_expect_eq(!!e.hashes, e.kind == AIBRIX_GROUP_FULL, "%s",
			     kinds[i].text);
	}
}

Test(event_fields, other_groups_may_have_any_number_of_tokens)
{
	struct wire w;
	aibrix_event e;

	wire_batch(&w, 1);
	wire_array(&w, 11);
	wire_text(&w, "BlockStored");
	wire_range(&w, 1, 1);
	wire_nil(&w);
	wire_range(&w, 1, 7);
	wire_uint(&w, 64);
	for (int i = 5; i < 9; i++)
		wire_nil(&w);
	wire_uint(&w, 1);
	wire_text(&w, "sliding_window");
	e = one_event(decoder, &w);
	cr_expect_eq(e.kind, AIBRIX_GROUP_OTHER);
	cr_expect_eq(e.group, 1);
	cr_expect_eq(e.n_tokens, 7);
	cr_expect_eq(e.block_tokens, 64);
	cr_expect_null(e.hashes);
}

Test(event_fields, another_block_size_costs_the_event)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_stored(&w, 5, 1, 1, 1, 8);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_UNSUPPORTED);
	wire_batch(&w, 1);
	wire_array(&w, 5);
	wire_text(&w, "BlockStored");
	wire_range(&w, 1, 1);
	wire_nil(&w);
	wire_range(&w, 1, 4);
	wire_wide(&w, 0xcf, ((uint64_t)1 << 32) + 4, 8);
	cr_expect_eq(first_status(decoder, &w), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(stat_of(decoder).wrong_block_size, 2);
}

/* Fields of a wrong type or out of range, in hex. */
static const struct {
	const char *key, *hex;
} wrong_fields[] = {
	{"block_hashes", "01"},
	{"block_hashes", "c0"},
	{"block_hashes", "8101c0"},
	{"block_hashes", "91c2"},
	{"parent_block_hash", "c2"},
	{"parent_block_hash", "90"},
	{"token_ids", "04"},
	{"token_ids", "a3414243"},
	{"token_ids", "9401020380"},
	{"block_size", "ff"},
	{"block_size", "a134"},
	{"lora_id", "a137"},
	{"lora_id", "90"},
	{"medium", "01"},
	{"lora_name", "07"},
	{"lora_name", "c40141"},
	{"lora_name", "a3410042"},
	{"group_idx", "40"},
	{"group_idx", "ff"},
	{"group_idx", "a130"},
	{"kv_cache_spec_kind", "01"},
	{"cache_salt", "01"},
	{"cache_salt", "a3410042"},
	{"extra_keys", "a141"},
	{"extra_keys", "90"},
	{"extra_keys", "92c0c0"},
	{"extra_keys", "9101"},
	{"extra_keys", "9191a0"},
	{"type", "01"},
	{"type", "c0"},
};

Test(event_fields, a_wrong_field_costs_the_event)
{
	size_t n = sizeof(wrong_fields) / sizeof(*wrong_fields);

	for (size_t i = 0; i < n; i++) {
		struct wire w = stored_with(wrong_fields[i].key);

		wire_hex(&w, wrong_fields[i].hex);
		cr_expect_eq(first_status(decoder, &w), AIBRIX_E_PARSE, "%s %s",
			     wrong_fields[i].key, wrong_fields[i].hex);
	}
	cr_expect_eq(stat_of(decoder).malformed, n);
}

static const char *const wrong_events[] = {
	"01",
	"c0",
	"90",
	"80",
	"9101",
	"91ac426c6f636b52656d6f766564",         /* no hashes */
	"94ab426c6f636b53746f7265649001c090",   /* four elements */
	"81a474797065ab426c6f636b53746f726564", /* no hashes */
	"81ac626c6f636b5f68617368657390",       /* no type */
};

Test(event_fields, an_event_without_what_it_needs_is_malformed)
{
	for (size_t i = 0; i < sizeof(wrong_events) / sizeof(*wrong_events);
	     i++) {
		struct wire w;

		wire_batch(&w, 1);
		wire_hex(&w, wrong_events[i]);
		cr_expect_eq(first_status(decoder, &w), AIBRIX_E_PARSE, "%s",
			     wrong_events[i]);
	}
}

Test(event_fields, group_63_is_the_last)
{
	struct wire w = stored_with("group_idx");

	wire_uint(&w, 63);
	cr_expect_eq(one_event(decoder, &w).group, 63);
}

Test(event_fields, fields_of_a_map_come_in_any_order)
{
	struct wire w;
	aibrix_event e;

	wire_batch(&w, 1);
	wire_map(&w, 8);
	wire_text(&w, "medium");
	wire_text(&w, "CPU");
	wire_text(&w, "group_idx");
	wire_uint(&w, 2);
	wire_text(&w, "lora_name");
	wire_text(&w, "adapter");
	wire_text(&w, "block_size");
	wire_uint(&w, 4);
	wire_text(&w, "token_ids");
	wire_range(&w, 1, 8);
	wire_text(&w, "parent_block_hash");
	wire_uint(&w, 99);
	wire_text(&w, "block_hashes");
	wire_range(&w, 5, 2);
	wire_text(&w, "type");
	wire_text(&w, "BlockStored");
	e = one_event(decoder, &w);
	cr_expect_eq(e.type, AIBRIX_EVENT_STORED);
	cr_expect_eq(e.flags, AIBRIX_INDEX_HAS_PARENT);
	cr_expect_eq(e.parent, 99);
	cr_expect_eq(e.n, 2);
	cr_expect_eq(e.names[1], 6);
	cr_expect_eq(e.tier, AIBRIX_TIER_HOST);
	cr_expect_eq(e.group, 2);
	cr_expect_str_eq(e.lora, "adapter");
	cr_expect_not_null(e.hashes);
}

Test(event_fields, unknown_keys_are_skipped_with_all_in_them)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_map(&w, 6);
	wire_text(&w, "novelty");
	wire_hex(&w, "82a16192010293c0c3cb3ff0000000000000c40100");
	wire_text(&w, "type");
	wire_text(&w, "BlockRemoved");
	wire_uint(&w, 7); /* a key need not be a text */
	wire_uint(&w, 8);
	wire_hex(&w, "92a1610181a162c0"); /* an array as key, a map as value */
	wire_text(&w, "block_hashes");
	wire_range(&w, 1, 1);
	wire_hex(&w, "8101a162"); /* a map as key */
	wire_nil(&w);
	cr_expect_eq(one_event(decoder, &w).n, 1);
	cr_expect_eq(stat_of(decoder).unknown_fields, 4);
}

Test(event_fields, fields_of_sglang_are_known_and_passed_over)
{
	static const char *const known[] = {"session_id", "attn_dp_rank",
					    "locality", "ownership",
					    "metadata"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct wire w = stored_with(known[i]);

		wire_hex(&w, "81a16101");
		cr_expect_eq(one_event(decoder, &w).n, 1, "%s", known[i]);
	}
	cr_expect_eq(stat_of(decoder).unknown_fields, 0);
}

Test(event_fields, positions_behind_the_known_ones_are_skipped)
{
	struct wire w;

	wire_batch(&w, 2);
	wire_array(&w, 6);
	wire_text(&w, "BlockRemoved");
	wire_range(&w, 1, 1);
	wire_nil(&w);
	wire_nil(&w);
	wire_text(&w, "LOCAL");
	wire_hex(&w, "8101a178");
	wire_array(&w, 2);
	wire_text(&w, "AllBlocksCleared");
	wire_text(&w, "GPU");
	cr_expect_eq(one_event(decoder, &w).n, 1);
	cr_expect_eq(stat_of(decoder).unknown_fields, 2);
}

/* The fields of a stored block, under another type. */
static aibrix_event
event_typed(const char *type)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_map(&w, 10);
	wire_text(&w, "block_hashes");
	wire_range(&w, 1, 1);
	wire_text(&w, "parent_block_hash");
	wire_uint(&w, 9);
	wire_text(&w, "token_ids");
	wire_range(&w, 1, 4);
	wire_text(&w, "block_size");
	wire_uint(&w, 4);
	wire_text(&w, "lora_name");
	wire_text(&w, "adapter");
	wire_text(&w, "extra_keys");
	wire_array(&w, 0);
	wire_text(&w, "medium");
	wire_text(&w, "CPU");
	wire_text(&w, "group_idx");
	wire_uint(&w, 2);
	wire_text(&w, "kv_cache_spec_kind");
	wire_text(&w, "mamba");
	wire_text(&w, "type");
	wire_text(&w, type);
	return one_event(decoder, &w);
}

Test(event_fields, what_the_type_does_not_have_is_zero)
{
	static const aibrix_event cleared = {.type = AIBRIX_EVENT_CLEARED};
	aibrix_event e = event_typed("AllBlocksCleared");

	cr_expect_eq(memcmp(&e, &cleared, sizeof(e)), 0);
	e = event_typed("BlockRemoved");
	cr_expect_eq(e.n, 1);
	cr_expect_eq(e.tier, AIBRIX_TIER_HOST);
	cr_expect_eq(e.group, 2);
	cr_expect_eq(e.flags, 0);
	cr_expect_eq(e.kind, 0);
	cr_expect_eq(e.parent, 0);
	cr_expect_null(e.tokens);
	cr_expect_eq(e.n_tokens, 0);
	cr_expect_eq(e.block_tokens, 0);
	cr_expect_null(e.lora);
	cr_expect_null(e.extra);
	cr_expect_eq(e.extra_bytes, 0);
}
