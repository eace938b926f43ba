#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <aibrix/base.h>

/* The caller's allocator, checked and copied; NULL: malloc. */
int aibrix__allocator_load(aibrix_allocator *dst, const aibrix_allocator *src);

/* n zeroed elements of bytes bytes; NULL when n * bytes overflows or the
 * allocator is out of memory.  n * bytes == 0 allocates one byte. */
void *aibrix__alloc(const aibrix_allocator *a, size_t n, size_t bytes);

/* The same, not zeroed. */
void *aibrix__alloc_raw(const aibrix_allocator *a, size_t n, size_t bytes);

/* Zeroed, aligned to a power of two. */
void *aibrix__alloc_aligned(const aibrix_allocator *a, size_t n, size_t bytes,
			    size_t align);

/* Not zeroed, aligned to pages, large ones once it is touched where the size
 * is a multiple of 2 MiB and the system can. */
void *aibrix__alloc_pages(const aibrix_allocator *a, size_t bytes);

/* ptr may be NULL; n and bytes are those of the allocation. */
void aibrix__free(const aibrix_allocator *a, void *ptr, size_t n, size_t bytes);

/*
 * Make *array, of *cap elements, hold at least want: doubles, keeps the
 * contents, zeroes the rest.  On AIBRIX_E_NOMEM nothing has changed.
 */
int aibrix__grow(const aibrix_allocator *a, void *array, size_t *cap,
		 size_t want, size_t bytes);

#endif
