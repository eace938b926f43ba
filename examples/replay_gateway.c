/*
 * The gateway: which pod a request goes to.
 *
 * It knows what real ones know: its own counts of running requests and
 * pending tokens, what engines announce and report.  It does not look into
 * them.  A request that a policy finds no pod for waits here, and those
 * behind it, until something ends.
 */
#include "replay_state.h"

#include "sim/sim_rand.h"

/* Which pod holds how much of the prompt; which one gets it. */
static int
request_pick(replay_state *replay, const replay_request *request,
	     aibrix_route_result *picked)
{
	const replay_options *options = replay->input->options;
	uint32_t rows = aibrix_fleet_rows(replay->fleet);
	const aibrix_column overlay[] = {
		{AIBRIX_COL_PREFIX_BLOCKS, rows, replay->matched},
		{AIBRIX_COL_REQUEST_LOAD_RATIO, rows, replay->load},
	};
	uint64_t session = request->what->session;
	aibrix_route_request ask = {
		.size = sizeof(ask),
		.n_overlay = sizeof(overlay) / sizeof(overlay[0]),
		.overlay = overlay,
		.block_tokens = options->block_tokens,
		.prompt_tokens = request->what->input_tokens,
		.n_blocks = request->n_blocks,
		.entropy = sim_mix(options->seed ^ sim_mix(request->job.id)),
		.session_key = session ? &session : NULL,
		.session_key_len = session ? sizeof(session) : 0,
		.addresses = replay->addresses,
		.n_addresses = rows,
	};
	uint64_t begin_ns = replay_now_ns();
	uint64_t middle_ns;
	int status =
		aibrix_index_match(replay->reader, request->hashes,
				   request->n_blocks, 0, replay->matched, rows);

	middle_ns = replay_now_ns();
	for (uint32_t i = 0; i < rows; i++)
		replay->load[i] =
			(double)request->n_room / (double)options->gpu_blocks;
	if (status == AIBRIX_OK && replay->rule)
		status = replay->rule->pick(&replay->rule_state, replay->fleet,
					    &ask, replay->now_ns, picked);
	else if (status == AIBRIX_OK)
		status = aibrix_route_pick(replay->route, replay->fleet, &ask,
					   replay->now_ns, picked);
	replay->pick_ns += replay_now_ns() - middle_ns;
	replay->match_ns += middle_ns - begin_ns;
	replay->picks++;
	return status;
}

/* E_UNAVAILABLE: not now. */
static int
request_send(replay_state *replay, replay_request *request)
{
	aibrix_route_result picked = {.size = sizeof(picked)};
	int status = request_pick(replay, request, &picked);
	replay_pod *pod;

	if (status != AIBRIX_OK)
		return status;
	pod = &replay->pods[picked.row];
	request->pending_tokens = request->what->input_tokens -
				  replay->matched[picked.row] *
					  replay->input->options->block_tokens;
	request->routed_ns = replay->now_ns;
	pod->pending_tokens += request->pending_tokens;
	pod->blocks += (double)request->n_room;
	pod->running++;
	replay_metrics_count(replay, pod);
	sim_engine_submit(pod->engine, &request->job, replay->now_ns);
	replay_pod_schedule(pod);
	return AIBRIX_OK;
}

static void
request_park(replay_state *replay, replay_request *request)
{
	request->next_parked = NULL;
	if (replay->parked)
		replay->parked_last->next_parked = request;
	else
		replay->parked = request;
	replay->parked_last = request;
}

void
replay_gateway_drain(replay_state *replay)
{
	while (replay->parked && replay->status == AIBRIX_OK) {
		replay_request *request = replay->parked;
		int status = request_send(replay, request);

		if (status == AIBRIX_E_UNAVAILABLE)
			return;
		replay_fail(replay, "routing", status);
		replay->parked = request->next_parked;
	}
}

void
replay_gateway_arrive(replay_state *replay, const sim_request *what)
{
	const replay_options *options = replay->input->options;
	replay_request *request =
		replay_request_new(what, options->block_tokens);
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
	if (status != AIBRIX_OK) {
		replay_fail(replay, "hashing", status);
		return;
	}
	request_park(replay, request);
	replay_gateway_drain(replay);
}
