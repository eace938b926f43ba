/*
 * A request of the Redis and Valkey backend:
 *
 *               +------------- RETRY <-----------+  may be sent again
 *               v                                |
 *   submit -> admit -> WAITS -> CALLED -> fail --+-> ENDED -> poll
 *               |        |         |                   ^
 *               +--------+---------+-------------------+
 *                refused, answered, late or cancelled
 *
 * A place in the array is the request's tag, and a request is in one list at
 * a time, so nothing is allocated and nothing is searched for.
 *
 * The breaker's token is taken when a request begins to wait for its node
 * and given back when the attempt ends, whatever ended it.
 */
#include "store/store_resp.h"

#include <string.h>

#include "store/store_key.h"

int
aibrix__resp_key(const struct resp_store *store, const aibrix_io *io,
		 uint8_t *out, size_t *bytes)
{
	const struct resp_config *c = &store->config;
	const size_t hex = c->key_text == AIBRIX_RESP_HEX;
	const size_t n = (size_t)io->key_bytes << hex;

	uint8_t digits[RESP_EPOCH_DIGITS];
	struct resp_arg epoch = {NULL, 0};

	if (c->epoch_ns)
		epoch = resp_decimal(digits, sizeof(digits),
				     store->epoch.number);
	/* Room for the longest epoch: it must not decide. */
	if (c->prefix_bytes + n + c->suffix_bytes +
		    (c->epoch_ns ? RESP_EPOCH_DIGITS + 1 : 0) >
	    RESP_ARG_BYTES)
		return AIBRIX_E_INVAL;
	memcpy(out, c->prefix, c->prefix_bytes);
	out += c->prefix_bytes;
	if (hex)
		aibrix__hex_write(io->key, io->key_bytes, (char *)out);
	else
		memcpy(out, io->key, n);
	memcpy(out + n, c->suffix, c->suffix_bytes);
	out += n + c->suffix_bytes;
	*bytes = c->prefix_bytes + n + c->suffix_bytes;
	if (c->epoch_ns) {
		out[0] = ':';
		memcpy(out + 1, epoch.bytes, (size_t)epoch.n);
		*bytes += 1 + (size_t)epoch.n;
	}
	return AIBRIX_OK;
}

/* It holds no token and is in no list. */
static void
request_finish(struct resp_store *store, uint32_t id, int status, int os_error)
{
	struct resp_request *r = &store->requests[id];

	r->done.status = status;
	r->done.os_error = os_error;
	r->state = REQUEST_ENDED;
	list_append(&store->ended, store->links, id);
}

/* Out of its list; the token goes back. */
static void
request_leave(struct resp_store *store, uint32_t id, uint32_t outcome)
{
	struct resp_request *r = &store->requests[id];
	struct resp_node *node = &store->nodes[r->node];

	if (r->state == REQUEST_RETRY || r->state == REQUEST_HELD) {
		list_remove(r->state == REQUEST_RETRY ? &store->retrying
						      : &store->held,
			    store->links, id);
		return;
	}
	if (r->state == REQUEST_WAITS)
		list_remove(&node->waiting[r->io.priority], store->links, id);
	node->inflight--;
	aibrix__breaker_give(&node->breaker, r->token, outcome, store->now);
}

/* It holds no token and is in no list. */
static void
request_retry(struct resp_store *store, uint32_t id, uint64_t at_ns)
{
	struct resp_request *r = &store->requests[id];

	r->at_ns = at_ns;
	r->state = REQUEST_RETRY;
	list_append(&store->retrying, store->links, id);
	resp_wake_by(store, at_ns);
}

static int
request_place(struct resp_store *store, struct resp_request *r)
{
	uint8_t key[RESP_ARG_BYTES];
	size_t n = 0;
	uint32_t id;
	int err;

	err = aibrix__resp_key(store, &r->io, key, &n);
	if (!err && store->config.meta_ns)
		return aibrix__resp_meta_place(store, r);
	if (!err && store->topology)
		return aibrix__resp_cluster_place(store, key, n, r);
	if (!err)
		err = aibrix__ring_pick(store->ring, key, n, &id);
	if (!err)
		r->node = aibrix__ring_place(id);
	return err;
}

void
aibrix__resp_request_new(struct resp_store *store, const aibrix_io *io)
{
	const uint32_t id = (uint32_t)io->tag;
	const uint64_t bytes = io_bytes(io);

	if (id >= store->high)
		store->high = id + 1;
	store->requests[id] =
		(struct resp_request){.io = *io, .done = {.tag = io->tag}};
	resp_wake_by(store, io->deadline_ns);
	aibrix__retry_call(&store->retry);
	/* STRLEN tells an empty value and none by the same number. */
	if (io->op == AIBRIX_STORE_PUT &&
	    (bytes == 0 || bytes > store->conf->value_bytes))
		request_finish(store, id, AIBRIX_E_INVAL, 0);
	else if (io->deadline_ns <= store->now)
		request_finish(store, id, AIBRIX_E_TIMEOUT, 0);
	else
		aibrix__resp_request_admit(store, id);
}

void
aibrix__resp_request_admit(struct resp_store *store, uint32_t id)
{
	struct resp_request *r = &store->requests[id];
	struct resp_node *node;
	uint64_t until;
	int err;

	if (!aibrix__resp_epoch_known(store)) {
		r->state = REQUEST_HELD;
		list_append(&store->held, store->links, id);
		return;
	}
	/* A place may be another node's now, and its requests are there. */
	if (store->map_new) {
		request_retry(store, id, store->now);
		return;
	}
	err = request_place(store, r);
	if (err == AIBRIX_E_AGAIN) {
		request_retry(store, id, AIBRIX_FOREVER);
		return;
	}
	if (err) {
		request_finish(store, id, err, 0);
		return;
	}
	node = &store->nodes[r->node];
	if (r->io.op == AIBRIX_STORE_PUT && store->now < node->puts_after_ns) {
		store->conf->stat->refused++;
		request_finish(store, id, node->puts_status, 0);
		return;
	}
	if (aibrix__breaker_take(&node->breaker, store->now, &r->token,
				 &until)) {
		store->conf->stat->refused++;
		request_finish(store, id, AIBRIX_E_UNAVAILABLE, 0);
		return;
	}
	node->inflight++;
	r->state = REQUEST_WAITS;
	r->at_ns = store->now;
	list_append(&node->waiting[r->io.priority], store->links, id);
}

void
aibrix__resp_request_fail(struct resp_store *store, uint32_t id, int status,
			  int os_error, uint32_t outcome)
{
	struct resp_request *r = &store->requests[id];
	struct resp_node *node = &store->nodes[r->node];
	const struct retry_call call = {.deadline_ns = r->io.deadline_ns,
					.need_ns = node->first_byte_ns,
					.op = r->io.op,
					.status = status,
					.retries = r->retries};

	request_leave(store, id, outcome);
	node->failures += outcome == BREAKER_ERROR;
	if (aibrix__retry_may(&store->retry, &call, store->now, &r->at_ns) !=
	    RETRY_YES) {
		request_finish(store, id, status, os_error);
		return;
	}
	r->retries++;
	store->conf->stat->retries++;
	request_retry(store, id, r->at_ns);
}

void
aibrix__resp_request_give_up(struct resp_store *store, uint32_t id, int status,
			     uint32_t outcome)
{
	request_leave(store, id, outcome);
	request_finish(store, id, status, 0);
}

void
aibrix__resp_request_later(struct resp_store *store, uint32_t id,
			   uint64_t at_ns, uint32_t outcome)
{
	request_leave(store, id, outcome);
	request_retry(store, id, at_ns);
}

void
aibrix__resp_request_end(struct resp_store *store, uint32_t id, int status,
			 uint64_t bytes, uint32_t flags)
{
	struct resp_request *r = &store->requests[id];

	r->done.bytes = bytes;
	r->done.flags = flags;
	store->nodes[r->node].calls++;
	request_leave(store, id, aibrix__breaker_outcome(status));
	request_finish(store, id, status, 0);
}

void
aibrix__resp_request_finish(struct resp_store *store, uint32_t id, int status)
{
	request_finish(store, id, status, 0);
}

void
aibrix__resp_request_hold(struct resp_store *store, uint32_t id)
{
	request_leave(store, id, BREAKER_NOTHING);
	store->requests[id].state = REQUEST_HELD;
	list_append(&store->held, store->links, id);
}

void
aibrix__resp_request_refuse(struct resp_store *store, uint32_t id)
{
	request_leave(store, id, BREAKER_NOTHING);
	store->conf->stat->refused++;
	request_finish(store, id, AIBRIX_E_UNAVAILABLE, 0);
}

void
aibrix__resp_request_again(struct resp_store *store, uint32_t id)
{
	request_leave(store, id, BREAKER_NOTHING);
	/* It may be because its node was given up. */
	if (store->members)
		request_retry(store, id, store->now);
	else
		aibrix__resp_request_admit(store, id);
}

/* What an end by deadline says about the node. */
static uint32_t
late_outcome(const struct resp_store *store, const struct resp_request *r)
{
	/* It waited behind others, which were served. */
	if (r->state == REQUEST_WAITS &&
	    aibrix__resp_node_heard(store, &store->nodes[r->node]) > r->at_ns)
		return BREAKER_NOTHING;
	return BREAKER_TIMEOUT;
}

void
aibrix__resp_request_stop(struct resp_store *store, uint32_t id, int status)
{
	struct resp_request *r = &store->requests[id];
	const uint32_t outcome = status == AIBRIX_E_TIMEOUT
					 ? late_outcome(store, r)
					 : BREAKER_NOTHING;

	if (r->state == REQUEST_CALLED) {
		struct resp_line *line = resp_line_of(store, r);

		line->suspect |= status == AIBRIX_E_TIMEOUT;
		aibrix__resp_line_forget(store, line, r->number);
		/* Someone must look whether it still speaks. */
		resp_wake_by(store,
			     store->now + store->config.connect_timeout_ns);
	}
	if (r->state == REQUEST_WAITS || r->state == REQUEST_CALLED)
		store->nodes[r->node].failures += outcome == BREAKER_TIMEOUT;
	request_leave(store, id, outcome);
	request_finish(store, id, status, 0);
}

/* ---- time */

static void
requests_tick(struct resp_store *store)
{
	for (uint32_t id = 0; id < store->high; id++) {
		struct resp_request *r = &store->requests[id];

		if (r->state == REQUEST_FREE || r->state == REQUEST_ENDED)
			continue;
		if (r->io.deadline_ns <= store->now)
			aibrix__resp_request_stop(store, id, AIBRIX_E_TIMEOUT);
		else
			resp_wake_by(store, r->io.deadline_ns);
	}
}

/*
 * When a line counts as dead: the request that it should answer next has been
 * given up, and since then not a byte has come for as long as a connection
 * may take.  A dead host sends no end of its connections.
 */
static uint64_t
silence_end(const struct resp_store *store, struct resp_line *line)
{
	const uint64_t limit = store->config.connect_timeout_ns;
	struct resp_conn *c = &line->conn;
	const struct resp_call *call = aibrix__resp_conn_call(c, c->first);
	uint64_t since = call->sent_ns;

	if (c->first == c->end || call->request != CONN_NO_REQUEST)
		return AIBRIX_FOREVER;
	if (since < c->heard_ns)
		since = c->heard_ns;
	return since < AIBRIX_FOREVER - limit ? since + limit : AIBRIX_FOREVER;
}

/*
 * A host that has gone without a word.  Looked for when a request was late,
 * and whenever the oldest one has waited for as long as a connection may take:
 * its deadline may be far away.
 */
static int
line_gone(struct resp_store *store, struct resp_line *line)
{
	const uint64_t limit = store->config.connect_timeout_ns;
	struct resp_conn *c = &line->conn;
	uint64_t passed, since;
	int suspect = (int)line->suspect;

	line->suspect = 0;
	if (c->first == c->end || !(line->usable || line->leaving))
		return 0;
	since = aibrix__resp_conn_call(c, c->first)->sent_ns;
	if (since < c->heard_ns)
		since = c->heard_ns;
	passed = store->now > since ? store->now - since : 0;
	resp_wake_by(store, store->now + limit - passed % limit);
	return (suspect || passed >= limit) && aibrix__net_gone(c->fd);
}

static void
line_tick(struct resp_store *store, struct resp_line *line)
{
	uint64_t until;

	if (line->conn.state == CONN_FREE)
		return;
	if (line->doomed) {
		aibrix__resp_line_leave(store, line);
		return;
	}
	if (line_gone(store, line)) {
		aibrix__resp_line_gone(store, line);
		return;
	}
	until = line->usable || line->leaving ? silence_end(store, line)
					      : line->deadline_ns;
	if (until <= store->now)
		aibrix__resp_line_fail(
			store, line,
			line->usable ? AIBRIX_E_CLOSED : AIBRIX_E_TIMEOUT, 0);
	else
		resp_wake_by(store, until);
}

static void
retries_tick(struct resp_store *store)
{
	uint32_t next, n = store->retrying.count;

	for (uint32_t id = store->retrying.head; n--; id = next) {
		struct resp_request *r = &store->requests[id];

		next = store->links[id].next;
		if (r->at_ns > store->now) {
			resp_wake_by(store, r->at_ns);
			continue;
		}
		list_remove(&store->retrying, store->links, id);
		aibrix__resp_request_admit(store, id);
	}
}

void
aibrix__resp_tick(struct resp_store *store)
{
	store->wake = AIBRIX_FOREVER;
	requests_tick(store);
	for (uint32_t i = 0; i < store->n_nodes; i++)
		for (uint32_t k = 0; k < store->config.connections; k++)
			if (store->nodes[i].lines && store->nodes[i].lines[k])
				line_tick(store, store->nodes[i].lines[k]);
	retries_tick(store);
	if (store->epoch.count_up && store->epoch.again_ns > store->now)
		resp_wake_by(store, store->epoch.again_ns);
}
