/*
 * Spans: how several sizes of slots share a pool's memory.
 *
 *   span 0: class 1 | slot | slot | slot | rest
 *   span 1: of no class
 *   span 2: class 0 |s|s|s|s|s|s|s|s|s|s|s|s|s|
 *
 * Models with blocks of different sizes, or one model with attention blocks
 * and state of other layers, need amounts that nobody knows beforehand.  Fixed
 * shares waste what one of them does not use.  So memory is dealt out in
 * spans: a class that runs dry gets a free one, or one of which another class
 * has not a single slot in use.  Within a span nothing fragments; between
 * spans only those that are partly in use are stuck, as in any slab.
 *
 * A slot's number is span * span_slots + its place, with span_slots that of
 * the smallest class: numbers and generations stay what they are while a
 * span changes hands, so old leases are still recognised.
 *
 * This is the slow path, under a lock.  A span that is gathered from another
 * class has its slots somewhere in that class's stack: the whole stack is
 * taken off, sorted, and what is left put back.  Who finds it empty meanwhile
 * waits for the lock and looks again.
 */

#include "base/checked.h"
#include "pool/pool_stack.h"

enum { ALIGN_DEFAULT = 4096, ALIGN_MAX = 2 << 20, REGION_DEFAULT = 1 << 30 };
enum { SPAN_LARGEST = 16 }; /* by default; at most a 16th is wasted */

static int
class_set(struct pool_class *class, uint64_t bytes, size_t align)
{
	class->bytes = (size_t)bytes;
	return bytes != 0 && class->bytes == bytes &&
	       checked_round_up(class->bytes, align, &class->stride);
}

/* One size: a region is a span, and the last is shorter. */
static int
shape_one(struct pool_shape *shape, struct pool_class *class,
	  const aibrix_pool_opts *o, uint64_t region_bytes)
{
	uint64_t region;
	size_t total;

	if (o->slots == 0 || o->slots >= NONE || o->classes ||
	    o->capacity_bytes || o->span_bytes ||
	    !class_set(class, o->slot_bytes, shape->align) ||
	    !checked_mul(class->stride, (size_t)o->slots, &total))
		return AIBRIX_E_INVAL;
	region = region_bytes / class->stride;
	if (region == 0)
		region = 1;
	if (region > o->slots)
		region = o->slots;
	class->span_slots = (uint32_t)region;
	shape->classes = 1;
	shape->slots = (uint32_t)o->slots;
	shape->span_slots = (uint32_t)region;
	shape->span_bytes = (size_t)region * class->stride;
	shape->spans = (shape->slots - 1) / shape->span_slots + 1;
	shape->region_spans = 1;
	shape->regions = shape->spans;
	return AIBRIX_OK;
}

static int
spans_set(struct pool_shape *shape, const aibrix_pool_opts *o, size_t largest)
{
	uint64_t spans;

	if (o->span_bytes == 0) {
		if (!checked_mul(largest, SPAN_LARGEST, &shape->span_bytes))
			return AIBRIX_E_INVAL;
		if (shape->span_bytes > o->capacity_bytes)
			shape->span_bytes = largest;
	} else {
		shape->span_bytes = (size_t)o->span_bytes;
		if (shape->span_bytes != o->span_bytes ||
		    shape->span_bytes % shape->align ||
		    o->capacity_bytes % o->span_bytes)
			return AIBRIX_E_INVAL;
	}
	spans = o->capacity_bytes / shape->span_bytes;
	if (shape->span_bytes < largest || spans == 0 || spans >= NONE ||
	    o->capacity_bytes > SIZE_MAX)
		return AIBRIX_E_INVAL;
	shape->spans = (uint32_t)spans;
	return AIBRIX_OK;
}

static int
shape_several(struct pool_shape *shape, struct pool_class *classes,
	      const aibrix_pool_opts *o, uint64_t region_bytes)
{
	uint64_t most, region;
	int err;

	if (o->slot_bytes || o->slots || o->classes == 0 ||
	    o->classes > POOL_CLASS_MAX)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < o->classes; i++)
		if (!class_set(&classes[i], o->class_bytes[i], shape->align) ||
		    (i > 0 && o->class_bytes[i] <= o->class_bytes[i - 1]))
			return AIBRIX_E_INVAL;
	err = spans_set(shape, o, classes[o->classes - 1].stride);
	if (err)
		return err;
	most = shape->span_bytes / classes[0].stride;
	if (most >= NONE / shape->spans)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < o->classes; i++)
		classes[i].span_slots =
			(uint32_t)(shape->span_bytes / classes[i].stride);
	shape->several = 1;
	shape->classes = o->classes;
	shape->span_slots = (uint32_t)most;
	shape->slots = shape->spans * shape->span_slots;
	region = region_bytes / shape->span_bytes;
	if (region == 0)
		region = 1;
	if (region > shape->spans)
		region = shape->spans;
	shape->region_spans = (uint32_t)region;
	shape->regions = (shape->spans - 1) / shape->region_spans + 1;
	return AIBRIX_OK;
}

int
aibrix__pool_shape(struct pool_shape *shape, struct pool_class *classes,
		   const aibrix_pool_opts *o)
{
	enum { MAGAZINES = 1024, MAGAZINE_DEFAULT = 16 };
	uint64_t align = o->align ? o->align : ALIGN_DEFAULT;
	uint64_t region = o->region_bytes ? o->region_bytes : REGION_DEFAULT;
	int err;

	if (align > ALIGN_MAX || (align & (align - 1)) != 0 ||
	    o->magazines > MAGAZINES || o->magazine_slots > MAGAZINES)
		return AIBRIX_E_INVAL;
	shape->align = (size_t)align;
	shape->magazines = o->magazines;
	shape->magazine_slots =
		o->magazine_slots ? o->magazine_slots : MAGAZINE_DEFAULT;
	err = o->class_bytes ? shape_several(shape, classes, o, region)
			     : shape_one(shape, classes, o, region);
	if (!err) /* wraps to 0 for 1 */
		shape->inverse = UINT64_MAX / shape->span_slots + 1;
	return err;
}

uint32_t
aibrix__pool_span_slots(const aibrix_pool *pool, uint32_t span)
{
	uint32_t kind = atomic_load_explicit(&pool->spans[span].kind,
					     memory_order_relaxed);
	uint32_t left = pool->shape.slots - span * pool->shape.span_slots;

	if (kind == NONE)
		return 0;
	return left < pool->classes[kind].span_slots
		       ? left
		       : pool->classes[kind].span_slots;
}

void
aibrix__pool_span_fill(aibrix_pool *pool, uint32_t span, uint32_t kind)
{
	struct pool_class *class = &pool->classes[kind];
	uint32_t first = span * pool->shape.span_slots, n;

	/* Release: with the acquire in pool_data. */
	atomic_store_explicit(&pool->spans[span].kind, kind,
			      memory_order_release);
	n = aibrix__pool_span_slots(pool, span);
	/* The lowest number is taken first. */
	for (uint32_t i = 0; i + 1 < n; i++)
		chain_link(pool->slots, first + i, first + i + 1);
	atomic_fetch_add_explicit(&class->spans, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&class->idle, 1, memory_order_relaxed);
	stack_push(pool_stack(pool, 0, kind), pool->slots, first,
		   first + n - 1);
}

static void
span_free(aibrix_pool *pool, uint32_t span, uint32_t kind)
{
	atomic_store_explicit(&pool->spans[span].kind, NONE,
			      memory_order_relaxed);
	atomic_fetch_sub_explicit(&pool->classes[kind].spans, 1,
				  memory_order_relaxed);
	atomic_fetch_sub_explicit(&pool->classes[kind].idle, 1,
				  memory_order_relaxed);
	pool->spans[span].next = pool->span_top;
	pool->span_top = span;
	atomic_fetch_add_explicit(&pool->span_free, 1, memory_order_relaxed);
}

/* Take a class's stack apart: whole spans become free, the rest goes back in
 * the order it had. */
static void
class_gather(aibrix_pool *pool, uint32_t kind)
{
	struct pool_stack *stack = pool_stack(pool, 0, kind);
	uint32_t per = pool->shape.span_slots;
	uint32_t slot, next, first = NONE, last = NONE;
	uint32_t top = stack_detach(stack);

	for (slot = top; slot != NONE; slot = chain_next(pool->slots, slot))
		pool->spans[slot / per].seen++;
	for (slot = top; slot != NONE; slot = next) {
		struct pool_span *span = &pool->spans[slot / per];

		next = chain_next(pool->slots, slot);
		if (span->seen == pool->classes[kind].span_slots)
			continue;
		if (last == NONE)
			first = slot;
		else
			chain_link(pool->slots, last, slot);
		last = slot;
	}
	for (uint32_t i = 0; i < pool->shape.spans; i++) {
		if (pool->spans[i].seen == pool->classes[kind].span_slots)
			span_free(pool, i, kind);
		pool->spans[i].seen = 0;
	}
	if (last != NONE)
		stack_push(stack, pool->slots, first, last);
}

/* Under the lock. */
static int
span_claim(aibrix_pool *pool, uint32_t kind)
{
	uint32_t span = pool->span_top;

	if (span == NONE)
		return 0;
	pool->span_top = pool->spans[span].next;
	atomic_fetch_sub_explicit(&pool->span_free, 1, memory_order_relaxed);
	aibrix__pool_span_fill(pool, span, kind);
	return 1;
}

int
aibrix__pool_span_more(aibrix_pool *pool, uint32_t kind)
{
	int more;

	if (!pool->shape.several)
		return 0;
	pthread_mutex_lock(&pool->lock);
	/* Filled by another thread, or put back, before the lock was ours? */
	more = (uint32_t)atomic_load_explicit(&pool_stack(pool, 0, kind)->head,
					      memory_order_relaxed) != NONE;
	if (!more)
		more = span_claim(pool, kind);
	for (uint32_t i = 0; !more && i < pool->shape.classes; i++) {
		if (i == kind ||
		    atomic_load_explicit(&pool->classes[i].idle,
					 memory_order_relaxed) == 0)
			continue;
		class_gather(pool, i);
		more = span_claim(pool, kind);
	}
	pthread_mutex_unlock(&pool->lock);
	return more;
}
