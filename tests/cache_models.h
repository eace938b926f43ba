/*
 * Blocks of several models that compute the same tokens: their keys, as an
 * engine makes them, and bytes that tell whose they are.
 */
#ifndef TESTS_CACHE_MODELS_H
#define TESTS_CACHE_MODELS_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/cache.h>
#include <aibrix/hash.h>

#include "base/rand.h"

enum { MODEL_TOKENS = 16 }; /* of a block */

/* Of a version whose reservation was given up: nobody may ever see it. */
#define MODEL_ABORTED (UINT64_C(1) << 63)

/* Keys of the first n blocks of chain c, as the model with this name has
 * them; n is at most 64. */
static inline void
model_keys(const char *model, uint32_t c, uint32_t n, aibrix_key *keys)
{
	const aibrix_hash_opts opts = {.size = sizeof(opts),
				       .block_tokens = MODEL_TOKENS,
				       .model = model};
	uint32_t tokens[64 * MODEL_TOKENS];
	const aibrix_prompt prompt = {.size = sizeof(prompt),
				      .tokens = tokens,
				      .n_tokens = n * (uint64_t)MODEL_TOKENS};
	aibrix_hash *hash;
	uint64_t got;

	for (uint32_t i = 0; i < n * MODEL_TOKENS; i++)
		tokens[i] = c * 1000 + i;
	if (n > 64 || aibrix_hash_new(&opts, &hash) ||
	    aibrix_hash_blocks(hash, &prompt, 0, NULL, keys, n, &got))
		abort();
	aibrix_hash_free(hash);
}

static inline uint64_t
model_word(uint64_t model, uint64_t block, uint64_t version, uint64_t i)
{
	return mix64(mix64(model << 32 | block) ^ mix64(version + i));
}

/* The block's bytes: a multiple of 8, at least 32. */
static inline void
model_fill(uint8_t *out, uint64_t bytes, uint64_t model, uint64_t block,
	   uint64_t version)
{
	const uint64_t head[3] = {model, block, version};

	memcpy(out, head, sizeof(head));
	for (uint64_t at = sizeof(head); at < bytes; at += 8) {
		uint64_t word = model_word(model, block, version, at);

		memcpy(out + at, &word, sizeof(word));
	}
}

/* The version that the bytes are, of this very block of this model; 0: they
 * are not. */
static inline uint64_t
model_version(const uint8_t *data, uint64_t bytes, uint64_t model,
	      uint64_t block)
{
	uint64_t head[3], word;

	memcpy(head, data, sizeof(head));
	if (head[0] != model || head[1] != block || head[2] == 0)
		return 0;
	for (uint64_t at = sizeof(head); at < bytes; at += 8) {
		memcpy(&word, data + at, sizeof(word));
		if (word != model_word(model, block, head[2], at))
			return 0;
	}
	return head[2];
}

#endif
