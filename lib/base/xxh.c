/* The functions for short inputs and for pieces, and the choice between the
 * builds of the loops. */

#include "base/xxh.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cpu.h"

extern const struct xxh_impl aibrix__xxh_baseline;
#ifdef __x86_64__
extern const struct xxh_impl aibrix__xxh_avx2, aibrix__xxh_avx512;
#endif

uint64_t
aibrix__xxh64(const void *bytes, size_t n, uint64_t seed)
{
	return XXH64(bytes, n, seed);
}

uint64_t
aibrix__xxh3_64(const void *bytes, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, n, seed);
}

static void
digest_store(uint8_t *out, XXH128_hash_t hash)
{
	XXH128_canonical_t text;

	XXH128_canonicalFromHash(&text, hash);
	memcpy(out, text.digest, XXH3_128_BYTES);
}

void
aibrix__xxh3_128(const void *bytes, size_t n, uint8_t out[XXH3_128_BYTES])
{
	digest_store(out, XXH3_128bits(bytes, n));
}

void
aibrix__xxh3_seed_init(struct xxh3_seed *seed, uint64_t value)
{
	seed->value = value;
	XXH3_generateSecret_fromSeed(seed->secret, value);
}

static uint64_t
xxh64_link(uint64_t parent, const uint8_t *block, size_t bytes, uint64_t seed)
{
	uint8_t head[8];
	XXH64_state_t state;

	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = (uint8_t)(parent >> (8 * i));
	XXH64_reset(&state, seed);
	XXH64_update(&state, head, sizeof(head));
	XXH64_update(&state, block, bytes);
	return XXH64_digest(&state);
}

void
aibrix__xxh64_chain(uint64_t seed, const void *blocks, size_t block_bytes,
		    size_t n, uint64_t *out)
{
	const uint8_t *p = blocks;
	uint64_t parent = seed;

	for (size_t i = 0; i < n; i++, p += block_bytes) {
		parent = xxh64_link(parent, p, block_bytes, seed);
		out[i] = parent;
	}
}

/* The state is copied in and out: its type stays in this file, and bytes
 * may not be read as another type in place. */
static_assert(sizeof(XXH3_state_t) == sizeof(struct xxh3_stream), "stream");

void
aibrix__xxh3_start(struct xxh3_stream *stream, uint64_t seed)
{
	XXH3_state_t state;

	memset(&state, 0, sizeof(state));
	XXH3_64bits_reset_withSeed(&state, seed);
	memcpy(stream, &state, sizeof(state));
}

void
aibrix__xxh3_add(struct xxh3_stream *stream, const void *bytes, size_t n)
{
	aibrix__xxh_baseline.add(stream, bytes, n);
}

uint64_t
aibrix__xxh3_end_64(const struct xxh3_stream *stream)
{
	XXH3_state_t state;

	memcpy(&state, stream, sizeof(state));
	return XXH3_64bits_digest(&state);
}

void
aibrix__xxh3_end_128(const struct xxh3_stream *stream,
		     uint8_t out[XXH3_128_BYTES])
{
	XXH3_state_t state;

	memcpy(&state, stream, sizeof(state));
	digest_store(out, XXH3_128bits_digest(&state));
}

const struct xxh_impl *
aibrix__xxh_select(uint32_t cpu)
{
#ifdef __x86_64__
	if (cpu & CPU_AVX512)
		return &aibrix__xxh_avx512;
	if (cpu & CPU_AVX2)
		return &aibrix__xxh_avx2;
#else
	(void)cpu;
#endif
	return &aibrix__xxh_baseline;
}

aibrix__xxh3_fn
aibrix__xxh3_64_select(uint32_t cpu)
{
	return aibrix__xxh_select(cpu)->hash;
}
