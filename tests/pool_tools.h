/* What tests of pools share. */
#ifndef TESTS_POOL_TOOLS_H
#define TESTS_POOL_TOOLS_H

#include <aibrix/pool.h>

/* Nothing is lost and all counts agree, while no call is inside. */
static inline int
pool_sound(const aibrix_pool *pool)
{
	aibrix_pool_report r = {.size = sizeof(r)};

	return aibrix_pool_check(pool, &r) == AIBRIX_OK && r.moving == 0 &&
	       r.drift == 0;
}

#endif
