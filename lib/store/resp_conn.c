/*
 * A connection, as two queues over one ring of calls:
 *
 *        first            sending            end
 *          v                 v                v
 *   ...| reply | reply |..| partly sent |....|...
 *        '-- receiving --'  '--- sending ---'
 *
 * Out: one system call sends as many commands as the kernel takes, each as
 * {head, payload from the caller's memory, tail}.  Nothing is copied but the
 * few bytes of the command itself.
 *
 * In: the header of a reply lands in a small buffer, the payload in the
 * caller's memory.  Each read asks for the rest of a payload and, behind it,
 * for its CRLF and the header of the next reply, so in a row of replies one
 * read per payload is enough.  How much is asked for behind a payload is a
 * choice: what of the next payload comes along has to be copied.  So it is a
 * few bytes when a large payload comes next, and the whole buffer otherwise,
 * when hundreds of short replies fit in.
 *
 * Edges.  The set reports changes, so each report is followed by reading and
 * sending until the kernel has had enough.  A read that gave less than was
 * asked for has emptied the socket, and a write that took less has filled
 * it: the second call that would only say EAGAIN is saved (epoll(7)).  A
 * stream keeps bytes of its own and is asked until it says so.
 */
#define _DEFAULT_SOURCE

#include "store/resp_conn.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <aibrix/base.h>

enum { PIECES = 128 }; /* of one system call; the kernel takes 1024 */

struct resp_call *
aibrix__resp_conn_call(struct resp_conn *c, uint32_t number)
{
	return &c->calls[number % CONN_CALLS];
}

uint32_t
aibrix__resp_conn_calls(const struct resp_conn *c)
{
	return c->end - c->first;
}

int
aibrix__resp_conn_start(struct resp_conn *c, int epoll,
			const struct net_addr *addr, uint64_t data,
			uint64_t bulk_max, int *os_error)
{
	int err;

	c->fd = -1;
	c->stream = NULL;
	c->secure = NULL;
	c->first = c->sending = c->end = 0;
	c->in_at = c->in_end = 0;
	c->drained = c->blocked = c->hangup = c->cut = 0;
	c->in_bulk = c->large = 0;
	c->weight = 0;
	aibrix__resp_init(&c->codec, bulk_max);
	err = aibrix__net_connect(addr, &c->fd, os_error);
	if (err && err != AIBRIX_E_AGAIN)
		return err;
	c->state = CONN_CONNECTING;
	err = aibrix__net_watch(epoll, c->fd, data);
	if (err)
		aibrix__resp_conn_close(c, epoll);
	return err;
}

int
aibrix__resp_conn_advance(struct resp_conn *c, const aibrix_stream *stream,
			  const char *host, int *os_error)
{
	uint32_t want = 0;
	int err;

	if (c->state == CONN_CONNECTING) {
		err = aibrix__net_connected(c->fd, os_error);
		if (err)
			return err;
		c->state = stream ? CONN_SECURING : CONN_OPEN;
		c->stream = stream;
	}
	if (c->state != CONN_SECURING)
		return AIBRIX_OK;
	if (!c->secure) {
		err = stream->start(stream->ctx, c->fd, host, &c->secure);
		if (err)
			return err;
	}
	err = stream->handshake(c->secure, &want);
	if (err)
		return err;
	c->state = CONN_OPEN;
	return AIBRIX_OK;
}

void
aibrix__resp_conn_wake(struct resp_conn *c, uint32_t events)
{
	c->drained = 0;
	c->blocked = 0;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hangup = 1;
}

int
aibrix__resp_conn_push(struct resp_conn *c, const struct resp_push *push,
		       uint64_t now_ns, uint32_t *number)
{
	struct resp_call *call = aibrix__resp_conn_call(c, c->end);
	size_t head = 0, bytes = 0;
	int err;

	if (aibrix__resp_conn_calls(c) == CONN_CALLS)
		return AIBRIX_E_FULL;
	err = aibrix__resp_encode(push->args, push->n_args, push->payload,
				  call->text, sizeof(call->text), &head,
				  &bytes);
	if (err)
		return err;
	call->kind = push->kind;
	call->request = push->request;
	call->skip = 0;
	call->once = push->once;
	call->iov = push->iov;
	call->n_iov = push->n_iov;
	call->payload = push->payload == RESP_NO_PAYLOAD
				? 0
				: push->args[push->payload].n;
	call->weight = push->weight;
	call->sent = 0;
	call->sent_ns = now_ns;
	call->head = (uint32_t)head;
	call->text_bytes = (uint32_t)bytes;
	c->weight += call->weight;
	c->large += call->weight >= CONN_LARGE;
	*number = c->end++;
	return AIBRIX_OK;
}

/* ---- sending */

struct pieces {
	struct iovec iov[PIECES];
	uint64_t bytes;
	uint32_t n;
};

/* [base, base + bytes), but for the *skip first bytes of all pieces. */
static void
piece_add(struct pieces *p, void *base, uint64_t bytes, uint64_t *skip)
{
	const uint64_t some = *skip < bytes ? *skip : bytes;

	*skip -= some;
	if (some == bytes || p->n == PIECES)
		return;
	p->iov[p->n].iov_base = (uint8_t *)base + some;
	p->iov[p->n++].iov_len = (size_t)(bytes - some);
	p->bytes += bytes - some;
}

static void
call_pieces(struct resp_call *call, struct pieces *p)
{
	uint64_t skip = call->sent, left = call->payload;

	piece_add(p, call->text, call->head, &skip);
	for (uint32_t i = 0; i < call->n_iov && left; i++) {
		const uint64_t some =
			call->iov[i].bytes < left ? call->iov[i].bytes : left;

		piece_add(p, call->iov[i].base, some, &skip);
		left -= some;
	}
	piece_add(p, call->text + call->head, call->text_bytes - call->head,
		  &skip);
}

/* What is skipped has neither request nor reply. */
static void
skipped_pass(struct resp_conn *c)
{
	while (c->sending != c->end &&
	       aibrix__resp_conn_call(c, c->sending)->skip)
		c->sending++;
	while (c->first != c->sending &&
	       aibrix__resp_conn_call(c, c->first)->skip)
		aibrix__resp_conn_pop(c);
}

static void
sent_pass(struct resp_conn *c, uint64_t n)
{
	while (c->sending != c->end) {
		struct resp_call *call = aibrix__resp_conn_call(c, c->sending);
		const uint64_t left =
			call->text_bytes + call->payload - call->sent;
		const uint64_t some = n < left ? n : left;

		if (!call->skip) {
			call->sent += some;
			n -= some;
			if (some < left)
				return;
		}
		c->sending++;
	}
	assert(n == 0);
}

static void
stream_iov(const struct iovec *from, uint32_t n, aibrix_iov *to)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = (aibrix_iov){from[i].iov_base, from[i].iov_len};
}

static int
conn_write(struct resp_conn *c, const struct pieces *p, uint64_t *sent,
	   int *os_error)
{
	aibrix_iov iov[PIECES];
	uint32_t want = 0;
	size_t n = 0;
	int err;

	if (c->stream) {
		stream_iov(p->iov, p->n, iov);
		return c->stream->write(c->secure, iov, p->n, sent, &want);
	}
	err = aibrix__net_write(c->fd, p->iov, p->n, &n, os_error);
	*sent = n;
	if (!err && n < p->bytes)
		c->blocked = 1;
	return err;
}

int
aibrix__resp_conn_send(struct resp_conn *c, int *os_error)
{
	while (!c->blocked && !c->cut) {
		struct pieces p;
		uint64_t sent = 0;
		int err;

		p.n = 0;
		p.bytes = 0;
		for (uint32_t i = c->sending; i != c->end && p.n < PIECES;
		     i++) {
			struct resp_call *call = aibrix__resp_conn_call(c, i);

			if (!call->skip)
				call_pieces(call, &p);
		}
		if (p.n == 0)
			break;
		err = conn_write(c, &p, &sent, os_error);
		if (err == AIBRIX_E_AGAIN)
			c->blocked = 1;
		else if (err)
			return err;
		else
			sent_pass(c, sent);
	}
	skipped_pass(c);
	return AIBRIX_OK;
}

/* ---- receiving */

/* How much of the small buffer a read may fill. */
static uint32_t
peek_bytes(struct resp_conn *c)
{
	const uint32_t next = c->first + (c->in_bulk != 0);
	const struct resp_call *call;

	if (next == c->end)
		return CONN_IN;
	call = aibrix__resp_conn_call(c, next);
	return !call->payload && call->weight >= CONN_LARGE &&
			       call->request != CONN_NO_REQUEST
		       ? CONN_PEEK
		       : CONN_IN;
}

static int
conn_read(struct resp_conn *c, const struct pieces *p, uint64_t *got,
	  int *os_error)
{
	aibrix_iov iov[PIECES];
	uint32_t want = 0;
	size_t n = 0;
	int err;

	if (c->stream) {
		stream_iov(p->iov, p->n, iov);
		return c->stream->read(c->secure, iov, p->n, got, &want);
	}
	err = aibrix__net_read(c->fd, p->iov, p->n, &n, os_error);
	*got = n;
	if (!err && n < p->bytes && !c->hangup)
		c->drained = 1;
	return err;
}

/* One read: into the caller's memory, then into the small buffer. */
static int
conn_fill(struct resp_conn *c, uint64_t now_ns, int *os_error)
{
	const uint32_t peek = peek_bytes(c);
	struct pieces p;
	uint64_t room = 0, got = 0, straight;
	int err;

	p.n = aibrix__resp_want(&c->codec, p.iov, PIECES - 1);
	for (uint32_t i = 0; i < p.n; i++)
		room += p.iov[i].iov_len;
	p.bytes = room;
	/* Not all of the payload fits into the pieces: no more behind it. */
	if (room == aibrix__resp_left(&c->codec) || room == 0) {
		p.iov[p.n].iov_base = c->in;
		p.iov[p.n++].iov_len = peek;
		p.bytes += peek;
	}
	err = conn_read(c, &p, &got, os_error);
	if (err) {
		c->drained = err == AIBRIX_E_AGAIN;
		return err;
	}
	c->heard_ns = now_ns;
	straight = got < room ? got : room;
	if (straight)
		err = aibrix__resp_received(&c->codec, straight);
	c->in_at = 0;
	c->in_end = (uint32_t)(got - straight);
	return err;
}

/* A reply for which nobody has asked, or not yet in full. */
static int
event_unasked(const struct resp_conn *c)
{
	return c->first == c->sending;
}

int
aibrix__resp_conn_next(struct resp_conn *c, struct resp_event *event,
		       uint64_t now_ns, int *os_error)
{
	for (;;) {
		size_t used = 0;
		int err;

		if (c->in_at == c->in_end) {
			if (c->drained)
				return AIBRIX_E_AGAIN;
			err = conn_fill(c, now_ns, os_error);
			if (err)
				return err;
			continue;
		}
		err = aibrix__resp_feed(&c->codec, c->in + c->in_at,
					c->in_end - c->in_at, &used, event);
		if (err)
			return err;
		c->in_at += (uint32_t)used;
		if (event->kind == RESP_NONE)
			continue;
		skipped_pass(c);
		if (event_unasked(c))
			return AIBRIX_E_PARSE;
		c->in_bulk = event->kind == RESP_BULK;
		return AIBRIX_OK;
	}
}

void
aibrix__resp_conn_pop(struct resp_conn *c)
{
	const struct resp_call *call = aibrix__resp_conn_call(c, c->first);

	c->weight -= call->weight;
	c->large -= call->weight >= CONN_LARGE;
	c->first++;
}

/* Is an answer behind that of the first call one that must not be lost? */
static int
answer_needed(struct resp_conn *c)
{
	for (uint32_t i = c->first + 1; i != c->end; i++) {
		const struct resp_call *call = aibrix__resp_conn_call(c, i);

		if (call->once && call->sent &&
		    call->request != CONN_NO_REQUEST)
			return 1;
	}
	return 0;
}

int
aibrix__resp_conn_drop(struct resp_conn *c)
{
	if (aibrix__resp_left(&c->codec) > CONN_DROP && !answer_needed(c))
		return AIBRIX_E_CLOSED;
	return aibrix__resp_drop(&c->codec);
}

int
aibrix__resp_conn_forget(struct resp_conn *c, uint32_t number)
{
	struct resp_call *call = aibrix__resp_conn_call(c, number);
	const uint64_t total = call->text_bytes + call->payload;

	call->request = CONN_NO_REQUEST;
	if (call->sent == 0) {
		call->skip = 1;
		return AIBRIX_OK;
	}
	if (call->sent < total && call->payload)
		return AIBRIX_E_STATE;
	if (number == c->first && c->in_bulk &&
	    aibrix__resp_left(&c->codec) > 0)
		return aibrix__resp_conn_drop(c);
	return AIBRIX_OK;
}

void
aibrix__resp_conn_cut(struct resp_conn *c)
{
	for (; c->end != c->sending; c->end--) {
		const struct resp_call *call =
			aibrix__resp_conn_call(c, c->end - 1);

		c->weight -= call->weight;
		c->large -= call->weight >= CONN_LARGE;
	}
	c->cut = 1;
}

void
aibrix__resp_conn_wipe(struct resp_conn *c)
{
	explicit_bzero(c->calls[0].text, sizeof(c->calls[0].text));
}

void
aibrix__resp_conn_close(struct resp_conn *c, int epoll)
{
	if (c->state == CONN_FREE)
		return;
	aibrix__resp_conn_wipe(c);
	/* A child of fork shares the connection: its stream must not be told
	 * goodbye, so it finds no socket any more. */
	if (epoll < 0)
		aibrix__net_close(epoll, c->fd);
	if (c->secure)
		c->stream->stop(c->secure);
	if (epoll >= 0)
		aibrix__net_close(epoll, c->fd);
	c->fd = -1;
	c->secure = NULL;
	c->state = CONN_FREE;
}
