/* 0 marks an empty place and is stored as 1: values are hashes, and two of
 * them sharing a place in the set are as unlikely as any other collision. */
#include "sim_set.h"

#include <stdlib.h>

static size_t
set_place(const uint64_t *table, size_t mask, uint64_t value)
{
	size_t place = (size_t)value & mask;

	while (table[place] != 0 && table[place] != value)
		place = (place + 1) & mask;
	return place;
}

static int
set_grow(sim_set *set)
{
	size_t size = set->table ? 2 * (set->mask + 1) : 1024;
	uint64_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -1;
	for (size_t i = 0; set->table && i <= set->mask; i++) {
		uint64_t value = set->table[i];

		if (value != 0)
			table[set_place(table, size - 1, value)] = value;
	}
	free(set->table);
	set->table = table;
	set->mask = size - 1;
	return 0;
}

int
sim_set_add(sim_set *set, uint64_t value)
{
	size_t place;

	value += value == 0;
	if (2 * set->n >= set->mask && set_grow(set) != 0)
		return -1;
	place = set_place(set->table, set->mask, value);
	if (set->table[place] == value)
		return 0;
	set->table[place] = value;
	set->n++;
	return 1;
}

int
sim_set_has(const sim_set *set, uint64_t value)
{
	value += value == 0;
	return set->table &&
	       set->table[set_place(set->table, set->mask, value)] == value;
}

void
sim_set_clear(sim_set *set)
{
	free(set->table);
	*set = (sim_set){0};
}
