/*
 * Front of all stores: one place that checks, copies and counts.
 *
 *   caller --ios, tags--> front --ios, numbers--> backend
 *   caller <-dones, tags- front <-dones, numbers- backend
 *
 * A request in flight has a number below max_inflight; the front keeps the
 * caller's tag and the operation under it and hands the backend the number
 * instead.  So a backend can index an array by it, tags need not be unique,
 * and a completion that belongs to no request cannot reach the caller.
 *
 * Exactly one completion: a number is taken when the backend accepts the
 * request and given back when its completion is handed out, nowhere else.
 */

#include <aibrix/store.h>

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/versioned.h"
#include "store/store_backend.h"
#include "store/store_queue.h"

enum {
	INFLIGHT_DEFAULT = 1024,
	INFLIGHT_MAX = 1 << 20,
	SUBMIT_BATCH = 32, /* requests handed to the backend at once */
	NOT_PENDING = 255,
	CAPS_KNOWN = AIBRIX_CAP_LASTING | AIBRIX_CAP_SHARED |
		     AIBRIX_CAP_REMOTE | AIBRIX_CAP_BLOCKING,
	FLAGS_KNOWN = AIBRIX_STORE_DURABLE | AIBRIX_STORE_BUFFERED |
		      AIBRIX_STORE_NO_RING
};

#define CAPACITY_DEFAULT (UINT64_C(1) << 30)
#define VALUE_DEFAULT (UINT64_C(1) << 20)
#define TIMEOUT_DEFAULT_NS UINT64_C(2000000000)

static const aibrix_backend *const backends[] = {
	[AIBRIX_BACKEND_MEM] = &aibrix__store_mem,
	[AIBRIX_BACKEND_FILE] = &aibrix__store_file,
};

struct pending {
	uint64_t tag;
	uint32_t op;   /* AIBRIX_STORE_*, or NOT_PENDING */
	uint32_t next; /* of the numbers that are not taken */
};

struct aibrix_store {
	aibrix_allocator alloc;
	aibrix_log log;
	aibrix_backend ops; /* no submit: not open */
	void *backend;
	aibrix_backend_conf conf;
	aibrix_backend_stat backend_stat;
	aibrix_store_stat stat;
	uint64_t timeout_ns;
	struct pending *pending; /* conf.max_inflight */
	uint32_t next;           /* first number that is not taken */
	uint32_t inflight;
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
	if (conf->max_inflight > INFLIGHT_MAX ||
	    conf->capacity_bytes < conf->value_bytes)
		return AIBRIX_E_INVAL;
	store->pending = aibrix__alloc(&store->alloc, conf->max_inflight,
				       sizeof(*store->pending));
	if (!store->pending)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < conf->max_inflight; i++)
		store->pending[i] = (struct pending){0, NOT_PENDING, i + 1};
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
	err = store_configure(store, &own);
	if (!err)
		err = table.open(&store->conf, &store->backend);
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
	aibrix__free(&alloc, store->pending, store->conf.max_inflight,
		     sizeof(*store->pending));
	aibrix__free(&alloc, store, 1, sizeof(*store));
}

static int
iov_is_valid(const aibrix_iov *iov, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		if ((!iov[i].base && iov[i].bytes) ||
		    iov[i].bytes > SIZE_MAX / 2 - sum)
			return 0;
		sum += iov[i].bytes;
	}
	return 1;
}

static int
io_is_valid(const aibrix_io *io)
{
	if (!io->key || io->key_bytes < 1 ||
	    io->key_bytes > AIBRIX_STORE_KEY_MAX ||
	    io->op > AIBRIX_STORE_DELETE ||
	    io->priority > AIBRIX_PRIORITY_BACKGROUND || io->flags ||
	    io->spare || io->spare2)
		return 0;
	if (io->op == AIBRIX_STORE_PROBE || io->op == AIBRIX_STORE_DELETE)
		return io->n_iov == 0;
	return io->iov && io->n_iov >= 1 && io->n_iov <= AIBRIX_STORE_IOV_MAX &&
	       iov_is_valid(io->iov, io->n_iov);
}

static uint64_t
deadline_of(const aibrix_store *store, const aibrix_io *io, uint64_t now_ns)
{
	if (io->deadline_ns)
		return io->deadline_ns;
	return now_ns < AIBRIX_FOREVER - store->timeout_ns
		       ? now_ns + store->timeout_ns
		       : AIBRIX_FOREVER;
}

static uint32_t
number_take(aibrix_store *store, const aibrix_io *io)
{
	uint32_t number = store->next;
	struct pending *p = &store->pending[number];

	store->next = p->next;
	store->inflight++;
	p->tag = io->tag;
	p->op = io->op;
	return number;
}

static void
number_give(aibrix_store *store, uint32_t number)
{
	struct pending *p = &store->pending[number];

	assert(p->op != NOT_PENDING);
	p->op = NOT_PENDING;
	p->next = store->next;
	store->next = number;
	store->inflight--;
}

/* Hand over up to SUBMIT_BATCH requests; the number taken. */
static uint32_t
submit_some(aibrix_store *store, const aibrix_io *ios, uint32_t n,
	    uint64_t now_ns, int *err)
{
	aibrix_io batch[SUBMIT_BATCH];
	uint32_t m = 0, taken = 0;

	for (; m < n && m < SUBMIT_BATCH; m++) {
		if (!io_is_valid(&ios[m])) {
			*err = AIBRIX_E_INVAL;
			break;
		}
		if (store->inflight == store->conf.max_inflight) {
			*err = AIBRIX_E_FULL;
			break;
		}
		batch[m] = ios[m];
		batch[m].deadline_ns = deadline_of(store, &ios[m], now_ns);
		batch[m].tag = number_take(store, &ios[m]);
	}
	if (m) {
		int refused = store->ops.submit(store->backend, batch, m,
						now_ns, &taken);

		if (refused)
			*err = refused;
	}
	for (uint32_t i = taken; i < m; i++)
		number_give(store, (uint32_t)batch[i].tag);
	return taken;
}

int
aibrix_store_submit(aibrix_store *store, const aibrix_io *ios, uint32_t n,
		    uint64_t now_ns, uint32_t *accepted)
{
	uint32_t sum = 0, taken = SUBMIT_BATCH;
	int err = AIBRIX_OK;

	if (!store || (!ios && n) || !accepted)
		return AIBRIX_E_INVAL;
	while (sum < n && taken == SUBMIT_BATCH && !err) {
		taken = submit_some(store, ios + sum, n - sum, now_ns, &err);
		sum += taken;
	}
	/* What ends a prefix is only told when there is no prefix. */
	if (!sum && err)
		return err;
	*accepted = sum;
	return AIBRIX_OK;
}

static void
count_ok(aibrix_store_stat *stat, uint32_t op, const aibrix_done *done)
{
	if (op == AIBRIX_STORE_GET) {
		stat->hits++;
		stat->read_bytes += done->bytes;
	} else if (op == AIBRIX_STORE_PUT &&
		   !(done->flags & AIBRIX_DONE_EXISTED))
		stat->written_bytes += done->bytes;
	else if (op == AIBRIX_STORE_PUT)
		stat->existed++;
}

static void
count_done(aibrix_store_stat *stat, uint32_t op, const aibrix_done *done)
{
	switch (op) {
	case AIBRIX_STORE_GET: stat->gets++; break;
	case AIBRIX_STORE_PUT: stat->puts++; break;
	case AIBRIX_STORE_PROBE: stat->probes++; break;
	default: stat->deletes++;
	}
	if (done->status == AIBRIX_OK)
		count_ok(stat, op, done);
	else if (done->status == AIBRIX_E_TIMEOUT)
		stat->timeouts++;
	else if (done->status <= AIBRIX_E_IO) /* the rest are answers */
		stat->errors++;
}

/* From the backend's number to the caller's tag; 0: no such request. */
static int
done_accept(aibrix_store *store, aibrix_done *done)
{
	uint64_t number = done->tag;
	const struct pending *p;

	if (number >= store->conf.max_inflight ||
	    store->pending[number].op == NOT_PENDING) {
		store->stat.strays++;
		return 0;
	}
	p = &store->pending[number];
	count_done(&store->stat, p->op, done);
	done->tag = p->tag;
	number_give(store, (uint32_t)number);
	return 1;
}

int
aibrix_store_poll(aibrix_store *store, aibrix_done *dones, uint32_t cap,
		  uint64_t now_ns, uint64_t timeout_ns, uint32_t *n)
{
	uint32_t got = 0;
	int err;

	if (!store || (!dones && cap) || !n)
		return AIBRIX_E_INVAL;
	err = store->ops.poll(store->backend, dones, cap, now_ns, timeout_ns,
			      &got);
	if (err)
		return err;
	if (got > cap)
		return AIBRIX_E_STATE; /* of a USER table */
	*n = 0;
	for (uint32_t i = 0; i < got; i++)
		if (done_accept(store, &dones[i]))
			dones[(*n)++] = dones[i];
	return AIBRIX_OK;
}

/* Linear in max_inflight: cancelling is rare, and a table of tags would
 * cost every request. */
int
aibrix_store_cancel(aibrix_store *store, uint64_t tag)
{
	if (!store)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; store->inflight && i < store->conf.max_inflight;
	     i++) {
		const struct pending *p = &store->pending[i];

		if (p->op != NOT_PENDING && p->tag == tag) {
			if (store->ops.cancel)
				store->ops.cancel(store->backend, i);
			return AIBRIX_OK;
		}
	}
	return AIBRIX_E_NOT_FOUND;
}

int
aibrix_store_fd(const aibrix_store *store)
{
	return store && store->ops.fd ? store->ops.fd(store->backend) : -1;
}

uint32_t
aibrix_store_caps(const aibrix_store *store)
{
	return store ? store->ops.caps : 0;
}

uint64_t
aibrix_store_wake(const aibrix_store *store)
{
	return store && store->ops.wake ? store->ops.wake(store->backend)
					: AIBRIX_FOREVER;
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
	now.inflight = store->inflight;
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
