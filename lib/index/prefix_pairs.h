/* The (model, pod) pairs of a prefix table, numbered. */
#ifndef INDEX_PREFIX_PAIRS_H
#define INDEX_PREFIX_PAIRS_H

#include "index/cells.h"

struct pair {
	uint64_t model, pod;
	uint32_t before, after; /* among those of the pod */
};

struct pairs {
	uint32_t max, used; /* used: numbers ever given */
	struct list recent; /* last added first */
	struct list unused;
	struct link *links;
	struct pair *at;
	struct cells by_both;
	struct cells by_pod; /* the first of each pod */
};

/* pairs is zeroed; close accepts what a failed open left. */
int aibrix__pairs_open(struct pairs *pairs, const aibrix_allocator *a,
		       uint32_t max);
void aibrix__pairs_close(struct pairs *pairs, const aibrix_allocator *a);
uint64_t aibrix__pairs_bytes(const struct pairs *pairs);

/* The number of a pair, or NONE. */
uint32_t aibrix__pairs_find(const struct pairs *pairs, uint64_t model,
			    uint64_t pod);

/* The first pair of pod, or NONE. */
uint32_t aibrix__pairs_of_pod(const struct pairs *pairs, uint64_t pod);

/* A number for a pair that has none; there are fewer than max. */
uint32_t aibrix__pairs_add(struct pairs *pairs, uint64_t model, uint64_t pod);

/* Most recently added now. */
void aibrix__pairs_touch(struct pairs *pairs, uint32_t at);

void aibrix__pairs_remove(struct pairs *pairs, uint32_t at);

#endif
