/* Content hashes of events are those of the prompt. */
#include <criterion/criterion.h>

#include "event_tools.h"

enum { BLOCK = 16, BLOCKS = 6, TOKENS = BLOCK * BLOCKS };

static aibrix_hash *hash;
static aibrix_event_decoder *decoder;
static uint32_t tokens[TOKENS];

static void
start(void)
{
	hash = new_hash(BLOCK);
	decoder = new_decoder(hash, 0);
	for (uint32_t i = 0; i < TOKENS; i++)
		tokens[i] = 1 + i * 997;
}

static void
stop(void)
{
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}

TestSuite(event_contents, .init = start, .fini = stop);

static aibrix_prompt
new_prompt(void)
{
	return (aibrix_prompt){.size = sizeof(aibrix_prompt),
			       .tokens = tokens,
			       .n_tokens = TOKENS};
}

/* The event is of n blocks of the prompt from first on. */
static void
expect_prompt(const struct wire *w, const aibrix_prompt *prompt, uint32_t first,
	      uint32_t n)
{
	aibrix_event e = one_event(decoder, w);
	uint64_t hashes[BLOCKS], blocks;

	cr_assert_eq(aibrix_hash_blocks(hash, prompt, 0, hashes, NULL, BLOCKS,
					&blocks),
		     AIBRIX_OK);
	cr_assert_eq(e.n, n);
	cr_assert_not_null(e.hashes);
	for (uint32_t i = 0; i < n; i++)
		cr_expect_eq(e.hashes[i], hashes[first + i], "block %u",
			     first + i);
}

/* The first elements of a stored event of blocks [first, first + n): a map
 * of 4 + more, in which type, hashes, tokens and size are said, and the
 * parent, which counts among more. */
static struct wire
stored_map(uint32_t first, uint32_t n, uint32_t more)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_map(&w, 4 + more);
	wire_text(&w, "type");
	wire_text(&w, "BlockStored");
	wire_text(&w, "block_hashes");
	wire_range(&w, 1000 + first, n);
	wire_text(&w, "token_ids");
	wire_array(&w, n * BLOCK);
	for (uint32_t i = 0; i < n * BLOCK; i++)
		wire_uint(&w, tokens[first * BLOCK + i]);
	wire_text(&w, "block_size");
	wire_uint(&w, BLOCK);
	if (first) {
		wire_text(&w, "parent_block_hash");
		wire_uint(&w, 999 + first);
	}
	return w;
}

static void
wire_pair(struct wire *w, const char *id, int64_t offset)
{
	wire_array(w, 2);
	wire_text(w, id);
	wire_int(w, offset);
}

Test(event_contents, plain_blocks)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, BLOCKS, 0);

	expect_prompt(&w, &prompt, 0, BLOCKS);
	w = stored_map(2, 3, 1);
	expect_prompt(&w, &prompt, 2, 3);
}

Test(event_contents, a_lora_by_name)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, 2, 2);

	wire_text(&w, "lora_name");
	wire_text(&w, "adapter");
	wire_text(&w, "lora_id");
	wire_uint(&w, 3);
	prompt.lora = "adapter";
	expect_prompt(&w, &prompt, 0, 2);
}

Test(event_contents, a_lora_by_number_is_its_decimal_text)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(1, 2, 2);

	wire_text(&w, "lora_id");
	wire_uint(&w, UINT64_MAX);
	prompt.lora = "18446744073709551615";
	expect_prompt(&w, &prompt, 1, 2);
}

Test(event_contents, minus_one_and_nil_are_no_lora)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, 1, 1);

	wire_text(&w, "lora_id");
	wire_int(&w, -1);
	expect_prompt(&w, &prompt, 0, 1);
	w = stored_map(0, 1, 1);
	wire_text(&w, "lora_id");
	wire_nil(&w);
	expect_prompt(&w, &prompt, 0, 1);
	w = stored_map(0, 1, 1);
	wire_text(&w, "lora_name");
	wire_text(&w, "");
	expect_prompt(&w, &prompt, 0, 1);
}

/* Extra keys of two blocks that hold but the LoRA, which the event names in
 * its own fields as well. */
static struct wire
lora_in_extra(const char *name_key, const char *name, uint32_t number)
{
	struct wire w = stored_map(0, 2, 2);

	wire_text(&w, name_key);
	if (name)
		wire_text(&w, name);
	else
		wire_uint(&w, number);
	wire_text(&w, "extra_keys");
	wire_array(&w, 2);
	for (int i = 0; i < 2; i++) {
		wire_array(&w, 1);
		if (name || !number)
			wire_text(&w, "adapter");
		else
			wire_uint(&w, number);
	}
	return w;
}

Test(event_contents, a_lora_in_extra_keys_counts_once)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = lora_in_extra("lora_name", "adapter", 0);

	prompt.lora = "adapter";
	expect_prompt(&w, &prompt, 0, 2);
	/* Named only there: the event has its number. */
	w = lora_in_extra("lora_id", NULL, 0);
	expect_prompt(&w, &prompt, 0, 2);
	/* Older engines put the number there as well. */
	w = lora_in_extra("lora_id", NULL, 7);
	prompt.lora = "7";
	expect_prompt(&w, &prompt, 0, 2);
}

Test(event_contents, an_item_may_have_the_name_of_the_lora)
{
	static const aibrix_prompt_item item = {"adapter", 7, 0, 16, 16};
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(1, 1, 3);

	wire_text(&w, "lora_name");
	wire_text(&w, "adapter");
	wire_text(&w, "extra_keys");
	wire_array(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "adapter");
	wire_text(&w, "adapter");
	prompt.lora = "adapter";
	prompt.items = &item;
	prompt.n_items = 1;
	expect_prompt(&w, &prompt, 1, 1);
}

Test(event_contents, a_salt_is_in_block_0_of_a_prompt)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, 2, 1);

	wire_text(&w, "extra_keys");
	wire_array(&w, 2);
	wire_array(&w, 1);
	wire_text(&w, "tenant");
	wire_nil(&w);
	prompt.salt = "tenant";
	expect_prompt(&w, &prompt, 0, 2);
}

Test(event_contents, a_salt_in_a_field_of_its_own)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, 2, 1);

	wire_text(&w, "cache_salt");
	wire_text(&w, "tenant");
	prompt.salt = "tenant";
	expect_prompt(&w, &prompt, 0, 2);
	/* Behind block 0 it says nothing. */
	w = stored_map(1, 2, 2);
	wire_text(&w, "cache_salt");
	wire_text(&w, "tenant");
	expect_prompt(&w, &prompt, 1, 2);
}

/* An image in tokens [10, 70), a sound in [36, 40): of blocks 0 to 4, and of
 * block 2. */
static const aibrix_prompt_item items[] = {{"image", 5, 0, 10, 60},
					   {"sound", 5, 0, 36, 4}};

static void
wire_items(struct wire *w, uint32_t block)
{
	uint32_t n = block < 5 ? 1 + (block == 2) : 0;

	wire_array(w, n);
	if (n)
		wire_pair(w, "image", 10 - (int64_t)block * BLOCK);
	if (n > 1)
		wire_pair(w, "sound", 4);
}

Test(event_contents, an_image_over_several_blocks)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, BLOCKS, 1);

	wire_text(&w, "extra_keys");
	wire_array(&w, BLOCKS);
	for (uint32_t i = 0; i < BLOCKS; i++)
		wire_items(&w, i);
	prompt.items = items;
	prompt.n_items = 2;
	expect_prompt(&w, &prompt, 0, BLOCKS);
}

Test(event_contents, an_image_that_begins_before_the_event)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(2, 4, 2);

	wire_text(&w, "extra_keys");
	wire_array(&w, 4);
	for (uint32_t i = 2; i < 6; i++)
		wire_items(&w, i);
	prompt.items = items;
	prompt.n_items = 2;
	expect_prompt(&w, &prompt, 2, 4);
}

Test(event_contents, lora_image_and_salt_together)
{
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, 2, 2);

	wire_text(&w, "extra_keys");
	wire_array(&w, 2);
	wire_array(&w, 3);
	wire_text(&w, "adapter");
	wire_pair(&w, "image", 10);
	wire_text(&w, "tenant");
	wire_array(&w, 2);
	wire_text(&w, "adapter");
	wire_pair(&w, "image", -6);
	wire_text(&w, "lora_name");
	wire_text(&w, "adapter");
	prompt.items = items;
	prompt.n_items = 1;
	prompt.lora = "adapter";
	prompt.salt = "tenant";
	expect_prompt(&w, &prompt, 0, 2);
}

/* Older engines give no offset, newer ones a digest of embeddings. */
Test(event_contents, bare_identifiers_and_digests_are_items_of_the_block)
{
	static const aibrix_prompt_item bare[] = {{"image", 5, 0, 16, 4},
						  {"\1\2\3", 3, 0, 16, 16}};
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(1, 1, 2);

	wire_text(&w, "extra_keys");
	wire_array(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "image");
	wire_bin(&w, "\1\2\3", 3);
	prompt.items = bare;
	prompt.n_items = 2;
	expect_prompt(&w, &prompt, 1, 1);
}

Test(event_contents, the_last_text_of_block_0_is_the_salt_before_digests)
{
	static const aibrix_prompt_item digest = {"\1\2\3", 3, 0, 0, 16};
	aibrix_prompt prompt = new_prompt();
	struct wire w = stored_map(0, 1, 1);

	wire_text(&w, "extra_keys");
	wire_array(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "tenant");
	wire_bin(&w, "\1\2\3", 3);
	prompt.items = &digest;
	prompt.n_items = 1;
	prompt.salt = "tenant";
	expect_prompt(&w, &prompt, 0, 1);
}

/* What an engine of tomorrow may put there, in hex. */
static const char *const unknown_extras[] = {
	"07",
	"c3",
	"ca3f800000",
	"91a178",
	"93a1780102",
	"92a178a179",
	"81a178a179",
	"92a178cb3ff0000000000000",
	"92a178d37fffffffffffffff",
};

Test(event_contents, an_unknown_extra_key_makes_no_plain_block)
{
	aibrix_prompt prompt = new_prompt();
	uint64_t hashes[BLOCKS], n, seen[9];

	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, BLOCKS, &n),
		AIBRIX_OK);
	for (size_t i = 0; i < 9; i++) {
		struct wire w = stored_map(0, 1, 1), x;
		aibrix_event e;

		wire_text(&w, "extra_keys");
		wire_array(&w, 1);
		wire_array(&w, 1);
		x = wire_of_hex(unknown_extras[i]);
		wire_bytes(&w, x.bytes, x.n);
		e = one_event(decoder, &w);
		cr_assert_not_null(e.hashes);
		seen[i] = e.hashes[0];
		cr_expect_neq(seen[i], hashes[0], "%s", unknown_extras[i]);
		for (size_t j = 0; j < i; j++)
			cr_expect_neq(seen[i], seen[j], "%s",
				      unknown_extras[i]);
	}
}

Test(event_contents, texts_have_at_most_4096_bytes)
{
	char text[4098];
	struct wire w;
	aibrix_event e;

	memset(text, 'x', sizeof(text));
	for (uint32_t n = 4096; n < 4098; n++) {
		const int good = n == 4096 ? AIBRIX_OK : AIBRIX_E_PARSE;

		text[n] = '\0';
		w = stored_map(0, 1, 1);
		wire_text(&w, "lora_name");
		wire_text(&w, text);
		cr_expect_eq(first_status(decoder, &w), good);
		w = stored_map(0, 1, 1);
		wire_text(&w, "cache_salt");
		wire_text(&w, text);
		cr_expect_eq(first_status(decoder, &w), good);
		w = stored_map(1, 1, 2);
		wire_text(&w, "extra_keys");
		wire_array(&w, 1);
		wire_array(&w, 1);
		wire_text(&w, text);
		cr_expect_eq(first_status(decoder, &w), good);
		text[n] = 'x';
	}
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_NOT_FOUND);
}

Test(event_contents, a_block_has_at_most_64_items)
{
	for (uint32_t n = 64; n < 66; n++) {
		struct wire w = stored_map(1, 1, 2);

		wire_text(&w, "extra_keys");
		wire_array(&w, 1);
		wire_array(&w, n);
		for (uint32_t i = 0; i < n; i++)
			wire_pair(&w, "image", i);
		cr_expect_eq(first_status(decoder, &w),
			     n == 64 ? AIBRIX_OK : AIBRIX_E_UNSUPPORTED);
	}
	cr_expect_eq(stat_of(decoder).too_large, 1);
}

Test(event_contents, what_the_hash_refuses_costs_the_event)
{
	const aibrix_hash_opts opts = {.size = sizeof(opts),
				       .algorithm = AIBRIX_KEY_CITY128};
	struct wire w = stored_map(0, 1, 1);
	aibrix_event_decoder *d;
	aibrix_hash *city;

	cr_assert_eq(aibrix_hash_new(&opts, &city), AIBRIX_OK);
	d = new_decoder(city, 0);
	wire_text(&w, "lora_name");
	wire_text(&w, "adapter");
	cr_expect_eq(first_status(d, &w), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(stat_of(d).unhashable, 1);
	aibrix_event_free(d);
	aibrix_hash_free(city);
}

/* Engine blocks of 32 tokens, index blocks of 16. */
static aibrix_event_decoder *
new_splitter(void)
{
	const aibrix_event_opts opts = {.size = sizeof(opts),
					.hash = hash,
					.engine_block_tokens = 2 * BLOCK};
	aibrix_event_decoder *d = NULL;

	cr_assert_eq(aibrix_event_new(&opts, &d), AIBRIX_OK);
	return d;
}

/* Engine blocks of the prompt, n from first on, with more fields to come. */
static struct wire
stored_large(uint32_t first, uint32_t n, uint32_t more)
{
	struct wire w;

	wire_batch(&w, 1);
	wire_map(&w, 5 + more);
	wire_text(&w, "type");
	wire_text(&w, "BlockStored");
	wire_text(&w, "block_hashes");
	wire_range(&w, 1000 + first, n);
	wire_text(&w, "parent_block_hash");
	if (first)
		wire_uint(&w, 999 + first);
	else
		wire_nil(&w);
	wire_text(&w, "token_ids");
	wire_array(&w, n * 2 * BLOCK);
	for (uint32_t i = 0; i < n * 2 * BLOCK; i++)
		wire_uint(&w, tokens[first * 2 * BLOCK + i]);
	wire_text(&w, "block_size");
	wire_uint(&w, 2 * BLOCK);
	return w;
}

Test(event_contents, a_large_engine_block_becomes_several)
{
	aibrix_prompt prompt = new_prompt();
	aibrix_event_decoder *d = new_splitter();
	struct wire w = stored_large(1, 2, 0), removed;
	uint64_t first_part, second_part;
	aibrix_event e = one_event(d, &w);
	uint64_t hashes[BLOCKS], n;

	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, BLOCKS, &n),
		AIBRIX_OK);
	cr_assert_eq(e.n, 4);
	cr_expect_arr_eq(e.hashes, hashes + 2, 4 * sizeof(*hashes));
	cr_expect_eq(e.parent, 1000);
	cr_expect_eq(e.names[1], 1001);
	cr_expect_eq(e.names[3], 1002);
	first_part = e.names[0];
	second_part = e.names[2];
	cr_expect_neq(first_part, second_part);
	cr_expect_neq(first_part, 1001);

	/* The same names when they go. */
	wire_batch(&removed, 1);
	wire_array(&removed, 2);
	wire_text(&removed, "BlockRemoved");
	wire_range(&removed, 1001, 2);
	e = one_event(d, &removed);
	cr_assert_eq(e.n, 4);
	cr_expect_eq(e.names[0], first_part);
	cr_expect_eq(e.names[1], 1001);
	cr_expect_eq(e.names[2], second_part);
	cr_expect_eq(e.names[3], 1002);
	aibrix_event_free(d);
}

Test(event_contents, parts_of_engine_blocks_have_names_of_their_own)
{
	const aibrix_event_opts opts = {.size = sizeof(opts),
					.hash = hash,
					.engine_block_tokens = 4 * BLOCK};
	aibrix_event_decoder *d = NULL;
	struct wire w;
	aibrix_event e;

	cr_assert_eq(aibrix_event_new(&opts, &d), AIBRIX_OK);
	wire_batch(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "BlockRemoved");
	wire_range(&w, 1, 3);
	e = one_event(d, &w);
	cr_assert_eq(e.n, 12);
	for (uint32_t i = 0; i < 12; i++)
		for (uint32_t j = 0; j < i; j++)
			cr_expect_neq(e.names[i], e.names[j]);
	aibrix_event_free(d);
}

/* An image from token 20 on to the end of engine block 1, and one before. */
Test(event_contents, items_of_a_large_block_go_to_the_parts_behind_their_start)
{
	static const aibrix_prompt_item own[] = {{"image", 5, 0, 20, 44},
						 {"sound", 5, 0, 60, 4}};
	aibrix_prompt prompt = new_prompt();
	aibrix_event_decoder *d = new_splitter();
	struct wire w = stored_large(0, 3, 1);
	uint64_t hashes[BLOCKS], n;
	aibrix_event e;

	wire_text(&w, "extra_keys");
	wire_array(&w, 3);
	wire_array(&w, 2);
	wire_pair(&w, "image", 20);
	wire_text(&w, "tenant");
	wire_array(&w, 2);
	wire_pair(&w, "image", -12);
	wire_pair(&w, "sound", 28);
	wire_nil(&w);
	prompt.items = own;
	prompt.n_items = 2;
	prompt.salt = "tenant";
	e = one_event(d, &w);
	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, BLOCKS, &n),
		AIBRIX_OK);
	cr_assert_eq(e.n, 6);
	for (uint32_t i = 0; i < 6; i++)
		cr_expect_eq(e.hashes[i], hashes[i], "block %u", i);
	aibrix_event_free(d);
}
