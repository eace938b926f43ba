/*
 * Ports for servers that many test programs start at the same time.
 *
 * A server wants to be told its port, and between looking for a free one and
 * binding it somebody else may come.  Two kinds of somebody: connections of
 * this machine get ports from 32768 (Linux's default), so ours are below; and
 * other test programs agree with us through the name of an abstract socket,
 * which only one can have, and which is free again when its owner is gone.
 *
 *   11000 .. 20999   ports of servers
 *   21000 .. 30999   their cluster buses, 10000 above
 */

#include "redis_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { FIRST_PORT = 11000, PORTS = 10000, BUS = 10000 };

/* Bound as a server would do it, and let go. */
static int
bindable(int family, const void *address, socklen_t bytes)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;
	int good = 0;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		good = bind(fd, address, bytes) == 0 && listen(fd, 1) == 0;
		close(fd);
	}
	return good;
}

static int
free_four(int port)
{
	const struct sockaddr_in any = {.sin_family = AF_INET,
					.sin_port = htons((uint16_t)port)};

	return bindable(AF_INET, &any, sizeof(any));
}

static int
free_six(int port)
{
	const struct sockaddr_in6 six = {.sin6_family = AF_INET6,
					 .sin6_port = htons((uint16_t)port),
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	return bindable(AF_INET6, &six, sizeof(six));
}

int
redis__has_ipv6(void)
{
	return free_six(0);
}

static int
port_free(int port, int six)
{
	return free_four(port) && free_four(port + BUS) &&
	       (!six || (free_six(port) && free_six(port + BUS)));
}

/* The socket that has the port's name, or -1. */
static int
port_name(int port)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
			 "aibrix-test-port-%d", port);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&name,
		 (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) == 0)
		return fd;
	close(fd);
	return -1;
}

int
redis__port(int *holder)
{
	int six = redis__has_ipv6();
	/* Programs begin far from each other; any start is right. */
	uint32_t at = (uint32_t)getpid() * 2654435761U;

	for (int i = 0; i < PORTS; i++, at++) {
		int port = FIRST_PORT + (int)(at % PORTS);
		int fd = port_name(port);

		if (fd < 0)
			continue;
		if (port_free(port, six)) {
			*holder = fd;
			return port;
		}
		close(fd);
	}
	return 0;
}
