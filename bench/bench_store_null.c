/*
 * The null client: the same bytes over the same kind of connection to the
 * same server, by a program that knows beforehand what each reply looks
 * like.  It writes requests made in advance and reads exactly as many bytes
 * as will come, the payload straight into its block.  What it takes is the
 * kernel's and the server's.
 *
 * One thread, level-triggered epoll.  Connection c has the operations c,
 * c + connections, c + 2 connections, ... of the order, in sequence.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench_store.h"

enum { PIECES = 32, OPERATION_PIECES = 3, HEAD_BYTES = 96 };
enum { SET_REPLY = sizeof("+OK\r\n") - 1 };

struct null_conn {
	int fd;
	uint32_t events;
	uint32_t ops;                    /* of this pass */
	uint32_t sent, done;             /* of them */
	uint64_t sent_bytes, done_bytes; /* of the next one */
};

struct null_client {
	struct null_conn conns[CONNECTIONS_MOST];
	uint32_t n_conns, window; /* requests in flight on each */
	int epoll;
	/* Of the pass. */
	struct work *w;
	uint32_t op;
	char (*heads)[HEAD_BYTES];
	uint32_t head_bytes;
	uint32_t lead_bytes; /* of a get's reply, before the payload */
	char scratch[HEAD_BYTES];
};

struct null_client *
null_open(const struct redis_server *server, int unix_socket,
	  const struct work *w)
{
	struct null_client *c = calloc(1, sizeof(*c));

	bench_check(c != NULL, "memory for a client");
	c->n_conns = w->connections;
	c->window = (w->depth + c->n_conns - 1) / c->n_conns;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	bench_check(c->epoll >= 0, "epoll");
	c->heads = malloc(w->n * sizeof(*c->heads));
	bench_check(c->heads != NULL, "memory for requests");
	for (uint32_t i = 0; i < c->n_conns; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
		int fd = server_connect(server, unix_socket);

		bench_check(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
				    !epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e),
			    "a connection");
		c->conns[i].fd = fd;
		c->conns[i].events = EPOLLIN;
	}
	return c;
}

void
null_close(struct null_client *c)
{
	for (uint32_t i = 0; i < c->n_conns; i++)
		close(c->conns[i].fd);
	close(c->epoll);
	free(c->heads);
	free(c);
}

static uint32_t
block_of(const struct null_client *c, const struct null_conn *conn, uint32_t op)
{
	return c->w->order[(uint32_t)(conn - c->conns) + op * c->n_conns];
}

/* What is sent for an operation, or comes back. */
static void
operation_out(const struct null_client *c, uint32_t block,
	      struct iovec iov[OPERATION_PIECES])
{
	static char crlf[] = "\r\n";
	int set = c->op == AIBRIX_STORE_PUT;

	iov[0] = (struct iovec){c->heads[block], c->head_bytes};
	iov[1] = (struct iovec){c->w->blocks + block * c->w->bytes,
				set ? c->w->bytes : 0};
	iov[2] = (struct iovec){crlf, set ? 2 : 0};
}

static void
operation_in(struct null_client *c, uint32_t block,
	     struct iovec iov[OPERATION_PIECES])
{
	if (c->op == AIBRIX_STORE_PUT) {
		iov[0] = (struct iovec){c->scratch, SET_REPLY};
		iov[1] = iov[2] = (struct iovec){c->scratch, 0};
		return;
	}
	iov[0] = (struct iovec){c->scratch, c->lead_bytes};
	iov[1] =
		(struct iovec){c->w->blocks + block * c->w->bytes, c->w->bytes};
	iov[2] = (struct iovec){c->scratch, 2};
}

/* Adds the pieces of an operation behind its first bytes. */
static uint32_t
pieces_add(struct iovec *out, uint32_t n,
	   const struct iovec piece[OPERATION_PIECES], uint64_t skip)
{
	for (uint32_t i = 0; i < OPERATION_PIECES; i++) {
		uint64_t some =
			skip < piece[i].iov_len ? skip : piece[i].iov_len;

		skip -= some;
		if (piece[i].iov_len == some)
			continue;
		out[n++] = (struct iovec){(char *)piece[i].iov_base + some,
					  piece[i].iov_len - some};
	}
	return n;
}

static uint64_t
operation_bytes(const struct iovec piece[OPERATION_PIECES])
{
	return piece[0].iov_len + piece[1].iov_len + piece[2].iov_len;
}

/* bytes more of operations that have as many each. */
static void
advance(uint32_t *ops, uint64_t *at, uint64_t bytes, uint64_t each)
{
	*at += bytes;
	*ops += (uint32_t)(*at / each);
	*at %= each;
}

/* As much as the socket takes; 1: there is more. */
static int
conn_send(struct null_client *c, struct null_conn *conn)
{
	uint32_t until = conn->done + c->window;
	struct iovec iov[PIECES], piece[OPERATION_PIECES];
	uint64_t each = 1;
	ssize_t got;

	if (until > conn->ops)
		until = conn->ops;
	while (conn->sent < until) {
		uint64_t wanted = 0, skip = conn->sent_bytes;
		uint32_t n = 0;

		for (uint32_t op = conn->sent;
		     op < until && n + OPERATION_PIECES <= PIECES; op++) {
			operation_out(c, block_of(c, conn, op), piece);
			each = operation_bytes(piece);
			n = pieces_add(iov, n, piece, skip);
			wanted += each - skip;
			skip = 0;
		}
		got = writev(conn->fd, iov, (int)n);
		if (got < 0 && errno == EAGAIN)
			return 1;
		bench_check(got > 0, "the null client's writev");
		advance(&conn->sent, &conn->sent_bytes, (uint64_t)got, each);
		if ((uint64_t)got < wanted)
			return 1;
	}
	return 0;
}

/* What the socket has. */
static void
conn_receive(struct null_client *c, struct null_conn *conn)
{
	struct iovec iov[PIECES], piece[OPERATION_PIECES];
	uint64_t each = 1, skip = conn->done_bytes;
	uint32_t n = 0;
	ssize_t got;

	for (uint32_t op = conn->done;
	     op < conn->sent && n + OPERATION_PIECES <= PIECES; op++) {
		operation_in(c, block_of(c, conn, op), piece);
		each = operation_bytes(piece);
		n = pieces_add(iov, n, piece, skip);
		skip = 0;
	}
	if (n == 0)
		return;
	got = readv(conn->fd, iov, (int)n);
	if (got < 0 && errno == EAGAIN)
		return;
	bench_check(got > 0, "the null client's readv");
	advance(&conn->done, &conn->done_bytes, (uint64_t)got, each);
}

static void
conn_watch(struct null_client *c, struct null_conn *conn, int more)
{
	struct epoll_event e = {.events = EPOLLIN,
				.data.u32 = (uint32_t)(conn - c->conns)};

	if (more)
		e.events |= EPOLLOUT;
	if (e.events == conn->events)
		return;
	conn->events = e.events;
	bench_check(!epoll_ctl(c->epoll, EPOLL_CTL_MOD, conn->fd, &e), "epoll");
}

/* Texts that a client would have to make, and a parser to read. */
static void
requests_make(struct null_client *c)
{
	char text[HEAD_BYTES];
	int bytes = 0;

	for (uint32_t i = 0; i < c->w->n; i++) {
		if (c->op == AIBRIX_STORE_PUT)
			bytes = snprintf(text, sizeof(text),
					 "*3\r\n$3\r\nSET\r\n$%d\r\n%.*s\r\n"
					 "$%llu\r\n",
					 KEY_BYTES, KEY_BYTES, c->w->keys[i],
					 (unsigned long long)c->w->bytes);
		else
			bytes = snprintf(text, sizeof(text),
					 "*2\r\n$3\r\nGET\r\n$%d\r\n%.*s\r\n",
					 KEY_BYTES, KEY_BYTES, c->w->keys[i]);
		memcpy(c->heads[i], text, (size_t)bytes);
	}
	c->head_bytes = (uint32_t)bytes;
	c->lead_bytes = (uint32_t)snprintf(text, sizeof(text), "$%llu\r\n",
					   (unsigned long long)c->w->bytes);
}

void
null_move(void *ctx, uint32_t op, struct work *w)
{
	struct null_client *c = ctx;
	struct epoll_event events[CONNECTIONS_MOST];
	uint32_t left = 0;

	c->w = w;
	c->op = op;
	requests_make(c);
	for (uint32_t i = 0; i < c->n_conns; i++) {
		struct null_conn *conn = &c->conns[i];

		conn->ops = w->n / c->n_conns + (i < w->n % c->n_conns);
		conn->sent = conn->done = 0;
		conn->sent_bytes = conn->done_bytes = 0;
		left += conn->ops > 0;
		conn_watch(c, conn, conn_send(c, conn));
	}
	while (left) {
		int n = epoll_wait(c->epoll, events, CONNECTIONS_MOST, -1);

		bench_check(n > 0, "epoll_wait");
		for (int i = 0; i < n; i++) {
			struct null_conn *conn = &c->conns[events[i].data.u32];
			uint32_t done = conn->done;

			if (events[i].events & ~(uint32_t)EPOLLOUT)
				conn_receive(c, conn);
			if (conn->done > done || events[i].events & EPOLLOUT)
				conn_watch(c, conn, conn_send(c, conn));
			left -= conn->done > done && conn->done == conn->ops;
		}
	}
}
