/*
 * A line of a metrics page.
 *
 *	name{label="value",label="va\"lue"} value time # exemplar
 *
 * Both formats are read by one grammar: OpenMetrics is Prometheus' text with
 * seconds for milliseconds, exemplars and an end mark.  Nothing is copied; a
 * line never goes over a line feed, for values write theirs as \n, so
 * whatever is wrong with one line, the next begins where it should.
 */

#include <math.h>

#include "base/decimal.h"
#include "base/versioned.h"
#include "scrape/scrape_internal.h"

static int
is_digit(char c)
{
	return (uint8_t)(c - '0') < 10;
}

static int
begins_name(char c)
{
	return (uint8_t)((c | 32) - 'a') < 26 || c == '_' || c == ':';
}

uint64_t
aibrix__name_length(const char *at, const char *end)
{
	const char *from = at;

	if (at < end && begins_name(*at))
		while (at < end && (begins_name(*at) || is_digit(*at)))
			at++;
	return (uint64_t)(at - from);
}

/* Behind a value whose opening quote stands before at; NULL: it has no
 * end. */
static const char *
value_pass(const char *at, const char *end, struct span *value)
{
	value->at = at;
	for (; at < end; at++) {
		if (*at == '"') {
			value->n = (uint64_t)(at - value->at);
			return at + 1;
		}
		if (*at == '\\' && ++at == end)
			break;
	}
	return NULL;
}

/* name="value" at at; behind it, or NULL. */
static const char *
label_pass(const char *at, const char *end, struct label *label)
{
	label->name = (struct span){at, aibrix__name_length(at, end)};
	if (label->name.n == 0)
		return NULL;
	at = blanks_pass(at + label->name.n, end);
	if (at == end || *at != '=')
		return NULL;
	at = blanks_pass(at + 1, end);
	if (at == end || *at != '"')
		return NULL;
	return value_pass(at + 1, end, &label->value);
}

/* The same where the line before has one of this name; NULL: it has not. */
static const char *
label_pass_as(const char *at, const char *end, struct label *last)
{
	const size_t head = (size_t)(last->value.at - last->name.at);
	const size_t all = head + last->value.n + 1;
	const size_t left = (size_t)(end - at);
	struct span value;

	/* Nearly always the very same text but for one label. */
	if (left >= all && memcmp(at, last->name.at, all) == 0)
		return at + all;
	if (left < head || memcmp(at, last->name.at, head) != 0)
		return NULL;
	end = value_pass(at + head, end, &value);
	if (end)
		*last = (struct label){{at, last->name.n}, value};
	return end;
}

/* The n-th label of a line, kept. */
static const char *
label_keep(const char *at, const char *end, struct labels *labels, uint32_t n)
{
	struct label *label = &labels->of[n], fresh;
	const char *behind;

	if (n < labels->seen) {
		behind = label_pass_as(at, end, label);
		if (behind)
			return behind;
	}
	/* What was there stays whole if the line is no good. */
	behind = label_pass(at, end, &fresh);
	if (behind) {
		*label = fresh;
		if (labels->seen == n)
			labels->seen++;
	}
	return behind;
}

/* From behind an opening brace to behind the closing one; NULL: no labels. */
static const char *
labels_pass(const char *at, const char *end, struct labels *labels)
{
	struct label label;
	uint32_t n = 0;

	for (;;) {
		at = blanks_pass(at, end);
		if (at == end)
			return NULL;
		if (*at == '}')
			break;
		at = labels && n < LABELS_MAX ? label_keep(at, end, labels, n)
					      : label_pass(at, end, &label);
		if (!at)
			return NULL;
		n++;
		at = blanks_pass(at, end);
		if (at < end && *at == ',')
			at++;
		else if (at == end || *at != '}')
			return NULL;
	}
	if (labels)
		labels->n = n;
	return at + 1;
}

/* Letters of either case. */
static int
word_is(struct span word, const char *lower)
{
	uint64_t i = 0;

	while (i < word.n && lower[i] && (word.at[i] | 32) == lower[i])
		i++;
	return i == word.n && !lower[i];
}

int
aibrix__number_read(struct span text, double *out)
{
	int negative = text.n && *text.at == '-';
	struct span word = text;

	/* Most are numbers. */
	if (aibrix__decimal_read(text.at, text.n, out) == AIBRIX_OK)
		return AIBRIX_OK;
	if (word.n && (negative || *word.at == '+'))
		word = (struct span){text.at + 1, text.n - 1};
	if (word_is(word, "inf") || word_is(word, "infinity"))
		*out = negative ? -HUGE_VAL : HUGE_VAL;
	else if (word_is(word, "nan"))
		*out = NAN;
	else
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}

/* The bytes up to a blank or the end. */
static struct span
token_at(const char *at, const char *end)
{
	const char *from = at;

	/* Other bytes below a space are no part of anything. */
	while (at < end && (uint8_t)*at > ' ')
		at++;
	return (struct span){from, (uint64_t)(at - from)};
}

int
aibrix__tail_read(const char *at, const char *end, struct tail *tail,
		  struct labels *labels)
{
	const char *from;
	struct span token;

	tail->labels = (struct span){NULL, 0};
	tail->timed = 0;
	if (labels)
		labels->n = 0;
	at = blanks_pass(at, end);
	if (at < end && *at == '{') {
		from = at + 1;
		at = labels_pass(from, end, labels);
		if (!at)
			return AIBRIX_E_PARSE;
		tail->labels = (struct span){from, (uint64_t)(at - 1 - from)};
	}
	at = blanks_pass(at, end);
	token = token_at(at, end);
	if (aibrix__number_read(token, &tail->value))
		return AIBRIX_E_PARSE;
	at = blanks_pass(at + token.n, end);
	if (at == end || *at == '#')
		return AIBRIX_OK;
	token = token_at(at, end);
	if (aibrix__number_read(token, &tail->time))
		return AIBRIX_E_PARSE;
	tail->timed = 1;
	at = blanks_pass(at + token.n, end);
	return at == end || *at == '#' ? AIBRIX_OK : AIBRIX_E_PARSE;
}

/* The next character of a value as it is meant; at is not its end. */
static char
value_next(const char **at, const char *end)
{
	char c = *(*at)++;

	if (c != '\\' || *at == end)
		return c;
	c = *(*at)++;
	return c == 'n' ? '\n' : c;
}

int
aibrix__value_is(struct span value, const char *text)
{
	const char *at = value.at, *end = value.at + value.n;

	if (!memchr(at, '\\', value.n))
		return span_is(value, text);
	while (at < end && *text)
		if (value_next(&at, end) != *text++)
			return 0;
	return at == end && !*text;
}

int
aibrix_sample_next(aibrix_sample_walk *walk, aibrix_sample *sample)
{
	aibrix_sample s = {.size = sizeof(s)};
	aibrix_sample_walk w;
	int err = AIBRIX_E_INVAL;

	if (walk && sample)
		err = aibrix__struct_load(
			&w, sizeof(w), walk,
			STRUCT_UPTO(aibrix_sample_walk, line));
	if (err)
		return err;
	if (w.at > w.n || (w.n && !w.text) || w.spare)
		return AIBRIX_E_INVAL;
	while (w.at < w.n) {
		const char *at = w.text + w.at;
		const char *end = memchr(at, '\n', w.n - w.at);
		int ended = end != NULL;
		struct tail tail;

		if (!ended)
			end = w.text + w.n;
		w.line++;
		w.at = (uint64_t)(end - w.text) + (uint64_t)ended;
		walk->at = w.at;
		walk->line = w.line;
		at = blanks_pass(at, end);
		if (at == end || *at == '#')
			continue;
		s.name = at;
		s.n_name = aibrix__name_length(at, end);
		at += s.n_name;
		if (!ended || s.n_name == 0 ||
		    aibrix__tail_read(at, end, &tail, NULL) ||
		    (!tail.labels.at && !is_blank(*at)))
			return AIBRIX_E_PARSE;
		s.labels = tail.labels.at;
		s.n_labels = tail.labels.n;
		s.value = tail.value;
		if (tail.timed) {
			s.flags = AIBRIX_SAMPLE_TIMED;
			s.time = tail.time;
		}
		return aibrix__struct_store(sample, &s, sizeof(s),
					    STRUCT_UPTO(aibrix_sample, time));
	}
	return AIBRIX_E_NOT_FOUND;
}

/* The label among the bytes between braces. */
static int
label_find(struct span labels, const char *name, struct span *value)
{
	const char *at = labels.at, *end = labels.at + labels.n;
	struct label label;

	while ((at = blanks_pass(at, end)) < end) {
		at = label_pass(at, end, &label);
		if (!at)
			break;
		if (span_is(label.name, name)) {
			*value = label.value;
			return AIBRIX_OK;
		}
		at = blanks_pass(at, end);
		at += at < end && *at == ',';
	}
	return AIBRIX_E_NOT_FOUND;
}

int
aibrix_sample_label(const aibrix_sample *sample, const char *name, char *out,
		    uint64_t cap, uint64_t *n)
{
	const char *at, *end;
	uint64_t used = 0;
	aibrix_sample s;
	struct span value;
	int err = AIBRIX_E_INVAL;

	if (sample && name && n && (out || cap == 0))
		err = aibrix__struct_load(&s, sizeof(s), sample,
					  STRUCT_UPTO(aibrix_sample, time));
	if (err)
		return err;
	if (!s.labels)
		return AIBRIX_E_NOT_FOUND;
	err = label_find((struct span){s.labels, s.n_labels}, name, &value);
	if (err)
		return err;
	for (at = value.at, end = at + value.n; at < end; used++) {
		char c = value_next(&at, end);

		if (used < cap)
			out[used] = c;
	}
	*n = used;
	return used <= cap ? AIBRIX_OK : AIBRIX_E_SPACE;
}
