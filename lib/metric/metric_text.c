/*
 * The text formats of Prometheus (0.0.4) and OpenMetrics (1.0).
 *
 * They differ in three places: a counter's family is named with "_total" in
 * the one and without in the other, HELP escapes quotes in OpenMetrics
 * only, and that ends with "# EOF".  Bounds are written as "8.0" in both, as
 * OpenMetrics asks for and AIBrix's client library does: the text of a bound
 * is part of a series' name.
 *
 * Each call looks at all of its arguments first, so that it writes a whole
 * line or nothing.
 */

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "base/versioned.h"
#include "metric/metric_internal.h"

enum {
	FLAGS = AIBRIX_METRIC_OPENMETRICS,
	NAME_MAX = 256,
	VALUE_MAX = 4096,
	LABELS_MAX = 64
};

/* The caller's struct and where its text goes. */
struct page {
	aibrix_metric_text t;
	struct sink s;
};

void
aibrix__sink_bytes(struct sink *s, const char *bytes, uint64_t n)
{
	uint64_t room = s->n < s->cap ? s->cap - s->n : 0;
	uint64_t fits = n < room ? n : room;

	if (fits)
		memcpy(s->out + s->n, bytes, fits);
	s->n += n;
}

void
aibrix__sink_text(struct sink *s, const char *text)
{
	aibrix__sink_bytes(s, text, strlen(text));
}

static void
sink_escaped(struct sink *s, const char *text, int quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			aibrix__sink_text(s, "\\n");
		else if (*text == '\\')
			aibrix__sink_text(s, "\\\\");
		else if (*text == '"' && quotes)
			aibrix__sink_text(s, "\\\"");
		else
			aibrix__sink_bytes(s, text, 1);
	}
}

/* Letters, digits and underscores, and no digit first. */
static int
name_valid(const char *name, int colons)
{
	size_t n = name ? strnlen(name, NAME_MAX + 1) : 0;

	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      c == '_' || (c == ':' && colons) ||
		      (c >= '0' && c <= '9' && i > 0)))
			return 0;
	}
	return n > 0 && n <= NAME_MAX;
}

static int
text_valid(const char *text)
{
	size_t n = strnlen(text, VALUE_MAX + 1), step;
	uint32_t point;

	if (n > VALUE_MAX)
		return 0;
	for (size_t i = 0; i < n; i += step) {
		step = utf8_read(text + i, n - i, &point);
		if (step == 0)
			return 0;
	}
	return 1;
}

static int
page_open(struct page *p, const aibrix_metric_text *text)
{
	enum { TEXT_V1 = STRUCT_UPTO(aibrix_metric_text, n) };
	int err;

	if (!text)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&p->t, sizeof(p->t), text, TEXT_V1);
	if (err)
		return err;
	if (p->t.flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_ABI;
	if ((p->t.cap && !p->t.out) || (p->t.n_labels && !p->t.labels))
		return AIBRIX_E_INVAL;
	p->s = (struct sink){p->t.out, p->t.cap, p->t.n};
	return AIBRIX_OK;
}

/* Label i of both lists. */
static const aibrix_label *
label_at(const struct page *p, const aibrix_label *labels, uint32_t i)
{
	return i < p->t.n_labels ? &p->t.labels[i] : &labels[i - p->t.n_labels];
}

static int
labels_valid(const struct page *p, const aibrix_label *labels,
	     uint32_t n_labels)
{
	uint32_t n;

	if ((n_labels && !labels) || p->t.n_labels > LABELS_MAX ||
	    n_labels > LABELS_MAX - p->t.n_labels)
		return 0;
	n = p->t.n_labels + n_labels;
	for (uint32_t i = 0; i < n; i++) {
		const aibrix_label *l = label_at(p, labels, i);

		if (!name_valid(l->name, 0) || !l->value ||
		    strncmp(l->name, "__", 2) == 0 || !text_valid(l->value) ||
		    (p->t.type == AIBRIX_METRIC_HISTOGRAM &&
		     strcmp(l->name, "le") == 0))
			return 0;
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(l->name, label_at(p, labels, k)->name))
				return 0;
	}
	return 1;
}

static void
name_put(struct page *p, const char *suffix)
{
	if (p->t.prefix)
		aibrix__sink_text(&p->s, p->t.prefix);
	aibrix__sink_text(&p->s, p->t.name);
	aibrix__sink_text(&p->s, suffix);
}

/* Name and labels of a sample; le NULL: no such label. */
static void
sample_put(struct page *p, const char *suffix, const aibrix_label *labels,
	   uint32_t n_labels, const double *le)
{
	uint32_t n = p->t.n_labels + n_labels;

	name_put(p, suffix);
	for (uint32_t i = 0; i < n; i++) {
		const aibrix_label *l = label_at(p, labels, i);

		aibrix__sink_text(&p->s, i ? "," : "{");
		aibrix__sink_text(&p->s, l->name);
		aibrix__sink_text(&p->s, "=\"");
		sink_escaped(&p->s, l->value, 1);
		aibrix__sink_text(&p->s, "\"");
	}
	if (le) {
		aibrix__sink_text(&p->s, n ? ",le=\"" : "{le=\"");
		aibrix__sink_double(&p->s, *le);
		aibrix__sink_text(&p->s, "\"");
	}
	aibrix__sink_text(&p->s, n || le ? "} " : " ");
}

int
aibrix_metric_family(aibrix_metric_text *text, const char *name, uint32_t type,
		     const char *help)
{
	static const char *const types[] = {"", "counter", "gauge",
					    "histogram"};
	struct page p;
	const char *total;
	int err = page_open(&p, text);

	if (err)
		return err;
	if (!name_valid(name, 1) || (help && !text_valid(help)) ||
	    (p.t.prefix && p.t.prefix[0] && !name_valid(p.t.prefix, 1)) ||
	    type < AIBRIX_METRIC_COUNTER || type > AIBRIX_METRIC_HISTOGRAM)
		return AIBRIX_E_INVAL;
	p.t.name = name;
	total = type == AIBRIX_METRIC_COUNTER &&
				!(p.t.flags & AIBRIX_METRIC_OPENMETRICS)
			? "_total "
			: " ";
	if (help) {
		aibrix__sink_text(&p.s, "# HELP ");
		name_put(&p, total);
		sink_escaped(&p.s, help, p.t.flags & AIBRIX_METRIC_OPENMETRICS);
		aibrix__sink_text(&p.s, "\n");
	}
	aibrix__sink_text(&p.s, "# TYPE ");
	name_put(&p, total);
	aibrix__sink_text(&p.s, types[type]);
	aibrix__sink_text(&p.s, "\n");
	text->name = name;
	text->type = type;
	text->n = p.s.n;
	return AIBRIX_OK;
}

/* count, or if there is a value that. */
static int
sample_write(aibrix_metric_text *text, const aibrix_label *labels,
	     uint32_t n_labels, uint64_t count, const double *value)
{
	struct page p;
	int err = page_open(&p, text);

	if (err)
		return err;
	if (p.t.type != AIBRIX_METRIC_COUNTER &&
	    p.t.type != AIBRIX_METRIC_GAUGE)
		return AIBRIX_E_STATE;
	if (!labels_valid(&p, labels, n_labels))
		return AIBRIX_E_INVAL;
	sample_put(&p, p.t.type == AIBRIX_METRIC_COUNTER ? "_total" : "",
		   labels, n_labels, NULL);
	if (value)
		aibrix__sink_double(&p.s, *value);
	else
		aibrix__sink_count(&p.s, count);
	aibrix__sink_text(&p.s, "\n");
	text->n = p.s.n;
	return AIBRIX_OK;
}

int
aibrix_metric_count(aibrix_metric_text *text, const aibrix_label *labels,
		    uint32_t n_labels, uint64_t count)
{
	return sample_write(text, labels, n_labels, count, NULL);
}

int
aibrix_metric_value(aibrix_metric_text *text, const aibrix_label *labels,
		    uint32_t n_labels, double value)
{
	return sample_write(text, labels, n_labels, 0, &value);
}

static void
line_end(struct page *p, uint64_t count)
{
	aibrix__sink_count(&p->s, count);
	aibrix__sink_text(&p->s, "\n");
}

/* In one walk, so that the buckets and the count agree. */
static void
buckets_put(struct page *p, const aibrix_label *labels, uint32_t n_labels,
	    const aibrix_histogram *h, double unit)
{
	struct walk w = {.histogram = h};
	uint64_t count = 0, sum, edge;
	uint32_t next = 0;
	double le;

	(void)!aibrix_histogram_total(h, NULL, &sum);
	while (aibrix__walk_next(&w)) {
		count += w.count;
		if (!aibrix__histogram_edge(h, next, &edge) || edge != w.high)
			continue;
		le = (double)edge / unit;
		sample_put(p, "_bucket", labels, n_labels, &le);
		line_end(p, count);
		next++;
	}
	le = INFINITY;
	sample_put(p, "_bucket", labels, n_labels, &le);
	line_end(p, count);
	sample_put(p, "_sum", labels, n_labels, NULL);
	aibrix__sink_double(&p->s, (double)sum / unit);
	aibrix__sink_text(&p->s, "\n");
	sample_put(p, "_count", labels, n_labels, NULL);
	line_end(p, count);
}

int
aibrix_metric_histogram(aibrix_metric_text *text, const aibrix_label *labels,
			uint32_t n_labels, const aibrix_histogram *histogram,
			double unit)
{
	struct page p;
	int err = page_open(&p, text);

	if (err)
		return err;
	if (p.t.type != AIBRIX_METRIC_HISTOGRAM)
		return AIBRIX_E_STATE;
	if (!histogram || !(unit > 0) || isinf(unit) ||
	    !labels_valid(&p, labels, n_labels))
		return AIBRIX_E_INVAL;
	buckets_put(&p, labels, n_labels, histogram, unit);
	text->n = p.s.n;
	return AIBRIX_OK;
}

int
aibrix_metric_end(aibrix_metric_text *text)
{
	struct page p;
	int err = page_open(&p, text);

	if (err)
		return err;
	if (p.t.flags & AIBRIX_METRIC_OPENMETRICS)
		aibrix__sink_text(&p.s, "# EOF\n");
	text->name = NULL;
	text->type = 0;
	text->n = p.s.n;
	return p.s.n > p.t.cap ? AIBRIX_E_SPACE : AIBRIX_OK;
}
