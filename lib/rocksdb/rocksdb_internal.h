/* A database and what is asked of it. */
#ifndef ROCKSDB_ROCKSDB_INTERNAL_H
#define ROCKSDB_ROCKSDB_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <aibrix/rocksdb.h>
#include <rocksdb/c.h>

#include "store/store_queue.h"

/* PUTs of one key take turns; so many different ones do not. */
enum { DB_STRIPES = 16 };

struct db {
	struct queue queue; /* first: store_queue.h */
	aibrix_backend_conf conf;
	aibrix_rocksdb_opts opts;
	char *path; /* of the database */
	size_t path_bytes;
	rocksdb_t *rocks;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *write;
	long owner; /* the process: a child has none of RocksDB's threads */
	/* What RocksDB said last, and what was written since. */
	_Atomic uint64_t known_bytes, known_values, written_bytes;
	pthread_mutex_t stripes[DB_STRIPES];
};

/* What an error text of RocksDB means; frees it. */
int aibrix__rocksdb_status(char *error, int32_t *os_error);

/* Options and database; on failure aibrix__rocksdb_close gives back what is
 * there. */
int aibrix__rocksdb_open(struct db *db);
void aibrix__rocksdb_close(struct db *db);

/*
 * A queue_serve.
 *
 * Thread: shared.
 */
void aibrix__rocksdb_serve(void *backend, const aibrix_io *io,
			   aibrix_done *done);

/* Ask RocksDB how much there is. */
void aibrix__rocksdb_measure(struct db *db);

#endif
