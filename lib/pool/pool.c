/*
 * Pool: slots of one size in a few large mappings.
 *
 *   head: tag | slot --> next --> next --> none      free slots, a stack
 *
 *   slots: { word, next } { word, next } ...         by slot number
 *   regions: | slot 0 | slot 1 | ... |  | slot n | ...
 *
 * KV blocks of one model have one size, so a stack of free slots is all the
 * allocation there is: nothing fragments, and the slot given back last, whose
 * pages are warm, is taken first.  The table of slots lies beside the
 * memory, never in it: slots stay aligned for direct I/O and devices, and a
 * stray write into a block cannot break the pool.
 *
 * The stack is Treiber's (IBM RJ 5118, 1986).  Its one trap: between reading
 * head = A and A's next, others may take A and B and give A back; head is A
 * again but its next is not.  So every take also counts up the tag that
 * shares head's 64 bits.  To be fooled, a thread must sleep between two
 * instructions for exactly 2^32 takes.
 *
 * word is a slot's generation, odd while it is taken.  A lease carries the
 * odd number; giving it back is one compare-and-swap to the next even one,
 * so of any number of givers, at any time, one wins.  A lease that is kept
 * for 2^31 takes of its slot could be mistaken for a new one.
 */

#include <aibrix/pool.h>

#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/versioned.h"
#include "pool/pool_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_pool_opts, numa_nodes) };
enum { REGION_V1 = STRUCT_UPTO(aibrix_pool_region_info, spare) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_pool_stat, stale_gives) };
enum { ALIGN_DEFAULT = 4096, ALIGN_MAX = 2 << 20, REGION_DEFAULT = 1 << 30 };

enum { FLAGS = AIBRIX_POOL_MEMFD | AIBRIX_POOL_SCRUB };

#define NONE UINT32_MAX

/* What the options come to. */
static int
shape_set(struct pool_shape *shape, const aibrix_pool_opts *o)
{
	uint64_t align = o->align ? o->align : ALIGN_DEFAULT;
	uint64_t region = o->region_bytes ? o->region_bytes : REGION_DEFAULT;
	size_t total;

	if (o->slot_bytes == 0 || o->slots == 0 || o->slots >= UINT32_MAX)
		return AIBRIX_E_INVAL;
	if (align > ALIGN_MAX || (align & (align - 1)) != 0)
		return AIBRIX_E_INVAL;
	shape->align = (size_t)align;
	shape->slot_bytes = (size_t)o->slot_bytes;
	if (shape->slot_bytes != o->slot_bytes ||
	    !checked_round_up(shape->slot_bytes, shape->align,
			      &shape->stride) ||
	    !checked_mul(shape->stride, (size_t)o->slots, &total))
		return AIBRIX_E_INVAL;

	shape->slots = (uint32_t)o->slots;
	region /= shape->stride;
	if (region == 0)
		region = 1;
	if (region > o->slots)
		region = o->slots;
	shape->region_slots = (uint32_t)region;
	shape->regions = (shape->slots - 1) / shape->region_slots + 1;
	return AIBRIX_OK;
}

static int
source_set(struct pool_source *from, const aibrix_pool_opts *o, size_t align)
{
	if (o->flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	if (o->pages > AIBRIX_POOL_PAGES_PLAIN ||
	    o->numa > AIBRIX_POOL_NUMA_INTERLEAVE)
		return AIBRIX_E_INVAL;
	*from = (struct pool_source){
		.nodes = o->numa_nodes,
		.align = align,
		.pages = o->pages,
		.numa = o->numa,
		.memfd = (o->flags & AIBRIX_POOL_MEMFD) != 0,
	};
	return o->log ? aibrix__log_load(&from->log, o->log) : AIBRIX_OK;
}

static int
regions_map(aibrix_pool *pool, const struct pool_source *from)
{
	uint32_t first = 0;
	int err;

	for (uint32_t i = 0; i < pool->shape.regions; i++) {
		struct pool_region *r = &pool->regions[i];

		r->first = first;
		r->slots = pool->shape.slots - first;
		if (r->slots > pool->shape.region_slots)
			r->slots = pool->shape.region_slots;
		err = aibrix__pool_map(from, r->slots * pool->shape.stride, r);
		if (err)
			return err;
		first += r->slots;
		pool->touch.total += r->bytes;
	}
	return AIBRIX_OK;
}

/* A new pool gives its slots in the order of their numbers. */
static void
slots_chain(aibrix_pool *pool)
{
	for (uint32_t i = 0; i < pool->shape.slots; i++) {
		atomic_init(&pool->slots[i].word, 0);
		atomic_init(&pool->slots[i].next,
			    i + 1 < pool->shape.slots ? i + 1 : NONE);
	}
	atomic_init(&pool->head, 0);
	atomic_init(&pool->takes, 0);
	atomic_init(&pool->gives, 0);
	atomic_init(&pool->fulls, 0);
	atomic_init(&pool->stale_gives, 0);
}

static int
pool_open(aibrix_pool *pool, const struct pool_source *from)
{
	pool->slots = aibrix__alloc(&pool->alloc, pool->shape.slots,
				    sizeof(*pool->slots));
	pool->regions = aibrix__alloc(&pool->alloc, pool->shape.regions,
				      sizeof(*pool->regions));
	if (!pool->slots || !pool->regions)
		return AIBRIX_E_NOMEM;
	slots_chain(pool);
	return regions_map(pool, from);
}

int
aibrix_pool_new(const aibrix_pool_opts *opts, aibrix_pool **out)
{
	aibrix_pool_opts o;
	aibrix_allocator a;
	struct pool_source from;
	struct pool_shape shape;
	aibrix_pool *pool;
	int err;

	if (!opts || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (err)
		return err;
	err = shape_set(&shape, &o);
	if (!err)
		err = source_set(&from, &o, shape.align);
	if (err)
		return err;
	err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;

	pool = aibrix__alloc_aligned(&a, 1, sizeof(*pool), CACHE_LINE);
	if (!pool)
		return AIBRIX_E_NOMEM;
	pool->alloc = a;
	pool->shape = shape;
	pool->scrub = (o.flags & AIBRIX_POOL_SCRUB) != 0;
	err = pool_open(pool, &from);
	if (err) {
		aibrix_pool_free(pool);
		return err;
	}
	*out = pool;
	return AIBRIX_OK;
}

void
aibrix_pool_free(aibrix_pool *pool)
{
	aibrix_allocator a;

	if (!pool)
		return;
	a = pool->alloc; /* pool itself came from it */
	aibrix__pool_detach_all(pool);
	for (uint32_t i = 0; pool->regions && i < pool->shape.regions; i++)
		if (pool->regions[i].base) /* the last one mapped is the last */
			aibrix__pool_unmap(&pool->regions[i]);
	aibrix__free(&a, pool->regions, pool->shape.regions,
		     sizeof(*pool->regions));
	aibrix__free(&a, pool->slots, pool->shape.slots, sizeof(*pool->slots));
	aibrix__free(&a, pool, 1, sizeof(*pool));
}

static unsigned char *
slot_data(const aibrix_pool *pool, uint32_t slot)
{
	uint32_t region = slot / pool->shape.region_slots;
	uint32_t within = slot - region * pool->shape.region_slots;

	return pool->regions[region].base + within * pool->shape.stride;
}

int
aibrix_pool_take(aibrix_pool *pool, aibrix_lease *lease)
{
	uint64_t head, tag, below;
	uint32_t slot, word;

	if (!pool || !lease)
		return AIBRIX_E_INVAL;

	/* Acquire, here and below: with the release in slot_push, so that
	 * next, word and the slot's contents are those of its last holder.
	 * A take's own write of head keeps the releases before it visible
	 * (it is a read-modify-write), and needs none itself. */
	head = atomic_load_explicit(&pool->head, memory_order_acquire);
	do {
		slot = (uint32_t)head;
		if (slot == NONE) {
			atomic_fetch_add_explicit(&pool->fulls, 1,
						  memory_order_relaxed);
			return AIBRIX_E_FULL;
		}
		/* May be of a later life of the slot; then the tag of head
		 * has changed too, and the exchange fails. */
		below = atomic_load_explicit(&pool->slots[slot].next,
					     memory_order_relaxed);
		tag = (head >> 32) + 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&pool->head, &head, tag << 32 | below, memory_order_acquire,
		memory_order_acquire));

	/* Relaxed: the slot is this thread's; a stale give that comes now
	 * compares with an older odd number and fails on either value. */
	word = atomic_load_explicit(&pool->slots[slot].word,
				    memory_order_relaxed);
	assert(word % 2 == 0);
	atomic_store_explicit(&pool->slots[slot].word, word + 1,
			      memory_order_relaxed);
	atomic_fetch_add_explicit(&pool->takes, 1, memory_order_relaxed);
	*lease = (aibrix_lease){slot_data(pool, slot), pool->shape.slot_bytes,
				slot, word + 1};
	return AIBRIX_OK;
}

/* Could this be a lease of this pool, now or before? */
static int
lease_ours(const aibrix_pool *pool, const aibrix_lease *lease)
{
	return lease->slot < pool->shape.slots && lease->generation % 2 == 1 &&
	       lease->data == slot_data(pool, lease->slot);
}

static void
slot_push(aibrix_pool *pool, uint32_t slot)
{
	uint64_t head = atomic_load_explicit(&pool->head, memory_order_relaxed);
	uint64_t next;

	/* Release: with the acquire in aibrix_pool_take. */
	do {
		atomic_store_explicit(&pool->slots[slot].next, (uint32_t)head,
				      memory_order_relaxed);
		next = (head >> 32) << 32 | slot;
	} while (!atomic_compare_exchange_weak_explicit(
		&pool->head, &head, next, memory_order_release,
		memory_order_relaxed));
}

int
aibrix_pool_give(aibrix_pool *pool, const aibrix_lease *lease)
{
	uint32_t word;

	if (!pool || !lease || !lease_ours(pool, lease))
		return AIBRIX_E_INVAL;

	/* Release: with the acquire in aibrix_pool_holds, so that who learns
	 * of the end also sees what was done before it. */
	word = lease->generation;
	if (!atomic_compare_exchange_strong_explicit(
		    &pool->slots[lease->slot].word, &word, word + 1,
		    memory_order_release, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&pool->stale_gives, 1,
					  memory_order_relaxed);
		return AIBRIX_E_STATE;
	}
	/* Release: with the acquire in aibrix_pool_stats. */
	atomic_fetch_add_explicit(&pool->gives, 1, memory_order_release);
	if (pool->scrub)
		memset(lease->data, 0, pool->shape.slot_bytes);
	slot_push(pool, lease->slot);
	return AIBRIX_OK;
}

uint32_t
aibrix_pool_holds(const aibrix_pool *pool, const aibrix_lease *lease)
{
	if (!pool || !lease || !lease_ours(pool, lease))
		return 0;
	/* Acquire: with the release in aibrix_pool_give. */
	return atomic_load_explicit(&pool->slots[lease->slot].word,
				    memory_order_acquire) == lease->generation;
}

void *
aibrix_pool_slot(const aibrix_pool *pool, uint32_t slot)
{
	return pool && slot < pool->shape.slots ? slot_data(pool, slot) : NULL;
}

int
aibrix_pool_region(const aibrix_pool *pool, uint32_t i,
		   aibrix_pool_region_info *info)
{
	aibrix_pool_region_info r = {.size = sizeof(r)};

	if (!pool || !info)
		return AIBRIX_E_INVAL;
	if (i >= pool->shape.regions)
		return AIBRIX_E_NOT_FOUND;
	r.first_slot = pool->regions[i].first;
	r.slots = pool->regions[i].slots;
	r.base = pool->regions[i].base;
	r.bytes = pool->regions[i].bytes;
	r.pages = pool->regions[i].pages;
	r.page_bytes = pool->regions[i].page;
	r.fd = pool->regions[i].fd;
	r.stride = pool->shape.stride;
	return aibrix__struct_store(info, &r, sizeof(r), REGION_V1);
}

int
aibrix_pool_stats(const aibrix_pool *pool, aibrix_pool_stat *stat)
{
	aibrix_pool_stat s = {.size = sizeof(s)};
	uint64_t gives;

	if (!pool || !stat)
		return AIBRIX_E_INVAL;
	/* gives first, and acquire (with the release in aibrix_pool_give):
	 * each of them followed a take that is then seen below. */
	gives = atomic_load_explicit(&pool->gives, memory_order_acquire);
	s.takes = atomic_load_explicit(&pool->takes, memory_order_relaxed);
	s.taken = s.takes - gives;
	if (s.taken > pool->shape.slots) /* others gave and took meanwhile */
		s.taken = pool->shape.slots;
	s.fulls = atomic_load_explicit(&pool->fulls, memory_order_relaxed);
	s.stale_gives =
		atomic_load_explicit(&pool->stale_gives, memory_order_relaxed);
	s.regions = pool->shape.regions;
	s.slots = pool->shape.slots;
	for (uint32_t i = 0; i < pool->shape.regions; i++) {
		const struct pool_region *r = &pool->regions[i];

		s.mapped_bytes += r->bytes;
		if (r->pages == AIBRIX_POOL_PAGES_HUGE)
			s.huge_bytes += r->bytes;
		if (r->pages == AIBRIX_POOL_PAGES_THP)
			s.thp_bytes += r->bytes;
	}
	s.touched_bytes =
		atomic_load_explicit(&pool->touch.done, memory_order_relaxed);
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}

int
aibrix__pool_check(const aibrix_pool *pool)
{
	uint64_t gives = atomic_load(&pool->gives);
	uint64_t takes = atomic_load(&pool->takes);
	uint32_t slot = (uint32_t)atomic_load(&pool->head);
	uint32_t free = 0, taken = 0;

	while (slot != NONE && free <= pool->shape.slots) {
		if (atomic_load(&pool->slots[slot].word) % 2 == 1)
			return 0;
		slot = atomic_load(&pool->slots[slot].next);
		free++;
	}
	for (uint32_t i = 0; i < pool->shape.slots; i++)
		taken += atomic_load(&pool->slots[i].word) % 2;
	return free + taken == pool->shape.slots && takes - gives == taken;
}
