/*
 * KV offload in one page: what an engine's connector does.
 *
 *   after a prefill   reserve -> fill -> commit
 *   before the next   acquire -> (poll) -> read -> release
 *
 * Two engines share one L2.  What the first one computes, the second one
 * reads; bytes are checked on the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <aibrix/aibrix.h>

enum { TOKENS = 64, BLOCKS = 4, BLOCK_BYTES = 4096 };

static void
check(int status)
{
	if (status != AIBRIX_OK) {
		fprintf(stderr, "kv_offload: %s\n", aibrix_strerror(status));
		exit(1);
	}
}

/* The library has no clock of its own: every call that waits is told. */
static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Let transfers to and from L2 end. */
static void
settle(aibrix_cache *cache)
{
	uint64_t busy = 1;

	while (busy > 0)
		check(aibrix_cache_poll(cache, now_ns(), 100000000, &busy));
}

/* Engine 1 has computed the prompt's KV. */
static void
offload(aibrix_cache *cache, const aibrix_key *keys, uint64_t n)
{
	uint64_t lease, room;

	check(aibrix_cache_reserve(cache, keys, NULL, n, now_ns(), &lease,
				   &room));
	for (uint64_t i = 0; i < room; i++) {
		aibrix_cache_view view = {.size = sizeof(view)};

		check(aibrix_cache_block(cache, lease, i, &view));
		if (view.data) /* NULL: somebody has it already */
			memset(view.data, (int)('a' + i), view.bytes);
	}
	/* Visible from here on; L2 gets its copy in the background. */
	check(aibrix_cache_commit(cache, lease, now_ns()));
	settle(cache);
}

/* Engine 2 has a prompt with the same beginning: how much is there? */
static uint64_t
onload(aibrix_cache *cache, const aibrix_key *keys, uint64_t n)
{
	uint64_t lease, held = 0, good = 0;
	int status = aibrix_cache_acquire(cache, keys, n, 0, now_ns(), &lease,
					  &held);

	if (status == AIBRIX_E_AGAIN) { /* some of it comes from L2 */
		settle(cache);
		status = aibrix_cache_state(cache, lease, &held);
	}
	check(status);
	for (uint64_t i = 0; i < held; i++) {
		aibrix_cache_view view = {.size = sizeof(view)};
		const char *bytes;

		check(aibrix_cache_block(cache, lease, i, &view));
		bytes = view.data; /* an engine copies them to its GPU */
		good += bytes[0] == (char)('a' + i) &&
			bytes[BLOCK_BYTES - 1] == (char)('a' + i);
	}
	check(aibrix_cache_release(cache, lease));
	return good;
}

int
main(void)
{
	aibrix_store_opts l2 = {.size = sizeof(l2),
				.capacity_bytes = 1 << 20,
				.value_bytes =
					BLOCK_BYTES + AIBRIX_CACHE_FRAME_BYTES};
	aibrix_cache_opts opts = {.size = sizeof(opts),
				  .block_bytes = BLOCK_BYTES,
				  .l1_bytes = 64 * BLOCK_BYTES};
	/* Keys name the prefix and everything that makes KV bytes differ. */
	aibrix_hash_opts identity = {.size = sizeof(identity),
				     .model = "llama-3-8b",
				     .dtype = "bf16"};
	uint32_t tokens[TOKENS] = {1, 2, 3};
	aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = TOKENS};
	aibrix_key keys[BLOCKS];
	aibrix_cache *first, *second;
	aibrix_hash *hash;
	uint64_t found, n;

	check(aibrix_hash_new(&identity, &hash));
	check(aibrix_hash_blocks(hash, &prompt, 0, NULL, keys, BLOCKS, &n));
	check(aibrix_store_open(&l2, &opts.l2));
	check(aibrix_cache_new(&opts, &first));
	check(aibrix_cache_new(&opts, &second));

	offload(first, keys, n);
	found = onload(second, keys, n);
	printf("%d of %d blocks came back as they were\n", (int)found, (int)n);

	aibrix_cache_free(first);
	aibrix_cache_free(second);
	aibrix_store_free(opts.l2);
	aibrix_hash_free(hash);
	return found == BLOCKS ? 0 : 1;
}
