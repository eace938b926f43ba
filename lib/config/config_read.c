/*
 * One value at a time: what Python's str.strip, int and float make of a
 * text, as far as it is ASCII, and what of that we take.
 *
 * Python also strips blanks and reads digits of other scripts; such a value
 * is a fault here.  An integer beyond 64 bits is one too.
 */
#include "config/config_internal.h"

#include <math.h>
#include <string.h>

#include "base/decimal.h"

/* What str.strip takes away. */
static int
blank_is(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') ||
	       (c >= '\x1c' && c <= '\x1f');
}

struct span
aibrix__config_strip(struct span s)
{
	while (s.n > 0 && blank_is(s.at[0])) {
		s.at++;
		s.n--;
	}
	while (s.n > 0 && blank_is(s.at[s.n - 1]))
		s.n--;
	return s;
}

static char
lower_of(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

/* fold: whatever the case. */
static int
span_is(struct span s, const char *text, int fold)
{
	size_t i = 0;

	for (; i < s.n && text[i]; i++)
		if (fold ? lower_of(s.at[i]) != lower_of(text[i])
			 : s.at[i] != text[i])
			return 0;
	return i == s.n && !text[i];
}

uint32_t
aibrix__config_boolean(struct span s, int compat, uint32_t *out)
{
	const int yes = span_is(s, "1", 1) || span_is(s, "true", 1);
	const int no = span_is(s, "0", 1) || span_is(s, "false", 1);

	if (!yes && !no && !compat)
		return AIBRIX_CONFIG_NO_BOOLEAN;
	*out = (uint32_t)yes;
	return 0;
}

static int
digit_is(char c)
{
	return c >= '0' && c <= '9';
}

/* s without the underscores that stand between digits, into buf of
 * DECIMAL_MAX bytes; others stay, and make it no number. */
static struct span
underscores_drop(struct span s, char *buf)
{
	struct span out = {buf, 0};

	for (size_t i = 0; i < s.n; i++)
		if (s.at[i] != '_' || i == 0 || i + 1 == s.n ||
		    !digit_is(s.at[i - 1]) || !digit_is(s.at[i + 1]))
			buf[out.n++] = s.at[i];
	return out;
}

/* Digits as a number up to max. */
static uint32_t
digits_value(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t x = 0;
	int fits = 1;

	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit;

		if (!digit_is(s.at[i]))
			return AIBRIX_CONFIG_NO_INTEGER;
		digit = (uint64_t)(s.at[i] - '0');
		fits = fits && x <= (max - digit) / 10;
		x = 10 * x + digit;
	}
	*out = x;
	return s.n == 0 ? AIBRIX_CONFIG_NO_INTEGER
	       : fits   ? 0
			: AIBRIX_CONFIG_RANGE;
}

uint32_t
aibrix__config_integer(struct span s, int64_t *out)
{
	char buf[DECIMAL_MAX];
	uint64_t magnitude, negative;
	uint32_t reason;

	s = aibrix__config_strip(s);
	if (s.n > DECIMAL_MAX)
		return AIBRIX_CONFIG_TOO_LONG;
	s = underscores_drop(s, buf);
	negative = s.n > 0 && s.at[0] == '-';
	if (negative || (s.n > 0 && s.at[0] == '+')) {
		s.at++;
		s.n--;
	}
	reason = digits_value(s, (uint64_t)INT64_MAX + negative, &magnitude);
	if (reason)
		return reason;
	if (!negative)
		*out = (int64_t)magnitude;
	else /* INT64_MIN has no positive partner */
		*out = magnitude ? -(int64_t)(magnitude - 1) - 1 : 0;
	return 0;
}

/* The words for what is no finite number; 0: none of them. */
static int
special_value(struct span s, double *out)
{
	double sign = 1;

	if (s.n > 0 && (s.at[0] == '+' || s.at[0] == '-')) {
		sign = s.at[0] == '-' ? -1 : 1;
		s.at++;
		s.n--;
	}
	if (span_is(s, "inf", 1) || span_is(s, "infinity", 1))
		*out = sign * HUGE_VAL;
	else if (span_is(s, "nan", 1))
		*out = (double)NAN;
	else
		return 0;
	return 1;
}

uint32_t
aibrix__config_number(struct span s, double *out)
{
	char buf[DECIMAL_MAX];

	s = aibrix__config_strip(s);
	if (s.n > DECIMAL_MAX)
		return AIBRIX_CONFIG_TOO_LONG;
	s = underscores_drop(s, buf);
	if (special_value(s, out))
		return 0;
	return aibrix__decimal_read(s.at, s.n, out) ? AIBRIX_CONFIG_NO_NUMBER
						    : 0;
}

uint32_t
aibrix__config_word(struct span s, const struct row *row, int compat,
		    uint32_t *out)
{
	const int fold = (row->flags & (ROW_UPPER | ROW_LOWER)) != 0;

	for (const struct word *w = row->words; w->text; w++)
		if (span_is(s, w->text, fold)) {
			*out = w->value;
			return 0;
		}
	if (!compat || !(row->flags & ROW_OTHERWISE))
		return AIBRIX_CONFIG_UNKNOWN_WORD;
	*out = row->otherwise;
	return 0;
}

/* As key_text.h has namespaces. */
static int
name_byte(char c)
{
	const char small = lower_of(c);

	return (small >= 'a' && small <= 'z') || digit_is(c) || c == '.' ||
	       c == '_' || c == '-';
}

uint32_t
aibrix__config_text(struct span s, const struct row *row)
{
	const int name = (row->flags & ROW_NAME) != 0;

	if (name && (s.n == 0 || s.at[0] == '.'))
		return AIBRIX_CONFIG_BAD_TEXT;
	if (name && s.n > AIBRIX_CONN_SPACE_MAX)
		return AIBRIX_CONFIG_TOO_LONG;
	for (size_t i = 0; i < s.n; i++)
		if ((uint8_t)s.at[i] < ' ' || s.at[i] == 0x7f ||
		    (name && !name_byte(s.at[i])))
			return AIBRIX_CONFIG_BAD_TEXT;
	return 0;
}
