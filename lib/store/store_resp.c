/*
 * The backend for Redis and Valkey.
 *
 *   submit --> requests --> nodes --> lines --> sockets
 *                 |                     |          |
 *   poll  <--- ended <---------------- replies <- epoll
 *
 * All of it happens inside submit, poll and cancel, on the caller's thread.
 * submit sends at once what there is room for.  poll asks the epoll set one
 * time, reads and sends whatever is possible, and only then hands out: many
 * replies cost one look at the set.
 *
 * Time is the caller's.  Nothing here has a timer: wake says when poll must
 * be called next, and a poll that waits wakes up for that by itself.
 *
 * aibrix_store_fd is the epoll set.  What is ended without a packet (refused,
 * late, cancelled) makes it readable through an eventfd in the set.
 */
#define _GNU_SOURCE

#include "store/store_resp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/rand.h"

enum { EVENTS = 64, WAIT_MAX_MS = 60000 };

#define MS_NS UINT64_C(1000000)

static void
resp_close(void *backend)
{
	struct resp_store *store = backend;
	const aibrix_backend_conf *conf;
	int parent;

	if (!store)
		return;
	conf = store->conf;
	parent = store->pid == getpid();
	for (uint32_t i = 0; store->nodes && i < store->n_nodes; i++)
		aibrix__resp_node_close(store, &store->nodes[i],
					parent ? store->epoll : -1);
	aibrix__resp_lookup_close(store, parent);
	if (store->event >= 0)
		close(store->event);
	if (store->epoll >= 0)
		close(store->epoll);
	aibrix__resp_cluster_close(store);
	aibrix__resp_meta_close(store);
	aibrix__ring_free(store->ring);
	aibrix__resp_config_clear(&store->config);
	aibrix__free(conf->alloc, store->nodes, store->n_nodes,
		     sizeof(*store->nodes));
	aibrix__free(conf->alloc, store->links, conf->max_inflight,
		     sizeof(*store->links));
	aibrix__free(conf->alloc, store->requests, conf->max_inflight,
		     sizeof(*store->requests));
	aibrix__free(conf->alloc, store, 1, sizeof(*store));
}

/* ---- open */

static int
set_open(struct resp_store *store)
{
	struct epoll_event event = {.events = EPOLLIN,
				    .data.u64 = RESP_EVENT_ENDED};

	store->epoll = epoll_create1(EPOLL_CLOEXEC);
	store->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (store->epoll < 0 || store->event < 0 ||
	    epoll_ctl(store->epoll, EPOLL_CTL_ADD, store->event, &event))
		return AIBRIX_E_IO;
	return AIBRIX_OK;
}

static int
nodes_open(struct resp_store *store)
{
	const struct resp_url *url = &store->config.url;
	int err;

	err = aibrix__ring_new(store->conf->alloc, RING_RENDEZVOUS,
			       url->n_hosts, &store->ring);
	if (err)
		return err;
	store->nodes = aibrix__alloc(store->conf->alloc, url->n_hosts,
				     sizeof(*store->nodes));
	if (!store->nodes)
		return AIBRIX_E_NOMEM;
	store->n_nodes = url->n_hosts;
	for (uint32_t i = 0; i < url->n_hosts; i++) {
		struct ring_node entry = {.port = url->hosts[i].port};
		struct resp_node *node = &store->nodes[i];
		uint32_t id;

		err = aibrix__resp_node_init(store, node, &url->hosts[i],
					     rand_next(&store->rand));
		if (err)
			return err;
		memcpy(entry.name, node->name, sizeof(entry.name));
		memcpy(entry.addr, url->hosts[i].name, sizeof(entry.addr));
		err = aibrix__ring_add(store->ring, &entry, &id);
		if (err)
			return err;
		/* In a new ring places are given in order. */
		assert(aibrix__ring_place(id) == i);
	}
	return AIBRIX_OK;
}

static int
store_init(struct resp_store *store)
{
	const aibrix_backend_conf *conf = store->conf;
	const struct retry_opts retry = {0};
	int err;

	store->rand = conf->seed;
	store->wake = AIBRIX_FOREVER;
	store->pid = getpid();
	err = aibrix__resp_config_load(&store->config, conf);
	if (!err)
		err = aibrix__retry_init(&store->retry, &retry,
					 rand_next(&store->rand));
	if (err)
		return err;
	store->requests = aibrix__alloc(conf->alloc, conf->max_inflight,
					sizeof(*store->requests));
	store->links = aibrix__alloc(conf->alloc, conf->max_inflight,
				     sizeof(*store->links));
	if (!store->requests || !store->links)
		return AIBRIX_E_NOMEM;
	err = set_open(store);
	if (!err)
		err = aibrix__resp_lookup_open(store);
	if (err)
		return err;
	if (store->config.meta_ns)
		return aibrix__resp_meta_open(store);
	return store->config.url.cluster ? aibrix__resp_cluster_open(store)
					 : nodes_open(store);
}

static int
resp_open(const aibrix_backend_conf *conf, void **backend)
{
	struct resp_store *store;
	int err;

	store = aibrix__alloc(conf->alloc, 1, sizeof(*store));
	if (!store)
		return AIBRIX_E_NOMEM;
	store->conf = conf;
	store->epoll = store->event = -1;
	err = store_init(store);
	if (err) {
		resp_close(store);
		return err;
	}
	*backend = store;
	return AIBRIX_OK;
}

/* ---- work */

/* The event's count only says "some": it is 1 or 0. */
static void
event_update(struct resp_store *store)
{
	const int want = store->ended.count > 0;
	uint64_t count = 1;

	if (want == store->raised)
		return;
	store->raised = want;
	/* Neither can fail: the count is what we think it is. */
	if (want) {
		if (write(store->event, &count, sizeof(count)) < 0)
			assert(errno == EAGAIN);
	} else if (read(store->event, &count, sizeof(count)) < 0) {
		assert(errno == EAGAIN);
	}
}

/* Whatever can go on without news from the set. */
static void
store_run(struct resp_store *store)
{
	if (store->members)
		aibrix__resp_member_sync(store);
	aibrix__resp_lookup_run(store);
	if (store->now >= store->wake)
		aibrix__resp_tick(store);
	if (store->topology)
		aibrix__resp_cluster_run(store);
	if (store->config.meta_ns)
		aibrix__resp_meta_run(store);
	if (store->config.epoch_ns)
		aibrix__resp_epoch_run(store);
	for (uint32_t i = 0; i < store->n_nodes; i++)
		aibrix__resp_node_pump(store, &store->nodes[i]);
}

static void
event_take(struct resp_store *store, const struct epoll_event *event)
{
	const uint32_t generation = (uint32_t)(event->data.u64 >> 32);
	uint32_t number = (uint32_t)event->data.u64;
	const uint32_t per_node = store->config.connections;
	struct resp_line *line;

	if (event->data.u64 == RESP_EVENT_ENDED)
		return;
	if (event->data.u64 == RESP_EVENT_LOOKUP) {
		aibrix__resp_lookup_event(store);
		return;
	}
	number--;
	line = store->nodes[number / per_node].lines[number % per_node];
	/* Closed by an event before it in the same batch. */
	if (line->generation != generation || line->conn.state == CONN_FREE)
		return;
	aibrix__resp_line_event(store, line, event->events);
}

static int
events_take(struct resp_store *store, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n;

	n = epoll_wait(store->epoll, events, EVENTS, wait_ms);
	/* The caller sees a signal as a poll that found nothing. */
	for (int i = 0; i < n; i++)
		event_take(store, &events[i]);
	return n;
}

static int
resp_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	    uint32_t *accepted)
{
	struct resp_store *store = backend;

	store->now = now_ns;
	/* While a store rests nobody looks: of connections that have ended
	 * since, it is told before anything is sent on them. */
	if (store->inflight == 0)
		while (events_take(store, 0) == EVENTS)
			;
	for (uint32_t i = 0; i < n; i++)
		aibrix__resp_request_new(store, &ios[i]);
	store->inflight += n;
	store_run(store);
	event_update(store);
	*accepted = n;
	return AIBRIX_OK;
}

static uint32_t
ended_take(struct resp_store *store, aibrix_done *dones, uint32_t cap)
{
	uint32_t n = 0;

	while (n < cap && store->ended.count) {
		uint32_t id = list_pop(&store->ended, store->links);

		dones[n++] = store->requests[id].done;
		store->requests[id].state = REQUEST_FREE;
	}
	store->inflight -= n;
	return n;
}

/* How long the set may be waited for, in whole milliseconds upwards: a
 * deadline is looked at after it has passed. */
static int
wait_ms(const struct resp_store *store, uint64_t left_ns)
{
	uint64_t wait = left_ns;

	if (store->ended.count || store->inflight == 0 ||
	    store->wake <= store->now)
		return 0;
	if (store->wake - store->now < wait)
		wait = store->wake - store->now;
	wait = wait / MS_NS + (wait % MS_NS != 0);
	return wait < WAIT_MAX_MS ? (int)wait : WAIT_MAX_MS;
}

static int
resp_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	  uint64_t timeout_ns, uint32_t *n)
{
	struct resp_store *store = backend;
	const aibrix_backend_conf *conf = store->conf;
	const uint64_t start = timeout_ns ? conf->clock(conf->clock_ctx) : 0;
	uint64_t passed = 0, slept = 0;

	store->now = now_ns;
	store->polling = 1;
	for (;;) {
		int ms, events;

		/* What falls due must be sent before there is a wait. */
		if (store->now >= store->wake)
			store_run(store);
		ms = wait_ms(store, timeout_ns - passed);
		events = events_take(store, ms);
		if (timeout_ns)
			passed = conf->clock(conf->clock_ctx) - start;
		store->now = now_ns + passed;
		/* The caller's clock may stand still. */
		slept += events == 0 ? (uint64_t)ms * MS_NS : 0;
		store_run(store);
		if (store->ended.count || store->inflight == 0 || cap == 0 ||
		    passed >= timeout_ns || slept >= timeout_ns)
			break;
	}
	store->polling = 0;
	*n = ended_take(store, dones, cap);
	event_update(store);
	return AIBRIX_OK;
}

static void
resp_cancel(void *backend, uint64_t tag)
{
	struct resp_store *store = backend;
	struct resp_request *r = &store->requests[tag];
	const uint32_t called = r->state == REQUEST_CALLED;

	if (r->state == REQUEST_FREE || r->state == REQUEST_ENDED)
		return;
	aibrix__resp_request_stop(store, (uint32_t)tag, AIBRIX_E_CANCELED);
	/* Its memory is the caller's once the completion is polled. */
	if (called && resp_line_of(store, r)->doomed)
		aibrix__resp_line_leave(store, resp_line_of(store, r));
	store_run(store);
	event_update(store);
}

static int
resp_fd(const void *backend)
{
	const struct resp_store *store = backend;

	return store->epoll;
}

static uint64_t
resp_wake(const void *backend)
{
	const struct resp_store *store = backend;

	return store->wake;
}

static void
node_tell(const struct resp_store *store, const struct resp_node *node,
	  aibrix_store_node *out)
{
	const struct breaker *b = &node->breaker;

	memset(out, 0, sizeof(*out));
	memcpy(out->name, node->name, sizeof(out->name) - 1);
	out->state = b->state;
	out->connections = aibrix__resp_node_usable(store, node);
	out->inflight = node->inflight;
	out->calls = node->calls;
	out->failures = node->failures;
	out->first_byte_ns = node->first_byte_ns;
	out->bytes_per_s = node->bytes_per_s;
	if (b->state == BREAKER_OPEN)
		out->open_until_ns = b->last_ns + b->wait_ns;
}

static uint32_t
resp_nodes(const void *backend, aibrix_store_node *nodes, uint32_t cap)
{
	const struct resp_store *store = backend;

	uint32_t n = 0;

	for (uint32_t i = 0; i < store->n_nodes; i++) {
		if (!store->nodes[i].name[0])
			continue;
		if (n < cap)
			node_tell(store, &store->nodes[i], &nodes[n]);
		n++;
	}
	return n;
}

const aibrix_backend aibrix__store_resp = {
	.size = sizeof(aibrix_backend),
	.caps = AIBRIX_CAP_LASTING | AIBRIX_CAP_SHARED | AIBRIX_CAP_REMOTE,
	.open = resp_open,
	.submit = resp_submit,
	.poll = resp_poll,
	.close = resp_close,
	.fd = resp_fd,
	.cancel = resp_cancel,
	.wake = resp_wake,
	.nodes = resp_nodes,
};
