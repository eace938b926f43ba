/* The container of requests, and how ids become tokens. */
#include "sim_workload.h"

#include <stdlib.h>
#include <string.h>

#include "sim_rand.h"

enum { VOCABULARY = 128256 }; /* Llama 3's */

/* Room for need elements of size bytes in *at.  -1: out of memory. */
static int
array_grow(void **at, size_t *cap, size_t need, size_t size)
{
	size_t more = *cap ? *cap : 256;
	void *grown;

	if (need <= *cap)
		return 0;
	while (more < need && more <= SIZE_MAX / 2)
		more *= 2;
	if (more < need || more > SIZE_MAX / size)
		return -1;
	grown = realloc(*at, more * size);
	if (!grown)
		return -1;
	*at = grown;
	*cap = more;
	return 0;
}

int
sim_workload_add(sim_workload *workload, const sim_request *request,
		 const uint64_t *ids)
{
	void *requests = workload->requests;
	void *all = workload->ids;
	sim_request *added;
	int failed;

	failed = array_grow(&requests, &workload->cap, workload->n + 1,
			    sizeof(*workload->requests));
	workload->requests = requests;
	if (!failed)
		failed = array_grow(&all, &workload->cap_ids,
				    workload->n_ids + request->n_ids,
				    sizeof(*workload->ids));
	workload->ids = all;
	if (failed)
		return -1;
	added = &workload->requests[workload->n++];
	*added = *request;
	added->first_id = workload->n_ids;
	if (request->n_ids)
		memcpy(workload->ids + workload->n_ids, ids,
		       request->n_ids * sizeof(*ids));
	workload->n_ids += request->n_ids;
	workload->input_tokens += request->input_tokens;
	workload->output_tokens += request->output_tokens;
	return 0;
}

void
sim_workload_clear(sim_workload *workload)
{
	free(workload->requests);
	free(workload->ids);
	*workload = (sim_workload){0};
}

void
sim_workload_tokens(const sim_workload *workload, const sim_request *request,
		    uint32_t *tokens)
{
	const uint64_t *ids = workload->ids + request->first_id;

	for (uint32_t i = 0; i < request->input_tokens; i++) {
		uint64_t id = ids[i / SIM_ID_TOKENS];
		uint64_t random =
			sim_mix(id * SIM_ID_TOKENS + i % SIM_ID_TOKENS);

		tokens[i] = (uint32_t)((random >> 32) * VOCABULARY >> 32);
	}
}

void
sim_workload_scale(sim_workload *workload, double factor)
{
	uint64_t first_ns = workload->n ? workload->requests[0].arrival_ns : 0;

	for (size_t i = 0; i < workload->n; i++) {
		sim_request *request = &workload->requests[i];
		double ns = (double)(request->arrival_ns - first_ns) * factor;

		/* Beyond 2^62 ns (146 years) nothing is lost by waiting there.
		 */
		request->arrival_ns =
			ns < 0x1p62 ? (uint64_t)ns : UINT64_C(1) << 62;
	}
}
