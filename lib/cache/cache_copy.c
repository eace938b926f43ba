/*
 * Copies into reservations and out of leases, summed on the way.
 *
 *   write   engine --copy, sum--> block    commit has no sum left to make
 *   read    block --copy, sum--> engine    VERIFY_LATE: acquire made none
 *
 * A sum of its own reads all memory once more, and memory is what bounds
 * both; made from the bytes that are being copied it costs a tenth of that.
 * It is also the better one: what is summed is what the engine gave, or what
 * it gets, and not what stood there a moment before.
 *
 * A reader is a user of its lease meanwhile: whoever releases that one leaves
 * its end to the reader, and no lock is taken unless a block is damaged.  A
 * writer pins a few blocks at a time under the lock, since a reservation may
 * be aborted beside it; what it made is applied only if the lease is still
 * that one.
 *
 * A damaged block leaves the table at once.  The lease keeps what it holds,
 * since others may read it through pointers, but says that it ends before
 * that block.
 */

#include <aibrix/cache.h>

#include "cache/cache_internal.h"

enum { AT_ONCE = 32 };

/* The lease, if its blocks may be copied; the lock is held. */
static int
lease_open(aibrix_cache *cache, uint64_t lease, uint32_t state,
	   struct lease **out)
{
	struct lease *l = aibrix__lease_find(cache, lease);
	uint32_t is = l ? lease_state(l) : LEASE_FREE;

	if (!l)
		return AIBRIX_E_NOT_FOUND;
	if (is == LEASE_BUSY || is == LEASE_WAITING)
		return AIBRIX_E_AGAIN;
	if (is != state)
		return AIBRIX_E_STATE;
	*out = l;
	return AIBRIX_OK;
}

/* ---- out of a lease */

/* dst NULL: only summed. */
static int
block_read(const aibrix_cache *cache, const struct lease_block *b, void *dst)
{
	int sure = !verifies_late(cache) || block_summed(b);
	const void *data = aibrix__l1_data(cache, b->ref);
	uint64_t want = cache->slots[b->ref].checksum;
	size_t bytes = cache->block_bytes;
	uint64_t sum = want;
	int err = AIBRIX_OK;

	if (sure && dst)
		err = aibrix_pool_copy(cache->pool, dst, data, bytes);
	else if (dst)
		err = aibrix_pool_copy_sum(cache->pool, dst, data, bytes, &sum);
	else if (!sure)
		sum = aibrix__l1_sum(cache, b->ref);
	return !err && sum == want;
}

static int
block_copy(aibrix_cache *cache, struct lease *l, uint64_t i, void *dst)
{
	struct lease_block *b = &l->blocks[i];

	if (block_read(cache, b, dst)) {
		if (!block_summed(b))
			block_summed_set(b);
		return AIBRIX_OK;
	}
	lease_shorten(l, i);
	aibrix__cache_enter(cache);
	aibrix__l1_damaged(cache, b->ref);
	aibrix__cache_leave(cache);
	return AIBRIX_E_CORRUPT;
}

int
aibrix__block_verify(aibrix_cache *cache, struct lease *l, uint64_t i)
{
	return block_copy(cache, l, i, NULL);
}

static int
blocks_copy(aibrix_cache *cache, struct lease *l, uint64_t first,
	    void *const *dst, uint64_t n, uint64_t *n_out)
{
	const uint64_t end = lease_end(l);
	int err = AIBRIX_OK;

	if (first > end || n > end - first)
		return AIBRIX_E_NOT_FOUND;
	for (uint64_t i = 0; i < n; i++)
		if (!dst[i])
			return AIBRIX_E_INVAL;
	*n_out = 0;
	for (uint64_t i = 0; i < n; i++) {
		err = block_copy(cache, l, first + i, dst[i]);
		if (err)
			break;
		++*n_out;
	}
	return err;
}

int
aibrix_cache_read(aibrix_cache *cache, uint64_t lease, uint64_t first,
		  void *const *dst, uint64_t n, uint64_t *n_out)
{
	struct lease *l;
	int err;

	if (!cache || !n_out || (!dst && n))
		return AIBRIX_E_INVAL;
	l = aibrix__lease_enter(cache, lease);
	if (l) {
		err = blocks_copy(cache, l, first, dst, n, n_out);
		aibrix__lease_leave(cache, l);
		return err;
	}
	/* Acquired by now, but not when it was looked at. */
	aibrix__cache_enter(cache);
	err = lease_open(cache, lease, LEASE_ACQUIRED, &l);
	aibrix__cache_leave(cache);
	return err ? err : AIBRIX_E_AGAIN;
}

/* ---- into a reservation */

/* A block that is being copied. */
struct piece {
	uint64_t sum;
	uint32_t slot; /* pinned; NONE: nothing to do */
	uint8_t good;
};

struct pieces {
	aibrix_cache *cache;
	uint64_t lease;
	uint64_t first; /* block of the lease */
	uint32_t n;
	struct piece at[AT_ONCE];
};

static int
reserved_open(aibrix_cache *cache, uint64_t lease, uint64_t first, uint64_t n,
	      struct lease **out)
{
	int err = lease_open(cache, lease, LEASE_RESERVED, out);

	if (!err && (first > (*out)->n || n > (*out)->n - first))
		err = AIBRIX_E_NOT_FOUND;
	return err;
}

/* The lock is held. */
static void
pieces_pin(struct pieces *p, const struct lease *l, uint32_t n)
{
	p->n = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct lease_block *b = &l->blocks[p->first + i];

		p->at[i] = (struct piece){.slot = NONE};
		if (b->state != BLOCK_OWN)
			continue;
		p->at[i].slot = b->ref;
		aibrix__l1_pin(p->cache, b->ref);
	}
}

static void
pieces_unpin(struct pieces *p)
{
	for (uint32_t i = p->n; i-- > 0;)
		if (p->at[i].slot != NONE)
			aibrix__l1_unpin(p->cache, p->at[i].slot);
}

static void
piece_write(const aibrix_cache *cache, struct piece *piece, const void *src)
{
	void *data = aibrix__l1_data(cache, piece->slot);
	size_t bytes = cache->block_bytes;
	int err;

	if (sums_are_kept(cache))
		err = aibrix_pool_copy_sum(cache->pool, data, src, bytes,
					   &piece->sum);
	else
		err = aibrix_pool_copy(cache->pool, data, src, bytes);
	piece->good = !err;
}

/* The lock is held. */
static void
pieces_written(struct pieces *p)
{
	struct lease *l = aibrix__lease_find(p->cache, p->lease);
	struct lease_block *b;

	if (!l || lease_state(l) != LEASE_RESERVED)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		b = &l->blocks[p->first + i];
		if (!p->at[i].good)
			continue;
		p->cache->slots[b->ref].checksum = p->at[i].sum;
		block_summed_set(b);
	}
}

static uint32_t
few(uint64_t n)
{
	return n < AT_ONCE ? (uint32_t)n : AT_ONCE;
}

static int
pieces_write(aibrix_cache *cache, uint64_t lease, uint64_t first,
	     const void *const *src, uint32_t n)
{
	struct pieces p = {.cache = cache, .lease = lease, .first = first};
	struct lease *l;
	int err;

	aibrix__cache_enter(cache);
	err = reserved_open(cache, lease, first, n, &l);
	if (!err)
		pieces_pin(&p, l, n);
	aibrix__cache_unlock(cache);
	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		if (p.at[i].slot != NONE && src[i])
			piece_write(cache, &p.at[i], src[i]);
	aibrix__cache_enter(cache);
	pieces_written(&p);
	pieces_unpin(&p);
	aibrix__cache_leave(cache);
	return AIBRIX_OK;
}

int
aibrix_cache_write(aibrix_cache *cache, uint64_t lease, uint64_t first,
		   const void *const *src, uint64_t n)
{
	struct lease *l;
	int err;

	if (!cache || (!src && n))
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	err = reserved_open(cache, lease, first, n, &l);
	aibrix__cache_unlock(cache);
	for (uint64_t i = 0; !err && i < n; i += AT_ONCE)
		err = pieces_write(cache, lease, first + i, src + i,
				   few(n - i));
	return err;
}
