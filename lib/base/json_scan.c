/*
 * A JSON scanner for text from outside: engine replies, requests, traces.
 *
 * The nesting is kept as one bit per level (object or array) in a 64-bit
 * number, so that depth costs neither stack nor memory and is limited by the
 * number's width.  Strings are most of any text, and most of a string is
 * plain: eight bytes at a time.
 */

#include "base/json_scan.h"

#include "base/arch.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/utf8.h"

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
scan_word(struct cursor *c, const char *word)
{
	for (; *word; word++)
		if (!scan_char(c, *word))
			return 0;
	return 1;
}

static int
scan_digits(struct cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && is_digit(*c->at))
		c->at++;
	return c->at > start;
}

static int
scan_number(struct cursor *c)
{
	scan_char(c, '-');
	if (!scan_char(c, '0') && !scan_digits(c))
		return 0;
	if (scan_char(c, '.') && !scan_digits(c))
		return 0;
	if (!scan_char(c, 'e') && !scan_char(c, 'E'))
		return 1;
	if (!scan_char(c, '+'))
		scan_char(c, '-');
	return scan_digits(c);
}

/* Four hex digits. */
static int
scan_unit(struct cursor *c, uint32_t *unit)
{
	uint32_t x = 0;

	for (int i = 0; i < 4; i++) {
		int digit = c->at < c->end ? hex_value(*c->at) : -1;

		if (digit < 0)
			return 0;
		x = x << 4 | (uint32_t)digit;
		c->at++;
	}
	*unit = x;
	return 1;
}

/* What follows \u: one unit, or two that make a surrogate pair. */
static int
scan_escaped_point(struct cursor *c, uint32_t *point)
{
	const char *start = c->at;
	uint32_t high, low;

	if (!scan_unit(c, &high))
		return 0;
	*point = high;
	if (high < 0xd800 || high > 0xdfff)
		return 1;
	if (high < 0xdc00 && scan_char(c, '\\') && scan_char(c, 'u') &&
	    scan_unit(c, &low) && low >= 0xdc00 && low <= 0xdfff) {
		*point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
		return 1;
	}
	c->at = start; /* the unit has no partner */
	return 0;
}

/* What a backslash and c mean together; 0: nothing, or more follows. */
static char
escape_meaning(char c)
{
	switch (c) {
	case 'n': return '\n';
	case '"': return '"';
	case '\\': return '\\';
	case '/': return '/';
	case 't': return '\t';
	case 'r': return '\r';
	case 'b': return '\b';
	case 'f': return '\f';
	}
	return 0;
}

/* What follows a backslash. */
static int
scan_escape(struct cursor *c, uint32_t *point)
{
	char meaning;

	if (scan_char(c, 'u'))
		return scan_escaped_point(c, point);
	meaning = c->at < c->end ? escape_meaning(*c->at) : 0;
	if (!meaning)
		return 0;
	*point = (uint32_t)meaning;
	c->at++;
	return 1;
}

/* The first byte is the lowest. */
static uint32_t
four_bytes(const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static uint64_t
eight_bytes(const char *text)
{
	return four_bytes(text) | (uint64_t)four_bytes(text + 4) << 32;
}

/*
 * The highest bits of those bytes that are not ASCII, a control character, a
 * quote or a backslash; at most of the lowest such byte: a borrow may add
 * bytes above it.
 */
static uint64_t
eight_special(uint64_t x)
{
	static const uint64_t ones = 0x0101010101010101u;

	return (x | (x - 0x20 * ones) | ((x ^ '"' * ones) - ones) |
		((x ^ '\\' * ones) - ones)) &
	       0x80 * ones;
}

/*
 * Over what stands for itself in a string: most of any text, eight bytes at
 * a time.
 */
static void
skip_plain(struct cursor *c)
{
	const char *at = c->at;

	for (; c->end - at >= 8; at += 8) {
		uint64_t special = eight_special(eight_bytes(at));

		if (special) {
			c->at = at + lowest_bit(special) / 8;
			return;
		}
	}
	while (at < c->end && (uint8_t)*at >= 0x20 && (uint8_t)*at < 0x80 &&
	       *at != '"' && *at != '\\')
		at++;
	c->at = at;
}

/*
 * Over characters of two and three bytes, which is what most text that is not
 * ASCII is made of.  What is no such character, or too near the end, is left
 * to utf8_read.
 */
static void
skip_wide(struct cursor *c)
{
	const char *at = c->at;

	while (c->end - at >= 4) {
		uint32_t x = four_bytes(at);
		/* the highest 5 of the 16 bits that three bytes hold */
		uint32_t high = (x & 0xf) << 1 | (x >> 13 & 1);

		if ((x & 0xc0c0f0) == 0x8080e0 && high != 0 &&
		    high != 0xd8 >> 3)
			at += 3;
		else if ((x & 0xc0e0) == 0x80c0 && (x & 0x1e) != 0)
			at += 2;
		else
			break;
	}
	c->at = at;
}

int
aibrix__json_scan_point(struct cursor *c, uint32_t *point)
{
	if (c->at == c->end || (uint8_t)*c->at < 0x20)
		return 0;
	if (*c->at != '\\') {
		size_t n = utf8_read(c->at, (size_t)(c->end - c->at), point);

		c->at += n;
		return n > 0;
	}
	c->at++;
	return scan_escape(c, point);
}

/* What is not plain, as far as it is one of the things that texts are full
 * of.  0: look closer. */
static int
skip_usual(struct cursor *c)
{
	const char *start = c->at;

	if (*start != '\\')
		skip_wide(c);
	else if (c->end - start > 1 && escape_meaning(start[1]))
		c->at += 2;
	return c->at > start;
}

int
aibrix__json_scan_string(struct cursor *c)
{
	uint32_t point;

	if (!scan_char(c, '"'))
		return 0;
	for (;;) {
		skip_plain(c);
		if (scan_char(c, '"'))
			return 1;
		if (c->at == c->end)
			return 0;
		if (!skip_usual(c) && !aibrix__json_scan_point(c, &point))
			return 0;
	}
}

static int
scan_scalar(struct cursor *c)
{
	if (c->at == c->end)
		return 0;
	switch (*c->at) {
	case '"': return aibrix__json_scan_string(c);
	case 'n': return scan_word(c, "null");
	case 't': return scan_word(c, "true");
	case 'f': return scan_word(c, "false");
	}
	return scan_number(c);
}

/* A member's name and colon, with the blanks before each. */
static int
scan_name(struct cursor *c)
{
	skip_blanks(c);
	if (!aibrix__json_scan_string(c))
		return 0;
	skip_blanks(c);
	return scan_char(c, ':');
}

/* Containers around the cursor, the innermost in the lowest bit. */
struct nesting {
	uint64_t objects; /* 1: object, 0: array */
	uint32_t depth, limit;
};

static char
nesting_closer(const struct nesting *in)
{
	return in->objects & 1 ? '}' : ']';
}

/* Over the opening bracket. */
static int
nesting_open(struct nesting *in, struct cursor *c)
{
	if (in->depth == in->limit)
		return 0;
	in->objects = in->objects << 1 | (*c->at == '{');
	in->depth++;
	c->at++;
	skip_blanks(c);
	return 1;
}

/*
 * After a value: over the brackets that close here, then over the comma, and
 * the name, that lead to the next one.
 */
static int
nesting_go_on(struct nesting *in, struct cursor *c)
{
	for (;; in->objects >>= 1, in->depth--) {
		if (in->depth == 0)
			return 1;
		skip_blanks(c);
		if (!scan_char(c, nesting_closer(in)))
			break;
	}
	if (!scan_char(c, ','))
		return 0;
	return !(in->objects & 1) || scan_name(c);
}

int
aibrix__json_scan_value(struct cursor *c, uint32_t depth)
{
	struct nesting in = {0, 0, JSON_DEPTH_MAX - depth};

	do {
		skip_blanks(c);
		if (next_is(c, '{') || next_is(c, '[')) {
			if (!nesting_open(&in, c))
				return 0;
			if (!next_is(c, nesting_closer(&in))) {
				if ((in.objects & 1) && !scan_name(c))
					return 0;
				continue;
			}
		} else if (!scan_scalar(c)) {
			return 0;
		}
		if (!nesting_go_on(&in, c))
			return 0;
	} while (in.depth > 0);
	return 1;
}
