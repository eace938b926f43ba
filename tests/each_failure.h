/*
 * An operation, from birth to death, with each of its allocations failing
 * once.
 */
#ifndef TESTS_EACH_FAILURE_H
#define TESTS_EACH_FAILURE_H

#include <criterion/criterion.h>

#include "failing.h"

/* E_NOMEM when an allocation failed, and everything is freed. */
typedef int failure_use(const aibrix_allocator *a, struct failing *f,
			const void *arg);

static inline void
each_failure(failure_use *use, const void *arg)
{
	for (uint64_t i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		int err = use(&a, &f, arg);

		cr_assert_eq(f.live, 0, "leak when allocation %llu fails",
			     (unsigned long long)i);
		cr_assert_eq(f.live_bytes, 0, "sizes given back differ");
		if (err == AIBRIX_OK) {
			cr_assert_eq(f.calls, i, "the loop ended early");
			return;
		}
		cr_assert_eq(err, AIBRIX_E_NOMEM);
	}
}

#endif
