/* What compilers and processors offer beyond C. */
#ifndef BASE_ARCH_H
#define BASE_ARCH_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* A function that is not copied into its caller, which is the shorter for
 * it: for what happens seldom. */
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif

/* Start loading the cache line at ptr; any address is allowed. */
static inline void
prefetch(const void *ptr)
{
#if defined(__GNUC__)
	__builtin_prefetch(ptr);
#else
	(void)ptr;
#endif
}

/* The number of the lowest bit that is set; x is not 0. */
static inline uint32_t
lowest_bit(uint64_t x)
{
#if defined(__GNUC__)
	return (uint32_t)__builtin_ctzll(x);
#else
	uint32_t n = 0;

	for (; !(x & 1); x >>= 1)
		n++;
	return n;
#endif
}

/* How many bits are set (SWAR: processors that count are not assumed). */
static inline uint32_t
bits_set(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555u;
	x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (uint32_t)(x * 0x0101010101010101u >> 56);
}

/*
 * Bit i: the low halves of line[i] and want are equal where mask has a one.
 * line: 8 numbers, a cache line.
 */
static inline uint32_t
line_match(const uint64_t *line, uint64_t want, uint64_t mask)
{
#if defined(__SSE2__)
	const __m128i *at = (const __m128i *)(const void *)line;
	__m128i m = _mm_set1_epi32((int)(uint32_t)mask);
	__m128i w = _mm_set1_epi32((int)(uint32_t)(want & mask)), half[2];

	for (uint32_t i = 0; i < 2; i++) {
		__m128 a = _mm_castsi128_ps(_mm_load_si128(at + 2 * i));
		__m128 b = _mm_castsi128_ps(_mm_load_si128(at + 2 * i + 1));
		__m128i low = _mm_castps_si128(
			_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));

		half[i] = _mm_cmpeq_epi32(_mm_and_si128(low, m), w);
	}
	half[0] = _mm_packs_epi32(half[0], half[1]);
	return (uint32_t)_mm_movemask_epi8(
		_mm_packs_epi16(half[0], _mm_setzero_si128()));
#else
	uint32_t match = 0;

	for (uint32_t i = 0; i < 8; i++)
		match |= (uint32_t) !(uint32_t)((line[i] ^ want) & mask) << i;
	return match;
#endif
}

/* Bit i: at[i] is want.  at: 8 numbers, half a cache line. */
static inline uint32_t
eight_equal(const uint32_t *at, uint32_t want)
{
#if defined(__SSE2__)
	const __m128i *half = (const __m128i *)(const void *)at;
	__m128i w = _mm_set1_epi32((int)want);
	__m128i both =
		_mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(half), w),
				_mm_cmpeq_epi32(_mm_load_si128(half + 1), w));

	return (uint32_t)_mm_movemask_epi8(
		_mm_packs_epi16(both, _mm_setzero_si128()));
#else
	uint32_t match = 0;

	for (uint32_t i = 0; i < 8; i++)
		match |= (uint32_t)(at[i] == want) << i;
	return match;
#endif
}

/* Bit i: at[i] is before zero, or before one if its highest bit is set, as
 * numbers go round modulo 2^31.  at as above. */
static inline uint32_t
eight_before(const uint32_t *at, uint32_t zero, uint32_t one)
{
	uint32_t before = 0;
#if defined(__SSE2__)
	const __m128i *half = (const __m128i *)(const void *)at;
	__m128i from = _mm_set1_epi32((int)zero);
	__m128i differ = _mm_set1_epi32((int)(zero ^ one));

	for (uint32_t i = 0; i < 2; i++) {
		__m128i x = _mm_load_si128(half + i);
		__m128i which = _mm_and_si128(_mm_srai_epi32(x, 31), differ);
		__m128i gap = _mm_sub_epi32(x, _mm_xor_si128(from, which));

		before |= (uint32_t)_mm_movemask_ps(
				  _mm_castsi128_ps(_mm_slli_epi32(gap, 1)))
			  << 4 * i;
	}
#else
	for (uint32_t i = 0; i < 8; i++)
		before |= (at[i] - (at[i] >> 31 ? one : zero)) << 1 >> 31 << i;
#endif
	return before;
}

/* The number of the highest bit that is set; x is not 0. */
static inline uint32_t
highest_bit(uint64_t x)
{
#if defined(__GNUC__)
	return 63 - (uint32_t)__builtin_clzll(x);
#else
	uint32_t n = 0;

	while (x >>= 1)
		n++;
	return n;
#endif
}

#endif
