#include <criterion/criterion.h>

#include <aibrix/store.h>

#include "failing.h"
#include "store_tools.h"

/* Open with each allocation failing in turn, until it succeeds. */
static void
open_until_it_works(uint32_t backend)
{
	struct temp_path path = temp_path_new();
	uint64_t i;

	for (i = 0; i < 100; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_store_opts opts = {.size = sizeof(opts),
					  .backend = backend,
					  .path = path.text,
					  .capacity_bytes = 1000,
					  .value_bytes = 100,
					  .alloc = &a,
					  .absent_ns = 1000};
		aibrix_store *store = NULL;
		int status = aibrix_store_open(&opts, &store);
		char text[101];

		if (status) {
			cr_assert_eq(status, AIBRIX_E_NOMEM);
			cr_assert_null(store);
			cr_assert_eq(f.live, 0);
			cr_assert_eq(f.live_bytes, 0);
			continue;
		}
		f.calls = 0;
		cr_expect_eq(store_put(store, "a", "1").status, AIBRIX_OK);
		cr_expect_eq(store_get(store, "a", text, 101).status,
			     AIBRIX_OK);
		cr_expect_eq(f.calls, 0, "no request allocates");
		aibrix_store_free(store);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_geq(i, 4);
	cr_expect_lt(i, 100);
	temp_path_remove(path.text);
}

Test(oom_store, opening_in_memory_survives_each_failed_allocation)
{
	open_until_it_works(AIBRIX_BACKEND_MEM);
}

Test(oom_store, opening_a_file_survives_each_failed_allocation)
{
	open_until_it_works(AIBRIX_BACKEND_FILE);
}

Test(oom_store, opening_a_directory_survives_each_failed_allocation)
{
	open_until_it_works(AIBRIX_BACKEND_SHFS);
}
