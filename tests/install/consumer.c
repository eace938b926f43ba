/*
 * A stranger's program: knows the installed headers and pkg-config, nothing
 * else.  Compiled as C, and as C++ through consumer.cc.
 */

#include <stdio.h>
#include <string.h>

#include <aibrix/aibrix.h>

enum { BLOCK = 16, TOKENS = 40, BLOCKS = TOKENS / BLOCK };

static int
version_is_the_headers(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%d.%d.%d", AIBRIX_VERSION_MAJOR,
		 AIBRIX_VERSION_MINOR, AIBRIX_VERSION_PATCH);
	return strcmp(text, aibrix_version()) == 0;
}

/* Two prompts that share their first block only. */
static int
prompts_share_one_key(void)
{
	uint32_t a[TOKENS], b[TOKENS];
	aibrix_key of_a[BLOCKS], of_b[BLOCKS];
	aibrix_prompt prompt;
	aibrix_hash *hash;
	uint64_t n = 0;
	int err;

	for (uint32_t i = 0; i < TOKENS; i++) {
		a[i] = i;
		b[i] = i < BLOCK ? i : 2 * i;
	}
	if (aibrix_hash_new(NULL, &hash) != AIBRIX_OK)
		return 0;
	memset(&prompt, 0, sizeof(prompt));
	prompt.size = sizeof(prompt);
	prompt.tokens = a;
	prompt.n_tokens = TOKENS;
	err = aibrix_hash_blocks(hash, &prompt, 0, NULL, of_a, BLOCKS, &n);
	prompt.tokens = b;
	if (!err)
		err = aibrix_hash_blocks(hash, &prompt, 0, NULL, of_b, BLOCKS,
					 &n);
	aibrix_hash_free(hash);
	return !err && n == BLOCKS &&
	       memcmp(&of_a[0], &of_b[0], sizeof(of_a[0])) == 0 &&
	       memcmp(&of_a[1], &of_b[1], sizeof(of_a[1])) != 0;
}

static int
add_pod(aibrix_fleet *fleet, uint64_t pod, double running)
{
	aibrix_owner owner;
	uint32_t row;
	int err;

	memset(&owner, 0, sizeof(owner));
	owner.pod = pod;
	err = aibrix_fleet_add(fleet, &owner, &row);
	return err ? err
		   : aibrix_fleet_set(fleet, row, AIBRIX_COL_REQUESTS_RUNNING,
				      running, 1);
}

static int
idle_pod_is_picked(void)
{
	aibrix_route_request request;
	aibrix_route_result result;
	aibrix_route_opts opts;
	aibrix_fleet *fleet = NULL;
	aibrix_route *route = NULL;
	int err;

	memset(&opts, 0, sizeof(opts));
	opts.size = sizeof(opts);
	opts.strategy = "least-request";
	memset(&request, 0, sizeof(request));
	request.size = sizeof(request);
	memset(&result, 0, sizeof(result));
	result.size = sizeof(result);
	err = aibrix_fleet_new(NULL, &fleet);
	if (!err)
		err = aibrix_route_new(&opts, &route);
	if (!err)
		err = add_pod(fleet, 100, 3);
	if (!err)
		err = add_pod(fleet, 200, 0);
	if (!err)
		err = aibrix_route_pick(route, fleet, &request, 1, &result);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return !err && result.owner.pod == 200 &&
	       result.reason == AIBRIX_REASON_LEAST_REQUEST;
}

int
main(void)
{
	int ok = version_is_the_headers() && prompts_share_one_key() &&
		 idle_pod_is_picked();

	printf("libaibrix %s: %s\n", aibrix_version(), ok ? "ok" : "FAILED");
	return !ok;
}
