/*
 * Where the bytes of a pool come from.
 *
 *   the reserve (hugetlbfs)   2 MiB pages that nobody else can take; the
 *                             mapping reserves them, or fails at once
 *   transparent large pages   2 MiB where the system finds them, when a page
 *                             is first touched
 *   plain pages
 *
 * Blocks are copied in order, so what large pages save is page faults and
 * entries of the TLB: a first touch is twice as fast, and a copy loses no
 * prefetch at each 4 KiB.
 *
 * MAP_NORESERVE, except for the reserve: a pool is as large as the memory
 * that it may use, and its pages appear as slots are first written.  Without
 * a reservation a touch of a reserve that has run dry ends the process, so
 * there it is asked for.  MADV_DONTDUMP: a core file with hundreds of
 * gigabytes of users' prompts helps nobody.
 */

#define _GNU_SOURCE /* memfd_create, MAP_ANONYMOUS, madvise */

#include "pool/pool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1u
#endif

/* linux/mman.h and linux/memfd.h; log2 of the page's size from bit 26 on. */
enum { HUGE_2MB = 21 << 26 };

/* "always [madvise] never": which word stands in brackets?  Where the file
 * cannot be seen, the advice that follows decides. */
static int
system_offers(const char *path)
{
	char text[128];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 1;
	text[n] = 0;
	return !strstr(text, "[never]") && !strstr(text, "[deny]");
}

static int
thp_offered(int memfd)
{
	return system_offers(
		memfd ? "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
		      : "/sys/kernel/mm/transparent_hugepage/enabled");
}

static int
status_of(int os_error)
{
	switch (os_error) {
	case EPERM:
	case EACCES: return AIBRIX_E_DENIED;
	case EINVAL:
	case ENOSYS:
	case EOPNOTSUPP: return AIBRIX_E_UNSUPPORTED;
	default: return AIBRIX_E_NOMEM;
	}
}

/* A descriptor of bytes, or -1 with errno. */
static int
memory_open(size_t bytes, int huge)
{
#if defined(__linux__)
	unsigned flags = MFD_CLOEXEC;
	int fd;

	if (huge)
		flags |= MFD_HUGETLB | (unsigned)HUGE_2MB;
	fd = memfd_create("aibrix-pool", flags);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
#else
	(void)bytes;
	(void)huge;
	errno = ENOSYS;
	return -1;
#endif
}

/* Addresses of which nothing is mapped, aligned; NULL with errno. */
static unsigned char *
addresses_reserve(size_t bytes, size_t align)
{
	size_t all, first;
	unsigned char *raw;

	/* The system aligns to pages only: take more, cut off both ends. */
	if (!checked_add(bytes, align, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	raw = mmap(NULL, all, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw == MAP_FAILED)
		return NULL;
	first = -(uintptr_t)raw & (align - 1);
	if (first > 0)
		munmap(raw, first);
	munmap(raw + first + bytes, align - first);
	return raw + first;
}

/* Map r->bytes, a multiple of r->page, at r->base, which is reserved. */
static int
memory_map(struct pool_region *r, int memfd)
{
	int flags = MAP_FIXED, huge = r->pages == AIBRIX_POOL_PAGES_HUGE;

	if (memfd) {
		r->fd = memory_open(r->bytes, huge);
		if (r->fd < 0)
			return status_of(errno);
		flags |= MAP_SHARED;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}
	if (!huge)
		flags |= MAP_NORESERVE;
#ifdef MAP_HUGETLB
	else if (!memfd)
		flags |= MAP_HUGETLB | HUGE_2MB;
#else
	else
		return AIBRIX_E_UNSUPPORTED;
#endif
	if (mmap(r->base, r->bytes, PROT_READ | PROT_WRITE, flags, r->fd, 0) ==
	    MAP_FAILED)
		return status_of(errno);
	return AIBRIX_OK;
}

static int
memory_advise(const struct pool_source *from, struct pool_region *r)
{
#ifdef MADV_DONTDUMP
	(void)madvise(r->base, r->bytes, MADV_DONTDUMP);
#endif
#ifdef MADV_HUGEPAGE
	if (r->pages == AIBRIX_POOL_PAGES_THP &&
	    (!thp_offered(from->memfd) ||
	     madvise(r->base, r->bytes, MADV_HUGEPAGE) != 0))
		return AIBRIX_E_UNSUPPORTED;
#else
	if (r->pages == AIBRIX_POOL_PAGES_THP)
		return AIBRIX_E_UNSUPPORTED;
#endif
	return AIBRIX_OK;
}

/* One kind of pages; on failure nothing stays mapped. */
static int
region_try(const struct pool_source *from, size_t bytes, uint32_t pages,
	   struct pool_region *r)
{
	size_t small = (size_t)sysconf(_SC_PAGESIZE);
	size_t align = from->align > small ? from->align : small;
	int err;

	*r = (struct pool_region){.fd = -1, .pages = pages};
	r->page = pages == AIBRIX_POOL_PAGES_HUGE ? HUGE_PAGE : small;
	if (pages != AIBRIX_POOL_PAGES_PLAIN && align < HUGE_PAGE)
		align = HUGE_PAGE;
	if (!checked_round_up(bytes, r->page, &r->bytes))
		return AIBRIX_E_NOMEM;
	r->base = addresses_reserve(r->bytes, align);
	if (!r->base)
		return AIBRIX_E_NOMEM;
	err = memory_map(r, from->memfd);
	if (!err)
		err = memory_advise(from, r);
	if (err)
		aibrix__pool_unmap(r);
	return err;
}

static int
region_bind(const struct pool_source *from, struct pool_region *r)
{
	int err = aibrix__pool_bind(from, r->base, r->bytes);

	/* Reserved, but perhaps not on these nodes: find out now, by a call
	 * that says so; a touch would end the process. */
	if (!err && r->pages == AIBRIX_POOL_PAGES_HUGE)
		err = aibrix__pool_populate(r->base, r->bytes, r->page);
	return err;
}

int
aibrix__pool_map(const struct pool_source *from, size_t bytes,
		 struct pool_region *r)
{
	uint32_t kind = from->pages, last = from->pages;
	int err = AIBRIX_E_UNSUPPORTED;

	if (kind == AIBRIX_POOL_PAGES_AUTO) {
		kind = bytes < HUGE_PAGE ? AIBRIX_POOL_PAGES_PLAIN
					 : AIBRIX_POOL_PAGES_HUGE;
		last = AIBRIX_POOL_PAGES_PLAIN;
	}
	for (; kind <= last; kind++) {
		err = region_try(from, bytes, kind, r);
		if (!err && from->nodes) {
			err = region_bind(from, r);
			if (err)
				aibrix__pool_unmap(r);
			/* Other pages are bound by the same call. */
			if (err && err != AIBRIX_E_NOMEM)
				break;
		}
		if (!err)
			return AIBRIX_OK;
	}
	aibrix__log(&from->log, AIBRIX_LOG_ERROR, LOG_POOL_MAP,
		    "pool: no region of %llu bytes (pages %lu, nodes %llx): %s",
		    (unsigned long long)bytes, (unsigned long)from->pages,
		    (unsigned long long)from->nodes, aibrix_strerror(err));
	return err;
}

void
aibrix__pool_unmap(struct pool_region *r)
{
	munmap(r->base, r->bytes);
	if (r->fd >= 0)
		close(r->fd);
	r->base = NULL;
	r->fd = -1;
}

/* What MADV_POPULATE_WRITE does, where the system (before Linux 5.14) does
 * not have it: a write that changes nothing, whoever else writes. */
static void
pages_write(unsigned char *base, size_t bytes, size_t page)
{
	for (size_t at = 0; at < bytes; at += page)
		(void)atomic_fetch_or_explicit(
			(_Atomic unsigned char *)(base + at), 0,
			memory_order_relaxed);
}

int
aibrix__pool_populate(unsigned char *base, size_t bytes, size_t page)
{
#ifdef MADV_POPULATE_WRITE
	if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0)
		return AIBRIX_OK;
	if (errno != EINVAL)
		return AIBRIX_E_NOMEM;
#endif
	pages_write(base, bytes, page);
	return AIBRIX_OK;
}
