/*
 * Hashing schemes: what is fixed for all prompts.
 *
 * A scheme holds the identity (everything but LoRA and salt) as a SHA-256
 * half-way through, and the root key of prompts without either.  So naming
 * a prompt starts at once, and needs no memory and no text of the model.
 * The code for the processor is chosen here once: asking a processor under
 * a hypervisor what it can do takes tens of microseconds.
 */

#include <aibrix/hash.h>

#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/hex.h"
#include "base/versioned.h"
#include "hash/hash_internal.h"

void
aibrix__entry_add(struct sha256 *sha, uint8_t tag, const void *value,
		  uint32_t bytes)
{
	const uint8_t head[5] = {tag, (uint8_t)bytes, (uint8_t)(bytes >> 8),
				 (uint8_t)(bytes >> 16),
				 (uint8_t)(bytes >> 24)};

	aibrix__sha256_update(sha, head, sizeof(head));
	aibrix__sha256_update(sha, value, bytes);
}

void
aibrix__text_add(struct sha256 *sha, uint8_t tag, const char *text)
{
	if (text_given(text))
		aibrix__entry_add(sha, tag, text, (uint32_t)strlen(text));
}

static void
number_add(struct sha256 *sha, uint8_t tag, uint32_t x)
{
	const uint8_t bytes[4] = {(uint8_t)x, (uint8_t)(x >> 8),
				  (uint8_t)(x >> 16), (uint8_t)(x >> 24)};

	aibrix__entry_add(sha, tag, bytes, sizeof(bytes));
}

int
aibrix__text_ok(const char *text)
{
	return !text || strnlen(text, TEXT_MAX + 1) <= TEXT_MAX;
}

static int
opts_check(const aibrix_hash_opts *o)
{
	if (o->flags & ~(uint32_t)AIBRIX_HASH_SEED_ZERO)
		return AIBRIX_E_ABI;
	if (o->algorithm > AIBRIX_KEY_CITY128_SIMPLE ||
	    o->block_tokens > AIBRIX_HASH_BLOCK_TOKENS_MAX)
		return AIBRIX_E_INVAL;
	if (!aibrix__text_ok(o->model) || !aibrix__text_ok(o->revision) ||
	    !aibrix__text_ok(o->dtype) || !aibrix__text_ok(o->layout) ||
	    !aibrix__text_ok(o->shard))
		return AIBRIX_E_INVAL;
	if (algorithm_is_city(o->algorithm) &&
	    (text_given(o->model) || text_given(o->revision) ||
	     text_given(o->dtype) || text_given(o->layout) ||
	     text_given(o->shard)))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static void
identity_init(aibrix_hash *hash, const aibrix_hash_opts *o)
{
	static const char domain[] = "aibrix block key 1";
	struct sha256 *sha = &hash->identity, root;
	uint8_t digest[SHA256_BYTES];

	aibrix__sha256_init(sha, hash->sha);
	aibrix__text_add(sha, TAG_DOMAIN, domain);
	number_add(sha, TAG_ALGORITHM, hash->algorithm);
	number_add(sha, TAG_BLOCK_TOKENS, hash->block_tokens);
	aibrix__text_add(sha, TAG_MODEL, o->model);
	aibrix__text_add(sha, TAG_REVISION, o->revision);
	aibrix__text_add(sha, TAG_DTYPE, o->dtype);
	aibrix__text_add(sha, TAG_LAYOUT, o->layout);
	aibrix__text_add(sha, TAG_SHARD, o->shard);
	root = *sha;
	aibrix__sha256_final(&root, digest);
	memcpy(hash->root.bytes, digest, sizeof(hash->root.bytes));
}

int
aibrix_hash_new(const aibrix_hash_opts *opts, aibrix_hash **out)
{
	enum { DEFAULT_BLOCK = 16 }; /* vLLM's and AIBrix's */
	aibrix_allocator alloc;
	aibrix_hash_opts o;
	aibrix_hash *hash;
	uint32_t cpu;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts,
				  STRUCT_UPTO(aibrix_hash_opts, alloc));
	if (err)
		return err;
	err = opts_check(&o);
	if (err)
		return err;
	err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	hash = aibrix__alloc(&alloc, 1, sizeof(*hash));
	if (!hash)
		return AIBRIX_E_NOMEM;

	hash->alloc = alloc;
	hash->algorithm = o.algorithm;
	hash->block_tokens = o.block_tokens ? o.block_tokens : DEFAULT_BLOCK;
	cpu = aibrix__cpu();
	hash->xxh = aibrix__xxh_select(cpu);
	hash->sha = aibrix__sha256_select(cpu);
	if (!o.seed && !(o.flags & AIBRIX_HASH_SEED_ZERO))
		o.seed = AIBRIX_HASH_SEED_DEFAULT;
	aibrix__xxh3_seed_init(&hash->seed, o.seed);
	identity_init(hash, &o);
	*out = hash;
	return AIBRIX_OK;
}

void
aibrix_hash_free(aibrix_hash *hash)
{
	aibrix_allocator alloc;

	if (!hash)
		return;
	alloc = hash->alloc;
	aibrix__free(&alloc, hash, 1, sizeof(*hash));
}

uint64_t
aibrix_hash_count(const aibrix_hash *hash, uint64_t n_tokens)
{
	return hash ? n_tokens / hash->block_tokens : 0;
}

int
aibrix_hash_blocks(const aibrix_hash *hash, const aibrix_prompt *prompt,
		   uint64_t known, uint64_t *hashes, aibrix_key *keys,
		   uint64_t cap, uint64_t *n)
{
	struct naming naming;
	int err;

	if (!hash || !prompt || !n)
		return AIBRIX_E_INVAL;
	err = aibrix__naming_load(&naming, hash, prompt);
	if (err)
		return err;
	if (known > naming.blocks)
		return AIBRIX_E_INVAL;
	*n = naming.blocks;
	if (cap < naming.blocks)
		return AIBRIX_E_SPACE;
	aibrix__naming_run(&naming, known, hashes, keys);
	return AIBRIX_OK;
}

/* Everything is checked before anything is written. */
static int
batch_count(const aibrix_hash *hash, const aibrix_prompt *const *prompts,
	    uint32_t n_prompts, uint64_t *total)
{
	struct naming naming;
	uint64_t sum = 0;
	int err;

	for (uint32_t i = 0; i < n_prompts; i++) {
		if (!prompts[i])
			return AIBRIX_E_INVAL;
		err = aibrix__naming_load(&naming, hash, prompts[i]);
		if (err)
			return err;
		if (naming.blocks > UINT64_MAX - sum)
			return AIBRIX_E_INVAL;
		sum += naming.blocks;
	}
	*total = sum;
	return AIBRIX_OK;
}

int
aibrix_hash_batch(const aibrix_hash *hash, const aibrix_prompt *const *prompts,
		  uint32_t n_prompts, uint64_t *hashes, aibrix_key *keys,
		  uint64_t cap, uint64_t *ends, uint64_t *n)
{
	struct naming naming;
	uint64_t total, end = 0;
	int err;

	if (!hash || !n || (n_prompts && (!prompts || !ends)))
		return AIBRIX_E_INVAL;
	err = batch_count(hash, prompts, n_prompts, &total);
	if (err)
		return err;
	*n = total;
	if (cap < total)
		return AIBRIX_E_SPACE;
	for (uint32_t i = 0; i < n_prompts; i++) {
		err = aibrix__naming_load(&naming, hash, prompts[i]);
		if (err)
			return err; /* changed under our hands */
		aibrix__naming_run(&naming, 0, hashes ? hashes + end : NULL,
				   keys ? keys + end : NULL);
		end += naming.blocks;
		ends[i] = end;
	}
	return AIBRIX_OK;
}

uint32_t
aibrix_hash_block_tokens(const aibrix_hash *hash)
{
	return hash ? hash->block_tokens : 0;
}

uint64_t
aibrix_hash_fold(const void *bytes, size_t len, uint32_t compat)
{
	const uint8_t *p = bytes;
	uint64_t x = 0;

	if (!p)
		return 0;
	if (len > sizeof(x)) {
		p += compat ? 0 : len - sizeof(x);
		len = sizeof(x);
	}
	for (; len; len--)
		x = x << 8 | *p++;
	return x;
}

void
aibrix_key_format(const aibrix_key *key, char text[AIBRIX_KEY_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(key->bytes); i++) {
		text[2 * i] = digits[key->bytes[i] >> 4];
		text[2 * i + 1] = digits[key->bytes[i] & 15];
	}
	text[AIBRIX_KEY_TEXT - 1] = '\0';
}

int
aibrix_key_parse(const char *text, aibrix_key *key)
{
	aibrix_key parsed = {{0}};

	if (!text || !key)
		return AIBRIX_E_INVAL;
	for (size_t i = 0; i < AIBRIX_KEY_TEXT - 1; i++) {
		int digit = hex_value(text[i]); /* a NUL is not one */
		uint8_t *byte = &parsed.bytes[i / 2];

		if (digit < 0)
			return AIBRIX_E_PARSE;
		*byte = (uint8_t)(*byte << 4 | digit);
	}
	if (text[AIBRIX_KEY_TEXT - 1] != '\0')
		return AIBRIX_E_PARSE;
	*key = parsed;
	return AIBRIX_OK;
}
