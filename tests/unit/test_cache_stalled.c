/*
 * An engine whose L2, a real server behind a real socket, stops answering.
 *
 * Prompts are asked for, waited for, and computed where nothing came.  What
 * computing takes is not waited for: the clock is moved on by it, so that
 * time-outs and the breaker's pauses run as they would beside an engine that
 * computes, and five minutes take seconds.
 */
#define _GNU_SOURCE

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "cache_models.h"
#include "redis_tools.h"

enum { BYTES = 16384, LENGTH = 12, STORED = 30, STALLED = 3000, BACK = 1500 };

#define COMPUTE_NS UINT64_C(100000000) /* of one prompt */

struct engine {
	struct redis_server server;
	aibrix_store *store;
	aibrix_cache *cache;
	uint64_t computed_ns; /* the clock was moved by this much */
	uint64_t waited_ns;
	uint64_t blocks; /* that came from L2 */
};

static uint64_t
engine_now(void *ctx)
{
	const struct engine *e = ctx;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec +
	       e->computed_ns;
}

/* Room for one prompt in memory: all but the last come from L2. */
static void
engine_open(struct engine *e)
{
	char url[64];
	const aibrix_store_opts so = {.size = sizeof(so),
				      .backend = AIBRIX_BACKEND_RESP,
				      .path = url,
				      .value_bytes =
					      BYTES + AIBRIX_CACHE_FRAME_BYTES,
				      .clock = engine_now,
				      .clock_ctx = e};
	aibrix_cache_opts co = {.size = sizeof(co),
				.block_bytes = BYTES,
				.l1_bytes = LENGTH * BYTES};

	memset(e, 0, sizeof(*e));
	switch (redis_start(&e->server, NULL)) {
	case 0: break;
	case REDIS_ABSENT: cr_skip_test("%s", e->server.reason);
	default: cr_assert_fail("%s", e->server.reason);
	}
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", e->server.port);
	cr_assert_eq(aibrix_store_open(&so, &e->store), AIBRIX_OK);
	co.l2 = e->store;
	cr_assert_eq(aibrix_cache_new(&co, &e->cache), AIBRIX_OK);
}

static void
engine_close(struct engine *e)
{
	aibrix_cache_free(e->cache);
	aibrix_store_free(e->store);
	redis_stop(&e->server);
}

static void
prompt_store(struct engine *e, uint32_t chain)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	uint64_t lease, n, busy = 1;
	aibrix_key keys[LENGTH];

	model_keys("m", chain, LENGTH, keys);
	cr_assert_eq(aibrix_cache_reserve(e->cache, keys, NULL, LENGTH,
					  engine_now(e), &lease, &n),
		     AIBRIX_OK);
	cr_assert_eq(n, LENGTH);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_cache_block(e->cache, lease, i, &view),
			     AIBRIX_OK);
		model_fill(view.data, BYTES, 1, chain * LENGTH + i, 1);
	}
	cr_assert_eq(aibrix_cache_commit(e->cache, lease, engine_now(e)),
		     AIBRIX_OK);
	while (busy)
		cr_assert_eq(aibrix_cache_poll(e->cache, engine_now(e),
					       100000000, &busy),
			     AIBRIX_OK);
}

/* How many blocks came; the engine has waited, and computed the rest. */
static uint64_t
prompt_run(struct engine *e, uint32_t chain)
{
	aibrix_cache_view view = {.size = sizeof(view)};
	uint64_t start, lease, n = 0, busy;
	aibrix_key keys[LENGTH];
	int err;

	model_keys("m", chain, LENGTH, keys);
	start = engine_now(e);
	err = aibrix_cache_acquire(e->cache, keys, LENGTH, start + COMPUTE_NS,
				   start, &lease, &n);
	while (err == AIBRIX_E_AGAIN) {
		cr_assert_eq(aibrix_cache_poll(e->cache, engine_now(e),
					       COMPUTE_NS, &busy),
			     AIBRIX_OK);
		err = aibrix_cache_state(e->cache, lease, &n);
	}
	cr_assert_eq(err, AIBRIX_OK);
	e->waited_ns += engine_now(e) - start;
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_cache_block(e->cache, lease, i, &view),
			     AIBRIX_OK);
		cr_assert_eq(
			model_version(view.data, BYTES, 1, chain * LENGTH + i),
			1);
	}
	cr_assert_eq(aibrix_cache_release(e->cache, lease), AIBRIX_OK);
	e->computed_ns += COMPUTE_NS * (LENGTH - n) / LENGTH;
	e->blocks += n;
	return n;
}

/* The mean time to first token is that of computing, and two hundredths at
 * most; and L2 is used again when it answers again. */
Test(cache_stalled, a_server_that_stops_answering_costs_two_per_cent_at_most,
     .timeout = 240)
{
	static struct engine e;
	uint64_t waited, computed;
	uint32_t back = 0;

	engine_open(&e);
	for (uint32_t c = 0; c < STORED; c++)
		prompt_store(&e, c);
	for (uint32_t c = 0; c < STORED - 1; c++)
		cr_expect_eq(prompt_run(&e, c), LENGTH, "prompt %u", c);

	redis_stall(&e.server);
	waited = e.waited_ns;
	computed = e.computed_ns;
	for (uint32_t i = 0; i < STALLED; i++)
		cr_expect_eq(prompt_run(&e, i % (STORED - 2)), 0);
	waited = e.waited_ns - waited;
	computed = e.computed_ns - computed;
	cr_expect_eq(computed, STALLED * COMPUTE_NS);
	cr_expect_leq(waited, computed / 50, "%llu ms waited, %llu computed",
		      (unsigned long long)(waited / 1000000),
		      (unsigned long long)(computed / 1000000));

	redis_resume(&e.server);
	e.blocks = 0;
	while (e.blocks == 0 && back++ < BACK)
		(void)prompt_run(&e, back % STORED);
	cr_expect_gt(e.blocks, 0, "L2 is used again");
	engine_close(&e);
}
