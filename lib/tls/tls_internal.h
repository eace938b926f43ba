#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <aibrix/tls.h>

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum {
	HOST_MAX = 255,
	PEERS = 64,     /* sessions that are kept */
	RECORD = 16384, /* longest payload of a record */
	/* What one recv may bring: four whole records. */
	READ_AHEAD = 4 * (RECORD + 512)
};

/* Whom a session was made with. */
struct peer {
	struct sockaddr_storage addr;
	socklen_t addr_bytes;
	char host[HOST_MAX + 1];
};

struct kept {
	struct peer peer;
	SSL_SESSION *session; /* owned; NULL: none */
};

/* Relaxed: numbers that order nothing. */
struct counts {
	_Atomic uint64_t streams, handshakes, resumed, kernel, denied, failed;
};

struct aibrix_tls {
	aibrix_allocator alloc;
	aibrix_log log;
	aibrix_stream table;
	SSL_CTX *ctx;
	BIO_METHOD *socket;
	uint32_t flags;
	char host[HOST_MAX + 1]; /* "": that of the connection */
	struct counts counts;
	pthread_mutex_t lock; /* guards what follows */
	struct kept *kept;    /* PEERS */
	uint32_t next;        /* to be replaced */
};

struct stream {
	struct aibrix_tls *tls;
	SSL *ssl;
	int fd;
	int err;        /* status of the end of it, or AIBRIX_OK */
	int ended;      /* the socket has */
	int done;       /* the handshake */
	int drained;    /* no whole record is buffered */
	size_t waiting; /* bytes of record that the socket did not take */
	struct peer peer;
	uint8_t record[RECORD]; /* pieces that share one; what waits */
};

static inline void
count_add(_Atomic uint64_t *n, int yes)
{
	atomic_fetch_add_explicit(n, yes != 0, memory_order_relaxed);
}

/* ---- tls_stream.c */

extern const aibrix_stream aibrix__tls_table;

/* ---- tls_error.c */

/* Why the last call of OpenSSL failed, as loading files does. */
int aibrix__tls_load_error(void);

/* Status of what SSL_get_error and the error queue say of the stream. */
int aibrix__tls_stream_error(struct stream *s, int result, uint32_t *want);

/* ---- tls_socket.c */

/* A BIO on s->fd that raises no signal; NULL: no memory. */
BIO_METHOD *aibrix__tls_socket_method(void);
BIO *aibrix__tls_socket(struct stream *s);

/* ---- tls_session.c */

int aibrix__tls_session_new(SSL *ssl, SSL_SESSION *session);
void aibrix__tls_session_use(struct stream *s);
void aibrix__tls_sessions_free(struct aibrix_tls *tls);

#endif
