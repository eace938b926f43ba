/*
 * The text of a body that routing looks at, as AIBrix's gateway has it
 * (pkg/plugins/gateway/util.go): what prefix tables hash, so that a gateway
 * beside AIBrix's hashes the same.
 *
 * What it is made of is found first, and with it a bound on its length: no
 * string means more bytes than it is written with.  Only where that does not
 * fit is the length counted.  So a caller's buffer is written when all of it
 * fits, or not at all.
 *
 * Unlike AIBrix, where content that is null says "null" and a member that is
 * there twice counts the last time: null says nothing, twice is refused.
 */

#include <string.h>

#include <aibrix/base.h>

#include "rewrite/rewrite_internal.h"

enum { VALUES = 64 }; /* most chats are shorter */

struct text {
	char *out;                  /* NULL: nothing is written */
	uint64_t n;                 /* bytes */
	uint64_t bound;             /* of n, found before */
	int exact;                  /* n counts, else it is the bound */
	uint32_t parts;             /* so far */
	struct json values[VALUES]; /* the first of them */
	const struct source *source;
	struct fault *fault;
};

static void
text_bytes(struct text *t, const char *bytes, size_t n)
{
	if (t->out)
		memcpy(t->out + t->n, bytes, n);
	t->n += n;
}

/* A string as what it means, anything else as it is, none as nothing. */
static void
text_value(struct text *t, const struct json *value)
{
	size_t n;

	if (t->parts > 0)
		text_bytes(t, " ", 1);
	if (!t->exact && t->parts < VALUES)
		t->values[t->parts] = *value;
	t->parts++;
	if (value->type != JSON_STRING || !t->exact) {
		text_bytes(t, value->at, value->n);
		return;
	}
	(void)aibrix__json_text(value, t->out ? t->out + t->n : NULL,
				t->out ? t->bound - t->n : 0, &n);
	t->n += n;
}

static int
text_refuse(struct text *t, uint32_t why, const struct json *value)
{
	return aibrix__rewrite_refuse(t->fault, why, t->source, value->at);
}

/* Members of an array: their contents, or themselves where they are to be
 * strings.  An empty one is as good as none. */
static int
text_items(struct text *t, const struct json *array, int contents)
{
	static const char *const names[] = {"content"};
	struct json_walk walk = aibrix__json_walk(array);
	struct json item, content;
	uint32_t n = 0;

	if (array->n > 0 && array->type != JSON_ARRAY)
		return text_refuse(t, AIBRIX_REWRITE_WHY_TYPE, array);
	for (; aibrix__json_next(&walk, NULL, &item); n++) {
		struct source part;
		int err;

		if (item.type != (contents ? JSON_OBJECT : JSON_STRING))
			return text_refuse(t, AIBRIX_REWRITE_WHY_TYPE, &item);
		if (!contents) {
			text_value(t, &item);
			continue;
		}
		part = aibrix__source_part(t->source, item.at, item.n);
		err = aibrix__members_read(&part, names, &content, 1, t->fault);
		if (err)
			return err;
		text_value(t, &content);
	}
	return n > 0 ? AIBRIX_OK
		     : text_refuse(t, AIBRIX_REWRITE_WHY_MISSING, array);
}

/* A string that says something. */
static int
text_string(struct text *t, const struct json *value)
{
	if (value->n > 0 && value->type != JSON_STRING)
		return text_refuse(t, AIBRIX_REWRITE_WHY_TYPE, value);
	if (value->n <= 2) /* the quotes */
		return text_refuse(t, AIBRIX_REWRITE_WHY_MISSING, value);
	text_value(t, value);
	return AIBRIX_OK;
}

/* values: of the members that message_names has. */
static int
text_build(struct text *t, uint32_t api, const struct json *values)
{
	int err;

	switch (api) {
	case AIBRIX_REWRITE_CHAT: return text_items(t, &values[0], 1);
	case AIBRIX_REWRITE_COMPLETION:
		if (values[0].n > 0 && values[0].type != JSON_STRING)
			return text_refuse(t, AIBRIX_REWRITE_WHY_TYPE,
					   &values[0]);
		text_value(t, &values[0]);
		return AIBRIX_OK;
	case AIBRIX_REWRITE_RESPONSES:
		if (values[0].type != JSON_STRING)
			return text_items(t, &values[0], 1);
		text_value(t, &values[0]);
		return AIBRIX_OK;
	case AIBRIX_REWRITE_RERANK:
		err = text_string(t, &values[0]);
		return err ? err : text_items(t, &values[1], 0);
	case AIBRIX_REWRITE_CLASSIFY:
		return values[0].type == JSON_STRING
			       ? text_string(t, &values[0])
			       : text_items(t, &values[0], 0);
	}
	return AIBRIX_OK;
}

/* Once more, counting or writing: without another walk if there is not much. */
static void
text_again(struct text *t, char *out, uint32_t api, const struct json *values)
{
	uint32_t parts = t->parts;

	t->out = out;
	t->n = 0;
	t->exact = 1;
	t->parts = 0;
	if (parts > VALUES)
		(void)text_build(t, api, values); /* it was built before */
	for (uint32_t i = 0; parts <= VALUES && i < parts; i++)
		text_value(t, &t->values[i]);
}

static int
message(const aibrix_rewrite_opts *opts, const struct source *body,
	aibrix_rewrite_out *out, struct fault *fault)
{
	static const char *const names[][2] = {
		{"messages", ""},       {"prompt", ""}, {"input", ""},
		{"query", "documents"}, {"input", ""},  {"", ""},
	};
	static const uint32_t n_names[] = {1, 1, 1, 2, 1, 0};
	struct json values[2];
	struct text t;
	int err;

	err = aibrix__members_read(body, names[opts->api], values,
				   n_names[opts->api], fault);
	if (err)
		return err;
	t.out = NULL;
	t.n = 0;
	t.exact = 0;
	t.parts = 0;
	t.source = body;
	t.fault = fault;
	err = text_build(&t, opts->api, values);
	if (err)
		return err;
	t.bound = t.n;
	if (t.bound > out->text_cap)
		text_again(&t, NULL, opts->api, values);
	if (t.n <= out->text_cap && out->text)
		text_again(&t, out->text, opts->api, values);
	out->bytes = out->text_bytes = t.n;
	out->n_pieces = 0;
	return t.n <= out->text_cap ? AIBRIX_OK : AIBRIX_E_SPACE;
}

int
aibrix_rewrite_message(const aibrix_rewrite_opts *opts, const void *body,
		       size_t n, aibrix_rewrite_out *out)
{
	aibrix_rewrite_opts o;
	aibrix_rewrite_out mine;
	struct source source;
	struct fault fault;
	int err;

	err = aibrix__opts_load(&o, opts);
	if (!err)
		err = aibrix__out_load(&mine, out);
	if (!err && mine.pieces)
		err = AIBRIX_E_INVAL;
	if (!err)
		err = aibrix__source_take(&source, body, n, 0, &o, &fault);
	if (!err)
		err = message(&o, &source, &mine, &fault);
	return aibrix__out_end(out, &mine, err, &fault);
}
