/* Numbers that follow from a caller's 64-bit value. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in
 * which each input bit moves about half of the output bits. */
static inline uint64_t
mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Next value of the sequence that *state walks. */
static inline uint64_t
rand_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return mix64(*state);
}

/* Uniform in [0, n), n > 0; the bias is below n / 2^32 (Lemire's
 * multiplication, high half). */
static inline uint32_t
rand_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((rand_next(state) >> 32) * n >> 32);
}

#endif
