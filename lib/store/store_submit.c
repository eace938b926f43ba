/*
 * The way in: each request is checked, bounded, and then answered at once
 * (a miss that is remembered), joined to one under way, or handed to the
 * backend.
 *
 * The prefix that is taken is one of all three kinds mixed, while the backend
 * sees its own only.  So a batch is prepared as if all were taken; where the
 * backend stops, the rest of the batch is undone from its end.  Counters and
 * what poll sees change after that only.
 */

#include "base/xxh.h"
#include "store/store_front.h"

enum { SUBMIT_BATCH = 32 /* requests handed to the backend at once */ };

/* Of one batch, in the caller's order. */
struct batch {
	aibrix_io ios[SUBMIT_BATCH]; /* for the backend */
	uint32_t numbers[SUBMIT_BATCH];
	uint32_t n, n_ios;
};

int
aibrix__status_checked(int status)
{
	switch (status) {
	case AIBRIX_OK:
	case AIBRIX_E_INVAL:
	case AIBRIX_E_NOMEM:
	case AIBRIX_E_ABI:
	case AIBRIX_E_NOT_FOUND:
	case AIBRIX_E_FULL:
	case AIBRIX_E_SPACE:
	case AIBRIX_E_PARSE:
	case AIBRIX_E_UNSUPPORTED:
	case AIBRIX_E_STATE:
	case AIBRIX_E_BUSY:
	case AIBRIX_E_CANCELED:
	case AIBRIX_E_IO:
	case AIBRIX_E_CLOSED:
	case AIBRIX_E_TIMEOUT:
	case AIBRIX_E_CORRUPT:
	case AIBRIX_E_DENIED:
	case AIBRIX_E_UNAVAILABLE: return status;
	}
	return AIBRIX_E_IO;
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
	    io->priority > AIBRIX_PRIORITY_BACKGROUND ||
	    io->flags & ~(uint32_t)AIBRIX_IO_SUMMED ||
	    (io->flags && io->op != AIBRIX_STORE_GET) || io->spare ||
	    io->spare2)
		return 0;
	if (io->op == AIBRIX_STORE_PROBE || io->op == AIBRIX_STORE_DELETE)
		return io->n_iov == 0;
	return io->iov && io->n_iov >= 1 && io->n_iov <= AIBRIX_STORE_IOV_MAX &&
	       iov_is_valid(io->iov, io->n_iov);
}

static int
is_low(const aibrix_io *io)
{
	return io->priority >= AIBRIX_PRIORITY_PUT;
}

/* Is there room for one more?  Who is alone always has it. */
static int
room_check(const aibrix_store *store, const aibrix_io *io)
{
	uint64_t bytes = io_bytes(io);
	uint32_t half = store->conf.max_inflight / 2;

	if (store->unused.count == 0)
		return AIBRIX_E_FULL;
	if (store->bytes && (store->bytes > store->limit_bytes ||
			     bytes > store->limit_bytes - store->bytes))
		return AIBRIX_E_FULL;
	if (!is_low(io))
		return AIBRIX_OK;
	if (store->low && store->low >= half)
		return AIBRIX_E_FULL;
	if (store->low_bytes &&
	    (store->low_bytes > store->limit_bytes / 2 ||
	     bytes > store->limit_bytes / 2 - store->low_bytes))
		return AIBRIX_E_FULL;
	return AIBRIX_OK;
}

uint32_t
aibrix__number_take(aibrix_store *store, const aibrix_io *io)
{
	uint32_t number = store->unused.head;
	struct request *r = &store->requests[number];

	store->unused.head = store->links[number].next;
	store->unused.count--;
	*r = (struct request){
		.io = *io,
		.print = aibrix__xxh3_64(io->key, io->key_bytes,
					 store->conf.seed),
		.bytes = io_bytes(io),
	};
	store->bytes += r->bytes;
	store->low += (uint32_t)is_low(io);
	store->low_bytes += is_low(io) ? r->bytes : 0;
	return number;
}

void
aibrix__number_give(aibrix_store *store, uint32_t number)
{
	struct request *r = &store->requests[number];

	r->state = REQUEST_NONE;
	store->bytes -= r->bytes;
	store->low -= (uint32_t)is_low(&r->io);
	store->low_bytes -= is_low(&r->io) ? r->bytes : 0;
	/* A stack: what was used last is still in the cache. */
	store->links[number].next = store->unused.head;
	store->unused.head = number;
	store->unused.count++;
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

/* Decide what becomes of a request; poll does not see it yet. */
static void
request_place(aibrix_store *store, uint32_t number, uint64_t now_ns,
	      struct batch *batch)
{
	struct request *r = &store->requests[number];
	uint32_t op = r->io.op, leader;
	aibrix_io *io;

	if (op == AIBRIX_STORE_PUT)
		aibrix__absent_forget(&store->absent, r->print);
	if (op == AIBRIX_STORE_PUT || op == AIBRIX_STORE_DELETE)
		aibrix__flight_hide(store, r);
	else if (aibrix__absent_has(&store->absent, r->print, now_ns)) {
		r->state = REQUEST_READY;
		r->done.status = AIBRIX_E_NOT_FOUND;
		return;
	}
	leader = aibrix__flight_find(store, r);
	if (leader != NONE) {
		aibrix__flight_join(store, number, leader);
		return;
	}
	r->state = REQUEST_AWAY;
	aibrix__flight_list(store, number);
	io = &batch->ios[batch->n_ios++];
	*io = r->io;
	io->tag = number;
}

static void
batch_fill(aibrix_store *store, const aibrix_io *ios, uint32_t n,
	   uint64_t now_ns, struct batch *batch, int *err)
{
	batch->n = batch->n_ios = 0;
	while (batch->n < n && batch->n < SUBMIT_BATCH) {
		const aibrix_io *io = &ios[batch->n];
		uint32_t number;

		*err = io_is_valid(io) ? room_check(store, io) : AIBRIX_E_INVAL;
		if (*err)
			break;
		number = aibrix__number_take(store, io);
		store->requests[number].io.deadline_ns =
			deadline_of(store, io, now_ns);
		request_place(store, number, now_ns, batch);
		batch->numbers[batch->n++] = number;
	}
}

static void
request_undo(aibrix_store *store, uint32_t number)
{
	switch (store->requests[number].state) {
	case REQUEST_AWAY: aibrix__flight_unlist(store, number); break;
	case REQUEST_JOINED: aibrix__flight_leave(store, number); break;
	}
	aibrix__number_give(store, number);
}

static void
request_commit(aibrix_store *store, uint32_t number)
{
	switch (store->requests[number].state) {
	case REQUEST_AWAY: store->away++; break;
	case REQUEST_JOINED: store->stat.joined++; break;
	case REQUEST_READY:
		store->stat.absent++;
		list_append(&store->ready, store->links, number);
		break;
	}
}

/* Hand over up to SUBMIT_BATCH requests; the number taken. */
static uint32_t
submit_some(aibrix_store *store, const aibrix_io *ios, uint32_t n,
	    uint64_t now_ns, int *err)
{
	struct batch batch;
	uint32_t taken = 0, keep = 0;

	batch_fill(store, ios, n, now_ns, &batch, err);
	if (batch.n_ios) {
		int refused = store->ops.submit(store->backend, batch.ios,
						batch.n_ios, now_ns, &taken);

		if (refused) {
			*err = aibrix__status_checked(refused);
			taken = 0;
		} else if (taken < batch.n_ios) {
			*err = AIBRIX_E_FULL; /* unless it says why, next */
		}
	}
	/* Up to the first one that the backend did not take. */
	for (; keep < batch.n; keep++) {
		uint32_t number = batch.numbers[keep];

		if (store->requests[number].state == REQUEST_AWAY &&
		    taken-- == 0)
			break;
		request_commit(store, number);
	}
	for (uint32_t i = batch.n; i > keep; i--)
		request_undo(store, batch.numbers[i - 1]);
	return keep;
}

int
aibrix_store_submit(aibrix_store *store, const aibrix_io *ios, uint32_t n,
		    uint64_t now_ns, uint32_t *accepted)
{
	uint32_t sum = 0;
	int err = AIBRIX_OK;

	if (!store || (!ios && n) || !accepted)
		return AIBRIX_E_INVAL;
	while (sum < n && !err)
		sum += submit_some(store, ios + sum, n - sum, now_ns, &err);
	if (store->ready.count)
		aibrix__front_signal(store);
	/* What ends a prefix is only told when there is no prefix. */
	if (!sum && err)
		return err;
	*accepted = sum;
	return AIBRIX_OK;
}
