/*
 * From owner to row.
 *
 * A table of row numbers instead of a table of owners: the owner lies in the
 * fleet's array anyway, a cell is 4 bytes, and the array may move when it
 * grows.  Linear probing, at most half full; removal closes the gap by
 * moving later cells back, so there are no tombstones and a fleet whose pods
 * come and go for months is as fast as a new one.
 */

#include "fleet/fleet_internal.h"

#include "base/alloc.h"
#include "base/rand.h"

/* Golden ratio as in SplitMix64: rank 0 must not leave the pod's hash as it
 * is, or rank and pod could cancel. */
static uint64_t
owner_hash(const aibrix_owner *owner)
{
	return mix64(mix64(owner->pod) + 0x9e3779b97f4a7c15u + owner->rank);
}

static int
owner_equal(const aibrix_owner *a, const aibrix_owner *b)
{
	return a->pod == b->pod && a->rank == b->rank;
}

static size_t
owner_cell(const struct owner_map *map, const aibrix_owner *owner)
{
	return owner_hash(owner) & (map->cap - 1);
}

static void
cells_put(struct owner_map *map, const aibrix_owner *owners, uint32_t row)
{
	size_t i = owner_cell(map, &owners[row]);

	while (map->cells[i])
		i = (i + 1) & (map->cap - 1);
	map->cells[i] = row + 1;
}

int
aibrix__owners_reserve(struct owner_map *map, const aibrix_allocator *a,
		       const aibrix_owner *owners, uint32_t count)
{
	struct owner_map next = {NULL, map->cap ? map->cap : 16};

	while (next.cap < 2 * (size_t)count)
		next.cap *= 2;
	if (next.cap == map->cap)
		return AIBRIX_OK;
	next.cells = aibrix__alloc(a, next.cap, sizeof(*next.cells));
	if (!next.cells)
		return AIBRIX_E_NOMEM;

	for (size_t i = 0; i < map->cap; i++)
		if (map->cells[i])
			cells_put(&next, owners, map->cells[i] - 1);
	aibrix__free(a, map->cells, map->cap, sizeof(*map->cells));
	*map = next;
	return AIBRIX_OK;
}

/* The cell of owner, or map->cap. */
static size_t
cells_find(const struct owner_map *map, const aibrix_owner *owners,
	   const aibrix_owner *owner)
{
	size_t i;

	if (!map->cap)
		return map->cap;
	for (i = owner_cell(map, owner); map->cells[i];
	     i = (i + 1) & (map->cap - 1))
		if (owner_equal(&owners[map->cells[i] - 1], owner))
			return i;
	return map->cap;
}

uint32_t
aibrix__owners_find(const struct owner_map *map, const aibrix_owner *owners,
		    const aibrix_owner *owner)
{
	size_t i = cells_find(map, owners, owner);

	return i == map->cap ? FLEET_MAX_ROWS : map->cells[i] - 1;
}

void
aibrix__owners_add(struct owner_map *map, const aibrix_owner *owners,
		   uint32_t row)
{
	cells_put(map, owners, row);
}

void
aibrix__owners_remove(struct owner_map *map, const aibrix_owner *owners,
		      uint32_t row)
{
	const size_t mask = map->cap - 1;
	size_t hole = cells_find(map, owners, &owners[row]);
	size_t i = hole;

	for (;;) {
		size_t home;

		i = (i + 1) & mask;
		if (!map->cells[i])
			break;
		/* A cell moves into the hole unless its home lies after the
		 * hole: a search for it would no longer pass there. */
		home = owner_cell(map, &owners[map->cells[i] - 1]);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		map->cells[hole] = map->cells[i];
		hole = i;
	}
	map->cells[hole] = 0;
}
