/*
 * An allocator whose n-th call fails, for the allocation-failure tests:
 *
 *	for (uint64_t i = 0;; i++) {
 *		struct failing f = {.fail_at = i};
 *		aibrix_allocator a = failing_allocator(&f);
 *		... run the operation on a; free everything ...
 *		cr_assert_eq(f.live, 0);
 *		if (succeeded)
 *			break;
 *	}
 */
#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include <stdlib.h>

#include <aibrix/base.h>

struct failing {
	uint64_t calls, fail_at; /* fail_at AIBRIX_FOREVER: never */
	uint64_t live, live_bytes;
};

static inline void *
failing_alloc(void *ctx, size_t bytes, size_t align)
{
	struct failing *f = ctx;
	void *ptr;

	if (f->calls++ == f->fail_at)
		return NULL;
	if (align < sizeof(void *))
		align = sizeof(void *);
	if (posix_memalign(&ptr, align, bytes) != 0)
		return NULL;
	f->live++;
	f->live_bytes += bytes;
	return ptr;
}

static inline void
failing_free(void *ctx, void *ptr, size_t bytes)
{
	struct failing *f = ctx;

	f->live--;
	f->live_bytes -= bytes;
	free(ptr);
}

static inline aibrix_allocator
failing_allocator(struct failing *f)
{
	return (aibrix_allocator){sizeof(aibrix_allocator), 0, f, failing_alloc,
				  failing_free};
}

#endif
