#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/compat.h>
#include <aibrix/hash.h>

#include "base/rand.h"

enum { TOKENS = 100000, BLOCKS = 4096 };

static const uint32_t algorithms[] = {AIBRIX_KEY_SHA256, AIBRIX_KEY_XXH3,
				      AIBRIX_KEY_CITY128,
				      AIBRIX_KEY_CITY128_SIMPLE};

static uint32_t tokens[TOKENS];
static uint64_t hashes[BLOCKS], again[BLOCKS];
static aibrix_key keys[BLOCKS], keys_again[BLOCKS];

static aibrix_hash *
scheme(uint32_t algorithm, uint32_t block_tokens)
{
	aibrix_hash_opts opts = {.size = sizeof(opts),
				 .algorithm = algorithm,
				 .block_tokens = block_tokens};
	aibrix_hash *hash;

	cr_assert_eq(aibrix_hash_new(&opts, &hash), AIBRIX_OK);
	return hash;
}

static aibrix_prompt
prompt_of(uint64_t n)
{
	uint64_t state = 11;

	for (uint64_t i = 0; i < n; i++)
		tokens[i] = (uint32_t)rand_next(&state);
	return (aibrix_prompt){
		.size = sizeof(aibrix_prompt), .tokens = tokens, .n_tokens = n};
}

static uint64_t
name_all(const aibrix_hash *hash, const aibrix_prompt *prompt)
{
	uint64_t n = 0;

	cr_assert_eq(
		aibrix_hash_blocks(hash, prompt, 0, hashes, keys, BLOCKS, &n),
		AIBRIX_OK);
	return n;
}

/* The first names under opts and prompt, to compare identities. */
static aibrix_key
first_key(const aibrix_hash_opts *opts, const aibrix_prompt *prompt)
{
	aibrix_hash *hash;

	cr_assert_eq(aibrix_hash_new(opts, &hash), AIBRIX_OK);
	name_all(hash, prompt);
	aibrix_hash_free(hash);
	return keys[0];
}

static int
same(aibrix_key a, aibrix_key b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

Test(hash, extending_a_prompt_keeps_its_names_and_hashes_only_the_rest)
{
	for (size_t a = 0; a < 4; a++)
		for (uint32_t size = 1; size < 70; size += 5) {
			aibrix_hash *hash = scheme(algorithms[a], size);
			aibrix_prompt p = prompt_of(size * 9 + size / 2);
			uint64_t n = name_all(hash, &p), got;

			for (uint64_t known = 0; known <= n; known++) {
				memset(again, 0xee, sizeof(*again) * n);
				memset(keys_again, 0xee, 16 * n);
				memcpy(again, hashes, known * sizeof(*hashes));
				memcpy(keys_again, keys, 16 * known);
				cr_assert_eq(aibrix_hash_blocks(
						     hash, &p, known, again,
						     keys_again, n, &got),
					     AIBRIX_OK);
				cr_assert_eq(got, n);
				cr_assert_arr_eq(again, hashes,
						 n * sizeof(*hashes));
				cr_assert_arr_eq(keys_again, keys, 16 * n);
			}
			aibrix_hash_free(hash);
		}
}

Test(hash, known_entries_are_not_touched_and_not_read_when_all_are_known)
{
	aibrix_hash *hash = scheme(0, 16);
	aibrix_prompt p = prompt_of(64);
	uint64_t n = name_all(hash, &p);

	memset(hashes, 0xaa, sizeof(*hashes) * n);
	cr_expect_eq(aibrix_hash_blocks(hash, &p, n, hashes, NULL, n, &n),
		     AIBRIX_OK);
	cr_expect_eq(hashes[0], 0xaaaaaaaaaaaaaaaa);
	cr_expect_eq(
		aibrix_hash_blocks(hash, &p, n + 1, hashes, keys, BLOCKS, &n),
		AIBRIX_E_INVAL);
	aibrix_hash_free(hash);
}

Test(hash, a_key_depends_on_every_earlier_token_a_content_hash_on_its_own)
{
	for (size_t a = 0; a < 2; a++) {
		aibrix_hash *hash = scheme(algorithms[a], 16);
		aibrix_prompt p = prompt_of(64);
		uint64_t n = name_all(hash, &p);

		memcpy(again, hashes, n * sizeof(*hashes));
		memcpy(keys_again, keys, 16 * n);
		tokens[0] ^= 1;
		name_all(hash, &p);
		cr_expect_neq(hashes[0], again[0]);
		for (uint64_t i = 0; i < n; i++) {
			cr_expect(!same(keys[i], keys_again[i]));
			if (i)
				cr_expect_eq(hashes[i], again[i]);
		}
		aibrix_hash_free(hash);
	}
}

Test(hash, equal_blocks_have_equal_content_hashes_and_different_keys)
{
	aibrix_hash *hash = scheme(0, 16);
	aibrix_prompt p = prompt_of(32);

	memcpy(tokens + 16, tokens, 16 * sizeof(*tokens));
	name_all(hash, &p);
	cr_expect_eq(hashes[0], hashes[1]);
	cr_expect(!same(keys[0], keys[1]));
	aibrix_hash_free(hash);
}

Test(hash, every_part_of_the_identity_changes_keys_and_no_content_hash)
{
	aibrix_prompt p = prompt_of(16);
	aibrix_hash_opts o[7] = {{0}};
	aibrix_key k[7];
	uint64_t content = 0;

	for (size_t i = 0; i < 7; i++)
		o[i].size = sizeof(o[i]);
	o[1].model = "a";
	o[2].revision = "a";
	o[3].dtype = "a";
	o[4].layout = "a";
	o[5].shard = "a";
	o[6].algorithm = AIBRIX_KEY_XXH3;
	for (size_t i = 0; i < 7; i++) {
		k[i] = first_key(&o[i], &p);
		content = i ? content : hashes[0];
		cr_expect_eq(hashes[0], content);
		for (size_t j = 0; j < i; j++)
			cr_expect(!same(k[i], k[j]), "%zu and %zu", i, j);
	}
}

/* vLLM #44701: plain concatenation let one user's salt pose as a LoRA. */
Test(hash, lora_and_salt_of_the_same_text_are_different_tenants)
{
	aibrix_hash_opts o = {.size = sizeof(o)};
	aibrix_prompt none = prompt_of(32), lora = none, salt = none;
	aibrix_key a, b, c;
	uint64_t plain[2], own[2];

	lora.lora = "x";
	salt.salt = "x";
	a = first_key(&o, &none);
	memcpy(plain, hashes, sizeof(plain));
	b = first_key(&o, &lora);
	memcpy(own, hashes, sizeof(own));
	cr_expect_neq(own[0], plain[0]);
	cr_expect_neq(own[1], plain[1], "LoRA is in every block");
	c = first_key(&o, &salt);
	cr_expect(!same(a, b) && !same(a, c) && !same(b, c));
	cr_expect_neq(hashes[0], plain[0]);
	cr_expect_neq(hashes[0], own[0]);
	cr_expect_eq(hashes[1], plain[1], "a salt is in block 0 only");
}

Test(hash, an_empty_text_is_no_text)
{
	aibrix_hash_opts o = {.size = sizeof(o)}, e = o;
	aibrix_prompt p = prompt_of(16), q = p;

	e.model = e.revision = e.dtype = e.layout = e.shard = "";
	q.lora = q.salt = "";
	cr_expect(same(first_key(&o, &p), first_key(&e, &q)));
}

Test(hash, an_item_names_the_blocks_it_covers_and_keys_behind_it)
{
	aibrix_hash *hash = scheme(0, 16);
	aibrix_prompt p = prompt_of(96);
	aibrix_prompt_item item = {"cat", 3, 0, 20, 20}; /* blocks 1 and 2 */
	uint64_t n = name_all(hash, &p);

	memcpy(again, hashes, n * sizeof(*hashes));
	memcpy(keys_again, keys, 16 * n);
	p.items = &item;
	p.n_items = 1;
	name_all(hash, &p);
	for (uint64_t i = 0; i < n; i++) {
		cr_expect_eq(hashes[i] == again[i], i < 1 || i > 2, "%lu",
			     (unsigned long)i);
		cr_expect_eq(same(keys[i], keys_again[i]), i < 1, "%lu",
			     (unsigned long)i);
	}

	/* The same item one token later in the block is another block. */
	memcpy(again, hashes, n * sizeof(*hashes));
	item.start++;
	item.count--;
	name_all(hash, &p);
	cr_expect_neq(hashes[1], again[1]);
	aibrix_hash_free(hash);
}

/* Items against a naive search over all of them, overlaps included. */
Test(hash, overlapping_items_are_found_wherever_they_reach)
{
	enum { ITEMS = 6, SIZE = 8, N = 20 };
	aibrix_hash *hash = scheme(AIBRIX_KEY_XXH3, SIZE);
	aibrix_prompt p = prompt_of(SIZE * N), one = p;
	aibrix_prompt_item item[ITEMS], in[ITEMS];
	uint64_t state = 5, got;

	for (int round = 0; round < 300; round++) {
		uint64_t at = 0, n;

		for (uint32_t i = 0; i < ITEMS; i++) {
			at += rand_below(&state, 40);
			item[i] = (aibrix_prompt_item){&"abcdef"[i], 1, 0, at,
						       rand_below(&state, 60)};
		}
		p.items = item;
		p.n_items = ITEMS;
		n = name_all(hash, &p);
		for (uint64_t b = 0; b < n; b++) {
			uint64_t start = b * SIZE;

			/* Only the items of this block, all else cut away. */
			one.n_items = 0;
			for (uint32_t i = 0; i < ITEMS; i++)
				if (item[i].count &&
				    item[i].start < start + SIZE &&
				    item[i].start + item[i].count > start)
					in[one.n_items++] = item[i];
			one.items = in;
			memcpy(keys_again, keys, 16 * b);
			cr_assert_eq(aibrix_hash_blocks(hash, &one, b, again,
							keys_again, BLOCKS,
							&got),
				     AIBRIX_OK);
			cr_assert_eq(again[b], hashes[b]);
			cr_assert(same(keys_again[b], keys[b]));
		}
	}
	aibrix_hash_free(hash);
}

/* An image from within block 0 to within block 2, a sound in block 1. */
Test(hash, a_block_apart_has_the_content_hash_that_it_has_in_its_prompt)
{
	static const aibrix_prompt_item items[] = {{"image", 5, 0, 10, 30},
						   {"sound", 5, 0, 20, 4}};
	static const aibrix_block_item seen[4][2] = {
		{{"image", 5, 0, 10}},
		{{"image", 5, 0, -6}, {"sound", 5, 0, 4}},
		{{"image", 5, 0, -22}},
	};
	static const uint32_t n_seen[4] = {1, 2, 1, 0};
	aibrix_hash *hash = scheme(AIBRIX_KEY_SHA256, 16);
	aibrix_prompt prompt = prompt_of(64);

	prompt.items = items;
	prompt.n_items = 2;
	prompt.lora = "adapter";
	prompt.salt = "tenant";
	cr_assert_eq(name_all(hash, &prompt), 4);

	for (uint32_t i = 0; i < 4; i++) {
		const aibrix_block block = {.size = sizeof(block),
					    .n_items = n_seen[i],
					    .tokens = tokens + 16 * i,
					    .items = seen[i],
					    .lora = "adapter",
					    .salt = i ? NULL : "tenant"};
		uint64_t x = 0;

		cr_assert_eq(aibrix_hash_block(hash, &block, &x), AIBRIX_OK);
		cr_expect_eq(x, hashes[i], "block %u", i);
	}
	aibrix_hash_free(hash);
}

Test(hash, a_plain_block_apart_is_hashed_under_the_seed)
{
	aibrix_hash *hash = scheme(AIBRIX_KEY_CITY128, 16);
	aibrix_block block = {.size = sizeof(block), .tokens = tokens};
	uint64_t x = 0;

	for (uint32_t i = 0; i < 16; i++)
		tokens[i] = i + 1;
	cr_assert_eq(aibrix_hash_block(hash, &block, &x), AIBRIX_OK);
	cr_expect_eq(x, 0xea06fc71a5ee6e88);
	cr_expect_eq(aibrix_hash_block_tokens(hash), 16);
	cr_expect_eq(aibrix_hash_block_tokens(NULL), 0);
	block.lora = "adapter";
	cr_expect_eq(aibrix_hash_block(hash, &block, &x), AIBRIX_E_INVAL);
	aibrix_hash_free(hash);
}

Test(hash, wrong_blocks_are_refused)
{
	static const aibrix_block_item bad[] = {{NULL, 1, 0, 0},
						{"x", 0, 0, 0},
						{"x", 4097, 0, 0},
						{"x", 1, 1, 0}};
	aibrix_hash *hash = scheme(AIBRIX_KEY_XXH3, 16);
	const aibrix_block good = {.size = sizeof(good), .tokens = tokens};
	aibrix_block b = good;
	uint64_t x;

	cr_expect_eq(aibrix_hash_block(NULL, &b, &x), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_hash_block(hash, NULL, &x), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_hash_block(hash, &b, NULL), AIBRIX_E_INVAL);
	b.tokens = NULL;
	cr_expect_eq(aibrix_hash_block(hash, &b, &x), AIBRIX_E_INVAL);
	b = good;
	b.size = 8;
	cr_expect_eq(aibrix_hash_block(hash, &b, &x), AIBRIX_E_INVAL);
	b = good;
	b.n_items = 1;
	cr_expect_eq(aibrix_hash_block(hash, &b, &x), AIBRIX_E_INVAL);
	for (uint32_t i = 0; i < 4; i++) {
		b.items = &bad[i];
		cr_expect_eq(aibrix_hash_block(hash, &b, &x), AIBRIX_E_INVAL);
	}
	aibrix_hash_free(hash);
}

Test(hash, a_batch_gives_what_single_calls_give)
{
	aibrix_hash *hash = scheme(0, 16);
	aibrix_prompt all = prompt_of(1000), p[3] = {all, all, all};
	const aibrix_prompt *ptr[3] = {&p[0], &p[1], &p[2]};
	uint64_t ends[3], n, at = 0;

	p[1].n_tokens = 15; /* no block */
	p[2].n_tokens = 200;
	p[2].lora = "x";
	cr_assert_eq(aibrix_hash_batch(hash, ptr, 3, again, keys_again, BLOCKS,
				       ends, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 62 + 0 + 12);
	for (size_t i = 0; i < 3; i++) {
		uint64_t count = name_all(hash, &p[i]);

		cr_expect_eq(ends[i], at + count);
		cr_expect_arr_eq(again + at, hashes, count * sizeof(*hashes));
		cr_expect_arr_eq(keys_again + at, keys, 16 * count);
		at = ends[i];
	}
	cr_expect_eq(aibrix_hash_batch(hash, ptr, 3, again, NULL, 73, ends, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 74);
	cr_expect_eq(aibrix_hash_batch(hash, NULL, 0, NULL, NULL, 0, NULL, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	ptr[1] = NULL;
	cr_expect_eq(
		aibrix_hash_batch(hash, ptr, 3, again, NULL, BLOCKS, ends, &n),
		AIBRIX_E_INVAL);
	aibrix_hash_free(hash);
}

/* The tokens are not read: the sum is refused before. */
Test(hash, a_batch_of_more_blocks_than_can_be_counted_is_refused)
{
	aibrix_hash *hash = scheme(0, 1);
	aibrix_prompt p = prompt_of(1);
	const aibrix_prompt *prompts[5] = {&p, &p, &p, &p, &p};
	uint64_t ends[5], n = 7;

	p.n_tokens = SIZE_MAX / sizeof(uint32_t);
	cr_expect_eq(
		aibrix_hash_batch(hash, prompts, 4, hashes, NULL, 4, ends, &n),
		AIBRIX_E_SPACE);
	cr_expect_eq(n, UINT64_MAX - 3);
	n = 7;
	cr_expect_eq(
		aibrix_hash_batch(hash, prompts, 5, hashes, NULL, 4, ends, &n),
		AIBRIX_E_INVAL);
	cr_expect_eq(n, 7);
	aibrix_hash_free(hash);
}

Test(hash, too_small_a_buffer_is_not_written)
{
	aibrix_hash *hash = scheme(0, 16);
	aibrix_prompt p = prompt_of(64);
	uint64_t n = 0;

	memset(hashes, 0xee, sizeof(hashes));
	memset(keys, 0xee, sizeof(keys));
	cr_expect_eq(aibrix_hash_blocks(hash, &p, 0, hashes, keys, 3, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 4);
	cr_expect_eq(hashes[0], 0xeeeeeeeeeeeeeeee);
	cr_expect_eq(keys[0].bytes[0], 0xee);
	cr_assert_eq(aibrix_hash_blocks(hash, &p, 0, hashes, keys, 4, &n),
		     AIBRIX_OK);
	cr_expect_eq(hashes[4], 0xeeeeeeeeeeeeeeee);
	cr_expect_eq(keys[4].bytes[0], 0xee);
	aibrix_hash_free(hash);
}

Test(hash, prompts_without_a_whole_block_have_no_names)
{
	aibrix_hash *hash = scheme(0, 0);
	aibrix_prompt empty = {.size = sizeof(empty)}, p = prompt_of(15);
	uint64_t n = 9;

	cr_expect_eq(aibrix_hash_count(hash, 15), 0);
	cr_expect_eq(aibrix_hash_count(hash, 33), 2, "0 tokens means 16");
	cr_expect_eq(aibrix_hash_count(hash, UINT64_MAX), UINT64_MAX / 16);
	cr_expect_eq(aibrix_hash_count(NULL, 99), 0);
	cr_expect_eq(aibrix_hash_blocks(hash, &empty, 0, NULL, NULL, 0, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_hash_blocks(hash, &p, 0, NULL, NULL, 0, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
	aibrix_hash_free(hash);
}

Test(hash, a_million_tokens_in_runs_give_what_block_by_block_gives)
{
	enum { MANY = 1000000, SIZE = 250, N = MANY / SIZE };
	aibrix_hash *hash = scheme(AIBRIX_KEY_XXH3, SIZE);
	aibrix_prompt p = {.size = sizeof(p), .n_tokens = MANY};
	uint32_t *many = malloc(MANY * sizeof(*many));
	uint64_t n;

	cr_assert_not_null(many);
	for (uint32_t i = 0; i < MANY; i++)
		many[i] = i * 2654435761u;
	p.tokens = many;
	cr_assert_eq(name_all(hash, &p), N);
	for (uint64_t b = 0; b < N; b++) {
		p.n_tokens = (b + 1) * SIZE;
		cr_assert_eq(aibrix_hash_blocks(hash, &p, b, again, keys_again,
						BLOCKS, &n),
			     AIBRIX_OK);
	}
	cr_expect_arr_eq(again, hashes, N * sizeof(*hashes));
	cr_expect_arr_eq(keys_again, keys, N * sizeof(*keys));
	free(many);
	aibrix_hash_free(hash);
}

Test(hash, seed_zero_must_be_asked_for)
{
	aibrix_hash_opts o = {.size = sizeof(o)};
	aibrix_prompt p = prompt_of(16);
	uint64_t by_default;

	first_key(&o, &p);
	by_default = hashes[0];
	o.seed = 1337;
	first_key(&o, &p);
	cr_expect_eq(hashes[0], by_default);
	o.seed = 0;
	o.flags = AIBRIX_HASH_SEED_ZERO;
	first_key(&o, &p);
	cr_expect_neq(hashes[0], by_default);
}

Test(hash, wrong_options_are_refused)
{
	char longest[4098];
	aibrix_hash_opts good = {.size = sizeof(good)}, o;
	aibrix_hash *hash = NULL;

	memset(longest, 'x', sizeof(longest));
	longest[4097] = '\0';
	cr_expect_eq(aibrix_hash_new(&good, NULL), AIBRIX_E_INVAL);
	o = good;
	o.size = 4;
	cr_expect_eq(aibrix_hash_new(&o, &hash), AIBRIX_E_INVAL);
	o = good;
	o.algorithm = 4;
	cr_expect_eq(aibrix_hash_new(&o, &hash), AIBRIX_E_INVAL);
	o = good;
	o.block_tokens = 8193;
	cr_expect_eq(aibrix_hash_new(&o, &hash), AIBRIX_E_INVAL);
	o = good;
	o.flags = 2;
	cr_expect_eq(aibrix_hash_new(&o, &hash), AIBRIX_E_ABI);
	o = good;
	o.shard = longest;
	cr_expect_eq(aibrix_hash_new(&o, &hash), AIBRIX_E_INVAL);
	longest[4096] = '\0';
	cr_assert_eq(aibrix_hash_new(&o, &hash), AIBRIX_OK);
	aibrix_hash_free(hash);
	hash = NULL;
	o.algorithm = AIBRIX_KEY_CITY128;
	cr_expect_eq(aibrix_hash_new(&o, &hash), AIBRIX_E_INVAL,
		     "CITY128 has no place for an identity");
	cr_expect_null(hash);
	aibrix_hash_free(NULL);
}

static void
expect_blocks(const aibrix_hash *hash, const aibrix_prompt *p, int want)
{
	uint64_t n = 77;

	cr_expect_eq(aibrix_hash_blocks(hash, p, 0, hashes, keys, BLOCKS, &n),
		     want);
	if (want != AIBRIX_OK)
		cr_expect_eq(n, 77);
}

Test(hash, wrong_prompts_are_refused)
{
	aibrix_hash *hash = scheme(0, 16), *city = scheme(2, 16);
	aibrix_prompt good = prompt_of(64), p = good;
	aibrix_prompt_item items[2] = {{"a", 1, 0, 5, 5}, {"b", 1, 0, 5, 9}};
	char longest[4098];
	uint64_t n;

	memset(longest, 'x', sizeof(longest));
	longest[4097] = '\0';
	p.items = items;
	p.n_items = 2;
	expect_blocks(hash, &p, AIBRIX_OK);
	expect_blocks(city, &p, AIBRIX_E_INVAL);
	items[1].start = 4;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	items[1].start = UINT64_MAX;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	items[1].start = UINT64_MAX - 9;
	expect_blocks(hash, &p, AIBRIX_OK);
	items[1].spare = 1;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	items[1] = (aibrix_prompt_item){NULL, 1, 0, 5, 9};
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	items[1] = (aibrix_prompt_item){"b", 0, 0, 5, 9};
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	items[1] = (aibrix_prompt_item){longest, 4097, 0, 5, 9};
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	p.items = NULL;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);

	p = good;
	p.lora = longest;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	p = good;
	p.salt = "s";
	expect_blocks(city, &p, AIBRIX_E_INVAL);
	p = good;
	p.tokens = NULL;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	p = good;
	p.n_tokens = UINT64_MAX;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	p = good;
	p.size = 8;
	expect_blocks(hash, &p, AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_hash_blocks(NULL, &good, 0, hashes, keys, BLOCKS, &n),
		AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_hash_blocks(hash, NULL, 0, hashes, keys, BLOCKS, &n),
		AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_hash_blocks(hash, &good, 0, hashes, keys, BLOCKS, NULL),
		AIBRIX_E_INVAL);
	aibrix_hash_free(hash);
	aibrix_hash_free(city);
}

Test(hash, fold_pads_short_names_and_cuts_long_ones)
{
	static const uint8_t ten[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

	cr_expect_eq(aibrix_hash_fold(ten, 10, 0), 0x030405060708090a);
	cr_expect_eq(aibrix_hash_fold(ten, 10, 1), 0x0102030405060708);
	cr_expect_eq(aibrix_hash_fold(ten, 8, 0), 0x0102030405060708);
	cr_expect_eq(aibrix_hash_fold(ten, 2, 0), 0x0102);
	cr_expect_eq(aibrix_hash_fold(ten, 2, 1), 0x0102);
	cr_expect_eq(aibrix_hash_fold(NULL, 0, 0), 0);
}

Test(hash, keys_are_written_in_lower_case_and_read_in_either)
{
	static const char *const bad[] = {"",
					  "00",
					  "0123456789abcdef0123456789abcde",
					  "0123456789abcdef0123456789abcdef0",
					  "0123456789abcdef0123456789abcdeg",
					  " 123456789abcdef0123456789abcdef"};
	aibrix_key key = {{0}}, kept;
	char text[AIBRIX_KEY_TEXT];

	cr_assert_eq(aibrix_key_parse("0123456789ABCDEF0123456789abcdef", &key),
		     AIBRIX_OK);
	cr_expect_eq(key.bytes[0], 0x01);
	cr_expect_eq(key.bytes[15], 0xef);
	aibrix_key_format(&key, text);
	cr_expect_str_eq(text, "0123456789abcdef0123456789abcdef");
	kept = key;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(aibrix_key_parse(bad[i], &key), AIBRIX_E_PARSE);
	cr_expect(same(key, kept));
}

Test(compat, gateway_limits)
{
	uint8_t bytes[32] = {0};
	uint64_t out[2] = {7, 7}, n = 9;

	cr_expect_eq(aibrix_compat_gateway_hashes(0, 0, bytes, 32, out, 2, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_compat_gateway_hashes(0, 65537, bytes, 32, out, 2, &n),
		AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_compat_gateway_hashes(0, 4, NULL, 32, out, 2, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(n, 9);
	cr_expect_eq(aibrix_compat_gateway_hashes(0, 4, bytes, 32, out, 2, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 8);
	cr_expect_eq(out[0], 7);
	cr_expect_eq(aibrix_compat_gateway_hashes(0, 4, NULL, 0, NULL, 0, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 0);
}

Test(compat, raw_key_limits)
{
	uint32_t one = 1;
	uint8_t out[4] = {9, 9, 9, 9};
	uint64_t n = 0;

	cr_expect_eq(aibrix_compat_raw_key(&one, 1, 0, out, 3, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 4);
	cr_expect_eq(out[0], 9);
	cr_expect_eq(aibrix_compat_raw_key(&one, UINT64_MAX / 4, 1, out, 4, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_compat_raw_key(NULL, 0, 0, NULL, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
}

Test(compat, vllm_limits)
{
	uint8_t parent[32] = {0}, digest[32] = {5};
	aibrix_vllm_extra extra[65] = {{"a", 1, AIBRIX_VLLM_EXTRA_TEXT, 0, 0}};
	aibrix_vllm_extra bad[] = {
		{"a", 1, 0, 0, 0},
		{"a", 1, 4, 0, 0},
		{"a", 4097, AIBRIX_VLLM_EXTRA_TEXT, 0, 0},
		{NULL, 1, AIBRIX_VLLM_EXTRA_TEXT, 0, 0},
		{"a", 1, AIBRIX_VLLM_EXTRA_TEXT, 0, 1},
		{"a", 1, AIBRIX_VLLM_EXTRA_ITEM, (int64_t)INT32_MAX + 1, 0},
	};
	uint64_t n = 0;

	cr_expect_eq(aibrix_vllm_digest_bytes(0), 32);
	cr_expect_eq(aibrix_vllm_digest_bytes(3), 16);
	cr_expect_eq(aibrix_vllm_digest_bytes(4), 0);
	cr_expect_eq(aibrix_vllm_none_hash(2, NULL, digest), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vllm_none_hash(4, "0", digest), AIBRIX_E_INVAL);
	cr_expect_eq(
		aibrix_vllm_block_hash(0, parent, tokens, 0, NULL, 0, digest),
		AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_vllm_block_hash(0, parent, tokens, 8193, NULL, 0,
					    digest),
		     AIBRIX_E_INVAL);
	for (size_t i = 1; i < 65; i++)
		extra[i] = extra[0];
	cr_expect_eq(aibrix_vllm_block_hash(0, parent, tokens, 16, extra, 64,
					    digest),
		     AIBRIX_OK);
	digest[0] = 5;
	cr_expect_eq(aibrix_vllm_block_hash(0, parent, tokens, 16, extra, 65,
					    digest),
		     AIBRIX_E_INVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(aibrix_vllm_block_hash(0, parent, tokens, 16,
						    &bad[i], 1, digest),
			     AIBRIX_E_INVAL);
	cr_expect_eq(digest[0], 5);
	cr_expect_eq(aibrix_vllm_hash_blocks(0, parent, tokens, 48, 16, digest,
					     1, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 3);
	cr_expect_eq(aibrix_vllm_hash_blocks(0, parent, tokens, 48, 0, digest,
					     1, &n),
		     AIBRIX_E_INVAL);
}
