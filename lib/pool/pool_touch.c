/*
 * Pages ahead of their first use.
 *
 * A first touch clears the page at a few gigabytes per second, so a large
 * pool takes minutes, which one thread spends in the system.  The library
 * has no threads: callers bring theirs, and each call takes the next piece
 * from a common cursor.  Pieces of a gigabyte and more keep them out of each
 * other's way.
 */

#include "pool/pool_internal.h"

#include "base/versioned.h"

enum { PROGRESS_V1 = STRUCT_UPTO(aibrix_pool_progress, failed_bytes) };

/* Populate [at, at + bytes) of all regions laid end to end, and what more
 * there is on their first and last page. */
static int
range_populate(const aibrix_pool *pool, uint64_t at, uint64_t bytes)
{
	int err = AIBRIX_OK;

	for (uint32_t i = 0; !err && bytes > 0; i++) {
		const struct pool_region *r = &pool->regions[i];
		uint64_t n = r->bytes;

		if (at >= n) {
			at -= n;
			continue;
		}
		n = n - at < bytes ? n - at : bytes;
		bytes -= n;
		n += at & (r->page - 1);
		at -= at & (r->page - 1);
		n = (n + r->page - 1) & ~(uint64_t)(r->page - 1);
		err = aibrix__pool_populate(r->base + at, (size_t)n, r->page);
		at = 0;
	}
	return err;
}

static int
progress_store(const struct pool_touch *t, aibrix_pool_progress *progress)
{
	aibrix_pool_progress p = {.size = sizeof(p), .total_bytes = t->total};

	if (!progress)
		return AIBRIX_OK;
	/* Acquire: with the release below; what is done was begun. */
	p.touched_bytes = atomic_load_explicit(&t->done, memory_order_acquire);
	p.failed_bytes = atomic_load_explicit(&t->failed, memory_order_acquire);
	p.begun_bytes = atomic_load_explicit(&t->begun, memory_order_relaxed);
	return aibrix__struct_store(progress, &p, sizeof(p), PROGRESS_V1);
}

/* About bytes from at: whole large pages, so that no two callers fault on
 * the same one. */
static uint64_t
touch_end(uint64_t at, uint64_t bytes, uint64_t total)
{
	uint64_t left = total - at;

	if (bytes >= left || left - bytes < HUGE_PAGE)
		return total;
	return (at + bytes + HUGE_PAGE - 1) & ~(uint64_t)(HUGE_PAGE - 1);
}

int
aibrix_pool_touch(aibrix_pool *pool, uint64_t bytes,
		  aibrix_pool_progress *progress)
{
	struct pool_touch *t;
	uint64_t at, end;
	int err;

	if (!pool || bytes == 0)
		return AIBRIX_E_INVAL;
	t = &pool->touch;
	err = progress_store(t, progress); /* is its size right? */
	if (err)
		return err;
	at = atomic_load_explicit(&t->begun, memory_order_relaxed);
	do {
		end = touch_end(at, bytes, t->total);
		if (end == at)
			return AIBRIX_E_NOT_FOUND;
	} while (!atomic_compare_exchange_weak_explicit(&t->begun, &at, end,
							memory_order_relaxed,
							memory_order_relaxed));

	err = range_populate(pool, at, end - at);
	atomic_fetch_add_explicit(err ? &t->failed : &t->done, end - at,
				  memory_order_release);
	(void)!progress_store(t, progress);
	return err;
}
