#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/config.h>

#include "failing.h"

static const aibrix_config_pair pairs[] = {
	{"AIBRIX_KV_CACHE_OL_PRISKV_PASSWORD", "open sesame"},
	{"AIBRIX_KV_CACHE_OL_RESP_URL", "redis://:open sesame@h"},
	{"AIBRIX_KV_CACHE_OL_CHUNK_SIZE", "none"},
};

Test(oom_config, a_failed_creation_leaves_nothing)
{
	uint64_t i;

	for (i = 0;; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_config_opts opts = {.size = sizeof(opts),
					   .flags = AIBRIX_CONFIG_KEEP_GOING,
					   .pairs = pairs,
					   .n_pairs = 3,
					   .alloc = &a};
		aibrix_config *config = NULL;
		uint32_t n = 0;
		int err = aibrix_config_new(&opts, NULL, 0, &n, &config);

		cr_expect_eq(n, 1);
		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(config);
			cr_expect_eq(f.live, 0);
			continue;
		}
		aibrix_config_free(config);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		break;
	}
	cr_expect_eq(i, 1, "a config is one allocation");
}

Test(oom_config, a_fault_costs_no_memory)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_config_opts opts = {.size = sizeof(opts),
				   .pairs = pairs,
				   .n_pairs = 3,
				   .alloc = &a};
	aibrix_config *config = NULL;

	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_E_INVAL);
	cr_expect_eq(f.calls, 0);
}

static int found;

static void
looking_free(void *ctx, void *ptr, size_t bytes)
{
	const char *byte = ptr;

	for (size_t i = 0; i < bytes; i++)
		found |= byte[i] != 0;
	failing_free(ctx, ptr, bytes);
}

Test(oom_config, passwords_are_wiped)
{
	struct failing f = {.fail_at = AIBRIX_FOREVER};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_config_opts opts = {.size = sizeof(opts),
				   .pairs = pairs,
				   .n_pairs = 2,
				   .alloc = &a};
	aibrix_config *config = NULL;

	a.free = looking_free;
	cr_assert_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_OK);
	aibrix_config_free(config);
	cr_expect_eq(found, 0);
}
