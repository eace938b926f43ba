/* All memory of all objects passes here: overflow is checked once, and a
 * test that makes the allocator fail reaches every path. */

#define _DEFAULT_SOURCE /* madvise */

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/versioned.h"

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

static void *
libc_alloc(void *ctx, size_t bytes, size_t align)
{
	void *ptr;

	(void)ctx;
	if (align <= _Alignof(max_align_t))
		return malloc(bytes);
	return posix_memalign(&ptr, align, bytes) == 0 ? ptr : NULL;
}

static void
libc_free(void *ctx, void *ptr, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(ptr);
}

static const aibrix_allocator libc_allocator = {
	sizeof(aibrix_allocator), 0, NULL, libc_alloc, libc_free,
};

/* Weak: present only in a process that has jemalloc.  The library cannot
 * link it, since its static TLS block forbids dlopen. */
extern void *mallocx(size_t size, int flags) __attribute__((weak));
extern void dallocx(void *ptr, int flags) __attribute__((weak));

/* jemalloc's MALLOCX_ALIGN: the logarithm of the alignment as flags. */
static int
mallocx_align(size_t align)
{
	return __builtin_ctzll(align);
}

static void *
jemalloc_alloc(void *ctx, size_t bytes, size_t align)
{
	(void)ctx;
	return mallocx(bytes, mallocx_align(align));
}

static void
jemalloc_free(void *ctx, void *ptr, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	dallocx(ptr, 0);
}

static const aibrix_allocator jemalloc_allocator = {
	sizeof(aibrix_allocator), 0, NULL, jemalloc_alloc, jemalloc_free,
};

const aibrix_allocator *
aibrix_allocator_jemalloc(void)
{
	return mallocx && dallocx ? &jemalloc_allocator : NULL;
}

int
aibrix__allocator_load(aibrix_allocator *dst, const aibrix_allocator *src)
{
	int err;

	if (!src)
		src = &libc_allocator;
	err = aibrix__struct_load(dst, sizeof(*dst), src,
				  STRUCT_UPTO(aibrix_allocator, free));
	if (err)
		return err;
	if (dst->flags)
		return AIBRIX_E_ABI;
	return dst->alloc && dst->free ? AIBRIX_OK : AIBRIX_E_INVAL;
}

/* *total is what to zero. */
static void *
array_alloc(const aibrix_allocator *a, size_t n, size_t bytes, size_t align,
	    size_t *total)
{
	if (!checked_mul(n, bytes, total))
		return NULL;
	*total += !*total;
	return a->alloc(a->ctx, *total, align);
}

void *
aibrix__alloc_aligned(const aibrix_allocator *a, size_t n, size_t bytes,
		      size_t align)
{
	size_t total;
	void *ptr = array_alloc(a, n, bytes, align, &total);

	if (ptr)
		memset(ptr, 0, total);
	return ptr;
}

void *
aibrix__alloc_raw(const aibrix_allocator *a, size_t n, size_t bytes)
{
	size_t total;

	return array_alloc(a, n, bytes, _Alignof(max_align_t), &total);
}

void *
aibrix__alloc(const aibrix_allocator *a, size_t n, size_t bytes)
{
	return aibrix__alloc_aligned(a, n, bytes, _Alignof(max_align_t));
}

void *
aibrix__alloc_pages(const aibrix_allocator *a, size_t bytes)
{
	int large = bytes % LARGE_PAGE == 0;
	void *ptr = a->alloc(a->ctx, bytes, large ? LARGE_PAGE : PAGE);

#ifdef MADV_HUGEPAGE
	if (ptr && large) /* advice: without it the memory is as good */
		(void)!madvise(ptr, bytes, MADV_HUGEPAGE);
#endif
	return ptr;
}

void
aibrix__free(const aibrix_allocator *a, void *ptr, size_t n, size_t bytes)
{
	size_t total = n * bytes;

	if (ptr)
		a->free(a->ctx, ptr, total + !total);
}

int
aibrix__grow(const aibrix_allocator *a, void *array, size_t *cap, size_t want,
	     size_t bytes)
{
	size_t next = *cap;
	void *old, *grown;

	if (want <= *cap)
		return AIBRIX_OK;
	while (next < want)
		if (!checked_mul(next ? next : 4, 2, &next))
			return AIBRIX_E_NOMEM;
	grown = aibrix__alloc(a, next, bytes);
	if (!grown)
		return AIBRIX_E_NOMEM;

	memcpy(&old, array, sizeof(old));
	if (old)
		memcpy(grown, old, *cap * bytes);
	aibrix__free(a, old, *cap, bytes);
	memcpy(array, &grown, sizeof(grown));
	*cap = next;
	return AIBRIX_OK;
}
