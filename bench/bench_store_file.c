/*
 * The slot file against fio, on the same file system, in the same run.
 *
 * A read begins with nothing of the file in the page cache, a write ends when
 * all of it has been written out; neither waits for the device's own cache.
 * For a store that passes the page cache by both are no work.  Writes are of
 * new keys into a full store, so that blocks of the file are written over, as
 * fio's are.
 */
#define _GNU_SOURCE /* O_DIRECT, sync_file_range */

#include <fcntl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "bench_store.h"

enum { FILE_DEPTH = 32 };
enum { TMPFS = 0x01021994 }; /* linux/magic.h */

/* NULL, or why this folder tells nothing about a disk. */
static const char *
folder_refuse(const char *dir)
{
	char path[512];
	struct statfs fs;
	int fd;

	if (statfs(dir, &fs))
		return "no such folder";
	if (fs.f_type == TMPFS)
		return "the folder is in memory";
	snprintf(path, sizeof(path), "%s/aibrix-bench-XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		return "the folder cannot be written";
	close(fd);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	unlink(path);
	if (fd < 0)
		return "no O_DIRECT in the folder";
	close(fd);
	return NULL;
}

const char *
slot_store_open(struct slot_store *s, const struct options *o,
		const struct work *w, uint64_t value_bytes, uint64_t values)
{
	aibrix_store_opts so = {.size = sizeof(so),
				.backend = AIBRIX_BACKEND_FILE,
				.path = s->path,
				.capacity_bytes = values * value_bytes,
				.value_bytes = value_bytes,
				.timeout_ns = 60000000000};
	const char *why = folder_refuse(o->dir);
	aibrix_store *store;

	if (why)
		return why;
	snprintf(s->path, sizeof(s->path), "%s/aibrix-bench-slots-%d", o->dir,
		 (int)getpid());
	bench_check(!aibrix_store_open(&so, &store), "a slot file");
	ours_init(&s->ours, store, w);
	s->fd = open(s->path, O_RDWR | O_CLOEXEC);
	bench_check(s->fd >= 0, "the slot file, again");
	return NULL;
}

void
slot_store_free(struct slot_store *s)
{
	ours_free(&s->ours);
	close(s->fd);
	unlink(s->path);
}

void
slot_store_forget(const struct slot_store *s)
{
	bench_check(!fdatasync(s->fd) &&
			    !posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED),
		    "forgetting the page cache");
}

void
slot_store_move(void *ctx, uint32_t op, struct work *w)
{
	struct slot_store *s = ctx;

	ours_move(&s->ours, op, w);
	if (op == AIBRIX_STORE_PUT)
		bench_check(
			!sync_file_range(s->fd, 0, 0,
					 SYNC_FILE_RANGE_WAIT_BEFORE |
						 SYNC_FILE_RANGE_WRITE |
						 SYNC_FILE_RANGE_WAIT_AFTER),
			"sync_file_range");
}

struct file_setup {
	const struct options *o;
	struct work work;
	struct slot_store store;
	struct fio fio;
	int has_fio;
	uint32_t generation; /* of the keys */
};

static const char *
file_note(const struct file_setup *f)
{
	if (!f->has_fio)
		return "no fio";
	return f->fio.registered
		       ? "random order, 32 in flight, fio's registered"
		       : "random order, 32 in flight";
}

/* Ours and fio, in turn. */
static void
file_row(struct file_setup *f, uint32_t op, const char *name)
{
	const struct mover ours = {"the file store", &f->store,
				   slot_store_move};
	const struct store_row row = {name, UNIT_RATE, "fio io_uring direct",
				      file_note(f)};
	struct costs mine, its;

	for (uint32_t i = 0; i < store_rounds(f->o); i++) {
		struct cost c;

		if (i % 2 && f->has_fio)
			its.s[i] = fio_time(&f->fio, op, &f->work);
		if (op == AIBRIX_STORE_PUT)
			work_rename(&f->work, ++f->generation);
		slot_store_forget(&f->store);
		c = work_time(&f->work, &ours, op);
		mine.s[i] = c.s;
		mine.cpu[i] = c.cpu;
		if (i % 2 == 0 && f->has_fio)
			its.s[i] = fio_time(&f->fio, op, &f->work);
	}
	row_print(f->o, &row, &mine, f->has_fio ? &its : NULL);
}

static void
file_missing(const struct options *o, const char *name, const char *why)
{
	const struct store_row row = {name, UNIT_RATE, NULL, why};

	row_print(o, &row, NULL, NULL);
}

static void
file_size(const struct options *o, uint64_t bytes, const char *get,
	  const char *put)
{
	struct file_setup f = {.o = o};
	const char *why;

	work_init(&f.work, o, bytes);
	f.work.depth = FILE_DEPTH;
	why = slot_store_open(&f.store, o, &f.work, bytes, f.work.n);
	if (why) {
		file_missing(o, get, why);
		file_missing(o, put, why);
		work_free(&f.work);
		return;
	}
	f.has_fio = fio_open(&f.fio, o->dir, &f.work);
	slot_store_move(&f.store, AIBRIX_STORE_PUT, &f.work);
	file_row(&f, AIBRIX_STORE_GET, get);
	file_row(&f, AIBRIX_STORE_PUT, put);
	unlink(f.fio.path);
	slot_store_free(&f.store);
	work_free(&f.work);
}

void
file_rows(const struct options *o)
{
	file_size(o, BLOCK_1M, "file_read_1m", "file_write_1m");
	file_size(o, BLOCK_256K, "file_read_256k", "file_write_256k");
}
