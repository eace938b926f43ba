/*
 * Values in a slot file: the store that needs no server.
 *
 * Names live in memory (the directory), values in the file.  One GET is one
 * read of head and value, one PUT one write of both; longer values go in
 * pieces, all at once.
 *
 *   store_file.c       open, close, the table
 *   store_file_ring.c  many requests at once, on an io_uring
 *   store_job.c        what a request does, step by step
 *   store_step.c       where the bytes of a step go
 *   store_carry.c      steps on their way, with their memory
 *   store_uring.c      the kernel's ring
 *
 * Without a ring requests are served one after the other inside poll, by the
 * same jobs with blocking calls.
 *
 * Opening reads each slot's head, and the values of the last few PUTs, which
 * a crash may have left half written.
 */

#include "store/store_file.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/store_recover.h"

enum {
	PATH_BYTES_MAX = 4096,
	FLAGS = AIBRIX_STORE_DURABLE | AIBRIX_STORE_BUFFERED |
		AIBRIX_STORE_NO_RING
};

/* A job from its begin to its end, by blocking calls. */
static void
file_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct file *file = backend;
	struct job *job = &file->table[0];
	int what = aibrix__job_begin(&file->jobs, job, io, done);

	while (what == JOB_RUNS) {
		int bounces = aibrix__job_bounces(job);
		uint32_t id = aibrix__carry_take(&file->carry, bounces);
		struct step *step = &file->carry.steps[id];
		int64_t result;

		aibrix__job_step(&file->jobs, job, step);
		do {
			result = aibrix__carry_call(&file->carry, step);
		} while (aibrix__job_result(&file->jobs, job, step, result));
		aibrix__carry_give(&file->carry, id);
		if (!aibrix__job_wants(job))
			what = aibrix__job_settle(&file->jobs, job, done);
	}
}

/* The last values are read, so that those which a crash has cut short are
 * not there any more. */
static int
values_verify(struct file *file, const struct recovered *found)
{
	const aibrix_backend_conf *conf = &file->conf;
	aibrix_iov iov = {NULL, conf->value_bytes};

	if (!found->n_last)
		return AIBRIX_OK;
	iov.base = aibrix__alloc_pages(conf->alloc, iov.bytes);
	if (!iov.base)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < found->n_last; i++) {
		uint8_t key[AIBRIX_STORE_KEY_MAX];
		const struct place *p =
			&file->jobs.directory.places[found->last[i]];
		aibrix_io io = {.key = key,
				.key_bytes = p->key_bytes,
				.op = AIBRIX_STORE_GET,
				.iov = &iov,
				.n_iov = 1};
		aibrix_done done = {0};

		memcpy(key,
		       aibrix__directory_key(&file->jobs.directory,
					     found->last[i]),
		       p->key_bytes);
		file_serve(file, &io, &done);
	}
	aibrix__free(conf->alloc, iov.base, 1, iov.bytes);
	return AIBRIX_OK;
}

static int
file_recover(struct file *file)
{
	const aibrix_backend_conf *conf = &file->conf;
	struct directory *d = &file->jobs.directory;
	uint32_t last[JOB_PUTS];
	struct recovered found = {.last = last, .cap = file->jobs.puts_max};
	int err = aibrix__slots_recover(&file->carry, &file->slots, d, &found);

	if (err)
		return err;
	file->jobs.sequence = found.sequence;
	err = values_verify(file, &found);
	if (err)
		return err;
	conf->stat->recovered = d->used;
	conf->stat->values = d->used;
	conf->stat->capacity_values = d->slots;
	aibrix__log(conf->log,
		    conf->stat->dropped ? AIBRIX_LOG_WARN : AIBRIX_LOG_INFO,
		    LOG_STORE_OPENED,
		    "store %s: opened, %" PRIu32 " of %" PRIu32
		    " slots hold values, %" PRIu64 " damaged ones dropped; "
		    "%s, alignment %" PRIu32,
		    conf->path, d->used, d->slots, conf->stat->dropped,
		    file->carry.uring ? "io_uring" : "blocking calls",
		    file->carry.rules.align);
	return AIBRIX_OK;
}

/* Only closes, in a child after fork: the lock belongs to the open file and
 * the ring's requests to the parent, so that nothing is given away. */
static void
file_close(void *backend)
{
	struct file *file = backend;
	const aibrix_allocator *alloc = file->conf.alloc;

	aibrix__carry_close(&file->carry);
	aibrix__file_ring_close(file);
	aibrix__queue_close(&file->queue);
	if (file->slots.fd >= 0)
		close(file->slots.fd);
	aibrix__directory_close(&file->jobs.directory);
	aibrix__free(alloc, file->table, file->conf.max_inflight,
		     sizeof(*file->table));
	aibrix__free(alloc, file->path, file->path_bytes, 1);
	aibrix__free(alloc, file, 1, sizeof(*file));
}

static int
file_prepare(struct file *file)
{
	const aibrix_backend_conf *conf = &file->conf;
	int err;

	file->table = aibrix__alloc(conf->alloc, conf->max_inflight,
				    sizeof(*file->table));
	if (!file->table)
		return AIBRIX_E_NOMEM;
	err = aibrix__queue_open(&file->queue, conf, file, file_serve);
	if (!err)
		err = aibrix__directory_open(&file->jobs.directory, conf->alloc,
					     (uint32_t)file->slots.slots);
	if (!err)
		err = aibrix__slots_open(conf, &file->slots);
	if (!err)
		err = aibrix__carry_open(&file->carry, conf, &file->slots);
	file->jobs.rules = file->carry.rules;
	if (!err)
		err = file_recover(file);
	return err ? err : aibrix__file_ring_open(file);
}

static int
file_open(const aibrix_backend_conf *conf, void **backend)
{
	struct slot_file slots;
	struct file *file;
	size_t path_bytes;
	int err;

	if (conf->flags & ~(uint32_t)FLAGS)
		return AIBRIX_E_UNSUPPORTED;
	if (!conf->path || !conf->path[0])
		return AIBRIX_E_INVAL;
	path_bytes = strlen(conf->path) + 1;
	err = aibrix__slots_size(conf, &slots);
	if (err || path_bytes > PATH_BYTES_MAX || slots.slots > SLOTS_MAX)
		return AIBRIX_E_INVAL;
	file = aibrix__alloc(conf->alloc, 1, sizeof(*file));
	if (!file)
		return AIBRIX_E_NOMEM;

	file->conf = *conf;
	file->slots = slots;
	file->jobs.conf = &file->conf;
	file->jobs.slots = &file->slots;
	file->jobs.xxh = aibrix__xxh_select(slots.cpu);
	file->jobs.puts_max = aibrix__puts_max(conf->value_bytes);
	file->path_bytes = path_bytes;
	file->path = aibrix__alloc(conf->alloc, path_bytes, 1);
	if (!file->path) {
		file_close(file);
		return AIBRIX_E_NOMEM;
	}
	memcpy(file->path, conf->path, path_bytes);
	file->conf.path = file->path;
	err = file_prepare(file);
	if (err) {
		file_close(file);
		return err;
	}
	*backend = file;
	return AIBRIX_OK;
}

static int
file_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	    uint32_t *accepted)
{
	struct file *file = backend;

	return file->carry.uring ? aibrix__file_ring_submit(file, ios, n,
							    now_ns, accepted)
				 : aibrix__queue_submit(backend, ios, n, now_ns,
							accepted);
}

static int
file_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	  uint64_t timeout_ns, uint32_t *n)
{
	struct file *file = backend;

	return file->carry.uring ? aibrix__file_ring_poll(file, dones, cap,
							  now_ns, timeout_ns, n)
				 : aibrix__queue_poll(backend, dones, cap,
						      now_ns, timeout_ns, n);
}

static void
file_cancel(void *backend, uint64_t tag)
{
	struct file *file = backend;

	if (file->carry.uring)
		aibrix__file_ring_cancel(file, (uint32_t)tag);
	else
		aibrix__queue_cancel(backend, tag);
}

static int
file_fd(const void *backend)
{
	const struct file *file = backend;

	return file->carry.uring ? file->carry.event_fd
				 : aibrix__queue_fd(backend);
}

static uint64_t
file_wake(const void *backend)
{
	const struct file *file = backend;

	return file->carry.uring ? aibrix__file_ring_wake(file)
				 : aibrix__queue_wake(backend);
}

static int
file_memory_add(void *backend, void *base, uint64_t bytes)
{
	struct file *file = backend;

	return file->carry.uring
		       ? aibrix__uring_add(file->carry.uring, base, bytes)
		       : AIBRIX_OK;
}

static void
file_memory_remove(void *backend, void *base, uint64_t bytes)
{
	struct file *file = backend;

	if (file->carry.uring)
		aibrix__uring_remove(file->carry.uring, base, bytes);
}

const aibrix_backend aibrix__store_file = {
	.size = sizeof(aibrix__store_file),
	.caps = AIBRIX_CAP_LASTING,
	.open = file_open,
	.submit = file_submit,
	.poll = file_poll,
	.close = file_close,
	.fd = file_fd,
	.cancel = file_cancel,
	.wake = file_wake,
	.memory_add = file_memory_add,
	.memory_remove = file_memory_remove,
};
