/* Chains of keys that overlap, and the byte that a block of each is full of. */
#ifndef TESTS_STRESS_CHAINS_H
#define TESTS_STRESS_CHAINS_H

#include <string.h>

#include <aibrix/base.h>

enum { CHAINS = 16, LENGTH = 24, BLOCK = 256 };

/* They share their first 8 blocks in pairs. */
static inline void
keys_make(uint32_t c, aibrix_key keys[LENGTH])
{
	memset(keys, 0, LENGTH * sizeof(*keys));
	for (uint32_t i = 0; i < LENGTH; i++) {
		keys[i].bytes[0] = (uint8_t)(i < 8 ? c / 2 : c + CHAINS);
		keys[i].bytes[1] = (uint8_t)i;
		keys[i].bytes[2] = 1;
	}
}

static inline uint8_t
byte_of(const aibrix_key *key)
{
	return (uint8_t)(key->bytes[0] * 31 + key->bytes[1]);
}

#endif
