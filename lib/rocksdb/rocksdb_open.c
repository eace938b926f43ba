/*
 * How a database is set up.
 *
 * Blocks of a KV cache are large, written once, and do not compress.  In a
 * tree of tables each of them would be rewritten several times as tables are
 * merged; RocksDB's blob files keep values above 16 KiB beside the tables, so
 * that merging moves names alone.  What is deleted is reclaimed blob file by
 * blob file.
 *
 *   log           off: a cache may lose what was written last; DURABLE: on
 *   block cache   not filled by reads: L1 is the memory
 *   reads         direct, past the page cache, unless BUFFERED
 *   checksums     verified with each read
 *
 * COMPAT sets what AIBrix's connector sets (l2/connectors/rocksdb.py), and
 * opens with a time to live, because the values of such a database have a
 * time behind them.
 */

#define _DEFAULT_SOURCE

#include "rocksdb/rocksdb_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

enum {
	MIN_BLOB = 16 << 10,
	BLOB_FILE = 1 << 30,
	TABLE_FILE = 64 << 20,
	BUFFERS = 3,
	LOG_BYTES = 128 << 20,
	FILES_OPEN = 512,
	LOGS_KEPT = 2,
	LEVEL_WARN = 2
};

static void
options_compat(struct db *db)
{
	rocksdb_options_set_target_file_size_base(db->options, TABLE_FILE);
	rocksdb_options_set_max_total_wal_size(db->options, LOG_BYTES);
}

static void
options_blob(struct db *db)
{
	rocksdb_options_set_enable_blob_files(db->options, 1);
	rocksdb_options_set_min_blob_size(db->options, MIN_BLOB);
	rocksdb_options_set_blob_file_size(db->options, BLOB_FILE);
	rocksdb_options_set_blob_compression_type(db->options,
						  rocksdb_no_compression);
	rocksdb_options_set_enable_blob_gc(db->options, 1);
	rocksdb_options_set_compression(db->options, rocksdb_no_compression);
}

/* Names of values that are not there are told without a read. */
static void
options_table(struct db *db)
{
	rocksdb_block_based_options_set_filter_policy(
		db->table, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_options_set_block_based_table_factory(db->options, db->table);
}

static void
options_fill(struct db *db)
{
	int direct = !(db->conf.flags & AIBRIX_STORE_BUFFERED);
	int durable = (db->conf.flags & AIBRIX_STORE_DURABLE) != 0;
	int compat = (db->opts.flags & AIBRIX_ROCKSDB_COMPAT) != 0;
	rocksdb_options_t *o = db->options;

	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_info_log_level(o, LEVEL_WARN);
	rocksdb_options_set_keep_log_file_num(o, LOGS_KEPT);
	rocksdb_options_set_max_open_files(o, FILES_OPEN);
	rocksdb_options_set_write_buffer_size(o, db->opts.buffer_bytes);
	rocksdb_options_set_max_write_buffer_number(o, BUFFERS);
	rocksdb_options_set_max_background_jobs(o, (int)db->opts.jobs);
	rocksdb_options_set_use_direct_reads(o, (unsigned char)direct);
	rocksdb_options_set_use_direct_io_for_flush_and_compaction(
		o, (unsigned char)direct);
	options_table(db);
	if (compat)
		options_compat(db);
	else
		options_blob(db);
	rocksdb_readoptions_set_verify_checksums(db->read, 1);
	rocksdb_readoptions_set_fill_cache(db->read, 0);
	rocksdb_writeoptions_disable_WAL(db->write, !durable && !compat);
	rocksdb_writeoptions_set_sync(db->write, (unsigned char)durable);
}

/* <path>/wal and <path>/db, where AIBrix has the log and the messages. */
static int
options_folders(struct db *db)
{
	size_t n = db->path_bytes + 4;
	char *folder = aibrix__alloc(db->conf.alloc, n, 1);

	if (!folder)
		return AIBRIX_E_NOMEM;
	memcpy(folder, db->path, db->path_bytes - 1);
	memcpy(folder + db->path_bytes - 1, "/wal", 5);
	rocksdb_options_set_wal_dir(db->options, folder);
	memcpy(folder + db->path_bytes - 1, "/db", 4);
	rocksdb_options_set_db_log_dir(db->options, folder);
	aibrix__free(db->conf.alloc, folder, n, 1);
	return AIBRIX_OK;
}

static int
refuse(const struct db *db, int status, const char *why)
{
	aibrix__log(db->conf.log, AIBRIX_LOG_ERROR, LOG_STORE_REFUSED,
		    "store %s: not opened: %s", db->path, why);
	return status;
}

/* A lock file that is taken is how RocksDB says that another has it open. */
static int
refuse_error(const struct db *db, char *error)
{
	int32_t os_error;
	int busy = strstr(error, "lock") != NULL;
	int other = strncmp(error, "Invalid argument", 16) == 0;
	int status;

	refuse(db, 0, error);
	status = aibrix__rocksdb_status(error, &os_error);
	return busy ? AIBRIX_E_BUSY : other ? AIBRIX_E_STATE : status;
}

/* RocksDB would make it too, open to everybody. */
static int
folder_make(const struct db *db)
{
	if (mkdir(db->path, S_IRWXU) == 0 || errno == EEXIST)
		return AIBRIX_OK;
	return refuse(db, AIBRIX_E_DENIED, "no such directory, or no right");
}

int
aibrix__rocksdb_open(struct db *db)
{
	int compat = (db->opts.flags & AIBRIX_ROCKSDB_COMPAT) != 0;
	int status = folder_make(db);
	char *error = NULL;

	if (status)
		return status;
	db->options = rocksdb_options_create();
	db->table = rocksdb_block_based_options_create();
	db->read = rocksdb_readoptions_create();
	db->write = rocksdb_writeoptions_create();
	options_fill(db);
	status = compat ? options_folders(db) : AIBRIX_OK;
	if (status)
		return status;
	db->rocks = compat ? rocksdb_open_with_ttl(db->options, db->path,
						   (int)db->opts.ttl_s, &error)
			   : rocksdb_open(db->options, db->path, &error);
	if (error) {
		db->rocks = NULL;
		return refuse_error(db, error);
	}
	aibrix__rocksdb_measure(db);
	return AIBRIX_OK;
}

/* Closing waits for RocksDB's threads, which a forked child has not: what is
 * there of the database is left behind. */
void
aibrix__rocksdb_close(struct db *db)
{
	if (db->owner != getpid())
		return;
	if (db->rocks)
		rocksdb_close(db->rocks);
	if (!db->options)
		return;
	rocksdb_writeoptions_destroy(db->write);
	rocksdb_readoptions_destroy(db->read);
	rocksdb_block_based_options_destroy(db->table);
	rocksdb_options_destroy(db->options);
}
