/* What one run of replay is made of. */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

#include <aibrix/aibrix.h>

#include "replay_request.h"
#include "replay_run.h"
#include "replay_tiers.h"
#include "sim/sim_engine.h"
#include "sim/sim_events.h"
#include "sim/sim_gpu_cache.h"
#include "sim/sim_stats.h"

typedef struct replay_pod {
	struct replay_state *replay;
	sim_engine *engine;
	sim_gpu_cache *gpu;
	uint64_t l1_free_ns; /* until then its links are loading */
	uint64_t l2_free_ns;
	replay_request *waiting; /* for L2 */
	uint32_t row;
	uint32_t running;
	double pending_tokens;
} replay_pod;

typedef struct replay_state {
	const replay_input *input;
	aibrix_hash *hash;
	aibrix_index *index;
	aibrix_index_reader *reader;
	aibrix_fleet *fleet;
	aibrix_route *route;
	replay_tiers tiers;
	replay_pod *pods;
	/* Sources: each pod's engine, the arrivals, each pod's L2. */
	sim_events *events;
	uint32_t *tokens;
	double *matched; /* by row: leading blocks of the request at hand */
	replay_request **live; /* by number; NULL: not there, or finished */
	size_t arrived, finished;
	uint64_t now_ns;
	uint64_t first_ns;
	uint64_t hash_ns, hash_blocks, match_ns, pick_ns;
	uint64_t gpu_hits, l1_hits, l2_hits; /* blocks */
	sim_stats ttft_ms;
	sim_stats late_ttft_ms; /* of arrivals since the fault began */
	int status;             /* the first failure ends the run */
} replay_state;

/* The first failure is told and ends the run. */
void replay_fail(replay_state *replay, const char *what, int status);

/* replay_pod.c: what a pod's engine asks, and what its L2 has brought. */
extern const sim_engine_ops replay_pod_ops;
void replay_pod_publish(replay_state *replay, const replay_pod *pod);
void replay_pod_poll(replay_pod *pod);
/* When its engine and its L2 want to act next. */
void replay_pod_schedule(replay_pod *pod);

#endif
