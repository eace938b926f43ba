/*
 * What the gateway knows of pods: its own counts, and what it reads of the
 * engines every READ_NS.
 *
 * With --stale both come with the reading, and that is as rare as asked for:
 * a gateway that shares its pods with others knows their requests no sooner.
 *
 * Readings are at whole multiples of their period.  Nothing changes between
 * two events of a run, so that the state before an event is the state at
 * the last reading before it: readings need no events of their own, and an
 * idle fleet costs nothing.
 */
#include "replay_state.h"

#include <math.h>

enum { READ_NS = 50000000 }; /* AIBrix's refresh */

/* Rates and means are of about so long. */
#define RECENT_S 10.0

static void
recent_fade(replay_recent *recent, uint64_t now_ns)
{
	double rest;

	if (now_ns <= recent->at_ns)
		return;
	rest = exp(-(double)(now_ns - recent->at_ns) / 1e9 / RECENT_S);
	recent->at_ns = now_ns;
	recent->finished *= rest;
	recent->prefilled *= rest;
	recent->queue_s *= rest;
	recent->prefill_s *= rest;
	recent->decode_s *= rest;
	recent->prompt_tokens *= rest;
	recent->output_tokens *= rest;
	recent->computed_tokens *= rest;
	recent->busy_s *= rest;
}

void
replay_metrics_prefilled(replay_pod *pod, const replay_request *request)
{
	replay_recent *recent = &pod->recent;
	uint64_t now_ns = pod->replay->now_ns;
	uint32_t block_tokens = pod->replay->input->options->block_tokens;

	recent_fade(recent, now_ns);
	recent->prefilled += 1;
	recent->queue_s +=
		(double)(request->admitted_ns - request->routed_ns) / 1e9;
	recent->prefill_s += (double)(now_ns - request->admitted_ns) / 1e9;
	recent->computed_tokens += (double)request->what->input_tokens -
				   (double)request->n_cached * block_tokens;
}

void
replay_metrics_finished(replay_pod *pod, const replay_request *request)
{
	replay_recent *recent = &pod->recent;
	uint64_t now_ns = pod->replay->now_ns;

	recent_fade(recent, now_ns);
	recent->finished += 1;
	recent->decode_s +=
		(double)(now_ns - request->job.first_token_ns) / 1e9;
	recent->prompt_tokens += request->what->input_tokens;
	recent->output_tokens += request->what->output_tokens;
}

typedef struct metric_value {
	uint32_t column;
	double value;
} metric_value;

static void
values_set(replay_state *replay, uint32_t row, const metric_value *values,
	   uint32_t n, uint64_t now_ns)
{
	for (uint32_t i = 0; i < n; i++)
		replay_fail(replay, "fleet",
			    aibrix_fleet_set(replay->fleet, row,
					     values[i].column, values[i].value,
					     now_ns));
}

static void
counts_set(replay_state *replay, const replay_pod *pod, uint64_t now_ns)
{
	const metric_value values[] = {
		{AIBRIX_COL_REQUESTS_RUNNING, pod->running},
		{AIBRIX_COL_TOKENS_PENDING, pod->pending_tokens},
		{AIBRIX_COL_LOAD_RATIO,
		 pod->blocks / (double)replay->input->options->gpu_blocks},
	};

	values_set(replay, pod->row, values, sizeof(values) / sizeof(values[0]),
		   now_ns);
}

void
replay_metrics_count(replay_state *replay, const replay_pod *pod)
{
	if (replay->input->options->stale_ms == 0)
		counts_set(replay, pod, replay->now_ns);
}

/* A mean of what has been in the last seconds; NaN: nothing has. */
static double
mean(double sum, double n)
{
	return n > 1e-3 ? sum / n : (double)NAN;
}

/* Share of the last seconds that the engine was in steps. */
static double
recent_busy(replay_pod *pod, double seconds)
{
	replay_recent *recent = &pod->recent;
	uint64_t busy_ns = sim_engine_busy_ns(pod->engine);

	recent->busy_s += (double)(busy_ns - recent->busy_ns) / 1e9;
	recent->busy_ns = busy_ns;
	/* A step counts when it begins. */
	return recent->busy_s < seconds ? recent->busy_s / seconds : 1;
}

static void
engine_set(replay_state *replay, const replay_pod *pod, double busy,
	   double seconds, uint64_t now_ns)
{
	const replay_recent *recent = &pod->recent;
	double running = sim_engine_running(pod->engine);
	double usage = sim_gpu_cache_usage(pod->gpu);
	const metric_value values[] = {
		{AIBRIX_COL_ENGINE_RUNNING, running},
		{AIBRIX_COL_ENGINE_WAITING,
		 sim_engine_jobs(pod->engine) - running},
		{AIBRIX_COL_KV_USAGE_RATIO, usage},
		{AIBRIX_COL_GPU_USAGE_RATIO, usage},
		{AIBRIX_COL_CPU_USAGE_RATIO, 0},
		{AIBRIX_COL_GPU_BUSY_RATIO, busy},
		{AIBRIX_COL_UTILIZATION_RATIO, busy},
		{AIBRIX_COL_QUEUE_S, mean(recent->queue_s, recent->prefilled)},
		{AIBRIX_COL_PREFILL_S,
		 mean(recent->prefill_s, recent->prefilled)},
		{AIBRIX_COL_DECODE_S, mean(recent->decode_s, recent->finished)},
		{AIBRIX_COL_PROMPT_TOKENS,
		 mean(recent->prompt_tokens, recent->finished)},
		{AIBRIX_COL_OUTPUT_TOKENS,
		 mean(recent->output_tokens, recent->finished)},
		{AIBRIX_COL_TOKENS_PER_S,
		 (recent->prompt_tokens + recent->output_tokens) / seconds},
		{AIBRIX_COL_REQUESTS_PER_S, recent->finished / seconds},
		{AIBRIX_COL_PREFILL_TOKENS_PER_S,
		 recent->computed_tokens / seconds},
	};

	values_set(replay, pod->row, values, sizeof(values) / sizeof(values[0]),
		   now_ns);
}

static void
engine_read(replay_state *replay, replay_pod *pod, uint64_t now_ns)
{
	/* A fading sum of a steady rate r is r times this. */
	double seconds =
		RECENT_S *
		(1 - exp(-(double)(now_ns - pod->joined_ns) / 1e9 / RECENT_S));

	if (now_ns <= pod->joined_ns)
		return; /* nothing can be said yet */
	recent_fade(&pod->recent, now_ns);
	engine_set(replay, pod, recent_busy(pod, seconds), seconds, now_ns);
}

/* What others of the gateway's kind expect of it. */
static void
estimate_read(replay_state *replay, const replay_pod *pod)
{
	const double *until_s =
		aibrix_fleet_column(replay->fleet, AIBRIX_COL_BUSY_UNTIL_S);

	if (until_s)
		replay->busy_until_s[pod->row] = until_s[pod->row];
}

void
replay_metrics_read(replay_state *replay, uint64_t next_ns)
{
	uint64_t stale_ns = replay->input->options->stale_ms * 1000000;
	uint64_t period_ns = stale_ns ? stale_ns : READ_NS;
	uint64_t read_ns = next_ns / period_ns * period_ns;

	if (read_ns <= replay->read_ns)
		return;
	replay->read_ns = read_ns;
	for (uint32_t i = 0; i < replay->input->options->pods; i++) {
		replay_pod *pod = &replay->pods[i];

		if (!pod->up)
			continue;
		engine_read(replay, pod, read_ns);
		if (stale_ns) {
			counts_set(replay, pod, read_ns);
			estimate_read(replay, pod);
		}
	}
}
