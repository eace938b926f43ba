/*
 * KV offload in one page: what an engine's connector does.
 *
 *   after a prefill    reserve -> fill -> commit -> hand over
 *   before a prefill   acquire -> wait -> read what came -> compute the rest
 *
 * Two engines share one L2.  The second one goes on with the prompt of the
 * first, to the token.  A third one has no time to wait for L2, and computes.
 * Nothing that becomes of L2 is an error of a request: it is fewer tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <aibrix/aibrix.h>

enum { TOKENS = 75, BLOCK = 16, BLOCKS = 5, TAIL = 11, BYTES = 4096 };
enum { VALUE = BYTES + AIBRIX_CACHE_FRAME_BYTES, SECOND_NS = 1000000000 };

static void
check(int status)
{
	if (status == AIBRIX_OK)
		return;
	fprintf(stderr, "kv_offload: %s\n", aibrix_strerror(status));
	exit(1);
}

/* The library has no clock of its own: every call that waits is told. */
static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* What a token costs to compute is the budget: L2 may not cost more. */
static aibrix_cache *
engine_new(aibrix_store *l2)
{
	aibrix_cache_opts opts = {.size = sizeof(opts),
				  .block_bytes = BYTES,
				  .block_tokens = BLOCK,
				  .l1_bytes = 64 * BYTES,
				  .l2 = l2,
				  .token_ns = 50000};
	aibrix_cache *cache;

	check(aibrix_cache_new(&opts, &cache));
	return cache;
}

/* The first engine has computed the prompt. */
static void
offload(aibrix_cache *cache, const aibrix_key *keys)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	uint64_t lease, room, sent;

	check(aibrix_cache_reserve_tail(cache, keys, NULL, BLOCKS, TAIL,
					now_ns(), &lease, &room));
	for (uint64_t i = 0; i < room; i++) {
		check(aibrix_cache_block(cache, lease, i, &view));
		if (view.data) /* NULL: it is there already */
			memset(view.data, (int)('a' + i), view.bytes);
	}
	check(aibrix_cache_commit(cache, lease, now_ns()));
	/* The request may leave this engine when L2 has it, or in a second. */
	if (aibrix_cache_hand_over(cache, keys, BLOCKS, now_ns() + SECOND_NS,
				   now_ns(), &sent) != AIBRIX_OK)
		printf("L2 has %d blocks only\n", (int)sent);
}

/* Another engine, which can wait so long: what need it not compute? */
static uint64_t
onload(aibrix_cache *cache, const aibrix_key *keys, uint64_t wait_ns)
{
	aibrix_cache_extent extent = {.size = sizeof(extent)};
	aibrix_cache_view view = {.size = sizeof(view)};
	uint64_t lease, n = 0, now = now_ns();
	const char *kv;
	int status = aibrix_cache_acquire_tail(cache, keys, BLOCKS, TAIL,
					       now + wait_ns, now, &lease, &n);

	if (status == AIBRIX_E_AGAIN) /* some of it comes from L2 */
		status = aibrix_cache_wait(cache, lease, 0, now_ns(), &n);
	check(status);
	check(aibrix_cache_extent_of(cache, lease, &extent));
	for (uint64_t i = 0; i < n; i++) {
		check(aibrix_cache_block(cache, lease, i, &view));
		kv = view.data; /* to the GPU with aibrix_layout_load */
		check(kv[0] == (char)('a' + i) ? AIBRIX_OK : AIBRIX_E_CORRUPT);
	}
	check(aibrix_cache_release(cache, lease));
	printf("%d of %d tokens came: %s\n", (int)extent.tokens,
	       (int)extent.asked_tokens, aibrix_strerror(extent.why));
	return extent.tokens;
}

int
main(void)
{
	aibrix_store_opts l2 = {.size = sizeof(l2),
				.capacity_bytes = 1 << 20,
				.value_bytes = VALUE};
	/* Keys name the prefix and everything that makes KV bytes differ. */
	aibrix_hash_opts id = {
		.size = sizeof(id), .model = "llama-3-8b", .dtype = "bf16"};
	uint32_t tokens[TOKENS] = {1, 2, 3};
	aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = TOKENS};
	uint64_t n, all, none;
	aibrix_key keys[BLOCKS];
	aibrix_store *store;
	aibrix_hash *hash;
	aibrix_cache *engines[3];

	check(aibrix_hash_new(&id, &hash));
	check(aibrix_hash_blocks(hash, &prompt, 0, NULL, keys, BLOCKS, &n));
	check(aibrix_hash_partial(hash, &prompt, &keys[n - 1], &keys[n]));
	check(aibrix_store_open(&l2, &store));

	for (int i = 0; i < 3; i++)
		engines[i] = engine_new(store);
	offload(engines[0], keys);
	all = onload(engines[1], keys, SECOND_NS);
	none = onload(engines[2], keys, 0);
	for (int i = 0; i < 3; i++)
		aibrix_cache_free(engines[i]);
	aibrix_store_free(store);
	aibrix_hash_free(hash);
	return all == TOKENS && none == 0 ? 0 : 1;
}
