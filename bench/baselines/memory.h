/* An allocator that counts what passes through it. */
#ifndef BASELINES_MEMORY_H
#define BASELINES_MEMORY_H

#include <stdatomic.h>

#include "base/alloc.h"

struct memory {
	aibrix_allocator counted; /* hand out this one */
	aibrix_allocator inner;
	_Atomic uint64_t bytes;
};

/* inner is a loaded one and is copied; m must not move. */
void memory_open(struct memory *m, const aibrix_allocator *inner);

static inline uint64_t
memory_bytes(const struct memory *m)
{
	return atomic_load_explicit(&m->bytes, memory_order_relaxed);
}

#endif
