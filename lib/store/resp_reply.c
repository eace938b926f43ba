/*
 * What an answer means for the request, the server and the line.
 *
 *   GET     $value | $-1                PUT     +OK | $-1 (NX: one was there)
 *   PROBE   :length (0: none)           DELETE  :1 | :0
 *
 * Any of them: -error, which is an answer to this request and leaves the line
 * in step.  Another type than those cannot be the answer: the line is out of
 * step and what it brings belongs to nobody knows whom.
 */
#include "store/store_resp.h"

#include <string.h>

#include "base/log.h"

/* How long a server that refuses values is spared them. */
#define PUTS_PAUSE_NS UINT64_C(100000000)

enum {
	PUTS_GO_ON = 0,
	PUTS_PAUSE = 1 /* reads go on */
};

static const struct {
	int32_t status;
	uint32_t outcome;
	uint32_t puts;
} errors[] = {
	[RESP_ERROR_OTHER] = {AIBRIX_E_IO, BREAKER_NOTHING, PUTS_GO_ON},
	[RESP_ERROR_ASK] = {AIBRIX_E_UNAVAILABLE, BREAKER_MISS, PUTS_GO_ON},
	[RESP_ERROR_BUSY] = {AIBRIX_E_UNAVAILABLE, BREAKER_ERROR, PUTS_GO_ON},
	[RESP_ERROR_CLUSTERDOWN] = {AIBRIX_E_UNAVAILABLE, BREAKER_ERROR,
				    PUTS_GO_ON},
	[RESP_ERROR_CROSSSLOT] = {AIBRIX_E_IO, BREAKER_NOTHING, PUTS_GO_ON},
	[RESP_ERROR_LOADING] = {AIBRIX_E_UNAVAILABLE, BREAKER_ERROR,
				PUTS_GO_ON},
	[RESP_ERROR_MASTERDOWN] = {AIBRIX_E_UNAVAILABLE, BREAKER_ERROR,
				   PUTS_GO_ON},
	[RESP_ERROR_MAX_CLIENTS] = {AIBRIX_E_UNAVAILABLE, BREAKER_ERROR,
				    PUTS_GO_ON},
	/* Its snapshots fail, and until they do not it takes no values. */
	[RESP_ERROR_MISCONF] = {AIBRIX_E_FULL, BREAKER_SUCCESS, PUTS_PAUSE},
	[RESP_ERROR_MOVED] = {AIBRIX_E_UNAVAILABLE, BREAKER_MISS, PUTS_GO_ON},
	[RESP_ERROR_NOAUTH] = {AIBRIX_E_DENIED, BREAKER_ERROR, PUTS_GO_ON},
	[RESP_ERROR_NOPERM] = {AIBRIX_E_DENIED, BREAKER_ERROR, PUTS_GO_ON},
	[RESP_ERROR_OOM] = {AIBRIX_E_FULL, BREAKER_SUCCESS, PUTS_PAUSE},
	/* It has become a replica; what it holds it still tells. */
	[RESP_ERROR_READONLY] = {AIBRIX_E_UNAVAILABLE, BREAKER_SUCCESS,
				 PUTS_PAUSE},
	[RESP_ERROR_TRYAGAIN] = {AIBRIX_E_UNAVAILABLE, BREAKER_MISS,
				 PUTS_GO_ON},
	[RESP_ERROR_WRONGPASS] = {AIBRIX_E_DENIED, BREAKER_ERROR, PUTS_GO_ON},
};

static void
denied_log(struct resp_store *store, struct resp_node *node)
{
	if (node->denied)
		return;
	node->denied = 1;
	aibrix__log(store->conf->log, AIBRIX_LOG_ERROR, LOG_STORE_DENIED,
		    "store: %s refuses the user or password, or the user may "
		    "not do this; what it holds is a miss",
		    node->name);
}

static int
error_take(struct resp_store *store, struct resp_node *node, uint32_t id,
	   const struct resp_event *event)
{
	const struct resp_request *r = &store->requests[id];
	const int32_t status = errors[event->error].status;

	if (aibrix__resp_cluster_error(store, id, event,
				       errors[event->error].outcome))
		return AIBRIX_OK;
	if (status == AIBRIX_E_DENIED)
		denied_log(store, node);
	if (errors[event->error].puts == PUTS_PAUSE &&
	    r->io.op == AIBRIX_STORE_PUT) {
		node->puts_after_ns = store->now + PUTS_PAUSE_NS;
		node->puts_status = status;
	}
	aibrix__resp_request_fail(store, id, status, 0,
				  errors[event->error].outcome);
	return AIBRIX_OK;
}

/* A mean in which the last one counts an eighth; 0: none yet. */
static void
mean_add(uint64_t *mean, uint64_t x)
{
	if (*mean == 0)
		*mean = x;
	else
		*mean = *mean - *mean / 8 + x / 8;
	*mean += *mean == 0;
}

/* ---- values */

static int
value_begin(struct resp_store *store, struct resp_line *line, uint32_t id,
	    const struct resp_event *event)
{
	const uint64_t bytes = (uint64_t)event->number;
	struct resp_request *r = &store->requests[id];
	int err;

	r->at_ns = store->now;
	err = aibrix__resp_into(&line->conn.codec, r->io.iov, r->io.n_iov);
	if (err != AIBRIX_E_SPACE)
		return err;
	aibrix__resp_request_end(store, id, AIBRIX_E_SPACE, bytes, 0);
	err = aibrix__resp_conn_forget(&line->conn, line->conn.first);
	if (err == AIBRIX_E_CLOSED)
		line->doomed = 1;
	return err;
}

static void
value_end(struct resp_store *store, struct resp_node *node, uint32_t id,
	  uint64_t bytes)
{
	const struct resp_request *r = &store->requests[id];

	if (store->now > r->at_ns && bytes >= CONN_LARGE)
		mean_add(&node->bytes_per_s,
			 bytes * 1000000000u / (store->now - r->at_ns));
	aibrix__resp_request_end(store, id, AIBRIX_OK, bytes, 0);
}

static int
get_take(struct resp_store *store, struct resp_line *line, uint32_t id,
	 const struct resp_event *event)
{
	struct resp_node *node = &store->nodes[line->node];

	switch (event->kind) {
	case RESP_BULK: return value_begin(store, line, id, event);
	case RESP_BULK_END:
		value_end(store, node, id, (uint64_t)event->number);
		return AIBRIX_OK;
	case RESP_NIL:
		aibrix__resp_request_end(store, id, AIBRIX_E_NOT_FOUND, 0, 0);
		return AIBRIX_OK;
	default: return AIBRIX_E_PARSE;
	}
}

static int
put_take(struct resp_store *store, uint32_t id, const struct resp_event *event)
{
	const aibrix_io *io = &store->requests[id].io;

	if (event->kind == RESP_NIL) {
		aibrix__resp_request_end(store, id, AIBRIX_OK, 0,
					 AIBRIX_DONE_EXISTED);
		return AIBRIX_OK;
	}
	if (event->kind != RESP_SIMPLE || event->text_bytes != 2 ||
	    memcmp(event->text, "OK", 2) != 0)
		return AIBRIX_E_PARSE;
	aibrix__resp_request_end(store, id, AIBRIX_OK, io_bytes(io), 0);
	return AIBRIX_OK;
}

/* PROBE and DELETE.  No value is empty: PUT refuses that. */
static int
number_take(struct resp_store *store, uint32_t id,
	    const struct resp_event *event)
{
	const int probe = store->requests[id].io.op == AIBRIX_STORE_PROBE;

	if (event->kind != RESP_INTEGER || event->number < 0 ||
	    (!probe && event->number > 1))
		return AIBRIX_E_PARSE;
	if (event->number == 0)
		aibrix__resp_request_end(store, id, AIBRIX_E_NOT_FOUND, 0, 0);
	else
		aibrix__resp_request_end(store, id, AIBRIX_OK,
					 probe ? (uint64_t)event->number : 0,
					 0);
	return AIBRIX_OK;
}

static int
request_take(struct resp_store *store, struct resp_line *line,
	     const struct resp_call *call, const struct resp_event *event)
{
	struct resp_node *node = &store->nodes[line->node];
	const uint32_t id = call->request;

	if (event->kind != RESP_BULK_END)
		mean_add(&node->first_byte_ns,
			 store->now > call->sent_ns ? store->now - call->sent_ns
						    : 0);
	if (event->kind == RESP_ERROR)
		return error_take(store, node, id, event);
	switch (store->requests[id].io.op) {
	case AIBRIX_STORE_GET: return get_take(store, line, id, event);
	case AIBRIX_STORE_PUT: return put_take(store, id, event);
	default: return number_take(store, id, event);
	}
}

/* ---- greeting */

static int
greeting_error(struct resp_store *store, struct resp_line *line, uint32_t kind,
	       const struct resp_event *event)
{
	static const char protected_mode[] = "DENIED";
	const int32_t status = errors[event->error].status;

	/* Whatever it says to AUTH, it does not know us. */
	if (kind == CALL_AUTH || status == AIBRIX_E_DENIED ||
	    (event->text_bytes >= sizeof(protected_mode) - 1 &&
	     memcmp(event->text, protected_mode, sizeof(protected_mode) - 1) ==
		     0)) {
		/* A user may lack the right to name the connection. */
		if (kind == CALL_NAME && event->error == RESP_ERROR_NOPERM)
			return AIBRIX_OK;
		if (event->error == RESP_ERROR_MAX_CLIENTS ||
		    event->error == RESP_ERROR_LOADING)
			return status;
		denied_log(store, &store->nodes[line->node]);
		return AIBRIX_E_DENIED;
	}
	/* A server may not know CLIENT SETNAME. */
	return kind == CALL_NAME && event->error == RESP_ERROR_OTHER ? AIBRIX_OK
								     : status;
}

static int
greeting_take(struct resp_store *store, struct resp_line *line, uint32_t kind,
	      const struct resp_event *event)
{
	if (event->kind == RESP_ERROR)
		return greeting_error(store, line, kind, event);
	return event->kind == RESP_SIMPLE ? AIBRIX_OK : AIBRIX_E_PARSE;
}

int
aibrix__resp_reply(struct resp_store *store, struct resp_line *line,
		   const struct resp_event *event)
{
	struct resp_conn *c = &line->conn;
	const struct resp_call *call = aibrix__resp_conn_call(c, c->first);
	int err;

	if (call->kind == CALL_SLOTS)
		return aibrix__resp_cluster_reply(store, line, event);
	if (event->kind == RESP_ARRAY || event->depth > 0)
		return AIBRIX_E_PARSE;
	/* Whatever it says, the request behind it is answered, too. */
	if (call->kind == CALL_ASKING)
		return event->kind == RESP_SIMPLE || event->kind == RESP_ERROR
			       ? AIBRIX_OK
			       : AIBRIX_E_PARSE;
	if (call->kind == CALL_EPOCH)
		return aibrix__resp_epoch_reply(store, line, event);
	if (call->kind == CALL_META)
		return aibrix__resp_meta_reply(store, line, event);
	if (call->kind != CALL_REQUEST)
		return greeting_take(store, line, call->kind, event);
	if (call->request != CONN_NO_REQUEST)
		return request_take(store, line, call, event);
	if (event->kind != RESP_BULK)
		return AIBRIX_OK;
	err = aibrix__resp_conn_drop(c);
	line->doomed |= err == AIBRIX_E_CLOSED;
	return err;
}
