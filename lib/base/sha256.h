/*
 * SHA-256 (FIPS 180-4): incremental, in one call, and as a chain of block
 * keys.  The code for the processor is chosen once and kept by the object.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64, SHA256_CUT = 16 };

/* Mix n blocks of 64 bytes into the state. */
typedef void (*aibrix__sha256_fn)(uint32_t state[8], const uint8_t *blocks,
				  size_t n);

/*
 * out[i] = the first 16 bytes of SHA-256(out[i - 1] || block i); out[-1] is
 * parent.  out holds n x 16 bytes; parent may lie just before it.
 * block_bytes is a multiple of 64, not 0.
 */
typedef void (*aibrix__sha256_chain_fn)(const uint8_t parent[SHA256_CUT],
					const uint8_t *blocks,
					size_t block_bytes, size_t n,
					uint8_t *out);

struct sha256_impl {
	aibrix__sha256_fn compress;
	aibrix__sha256_chain_fn chain;
};

/* The fastest code for a processor (base/cpu.h); 0: portable C. */
const struct sha256_impl *aibrix__sha256_select(uint32_t cpu);

struct sha256 {
	uint32_t state[8];
	uint64_t total; /* bytes so far */
	aibrix__sha256_fn compress;
	uint8_t part[SHA256_BLOCK]; /* the last total % 64 bytes */
};

void aibrix__sha256_init(struct sha256 *sha, const struct sha256_impl *impl);
void aibrix__sha256_update(struct sha256 *sha, const void *bytes, size_t n);
void aibrix__sha256_final(struct sha256 *sha, uint8_t out[SHA256_BYTES]);

void aibrix__sha256(const struct sha256_impl *impl, const void *bytes, size_t n,
		    uint8_t out[SHA256_BYTES]);

/* The constants, and a chain over any compress: for the code of one
 * processor. */
extern const uint32_t aibrix__sha256_k[64];
extern const uint32_t aibrix__sha256_start[8];

void aibrix__sha256_chain(aibrix__sha256_fn compress,
			  const uint8_t parent[SHA256_CUT],
			  const uint8_t *blocks, size_t block_bytes, size_t n,
			  uint8_t *out);

#endif
