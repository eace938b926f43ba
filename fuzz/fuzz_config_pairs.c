/*
 * Input: a byte of flags, then lines "NAME=value".  Properties: what is
 * refused is refused with a place and a reason, and leaves nothing; what is
 * taken has words that exist and texts that end, solves, and fills options;
 * what we take AIBrix's way of reading takes too, as the same numbers.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/aibrix.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PAIRS = 64, FAULTS = 8 };

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* Text cut into lines, each a heap block of its own size. */
static uint32_t
pairs_cut(const uint8_t *data, size_t len, char **lines,
	  aibrix_config_pair *pairs)
{
	uint32_t n = 0;

	while (len > 0 && n < PAIRS) {
		const uint8_t *end = memchr(data, '\n', len);
		const size_t bytes = end ? (size_t)(end - data) : len;
		char *line = malloc(bytes + 1);

		if (!line)
			break;
		memcpy(line, data, bytes);
		line[bytes] = '\0';
		lines[n] = line;
		pairs[n++] = (aibrix_config_pair){line, NULL};
		data += bytes + (end != NULL);
		len -= bytes + (end != NULL);
	}
	return n;
}

static void
text_check(const char *text)
{
	require(text && strlen(text) <= 2 * AIBRIX_CONFIG_TEXT_MAX, "a text");
}

static void
use_check(aibrix_config *c)
{
	const aibrix_config_host host = {.size = sizeof(host),
					 .block_tokens = 16,
					 .token_bytes = 4096,
					 .max_model_tokens = 4096,
					 .head_last = 7,
					 .layer_last = 31};
	aibrix_config_plan plan = {.size = sizeof(plan)};
	aibrix_store_opts store = {.size = sizeof(store)};
	aibrix_cache_opts cache = {.size = sizeof(cache)};
	aibrix_hash_opts hash = {.size = sizeof(hash)};
	aibrix_config_fault fault = {0, 0, 0, 0};
	int err = aibrix_config_solve(c, &host, &plan);

	if (!err) {
		require(plan.chunk_tokens >= 4 * (uint64_t)plan.block_tokens &&
				plan.chunk_tokens % plan.block_tokens == 0,
			"a chunk");
		require(plan.pool_bytes % (1 << 30) == 0, "a pool");
	}
	err = aibrix_config_store(c, &host, &store, &fault);
	require(err != AIBRIX_E_UNSUPPORTED || fault.status == err,
		"a fault of a store");
	require(err || store.value_bytes == plan.value_bytes, "a store");
	err = aibrix_config_cache(c, &host, &cache, &fault);
	require(err != AIBRIX_E_UNSUPPORTED || fault.status == err,
		"a fault of a cache");
	require(err || cache.block_bytes == plan.block_bytes, "a cache");
	err = aibrix_config_hash(c, &host, &hash, NULL);
	require(err || hash.block_tokens == plan.block_tokens, "a hash");
}

static void
config_check(aibrix_config *c)
{
	require(c->l2_backend <= AIBRIX_CONFIG_L2_RESP, "a backend");
	require(c->l1_policy <= AIBRIX_EVICT_DENSITY, "a policy");
	require(c->l2_ingestion <= AIBRIX_CONFIG_EVICTED, "an ingestion");
	require(c->vllm_sync <= AIBRIX_CONFIG_SYNC_NONE, "a granularity");
	require(c->s3fifo_small_ratio > 0 && c->s3fifo_small_ratio < 1,
		"a ratio");
	text_check(c->l2_namespace);
	text_check(c->infinistore_devices);
	text_check(c->shfs_root);
	text_check(c->rocksdb_root);
	text_check(c->priskv_password);
	text_check(c->home);
	use_check(c);
}

static aibrix_config *
config_try(const aibrix_config_pair *pairs, uint32_t n, uint32_t flags)
{
	aibrix_config_opts opts = {.size = sizeof(opts),
				   .flags = flags,
				   .pairs = pairs,
				   .n_pairs = n};
	aibrix_config_fault faults[FAULTS];
	aibrix_config *config = NULL;
	uint32_t n_faults = 0;
	int err = aibrix_config_new(&opts, faults, FAULTS, &n_faults, &config);

	require(!err == (config != NULL), "a config or an error");
	require(!err || n_faults > 0, "an error without a fault");
	require(err || !n_faults || (flags & AIBRIX_CONFIG_KEEP_GOING),
		"a fault that was passed over");
	for (uint32_t i = 0; i < n_faults && i < FAULTS; i++) {
		require(faults[i].pair < n, "whose fault");
		require(faults[i].status < 0 && faults[i].reason > 0,
			"why a fault");
		require(faults[i].row == AIBRIX_CONFIG_NO_ROW ||
				aibrix_config_name(faults[i].row, NULL),
			"which fault");
	}
	if (config)
		config_check(config);
	return config;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	aibrix_config_pair pairs[PAIRS];
	char *lines[PAIRS];
	aibrix_config *ours, *theirs;
	uint32_t n;

	if (len == 0)
		return 0;
	n = pairs_cut(data + 1, len - 1, lines, pairs);
	aibrix_config_free(config_try(pairs, n, data[0] & 3));
	ours = config_try(pairs, n, 0);
	theirs = config_try(pairs, n, AIBRIX_CONFIG_COMPAT);
	require(!ours || theirs, "stricter than AIBrix, not other");
	if (ours) {
		require(ours->chunk_tokens == theirs->chunk_tokens &&
				ours->l1_bytes == theirs->l1_bytes &&
				ours->l1_enabled == theirs->l1_enabled &&
				ours->double_get_ratio ==
					theirs->double_get_ratio &&
				strcmp(ours->l2_namespace,
				       theirs->l2_namespace) == 0,
			"the same values");
	}
	aibrix_config_free(ours);
	aibrix_config_free(theirs);
	for (uint32_t i = 0; i < n; i++)
		free(lines[i]);
	return 0;
}
