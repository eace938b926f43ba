/*
 * Capacity is what the engine model itself achieves when it is saturated,
 * rather than a formula beside it: batches are as large as memory allows,
 * so a fleet at half of this load still has time to spare.
 */
#include "sim_capacity.h"

#include <math.h>
#include <stdlib.h>

#include "sim_engine.h"

typedef struct capacity_pod {
	uint64_t free_blocks;
	uint32_t block_tokens;
} capacity_pod;

uint64_t
sim_request_blocks(const sim_request *request, uint32_t block_tokens)
{
	uint64_t tokens =
		(uint64_t)request->input_tokens + request->output_tokens;

	return (tokens + block_tokens - 1) / block_tokens;
}

static int
capacity_admit(void *ctx, sim_job *job, uint64_t now_ns)
{
	capacity_pod *pod = ctx;
	uint64_t need = sim_request_blocks(job->user, pod->block_tokens);

	if (need > pod->free_blocks)
		return 0;
	pod->free_blocks -= need;
	job->done_tokens = 0;
	job->ready_ns = now_ns;
	return 1;
}

static void
capacity_prefilled(void *ctx, sim_job *job, uint64_t now_ns)
{
	(void)ctx;
	(void)job;
	(void)now_ns;
}

static void
capacity_finished(void *ctx, sim_job *job, uint64_t now_ns)
{
	capacity_pod *pod = ctx;

	(void)now_ns;
	pod->free_blocks += sim_request_blocks(job->user, pod->block_tokens);
}

static const sim_engine_ops capacity_ops = {
	capacity_admit,
	capacity_prefilled,
	capacity_finished,
};

double
sim_capacity_s(const sim_pod_spec *spec, const sim_workload *workload,
	       uint32_t pods, uint64_t gpu_blocks, uint32_t block_tokens)
{
	sim_job *jobs = calloc(workload->n, sizeof(*jobs));
	double sum_s = 0;

	for (uint32_t p = 0; jobs && p < pods; p++) {
		capacity_pod pod = {gpu_blocks, block_tokens};
		sim_engine *engine = sim_engine_new(spec, &capacity_ops, &pod);
		uint64_t next_ns;

		if (!engine) {
			sum_s = (double)NAN;
			break;
		}
		for (size_t i = p; i < workload->n; i += pods) {
			jobs[i].id = i;
			jobs[i].user = &workload->requests[i];
			jobs[i].input_tokens =
				workload->requests[i].input_tokens;
			jobs[i].output_tokens =
				workload->requests[i].output_tokens;
			sim_engine_submit(engine, &jobs[i], 0);
		}
		while ((next_ns = sim_engine_next(engine)) != UINT64_MAX)
			sim_engine_advance(engine, next_ns);
		sum_s += (double)sim_engine_busy_ns(engine) / 1e9;
		sim_engine_free(engine);
	}
	if (!jobs)
		return (double)NAN;
	free(jobs);
	return sum_s / pods;
}
