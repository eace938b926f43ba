/*
 * SHA-256 with the SHA extensions (Intel, "Intel SHA Extensions", 2013).
 *
 * sha256rnds2 does two rounds on a state that lies across two registers,
 * {A,B,E,F} and {C,D,G,H}; 32 of them, each waiting for the one before, are
 * the whole cost.  A chain therefore keeps the key in a register from one
 * message to the next: in the order in which the digest leaves the state it
 * is also the first four words of the next message.
 */

#include "base/sha256.h"

#include <immintrin.h>

struct state {
	__m128i abef, cdgh;
};

static inline __m128i
load(const void *p)
{
	return _mm_loadu_si128(p);
}

/* Words are big-endian in memory. */
static inline __m128i
words_swap(__m128i x)
{
	return _mm_shuffle_epi8(
		x, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

static inline struct state
state_load(const uint32_t s[8])
{
	__m128i cdab = _mm_shuffle_epi32(load(s), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(load(s + 4), 0x1b);

	return (struct state){_mm_alignr_epi8(cdab, efgh, 8),
			      _mm_blend_epi16(efgh, cdab, 0xf0)};
}

static inline void
state_store(uint32_t s[8], struct state x)
{
	__m128i feba = _mm_shuffle_epi32(x.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(x.cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)s, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(s + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static inline void
rounds4(struct state *s, __m128i w, int i)
{
	__m128i wk = _mm_add_epi32(w, load(aibrix__sha256_k + 4 * i));

	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh,
					_mm_shuffle_epi32(wk, 0x0e));
}

/* The four words of the schedule that follow the sixteen in a, b, c, d. */
static inline __m128i
words_next(__m128i a, __m128i b, __m128i c, __m128i d)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b),
				    _mm_alignr_epi8(d, c, 4));

	return _mm_sha256msg2_epu32(sum, d);
}

static inline struct state
mix(struct state s, __m128i a, __m128i b, __m128i c, __m128i d)
{
	struct state t = s;

	for (int i = 0; i < 12; i += 4) {
		rounds4(&t, a, i);
		a = words_next(a, b, c, d);
		rounds4(&t, b, i + 1);
		b = words_next(b, c, d, a);
		rounds4(&t, c, i + 2);
		c = words_next(c, d, a, b);
		rounds4(&t, d, i + 3);
		d = words_next(d, a, b, c);
	}
	rounds4(&t, a, 12);
	rounds4(&t, b, 13);
	rounds4(&t, c, 14);
	rounds4(&t, d, 15);
	return (struct state){_mm_add_epi32(s.abef, t.abef),
			      _mm_add_epi32(s.cdgh, t.cdgh)};
}

static inline __m128i
words_load(const uint8_t *p)
{
	return words_swap(load(p));
}

static inline struct state
mix_block(struct state s, const uint8_t *p)
{
	return mix(s, words_load(p), words_load(p + 16), words_load(p + 32),
		   words_load(p + 48));
}

static void
compress(uint32_t state[8], const uint8_t *blocks, size_t n)
{
	struct state s = state_load(state);

	for (; n; n--, blocks += SHA256_BLOCK)
		s = mix_block(s, blocks);
	state_store(state, s);
}

static void
chain(const uint8_t parent[SHA256_CUT], const uint8_t *blocks,
      size_t block_bytes, size_t n, uint8_t *out)
{
	const struct state start = state_load(aibrix__sha256_start);
	const uint64_t bits = 8 * (SHA256_CUT + (uint64_t)block_bytes);
	const __m128i one = _mm_set_epi32(0, 0, 0, (int)0x80000000u);
	const __m128i length =
		_mm_set_epi32((int)(uint32_t)bits, (int)(bits >> 32), 0, 0);
	const __m128i zero = _mm_setzero_si128();
	__m128i key = words_load(parent);
	struct state s;

	for (; n; n--, blocks += block_bytes) {
		const uint8_t *last = blocks + block_bytes - 16;

		s = mix(start, key, words_load(blocks), words_load(blocks + 16),
			words_load(blocks + 32));
		for (const uint8_t *p = blocks + 48; p < last; p += 64)
			s = mix_block(s, p);
		s = mix(s, words_load(last), one, zero, length);
		/* {F,E,B,A} and {H,G,D,C}: their upper halves, reversed. */
		key = _mm_shuffle_epi32(_mm_unpackhi_epi64(s.cdgh, s.abef),
					0x1b);
		_mm_storeu_si128((__m128i *)out, words_swap(key));
		out += SHA256_CUT;
	}
}

extern const struct sha256_impl aibrix__sha256_hw;
const struct sha256_impl aibrix__sha256_hw = {compress, chain};
