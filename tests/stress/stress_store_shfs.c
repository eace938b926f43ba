/*
 * A shared directory under threads: two stores in one directory, each with
 * eight threads of its host, put, get, delete and evict the same few keys.
 * A value is told by its key alone, so that any mixture of two shows.
 */

#define _GNU_SOURCE

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/shfs.h>

#include "base/rand.h"
#include "require.h"
#include "run_thread.h"
#include "store_tools.h"

enum { STORES = 2, KEYS = 48, VALUE = 3000, BATCH = 16, ROUNDS = 1500 };

struct request {
	char key[8], value[VALUE];
	aibrix_iov iov;
	uint32_t op, bytes;
};

struct user {
	const char *path;
	uint64_t seed, hits, done;
	struct request requests[BATCH];
};

static uint32_t
value_bytes(uint32_t key)
{
	return 500 + key * 50;
}

static void
request_new(struct user *u, uint32_t i, aibrix_io *io)
{
	struct request *r = &u->requests[i];
	uint32_t key = rand_below(&u->seed, KEYS);
	uint32_t dice = rand_below(&u->seed, 16);

	r->op = dice < 7    ? AIBRIX_STORE_GET
		: dice < 14 ? AIBRIX_STORE_PUT
		: dice < 15 ? AIBRIX_STORE_PROBE
			    : AIBRIX_STORE_DELETE;
	snprintf(r->key, sizeof(r->key), "key%02u", key);
	r->bytes = value_bytes(key);
	memset(r->value, r->op == AIBRIX_STORE_PUT ? (int)key : 0xee, VALUE);
	r->iov = (aibrix_iov){r->value,
			      r->op == AIBRIX_STORE_PUT ? r->bytes : VALUE};
	*io = io_of(r->op, r->key, &r->iov, i);
	io->priority = rand_below(&u->seed, 4);
}

static void
done_check(struct user *u, const aibrix_done *done)
{
	const struct request *r = &u->requests[done->tag];
	uint32_t key = (uint32_t)atoi(r->key + 3);

	u->done++;
	if (done->status && done->status != AIBRIX_E_NOT_FOUND)
		fprintf(stderr, "op %u: %s, errno %d\n", r->op,
			aibrix_error_name(done->status), done->os_error);
	REQUIRE(done->status == AIBRIX_OK ||
		(done->status == AIBRIX_E_NOT_FOUND &&
		 r->op != AIBRIX_STORE_PUT));
	if (done->status || r->op == AIBRIX_STORE_DELETE ||
	    r->op == AIBRIX_STORE_PUT)
		return;
	REQUIRE(done->bytes == r->bytes);
	if (r->op != AIBRIX_STORE_GET)
		return;
	u->hits++;
	for (uint32_t i = 0; i < r->bytes; i++)
		REQUIRE(r->value[i] == (char)key);
	for (uint32_t i = r->bytes; i < VALUE; i++)
		REQUIRE(r->value[i] == (char)0xee);
}

static void *
user_work(void *arg)
{
	struct user *u = arg;
	aibrix_shfs_opts shfs = {.size = sizeof(shfs), .conn_id = "stress"};
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_SHFS,
				  .path = u->path,
				  .value_bytes = VALUE,
				  .capacity_bytes = KEYS * 1000,
				  .timeout_ns = AIBRIX_FOREVER,
				  .backend_opts = &shfs,
				  .run = run_thread};
	aibrix_store_stat stat = {.size = sizeof(stat)};
	aibrix_store *store;

	REQUIRE(aibrix_store_open(&opts, &store) == AIBRIX_OK);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		aibrix_io ios[BATCH];
		aibrix_done dones[BATCH];
		uint32_t n, m;

		for (uint32_t i = 0; i < BATCH; i++)
			request_new(u, i, &ios[i]);
		REQUIRE(aibrix_store_submit(store, ios, BATCH, 1, &n) == 0 &&
			n == BATCH);
		for (; n; n -= m) {
			REQUIRE(aibrix_store_poll(store, dones, BATCH, 1,
						  1000000000, &m) == 0);
			for (uint32_t i = 0; i < m; i++)
				done_check(u, &dones[i]);
		}
	}
	REQUIRE(aibrix_store_stats(store, &stat) == AIBRIX_OK);
	REQUIRE(stat.errors == 0 && stat.inflight == 0 && stat.evictions > 0);
	aibrix_store_free(store);
	return NULL;
}

int
main(void)
{
	static struct user users[STORES];
	struct temp_path path = temp_path_new();
	pthread_t threads[STORES];

	for (uint32_t i = 0; i < STORES; i++) {
		users[i].path = path.text;
		users[i].seed = 7 + i;
		REQUIRE(pthread_create(&threads[i], NULL, user_work,
				       &users[i]) == 0);
	}
	for (uint32_t i = 0; i < STORES; i++) {
		pthread_join(threads[i], NULL);
		REQUIRE(users[i].done == (uint64_t)ROUNDS * BATCH);
		REQUIRE(users[i].hits > ROUNDS);
	}
	temp_path_remove(path.text);
	return 0;
}
