/*
 * The command line.  Every number is checked here, with the option's name in
 * the message, so that nothing behind it has to doubt them.
 */
#include "live/live_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/scrape.h>

#define SECOND ((uint64_t)1000000000)
#define HOUR (3600 * SECOND)

typedef enum option_kind {
	OPT_HELP,
	OPT_FLAG,     /* no argument: 1 */
	OPT_TEXT,     /* borrowed */
	OPT_OWN,      /* parse */
	OPT_TIME,     /* min and max in ms */
	OPT_COUNT,    /* int32_t or uint32_t */
	OPT_BYTES,    /* K, M may follow */
	OPT_NUMBER,   /* a double from 0 */
	OPT_SECONDS,  /* a double, as OPT_TIME */
	OPT_SCHEDULE, /* kept, since it needs the bounds */
	OPT_BAND      /* a double from 0, and its flag */
} option_kind;

typedef struct option_row {
	const char *name;
	option_kind kind;
	size_t at; /* in live_options */
	uint64_t min, max;
	int (*parse)(live_options *options, const char *text);
	uint32_t flag; /* of scale, which says that it is set */
} option_row;

#define AT(member) offsetof(live_options, member)
#define DAY_MS (24 * 3600 * 1000)
#define HOUR_MS (3600 * 1000)

static const option_row rows[] = {
	{"command", OPT_OWN, 0, 0, 0, live_words_parse, 0},
	{"ports", OPT_OWN, 0, 0, 0, live_ports_parse, 0},
	{"engine", OPT_OWN, 0, 0, 0, live_engine_parse, 0},
	{"path", OPT_TEXT, AT(path), 0, 0, NULL, 0},
	{"log-dir", OPT_TEXT, AT(log_dir), 0, 0, NULL, 0},
	{"grace", OPT_TIME, AT(grace_ns), 1, DAY_MS, NULL, 0},
	{"start-timeout", OPT_TIME, AT(start_ns), 1, DAY_MS, NULL, 0},
	{"hung", OPT_TIME, AT(hung_ns), 0, DAY_MS, NULL, 0},
	{"backoff", OPT_TIME, AT(backoff_ns), 1, HOUR_MS, NULL, 0},
	{"backoff-max", OPT_TIME, AT(backoff_max_ns), 1, HOUR_MS, NULL, 0},
	{"metric", OPT_OWN, 0, 0, 0, live_metric_parse, 0},
	{"target", OPT_OWN, 0, 0, 0, live_target_parse, 0},
	{"strategy", OPT_OWN, 0, 0, 0, live_strategy_parse, 0},
	{"profile", OPT_OWN, 0, 0, 0, live_profile_parse, 0},
	{"min", OPT_COUNT, AT(min), 0, LIVE_PODS_MAX, NULL, 0},
	{"max", OPT_COUNT, AT(max), 1, LIVE_PODS_MAX, NULL, 0},
	{"replicas", OPT_COUNT, AT(replicas), 0, LIVE_PODS_MAX, NULL, 0},
	{"tick", OPT_TIME, AT(tick_ns), 20, HOUR_MS, NULL, 0},
	{"timeout", OPT_TIME, AT(timeout_ns), 10, HOUR_MS, NULL, 0},
	{"fresh", OPT_TIME, AT(scale.fresh_ns), 1, HOUR_MS, NULL, 0},
	{"page-bytes", OPT_BYTES, AT(page_bytes), 1024, 1 << 28, NULL, 0},
	{"rate-window", OPT_TIME, AT(rate_ns), 100, HOUR_MS, NULL, 0},
	{"stable", OPT_TIME, AT(scale.stable_ns), 10, HOUR_MS, NULL, 0},
	{"panic", OPT_TIME, AT(scale.panic_ns), 10, HOUR_MS, NULL, 0},
	{"up-window", OPT_TIME, AT(scale.up_window_ns), 0, HOUR_MS, NULL, 0},
	{"down-window", OPT_TIME, AT(scale.down_window_ns), 0, HOUR_MS, NULL,
	 AIBRIX_SCALE_DOWN_WINDOW_SET},
	{"up", OPT_OWN, 0, 0, 0, live_up_parse, 0},
	{"down", OPT_OWN, 0, 0, 0, live_down_parse, 0},
	{"up-tolerance", OPT_BAND, AT(scale.up_tolerance), 0, 10, NULL,
	 AIBRIX_SCALE_UP_TOLERANCE_SET},
	{"down-tolerance", OPT_BAND, AT(scale.down_tolerance), 0, 1, NULL,
	 AIBRIX_SCALE_DOWN_TOLERANCE_SET},
	{"ttft", OPT_SECONDS, AT(demand.ttft_s), 1, HOUR_MS, NULL, 0},
	{"itl", OPT_SECONDS, AT(demand.itl_s), 1, HOUR_MS, NULL, 0},
	{"slots", OPT_COUNT, AT(demand.slots), 1, 1 << 20, NULL, 0},
	{"step", OPT_OWN, 0, 0, 0, live_step_parse, 0},
	{"start-up", OPT_TIME, AT(demand.start_ns), 1, HOUR_MS, NULL, 0},
	{"season", OPT_TIME, AT(demand.season_ns), 1000, UINT64_C(8) * DAY_MS,
	 NULL, 0},
	{"zero-grace", OPT_TIME, AT(scale.zero_grace_ns), 1, HOUR_MS, NULL, 0},
	{"activation", OPT_COUNT, AT(scale.activation), 1, LIVE_PODS_MAX, NULL,
	 0},
	{"wake-target", OPT_NUMBER, AT(scale.wake_target), 0, 1 << 30, NULL, 0},
	{"gateway-url", OPT_TEXT, AT(gateway_url), 0, 0, NULL, 0},
	{"gateway-metric", OPT_TEXT, AT(gateway_metric), 0, 0, NULL, 0},
	{"gateway-label", OPT_OWN, 0, 0, 0, live_label_parse, 0},
	{"schedule", OPT_SCHEDULE, 0, 0, 0, NULL, 0},
	{"zone", OPT_TEXT, AT(zone), 0, 0, NULL, 0},
	{"state", OPT_TEXT, AT(state), 0, 0, NULL, 0},
	{"listen", OPT_TEXT, AT(listen), 0, 0, NULL, 0},
	{"ticks", OPT_COUNT, AT(ticks), 1, 1 << 30, NULL, 0},
	{"json", OPT_FLAG, AT(json), 0, 0, NULL, 0},
	{"help", OPT_HELP, 0, 0, 0, NULL, 0},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static int
whole_parse(const option_row *row, const char *text, uint64_t *out)
{
	unsigned long long value;
	char message[96];
	uint32_t shift = 0;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (row->kind == OPT_BYTES && (*end == 'K' || *end == 'M'))
		shift = *end++ == 'K' ? 10 : 20;
	if (!isdigit((unsigned char)text[0]) || *end)
		return live_fail(row->name, text, "not a whole number");
	if (errno || value > UINT64_MAX >> shift || value << shift < row->min ||
	    value << shift > row->max) {
		snprintf(message, sizeof(message),
			 "must be between %llu and %llu",
			 (unsigned long long)row->min,
			 (unsigned long long)row->max);
		return live_fail(row->name, text, message);
	}
	*out = (uint64_t)value << shift;
	return 0;
}

static int
number_parse(const option_row *row, const char *text, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= (double)row->max))
		return live_fail(row->name, text,
				 "not a number that is allowed here");
	*out = value;
	return 0;
}

static int
time_parse(const option_row *row, const char *text, uint64_t *out)
{
	uint64_t ns;
	char message[96];

	if (live_duration_read(text, &ns))
		return live_fail(row->name, text,
				 "not a time: 250ms, 10s, 5m, 1h");
	if (ns < row->min * 1000000 || ns > row->max * 1000000) {
		snprintf(message, sizeof(message),
			 "must be between %llums and %llus",
			 (unsigned long long)row->min,
			 (unsigned long long)row->max / 1000);
		return live_fail(row->name, text, message);
	}
	*out = ns;
	return 0;
}

/* What is kept until all options are known. */
typedef struct option_rest {
	const char *schedules[LIVE_SCHEDULES_MAX];
	uint32_t n_schedules;
} option_rest;

static int
row_parse(live_options *o, option_rest *rest, const option_row *row,
	  const char *text)
{
	char *base = (char *)o;
	uint64_t whole = 0;
	int err = 0;

	o->scale.flags |= row->flag;
	switch (row->kind) {
	case OPT_FLAG: whole = 1; break;
	case OPT_TEXT: memcpy(base + row->at, &text, sizeof(text)); return 0;
	case OPT_OWN: return row->parse(o, text);
	case OPT_TIME:
		err = time_parse(row, text, &whole);
		memcpy(base + row->at, &whole, sizeof(whole));
		return err;
	case OPT_SECONDS: {
		double seconds;

		err = time_parse(row, text, &whole);
		seconds = (double)whole / 1e9;
		memcpy(base + row->at, &seconds, sizeof(seconds));
		return err;
	}
	case OPT_BYTES:
		err = whole_parse(row, text, &whole);
		memcpy(base + row->at, &whole, sizeof(whole));
		return err;
	case OPT_NUMBER:
	case OPT_BAND: return number_parse(row, text, (void *)(base + row->at));
	case OPT_SCHEDULE:
		if (rest->n_schedules == LIVE_SCHEDULES_MAX)
			return live_fail(row->name, text,
					 "more than 32 of them");
		rest->schedules[rest->n_schedules++] = text;
		return 0;
	case OPT_COUNT: err = whole_parse(row, text, &whole); break;
	case OPT_HELP: return 1;
	}
	if (!err) {
		uint32_t count = (uint32_t)whole;

		memcpy(base + row->at, &count, sizeof(count));
	}
	return err;
}

static int
missing(const char *what)
{
	fprintf(stderr, "autoscale_live: %s; see --help\n", what);
	return -1;
}

/* Windows are made of slots: as long as they may be, 10 ms at least. */
static void
windows_settle(aibrix_scale_opts *s)
{
	int compat = s->profile == AIBRIX_SCALE_COMPAT;
	uint64_t slot = SECOND;

	if (s->stable_ns == 0)
		s->stable_ns = (compat ? 180 : 60) * SECOND;
	if (s->panic_ns == 0)
		s->panic_ns = (compat ? 60 : 10) * SECOND;
	if (s->panic_ns > s->stable_ns)
		s->panic_ns = s->stable_ns;
	while (slot > SECOND / 100 &&
	       (s->stable_ns % slot || s->panic_ns % slot))
		slot /= 10;
	s->slot_ns = slot;
}

static void
defaults_settle(live_options *o)
{
	aibrix_scale_opts *s = &o->scale;

	if (o->max == 0)
		o->max = (int32_t)o->n_ports;
	if (o->timeout_ns == 0)
		o->timeout_ns = o->tick_ns / 2 < 5 * SECOND ? o->tick_ns / 2
							    : 5 * SECOND;
	if (s->fresh_ns == 0)
		s->fresh_ns = 3 * o->tick_ns;
	windows_settle(s);
	o->demand.fresh_ns = s->fresh_ns;
	if (s->strategy == AIBRIX_SCALE_TPA) {
		s->n_metrics = 1;
		o->metrics[0].text = "demand";
		o->targets[0] = (aibrix_scale_metric){
			.kind = AIBRIX_SCALE_TOTAL, .target = 1};
	}
	s->metrics = o->targets;
	s->up = o->up;
	s->down = o->down;
	s->min_replicas = o->min;
	s->max_replicas = o->max;
	if (o->min == 0)
		s->flags |= AIBRIX_SCALE_TO_ZERO;
}

static int
gateway_check(const live_options *o)
{
	int32_t least = o->min;

	for (uint32_t i = 0; i < o->n_windows; i++)
		if (o->windows[i].min_replicas < least)
			least = o->windows[i].min_replicas;
	if (!o->gateway_url != !o->gateway_metric)
		return missing("--gateway-url and --gateway-metric belong "
			       "together");
	if (o->gateway_url && strncmp(o->gateway_url, "http://", 7) != 0 &&
	    strncmp(o->gateway_url, "https://", 8) != 0)
		return live_fail("gateway-url", o->gateway_url,
				 "not http:// or https://");
	if (least == 0 && !o->gateway_url)
		return missing("with a minimum of 0 only requests that wait "
			       "can start a pod: give --gateway-url and "
			       "--gateway-metric");
	return 0;
}

static int
demand_check(const live_options *o)
{
	uint32_t lacks = live_demand_missing(o->engine);

	if (o->scale.n_metrics)
		return missing("strategy tpa takes no --metric");
	if (o->scale.profile)
		return missing("strategy tpa has no profile compat");
	if (lacks != AIBRIX_SERIES_MAX)
		return live_fail("strategy", "tpa",
				 "this engine's page lacks what it needs");
	return 0;
}

static int
metrics_check(const live_options *o)
{
	if (o->scale.strategy == AIBRIX_SCALE_TPA)
		return demand_check(o);
	if (o->scale.n_metrics == 0)
		return missing("--metric and --target are needed");
	for (uint32_t i = 0; i < o->scale.n_metrics; i++) {
		if (o->targets[i].target <= 0)
			return live_fail("metric", o->metrics[i].text,
					 "has no --target behind it");
		if (!aibrix_series_source(o->engine, o->metrics[i].series, 0))
			return live_fail("metric", o->metrics[i].text,
					 "this engine does not tell it");
	}
	return 0;
}

static int
options_check(live_options *o, const option_rest *rest)
{
	uint64_t bytes;

	if (o->n_words == 0)
		return missing("--command is needed");
	if (o->n_ports == 0)
		return missing("--ports is needed");
	if (live_command_check(o) || metrics_check(o))
		return -1;
	defaults_settle(o);
	if (o->max > (int32_t)o->n_ports)
		return missing("--max is more than there are --ports");
	if (o->min > o->max)
		return missing("--min is above --max");
	if (o->replicas > (int32_t)o->n_ports)
		return missing("--replicas is more than there are --ports");
	if (o->timeout_ns >= o->tick_ns)
		return missing("--timeout must be shorter than --tick");
	if (o->hung_ns && o->hung_ns < 2 * o->tick_ns)
		return missing("--hung must be two --tick at least");
	if (o->scale.stable_ns % o->scale.slot_ns ||
	    o->scale.panic_ns % o->scale.slot_ns)
		return missing("--stable and --panic must be multiples of "
			       "10ms");
	if (o->backoff_max_ns < o->backoff_ns)
		return missing("--backoff-max is below --backoff");
	if (o->path[0] != '/')
		return live_fail("path", o->path, "does not begin with /");
	if (live_schedules_read(o, rest->schedules, rest->n_schedules) ||
	    gateway_check(o))
		return -1;
	if (aibrix_scale_state_bytes(&o->scale, &bytes) != AIBRIX_OK)
		return missing("these windows, tolerances and bounds do not "
			       "go together");
	return 0;
}

static int
words_rest(live_options *o, int argc, char **argv)
{
	int n = argc - optind;

	if (n == 0)
		return 0;
	/* getopt leaves optind behind a --, where one was. */
	if (strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr, "autoscale_live: %.200s: not an option\n",
			argv[optind]);
		return -1;
	}
	if (o->n_words || n > LIVE_WORDS_MAX)
		return missing("a command twice, or too many words");
	o->words = calloc(LIVE_WORDS_MAX, sizeof(*o->words));
	if (!o->words)
		return missing("out of memory");
	memcpy(o->words, argv + optind, (size_t)n * sizeof(*o->words));
	o->n_words = (uint32_t)n;
	return 0;
}

int
live_options_parse(live_options *o, int argc, char **argv)
{
	struct option list[ROWS + 1] = {{0}};
	option_rest rest = {0};
	int at, err = 0;

	*o = (live_options){.engine = AIBRIX_ENGINE_VLLM,
			    .path = "/metrics",
			    .min = 1,
			    .replicas = -1,
			    .tick_ns = 10 * SECOND,
			    .grace_ns = 30 * SECOND,
			    .start_ns = 600 * SECOND,
			    .backoff_ns = SECOND,
			    .backoff_max_ns = 60 * SECOND,
			    .rate_ns = 60 * SECOND,
			    .page_bytes = 4 << 20,
			    .scale = {.size = sizeof(o->scale)},
			    .demand = {.size = sizeof(o->demand)}};
	for (int i = 0; i < ROWS; i++)
		list[i] = (struct option){
			rows[i].name,
			rows[i].kind == OPT_FLAG || rows[i].kind == OPT_HELP
				? no_argument
				: required_argument,
			NULL, i + 1};
	while (!err && (at = getopt_long(argc, argv, "+", list, NULL)) != -1)
		err = at < 1 || at > ROWS
			      ? -1 /* getopt has said what */
			      : row_parse(o, &rest, &rows[at - 1], optarg);
	if (!err)
		err = words_rest(o, argc, argv);
	return err ? err : options_check(o, &rest);
}

void
live_options_free(live_options *o)
{
	for (uint32_t i = 0; i < LIVE_SCHEDULES_MAX; i++)
		free(o->schedules_own[i]);
	free(o->words);
	free(o->words_own);
	free(o->env);
}
