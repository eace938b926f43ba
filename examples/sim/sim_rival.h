/*
 * How other gateways choose, from their published formulas, for comparison
 * with the library's strategies.  doc/modules/sim.md has the formulas with
 * their sources, and what is simpler here.
 */
#ifndef SIM_RIVAL_H
#define SIM_RIVAL_H

#include <stddef.h>
#include <stdint.h>

/* What a gateway knows when a request arrives; columns by row. */
typedef struct sim_seen {
	uint32_t rows;
	uint32_t block_tokens;
	uint32_t prompt_tokens;
	uint32_t n_blocks; /* whole blocks of the prompt */
	uint64_t now_ns;
	uint64_t entropy;      /* for ties */
	const double *matched; /* leading blocks held */
	const double *running; /* requests sent and not finished */
	const double *pending; /* uncached prompt tokens before a first token */
	const double *blocks;  /* of the prompts of requests not finished */
	const double *waiting; /* engine: requests in its queue */
	const double *kv_usage; /* engine: share of KV memory in use */
} sim_seen;

typedef struct sim_rival sim_rival;

/* Name of the i-th, or NULL. */
const char *sim_rival_name(size_t i);

/* NULL: out of memory, or no such name. */
sim_rival *sim_rival_new(const char *name, uint32_t rows);

void sim_rival_free(sim_rival *policy);

/* The row for a request, which is then taken as sent there. */
uint32_t sim_rival_pick(sim_rival *policy, const sim_seen *seen);

#endif
