/*
 * Pods come and go.
 *
 * Too many: those that still start are given up, then the youngest leave, as
 * Kubernetes' controllers choose; load does not count.  A pod that leaves
 * gets no more requests and goes when it has ended those it has.
 */
#include <string.h>

#include "sim_fleet_state.h"
#include "sim_rand.h"

/* The same pod of two runs starts as fast, whatever the scaler. */
static uint64_t
start_ns(const sim_fleet_state *fleet, uint64_t number)
{
	const sim_fleet_opts *opts = fleet->opts;
	sim_rand rand = {sim_mix(opts->seed ^ sim_mix(number))};

	if (opts->start_s <= 0)
		return 0;
	return (uint64_t)(1e9 * sim_rand_lognormal(&rand, opts->start_s,
						   opts->start_sigma));
}

static void
pod_gone(sim_fleet_state *fleet, uint32_t row)
{
	sim_fleet_pod *pod = &fleet->pods[row];
	uint64_t end_ns = fleet->opts->end_ns;
	uint64_t gone_ns = fleet->now_ns < end_ns ? fleet->now_ns : end_ns;

	if (gone_ns > pod->asked_ns)
		fleet->result->pod_s += (double)(gone_ns - pod->asked_ns) / 1e9;
	sim_engine_free(pod->engine);
	pod->engine = NULL;
	fleet->phases[row] = (aibrix_scale_pod){0};
	fleet->samples[row] = (sim_sample){0};
	fleet->next_ns[row] = AIBRIX_FOREVER;
	sim_events_set(fleet->events, row, AIBRIX_FOREVER);
}

void
sim_fleet_settle(sim_fleet_state *fleet, uint32_t row)
{
	if (fleet->phases[row].phase == AIBRIX_SCALE_LEAVING &&
	    sim_engine_jobs(fleet->pods[row].engine) == 0)
		pod_gone(fleet, row);
}

static void
held_send(sim_fleet_state *fleet)
{
	while (fleet->first_held < fleet->n_held && fleet->n_ready > 0)
		sim_fleet_send(fleet, fleet->held[fleet->first_held++]);
	fleet->first_held = fleet->n_held = 0;
}

static void
pod_ready(sim_fleet_state *fleet, uint32_t row)
{
	sim_fleet_pod *pod = &fleet->pods[row];
	aibrix_scale_pod *phase = &fleet->phases[row];
	uint64_t scrape_ns = fleet->opts->scrape_ns;

	pod->engine =
		sim_engine_new(fleet->opts->spec, &sim_fleet_engine_ops, pod);
	if (!pod->engine) {
		sim_fleet_fail(fleet, AIBRIX_E_NOMEM);
		return;
	}
	pod->totals = (sim_sample){0};
	pod->used_blocks = 0;
	phase->phase = AIBRIX_SCALE_RUNNING;
	phase->ready = AIBRIX_SCALE_READY;
	phase->changed_ns = fleet->now_ns;
	fleet->n_starting--;
	fleet->ready[fleet->n_ready++] = row;
	fleet->running[row] = 0;
	/* Pods are not read all at the same moment. */
	sim_events_set(fleet->events, row,
		       fleet->now_ns +
			       sim_mix(fleet->opts->seed + pod->number) %
				       scrape_ns +
			       1);
	held_send(fleet);
}

static void
pod_ask(sim_fleet_state *fleet, uint32_t row)
{
	sim_fleet_pod *pod = &fleet->pods[row];
	uint64_t wait_ns;

	pod->fleet = fleet;
	pod->row = row;
	if (fleet->top <= row)
		fleet->top = row + 1;
	pod->number = fleet->numbers++;
	pod->scrapes = 0;
	pod->asked_ns = fleet->now_ns;
	fleet->phases[row] = (aibrix_scale_pod){
		.phase = AIBRIX_SCALE_PENDING,
		.ready = AIBRIX_SCALE_NOT_READY,
		.started_ns = fleet->now_ns,
		.changed_ns = fleet->now_ns,
	};
	fleet->n_starting++;
	wait_ns = pod->number < fleet->opts->first_pods
			  ? 0
			  : start_ns(fleet, pod->number);
	if (wait_ns == 0)
		pod_ready(fleet, row);
	else
		sim_events_set(fleet->events, row, fleet->now_ns + wait_ns);
}

static void
pod_scrape(sim_fleet_state *fleet, uint32_t row)
{
	sim_fleet_pod *pod = &fleet->pods[row];
	uint64_t draw = sim_mix(fleet->opts->seed ^
				sim_mix(pod->number << 32 | pod->scrapes++));
	sim_sample *seen = &fleet->samples[row];

	sim_events_set(fleet->events, row,
		       fleet->now_ns + fleet->opts->scrape_ns);
	if ((double)(draw >> 11) / 9007199254740992.0 <
	    fleet->opts->scrape_loss)
		return;
	*seen = pod->totals;
	seen->at_ns = fleet->now_ns;
	seen->running = sim_engine_running(pod->engine);
	seen->waiting = sim_engine_jobs(pod->engine) - seen->running;
	seen->kv_usage = (double)pod->used_blocks / (double)fleet->gpu_blocks;
	seen->busy_s_total = (double)sim_engine_busy_ns(pod->engine) / 1e9;
}

void
sim_fleet_life(sim_fleet_state *fleet, uint32_t row)
{
	/* It may have drained on the way to this event. */
	if (fleet->phases[row].phase == AIBRIX_SCALE_PENDING)
		pod_ready(fleet, row);
	else if (fleet->pods[row].engine)
		pod_scrape(fleet, row);
}

/* The youngest in a phase; rows: there is none. */
static uint32_t
youngest(const sim_fleet_state *fleet, uint32_t phase)
{
	uint32_t found = fleet->rows;

	for (uint32_t row = 0; row < fleet->rows; row++) {
		if (fleet->phases[row].phase == phase &&
		    (found == fleet->rows ||
		     fleet->pods[row].number > fleet->pods[found].number))
			found = row;
	}
	return found;
}

static void
pod_drop(sim_fleet_state *fleet)
{
	uint32_t row = youngest(fleet, AIBRIX_SCALE_PENDING);
	uint32_t place = 0;

	if (row < fleet->rows) {
		fleet->n_starting--;
		pod_gone(fleet, row);
		return;
	}
	row = youngest(fleet, AIBRIX_SCALE_RUNNING);
	while (fleet->ready[place] != row)
		place++;
	memmove(&fleet->ready[place], &fleet->ready[place + 1],
		(--fleet->n_ready - place) * sizeof(*fleet->ready));
	fleet->phases[row].phase = AIBRIX_SCALE_LEAVING;
	fleet->phases[row].changed_ns = fleet->now_ns;
	sim_fleet_settle(fleet, row);
}

static void
asked_count(sim_fleet_state *fleet, int32_t replicas)
{
	int32_t way = replicas > fleet->asked ? 1 : -1;

	if (replicas == fleet->asked)
		return;
	fleet->result->changes++;
	fleet->result->turns += fleet->way != 0 && way != fleet->way;
	fleet->way = way;
	fleet->asked = replicas;
	if ((uint32_t)replicas > fleet->result->peak)
		fleet->result->peak = (uint32_t)replicas;
}

void
sim_fleet_resize(sim_fleet_state *fleet, int32_t replicas)
{
	int32_t most = (int32_t)fleet->opts->max_pods;
	uint32_t wanted;

	replicas = replicas < 0 ? 0 : replicas > most ? most : replicas;
	asked_count(fleet, replicas);
	wanted = (uint32_t)replicas;
	while (fleet->n_ready + fleet->n_starting > wanted)
		pod_drop(fleet);
	/* Rows of pods that drain are not free yet: the rest next time. */
	for (uint32_t row = 0;
	     row < fleet->rows && fleet->n_ready + fleet->n_starting < wanted &&
	     !fleet->status;
	     row++) {
		if (fleet->phases[row].phase == AIBRIX_SCALE_ABSENT)
			pod_ask(fleet, row);
	}
}
