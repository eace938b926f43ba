/* Private to the fleet's files. */
#ifndef SIM_FLEET_STATE_H
#define SIM_FLEET_STATE_H

#include <aibrix/aibrix.h>

#include "sim_engine.h"
#include "sim_events.h"
#include "sim_fleet.h"

enum { SIM_BLOCK_TOKENS = 128 };

typedef struct sim_fleet_state sim_fleet_state;

typedef struct sim_fleet_pod {
	sim_fleet_state *fleet;
	sim_engine *engine; /* NULL: not up */
	sim_sample totals;  /* as of now */
	uint64_t asked_ns, scrapes;
	uint64_t number; /* of all pods ever */
	uint64_t used_blocks;
	uint32_t row;
} sim_fleet_pod;

typedef struct sim_fleet_request {
	sim_job job;
	const sim_request *what;
	uint64_t blocks;
	double ttft_s;
} sim_fleet_request;

/*
 * Rows are places: a pod that has gone leaves its row to the next one.
 * Sources of events: lives by row (start-up's end, then scrapes), arrivals, the
 * scaler, marks.  Engines do not see each other: between two events each runs
 * on by itself, which is much cheaper than a heap of all their steps.
 */
struct sim_fleet_state {
	const sim_fleet_opts *opts;
	sim_fleet_result *result;
	aibrix_fleet *table;
	aibrix_route *route;
	sim_events *events;
	sim_fleet_pod *pods;
	aibrix_scale_pod *phases;
	sim_sample *samples;
	double *running;             /* the gateway's count, by row */
	uint64_t *next_ns;           /* of engines, by row */
	uint32_t *ready;             /* rows */
	sim_fleet_request *requests; /* of the workload, in its order */
	const sim_request **held;    /* requests that wait for a pod */
	size_t first_held, n_held, cap_held;
	uint64_t now_ns, gpu_blocks, numbers;
	double input_tokens;
	double itl_s, e2e_s; /* sums */
	uint64_t itl_n;
	double tokens; /* of requests that ended in time */
	uint32_t top;  /* rows from there on were never used */
	uint32_t rows, n_ready, n_starting;
	int32_t asked, way; /* direction of the last change */
	sim_stats ttft_s, e2e;
	size_t next;
	int status;
};

extern const sim_engine_ops sim_fleet_engine_ops;

void sim_fleet_fail(sim_fleet_state *fleet, int status);

/* Send a request to a pod, or keep it when there is none. */
void sim_fleet_send(sim_fleet_state *fleet, const sim_request *what);

/* The scaler's wish. */
void sim_fleet_resize(sim_fleet_state *fleet, int32_t replicas);

/* What is due in a pod's life. */
void sim_fleet_life(sim_fleet_state *fleet, uint32_t row);

/* Who has drained goes. */
void sim_fleet_settle(sim_fleet_state *fleet, uint32_t row);

#endif
