/*
 * What a cache tells of its blocks, for those who route by them.
 *
 *   begin -> events, as often as one likes -> an index of what L1 has
 *
 * Comes with cache.h.
 */
#ifndef AIBRIX_CACHE_EVENT_H
#define AIBRIX_CACHE_EVENT_H

#include <aibrix/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_CACHE_STORED = 1, /* the numbers of AIBRIX_EVENT_* */
	AIBRIX_CACHE_REMOVED = 2,
	AIBRIX_CACHE_CLEARED = 3 /* all that was told is no longer true */
};

/* Frozen: 64 bytes.  What happened to one block.  What an event of its type
 * does not have is zero. */
typedef struct aibrix_cache_event {
	uint64_t seq;      /* 0, 1, 2, ... */
	uint32_t type;     /* AIBRIX_CACHE_STORED, ... */
	uint32_t tier;     /* AIBRIX_CACHE_L1 */
	aibrix_key key;    /* its name on the wire: aibrix_hash_fold */
	aibrix_key parent; /* stored: of the block before it; zero: the prompt
			      begins here */
	uint64_t hash;     /* stored: content hash, as given to reserve; 0: not
			      known */
	uint64_t spare;
} aibrix_cache_event;

/*
 * Note from now on what happens to blocks of L1, for aibrix_cache_events.  To
 * be called before the first reserve or acquire.  Called again later: forget
 * what was told, and tell all anew behind a cleared event, for a consumer
 * that has lost some.
 *
 * Fails: E_STATE (the first call, and there are blocks), E_NOMEM.
 * Cost: 70 bytes for each block of L1; again: O(blocks).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_events_begin(aibrix_cache *cache);

/*
 * Take at most cap events; *n becomes their number.  cap of them: there may be
 * more.  Whoever has applied all of them has, of every prompt that was
 * reserved from its first block on, just the whole blocks that
 * aibrix_cache_lookup counts, at the time of this call.
 *
 * A parent is told before its child, and removals before what was stored
 * since.  A block whose parent has never been told, or is not there, waits
 * for it untold: lookup does not count it either.  A block that came and went
 * between two calls is not told.  Nothing is lost, however rarely this is
 * called.
 *
 * Fails: E_STATE (before aibrix_cache_events_begin), E_INVAL (cap 0).
 * Cost: O(n + blocks that were found to wait), under the lock.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_events(aibrix_cache *cache,
						aibrix_cache_event *out,
						uint32_t cap, uint32_t *n);

#ifdef __cplusplus
}
#endif

#endif
