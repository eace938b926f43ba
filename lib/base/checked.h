/* Arithmetic on sizes from outside.  Each returns 0 on overflow and leaves
 * *out alone, so that a call reads as a condition. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stddef.h>
#include <stdint.h>

static inline int
checked_add(size_t a, size_t b, size_t *out)
{
	if (a > SIZE_MAX - b)
		return 0;
	*out = a + b;
	return 1;
}

static inline int
checked_mul(size_t a, size_t b, size_t *out)
{
	if (b != 0 && a > SIZE_MAX / b)
		return 0;
	*out = a * b;
	return 1;
}

/* Up to a multiple of align, a power of two. */
static inline int
checked_round_up(size_t a, size_t align, size_t *out)
{
	size_t sum;

	if (!checked_add(a, align - 1, &sum))
		return 0;
	*out = sum & ~(align - 1);
	return 1;
}

#endif
