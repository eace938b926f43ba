/* What compilers and processors offer beyond C. */
#ifndef BASE_ARCH_H
#define BASE_ARCH_H

/* Start loading the cache line at ptr; any address is allowed. */
static inline void
prefetch(const void *ptr)
{
#if defined(__GNUC__)
	__builtin_prefetch(ptr);
#else
	(void)ptr;
#endif
}

#endif
