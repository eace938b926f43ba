/*
 * Pages, read by the library and by a reader that takes every sample of the
 * page (aibrix_sample_next), compares its name with every name of the table
 * and adds up in lists.
 *
 * scrape_pages_run reads pages that are separated by zero bytes, ten seconds
 * apart, and compares every reading after each; scrape_program_run draws
 * such pages.  Both return NULL, or what differed.  Adapters, which are
 * labels, are left out.
 */
#ifndef MODEL_SCRAPE_PROGRAM_H
#define MODEL_SCRAPE_PROGRAM_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/scrape.h>

#include "choices.h"

/* Planted in the model, never in the library. */
enum {
	NO_FAULT,
	FAULT_LAST_SERIES, /* gauges: the last instead of all */
	FAULT_NO_RESTART,  /* a counter that falls is taken as it is */
	FAULT_ANY_NAME     /* the name that comes last counts */
};

enum {
	M_SERIES = AIBRIX_SERIES_MAX_LORA,
	M_EDGES = 64,
	M_SLOTS = 4,
	M_PAGES = 64,
	M_LABELS = 24
};

#define M_STEP_NS ((uint64_t)10000000000)
#define M_WINDOW_NS ((uint64_t)35000000000)

struct m_hist {
	double count, sum, all;
	double edge[M_EDGES], upto[M_EDGES];
	uint32_t n;
};

struct m_series {
	uint32_t rank; /* 0: not on the page */
	double value;
	struct m_hist hist;
};

/* Counts and sums since the first page, as they were kept. */
struct m_state {
	uint64_t at;
	double count[M_SERIES], sum[M_SERIES];
};

struct m_scrape {
	uint32_t engine;
	int fault;
	const char *model;
	struct m_series now[M_SERIES], last[M_SERIES];
	int ever[M_SERIES];
	struct m_state grown, kept[M_PAGES + 1];
	uint32_t n_kept, pages;
};

/* What of a metric a name is: 0 nothing, 1 the value, 2 a bucket, 3 the sum,
 * 4 the count. */
static inline uint32_t
m_part(const char *source, uint32_t type, const char *name)
{
	static const char *const suffix[] = {"_bucket", "_sum", "_count"};
	char base[256];

	snprintf(base, sizeof(base), "%s", source);
	if (type == AIBRIX_SERIES_HISTOGRAM) {
		for (uint32_t i = 0; i < 3; i++)
			if (strncmp(name, base, strlen(base)) == 0 &&
			    strcmp(name + strlen(base), suffix[i]) == 0)
				return 2 + i;
		return 0;
	}
	if (strcmp(name, base) == 0)
		return 1;
	if (type != AIBRIX_SERIES_COUNTER)
		return 0;
	if (strlen(base) > 6 && strcmp(base + strlen(base) - 6, "_total") == 0)
		base[strlen(base) - 6] = 0;
	if (strcmp(name, base) == 0)
		return 1;
	strcat(base, "_total");
	return strcmp(name, base) == 0;
}

static inline int
m_label(const aibrix_sample *s, const char *name, char *out, uint64_t cap)
{
	uint64_t n;

	if (aibrix_sample_label(s, name, out, cap - 1, &n) != AIBRIX_OK)
		return 0;
	out[n] = 0;
	return strlen(out) == n;
}

static inline uint32_t
m_labels(const aibrix_sample *s)
{
	uint32_t n = 0;

	for (uint64_t i = 0, quoted = 0; i < s->n_labels; i++) {
		if (quoted && s->labels[i] == '\\')
			i++;
		else if (s->labels[i] == '"')
			quoted = !quoted;
		else if (!quoted && s->labels[i] == '=')
			n++;
	}
	return n;
}

static inline void
m_bucket(struct m_hist *h, double le, double value)
{
	uint32_t i = 0;

	if (le == HUGE_VAL) {
		h->all += value;
		return;
	}
	while (i < h->n && h->edge[i] != le)
		i++;
	if (i == h->n) {
		if (h->n == M_EDGES)
			return;
		h->edge[h->n] = le;
		h->upto[h->n++] = 0;
	}
	h->upto[i] += value;
}

/* One line of a metric that is not of adapters. */
static inline void
m_add(struct m_scrape *m, uint32_t s, uint32_t rank, uint32_t part, double le,
      const aibrix_sample *sample)
{
	struct m_series *to = &m->now[s];
	const char *name = aibrix_series_name(s);
	char state[64];
	int awake, first = to->rank == 0 || rank < to->rank;

	if (m->fault == FAULT_ANY_NAME && rank != to->rank)
		first = 1;
	else if (!first && rank > to->rank)
		return;
	if (first)
		memset(to, 0, sizeof(*to));
	to->rank = rank;
	if (part == 2) {
		m_bucket(&to->hist, le, sample->value);
	} else if (part == 3) {
		to->hist.sum += sample->value;
	} else if (part == 4) {
		to->hist.count += sample->value;
	} else if (s == AIBRIX_SERIES_ENGINE_SLEEP_STATE) {
		awake = m_label(sample, "sleep_state", state, sizeof(state)) &&
			strcmp(state, "awake") == 0;
		to->value = to->value != 0 || (sample->value != 0) != awake;
	} else if (strstr(name, "perc") || strstr(name, "rate") ||
		   strstr(name, "utilization")) {
		to->value =
			first ? sample->value : fmax(to->value, sample->value);
	} else if (m->fault == FAULT_LAST_SERIES) {
		to->value = sample->value;
	} else {
		to->value += sample->value;
	}
}

static inline void
m_sample(struct m_scrape *m, const aibrix_sample *sample)
{
	char name[256], text[256];
	double le = 0;

	if (sample->n_name >= sizeof(name) || m_labels(sample) > M_LABELS)
		return;
	memcpy(name, sample->name, sample->n_name);
	name[sample->n_name] = 0;
	if (m->model && m_label(sample, "model_name", text, sizeof(text)) &&
	    strcmp(text, m->model) != 0)
		return;
	for (uint32_t s = 0; s < M_SERIES; s++) {
		const char *source;
		const uint32_t type = aibrix_series_type(s);

		for (uint32_t i = 0;
		     (source = aibrix_series_source(m->engine, s, i)); i++) {
			uint32_t part = m_part(source, type, name);
			char *end;

			if (!part)
				continue;
			if (!isfinite(sample->value) ||
			    (sample->value < 0 && type != AIBRIX_SERIES_GAUGE &&
			     part != 3))
				return;
			if (part == 2) {
				if (!m_label(sample, "le", text, sizeof(text)))
					return;
				le = strtod(text, &end);
				if (*end || isnan(le) || le == -HUGE_VAL ||
				    strspn(text, "0123456789+-.eEinftyINFTY") !=
					    strlen(text) ||
				    !*text || strlen(text) > 128)
					return;
			}
			m_add(m, s, i + 1, part, le, sample);
		}
	}
}

static inline int
m_edge_order(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Edges in order, their counts rising, the count at least the largest. */
static inline int
m_complete(struct m_hist *h)
{
	double pair[M_EDGES][2], most = h->all;
	int finite = isfinite(h->sum) && isfinite(h->all);

	for (uint32_t i = 0; i < h->n; i++) {
		pair[i][0] = h->edge[i];
		pair[i][1] = h->upto[i];
	}
	qsort(pair, h->n, sizeof(pair[0]), m_edge_order);
	for (uint32_t i = 0; i < h->n; i++) {
		h->edge[i] = pair[i][0];
		h->upto[i] = i ? fmax(h->upto[i - 1], pair[i][1]) : pair[i][1];
		most = fmax(most, h->upto[i]);
	}
	h->count = fmax(h->count, most);
	return finite && isfinite(h->count);
}

static inline int
m_fell(const struct m_series *now, const struct m_series *was, int hist)
{
	if (!hist)
		return now->value < was->value;
	for (uint32_t i = 0; i < now->hist.n; i++)
		if (now->hist.upto[i] < was->hist.upto[i])
			return 1;
	return now->hist.count < was->hist.count ||
	       now->hist.all < was->hist.all;
}

static inline void
m_grow(struct m_scrape *m, uint32_t s)
{
	const struct m_series *now = &m->now[s], *was = &m->last[s];
	const int hist = aibrix_series_type(s) == AIBRIX_SERIES_HISTOGRAM;
	double count = hist ? now->hist.count : now->value;
	double sum = now->hist.sum;

	if (m->ever[s] && hist &&
	    (now->hist.n != was->hist.n ||
	     memcmp(now->hist.edge, was->hist.edge,
		    now->hist.n * sizeof(double)) != 0)) {
		m->grown.count[s] = m->grown.sum[s] = 0;
		for (uint32_t i = 0; i < m->n_kept; i++)
			m->kept[i].count[s] = m->kept[i].sum[s] = 0;
		return;
	}
	if (m->ever[s] &&
	    (m->fault == FAULT_NO_RESTART || !m_fell(now, was, hist))) {
		count -= hist ? was->hist.count : was->value;
		sum -= was->hist.sum;
	}
	m->grown.count[s] += count;
	m->grown.sum[s] += sum;
}

/* The page is taken when it has anything; whether it was. */
static inline int
m_page(struct m_scrape *m, const char *text, uint64_t n, uint64_t at)
{
	aibrix_sample_walk walk = {.size = sizeof(walk), .text = text, .n = n};
	aibrix_sample sample = {.size = sizeof(sample)};
	uint32_t known = 0;
	int err;

	memset(m->now, 0, sizeof(m->now));
	while ((err = aibrix_sample_next(&walk, &sample)) != AIBRIX_E_NOT_FOUND)
		if (!err)
			m_sample(m, &sample);
	for (uint32_t s = 0; s < M_SERIES; s++) {
		struct m_series *now = &m->now[s];

		if (!m_complete(&now->hist) || !isfinite(now->value))
			now->rank = 0;
		known += now->rank != 0;
	}
	if (!known)
		return 0;
	for (uint32_t s = 0; s < M_SERIES; s++) {
		if (!m->now[s].rank) {
			m->now[s] = m->last[s];
			m->now[s].rank = 0;
			continue;
		}
		if (m->pages && aibrix_series_type(s) != AIBRIX_SERIES_GAUGE)
			m_grow(m, s);
		m->ever[s] = 1;
	}
	memcpy(m->last, m->now, sizeof(m->last));
	m->pages++;
	m->grown.at = at;
	if (!m->n_kept ||
	    at - m->kept[m->n_kept - 1].at >= M_WINDOW_NS / M_SLOTS)
		m->kept[m->n_kept++] = m->grown;
	return 1;
}

static inline const struct m_state *
m_start(const struct m_scrape *m)
{
	uint32_t i = m->n_kept - 1;

	while (i > 0 && m->n_kept - i < M_SLOTS &&
	       m->grown.at - m->kept[i].at < M_WINDOW_NS)
		i--;
	return &m->kept[i];
}

static inline int
m_near(double x, double y)
{
	return x == y || fabs(x - y) <= 1e-9 * (fabs(x) + fabs(y)) ||
	       (!isfinite(x) && !isfinite(y));
}

/* A quantile of all that the page has, by its definition. */
static inline double
m_quantile(const struct m_hist *h, double share)
{
	double rank = share * h->count, below = 0, low = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		if (h->upto[i] >= rank && h->upto[i] > below)
			return i == 0 && h->edge[0] <= 0
				       ? h->edge[0]
				       : low + (h->edge[i] - low) *
							 (rank - below) /
							 (h->upto[i] - below);
		below = fmax(below, h->upto[i]);
		low = h->edge[i];
	}
	return h->n ? h->edge[h->n - 1] : NAN;
}

static inline const char *
m_compare_hist(const struct m_scrape *m, const aibrix_scrape *scrape,
	       uint32_t s)
{
	const struct m_hist *h = &m->last[s].hist;
	const struct m_state *from = m_start(m);
	aibrix_reading r = {.size = sizeof(r)};
	const uint64_t now = m->grown.at;
	double count = m->grown.count[s] - from->count[s];
	int err = aibrix_scrape_mean(scrape, s, AIBRIX_SPAN_LIFETIME, now, &r);

	if ((err == AIBRIX_OK) != (h->count > 0))
		return "whether there is a mean";
	if (!err && !m_near(r.value, h->sum / h->count))
		return "mean";
	err = aibrix_scrape_mean(scrape, s, AIBRIX_SPAN_WINDOW, now, &r);
	if (!err && (r.span == AIBRIX_SPAN_WINDOW) != (count > 0))
		return "whether the window has values";
	if (!err && count > 0 &&
	    !m_near(r.value, (m->grown.sum[s] - from->sum[s]) / count))
		return "mean of the window";
	err = aibrix_scrape_quantile(scrape, s, 0.7, AIBRIX_SPAN_LIFETIME, now,
				     &r);
	if ((err == AIBRIX_OK) != (h->count > 0 && h->n > 0))
		return "whether there is a quantile";
	return err || m_near(r.value, m_quantile(h, 0.7)) ? NULL : "quantile";
}

static inline const char *
m_compare_one(const struct m_scrape *m, const aibrix_scrape *scrape, uint32_t s)
{
	const uint32_t type = aibrix_series_type(s);
	const struct m_state *from = m_start(m);
	aibrix_reading r = {.size = sizeof(r)};
	const uint64_t now = m->grown.at;
	const double over = (double)(now - from->at) / 1e9;
	int err;

	if (type != AIBRIX_SERIES_HISTOGRAM) {
		err = aibrix_scrape_value(scrape, s, now, &r);
		if ((err == AIBRIX_OK) != (m->last[s].rank != 0))
			return "whether there is a value";
		if (!err && !m_near(r.value, m->last[s].value))
			return "value";
		if (!err &&
		    strcmp(r.source, aibrix_series_source(m->engine, s,
							  m->last[s].rank - 1)))
			return "source";
	}
	if (type != AIBRIX_SERIES_GAUGE) {
		err = aibrix_scrape_rate(scrape, s, now, &r);
		if ((err == AIBRIX_OK) != (m->last[s].rank && over > 0))
			return "whether there is a rate";
		if (!err &&
		    !m_near(r.value,
			    (m->grown.count[s] - from->count[s]) / over))
			return "rate";
	}
	if (type == AIBRIX_SERIES_HISTOGRAM && m->last[s].rank)
		return m_compare_hist(m, scrape, s);
	return NULL;
}

static inline const char *
m_compare(const struct m_scrape *m, const aibrix_scrape *scrape)
{
	for (uint32_t s = 0; m->pages && s < M_SERIES; s++) {
		const char *bad = m_compare_one(m, scrape, s);

		if (bad)
			return bad;
	}
	return NULL;
}

static inline const char *
scrape_pages_run(const char *text, uint64_t n, uint32_t engine,
		 const char *model, int fault)
{
	const aibrix_scrape_opts o = {.size = sizeof(o),
				      .engine = engine,
				      .slots = M_SLOTS,
				      .series = ((uint64_t)1 << M_SERIES) - 1,
				      .window_ns = M_WINDOW_NS,
				      .min_ns = 1,
				      .model = model};
	static struct m_scrape m;
	aibrix_scrape *scrape = NULL;
	const char *bad = NULL;

	if (aibrix_scrape_new(&o, &scrape) != AIBRIX_OK)
		return "memory";
	m = (struct m_scrape){.engine = engine, .fault = fault, .model = model};
	for (uint64_t at = 0, page = 0; at < n && page < M_PAGES && !bad;
	     page++) {
		const char *stop = memchr(text + at, 0, n - at);
		uint64_t bytes = stop ? (uint64_t)(stop - text) - at : n - at;
		int err = aibrix_scrape_feed(scrape, text + at, bytes,
					     page * M_STEP_NS, NULL);

		if (err && err != AIBRIX_E_PARSE)
			bad = "error";
		else if (m_page(&m, text + at, bytes, page * M_STEP_NS) !=
			 (err == AIBRIX_OK))
			bad = "whether the page was taken";
		else if (!err)
			bad = m_compare(&m, scrape);
		at += bytes + 1;
	}
	aibrix_scrape_free(scrape);
	return bad;
}

/* Pages of a few names, so that they meet each other. */

static inline size_t
m_draw_line(struct choices *c, char *out, size_t cap, uint32_t engine)
{
	static const char *const suffix[] = {"",     "",       "_bucket",
					     "_sum", "_count", "_total"};
	static const char *const label[] = {
		"",
		"{engine=\"0\",model_name=\"m\"}",
		"{engine=\"1\",model_name=\"other\",}",
		"{model_name=\"m\",le=\"0.5\"}",
		"{le=\"2\"}",
		"{ le = \"+Inf\" ,x=\"}\\\"\"}",
		"{le=\"0.125\",sleep_state=\"awake\"}",
		"{le=\"1e1\"}",
		"{le=\"x\"}",
		"{"};
	static const char *const tail[] = {"", " 1700000000000",
					   " # {a=\"b\"} 1", " x", "\r"};
	static const char *const number[] = {"NaN", "-3", "+Inf", "1e3"};
	uint32_t series = draw(c, 8) ? draw(c, 47) / 8 * 5 % 44 : draw(c, 47);
	const char *source = aibrix_series_source(engine, series, draw(c, 2));
	char value[32];

	if (draw(c, 12))
		snprintf(value, sizeof(value), "%u",
			 draw(c, 4) ? draw(c, 100) + 50 : draw(c, 9));
	else
		snprintf(value, sizeof(value), "%s", number[draw(c, 4)]);
	return (size_t)snprintf(
		out, cap, "%s%s%s%s %s%s\n", draw(c, 10) ? "" : " ",
		source ? source : "up", suffix[draw(c, 6)],
		label[draw(c, 20) ? draw(c, 8) : 8 + draw(c, 2)], value,
		tail[draw(c, 6) ? 0 : draw(c, 5)]);
}

static inline const char *
scrape_program_run(struct choices c, int fault)
{
	static char text[1 << 15];
	const uint32_t engine = 1 + draw(&c, 3);
	const char *model = draw(&c, 2) ? "m" : NULL;
	size_t n = 0;

	while (n < sizeof(text) / 2 && draw(&c, 200)) {
		if (draw(&c, 12) == 0)
			text[n++] = 0;
		else
			n += m_draw_line(&c, text + n, sizeof(text) - n,
					 engine);
	}
	return scrape_pages_run(text, n, engine, model, fault);
}

#endif
