/* The Redis and Valkey backend when the allocator fails. */
#include "resp_tools.h"

#include "failing.h"
#include "fake_server.h"

/* Allocation number fail_at fails, in open or while the first line is made.
 * 1: none of them did. */
static int
works_but_for(const char *url, uint64_t fail_at)
{
	struct failing f = {.fail_at = fail_at};
	aibrix_allocator a = failing_allocator(&f);
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_RESP,
				  .path = url,
				  .timeout_ns = RESP_HANG_NS,
				  .alloc = &a};
	aibrix_store *store = NULL;
	char text[16];
	int status = aibrix_store_open(&opts, &store), whole;

	if (status) {
		cr_assert_eq(status, AIBRIX_E_NOMEM);
		cr_assert_null(store);
		cr_assert_eq(f.live, 0);
		cr_assert_eq(f.live_bytes, 0);
		return 0;
	}
	status = resp_get(store, "key", text, sizeof(text)).status;
	whole = f.calls <= fail_at;
	cr_assert_eq(status, whole ? AIBRIX_OK : AIBRIX_E_NOMEM);
	/* It is of use afterwards in any case, and takes nothing more. */
	cr_assert_eq(resp_get(store, "key", text, sizeof(text)).status,
		     AIBRIX_OK);
	f.calls = 0;
	cr_assert_eq(resp_get(store, "key", text, sizeof(text)).status,
		     AIBRIX_OK);
	cr_assert_str_eq(text, "value");
	cr_assert_eq(f.calls, 0, "no request allocates");
	aibrix_store_free(store);
	cr_assert_eq(f.live, 0);
	cr_assert_eq(f.live_bytes, 0);
	return whole;
}

Test(oom_store_resp, opening_and_connecting_survive_each_failed_allocation)
{
	struct fake *fake = fake_start(&(struct fake_opts){0});
	uint64_t i = 0;

	fake_put(fake, "key", 3, "value", 5);
	while (!works_but_for(resp_tcp(fake_port(fake)).text, i))
		cr_assert_lt(++i, 100);
	cr_expect_geq(i, 6);
	fake_stop(fake);
}
