/*
 * A JSON scanner for text from outside: engine replies, traces, events.
 *
 * The nesting is kept as one bit per level (object or array) in a 64-bit
 * number, so that depth costs neither stack nor memory and is limited by the
 * number's width.  Every scan_ function moves the cursor over one thing and
 * returns 1, or leaves it at the first byte that does not belong there and
 * returns 0: that byte's offset is the error's.
 *
 * Walking scans members again.  Texts here are small and mostly flat; a tree
 * would need memory, which is what an attacker would ask for first.
 */

#include "base/json.h"

#include <string.h>

#include <aibrix/base.h>

#include "base/hex.h"
#include "base/utf8.h"

struct cursor {
	const char *at, *end;
};

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
next_is(const struct cursor *c, char want)
{
	return c->at < c->end && *c->at == want;
}

static void
skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' ||
				  *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static int
scan_char(struct cursor *c, char want)
{
	if (!next_is(c, want))
		return 0;
	c->at++;
	return 1;
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

/* What follows a backslash. */
static int
scan_escape(struct cursor *c, uint32_t *point)
{
	static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (scan_char(c, 'u'))
		return scan_escaped_point(c, point);
	if (c->at == c->end || *c->at == '\0')
		return 0;
	found = strchr(names, *c->at);
	if (!found)
		return 0;
	*point = (uint32_t)means[found - names];
	c->at++;
	return 1;
}

/* One character inside a string, escaped or not. */
static int
scan_point(struct cursor *c, uint32_t *point)
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

static int
scan_string(struct cursor *c)
{
	uint32_t point;

	if (!scan_char(c, '"'))
		return 0;
	while (!next_is(c, '"'))
		if (!scan_point(c, &point))
			return 0;
	c->at++;
	return 1;
}

static int
scan_scalar(struct cursor *c)
{
	if (c->at == c->end)
		return 0;
	switch (*c->at) {
	case '"': return scan_string(c);
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
	if (!scan_string(c))
		return 0;
	skip_blanks(c);
	return scan_char(c, ':');
}

/* Containers around the cursor, the innermost in the lowest bit. */
struct nesting {
	uint64_t objects; /* 1: object, 0: array */
	uint32_t depth;
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
	if (in->depth == JSON_DEPTH_MAX)
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

static int
scan_value(struct cursor *c)
{
	struct nesting in = {0, 0};

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

static enum json_type
type_of(char first)
{
	switch (first) {
	case 'n': return JSON_NULL;
	case 'f': return JSON_FALSE;
	case 't': return JSON_TRUE;
	case '"': return JSON_STRING;
	case '[': return JSON_ARRAY;
	case '{': return JSON_OBJECT;
	}
	return JSON_NUMBER;
}

static struct json
span(const char *at, const char *end)
{
	return (struct json){at, (size_t)(end - at), type_of(*at)};
}

int
aibrix__json_read(const char *text, size_t n, struct json *value,
		  size_t *err_offset)
{
	struct cursor c = {text, text + n};
	const char *start, *end;

	skip_blanks(&c);
	start = c.at;
	if (scan_value(&c)) {
		end = c.at;
		skip_blanks(&c);
		if (c.at == c.end) {
			*value = span(start, end);
			return AIBRIX_OK;
		}
	}
	*err_offset = (size_t)(c.at - text);
	return AIBRIX_E_PARSE;
}

struct json_walk
aibrix__json_walk(const struct json *container)
{
	int object = container->type == JSON_OBJECT;

	if (!object && container->type != JSON_ARRAY)
		return (struct json_walk){container->at, container->at, 0};
	/* Between the brackets. */
	return (struct json_walk){container->at + 1,
				  container->at + container->n - 1, object};
}

int
aibrix__json_next(struct json_walk *walk, struct json *key, struct json *value)
{
	struct cursor c = {walk->at, walk->end};
	const char *start;

	skip_blanks(&c);
	scan_char(&c, ','); /* after the member before */
	skip_blanks(&c);
	if (walk->object) {
		start = c.at;
		if (!scan_string(&c))
			return 0;
		if (key)
			*key = span(start, c.at);
		skip_blanks(&c);
		if (!scan_char(&c, ':'))
			return 0;
		skip_blanks(&c);
	}
	start = c.at;
	if (c.at == c.end || !scan_value(&c))
		return 0;
	*value = span(start, c.at);
	walk->at = c.at;
	return 1;
}

/* The characters of a string value, without its quotes. */
static struct cursor
string_inside(const struct json *value)
{
	return (struct cursor){value->at + 1, value->at + value->n - 1};
}

/* Compares name's n bytes with what a string means. */
static int
string_is(const struct json *value, const char *name, size_t n)
{
	struct cursor c;
	uint32_t point;
	char bytes[4];

	if (value->type != JSON_STRING)
		return 0;
	c = string_inside(value);
	while (c.at < c.end && scan_point(&c, &point)) {
		size_t some = utf8_write(point, bytes);

		if (n < some || memcmp(name, bytes, some) != 0)
			return 0;
		name += some;
		n -= some;
	}
	return n == 0;
}

int
aibrix__json_is(const struct json *value, const char *text)
{
	return string_is(value, text, strlen(text));
}

static int
object_find(const struct json *object, const char *name, size_t n,
	    struct json *value)
{
	struct json_walk walk = aibrix__json_walk(object);
	struct json key, member;

	if (object->type != JSON_OBJECT)
		return 0;
	while (aibrix__json_next(&walk, &key, &member))
		if (string_is(&key, name, n)) {
			*value = member;
			return 1;
		}
	return 0;
}

int
aibrix__json_find(const struct json *object, const char *name,
		  struct json *value)
{
	return object_find(object, name, strlen(name), value);
}

static int
array_find(const struct json *array, const char *place, size_t n,
	   struct json *value)
{
	const struct json at = {place, n, JSON_NUMBER};
	struct json_walk walk = aibrix__json_walk(array);
	struct json member;
	uint64_t i;

	if (array->type != JSON_ARRAY || aibrix__json_u64(&at, &i) != AIBRIX_OK)
		return 0;
	while (aibrix__json_next(&walk, NULL, &member))
		if (i-- == 0) {
			*value = member;
			return 1;
		}
	return 0;
}

int
aibrix__json_path(const struct json *from, const char *path, struct json *value)
{
	struct json here = *from;

	while (*path) {
		size_t n = strcspn(path, ".");

		if (!object_find(&here, path, n, &here) &&
		    !array_find(&here, path, n, &here))
			return 0;
		path += n + (path[n] == '.');
	}
	*value = here;
	return 1;
}

int
aibrix__json_text(const struct json *value, char *out, size_t cap, size_t *n)
{
	struct cursor c;
	uint32_t point;
	size_t need = 0;
	char bytes[4];

	if (value->type != JSON_STRING)
		return AIBRIX_E_PARSE;
	c = string_inside(value);
	while (c.at < c.end && scan_point(&c, &point))
		need += utf8_write(point, bytes);
	*n = need;
	if (need > cap)
		return AIBRIX_E_SPACE;

	c = string_inside(value);
	while (c.at < c.end && scan_point(&c, &point)) {
		size_t some = utf8_write(point, bytes);

		memcpy(out, bytes, some);
		out += some;
	}
	return AIBRIX_OK;
}
