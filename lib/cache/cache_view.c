/*
 * What the holder of a lease sees of it.
 *
 * Only what is settled is shown: while L2 is asked, or a call of another
 * thread works on the lease, the answer is E_AGAIN and not half of it.
 */

#include <aibrix/cache.h>

#include "base/versioned.h"
#include "cache/cache_internal.h"

int
aibrix_cache_block(aibrix_cache *cache, uint64_t lease, uint64_t i,
		   aibrix_cache_view *view)
{
	enum { VIEW_V1 = STRUCT_UPTO(aibrix_cache_view, bytes) };
	aibrix_cache_view v = {.size = sizeof(v)};
	int err = AIBRIX_OK, late = 0;
	const struct lease *l;

	if (!cache || !view)
		return AIBRIX_E_INVAL;
	v.bytes = cache->block_bytes;
	aibrix__cache_enter(cache);
	l = aibrix__lease_find(cache, lease);
	if (!l)
		err = AIBRIX_E_NOT_FOUND;
	else if (lease_goes_on(l))
		err = AIBRIX_E_AGAIN;
	else if (i >= l->n)
		err = AIBRIX_E_NOT_FOUND;
	else if (l->state == LEASE_ACQUIRED)
		v.tier = l->blocks[i].tier;
	if (!err && l->state == LEASE_ACQUIRED)
		late = verifies_late(cache) && !l->blocks[i].summed;
	if (!err)
		v.tokens = lease_tail(l, i) ? l->tail : cache->block_tokens;
	if (!err &&
	    (l->state == LEASE_ACQUIRED || l->blocks[i].state == BLOCK_OWN))
		v.data = aibrix__l1_data(cache, l->blocks[i].ref);
	aibrix__cache_leave(cache);
	if (late)
		err = aibrix__block_verify(cache, lease, i);
	return err ? err : aibrix__struct_store(view, &v, sizeof(v), VIEW_V1);
}

/* Of the first n blocks. */
static uint64_t
tokens_of(const aibrix_cache *cache, const struct lease *l, uint64_t n)
{
	uint64_t tokens = n * cache->block_tokens;

	if (n && lease_tail(l, n - 1))
		tokens -= cache->block_tokens - l->tail;
	return tokens;
}

int
aibrix_cache_extent_of(aibrix_cache *cache, uint64_t lease,
		       aibrix_cache_extent *out)
{
	enum { EXTENT_V1 = STRUCT_UPTO(aibrix_cache_extent, asked_tokens) };
	aibrix_cache_extent e = {.size = sizeof(e)};
	const struct lease *l;
	int err = AIBRIX_OK;

	if (!cache || !out)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	l = aibrix__lease_find(cache, lease);
	if (!l) {
		err = AIBRIX_E_NOT_FOUND;
	} else if (lease_goes_on(l)) {
		err = AIBRIX_E_AGAIN;
	} else if (l->removal) {
		err = AIBRIX_E_STATE;
	} else {
		e.blocks = l->n;
		e.tokens = tokens_of(cache, l, l->n);
		e.asked_blocks = l->asked;
		e.asked_tokens = tokens_of(cache, l, l->asked);
		e.why = l->n < l->asked ? l->why : AIBRIX_OK;
	}
	aibrix__cache_leave(cache);
	return err ? err : aibrix__struct_store(out, &e, sizeof(e), EXTENT_V1);
}
