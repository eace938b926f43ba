/*
 * What engines say of themselves: the text of their metrics pages, as
 * numbers with one name, one unit and an age whatever the engine is called.
 *
 * The host fetches pages; nothing here listens, connects or keeps time.
 */
#ifndef AIBRIX_SCRAPE_H
#define AIBRIX_SCRAPE_H

#include <aibrix/base.h>
#include <aibrix/fleet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Any page, line by line */

enum {
	AIBRIX_SAMPLE_TIMED = 1 /* time stands behind the value */
};

/*
 * One line: name{labels} value time.  Texts are parts of the page, not ended
 * by a zero.
 */
typedef struct aibrix_sample {
	uint32_t size;
	uint32_t flags; /* AIBRIX_SAMPLE_* */
	const char *name;
	uint64_t n_name;
	const char *labels; /* between the braces; NULL: no braces */
	uint64_t n_labels;
	double value; /* may be NaN or infinite, as it stands there */
	double time;  /* as it stands there: Prometheus' text has
			 milliseconds, OpenMetrics seconds */
} aibrix_sample;

/*
 * Where a page is read.  The caller sets what stands before at and zeroes
 * the rest.
 *
 * Thread: confined.
 */
typedef struct aibrix_sample_walk {
	uint32_t size;
	uint32_t spare; /* must be 0 */
	const char *text;
	uint64_t n;
	uint64_t at;   /* before what the next call reads */
	uint64_t line; /* of what the last call read, from 1 */
} aibrix_sample_walk;

/*
 * The next sample of Prometheus' text (version 0.0.4) or OpenMetrics 1.0;
 * empty lines and comments are passed over, what stands behind a # after the
 * value (exemplars) as well.
 *
 * A line that is no sample, and a last line that is not ended (the page was
 * cut off, and the number with it), is E_PARSE: walk->line says which, and
 * the next call goes on behind it.
 *
 * Fails: E_NOT_FOUND (no more), E_PARSE, E_INVAL, E_ABI.
 * Cost: O(bytes of the line), no allocation.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_sample_next(aibrix_sample_walk *walk,
					       aibrix_sample *sample);

/*
 * The value of a label with \\, \" and \n resolved: *n bytes of out, which
 * has cap of them, and no zero behind.  A label that stands twice: the first.
 *
 * Fails: E_NOT_FOUND, E_SPACE (*n bytes are needed), E_INVAL, E_ABI.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_sample_label(const aibrix_sample *sample,
						const char *name, char *out,
						uint64_t cap, uint64_t *n);

/* Engines and their metrics */

enum {
	AIBRIX_ENGINE_VLLM = 1,
	AIBRIX_ENGINE_SGLANG = 2,
	AIBRIX_ENGINE_TRTLLM = 3,
	AIBRIX_ENGINE_XLLM = 4
};

/* The engine that a label says: "vllm", "sglang", "trtllm", "xllm"; ""
 * and NULL: vllm.  0: none of them.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_engine_find(const char *name);

enum {
	AIBRIX_SERIES_GAUGE = 1,   /* now */
	AIBRIX_SERIES_COUNTER = 2, /* since the engine's start */
	AIBRIX_SERIES_HISTOGRAM = 3
};

/*
 * AIBrix's canonical metrics.  Numbers are stable.  Units are those of the
 * names: requests, tokens, seconds; "perc" are ratios from 0 to 1.
 */
enum {
	AIBRIX_SERIES_NUM_REQUESTS_RUNNING = 0,
	AIBRIX_SERIES_NUM_REQUESTS_WAITING = 1,
	AIBRIX_SERIES_NUM_REQUESTS_SWAPPED = 2,
	AIBRIX_SERIES_ENGINE_SLEEP_STATE = 3, /* 1: asleep */
	AIBRIX_SERIES_NUM_PREEMPTIONS_TOTAL = 4,
	AIBRIX_SERIES_HTTP_REQUESTS_TOTAL = 5,
	AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL = 6,
	AIBRIX_SERIES_NUM_PREFILL_PREALLOC_QUEUE_REQS = 7,
	AIBRIX_SERIES_NUM_DECODE_PREALLOC_QUEUE_REQS = 8,
	AIBRIX_SERIES_E2E_REQUEST_LATENCY_SECONDS = 9,
	AIBRIX_SERIES_REQUEST_QUEUE_TIME_SECONDS = 10,
	AIBRIX_SERIES_REQUEST_INFERENCE_TIME_SECONDS = 11,
	AIBRIX_SERIES_REQUEST_PREFILL_TIME_SECONDS = 12,
	AIBRIX_SERIES_REQUEST_DECODE_TIME_SECONDS = 13,
	AIBRIX_SERIES_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS = 14,
	AIBRIX_SERIES_PER_STAGE_REQ_LATENCY_SECONDS = 15,
	AIBRIX_SERIES_HTTP_REQUEST_DURATION_SECONDS = 16,
	AIBRIX_SERIES_HTTP_REQUEST_DURATION_HIGHR_SECONDS = 17,
	AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS = 18,
	AIBRIX_SERIES_TIME_PER_OUTPUT_TOKEN_SECONDS = 19,
	AIBRIX_SERIES_INTER_TOKEN_LATENCY_SECONDS = 20,
	AIBRIX_SERIES_PROMPT_TOKENS_TOTAL = 21,
	AIBRIX_SERIES_GENERATION_TOKENS_TOTAL = 22,
	AIBRIX_SERIES_REQUEST_PROMPT_TOKENS = 23,
	AIBRIX_SERIES_REQUEST_GENERATION_TOKENS = 24,
	AIBRIX_SERIES_REQUEST_MAX_NUM_GENERATION_TOKENS = 25,
	AIBRIX_SERIES_ITERATION_TOKENS_TOTAL = 26, /* a histogram */
	AIBRIX_SERIES_GPU_CACHE_USAGE_PERC = 27,
	AIBRIX_SERIES_KV_CACHE_USAGE_PERC = 28,
	AIBRIX_SERIES_CPU_CACHE_USAGE_PERC = 29,
	AIBRIX_SERIES_KV_CACHE_HIT_RATE = 30,
	AIBRIX_SERIES_ENGINE_UTILIZATION = 31,
	AIBRIX_SERIES_PREFIX_CACHE_QUERIES_TOTAL = 32,
	AIBRIX_SERIES_PREFIX_CACHE_HITS_TOTAL = 33,
	AIBRIX_SERIES_EXTERNAL_PREFIX_CACHE_QUERIES_TOTAL = 34,
	AIBRIX_SERIES_EXTERNAL_PREFIX_CACHE_HITS_TOTAL = 35,
	AIBRIX_SERIES_NIXL_XFER_TIME_SECONDS = 36,
	AIBRIX_SERIES_NIXL_POST_TIME_SECONDS = 37,
	AIBRIX_SERIES_NIXL_BYTES_TRANSFERRED = 38,
	AIBRIX_SERIES_NIXL_NUM_DESCRIPTORS = 39,
	AIBRIX_SERIES_NIXL_NUM_FAILED_TRANSFERS_TOTAL = 40,
	AIBRIX_SERIES_NIXL_NUM_FAILED_NOTIFICATIONS_TOTAL = 41,
	AIBRIX_SERIES_AVG_PROMPT_THROUGHPUT_TOKS_PER_S = 42,
	AIBRIX_SERIES_AVG_GENERATION_THROUGHPUT_TOKS_PER_S = 43,
	AIBRIX_SERIES_MAX_LORA = 44,              /* adapters that fit */
	AIBRIX_SERIES_RUNNING_LORA_ADAPTERS = 45, /* how many */
	AIBRIX_SERIES_WAITING_LORA_ADAPTERS = 46,
	AIBRIX_SERIES_MAX = 64
};

/* The canonical name of a metric; NULL: none has this number.
 * Since: 0.1. */
AIBRIX_API const char *aibrix_series_name(uint32_t series);

/* AIBRIX_SERIES_GAUGE, _COUNTER or _HISTOGRAM; 0: none has this number.
 * Since: 0.1. */
AIBRIX_API uint32_t aibrix_series_type(uint32_t series);

/* The metric of a canonical name; AIBRIX_SERIES_MAX: none.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_series_find(const char *name);

/*
 * What an engine calls a metric, its i-th name: releases rename, the first
 * that a page has is taken.  NULL: no more.
 *
 * Source: vLLM v1/metrics, SGLang metrics/collector.py, TensorRT-LLM's
 * prometheus page, xLLM, as AIBrix's pkg/metrics maps them, with its two
 * misspelt ones right.
 * Since: 0.1.
 */
AIBRIX_API const char *aibrix_series_source(uint32_t engine, uint32_t series,
					    uint32_t i);

/* One engine's pages */

enum {
	AIBRIX_SCRAPE_EDGES_MAX = 64,
	AIBRIX_SCRAPE_SLOTS_MAX = 64,
	/* Pages end with "# EOF": one that does not was cut off. */
	AIBRIX_SCRAPE_OPENMETRICS = 1
};

typedef struct aibrix_scrape_opts {
	uint32_t size;
	uint32_t flags;       /* AIBRIX_SCRAPE_* */
	uint32_t engine;      /* AIBRIX_ENGINE_*; 0: vLLM */
	uint32_t slots;       /* earlier states that are kept; 0: 8 */
	uint64_t series;      /* a bit for each metric wanted; 0: those that
				 aibrix_scrape_publish reads, and latencies */
	uint64_t window_ns;   /* of rates, means, quantiles; 0: 60 s */
	uint64_t min_ns;      /* less than that gives no rate; 0: window / 6 */
	uint64_t max_age_ns;  /* older pages are not known; 0: 10 s */
	const char *model;    /* only series whose model_name is this, or
				 that have none; copied; NULL: all */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_scrape_opts;

/*
 * What one engine's pages said.  Memory is fixed once the object is made: a
 * page may say whatever it likes.
 *
 * Series of one name are joined: counters and histograms are added up,
 * gauges of requests and of tokens per second too, of ratios the largest is
 * taken.  A histogram has the edges of its first page, 64 at most (further
 * ones are left out, which loses nothing but detail).
 *
 * Thread: readers.
 */
typedef struct aibrix_scrape aibrix_scrape;

/*
 * Nothing is known yet.  opts may be NULL.  *out is owned.
 *
 * Fails: E_INVAL (engine, slots, series that are none, times), E_ABI,
 * E_NOMEM.
 * Cost: one double for each counter and 67 for each histogram, times
 * slots + 3: with 0 for series and slots, some 80 KiB.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scrape_new(const aibrix_scrape_opts *opts,
					      aibrix_scrape **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_scrape_free(aibrix_scrape *scrape);

typedef struct aibrix_scrape_page {
	uint32_t size;
	uint32_t series;   /* metrics that the page has */
	uint64_t samples;  /* lines that were read into them */
	uint64_t skipped;  /* samples nobody asked for, unread */
	uint64_t bad;      /* lines wanted that are none, or out of bounds */
	uint64_t bad_line; /* the first of them; 0: none */
} aibrix_scrape_page;

/*
 * The page of now_ns: what it has is known, what it has not is not known any
 * more.  page may be NULL.  Bad lines are left out; NaN and infinite values
 * are not known.  A counter that is lower than before has started again.
 * Earlier than the last page counts as with it.
 *
 * Fails: E_PARSE (nothing of this engine's in it, or OpenMetrics that is cut
 * off: nothing has changed), E_INVAL, E_ABI.
 * Cost: one pass, no allocation; 1 GB/s.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scrape_feed(aibrix_scrape *scrape,
					       const char *text, uint64_t n,
					       uint64_t now_ns,
					       aibrix_scrape_page *page);

enum {
	/* of the window, or since the engine's start when nothing has
	   happened in it */
	AIBRIX_SPAN_WINDOW = 0,
	AIBRIX_SPAN_LIFETIME = 1 /* since the engine's start */
};

typedef struct aibrix_reading {
	uint32_t size;
	uint32_t span; /* AIBRIX_SPAN_* that it is of */
	double value;
	uint64_t age_ns;    /* of the page */
	uint64_t over_ns;   /* length of the window; 0: no window */
	const char *source; /* the engine's name of it; static */
} aibrix_reading;

/*
 * A gauge; or a counter as the page has it.
 *
 * All four fail: E_NOT_FOUND (not known: never fed, not on the page, older
 * than max_age_ns; never 0 instead), E_INVAL (not such a metric), E_ABI.
 * Cost: O(1).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scrape_value(const aibrix_scrape *scrape,
						uint32_t series,
						uint64_t now_ns,
						aibrix_reading *reading);

/*
 * What a counter, or the number of a histogram's values, grew by in the
 * window, per second; E_NOT_FOUND also when pages span less than min_ns.
 *
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scrape_rate(const aibrix_scrape *scrape,
					       uint32_t series,
					       uint64_t now_ns,
					       aibrix_reading *reading);

/* sum / count of a histogram; E_NOT_FOUND also when it has no values.
 * Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_scrape_mean(const aibrix_scrape *scrape,
					       uint32_t series, uint32_t span,
					       uint64_t now_ns,
					       aibrix_reading *reading);

/*
 * The value below which a share of a histogram's values lies, 0 < share <=
 * 1, on a straight line within its bucket, from 0 in the first; the last
 * finite edge for what is above it (as Prometheus' histogram_quantile and
 * AIBrix have it).
 *
 * Fails: as above, E_INVAL (share).
 * Cost: O(edges).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scrape_quantile(const aibrix_scrape *scrape, uint32_t series,
		       double share, uint32_t span, uint64_t now_ns,
		       aibrix_reading *reading);

/*
 * Whether an adapter (LoRA) is among the engine's running ones: *held is 1
 * or 0.
 *
 * Fails: E_NOT_FOUND (not known, or more than 4096 bytes of names),
 * E_INVAL.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_scrape_adapter(const aibrix_scrape *scrape, const char *adapter,
		      uint64_t now_ns, uint32_t *held);

/*
 * Set the row's columns ENGINE_RUNNING to ADAPTERS_MAX to what is known, as
 * of the page's time, and the others of them to not known.  Means are those
 * of AIBRIX_SPAN_WINDOW; TOKENS_PER_S, PREFILL_TOKENS_PER_S and
 * REQUESTS_PER_S are the engine's own gauge or else a rate.
 *
 * Fails: E_NOT_FOUND (no such row), E_NOMEM (first use of a column),
 * E_INVAL.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_scrape_publish(const aibrix_scrape *scrape,
						  aibrix_fleet *fleet,
						  uint32_t row,
						  uint64_t now_ns);

#ifdef __cplusplus
}
#endif

#endif
