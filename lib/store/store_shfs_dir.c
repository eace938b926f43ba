/*
 * Directories and unseen files of a shared directory.
 *
 * Whoever may write in the directory may put a symbolic link where we expect
 * a directory.  So no path is ever handed to the kernel: each step is opened
 * by itself, without following, relative to the directory before it.
 *
 * A value gets its name when it is whole, and never in place of another:
 *
 *   O_TMPFILE, write, linkat             no name before; a crash leaves nothing
 *   O_EXCL, write, RENAME_NOREPLACE      where there are no unnamed files
 *   O_EXCL, write, link, unlink          NFS
 *   O_EXCL, write, look, rename          neither links nor flags
 *
 * A way that the filesystem refuses is not tried again.  The last one replaces
 * when two writers look at the same moment; each reader still sees one of two
 * whole values, of one name.
 */

#define _GNU_SOURCE

#include "store/store_shfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"

enum { NAME_TRIES = 4 };

/* A directory that is one, or -1 with errno. */
int
aibrix__shfs_dir(int at, const char *name)
{
	return openat(at, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Who may read a file may enter its directory. */
static mode_t
dir_mode(const struct shfs *shfs)
{
	mode_t mode = shfs->opts.mode;

	return mode | S_IRWXU | (mode & 0444) >> 2;
}

static int
dir_make(const struct shfs *shfs, int at, const char *name)
{
	if (mkdirat(at, name, dir_mode(shfs)) != 0)
		return errno == EEXIST ? 0 : errno;
	if (shfs->conf.flags & AIBRIX_STORE_DURABLE && fsync(at) != 0)
		return errno;
	return 0;
}

static int
dir_enter(const struct shfs *shfs, int at, const char *name, int create,
	  int *fd)
{
	int failed;

	*fd = aibrix__shfs_dir(at, name);
	if (*fd < 0 && errno == ENOENT && create) {
		failed = dir_make(shfs, at, name);
		if (failed)
			return failed;
		*fd = aibrix__shfs_dir(at, name);
	}
	return *fd < 0 ? errno : 0;
}

/* The directory that a value's file is in. */
int
aibrix__shfs_leaf(const struct shfs *shfs, const char *name, int create,
		  int *fd)
{
	char dir[3] = {name[0], name[1], '\0'};
	int middle, failed;

	*fd = shfs->root;
	if (strlen(name) < 4)
		return 0;
	failed = dir_enter(shfs, shfs->root, dir, create, &middle);
	if (failed)
		return failed;
	memcpy(dir, name + 2, 2);
	failed = dir_enter(shfs, middle, dir, create, fd);
	close(middle);
	return failed;
}

void
aibrix__shfs_leaf_close(const struct shfs *shfs, int fd)
{
	if (fd != shfs->root)
		close(fd);
}

static void
way_close(struct shfs *shfs, uint32_t way)
{
	atomic_fetch_and(&shfs->ways, ~way);
}

/* "Not in this way" as opposed to "not now" and "not you". */
static int
is_refusal(int os_error)
{
	switch (os_error) {
	case EINVAL:
	case EISDIR: /* O_TMPFILE before the kernel knew it */
	case ENOENT: /* no /proc */
	case ENOSYS:
	case ENOTSUP:
	case EPERM:
	case EXDEV:
	case EMLINK: return 1;
	default: return 0;
	}
}

static int
unnamed_open(struct shfs *shfs, int leaf, struct shfs_temp *temp)
{
	temp->name[0] = '\0';
	temp->fd = openat(leaf, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC,
			  (mode_t)shfs->opts.mode);
	return temp->fd < 0 ? errno : 0;
}

static int
named_open(struct shfs *shfs, int leaf, struct shfs_temp *temp)
{
	for (uint32_t i = 0; i < NAME_TRIES; i++) {
		uint64_t state = shfs->conf.seed ^ (uint64_t)getpid() << 32 ^
				 (uint64_t)aibrix__shfs_now();
		uint64_t random[2];

		random[0] = rand_next(&state) +
			    atomic_fetch_add(&shfs->temporary, 1);
		random[1] = rand_next(&state);
		aibrix__shfs_temp_name(random, temp->name);
		temp->fd = openat(leaf, temp->name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
					  O_CLOEXEC,
				  (mode_t)shfs->opts.mode);
		if (temp->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return errno;
	}
	return EIO;
}

int
aibrix__shfs_temp_open(struct shfs *shfs, int leaf, struct shfs_temp *temp)
{
	int failed = EINVAL;

	if (atomic_load(&shfs->ways) & SHFS_UNNAMED) {
		failed = unnamed_open(shfs, leaf, temp);
		if (!is_refusal(failed))
			return failed;
	}
	failed = named_open(shfs, leaf, temp);
	/* Refused by both: then it was not for its namelessness. */
	if (!failed)
		way_close(shfs, SHFS_UNNAMED);
	return failed;
}

static int
unnamed_publish(struct shfs *shfs, int leaf, const struct shfs_temp *temp,
		const char *name)
{
	char path[sizeof("/proc/self/fd/") + 10] = "/proc/self/fd/";
	char digits[11];
	uint32_t at = sizeof(digits) - 1, fd = (uint32_t)temp->fd;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	memcpy(path + strlen(path), digits + at, sizeof(digits) - at);
	if (linkat(AT_FDCWD, path, leaf, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (!is_refusal(errno))
		return errno;
	way_close(shfs, SHFS_UNNAMED);
	return EAGAIN;
}

/* The name is taken from temp when it is used up. */
static int
rename_publish(int leaf, struct shfs_temp *temp, const char *name, int keep)
{
	struct stat st;
	int failed;

	if (keep) {
		failed = renameat2(leaf, temp->name, leaf, name,
				   RENAME_NOREPLACE);
	} else {
		if (fstatat(leaf, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return EEXIST;
		failed = renameat(leaf, temp->name, leaf, name);
	}
	if (failed)
		return errno;
	temp->name[0] = '\0';
	return 0;
}

static int
link_publish(int leaf, struct shfs_temp *temp, const char *name)
{
	return linkat(leaf, temp->name, leaf, name, 0) == 0 ? 0 : errno;
}

int
aibrix__shfs_publish(struct shfs *shfs, int leaf, struct shfs_temp *temp,
		     const char *name)
{
	uint32_t ways = atomic_load(&shfs->ways);
	int failed, fd = temp->fd;

	if (!temp->name[0])
		return unnamed_publish(shfs, leaf, temp, name);
	/* NFS writes when a file is closed, and says only then that the disk
	   was full. */
	temp->fd = -1;
	if (close(fd) != 0)
		return errno;
	if (ways & SHFS_RENAME) {
		failed = rename_publish(leaf, temp, name, 1);
		if (failed == ENOENT || !is_refusal(failed))
			return failed;
		way_close(shfs, SHFS_RENAME);
	}
	if (ways & SHFS_LINK) {
		failed = link_publish(leaf, temp, name);
		if (failed == ENOENT || !is_refusal(failed))
			return failed;
		way_close(shfs, SHFS_LINK);
	}
	return rename_publish(leaf, temp, name, 0);
}

/* What has no name goes with its descriptor. */
void
aibrix__shfs_temp_close(int leaf, struct shfs_temp *temp)
{
	if (temp->name[0])
		unlinkat(leaf, temp->name, 0);
	if (temp->fd >= 0)
		close(temp->fd);
}
