/*
 * Threads record into one histogram, and into one each, while a reader takes
 * copies: each copy has no less than the one before, in each bucket, and in
 * the end nothing was lost and nothing counted twice.  Operations go into one
 * meter beside.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <aibrix/meter.h>
#include <aibrix/metric.h>

#include "base/rand.h"

enum { THREADS = 4, RECORDS = 300000, READS = 200, EDGES = 3 };

static const uint64_t edges[EDGES] = {100, 3000, 70000};

struct worker {
	aibrix_histogram *shared, *own;
	aibrix_meter *meter;
	uint64_t rand, sum;
};

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static aibrix_histogram *
new_histogram(void)
{
	aibrix_histogram_opts opts = {.size = sizeof(opts),
				      .max = 1 << 20,
				      .edges = edges,
				      .n_edges = EDGES};
	aibrix_histogram *h = NULL;

	require(aibrix_histogram_new(&opts, &h) == AIBRIX_OK, "new");
	return h;
}

static void
operate(aibrix_meter *meter, uint32_t i)
{
	aibrix_meter_op op = {.size = sizeof(op),
			      .op = AIBRIX_METER_GET,
			      .status = i % 32 ? AIBRIX_E_IO : AIBRIX_OK,
			      .tokens = 16,
			      .done_tokens = 5,
			      .spent_ns = 3};

	require(aibrix_meter_record(meter, &op) == AIBRIX_OK, "operation");
}

/* Half of them hit 5 tokens of 16. */
static void
meter_check(const aibrix_meter *meter)
{
	const uint64_t ops = (uint64_t)THREADS * RECORDS / 16;
	uint64_t hits, misses, spent, n, ns;

	require(!aibrix_meter_get(meter, AIBRIX_METER_HIT_TOKENS, 0, &hits) &&
			!aibrix_meter_get(meter, AIBRIX_METER_MISS_TOKENS, 0,
					  &misses) &&
			!aibrix_meter_get(meter, AIBRIX_METER_SPENT_NS, 0,
					  &spent) &&
			!aibrix_histogram_total(
				aibrix_meter_latency(meter, 0,
						     AIBRIX_METER_GET),
				&n, &ns),
		"get");
	require(hits == ops / 2 * 5 && misses == ops * 16 - hits &&
			spent == 3 * ops && n == ops && ns == 3 * ops,
		"the totals of operations are not exact");
}

static void *
record(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < RECORDS; i++) {
		uint64_t v = rand_next(&w->rand) >> (40 + i % 24);

		aibrix_histogram_record(w->shared, v);
		aibrix_histogram_record(w->own, v);
		w->sum += v;
		if (i % 16 == 0)
			operate(w->meter, i);
	}
	return NULL;
}

static uint64_t
count_of(const aibrix_histogram *h)
{
	uint64_t n = 0;

	require(aibrix_histogram_total(h, &n, NULL) == AIBRIX_OK, "total");
	return n;
}

static void
look_on(const aibrix_histogram *shared)
{
	aibrix_histogram *now = new_histogram(), *before = new_histogram();
	uint64_t n, upto;

	for (uint32_t i = 0; i < READS; i++) {
		require(aibrix_histogram_copy(now, shared) == AIBRIX_OK,
			"copy");
		n = count_of(now);
		require(aibrix_histogram_upto(now, UINT64_MAX, &upto) ==
					AIBRIX_OK &&
				upto == n,
			"a copy that does not agree with itself");
		require(n <= (uint64_t)THREADS * RECORDS, "too many");
		require(aibrix_histogram_subtract(now, before) == AIBRIX_OK,
			"a later copy has less");
		require(aibrix_histogram_merge(before, now) == AIBRIX_OK,
			"merge");
	}
	aibrix_histogram_free(now);
	aibrix_histogram_free(before);
}

int
main(void)
{
	struct worker w[THREADS];
	pthread_t threads[THREADS];
	aibrix_histogram *shared = new_histogram(), *all = new_histogram();
	aibrix_meter *meter = NULL;
	uint64_t count, sum, want = 0, a, b;

	require(aibrix_meter_new(NULL, &meter) == AIBRIX_OK, "meter");
	for (uint32_t i = 0; i < THREADS; i++) {
		w[i] = (struct worker){shared, new_histogram(), meter, i, 0};
		require(pthread_create(&threads[i], NULL, record, &w[i]) == 0,
			"thread");
	}
	look_on(shared);
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		require(aibrix_histogram_merge(all, w[i].own) == AIBRIX_OK,
			"merge");
		want += w[i].sum;
		aibrix_histogram_free(w[i].own);
	}

	require(aibrix_histogram_total(shared, &count, &sum) == AIBRIX_OK &&
			count == (uint64_t)THREADS * RECORDS && sum == want,
		"the totals are not exact");
	for (uint32_t i = 0; i < EDGES; i++)
		require(aibrix_histogram_upto(shared, edges[i], &a) ==
					AIBRIX_OK &&
				aibrix_histogram_upto(all, edges[i], &b) ==
					AIBRIX_OK &&
				a == b,
			"counts at edges differ");
	require(aibrix_histogram_subtract(shared, all) == AIBRIX_OK &&
			count_of(shared) == 0,
		"buckets differ");
	meter_check(meter);
	aibrix_meter_free(meter);
	aibrix_histogram_free(shared);
	aibrix_histogram_free(all);
	printf("%" PRIu64 " values, none lost\n", count);
	return 0;
}
