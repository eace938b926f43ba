/* A place as a number: the content hashes of the path to it, chained. */
#ifndef BASELINES_CHAIN_H
#define BASELINES_CHAIN_H

#include "base/rand.h"

#define CHAIN_ROOT 0x51ed270b9f1c2e63u

/*
 * Lookups compute it for every block of a prompt, so the path from one to
 * the next is short: the hash is mixed beside it, and only an exclusive or,
 * a rotation and a product wait for the place before.
 */
static inline uint64_t
chain_next(uint64_t place, uint64_t hash)
{
	uint64_t x = place ^ mix64(hash + 0x9e3779b97f4a7c15u);

	return (x << 29 | x >> 35) * 0xd6e8feb86659fd93u;
}

#endif
