/*
 * What the files of scrape share.
 *
 *   scrape_text.c     a line, taken apart
 *   scrape_series.c   the table of metrics and what engines call them
 *   scrape_page.c     a page into one state
 *   scrape.c          the object: states, and what they were
 *   scrape_read.c     readings, and columns of a fleet
 */
#ifndef SCRAPE_INTERNAL_H
#define SCRAPE_INTERNAL_H

#include <string.h>

#include <aibrix/scrape.h>

#include "base/alloc.h"

/* A part of the page. */
struct span {
	const char *at;
	uint64_t n;
};

static inline int
span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.at, text, s.n) == 0;
}

/* value is as it stands, without its quotes. */
struct label {
	struct span name, value;
};

enum { LABELS_MAX = 24 }; /* that a wanted series may have */

/* Zeroed before a page, whose lines all use it: one line's labels are nearly
 * those of the line before. */
struct labels {
	struct label of[LABELS_MAX];
	uint32_t n;    /* more than LABELS_MAX: not all are kept */
	uint32_t seen; /* entries that some line has set */
};

/* What stands behind the name. */
struct tail {
	struct span labels; /* at NULL: no braces */
	double value, time;
	int timed;
};

/* A carriage return ends lines that went through other hands. */
static inline int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static inline const char *
blanks_pass(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

/* The length of a name at at; 0: there is none. */
uint64_t aibrix__name_length(const char *at, const char *end);

/* A line from behind its name to end.  labels NULL: none are kept.
 * Fails: E_PARSE. */
int aibrix__tail_read(const char *at, const char *end, struct tail *tail,
		      struct labels *labels);

/* A number, or Inf and NaN with any sign and case. */
int aibrix__number_read(struct span text, double *out);

/* The value of a label as it is meant, compared with text. */
int aibrix__value_is(struct span value, const char *text);

/* The metrics */

enum { SERIES = AIBRIX_SERIES_WAITING_LORA_ADAPTERS + 1, SOURCES_MAX = 3 };
enum { ENGINES = AIBRIX_ENGINE_XLLM };

/* How a metric's value is made of several series. */
enum join {
	JOIN_SUM,
	JOIN_MAX,
	JOIN_AWAKE, /* the series of a label sleep_state */
	JOIN_LORA   /* labels of the youngest series */
};

struct series {
	const char *name;
	uint8_t type, join;
	/* the names of each engine, the best first */
	const char *source[ENGINES][SOURCES_MAX];
};

extern const struct series aibrix__series[SERIES];

/* The object */

enum { EDGES_MAX = AIBRIX_SCRAPE_EDGES_MAX, LORA_TEXT_MAX = 4096 };

/* A histogram's cells: how many values, their sum, how many up to infinity
 * as the page has it, and up to each edge. */
enum { HIST_COUNT = 0, HIST_SUM = 1, HIST_ALL = 2, HIST_EDGES = 3 };
enum { HIST_CELLS = HIST_EDGES + EDGES_MAX };

struct edges {
	double at[EDGES_MAX]; /* rising, finite */
	uint32_t n;
};

/* Names of running adapters, with commas, as the page has them. */
struct lora {
	double when; /* of the youngest series so far */
	uint32_t any;
	uint32_t n; /* more than LORA_TEXT_MAX: not kept */
	char text[LORA_TEXT_MAX];
};

enum { NAMED_MAX = 3 };

/* Which metrics a name stands for. */
struct name {
	const char *text; /* of a counter without _total */
	uint32_t n;
	uint8_t type;
	uint8_t n_of;
	uint8_t series[NAMED_MAX];
	uint8_t rank[NAMED_MAX]; /* 1: their best name */
};

/* Some are left empty: a search ends there. */
enum { NAMES_MAX = SERIES * SOURCES_MAX, BUCKETS = 512 };

/* One state of all metrics. */
struct page {
	double *cells;
	struct edges *edges;  /* of each histogram */
	uint8_t rank[SERIES]; /* of the name it has; 0: it is not there */
	struct lora lora;
};

struct earlier {
	uint64_t at_ns;
	double *cells;
};

struct aibrix_scrape {
	aibrix_allocator alloc;
	uint32_t engine, flags;
	uint64_t series, window_ns, min_ns, max_age_ns;
	char *model; /* NULL: all */
	uint64_t model_bytes;

	struct name names[NAMES_MAX];
	uint32_t n_names;
	uint8_t buckets[BUCKETS]; /* by hash: number of a name, plus one */

	uint32_t n_cells, n_hists;
	uint32_t cell[SERIES]; /* first one */
	uint8_t hist[SERIES];  /* number among the histograms */

	double *cells; /* of all states */
	struct edges *edges;
	struct page pages[2];
	struct page *next, *last; /* under way; the last that was taken */
	double *grown;            /* counters since the first page */
	uint8_t ever[SERIES];     /* it was on some page */
	struct earlier *earlier;  /* a ring of grown */
	uint32_t slots, n_earlier, newest;
	uint64_t fed_ns, taken; /* the last page's time; how many there were */
};

/* The name whose base text is; NULL: not one that is wanted. */
const struct name *aibrix__name_find(const aibrix_scrape *scrape,
				     struct span text);

static inline uint32_t
series_cells(uint32_t series)
{
	return aibrix__series[series].type == AIBRIX_SERIES_HISTOGRAM
		       ? HIST_CELLS
		       : 1;
}

/* Reads text into scrape->next. */
int aibrix__page_read(aibrix_scrape *scrape, const char *text, uint64_t n,
		      aibrix_scrape_page *page);

#endif
