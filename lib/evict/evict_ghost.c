/*
 * Ghosts: FIFOs of fingerprints that a look-up finds in one cache line.
 *
 *   set   [ tag    tag    tag    tag    tag    tag    |    -    |    -    ]
 *         [ number number number number number number | spilt 0 | spilt 1 ]
 *   list  ... oldest [ . | . | gone | . | gone | . ] next ...
 *
 * What is remembered has a number of its list, in the order of coming.  To
 * forget the oldest is to count up: its cell is not touched, it only reads
 * as old from then on, and is used again when a set needs one.  What returns
 * is taken out of the middle, and a bit says that its number is gone; so the
 * bound is exact: no more than cap are remembered, and always the newest
 * ones.  (AIBrix measures its ghosts in bytes of a value that is already
 * gone, so they grow for ever, and then every block is admitted as one seen
 * before.)
 *
 * A set without an old cell lets the next one take it and keeps its number;
 * a search goes on while such a number is not old.  Fewer than three cells of
 * six are in use on average, and two sets in a hundred have spilt.
 *
 * Two limits.  A list has a window of eight numbers for each that may be
 * remembered: what is older goes though the bound is not reached.  And a
 * cell knows 32 bits of a fingerprint and its set some more: one block in a
 * billion is taken for one that was seen.
 *
 * Chains under a table of heads, with the lists linked through the entries,
 * took three walks and eight lines of memory where this takes two lines.  24
 * bytes for each and the bits, none of it allocated after open.
 */

#include "evict/evict_ghost.h"

enum { CELLS = GHOST_CELLS, ALL_CELLS = GHOST_ALL_CELLS, BOTH = 3 };
enum { WINDOW_MIN = 1 << 12, WINDOW_MAX = 1 << 30 };

/* The highest bit of a number is its list. */
#define NUMBER 0x7fffffffu
#define LIST_SHIFT 31

static size_t
window_words(const struct evict_ghost *ghost)
{
	return ghost->window / 64;
}

int
aibrix__ghost_open(struct evict_ghost *ghost, const aibrix_allocator *a,
		   uint32_t cap, uint32_t lists)
{
	ghost->cap = cap;
	ghost->lists = lists;
	ghost->n = (uint32_t)((uint64_t)cap * 3 / 8) + 1;
	ghost->window = WINDOW_MIN;
	while (ghost->window < WINDOW_MAX && ghost->window / 8 < cap)
		ghost->window *= 2;
	/* Numbers of cells never used are old, in lists not used as well. */
	for (uint32_t i = 0; i < GHOST_LISTS; i++)
		ghost->fifo[i].oldest = ghost->fifo[i].next = 1;
	for (uint32_t i = 0; i < lists; i++) {
		struct ghost_fifo *fifo = &ghost->fifo[i];

		fifo->gone = aibrix__alloc(a, window_words(ghost),
					   sizeof(*fifo->gone));
		if (!fifo->gone)
			return AIBRIX_E_NOMEM;
	}
	ghost->sets = aibrix__alloc_aligned(a, ghost->n, sizeof(*ghost->sets),
					    sizeof(*ghost->sets));
	return ghost->sets ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__ghost_close(struct evict_ghost *ghost, const aibrix_allocator *a)
{
	aibrix__free(a, ghost->sets, ghost->n, sizeof(*ghost->sets));
	for (uint32_t i = 0; i < ghost->lists; i++)
		aibrix__free(a, ghost->fifo[i].gone, window_words(ghost),
			     sizeof(*ghost->fifo[i].gone));
}

static uint64_t *
gone_word(const struct evict_ghost *ghost, uint32_t list, uint32_t number)
{
	return &ghost->fifo[list].gone[(number & (ghost->window - 1)) / 64];
}

static uint64_t
gone_bit(uint32_t number)
{
	return (uint64_t)1 << number % 64;
}

/* Whether what has this number, with its list, is remembered. */
static int
number_lives(const struct evict_ghost *ghost, uint32_t listed)
{
	uint32_t list = listed >> LIST_SHIFT, number = listed & NUMBER;
	const struct ghost_fifo *fifo = &ghost->fifo[list];

	return ((number - fifo->oldest) & NUMBER) <
		       ((fifo->next - fifo->oldest) & NUMBER) &&
	       !(*gone_word(ghost, list, number) & gone_bit(number));
}

/* Bit i: cell i is older than all that is remembered; from bit CELLS on the
 * same of what has spilt. */
static inline uint32_t
set_old(const struct evict_ghost *ghost, const struct ghost_set *set)
{
	return eight_before(set->number, ghost->fifo[0].oldest,
			    ghost->fifo[1].oldest);
}

static uint32_t
set_after(const struct evict_ghost *ghost, uint32_t set)
{
	return set + 1 < ghost->n ? set + 1 : 0;
}

/* The number's cell if it is remembered; NULL. */
static uint32_t *
sets_find(const struct evict_ghost *ghost, struct ghost_place at)
{
	for (uint32_t i = 0; i < ghost->n; i++) {
		struct ghost_set *set = &ghost->sets[at.set];
		uint32_t old = set_old(ghost, set);
		uint32_t match = eight_equal(set->tag, at.tag) & ~old;

		for (match &= ALL_CELLS; match; match &= match - 1) {
			uint32_t *number = &set->number[lowest_bit(match)];

			if (number_lives(ghost, *number))
				return number;
		}
		if (old >> CELLS == BOTH)
			break;
		at.set = set_after(ghost, at.set);
	}
	return NULL;
}

/* Its cell is old from now on; the list it was of. */
static uint32_t
cell_take(struct evict_ghost *ghost, uint32_t *cell)
{
	uint32_t list = *cell >> LIST_SHIFT, number = *cell & NUMBER;
	struct ghost_fifo *fifo = &ghost->fifo[list];

	*gone_word(ghost, list, number) |= gone_bit(number);
	*cell = ((fifo->oldest - 1) & NUMBER) | list << LIST_SHIFT;
	fifo->count--;
	return list;
}

uint32_t
aibrix__ghost_search(const struct evict_ghost *ghost, struct ghost_place at)
{
	const uint32_t *cell = sets_find(ghost, at);

	return cell ? (*cell >> LIST_SHIFT) + 1 : 0;
}

uint32_t
aibrix__ghost_search_take(struct evict_ghost *ghost, struct ghost_place at)
{
	uint32_t *cell = sets_find(ghost, at);

	return cell ? cell_take(ghost, cell) + 1 : 0;
}

/* The oldest number of a list is used up. */
static void
oldest_pass(struct evict_ghost *ghost, uint32_t list)
{
	struct ghost_fifo *fifo = &ghost->fifo[list];
	uint64_t bit = gone_bit(fifo->oldest);

	fifo->count -= !(*gone_word(ghost, list, fifo->oldest) & bit);
	fifo->oldest = (fifo->oldest + 1) & NUMBER;
}

void
aibrix__ghost_drop(struct evict_ghost *ghost, uint32_t list)
{
	uint32_t count = ghost->fifo[list].count;

	while (ghost->fifo[list].count == count)
		oldest_pass(ghost, list);
}

/* The next number of a list.  Its word of bits is cleared by the first of its
 * 64 numbers, so none of the last round may be left there. */
static uint32_t
number_new(struct evict_ghost *ghost, uint32_t list)
{
	struct ghost_fifo *fifo = &ghost->fifo[list];
	uint32_t number = fifo->next;

	if (((number - fifo->oldest) & NUMBER) == ghost->window - 64)
		oldest_pass(ghost, list);
	fifo->next = (number + 1) & NUMBER;
	fifo->count++;
	if (number % 64 == 0)
		*gone_word(ghost, list, number) = 0;
	return number;
}

static void
cell_put(struct ghost_set *set, uint32_t cell, uint32_t tag, uint32_t listed)
{
	set->tag[cell] = tag;
	set->number[cell] = listed;
}

/* An old cell of a later set, or in the end, when numbers that have come
 * round seem new, the first one. */
static APART void
number_spill(struct evict_ghost *ghost, struct ghost_place at, uint32_t listed)
{
	struct ghost_set *set = &ghost->sets[at.set];

	for (uint32_t i = 0; i < ghost->n; i++) {
		uint32_t old = set_old(ghost, set) & ALL_CELLS;

		if (old) {
			cell_put(set, lowest_bit(old), at.tag, listed);
			return;
		}
		set->tag[CELLS + (listed >> LIST_SHIFT)] = 1;
		set->number[CELLS + (listed >> LIST_SHIFT)] = listed;
		at.set = set_after(ghost, at.set);
		set = &ghost->sets[at.set];
	}
	if (number_lives(ghost, set->number[0]))
		cell_take(ghost, &set->number[0]);
	cell_put(set, 0, at.tag, listed);
}

/* One that is not remembered comes: room for it. */
static inline void
room_make(struct evict_ghost *ghost, uint32_t list)
{
	if (ghost_count(ghost) == ghost->cap)
		aibrix__ghost_drop(ghost,
				   ghost->fifo[list].count ? list : !list);
}

/* What is there of it is forgotten, or the oldest is: two slots may have held
 * the same, which is remembered once. */
static APART void
name_forget(struct evict_ghost *ghost, struct ghost_place at, uint32_t list)
{
	uint32_t *cell = sets_find(ghost, at);

	if (cell)
		cell_take(ghost, cell);
	else
		room_make(ghost, list);
}

void
aibrix__ghost_push(struct evict_ghost *ghost, uint32_t list,
		   uint64_t fingerprint)
{
	struct ghost_place at = ghost_place(ghost, fingerprint);
	struct ghost_set *set = &ghost->sets[at.set];
	uint32_t old, listed;

	if (ghost->cap == 0)
		return;
	if (ghost_unknown(ghost, at))
		room_make(ghost, list);
	else
		name_forget(ghost, at, list);
	listed = number_new(ghost, list) | list << LIST_SHIFT;
	old = set_old(ghost, set);
	if (old >> CELLS == BOTH)
		set->tag[CELLS] = set->tag[CELLS + 1] = 0;
	old &= ALL_CELLS;
	if (old)
		cell_put(set, lowest_bit(old), at.tag, listed);
	else
		number_spill(ghost, at, listed);
}
