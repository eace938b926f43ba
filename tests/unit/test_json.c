#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "base/json.h"
#include "base/utf8.h"

/* On a heap block of its exact size, so that a sanitizer sees one byte too
 * far. */
static int
read_exactly(const char *text, size_t n, size_t *offset)
{
	char *copy = malloc(n + !n);
	struct json value;
	int err;

	cr_assert_not_null(copy);
	memcpy(copy, text, n);
	err = aibrix__json_read(copy, n, &value, offset);
	if (!err) {
		cr_expect(value.at >= copy);
		cr_expect(value.at + value.n <= copy + n);
		cr_expect(value.n > 0);
	}
	free(copy);
	return err;
}

static struct json
new_value(const char *text)
{
	struct json value;
	size_t offset;

	cr_assert_eq(aibrix__json_read(text, strlen(text), &value, &offset),
		     AIBRIX_OK, "%s", text);
	return value;
}

Test(json, valid_texts_are_accepted)
{
	static const char *const good[] = {
		"null",
		"true",
		" false ",
		"\t\r\n 0 \n",
		"-0",
		"10",
		"-1.5e+10",
		"0.0",
		"0e0",
		"1E-999",
		"123456789012345678901234567890",
		"\"\"",
		"\"a\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD834\\udd1e\"",
		"\"\x7f\"",
		"\"\xc3\xa9 \xe2\x82\xac \xf0\x9d\x84\x9e\"",
		"\"\\u0000\"",
		"[]",
		"[ ]",
		"{}",
		"{ }",
		"[[[]],{}]",
		"[1 , 2,3 ]",
		"{\"a\":1,\"a\":2}",
		"{ \"a\" : [ { } ] , \"\" : null }",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t offset = 99;

		cr_expect_eq(read_exactly(good[i], strlen(good[i]), &offset),
			     AIBRIX_OK, "%s at %zu", good[i], offset);
		cr_expect_eq(offset, 99, "untouched on success");
	}
}

struct bad {
	const char *text;
	size_t offset;
};

static void
expect_rejected(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t offset = 99, len = strlen(bad[i].text);

		cr_expect_eq(read_exactly(bad[i].text, len, &offset),
			     AIBRIX_E_PARSE, "%s", bad[i].text);
		cr_expect_eq(offset, bad[i].offset, "%s at %zu", bad[i].text,
			     offset);
	}
}

Test(json, malformed_structure_is_rejected_where_it_breaks)
{
	static const struct bad bad[] = {
		{"", 0},
		{" ", 1},
		{"[", 1},
		{"{", 1},
		{"]", 0},
		{"[1", 2},
		{"[1,", 3},
		{"[1,]", 3},
		{"[,1]", 1},
		{"[1 2]", 3},
		{"[1}", 2},
		{"{\"a\":1]", 6},
		{"{\"a\"}", 4},
		{"{\"a\":}", 5},
		{"{\"a\":1,}", 7},
		{"{1:2}", 1},
		{"{,}", 1},
		{"{\"a\" 1}", 5},
		{"1 2", 2},
		{"[] x", 3},
		{"nul", 3},
		{"nulL", 3},
		{"True", 0},
		{"'a'", 0},
		{"{a:1}", 1},
		{"[1]]", 3},
		{"// c\n1", 0},
		{"[1,/**/2]", 3},
		{"\xef\xbb\xbf"
		 "1",
		 0},
		{"\v1", 0},
	};

	expect_rejected(bad, sizeof(bad) / sizeof(bad[0]));
}

Test(json, malformed_numbers_are_rejected)
{
	static const struct bad bad[] = {
		{"-", 1},     {"+1", 0},   {"01", 1},   {"-01", 2},
		{".5", 0},    {"1.", 2},   {"1.e1", 2}, {"1e", 2},
		{"1e+", 3},   {"0x10", 1}, {"NaN", 0},  {"-Infinity", 1},
		{"1_000", 1}, {"--1", 1},
	};

	expect_rejected(bad, sizeof(bad) / sizeof(bad[0]));
}

Test(json, malformed_strings_are_rejected)
{
	static const struct bad bad[] = {
		{"\"", 1},
		{"\"a", 2},
		{"\"\\", 2},
		{"\"\\\"", 3},
		{"\"\n\"", 1},
		{"\"\x1f\"", 1},
		{"\"\\x\"", 2},
		{"\"\\u12\"", 5},
		{"\"\\u12g4\"", 5},
		/* a high surrogate alone, one before a letter, a low one */
		{"\"\\ud834\"", 3},
		{"\"\\ud834\\u0041\"", 3},
		{"\"\\ud834\\ud834\"", 3},
		{"\"\\udd1e\"", 3},
		/* UTF-8: tail alone, cut, overlong, surrogate, too high */
		{"\"\x80\"", 1},
		{"\"\xc3\"", 1},
		{"\"\xe2\x82", 1},
		{"\"\xc0\xaf\"", 1},
		{"\"\xe0\x80\xaf\"", 1},
		{"\"\xed\xa0\x80\"", 1},
		{"\"\xf4\x90\x80\x80\"", 1},
		{"\"\xff\"", 1},
	};

	expect_rejected(bad, sizeof(bad) / sizeof(bad[0]));
}

Test(json, a_nul_is_never_part_of_it)
{
	size_t offset;

	cr_expect_eq(read_exactly("1\0", 2, &offset), AIBRIX_E_PARSE);
	cr_expect_eq(offset, 1);
	cr_expect_eq(read_exactly("\"\\\0\"", 4, &offset), AIBRIX_E_PARSE);
	cr_expect_eq(offset, 2);
}

Test(json, nesting_is_limited)
{
	char deep[2 * JSON_DEPTH_MAX + 2];
	size_t offset;

	memset(deep, '[', JSON_DEPTH_MAX);
	memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	cr_expect_eq(read_exactly(deep, 2 * JSON_DEPTH_MAX, &offset),
		     AIBRIX_OK);
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	cr_expect_eq(read_exactly(deep, sizeof(deep), &offset), AIBRIX_E_PARSE);
	cr_expect_eq(offset, JSON_DEPTH_MAX);
}

Test(json, a_value_is_its_span_and_type)
{
	struct json v = new_value("  [1, {\"a\": true}]  ");

	cr_expect_eq(v.type, JSON_ARRAY);
	cr_expect_eq(v.n, 16);
	cr_expect_eq(memcmp(v.at, "[1, {\"a\": true}]", 16), 0);
}

Test(json, a_walk_visits_members_in_order)
{
	struct json v = new_value(" { \"x\" : 1 ,\"y\":[2,3], \"z\":{} } ");
	struct json_walk walk = aibrix__json_walk(&v);
	struct json key, value;

	cr_assert(aibrix__json_next(&walk, &key, &value));
	cr_expect(aibrix__json_is(&key, "x"));
	cr_expect_eq(value.type, JSON_NUMBER);
	cr_assert(aibrix__json_next(&walk, &key, &value));
	cr_expect(aibrix__json_is(&key, "y"));
	cr_expect_eq(value.n, 5);
	cr_assert(aibrix__json_next(&walk, NULL, &value));
	cr_expect_eq(value.type, JSON_OBJECT);
	cr_expect_not(aibrix__json_next(&walk, &key, &value));
	cr_expect_not(aibrix__json_next(&walk, &key, &value));
}

Test(json, a_walk_over_a_scalar_or_nothing_is_empty)
{
	static const char *const empty[] = {"[]", "{ }", "1", "\"[1]\""};

	for (size_t i = 0; i < 4; i++) {
		struct json v = new_value(empty[i]), value;
		struct json_walk walk = aibrix__json_walk(&v);

		cr_expect_not(aibrix__json_next(&walk, NULL, &value));
	}
}

/* How a checked walk over all of text ends, and where. */
static int
step_through(const char *text, uint32_t *members, size_t *offset)
{
	struct json_walk walk;
	struct json key, value;
	int status;

	cr_assert(aibrix__json_open(text, strlen(text), &walk));
	for (*members = 0;; ++*members) {
		status = aibrix__json_step(&walk, &key, &value);
		if (status)
			break;
	}
	*offset = (size_t)(walk.at - text);
	return status;
}

Test(json, a_checked_walk_gives_members_and_then_the_verdict)
{
	static const char text[] = " { \"x\" : 1 ,\"y\":[2,3]} ";
	struct json_walk walk;
	struct json key, value;

	cr_assert(aibrix__json_open(text, strlen(text), &walk));
	cr_assert_eq(aibrix__json_step(&walk, &key, &value), AIBRIX_OK);
	cr_expect_eq(key.at, text + 3);
	cr_expect_eq(key.n, 3);
	cr_expect_eq(*value.at, '1');
	cr_assert_eq(aibrix__json_step(&walk, &key, &value), AIBRIX_OK);
	cr_expect_eq(value.n, 5);
	cr_expect_eq(aibrix__json_step(&walk, &key, &value),
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(walk.at, text + strlen(text));
}

Test(json, a_checked_walk_breaks_where_reading_does)
{
	static const char *const bad[] = {
		"{",           "{ 1",
		"{\"a\"",      "{\"a\"}",
		"{\"a\":}",    "{\"a\":1",
		"{\"a\":1,}",  "{\"a\":1 2}",
		"{,}",         "{\"a\":1} x",
		"{} {}",       "{\"a\":1]",
		"{\"a\":[1}}", "{\"a\":\"\\x\"}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json value;
		uint32_t members;
		size_t at = 99, read_at = 99;

		cr_expect_eq(step_through(bad[i], &members, &at),
			     AIBRIX_E_PARSE, "%s", bad[i]);
		cr_expect_eq(aibrix__json_read(bad[i], strlen(bad[i]), &value,
					       &read_at),
			     AIBRIX_E_PARSE);
		cr_expect_eq(at, read_at, "%s: %zu, %zu", bad[i], at, read_at);
	}
}

Test(json, a_checked_walk_is_over_objects_only)
{
	static const char *const other[] = {"", " ", "[]", "1", "\"{\"", "x"};
	struct json_walk walk;

	for (size_t i = 0; i < 6; i++)
		cr_expect_not(
			aibrix__json_open(other[i], strlen(other[i]), &walk));
}

Test(json, a_checked_walk_counts_its_own_level)
{
	char text[256];
	uint32_t members;
	size_t at;

	for (uint32_t more = 0; more < 2; more++) {
		uint32_t levels = JSON_DEPTH_MAX - 1 + more;

		strcpy(text, "{\"a\":");
		for (uint32_t i = 0; i < levels; i++)
			strcat(text, "[");
		for (uint32_t i = 0; i < levels; i++)
			strcat(text, "]");
		strcat(text, "}");
		cr_expect_eq(step_through(text, &members, &at),
			     more ? AIBRIX_E_PARSE : AIBRIX_E_NOT_FOUND);
		cr_expect_eq(members, 1 - more);
	}
}

/* Strings are read eight bytes at a time: what ends a run may be anywhere,
 * after anything. */
Test(json, what_is_special_in_a_string_is_seen_at_every_place)
{
	for (size_t n = 1; n < 40; n++)
		for (size_t at = 0; at < n; at++)
			for (int c = 0; c < 256; c++) {
				char text[48];
				size_t offset = 99;
				int good = c >= 0x20 && c < 0x80 && c != '"' &&
					   c != '\\';

				memset(text, 'a', sizeof(text));
				text[0] = '"';
				text[n + 1] = '"';
				text[1 + at] = (char)c;
				cr_assert_eq(read_exactly(text, n + 2, &offset),
					     good ? AIBRIX_OK : AIBRIX_E_PARSE,
					     "%zu of %zu: %d", at, n, c);
			}
}

/* Characters of two and three bytes have a way of their own, where there is
 * room behind them. */
Test(json, wide_characters_are_those_of_utf8_wherever_they_stand)
{
	for (uint32_t lead = 0xc0; lead < 0xf0; lead++)
		for (uint32_t rest = 0; rest < 0x10000; rest++) {
			char text[] = "\"..........\"";
			size_t n = 0, offset, some;
			uint32_t point;
			struct json value;

			text[3] = (char)lead;
			text[4] = (char)(rest >> 8);
			text[5] = (char)rest;
			if ((rest & 0xff) < 0x20 || (rest & 0xff) == '"' ||
			    (rest & 0xff) == '\\')
				continue;
			some = utf8_read(text + 3, 3, &point);
			for (n = 3 + some; some > 0 && n < 6; n += some)
				some = utf8_read(text + n, 8, &point);
			cr_assert_eq(
				aibrix__json_read(text, 12, &value, &offset),
				some ? AIBRIX_OK : AIBRIX_E_PARSE, "%02x %04x",
				lead, rest);
		}
}

Test(json, find_compares_what_a_name_means_and_takes_the_first)
{
	struct json v = new_value("{\"\\u0061b\":1,\"ab\":2,\"abc\":3}"), got;

	cr_assert(aibrix__json_find(&v, "ab", &got));
	cr_expect_eq(*got.at, '1');
	cr_assert(aibrix__json_find(&v, "abc", &got));
	cr_expect_eq(*got.at, '3');
	cr_expect_not(aibrix__json_find(&v, "a", &got));
	cr_expect_not(aibrix__json_find(&v, "", &got));
	v = new_value("[\"ab\"]");
	cr_expect_not(aibrix__json_find(&v, "ab", &got));
}

Test(json, a_path_goes_through_objects_and_arrays)
{
	struct json v = new_value("{\"a\":[{\"b\":7},[8,9]],\"0\":5}"), got;

	cr_assert(aibrix__json_path(&v, "a.0.b", &got));
	cr_expect_eq(*got.at, '7');
	cr_assert(aibrix__json_path(&v, "a.1.1", &got));
	cr_expect_eq(*got.at, '9');
	cr_assert(aibrix__json_path(&v, "0", &got));
	cr_expect_eq(*got.at, '5');
	cr_assert(aibrix__json_path(&v, "", &got));
	cr_expect_eq(got.n, v.n);
	cr_expect_not(aibrix__json_path(&v, "a.2", &got));
	cr_expect_not(aibrix__json_path(&v, "a.-1", &got));
	cr_expect_not(aibrix__json_path(&v, "a..b", &got));
	cr_expect_not(aibrix__json_path(&v, "a.0.b.c", &got));
	cr_expect_not(aibrix__json_path(&v, "a.18446744073709551616", &got));
}

Test(json, unsigned_integers_are_exact_up_to_the_last)
{
	uint64_t x = 7;
	struct json v = new_value("18446744073709551615");

	cr_expect_eq(aibrix__json_u64(&v, &x), AIBRIX_OK);
	cr_expect_eq(x, UINT64_MAX);
	v = new_value("18446744073709551616");
	cr_expect_eq(aibrix__json_u64(&v, &x), AIBRIX_E_SPACE);
	v = new_value("99999999999999999999999");
	cr_expect_eq(aibrix__json_u64(&v, &x), AIBRIX_E_SPACE);
	v = new_value("-1");
	cr_expect_eq(aibrix__json_u64(&v, &x), AIBRIX_E_SPACE);
	cr_expect_eq(x, UINT64_MAX, "output untouched on failure");
	v = new_value("-0");
	cr_expect_eq(aibrix__json_u64(&v, &x), AIBRIX_OK);
	cr_expect_eq(x, 0);
}

Test(json, signed_integers_are_exact_at_both_ends)
{
	int64_t x = 7;
	struct json v = new_value("-9223372036854775808");

	cr_expect_eq(aibrix__json_i64(&v, &x), AIBRIX_OK);
	cr_expect_eq(x, INT64_MIN);
	v = new_value("9223372036854775807");
	cr_expect_eq(aibrix__json_i64(&v, &x), AIBRIX_OK);
	cr_expect_eq(x, INT64_MAX);
	v = new_value("9223372036854775808");
	cr_expect_eq(aibrix__json_i64(&v, &x), AIBRIX_E_SPACE);
	v = new_value("-9223372036854775809");
	cr_expect_eq(aibrix__json_i64(&v, &x), AIBRIX_E_SPACE);
	v = new_value("-0");
	cr_expect_eq(aibrix__json_i64(&v, &x), AIBRIX_OK);
	cr_expect_eq(x, 0);
}

Test(json, what_is_no_whole_number_is_no_integer)
{
	static const char *const others[] = {"1.0", "1e3",  "\"1\"",
					     "[1]", "null", "true"};
	uint64_t u = 7;
	int64_t i = 7;

	for (size_t k = 0; k < 6; k++) {
		struct json v = new_value(others[k]);

		cr_expect_eq(aibrix__json_u64(&v, &u), AIBRIX_E_PARSE);
		cr_expect_eq(aibrix__json_i64(&v, &i), AIBRIX_E_PARSE);
	}
	cr_expect_eq(u, 7);
	cr_expect_eq(i, 7);
}

Test(json, a_text_is_decoded)
{
	struct json v = new_value("\"a\\n\\u00e9\\u20ac\\ud834\\udd1e\xc3\xa9"
				  "\\u0000z\"");
	char out[16];
	size_t n = 0;

	cr_assert_eq(aibrix__json_text(&v, out, sizeof(out), &n), AIBRIX_OK);
	cr_expect_eq(n, 15);
	cr_expect_eq(memcmp(out,
			    "a\n\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\xc3\xa9"
			    "\0z",
			    15),
		     0);
}

Test(json, a_text_that_does_not_fit_says_what_it_needs)
{
	struct json v = new_value("\"abc\"");
	char out[3] = "xy";
	size_t n = 0;

	cr_expect_eq(aibrix__json_text(&v, out, 2, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, 3);
	cr_expect_str_eq(out, "xy", "nothing is written");
	cr_expect_eq(aibrix__json_text(&v, out, 3, &n), AIBRIX_OK);
	v = new_value("12");
	cr_expect_eq(aibrix__json_text(&v, out, 3, &n), AIBRIX_E_PARSE);
}

Test(json, equality_is_of_meaning_and_of_strings_only)
{
	struct json v = new_value("\"\\u0061\\/\"");

	cr_expect(aibrix__json_is(&v, "a/"));
	cr_expect_not(aibrix__json_is(&v, "a"));
	cr_expect_not(aibrix__json_is(&v, "a/b"));
	v = new_value("1");
	cr_expect_not(aibrix__json_is(&v, "1"));
}
