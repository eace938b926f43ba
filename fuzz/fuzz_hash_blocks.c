/*
 * Naming any prompt under any scheme:
 *   - a shorter prompt has the same first names;
 *   - going on from known names gives what starting anew gives;
 *   - a batch gives what single calls give;
 *   - nothing is written beyond cap, and nothing at all on E_SPACE.
 *
 * Input: algorithm, block_tokens (2), flags, cut, items (1 + 5 each: start
 * 2, count 2, id 1), then tokens.
 */

#include <stdlib.h>
#include <string.h>

#include <aibrix/hash.h>

#include "base/bytes.h"

#define REQUIRE(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { ITEMS_MAX = 8, WITH_LORA = 1, WITH_SALT = 2, WITH_MODEL = 4 };

struct names {
	uint64_t n;
	uint64_t *hashes;
	aibrix_key *keys;
};

/* One entry more than needed, as a guard. */
static struct names
names_new(uint64_t n)
{
	struct names x = {n, malloc((n + 1) * sizeof(uint64_t)),
			  malloc((n + 1) * sizeof(aibrix_key))};

	REQUIRE(x.hashes && x.keys);
	memset(x.hashes, 0x5a, (n + 1) * sizeof(uint64_t));
	memset(x.keys, 0x5a, (n + 1) * sizeof(aibrix_key));
	return x;
}

static void
names_free(struct names x)
{
	REQUIRE(x.hashes[x.n] == 0x5a5a5a5a5a5a5a5a);
	REQUIRE(x.keys[x.n].bytes[0] == 0x5a && x.keys[x.n].bytes[15] == 0x5a);
	free(x.hashes);
	free(x.keys);
}

static void
names_require_same(const struct names *a, uint64_t at, const struct names *b,
		   uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		REQUIRE(a->hashes[at + i] == b->hashes[i]);
		REQUIRE(memcmp(&a->keys[at + i], &b->keys[i], 16) == 0);
	}
}

/* Names from known on; those before are copied from the full list. */
static struct names
names_of(const aibrix_hash *hash, const aibrix_prompt *prompt, uint64_t known,
	 const struct names *full)
{
	struct names x = names_new(aibrix_hash_count(hash, prompt->n_tokens));
	uint64_t n;

	if (known) {
		memcpy(x.hashes, full->hashes, known * sizeof(uint64_t));
		memcpy(x.keys, full->keys, known * sizeof(aibrix_key));
	}
	REQUIRE(aibrix_hash_blocks(hash, prompt, known, x.hashes, x.keys, x.n,
				   &n) == AIBRIX_OK);
	REQUIRE(n == x.n);
	return x;
}

static void
check_batch(const aibrix_hash *hash, const aibrix_prompt *one,
	    const struct names *a, const aibrix_prompt *two,
	    const struct names *b)
{
	const aibrix_prompt *both[2] = {one, two};
	struct names x = names_new(a->n + b->n);
	uint64_t ends[2], n;

	REQUIRE(aibrix_hash_batch(hash, both, 2, x.hashes, x.keys, x.n, ends,
				  &n) == AIBRIX_OK);
	REQUIRE(n == x.n && ends[0] == a->n && ends[1] == x.n);
	names_require_same(&x, 0, a, a->n);
	names_require_same(&x, a->n, b, b->n);
	names_free(x);
}

static void
check(const aibrix_hash *hash, const aibrix_prompt *prompt, uint32_t cut)
{
	struct names all = names_of(hash, prompt, 0, NULL), part, again, none;
	aibrix_prompt first = *prompt;
	uint64_t n;

	first.n_tokens = prompt->n_tokens * cut / 255;
	part = names_of(hash, &first, 0, NULL);
	names_require_same(&all, 0, &part, part.n);
	again = names_of(hash, prompt, part.n, &all);
	names_require_same(&all, 0, &again, all.n);
	check_batch(hash, prompt, &all, &first, &part);
	if (all.n) {
		none = names_new(0);
		REQUIRE(aibrix_hash_blocks(hash, prompt, 0, none.hashes,
					   none.keys, all.n - 1,
					   &n) == AIBRIX_E_SPACE);
		REQUIRE(n == all.n);
		names_free(none);
	}
	names_free(all);
	names_free(part);
	names_free(again);
}

static uint32_t
items_read(struct reader *r, aibrix_prompt_item items[ITEMS_MAX])
{
	static const char ids[] = "abcdefgh";
	uint32_t n = read_u8(r) % (ITEMS_MAX + 1);
	uint64_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		at += read_u16(r);
		items[i] = (aibrix_prompt_item){.start = at};
		items[i].count = read_u16(r);
		items[i].id = &ids[read_u8(r) % 8];
		items[i].id_bytes = 1;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_on(data, len);
	aibrix_hash_opts opts = {.size = sizeof(opts)};
	aibrix_prompt prompt = {.size = sizeof(prompt)};
	aibrix_prompt_item items[ITEMS_MAX];
	uint32_t flags, cut, *tokens;
	aibrix_hash *hash;

	opts.algorithm = read_u8(&r) % 5;
	opts.block_tokens = read_u16(&r);
	flags = read_u8(&r);
	cut = read_u8(&r);
	prompt.n_items = items_read(&r, items);
	opts.model = flags & WITH_MODEL ? "model" : NULL;
	prompt.lora = flags & WITH_LORA ? "lora" : NULL;
	prompt.salt = flags & WITH_SALT ? "salt" : "";
	if (!r.ok || aibrix_hash_new(&opts, &hash))
		return 0;
	if (opts.algorithm >= AIBRIX_KEY_CITY128) {
		prompt.lora = prompt.salt = NULL;
		prompt.n_items = 0;
	}
	prompt.n_tokens = (size_t)(r.end - r.at) / sizeof(*tokens);
	tokens = malloc((prompt.n_tokens + !prompt.n_tokens) * sizeof(*tokens));
	REQUIRE(tokens);
	for (uint64_t i = 0; i < prompt.n_tokens; i++)
		tokens[i] = read_u32(&r);
	prompt.tokens = tokens;
	prompt.items = items;
	check(hash, &prompt, cut);
	free(tokens);
	aibrix_hash_free(hash);
	return 0;
}
