/*
 * Numbers of items by hash: open addressing, of a size that is fixed when it
 * is opened.  Whoever owns the items compares what was hashed.
 */
#ifndef INDEX_CELLS_H
#define INDEX_CELLS_H

#include "base/alloc.h"
#include "base/arch.h"
#include "base/list.h"
#include "base/rand.h"

enum { CELLS = 10 }; /* of a line */

/*
 * A line of memory.  Cell i has the 16-bit tag i % 4 of tags[i / 4], 0 when
 * it is empty.  Tags 10 and 11 are none: together they are the number of
 * items that wanted to be here or before, and are behind.
 */
struct cell_line {
	uint64_t tags[3];
	uint32_t items[CELLS];
};

struct cells {
	struct cell_line *lines;
	uint64_t mask; /* lines - 1 */
	uint64_t salt; /* so that nobody can aim at one line */
};

/* Room for items numbers.  cells is zeroed; close accepts what a failed open
 * left. */
int aibrix__cells_open(struct cells *cells, const aibrix_allocator *a,
		       uint32_t items);
void aibrix__cells_close(struct cells *cells, const aibrix_allocator *a);

void aibrix__cells_add(struct cells *cells, uint64_t hash, uint32_t item);

/* item is there under hash. */
void aibrix__cells_remove(struct cells *cells, uint64_t hash, uint32_t item);

/* Items in all lines, for tests. */
uint64_t aibrix__cells_count(const struct cells *cells);

static inline uint64_t
cells_bytes(const struct cells *cells)
{
	return (cells->mask + 1) * sizeof(*cells->lines);
}

static inline uint64_t
cells_hash(const struct cells *cells, uint64_t key)
{
	return mix64(key ^ cells->salt);
}

static inline void
cells_prefetch(const struct cells *cells, uint64_t hash)
{
	prefetch(&cells->lines[hash & cells->mask]);
}

/* The tag of a hash, four times.  Its bits are not those of the line. */
static inline uint64_t
cell_tags(uint64_t hash)
{
	uint64_t tag = hash >> 48;

	return (tag + !tag) * 0x0001000100010001u;
}

/* Bit 15 of each of the four tags that is 0.  Nothing is carried from one
 * tag to the next, so no other bit is set by chance. */
static inline uint64_t
tags_zero(uint64_t tags)
{
	const uint64_t low = 0x7fff7fff7fff7fffu;

	return ~(((tags & low) + low) | tags | low);
}

/* The cells with these tags: bit 16 * (i % 4) + i / 4 for cell i. */
static inline uint64_t
line_cells(const struct cell_line *line, uint64_t tags)
{
	return tags_zero(line->tags[0] ^ tags) >> 15 |
	       tags_zero(line->tags[1] ^ tags) >> 14 |
	       (tags_zero(line->tags[2] ^ tags) & 0x80008000u) >> 13;
}

/* The cell of a bit of line_cells. */
static inline uint32_t
cell_of(uint32_t bit)
{
	return bit % 16 * 4 + bit / 16;
}

static inline uint32_t
line_passed(const struct cell_line *line)
{
	return (uint32_t)(line->tags[2] >> 32);
}

/* A walk over the items that have a hash, most likely. */
struct cells_walk {
	uint64_t line; /* as far as the mask counts */
	uint64_t bits; /* cells of it that are left */
};

static inline struct cells_walk
cells_start(const struct cells *cells, uint64_t hash)
{
	const struct cell_line *line = &cells->lines[hash & cells->mask];

	return (struct cells_walk){hash, line_cells(line, cell_tags(hash))};
}

/* The next item, NONE at the end. */
static inline uint32_t
cells_next(const struct cells *cells, uint64_t hash, struct cells_walk *walk)
{
	for (;;) {
		const struct cell_line *line =
			&cells->lines[walk->line & cells->mask];

		if (walk->bits) {
			uint32_t bit = lowest_bit(walk->bits);

			walk->bits &= walk->bits - 1;
			return line->items[cell_of(bit)];
		}
		if (!line_passed(line) || walk->line - hash == cells->mask)
			return NONE;
		walk->line++;
		walk->bits = line_cells(&cells->lines[walk->line & cells->mask],
					cell_tags(hash));
	}
}

#endif
