/* Streams: bytes, ends, garbage. */

#include <criterion/criterion.h>

#include "base/rand.h"
#include "tls_tools.h"

static struct cert ca, server_cert;
static SSL_CTX *server_ctx;

static void
setup(void)
{
	cert_make(&ca, "authority", NULL, NULL, 0);
	cert_make(&server_cert, "x", "DNS:db.example,IP:127.0.0.1", &ca, 0);
	server_ctx = server_context(&server_cert);
}

static void
teardown(void)
{
	SSL_CTX_free(server_ctx);
	cert_free(&server_cert);
	cert_free(&ca);
}

TestSuite(tls, .init = setup, .fini = teardown);

/* A client and a server on a pair of sockets. */
struct link {
	aibrix_tls *tls;
	const aibrix_stream *t;
	void *stream;
	int fd;
	struct tls_server server;
};

static void
link_begin(struct link *l, uint32_t flags)
{
	aibrix_tls_opts opts = {.size = sizeof(opts),
				.flags = flags,
				.ca_pem = ca.pem,
				.ca_pem_bytes = ca.pem_bytes};
	int fd[2];

	pair_open(fd);
	l->fd = fd[0];
	cr_assert_eq(aibrix_tls_new(&opts, &l->tls), AIBRIX_OK);
	l->t = aibrix_tls_stream(l->tls);
	server_begin(&l->server, server_ctx, fd[1]);
	cr_assert_eq(l->t->start(l->t->ctx, fd[0], "db.example", &l->stream),
		     AIBRIX_OK);
}

static void
link_open(struct link *l, uint32_t flags)
{
	link_begin(l, flags);
	cr_assert_eq(handshake_both(&l->server, l->t, l->stream), AIBRIX_OK);
}

static void
link_close(struct link *l)
{
	l->t->stop(l->stream);
	aibrix_tls_free(l->tls);
	server_end(&l->server);
	close(l->fd);
}

/* One read of up to cap bytes. */
static int
link_read(struct link *l, void *out, uint64_t cap, uint64_t *bytes)
{
	const aibrix_iov iov = {out, cap};
	uint32_t want = 0;
	int err = l->t->read(l->stream, &iov, 1, bytes, &want);

	if (err == AIBRIX_E_AGAIN)
		cr_expect_eq(want, (uint32_t)AIBRIX_WANT_READ);
	return err;
}

static void
bytes_fill(uint8_t *out, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(rand_next(&seed) >> 40);
}

/* Cuts n bytes into up to 8 pieces, some of them empty. */
static uint32_t
pieces_cut(aibrix_iov *iov, uint8_t *bytes, size_t n, uint64_t *rand)
{
	uint32_t pieces = 0;

	for (size_t at = 0; pieces < 8 && (at < n || pieces == 0);) {
		size_t some = rand_below(rand, 4) == 0
				      ? rand_below(rand, 100)
				      : rand_below(rand, 40000);

		if (pieces == 7 || some > n - at)
			some = n - at;
		iov[pieces++] = (aibrix_iov){bytes + at, some};
		at += some;
	}
	return pieces;
}

enum { ALL = 300000 };

static void
client_to_server(struct link *l, uint64_t seed)
{
	uint8_t *from = malloc(ALL), *to = malloc(ALL);
	size_t sent = 0, got = 0;
	uint64_t rand = seed;

	cr_assert(from && to);
	bytes_fill(from, ALL, seed);
	while (got < ALL) {
		aibrix_iov iov[8];
		uint64_t bytes = 0;
		uint32_t want = 0, n;
		size_t some, most = ALL - sent, offered;
		int err;

		if (most > 100000)
			most = 100000;
		offered = most ? 1 + rand_below(&rand, (uint32_t)most) : 0;
		n = pieces_cut(iov, from + sent, offered, &rand);
		err = offered ? l->t->write(l->stream, iov, n, &bytes, &want)
			      : AIBRIX_OK;
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN, "%d", err);
		cr_assert_leq(bytes, offered);
		sent += bytes;
		if (err == AIBRIX_E_AGAIN)
			cr_assert_eq(want, (uint32_t)AIBRIX_WANT_WRITE);
		/* As after any news of the socket. */
		if (sent == ALL)
			(void)link_read(l, &(char){0}, 1, &bytes);
		(void)server_carry(&l->server);
		while (SSL_read_ex(l->server.ssl, to + got, ALL - got, &some) ==
		       1)
			got += some;
	}
	cr_expect_eq(sent, (size_t)ALL);
	cr_expect_arr_eq(from, to, ALL);
	free(from);
	free(to);
}

static void
server_to_client(struct link *l, uint64_t seed)
{
	uint8_t *from = malloc(ALL), *to = malloc(ALL);
	size_t sent = 0, got = 0;
	uint64_t rand = seed;

	cr_assert(from && to);
	bytes_fill(from, ALL, seed);
	while (got < ALL) {
		aibrix_iov iov[8];
		uint64_t bytes = 0;
		uint32_t want = 0, n;
		size_t some = 1 + rand_below(&rand, 50000);
		int err;

		if (some > ALL - sent)
			some = ALL - sent;
		if (some > 0) {
			cr_assert_eq(SSL_write(l->server.ssl, from + sent,
					       (int)some),
				     (int)some);
			sent += some;
		}
		(void)server_carry(&l->server);
		some = 1 + rand_below(&rand, 60000);
		if (some > ALL - got)
			some = ALL - got;
		n = pieces_cut(iov, to + got, some, &rand);
		err = l->t->read(l->stream, iov, n, &bytes, &want);
		cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN, "%d", err);
		cr_assert_leq(bytes, some);
		got += bytes;
	}
	cr_expect_arr_eq(from, to, ALL);
	cr_expect_eq(l->t->pending(l->stream), 0u);
	free(from);
	free(to);
}

Test(tls, bytes_arrive_exactly_however_they_are_cut)
{
	static const size_t steps[] = {0, 1000, 16384, 16406, 5};
	static const uint32_t flags[] = {0, AIBRIX_TLS_KERNEL};

	for (uint64_t seed = 0; seed < 10; seed++) {
		struct link l;

		link_open(&l, flags[seed % 2]);
		l.server.step = steps[seed / 2];
		if (l.server.step == 5) /* slowly */
			l.server.step = 200;
		client_to_server(&l, seed);
		server_to_client(&l, seed + 100);
		link_close(&l);
	}
}

Test(tls, a_handshake_may_come_byte_by_byte)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (size_t step = 1; step < 8; step += 3)
		for (size_t v = 0; v < 2; v++) {
			aibrix_tls_stat stat = {.size = sizeof(stat)};
			struct link l;

			link_begin(&l, 0);
			l.server.step = step;
			cr_assert(SSL_set_max_proto_version(l.server.ssl,
							    versions[v]));
			cr_assert_eq(handshake_both(&l.server, l.t, l.stream),
				     AIBRIX_OK);
			cr_expect_eq(SSL_version(l.server.ssl), versions[v]);
			cr_assert_eq(aibrix_tls_stats(l.tls, &stat), 0);
			cr_expect_eq(stat.streams, 1u);
			cr_expect_eq(stat.handshakes, 1u);
			cr_expect_eq(stat.failed + stat.denied, 0u);
			link_close(&l);
		}
}

/* Fills the socket; what write took. */
static uint64_t
link_stuff(struct link *l, uint8_t *bytes, uint64_t n)
{
	uint64_t sent = 0, some = 0;
	uint32_t want = 0;
	int err;

	do {
		const aibrix_iov iov = {bytes + sent, n - sent};

		err = l->t->write(l->stream, &iov, 1, &some, &want);
		sent += err == AIBRIX_OK ? some : 0;
	} while (err == AIBRIX_OK);
	cr_assert_eq(err, AIBRIX_E_AGAIN);
	cr_expect_eq(want, (uint32_t)AIBRIX_WANT_WRITE);
	cr_assert_lt(sent, n);
	return sent;
}

static void
server_expects(struct link *l, const uint8_t *bytes, uint64_t n)
{
	uint8_t *to = malloc(n);
	uint64_t got = 0, none = 0;
	size_t some;
	char byte;

	cr_assert_not_null(to);
	for (int quiet = 0; got < n && quiet < 4;) {
		server_flush(&l->server);
		quiet++;
		while (SSL_read_ex(l->server.ssl, to + got, n - got, &some) ==
		       1) {
			got += some;
			quiet = 0;
		}
		/* As after any news of the socket. */
		cr_expect_eq(link_read(l, &byte, 1, &none), AIBRIX_E_AGAIN);
	}
	cr_expect_eq(got, n);
	cr_expect_arr_eq(to, bytes, n);
	free(to);
}

Test(tls, a_record_that_did_not_fit_goes_with_the_next_read)
{
	enum { LOTS = 4 << 20 };
	uint8_t *bytes = malloc(LOTS), other[8] = "another";
	const aibrix_iov iov = {other, sizeof(other)};
	uint64_t sent, some = 0;
	uint32_t want;
	struct link l;

	cr_assert(bytes);
	bytes_fill(bytes, LOTS, 1);
	for (int i = 0; i < 2; i++) {
		link_open(&l, 0);
		/* A tail after the head, so that records are gathered. */
		sent = link_stuff(&l, bytes + i, LOTS - i);
		server_expects(&l, bytes + i, sent);
		/* What was behind it was given up. */
		cr_assert_eq(l.t->write(l.stream, &iov, 1, &some, &want),
			     AIBRIX_OK);
		server_expects(&l, other, sizeof(other));
		link_close(&l);
	}
	free(bytes);
}

Test(tls, a_record_that_did_not_fit_goes_before_the_next_write)
{
	enum { LOTS = 4 << 20 };
	uint8_t *bytes = malloc(LOTS), *to = malloc(LOTS);
	size_t got = 0, some;
	uint64_t sent, more = 0;
	uint32_t want;
	struct link l;
	int err;

	cr_assert(bytes && to);
	bytes_fill(bytes, LOTS, 2);
	link_open(&l, 0);
	sent = link_stuff(&l, bytes, LOTS);
	while (got < LOTS) {
		server_flush(&l.server);
		while (SSL_read_ex(l.server.ssl, to + got, LOTS - got, &some) ==
		       1)
			got += some;
		if (sent < LOTS) {
			const aibrix_iov iov = {bytes + sent, LOTS - sent};

			err = l.t->write(l.stream, &iov, 1, &more, &want);
			cr_assert(err == AIBRIX_OK || err == AIBRIX_E_AGAIN);
			sent += err == AIBRIX_OK ? more : 0;
		} else {
			(void)link_read(&l, &(char){0}, 1, &more);
		}
	}
	cr_expect_arr_eq(bytes, to, LOTS);
	link_close(&l);
	free(bytes);
	free(to);
}

Test(tls, what_was_read_ahead_is_pending)
{
	uint8_t bytes[50000], out[50000];
	uint64_t got = 0;
	struct link l;

	bytes_fill(bytes, sizeof(bytes), 3);
	link_open(&l, 0);
	cr_expect_eq(link_read(&l, out, sizeof(out), &got), AIBRIX_E_AGAIN);
	cr_expect_eq(l.t->pending(l.stream), 0u);
	/* Four records, of which the last is short. */
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 50000), 50000);
	server_flush(&l.server);
	cr_assert_eq(link_read(&l, out, 10, &got), AIBRIX_OK);
	cr_expect_eq(got, 10u);
	cr_expect_eq(l.t->pending(l.stream), 16374u);
	/* To the end of the first: the others are not seen at the socket. */
	cr_assert_eq(link_read(&l, out + 10, 16374, &got), AIBRIX_OK);
	cr_expect_eq(recv(l.fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	cr_expect_geq(l.t->pending(l.stream), 1u);
	cr_assert_eq(link_read(&l, out + 16384, 33615, &got), AIBRIX_OK);
	cr_expect_eq(got, 33615u);
	cr_expect_eq(l.t->pending(l.stream), 1u);
	cr_assert_eq(link_read(&l, out + 49999, 1, &got), AIBRIX_OK);
	cr_expect_eq(l.t->pending(l.stream), 0u);
	cr_expect_arr_eq(bytes, out, sizeof(bytes));
	link_close(&l);
}

Test(tls, a_record_of_which_half_was_read_ahead_is_not_pending_for_ever)
{
	uint8_t bytes[2000] = {0};
	uint64_t got = 0;
	struct link l;

	link_open(&l, 0);
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 1000), 1000);
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 1000), 1000);
	l.server.step = 1500;
	(void)server_carry(&l.server);
	cr_assert_eq(link_read(&l, bytes, 1000, &got), AIBRIX_OK);
	cr_assert_eq(link_read(&l, bytes, 1000, &got), AIBRIX_E_AGAIN);
	cr_expect_eq(l.t->pending(l.stream), 0u);
	server_flush(&l.server);
	cr_assert_eq(link_read(&l, bytes, 2000, &got), AIBRIX_OK);
	cr_expect_eq(got, 1000u);
	link_close(&l);
}

Test(tls, a_goodbye_is_told_from_a_cut)
{
	uint8_t bytes[100] = {7}, out[200];
	uint64_t got = 0;
	struct link l;

	link_open(&l, 0);
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 100), 100);
	(void)SSL_shutdown(l.server.ssl);
	server_flush(&l.server);
	cr_assert_eq(link_read(&l, out, 200, &got), AIBRIX_OK);
	cr_expect_eq(got, 100u);
	cr_expect_eq(link_read(&l, out, 200, &got), AIBRIX_E_CLOSED);
	cr_expect_eq(link_read(&l, out, 200, &got), AIBRIX_E_CLOSED);
	link_close(&l);

	/* Cut between two records. */
	link_open(&l, 0);
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 100), 100);
	server_flush(&l.server);
	shutdown(l.server.fd, SHUT_WR);
	cr_assert_eq(link_read(&l, out, 200, &got), AIBRIX_OK);
	cr_expect_eq(link_read(&l, out, 200, &got), AIBRIX_E_IO);
	link_close(&l);

	/* In the middle of one: none of it was given out. */
	link_open(&l, 0);
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 100), 100);
	l.server.step = 60;
	(void)server_carry(&l.server);
	shutdown(l.server.fd, SHUT_WR);
	got = 77;
	cr_expect_eq(link_read(&l, out, 200, &got), AIBRIX_E_IO);
	cr_expect_eq(got, 77u);
	link_close(&l);
}

Test(tls, a_turned_bit_is_an_error_and_gives_no_bytes)
{
	uint8_t bytes[100] = {7}, out[200], wire[300];
	uint64_t got = 77;
	struct link l;
	ssize_t n;

	link_open(&l, 0);
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 100), 100);
	n = BIO_read(l.server.out, wire, sizeof(wire));
	cr_assert_gt(n, 100);
	wire[n / 2] ^= 1;
	cr_assert_eq(send(l.server.fd, wire, (size_t)n, 0), n);
	cr_expect_eq(link_read(&l, out, 200, &got), AIBRIX_E_IO);
	cr_expect_eq(got, 77u);
	cr_expect_eq(link_read(&l, out, 200, &got), AIBRIX_E_IO);
	link_close(&l);
}

Test(tls, a_handshake_with_garbage_ends)
{
	static const char *const texts[] = {
		"-ERR unknown command\r\n", "HTTP/1.1 400 Bad Request\r\n",
		"\x16\x03\x03\xff\xff", "\x15\x03\x03\x00\x02\x02\x28",
		"\x80\x80\x01\x03\x01"};

	for (size_t i = 0; i < 5; i++) {
		aibrix_tls_stat stat = {.size = sizeof(stat)};
		uint32_t want = 0;
		struct link l;

		link_begin(&l, 0);
		cr_expect_eq(l.t->handshake(l.stream, &want), AIBRIX_E_AGAIN);
		cr_expect_eq(want, (uint32_t)AIBRIX_WANT_READ);
		cr_assert_gt(send(l.server.fd, texts[i],
				  i == 3 ? 7 : strlen(texts[i]), 0),
			     0);
		cr_expect_eq(l.t->handshake(l.stream, &want), AIBRIX_E_IO,
			     "text %zu", i);
		cr_expect_eq(l.t->handshake(l.stream, &want), AIBRIX_E_IO);
		cr_assert_eq(aibrix_tls_stats(l.tls, &stat), 0);
		cr_expect_eq(stat.failed, 1u);
		link_close(&l);
	}
}

Test(tls, a_handshake_that_is_cut_anywhere_ends)
{
	for (size_t cut = 0; cut < 900; cut += 13) {
		uint32_t want = 0;
		struct link l;
		char wire[8192];
		long n;
		int err, whole;

		link_begin(&l, 0);
		cr_assert_eq(l.t->handshake(l.stream, &want), AIBRIX_E_AGAIN);
		(void)server_carry(&l.server);
		(void)SSL_do_handshake(l.server.ssl);
		n = BIO_read(l.server.out, wire, sizeof(wire));
		cr_assert_gt(n, 0);
		whole = (size_t)n <= cut;
		if (!whole)
			n = (long)cut;
		if (n > 0)
			cr_assert_eq(send(l.server.fd, wire, (size_t)n, 0), n);
		shutdown(l.server.fd, SHUT_WR);
		do
			err = l.t->handshake(l.stream, &want);
		while (err == AIBRIX_E_AGAIN && want == AIBRIX_WANT_WRITE);
		cr_expect_eq(err, whole ? AIBRIX_OK : AIBRIX_E_IO, "cut %zu",
			     cut);
		link_close(&l);
	}
}

Test(tls, no_signal_is_raised_when_the_other_side_is_gone)
{
	static const uint32_t flags[] = {0, AIBRIX_TLS_KERNEL};

	for (size_t i = 0; i < 2; i++) {
		uint8_t bytes[100] = {0};
		const aibrix_iov iov = {bytes, sizeof(bytes)};
		uint64_t sent;
		uint32_t want;
		struct link l;

		link_open(&l, flags[i]);
		close(l.server.fd);
		l.server.fd = -1;
		cr_expect_eq(l.t->write(l.stream, &iov, 1, &sent, &want),
			     AIBRIX_E_IO);
		cr_expect_eq(l.t->write(l.stream, &iov, 1, &sent, &want),
			     AIBRIX_E_IO);
		link_close(&l);

		/* Nor by a goodbye. */
		link_open(&l, flags[i]);
		close(l.server.fd);
		l.server.fd = -1;
		link_close(&l);
	}
}

Test(tls, a_goodbye_is_said)
{
	uint8_t out[10];
	size_t got;
	struct link l;
	int result;

	link_open(&l, 0);
	l.t->stop(l.stream);
	server_flush(&l.server);
	result = SSL_read_ex(l.server.ssl, out, 10, &got);
	cr_expect_eq(SSL_get_error(l.server.ssl, result),
		     SSL_ERROR_ZERO_RETURN);
	aibrix_tls_free(l.tls);
	server_end(&l.server);
	close(l.fd);
}

Test(tls, there_is_no_second_handshake)
{
	uint8_t out[10];
	uint64_t got;
	struct link l;
	int err;

	link_begin(&l, 0);
	cr_assert(SSL_set_max_proto_version(l.server.ssl, TLS1_2_VERSION));
	cr_assert_eq(handshake_both(&l.server, l.t, l.stream), AIBRIX_OK);
	cr_assert_eq(SSL_renegotiate(l.server.ssl), 1);
	for (int i = 0; i < 4; i++) {
		(void)SSL_do_handshake(l.server.ssl);
		server_flush(&l.server);
		err = link_read(&l, out, 10, &got);
		cr_expect(err == AIBRIX_E_AGAIN || err == AIBRIX_E_IO);
		server_flush(&l.server);
		(void)SSL_read(l.server.ssl, out, 10);
	}
	cr_expect_eq(SSL_CTX_sess_accept_good(server_ctx), 1);
	link_close(&l);
}

Test(tls, keys_may_be_renewed_on_the_way)
{
	uint8_t bytes[10] = "renewed", out[10];
	uint64_t got = 0;
	struct link l;

	link_open(&l, 0);
	cr_assert(SSL_key_update(l.server.ssl, SSL_KEY_UPDATE_REQUESTED));
	cr_assert_eq(SSL_write(l.server.ssl, bytes, 10), 10);
	server_flush(&l.server);
	cr_assert_eq(link_read(&l, out, 10, &got), AIBRIX_OK);
	cr_expect_arr_eq(bytes, out, 10);
	client_to_server(&l, 5);
	link_close(&l);
}

Test(tls, calls_out_of_order_are_refused)
{
	aibrix_iov iov = {NULL, 0};
	uint64_t n = 0;
	uint32_t want;
	struct link l;

	link_begin(&l, 0);
	cr_expect_eq(l.t->read(l.stream, &iov, 1, &n, &want), AIBRIX_E_STATE);
	cr_expect_eq(l.t->write(l.stream, &iov, 1, &n, &want), AIBRIX_E_STATE);
	cr_expect_eq(l.t->pending(l.stream), 0u);
	cr_assert_eq(handshake_both(&l.server, l.t, l.stream), AIBRIX_OK);
	cr_expect_eq(l.t->handshake(l.stream, &want), AIBRIX_OK);
	/* Nothing to fill in or send. */
	cr_expect_eq(l.t->read(l.stream, &iov, 1, &n, &want), AIBRIX_E_INVAL);
	cr_expect_eq(l.t->write(l.stream, &iov, 1, &n, &want), AIBRIX_E_INVAL);
	cr_expect_eq(l.t->read(l.stream, NULL, 1, &n, &want), AIBRIX_E_INVAL);
	cr_expect_eq(l.t->read(NULL, &iov, 1, &n, &want), AIBRIX_E_INVAL);
	cr_expect_eq(l.t->handshake(NULL, &want), AIBRIX_E_INVAL);
	l.t->stop(NULL);
	link_close(&l);
}
