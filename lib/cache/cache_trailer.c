/*
 * AIBrix's extended values: a block with the tokens of its whole prefix
 * behind it.
 *
 *   slot    block | footer | tokens up to the block's end | ...
 *   value   the same, as long as its tokens ask for
 *
 * The tokens are written when the block is reserved, and travel with it.  On
 * reading they are compared with those that were asked for, by SHA-256: the
 * caller's tokens need not live as long as a transfer, and a lease keeps 24
 * bytes for each block and not all its tokens.  The key alone would do where
 * keys are SHA-256; AIBrix's are CityHash128.
 *
 * Each value has the tokens of all blocks before it, so the bytes of a prompt
 * grow with its square.  Our own frame costs 128 bytes and verifies more;
 * this is for stores that AIBrix reads.
 */

#include <string.h>

#include <aibrix/cache.h>
#include <aibrix/layout.h>

#include "base/sha256.h"
#include "cache/cache_internal.h"

enum { FOOTER_BYTES = 12, TOKEN_BYTES = 4 };

/* Tokens that a slot's footer counts; 0: it is damaged, or is none. */
static uint64_t
slot_tokens(const aibrix_cache *cache, uint32_t slot, uint32_t *query)
{
	uint32_t prefix;

	/* All that is asked for are the counts. */
	if (aibrix_layout_trailer_read(aibrix__l1_data(cache, slot),
				       cache->slot_bytes, cache->block_bytes,
				       NULL, 0, &prefix,
				       query) != AIBRIX_E_SPACE)
		return 0;
	return (uint64_t)prefix + *query;
}

static uint64_t
trailer_value(const aibrix_cache *cache, uint64_t tokens)
{
	uint64_t bytes = 0;

	if (aibrix_layout_trailer_bytes(cache->block_bytes, tokens, &bytes))
		return 0;
	return bytes;
}

uint64_t
aibrix__value_bytes(const aibrix_cache *cache, uint32_t slot)
{
	uint32_t query;

	if (!cache->trailer_tokens)
		return value_bytes(cache);
	return trailer_value(cache, slot_tokens(cache, slot, &query));
}

uint64_t
aibrix__value_wanted(const aibrix_cache *cache, const struct lease *l,
		     uint64_t i)
{
	if (!cache->trailer_tokens)
		return value_bytes(cache);
	return trailer_value(cache, l->expected[i].tokens);
}

int
aibrix__trailer_check(const aibrix_cache *cache, uint32_t slot, uint64_t bytes,
		      const struct expected *want)
{
	const uint8_t *data = aibrix__l1_data(cache, slot);
	uint8_t digest[SHA256_BYTES];
	uint32_t query;

	/* Another prompt's, under one key: theirs is not ours to delete. */
	if (bytes != trailer_value(cache, want->tokens) ||
	    slot_tokens(cache, slot, &query) != want->tokens ||
	    query != cache->block_tokens)
		return AIBRIX_E_NOT_FOUND;
	aibrix__sha256(aibrix__sha256_select(cache->cpu),
		       data + cache->block_bytes + FOOTER_BYTES,
		       want->tokens * TOKEN_BYTES, digest);
	return memcmp(digest, want->digest, sizeof(want->digest)) == 0
		       ? AIBRIX_OK
		       : AIBRIX_E_NOT_FOUND;
}

static void
tokens_add(struct sha256 *sha, const uint32_t *tokens, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint8_t le[TOKEN_BYTES] = {
			(uint8_t)tokens[i], (uint8_t)(tokens[i] >> 8),
			(uint8_t)(tokens[i] >> 16), (uint8_t)(tokens[i] >> 24)};

		aibrix__sha256_update(sha, le, sizeof(le));
	}
}

/* They have the size of blocks, and are freed as such. */
void
aibrix__expected_free(aibrix_cache *cache, struct expected *expected,
		      uint64_t n)
{
	_Static_assert(sizeof(*expected) == sizeof(struct lease_block),
		       "one size");
	aibrix__blocks_free(cache, (void *)expected, n);
}

/* The allocator is not called under the lock. */
void
aibrix__expected_drop(aibrix_cache *cache, struct lease *l)
{
	struct dead *dead = (void *)l->expected;

	if (!dead)
		return;
	*dead = (struct dead){cache->dead, l->asked};
	cache->dead = dead;
	l->expected = NULL;
}

/* What n blocks that end with n_tokens must have behind them. */
static void
expected_make(const aibrix_cache *cache, const uint32_t *tokens,
	      uint64_t n_tokens, struct expected *out, uint64_t n)
{
	uint64_t at = n_tokens - n * cache->block_tokens;
	uint8_t digest[SHA256_BYTES];
	struct sha256 sha, end;

	aibrix__sha256_init(&sha, aibrix__sha256_select(cache->cpu));
	tokens_add(&sha, tokens, at);
	for (uint64_t i = 0; i < n; i++) {
		tokens_add(&sha, tokens + at, cache->block_tokens);
		at += cache->block_tokens;
		end = sha;
		aibrix__sha256_final(&end, digest);
		out[i].tokens = at;
		memcpy(out[i].digest, digest, sizeof(out[i].digest));
	}
}

int
aibrix__expected_new(aibrix_cache *cache, const aibrix_cache_request *r,
		     uint64_t n, struct expected **out)
{
	struct expected *expected = NULL;

	if (cache->trailer_tokens && n) {
		expected = aibrix__alloc(&cache->alloc, n, sizeof(*expected));
		if (!expected)
			return AIBRIX_E_NOMEM;
		expected_make(cache, r->tokens, r->n_tokens, expected, n);
	}
	*out = expected;
	return AIBRIX_OK;
}

int
aibrix__tokens_check(const aibrix_cache *cache, const aibrix_cache_request *r)
{
	if (!cache->trailer_tokens)
		return AIBRIX_E_UNSUPPORTED;
	if ((!r->tokens && r->n_tokens) || r->tail_tokens ||
	    r->n_tokens > cache->trailer_tokens ||
	    r->n_tokens % cache->block_tokens ||
	    r->n > r->n_tokens / cache->block_tokens)
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix__acquire_tokens(aibrix_cache *cache, const aibrix_cache_request *r,
		       uint64_t *lease, uint64_t *n_out)
{
	struct expected *expected = NULL;
	int err;

	if (!r->keys && r->n)
		return AIBRIX_E_INVAL;
	err = aibrix__tokens_check(cache, r);
	if (!err)
		err = aibrix__expected_new(cache, r, r->n, &expected);
	if (err)
		return err;
	return aibrix__acquire(cache, r, expected, lease, n_out);
}

int
aibrix__reserve_tokens(aibrix_cache *cache, const aibrix_cache_request *r,
		       uint64_t *lease, uint64_t *n_out)
{
	aibrix_cache_view v = {.size = sizeof(v)};
	uint64_t first, bytes;
	int err;

	err = aibrix__tokens_check(cache, r);
	if (!err)
		err = aibrix__reserve(cache, r, lease, n_out);
	if (err)
		return err;
	first = r->n_tokens - r->n * cache->block_tokens;
	for (uint64_t i = 0; !err && i < *n_out; i++) {
		err = aibrix_cache_block(cache, *lease, i, &v);
		if (!err && v.data)
			err = aibrix_layout_trailer_write(
				v.data, cache->slot_bytes, cache->block_bytes,
				r->tokens, (uint32_t)first, r->tokens + first,
				cache->block_tokens, &bytes);
		first += cache->block_tokens;
	}
	return err;
}
