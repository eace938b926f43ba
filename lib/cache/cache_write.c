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
	list_append(&cache->writes, cache->write_links, slot);
}

void
aibrix__l2_requeue(aibrix_cache *cache, uint32_t slot)
{
	cache->slots[slot].queued = 1;
	list_prepend(&cache->writes, cache->write_links, slot);
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
	struct frame f = {.flags = sums_are_kept(cache) ? FRAME_SUM_XXH3
							: FRAME_SUM_NONE,
			  .tokens = cache->block_tokens,
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

void
aibrix__l2_write(aibrix_cache *cache, uint64_t now_ns)
{
	uint32_t max = cache->max_transfers - cache->max_transfers / 4;
	struct batch batch = {.cache = cache, .now_ns = now_ns};
	struct transfer *t;
	aibrix_key key;
	uint32_t slot;

	while (!batch.stalled && cache->writes.count && cache->putting < max) {
		slot = cache->writes.head;
		key = aibrix__l1_key(cache, slot);
		t = aibrix__transfer_take(cache, AIBRIX_STORE_PUT, &key);
		if (!t)
			break;
		aibrix__l2_unqueue(cache, slot);
		aibrix__l1_pin(cache, slot);
		t->slot = slot;
		if (frame_bytes(cache))
			frame_make(cache, &key, slot, t->frame);
		aibrix__batch_add(&batch, t, 0);
	}
	aibrix__batch_flush(&batch);
}
