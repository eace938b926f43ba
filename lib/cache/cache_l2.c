/*
 * L2: what travels between L1 and the store.
 *
 *   waiting lease     probe --> found --> fetch --> verify --> held
 *   committed slots   queue --> put
 *   a damaged value   delete
 *
 * A transfer owns what the store may touch: its key, its frame, its iov, and
 * a pin on its slot.  When a lease gives up, its transfers are detached: the
 * slot leaves the table at once, so nobody is handed it, and returns to the
 * pool when the store has let go of it.  (AIBrix frees buffers at the
 * deadline while threads still write: cache_manager.py, _acquire_impl.)
 *
 * The number of transfers is fixed, which bounds the work in flight.  Blocks
 * that wait to be written wait in a list through their slots: no memory, no
 * pin, so a slow L2 costs writes and never L1.
 *
 * Probes run WINDOW blocks ahead of fetches: a prompt of 10^6 blocks of
 * which L2 has three costs some 67 probes, and no slot is taken, nothing
 * evicted, for a block that L2 does not have.
 */

#include "cache/cache_internal.h"

#include <string.h>

#include "cache/cache_batch.h"

enum { WINDOW = 64 };

static struct lease *
transfer_lease(aibrix_cache *cache, const struct transfer *t)
{
	return t->lease == NONE ? NULL : &cache->leases[t->lease];
}

/* Hold a block that L1 has, verified.  A damaged one is dropped and the
 * answer is 0: then it is L2's turn. */
static int
lease_hold(aibrix_cache *cache, struct lease *l, uint64_t i, uint32_t slot)
{
	struct lease_block *b = &l->blocks[i];

	if (!(cache->flags & AIBRIX_CACHE_NO_L1_VERIFY) &&
	    aibrix__l1_sum(cache, slot) != cache->slots[slot].checksum) {
		aibrix__l1_damaged(cache, slot);
		return 0;
	}
	aibrix__l1_pin(cache, slot);
	b->state = BLOCK_HELD;
	b->ref = slot;
	b->tier = AIBRIX_CACHE_L1;
	return 1;
}

/*
 * Block i as L1 has it now.  1: that settles it, for the time being (held,
 * on its way for another lease, or the prefix ends here); 0: L2 must say.
 */
static int
lease_look(aibrix_cache *cache, struct lease *l, uint64_t i)
{
	uint32_t slot = aibrix__table_find(&cache->table, &l->blocks[i].key);

	if (slot == NONE)
		return 0;
	switch (cache->slots[slot].state) {
	case SLOT_READY: return lease_hold(cache, l, i, slot);
	case SLOT_FETCHING: l->blocks[i].state = BLOCK_FOUND; return 1;
	default:
		/* A reservation may take for ever: a miss. */
		aibrix__lease_cut(cache, l, i);
		return 1;
	}
}

static void
goal_set(aibrix_cache *cache, struct transfer *t, const struct lease *l)
{
	if (!l->prefetch)
		return;
	t->goal = GOAL_PREFETCH;
	cache->prefetching++;
}

static void
lease_probe(aibrix_cache *cache, struct lease *l, struct batch *batch)
{
	struct transfer *t;
	uint64_t i;

	while (!batch->stalled && l->probe_at < l->n &&
	       l->probe_at < l->get_at + WINDOW) {
		i = l->probe_at;
		/* What a full store refused lies behind what was looked at. */
		if (l->blocks[i].state != BLOCK_WANTED ||
		    lease_look(cache, l, i)) {
			l->probe_at++;
			continue;
		}
		if (!aibrix__prefetch_may(cache, l))
			return;
		t = aibrix__transfer_take(cache, AIBRIX_STORE_PROBE,
					  &l->blocks[i].key);
		if (!t)
			return;
		goal_set(cache, t, l);
		t->lease = (uint32_t)(l - cache->leases);
		t->block = i;
		l->blocks[i].state = BLOCK_PROBING;
		l->blocks[i].ref = (uint32_t)(t - cache->transfers);
		l->probe_at++;
		aibrix__batch_add(batch, t, l->deadline_ns);
	}
}

/* 0: no transfer is free. */
static int
fetch_start(aibrix_cache *cache, struct lease *l, uint64_t i,
	    struct batch *batch)
{
	const aibrix_key *parent = i ? &l->blocks[i - 1].key : NULL;
	struct lease_block *b = &l->blocks[i];
	struct transfer *t;
	uint32_t slot;

	if (!aibrix__prefetch_may(cache, l))
		return 0;
	t = aibrix__transfer_take(cache, AIBRIX_STORE_GET, &b->key);
	if (!t)
		return 0;
	goal_set(cache, t, l);
	slot = aibrix__l1_take(cache, &b->key, parent, SLOT_FETCHING);
	if (slot == NONE) {
		aibrix__transfer_give(cache, t);
		aibrix__lease_cut(cache, l, i);
		return 1;
	}
	t->lease = (uint32_t)(l - cache->leases);
	t->block = i;
	t->slot = slot;
	b->state = BLOCK_FETCHING;
	b->ref = (uint32_t)(t - cache->transfers);
	l->get_at++;
	aibrix__batch_add(batch, t, l->deadline_ns);
	return 1;
}

/* Fetch what was found, as far as everything before it is held or on its
 * way. */
static void
lease_fetch(aibrix_cache *cache, struct lease *l, struct batch *batch)
{
	const struct lease_block *b;
	uint64_t i;

	while (!batch->stalled && l->get_at < l->n) {
		i = l->get_at;
		b = &l->blocks[i];
		if (b->state == BLOCK_FOUND && !lease_look(cache, l, i)) {
			if (!fetch_start(cache, l, i, batch))
				return;
			continue;
		}
		/* Still found: another lease fetches it, so it waits for
		 * that. */
		if (i < l->n && b->state != BLOCK_HELD)
			return;
		l->get_at += i < l->n;
	}
}

static void
lease_advance(aibrix_cache *cache, struct lease *l, struct batch *batch)
{
	lease_fetch(cache, l, batch);
	lease_probe(cache, l, batch);
	/* Probes that L1 answered may have opened the way. */
	lease_fetch(cache, l, batch);
	aibrix__batch_flush(batch);
	if (aibrix__lease_good(l) == l->n)
		aibrix__lease_settle(cache, l);
}

void
aibrix__l2_advance(aibrix_cache *cache, struct lease *l, uint64_t now_ns)
{
	struct batch batch = {.cache = cache, .now_ns = now_ns};

	cache->now_ns = now_ns;
	lease_advance(cache, l, &batch);
}

void
aibrix__l2_detach(aibrix_cache *cache, uint32_t i)
{
	struct transfer *t = &cache->transfers[i];

	t->lease = NONE;
	if (t->slot == NONE)
		return;
	aibrix__l1_drop(cache, t->slot);
	/* It may have ended already, or not have begun: both are fine. */
	(void)!aibrix_store_cancel(cache->l2, (uint64_t)(uintptr_t)t);
}

static void
probe_done(aibrix_cache *cache, struct transfer *t, const aibrix_done *done)
{
	struct lease *l = transfer_lease(cache, t);

	if (done->status && done->status != AIBRIX_E_NOT_FOUND &&
	    done->status != AIBRIX_E_CANCELED)
		cache->stat.l2_errors++;
	aibrix__meter_fault(cache, done->status);
	if (!l)
		return;
	/* A value of another length was stored under another layout. */
	if (done->status == AIBRIX_OK && done->bytes == value_bytes(cache)) {
		l->blocks[t->block].state = BLOCK_FOUND;
		return;
	}
	l->late |= done->status == AIBRIX_E_TIMEOUT;
	l->blocks[t->block].state = BLOCK_WANTED;
	aibrix__lease_cut(cache, l, t->block);
}

/* Is that the frame of the block that was asked for? */
static int
frame_verify(const aibrix_cache *cache, const struct transfer *t,
	     struct frame *got)
{
	struct frame want = {.payload_bytes = cache->block_bytes,
			     .layout = cache->layout};
	int err = aibrix__frame_decode(cache->cpu, t->frame, got);

	if (err)
		return err;
	memcpy(want.key, t->key.bytes, sizeof(t->key.bytes));
	err = aibrix__frame_check(&want, got);
	if (err)
		return err;
	/* Unsummed, or part of a block: whole, but not what is wanted here. */
	if (got->flags == FRAME_SUM_XXH3 ||
	    (got->flags == FRAME_SUM_NONE &&
	     cache->flags & AIBRIX_CACHE_NO_L2_VERIFY))
		return AIBRIX_OK;
	return AIBRIX_E_UNSUPPORTED;
}

/* Is what arrived the block that was asked for?  OK with its sum, E_CORRUPT,
 * or another status: a miss. */
static int
value_check(const aibrix_cache *cache, const struct transfer *t,
	    const aibrix_done *done, uint64_t *sum)
{
	struct frame got = {0};
	int err;

	if (done->status)
		return done->status;
	if (cache->flags & AIBRIX_CACHE_L2_RAW) {
		if (done->bytes != cache->block_bytes)
			return AIBRIX_E_NOT_FOUND; /* of another layout */
	} else {
		err = done->bytes < FRAME_BYTES ? AIBRIX_E_CORRUPT
						: frame_verify(cache, t, &got);
		if (err)
			return err;
		if (done->bytes != value_bytes(cache))
			return AIBRIX_E_CORRUPT;
	}
	*sum = sums_are_kept(cache) ? aibrix__l1_sum(cache, t->slot) : 0;
	if (cache->flags & (AIBRIX_CACHE_L2_RAW | AIBRIX_CACHE_NO_L2_VERIFY))
		return AIBRIX_OK;
	return *sum == got.checksum ? AIBRIX_OK : AIBRIX_E_CORRUPT;
}

/* What a frame that was verified says besides of its block. */
static void
origin_tell(aibrix_cache *cache, const struct transfer *t, uint32_t slot)
{
	aibrix_key parent;
	uint64_t hash = 0;
	struct frame f;

	if (!cache->events || cache->flags & AIBRIX_CACHE_L2_RAW ||
	    aibrix__frame_decode(cache->cpu, t->frame, &f))
		return;
	memcpy(parent.bytes, f.parent, sizeof(parent.bytes));
	for (uint32_t i = 0; i < sizeof(hash); i++)
		hash |= (uint64_t)f.digest[i] << (8 * i);
	aibrix__events_taken(cache, slot, &parent);
	aibrix__events_content(cache, slot, hash);
}

/* A miss is no fault, and neither is a value of somebody else's layout. */
static void
fault_count(aibrix_cache *cache, int err)
{
	switch (err) {
	case AIBRIX_OK:
	case AIBRIX_E_NOT_FOUND:
	case AIBRIX_E_SPACE:
	case AIBRIX_E_UNSUPPORTED:
	case AIBRIX_E_CANCELED: break;
	case AIBRIX_E_CORRUPT: cache->stat.corrupt_l2++; break;
	default: cache->stat.l2_errors++; break;
	}
}

static void
value_delete(aibrix_cache *cache, const aibrix_key *key)
{
	struct batch batch = {.cache = cache, .now_ns = cache->now_ns};
	struct transfer *t;

	if (cache->flags & AIBRIX_CACHE_NO_L2_WRITE)
		return;
	/* Without a free transfer it stays, to be caught again. */
	t = aibrix__transfer_take(cache, AIBRIX_STORE_DELETE, key);
	if (!t)
		return;
	aibrix__batch_add(&batch, t, 0);
	aibrix__batch_flush(&batch);
}

static void
get_done(aibrix_cache *cache, struct transfer *t, const aibrix_done *done)
{
	struct lease *l = transfer_lease(cache, t);
	uint32_t slot = t->slot;
	uint64_t sum;
	int err;

	/* Detached: the slot is loose, and what it holds is not looked at. */
	err = l ? value_check(cache, t, done, &sum) : AIBRIX_E_CANCELED;
	t->slot = NONE;
	if (!l) {
		aibrix__l1_unpin(cache, slot);
		return;
	}
	fault_count(cache, err);
	aibrix__meter_fault(cache, err);
	if (err) {
		aibrix__l1_drop(cache, slot);
		aibrix__l1_unpin(cache, slot);
		l->late |= err == AIBRIX_E_TIMEOUT;
		l->blocks[t->block].state = BLOCK_WANTED;
		aibrix__lease_cut(cache, l, t->block);
		if (err == AIBRIX_E_CORRUPT)
			value_delete(cache, &t->key);
		return;
	}
	/* The transfer's pin is the lease's now. */
	cache->slots[slot].checksum = sum;
	cache->slots[slot].l2 = L2_HAS;
	origin_tell(cache, t, slot);
	aibrix__l1_publish(cache, slot);
	l->blocks[t->block].state = BLOCK_HELD;
	l->blocks[t->block].ref = slot;
	l->blocks[t->block].tier = AIBRIX_CACHE_L2;
	aibrix__budget_arrival(cache, l);
}

void
aibrix__l2_done(const aibrix_done *done)
{
	struct transfer *t = (struct transfer *)(uintptr_t)done->tag;
	aibrix_cache *cache = t->owner;

	if (t->goal == GOAL_WRITE)
		aibrix__write_done(cache, t, done);
	else if (t->op == AIBRIX_STORE_PROBE)
		probe_done(cache, t, done);
	else if (t->op == AIBRIX_STORE_GET)
		get_done(cache, t, done);
	/* A delete that failed is tried at the next reading. */
	aibrix__transfer_give(cache, t);
	cache->ended++;
}

/* Settle what is late, ask for what is lacking, write what waits. */
void
aibrix__l2_move(aibrix_cache *cache, uint64_t now_ns)
{
	struct batch batch = {.cache = cache, .now_ns = now_ns};
	uint32_t i, next;
	struct lease *l;
	uint64_t limit;

	cache->now_ns = now_ns;
	next = cache->leases_waiting.count ? cache->leases_waiting.head : NONE;
	while (next != NONE) {
		i = next;
		next = cache->lease_links[i].next; /* i may leave the list */
		l = &cache->leases[i];
		limit = aibrix__budget_limit(cache, l);
		if (limit && now_ns >= limit) {
			l->late |= aibrix__lease_good(l) < l->n;
			aibrix__lease_settle(cache, l);
		} else {
			lease_advance(cache, l, &batch);
		}
		if (l->prefetch && l->state == LEASE_ACQUIRED)
			aibrix__prefetch_over(cache, l);
	}
	aibrix__l2_write(cache, now_ns);
}
