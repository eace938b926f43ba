/*
 * The clock of a fleet and what a run comes to.
 *
 * A run goes on until the last request has its last token, though pods are
 * only paid for until end_ns: a scaler that answers late must not save what
 * its answers would have cost.  Requests that are not done an hour after are
 * lost.
 */
#include "sim_fleet.h"

#include <math.h>
#include <stdlib.h>

#include "sim_fleet_state.h"

/* Pods that drain keep their rows. */
enum { ROWS_PER_POD = 4 };

#define LOST_NS UINT64_C(3600000000000)

static uint32_t
source_arrivals(const sim_fleet_state *fleet)
{
	return fleet->rows;
}

static int
fleet_open(sim_fleet_state *fleet)
{
	const sim_fleet_opts *opts = fleet->opts;
	const aibrix_route_opts route = {
		.size = sizeof(route),
		.strategy = opts->strategy,
	};
	uint32_t n = ROWS_PER_POD * opts->max_pods;
	int err = aibrix_fleet_new(NULL, &fleet->table);

	fleet->rows = n;
	fleet->gpu_blocks = opts->spec->kv_tokens / SIM_BLOCK_TOKENS;
	if (!err)
		err = aibrix_route_new(&route, &fleet->route);
	fleet->events = sim_events_new(n + 3);
	fleet->pods = calloc(n, sizeof(*fleet->pods));
	fleet->phases = calloc(n, sizeof(*fleet->phases));
	fleet->samples = calloc(n, sizeof(*fleet->samples));
	fleet->running = calloc(n, sizeof(*fleet->running));
	fleet->next_ns = calloc(n, sizeof(*fleet->next_ns));
	fleet->ready = calloc(n, sizeof(*fleet->ready));
	fleet->requests =
		calloc(opts->workload->n + 1, sizeof(*fleet->requests));
	fleet->result->marks =
		calloc(opts->end_ns / SIM_MARK_NS + 1, sizeof(sim_mark));
	if (!err &&
	    (!fleet->events || !fleet->pods || !fleet->phases ||
	     !fleet->samples || !fleet->running || !fleet->next_ns ||
	     !fleet->ready || !fleet->requests || !fleet->result->marks))
		err = AIBRIX_E_NOMEM;
	for (uint32_t i = 0; !err && i < n; i++) {
		const aibrix_owner owner = {.pod = i};
		uint32_t row;

		fleet->next_ns[i] = AIBRIX_FOREVER;
		err = aibrix_fleet_add(fleet->table, &owner, &row);
	}
	return err;
}

static void
fleet_close(sim_fleet_state *fleet)
{
	for (uint32_t i = 0; fleet->pods && i < fleet->rows; i++)
		sim_engine_free(fleet->pods[i].engine);
	free(fleet->pods);
	free(fleet->phases);
	free(fleet->samples);
	free(fleet->running);
	free(fleet->next_ns);
	free(fleet->ready);
	free(fleet->held);
	free(fleet->requests);
	sim_stats_clear(&fleet->ttft_s);
	sim_stats_clear(&fleet->e2e);
	sim_events_free(fleet->events);
	aibrix_route_free(fleet->route);
	aibrix_fleet_free(fleet->table);
}

static void
request_arrive(sim_fleet_state *fleet)
{
	const sim_workload *workload = fleet->opts->workload;
	const sim_request *what = &workload->requests[fleet->next++];

	fleet->result->arrived++;
	fleet->input_tokens += what->input_tokens;
	sim_fleet_send(fleet, what);
	sim_events_set(fleet->events, source_arrivals(fleet),
		       fleet->next < workload->n
			       ? workload->requests[fleet->next].arrival_ns
			       : AIBRIX_FOREVER);
}

static void
scaler_ask(sim_fleet_state *fleet)
{
	const sim_fleet_view view = {
		.now_ns = fleet->now_ns,
		.replicas = fleet->asked,
		.n_pods = fleet->rows,
		.pods = fleet->phases,
		.samples = fleet->samples,
		.queued = (double)(fleet->n_held - fleet->first_held),
		.arrived_total = (double)fleet->result->arrived,
		.input_tokens_total = fleet->input_tokens,
	};
	int32_t replicas = fleet->asked;
	int err = fleet->opts->decide(fleet->opts->ctx, &view, &replicas);

	if (err)
		sim_fleet_fail(fleet, err);
	else
		sim_fleet_resize(fleet, replicas);
	sim_events_set(fleet->events, source_arrivals(fleet) + 1,
		       fleet->now_ns + fleet->opts->period_ns);
}

static void
mark_set(sim_fleet_state *fleet)
{
	sim_fleet_result *result = fleet->result;
	sim_mark *mark = &result->marks[result->n_marks++];
	uint64_t next_ns = fleet->now_ns + SIM_MARK_NS;

	mark->asked = (uint32_t)fleet->asked;
	mark->ready = fleet->n_ready;
	for (uint32_t i = 0; i < fleet->rows; i++) {
		mark->paid += fleet->phases[i].phase != AIBRIX_SCALE_ABSENT;
		if (fleet->pods[i].engine)
			mark->jobs += sim_engine_jobs(fleet->pods[i].engine);
	}
	mark->jobs += (uint32_t)(fleet->n_held - fleet->first_held);
	sim_events_set(fleet->events, source_arrivals(fleet) + 2,
		       next_ns <= fleet->opts->end_ns ? next_ns
						      : AIBRIX_FOREVER);
}

/* All that engines do up to now. */
static void
engines_run(sim_fleet_state *fleet, uint64_t until_ns)
{
	for (uint32_t row = 0; row < fleet->top; row++) {
		sim_engine *engine = fleet->pods[row].engine;

		while (fleet->next_ns[row] <= until_ns) {
			fleet->now_ns = fleet->next_ns[row];
			sim_engine_advance(engine, fleet->now_ns);
			fleet->next_ns[row] = sim_engine_next(engine);
		}
		/* Settled with the time at which its last request ended. */
		sim_fleet_settle(fleet, row);
	}
}

static void
source_act(sim_fleet_state *fleet, uint32_t source)
{
	if (source < fleet->rows)
		sim_fleet_life(fleet, source);
	else if (source == source_arrivals(fleet))
		request_arrive(fleet);
	else if (source == source_arrivals(fleet) + 1)
		scaler_ask(fleet);
	else
		mark_set(fleet);
}

static int
fleet_done(const sim_fleet_state *fleet, uint64_t next_ns)
{
	const sim_fleet_opts *opts = fleet->opts;

	if (fleet->status != AIBRIX_OK)
		return 1;
	if (next_ns <= opts->end_ns)
		return 0;
	return fleet->result->finished == opts->workload->n ||
	       next_ns > opts->end_ns + LOST_NS;
}

static void
fleet_loop(sim_fleet_state *fleet)
{
	const sim_workload *workload = fleet->opts->workload;
	uint32_t arrivals = source_arrivals(fleet);
	uint32_t source;
	uint64_t next_ns;

	fleet->asked = (int32_t)fleet->opts->first_pods;
	fleet->result->peak = fleet->opts->first_pods;
	sim_fleet_resize(fleet, fleet->asked);
	if (workload->n)
		sim_events_set(fleet->events, arrivals,
			       workload->requests[0].arrival_ns);
	sim_events_set(fleet->events, arrivals + 1, fleet->opts->period_ns);
	sim_events_set(fleet->events, arrivals + 2, SIM_MARK_NS);
	for (;;) {
		next_ns = sim_events_next(fleet->events, &source);
		if (fleet_done(fleet, next_ns))
			break;
		engines_run(fleet, next_ns);
		fleet->now_ns = next_ns;
		source_act(fleet, source);
	}
}

/* Who is still there has been paid for until the end. */
static void
result_fill(sim_fleet_state *fleet)
{
	sim_fleet_result *result = fleet->result;
	uint64_t end_ns = fleet->opts->end_ns;

	for (uint32_t i = 0; i < fleet->rows; i++)
		if (fleet->phases[i].phase != AIBRIX_SCALE_ABSENT &&
		    fleet->pods[i].asked_ns < end_ns)
			result->pod_s +=
				(double)(end_ns - fleet->pods[i].asked_ns) /
				1e9;
	result->lost = result->arrived - result->finished;
	result->ttft_s_mean = sim_stats_mean(&fleet->ttft_s);
	result->ttft_s_p50 = sim_stats_quantile(&fleet->ttft_s, 0.5);
	result->ttft_s_p99 = sim_stats_quantile(&fleet->ttft_s, 0.99);
	result->e2e_s_mean = sim_stats_mean(&fleet->e2e);
	result->e2e_s_p99 = sim_stats_quantile(&fleet->e2e, 0.99);
	result->itl_s_mean = fleet->itl_n ? fleet->itl_s / (double)fleet->itl_n
					  : (double)NAN;
	result->tokens_per_s = fleet->tokens / ((double)end_ns / 1e9);
}

int
sim_fleet_run(const sim_fleet_opts *opts, sim_fleet_result *result)
{
	sim_fleet_state fleet = {.opts = opts, .result = result};

	*result = (sim_fleet_result){0};
	fleet.status = fleet_open(&fleet);
	if (fleet.status == AIBRIX_OK)
		fleet_loop(&fleet);
	if (fleet.status == AIBRIX_OK)
		result_fill(&fleet);
	else
		sim_fleet_result_clear(result);
	fleet_close(&fleet);
	return fleet.status;
}

void
sim_fleet_result_clear(sim_fleet_result *result)
{
	free(result->marks);
	*result = (sim_fleet_result){0};
}
