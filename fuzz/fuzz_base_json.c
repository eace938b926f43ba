/*
 * Any bytes as JSON.  Accepted or refused as a naive recursive reader would;
 * an error's offset lies inside the text; every span found lies inside it
 * and reads as itself; a decoded text, written plainly, decodes to itself.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/base.h>

#include "base/json.h"

#define REQUIRE(x) ((x) ? (void)0 : abort())

enum { TEXT_MAX = 4096 };

/* ---- the naive reader: returns what follows the value, or NULL */

static const char *naive_value(const char *at, const char *end, int depth);

static const char *
naive_blanks(const char *at, const char *end)
{
	while (at < end && *at && strchr(" \t\n\r", *at))
		at++;
	return at;
}

static int
naive_hex(const char *at, const char *end, uint32_t *unit)
{
	char digits[5] = "";

	if (end - at < 4)
		return 0;
	memcpy(digits, at, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return 0;
	*unit = (uint32_t)strtoul(digits, NULL, 16);
	return 1;
}

/* Bytes of one UTF-8 character by the table of RFC 3629, section 4. */
static int
naive_utf8(const char *text, const char *end)
{
	static const uint8_t rows[][5] = {
		/* first byte from, to, second from, to, length */
		{0x20, 0x7f, 0, 0xff, 1},    {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	const uint8_t *at = (const uint8_t *)text;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *row = rows[i];

		if (at[0] < row[0] || at[0] > row[1])
			continue;
		if (end - text < row[4])
			return 0;
		if (row[4] > 1 && (at[1] < row[2] || at[1] > row[3]))
			return 0;
		for (int k = 2; k < row[4]; k++)
			if (at[k] < 0x80 || at[k] > 0xbf)
				return 0;
		return row[4];
	}
	return 0;
}

static const char *
naive_escape(const char *at, const char *end)
{
	uint32_t high, low;

	if (at == end || !*at)
		return NULL;
	if (*at != 'u')
		return strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
	if (!naive_hex(at + 1, end, &high))
		return NULL;
	if (high >> 11 != 0x1b) /* D800 to DFFF */
		return at + 5;
	if (high >= 0xdc00 || end - at < 11 || at[5] != '\\' || at[6] != 'u' ||
	    !naive_hex(at + 7, end, &low) || low >> 10 != 0x37)
		return NULL;
	return at + 11;
}

static const char *
naive_string(const char *at, const char *end)
{
	if (at == end || *at++ != '"')
		return NULL;
	while (at && at < end && *at != '"') {
		int n = naive_utf8(at, end);

		if (*at == '\\')
			at = naive_escape(at + 1, end);
		else
			at = n ? at + n : NULL;
	}
	return at && at < end ? at + 1 : NULL;
}

static const char *
naive_number(const char *at, const char *end)
{
	char text[TEXT_MAX + 1];
	size_t n;
	char *rest;

	n = (size_t)(end - at);
	memcpy(text, at, n);
	text[n] = '\0';
	rest = text + (*text == '-');
	n = strspn(rest, "0123456789");
	if (n == 0)
		return NULL;
	rest += *rest == '0' ? 1 : n;
	if (*rest == '.') {
		n = strspn(rest + 1, "0123456789");
		if (n == 0)
			return NULL;
		rest += 1 + n;
	}
	if (*rest == 'e' || *rest == 'E') {
		rest += 1 + (rest[1] == '+' || rest[1] == '-');
		n = strspn(rest, "0123456789");
		if (n == 0)
			return NULL;
		rest += n;
	}
	return at + (rest - text);
}

static const char *
naive_members(const char *at, const char *end, int depth)
{
	char closer = *at++ == '{' ? '}' : ']';

	if (depth == JSON_DEPTH_MAX)
		return NULL;
	at = naive_blanks(at, end);
	if (at < end && *at == closer)
		return at + 1;
	for (;;) {
		if (closer == '}') {
			at = naive_string(naive_blanks(at, end), end);
			if (!at)
				return NULL;
			at = naive_blanks(at, end);
			if (at == end || *at++ != ':')
				return NULL;
		}
		at = naive_value(at, end, depth + 1);
		if (!at)
			return NULL;
		at = naive_blanks(at, end);
		if (at == end || (*at != ',' && *at != closer))
			return NULL;
		if (*at++ == closer)
			return at;
	}
}

static const char *
naive_value(const char *at, const char *end, int depth)
{
	static const char *const words[] = {"null", "true", "false"};

	at = naive_blanks(at, end);
	if (at == end)
		return NULL;
	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(end - at) >= n && memcmp(at, words[i], n) == 0)
			return at + n;
	}
	if (*at == '{' || *at == '[')
		return naive_members(at, end, depth);
	return *at == '"' ? naive_string(at, end) : naive_number(at, end);
}

static int
naive_accepts(const char *text, size_t n)
{
	const char *end = text + n, *at = naive_value(text, end, 0);

	return at && naive_blanks(at, end) == end;
}

/* ---- properties of what was accepted */

static void
check_text(const struct json *value)
{
	char out[TEXT_MAX], again[TEXT_MAX], plain[6 * TEXT_MAX + 2];
	struct json read;
	size_t n, n_again, at = 0, offset;

	REQUIRE(aibrix__json_text(value, out, sizeof(out), &n) == AIBRIX_OK);
	REQUIRE(n <= value->n - 2);
	plain[at++] = '"';
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)out[i];

		if (c < 0x20 || c == '"' || c == '\\')
			at += (size_t)sprintf(plain + at, "\\u%04x", c);
		else
			plain[at++] = out[i];
	}
	plain[at++] = '"';
	REQUIRE(aibrix__json_read(plain, at, &read, &offset) == AIBRIX_OK);
	REQUIRE(aibrix__json_text(&read, again, sizeof(again), &n_again) ==
		AIBRIX_OK);
	REQUIRE(n == n_again && memcmp(out, again, n) == 0);
}

static void
check_number(const struct json *value)
{
	char text[32];
	uint64_t u;
	int64_t i;
	int minus = *value->at == '-';

	if (aibrix__json_u64(value, &u) == AIBRIX_OK && !minus) {
		sprintf(text, "%llu", (unsigned long long)u);
		REQUIRE(strlen(text) == value->n &&
			memcmp(text, value->at, value->n) == 0);
	}
	if (aibrix__json_i64(value, &i) == AIBRIX_OK && (i || !minus)) {
		sprintf(text, "%lld", (long long)i);
		REQUIRE(strlen(text) == value->n &&
			memcmp(text, value->at, value->n) == 0);
	}
}

static void
check_value(const struct json *value, const struct json *inside)
{
	struct json_walk walk = aibrix__json_walk(value);
	struct json key, member, read;
	size_t offset;

	REQUIRE(value->n > 0 && value->at >= inside->at);
	REQUIRE(value->at + value->n <= inside->at + inside->n);
	REQUIRE(aibrix__json_read(value->at, value->n, &read, &offset) ==
		AIBRIX_OK);
	REQUIRE(read.at == value->at && read.n == value->n &&
		read.type == value->type);
	if (value->type == JSON_STRING)
		check_text(value);
	if (value->type == JSON_NUMBER)
		check_number(value);
	while (aibrix__json_next(&walk, &key, &member)) {
		check_value(&member, value);
		if (value->type == JSON_OBJECT)
			check_text(&key);
	}
}

/* A walk that checks on its way finds what a walk after checking finds, and
 * breaks where reading breaks. */
static void
check_steps(const char *text, size_t len, int err, size_t offset)
{
	struct json_walk walk, after;
	struct json object, key, value, key_after, value_after;
	size_t none;
	int status;

	if (!aibrix__json_open(text, len, &walk)) {
		REQUIRE(err || aibrix__json_read(text, len, &object, &none) ||
			object.type != JSON_OBJECT);
		return;
	}
	if (!err) {
		REQUIRE(aibrix__json_read(text, len, &object, &none) == 0);
		after = aibrix__json_walk(&object);
	}
	while ((status = aibrix__json_step(&walk, &key, &value)) == AIBRIX_OK) {
		if (err)
			continue;
		REQUIRE(aibrix__json_next(&after, &key_after, &value_after));
		REQUIRE(key.at == key_after.at && key.n == key_after.n);
		REQUIRE(value.at == value_after.at && value.n == value_after.n);
	}
	REQUIRE(status == (err ? AIBRIX_E_PARSE : AIBRIX_E_NOT_FOUND));
	REQUIRE(walk.at == text + (err ? offset : len));
	REQUIRE(err || !aibrix__json_next(&after, NULL, &value_after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;
	struct json value;
	size_t offset = 0;
	int err;

	if (len > TEXT_MAX)
		return 0;
	text = malloc(len + !len);
	REQUIRE(text);
	if (len)
		memcpy(text, data, len);
	err = aibrix__json_read(text, len, &value, &offset);
	REQUIRE((err == AIBRIX_OK) == naive_accepts(text, len));
	if (err == AIBRIX_OK)
		check_value(&value, &(struct json){text, len, JSON_ARRAY});
	else
		REQUIRE(err == AIBRIX_E_PARSE && offset <= len);
	check_steps(text, len, err, offset);
	free(text);
	return 0;
}
