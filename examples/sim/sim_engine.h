/*
 * One pod's inference engine in virtual time: a FIFO queue in front of
 * continuous batching with chunked prefill.
 *
 *   submit -> queue -> admit -> (load) -> prefill -> decode -> finished
 *
 * The engine decides when; what a request finds cached and where its blocks
 * live is the business of the host, which is asked through sim_engine_ops.
 * The model is in doc/modules/sim.md.
 */
#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H

#include <stdint.h>

#include "sim_presets.h"

/* A request inside an engine; memory of the host until finished is called. */
typedef struct sim_job {
	struct sim_job *next;  /* the engine's */
	void *user;            /* the host's */
	uint32_t input_tokens; /* at least 1 */
	uint32_t output_tokens;
	uint32_t done_tokens;  /* of the input: cached or computed */
	uint32_t chunk_tokens; /* computed by the running step */
	uint64_t id;           /* order among equals */
	uint64_t ready_ns;     /* loads are done */
	uint64_t first_token_ns;
	uint64_t last_step;
} sim_job;

typedef struct sim_engine_ops {
	/* Room for job?  0: not now, ask again when something has finished.
	 * 1: the host has set done_tokens (below input_tokens) and ready_ns. */
	int (*admit)(void *ctx, sim_job *job, uint64_t now_ns);
	/* The prompt is computed: its first token exists. */
	void (*prefilled)(void *ctx, sim_job *job, uint64_t now_ns);
	/* The last token exists.  The engine has let go of job. */
	void (*finished)(void *ctx, sim_job *job, uint64_t now_ns);
} sim_engine_ops;

typedef struct sim_engine sim_engine;

/* spec and ops are borrowed; NULL: out of memory. */
sim_engine *sim_engine_new(const sim_pod_spec *spec, const sim_engine_ops *ops,
			   void *ctx);

void sim_engine_free(sim_engine *engine);

void sim_engine_submit(sim_engine *engine, sim_job *job, uint64_t now_ns);

/* When the engine wants to be advanced next; AIBRIX_FOREVER when idle. */
uint64_t sim_engine_next(const sim_engine *engine);

/* Do what is due at now_ns, which is sim_engine_next. */
void sim_engine_advance(sim_engine *engine, uint64_t now_ns);

/* Nanoseconds spent in steps so far. */
uint64_t sim_engine_busy_ns(const sim_engine *engine);

/* Requests inside: queued, loading, in prefill, decoding. */
uint32_t sim_engine_jobs(const sim_engine *engine);

/* Of them those that are not queued. */
uint32_t sim_engine_running(const sim_engine *engine);

/* What a step takes that computes one prefill chunk of chunk tokens after
 * done tokens and one token of each of running requests with together
 * resident tokens of context.  In seconds. */
double sim_step_s(const sim_pod_spec *spec, double chunk, double done,
		  double running, double resident);

#endif
