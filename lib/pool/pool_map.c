/*
 * Where the bytes of a pool come from.
 *
 * MAP_NORESERVE: a pool is as large as the memory that it may use, and its
 * pages appear as slots are first written.  MADV_DONTDUMP: a core file with
 * hundreds of gigabytes of users' prompts helps nobody.
 */

#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */

#include "pool/pool_internal.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

enum { MAP_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

/* From a mapping of all bytes keep those from first on. */
static void
map_trim(unsigned char *raw, size_t all, size_t first, size_t keep)
{
	if (first > 0)
		munmap(raw, first);
	if (all > first + keep)
		munmap(raw + first + keep, all - first - keep);
}

int
aibrix__pool_map(size_t align, size_t *bytes, unsigned char **base)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t keep, all, first;
	unsigned char *raw;

	/* The system aligns to pages only: map more, cut off both ends. */
	if (align < page)
		align = page;
	if (!checked_round_up(*bytes, page, &keep) ||
	    !checked_add(keep, align - page, &all))
		return 0;
	raw = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_FLAGS, -1, 0);
	if (raw == MAP_FAILED)
		return 0;
	first = -(uintptr_t)raw & (align - 1);
	map_trim(raw, all, first, keep);
#ifdef MADV_DONTDUMP
	(void)madvise(raw + first, keep, MADV_DONTDUMP);
#endif
	*base = raw + first;
	*bytes = keep;
	return 1;
}

void
aibrix__pool_unmap(unsigned char *base, size_t bytes)
{
	munmap(base, bytes);
}
