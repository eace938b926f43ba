/*
 * gateway_pick: what the author of a proxy starts from.
 *
 * Reads JSON lines on stdin, what happens in a fleet and which requests
 * arrive, and writes a JSON line for each request: the pod to send it to.
 *
 *   {"pod": "10.0.0.1:8000", "metrics": {"kv_usage_ratio": 0.4}}
 *   {"stored": "10.0.0.1:8000", "tokens": [1, 2, ...]}
 *   {"request": "r1", "tokens": [1, 2, ...], "strategy": "prefix-cache"}
 *   {"first_token": "r1"}
 *   {"end": "r1"}
 *   {"gone": "10.0.0.1:8000"}
 *
 * The decisions are in gateway.c: a proxy makes the same calls.  A line that
 * is wrong is told on stderr and passed over; each request whose id can be
 * read gets its answer, be it an error.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "gateway.h"

enum { LINE_BYTES_MAX = 16 << 20, TEXT_BYTES_MAX = 200, EXIT_USAGE = 2 };

static const char help_text[] =
	"Usage: gateway_pick [options] < LINES\n"
	"\n"
	"Reads a fleet's state and requests as JSON lines, and writes the pod "
	"for each\n"
	"request as a JSON line.\n"
	"\n"
	"  {\"pod\": NAME}             a pod, new or known, perhaps with\n"
	"      \"healthy\": BOOL, \"metrics\": {NAME: NUMBER or null}\n"
	"  {\"stored\": POD, \"tokens\": [T, ...]}   it holds this prompt's "
	"blocks\n"
	"  {\"request\": ID, \"tokens\": [T, ...]}   answered; perhaps with\n"
	"      \"strategy\": TEXT, \"session\": TEXT\n"
	"  {\"first_token\": ID}       its prompt is computed\n"
	"  {\"end\": ID}               it has ended, well or not\n"
	"  {\"gone\": POD}             no such pod any more\n"
	"\n"
	"Any line may say \"now_ms\": N; else this machine's clock counts.\n"
	"\n"
	"  --strategy TEXT      of requests that name none [cost]\n"
	"  --block-tokens N     tokens of a block [16]\n"
	"  --help               this text\n";

typedef struct reader {
	gateway gate;
	json_t *pods;     /* name: row */
	json_t *requests; /* id: ticket */
	uint32_t *tokens;
	uint64_t n_tokens;
	uint64_t line;
	uint64_t now_ns;
	uint64_t bad; /* lines */
} reader;

/* The line is passed over; those after it are not. */
static void
line_bad(reader *in, const char *what, const char *detail)
{
	in->bad++;
	fprintf(stderr, "gateway_pick: line %llu: %s%s%.200s\n",
		(unsigned long long)in->line, what, detail ? ": " : "",
		detail ? detail : "");
}

static int
status_check(reader *in, const char *what, int status)
{
	if (status != AIBRIX_OK)
		line_bad(in, what, aibrix_strerror(status));
	return status;
}

/* The text under key, NULL if there is none.  -1: a message was printed. */
static int
text_take(reader *in, const json_t *line, const char *key, const char **out)
{
	const json_t *value = json_object_get(line, key);
	size_t n = json_string_length(value);

	*out = json_string_value(value);
	if (!value || (n >= 1 && n <= TEXT_BYTES_MAX))
		return 0;
	line_bad(in, key, "not a text of 1 to 200 bytes");
	return -1;
}

/* The row of a pod that is known.  -1: a message was printed. */
static int
row_take(reader *in, const json_t *line, const char *key, uint32_t *row)
{
	const char *name;
	const json_t *known;

	if (text_take(in, line, key, &name) != 0)
		return -1;
	known = json_object_get(in->pods, name);
	if (!known) {
		line_bad(in, "no such pod", name);
		return -1;
	}
	*row = (uint32_t)json_integer_value(known);
	return 0;
}

/* A line counts whole or not at all. */
static int
metrics_check(reader *in, json_t *values)
{
	const char *name;
	json_t *value;

	if (values && !json_is_object(values)) {
		line_bad(in, "metrics", "not an object");
		return -1;
	}
	json_object_foreach(values, name, value)
	{
		if (gateway_column(name) < 0) {
			line_bad(in, "no such metric", name);
			return -1;
		}
		if (!json_is_number(value) && !json_is_null(value)) {
			line_bad(in, name, "neither a number nor null");
			return -1;
		}
	}
	return 0;
}

/* Known, or new. */
static int
pod_take(reader *in, const char *name, uint32_t *row)
{
	const json_t *known = json_object_get(in->pods, name);
	int status;

	if (known) {
		*row = (uint32_t)json_integer_value(known);
		return AIBRIX_OK;
	}
	status = gateway_join(&in->gate, name, row);
	if (status == AIBRIX_OK &&
	    json_object_set_new(in->pods, name, json_integer(*row)) != 0)
		status = AIBRIX_E_NOMEM;
	return status;
}

static void
line_pod(reader *in, const json_t *line)
{
	const json_t *healthy = json_object_get(line, "healthy");
	json_t *values = json_object_get(line, "metrics");
	const char *name;
	json_t *value;
	uint32_t row;
	int status;

	if (text_take(in, line, "pod", &name) != 0 ||
	    metrics_check(in, values) != 0)
		return;
	if (healthy && !json_is_boolean(healthy)) {
		line_bad(in, "healthy", "neither true nor false");
		return;
	}
	status = pod_take(in, name, &row);
	if (status == AIBRIX_OK && healthy)
		status = gateway_metric(&in->gate, row, AIBRIX_COL_HEALTH_RATIO,
					json_is_true(healthy), in->now_ns);
	json_object_foreach(values, name, value)
	{
		double number = json_is_null(value) ? (double)NAN
						    : json_number_value(value);

		if (status == AIBRIX_OK)
			status = gateway_metric(&in->gate, row,
						(uint32_t)gateway_column(name),
						number, in->now_ns);
	}
	status_check(in, "pod", status);
}

static void
line_gone(reader *in, const json_t *line)
{
	uint32_t row;

	if (row_take(in, line, "gone", &row) != 0)
		return;
	json_object_del(in->pods, in->gate.names[row]);
	status_check(in, "gone", gateway_leave(&in->gate, row));
}

/* -1: a message was printed. */
static int
tokens_take(reader *in, const json_t *line)
{
	const json_t *tokens = json_object_get(line, "tokens");
	size_t n = json_array_size(tokens);

	if (n == 0 || n > GATEWAY_TOKENS_MAX) {
		line_bad(in, "tokens", "not an array of 1 to 1048576");
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *token = json_array_get(tokens, i);
		json_int_t value = json_integer_value(token);

		if (!json_is_integer(token) || value < 0 ||
		    value > UINT32_MAX) {
			line_bad(in, "tokens", "not whole numbers of 32 bits");
			return -1;
		}
		in->tokens[i] = (uint32_t)value;
	}
	in->n_tokens = n;
	return 0;
}

static void
line_stored(reader *in, const json_t *line)
{
	uint32_t row;

	if (row_take(in, line, "stored", &row) == 0 &&
	    tokens_take(in, line) == 0)
		status_check(in, "stored",
			     gateway_stored(&in->gate, row, in->tokens,
					    in->n_tokens));
}

/* fields are given away. */
static void
answer(reader *in, const char *id, json_t *fields)
{
	if (fields &&
	    json_object_set_new(fields, "request", json_string(id)) == 0 &&
	    json_dumpf(fields, stdout, JSON_COMPACT | JSON_SORT_KEYS) == 0)
		putchar('\n');
	else
		line_bad(in, "answer", "out of memory");
	fflush(stdout); /* a proxy waits for it */
	json_decref(fields);
}

/* A status; other than OK a message was printed. */
static int
request_take(reader *in, const json_t *line, const char *id,
	     gateway_pick_result *picked)
{
	gateway_request request = {.id = id, .tokens = in->tokens};
	int status;

	if (json_object_get(in->requests, id)) {
		line_bad(in, "this request has not ended", id);
		return AIBRIX_E_STATE;
	}
	if (text_take(in, line, "strategy", &request.strategy) != 0 ||
	    text_take(in, line, "session", &request.session) != 0 ||
	    tokens_take(in, line) != 0)
		return AIBRIX_E_PARSE;
	request.n_tokens = in->n_tokens;
	status = gateway_pick(&in->gate, &request, in->now_ns, picked);
	if (status == AIBRIX_OK &&
	    json_object_set_new(in->requests, id,
				json_integer((json_int_t)picked->ticket)) != 0)
		status = AIBRIX_E_NOMEM;
	return status_check(in, id, status);
}

static void
line_request(reader *in, const json_t *line)
{
	gateway_pick_result picked;
	const char *id;
	int status;

	if (text_take(in, line, "request", &id) != 0)
		return;
	status = request_take(in, line, id, &picked);
	if (status != AIBRIX_OK)
		answer(in, id,
		       json_pack("{s:s}", "error", aibrix_strerror(status)));
	else
		answer(in, id,
		       json_pack("{s:s, s:s, s:I, s:I}", "pod",
				 in->gate.names[picked.row], "reason",
				 aibrix_route_reason(picked.reason), "held",
				 (json_int_t)picked.held, "blocks",
				 (json_int_t)picked.blocks));
}

/* Its first token, or its end. */
static void
line_progress(reader *in, const json_t *line, const char *key, int ends)
{
	const char *id;
	const json_t *open;
	uint64_t ticket;
	int status;

	if (text_take(in, line, key, &id) != 0)
		return;
	open = json_object_get(in->requests, id);
	if (!open) {
		line_bad(in, "no such request", id);
		return;
	}
	ticket = (uint64_t)json_integer_value(open);
	status = ends ? gateway_end(&in->gate, ticket)
		      : gateway_first_token(&in->gate, ticket, in->now_ns);
	if (ends)
		json_object_del(in->requests, id);
	/* Who was given up owes nothing. */
	if (status != AIBRIX_E_NOT_FOUND)
		status_check(in, key, status);
}

static uint64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
line_take(reader *in, const json_t *line)
{
	const json_t *now_ms = json_object_get(line, "now_ms");
	json_int_t ms = json_integer_value(now_ms);

	if (!json_is_object(line)) {
		line_bad(in, "not an object", NULL);
		return;
	}
	if (now_ms &&
	    (!json_is_integer(now_ms) || ms < 0 || ms > 1000000000000)) {
		line_bad(in, "now_ms", "not a whole number to 10^12");
		return;
	}
	in->now_ns = now_ms ? (uint64_t)ms * 1000000 : clock_ns();
	if (json_object_get(line, "pod"))
		line_pod(in, line);
	else if (json_object_get(line, "stored"))
		line_stored(in, line);
	else if (json_object_get(line, "request"))
		line_request(in, line);
	else if (json_object_get(line, "first_token"))
		line_progress(in, line, "first_token", 0);
	else if (json_object_get(line, "end"))
		line_progress(in, line, "end", 1);
	else if (json_object_get(line, "gone"))
		line_gone(in, line);
	else
		line_bad(in, "says nothing that is known", NULL);
}

/* One line of at most LINE_BYTES_MAX; what is longer is read to its end and
 * refused.  0: there are no more. */
static int
line_next(reader *in, char *text)
{
	json_error_t error;
	json_t *line;
	size_t n = 0;
	int c;

	while ((c = getchar()) != EOF && c != '\n') {
		if (n <= LINE_BYTES_MAX)
			text[n++] = (char)c;
	}
	if (c == EOF && n == 0)
		return 0;
	in->line++;
	if (n > LINE_BYTES_MAX) {
		line_bad(in, "longer than 16 MiB", NULL);
		return 1;
	}
	text[n] = '\0';
	if (strspn(text, " \t\r") == n)
		return 1;
	line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	if (line)
		line_take(in, line);
	else
		line_bad(in, "not JSON", error.text);
	json_decref(line);
	return 1;
}

static int
lines_read(reader *in)
{
	char *text = malloc(LINE_BYTES_MAX + 1);

	in->pods = json_object();
	in->requests = json_object();
	in->tokens = calloc(GATEWAY_TOKENS_MAX, sizeof(*in->tokens));
	if (!text || !in->pods || !in->requests || !in->tokens) {
		fputs("gateway_pick: out of memory\n", stderr);
		in->bad++;
	} else {
		while (line_next(in, text))
			;
	}
	free(text);
	free(in->tokens);
	json_decref(in->pods);
	json_decref(in->requests);
	if (ferror(stdin) || fflush(stdout) != 0 || ferror(stdout)) {
		perror("gateway_pick");
		return EXIT_FAILURE;
	}
	return in->bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* 0: run; 1: help was printed; -1: a message was printed. */
static int
options_parse(int argc, char **argv, const char **strategy, uint32_t *tokens)
{
	static const struct option list[] = {
		{"strategy", required_argument, NULL, 's'},
		{"block-tokens", required_argument, NULL, 'b'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", list, NULL)) != -1) {
		char *end;
		unsigned long value;

		if (option == 's') {
			*strategy = optarg;
		} else if (option == 'h') {
			fputs(help_text, stdout);
			return 1;
		} else if (option == 'b') {
			value = strtoul(optarg, &end, 10);
			if (*end || optarg[0] < '1' || optarg[0] > '9' ||
			    value > AIBRIX_HASH_BLOCK_TOKENS_MAX) {
				fprintf(stderr,
					"gateway_pick: --block-tokens %s: must "
					"be between 1 and %d\n",
					optarg, AIBRIX_HASH_BLOCK_TOKENS_MAX);
				return -1;
			}
			*tokens = (uint32_t)value;
		} else {
			return -1; /* getopt has said what */
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "gateway_pick: %s: not an option\n", argv[optind]);
	return -1;
}

int
main(int argc, char **argv)
{
	static reader in; /* 16 KiB */
	const char *strategy = "cost";
	uint32_t block_tokens = 16;
	int parsed = options_parse(argc, argv, &strategy, &block_tokens);
	int status;
	int code = EXIT_USAGE;

	if (parsed != 0)
		return parsed > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	status = gateway_open(&in.gate, strategy, block_tokens);
	if (status == AIBRIX_OK)
		code = lines_read(&in);
	else
		fprintf(stderr, "gateway_pick: --strategy %s: %s\n", strategy,
			aibrix_strerror(status));
	gateway_close(&in.gate);
	return code;
}
