#include "memory.h"

static void *
counted_alloc(void *ctx, size_t bytes, size_t align)
{
	struct memory *m = ctx;
	void *ptr = m->inner.alloc(m->inner.ctx, bytes, align);

	if (ptr)
		atomic_fetch_add_explicit(&m->bytes, bytes,
					  memory_order_relaxed);
	return ptr;
}

static void
counted_free(void *ctx, void *ptr, size_t bytes)
{
	struct memory *m = ctx;

	m->inner.free(m->inner.ctx, ptr, bytes);
	atomic_fetch_sub_explicit(&m->bytes, bytes, memory_order_relaxed);
}

void
memory_open(struct memory *m, const aibrix_allocator *inner)
{
	m->inner = *inner;
	m->counted = (aibrix_allocator){
		.size = sizeof(m->counted),
		.ctx = m,
		.alloc = counted_alloc,
		.free = counted_free,
	};
	atomic_init(&m->bytes, 0);
}
