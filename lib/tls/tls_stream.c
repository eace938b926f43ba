/*
 * Streams: aibrix_stream on OpenSSL.
 *
 * Writing.  A request is a head of some 40 bytes, a payload of megabytes and
 * two bytes of tail, and each call of SSL_write makes a record of its own,
 * with a send of its own.  So pieces are gathered until they fill a record,
 * and only what would fill one by itself is taken from where it lies:
 *
 *	head | payload ............................ | tail
 *	[ copied 16 KiB ][ 16 KiB ] ... [ 16 KiB ][ copied ]
 *
 * A record that the socket did not take is encrypted and cannot be taken
 * back, though its request may be cancelled.  So it counts as sent, like what
 * lies in the kernel's buffer, and its bytes stay here (s->waiting of them)
 * until some later call gets rid of it.
 *
 * Reading.  OpenSSL asks the socket for a record's header and then for the
 * record.  Reading ahead it asks for four records at a time, which saves
 * seven system calls of eight.  What it has read then does not show at the
 * socket, so the end of each read says whether anything whole may be left.
 */

#include "tls/tls_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

/* ---- SIGPIPE, where OpenSSL writes by itself */

struct quiet {
	sigset_t old;
	int on, was;
};

static void
quiet_begin(struct quiet *q, const struct stream *s)
{
	sigset_t pipe, pending;

	q->on = (s->tls->flags & AIBRIX_TLS_KERNEL) != 0;
	if (!q->on)
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	q->was = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &q->old);
}

/* What came in between was ours. */
static void
quiet_end(struct quiet *q)
{
	const struct timespec now = {0, 0};
	sigset_t pipe, pending;

	if (!q->on)
		return;
	sigpending(&pending);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	if (!q->was && sigismember(&pending, SIGPIPE))
		(void)sigtimedwait(&pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &q->old, NULL);
}

/* ---- a record on its way */

/* What is left of the record that the socket did not take. */
static int
record_flush(struct stream *s, uint32_t *want)
{
	size_t sent;
	int result;

	if (!s->waiting)
		return AIBRIX_OK;
	ERR_clear_error();
	result = SSL_write_ex(s->ssl, s->record, s->waiting, &sent);
	if (result != 1)
		return aibrix__tls_stream_error(s, result, want);
	s->waiting = 0;
	return AIBRIX_OK;
}

/* ---- begin and end */

/* IPv6 addresses with a zone are proven without it. */
static int
host_is_ip(const char *host, char ip[INET6_ADDRSTRLEN])
{
	size_t n = strcspn(host, "%");
	struct in6_addr addr;

	if (n >= INET6_ADDRSTRLEN)
		return 0;
	memcpy(ip, host, n);
	ip[n] = '\0';
	return inet_pton(AF_INET6, ip, &addr) == 1 ||
	       (host[n] == '\0' && inet_pton(AF_INET, ip, &addr) == 1);
}

/* Whom the certificate must name, and whom we ask for. */
static int
host_expect(struct stream *s)
{
	const int any =
		s->tls->flags & (AIBRIX_TLS_NO_VERIFY | AIBRIX_TLS_ANY_HOST);
	X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
	char ip[INET6_ADDRSTRLEN], *host = s->peer.host;

	if (host[0] == '\0')
		return any ? AIBRIX_OK : AIBRIX_E_DENIED;
	if (host_is_ip(host, ip)) {
		if (!any && !X509_VERIFY_PARAM_set1_ip_asc(param, ip))
			return AIBRIX_E_NOMEM;
		return AIBRIX_OK;
	}
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!any && !X509_VERIFY_PARAM_set1_host(param, host, 0))
		return AIBRIX_E_NOMEM;
	return SSL_set_tlsext_host_name(s->ssl, host) ? AIBRIX_OK
						      : AIBRIX_E_NOMEM;
}

static void
peer_learn(struct stream *s, const char *host)
{
	struct peer *p = &s->peer;

	memcpy(p->host, host, strlen(host));
	p->addr_bytes = sizeof(p->addr);
	/* A socket of a pair has no address to be found again by. */
	if (getpeername(s->fd, (struct sockaddr *)&p->addr, &p->addr_bytes) ||
	    (p->addr.ss_family != AF_INET && p->addr.ss_family != AF_INET6))
		p->addr_bytes = 0;
}

static int
ssl_make(struct stream *s)
{
	BIO *bio;

	s->ssl = SSL_new(s->tls->ctx);
	if (!s->ssl)
		return AIBRIX_E_NOMEM;
	SSL_set_app_data(s->ssl, s);
	bio = aibrix__tls_socket(s);
	if (!bio)
		return AIBRIX_E_NOMEM;
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_connect_state(s->ssl);
	return AIBRIX_OK;
}

static void
stream_free(struct stream *s)
{
	const aibrix_allocator a = s->tls->alloc;

	SSL_free(s->ssl);
	ERR_clear_error();
	aibrix__free(&a, s, 1, sizeof(*s));
}

static int
stream_start(void *ctx, int fd, const char *host, void **stream)
{
	struct aibrix_tls *tls = ctx;
	struct stream *s;
	size_t n;
	int err;

	if (!tls || !host || !stream || fd < 0)
		return AIBRIX_E_INVAL;
	if (tls->host[0])
		host = tls->host;
	n = strnlen(host, HOST_MAX + 1);
	if (n > HOST_MAX)
		return AIBRIX_E_INVAL;
	s = aibrix__alloc(&tls->alloc, 1, sizeof(*s));
	if (!s)
		return AIBRIX_E_NOMEM;
	s->tls = tls;
	s->fd = fd;
	peer_learn(s, host);
	if (n > 0 && s->peer.host[n - 1] == '.') /* "redis.svc.local." */
		s->peer.host[n - 1] = '\0';
	err = ssl_make(s);
	if (!err)
		err = host_expect(s);
	if (err) {
		stream_free(s);
		return err;
	}
	if (!(tls->flags & AIBRIX_TLS_NO_RESUME))
		aibrix__tls_session_use(s);
	count_add(&tls->counts.streams, 1);
	*stream = s;
	return AIBRIX_OK;
}

static void
stream_stop(void *stream)
{
	struct stream *s = stream;
	uint32_t want;
	struct quiet q;

	if (!s)
		return;
	/* OpenSSL allows no goodbye after a fatal error, and needs none. */
	if (s->done && (!s->err || s->err == AIBRIX_E_CLOSED)) {
		quiet_begin(&q, s);
		if (record_flush(s, &want) == AIBRIX_OK)
			(void)SSL_shutdown(s->ssl);
		quiet_end(&q);
	}
	stream_free(s);
}

/* ---- bytes */

static int
stream_handshake(void *stream, uint32_t *want)
{
	struct stream *s = stream;
	struct counts *counts;
	struct quiet q;
	int result;

	if (!s || !want)
		return AIBRIX_E_INVAL;
	if (s->err || s->done)
		return s->err;
	ERR_clear_error();
	quiet_begin(&q, s);
	result = SSL_do_handshake(s->ssl);
	quiet_end(&q);
	if (result != 1)
		return aibrix__tls_stream_error(s, result, want);
	s->done = 1;
	counts = &s->tls->counts;
	count_add(&counts->handshakes, 1);
	count_add(&counts->resumed, SSL_session_reused(s->ssl));
	count_add(&counts->kernel, BIO_get_ktls_send(SSL_get_wbio(s->ssl)));
	return AIBRIX_OK;
}

/* Fills one piece of memory; AIBRIX_OK: all of it. */
static int
piece_read(struct stream *s, const aibrix_iov *piece, uint64_t *bytes,
	   uint32_t *want)
{
	uint8_t *base = piece->base;
	uint64_t done = 0;

	while (done < piece->bytes) {
		size_t some;
		int result;

		ERR_clear_error();
		result = SSL_read_ex(s->ssl, base + done, piece->bytes - done,
				     &some);
		if (result != 1)
			return aibrix__tls_stream_error(s, result, want);
		done += some;
		*bytes += some;
	}
	return AIBRIX_OK;
}

static int
stream_read(void *stream, const aibrix_iov *iov, uint32_t n_iov,
	    uint64_t *bytes, uint32_t *want)
{
	struct stream *s = stream;
	int status = AIBRIX_OK;
	uint64_t done = 0;
	struct quiet q;

	if (!s || !iov || !bytes || !want)
		return AIBRIX_E_INVAL;
	if (s->err)
		return s->err;
	if (!s->done)
		return AIBRIX_E_STATE;
	quiet_begin(&q, s);
	status = record_flush(s, want);
	if (status == AIBRIX_E_AGAIN)
		status = AIBRIX_OK;
	for (uint32_t i = 0; i < n_iov && status == AIBRIX_OK; i++)
		status = piece_read(s, &iov[i], &done, want);
	quiet_end(&q);
	s->drained = status != AIBRIX_OK;
	if (done == 0)
		return status == AIBRIX_OK ? AIBRIX_E_INVAL : status;
	*bytes = done;
	return AIBRIX_OK;
}

/* Where the caller's pieces are up to. */
struct cursor {
	const aibrix_iov *iov;
	uint32_t n;
	uint64_t done; /* of iov[0] */
};

static void
cursor_pass(struct cursor *c, size_t n)
{
	c->done += n;
	while (c->n > 0 && c->done >= c->iov->bytes) {
		c->done -= c->iov->bytes;
		c->iov++;
		c->n--;
	}
}

/* Up to max bytes from where the cursor is, gathered in out. */
static size_t
cursor_gather(const struct cursor *c, uint8_t *out, size_t max)
{
	struct cursor at = *c;
	size_t n = 0;

	while (at.n > 0 && n < max) {
		const uint8_t *base = at.iov->base;
		uint64_t left = at.iov->bytes - at.done;
		size_t some = left < max - n ? (size_t)left : max - n;

		if (some > 0)
			memcpy(out + n, base + at.done, some);
		n += some;
		cursor_pass(&at, some);
	}
	return n;
}

/* One record, or as much as is offered. */
static int
record_write(struct stream *s, struct cursor *c, uint64_t *bytes,
	     uint32_t *want)
{
	const uint8_t *from = s->record;
	size_t n = RECORD, sent;
	int result, status = AIBRIX_OK;

	if (c->iov->bytes - c->done >= n)
		from = (const uint8_t *)c->iov->base + c->done;
	else
		n = cursor_gather(c, s->record, n);
	ERR_clear_error();
	result = SSL_write_ex(s->ssl, from, n, &sent);
	if (result != 1) {
		status = aibrix__tls_stream_error(s, result, want);
		if (status != AIBRIX_E_AGAIN)
			return status;
		if (from != s->record)
			memcpy(s->record, from, n);
		s->waiting = n;
	}
	cursor_pass(c, n);
	*bytes += n;
	return status;
}

static int
stream_write(void *stream, const aibrix_iov *iov, uint32_t n_iov,
	     uint64_t *bytes, uint32_t *want)
{
	struct stream *s = stream;
	struct cursor c = {iov, n_iov, 0};
	int status = AIBRIX_OK;
	uint64_t done = 0;
	struct quiet q;

	if (!s || !iov || !bytes || !want)
		return AIBRIX_E_INVAL;
	if (s->err)
		return s->err;
	if (!s->done)
		return AIBRIX_E_STATE;
	cursor_pass(&c, 0); /* pieces without bytes */
	quiet_begin(&q, s);
	status = record_flush(s, want);
	while (c.n > 0 && status == AIBRIX_OK)
		status = record_write(s, &c, &done, want);
	quiet_end(&q);
	if (done == 0)
		return status == AIBRIX_OK ? AIBRIX_E_INVAL : status;
	*bytes = done;
	return AIBRIX_OK;
}

static uint64_t
stream_pending(const void *stream)
{
	const struct stream *s = stream;
	int n;

	if (!s || !s->done || s->err)
		return 0;
	n = SSL_pending(s->ssl);
	if (n > 0)
		return (uint64_t)n;
	/* A record that was read ahead: at least one byte. */
	return !s->drained && SSL_has_pending(s->ssl);
}

const aibrix_stream aibrix__tls_table = {
	.size = sizeof(aibrix_stream),
	.start = stream_start,
	.handshake = stream_handshake,
	.read = stream_read,
	.write = stream_write,
	.pending = stream_pending,
	.stop = stream_stop,
};
