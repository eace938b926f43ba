/*
 * Bodies made at random, rewritten by the library as bytes and by jansson as
 * trees, the way AIBrix's gateway does it (pkg/plugins/gateway/algorithms/pd:
 * unmarshal, set, delete, marshal).  Both must mean the same; and members
 * that nobody edits must be in the library's body as they were written,
 * blanks and all.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include <aibrix/rewrite.h>

#include "base/rand.h"
#include "rewrite_told.h"

enum { CAP = 1 << 16, PROGRAMS = 4000, MEMBERS_MAX = 12 };

/* ---- text at random */

struct text {
	char at[CAP];
	size_t n;
	uint64_t *state;
};

static void __attribute__((format(printf, 2, 3)))
put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->n, CAP - t->n, format, args);
	va_end(args);
	cr_assert(n >= 0 && (size_t)n < CAP - t->n);
	t->n += (size_t)n;
}

static uint32_t
below(struct text *t, uint32_t n)
{
	return rand_below(t->state, n);
}

static void
put_blanks(struct text *t)
{
	static const char *const blanks[] = {"", "", "", " ", "\n\t", "  \r\n"};

	put(t, "%s", blanks[below(t, 6)]);
}

static void
put_string(struct text *t)
{
	static const char *const some[] = {
		"a",
		"\\n",
		"\\\"",
		"\\\\",
		"\\u00e9",
		"\xc3\xa9",
		"\\ud83d\\ude00",
		"\xf0\x9f\x98\x80",
		"\\/",
		"{\\\"a\\\":1}",
		",",
		"]",
		"min_tokens",
		"0123456789abcdef",
	};

	put(t, "\"");
	for (uint32_t n = below(t, 8); n > 0; n--)
		put(t, "%s", some[below(t, 14)]);
	put(t, "\"");
}

static void
put_number(struct text *t)
{
	switch (below(t, 5)) {
	case 0: put(t, "%d", (int)below(t, 100)); return;
	case 1: put(t, "%lld", (long long)rand_next(t->state)); return;
	case 2: put(t, "9007199254740993"); return;
	case 3:
		put(t, "-%u.%03ue+%u", below(t, 9), below(t, 999), below(t, 9));
		return;
	default: put(t, "0.1");
	}
}

static void
put_value(struct text *t, int depth)
{
	uint32_t kind = below(t, depth < 4 ? 7 : 5), n = below(t, 4);

	switch (kind) {
	case 0: put(t, "null"); return;
	case 1: put(t, below(t, 2) ? "true" : "false"); return;
	case 2: put_number(t); return;
	case 3:
	case 4: put_string(t); return;
	}
	put(t, kind == 5 ? "[" : "{");
	for (uint32_t i = 0; i < n; i++) {
		put(t, i ? "," : "");
		put_blanks(t);
		if (kind == 6)
			put(t, "\"k%u\":", i);
		put_value(t, depth + 1);
		put_blanks(t);
	}
	put(t, kind == 5 ? "]" : "}");
}

/* ---- a body, and where its members that nobody edits are */

struct body {
	struct text text;
	struct {
		size_t at, n;
	} other[MEMBERS_MAX];
	uint32_t others;
};

static void
body_make(struct body *b, uint64_t *state)
{
	struct text *t = &b->text;
	uint32_t n, used = 0;

	t->n = 0;
	t->state = state;
	b->others = 0;
	put_blanks(t);
	put(t, "{");
	n = below(t, MEMBERS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t name = below(t, 2 * TOLD);
		size_t at;

		put(t, i ? "," : "");
		put_blanks(t);
		at = t->n;
		if (name < TOLD && !(used >> name & 1)) {
			used |= 1u << name;
			put(t, "\"%s\"", told[name]);
		} else {
			name = TOLD;
			put(t, "\"other%u\"", i);
		}
		put_blanks(t);
		put(t, ":");
		put_blanks(t);
		put_value(t, 0);
		if (name == TOLD) {
			b->other[b->others].at = at;
			b->other[b->others++].n = t->n - at;
		}
		put_blanks(t);
	}
	put(t, "}");
	put_blanks(t);
}

static void
response_make(struct text *t, uint64_t *state)
{
	uint32_t kind;

	t->n = 0;
	t->state = state;
	kind = below(t, 4);
	put(t, "{\"id\":");
	put_value(t, 0);
	if (kind > 0)
		put(t, ",\"kv_transfer_params\":{\"x\":%llu%s}",
		    (unsigned long long)rand_next(state) >> 1,
		    kind > 1 ? ",\"remote_host\":null" : "");
	if (kind == 1)
		put(t, ",\"disaggregated_params\":{\"request_type\":1,"
		       "\"b\":[1]}");
	if (kind == 2)
		put(t, ",\"choices\":[{\"disaggregated_params\":{\"b\":2}}]");
	if (below(t, 2))
		put(t, ",\"prompt_token_ids\":[1,2,3]");
	put(t, "}");
}

/* ---- the model */

/* What is planted to see that it is found. */
enum { SOUND, KEEPS_MIN_TOKENS, FORGETS_HOST };

static json_t *
parse(const char *text, size_t n)
{
	json_error_t error;
	json_t *value = json_loadb(text, n, JSON_ALLOW_NUL, &error);

	cr_assert_not_null(value, "%s: %.*s", error.text, (int)n, text);
	return value;
}

static void
model_vllm(json_t *body, const aibrix_rewrite_opts *o, json_t *response,
	   int decode, int fault)
{
	json_t *params = json_object_get(response, "kv_transfer_params");

	json_object_del(body, "kv_transfer_params");
	json_object_del(body, "disagg_prefill_resp");
	if (o->connector == AIBRIX_REWRITE_NIXL && decode)
		json_object_set(body, "disagg_prefill_resp", response);
	if (o->connector != AIBRIX_REWRITE_SHFS)
		return;
	if (!decode) {
		json_object_set_new(
			body, "kv_transfer_params",
			json_pack("{s:b,s:b,s:n,s:n,s:n,s:n}",
				  "do_remote_decode", 1, "do_remote_prefill", 0,
				  "remote_engine_id", "remote_block_ids",
				  "remote_host", "remote_port"));
	} else if (params) {
		if (fault != FORGETS_HOST)
			json_object_set_new(params, "remote_host",
					    json_string(o->host));
		json_object_set(body, "kv_transfer_params", params);
	}
}

static void
model_sglang(json_t *body, const aibrix_rewrite_opts *o)
{
	json_object_set_new(body, "bootstrap_host", json_string(o->host));
	json_object_set_new(body, "bootstrap_port", json_integer(8998));
	json_object_set_new(body, "bootstrap_room",
			    json_integer((json_int_t)o->id));
}

static void
model_trt(json_t *body, const aibrix_rewrite_opts *o, json_t *response,
	  int decode)
{
	json_t *params = json_object_get(response, "disaggregated_params");
	json_t *ids = json_object_get(response, "prompt_token_ids");

	json_object_del(body, "disaggregated_params");
	if (!decode) {
		json_object_set_new(
			body, "disaggregated_params",
			json_pack("{s:s,s:I}", "request_type", "context_only",
				  "disagg_request_id", (json_int_t)o->id));
		return;
	}
	if (!params)
		params = json_object_get(
			json_array_get(json_object_get(response, "choices"), 0),
			"disaggregated_params");
	if (!params)
		return;
	json_object_set_new(params, "request_type",
			    json_string("generation_only"));
	json_object_set(body, "disaggregated_params", params);
	if (ids)
		json_object_set(body,
				o->api == AIBRIX_REWRITE_CHAT
					? "prompt_token_ids"
					: "prompt",
				ids);
}

static void
model(json_t *body, const aibrix_rewrite_opts *o, json_t *response, int decode,
      int fault)
{
	if (!decode) {
		json_object_set_new(body, "max_tokens", json_integer(1));
		if (o->engine == AIBRIX_REWRITE_TRTLLM)
			json_object_del(body, "max_completion_tokens");
		else
			json_object_set_new(body, "max_completion_tokens",
					    json_integer(1));
		json_object_set_new(body, "stream", json_false());
		json_object_del(body, "stream_options");
		if (fault != KEEPS_MIN_TOKENS)
			json_object_del(body, "min_tokens");
	}
	if (o->engine == AIBRIX_REWRITE_VLLM)
		model_vllm(body, o, response, decode, fault);
	else if (o->engine == AIBRIX_REWRITE_SGLANG)
		model_sglang(body, o);
	else if (o->engine == AIBRIX_REWRITE_TRTLLM)
		model_trt(body, o, response, decode);
}

/* ---- both */

static struct body body;
static struct text response;
static char after[CAP];

/* Members that nobody edits, as they were written and in their order. */
static int
others_stay(size_t n)
{
	const char *at = after, *end = after + n;

	for (uint32_t i = 0; i < body.others; i++) {
		const char *want = body.text.at + body.other[i].at;
		size_t len = body.other[i].n;

		while ((size_t)(end - at) >= len && memcmp(at, want, len) != 0)
			at++;
		if ((size_t)(end - at) < len)
			return 0;
		at += len;
	}
	return 1;
}

/* 1 when both are the same. */
static int
agree(const aibrix_rewrite_opts *o, int decode, int fault)
{
	aibrix_rewrite_out out = {
		.size = sizeof(out), .text = after, .text_cap = CAP};
	json_t *wanted, *answer, *got;
	int err, same;

	err = decode ? aibrix_rewrite_decode(o, body.text.at, body.text.n,
					     response.at, response.n, &out)
		     : aibrix_rewrite_prefill(o, body.text.at, body.text.n,
					      &out);
	cr_assert_eq(err, AIBRIX_OK, "%d at %lu of %.*s", err,
		     (unsigned long)out.offset, (int)body.text.n, body.text.at);
	wanted = parse(body.text.at, body.text.n);
	answer = parse(response.at, response.n);
	model(wanted, o, answer, decode, fault);
	got = parse(after, out.bytes);
	same = json_equal(wanted, got) && others_stay(out.bytes);
	json_decref(wanted);
	json_decref(answer);
	json_decref(got);
	return same;
}

/* Programs in which library and model differ. */
static uint32_t
programs(int fault)
{
	uint64_t state = 20260822;
	uint32_t differ = 0;

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		aibrix_rewrite_opts o = {.size = sizeof(o), .host = "10.0.0.1"};
		int same;

		o.engine = rand_below(&state, 4);
		o.connector = rand_below(&state, 2);
		o.api = rand_below(&state, 2);
		o.id = rand_next(&state) >> 1;
		body_make(&body, &state);
		response_make(&response, &state);
		same = agree(&o, 0, fault) && agree(&o, 1, fault);
		differ += !same;
		if (fault == SOUND)
			cr_assert(same, "program %u, engine %u: %.*s", i,
				  o.engine, (int)body.text.n, body.text.at);
	}
	return differ;
}

Test(model_rewrite, bytes_and_trees_are_rewritten_alike)
{
	cr_expect_eq(programs(SOUND), 0u);
}

Test(model_rewrite, a_planted_fault_is_found)
{
	cr_expect_gt(programs(KEEPS_MIN_TOKENS), 100u);
	cr_expect_gt(programs(FORGETS_HOST), 100u);
}
