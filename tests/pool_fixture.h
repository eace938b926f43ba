/* Pools for tests that Criterion runs. */
#ifndef TESTS_POOL_FIXTURE_H
#define TESTS_POOL_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/pool.h>

#include "pool_tools.h"

static inline aibrix_pool *
new_pool_with(aibrix_pool_opts o)
{
	aibrix_pool *pool = NULL;

	o.size = sizeof(o);
	cr_assert_eq(aibrix_pool_new(&o, &pool), AIBRIX_OK);
	return pool;
}

static inline aibrix_pool_region_info
region_of(const aibrix_pool *pool, uint32_t i)
{
	aibrix_pool_region_info info = {.size = sizeof(info)};

	cr_assert_eq(aibrix_pool_region(pool, i, &info), AIBRIX_OK);
	return info;
}

static inline aibrix_pool_stat
stats_of(const aibrix_pool *pool)
{
	aibrix_pool_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_pool_stats(pool, &stat), AIBRIX_OK);
	return stat;
}

/* What the kernel says of the mapping at address, from the line of smaps that
 * begins with name. */
static inline void
mapping_line(const void *address, const char *name, char *out, size_t cap)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long long from, to;
	char line[256];
	int inside = 0;

	cr_assert_not_null(maps);
	*out = 0;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			inside = from <= (uintptr_t)address &&
				 (uintptr_t)address < to;
		else if (inside && strncmp(line, name, strlen(name)) == 0)
			snprintf(out, cap, "%s", line);
	}
	fclose(maps);
}

#endif
