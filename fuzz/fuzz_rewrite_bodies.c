/*
 * Any bytes as a request's body and a prefill's response, for any engine.
 * What comes out is JSON again; members that no engine is told are the same
 * bytes in the same order; a second pass changes nothing; pieces joined are
 * the body; a fault lies inside its input.
 *
 * Input: engine, connector and interface, two bytes of the response's
 * length, the response, the body.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/rewrite.h>

#include "base/json.h"

#include "../tests/model/rewrite_told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int right)
{
	if (!right)
		abort();
}

struct bytes {
	char *at;
	size_t n;
};

/* On a heap block of its exact size. */
static struct bytes
bytes_new(const void *from, size_t n)
{
	struct bytes b = {malloc(n + !n), n};

	check(b.at != NULL);
	if (from && n)
		memcpy(b.at, from, n);
	return b;
}

struct work {
	aibrix_rewrite_opts opts;
	struct bytes body, response;
};

static int
run(const struct work *w, int decode, const struct bytes *body,
    aibrix_rewrite_out *out)
{
	if (!decode)
		return aibrix_rewrite_prefill(&w->opts, body->at, body->n, out);
	return aibrix_rewrite_decode(&w->opts, body->at, body->n,
				     w->response.at, w->response.n, out);
}

static int
is_told(const struct json *key)
{
	for (size_t i = 0; i < TOLD; i++)
		if (aibrix__json_is(key, told[i]))
			return 1;
	return 0;
}

/* The next member that no engine is told. */
static int
next_other(struct json_walk *walk, struct json *key, struct json *value)
{
	while (aibrix__json_next(walk, key, value))
		if (!is_told(key))
			return 1;
	return 0;
}

static int
same(const struct json *a, const struct json *b)
{
	return a->n == b->n && memcmp(a->at, b->at, a->n) == 0;
}

static void
check_members(const struct bytes *before, const struct bytes *after)
{
	struct json was, is, key_was, key_is, value_was, value_is;
	struct json_walk walk_was, walk_is;
	size_t offset;

	check(aibrix__json_read(before->at, before->n, &was, &offset) == 0);
	check(aibrix__json_read(after->at, after->n, &is, &offset) == 0);
	check(is.type == JSON_OBJECT);
	walk_was = aibrix__json_walk(&was);
	walk_is = aibrix__json_walk(&is);
	while (next_other(&walk_was, &key_was, &value_was)) {
		check(next_other(&walk_is, &key_is, &value_is));
		check(same(&key_was, &key_is) && same(&value_was, &value_is));
	}
	check(!next_other(&walk_is, &key_is, &value_is));
}

static void
check_pieces(const struct work *w, int decode, const struct bytes *after)
{
	aibrix_rewrite_piece pieces[AIBRIX_REWRITE_PIECES_MAX];
	char text[AIBRIX_REWRITE_TEXT_MAX];
	aibrix_rewrite_out out = {.size = sizeof(out),
				  .text = text,
				  .text_cap = sizeof(text),
				  .pieces = pieces,
				  .pieces_cap = AIBRIX_REWRITE_PIECES_MAX};
	size_t at = 0;

	check(run(w, decode, &w->body, &out) == AIBRIX_OK);
	check(out.bytes == after->n);
	for (uint32_t i = 0; i < out.n_pieces; i++) {
		check(pieces[i].n <= after->n - at);
		check(memcmp(after->at + at, pieces[i].at, pieces[i].n) == 0);
		at += pieces[i].n;
	}
	check(at == after->n);
}

static void
check_fault(const struct work *w, int err, const aibrix_rewrite_out *out)
{
	check(err == AIBRIX_E_PARSE);
	check(out->why >= AIBRIX_REWRITE_WHY_BYTES &&
	      out->why <= AIBRIX_REWRITE_WHY_MISSING);
	check(out->input <= 1);
	check(out->offset <= (out->input ? w->response.n : w->body.n));
}

static void
try_body(const struct work *w, int decode)
{
	aibrix_rewrite_out out = {.size = sizeof(out)};
	int err = run(w, decode, &w->body, &out);
	struct bytes once, twice;

	if (err != AIBRIX_E_SPACE) {
		check_fault(w, err, &out);
		return;
	}
	once = bytes_new(NULL, out.text_bytes);
	out.text = once.at;
	out.text_cap = once.n;
	check(run(w, decode, &w->body, &out) == AIBRIX_OK);
	check(out.bytes == once.n);
	check_members(&w->body, &once);
	check_pieces(w, decode, &once);
	twice = bytes_new(NULL, once.n);
	out.text = twice.at;
	check(run(w, decode, &once, &out) == AIBRIX_OK);
	check(out.bytes == once.n && memcmp(once.at, twice.at, once.n) == 0);
	free(once.at);
	free(twice.at);
}

static void
try_message(struct work *w, uint32_t api)
{
	aibrix_rewrite_out out = {.size = sizeof(out)};
	struct bytes text;
	int err;

	w->opts.api = api;
	err = aibrix_rewrite_message(&w->opts, w->body.at, w->body.n, &out);
	if (err == AIBRIX_OK) {
		check(out.bytes == 0);
		return;
	}
	if (err != AIBRIX_E_SPACE) {
		check_fault(w, err, &out);
		return;
	}
	text = bytes_new(NULL, out.text_bytes);
	out.text = text.at;
	out.text_cap = text.n;
	check(aibrix_rewrite_message(&w->opts, w->body.at, w->body.n, &out) ==
	      AIBRIX_OK);
	check(out.bytes == text.n && text.n <= w->body.n);
	free(text.at);
}

static void
try_params(const struct work *w)
{
	aibrix_rewrite_piece params = {NULL, 0};
	aibrix_rewrite_out out = {.size = sizeof(out)};
	struct json value;
	size_t offset;
	int err = aibrix_rewrite_params(&w->opts, w->response.at, w->response.n,
					&params, &out);
	const char *at = params.at;

	if (err == AIBRIX_E_NOT_FOUND)
		return;
	if (err) {
		check_fault(w, err, &out);
		return;
	}
	check(at >= w->response.at &&
	      at + params.n <= w->response.at + w->response.n);
	check(aibrix__json_read(at, params.n, &value, &offset) == 0);
	check(value.type == JSON_OBJECT && value.n == params.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct work w = {.opts = {.size = sizeof(w.opts),
				  .host = "10.0.0.1",
				  .request_id = "r",
				  .engine_id = "e",
				  .id = 1234567890123456789}};
	size_t n;

	if (len < 4 || len > 1 << 16)
		return 0;
	n = (size_t)data[2] | (size_t)data[3] << 8;
	if (n > len - 4)
		n = len - 4;
	w.opts.engine = data[0] % 4;
	w.opts.rid = data[0] & 4 ? "rid" : NULL;
	w.opts.flags = data[0] >> 7;
	w.opts.connector = data[1] % 3;
	w.opts.api = data[1] / 3 % 6;
	w.response = bytes_new(data + 4, n);
	w.body = bytes_new(data + 4 + n, len - 4 - n);
	try_body(&w, 0);
	try_body(&w, 1);
	try_params(&w);
	for (uint32_t api = 0; api < 6; api++)
		try_message(&w, api);
	free(w.response.at);
	free(w.body.at);
	return 0;
}
