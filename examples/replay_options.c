/*
 * The command line.  Every number is checked here, with the option's name in
 * the message, so that nothing behind it has to doubt them.
 */
#include "replay_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <aibrix/aibrix.h>

#include "sim/sim_presets.h"

enum {
	/* Stand for 128 GiB of host memory per pod and 2 TiB of shared store
	 * with blocks of 128 tokens of Llama 3 8B (16 MiB). */
	L1_BLOCKS = 8192,
	L2_BLOCKS = 131072,
	BLOCK_BYTES_MAX = 1 << 30,
	PODS_MAX = 1024
};

enum {
	OPT_TRACE = 1,
	OPT_GENERATE,
	OPT_REQUESTS,
	OPT_SEED,
	OPT_PODS,
	OPT_POLICY,
	OPT_EVICT,
	OPT_PROFILE,
	OPT_BLOCK_TOKENS,
	OPT_BLOCK_BYTES,
	OPT_GPU_BLOCKS,
	OPT_L1_BYTES,
	OPT_L2,
	OPT_L2_BYTES,
	OPT_L2_FAULT,
	OPT_SPEED,
	OPT_LOAD,
	OPT_PRESET,
	OPT_MEASURE,
	OPT_JSON,
	OPT_HELP
};

static const struct option long_options[] = {
	{"trace", required_argument, NULL, OPT_TRACE},
	{"generate", required_argument, NULL, OPT_GENERATE},
	{"requests", required_argument, NULL, OPT_REQUESTS},
	{"seed", required_argument, NULL, OPT_SEED},
	{"pods", required_argument, NULL, OPT_PODS},
	{"policy", required_argument, NULL, OPT_POLICY},
	{"evict", required_argument, NULL, OPT_EVICT},
	{"profile", required_argument, NULL, OPT_PROFILE},
	{"block-tokens", required_argument, NULL, OPT_BLOCK_TOKENS},
	{"block-bytes", required_argument, NULL, OPT_BLOCK_BYTES},
	{"gpu-blocks", required_argument, NULL, OPT_GPU_BLOCKS},
	{"l1-bytes", required_argument, NULL, OPT_L1_BYTES},
	{"l2", required_argument, NULL, OPT_L2},
	{"l2-bytes", required_argument, NULL, OPT_L2_BYTES},
	{"l2-fault", required_argument, NULL, OPT_L2_FAULT},
	{"speed", required_argument, NULL, OPT_SPEED},
	{"load", required_argument, NULL, OPT_LOAD},
	{"preset", required_argument, NULL, OPT_PRESET},
	{"measure", no_argument, NULL, OPT_MEASURE},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static const char help_text[] =
	"Usage: replay --trace FILE | --generate KIND [options]\n"
	"\n"
	"Replays requests over a fleet of modelled engines with real KV "
	"caches\n"
	"and shows what each routing policy costs.  Time is virtual.\n"
	"\n"
	"What arrives\n"
	"  --trace FILE         Mooncake trace: JSON lines with timestamp "
	"(ms),\n"
	"                       input_length, output_length, hash_ids\n"
	"  --generate KIND      conversation, agent or rag\n"
	"  --requests N         how many (generate: 2000; trace: all)\n"
	"  --seed S             of generated requests and of ties [1]\n"
	"  --load F             arrivals scaled to the fraction F of what the\n"
	"                       fleet can do without hits [0.6]\n"
	"  --speed X            arrivals X times as fast as stated, instead\n"
	"\n"
	"The fleet\n"
	"  --pods N             engines [8]\n"
	"  --preset NAME        GPU and model of a pod [h100-llama3-8b]\n"
	"  --policy A,B,...     routing policies to compare\n"
	"                       [random,least-request,prefix-cache]\n"
	"  --profile NAME       default, or compat: AIBrix's answers "
	"[default]\n"
	"\n"
	"Caches (sizes take K, M, G, T: powers of 1024)\n"
	"  --block-tokens N     tokens of a block [128]\n"
	"  --gpu-blocks N       blocks in a pod's GPU memory [as the preset]\n"
	"  --block-bytes N      real bytes per block; 0: no L1, no L2 [4K]\n"
	"  --l1-bytes N         of a pod's memory cache [8192 blocks]\n"
	"  --evict A,B,...      eviction orders of L1 to compare: lru, "
	"s3fifo,\n"
	"                       fifo, arc, sieve, auto, density [lru]\n"
	"  --l2 WHAT            store that all pods share: none, mem, "
	"file:DIR,\n"
	"                       or the URL of a Redis or Valkey, as in\n"
	"                       redis://HOST:6379, redis-cluster://HOST:6379,\n"
	"                       unix:///run/redis.sock [mem]\n"
	"  --l2-bytes N         of that store [131072 blocks]\n"
	"  --l2-fault WHAT      L2 answers in virtual time and is slow, hang, "
	"flap or\n"
	"                       none of it, each pod over a link of its own; "
	"shows\n"
	"                       what that costs against no L2.  slow@0.5: from "
	"half\n"
	"                       of the time on [@0.25]\n"
	"  --measure            loads take what this machine's memory and L2\n"
	"                       need, measured, instead of the preset's times\n"
	"\n"
	"  --json               one JSON object per policy on stdout\n"
	"  --help               this text\n"
	"\n"
	"Presets:\n";

static void
help_print(void)
{
	const char *text;
	const char *name;

	fputs(help_text, stdout);
	for (size_t i = 0; (name = sim_preset_name(i, &text)); i++)
		printf("  %-20s %s\n", name, text);
}

/* A full pipe or disk behind stdout is a failure like any other. */
int
replay_output_end(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("replay: output");
	return -1;
}

int
replay_option_fail(const char *option, const char *text, const char *what)
{
	fprintf(stderr, "replay: --%s %s: %s\n", option, text, what);
	return -1;
}

/* Digits, then, when units is set, perhaps K, M, G or T. */
static int
number_parse(const char *option, const char *text, int units, uint64_t min,
	     uint64_t max, uint64_t *out)
{
	static const char letters[] = "KMGT";
	const char *unit;
	unsigned long long value;
	char message[96];
	char *end;
	uint32_t shift = 0;

	if (!isdigit((unsigned char)text[0]))
		return replay_option_fail(option, text, "not a whole number");
	errno = 0;
	value = strtoull(text, &end, 10);
	if (units && *end && (unit = strchr(letters, *end)) != NULL) {
		shift = 10 * (uint32_t)(unit - letters + 1);
		end++;
	}
	if (*end)
		return replay_option_fail(option, text, "not a whole number");
	if (errno == ERANGE || value > UINT64_MAX >> shift ||
	    value << shift < min || value << shift > max) {
		snprintf(message, sizeof(message),
			 "must be between %llu and %llu",
			 (unsigned long long)min, (unsigned long long)max);
		return replay_option_fail(option, text, message);
	}
	*out = (uint64_t)value << shift;
	return 0;
}

static int
ratio_parse(const char *option, const char *text, double max, double *out)
{
	char message[64];
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !isfinite(value))
		return replay_option_fail(option, text, "not a number");
	if (value < 1e-6 || value > max) {
		snprintf(message, sizeof(message),
			 "must be between 0.000001 and %g", max);
		return replay_option_fail(option, text, message);
	}
	*out = value;
	return 0;
}

/* The strategies that the replay knows enough for: a strategy over metrics
 * that it does not have would draw at random. */
static const char *const policies[] = {"random", "least-request",
				       "prefix-cache"};

enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

static int
policy_known(const char *name)
{
	for (uint32_t i = 0; i < POLICIES; i++) {
		if (strcmp(policies[i], name) == 0)
			return 1;
	}
	return 0;
}

static int
policy_unknown(const char *name)
{
	fprintf(stderr, "replay: --policy %s: unknown; there are", name);
	for (uint32_t i = 0; i < POLICIES; i++)
		fprintf(stderr, "%s %s", i ? "," : "", policies[i]);
	fputc('\n', stderr);
	return -1;
}

static int
policies_parse(replay_options *options, const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *at;

	free(options->policy_text);
	options->n_policies = 0;
	at = options->policy_text = malloc(bytes);
	if (!at)
		return replay_option_fail("policy", text, "out of memory");
	memcpy(at, text, bytes);
	for (;;) {
		char *comma = strchr(at, ',');

		if (comma)
			*comma = '\0';
		if (!policy_known(at))
			return policy_unknown(at);
		if (options->n_policies == REPLAY_POLICIES_MAX)
			return replay_option_fail("policy", text, "too many");
		options->policies[options->n_policies++] = at;
		if (!comma)
			return 0;
		at = comma + 1;
	}
}

/* By AIBRIX_EVICT_*. */
static const char *const evict_names[] = {
	[AIBRIX_EVICT_LRU] = "lru",         [AIBRIX_EVICT_S3FIFO] = "s3fifo",
	[AIBRIX_EVICT_FIFO] = "fifo",       [AIBRIX_EVICT_ARC] = "arc",
	[AIBRIX_EVICT_SIEVE] = "sieve",     [AIBRIX_EVICT_AUTO] = "auto",
	[AIBRIX_EVICT_DENSITY] = "density",
};
enum { EVICT_NAMES = sizeof(evict_names) / sizeof(evict_names[0]) };

int
replay_evict_number(const char *name)
{
	for (int i = 0; i < EVICT_NAMES; i++)
		if (strcmp(evict_names[i], name) == 0)
			return i;
	return -1;
}

static int
evicts_parse(replay_options *options, const char *text)
{
	const char *at = text;

	options->n_evicts = 0;
	for (;;) {
		size_t len = strcspn(at, ",");
		int i = 0;

		while (i < EVICT_NAMES &&
		       (strlen(evict_names[i]) != len ||
			strncmp(evict_names[i], at, len) != 0))
			i++;
		if (i == EVICT_NAMES)
			return replay_option_fail(
				"evict", text,
				"not of lru, s3fifo, fifo, arc, "
				"sieve, auto, density");
		if (options->n_evicts == REPLAY_EVICTS_MAX)
			return replay_option_fail("evict", text, "too many");
		options->evicts[options->n_evicts++] = evict_names[i];
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static int
profile_parse(replay_options *options, const char *text)
{
	if (strcmp(text, "default") == 0)
		options->profile = AIBRIX_PROFILE_DEFAULT;
	else if (strcmp(text, "compat") == 0)
		options->profile = AIBRIX_PROFILE_COMPAT;
	else
		return replay_option_fail("profile", text,
					  "not default or compat");
	return 0;
}

/* Which option, its argument, what was given so far. */
static int
option_take(replay_options *options, int option, const char *text)
{
	uint64_t value = 0;
	int failed = 0;

	switch (option) {
	case OPT_TRACE: options->trace = text; break;
	case OPT_GENERATE: options->kind = text; break;
	case OPT_REQUESTS:
		return number_parse("requests", text, 0, 1, 10000000,
				    &options->requests);
	case OPT_SEED:
		return number_parse("seed", text, 0, 0, UINT64_MAX,
				    &options->seed);
	case OPT_PODS:
		failed = number_parse("pods", text, 0, 1, PODS_MAX, &value);
		options->pods = (uint32_t)value;
		break;
	case OPT_POLICY: return policies_parse(options, text);
	case OPT_EVICT: return evicts_parse(options, text);
	case OPT_PROFILE: return profile_parse(options, text);
	case OPT_BLOCK_TOKENS:
		failed = number_parse("block-tokens", text, 0, 1,
				      AIBRIX_HASH_BLOCK_TOKENS_MAX, &value);
		options->block_tokens = (uint32_t)value;
		break;
	case OPT_BLOCK_BYTES:
		return number_parse("block-bytes", text, 1, 0, BLOCK_BYTES_MAX,
				    &options->block_bytes);
	case OPT_GPU_BLOCKS:
		return number_parse("gpu-blocks", text, 0, 1, 1 << 28,
				    &options->gpu_blocks);
	case OPT_L1_BYTES:
		return number_parse("l1-bytes", text, 1, 1, UINT64_C(1) << 48,
				    &options->l1_bytes);
	case OPT_L2: return replay_l2_parse(options, text);
	case OPT_L2_FAULT: return replay_l2_fault_parse(options, text);
	case OPT_L2_BYTES:
		return number_parse("l2-bytes", text, 1, 1, UINT64_C(1) << 48,
				    &options->l2_bytes);
	case OPT_SPEED: return ratio_parse("speed", text, 1e6, &options->speed);
	case OPT_LOAD: return ratio_parse("load", text, 100, &options->load);
	case OPT_PRESET: options->preset = text; break;
	case OPT_MEASURE: options->measure = 1; break;
	case OPT_JSON: options->json = 1; break;
	default: failed = -1; break; /* getopt has said what */
	}
	return failed;
}

/* Defaults that depend on other options, and what does not go together. */
static int
options_settle(replay_options *options)
{
	uint64_t bytes = options->block_bytes;

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
	if (options->l2_fault &&
	    (bytes == 0 || options->l2 == REPLAY_L2_NONE)) {
		fputs("replay: --l2-fault: there is no L2\n", stderr);
		return -1;
	}
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
replay_options_parse(int argc, char **argv, replay_options *options)
{
	int option;

	*options = (replay_options){
		.seed = 1,
		.pods = 8,
		.block_tokens = 128,
		.block_bytes = 4096,
		.l2 = REPLAY_L2_MEM,
		.preset = "h100-llama3-8b",
	};
	if (policies_parse(options, "random,least-request,prefix-cache") != 0 ||
	    evicts_parse(options, "lru") != 0)
		return -1;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) !=
	       -1) {
		if (option == OPT_HELP) {
			help_print();
			return replay_output_end() == 0 ? 1 : -1;
		}
		if (option_take(options, option, optarg) != 0)
			return -1;
	}
	if (optind < argc) {
		fprintf(stderr, "replay: %s: not an option\n", argv[optind]);
		return -1;
	}
	return options_settle(options);
}

void
replay_options_clear(replay_options *options)
{
	free(options->policy_text);
	*options = (replay_options){0};
}
