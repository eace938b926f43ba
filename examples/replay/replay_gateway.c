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

/* Blocks that a request takes of a pod's memory beyond those it shares. */
double
replay_blocks_added(const replay_state *replay, const replay_request *request,
		    uint32_t row)
{
	return (double)request->n_room - replay->matched[row];
}

/* How much of the prompt each pod holds, and what it would add there. */
static int
request_match(replay_state *replay, const replay_request *request,
	      uint32_t rows)
{
	double blocks = (double)replay->input->options->gpu_blocks;
	uint64_t begin_ns = replay_now_ns();
	int status =
		aibrix_index_match(replay->reader, request->hashes,
				   request->n_blocks, 0, replay->matched, rows);

	if (status == AIBRIX_OK && replay->predictions)
		status = aibrix_predict_match(
			replay->predictions, request->hashes, request->n_blocks,
			replay->now_ns, replay->matched, rows);
	replay->match_ns += replay_now_ns() - begin_ns;
	if (status == AIBRIX_OK && replay->radix)
		status = aibrix_radix_history(replay->radix, replay->now_ns,
					      replay->sent, replay->sent_s,
					      rows);
	for (uint32_t i = 0; i < rows; i++)
		replay->load[i] =
			replay_blocks_added(replay, request, i) / blocks;
	return status;
}

/* Which pod gets it. */
static int
request_pick(replay_state *replay, const replay_request *request,
	     aibrix_route_result *picked)
{
	const replay_options *options = replay->input->options;
	uint32_t rows = aibrix_fleet_rows(replay->fleet);
	aibrix_column overlay[5] = {
		{AIBRIX_COL_PREFIX_BLOCKS, rows, replay->matched},
		{AIBRIX_COL_REQUEST_LOAD_RATIO, rows, replay->load},
	};
	aibrix_route_model model;
	uint64_t session = request->what->session;
	aibrix_route_request ask = {
		.size = sizeof(ask),
		.n_overlay = 2,
		.overlay = overlay,
		.block_tokens = options->block_tokens,
		.prompt_tokens = request->what->input_tokens,
		.n_blocks = request->n_blocks,
		.entropy = sim_mix(options->seed ^ sim_mix(request->job.id)),
		.session_key = session ? &session : NULL,
		.session_key_len = session ? sizeof(session) : 0,
		.prefix_key = request->prefix_key,
		.addresses = replay->addresses,
		.n_addresses = rows,
	};
	int status = request_match(replay, request, rows);
	uint64_t begin_ns;

	if (replay->radix) {
		overlay[ask.n_overlay++] = (aibrix_column){
			AIBRIX_COL_HISTORY_REQUESTS, rows, replay->sent};
		overlay[ask.n_overlay++] = (aibrix_column){
			AIBRIX_COL_HISTORY_S, rows, replay->sent_s};
	}
	if (replay->estimate && options->stale_ms)
		overlay[ask.n_overlay++] = (aibrix_column){
			AIBRIX_COL_BUSY_UNTIL_S, rows, replay->busy_until_s};
	if (status == AIBRIX_OK)
		status = sim_learn_ask(replay->estimate, replay->fleet,
				       replay->now_ns, &model, &ask);
	if (status != AIBRIX_OK)
		return status;
	if (replay->vtc) {
		ask.rows = replay->rows;
		ask.n_rows = replay_fair_rooms(replay, request);
		if (ask.n_rows == 0)
			return AIBRIX_E_UNAVAILABLE;
	}
	begin_ns = replay_now_ns();
	status = replay->rule ? replay->rule->pick(&replay->rule_state,
						   replay->fleet, &ask,
						   replay->now_ns, picked)
			      : aibrix_route_pick(replay->route, replay->fleet,
						  &ask, replay->now_ns, picked);
	replay->pick_ns += replay_now_ns() - begin_ns;
	replay->picks++;
	return status;
}

/* What was sent where, for who goes by that. */
static void
history_note(replay_state *replay, const replay_request *request, uint32_t row)
{
	if (!replay->radix)
		return;
	/* A request that waited here is not the last one to be hashed. */
	sim_workload_tokens(replay->input->workload, request->what,
			    replay->tokens);
	replay_fail(replay, "history",
		    aibrix_radix_add(replay->radix, 0, row, replay->tokens,
				     request->what->input_tokens,
				     replay->now_ns, NULL));
}

/* For who learns from it. */
static int
request_sent(replay_state *replay, replay_request *request,
	     const replay_pod *pod)
{
	const sim_sent sent = {
		.row = pod->row,
		.prompt_tokens = request->what->input_tokens,
		.held_tokens = replay->matched[pod->row] *
			       replay->input->options->block_tokens,
		.running = pod->running,
	};

	return sim_learn_sent(replay->estimate, replay->fleet, &sent,
			      replay->now_ns, &request->charge);
}

/* E_UNAVAILABLE: not now. */
int
replay_gateway_send(replay_state *replay, replay_request *request)
{
	aibrix_route_result picked = {.size = sizeof(picked)};
	replay_pod *pod;
	int status;

	if (replay->pd)
		return replay_pd_send(replay, request);
	status = request_pick(replay, request, &picked);
	/* Those that went come back. */
	if (status == AIBRIX_E_NOT_FOUND && replay->input->options->churn)
		return AIBRIX_E_UNAVAILABLE;
	if (status != AIBRIX_OK)
		return status;
	history_note(replay, request, picked.row);
	pod = replay->by_row[picked.row];
	request->place = pod->place;
	request->pending_tokens = request->what->input_tokens -
				  replay->matched[picked.row] *
					  replay->input->options->block_tokens;
	request->routed_ns = replay->now_ns;
	status = request_sent(replay, request, pod);
	if (status != AIBRIX_OK)
		return status;
	if (replay->predictions)
		status = aibrix_predict_add(replay->predictions, pod->row,
					    request->hashes, request->n_blocks,
					    replay->now_ns, 0);
	pod->pending_tokens += request->pending_tokens;
	request->blocks = replay_blocks_added(replay, request, pod->row);
	pod->blocks += request->blocks;
	replay_fair_count(replay, request, 1);
	pod->running++;
	replay_metrics_count(replay, pod);
	sim_engine_submit(pod->engine, &request->job, replay->now_ns);
	replay_pod_schedule(pod);
	return status;
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
replay_gateway_again(replay_state *replay, replay_request *request)
{
	request_park(replay, request);
}

void
replay_gateway_drain(replay_state *replay)
{
	if (replay->vtc) {
		replay_fair_drain(replay);
		return;
	}
	while (replay->parked && replay->status == AIBRIX_OK) {
		replay_request *request = replay->parked;
		int status = replay_gateway_send(replay, request);

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
	if (replay->hot)
		replay_fail(replay, "beginnings",
			    aibrix_hot_note(replay->hot, request->hashes,
					    request->n_blocks,
					    &request->prefix_key));
	request->group = replay_group_of(options, what);
	replay->group_tokens[request->group] += what->input_tokens;
	if (replay->vtc)
		replay_fair_push(replay, request);
	else
		request_park(replay, request);
	replay_gateway_drain(replay);
}
