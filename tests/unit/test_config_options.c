#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_tools.h"

#include <aibrix/rocksdb.h>

#include "temp_path.h"

enum { STRICT = 0, COMPAT = AIBRIX_CONFIG_COMPAT };

static const aibrix_config_host rank0 = {.size = sizeof(rank0),
					 .block_tokens = 16,
					 .token_bytes = 256,
					 .head_last = 7,
					 .layer_last = 31};

struct use {
	aibrix_config *config;
	aibrix_store_opts store;
	aibrix_cache_opts cache;
	aibrix_config_fault fault;
};

static struct use
use_with(uint32_t flags, const aibrix_config_pair *pairs, uint32_t n)
{
	return (struct use){.config = config_good(flags, pairs, n),
			    .store = {.size = sizeof(aibrix_store_opts)},
			    .cache = {.size = sizeof(aibrix_cache_opts)}};
}

#define USE(flags, ...)                                                        \
	use_with(flags, (const aibrix_config_pair[]){__VA_ARGS__},             \
		 sizeof((const aibrix_config_pair[]){__VA_ARGS__}) /           \
			 sizeof(aibrix_config_pair))

static int
store_of(struct use *u, const aibrix_config_host *host)
{
	return aibrix_config_store(u->config, host, &u->store, &u->fault);
}

Test(config_options, a_shared_directory_is_aibrix_own_with_compat)
{
	struct use u = USE(COMPAT, {OL "L2_CACHE_BACKEND", "SHFS"},
			   {OL "SHFS_ROOT", "/mnt/kv"},
			   {OL "L2_CACHE_NAMESPACE", "Llama"});
	const aibrix_shfs_opts *shfs;

	cr_assert_eq(store_of(&u, &rank0), AIBRIX_OK);
	cr_expect_eq(u.store.backend, AIBRIX_BACKEND_SHFS);
	cr_expect_str_eq(u.store.path, "/mnt/kv");
	cr_expect_eq(u.store.value_bytes, 4096);
	shfs = u.store.backend_opts;
	cr_expect_str_eq(shfs->conn_id, "llama_h0_7_l0_31_lcnd16roc");
	cr_expect_eq(shfs->flags, AIBRIX_SHFS_KEEP);
	aibrix_config_free(u.config);

	u = USE(STRICT, {OL "L2_CACHE_BACKEND", "SHFS"}, {"HOME", "/root"},
		{OL "L2_CACHE_CAPACITY_GB", "3"});
	cr_assert_eq(store_of(&u, &rank0), AIBRIX_OK);
	cr_expect_str_eq(u.store.path, "/root/.kv_cache_ol/shfs");
	cr_expect_eq(u.store.value_bytes, 4096 + 128);
	cr_expect_eq(u.store.capacity_bytes, 3ull << 30);
	shfs = u.store.backend_opts;
	cr_expect_str_eq(shfs->conn_id, "aibrix_h0_7_l0_31");
	cr_expect_eq(shfs->flags, 0);
	aibrix_config_free(u.config);
}

static int
never_open(const aibrix_backend_conf *conf, void **backend)
{
	(void)conf;
	(void)backend;
	return AIBRIX_E_IO;
}

Test(config_options, rocksdb_needs_the_table_of_its_library)
{
	static const aibrix_backend table = {.size = sizeof(table),
					     .open = never_open};
	aibrix_config_host host = rank0;
	struct use u =
		USE(COMPAT, {OL "L2_CACHE_BACKEND", "ROCKSDB"},
		    {OL "ROCKSDB_ROOT", "/db"}, {OL "ROCKSDB_TTL_S", "60"},
		    {OL "ROCKSDB_WRITE_BUFFER_SIZE", "1048576"});
	const aibrix_rocksdb_opts *db;

	cr_expect_eq(store_of(&u, &host), AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(u.fault.reason, AIBRIX_CONFIG_NO_TABLE);
	host.rocksdb = &table;
	cr_assert_eq(store_of(&u, &host), AIBRIX_OK);
	cr_expect_eq(u.store.backend, AIBRIX_BACKEND_USER);
	cr_expect_eq(u.store.user, &table);
	cr_expect_str_eq(u.store.path, "/db");
	db = u.store.backend_opts;
	cr_expect_eq(db->flags, AIBRIX_ROCKSDB_COMPAT);
	cr_expect_str_eq(db->conn_id, "aibrix_h0_7_l0_31_lcnd16roc");
	cr_expect_eq(db->ttl_s, 60);
	cr_expect_eq(db->jobs, 8);
	cr_expect_eq(db->buffer_bytes, 1048576);
	aibrix_config_free(u.config);

	u = USE(STRICT, {OL "L2_CACHE_BACKEND", "ROCKSDB"},
		{OL "ROCKSDB_ROOT", "/db"});
	cr_assert_eq(store_of(&u, &host), AIBRIX_OK);
	db = u.store.backend_opts;
	cr_expect_eq(db->flags, 0);
	cr_expect_eq(db->ttl_s, 0);
	cr_expect_eq(db->jobs, 0);
	aibrix_config_free(u.config);
}

Test(config_options, redis_is_a_url_or_what_the_metadata_lists)
{
	struct use u = USE(STRICT, {OL "L2_CACHE_BACKEND", "RESP"},
			   {OL "RESP_URL", "redis://:pw@h:1/2"},
			   {OL "L2_CACHE_NUM_ASYNC_WORKERS", "100"});
	const aibrix_resp_opts *resp;

	cr_assert_eq(store_of(&u, &rank0), AIBRIX_OK);
	cr_expect_eq(u.store.backend, AIBRIX_BACKEND_RESP);
	cr_expect_str_eq(u.store.path, "redis://:pw@h:1/2");
	resp = u.store.backend_opts;
	cr_expect_str_eq(resp->prefix, "aibrix_h0_7_l0_31:");
	cr_expect_null(resp->suffix);
	cr_expect_eq(resp->connections, 64);
	cr_expect_null(resp->meta_key);
	aibrix_config_free(u.config);

	u = USE(COMPAT, {OL "L2_CACHE_BACKEND", "RESP"},
		{OL "META_SERVICE_BACKEND", "REDIS"},
		{OL "META_SERVICE_URL", "redis://meta"},
		{OL "META_SERVICE_CLUSTER_META_KEY", "kvcache_nodes"},
		{OL "L2_CACHE_KEY_BUILDER", "SIMPLE_HASH"});
	cr_assert_eq(store_of(&u, &rank0), AIBRIX_OK);
	cr_expect_str_eq(u.store.path, "redis://meta");
	resp = u.store.backend_opts;
	cr_expect_eq(resp->key_text, AIBRIX_RESP_HEX);
	cr_expect_str_eq(resp->suffix, "aibrix_h0_7_l0_31_lcnd16simc");
	cr_expect_str_eq(resp->meta_key, "kvcache_nodes");
	cr_expect_eq(resp->meta_ns, 30000000000);
	cr_expect_eq(resp->connections, 8);
	aibrix_config_free(u.config);
}

Test(config_options, what_cannot_be_had_is_said_where_it_is_used)
{
	static const struct {
		aibrix_config_pair pairs[3];
		uint32_t flags;
		int status;
		uint32_t reason;
		const char *row;
	} cases[] = {
		{{{OL "L2_CACHE_BACKEND", "INFINISTORE"}},
		 COMPAT,
		 -9,
		 AIBRIX_CONFIG_NO_BACKEND,
		 OL "L2_CACHE_BACKEND"},
		{{{OL "L2_CACHE_BACKEND", "HPKV"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_BACKEND,
		 OL "L2_CACHE_BACKEND"},
		{{{OL "L2_CACHE_BACKEND", "PRISKV"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_BACKEND,
		 OL "L2_CACHE_BACKEND"},
		{{{OL "L2_CACHE_BACKEND", "EIC"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_BACKEND,
		 OL "L2_CACHE_BACKEND"},
		{{{OL "L2_CACHE_BACKEND", "VINEYARD"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_BACKEND,
		 OL "L2_CACHE_BACKEND"},
		{{{OL "L2_CACHE_BACKEND", "RESP"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_NO_URL,
		 OL "RESP_URL"},
		{{{OL "L2_CACHE_BACKEND", "RESP"},
		  {OL "META_SERVICE_BACKEND", "REDIS"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_NO_URL,
		 OL "META_SERVICE_URL"},
		{{{OL "L2_CACHE_BACKEND", "RESP"},
		  {OL "META_SERVICE_BACKEND", "REDIS"},
		  {OL "META_SERVICE_URL", "redis://h"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_NO_PATH,
		 OL "META_SERVICE_CLUSTER_META_KEY"},
		{{{OL "L2_CACHE_BACKEND", "RESP"},
		  {OL "META_SERVICE_BACKEND", "REDIS"},
		  {OL "RESP_URL", "redis://h"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_TWICE,
		 OL "RESP_URL"},
		{{{OL "L2_CACHE_BACKEND", "RESP"},
		  {OL "RESP_URL", "redis://h"},
		  {OL "L2_CACHE_NUM_ASYNC_WORKERS", "0"}},
		 COMPAT,
		 -1,
		 AIBRIX_CONFIG_RANGE,
		 OL "L2_CACHE_NUM_ASYNC_WORKERS"},
		{{{OL "L2_CACHE_BACKEND", "SHFS"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_NO_HOME,
		 OL "SHFS_ROOT"},
		{{{OL "L2_CACHE_BACKEND", "SHFS"}, {OL "SHFS_ROOT", ""}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_NO_PATH,
		 OL "SHFS_ROOT"},
		{{{OL "L2_CACHE_BACKEND", "FILE"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_NO_PATH,
		 OL "FILE_PATH"},
		{{{OL "L2_CACHE_BACKEND", "SHFS"},
		  {OL "SHFS_ROOT", "/x"},
		  {OL "META_SERVICE_BACKEND", "REDIS"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "META_SERVICE_BACKEND"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"},
		  {OL "L2_CACHE_COMPRESSION", "zstd"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "L2_CACHE_COMPRESSION"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"},
		  {OL "L2_CACHE_NAMESPACE", "a b"}},
		 COMPAT,
		 -8,
		 AIBRIX_CONFIG_BAD_TEXT,
		 OL "L2_CACHE_NAMESPACE"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"}, {OL "MOCK_USE_RDMA", "1"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "MOCK_USE_RDMA"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"},
		  {OL "MOCK_USE_MPUT_MGET", "1"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "MOCK_USE_MPUT_MGET"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"},
		  {OL "MOCK_USE_GDR_PUT", "1"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "MOCK_USE_GDR_PUT"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"},
		  {OL "MOCK_USE_GDR_GET", "1"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "MOCK_USE_GDR_GET"},
		{{{OL "L2_CACHE_BACKEND", "MOCK"}, {OL "MOCK_USE_NOOP", "1"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "MOCK_USE_NOOP"},
		{{{OL "L2_CACHE_BACKEND", "ROCKSDB"},
		  {OL "ROCKSDB_MAX_TOTAL_WAL_SIZE", "1"}},
		 COMPAT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "ROCKSDB_MAX_TOTAL_WAL_SIZE"},
		{{{OL "L2_CACHE_BACKEND", "ROCKSDB"},
		  {OL "ROCKSDB_MAX_WRITE_BUFFER_NUMBER", "4"}},
		 COMPAT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "ROCKSDB_MAX_WRITE_BUFFER_NUMBER"},
		{{{OL "L2_CACHE_BACKEND", "ROCKSDB"},
		  {OL "ROCKSDB_TARGET_FILE_SIZE_BASE", "1"}},
		 COMPAT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "ROCKSDB_TARGET_FILE_SIZE_BASE"},
		{{{OL "L2_CACHE_BACKEND", "ROCKSDB"},
		  {OL "ROCKSDB_TTL_S", "60"}},
		 STRICT,
		 -9,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "ROCKSDB_TTL_S"},
		{{{OL "L2_CACHE_BACKEND", "ROCKSDB"},
		  {OL "ROCKSDB_MAX_BACKGROUND_JOBS", "65"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_RANGE,
		 OL "ROCKSDB_MAX_BACKGROUND_JOBS"},
		{{{OL "L2_CACHE_BACKEND", "ROCKSDB"},
		  {OL "ROCKSDB_WRITE_BUFFER_SIZE", "1"}},
		 STRICT,
		 -1,
		 AIBRIX_CONFIG_RANGE,
		 OL "ROCKSDB_WRITE_BUFFER_SIZE"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t n = 0;
		struct use u;

		while (n < 3 && cases[i].pairs[n].name)
			n++;
		u = use_with(cases[i].flags, cases[i].pairs, n);
		u.store.path = "untouched";
		cr_expect_eq(store_of(&u, &rank0), cases[i].status, "%zu", i);
		cr_expect_eq(u.fault.status, cases[i].status, "%zu", i);
		cr_expect_eq(u.fault.reason, cases[i].reason, "%zu", i);
		cr_expect_str_eq(aibrix_config_name(u.fault.row, NULL),
				 cases[i].row, "%zu", i);
		cr_expect_str_eq(u.store.path, "untouched");
		aibrix_config_free(u.config);
	}
}

Test(config_options, a_cache_gets_what_was_asked_for)
{
	struct use u = USE(COMPAT, {OL "L1_CACHE_CAPACITY_GB", "0.5"},
			   {OL "L1_CACHE_EVICTION_POLICY", "LRU"},
			   {OL "L2_CACHE_BACKEND", "SHFS"});

	cr_assert_eq(aibrix_config_cache(u.config, &rank0, &u.cache, &u.fault),
		     AIBRIX_OK);
	cr_expect_eq(u.cache.evict, AIBRIX_EVICT_LRU);
	cr_expect_eq(u.cache.block_bytes, 4096);
	cr_expect_eq(u.cache.block_tokens, 16);
	cr_expect_eq(u.cache.l1_bytes, 1 << 29);
	cr_expect(u.cache.flags & AIBRIX_CACHE_L2_RAW);
	cr_expect_null(u.cache.layout);
	cr_expect_eq(u.cache.l2_inflight, 32);
	aibrix_config_free(u.config);

	u = USE(STRICT, {OL "L1_CACHE_ENABLED", "0"},
		{OL "L2_CACHE_BACKEND", "SHFS"});
	cr_assert_eq(aibrix_config_cache(u.config, &rank0, &u.cache, &u.fault),
		     AIBRIX_OK);
	cr_expect_eq(u.cache.evict, AIBRIX_EVICT_S3FIFO);
	/* What AIBrix stages is L1's memory then. */
	cr_expect_eq(u.cache.l1_bytes, 3 * 32 * (4096 + 128));
	cr_expect(!(u.cache.flags & AIBRIX_CACHE_L2_RAW));
	cr_expect_str_eq(u.cache.layout, "aibrix_h0_7_l0_31_lcnd16roc");
	cr_expect_eq(u.cache.l2_inflight, 0);
	aibrix_config_free(u.config);
}

Test(config_options, a_cache_says_what_it_cannot_do)
{
	static const struct {
		aibrix_config_pair pairs[2];
		uint32_t flags;
		uint32_t reason;
		const char *row;
	} cases[] = {
		{{{OL "DEVICE", "cuda"}},
		 STRICT,
		 AIBRIX_CONFIG_NO_OPTION,
		 OL "DEVICE"},
		{{{OL "L1_CACHE_ENABLED", "0"}},
		 STRICT,
		 AIBRIX_CONFIG_NO_TIER,
		 OL "L1_CACHE_ENABLED"},
		{{{OL "TOKEN_VALIDATION_ENABLED", "1"}}, COMPAT, 0, NULL},
		{{{OL "TOKEN_VALIDATION_ENABLED", "1"}}, STRICT, 0, NULL},
		{{{OL "L2_CACHE_OP_BATCH", "-1"}},
		 COMPAT,
		 AIBRIX_CONFIG_RANGE,
		 OL "L2_CACHE_OP_BATCH"},
	};
	const aibrix_config_host host = {.size = sizeof(host),
					 .block_tokens = 16,
					 .token_bytes = 256,
					 .max_model_tokens = 64};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct use u = use_with(cases[i].flags, cases[i].pairs, 1);
		int err = aibrix_config_cache(u.config, &host, &u.cache,
					      &u.fault);

		cr_expect_eq(u.fault.reason, cases[i].reason, "%zu", i);
		cr_expect_eq(err, u.fault.status, "%zu", i);
		if (cases[i].row)
			cr_expect_str_eq(aibrix_config_name(u.fault.row, NULL),
					 cases[i].row);
		aibrix_config_free(u.config);
	}
}

Test(config_options, keys_are_aibrix_own_where_asked_for)
{
	static const struct {
		uint32_t flags;
		const char *builder;
		uint32_t algorithm;
	} cases[] = {
		{STRICT, "DEFAULT", AIBRIX_KEY_SHA256},
		{COMPAT, "DEFAULT", AIBRIX_KEY_CITY128},
		{STRICT, "ROLLING_HASH", AIBRIX_KEY_CITY128},
		{STRICT, "SIMPLE_HASH", AIBRIX_KEY_CITY128_SIMPLE},
	};
	aibrix_hash_opts hash = {.size = sizeof(hash)};
	struct use u;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		u = USE(cases[i].flags,
			{OL "L2_CACHE_KEY_BUILDER", cases[i].builder},
			{OL "BLOCK_SIZE", "64"});
		cr_assert_eq(aibrix_config_hash(u.config, &rank0, &hash, NULL),
			     AIBRIX_OK);
		cr_expect_eq(hash.algorithm, cases[i].algorithm);
		cr_expect_eq(hash.block_tokens, 64);
		aibrix_config_free(u.config);
	}
	u = USE(COMPAT, {OL "L2_CACHE_KEY_BUILDER", "RAW"});
	cr_expect_eq(aibrix_config_hash(u.config, &rank0, &hash, &u.fault),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(u.fault.reason, AIBRIX_CONFIG_NO_OPTION);
	aibrix_config_free(u.config);
}

Test(config_options, no_l2_is_told_from_a_fault)
{
	struct use u = use_with(STRICT, NULL, 0);

	u.fault.reason = 77;
	cr_expect_eq(store_of(&u, &rank0), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(u.fault.reason, 77);
	cr_expect_eq(aibrix_config_store(u.config, &rank0, NULL, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_config_cache(u.config, NULL, &u.cache, NULL),
		     AIBRIX_E_INVAL);
	aibrix_config_free(u.config);
}

/* A program that was compiled before a field was there. */
Test(config_options, a_field_that_does_not_fit_is_not_dropped)
{
	struct use u = USE(STRICT, {OL "L2_CACHE_BACKEND", "SHFS"},
			   {OL "SHFS_ROOT", "/x"});

	u.store.size = offsetof(aibrix_store_opts, backend_opts);
	cr_expect_eq(store_of(&u, &rank0), AIBRIX_E_ABI);
	aibrix_config_free(u.config);
	u = USE(STRICT, {OL "L2_CACHE_BACKEND", "MOCK"});
	u.store.size = offsetof(aibrix_store_opts, backend_opts);
	cr_expect_eq(store_of(&u, &rank0), AIBRIX_OK);
	aibrix_config_free(u.config);
}

/* Names and values, and at the end a block that comes back. */
Test(config_options, from_names_and_values_to_a_cache_that_works)
{
	const struct temp_path dir = temp_folder_new();
	struct use u;
	aibrix_key key = {{1}};
	aibrix_cache *cache;
	aibrix_store *store;
	uint64_t lease, n, busy = 1;
	aibrix_cache_view view = {.size = sizeof(view)};

	u = USE(COMPAT, {OL "L2_CACHE_BACKEND", "SHFS"},
		{OL "SHFS_ROOT", dir.text},
		{OL "L1_CACHE_CAPACITY_GB", "0.01"});
	cr_assert_eq(store_of(&u, &rank0), AIBRIX_OK);
	cr_assert_eq(aibrix_store_open(&u.store, &store), AIBRIX_OK);
	cr_assert_eq(aibrix_config_cache(u.config, &rank0, &u.cache, NULL),
		     AIBRIX_OK);
	u.cache.l2 = store;
	cr_assert_eq(aibrix_cache_new(&u.cache, &cache), AIBRIX_OK);
	aibrix_config_free(u.config);
	cr_assert_eq(aibrix_cache_reserve(cache, &key, NULL, 1, 1, &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_cache_block(cache, lease, 0, &view), AIBRIX_OK);
	memset(view.data, 'k', view.bytes);
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	while (busy)
		cr_assert_eq(aibrix_cache_poll(cache, 1, 0, &busy), AIBRIX_OK);
	cr_expect_eq(aibrix_cache_lookup(cache, &key, 1), 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	temp_path_remove(dir.text);
}

/* A prompt of two blocks. */
enum { VALID_TOKENS = 32, VALID_BLOCKS = 2 };

static aibrix_cache *
valid_cache(struct use *u, aibrix_store **store)
{
	const aibrix_config_host host = {.size = sizeof(host),
					 .block_tokens = 16,
					 .token_bytes = 256,
					 .max_model_tokens = 64};
	aibrix_cache *cache;

	cr_assert_eq(store_of(u, &host), AIBRIX_OK);
	cr_assert_eq(aibrix_store_open(&u->store, store), AIBRIX_OK);
	cr_assert_eq(aibrix_config_cache(u->config, &host, &u->cache, NULL),
		     AIBRIX_OK);
	cr_expect_eq(u->cache.flags, AIBRIX_CACHE_L2_RAW);
	cr_expect_eq(u->cache.trailer_tokens, 64);
	u->cache.l2 = *store;
	cr_assert_eq(aibrix_cache_new(&u->cache, &cache), AIBRIX_OK);
	return cache;
}

static uint64_t
valid_read(aibrix_cache *cache, const aibrix_key *keys, const uint32_t *tokens)
{
	uint64_t lease, n = 0;
	int err = aibrix_cache_acquire_tokens(cache, keys, VALID_BLOCKS, tokens,
					      VALID_TOKENS, 0, 1, &lease, &n);

	cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
	if (err)
		cr_assert_eq(aibrix_cache_wait(cache, lease, 0, 1, &n),
			     AIBRIX_OK);
	cr_assert_eq(aibrix_cache_release(cache, lease), AIBRIX_OK);
	return n;
}

Test(config_options, tokens_are_validated_as_aibrix_does_with_compat)
{
	const struct temp_path dir = temp_folder_new();
	const aibrix_key keys[VALID_BLOCKS] = {{{1}}, {{2}}};
	uint32_t tokens[VALID_TOKENS] = {7};
	aibrix_cache_view view = {.size = sizeof(view)};
	struct use u = USE(COMPAT, {OL "L2_CACHE_BACKEND", "SHFS"},
			   {OL "SHFS_ROOT", dir.text},
			   {OL "TOKEN_VALIDATION_ENABLED", "1"},
			   {OL "DOUBLE_GET_THRESHOLD", "0"},
			   {OL "L1_CACHE_CAPACITY_GB", "0.01"});
	aibrix_store *store;
	aibrix_cache *cache = valid_cache(&u, &store);
	uint64_t lease, n, left;

	cr_assert_eq(aibrix_cache_reserve_tokens(cache, keys, NULL,
						 VALID_BLOCKS, tokens,
						 VALID_TOKENS, 1, &lease, &n),
		     AIBRIX_OK);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_cache_block(cache, lease, i, &view),
			     AIBRIX_OK);
		memset(view.data, 'k', view.bytes);
	}
	cr_assert_eq(aibrix_cache_commit(cache, lease, 1), AIBRIX_OK);
	cr_assert_eq(aibrix_cache_flush(cache, AIBRIX_FOREVER, 1, &left),
		     AIBRIX_OK);
	aibrix_cache_free(cache);
	aibrix_store_free(store);

	cache = valid_cache(&u, &store);
	tokens[VALID_TOKENS - 1] = 8; /* of the second block */
	cr_expect_eq(valid_read(cache, keys, tokens), 1);
	aibrix_cache_free(cache);
	aibrix_store_free(store);

	cache = valid_cache(&u, &store);
	tokens[VALID_TOKENS - 1] = 0;
	cr_expect_eq(valid_read(cache, keys, tokens), VALID_BLOCKS);
	aibrix_cache_free(cache);
	aibrix_store_free(store);
	aibrix_config_free(u.config);
	temp_path_remove(dir.text);
}

Test(config_options, l2_is_given_what_was_asked_for)
{
	static const struct {
		const char *kind, *l1, *tokens;
		uint32_t ingest;
		uint64_t write_bytes;
	} cases[] = {
		{"HOT", "1", "0", AIBRIX_CACHE_INGEST_HOT, 0},
		{"ALL", "1", "0", AIBRIX_CACHE_INGEST_ALL, 0},
		{"EVICTED", "1", "2048", AIBRIX_CACHE_INGEST_EVICTED,
		 128 * 4096},
		{"HOT", "0", "16", AIBRIX_CACHE_INGEST_ALL, 64 * 4096},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct use u =
			USE(STRICT, {OL "L2_CACHE_BACKEND", "MOCK"},
			    {OL "L2_CACHE_INGESTION_TYPE", cases[i].kind},
			    {OL "L1_CACHE_ENABLED", cases[i].l1},
			    {OL "L2_CACHE_INGESTION_MAX_INFLIGHT_TOKENS",
			     cases[i].tokens});

		cr_assert_eq(
			aibrix_config_cache(u.config, &rank0, &u.cache, NULL),
			AIBRIX_OK);
		cr_expect_eq(u.cache.ingest, cases[i].ingest, "%zu", i);
		cr_expect_eq(u.cache.write_bytes, cases[i].write_bytes, "%zu",
			     i);
		aibrix_config_free(u.config);
	}
}

Test(config_options, l2_is_asked_when_and_as_long_as_was_said)
{
	static const struct {
		uint32_t flags;
		const char *l1, *rule, *timeout, *longest;
		uint32_t lack_blocks;
		double lack_ratio;
		uint64_t wait_ns, max_tokens;
	} cases[] = {
		{COMPAT, "1", "4,0.1", "20", "-1", 4, 0.1, 20000000, 0},
		{STRICT, "1", "8", "5", "1000", 8, 0, 5000000, 1008},
		{STRICT, "0", "8,0.5", "0", "16", 0, 0, 1, 16},
		{COMPAT, "1", "5000000000,0.1", "1", "0", UINT32_MAX, 1,
		 1000000, 0},
	};
	struct use u = USE(STRICT, {OL "L2_CACHE_BACKEND", "MOCK"});

	cr_assert_eq(aibrix_config_cache(u.config, &rank0, &u.cache, NULL),
		     AIBRIX_OK);
	cr_expect(u.cache.min_lack_blocks == 0 && u.cache.token_wait_ns == 0,
		  "ours measures instead");
	aibrix_config_free(u.config);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		u = USE(cases[i].flags, {OL "L2_CACHE_BACKEND", "MOCK"},
			{OL "L1_CACHE_ENABLED", cases[i].l1},
			{OL "DOUBLE_GET_THRESHOLD", cases[i].rule},
			{OL "L2_CACHE_PER_TOKEN_TIMEOUT_MS", cases[i].timeout},
			{OL "MAX_SEQ_LEN", cases[i].longest});
		cr_assert_eq(
			aibrix_config_cache(u.config, &rank0, &u.cache, NULL),
			AIBRIX_OK);
		cr_expect_eq(u.cache.min_lack_blocks, cases[i].lack_blocks,
			     "%zu", i);
		cr_expect_eq(u.cache.min_lack_ratio, cases[i].lack_ratio, "%zu",
			     i);
		cr_expect_eq(u.cache.token_wait_ns, cases[i].wait_ns, "%zu", i);
		cr_expect_eq(u.cache.max_tokens, cases[i].max_tokens, "%zu", i);
		aibrix_config_free(u.config);
	}
}
