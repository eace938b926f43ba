/*
 * Prompts that are handed over whole, from who computes them to who goes on.
 *
 *   prefill engine   reserve_tail -> fill -> commit -> hand_over
 *                                                        | L2
 *   decode engine           acquire_tail -> extent -> read -> release
 *
 * A prompt seldom ends with a whole block.  Its last piece is a block of its
 * own with fewer valid tokens: a tail.  How many they are is part of the key
 * (aibrix_hash_partial), of the slot and of the frame, and all three must
 * agree, so that nobody attends to rows that were never written.  (AIBrix
 * pads with token 0, so a prompt that ends with real zeros has the key of a
 * shorter one: aibrix_pd_reuse_connector.py.)
 *
 * Both sides are told how far they got, and why no further: a prompt that
 * came in part must be computed from there on.  (AIBrix reports every load
 * as a success, _recv_kv_from_cache_impl.)
 */

#include <aibrix/cache.h>

#include "cache/cache_internal.h"

int
aibrix__tail_check(const aibrix_cache *cache, uint64_t n, uint32_t tail)
{
	/* Their trailers need tokens. */
	if (cache->trailer_tokens)
		return AIBRIX_E_UNSUPPORTED;
	if (tail == 0)
		return AIBRIX_OK;
	if (n == 0 || tail >= cache->block_tokens || tail > UINT16_MAX)
		return AIBRIX_E_INVAL;
	/* Values without a frame do not say how much of them is valid. */
	if (cache->l2 && cache->flags & AIBRIX_CACHE_L2_RAW)
		return AIBRIX_E_UNSUPPORTED;
	return AIBRIX_OK;
}

void
aibrix__tail_set(aibrix_cache *cache, uint32_t slot, uint32_t tail)
{
	atomic_store_explicit(&cache->slots[slot].tail, (uint16_t)tail,
			      memory_order_release);
}

/* Pin the chain as far as L1 has it, and queue what L2 was not given. */
static void
chain_send(aibrix_cache *cache, struct lease *l)
{
	struct lease_block *b;
	uint32_t slot;

	for (uint64_t i = 0; i < l->n; i++) {
		b = &l->blocks[i];
		slot = aibrix__table_find(&cache->table, &b->key);
		if (slot == NONE ||
		    slot_state(&cache->slots[slot]) != SLOT_READY ||
		    !aibrix__l1_read(cache, slot))
			break;
		b->state = BLOCK_HELD;
		b->ref = slot;
		if (cache->slots[slot].l2 < L2_ASKED)
			aibrix__ingest_chain(cache, slot);
	}
	aibrix__lease_cut(cache, l, aibrix__lease_good(l));
}

/* A block that was found damaged meanwhile is nobody's any more. */
static uint8_t
block_l2(const aibrix_cache *cache, const struct lease_block *b)
{
	const struct slot *s = &cache->slots[b->ref];

	return slot_state(s) == SLOT_READY ? s->l2 : 0;
}

static int
chain_waits(const aibrix_cache *cache, const struct lease *l, uint64_t *at)
{
	while (*at < l->n && block_l2(cache, &l->blocks[*at]) != L2_ASKED)
		++*at;
	return *at < l->n;
}

static uint64_t
chain_taken(const aibrix_cache *cache, const struct lease *l)
{
	uint64_t n = 0;

	while (n < l->n && block_l2(cache, &l->blocks[n]) == L2_HAS)
		n++;
	return n;
}

int
aibrix_cache_hand_over(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		       uint64_t deadline_ns, uint64_t now_ns, uint64_t *n_out)
{
	uint64_t want = n, have, cap, at = 0, taken;
	struct lease_block *blocks;
	struct sleep sleep;
	struct lease *l;
	int err, waits;

	if (!cache || !n_out)
		return AIBRIX_E_INVAL;
	if (!aibrix__writes_wanted(cache))
		return AIBRIX_E_UNSUPPORTED;
	err = aibrix__blocks_new(cache, keys, &want, &blocks);
	if (err)
		return err;
	aibrix__sleep_begin(cache, &sleep, now_ns,
			    deadline_ns > now_ns ? deadline_ns - now_ns : 0);
	aibrix__cache_enter(cache);
	l = aibrix__lease_take(cache, blocks, want);
	if (!l) {
		aibrix__cache_leave(cache);
		aibrix__blocks_free(cache, blocks, want);
		return AIBRIX_E_FULL;
	}
	chain_send(cache, l);
	have = l->n;
	for (;;) {
		aibrix__l2_round(cache, sleep.now_ns);
		waits = chain_waits(cache, l, &at);
		if (!waits || aibrix__sleep_over(&sleep))
			break;
		aibrix__sleep_nap(cache, &sleep, &cache->wait.pollers);
	}
	taken = chain_taken(cache, l);
	blocks = aibrix__lease_end(cache, l, &cap);
	aibrix__sleep_end(cache);
	aibrix__cache_leave(cache);
	aibrix__blocks_free(cache, blocks, cap);

	*n_out = taken;
	if (taken == n)
		return AIBRIX_OK;
	if (waits)
		return AIBRIX_E_TIMEOUT;
	return taken == have ? AIBRIX_E_NOT_FOUND : AIBRIX_E_UNAVAILABLE;
}
