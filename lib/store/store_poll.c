/*
 * The way out: completions of the backend and of the front, each once.
 *
 *   backend --done--> its request, then those that joined it
 *                        |  answered: a copy, a length, EXISTED, a miss
 *                        '- not answered: the most urgent of them goes to
 *                           the backend itself, the others wait for it
 *
 * Bytes are copied out of a leader's memory before its completion is handed
 * out: until then that memory is the store's.
 *
 * A number is given back where its completion is handed out and nowhere
 * else, so accepted equals polled whatever a backend does.  Tables of hosts
 * are not trusted: a completion for no request is dropped and counted, one
 * that cannot be is made E_IO.
 */

#include <string.h>

#include "store/store_front.h"

/* Completions handed out by one call. */
struct out {
	aibrix_done *dones;
	uint32_t n, cap;
	uint64_t now_ns;
};

/* ---- counters */

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

/* ---- what is ready */

void
aibrix__request_ready(aibrix_store *store, uint32_t number,
		      const aibrix_done *done)
{
	struct request *r = &store->requests[number];

	r->state = REQUEST_READY;
	r->done = *done;
	list_append(&store->ready, store->links, number);
}

/* Hand out one completion of this number, with the caller's tag. */
static void
out_add(struct out *out, aibrix_store *store, uint32_t number,
	const aibrix_done *done)
{
	const struct request *r = &store->requests[number];
	aibrix_done *to = &out->dones[out->n++];

	*to = *done;
	to->tag = r->io.tag;
	count_done(&store->stat, r->io.op, to);
	aibrix__number_give(store, number);
}

static void
ready_take(struct out *out, aibrix_store *store)
{
	while (out->n < out->cap && store->ready.count) {
		uint32_t number = list_pop(&store->ready, store->links);

		out_add(out, store, number, &store->requests[number].done);
	}
}

/* End those joined ones whose deadline has come; finds the next bound. */
static void
joined_expire(aibrix_store *store, uint64_t now_ns)
{
	const aibrix_done late = {.status = AIBRIX_E_TIMEOUT};
	uint32_t next = store->joined.head;

	if (now_ns < store->earliest)
		return;
	store->earliest = AIBRIX_FOREVER;
	for (uint32_t left = store->joined.count; left; left--) {
		uint32_t number = next;
		uint64_t deadline = store->requests[number].io.deadline_ns;

		next = store->waits[number].next;
		if (deadline <= now_ns && deadline != AIBRIX_FOREVER) {
			aibrix__flight_leave(store, number);
			aibrix__request_ready(store, number, &late);
		} else if (deadline < store->earliest) {
			store->earliest = deadline;
		}
	}
}

/* ---- a leader is done */

/* From one request's memory to the other's; a caller may have given the same
 * memory twice. */
static void
value_copy(const aibrix_io *to, const aibrix_io *from, uint64_t bytes)
{
	const aibrix_iov *in = from->iov, *out = to->iov;
	uint64_t in_at = 0, out_at = 0;

	while (bytes) {
		uint64_t some = bytes;

		if (some > in->bytes - in_at)
			some = in->bytes - in_at;
		if (some > out->bytes - out_at)
			some = out->bytes - out_at;
		if (some)
			memmove((uint8_t *)out->base + out_at,
				(const uint8_t *)in->base + in_at, some);
		bytes -= some;
		in_at += some;
		out_at += some;
		if (in_at == in->bytes) {
			in++;
			in_at = 0;
		}
		if (out_at == out->bytes) {
			out++;
			out_at = 0;
		}
	}
}

/* What a leader's completion says to one that joined it; 0: nothing. */
static int
joined_answer(const struct request *r, const struct request *leader,
	      const aibrix_done *from, aibrix_done *done)
{
	*done = (aibrix_done){.status = from->status};
	if (r->io.op == AIBRIX_STORE_PUT) {
		done->flags = AIBRIX_DONE_EXISTED;
		return from->status == AIBRIX_OK;
	}
	if (from->status == AIBRIX_E_NOT_FOUND)
		return 1;
	if (from->status != AIBRIX_OK && from->status != AIBRIX_E_SPACE)
		return 0;
	/* Bytes that nobody has looked at are for those who will. */
	if (leader->io.flags & ~r->io.flags && r->io.op == AIBRIX_STORE_GET)
		return 0;
	done->bytes = from->bytes;
	if (r->io.op == AIBRIX_STORE_PROBE)
		done->status = AIBRIX_OK;
	else if (from->bytes > r->bytes)
		done->status = AIBRIX_E_SPACE;
	else if (from->status == AIBRIX_E_SPACE)
		return 0; /* the memory of this one is long enough */
	else
		value_copy(&r->io, &leader->io, from->bytes);
	return 1;
}

/* The most urgent of those that still wait for this leader, or NONE. */
static uint32_t
joined_first(const aibrix_store *store, const struct list *joined)
{
	uint32_t best = joined->count ? joined->head : NONE;
	uint32_t number = best;

	for (uint32_t left = joined->count; left; left--) {
		if (store->requests[number].io.priority <
		    store->requests[best].io.priority)
			best = number;
		number = store->links[number].next;
	}
	return best;
}

/* Send a request that had joined another; 0: the backend does not take it,
 * and *done says what becomes of it. */
static int
request_send(aibrix_store *store, uint32_t number, uint64_t now_ns,
	     aibrix_done *done)
{
	struct request *r = &store->requests[number];
	aibrix_io io = r->io;
	uint32_t taken = 0;
	int err;

	io.tag = number;
	err = store->ops.submit(store->backend, &io, 1, now_ns, &taken);
	err = aibrix__status_checked(err);
	if (err || taken == 0) {
		/* Not the caller's fault, and no full disk. */
		done->status = err <= AIBRIX_E_IO ? err : AIBRIX_E_UNAVAILABLE;
		return 0;
	}
	r->state = REQUEST_AWAY;
	store->away++;
	store->sent++;
	aibrix__flight_list(store, number);
	return 1;
}

/* Those whom the leader's end does not answer go themselves, or wait for one
 * of them: a GET does not for a PROBE. */
static void
joined_promote(aibrix_store *store, struct request *old, uint64_t now_ns)
{
	aibrix_done done = {0};
	uint32_t first;

	while ((first = joined_first(store, &old->joined)) != NONE) {
		uint32_t next;

		aibrix__flight_leave(store, first);
		if (!request_send(store, first, now_ns, &done)) {
			aibrix__request_ready(store, first, &done);
			continue;
		}
		next = old->joined.head;
		for (uint32_t left = old->joined.count; left; left--) {
			uint32_t number = next;

			next = store->links[number].next;
			if (!aibrix__flight_answers(&store->requests[first],
						    &store->requests[number]))
				continue;
			aibrix__flight_leave(store, number);
			aibrix__flight_join(store, number, first);
		}
	}
}

static void
joined_end(aibrix_store *store, struct request *leader, const aibrix_done *from,
	   uint64_t now_ns)
{
	uint32_t next = leader->joined.head;

	for (uint32_t left = leader->joined.count; left; left--) {
		uint32_t number = next;
		aibrix_done done;

		next = store->links[number].next;
		if (!joined_answer(&store->requests[number], leader, from,
				   &done))
			continue;
		aibrix__flight_leave(store, number);
		aibrix__request_ready(store, number, &done);
	}
	joined_promote(store, leader, now_ns);
}

/* ---- completions of the backend */

/* What a backend says about this request, as far as it can be. */
static void
done_check(const struct request *r, aibrix_done *done)
{
	done->status = aibrix__status_checked(done->status);
	if (r->io.op == AIBRIX_STORE_GET && done->status == AIBRIX_OK &&
	    done->bytes > r->bytes) {
		done->status = AIBRIX_E_IO;
		done->bytes = 0;
	}
	if (r->io.op != AIBRIX_STORE_PUT || done->status != AIBRIX_OK)
		done->flags = 0;
	done->flags &= AIBRIX_DONE_EXISTED;
	done->spare = 0;
}

/* from may be the place in out that is next. */
static void
done_accept(aibrix_store *store, struct out *out, const aibrix_done *from)
{
	aibrix_done done = *from;
	struct request *r;
	uint32_t number;

	if (done.tag >= store->conf.max_inflight ||
	    store->requests[done.tag].state != REQUEST_AWAY) {
		store->stat.strays++;
		return;
	}
	number = (uint32_t)done.tag;
	r = &store->requests[number];
	done_check(r, &done);
	store->away--;
	if (r->io.op == AIBRIX_STORE_PUT || r->io.op == AIBRIX_STORE_DELETE)
		aibrix__flight_hide(store, r);
	if (r->io.op == AIBRIX_STORE_PUT)
		aibrix__absent_forget(&store->absent, r->print);
	/* Not if a PUT has come since. */
	else if (done.status == AIBRIX_E_NOT_FOUND && r->listed)
		aibrix__absent_add(&store->absent, r->print, out->now_ns);
	aibrix__flight_unlist(store, number);
	if (r->joined.count)
		joined_end(store, r, &done, out->now_ns);
	out_add(out, store, number, &done);
}

/* What the backend has, up to all that is left of out. */
static int
backend_take(aibrix_store *store, struct out *out, uint64_t timeout_ns)
{
	aibrix_done *dones = out->dones ? out->dones + out->n : NULL;
	uint32_t cap = out->cap - out->n, got = 0;
	int err = store->ops.poll(store->backend, dones, cap, out->now_ns,
				  timeout_ns, &got);

	if (err)
		return aibrix__status_checked(err);
	if (got > cap) {
		store->stat.strays += got - cap;
		got = cap;
	}
	for (uint32_t i = 0; i < got; i++)
		done_accept(store, out, &dones[i]);
	return AIBRIX_OK;
}

/* One round: what is ready, what the backend has, what became ready. */
static int
poll_round(aibrix_store *store, struct out *out, uint64_t timeout_ns)
{
	int err = AIBRIX_OK;

	joined_expire(store, out->now_ns);
	if (!store->turn)
		ready_take(out, store);
	/* Who polls for one at a time, and gets what is ready, must not keep
	 * the backend from working. */
	store->turn =
		!store->turn && store->away && out->n && out->n == out->cap;
	if (out->n && (out->n == out->cap || !store->away))
		return AIBRIX_OK;
	if (out->n || store->ready.count)
		timeout_ns = 0;
	else if (timeout_ns > store->earliest - out->now_ns)
		timeout_ns = store->earliest - out->now_ns;
	do {
		store->sent = 0;
		err = backend_take(store, out, store->away ? timeout_ns : 0);
		ready_take(out, store);
		timeout_ns = 0;
	} while (!err && store->sent && out->n < out->cap);
	return out->n ? AIBRIX_OK : err;
}

int
aibrix_store_poll(aibrix_store *store, aibrix_done *dones, uint32_t cap,
		  uint64_t now_ns, uint64_t timeout_ns, uint32_t *n)
{
	struct out out = {.dones = dones, .cap = cap, .now_ns = now_ns};
	const aibrix_backend_conf *conf;
	uint64_t start = 0, passed = 0;
	int err;

	if (!store || (!dones && cap) || !n)
		return AIBRIX_E_INVAL;
	conf = &store->conf;
	if (timeout_ns)
		start = conf->clock(conf->clock_ctx);
	do {
		out.now_ns = now_ns + passed;
		err = poll_round(store, &out, timeout_ns - passed);
		if (err || out.n || !timeout_ns)
			break;
		passed = conf->clock(conf->clock_ctx) - start;
	} while (cap && store->unused.count < conf->max_inflight &&
		 passed < timeout_ns);
	aibrix__front_signal(store);
	if (err)
		return err;
	*n = out.n;
	return AIBRIX_OK;
}

/* Linear in max_inflight: cancelling is rare, and a table of tags would
 * cost every request. */
int
aibrix_store_cancel(aibrix_store *store, uint64_t tag)
{
	const aibrix_done ended = {.status = AIBRIX_E_CANCELED};
	uint32_t busy, i;

	if (!store)
		return AIBRIX_E_INVAL;
	busy = store->conf.max_inflight - store->unused.count;
	for (i = 0; busy; i++) {
		const struct request *r = &store->requests[i];

		busy -= r->state != REQUEST_NONE;
		if (r->state == REQUEST_NONE || r->io.tag != tag)
			continue;
		if (r->state == REQUEST_AWAY && store->ops.cancel) {
			store->ops.cancel(store->backend, i);
		} else if (r->state == REQUEST_JOINED) {
			aibrix__flight_leave(store, i);
			aibrix__request_ready(store, i, &ended);
			aibrix__front_signal(store);
		}
		return AIBRIX_OK;
	}
	return AIBRIX_E_NOT_FOUND;
}
