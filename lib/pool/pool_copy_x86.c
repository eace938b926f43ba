/*
 * Copies past the caches, with AVX2.
 *
 * A block is copied into the pool once and read much later, so to load its
 * destination's lines first and to keep them afterwards is waste: streaming
 * stores write whole lines and evict nothing.  What then bounds a copy is
 * how many lines are on their way from memory.  Processors differ: one is
 * fastest when left alone, another when told 16 KiB ahead, or when four
 * pages are read side by side (hardware prefetchers work per page).  Which
 * is measured (pool_copy.c).
 *
 * The fused loop computes XXH3-64 (Yann Collet; BSD 2-clause specification
 * in doc/xxhash_spec.md of xxHash) of the lines while they are in registers:
 * the arithmetic hides behind the memory.  As in the specification: an
 * accumulator of eight 64-bit lanes takes 64-byte stripes, each with the
 * secret from 8 bytes further on; sixteen stripes are a block, after which
 * the lanes are scrambled; the last 64 bytes are a stripe of their own.
 */

#include "pool/pool_copy.h"

#include <aibrix/pool.h>

#include <immintrin.h>
#include <string.h>

enum { PAGE = 4096, PAGES = 4 };
enum { STRIPE = 64, STRIPES = 16, BLOCK = STRIPE * STRIPES };

static inline void
line_stream(uint8_t *dst, const uint8_t *src)
{
	__m256i a = _mm256_loadu_si256((const void *)src);
	__m256i b = _mm256_loadu_si256((const void *)(src + 32));

	_mm256_stream_si256((void *)dst, a);
	_mm256_stream_si256((void *)(dst + 32), b);
}

static inline void
lines_prefetch(const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i += COPY_LINE)
		_mm_prefetch((const char *)src + i, _MM_HINT_T1);
}

static void
copy_movsb(uint8_t *dst, const uint8_t *src, size_t n)
{
	__asm__ volatile("rep movsb"
			 : "+D"(dst), "+S"(src), "+c"(n)
			 :
			 : "memory");
}

static void
copy_stream(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i += COPY_LINE)
		line_stream(dst + i, src + i);
	_mm_sfence();
}

static void
copy_ahead(uint8_t *dst, const uint8_t *src, size_t n)
{
	size_t some;

	for (; n > 0; dst += some, src += some, n -= some) {
		some = n < COPY_AHEAD ? n : COPY_AHEAD;
		lines_prefetch(src + some,
			       n - some < COPY_AHEAD ? n - some : COPY_AHEAD);
		for (size_t i = 0; i < some; i += COPY_LINE)
			line_stream(dst + i, src + i);
	}
	_mm_sfence();
}

static void
copy_pages(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (; n >= PAGES * PAGE; n -= PAGES * PAGE) {
		for (size_t i = 0; i < PAGE; i += COPY_LINE)
			for (size_t page = 0; page < PAGES; page++)
				line_stream(dst + page * PAGE + i,
					    src + page * PAGE + i);
		dst += PAGES * PAGE;
		src += PAGES * PAGE;
	}
	copy_stream(dst, src, n);
}

aibrix__copy_fn
aibrix__copy_x86(uint32_t kind)
{
	switch (kind) {
	case AIBRIX_POOL_COPY_MOVSB: return copy_movsb;
	case AIBRIX_POOL_COPY_STREAM: return copy_stream;
	case AIBRIX_POOL_COPY_AHEAD: return copy_ahead;
	case AIBRIX_POOL_COPY_PAGES: return copy_pages;
	}
	return NULL;
}

void
aibrix__copy_flush_x86(const uint8_t *base, size_t n)
{
	for (size_t i = 0; i < n; i += COPY_LINE)
		_mm_clflush(base + i);
	_mm_mfence();
}

/* Eight lanes in two registers. */
struct lanes {
	__m256i low, high;
};

static inline __m256i
lanes_mix(__m256i acc, __m256i data, __m256i secret)
{
	__m256i keyed = _mm256_xor_si256(data, secret);
	__m256i product = _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32));
	/* A lane takes its neighbour's input. */
	__m256i swapped = _mm256_shuffle_epi32(data, _MM_SHUFFLE(1, 0, 3, 2));

	return _mm256_add_epi64(acc, _mm256_add_epi64(product, swapped));
}

static inline __m256i
half(const uint8_t *at)
{
	return _mm256_loadu_si256((const void *)at);
}

static inline void
stripe_add(struct lanes *acc, const uint8_t *src, const uint8_t *secret)
{
	acc->low = lanes_mix(acc->low, half(src), half(secret));
	acc->high = lanes_mix(acc->high, half(src + 32), half(secret + 32));
}

static inline void
stripe_copy_add(struct lanes *acc, uint8_t *dst, const uint8_t *src,
		const uint8_t *secret)
{
	__m256i a = half(src), b = half(src + 32);

	_mm256_stream_si256((void *)dst, a);
	_mm256_stream_si256((void *)(dst + 32), b);
	acc->low = lanes_mix(acc->low, a, half(secret));
	acc->high = lanes_mix(acc->high, b, half(secret + 32));
}

/* XXH's 32-bit and 64-bit primes. */
#define P32_1 0x9e3779b1u
#define P32_2 0x85ebca77u
#define P32_3 0xc2b2ae3du
#define P64_1 0x9e3779b185ebca87u
#define P64_2 0xc2b2ae3d27d4eb4fu
#define P64_3 0x165667b19e3779f9u
#define P64_4 0x85ebca77c2b2ae63u
#define P64_5 0x27d4eb2f165667c5u

static inline __m256i
lanes_scramble(__m256i acc, __m256i secret)
{
	const __m256i prime = _mm256_set1_epi32((int)P32_1);
	__m256i x = _mm256_xor_si256(
		_mm256_xor_si256(acc, _mm256_srli_epi64(acc, 47)), secret);
	__m256i high = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), prime);

	return _mm256_add_epi64(_mm256_mul_epu32(x, prime),
				_mm256_slli_epi64(high, 32));
}

__extension__ typedef unsigned __int128 wide;

static uint64_t
mul_fold(uint64_t a, uint64_t b)
{
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The secret's 11 first bytes are skipped, as its 7 last by the last stripe:
 * so that no lane meets the same part twice. */
static uint64_t
lanes_end(const struct lanes *acc, const uint8_t *secret, size_t n)
{
	uint64_t lane[8], key[8], sum = n * P64_1;

	_mm256_storeu_si256((void *)lane, acc->low);
	_mm256_storeu_si256((void *)(lane + 4), acc->high);
	memcpy(key, secret + 11, sizeof(key));
	for (int i = 0; i < 8; i += 2)
		sum += mul_fold(lane[i] ^ key[i], lane[i + 1] ^ key[i + 1]);
	sum ^= sum >> 37;
	sum *= 0x165667919e3779f9u;
	return sum ^ sum >> 32;
}

uint64_t
aibrix__copy_sum_x86(uint8_t *dst, const uint8_t *src, size_t n,
		     const uint8_t secret[XXH3_SECRET], int ahead)
{
	static const uint64_t start[8] = {P32_3, P64_1, P64_2, P64_3,
					  P64_4, P32_2, P64_5, P32_1};
	const uint8_t *last = src + n - STRIPE, *keys = secret + XXH3_SECRET;
	struct lanes acc = {half((const uint8_t *)start),
			    half((const uint8_t *)(start + 4))};
	size_t at = 0, end = (n - 1) / BLOCK * BLOCK;

	for (; at < end; at += BLOCK) {
		if (ahead && end - at > COPY_AHEAD + BLOCK)
			lines_prefetch(src + at + COPY_AHEAD, BLOCK);
		for (size_t i = 0; i < STRIPES; i++)
			stripe_copy_add(&acc, dst + at + i * STRIPE,
					src + at + i * STRIPE, secret + i * 8);
		acc.low = lanes_scramble(acc.low, half(keys - STRIPE));
		acc.high = lanes_scramble(acc.high, half(keys - STRIPE + 32));
	}
	_mm_sfence();
	for (size_t i = 0; i < (n - 1 - end) / STRIPE; i++)
		stripe_add(&acc, src + end + i * STRIPE, secret + i * 8);
	stripe_add(&acc, last, keys - STRIPE - 7);
	memcpy(dst + end, src + end, n - end);
	return lanes_end(&acc, secret, n);
}
