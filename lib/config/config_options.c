/*
 * A config as options of other modules.
 *
 * The rule: what a variable asks for is done, or the call says which variable
 * cannot be had and why.  What AIBrix parses and never uses (placement but
 * SIMPLE does not exist, compression, GDR of InfiniStore) asks for nothing
 * there; compression is refused here all the same, unless COMPAT.
 *
 *                  AIBrix (COMPAT)                default
 *   keys           City128, chained               SHA-256
 *   values         the block's bytes              frame and block
 *   folder         <ns>_<shard>_<sig> of AIBrix   <ns>_<shard>: values of
 *                                                 both never meet
 */
#include "config/config_internal.h"

#include <string.h>

#include <aibrix/evict.h>

#include "base/versioned.h"

#define SECOND_NS UINT64_C(1000000000)

/* RocksDB as AIBrix sets it up: what ours cannot change. */
enum { TARGET_FILE = 64 << 20, WRITE_BUFFERS = 3, WAL = 128 << 20 };

/* What ours takes. */
enum { JOBS_MAX = 64, BUFFER_MIN = 64 << 10 };
#define BUFFER_MAX (INT64_C(8) << 30)

enum { TTL_DEFAULT_S = 600, CONNECTIONS_MAX = 64 };

static int
fault_put(aibrix_config_fault *fault, uint32_t reason, size_t offset)
{
	const int status = aibrix__config_status(reason);

	if (fault)
		*fault =
			(aibrix_config_fault){.status = status,
					      .reason = reason,
					      .row = aibrix__config_row(offset),
					      .pair = AIBRIX_CONFIG_NO_PAIR};
	return status;
}

#define FAULT(fault, reason, field)                                            \
	fault_put(fault, reason, offsetof(aibrix_config, field))

/* Into the caller's struct; what it has no place for must be 0. */
static int
options_give(void *dst, const void *src, uint32_t bytes, uint32_t v1)
{
	const unsigned char *byte = src;
	uint32_t size;

	memcpy(&size, dst, sizeof(size));
	for (uint32_t i = size; i < bytes; i++)
		if (byte[i] != 0)
			return size < v1 ? AIBRIX_E_INVAL : AIBRIX_E_ABI;
	return aibrix__struct_store(dst, src, bytes, v1);
}

static int
given(const struct config *c, size_t offset)
{
	return c->given[aibrix__config_row(offset)];
}

static int
compat_is(const struct config *c)
{
	return (c->pub.flags & AIBRIX_CONFIG_COMPAT) != 0;
}

/* Where a default of ours is better than AIBrix's. */
static int
asked(const struct config *c, size_t offset)
{
	return compat_is(c) || given(c, offset);
}

static int
plan_of(const aibrix_config *config, const aibrix_config_host *host,
	aibrix_config_plan *plan)
{
	*plan = (aibrix_config_plan){.size = sizeof(*plan)};
	return aibrix_config_solve(config, host, plan);
}

int
aibrix_config_hash(const aibrix_config *config, const aibrix_config_host *host,
		   aibrix_hash_opts *out, aibrix_config_fault *fault)
{
	aibrix_hash_opts opts = {.size = sizeof(opts)};
	aibrix_config_plan plan;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = plan_of(config, host, &plan);
	if (err)
		return err;
	opts.block_tokens = plan.block_tokens;
	switch (config->l2_key_builder) {
	case AIBRIX_CONFIG_KEY_DEFAULT:
		opts.algorithm = config->flags & AIBRIX_CONFIG_COMPAT
					 ? AIBRIX_KEY_CITY128
					 : AIBRIX_KEY_SHA256;
		break;
	case AIBRIX_CONFIG_KEY_ROLLING:
		opts.algorithm = AIBRIX_KEY_CITY128;
		break;
	case AIBRIX_CONFIG_KEY_SIMPLE:
		opts.algorithm = AIBRIX_KEY_CITY128_SIMPLE;
		break;
	default: /* keys of any length: caches have 16 bytes */
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, l2_key_builder);
	}
	return options_give(out, &opts, sizeof(opts),
			    STRUCT_UPTO(aibrix_hash_opts, alloc));
}

/* Into text, of AIBRIX_CONN_ID_MAX + 1 bytes. */
static int
conn_write(const struct config *c, const aibrix_config_host *host,
	   uint32_t block_tokens, char *text, aibrix_config_fault *fault)
{
	aibrix_conn_opts opts = {
		.size = sizeof(opts),
		.block_tokens = block_tokens,
		.space = c->pub.l2_namespace,
		.head_first = host->head_first,
		.head_last = host->head_last,
		.layer_first = host->layer_first,
		.layer_last = host->layer_last,
		.layout = host->layout,
		.builder = c->pub.l2_key_builder == AIBRIX_CONFIG_KEY_SIMPLE
				   ? AIBRIX_CONN_SIMPLE
				   : AIBRIX_CONN_ROLLING,
		.flags = c->pub.token_validation ? AIBRIX_CONN_EXTENDED : 0};
	uint64_t n;

	if (aibrix_conn_id(&opts, text, AIBRIX_CONN_ID_MAX + 1, &n) ==
	    AIBRIX_OK)
		return AIBRIX_OK;
	opts.space = "x";
	if (aibrix_conn_id(&opts, text, AIBRIX_CONN_ID_MAX + 1, &n) ==
	    AIBRIX_OK)
		return FAULT(fault, AIBRIX_CONFIG_BAD_TEXT, l2_namespace);
	return AIBRIX_E_INVAL; /* the host's numbers */
}

/* offset: the path's; the path must be one. */
static int
path_check(const char *path, size_t offset, aibrix_config_fault *fault)
{
	if (!path[0])
		return fault_put(fault, AIBRIX_CONFIG_NO_PATH, offset);
	if (path[0] == '~')
		return fault_put(fault, AIBRIX_CONFIG_NO_HOME, offset);
	return AIBRIX_OK;
}

static int
shfs_fill(struct config *c, aibrix_store_opts *opts, aibrix_config_fault *fault)
{
	c->shfs = (aibrix_shfs_opts){.size = sizeof(c->shfs),
				     .conn_id = c->conn_id};
	if (compat_is(c) && opts->capacity_bytes == 0)
		c->shfs.flags = AIBRIX_SHFS_KEEP;
	opts->backend = AIBRIX_BACKEND_SHFS;
	opts->path = c->pub.shfs_root;
	opts->backend_opts = &c->shfs;
	return path_check(opts->path, offsetof(aibrix_config, shfs_root),
			  fault);
}

/* Settings of RocksDB that ours has no place for. */
static int
rocksdb_check(const struct config *c, aibrix_config_fault *fault)
{
	const aibrix_config *p = &c->pub;

	if (p->rocksdb_target_file_bytes != TARGET_FILE)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION,
			     rocksdb_target_file_bytes);
	if (p->rocksdb_write_buffers != WRITE_BUFFERS)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION,
			     rocksdb_write_buffers);
	if (p->rocksdb_wal_bytes != WAL)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, rocksdb_wal_bytes);
	if (compat_is(c)
		    ? p->rocksdb_ttl_s <= 0 || p->rocksdb_ttl_s > UINT32_MAX
		    : p->rocksdb_ttl_s != TTL_DEFAULT_S)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, rocksdb_ttl_s);
	if (p->rocksdb_jobs <= 0 || p->rocksdb_jobs > JOBS_MAX)
		return FAULT(fault, AIBRIX_CONFIG_RANGE, rocksdb_jobs);
	if (p->rocksdb_write_buffer_bytes < BUFFER_MIN ||
	    p->rocksdb_write_buffer_bytes > BUFFER_MAX)
		return FAULT(fault, AIBRIX_CONFIG_RANGE,
			     rocksdb_write_buffer_bytes);
	return AIBRIX_OK;
}

static int
rocksdb_fill(struct config *c, const aibrix_config_host *host,
	     aibrix_store_opts *opts, aibrix_config_fault *fault)
{
	const aibrix_config *p = &c->pub;
	const int jobs = asked(c, offsetof(aibrix_config, rocksdb_jobs));
	int err = rocksdb_check(c, fault);

	if (err)
		return err;
	if (!host->rocksdb)
		return FAULT(fault, AIBRIX_CONFIG_NO_TABLE, l2_backend);
	c->rocksdb = (aibrix_rocksdb_opts){
		.size = sizeof(c->rocksdb),
		.flags = compat_is(c) ? AIBRIX_ROCKSDB_COMPAT : 0,
		.conn_id = c->conn_id,
		.ttl_s = compat_is(c) ? (uint32_t)p->rocksdb_ttl_s : 0,
		.jobs = jobs ? (uint32_t)p->rocksdb_jobs : 0,
		.buffer_bytes = (uint64_t)p->rocksdb_write_buffer_bytes};
	opts->backend = AIBRIX_BACKEND_USER;
	opts->user = host->rocksdb;
	opts->path = p->rocksdb_root;
	opts->backend_opts = &c->rocksdb;
	return path_check(opts->path, offsetof(aibrix_config, rocksdb_root),
			  fault);
}

/* The URL is given, or it is where AIBrix keeps its metadata. */
static int
resp_address(struct config *c, aibrix_store_opts *opts,
	     aibrix_config_fault *fault)
{
	const aibrix_config *p = &c->pub;

	opts->path = p->resp_url;
	if (!p->meta_redis)
		return p->resp_url[0]
			       ? AIBRIX_OK
			       : FAULT(fault, AIBRIX_CONFIG_NO_URL, resp_url);
	if (p->resp_url[0]) /* one or the other */
		return FAULT(fault, AIBRIX_CONFIG_TWICE, resp_url);
	opts->path = p->meta_url;
	c->resp.meta_key = p->meta_key;
	if (!p->meta_url[0])
		return FAULT(fault, AIBRIX_CONFIG_NO_URL, meta_url);
	if (!p->meta_key[0])
		return FAULT(fault, AIBRIX_CONFIG_NO_PATH, meta_key);
	if (p->meta_refresh_s <= 0) /* there: no member is ever found */
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, meta_refresh_s);
	if (p->meta_refresh_s > INT32_MAX)
		return FAULT(fault, AIBRIX_CONFIG_RANGE, meta_refresh_s);
	c->resp.meta_ns = (uint64_t)p->meta_refresh_s * SECOND_NS;
	return AIBRIX_OK;
}

static int
resp_fill(struct config *c, const aibrix_config_host *host,
	  aibrix_store_opts *opts, aibrix_config_fault *fault)
{
	const int64_t workers = c->pub.l2_workers;
	const size_t n = strlen(c->conn_id);

	if (workers <= 0)
		return FAULT(fault, AIBRIX_CONFIG_RANGE, l2_workers);
	c->resp = (aibrix_resp_opts){.size = sizeof(c->resp),
				     .stream = host->stream};
	c->resp.connections =
		workers < CONNECTIONS_MAX ? (uint32_t)workers : CONNECTIONS_MAX;
	if (compat_is(c)) {
		c->resp.key_text = AIBRIX_RESP_HEX;
		c->resp.suffix = c->conn_id;
	} else {
		memcpy(c->prefix, c->conn_id, n);
		memcpy(c->prefix + n, ":", 2);
		c->resp.prefix = c->prefix;
	}
	opts->backend = AIBRIX_BACKEND_RESP;
	opts->backend_opts = &c->resp;
	return resp_address(c, opts, fault);
}

/* MOCK's features stand for hardware, and NOOP forgets what it is given. */
static int
mock_fill(const struct config *c, aibrix_store_opts *opts,
	  aibrix_config_fault *fault)
{
	const aibrix_config *p = &c->pub;

	opts->backend = AIBRIX_BACKEND_MEM;
	if (p->mock_rdma)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, mock_rdma);
	if (p->mock_mput_mget)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, mock_mput_mget);
	if (p->mock_gdr_put)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, mock_gdr_put);
	if (p->mock_gdr_get)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, mock_gdr_get);
	if (p->mock_noop)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, mock_noop);
	return AIBRIX_OK;
}

static int
store_fill(struct config *c, const aibrix_config_host *host,
	   aibrix_store_opts *opts, aibrix_config_fault *fault)
{
	const uint32_t backend = c->pub.l2_backend;

	switch (backend) {
	case AIBRIX_CONFIG_L2_NONE: return AIBRIX_E_NOT_FOUND;
	case AIBRIX_CONFIG_L2_MOCK:
	case AIBRIX_CONFIG_L2_ROCKSDB:
	case AIBRIX_CONFIG_L2_SHFS:
	case AIBRIX_CONFIG_L2_FILE:
	case AIBRIX_CONFIG_L2_RESP: break;
	default: return FAULT(fault, AIBRIX_CONFIG_NO_BACKEND, l2_backend);
	}
	if (c->pub.meta_redis && backend != AIBRIX_CONFIG_L2_RESP)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, meta_redis);
	if (c->pub.l2_compression[0] && !compat_is(c))
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, l2_compression);
	switch (backend) {
	case AIBRIX_CONFIG_L2_SHFS: return shfs_fill(c, opts, fault);
	case AIBRIX_CONFIG_L2_ROCKSDB:
		return rocksdb_fill(c, host, opts, fault);
	case AIBRIX_CONFIG_L2_RESP: return resp_fill(c, host, opts, fault);
	case AIBRIX_CONFIG_L2_FILE:
		opts->backend = AIBRIX_BACKEND_FILE;
		opts->path = c->pub.file_path;
		return path_check(opts->path,
				  offsetof(aibrix_config, file_path), fault);
	default: return mock_fill(c, opts, fault);
	}
}

static int
host_load(aibrix_config_host *dst, const aibrix_config_host *src)
{
	return aibrix__struct_load(dst, sizeof(*dst), src,
				   STRUCT_UPTO(aibrix_config_host, stream));
}

int
aibrix_config_store(aibrix_config *config, const aibrix_config_host *host,
		    aibrix_store_opts *out, aibrix_config_fault *fault)
{
	struct config *c = (struct config *)config;
	aibrix_store_opts opts = {.size = sizeof(opts)};
	aibrix_config_plan plan;
	aibrix_config_host h;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = plan_of(config, host, &plan);
	if (!err)
		err = host_load(&h, host);
	if (!err)
		err = conn_write(c, &h, compat_is(c) ? plan.block_tokens : 0,
				 c->conn_id, fault);
	if (err)
		return err;
	opts.value_bytes = plan.value_bytes;
	opts.capacity_bytes = config->l2_capacity_bytes;
	err = store_fill(c, &h, &opts, fault);
	if (err)
		return err;
	return options_give(out, &opts, sizeof(opts),
			    STRUCT_UPTO(aibrix_store_opts, alloc));
}

/* What gets into L2, and how much may wait for it. */
static void
ingest_fill(const struct config *c, const aibrix_config_plan *plan,
	    aibrix_cache_opts *opts)
{
	static const uint32_t ingest[] = {
		[AIBRIX_CONFIG_HOT] = AIBRIX_CACHE_INGEST_HOT,
		[AIBRIX_CONFIG_ALL] = AIBRIX_CACHE_INGEST_ALL,
		[AIBRIX_CONFIG_EVICTED] = AIBRIX_CACHE_INGEST_EVICTED,
	};
	const uint32_t kind = c->pub.l2_ingestion;

	/* Without L1 AIBrix writes all there is. */
	opts->ingest = c->pub.l1_enabled && kind <= AIBRIX_CONFIG_EVICTED
			       ? ingest[kind]
			       : AIBRIX_CACHE_INGEST_ALL;
	opts->write_bytes = plan->inflight_blocks * plan->block_bytes;
}

/* When L2 is asked, and for how long.  Ours decides that by what it measures,
 * unless it is told. */
static void
reading_fill(const struct config *c, const aibrix_config_plan *plan,
	     aibrix_cache_opts *opts)
{
	const aibrix_config *p = &c->pub;
	const int64_t least = p->double_get_blocks;

	/* The rule is one of the second tier: without L1 there is one only. */
	if (p->l1_enabled &&
	    asked(c, offsetof(aibrix_config, double_get_blocks))) {
		opts->min_lack_ratio = p->double_get_ratio;
		opts->min_lack_blocks = least > 0 ? (uint32_t)least : 0;
		/* More than all of them never lack. */
		if (least > UINT32_MAX || opts->min_lack_ratio > 1) {
			opts->min_lack_ratio = 1;
			opts->min_lack_blocks = UINT32_MAX;
		}
	}
	if (asked(c, offsetof(aibrix_config, l2_token_timeout_ms))) {
		opts->token_wait_ns = plan->block_wait_ns / plan->block_tokens;
		/* No time is a limit, and 0 is none. */
		if (opts->token_wait_ns == 0)
			opts->token_wait_ns = 1;
	}
}

/* What the cache cannot do. */
static int
cache_check(const struct config *c, aibrix_config_fault *fault)
{
	const aibrix_config *p = &c->pub;
	const int s3fifo = p->l1_policy == AIBRIX_EVICT_S3FIFO;

	if (!p->l1_enabled && p->l2_backend == AIBRIX_CONFIG_L2_NONE)
		return FAULT(fault, AIBRIX_CONFIG_NO_TIER, l1_enabled);
	if (p->device != AIBRIX_CONFIG_CPU)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION, device);
	if (s3fifo && p->s3fifo_promote_hits != 1)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION,
			     s3fifo_promote_hits);
	if (s3fifo && p->s3fifo_small_ratio != 0.3)
		return FAULT(fault, AIBRIX_CONFIG_NO_OPTION,
			     s3fifo_small_ratio);
	if (p->l2_op_batch <= 0 || p->l2_op_batch > INT32_MAX)
		return FAULT(fault, AIBRIX_CONFIG_RANGE, l2_op_batch);
	return AIBRIX_OK;
}

int
aibrix_config_cache(aibrix_config *config, const aibrix_config_host *host,
		    aibrix_cache_opts *out, aibrix_config_fault *fault)
{
	struct config *c = (struct config *)config;
	aibrix_cache_opts opts = {.size = sizeof(opts)};
	aibrix_config_plan plan;
	aibrix_config_host h;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = plan_of(config, host, &plan);
	if (!err)
		err = host_load(&h, host);
	if (!err)
		err = cache_check(c, fault);
	if (!err)
		err = conn_write(c, &h, plan.block_tokens, c->layout, fault);
	if (err)
		return err;
	opts.evict = config->l1_policy;
	opts.block_bytes = plan.block_bytes;
	opts.block_tokens = plan.block_tokens;
	opts.l1_bytes = config->l1_enabled ? plan.l1_bytes : plan.stage_bytes;
	if (compat_is(c))
		opts.flags = AIBRIX_CACHE_L2_RAW;
	else
		opts.layout = c->layout;
	if (config->l2_backend != AIBRIX_CONFIG_L2_NONE) {
		ingest_fill(c, &plan, &opts);
		reading_fill(c, &plan, &opts);
		/* A frame verifies more than the trailer does. */
		if (config->token_validation && compat_is(c))
			opts.trailer_tokens = h.max_model_tokens;
	}
	if (plan.max_seq_tokens != AIBRIX_FOREVER)
		opts.max_tokens = plan.max_seq_tokens;
	if (asked(c, offsetof(aibrix_config, l2_op_batch)))
		opts.l2_inflight = (uint32_t)config->l2_op_batch;
	return options_give(out, &opts, sizeof(opts),
			    STRUCT_UPTO(aibrix_cache_opts, alloc));
}
