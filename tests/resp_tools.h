/* What the tests of the Redis and Valkey backend share: servers of their own
 * and stores on them.  Requests of store_tools.h do not wait; these do. */
#ifndef TESTS_RESP_TOOLS_H
#define TESTS_RESP_TOOLS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/aibrix.h>

#include "redis_tools.h"
#include "store_tools.h"

/* A hang bound, no measurement. */
#define RESP_HANG_NS ((uint64_t)TALK_HANG_MS * 1000000u)

static inline struct redis_server
resp_server(const struct redis_opts *opts)
{
	struct redis_server server;
	int status = redis_start(&server, opts);

	if (status == REDIS_ABSENT)
		cr_skip_test("%s", server.reason);
	cr_assert_eq(status, 0, "%s", server.reason);
	return server;
}

struct resp_url_text {
	char text[256];
};

static inline struct resp_url_text
resp_tcp(int port)
{
	struct resp_url_text url;

	snprintf(url.text, sizeof(url.text), "redis://127.0.0.1:%d", port);
	return url;
}

static inline int
resp_try_open(const char *url, const aibrix_resp_opts *opts,
	      uint64_t value_bytes, aibrix_store **out)
{
	const aibrix_store_opts o = {.size = sizeof(o),
				     .backend = AIBRIX_BACKEND_RESP,
				     .path = url,
				     .value_bytes = value_bytes,
				     .timeout_ns = RESP_HANG_NS,
				     .seed = 1,
				     .backend_opts = opts};

	return aibrix_store_open(&o, out);
}

static inline aibrix_store *
resp_open_with(const char *url, const aibrix_resp_opts *opts)
{
	aibrix_store *store = NULL;

	cr_assert_eq(resp_try_open(url, opts, 0, &store), AIBRIX_OK);
	return store;
}

static inline uint64_t
resp_now(void)
{
	return (uint64_t)talk_now_ms() * 1000000u;
}

/* One completion, waited for. */
static inline aibrix_done
resp_wait(aibrix_store *store)
{
	aibrix_done done = {.status = AIBRIX_E_STATE};
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_poll(store, &done, 1, resp_now(),
				       RESP_HANG_NS, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1, "a completion within the bound");
	return done;
}

static inline void
resp_submit(aibrix_store *store, const aibrix_io *io)
{
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_submit(store, io, 1, resp_now(), &n),
		     AIBRIX_OK);
	cr_assert_eq(n, 1);
}

static inline aibrix_done
resp_do(aibrix_store *store, const aibrix_io *io)
{
	resp_submit(store, io);
	return resp_wait(store);
}

static inline aibrix_done
resp_put(aibrix_store *store, const char *key, const char *value)
{
	char copy[8192];
	aibrix_iov iov = {copy, strlen(value)};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, key, &iov, 1);

	memcpy(copy, value, iov.bytes);
	return resp_do(store, &io);
}

/* The value as a string in text, which has cap bytes. */
static inline aibrix_done
resp_get(aibrix_store *store, const char *key, char *text, size_t cap)
{
	aibrix_iov iov = {text, cap - 1};
	aibrix_io io = io_of(AIBRIX_STORE_GET, key, &iov, 2);

	memset(text, 0, cap);
	return resp_do(store, &io);
}

static inline aibrix_done
resp_ask(aibrix_store *store, uint32_t op, const char *key)
{
	aibrix_io io = io_of(op, key, NULL, 3);

	return resp_do(store, &io);
}

/* It holds what it says, and does what a store does. */
static inline void
resp_works(aibrix_store *store)
{
	char text[16];

	cr_assert_eq(resp_put(store, "works", "yes").status, AIBRIX_OK);
	cr_assert_eq(resp_get(store, "works", text, 16).status, AIBRIX_OK);
	cr_assert_str_eq(text, "yes");
	cr_assert_eq(resp_ask(store, AIBRIX_STORE_DELETE, "works").status,
		     AIBRIX_OK);
	cr_assert_eq(resp_get(store, "works", text, 16).status,
		     AIBRIX_E_NOT_FOUND);
}

static inline aibrix_store_node
resp_node(const aibrix_store *store)
{
	aibrix_store_node node = {.state = UINT32_MAX};
	uint32_t n = 0;

	cr_assert_eq(aibrix_store_nodes(store, &node, 1, &n), AIBRIX_OK);
	cr_assert_eq(n, 1);
	return node;
}

#endif
