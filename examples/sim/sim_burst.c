/*
 * Bursts of siblings: requests that come at once and begin alike, with
 * something that nobody has asked before.  A new document that many read, a
 * job that fans out, a page that is linked from everywhere.
 */
#include <stdlib.h>

#include "sim_rand.h"
#include "sim_workload.h"

enum {
	BURSTS = 8,
	SHARED_IDS = 16, /* 8192 tokens */
	OWN_TOKENS = 300,
	OUTPUT_TOKENS = 128
};

static int
sibling_add(sim_workload *workload, uint64_t arrival_ns, uint64_t burst,
	    uint64_t own)
{
	const sim_request sibling = {
		.arrival_ns = arrival_ns,
		.n_ids = SHARED_IDS + 1,
		.input_tokens = SHARED_IDS * SIM_ID_TOKENS + OWN_TOKENS,
		.output_tokens = OUTPUT_TOKENS,
		.session = own,
		.burst = 1,
	};
	uint64_t ids[SHARED_IDS + 1];

	/* As traces have them, below 2^53. */
	for (uint32_t i = 0; i < SHARED_IDS; i++)
		ids[i] = sim_mix(burst + i) >> 11;
	ids[SHARED_IDS] = sim_mix(own) >> 11;
	return sim_workload_add(workload, &sibling, ids);
}

int
sim_workload_burst(sim_workload *workload, uint32_t siblings, uint64_t seed)
{
	const sim_request *requests = workload->requests;
	sim_rand rand = {sim_mix(seed ^ 0x7369626c696e6773)};
	uint64_t first_ns = requests[0].arrival_ns;
	uint64_t span_ns = requests[workload->n - 1].arrival_ns - first_ns;
	sim_workload all = {0};
	uint32_t bursts = 0;
	int failed = 0;

	for (size_t i = 0; i < workload->n && !failed; i++) {
		uint64_t next = bursts + 1;
		uint64_t at_ns = first_ns + span_ns / (BURSTS + 1) * next;

		if (bursts < BURSTS && requests[i].arrival_ns >= at_ns) {
			uint64_t burst = sim_rand_next(&rand);

			for (uint32_t k = 0; k < siblings && !failed; k++)
				failed = sibling_add(
					&all, requests[i].arrival_ns, burst,
					sim_rand_next(&rand));
			bursts++;
		}
		if (!failed)
			failed = sim_workload_add(&all, &requests[i],
						  workload->ids +
							  requests[i].first_id);
	}
	if (failed) {
		sim_workload_clear(&all);
		return -1;
	}
	sim_workload_clear(workload);
	*workload = all;
	return 0;
}
