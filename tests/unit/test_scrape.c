/* Lines of a page, and what a page makes known. */

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scrape.h>

#define SECOND ((uint64_t)1000000000)

static aibrix_sample_walk
walk_on(const char *text)
{
	return (aibrix_sample_walk){.size = sizeof(aibrix_sample_walk),
				    .text = text,
				    .n = strlen(text)};
}

static int
sample_is(const aibrix_sample *s, const char *name, double value)
{
	return s->n_name == strlen(name) &&
	       memcmp(s->name, name, s->n_name) == 0 && s->value == value;
}

static aibrix_sample
sample_of(const char *text)
{
	aibrix_sample_walk walk = walk_on(text);
	aibrix_sample s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_sample_next(&walk, &s), AIBRIX_OK, "%s", text);
	return s;
}

static int
error_of(const char *text)
{
	aibrix_sample_walk walk = walk_on(text);
	aibrix_sample s = {.size = sizeof(s)};

	return aibrix_sample_next(&walk, &s);
}

Test(scrape, a_line_is_a_name_and_labels_and_a_value_and_perhaps_a_time)
{
	aibrix_sample s = sample_of("up 1\n");

	cr_expect(sample_is(&s, "up", 1));
	cr_expect_null(s.labels);
	cr_expect_eq(s.flags, 0);
	s = sample_of("a:b_c9{x=\"1\"} -2.5 1700000000123\n");
	cr_expect(sample_is(&s, "a:b_c9", -2.5));
	cr_expect_eq(s.n_labels, 5);
	cr_expect_eq(s.flags, AIBRIX_SAMPLE_TIMED);
	cr_expect_eq(s.time, 1700000000123.0);
	s = sample_of(" \tb{} 3e2 # {trace=\"x\"} 0.5\r\n");
	cr_expect(sample_is(&s, "b", 300));
	cr_expect_eq(s.n_labels, 0);
	cr_expect_eq(s.flags, 0);
	s = sample_of("b { x = \"1\" , y=\"2\", } 4\n");
	cr_expect(sample_is(&s, "b", 4));
}

Test(scrape, values_are_any_number_infinite_and_none)
{
	cr_expect_eq(sample_of("a +Inf\n").value, HUGE_VAL);
	cr_expect_eq(sample_of("a -inf\n").value, -HUGE_VAL);
	cr_expect(isnan(sample_of("a NaN\n").value));
	cr_expect_eq(sample_of("a 0.30000000000000004\n").value,
		     0.30000000000000004);
	cr_expect_eq(sample_of("a 1e+06\n").value, 1e6);
	cr_expect_eq(sample_of("a 9007199254740993\n").value,
		     9007199254740992.0);
	cr_expect_eq(sample_of("a 1.7976931348623157e308\n").value,
		     1.7976931348623157e308);
}

Test(scrape, what_is_no_sample_is_said_with_its_line_and_passed_over)
{
	static const char *const bad[] = {"9a 1\n",
					  "a\n",
					  "a \n",
					  "a one\n",
					  "a 1 2 3\n",
					  "a{ 1\n",
					  "a{x} 1\n",
					  "a{x=} 1\n",
					  "a{x=\"} 1\n",
					  "a{x=\"1\"y=\"2\"} 1\n",
					  "a{x=\"1\\\"} 1\n",
					  "a{=\"1\"} 1\n",
					  "a{,} 1\n",
					  "{x=\"1\"} 1\n",
					  "a-b 1\n",
					  "a 0x10\n",
					  "a 1",
					  "a{x=\"1\"}\n",
					  "a infinit\n",
					  "a 1_000\n"};
	aibrix_sample_walk walk =
		walk_on("# HELP a b\n\na 1\nb{\n# EOF x\nc 3\nd 4");
	aibrix_sample s = {.size = sizeof(s)};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(error_of(bad[i]), AIBRIX_E_PARSE, "%s", bad[i]);
	cr_expect_eq(aibrix_sample_next(&walk, &s), AIBRIX_OK);
	cr_expect(sample_is(&s, "a", 1));
	cr_expect_eq(walk.line, 3);
	cr_expect_eq(aibrix_sample_next(&walk, &s), AIBRIX_E_PARSE);
	cr_expect_eq(walk.line, 4);
	cr_expect_eq(aibrix_sample_next(&walk, &s), AIBRIX_OK);
	cr_expect(sample_is(&s, "c", 3));
	cr_expect_eq(aibrix_sample_next(&walk, &s), AIBRIX_E_PARSE, "cut off");
	cr_expect_eq(aibrix_sample_next(&walk, &s), AIBRIX_E_NOT_FOUND);
}

Test(scrape, a_label_is_what_its_escapes_mean)
{
	aibrix_sample s = sample_of(
		"a{m=\"org/x\",e=\"q\\\"b\\\\n\\nl\",e=\"2\",z=\"\"} 1\n");
	char out[16];
	uint64_t n;

	cr_expect_eq(aibrix_sample_label(&s, "m", out, sizeof(out), &n),
		     AIBRIX_OK);
	cr_expect(n == 5 && memcmp(out, "org/x", 5) == 0);
	cr_expect_eq(aibrix_sample_label(&s, "e", out, sizeof(out), &n),
		     AIBRIX_OK);
	cr_expect(n == 7 && memcmp(out, "q\"b\\n\nl", 7) == 0);
	cr_expect_eq(aibrix_sample_label(&s, "z", NULL, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(aibrix_sample_label(&s, "m", out, 4, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, 5);
	cr_expect_eq(aibrix_sample_label(&s, "x", out, sizeof(out), &n),
		     AIBRIX_E_NOT_FOUND);
	s = sample_of("a 1\n");
	cr_expect_eq(aibrix_sample_label(&s, "x", out, sizeof(out), &n),
		     AIBRIX_E_NOT_FOUND);
}

Test(scrape, each_engine_and_metric_has_its_names)
{
	uint32_t n = 0;

	cr_expect_eq(aibrix_engine_find(NULL), AIBRIX_ENGINE_VLLM);
	cr_expect_eq(aibrix_engine_find(""), AIBRIX_ENGINE_VLLM);
	cr_expect_eq(aibrix_engine_find("sglang"), AIBRIX_ENGINE_SGLANG);
	cr_expect_eq(aibrix_engine_find("trtllm"), AIBRIX_ENGINE_TRTLLM);
	cr_expect_eq(aibrix_engine_find("xllm"), AIBRIX_ENGINE_XLLM);
	cr_expect_eq(aibrix_engine_find("vLLM"), 0);
	for (; aibrix_series_name(n); n++)
		cr_expect_eq(aibrix_series_find(aibrix_series_name(n)), n);
	cr_expect_eq(n, 47);
	cr_expect_eq(aibrix_series_find("latency"), AIBRIX_SERIES_MAX);
	cr_expect_eq(aibrix_series_type(n), 0);
	cr_expect_eq(
		aibrix_series_type(AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS),
		AIBRIX_SERIES_HISTOGRAM);
	cr_expect_str_eq(
		aibrix_series_source(AIBRIX_ENGINE_VLLM,
				     AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL, 0),
		"vllm:request_success_total");
	cr_expect_str_eq(
		aibrix_series_source(AIBRIX_ENGINE_SGLANG,
				     AIBRIX_SERIES_NUM_REQUESTS_WAITING, 0),
		"sglang:num_queue_reqs");
	cr_expect_null(aibrix_series_source(
		AIBRIX_ENGINE_XLLM, AIBRIX_SERIES_NUM_REQUESTS_WAITING, 0));
	cr_expect_null(aibrix_series_source(0, 0, 0));
	cr_expect_null(aibrix_series_source(5, 0, 0));
}

/* All metrics of an engine. */
static aibrix_scrape *
scrape_of(uint32_t engine, const char *model)
{
	const aibrix_scrape_opts o = {.size = sizeof(o),
				      .engine = engine,
				      .series = ((uint64_t)1 << 47) - 1,
				      .model = model};
	aibrix_scrape *scrape = NULL;

	cr_assert_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_OK);
	return scrape;
}

static int
feed(aibrix_scrape *scrape, const char *text, uint64_t now)
{
	return aibrix_scrape_feed(scrape, text, strlen(text), now, NULL);
}

static double
value_of(const aibrix_scrape *scrape, uint32_t series)
{
	aibrix_reading r = {.size = sizeof(r)};

	return aibrix_scrape_value(scrape, series, 0, &r) ? NAN : r.value;
}

Test(scrape, series_of_one_metric_are_joined_as_their_kind_asks)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);
	aibrix_scrape_page page = {.size = sizeof(page)};
	const char text[] =
		"# TYPE vllm:num_requests_running gauge\n"
		"vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3\n"
		"vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 4\n"
		"vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\n"
		"vllm:kv_cache_usage_perc{engine=\"1\"} 0.75\n"
		"vllm:request_success_total{finished_reason=\"stop\"} 10\n"
		"vllm:request_success_total{finished_reason=\"length\"} 5\n"
		"vllm:request_success_created{finished_reason=\"stop\"} 1e9\n"
		"python_gc_objects_collected_total{generation=\"0\"} 99\n"
		"http_requests_total 7\n";

	cr_assert_eq(aibrix_scrape_feed(scrape, text, strlen(text), 1, &page),
		     AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING), 7);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_KV_CACHE_USAGE_PERC), 0.75);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_GPU_CACHE_USAGE_PERC), 0.75,
		     "by its other name");
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL), 15);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_HTTP_REQUESTS_TOTAL), 7);
	cr_expect(isnan(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_WAITING)),
		  "not on the page is not 0");
	cr_expect_eq(page.series, 5);
	cr_expect_eq(page.samples, 7);
	cr_expect_eq(page.skipped, 2);
	cr_expect_eq(page.bad, 0);
	aibrix_scrape_free(scrape);
}

Test(scrape, of_several_names_the_best_that_is_there_counts)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);
	aibrix_reading r = {.size = sizeof(r)};

	cr_assert_eq(feed(scrape,
			  "vllm:gpu_cache_usage_perc 0.5\n"
			  "vllm:kv_cache_usage_perc 0.25\n"
			  "vllm:gpu_cache_usage_perc{engine=\"1\"} 0.9\n",
			  0),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_value(
			     scrape, AIBRIX_SERIES_KV_CACHE_USAGE_PERC, 0, &r),
		     AIBRIX_OK);
	cr_expect_eq(r.value, 0.25);
	cr_expect_str_eq(r.source, "vllm:kv_cache_usage_perc");
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_GPU_CACHE_USAGE_PERC), 0.9);
	aibrix_scrape_free(scrape);
}

Test(scrape, a_counter_is_found_with_total_and_without)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);

	cr_assert_eq(feed(scrape,
			  "vllm:prompt_tokens 11\n"
			  "vllm:nixl_num_failed_transfers_total 2\n",
			  0),
		     AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_PROMPT_TOKENS_TOTAL), 11);
	cr_expect_eq(
		value_of(scrape, AIBRIX_SERIES_NIXL_NUM_FAILED_TRANSFERS_TOTAL),
		2);
	aibrix_scrape_free(scrape);
}

Test(scrape, only_series_of_the_model_asked_for_or_of_none_count)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, "a\"b");

	cr_assert_eq(feed(scrape,
			  "vllm:num_requests_running{model_name=\"a\\\"b\"} 3\n"
			  "vllm:num_requests_running{model_name=\"a\"} 4\n"
			  "vllm:num_requests_waiting 5\n",
			  0),
		     AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING), 3);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_WAITING), 5);
	aibrix_scrape_free(scrape);
}

Test(scrape, names_of_the_other_engines)
{
	aibrix_scrape *sglang = scrape_of(AIBRIX_ENGINE_SGLANG, NULL);
	aibrix_scrape *trtllm = scrape_of(AIBRIX_ENGINE_TRTLLM, NULL);
	aibrix_scrape *xllm = scrape_of(AIBRIX_ENGINE_XLLM, NULL);

	cr_assert_eq(feed(sglang,
			  "sglang:num_running_reqs 2\n"
			  "sglang:token_usage 0.5\n"
			  "sglang:gen_throughput 900\n"
			  "sglang:num_requests_total 8\n",
			  0),
		     AIBRIX_OK);
	cr_expect_eq(value_of(sglang, AIBRIX_SERIES_NUM_REQUESTS_RUNNING), 2);
	cr_expect_eq(value_of(sglang, AIBRIX_SERIES_KV_CACHE_USAGE_PERC), 0.5);
	cr_expect_eq(value_of(sglang, AIBRIX_SERIES_GPU_CACHE_USAGE_PERC), 0.5);
	cr_expect_eq(
		value_of(sglang,
			 AIBRIX_SERIES_AVG_GENERATION_THROUGHPUT_TOKS_PER_S),
		900);
	cr_expect_eq(value_of(sglang, AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL), 8);
	cr_assert_eq(feed(trtllm,
			  "trtllm_request_success_total 4\n"
			  "kv_cache_utilization 0.1\n",
			  0),
		     AIBRIX_OK);
	cr_expect_eq(value_of(trtllm, AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL), 4);
	cr_expect_eq(value_of(trtllm, AIBRIX_SERIES_KV_CACHE_USAGE_PERC), 0.1);
	cr_assert_eq(feed(xllm,
			  "engine_utilization 0.7\nkv_cache_utilization 0.2\n",
			  0),
		     AIBRIX_OK);
	cr_expect_eq(value_of(xllm, AIBRIX_SERIES_ENGINE_UTILIZATION), 0.7);
	cr_expect_eq(value_of(xllm, AIBRIX_SERIES_GPU_CACHE_USAGE_PERC), 0.2);
	aibrix_scrape_free(sglang);
	aibrix_scrape_free(trtllm);
	aibrix_scrape_free(xllm);
}

Test(scrape, an_engine_sleeps_when_its_state_is_not_awake)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);

	cr_assert_eq(
		feed(scrape,
		     "vllm:engine_sleep_state{sleep_state=\"awake\"} 1\n"
		     "vllm:engine_sleep_state{sleep_state=\"discard_all\"} 0\n",
		     0),
		AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_ENGINE_SLEEP_STATE), 0);
	cr_assert_eq(
		feed(scrape,
		     "vllm:engine_sleep_state{sleep_state=\"awake\"} 0\n"
		     "vllm:engine_sleep_state{sleep_state=\"discard_all\"} 1\n",
		     0),
		AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_ENGINE_SLEEP_STATE), 1);
	cr_assert_eq(feed(scrape, "vllm:engine_sleep_state 1\n", 0), AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_ENGINE_SLEEP_STATE), 1);
	aibrix_scrape_free(scrape);
}

Test(scrape, adapters_are_labels_of_the_youngest_series)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);
	const char text[] =
		"vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters="
		"\"old\",waiting_lora_adapters=\"w\"} 1.7e+09\n"
		"vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters="
		"\"sql,chat\",waiting_lora_adapters=\"\"} 1.70001e+09\n"
		"vllm:lora_requests_info{max_lora=\"9\",running_lora_adapters="
		"\"older\",waiting_lora_adapters=\"\"} 1.6e+09\n";
	uint32_t held = 7;

	cr_expect_eq(aibrix_scrape_adapter(scrape, "sql", 0, &held),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(feed(scrape, text, 0), AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_MAX_LORA), 4);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_RUNNING_LORA_ADAPTERS), 2);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_WAITING_LORA_ADAPTERS), 0);
	cr_expect_eq(aibrix_scrape_adapter(scrape, "sql", 0, &held), AIBRIX_OK);
	cr_expect_eq(held, 1);
	cr_expect_eq(aibrix_scrape_adapter(scrape, "chat", 0, &held),
		     AIBRIX_OK);
	cr_expect_eq(held, 1);
	cr_expect_eq(aibrix_scrape_adapter(scrape, "sq", 0, &held), AIBRIX_OK);
	cr_expect_eq(held, 0);
	cr_expect_eq(aibrix_scrape_adapter(scrape, "old", 0, &held), AIBRIX_OK);
	cr_expect_eq(held, 0);
	cr_assert_eq(feed(scrape, "vllm:num_requests_running 1\n", 1),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_adapter(scrape, "sql", 1, &held),
		     AIBRIX_E_NOT_FOUND);
	aibrix_scrape_free(scrape);
}

Test(scrape, bad_lines_are_counted_and_lose_nothing_else)
{
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);
	aibrix_scrape_page page = {.size = sizeof(page)};
	const char text[] = "vllm:num_requests_running 3\n"
			    "vllm:num_requests_waiting x\n"
			    "vllm:prompt_tokens_total -5\n"
			    "vllm:kv_cache_usage_perc NaN\n"
			    "vllm:generation_tokens_total NaN\n"
			    "?\n"
			    "vllm:num_requests_swapped 12";

	cr_assert_eq(aibrix_scrape_feed(scrape, text, strlen(text), 1, &page),
		     AIBRIX_OK);
	cr_expect_eq(page.bad, 5);
	cr_expect_eq(page.bad_line, 2);
	cr_expect_eq(page.series, 1);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING), 3);
	cr_expect(isnan(value_of(scrape, AIBRIX_SERIES_KV_CACHE_USAGE_PERC)));
	cr_expect(isnan(value_of(scrape, AIBRIX_SERIES_PROMPT_TOKENS_TOTAL)));
	cr_expect(isnan(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_SWAPPED)),
		  "its number may have gone on");
	aibrix_scrape_free(scrape);
}

Test(scrape, a_page_of_something_else_changes_nothing)
{
	static const char *const pages[] = {
		"", "<html>502 Bad Gateway</html>\n", "# only comments\n",
		"go_goroutines 5\n", "vllm:num_requests_running 9"};
	aibrix_scrape *scrape = scrape_of(AIBRIX_ENGINE_VLLM, NULL);

	cr_assert_eq(feed(scrape, "vllm:num_requests_running 3\n", 5),
		     AIBRIX_OK);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		cr_expect_eq(feed(scrape, pages[i], 6), AIBRIX_E_PARSE);
		cr_expect_eq(
			value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING),
			3);
	}
	aibrix_scrape_free(scrape);
}

Test(scrape, an_openmetrics_page_without_its_end_was_cut_off)
{
	const aibrix_scrape_opts o = {.size = sizeof(o),
				      .flags = AIBRIX_SCRAPE_OPENMETRICS};
	aibrix_scrape *scrape;

	cr_assert_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_OK);
	cr_expect_eq(feed(scrape, "vllm:num_requests_running 3\n", 5),
		     AIBRIX_E_PARSE);
	cr_expect(isnan(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING)));
	cr_expect_eq(feed(scrape, "vllm:num_requests_running 3\n# EOF\n", 5),
		     AIBRIX_OK);
	cr_expect_eq(feed(scrape, "vllm:num_requests_running 4\n# EOF", 5),
		     AIBRIX_OK);
	cr_expect_eq(value_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING), 4);
	aibrix_scrape_free(scrape);
}

Test(scrape, bad_arguments_are_refused)
{
	aibrix_scrape_opts o = {.size = sizeof(o)};
	aibrix_scrape_page page = {.size = 4};
	aibrix_scrape *scrape = NULL;
	aibrix_reading r = {.size = sizeof(r)};

	cr_expect_eq(aibrix_scrape_new(NULL, NULL), AIBRIX_E_INVAL);
	o.engine = 5;
	cr_expect_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_E_INVAL);
	o.engine = 0;
	o.slots = 65;
	cr_expect_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_E_INVAL);
	o.slots = 0;
	o.series = (uint64_t)1 << 47;
	cr_expect_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_E_INVAL);
	o.series = 0;
	o.min_ns = 61 * SECOND;
	cr_expect_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_E_INVAL);
	o.min_ns = 0;
	o.flags = 2;
	cr_expect_eq(aibrix_scrape_new(&o, &scrape), AIBRIX_E_ABI);
	cr_assert_eq(aibrix_scrape_new(NULL, &scrape), AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_feed(scrape, NULL, 1, 0, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_feed(NULL, "", 0, 0, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_feed(scrape, "", 0, 0, &page), AIBRIX_E_ABI);
	cr_expect_eq(aibrix_scrape_value(scrape, 47, 0, &r), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_value(
			     scrape, AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS,
			     0, &r),
		     AIBRIX_E_INVAL, "a histogram has no value");
	cr_expect_eq(aibrix_scrape_rate(
			     scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING, 0, &r),
		     AIBRIX_E_INVAL, "a gauge has no rate");
	aibrix_scrape_free(scrape);
	aibrix_scrape_free(NULL);
}
