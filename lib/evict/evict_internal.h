/*
 * What the files of the order share.
 *
 *   evict.c          arguments, pins, statistics: once for all policies
 *   evict_part.c     several orders over the same slots
 *   evict_spare.c    who is passed over: parents of residents, the costly
 *   evict_signal.c   the queue of what happened
 *   evict_ghost.c    fingerprints of what was evicted lately
 *   evict_<name>.c   a policy: a table of functions
 */
#ifndef EVICT_INTERNAL_H
#define EVICT_INTERNAL_H

#include <aibrix/evict.h>

#include "base/alloc.h"
#include "base/list.h"
#include "evict/evict_ask.h"

enum { EVICT_HITS_MAX = 3 };

/* Where a slot is: in no queue, put aside by a pop, or in a policy's queue
 * (numbers from IN_QUEUE on are the policy's). */
enum { OUT = 0, ASIDE = 1, IN_QUEUE = 2 };

/* Everything that a call on a slot touches: less than a line of memory. */
struct evict_slot {
	uint64_t fingerprint;
	uint32_t newer, older; /* neighbours in its queue */
	uint32_t pins;
	uint8_t where;
	uint8_t hits;   /* at most EVICT_HITS_MAX; the policy's */
	uint8_t uses;   /* at most EVICT_HITS_MAX; of the front, for HOT */
	uint8_t spared; /* has had its extra round for being costly */
};

struct evict_queue {
	uint32_t newest, oldest; /* of no meaning when count is 0 */
	uint32_t count;
};

struct evict_policy;
struct evict_spare;
struct evict_signals;

struct aibrix_evict {
	aibrix_allocator alloc;
	const struct evict_policy *policy;
	void *state;                   /* the policy's */
	struct evict_slot *slots;      /* a part's are the whole's */
	const aibrix_evict *whole;     /* NULL: it is no part */
	struct evict_spare *spare;     /* NULL: nobody is passed over */
	struct evict_signals *signals; /* NULL: none are wanted */
	evict_busy_fn busy;            /* NULL: all pins are told */
	void *busy_ctx;
	uint32_t capacity;
	uint32_t numbers; /* slots are 0 .. numbers - 1 */
	uint32_t count, pinned;
	uint32_t flags;
	uint32_t hot;    /* uses that make a slot hot */
	uint32_t extras; /* someone is passed over, or signals are wanted */
	uint64_t inserts, hits, evictions, ghost_hits;
	uint64_t replaced; /* evictions and inserts besides */
};

/*
 * What a policy is.  The front has checked all arguments and keeps
 * fingerprints; none of these allocates but open, and only open can fail.
 */
struct evict_policy {
	/* Sets evict->state; close accepts what a failed open left. */
	int (*open)(aibrix_evict *evict, const aibrix_evict_opts *opts);
	void (*close)(aibrix_evict *evict);
	/* Put a slot that is OUT into a queue; 1 when it was remembered. */
	uint32_t (*insert)(aibrix_evict *evict, uint32_t slot,
			   const aibrix_evict_block *block);
	/* A slot in a queue was used. */
	void (*hit)(aibrix_evict *evict, uint32_t slot);
	/* AIBrix's put of a key that is there; NULL: not one of its
	 * policies. */
	void (*rewrite)(aibrix_evict *evict, uint32_t slot);
	/* Take a slot out of its queue, unremembered. */
	void (*remove)(aibrix_evict *evict, uint32_t slot);
	/* Take the next victim out; NONE: there is none.  Pinned slots met
	 * on the way become ASIDE.  next is the fingerprint that will be
	 * inserted instead; NULL: not known. */
	uint32_t (*pop)(aibrix_evict *evict, const uint64_t *next);
	/* A pop for block, then its insert in the victim's slot, whose
	 * fingerprint is still the old one; ghost_hits is the policy's to
	 * count.  NULL: one after the other.  Only without extras, and when
	 * some slot is not pinned. */
	uint32_t (*replace)(aibrix_evict *evict,
			    const aibrix_evict_block *block);
	/* Put a slot that was ASIDE back into a queue, as used. */
	void (*back)(aibrix_evict *evict, uint32_t slot);
	/* The slot that a pop would look at first; NONE: the queues are empty.
	 * NULL: it has state of its own for each slot, and no parts. */
	uint32_t (*oldest)(const aibrix_evict *evict);
	/* capacity is another one; NULL: nothing depends on it. */
	void (*resize)(aibrix_evict *evict);
	/* Fill in what only the policy knows; NULL: nothing. */
	void (*stats)(const aibrix_evict *evict, aibrix_evict_stat *stat);
};

extern const struct evict_policy aibrix__evict_fifo;
extern const struct evict_policy aibrix__evict_lru;
extern const struct evict_policy aibrix__evict_s3fifo;
extern const struct evict_policy aibrix__evict_arc;
extern const struct evict_policy aibrix__evict_sieve;
extern const struct evict_policy aibrix__evict_auto;
extern const struct evict_policy aibrix__evict_density;

/* evict_spare.c */

/* Candidates that one pop may pass over. */
enum { EVICT_SPARES_MAX = 64 };

int aibrix__spare_open(aibrix_evict *evict);
void aibrix__spare_close(aibrix_evict *evict);
void aibrix__spare_insert(aibrix_evict *evict, uint32_t slot,
			  const aibrix_evict_block *block);
/* slot leaves the order; a victim, or removed. */
void aibrix__spare_leave(aibrix_evict *evict, uint32_t slot, int victim);
int aibrix__spare_wants(aibrix_evict *evict, uint32_t slot);
uint64_t aibrix__spare_count(const aibrix_evict *evict);

/* Whether the candidate goes round once more; *turns counts down from
 * EVICT_SPARES_MAX in each pop, so that a pop ends. */
static inline int
slot_spared(aibrix_evict *evict, uint32_t slot, uint32_t *turns)
{
	if (!evict->spare || *turns == 0 || !aibrix__spare_wants(evict, slot))
		return 0;
	--*turns;
	return 1;
}

/* evict_signal.c */

int aibrix__signals_open(aibrix_evict *evict, uint32_t cap, uint32_t kinds);
void aibrix__signals_close(aibrix_evict *evict);
void aibrix__signals_add(aibrix_evict *evict, uint32_t slot, uint32_t kind);
void aibrix__signals_stats(const aibrix_evict *evict, aibrix_evict_stat *stat);

static inline void
slot_signal(aibrix_evict *evict, uint32_t slot, uint32_t kind)
{
	if (evict->signals)
		aibrix__signals_add(evict, slot, kind);
}

/* Is a candidate pinned?  One whose owner says so only now is from now on. */
static inline int
slot_busy(aibrix_evict *evict, uint32_t slot)
{
	struct evict_slot *at = &evict->slots[slot];

	if (at->pins)
		return 1;
	if (!evict->busy || !evict->busy(evict->busy_ctx, slot))
		return 0;
	at->pins = 1;
	evict->pinned++;
	return 1;
}

/* Queues */

static inline void
queue_push(aibrix_evict *evict, struct evict_queue *q, uint32_t slot,
	   uint8_t where)
{
	struct evict_slot *at = &evict->slots[slot];

	at->newer = NONE;
	at->older = q->newest;
	at->where = where;
	if (q->count == 0) {
		at->older = NONE;
		q->oldest = slot;
	} else {
		evict->slots[q->newest].newer = slot;
	}
	q->newest = slot;
	q->count++;
}

static inline void
queue_remove(aibrix_evict *evict, struct evict_queue *q, uint32_t slot)
{
	uint32_t newer = evict->slots[slot].newer;
	uint32_t older = evict->slots[slot].older;

	if (newer == NONE)
		q->newest = older;
	else
		evict->slots[newer].older = older;
	if (older == NONE)
		q->oldest = newer;
	else
		evict->slots[older].newer = newer;
	q->count--;
}

/* The oldest, taken out; the queue is not empty. */
static inline uint32_t
queue_take(aibrix_evict *evict, struct evict_queue *q)
{
	uint32_t slot = q->oldest, newer = evict->slots[slot].newer;

	q->oldest = newer;
	q->count--;
	if (newer == NONE)
		q->newest = NONE;
	else
		evict->slots[newer].older = NONE;
	return slot;
}

/* The oldest becomes the newest; the queue is not empty. */
static inline void
queue_turn(aibrix_evict *evict, struct evict_queue *q)
{
	uint32_t slot = q->oldest, newest = q->newest;
	struct evict_slot *at = &evict->slots[slot];

	if (slot == newest)
		return;
	q->oldest = at->newer;
	q->newest = slot;
	evict->slots[at->newer].older = NONE;
	evict->slots[newest].newer = slot;
	at->newer = NONE;
	at->older = newest;
}

#endif
