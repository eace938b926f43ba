/*
 * Requests on pods: the gateway's pick, the engine's memory, what is counted.
 *
 * Prompts share nothing here: KV memory is a number of blocks that requests
 * hold from admission to their last token.
 */
#include <stdlib.h>

#include "sim_capacity.h"
#include "sim_fleet_state.h"
#include "sim_rand.h"

void
sim_fleet_fail(sim_fleet_state *fleet, int status)
{
	if (fleet->status == AIBRIX_OK)
		fleet->status = status;
}

static int
held_push(sim_fleet_state *fleet, const sim_request *what)
{
	if (fleet->n_held == fleet->cap_held) {
		size_t cap = fleet->cap_held ? 2 * fleet->cap_held : 256;
		const sim_request **held =
			realloc(fleet->held, cap * sizeof(*held));

		if (!held)
			return AIBRIX_E_NOMEM;
		fleet->held = held;
		fleet->cap_held = cap;
	}
	fleet->held[fleet->n_held++] = what;
	return AIBRIX_OK;
}

static int
row_pick(sim_fleet_state *fleet, const sim_request *what, uint32_t *row)
{
	const aibrix_column overlay = {AIBRIX_COL_REQUESTS_RUNNING, fleet->rows,
				       fleet->running};
	const aibrix_route_request ask = {
		.size = sizeof(ask),
		.n_overlay = 1,
		.overlay = &overlay,
		.rows = fleet->ready,
		.n_rows = fleet->n_ready,
		.prompt_tokens = what->input_tokens,
		.entropy = sim_mix(fleet->opts->seed ^ what->arrival_ns),
	};
	aibrix_route_result picked = {.size = sizeof(picked)};
	int err = aibrix_route_pick(fleet->route, fleet->table, &ask,
				    fleet->now_ns, &picked);

	*row = picked.row;
	return err;
}

void
sim_fleet_send(sim_fleet_state *fleet, const sim_request *what)
{
	sim_fleet_request *request;
	uint32_t row = 0;
	int err;

	if (fleet->n_ready == 0) {
		sim_fleet_fail(fleet, held_push(fleet, what));
		return;
	}
	err = row_pick(fleet, what, &row);
	if (err) {
		sim_fleet_fail(fleet, err);
		return;
	}
	request = &fleet->requests[what - fleet->opts->workload->requests];
	request->what = what;
	request->blocks = sim_request_blocks(what, SIM_BLOCK_TOKENS);
	request->job.user = request;
	request->job.id = (uint64_t)(what - fleet->opts->workload->requests);
	request->job.input_tokens = what->input_tokens;
	request->job.output_tokens = what->output_tokens;
	fleet->running[row]++;
	sim_engine_submit(fleet->pods[row].engine, &request->job,
			  fleet->now_ns);
	fleet->next_ns[row] = sim_engine_next(fleet->pods[row].engine);
}

static int
pod_admit(void *ctx, sim_job *job, uint64_t now_ns)
{
	sim_fleet_pod *pod = ctx;
	const sim_fleet_request *request = job->user;

	if (request->blocks > pod->fleet->gpu_blocks - pod->used_blocks)
		return 0;
	pod->used_blocks += request->blocks;
	job->done_tokens = 0;
	job->ready_ns = now_ns;
	return 1;
}

static void
pod_prefilled(void *ctx, sim_job *job, uint64_t now_ns)
{
	sim_fleet_pod *pod = ctx;
	sim_fleet_request *request = job->user;

	request->ttft_s = (double)(now_ns - request->what->arrival_ns) / 1e9;
	pod->totals.prompt_tokens_total += job->input_tokens;
	pod->totals.generation_tokens_total++;
	pod->totals.ttft_s_sum += request->ttft_s;
	pod->totals.ttft_count++;
}

/* Time per output token after the first; 0: there is none. */
static double
request_itl_s(const sim_fleet_request *request, double e2e_s)
{
	return request->what->output_tokens > 1
		       ? (e2e_s - request->ttft_s) /
				 (request->what->output_tokens - 1)
		       : 0;
}

/* A long prompt takes long on an empty pod, too. */
static double
alone_s(const sim_pod_spec *spec, double tokens)
{
	return tokens * spec->flops_per_token / spec->gemm_flops_per_s +
	       tokens * tokens / 2 * spec->flops_per_pair /
		       spec->attention_flops_per_s;
}

static int
request_good(const sim_fleet_opts *opts, const sim_fleet_request *request,
	     double itl_s)
{
	double late_s = request->ttft_s -
			alone_s(opts->spec, request->what->input_tokens);

	return late_s <= opts->slo_ttft_s && itl_s <= opts->slo_itl_s;
}

static void
pod_finished(void *ctx, sim_job *job, uint64_t now_ns)
{
	sim_fleet_pod *pod = ctx;
	sim_fleet_state *fleet = pod->fleet;
	const sim_fleet_opts *opts = fleet->opts;
	sim_fleet_request *request = job->user;
	double e2e_s = (double)(now_ns - request->what->arrival_ns) / 1e9;
	double itl_s = request_itl_s(request, e2e_s);
	double further = request->what->output_tokens > 1
				 ? request->what->output_tokens - 1.0
				 : 0;

	pod->used_blocks -= request->blocks;
	pod->totals.requests_total++;
	pod->totals.generation_tokens_total += further;
	pod->totals.itl_s_sum += itl_s * further;
	pod->totals.itl_count += further;
	pod->totals.e2e_s_sum += e2e_s;
	pod->totals.e2e_count++;
	fleet->running[pod->row]--;
	fleet->result->finished++;
	fleet->result->in_slo += (uint64_t)request_good(opts, request, itl_s);
	if (now_ns <= opts->end_ns)
		fleet->tokens += request->what->input_tokens + 1.0 + further;
	if (further > 0) {
		fleet->itl_s += itl_s;
		fleet->itl_n++;
	}
	if (sim_stats_add(&fleet->ttft_s, request->ttft_s) != 0 ||
	    sim_stats_add(&fleet->e2e, e2e_s) != 0)
		sim_fleet_fail(fleet, AIBRIX_E_NOMEM);
}

const sim_engine_ops sim_fleet_engine_ops = {
	pod_admit,
	pod_prefilled,
	pod_finished,
};
