/*
 * ARC (Megiddo and Modha, FAST 2003): once seen, seen again, and a target
 * between them that ghosts move.
 *
 *       new --> once ---> victim, remembered as once: its return says that
 *                | hit        once should have been larger
 *                v
 *   remembered -> again -> victim, remembered as again: its return says that
 *                 | ^        again should have been larger
 *                 '-' hit
 *
 * The paper's replacement knows which block makes it necessary.  Here room
 * is made first (aibrix_evict_reserve says for what, aibrix_evict_pop does
 * not) and the block comes later, so the target may have moved already when
 * it comes: the remembered are marked by their absence from the lists, and
 * an insert corrects the lengths of both.  With one block at a time that is
 * the paper's order of events, to the block.
 */

#include "evict/evict_ghost.h"

enum { IN_ONCE = IN_QUEUE, IN_AGAIN };
enum { ONCE = 0, AGAIN = 1 }; /* lists of ghosts */

/* A step is a quotient of two lengths, and its fraction counts. */
#define ONE ((uint64_t)1 << 32)

struct arc {
	struct evict_queue once, again;
	struct evict_ghost ghost;
	uint64_t target;   /* of once, in ONEths of a slot */
	uint32_t has_next; /* the target has moved for next already */
	uint64_t next;
};

static int
arc_open(aibrix_evict *evict, const aibrix_evict_opts *opts)
{
	struct arc *arc = aibrix__alloc(&evict->alloc, 1, sizeof(*arc));

	if (!arc)
		return AIBRIX_E_NOMEM;
	evict->state = arc;
	/* One more than slots: between the pop and the insert. */
	return aibrix__ghost_open(
		&arc->ghost, &evict->alloc,
		opts->ghosts ? opts->ghosts : evict->capacity + 1, 2);
}

static void
arc_close(aibrix_evict *evict)
{
	struct arc *arc = evict->state;

	if (!arc)
		return;
	aibrix__ghost_close(&arc->ghost, &evict->alloc);
	aibrix__free(&evict->alloc, arc, 1, sizeof(*arc));
}

static void
again_push(aibrix_evict *evict, uint32_t slot)
{
	struct arc *arc = evict->state;

	queue_push(evict, &arc->again, slot, IN_AGAIN);
}

static void
arc_remove(aibrix_evict *evict, uint32_t slot)
{
	struct arc *arc = evict->state;
	int once = evict->slots[slot].where == IN_ONCE;

	queue_remove(evict, once ? &arc->once : &arc->again, slot);
}

static void
arc_hit(aibrix_evict *evict, uint32_t slot)
{
	arc_remove(evict, slot);
	again_push(evict, slot);
}

/* A remembered block returns: the list that lost it should be larger. */
static void
target_move(aibrix_evict *evict, uint32_t list)
{
	struct arc *arc = evict->state;
	uint32_t mine = arc->ghost.fifo[list].count;
	uint64_t step = arc->ghost.fifo[!list].count * ONE / mine;
	uint64_t most = evict->capacity * ONE;

	if (step < ONE)
		step = ONE;
	if (list == AGAIN)
		arc->target -= step < arc->target ? step : arc->target;
	else
		arc->target +=
			step < most - arc->target ? step : most - arc->target;
}

/* No more than a capacity of blocks seen once, resident or remembered, and
 * two of all. */
static void
ghosts_trim(aibrix_evict *evict)
{
	struct arc *arc = evict->state;
	struct ghost_fifo *fifo = arc->ghost.fifo;

	while (fifo[ONCE].count &&
	       arc->once.count + fifo[ONCE].count > evict->capacity)
		aibrix__ghost_drop(&arc->ghost, ONCE);
	while (fifo[AGAIN].count &&
	       evict->count + 1 + ghost_count(&arc->ghost) >
		       2 * evict->capacity)
		aibrix__ghost_drop(&arc->ghost, AGAIN);
}

/* found: what a look-up for the block said. */
static void
block_enter(aibrix_evict *evict, uint32_t slot, struct ghost_place at,
	    uint32_t found)
{
	struct arc *arc = evict->state;

	if (found) {
		ghost_take(&arc->ghost, at);
		again_push(evict, slot);
	} else {
		queue_push(evict, &arc->once, slot, IN_ONCE);
	}
	ghosts_trim(evict);
}

static uint32_t
arc_insert(aibrix_evict *evict, uint32_t slot, const aibrix_evict_block *block)
{
	struct arc *arc = evict->state;
	struct ghost_place at = ghost_place(&arc->ghost, block->fingerprint);
	uint32_t found = ghost_find(&arc->ghost, at);
	int moved = arc->has_next && arc->next == block->fingerprint;

	arc->has_next = 0;
	if (found && !moved)
		target_move(evict, found - 1);
	block_enter(evict, slot, at, found);
	return found != 0;
}

/* Whether the next victim is one of once; the other list may be empty. */
static int
once_gives(const struct arc *arc, uint32_t found)
{
	if (arc->once.count == 0 || arc->again.count == 0)
		return arc->once.count > 0;
	return arc->once.count * ONE > arc->target ||
	       (found == AGAIN + 1 && arc->once.count * ONE == arc->target);
}

/* found: what a look-up for the block said that comes instead. */
static uint32_t
victim_pop(aibrix_evict *evict, uint32_t found)
{
	struct arc *arc = evict->state;
	uint32_t oldest, turns = EVICT_SPARES_MAX;
	int once;

	while (arc->once.count || arc->again.count) {
		once = once_gives(arc, found);
		oldest = queue_take(evict, once ? &arc->once : &arc->again);
		if (slot_busy(evict, oldest)) {
			evict->slots[oldest].where = ASIDE;
		} else if (slot_spared(evict, oldest, &turns)) {
			queue_push(evict, once ? &arc->once : &arc->again,
				   oldest, once ? IN_ONCE : IN_AGAIN);
		} else {
			aibrix__ghost_push(&arc->ghost, once ? ONCE : AGAIN,
					   evict->slots[oldest].fingerprint);
			return oldest;
		}
	}
	return NONE;
}

static uint32_t
arc_pop(aibrix_evict *evict, const uint64_t *next)
{
	struct arc *arc = evict->state;
	uint32_t found = 0;

	if (next)
		found = ghost_find(&arc->ghost,
				   ghost_place(&arc->ghost, *next));
	if (found && !(arc->has_next && arc->next == *next)) {
		target_move(evict, found - 1);
		arc->has_next = 1;
		arc->next = *next;
	}
	return victim_pop(evict, found);
}

static uint32_t
arc_replace(aibrix_evict *evict, const aibrix_evict_block *block)
{
	struct arc *arc = evict->state;
	struct ghost_place at = ghost_place(&arc->ghost, block->fingerprint);
	uint32_t found = ghost_find(&arc->ghost, at);
	int moved = arc->has_next && arc->next == block->fingerprint;
	uint32_t victim;

	if (found && !moved) {
		target_move(evict, found - 1);
		moved = 1;
	}
	victim = victim_pop(evict, found);
	arc->has_next = 0;
	/* The victim may have made the ghosts forget, or be its namesake. */
	if (found || evict->slots[victim].fingerprint == block->fingerprint)
		found = ghost_find(&arc->ghost, at);
	if (found && !moved)
		target_move(evict, found - 1);
	evict->count--;
	block_enter(evict, victim, at, found);
	evict->count++;
	evict->ghost_hits += found != 0;
	return victim;
}

static uint32_t
arc_oldest(const aibrix_evict *evict)
{
	const struct arc *arc = evict->state;

	if (arc->once.count == 0 && arc->again.count == 0)
		return NONE;
	return once_gives(arc, 0) ? arc->once.oldest : arc->again.oldest;
}

static void
arc_resize(aibrix_evict *evict)
{
	struct arc *arc = evict->state;

	if (arc->target > evict->capacity * ONE)
		arc->target = evict->capacity * ONE;
}

static void
arc_stats(const aibrix_evict *evict, aibrix_evict_stat *stat)
{
	const struct arc *arc = evict->state;

	stat->ghosts = ghost_count(&arc->ghost);
	stat->small_share = (uint32_t)(arc->target / ONE);
}

const struct evict_policy aibrix__evict_arc = {
	.open = arc_open,
	.close = arc_close,
	.insert = arc_insert,
	.hit = arc_hit,
	.remove = arc_remove,
	.pop = arc_pop,
	.replace = arc_replace,
	.back = again_push,
	.oldest = arc_oldest,
	.resize = arc_resize,
	.stats = arc_stats,
};
