/*
 * JSON without a tree: spans of the caller's text.
 *
 * A text is checked once, as a whole (RFC 8259, UTF-8 checked, nesting
 * limited); what is wanted is then found by walking spans.  Nothing
 * allocates, nothing recurses, and numbers stay text until somebody asks for
 * an exact integer: no locale and no rounding is involved.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 64 };

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING, /* with its quotes and escapes */
	JSON_ARRAY,
	JSON_OBJECT
};

/* One value: n bytes of the text, without blanks around it. */
struct json {
	const char *at;
	size_t n;
	enum json_type type;
};

/*
 * Check that text is one value with nothing but blanks around it.  On
 * AIBRIX_E_PARSE *err_offset is where it stops being JSON, at most n; a lone
 * surrogate escape and nesting beyond JSON_DEPTH_MAX are errors too.
 */
int aibrix__json_read(const char *text, size_t n, struct json *value,
		      size_t *err_offset);

/* A walk over the members of an array or an object, in order. */
struct json_walk {
	const char *at, *end;
	int object, begun;
};

/* Over anything else the walk is empty. */
struct json_walk aibrix__json_walk(const struct json *container);

/* 0: there are no more.  key may be NULL; in an array it is left alone. */
int aibrix__json_next(struct json_walk *walk, struct json *key,
		      struct json *value);

/*
 * The same over an object that nobody has read yet, checking it on the way:
 * one pass instead of two.  0: text does not begin as an object, and
 * aibrix__json_read says what it is.
 */
int aibrix__json_open(const char *text, size_t n, struct json_walk *walk);

/*
 * AIBRIX_OK: a member.  AIBRIX_E_NOT_FOUND: that was the last, and text is
 * what aibrix__json_read accepts.  AIBRIX_E_PARSE: it is not, from walk->at
 * on.  No call after the last two.
 */
int aibrix__json_step(struct json_walk *walk, struct json *key,
		      struct json *value);

/* The first member of that name, or 0: not an object, or none.  O(object). */
int aibrix__json_find(const struct json *object, const char *name,
		      struct json *value);

/*
 * Names and array places joined by dots, as in "choices.0.text"; "" is the
 * value itself.  A name with a dot in it takes aibrix__json_find.
 */
int aibrix__json_path(const struct json *from, const char *path,
		      struct json *value);

/* 1 when value is a string that means exactly text. */
int aibrix__json_is(const struct json *value, const char *text);

/*
 * Exact integers.  AIBRIX_E_PARSE: not a number, or one with a fraction or
 * an exponent.  AIBRIX_E_SPACE: does not fit.
 */
int aibrix__json_u64(const struct json *value, uint64_t *out);
int aibrix__json_i64(const struct json *value, int64_t *out);

/*
 * What a string means, as UTF-8 without a NUL at its end (it may hold NULs).
 * *n becomes its length.  AIBRIX_E_SPACE: more than cap, nothing is written.
 * AIBRIX_E_PARSE: not a string.
 */
int aibrix__json_text(const struct json *value, char *out, size_t cap,
		      size_t *n);

#endif
