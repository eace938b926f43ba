/* The command line: numbers are rows of a table with their bounds. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autoscale.h"

typedef struct option_row {
	const char *name;
	enum { FLAG, TEXT, WHOLE, REAL, OWN } kind;
	size_t at; /* in autoscale_options */
	double min, max;
	int (*parse)(autoscale_options *options, char *text);
} option_row;

static int shapes_parse(autoscale_options *options, char *text);
static int scalers_parse(autoscale_options *options, char *text);

#define AT(member) offsetof(autoscale_options, member)

static const option_row rows[] = {
	{"shape", OWN, 0, 0, 0, shapes_parse},
	{"scaler", OWN, 0, 0, 0, scalers_parse},
	{"seeds", WHOLE, AT(seeds), 1, AUTOSCALE_SEEDS_MAX, NULL},
	{"seed", WHOLE, AT(first_seed), 0, 1e15, NULL},
	{"hours", REAL, AT(hours), 0.01, 100, NULL},
	{"pods", REAL, AT(pods), 0.1, AUTOSCALE_PODS_MAX, NULL},
	{"max-pods", WHOLE, AT(max_pods), 1, AUTOSCALE_PODS_MAX, NULL},
	{"start-up", REAL, AT(start_s), 0, 3600, NULL},
	{"start-spread", REAL, AT(start_sigma), 0, 2, NULL},
	{"scrape", REAL, AT(scrape_s), 0.1, 600, NULL},
	{"scrape-loss", REAL, AT(scrape_loss), 0, 1, NULL},
	{"slo-ttft", REAL, AT(slo_ttft_ms), 0.001, 1e9, NULL},
	{"slo-itl", REAL, AT(slo_itl_ms), 0.001, 1e9, NULL},
	{"full", REAL, AT(full), 0.01, 1, NULL},
	{"preset", TEXT, AT(preset), 0, 0, NULL},
	{"policy", TEXT, AT(policy), 0, 0, NULL},
	{"trace", TEXT, AT(trace), 0, 0, NULL},
	{"jobs", WHOLE, AT(jobs), 1, AUTOSCALE_JOBS_MAX, NULL},
	{"usual", FLAG, AT(usual), 0, 0, NULL},
	{"all", FLAG, AT(all), 0, 0, NULL},
	{"json", FLAG, AT(json), 0, 0, NULL},
	{"timeline", FLAG, AT(timeline), 0, 0, NULL},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), HELP = ROWS };

static int
option_fail(const char *option, const char *text, const char *what)
{
	fprintf(stderr, "autoscale: --%s %s: %s\n", option, text, what);
	return -1;
}

static int
shapes_parse(autoscale_options *options, char *text)
{
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		const sim_shape *shape = sim_shape_find(word);

		if (!shape)
			return option_fail("shape", word, "there is none such");
		if (options->n_shapes == AUTOSCALE_SHAPES_MAX)
			return option_fail("shape", word, "too many");
		options->shapes[options->n_shapes++] = shape;
	}
	return 0;
}

static int
entry_add(autoscale_options *options, const autoscale_scaler *scaler,
	  const char *text)
{
	if (options->n_entries == AUTOSCALE_ENTRIES_MAX)
		return option_fail("scaler", scaler->name, "too many");
	options->entries[options->n_entries++] =
		(autoscale_entry){scaler, text};
	return 0;
}

static int
sweep_add(autoscale_options *options, const autoscale_scaler *scaler)
{
	for (uint32_t i = 0; scaler->sweep[i]; i++)
		if (entry_add(options, scaler, scaler->sweep[i]) != 0)
			return -1;
	return 0;
}

/* "hpa,apa": their sweeps; "apa:target=8,stable=60": that one. */
static int
scalers_parse(autoscale_options *options, char *text)
{
	char *colon = strchr(text, ':');
	const autoscale_scaler *scaler;
	char complaint[160];

	if (colon) {
		scaler = autoscale_scaler_find(text, (size_t)(colon - text));
		if (!scaler)
			return option_fail("scaler", text,
					   "there is none such");
		if (autoscale_text_check(scaler, colon + 1, complaint,
					 sizeof(complaint)) != 0)
			return option_fail("scaler", text, complaint);
		return entry_add(options, scaler, colon + 1);
	}
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		scaler = autoscale_scaler_find(word, strlen(word));
		if (!scaler)
			return option_fail("scaler", word,
					   "there is none such");
		if (sweep_add(options, scaler) != 0)
			return -1;
	}
	return 0;
}

static int
number_take(const option_row *row, const char *text, autoscale_options *options)
{
	char *at = (char *)options + row->at;
	char message[64];
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end || !isfinite(value) || errno ||
	    (row->kind == WHOLE && value != floor(value)))
		return option_fail(row->name, text,
				   row->kind == WHOLE ? "not a whole number"
						      : "not a number");
	if (value < row->min || value > row->max) {
		snprintf(message, sizeof(message),
			 "must be between %.15g and %.15g", row->min, row->max);
		return option_fail(row->name, text, message);
	}
	if (row->kind == WHOLE) {
		uint64_t whole = (uint64_t)value;

		memcpy(at, &whole, sizeof(whole));
	} else {
		memcpy(at, &value, sizeof(value));
	}
	return 0;
}

static int
row_take(const option_row *row, char *text, autoscale_options *options)
{
	char *at = (char *)options + row->at;
	const char *kept = text;
	uint64_t one = 1;

	switch (row->kind) {
	case FLAG: memcpy(at, &one, sizeof(one)); return 0;
	case TEXT: memcpy(at, &kept, sizeof(kept)); return 0;
	case OWN: return row->parse(options, text);
	default: return number_take(row, text, options);
	}
}

/* Those that nobody has to ask for. */
static int
defaults_take(autoscale_options *options)
{
	int no_shape = options->n_shapes == 0;
	int no_scaler = options->n_entries == 0;

	for (size_t i = 0; no_shape && sim_shape_at(i); i++)
		if (sim_shape_at(i)->rate || options->trace)
			options->shapes[options->n_shapes++] = sim_shape_at(i);
	for (uint32_t i = 0; no_scaler && autoscale_scaler_at(i); i++)
		if (sweep_add(options, autoscale_scaler_at(i)) != 0)
			return -1;
	return 0;
}

/* --usual: of each scaler's sweep the first. */
static void
usual_keep(autoscale_options *options)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < options->n_entries; i++) {
		autoscale_entry *entry = &options->entries[i];

		if (entry->text == entry->scaler->sweep[0])
			options->entries[n++] = *entry;
	}
	options->n_entries = n;
}

/* "-tp4" at the end of a preset's name: four GPUs. */
static double
gpus_of(const char *preset)
{
	const char *tp = strstr(preset, "-tp");

	return tp && isdigit((unsigned char)tp[3]) ? strtod(tp + 3, NULL) : 1;
}

static int
options_settle(autoscale_options *options)
{
	if (sim_preset_find(options->preset, &options->spec) != 0)
		return option_fail("preset", options->preset,
				   "there is none such");
	options->gpus = gpus_of(options->preset);
	if (options->pods > (double)options->max_pods)
		return option_fail("pods", "", "more than --max-pods");
	if (defaults_take(options) != 0)
		return -1;
	if (options->usual)
		usual_keep(options);
	if (options->n_entries == 0)
		return option_fail("usual", "", "leaves no scaler");
	for (uint32_t i = 0; i < options->n_shapes; i++)
		if (!options->shapes[i]->rate && !options->trace)
			return option_fail("shape", options->shapes[i]->name,
					   "needs --trace FILE");
	return 0;
}

int
autoscale_options_parse(int argc, char **argv, autoscale_options *options)
{
	struct option long_options[ROWS + 2] = {{0}};
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);
	int which;

	for (int i = 0; i < ROWS; i++)
		long_options[i] = (struct option){
			rows[i].name,
			rows[i].kind == FLAG ? no_argument : required_argument,
			NULL, i};
	long_options[ROWS] = (struct option){"help", no_argument, NULL, HELP};
	*options = (autoscale_options){
		.preset = "a100-llama3-8b",
		.policy = "least-request",
		.seeds = 5,
		.first_seed = 1,
		.max_pods = 24,
		.jobs = jobs < 1                    ? 1
			: jobs > AUTOSCALE_JOBS_MAX ? AUTOSCALE_JOBS_MAX
						    : (uint64_t)jobs,
		.pods = 6,
		.hours = 1,
		.full = 0.8,
		.start_s = 150,
		.start_sigma = 0.15,
		.scrape_s = 10,
		.scrape_loss = 0.01,
		.slo_ttft_ms = 1000,
		.slo_itl_ms = 100,
	};
	while ((which = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
		if (which == HELP) {
			autoscale_help(stdout);
			return 1;
		}
		if (which >= ROWS ||
		    row_take(&rows[which], optarg, options) != 0) {
			if (which >= ROWS)
				fprintf(stderr, "autoscale: try --help\n");
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "autoscale: %s: what is that? try --help\n",
			argv[optind]);
		return -1;
	}
	return options_settle(options);
}
