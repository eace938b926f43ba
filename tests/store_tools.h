/* What the tests of stores share: a path of their own, and one request at a
 * time. */
#ifndef TESTS_STORE_TOOLS_H
#define TESTS_STORE_TOOLS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aibrix/store.h>

struct temp_path {
	char text[256];
};

/* A name in $TMPDIR or /tmp that no file has. */
static inline struct temp_path
temp_path_new(void)
{
	const char *folder = getenv("TMPDIR");
	struct temp_path path;
	int fd;

	snprintf(path.text, sizeof(path.text), "%s/aibrix-store-XXXXXX",
		 folder && strlen(folder) < 200 ? folder : "/tmp");
	fd = mkstemp(path.text);
	if (fd < 0)
		abort();
	close(fd);
	unlink(path.text);
	return path;
}

/* Whatever the store has made of it: nothing, a file or a directory. */
static inline void
temp_path_remove(const char *path)
{
	char name[1024];
	struct dirent *entry;
	DIR *dir;

	if (unlink(path) == 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%.700s/%.255s", path,
			 entry->d_name);
		temp_path_remove(name);
	}
	if (dir) {
		closedir(dir);
		rmdir(path);
	}
}

static inline aibrix_io
io_of(uint32_t op, const char *key, const aibrix_iov *iov, uint64_t tag)
{
	aibrix_io io = {.key = key,
			.key_bytes = (uint32_t)strlen(key),
			.op = op,
			.priority = AIBRIX_PRIORITY_GET,
			.tag = tag};

	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		io.iov = iov;
		io.n_iov = 1;
	}
	return io;
}

/* Long enough for any disk; the clock starts at 0. */
#define STORE_TOOLS_WAIT UINT64_C(60000000000)

/* Submit and poll; the completion's status is E_STATE when there was not
 * exactly one. */
static inline aibrix_done
store_do(aibrix_store *store, const aibrix_io *io)
{
	aibrix_done done[2] = {{.status = AIBRIX_E_STATE}};
	uint32_t n = 0;

	if (aibrix_store_submit(store, io, 1, 0, &n) || n != 1 ||
	    aibrix_store_poll(store, done, 2, 0, STORE_TOOLS_WAIT, &n) ||
	    n != 1)
		done[0].status = AIBRIX_E_STATE;
	return done[0];
}

static inline aibrix_done
store_put(aibrix_store *store, const char *key, const char *value)
{
	aibrix_iov iov = {NULL, strlen(value)};
	char copy[8192];
	aibrix_io io = io_of(AIBRIX_STORE_PUT, key, &iov, 1);

	memcpy(copy, value, iov.bytes);
	iov.base = copy;
	return store_do(store, &io);
}

/* The value as a string in text, which has cap bytes. */
static inline aibrix_done
store_get(aibrix_store *store, const char *key, char *text, size_t cap)
{
	aibrix_iov iov = {text, cap - 1};
	aibrix_io io = io_of(AIBRIX_STORE_GET, key, &iov, 2);
	aibrix_done done;

	memset(text, 0, cap);
	done = store_do(store, &io);
	return done;
}

static inline aibrix_done
store_ask(aibrix_store *store, uint32_t op, const char *key)
{
	aibrix_io io = io_of(op, key, NULL, 3);

	return store_do(store, &io);
}

static inline aibrix_store_stat
store_stat(const aibrix_store *store)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};

	if (aibrix_store_stats(store, &stat))
		abort();
	return stat;
}

#endif
