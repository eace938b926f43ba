#include <criterion/criterion.h>

#include "failing.h"
#include "topology_tools.h"

static const char map[] = "*1\r\n*3\r\n:0\r\n:16383\r\n"
			  "*2\r\n$1\r\na\r\n:1\r\n";

Test(oom_topology, creation_survives_each_failed_allocation)
{
	const struct topology_addr seed = {"seed", 1};
	const struct topology_opts opts = {0};
	uint64_t i;

	for (i = 0; i < 20; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		struct topology *t = NULL;
		int err = aibrix__topology_new(&a, &opts, &seed, 1, 1, &t);

		if (err) {
			cr_assert_eq(err, AIBRIX_E_NOMEM);
			cr_assert_null(t);
		}
		aibrix__topology_free(t);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
		if (err == AIBRIX_OK)
			break;
	}
	cr_expect_gt(i, 3u);
	cr_expect_lt(i, 20u);
}

Test(oom_topology, a_map_needs_no_memory)
{
	const struct topology_addr seed = {"seed", 1};
	const struct topology_opts opts = {0};
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	struct topology_ask ask;
	struct topology *t;

	cr_assert_eq(aibrix__topology_new(&a, &opts, &seed, 1, 1, &t), 0);
	f.fail_at = f.calls;
	cr_assert_eq(aibrix__topology_ask(t, 1, &ask), AIBRIX_OK);
	cr_expect_eq(reply_feed(t, ask.number, map, strlen(map), 5, 1),
		     AIBRIX_OK);
	cr_expect_eq(f.calls, f.fail_at);
	aibrix__topology_free(t);
	cr_expect_eq(f.live, 0);
}
