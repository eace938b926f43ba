/*
 * What arrives: requests whose prompts are chains of 512-token pieces with
 * ids; equal ids are equal tokens (the form of Mooncake's public traces).
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

enum {
	SIM_ID_TOKENS = 512,
	SIM_INPUT_TOKENS_MAX = 10000000,
	SIM_OUTPUT_TOKENS_MAX = 1000000,
	SIM_IDS_MAX = (SIM_INPUT_TOKENS_MAX + SIM_ID_TOKENS - 1) / SIM_ID_TOKENS
};

/* About 31 years; keeps every product of times within 64 bits. */
#define SIM_TIMESTAMP_MS_MAX UINT64_C(1000000000000)

typedef struct sim_request {
	uint64_t arrival_ns;
	uint64_t first_id; /* index into the workload's ids */
	uint32_t n_ids;
	uint32_t input_tokens;
	uint32_t output_tokens;
	uint32_t line;    /* of the trace, 0 when generated */
	uint32_t burst;   /* one of many siblings */
	uint64_t session; /* turns of one share it; 0: not known */
} sim_request;

/* Zero-initialised is empty. */
typedef struct sim_workload {
	sim_request *requests;
	size_t n, cap;
	uint64_t *ids;
	size_t n_ids, cap_ids;
	uint64_t input_tokens, output_tokens; /* of all requests */
} sim_workload;

/* Append a copy of *request with these ids.  -1: out of memory. */
int sim_workload_add(sim_workload *workload, const sim_request *request,
		     const uint64_t *ids);

void sim_workload_clear(sim_workload *workload);

/*
 * n requests of a kind: "conversation", "agent" or "rag".
 * -1: out of memory; -2: unknown kind.
 */
int sim_workload_generate(sim_workload *workload, const char *kind, size_t n,
			  uint64_t seed);

/* Give requests of a trace their sessions.  -1: out of memory. */
int sim_workload_sessions(sim_workload *workload);

/* Add eight bursts, evenly over the time of the others, each of so many
 * requests at once that share a beginning nobody has had before.  There is a
 * request.  -1: out of memory. */
int sim_workload_burst(sim_workload *workload, uint32_t siblings,
		       uint64_t seed);

/* The tokens of a request's prompt; tokens has room for input_tokens. */
void sim_workload_tokens(const sim_workload *workload,
			 const sim_request *request, uint32_t *tokens);

/* Scale all arrival times by factor, the first to 0. */
void sim_workload_scale(sim_workload *workload, double factor);

#endif
