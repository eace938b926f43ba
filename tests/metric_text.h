/*
 * A strict reader of Prometheus' text, for tests: what promtool and
 * OpenMetrics' parsers ask for, by hand.
 *
 *   - each line ends, and is HELP, TYPE, EOF or a sample
 *   - samples follow the TYPE line of their family; no family comes twice,
 *     and no series
 *   - names and labels are well-formed, escapes known
 *   - counters are named _total, finite and not negative
 *   - buckets rise in "le" and in count; the last is +Inf and the count
 */
#ifndef TESTS_METRIC_TEXT_H
#define TESTS_METRIC_TEXT_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 4096, SERIES_TEXT = 1024 };

struct metric_series {
	char text[SERIES_TEXT]; /* name{labels} as it stands */
	double value;
};

struct metric_page {
	const char *wrong; /* NULL: a valid text */
	int openmetrics, eof;
	uint32_t n, n_families;
	char family[64], kind[16];
	char families[128][64];
	/* of the series of buckets under way */
	char stem[SERIES_TEXT];
	double le, count, last;
	struct metric_series series[SERIES_MAX];
};

static inline int
metric_name_char(char c, int first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == ':' || (!first && c >= '0' && c <= '9');
}

static inline size_t
metric_name_len(const char *at)
{
	size_t n = 0;

	while (metric_name_char(at[n], n == 0))
		n++;
	return n;
}

/* The bytes of {...}, 0 when it is wrong; *le becomes le's value. */
static inline size_t
metric_labels_len(const char *at, double *le)
{
	size_t n = 1, name;
	int is_le;

	while (at[n] != '}') {
		name = metric_name_len(at + n);
		if (name == 0 || memchr(at + n, ':', name) ||
		    strncmp(at + n + name, "=\"", 2) != 0)
			return 0;
		is_le = name == 2 && strncmp(at + n, "le", 2) == 0;
		n += name + 2;
		if (is_le)
			*le = strtod(at + n, NULL);
		for (; at[n] != '"'; n++) {
			if (at[n] == '\n' || at[n] == 0)
				return 0;
			if (at[n] == '\\' && !strchr("\\\"n", at[++n]))
				return 0;
		}
		n++;
		if (at[n] == ',')
			n++;
		else if (at[n] != '}')
			return 0;
	}
	return n + 1;
}

static inline const char *
metric_comment(struct metric_page *p, const char *line, size_t len)
{
	const char *name = line + 7;
	size_t n;

	if (p->eof)
		return "something after the end";
	if (len == 5 && strncmp(line, "# EOF", 5) == 0) {
		p->eof = 1;
		return p->openmetrics ? NULL : "EOF in Prometheus' text";
	}
	n = metric_name_len(name);
	if (len < 9 || n == 0 || n >= sizeof(p->family) || name[n] != ' ')
		return "a comment without a name";
	if (strncmp(line, "# HELP ", 7) == 0) {
		for (const char *c = name; c < line + len; c++)
			if (*c == '\\' &&
			    !strchr(p->openmetrics ? "\\\"n" : "\\n", *++c))
				return "a strange escape in HELP";
		return NULL;
	}
	if (strncmp(line, "# TYPE ", 7) != 0)
		return "a strange comment";
	memcpy(p->family, name, n);
	p->family[n] = 0;
	if (line + len - name - n - 1 >= sizeof(p->kind))
		return "a strange type";
	memset(p->kind, 0, sizeof(p->kind));
	memcpy(p->kind, name + n + 1, (size_t)(line + len - name) - n - 1);
	for (uint32_t i = 0; i < p->n_families; i++)
		if (strcmp(p->families[i], p->family) == 0)
			return "a family twice";
	strcpy(p->families[p->n_families++], p->family);
	return NULL;
}

/* What stands after the family's name must fit its type. */
static inline const char *
metric_suffix(struct metric_page *p, const char *name, size_t n, double le)
{
	size_t family = strlen(p->family);
	const char *suffix = name + family;
	char stem[SERIES_TEXT];
	struct metric_series *s = &p->series[p->n];

	n -= family;
	if (strcmp(p->kind, "counter") == 0) {
		if (p->openmetrics && (n != 6 || strncmp(suffix, "_total", 6)))
			return "a counter without _total";
		if (!p->openmetrics &&
		    (n != 0 || family < 7 || strncmp(suffix - 6, "_total", 6)))
			return "a counter without _total";
		return s->value >= 0 && isfinite(s->value) ? NULL
							   : "a bad counter";
	}
	if (strcmp(p->kind, "gauge") == 0)
		return n ? "a sample outside its family" : NULL;
	if (strcmp(p->kind, "histogram") != 0)
		return "a strange type";
	if (n == 4 && strncmp(suffix, "_sum", 4) == 0)
		return p->last == INFINITY ? NULL : "a sum before +Inf";
	if (n == 6 && strncmp(suffix, "_count", 6) == 0) {
		if (p->last != INFINITY || s->value != p->count)
			return "a count that is not +Inf's";
		p->stem[0] = 0;
		return NULL;
	}
	if (n != 7 || strncmp(suffix, "_bucket", 7) != 0 || isnan(le))
		return "a sample outside its family";
	strcpy(stem, s->text);
	*strstr(stem, "le=\"") = 0;
	if (strcmp(stem, p->stem) != 0) {
		if (p->stem[0])
			return "buckets without a count";
		strcpy(p->stem, stem);
		p->last = -INFINITY;
		p->count = 0;
	}
	if (le <= p->last || s->value < p->count)
		return "buckets that fall";
	p->last = le;
	p->count = s->value;
	return NULL;
}

static inline const char *
metric_sample(struct metric_page *p, const char *line, size_t len)
{
	size_t n = metric_name_len(line), all = n, more;
	struct metric_series *s = &p->series[p->n];
	double le = NAN;
	char *end;

	if (n < strlen(p->family) ||
	    strncmp(line, p->family, strlen(p->family)) != 0)
		return "a sample outside its family";
	if (line[n] == '{') {
		more = metric_labels_len(line + n, &le);
		if (more == 0)
			return "strange labels";
		all += more;
	}
	if (line[all] != ' ' || all >= SERIES_TEXT || p->n == SERIES_MAX)
		return "a strange sample";
	memcpy(s->text, line, all);
	s->text[all] = 0;
	s->value = strtod(line + all + 1, &end);
	if (end != line + len || end == line + all + 1)
		return "a strange number";
	for (uint32_t i = 0; i < p->n; i++)
		if (strcmp(p->series[i].text, s->text) == 0)
			return "a series twice";
	return metric_suffix(p, line, n, le);
}

/* text ends with NUL; p is the caller's, of any contents. */
static inline const char *
metric_read(struct metric_page *p, const char *text, int openmetrics)
{
	const char *end;

	memset(p, 0, offsetof(struct metric_page, series));
	p->openmetrics = openmetrics;
	for (; *text && !p->wrong; text = end + 1) {
		end = strchr(text, '\n');
		if (!end)
			return p->wrong = "a line without an end";
		if (*text == '#') {
			p->wrong =
				metric_comment(p, text, (size_t)(end - text));
		} else {
			p->wrong = p->eof ? "something after the end"
					  : metric_sample(p, text,
							  (size_t)(end - text));
			p->n += !p->wrong;
		}
		if (*text == '#' && !p->wrong && p->stem[0])
			p->wrong = "buckets without a count";
	}
	if (!p->wrong && p->openmetrics != p->eof)
		p->wrong = "no end";
	return p->wrong;
}

/* The value of a series as it stands in the text; NaN: there is none. */
static inline double
metric_get(const struct metric_page *p, const char *series)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (strcmp(p->series[i].text, series) == 0)
			return p->series[i].value;
	return NAN;
}

#endif
