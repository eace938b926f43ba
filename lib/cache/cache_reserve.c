/*
 * Writing: reserve, fill, commit.
 *
 * What is reserved is a prefix: blocks that are there already are pinned
 * first, so that making room for the rest never takes the chain's own
 * blocks from under it; then room is made from the front, and the first
 * block without room ends the prefix.  The one exception: when a hole near
 * the front cannot be filled otherwise, the chain's own last blocks, which
 * are worth nothing behind the hole, are given up for it.
 *
 * Sums are made with the lock released; blocks become READY together
 * afterwards, so a prompt is never seen half written.
 */

#include "cache/cache_internal.h"

#include <string.h>

/* Pin what is there, note what others write. */
static void
reserve_present(aibrix_cache *cache, struct lease *l)
{
	struct lease_block *b;
	uint32_t slot;

	for (uint64_t i = 0; i < l->n; i++) {
		b = &l->blocks[i];
		slot = aibrix__table_find(&cache->table, &b->key);
		if (slot == NONE)
			continue;
		if (slot_tail(cache, slot) != lease_tail(l, i)) {
			aibrix__lease_fail(cache, l, i, AIBRIX_E_STATE);
			return;
		}
		b->state = BLOCK_ELSEWHERE;
		if (slot_state(&cache->slots[slot]) != SLOT_READY ||
		    !aibrix__l1_read(cache, slot))
			continue;
		b->state = BLOCK_HELD;
		b->ref = slot;
	}
}

/* Room for block i, at the price of the chain's own tail if need be. */
static uint32_t
reserve_slot(aibrix_cache *cache, struct lease *l, uint64_t i)
{
	const aibrix_key *parent = i ? &l->blocks[i - 1].key : NULL;
	uint32_t slot;
	int worth;

	slot = aibrix__l1_take(cache, l->tenant, &l->blocks[i].key, parent,
			       SLOT_FILLING);
	while (slot == NONE && l->n > i + 1) {
		worth = l->blocks[l->n - 1].state == BLOCK_HELD;
		aibrix__lease_cut(cache, l, l->n - 1);
		if (worth)
			slot = aibrix__l1_take(cache, l->tenant,
					       &l->blocks[i].key, parent,
					       SLOT_FILLING);
	}
	return slot;
}

static void
reserve_room(aibrix_cache *cache, struct lease *l, const uint64_t *hashes)
{
	struct lease_block *b;
	uint32_t slot;
	uint64_t hash;

	for (uint64_t i = 0; i < l->n; i++) {
		b = &l->blocks[i];
		if (b->state != BLOCK_WANTED)
			continue;
		/* A key that stands twice in one chain. */
		if (aibrix__table_find(&cache->table, &b->key) != NONE) {
			b->state = BLOCK_ELSEWHERE;
			continue;
		}
		slot = reserve_slot(cache, l, i);
		if (slot == NONE)
			break;
		b->state = BLOCK_OWN;
		b->ref = slot;
		aibrix__tail_set(cache, slot, lease_tail(l, i));
		hash = hashes && !lease_tail(l, i) ? hashes[i] : 0;
		if (cache->origins)
			cache->origins[slot].digest = hash;
		aibrix__events_content(cache, slot, hash);
	}
	aibrix__lease_fail(cache, l, aibrix__lease_good(l), AIBRIX_E_FULL);
}

/* Is there a block to be filled, by whomever, or none for want of room? */
static int
lease_adds(const struct lease *l)
{
	for (uint64_t i = 0; i < l->n; i++)
		if (l->blocks[i].state != BLOCK_HELD)
			return 1;
	return l->n < l->cap;
}

/* What the caller does not fill of a piece goes to L2 as zeros, not as what
 * another prompt has left there. */
static void
tail_clear(const aibrix_cache *cache, const struct lease_block *b)
{
	if (b->state == BLOCK_OWN)
		memset(aibrix__l1_data(cache, b->ref), 0, cache->block_bytes);
}

int
aibrix__reserve(aibrix_cache *cache, const aibrix_cache_request *r,
		uint64_t *lease, uint64_t *n_out)
{
	uint64_t n = r->n, want = n, asked = n, named, cap;
	struct lease_block *blocks;
	struct lease *l;
	int err;

	if (cache->max_blocks && n > cache->max_blocks)
		want = n = cache->max_blocks;
	err = aibrix__blocks_new(cache, r->keys, &want, &blocks);
	if (err)
		return err;
	if (want == 0 && n > 0) /* the first key is no key */
		return AIBRIX_E_INVAL;

	cap = want;
	named = aibrix__keys_named(r->keys, n);
	aibrix__cache_enter(cache);
	l = aibrix__lease_take(cache, blocks, want);
	if (!l) {
		err = AIBRIX_E_FULL;
	} else {
		l->asked = asked;
		l->tenant = r->tenant;
		l->tail = r->tail_tokens;
		l->why = asked > n ? AIBRIX_E_DENIED : AIBRIX_E_FULL;
		reserve_present(cache, l);
		reserve_room(cache, l, r->hashes);
		cache->stat.no_room += named - l->n;
		cache->tenants[l->tenant].stat.no_room += named - l->n;
		cache->stat.too_long += asked - n;
		if (l->n == 0 && n > 0)
			err = l->why == AIBRIX_E_STATE ? l->why : AIBRIX_E_FULL;
		else if (asked > n && !lease_adds(l))
			err = AIBRIX_E_DENIED;
		if (err) {
			blocks = aibrix__lease_end(cache, l, &cap);
		} else {
			lease_set(l, LEASE_RESERVED);
			*lease = lease_id(l);
			*n_out = l->n;
		}
	}
	aibrix__meter_call(cache, AIBRIX_METER_ALLOCATE, err, named,
			   err ? 0 : *n_out);
	aibrix__cache_leave(cache);
	if (err)
		aibrix__blocks_free(cache, blocks, cap);
	else if (r->tail_tokens && l->n == asked)
		tail_clear(cache, &l->blocks[asked - 1]);
	return err;
}

/* While it was being written: it is its lease's alone. */
static int
was_removed(const aibrix_cache *cache, uint32_t slot)
{
	return slot_state(&cache->slots[slot]) == SLOT_LOOSE;
}

/* Last block first into the order, so that leaves go first; the queue to L2
 * is filled from the front, so that what L2 gets is a prefix. */
static void
commit_publish(aibrix_cache *cache, struct lease *l)
{
	const struct lease_block *b;

	for (uint64_t i = 0; i < l->n; i++) {
		b = &l->blocks[i];
		if (b->state == BLOCK_HELD)
			aibrix__ingest_again(cache, b->ref);
		if (b->state != BLOCK_OWN || was_removed(cache, b->ref))
			continue;
		aibrix__l1_publish(cache, b->ref);
		cache->stat.stored++;
		cache->tenants[l->tenant].stat.stored++;
		aibrix__ingest_commit(cache, b->ref);
	}
	for (uint64_t i = l->n; i-- > 0;) {
		b = &l->blocks[i];
		if (b->state == BLOCK_OWN && !was_removed(cache, b->ref))
			aibrix__l1_order(cache, b->ref);
		/* Recency must fall along the chain, so older blocks of it move
		 * up too.  A hit of S3-FIFO is a claim of reuse instead, and
		 * growing one prompt is none. */
		else if (b->state == BLOCK_HELD &&
			 cache->policy == AIBRIX_EVICT_LRU)
			aibrix__l1_touch(cache, b->ref);
	}
	for (uint64_t i = 0; i < l->n; i++)
		if (l->blocks[i].state == BLOCK_OWN)
			l->blocks[i].state = BLOCK_HELD;
}

/* The reservation with this id, made BUSY. */
static int
reservation_enter(aibrix_cache *cache, uint64_t lease, struct lease **out)
{
	struct lease *l = aibrix__lease_find(cache, lease);

	if (!l)
		return AIBRIX_E_NOT_FOUND;
	if (lease_state(l) != LEASE_RESERVED)
		return AIBRIX_E_STATE;
	lease_set(l, LEASE_BUSY);
	*out = l;
	return AIBRIX_OK;
}

int
aibrix_cache_commit(aibrix_cache *cache, uint64_t lease, uint64_t now_ns)
{
	struct lease_block *blocks = NULL;
	struct lease *l;
	uint64_t cap = 0;
	int err;

	if (!cache)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	err = reservation_enter(cache, lease, &l);
	aibrix__cache_leave(cache);
	if (err)
		return err;

	for (uint64_t i = 0; sums_are_kept(cache) && i < l->n; i++)
		if (l->blocks[i].state == BLOCK_OWN &&
		    !block_summed(&l->blocks[i]))
			cache->slots[l->blocks[i].ref].checksum =
				aibrix__l1_sum(cache, l->blocks[i].ref);

	aibrix__cache_enter(cache);
	aibrix__meter_call(cache, AIBRIX_METER_PUT, AIBRIX_OK, l->n, l->n);
	commit_publish(cache, l);
	blocks = aibrix__lease_end(cache, l, &cap);
	aibrix__l2_offer(cache, now_ns);
	aibrix__cache_leave(cache);
	aibrix__blocks_free(cache, blocks, cap);
	return AIBRIX_OK;
}

int
aibrix_cache_abort(aibrix_cache *cache, uint64_t lease)
{
	struct lease_block *blocks = NULL;
	struct lease *l;
	uint64_t cap = 0;
	int err;

	if (!cache)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	err = reservation_enter(cache, lease, &l);
	if (!err)
		blocks = aibrix__lease_end(cache, l, &cap);
	aibrix__cache_leave(cache);
	aibrix__blocks_free(cache, blocks, cap);
	return err;
}
