/*
 * The main job: a gateway and its pods, in virtual time.
 *
 *   arrival   tokens -> hash -> index match -> route pick -> engine queue
 *   admitted  GPU blocks, then L1 and L2 through the pod's aibrix_cache
 *   prefilled new blocks: GPU cache -> events -> index; L1 and L2
 *   finished  GPU room is given back
 *
 * The gateway knows what real ones know: its own counts of running requests
 * and pending tokens, and what engines announce.  It does not look into the
 * engines.
 */

#include <stdio.h>
#include <stdlib.h>

#include "replay_state.h"
#include "sim/sim_rand.h"

void
replay_fail(replay_state *replay, const char *what, int status)
{
	if (status == AIBRIX_OK || replay->status != AIBRIX_OK)
		return;
	replay->status = status;
	fprintf(stderr, "replay: %s: %s\n", what, aibrix_strerror(status));
}

/* Which pod holds how much of the prompt; which one gets it. */
static int
request_route(replay_state *replay, const replay_request *request,
	      uint32_t *row)
{
	uint32_t rows = replay->input->options->pods;
	aibrix_column overlay = {
		.id = AIBRIX_COL_PREFIX_BLOCKS,
		.rows = rows,
		.values = replay->matched,
	};
	aibrix_route_request ask = {
		.size = sizeof(ask),
		.n_overlay = 1,
		.overlay = &overlay,
		.block_tokens = replay->input->options->block_tokens,
		.prompt_tokens = request->what->input_tokens,
		.n_blocks = request->n_blocks,
		.entropy = sim_mix(replay->input->options->seed ^
				   sim_mix(request->job.id)),
	};
	aibrix_route_result picked = {.size = sizeof(picked)};
	uint64_t begin_ns = replay_now_ns();
	uint64_t middle_ns;
	int status =
		aibrix_index_match(replay->reader, request->hashes,
				   request->n_blocks, 0, replay->matched, rows);

	middle_ns = replay_now_ns();
	if (status == AIBRIX_OK)
		status = aibrix_route_pick(replay->route, replay->fleet, &ask,
					   replay->now_ns, &picked);
	replay->pick_ns += replay_now_ns() - middle_ns;
	replay->match_ns += middle_ns - begin_ns;
	*row = picked.row;
	return status;
}

static void
request_arrive(replay_state *replay, const sim_request *what)
{
	const replay_options *options = replay->input->options;
	replay_request *request =
		replay_request_new(what, options->block_tokens);
	replay_pod *pod;
	uint32_t row = 0;
	int status;

	if (!request) {
		replay_fail(replay, "request", AIBRIX_E_NOMEM);
		return;
	}
	request->job.id = replay->arrived;
	replay->live[replay->arrived] = request;
	status = replay_request_hash(request, replay->hash,
				     replay->input->workload, replay->tokens,
				     &replay->hash_ns);
	replay->hash_blocks += request->n_blocks;
	if (status == AIBRIX_OK)
		status = request_route(replay, request, &row);
	if (status != AIBRIX_OK) {
		replay_fail(replay, "routing", status);
		return;
	}
	pod = &replay->pods[row];
	request->pending_tokens = what->input_tokens -
				  replay->matched[row] * options->block_tokens;
	pod->pending_tokens += request->pending_tokens;
	pod->running++;
	replay_pod_publish(replay, pod);
	sim_engine_submit(pod->engine, &request->job, replay->now_ns);
	replay_pod_schedule(pod);
}

static void
progress_show(const replay_state *replay, const char *policy)
{
	size_t n = replay->input->workload->n;
	size_t step = n / 100 + 1;

	if (replay->input->progress &&
	    (replay->arrived % step == 0 || replay->arrived == n))
		fprintf(stderr, "\r%-16s %3zu %%", policy,
			100 * replay->arrived / n);
}

static void
replay_loop(replay_state *replay, const char *policy)
{
	const sim_workload *workload = replay->input->workload;
	uint32_t arrivals = replay->input->options->pods;

	replay->first_ns = workload->requests[0].arrival_ns;
	sim_events_set(replay->events, arrivals, replay->first_ns);
	/* L2 may have writes left when all requests are done. */
	while (replay->status == AIBRIX_OK && replay->finished < workload->n) {
		uint32_t source;
		uint64_t time_ns = sim_events_next(replay->events, &source);

		if (time_ns == AIBRIX_FOREVER)
			break;
		replay->now_ns = time_ns;
		if (source == arrivals) {
			uint64_t next_ns = AIBRIX_FOREVER;

			request_arrive(replay,
				       &workload->requests[replay->arrived]);
			if (++replay->arrived < workload->n)
				next_ns = workload->requests[replay->arrived]
						  .arrival_ns;
			sim_events_set(replay->events, arrivals, next_ns);
			progress_show(replay, policy);
		} else {
			replay_pod *pod =
				&replay->pods[source % (arrivals + 1)];

			if (source > arrivals)
				replay_pod_poll(pod);
			sim_engine_advance(pod->engine, replay->now_ns);
			replay_pod_schedule(pod);
		}
	}
	if (replay->input->progress)
		fputs("\r                       \r", stderr);
}

static int
pods_new(replay_state *replay)
{
	const replay_options *options = replay->input->options;

	replay->pods = calloc(options->pods, sizeof(*replay->pods));
	if (!replay->pods)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < options->pods; i++) {
		replay_pod *pod = &replay->pods[i];
		aibrix_owner owner = {.pod = i};
		int status = aibrix_fleet_add(replay->fleet, &owner, &pod->row);

		if (status == AIBRIX_OK)
			status =
				aibrix_index_owner_add(replay->index, pod->row);
		if (status != AIBRIX_OK)
			return status;
		pod->replay = replay;
		pod->engine = sim_engine_new(replay->input->spec,
					     &replay_pod_ops, pod);
		pod->gpu = sim_gpu_cache_new(options->gpu_blocks, replay->index,
					     pod->row);
		if (!pod->engine || !pod->gpu)
			return AIBRIX_E_NOMEM;
		replay_pod_publish(replay, pod);
	}
	return replay->status;
}

static int
replay_open(replay_state *replay, const char *policy, const char *evict)
{
	const replay_options *options = replay->input->options;
	aibrix_hash_opts hash = {
		.size = sizeof(hash),
		.block_tokens = options->block_tokens,
	};
	aibrix_route_opts route = {
		.size = sizeof(route),
		.profile = options->profile,
		.strategy = policy,
	};
	const sim_pod_spec *spec = replay->input->spec;
	const replay_link_conf link = {
		.modelled_bytes =
			options->block_tokens * spec->kv_bytes_per_token,
		.bytes_per_s = spec->l2_bytes_per_s,
		.latency_ns = (uint64_t)(1e9 * spec->l2_latency_s),
		.fault = options->l2_fault,
		.fault_from_ns = replay->input->fault_from_ns,
		.now_ns = &replay->now_ns,
	};
	int status = aibrix_hash_new(&hash, &replay->hash);

	if (status == AIBRIX_OK)
		status = aibrix_route_new(&route, &replay->route);
	if (status == AIBRIX_OK)
		status = aibrix_fleet_new(NULL, &replay->fleet);
	if (status == AIBRIX_OK)
		status = aibrix_index_new(NULL, &replay->index);
	if (status == AIBRIX_OK)
		status =
			aibrix_index_reader_new(replay->index, &replay->reader);
	replay->events = sim_events_new(2 * options->pods + 1);
	replay->matched = calloc(options->pods, sizeof(*replay->matched));
	replay->live =
		calloc(replay->input->workload->n, sizeof(*replay->live));
	/* Pages that no prompt reaches are never touched. */
	replay->tokens = malloc(SIM_INPUT_TOKENS_MAX * sizeof(uint32_t));
	if (status == AIBRIX_OK && (!replay->events || !replay->matched ||
				    !replay->live || !replay->tokens))
		status = AIBRIX_E_NOMEM;
	if (status == AIBRIX_OK)
		status = pods_new(replay);
	if (status != AIBRIX_OK) {
		replay_fail(replay, policy, status);
		return -1;
	}
	/* It says itself what is wrong. */
	status = replay_tiers_open(&replay->tiers, options, evict, spec,
				   options->l2_fault ? &link : NULL);
	return status == AIBRIX_OK ? 0 : -1;
}

static void
replay_close(replay_state *replay)
{
	for (uint32_t i = 0; replay->pods && i < replay->input->options->pods;
	     i++) {
		sim_engine_free(replay->pods[i].engine);
		sim_gpu_cache_free(replay->pods[i].gpu);
	}
	/* Only a run that failed leaves requests inside. */
	for (size_t i = 0; replay->live && i < replay->input->workload->n; i++)
		replay_request_free(replay->live[i]);
	free(replay->live);
	free(replay->pods);
	replay_tiers_close(&replay->tiers);
	sim_events_free(replay->events);
	free(replay->matched);
	free(replay->tokens);
	sim_stats_clear(&replay->ttft_ms);
	sim_stats_clear(&replay->late_ttft_ms);
	aibrix_index_reader_free(replay->reader);
	aibrix_index_free(replay->index);
	aibrix_fleet_free(replay->fleet);
	aibrix_route_free(replay->route);
	aibrix_hash_free(replay->hash);
}

/* Busy seconds: of the busiest pod over the mean. */
static double
load_max_over_mean(const replay_state *replay)
{
	uint32_t pods = replay->input->options->pods;
	double max = 0;
	double sum = 0;

	for (uint32_t i = 0; i < pods; i++) {
		double busy =
			(double)sim_engine_busy_ns(replay->pods[i].engine);

		sum += busy;
		if (busy > max)
			max = busy;
	}
	return sum > 0 ? max * pods / sum : 1;
}

static double
per(uint64_t ns, uint64_t n)
{
	return n ? (double)ns / (double)n : 0;
}

static void
result_fill(replay_state *replay, const char *policy, replay_result *result)
{
	const sim_workload *workload = replay->input->workload;
	double share = replay->input->options->block_tokens /
		       (double)workload->input_tokens;
	double span_s = (double)(replay->now_ns - replay->first_ns) / 1e9;
	replay_tiers *tiers = &replay->tiers;
	uint64_t hits = replay->gpu_hits + replay->l1_hits + replay->l2_hits;

	*result = (replay_result){
		.policy = policy,
		.requests = workload->n,
		.pods = replay->input->options->pods,
		.hit_ceiling = replay->input->hit_ceiling,
		.hit_ratio = (double)hits * share,
		.hit_gpu = (double)replay->gpu_hits * share,
		.hit_l1 = (double)replay->l1_hits * share,
		.hit_l2 = (double)replay->l2_hits * share,
		.ttft_ms_mean = sim_stats_mean(&replay->ttft_ms),
		.ttft_ms_p50 = sim_stats_quantile(&replay->ttft_ms, 0.50),
		.ttft_ms_p99 = sim_stats_quantile(&replay->ttft_ms, 0.99),
		.late_requests = replay->late_ttft_ms.n,
		.late_ttft_ms_mean = sim_stats_mean(&replay->late_ttft_ms),
		.late_ttft_ms_p99 =
			sim_stats_quantile(&replay->late_ttft_ms, 0.99),
		.tokens_per_s = (double)(workload->input_tokens +
					 workload->output_tokens) /
				span_s,
		.load_max_over_mean = load_max_over_mean(replay),
		.verified_blocks = tiers->verified,
		.corrupt_blocks = replay_tiers_corrupt(tiers),
		.hash_ns_per_block = per(replay->hash_ns, replay->hash_blocks),
		.match_ns = per(replay->match_ns, workload->n),
		.pick_ns = per(replay->pick_ns, workload->n),
		.cache_ns_per_block = per(tiers->ns, tiers->blocks),
	};
}

int
replay_run(const replay_input *input, const char *policy, const char *evict,
	   replay_result *result)
{
	replay_state replay = {.input = input};
	int failed = replay_open(&replay, policy, evict);

	if (!failed) {
		replay_loop(&replay, policy);
		failed = replay.status != AIBRIX_OK;
	}
	if (!failed) {
		result_fill(&replay, policy, result);
		result->evict = evict;
		replay_tiers_warn(&replay.tiers);
	}
	replay_close(&replay);
	return failed ? -1 : 0;
}
