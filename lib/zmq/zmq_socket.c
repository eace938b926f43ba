/*
 * Sockets of a stream.
 *
 *   sub      PUB of the engine; one connection, then it is closed
 *   monitor  tells when that connection was made and lost
 *   dealer   ROUTER of the engine; one request, then it is closed
 *
 * libzmq would reconnect a socket by itself, and hand out what the old
 * connection left together with what the new one brings.  Admission needs
 * them apart, and replies have no number of their request.  So a socket
 * lives as long as its connection or request; libzmq's own reconnecting
 * covers the time until the first connection is made.
 *
 * The news of a lost connection comes before messages of a later one, since
 * the I/O thread writes both in this order; but it may come after messages
 * that were taken before it.  Hence the monitor is asked again behind each
 * message (zmq_stream.c).
 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "zmq/zmq_internal.h"

/* A peer that vanished without a word is noticed by its silence. */
enum { HEARTBEAT_MS = 5000, HEARTBEAT_TIMEOUT_MS = 15000 };

enum { MONITOR_NAME = 64 };

int
aibrix__zmq_error(void)
{
	switch (zmq_errno()) {
	case EINVAL:
	case EPROTONOSUPPORT:
	case ENOCOMPATPROTO: return AIBRIX_E_INVAL;
	case ENOMEM: return AIBRIX_E_NOMEM;
	default: return AIBRIX_E_IO;
	}
}

static int
milliseconds(uint64_t ns)
{
	uint64_t ms = ns / 1000000;

	if (ms < 1)
		return 1;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

int
aibrix__zmq_option(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

/* A signal that came in between must not leave half a message. */
int
aibrix__zmq_part_send(void *socket, const void *bytes, size_t n, int flags)
{
	int sent;

	do
		sent = zmq_send(socket, bytes, n, flags | ZMQ_DONTWAIT);
	while (sent < 0 && zmq_errno() == EINTR);
	return sent < 0 ? -1 : 0;
}

int
aibrix__zmq_last_send(void *socket, zmq_msg_t *part)
{
	int sent;

	do
		sent = zmq_msg_send(part, socket, ZMQ_DONTWAIT);
	while (sent < 0 && zmq_errno() == EINTR);
	if (sent >= 0)
		return 0;
	zmq_msg_close(part);
	return -1;
}

/* -1: none. */
static int
socket_fd(void *socket)
{
	size_t bytes = sizeof(int);
	int fd = -1;

	return zmq_getsockopt(socket, ZMQ_FD, &fd, &bytes) ? -1 : fd;
}

static void
socket_close(struct aibrix_zmq *zmq, void **socket)
{
	struct epoll_event none = {0};

	if (!*socket)
		return;
	/* Before the descriptor is another's. */
	epoll_ctl(zmq->epoll, EPOLL_CTL_DEL, socket_fd(*socket), &none);
	zmq_close(*socket);
	*socket = NULL;
}

static int
socket_watch(struct stream *stream, void *socket)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};

	stream->ready = 1; /* its first news may have come and gone */
	if (epoll_ctl(stream->zmq->epoll, EPOLL_CTL_ADD, socket_fd(socket),
		      &event))
		return AIBRIX_E_IO;
	return AIBRIX_OK;
}

static void *
socket_new(struct stream *stream, int type)
{
	struct aibrix_zmq *zmq = stream->zmq;
	void *socket = zmq_socket(zmq->context, type);
	int64_t largest = (int64_t)zmq->message_bytes;

	if (!socket)
		return NULL;
	if (aibrix__zmq_option(socket, ZMQ_LINGER, 0) ||
	    aibrix__zmq_option(socket, ZMQ_IPV6, 1) ||
	    aibrix__zmq_option(socket, ZMQ_RCVHWM, zmq->hwm) ||
	    aibrix__zmq_option(socket, ZMQ_RECONNECT_IVL,
			       milliseconds(zmq->reconnect_ns)) ||
	    aibrix__zmq_option(socket, ZMQ_RECONNECT_IVL_MAX,
			       milliseconds(zmq->reconnect_max_ns)) ||
	    aibrix__zmq_option(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) ||
	    aibrix__zmq_option(socket, ZMQ_HEARTBEAT_TIMEOUT,
			       HEARTBEAT_TIMEOUT_MS) ||
	    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest))) {
		zmq_close(socket);
		return NULL;
	}
	return socket;
}

static void
hex_write(char *text, uint64_t x)
{
	for (uint32_t i = 0; i < 16; i++)
		text[i] = "0123456789abcdef"[x >> (60 - 4 * i) & 15];
}

/* A name that no other subscriber of a shared context has. */
static void
monitor_name(struct stream *stream, char name[MONITOR_NAME])
{
	static const char begin[] = "inproc://aibrix-zmq-";
	size_t n = sizeof(begin) - 1;

	memset(name, 0, MONITOR_NAME);
	memcpy(name, begin, n);
	hex_write(name + n, (uint64_t)(uintptr_t)stream->zmq);
	name[n + 16] = '-';
	hex_write(name + n + 17, stream->zmq->monitors++);
}

static int
monitor_open(struct stream *stream)
{
	char name[MONITOR_NAME];

	monitor_name(stream, name);
	if (zmq_socket_monitor(stream->sub, name,
			       ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
				       ZMQ_EVENT_DISCONNECTED))
		return aibrix__zmq_error();
	stream->monitor = zmq_socket(stream->zmq->context, ZMQ_PAIR);
	if (!stream->monitor ||
	    aibrix__zmq_option(stream->monitor, ZMQ_LINGER, 0) ||
	    aibrix__zmq_option(stream->monitor, ZMQ_RCVHWM, 0) ||
	    zmq_connect(stream->monitor, name))
		return aibrix__zmq_error();
	return socket_watch(stream, stream->monitor);
}

static int
sub_connect(struct stream *stream)
{
	int err;

	stream->sub = socket_new(stream, ZMQ_SUB);
	if (!stream->sub)
		return aibrix__zmq_error();
	err = monitor_open(stream);
	if (err)
		return err;
	if (zmq_setsockopt(stream->sub, ZMQ_SUBSCRIBE, stream->topic,
			   strlen(stream->topic)) ||
	    zmq_connect(stream->sub, stream->endpoint))
		return aibrix__zmq_error();
	return socket_watch(stream, stream->sub);
}

int
aibrix__zmq_sub_open(struct stream *stream)
{
	int err = sub_connect(stream);

	if (err)
		aibrix__zmq_sub_close(stream);
	return err;
}

void
aibrix__zmq_sub_close(struct stream *stream)
{
	if (stream->sub)
		zmq_socket_monitor(stream->sub, NULL, 0);
	socket_close(stream->zmq, &stream->monitor);
	socket_close(stream->zmq, &stream->sub);
}

static int
dealer_connect(struct stream *stream, uint64_t seq)
{
	uint8_t request[AIBRIX_ADMIT_REQUEST_BYTES];
	int err = aibrix_admit_write_request(seq, request);

	if (err)
		return err;
	stream->dealer = socket_new(stream, ZMQ_DEALER);
	if (!stream->dealer || zmq_connect(stream->dealer, stream->replay) ||
	    zmq_send(stream->dealer, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
	    zmq_send(stream->dealer, request, sizeof(request), ZMQ_DONTWAIT) <
		    0)
		return aibrix__zmq_error();
	return socket_watch(stream, stream->dealer);
}

int
aibrix__zmq_replay_check(struct stream *stream)
{
	int err = AIBRIX_OK;

	stream->dealer = socket_new(stream, ZMQ_DEALER);
	if (!stream->dealer || zmq_connect(stream->dealer, stream->replay))
		err = aibrix__zmq_error();
	aibrix__zmq_dealer_close(stream);
	return err;
}

int
aibrix__zmq_dealer_open(struct stream *stream, uint64_t seq)
{
	int err;

	aibrix__zmq_dealer_close(stream);
	err = dealer_connect(stream, seq);
	if (err)
		aibrix__zmq_dealer_close(stream);
	return err;
}

void
aibrix__zmq_dealer_close(struct stream *stream)
{
	socket_close(stream->zmq, &stream->dealer);
}

/* Parts of a message arrive together: once the first is there, all are. */
int
aibrix__zmq_message_take(void *socket, struct message *message)
{
	int more = 1;

	message->n = 0;
	while (more) {
		zmq_msg_t surplus, *part = &surplus;

		if (message->n < PARTS_MAX)
			part = &message->parts[message->n];
		zmq_msg_init(part);
		if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(part);
			aibrix__zmq_message_end(message);
			return 0;
		}
		more = zmq_msg_more(part);
		if (message->n < PARTS_MAX)
			message->n++;
		else if (zmq_msg_close(part) == 0)
			message->n = PARTS_MAX + 1;
	}
	return 1;
}

void
aibrix__zmq_message_end(struct message *message)
{
	for (uint32_t i = 0; i < message->n && i < PARTS_MAX; i++)
		zmq_msg_close(&message->parts[i]);
	message->n = 0;
}

/* The first part is the number of the event (16 bits, this machine's order)
 * and a value; the second one the address. */
uint32_t
aibrix__zmq_monitor_take(struct stream *stream)
{
	struct message message;
	uint16_t event = 0;

	if (!stream->monitor ||
	    !aibrix__zmq_message_take(stream->monitor, &message))
		return 0;
	if (zmq_msg_size(&message.parts[0]) >= sizeof(event))
		memcpy(&event, zmq_msg_data(&message.parts[0]), sizeof(event));
	aibrix__zmq_message_end(&message);
	return event;
}
