/*
 * Ten cells to a line of memory, told apart by tags.
 *
 *   hash:  | tag, 16 bits | ...        | line |
 *
 *   line:  | 10 tags, passed | 10 items |
 *
 * Most look-ups read one line and compare its tags at once, four to a word:
 * a loop from cell to cell costs less memory traffic but ends where nobody
 * can foresee, and a mispredicted branch costs more than the whole line.
 * Items are only looked at when their tag fits, which is by chance once in
 * ten thousand times.
 *
 * An item whose line is full goes to the next that is not, and every full
 * line that it passed counts it.  A look-up goes on behind a line only if
 * that count is not 0, and a removal takes it back: there are no tombstones,
 * nothing is ever moved, and a table that replaces its items for months is
 * as fast as a new one.  (The counts are those of F14, facebook/folly
 * folly/container/detail/F14Table.h.)
 *
 * Prompts decide what is hashed, so the hash is salted with the address of
 * the table: who does not know it cannot make long walks.  No answer depends
 * on the order of the cells.
 */

#include "index/cells.h"

int
aibrix__cells_open(struct cells *cells, const aibrix_allocator *a,
		   uint32_t items)
{
	uint64_t n = 1;

	/* At most seven of ten cells: one line in ten is passed then. */
	while (n * 7 < items)
		n *= 2;
	cells->mask = n - 1;
	cells->lines =
		aibrix__alloc_aligned(a, (size_t)n, sizeof(*cells->lines), 64);
	if (!cells->lines)
		return AIBRIX_E_NOMEM;
	cells->salt = mix64((uintptr_t)cells->lines);
	return AIBRIX_OK;
}

void
aibrix__cells_close(struct cells *cells, const aibrix_allocator *a)
{
	aibrix__free(a, cells->lines, (size_t)cells->mask + 1,
		     sizeof(*cells->lines));
	cells->lines = NULL;
}

/* In an empty cell change is the tag, in one with that tag it empties it. */
static void
cell_flip(struct cell_line *line, uint32_t cell, uint64_t tags)
{
	line->tags[cell / 4] ^= (tags & 0xffff) << 16 * (cell % 4);
}

static const uint64_t one_passed = (uint64_t)1 << 32;

void
aibrix__cells_add(struct cells *cells, uint64_t hash, uint32_t item)
{
	uint64_t at = hash & cells->mask, empty;
	uint32_t cell;

	while ((empty = line_cells(&cells->lines[at], 0)) == 0) {
		cells->lines[at].tags[2] += one_passed;
		at = (at + 1) & cells->mask;
	}
	cell = cell_of(lowest_bit(empty));
	cells->lines[at].items[cell] = item;
	cell_flip(&cells->lines[at], cell, cell_tags(hash));
}

void
aibrix__cells_remove(struct cells *cells, uint64_t hash, uint32_t item)
{
	uint64_t at = hash & cells->mask, tags = cell_tags(hash);

	for (;;) {
		struct cell_line *line = &cells->lines[at];
		uint64_t bits = line_cells(line, tags);

		for (; bits; bits &= bits - 1) {
			uint32_t cell = cell_of(lowest_bit(bits));

			if (line->items[cell] == item) {
				cell_flip(line, cell, tags);
				return;
			}
		}
		line->tags[2] -= one_passed;
		at = (at + 1) & cells->mask;
	}
}

uint64_t
aibrix__cells_count(const struct cells *cells)
{
	uint64_t n = 0;

	for (uint64_t at = 0; at <= cells->mask; at++) {
		uint64_t bits = line_cells(&cells->lines[at], 0);

		for (n += CELLS; bits; bits &= bits - 1)
			n--;
	}
	return n;
}
