/*
 * Pages of the system's reserve.  Each test makes the reserve as large as it
 * wants it and puts it back; alone, since there is one for all and every pool
 * takes from it.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "failing.h"
#include "pool_fixture.h"

enum { PAGE = 2 << 20, OTHERS = 4096 };

#define RESERVE "/proc/sys/vm/nr_hugepages"

static struct {
	int fd; /* also the lock */
	long was;
} reserve = {-1, 0};

/* A number of /proc/meminfo. */
static long
memory_line(const char *name)
{
	FILE *info = fopen("/proc/meminfo", "r");
	char line[256];
	long value = -1;

	while (info && value < 0 && fgets(line, sizeof(line), info))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtol(line + strlen(name), NULL, 10);
	if (info)
		fclose(info);
	return value;
}

/* Pages that nobody has or was promised. */
static long
pages_left(void)
{
	return memory_line("HugePages_Free:") - memory_line("HugePages_Rsvd:");
}

static void
pages_set(long n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", n);

	cr_assert_eq(pwrite(reserve.fd, text, (size_t)len, 0), len);
}

/* Large pages that mappings of this process take up, touched or not.  What is
 * left of the reserve would also tell, but anybody may take from that. */
static long
pages_mapped(void)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long size = 0, page = 0, large = 0;
	char line[256];

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "Size: %lu kB", &size) == 1 ||
		    sscanf(line, "KernelPageSize: %lu kB", &page) != 1)
			continue;
		if (page == PAGE / 1024)
			large += size / page;
	}
	fclose(maps);
	return (long)large;
}

/* So many pages are left, to the pools that this test makes. */
static void
reserve_make(long pages)
{
	reserve.fd = open(RESERVE, O_RDWR);
	if (reserve.fd < 0 || flock(reserve.fd, LOCK_EX) ||
	    memory_line("Hugepagesize:") != PAGE / 1024)
		cr_skip_test("no reserve of large pages here");
	reserve.was = memory_line("HugePages_Total:");
	pages_set(reserve.was - pages_left() + pages);
	if (pages_left() != pages)
		cr_skip_test("no large pages to be had");
}

static void
reserve_end(void)
{
	if (reserve.fd < 0)
		return;
	pages_set(reserve.was);
	close(reserve.fd);
}

TestSuite(pool_huge, .fini = reserve_end);

Test(pool_huge, a_pool_lies_in_pages_of_the_reserve)
{
	aibrix_pool *pool;
	char line[256];

	reserve_make(4);
	pool = new_pool_with((aibrix_pool_opts){.slots = 2 * PAGE / OTHERS,
						.slot_bytes = OTHERS});
	cr_expect_eq(region_of(pool, 0).pages, AIBRIX_POOL_PAGES_HUGE,
		     "taken first, without being asked for");
	cr_expect_eq(region_of(pool, 0).page_bytes, PAGE);
	cr_expect_eq(stats_of(pool).huge_bytes, 2 * PAGE);
	cr_expect_eq(pages_mapped(), 2);
	mapping_line(aibrix_pool_slot(pool, 0), "KernelPageSize:", line,
		     sizeof(line));
	cr_expect_not_null(strstr(line, " 2048 kB"), "%s", line);
	for (uint32_t i = 0; i < 2 * PAGE / OTHERS; i++)
		memset(aibrix_pool_slot(pool, i), (int)(i + 1), OTHERS);
	cr_expect(pool_sound(pool));
	aibrix_pool_free(pool);
	cr_expect_eq(pages_mapped(), 0, "given back");
}

Test(pool_huge, where_the_reserve_ends_other_pages_follow)
{
	aibrix_pool *pool;

	reserve_make(1);
	pool = new_pool_with((aibrix_pool_opts){
		.slots = 2, .slot_bytes = PAGE, .region_bytes = PAGE});
	cr_expect_eq(region_of(pool, 0).pages, AIBRIX_POOL_PAGES_HUGE);
	cr_expect_neq(region_of(pool, 1).pages, AIBRIX_POOL_PAGES_HUGE);
	cr_expect_eq(stats_of(pool).huge_bytes, PAGE);
	for (uint32_t i = 0; i < 2; i++)
		memset(aibrix_pool_slot(pool, i), 7, PAGE);
	cr_expect_eq(pages_mapped(), 1);
	aibrix_pool_free(pool);
	cr_expect_eq(pages_mapped(), 0);
}

Test(pool_huge, a_reserve_that_ends_half_way_is_an_error_that_keeps_nothing)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_pool_opts o = {.size = sizeof(o),
			      .slots = 3,
			      .slot_bytes = PAGE,
			      .region_bytes = PAGE,
			      .pages = AIBRIX_POOL_PAGES_HUGE,
			      .alloc = &a};
	aibrix_pool *pool = NULL;

	reserve_make(2);
	cr_expect_eq(aibrix_pool_new(&o, &pool), AIBRIX_E_NOMEM);
	cr_expect_null(pool);
	cr_expect_eq(pages_mapped(), 0);
	cr_expect_eq(f.live, 0);
}

Test(pool_huge, a_descriptor_of_the_reserve_is_the_same_memory)
{
	aibrix_pool_region_info r;
	aibrix_pool *pool;
	char *other;

	reserve_make(2);
	pool = new_pool_with((aibrix_pool_opts){.slots = 2,
						.slot_bytes = PAGE,
						.pages = AIBRIX_POOL_PAGES_HUGE,
						.flags = AIBRIX_POOL_MEMFD});
	r = region_of(pool, 0);
	cr_assert_geq(r.fd, 0);
	other = mmap(NULL, r.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd,
		     0);
	cr_assert_neq(other, MAP_FAILED);
	strcpy(aibrix_pool_slot(pool, 1), "shared");
	cr_expect_str_eq(other + PAGE, "shared", "by its offset");
	munmap(other, r.bytes);
	aibrix_pool_free(pool);
	cr_expect_eq(pages_mapped(), 0);
}
