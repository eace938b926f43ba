/*
 * A gateway and its pods in virtual time, as in replay, without what routing
 * does not see: blocks have names instead of tokens, and there are no tiers
 * below GPU memory.
 *
 *   arrival   index match -> pick -> engine queue
 *   admitted  GPU blocks
 *   prefilled new blocks: GPU cache -> events -> index
 *   finished  GPU room is given back
 *
 * The gateway sees its own counts, first and last tokens, what engines
 * announce, and their metrics as of SCRAPE_NS ago.
 */
#include "route_quality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <aibrix/aibrix.h>

#include "sim/sim_capacity.h"
#include "sim/sim_engine.h"
#include "sim/sim_events.h"
#include "sim/sim_gpu_cache.h"
#include "sim/sim_learn.h"
#include "sim/sim_rival.h"
#include "sim/sim_rand.h"
#include "sim/sim_stats.h"

enum { SCRAPE_NS = 50000000 }; /* as llm-d's */

struct quality_state;

typedef struct quality_pod {
	struct quality_state *run;
	sim_engine *engine;
	sim_gpu_cache *gpu;
	uint64_t gpu_blocks, used_blocks;
	uint32_t row, unanswered;
} quality_pod;

typedef struct quality_request {
	sim_job job;
	const sim_request *what;
	const uint64_t *names;
	uint32_t *slots;
	uint32_t n_blocks, n_usable, n_gpu;
	uint64_t n_room;
	double pending;
	aibrix_charge charge;
} quality_request;

typedef struct quality_state {
	const quality_case *c;
	const char *name;
	aibrix_index *index;
	aibrix_index_reader *reader;
	aibrix_fleet *fleet;
	aibrix_route *route; /* one of these two */
	sim_rival *policy;
	aibrix_estimate *estimate; /* of cost, unless it is cold */
	quality_pod *pods;
	sim_events *events;
	double *columns, *matched, *running, *pending, *blocks;
	double *waiting, *kv_usage;
	uint64_t now_ns, scraped_ns, hits, pick_ns;
	size_t arrived, finished;
	sim_stats ttft_ms;
	int status;
} quality_state;

static void
run_fail(quality_state *run, int status)
{
	if (status == AIBRIX_OK || run->status != AIBRIX_OK)
		return;
	run->status = status;
	fprintf(stderr, "route_quality: %s: %s\n", run->name,
		aibrix_strerror(status));
}

int
quality_names(const sim_workload *workload, uint64_t **names, uint64_t **first)
{
	const uint32_t per_id = SIM_ID_TOKENS / QUALITY_BLOCK;
	uint64_t n = 0;

	for (size_t i = 0; i < workload->n; i++)
		n += workload->requests[i].input_tokens / QUALITY_BLOCK;
	*names = malloc((n + 1) * sizeof(**names));
	*first = malloc((workload->n + 1) * sizeof(**first));
	if (!*names || !*first) {
		free(*names);
		free(*first);
		return -1;
	}
	n = 0;
	for (size_t i = 0; i < workload->n; i++) {
		const sim_request *what = &workload->requests[i];
		const uint64_t *ids = workload->ids + what->first_id;
		uint64_t name = 0;

		(*first)[i] = n;
		for (uint32_t k = 0; k < what->input_tokens / QUALITY_BLOCK;
		     k++) {
			name = sim_mix(name ^ sim_mix(ids[k / per_id] * per_id +
						      k % per_id));
			(*names)[n++] = name;
		}
	}
	(*first)[workload->n] = n;
	return 0;
}

static uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* What engines report, when it is time to ask them again. */
static void
metrics_scrape(quality_state *run)
{
	if (run->now_ns < run->scraped_ns + SCRAPE_NS)
		return;
	run->scraped_ns = run->now_ns;
	for (uint32_t i = 0; i < run->c->pods; i++) {
		const quality_pod *pod = &run->pods[i];

		/* One is being computed. */
		run->waiting[i] = pod->unanswered ? pod->unanswered - 1 : 0;
		run->kv_usage[i] =
			(double)pod->used_blocks / (double)pod->gpu_blocks;
	}
}

static int
route_library(quality_state *run, const quality_request *r, uint64_t entropy,
	      uint32_t *row)
{
	aibrix_route_model model;
	const aibrix_column overlay[] = {
		{AIBRIX_COL_PREFIX_BLOCKS, run->c->pods, run->matched},
		{AIBRIX_COL_REQUESTS_RUNNING, run->c->pods, run->running},
		{AIBRIX_COL_TOKENS_PENDING, run->c->pods, run->pending},
	};
	aibrix_route_request ask = {
		.size = sizeof(ask),
		.n_overlay = 3,
		.overlay = overlay,
		.block_tokens = QUALITY_BLOCK,
		.prompt_tokens = r->what->input_tokens,
		.n_blocks = r->n_blocks,
		.entropy = entropy,
	};
	aibrix_route_result picked = {.size = sizeof(picked)};
	int err = sim_learn_ask(run->estimate, run->fleet, run->now_ns, &model,
				&ask);

	if (!err)
		err = aibrix_route_pick(run->route, run->fleet, &ask,
					run->now_ns, &picked);
	*row = picked.row;
	return err;
}

static int
request_route(quality_state *run, const quality_request *r, uint32_t *row)
{
	uint64_t entropy = sim_mix(run->c->seed ^ sim_mix(r->job.id));
	int err = aibrix_index_match(run->reader, r->names, r->n_blocks, 0,
				     run->matched, run->c->pods);
	uint64_t begin_ns = clock_ns();

	if (!err && run->policy) {
		const sim_seen seen = {
			.rows = run->c->pods,
			.block_tokens = QUALITY_BLOCK,
			.prompt_tokens = r->what->input_tokens,
			.n_blocks = r->n_blocks,
			.now_ns = run->now_ns,
			.entropy = entropy,
			.matched = run->matched,
			.running = run->running,
			.pending = run->pending,
			.blocks = run->blocks,
			.waiting = run->waiting,
			.kv_usage = run->kv_usage,
		};

		*row = sim_rival_pick(run->policy, &seen);
	} else if (!err) {
		err = route_library(run, r, entropy, row);
	}
	run->pick_ns += clock_ns() - begin_ns;
	return err;
}

static quality_request *
request_new(const quality_case *c, size_t i)
{
	const sim_request *what = &c->workload->requests[i];
	quality_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->what = what;
	r->names = c->names + c->first[i];
	r->n_blocks = (uint32_t)(c->first[i + 1] - c->first[i]);
	r->n_usable = (what->input_tokens - 1) / QUALITY_BLOCK;
	r->n_room = sim_request_blocks(what, QUALITY_BLOCK);
	r->slots = malloc((r->n_blocks + 1) * sizeof(*r->slots));
	r->job.user = r;
	r->job.id = i;
	r->job.input_tokens = what->input_tokens;
	r->job.output_tokens = what->output_tokens;
	if (r->slots)
		return r;
	free(r);
	return NULL;
}

static void
request_free(quality_request *r)
{
	free(r->slots);
	free(r);
}

/* For who learns from it. */
static int
request_sent(quality_state *run, quality_request *r, uint32_t row)
{
	const sim_sent sent = {
		.row = row,
		.prompt_tokens = r->what->input_tokens,
		.held_tokens = run->matched[row] * QUALITY_BLOCK,
		.running = run->running[row],
	};

	return sim_learn_sent(run->estimate, run->fleet, &sent, run->now_ns,
			      &r->charge);
}

static void
request_arrive(quality_state *run)
{
	quality_request *r = request_new(run->c, run->arrived);
	uint32_t row = 0;
	quality_pod *pod;

	if (!r) {
		run_fail(run, AIBRIX_E_NOMEM);
		return;
	}
	metrics_scrape(run);
	run_fail(run, request_route(run, r, &row));
	if (run->status == AIBRIX_OK)
		run_fail(run, request_sent(run, r, row));
	pod = &run->pods[row];
	r->pending = r->what->input_tokens - run->matched[row] * QUALITY_BLOCK;
	run->pending[row] += r->pending;
	run->running[row]++;
	run->blocks[row] += r->n_blocks;
	pod->unanswered++;
	sim_engine_submit(pod->engine, &r->job, run->now_ns);
	sim_events_set(run->events, row, sim_engine_next(pod->engine));
}

static int
pod_admit(void *ctx, sim_job *job, uint64_t now_ns)
{
	quality_pod *pod = ctx;
	quality_request *r = job->user;
	int status;

	r->n_gpu = sim_gpu_cache_match(pod->gpu, r->names, r->n_usable);
	status = sim_gpu_cache_admit(pod->gpu, r->names, r->n_gpu, r->n_room,
				     r->slots);
	if (status == AIBRIX_E_FULL)
		return 0;
	run_fail(pod->run, status);
	pod->used_blocks += r->n_room;
	pod->run->hits += r->n_gpu;
	job->done_tokens = r->n_gpu * QUALITY_BLOCK;
	job->ready_ns = now_ns;
	return 1;
}

static void
pod_prefilled(void *ctx, sim_job *job, uint64_t now_ns)
{
	quality_pod *pod = ctx;
	quality_state *run = pod->run;
	quality_request *r = job->user;
	double ttft_ns = (double)(now_ns - r->what->arrival_ns);

	run_fail(run, sim_gpu_cache_store(pod->gpu, r->names, r->names,
					  r->n_gpu, r->n_blocks, r->slots));
	run->pending[pod->row] -= r->pending;
	pod->unanswered--;
	run_fail(run, sim_learn_first_token(run->estimate, run->fleet,
					    &r->charge, now_ns));
	if (sim_stats_add(&run->ttft_ms, ttft_ns / 1e6) != 0)
		run_fail(run, AIBRIX_E_NOMEM);
}

static void
pod_finished(void *ctx, sim_job *job, uint64_t now_ns)
{
	quality_pod *pod = ctx;
	quality_state *run = pod->run;
	quality_request *r = job->user;

	sim_gpu_cache_finish(pod->gpu, r->slots, r->n_blocks,
			     r->n_room - r->n_blocks);
	run_fail(run, sim_learn_last_token(run->estimate, &r->charge,
					   r->what->output_tokens, now_ns));
	pod->used_blocks -= r->n_room;
	run->running[pod->row]--;
	run->blocks[pod->row] -= r->n_blocks;
	run->finished++;
	request_free(r);
}

static const sim_engine_ops pod_ops = {pod_admit, pod_prefilled, pod_finished};

static int
pods_open(quality_state *run)
{
	for (uint32_t i = 0; i < run->c->pods; i++) {
		const sim_pod_spec *spec = &run->c->specs[i];
		quality_pod *pod = &run->pods[i];
		const aibrix_owner owner = {.pod = i};
		int err = aibrix_fleet_add(run->fleet, &owner, &pod->row);

		if (!err)
			err = aibrix_index_owner_add(run->index, pod->row);
		if (err)
			return err;
		pod->run = run;
		pod->gpu_blocks = spec->kv_tokens / QUALITY_BLOCK;
		pod->engine = sim_engine_new(spec, &pod_ops, pod);
		pod->gpu = sim_gpu_cache_new(pod->gpu_blocks, run->index,
					     pod->row);
		if (!pod->engine || !pod->gpu)
			return AIBRIX_E_NOMEM;
	}
	return AIBRIX_OK;
}

/* Names of route_quality that are not the library's. */
static const struct alias {
	const char *name, *strategy;
	uint32_t profile;
} aliases[] = {
	{"aibrix", "prefix-cache", AIBRIX_PROFILE_COMPAT},
	{"cost-cold", "cost", AIBRIX_PROFILE_DEFAULT},
};

static int
policy_open(quality_state *run)
{
	aibrix_route_opts route = {
		.size = sizeof(route),
		.strategy = run->name,
	};
	int cold = strcmp(run->name, "cost-cold") == 0;
	int err = AIBRIX_OK;

	for (size_t i = 0; sim_rival_name(i); i++)
		if (strcmp(sim_rival_name(i), run->name) == 0) {
			run->policy = sim_rival_new(run->name, run->c->pods);
			return run->policy ? AIBRIX_OK : AIBRIX_E_NOMEM;
		}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(aliases[i].name, run->name) == 0) {
			route.strategy = aliases[i].strategy;
			route.profile = aliases[i].profile;
		}
	if (!cold)
		err = sim_learn_new(run->name, &run->estimate);
	return err ? err : aibrix_route_new(&route, &run->route);
}

static int
run_open(quality_state *run)
{
	uint32_t n = run->c->pods;
	int err = aibrix_fleet_new(NULL, &run->fleet);

	if (!err)
		err = aibrix_index_new(NULL, &run->index);
	if (!err)
		err = aibrix_index_reader_new(run->index, &run->reader);
	if (!err)
		err = policy_open(run);
	run->events = sim_events_new(n + 1);
	run->pods = calloc(n, sizeof(*run->pods));
	run->columns = calloc(n, 6 * sizeof(*run->columns));
	if (!err && (!run->events || !run->pods || !run->columns))
		err = AIBRIX_E_NOMEM;
	if (err)
		return err;
	run->matched = run->columns;
	run->running = run->columns + n;
	run->pending = run->columns + 2 * (size_t)n;
	run->blocks = run->columns + 3 * (size_t)n;
	run->waiting = run->columns + 4 * (size_t)n;
	run->kv_usage = run->columns + 5 * (size_t)n;
	return pods_open(run);
}

static void
run_close(quality_state *run)
{
	for (uint32_t i = 0; run->pods && i < run->c->pods; i++) {
		sim_engine_free(run->pods[i].engine);
		sim_gpu_cache_free(run->pods[i].gpu);
	}
	free(run->pods);
	free(run->columns);
	sim_events_free(run->events);
	sim_rival_free(run->policy);
	sim_stats_clear(&run->ttft_ms);
	aibrix_estimate_free(run->estimate);
	aibrix_route_free(run->route);
	aibrix_index_reader_free(run->reader);
	aibrix_index_free(run->index);
	aibrix_fleet_free(run->fleet);
}

static void
run_loop(quality_state *run)
{
	const sim_workload *workload = run->c->workload;
	uint32_t pods = run->c->pods;

	sim_events_set(run->events, pods, workload->requests[0].arrival_ns);
	while (run->status == AIBRIX_OK && run->finished < workload->n) {
		uint64_t next_ns = AIBRIX_FOREVER;
		uint32_t source;

		run->now_ns = sim_events_next(run->events, &source);
		if (source < pods) {
			quality_pod *pod = &run->pods[source];

			sim_engine_advance(pod->engine, run->now_ns);
			sim_events_set(run->events, source,
				       sim_engine_next(pod->engine));
			continue;
		}
		request_arrive(run);
		if (++run->arrived < workload->n)
			next_ns = workload->requests[run->arrived].arrival_ns;
		sim_events_set(run->events, pods, next_ns);
	}
}

int
quality_run(const quality_case *c, const char *policy, quality_result *result)
{
	quality_state run = {.c = c, .name = policy};

	run_fail(&run, run_open(&run));
	if (run.status == AIBRIX_OK)
		run_loop(&run);
	if (run.status == AIBRIX_OK)
		*result = (quality_result){
			.mean_ms = sim_stats_mean(&run.ttft_ms),
			.p50_ms = sim_stats_quantile(&run.ttft_ms, 0.5),
			.p99_ms = sim_stats_quantile(&run.ttft_ms, 0.99),
			.hits = (double)run.hits * QUALITY_BLOCK /
				(double)c->workload->input_tokens,
			.pick_ns = (double)run.pick_ns / (double)c->workload->n,
		};
	run_close(&run);
	return run.status == AIBRIX_OK ? 0 : -1;
}
