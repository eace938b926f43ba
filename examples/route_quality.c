/*
 * route_quality: what routing policies are worth, cell by cell.
 *
 * A cell is a workload, a number of pods and a load.  Each seed makes its own
 * workload, its own engines (six constants, each up to 30 % off what the
 * preset says, and steps that take longer or shorter by chance) and its own
 * ties; all policies of a cell see the same.  doc/modules/route.md has the
 * table.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route_quality.h"
#include "sim/sim_capacity.h"
#include "sim/sim_rand.h"
#include "sim/sim_trace.h"

enum { LIST_MAX = 16, PODS_MAX = 1024 };

typedef struct settings {
	const char *trace, *preset;
	const char *json_path;
	FILE *json;
	char *kinds[LIST_MAX], *policies[LIST_MAX];
	double pods[LIST_MAX], loads[LIST_MAX];
	uint32_t n_kinds, n_policies, n_pods, n_loads;
	uint64_t requests, first_seed;
	uint32_t seeds;
	int slow; /* one pod takes three times as long */
} quality_settings;

/* Over the seeds. */
typedef struct sums {
	double mean, p99, hits, pick_ns;
	double mean_of[LIST_MAX]; /* by seed */
} quality_sums;

static const char usage[] =
	"Usage: route_quality [options]\n"
	"  --kinds A,B     conversation, agent, rag; trace\n"
	"                  [conversation,agent,rag]\n"
	"  --trace FILE    of kind trace, in Mooncake's format\n"
	"  --pods A,B      [8,64]\n"
	"  --loads A,B     [0.5,0.7,0.9]\n"
	"  --policy A,B    strategies of the library, aibrix (compat "
	"prefix-cache),\n"
	"                  preble, dynamo, llm-d, sglang [all of these];\n"
	"                  cost-cold: cost that learns nothing\n"
	"  --requests N    of a generated workload with 8 pods; with more "
	"pods\n"
	"                  as the square root of their number [3000]\n"
	"  --seeds N       [5]\n"
	"  --first-seed S  [1]\n"
	"  --preset NAME   engines, as replay has them [h100-llama3-8b]\n"
	"  --json FILE     the numbers of each cell and policy, a line "
	"each, for\n"
	"                  plot_quality.py\n"
	"  --slow          one pod takes three times as long\n";

static uint32_t
words_parse(char *text, char **out)
{
	uint32_t n = 0;

	for (char *at = strtok(text, ","); at && n < LIST_MAX;
	     at = strtok(NULL, ","))
		out[n++] = at;
	return n;
}

static uint32_t
numbers_parse(char *text, double low, double high, double *out)
{
	char *words[LIST_MAX];
	uint32_t n = words_parse(text, words);

	for (uint32_t i = 0; i < n; i++) {
		char *end;

		out[i] = strtod(words[i], &end);
		if (*end || !(out[i] >= low && out[i] <= high))
			return 0;
	}
	return n;
}

static int
option_take(quality_settings *s, const char *name, char *text)
{
	sim_pod_spec spec;
	double number = 0;

	if (strcmp(name, "--trace") == 0) {
		s->trace = text;
		return 0;
	}
	if (strcmp(name, "--preset") == 0) {
		s->preset = text;
		return sim_preset_find(text, &spec);
	}
	if (strcmp(name, "--json") == 0) {
		s->json_path = text;
		return 0;
	}
	if (strcmp(name, "--kinds") == 0)
		return (s->n_kinds = words_parse(text, s->kinds)) ? 0 : -1;
	if (strcmp(name, "--policy") == 0)
		return (s->n_policies = words_parse(text, s->policies)) ? 0
									: -1;
	if (strcmp(name, "--pods") == 0)
		return (s->n_pods = numbers_parse(text, 1, PODS_MAX, s->pods))
			       ? 0
			       : -1;
	if (strcmp(name, "--loads") == 0)
		return (s->n_loads = numbers_parse(text, 0.01, 2, s->loads))
			       ? 0
			       : -1;
	if (numbers_parse(text, 1, 1e6, &number) != 1)
		return -1;
	if (strcmp(name, "--requests") == 0)
		s->requests = (uint64_t)number;
	else if (strcmp(name, "--seeds") == 0 && number <= LIST_MAX)
		s->seeds = (uint32_t)number;
	else if (strcmp(name, "--first-seed") == 0)
		s->first_seed = (uint64_t)number;
	else
		return -1;
	return 0;
}

static int
settings_parse(int argc, char **argv, quality_settings *s)
{
	static char kinds[] = "conversation,agent,rag", pods[] = "8,64";
	static char loads[] = "0.5,0.7,0.9";
	static char policies[] = "random,least-request,aibrix,preble,dynamo,"
				 "llm-d,sglang,prefix-cache,cost";

	*s = (quality_settings){.preset = "h100-llama3-8b",
				.requests = 3000,
				.first_seed = 1,
				.seeds = 5};
	s->n_kinds = words_parse(kinds, s->kinds);
	s->n_policies = words_parse(policies, s->policies);
	s->n_pods = numbers_parse(pods, 1, PODS_MAX, s->pods);
	s->n_loads = numbers_parse(loads, 0.01, 2, s->loads);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return 1;
		}
		if (strcmp(argv[i], "--slow") == 0) {
			s->slow = 1;
			continue;
		}
		if (i + 1 == argc || option_take(s, argv[i], argv[i + 1])) {
			fprintf(stderr, "route_quality: %s: wrong; --help\n",
				argv[i]);
			return -1;
		}
		i++;
	}
	return 0;
}

/* Up to 30 % more or less, equally likely in logarithms. */
static double
off(sim_rand *rand)
{
	return exp((2 * sim_rand_unit(rand) - 1) * log(1.3));
}

/* The engines of a seed: one kind, as each has only one. */
static void
specs_make(const quality_settings *s, uint64_t seed, uint32_t pods,
	   sim_pod_spec *specs)
{
	sim_rand rand = {sim_mix(seed ^ 0x656e67696e65)};
	sim_pod_spec spec;

	if (sim_preset_find(s->preset, &spec) != 0)
		abort();
	spec.gemm_flops_per_s *= off(&rand);
	spec.attention_flops_per_s *= off(&rand);
	spec.memory_bytes_per_s *= off(&rand);
	spec.step_s *= off(&rand);
	spec.sequence_s *= off(&rand);
	spec.kv_tokens = (uint64_t)((double)spec.kv_tokens * off(&rand));
	spec.noise = 0.1;
	for (uint32_t i = 0; i < pods; i++)
		specs[i] = spec;
	if (!s->slow)
		return;
	specs[0].gemm_flops_per_s /= 3;
	specs[0].attention_flops_per_s /= 3;
	specs[0].memory_bytes_per_s /= 3;
}

static int
workload_make(const quality_settings *s, const char *kind, uint32_t pods,
	      uint64_t seed, sim_workload *workload)
{
	size_t n = (size_t)((double)s->requests * sqrt(pods / 8.0));

	if (strcmp(kind, "trace") != 0)
		return sim_workload_generate(workload, kind, n, seed);
#ifdef SIM_HAVE_JANSSON
	{
		char error[512];

		if (s->trace && sim_trace_read(s->trace, n, workload, error,
					       sizeof(error)) == 0)
			return 0;
		fprintf(stderr, "route_quality: %s\n",
			s->trace ? error : "--trace FILE");
	}
#endif
	return -1;
}

static int
workload_load(const sim_pod_spec *spec, uint32_t pods, double load,
	      sim_workload *workload)
{
	const sim_request *requests = workload->requests;
	double span_s = (double)(requests[workload->n - 1].arrival_ns -
				 requests[0].arrival_ns) /
			1e9;
	double needed_s =
		sim_capacity_s(spec, workload, pods,
			       spec->kv_tokens / QUALITY_BLOCK, QUALITY_BLOCK);

	if (isnan(needed_s) || span_s <= 0)
		return -1;
	sim_workload_scale(workload, needed_s / (load * span_s));
	return 0;
}

/* All policies on the workload of a seed. */
static int
seed_run(const quality_settings *s, const char *kind, uint32_t pods,
	 double load, uint64_t seed, quality_sums *sums)
{
	static sim_pod_spec specs[PODS_MAX];
	sim_workload workload = {0};
	uint64_t *names = NULL, *first = NULL;
	quality_case c = {.specs = specs, .pods = pods, .seed = seed};
	sim_pod_spec spec;
	int failed;

	specs_make(s, seed, pods, specs);
	spec = specs[pods - 1];
	spec.noise = 0;
	failed = workload_make(s, kind, pods, seed, &workload) ||
		 workload_load(&spec, pods, load, &workload) ||
		 quality_names(&workload, &names, &first);
	c.workload = &workload;
	c.names = names;
	c.first = first;
	for (uint32_t i = 0; !failed && i < s->n_policies; i++) {
		quality_result r;

		failed = quality_run(&c, s->policies[i], &r);
		if (failed)
			break;
		sums[i].mean += r.mean_ms / s->seeds;
		sums[i].p99 += r.p99_ms / s->seeds;
		sums[i].hits += r.hits / s->seeds;
		sums[i].pick_ns += r.pick_ns / s->seeds;
		sums[i].mean_of[seed - s->first_seed] = r.mean_ms;
	}
	free(names);
	free(first);
	sim_workload_clear(&workload);
	return failed ? -1 : 0;
}

/* Standard error of the mean over seeds of a difference, paired, in percent
 * of the second's mean. */
static double
spread(const quality_settings *s, const quality_sums *a, const quality_sums *b)
{
	double sum = 0, squares = 0, n = s->seeds, variance;

	for (uint32_t i = 0; i < s->seeds; i++) {
		double d = 100 * (a->mean_of[i] / b->mean_of[i] - 1);

		sum += d;
		squares += d * d;
	}
	variance = n > 1 ? (squares - sum * sum / n) / (n - 1) : 0;
	return sqrt(variance > 0 ? variance / n : 0);
}

static void
cell_print(const quality_settings *s, const char *kind, uint32_t pods,
	   double load, const quality_sums *sums)
{
	uint32_t last = s->n_policies - 1, best = 0, tail = 0;

	printf("| %s, %u, %.1f |", kind, pods, load);
	for (uint32_t i = 0; i < s->n_policies; i++) {
		printf(" %.0f / %.0f |", sums[i].mean, sums[i].p99);
		if (i < last && sums[i].mean < sums[best].mean)
			best = i;
		if (i < last && sums[i].p99 < sums[tail].p99)
			tail = i;
	}
	if (last)
		printf(" %+.1f (%.1f) %s | %+.1f %s |",
		       100 * (sums[last].mean / sums[best].mean - 1),
		       spread(s, &sums[last], &sums[best]), s->policies[best],
		       100 * (sums[last].p99 / sums[tail].p99 - 1),
		       s->policies[tail]);
	printf("\n");
	fflush(stdout);
}

static void
cell_save(const quality_settings *s, const char *kind, uint32_t pods,
	  double load, const quality_sums *sums)
{
	for (uint32_t i = 0; s->json && i < s->n_policies; i++)
		fprintf(s->json,
			"{\"workload\":\"%s\",\"pods\":%u,\"load\":%g,"
			"\"policy\":\"%s\",\"seeds\":%u,"
			"\"ttft_ms_mean\":%.3f,\"ttft_ms_p99\":%.3f,"
			"\"hit_ratio\":%.6f}\n",
			kind, pods, load, s->policies[i], s->seeds,
			sums[i].mean, sums[i].p99, sums[i].hits);
}

static int
cells_run(const quality_settings *s)
{
	uint32_t cells = s->n_kinds * s->n_pods * s->n_loads;

	printf("| workload, pods, load |");
	for (uint32_t i = 0; i < s->n_policies; i++)
		printf(" %s |", s->policies[i]);
	printf(" mean to the best other, %% | p99, %% |\n");
	for (uint32_t i = 0; i < cells; i++) {
		const char *kind = s->kinds[i / s->n_loads / s->n_pods];
		double pods = s->pods[i / s->n_loads % s->n_pods];
		double load = s->loads[i % s->n_loads];
		quality_sums sums[LIST_MAX] = {0};

		for (uint32_t seed = 0; seed < s->seeds; seed++)
			if (seed_run(s, kind, (uint32_t)pods, load,
				     s->first_seed + seed, sums) != 0)
				return -1;
		cell_print(s, kind, (uint32_t)pods, load, sums);
		cell_save(s, kind, (uint32_t)pods, load, sums);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	quality_settings settings;
	int parsed = settings_parse(argc, argv, &settings);
	int failed;

	if (parsed)
		return parsed < 0 ? 2 : EXIT_SUCCESS;
	if (settings.json_path) {
		settings.json = fopen(settings.json_path, "w");
		if (!settings.json) {
			perror(settings.json_path);
			return EXIT_FAILURE;
		}
	}
	failed = cells_run(&settings);
	/* A full disk is a failure like any other. */
	if (settings.json && fclose(settings.json) != 0) {
		perror(settings.json_path);
		failed = -1;
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
