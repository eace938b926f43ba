/*
 * A pod: its GPU memory, its tiers, its engine's questions.
 *
 * Where L2 is behind a link, a request waits for it as an engine's does:
 * admitted, with its GPU blocks, while others compute.
 */
#include "replay_state.h"

#include <stdlib.h>

enum { POLL_NS = 1000000 };

/* Time at which n blocks that start to load now are there. */
static uint64_t
load_end_ns(const replay_state *replay, uint64_t *free_ns, uint32_t n,
	    double bytes_per_s, double latency_s)
{
	double bytes = (double)n * replay->input->options->block_tokens *
		       replay->input->spec->kv_bytes_per_token;

	if (n == 0)
		return replay->now_ns;
	if (*free_ns < replay->now_ns)
		*free_ns = replay->now_ns;
	*free_ns += (uint64_t)(1e9 * (latency_s + bytes / bytes_per_s));
	return *free_ns;
}

/* What was found is there, or on its way from the pod's memory. */
static void
request_loads(replay_pod *pod, replay_request *request, const replay_hits *hits)
{
	replay_state *replay = pod->replay;
	const sim_pod_spec *spec = pod->spec;
	uint64_t l1_ns;
	uint64_t l2_ns = replay->now_ns;
	uint32_t from_l1 = hits->l1;

	request->n_cached = request->n_gpu + hits->l1 + hits->l2;
	/* What is sent again counts once. */
	if (!request->retried) {
		replay->gpu_hits += request->n_gpu;
		replay->l1_hits += hits->l1;
		replay->l2_hits += hits->l2;
		replay->group_cached[request->group] +=
			(double)request->n_cached *
			replay->input->options->block_tokens;
	}
	/* What came over a link is in L1 by now. */
	if (replay->tiers.links)
		from_l1 += hits->l2;
	else
		l2_ns = load_end_ns(replay, &pod->l2_free_ns, hits->l2,
				    spec->l2_bytes_per_s, spec->l2_latency_s);
	l1_ns = load_end_ns(replay, &pod->l1_free_ns, from_l1,
			    spec->l1_bytes_per_s, spec->l1_latency_s);
	request->job.ready_ns = l1_ns > l2_ns ? l1_ns : l2_ns;
	request->job.done_tokens =
		request->n_cached * replay->input->options->block_tokens;
}

/* What it would take to compute what the tiers are asked for: no longer is
 * it worth waiting for. */
static uint64_t
budget_ns(const replay_state *replay, const replay_request *request)
{
	double tokens = replay->input->options->block_tokens;
	double done = request->n_gpu * tokens;

	return (uint64_t)(1e9 * sim_step_s(replay->input->spec,
					   request->n_usable * tokens - done,
					   done, 0, 0));
}

/* Ask the tiers for what the GPU lacks. */
static void
request_ask(replay_pod *pod, replay_request *request)
{
	replay_state *replay = pod->replay;
	/* A key names the whole prefix, so the part beyond the GPU's hits can
	 * be asked for alone. */
	const aibrix_key *keys = request->keys + request->n_gpu;
	uint32_t n = request->n_usable - request->n_gpu;
	replay_hits hits = {0};
	int status;

	if (replay->tiers.links)
		status = replay_tiers_ask(&replay->tiers, pod->place, keys, n,
					  budget_ns(replay, request),
					  replay->now_ns, &request->lease,
					  &hits);
	else
		status = replay_tiers_read(&replay->tiers, pod->place, keys, n,
					   &hits);
	if (status == AIBRIX_E_AGAIN) {
		request->job.ready_ns = AIBRIX_FOREVER;
		request->next_waiting = pod->waiting;
		pod->waiting = request;
		return;
	}
	if (status != AIBRIX_OK)
		replay->status = status;
	request_loads(pod, request, &hits);
}

/* The engine has a place for this request: has memory? what is cached? */
static int
pod_admit(void *ctx, sim_job *job, uint64_t now_ns)
{
	replay_pod *pod = ctx;
	replay_state *replay = pod->replay;
	replay_request *request = job->user;
	int status;

	replay->now_ns = now_ns;
	if (replay->pd) {
		if (!replay_pd_admit(pod, request))
			return 0;
		request->admitted_ns = now_ns;
		if (!request->decoding)
			request_ask(pod, request);
		return 1;
	}
	request->n_gpu = sim_gpu_cache_match(pod->gpu, request->names,
					     request->n_usable);
	status = sim_gpu_cache_admit(pod->gpu, request->names, request->n_gpu,
				     request->n_room, request->slots);
	if (status == AIBRIX_E_FULL)
		return 0;
	replay_fail(replay, "index", status);
	request->admitted_ns = now_ns;
	request_ask(pod, request);
	return 1;
}

void
replay_pod_poll(replay_pod *pod)
{
	replay_state *replay = pod->replay;
	replay_request **at = &pod->waiting;
	replay_hits hits;
	int status =
		replay_tiers_poll(&replay->tiers, pod->place, replay->now_ns);

	if (status != AIBRIX_OK)
		replay->status = status;
	while (*at && replay->status == AIBRIX_OK) {
		replay_request *request = *at;

		status = replay_tiers_get(&replay->tiers, pod->place,
					  request->keys + request->n_gpu,
					  request->lease, &hits);
		if (status == AIBRIX_E_AGAIN) {
			at = &request->next_waiting;
			continue;
		}
		if (status != AIBRIX_OK)
			replay->status = status;
		*at = request->next_waiting;
		request_loads(pod, request, &hits);
	}
}

void
replay_pod_schedule(replay_pod *pod)
{
	replay_state *replay = pod->replay;
	uint32_t pods = replay->input->options->pods;
	uint64_t wake_ns = replay_tiers_wake(&replay->tiers, pod->place);

	/* The cache ends a wait that no longer pays, when it is polled. */
	if (pod->waiting && wake_ns > replay->now_ns + POLL_NS)
		wake_ns = replay->now_ns + POLL_NS;
	sim_events_set(replay->events, pod->place,
		       pod->engine ? sim_engine_next(pod->engine)
				   : AIBRIX_FOREVER);
	sim_events_set(replay->events, pods + 1 + pod->place, wake_ns);
}

/* The client sees its first token, once. */
static void
first_token(replay_state *replay, replay_request *request)
{
	uint64_t arrival_ns = request->what->arrival_ns;
	double ttft_ms = (double)(replay->now_ns - arrival_ns) / 1e6;

	if (request->answered)
		return;
	request->answered = 1;
	if (sim_stats_add(&replay->ttft_ms, ttft_ms) != 0 ||
	    sim_stats_add(&replay->group_ttft_ms[request->group], ttft_ms) !=
		    0 ||
	    (replay->input->light_ms && request->group &&
	     sim_stats_add(replay->input->light_ms, ttft_ms) != 0) ||
	    (arrival_ns >= replay->input->fault_from_ns &&
	     sim_stats_add(&replay->late_ttft_ms, ttft_ms) != 0))
		replay_fail(replay, "statistics", AIBRIX_E_NOMEM);
}

static void
pod_prefilled(void *ctx, sim_job *job, uint64_t now_ns)
{
	replay_pod *pod = ctx;
	replay_state *replay = pod->replay;
	replay_request *request = job->user;
	uint32_t from = request->n_cached;

	replay->now_ns = now_ns;
	replay_fail(replay, "index",
		    sim_gpu_cache_store(pod->gpu, request->hashes,
					request->names, request->n_gpu,
					request->n_blocks, request->slots));
	if (replay->predictions)
		replay_fail(replay, "predictions",
			    aibrix_predict_confirm(replay->predictions,
						   pod->row, request->hashes,
						   request->n_blocks));
	if (request->decoding) {
		replay_pd_arrived(replay, request);
		first_token(replay, request);
		return;
	}
	if (replay_tiers_write(&replay->tiers, pod->place, request->keys + from,
			       request->hashes + from, request->n_blocks - from,
			       now_ns) != AIBRIX_OK)
		replay->status = AIBRIX_E_IO;
	pod->pending_tokens -= request->pending_tokens;
	replay_fail(replay, "estimate",
		    sim_learn_first_token(replay->estimate, replay->fleet,
					  &request->charge, now_ns));
	replay_metrics_prefilled(pod, request);
	replay_metrics_count(replay, pod);
	if (!replay->pd)
		first_token(replay, request);
}

/* Times of a request that has ended. */
static void
times_add(replay_state *replay, const replay_request *request)
{
	double decode_ns =
		(double)(replay->now_ns - request->job.first_token_ns);
	double e2e_ns = (double)(replay->now_ns - request->what->arrival_ns);
	uint32_t tokens = request->what->output_tokens;

	if (sim_stats_add(&replay->e2e_ms, e2e_ns / 1e6) != 0 ||
	    (tokens > 1 && sim_stats_add(&replay->tpot_ms,
					 decode_ns / 1e6 / (tokens - 1)) != 0))
		replay_fail(replay, "statistics", AIBRIX_E_NOMEM);
}

static void
pod_finished(void *ctx, sim_job *job, uint64_t now_ns)
{
	replay_pod *pod = ctx;
	replay_state *replay = pod->replay;
	replay_request *request = job->user;

	replay->now_ns = now_ns;
	if (replay->pd && !request->decoding) {
		replay_pd_prefilled(pod, request);
		return;
	}
	sim_gpu_cache_finish(pod->gpu, request->slots, request->n_blocks,
			     request->n_room - request->n_blocks);
	pod->running--;
	pod->blocks -= request->blocks;
	replay->finished++;
	replay->output_sum += request->what->output_tokens;
	replay_fair_done(replay, request);
	replay_fail(replay, "estimate",
		    sim_learn_last_token(replay->estimate, &request->charge,
					 request->what->output_tokens, now_ns));
	replay_metrics_finished(pod, request);
	replay_metrics_count(replay, pod);
	times_add(replay, request);
	replay->live[job->id] = NULL;
	replay_request_free(request);
}

const sim_engine_ops replay_pod_ops = {pod_admit, pod_prefilled, pod_finished};
