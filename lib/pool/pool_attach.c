/*
 * Devices that know the pool's memory.
 *
 * Drivers register host memory per call, with limits of their own: a table
 * of 16 bytes for each 4 KiB that overflows an int at 512 GiB, hosts that
 * refuse 96 GiB, cards with regions of a few gigabytes.  So a region goes in
 * pieces.  A piece that cut a slot in two would make every transfer of that
 * slot two transfers, and two pieces on one page are refused by drivers that
 * pin pages; hence the borders.
 */

#include "pool/pool_internal.h"

#include "base/versioned.h"

enum { HOOKS_V1 = STRUCT_UPTO(aibrix_pool_hooks, remove) };

#define PIECE_MAX ((uint64_t)64 << 30)

static uint64_t
common_divisor(uint64_t a, uint64_t b)
{
	uint64_t rest;

	for (; b; b = rest) {
		rest = a % b;
		a = b;
	}
	return a;
}

/* No piece ends but on a multiple of this; with classes spans do not move. */
static uint64_t
slot_border(const aibrix_pool *pool)
{
	return !pool->shape.several ? pool->classes[0].stride
				    : pool->shape.span_bytes;
}

/* The bytes of a whole piece: slots, and whole pages if they fit in. */
static uint64_t
piece_bytes(uint64_t most, uint64_t stride, uint64_t page)
{
	uint64_t both = stride / common_divisor(stride, page) * page;
	uint64_t border = both <= most ? both : stride;

	return most / border * border;
}

/* The k-th piece of a region; 0: there are fewer. */
static uint64_t
piece_of(const struct pool_region *r, uint64_t piece, uint64_t k,
	 unsigned char **base)
{
	uint64_t at = k * piece;

	*base = r->base + at;
	if (at >= r->bytes)
		return 0;
	return r->bytes - at < piece ? r->bytes - at : piece;
}

/* Take back the first k pieces of a region, last first. */
static void
region_remove(const aibrix_pool *pool, const aibrix_pool_hooks *hooks,
	      uint32_t i, uint64_t k)
{
	const struct pool_region *r = &pool->regions[i];
	uint64_t piece =
		piece_bytes(hooks->piece_bytes, slot_border(pool), r->page);
	unsigned char *base;

	while (k > 0) {
		uint64_t bytes = piece_of(r, piece, --k, &base);

		hooks->remove(hooks->ctx, i, base, bytes);
	}
}

/* The same of all regions before the i-th. */
static void
regions_remove(const aibrix_pool *pool, const aibrix_pool_hooks *hooks,
	       uint32_t i)
{
	while (i > 0) {
		const struct pool_region *r = &pool->regions[--i];
		uint64_t piece = piece_bytes(hooks->piece_bytes,
					     slot_border(pool), r->page);

		region_remove(pool, hooks, i, (r->bytes - 1) / piece + 1);
	}
}

static int
pieces_add(const aibrix_pool *pool, const aibrix_pool_hooks *hooks)
{
	for (uint32_t i = 0; i < pool->shape.regions; i++) {
		const struct pool_region *r = &pool->regions[i];
		uint64_t piece = piece_bytes(hooks->piece_bytes,
					     slot_border(pool), r->page);
		unsigned char *base;
		uint64_t bytes;

		for (uint64_t k = 0; (bytes = piece_of(r, piece, k, &base));
		     k++) {
			int err = hooks->add(hooks->ctx, i, base, bytes);

			if (err) {
				region_remove(pool, hooks, i, k);
				regions_remove(pool, hooks, i);
				return err < 0 ? err : AIBRIX_E_DEVICE;
			}
		}
	}
	return AIBRIX_OK;
}

static int
hooks_load(aibrix_pool_hooks *h, const aibrix_pool_hooks *src, uint64_t stride)
{
	int err = aibrix__struct_load(h, sizeof(*h), src, HOOKS_V1);

	if (err)
		return err;
	if (h->flags)
		return AIBRIX_E_ABI;
	if (h->piece_bytes == 0)
		h->piece_bytes = PIECE_MAX;
	if (!h->add || !h->remove || h->piece_bytes > PIECE_MAX ||
	    h->piece_bytes < stride)
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix_pool_attach(aibrix_pool *pool, const aibrix_pool_hooks *hooks,
		   uint32_t *id)
{
	aibrix_pool_hooks h;
	int err;

	if (!pool || !hooks || !id)
		return AIBRIX_E_INVAL;
	err = hooks_load(&h, hooks, slot_border(pool));
	if (err)
		return err;
	for (uint32_t i = 0; i < POOL_ATTACH_MAX; i++) {
		struct pool_attach *a = &pool->attach[i];
		uint32_t state = ATTACH_FREE;

		/* Acquire: with the release of the detach before. */
		if (!atomic_compare_exchange_strong_explicit(
			    &a->state, &state, ATTACH_BUSY,
			    memory_order_acquire, memory_order_relaxed))
			continue;
		err = pieces_add(pool, &h);
		if (!err) {
			a->hooks = h;
			*id = i;
		}
		/* Release: with the acquire of the detach. */
		atomic_store_explicit(&a->state,
				      err ? ATTACH_FREE : ATTACH_LIVE,
				      memory_order_release);
		return err;
	}
	return AIBRIX_E_FULL;
}

int
aibrix_pool_detach(aibrix_pool *pool, uint32_t id)
{
	uint32_t state = ATTACH_LIVE;
	struct pool_attach *a;

	if (!pool)
		return AIBRIX_E_INVAL;
	if (id >= POOL_ATTACH_MAX)
		return AIBRIX_E_NOT_FOUND;
	a = &pool->attach[id];
	/* Acquire, then release: with those of aibrix_pool_attach. */
	if (!atomic_compare_exchange_strong_explicit(
		    &a->state, &state, ATTACH_BUSY, memory_order_acquire,
		    memory_order_relaxed))
		return AIBRIX_E_NOT_FOUND;
	regions_remove(pool, &a->hooks, pool->shape.regions);
	atomic_store_explicit(&a->state, ATTACH_FREE, memory_order_release);
	return AIBRIX_OK;
}

void
aibrix__pool_detach_all(aibrix_pool *pool)
{
	for (uint32_t i = POOL_ATTACH_MAX; i > 0; i--)
		(void)!aibrix_pool_detach(pool, i - 1);
}
