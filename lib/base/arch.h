/* What compilers and processors offer beyond C. */
#ifndef BASE_ARCH_H
#define BASE_ARCH_H

#include <stdint.h>

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

#endif
