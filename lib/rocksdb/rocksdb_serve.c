/*
 * Requests to a database.
 *
 * A GET copies once, from RocksDB's pinned memory.  A PUT goes through a
 * batch of pieces, so that RocksDB gathers them and no copy is made before.
 *
 * PUT keeps what is there: RocksDB writes blindly, so a PUT looks first, and
 * two PUTs of one key take turns.  For a new name a Bloom filter mostly says
 * that there is nothing to read.
 *
 * RocksDB bounds nothing.  Its own count of bytes is asked for after each
 * sixteenth of the capacity, at most 64 MiB; in between what was written is
 * added.
 */

#include "rocksdb/rocksdb_internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

#define MEASURE_MAX ((uint64_t)64 << 20)

int
aibrix__rocksdb_status(char *error, int32_t *os_error)
{
	int status = AIBRIX_E_IO;

	*os_error = EIO;
	if (strstr(error, "No space left") || strstr(error, "Disk quota") ||
	    strncmp(error, "Space limit", 11) == 0) {
		status = AIBRIX_E_FULL;
		*os_error = ENOSPC;
	} else if (strncmp(error, "Corruption", 10) == 0) {
		status = AIBRIX_E_CORRUPT;
		*os_error = 0;
	} else if (strstr(error, "Permission denied") ||
		   strstr(error, "Read-only")) {
		status = AIBRIX_E_DENIED;
		*os_error = EACCES;
	} else if (strncmp(error, "Busy", 4) == 0 ||
		   strncmp(error, "Shutdown", 8) == 0) {
		status = AIBRIX_E_UNAVAILABLE;
		*os_error = 0;
	}
	rocksdb_free(error);
	return status;
}

static void
done_error(const struct db *db, aibrix_done *done, char *error,
	   const char *what)
{
	aibrix__log(db->conf.log, AIBRIX_LOG_ERROR, LOG_STORE_IO,
		    "store %s: %s: %s", db->path, what, error);
	done->status = aibrix__rocksdb_status(error, &done->os_error);
}

static uint64_t
property(const struct db *db, const char *name)
{
	uint64_t n = 0;

	return rocksdb_property_int(db->rocks, name, &n) ? 0 : n;
}

void
aibrix__rocksdb_measure(struct db *db)
{
	atomic_store(&db->written_bytes, 0);
	atomic_store(&db->known_bytes,
		     property(db, "rocksdb.total-sst-files-size") +
			     property(db, "rocksdb.total-blob-file-size") +
			     property(db, "rocksdb.cur-size-all-mem-tables"));
	atomic_store(&db->known_values,
		     property(db, "rocksdb.estimate-num-keys"));
}

static int
is_full(struct db *db, uint64_t bytes)
{
	uint64_t capacity = db->conf.capacity_bytes;
	uint64_t piece =
		capacity / 16 < MEASURE_MAX ? capacity / 16 : MEASURE_MAX;

	if (atomic_load(&db->written_bytes) >= piece)
		aibrix__rocksdb_measure(db);
	return atomic_load(&db->known_bytes) + atomic_load(&db->written_bytes) +
		       bytes >
	       capacity;
}

/* The value pinned, or NULL; *failed says whether that is an error. */
static rocksdb_pinnableslice_t *
value_pin(const struct db *db, const aibrix_io *io, aibrix_done *done,
	  int *failed)
{
	rocksdb_pinnableslice_t *value;
	char *error = NULL;

	value = rocksdb_get_pinned(db->rocks, db->read, io->key, io->key_bytes,
				   &error);
	*failed = error != NULL;
	if (error)
		done_error(db, done, error, "reading");
	return value;
}

static void
db_get(const struct db *db, const aibrix_io *io, aibrix_done *done)
{
	int failed;
	rocksdb_pinnableslice_t *value = value_pin(db, io, done, &failed);
	const char *bytes;
	size_t n = 0;

	if (failed)
		return;
	if (!value) {
		done->status = AIBRIX_E_NOT_FOUND;
		return;
	}
	bytes = rocksdb_pinnableslice_value(value, &n);
	done->bytes = n;
	if (io->op == AIBRIX_STORE_GET && n > io_bytes(io))
		done->status = AIBRIX_E_SPACE;
	else if (io->op == AIBRIX_STORE_GET)
		io_scatter(io, bytes, n);
	rocksdb_pinnableslice_destroy(value);
}

/* 1: something is there; 0: nothing, or done says what went wrong. */
static int
is_there(const struct db *db, const aibrix_io *io, aibrix_done *done)
{
	rocksdb_pinnableslice_t *value;
	int failed;

	if (!rocksdb_key_may_exist(db->rocks, db->read, io->key, io->key_bytes,
				   NULL, NULL, NULL, 0, NULL))
		return 0;
	value = value_pin(db, io, done, &failed);
	if (!value)
		return 0;
	rocksdb_pinnableslice_destroy(value);
	return 1;
}

static void
value_write(struct db *db, const aibrix_io *io, uint64_t bytes,
	    aibrix_done *done)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	const char *key = io->key, *pieces[AIBRIX_STORE_IOV_MAX];
	size_t key_bytes = io->key_bytes, sizes[AIBRIX_STORE_IOV_MAX];
	char *error = NULL;

	for (uint32_t i = 0; i < io->n_iov; i++) {
		pieces[i] = io->iov[i].bytes ? io->iov[i].base : "";
		sizes[i] = io->iov[i].bytes;
	}
	rocksdb_writebatch_putv(batch, 1, &key, &key_bytes, (int)io->n_iov,
				pieces, sizes);
	rocksdb_write(db->rocks, db->write, batch, &error);
	rocksdb_writebatch_destroy(batch);
	if (error) {
		done_error(db, done, error, "writing");
		return;
	}
	done->bytes = bytes;
	atomic_fetch_add(&db->written_bytes, bytes + key_bytes);
	atomic_fetch_add(&db->known_values, 1);
}

static void
db_put(struct db *db, const aibrix_io *io, aibrix_done *done)
{
	uint64_t bytes = io_bytes(io);

	if (is_there(db, io, done))
		done->flags = AIBRIX_DONE_EXISTED;
	else if (done->status)
		return;
	else if (bytes > db->conf.value_bytes)
		done->status = AIBRIX_E_INVAL;
	else if (is_full(db, bytes))
		done->status = AIBRIX_E_FULL;
	else
		value_write(db, io, bytes, done);
}

static void
db_delete(struct db *db, const aibrix_io *io, aibrix_done *done)
{
	char *error = NULL;

	if (!is_there(db, io, done)) {
		if (!done->status)
			done->status = AIBRIX_E_NOT_FOUND;
		return;
	}
	rocksdb_delete(db->rocks, db->write, io->key, io->key_bytes, &error);
	if (error)
		done_error(db, done, error, "deleting");
	else if (atomic_load(&db->known_values))
		atomic_fetch_sub(&db->known_values, 1);
}

static pthread_mutex_t *
stripe_of(struct db *db, const aibrix_io *io)
{
	const uint8_t *key = io->key;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < io->key_bytes; i++)
		sum = sum * 31 + key[i];
	return &db->stripes[(sum ^ sum >> 16) % DB_STRIPES];
}

void
aibrix__rocksdb_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct db *db = backend;
	pthread_mutex_t *stripe;

	done->status = AIBRIX_OK;
	if (io->op == AIBRIX_STORE_GET || io->op == AIBRIX_STORE_PROBE) {
		db_get(db, io, done);
		return;
	}
	stripe = stripe_of(db, io);
	pthread_mutex_lock(stripe);
	if (io->op == AIBRIX_STORE_PUT)
		db_put(db, io, done);
	else
		db_delete(db, io, done);
	pthread_mutex_unlock(stripe);
}
