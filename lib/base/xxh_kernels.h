/*
 * The loops over XXH3, compiled once per instruction set.
 *
 * An including file is built with the flags of its instruction set and
 * defines XXH_IMPL, the name of the table that it provides.  This is the
 * only includer of xxhash.h.
 *
 * Frequent block sizes (16, 32, 64 and 128 tokens) get loops of their own:
 * with a constant length the compiler drops XXH3's choice by length, which
 * costs as much as hashing 64 bytes.
 */
#ifndef XXH_IMPL
#error "define XXH_IMPL before including base/xxh_kernels.h"
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

#include "base/xxh.h"

extern const struct xxh_impl XXH_IMPL;

/* Above it, gathering a message costs more than feeding it in pieces. */
enum { GATHER_MAX = 1024 };

static uint64_t
hash_any(const void *bytes, size_t n)
{
	return XXH3_64bits(bytes, n);
}

XXH_FORCE_INLINE void
blocks_of(const struct xxh3_seed *seed, const uint8_t *p, size_t bytes,
	  size_t n, uint64_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = XXH3_64bits_withSecretandSeed(
			p + i * bytes, bytes, seed->secret, XXH3_SECRET,
			seed->value);
}

static void
hash_blocks(const struct xxh3_seed *seed, const void *blocks,
	    size_t block_bytes, size_t n, uint64_t *out)
{
	switch (block_bytes) {
	case 64: blocks_of(seed, blocks, 64, n, out); break;
	case 128: blocks_of(seed, blocks, 128, n, out); break;
	case 256: blocks_of(seed, blocks, 256, n, out); break;
	case 512: blocks_of(seed, blocks, 512, n, out); break;
	default: blocks_of(seed, blocks, block_bytes, n, out);
	}
}

XXH_FORCE_INLINE void
digest_store(uint8_t *out, XXH128_hash_t hash)
{
	XXH128_canonical_t text;

	XXH128_canonicalFromHash(&text, hash);
	memcpy(out, text.digest, XXH3_128_BYTES);
}

XXH_FORCE_INLINE void
chain_gathered(const uint8_t *parent, const uint8_t *p, size_t bytes, size_t n,
	       uint8_t *out)
{
	uint8_t message[GATHER_MAX];

	for (size_t i = 0; i < n; i++) {
		memcpy(message, parent, XXH3_128_BYTES);
		memcpy(message + XXH3_128_BYTES, p + i * bytes, bytes);
		digest_store(out,
			     XXH3_128bits(message, XXH3_128_BYTES + bytes));
		parent = out;
		out += XXH3_128_BYTES;
	}
}

static void
chain_streamed(const uint8_t *parent, const uint8_t *p, size_t bytes, size_t n,
	       uint8_t *out)
{
	XXH3_state_t state;

	for (size_t i = 0; i < n; i++) {
		XXH3_128bits_reset(&state);
		XXH3_128bits_update(&state, parent, XXH3_128_BYTES);
		XXH3_128bits_update(&state, p + i * bytes, bytes);
		digest_store(out, XXH3_128bits_digest(&state));
		parent = out;
		out += XXH3_128_BYTES;
	}
}

static void
hash_chain(const uint8_t parent[XXH3_128_BYTES], const void *blocks,
	   size_t block_bytes, size_t n, uint8_t *out)
{
	if (block_bytes == 64)
		chain_gathered(parent, blocks, 64, n, out);
	else if (block_bytes <= GATHER_MAX - XXH3_128_BYTES)
		chain_gathered(parent, blocks, block_bytes, n, out);
	else
		chain_streamed(parent, blocks, block_bytes, n, out);
}

const struct xxh_impl XXH_IMPL = {hash_any, hash_blocks, hash_chain};
