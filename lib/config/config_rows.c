/*
 * The variables, one row each: name, type, what stands for one that is not
 * given, bounds.  (Source: AIBrix aibrix_kvcache/envs.py; the last three and
 * words beside AIBrix's are ours.)
 *
 * Bounds are those within which a value has a meaning.  AIBrix checks few of
 * them; where it does, or where our types end, ROW_ALWAYS.
 */
#include "config/config_internal.h"

#include <aibrix/evict.h>

static const struct word policies[] = {
	{"LRU", AIBRIX_EVICT_LRU},         {"S3FIFO", AIBRIX_EVICT_S3FIFO},
	{"FIFO", AIBRIX_EVICT_FIFO},       {"ARC", AIBRIX_EVICT_ARC},
	{"SIEVE", AIBRIX_EVICT_SIEVE},     {"AUTO", AIBRIX_EVICT_AUTO},
	{"DENSITY", AIBRIX_EVICT_DENSITY}, {NULL, 0},
};

static const struct word devices[] = {
	{"cpu", AIBRIX_CONFIG_CPU},
	{"cuda", AIBRIX_CONFIG_CUDA},
	{NULL, 0},
};

static const struct word backends[] = {
	{"", AIBRIX_CONFIG_L2_NONE},
	{"MOCK", AIBRIX_CONFIG_L2_MOCK},
	{"ROCKSDB", AIBRIX_CONFIG_L2_ROCKSDB},
	{"SHFS", AIBRIX_CONFIG_L2_SHFS},
	{"INFINISTORE", AIBRIX_CONFIG_L2_INFINISTORE},
	{"HPKV", AIBRIX_CONFIG_L2_HPKV},
	{"PRISKV", AIBRIX_CONFIG_L2_PRISKV},
	{"PRIS", AIBRIX_CONFIG_L2_PRISKV},
	{"EIC", AIBRIX_CONFIG_L2_EIC},
	{"VINEYARD", AIBRIX_CONFIG_L2_VINEYARD},
	{"FILE", AIBRIX_CONFIG_L2_FILE},
	{"RESP", AIBRIX_CONFIG_L2_RESP},
	{"REDIS", AIBRIX_CONFIG_L2_RESP},
	{"VALKEY", AIBRIX_CONFIG_L2_RESP},
	{NULL, 0},
};

static const struct word builders[] = {
	{"DEFAULT", AIBRIX_CONFIG_KEY_DEFAULT},
	{"ROLLING_HASH", AIBRIX_CONFIG_KEY_ROLLING},
	{"SIMPLE_HASH", AIBRIX_CONFIG_KEY_SIMPLE},
	{"RAW", AIBRIX_CONFIG_KEY_RAW},
	{NULL, 0},
};

static const struct word ingestions[] = {
	{"HOT", AIBRIX_CONFIG_HOT},
	{"ALL", AIBRIX_CONFIG_ALL},
	{"EVICTED", AIBRIX_CONFIG_EVICTED},
	{NULL, 0},
};

static const struct word placements[] = {
	{"SIMPLE", AIBRIX_CONFIG_PLACE_SIMPLE},
	{NULL, 0},
};

static const struct word metas[] = {{"", 0}, {"REDIS", 1}, {NULL, 0}};

static const struct word connections[] = {{"RDMA", 0}, {"TCP", 1}, {NULL, 0}};

static const struct word links[] = {{"Ethernet", 0}, {"IB", 1}, {NULL, 0}};

static const struct word syncs[] = {
	{"NONE", AIBRIX_CONFIG_SYNC_NONE},
	{"PER_OP", AIBRIX_CONFIG_SYNC_PER_OP},
	{"PER_BATCH", AIBRIX_CONFIG_SYNC_PER_BATCH},
	{NULL, 0},
};

#define OL(name) "AIBRIX_KV_CACHE_OL_" name
#define ROW(a, b, c) .offset = offsetof(aibrix_config, a), .text = b, .kind = c
#define BOOLEAN(field, t) ROW(field, t, KIND_BOOLEAN)
#define INTEGER(field, t, low, high)                                           \
	ROW(field, t, KIND_INTEGER), .min = low, .max = high
#define RATIO(field, t) ROW(field, t, KIND_RATIO)
#define GIB(field, t) ROW(field, t, KIND_GIB)
#define DOUBLE_GET(field, t) ROW(field, t, KIND_DOUBLE_GET), .max = INT32_MAX
#define WORD(field, t, list) ROW(field, t, KIND_WORD), .words = list
#define TEXT(field, t) ROW(field, t, KIND_TEXT)
#define PATH(field, t) ROW(field, t, KIND_PATH)
#define LIST(field, t) ROW(field, t, KIND_LIST)

const struct row aibrix__config_rows[CONFIG_ROWS] = {
	{.name = OL("DOUBLE_GET_THRESHOLD"),
	 DOUBLE_GET(double_get_blocks, "4,0.1")},
	{.name = OL("BLOCK_SIZE"),
	 INTEGER(block_tokens, "-1", -1, 8192),
	 .flags = ROW_POWER},
	{.name = OL("CHUNK_SIZE"), INTEGER(chunk_tokens, "512", 1, INT32_MAX)},
	{.name = OL("MAX_SEQ_LEN"),
	 INTEGER(max_seq_tokens, "-1", -1, INT32_MAX)},
	{.name = OL("TIME_MEASUREMENT_ENABLED"),
	 BOOLEAN(time_measurement, "1")},
	{.name = OL("BREAKDOWN_MEASUREMENT_ENABLED"),
	 BOOLEAN(breakdown_measurement, "1")},
	{.name = OL("TOKEN_VALIDATION_ENABLED"),
	 BOOLEAN(token_validation, "0")},
	{.name = OL("L1_CACHE_ENABLED"), BOOLEAN(l1_enabled, "1")},
	{.name = OL("L1_CACHE_EVICTION_POLICY"),
	 WORD(l1_policy, "S3FIFO", policies),
	 .flags = ROW_UPPER},
	{.name = OL("L1_CACHE_CAPACITY_GB"), GIB(l1_bytes, "10")},
	{.name = OL("DEVICE"),
	 WORD(device, "cpu", devices),
	 .flags = ROW_LOWER},
	{.name = OL("S3FIFO_SMALL_TO_MAIN_PROMO_THRESHOLD"),
	 INTEGER(s3fifo_promote_hits, "1", 1, 3),
	 .flags = ROW_ALWAYS},
	{.name = OL("S3FIFO_SMALL_FIFO_CAPACITY_RATIO"),
	 RATIO(s3fifo_small_ratio, "0.3")},
	{.name = OL("L2_CACHE_BACKEND"),
	 WORD(l2_backend, "", backends),
	 .flags = ROW_UPPER},
	{.name = OL("L2_CACHE_NAMESPACE"),
	 TEXT(l2_namespace, "aibrix"),
	 .flags = ROW_LOWER | ROW_NAME},
	{.name = OL("L2_CACHE_COMPRESSION"),
	 TEXT(l2_compression, ""),
	 .flags = ROW_UPPER},
	{.name = OL("L2_CACHE_OP_BATCH"), INTEGER(l2_op_batch, "32", 1, 65536)},
	{.name = OL("L2_CACHE_PER_TOKEN_TIMEOUT_MS"),
	 INTEGER(l2_token_timeout_ms, "20", 0, INT32_MAX)},
	{.name = OL("L2_CACHE_KEY_BUILDER"),
	 WORD(l2_key_builder, "DEFAULT", builders),
	 .flags = ROW_UPPER},
	{.name = OL("L2_CACHE_INGESTION_TYPE"),
	 WORD(l2_ingestion, "HOT", ingestions),
	 .flags = ROW_UPPER | ROW_OTHERWISE,
	 .otherwise = AIBRIX_CONFIG_EVICTED},
	{.name = OL("L2_CACHE_INGESTION_MAX_INFLIGHT_TOKENS"),
	 INTEGER(l2_inflight_tokens, "0", 0, INT32_MAX),
	 .flags = ROW_ALWAYS},
	{.name = OL("L2_CACHE_NUM_ASYNC_WORKERS"),
	 INTEGER(l2_workers, "8", 1, 1024)},
	{.name = OL("L2_CACHE_PLACEMENT_POLICY"),
	 WORD(l2_placement, "SIMPLE", placements),
	 .flags = ROW_UPPER},
	{.name = OL("META_SERVICE_BACKEND"),
	 WORD(meta_redis, "", metas),
	 .flags = ROW_UPPER},
	{.name = OL("META_SERVICE_URL"), TEXT(meta_url, "")},
	{.name = OL("META_SERVICE_CLUSTER_META_KEY"), TEXT(meta_key, "")},
	{.name = OL("META_SERVICE_REFRESH_INTERVAL_S"),
	 INTEGER(meta_refresh_s, "30", 0, INT32_MAX)},
	{.name = OL("MOCK_USE_RDMA"), BOOLEAN(mock_rdma, "0")},
	{.name = OL("MOCK_USE_MPUT_MGET"), BOOLEAN(mock_mput_mget, "0")},
	{.name = OL("MOCK_USE_GDR_PUT"), BOOLEAN(mock_gdr_put, "0")},
	{.name = OL("MOCK_USE_GDR_GET"), BOOLEAN(mock_gdr_get, "0")},
	{.name = OL("MOCK_USE_NOOP"), BOOLEAN(mock_noop, "0")},
	{.name = OL("ROCKSDB_ROOT"),
	 PATH(rocksdb_root, "~/.kv_cache_ol/rocksdb"),
	 .flags = ROW_KEEP_BLANKS},
	{.name = OL("ROCKSDB_TTL_S"),
	 INTEGER(rocksdb_ttl_s, "600", 0, INT32_MAX)},
	{.name = OL("ROCKSDB_WRITE_BUFFER_SIZE"),
	 INTEGER(rocksdb_write_buffer_bytes, "67108864", 1, INT64_MAX)},
	{.name = OL("ROCKSDB_TARGET_FILE_SIZE_BASE"),
	 INTEGER(rocksdb_target_file_bytes, "67108864", 1, INT64_MAX)},
	{.name = OL("ROCKSDB_MAX_WRITE_BUFFER_NUMBER"),
	 INTEGER(rocksdb_write_buffers, "3", 1, INT32_MAX)},
	{.name = OL("ROCKSDB_MAX_TOTAL_WAL_SIZE"),
	 INTEGER(rocksdb_wal_bytes, "134217728", 0, INT64_MAX)},
	{.name = OL("ROCKSDB_MAX_BACKGROUND_JOBS"),
	 INTEGER(rocksdb_jobs, "8", 1, 1024)},
	{.name = OL("INFINISTORE_HOST_ADDR"),
	 TEXT(infinistore_host, "127.0.0.1")},
	{.name = OL("INFINISTORE_SERVICE_PORT"),
	 INTEGER(infinistore_port, "12345", 1, 65535)},
	{.name = OL("INFINISTORE_CONNECTION_TYPE"),
	 WORD(infinistore_tcp, "RDMA", connections),
	 .flags = ROW_UPPER},
	{.name = OL("INFINISTORE_IB_PORT"),
	 INTEGER(infinistore_ib_port, "1", 1, 255)},
	{.name = OL("INFINISTORE_LINK_TYPE"),
	 WORD(infinistore_ib, "Ethernet", links)},
	{.name = OL("INFINISTORE_VISIBLE_DEV_LIST"),
	 LIST(infinistore_devices, "")},
	{.name = OL("INFINISTORE_USE_GDR"), BOOLEAN(infinistore_gdr, "1")},
	{.name = OL("HPKV_REMOTE_ADDR"), TEXT(hpkv_remote_host, "127.0.0.1")},
	{.name = OL("HPKV_REMOTE_PORT"),
	 INTEGER(hpkv_remote_port, "12346", 1, 65535)},
	{.name = OL("HPKV_LOCAL_ADDR"), TEXT(hpkv_local_host, "127.0.0.1")},
	{.name = OL("HPKV_LOCAL_PORT"),
	 INTEGER(hpkv_local_port, "12345", 1, 65535)},
	{.name = OL("HPKV_USE_GDR"), BOOLEAN(hpkv_gdr, "1")},
	{.name = OL("PRISKV_REMOTE_ADDR"),
	 TEXT(priskv_host, "127.0.0.1"),
	 .older = OL("PRIS_REMOTE_ADDR")},
	{.name = OL("PRISKV_REMOTE_PORT"),
	 INTEGER(priskv_port, "6379", 1, 65535),
	 .older = OL("PRIS_REMOTE_PORT")},
	{.name = OL("PRISKV_PASSWORD"),
	 TEXT(priskv_password, ""),
	 .older = OL("PRIS_PASSWORD")},
	{.name = OL("PRISKV_USE_MPUT_MGET"),
	 BOOLEAN(priskv_mput_mget, "0"),
	 .older = OL("PRIS_USE_MPUT_MGET")},
	{.name = OL("PRISKV_USE_ZERO_COPY"),
	 BOOLEAN(priskv_zero_copy, "0"),
	 .older = OL("PRIS_USE_ZERO_COPY")},
	{.name = OL("TRANSPORT_RDMA_ADDR_RANGE"),
	 TEXT(rdma_addr_range, "::/0")},
	{.name = OL("PROFILING_ENABLED"), BOOLEAN(profiling_enabled, "0")},
	{.name = OL("PROFILING_SERVER_ADDRESS"),
	 TEXT(profiling_server, "http://0.0.0.0:4040")},
	{.name = OL("EIC_CONFIG_FILE"), TEXT(eic_config_file, "")},
	{.name = OL("SHFS_ROOT"),
	 PATH(shfs_root, "~/.kv_cache_ol/shfs"),
	 .flags = ROW_KEEP_BLANKS},
	{.name = "VLLM_AIBRIX_SYNC_GRANULARITY",
	 WORD(vllm_sync, "PER_OP", syncs),
	 .flags = ROW_UPPER | ROW_KEEP_BLANKS},
	{.name = "VLLM_AIBRIX_SIDE_CHANNEL_PORT",
	 INTEGER(vllm_side_port, "6667", 1, 65535)},
	{.name = "VLLM_AIBRIX_TYPE3_USE_LAYER_WISE_SAVE",
	 BOOLEAN(vllm_layer_wise_save, "true"),
	 .flags = ROW_KEEP_BLANKS},
	{.name = "HOME", TEXT(home, ""), .flags = ROW_KEEP_BLANKS},
	{.name = OL("FILE_PATH"),
	 PATH(file_path, ""),
	 .flags = ROW_KEEP_BLANKS},
	{.name = OL("RESP_URL"), TEXT(resp_url, "")},
	{.name = OL("L2_CACHE_CAPACITY_GB"), GIB(l2_capacity_bytes, "0")},
};

uint32_t
aibrix__config_row(size_t offset)
{
	uint32_t i = 0;

	while (i < CONFIG_ROWS && aibrix__config_rows[i].offset != offset)
		i++;
	return i;
}

const char *
aibrix_config_name(uint32_t row, const char **text)
{
	if (row >= CONFIG_ROWS)
		return NULL;
	if (text)
		*text = aibrix__config_rows[row].text;
	return aibrix__config_rows[row].name;
}
