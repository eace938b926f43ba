/* A window as it lies in memory: other modules keep windows within theirs. */
#ifndef WINDOW_RING_H
#define WINDOW_RING_H

#include <aibrix/window.h>

#include "base/bytes.h"

struct window_slot {
	double value;   /* mean, newest, sum or largest, by the kind */
	uint64_t count; /* 0: no sample, and value is 0 */
};

struct aibrix_window {
	uint64_t slot_ns;
	uint64_t first, last; /* numbers of slots, less than slots apart */
	uint64_t newest_ns;
	double weight; /* WEIGHTED: of the newest slot */
	uint32_t kind;
	uint32_t slots;
	uint32_t used; /* has a sample ever come? */
	uint32_t spare;
	uint64_t spare2;
	struct window_slot slot[];
};

enum { WINDOW_SLOTS_MAX = 65536 };
#define WINDOW_NS_MAX ((uint64_t)1 << 62)

/* Write what it holds; read that into a window of the same kind, of any
 * length, all times later by shift_ns.  0: not such bytes; the window may
 * then hold anything. */
void aibrix__window_save(const aibrix_window *window, struct writer *w);
int aibrix__window_load(aibrix_window *window, struct reader *r,
			int64_t shift_ns);

/* Bytes that aibrix__window_save writes. */
uint64_t aibrix__window_save_bytes(const aibrix_window *window);

/* *at later by shift; 0: that is no time, and nothing has changed. */
static inline int
time_shift(uint64_t *at, int64_t shift)
{
	uint64_t moved = *at + (uint64_t)shift;

	if (shift < 0 ? moved > *at : moved < *at)
		return 0;
	*at = moved;
	return 1;
}

#endif
