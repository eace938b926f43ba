/* What the tests of stores share: one request at a time. */
#ifndef TESTS_STORE_TOOLS_H
#define TESTS_STORE_TOOLS_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/store.h>

#include "temp_path.h"

static inline aibrix_io
io_of(uint32_t op, const char *key, const aibrix_iov *iov, uint64_t tag)
{
	aibrix_io io = {.key = key,
			.key_bytes = (uint32_t)strlen(key),
			.op = op,
			.priority = AIBRIX_PRIORITY_GET,
			.tag = tag};

	if (op == AIBRIX_STORE_GET || op == AIBRIX_STORE_PUT) {
		io.iov = iov;
		io.n_iov = 1;
	}
	return io;
}

/* Long enough for any disk; the clock starts at 0. */
#define STORE_TOOLS_WAIT UINT64_C(60000000000)

/* Submit and poll; the completion's status is E_STATE when there was not
 * exactly one. */
static inline aibrix_done
store_do(aibrix_store *store, const aibrix_io *io)
{
	aibrix_done done[2] = {{.status = AIBRIX_E_STATE}};
	uint32_t n = 0;

	if (aibrix_store_submit(store, io, 1, 0, &n) || n != 1 ||
	    aibrix_store_poll(store, done, 2, 0, STORE_TOOLS_WAIT, &n) ||
	    n != 1)
		done[0].status = AIBRIX_E_STATE;
	return done[0];
}

static inline aibrix_done
store_put(aibrix_store *store, const char *key, const char *value)
{
	aibrix_iov iov = {NULL, strlen(value)};
	char copy[8192];
	aibrix_io io = io_of(AIBRIX_STORE_PUT, key, &iov, 1);

	memcpy(copy, value, iov.bytes);
	iov.base = copy;
	return store_do(store, &io);
}

/* The value as a string in text, which has cap bytes. */
static inline aibrix_done
store_get(aibrix_store *store, const char *key, char *text, size_t cap)
{
	aibrix_iov iov = {text, cap - 1};
	aibrix_io io = io_of(AIBRIX_STORE_GET, key, &iov, 2);
	aibrix_done done;

	memset(text, 0, cap);
	done = store_do(store, &io);
	return done;
}

static inline aibrix_done
store_ask(aibrix_store *store, uint32_t op, const char *key)
{
	aibrix_io io = io_of(op, key, NULL, 3);

	return store_do(store, &io);
}

static inline aibrix_store_stat
store_stat(const aibrix_store *store)
{
	aibrix_store_stat stat = {.size = sizeof(stat)};

	if (aibrix_store_stats(store, &stat))
		abort();
	return stat;
}

#endif
