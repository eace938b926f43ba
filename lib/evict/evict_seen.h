/* When fingerprints were last used: a table of fixed size that forgets the
 * oldest of eight. */
#ifndef EVICT_SEEN_H
#define EVICT_SEEN_H

#include "evict/evict_internal.h"

enum { SEEN_WAYS = 8 };

struct seen_cell {
	uint32_t tag;  /* and, in its highest bit, whether used twice */
	uint32_t time; /* 0: unused */
};

/* One line of memory. */
struct seen_set {
	struct seen_cell cells[SEEN_WAYS];
};

struct evict_seen {
	struct seen_set *sets;
	uint32_t mask; /* sets - 1 */
};

/* What is known of a fingerprint's uses. */
enum { SEEN_NEVER = 0, SEEN_ONCE = 1, SEEN_AGAIN = 2 };

/* seen is zeroed; close accepts what a failed open left. */
int aibrix__seen_open(struct evict_seen *seen, const aibrix_allocator *a,
		      uint32_t capacity);
void aibrix__seen_close(struct evict_seen *seen, const aibrix_allocator *a);

/* Note a use at time, not 0; *before becomes the time of the last one unless
 * SEEN_NEVER is returned. */
uint32_t aibrix__seen_note(struct evict_seen *seen, uint64_t fingerprint,
			   uint32_t time, uint32_t *before);

#endif
