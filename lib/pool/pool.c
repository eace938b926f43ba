/*
 * Pool: slots in a few large mappings.
 *
 *   regions: | span | span | ... |  | span | ...       memory
 *   spans:   { class, ... }                            by span number
 *   slots:   { word, next, holder }                     by slot number
 *   stacks:  head --> slot --> slot --> none           by magazine and class
 *
 * A slot's number gives its span, the span its base and its class, and the
 * class the distance from slot to slot.  pool_map.c has the memory,
 * pool_slots.c what is done to slots, pool_spans.c how classes share.
 */

#include <aibrix/pool.h>

#include <string.h>

#include "base/checked.h"
#include "base/versioned.h"
#include "pool/pool_stack.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_pool_opts, clock_ctx) };
enum { REGION_V1 = STRUCT_UPTO(aibrix_pool_region_info, spare) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_pool_stat, spare) };
enum { FLAGS = AIBRIX_POOL_MEMFD | AIBRIX_POOL_SCRUB };

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

static uint32_t
region_slots(const aibrix_pool *pool, uint32_t first)
{
	uint32_t most = pool->shape.region_spans * pool->shape.span_slots;
	uint32_t left = pool->shape.slots - first;

	return left < most ? left : most;
}

/* Only the last span of a pool of one size is shorter than the others. */
static size_t
region_bytes(const aibrix_pool *pool, uint32_t i)
{
	uint32_t first = i * pool->shape.region_spans;
	uint32_t left = pool->shape.spans - first;

	if (!pool->shape.several)
		return region_slots(pool, first * pool->shape.span_slots) *
		       pool->classes[0].stride;
	return pool->shape.span_bytes * (left < pool->shape.region_spans
						 ? left
						 : pool->shape.region_spans);
}

static int
regions_map(aibrix_pool *pool, const struct pool_source *from)
{
	uint32_t span = 0;

	for (uint32_t i = 0; i < pool->shape.regions; i++) {
		struct pool_region *r = &pool->regions[i];
		int err = aibrix__pool_map(from, region_bytes(pool, i), r);

		if (err)
			return err;
		pool->touch.total += r->bytes;
		for (uint32_t k = 0;
		     k < pool->shape.region_spans && span < pool->shape.spans;
		     k++, span++)
			pool->spans[span].base =
				r->base + k * pool->shape.span_bytes;
	}
	return AIBRIX_OK;
}

/* A new pool gives its slots in the order of their numbers; or its spans. */
static void
slots_fill(aibrix_pool *pool)
{
	uint32_t stacks = (pool->shape.magazines + 1) * pool->shape.classes;

	for (uint32_t i = 0; i < stacks; i++)
		atomic_init(&pool->stacks[i].head, NONE);
	pool->span_top = NONE;
	for (uint32_t i = pool->shape.spans; i > 0; i--) {
		struct pool_span *span = &pool->spans[i - 1];

		atomic_init(&span->kind, NONE);
		if (!pool->shape.several) {
			aibrix__pool_span_fill(pool, i - 1, 0);
			continue;
		}
		span->next = pool->span_top;
		pool->span_top = i - 1;
		pool->span_free++;
	}
}

static int
pool_open(aibrix_pool *pool, const struct pool_source *from,
	  const struct pool_class *classes)
{
	const struct pool_shape *shape = &pool->shape;
	const aibrix_allocator *a = &pool->alloc;
	int err;

	pool->slots = aibrix__alloc(a, shape->slots, sizeof(*pool->slots));
	pool->stacks = aibrix__alloc_aligned(
		a, (size_t)(shape->magazines + 1) * shape->classes,
		sizeof(*pool->stacks), LINE_PAIR);
	pool->spans = aibrix__alloc(a, shape->spans, sizeof(*pool->spans));
	pool->classes =
		aibrix__alloc(a, shape->classes, sizeof(*pool->classes));
	pool->regions =
		aibrix__alloc(a, shape->regions, sizeof(*pool->regions));
	if (!pool->slots || !pool->stacks || !pool->spans || !pool->classes ||
	    !pool->regions)
		return AIBRIX_E_NOMEM;
	memcpy(pool->classes, classes, shape->classes * sizeof(*pool->classes));
	pool->locked = pthread_mutex_init(&pool->lock, NULL) == 0;
	if (!pool->locked)
		return AIBRIX_E_NOMEM;
	err = regions_map(pool, from);
	if (!err)
		slots_fill(pool);
	return err;
}

int
aibrix_pool_new(const aibrix_pool_opts *opts, aibrix_pool **out)
{
	aibrix_pool_opts o;
	aibrix_allocator a;
	struct pool_class classes[POOL_CLASS_MAX] = {0};
	struct pool_source from;
	struct pool_shape shape = {0};
	aibrix_pool *pool;
	int err;

	if (!opts || !out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (err)
		return err;
	err = aibrix__pool_shape(&shape, classes, &o);
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
	err = aibrix__pool_copy_init(&pool->copy, &o,
				     (uint64_t)shape.spans * shape.span_bytes);
	if (!err)
		err = pool_open(pool, &from, classes);
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
	if (pool->locked)
		pthread_mutex_destroy(&pool->lock);
	aibrix__free(&a, pool->regions, pool->shape.regions,
		     sizeof(*pool->regions));
	aibrix__free(&a, pool->classes, pool->shape.classes,
		     sizeof(*pool->classes));
	aibrix__free(&a, pool->spans, pool->shape.spans, sizeof(*pool->spans));
	aibrix__free(&a, pool->stacks,
		     (size_t)(pool->shape.magazines + 1) * pool->shape.classes,
		     sizeof(*pool->stacks));
	aibrix__free(&a, pool->slots, pool->shape.slots, sizeof(*pool->slots));
	aibrix__free(&a, pool, 1, sizeof(*pool));
}

int
aibrix_pool_class(const aibrix_pool *pool, uint64_t bytes, uint32_t *slot_class)
{
	if (!pool || !slot_class)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < pool->shape.classes; i++)
		if (pool->classes[i].bytes >= bytes) {
			*slot_class = i;
			return AIBRIX_OK;
		}
	return AIBRIX_E_NOT_FOUND;
}

void *
aibrix_pool_slot(const aibrix_pool *pool, uint32_t slot)
{
	return pool && slot < pool->shape.slots ? pool_data(pool, slot) : NULL;
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
	r.first_slot = i * pool->shape.region_spans * pool->shape.span_slots;
	r.slots = region_slots(pool, r.first_slot);
	r.base = pool->regions[i].base;
	r.bytes = pool->regions[i].bytes;
	r.pages = pool->regions[i].pages;
	r.page_bytes = pool->regions[i].page;
	r.fd = pool->regions[i].fd;
	if (!pool->shape.several)
		r.stride = pool->classes[0].stride;
	return aibrix__struct_store(info, &r, sizeof(r), REGION_V1);
}

/* Leases of all classes.  Gives first, and acquire (with the release in
 * chain_give): each of them followed a take that is then seen. */
static void
leases_count(const aibrix_pool *pool, aibrix_pool_stat *s)
{
	uint32_t rows = pool->shape.magazines + 1;

	for (uint32_t kind = 0; kind < pool->shape.classes; kind++) {
		uint64_t gives = 0, takes = 0;

		for (uint32_t m = 0; m < rows; m++)
			gives += atomic_load_explicit(
				&pool_stack(pool, m, kind)->gives,
				memory_order_acquire);
		for (uint32_t m = 0; m < rows; m++)
			takes += atomic_load_explicit(
				&pool_stack(pool, m, kind)->takes,
				memory_order_relaxed);
		s->takes += takes;
		s->taken += takes - gives;
		s->taken_bytes += (takes - gives) * pool->classes[kind].bytes;
	}
}

static void
regions_count(const aibrix_pool *pool, aibrix_pool_stat *s)
{
	s->regions = pool->shape.regions;
	for (uint32_t i = 0; i < pool->shape.regions; i++) {
		const struct pool_region *r = &pool->regions[i];

		s->mapped_bytes += r->bytes;
		if (r->pages == AIBRIX_POOL_PAGES_HUGE)
			s->huge_bytes += r->bytes;
		if (r->pages == AIBRIX_POOL_PAGES_THP)
			s->thp_bytes += r->bytes;
	}
}

int
aibrix_pool_stats(const aibrix_pool *pool, aibrix_pool_stat *stat)
{
	aibrix_pool_stat s = {.size = sizeof(s)};

	if (!pool || !stat)
		return AIBRIX_E_INVAL;
	leases_count(pool, &s);
	regions_count(pool, &s);
	for (uint32_t i = 0; i < pool->shape.spans; i++)
		s.slots += aibrix__pool_span_slots(pool, i);
	if (s.taken > s.slots) /* others gave and took meanwhile */
		s.taken = s.slots;
	if (pool->shape.several) {
		s.spans = pool->shape.spans;
		s.free_spans = atomic_load_explicit(&pool->span_free,
						    memory_order_relaxed);
	}
	s.copy = pool->copy.kind;
	s.touched_bytes =
		atomic_load_explicit(&pool->touch.done, memory_order_relaxed);
	s.fulls = atomic_load_explicit(&pool->fulls, memory_order_relaxed);
	s.stale_gives =
		atomic_load_explicit(&pool->stale_gives, memory_order_relaxed);
	s.ended = atomic_load_explicit(&pool->ended, memory_order_relaxed);
	return aibrix__struct_store(stat, &s, sizeof(s), STAT_V1);
}
