/*
 * Values in RocksDB: libaibrix-rocksdb.so.
 *
 *   opts.backend = AIBRIX_BACKEND_USER;
 *   opts.user = aibrix_rocksdb_backend();
 *   opts.path = "/nvme/kv";                      // an existing directory
 *   opts.backend_opts = &(aibrix_rocksdb_opts){.size = ..., .conn_id = ...};
 *
 * For reading what AIBrix's RocksDB connector wrote, and for machines where
 * a database is what there is; the slot file is the faster local store.
 * The database is <path>/<conn_id>, keys are the bytes of the key, one
 * process at a time.
 *
 * RocksDB runs threads of its own.  After fork a child must free nothing of
 * the database; aibrix_store_free there leaves it alone.
 */
#ifndef AIBRIX_ROCKSDB_H
#define AIBRIX_ROCKSDB_H

#include <aibrix/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	/* Settings and folders of AIBrix's connector, for its databases:
	   values in the tables themselves, each with the time of its PUT
	   behind it.  A database is opened with this flag always or never. */
	AIBRIX_ROCKSDB_COMPAT = 1
};

typedef struct aibrix_rocksdb_opts {
	uint32_t size;
	uint32_t flags; /* AIBRIX_ROCKSDB_* */
	/* Below path, as namespaces of key_text.h; NULL: path itself. */
	const char *conn_id;
	/* COMPAT: values older than this go when tables are merged; 0: 600 s.
	   Else must be 0. */
	uint32_t ttl_s;
	uint32_t jobs; /* threads of RocksDB; 0: 2, COMPAT: 8 */
	uint64_t buffer_bytes; /* each of three for writing; 0: 64 MiB */
} aibrix_rocksdb_opts;

/*
 * The table.  capacity_bytes is a limit: above it, by RocksDB's own count, a
 * PUT is E_FULL.  Flags: AIBRIX_STORE_DURABLE (log on, synced with each PUT),
 * AIBRIX_STORE_BUFFERED (read through the page cache).
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API const aibrix_backend *aibrix_rocksdb_backend(void);

#ifdef __cplusplus
}
#endif

#endif
