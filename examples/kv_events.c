/*
 * What engines say about their caches, live: one row per publisher.
 *
 *   vllm serve ... --kv-events-config '{"enable_kv_cache_events": true,
 *       "publisher": "zmq", "endpoint": "tcp://[::]:5557",
 *       "replay_endpoint": "tcp://[::]:5558"}'
 *   kv_events tcp://localhost:5557,tcp://localhost:5558
 *
 * Each publisher gets an index of its own, so that its blocks can be
 * counted.  A router has one index for all, gives it to the subscriber and
 * needs no sink.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <aibrix/aibrix.h>
#include <aibrix/zmq.h>

enum { PUBLISHERS_MAX = 1024, BATCHES_AT_ONCE = 1024, TEXT_MAX = 1024 };
enum { OPT_JSON = 1, OPT_SECONDS, OPT_BLOCK_TOKENS, OPT_TOPIC, OPT_HELP };

static const uint64_t second_ns = 1000000000;

struct publisher {
	const char *name; /* as given */
	aibrix_index *index;
	aibrix_event_decoder *decoder;
	uint64_t batches, connected; /* as printed last */
};

struct options {
	uint64_t seconds; /* 0: until interrupted */
	uint64_t block_tokens;
	const char *topic;
	int json;
	int terminal;
};

struct view {
	aibrix_zmq_stat stream;
	aibrix_index_stat index;
	aibrix_event_stat event;
};

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"block-tokens", required_argument, NULL, OPT_BLOCK_TOKENS},
	{"topic", required_argument, NULL, OPT_TOPIC},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static const char help_text[] =
	"Usage: kv_events [options] ENDPOINT[,REPLAY]...\n"
	"\n"
	"Follows the KV events of engines (vLLM, SGLang) and shows what each\n"
	"holds.  ENDPOINT is where an engine publishes, REPLAY where it sends\n"
	"batches again: tcp://10.0.0.1:5557,tcp://10.0.0.1:5558.  One "
	"argument\n"
	"per engine, or per data-parallel rank.\n"
	"\n"
	"  --seconds N          stop after N seconds [on interrupt]\n"
	"  --block-tokens N     tokens of the engines' blocks [16]\n"
	"  --topic TEXT         batches of topics that begin so [all]\n"
	"  --json               one JSON object per engine and change\n"
	"  --help               this text\n"
	"\n"
	"On a terminal a table is refreshed each second; else each engine "
	"that\n"
	"changed gets a line.  State: fresh, live, gap (a replay is under "
	"way),\n"
	"lost (no connection); with ! where blocks may be stale, with ? where\n"
	"some may be missing.\n";

static volatile sig_atomic_t stopped;

static void
stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void
check(const char *what, int status)
{
	if (status == AIBRIX_OK)
		return;
	fprintf(stderr, "kv_events: %s: %s\n", what, aibrix_strerror(status));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

/* ---- the sink: an index per publisher */

static int
publisher_apply(void *ctx, uint32_t owner, const void *payload, uint64_t n)
{
	struct publisher *publishers = ctx;
	struct publisher *p = &publishers[owner];
	aibrix_event_stat before = {.size = sizeof(before)}, after = before;
	int err;

	check("event_stats", aibrix_event_stats(p->decoder, &before));
	err = aibrix_event_apply(p->decoder, p->index, 0, payload, n);
	check("event_stats", aibrix_event_stats(p->decoder, &after));
	if (!err && after.cleared != before.cleared)
		return AIBRIX_ZMQ_ALL_CLEARED;
	return err;
}

static void
publisher_clear(void *ctx, uint32_t owner)
{
	struct publisher *publishers = ctx;

	check("clear", aibrix_index_apply_cleared(publishers[owner].index, 0));
}

static void
publisher_open(struct publisher *p, const aibrix_hash *hash)
{
	aibrix_event_opts opts = {.size = sizeof(opts), .hash = hash};

	check("index", aibrix_index_new(NULL, &p->index));
	check("index", aibrix_index_owner_add(p->index, 0));
	check("decoder", aibrix_event_new(&opts, &p->decoder));
}

static void
publisher_follow(aibrix_zmq *zmq, struct publisher *p, uint32_t owner,
		 const char *topic)
{
	aibrix_zmq_stream stream = {
		.size = sizeof(stream), .owner = owner, .topic = topic};
	char text[TEXT_MAX];
	char *comma;

	if (strlen(p->name) >= sizeof(text))
		check("an endpoint", AIBRIX_E_INVAL);
	strcpy(text, p->name);
	comma = strchr(text, ',');
	if (comma) {
		*comma = '\0';
		stream.replay = comma + 1;
	}
	stream.endpoint = text;
	check(p->name, aibrix_zmq_add(zmq, &stream));
}

/* ---- what is printed */

static const char *
state_name(const aibrix_zmq_stat *s)
{
	if (s->phase == AIBRIX_ADMIT_GAP || s->phase == AIBRIX_ADMIT_RELEASING)
		return "gap";
	if (s->phase == AIBRIX_ADMIT_LOST || (!s->connected && s->connects))
		return "lost";
	return s->phase == AIBRIX_ADMIT_FRESH ? "fresh" : "live";
}

static void
view_take(const aibrix_zmq *zmq, const struct publisher *p, uint32_t owner,
	  struct view *v)
{
	v->stream.size = sizeof(v->stream);
	v->index.size = sizeof(v->index);
	v->event.size = sizeof(v->event);
	check("stats", aibrix_zmq_stats(zmq, owner, &v->stream));
	check("stats", aibrix_index_stats(p->index, &v->index));
	check("stats", aibrix_event_stats(p->decoder, &v->event));
}

static unsigned long long
view_events(const struct view *v)
{
	return v->event.stored + v->event.removed + v->event.cleared;
}

static void
head_print(void)
{
	printf("%-8s %10s %10s %10s %6s %8s %8s  %s\n", "state", "blocks",
	       "events", "batches", "gaps", "restarts", "lost", "publisher");
}

static void
row_print(const struct publisher *p, const struct view *v)
{
	const aibrix_zmq_stat *s = &v->stream;
	char state[16];

	snprintf(state, sizeof(state), "%s%s%s", state_name(s),
		 s->flags & AIBRIX_ADMIT_STALE ? "!" : "",
		 s->flags & AIBRIX_ADMIT_MISSING ? "?" : "");
	printf("%-8s %10llu %10llu %10llu %6llu %8llu %8llu  %s\n", state,
	       (unsigned long long)v->index.held, view_events(v),
	       (unsigned long long)s->batches, (unsigned long long)s->gaps,
	       (unsigned long long)s->restarts, (unsigned long long)s->lost,
	       p->name);
}

/* A name is the user's: quotes and what lies below a blank are left out. */
static void
name_print_json(const char *name)
{
	for (; *name; name++)
		if (*name != '"' && *name != '\\' && *name >= ' ')
			putchar(*name);
}

static void
row_print_json(const struct publisher *p, const struct view *v)
{
	const aibrix_zmq_stat *s = &v->stream;

	printf("{\"publisher\":\"");
	name_print_json(p->name);
	printf("\",\"state\":\"%s\",\"stale\":%s,\"missing\":%s,"
	       "\"blocks\":%llu,\"events\":%llu,\"batches\":%llu,"
	       "\"gaps\":%llu,\"replays\":%llu,\"restarts\":%llu,"
	       "\"lost\":%llu,\"failed\":%llu,\"bytes\":%llu}\n",
	       state_name(s), s->flags & AIBRIX_ADMIT_STALE ? "true" : "false",
	       s->flags & AIBRIX_ADMIT_MISSING ? "true" : "false",
	       (unsigned long long)v->index.held, view_events(v),
	       (unsigned long long)s->batches, (unsigned long long)s->gaps,
	       (unsigned long long)s->replays, (unsigned long long)s->restarts,
	       (unsigned long long)s->lost, (unsigned long long)s->failed,
	       (unsigned long long)s->bytes);
}

static void
rows_print(const aibrix_zmq *zmq, struct publisher *publishers, uint32_t n,
	   const struct options *options, int all)
{
	if (options->terminal) {
		fputs("\033[H\033[J", stdout); /* home, and clear below */
		head_print();
	}
	for (uint32_t i = 0; i < n; i++) {
		struct publisher *p = &publishers[i];
		struct view v;

		view_take(zmq, p, i, &v);
		if (!all && !options->terminal &&
		    v.stream.batches == p->batches &&
		    v.stream.connected == p->connected)
			continue;
		p->batches = v.stream.batches;
		p->connected = v.stream.connected;
		if (options->json)
			row_print_json(p, &v);
		else
			row_print(p, &v);
	}
	if (fflush(stdout) != 0) {
		perror("kv_events: output");
		exit(1);
	}
}

/* ---- command line */

static uint64_t
number_parse(const char *option, const char *text, uint64_t max)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || value < 1 ||
	    value > max) {
		fprintf(stderr,
			"kv_events: --%s %s: not a whole number from 1 to "
			"%llu\n",
			option, text, (unsigned long long)max);
		exit(2);
	}
	return value;
}

static void
options_parse(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) !=
	       -1) {
		switch (option) {
		case OPT_JSON: options->json = 1; break;
		case OPT_SECONDS:
			options->seconds =
				number_parse("seconds", optarg, 1u << 30);
			break;
		case OPT_BLOCK_TOKENS:
			options->block_tokens =
				number_parse("block-tokens", optarg,
					     AIBRIX_HASH_BLOCK_TOKENS_MAX);
			break;
		case OPT_TOPIC: options->topic = optarg; break;
		case OPT_HELP: fputs(help_text, stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind == argc || argc - optind > PUBLISHERS_MAX) {
		fputs("kv_events: give one ENDPOINT[,REPLAY] or more; --help "
		      "says more\n",
		      stderr);
		exit(2);
	}
	options->terminal = !options->json && isatty(STDOUT_FILENO);
}

static void
follow(aibrix_zmq *zmq, struct publisher *publishers, uint32_t n,
       const struct options *options)
{
	uint64_t begun = now_ns(), shown = begun, now = begun;
	uint32_t taken;

	while (!stopped && (!options->seconds ||
			    now - begun < options->seconds * second_ns)) {
		check("poll", aibrix_zmq_poll(zmq, now, second_ns / 10,
					      BATCHES_AT_ONCE, &taken));
		now = now_ns();
		if (now - shown >= second_ns) {
			rows_print(zmq, publishers, n, options, 0);
			shown = now;
		}
	}
	rows_print(zmq, publishers, n, options, 1);
}

int
main(int argc, char **argv)
{
	struct options options = {.block_tokens = 16};
	aibrix_zmq_sink sink = {.size = sizeof(sink),
				.apply = publisher_apply,
				.clear = publisher_clear};
	aibrix_zmq_opts opts = {.size = sizeof(opts), .sink = &sink};
	aibrix_hash_opts hashing = {.size = sizeof(hashing)};
	struct publisher *publishers;
	aibrix_hash *hash;
	aibrix_zmq *zmq;
	uint32_t n;

	options_parse(argc, argv, &options);
	n = (uint32_t)(argc - optind);
	publishers = calloc(n, sizeof(*publishers));
	check("memory", publishers ? AIBRIX_OK : AIBRIX_E_NOMEM);
	hashing.block_tokens = (uint32_t)options.block_tokens;
	check("hash", aibrix_hash_new(&hashing, &hash));
	sink.ctx = publishers;
	check("subscriber", aibrix_zmq_new(&opts, &zmq));
	for (uint32_t i = 0; i < n; i++) {
		publishers[i].name = argv[optind + (int)i];
		publisher_open(&publishers[i], hash);
		publisher_follow(zmq, &publishers[i], i, options.topic);
	}
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	follow(zmq, publishers, n, &options);

	aibrix_zmq_free(zmq);
	for (uint32_t i = 0; i < n; i++) {
		aibrix_event_free(publishers[i].decoder);
		aibrix_index_free(publishers[i].index);
	}
	aibrix_hash_free(hash);
	free(publishers);
	return 0;
}
