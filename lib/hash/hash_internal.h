/* What the files of this folder share. */
#ifndef HASH_INTERNAL_H
#define HASH_INTERNAL_H

#include <aibrix/hash.h>

#include "base/sha256.h"
#include "base/xxh.h"

enum { TEXT_MAX = 4096 };

struct aibrix_hash {
	struct xxh3_seed seed; /* of content hashes */
	aibrix_allocator alloc;
	const struct xxh_impl *xxh;
	const struct sha256_impl *sha;
	uint32_t algorithm, block_tokens;
	struct sha256 identity; /* so far: without LoRA and salt */
	aibrix_key root;        /* neither LoRA nor salt */
};

/* Tags of the identity and of what a block carries besides its tokens
 * (doc/modules/hash.md).  Never reused. */
enum {
	TAG_DOMAIN = 1,
	TAG_ALGORITHM = 2,
	TAG_BLOCK_TOKENS = 3,
	TAG_MODEL = 4,
	TAG_REVISION = 5,
	TAG_DTYPE = 6,
	TAG_LAYOUT = 7,
	TAG_SHARD = 8,
	TAG_LORA = 9,
	TAG_ITEM = 10,
	TAG_SALT = 11,
	TAG_PARTIAL = 12
};

/* tag, length (4 bytes, little-endian), value; nothing for an empty text. */
void aibrix__entry_add(struct sha256 *sha, uint8_t tag, const void *value,
		       uint32_t bytes);
void aibrix__text_add(struct sha256 *sha, uint8_t tag, const char *text);

/* Not longer than TEXT_MAX; NULL counts as empty. */
int aibrix__text_ok(const char *text);

static inline int
text_given(const char *text)
{
	return text && *text;
}

static inline int
algorithm_is_city(uint32_t algorithm)
{
	return algorithm == AIBRIX_KEY_CITY128 ||
	       algorithm == AIBRIX_KEY_CITY128_SIMPLE;
}

/* One prompt, checked, on its way to names. */
struct naming {
	const aibrix_hash *hash;
	aibrix_prompt prompt;
	uint64_t blocks;
};

int aibrix__naming_load(struct naming *naming, const aibrix_hash *hash,
			const aibrix_prompt *prompt);

/* Name blocks [known, blocks); either array may be NULL. */
void aibrix__naming_run(const struct naming *naming, uint64_t known,
			uint64_t *hashes, aibrix_key *keys);

/* CityHash128 as AIBrix's keys use it; first is what City calls low. */
struct city128 {
	uint64_t first, second;
};

/* Of n tokens as little-endian bytes. */
struct city128 aibrix__city128(const uint32_t *tokens, size_t n);
struct city128 aibrix__city128_combine(struct city128 a, struct city128 b);
struct city128 aibrix__city128_load(const uint8_t bytes[16]);
void aibrix__city128_store(uint8_t bytes[16], struct city128 x);

#endif
