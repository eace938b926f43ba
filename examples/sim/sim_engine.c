/*
 * Engine model.
 *
 * A step computes one token of each decoding request and fills the rest of
 * its token budget with prefill, oldest request first (chunked prefill, the
 * default of vLLM and SGLang).  Its time is a roofline: the larger of
 *
 *   compute = tokens x 2P / gemm  +  token pairs x 4 L H D / attention
 *   memory  = (weights + KV of all contexts read) / bandwidth
 *
 * plus a fixed cost and one per running request.  Hence prefill is linear
 * plus quadratic in the context, and a decode step grows with the batch and
 * with the KV that is resident.
 *
 * Steps are simulated one by one, O(1) each: a decoding request is only
 * touched when it starts and when it ends, because the step in which it
 * ends is known when it starts.
 */
#include "sim_engine.h"

#include <stdlib.h>

#include "sim_rand.h"

typedef struct job_list {
	sim_job *head, *tail;
} job_list;

struct sim_engine {
	const sim_pod_spec *spec;
	const sim_engine_ops *ops;
	void *ctx;
	job_list queue;   /* not admitted */
	job_list loading; /* admitted, waits for ready_ns */
	job_list prefill;
	sim_job **decode; /* heap by last_step */
	uint32_t decoding;
	uint32_t running; /* admitted and not finished */
	uint32_t jobs;
	uint32_t stepping; /* a step is being computed */
	uint64_t step;     /* steps done */
	uint64_t step_end_ns;
	uint64_t resident; /* context tokens of decoding requests */
	uint64_t busy_ns;
	sim_rand rand;
};

static void
list_push(job_list *list, sim_job *job)
{
	job->next = NULL;
	if (list->tail)
		list->tail->next = job;
	else
		list->head = job;
	list->tail = job;
}

static sim_job *
list_pop(job_list *list)
{
	sim_job *job = list->head;

	list->head = job->next;
	if (!list->head)
		list->tail = NULL;
	return job;
}

sim_engine *
sim_engine_new(const sim_pod_spec *spec, const sim_engine_ops *ops, void *ctx)
{
	sim_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->decode = calloc(spec->max_running, sizeof(sim_job *));
	if (!engine->decode) {
		free(engine);
		return NULL;
	}
	engine->spec = spec;
	engine->ops = ops;
	engine->ctx = ctx;
	return engine;
}

void
sim_engine_free(sim_engine *engine)
{
	if (!engine)
		return;
	free(engine->decode);
	free(engine);
}

static int
job_ends_before(const sim_job *a, const sim_job *b)
{
	if (a->last_step != b->last_step)
		return a->last_step < b->last_step;
	return a->id < b->id;
}

static void
decode_push(sim_engine *engine, sim_job *job)
{
	uint32_t place = engine->decoding++;

	while (place > 0) {
		uint32_t parent = (place - 1) / 2;

		if (!job_ends_before(job, engine->decode[parent]))
			break;
		engine->decode[place] = engine->decode[parent];
		place = parent;
	}
	engine->decode[place] = job;
}

static sim_job *
decode_pop(sim_engine *engine)
{
	sim_job **heap = engine->decode;
	sim_job *top = heap[0];
	sim_job *last = heap[--engine->decoding];
	uint32_t n = engine->decoding;
	uint32_t place = 0;
	uint32_t child;

	while ((child = 2 * place + 1) < n) {
		if (child + 1 < n &&
		    job_ends_before(heap[child + 1], heap[child]))
			child++;
		if (!job_ends_before(heap[child], last))
			break;
		heap[place] = heap[child];
		place = child;
	}
	heap[place] = last;
	return top;
}

/* Seconds of a step from the sums of its parts. */
static double
step_cost_s(const sim_pod_spec *spec, double tokens, double pairs,
	    double kv_tokens, double requests)
{
	double compute =
		tokens * spec->flops_per_token / spec->gemm_flops_per_s +
		pairs * spec->flops_per_pair / spec->attention_flops_per_s;
	double memory =
		(spec->weight_bytes + kv_tokens * spec->kv_bytes_per_token) /
		spec->memory_bytes_per_s;

	return spec->step_s + requests * spec->sequence_s +
	       (compute > memory ? compute : memory);
}

/* Pairs of a token with itself or one before it, in a chunk after done. */
static double
chunk_pairs(double chunk, double done)
{
	return chunk * done + chunk * (chunk + 1) / 2;
}

double
sim_step_s(const sim_pod_spec *spec, double chunk, double done, double running,
	   double resident)
{
	return step_cost_s(spec, chunk + running,
			   chunk_pairs(chunk, done) + resident,
			   chunk > 0 ? done + chunk + resident : resident,
			   running + (chunk > 0));
}

static void
job_finish(sim_engine *engine, sim_job *job, uint64_t now_ns)
{
	engine->running--;
	engine->jobs--;
	engine->ops->finished(engine->ctx, job, now_ns);
}

static void
job_prefilled(sim_engine *engine, sim_job *job, uint64_t now_ns)
{
	job->first_token_ns = now_ns;
	engine->ops->prefilled(engine->ctx, job, now_ns);
	/* The step that ends the prompt also gives the first token. */
	if (job->output_tokens <= 1) {
		job_finish(engine, job, now_ns);
		return;
	}
	job->last_step = engine->step + job->output_tokens - 1;
	engine->resident += (uint64_t)job->input_tokens + 1;
	decode_push(engine, job);
}

static void
step_finish(sim_engine *engine, uint64_t now_ns)
{
	sim_job *job;

	engine->stepping = 0;
	engine->step++;
	engine->resident += engine->decoding;
	while (engine->decoding &&
	       engine->decode[0]->last_step == engine->step) {
		job = decode_pop(engine);
		engine->resident -=
			(uint64_t)job->input_tokens + job->output_tokens;
		job_finish(engine, job, now_ns);
	}
	for (job = engine->prefill.head; job; job = job->next) {
		job->done_tokens += job->chunk_tokens;
		job->chunk_tokens = 0;
	}
	/* Oldest first: those that are done are in front. */
	while (engine->prefill.head &&
	       engine->prefill.head->done_tokens ==
		       engine->prefill.head->input_tokens)
		job_prefilled(engine, list_pop(&engine->prefill), now_ns);
}

static void
step_start(sim_engine *engine, uint64_t now_ns)
{
	double tokens = engine->decoding;
	double requests = engine->decoding;
	double pairs = (double)engine->resident;
	double kv_tokens = (double)engine->resident;
	uint32_t budget = engine->spec->step_tokens - engine->decoding;
	uint64_t step_ns;
	double step_s;

	for (sim_job *job = engine->prefill.head; job && budget;
	     job = job->next) {
		uint32_t left = job->input_tokens - job->done_tokens;
		uint32_t chunk = left < budget ? left : budget;

		job->chunk_tokens = chunk;
		budget -= chunk;
		tokens += chunk;
		pairs += chunk_pairs(chunk, job->done_tokens);
		kv_tokens += (double)job->done_tokens + chunk;
		requests += 1;
	}
	if (requests < 1)
		return;
	step_s = step_cost_s(engine->spec, tokens, pairs, kv_tokens, requests);
	if (engine->spec->noise > 0)
		step_s *= sim_rand_lognormal(&engine->rand, 1,
					     engine->spec->noise);
	step_ns = (uint64_t)(1e9 * step_s) + 1;
	engine->stepping = 1;
	engine->step_end_ns = now_ns + step_ns;
	engine->busy_ns += step_ns;
}

/* Requests whose loads are done may be computed. */
static void
loads_collect(sim_engine *engine, uint64_t now_ns)
{
	job_list waiting = {0};

	while (engine->loading.head) {
		sim_job *job = list_pop(&engine->loading);

		list_push(job->ready_ns <= now_ns ? &engine->prefill : &waiting,
			  job);
	}
	engine->loading = waiting;
}

/* Whether a step that starts now would compute something of one more. */
static int
step_has_room(const sim_engine *engine)
{
	uint64_t tokens = engine->decoding;

	for (const sim_job *job = engine->loading.head; job; job = job->next)
		tokens += job->input_tokens - job->done_tokens;
	for (const sim_job *job = engine->prefill.head; job; job = job->next)
		tokens += job->input_tokens - job->done_tokens;
	return tokens < engine->spec->step_tokens;
}

static void
queue_admit(sim_engine *engine, uint64_t now_ns)
{
	int late = engine->spec->admits_late;

	if (late && engine->stepping)
		return;
	while (engine->queue.head &&
	       engine->running < engine->spec->max_running &&
	       (!late || step_has_room(engine)) &&
	       engine->ops->admit(engine->ctx, engine->queue.head, now_ns)) {
		sim_job *job = list_pop(&engine->queue);

		engine->running++;
		list_push(&engine->loading, job);
	}
}

static void
engine_go(sim_engine *engine, uint64_t now_ns)
{
	queue_admit(engine, now_ns);
	if (engine->stepping)
		return;
	loads_collect(engine, now_ns);
	step_start(engine, now_ns);
}

void
sim_engine_submit(sim_engine *engine, sim_job *job, uint64_t now_ns)
{
	engine->jobs++;
	list_push(&engine->queue, job);
	engine_go(engine, now_ns);
}

uint64_t
sim_engine_next(const sim_engine *engine)
{
	uint64_t next_ns = UINT64_MAX;

	if (engine->stepping)
		return engine->step_end_ns;
	for (const sim_job *job = engine->loading.head; job; job = job->next) {
		if (job->ready_ns < next_ns)
			next_ns = job->ready_ns;
	}
	return next_ns;
}

void
sim_engine_advance(sim_engine *engine, uint64_t now_ns)
{
	if (engine->stepping && engine->step_end_ns <= now_ns)
		step_finish(engine, now_ns);
	engine_go(engine, now_ns);
}

uint64_t
sim_engine_busy_ns(const sim_engine *engine)
{
	return engine->busy_ns;
}

uint32_t
sim_engine_jobs(const sim_engine *engine)
{
	return engine->jobs;
}

uint32_t
sim_engine_running(const sim_engine *engine)
{
	return engine->running;
}
