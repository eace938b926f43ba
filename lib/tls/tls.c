/*
 * Options, certificates and keys: what all streams of one kind share.
 *
 * Everything is read here, once: a store that connects again in the middle
 * of an outage must not depend on a file.  Certificates that were renewed
 * need a new object.
 */

#include "tls/tls_internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/versioned.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_tls_opts, alloc) };
enum { STAT_V1 = STRUCT_UPTO(aibrix_tls_stat, failed) };
enum {
	FLAGS = AIBRIX_TLS_NO_VERIFY | AIBRIX_TLS_ANY_HOST |
		AIBRIX_TLS_NO_RESUME | AIBRIX_TLS_KERNEL
};

/* ---- options */

static int
text_bad(const char *file, const void *pem, uint64_t bytes)
{
	return (file && pem) || !pem != !bytes || bytes > INT_MAX;
}

static int
opts_check(const aibrix_tls_opts *o)
{
	if ((o->flags & ~(uint32_t)FLAGS) || o->spare)
		return AIBRIX_E_ABI;
	if (text_bad(o->ca_file, o->ca_pem, o->ca_pem_bytes) ||
	    text_bad(o->cert_file, o->cert_pem, o->cert_pem_bytes) ||
	    text_bad(o->key_file, o->key_pem, o->key_pem_bytes) ||
	    ((o->key_file || o->key_pem) && !o->cert_file && !o->cert_pem) ||
	    o->min_version > AIBRIX_TLS_1_3 ||
	    (o->host && strnlen(o->host, HOST_MAX + 1) > HOST_MAX))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

/* ---- texts */

/* Of a key with a password: OpenSSL would ask at the terminal. */
static int
password_refuse(char *out, int cap, int writing, void *ctx)
{
	(void)out;
	(void)cap;
	(void)writing;
	(void)ctx;
	return -1;
}

static int
load_failed(const struct aibrix_tls *tls, const char *what, const char *file)
{
	int err = aibrix__tls_load_error();

	aibrix__log(&tls->log, AIBRIX_LOG_ERROR, LOG_TLS_FILE,
		    "TLS: %s cannot be used, from %s: %s", what,
		    file ? file : "memory", aibrix_strerror(err));
	return err;
}

static BIO *
text_open(const char *file, const void *pem, uint64_t bytes)
{
	return file ? BIO_new_file(file, "r")
		    : BIO_new_mem_buf(pem, (int)bytes);
}

static X509 *
certificate_read(BIO *bio)
{
	return PEM_read_bio_X509(bio, NULL, password_refuse, NULL);
}

/* All certificates of the text; 0 when there is none. */
static int
authorities_add(X509_STORE *store, BIO *bio)
{
	X509 *cert;
	int n = 0, good = 1;

	while (good && (cert = certificate_read(bio))) {
		good = X509_STORE_add_cert(store, cert);
		X509_free(cert);
		n++;
	}
	/* Of the end of the text. */
	if (n > 0 && good)
		ERR_clear_error();
	return n > 0 && good;
}

static int
authorities_load(struct aibrix_tls *tls, const aibrix_tls_opts *o)
{
	BIO *bio;
	int good;

	if (!o->ca_file && !o->ca_pem && !o->ca_dir)
		return SSL_CTX_set_default_verify_paths(tls->ctx)
			       ? AIBRIX_OK
			       : load_failed(tls, "the system's authorities",
					     "its folders");
	if (o->ca_dir && !SSL_CTX_load_verify_dir(tls->ctx, o->ca_dir))
		return load_failed(tls, "authorities", o->ca_dir);
	if (!o->ca_file && !o->ca_pem)
		return AIBRIX_OK;
	bio = text_open(o->ca_file, o->ca_pem, o->ca_pem_bytes);
	good = bio && authorities_add(SSL_CTX_get_cert_store(tls->ctx), bio);
	BIO_free(bio);
	return good ? AIBRIX_OK : load_failed(tls, "authorities", o->ca_file);
}

/* The first certificate is ours, the others lead to its authority. */
static int
chain_use(SSL_CTX *ctx, BIO *bio)
{
	X509 *cert = certificate_read(bio);
	int good = cert && SSL_CTX_use_certificate(ctx, cert);

	X509_free(cert);
	while (good && (cert = certificate_read(bio))) {
		/* It is the context's then. */
		good = SSL_CTX_add0_chain_cert(ctx, cert) != 0;
		if (!good)
			X509_free(cert);
	}
	if (good)
		ERR_clear_error();
	return good;
}

static int
key_use(SSL_CTX *ctx, BIO *bio)
{
	EVP_PKEY *key =
		PEM_read_bio_PrivateKey(bio, NULL, password_refuse, NULL);
	int good = key && SSL_CTX_use_PrivateKey(ctx, key);

	EVP_PKEY_free(key);
	return good;
}

static int
identity_load(struct aibrix_tls *tls, const aibrix_tls_opts *o)
{
	const int own_key = o->key_file || o->key_pem;
	const char *key_file = own_key ? o->key_file : o->cert_file;
	BIO *bio;
	int good;

	if (!o->cert_file && !o->cert_pem)
		return AIBRIX_OK;
	bio = text_open(o->cert_file, o->cert_pem, o->cert_pem_bytes);
	good = bio && chain_use(tls->ctx, bio);
	BIO_free(bio);
	if (!good)
		return load_failed(tls, "our certificate", o->cert_file);
	bio = text_open(key_file, own_key ? o->key_pem : o->cert_pem,
			own_key ? o->key_pem_bytes : o->cert_pem_bytes);
	/* That checks, too, that it is the certificate's. */
	good = bio && key_use(tls->ctx, bio);
	BIO_free(bio);
	return good ? AIBRIX_OK : load_failed(tls, "our key", key_file);
}

/* ---- life */

static int
context_make(struct aibrix_tls *tls, const aibrix_tls_opts *o)
{
	static const int version[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	tls->ctx = ctx;
	tls->socket = aibrix__tls_socket_method();
	if (!ctx || !tls->socket ||
	    !SSL_CTX_set_min_proto_version(ctx, version[o->min_version]))
		return AIBRIX_E_NOMEM;
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	if (o->flags & AIBRIX_TLS_KERNEL)
		SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	SSL_CTX_set_verify(ctx,
			   o->flags & AIBRIX_TLS_NO_VERIFY ? SSL_VERIFY_NONE
							   : SSL_VERIFY_PEER,
			   NULL);
	if (!(o->flags & AIBRIX_TLS_NO_RESUME)) {
		SSL_CTX_set_session_cache_mode(
			ctx,
			SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, aibrix__tls_session_new);
	}
	return AIBRIX_OK;
}

/* Everything but the lock, which aibrix_tls_free destroys. */
static int
tls_fill(struct aibrix_tls *tls, const aibrix_tls_opts *o)
{
	int err;

	tls->flags = o->flags;
	if (o->host)
		memcpy(tls->host, o->host, strlen(o->host));
	tls->table = aibrix__tls_table;
	tls->table.ctx = tls;
	tls->kept = aibrix__alloc(&tls->alloc, PEERS, sizeof(*tls->kept));
	if (!tls->kept)
		return AIBRIX_E_NOMEM;
	ERR_clear_error();
	err = context_make(tls, o);
	if (!err && !(o->flags & AIBRIX_TLS_NO_VERIFY))
		err = authorities_load(tls, o);
	if (!err)
		err = identity_load(tls, o);
	ERR_clear_error();
	return err;
}

int
aibrix_tls_new(const aibrix_tls_opts *opts, aibrix_tls **out)
{
	aibrix_tls_opts o;
	aibrix_allocator a;
	aibrix_log log;
	aibrix_tls *tls;
	int err;

	if (!out)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1);
	if (!err)
		err = opts_check(&o);
	if (!err)
		err = aibrix__log_load(&log, o.log);
	if (!err)
		err = aibrix__allocator_load(&a, o.alloc);
	if (err)
		return err;
	tls = aibrix__alloc(&a, 1, sizeof(*tls));
	if (!tls)
		return AIBRIX_E_NOMEM;
	tls->alloc = a;
	tls->log = log;
	if (pthread_mutex_init(&tls->lock, NULL)) {
		aibrix__free(&a, tls, 1, sizeof(*tls));
		return AIBRIX_E_NOMEM;
	}
	err = tls_fill(tls, &o);
	if (err) {
		aibrix_tls_free(tls);
		return err;
	}
	*out = tls;
	return AIBRIX_OK;
}

void
aibrix_tls_free(aibrix_tls *tls)
{
	aibrix_allocator a;

	if (!tls)
		return;
	a = tls->alloc;
	aibrix__tls_sessions_free(tls);
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->socket);
	pthread_mutex_destroy(&tls->lock);
	aibrix__free(&a, tls->kept, PEERS, sizeof(*tls->kept));
	aibrix__free(&a, tls, 1, sizeof(*tls));
}

const aibrix_stream *
aibrix_tls_stream(const aibrix_tls *tls)
{
	return tls ? &tls->table : NULL;
}

static uint64_t
count_get(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

int
aibrix_tls_stats(const aibrix_tls *tls, aibrix_tls_stat *stat)
{
	aibrix_tls_stat now = {.size = sizeof(now)};

	if (!tls || !stat)
		return AIBRIX_E_INVAL;
	now.streams = count_get(&tls->counts.streams);
	now.handshakes = count_get(&tls->counts.handshakes);
	now.resumed = count_get(&tls->counts.resumed);
	now.kernel = count_get(&tls->counts.kernel);
	now.denied = count_get(&tls->counts.denied);
	now.failed = count_get(&tls->counts.failed);
	return aibrix__struct_store(stat, &now, sizeof(now), STAT_V1);
}
