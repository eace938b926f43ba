/*
 * The queue of a backend that blocks.
 *
 *   submit --> [probe] [get] [put] [background] --> serve --> done
 *                 |  late or cancelled                          ^
 *                 +------------> [ended] -----------------------+
 *
 * Service happens inside poll.  When the host lends threads and the backend
 * allows it, up to QUEUE_WORKERS of them take from the same lists at once
 * and put what is done into one more:
 *
 *   [probe] [get] [put] [background] --> worker --> [done] --> poll
 *
 * A worker stays while there is something to take, so a busy store asks its
 * host for a thread now and then, not for each request.  One lock is enough:
 * it is held for some tens of nanoseconds, service takes microseconds and
 * more.  A request under way on a thread is nobody else's: deadline and
 * cancel wait for it, and so does close.
 *
 * Service is in order of priority, then of arrival.  Requests are numbers
 * in rings of numbers, so moving one between lists costs four stores and
 * nothing is allocated after open.
 *
 * Deadlines: a request that waits behind others of higher priority must not
 * be forgotten, and a heap would cost every request.  So the queue keeps a
 * lower bound of all deadlines that wait; only when it has passed are the
 * lists searched.  In a store that keeps up this happens never.
 */

#define _DEFAULT_SOURCE

#include "store/store_queue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/store_queue_lists.h"

/* A blocking poll looks at the host's clock again after this time at most:
 * that clock need not be the one by which the system waits. */
static const uint64_t nap_ns = 10000000;

static void
queue_lock(struct queue *q)
{
	if (q->threads)
		pthread_mutex_lock(&q->lock);
}

static void
queue_unlock(struct queue *q)
{
	if (q->threads)
		pthread_mutex_unlock(&q->lock);
}

/* The eventfd's count is 1 or 0.  Until somebody has asked for it nobody
 * looks, and two system calls for each request are saved. */
static void
fd_update(struct queue *q)
{
	uint64_t count = 1;
	int work = queue_has_work(q);

	if (!q->watched || work == q->raised)
		return;
	q->raised = work;
	/* Cannot fail: the count is known and the descriptor is ours. */
	if ((work ? write(q->fd, &count, sizeof(count))
		  : read(q->fd, &count, sizeof(count))) < 0)
		assert(errno == EAGAIN);
}

int
aibrix__queue_open(struct queue *q, const aibrix_backend_conf *conf,
		   void *backend, queue_serve *serve)
{
	uint32_t n = conf->max_inflight;

	*q = (struct queue){.conf = conf,
			    .self = q,
			    .backend = backend,
			    .serve = serve,
			    .fd = -1,
			    .earliest = AIBRIX_FOREVER};
	q->requests = aibrix__alloc(conf->alloc, n, sizeof(*q->requests));
	q->nodes = aibrix__alloc(conf->alloc, (size_t)n + LISTS,
				 sizeof(*q->nodes));
	if (!q->requests || !q->nodes)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = n; i < n + LISTS; i++)
		q->nodes[i] = (struct queue_node){i, i};
	/* A process out of descriptors still has a store, without this. */
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return AIBRIX_OK;
}

/* Waits are measured on the clock that never jumps. */
static int
change_open(pthread_cond_t *change)
{
	pthread_condattr_t attr;
	int err;

	if (pthread_condattr_init(&attr))
		return AIBRIX_E_NOMEM;
	err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!err)
		err = pthread_cond_init(change, &attr);
	pthread_condattr_destroy(&attr);
	return err ? AIBRIX_E_NOMEM : AIBRIX_OK;
}

int
aibrix__queue_open_threads(struct queue *q, const aibrix_backend_conf *conf,
			   void *backend, queue_serve *serve,
			   queue_publish *publish)
{
	int err = aibrix__queue_open(q, conf, backend, serve);

	q->publish = publish;
	if (err || !conf->run)
		return err;
	err = change_open(&q->change);
	if (err)
		return err;
	if (pthread_mutex_init(&q->lock, NULL)) {
		pthread_cond_destroy(&q->change);
		return AIBRIX_E_NOMEM;
	}
	q->owner = getpid();
	q->threads = 1;
	return AIBRIX_OK;
}

/* After a fork the child has no such threads, and perhaps their lock. */
static void
workers_end(struct queue *q)
{
	if (!q->threads || q->owner != getpid())
		return;
	pthread_mutex_lock(&q->lock);
	q->closing = 1;
	while (q->workers)
		pthread_cond_wait(&q->change, &q->lock);
	pthread_mutex_unlock(&q->lock);
	pthread_cond_destroy(&q->change);
	pthread_mutex_destroy(&q->lock);
}

void
aibrix__queue_close(struct queue *q)
{
	uint32_t n;

	if (!q->conf)
		return;
	workers_end(q);
	n = q->conf->max_inflight;
	if (q->fd >= 0)
		close(q->fd);
	aibrix__free(q->conf->alloc, q->nodes, (size_t)n + LISTS,
		     sizeof(*q->nodes));
	aibrix__free(q->conf->alloc, q->requests, n, sizeof(*q->requests));
	q->conf = NULL;
}

/* End what is late and find the next lower bound. */
void
aibrix__queue_expire(struct queue *q, uint64_t now_ns)
{
	if (now_ns < q->earliest)
		return;
	q->earliest = AIBRIX_FOREVER;
	for (uint32_t list = 0; list < LISTS; list++) {
		uint32_t next;

		if (list == LIST_ENDED || list == LIST_DONE)
			continue;
		for (uint32_t id = list_first(q, list);
		     id != list_head(q, list); id = next) {
			uint64_t deadline = q->requests[id].io.deadline_ns;

			next = q->nodes[id].next;
			if (deadline <= now_ns && deadline != AIBRIX_FOREVER)
				request_end(q, id, AIBRIX_E_TIMEOUT);
			else if (deadline < q->earliest)
				q->earliest = deadline;
		}
	}
}

/* One poll has passed for those that sit it out. */
void
aibrix__queue_unhold(struct queue *q)
{
	uint32_t next;

	for (uint32_t id = list_first(q, LIST_HELD);
	     id != list_head(q, LIST_HELD); id = next) {
		struct queued *r = &q->requests[id];

		next = q->nodes[id].next;
		if (r->hold == AIBRIX_FOREVER || r->hold-- > 1)
			continue;
		request_unlink(q, id);
		request_link(q, id, LIST_PRIORITY + r->io.priority);
	}
}

/* The fault that the script has for this request, now that its turn has
 * come, or NULL. */
static const struct store_fault *
request_fault(struct queue *q, struct queued *r)
{
	uint64_t number;

	if (r->seen)
		return NULL;
	r->seen = 1;
	number = q->served[r->io.op]++;
	for (uint32_t i = 0; i < q->n_faults; i++)
		if (q->faults[i].op == r->io.op && q->faults[i].at == number)
			return &q->faults[i];
	return NULL;
}

static void
value_flip(const aibrix_io *io, uint64_t at)
{
	for (uint32_t i = 0; i < io->n_iov; i++) {
		uint8_t *bytes = io->iov[i].base;

		if (at < io->iov[i].bytes) {
			bytes[at] ^= 0xff;
			return;
		}
		at -= io->iov[i].bytes;
	}
}

/* Out of its list, and what the script wants of it: a TAKE_* value. */
int
aibrix__queue_begin(struct queue *q, uint32_t id, aibrix_done *done)
{
	struct queued *r = &q->requests[id];
	const struct store_fault *fault = request_fault(q, r);

	*done = (aibrix_done){.tag = id};
	request_unlink(q, id);
	if (fault &&
	    (fault->kind == FAULT_DELAY || fault->kind == FAULT_DROP)) {
		request_link(q, id, LIST_HELD);
		r->hold =
			fault->kind == FAULT_DROP ? AIBRIX_FOREVER : fault->arg;
		return TAKE_NONE;
	}
	if (fault && fault->kind == FAULT_STATUS) {
		done->status = fault->status;
		done->os_error = fault->status == AIBRIX_E_IO ? EIO : 0;
		return TAKE_ENDED;
	}
	if (fault)
		r->fault = fault;
	return TAKE_SERVE;
}

void
aibrix__queue_served(struct queue *q, const aibrix_done *done)
{
	const struct queued *r = &q->requests[done->tag];

	/* Only a GET's memory is the store's to write. */
	if (r->fault && r->fault->kind == FAULT_CORRUPT &&
	    r->io.op == AIBRIX_STORE_GET && done->status == AIBRIX_OK &&
	    r->fault->arg < done->bytes)
		value_flip(&r->io, r->fault->arg);
}

/* Serve a request, with the queue unlocked meanwhile; 0: it waits on. */
static int
request_serve(struct queue *q, uint32_t id, aibrix_done *done)
{
	int what = aibrix__queue_begin(q, id, done);

	if (what == TAKE_SERVE) {
		queue_unlock(q);
		q->serve(q->backend, &q->requests[id].io, done);
		aibrix__queue_served(q, done);
		queue_lock(q);
	}
	return what != TAKE_NONE;
}

/* Who is to be served next, or max_inflight. */
uint32_t
aibrix__queue_next(const struct queue *q)
{
	for (uint32_t list = 0; q->waiting && list < LIST_ENDED; list++)
		if (!list_empty(q, list))
			return list_first(q, list);
	return q->conf->max_inflight;
}

/* What a thread of the host does: serve until nothing waits. */
static void
queue_work(void *arg)
{
	struct queue *q = arg;
	uint32_t id, none = q->conf->max_inflight;

	queue_lock(q);
	q->busy++;
	while (!q->closing && (id = aibrix__queue_next(q)) != none) {
		aibrix_done done;

		if (request_serve(q, id, &done)) {
			q->requests[id].done = done;
			request_link(q, id, LIST_DONE);
		}
		fd_update(q);
		pthread_cond_broadcast(&q->change);
	}
	q->busy--;
	q->workers--;
	fd_update(q);
	pthread_cond_broadcast(&q->change);
	/* The last use: close goes on as soon as it has the lock. */
	queue_unlock(q);
}

/*
 * Ask for a thread for each request that waits, up to the bound.  Without
 * the lock: the host may do the work in the call.  Where it refuses, poll
 * serves as long as no worker is there.
 */
static void
workers_start(struct queue *q)
{
	const aibrix_backend_conf *conf = q->conf;
	int refused = 0;

	if (!q->threads)
		return;
	queue_lock(q);
	while (!refused && q->workers < QUEUE_WORKERS &&
	       q->workers - q->busy < q->waiting) {
		q->workers++;
		queue_unlock(q);
		refused = conf->run(conf->run_ctx, queue_work, q);
		queue_lock(q);
		q->workers -= refused != 0;
	}
	fd_update(q);
	queue_unlock(q);
}

int
aibrix__queue_submit(void *backend, const aibrix_io *ios, uint32_t n,
		     uint64_t now_ns, uint32_t *accepted)
{
	struct queue *q = backend;

	(void)now_ns;
	queue_lock(q);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = (uint32_t)ios[i].tag;

		assert(id < q->conf->max_inflight);
		q->requests[id] =
			(struct queued){.io = ios[i], .list = LIST_NONE};
		request_link(q, id, LIST_PRIORITY + ios[i].priority);
		if (ios[i].deadline_ns < q->earliest)
			q->earliest = ios[i].deadline_ns;
	}
	q->inflight += n;
	if (!q->threads)
		fd_update(q);
	queue_unlock(q);
	workers_start(q);
	*accepted = n;
	return AIBRIX_OK;
}

void
aibrix__queue_cancel(void *backend, uint64_t tag)
{
	struct queue *q = backend;

	assert(tag < q->conf->max_inflight);
	queue_lock(q);
	if (q->requests[tag].list < LIST_ENDED ||
	    q->requests[tag].list == LIST_HELD ||
	    q->requests[tag].list == LIST_BLOCKED) {
		request_end(q, (uint32_t)tag, AIBRIX_E_CANCELED);
		fd_update(q);
	}
	queue_unlock(q);
}

/* Complete one request; 0 when none can be completed now. */
static int
queue_step(struct queue *q, aibrix_done *done)
{
	uint32_t id, none = q->conf->max_inflight;
	uint32_t list = list_empty(q, LIST_ENDED) ? LIST_DONE : LIST_ENDED;

	id = list_first(q, list);
	if (id != list_head(q, list)) {
		*done = q->requests[id].done;
		request_unlink(q, id);
	} else {
		do {
			id = q->workers ? none : aibrix__queue_next(q);
		} while (id != none && !request_serve(q, id, done));
		if (id == none)
			return 0;
	}
	q->inflight--;
	return 1;
}

static uint64_t
time_read(const struct queue *q)
{
	return q->conf->clock(q->conf->clock_ctx);
}

/* Sleep until a thread is done or a deadline has come, for at most ns; the
 * lock is held. */
static void
queue_sleep(struct queue *q, uint64_t now_ns, uint64_t ns)
{
	const uint64_t second = 1000000000;
	struct timespec until;
	uint64_t sum;

	if (!q->workers)
		return;
	if (q->earliest <= now_ns)
		return;
	if (ns > q->earliest - now_ns)
		ns = q->earliest - now_ns;
	if (ns > nap_ns)
		ns = nap_ns;
	clock_gettime(CLOCK_MONOTONIC, &until);
	sum = (uint64_t)until.tv_nsec + ns;
	until.tv_sec += (time_t)(sum / second);
	until.tv_nsec = (long)(sum % second);
	pthread_cond_timedwait(&q->change, &q->lock, &until);
}

/*
 * Without threads service blocks, so there is nothing to sleep for: the loop
 * ends with the first round unless a script holds requests back.  Without a
 * time-out the clock is not read, and all of cap is served at now_ns; with
 * one, service stops once the time is over and there is something to hand
 * out.
 */
int
aibrix__queue_poll(void *backend, aibrix_done *dones, uint32_t cap,
		   uint64_t now_ns, uint64_t timeout_ns, uint32_t *n)
{
	struct queue *q = backend;
	uint64_t start = timeout_ns ? time_read(q) : 0, passed = 0;
	uint32_t got = 0;
	int again;

	do {
		queue_lock(q);
		aibrix__queue_unhold(q);
		queue_unlock(q);
		workers_start(q);
		queue_lock(q);
		while (got < cap &&
		       (!got || !timeout_ns || passed < timeout_ns)) {
			aibrix__queue_expire(q, now_ns + passed);
			if (!queue_step(q, &dones[got]))
				break;
			got++;
			if (timeout_ns)
				passed = time_read(q) - start;
		}
		if (!got && timeout_ns)
			passed = time_read(q) - start;
		again = !got && cap && q->inflight && passed < timeout_ns;
		if (again)
			queue_sleep(q, now_ns + passed, timeout_ns - passed);
		fd_update(q);
		queue_unlock(q);
	} while (again);
	if (q->publish)
		q->publish(q->backend);
	*n = got;
	return AIBRIX_OK;
}

int
aibrix__queue_fd(const void *backend)
{
	const struct queue *same = backend;
	struct queue *q = same->self;

	if (q->fd >= 0) {
		queue_lock(q);
		q->watched = 1;
		fd_update(q);
		queue_unlock(q);
	}
	return q->fd;
}

/* Without threads the descriptor is readable while anything waits. */
uint64_t
aibrix__queue_wake(const void *backend)
{
	const struct queue *q = backend;

	return q->threads ? q->earliest : AIBRIX_FOREVER;
}

void
aibrix__queue_faults(void *backend, const struct store_fault *script,
		     uint32_t n)
{
	struct queue *q = backend;

	q->faults = script;
	q->n_faults = n;
	memset(q->served, 0, sizeof(q->served));
}
