/*
 * The quota of a shared directory.
 *
 * Nobody keeps a list of what is there: others write and delete too.  So one
 * listing of the whole tree is always under way, a few entries with each PUT.
 * It counts, it deletes temporary files that their writers left behind, and
 * it collects candidates: the values used longest ago of those it came by
 * lately.
 *
 *   pass over the tree  -->  pool of 128  -->  deleted while above the quota
 *
 * Names are digests, so the next directories hold values of any age: this is
 * the sampling of Redis' LRU, with a cost per PUT that does not depend on
 * how many values there are.  In a tree that one piece covers it is exact.
 *
 * Counting beside writers: what comes or goes while a pass is under way is
 * missed by it when it happens in the part that lies behind.  That part is
 * directories left behind over directories there are, and such a share of
 * each change is added when the pass ends.
 *
 * The lock is held while files are looked at; whoever finds it taken goes on
 * without.  Only a full disk waits for it.
 */

#define _GNU_SOURCE

#include "store/store_shfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	DIRS = 256,
	/* Of one PUT at most: pieces of the listing, and deletions. */
	PIECES_MAX = 16,
	EVICT_MAX = 32,
	/* Until the first pass has ended nothing is known: go faster. */
	FIRST_PASS = 4,
	RELIEVE_ENTRIES = 1024
};

#define BYTES_MAX ((uint64_t)INT64_MAX / 4)
#define SECOND INT64_C(1000000000)
#define ORPHAN_NS (3600 * SECOND)

int64_t
aibrix__shfs_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* Hostile times only make a value look old or young. */
static int64_t
time_ns(const struct timespec *t)
{
	if (t->tv_sec < 0 || t->tv_sec >= INT64_MAX / SECOND)
		return t->tv_sec < 0 ? 0 : INT64_MAX;
	return t->tv_sec * SECOND + t->tv_nsec;
}

/* Reading moves atime, on mounts that do; a hit moves it on all. */
int64_t
aibrix__shfs_used(const struct stat *st)
{
	int64_t changed = time_ns(&st->st_mtim), read = time_ns(&st->st_atim);

	return changed > read ? changed : read;
}

void
aibrix__shfs_account(struct shfs *shfs, int64_t values, int64_t bytes)
{
	struct shfs_count *c = &shfs->count;
	uint32_t done = atomic_load(&c->dirs), of = atomic_load(&c->dirs_last);
	uint32_t share = done < of ? done * DIRS / of : DIRS;

	atomic_fetch_add(&c->bytes, bytes);
	atomic_fetch_add(&c->values, values);
	atomic_fetch_add(&c->missed_bytes, bytes / DIRS * share);
	atomic_fetch_add(&c->missed_values, values * share);
}

/* The next entry, or NULL: the directory has ended, or cannot be read. */
static const struct dirent64 *
level_next(struct shfs_level *level)
{
	const struct dirent64 *entry;
	ssize_t got;

	if (level->at == level->n) {
		got = getdents64(level->fd, level->listing,
				 sizeof(level->listing));
		if (got <= 0)
			return NULL;
		level->at = 0;
		level->n = (uint32_t)got;
	}
	entry = (const void *)(level->listing + level->at);
	level->at += entry->d_reclen;
	return entry;
}

/* 0, or errno. */
static int
level_open(struct shfs_sweep *s, int at, const char *name)
{
	struct shfs_level *level = &s->level[s->depth];

	level->fd = aibrix__shfs_dir(at, name);
	if (level->fd < 0)
		return errno;
	level->at = level->n = 0;
	memcpy(level->name, name, strlen(name) + 1); /* "." or two digits */
	s->depth++;
	return 0;
}

static void
pass_end(struct shfs *shfs)
{
	struct shfs_sweep *s = &shfs->sweep;
	struct shfs_count *c = &shfs->count;
	int64_t bytes = atomic_exchange(&c->missed_bytes, 0);
	int64_t values = atomic_exchange(&c->missed_values, 0) / DIRS;
	uint32_t dirs = atomic_exchange(&c->dirs, 0);

	bytes += (int64_t)s->bytes;
	values += (int64_t)s->values;
	atomic_store(&c->bytes, bytes > 0 ? bytes : 0);
	atomic_store(&c->values, values > 0 ? values : 0);
	atomic_store(&c->dirs_last, dirs ? dirs : 1);
	atomic_fetch_add(&c->passes, 1);
	s->bytes = s->values = 0;
}

static void
level_close(struct shfs *shfs)
{
	struct shfs_sweep *s = &shfs->sweep;

	s->depth--;
	close(s->level[s->depth].fd);
	if (s->depth == 1)
		atomic_fetch_add(&shfs->count.dirs, 1);
	if (s->depth == 0)
		pass_end(shfs);
}

/* Candidates in no order: a pool of 128 is searched in less time than one
 * file is looked at. */
static uint32_t
pool_find(const struct shfs_sweep *s, const char *name, uint32_t *youngest)
{
	*youngest = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->pool[i].used_ns > s->pool[*youngest].used_ns)
			*youngest = i;
		if (strcmp(s->pool[i].name, name) == 0)
			return i;
	}
	return s->n;
}

static void
pool_add(struct shfs_sweep *s, const char *name, int64_t used_ns)
{
	uint32_t youngest, i = pool_find(s, name, &youngest);

	if (i == SHFS_POOL) {
		i = youngest;
		if (s->pool[i].used_ns <= used_ns)
			return;
	} else if (i == s->n) {
		s->n++;
	}
	s->pool[i].used_ns = used_ns;
	memcpy(s->pool[i].name, name, strlen(name) + 1);
}

static void
file_see(struct shfs *shfs, const char *name)
{
	struct shfs_sweep *s = &shfs->sweep;
	const struct shfs_level *level = s->level;
	int at = level[s->depth - 1].fd;
	int temp = aibrix__shfs_is_temp(name);
	struct stat st;

	if (!temp &&
	    !aibrix__shfs_is_value(name, s->depth > 1 ? level[1].name : NULL,
				   level[2].name))
		return;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (!temp) {
		s->values++;
		/* Sparse files claim any size. */
		if ((uint64_t)st.st_size < BYTES_MAX - s->bytes)
			s->bytes += (uint64_t)st.st_size;
		else
			s->bytes = BYTES_MAX;
		pool_add(s, name, aibrix__shfs_used(&st));
	} else if (time_ns(&st.st_mtim) < aibrix__shfs_now() - ORPHAN_NS &&
		   unlinkat(at, name, 0) == 0) {
		atomic_fetch_add(&shfs->count.orphans, 1);
	}
}

/* A directory of ours is gone into; all else is looked at where it is. */
static void
entry_see(struct shfs *shfs, const char *name)
{
	struct shfs_sweep *s = &shfs->sweep;
	int at = s->level[s->depth - 1].fd;

	if (s->depth < SHFS_LEVELS && aibrix__shfs_is_dir(name))
		(void)level_open(s, at, name);
	else if (s->depth != 2) /* values are at the top and at the bottom */
		file_see(shfs, name);
}

/* Look at so many entries; 0 when the pass has ended. */
static int
sweep_step(struct shfs *shfs, uint32_t entries)
{
	struct shfs_sweep *s = &shfs->sweep;

	if (!s->depth && level_open(s, shfs->root, ".") != 0)
		return 0;
	for (; entries; entries--) {
		const struct dirent64 *entry =
			level_next(&s->level[s->depth - 1]);

		if (entry) {
			if (strcmp(entry->d_name, ".") != 0 &&
			    strcmp(entry->d_name, "..") != 0)
				entry_see(shfs, entry->d_name);
			continue;
		}
		level_close(shfs);
		if (!s->depth)
			return 0;
	}
	return 1;
}

static uint32_t
pool_oldest(const struct shfs_sweep *s)
{
	uint32_t oldest = 0;

	for (uint32_t i = 1; i < s->n; i++)
		if (s->pool[i].used_ns < s->pool[oldest].used_ns)
			oldest = i;
	return oldest;
}

/* What became of a candidate since it was seen. */
enum { VICTIM_DELETED, VICTIM_GONE, VICTIM_USED };

static int
victim_take(struct shfs *shfs, const struct shfs_seen *seen, int leaf,
	    int64_t *used_ns, uint64_t *freed)
{
	struct stat st;

	if (fstatat(leaf, seen->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return VICTIM_GONE;
	*used_ns = aibrix__shfs_used(&st);
	if (*used_ns > seen->used_ns)
		return VICTIM_USED;
	if (unlinkat(leaf, seen->name, 0) != 0)
		return VICTIM_GONE;
	aibrix__shfs_account(shfs, -1, -(int64_t)st.st_size);
	atomic_fetch_add(&shfs->count.evictions, 1);
	*freed += (uint64_t)st.st_size;
	return VICTIM_DELETED;
}

/* Delete the oldest candidate; 0 when there is none. */
static int
sweep_evict(struct shfs *shfs, uint64_t *freed)
{
	struct shfs_sweep *s = &shfs->sweep;

	while (s->n) {
		uint32_t i = pool_oldest(s);
		int64_t used_ns = 0;
		int leaf, what = VICTIM_GONE;

		if (aibrix__shfs_leaf(shfs, s->pool[i].name, 0, &leaf) == 0) {
			what = victim_take(shfs, &s->pool[i], leaf, &used_ns,
					   freed);
			aibrix__shfs_leaf_close(shfs, leaf);
		}
		if (what == VICTIM_USED) {
			s->pool[i].used_ns = used_ns;
			continue;
		}
		s->pool[i] = s->pool[--s->n];
		if (what == VICTIM_DELETED)
			return 1;
	}
	return 0;
}

static int
is_over(const struct shfs *shfs, uint64_t bytes)
{
	int64_t known = atomic_load(&shfs->count.bytes);

	return !(shfs->opts.flags & AIBRIX_SHFS_KEEP) && known >= 0 &&
	       (uint64_t)known + bytes > shfs->conf.capacity_bytes;
}

void
aibrix__shfs_room(struct shfs *shfs, uint64_t bytes)
{
	uint32_t entries = shfs->opts.sweep_entries, pieces = 1, evicted = 0;
	uint64_t freed = 0;

	if (pthread_mutex_trylock(&shfs->sweep.lock) != 0)
		return;
	if (!atomic_load(&shfs->count.passes))
		entries *= FIRST_PASS;
	sweep_step(shfs, entries);
	while (is_over(shfs, bytes) && evicted < EVICT_MAX) {
		if (sweep_evict(shfs, &freed)) {
			evicted++;
			continue;
		}
		if (pieces++ == PIECES_MAX)
			break;
		sweep_step(shfs, entries);
	}
	pthread_mutex_unlock(&shfs->sweep.lock);
}

int
aibrix__shfs_relieve(struct shfs *shfs, uint64_t bytes)
{
	uint64_t freed = 0;
	uint32_t evicted = 0;

	if (shfs->opts.flags & AIBRIX_SHFS_KEEP)
		return 0;
	pthread_mutex_lock(&shfs->sweep.lock);
	sweep_step(shfs, RELIEVE_ENTRIES);
	while (evicted < EVICT_MAX && (freed < bytes || !evicted) &&
	       sweep_evict(shfs, &freed))
		evicted++;
	pthread_mutex_unlock(&shfs->sweep.lock);
	return evicted > 0;
}

void
aibrix__shfs_sweep_close(struct shfs *shfs)
{
	struct shfs_sweep *s = &shfs->sweep;

	while (s->depth)
		close(s->level[--s->depth].fd);
	pthread_mutex_destroy(&s->lock);
}
