/*
 * Cron expressions into bits.
 *
 *	field = item {"," item}      item = range ["/" step]
 *	range = "*" | "?" | from ["-" to]
 *
 * What Kubernetes' parser takes (robfig/cron v3, five fields), and 7 for
 * Sunday from Vixie's.  Where the two differ, in whether a "*" with a step
 * still is one, it is as in Kubernetes: whoever moves a CronJob here has the
 * same days.
 */

#include <string.h>

#include "scale/schedule_internal.h"

enum { TEXT_MAX = 256, FIELDS = 5 };

struct field {
	uint32_t least, most;
	const char *names; /* three letters each, the first is of first */
	uint32_t first;
	uint32_t any; /* flag when it is "*" */
};

static const struct field fields[FIELDS] = {
	{0, 59, "", 0, 0},
	{0, 23, "", 0, 0},
	{1, 31, "", 0, AIBRIX_CRON_ANY_DAY},
	{1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", 1, 0},
	{0, 7, "sunmontuewedthufrisat", 0, AIBRIX_CRON_ANY_WEEKDAY},
};

struct text {
	const char *at, *end;
};

static int
take(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return 0;
	t->at++;
	return 1;
}

static void
blanks_take(struct text *t)
{
	while (take(t, ' ') || take(t, '\t'))
		continue;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* A number of at most four digits. */
static int
number_take(struct text *t, uint32_t *x)
{
	const char *from = t->at;

	*x = 0;
	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++)
		if (t->at - from < 4)
			*x = *x * 10 + (uint32_t)(*t->at - '0');
		else
			return 0;
	return t->at > from;
}

static int
name_take(struct text *t, const struct field *f, uint32_t *x)
{
	char word[3];

	if (t->end - t->at < 3)
		return 0;
	for (int i = 0; i < 3; i++)
		word[i] = lower(t->at[i]);
	for (uint32_t i = 0; f->names[3 * i]; i++)
		if (memcmp(word, &f->names[3 * i], 3) == 0) {
			*x = f->first + i;
			t->at += 3;
			return 1;
		}
	return 0;
}

static int
value_take(struct text *t, const struct field *f, uint32_t *x)
{
	return (number_take(t, x) || name_take(t, f, x)) && *x >= f->least &&
	       *x <= f->most;
}

static int
item_take(struct text *t, const struct field *f, uint64_t *bits,
	  uint32_t *flags)
{
	uint32_t from = f->least, to = f->most, step = 1;
	int star = take(t, '*') || take(t, '?'), one = 0;

	/* Sunday is 0 in a "*". */
	if (star && f->most == WEEK)
		to = WEEK - 1;
	if (!star) {
		if (!value_take(t, f, &from))
			return 0;
		one = !take(t, '-');
		to = from;
		if (!one && !value_take(t, f, &to))
			return 0;
	}
	if (take(t, '/')) {
		if (!number_take(t, &step) || step == 0)
			return 0;
		if (one)
			to = f->most == WEEK ? WEEK - 1 : f->most;
	}
	if (from > to)
		return 0;
	for (uint32_t i = from; i <= to; i += step)
		*bits |= (uint64_t)1 << i;
	if (star && step == 1)
		*flags |= f->any;
	return 1;
}

static int
field_take(struct text *t, const struct field *f, uint64_t *bits,
	   uint32_t *flags)
{
	*bits = 0;
	do {
		if (!item_take(t, f, bits, flags))
			return 0;
	} while (take(t, ','));
	return 1;
}

/* Five fields; 0: they are not. */
static int
fields_read(struct text t, aibrix_cron *cron)
{
	uint64_t bits[FIELDS];
	uint32_t flags = 0;

	for (int i = 0; i < FIELDS; i++) {
		const char *from = t.at;

		blanks_take(&t);
		if ((i && t.at == from) ||
		    !field_take(&t, &fields[i], &bits[i], &flags))
			return 0;
	}
	blanks_take(&t);
	if (t.at != t.end)
		return 0;
	if (bits[4] >> WEEK & 1)
		bits[4] = (bits[4] | 1) & 127;
	*cron = (aibrix_cron){bits[0],
			      (uint32_t)bits[1],
			      (uint32_t)bits[2],
			      (uint32_t)bits[3],
			      (uint32_t)bits[4],
			      flags,
			      0};
	return 1;
}

/* What a word stands for; NULL: it is none. */
static const char *
word_find(const char *text, uint64_t n)
{
	static const char *const words[][2] = {
		{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (n == strlen(words[i][0]) &&
		    memcmp(text, words[i][0], n) == 0)
			return words[i][1];
	return NULL;
}

int
aibrix_cron_read(const char *text, uint64_t n, aibrix_cron *cron)
{
	const char *word;

	if (!text || !cron)
		return AIBRIX_E_INVAL;
	if (n > TEXT_MAX)
		return AIBRIX_E_PARSE;
	word = word_find(text, n);
	if (word) {
		text = word;
		n = strlen(word);
	}
	return fields_read((struct text){text, text + n}, cron)
		       ? AIBRIX_OK
		       : AIBRIX_E_PARSE;
}

int
aibrix__cron_valid(const aibrix_cron *c)
{
	const uint32_t flags = AIBRIX_CRON_ANY_DAY | AIBRIX_CRON_ANY_WEEKDAY;

	return c->minutes && c->minutes >> 60 == 0 && c->hours &&
	       c->hours >> 24 == 0 && c->days && !(c->days & 1) && c->months &&
	       !(c->months & 1) && c->months >> 13 == 0 && c->weekdays &&
	       c->weekdays >> WEEK == 0 && !(c->flags & ~flags) && !c->spare;
}
