/*
 * The main job: a gateway and its pods, in virtual time.
 *
 *   arrival   tokens -> hash -> index match -> route pick -> engine queue
 *   admitted  GPU blocks, then L1 and L2 through the pod's aibrix_cache
 *   prefilled new blocks: GPU cache -> events -> index; L1 and L2
 *   finished  GPU room is given back
 *
 * An event is an arrival, the end of an engine's step, or something of a pod's
 * L2.  Everything else follows from one of them, at the same instant.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay_state.h"

void
replay_fail(replay_state *replay, const char *what, int status)
{
	if (status == AIBRIX_OK || replay->status != AIBRIX_OK)
		return;
	replay->status = status;
	fprintf(stderr, "replay: %s: %s\n", what, aibrix_strerror(status));
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
arrival_next(replay_state *replay, const char *policy)
{
	const sim_workload *workload = replay->input->workload;
	uint64_t next_ns = AIBRIX_FOREVER;

	replay_gateway_arrive(replay, &workload->requests[replay->arrived]);
	if (++replay->arrived < workload->n)
		next_ns = workload->requests[replay->arrived].arrival_ns;
	sim_events_set(replay->events, replay->input->options->pods, next_ns);
	progress_show(replay, policy);
}

static void
pod_next(replay_state *replay, replay_pod *pod, int l2)
{
	if (l2)
		replay_pod_poll(pod);
	sim_engine_advance(pod->engine, replay->now_ns);
	replay_pod_schedule(pod);
	replay_pd_settle(replay);
	replay_churn_settle(replay);
	replay_gateway_drain(replay);
}

static void
replay_loop(replay_state *replay, const char *policy)
{
	const sim_workload *workload = replay->input->workload;
	uint32_t pods = replay->input->options->pods;

	replay->first_ns = workload->requests[0].arrival_ns;
	replay->span_ns = workload->requests[workload->n - 1].arrival_ns -
			  replay->first_ns;
	sim_events_set(replay->events, pods, replay->first_ns);
	replay_churn_begin(replay);
	/* L2 may have writes left when all requests are done. */
	while (replay->status == AIBRIX_OK && replay->finished < workload->n) {
		uint32_t source;
		uint64_t time_ns = sim_events_next(replay->events, &source);

		if (time_ns == AIBRIX_FOREVER)
			break;
		replay_metrics_read(replay, time_ns);
		replay->now_ns = time_ns;
		if (source == pods) {
			arrival_next(replay, policy);
		} else if (source > 2 * pods) {
			replay_churn_step(replay);
			replay_gateway_drain(replay);
		} else {
			pod_next(replay, &replay->pods[source % (pods + 1)],
				 source > pods);
		}
	}
	if (replay->input->progress)
		fputs("\r                       \r", stderr);
}

/* What strategies read of a request and of pods, by row. */
static int
columns_new(replay_state *replay)
{
	uint32_t pods = replay->input->options->pods;

	replay->matched = calloc(pods, sizeof(*replay->matched));
	replay->load = calloc(pods, sizeof(*replay->load));
	replay->names = calloc(pods, sizeof(*replay->names));
	replay->addresses = calloc(pods, sizeof(*replay->addresses));
	if (!replay->matched || !replay->load || !replay->names ||
	    !replay->addresses)
		return AIBRIX_E_NOMEM;
	replay->user_blocks = calloc((size_t)replay->input->options->users + 1,
				     sizeof(*replay->user_blocks));
	replay->rows = calloc(pods, sizeof(*replay->rows));
	replay->busy_until_s = calloc(pods, sizeof(*replay->busy_until_s));
	replay->sent = calloc(pods, sizeof(*replay->sent));
	replay->sent_s = calloc(pods, sizeof(*replay->sent_s));
	if (!replay->rows || !replay->sent || !replay->sent_s ||
	    !replay->busy_until_s)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < pods; i++) {
		snprintf(replay->names[i].text, sizeof(replay->names[i].text),
			 "10.0.%u.%u:8000", i / 256 % 256, i % 256);
	}
	return AIBRIX_OK;
}

/* What some strategies remember of the requests before. */
static int
memories_new(replay_state *replay, const char *policy)
{
	const sim_pod_spec *spec = replay->input->spec;
	aibrix_radix_opts radix = {
		.size = sizeof(radix),
		.compat = replay->input->options->profile ==
			  AIBRIX_PROFILE_COMPAT,
		.token_s = spec->flops_per_token / spec->gemm_flops_per_s,
		.pair_s = spec->flops_per_pair / spec->attention_flops_per_s,
		.decode_s = sim_step_s(spec, 0, 0, 1, 0),
	};
	int status = AIBRIX_OK;

	if (replay->input->options->predict)
		status = aibrix_predict_new(NULL, &replay->predictions);
	if (status == AIBRIX_OK && strstr(policy, "dualmap"))
		status = aibrix_hot_new(NULL, &replay->hot);
	if (status == AIBRIX_OK)
		status = sim_learn_new(policy, &replay->estimate);
	if (status == AIBRIX_OK && strstr(policy, "prefix-cache-preble"))
		status = aibrix_radix_new(&radix, &replay->radix);
	return status;
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
		.queue_weight = options->queue_weight,
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
	/* A request may wait for hours where a user sends too many. */
	const aibrix_vtc_opts fair = {
		.size = sizeof(fair),
		.max_requests = (uint32_t)replay->input->workload->n,
		.max_user_requests = (uint32_t)replay->input->workload->n,
		.lease_ns = AIBRIX_FOREVER,
	};
	int status = aibrix_hash_new(&hash, &replay->hash);

	replay->rule = sim_policy_find(policy);
	replay->pd = strcmp(policy, "pd") == 0;
	if (status == AIBRIX_OK && !replay->rule && !replay->pd)
		status = aibrix_route_new(&route, &replay->route);
	if (status == AIBRIX_OK)
		status = aibrix_fleet_new(NULL, &replay->fleet);
	if (status == AIBRIX_OK)
		status = aibrix_index_new(NULL, &replay->index);
	if (status == AIBRIX_OK)
		status =
			aibrix_index_reader_new(replay->index, &replay->reader);
	if (status == AIBRIX_OK)
		status = memories_new(replay, policy);
	if (status == AIBRIX_OK && replay->input->fair)
		status = aibrix_vtc_new(&fair, &replay->vtc);
	replay->events = sim_events_new(2 * options->pods + 2);
	replay->live =
		calloc(replay->input->workload->n, sizeof(*replay->live));
	/* Pages that no prompt reaches are never touched. */
	replay->tokens = malloc(SIM_INPUT_TOKENS_MAX * sizeof(uint32_t));
	if (status == AIBRIX_OK &&
	    (!replay->events || !replay->live || !replay->tokens))
		status = AIBRIX_E_NOMEM;
	if (status == AIBRIX_OK)
		status = columns_new(replay);
	if (status == AIBRIX_OK)
		status = replay_pods_new(replay);
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
	replay_pods_free(replay);
	/* Only a run that failed leaves requests inside. */
	for (size_t i = 0; replay->live && i < replay->input->workload->n; i++)
		replay_request_free(replay->live[i]);
	free(replay->live);
	replay_tiers_close(&replay->tiers);
	sim_events_free(replay->events);
	free(replay->matched);
	free(replay->load);
	free(replay->names);
	free(replay->addresses);
	free(replay->user_blocks);
	free(replay->rows);
	free(replay->sent);
	free(replay->sent_s);
	free(replay->busy_until_s);
	aibrix_vtc_free(replay->vtc);
	aibrix_hot_free(replay->hot);
	aibrix_radix_free(replay->radix);
	aibrix_estimate_free(replay->estimate);
	aibrix_predict_free(replay->predictions);
	free(replay->tokens);
	sim_stats_clear(&replay->ttft_ms);
	sim_stats_clear(&replay->late_ttft_ms);
	for (uint32_t i = 0; i < REPLAY_TENANTS_MAX; i++)
		sim_stats_clear(&replay->group_ttft_ms[i]);
	sim_stats_clear(&replay->tpot_ms);
	sim_stats_clear(&replay->e2e_ms);
	aibrix_index_reader_free(replay->reader);
	aibrix_index_free(replay->index);
	aibrix_fleet_free(replay->fleet);
	aibrix_route_free(replay->route);
	aibrix_hash_free(replay->hash);
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
		replay_result_fill(&replay, policy, result);
		result->evict = evict;
		replay_tiers_warn(&replay.tiers);
	}
	replay_close(&replay);
	return failed ? -1 : 0;
}
