/*
 * How a slot file comes to be and is taken into use.
 *
 * Creation must not be seen half done, neither by a second process nor after
 * a crash.  The file is built under a second name and then linked to its own
 * name, which fails rather than replaces when another process was faster:
 *
 *   open path ---- there: lock, check the superblock
 *      | not there
 *   create path.aibrix-new -> lock -> allocate -> superblock -> fsync
 *      -> link to path -> unlink path.aibrix-new
 *
 * What a crash leaves is at most path.aibrix-new, which no process has
 * locked; the next creator removes it.  Only who holds the lock of the file
 * that this name stands for may remove or link the name.
 */

#define _DEFAULT_SOURCE

#include "store/store_slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"

enum {
	SUPER_VERSION = 1,
	SUPER_CRC_AT = 12,
	OPEN_TRIES = 8,
	LOCK_TRIES = 50,
	LOCK_PAUSE_NS = 5000000
};

static const uint8_t super_magic[8] = {'A', 'I', 'B', 'X', 'S', 'L', 'O', 'T'};
static const char new_suffix[] = ".aibrix-new";

static int
refuse(const aibrix_backend_conf *conf, int status, const char *why)
{
	aibrix__log(conf->log, AIBRIX_LOG_ERROR, LOG_STORE_REFUSED,
		    "store %s: not opened: %s", conf->path, why);
	return status;
}

static int
refuse_os(const aibrix_backend_conf *conf, int os_error, const char *what)
{
	aibrix__log(conf->log, AIBRIX_LOG_ERROR, LOG_STORE_REFUSED,
		    "store %s: not opened: %s: errno %d", conf->path, what,
		    os_error);
	return aibrix__file_status(os_error);
}

static uint32_t
super_crc(uint32_t cpu, const uint8_t in[SUPER_BYTES])
{
	static const uint8_t zero[4];
	uint32_t crc = aibrix__crc32c(cpu, 0, in, SUPER_CRC_AT);

	crc = aibrix__crc32c(cpu, crc, zero, sizeof(zero));
	return aibrix__crc32c(cpu, crc, in + SUPER_CRC_AT + sizeof(zero),
			      SUPER_BYTES - SUPER_CRC_AT - sizeof(zero));
}

static void
super_encode(const struct slot_file *file, uint8_t out[SUPER_BYTES])
{
	struct writer w = writer_on(out, SUPER_BYTES);
	struct writer crc = writer_on(out + SUPER_CRC_AT, 4);

	memset(out, 0, SUPER_BYTES);
	write_bytes(&w, super_magic, sizeof(super_magic));
	write_u32(&w, SUPER_VERSION);
	write_u32(&w, 0);
	write_u64(&w, file->value_bytes);
	write_u64(&w, file->slots);
	write_u64(&w, file->stride);
	write_u32(&crc, super_crc(file->cpu, out));
}

static uint64_t
file_bytes(const struct slot_file *file)
{
	return SUPER_BYTES + file->slots * file->stride;
}

/* Is this the file that was asked for? */
static int
super_check(const aibrix_backend_conf *conf, const struct slot_file *file,
	    const uint8_t in[SUPER_BYTES], uint64_t size)
{
	struct reader r = reader_on(in, SUPER_BYTES);
	const uint8_t *magic = read_bytes(&r, sizeof(super_magic));
	uint32_t version = read_u32(&r), crc = read_u32(&r);
	uint64_t value_bytes = read_u64(&r), slots = read_u64(&r);
	uint64_t stride = read_u64(&r);

	if (memcmp(magic, super_magic, sizeof(super_magic)) != 0)
		return refuse(conf, AIBRIX_E_CORRUPT, "not a slot file");
	if (crc != super_crc(file->cpu, in))
		return refuse(conf, AIBRIX_E_CORRUPT, "superblock is damaged");
	if (version != SUPER_VERSION)
		return refuse(conf, AIBRIX_E_STATE,
			      "made by another version of the library");
	if (value_bytes != file->value_bytes || slots != file->slots ||
	    stride != file->stride)
		return refuse(conf, AIBRIX_E_STATE, "made with other sizes");
	if (size < file_bytes(file))
		return refuse(conf, AIBRIX_E_CORRUPT, "file was cut short");
	return AIBRIX_OK;
}

/* The writes of a process that was killed may still be under way, and its
 * ring holds the lock until they are not: a matter of milliseconds. */
static int
file_lock(int fd)
{
	const struct timespec pause = {0, LOCK_PAUSE_NS};
	int failed = EWOULDBLOCK;

	for (uint32_t i = 0; failed == EWOULDBLOCK && i < LOCK_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		failed = flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
	}
	return failed;
}

static int
file_check(const aibrix_backend_conf *conf, const struct slot_file *file,
	   int fd)
{
	uint8_t super[SUPER_BYTES];
	struct iovec iov = {super, sizeof(super)};
	struct stat st;
	int failed;

	if (fstat(fd, &st) != 0)
		return refuse_os(conf, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return refuse(conf, AIBRIX_E_CORRUPT, "not a regular file");
	failed = file_lock(fd);
	if (failed)
		return failed == EWOULDBLOCK
			       ? refuse(conf, AIBRIX_E_BUSY,
					"another store has it open")
			       : refuse_os(conf, failed, "flock");
	failed = aibrix__file_read(fd, &iov, 1, 0);
	if (failed == FILE_END)
		return refuse(conf, AIBRIX_E_CORRUPT, "not a slot file");
	if (failed)
		return refuse_os(conf, failed, "reading the superblock");
	return super_check(conf, file, super, (uint64_t)st.st_size);
}

/* E_NOT_FOUND: there is no such file. */
static int
existing_open(const aibrix_backend_conf *conf, struct slot_file *file)
{
	int fd = open(conf->path,
		      O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	int err;

	if (fd < 0) {
		switch (errno) {
		case ENOENT: return AIBRIX_E_NOT_FOUND;
		case EISDIR:
			return refuse(conf, AIBRIX_E_CORRUPT, "a directory");
		case ELOOP:
			return refuse(conf, AIBRIX_E_DENIED, "a symbolic link");
		default: return refuse_os(conf, errno, "open");
		}
	}
	err = file_check(conf, file, fd);
	if (err)
		close(fd);
	else
		file->fd = fd;
	return err;
}

/* Locked, and still what the name stands for: then nobody else may touch
 * the name. */
static int
name_is_ours(const char *name, int fd)
{
	struct stat by_fd, by_name;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &by_fd) == 0 &&
	       lstat(name, &by_name) == 0 && S_ISREG(by_name.st_mode) &&
	       by_fd.st_dev == by_name.st_dev && by_fd.st_ino == by_name.st_ino;
}

/* Remove what a crash has left, unless someone is at work on it. */
static void
stale_remove(const char *name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	if (name_is_ours(name, fd))
		unlink(name);
	close(fd);
}

/* All blocks now, so that a full disk shows here and not in a write. */
static int
file_fill(const aibrix_backend_conf *conf, const struct slot_file *file, int fd)
{
	uint8_t super[SUPER_BYTES];
	struct iovec iov = {super, sizeof(super)};
	int failed;

	do {
		failed = posix_fallocate(fd, 0, (off_t)file_bytes(file));
	} while (failed == EINTR);
	if (failed)
		return refuse_os(conf, failed, "allocating the file");
	super_encode(file, super);
	failed = aibrix__file_write(fd, &iov, 1, 0);
	if (!failed && fsync(fd) != 0)
		failed = errno;
	return failed ? refuse_os(conf, failed, "writing the superblock")
		      : AIBRIX_OK;
}

/* Give the file its name; E_NOT_FOUND: the name is taken by now. */
static int
file_publish(const aibrix_backend_conf *conf, const char *name)
{
	struct stat st;
	int failed;

	if (link(name, conf->path) == 0)
		return AIBRIX_OK;
	failed = errno;
	if (failed == EEXIST || lstat(conf->path, &st) == 0)
		return AIBRIX_E_NOT_FOUND;
	/* A filesystem without hard links.  Nobody else can name a file now:
	 * that takes the second name, which is ours. */
	if ((failed == EPERM || failed == ENOTSUP || failed == ENOSYS) &&
	    rename(name, conf->path) == 0)
		return AIBRIX_OK;
	return refuse_os(conf, failed, "naming the file");
}

/* E_NOT_FOUND: another process was at it at the same time; look again. */
static int
file_create(const aibrix_backend_conf *conf, struct slot_file *file,
	    const char *name)
{
	int fd, err;

	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  S_IRUSR | S_IWUSR);
	if (fd < 0 && errno != EEXIST)
		return refuse_os(conf, errno, "creating the file");
	if (fd < 0) {
		stale_remove(name);
		return AIBRIX_E_NOT_FOUND;
	}
	if (!name_is_ours(name, fd)) {
		close(fd);
		return AIBRIX_E_NOT_FOUND;
	}
	err = file_fill(conf, file, fd);
	if (!err)
		err = file_publish(conf, name);
	unlink(name);
	if (err)
		close(fd);
	else
		file->fd = fd;
	return err;
}

int
aibrix__slots_open(const aibrix_backend_conf *conf, struct slot_file *file)
{
	size_t len = strlen(conf->path), n = len + sizeof(new_suffix);
	char *name = aibrix__alloc(conf->alloc, n, 1);
	int err = AIBRIX_E_NOT_FOUND;

	if (!name)
		return AIBRIX_E_NOMEM;
	memcpy(name, conf->path, len);
	memcpy(name + len, new_suffix, sizeof(new_suffix));
	for (uint32_t i = 0; err == AIBRIX_E_NOT_FOUND && i < OPEN_TRIES; i++) {
		err = existing_open(conf, file);
		if (err == AIBRIX_E_NOT_FOUND)
			err = file_create(conf, file, name);
	}
	aibrix__free(conf->alloc, name, n, 1);
	return err == AIBRIX_E_NOT_FOUND
		       ? refuse(conf, AIBRIX_E_BUSY,
				"another process is creating it")
		       : err;
}
