/*
 * Values as files in a directory that many processes share.
 *
 * There is no index, no lock file and no state but the files: whatever one
 * process did, another sees with its next call.  A file holds the value and
 * nothing else, so that what AIBrix wrote can be read; integrity is up to the
 * caller's frame.
 *
 *   store_shfs.c         options, opening, the table
 *   store_shfs_name.c    keys to names, and back to what is ours
 *   store_shfs_dir.c     directories, unseen files, how they get their names
 *   store_shfs_io.c      requests
 *   store_shfs_sweep.c   quota, files that writers left behind
 *
 * Requests may be served on several threads at once: options are constant,
 * counters are atomic, the sweep has its own lock.
 */

#define _GNU_SOURCE

#include "store/store_shfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/versioned.h"
#include "store/store_key.h"
#include "store/store_slots.h"

enum {
	PATH_BYTES_MAX = 4096,
	MODE_DEFAULT = 0600,
	SWEEP_DEFAULT = 16,
	SWEEP_MAX = 4096
};

#define TOUCH_DEFAULT_NS UINT64_C(600000000000)

/* The numbers that threads have changed, where the front looks for them. */
static void
shfs_publish(void *backend)
{
	struct shfs *shfs = backend;
	int64_t values = atomic_load(&shfs->count.values);

	shfs->conf.stat->values = values > 0 ? (uint64_t)values : 0;
	shfs->conf.stat->evictions = atomic_load(&shfs->count.evictions);
	shfs->conf.stat->dropped = atomic_load(&shfs->count.orphans);
}

static void
shfs_close(void *backend)
{
	struct shfs *shfs = backend;
	const aibrix_allocator *alloc = shfs->conf.alloc;

	aibrix__queue_close(&shfs->queue);
	aibrix__shfs_sweep_close(shfs);
	if (shfs->root >= 0)
		close(shfs->root);
	aibrix__free(alloc, shfs->path, shfs->path_bytes, 1);
	aibrix__free(alloc, shfs, 1, sizeof(*shfs));
}

static int
refuse_os(const struct shfs *shfs, int os_error, const char *what)
{
	aibrix__log(shfs->conf.log, AIBRIX_LOG_ERROR, LOG_STORE_REFUSED,
		    "store %s: not opened: %s: errno %d", shfs->path, what,
		    os_error);
	return os_error == ENOENT || os_error == ENOTDIR
		       ? AIBRIX_E_DENIED
		       : aibrix__file_status(os_error);
}

/* The user's own path may lead over links; what is below may not. */
static int
root_open(struct shfs *shfs)
{
	mode_t mode = shfs->opts.mode | S_IRWXU | (shfs->opts.mode & 0444) >> 2;
	const char *conn_id = shfs->opts.conn_id;
	int root, failed;

	if (mkdirat(AT_FDCWD, shfs->path, mode) != 0 && errno != EEXIST)
		return refuse_os(shfs, errno, "mkdir");
	root = open(shfs->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return refuse_os(shfs, errno, "open");
	shfs->root = root;
	if (!conn_id)
		return AIBRIX_OK;
	failed = mkdirat(root, conn_id, mode) != 0 && errno != EEXIST;
	shfs->root = failed ? -1 : aibrix__shfs_dir(root, conn_id);
	failed = errno;
	close(root);
	return shfs->root < 0 ? refuse_os(shfs, failed, "the connection id")
			      : AIBRIX_OK;
}

static int
opts_load(const aibrix_backend_conf *conf, aibrix_shfs_opts *opts)
{
	int err = aibrix__struct_load(opts, sizeof(*opts), conf->opts,
				      STRUCT_UPTO(aibrix_shfs_opts, touch_ns));

	if (err)
		return err;
	if (opts->flags & ~(uint32_t)AIBRIX_SHFS_KEEP)
		return AIBRIX_E_ABI;
	if (opts->mode & ~0777u || opts->sweep_entries > SWEEP_MAX ||
	    (opts->conn_id && !name_check(opts->conn_id, AIBRIX_CONN_ID_MAX)))
		return AIBRIX_E_INVAL;
	if (!opts->mode)
		opts->mode = MODE_DEFAULT;
	if (!opts->sweep_entries)
		opts->sweep_entries = SWEEP_DEFAULT;
	if (!opts->touch_ns)
		opts->touch_ns = TOUCH_DEFAULT_NS;
	return AIBRIX_OK;
}

static int
shfs_open(const aibrix_backend_conf *conf, void **backend)
{
	aibrix_shfs_opts opts;
	struct shfs *shfs;
	int err;

	if (conf->flags & ~(uint32_t)AIBRIX_STORE_DURABLE)
		return AIBRIX_E_UNSUPPORTED;
	if (!conf->path || !conf->path[0] ||
	    strnlen(conf->path, PATH_BYTES_MAX) == PATH_BYTES_MAX ||
	    conf->value_bytes > INT64_MAX)
		return AIBRIX_E_INVAL;
	err = opts_load(conf, &opts);
	if (err)
		return err;
	shfs = aibrix__alloc(conf->alloc, 1, sizeof(*shfs));
	if (!shfs)
		return AIBRIX_E_NOMEM;

	shfs->conf = *conf;
	shfs->opts = opts;
	shfs->root = -1;
	shfs->sha = aibrix__sha256_select(aibrix__cpu());
	shfs->ways = SHFS_UNNAMED | SHFS_RENAME | SHFS_LINK;
	shfs->count.dirs_last = 256;
	pthread_mutex_init(&shfs->sweep.lock, NULL);
	shfs->path_bytes = strlen(conf->path) + 1;
	shfs->path = aibrix__alloc(conf->alloc, shfs->path_bytes, 1);
	err = shfs->path ? aibrix__queue_open_threads(&shfs->queue, &shfs->conf,
						      shfs, aibrix__shfs_serve,
						      shfs_publish)
			 : AIBRIX_E_NOMEM;
	if (!err) {
		memcpy(shfs->path, conf->path, shfs->path_bytes);
		err = root_open(shfs);
	}
	if (err) {
		shfs_close(shfs);
		return err;
	}
	/* Borrowed for this call only. */
	shfs->conf.path = shfs->opts.conn_id = NULL;
	shfs->conf.opts = NULL;
	conf->stat->capacity_values = conf->capacity_bytes / conf->value_bytes;
	*backend = shfs;
	return AIBRIX_OK;
}

const aibrix_backend aibrix__store_shfs = {
	.size = sizeof(aibrix__store_shfs),
	.caps = AIBRIX_CAP_LASTING | AIBRIX_CAP_SHARED | AIBRIX_CAP_BLOCKING,
	.open = shfs_open,
	.submit = aibrix__queue_submit,
	.poll = aibrix__queue_poll,
	.fd = aibrix__queue_fd,
	.cancel = aibrix__queue_cancel,
	.wake = aibrix__queue_wake,
	.close = shfs_close,
};
