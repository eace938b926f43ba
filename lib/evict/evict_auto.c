/*
 * S3-FIFO whose small queue finds its share, and which admits new blocks
 * only on second sight while the cache is too small for its load.
 *
 *          new --> small --> victim, remembered: its return makes small
 *           |        | hit                                    larger
 *    closed |        v
 *           |      main ---> victim, remembered: its return makes small
 *           v       ^ |                                       smaller
 *         cold      '-' hit
 *           '--> victim before all others, forgotten
 *
 * The share starts at its upper end, where the order is nearly recency, and
 * ghosts move it within [0.1, 0.7] of the slots.
 *
 * The gate.  Time is counted in inserts, so that the same calls give the
 * same victims.  A cache of C slots turns over in C inserts: a block that
 * comes back sooner would have been there.  Closed, only blocks that were
 * seen before take room from others, a share f of all inserts, so what is in
 * main stays for C / f.  Each reuse is a vote:
 *
 *   the second use, within C inserts        for open: closed would miss it
 *   a later use, after C but within C / f   for closed: open would miss it
 *
 * and the gate is closed while two thirds of late votes want it.  Comparing
 * the mean gap of all reuses with C, the plainer rule, closes the gate for
 * blocks that are used twice, and loses up to 17 % to LRU on conversations
 * of few turns.
 *
 * Not admitted is not refused: a block always gets its slot, since it is on
 * its way to other tiers, and is the first to lose it.
 */

#include "evict/evict_ghost.h"
#include "evict/evict_seen.h"

enum { IN_COLD = IN_QUEUE, IN_SMALL, IN_MAIN, QUEUES = 3 };
enum { OF_SMALL = 0, OF_MAIN = 1 }; /* lists of ghosts */

#define SHARE_MIN 0.1
#define SHARE_MAX 0.7

/* Shares in 65536ths.  A vote moves the gate by a 512th of its way, an
 * insert what is known of inserts by a 1024th. */
enum {
	ALL = 1 << 16,
	VOTE_SHIFT = 9,
	SEEN_SHIFT = 10,
	CLOSED_ABOVE = ALL / 3 * 2,
	SEEN_LEAST = ALL / 16
};

struct automatic {
	struct evict_queue queues[QUEUES]; /* by where, from IN_QUEUE on */
	struct evict_ghost ghost;
	struct evict_seen seen;
	uint32_t share, share_min, share_max; /* of small, in slots */
	uint32_t promote_hits;
	uint32_t now;        /* inserts, never 0 */
	uint32_t votes;      /* for closed, a share of ALL */
	uint32_t seen_share; /* of inserts that were seen before, of ALL */
	uint64_t unadmitted;
};

static uint32_t
slots_of(const aibrix_evict *evict, double ratio)
{
	uint32_t n = (uint32_t)(evict->capacity * ratio);

	return n ? n : 1;
}

static void
auto_resize(aibrix_evict *evict)
{
	struct automatic *a = evict->state;

	a->share_min = slots_of(evict, SHARE_MIN);
	a->share_max = slots_of(evict, SHARE_MAX);
	if (a->share > a->share_max)
		a->share = a->share_max;
	if (a->share < a->share_min)
		a->share = a->share_min;
}

static int
auto_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	struct automatic *a = aibrix__alloc(&evict->alloc, 1, sizeof(*a));
	int err;

	if (!a)
		return AIBRIX_E_NOMEM;
	evict->state = a;
	a->share = UINT32_MAX;
	auto_resize(evict);
	a->promote_hits = opts->promote_hits ? opts->promote_hits : 1;
	a->now = 1;
	err = aibrix__ghost_open(&a->ghost, &evict->alloc,
				 opts->ghosts ? opts->ghosts : evict->capacity,
				 2);
	if (err)
		return err;
	return aibrix__seen_open(&a->seen, &evict->alloc, evict->capacity);
}

static void
auto_close(aibrix_evict *evict)
{
	struct automatic *a = evict->state;

	if (!a)
		return;
	aibrix__seen_close(&a->seen, &evict->alloc);
	aibrix__ghost_close(&a->ghost, &evict->alloc);
	aibrix__free(&evict->alloc, a, 1, sizeof(*a));
}

static void
auto_push(aibrix_evict *evict, uint32_t slot, uint8_t where)
{
	struct automatic *a = evict->state;

	queue_push(evict, &a->queues[where - IN_QUEUE], slot, where);
}

static void
auto_remove(aibrix_evict *evict, uint32_t slot)
{
	struct automatic *a = evict->state;
	uint8_t where = evict->slots[slot].where;

	queue_remove(evict, &a->queues[where - IN_QUEUE], slot);
}

static void
auto_back(aibrix_evict *evict, uint32_t slot)
{
	auto_push(evict, slot, IN_MAIN);
}

/* A use of what was seen before, gap inserts ago. */
static void
gate_vote(aibrix_evict *evict, uint32_t seen, uint32_t gap)
{
	struct automatic *a = evict->state;
	uint64_t share =
		a->seen_share > SEEN_LEAST ? a->seen_share : SEEN_LEAST;

	if (seen == SEEN_ONCE && gap <= evict->capacity)
		a->votes -= a->votes >> VOTE_SHIFT;
	else if (seen == SEEN_AGAIN && gap > evict->capacity &&
		 gap * share <= (uint64_t)evict->capacity * ALL)
		a->votes += (ALL - a->votes) >> VOTE_SHIFT;
}

static uint32_t
use_note(aibrix_evict *evict, uint64_t fingerprint)
{
	struct automatic *a = evict->state;
	uint32_t before = 0;
	uint32_t seen =
		aibrix__seen_note(&a->seen, fingerprint, a->now, &before);

	if (seen != SEEN_NEVER)
		gate_vote(evict, seen, a->now - before);
	return seen;
}

/* What one list lost returns: that queue was too small, and the more so the
 * shorter its list is beside the other. */
static void
share_move(struct automatic *a, uint32_t list)
{
	uint32_t mine = a->ghost.fifo[list].count;
	uint32_t step = a->ghost.fifo[!list].count / mine;

	if (step == 0)
		step = 1;
	if (list == OF_SMALL)
		a->share += step < a->share_max - a->share
				    ? step
				    : a->share_max - a->share;
	else
		a->share -= step < a->share - a->share_min
				    ? step
				    : a->share - a->share_min;
}

static void
insert_count(struct automatic *a, uint32_t seen)
{
	a->seen_share -= a->seen_share >> SEEN_SHIFT;
	if (seen != SEEN_NEVER)
		a->seen_share += ALL >> SEEN_SHIFT;
	a->now++;
	if (a->now == 0)
		a->now = 1;
}

static uint32_t
auto_insert(aibrix_evict *evict, uint32_t slot, const aibrix_evict_block *block)
{
	struct automatic *a = evict->state;
	struct ghost_place at = ghost_place(&a->ghost, block->fingerprint);
	uint32_t found = ghost_find(&a->ghost, at);
	uint32_t seen = use_note(evict, block->fingerprint);

	insert_count(a, seen);
	evict->slots[slot].hits = 0;
	if (found) {
		share_move(a, found - 1);
		ghost_take(&a->ghost, at);
		auto_push(evict, slot, IN_MAIN);
	} else if (seen == SEEN_NEVER && a->votes > CLOSED_ABOVE) {
		a->unadmitted++;
		auto_push(evict, slot, IN_COLD);
	} else {
		auto_push(evict, slot, IN_SMALL);
	}
	return found != 0;
}

static void
auto_hit(aibrix_evict *evict, uint32_t slot)
{
	struct evict_slot *at = &evict->slots[slot];

	use_note(evict, at->fingerprint);
	if (at->hits < EVICT_HITS_MAX)
		at->hits++;
	if (at->where == IN_COLD) {
		auto_remove(evict, slot);
		auto_push(evict, slot, IN_SMALL);
	}
}

static uint8_t
queue_next(const struct automatic *a)
{
	if (a->queues[IN_COLD - IN_QUEUE].count)
		return IN_COLD;
	if (a->queues[IN_SMALL - IN_QUEUE].count > a->share ||
	    a->queues[IN_MAIN - IN_QUEUE].count == 0)
		return IN_SMALL;
	return IN_MAIN;
}

static uint32_t
auto_oldest(const aibrix_evict *evict)
{
	const struct automatic *a = evict->state;
	const struct evict_queue *q = &a->queues[queue_next(a) - IN_QUEUE];

	return q->count ? q->oldest : NONE;
}

/* The oldest of its queue, taken out of it: where it goes instead of leaving;
 * OUT when it is the victim. */
static uint8_t
slot_goes(aibrix_evict *evict, uint32_t slot, uint8_t from, uint32_t *turns)
{
	const struct automatic *a = evict->state;
	struct evict_slot *at = &evict->slots[slot];

	if (slot_busy(evict, slot))
		return ASIDE;
	if (from == IN_SMALL && at->hits >= a->promote_hits) {
		at->hits = 0;
		return IN_MAIN;
	}
	if (from == IN_MAIN && at->hits) {
		at->hits--;
		return IN_MAIN;
	}
	return slot_spared(evict, slot, turns) ? from : OUT;
}

/* Each turn ends the search, or uses up a hit, a pin or a turn. */
static uint32_t
auto_pop(aibrix_evict *evict, const uint64_t *next)
{
	struct automatic *a = evict->state;
	uint32_t oldest, turns = EVICT_SPARES_MAX;
	uint8_t from, to;

	(void)next;
	for (;;) {
		from = queue_next(a);
		if (a->queues[from - IN_QUEUE].count == 0)
			return NONE;
		oldest = queue_take(evict, &a->queues[from - IN_QUEUE]);
		to = slot_goes(evict, oldest, from, &turns);
		if (to == OUT)
			break;
		if (to == ASIDE)
			evict->slots[oldest].where = ASIDE;
		else
			auto_push(evict, oldest, to);
	}
	if (from != IN_COLD)
		aibrix__ghost_push(&a->ghost,
				   from == IN_SMALL ? OF_SMALL : OF_MAIN,
				   evict->slots[oldest].fingerprint);
	return oldest;
}

static void
auto_stats(const aibrix_evict *evict, aibrix_evict_stat *stat)
{
	const struct automatic *a = evict->state;

	stat->ghosts = ghost_count(&a->ghost);
	stat->small_share = a->share;
	stat->unadmitted = a->unadmitted;
}

const struct evict_policy aibrix__evict_auto = {
	.open = auto_open,
	.close = auto_close,
	.insert = auto_insert,
	.hit = auto_hit,
	.remove = auto_remove,
	.pop = auto_pop,
	.back = auto_back,
	.oldest = auto_oldest,
	.resize = auto_resize,
	.stats = auto_stats,
};
