/*
 * The command line.  Every number is checked here, with the option's name in
 * the message, so that nothing behind it has to doubt them.
 *
 * Numbers are rows of one table, so that --sweep can set each of them as the
 * command line does.
 */
#include "replay_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/aibrix.h>

#include "replay_link.h"

enum {
	/* Stand for 128 GiB of host memory per pod and 2 TiB of shared store
	 * with blocks of 128 tokens of Llama 3 8B (16 MiB). */
	L1_BLOCKS = 8192,
	L2_BLOCKS = 131072,
	BLOCK_BYTES_MAX = 1 << 30,
	PODS = 8,
	PODS_MAX = 1024,
	OPTIONS_MAX = 64,
	HELP = OPTIONS_MAX
};

typedef enum option_kind {
	OPT_FLAG,  /* no argument: 1 */
	OPT_TEXT,  /* borrowed */
	OPT_OWN,   /* parse */
	OPT_WHOLE, /* numbers, from here on */
	OPT_COUNT, /* 32 bits */
	OPT_BYTES, /* K, M, G, T may follow */
	OPT_RATIO  /* a double above 0 */
} option_kind;

typedef struct option_row {
	const char *name;
	option_kind kind;
	size_t at; /* in replay_options */
	uint64_t min, max;
	/* OPT_OWN; of a number: a list of them */
	int (*parse)(replay_options *options, const char *text);
} option_row;

#define AT(member) offsetof(replay_options, member)

static const option_row rows[] = {
	{"trace", OPT_TEXT, AT(trace), 0, 0, NULL},
	{"generate", OPT_TEXT, AT(kind), 0, 0, NULL},
	{"requests", OPT_WHOLE, AT(requests), 1, 10000000, NULL},
	{"seed", OPT_WHOLE, AT(seed), 0, UINT64_MAX, NULL},
	{"pods", OPT_COUNT, AT(pods), 1, PODS_MAX, NULL},
	{"policy", OPT_OWN, 0, 0, 0, replay_policies_parse},
	{"queue-weight", OPT_RATIO, AT(queue_weight), 0, 1000, NULL},
	{"evict", OPT_OWN, 0, 0, 0, replay_evicts_parse},
	{"profile", OPT_OWN, 0, 0, 0, replay_profile_parse},
	{"block-tokens", OPT_COUNT, AT(block_tokens), 1,
	 AIBRIX_HASH_BLOCK_TOKENS_MAX, NULL},
	{"block-bytes", OPT_BYTES, AT(block_bytes), 0, BLOCK_BYTES_MAX, NULL},
	{"gpu-blocks", OPT_WHOLE, AT(gpu_blocks), 1, 1 << 28, NULL},
	{"l1-bytes", OPT_BYTES, AT(l1_bytes), 1, UINT64_C(1) << 48, NULL},
	{"l2", OPT_OWN, 0, 0, 0, replay_l2_parse},
	{"l2-bytes", OPT_BYTES, AT(l2_bytes), 1, UINT64_C(1) << 48, NULL},
	{"l2-fault", OPT_OWN, 0, 0, 0, replay_l2_fault_parse},
	{"speed", OPT_RATIO, AT(speed), 0, 1000000, NULL},
	{"load", OPT_RATIO, AT(load), 0, 100, NULL},
	{"pd", OPT_OWN, 0, 0, 0, replay_pd_parse},
	{"users", OPT_COUNT, AT(users), 2, REPLAY_USERS_MAX, NULL},
	{"tenants", OPT_COUNT, AT(tenants), 2, REPLAY_TENANTS_MAX, NULL},
	{"churn", OPT_FLAG, AT(churn), 0, 0, NULL},
	{"burst", OPT_COUNT, AT(burst), 1, 10000, NULL},
	{"predict", OPT_FLAG, AT(predict), 0, 0, NULL},
	{"slow", OPT_RATIO, AT(slow), 0, 1, NULL},
	{"l2-gbps", OPT_RATIO, AT(l2_gbps), 0, 1000000, replay_l2_gbps_parse},
	{"stale", OPT_WHOLE, AT(stale_ms), 0, 3600000, NULL},
	{"sweep", OPT_OWN, 0, 0, 0, replay_sweep_parse},
	{"preset", OPT_TEXT, AT(preset), 0, 0, NULL},
	{"measure", OPT_FLAG, AT(measure), 0, 0, NULL},
	{"json", OPT_FLAG, AT(json), 0, 0, NULL},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

int
replay_option_fail(const char *option, const char *text, const char *what)
{
	fprintf(stderr, "replay: --%s %s: %s\n", option, text, what);
	return -1;
}

/* Digits, then, where it is bytes, perhaps K, M, G or T. */
static int
number_parse(const option_row *row, const char *text, uint64_t *out)
{
	static const char letters[] = "KMGT";
	const char *unit;
	unsigned long long value;
	char message[96];
	char *end;
	uint32_t shift = 0;

	if (!isdigit((unsigned char)text[0]))
		return replay_option_fail(row->name, text,
					  "not a whole number");
	errno = 0;
	value = strtoull(text, &end, 10);
	if (row->kind == OPT_BYTES && *end &&
	    (unit = strchr(letters, *end)) != NULL) {
		shift = 10 * (uint32_t)(unit - letters + 1);
		end++;
	}
	if (*end)
		return replay_option_fail(row->name, text,
					  "not a whole number");
	if (errno == ERANGE || value > UINT64_MAX >> shift ||
	    value << shift < row->min || value << shift > row->max) {
		snprintf(message, sizeof(message),
			 "must be between %llu and %llu",
			 (unsigned long long)row->min,
			 (unsigned long long)row->max);
		return replay_option_fail(row->name, text, message);
	}
	*out = (uint64_t)value << shift;
	return 0;
}

static int
ratio_parse(const option_row *row, const char *text, double *out)
{
	char message[64];
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !isfinite(value))
		return replay_option_fail(row->name, text, "not a number");
	if (value < 1e-6 || value > (double)row->max) {
		snprintf(message, sizeof(message),
			 "must be between 0.000001 and %llu",
			 (unsigned long long)row->max);
		return replay_option_fail(row->name, text, message);
	}
	*out = value;
	return 0;
}

static int
option_take(replay_options *options, const option_row *row, const char *text)
{
	char *at = (char *)options + row->at;
	uint64_t value = 0;
	uint32_t count = 1;
	double ratio;

	if (row->parse && (row->kind == OPT_OWN || strchr(text, ',')))
		return row->parse(options, text);
	switch (row->kind) {
	case OPT_FLAG:
	case OPT_OWN: break;
	case OPT_TEXT: memcpy(at, &text, sizeof(text)); return 0;
	case OPT_WHOLE:
	case OPT_BYTES:
		if (number_parse(row, text, &value) != 0)
			return -1;
		memcpy(at, &value, sizeof(value));
		return 0;
	case OPT_COUNT:
		if (number_parse(row, text, &value) != 0)
			return -1;
		count = (uint32_t)value;
		break;
	case OPT_RATIO:
		if (ratio_parse(row, text, &ratio) != 0)
			return -1;
		memcpy(at, &ratio, sizeof(ratio));
		return 0;
	}
	memcpy(at, &count, sizeof(count));
	return 0;
}

/* Of these two at most one. */
static int
excluded(uint32_t one, const char *name, uint32_t other, const char *its)
{
	if (!one || !other)
		return 0;
	fprintf(stderr, "replay: --%s and --%s exclude each other\n", name,
		its);
	return -1;
}

static int
fleet_settle(replay_options *options)
{
	uint32_t pd = options->prefill_pods + options->decode_pods;
	uint32_t link = options->l2_fault || options->l2_gbps > 0;

	if (excluded(pd, "pd", options->churn, "churn") != 0 ||
	    excluded(pd, "pd", options->users, "users") != 0 ||
	    excluded(pd, "pd", options->stale_ms > 0, "stale") != 0 ||
	    excluded(pd, "pd", options->burst, "burst") != 0 ||
	    excluded(pd, "pd", options->predict, "predict") != 0 ||
	    excluded(options->burst, "burst", options->users, "users") != 0 ||
	    excluded(options->burst, "burst", options->tenants, "tenants") !=
		    0 ||
	    excluded(options->users, "users", options->tenants, "tenants") !=
		    0 ||
	    excluded(options->users, "users", options->churn, "churn") != 0 ||
	    excluded(options->churn, "churn", link, "l2-fault or --l2-gbps") !=
		    0)
		return -1;
	if (pd && options->pods && options->pods != pd) {
		fputs("replay: --pods: not those of --pd together\n", stderr);
		return -1;
	}
	if (!options->pods)
		options->pods = pd ? pd : PODS;
	if (options->churn && options->pods < 2) {
		fputs("replay: --churn needs two pods\n", stderr);
		return -1;
	}
	return 0;
}

static int
l2_settle(replay_options *options)
{
	uint64_t bytes = options->block_bytes;

	if ((options->l2_fault || options->l2_gbps > 0) &&
	    (bytes == 0 || options->l2 == REPLAY_L2_NONE)) {
		fprintf(stderr, "replay: --%s: there is no L2\n",
			options->l2_fault ? "l2-fault" : "l2-gbps");
		return -1;
	}
	/* A network has a speed in virtual time only. */
	if (options->l2_gbps > 0 && !options->l2_fault)
		options->l2_fault = REPLAY_FAULT_NONE;
	if (bytes == 0) {
		if (options->l1_bytes || options->l2_bytes || options->l2_dir ||
		    options->l2_url || options->measure) {
			fputs("replay: --block-bytes 0 means no L1 and no L2\n",
			      stderr);
			return -1;
		}
		options->l2 = REPLAY_L2_NONE;
		return 0;
	}
	if (!options->l1_bytes)
		options->l1_bytes = bytes * L1_BLOCKS;
	if (!options->l2_bytes)
		options->l2_bytes =
			(bytes + AIBRIX_CACHE_FRAME_BYTES) * L2_BLOCKS;
	if (options->l1_bytes < bytes) {
		fputs("replay: --l1-bytes: less than one block\n", stderr);
		return -1;
	}
	if (options->l2 != REPLAY_L2_NONE &&
	    options->l2_bytes < bytes + AIBRIX_CACHE_FRAME_BYTES) {
		fputs("replay: --l2-bytes: less than one block with its "
		      "frame\n",
		      stderr);
		return -1;
	}
	return 0;
}

int
replay_options_settle(replay_options *options)
{
	if (!options->trace == !options->kind) {
		fputs("replay: give one of --trace FILE and --generate KIND; "
		      "--help says more\n",
		      stderr);
		return -1;
	}
	if (options->speed > 0 && options->load > 0) {
		fputs("replay: --speed and --load exclude each other\n",
		      stderr);
		return -1;
	}
	if (options->speed <= 0 && options->load <= 0)
		options->load = 0.6;
	if (fleet_settle(options) != 0 || replay_policies_check(options) != 0)
		return -1;
	return l2_settle(options);
}

uint32_t
replay_options_points(const replay_options *options)
{
	return options->sweep.option ? options->sweep.n : 1;
}

int
replay_options_point(const replay_options *options, uint32_t i,
		     replay_options *point)
{
	const replay_sweep *sweep = &options->sweep;
	const option_row *row = NULL;

	*point = *options;
	for (uint32_t r = 0; sweep->option && r < ROWS; r++) {
		if (strcmp(rows[r].name, sweep->option) == 0)
			row = &rows[r];
	}
	if (sweep->option && (!row || row->kind < OPT_WHOLE))
		return replay_option_fail("sweep", sweep->option,
					  "not an option that is a number");
	if (row) {
		point->swept = sweep->values[i];
		if (option_take(point, row, sweep->values[i]) != 0)
			return -1;
	}
	return replay_options_settle(point);
}

static void
rows_list(struct option *out)
{
	for (uint32_t i = 0; i < ROWS; i++) {
		out[i].name = rows[i].name;
		out[i].has_arg = rows[i].kind == OPT_FLAG ? no_argument
							  : required_argument;
		out[i].val = (int)i;
	}
	out[ROWS].name = "help";
	out[ROWS].val = HELP;
}

int
replay_options_parse(int argc, char **argv, replay_options *options)
{
	struct option list[ROWS + 2] = {{0}};
	int option;

	*options = (replay_options){
		.seed = 1,
		.block_tokens = 128,
		.block_bytes = 4096,
		.l2 = REPLAY_L2_MEM,
		.preset = "h100-llama3-8b",
	};
	rows_list(list);
	if (replay_evicts_parse(options, "lru") != 0)
		return -1;
	while ((option = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (option == HELP) {
			replay_help_print();
			return replay_output_end() == 0 ? 1 : -1;
		}
		if (option >= ROWS) /* getopt has said what */
			return -1;
		if (option_take(options, &rows[option], optarg) != 0)
			return -1;
	}
	if (optind < argc) {
		fprintf(stderr, "replay: %s: not an option\n", argv[optind]);
		return -1;
	}
	if (options->n_policies)
		return 0;
	return replay_policies_parse(
		options, options->prefill_pods
				 ? "random,least-request,prefix-cache,cost,pd"
				 : "random,least-request,prefix-cache,cost");
}

void
replay_options_clear(replay_options *options)
{
	free(options->policy_text);
	free(options->sweep.text);
	*options = (replay_options){0};
}
