/*
 * A chat body of 100 kB becomes the prefill pod's: what it costs against
 * copying the same bytes, and against a tree that is read, changed and
 * written.
 *
 * The text is made of words, with an escaped line feed about every 70
 * characters and a quote now and then, as prompts with code in them have;
 * in the second body three quarters of the bytes are CJK.
 */

#include <stdint.h>
#include <string.h>

#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

#include <aibrix/rewrite.h>

#include "base/rand.h"
#include "bench.h"
#include "bench_route.h"

enum { BODY = 100000, CAP = 2 * BODY };

struct bed {
	char body[CAP], text[CAP];
	size_t n;
	aibrix_rewrite_opts opts;
};

static size_t
append(struct bed *b, const char *text)
{
	size_t n = strlen(text);

	memcpy(b->body + b->n, text, n);
	b->n += n;
	return n;
}

static void
content_make(struct bed *b, uint64_t *state, size_t bytes, int cjk)
{
	static const char *const latin[] = {"the ",    "routing ", "of ",
					    "prompt ", "blocks ",  "is ",
					    "x = 1; ", "cache "};
	static const char *const wide[] = {
		"\xe8\xaf\xb7", "\xe7\xbc\x93", "\xe5\xad\x98", "\xe8\xb7\xaf",
		"\xe7\x94\xb1", "\xe7\x9a\x84", "\xe3\x80\x82", "kv "};
	size_t line = 0;

	for (size_t end = b->n + bytes; b->n < end;) {
		uint32_t pick = rand_below(state, 8);

		line += append(b, cjk ? wide[pick] : latin[pick]);
		if (line > 64) {
			append(b, rand_below(state, 4) ? "\\n" : " \\\"q\\\" ");
			line = 0;
		}
	}
}

static void
bed_fill(struct bed *b, int cjk)
{
	uint64_t state = 5;

	b->n = 0;
	b->opts = (aibrix_rewrite_opts){.size = sizeof(b->opts),
					.engine = AIBRIX_REWRITE_SGLANG,
					.host = "10.0.0.1",
					.id = 1234567890123456789};
	append(b, "{\"model\":\"m\",\"stream\":true,\"messages\":[");
	for (int i = 0; i < 20; i++) {
		append(b, i ? ",{\"role\":\"user\",\"content\":\""
			    : "{\"role\":\"system\",\"content\":\"");
		content_make(b, &state, BODY / 20 - 40, cjk);
		append(b, "\"}");
	}
	append(b, "],\"max_tokens\":256,\"temperature\":0.7}");
}

static void
prefill(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	aibrix_rewrite_out out = {
		.size = sizeof(out), .text = b->text, .text_cap = CAP};

	while (n--)
		bench_check(aibrix_rewrite_prefill(&b->opts, b->body, b->n,
						   &out) == AIBRIX_OK,
			    "aibrix_rewrite_prefill");
}

static void
prefill_pieces(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	aibrix_rewrite_piece pieces[AIBRIX_REWRITE_PIECES_MAX];
	aibrix_rewrite_out out = {.size = sizeof(out),
				  .text = b->text,
				  .text_cap = CAP,
				  .pieces = pieces,
				  .pieces_cap = AIBRIX_REWRITE_PIECES_MAX};

	while (n--)
		bench_check(aibrix_rewrite_prefill(&b->opts, b->body, b->n,
						   &out) == AIBRIX_OK,
			    "aibrix_rewrite_prefill");
}

static void
message(void *ctx, uint64_t n)
{
	struct bed *b = ctx;
	aibrix_rewrite_out out = {
		.size = sizeof(out), .text = b->text, .text_cap = CAP};

	while (n--)
		bench_check(aibrix_rewrite_message(&b->opts, b->body, b->n,
						   &out) == AIBRIX_OK,
			    "aibrix_rewrite_message");
}

static void
copy(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	while (n--) {
		memcpy(b->text, b->body, b->n);
		BENCH_KEEP(b->text[b->n / 2]);
	}
}

#ifdef HAVE_JANSSON
/* Unlike ours it loses the order of members and the digits of numbers. */
static void
tree(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	while (n--) {
		json_t *body = json_loadb(b->body, b->n, 0, NULL);

		bench_check(body != NULL, "json_loadb");
		json_object_set_new(body, "max_tokens", json_integer(1));
		json_object_set_new(body, "max_completion_tokens",
				    json_integer(1));
		json_object_set_new(body, "stream", json_false());
		json_object_set_new(body, "bootstrap_host",
				    json_string(b->opts.host));
		json_object_set_new(body, "bootstrap_port", json_integer(8998));
		json_object_set_new(body, "bootstrap_room",
				    json_integer((json_int_t)b->opts.id));
		bench_check(json_dumpb(body, b->text, CAP, JSON_COMPACT) > 0,
			    "json_dumpb");
		json_decref(body);
	}
}
#endif

static struct bed bed;

static void
row_tree(const struct bench *b)
{
	static const struct bench_row row = {"rewrite_100k_tree", "GB/s",
					     "of the body, prefill", 1e-9};

#ifdef HAVE_JANSSON
	const struct bench_peer ours = {"ours", prefill, &bed, (double)bed.n};
	const struct bench_peer peer = {"jansson: load, set, dump", tree, &bed,
					(double)bed.n};

	bench_run(b, &row, &ours, &peer);
#else
	bench_missing(b, &row);
#endif
}

void
bench_route_rewrite(const struct bench *b)
{
	static const struct {
		struct bench_row row;
		bench_fn fn;
	} rows[] = {
		{{"rewrite_100k", "GB/s", "bound 1 GB/s; SGLang, prefill",
		  1e-9},
		 prefill},
		{{"rewrite_100k_pieces", "GB/s", "for writev: nothing copied",
		  1e-9},
		 prefill_pieces},
		{{"message_100k", "GB/s", "the text for routing", 1e-9},
		 message},
	};
	static const struct bench_row wide = {"rewrite_100k_cjk", "GB/s",
					      "3 of 4 bytes are CJK", 1e-9};
	struct bench_peer floor = {"memcpy", copy, &bed, 0};

	bed_fill(&bed, 0);
	floor.ops = (double)bed.n;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct bench_peer ours = {"ours", rows[i].fn, &bed,
						(double)bed.n};

		bench_run(b, &rows[i].row, &ours, &floor);
	}
	row_tree(b);
	bed_fill(&bed, 1);
	floor.ops = (double)bed.n;
	bench_run(b, &wide,
		  &(struct bench_peer){"ours", prefill, &bed, (double)bed.n},
		  &floor);
}
