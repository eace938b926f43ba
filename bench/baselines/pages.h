/*
 * An allocator of powers of two out of large pages, as the library takes
 * them for its map: tables that are read at random want few page walks.
 */
#ifndef BASELINES_PAGES_H
#define BASELINES_PAGES_H

#include <aibrix/base.h>

enum { PAGES_SIZES = 22 }; /* 2^0 to 2^21 bytes */

struct pages {
	aibrix_allocator allocator; /* hand out this one */
	const aibrix_allocator *inner;
	struct piece *free[PAGES_SIZES];
	struct page *taken;
	size_t left; /* bytes of the first of them */
	size_t idle; /* bytes of pages that nobody has */
};

/* p must not move. */
void pages_open(struct pages *p, const aibrix_allocator *inner);

/* All that was handed out goes with it. */
void pages_close(struct pages *p);

#endif
