/* SHA-256 with the ARMv8 SHA2 instructions, four rounds each. */

#include "base/sha256.h"

#include <arm_neon.h>

static inline uint32x4_t
words_load(const uint8_t *p)
{
	return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p)));
}

static inline void
rounds4(uint32x4_t *abcd, uint32x4_t *efgh, uint32x4_t w, int i)
{
	uint32x4_t wk = vaddq_u32(w, vld1q_u32(aibrix__sha256_k + 4 * i));
	uint32x4_t before = *abcd;

	*abcd = vsha256hq_u32(before, *efgh, wk);
	*efgh = vsha256h2q_u32(*efgh, before, wk);
}

/* The four words of the schedule that follow the sixteen in a, b, c, d. */
static inline uint32x4_t
words_next(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d)
{
	return vsha256su1q_u32(vsha256su0q_u32(a, b), c, d);
}

static void
compress(uint32_t state[8], const uint8_t *p, size_t n)
{
	uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

	for (; n; n--, p += SHA256_BLOCK) {
		const uint32x4_t abcd0 = abcd, efgh0 = efgh;
		uint32x4_t w[4];

		for (int i = 0; i < 4; i++)
			w[i] = words_load(p + 16 * i);
		for (int i = 0; i < 16; i++) {
			rounds4(&abcd, &efgh, w[i % 4], i);
			if (i < 12)
				w[i % 4] = words_next(w[i % 4], w[(i + 1) % 4],
						      w[(i + 2) % 4],
						      w[(i + 3) % 4]);
		}
		abcd = vaddq_u32(abcd, abcd0);
		efgh = vaddq_u32(efgh, efgh0);
	}
	vst1q_u32(state, abcd);
	vst1q_u32(state + 4, efgh);
}

static void
chain(const uint8_t parent[SHA256_CUT], const uint8_t *blocks,
      size_t block_bytes, size_t n, uint8_t *out)
{
	aibrix__sha256_chain(compress, parent, blocks, block_bytes, n, out);
}

extern const struct sha256_impl aibrix__sha256_hw;
const struct sha256_impl aibrix__sha256_hw = {compress, chain};
