/*
 * One connection: bytes in, requests out of them, bytes and marks out.
 *
 * Nothing here blocks.  Whether the client has read a piece, so that the next
 * one will not be read together with it, is asked of the kernel: a Unix socket
 * knows what the other side has not read, and of TCP on this machine
 * /proc/net/tcp shows the other end's queue.
 */

#include "fake_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { PORTION = 65536, PIECE_TRIES = 1000 };

void
fake__mark(struct fake_conn *conn, enum fake_mark_kind kind, uint64_t at,
	   uint64_t count)
{
	if (at == 0)
		at = conn->sent + (conn->out.n - conn->out_head);
	if (conn->n_marks == conn->cap_marks) {
		conn->cap_marks = 2 * conn->cap_marks + 16;
		conn->marks = fake__memory(
			conn->marks, conn->cap_marks * sizeof(*conn->marks));
	}
	conn->marks[conn->n_marks++] =
		(struct fake_mark){.at = at, .count = count, .kind = kind};
	if (kind == MARK_CUT || kind == MARK_RESET || kind == MARK_STALL)
		conn->finished = 1;
	if (kind == MARK_STALL)
		conn->deaf = 1;
}

void
fake__conn_close(struct fake_conn *conn, int reset)
{
	const struct linger now = {1, 0};

	if (conn->fd >= 0) {
		if (reset)
			setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now,
				   sizeof(now));
		close(conn->fd);
	}
	fake__free(&conn->in);
	fake__free(&conn->out);
	fake__free(&conn->last);
	for (size_t i = 0; i < FAKE_LATERS; i++)
		fake__free(&conn->later[i].reply);
	free(conn->marks);
	memset(conn, 0, sizeof(*conn));
	conn->fd = -1;
}

void
fake__conn_open(struct fake *fake, int fd)
{
	const struct fake_rule *rule;
	struct fake_bytes nothing = {0};
	struct fake_conn *conn = NULL;
	const int on = 1;

	for (size_t i = 0; i < FAKE_CONNECTIONS && !conn; i++)
		if (fake->conns[i].fd < 0)
			conn = &fake->conns[i];
	if (!conn)
		abort();
	if (!fake->path)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn->fd = fd;
	conn->number = (uint32_t)++fake->accepted;
	rule = fake__rule(fake, conn, "(accept)");
	if (rule)
		fake__reply(fake, conn, rule, &nothing);
}

/* The end of the stream, after which we still read. */
static void
stream_end(struct fake_conn *conn)
{
	shutdown(conn->fd, SHUT_WR);
	conn->finished = 1;
}

/* The port of this end or of the other one. */
static unsigned
port_of(int fd, int other)
{
	struct sockaddr_in address;
	socklen_t bytes = sizeof(address);
	struct sockaddr *any = (struct sockaddr *)&address;

	memset(&address, 0, sizeof(address));
	if (other)
		getpeername(fd, any, &bytes);
	else
		getsockname(fd, any, &bytes);
	return address.sin_family == AF_INET ? ntohs(address.sin_port) : 0;
}

/* Lines: number local:port remote:port state sending:receiving ... */
static int
tcp_was_read(unsigned local, unsigned remote)
{
	FILE *table = fopen("/proc/net/tcp", "r");
	unsigned from, to, receiving = 0;
	char line[512];
	int found = 0;

	while (table && !found && fgets(line, sizeof(line), table))
		found = sscanf(line, "%*d: %*8x:%x %*8x:%x %*x %*x:%x", &from,
			       &to, &receiving) == 3 &&
			from == local && to == remote;
	if (table)
		fclose(table);
	return !found || receiving == 0;
}

int
fake__was_read(int fd)
{
	unsigned port = port_of(fd, 0);
	int unread = 0;

	if (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		return 0;
	return port == 0 || tcp_was_read(port_of(fd, 1), port);
}

static int
piece_done(const struct fake *fake, const struct fake_conn *conn,
	   struct fake_mark *mark)
{
	if (mark->count == 0)
		mark->count = fake->turn;
	if (fake->manual)
		return fake->turn > mark->count;
	/* A client that will not read gets it at once some day. */
	return fake__was_read(conn->fd) || ++mark->tries > PIECE_TRIES;
}

/* 1: what the mark asks for is done, and the stream goes on. */
static int
mark_pass(struct fake *fake, struct fake_conn *conn, struct fake_mark *mark,
	  int *pieces)
{
	switch (mark->kind) {
	case MARK_PIECE:
		*pieces = !piece_done(fake, conn, mark);
		return !*pieces;
	case MARK_HOLD: conn->held = mark->count == 0; return !conn->held;
	case MARK_DELAY: return fake->commands >= mark->count;
	case MARK_CUT: stream_end(conn); return 1;
	case MARK_RESET: fake__conn_close(conn, 1); return 0;
	case MARK_STALL: break;
	}
	return 0;
}

/* Sends up to the next mark; 1: that much was sent. */
static int
stretch_send(struct fake_conn *conn, uint64_t most)
{
	while (most > 0) {
		ssize_t n = send(conn->fd, conn->out.at + conn->out_head, most,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		conn->blocked = n < 0 && errno == EAGAIN;
		if (n < 0 && !conn->blocked)
			fake__conn_close(conn, 0);
		if (n < 0)
			return 0;
		conn->out_head += (size_t)n;
		conn->sent += (uint64_t)n;
		most -= (uint64_t)n;
	}
	if (conn->out_head == conn->out.n)
		conn->out_head = conn->out.n = 0;
	return 1;
}

/* 1: a piece waits to be read. */
static int
flush(struct fake *fake, struct fake_conn *conn)
{
	int pieces = 0;

	while (conn->fd >= 0) {
		uint64_t most = conn->out.n - conn->out_head;
		struct fake_mark *mark = NULL;

		if (conn->marks_head < conn->n_marks)
			mark = &conn->marks[conn->marks_head];
		if (mark && mark->at - conn->sent < most)
			most = mark->at - conn->sent;
		if (!stretch_send(conn, most) || !mark)
			break;
		if (!mark_pass(fake, conn, mark, &pieces))
			break;
		conn->marks_head++;
	}
	return pieces;
}

static void
command(struct fake *fake, struct fake_conn *conn,
	const struct fake_request *request)
{
	const struct fake_rule *rule;
	struct fake_bytes reply = {0};

	if (fake->commands == fake->cap_log) {
		fake->cap_log = 2 * fake->cap_log + 64;
		fake->log = fake__memory(fake->log,
					 fake->cap_log * sizeof(*fake->log));
	}
	memcpy(fake->log[fake->commands++], request->text, FAKE_TEXT);
	rule = fake__rule(fake, conn, request->text);
	fake__serve(fake, conn, request, &reply);
	fake__reply(fake, conn, rule, &reply);
}

static void
commands(struct fake *fake, struct fake_conn *conn)
{
	struct fake_request request;
	const char *why = "";
	long long n = 0;

	while (!conn->finished) {
		n = fake__parse(conn->in.at + conn->in_head,
				conn->in.n - conn->in_head, &request, &why);
		if (n <= 0)
			break;
		if (request.n > 0)
			command(fake, conn, &request);
		conn->in_head += (size_t)n;
	}
	if (n < 0) {
		fake__complain(fake, conn, "%s", why);
		fake__mark(conn, MARK_RESET, 0, 0);
	}
	if (conn->finished || conn->in_head == conn->in.n)
		conn->in_head = conn->in.n = 0;
}

static void
receive(struct fake *fake, struct fake_conn *conn)
{
	char *portion = fake__memory(NULL, PORTION);
	const struct fake_rule *rule;
	struct fake_bytes nothing = {0};
	ssize_t n = recv(conn->fd, portion,
			 fake__may_receive(fake, conn, PORTION), MSG_DONTWAIT);

	if (n > 0) {
		conn->received += (uint64_t)n;
		fake__append(&conn->in, portion, (size_t)n);
		rule = conn->finished ? NULL : fake__rule_of_bytes(fake, conn);
		commands(fake, conn);
		if (rule)
			fake__reply(fake, conn, rule, &nothing);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		fake__conn_close(conn, 0);
	}
	free(portion);
}

int
fake__conn_turn(struct fake *fake, struct fake_conn *conn, int readable)
{
	if (readable && conn->deaf)
		fake__conn_close(conn, 0);
	else if (readable)
		receive(fake, conn);
	return conn->fd >= 0 ? flush(fake, conn) : 0;
}
