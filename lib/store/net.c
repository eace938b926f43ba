/*
 * System calls of the network, each with what it means to a store.
 *
 * Nagle's algorithm is off, since whole requests are written at once.
 * Keepalive finds hosts that vanished while a connection rests; while
 * requests are under way, whether they were acknowledged tells it sooner.
 * TCP_USER_TIMEOUT would too, but it also ends connections to a host whose
 * program does not read for a while.  Buffer sizes are left to the kernel: it
 * grows them with the bandwidth, and setting one ends that.
 */
#define _GNU_SOURCE

#include "store/net.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

#include <aibrix/base.h>

/* Times that a packet is sent again, the first time after 0.2 s and then
 * after twice as long: one may be lost. */
enum { RESENT = 2 };

static int
unix_addr(const char *path, struct net_addr *out)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const size_t n = strlen(path);

	if (n == 0 || n >= sizeof(sa.sun_path))
		return AIBRIX_E_NOT_FOUND;
	memcpy(sa.sun_path, path, n);
	memcpy(&out->sa, &sa, sizeof(sa));
	out->bytes = sizeof(sa);
	return AIBRIX_OK;
}

/* Where the port lies is the same for both families. */
static void
port_set(struct net_addr *addr, uint32_t port)
{
	struct sockaddr_in v4;

	static_assert(offsetof(struct sockaddr_in, sin_port) ==
			      offsetof(struct sockaddr_in6, sin6_port),
		      "one place of the port");
	memcpy(&v4, &addr->sa, sizeof(v4));
	v4.sin_port = htons((uint16_t)port);
	memcpy(&addr->sa, &v4, sizeof(v4));
}

static uint32_t
names_ask(const char *host, uint32_t port, int flags, struct net_addr *out,
	  uint32_t cap)
{
	const struct addrinfo hints = {.ai_flags = flags,
				       .ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	uint32_t n = 0;

	if (getaddrinfo(host, NULL, &hints, &list))
		return 0;
	for (const struct addrinfo *a = list; a && n < cap; a = a->ai_next) {
		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		memset(&out[n], 0, sizeof(out[n]));
		memcpy(&out[n].sa, a->ai_addr, a->ai_addrlen);
		out[n].bytes = (uint32_t)a->ai_addrlen;
		port_set(&out[n++], port);
	}
	freeaddrinfo(list);
	return n;
}

int
aibrix__net_numeric(const char *host, uint32_t port, struct net_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (port == 0)
		return unix_addr(host, out);
	return names_ask(host, port, AI_NUMERICHOST, out, 1)
		       ? AIBRIX_OK
		       : AIBRIX_E_NOT_FOUND;
}

uint32_t
aibrix__net_lookup(const char *host, uint32_t port, struct net_addr *out,
		   uint32_t cap)
{
	return names_ask(host, port, 0, out, cap);
}

/* None of them is vital: a failure costs speed only. */
static void
options_set(int fd, int family)
{
	const int on = 1, idle = 15, interval = 5, count = 3;

	if (family == AF_UNIX)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval,
			 sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

int
aibrix__net_connect(const struct net_addr *addr, int *fd, int *os_error)
{
	const int family = addr->sa.ss_family;
	int s = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int ret;

	if (s < 0) {
		*os_error = errno;
		return AIBRIX_E_IO;
	}
	options_set(s, family);
	do
		ret = connect(s, (const struct sockaddr *)&addr->sa,
			      addr->bytes);
	while (ret < 0 && errno == EINTR);
	*fd = s;
	if (ret == 0)
		return AIBRIX_OK;
	if (errno == EINPROGRESS)
		return AIBRIX_E_AGAIN;
	/* EAGAIN too: the queue of a Unix socket is full. */
	*os_error = errno;
	close(s);
	return AIBRIX_E_IO;
}

int
aibrix__net_connected(int fd, int *os_error)
{
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof(*os_error), peer_bytes = sizeof(peer);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &bytes) < 0)
		err = errno;
	if (err) {
		*os_error = err;
		return AIBRIX_E_IO;
	}
	/* Without an error it may also be that nothing has come yet. */
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0)
		return AIBRIX_E_AGAIN;
	return AIBRIX_OK;
}

int
aibrix__net_gone(int fd)
{
	struct tcp_info info = {.tcpi_unacked = 0};
	socklen_t bytes = sizeof(info);

	/* Not for a Unix socket. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
		return 0;
	return info.tcpi_unacked > 0 && info.tcpi_retransmits >= RESENT;
}

static int
status_of(int *os_error)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return AIBRIX_E_AGAIN;
	*os_error = errno;
	if (errno == EPIPE || errno == ECONNRESET)
		return AIBRIX_E_CLOSED;
	return AIBRIX_E_IO;
}

int
aibrix__net_read(int fd, const struct iovec *iov, uint32_t n, size_t *got,
		 int *os_error)
{
	ssize_t ret;

	do
		ret = readv(fd, iov, (int)n);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return status_of(os_error);
	if (ret == 0)
		return AIBRIX_E_CLOSED;
	*got = (size_t)ret;
	return AIBRIX_OK;
}

int
aibrix__net_write(int fd, const struct iovec *iov, uint32_t n, size_t *sent,
		  int *os_error)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			     .msg_iovlen = n};
	ssize_t ret;

	do
		ret = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return status_of(os_error);
	*sent = (size_t)ret;
	return AIBRIX_OK;
}

int
aibrix__net_watch(int epoll, int fd, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					      EPOLLET,
				    .data.u64 = data};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? AIBRIX_E_IO
							   : AIBRIX_OK;
}

void
aibrix__net_close(int epoll, int fd)
{
	if (epoll >= 0)
		(void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}
