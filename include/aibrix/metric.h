/*
 * Histograms, and the text in which Prometheus reads metrics.
 *
 * Nothing here prints, listens or keeps time: the host records numbers, and
 * serves the text that it gets into its own buffer.
 */
#ifndef AIBRIX_METRIC_H
#define AIBRIX_METRIC_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_HISTOGRAM_BITS_MAX = 10,
	AIBRIX_HISTOGRAM_EDGES_MAX = 64
};

typedef struct aibrix_histogram_opts {
	uint32_t size;
	uint32_t bits;         /* 2^bits buckets in each power of two; 0: 4 */
	uint64_t max;          /* values above it are counted as it;
				  0: UINT64_MAX */
	const uint64_t *edges; /* rising, below max; copied: the numbers of
				  values up to each are exact */
	uint32_t n_edges;
	uint32_t spare; /* must be 0 */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_histogram_opts;

/*
 * How often which values were recorded, in fixed memory: buckets that are as
 * wide as 2^-bits of their values, and exact below 2^(bits + 1).
 *
 * A reader beside recording threads sees each cell as it was at some moment
 * of the call: all that was recorded before the call, each at most once, and
 * what is recorded meanwhile or not.  Count and buckets are the same numbers
 * and always agree; the sum may differ from them by what was recorded
 * meanwhile.  Of two readings by one thread, the later has no less.
 * Nothing is ever reset: to see a period, subtract a copy from a later one.
 *
 * Thread: shared, but that what is copied, merged or subtracted into is
 * nobody else's meanwhile.
 */
typedef struct aibrix_histogram aibrix_histogram;

/*
 * An empty histogram.  opts may be NULL.  *out is owned.
 *
 * Fails: E_INVAL (limits; edges that do not rise, reach max, or of which two
 * stand in one bucket), E_ABI, E_NOMEM.
 * Cost: one allocation; 8 bytes for each of up to (65 - bits) 2^bits buckets.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_new(const aibrix_histogram_opts *opts, aibrix_histogram **out);

/* Release; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_histogram_free(aibrix_histogram *histogram);

/* Cost: two atomic additions; wait-free.  Since: 0.1. */
AIBRIX_API void aibrix_histogram_record(aibrix_histogram *histogram,
					uint64_t value);

/*
 * into becomes what from is.
 *
 * Fails: E_INVAL (other bits, max or edges).
 * Cost: O(buckets).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_copy(aibrix_histogram *into, const aibrix_histogram *from);

/* into gains what from has.  Fails and costs: the same.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_merge(aibrix_histogram *into, const aibrix_histogram *from);

/*
 * into loses what from, an earlier copy of it, had.
 *
 * Fails: the same, E_INVAL (from has more of something).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_subtract(aibrix_histogram *into, const aibrix_histogram *from);

/* How many values, and their sum modulo 2^64; either may be NULL.
 * Cost: O(buckets).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_total(const aibrix_histogram *histogram, uint64_t *count,
		       uint64_t *sum);

/*
 * The value at rank max(1, ceil(share * count)) of count recorded ones in
 * rising order, give or take 2^-(bits + 1) of it; exact below 2^(bits + 1).
 * Values above max count as max.
 *
 * Fails: E_NOT_FOUND (nothing was recorded), E_INVAL (share not in 0 to 1).
 * Cost: O(buckets).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_quantile(const aibrix_histogram *histogram, double share,
			  uint64_t *value);

/*
 * How many values are at most bound: exact where bound is an edge, below
 * 2^(bits + 1), or max or more; else values above it by less than 2^-bits of
 * it may be missing or not, but are never counted.
 * Cost: O(buckets).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_histogram_upto(const aibrix_histogram *histogram, uint64_t bound,
		      uint64_t *count);

/* Frozen: 16 bytes.  Names are [a-zA-Z_][a-zA-Z0-9_]*, values any UTF-8. */
typedef struct aibrix_label {
	const char *name;
	const char *value;
} aibrix_label;

enum {
	AIBRIX_METRIC_COUNTER = 1,
	AIBRIX_METRIC_GAUGE = 2,
	AIBRIX_METRIC_HISTOGRAM = 3
};

enum {
	/* OpenMetrics 1.0 (application/openmetrics-text; version=1.0.0)
	   instead of Prometheus' text (text/plain; version=0.0.4). */
	AIBRIX_METRIC_OPENMETRICS = 1
};

/*
 * A text under way.  The caller sets what stands before n, zeroes the rest,
 * and begins families and samples; texts are borrowed until _end.
 *
 * Thread: confined.
 */
typedef struct aibrix_metric_text {
	uint32_t size;
	uint32_t flags; /* AIBRIX_METRIC_* */
	char *out;      /* may be NULL when cap is 0 */
	uint64_t cap;
	const char *prefix;         /* before each family's name; NULL: none */
	const aibrix_label *labels; /* of every sample */
	uint32_t n_labels;
	uint32_t type;    /* of the family under way */
	const char *name; /* of it, without the prefix */
	uint64_t n;       /* bytes so far, also of those that did not fit */
} aibrix_metric_text;

/*
 * A family: its HELP and TYPE lines; samples follow.  name is
 * [a-zA-Z_:][a-zA-Z0-9_:]*, that of a counter without "_total", which
 * its samples end with.  help may be NULL.
 *
 * Fails: E_INVAL (name, type, text that is not UTF-8), E_ABI.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_metric_family(aibrix_metric_text *text,
						 const char *name,
						 uint32_t type,
						 const char *help);

/*
 * A sample of a counter or gauge: labels after those of the text.
 *
 * Fails: E_INVAL (labels malformed or twice), E_STATE (no such family under
 * way), E_ABI.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_metric_count(aibrix_metric_text *text,
						const aibrix_label *labels,
						uint32_t n_labels,
						uint64_t count);

/* The same of any number: the shortest digits that are read back as the same
 * double.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_metric_value(aibrix_metric_text *text,
						const aibrix_label *labels,
						uint32_t n_labels,
						double value);

/*
 * A sample of a histogram: a bucket for each edge, and the sum, both divided
 * by unit, and the count.
 *
 * Fails: as above, E_INVAL (unit not above 0, a label "le").  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_metric_histogram(aibrix_metric_text *text, const aibrix_label *labels,
			uint32_t n_labels, const aibrix_histogram *histogram,
			double unit);

/*
 * The text is complete: its length is text->n.
 *
 * Fails: E_SPACE (out has the first cap bytes of it), E_ABI.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_metric_end(aibrix_metric_text *text);

#ifdef __cplusplus
}
#endif

#endif
