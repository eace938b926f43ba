#ifndef POOL_INTERNAL_H
#define POOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <aibrix/pool.h>

#include "base/alloc.h"
#include "base/log.h"
#include "pool/pool_copy.h"

enum {
	CACHE_LINE = 64,
	LINE_PAIR = 128,
	POOL_ATTACH_MAX = 8,
	POOL_CLASS_MAX = 64
};
enum { HUGE_PAGE = 2 << 20 };

#define NONE UINT32_MAX

struct pool_slot {
	_Atomic uint64_t word;   /* deadline << 32 | generation; odd: taken */
	_Atomic uint32_t next;   /* of a free slot: the one below, or NONE */
	_Atomic uint32_t holder; /* of a taken slot */
};

/* Free slots.  Leases that come and go by way of it are counted here, so
 * that threads with magazines share no counter; two lines apart, since some
 * processors fetch lines in pairs. */
struct pool_stack {
	_Alignas(LINE_PAIR) _Atomic uint64_t head; /* tag << 32 | slot */
	_Atomic uint64_t takes, gives;
};

/* What belongs to one class at a time: a region of a pool of one size. */
struct pool_span {
	unsigned char *base;
	_Atomic uint32_t kind; /* class, or NONE */
	_Atomic uint32_t out;  /* slots not in the class's common stack */
	uint32_t next;         /* free span below; under the lock */
	uint32_t seen;         /* while spans are gathered; under the lock */
};

struct pool_class {
	size_t bytes, stride;
	uint32_t span_slots;
	_Atomic uint32_t spans;
	_Atomic uint32_t idle; /* spans with all slots in the common stack */
};

struct pool_shape {
	size_t align, span_bytes;
	uint32_t slots; /* numbers; not all need exist in a span */
	uint32_t spans, span_slots, region_spans, regions, classes;
	uint32_t magazines, magazine_slots;
	uint32_t several; /* classes, dealt out in spans */
	uint64_t inverse; /* 2^64 / span_slots, rounded up; 0: of 1 */
};

/* What a mapping is to be made of. */
struct pool_source {
	uint64_t nodes;
	size_t align;
	uint32_t pages, numa;
	int memfd;
	aibrix_log log;
};

struct pool_region {
	unsigned char *base;
	size_t bytes;
	size_t page;    /* bytes of one */
	uint32_t pages; /* AIBRIX_POOL_PAGES_* */
	int fd;
};

enum { ATTACH_FREE, ATTACH_BUSY, ATTACH_LIVE };

struct pool_attach {
	_Atomic uint32_t state;
	aibrix_pool_hooks hooks;
};

struct pool_touch {
	_Atomic uint64_t begun, done, failed;
	uint64_t total;
};

struct aibrix_pool {
	/* Constant, but for what the pointers lead to. */
	aibrix_allocator alloc;
	struct pool_slot *slots;
	struct pool_stack *stacks; /* [magazine][class]; magazine 0: common */
	struct pool_span *spans;
	struct pool_class *classes;
	struct pool_region *regions;
	struct pool_shape shape;
	struct pool_copy copy;
	int scrub, locked;
	/* Spans that change hands. */
	_Alignas(CACHE_LINE) pthread_mutex_t lock;
	uint32_t span_top; /* free spans; under the lock */
	_Atomic uint32_t span_free;
	_Alignas(CACHE_LINE) _Atomic uint64_t fulls, stale_gives, ended;
	struct pool_touch touch;
	struct pool_attach attach[POOL_ATTACH_MAX];
};

/* Zeroed memory of at least bytes whose start is aligned; *r gets base,
 * bytes (whole pages), page, pages and fd. */
int aibrix__pool_map(const struct pool_source *from, size_t bytes,
		     struct pool_region *r);
void aibrix__pool_unmap(struct pool_region *r);

/* Give pages to bytes from base on, whatever they hold; whole pages. */
int aibrix__pool_populate(unsigned char *base, size_t bytes, size_t page);

/* Bind what is mapped and not yet touched. */
int aibrix__pool_bind(const struct pool_source *from, unsigned char *base,
		      size_t bytes);

void aibrix__pool_detach_all(aibrix_pool *pool);

/* Choose how a pool of so many bytes copies. */
int aibrix__pool_copy_init(struct pool_copy *copy, const aibrix_pool_opts *o,
			   uint64_t bytes);

/* What the options come to; *classes are the sizes, one or more. */
int aibrix__pool_shape(struct pool_shape *shape, struct pool_class *classes,
		       const aibrix_pool_opts *o);

/* Whose lease the caller has just ended. */
void aibrix__pool_slot_free(aibrix_pool *pool, uint32_t slot);

/* Slots of a span that has been given to a class, and the span's number. */
uint32_t aibrix__pool_span_slots(const aibrix_pool *pool, uint32_t span);

/* Slots [0, n) of a span become free ones of the class. */
void aibrix__pool_span_fill(aibrix_pool *pool, uint32_t span, uint32_t kind);

/* Find more free slots of a class: 1 when its common stack is worth another
 * look. */
int aibrix__pool_span_more(aibrix_pool *pool, uint32_t kind);

static inline struct pool_stack *
pool_stack(const aibrix_pool *pool, uint32_t magazine, uint32_t kind)
{
	return &pool->stacks[magazine * pool->shape.classes + kind];
}

/* slot / span_slots without a division: exact for 32 bits (Lemire, Kaser,
 * Kurz 2019).  The high half of a 96-bit product. */
static inline uint32_t
pool_span_of(const aibrix_pool *pool, uint32_t slot)
{
	uint64_t inverse = pool->shape.inverse;
	uint64_t high = (inverse >> 32) * slot;
	uint64_t low = ((inverse & UINT32_MAX) * slot) >> 32;

	return inverse ? (uint32_t)((high + low) >> 32) : slot;
}

/* The class of a slot's span, or NONE. */
static inline uint32_t
pool_kind(const aibrix_pool *pool, uint32_t slot)
{
	return atomic_load_explicit(&pool->spans[pool_span_of(pool, slot)].kind,
				    memory_order_relaxed);
}

/* NULL: the slot's span has no class. */
static inline unsigned char *
pool_data(const aibrix_pool *pool, uint32_t slot)
{
	uint32_t span = pool_span_of(pool, slot);
	uint32_t within = slot - span * pool->shape.span_slots;
	/* Acquire: with the release of aibrix__pool_span_fill. */
	uint32_t kind = atomic_load_explicit(&pool->spans[span].kind,
					     memory_order_acquire);

	return kind == NONE || within >= pool->classes[kind].span_slots
		       ? NULL
		       : pool->spans[span].base +
				 within * pool->classes[kind].stride;
}

#endif
