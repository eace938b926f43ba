#ifndef EVICT_INTERNAL_H
#define EVICT_INTERNAL_H

#include <aibrix/evict.h>

#include "base/alloc.h"
#include "base/list.h"

enum { EVICT_HITS_MAX = 3 };

/* Where a slot is: in no queue, put aside by a pop, or in a policy's queue
 * (numbers from IN_QUEUE on are the policy's). */
enum { OUT = 0, ASIDE = 1, IN_QUEUE = 2 };

struct evict_slot {
	uint32_t pins;
	uint8_t where;
	uint8_t hits; /* at most EVICT_HITS_MAX; the policy's */
};

struct evict_policy;

struct aibrix_evict {
	aibrix_allocator alloc;
	const struct evict_policy *policy;
	void *state; /* the policy's */
	struct evict_slot *slots;
	struct link *links;
	uint32_t capacity, count, pinned;
	uint64_t inserts, hits, evictions, ghost_hits;
};

/*
 * What a policy is.  The front has checked all arguments; none of these
 * allocates but open, and only open can fail.
 */
struct evict_policy {
	/* Sets evict->state; close accepts what a failed open left. */
	int (*open)(aibrix_evict *evict, const aibrix_evict_opts *opts);
	void (*close)(aibrix_evict *evict);
	/* Put a slot that is OUT into a queue; 1 when it was remembered. */
	uint32_t (*insert)(aibrix_evict *evict, uint32_t slot,
			   uint64_t fingerprint);
	/* A slot in a queue was used. */
	void (*hit)(aibrix_evict *evict, uint32_t slot);
	/* Take a slot out of its queue, unremembered. */
	void (*remove)(aibrix_evict *evict, uint32_t slot);
	/* Take the next victim out and name it in *slot; 0 when there is
	 * none.  Pinned slots met on the way become ASIDE. */
	int (*pop)(aibrix_evict *evict, uint32_t *slot);
	/* Put a slot that was ASIDE back into a queue, as used. */
	void (*back)(aibrix_evict *evict, uint32_t slot);
	uint32_t (*ghosts)(const aibrix_evict *evict); /* NULL: has none */
};

extern const struct evict_policy aibrix__evict_lru;
extern const struct evict_policy aibrix__evict_s3fifo;

#endif
