/*
 * RocksDB as a backend: options from outside, and the table.
 *
 * A library of its own, so that the core links libc alone.  It brings the
 * queue of blocking backends with it, compiled in again, and no way of
 * serving requests of its own.
 */

#include "rocksdb/rocksdb_internal.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/versioned.h"
#include "store/store_key.h"

enum { PATH_BYTES_MAX = 4096, JOBS_MAX = 64, TTL_MAX_S = INT32_MAX };

#define BUFFER_MIN ((uint64_t)64 << 10)
#define BUFFER_MAX ((uint64_t)8 << 30)
#define BUFFER_DEFAULT ((uint64_t)64 << 20)

static void
db_publish(void *backend)
{
	const struct db *db = backend;

	db->conf.stat->values = atomic_load(&db->known_values);
}

static void
db_close(void *backend)
{
	struct db *db = backend;
	const aibrix_allocator *alloc = db->conf.alloc;

	aibrix__queue_close(&db->queue);
	aibrix__rocksdb_close(db);
	for (uint32_t i = 0; i < DB_STRIPES; i++)
		pthread_mutex_destroy(&db->stripes[i]);
	aibrix__free(alloc, db->path, db->path_bytes, 1);
	aibrix__free(alloc, db, 1, sizeof(*db));
}

static int
opts_load(const aibrix_backend_conf *conf, aibrix_rocksdb_opts *opts)
{
	int err = aibrix__struct_load(
		opts, sizeof(*opts), conf->opts,
		STRUCT_UPTO(aibrix_rocksdb_opts, buffer_bytes));
	int compat;

	if (err)
		return err;
	if (opts->flags & ~(uint32_t)AIBRIX_ROCKSDB_COMPAT)
		return AIBRIX_E_ABI;
	compat = opts->flags & AIBRIX_ROCKSDB_COMPAT;
	if (opts->ttl_s > TTL_MAX_S || (opts->ttl_s && !compat) ||
	    opts->jobs > JOBS_MAX ||
	    (opts->buffer_bytes && (opts->buffer_bytes < BUFFER_MIN ||
				    opts->buffer_bytes > BUFFER_MAX)) ||
	    (opts->conn_id && !name_check(opts->conn_id, AIBRIX_CONN_ID_MAX)))
		return AIBRIX_E_INVAL;
	if (!opts->ttl_s)
		opts->ttl_s = 600;
	if (!opts->jobs)
		opts->jobs = compat ? 8 : 2;
	if (!opts->buffer_bytes)
		opts->buffer_bytes = BUFFER_DEFAULT;
	return AIBRIX_OK;
}

/* <path>/<conn_id> */
static int
path_build(struct db *db, const char *path, const char *conn_id)
{
	size_t root = strlen(path), leaf = conn_id ? strlen(conn_id) + 1 : 0;

	db->path_bytes = root + leaf + 1;
	db->path = aibrix__alloc(db->conf.alloc, db->path_bytes, 1);
	if (!db->path)
		return AIBRIX_E_NOMEM;
	memcpy(db->path, path, root);
	if (conn_id) {
		db->path[root] = '/';
		memcpy(db->path + root + 1, conn_id, leaf);
	}
	return AIBRIX_OK;
}

static int
db_open(const aibrix_backend_conf *conf, void **backend)
{
	aibrix_rocksdb_opts opts;
	struct db *db;
	int err;

	if (conf->flags &
	    ~(uint32_t)(AIBRIX_STORE_DURABLE | AIBRIX_STORE_BUFFERED))
		return AIBRIX_E_UNSUPPORTED;
	if (!conf->path || !conf->path[0] ||
	    strnlen(conf->path, PATH_BYTES_MAX) == PATH_BYTES_MAX ||
	    conf->value_bytes > UINT32_MAX)
		return AIBRIX_E_INVAL; /* RocksDB's own limit is 4 GiB */
	err = opts_load(conf, &opts);
	if (err)
		return err;
	db = aibrix__alloc(conf->alloc, 1, sizeof(*db));
	if (!db)
		return AIBRIX_E_NOMEM;

	db->conf = *conf;
	db->opts = opts;
	db->owner = getpid();
	for (uint32_t i = 0; i < DB_STRIPES; i++)
		pthread_mutex_init(&db->stripes[i], NULL);
	err = path_build(db, conf->path, opts.conn_id);
	if (!err)
		err = aibrix__queue_open_threads(&db->queue, &db->conf, db,
						 aibrix__rocksdb_serve,
						 db_publish);
	if (!err)
		err = aibrix__rocksdb_open(db);
	if (err) {
		db_close(db);
		return err;
	}
	/* Borrowed for this call only. */
	db->conf.path = db->opts.conn_id = NULL;
	db->conf.opts = NULL;
	/* The limit is one of bytes, and small values are many: no number is
	   the capacity. */
	conf->stat->recovered = atomic_load(&db->known_values);
	*backend = db;
	return AIBRIX_OK;
}

static const aibrix_backend table = {
	.size = sizeof(table),
	.caps = AIBRIX_CAP_LASTING | AIBRIX_CAP_BLOCKING,
	.open = db_open,
	.submit = aibrix__queue_submit,
	.poll = aibrix__queue_poll,
	.close = db_close,
	.fd = aibrix__queue_fd,
	.cancel = aibrix__queue_cancel,
	.wake = aibrix__queue_wake,
};

const aibrix_backend *
aibrix_rocksdb_backend(void)
{
	return &table;
}
