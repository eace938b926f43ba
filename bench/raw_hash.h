/* Hash functions without anything around them, built with -march=native. */
#ifndef RAW_HASH_H
#define RAW_HASH_H

#include <stddef.h>
#include <stdint.h>

/* out[i] = XXH3-64 of piece i. */
void raw_xxh3_64(const void *bytes, size_t piece, size_t n, uint64_t *out);

/* XXH3-128 of n messages of 80 bytes, one after the other in messages; the
 * result of each replaces the first 16 bytes of the next. */
void raw_xxh3_128_chain(uint8_t *messages, size_t n);

#endif
