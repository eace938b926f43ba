#include "cache_tools.h"

#include "store/store_faults.h"

static uint64_t
clock_step(void *ctx)
{
	uint64_t *now = ctx;

	*now += 1000;
	return *now;
}

struct bench {
	uint64_t now;
	aibrix_store *store;
	aibrix_cache *cache;
};

static void
bench_open(struct bench *b, uint32_t ingest, uint32_t flags)
{
	aibrix_store_opts s = {.size = sizeof(s),
			       .capacity_bytes = 64 * VALUE,
			       .value_bytes = VALUE,
			       .clock = clock_step,
			       .clock_ctx = &b->now};
	aibrix_cache_opts o = {.size = sizeof(o),
			       .block_bytes = BLOCK,
			       .l1_bytes = 16 * BLOCK,
			       .l2_inflight = 2,
			       .ingest = ingest,
			       .flags = flags,
			       .clock = clock_step,
			       .clock_ctx = &b->now};

	b->now = 1;
	cr_assert_eq(aibrix_store_open(&s, &b->store), AIBRIX_OK);
	o.l2 = b->store;
	cr_assert_eq(aibrix_cache_new(&o, &b->cache), AIBRIX_OK);
}

static void
bench_close(struct bench *b)
{
	check(b->cache);
	aibrix_cache_free(b->cache);
	aibrix_store_free(b->store);
}

static uint64_t
values_of(const aibrix_store *store)
{
	aibrix_store_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_store_stats(store, &s), AIBRIX_OK);
	return s.values;
}

Test(cache_flush, after_it_l2_has_what_was_committed_in_every_mode)
{
	for (uint32_t ingest = AIBRIX_CACHE_INGEST_ALL;
	     ingest <= AIBRIX_CACHE_INGEST_EVICTED; ingest++) {
		struct bench b;
		uint64_t left = 7;

		bench_open(&b, ingest, 0);
		cr_assert_eq(put_blocks(b.cache, 1, 9), 9);
		cr_assert_eq(put_blocks(b.cache, 2, 4), 4);
		cr_expect_eq(aibrix_cache_flush(b.cache, AIBRIX_FOREVER, b.now,
						&left),
			     AIBRIX_OK);
		cr_expect_eq(left, 0);
		cr_expect_eq(values_of(b.store), 13);
		cr_expect_eq(aibrix_cache_flush(b.cache, 0, b.now, &left),
			     AIBRIX_OK, "nothing to wait for");
		bench_close(&b);
	}
}

/* AIBrix waits for ever: cache_manager.py, flush. */
Test(cache_flush, a_store_that_hangs_ends_it_at_its_deadline, .timeout = 20)
{
	struct store_fault lost[] = {{FAULT_DROP, AIBRIX_STORE_PUT, 1, 0, 0},
				     {FAULT_DROP, AIBRIX_STORE_PUT, 2, 0, 0}};
	struct bench b;
	uint64_t left = 7;

	bench_open(&b, AIBRIX_CACHE_INGEST_ALL, 0);
	aibrix__store_faults(b.store, lost, 2);
	cr_assert_eq(put_blocks(b.cache, 1, 5), 5);
	cr_expect_eq(aibrix_cache_flush(b.cache, 50000, 1, &left),
		     AIBRIX_E_TIMEOUT);
	cr_expect_eq(left, 4);
	cr_expect_leq(b.now, 100000);
	check(b.cache);
	/* Their deadline is the store's. */
	cr_expect_eq(
		aibrix_cache_flush(b.cache, AIBRIX_FOREVER, 3000000000, &left),
		AIBRIX_E_UNAVAILABLE);
	cr_expect_gt(left, 0);
	cr_expect_eq(
		aibrix_cache_flush(b.cache, AIBRIX_FOREVER, 3000000000, &left),
		AIBRIX_OK);
	cr_expect_eq(left, 0);
	cr_expect_eq(values_of(b.store), 5);
	bench_close(&b);
}

Test(cache_flush, a_deadline_that_is_past_is_a_question)
{
	struct bench b;
	uint64_t left = 7;
	int turns = 0;

	bench_open(&b, AIBRIX_CACHE_INGEST_HOT, 0);
	cr_assert_eq(put_blocks(b.cache, 1, 5), 5);
	while (aibrix_cache_flush(b.cache, 0, 1, &left) == AIBRIX_E_TIMEOUT) {
		cr_expect_gt(left, 0);
		check(b.cache);
		turns++;
	}
	cr_expect_eq(left, 0);
	cr_expect_gt(turns, 1);
	cr_expect_eq(values_of(b.store), 5);
	bench_close(&b);
}

Test(cache_flush, what_l2_does_not_take_is_told)
{
	struct store_fault fails = {FAULT_STATUS, AIBRIX_STORE_PUT, 2, 0,
				    AIBRIX_E_FULL};
	struct bench b;
	uint64_t left = 7;

	bench_open(&b, AIBRIX_CACHE_INGEST_EVICTED, 0);
	aibrix__store_faults(b.store, &fails, 1);
	cr_assert_eq(put_blocks(b.cache, 1, 4), 4);
	cr_expect_eq(aibrix_cache_flush(b.cache, AIBRIX_FOREVER, b.now, &left),
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(left, 1);
	bench_close(&b);
}

Test(cache_flush, without_an_l2_to_write_to_it_is_refused)
{
	aibrix_cache *cache = new_cache(2, NULL);
	uint64_t left = 7;
	struct bench b;

	cr_expect_eq(aibrix_cache_flush(cache, 0, 1, &left),
		     AIBRIX_E_UNSUPPORTED);
	aibrix_cache_free(cache);
	bench_open(&b, 0, AIBRIX_CACHE_NO_L2_WRITE);
	cr_expect_eq(aibrix_cache_flush(b.cache, 0, 1, &left),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(left, 7);
	cr_expect_eq(aibrix_cache_flush(b.cache, 0, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_cache_flush(NULL, 0, 1, &left), AIBRIX_E_INVAL);
	bench_close(&b);
}
