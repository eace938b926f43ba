/*
 * XXH64 and XXH3 (Yann Collet), compiled in from the distribution's header:
 * nothing to link, and the vector width is chosen at run time.
 *
 * The one-shot functions use the compiler's baseline instructions and suit
 * short inputs.  For runs of blocks, chains and large payloads an object
 * asks aibrix__xxh_select once and keeps the answer.
 */
#ifndef BASE_XXH_H
#define BASE_XXH_H

#include <stddef.h>
#include <stdint.h>

enum { XXH3_SECRET = 192, XXH3_128_BYTES = 16 };

uint64_t aibrix__xxh64(const void *bytes, size_t n, uint64_t seed);
uint64_t aibrix__xxh3_64(const void *bytes, size_t n, uint64_t seed);

/* XXH3-128, seed 0, in canonical form: the high half first, big-endian. */
void aibrix__xxh3_128(const void *bytes, size_t n, uint8_t out[XXH3_128_BYTES]);

/* A seed with what XXH3 derives from it for inputs above 240 bytes: deriving
 * costs as much as hashing 200 bytes, so it is done once. */
struct xxh3_seed {
	uint8_t secret[XXH3_SECRET];
	uint64_t value;
};

void aibrix__xxh3_seed_init(struct xxh3_seed *seed, uint64_t value);

/* XXH3-64 without a seed. */
typedef uint64_t (*aibrix__xxh3_fn)(const void *bytes, size_t n);

/* out[i] = XXH3-64 of block i under the seed; n blocks, one after the other. */
typedef void (*aibrix__xxh3_blocks_fn)(const struct xxh3_seed *seed,
				       const void *blocks, size_t block_bytes,
				       size_t n, uint64_t *out);

/* out[i] = canonical XXH3-128 of out[i - 1] || block i; out[-1] is parent.
 * out holds n x 16 bytes; parent may lie just before it. */
typedef void (*aibrix__xxh3_chain_fn)(const uint8_t parent[XXH3_128_BYTES],
				      const void *blocks, size_t block_bytes,
				      size_t n, uint8_t *out);

/* out[i] = XXH64(LE64(out[i - 1]) || block i, seed); out[-1] is seed. */
void aibrix__xxh64_chain(uint64_t seed, const void *blocks, size_t block_bytes,
			 size_t n, uint64_t *out);

/* XXH3 of a message in pieces, few and large or seldom: each call moves the
 * state. */
struct xxh3_stream {
	_Alignas(64) uint8_t state[576];
};

void aibrix__xxh3_start(struct xxh3_stream *stream, uint64_t seed);
void aibrix__xxh3_add(struct xxh3_stream *stream, const void *bytes, size_t n);
uint64_t aibrix__xxh3_end_64(const struct xxh3_stream *stream);
void aibrix__xxh3_end_128(const struct xxh3_stream *stream,
			  uint8_t out[XXH3_128_BYTES]);

/* As aibrix__xxh3_add: one message may go through several builds. */
typedef void (*aibrix__xxh3_add_fn)(struct xxh3_stream *stream,
				    const void *bytes, size_t n);

struct xxh_impl {
	aibrix__xxh3_fn hash;
	aibrix__xxh3_blocks_fn blocks;
	aibrix__xxh3_chain_fn chain;
	aibrix__xxh3_add_fn add;
};

/* The fastest code for a processor (base/cpu.h); 0: the baseline. */
const struct xxh_impl *aibrix__xxh_select(uint32_t cpu);
aibrix__xxh3_fn aibrix__xxh3_64_select(uint32_t cpu);

#endif
