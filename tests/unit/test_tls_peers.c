/* Who the other side is, and who we are: certificates, files, sessions. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/time.h>

#include <criterion/criterion.h>

#include "temp_path.h"
#include "tls_tools.h"

static struct cert ca, stranger, good, expired, alone, client;

static void
setup(void)
{
	cert_make(&ca, "authority", NULL, NULL, 0);
	cert_make(&stranger, "authority", NULL, NULL, 0);
	cert_make(&good, "common.example",
		  "DNS:db.example,DNS:*.svc.example,IP:127.0.0.1,IP:::1", &ca,
		  0);
	cert_make(&expired, "x", "DNS:db.example", &ca, 1);
	cert_make(&alone, "x", "DNS:db.example", NULL, 0);
	cert_make(&client, "we", "DNS:we.example", &ca, 0);
}

static void
teardown(void)
{
	cert_free(&ca);
	cert_free(&stranger);
	cert_free(&good);
	cert_free(&expired);
	cert_free(&alone);
	cert_free(&client);
}

TestSuite(tls_peers, .init = setup, .fini = teardown);

/* ---- one handshake */

static char last_line[512];
static uint32_t lines;

static void
line_keep(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	(void)ctx;
	(void)level;
	(void)code;
	lines++;
	snprintf(last_line, sizeof(last_line), "%s", text);
}

static const aibrix_log keeper = {
	.size = sizeof(keeper), .level = AIBRIX_LOG_DEBUG, .fn = line_keep};

static aibrix_tls_opts
opts_make(uint32_t flags)
{
	return (aibrix_tls_opts){.size = sizeof(aibrix_tls_opts),
				 .flags = flags,
				 .ca_pem = ca.pem,
				 .ca_pem_bytes = ca.pem_bytes,
				 .log = &keeper};
}

/* The handshake's status, with a server of this certificate and a read
 * behind it, where a server of TLS 1.3 tells what it thinks of us. */
static int
meet_ctx(const aibrix_tls_opts *opts, SSL_CTX *ctx, const char *host)
{
	aibrix_tls *tls;
	const aibrix_stream *t;
	struct tls_server server;
	uint64_t n;
	uint32_t want;
	void *stream;
	char byte;
	int fd[2], err;

	pair_open(fd);
	cr_assert_eq(aibrix_tls_new(opts, &tls), AIBRIX_OK);
	t = aibrix_tls_stream(tls);
	err = t->start(t->ctx, fd[0], host, &stream);
	server_begin(&server, ctx, fd[1]);
	if (!err) {
		err = handshake_both(&server, t, stream);
		if (!err) {
			const aibrix_iov iov = {&byte, 1};

			err = t->read(stream, &iov, 1, &n, &want);
			if (err == AIBRIX_E_AGAIN)
				err = AIBRIX_OK;
		}
		t->stop(stream);
	}
	server_end(&server);
	close(fd[0]);
	aibrix_tls_free(tls);
	return err;
}

static int
meet(uint32_t flags, const struct cert *cert, const char *host)
{
	const aibrix_tls_opts opts = opts_make(flags);
	SSL_CTX *ctx = server_context(cert);
	int err;

	lines = 0;
	last_line[0] = '\0';
	err = meet_ctx(&opts, ctx, host);
	SSL_CTX_free(ctx);
	return err;
}

Test(tls_peers, a_certificate_is_for_the_hosts_it_names)
{
	cr_expect_eq(meet(0, &good, "db.example"), AIBRIX_OK);
	cr_expect_eq(meet(0, &good, "DB.Example"), AIBRIX_OK);
	cr_expect_eq(meet(0, &good, "db.example."), AIBRIX_OK);
	cr_expect_eq(meet(0, &good, "a.svc.example"), AIBRIX_OK);
	cr_expect_eq(meet(0, &good, "127.0.0.1"), AIBRIX_OK);
	cr_expect_eq(meet(0, &good, "::1"), AIBRIX_OK);
	cr_expect_eq(meet(0, &good, "0:0:0:0:0:0:0:1"), AIBRIX_OK);
	cr_expect_eq(lines, 0u);

	cr_expect_eq(meet(0, &good, "db2.example"), AIBRIX_E_DENIED);
	cr_expect_eq(meet(0, &good, "a.b.svc.example"), AIBRIX_E_DENIED);
	cr_expect_eq(meet(0, &good, "svc.example"), AIBRIX_E_DENIED);
	cr_expect_eq(meet(0, &good, "127.0.0.2"), AIBRIX_E_DENIED);
	cr_expect_eq(meet(0, &good, "::2"), AIBRIX_E_DENIED);
	/* It has other names, so that this one does not count. */
	cr_expect_eq(meet(0, &good, "common.example"), AIBRIX_E_DENIED);
}

Test(tls_peers, a_host_that_is_not_proven_is_denied_with_one_line)
{
	cr_expect_eq(meet(0, &good, "wrong.example"), AIBRIX_E_DENIED);
	cr_expect_eq(lines, 1u);
	cr_expect_str_eq(last_line,
			 "TLS with wrong.example refused: hostname mismatch; "
			 "the connection is closed");
	cr_expect_eq(meet(0, &expired, "db.example"), AIBRIX_E_DENIED);
	cr_expect_str_eq(last_line,
			 "TLS with db.example refused: certificate has "
			 "expired; the connection is closed");
	cr_expect_eq(meet(0, &alone, "db.example"), AIBRIX_E_DENIED);
	cr_expect_str_eq(last_line, "TLS with db.example refused: self-signed "
				    "certificate; the connection is closed");
	cr_expect_eq(lines, 1u);
}

Test(tls_peers, an_authority_of_the_same_name_is_another)
{
	aibrix_tls_opts opts = opts_make(0);
	SSL_CTX *ctx = server_context(&good);

	opts.ca_pem = stranger.pem;
	opts.ca_pem_bytes = stranger.pem_bytes;
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_E_DENIED);
	/* Nor has the system heard of ours. */
	opts.ca_pem = NULL;
	opts.ca_pem_bytes = 0;
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_E_DENIED);
	SSL_CTX_free(ctx);
}

Test(tls_peers, flags_give_up_the_name_or_everything)
{
	cr_expect_eq(meet(AIBRIX_TLS_ANY_HOST, &good, "wrong"), AIBRIX_OK);
	cr_expect_eq(meet(AIBRIX_TLS_ANY_HOST, &good, ""), AIBRIX_OK);
	cr_expect_eq(meet(AIBRIX_TLS_ANY_HOST, &alone, "db.example"),
		     AIBRIX_E_DENIED);
	cr_expect_eq(meet(AIBRIX_TLS_ANY_HOST, &expired, "db.example"),
		     AIBRIX_E_DENIED);
	cr_expect_eq(meet(AIBRIX_TLS_NO_VERIFY, &alone, "wrong"), AIBRIX_OK);
	cr_expect_eq(meet(AIBRIX_TLS_NO_VERIFY, &expired, ""), AIBRIX_OK);
}

Test(tls_peers, without_a_host_the_options_must_name_one)
{
	aibrix_tls_opts opts = opts_make(0);
	SSL_CTX *ctx = server_context(&good);

	cr_expect_eq(meet_ctx(&opts, ctx, ""), AIBRIX_E_DENIED);
	opts.host = "db.example";
	cr_expect_eq(meet_ctx(&opts, ctx, ""), AIBRIX_OK);
	cr_expect_eq(meet_ctx(&opts, ctx, "whatever"), AIBRIX_OK);
	opts.host = "other.example";
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_E_DENIED);
	SSL_CTX_free(ctx);
}

Test(tls_peers, a_host_of_more_than_255_bytes_is_refused)
{
	char host[300];

	memset(host, 'h', sizeof(host));
	host[255] = '\0';
	cr_expect_eq(meet(AIBRIX_TLS_ANY_HOST, &good, host), AIBRIX_OK);
	host[255] = 'h';
	host[256] = '\0';
	cr_expect_eq(meet(AIBRIX_TLS_ANY_HOST, &good, host), AIBRIX_E_INVAL);
}

Test(tls_peers, a_server_may_ask_who_we_are)
{
	aibrix_tls_opts opts = opts_make(0);
	SSL_CTX *ctx = server_context(&good);

	MUST(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.x));
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	for (int max = TLS1_2_VERSION; max <= TLS1_3_VERSION; max++) {
		MUST(SSL_CTX_set_max_proto_version(ctx, max));
		opts = opts_make(0);
		lines = 0;
		/* TLS 1.2 calls it a failed handshake, whatever the cause. */
		cr_expect_eq(meet_ctx(&opts, ctx, "db.example"),
			     max == TLS1_3_VERSION ? AIBRIX_E_DENIED
						   : AIBRIX_E_IO);
		cr_expect_eq(lines, max == TLS1_3_VERSION ? 1u : 0u);
		opts.cert_pem = client.pem;
		opts.cert_pem_bytes = client.pem_bytes;
		opts.key_pem = client.key_pem;
		opts.key_pem_bytes = client.key_pem_bytes;
		cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_OK);
		/* Of an authority that the server does not know. */
		opts.cert_pem = alone.pem;
		opts.cert_pem_bytes = alone.pem_bytes;
		opts.key_pem = alone.key_pem;
		opts.key_pem_bytes = alone.key_pem_bytes;
		cr_expect_eq(meet_ctx(&opts, ctx, "db.example"),
			     AIBRIX_E_DENIED);
	}
	SSL_CTX_free(ctx);
}

Test(tls_peers, a_server_below_the_minimum_is_left)
{
	aibrix_tls_opts opts = opts_make(0);
	SSL_CTX *ctx = server_context(&good);

	MUST(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION));
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_OK);
	opts.min_version = AIBRIX_TLS_1_3;
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_E_IO);
	SSL_CTX_free(ctx);
	ctx = server_context(&good);
	SSL_CTX_set_security_level(ctx, 0);
	MUST(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION));
	MUST(SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION));
	opts.min_version = AIBRIX_TLS_1_2;
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_E_IO);
	SSL_CTX_free(ctx);
}

/* ---- options and files */

Test(tls_peers, options_out_of_range_are_refused)
{
	aibrix_tls_opts opts = opts_make(16);
	aibrix_tls_stat stat = {.size = sizeof(stat)};
	aibrix_tls *tls = NULL;

	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_ABI);
	opts = opts_make(0);
	cr_expect_eq(aibrix_tls_new(&opts, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_tls_new(NULL, NULL), AIBRIX_E_INVAL);
	opts.ca_file = "also a file";
	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_INVAL);
	opts = opts_make(0);
	opts.ca_pem_bytes = 0;
	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_INVAL);
	opts = opts_make(0);
	opts.key_file = "of no certificate";
	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_INVAL);
	opts = opts_make(0);
	opts.min_version = 2;
	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_INVAL);
	opts = opts_make(0);
	opts.spare = 1;
	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_ABI);
	opts = opts_make(0);
	opts.size = 8;
	cr_expect_eq(aibrix_tls_new(&opts, &tls), AIBRIX_E_INVAL);
	cr_expect_null(tls);
	cr_expect_null(aibrix_tls_stream(NULL));
	cr_expect_eq(aibrix_tls_stats(NULL, &stat), AIBRIX_E_INVAL);
	aibrix_tls_free(NULL);
}

struct folder {
	struct temp_path path;
	char ca[100], cert[100], key[100], both[100], bad[100], secret[100];
};

static void
file_write(char *path, const char *folder, const char *name, const char *a,
	   const char *b)
{
	FILE *f;

	snprintf(path, 100, "%.75s/%s", folder, name);
	f = fopen(path, "w");
	MUST(f && fputs(a, f) >= 0 && fputs(b, f) >= 0 && fclose(f) == 0);
}

static void
folder_make(struct folder *d)
{
	FILE *f;

	d->path = temp_folder_new();
	file_write(d->ca, d->path.text, "ca", alone.pem, ca.pem);
	file_write(d->cert, d->path.text, "cert", client.pem, ca.pem);
	file_write(d->key, d->path.text, "key", client.key_pem, "");
	file_write(d->both, d->path.text, "both", client.key_pem, client.pem);
	file_write(d->bad, d->path.text, "bad",
		   "-----BEGIN CERTIFICATE-----\nx", "");
	snprintf(d->secret, sizeof(d->secret), "%.75s/secret", d->path.text);
	f = fopen(d->secret, "w");
	MUST(f &&
	     PEM_write_PrivateKey(f, client.key, EVP_aes_128_cbc(),
				  (const unsigned char *)"pw", 2, NULL, NULL));
	MUST(fclose(f) == 0);
}

static void
folder_remove(struct folder *d)
{
	char *const all[] = {d->ca,   d->cert, d->key,
			     d->both, d->bad,  d->secret};

	for (size_t i = 0; i < 6; i++)
		unlink(all[i]);
	rmdir(d->path.text);
}

static int
files_try(const char *ca_file, const char *cert, const char *key)
{
	const aibrix_tls_opts opts = {.size = sizeof(opts),
				      .ca_file = ca_file,
				      .cert_file = cert,
				      .key_file = key,
				      .log = &keeper};
	aibrix_tls *tls = NULL;
	int err;

	lines = 0;
	err = aibrix_tls_new(&opts, &tls);
	cr_expect_eq(err == AIBRIX_OK, tls != NULL);
	cr_expect_eq(lines, err ? 1u : 0u);
	aibrix_tls_free(tls);
	return err;
}

Test(tls_peers, files_that_are_missing_or_broken_are_named)
{
	char absent[120], line[400];
	struct folder d;

	folder_make(&d);
	snprintf(absent, sizeof(absent), "%.75s/absent", d.path.text);
	cr_expect_eq(files_try(d.ca, d.cert, d.key), AIBRIX_OK);
	cr_expect_eq(files_try(d.ca, d.both, NULL), AIBRIX_OK);
	cr_expect_eq(files_try(d.ca, NULL, NULL), AIBRIX_OK);

	cr_expect_eq(files_try(absent, NULL, NULL), AIBRIX_E_IO);
	snprintf(line, sizeof(line),
		 "TLS: authorities cannot be used, from %s: %s", absent,
		 aibrix_strerror(AIBRIX_E_IO));
	cr_expect_str_eq(last_line, line);
	cr_expect_eq(files_try(d.bad, NULL, NULL), AIBRIX_E_PARSE);
	cr_expect_eq(files_try(d.key, NULL, NULL), AIBRIX_E_PARSE);
	cr_expect_eq(files_try(d.ca, absent, NULL), AIBRIX_E_IO);
	cr_expect_eq(files_try(d.ca, d.bad, NULL), AIBRIX_E_PARSE);
	cr_expect_eq(files_try(d.ca, d.cert, absent), AIBRIX_E_IO);
	cr_expect_eq(files_try(d.ca, d.cert, NULL), AIBRIX_E_PARSE);
	/* Another's key, and one that would need a password. */
	cr_expect_eq(files_try(d.ca, d.ca, d.key), AIBRIX_E_PARSE);
	cr_expect_eq(files_try(d.ca, d.cert, d.secret), AIBRIX_E_PARSE);
	folder_remove(&d);
}

Test(tls_peers, authorities_may_be_several_in_a_file_or_hashed_in_a_folder)
{
	aibrix_tls_opts opts = {.size = sizeof(opts)};
	SSL_CTX *ctx = server_context(&good);
	char hashed[128];
	struct folder d;

	folder_make(&d);
	opts.ca_file = d.ca;
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_OK);
	opts.ca_file = NULL;
	opts.ca_dir = d.path.text;
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_E_DENIED);
	file_write(d.cert, d.path.text, "cert", ca.pem, "");
	snprintf(hashed, sizeof(hashed), "%.75s/%08lx.0", d.path.text,
		 X509_subject_name_hash(ca.x));
	MUST(symlink(d.cert, hashed) == 0);
	cr_expect_eq(meet_ctx(&opts, ctx, "db.example"), AIBRIX_OK);
	unlink(hashed);
	folder_remove(&d);
	SSL_CTX_free(ctx);
}

/* ---- sessions */

struct meeting {
	aibrix_tls *tls;
	SSL_CTX *ctx;
	int listener;
	struct sockaddr_in addr;
};

static void
meeting_begin(struct meeting *m, uint32_t flags, int version)
{
	const aibrix_tls_opts opts = opts_make(flags);
	socklen_t n = sizeof(m->addr);

	cr_assert_eq(aibrix_tls_new(&opts, &m->tls), AIBRIX_OK);
	m->ctx = server_context(&good);
	MUST(SSL_CTX_set_max_proto_version(m->ctx, version));
	m->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	m->addr =
		(struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	MUST(bind(m->listener, (struct sockaddr *)&m->addr, n) == 0);
	MUST(listen(m->listener, 8) == 0);
	MUST(getsockname(m->listener, (struct sockaddr *)&m->addr, &n) == 0);
}

static void
meeting_end(struct meeting *m)
{
	aibrix_tls_free(m->tls);
	SSL_CTX_free(m->ctx);
	close(m->listener);
}

/* A connection by TCP, a few bytes, and its end; resumed sessions so far. */
static uint64_t
meeting_once(struct meeting *m, const char *host)
{
	const aibrix_stream *t = aibrix_tls_stream(m->tls);
	aibrix_tls_stat stat = {.size = sizeof(stat)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), at;
	struct tls_server server;
	uint64_t n = 0;
	uint32_t want;
	void *stream;
	char bytes[4];
	const aibrix_iov iov = {bytes, 4};
	int status = AIBRIX_E_AGAIN;

	MUST(connect(fd, (struct sockaddr *)&m->addr, sizeof(m->addr)) == 0);
	at = accept(m->listener, NULL, NULL);
	MUST(at >= 0);
	cr_assert_eq(t->start(t->ctx, fd, host, &stream), AIBRIX_OK);
	server_begin(&server, m->ctx, at);
	/* Loopback delivers before send returns, but recv must not wait. */
	MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO,
			&(struct timeval){.tv_usec = 1000},
			sizeof(struct timeval)) == 0);
	for (int i = 0; i < 1000 && status == AIBRIX_E_AGAIN; i++) {
		status = t->handshake(stream, &want);
		server_flush(&server);
		(void)SSL_do_handshake(server.ssl);
		server_flush(&server);
	}
	cr_assert_eq(status, AIBRIX_OK);
	for (int i = 0; i < 1000 && !SSL_is_init_finished(server.ssl); i++) {
		server_flush(&server);
		(void)SSL_do_handshake(server.ssl);
	}
	cr_assert_eq(SSL_write(server.ssl, "good", 4), 4);
	server_flush(&server);
	do
		status = t->read(stream, &iov, 1, &n, &want);
	while (status == AIBRIX_E_AGAIN);
	cr_expect_eq(n, 4u);
	cr_expect_arr_eq(bytes, "good", 4);
	t->stop(stream);
	server_end(&server);
	close(fd);
	cr_assert_eq(aibrix_tls_stats(m->tls, &stat), AIBRIX_OK);
	return stat.resumed;
}

Test(tls_peers, a_session_goes_on_with_the_same_address_and_host)
{
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		struct meeting m, other;

		meeting_begin(&m, 0, v);
		cr_expect_eq(meeting_once(&m, "db.example"), 0u);
		cr_expect_eq(meeting_once(&m, "db.example"), 1u);
		cr_expect_eq(meeting_once(&m, "db.example"), 2u);
		/* Another name must be proven anew. */
		cr_expect_eq(meeting_once(&m, "a.svc.example"), 2u);
		cr_expect_eq(meeting_once(&m, "a.svc.example"), 3u);
		cr_expect_eq(meeting_once(&m, "db.example"), 4u);
		/* So must another address. */
		meeting_begin(&other, 0, v);
		m.addr = other.addr;
		close(m.listener);
		m.listener = dup(other.listener);
		cr_expect_eq(meeting_once(&m, "db.example"), 4u);
		meeting_end(&other);
		meeting_end(&m);
	}
}

Test(tls_peers, a_server_that_forgot_the_session_gets_a_whole_handshake)
{
	struct meeting m;

	meeting_begin(&m, 0, TLS1_3_VERSION);
	cr_expect_eq(meeting_once(&m, "db.example"), 0u);
	SSL_CTX_free(m.ctx); /* restarted: its keys of tickets are new */
	m.ctx = server_context(&good);
	cr_expect_eq(meeting_once(&m, "db.example"), 0u);
	cr_expect_eq(meeting_once(&m, "db.example"), 1u);
	meeting_end(&m);
}

Test(tls_peers, a_server_that_changed_is_found_out_though_it_has_a_session)
{
	const aibrix_stream *t;
	struct tls_server server;
	struct meeting m;
	void *stream;
	int fd, at, status = AIBRIX_E_AGAIN;
	uint32_t want;

	meeting_begin(&m, 0, TLS1_3_VERSION);
	cr_expect_eq(meeting_once(&m, "db.example"), 0u);
	SSL_CTX_free(m.ctx);
	m.ctx = server_context(&alone);
	t = aibrix_tls_stream(m.tls);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(connect(fd, (struct sockaddr *)&m.addr, sizeof(m.addr)) == 0);
	at = accept(m.listener, NULL, NULL);
	MUST(at >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO,
				   &(struct timeval){.tv_usec = 1000},
				   sizeof(struct timeval)) == 0);
	cr_assert_eq(t->start(t->ctx, fd, "db.example", &stream), AIBRIX_OK);
	server_begin(&server, m.ctx, at);
	for (int i = 0; i < 1000 && status == AIBRIX_E_AGAIN; i++) {
		status = t->handshake(stream, &want);
		server_flush(&server);
		(void)SSL_do_handshake(server.ssl);
		server_flush(&server);
	}
	cr_expect_eq(status, AIBRIX_E_DENIED);
	t->stop(stream);
	server_end(&server);
	close(fd);
	meeting_end(&m);
}

Test(tls_peers, sessions_of_more_peers_than_there_is_room_for_are_replaced)
{
	struct meeting m;
	char host[32];

	meeting_begin(&m, 0, TLS1_3_VERSION);
	for (int i = 0; i < 70; i++) {
		snprintf(host, sizeof(host), "h%d.svc.example", i);
		cr_expect_eq(meeting_once(&m, host), 0u);
	}
	cr_expect_eq(meeting_once(&m, "h69.svc.example"), 1u);
	cr_expect_eq(meeting_once(&m, "h0.svc.example"), 1u);
	meeting_end(&m);
}

Test(tls_peers, sessions_may_be_refused)
{
	struct meeting m;

	meeting_begin(&m, AIBRIX_TLS_NO_RESUME, TLS1_3_VERSION);
	cr_expect_eq(meeting_once(&m, "db.example"), 0u);
	cr_expect_eq(meeting_once(&m, "db.example"), 0u);
	meeting_end(&m);
}
