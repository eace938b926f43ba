/*
 * A line to a server: a connection with a greeting before and requests after
 * it.
 *
 *   FREE -> connecting -> (stream's handshake) -> greeting -> usable
 *     ^          |                 |                 |           |
 *     +----------+-----------------+-----------------+-----------+
 *                        fail: the server's fault
 *                        leave: what would come is not wanted
 *
 * The greeting is AUTH, SELECT and CLIENT SETNAME in one packet.  Its answers
 * are waited for: a server with all its clients taken says so in place of the
 * first one, and requests sent along would fail by the dozen.
 */
#include "store/store_resp.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/backoff.h"

#define CONNECT_MIN_NS UINT64_C(10000000)
#define CONNECT_MAX_NS UINT64_C(1000000000)
#define BULK_MAX (UINT64_C(512) << 20) /* proto-max-bulk-len of a server */

static struct resp_node *
line_node(struct resp_store *store, const struct resp_line *line)
{
	return &store->nodes[line->node];
}

/* A place without a socket, or NULL. */
static struct resp_line *
line_free(struct resp_store *store, struct resp_node *node)
{
	for (uint32_t i = 0; i < store->config.connections; i++) {
		struct resp_line *line = node->lines[i];

		if (line && line->conn.state != CONN_FREE)
			continue;
		if (!line) {
			line = aibrix__alloc(store->conf->alloc, 1,
					     sizeof(*line));
			if (!line)
				return NULL;
			line->node = (uint32_t)(node - store->nodes);
			line->number = i;
			node->lines[i] = line;
		}
		return line;
	}
	return NULL;
}

/* Lines that are, or are about to be, of use. */
static uint32_t
node_lines(const struct resp_store *store, const struct resp_node *node)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < store->config.connections; i++)
		n += node->lines[i] && node->lines[i]->conn.state != CONN_FREE;
	return n;
}

/* A line that was never usable has come to nothing, or there was none. */
void
aibrix__resp_node_unreachable(struct resp_store *store, struct resp_node *node,
			      int status, int os_error)
{
	const uint64_t wait =
		backoff_ns(CONNECT_MIN_NS, CONNECT_MAX_NS, node->connect_level);

	node->connect_level += node->connect_level < UINT32_MAX;
	node->connect_after_ns = store->now + jitter_ns(&store->rand, wait, 50);
	/* Another of its addresses next time; behind the last, new ones. */
	node->addr++;
	if (!node->down && !(status == AIBRIX_E_DENIED && node->denied))
		aibrix__log(store->conf->log, AIBRIX_LOG_WARN,
			    status == AIBRIX_E_DENIED ? LOG_STORE_DENIED
						      : LOG_STORE_NODE_LOST,
			    "store: no connection to %s: %s, os error %d; "
			    "what it holds is a miss until it answers",
			    node->name, aibrix_error_name(status), os_error);
	node->down = 1;
	aibrix__resp_cluster_node(store, node, 0);
	if (node_lines(store, node) > 0)
		return;
	/* Without memory here it is not the node's fault. */
	aibrix__resp_node_flush(store, node, status, os_error,
				status == AIBRIX_E_NOMEM ? BREAKER_NOTHING
							 : BREAKER_ERROR);
	if (node->epoch)
		aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
					BREAKER_ERROR);
}

static void
line_close(struct resp_store *store, struct resp_line *line)
{
	aibrix__resp_cluster_lost(store, line);
	aibrix__resp_meta_lost(store, line);
	aibrix__resp_conn_close(&line->conn, store->epoll);
	line->usable = 0;
	line->leaving = 0;
	line->greeting = 0;
	line->doomed = 0;
	line->suspect = 0;
}

void
aibrix__resp_line_fail(struct resp_store *store, struct resp_line *line,
		       int status, int os_error)
{
	struct resp_node *node = line_node(store, line);
	struct resp_conn *c = &line->conn;
	const uint32_t was_usable = line->usable || line->leaving;

	for (; c->first != c->end; aibrix__resp_conn_pop(c)) {
		const struct resp_call *call =
			aibrix__resp_conn_call(c, c->first);

		if (call->kind == CALL_EPOCH)
			aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
						BREAKER_ERROR);
		else if (call->request != CONN_NO_REQUEST)
			aibrix__resp_request_fail(store, call->request, status,
						  os_error, BREAKER_ERROR);
	}
	line_close(store, line);
	if (!was_usable)
		aibrix__resp_node_unreachable(store, node, status, os_error);
	else
		aibrix__resp_cluster_node(store, node, 0);
}

void
aibrix__resp_line_gone(struct resp_store *store, struct resp_line *line)
{
	/* Before its requests fail, which are then not sent again. */
	aibrix__breaker_trip(&line_node(store, line)->breaker, store->now);
	aibrix__resp_line_fail(store, line, AIBRIX_E_CLOSED, ETIMEDOUT);
}

void
aibrix__resp_line_leave(struct resp_store *store, struct resp_line *line)
{
	struct resp_conn *c = &line->conn;

	for (; c->first != c->end; aibrix__resp_conn_pop(c)) {
		const struct resp_call *call =
			aibrix__resp_conn_call(c, c->first);
		const uint32_t id = call->request;

		if (call->kind == CALL_EPOCH)
			aibrix__resp_epoch_fail(store, AIBRIX_E_UNAVAILABLE,
						BREAKER_NOTHING);
		if (id == CONN_NO_REQUEST)
			continue;
		/* A second DELETE could undo somebody's PUT in between. */
		if (store->requests[id].io.op == AIBRIX_STORE_DELETE &&
		    call->sent > 0)
			aibrix__resp_request_fail(store, id, AIBRIX_E_CLOSED, 0,
						  BREAKER_NOTHING);
		else
			aibrix__resp_request_again(store, id);
	}
	line_close(store, line);
}

/* Half of a PUT is sent and the rest will not be.  What was sent before it is
 * still answered; what waits behind it goes elsewhere. */
static void
line_cut(struct resp_store *store, struct resp_line *line)
{
	struct resp_conn *c = &line->conn;
	uint32_t unsent[CONN_CALLS], n = 0;

	for (uint32_t i = c->sending; i != c->end; i++) {
		const struct resp_call *call = aibrix__resp_conn_call(c, i);

		if (call->request != CONN_NO_REQUEST)
			unsent[n++] = call->request;
	}
	aibrix__resp_conn_cut(c);
	line->usable = 0;
	line->leaving = 1;
	line->doomed = c->first == c->end;
	for (uint32_t i = 0; i < n; i++)
		aibrix__resp_request_again(store, unsent[i]);
}

void
aibrix__resp_line_forget(struct resp_store *store, struct resp_line *line,
			 uint32_t number)
{
	struct resp_conn *c = &line->conn;
	const uint32_t before = number - 1;

	/* ASKING without its request would be for the next one. */
	if (number != c->first &&
	    aibrix__resp_conn_call(c, number)->sent == 0 &&
	    aibrix__resp_conn_call(c, before)->kind == CALL_ASKING &&
	    aibrix__resp_conn_forget(c, before) == AIBRIX_OK)
		line->doomed |= !aibrix__resp_conn_call(c, before)->skip;
	switch (aibrix__resp_conn_forget(&line->conn, number)) {
	case AIBRIX_OK: break;
	case AIBRIX_E_STATE: line_cut(store, line); break;
	default: line->doomed = 1;
	}
}

/* ---- greeting */

static int
greeting_push(struct resp_line *line, const struct resp_arg *args, uint32_t n,
	      uint32_t kind, uint64_t now_ns)
{
	const struct resp_push push = {.args = args,
				       .n_args = n,
				       .payload = RESP_NO_PAYLOAD,
				       .kind = kind,
				       .request = CONN_NO_REQUEST};
	uint32_t number;
	int err;

	err = aibrix__resp_conn_push(&line->conn, &push, now_ns, &number);
	line->greeting += !err;
	return err;
}

static struct resp_arg
arg_of(const char *text)
{
	return (struct resp_arg){text, strlen(text)};
}

static int
line_greet(struct resp_store *store, struct resp_line *line)
{
	const struct resp_url *url = &store->config.url;
	struct resp_arg args[3];
	uint8_t digits[20];
	uint32_t n = 0;
	int err = AIBRIX_OK;

	line->greeting = 0;
	if (url->password[0]) {
		args[n++] = arg_of("AUTH");
		if (url->user[0])
			args[n++] = arg_of(url->user);
		args[n++] = arg_of(url->password);
		err = greeting_push(line, args, n, CALL_AUTH, store->now);
	}
	if (!err && url->db) {
		args[0] = arg_of("SELECT");
		args[1] = resp_decimal(digits, sizeof(digits), url->db);
		err = greeting_push(line, args, 2, CALL_SELECT, store->now);
	}
	args[0] = arg_of("CLIENT");
	args[1] = arg_of("SETNAME");
	args[2] = arg_of("aibrix");
	if (!err)
		err = greeting_push(line, args, 3, CALL_NAME, store->now);
	return err;
}

static int
line_advance(struct resp_store *store, struct resp_line *line)
{
	const struct resp_config *config = &store->config;
	const struct resp_node *node = line_node(store, line);
	int err, os_error = 0;

	err = aibrix__resp_conn_advance(
		&line->conn, config->url.tls ? &config->stream : NULL,
		node->host.port ? node->host.name : "", &os_error);
	if (!err)
		err = line_greet(store, line);
	if (err && err != AIBRIX_E_AGAIN)
		aibrix__resp_line_fail(store, line, err, os_error);
	return err;
}

int
aibrix__resp_line_open(struct resp_store *store, struct resp_node *node)
{
	struct resp_line *line = NULL;
	int err = AIBRIX_E_UNAVAILABLE, os_error = 0;
	uint64_t data;

	if (node->n_addrs == 0) {
		aibrix__resp_node_unreachable(store, node, err, 0);
		return err;
	}
	line = line_free(store, node);
	if (!line && node_lines(store, node) < store->config.connections)
		aibrix__resp_node_unreachable(store, node, AIBRIX_E_NOMEM, 0);
	if (!line)
		return AIBRIX_E_FULL;
	line->generation++;
	line->deadline_ns = store->now + store->config.connect_timeout_ns;
	data = (uint64_t)line->generation << 32 |
	       (line->node * store->config.connections + line->number + 1);
	err = aibrix__resp_conn_start(&line->conn, store->epoll,
				      &node->addrs[node->addr], data, BULK_MAX,
				      &os_error);
	if (err) {
		aibrix__resp_node_unreachable(store, node, err, os_error);
		return err;
	}
	resp_wake_by(store, line->deadline_ns);
	err = line_advance(store, line);
	return err == AIBRIX_E_AGAIN ? AIBRIX_OK : err;
}

/* The last answer of the greeting has come. */
static void
line_ready(struct resp_store *store, struct resp_line *line)
{
	struct resp_node *node = line_node(store, line);

	line->usable = 1;
	aibrix__resp_conn_wipe(&line->conn);
	node->connect_level = 0;
	node->connect_after_ns = 0;
	store->conf->stat->connects++;
	if (node->down)
		aibrix__log(store->conf->log, AIBRIX_LOG_INFO,
			    LOG_STORE_NODE_BACK, "store: %s answers again",
			    node->name);
	node->down = 0;
	/* A user that may not do all of it would else say so line by line. */
	if (aibrix__resp_node_usable(store, node) == 1)
		node->denied = 0;
	aibrix__resp_cluster_node(store, node, 1);
}

/* ---- work */

void
aibrix__resp_line_send(struct resp_store *store, struct resp_line *line)
{
	int os_error = 0, err;

	if (line->conn.state != CONN_OPEN)
		return;
	err = aibrix__resp_conn_send(&line->conn, &os_error);
	if (err)
		aibrix__resp_line_fail(store, line, err, os_error);
}

static void
line_read(struct resp_store *store, struct resp_line *line)
{
	struct resp_event event;
	int os_error = 0, err = AIBRIX_OK;

	while (!err && !line->doomed) {
		err = aibrix__resp_conn_next(&line->conn, &event, store->now,
					     &os_error);
		if (!err)
			err = aibrix__resp_reply(store, line, &event);
		if (!err && event.ends) {
			aibrix__resp_conn_pop(&line->conn);
			if (line->greeting && --line->greeting == 0)
				line_ready(store, line);
			line->doomed |= line->leaving &&
					line->conn.first == line->conn.end;
		}
	}
	if (line->doomed)
		aibrix__resp_line_leave(store, line);
	else if (err == AIBRIX_E_PARSE || err == AIBRIX_E_STATE)
		aibrix__resp_line_fail(store, line, AIBRIX_E_CLOSED, 0);
	else if (err != AIBRIX_E_AGAIN)
		aibrix__resp_line_fail(store, line, err, os_error);
}

void
aibrix__resp_line_event(struct resp_store *store, struct resp_line *line,
			uint32_t events)
{
	struct resp_conn *c = &line->conn;

	aibrix__resp_conn_wake(c, events);
	if (c->state != CONN_OPEN && line_advance(store, line))
		return;
	line_read(store, line);
}

/* ---- requests */

/* The command's arguments; returns which is the payload. */
static uint32_t
request_args(const struct resp_store *store, const aibrix_io *io,
	     struct resp_push *push, struct resp_arg *args, uint8_t *digits)
{
	static const char *const names[] = {[AIBRIX_STORE_GET] = "GET",
					    [AIBRIX_STORE_PUT] = "SET",
					    [AIBRIX_STORE_PROBE] = "STRLEN",
					    [AIBRIX_STORE_DELETE] = "UNLINK"};

	args[0] = arg_of(names[io->op]);
	push->n_args = 2;
	push->once = io->op == AIBRIX_STORE_DELETE;
	if (io->op != AIBRIX_STORE_PUT)
		return RESP_NO_PAYLOAD;
	args[2] = (struct resp_arg){NULL, io_bytes(io)};
	args[3] = arg_of("NX");
	push->n_args = 4;
	if (store->config.ttl_ms) {
		args[4] = arg_of("PX");
		args[5] = resp_decimal(digits, 20, store->config.ttl_ms);
		push->n_args = 6;
	}
	push->iov = io->iov;
	push->n_iov = io->n_iov;
	return 2;
}

/* It is for the next command on this line, and there is room for both. */
static int
asking_push(struct resp_store *store, struct resp_line *line)
{
	const struct resp_arg arg = arg_of("ASKING");
	const struct resp_push push = {.args = &arg,
				       .n_args = 1,
				       .payload = RESP_NO_PAYLOAD,
				       .kind = CALL_ASKING,
				       .request = CONN_NO_REQUEST};
	uint32_t number;

	return aibrix__resp_conn_push(&line->conn, &push, store->now, &number);
}

void
aibrix__resp_line_call(struct resp_store *store, struct resp_line *line,
		       uint32_t id)
{
	struct resp_request *r = &store->requests[id];
	struct resp_node *node = line_node(store, line);
	uint8_t key[RESP_ARG_BYTES], digits[20];
	struct resp_push push = {.kind = CALL_REQUEST,
				 .request = id,
				 .weight = io_bytes(&r->io)};
	struct resp_arg args[6];
	size_t n = 0;
	int err;

	push.args = args;
	push.payload = request_args(store, &r->io, &push, args, digits);
	err = aibrix__resp_key(store, &r->io, key, &n);
	args[1] = (struct resp_arg){key, n};
	if (!err && r->asking)
		err = asking_push(store, line);
	if (!err)
		err = aibrix__resp_conn_push(&line->conn, &push, store->now,
					     &r->number);
	if (err) {
		aibrix__resp_request_fail(store, id, err, 0, BREAKER_NOTHING);
		return;
	}
	list_remove(&node->waiting[r->io.priority], store->links, id);
	r->state = REQUEST_CALLED;
	r->line = line->number;
	r->at_ns = 0;
	/* Somebody must look whether its host is there. */
	resp_wake_by(store, store->now + store->config.connect_timeout_ns);
}
