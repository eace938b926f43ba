/*
 * The queue of a backend that works inside poll.
 *
 *   submit --> [probe] [get] [put] [background] --> serve --> done
 *                 |  late or cancelled                          ^
 *                 +------------> [ended] -----------------------+
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
#include <unistd.h>

#include "base/alloc.h"

static uint32_t
list_head(const struct queue *q, uint32_t list)
{
	return q->conf->max_inflight + list;
}

/* First request of a list; its head when it is empty. */
static uint32_t
list_first(const struct queue *q, uint32_t list)
{
	return q->nodes[list_head(q, list)].next;
}

static void
request_unlink(struct queue *q, uint32_t id)
{
	struct queue_node *node = &q->nodes[id];

	q->nodes[node->prev].next = node->next;
	q->nodes[node->next].prev = node->prev;
	q->requests[id].list = LIST_NONE;
}

static void
request_link(struct queue *q, uint32_t id, uint32_t list)
{
	uint32_t head = list_head(q, list), last = q->nodes[head].prev;

	q->nodes[id] = (struct queue_node){head, last};
	q->nodes[last].next = id;
	q->nodes[head].prev = id;
	q->requests[id].list = list;
}

static void
request_end(struct queue *q, uint32_t id, int32_t status)
{
	request_unlink(q, id);
	request_link(q, id, LIST_ENDED);
	q->requests[id].status = status;
}

/* The eventfd's count only says "some": it is 1 or 0. */
static void
fd_raise(const struct queue *q)
{
	const uint64_t one = 1;

	/* Cannot fail: the count is 0 and the descriptor is ours. */
	if (q->fd >= 0 && write(q->fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

static void
fd_lower(const struct queue *q)
{
	uint64_t count;

	if (q->fd >= 0 && read(q->fd, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
}

int
aibrix__queue_open(struct queue *q, const aibrix_backend_conf *conf,
		   void *backend, queue_serve *serve)
{
	uint32_t n = conf->max_inflight;

	*q = (struct queue){.conf = conf,
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

void
aibrix__queue_close(struct queue *q)
{
	uint32_t n;

	if (!q->conf)
		return;
	n = q->conf->max_inflight;
	if (q->fd >= 0)
		close(q->fd);
	aibrix__free(q->conf->alloc, q->nodes, (size_t)n + LISTS,
		     sizeof(*q->nodes));
	aibrix__free(q->conf->alloc, q->requests, n, sizeof(*q->requests));
}

int
aibrix__queue_submit(void *backend, const aibrix_io *ios, uint32_t n,
		     uint64_t now_ns, uint32_t *accepted)
{
	struct queue *q = backend;

	(void)now_ns;
	if (n && !q->waiting)
		fd_raise(q);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = (uint32_t)ios[i].tag;

		assert(id < q->conf->max_inflight);
		q->requests[id] = (struct queued){.io = ios[i]};
		request_link(q, id, LIST_PRIORITY + ios[i].priority);
		if (ios[i].deadline_ns < q->earliest)
			q->earliest = ios[i].deadline_ns;
	}
	q->waiting += n;
	*accepted = n;
	return AIBRIX_OK;
}

void
aibrix__queue_cancel(void *backend, uint64_t tag)
{
	struct queue *q = backend;

	assert(tag < q->conf->max_inflight);
	if (q->requests[tag].list != LIST_ENDED)
		request_end(q, (uint32_t)tag, AIBRIX_E_CANCELED);
}

/* End what is late and find the next lower bound. */
static void
queue_expire(struct queue *q, uint64_t now_ns)
{
	if (now_ns < q->earliest)
		return;
	q->earliest = AIBRIX_FOREVER;
	for (uint32_t list = 0; list < LISTS; list++) {
		uint32_t next;

		if (list == LIST_ENDED)
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
static void
queue_unhold(struct queue *q)
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

/* Serve, as the script wants it; 0: the request waits on. */
static int
request_serve(struct queue *q, uint32_t id, aibrix_done *done)
{
	struct queued *r = &q->requests[id];
	const struct store_fault *fault = request_fault(q, r);

	if (fault &&
	    (fault->kind == FAULT_DELAY || fault->kind == FAULT_DROP)) {
		request_unlink(q, id);
		request_link(q, id, LIST_HELD);
		r->hold =
			fault->kind == FAULT_DROP ? AIBRIX_FOREVER : fault->arg;
		return 0;
	}
	request_unlink(q, id);
	if (fault && fault->kind == FAULT_STATUS) {
		done->status = fault->status;
		done->os_error = fault->status == AIBRIX_E_IO ? EIO : 0;
		return 1;
	}
	q->serve(q->backend, &r->io, done);
	/* Only a GET's memory is the store's to write. */
	if (fault && fault->kind == FAULT_CORRUPT &&
	    r->io.op == AIBRIX_STORE_GET && done->status == AIBRIX_OK &&
	    fault->arg < done->bytes)
		value_flip(&r->io, fault->arg);
	return 1;
}

/* Who is next, or max_inflight. */
static uint32_t
queue_next(const struct queue *q)
{
	static const uint32_t order[] = {LIST_ENDED, 0, 1, 2, 3};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (list_first(q, order[i]) != list_head(q, order[i]))
			return list_first(q, order[i]);
	return q->conf->max_inflight;
}

/* Complete one request; 0 when none can be completed now. */
static int
queue_step(struct queue *q, aibrix_done *done)
{
	uint32_t id, none = q->conf->max_inflight;

	for (id = queue_next(q); id != none; id = queue_next(q)) {
		*done = (aibrix_done){.tag = id};
		if (q->requests[id].list == LIST_ENDED) {
			request_unlink(q, id);
			done->status = q->requests[id].status;
			break;
		}
		if (request_serve(q, id, done))
			break;
	}
	if (id == none)
		return 0;
	if (--q->waiting == 0)
		fd_lower(q);
	return 1;
}

static uint64_t
time_read(const struct queue *q)
{
	return q->conf->clock(q->conf->clock_ctx);
}

/*
 * Service blocks, so there is nothing to sleep for: the loop ends with the
 * first round unless a script holds requests back.  Without a time-out the
 * clock is not read, and all of cap is served at now_ns; with one, service
 * stops once the time is over and there is something to hand out.
 */
int
aibrix__queue_poll(void *backend, aibrix_done *dones, uint32_t cap,
		   uint64_t now_ns, uint64_t timeout_ns, uint32_t *n)
{
	struct queue *q = backend;
	uint64_t start = timeout_ns ? time_read(q) : 0, passed = 0;
	uint32_t got = 0;

	do {
		queue_unhold(q);
		while (got < cap &&
		       (!got || !timeout_ns || passed < timeout_ns)) {
			queue_expire(q, now_ns + passed);
			if (!queue_step(q, &dones[got]))
				break;
			got++;
			if (timeout_ns)
				passed = time_read(q) - start;
		}
		if (!got && timeout_ns)
			passed = time_read(q) - start;
	} while (!got && cap && q->waiting && passed < timeout_ns);
	*n = got;
	return AIBRIX_OK;
}

int
aibrix__queue_fd(const void *backend)
{
	const struct queue *q = backend;

	return q->fd;
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
