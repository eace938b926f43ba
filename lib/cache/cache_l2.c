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
 * evicted, for a block that L2 does not have.  Where L2 had nothing of the
 * last prompts, the first block is asked about alone: most prompts are not
 * known at all, and cost one probe then.  A counter of two bits, as branches
 * are predicted, says which it will be; a wrong guess costs one more answer
 * to wait for, or a window of probes in vain.
 */

#include "cache/cache_internal.h"

#include <string.h>

#include "cache/cache_batch.h"

enum { WINDOW = 64 };
enum { LUCK_MAX = 3, LUCK_GOOD = 2 };

static struct lease *
transfer_lease(aibrix_cache *cache, const struct transfer *t)
{
	return t->lease == NONE ? NULL : &cache->leases[t->lease];
}

enum {
	LOOK_MISS = 0,  /* L2 must say */
	LOOK_GOOD = 1,  /* that settles it, for the time being */
	LOOK_LATER = 2, /* no transfer is free */
};

/* A block that L1 has.  Its bytes are looked at with the lock released, and
 * it is a transfer that does so: as with one to L2, the lease may be given up
 * meanwhile, and the slot stays. */
static int
lease_hold(struct batch *batch, struct lease *l, uint64_t i, uint32_t slot)
{
	aibrix_cache *cache = batch->cache;
	struct lease_block *b = &l->blocks[i];
	struct transfer *t;

	if (!verifies_now(cache)) {
		if (!aibrix__l1_read(cache, slot)) {
			aibrix__lease_cut(cache, l, i);
			return LOOK_GOOD;
		}
		b->state = BLOCK_HELD;
		b->ref = slot;
		b->tier = AIBRIX_CACHE_L1;
		return LOOK_GOOD;
	}
	t = aibrix__transfer_take(cache, TRANSFER_VERIFY, &b->key);
	if (!t)
		return LOOK_LATER;
	aibrix__l1_pin(cache, slot);
	t->lease = (uint32_t)(l - cache->leases);
	t->block = i;
	t->slot = slot;
	b->state = BLOCK_FETCHING;
	b->ref = (uint32_t)(t - cache->transfers);
	batch->looks[batch->n_looks++] = t;
	return LOOK_GOOD;
}

/* Block i as L1 has it now: held or about to be, on its way for another
 * lease, or the prefix ends here. */
static int
lease_look(struct batch *batch, struct lease *l, uint64_t i)
{
	aibrix_cache *cache = batch->cache;
	uint32_t slot = aibrix__table_find(&cache->table, &l->blocks[i].key);

	if (slot == NONE)
		return LOOK_MISS;
	switch (slot_state(&cache->slots[slot])) {
	case SLOT_READY:
		if (slot_tail(cache, slot) == lease_tail(l, i))
			return lease_hold(batch, l, i, slot);
		aibrix__lease_fail(cache, l, i, AIBRIX_E_NOT_FOUND);
		return LOOK_GOOD;
	case SLOT_FETCHING:
		l->blocks[i].state = BLOCK_FOUND;
		l->known = 1;
		return LOOK_GOOD;
	default:
		/* A reservation may take for ever: a miss. */
		aibrix__lease_fail(cache, l, i, AIBRIX_E_BUSY);
		return LOOK_GOOD;
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

/* What L2 is about to lose is a miss, whatever it says of it. */
static int
removed_meanwhile(aibrix_cache *cache, struct lease *l, uint64_t i)
{
	if (!aibrix__remove_has(cache, &l->blocks[i].key))
		return 0;
	aibrix__lease_fail(cache, l, i, AIBRIX_E_NOT_FOUND);
	return 1;
}

/* LOOK_LATER: no transfer is free. */
static int
probe_start(struct batch *batch, struct lease *l, uint64_t i)
{
	aibrix_cache *cache = batch->cache;
	struct lease_block *b = &l->blocks[i];
	struct transfer *t;

	if (!aibrix__prefetch_may(cache, l))
		return LOOK_LATER;
	if (removed_meanwhile(cache, l, i))
		return LOOK_GOOD;
	t = aibrix__transfer_take(cache, AIBRIX_STORE_PROBE, &b->key);
	if (!t)
		return LOOK_LATER;
	goal_set(cache, t, l);
	t->lease = (uint32_t)(l - cache->leases);
	t->block = i;
	b->state = BLOCK_PROBING;
	b->ref = (uint32_t)(t - cache->transfers);
	aibrix__batch_add(batch, t, l->deadline_ns);
	return LOOK_GOOD;
}

void
aibrix__l2_ask(aibrix_cache *cache, struct lease *l, uint64_t good)
{
	l->probe_at = l->get_at = good;
	l->known = cache->luck >= LUCK_GOOD;
}

/* What L2 says of the first block of those that it was asked for. */
static void
luck_move(aibrix_cache *cache, const struct lease *l, uint64_t block, int had)
{
	if (block != l->asked_at)
		return;
	if (had && cache->luck < LUCK_MAX)
		cache->luck++;
	if (!had && cache->luck > 0)
		cache->luck--;
}

static void
lease_probe(struct batch *batch, struct lease *l)
{
	while (!batch_full(batch) && !batch->stalled && l->probe_at < l->n &&
	       l->probe_at < l->get_at + (l->known ? WINDOW : 1)) {
		uint64_t i = l->probe_at;
		int look = LOOK_GOOD;

		if (l->used <= i)
			l->used = i + 1;
		/* What a full store refused lies behind what was looked at. */
		if (l->blocks[i].state == BLOCK_WANTED)
			look = lease_look(batch, l, i);
		if (look == LOOK_MISS)
			look = probe_start(batch, l, i);
		if (look == LOOK_LATER)
			return;
		l->probe_at++;
	}
}

static int
fetch_start(struct batch *batch, struct lease *l, uint64_t i)
{
	aibrix_cache *cache = batch->cache;
	const aibrix_key *parent = i ? &l->blocks[i - 1].key : NULL;
	struct lease_block *b = &l->blocks[i];
	struct transfer *t;
	uint32_t slot;

	if (!aibrix__prefetch_may(cache, l))
		return LOOK_LATER;
	if (removed_meanwhile(cache, l, i))
		return LOOK_GOOD;
	t = aibrix__transfer_take(cache, AIBRIX_STORE_GET, &b->key);
	if (!t)
		return LOOK_LATER;
	goal_set(cache, t, l);
	slot = aibrix__l1_take(cache, l->tenant, &b->key, parent,
			       SLOT_FETCHING);
	if (slot == NONE) {
		cache->tenants[l->tenant].stat.no_room++;
		aibrix__transfer_give(cache, t);
		aibrix__lease_fail(cache, l, i, AIBRIX_E_FULL);
		return LOOK_GOOD;
	}
	t->tail = lease_tail(l, i);
	if (l->expected)
		t->expected = l->expected[i];
	aibrix__tail_set(cache, slot, t->tail);
	t->lease = (uint32_t)(l - cache->leases);
	t->block = i;
	t->slot = slot;
	b->state = BLOCK_FETCHING;
	b->ref = (uint32_t)(t - cache->transfers);
	aibrix__batch_add(batch, t, l->deadline_ns);
	return LOOK_GOOD;
}

/* Fetch what was found, as far as everything before it is held or on its
 * way. */
static void
lease_fetch(struct batch *batch, struct lease *l)
{
	while (!batch_full(batch) && !batch->stalled && l->get_at < l->n) {
		uint64_t i = l->get_at;
		const struct lease_block *b = &l->blocks[i];
		int look = LOOK_GOOD;

		if (b->state == BLOCK_FOUND)
			look = lease_look(batch, l, i);
		if (look == LOOK_MISS)
			look = fetch_start(batch, l, i);
		/* Still found: another lease fetches it, so it waits for
		 * that. */
		if (look == LOOK_LATER || i >= l->n ||
		    (b->state != BLOCK_HELD && b->state != BLOCK_FETCHING))
			return;
		l->get_at++;
	}
}

void
aibrix__l2_advance(struct batch *batch, struct lease *l)
{
	lease_fetch(batch, l);
	lease_probe(batch, l);
	/* Probes that L1 answered may have opened the way. */
	lease_fetch(batch, l);
	if (aibrix__lease_good(l) == l->n)
		aibrix__lease_settle(batch->cache, l);
}

void
aibrix__l2_detach(aibrix_cache *cache, uint32_t i)
{
	struct transfer *t = &cache->transfers[i];

	t->lease = NONE;
	if (t->slot == NONE || t->op == TRANSFER_VERIFY)
		return;
	aibrix__l1_drop(cache, t->slot);
	t->doomed = 1;
	list_append(&cache->cancels, cache->transfer_links, i);
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
	if (done->status == AIBRIX_OK &&
	    done->bytes == aibrix__value_wanted(cache, l, t->block)) {
		l->blocks[t->block].state = BLOCK_FOUND;
		l->known = 1;
		luck_move(cache, l, t->block, 1);
		return;
	}
	luck_move(cache, l, t->block, 0);
	l->late |= done->status == AIBRIX_E_TIMEOUT;
	l->blocks[t->block].state = BLOCK_WANTED;
	aibrix__lease_fail(cache, l, t->block,
			   done->status ? done->status : AIBRIX_E_NOT_FOUND);
}

/* Is that the frame of the block that was asked for? */
static int
frame_verify(const aibrix_cache *cache, const struct transfer *t,
	     struct frame *got)
{
	struct frame want = {.payload_bytes = cache->block_bytes,
			     .layout = cache->layout};
	uint32_t tokens = t->tail ? t->tail : cache->block_tokens;
	uint32_t part = t->tail ? FRAME_PARTIAL : 0;
	int err = aibrix__frame_decode(cache->cpu, t->frame, got);

	if (err)
		return err;
	memcpy(want.key, t->key.bytes, sizeof(t->key.bytes));
	err = aibrix__frame_check(&want, got);
	if (err)
		return err;
	/* Whole, but not what is wanted here: of another number of tokens, or
	   unsummed. */
	if ((got->flags & FRAME_PARTIAL) != part || got->tokens != tokens)
		return AIBRIX_E_NOT_FOUND;
	if ((got->flags ^ part) == FRAME_SUM_XXH3 ||
	    ((got->flags ^ part) == FRAME_SUM_NONE &&
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
	if (cache->trailer_tokens) {
		err = aibrix__trailer_check(cache, t->slot, done->bytes,
					    &t->expected);
		if (err)
			return err;
	} else if (cache->flags & AIBRIX_CACHE_L2_RAW) {
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
	struct transfer *t;

	if (cache->flags & AIBRIX_CACHE_NO_L2_WRITE)
		return;
	/* Without a free transfer it stays, to be caught again. */
	t = aibrix__transfer_take(cache, AIBRIX_STORE_DELETE, key);
	if (t)
		list_append(&cache->deletes, cache->transfer_links,
			    (uint32_t)(t - cache->transfers));
}

int
aibrix__l2_wanted(const aibrix_done *done)
{
	const struct transfer *t = (struct transfer *)(uintptr_t)done->tag;

	return t->op == AIBRIX_STORE_GET && t->lease != NONE;
}

void
aibrix__l2_verify(const aibrix_done *done, struct verified *verified)
{
	const struct transfer *t = (struct transfer *)(uintptr_t)done->tag;

	verified->status = value_check(t->owner, t, done, &verified->sum);
}

static void
get_done(aibrix_cache *cache, struct transfer *t,
	 const struct verified *verified)
{
	struct lease *l = transfer_lease(cache, t);
	uint32_t slot = t->slot;
	int err = verified->status;

	t->slot = NONE;
	/* Detached: the slot is loose. */
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
		aibrix__lease_fail(cache, l, t->block, err);
		if (err == AIBRIX_E_CORRUPT)
			value_delete(cache, &t->key);
		return;
	}
	/* The transfer's pin is the lease's now. */
	cache->slots[slot].checksum = verified->sum;
	cache->slots[slot].l2 = L2_HAS;
	origin_tell(cache, t, slot);
	aibrix__l1_publish(cache, slot);
	l->blocks[t->block].state = BLOCK_HELD;
	l->blocks[t->block].ref = slot;
	l->blocks[t->block].tier = AIBRIX_CACHE_L2;
	block_summed_set(&l->blocks[t->block]);
	aibrix__budget_arrival(cache, l);
}

void
aibrix__l2_done(const aibrix_done *done, const struct verified *verified)
{
	struct transfer *t = (struct transfer *)(uintptr_t)done->tag;
	aibrix_cache *cache = t->owner;

	if (t->goal == GOAL_WRITE)
		aibrix__write_done(cache, t, done);
	else if (t->op == AIBRIX_STORE_PROBE)
		probe_done(cache, t, done);
	else if (t->op == AIBRIX_STORE_GET)
		get_done(cache, t, verified);
	else if (t->goal == GOAL_REMOVE)
		aibrix__remove_done(cache, t, done->status);
	/* A delete that failed is tried at the next reading. */
	aibrix__transfer_give(cache, t);
	aibrix__wait_ended(cache);
}
