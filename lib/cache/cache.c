/*
 * The cache object.
 *
 * Made for: one engine; 10^3 to 10^6 blocks of 64 KiB to 4 MiB, all of one
 * size; prompts of 10 to 10^4 blocks; two calls per request on each way.
 * Payload bytes dominate every cost, so they are touched once per direction
 * (their sum) and never copied, and one mutex around tables that are two
 * cache lines per block is enough.
 *
 * The store, the log and payloads are touched with the mutex released.  A
 * store belongs to one thread at a time, so who finds it taken leaves a note
 * under the mutex for the one who has it: cache_drive.c.
 */

#include <aibrix/cache.h>

#include <string.h>

#include <aibrix/layout.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/versioned.h"
#include "base/xxh.h"
#include "cache/cache_internal.h"

enum {
	LEASES = 1024,
	TOKENS = 16,
	INFLIGHT = 256,
	LAYOUT_MAX = 4096,
	FLAGS = AIBRIX_CACHE_NO_L1_VERIFY | AIBRIX_CACHE_NO_L2_WRITE |
		AIBRIX_CACHE_L2_RAW | AIBRIX_CACHE_NO_L2_VERIFY |
		AIBRIX_CACHE_PROBE_FIRST | AIBRIX_CACHE_VERIFY_LATE
};

void
aibrix__cache_enter(aibrix_cache *cache)
{
	pthread_mutex_lock(&cache->mutex);
	if (atomic_load_explicit(&cache->hits_noted, memory_order_relaxed) !=
	    NONE)
		aibrix__hits_apply(cache);
}

void
aibrix__cache_unlock(aibrix_cache *cache)
{
	uint32_t kick = cache->wait.kick;
	struct dead *dead = cache->dead, *next;
	struct removal *over = cache->removing.over;

	cache->wait.kick = 0;
	cache->dead = NULL;
	cache->removing.over = NULL;
	pthread_mutex_unlock(&cache->mutex);
	if (kick)
		aibrix__wait_kick(cache, kick);
	aibrix__remove_free(cache, over);
	for (; dead; dead = next) {
		next = dead->next;
		aibrix__blocks_free(cache, (void *)dead, dead->cap);
	}
}

void
aibrix__cache_leave(aibrix_cache *cache)
{
	const struct said now = {cache->stat.corrupt_l1, cache->stat.corrupt_l2,
				 cache->stat.l2_errors},
			  was = cache->said;

	cache->said = now;
	if (cache->meter)
		aibrix__meter_tell(cache);
	aibrix__wait_note(cache);
	aibrix__cache_unlock(cache);
	if (now.corrupt_l1 != was.corrupt_l1 ||
	    now.corrupt_l2 != was.corrupt_l2)
		aibrix__log(
			&cache->log, AIBRIX_LOG_ERROR, LOG_CACHE_CORRUPT,
			"cache: damaged blocks dropped: %llu of memory, "
			"%llu of L2; their prefixes are misses",
			(unsigned long long)(now.corrupt_l1 - was.corrupt_l1),
			(unsigned long long)(now.corrupt_l2 - was.corrupt_l2));
	/* An outage fails thousands of requests a second: said again when
	 * there are twice as many. */
	if ((now.l2_errors ^ was.l2_errors) > was.l2_errors)
		aibrix__log(&cache->log, AIBRIX_LOG_WARN,
			    LOG_CACHE_STORE_FAILED,
			    "cache: %llu requests have failed at L2 so far, "
			    "each a miss or a block not written",
			    (unsigned long long)now.l2_errors);
}

/* The caller's text and the block's size, which no value of another size
 * may pass. */
static uint64_t
layout_id(const char *layout, size_t len, uint64_t block_bytes)
{
	uint8_t both[16];
	struct writer w = writer_on(both, sizeof(both));

	write_u64(&w, aibrix__xxh3_64(layout, len, 0));
	write_u64(&w, block_bytes);
	return aibrix__xxh3_64(both, sizeof(both), 0);
}

static int
opts_check(const aibrix_cache_opts *o)
{
	uint64_t frame = o->flags & AIBRIX_CACHE_L2_RAW ? 0 : FRAME_BYTES;
	aibrix_store_stat l2 = {.size = sizeof(l2)};
	uint64_t value = o->block_bytes;
	int err;

	if (o->flags & ~(uint32_t)FLAGS || o->spare)
		return AIBRIX_E_ABI;
	if (o->block_bytes == 0 || o->l1_bytes < o->block_bytes ||
	    o->max_leases == UINT32_MAX || o->l2_inflight == UINT32_MAX ||
	    o->ingest > AIBRIX_CACHE_INGEST_EVICTED || o->hot_hits > HITS_MAX ||
	    o->promote > AIBRIX_CACHE_PROMOTE_USED ||
	    o->tenants > TENANTS_MAX ||
	    (o->tenants > 1 && o->evict == AIBRIX_EVICT_DENSITY))
		return AIBRIX_E_INVAL;
	if (o->layout && strnlen(o->layout, LAYOUT_MAX + 1) > LAYOUT_MAX)
		return AIBRIX_E_INVAL;
	if (o->trailer_tokens &&
	    (!o->l2 || !(o->flags & AIBRIX_CACHE_L2_RAW) ||
	     aibrix_layout_trailer_bytes(o->block_bytes, o->trailer_tokens,
					 &value)))
		return AIBRIX_E_INVAL;
	if (!o->l2)
		return AIBRIX_OK;
	err = aibrix_store_stats(o->l2, &l2);
	if (err)
		return err;
	_Static_assert((int)FRAME_BYTES == (int)AIBRIX_CACHE_FRAME_BYTES,
		       "one number");
	if (l2.value_bytes < frame || l2.value_bytes - frame < value)
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static void
ingest_set(aibrix_cache *cache, const aibrix_cache_opts *o)
{
	uint32_t transfers = cache->max_transfers - cache->max_transfers / 4;
	uint64_t blocks = o->write_bytes / cache->block_bytes;

	cache->l2 = o->l2;
	cache->ingest = o->ingest;
	cache->hot_hits = o->hot_hits ? o->hot_hits : 1;
	cache->promote = o->promote;
	cache->max_blocks = o->max_tokens / cache->block_tokens +
			    (o->max_tokens % cache->block_tokens != 0);
	/* A share that is not a block lets one pass at a time. */
	cache->max_writing = transfers;
	if (o->write_bytes && blocks < transfers)
		cache->max_writing = blocks ? (uint32_t)blocks : 1;
	if (cache->l2 && cache->ingest == AIBRIX_CACHE_INGEST_EVICTED &&
	    !(cache->flags & AIBRIX_CACHE_NO_L2_WRITE))
		cache->ahead = cache->max_writing < cache->capacity / 4
				       ? cache->max_writing
				       : cache->capacity / 4;
}

static int
cache_open(aibrix_cache *cache, const aibrix_cache_opts *o)
{
	const char *layout = o->layout ? o->layout : "";
	int err;

	if (pthread_mutex_init(&cache->mutex, NULL))
		return AIBRIX_E_NOMEM;
	cache->locked_once = 1;
	cache->block_bytes = cache->slot_bytes = o->block_bytes;
	cache->trailer_tokens = o->trailer_tokens;
	if (o->trailer_tokens)
		(void)!aibrix_layout_trailer_bytes(
			o->block_bytes, o->trailer_tokens, &cache->slot_bytes);
	cache->block_tokens = o->block_tokens ? o->block_tokens : TOKENS;
	cache->flags = o->flags;
	cache->policy = o->evict;
	cache->tenants = &cache->alone;
	cache->n_tenants = o->tenants ? o->tenants : 1;
	err = aibrix__budget_set(&cache->budget, o);
	if (err)
		return err;
	cache->cpu = aibrix__cpu();
	cache->hash = aibrix__xxh3_64_select(cache->cpu);
	cache->layout = layout_id(layout, strlen(layout), o->block_bytes);
	cache->stat.size = sizeof(cache->stat);

	err = aibrix__wait_open(cache, o);
	if (!err)
		err = aibrix__l1_open(cache, o->l1_bytes, o->l2 != NULL);
	if (!err)
		err = aibrix__lease_open(cache, o->max_leases ? o->max_leases
							      : LEASES);
	if (!err && o->l2)
		err = aibrix__transfers_open(
			cache, o->l2_inflight ? o->l2_inflight : INFLIGHT);
	if (!err && o->l2)
		err = aibrix__remove_open(cache);
	if (!err)
		ingest_set(cache, o);
	if (!err)
		cache->meter = o->meter;
	return err;
}

int
aibrix_cache_new(const aibrix_cache_opts *opts, aibrix_cache **out)
{
	enum { OPTS_V1 = STRUCT_UPTO(aibrix_cache_opts, alloc) };
	aibrix_cache_opts o;
	aibrix_allocator a;
	aibrix_cache *cache;
	int err;

	if (!opts || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (!err)
		err = opts_check(&o);
	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;

	cache = aibrix__alloc(&a, 1, sizeof(*cache));
	if (!cache)
		return AIBRIX_E_NOMEM;
	cache->alloc = a;
	err = aibrix__log_load(&cache->log, o.log);
	if (!err)
		err = cache_open(cache, &o);
	if (err) {
		aibrix_cache_free(cache);
		return err;
	}
	*out = cache;
	return AIBRIX_OK;
}

void
aibrix_cache_free(aibrix_cache *cache)
{
	aibrix_allocator a;

	if (!cache)
		return;
	/* Memory that the store may still write: better lost than reused. */
	if (cache->l2 && !aibrix__l2_drain(cache))
		return;
	a = cache->alloc; /* cache itself came from it */
	aibrix__meter_close(cache);
	aibrix__wait_close(cache);
	aibrix__transfers_close(cache);
	aibrix__remove_close(cache);
	aibrix__lease_close(cache);
	aibrix__events_close(cache);
	aibrix__l1_close(cache);
	if (cache->locked_once)
		pthread_mutex_destroy(&cache->mutex);
	aibrix__free(&a, cache, 1, sizeof(*cache));
}

int
aibrix_cache_stats(aibrix_cache *cache, aibrix_cache_stat *stat)
{
	enum { STAT_V1 = STRUCT_UPTO(aibrix_cache_stat, no_room) };
	aibrix_cache_stat s;

	if (!cache || !stat)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	s = cache->stat;
	s.l1_capacity = cache->capacity;
	s.l1_blocks = cache->count[SLOT_READY];
	s.l1_pinned = cache->pinned;
	s.leases = (uint32_t)cache->leases_held;
	s.asked = cache->asked;
	s.hits_l1 += cache->hits;
	s.l2_waiting = (uint64_t)cache->writes.count + cache->writing;
	aibrix__cache_leave(cache);
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}
