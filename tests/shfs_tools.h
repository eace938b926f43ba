/* What the tests of shared directories have in common. */
#ifndef TESTS_SHFS_TOOLS_H
#define TESTS_SHFS_TOOLS_H

#include <fcntl.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include <aibrix/shfs.h>

#include "store/store_shfs.h"
#include "store_tools.h"

struct shared {
	struct temp_path path;
	aibrix_shfs_opts shfs;
	aibrix_store_opts opts;
};

/* Options of a store in a directory of its own. */
static inline struct shared
shared_new(void)
{
	return (struct shared){.path = temp_path_new(),
			       .shfs = {.size = sizeof(aibrix_shfs_opts)},
			       .opts = {.size = sizeof(aibrix_store_opts),
					.backend = AIBRIX_BACKEND_SHFS,
					.value_bytes = 4096,
					.capacity_bytes = 1 << 20}};
}

static inline aibrix_store *
shared_open(struct shared *s)
{
	aibrix_store *store = NULL;

	s->opts.path = s->path.text;
	s->opts.backend_opts = &s->shfs;
	cr_assert_eq(aibrix_store_open(&s->opts, &store), AIBRIX_OK);
	return store;
}

static inline int
shared_status(struct shared *s)
{
	aibrix_store *store = NULL;
	int status;

	s->opts.path = s->path.text;
	s->opts.backend_opts = &s->shfs;
	status = aibrix_store_open(&s->opts, &store);
	aibrix_store_free(store);
	return status;
}

struct file_name {
	char text[1024];
};

static inline struct file_name
below(const struct shared *s, const char *name)
{
	struct file_name f;

	snprintf(f.text, sizeof(f.text), "%.255s/%.700s", s->path.text, name);
	return f;
}

/* A file with a text, in directories that are made. */
static inline void
file_write(const struct shared *s, const char *name, const char *text)
{
	struct file_name f = below(s, name);
	FILE *file;

	for (char *at = f.text + strlen(s->path.text); *at; at++)
		if (*at == '/') {
			*at = '\0';
			mkdir(f.text, 0700);
			*at = '/';
		}
	file = fopen(f.text, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

/* 0: there is no such file. */
static inline int
file_read(const struct shared *s, const char *name, char *text, size_t cap)
{
	FILE *file = fopen(below(s, name).text, "r");

	memset(text, 0, cap);
	if (!file)
		return 0;
	cr_assert(fread(text, 1, cap - 1, file) < cap);
	fclose(file);
	return 1;
}

static inline int
file_is_there(const struct shared *s, const char *name)
{
	struct stat st;

	return lstat(below(s, name).text, &st) == 0;
}

/* Last changed and read so many seconds ago. */
static inline void
file_age(const struct shared *s, const char *name, long seconds)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	cr_assert_eq(utimensat(AT_FDCWD, below(s, name).text, times, 0), 0);
}

#endif
