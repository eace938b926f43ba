/* How much a fleet could do. */
#ifndef SIM_CAPACITY_H
#define SIM_CAPACITY_H

#include "sim_presets.h"
#include "sim_workload.h"

/*
 * Seconds that a pod needs for its share of the workload, dealt out in
 * turn, when everything waits at the door and nothing is cached: the mean
 * over the pods.  NaN: out of memory.
 *
 * A pod holds gpu_blocks blocks of block_tokens tokens; each request must
 * fit into that.
 */
double sim_capacity_s(const sim_pod_spec *spec, const sim_workload *workload,
		      uint32_t pods, uint64_t gpu_blocks,
		      uint32_t block_tokens);

/* Blocks that a request occupies, prompt and output. */
uint64_t sim_request_blocks(const sim_request *request, uint32_t block_tokens);

#endif
