/*
 * Configuration: the variables by which AIBrix's KV cache is set up, as a
 * struct, and what follows from them.
 *
 *   new            names and values  ->  config, or what is wrong with them
 *   solve          config, host      ->  sizes and quotas
 *   hash, store, cache               ->  options of these modules
 *
 * The library reads no environment.  A program hands over names and values,
 * such as those of environ; examples/environment.h does so.  Other names
 * than ours are passed over, so all of environ may be given.
 *
 * doc/modules/config.md lists the names.  (Source: AIBrix e3e10f9,
 * aibrix_kvcache/envs.py.)
 */
#ifndef AIBRIX_CONFIG_H
#define AIBRIX_CONFIG_H

#include <aibrix/cache.h>
#include <aibrix/hash.h>
#include <aibrix/store.h>
#include <aibrix/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AIBRIX_CONFIG_TEXT_MAX = 4096 }; /* bytes of a value */

#define AIBRIX_CONFIG_NO_ROW UINT32_MAX
#define AIBRIX_CONFIG_NO_PAIR UINT32_MAX

/* Frozen: 16 bytes.  One name and its value. */
typedef struct aibrix_config_pair {
	const char *name;
	const char *value; /* NULL: name is "NAME=value", as in environ */
} aibrix_config_pair;

/* Why a value is refused. */
enum {
	AIBRIX_CONFIG_UNKNOWN_NAME = 1,
	AIBRIX_CONFIG_TWICE = 2,      /* the same name again */
	AIBRIX_CONFIG_NO_VALUE = 3,   /* a name without '=' */
	AIBRIX_CONFIG_TOO_LONG = 4,   /* above AIBRIX_CONFIG_TEXT_MAX */
	AIBRIX_CONFIG_NO_BOOLEAN = 5, /* not 1, true, 0, false */
	AIBRIX_CONFIG_NO_INTEGER = 6,
	AIBRIX_CONFIG_NO_NUMBER = 7,
	AIBRIX_CONFIG_RANGE = 8,
	AIBRIX_CONFIG_UNKNOWN_WORD = 9,
	AIBRIX_CONFIG_NO_POWER = 10, /* not a power of two */
	AIBRIX_CONFIG_TOO_MANY = 11, /* more parts than have a meaning */
	AIBRIX_CONFIG_BAD_TEXT = 12, /* a byte that cannot stand there */
	/* Where it is used. */
	AIBRIX_CONFIG_NO_TIER = 13,    /* neither L1 nor L2 */
	AIBRIX_CONFIG_NO_BACKEND = 14, /* a store that we have no client of */
	AIBRIX_CONFIG_NO_TABLE = 15,   /* host.rocksdb is missing */
	AIBRIX_CONFIG_NO_URL = 16,     /* a server without an address */
	AIBRIX_CONFIG_NO_PATH = 17,    /* a file without a name */
	AIBRIX_CONFIG_NO_HOME = 18,    /* ~ without HOME, or ~user */
	AIBRIX_CONFIG_NO_OPTION = 19   /* ours has no such setting */
};

/*
 * Frozen: 16 bytes.  What is wrong.  status: E_NOT_FOUND (name), E_PARSE
 * (value), E_INVAL (out of range, or does not go with another one),
 * E_SPACE (too long), E_UNSUPPORTED.
 */
typedef struct aibrix_config_fault {
	int32_t status;
	uint32_t reason; /* AIBRIX_CONFIG_* */
	uint32_t row;    /* of aibrix_config_name; AIBRIX_CONFIG_NO_ROW */
	uint32_t pair;   /* whose it is; AIBRIX_CONFIG_NO_PAIR */
} aibrix_config_fault;

/* flags of aibrix_config_opts */
enum {
	/* Read as AIBrix reads: unknown names are nobody's, what is not true
	   is false, an ingestion that is not HOT or ALL is EVICTED, of two
	   equal names the first counts, ranges end where int64_t ends.  And
	   use it as AIBrix does: its keys, its folders, values that are a
	   block's bytes alone.  What makes AIBrix raise is a fault. */
	AIBRIX_CONFIG_COMPAT = 1,
	/* What is wrong is reported and counts as not given. */
	AIBRIX_CONFIG_KEEP_GOING = 2
};

typedef struct aibrix_config_opts {
	uint32_t size;
	uint32_t flags; /* AIBRIX_CONFIG_COMPAT, _KEEP_GOING */
	const aibrix_config_pair *pairs; /* read during the call */
	uint32_t n_pairs;
	uint32_t spare;                /* must be 0 */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_config_opts;

/* How blocks get into L2. */
enum {
	AIBRIX_CONFIG_HOT = 0, /* when they have been used again */
	AIBRIX_CONFIG_ALL = 1,
	AIBRIX_CONFIG_EVICTED = 2 /* when L1 gives them up */
};

enum {
	AIBRIX_CONFIG_KEY_DEFAULT = 0, /* not given: ROLLING_HASH with COMPAT,
	                                  else SHA-256 */
	AIBRIX_CONFIG_KEY_ROLLING = 1,
	AIBRIX_CONFIG_KEY_SIMPLE = 2,
	AIBRIX_CONFIG_KEY_RAW = 3
};

enum {
	AIBRIX_CONFIG_L2_NONE = 0,
	AIBRIX_CONFIG_L2_MOCK = 1, /* in memory */
	AIBRIX_CONFIG_L2_ROCKSDB = 2,
	AIBRIX_CONFIG_L2_SHFS = 3,
	AIBRIX_CONFIG_L2_INFINISTORE = 4,
	AIBRIX_CONFIG_L2_HPKV = 5,
	AIBRIX_CONFIG_L2_PRISKV = 6,
	AIBRIX_CONFIG_L2_EIC = 7,
	AIBRIX_CONFIG_L2_VINEYARD = 8,
	AIBRIX_CONFIG_L2_FILE = 9, /* ours: a slot file */
	AIBRIX_CONFIG_L2_RESP = 10 /* ours: Redis or Valkey */
};

enum { AIBRIX_CONFIG_PLACE_SIMPLE = 0 };

enum { AIBRIX_CONFIG_CPU = 0, AIBRIX_CONFIG_CUDA = 1 };

/* Who agrees on lengths in a tensor-parallel group, and when. */
enum {
	AIBRIX_CONFIG_SYNC_PER_OP = 0,
	AIBRIX_CONFIG_SYNC_PER_BATCH = 1,
	AIBRIX_CONFIG_SYNC_NONE = 2
};

/*
 * All values, in AIBrix's units.  Made by aibrix_config_new only; fields may
 * be changed afterwards, texts then live as long as the config does.  No
 * text is NULL.
 *
 * Thread: readers; aibrix_config_store writes too.
 */
typedef struct aibrix_config {
	uint32_t size;
	uint32_t flags; /* AIBRIX_CONFIG_COMPAT */
	int64_t double_get_blocks; /* missing ones that L2 is asked for */
	double double_get_ratio;   /* and their share; 0: any */
	int64_t block_tokens;      /* up to 0: the engine's */
	int64_t chunk_tokens;
	int64_t max_seq_tokens; /* up to 0: no limit */
	uint32_t time_measurement;
	uint32_t breakdown_measurement;
	uint32_t token_validation;
	uint32_t device; /* AIBRIX_CONFIG_CPU, _CUDA */
	uint32_t l1_enabled;
	uint32_t l1_policy; /* AIBRIX_EVICT_* */
	uint64_t l1_bytes;
	int64_t s3fifo_promote_hits;
	double s3fifo_small_ratio;
	uint32_t l2_backend;       /* AIBRIX_CONFIG_L2_* */
	uint32_t l2_ingestion;     /* AIBRIX_CONFIG_HOT, _ALL, _EVICTED */
	const char *l2_namespace;  /* in lower case */
	const char *l2_compression; /* in upper case */
	int64_t l2_op_batch;
	int64_t l2_token_timeout_ms;
	int64_t l2_inflight_tokens; /* 0: writes are waited for */
	int64_t l2_workers;
	uint32_t l2_key_builder; /* AIBRIX_CONFIG_KEY_* */
	uint32_t meta_redis;     /* the metadata is in Redis */
	const char *meta_url;
	const char *meta_key;
	int64_t meta_refresh_s;
	uint32_t mock_rdma;
	uint32_t mock_mput_mget;
	uint32_t mock_gdr_put;
	uint32_t mock_gdr_get;
	uint32_t mock_noop;
	uint32_t infinistore_tcp; /* else RDMA */
	const char *rocksdb_root;
	int64_t rocksdb_ttl_s;
	int64_t rocksdb_write_buffer_bytes;
	int64_t rocksdb_target_file_bytes;
	int64_t rocksdb_write_buffers;
	int64_t rocksdb_wal_bytes;
	int64_t rocksdb_jobs;
	const char *infinistore_host;
	int64_t infinistore_port;
	int64_t infinistore_ib_port;
	const char *infinistore_devices; /* joined by commas */
	uint32_t infinistore_device_count;
	uint32_t infinistore_ib; /* link type IB, else Ethernet */
	uint32_t infinistore_gdr;
	uint32_t hpkv_gdr;
	const char *hpkv_remote_host;
	int64_t hpkv_remote_port;
	const char *hpkv_local_host;
	int64_t hpkv_local_port;
	const char *priskv_host;
	int64_t priskv_port;
	const char *priskv_password;
	uint32_t priskv_mput_mget;
	uint32_t priskv_zero_copy;
	const char *rdma_addr_range;
	const char *profiling_server;
	uint32_t profiling_enabled;
	uint32_t vllm_sync; /* AIBRIX_CONFIG_SYNC_* */
	const char *eic_config_file;
	const char *shfs_root;
	int64_t vllm_side_port;
	uint32_t vllm_layer_wise_save;
	uint32_t l2_placement; /* AIBRIX_CONFIG_PLACE_SIMPLE */
	const char *home; /* HOME, for ~ in paths */
	/* Ours. */
	const char *file_path;     /* of the slot file */
	const char *resp_url;      /* as in resp.h */
	uint64_t l2_capacity_bytes; /* 0: the store's default */
} aibrix_config;

/*
 * Read names and values.  What is not given has AIBrix's default.  *out is
 * owned: aibrix_config_free.  *n_faults (may be NULL) becomes how many faults
 * there are; the first cap of them are stored, also on failure.
 *
 * Fails: E_INVAL (size, or a fault without KEEP_GOING: *out is untouched),
 * E_ABI, E_NOMEM.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_config_new(const aibrix_config_opts *opts, aibrix_config_fault *faults,
		  uint32_t cap, uint32_t *n_faults, aibrix_config **out);

/* Release, texts are wiped; NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_config_free(aibrix_config *config);

/* The names that are read, from 0 on; NULL: no more.  text (may be NULL)
 * becomes the value that stands for one that is not given.  Static storage.
 * Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_config_name(uint32_t row, const char **text);

/* A short English text for a reason; never NULL.  Static storage.
 * Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_config_reason(uint32_t reason);

/* What the engine and the program bring. */
typedef struct aibrix_config_host {
	uint32_t size;
	uint32_t block_tokens; /* the engine's; not 0 */
	uint64_t token_bytes;  /* KV of a token on this rank; not 0 */
	uint64_t max_batched_tokens; /* of a step; 0: a chunk */
	uint64_t max_model_tokens;   /* token validation with COMPAT: not 0 */
	uint32_t head_first, head_last;   /* ids, both are held */
	uint32_t layer_first, layer_last; /* ids, both are held */
	uint32_t layout; /* AIBRIX_CONN_LCND, _NCLD of key_text.h */
	uint32_t spare;  /* must be 0 */
	/* aibrix_rocksdb_backend(), for ROCKSDB; NULL: none */
	const struct aibrix_backend *rocksdb;
	const aibrix_stream *stream; /* TLS, for rediss:// */
} aibrix_config_host;

/* What follows.  Blocks are of block_tokens. */
typedef struct aibrix_config_plan {
	uint32_t size;
	uint32_t block_tokens;
	uint64_t block_bytes;
	uint64_t value_bytes;  /* of a block in L2, at most */
	uint64_t chunk_tokens; /* whole blocks, at least 4 */
	uint64_t max_seq_tokens;  /* whole blocks; AIBRIX_FOREVER: no limit */
	uint64_t batch_blocks;    /* of a step */
	uint64_t inflight_blocks; /* to L2; 0: writes are waited for */
	uint64_t block_wait_ns;   /* for each block that L2 is asked for */
	uint64_t l1_bytes;        /* 0: off */
	uint64_t stage_bytes;     /* of blocks on their way to and from L2 */
	uint64_t pool_bytes;      /* both, as AIBrix allocates: whole GiB */
} aibrix_config_plan;

/*
 * Sizes and quotas, as AIBrix rounds them:
 *
 *	chunk     down to whole blocks, then at least 4 of them
 *	max_seq   up to whole blocks
 *	batch     host.max_batched_tokens, or a chunk, in whole blocks
 *	inflight  in whole blocks; one from 1 on is at least 2 batches
 *	stage     3 batches of values, or inflight and 2 batches; no L2: 0
 *
 * Fails: E_INVAL (a size of 0, or sizes that overflow), E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_config_solve(const aibrix_config *config,
		    const aibrix_config_host *host, aibrix_config_plan *plan);

/* Frozen: 32 bytes.  Tokens [start, end) of a prompt; [next_start, next_end)
 * are those that may be fetched ahead, empty: none. */
typedef struct aibrix_config_chunk {
	uint64_t start, end;
	uint64_t next_start, next_end;
} aibrix_config_chunk;

/*
 * The i-th chunk of query tokens behind prefix tokens, as AIBrix walks them:
 * from prefix on in steps of chunk_tokens, while whole blocks remain.  The
 * last chunk takes the tokens that fill no block; the chunk before the last
 * full one is the last to announce a next.
 *
 * Fails: E_NOT_FOUND (there are no more), E_INVAL (a size of 0, a sum that
 * overflows).
 * Thread: any.  Cost: O(1).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_config_chunk_get(uint64_t chunk_tokens, uint32_t block_tokens,
			uint64_t prefix, uint64_t query, uint64_t i,
			aibrix_config_chunk *out);

/*
 * Options for aibrix_hash_new, aibrix_store_open and aibrix_cache_new.  The
 * caller sets out->size; all other fields are written.  What the variables
 * say nothing of is 0; set it afterwards: the model's identity in hash, run,
 * clock and log in store, l2 in cache, and allocators.
 *
 * Texts and further options that store and cache point to live in the config:
 * store's until the next call for the same config.
 *
 * fault (may be NULL) says which variable asks for what is not there; it is
 * written on E_UNSUPPORTED and when the config is at fault.
 *
 * store fails with E_NOT_FOUND when no L2 is asked for.
 *
 * Fails: E_UNSUPPORTED, E_INVAL, E_ABI (out->size is that of an older program
 * which lacks a field that must be set).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_config_hash(const aibrix_config *config,
					       const aibrix_config_host *host,
					       aibrix_hash_opts *out,
					       aibrix_config_fault *fault);

/* As above.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_config_store(aibrix_config *config,
						const aibrix_config_host *host,
						aibrix_store_opts *out,
						aibrix_config_fault *fault);

/* As above.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_config_cache(aibrix_config *config,
						const aibrix_config_host *host,
						aibrix_cache_opts *out,
						aibrix_config_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
