/*
 * S3-FIFO (Yang et al., SOSP 2023), with the defaults of AIBrix: small queue
 * 30 %, promotion at one hit.
 *
 *            new --> small --> victim, remembered by the ghost list
 *                      | hit
 *                      v
 *   remembered -->   main  --> victim, forgotten
 *                    |    ^
 *                    '----' hit: second chance
 *
 * Made for KV blocks: most blocks of a long prompt are never asked for
 * again, and they pass through the small queue without disturbing main.  A
 * hit is one increment and moves nothing.
 *
 * Small gives when it holds more than its share or main is empty.  With all
 * slots taken that is the same as "main is within its share", AIBrix's rule;
 * libCacheSim takes from small also when both hold exactly their share.
 */

#include "evict/evict_ghost.h"
#include "evict/evict_internal.h"

enum { PROMOTE_HITS = 1 };
#define SMALL_RATIO 0.3

enum { IN_SMALL = IN_QUEUE, IN_MAIN };

struct s3fifo {
	struct list small, main;
	struct evict_ghost ghost;
	uint32_t small_share;
	uint32_t promote_hits;
	uint64_t *fingerprints; /* by slot, for the ghost list */
};

static int
s3fifo_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	double ratio = opts->small_ratio > 0 ? opts->small_ratio : SMALL_RATIO;
	uint32_t share = (uint32_t)(evict->capacity * ratio);
	struct s3fifo *s3 = aibrix__alloc(&evict->alloc, 1, sizeof(*s3));

	if (!s3)
		return AIBRIX_E_NOMEM;
	evict->state = s3;
	s3->small_share = share ? share : 1;
	s3->promote_hits =
		opts->promote_hits ? opts->promote_hits : PROMOTE_HITS;
	s3->fingerprints = aibrix__alloc(&evict->alloc, evict->capacity,
					 sizeof(*s3->fingerprints));
	if (!s3->fingerprints)
		return AIBRIX_E_NOMEM;
	return aibrix__ghost_open(&s3->ghost, &evict->alloc,
				  evict->capacity - s3->small_share);
}

static void
s3fifo_close(aibrix_evict *evict)
{
	struct s3fifo *s3 = evict->state;

	if (!s3)
		return;
	aibrix__ghost_close(&s3->ghost, &evict->alloc);
	aibrix__free(&evict->alloc, s3->fingerprints, evict->capacity,
		     sizeof(*s3->fingerprints));
	aibrix__free(&evict->alloc, s3, 1, sizeof(*s3));
}

static void
main_push(aibrix_evict *evict, uint32_t slot)
{
	struct s3fifo *s3 = evict->state;

	list_prepend(&s3->main, evict->links, slot);
	evict->slots[slot].where = IN_MAIN;
}

static uint32_t
s3fifo_insert(aibrix_evict *evict, uint32_t slot, uint64_t fingerprint)
{
	struct s3fifo *s3 = evict->state;

	s3->fingerprints[slot] = fingerprint;
	evict->slots[slot].hits = 0;
	if (aibrix__ghost_take(&s3->ghost, fingerprint)) {
		main_push(evict, slot);
		return 1;
	}
	list_prepend(&s3->small, evict->links, slot);
	evict->slots[slot].where = IN_SMALL;
	return 0;
}

static void
s3fifo_hit(aibrix_evict *evict, uint32_t slot)
{
	struct evict_slot *at = &evict->slots[slot];

	if (at->hits < EVICT_HITS_MAX)
		at->hits++;
}

static void
s3fifo_remove(aibrix_evict *evict, uint32_t slot)
{
	struct s3fifo *s3 = evict->state;
	int small = evict->slots[slot].where == IN_SMALL;

	list_remove(small ? &s3->small : &s3->main, evict->links, slot);
}

/* The tail of small: 1 when it is the victim. */
static int
small_give(aibrix_evict *evict, uint32_t slot)
{
	struct s3fifo *s3 = evict->state;

	if (evict->slots[slot].hits >= s3->promote_hits) {
		evict->slots[slot].hits = 0;
		main_push(evict, slot);
		return 0;
	}
	aibrix__ghost_push(&s3->ghost, s3->fingerprints[slot]);
	return 1;
}

/* The tail of main: 1 when it is the victim. */
static int
main_give(aibrix_evict *evict, uint32_t slot)
{
	if (evict->slots[slot].hits == 0)
		return 1;
	evict->slots[slot].hits--;
	main_push(evict, slot);
	return 0;
}

/* Each turn ends the search, or uses up a hit or a pin: the cost of a pop
 * is paid by the calls that made those. */
static int
s3fifo_pop(aibrix_evict *evict, uint32_t *slot)
{
	struct s3fifo *s3 = evict->state;
	uint32_t tail;
	int small;

	while (s3->small.count || s3->main.count) {
		small = s3->small.count > s3->small_share ||
			s3->main.count == 0;
		tail = small ? s3->small.tail : s3->main.tail;
		s3fifo_remove(evict, tail);
		if (evict->slots[tail].pins) {
			evict->slots[tail].where = ASIDE;
			continue;
		}
		if (small ? small_give(evict, tail) : main_give(evict, tail)) {
			*slot = tail;
			return 1;
		}
	}
	return 0;
}

static uint32_t
s3fifo_ghosts(const aibrix_evict *evict)
{
	const struct s3fifo *s3 = evict->state;

	return s3->ghost.fifo.count;
}

const struct evict_policy aibrix__evict_s3fifo = {
	.open = s3fifo_open,
	.close = s3fifo_close,
	.insert = s3fifo_insert,
	.hit = s3fifo_hit,
	.remove = s3fifo_remove,
	.pop = s3fifo_pop,
	.back = main_push,
	.ghosts = s3fifo_ghosts,
};
