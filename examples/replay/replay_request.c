/* One allocation per kind of array: requests in flight are few. */
#include "replay_request.h"

#include <stdlib.h>

#include "replay_tiers.h"
#include "sim/sim_capacity.h"

void
replay_request_reset(replay_request *request)
{
	request->job = (sim_job){
		.user = request,
		.id = request->job.id,
		.input_tokens = request->what->input_tokens,
		.output_tokens = request->what->output_tokens,
	};
	request->n_gpu = request->n_cached = 0;
	request->place = REPLAY_NOWHERE;
}

replay_request *
replay_request_new(const sim_request *what, uint32_t block_tokens)
{
	replay_request *request = calloc(1, sizeof(*request));
	size_t n = what->input_tokens / block_tokens;

	if (!request)
		return NULL;
	request->what = what;
	request->n_blocks = (uint32_t)n;
	/* An engine needs the last token's output even when all is cached. */
	request->n_usable = (what->input_tokens - 1) / block_tokens;
	request->n_room = sim_request_blocks(what, block_tokens);
	replay_request_reset(request);
	request->hashes = calloc(n + 1, sizeof(*request->hashes));
	request->names = calloc(n + 1, sizeof(*request->names));
	request->keys = calloc(n + 1, sizeof(*request->keys));
	request->slots = calloc(n + 1, sizeof(*request->slots));
	request->held = calloc(n + 1, sizeof(*request->held));
	if (!request->held || !request->hashes || !request->names ||
	    !request->keys || !request->slots) {
		replay_request_free(request);
		return NULL;
	}
	return request;
}

void
replay_request_free(replay_request *request)
{
	if (!request)
		return;
	free(request->hashes);
	free(request->names);
	free(request->keys);
	free(request->slots);
	free(request->held);
	free(request);
}

int
replay_request_hash(replay_request *request, const aibrix_hash *hash,
		    const sim_workload *workload, uint32_t *tokens,
		    uint64_t *ns)
{
	aibrix_prompt prompt = {
		.size = sizeof(prompt),
		.tokens = tokens,
		.n_tokens = request->what->input_tokens,
	};
	uint64_t begin_ns;
	uint64_t n;
	int status;

	sim_workload_tokens(workload, request->what, tokens);
	begin_ns = replay_now_ns();
	status = aibrix_hash_blocks(hash, &prompt, 0, request->hashes,
				    request->keys, request->n_blocks, &n);
	*ns += replay_now_ns() - begin_ns;
	if (status != AIBRIX_OK)
		return status;
	/* An engine's own block hash covers the whole prefix, as a key does. */
	for (uint32_t i = 0; i < request->n_blocks; i++)
		request->names[i] = aibrix_hash_fold(
			request->keys[i].bytes, sizeof(request->keys[i]), 0);
	return AIBRIX_OK;
}
