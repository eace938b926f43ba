#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/meter.h>

#include "metric_text.h"

enum { CAP = 1 << 18 };

static char out[CAP + 1];
static struct metric_page page;

static aibrix_meter *
new_meter(double token_ns, double position_ns)
{
	aibrix_meter_opts opts = {.size = sizeof(opts),
				  .token_ns = token_ns,
				  .position_ns = position_ns};
	aibrix_meter *m = NULL;

	cr_assert_eq(aibrix_meter_new(&opts, &m), AIBRIX_OK);
	return m;
}

static void
record(aibrix_meter *m, uint32_t where, uint32_t op, int status,
       uint64_t tokens, uint64_t done)
{
	aibrix_meter_op o = {.size = sizeof(o),
			     .where = where,
			     .op = op,
			     .status = status,
			     .prefix_tokens = 64,
			     .tokens = tokens,
			     .done_tokens = done,
			     .spent_ns = 2500000};

	cr_assert_eq(aibrix_meter_record(m, &o), AIBRIX_OK);
}

static uint64_t
value(const aibrix_meter *m, uint32_t what, uint32_t where)
{
	uint64_t v = 77;

	cr_assert_eq(aibrix_meter_get(m, what, where, &v), AIBRIX_OK);
	return v;
}

/* The whole text, which must be valid in both formats, into page. */
static void
write_page(const aibrix_meter *m, const char *prefix,
	   const aibrix_label *labels, uint32_t n_labels)
{
	for (uint32_t flags = 2; flags-- > 0;) {
		aibrix_metric_text t = {.size = sizeof(t),
					.flags = flags,
					.out = out,
					.cap = CAP,
					.prefix = prefix,
					.labels = labels,
					.n_labels = n_labels};

		memset(out, 0, sizeof(out));
		cr_assert_eq(aibrix_meter_write(m, &t), AIBRIX_OK);
		cr_assert_eq(aibrix_metric_end(&t), AIBRIX_OK);
		cr_assert_null(metric_read(&page, out, (int)flags), "%s",
			       page.wrong);
	}
}

static double
series(const char *text)
{
	return metric_get(&page, text);
}

Test(meter, operations_have_the_names_and_labels_of_aibrix)
{
	aibrix_meter *m = new_meter(0, 0);
	const aibrix_label model = {"model_name", "m"};

	record(m, AIBRIX_METER_MANAGER, AIBRIX_METER_ACQUIRE, 0, 100, 50);
	record(m, AIBRIX_METER_L1, AIBRIX_METER_PUT, AIBRIX_E_FULL, 16, 0);
	record(m, AIBRIX_METER_L2, AIBRIX_METER_EXISTS, 0, 16, 0);
	record(m, AIBRIX_METER_CONNECTOR, AIBRIX_METER_SEND, 0, 32, 32);
	record(m, AIBRIX_METER_CONNECTOR, AIBRIX_METER_RECV, 0, 48, 16);
	write_page(m, "vllm:", &model, 1);

#define OL "vllm:kv_cache_ol_"
#define CONNECTOR "vllm:ol_connector_"
#define MGR "{model_name=\"m\",cache_type=\"cachemgr\",op_type=\"acquire\""
#define L1 "{model_name=\"m\",cache_type=\"l1cache\",op_type=\"put\""
	cr_expect_eq(series(OL "num_ops_total" MGR "}"), 1);
	cr_expect_eq(series(OL "num_ops_total" L1 "}"), 1);
	cr_expect_eq(
		series(OL "num_errors_total" L1 ",reason=\"out_of_memory\"}"),
		1);
	cr_expect_eq(series(OL "iteration_prefixes_sum" MGR "}"), 64);
	cr_expect_eq(series(OL "iteration_tokens_sum" MGR "}"), 100);
	cr_expect_eq(series(OL "iteration_fetched_tokens_sum" MGR "}"), 50);
	cr_expect_eq(series(OL "iteration_op_lat_ms_sum" MGR "}"), 2.5);
	cr_expect(isnan(series(OL "iteration_fetched_tokens_sum" L1 "}")));
	cr_expect_eq(series(OL "num_ops_total{model_name=\"m\",cache_type="
			       "\"l2cache\",op_type=\"exists\"}"),
		     1);
	cr_expect_eq(series(CONNECTOR "num_ops_total{model_name=\"m\",op_type="
				      "\"send\"}"),
		     1);
	cr_expect_eq(series(CONNECTOR "iteration_sent_tokens_sum{model_name="
				      "\"m\",op_type=\"send\"}"),
		     32);
	cr_expect_eq(series(CONNECTOR "iteration_received_tokens_sum{model_"
				      "name=\"m\",op_type=\"recv\"}"),
		     16);
	cr_expect_eq(series(CONNECTOR "iteration_op_lat_ms_count{model_name="
				      "\"m\",op_type=\"recv\"}"),
		     1);
	aibrix_meter_free(m);
}

Test(meter, buckets_are_those_of_aibrix)
{
	static const char *const tokens[] = {
		"1.0",   "8.0",   "16.0",   "32.0",   "64.0",   "128.0",
		"256.0", "512.0", "1024.0", "2048.0", "4096.0", "8096.0"};
	static const char *const ms[] = {
		"1.0",   "2.0",   "3.0",   "5.0",    "8.0",    "10.0",
		"20.0",  "30.0",  "50.0",  "80.0",   "100.0",  "200.0",
		"300.0", "500.0", "800.0", "1000.0", "2000.0", "3000.0"};
	aibrix_meter *m = new_meter(0, 0);
	char name[256];

	record(m, 0, AIBRIX_METER_GET, 0, 8096, 0);
	record(m, 0, AIBRIX_METER_GET, 0, 8097, 0);
	write_page(m, NULL, NULL, 0);

	for (size_t i = 0; i < 12; i++) {
		snprintf(name, sizeof(name),
			 "kv_cache_ol_iteration_tokens_bucket{cache_type="
			 "\"cachemgr\",op_type=\"get\",le=\"%s\"}",
			 tokens[i]);
		cr_expect_eq(series(name), i == 11, "%s", name);
	}
	for (size_t i = 0; i < 18; i++) {
		snprintf(name, sizeof(name),
			 "kv_cache_ol_iteration_op_lat_ms_bucket{cache_type="
			 "\"cachemgr\",op_type=\"get\",le=\"%s\"}",
			 ms[i]);
		cr_expect_eq(series(name), i < 2 ? 0 : 2, "%s", name);
	}
	aibrix_meter_free(m);
}

Test(meter, errors_are_counted_by_reason_and_not_found_is_none_of_reading)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
		{AIBRIX_E_IO, "error"},
		{AIBRIX_E_INVAL, "invalid"},
		{AIBRIX_E_NOMEM, "out_of_memory"},
		{AIBRIX_E_FULL, "out_of_memory"},
		{AIBRIX_E_TIMEOUT, "timeout"},
		{AIBRIX_E_DENIED, "denied"},
		{AIBRIX_E_CANCELED, "cancelled"},
		{AIBRIX_E_CORRUPT, "corrupt"},
		{AIBRIX_E_UNAVAILABLE, "unavailable"},
		{-12345, "error"},
	};
	char name[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		aibrix_meter *m = new_meter(0, 0);

		record(m, AIBRIX_METER_L2, AIBRIX_METER_GET, rows[i].status, 16,
		       16);
		write_page(m, NULL, NULL, 0);
		snprintf(name, sizeof(name),
			 "kv_cache_ol_num_errors_total{cache_type=\"l2cache\","
			 "op_type=\"get\",reason=\"%s\"}",
			 rows[i].reason);
		cr_expect_eq(series(name), 1, "%s", name);
		cr_expect_eq(value(m, AIBRIX_METER_HIT_TOKENS, 2), 0u);
		cr_expect_eq(value(m, AIBRIX_METER_MISS_TOKENS, 2), 16u);
		aibrix_meter_free(m);
	}
}

Test(meter, not_found_is_an_error_of_writing_only)
{
	aibrix_meter *m = new_meter(0, 0);

	for (uint32_t op = 0; op <= AIBRIX_METER_EXISTS; op++)
		record(m, 0, op, AIBRIX_E_NOT_FOUND, 16, 0);
	write_page(m, NULL, NULL, 0);

#define NUM_ERRORS                                                             \
	"kv_cache_ol_num_errors_total{cache_type=\"cachemgr\",op_type="
#define NOT_FOUND ",reason=\"not_found\"}"
	cr_expect_eq(series(NUM_ERRORS "\"put\"" NOT_FOUND), 1);
	cr_expect_eq(series(NUM_ERRORS "\"allocate\"" NOT_FOUND), 1);
	cr_expect(isnan(series(NUM_ERRORS "\"get\"" NOT_FOUND)));
	cr_expect(isnan(series(NUM_ERRORS "\"acquire\"" NOT_FOUND)));
	cr_expect(isnan(series(NUM_ERRORS "\"exists\"" NOT_FOUND)));
	aibrix_meter_free(m);
}

Test(meter, requests_that_fail_within_an_operation_are_errors_alone)
{
	aibrix_meter *m = new_meter(0, 0);

	cr_assert_eq(aibrix_meter_fail(m, 2, AIBRIX_METER_GET, AIBRIX_E_IO),
		     AIBRIX_OK);
	cr_assert_eq(
		aibrix_meter_fail(m, 2, AIBRIX_METER_GET, AIBRIX_E_NOT_FOUND),
		AIBRIX_OK);
	cr_expect_eq(aibrix_meter_fail(m, 2, AIBRIX_METER_SEND, AIBRIX_E_IO),
		     AIBRIX_E_INVAL);
	write_page(m, NULL, NULL, 0);

	cr_expect_eq(series("kv_cache_ol_num_errors_total{cache_type="
			    "\"l2cache\",op_type=\"get\",reason=\"error\"}"),
		     1);
	cr_expect_null(strstr(out, "not_found"));
	cr_expect(isnan(series("kv_cache_ol_num_ops_total{cache_type="
			       "\"l2cache\",op_type=\"get\"}")));
	aibrix_meter_free(m);
}

/* AIBrix multiplies hits that are tokens by the block's tokens. */
Test(meter, misses_are_what_was_not_found_and_never_negative)
{
	aibrix_meter *m = new_meter(0, 0);

	record(m, AIBRIX_METER_L1, AIBRIX_METER_ACQUIRE, 0, 100, 30);
	record(m, AIBRIX_METER_L1, AIBRIX_METER_GET, 0, 100, 1000);
	record(m, AIBRIX_METER_L1, AIBRIX_METER_PUT, 0, 100, 50);

	cr_expect_eq(value(m, AIBRIX_METER_HIT_TOKENS, AIBRIX_METER_L1), 130u);
	cr_expect_eq(value(m, AIBRIX_METER_MISS_TOKENS, AIBRIX_METER_L1), 70u);
	write_page(m, NULL, NULL, 0);
	cr_expect_eq(
		series("kv_cache_ol_hit_tokens_total{cache_type=\"l1cache\"}"),
		130);
	cr_expect_eq(
		series("kv_cache_ol_miss_tokens_total{cache_type=\"l1cache\"}"),
		70);
	aibrix_meter_free(m);
}

Test(meter, benefit_is_computing_saved_less_time_spent)
{
	aibrix_meter *m = new_meter(100000, 10);

	/* 50 tokens at 64: 50 x 100 us + 10 ns x (114^2 - 64^2) / 2 */
	record(m, 0, AIBRIX_METER_ACQUIRE, 0, 100, 50);
	cr_expect_eq(value(m, AIBRIX_METER_SAVED_NS, 0), 5044500u);
	cr_expect_eq(value(m, AIBRIX_METER_SPENT_NS, 0), 2500000u);
	/* Of a tier: it is part of the manager's. */
	record(m, AIBRIX_METER_L2, AIBRIX_METER_GET, 0, 100, 50);
	/* In vain. */
	record(m, 0, AIBRIX_METER_ACQUIRE, AIBRIX_E_TIMEOUT, 100, 50);
	record(m, 0, AIBRIX_METER_ACQUIRE, 0, 100, 0);
	write_page(m, NULL, NULL, 0);

#define AT "{cache_type=\"cachemgr\"}"
	cr_expect_float_eq(series("kv_cache_ol_saved_seconds_total" AT),
			   0.0050445, 1e-12);
	cr_expect_float_eq(series("kv_cache_ol_spent_seconds_total" AT), 0.0075,
			   1e-12);
	cr_expect_float_eq(series("kv_cache_ol_benefit_seconds" AT), -0.0024555,
			   1e-12);
	aibrix_meter_free(m);
}

Test(meter, a_benefit_that_is_not_known_is_not_said)
{
	aibrix_meter *m = new_meter(0, 0);

	record(m, 0, AIBRIX_METER_ACQUIRE, 0, 100, 50);
	write_page(m, NULL, NULL, 0);

	cr_expect(isnan(series("kv_cache_ol_benefit_seconds" AT)));
	cr_expect(isnan(series("kv_cache_ol_saved_seconds_total" AT)));
	cr_expect_float_eq(series("kv_cache_ol_spent_seconds_total" AT), 0.0025,
			   1e-12);
	aibrix_meter_free(m);
}

Test(meter, what_was_not_measured_has_no_latency)
{
	aibrix_meter *m = new_meter(0, 0);
	aibrix_meter_op o = {.size = sizeof(o),
			     .op = AIBRIX_METER_GET,
			     .spent_ns = AIBRIX_FOREVER};
	uint64_t n;

	cr_assert_eq(aibrix_meter_record(m, &o), AIBRIX_OK);

	cr_assert_eq(
		aibrix_histogram_total(
			aibrix_meter_latency(m, 0, AIBRIX_METER_GET), &n, NULL),
		AIBRIX_OK);
	cr_expect_eq(n, 0u);
	cr_expect_eq(value(m, AIBRIX_METER_SPENT_NS, 0), 0u);
	aibrix_meter_free(m);
}

Test(meter, memory_is_told_under_both_of_aibrix_resources_if_there_is_any)
{
	aibrix_meter *m = new_meter(0, 0);

	write_page(m, NULL, NULL, 0);
	cr_expect_null(strstr(out, "kv_cache_ol_capacity"));

	cr_assert_eq(aibrix_meter_add(m, AIBRIX_METER_CAPACITY_BYTES, 1, 1000),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_meter_add(m, AIBRIX_METER_USED_BYTES, 1, 300),
		     AIBRIX_OK);
	cr_assert_eq(
		aibrix_meter_add(m, AIBRIX_METER_USED_BYTES, 1, (uint64_t)-100),
		AIBRIX_OK);
	cr_assert_eq(aibrix_meter_add(m, AIBRIX_METER_TAKEN_BYTES, 1, 400),
		     AIBRIX_OK);
	write_page(m, NULL, NULL, 0);
#define OF(what) "{cache_type=\"l1cache\",resource_type=\"" what "\"}"
	cr_expect_eq(series("kv_cache_ol_used" OF("l1_eviction_policy")), 200);
	cr_expect_eq(series("kv_cache_ol_used" OF("l1_allocator")), 400);
	cr_expect_eq(series("kv_cache_ol_capacity" OF("l1_eviction_policy")),
		     1000);
	cr_expect_eq(series("kv_cache_ol_capacity" OF("l1_allocator")), 1000);
	aibrix_meter_free(m);
}

Test(meter, ranks_are_summed_by_merging)
{
	aibrix_meter *a = new_meter(0, 0), *b = new_meter(0, 0);
	uint64_t n, sum;

	record(a, 0, AIBRIX_METER_GET, 0, 100, 50);
	record(b, 0, AIBRIX_METER_GET, 0, 10, 5);
	record(b, 0, AIBRIX_METER_GET, AIBRIX_E_IO, 1, 0);
	cr_assert_eq(aibrix_meter_merge(a, b), AIBRIX_OK);
	write_page(a, NULL, NULL, 0);

	cr_expect_eq(value(a, AIBRIX_METER_HIT_TOKENS, 0), 55u);
	cr_expect_eq(value(b, AIBRIX_METER_HIT_TOKENS, 0), 5u);
	cr_expect_eq(series("kv_cache_ol_num_ops_total{cache_type=\"cachemgr\","
			    "op_type=\"get\"}"),
		     3);
	cr_expect_eq(series("kv_cache_ol_num_errors_total{cache_type="
			    "\"cachemgr\",op_type=\"get\",reason=\"error\"}"),
		     1);
	cr_assert_eq(
		aibrix_histogram_total(
			aibrix_meter_latency(a, 0, AIBRIX_METER_GET), &n, &sum),
		AIBRIX_OK);
	cr_expect_eq(n, 3u);
	cr_expect_eq(sum, 7500000u);
	aibrix_meter_free(a);
	aibrix_meter_free(b);
}

Test(meter, a_buffer_that_is_too_small_is_told_what_is_needed)
{
	aibrix_meter *m = new_meter(1, 1);
	aibrix_metric_text t = {.size = sizeof(t), .out = NULL};

	record(m, 0, AIBRIX_METER_ACQUIRE, 0, 100, 50);
	cr_assert_eq(aibrix_meter_write(m, &t), AIBRIX_OK);
	cr_expect_eq(aibrix_metric_end(&t), AIBRIX_E_SPACE);
	write_page(m, NULL, NULL, 0);
	cr_expect_eq(t.n, strlen(out));
	aibrix_meter_free(m);
}

Test(meter, wrong_calls_are_refused_and_count_nothing)
{
	aibrix_meter *m = new_meter(0, 0), *none = NULL;
	aibrix_meter_opts opts = {.size = sizeof(opts), .token_ns = -1};
	aibrix_meter_op o = {.size = sizeof(o), .op = AIBRIX_METER_SEND};
	const uint32_t past = AIBRIX_METER_REMOVED_BLOCKS + 1;
	uint64_t v = 77;

	cr_expect_eq(aibrix_meter_record(m, &o), AIBRIX_E_INVAL);
	o.where = AIBRIX_METER_CONNECTOR;
	o.op = AIBRIX_METER_GET;
	cr_expect_eq(aibrix_meter_record(m, &o), AIBRIX_E_INVAL);
	o.where = 4;
	cr_expect_eq(aibrix_meter_record(m, &o), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_meter_record(m, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_meter_add(m, past, 0, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_meter_add(m, 0, 4, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_meter_get(m, past, 0, &v), AIBRIX_E_INVAL);
	cr_expect_eq(v, 77u);
	cr_expect_null(aibrix_meter_latency(m, 0, AIBRIX_METER_SEND));
	cr_expect_eq(aibrix_meter_merge(m, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_meter_new(&opts, &none), AIBRIX_E_INVAL);
	opts.token_ns = NAN;
	cr_expect_eq(aibrix_meter_new(&opts, &none), AIBRIX_E_INVAL);
	opts.token_ns = 0;
	opts.flags = 1;
	cr_expect_eq(aibrix_meter_new(&opts, &none), AIBRIX_E_ABI);
	cr_expect_null(none);
	write_page(m, NULL, NULL, 0);
	cr_expect_null(strstr(out, "op_type"));
	aibrix_meter_free(m);
}
