/*
 * Many requests at once, on the kernel's ring.
 *
 *   queue --take--> running: jobs --steps--> ring --> ready --> poll
 *     ^                |
 *     +---- blocked ---+  not before another has ended
 *
 * Requests begin inside submit, when there is room, and else inside poll.
 * A running job keeps its place until it has ended; its steps share the
 * window with those of all others, oldest job first.
 *
 * The descriptor is the ring's: the kernel counts it up with each step that
 * ends, and we do when something is ready that no step of the kernel tells
 * of.  poll lowers it before it looks, so nothing is missed.
 */

#define _DEFAULT_SOURCE

#include "store/store_file.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* A step that serves all jobs that wait for a sync. */
#define JOB_ALL UINT32_MAX

/* ---- ready */

static void
ready_push(struct file *file, const aibrix_done *done)
{
	uint32_t at = file->first_ready + file->n_ready++;

	file->ready[at % file->conf.max_inflight] = *done;
}

static void
fd_raise(struct file *file)
{
	const uint64_t one = 1;

	/* Fails only where it is readable anyway. */
	if (!file->raised && write(file->carry.event_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	file->raised = 1;
}

static void
fd_lower(struct file *file)
{
	uint64_t count;

	if (read(file->carry.event_fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
	file->raised = 0;
}

int
aibrix__file_ring_open(struct file *file)
{
	const aibrix_backend_conf *conf = &file->conf;

	if (!file->carry.uring)
		return AIBRIX_OK;
	file->running =
		aibrix__alloc(conf->alloc, CARRY_STEPS, sizeof(*file->running));
	file->ready = aibrix__alloc(conf->alloc, conf->max_inflight,
				    sizeof(*file->ready));
	if (!file->running || !file->ready)
		return AIBRIX_E_NOMEM;
	fd_lower(file); /* opening has read heads */
	return AIBRIX_OK;
}

void
aibrix__file_ring_close(struct file *file)
{
	const aibrix_backend_conf *conf = &file->conf;

	aibrix__free(conf->alloc, file->running, CARRY_STEPS,
		     sizeof(*file->running));
	aibrix__free(conf->alloc, file->ready, conf->max_inflight,
		     sizeof(*file->ready));
}

/* ---- running jobs */

static void
step_put(struct file *file, uint32_t tag, uint32_t id)
{
	file->carry.steps[id].job = tag;
	aibrix__uring_put(file->carry.uring, &file->carry.steps[id], id);
}

/* All steps that the job wants and the window has room for. */
static void
job_put_steps(struct file *file, uint32_t tag)
{
	struct job *job = &file->table[tag];

	while (aibrix__job_wants(job) && !aibrix__job_wants_sync(job)) {
		uint32_t id = aibrix__carry_take(&file->carry,
						 aibrix__job_bounces(job));

		if (id == CARRY_NONE)
			return;
		aibrix__job_step(&file->jobs, job, &file->carry.steps[id]);
		step_put(file, tag, id);
	}
}

/* One sync for all that want one: those of a moment later share the next. */
static void
sync_put(struct file *file)
{
	uint32_t id = CARRY_NONE;

	for (uint32_t i = 0; i < file->n_running && !file->sync_out; i++) {
		struct job *job = &file->table[file->running[i]];

		if (!aibrix__job_wants_sync(job))
			continue;
		if (id == CARRY_NONE)
			id = aibrix__carry_take(&file->carry, 0);
		if (id == CARRY_NONE)
			return;
		aibrix__job_step(&file->jobs, job, &file->carry.steps[id]);
	}
	if (id == CARRY_NONE)
		return;
	file->sync_out = 1;
	step_put(file, JOB_ALL, id);
}

static void
running_remove(struct file *file, uint32_t tag)
{
	uint32_t i = 0;

	while (file->running[i] != tag)
		i++;
	memmove(file->running + i, file->running + i + 1,
		(--file->n_running - i) * sizeof(*file->running));
}

/* It has steps out, or wants more, or has ended. */
static void
job_settle(struct file *file, uint32_t tag)
{
	struct job *job = &file->table[tag];
	aibrix_done done = {.tag = tag};

	if (job->out || aibrix__job_wants(job) ||
	    aibrix__job_settle(&file->jobs, job, &done) != JOB_ENDED)
		return;
	running_remove(file, tag);
	aibrix__queue_served(&file->queue, &done);
	ready_push(file, &done);
	aibrix__queue_unblock(&file->queue);
}

/* Backwards: a job that ends leaves the list. */
static void
sync_end(struct file *file, struct step *step, int64_t result)
{
	file->sync_out = 0;
	for (uint32_t i = file->n_running; i-- > 0;) {
		uint32_t tag = file->running[i];
		struct job *job = &file->table[tag];

		if (!aibrix__job_is_syncing(job))
			continue;
		(void)aibrix__job_result(&file->jobs, job, step, result);
		job_settle(file, tag);
	}
}

static void
step_end(struct file *file, uint32_t id, int64_t result)
{
	struct step *step = &file->carry.steps[id];
	uint32_t tag = step->job;

	if (tag == JOB_ALL && aibrix__step_is_undone(result)) {
		step_put(file, tag, id);
		return;
	}
	if (tag == JOB_ALL) {
		sync_end(file, step, result);
		aibrix__carry_give(&file->carry, id);
		return;
	}
	if (aibrix__job_result(&file->jobs, &file->table[tag], step, result)) {
		step_put(file, tag, id);
		return;
	}
	aibrix__carry_give(&file->carry, id);
	job_settle(file, tag);
}

static void
job_stop(struct file *file, uint32_t tag, int32_t status)
{
	struct job *job = &file->table[tag];

	if (job->status)
		return;
	aibrix__job_stop(job, status);
	if (!job->status)
		return;
	for (uint32_t i = 0; i < file->carry.n_steps; i++)
		if (file->carry.steps[i].busy &&
		    file->carry.steps[i].job == tag)
			aibrix__uring_stop(file->carry.uring, i);
	/* Between its phases it waits for room, and has nothing out. */
	job_settle(file, tag);
}

static void
running_expire(struct file *file, uint64_t now_ns)
{
	for (uint32_t i = file->n_running; i-- > 0;) {
		uint32_t tag = file->running[i];
		uint64_t deadline = file->queue.requests[tag].io.deadline_ns;

		if (deadline <= now_ns && deadline != AIBRIX_FOREVER)
			job_stop(file, tag, AIBRIX_E_TIMEOUT);
	}
}

/* ---- the pump */

static void
request_begin(struct file *file, aibrix_done *done)
{
	uint32_t tag = (uint32_t)done->tag;

	switch (aibrix__job_begin(&file->jobs, &file->table[tag],
				  &file->queue.requests[tag].io, done)) {
	case JOB_WAITS: aibrix__queue_block(&file->queue, tag); break;
	case JOB_ENDED:
		aibrix__queue_served(&file->queue, done);
		ready_push(file, done);
		break;
	default:
		file->running[file->n_running++] = tag;
		job_put_steps(file, tag);
	}
}

/* Begin what there is room for, and hand all steps to the kernel. */
static void
file_pump(struct file *file, uint64_t now_ns)
{
	aibrix_done done;
	int what;

	aibrix__queue_expire(&file->queue, now_ns);
	running_expire(file, now_ns);
	for (uint32_t i = 0; i < file->n_running && file->carry.n_free; i++)
		job_put_steps(file, file->running[i]);
	do {
		int room = file->n_running < file->carry.n_steps &&
			   file->carry.n_free;

		what = aibrix__queue_take(&file->queue, room, &done);
		if (what == TAKE_ENDED)
			ready_push(file, &done);
		else if (what == TAKE_SERVE)
			request_begin(file, &done);
	} while (what != TAKE_NONE);
	sync_put(file);
	aibrix__uring_flush(file->carry.uring, 0);
}

static void
file_reap(struct file *file)
{
	int64_t result;
	uint32_t id;

	while (aibrix__uring_next(file->carry.uring, &id, &result))
		step_end(file, id, result);
}

/* A script of faults counts polls, so with one nothing begins before. */
int
aibrix__file_ring_submit(struct file *file, const aibrix_io *ios, uint32_t n,
			 uint64_t now_ns, uint32_t *accepted)
{
	int err = aibrix__queue_submit(&file->queue, ios, n, now_ns, accepted);

	if (err)
		return err;
	if (!file->queue.n_faults)
		file_pump(file, now_ns);
	if (file->n_ready || (n && file->queue.n_faults))
		fd_raise(file);
	return AIBRIX_OK;
}

void
aibrix__file_ring_cancel(struct file *file, uint32_t tag)
{
	assert(tag < file->conf.max_inflight);
	if (aibrix__queue_has(&file->queue, tag)) {
		aibrix__queue_cancel(&file->queue, tag);
		fd_raise(file);
		return;
	}
	for (uint32_t i = 0; i < file->n_running; i++) {
		if (file->running[i] != tag)
			continue;
		job_stop(file, tag, AIBRIX_E_CANCELED);
		job_put_steps(file, tag); /* to tidy up, if it must */
		aibrix__uring_flush(file->carry.uring, 0);
		if (file->n_ready)
			fd_raise(file);
		return;
	}
}

static uint64_t
time_read(const struct file *file)
{
	return file->conf.clock(file->conf.clock_ctx);
}

uint64_t
aibrix__file_ring_wake(const struct file *file)
{
	uint64_t first =
		file->queue.inflight ? file->queue.earliest : AIBRIX_FOREVER;

	for (uint32_t i = 0; i < file->n_running; i++) {
		const struct queued *r =
			&file->queue.requests[file->running[i]];

		/* One that was stopped already has nothing to wake up for. */
		if (!file->table[file->running[i]].status &&
		    r->io.deadline_ns < first)
			first = r->io.deadline_ns;
	}
	return first;
}

static uint32_t
ready_pop(struct file *file, aibrix_done *dones, uint32_t cap)
{
	uint32_t n = 0;

	for (; n < cap && file->n_ready; n++) {
		dones[n] = file->ready[file->first_ready];
		file->n_ready--;
		if (++file->first_ready == file->conf.max_inflight)
			file->first_ready = 0;
	}
	return n;
}

/* Until the time is over, a deadline passes or the kernel has something;
 * without work in the kernel there is only the script's. */
static void
file_wait(struct file *file, uint64_t now_ns, uint64_t left_ns)
{
	uint64_t wake = aibrix__file_ring_wake(file);

	if (file->carry.n_free == file->carry.n_steps)
		return;
	if (wake <= now_ns)
		left_ns = 1;
	else if (wake - now_ns < left_ns)
		left_ns = wake - now_ns;
	aibrix__uring_flush(file->carry.uring, left_ns);
}

int
aibrix__file_ring_poll(struct file *file, aibrix_done *dones, uint32_t cap,
		       uint64_t now_ns, uint64_t timeout_ns, uint32_t *n)
{
	uint64_t start = timeout_ns ? time_read(file) : 0, passed = 0;

	fd_lower(file);
	for (;;) {
		aibrix__queue_unhold(&file->queue);
		file_reap(file);
		file_pump(file, now_ns + passed);
		*n = ready_pop(file, dones, cap);
		if (*n || !cap || passed >= timeout_ns ||
		    (!file->queue.inflight && !file->n_running))
			break;
		file_wait(file, now_ns + passed, timeout_ns - passed);
		passed = time_read(file) - start;
	}
	/* No step is out that could raise it. */
	if (!file->n_running && file->carry.n_free == file->carry.n_steps)
		fd_lower(file);
	if (file->n_ready || (file->queue.inflight && !file->n_running))
		fd_raise(file);
	return AIBRIX_OK;
}
