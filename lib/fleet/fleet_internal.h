#ifndef FLEET_INTERNAL_H
#define FLEET_INTERNAL_H

#include <aibrix/fleet.h>

enum {
	FLEET_MAX_ROWS = 65536,
	ROW_WORDS = FLEET_MAX_ROWS / 64,
	FULL_WORDS = ROW_WORDS / 64
};

/* Which rows are in use; full has one bit per word of used that is all
 * ones, so that the lowest free row is found by looking at 17 words. */
struct row_set {
	uint64_t used[ROW_WORDS];
	uint64_t full[FULL_WORDS];
	uint32_t rows;  /* one more than the highest in use */
	uint32_t count; /* in use */
};

int aibrix__rows_has(const struct row_set *set, uint32_t row);
/* FLEET_MAX_ROWS when all are in use. */
uint32_t aibrix__rows_lowest_free(const struct row_set *set);
void aibrix__rows_add(struct row_set *set, uint32_t row);
void aibrix__rows_remove(struct row_set *set, uint32_t row);

/* From owner to row: open addressing, at most half full, row + 1 in each
 * cell; the owners themselves lie in the fleet's array. */
struct owner_map {
	uint32_t *cells;
	size_t cap; /* 0 or a power of two */
};

/* Make room for count owners. */
int aibrix__owners_reserve(struct owner_map *map, const aibrix_allocator *a,
			   const aibrix_owner *owners, uint32_t count);
/* FLEET_MAX_ROWS when absent. */
uint32_t aibrix__owners_find(const struct owner_map *map,
			     const aibrix_owner *owners,
			     const aibrix_owner *owner);
/* The owner of row is absent and there is room. */
void aibrix__owners_add(struct owner_map *map, const aibrix_owner *owners,
			uint32_t row);
/* The owner of row is present. */
void aibrix__owners_remove(struct owner_map *map, const aibrix_owner *owners,
			   uint32_t row);

#endif
