/* The Redis and Valkey backend on a real server, through TLS. */
#include "resp_tools.h"

#include <aibrix/tls.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static aibrix_tls *
tls_make_with(const char *ca, const struct redis_server *client, uint32_t flags)
{
	const aibrix_tls_opts opts = {
		.size = sizeof(opts),
		.flags = flags,
		.ca_file = ca,
		.cert_file = client ? client->client_cert : NULL,
		.key_file = client ? client->client_key : NULL};
	aibrix_tls *tls = NULL;

	cr_assert_eq(aibrix_tls_new(&opts, &tls), AIBRIX_OK);
	return tls;
}

static aibrix_tls *
tls_make(const char *ca, const struct redis_server *client)
{
	return tls_make_with(ca, client, 0);
}

static aibrix_store *
store_make(const struct redis_server *server, const char *host,
	   const aibrix_tls *tls)
{
	const aibrix_resp_opts opts = {.size = sizeof(opts),
				       .stream = aibrix_tls_stream(tls)};
	struct resp_url_text url;

	snprintf(url.text, sizeof(url.text), "rediss://%s:%d", host,
		 server->tls_port);
	return resp_open_with(url.text, &opts);
}

static aibrix_tls_stat
tls_stat(const aibrix_tls *tls)
{
	aibrix_tls_stat stat = {.size = sizeof(stat)};

	cr_assert_eq(aibrix_tls_stats(tls, &stat), AIBRIX_OK);
	return stat;
}

enum { VALUES = 24, VALUE = 1 << 20 };

/* All of an operation at once. */
static void
values_do(aibrix_store *store, uint32_t op, uint8_t *memory)
{
	char keys[VALUES][16];
	aibrix_iov iov[VALUES];
	uint32_t n;

	for (uint32_t i = 0; i < VALUES; i++) {
		aibrix_io io;

		snprintf(keys[i], sizeof(keys[i]), "v%u", (unsigned)i);
		/* None ends where a record does. */
		iov[i] = (aibrix_iov){memory + (size_t)i * VALUE, VALUE - i};
		io = io_of(op, keys[i], &iov[i], i);
		resp_submit(store, &io);
	}
	for (uint32_t left = VALUES; left > 0; left -= n) {
		aibrix_done dones[VALUES];

		cr_assert_eq(aibrix_store_poll(store, dones, VALUES, resp_now(),
					       RESP_HANG_NS, &n),
			     AIBRIX_OK);
		cr_assert_gt(n, 0u);
		for (uint32_t k = 0; k < n; k++)
			cr_assert_eq(dones[k].status, AIBRIX_OK);
	}
}

static aibrix_tls_stat
large_values(uint32_t flags)
{
	const struct redis_opts server_opts = {.tls = REDIS_TLS};
	struct redis_server server = resp_server(&server_opts);
	aibrix_tls *tls = tls_make_with(server.ca, NULL, flags);
	aibrix_store *store = store_make(&server, "127.0.0.1", tls);
	uint8_t *from = malloc((size_t)VALUES * VALUE);
	uint8_t *to = malloc((size_t)VALUES * VALUE);
	aibrix_tls_stat stat;

	cr_assert(from && to);
	for (size_t i = 0; i < (size_t)VALUES * VALUE; i++)
		from[i] = (uint8_t)(i * 2654435761u >> 13);
	resp_works(store);
	values_do(store, AIBRIX_STORE_PUT, from);
	values_do(store, AIBRIX_STORE_GET, to);
	for (size_t i = 0; i < VALUES; i++)
		cr_expect_eq(
			memcmp(from + i * VALUE, to + i * VALUE, VALUE - i), 0,
			"value %zu", i);
	cr_expect_eq(tls_stat(tls).handshakes, store_stat(store).connects);
	stat = tls_stat(tls);
	cr_expect_eq(stat.denied + stat.failed, 0u);
	aibrix_store_free(store);
	aibrix_tls_free(tls);
	free(from);
	free(to);
	redis_stop(&server);
	return stat;
}

Test(tls_redis, large_values_come_back_as_they_were_put)
{
	cr_expect_eq(large_values(0).kernel, 0u);
}

/* A connection of the kernel's own can be told to speak TLS. */
static int
kernel_can(const struct redis_server *server)
{
	int fd = talk_tcp("127.0.0.1", server->port), good;

	good = fd >= 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

/* Where it cannot, OpenSSL does, and the statistics say so. */
Test(tls_redis, so_they_do_when_the_kernel_is_asked_to_encrypt)
{
	struct redis_server server = resp_server(NULL);
	const int can = kernel_can(&server);
	const aibrix_tls_stat stat = large_values(AIBRIX_TLS_KERNEL);

	cr_log_info("kernel with TLS: %d; it encrypts %d of %d connections",
		    can, (int)stat.kernel, (int)stat.handshakes);
	if (!can)
		cr_expect_eq(stat.kernel, 0u);
	redis_stop(&server);
}

Test(tls_redis, a_server_that_was_restarted_is_found_again)
{
	const struct redis_opts server_opts = {.tls = REDIS_TLS};
	struct redis_server server = resp_server(&server_opts);
	aibrix_tls *tls = tls_make(server.ca, NULL);
	aibrix_store *store = store_make(&server, "localhost", tls);
	const int64_t begin = talk_now_ms();
	int status;

	resp_works(store);
	redis_kill(&server);
	cr_expect_neq(resp_ask(store, AIBRIX_STORE_PROBE, "key").status,
		      AIBRIX_OK);
	cr_assert_eq(redis_restart(&server), 0);
	do
		status = resp_put(store, "key", "value").status;
	while (status != AIBRIX_OK && talk_now_ms() - begin < TALK_HANG_MS);
	cr_expect_eq(status, AIBRIX_OK);
	aibrix_store_free(store);
	aibrix_tls_free(tls);
	redis_stop(&server);
}

Test(tls_redis, a_server_is_who_its_certificate_says)
{
	const struct redis_opts server_opts = {.tls = REDIS_TLS,
					       .tls_names = "DNS:other"};
	struct redis_server server = resp_server(&server_opts);
	aibrix_tls *tls = tls_make(server.ca, NULL);
	aibrix_tls *stranger = tls_make(server.stranger_ca, NULL);
	aibrix_store *store = store_make(&server, "127.0.0.1", tls);
	char text[8];

	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_E_DENIED);
	cr_expect_geq(tls_stat(tls).denied, 1u);
	aibrix_store_free(store);
	store = store_make(&server, "127.0.0.1", stranger);
	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_E_DENIED);
	aibrix_store_free(store);
	aibrix_tls_free(stranger);
	aibrix_tls_free(tls);
	redis_stop(&server);
}

Test(tls_redis, an_expired_certificate_is_denied)
{
	const struct redis_opts server_opts = {.tls = REDIS_TLS_EXPIRED};
	struct redis_server server = resp_server(&server_opts);
	aibrix_tls *tls = tls_make(server.ca, NULL);
	aibrix_store *store = store_make(&server, "127.0.0.1", tls);
	char text[8];

	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_E_DENIED);
	aibrix_store_free(store);
	aibrix_tls_free(tls);
	redis_stop(&server);
}

Test(tls_redis, a_server_that_wants_certificates_gets_ours)
{
	const struct redis_opts server_opts = {.tls = REDIS_TLS_CLIENTS};
	struct redis_server server = resp_server(&server_opts);
	aibrix_tls *tls = tls_make(server.ca, &server);
	aibrix_tls *bare = tls_make(server.ca, NULL);
	aibrix_store *store = store_make(&server, "127.0.0.1", tls);
	char text[8];
	int status;

	resp_works(store);
	aibrix_store_free(store);
	store = store_make(&server, "127.0.0.1", bare);
	status = resp_get(store, "key", text, 8).status;
	/* The reset may overtake what it had to say. */
	cr_expect(status == AIBRIX_E_DENIED || status == AIBRIX_E_IO, "%s",
		  aibrix_error_name(status));
	aibrix_store_free(store);
	aibrix_tls_free(bare);
	aibrix_tls_free(tls);
	redis_stop(&server);
}

Test(tls_redis, a_server_without_tls_is_no_answer)
{
	struct redis_server server = resp_server(NULL);
	aibrix_tls *tls = tls_make(NULL, NULL);
	aibrix_store *store;
	char text[8];

	server.tls_port = server.port;
	store = store_make(&server, "127.0.0.1", tls);
	cr_expect_neq(resp_get(store, "key", text, 8).status, AIBRIX_OK);
	aibrix_store_free(store);
	aibrix_tls_free(tls);
	redis_stop(&server);
}
