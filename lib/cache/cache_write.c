/*
 * Writing to L2, in the background.
 *
 *   commit --> queue of slots --> put (pinned, in flight) --> done
 *                    | evicted or damaged first
 *                    v
 *                 refused
 *
 * A waiting slot has no pin: admission comes before the reference is taken,
 * so a store that takes nothing cannot fill L1 with blocks that nobody can
 * evict.  (In AIBrix it can: cache_manager.py, _l2_put_async.)  Writes leave a
 * quarter of the transfers to reads, which somebody waits for.
 */

#include <string.h>

#include "cache/cache_batch.h"

void
aibrix__l2_queue(aibrix_cache *cache, uint32_t slot)
{
	cache->slots[slot].queued = 1;
	cache->stat.l2_queued++;
	list_append(&cache->writes, cache->write_links, slot);
}

void
aibrix__l2_unqueue(aibrix_cache *cache, uint32_t slot)
{
	cache->slots[slot].queued = 0;
	list_remove(&cache->writes, cache->write_links, slot);
}

static void
frame_make(const aibrix_cache *cache, const aibrix_key *key, uint32_t slot,
	   uint8_t out[FRAME_BYTES])
{
	const struct origin *origin = &cache->origins[slot];
	uint32_t tail = slot_tail(cache, slot);
	uint32_t sum = sums_are_kept(cache) ? FRAME_SUM_XXH3 : FRAME_SUM_NONE;
	struct frame f = {.flags = sum | (tail ? FRAME_PARTIAL : 0),
			  .tokens = tail ? tail : cache->block_tokens,
			  .payload_bytes = cache->block_bytes,
			  .stored_bytes = cache->block_bytes,
			  .layout = cache->layout,
			  .checksum = cache->slots[slot].checksum};

	memcpy(f.key, key->bytes, sizeof(key->bytes));
	memcpy(f.parent, origin->parent.bytes, sizeof(f.parent));
	for (uint32_t i = 0; i < sizeof(origin->digest); i++)
		f.digest[i] = (uint8_t)(origin->digest >> (8 * i));
	aibrix__frame_encode(cache->cpu, &f, out);
}

/* It ended, whatever it came to: the slot is READY, or was dropped since. */
static void
slot_settle(aibrix_cache *cache, uint32_t slot, int taken)
{
	struct slot *s = &cache->slots[slot];

	if (slot_state(s) != SLOT_READY)
		return;
	aibrix__flush_settle(cache, slot, taken);
	s->probed = 0;
	s->l2 = taken ? L2_HAS : 0;
	cache->lost = taken ? 0 : cache->lost + 1;
}

/* The slot that a question was about, if it still waits for the answer. */
static uint32_t
slot_asked(const aibrix_cache *cache, const struct transfer *t)
{
	uint32_t slot = aibrix__table_find(&cache->table, &t->key);
	const struct slot *s;

	if (slot == NONE)
		return NONE;
	s = &cache->slots[slot];
	return slot_state(s) == SLOT_READY && s->l2 == L2_ASKED && !s->queued &&
			       !s->probed
		       ? slot
		       : NONE;
}

/* Before all others: it was taken out a moment ago. */
static void
slot_requeue(aibrix_cache *cache, uint32_t slot)
{
	cache->slots[slot].queued = 1;
	list_prepend(&cache->writes, cache->write_links, slot);
}

/* A fault of a question is no answer: the put will tell. */
static void
asked_done(aibrix_cache *cache, const struct transfer *t,
	   const aibrix_done *done)
{
	uint32_t slot = slot_asked(cache, t);

	if (slot == NONE)
		return;
	if (done->status || done->bytes != aibrix__value_bytes(cache, slot)) {
		cache->slots[slot].probed = 1;
		slot_requeue(cache, slot);
		return;
	}
	cache->stat.l2_had++;
	slot_settle(cache, slot, 1);
	if (cache->slots[slot].leaving && !slot_pins(&cache->slots[slot]))
		aibrix__ingest_left(cache, slot);
}

static void
put_done(aibrix_cache *cache, struct transfer *t, const aibrix_done *done)
{
	uint32_t slot = t->slot;

	aibrix__meter_put(cache, done->status);
	switch (done->status) {
	case AIBRIX_OK:
		if (done->flags & AIBRIX_DONE_EXISTED)
			cache->stat.l2_had++;
		else
			cache->stat.l2_written++;
		break;
	case AIBRIX_E_FULL:
	case AIBRIX_E_CANCELED: cache->stat.l2_refused++; break;
	default: cache->stat.l2_errors++; break;
	}
	slot_settle(cache, slot, done->status == AIBRIX_OK);
	t->slot = NONE;
	aibrix__l1_unpin(cache, slot);
}

void
aibrix__write_done(aibrix_cache *cache, struct transfer *t,
		   const aibrix_done *done)
{
	if (t->op == AIBRIX_STORE_PUT)
		put_done(cache, t, done);
	else
		asked_done(cache, t, done);
}

void
aibrix__write_undo(aibrix_cache *cache, struct transfer *t, int again)
{
	uint32_t slot = t->slot == NONE ? slot_asked(cache, t) : t->slot;
	int whole =
		slot != NONE && slot_state(&cache->slots[slot]) == SLOT_READY;

	if (whole && again) {
		slot_requeue(cache, slot);
	} else if (slot != NONE) {
		cache->stat.l2_refused++;
		slot_settle(cache, slot, 0);
	}
	if (t->slot == NONE) {
		if (whole && !again && cache->slots[slot].leaving)
			aibrix__ingest_left(cache, slot);
		return;
	}
	t->slot = NONE;
	aibrix__l1_unpin(cache, slot);
}

/* A put, or the question that goes before it.  A question pins nothing:
 * the block may be gone when the answer comes. */
static void
slot_send(aibrix_cache *cache, struct batch *batch, struct transfer *t,
	  uint32_t slot)
{
	struct slot *s = &cache->slots[slot];
	int leaving = s->leaving;

	aibrix__l2_unqueue(cache, slot);
	t->goal = GOAL_WRITE;
	cache->writing++;
	if (t->op == AIBRIX_STORE_PUT) {
		aibrix__l1_pin(cache, slot);
		/* This pin is no use of it. */
		if (leaving && !s->leaving)
			aibrix__ingest_leave(cache, slot);
		t->slot = slot;
		if (frame_bytes(cache))
			frame_make(cache, &t->key, slot, t->frame);
	}
	aibrix__batch_add(batch, t, 0);
}

void
aibrix__l2_write(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	struct transfer *t;
	aibrix_key key;
	uint32_t slot, next;
	int ask;

	aibrix__ingest_ahead(cache);
	next = cache->writes.count ? cache->writes.head : NONE;
	while (!batch_full(batch) && !batch->stalled && next != NONE &&
	       cache->writing < cache->max_writing) {
		slot = next;
		next = cache->write_links[slot].next;
		key = aibrix__l1_key(cache, slot);
		/* Written again behind its removal, or it would go with it. */
		if (aibrix__remove_has(cache, &key))
			continue;
		ask = cache->flags & AIBRIX_CACHE_PROBE_FIRST &&
		      !cache->slots[slot].probed;
		t = aibrix__transfer_take(
			cache, ask ? AIBRIX_STORE_PROBE : AIBRIX_STORE_PUT,
			&key);
		if (!t)
			break;
		slot_send(cache, batch, t, slot);
	}
}
