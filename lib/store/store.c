/*
 * Front of all stores: one place that checks, bounds, joins and counts.
 *
 *                            +--> [ready]: a miss that is remembered
 *   caller --ios, tags--> front --> [joined]: waits for one under way
 *                            +--> ios, numbers --> backend
 *   caller <-dones, tags-- front <-- dones, numbers -- backend
 *
 * A request in flight has a number below max_inflight; the front keeps the
 * request and the caller's tag under it and hands the backend the number
 * instead.  So a backend can index an array by it, tags need not be unique,
 * and a completion that belongs to no request cannot reach the caller.
 *
 * This file opens, closes and tells; store_submit.c is the way in,
 * store_poll.c the way out, store_flight.c knows who waits for whom and
 * store_absent.c which keys were missed.
 */

#include <aibrix/store.h>

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/versioned.h"
#include "store/store_front.h"
#include "store/store_queue.h"

enum {
	INFLIGHT_DEFAULT = 1024,
	INFLIGHT_MAX = 1 << 20,
	CAPS_KNOWN = AIBRIX_CAP_LASTING | AIBRIX_CAP_SHARED |
		     AIBRIX_CAP_REMOTE | AIBRIX_CAP_BLOCKING,
	FLAGS_KNOWN = AIBRIX_STORE_DURABLE | AIBRIX_STORE_BUFFERED |
		      AIBRIX_STORE_NO_RING
};

#define CAPACITY_DEFAULT (UINT64_C(1) << 30)
#define VALUE_DEFAULT (UINT64_C(1) << 20)
#define TIMEOUT_DEFAULT_NS UINT64_C(2000000000)
#define INFLIGHT_BYTES_DEFAULT (UINT64_C(1) << 30)
#define ABSENT_DEFAULT_NS UINT64_C(1000000000)
#define ABSENT_MAX_NS UINT64_C(3600000000000)

static const aibrix_backend *const backends[] = {
	[AIBRIX_BACKEND_MEM] = &aibrix__store_mem,
	[AIBRIX_BACKEND_FILE] = &aibrix__store_file,
	[AIBRIX_BACKEND_SHFS] = &aibrix__store_shfs,
	[AIBRIX_BACKEND_RESP] = &aibrix__store_resp,
};

static uint64_t
monotonic_ns(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
store_configure(aibrix_store *store, const aibrix_store_opts *opts)
{
	aibrix_backend_conf *conf = &store->conf;

	*conf = (aibrix_backend_conf){
		.size = sizeof(*conf),
		.flags = opts->flags,
		.seed = opts->seed ? opts->seed : (uintptr_t)store,
		.path = opts->path,
		.opts = opts->backend_opts,
		.capacity_bytes = opts->capacity_bytes ? opts->capacity_bytes
						       : CAPACITY_DEFAULT,
		.value_bytes =
			opts->value_bytes ? opts->value_bytes : VALUE_DEFAULT,
		.max_inflight = opts->max_inflight ? opts->max_inflight
						   : INFLIGHT_DEFAULT,
		.clock = opts->clock ? opts->clock : monotonic_ns,
		.clock_ctx = opts->clock_ctx,
		.run = opts->run,
		.run_ctx = opts->run_ctx,
		.log = &store->log,
		.alloc = &store->alloc,
		.stat = &store->backend_stat,
	};
	store->timeout_ns =
		opts->timeout_ns ? opts->timeout_ns : TIMEOUT_DEFAULT_NS;
	store->limit_bytes = opts->inflight_bytes ? opts->inflight_bytes
						  : INFLIGHT_BYTES_DEFAULT;
	return conf->max_inflight > INFLIGHT_MAX ||
			       conf->capacity_bytes < conf->value_bytes
		       ? AIBRIX_E_INVAL
		       : AIBRIX_OK;
}

/* How long misses are remembered; AIBRIX_FOREVER is off, since a miss that
 * nobody forgets would be wrong for good. */
static int
absent_configure(aibrix_store *store, const aibrix_store_opts *opts,
		 uint32_t caps)
{
	uint64_t keep_ns = opts->absent_ns;

	if (keep_ns == 0)
		keep_ns = caps & AIBRIX_CAP_REMOTE ? ABSENT_DEFAULT_NS : 0;
	else if (keep_ns == AIBRIX_FOREVER)
		keep_ns = 0;
	if (keep_ns > ABSENT_MAX_NS)
		return AIBRIX_E_INVAL;
	return aibrix__absent_open(&store->absent, &store->alloc, keep_ns);
}

static int
requests_open(aibrix_store *store)
{
	uint32_t n = store->conf.max_inflight;

	store->requests =
		aibrix__alloc(&store->alloc, n, sizeof(*store->requests));
	store->links = aibrix__alloc(&store->alloc, n, sizeof(*store->links));
	if (!store->requests || !store->links)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		store->links[i].next = i + 1;
	store->unused.count = n;
	return AIBRIX_OK;
}

/* The table that opts names. */
static int
table_load(aibrix_backend *table, const aibrix_store_opts *opts)
{
	const aibrix_backend *from = opts->user;
	int err;

	if (opts->backend != AIBRIX_BACKEND_USER) {
		if (opts->user ||
		    opts->backend >= sizeof(backends) / sizeof(backends[0]))
			return AIBRIX_E_INVAL;
		from = backends[opts->backend];
		if (!from)
			return AIBRIX_E_UNSUPPORTED;
	}
	err = aibrix__struct_load(table, sizeof(*table), from,
				  STRUCT_UPTO(aibrix_backend, nodes));
	if (err)
		return err;
	if (!table->open || !table->submit || !table->poll || !table->close)
		return AIBRIX_E_INVAL;
	return table->caps & ~CAPS_KNOWN ? AIBRIX_E_ABI : AIBRIX_OK;
}

int
aibrix_store_open(const aibrix_store_opts *opts, aibrix_store **out)
{
	aibrix_store_opts own;
	aibrix_allocator alloc;
	aibrix_backend table;
	aibrix_store *store;
	aibrix_log log;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&own, sizeof(own), opts,
				  STRUCT_UPTO(aibrix_store_opts, seed));
	if (!err)
		err = aibrix__allocator_load(&alloc, own.alloc);
	if (!err)
		err = aibrix__log_load(&log, own.log);
	if (err)
		return err;
	if (own.flags & ~FLAGS_KNOWN)
		return AIBRIX_E_ABI;
	err = table_load(&table, &own);
	if (err)
		return err;
	store = aibrix__alloc(&alloc, 1, sizeof(*store));
	if (!store)
		return AIBRIX_E_NOMEM;

	store->alloc = alloc;
	store->log = log;
	store->fds = &store->fds_own;
	store->fds->epoll = -1;
	err = store_configure(store, &own);
	if (!err)
		err = absent_configure(store, &own, table.caps);
	if (!err)
		err = requests_open(store);
	if (!err)
		err = aibrix__flight_open(store);
	if (!err)
		err = aibrix__status_checked(
			table.open(&store->conf, &store->backend));
	if (err) {
		aibrix_store_free(store);
		return err;
	}
	store->ops = table;
	/* What was borrowed for the call of open only. */
	store->conf.path = NULL;
	store->conf.opts = NULL;
	*out = store;
	return AIBRIX_OK;
}

void
aibrix_store_free(aibrix_store *store)
{
	aibrix_allocator alloc;

	if (!store)
		return;
	alloc = store->alloc;
	if (store->ops.submit)
		store->ops.close(store->backend);
	if (store->fds->epoll >= 0) {
		close(store->fds->epoll);
		close(store->fds->event);
	}
	aibrix__absent_close(&store->absent, &alloc);
	aibrix__flight_close(store);
	aibrix__free(&alloc, store->links, store->conf.max_inflight,
		     sizeof(*store->links));
	aibrix__free(&alloc, store->requests, store->conf.max_inflight,
		     sizeof(*store->requests));
	aibrix__free(&alloc, store, 1, sizeof(*store));
}

/* 1: the two descriptors are there, and watched by the third. */
static int
fds_open(struct front_fds *fds, int backend)
{
	struct epoll_event readable = {.events = EPOLLIN};

	fds->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fds->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fds->event >= 0 && fds->epoll >= 0 &&
	    !epoll_ctl(fds->epoll, EPOLL_CTL_ADD, backend, &readable) &&
	    !epoll_ctl(fds->epoll, EPOLL_CTL_ADD, fds->event, &readable))
		return 1;
	if (fds->event >= 0)
		close(fds->event);
	if (fds->epoll >= 0)
		close(fds->epoll);
	fds->epoll = -1;
	return 0;
}

void
aibrix__front_signal(const aibrix_store *store)
{
	struct front_fds *fds = store->fds;
	int ready = store->ready.count > 0;
	uint64_t count = 1;

	if (fds->epoll < 0 || ready == fds->raised)
		return;
	/* Cannot fail: the count is 1 or 0, and known. */
	if ((ready ? write(fds->event, &count, sizeof(count))
		   : read(fds->event, &count, sizeof(count))) > 0)
		fds->raised = ready;
}

/* Made when it is asked for: who polls by the clock pays no system call for
 * descriptors. */
int
aibrix_store_fd(const aibrix_store *store)
{
	int backend =
		store && store->ops.fd ? store->ops.fd(store->backend) : -1;

	if (backend < 0 ||
	    (store->fds->epoll < 0 && !fds_open(store->fds, backend)))
		return -1;
	aibrix__front_signal(store);
	return store->fds->epoll;
}

uint32_t
aibrix_store_caps(const aibrix_store *store)
{
	return store ? store->ops.caps | (uint32_t)store->backend_stat.caps : 0;
}

uint64_t
aibrix_store_wake(const aibrix_store *store)
{
	uint64_t wake = AIBRIX_FOREVER;

	if (!store)
		return wake;
	if (store->ready.count)
		return 0;
	if (store->ops.wake)
		wake = store->ops.wake(store->backend);
	if (store->joined.count && store->earliest < wake)
		wake = store->earliest;
	return wake;
}

int
aibrix_store_memory_add(aibrix_store *store, void *base, uint64_t bytes)
{
	if (!store || !base || !bytes || bytes > UINTPTR_MAX - (uintptr_t)base)
		return AIBRIX_E_INVAL;
	return store->ops.memory_add
		       ? store->ops.memory_add(store->backend, base, bytes)
		       : AIBRIX_OK;
}

void
aibrix_store_memory_remove(aibrix_store *store, void *base, uint64_t bytes)
{
	if (store && base && store->ops.memory_remove)
		store->ops.memory_remove(store->backend, base, bytes);
}

int
aibrix_store_nodes(const aibrix_store *store, aibrix_store_node *nodes,
		   uint32_t cap, uint32_t *n)
{
	if (!store || (!nodes && cap) || !n)
		return AIBRIX_E_INVAL;
	*n = store->ops.nodes ? store->ops.nodes(store->backend, nodes, cap)
			      : 0;
	return AIBRIX_OK;
}

int
aibrix_store_stats(const aibrix_store *store, aibrix_store_stat *stat)
{
	aibrix_store_stat now;

	if (!store || !stat)
		return AIBRIX_E_INVAL;
	now = store->stat;
	now.inflight = store->conf.max_inflight - store->unused.count;
	now.inflight_bytes = store->bytes;
	now.values = store->backend_stat.values;
	now.capacity_values = store->backend_stat.capacity_values;
	now.value_bytes = store->conf.value_bytes;
	now.evictions = store->backend_stat.evictions;
	now.recovered = store->backend_stat.recovered;
	now.dropped = store->backend_stat.dropped;
	now.retries = store->backend_stat.retries;
	now.refused = store->backend_stat.refused;
	now.connects = store->backend_stat.connects;
	return aibrix__struct_store(stat, &now, sizeof(now),
				    STRUCT_UPTO(aibrix_store_stat, strays));
}

void
aibrix__store_faults(aibrix_store *store, const struct store_fault *script,
		     uint32_t n)
{
	aibrix__queue_faults(store->backend, script, n);
}
