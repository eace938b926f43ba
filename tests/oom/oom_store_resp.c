/* The Redis and Valkey backend when the allocator fails. */
#include "resp_tools.h"

#include "failing.h"
#include "fake_server.h"

/* A host whose threads are at once done with it. */
static int
run_at_once(void *ctx, void (*fn)(void *arg), void *arg)
{
	(void)ctx;
	fn(arg);
	return 0;
}

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
				  .alloc = &a,
				  .run = run_at_once};
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
	char url[64];

	fake_put(fake, "key", 3, "value", 5);
	while (!works_but_for(resp_tcp(fake_port(fake)).text, i))
		cr_assert_lt(++i, 100);
	cr_expect_geq(i, 7);
	snprintf(url, sizeof(url), "redis://localhost:%d", fake_port(fake));
	for (i = 0; !works_but_for(url, i);)
		cr_assert_lt(++i, 100);
	cr_expect_geq(i, 7);
	fake_stop(fake);
}

/* The same with nodes from metadata: a text that found no memory is asked for
 * again, and time goes on by a second with each request. */
static int
meta_works_but_for(const char *url, uint64_t fail_at)
{
	static const char key[] = "0123456789abcdef";
	const aibrix_resp_opts ro = {.size = sizeof(ro), .meta_key = "nodes"};
	struct failing f = {.fail_at = fail_at};
	aibrix_allocator a = failing_allocator(&f);
	const aibrix_store_opts opts = {.size = sizeof(opts),
					.backend = AIBRIX_BACKEND_RESP,
					.path = url,
					.timeout_ns = RESP_HANG_NS,
					.alloc = &a,
					.backend_opts = &ro};
	const aibrix_io io = io_of(AIBRIX_STORE_PROBE, key, NULL, 1);
	aibrix_store *store = NULL;
	aibrix_done done = {.status = aibrix_store_open(&opts, &store)};
	const uint64_t begin = resp_now();
	uint64_t ahead = 0;
	uint32_t n;

	cr_assert(done.status == AIBRIX_OK || done.status == AIBRIX_E_NOMEM);
	while (store && resp_now() - begin < RESP_HANG_NS) {
		ahead += 1000000000u;
		cr_assert_eq(aibrix_store_submit(store, &io, 1,
						 resp_now() + ahead, &n),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_store_poll(store, &done, 1,
					       resp_now() + ahead, RESP_HANG_NS,
					       &n),
			     AIBRIX_OK);
		cr_assert_eq(n, 1u);
		if (done.status == AIBRIX_OK)
			break;
		cr_assert(done.status == AIBRIX_E_UNAVAILABLE ||
			  done.status == AIBRIX_E_NOMEM);
	}
	cr_assert_eq(done.status, store ? AIBRIX_OK : AIBRIX_E_NOMEM);
	aibrix_store_free(store);
	cr_assert_eq(f.live, 0);
	cr_assert_eq(f.live_bytes, 0);
	return store && f.calls <= fail_at;
}

Test(oom_store_resp, metadata_survives_each_failed_allocation)
{
	struct fake *fake = fake_start(&(struct fake_opts){0});
	char json[256];
	uint64_t i = 0;
	int n = snprintf(json, sizeof(json),
			 "{\"nodes\": [{\"name\": \"a\", \"addr\": "
			 "\"127.0.0.1\", \"port\": %d, \"slots\": "
			 "[{\"start\": 0, \"end\": 9}]}]}",
			 fake_port(fake));

	fake_put(fake, "nodes", 5, json, (size_t)n);
	fake_put(fake, "0123456789abcdef", 16, "value", 5);
	while (!meta_works_but_for(resp_tcp(fake_port(fake)).text, i))
		cr_assert_lt(++i, 100);
	cr_expect_geq(i, 10);
	fake_stop(fake);
}
