#include "raw_copy.h"

#include <stdint.h>
#include <string.h>

void
raw_memcpy(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}

#if defined(__x86_64__) && defined(__AVX2__)

#include <immintrin.h>

int
raw_copies(void)
{
	return 4;
}

void
raw_movsb(void *dst, const void *src, size_t n)
{
	__asm__ volatile("rep movsb"
			 : "+D"(dst), "+S"(src), "+c"(n)
			 :
			 : "memory");
}

#ifdef __AVX512F__

static inline void
line_stream(uint8_t *dst, const uint8_t *src)
{
	_mm512_stream_si512((void *)dst, _mm512_loadu_si512((const void *)src));
}

#else

static inline void
line_stream(uint8_t *dst, const uint8_t *src)
{
	_mm256_stream_si256((void *)dst, _mm256_loadu_si256((const void *)src));
	_mm256_stream_si256((void *)(dst + 32),
			    _mm256_loadu_si256((const void *)(src + 32)));
}

#endif

void
raw_stream(void *dst, const void *src, size_t n)
{
	uint8_t *to = dst;
	const uint8_t *from = src;

	for (size_t i = 0; i < n; i += 64)
		line_stream(to + i, from + i);
	_mm_sfence();
}

void
raw_stream_ahead(void *dst, const void *src, size_t n)
{
	enum { AHEAD = 16384 };
	uint8_t *to = dst;
	const uint8_t *from = src;

	for (size_t i = 0; i < n; i += AHEAD) {
		size_t end = n - i < AHEAD ? n : i + AHEAD;

		for (size_t k = end; k < n && k < end + AHEAD; k += 64)
			_mm_prefetch((const char *)from + k, _MM_HINT_T1);
		for (size_t k = i; k < end; k += 64)
			line_stream(to + k, from + k);
	}
	_mm_sfence();
}

#else

int
raw_copies(void)
{
	return 1;
}

void
raw_movsb(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}

void
raw_stream(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}

void
raw_stream_ahead(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}

#endif
