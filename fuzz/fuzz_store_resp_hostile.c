/*
 * Input: what a server sends to the Redis and Valkey backend, whatever it is
 * asked; the last byte seeds the sizes of the pieces.  Property: each request
 * ends once, no later than its deadline, no byte is written beside its place
 * or after its end, and the store can be closed at any time.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <aibrix/aibrix.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { REQUESTS = 6, PLACE = 64, ROUNDS = 12, GUARD = 0xee };

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

struct server {
	struct sockaddr_un address;
	int listener, fd;
};

static void
server_open(struct server *s)
{
	s->fd = -1;
	s->address.sun_family = AF_UNIX;
	snprintf(s->address.sun_path, sizeof(s->address.sun_path),
		 "/tmp/aibrix-fuzz-resp-%ld", (long)getpid());
	unlink(s->address.sun_path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	require(s->listener >= 0 &&
			!bind(s->listener, (struct sockaddr *)&s->address,
			      sizeof(s->address)) &&
			!listen(s->listener, 16),
		"a listening socket");
}

static void
server_close(struct server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	close(s->listener);
	unlink(s->address.sun_path);
}

/* Accept, say the next piece, forget what was asked. */
static void
server_turn(struct server *s, const uint8_t *data, size_t n)
{
	char asked[4096];

	if (s->fd < 0)
		s->fd = accept(s->listener, NULL, NULL);
	if (s->fd < 0)
		return;
	while (recv(s->fd, asked, sizeof(asked), MSG_DONTWAIT) > 0)
		;
	if (n && send(s->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		close(s->fd);
		s->fd = -1;
	}
}

struct client {
	aibrix_store *store;
	uint8_t places[REQUESTS][PLACE + 2];
	aibrix_iov iov[REQUESTS];
	uint32_t ended[REQUESTS];
	uint64_t now;
};

static uint64_t
client_clock(void *ctx)
{
	const struct client *c = ctx;

	return c->now;
}

static void
client_poll(struct client *c)
{
	aibrix_done dones[REQUESTS];
	uint32_t n = 0;

	require(!aibrix_store_poll(c->store, dones, REQUESTS, c->now, 0, &n),
		"poll");
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t k = dones[i].tag;

		require(k < REQUESTS && !c->ended[k]++, "ends once");
		require(dones[i].status != AIBRIX_OK ||
				dones[i].bytes <= INT64_MAX,
			"a length");
		/* From now on the memory is ours. */
		memset(c->places[k], GUARD, sizeof(c->places[k]));
	}
}

static void
client_submit(struct client *c)
{
	static const uint32_t ops[REQUESTS] = {
		AIBRIX_STORE_GET,   AIBRIX_STORE_PUT, AIBRIX_STORE_GET,
		AIBRIX_STORE_PROBE, AIBRIX_STORE_GET, AIBRIX_STORE_DELETE};
	uint32_t taken = 0;

	for (uint32_t i = 0; i < REQUESTS; i++) {
		const uint32_t op = ops[i];
		aibrix_io io = {.key = "key",
				.key_bytes = 3,
				.op = op,
				.priority = i % 4,
				.deadline_ns = c->now + 1000 + i,
				.tag = i};

		memset(c->places[i], GUARD, sizeof(c->places[i]));
		c->iov[i] = (aibrix_iov){c->places[i] + 1, PLACE};
		if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
			io.iov = &c->iov[i];
			io.n_iov = 1;
		}
		require(!aibrix_store_submit(c->store, &io, 1, c->now,
					     &taken) &&
				taken == 1,
			"submit");
	}
}

static void
places_check(const struct client *c)
{
	for (uint32_t i = 0; i < REQUESTS; i++) {
		require(c->places[i][0] == GUARD &&
				c->places[i][PLACE + 1] == GUARD,
			"written beside its place");
		for (uint32_t k = 0; c->ended[i] && k < PLACE; k++)
			require(c->places[i][k + 1] == GUARD,
				"written after its end");
	}
}

static void
talk(struct server *s, struct client *c, const uint8_t *data, size_t len,
     uint32_t seed)
{
	size_t at = 0;

	client_submit(c);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		size_t n = round + 1 == ROUNDS
				   ? len - at
				   : (seed * (round + 1) * 2654435761u >> 26);

		if (n > len - at)
			n = len - at;
		server_turn(s, data + at, n);
		at += n;
		client_poll(c);
		places_check(c);
	}
	c->now += 2000;
	client_poll(c);
	for (uint32_t i = 0; i < REQUESTS; i++)
		require(c->ended[i] == 1, "has ended by its deadline");
	server_turn(s, data, len);
	client_poll(c);
	places_check(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct server server = {0};
	struct client client = {.now = 1};
	const aibrix_resp_opts ro = {.size = sizeof(ro), .connections = 1};
	char url[160];
	const aibrix_store_opts so = {.size = sizeof(so),
				      .backend = AIBRIX_BACKEND_RESP,
				      .path = url,
				      .seed = 1,
				      .max_inflight = REQUESTS,
				      .value_bytes = PLACE,
				      .clock = client_clock,
				      .clock_ctx = &client,
				      .backend_opts = &ro};

	if (len < 2)
		return 0;
	server_open(&server);
	snprintf(url, sizeof(url), "unix://%s", server.address.sun_path);
	require(!aibrix_store_open(&so, &client.store), "open");
	talk(&server, &client, data, len - 1, data[len - 1]);
	aibrix_store_free(client.store);
	server_close(&server);
	return 0;
}
