/* Names of blocks against values computed by other programs: see README. */

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/compat.h>
#include <aibrix/hash.h>

#include "hash/hash_internal.h"

enum { TOKENS_MAX = 16384, BLOCKS_MAX = 8 };

struct hash_row {
	const char *name;
	uint32_t algorithm, block_tokens, n_tokens, factor;
	uint64_t seed;
	int items;
	const char *model, *revision, *dtype, *layout, *shard, *lora, *salt;
	uint64_t hashes[BLOCKS_MAX];
	const char *keys[BLOCKS_MAX];
};

struct vllm_row {
	uint32_t algorithm;
	const char *seed;
	uint32_t n_tokens, factor;
	int extra;
	const char *none, *digest;
};

#include "hash_vectors.h"

static uint32_t tokens[TOKENS_MAX];

static void
tokens_fill(uint32_t n, uint32_t factor)
{
	for (uint32_t i = 0; i < n; i++)
		tokens[i] = (i + 1) * factor;
}

static void
hex(const uint8_t *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

static aibrix_hash *
scheme_of(const struct hash_row *r)
{
	aibrix_hash_opts opts = {
		.size = sizeof(opts),
		.algorithm = r->algorithm,
		.block_tokens = r->block_tokens,
		.seed = r->seed,
		.model = r->model,
		.revision = r->revision,
		.dtype = r->dtype,
		.layout = r->layout,
		.shard = r->shard,
	};
	aibrix_hash *hash;

	cr_assert_eq(aibrix_hash_new(&opts, &hash), AIBRIX_OK);
	return hash;
}

static const aibrix_prompt_item items[] = {
	{"image-7f3a", 10, 0, 10, 30},
	{"empty", 5, 0, 12, 0},
	{"sound", 5, 0, 39, 2},
};

Test(golden_hash, names_follow_their_description_byte_for_byte)
{
	enum { ROWS = sizeof(hash_rows) / sizeof(*hash_rows) };

	for (size_t i = 0; i < ROWS; i++) {
		const struct hash_row *r = &hash_rows[i];
		aibrix_hash *hash = scheme_of(r);
		aibrix_prompt prompt = {
			.size = sizeof(prompt),
			.n_items = r->items ? 3 : 0,
			.tokens = tokens,
			.n_tokens = r->n_tokens,
			.items = items,
			.lora = r->lora,
			.salt = r->salt,
		};
		uint64_t hashes[BLOCKS_MAX], n;
		aibrix_key keys[BLOCKS_MAX];
		char text[AIBRIX_KEY_TEXT];

		tokens_fill(r->n_tokens, r->factor);
		cr_assert_eq(aibrix_hash_blocks(hash, &prompt, 0, hashes, keys,
						BLOCKS_MAX, &n),
			     AIBRIX_OK);
		cr_assert_eq(n, r->n_tokens / r->block_tokens);
		for (size_t b = 0; b < n; b++) {
			cr_expect_eq(hashes[b], r->hashes[b], "%s, block %zu",
				     r->name, b);
			aibrix_key_format(&keys[b], text);
			cr_expect_str_eq(text, r->keys[b], "%s, block %zu",
					 r->name, b);
		}
		aibrix_hash_free(hash);
	}
}

static uint32_t
extras_fill(aibrix_vllm_extra e[64], int kind)
{
	static const aibrix_vllm_extra lora = {"my-lora", 7,
					       AIBRIX_VLLM_EXTRA_TEXT, 0, 0};
	static const aibrix_vllm_extra salt = {"salt", 4,
					       AIBRIX_VLLM_EXTRA_TEXT, 0, 0};
	static const int64_t offsets[] = {0,     -1,        300,
					  70000, INT32_MIN, INT32_MAX};
	static uint8_t counted[32];
	static char runs[64][4096];

	e[0] = lora;
	e[1] = salt;
	if (kind <= 2)
		return (uint32_t)kind;
	if (kind == 3) {
		e[1] = (aibrix_vllm_extra){"img", 3, AIBRIX_VLLM_EXTRA_ITEM,
					   -70000, 0};
		e[2] = salt;
		return 3;
	}
	for (uint32_t i = 0; i < 64; i++) {
		memset(runs[i], 'a' + (int)i % 26, sizeof(runs[i]));
		e[i] = (aibrix_vllm_extra){runs[i], 4096,
					   AIBRIX_VLLM_EXTRA_TEXT, 0, 0};
	}
	if (kind == 5)
		return 64;
	if (kind >= 6) { /* the frame's end is at or behind the last text */
		e[15].bytes = 3928 + (uint32_t)(kind - 6);
		e[16].bytes = 10;
		return 17;
	}
	for (uint32_t i = 0; i < 6; i++)
		e[i] = (aibrix_vllm_extra){runs[i], 1, AIBRIX_VLLM_EXTRA_ITEM,
					   offsets[i], 0};
	for (uint8_t i = 0; i < 32; i++)
		counted[i] = i;
	e[6] = (aibrix_vllm_extra){runs['x' - 'a'], 300, AIBRIX_VLLM_EXTRA_TEXT,
				   0, 0};
	e[7] = (aibrix_vllm_extra){counted, 32, AIBRIX_VLLM_EXTRA_BYTES, 0, 0};
	e[8] = (aibrix_vllm_extra){runs['y' - 'a'], 300,
				   AIBRIX_VLLM_EXTRA_BYTES, 0, 0};
	return 9;
}

Test(golden_hash, vllm_hashes_are_those_of_pickle_and_cbor)
{
	enum { ROWS = sizeof(vllm_rows) / sizeof(*vllm_rows) };
	char many[301] = "", text[2 * AIBRIX_VLLM_DIGEST_MAX + 1];
	uint8_t none[AIBRIX_VLLM_DIGEST_MAX], digest[AIBRIX_VLLM_DIGEST_MAX];
	aibrix_vllm_extra extra[64];

	memset(many, 's', 300);
	for (size_t i = 0; i < ROWS; i++) {
		const struct vllm_row *r = &vllm_rows[i];
		uint32_t bytes = aibrix_vllm_digest_bytes(r->algorithm);
		const char *seed = r->seed[0] == 's' ? many : r->seed;
		uint32_t n = extras_fill(extra, r->extra);

		tokens_fill(r->n_tokens, r->factor);
		cr_assert_eq(aibrix_vllm_none_hash(r->algorithm, seed, none),
			     AIBRIX_OK);
		hex(none, bytes, text);
		cr_expect_str_eq(text, r->none, "row %zu", i);
		cr_assert_eq(aibrix_vllm_block_hash(r->algorithm, none, tokens,
						    r->n_tokens, extra, n,
						    digest),
			     AIBRIX_OK);
		hex(digest, bytes, text);
		cr_expect_str_eq(text, r->digest,
				 "row %zu: %u tokens, extra %d", i, r->n_tokens,
				 r->extra);
	}
}

/* Block 0 is 1..16, block 1 (100, 300, 70000, 128255) four times; the last
 * is block 0 under LoRA "my-lora". */
static void
vllm_expect(uint32_t algorithm, const char *seed, const char *const want[4])
{
	static const uint32_t four[] = {100, 300, 70000, 128255};
	aibrix_vllm_extra lora = {"my-lora", 7, AIBRIX_VLLM_EXTRA_TEXT, 0, 0};
	uint8_t got[4][AIBRIX_VLLM_DIGEST_MAX];
	char text[2 * AIBRIX_VLLM_DIGEST_MAX + 1];
	uint64_t n;

	tokens_fill(16, 1);
	for (uint32_t i = 0; i < 16; i++)
		tokens[16 + i] = four[i % 4];
	cr_assert_eq(aibrix_vllm_none_hash(algorithm, seed, got[0]), AIBRIX_OK);
	cr_assert_eq(aibrix_vllm_hash_blocks(algorithm, got[0], tokens, 33, 16,
					     got[1], 2, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_assert_eq(aibrix_vllm_block_hash(algorithm, got[0], tokens, 16,
					    &lora, 1, got[3]),
		     AIBRIX_OK);
	for (int i = 0; i < 4; i++) {
		hex(got[i], 32, text);
		cr_expect_str_eq(text, want[i]);
	}
}

Test(golden_hash, vllm_chain_of_two_blocks)
{
	static const char *const cbor_fixed[4] = {
		"9bd96a485ad84efdafb72ee48a1d7a69"
		"bcead0f8f0433173941b276b9581eef0",
		"cd7c51bc5a8fc8643f383a2b9e01522f"
		"ba7473c669e9270c7b0bf7bf7fd01682",
		"a664cb3a3b4fe32f0e403ec923084440"
		"17cef8c667ddf61e7c1b54211f6a2876",
		"71ab2f281a438cce119b1e685619e668"
		"d0dca562e7a9cf7d4581efac1b0a976c",
	};
	static const char *const cbor_0[4] = {
		"4e1195df020de59e0d65a33a4279f118"
		"3e7ae4e5d980e309f8b55adff2e61c3e",
		"202da172482d928bbc42ab25b0151e2b"
		"895f13f41002e27b2ceabcfae6d332ea",
		"6ceb01a12c12c7b53e7d7a8db5699bb2"
		"9eb8ee10a835f7b5a6ebe24ffe6e101d",
		"07df9ef1b6800860b8c8d385e23a8a5b"
		"0eba8e3b5390de25d657793dd7c611fd",
	};
	static const char *const pickle_fixed[4] = {
		"066b1e8987e027138e98701c46128929"
		"378935f9b6cd1549105ae6b4f0d71198",
		"7b255da405e1d722823892e4fef187b4"
		"d8ac78215d7f0dd2137bb037547f4caf",
		"e94edc4e70c75f8203eb8c6bafc1d427"
		"bb382c0ccea325fdcc92fe2057d748bc",
		"ab3aa96cb6fa5ea95068fc0a334ac136"
		"8ce0384d20a3cb7589401bc3f139472f",
	};
	static const char *const pickle_0[4] = {
		"1973e23848344dc43a988a9b47866380"
		"3cfffe1243480253f9a3cf004b14aa7c",
		"bea72b7d33de03c1aa715efbb492d0e0"
		"d3801f00c1f985756896072ae8b31325",
		"c965aa99d40074142efc51a558f416c9"
		"947ef75f7d986cd7afa3276e1233b5e9",
		"61e7a34deac799768bff32405d62e37b"
		"4ab9a91601fe04be4f51d0d51086b053",
	};

	vllm_expect(AIBRIX_VLLM_SHA256_CBOR, NULL, cbor_fixed);
	vllm_expect(AIBRIX_VLLM_SHA256_CBOR, "0", cbor_0);
	vllm_expect(AIBRIX_VLLM_SHA256, NULL, pickle_fixed);
	vllm_expect(AIBRIX_VLLM_SHA256, "0", pickle_0);
}

/* The wire integer of the CBOR block 0 under seed "0". */
Test(golden_hash, a_digest_folds_to_the_integer_that_vllm_announces)
{
	static const uint8_t digest[32] = {
		0x20, 0x2d, 0xa1, 0x72, 0x48, 0x2d, 0x92, 0x8b,
		0xbc, 0x42, 0xab, 0x25, 0xb0, 0x15, 0x1e, 0x2b,
		0x89, 0x5f, 0x13, 0xf4, 0x10, 0x02, 0xe2, 0x7b,
		0x2c, 0xea, 0xbc, 0xfa, 0xe6, 0xd3, 0x32, 0xea};

	cr_expect_eq(aibrix_hash_fold(digest, 32, 0), 0x2ceabcfae6d332ea);
	cr_expect_eq(aibrix_hash_fold(digest, 32, 1), 0x202da172482d928b);
}

/* Dynamo, SMG and Mooncake: XXH3-64, seed 1337, of the tokens. */
Test(golden_hash, content_hashes_are_those_of_other_indexes)
{
	static const uint8_t pair[16] = {0x88, 0x6e, 0xee, 0xa5, 0x71, 0xfc,
					 0x06, 0xea, 0xb5, 0xe0, 0x6b, 0x10,
					 0xbd, 0x39, 0xbf, 0x1f};
	aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = 32};
	aibrix_hash *hash;
	uint64_t hashes[2], n;

	tokens_fill(32, 1);
	cr_assert_eq(aibrix_hash_new(NULL, &hash), AIBRIX_OK);
	cr_assert_eq(aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, 2, &n),
		     AIBRIX_OK);
	cr_expect_eq(hashes[0], 0xea06fc71a5ee6e88);
	cr_expect_eq(hashes[1], 0x1fbf39bd106be0b5);
	cr_expect_eq(aibrix__xxh3_64(pair, 16, 1337), 0xad01835a37dd294c);
	aibrix_hash_free(hash);
}

static void
city_expect(uint32_t algorithm, const char *const want[4])
{
	aibrix_hash_opts opts = {.size = sizeof(opts), .algorithm = algorithm};
	aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = 64};
	aibrix_hash *hash;
	aibrix_key keys[4], later[4];
	char text[AIBRIX_KEY_TEXT];
	uint64_t n;

	for (uint32_t i = 0; i < 64; i++)
		tokens[i] = i;
	cr_assert_eq(aibrix_hash_new(&opts, &hash), AIBRIX_OK);
	cr_assert_eq(aibrix_hash_blocks(hash, &prompt, 0, NULL, keys, 4, &n),
		     AIBRIX_OK);
	for (int i = 0; i < 4; i++) {
		aibrix_key_format(&keys[i], text);
		cr_expect_str_eq(text, want[i]);
	}
	memcpy(later, keys, 2 * sizeof(*keys));
	cr_assert_eq(aibrix_hash_blocks(hash, &prompt, 2, NULL, later, 4, &n),
		     AIBRIX_OK);
	cr_expect_arr_eq(later, keys, sizeof(keys));
	aibrix_hash_free(hash);
}

Test(golden_hash, aibrix_rolling_keys)
{
	static const char *const want[4] = {"cf1cb24e52df6d5af4f404786f434895",
					    "65da3584bc4484fecdd2c1e7f119d5c3",
					    "7c9a5f3fec2af26506af3df6b5c79edc",
					    "92031f13820fa442dddcaa5f810f8b7f"};

	city_expect(AIBRIX_KEY_CITY128, want);
}

Test(golden_hash, aibrix_simple_keys)
{
	static const char *const want[4] = {"cf1cb24e52df6d5af4f404786f434895",
					    "e2615b145895b0ea8929e7041f5ca2dc",
					    "0abd5dcf249526492c251c3455370f68",
					    "3dcaef08243641b2e358fcc44723ec3d"};

	city_expect(AIBRIX_KEY_CITY128_SIMPLE, want);
}

Test(golden_hash, aibrix_places_of_rolling_keys)
{
	static const struct {
		const char *key;
		uint64_t hash, slot;
	} rows[] = {
		{"cf1cb24e52df6d5af4f404786f434895", 0xf8044e4e364a4efa, 3834},
		{"65da3584bc4484fecdd2c1e7f119d5c3", 0x82332a0512f02c40, 3136},
		{"7c9a5f3fec2af26506af3df6b5c79edc", 0xf3dd7f8971558b9e, 2974},
		{"92031f13820fa442dddcaa5f810f8b7f", 0xf2139c1a891b5352, 850},
	};
	aibrix_key key;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(aibrix_key_parse(rows[i].key, &key), AIBRIX_OK);
		cr_expect_eq(aibrix_compat_place(&key), rows[i].hash);
		cr_expect_eq(aibrix_compat_place(&key) % 4096, rows[i].slot);
	}
}

static void
expect_city(struct city128 got, uint64_t first, uint64_t second)
{
	cr_expect_eq(got.first, first);
	cr_expect_eq(got.second, second);
}

Test(golden_hash, aibrix_hash_and_combination)
{
	static const uint32_t zeros[16] = {0};
	const struct city128 zero = {0, 0}, one = {0, 1};
	const struct city128 most = {UINT64_MAX, UINT64_MAX};

	expect_city(aibrix__city128(NULL, 0), 0x3df09dfc64c09a2b,
		    0x3cb540c392e51e29);
	expect_city(aibrix__city128(zeros, 16), 0xbcb7d590ea1693f0,
		    0x8176fd9d2c6fed57);
	for (uint32_t i = 0; i < 8; i++)
		tokens[i] = 100000 + i;
	expect_city(aibrix__city128(tokens, 8), 0x77ff20aa9ad84ac1,
		    0xd02776c737cea2db);
	for (uint32_t i = 0; i < 64; i++)
		tokens[i] = i;
	expect_city(aibrix__city128(tokens + 16, 16), 0x863e1b5d7eefcef9,
		    0x7baa2de0964ec7c8);
	expect_city(aibrix__city128(tokens + 32, 16), 0x9deeabe9f2cd254e,
		    0x1d2dab1e54c25c80);
	expect_city(aibrix__city128(tokens + 48, 16), 0x3e03266abe559f2f,
		    0x2bf3e774a0bca929);

	expect_city(aibrix__city128_combine(zero, zero), 0x276000000, 0x18399);
	expect_city(aibrix__city128_combine(one, zero), 0x1000275000000,
		    0x13b01825e);
	expect_city(aibrix__city128_combine(zero, one), 0x277000000, 0x184d4);
	expect_city(aibrix__city128_combine(most, most), 0x5000fffd8b000000,
		    0x13afe7da2);
}

struct gateway_row {
	uint64_t seed;
	uint32_t block_bytes, len, n;
	uint64_t hashes[3];
};

static void
gateway_expect(const uint8_t *bytes, const struct gateway_row *r)
{
	uint64_t got[3], n;

	cr_assert_eq(aibrix_compat_gateway_hashes(r->seed, r->block_bytes,
						  bytes, r->len, got, 3, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		cr_expect_eq(got[i], r->hashes[i]);
}

Test(golden_hash, aibrix_gateway_hashes)
{
	static const struct gateway_row counted[] = {
		{0,
		 4,
		 13,
		 3,
		 {0xed2904c594e558d1, 0x7d9bd50ec50644c0, 0xd2df48f2043757b3}},
		{42,
		 4,
		 13,
		 3,
		 {0xdb3e9158860d93dc, 0xf6e7eaf2dd5b1bcf, 0x1afb3a63efc6c2c2}},
	};
	static const struct gateway_row letters[] = {
		{0, 4, 8, 2, {0xe47f32a254016b00, 0xd48dd7253a12cb4b}},
		{42, 4, 8, 2, {0xc785304b0ea77c8f, 0xa835bbc075607fa3}},
	};
	static const struct gateway_row long_row = {
		0,
		16,
		48,
		3,
		{0x9d6e14a775024997, 0xf9dada8d96072ec5, 0xc6ca0d8f8fcb1488}};
	static const struct gateway_row token_row = {
		0, 64, 64, 1, {0x9a4bb1cd69881d8f}};
	static const struct gateway_row lengths[] = {
		{0, 16, 0, 0, {0}},
		{0, 16, 15, 0, {0}},
		{0, 16, 16, 1, {0x9d6e14a775024997}},
		{0, 16, 23, 1, {0x9d6e14a775024997}},
	};
	uint8_t bytes[64];

	for (uint8_t i = 0; i < 13; i++)
		bytes[i] = (uint8_t)(i + 1);
	gateway_expect(bytes, &counted[0]);
	gateway_expect(bytes, &counted[1]);
	memcpy(bytes, "abcdefgh", 8);
	gateway_expect(bytes, &letters[0]);
	gateway_expect(bytes, &letters[1]);
	for (uint8_t i = 0; i < 48; i++)
		bytes[i] = i;
	gateway_expect(bytes, &long_row);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		gateway_expect(bytes, &lengths[i]);
	memset(bytes, 0, sizeof(bytes));
	for (uint8_t i = 0; i < 16; i++)
		bytes[4 * i + 3] = (uint8_t)(i + 1);
	gateway_expect(bytes, &token_row);
}

Test(golden_hash, aibrix_raw_keys)
{
	static const uint32_t two[] = {1, 0xdeadbeef};
	static const uint8_t raw[] = {1, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde};
	uint8_t out[16];
	uint64_t n;

	cr_assert_eq(aibrix_compat_raw_key(two, 2, 0, out, 16, &n), AIBRIX_OK);
	cr_expect_eq(n, 8);
	cr_expect_arr_eq(out, raw, 8);
	cr_assert_eq(aibrix_compat_raw_key(two, 2, 1, out, 16, &n), AIBRIX_OK);
	cr_expect_eq(n, 16);
	cr_expect_arr_eq(out, "01000000efbeadde", 16);
}
