/*
 * OpenSSL's way to the socket.
 *
 * Its own would write with write(2), and a connection that the other side
 * has closed would end the process.  Ours sends with MSG_NOSIGNAL.  The
 * kernel's TLS needs OpenSSL's own, so that there (AIBRIX_TLS_KERNEL)
 * tls_stream.c keeps the signal away instead.
 */

#include "tls/tls_internal.h"

#include <errno.h>
#include <openssl/bio.h>
#include <sys/socket.h>

static int
socket_send(BIO *bio, const char *bytes, int n)
{
	struct stream *s = BIO_get_data(bio);
	ssize_t sent;

	BIO_clear_retry_flags(bio);
	do
		sent = send(s->fd, bytes, (size_t)n, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static int
socket_recv(BIO *bio, char *bytes, int n)
{
	struct stream *s = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	do
		got = recv(s->fd, bytes, (size_t)n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	s->ended |= got == 0;
	return (int)got;
}

static long
socket_ctrl(BIO *bio, int what, long number, void *ptr)
{
	const struct stream *s = BIO_get_data(bio);

	(void)number;
	(void)ptr;
	if (what == BIO_CTRL_EOF)
		return s->ended;
	return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *
aibrix__tls_socket_method(void)
{
	/* Without an index of its own: they are few in a process. */
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "aibrix socket");

	if (!m)
		return NULL;
	if (!BIO_meth_set_write(m, socket_send) ||
	    !BIO_meth_set_read(m, socket_recv) ||
	    !BIO_meth_set_ctrl(m, socket_ctrl)) {
		BIO_meth_free(m);
		return NULL;
	}
	return m;
}

BIO *
aibrix__tls_socket(struct stream *s)
{
	BIO *bio;

	if (s->tls->flags & AIBRIX_TLS_KERNEL)
		return BIO_new_socket(s->fd, BIO_NOCLOSE);
	bio = BIO_new(s->tls->socket);
	if (bio) {
		BIO_set_data(bio, s);
		BIO_set_init(bio, 1);
	}
	return bio;
}
