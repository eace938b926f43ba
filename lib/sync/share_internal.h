/* What gateways have charged, as a table. */
#ifndef SYNC_SHARE_INTERNAL_H
#define SYNC_SHARE_INTERNAL_H

#include <aibrix/share.h>

enum {
	OWN = 0,          /* place among origins */
	COUNT_BYTES = 64, /* in a state */
	COUNT_KEY = 12,   /* of a record */
	CLAIM_KEY = 20
};

struct origin {
	aibrix_sync_peer peer;
	uint64_t heard_ns;
	uint32_t used, spare;
};

/* What one origin has charged; never all zeros. */
struct entry {
	aibrix_share_count count;
	uint32_t origin; /* its place + 1; 0: free */
	uint32_t mark;   /* the sweep that it has seen */
};

struct aibrix_share {
	aibrix_allocator alloc;
	uint64_t id, lease_ns, now_ns;
	struct origin *origins; /* n_origins; OWN's is without a peer */
	uint32_t n_origins;
	uint32_t mark;
	struct entry *entries; /* cap, a power of two, at most half full */
	size_t cap;
	uint32_t n, max;
};

/* A kind that counts? */
static inline int
kind_counts(uint32_t kind)
{
	return kind > AIBRIX_SHARE_CLAIM && kind <= AIBRIX_SHARE_KIND_MAX;
}

/* NULL: it has charged nothing there. */
struct entry *aibrix__share_find(const aibrix_share *s, uint32_t origin,
				 const aibrix_share_count *count);

/* What origin has charged now; 0: there was no room. */
int aibrix__share_set(aibrix_share *s, uint32_t origin,
		      const aibrix_share_count *count);

void aibrix__share_remove(aibrix_share *s, struct entry *entry);

#endif
