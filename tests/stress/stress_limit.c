/*
 * Threads that admit, settle and cancel for the same few users, one that
 * saves and one that loads, on one object whose clock stands still.
 *
 * Nothing drains, so of each user no more than the burst may be in at any
 * moment, and when all is cancelled nothing is owed.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <aibrix/limit.h>

#include "base/rand.h"
#include "limit/limit_table.h"

enum { WORKERS = 4, USERS = 5, ROUNDS = 40000, BURST = 6, HELD = 4 };

struct shared {
	aibrix_limit *limit, *other;
	atomic_int in[USERS];
	atomic_int failed;
};

struct work {
	struct shared *shared;
	uint64_t seed;
};

static aibrix_limit_request
request_for(const uint32_t *user, const aibrix_limit_rate *rate)
{
	return (aibrix_limit_request){.size = sizeof(aibrix_limit_request),
				      .name = user,
				      .name_bytes = sizeof(*user),
				      .requests = rate};
}

static void *
worker_run(void *arg)
{
	static const aibrix_limit_rate rate = {.units = BURST};
	struct work *work = arg;
	struct shared *s = work->shared;
	aibrix_limit_ticket held[HELD] = {{{0}, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
	uint32_t of[HELD] = {0};

	for (uint32_t i = 0; i < ROUNDS + HELD; i++) {
		uint32_t user = rand_below(&work->seed, USERS), at = i % HELD;
		aibrix_limit_request r = request_for(&user, &rate);
		aibrix_limit_verdict v = {.size = sizeof(v)};

		if (held[at].shifts) {
			atomic_fetch_sub(&s->in[of[at]], 1);
			if (aibrix_limit_cancel(s->limit, &held[at], 1000))
				s->failed = 1;
		}
		if (i >= ROUNDS)
			continue;
		if (aibrix_limit_admit(s->limit, &r, 1000, &v, &held[at]))
			s->failed = 1;
		if (v.reason == 0 && atomic_fetch_add(&s->in[user], 1) >= BURST)
			s->failed = 2;
		of[at] = user;
	}
	return NULL;
}

static void *
saver_run(void *arg)
{
	struct work *work = arg;
	struct shared *s = work->shared;
	uint64_t cap = aibrix_limit_save_bound(s->limit), n;
	void *bytes = malloc(cap);

	for (uint32_t i = 0; bytes && i < 200; i++)
		if (aibrix_limit_save(s->limit, 1000, bytes, cap, &n) ||
		    aibrix_limit_load(s->other, 1000, bytes, n))
			s->failed = 3;
	free(bytes);
	return NULL;
}

int
main(void)
{
	static struct shared s;
	aibrix_limit_opts opts = {.size = sizeof(opts), .users = 600};
	static const aibrix_limit_rate rate = {.units = BURST};
	struct work work[WORKERS + 2];
	pthread_t threads[WORKERS + 2];

	if (aibrix_limit_new(&opts, &s.limit) ||
	    aibrix_limit_new(&opts, &s.other))
		return 1;
	for (uint32_t i = 0; i < WORKERS + 2; i++) {
		work[i] = (struct work){&s, i};
		if (pthread_create(&threads[i], NULL,
				   i < WORKERS ? worker_run : saver_run,
				   &work[i]))
			return 1;
	}
	for (uint32_t i = 0; i < WORKERS + 2; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t user = 0; user < USERS; user++) {
		aibrix_limit_request r = request_for(&user, &rate);
		aibrix_limit_verdict v = {.size = sizeof(v)};

		if (aibrix_limit_peek(s.limit, &r, 1000, &v) ||
		    v.requests_left != BURST)
			s.failed = 4;
	}
	if (aibrix__limit_check(s.limit) || aibrix__limit_check(s.other))
		s.failed = 5;
	aibrix_limit_free(s.limit);
	aibrix_limit_free(s.other);
	printf("limits: %s\n", s.failed ? "failed" : "ok");
	return s.failed;
}
