/*
 * Prefix-aware routing in one page: what a gateway does for each request.
 *
 *   tokens -> block hashes -> who holds how much? -> which pod?
 *
 * Two pods.  One of them has announced that it holds the first two blocks
 * of a prompt; the other one holds nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include <aibrix/aibrix.h>

enum { PODS = 2, TOKENS = 64, BLOCK_TOKENS = 16, BLOCKS = 4 };

/* Statuses are 0 or negative; aibrix_strerror has a text for each. */
static void
check(int status)
{
	if (status == AIBRIX_OK)
		return;
	fprintf(stderr, "prefix_routing: %s\n", aibrix_strerror(status));
	exit(1);
}

/* A pod gets a row of the fleet table; the index knows it by the same
 * number.  The gateway keeps the row's counts up to date. */
static void
pod_add(aibrix_fleet *fleet, aibrix_index *index, uint64_t pod)
{
	aibrix_owner owner = {.pod = pod};
	uint32_t row;

	check(aibrix_fleet_add(fleet, &owner, &row));
	check(aibrix_index_owner_add(index, row));
	check(aibrix_fleet_set(fleet, row, AIBRIX_COL_REQUESTS_RUNNING, 0, 0));
	check(aibrix_fleet_set(fleet, row, AIBRIX_COL_TOKENS_PENDING, 0, 0));
}

/* What an engine's KV event becomes.  names are the engine's own hashes of
 * the blocks; it will use them again when it removes one. */
static void
pod_stores(aibrix_index *index, uint32_t row, const uint64_t *hashes)
{
	const uint64_t names[] = {0xa1, 0xa2};
	aibrix_index_stored event = {
		.size = sizeof(event),
		.n = 2,
		.hashes = hashes,
		.names = names,
		.tier = AIBRIX_TIER_DEVICE,
	};

	check(aibrix_index_apply_stored(index, row, &event));
}

int
main(void)
{
	uint32_t tokens[TOKENS] = {1, 2, 3};
	uint64_t hashes[BLOCKS], n;
	double matched[PODS]; /* by row: leading blocks held */
	aibrix_prompt prompt = {
		.size = sizeof(prompt),
		.tokens = tokens,
		.n_tokens = TOKENS,
	};
	/* Facts of one request lie over the fleet's table as a column. */
	aibrix_column overlay = {
		.id = AIBRIX_COL_PREFIX_BLOCKS,
		.rows = PODS,
		.values = matched,
	};
	aibrix_route_request request = {
		.size = sizeof(request),
		.n_overlay = 1,
		.overlay = &overlay,
		.block_tokens = BLOCK_TOKENS,
		.prompt_tokens = TOKENS,
		.entropy = 42, /* decides ties: a hash of the request's id */
	};
	aibrix_route_result picked = {.size = sizeof(picked)};
	aibrix_hash *hash;
	aibrix_index *index;
	aibrix_index_reader *reader; /* of this thread */
	aibrix_fleet *fleet;
	aibrix_route *route;

	/* NULL options: 16 tokens per block, strategy "cost". */
	check(aibrix_hash_new(NULL, &hash));
	check(aibrix_index_new(NULL, &index));
	check(aibrix_index_reader_new(index, &reader));
	check(aibrix_fleet_new(NULL, &fleet));
	check(aibrix_route_new(NULL, &route));
	pod_add(fleet, index, 100);
	pod_add(fleet, index, 101);

	check(aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, BLOCKS, &n));
	pod_stores(index, 1, hashes);

	/* A request with this prompt arrives. */
	check(aibrix_index_match(reader, hashes, n, 0, matched, PODS));
	request.n_blocks = n;
	check(aibrix_route_pick(route, fleet, &request, 0, &picked));
	printf("pod %d holds %.0f of %d blocks; reason: %s\n",
	       (int)picked.owner.pod, matched[picked.row], (int)n,
	       aibrix_route_reason(picked.reason));

	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
	aibrix_hash_free(hash);
	return picked.owner.pod == 101 ? 0 : 1;
}
