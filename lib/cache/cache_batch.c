/*
 * Transfers and their submission.
 *
 * A batch is filled under the lock by whoever has the store next, and sent
 * with the lock released.
 *
 * The store takes a prefix of what it is offered.  The rest is undone last
 * one first, so that queues and cursors end where they stood.  "Full" is no
 * fault: it is offered again when something has ended.  Any other refusal
 * would be repeated for ever, so there the block is a miss, or the write is
 * given up.
 */

#include "cache/cache_batch.h"

int
aibrix__transfers_open(aibrix_cache *cache, uint32_t max)
{
	cache->max_transfers = max;
	cache->transfers =
		aibrix__alloc(&cache->alloc, max, sizeof(*cache->transfers));
	cache->transfer_links = aibrix__alloc(&cache->alloc, max,
					      sizeof(*cache->transfer_links));
	cache->write_links = aibrix__alloc(&cache->alloc, cache->capacity,
					   sizeof(*cache->write_links));
	if (!cache->transfers || !cache->transfer_links || !cache->write_links)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < max; i++)
		list_append(&cache->transfers_free, cache->transfer_links, i);
	return AIBRIX_OK;
}

void
aibrix__transfers_close(aibrix_cache *cache)
{
	aibrix__free(&cache->alloc, cache->transfers, cache->max_transfers,
		     sizeof(*cache->transfers));
	aibrix__free(&cache->alloc, cache->transfer_links, cache->max_transfers,
		     sizeof(*cache->transfer_links));
	aibrix__free(&cache->alloc, cache->write_links, cache->capacity,
		     sizeof(*cache->write_links));
}

struct transfer *
aibrix__transfer_take(aibrix_cache *cache, uint32_t op, const aibrix_key *key)
{
	uint32_t i = list_pop(&cache->transfers_free, cache->transfer_links);
	struct transfer *t;

	if (i == NONE)
		return NULL;
	t = &cache->transfers[i];
	t->owner = cache;
	t->op = op;
	t->key = *key;
	t->lease = NONE;
	t->slot = NONE;
	t->goal = GOAL_READ;
	t->doomed = 0;
	t->tail = 0;
	return t;
}

void
aibrix__transfer_give(aibrix_cache *cache, struct transfer *t)
{
	uint32_t i = (uint32_t)(t - cache->transfers);

	if (t->doomed)
		list_remove(&cache->cancels, cache->transfer_links, i);
	if (t->goal == GOAL_WRITE) {
		cache->writing--;
		aibrix__remove_written(cache, &t->key);
	}
	cache->removing.sent -= t->goal == GOAL_REMOVE;
	cache->prefetching -= t->goal == GOAL_PREFETCH;
	t->owner = NULL;
	list_prepend(&cache->transfers_free, cache->transfer_links, i);
}

void
aibrix__batch_add(struct batch *batch, struct transfer *t, uint64_t deadline_ns)
{
	static const uint32_t priority[] = {
		[AIBRIX_STORE_GET] = AIBRIX_PRIORITY_GET,
		[AIBRIX_STORE_PUT] = AIBRIX_PRIORITY_PUT,
		[AIBRIX_STORE_PROBE] = AIBRIX_PRIORITY_PROBE,
		[AIBRIX_STORE_DELETE] = AIBRIX_PRIORITY_BACKGROUND,
	};
	aibrix_cache *cache = batch->cache;
	aibrix_io *io = &batch->ios[batch->n++];

	*io = (aibrix_io){.key = t->key.bytes,
			  .key_bytes = sizeof(t->key.bytes),
			  .op = t->op,
			  .priority = t->goal == GOAL_PREFETCH
					      ? AIBRIX_PRIORITY_BACKGROUND
					      : priority[t->op],
			  .deadline_ns = deadline_ns,
			  .tag = (uint64_t)(uintptr_t)t};
	if (t->op == AIBRIX_STORE_GET &&
	    !(cache->flags & (AIBRIX_CACHE_L2_RAW | AIBRIX_CACHE_NO_L2_VERIFY)))
		io->flags = AIBRIX_IO_SUMMED;
	if (t->slot != NONE) {
		int raw = frame_bytes(cache) == 0;
		uint64_t bytes = cache->slot_bytes;

		if (cache->trailer_tokens && t->op == AIBRIX_STORE_PUT)
			bytes = aibrix__value_bytes(cache, t->slot);
		t->iov[0] = (aibrix_iov){t->frame, FRAME_BYTES};
		t->iov[1] =
			(aibrix_iov){aibrix__l1_data(cache, t->slot), bytes};
		io->iov = t->iov + raw;
		io->n_iov = raw ? 1 : 2;
	}
}

/* The block is asked for again, from L2. */
static void
block_again(struct lease *l, uint64_t i)
{
	l->blocks[i].state = BLOCK_WANTED;
	l->probe_at = i < l->probe_at ? i : l->probe_at;
	l->get_at = i < l->get_at ? i : l->get_at;
}

/* The block of a transfer that did not begin.  again: it will. */
static void
block_undo(aibrix_cache *cache, const struct transfer *t, int again)
{
	struct lease *l;
	uint64_t i = t->block;

	if (t->lease == NONE)
		return;
	l = &cache->leases[t->lease];
	l->blocks[i].state = BLOCK_WANTED;
	if (!again) {
		aibrix__lease_fail(cache, l, i, AIBRIX_E_UNAVAILABLE);
	} else if (t->op == AIBRIX_STORE_GET) {
		l->blocks[i].state = BLOCK_FOUND;
		l->get_at = i < l->get_at ? i : l->get_at;
	} else {
		l->probe_at = i < l->probe_at ? i : l->probe_at;
	}
}

static void
transfer_undo(aibrix_cache *cache, struct transfer *t, int again)
{
	uint32_t slot = t->slot;

	if (t->goal == GOAL_WRITE || t->goal == GOAL_REMOVE) {
		if (t->goal == GOAL_WRITE)
			aibrix__write_undo(cache, t, again);
		else
			aibrix__remove_undo(cache, t, again);
		aibrix__transfer_give(cache, t);
		return;
	}
	t->slot = NONE;
	/* With its lease gone the slot is loose already. */
	if (slot != NONE && t->lease != NONE)
		aibrix__l1_drop(cache, slot);
	if (slot != NONE)
		aibrix__l1_unpin(cache, slot);
	if (t->op != AIBRIX_STORE_DELETE) {
		cache->stat.l2_errors += !again;
		block_undo(cache, t, again);
	}
	aibrix__transfer_give(cache, t);
}

/* What the store has not taken goes back, last one first. */
static void
batch_undo(struct batch *batch, uint32_t taken, int again)
{
	/* Undoing may cut a lease, which looks at transfers, never at the
	 * batch. */
	while (batch->n > taken)
		transfer_undo(
			batch->cache,
			(struct transfer *)(uintptr_t)batch->ios[--batch->n]
				.tag,
			again);
	batch->n = 0;
}

int
aibrix__batch_send(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	uint32_t taken = 0;
	int err = AIBRIX_OK, again, undone;
	uint64_t wake_ns;

	aibrix__cache_unlock(cache);
	/* Each may have ended already, or not have begun: both are fine. */
	for (uint32_t i = 0; i < batch->n_cancels; i++)
		(void)!aibrix_store_cancel(cache->l2, batch->cancels[i]);
	if (batch->n)
		err = aibrix_store_submit(cache->l2, batch->ios, batch->n,
					  batch->now_ns, &taken);
	wake_ns = aibrix__wait_ask(cache);
	aibrix__cache_enter(cache);
	aibrix__wait_tell(cache, wake_ns);
	batch->n_cancels = 0;
	if (err)
		taken = 0;
	again = !err || err == AIBRIX_E_FULL;
	undone = taken < batch->n;
	batch->stalled |= undone && again;
	batch_undo(batch, taken, again);
	return undone;
}

/* A block of L1 has been looked at for the one who waits for it. */
static void
verify_done(aibrix_cache *cache, struct transfer *t, int good)
{
	struct lease *l = t->lease == NONE ? NULL : &cache->leases[t->lease];
	uint32_t slot = t->slot;
	struct lease_block *b;

	t->slot = NONE;
	if (!good)
		aibrix__l1_damaged(cache, slot);
	if (l && good) {
		/* The transfer's pin is the lease's now. */
		b = &l->blocks[t->block];
		b->state = BLOCK_HELD;
		b->ref = slot;
		b->tier = AIBRIX_CACHE_L1;
	} else {
		aibrix__l1_unpin(cache, slot);
		if (l)
			block_again(l, t->block);
	}
	aibrix__transfer_give(cache, t);
}

void
aibrix__batch_verify(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	uint8_t good[BATCH];

	aibrix__cache_unlock(cache);
	for (uint32_t i = 0; i < batch->n_looks; i++) {
		uint32_t slot = batch->looks[i]->slot;

		good[i] = aibrix__l1_sum(cache, slot) ==
			  cache->slots[slot].checksum;
	}
	aibrix__cache_enter(cache);
	for (uint32_t i = 0; i < batch->n_looks; i++)
		verify_done(cache, batch->looks[i], good[i]);
	batch->n_looks = 0;
	cache->stirred = 1;
}
