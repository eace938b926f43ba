/*
 * Blocking sockets with a hang bound.  Reading takes what one reply needs and
 * no byte more, so that the next one is still there for whoever reads it:
 * lines byte by byte, payloads at once.
 */

#define _GNU_SOURCE

#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

int64_t
talk_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
talk_watch(pid_t pid)
{
	enum { ASK_AGAIN_MS = 3 };
	const int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd end = {.fd = fd, .events = POLLIN};

	poll(&end, 1, ASK_AGAIN_MS);
	if (fd >= 0)
		close(fd);
}

static int
connected(int family, const void *address, socklen_t bytes)
{
	const struct timeval hang = {TALK_HANG_MS / 1000, 0};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	int error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof(hang));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &hang, sizeof(hang));
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, bytes) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int
talk_tcp(const char *host, int port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
		return connected(AF_INET, &four, sizeof(four));
	if (inet_pton(AF_INET6, host, &six.sin6_addr) == 1)
		return connected(AF_INET6, &six, sizeof(six));
	errno = EINVAL;
	return -1;
}

int
talk_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	return connected(AF_UNIX, &address, sizeof(address));
}

int
talk_send(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		at += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* In one piece: a server that resets may do so before a second one. */
int
talk_line(int fd, const char *line)
{
	size_t n = strlen(line);
	char *whole = malloc(n + 2);
	int status;

	if (!whole)
		return -1;
	memcpy(whole, line, n);
	memcpy(whole + n, "\r\n", 2);
	status = talk_send(fd, whole, n + 2);
	free(whole);
	return status;
}

static int
head_send(int fd, char type, size_t n)
{
	char head[32];
	int bytes = snprintf(head, sizeof(head), "%c%zu\r\n", type, n);

	return talk_send(fd, head, (size_t)bytes);
}

static int
arg_send(int fd, const void *bytes, size_t n)
{
	return head_send(fd, '$', n) || talk_send(fd, bytes, n) ||
	       talk_send(fd, "\r\n", 2);
}

int
talk_command(int fd, const char *const *words, size_t n)
{
	int failed = head_send(fd, '*', n);

	for (size_t i = 0; !failed && i < n; i++)
		failed = arg_send(fd, words[i], strlen(words[i]));
	return failed ? -1 : 0;
}

int
talk_args(int fd, const struct iovec *args, size_t n)
{
	int failed = head_send(fd, '*', n);

	for (size_t i = 0; !failed && i < n; i++)
		failed = arg_send(fd, args[i].iov_base, args[i].iov_len);
	return failed ? -1 : 0;
}

int
talk_read(int fd, void *bytes, size_t n)
{
	char *at = bytes;

	while (n > 0) {
		ssize_t got = recv(fd, at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

int
talk_closed(int fd)
{
	ssize_t got;
	char byte;

	do
		got = recv(fd, &byte, 1, MSG_PEEK);
	while (got < 0 && errno == EINTR);
	return got == 0 || (got < 0 && errno != EAGAIN);
}

/* Appends one line; its length with CRLF, or -1. */
static ssize_t
line_read(int fd, char *line, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		if (talk_read(fd, line + n, 1))
			return -1;
		n++;
		line[n] = 0;
		if (n >= 2 && line[n - 2] == '\r' && line[n - 1] == '\n')
			return (ssize_t)n;
	}
	return -1;
}

ssize_t
talk_reply(int fd, char *reply, size_t cap)
{
	long long open = 1; /* replies and elements still to come */
	size_t n = 0;

	reply[0] = 0;
	while (open > 0) {
		const char *line = reply + n;
		ssize_t got = line_read(fd, reply + n, cap - 1 - n);
		long long count;

		if (got < 3 || !strchr("+-:$*", line[0]))
			return -1;
		n += (size_t)got;
		open--;
		count = strtoll(line + 1, NULL, 10);
		if (line[0] == '*' && count > 0)
			open += count;
		if (line[0] != '$' || count < 0)
			continue;
		if ((unsigned long long)count + 2 > cap - 1 - n ||
		    talk_read(fd, reply + n, (size_t)count + 2))
			return -1;
		n += (size_t)count + 2;
		reply[n] = 0;
	}
	return (ssize_t)n;
}
