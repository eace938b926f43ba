/*
 * What the system may answer to a shared directory.
 *
 * The calls below stand in front of libc's: they note what is asked, and
 * answer the n-th of a kind with an error, or do something in between that
 * another process might do.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "shfs_tools.h"

#define VALUE_FILE "76/61/76616c7565"

enum { OPEN, LINK, RENAME, READ, WRITE, SYNC, CLOSE, CALLS };

static struct {
	int on;
	int error[CALLS];   /* errno to answer with; 0: none */
	int times[CALLS];   /* so often */
	int unnamed;        /* errno of O_TMPFILE */
	const char *shrink; /* cut this file before it is read */
	char trace[64];     /* one letter for each call */
} fault;

static int
call_fails(int call, char letter)
{
	size_t n = strlen(fault.trace);

	if (!fault.on)
		return 0;
	if (n + 1 < sizeof(fault.trace))
		fault.trace[n] = letter;
	if (!fault.error[call] || fault.times[call]-- <= 0)
		return 0;
	errno = fault.error[call];
	return 1;
}

int
openat(int at, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if (fault.on && (flags & O_TMPFILE) == O_TMPFILE && fault.unnamed) {
		errno = fault.unnamed;
		return -1;
	}
	if (call_fails(OPEN, 'o'))
		return -1;
	return (int)syscall(SYS_openat, at, name, flags, mode);
}

int
linkat(int from, const char *old, int to, const char *new, int flags)
{
	if (call_fails(LINK, 'l'))
		return -1;
	return (int)syscall(SYS_linkat, from, old, to, new, flags);
}

int
renameat2(int from, const char *old, int to, const char *new,
	  unsigned int flags)
{
	if (call_fails(RENAME, 'r'))
		return -1;
	return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

ssize_t
preadv(int fd, const struct iovec *iov, int n, off_t at)
{
	if (fault.on && fault.shrink)
		cr_assert_eq(truncate(fault.shrink, 3), 0);
	if (call_fails(READ, 'g'))
		return -1;
	return syscall(SYS_preadv, fd, iov, n, at, 0);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	if (call_fails(WRITE, 'w'))
		return -1;
	return syscall(SYS_pwritev, fd, iov, n, at, 0);
}

int
fdatasync(int fd)
{
	if (call_fails(SYNC, 'd'))
		return -1;
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	if (call_fails(SYNC, 'f'))
		return -1;
	return (int)syscall(SYS_fsync, fd);
}

static int files;

static int
file_count(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	files += type == FTW_F;
	return 0;
}

static int
files_below(const struct shared *s)
{
	files = 0;
	nftw(s->path.text, file_count, 8, FTW_PHYS);
	return files;
}

static void
fault_begin(void)
{
	memset(&fault, 0, sizeof(fault));
	fault.on = 1;
}

static void
fault_set(int call, int error, int times)
{
	fault.error[call] = error;
	fault.times[call] = times;
}

static aibrix_done
faulty_put(aibrix_store *store, const char *key, const char *value)
{
	aibrix_done done;

	fault.on = 1;
	done = store_put(store, key, value);
	fault.on = 0;
	return done;
}

static aibrix_done
faulty_get(aibrix_store *store, const char *key, char *text, size_t cap)
{
	aibrix_done done;

	fault.on = 1;
	done = store_get(store, key, text, cap);
	fault.on = 0;
	return done;
}

/* Filesystems by what they refuse: each stores, keeps, and leaves nothing. */
Test(store_shfs_faults, each_way_of_publishing_stores_once_and_leaves_nothing)
{
	static const struct {
		const char *name;
		int unnamed, link, rename;
		const char *letters; /* after the first PUT's write */
	} ways[] = {
		{"local", 0, 0, 0, "wl"},
		{"without O_TMPFILE", EOPNOTSUPP, 0, 0, "wr"},
		{"of a kernel that takes O_TMPFILE for a directory", EISDIR, 0,
		 0, "wr"},
		{"NFS", EOPNOTSUPP, 0, EINVAL, "wrl"},
		{"without links and flags", EOPNOTSUPP, EPERM, EINVAL, "wrl"},
		{"without /proc", 0, ENOENT, 0, "wlowr"},
	};
	char text[64];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct shared s = shared_new();
		aibrix_store *store = shared_open(&s);

		store_put(store, "vacant", "makes the directories");
		fault_begin();
		fault.unnamed = ways[i].unnamed;
		fault_set(LINK, ways[i].link, ways[i].link ? 1000 : 0);
		fault_set(RENAME, ways[i].rename, 1000);
		cr_expect_eq(faulty_put(store, "value", "first").status, 0,
			     "%s", ways[i].name);
		cr_expect_not_null(strstr(fault.trace, ways[i].letters),
				   "%s: %s", ways[i].name, fault.trace);
		cr_expect_eq(faulty_put(store, "value", "second").flags,
			     AIBRIX_DONE_EXISTED, "%s", ways[i].name);
		cr_expect_eq(faulty_put(store, "vain", "").status, 0);
		store_get(store, "value", text, 64);
		cr_expect_str_eq(text, "first", "%s", ways[i].name);
		cr_expect_eq(files_below(&s), 3, "%s", ways[i].name);
		aibrix_store_free(store);
		temp_path_remove(s.path.text);
	}
}

/* Between looking and naming another process may come first. */
Test(store_shfs_faults, each_way_of_publishing_keeps_what_came_first)
{
	static const uint32_t ways[] = {SHFS_UNNAMED, SHFS_RENAME, SHFS_LINK,
					0};
	struct shared s = shared_new();
	aibrix_backend_stat stat = {0};
	aibrix_allocator alloc = {.size = sizeof(alloc)};
	aibrix_store *store = shared_open(&s); /* makes the directory */
	struct shfs shfs = {.opts = {.mode = 0600}, .conf.stat = &stat};
	char text[64];

	(void)alloc;
	shfs.root = open(s.path.text, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < 4; i++) {
		struct shfs_temp temp;

		file_write(&s, "61-", "theirs");
		shfs.ways = ways[i];
		cr_assert_eq(aibrix__shfs_temp_open(&shfs, shfs.root, &temp),
			     0);
		cr_assert_eq(write(temp.fd, "ours", 4), 4);
		cr_expect_eq(temp.name[0] == '\0', i == 0);
		cr_expect_eq(
			aibrix__shfs_publish(&shfs, shfs.root, &temp, "61-"),
			EEXIST);
		aibrix__shfs_temp_close(shfs.root, &temp);
		file_read(&s, "61-", text, 64);
		cr_expect_str_eq(text, "theirs");
		cr_expect_eq(files_below(&s), 1);
		cr_expect_eq(shfs.ways, ways[i], "it works here");
	}
	close(shfs.root);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_faults, a_crash_before_the_name_is_given_leaves_nothing_to_see)
{
	static const uint32_t ways[] = {SHFS_UNNAMED, SHFS_RENAME, SHFS_LINK};
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	struct shfs shfs = {.opts = {.mode = 0600}};
	char text[64];

	file_write(&s, "76/61/7661", "neighbour");
	shfs.root = open(s.path.text, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < 3; i++) {
		struct shfs_temp temp;
		int leaf;

		shfs.ways = ways[i];
		cr_assert_eq(aibrix__shfs_leaf(&shfs, "76616c7565", 0, &leaf),
			     0);
		cr_assert_eq(aibrix__shfs_temp_open(&shfs, leaf, &temp), 0);
		cr_assert_eq(write(temp.fd, "half", 4), 4);
		close(temp.fd); /* what a crash does */
		close(leaf);
		cr_expect_eq(store_get(store, "value", text, 64).status,
			     AIBRIX_E_NOT_FOUND);
		cr_expect_eq(
			store_ask(store, AIBRIX_STORE_PROBE, "value").status,
			AIBRIX_E_NOT_FOUND);
	}
	cr_expect_eq(files_below(&s), 3, "two names are left to the sweep");
	cr_expect_eq(store_put(store, "value", "whole").status, AIBRIX_OK);
	cr_expect_eq(store_get(store, "value", text, 64).status, AIBRIX_OK);
	cr_expect_str_eq(text, "whole");
	close(shfs.root);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* AIBrix's writers share a temporary name: what one has named, another may
 * still be writing. */
Test(store_shfs_faults, a_file_that_shrinks_while_it_is_read_is_corrupt)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	struct file_name f = below(&s, VALUE_FILE);
	char text[64];

	store_put(store, "value", "twelve bytes");
	fault_begin();
	fault.shrink = f.text;
	cr_expect_eq(faulty_get(store, "value", text, 64).status,
		     AIBRIX_E_CORRUPT);
	fault.shrink = NULL;
	cr_expect_eq(store_get(store, "value", text, 64).bytes, 3);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_faults, durable_writes_are_synced_before_and_after_the_name)
{
	struct shared s = shared_new();
	aibrix_store *store;

	s.opts.flags = AIBRIX_STORE_DURABLE;
	store = shared_open(&s);
	store_put(store, "vacant", "makes the directories");
	fault_begin();
	cr_expect_eq(faulty_put(store, "value", "bytes").status, AIBRIX_OK);
	cr_expect_not_null(strstr(fault.trace, "wdlf"), "%s", fault.trace);
	fault_begin();
	cr_expect_eq(faulty_put(store, "value", "bytes").flags,
		     AIBRIX_DONE_EXISTED);
	cr_expect_not_null(strstr(fault.trace, "df"),
			   "another's value is made as durable: %s",
			   fault.trace);
	cr_expect_null(strchr(fault.trace, 'w'));
	fault_begin();
	cr_expect_eq(faulty_put(store, "new directories", "").status, 0);
	cr_expect_not_null(strstr(fault.trace, "ofoofo"),
			   "each new directory, in its parent: %s",
			   fault.trace);

	fault_begin();
	fault_set(SYNC, EIO, 1);
	cr_expect_eq(faulty_put(store, "vague", "x").status, AIBRIX_E_CLOSED);
	cr_expect_not(file_is_there(&s, "76/61/7661677565"));
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_faults, without_durable_nothing_is_synced)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);

	fault_begin();
	cr_expect_eq(faulty_put(store, "value", "bytes").status, AIBRIX_OK);
	cr_expect_null(strpbrk(fault.trace, "df"), "%s", fault.trace);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_faults, a_full_disk_costs_what_was_used_longest_ago)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);

	store_put(store, "vast", "old");
	store_put(store, "vain", "young");
	file_age(&s, "76/61/76617374", 1000);
	for (int i = 0; i < 2; i++) {
		fault_begin();
		fault_set(WRITE, i ? EDQUOT : ENOSPC, 1);
		cr_expect_eq(
			faulty_put(store, i ? "vary" : "value", "new").status,
			AIBRIX_OK);
		cr_expect_eq(store_stat(store).evictions, (uint64_t)i + 1);
	}
	cr_expect_not(file_is_there(&s, "76/61/76617374"));
	fault_begin();
	fault_set(WRITE, ENOSPC, 2);
	cr_expect_eq(faulty_put(store, "valid", "new").status, AIBRIX_E_FULL);
	cr_expect_not(file_is_there(&s, "76/61/76616c6964"));
	cr_expect_eq(store_put(store, "valid", "new").status, AIBRIX_OK,
		     "and goes on");
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_faults, a_full_disk_costs_nothing_where_all_is_to_be_kept)
{
	struct shared s = shared_new();
	aibrix_store *store;
	aibrix_done done;

	s.shfs.flags = AIBRIX_SHFS_KEEP;
	store = shared_open(&s);
	store_put(store, "vast", "old");
	fault_begin();
	fault_set(WRITE, ENOSPC, 1);
	done = faulty_put(store, "value", "new");
	cr_expect_eq(done.status, AIBRIX_E_FULL);
	cr_expect_eq(done.os_error, ENOSPC);
	cr_expect(file_is_there(&s, "76/61/76617374"));
	cr_expect_eq(files_below(&s), 1);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs_faults, a_stale_handle_is_asked_for_once_more)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	aibrix_done done;
	char text[64];

	store_put(store, "value", "bytes");
	fault_begin();
	fault_set(READ, ESTALE, 1);
	cr_expect_eq(faulty_get(store, "value", text, 64).status, AIBRIX_OK);
	cr_expect_str_eq(text, "bytes");
	fault_begin();
	fault_set(READ, ESTALE, 2);
	done = faulty_get(store, "value", text, 64);
	cr_expect_eq(done.status, AIBRIX_E_CLOSED);
	cr_expect_eq(done.os_error, ESTALE);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* A miss is said by the directory, never by its absence. */
Test(store_shfs_faults, an_outage_is_no_miss)
{
	static const struct {
		int call, error, status;
	} rows[] = {
		{OPEN, EIO, AIBRIX_E_CLOSED},
		{OPEN, EACCES, AIBRIX_E_DENIED},
		{OPEN, EMFILE, AIBRIX_E_UNAVAILABLE},
		{OPEN, ENOMEM, AIBRIX_E_NOMEM},
		{OPEN, ENOENT, AIBRIX_E_NOT_FOUND},
		{READ, EIO, AIBRIX_E_CLOSED},
		{READ, ETIMEDOUT, AIBRIX_E_TIMEOUT},
		{READ, ENOTCONN, AIBRIX_E_CLOSED},
	};
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	char text[64];

	store_put(store, "value", "bytes");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aibrix_done done;

		fault_begin();
		fault_set(rows[i].call, rows[i].error, 1);
		done = faulty_get(store, "value", text, 64);
		cr_expect_eq(done.status, rows[i].status, "rows[%zu]", i);
		cr_expect_eq(done.os_error,
			     rows[i].error == ENOENT ? 0 : rows[i].error);
	}
	fault_begin();
	fault_set(WRITE, EIO, 1);
	cr_expect_eq(faulty_put(store, "vast", "x").status, AIBRIX_E_CLOSED);
	fault_begin();
	fault_set(WRITE, EINTR, 3);
	cr_expect_eq(faulty_put(store, "vast", "x").status, AIBRIX_OK);
	fault_begin();
	fault_set(READ, EINTR, 3);
	cr_expect_eq(faulty_get(store, "vast", text, 64).status, AIBRIX_OK);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}
