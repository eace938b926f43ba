#include "cache_tools.h"

#include <aibrix/meter.h>

#include "model/cache_meter.h"
#include "store/store_faults.h"

enum { MGR = AIBRIX_METER_MANAGER, L1 = AIBRIX_METER_L1, L2 = AIBRIX_METER_L2 };

static aibrix_meter *
new_meter(void)
{
	aibrix_meter_opts o = {.size = sizeof(o), .token_ns = 1000};
	aibrix_meter *m = NULL;

	cr_assert_eq(aibrix_meter_new(&o, &m), AIBRIX_OK);
	return m;
}

static aibrix_cache *
metered(uint32_t blocks, aibrix_store *l2, aibrix_meter *m)
{
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = (uint64_t)blocks * BLOCK,
			       .max_leases = 2,
			       .l2 = l2,
			       .meter = m};
	aibrix_cache *cache = NULL;

	cr_assert_eq(aibrix_cache_new(&o, &cache), AIBRIX_OK);
	return cache;
}

static uint64_t
value(const aibrix_meter *m, uint32_t what, uint32_t where)
{
	uint64_t v = 77;

	cr_assert_eq(aibrix_meter_get(m, what, where, &v), AIBRIX_OK);
	return v;
}

/* The line of the export that begins so, or NULL. */
static const char *
line(const aibrix_meter *m, const char *begins)
{
	static char out[1 << 18];
	aibrix_metric_text t = {
		.size = sizeof(t), .out = out, .cap = sizeof(out) - 1};
	static char found[512];
	const char *at;

	memset(out, 0, sizeof(out));
	cr_assert_eq(aibrix_meter_write(m, &t), AIBRIX_OK);
	cr_assert_eq(aibrix_metric_end(&t), AIBRIX_OK);
	at = strstr(out, begins);
	if (!at)
		return NULL;
	memset(found, 0, sizeof(found));
	memcpy(found, at, strcspn(at, "\n"));
	return found;
}

#define OPS(of, op)                                                            \
	"kv_cache_ol_num_ops_total{cache_type=\"" of "\",op_type=\"" op "\"} "
#define ERRORS(of, op, why)                                                    \
	"kv_cache_ol_num_errors_total{cache_type=\"" of "\",op_type=\"" op     \
	"\",reason=\"" why "\"} "

Test(cache_meter, a_calls_operation_is_counted_once)
{
	aibrix_meter *m = new_meter();
	aibrix_cache *cache = metered(8, NULL, m);

	cr_assert_eq(put_blocks(cache, 1, 4), 4);
	cr_assert_eq(count_blocks(cache, 1, 6), 4);
	cr_assert_eq(aibrix_cache_lookup(cache, chain(1), 6), 4);

	cr_expect_str_eq(line(m, OPS("cachemgr", "allocate")),
			 OPS("cachemgr", "allocate") "1");
	cr_expect_str_eq(line(m, OPS("cachemgr", "put")),
			 OPS("cachemgr", "put") "1");
	cr_expect_str_eq(line(m, OPS("cachemgr", "acquire")),
			 OPS("cachemgr", "acquire") "1");
	cr_expect_str_eq(line(m, OPS("l1cache", "acquire")),
			 OPS("l1cache", "acquire") "1");
	cr_expect_str_eq(line(m, OPS("cachemgr", "exists")),
			 OPS("cachemgr", "exists") "1");
	cr_expect_null(line(m, OPS("l2cache", "acquire")));
	cr_expect_eq(value(m, AIBRIX_METER_HIT_TOKENS, MGR), 64u);
	cr_expect_eq(value(m, AIBRIX_METER_MISS_TOKENS, MGR), 32u);
	cr_expect_eq(value(m, AIBRIX_METER_SAVED_NS, MGR), 64000u);
	cr_expect_eq(value(m, AIBRIX_METER_SPENT_NS, MGR), 0u,
		     "nothing of it waited");
	cr_expect_eq(value(m, AIBRIX_METER_USED_BYTES, L1), 4u * BLOCK);
	aibrix_cache_free(cache);
	aibrix_meter_free(m);
}

/* Acquired at 100, L2 answers at 300. */
Test(cache_meter, latency_is_what_lies_between_acquire_and_settling)
{
	aibrix_meter *m = new_meter();
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = metered(8, store, m);
	uint64_t lease, n, busy, count, sum;

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	cache = metered(8, store, m);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 4, 0, 100, &lease, &n),
		AIBRIX_E_AGAIN);
	for (int i = 0; aibrix_cache_state(cache, lease, &n) && i < 20; i++)
		cr_assert_eq(aibrix_cache_poll(cache, 300, 0, &busy),
			     AIBRIX_OK);
	cr_assert_eq(n, 3u);

	cr_assert_eq(aibrix_histogram_total(
			     aibrix_meter_latency(m, L2, AIBRIX_METER_ACQUIRE),
			     &count, &sum),
		     AIBRIX_OK);
	cr_expect_eq(count, 1u);
	cr_expect_eq(sum, 200u);
	cr_expect_eq(value(m, AIBRIX_METER_SPENT_NS, MGR), 200u);
	cr_expect_eq(value(m, AIBRIX_METER_HIT_TOKENS, L2), 48u);
	cr_expect_eq(value(m, AIBRIX_METER_MISS_TOKENS, L2), 16u);
	cr_expect_eq(value(m, AIBRIX_METER_READ_BYTES, L2), 3u * BLOCK);
	cr_expect_eq(value(m, AIBRIX_METER_WRITTEN_BYTES, L2), 3u * BLOCK);
	cr_expect_str_eq(line(m, OPS("l2cache", "put")),
			 OPS("l2cache", "put") "3");
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	aibrix_meter_free(m);
}

Test(cache_meter, faults_of_l2_are_errors_by_reason_and_misses)
{
	static const struct store_fault late[] = {
		{FAULT_STATUS, AIBRIX_STORE_GET, 1, 0, AIBRIX_E_TIMEOUT}};
	aibrix_meter *m = new_meter();
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = metered(8, store, m);

	cr_assert_eq(put_blocks(cache, 1, 3), 3);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	aibrix__store_faults(store, late, 1);
	cache = metered(8, store, m);
	cr_assert_eq(count_blocks(cache, 1, 3), 1);

	cr_expect_str_eq(line(m, ERRORS("l2cache", "acquire", "timeout")),
			 ERRORS("l2cache", "acquire", "timeout") "1");
	cr_expect_null(line(m, "kv_cache_ol_num_errors_total{cache_type="
			       "\"cachemgr\""));
	cr_expect_eq(value(m, AIBRIX_METER_FAULTS, L2), 1u);
	cr_expect_eq(value(m, AIBRIX_METER_MISS_TOKENS, MGR), 32u);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	aibrix_meter_free(m);
}

Test(cache_meter, a_lease_given_up_while_it_waits_was_cancelled)
{
	aibrix_meter *m = new_meter();
	aibrix_store *store = new_store(16);
	aibrix_cache *cache = metered(8, store, m);
	uint64_t lease, n;

	cr_assert_eq(aibrix_cache_acquire(cache, chain(1), 4, 0, 1, &lease, &n),
		     AIBRIX_E_AGAIN);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);

	cr_expect_str_eq(line(m, ERRORS("cachemgr", "acquire", "cancelled")),
			 ERRORS("cachemgr", "acquire", "cancelled") "1");
	cr_expect_eq(value(m, AIBRIX_METER_MISS_TOKENS, MGR), 64u);
	settle_all(cache, 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	aibrix_meter_free(m);
}

Test(cache_meter, calls_without_room_are_errors_of_memory)
{
	aibrix_meter *m = new_meter();
	aibrix_cache *cache = metered(2, NULL, m);
	uint64_t held, lease[2], n;

	cr_assert_eq(put_blocks(cache, 1, 2), 2);
	cr_assert_eq(get_blocks(cache, 1, 2, &held), 2);
	cr_assert_eq(aibrix_cache_reserve(cache, chain(2), NULL, 1, 1,
					  &lease[0], &n),
		     AIBRIX_E_FULL);
	cr_assert_eq(get_blocks(cache, 1, 2, &lease[0]), 2);
	cr_assert_eq(
		aibrix_cache_acquire(cache, chain(1), 1, 0, 1, &lease[1], &n),
		AIBRIX_E_FULL);

	cr_expect_str_eq(
		line(m, ERRORS("cachemgr", "allocate", "out_of_memory")),
		ERRORS("cachemgr", "allocate", "out_of_memory") "1");
	cr_expect_str_eq(
		line(m, ERRORS("cachemgr", "acquire", "out_of_memory")),
		ERRORS("cachemgr", "acquire", "out_of_memory") "1");
	cr_expect_eq(value(m, AIBRIX_METER_REFUSED_BLOCKS, L1), 1u);
	cr_expect_eq(value(m, AIBRIX_METER_LEASES, MGR), 2u);
	aibrix_cache_free(cache);
	cr_expect(meter_ended(m, 2), "two leases were leaked");
	aibrix_meter_free(m);
}

Test(cache_meter, caches_that_share_a_meter_are_summed)
{
	aibrix_meter *m = new_meter();
	aibrix_cache *a = metered(4, NULL, m), *b = metered(6, NULL, m);

	cr_assert_eq(put_blocks(a, 1, 2), 2);
	cr_assert_eq(put_blocks(b, 1, 3), 3);

	cr_expect_eq(value(m, AIBRIX_METER_CAPACITY_BYTES, L1), 10u * BLOCK);
	cr_expect_eq(value(m, AIBRIX_METER_USED_BYTES, L1), 5u * BLOCK);
	aibrix_cache_free(a);
	cr_expect_eq(value(m, AIBRIX_METER_CAPACITY_BYTES, L1), 6u * BLOCK);
	cr_expect_eq(value(m, AIBRIX_METER_WRITTEN_BYTES, L1), 5u * BLOCK,
		     "counters stay");
	aibrix_cache_free(b);
	cr_expect(meter_ended(m, 0));
	aibrix_meter_free(m);
}
