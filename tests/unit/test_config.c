#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "config_tools.h"

enum { STRICT = 0, COMPAT = AIBRIX_CONFIG_COMPAT };

enum type { U32, I64, U64, DBL, STR };

struct field {
	const char *name; /* behind the prefix, or all of it */
	size_t offset;    /* in aibrix_config */
	enum type type;
	const char *unset; /* printed, where it is not given */
	const char *value; /* a value, and what it is printed */
	const char *set;
};

#define F(name, field, type, unset, value, set)                                \
	{                                                                      \
		name, offsetof(aibrix_config, field), type, unset, value, set  \
	}

/* Every variable: its default and one other value, in literals. */
static const struct field fields[] = {
	F("BLOCK_SIZE", block_tokens, I64, "-1", "64", "64"),
	F("CHUNK_SIZE", chunk_tokens, I64, "512", " 1_024 ", "1024"),
	F("MAX_SEQ_LEN", max_seq_tokens, I64, "-1", "+4096", "4096"),
	F("TIME_MEASUREMENT_ENABLED", time_measurement, U32, "1", "0", "0"),
	F("BREAKDOWN_MEASUREMENT_ENABLED", breakdown_measurement, U32, "1",
	  "False", "0"),
	F("TOKEN_VALIDATION_ENABLED", token_validation, U32, "0", " TRUE ",
	  "1"),
	F("L1_CACHE_ENABLED", l1_enabled, U32, "1", "0", "0"),
	F("L1_CACHE_EVICTION_POLICY", l1_policy, U32, "1", " lru", "0"),
	F("L1_CACHE_EVICTION_POLICY", l1_policy, U32, "1", "Fifo", "2"),
	F("L1_CACHE_CAPACITY_GB", l1_bytes, U64, "10737418240", "0.1",
	  "107374182"),
	F("DEVICE", device, U32, "0", "CUDA", "1"),
	F("S3FIFO_SMALL_TO_MAIN_PROMO_THRESHOLD", s3fifo_promote_hits, I64, "1",
	  "3", "3"),
	F("S3FIFO_SMALL_FIFO_CAPACITY_RATIO", s3fifo_small_ratio, DBL, "0.3",
	  "1e-1", "0.1"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "mock", "1"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", " rocksdb ", "2"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "SHFS", "3"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "InfiniStore", "4"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "HPKV", "5"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "PRISKV", "6"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "PRIS", "6"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "EIC", "7"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "VINEYARD", "8"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "file", "9"),
	F("L2_CACHE_BACKEND", l2_backend, U32, "0", "valkey", "10"),
	F("L2_CACHE_NAMESPACE", l2_namespace, STR, "aibrix", " Llama-3.8B_x ",
	  "llama-3.8b_x"),
	F("L2_CACHE_COMPRESSION", l2_compression, STR, "", "zstd", "ZSTD"),
	F("L2_CACHE_OP_BATCH", l2_op_batch, I64, "32", "8", "8"),
	F("L2_CACHE_PER_TOKEN_TIMEOUT_MS", l2_token_timeout_ms, I64, "20", "1",
	  "1"),
	F("L2_CACHE_KEY_BUILDER", l2_key_builder, U32, "0", "rolling_hash",
	  "1"),
	F("L2_CACHE_KEY_BUILDER", l2_key_builder, U32, "0", "SIMPLE_HASH", "2"),
	F("L2_CACHE_KEY_BUILDER", l2_key_builder, U32, "0", "RAW", "3"),
	F("L2_CACHE_INGESTION_TYPE", l2_ingestion, U32, "0", "all", "1"),
	F("L2_CACHE_INGESTION_TYPE", l2_ingestion, U32, "0", "EVICTED", "2"),
	F("L2_CACHE_INGESTION_MAX_INFLIGHT_TOKENS", l2_inflight_tokens, I64,
	  "0", "8192", "8192"),
	F("L2_CACHE_NUM_ASYNC_WORKERS", l2_workers, I64, "8", "16", "16"),
	F("L2_CACHE_PLACEMENT_POLICY", l2_placement, U32, "0", "simple", "0"),
	F("META_SERVICE_BACKEND", meta_redis, U32, "0", "redis", "1"),
	F("META_SERVICE_URL", meta_url, STR, "", " redis://H:1/ ",
	  "redis://H:1/"),
	F("META_SERVICE_CLUSTER_META_KEY", meta_key, STR, "", "kvcache_nodes",
	  "kvcache_nodes"),
	F("META_SERVICE_REFRESH_INTERVAL_S", meta_refresh_s, I64, "30", "0",
	  "0"),
	F("MOCK_USE_RDMA", mock_rdma, U32, "0", "1", "1"),
	F("MOCK_USE_MPUT_MGET", mock_mput_mget, U32, "0", "1", "1"),
	F("MOCK_USE_GDR_PUT", mock_gdr_put, U32, "0", "1", "1"),
	F("MOCK_USE_GDR_GET", mock_gdr_get, U32, "0", "1", "1"),
	F("MOCK_USE_NOOP", mock_noop, U32, "0", "1", "1"),
	F("ROCKSDB_ROOT", rocksdb_root, STR, "~/.kv_cache_ol/rocksdb", " /x ",
	  " /x "),
	F("ROCKSDB_TTL_S", rocksdb_ttl_s, I64, "600", "60", "60"),
	F("ROCKSDB_WRITE_BUFFER_SIZE", rocksdb_write_buffer_bytes, I64,
	  "67108864", "1", "1"),
	F("ROCKSDB_TARGET_FILE_SIZE_BASE", rocksdb_target_file_bytes, I64,
	  "67108864", "2", "2"),
	F("ROCKSDB_MAX_WRITE_BUFFER_NUMBER", rocksdb_write_buffers, I64, "3",
	  "4", "4"),
	F("ROCKSDB_MAX_TOTAL_WAL_SIZE", rocksdb_wal_bytes, I64, "134217728",
	  "0", "0"),
	F("ROCKSDB_MAX_BACKGROUND_JOBS", rocksdb_jobs, I64, "8", "2", "2"),
	F("INFINISTORE_HOST_ADDR", infinistore_host, STR, "127.0.0.1", "::1",
	  "::1"),
	F("INFINISTORE_SERVICE_PORT", infinistore_port, I64, "12345", "1", "1"),
	F("INFINISTORE_CONNECTION_TYPE", infinistore_tcp, U32, "0", "tcp", "1"),
	F("INFINISTORE_IB_PORT", infinistore_ib_port, I64, "1", "2", "2"),
	F("INFINISTORE_LINK_TYPE", infinistore_ib, U32, "0", "IB", "1"),
	F("INFINISTORE_VISIBLE_DEV_LIST", infinistore_devices, STR, "",
	  ",mlx5_0:3,,mlx5_1,", "mlx5_0:3,mlx5_1"),
	F("INFINISTORE_VISIBLE_DEV_LIST", infinistore_device_count, U32, "0",
	  ",mlx5_0:3,,mlx5_1,", "2"),
	F("INFINISTORE_USE_GDR", infinistore_gdr, U32, "1", "0", "0"),
	F("HPKV_REMOTE_ADDR", hpkv_remote_host, STR, "127.0.0.1", "h", "h"),
	F("HPKV_REMOTE_PORT", hpkv_remote_port, I64, "12346", "65535", "65535"),
	F("HPKV_LOCAL_ADDR", hpkv_local_host, STR, "127.0.0.1", "h", "h"),
	F("HPKV_LOCAL_PORT", hpkv_local_port, I64, "12345", "2", "2"),
	F("HPKV_USE_GDR", hpkv_gdr, U32, "1", "false", "0"),
	F("PRISKV_REMOTE_ADDR", priskv_host, STR, "127.0.0.1", "h", "h"),
	F("PRISKV_REMOTE_PORT", priskv_port, I64, "6379", "2", "2"),
	F("PRISKV_PASSWORD", priskv_password, STR, "", " Pw ", "Pw"),
	F("PRISKV_USE_MPUT_MGET", priskv_mput_mget, U32, "0", "1", "1"),
	F("PRISKV_USE_ZERO_COPY", priskv_zero_copy, U32, "0", "1", "1"),
	F("PRIS_REMOTE_ADDR", priskv_host, STR, "127.0.0.1", "h", "h"),
	F("PRIS_REMOTE_PORT", priskv_port, I64, "6379", "2", "2"),
	F("PRIS_PASSWORD", priskv_password, STR, "", "pw", "pw"),
	F("PRIS_USE_MPUT_MGET", priskv_mput_mget, U32, "0", "1", "1"),
	F("PRIS_USE_ZERO_COPY", priskv_zero_copy, U32, "0", "1", "1"),
	F("TRANSPORT_RDMA_ADDR_RANGE", rdma_addr_range, STR, "::/0",
	  "0.0.0.0/0", "0.0.0.0/0"),
	F("PROFILING_ENABLED", profiling_enabled, U32, "0", "1", "1"),
	F("PROFILING_SERVER_ADDRESS", profiling_server, STR,
	  "http://0.0.0.0:4040", "u", "u"),
	F("EIC_CONFIG_FILE", eic_config_file, STR, "", "/e.yaml", "/e.yaml"),
	F("SHFS_ROOT", shfs_root, STR, "~/.kv_cache_ol/shfs", "/s", "/s"),
	F("FILE_PATH", file_path, STR, "", "/f", "/f"),
	F("RESP_URL", resp_url, STR, "", "redis://h", "redis://h"),
	F("L2_CACHE_CAPACITY_GB", l2_capacity_bytes, U64, "0", "2",
	  "2147483648"),
	F("VLLM_AIBRIX_SYNC_GRANULARITY", vllm_sync, U32, "0", "per_batch",
	  "1"),
	F("VLLM_AIBRIX_SYNC_GRANULARITY", vllm_sync, U32, "0", "NONE", "2"),
	F("VLLM_AIBRIX_SIDE_CHANNEL_PORT", vllm_side_port, I64, "6667", "7",
	  "7"),
	F("VLLM_AIBRIX_TYPE3_USE_LAYER_WISE_SAVE", vllm_layer_wise_save, U32,
	  "1", "0", "0"),
	F("HOME", home, STR, "", "/home/x", "/home/x"),
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const char *
name_of(const struct field *f, char *buf, size_t cap)
{
	const int whole = strncmp(f->name, "VLLM_", 5) == 0 ||
			  strcmp(f->name, "HOME") == 0;

	snprintf(buf, cap, "%s%s", whole ? "" : OL, f->name);
	return buf;
}

static const char *
field_text(const aibrix_config *config, const struct field *f, char *buf,
	   size_t cap)
{
	const void *at = (const char *)config + f->offset;

	switch (f->type) {
	case U32: snprintf(buf, cap, "%u", *(const uint32_t *)at); break;
	case I64:
		snprintf(buf, cap, "%lld", (long long)*(const int64_t *)at);
		break;
	case U64:
		snprintf(buf, cap, "%llu",
			 (unsigned long long)*(const uint64_t *)at);
		break;
	case DBL: snprintf(buf, cap, "%g", *(const double *)at); break;
	default: return *(const char *const *)at;
	}
	return buf;
}

Test(config, each_variable_has_aibrix_default)
{
	char buf[64];

	for (uint32_t flags = 0; flags < 4; flags++) {
		struct outcome o = config_read(flags, NULL, 0);

		cr_assert_not_null(o.config);
		cr_expect_eq(o.n, 0);
		cr_expect_eq(o.config->double_get_blocks, 4);
		cr_expect_eq(o.config->double_get_ratio, 0.1);
		cr_expect_eq(o.config->flags, flags & COMPAT);
		for (uint32_t i = 0; i < FIELDS; i++)
			cr_expect_str_eq(field_text(o.config, &fields[i], buf,
						    sizeof(buf)),
					 fields[i].unset, "%s", fields[i].name);
		aibrix_config_free(o.config);
	}
}

Test(config, each_variable_is_read_with_and_without_compat)
{
	char name[96], buf[64];

	for (uint32_t flags = 0; flags < 2; flags++)
		for (uint32_t i = 0; i < FIELDS; i++) {
			const struct field *f = &fields[i];
			struct outcome o = config_one(
				flags, name_of(f, name, sizeof(name)),
				f->value);

			cr_assert_not_null(o.config, "%s", name);
			cr_expect_str_eq(
				field_text(o.config, f, buf, sizeof(buf)),
				f->set, "%s", name);
			/* No other field moved. */
			for (uint32_t k = 0; k < FIELDS; k++)
				if (strcmp(name, "HOME") != 0 &&
				    fields[k].offset != f->offset &&
				    strcmp(fields[k].name, f->name) != 0)
					cr_expect_str_eq(
						field_text(o.config, &fields[k],
							   buf, sizeof(buf)),
						fields[k].unset, "%s by %s",
						fields[k].name, name);
			aibrix_config_free(o.config);
		}
}

Test(config, each_name_of_the_table_is_a_variable_here)
{
	const char *name, *text;
	char buf[96];

	for (uint32_t row = 0; (name = aibrix_config_name(row, &text)); row++) {
		uint32_t known = !strcmp(name, OL "DOUBLE_GET_THRESHOLD");

		for (uint32_t i = 0; i < FIELDS; i++)
			known += !strcmp(name_of(&fields[i], buf, sizeof(buf)),
					 name);
		cr_expect(known, "%s", name);
		/* And what stands for it is a value. */
		cr_expect_eq(reason_of(STRICT, name, text), 0, "%s", name);
	}
	cr_expect_null(aibrix_config_name(UINT32_MAX, NULL));
}

Test(config, the_double_get_rule_has_one_number_or_two)
{
	static const struct {
		const char *value;
		int64_t blocks;
		double ratio;
		uint32_t strict, compat;
	} cases[] = {
		{"4,0.1", 4, 0.1, 0, 0},
		{" 7 , 0.25 ", 7, 0.25, 0, 0},
		{"2", 2, 0, 0, 0},
		{"0,1", 0, 1, 0, 0},
		{"4,0.1,9", 4, 0.1, AIBRIX_CONFIG_TOO_MANY, 0},
		{"-1", -1, 0, AIBRIX_CONFIG_RANGE, 0},
		{"4,1.5", 4, 1.5, AIBRIX_CONFIG_RANGE, 0},
		{"4,nan", 4, HUGE_VAL, AIBRIX_CONFIG_RANGE, 0},
		{"", 0, 0, AIBRIX_CONFIG_NO_INTEGER, AIBRIX_CONFIG_NO_INTEGER},
		{"4,", 0, 0, AIBRIX_CONFIG_NO_NUMBER, AIBRIX_CONFIG_NO_NUMBER},
		{"4.0,1", 0, 0, AIBRIX_CONFIG_NO_INTEGER,
		 AIBRIX_CONFIG_NO_INTEGER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome o = config_one(COMPAT, OL "DOUBLE_GET_THRESHOLD",
					      cases[i].value);

		cr_expect_eq(reason_of(STRICT, OL "DOUBLE_GET_THRESHOLD",
				       cases[i].value),
			     cases[i].strict, "%s", cases[i].value);
		cr_assert_eq(o.n ? o.faults[0].reason : 0, cases[i].compat,
			     "%s", cases[i].value);
		if (!o.config)
			continue;
		cr_expect_eq(o.config->double_get_blocks, cases[i].blocks);
		cr_expect_eq(o.config->double_get_ratio, cases[i].ratio);
		aibrix_config_free(o.config);
	}
}

Test(config, values_are_refused_with_a_reason)
{
	static const struct {
		const char *name, *value;
		uint32_t strict, compat; /* reason; 0: taken */
	} cases[] = {
		{"CHUNK_SIZE", "", 6, 6},
		{"CHUNK_SIZE", "12x", 6, 6},
		{"CHUNK_SIZE", "1__2", 6, 6},
		{"CHUNK_SIZE", "_12", 6, 6},
		{"CHUNK_SIZE", "12_", 6, 6},
		{"CHUNK_SIZE", "0x10", 6, 6},
		{"CHUNK_SIZE", "5.0", 6, 6},
		{"CHUNK_SIZE", "+-5", 6, 6},
		{"CHUNK_SIZE",
		 "\xc2\xa0"
		 "5",
		 6, 6},
		{"CHUNK_SIZE", "0", 8, 0},
		{"CHUNK_SIZE", "-5", 8, 0},
		{"CHUNK_SIZE", "9223372036854775807", 8, 0},
		{"CHUNK_SIZE", "9223372036854775808", 8, 8},
		{"CHUNK_SIZE", "-9223372036854775808", 8, 0},
		{"CHUNK_SIZE", "-9223372036854775809", 8, 8},
		{"BLOCK_SIZE", "0", 0, 0},
		{"BLOCK_SIZE", "24", 10, 10},
		{"BLOCK_SIZE", "16384", 8, 0},
		{"L1_CACHE_ENABLED", "", 5, 0},
		{"L1_CACHE_ENABLED", "yes", 5, 0},
		{"L1_CACHE_ENABLED", "2", 5, 0},
		{"L1_CACHE_CAPACITY_GB", "-1", 8, 8},
		{"L1_CACHE_CAPACITY_GB", "inf", 8, 8},
		{"L1_CACHE_CAPACITY_GB", "NaN", 8, 8},
		{"L1_CACHE_CAPACITY_GB", "1e99", 8, 8},
		{"L1_CACHE_CAPACITY_GB", "1,5", 7, 7},
		{"L1_CACHE_CAPACITY_GB", "", 7, 7},
		{"L1_CACHE_EVICTION_POLICY", "MRU", 9, 9},
		{"S3FIFO_SMALL_TO_MAIN_PROMO_THRESHOLD", "0", 8, 8},
		{"S3FIFO_SMALL_TO_MAIN_PROMO_THRESHOLD", "4", 8, 8},
		{"S3FIFO_SMALL_FIFO_CAPACITY_RATIO", "0", 8, 8},
		{"S3FIFO_SMALL_FIFO_CAPACITY_RATIO", "1", 8, 8},
		{"S3FIFO_SMALL_FIFO_CAPACITY_RATIO", "nan", 8, 8},
		{"L2_CACHE_BACKEND", "FLOPPY", 9, 9},
		{"L2_CACHE_INGESTION_TYPE", "SOME", 9, 0},
		{"L2_CACHE_KEY_BUILDER", "", 9, 9},
		{"L2_CACHE_NAMESPACE", "", 12, 0},
		{"L2_CACHE_NAMESPACE", "../up", 12, 0},
		{"L2_CACHE_NAMESPACE", "a/b", 12, 0},
		{"L2_CACHE_NUM_ASYNC_WORKERS", "0", 8, 0},
		{"INFINISTORE_LINK_TYPE", "ib", 9, 9},
		{"INFINISTORE_SERVICE_PORT", "65536", 8, 0},
		{"META_SERVICE_URL", "redis://h\n", 0, 0}, /* stripped */
		{"META_SERVICE_URL", "redis://h\nx", 12, 0},
		{"NO_SUCH_NAME", "1", 1, 0},
		{"", "1", 1, 0},
	};
	char name[96];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", OL, cases[i].name);
		cr_expect_eq(reason_of(STRICT, name, cases[i].value),
			     cases[i].strict, "%s=%s", name, cases[i].value);
		cr_expect_eq(reason_of(COMPAT, name, cases[i].value),
			     cases[i].compat, "%s=%s compat", name,
			     cases[i].value);
	}
	cr_expect_eq(
		reason_of(STRICT, "VLLM_AIBRIX_SYNC_GRANULARITY", " PER_OP"),
		9);
}

Test(config, what_is_not_true_is_false_with_compat)
{
	struct outcome o = config_one(COMPAT, OL "L1_CACHE_ENABLED", "yes");

	cr_expect_eq(o.config->l1_enabled, 0);
	aibrix_config_free(o.config);
	o = config_one(COMPAT, OL "L2_CACHE_INGESTION_TYPE", "SOME");
	cr_expect_eq(o.config->l2_ingestion, AIBRIX_CONFIG_EVICTED);
	aibrix_config_free(o.config);
}

Test(config, a_newer_name_counts_before_an_older_one)
{
	const aibrix_config_pair pairs[] = {
		{OL "PRIS_REMOTE_PORT", "1"},
		{OL "PRISKV_REMOTE_PORT", "2"},
		{OL "PRIS_PASSWORD", "old"},
	};
	aibrix_config *config = config_good(STRICT, pairs, 3);

	cr_expect_eq(config->priskv_port, 2);
	cr_expect_str_eq(config->priskv_password, "old");
	aibrix_config_free(config);
	/* getenv finds it, empty, and looks no further. */
	cr_expect_eq(reason_of(COMPAT, OL "PRISKV_REMOTE_PORT", ""),
		     AIBRIX_CONFIG_NO_INTEGER);
}

Test(config, all_faults_are_reported_and_nothing_is_half_set)
{
	const aibrix_config_pair pairs[] = {
		{"PATH", "/bin"},
		{OL "CHUNK_SIZE", "128"},
		{OL "CHUNKSIZE", "64"},
		{OL "L1_CACHE_CAPACITY_GB", "ten"},
		{OL "CHUNK_SIZE", "256"},
		{OL "DEVICE", NULL},
		{OL "L2_CACHE_OP_BATCH=0", NULL},
	};
	struct outcome o = config_read(STRICT, pairs, 7);
	static const aibrix_config_fault expected[] = {
		{AIBRIX_E_NOT_FOUND, AIBRIX_CONFIG_UNKNOWN_NAME, UINT32_MAX, 2},
		{AIBRIX_E_INVAL, AIBRIX_CONFIG_TWICE, 2, 4},
		{AIBRIX_E_PARSE, AIBRIX_CONFIG_NO_VALUE, 10, 5},
		{AIBRIX_E_PARSE, AIBRIX_CONFIG_NO_NUMBER, 9, 3},
		{AIBRIX_E_INVAL, AIBRIX_CONFIG_RANGE, 16, 6},
	};

	cr_expect_null(o.config);
	cr_assert_eq(o.n, 5);
	cr_expect_arr_eq(o.faults, expected, sizeof(expected));
	cr_expect_str_eq(aibrix_config_name(9, NULL),
			 OL "L1_CACHE_CAPACITY_GB");

	o = config_read(AIBRIX_CONFIG_KEEP_GOING, pairs, 7);
	cr_assert_not_null(o.config);
	cr_expect_eq(o.n, 5);
	cr_expect_arr_eq(o.faults, expected, sizeof(expected));
	cr_expect_eq(o.config->chunk_tokens, 128);
	cr_expect_eq(o.config->l1_bytes, 10ull << 30);
	cr_expect_eq(o.config->l2_op_batch, 32);
	aibrix_config_free(o.config);

	/* Of two the first counts, unknown names are nobody's. */
	o = config_read(COMPAT, pairs, 3);
	cr_expect_eq(o.n, 0);
	cr_expect_eq(o.config->chunk_tokens, 128);
	aibrix_config_free(o.config);
}

Test(config, faults_beyond_the_room_are_counted)
{
	const aibrix_config_pair pairs[] = {{OL "A", "1"}, {OL "B", "1"}};
	aibrix_config_opts opts = {
		.size = sizeof(opts), .pairs = pairs, .n_pairs = 2};
	aibrix_config_fault fault[2] = {{0, 0, 0, 7}, {0, 0, 0, 7}};
	aibrix_config *config = NULL;
	uint32_t n = 9;

	cr_expect_eq(aibrix_config_new(&opts, fault, 1, &n, &config),
		     AIBRIX_E_INVAL);
	cr_expect_eq(n, 2);
	cr_expect_eq(fault[0].pair, 0);
	cr_expect_eq(fault[1].pair, 7);
	cr_expect_eq(aibrix_config_new(&opts, NULL, 1, NULL, &config),
		     AIBRIX_E_INVAL);
	cr_expect_null(config);
}

Test(config, paths_know_where_home_is)
{
	static const struct {
		const char *home, *root, *is;
	} cases[] = {
		{"/home/x", "~/a", "/home/x/a"},
		{"/home/x//", "~", "/home/x"},
		{"/", "~", "/"},
		{"/", "~/a", "/a"},
		{"/home/x", "~y/a", "~y/a"},
		{"/home/x", "/~/a", "/~/a"},
		{"/home/x", "", ""},
		{"", "~/a", "~/a"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const aibrix_config_pair pairs[] = {
			{OL "SHFS_ROOT", cases[i].root},
			{"HOME", cases[i].home}};
		aibrix_config *config = config_good(STRICT, pairs, 2);

		cr_expect_str_eq(config->shfs_root, cases[i].is);
		aibrix_config_free(config);
	}
}

Test(config, a_value_has_a_longest_length)
{
	char *value = malloc(AIBRIX_CONFIG_TEXT_MAX + 2);
	struct outcome o;

	memset(value, 'x', AIBRIX_CONFIG_TEXT_MAX + 1);
	value[AIBRIX_CONFIG_TEXT_MAX + 1] = '\0';
	o = config_one(COMPAT, OL "META_SERVICE_URL", value);
	cr_expect_eq(o.faults[0].reason, AIBRIX_CONFIG_TOO_LONG);
	cr_expect_eq(o.faults[0].status, AIBRIX_E_SPACE);
	value[AIBRIX_CONFIG_TEXT_MAX] = '\0';
	o = config_one(STRICT, OL "META_SERVICE_URL", value);
	cr_expect_str_eq(o.config->meta_url, value);
	aibrix_config_free(o.config);
	memset(value, '1', AIBRIX_CONFIG_TEXT_MAX);
	cr_expect_eq(reason_of(COMPAT, OL "CHUNK_SIZE", value),
		     AIBRIX_CONFIG_TOO_LONG);
	cr_expect_eq(reason_of(COMPAT, OL "L1_CACHE_CAPACITY_GB", value),
		     AIBRIX_CONFIG_TOO_LONG);
	free(value);
}

Test(config, wrong_calls_are_refused)
{
	aibrix_config_pair nameless = {NULL, "1"};
	aibrix_config_opts opts = {.size = sizeof(opts)};
	aibrix_config *config = NULL;

	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, NULL),
		     AIBRIX_E_INVAL);
	opts.flags = 8;
	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_E_ABI);
	opts.flags = 0;
	opts.spare = 1;
	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_E_ABI);
	opts.spare = 0;
	opts.n_pairs = 1;
	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_E_INVAL);
	opts.pairs = &nameless;
	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_E_INVAL);
	opts.size = 3;
	cr_expect_eq(aibrix_config_new(&opts, NULL, 0, NULL, &config),
		     AIBRIX_E_INVAL);
	cr_expect_null(config);
	aibrix_config_free(NULL);
	/* NULL: everything as it is by default. */
	cr_assert_eq(aibrix_config_new(NULL, NULL, 0, NULL, &config),
		     AIBRIX_OK);
	cr_expect_eq(config->size, sizeof(aibrix_config));
	aibrix_config_free(config);
}

Test(config, each_reason_has_words)
{
	cr_expect_str_eq(aibrix_config_reason(0), "no fault");
	cr_expect_str_eq(aibrix_config_reason(AIBRIX_CONFIG_RANGE),
			 "the value is out of range");
	cr_expect_str_eq(aibrix_config_reason(AIBRIX_CONFIG_NO_OPTION),
			 "there is no such setting here");
	cr_expect_str_eq(aibrix_config_reason(AIBRIX_CONFIG_NO_OPTION + 1),
			 "unknown reason");
}
