/* Pages that are meant to do harm: long lines, many labels, many lines. */

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scrape.h>

enum { LONG = 10 << 20, MANY = 1000000 };

static const char after[] = "\nvllm:num_requests_running 3\n";

/* A page of so many copies of a piece between a head and a tail, and behind
 * them a line that is right. */
static char *
page_of(const char *head, const char *piece, size_t n, const char *tail,
	uint64_t *bytes)
{
	size_t one = strlen(piece), most = n * one + 256;
	char *page = malloc(most), *at;

	cr_assert_not_null(page);
	at = page + strlen(strcpy(page, head));
	for (size_t i = 0; i < n; i++, at += one)
		memcpy(at, piece, one);
	strcpy(at, tail);
	strcat(at, after);
	*bytes = (uint64_t)(at - page) + strlen(at);
	return page;
}

static double
number_of(const aibrix_scrape *scrape, uint32_t series)
{
	aibrix_reading r = {.size = sizeof(r)};
	int err = aibrix_scrape_value(scrape, series, 1, &r);

	cr_assert_eq(err, AIBRIX_OK, "%d", err);
	return r.value;
}

/* The line behind is read; what stands before it was counted as bad or not. */
static void
expect_read(char *page, uint64_t bytes, uint64_t bad, double running)
{
	aibrix_scrape_page seen = {.size = sizeof(seen)};
	aibrix_scrape *scrape;

	cr_assert_eq(aibrix_scrape_new(NULL, &scrape), AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_feed(scrape, page, bytes, 1, &seen),
		     AIBRIX_OK);
	cr_expect_eq(seen.bad, bad, "%d", (int)seen.bad);
	cr_expect_eq(number_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING),
		     running);
	aibrix_scrape_free(scrape);
	free(page);
}

Test(scrape_hostile, a_name_of_ten_megabytes_is_passed_over)
{
	uint64_t n;
	char *page = page_of("", "a", LONG, " 1", &n);

	expect_read(page, n, 0, 3);
	page = page_of("vllm:num_requests_running", "a", LONG, " 1", &n);
	expect_read(page, n, 0, 3);
}

Test(scrape_hostile, a_line_of_ten_megabytes_without_a_value_is_bad)
{
	uint64_t n;
	char *page = page_of("vllm:num_requests_running ", "x", LONG, "", &n);

	expect_read(page, n, 1, 3);
	page = page_of("vllm:num_requests_running{a=\"", "\\", LONG, "", &n);
	expect_read(page, n, 1, 3);
	page = page_of("vllm:num_requests_running{", "{", LONG, "", &n);
	expect_read(page, n, 1, 3);
	page = page_of("vllm:num_requests_running", " ", LONG, "", &n);
	expect_read(page, n, 1, 3);
}

Test(scrape_hostile, a_value_of_ten_megabytes_of_digits_is_no_number_or_one)
{
	uint64_t n;
	char *page = page_of("vllm:num_requests_waiting 0.", "0", LONG, "", &n);
	aibrix_scrape *scrape;

	cr_assert_eq(aibrix_scrape_new(NULL, &scrape), AIBRIX_OK);
	cr_expect_eq(aibrix_scrape_feed(scrape, page, n, 1, NULL), AIBRIX_OK);
	cr_expect_eq(number_of(scrape, AIBRIX_SERIES_NUM_REQUESTS_RUNNING), 3);
	aibrix_scrape_free(scrape);
	free(page);
}

/* What a label says of ten megabytes is a model's name like another. */
Test(scrape_hostile, a_label_of_ten_megabytes_is_read)
{
	uint64_t n;
	char *page = page_of("vllm:num_requests_running{model_name=\"", "m",
			     LONG, "\"} 2", &n);

	expect_read(page, n, 0, 5);
}

/* More than a few dozen and a series is none of ours. */
Test(scrape_hostile, a_million_labels_are_passed_over)
{
	uint64_t n;
	char *page = page_of("vllm:num_requests_running{", "a=\"b\",", MANY,
			     "} 2", &n);

	expect_read(page, n, 1, 3);
}

Test(scrape_hostile, the_last_of_a_million_labels_is_found)
{
	char value[8];
	uint64_t n, got = 0;
	char *page = page_of("x{", "a=\"b\",", MANY, "z=\"end\"} 2", &n);
	aibrix_sample_walk walk = {.size = sizeof(walk), .text = page, .n = n};
	aibrix_sample s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_sample_next(&walk, &s), AIBRIX_OK);
	cr_assert_eq(aibrix_sample_label(&s, "z", value, sizeof(value), &got),
		     AIBRIX_OK);
	cr_expect_eq(got, 3);
	cr_expect_eq(memcmp(value, "end", 3), 0);
	free(page);
}

Test(scrape_hostile, a_million_series_are_joined)
{
	uint64_t n;
	char *page = page_of("", "vllm:num_requests_running{i=\"1\"} 1\n", MANY,
			     "", &n);

	expect_read(page, n, 0, MANY + 3);
}

Test(scrape_hostile, a_million_buckets_lose_only_detail)
{
	uint64_t n;
	char *page = page_of(
		"", "vllm:time_to_first_token_seconds_bucket{le=\"1\"} 1\n",
		MANY, "", &n);

	expect_read(page, n, 0, 3);
}
