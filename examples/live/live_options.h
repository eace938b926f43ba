/* The command line of autoscale_live, read and checked. */
#ifndef LIVE_OPTIONS_H
#define LIVE_OPTIONS_H

#include <stdint.h>

#include <aibrix/demand.h>
#include <aibrix/scale.h>
#include <aibrix/schedule.h>

enum {
	LIVE_PODS_MAX = 256,
	LIVE_METRICS_MAX = AIBRIX_SCALE_METRICS_MAX,
	LIVE_POLICIES_MAX = AIBRIX_SCALE_POLICIES_MAX,
	LIVE_SCHEDULES_MAX = 32,
	LIVE_WORDS_MAX = 512,
	LIVE_LABELS_MAX = 8,
	LIVE_EXIT_USAGE = 2
};

typedef enum live_how {
	LIVE_VALUE,
	LIVE_RATE,
	LIVE_MEAN,
	LIVE_QUANTILE
} live_how;

/* What is read from each pod's page. */
typedef struct live_metric {
	const char *text; /* as it was given */
	uint32_t series;
	live_how how;
	double share; /* QUANTILE */
} live_metric;

typedef struct live_options {
	char **words; /* of the command, with {port} and {index} in them */
	uint32_t n_words;
	char *words_own; /* what they point into; NULL: argv */
	uint16_t ports[LIVE_PODS_MAX];
	uint32_t n_ports;
	uint32_t engine;
	const char *path;
	const char *log_dir;
	const char *state;
	const char *gateway_url;
	const char *gateway_metric;
	const char *labels[LIVE_LABELS_MAX]; /* NAME=VALUE */
	uint32_t n_labels;
	const char *listen;
	const char *zone;
	char **env; /* of pods, without TZ of the zone; NULL: ours */
	live_metric metrics[LIVE_METRICS_MAX];
	aibrix_scale_metric targets[LIVE_METRICS_MAX];
	aibrix_scale_policy up[LIVE_POLICIES_MAX], down[LIVE_POLICIES_MAX];
	aibrix_demand_opts demand; /* strategy tpa */
	/* Without the bounds of schedules. */
	aibrix_scale_opts scale;
	aibrix_schedule_window windows[LIVE_SCHEDULES_MAX];
	const char *window_names[LIVE_SCHEDULES_MAX];
	char *schedules_own[LIVE_SCHEDULES_MAX];
	uint32_t n_windows;
	int32_t min, max, replicas; /* replicas -1: min */
	uint64_t tick_ns, timeout_ns, grace_ns, start_ns, hung_ns;
	uint64_t backoff_ns, backoff_max_ns, rate_ns;
	uint64_t page_bytes;
	uint32_t ticks; /* 0: without end */
	uint32_t json;
} live_options;

/* 0: run; 1: help was printed; -1: a message was printed. */
int live_options_parse(live_options *options, int argc, char **argv);
void live_options_free(live_options *options);
void live_help_print(void);

/* live_words.c: the parts that are more than a number.  -1: a message was
 * printed. */
int live_ports_parse(live_options *o, const char *text);
int live_words_parse(live_options *o, const char *text);
int live_metric_parse(live_options *o, const char *text);
int live_target_parse(live_options *o, const char *text);
int live_strategy_parse(live_options *o, const char *text);
int live_profile_parse(live_options *o, const char *text);
int live_engine_parse(live_options *o, const char *text);
int live_step_parse(live_options *o, const char *text);
int live_up_parse(live_options *o, const char *text);
int live_down_parse(live_options *o, const char *text);
int live_label_parse(live_options *o, const char *text);
int live_schedules_read(live_options *o, const char *const *texts, uint32_t n);
int live_command_check(const live_options *o);
int live_fail(const char *option, const char *text, const char *what);
/* 250ms, 1.5s, 10, 5m, 1h.  -1: it is none, and nothing was printed. */
int live_duration_read(const char *text, uint64_t *ns);

/* live_demand.c: what an engine's page lacks for strategy tpa;
 * AIBRIX_SERIES_MAX: nothing. */
uint32_t live_demand_missing(uint32_t engine);

/* What a zone's clocks show; the zone is TZ. */
int32_t live_zone_ahead(void *ctx, int64_t unix_s);

#endif
