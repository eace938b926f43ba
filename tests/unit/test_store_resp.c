/* The Redis and Valkey backend on real servers. */
#include <fcntl.h>
#include <unistd.h>

#include "resp_tools.h"

Test(store_resp, a_value_comes_back_as_it_was_put)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);
	aibrix_done done;
	char text[64];

	done = resp_put(store, "key", "a\r\nvalue\r\n");
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 10);
	cr_expect_eq(done.flags, 0);
	done = resp_get(store, "key", text, sizeof(text));
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 10);
	cr_expect_str_eq(text, "a\r\nvalue\r\n");
	done = resp_ask(store, AIBRIX_STORE_PROBE, "key");
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 10);
	cr_expect_eq(resp_ask(store, AIBRIX_STORE_DELETE, "key").status,
		     AIBRIX_OK);
	cr_expect_eq(resp_ask(store, AIBRIX_STORE_DELETE, "key").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(resp_ask(store, AIBRIX_STORE_PROBE, "key").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(resp_get(store, "key", text, sizeof(text)).status,
		     AIBRIX_E_NOT_FOUND);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, the_first_value_of_a_key_stays)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);
	aibrix_done done;
	char text[64];

	cr_assert_eq(resp_put(store, "key", "first").status, AIBRIX_OK);
	done = resp_put(store, "key", "second");
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(done.bytes, 0);
	resp_get(store, "key", text, sizeof(text));
	cr_expect_str_eq(text, "first");
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, an_empty_value_is_refused)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);

	cr_expect_eq(resp_put(store, "key", "").status, AIBRIX_E_INVAL);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_value_longer_than_its_place_tells_its_length)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);
	aibrix_done done;
	char text[64];

	cr_assert_eq(resp_put(store, "key", "0123456789").status, AIBRIX_OK);
	cr_assert_eq(resp_put(store, "other", "value").status, AIBRIX_OK);
	done = resp_get(store, "key", text, 10);
	cr_expect_eq(done.status, AIBRIX_E_SPACE);
	cr_expect_eq(done.bytes, 10);
	cr_expect_eq(text[0], 0, "nothing was written");
	cr_expect_eq(resp_get(store, "other", text, 64).status, AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	cr_expect_eq(store_stat(store).connects, 1, "it stays connected");
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_unix_socket_and_ipv6_are_addresses_too)
{
	struct redis_server server = resp_server(NULL);
	struct resp_url_text url;
	aibrix_store *store;

	snprintf(url.text, sizeof(url.text), "unix://%s?db=3", server.socket);
	store = resp_open_with(url.text, NULL);
	resp_works(store);
	cr_assert_eq(resp_put(store, "key", "value").status, AIBRIX_OK);
	cr_expect(redis_says(&server, "EXISTS key", ":0\r\n"));
	aibrix_store_free(store);
	if (server.has_ipv6) {
		snprintf(url.text, sizeof(url.text), "redis://[::1]:%d/3",
			 server.port);
		store = resp_open_with(url.text, NULL);
		cr_expect_eq(resp_ask(store, AIBRIX_STORE_PROBE, "key").status,
			     AIBRIX_OK);
		aibrix_store_free(store);
	}
	redis_stop(&server);
}

Test(store_resp, a_password_opens_the_door_and_a_wrong_one_is_denied)
{
	struct redis_opts opts = {.password = "p@ss:word/"};
	struct redis_server server = resp_server(&opts);
	struct resp_url_text url;
	aibrix_store *store;
	char text[8];

	snprintf(url.text, sizeof(url.text),
		 "redis://:p%%40ss:word%%2f@127.0.0.1:%d", server.port);
	store = resp_open_with(url.text, NULL);
	resp_works(store);
	aibrix_store_free(store);

	snprintf(url.text, sizeof(url.text), "redis://:wrong@127.0.0.1:%d",
		 server.port);
	store = resp_open_with(url.text, NULL);
	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_E_DENIED);
	aibrix_store_free(store);

	store = resp_open_with(resp_tcp(server.port).text, NULL);
	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_E_DENIED);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_user_may_do_what_its_rules_say)
{
	static const char *const lines[] = {
		"user kv on >secret ~kv:* +get +set +strlen", NULL};
	struct redis_opts server_opts = {.lines = lines};
	struct redis_server server = resp_server(&server_opts);
	aibrix_resp_opts opts = {.size = sizeof(opts),
				 .user = "kv",
				 .password = "secret",
				 .prefix = "kv:"};
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, &opts);
	char text[8];

	cr_expect_eq(resp_put(store, "a", "1").status, AIBRIX_OK);
	cr_expect_eq(resp_get(store, "a", text, 8).status, AIBRIX_OK);
	cr_expect_eq(resp_ask(store, AIBRIX_STORE_DELETE, "a").status,
		     AIBRIX_E_DENIED, "UNLINK is not in its rules");
	cr_expect_eq(resp_get(store, "a", text, 8).status, AIBRIX_OK,
		     "and that costs nothing else");
	cr_expect(redis_says(&server, "GET kv:a", "$1\r\n1\r\n"));
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, keys_are_raw_or_hexadecimal_between_prefix_and_suffix)
{
	struct redis_server server = resp_server(NULL);
	aibrix_resp_opts opts = {.size = sizeof(opts),
				 .key_text = AIBRIX_RESP_HEX,
				 .prefix = "m1/",
				 .suffix = "_worker_0"};
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, &opts);

	cr_assert_eq(resp_put(store, "k\x01\xff", "value").status, AIBRIX_OK);
	cr_expect(redis_says(&server, "GET m1/6b01ff_worker_0",
			     "$5\r\nvalue\r\n"));
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_key_that_is_too_long_for_the_wire_is_told)
{
	struct redis_server server = resp_server(NULL);
	aibrix_resp_opts opts = {.size = sizeof(opts),
				 .key_text = AIBRIX_RESP_HEX,
				 .prefix = "p"};
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, &opts);
	char key[257];

	memset(key, 'k', 256);
	key[256] = '\0';
	cr_expect_eq(resp_put(store, key, "value").status, AIBRIX_E_INVAL);
	key[255] = '\0';
	cr_expect_eq(resp_put(store, key, "value").status, AIBRIX_OK);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, values_end_after_their_time_to_live)
{
	struct redis_server server = resp_server(NULL);
	aibrix_resp_opts opts = {.size = sizeof(opts), .ttl_ns = 7200000000000};
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, &opts);
	char reply[64];

	cr_assert_eq(resp_put(store, "key", "value").status, AIBRIX_OK);
	cr_assert_gt(redis_ask(&server, "PTTL key", reply, 64), 0);
	cr_expect_gt(atoll(reply + 1), 7000000);
	cr_expect_leq(atoll(reply + 1), 7200000);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_server_without_memory_takes_no_values_and_gives_them)
{
	static const char *const lines[] = {
		"maxmemory 1mb", "maxmemory-policy noeviction", NULL};
	struct redis_opts server_opts = {.lines = lines};
	struct redis_server server = resp_server(&server_opts);
	aibrix_store *store;
	char text[8];

	cr_assert(redis_says(&server, "CONFIG SET maxmemory 0", "+OK\r\n"));
	store = resp_open_with(resp_tcp(server.port).text, NULL);
	cr_assert_eq(resp_put(store, "key", "value").status, AIBRIX_OK);
	cr_assert(redis_says(&server, "CONFIG SET maxmemory 1", "+OK\r\n"));
	cr_expect_eq(resp_put(store, "more", "value").status, AIBRIX_E_FULL);
	cr_expect_eq(store_stat(store).refused, 0);
	cr_expect_eq(resp_put(store, "more", "value").status, AIBRIX_E_FULL);
	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	cr_expect_eq(resp_node(store).state, AIBRIX_NODE_CLOSED);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_replica_is_read_and_takes_no_values)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);
	char text[8];

	cr_assert_eq(resp_put(store, "key", "value").status, AIBRIX_OK);
	/* Nobody is there, so it keeps what it has. */
	cr_assert(redis_says(&server, "REPLICAOF 127.0.0.1 1", "+OK\r\n"));
	cr_expect_eq(resp_put(store, "more", "value").status,
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(resp_get(store, "key", text, 8).status, AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_server_that_is_gone_costs_misses_and_no_deadlines)
{
	struct redis_server server = resp_server(NULL);
	aibrix_resp_opts opts = {.size = sizeof(opts),
				 .backoff_min_ns = 1000000,
				 .backoff_max_ns = 10000000};
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, &opts);
	int64_t start;
	char text[8];

	resp_works(store);
	redis_kill(&server);
	start = talk_now_ms();
	for (int i = 0; i < 50; i++) {
		int status = resp_get(store, "key", text, 8).status;

		cr_expect(status == AIBRIX_E_CLOSED || status == AIBRIX_E_IO ||
				  status == AIBRIX_E_UNAVAILABLE,
			  "%d", status);
	}
	cr_expect_lt(talk_now_ms() - start, TALK_HANG_MS / 2);
	cr_expect_gt(store_stat(store).refused, 0);
	cr_assert_eq(redis_restart(&server), 0, "%s", server.reason);
	start = talk_now_ms();
	while (resp_get(store, "key", text, 8).status != AIBRIX_E_NOT_FOUND)
		cr_assert_lt(talk_now_ms() - start, TALK_HANG_MS);
	while (resp_node(store).state != AIBRIX_NODE_CLOSED)
		resp_get(store, "key", text, 8);
	resp_works(store);
	aibrix_store_free(store);
	redis_stop(&server);
}

/* A DELETE is not sent twice: one that meets an ended connection is lost. */
Test(store_resp, a_connection_that_ended_while_nobody_looked_is_not_sent_on)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);

	cr_assert_eq(resp_put(store, "key", "value").status, AIBRIX_OK);
	cr_assert_eq(redis_restart(&server), 0, "%s", server.reason);
	cr_expect_eq(resp_ask(store, AIBRIX_STORE_DELETE, "key").status,
		     AIBRIX_E_NOT_FOUND, "it is empty");
	cr_expect_eq(store_stat(store).errors, 0);
	cr_expect_eq(store_stat(store).connects, 2);
	aibrix_store_free(store);
	redis_stop(&server);
}

Test(store_resp, a_server_that_stalls_is_left_alone_and_comes_back)
{
	struct redis_server server = resp_server(NULL);
	aibrix_resp_opts opts = {.size = sizeof(opts),
				 .connect_timeout_ns = 20000000,
				 .backoff_min_ns = 1000000,
				 .backoff_max_ns = 10000000};
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, &opts);
	char text[8];
	aibrix_iov iov = {text, sizeof(text)};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "key", &iov, 1);
	int64_t start;

	cr_assert_eq(resp_put(store, "key", "value").status, AIBRIX_OK);
	redis_stall(&server);
	start = talk_now_ms();
	for (int i = 0; i < 20; i++) {
		int status;

		io.deadline_ns = resp_now() + 20000000;
		status = resp_do(store, &io).status;
		cr_expect(status == AIBRIX_E_TIMEOUT ||
				  status == AIBRIX_E_UNAVAILABLE,
			  "%d", status);
	}
	cr_expect_lt(talk_now_ms() - start, 20 * 20 * 20,
		     "20 times the deadlines");
	cr_expect_gt(store_stat(store).refused, 0);
	redis_resume(&server);
	start = talk_now_ms();
	while (resp_get(store, "key", text, 8).status != AIBRIX_OK)
		cr_assert_lt(talk_now_ms() - start, TALK_HANG_MS);
	cr_expect_str_eq(text, "value");
	aibrix_store_free(store);
	redis_stop(&server);
}

/* Byte i of value k of this length. */
static uint8_t
byte_of(uint64_t k, uint64_t i, uint64_t bytes)
{
	return (uint8_t)((i * 131 + k * 17 + bytes) >> (i & 3));
}

static void
value_make(uint8_t *out, uint64_t k, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		out[i] = byte_of(k, i, bytes);
}

static int
value_is(const uint8_t *value, uint64_t k, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (value[i] != byte_of(k, i, bytes))
			return 0;
	return 1;
}

Test(store_resp, a_value_of_64_mib_in_pieces_is_exact)
{
	enum { BYTES = 64 << 20, FIRST = 12345 };
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = NULL;
	uint8_t *value = malloc(BYTES);
	aibrix_iov iov[3] = {{value, FIRST},
			     {value + FIRST, 0},
			     {value + FIRST, BYTES - FIRST}};
	aibrix_io io = {.key = "big",
			.key_bytes = 3,
			.iov = iov,
			.n_iov = 3,
			.op = AIBRIX_STORE_PUT};
	aibrix_done done;

	cr_assert_eq(
		resp_try_open(resp_tcp(server.port).text, NULL, BYTES, &store),
		AIBRIX_OK);
	value_make(value, 7, BYTES);
	cr_assert_eq(resp_do(store, &io).status, AIBRIX_OK);
	memset(value, 0, BYTES);
	io.op = AIBRIX_STORE_GET;
	done = resp_do(store, &io);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, BYTES);
	cr_expect(value_is(value, 7, BYTES));
	aibrix_store_free(store);
	free(value);
	redis_stop(&server);
}

enum { MANY = 3000, FLIGHT = 200, MANY_MAX = 100000 };

static uint64_t
many_bytes(uint64_t k)
{
	/* Most are small; one in 16 is large. */
	return k % 16 ? 1 + k * 7919 % 3000 : 1 + k * 104729 % MANY_MAX;
}

/* MANY requests of one kind, FLIGHT at a time. */
static void
many_do(aibrix_store *store, uint32_t op, uint8_t (*values)[MANY_MAX])
{
	static uint64_t keys[FLIGHT];
	static aibrix_iov iov[FLIGHT];
	uint32_t free_at[FLIGHT], n_free = FLIGHT, sent = 0, ended = 0;

	for (uint32_t i = 0; i < FLIGHT; i++)
		free_at[i] = i;
	while (ended < MANY) {
		aibrix_done done;
		uint32_t at;

		while (n_free && sent < MANY) {
			aibrix_io io = {.key_bytes = 8,
					.n_iov = 1,
					.op = op,
					.priority = sent % 4};

			at = free_at[--n_free];
			keys[at] = sent++;
			iov[at] = (aibrix_iov){values[at], MANY_MAX};
			if (op == AIBRIX_STORE_PUT) {
				iov[at].bytes = many_bytes(keys[at]);
				value_make(values[at], keys[at], iov[at].bytes);
			} else {
				memset(values[at], 0, 64);
			}
			io.key = &keys[at];
			io.iov = &iov[at];
			io.tag = at;
			resp_submit(store, &io);
		}
		done = resp_wait(store);
		at = (uint32_t)done.tag;
		cr_assert_eq(done.status, AIBRIX_OK);
		cr_assert_eq(done.bytes, many_bytes(keys[at]));
		cr_assert(value_is(values[at], keys[at], done.bytes));
		free_at[n_free++] = at;
		ended++;
	}
}

Test(store_resp, thousands_of_requests_over_eight_connections_are_exact)
{
	struct redis_server server = resp_server(NULL);
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);
	uint8_t(*values)[MANY_MAX] = malloc(sizeof(*values) * FLIGHT);

	many_do(store, AIBRIX_STORE_PUT, values);
	many_do(store, AIBRIX_STORE_GET, values);
	cr_expect_eq(store_stat(store).errors, 0);
	cr_expect_leq(store_stat(store).connects, 8);
	cr_expect(redis_says(&server, "DBSIZE", ":3000\r\n"));
	aibrix_store_free(store);
	free(values);
	redis_stop(&server);
}

Test(store_resp, several_servers_share_the_keys)
{
	struct redis_server one = resp_server(NULL), two = resp_server(NULL);
	struct resp_url_text url;
	aibrix_store *store;
	char key[8], text[8];
	aibrix_store_node nodes[2];
	uint32_t n = 0;

	snprintf(url.text, sizeof(url.text),
		 "redis://127.0.0.1:%d,127.0.0.1:%d", one.port, two.port);
	store = resp_open_with(url.text, NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "%d", i);
		cr_assert_eq(resp_put(store, key, key).status, AIBRIX_OK);
	}
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "%d", i);
		cr_assert_eq(resp_get(store, key, text, 8).status, AIBRIX_OK);
		cr_expect_str_eq(text, key);
	}
	cr_assert_eq(aibrix_store_nodes(store, nodes, 2, &n), AIBRIX_OK);
	cr_assert_eq(n, 2);
	cr_expect_eq(nodes[0].calls + nodes[1].calls, 80);
	cr_expect_gt(nodes[0].calls, 10);
	cr_expect_gt(nodes[1].calls, 10);
	aibrix_store_free(store);
	redis_stop(&one);
	redis_stop(&two);
}

Test(store_resp, an_address_that_is_none_and_options_that_are_none)
{
	static const char *const urls[] = {
		"",
		"http://host",
		"redis://",
		"redis://host:0",
		"redis://host:65536",
		"redis://user@host",
		"redis://h/x",
		"unix://relative",
		"redis://h?x=1",
	};
	aibrix_resp_opts opts = {.size = sizeof(opts)};
	aibrix_store *store = NULL;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		cr_expect_eq(resp_try_open(urls[i], NULL, 0, &store),
			     AIBRIX_E_INVAL, "%s", urls[i]);
	cr_expect_eq(resp_try_open(NULL, NULL, 0, &store), AIBRIX_E_INVAL);
	cr_expect_eq(resp_try_open("rediss://h", NULL, 0, &store),
		     AIBRIX_E_UNSUPPORTED, "no stream is given");
	opts.connections = 65;
	cr_expect_eq(resp_try_open("redis://127.0.0.1", &opts, 0, &store),
		     AIBRIX_E_INVAL);
	opts.connections = 0;
	opts.key_text = 2;
	cr_expect_eq(resp_try_open("redis://127.0.0.1", &opts, 0, &store),
		     AIBRIX_E_INVAL);
	cr_expect_null(store);
}

/* A descriptor more or less than before: something was not closed. */
static int
descriptors(void)
{
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	return fd;
}

Test(store_resp, freeing_with_requests_under_way_leaves_nothing_open)
{
	struct redis_server server = resp_server(NULL);
	const int before = descriptors();
	aibrix_store *store = resp_open_with(resp_tcp(server.port).text, NULL);
	static uint8_t value[1 << 20];
	aibrix_iov iov = {value, sizeof(value)};
	char key[8];

	for (int i = 0; i < 64; i++) {
		aibrix_io io;

		snprintf(key, sizeof(key), "%d", i);
		io = io_of(AIBRIX_STORE_PUT, key, &iov, 1);
		resp_submit(store, &io);
	}
	aibrix_store_free(store);
	cr_expect_eq(descriptors(), before);
	redis_stop(&server);
}
