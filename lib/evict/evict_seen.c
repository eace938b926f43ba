/*
 * Who was seen when.
 *
 * Exact lists would take 30 bytes an entry and three random lines a use;
 * this takes 8 and one.  A set is one line of memory with eight cells; a new
 * fingerprint replaces the one of its set that was used longest ago, so what
 * is forgotten is old, though not always the oldest of all.  A fingerprint
 * is taken for another one in one use of 2^28: a block more or less in the
 * statistics.  Times are compared by their difference, so they may wrap.
 */

#include "evict/evict_seen.h"

#include "base/rand.h"

/* Sixteen uses for each slot of a small cache, four of a large one. */
enum { USES_MIN = 1 << 16, USES_SMALL = 16, USES_LARGE = 4 };
#define TWICE 0x80000000u

int
aibrix__seen_open(struct evict_seen *seen, const aibrix_allocator *a,
		  uint32_t capacity)
{
	uint64_t want = (uint64_t)capacity * USES_SMALL, sets = 1;

	if (want > USES_MIN)
		want = USES_MIN;
	if (want < (uint64_t)capacity * USES_LARGE)
		want = (uint64_t)capacity * USES_LARGE;
	while (sets * SEEN_WAYS < want)
		sets *= 2;
	seen->mask = (uint32_t)(sets - 1);
	seen->sets = aibrix__alloc_aligned(a, (size_t)sets, sizeof(*seen->sets),
					   sizeof(*seen->sets));
	return seen->sets ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__seen_close(struct evict_seen *seen, const aibrix_allocator *a)
{
	aibrix__free(a, seen->sets, (size_t)seen->mask + 1,
		     sizeof(*seen->sets));
}

/* The cell to be replaced: an unused one, else the oldest. */
static struct seen_cell *
cell_oldest(struct seen_cell *cells, uint32_t time)
{
	struct seen_cell *oldest = cells;

	for (uint32_t i = 0; i < SEEN_WAYS; i++) {
		if (cells[i].time == 0)
			return &cells[i];
		if (time - cells[i].time > time - oldest->time)
			oldest = &cells[i];
	}
	return oldest;
}

uint32_t
aibrix__seen_note(struct evict_seen *seen, uint64_t fingerprint, uint32_t time,
		  uint32_t *before)
{
	uint64_t hash = mix64(fingerprint);
	struct seen_cell *cells = seen->sets[hash & seen->mask].cells;
	uint32_t tag = (uint32_t)(hash >> 32) & ~TWICE, known;

	for (uint32_t i = 0; i < SEEN_WAYS; i++) {
		if ((cells[i].tag & ~TWICE) != tag || cells[i].time == 0)
			continue;
		known = cells[i].tag & TWICE ? SEEN_AGAIN : SEEN_ONCE;
		*before = cells[i].time;
		cells[i] = (struct seen_cell){tag | TWICE, time};
		return known;
	}
	*cell_oldest(cells, time) = (struct seen_cell){tag, time};
	return SEEN_NEVER;
}
