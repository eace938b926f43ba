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
	struct evict_queue small, main;
	struct evict_ghost ghost;
	double small_ratio;
	uint32_t small_share;
	uint32_t promote_hits;
};

static void
s3fifo_resize(aibrix_evict *evict)
{
	struct s3fifo *s3 = evict->state;
	uint32_t share = (uint32_t)(evict->capacity * s3->small_ratio);

	s3->small_share = share ? share : 1;
}

static int
s3fifo_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	struct s3fifo *s3 = aibrix__alloc(&evict->alloc, 1, sizeof(*s3));

	if (!s3)
		return AIBRIX_E_NOMEM;
	evict->state = s3;
	s3->small_ratio =
		opts->small_ratio > 0 ? opts->small_ratio : SMALL_RATIO;
	s3fifo_resize(evict);
	s3->promote_hits =
		opts->promote_hits ? opts->promote_hits : PROMOTE_HITS;
	return aibrix__ghost_open(
		&s3->ghost, &evict->alloc,
		opts->ghosts ? opts->ghosts : evict->capacity - s3->small_share,
		1);
}

static void
s3fifo_close(aibrix_evict *evict)
{
	struct s3fifo *s3 = evict->state;

	if (!s3)
		return;
	aibrix__ghost_close(&s3->ghost, &evict->alloc);
	aibrix__free(&evict->alloc, s3, 1, sizeof(*s3));
}

static void
main_push(aibrix_evict *evict, uint32_t slot)
{
	struct s3fifo *s3 = evict->state;

	queue_push(evict, &s3->main, slot, IN_MAIN);
}

static void
small_push(aibrix_evict *evict, uint32_t slot)
{
	struct s3fifo *s3 = evict->state;

	queue_push(evict, &s3->small, slot, IN_SMALL);
}

/* at: of what is now in slot. */
static uint32_t
block_enter(aibrix_evict *evict, uint32_t slot, struct ghost_place at)
{
	struct s3fifo *s3 = evict->state;

	evict->slots[slot].hits = 0;
	if (ghost_take(&s3->ghost, at)) {
		main_push(evict, slot);
		return 1;
	}
	small_push(evict, slot);
	return 0;
}

static uint32_t
s3fifo_insert(aibrix_evict *evict, uint32_t slot,
	      const aibrix_evict_block *block)
{
	struct s3fifo *s3 = evict->state;

	return block_enter(evict, slot,
			   ghost_place(&s3->ghost, block->fingerprint));
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

	queue_remove(evict, small ? &s3->small : &s3->main, slot);
}

/* To the head of its own queue. */
static void
s3fifo_requeue(aibrix_evict *evict, uint32_t slot)
{
	int small = evict->slots[slot].where == IN_SMALL;

	s3fifo_remove(evict, slot);
	if (small)
		small_push(evict, slot);
	else
		main_push(evict, slot);
}

/* The oldest of small is looked at: 1 when it is the victim. */
static int
small_give(aibrix_evict *evict, uint32_t slot, uint32_t *turns)
{
	struct s3fifo *s3 = evict->state;

	if (evict->slots[slot].hits >= s3->promote_hits) {
		evict->slots[slot].hits = 0;
		main_push(evict, slot);
		return 0;
	}
	if (slot_spared(evict, slot, turns)) {
		small_push(evict, slot);
		return 0;
	}
	aibrix__ghost_push(&s3->ghost, 0, evict->slots[slot].fingerprint);
	return 1;
}

/* The oldest of main: 1 when it is the victim. */
static int
main_give(aibrix_evict *evict, uint32_t slot, uint32_t *turns)
{
	if (evict->slots[slot].hits)
		evict->slots[slot].hits--;
	else if (!slot_spared(evict, slot, turns))
		return 1;
	main_push(evict, slot);
	return 0;
}

static int
small_is_next(const struct s3fifo *s3)
{
	return s3->small.count > s3->small_share || s3->main.count == 0;
}

static uint32_t
s3fifo_oldest(const aibrix_evict *evict)
{
	const struct s3fifo *s3 = evict->state;

	if (s3->small.count == 0 && s3->main.count == 0)
		return NONE;
	return small_is_next(s3) ? s3->small.oldest : s3->main.oldest;
}

/* Each turn ends the search, or uses up a hit, a pin or a turn: the cost of
 * a pop is paid by the calls that made those. */
static uint32_t
s3fifo_pop(aibrix_evict *evict, const uint64_t *next)
{
	struct s3fifo *s3 = evict->state;
	uint32_t oldest, turns = EVICT_SPARES_MAX;
	int small;

	(void)next;
	while (s3->small.count || s3->main.count) {
		small = small_is_next(s3);
		oldest = queue_take(evict, small ? &s3->small : &s3->main);
		if (slot_busy(evict, oldest)) {
			evict->slots[oldest].where = ASIDE;
			continue;
		}
		if (small ? small_give(evict, oldest, &turns)
			  : main_give(evict, oldest, &turns)) {
			return oldest;
		}
	}
	return NONE;
}

/* Whether the oldest of small is the next victim, as is seen at once. */
static int
small_gives(const aibrix_evict *evict)
{
	const struct s3fifo *s3 = evict->state;
	const struct evict_slot *at = &evict->slots[s3->small.oldest];

	return s3->small.count > s3->small_share && at->pins == 0 &&
	       at->hits < s3->promote_hits;
}

/* Nearly always one of small makes room for a new one of small. */
static uint32_t
s3fifo_replace(aibrix_evict *evict, const aibrix_evict_block *block)
{
	struct s3fifo *s3 = evict->state;
	struct ghost_place at = ghost_place(&s3->ghost, block->fingerprint);
	uint32_t victim = s3->small.oldest;

	if (!small_gives(evict)) {
		victim = s3fifo_pop(evict, NULL);
		evict->ghost_hits += block_enter(evict, victim, at);
		return victim;
	}
	aibrix__ghost_push(&s3->ghost, 0, evict->slots[victim].fingerprint);
	evict->slots[victim].hits = 0;
	if (ghost_take(&s3->ghost, at)) {
		queue_take(evict, &s3->small);
		main_push(evict, victim);
		evict->ghost_hits++;
	} else {
		queue_turn(evict, &s3->small);
	}
	return victim;
}

static void
s3fifo_stats(const aibrix_evict *evict, aibrix_evict_stat *stat)
{
	const struct s3fifo *s3 = evict->state;

	stat->ghosts = ghost_count(&s3->ghost);
	stat->small_share = s3->small_share;
}

const struct evict_policy aibrix__evict_s3fifo = {
	.open = s3fifo_open,
	.close = s3fifo_close,
	.insert = s3fifo_insert,
	.hit = s3fifo_hit,
	.rewrite = s3fifo_requeue,
	.remove = s3fifo_remove,
	.pop = s3fifo_pop,
	.replace = s3fifo_replace,
	.back = main_push,
	.oldest = s3fifo_oldest,
	.resize = s3fifo_resize,
	.stats = s3fifo_stats,
};
