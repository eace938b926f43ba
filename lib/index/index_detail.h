/* A bit for each block and tier: what an owner holds of a run when no number
 * says it. */
#ifndef INDEX_INDEX_DETAIL_H
#define INDEX_INDEX_DETAIL_H

#include "index/index_internal.h"

static inline size_t
detail_bytes(uint32_t cap)
{
	return sizeof(struct detail) +
	       (size_t)((cap + 63) / 64) * AIBRIX_TIERS * sizeof(uint64_t);
}

static inline int
detail_has(const struct detail *d, uint32_t tier, uint32_t off)
{
	const uint64_t *bits = d->bits;

	if (tier < AIBRIX_TIERS)
		return bit_get(bits + tier * d->words, off);
	for (uint32_t t = 0; t < AIBRIX_TIERS; t++)
		if (bit_get(bits + t * d->words, off))
			return 1;
	return 0;
}

static inline uint64_t
detail_word(const struct detail *d, uint32_t word)
{
	uint64_t any = 0;

	for (uint32_t t = 0; t < AIBRIX_TIERS; t++)
		any |= d->bits[t * d->words + word];
	return any;
}

/* Leading blocks in the device tier, or in any. */
static inline uint32_t
detail_leading(const struct detail *d, int any)
{
	for (uint32_t i = 0; i < d->words; i++) {
		uint64_t bits = any ? detail_word(d, i) : d->bits[i];

		if (~bits)
			return i * 64 + (uint32_t)__builtin_ctzll(~bits);
	}
	return d->words * 64;
}

static inline uint32_t
detail_end(const struct detail *d)
{
	for (uint32_t i = d->words; i > 0; i--) {
		uint64_t bits = detail_word(d, i - 1);

		if (bits)
			return i * 64 - (uint32_t)__builtin_clzll(bits);
	}
	return 0;
}

/* The first n blocks on the device, none elsewhere; d is zeroed. */
static inline void
detail_fill(struct detail *d, uint32_t words, uint32_t n)
{
	d->words = words;
	d->held = n;
	for (uint32_t i = 0; i < n / 64; i++)
		d->bits[i] = UINT64_MAX;
	if (n % 64)
		d->bits[n / 64] = ((uint64_t)1 << n % 64) - 1;
}

/* Are those of n leading blocks on the device all that it holds? */
static inline int
detail_plain(const struct detail *d, uint32_t n)
{
	if (d->held != n)
		return 0;
	for (uint32_t i = d->words; i < d->words * AIBRIX_TIERS; i++)
		if (d->bits[i])
			return 0;
	return 1;
}

#endif
