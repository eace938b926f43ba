/*
 * A blocking store on threads of its host.
 *
 * The store is a shelf of values behind a queue with threads; the host is a
 * pool of threads that refuses work now and then.  One thread submits, polls
 * and cancels at random, with deadlines that pass in between.  Each request
 * completes once; what was got is one value and not parts of two; memory is
 * not written after its completion.  Each store is freed with requests in
 * flight: close waits for the threads, and its memory is overwritten.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <aibrix/store.h>

#include "base/rand.h"
#include "host_threads.h"
#include "store/store_queue.h"

enum { KEYS = 8, VALUE = 256 };
enum { ROUNDS = 40, STEPS = 1500, INFLIGHT = 24, POISON = 0xee };

/* ---- the backend */

struct value {
	pthread_mutex_t lock;
	uint32_t there;
	uint8_t bytes[VALUE];
};

struct shelf {
	struct queue queue;
	struct value values[KEYS];
};

static void
shelf_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct shelf *shelf = backend;
	struct value *v = &shelf->values[*(const uint8_t *)io->key % KEYS];

	pthread_mutex_lock(&v->lock);
	done->bytes = VALUE;
	if (io->op == AIBRIX_STORE_PUT && v->there) {
		done->flags = AIBRIX_DONE_EXISTED;
		done->bytes = 0;
	} else if (io->op == AIBRIX_STORE_PUT) {
		memcpy(v->bytes, io->iov[0].base, VALUE);
		v->there = 1;
	} else if (!v->there) {
		done->status = AIBRIX_E_NOT_FOUND;
	} else if (io->op == AIBRIX_STORE_GET) {
		memcpy(io->iov[0].base, v->bytes, VALUE);
	} else if (io->op == AIBRIX_STORE_DELETE) {
		v->there = 0;
	}
	pthread_mutex_unlock(&v->lock);
}

static int
shelf_open(const aibrix_backend_conf *conf, void **backend)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));

	REQUIRE(shelf);
	for (uint32_t i = 0; i < KEYS; i++)
		pthread_mutex_init(&shelf->values[i].lock, NULL);
	REQUIRE(aibrix__queue_open_threads(&shelf->queue, conf, shelf,
					   shelf_serve, NULL) == AIBRIX_OK);
	*backend = shelf;
	return AIBRIX_OK;
}

static void
shelf_close(void *backend)
{
	struct shelf *shelf = backend;

	aibrix__queue_close(&shelf->queue);
	for (uint32_t i = 0; i < KEYS; i++)
		pthread_mutex_destroy(&shelf->values[i].lock);
	free(shelf);
}

static const aibrix_backend table = {
	.size = sizeof(table),
	.caps = AIBRIX_CAP_BLOCKING,
	.open = shelf_open,
	.submit = aibrix__queue_submit,
	.poll = aibrix__queue_poll,
	.close = shelf_close,
	.fd = aibrix__queue_fd,
	.cancel = aibrix__queue_cancel,
	.wake = aibrix__queue_wake,
};

/* ---- the one who asks */

struct asked {
	uint8_t memory[VALUE];
	aibrix_iov iov;
	uint8_t key;
	uint32_t op, busy;
};

struct caller {
	aibrix_store *store;
	uint64_t seed, accepted, polled, joined;
	struct asked asked[INFLIGHT];
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
all_are(const uint8_t *bytes, uint8_t want)
{
	for (uint32_t i = 0; i < VALUE; i++)
		if (bytes[i] != want)
			return 0;
	return 1;
}

static void
caller_submit(struct caller *c, uint32_t i)
{
	struct asked *a = &c->asked[i];
	uint64_t now = now_ns();
	aibrix_io io = {.key = &a->key, .key_bytes = 1, .tag = i};
	uint32_t n = 0;

	REQUIRE(all_are(a->memory, POISON)); /* nobody wrote meanwhile */
	a->key = (uint8_t)rand_below(&c->seed, KEYS);
	a->op = rand_below(&c->seed, 4);
	a->iov = (aibrix_iov){a->memory, VALUE};
	if (a->op == AIBRIX_STORE_PUT)
		memset(a->memory, (int)rand_below(&c->seed, 200), VALUE);
	if (a->op == AIBRIX_STORE_PUT || a->op == AIBRIX_STORE_GET) {
		io.iov = &a->iov;
		io.n_iov = 1;
	}
	io.op = a->op;
	io.priority = rand_below(&c->seed, 4);
	io.deadline_ns = now + 1000 + rand_below(&c->seed, 2000000);
	if (aibrix_store_submit(c->store, &io, 1, now, &n) == AIBRIX_OK) {
		REQUIRE(n == 1);
		a->busy = 1;
		c->accepted++;
	} else {
		memset(a->memory, POISON, VALUE);
	}
}

static void
caller_poll(struct caller *c, uint64_t timeout_ns)
{
	aibrix_done dones[INFLIGHT];
	uint32_t n;

	REQUIRE(aibrix_store_poll(c->store, dones,
				  1 + rand_below(&c->seed, INFLIGHT), now_ns(),
				  timeout_ns, &n) == AIBRIX_OK);
	for (uint32_t i = 0; i < n; i++) {
		struct asked *a = &c->asked[dones[i].tag];

		REQUIRE(dones[i].tag < INFLIGHT && a->busy);
		a->busy = 0;
		if (a->op == AIBRIX_STORE_GET && dones[i].status == AIBRIX_OK)
			REQUIRE(dones[i].bytes == VALUE &&
				all_are(a->memory, a->memory[0]) &&
				a->memory[0] < 200);
		memset(a->memory, POISON, VALUE);
	}
	c->polled += n;
}

static void
caller_round(struct caller *c, struct host *host)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .user = &table,
				  .max_inflight = INFLIGHT,
				  .value_bytes = VALUE,
				  .run = host_run,
				  .run_ctx = host};
	aibrix_store_stat stat = {.size = sizeof(stat)};
	uint32_t busy = 0;

	for (uint32_t i = 0; i < INFLIGHT; i++) {
		memset(c->asked[i].memory, POISON, VALUE);
		c->asked[i].busy = 0;
	}
	c->accepted = c->polled = 0;
	REQUIRE(aibrix_store_open(&opts, &c->store) == AIBRIX_OK);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = rand_below(&c->seed, INFLIGHT);

		if (!c->asked[i].busy)
			caller_submit(c, i);
		if (rand_below(&c->seed, 16) == 0)
			(void)!aibrix_store_cancel(c->store, i);
		if (rand_below(&c->seed, 4) == 0)
			caller_poll(c, rand_below(&c->seed, 2) * 50000);
		(void)aibrix_store_wake(c->store);
	}
	for (uint32_t i = 0; i < INFLIGHT; i++)
		busy += c->asked[i].busy;
	REQUIRE(c->accepted == c->polled + busy);
	REQUIRE(aibrix_store_stats(c->store, &stat) == AIBRIX_OK);
	REQUIRE(stat.inflight == busy && stat.strays == 0);
	c->joined += stat.joined;
	aibrix_store_free(c->store);
	memset(c->asked, 0, sizeof(c->asked)); /* the caller's again */
}

int
main(void)
{
	static struct caller c = {.seed = 20};
	static struct host host = {.refused_of = 8};

	host_start(&host);
	for (uint32_t i = 0; i < ROUNDS; i++)
		caller_round(&c, &host);
	host_stop(&host);
	REQUIRE(c.joined > 0);
	printf("%" PRIu64 " requests joined others\n", c.joined);
	return 0;
}
