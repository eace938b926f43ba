/*
 * Epochs: a number in the server that is part of every key.  Who counts it up
 * makes all values under the old one unfindable for the whole fleet; they go
 * by their time to live or by the server's eviction.
 *
 *   asked ----------> answered, so known since asked
 *     |<-------------- epoch_ns -------------->|  after that no request goes
 *     |        half of it: asked again         |  out before a new answer
 *
 * An answer is as old as its question.  So no request leaves under an epoch
 * that was read more than epoch_ns before, and a value that was invalidated
 * is found for that long at most, and for as long as the request is under
 * way.  A store that cannot ask has no epoch and serves nothing: to serve the
 * old one would break the promise.
 *
 * Counting up twice does no harm, so INCR is repeated until it was answered.
 */
#include "store/store_resp.h"

#include <string.h>

#include "base/log.h"
#include "store/store_front.h"

#define AGAIN_NS UINT64_C(100000000)

static const char suffix[] = "epoch";

static struct resp_arg
epoch_key(const struct resp_store *store, uint8_t *out)
{
	const struct resp_config *c = &store->config;

	memcpy(out, c->prefix, c->prefix_bytes);
	memcpy(out + c->prefix_bytes, suffix, sizeof(suffix) - 1);
	return (struct resp_arg){out, c->prefix_bytes + sizeof(suffix) - 1};
}

int
aibrix__resp_epoch_known(struct resp_store *store)
{
	const uint64_t limit = store->config.epoch_ns;
	struct resp_epoch *e = &store->epoch;
	uint64_t age;

	if (limit == 0)
		return 1;
	age = store->now > e->since_ns ? store->now - e->since_ns : 0;
	if (!e->known || age >= limit || e->count_up)
		e->wanted = 1, e->known = 0;
	else if (age >= limit / 2)
		e->wanted = 1;
	return (int)e->known;
}

/* Those that wait for it cannot be served now. */
static void
held_fail(struct resp_store *store, int status)
{
	uint32_t id;

	while ((id = list_pop(&store->held, store->links)) != NONE)
		aibrix__resp_request_finish(store, id, status);
}

void
aibrix__resp_epoch_fail(struct resp_store *store, int status, uint32_t outcome)
{
	struct resp_epoch *e = &store->epoch;

	if (e->asked)
		aibrix__breaker_give(&store->nodes[e->node].breaker, e->token,
				     outcome, store->now);
	store->nodes[e->node].epoch = 0;
	e->asked = 0;
	e->moves = 0;
	e->wanted = 0;
	e->again_ns = store->now + AGAIN_NS;
	if (e->count_up)
		resp_wake_by(store, e->again_ns);
	/* What is known is good until its time is over. */
	if (!e->known)
		held_fail(store, status);
}

static void
epoch_learn(struct resp_store *store, uint64_t number)
{
	struct resp_epoch *e = &store->epoch;
	uint32_t n = store->held.count;

	aibrix__breaker_give(&store->nodes[e->node].breaker, e->token,
			     BREAKER_SUCCESS, store->now);
	e->asked = 0;
	e->moves = 0;
	/* Asked to count up meanwhile: this answer is an old one. */
	if (e->count_up && !e->counting)
		return;
	e->count_up = 0;
	e->wanted = 0;
	e->known = 1;
	e->number = number;
	e->since_ns = e->asked_ns;
	for (; n && store->held.count; n--)
		aibrix__resp_request_admit(
			store, list_pop(&store->held, store->links));
}

/* ---- asking */

static void
epoch_push(struct resp_store *store, struct resp_line *line)
{
	struct resp_epoch *e = &store->epoch;
	uint8_t key[RESP_ARG_BYTES];
	struct resp_arg args[2] = {
		{e->count_up ? "INCR" : "GET", e->count_up ? 4 : 3},
		epoch_key(store, key)};
	const struct resp_push push = {.args = args,
				       .n_args = 2,
				       .payload = RESP_NO_PAYLOAD,
				       .kind = CALL_EPOCH,
				       .request = CONN_NO_REQUEST};
	uint32_t number;

	e->counting = e->count_up;
	e->asked = EPOCH_SENT;
	e->asked_ns = store->now;
	/* Someone must look whether the line still speaks. */
	resp_wake_by(store, store->now + store->config.connect_timeout_ns);
	if (aibrix__resp_conn_push(&line->conn, &push, store->now, &number))
		aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
					BREAKER_NOTHING);
}

/* The breaker of the number's node decides, as for any request. */
static int
epoch_begin(struct resp_store *store)
{
	struct resp_epoch *e = &store->epoch;
	uint8_t key[RESP_ARG_BYTES];
	const struct resp_arg arg = epoch_key(store, key);
	struct resp_request r = {.to = RING_NONE};
	uint64_t until;
	uint32_t id;
	int err;

	if (store->topology) {
		err = aibrix__resp_cluster_place(store, arg.bytes,
						 (size_t)arg.n, &r);
		e->node = r.node;
	} else {
		err = aibrix__ring_pick(store->ring, arg.bytes, (size_t)arg.n,
					&id);
		e->node = err ? 0 : aibrix__ring_place(id);
	}
	if (err)
		return err;
	err = aibrix__breaker_take(&store->nodes[e->node].breaker, store->now,
				   &e->token, &until);
	if (!err)
		e->asked = EPOCH_WAITS;
	return err;
}

void
aibrix__resp_epoch_run(struct resp_store *store)
{
	struct resp_epoch *e = &store->epoch;
	struct resp_node *node;
	struct resp_line *line;
	int err;

	if (e->count_up && store->now >= e->again_ns)
		e->wanted = 1;
	if (!e->wanted || e->asked == EPOCH_SENT)
		return;
	err = e->asked ? AIBRIX_OK : epoch_begin(store);
	if (err == AIBRIX_E_AGAIN) /* until a map has come */
		return;
	if (err) {
		aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
					BREAKER_NOTHING);
		return;
	}
	node = &store->nodes[e->node];
	if (!node->name[0]) { /* a new map does not have it */
		aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
					BREAKER_NOTHING);
		return;
	}
	line = aibrix__resp_node_line(store, node, 0);
	/* Without a line it waits there: the node makes one, or says no. */
	node->epoch = !line;
	if (line)
		epoch_push(store, line);
}

/* The slot of the number has moved: the map learns it, and the question goes
 * there, a few times. */
static int
epoch_moved(struct resp_store *store, const struct resp_event *event)
{
	struct resp_epoch *e = &store->epoch;
	uint8_t key[RESP_ARG_BYTES];
	const struct resp_arg arg = epoch_key(store, key);
	struct topology_call call = {
		.deadline_ns = AIBRIX_FOREVER,
		.slot = aibrix__ring_slot(arg.bytes, (size_t)arg.n),
		.from = store->nodes[e->node].id,
		.redirects = e->moves,
	};
	struct topology_next next;

	if (!store->topology || event->error != RESP_ERROR_MOVED)
		return 0;
	aibrix__topology_error(store->topology, &store->retry, &call, event,
			       store->now, &next);
	e->moves = call.redirects;
	if (next.act != TOPOLOGY_SEND)
		return 0;
	aibrix__breaker_give(&store->nodes[e->node].breaker, e->token,
			     BREAKER_MISS, store->now);
	e->asked = 0;
	return 1;
}

/* A number as INCR keeps it; -1: it is none. */
static int64_t
number_of(const uint8_t *text, uint64_t n)
{
	int64_t x = 0;

	if (n == 0 || n > RESP_EPOCH_DIGITS - 2)
		return -1;
	for (uint64_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		x = x * 10 + (text[i] - '0');
	}
	return x;
}

int
aibrix__resp_epoch_reply(struct resp_store *store, struct resp_line *line,
			 const struct resp_event *event)
{
	struct resp_epoch *e = &store->epoch;
	int64_t number = 0;

	switch (event->kind) {
	case RESP_BULK:
		e->iov = (aibrix_iov){e->digits, sizeof(e->digits)};
		if (!aibrix__resp_into(&line->conn.codec, &e->iov, 1))
			return AIBRIX_OK;
		aibrix__resp_epoch_fail(store, AIBRIX_E_IO, BREAKER_NOTHING);
		return AIBRIX_E_PARSE;
	case RESP_BULK_END:
		number = number_of(e->digits, (uint64_t)event->number);
		break;
	case RESP_INTEGER: number = event->number; break;
	case RESP_NIL: break;
	case RESP_ERROR:
		if (epoch_moved(store, event))
			return AIBRIX_OK;
		aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
					BREAKER_ERROR);
		return AIBRIX_OK;
	default: return AIBRIX_E_PARSE;
	}
	if (number < 0)
		aibrix__resp_epoch_fail(store, AIBRIX_E_IO, BREAKER_NOTHING);
	else
		epoch_learn(store, (uint64_t)number);
	return AIBRIX_OK;
}

/* ---- calls of the host */

static struct resp_store *
resp_of(aibrix_store *store)
{
	return store && store->ops.open == aibrix__store_resp.open
		       ? store->backend
		       : NULL;
}

int
aibrix_resp_invalidate(aibrix_store *store, uint64_t now_ns)
{
	struct resp_store *s = resp_of(store);

	if (!store)
		return AIBRIX_E_INVAL;
	if (!s || s->config.epoch_ns == 0)
		return AIBRIX_E_UNSUPPORTED;
	s->epoch.count_up = 1;
	s->epoch.known = 0;
	s->epoch.again_ns = 0;
	/* poll does it, at once. */
	s->now = now_ns;
	resp_wake_by(s, now_ns);
	return AIBRIX_OK;
}

int
aibrix_resp_epoch(aibrix_store *store, uint64_t *epoch)
{
	const struct resp_store *s = resp_of(store);

	if (!store || !epoch)
		return AIBRIX_E_INVAL;
	if (!s || s->config.epoch_ns == 0)
		return AIBRIX_E_UNSUPPORTED;
	if (!s->epoch.known)
		return AIBRIX_E_AGAIN;
	*epoch = s->epoch.number;
	return AIBRIX_OK;
}
