/*
 * Spans of JSON text, and walks over them.
 *
 * Walking scans members again.  Texts here are mostly flat; a tree would
 * need memory, which is what an attacker would ask for first.
 */

#include "base/json.h"

#include <string.h>

#include <aibrix/base.h>

#include "base/json_scan.h"
#include "base/utf8.h"

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
	if (aibrix__json_scan_value(&c, 0)) {
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
		return (struct json_walk){container->at, container->at, 0, 1};
	/* Between the brackets. */
	return (struct json_walk){container->at + 1,
				  container->at + container->n - 1, object, 1};
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
		if (!aibrix__json_scan_string(&c))
			return 0;
		if (key)
			*key = span(start, c.at);
		skip_blanks(&c);
		if (!scan_char(&c, ':'))
			return 0;
		skip_blanks(&c);
	}
	start = c.at;
	if (c.at == c.end || !aibrix__json_scan_value(&c, 0))
		return 0;
	*value = span(start, c.at);
	walk->at = c.at;
	return 1;
}

int
aibrix__json_open(const char *text, size_t n, struct json_walk *walk)
{
	struct cursor c = {text, text + n};

	skip_blanks(&c);
	*walk = (struct json_walk){c.at, c.end, 1, 0};
	if (!scan_char(&c, '{'))
		return 0;
	walk->at = c.at;
	return 1;
}

/* After the last member: nothing but blanks may follow. */
static int
step_end(struct cursor *c)
{
	if (!scan_char(c, '}'))
		return AIBRIX_E_PARSE;
	skip_blanks(c);
	return c->at == c->end ? AIBRIX_E_NOT_FOUND : AIBRIX_E_PARSE;
}

static int
step_member(struct cursor *c, struct json *key, struct json *value)
{
	const char *start;

	skip_blanks(c);
	start = c->at;
	if (!aibrix__json_scan_string(c))
		return AIBRIX_E_PARSE;
	*key = span(start, c->at);
	skip_blanks(c);
	if (!scan_char(c, ':'))
		return AIBRIX_E_PARSE;
	skip_blanks(c);
	start = c->at;
	if (!aibrix__json_scan_value(c, 1))
		return AIBRIX_E_PARSE;
	*value = span(start, c->at);
	return AIBRIX_OK;
}

int
aibrix__json_step(struct json_walk *walk, struct json *key, struct json *value)
{
	struct cursor c = {walk->at, walk->end};
	int status;

	skip_blanks(&c);
	if (walk->begun ? !scan_char(&c, ',') : next_is(&c, '}'))
		status = step_end(&c);
	else
		status = step_member(&c, key, value);
	walk->at = c.at;
	walk->begun = 1;
	return status;
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
	while (c.at < c.end && aibrix__json_scan_point(&c, &point)) {
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

/*
 * What a string means, piece by piece: a run of bytes that stand for
 * themselves, or one escape into bytes.  0: there is no more.
 */
static size_t
string_run(struct cursor *c, char bytes[4], const char **run)
{
	const char *start = c->at, *escape;
	uint32_t point;

	if (c->at == c->end)
		return 0;
	if (*start == '\\' && aibrix__json_scan_point(c, &point)) {
		*run = bytes;
		return utf8_write(point, bytes);
	}
	escape = memchr(start, '\\', (size_t)(c->end - start));
	c->at = escape ? escape : c->end;
	*run = start;
	return (size_t)(c->at - start);
}

/* Bytes of what the string means; out NULL: only counted. */
static size_t
string_decode(const struct json *value, char *out)
{
	struct cursor c = string_inside(value);
	size_t n = 0, some;
	const char *run;
	char bytes[4];

	for (; (some = string_run(&c, bytes, &run)) > 0; n += some)
		if (out)
			memcpy(out + n, run, some);
	return n;
}

int
aibrix__json_text(const struct json *value, char *out, size_t cap, size_t *n)
{
	size_t need;

	if (value->type != JSON_STRING)
		return AIBRIX_E_PARSE;
	/* No escape is shorter than what it means. */
	if (cap < value->n) {
		need = string_decode(value, NULL);
		*n = need;
		if (need > cap)
			return AIBRIX_E_SPACE;
	}
	*n = string_decode(value, out);
	return AIBRIX_OK;
}
