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
 * A few blocks at a time are pinned under the lock and copied without it, so
 * a lease that another thread ends meanwhile takes no memory from under the
 * copy.  What comes out is applied only if the lease is still that one.
 *
 * A damaged block leaves the table at once.  The lease keeps what it holds,
 * since others may read it through pointers, but says that it ends before
 * that block.
 */

#include <aibrix/cache.h>

#include "cache/cache_internal.h"

enum { AT_ONCE = 32 };

/* A block that is being copied. */
struct piece {
	uint64_t sum;
	uint32_t slot; /* pinned; NONE: nothing to do */
	uint8_t sure;  /* of its bytes: need not be summed */
	uint8_t good;
};

struct pieces {
	aibrix_cache *cache;
	uint64_t lease;
	uint64_t first; /* block of the lease */
	uint32_t n;
	struct piece at[AT_ONCE];
};

/* The lease, if its blocks may be copied, and has these. */
static int
lease_open(aibrix_cache *cache, uint64_t lease, uint32_t state, uint64_t first,
	   uint64_t n, struct lease **out)
{
	struct lease *l = aibrix__lease_find(cache, lease);

	if (!l)
		return AIBRIX_E_NOT_FOUND;
	if (l->state == LEASE_BUSY || l->state == LEASE_WAITING)
		return AIBRIX_E_AGAIN;
	if (l->state != state)
		return AIBRIX_E_STATE;
	if (first > l->n || n > l->n - first)
		return AIBRIX_E_NOT_FOUND;
	*out = l;
	return AIBRIX_OK;
}

/* The lock is held. */
static void
pieces_pin(struct pieces *p, const struct lease *l, uint32_t n)
{
	aibrix_cache *cache = p->cache;
	int late = verifies_late(cache);

	p->n = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct lease_block *b = &l->blocks[p->first + i];

		p->at[i] = (struct piece){.slot = NONE};
		if (l->state == LEASE_RESERVED && b->state != BLOCK_OWN)
			continue;
		p->at[i].slot = b->ref;
		p->at[i].sum = cache->slots[b->ref].checksum;
		p->at[i].sure = !late || b->summed;
		aibrix__l1_pin(cache, b->ref);
	}
}

static void
pieces_unpin(struct pieces *p)
{
	for (uint32_t i = p->n; i-- > 0;)
		if (p->at[i].slot != NONE)
			aibrix__l1_unpin(p->cache, p->at[i].slot);
}

/* ---- out of a lease */

/* dst NULL: only summed. */
static void
piece_read(const aibrix_cache *cache, struct piece *piece, void *dst)
{
	const void *data = aibrix__l1_data(cache, piece->slot);
	size_t bytes = cache->block_bytes;
	uint64_t sum = piece->sum;
	int err = AIBRIX_OK;

	if (piece->sure && dst)
		err = aibrix_pool_copy(cache->pool, dst, data, bytes);
	else if (dst)
		err = aibrix_pool_copy_sum(cache->pool, dst, data, bytes, &sum);
	else if (!piece->sure)
		sum = aibrix__l1_sum(cache, piece->slot);
	piece->good = !err && sum == piece->sum;
}

/* The lock is held; good: how many from the front. */
static void
pieces_told(struct pieces *p, uint32_t good)
{
	aibrix_cache *cache = p->cache;
	struct lease *l = aibrix__lease_find(cache, p->lease);
	uint64_t end = p->first + good;

	if (good < p->n)
		aibrix__l1_damaged(cache, p->at[good].slot);
	if (!l || l->state != LEASE_ACQUIRED)
		return;
	for (uint32_t i = 0; i < good; i++)
		l->blocks[p->first + i].summed = 1;
	if (good < p->n && end < l->n)
		aibrix__lease_shorten(l, end);
}

/* Blocks first to first + n to dst, n at most AT_ONCE; *done: how many. */
static int
pieces_read(aibrix_cache *cache, uint64_t lease, uint64_t first,
	    void *const *dst, uint32_t n, uint32_t *done)
{
	struct pieces p = {.cache = cache, .lease = lease, .first = first};
	uint32_t good = 0;
	struct lease *l;
	int err;

	aibrix__cache_enter(cache);
	err = lease_open(cache, lease, LEASE_ACQUIRED, first, n, &l);
	if (!err)
		pieces_pin(&p, l, n);
	aibrix__cache_unlock(cache);
	if (err)
		return err;
	do {
		piece_read(cache, &p.at[good], dst ? dst[good] : NULL);
	} while (p.at[good].good && ++good < n);
	aibrix__cache_enter(cache);
	pieces_told(&p, good);
	pieces_unpin(&p);
	aibrix__cache_leave(cache);
	*done = good;
	return good < n ? AIBRIX_E_CORRUPT : AIBRIX_OK;
}

int
aibrix__block_verify(aibrix_cache *cache, uint64_t lease, uint64_t i)
{
	uint32_t done;

	return pieces_read(cache, lease, i, NULL, 1, &done);
}

static uint32_t
few(uint64_t n)
{
	return n < AT_ONCE ? (uint32_t)n : AT_ONCE;
}

int
aibrix_cache_read(aibrix_cache *cache, uint64_t lease, uint64_t first,
		  void *const *dst, uint64_t n, uint64_t *n_out)
{
	struct lease *l;
	uint32_t some;
	int err;

	if (!cache || !n_out || (!dst && n))
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	err = lease_open(cache, lease, LEASE_ACQUIRED, first, n, &l);
	aibrix__cache_unlock(cache);
	for (uint64_t i = 0; !err && i < n; i++)
		if (!dst[i])
			err = AIBRIX_E_INVAL;
	if (err)
		return err;
	*n_out = 0;
	while (!err && n) {
		err = pieces_read(cache, lease, first, dst, few(n), &some);
		if (err && err != AIBRIX_E_CORRUPT)
			break;
		*n_out += some;
		first += some;
		dst += some;
		n -= some;
	}
	return err;
}

/* ---- into a reservation */

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

	if (!l || l->state != LEASE_RESERVED)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		b = &l->blocks[p->first + i];
		if (!p->at[i].good)
			continue;
		p->cache->slots[b->ref].checksum = p->at[i].sum;
		b->summed = 1;
	}
}

static int
pieces_write(aibrix_cache *cache, uint64_t lease, uint64_t first,
	     const void *const *src, uint32_t n)
{
	struct pieces p = {.cache = cache, .lease = lease, .first = first};
	struct lease *l;
	int err;

	aibrix__cache_enter(cache);
	err = lease_open(cache, lease, LEASE_RESERVED, first, n, &l);
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
	err = lease_open(cache, lease, LEASE_RESERVED, first, n, &l);
	aibrix__cache_unlock(cache);
	for (uint64_t i = 0; !err && i < n; i += AT_ONCE)
		err = pieces_write(cache, lease, first + i, src + i,
				   few(n - i));
	return err;
}
