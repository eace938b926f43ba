#ifndef POOL_COPY_H
#define POOL_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/xxh.h"

struct aibrix_pool;

/* A copy of n bytes, a multiple of COPY_LINE, to such an address. */
typedef void (*aibrix__copy_fn)(uint8_t *dst, const uint8_t *src, size_t n);

enum { COPY_LINE = 64, COPY_KINDS = 6 };

/* How far a copy reads ahead by order: what one thread has under way then is
 * bounded by the memory and no more by the processor's own guesses. */
enum { COPY_AHEAD = 16 << 10 };

/* What a pool copies with. */
struct pool_copy {
	aibrix__copy_fn fn; /* NULL: memcpy */
	uint32_t kind;      /* AIBRIX_POOL_COPY_* */
	uint32_t cpu;
	struct xxh3_seed seed; /* 0 */
	aibrix__xxh3_add_fn add;
	aibrix__xxh3_fn hash;
};

/* For processors with AVX2; NULL for kinds that are not theirs. */
aibrix__copy_fn aibrix__copy_x86(uint32_t kind);

/* Take [base, base + n) out of all caches. */
void aibrix__copy_flush_x86(const uint8_t *base, size_t n);

/* Copy n > 1024 bytes to an address of COPY_LINE and return their XXH3-64
 * under the secret of seed 0. */
uint64_t aibrix__copy_sum_x86(uint8_t *dst, const uint8_t *src, size_t n,
			      const uint8_t secret[XXH3_SECRET], int ahead);

#endif
