/*
 * A store in a server with bad luck, for minutes: what is asked of it when the
 * server has a rest.
 */
#ifndef TESTS_FAULTS_SOAK_H
#define TESTS_FAULTS_SOAK_H

#include <aibrix/aibrix.h>

#include "chaos.h"

struct counted {
	uint64_t live, peak, calls;
};

struct soak {
	struct chaos chaos;
	struct counted memory; /* of the store, and of what uses alloc */
	aibrix_allocator alloc;
	aibrix_store *store;
	uint64_t end_ns;
	uint64_t live; /* memory at the first rest */
	uint64_t seed;
	int descriptors_before, descriptors; /* the second at the first rest */
	uint32_t rests;
};

/* kinds: of chaos_start.  Without a server the case is skipped. */
void soak_open(struct soak *s, uint32_t seconds, uint64_t seed, uint32_t kinds);

/* 1 when the server has its rest. */
int soak_calm(struct soak *s);

/* Nothing is in flight: memory and descriptors are what they were. */
void soak_rest(struct soak *s);

/* All of it is given back. */
void soak_close(struct soak *s);

#endif
