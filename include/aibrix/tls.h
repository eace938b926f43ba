/*
 * TLS for the connections of stores, by OpenSSL: libaibrix-tls.so, a library
 * of its own (pkg-config aibrix-tls).
 *
 *	aibrix_tls_opts opts = {.size = sizeof(opts), .ca_file = "ca.pem"};
 *	aibrix_tls *tls;
 *
 *	if (aibrix_tls_new(&opts, &tls) == AIBRIX_OK)
 *		... aibrix_tls_stream(tls) goes into a store's options ...
 *
 * The other side must prove with its certificate that it is the host which
 * was connected to: by a DNS name or IP address among its alternative names,
 * or, where it has no DNS names among them, by its common name.  TLS 1.2 and
 * 1.3; without renegotiation and compression.
 *
 * A connection that ends without a goodbye is AIBRIX_E_IO, one that says it
 * AIBRIX_E_CLOSED: what was cut off is not taken for what was complete.
 *
 * SIGPIPE is never raised.  OpenSSL allocates by its own allocator, reads
 * its own configuration file, and keeps its errors by thread: what it
 * remembered of earlier calls in the thread is forgotten.
 */
#ifndef AIBRIX_TLS_H
#define AIBRIX_TLS_H

#include <aibrix/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* flags of aibrix_tls_opts */
enum {
	/* Believe any certificate: encrypted, but by anybody.  For tests. */
	AIBRIX_TLS_NO_VERIFY = 1,
	/* It must be signed by our authorities, whatever its name is. */
	AIBRIX_TLS_ANY_HOST = 2,
	/* Every connection does a whole handshake.  Otherwise the session
	 * with the same address and host goes on, which spares the server a
	 * signature; its certificate is not seen again until then. */
	AIBRIX_TLS_NO_RESUME = 4,
	/* Let the kernel encrypt, where it can. */
	AIBRIX_TLS_KERNEL = 8
};

/* min_version */
enum { AIBRIX_TLS_1_2 = 0, AIBRIX_TLS_1_3 = 1 };

/*
 * Texts and memory are read by aibrix_tls_new only; log and alloc are
 * copied.  PEM texts may come from a file or from memory, not both.
 */
typedef struct aibrix_tls_opts {
	uint32_t size;
	uint32_t flags; /* AIBRIX_TLS_* */
	/* Who signs servers.  All NULL: whom the system trusts. */
	const char *ca_file;
	const char *ca_dir; /* of names by hash (openssl rehash) */
	const void *ca_pem;
	uint64_t ca_pem_bytes;
	/* Our certificate, with those between it and its authority behind
	 * it, and its key without a password.  NULL: none. */
	const char *cert_file;
	const void *cert_pem;
	uint64_t cert_pem_bytes;
	const char *key_file; /* key NULL: it is in the certificate's text */
	const void *key_pem;
	uint64_t key_pem_bytes;
	const char *host; /* proven in place of the host that was connected
			     to; needed for a Unix socket */
	uint32_t min_version; /* AIBRIX_TLS_1_2 */
	uint32_t spare;       /* must be 0 */
	const aibrix_log *log;
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_tls_opts;

/* Only grow. */
typedef struct aibrix_tls_stat {
	uint32_t size;
	uint32_t spare;
	uint64_t streams;    /* begun */
	uint64_t handshakes; /* completed */
	uint64_t resumed;    /* of them: with an earlier session */
	uint64_t kernel;     /* of them: the kernel encrypts */
	uint64_t denied;     /* AIBRIX_E_DENIED */
	uint64_t failed;     /* other ends of a stream but E_CLOSED */
} aibrix_tls_stat;

/* Thread: shared.  One stream is for one thread at a time. */
typedef struct aibrix_tls aibrix_tls;

/*
 * *out is owned: aibrix_tls_free.
 *
 * Fails: E_INVAL (an empty PEM text, one from file and memory, a key without
 * a certificate, a version), E_ABI, E_NOMEM, E_IO (a file cannot be read),
 * E_PARSE (no certificate or key in it, or the key is another's).  A line of
 * the log names the file.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_tls_new(const aibrix_tls_opts *opts,
					   aibrix_tls **out);

/* After the last stream was stopped.  NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_tls_free(aibrix_tls *tls);

/*
 * For a store's options; borrowed until aibrix_tls_free.  NULL for NULL.
 *
 * start fails with E_INVAL (a host of more than 255 bytes), E_DENIED (no
 * host to prove), E_NOMEM.  What was read before an error is given first.
 * Up to 16 KiB of what write took may wait in the stream: each call of read
 * or write goes on sending them, so watch the socket for both.
 *
 * Since: 0.1.
 */
AIBRIX_API const aibrix_stream *aibrix_tls_stream(const aibrix_tls *tls);

/* Fails: E_INVAL.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_tls_stats(const aibrix_tls *tls,
					     aibrix_tls_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
