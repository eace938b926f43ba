/* One file for each value in a shared directory: see store_shfs.c. */
#ifndef STORE_SHFS_H
#define STORE_SHFS_H

#include <pthread.h>
#include <stdatomic.h>

#include <aibrix/shfs.h>

#include "base/sha256.h"
#include "store/store_queue.h"

enum {
	SHFS_NAME = 256, /* bytes of a name, with its NUL */
	SHFS_POOL = 128, /* candidates for eviction */
	SHFS_LEVELS = 3,
	SHFS_LISTING = 4096
};

/* Ways of writing a file that nobody sees before it is whole, best first. */
enum {
	SHFS_UNNAMED = 1, /* O_TMPFILE, then linkat */
	SHFS_RENAME = 2,  /* a temporary name, then RENAME_NOREPLACE */
	SHFS_LINK = 4     /* a temporary name, then link and unlink */
};

/* A value that the sweep has seen. */
struct shfs_seen {
	int64_t used_ns; /* wall clock: last change or use */
	char name[SHFS_NAME];
};

/* A directory that is being listed. */
struct shfs_level {
	int fd;
	char name[3]; /* in its parent */
	uint32_t at, n;
	_Alignas(8) char listing[SHFS_LISTING];
};

/* Under lock. */
struct shfs_sweep {
	pthread_mutex_t lock;
	uint32_t depth;     /* levels that are open */
	uint64_t bytes;     /* of the values that this pass has seen */
	uint64_t values;    /* that this pass has seen */
	uint32_t dirs_last; /* directories right below, in the last pass */
	uint32_t n;
	struct shfs_level level[SHFS_LEVELS];
	struct shfs_seen pool[SHFS_POOL];
};

/* What any thread may change: all of it is atomic. */
struct shfs_count {
	_Atomic int64_t bytes, values;
	/* What changed in the part that the pass under way has left behind:
	 * bytes, and 256ths of a value. */
	_Atomic int64_t missed_bytes, missed_values;
	_Atomic uint32_t dirs, dirs_last; /* directories left behind, of */
	_Atomic uint64_t passes, evictions, orphans;
};

struct shfs {
	struct queue queue; /* first: store_backend.h */
	aibrix_backend_conf conf;
	aibrix_shfs_opts opts;
	char *path; /* conf.path, our copy */
	size_t path_bytes;
	int root; /* <path>/<conn_id> */
	const struct sha256_impl *sha;
	_Atomic uint32_t ways;      /* SHFS_* that may work here */
	_Atomic uint64_t temporary; /* names given out */
	struct shfs_count count;
	struct shfs_sweep sweep;
};

/* A file that nobody sees yet.  name "": it has none. */
struct shfs_temp {
	int fd;
	char name[40];
};

/* store_shfs_name.c */
void aibrix__shfs_name(const struct sha256_impl *sha, const void *key,
		       uint32_t key_bytes, char name[SHFS_NAME]);
/* Two digits, as directories are called. */
int aibrix__shfs_is_dir(const char *name);
/* A value's name, in the directories of its first digits. */
int aibrix__shfs_is_value(const char *name, const char *dir0, const char *dir1);
/* A temporary name of ours or of AIBrix. */
int aibrix__shfs_is_temp(const char *name);
void aibrix__shfs_temp_name(uint64_t random[2], char name[40]);

/* store_shfs_dir.c; 0 or errno */
int aibrix__shfs_dir(int at, const char *name);
int aibrix__shfs_leaf(const struct shfs *shfs, const char *name, int create,
		      int *fd);
void aibrix__shfs_leaf_close(const struct shfs *shfs, int fd);
int aibrix__shfs_temp_open(struct shfs *shfs, int leaf, struct shfs_temp *temp);
/* EEXIST: there is one by now.  EAGAIN: not in this way, begin anew. */
int aibrix__shfs_publish(struct shfs *shfs, int leaf, struct shfs_temp *temp,
			 const char *name);
void aibrix__shfs_temp_close(int leaf, struct shfs_temp *temp);

/*
 * store_shfs_io.c; a queue_serve.
 *
 * Thread: shared.
 */
void aibrix__shfs_serve(void *backend, const aibrix_io *io, aibrix_done *done);

/* store_shfs_sweep.c */
int64_t aibrix__shfs_now(void);
struct stat;
int64_t aibrix__shfs_used(const struct stat *st);
/* A value came (values 1) or went (-1). */
void aibrix__shfs_account(struct shfs *shfs, int64_t values, int64_t bytes);
/* Before a value of so many bytes is written: one bounded piece of the sweep,
 * and what the quota asks for. */
void aibrix__shfs_room(struct shfs *shfs, uint64_t bytes);
/* The disk is full: 1 when something was deleted. */
int aibrix__shfs_relieve(struct shfs *shfs, uint64_t bytes);
void aibrix__shfs_sweep_close(struct shfs *shfs);

#endif
