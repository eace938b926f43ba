/* A request on its way through the fleet: its blocks and what was found. */
#ifndef REPLAY_REQUEST_H
#define REPLAY_REQUEST_H

#include <stdint.h>

#include <aibrix/estimate.h>
#include <aibrix/hash.h>

#include "sim/sim_engine.h"
#include "sim/sim_workload.h"

#define REPLAY_NOWHERE UINT32_MAX

typedef struct replay_request {
	sim_job job;
	const sim_request *what;
	uint64_t *hashes; /* of whole prompt blocks */
	uint64_t *names;  /* as the engine calls them in events */
	aibrix_key *keys;
	uint32_t *slots; /* in GPU memory */
	uint32_t n_blocks;
	uint32_t n_usable; /* that a hit may cover: one token is left over */
	uint32_t n_gpu;    /* hits */
	uint32_t n_cached; /* hits in GPU, L1 and L2 together */
	uint64_t lease;    /* while it waits for L2 */
	struct replay_request *next_waiting;
	struct replay_request *next_parked; /* at the gateway */
	uint64_t n_room;                    /* blocks of prompt and output */
	double pending_tokens;              /* as the gateway counts them */
	double blocks;                      /* likewise, of its memory */
	uint64_t routed_ns, admitted_ns;
	uint32_t place;       /* of its pod, REPLAY_NOWHERE: at the gateway */
	uint32_t group;       /* whose it is */
	uint32_t retried;     /* its pod went down */
	uint32_t answered;    /* its first token was seen */
	uint64_t prefix_key;  /* where it begins as others do */
	uint64_t ticket;      /* of the fair queue */
	aibrix_charge charge; /* of cost's estimate */
	/* With prefill and decode apart: where it prefills, then decodes */
	uint32_t prefill, decode;
	uint32_t decoding;
	uint32_t *held; /* slots of the prompt at prefill */
	struct replay_request *next_handover;
} replay_request;

/* NULL: out of memory. */
replay_request *replay_request_new(const sim_request *what,
				   uint32_t block_tokens);

void replay_request_free(replay_request *request);

/* As though it had never been anywhere. */
void replay_request_reset(replay_request *request);

/* Make the tokens and name the blocks; *ns grows by the time of the library.
 * A status of the library. */
int replay_request_hash(replay_request *request, const aibrix_hash *hash,
			const sim_workload *workload, uint32_t *tokens,
			uint64_t *ns);

#endif
