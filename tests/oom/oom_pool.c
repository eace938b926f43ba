#include <criterion/criterion.h>

#include <aibrix/pool.h>

#include "failing.h"

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
pool_use(const aibrix_allocator *a, struct failing *f)
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
classes_use(const aibrix_allocator *a, struct failing *f)
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

static void
every_failure(int (*use)(const aibrix_allocator *a, struct failing *f))
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		int err = use(&a, &f);

		cr_assert_eq(f.live, 0, "leak when allocation %llu fails",
			     (unsigned long long)i);
		cr_assert_eq(f.live_bytes, 0, "sizes given back differ");
		if (err == AIBRIX_OK) {
			cr_assert_eq(i, f.calls, "the loop ended early");
			return;
		}
		cr_assert_eq(err, AIBRIX_E_NOMEM);
	}
}

Test(pool, new_and_check_survive_every_allocation_failure)
{
	every_failure(pool_use);
}

Test(pool, classes_survive_every_allocation_failure)
{
	every_failure(classes_use);
}
