/*
 * What is done with one request.
 *
 *   PUT   room, unseen file, write [fdatasync], name it [fsync directory]
 *   GET   open, fstat, read all, fstat again
 *
 * A file never changes once it has its name, so a reader needs no lock; that
 * it did not change is checked all the same, because AIBrix's writers share
 * one temporary name and may give a file its name while another of them still
 * writes to it.
 */

#define _GNU_SOURCE

#include "store/store_shfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/store_slots.h"

/* The server or its disk is not there: as a connection that broke.  A name
 * that stands for something else than a file is no value. */
static int
status_of(int os_error)
{
	switch (os_error) {
	case ENOENT: return AIBRIX_E_NOT_FOUND;
	case ELOOP:
	case ENOTDIR:
	case EISDIR:
	case ENXIO: return AIBRIX_E_CORRUPT;
	case EIO:
	case ESTALE:
	case ENODEV:
	case ENOTCONN:
	case EHOSTDOWN: return AIBRIX_E_CLOSED;
	case ETIMEDOUT: return AIBRIX_E_TIMEOUT;
	case EAGAIN:
	case EMFILE:
	case ENFILE: return AIBRIX_E_UNAVAILABLE;
	case EFBIG: return AIBRIX_E_INVAL;
	default: return aibrix__file_status(os_error);
	}
}

static void
done_os(aibrix_done *done, int os_error)
{
	done->status = status_of(os_error);
	done->os_error = os_error > 0 && os_error != ENOENT ? os_error : 0;
}

static void
fault_log(const struct shfs *shfs, int os_error, const char *what)
{
	int full = status_of(os_error) == AIBRIX_E_FULL;

	aibrix__log(shfs->conf.log, full ? AIBRIX_LOG_WARN : AIBRIX_LOG_ERROR,
		    full ? LOG_STORE_FULL : LOG_STORE_IO,
		    "store %s: %s: errno %d", shfs->path, what, os_error);
}

/* The first bytes of io's memory. */
static uint32_t
iov_fill(struct iovec *iov, const aibrix_io *io, uint64_t bytes)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < io->n_iov && bytes; i++) {
		size_t some = io->iov[i].bytes;

		if (some > bytes)
			some = bytes;
		iov[n++] = (struct iovec){io->iov[i].base, some};
		bytes -= some;
	}
	return n;
}

static int
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Only its owner may mark a file as used; for others the kernel does, once a
 * day, where it is mounted so. */
static void
value_touch(const struct shfs *shfs, int fd, const struct stat *st)
{
	static const struct timespec times[2] = {{0, UTIME_NOW},
						 {0, UTIME_OMIT}};
	int64_t age = aibrix__shfs_now() - aibrix__shfs_used(st);

	if (age > 0 && (uint64_t)age >= shfs->opts.touch_ns)
		(void)!futimens(fd, times);
}

static void
value_read(struct shfs *shfs, const aibrix_io *io, int fd, aibrix_done *done)
{
	struct iovec iov[AIBRIX_STORE_IOV_MAX];
	struct stat before, after;
	int failed;

	if (fstat(fd, &before) != 0) {
		done_os(done, errno);
		return;
	}
	if (!S_ISREG(before.st_mode)) {
		done->status = AIBRIX_E_CORRUPT;
		return;
	}
	done->bytes = (uint64_t)before.st_size;
	if (done->bytes > io_bytes(io)) {
		done->status = AIBRIX_E_SPACE;
		return;
	}
	failed = aibrix__file_read(fd, iov, iov_fill(iov, io, done->bytes), 0);
	if (!failed && fstat(fd, &after) != 0)
		failed = errno;
	if (failed)
		done_os(done, failed); /* E_CORRUPT when it has become short */
	else if (!is_same(&before, &after))
		done->status = AIBRIX_E_CORRUPT;
	else
		value_touch(shfs, fd, &before);
}

static void
shfs_get(struct shfs *shfs, const aibrix_io *io, int leaf, const char *name,
	 aibrix_done *done)
{
	int fd = openat(leaf, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC);

	if (fd < 0) {
		done_os(done, errno);
		return;
	}
	value_read(shfs, io, fd, done);
	close(fd);
}

static void
shfs_probe(int leaf, const char *name, aibrix_done *done)
{
	struct stat st;

	if (fstatat(leaf, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		done_os(done, errno);
	else if (!S_ISREG(st.st_mode))
		done->status = AIBRIX_E_CORRUPT;
	else
		done->bytes = (uint64_t)st.st_size;
}

static void
shfs_delete(struct shfs *shfs, int leaf, const char *name, aibrix_done *done)
{
	struct stat st;

	if (fstatat(leaf, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    unlinkat(leaf, name, 0) != 0) {
		done_os(done, errno);
		return;
	}
	if (S_ISREG(st.st_mode))
		aibrix__shfs_account(shfs, -1, -(int64_t)st.st_size);
}

static int
sync_dir(const struct shfs *shfs, int leaf)
{
	if (!(shfs->conf.flags & AIBRIX_STORE_DURABLE) || fsync(leaf) == 0)
		return 0;
	return errno;
}

/* Somebody else's value: whole, and as durable as ours would be. */
static int
value_keep(const struct shfs *shfs, int leaf, const char *name)
{
	struct stat st;
	int fd = openat(leaf, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC);
	int failed = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) != 0)
		failed = errno;
	else if (!S_ISREG(st.st_mode))
		failed = ENXIO;
	else if (shfs->conf.flags & AIBRIX_STORE_DURABLE && fdatasync(fd) != 0)
		failed = errno;
	else
		value_touch(shfs, fd, &st);
	close(fd);
	return failed ? failed : sync_dir(shfs, leaf);
}

/* 0, errno, or what publishing says. */
static int
value_write(struct shfs *shfs, const aibrix_io *io, uint64_t bytes, int leaf,
	    const char *name)
{
	struct iovec iov[AIBRIX_STORE_IOV_MAX];
	struct shfs_temp temp;
	int failed = aibrix__shfs_temp_open(shfs, leaf, &temp);

	if (failed)
		return failed;
	failed = aibrix__file_write(temp.fd, iov, iov_fill(iov, io, bytes), 0);
	if (!failed && shfs->conf.flags & AIBRIX_STORE_DURABLE &&
	    fdatasync(temp.fd) != 0)
		failed = errno;
	if (!failed)
		failed = aibrix__shfs_publish(shfs, leaf, &temp, name);
	aibrix__shfs_temp_close(leaf, &temp);
	return failed ? failed : sync_dir(shfs, leaf);
}

static int
value_put(struct shfs *shfs, const aibrix_io *io, uint64_t bytes,
	  const char *name, uint32_t *flags)
{
	int leaf, failed = aibrix__shfs_leaf(shfs, name, 1, &leaf);

	if (failed)
		return failed;
	failed = value_write(shfs, io, bytes, leaf, name);
	if (failed == EAGAIN)
		failed = value_write(shfs, io, bytes, leaf, name);
	if (failed == EEXIST) {
		*flags = AIBRIX_DONE_EXISTED;
		failed = value_keep(shfs, leaf, name);
		/* It was there, and somebody has deleted it since. */
		if (failed == ENOENT)
			failed = 0;
	}
	aibrix__shfs_leaf_close(shfs, leaf);
	return failed;
}

static int
is_full(int os_error)
{
	return os_error == ENOSPC || os_error == EDQUOT;
}

static void
shfs_put(struct shfs *shfs, const aibrix_io *io, const char *name,
	 aibrix_done *done)
{
	uint64_t bytes = io_bytes(io);
	int failed;

	if (bytes > shfs->conf.value_bytes) {
		done->status = AIBRIX_E_INVAL;
		return;
	}
	aibrix__shfs_room(shfs, bytes);
	failed = value_put(shfs, io, bytes, name, &done->flags);
	if (is_full(failed) && aibrix__shfs_relieve(shfs, bytes))
		failed = value_put(shfs, io, bytes, name, &done->flags);
	if (failed) {
		done->flags = 0;
		/* A directory that was there a moment ago: not now. */
		done_os(done, failed == ENOENT ? EAGAIN : failed);
		fault_log(shfs, failed, "writing a value");
	} else if (!done->flags) {
		done->bytes = bytes;
		aibrix__shfs_account(shfs, 1, (int64_t)bytes);
	}
}

/* A PUT of what is there costs no write, and one without a directory is not
 * there. */
static int
is_kept(struct shfs *shfs, int leaf, const char *name, aibrix_done *done)
{
	int failed = value_keep(shfs, leaf, name);

	if (failed == ENOENT)
		return 0;
	if (failed)
		done_os(done, failed);
	else
		done->flags = AIBRIX_DONE_EXISTED;
	return 1;
}

static void
shfs_serve_once(struct shfs *shfs, const aibrix_io *io, const char *name,
		aibrix_done *done)
{
	int leaf, failed = aibrix__shfs_leaf(shfs, name, 0, &leaf), kept = 0;

	done->status = AIBRIX_OK;
	if (failed && (failed != ENOENT || io->op != AIBRIX_STORE_PUT)) {
		done_os(done, failed);
		return;
	}
	if (!failed) {
		switch (io->op) {
		case AIBRIX_STORE_GET:
			shfs_get(shfs, io, leaf, name, done);
			break;
		case AIBRIX_STORE_PROBE: shfs_probe(leaf, name, done); break;
		case AIBRIX_STORE_DELETE:
			shfs_delete(shfs, leaf, name, done);
			break;
		default: kept = is_kept(shfs, leaf, name, done);
		}
		aibrix__shfs_leaf_close(shfs, leaf);
	}
	if (io->op == AIBRIX_STORE_PUT && !kept)
		shfs_put(shfs, io, name, done);
}

/*
 * On NFS a name that was known may stand for a file that is gone by now:
 * ESTALE, and asking again tells.
 *
 * Thread: shared.
 */
void
aibrix__shfs_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct shfs *shfs = backend;
	char name[SHFS_NAME];

	aibrix__shfs_name(shfs->sha, io->key, io->key_bytes, name);
	shfs_serve_once(shfs, io, name, done);
	if (done->os_error == ESTALE) {
		*done = (aibrix_done){.tag = done->tag};
		shfs_serve_once(shfs, io, name, done);
	}
}
