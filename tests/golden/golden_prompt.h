/* Prompts of random tokens, and their keys. */
#ifndef TESTS_GOLDEN_PROMPT_H
#define TESTS_GOLDEN_PROMPT_H

#include <criterion/criterion.h>

#include <aibrix/hash.h>

#include "base/rand.h"

static inline void
tokens_make(uint32_t *tokens, uint64_t n, uint64_t *state)
{
	for (uint64_t i = 0; i < n; i++)
		tokens[i] = rand_below(state, 50000);
}

/* How many blocks they fill; keys has cap. */
static inline uint64_t
prompt_keys(aibrix_hash *hash, const uint32_t *tokens, uint64_t n,
	    aibrix_key *keys, uint64_t cap)
{
	aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = n};
	uint64_t blocks;

	cr_assert_eq(
		aibrix_hash_blocks(hash, &prompt, 0, NULL, keys, cap, &blocks),
		AIBRIX_OK);
	return blocks;
}

#endif
