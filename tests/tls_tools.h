/*
 * A TLS server for tests, with authorities and certificates made on the spot.
 *
 * It lives in the test's own thread and speaks through memory; the test
 * carries its bytes to and from the socket, in pieces of any size.
 */
#ifndef TESTS_TLS_TOOLS_H
#define TESTS_TLS_TOOLS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <aibrix/tls.h>

#define MUST(x) ((x) ? (void)0 : tls_give_up(#x, __LINE__))

static inline void
tls_give_up(const char *what, int line)
{
	fprintf(stderr, "tls_tools.h:%d: %s: %s\n", line, what,
		strerror(errno));
	ERR_print_errors_fp(stderr);
	abort();
}

/* ---- certificates */

struct cert {
	X509 *x;
	EVP_PKEY *key;
	char pem[4096];     /* certificate */
	char key_pem[4096]; /* its key */
	size_t pem_bytes, key_pem_bytes;
};

static inline size_t
bio_text(BIO *bio, char *out, size_t cap)
{
	int n = BIO_read(bio, out, (int)cap - 1);

	MUST(n > 0);
	out[n] = '\0';
	BIO_free(bio);
	return (size_t)n;
}

static inline void
cert_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	MUST(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

/*
 * names as "DNS:a,IP:127.0.0.1", NULL: an authority.  issuer NULL: signed by
 * itself.  Good for a day; expired: until an hour ago.
 */
static inline void
cert_make(struct cert *c, const char *common_name, const char *names,
	  const struct cert *issuer, int expired)
{
	static long serial = 1;
	BIO *bio;
	X509_NAME *name;

	c->key = EVP_EC_gen("P-256");
	c->x = X509_new();
	MUST(c->key && c->x && X509_set_version(c->x, 2));
	ASN1_INTEGER_set(X509_get_serialNumber(c->x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c->x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c->x), expired ? -3600 : 86400);
	name = X509_get_subject_name(c->x);
	MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					(const unsigned char *)common_name, -1,
					-1, 0));
	MUST(X509_set_issuer_name(
		c->x, issuer ? X509_get_subject_name(issuer->x) : name));
	MUST(X509_set_pubkey(c->x, c->key));
	if (names && names[0])
		cert_extend(c->x, NID_subject_alt_name, names);
	if (!names)
		cert_extend(c->x, NID_basic_constraints, "critical,CA:TRUE");
	MUST(X509_sign(c->x, issuer ? issuer->key : c->key, EVP_sha256()));
	bio = BIO_new(BIO_s_mem());
	MUST(bio && PEM_write_bio_X509(bio, c->x));
	c->pem_bytes = bio_text(bio, c->pem, sizeof(c->pem));
	bio = BIO_new(BIO_s_mem());
	MUST(bio &&
	     PEM_write_bio_PrivateKey(bio, c->key, NULL, NULL, 0, NULL, NULL));
	c->key_pem_bytes = bio_text(bio, c->key_pem, sizeof(c->key_pem));
}

static inline void
cert_free(struct cert *c)
{
	X509_free(c->x);
	EVP_PKEY_free(c->key);
}

/* ---- the server */

struct tls_server {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* the ssl's */
	int fd;        /* its end of the connection */
	int ended;     /* the client has closed its end */
	size_t step;   /* most bytes that are carried at once; 0: all */
};

static inline SSL_CTX *
server_context(const struct cert *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	MUST(ctx && SSL_CTX_use_certificate(ctx, cert->x));
	MUST(SSL_CTX_use_PrivateKey(ctx, cert->key));
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
	return ctx;
}

/* ctx stays the caller's. */
static inline void
server_begin(struct tls_server *s, SSL_CTX *ctx, int fd)
{
	*s = (struct tls_server){.ctx = ctx, .fd = fd};
	s->ssl = SSL_new(ctx);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	MUST(s->ssl && s->in && s->out);
	BIO_set_mem_eof_return(s->in, -1);
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_accept_state(s->ssl);
}

static inline void
server_end(struct tls_server *s)
{
	SSL_free(s->ssl);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Carries what there is, at most step bytes each way; the number of both. */
static inline size_t
server_carry(struct tls_server *s)
{
	char bytes[65536];
	size_t cap =
		s->step && s->step < sizeof(bytes) ? s->step : sizeof(bytes);
	ssize_t got = recv(s->fd, bytes, cap, MSG_DONTWAIT), sent = 0;
	char *from;
	long left = BIO_get_mem_data(s->out, &from);

	if (got > 0)
		MUST(BIO_write(s->in, bytes, (int)got) == got);
	s->ended |= got == 0;
	if (left > 0)
		sent = send(s->fd, from,
			    (size_t)left < cap ? (size_t)left : cap,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0)
		MUST(BIO_read(s->out, bytes, (int)sent) == sent);
	return (size_t)(got > 0 ? got : 0) + (size_t)(sent > 0 ? sent : 0);
}

/* Carries until nothing moves. */
static inline void
server_flush(struct tls_server *s)
{
	while (server_carry(s) > 0)
		;
}

/* Handshakes of both until the client's ends; its status. */
static inline int
handshake_both(struct tls_server *s, const aibrix_stream *t, void *stream)
{
	int status = AIBRIX_E_AGAIN;
	uint32_t want = 0;

	for (int quiet = 0; status == AIBRIX_E_AGAIN && quiet < 4;) {
		status = t->handshake(stream, &want);
		(void)SSL_do_handshake(s->ssl);
		quiet = server_carry(s) > 0 ? 0 : quiet + 1;
	}
	/* Finished messages and tickets that are still on their way. */
	for (int i = 0; i < 4; i++) {
		(void)SSL_do_handshake(s->ssl);
		server_flush(s);
	}
	ERR_clear_error();
	return status;
}

static inline void
pair_open(int fd[2])
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			fd) == 0);
}

#endif
