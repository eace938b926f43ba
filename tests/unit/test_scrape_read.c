/* What several pages say: windows, histograms, ages, columns. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scrape.h>

#define SECOND ((uint64_t)1000000000)
#define TTFT AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS
#define TOKENS AIBRIX_SERIES_GENERATION_TOKENS_TOTAL

static aibrix_scrape *
scrape_new(void)
{
	aibrix_scrape *scrape = NULL;

	cr_assert_eq(aibrix_scrape_new(NULL, &scrape), AIBRIX_OK);
	return scrape;
}

static void
feed(aibrix_scrape *scrape, const char *text, uint64_t now)
{
	cr_assert_eq(aibrix_scrape_feed(scrape, text, strlen(text), now, NULL),
		     AIBRIX_OK);
}

static void
feed_tokens(aibrix_scrape *scrape, double tokens, uint64_t now)
{
	char text[128];

	snprintf(text, sizeof(text), "vllm:generation_tokens_total %.17g\n",
		 tokens);
	feed(scrape, text, now);
}

/* NaN: not known. */
static double
rate_of(const aibrix_scrape *scrape, uint32_t series, uint64_t now,
	uint64_t *over)
{
	aibrix_reading r = {.size = sizeof(r)};
	int err = aibrix_scrape_rate(scrape, series, now, &r);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_NOT_FOUND);
	if (over)
		*over = r.over_ns;
	return err ? NAN : r.value;
}

static double
quantile_of(const aibrix_scrape *scrape, double share, uint32_t span,
	    uint64_t now)
{
	aibrix_reading r = {.size = sizeof(r)};

	return aibrix_scrape_quantile(scrape, TTFT, share, span, now, &r)
		       ? NAN
		       : r.value;
}

Test(scrape_read, a_rate_is_what_grew_since_the_window_began)
{
	aibrix_scrape *scrape = scrape_new();
	uint64_t over = 0;

	for (uint64_t s = 0; s <= 200; s += 5) {
		feed_tokens(scrape,
			    (double)(s < 100 ? 10 * s : 1000 + 50 * (s - 100)),
			    s * SECOND);
		if (s == 0 || s == 5)
			cr_expect(isnan(rate_of(scrape, TOKENS, s * SECOND,
						NULL)),
				  "less than ten seconds say nothing");
		if (s == 10)
			cr_expect_float_eq(
				rate_of(scrape, TOKENS, s * SECOND, NULL), 10,
				1e-9);
	}
	cr_expect_float_eq(rate_of(scrape, TOKENS, 200 * SECOND, &over), 50,
			   1e-9);
	cr_expect_geq(over, 60 * SECOND);
	cr_expect_lt(over, 75 * SECOND);
	aibrix_scrape_free(scrape);
}

Test(scrape_read, a_counter_that_falls_has_started_again)
{
	aibrix_scrape *scrape = scrape_new();

	feed_tokens(scrape, 1000, 0);
	feed_tokens(scrape, 1300, 10 * SECOND);
	feed_tokens(scrape, 200, 20 * SECOND);
	cr_expect_float_eq(rate_of(scrape, TOKENS, 20 * SECOND, NULL),
			   (300 + 200) / 20.0, 1e-9);
	aibrix_scrape_free(scrape);
}

Test(scrape_read, a_counter_that_comes_late_began_at_nothing)
{
	aibrix_scrape *scrape = scrape_new();

	feed(scrape, "vllm:num_requests_running 0\n", 0);
	feed_tokens(scrape, 400, 20 * SECOND);
	cr_expect_float_eq(rate_of(scrape, TOKENS, 20 * SECOND, NULL), 20,
			   1e-9);
	/* What a page leaves out goes on from where it was. */
	feed(scrape, "vllm:num_requests_running 0\n", 30 * SECOND);
	cr_expect(isnan(rate_of(scrape, TOKENS, 30 * SECOND, NULL)));
	feed_tokens(scrape, 800, 40 * SECOND);
	cr_expect_float_eq(rate_of(scrape, TOKENS, 40 * SECOND, NULL), 20,
			   1e-9);
	aibrix_scrape_free(scrape);
}

Test(scrape_read, an_old_page_says_nothing_and_a_clock_may_go_back)
{
	aibrix_scrape *scrape = scrape_new();
	aibrix_reading r = {.size = sizeof(r)};

	feed(scrape, "vllm:num_requests_running 3\n", 100 * SECOND);
	cr_expect_eq(aibrix_scrape_value(scrape, 0, 105 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_eq(r.age_ns, 5 * SECOND);
	cr_expect_eq(aibrix_scrape_value(scrape, 0, 110 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_value(scrape, 0, 110 * SECOND + 1, &r),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_scrape_value(scrape, 0, 50 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_eq(r.age_ns, 0);
	feed(scrape, "vllm:num_requests_running 4\n", 20 * SECOND);
	cr_expect_eq(aibrix_scrape_value(scrape, 0, 101 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_eq(r.value, 4);
	cr_expect_eq(r.age_ns, SECOND);
	aibrix_scrape_free(scrape);
}

#define HIST(b1, b2, b3, inf, sum)                                             \
	"vllm:time_to_first_token_seconds_bucket{le=\"0.1\"} " #b1 "\n"        \
	"vllm:time_to_first_token_seconds_bucket{le=\"0.5\"} " #b2 "\n"        \
	"vllm:time_to_first_token_seconds_bucket{le=\"2.0\"} " #b3 "\n"        \
	"vllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} " #inf "\n"      \
	"vllm:time_to_first_token_seconds_sum " #sum "\n"                      \
	"vllm:time_to_first_token_seconds_count " #inf "\n"

Test(scrape_read, a_quantile_is_on_a_line_within_its_bucket)
{
	aibrix_scrape *scrape = scrape_new();
	const uint32_t life = AIBRIX_SPAN_LIFETIME;
	aibrix_reading r = {.size = sizeof(r)};

	feed(scrape, HIST(10, 30, 38, 40, 25), 0);
	cr_expect_float_eq(quantile_of(scrape, 0.125, life, 0), 0.05, 1e-12);
	cr_expect_float_eq(quantile_of(scrape, 0.25, life, 0), 0.1, 1e-12);
	cr_expect_float_eq(quantile_of(scrape, 0.5, life, 0), 0.3, 1e-12);
	cr_expect_float_eq(quantile_of(scrape, 0.85, life, 0), 1.25, 1e-12);
	cr_expect_float_eq(quantile_of(scrape, 1, life, 0), 2, 1e-12,
			   "what is above the last edge is it");
	cr_expect_eq(aibrix_scrape_mean(scrape, TTFT, life, 0, &r), AIBRIX_OK);
	cr_expect_float_eq(r.value, 25 / 40.0, 1e-12);
	cr_expect_eq(aibrix_scrape_quantile(scrape, TTFT, 0, life, 0, &r),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_quantile(scrape, TTFT, 1.01, life, 0, &r),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_quantile(scrape, TTFT, NAN, life, 0, &r),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_quantile(scrape, TTFT, 0.5, 2, 0, &r),
		     AIBRIX_E_INVAL);
	aibrix_scrape_free(scrape);
}

Test(scrape_read, a_window_has_only_what_happened_in_it)
{
	aibrix_scrape *scrape = scrape_new();
	aibrix_reading r = {.size = sizeof(r)};

	feed(scrape, HIST(10, 30, 38, 40, 25), 0);
	feed(scrape, HIST(10, 30, 48, 50, 35), 20 * SECOND);
	cr_expect_eq(aibrix_scrape_mean(scrape, TTFT, AIBRIX_SPAN_WINDOW,
					20 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_float_eq(r.value, 1, 1e-12);
	cr_expect_eq(r.span, AIBRIX_SPAN_WINDOW);
	cr_expect_eq(r.over_ns, 20 * SECOND);
	cr_expect_float_eq(
		quantile_of(scrape, 0.5, AIBRIX_SPAN_WINDOW, 20 * SECOND), 1.25,
		1e-12);
	cr_expect_float_eq(rate_of(scrape, TTFT, 20 * SECOND, NULL), 0.5,
			   1e-12);
	for (uint64_t s = 30; s <= 120; s += 10)
		feed(scrape, HIST(10, 30, 48, 50, 35), s * SECOND);
	cr_expect_eq(aibrix_scrape_mean(scrape, TTFT, AIBRIX_SPAN_WINDOW,
					120 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_float_eq(r.value, 0.7, 1e-12,
			   "nothing in the window: since the start");
	cr_expect_eq(r.span, AIBRIX_SPAN_LIFETIME);
	aibrix_scrape_free(scrape);
}

Test(scrape_read, a_histogram_without_its_last_bucket_or_count_is_completed)
{
	static const char *const pages[] = {
		"vllm:time_to_first_token_seconds_bucket{le=\"0.1\"} 10\n"
		"vllm:time_to_first_token_seconds_bucket{le=\"0.5\"} 30\n"
		"vllm:time_to_first_token_seconds_count 40\n",
		"vllm:time_to_first_token_seconds_bucket{le=\"0.5\"} 30\n"
		"vllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} 40\n"
		"vllm:time_to_first_token_seconds_bucket{le=\"0.1\"} 10\n",
		"vllm:time_to_first_token_seconds_bucket{le=\"1e-7\"} 0\n"
		"vllm:time_to_first_token_seconds_bucket{le=\"0.1\"} 10\n"
		"vllm:time_to_first_token_seconds_bucket{le=\"0.5\"} 30\n"
		"vllm:time_to_first_token_seconds_bucket{le=\"0.6\"} 20\n"
		"vllm:time_to_first_token_seconds_count 40\n"};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		aibrix_scrape *scrape = scrape_new();

		feed(scrape, pages[i], 0);
		cr_expect_float_eq(
			quantile_of(scrape, 0.5, AIBRIX_SPAN_LIFETIME, 0), 0.3,
			1e-6, "page %zu", i);
		cr_expect_eq(quantile_of(scrape, 1, AIBRIX_SPAN_LIFETIME, 0),
			     i == 2 ? 0.6 : 0.5);
		aibrix_scrape_free(scrape);
	}
}

Test(scrape_read, other_edges_start_the_window_anew)
{
	aibrix_scrape *scrape = scrape_new();
	aibrix_reading r = {.size = sizeof(r)};

	feed(scrape, HIST(10, 30, 38, 40, 25), 0);
	feed(scrape,
	     "vllm:time_to_first_token_seconds_bucket{le=\"9\"} 4\n"
	     "vllm:time_to_first_token_seconds_sum 8\n",
	     20 * SECOND);
	cr_expect_eq(aibrix_scrape_mean(scrape, TTFT, AIBRIX_SPAN_WINDOW,
					20 * SECOND, &r),
		     AIBRIX_OK);
	cr_expect_eq(r.span, AIBRIX_SPAN_LIFETIME);
	cr_expect_eq(r.value, 2);
	aibrix_scrape_free(scrape);
}

Test(scrape_read, more_edges_than_are_kept_lose_only_detail)
{
	static char text[100 * 80];
	aibrix_scrape *scrape = scrape_new();
	size_t n = 0;

	for (int i = 1; i <= 100; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n,
			"vllm:time_to_first_token_seconds_bucket{le=\"%d\"} "
			"%d\n",
			i, i);
	snprintf(text + n, sizeof(text) - n,
		 "vllm:time_to_first_token_seconds_count 100\n");
	feed(scrape, text, 0);
	cr_expect_float_eq(quantile_of(scrape, 0.5, AIBRIX_SPAN_LIFETIME, 0),
			   50, 1e-9);
	cr_expect_float_eq(quantile_of(scrape, 0.9, AIBRIX_SPAN_LIFETIME, 0),
			   64, 1e-9);
	aibrix_scrape_free(scrape);
}

static double
column_of(const aibrix_fleet *fleet, uint32_t column, uint64_t now,
	  uint64_t *age)
{
	double value = -1;

	cr_assert_eq(aibrix_fleet_get(fleet, 0, column, now, &value, age),
		     AIBRIX_OK);
	return value;
}

Test(scrape_read, columns_are_what_is_known_as_of_the_page)
{
	const aibrix_owner owner = {.pod = 5};
	aibrix_scrape *scrape = scrape_new();
	aibrix_fleet *fleet = NULL;
	uint64_t age = 0;
	uint32_t row;

	cr_assert_eq(aibrix_fleet_new(NULL, &fleet), AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_publish(scrape, fleet, 0, 0),
		     AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_fleet_add(fleet, &owner, &row), AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_publish(NULL, fleet, 0, 0), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scrape_publish(scrape, NULL, 0, 0), AIBRIX_E_INVAL);
	feed(scrape, "vllm:generation_tokens_total 0\n", 0);
	feed(scrape,
	     "vllm:num_requests_running 3\n"
	     "vllm:num_requests_waiting 1\n"
	     "vllm:kv_cache_usage_perc 0.25\n"
	     "vllm:generation_tokens_total 5000\n"
	     "vllm:prompt_tokens_total 900\n"
	     "vllm:request_success_total 9\n"
	     "vllm:request_queue_time_seconds_sum 6\n"
	     "vllm:request_queue_time_seconds_count 12\n"
	     "vllm:request_generation_tokens_sum 800\n"
	     "vllm:request_generation_tokens_count 8\n",
	     10 * SECOND);
	cr_assert_eq(aibrix_scrape_publish(scrape, fleet, 0, 12 * SECOND),
		     AIBRIX_OK);
	cr_expect_eq(
		column_of(fleet, AIBRIX_COL_ENGINE_RUNNING, 12 * SECOND, &age),
		3);
	cr_expect_eq(age, 2 * SECOND, "since the page, not since now");
	cr_expect_eq(column_of(fleet, AIBRIX_COL_ENGINE_WAITING, 0, NULL), 1);
	cr_expect_eq(column_of(fleet, AIBRIX_COL_KV_USAGE_RATIO, 0, NULL),
		     0.25);
	cr_expect_eq(column_of(fleet, AIBRIX_COL_TOKENS_PER_S, 0, NULL), 500);
	cr_expect_eq(column_of(fleet, AIBRIX_COL_QUEUE_S, 0, NULL), 0.5);
	cr_expect_eq(column_of(fleet, AIBRIX_COL_PROMPT_TOKENS, 0, NULL), 100,
		     "a total by the requests that are finished");
	cr_expect_eq(column_of(fleet, AIBRIX_COL_OUTPUT_TOKENS, 0, NULL), 100);
	cr_expect_eq(column_of(fleet, AIBRIX_COL_REQUESTS_PER_S, 0, NULL), 0.9);
	cr_expect(isnan(column_of(fleet, AIBRIX_COL_DECODE_S, 0, NULL)));
	cr_expect(isnan(column_of(fleet, AIBRIX_COL_ADAPTERS, 0, NULL)));
	cr_assert_eq(aibrix_scrape_publish(scrape, fleet, 0, 60 * SECOND),
		     AIBRIX_OK);
	cr_expect(isnan(column_of(fleet, AIBRIX_COL_ENGINE_RUNNING, 0, NULL)),
		  "an engine that says nothing is not idle");
	aibrix_fleet_free(fleet);
	aibrix_scrape_free(scrape);
}
