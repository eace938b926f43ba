#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/metric.h>

#include "base/rand.h"
#include "metric/metric_internal.h"
#include "metric_text.h"

enum { CAP = 8192 };

static char out[CAP + 1];
static struct metric_page page;

static aibrix_metric_text
text_on(uint32_t flags)
{
	memset(out, 0, sizeof(out));
	return (aibrix_metric_text){.size = sizeof(aibrix_metric_text),
				    .flags = flags,
				    .out = out,
				    .cap = CAP};
}

static const char *
double_text(double value)
{
	static char text[64];
	struct sink s = {text, sizeof(text), 0};

	memset(text, 0, sizeof(text));
	aibrix__sink_double(&s, value);
	return text;
}

static aibrix_histogram *
new_latency(void)
{
	static const uint64_t edges[] = {1000000, 2000000, 3000000};
	aibrix_histogram_opts opts = {
		.size = sizeof(opts), .edges = edges, .n_edges = 3};
	aibrix_histogram *h = NULL;

	cr_assert_eq(aibrix_histogram_new(&opts, &h), AIBRIX_OK);
	return h;
}

Test(metric_text, counters_and_gauges_are_the_text_that_prometheus_reads)
{
	const aibrix_label engine = {"model_name", "llama"};
	const aibrix_label op = {"op_type", "get"};
	aibrix_metric_text t = text_on(0);

	t.prefix = "vllm:";
	t.labels = &engine;
	t.n_labels = 1;
	cr_assert_eq(aibrix_metric_family(&t, "num_ops", AIBRIX_METRIC_COUNTER,
					  "Operations."),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_metric_count(&t, &op, 1, 18446744073709551615u),
		     AIBRIX_OK);
	cr_assert_eq(
		aibrix_metric_family(&t, "used", AIBRIX_METRIC_GAUGE, NULL),
		AIBRIX_OK);
	cr_assert_eq(aibrix_metric_value(&t, NULL, 0, 0.5), AIBRIX_OK);
	cr_assert_eq(aibrix_metric_end(&t), AIBRIX_OK);

	cr_expect_str_eq(out, "# HELP vllm:num_ops_total Operations.\n"
			      "# TYPE vllm:num_ops_total counter\n"
			      "vllm:num_ops_total{model_name=\"llama\",op_type="
			      "\"get\"} 18446744073709551615\n"
			      "# TYPE vllm:used gauge\n"
			      "vllm:used{model_name=\"llama\"} 0.5\n");
	cr_expect_eq(t.n, strlen(out));
	cr_expect_null(metric_read(&page, out, 0), "%s", page.wrong);
}

Test(metric_text, openmetrics_names_families_without_total_and_ends)
{
	aibrix_metric_text t = text_on(AIBRIX_METRIC_OPENMETRICS);

	cr_assert_eq(aibrix_metric_family(&t, "a", AIBRIX_METRIC_COUNTER,
					  "say \"a\"\\\n"),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_metric_count(&t, NULL, 0, 0), AIBRIX_OK);
	cr_assert_eq(aibrix_metric_end(&t), AIBRIX_OK);

	cr_expect_str_eq(out, "# HELP a say \\\"a\\\"\\\\\\n\n"
			      "# TYPE a counter\n"
			      "a_total 0\n"
			      "# EOF\n");
	cr_expect_null(metric_read(&page, out, 1), "%s", page.wrong);
}

Test(metric_text, histograms_have_cumulative_buckets_sum_and_count)
{
	const aibrix_label op = {"op", "get"};
	aibrix_histogram *h = new_latency();
	aibrix_metric_text t = text_on(0);

	aibrix_histogram_record(h, 1000000);
	aibrix_histogram_record(h, 1000001);
	aibrix_histogram_record(h, 9500000);
	cr_assert_eq(aibrix_metric_family(&t, "lat_ms", AIBRIX_METRIC_HISTOGRAM,
					  NULL),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_metric_histogram(&t, &op, 1, h, 1e6), AIBRIX_OK);
	cr_assert_eq(aibrix_metric_end(&t), AIBRIX_OK);

	cr_expect_str_eq(out, "# TYPE lat_ms histogram\n"
			      "lat_ms_bucket{op=\"get\",le=\"1.0\"} 1\n"
			      "lat_ms_bucket{op=\"get\",le=\"2.0\"} 2\n"
			      "lat_ms_bucket{op=\"get\",le=\"3.0\"} 2\n"
			      "lat_ms_bucket{op=\"get\",le=\"+Inf\"} 3\n"
			      "lat_ms_sum{op=\"get\"} 11.500001\n"
			      "lat_ms_count{op=\"get\"} 3\n");
	cr_expect_null(metric_read(&page, out, 0), "%s", page.wrong);
	aibrix_histogram_free(h);
}

Test(metric_text, values_of_labels_are_escaped)
{
	const aibrix_label odd = {"a", "\"\\\n{},= \xc3\xa9"};
	aibrix_metric_text t = text_on(0);

	cr_assert_eq(aibrix_metric_family(&t, "g", AIBRIX_METRIC_GAUGE, NULL),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_metric_count(&t, &odd, 1, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_metric_end(&t), AIBRIX_OK);

	cr_expect_str_eq(out, "# TYPE g gauge\n"
			      "g{a=\"\\\"\\\\\\n{},= \xc3\xa9\"} 1\n");
	cr_expect_null(metric_read(&page, out, 0), "%s", page.wrong);
}

Test(metric_text, too_small_a_buffer_is_told_how_much_there_is)
{
	static const char all[] = "# TYPE g gauge\ng 12345\n";
	enum { LEN = sizeof(all) - 1 };

	for (uint64_t cap = 0; cap <= LEN; cap++) {
		aibrix_metric_text t = text_on(0);

		t.cap = cap;
		t.out = cap ? out : NULL;
		cr_assert_eq(aibrix_metric_family(&t, "g", AIBRIX_METRIC_GAUGE,
						  NULL),
			     AIBRIX_OK);
		cr_assert_eq(aibrix_metric_count(&t, NULL, 0, 12345),
			     AIBRIX_OK);
		cr_expect_eq(aibrix_metric_end(&t),
			     cap < LEN ? AIBRIX_E_SPACE : AIBRIX_OK);
		cr_expect_eq(t.n, (uint64_t)LEN);
		cr_expect_arr_eq(out, all, cap);
		cr_expect_eq(out[cap], 0, "nothing behind cap");
	}
}

Test(metric_text, a_sample_that_is_refused_leaves_no_trace)
{
	static const aibrix_label wrong[][2] = {
		{{"a", "1"}, {"a", "2"}},     /* twice */
		{{"a", "1"}, {"", "2"}},      /* no name */
		{{"a", "1"}, {"1a", "2"}},    /* digit first */
		{{"a", "1"}, {"a:b", "2"}},   /* colon */
		{{"a", "1"}, {"__a", "2"}},   /* reserved */
		{{"a", "1"}, {"b", "\xff"}},  /* not UTF-8 */
		{{"a", "1"}, {NULL, "2"}},    /* none */
		{{"a", "1"}, {"b", NULL}},    /* none */
		{{"model", "1"}, {"b", "1"}}, /* the text's own */
	};
	const aibrix_label own = {"model", "m"};
	aibrix_metric_text t = text_on(0), before;

	t.labels = &own;
	t.n_labels = 1;
	cr_assert_eq(aibrix_metric_family(&t, "g", AIBRIX_METRIC_GAUGE, NULL),
		     AIBRIX_OK);
	before = t;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_expect_eq(aibrix_metric_count(&t, wrong[i], 2, 1),
			     AIBRIX_E_INVAL, "row %zu", i);
	cr_expect_eq(memcmp(&t, &before, sizeof(t)), 0);
	cr_expect_eq(strlen(out), t.n);
}

Test(metric_text, calls_out_of_order_are_refused)
{
	const aibrix_label le = {"le", "1"};
	aibrix_histogram *h = new_latency();
	aibrix_metric_text t = text_on(0);

	cr_expect_eq(aibrix_metric_count(&t, NULL, 0, 1), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_metric_histogram(&t, NULL, 0, h, 1),
		     AIBRIX_E_STATE);
	cr_assert_eq(
		aibrix_metric_family(&t, "h", AIBRIX_METRIC_HISTOGRAM, NULL),
		AIBRIX_OK);
	cr_expect_eq(aibrix_metric_value(&t, NULL, 0, 1), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_metric_histogram(&t, &le, 1, h, 1), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_histogram(&t, NULL, 0, h, 0),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_histogram(&t, NULL, 0, NULL, 1),
		     AIBRIX_E_INVAL);
	aibrix_histogram_free(h);
}

Test(metric_text, families_need_names_and_types)
{
	aibrix_metric_text t = text_on(0);

	cr_expect_eq(aibrix_metric_family(&t, "", 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(&t, "a-b", 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(&t, "0a", 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(&t, NULL, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(&t, "a", 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(&t, "a", 4, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(&t, "a", 1, "\x80"), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_metric_family(NULL, "a", 1, NULL), AIBRIX_E_INVAL);
	t.prefix = "1";
	cr_expect_eq(aibrix_metric_family(&t, "a", 1, NULL), AIBRIX_E_INVAL);
	t.prefix = NULL;
	t.flags = 2;
	cr_expect_eq(aibrix_metric_family(&t, "a", 1, NULL), AIBRIX_E_ABI);
	cr_expect_eq(t.n, 0u);
}

Test(metric_text, doubles_are_written_as_go_does)
{
	cr_expect_str_eq(double_text(0), "0.0");
	cr_expect_str_eq(double_text(-0.0), "-0.0");
	cr_expect_str_eq(double_text(1), "1.0");
	cr_expect_str_eq(double_text(8096), "8096.0");
	cr_expect_str_eq(double_text(0.1), "0.1");
	cr_expect_str_eq(double_text(-2.5), "-2.5");
	cr_expect_str_eq(double_text(0.0001), "0.0001");
	cr_expect_str_eq(double_text(0.00001), "1e-05");
	cr_expect_str_eq(double_text(100000), "100000.0");
	cr_expect_str_eq(double_text(1000000), "1e+06");
	cr_expect_str_eq(double_text(1234567.5), "1.2345675e+06");
	cr_expect_str_eq(double_text(5e-324), "5e-324");
	cr_expect_str_eq(double_text(1.7976931348623157e308),
			 "1.7976931348623157e+308");
	cr_expect_str_eq(double_text(2.2250738585072014e-308),
			 "2.2250738585072014e-308");
	/* The decimals of these lie half way between two doubles. */
	cr_expect_str_eq(double_text(9007199254740993.0),
			 "9.007199254740992e+15");
	cr_expect_str_eq(double_text(5e22), "5e+22");
	cr_expect_str_eq(double_text(1e23), "1e+23");
	cr_expect_str_eq(double_text(NAN), "NaN");
	cr_expect_str_eq(double_text(INFINITY), "+Inf");
	cr_expect_str_eq(double_text(-INFINITY), "-Inf");
}

/* Digits of a number as text, up to its exponent, without zeros around. */
static int
digits_of(const char *text)
{
	int n = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9')
			continue;
		zeros = *text == '0' ? zeros + 1 : 0;
		n += n > 0 || *text != '0';
	}
	return n - (n > 0 ? zeros : 0);
}

Test(metric_text, doubles_are_read_back_and_no_shorter_text_is)
{
	uint64_t rand = 11, bits;
	char shorter[64];
	double value;

	for (int i = 0; i < 10000; i++) {
		const char *text;
		int n;

		bits = rand_next(&rand);
		if (i % 4 == 0) /* powers of two and their neighbours */
			bits = (bits & 0xfff0000000000000u) + bits % 3 - 1;
		memcpy(&value, &bits, sizeof(value));
		if (i % 4 == 1) /* as sums of nanoseconds are */
			value = (double)(bits >> 30) / 1e6;
		if (!isfinite(value))
			continue;
		text = double_text(value);
		cr_assert_eq(strtod(text, NULL), value, "%s is not %a", text,
			     value);
		n = digits_of(text);
		if (n < 2)
			continue;
		snprintf(shorter, sizeof(shorter), "%.*e", n - 2, value);
		cr_assert_neq(strtod(shorter, NULL), value, "%s for %s",
			      shorter, text);
	}
}

Test(metric_text, the_reader_of_these_tests_notices_faults)
{
	static const struct {
		const char *text;
		int openmetrics;
	} bad[] = {
		{"# TYPE a gauge\na 1", 0},
		{"a 1\n# TYPE a gauge\nb 1\n", 0},
		{"# TYPE a gauge\na 1\na 2\n", 0},
		{"# TYPE a gauge\na 1\n# TYPE a gauge\n", 0},
		{"# TYPE a gauge\na{b=\"\n\"} 1\n", 0},
		{"# TYPE a gauge\na{b=\"\\x\"} 1\n", 0},
		{"# TYPE a gauge\na 1,5\n", 0},
		{"# TYPE a counter\na 1\n", 0},
		{"# TYPE a counter\na_total 1\n", 0},
		{"# TYPE a_total counter\na_total -1\n", 0},
		{"# TYPE a counter\na_total 1\n", 1},
		{"# TYPE a histogram\na_bucket{le=\"1.0\"} 1\n"
		 "a_bucket{le=\"+Inf\"} 0\na_sum 0\na_count 0\n",
		 0},
		{"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 0\n"
		 "a_count 2\n",
		 0},
		{"# TYPE a histogram\na_bucket{le=\"1.0\"} 1\na_sum 0\n"
		 "a_count 1\n",
		 0},
		{"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\n"
		 "# TYPE b gauge\nb 1\n",
		 0},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_not_null(
			metric_read(&page, bad[i].text, bad[i].openmetrics),
			"row %zu", i);
}
