/*
 * Reading an engine's metrics page.
 *
 * parse_page       a page into counters, gauges and histograms
 * parse_every      the same page, sample by sample, nothing kept
 * parse_vs_lines   parse_page against the loop that is commonly written:
 *                  a line at a time, taken apart by sscanf, its value added
 *                  to a sum (it keeps less than ours does)
 *
 * The page has the families, labels and buckets of a vLLM server with two
 * engines, Python's own and its HTTP front's: about 100 kB.
 */

#include <stdarg.h>

#include <aibrix/scrape.h>

#include "base/rand.h"
#include "bench.h"

enum { PAGE_CAP = 1 << 18, ENGINE_RANKS = 2, HANDLERS = 12 };

struct page {
	char text[PAGE_CAP];
	size_t n;
	uint64_t rand;
};

static void __attribute__((format(printf, 2, 3)))
put(struct page *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	p->n += (size_t)vsnprintf(p->text + p->n, PAGE_CAP - p->n, format,
				  args);
	va_end(args);
	bench_check(p->n < PAGE_CAP, "page");
}

#define MODEL "model_name=\"meta-llama/Llama-3.1-70B-Instruct\""

static void
head_put(struct page *p, const char *name, const char *type)
{
	put(p, "# HELP %s What the engine has of it.\n# TYPE %s %s\n", name,
	    name, type);
}

static void
value_put(struct page *p, const char *name, const char *type)
{
	head_put(p, name, type);
	for (int i = 0; i < ENGINE_RANKS; i++)
		put(p, "%s{engine=\"%d\"," MODEL "} %u.0\n", name, i,
		    rand_below(&p->rand, 100000));
}

/* Labels are in the order of their names, as the page's usual writer
 * (prometheus_client) has them: some before le, some behind it. */
static void
buckets_put(struct page *p, const char *name, const char *before,
	    const char *behind, const double *edges, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		count += rand_below(&p->rand, 1000);
		put(p, "%s_bucket{%s,le=\"%.15g\",%s} %u.0\n", name, before,
		    edges[i], behind, count);
	}
	put(p, "%s_bucket{%s,le=\"+Inf\",%s} %u.0\n", name, before, behind,
	    count);
	put(p, "%s_count{%s,%s} %u.0\n", name, before, behind, count);
	put(p, "%s_sum{%s,%s} %.17g\n", name, before, behind,
	    (double)rand_next(&p->rand) / 1e15);
}

static void
histogram_put(struct page *p, const char *name, const double *edges, uint32_t n)
{
	char rank[32];

	head_put(p, name, "histogram");
	for (int i = 0; i < ENGINE_RANKS; i++) {
		snprintf(rank, sizeof(rank), "engine=\"%d\"", i);
		buckets_put(p, name, rank, MODEL, edges, n);
	}
}

static void
front_put(struct page *p, const double *edges, uint32_t n)
{
	char handler[64];

	head_put(p, "http_request_duration_seconds", "histogram");
	for (int i = 0; i < HANDLERS; i++) {
		snprintf(handler, sizeof(handler), "handler=\"/v1/handler%d\"",
			 i);
		buckets_put(p, "http_request_duration_seconds", handler,
			    "method=\"POST\"", edges, n);
	}
}

static const double first_token[] = {
	0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
	1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
static const double per_token[] = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
				   0.3,  0.4,   0.5,  0.75,  1,   2.5,  5,
				   7.5,  10,    20,   40,    80};
static const double request[] = {0.3, 0.5, 0.8, 1,   1.5, 2,    2.5,
				 5,   10,  15,  20,  30,  40,   50,
				 60,  120, 240, 480, 960, 1920, 7680};
static const double tokens[] = {1,   2,   5,   10,   20,    50,
				100, 200, 500, 1000, 2000,  5000,
				1e4, 2e4, 5e4, 1e5,  131072};
#define N(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static void
page_make(struct page *p)
{
	static const char *const gauges[] = {
		"vllm:num_requests_running", "vllm:num_requests_waiting",
		"vllm:kv_cache_usage_perc", "process_resident_memory_bytes"};
	static const char *const counters[] = {
		"vllm:num_preemptions_total",
		"vllm:prefix_cache_queries_total",
		"vllm:prefix_cache_hits_total",
		"vllm:prompt_tokens_total",
		"vllm:generation_tokens_total",
		"vllm:request_success_total",
		"python_gc_collections_total",
		"python_gc_objects_collected_total"};
	static const struct {
		const char *name;
		const double *edges;
		uint32_t n;
	} histograms[] = {
		{"vllm:iteration_tokens_total", tokens, N(tokens)},
		{"vllm:request_max_num_generation_tokens", tokens, N(tokens)},
		{"vllm:request_params_n", tokens, 5},
		{"vllm:request_params_max_tokens", tokens, N(tokens)},
		{"vllm:time_to_first_token_seconds", first_token,
		 N(first_token)},
		{"vllm:inter_token_latency_seconds", per_token, N(per_token)},
		{"vllm:request_time_per_output_token_seconds", per_token,
		 N(per_token)},
		{"vllm:e2e_request_latency_seconds", request, N(request)},
		{"vllm:request_queue_time_seconds", request, N(request)},
		{"vllm:request_inference_time_seconds", request, N(request)},
		{"vllm:request_prefill_time_seconds", request, N(request)},
		{"vllm:request_decode_time_seconds", request, N(request)},
		{"vllm:request_prompt_tokens", tokens, N(tokens)},
		{"vllm:request_generation_tokens", tokens, N(tokens)},
	};

	p->rand = 1;
	for (uint32_t i = 0; i < N(gauges); i++)
		value_put(p, gauges[i], "gauge");
	for (uint32_t i = 0; i < N(counters); i++)
		value_put(p, counters[i], "counter");
	for (uint32_t i = 0; i < N(histograms); i++)
		histogram_put(p, histograms[i].name, histograms[i].edges,
			      histograms[i].n);
	front_put(p, request, N(request));
}

struct bed {
	struct page page;
	aibrix_scrape *scrape;
	uint64_t now;
};

static void
feed(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	while (n--)
		bench_check(aibrix_scrape_feed(b->scrape, b->page.text,
					       b->page.n, b->now += 1000000000,
					       NULL) == AIBRIX_OK,
			    "page");
}

static void
every(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	double sum = 0;

	while (n--) {
		aibrix_sample_walk w = {.size = sizeof(w),
					.text = b->page.text,
					.n = b->page.n};
		aibrix_sample s = {.size = sizeof(s)};

		while (aibrix_sample_next(&w, &s) == AIBRIX_OK)
			sum += s.value;
	}
	BENCH_KEEP(sum);
}

static void
lines(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	char line[1024], name[256], labels[512];
	double sum = 0, value;

	while (n--) {
		const char *at = b->page.text, *end;

		for (; (end = strchr(at, '\n')); at = end + 1) {
			if (*at == '#')
				continue;
			snprintf(line, sizeof(line), "%.*s", (int)(end - at),
				 at);
			if (sscanf(line, "%255[^{ ]{%511[^}]} %lf", name,
				   labels, &value) == 3 ||
			    sscanf(line, "%255s %lf", name, &value) == 2)
				sum += value;
		}
	}
	BENCH_KEEP(sum);
}

int
main(int argc, char **argv)
{
	static struct bed bed;
	const struct bench_row page = {"parse_page", "GB/s",
				       "a vLLM page; at least 1", 1e-9};
	const struct bench_row each = {"parse_every", "GB/s",
				       "the same, each sample", 1e-9};
	const struct bench_row against = {"parse_vs_lines", "GB/s",
					  "at least 5", 1e-9};
	const struct bench_row size = {"page_bytes", "bytes", NULL, 1};
	struct bench_peer ours = {"ours", feed, &bed, 1};
	struct bench_peer walk = {"ours", every, &bed, 1};
	struct bench_peer sscanfs = {"sscanf", lines, &bed, 1};
	struct bench b;
	int stop = bench_start(&b, argc, argv);

	if (stop)
		return stop - 1;
	page_make(&bed.page);
	bench_check(aibrix_scrape_new(NULL, &bed.scrape) == AIBRIX_OK,
		    "memory");
	ours.ops = walk.ops = sscanfs.ops = (double)bed.page.n;
	bench_run(&b, &page, &ours, NULL);
	bench_run(&b, &each, &walk, NULL);
	bench_run(&b, &against, &ours, &sscanfs);
	bench_counted(&b, &size, (double)bed.page.n);
	aibrix_scrape_free(bed.scrape);
	return 0;
}
