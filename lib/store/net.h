/*
 * Sockets that never wait: TCP and Unix, and the epoll set they are in.
 *
 * Statuses: AIBRIX_OK; E_AGAIN (not now: the set will tell); E_CLOSED (the
 * other side ended it); E_IO with *os_error.
 */
#ifndef STORE_NET_H
#define STORE_NET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct net_addr {
	struct sockaddr_storage sa;
	uint32_t bytes;
};

/* An address in numbers; port 0: host is the path of a Unix socket.
 * Fails: E_NOT_FOUND (a name, or too long). */
int aibrix__net_numeric(const char *host, uint32_t port, struct net_addr *out);

/* Ask the resolver: waits.  Up to cap addresses, their number is returned. */
uint32_t aibrix__net_lookup(const char *host, uint32_t port,
			    struct net_addr *out, uint32_t cap);

/* AIBRIX_OK or E_AGAIN, and *fd is the caller's; or E_IO. */
int aibrix__net_connect(const struct net_addr *addr, int *fd, int *os_error);

/* Has it come about?  Asked when the set says that it can be written. */
int aibrix__net_connected(int fd, int *os_error);

/*
 * 1: what was sent is not acknowledged although the kernel has sent it again
 * and again.  A host that is there acknowledges, be its program as busy or as
 * stuck as it may.
 */
int aibrix__net_gone(int fd);

int aibrix__net_read(int fd, const struct iovec *iov, uint32_t n, size_t *got,
		     int *os_error);
int aibrix__net_write(int fd, const struct iovec *iov, uint32_t n, size_t *sent,
		      int *os_error);

/* Edge-triggered, for reading and writing. */
int aibrix__net_watch(int epoll, int fd, uint64_t data);

/* Out of the set, and closed.  A child of fork would still hold it open, so
 * closing alone would leave it in the set. */
void aibrix__net_close(int epoll, int fd);

#endif
