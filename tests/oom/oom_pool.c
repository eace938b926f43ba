#include <criterion/criterion.h>

#include <aibrix/pool.h>

#include "each_failure.h"

/* What a check needs it gives back. */
static int
pool_look(const aibrix_pool *pool, struct failing *f)
{
	aibrix_pool_report r = {.size = sizeof(r), .free = 77};
	uint64_t live = f->live;
	int err = aibrix_pool_check(pool, &r);

	cr_assert_eq(f->live, live);
	if (err)
		cr_assert_eq(r.free, 77, "output untouched on failure");
	else
		cr_assert_eq(r.free, 5);
	return err;
}

/* One pool from birth to death. */
static int
pool_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	aibrix_pool_opts o = {.size = sizeof(o),
			      .slots = 5,
			      .slot_bytes = 4096,
			      .region_bytes = 8192,
			      .magazines = 2,
			      .alloc = a};
	aibrix_pool *pool = NULL;
	aibrix_lease lease;
	uint64_t calls;
	int err = aibrix_pool_new(&o, &pool);

	(void)arg;
	if (err) {
		cr_assert_null(pool, "output untouched on failure");
		return err;
	}
	calls = f->calls;
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(aibrix_pool_take(pool, &lease), AIBRIX_OK);
		cr_assert_eq(aibrix_pool_give(pool, &lease), AIBRIX_OK);
	}
	cr_expect_eq(f->calls, calls, "taking and giving do not allocate");
	err = pool_look(pool, f);
	aibrix_pool_free(pool);
	return err;
}

/* The same of a pool of several sizes. */
static int
classes_use(const aibrix_allocator *a, struct failing *f, const void *arg)
{
	static const uint64_t bytes[] = {100, 3000};
	aibrix_pool_opts o = {.size = sizeof(o),
			      .class_bytes = bytes,
			      .classes = 2,
			      .capacity_bytes = 1 << 20,
			      .magazines = 1,
			      .alloc = a};
	aibrix_pool_want want = {.size = sizeof(want), .magazine = 1};
	aibrix_pool *pool = NULL;
	aibrix_lease leases[100];
	uint64_t calls;
	uint32_t n;
	int err = aibrix_pool_new(&o, &pool);

	(void)arg;
	if (err) {
		cr_assert_null(pool, "output untouched on failure");
		return err;
	}
	calls = f->calls;
	for (int i = 0; i < 4; i++) {
		want.slot_class = i % 2;
		cr_assert_eq(aibrix_pool_take_n(pool, &want, 100, leases, &n),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_pool_give_n(pool, 0, leases, n, &n),
			     AIBRIX_OK);
	}
	cr_expect_eq(f->calls, calls, "spans pass on without memory");
	aibrix_pool_free(pool);
	return AIBRIX_OK;
}

Test(pool, new_and_check_survive_every_allocation_failure)
{
	each_failure(pool_use, NULL);
}

Test(pool, classes_survive_every_allocation_failure)
{
	each_failure(classes_use, NULL);
}
