/* What one infinite cache that all pods share would save. */
#include "replay_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay_request.h"
#include "sim/sim_set.h"

/* Leading usable blocks that an earlier request had; all become known.
 * -1: out of memory. */
static int64_t
request_seen(sim_set *seen, const replay_request *request)
{
	uint32_t hits = 0;

	while (hits < request->n_usable &&
	       sim_set_has(seen, request->names[hits]))
		hits++;
	for (uint32_t i = hits; i < request->n_blocks; i++) {
		if (sim_set_add(seen, request->names[i]) < 0)
			return -1;
	}
	return hits;
}

double
replay_ceiling(const replay_options *options, const sim_workload *workload)
{
	aibrix_hash_opts opts = {
		.size = sizeof(opts),
		.block_tokens = options->block_tokens,
	};
	uint32_t *tokens = malloc(SIM_INPUT_TOKENS_MAX * sizeof(*tokens));
	aibrix_hash *hash = NULL;
	sim_set seen = {0};
	uint64_t ns = 0;
	double blocks = 0;
	int status = aibrix_hash_new(&opts, &hash);

	if (!tokens)
		status = AIBRIX_E_NOMEM;
	for (size_t i = 0; i < workload->n && status == AIBRIX_OK; i++) {
		replay_request *request = replay_request_new(
			&workload->requests[i], options->block_tokens);
		int64_t hits = -1;

		if (request) {
			status = replay_request_hash(request, hash, workload,
						     tokens, &ns);
			hits = request_seen(&seen, request);
		}
		if (status == AIBRIX_OK && hits < 0)
			status = AIBRIX_E_NOMEM;
		blocks += (double)hits;
		replay_request_free(request);
	}
	sim_set_clear(&seen);
	aibrix_hash_free(hash);
	free(tokens);
	if (status != AIBRIX_OK) {
		fprintf(stderr, "replay: hashing: %s\n",
			aibrix_strerror(status));
		return (double)NAN;
	}
	return blocks * options->block_tokens / (double)workload->input_tokens;
}
