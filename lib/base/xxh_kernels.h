/*
 * The loops over XXH3, compiled once per instruction set.
 *
 * An including file is built with the flags of its instruction set and
 * defines XXH_IMPL, the name of the table that it provides.  Only this file
 * and xxh.c include xxhash.h.
 *
 * Blocks of 16 and 32 tokens get loops of their own: with a constant length
 * the compiler drops XXH3's choice by length, which costs as much as hashing
 * 64 bytes.
 */
#ifndef XXH_IMPL
#error "define XXH_IMPL before including base/xxh_kernels.h"
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

#include "base/xxh.h"

extern const struct xxh_impl XXH_IMPL;

/* Inline all that the function calls, so that a constant length gets there.
 * The header's functions are too big for the compiler's own judgement. */
#if defined(__GNUC__)
#define FLATTEN __attribute__((flatten))
#else
#define FLATTEN
#endif

/* Above it, gathering a message costs more than feeding it in pieces. */
enum { GATHER_MAX = 1024 };

static uint64_t
hash_any(const void *bytes, size_t n)
{
	return XXH3_64bits(bytes, n);
}

/* Up to 240 bytes XXH3 uses the seed, beyond only the secret made of it. */
XXH_FORCE_INLINE void
blocks_short(const struct xxh3_seed *seed, const uint8_t *p, size_t bytes,
	     size_t n, uint64_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] =
			XXH3_64bits_withSeed(p + i * bytes, bytes, seed->value);
}

FLATTEN static void
blocks_64(const struct xxh3_seed *seed, const uint8_t *p, size_t n,
	  uint64_t *out)
{
	blocks_short(seed, p, 64, n, out);
}

FLATTEN static void
blocks_128(const struct xxh3_seed *seed, const uint8_t *p, size_t n,
	   uint64_t *out)
{
	blocks_short(seed, p, 128, n, out);
}

static void
hash_blocks(const struct xxh3_seed *seed, const void *blocks,
	    size_t block_bytes, size_t n, uint64_t *out)
{
	const uint8_t *p = blocks;

	if (block_bytes == 64)
		blocks_64(seed, p, n, out);
	else if (block_bytes == 128)
		blocks_128(seed, p, n, out);
	else if (block_bytes <= 240)
		blocks_short(seed, p, block_bytes, n, out);
	else
		for (size_t i = 0; i < n; i++)
			out[i] = XXH3_64bits_withSecret(
				p + i * block_bytes, block_bytes, seed->secret,
				XXH3_SECRET);
}

XXH_FORCE_INLINE void
digest_store(uint8_t *out, XXH128_hash_t hash)
{
	XXH128_canonical_t text;

	XXH128_canonicalFromHash(&text, hash);
	memcpy(out, text.digest, XXH3_128_BYTES);
}

/* The link to the next message stays in two registers: it is on the critical
 * path, and 16 bytes read back from two stores of 8 would wait for both. */
XXH_FORCE_INLINE void
chain_gathered(const uint8_t *parent, const uint8_t *p, size_t bytes, size_t n,
	       uint8_t *out)
{
	uint8_t message[GATHER_MAX];
	XXH128_hash_t hash;
	uint64_t link[2];

	memcpy(link, parent, sizeof(link));
	for (size_t i = 0; i < n; i++) {
		memcpy(message, &link[0], sizeof(link[0]));
		memcpy(message + 8, &link[1], sizeof(link[1]));
		memcpy(message + XXH3_128_BYTES, p + i * bytes, bytes);
		hash = XXH3_128bits(message, XXH3_128_BYTES + bytes);
		link[0] = XXH_readBE64(&hash.high64);
		link[1] = XXH_readBE64(&hash.low64);
		memcpy(out + i * XXH3_128_BYTES, link, sizeof(link));
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

FLATTEN static void
chain_64(const uint8_t *parent, const uint8_t *p, size_t n, uint8_t *out)
{
	chain_gathered(parent, p, 64, n, out);
}

static void
hash_chain(const uint8_t parent[XXH3_128_BYTES], const void *blocks,
	   size_t block_bytes, size_t n, uint8_t *out)
{
	if (block_bytes == 64)
		chain_64(parent, blocks, n, out);
	else if (block_bytes <= GATHER_MAX - XXH3_128_BYTES)
		chain_gathered(parent, blocks, block_bytes, n, out);
	else
		chain_streamed(parent, blocks, block_bytes, n, out);
}

/* The state has no part that depends on the instruction set.  It is copied
 * in and out: its type stays here and in xxh.c, and bytes may not be read as
 * another type in place. */
static void
stream_add(struct xxh3_stream *stream, const void *bytes, size_t n)
{
	XXH3_state_t state;

	if (!n)
		return;
	memcpy(&state, stream, sizeof(state));
	XXH3_64bits_update(&state, bytes, n);
	memcpy(stream, &state, sizeof(state));
}

const struct xxh_impl XXH_IMPL = {hash_any, hash_blocks, hash_chain,
				  stream_add};
