/*
 * --pd N:M: N pods prefill, M decode, in one group.
 *
 *   gateway   aibrix_pd picks both pods when the request arrives
 *   prefill   computes the prompt, with the prefix caches as ever, and holds
 *             its blocks until they are where they decode
 *   decode    admits the request, fetches what it does not hold over its
 *             network, computes the last token again for its logits, and
 *             the first token of the answer is seen
 */
#include "replay_state.h"

#include <math.h>
#include <stdlib.h>

#include "sim/sim_rand.h"

typedef struct pd_view {
	aibrix_pd_pod *pods;
	aibrix_pd_stat *stats;
	uint32_t *prefill, *decode;
	double *scores;
} pd_view;

static void
view_free(pd_view *view)
{
	free(view->pods);
	free(view->stats);
	free(view->prefill);
	free(view->decode);
	free(view->scores);
}

static int
view_new(pd_view *view, uint32_t n)
{
	view->pods = calloc(n, sizeof(*view->pods));
	view->stats = calloc(n, sizeof(*view->stats));
	view->prefill = calloc(n, sizeof(*view->prefill));
	view->decode = calloc(n, sizeof(*view->decode));
	view->scores = calloc(n, sizeof(*view->scores));
	return view->pods && view->stats && view->prefill && view->decode &&
			       view->scores
		       ? AIBRIX_OK
		       : AIBRIX_E_NOMEM;
}

static void
view_fill(const replay_state *replay, const replay_request *request,
	  pd_view *view)
{
	const replay_options *options = replay->input->options;

	for (uint32_t i = 0; i < options->pods; i++) {
		const replay_pod *pod = &replay->pods[i];
		const replay_recent *recent = &pod->recent;
		uint32_t prefills = i < options->prefill_pods;
		double match = request->n_blocks
				       ? 100 * replay->matched[pod->row] /
						 request->n_blocks
				       : 0;

		view->pods[i] = (aibrix_pd_pod){
			.role = prefills ? AIBRIX_PD_PREFILL : AIBRIX_PD_DECODE,
			.load = (double)NAN,
		};
		view->stats[i] = (aibrix_pd_stat){
			.pending = prefills ? pod->running : pod->promised,
			.running = pod->running,
			.tokens_per_s = (double)NAN,
			.finished_per_s = (double)NAN,
			.kv_usage = sim_gpu_cache_usage(pod->gpu),
			.match_percent = match,
			.prefill_s =
				recent->prefilled > 1e-3
					? recent->prefill_s / recent->prefilled
					: (double)NAN,
			.charged_tokens = pod->pending_tokens,
		};
	}
}

static int
view_pick(const replay_state *replay, const replay_request *request,
	  pd_view *view, aibrix_pd_pick_result *picked)
{
	uint32_t n = replay->input->options->pods;
	uint64_t tokens = request->what->input_tokens;
	uint64_t entropy = sim_mix(replay->input->options->seed ^
				   sim_mix(request->job.id));
	aibrix_pd_opts opts = {
		.size = sizeof(opts),
		.compat = replay->input->options->profile ==
			  AIBRIX_PROFILE_COMPAT,
	};
	aibrix_pd_result split = {.size = sizeof(split)};
	aibrix_pd_lists lists = {view->prefill, view->decode, 0, 0};
	uint32_t gates;
	int status = aibrix_pd_split(&opts, view->pods, n, tokens, entropy,
				     view->prefill, view->decode, &split);

	lists.n_prefill = split.n_prefill;
	lists.n_decode = split.n_decode;
	if (status == AIBRIX_OK)
		status = aibrix_pd_gate(&opts, view->pods, view->stats, n,
					entropy, &lists, &gates);
	if (status == AIBRIX_OK)
		status = aibrix_pd_pick(&opts, view->pods, view->stats, n,
					&lists, tokens, entropy, view->scores,
					picked);
	return status;
}

int
replay_pd_send(replay_state *replay, replay_request *request)
{
	const replay_options *options = replay->input->options;
	aibrix_pd_pick_result picked = {.size = sizeof(picked)};
	pd_view view = {0};
	replay_pod *pod;
	uint64_t begin_ns, middle_ns;
	int status = view_new(&view, options->pods);

	begin_ns = replay_now_ns();
	if (status == AIBRIX_OK)
		status = aibrix_index_match(
			replay->reader, request->hashes, request->n_blocks, 0,
			replay->matched, aibrix_fleet_rows(replay->fleet));
	middle_ns = replay_now_ns();
	if (status == AIBRIX_OK) {
		view_fill(replay, request, &view);
		status = view_pick(replay, request, &view, &picked);
	}
	replay->pick_ns += replay_now_ns() - middle_ns;
	replay->match_ns += middle_ns - begin_ns;
	replay->picks++;
	view_free(&view);
	if (status != AIBRIX_OK)
		return status;
	request->prefill = picked.prefill;
	request->decode = picked.decode;
	request->job.output_tokens = 1;
	pod = &replay->pods[picked.prefill];
	replay->pods[picked.decode].promised++;
	request->pending_tokens =
		request->what->input_tokens -
		replay->matched[pod->row] * options->block_tokens;
	request->routed_ns = replay->now_ns;
	pod->pending_tokens += request->pending_tokens;
	pod->running++;
	sim_engine_submit(pod->engine, &request->job, replay->now_ns);
	replay_pod_schedule(pod);
	return AIBRIX_OK;
}

/* Engines are not called from within each other: later, at this instant. */
void
replay_pd_prefilled(replay_pod *pod, replay_request *request)
{
	replay_state *replay = pod->replay;
	uint32_t *slots = request->slots;

	pod->running--;
	request->slots = request->held;
	request->held = slots;
	request->decoding = 1;
	request->next_handover = NULL;
	if (replay->handover)
		replay->handover_last->next_handover = request;
	else
		replay->handover = request;
	replay->handover_last = request;
}

/* Blocks that a prompt alone takes. */
static uint64_t
prompt_room(const replay_state *replay, const replay_request *request)
{
	uint32_t tokens = replay->input->options->block_tokens;

	return ((uint64_t)request->what->input_tokens + tokens - 1) / tokens;
}

/* 0: no room. */
int
replay_pd_admit(replay_pod *pod, replay_request *request)
{
	replay_state *replay = pod->replay;
	const sim_pod_spec *spec = pod->spec;
	uint32_t tokens = request->what->input_tokens;
	uint64_t room = request->decoding ? request->n_room
					  : prompt_room(replay, request);
	double bytes;
	int status;

	request->n_gpu = sim_gpu_cache_match(pod->gpu, request->names,
					     request->n_usable);
	status = sim_gpu_cache_admit(pod->gpu, request->names, request->n_gpu,
				     room, request->slots);
	if (status == AIBRIX_E_FULL)
		return 0;
	replay_fail(replay, "index", status);
	if (!request->decoding)
		return 1;
	bytes = ((double)tokens -
		 (double)request->n_gpu *
			 replay->input->options->block_tokens) *
		spec->kv_bytes_per_token;
	if (pod->l2_free_ns < replay->now_ns)
		pod->l2_free_ns = replay->now_ns;
	pod->l2_free_ns += (uint64_t)(1e9 * (spec->l2_latency_s +
					     bytes / spec->l2_bytes_per_s));
	request->job.ready_ns = pod->l2_free_ns;
	request->job.done_tokens = tokens - 1;
	return 1;
}

/* It has all: the blocks at prefill are only cached from now on. */
void
replay_pd_arrived(replay_state *replay, replay_request *request)
{
	replay_pod *pod = &replay->pods[request->prefill];

	sim_gpu_cache_finish(pod->gpu, request->held, request->n_blocks,
			     prompt_room(replay, request) - request->n_blocks);
	pod->kicked = 1;
}

static void
request_handover(replay_state *replay, replay_request *request)
{
	replay_pod *pod = &replay->pods[request->decode];

	request->job.output_tokens = request->what->output_tokens;
	request->job.done_tokens = 0;
	request->routed_ns = replay->now_ns;
	pod->promised--;
	pod->running++;
	sim_engine_submit(pod->engine, &request->job, replay->now_ns);
	replay_pod_schedule(pod);
}

void
replay_pd_settle(replay_state *replay)
{
	uint32_t pods = replay->pd ? replay->input->options->prefill_pods : 0;

	for (uint32_t i = 0; i < pods; i++) {
		replay_pod *pod = &replay->pods[i];

		if (!pod->kicked)
			continue;
		pod->kicked = 0;
		sim_engine_advance(pod->engine, replay->now_ns);
		replay_pod_schedule(pod);
	}
	while (replay->handover) {
		replay_request *request = replay->handover;

		replay->handover = request->next_handover;
		request_handover(replay, request);
	}
}
