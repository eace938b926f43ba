/*
 * Prefix-aware routing in one page: what a gateway does for each request.
 *
 *   tokens -> block hashes -> who holds how much? -> which pod?
 *
 * Two pods.  One of them has announced that it holds the first two blocks
 * of a prompt; the other one is idle.
 */
#include <stdio.h>
#include <stdlib.h>

#include <aibrix/aibrix.h>

enum { PODS = 2, TOKENS = 64, BLOCK_TOKENS = 16, BLOCKS = 4 };

/* Statuses are 0 or negative; aibrix_strerror has a text for each. */
static void
check(int status, const char *what)
{
	if (status == AIBRIX_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, aibrix_strerror(status));
	exit(1);
}

int
main(void)
{
	aibrix_hash *hash;
	aibrix_index *index;
	aibrix_index_reader *reader;
	aibrix_fleet *fleet;
	aibrix_route *route;
	uint32_t tokens[TOKENS];
	uint64_t hashes[BLOCKS];
	uint64_t n;

	/* NULL options: 16 tokens per block, "prefix-cache". */
	check(aibrix_hash_new(NULL, &hash), "hash");
	check(aibrix_index_new(NULL, &index), "index");
	check(aibrix_index_reader_new(index, &reader), "reader");
	check(aibrix_fleet_new(NULL, &fleet), "fleet");
	check(aibrix_route_new(NULL, &route), "route");

	/* A pod gets a row of the fleet table; the index knows it by the same
	 * number.  The gateway keeps the row's counts up to date. */
	for (uint64_t pod = 0; pod < PODS; pod++) {
		aibrix_owner owner = {.pod = 100 + pod};
		uint32_t row;

		check(aibrix_fleet_add(fleet, &owner, &row), "add");
		check(aibrix_index_owner_add(index, row), "owner");
		check(aibrix_fleet_set(fleet, row, AIBRIX_COL_TOKENS_PENDING, 0,
				       0),
		      "set");
	}

	/* The prompt, cut into blocks with names. */
	for (uint32_t i = 0; i < TOKENS; i++)
		tokens[i] = 1000 + i;
	aibrix_prompt prompt = {
		.size = sizeof(prompt),
		.tokens = tokens,
		.n_tokens = TOKENS,
	};
	check(aibrix_hash_blocks(hash, &prompt, 0, hashes, NULL, BLOCKS, &n),
	      "blocks");

	/* Pod 101 (row 1) tells, as engines do with KV events, that it has
	 * stored the first two.  names are the engine's own block hashes. */
	const uint64_t names[] = {0xa1, 0xa2};
	aibrix_index_stored stored = {
		.size = sizeof(stored),
		.n = 2,
		.hashes = hashes,
		.names = names,
		.tier = AIBRIX_TIER_DEVICE,
	};
	check(aibrix_index_apply_stored(index, 1, &stored), "event");

	/* A request: matched blocks are a column over the fleet's table, which
	 * is how facts of one request reach the router. */
	double matched[PODS];
	check(aibrix_index_match(reader, hashes, n, 0, matched, PODS), "match");
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
		.n_blocks = n,
		.entropy = 42, /* decides ties; take it from the request id */
	};
	aibrix_route_result picked = {.size = sizeof(picked)};
	check(aibrix_route_pick(route, fleet, &request, 0, &picked), "pick");

	printf("pod %llu holds %.0f of %llu blocks; reason: %s\n",
	       (unsigned long long)picked.owner.pod, matched[picked.row],
	       (unsigned long long)n, aibrix_route_reason(picked.reason));

	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
	aibrix_hash_free(hash);
	return picked.owner.pod == 101 ? 0 : 1;
}
