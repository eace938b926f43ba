/*
 * From AIBrix's environment variables to a cache, and a block through it.
 *
 *   AIBRIX_KV_CACHE_OL_L2_CACHE_BACKEND=SHFS \
 *   AIBRIX_KV_CACHE_OL_SHFS_ROOT=/mnt/kv cache_from_env
 *
 * --compat reads and stores as AIBrix does; --list shows the variables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <aibrix/aibrix.h>

#include "environment.h"

/* The cache of one rank, of an engine with 16 tokens in a block. */
static const aibrix_config_host host = {
	.size = sizeof(host),
	.block_tokens = 16,
	.token_bytes = 256,
	.head_last = 7,
	.layer_last = 31,
};

struct rank {
	aibrix_cache *cache;
	aibrix_store *l2;
	aibrix_hash *hash;
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int
say(int err, const aibrix_config_fault *fault)
{
	if (err && fault->reason)
		fprintf(stderr, "%s: %s\n",
			aibrix_config_name(fault->row, NULL),
			aibrix_config_reason(fault->reason));
	else if (err)
		fprintf(stderr, "cache_from_env: %s\n", aibrix_strerror(err));
	return err;
}

/* The ten lines. */
static int
rank_open(struct rank *rank, aibrix_config *config)
{
	aibrix_hash_opts keys = {.size = sizeof(keys)};
	aibrix_store_opts store = {.size = sizeof(store)};
	aibrix_cache_opts cache = {.size = sizeof(cache)};
	aibrix_config_fault fault = {.reason = 0};
	int err = aibrix_config_hash(config, &host, &keys, &fault);

	err = err ? err : aibrix_hash_new(&keys, &rank->hash);
	err = err ? err : aibrix_config_store(config, &host, &store, &fault);
	if (!err)
		err = aibrix_store_open(&store, &rank->l2);
	else if (err == AIBRIX_E_NOT_FOUND) /* L1 alone */
		err = AIBRIX_OK;
	err = err ? err : aibrix_config_cache(config, &host, &cache, &fault);
	cache.l2 = rank->l2;
	err = err ? err : aibrix_cache_new(&cache, &rank->cache);
	return say(err, &fault);
}

static void
rank_close(struct rank *rank)
{
	aibrix_cache_free(rank->cache);
	aibrix_store_free(rank->l2);
	aibrix_hash_free(rank->hash);
}

static int
settle(aibrix_cache *cache)
{
	uint64_t busy = 1;
	int err = AIBRIX_OK;

	while (!err && busy > 0)
		err = aibrix_cache_poll(cache, now_ns(), 100000000, &busy);
	return err;
}

/* Was the block there?  If not, it is now. */
static int
block_use(struct rank *rank, uint64_t *found)
{
	const uint32_t tokens[16] = {1, 2, 3};
	const aibrix_prompt prompt = {
		.size = sizeof(prompt), .tokens = tokens, .n_tokens = 16};
	aibrix_cache_view view = {.size = sizeof(view)};
	aibrix_key key;
	uint64_t n, lease;
	int err = aibrix_hash_blocks(rank->hash, &prompt, 0, NULL, &key, 1, &n);

	if (err || n != 1) /* a block of more tokens than these */
		return err ? err : AIBRIX_E_INVAL;
	err = aibrix_cache_acquire(rank->cache, &key, 1, 0, now_ns(), &lease,
				   found);
	if (err == AIBRIX_E_AGAIN) {
		err = settle(rank->cache);
		err = err ? err : aibrix_cache_state(rank->cache, lease, found);
	}
	err = err ? err : aibrix_cache_release(rank->cache, lease);
	if (err || *found)
		return err;
	err = aibrix_cache_reserve(rank->cache, &key, NULL, 1, now_ns(), &lease,
				   &n);
	err = err ? err : aibrix_cache_block(rank->cache, lease, 0, &view);
	if (!err)
		memset(view.data, 'k', view.bytes);
	err = err ? err : aibrix_cache_commit(rank->cache, lease, now_ns());
	return err ? err : settle(rank->cache);
}

static void
names_list(void)
{
	const char *name, *text;

	for (uint32_t i = 0; (name = aibrix_config_name(i, &text)); i++)
		printf("%s=%s\n", name, text);
}

int
main(int argc, char **argv)
{
	const int compat = argc > 1 && strcmp(argv[1], "--compat") == 0;
	aibrix_config_plan plan = {.size = sizeof(plan)};
	struct rank rank = {.cache = NULL};
	aibrix_config *config;
	uint64_t found = 0;
	int err;

	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		names_list();
		return 0;
	}
	config = environment_config(compat ? AIBRIX_CONFIG_COMPAT : 0);
	if (!config)
		return 1;
	err = aibrix_config_solve(config, &host, &plan);
	if (!err)
		err = rank_open(&rank, config);
	if (!err && (err = block_use(&rank, &found)) != AIBRIX_OK)
		fprintf(stderr, "cache_from_env: %s\n", aibrix_strerror(err));
	if (!err)
		printf("blocks of %u tokens in chunks of %llu, L1 of %llu "
		       "MiB, L2 %s: the block was %s\n",
		       plan.block_tokens, (unsigned long long)plan.chunk_tokens,
		       (unsigned long long)(plan.l1_bytes >> 20),
		       rank.l2 ? "on" : "off", found ? "there" : "not there");
	rank_close(&rank);
	aibrix_config_free(config);
	return err != AIBRIX_OK;
}
