/*
 * What the holder of a lease sees of it.
 *
 * Only what is settled is shown: while L2 is asked, or a call of another
 * thread works on the lease, the answer is E_AGAIN and not half of it.
 */

#include <aibrix/cache.h>

#include "base/versioned.h"
#include "cache/cache_internal.h"

static uint32_t
block_tokens(const aibrix_cache *cache, const struct lease *l, uint64_t i)
{
	return lease_tail(l, i) ? l->tail : cache->block_tokens;
}

/* Block i of an acquired lease, by a user of it. */
static int
held_fill(aibrix_cache *cache, struct lease *l, uint64_t i,
	  aibrix_cache_view *v)
{
	const struct lease_block *b;
	int err = AIBRIX_OK;

	if (i >= lease_end(l))
		return AIBRIX_E_NOT_FOUND;
	b = &l->blocks[i];
	v->tokens = block_tokens(cache, l, i);
	v->tier = b->tier;
	v->data = aibrix__l1_data(cache, b->ref);
	if (verifies_late(cache) && !block_summed(b))
		err = aibrix__block_verify(cache, l, i);
	return err;
}

/* Block i of a reservation. */
static int
own_fill(const aibrix_cache *cache, const struct lease *l, uint64_t i,
	 aibrix_cache_view *v)
{
	const struct lease_block *b;

	if (i >= l->n)
		return AIBRIX_E_NOT_FOUND;
	b = &l->blocks[i];
	v->tokens = block_tokens(cache, l, i);
	if (b->state == BLOCK_OWN)
		v->data = aibrix__l1_data(cache, b->ref);
	return AIBRIX_OK;
}

/* A reservation, or what was removed, which has no blocks; the lock is held.
 * One that is acquired by now was not when it was looked at without it. */
static int
settled_find(const aibrix_cache *cache, uint64_t lease,
	     const struct lease **out)
{
	*out = aibrix__lease_find(cache, lease);
	if (!*out)
		return AIBRIX_E_NOT_FOUND;
	switch (lease_state(*out)) {
	case LEASE_RESERVED:
	case LEASE_REMOVED: return AIBRIX_OK;
	default: return AIBRIX_E_AGAIN;
	}
}

int
aibrix_cache_block(aibrix_cache *cache, uint64_t lease, uint64_t i,
		   aibrix_cache_view *view)
{
	enum { VIEW_V1 = STRUCT_UPTO(aibrix_cache_view, bytes) };
	aibrix_cache_view v = {.size = sizeof(v)};
	const struct lease *own;
	struct lease *l;
	int err;

	if (!cache || !view)
		return AIBRIX_E_INVAL;
	v.bytes = cache->block_bytes;
	l = aibrix__lease_enter(cache, lease);
	if (l) {
		err = held_fill(cache, l, i, &v);
		aibrix__lease_leave(cache, l);
	} else {
		aibrix__cache_enter(cache);
		err = settled_find(cache, lease, &own);
		if (!err)
			err = own_fill(cache, own, i, &v);
		aibrix__cache_leave(cache);
	}
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

static void
extent_fill(const aibrix_cache *cache, const struct lease *l, uint64_t end,
	    aibrix_cache_extent *e)
{
	e->blocks = end;
	e->tokens = tokens_of(cache, l, end);
	e->asked_blocks = l->asked;
	e->asked_tokens = tokens_of(cache, l, l->asked);
	e->why = l->n < l->asked ? l->why : AIBRIX_OK;
	if (end < l->n)
		e->why = AIBRIX_E_CORRUPT;
}

int
aibrix_cache_extent_of(aibrix_cache *cache, uint64_t lease,
		       aibrix_cache_extent *out)
{
	enum { EXTENT_V1 = STRUCT_UPTO(aibrix_cache_extent, asked_tokens) };
	aibrix_cache_extent e = {.size = sizeof(e)};
	const struct lease *own;
	struct lease *l;
	int err = AIBRIX_OK;

	if (!cache || !out)
		return AIBRIX_E_INVAL;
	l = aibrix__lease_enter(cache, lease);
	if (l) {
		extent_fill(cache, l, lease_end(l), &e);
		aibrix__lease_leave(cache, l);
	} else {
		aibrix__cache_enter(cache);
		err = settled_find(cache, lease, &own);
		if (!err && lease_removes(own))
			err = AIBRIX_E_STATE;
		if (!err)
			extent_fill(cache, own, own->n, &e);
		aibrix__cache_leave(cache);
	}
	return err ? err : aibrix__struct_store(out, &e, sizeof(e), EXTENT_V1);
}
