/*
 * replay: the main job of libaibrix on a real or generated workload.
 *
 * Requests of a trace go through a gateway (hash, match, pick) to pods with
 * modelled engines and real KV caches; each policy sees the same requests
 * and starts with everything empty.  doc/modules/sim.md has the model and
 * says what each number means.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay/replay_link.h"
#include "replay/replay_options.h"
#include "replay/replay_run.h"
#include "sim/sim_capacity.h"
#include "sim/sim_trace.h"

enum { GENERATED = 2000, ERROR_BYTES = 512, EXIT_USAGE = 2 };

static int
workload_load(const replay_options *options, sim_workload *workload)
{
	char error[ERROR_BYTES];
	int failed;

	if (options->trace) {
#ifdef SIM_HAVE_JANSSON
		size_t max = options->requests ? options->requests : SIZE_MAX;

		failed = sim_trace_read(options->trace, max, workload, error,
					sizeof(error));
#else
		failed = -1;
		snprintf(error, sizeof(error),
			 "--trace needs libjansson, which this build has not; "
			 "--generate works");
#endif
		if (failed) {
			fprintf(stderr, "replay: %s\n", error);
			return failed;
		}
		failed = sim_workload_sessions(workload);
		if (failed)
			fputs("replay: out of memory\n", stderr);
		return failed;
	}
	failed = sim_workload_generate(workload, options->kind,
				       options->requests ? options->requests
							 : GENERATED,
				       options->seed);
	if (failed == -2)
		fprintf(stderr,
			"replay: --generate %s: not conversation, agent or "
			"rag\n",
			options->kind);
	else if (failed)
		fputs("replay: out of memory\n", stderr);
	return failed;
}

/* A request that no pod can ever hold would wait for ever. */
static int
workload_fits(const replay_options *options, const sim_workload *workload)
{
	for (size_t i = 0; i < workload->n; i++) {
		const sim_request *request = &workload->requests[i];
		uint64_t need =
			sim_request_blocks(request, options->block_tokens);

		if (need <= options->gpu_blocks)
			continue;
		if (options->trace)
			fprintf(stderr, "replay: %s:%u", options->trace,
				request->line);
		else
			fprintf(stderr, "replay: request %zu", i + 1);
		fprintf(stderr,
			": needs %llu GPU blocks, a pod has %llu; see "
			"--gpu-blocks\n",
			(unsigned long long)need,
			(unsigned long long)options->gpu_blocks);
		return -1;
	}
	return 0;
}

static int
arrivals_scale(const replay_options *options, const sim_pod_spec *spec,
	       sim_workload *workload)
{
	const sim_request *requests = workload->requests;
	double span_s = (double)(requests[workload->n - 1].arrival_ns -
				 requests[0].arrival_ns) /
			1e9;
	double needed_s;

	if (options->speed > 0) {
		sim_workload_scale(workload, 1 / options->speed);
		return 0;
	}
	needed_s = sim_capacity_s(spec, workload, options->pods,
				  options->gpu_blocks, options->block_tokens);
	if (isnan(needed_s)) {
		fputs("replay: out of memory\n", stderr);
		return -1;
	}
	/* Nothing to stretch when all arrive at once. */
	if (span_s > 0)
		sim_workload_scale(workload,
				   needed_s / (options->load * span_s));
	return 0;
}

/* On top of the load.  Who of the siblings finds what the first one computes
 * hangs on when an engine looks. */
static int
bursts_add(const replay_options *options, sim_pod_spec *spec,
	   sim_workload *workload)
{
	spec->admits_late = 1;
	if (sim_workload_burst(workload, options->burst, options->seed) != 0) {
		fputs("replay: out of memory\n", stderr);
		return -1;
	}
	return workload_fits(options, workload);
}

/* When the fault of L2 begins, if there is one. */
static uint64_t
fault_from_ns(const replay_options *options, const sim_workload *workload)
{
	uint64_t first_ns = workload->requests[0].arrival_ns;
	uint64_t span_ns =
		workload->requests[workload->n - 1].arrival_ns - first_ns;

	return first_ns + (uint64_t)(options->l2_fault_from * (double)span_ns);
}

/* Every policy, at one point of the sweep. */
static int
policies_run(const replay_input *input, replay_result *results)
{
	const replay_options *options = input->options;
	uint32_t n = options->n_policies * options->n_evicts;

	for (uint32_t i = 0; i < n; i++) {
		const char *policy = options->policies[i / options->n_evicts];
		const char *evict = options->evicts[i % options->n_evicts];

		if (replay_compare(input, policy, evict, &results[i]) != 0)
			return -1;
		results[i].swept = options->swept;
		if (!options->json)
			continue;
		replay_report_json(input, &results[i]);
		if (replay_output_end() != 0)
			return -1;
	}
	if (!options->json && !options->swept)
		replay_report_table(input, results, n);
	return 0;
}

static int
point_run(replay_options *options, sim_workload *workload,
	  replay_result *results)
{
	sim_pod_spec spec;
	replay_input input = {
		.options = options,
		.spec = &spec,
		.workload = workload,
		.progress = isatty(STDERR_FILENO),
	};

	if (sim_preset_find(options->preset, &spec) != 0) {
		fprintf(stderr,
			"replay: --preset %s: unknown; --help lists them\n",
			options->preset);
		return -1;
	}
	if (!options->gpu_blocks)
		options->gpu_blocks = spec.kv_tokens / options->block_tokens;
	if (workload_load(options, workload) != 0 ||
	    workload_fits(options, workload) != 0)
		return -1;
	if (options->measure && replay_measure(options, &spec) != 0)
		return -1;
	if (options->l2_gbps > 0)
		spec.l2_bytes_per_s = options->l2_gbps * 1e9 / 8;
	replay_tenants_part(options, workload);
	if (arrivals_scale(options, &spec, workload) != 0)
		return -1;
	if (options->burst && bursts_add(options, &spec, workload) != 0)
		return -1;
	input.hit_ceiling = replay_ceiling(options, workload);
	if (isnan(input.hit_ceiling))
		return -1;
	input.fault_from_ns = fault_from_ns(options, workload);
	return policies_run(&input, results);
}

static int
replay_main(const replay_options *options)
{
	uint32_t points = replay_options_points(options);
	uint32_t n = options->n_policies * options->n_evicts;
	replay_result *results = calloc((size_t)points * n, sizeof(*results));
	int failed = results ? 0 : -1;

	if (failed)
		fputs("replay: out of memory\n", stderr);
	for (uint32_t i = 0; i < points && !failed; i++) {
		sim_workload workload = {0};
		replay_options point;

		failed = replay_options_point(options, i, &point);
		if (!failed)
			failed = point_run(&point, &workload,
					   results + (size_t)i * n);
		sim_workload_clear(&workload);
	}
	if (!failed && !options->json && options->sweep.option)
		replay_report_sweep(options, results, points * n);
	if (!failed)
		failed = replay_output_end();
	free(results);
	return failed;
}

/* Before anything runs. */
static int
points_check(const replay_options *options)
{
	replay_options point;
	int failed = 0;

	for (uint32_t i = 0; i < replay_options_points(options) && !failed; i++)
		failed = replay_options_point(options, i, &point);
	return failed;
}

int
main(int argc, char **argv)
{
	replay_options options;
	int parsed = replay_options_parse(argc, argv, &options);
	int failed = 0;

	if (parsed == 0)
		parsed = points_check(&options);
	if (parsed == 0)
		failed = replay_main(&options);
	replay_options_clear(&options);
	if (parsed < 0)
		return EXIT_USAGE;
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
