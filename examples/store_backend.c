/*
 * A store of one's own: the table that a host writes to bring its storage
 * under aibrix_store, and so under the cache.
 *
 *   submit --> waiting --> the thread: open, read or write --> done --> poll
 *                 '--- late or cancelled ------------------------^
 *
 * Here the storage is a folder with one file for each value, and one thread
 * that may block.  What a table must keep, and where it is kept here:
 *
 *   exactly one completion    a request is in one ring at a time
 *   deadlines                 poll ends what waits too long, wake says when
 *   memory until the poll     the thread is joined before close returns
 *   a miss is not an outage   only ENOENT is E_NOT_FOUND
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <aibrix/aibrix.h>
#include <aibrix/backend.h>

enum { KEY_MAX = 64, NAME_BYTES = 2 * KEY_MAX + 1, PATH_BYTES = 256 };

/* Numbers of requests, in order of arrival. */
struct ring {
	uint32_t *tags;
	uint32_t n;
};

struct folder {
	const aibrix_backend_conf *conf;
	int dir;
	int event; /* readable while done.n > 0 */
	aibrix_io *ios;
	aibrix_done *dones; /* both by tag */
	pthread_t thread;
	/* The lock guards what follows. */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct ring waiting, done;
	uint32_t running; /* 1 while the thread serves */
	int stop;
};

/* ---- rings */

static void
ring_add(struct ring *ring, uint32_t tag)
{
	ring->tags[ring->n++] = tag;
}

static uint32_t
ring_take(struct ring *ring, uint32_t i)
{
	uint32_t tag = ring->tags[i];

	ring->n--;
	memmove(ring->tags + i, ring->tags + i + 1,
		(ring->n - i) * sizeof(*ring->tags));
	return tag;
}

/* The request is done: for poll, and for who watches the descriptor. */
static void
done_add(struct folder *f, uint32_t tag)
{
	uint64_t one = 1;

	if (f->done.n == 0 && write(f->event, &one, sizeof(one)) < 0)
		abort();
	ring_add(&f->done, tag);
}

static void
waiting_end(struct folder *f, uint32_t i, int32_t status)
{
	uint32_t tag = ring_take(&f->waiting, i);

	f->dones[tag] = (aibrix_done){.tag = tag, .status = status};
	done_add(f, tag);
}

/* ---- one request, on the thread */

static void
name_of(const aibrix_io *io, char name[NAME_BYTES])
{
	const unsigned char *key = io->key;

	for (uint32_t i = 0; i < io->key_bytes; i++)
		snprintf(name + (size_t)2 * i, 3, "%02x", key[i]);
}

static uint64_t
bytes_of(const aibrix_io *io)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < io->n_iov; i++)
		sum += io->iov[i].bytes;
	return sum;
}

static void
fail(aibrix_done *done)
{
	done->os_error = errno;
	done->status = errno == ENOENT   ? AIBRIX_E_NOT_FOUND
		       : errno == ENOSPC ? AIBRIX_E_FULL
					 : AIBRIX_E_IO;
}

/* aibrix_iov and struct iovec look alike, but are not one type. */
static ssize_t
transfer(int fd, const aibrix_io *io, int write_it)
{
	struct iovec iov[AIBRIX_STORE_IOV_MAX];

	for (uint32_t i = 0; i < io->n_iov; i++)
		iov[i] = (struct iovec){io->iov[i].base, io->iov[i].bytes};
	return write_it ? writev(fd, iov, (int)io->n_iov)
			: readv(fd, iov, (int)io->n_iov);
}

static void
serve_get(struct folder *f, const aibrix_io *io, const char *name,
	  aibrix_done *done)
{
	int fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC);
	struct stat file;

	if (fd < 0 || fstat(fd, &file) < 0) {
		fail(done);
	} else {
		done->bytes = (uint64_t)file.st_size;
		if (io->op == AIBRIX_STORE_GET && done->bytes > bytes_of(io))
			done->status = AIBRIX_E_SPACE;
		else if (io->op == AIBRIX_STORE_GET &&
			 transfer(fd, io, 0) != file.st_size)
			done->status = AIBRIX_E_IO;
	}
	if (fd >= 0)
		close(fd);
}

/* Written whole under another name, then linked: nobody sees half a value,
 * and one that is there stays. */
static void
serve_put(struct folder *f, const aibrix_io *io, const char *name,
	  aibrix_done *done)
{
	uint64_t bytes = bytes_of(io);
	int fd;

	if (bytes > f->conf->value_bytes) {
		done->status = AIBRIX_E_INVAL;
		return;
	}
	fd = openat(f->dir, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
	if (fd < 0) {
		fail(done);
		return;
	}
	if (transfer(fd, io, 1) != (ssize_t)bytes)
		fail(done);
	else if (linkat(f->dir, "new", f->dir, name, 0) == 0)
		done->bytes = bytes;
	else if (errno == EEXIST)
		done->flags = AIBRIX_DONE_EXISTED;
	else
		fail(done);
	close(fd);
	unlinkat(f->dir, "new", 0);
}

static void
serve(struct folder *f, const aibrix_io *io, aibrix_done *done)
{
	char name[NAME_BYTES] = "";

	if (io->key_bytes > KEY_MAX) {
		done->status = AIBRIX_E_UNSUPPORTED;
		return;
	}
	name_of(io, name);
	if (io->op == AIBRIX_STORE_PUT)
		serve_put(f, io, name, done);
	else if (io->op != AIBRIX_STORE_DELETE)
		serve_get(f, io, name, done);
	else if (unlinkat(f->dir, name, 0) < 0)
		fail(done);
}

/* The most urgent one, of these the first; there is one. */
static uint32_t
waiting_next(struct folder *f)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < f->waiting.n; i++)
		if (f->ios[f->waiting.tags[i]].priority <
		    f->ios[f->waiting.tags[best]].priority)
			best = i;
	return ring_take(&f->waiting, best);
}

static void *
folder_work(void *arg)
{
	struct folder *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		uint32_t tag;

		if (f->waiting.n == 0) {
			pthread_cond_wait(&f->work, &f->lock);
			continue;
		}
		tag = waiting_next(f);
		f->running = 1;
		pthread_mutex_unlock(&f->lock);
		f->dones[tag] = (aibrix_done){.tag = tag};
		serve(f, &f->ios[tag], &f->dones[tag]);
		pthread_mutex_lock(&f->lock);
		f->running = 0;
		done_add(f, tag);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- the table */

static int
folder_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	      uint32_t *accepted)
{
	struct folder *f = backend;

	pthread_mutex_lock(&f->lock);
	for (uint32_t i = 0; i < n; i++) {
		f->ios[ios[i].tag] = ios[i];
		ring_add(&f->waiting, (uint32_t)ios[i].tag);
		if (ios[i].deadline_ns <= now_ns)
			waiting_end(f, f->waiting.n - 1, AIBRIX_E_TIMEOUT);
	}
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->lock);
	*accepted = n;
	return AIBRIX_OK;
}

/* Completions, after what has become late is ended; busy: there are others. */
static uint32_t
folder_take(struct folder *f, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	    int *busy)
{
	uint32_t got = 0;
	uint64_t count;

	pthread_mutex_lock(&f->lock);
	for (uint32_t i = f->waiting.n; i > 0; i--)
		if (f->ios[f->waiting.tags[i - 1]].deadline_ns <= now_ns)
			waiting_end(f, i - 1, AIBRIX_E_TIMEOUT);
	while (got < cap && f->done.n > 0)
		dones[got++] = f->dones[ring_take(&f->done, 0)];
	if (got && f->done.n == 0 && read(f->event, &count, sizeof(count)) < 0)
		abort();
	*busy = f->waiting.n + f->running > 0;
	pthread_mutex_unlock(&f->lock);
	return got;
}

static int
folder_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	    uint64_t timeout_ns, uint32_t *n)
{
	struct folder *f = backend;
	const aibrix_backend_conf *conf = f->conf;
	uint64_t start = conf->clock(conf->clock_ctx), passed = 0;
	struct pollfd event = {.fd = f->event, .events = POLLIN};
	int busy;

	for (;;) {
		*n = folder_take(f, dones, cap, now_ns + passed, &busy);
		if (*n || !busy || passed >= timeout_ns)
			return AIBRIX_OK;
		poll(&event, 1, 1); /* then deadlines are looked at again */
		passed = conf->clock(conf->clock_ctx) - start;
	}
}

static int
folder_fd(const void *backend)
{
	const struct folder *f = backend;

	return f->event;
}

/* What is under way goes on; a deadline does not stop it either. */
static void
folder_cancel(void *backend, uint64_t tag)
{
	struct folder *f = backend;

	pthread_mutex_lock(&f->lock);
	for (uint32_t i = f->waiting.n; i > 0; i--)
		if (f->waiting.tags[i - 1] == tag)
			waiting_end(f, i - 1, AIBRIX_E_CANCELED);
	pthread_mutex_unlock(&f->lock);
}

static uint64_t
folder_wake(const void *backend)
{
	struct folder *f;
	uint64_t wake = AIBRIX_FOREVER;

	memcpy(&f, &backend, sizeof(f)); /* its lock is not const */
	pthread_mutex_lock(&f->lock);
	for (uint32_t i = 0; i < f->waiting.n; i++)
		if (f->ios[f->waiting.tags[i]].deadline_ns < wake)
			wake = f->ios[f->waiting.tags[i]].deadline_ns;
	pthread_mutex_unlock(&f->lock);
	return wake;
}

static void
folder_free(struct folder *f)
{
	if (f->dir >= 0)
		close(f->dir);
	if (f->event >= 0)
		close(f->event);
	free(f->ios);
	free(f->dones);
	free(f->waiting.tags);
	free(f->done.tags);
	free(f);
}

/* The request under way is waited for: its memory is the caller's after. */
static void
folder_close(void *backend)
{
	struct folder *f = backend;

	pthread_mutex_lock(&f->lock);
	f->stop = 1;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->work);
	pthread_mutex_destroy(&f->lock);
	folder_free(f);
}

static int
folder_open(const aibrix_backend_conf *conf, void **backend)
{
	struct folder *f = calloc(1, sizeof(*f));
	uint32_t n = conf->max_inflight;

	if (!f)
		return AIBRIX_E_NOMEM;
	f->conf = conf;
	f->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	f->dir = open(conf->path, O_DIRECTORY | O_CLOEXEC);
	f->ios = calloc(n, sizeof(*f->ios));
	f->dones = calloc(n, sizeof(*f->dones));
	f->waiting.tags = calloc(n, sizeof(uint32_t));
	f->done.tags = calloc(n, sizeof(uint32_t));
	if (f->event < 0 || f->dir < 0 || !f->ios || !f->dones ||
	    !f->waiting.tags || !f->done.tags ||
	    pthread_mutex_init(&f->lock, NULL)) {
		folder_free(f);
		return AIBRIX_E_IO;
	}
	pthread_cond_init(&f->work, NULL);
	if (pthread_create(&f->thread, NULL, folder_work, f)) {
		pthread_cond_destroy(&f->work);
		pthread_mutex_destroy(&f->lock);
		folder_free(f);
		return AIBRIX_E_NOMEM;
	}
	*backend = f;
	return AIBRIX_OK;
}

static const aibrix_backend folder_table = {
	.size = sizeof(folder_table),
	.caps = AIBRIX_CAP_LASTING | AIBRIX_CAP_BLOCKING,
	.open = folder_open,
	.submit = folder_submit,
	.poll = folder_poll,
	.close = folder_close,
	.fd = folder_fd,
	.cancel = folder_cancel,
	.wake = folder_wake,
};

/* ---- the program: a store on it, then a cache on that store */

static void
check(int status)
{
	if (status != AIBRIX_OK) {
		fprintf(stderr, "store_backend: %s\n", aibrix_strerror(status));
		exit(1);
	}
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* One request and its completion. */
static aibrix_done
ask(aibrix_store *store, uint32_t op, const char *key, const aibrix_iov *iov,
    uint64_t deadline_ns)
{
	aibrix_io io = {.key = key,
			.key_bytes = (uint32_t)strlen(key),
			.iov = iov,
			.n_iov = iov ? 1 : 0,
			.op = op,
			.deadline_ns = deadline_ns};
	aibrix_done done;
	uint32_t n = 0;

	check(aibrix_store_submit(store, &io, 1, now_ns(), &n));
	do {
		check(aibrix_store_poll(store, &done, 1, now_ns(), 1000000000,
					&n));
	} while (n == 0);
	return done;
}

/* 1: the store does what stores do. */
static int
try_store(aibrix_store *store)
{
	char in[] = "value", out[16] = "";
	aibrix_iov from = {in, 5}, to = {out, sizeof(out)}, small = {out, 4};
	int good;

	good = ask(store, AIBRIX_STORE_GET, "key", &to, 0).status ==
	       AIBRIX_E_NOT_FOUND;
	good &= ask(store, AIBRIX_STORE_PUT, "key", &from, 1).status ==
		AIBRIX_E_TIMEOUT; /* was late from the start */
	good &= ask(store, AIBRIX_STORE_PUT, "key", &from, 0).bytes == 5;
	good &= ask(store, AIBRIX_STORE_PUT, "key", &from, 0).flags ==
		AIBRIX_DONE_EXISTED;
	good &= ask(store, AIBRIX_STORE_PROBE, "key", NULL, 0).bytes == 5;
	good &= ask(store, AIBRIX_STORE_GET, "key", &small, 0).status ==
		AIBRIX_E_SPACE;
	good &= ask(store, AIBRIX_STORE_GET, "key", &to, 0).status == AIBRIX_OK;
	good &= strcmp(out, "value") == 0;
	good &= ask(store, AIBRIX_STORE_DELETE, "key", NULL, 0).status ==
		AIBRIX_OK;
	return good;
}

enum { BLOCKS = 4, BLOCK_BYTES = 4096 };

static void
settle(aibrix_cache *cache)
{
	uint64_t busy = 1;

	while (busy > 0)
		check(aibrix_cache_poll(cache, now_ns(), 100000000, &busy));
}

/* One engine's cache puts blocks there, another one's finds them: how many? */
static uint64_t
try_cache(aibrix_store *store)
{
	aibrix_cache_opts opts = {.size = sizeof(opts),
				  .block_bytes = BLOCK_BYTES,
				  .l1_bytes = 16 * BLOCK_BYTES,
				  .l2 = store};
	aibrix_key keys[BLOCKS] = {{{1}}, {{2}}, {{3}}, {{4}}};
	aibrix_cache_view view = {.size = sizeof(view)};
	aibrix_cache *first, *second;
	uint64_t lease, n, good = 0;
	int status;

	check(aibrix_cache_new(&opts, &first));
	check(aibrix_cache_new(&opts, &second));
	check(aibrix_cache_reserve(first, keys, NULL, BLOCKS, now_ns(), &lease,
				   &n));
	for (uint64_t i = 0; i < n; i++) {
		check(aibrix_cache_block(first, lease, i, &view));
		memset(view.data, (int)('a' + i), BLOCK_BYTES);
	}
	check(aibrix_cache_commit(first, lease, now_ns()));
	settle(first);

	status = aibrix_cache_acquire(second, keys, BLOCKS, 0, now_ns(), &lease,
				      &n);
	if (status == AIBRIX_E_AGAIN) {
		settle(second);
		status = aibrix_cache_state(second, lease, &n);
	}
	check(status);
	for (uint64_t i = 0; i < n; i++) {
		const char *bytes;

		check(aibrix_cache_block(second, lease, i, &view));
		bytes = view.data;
		good += bytes[0] == (char)('a' + i) &&
			bytes[BLOCK_BYTES - 1] == (char)('a' + i);
	}
	check(aibrix_cache_release(second, lease));
	aibrix_cache_free(first);
	aibrix_cache_free(second);
	return good;
}

/* The files that blocks were kept in are named by their keys. */
static void
folder_clear(const char *path)
{
	char name[PATH_BYTES + NAME_BYTES];

	for (int i = 1; i <= BLOCKS; i++) {
		snprintf(name, sizeof(name), "%s/%02x%030d", path, i, 0);
		unlink(name);
	}
	rmdir(path);
}

int
main(void)
{
	const char *temp = getenv("TMPDIR");
	char path[PATH_BYTES];
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .user = &folder_table,
				  .path = path,
				  .max_inflight = 64,
				  .value_bytes = BLOCK_BYTES +
						 AIBRIX_CACHE_FRAME_BYTES};
	aibrix_store *store;
	uint64_t found;
	int good;

	snprintf(path, sizeof(path), "%.200s/aibrix-backend-XXXXXX",
		 temp && *temp ? temp : "/tmp");
	if (!mkdtemp(path))
		return 1;
	check(aibrix_store_open(&opts, &store));
	good = try_store(store);
	found = try_cache(store);
	aibrix_store_free(store);
	folder_clear(path);
	printf("a store of one's own: %s, %d of %d blocks came back\n",
	       good ? "as it should be" : "WRONG", (int)found, BLOCKS);
	return good && found == BLOCKS ? 0 : 1;
}
