/*
 * Threads that predict, confirm and forget, each of an owner of its own, and
 * threads that match, on one object.
 *
 * Owner w is only ever predicted chain w, whose first half all share.  So a
 * match of chain w may show any depth of owner w, and at most half of any
 * other.  At the end everything is confirmed.
 */

#include <pthread.h>
#include <stdio.h>

#include <aibrix/predict.h>

#include "base/rand.h"
#include "index/claims_check.h"

enum { WRITERS = 3, READERS = 2, CHAIN = 64, ROUNDS = 30000, MATCHES = 80000 };

struct work {
	aibrix_predict *predict;
	uint32_t owner;
	int failed;
};

static void
chain_of(uint32_t owner, uint64_t *hashes)
{
	for (uint64_t i = 0; i < CHAIN; i++)
		hashes[i] = i < CHAIN / 2 ? i + 1 : i + 1000 * (owner + 1);
}

static void *
writer_run(void *arg)
{
	struct work *work = arg;
	uint64_t hashes[CHAIN], seed = work->owner;

	chain_of(work->owner, hashes);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint32_t n = 1 + rand_below(&seed, CHAIN);

		work->failed |= aibrix_predict_add(work->predict, work->owner,
						   hashes, n, round, 10);
		n = rand_below(&seed, CHAIN + 1);
		work->failed |= aibrix_predict_confirm(work->predict,
						       work->owner, hashes, n);
		if (round % 16 == 0)
			work->failed |= aibrix_predict_forget(work->predict,
							      work->owner);
	}
	work->failed |= aibrix_predict_confirm(work->predict, work->owner,
					       hashes, CHAIN);
	return NULL;
}

static void *
reader_run(void *arg)
{
	struct work *work = arg;
	aibrix_predict_stat stat = {.size = sizeof(stat)};
	uint64_t hashes[CHAIN], seed = work->owner;

	for (uint32_t i = 0; i < MATCHES; i++) {
		uint32_t owner = rand_below(&seed, WRITERS);
		double blocks[WRITERS] = {0};

		chain_of(owner, hashes);
		work->failed |= aibrix_predict_match(
			work->predict, hashes, CHAIN, rand_below(&seed, ROUNDS),
			blocks, WRITERS);
		for (uint32_t j = 0; j < WRITERS; j++)
			work->failed |=
				blocks[j] > (j == owner ? CHAIN : CHAIN / 2);
		work->failed |= aibrix_predict_stats(work->predict, &stat) ||
				stat.blocks > CHAIN;
	}
	return NULL;
}

int
main(void)
{
	/* Fewer blocks than there are, so that some make room. */
	aibrix_predict_opts opts = {.size = sizeof(opts),
				    .max_owners = WRITERS,
				    .max_blocks = CHAIN};
	aibrix_predict_stat stat = {.size = sizeof(stat)};
	struct work work[WRITERS + READERS];
	pthread_t threads[WRITERS + READERS];
	aibrix_predict *predict;
	int failed = 0;

	if (aibrix_predict_new(&opts, &predict))
		return 1;
	for (uint32_t i = 0; i < WRITERS + READERS; i++) {
		work[i] = (struct work){predict, i, 0};
		if (pthread_create(&threads[i], NULL,
				   i < WRITERS ? writer_run : reader_run,
				   &work[i]))
			return 1;
	}
	for (uint32_t i = 0; i < WRITERS + READERS; i++) {
		pthread_join(threads[i], NULL);
		failed |= work[i].failed;
	}
	/* What an owner had before it was forgotten may still be there. */
	for (uint32_t i = 0; i < CHAIN; i++)
		failed |= aibrix_predict_forget(predict, 0);
	failed |= aibrix_predict_stats(predict, &stat) || stat.entries;
	failed |= aibrix__predict_check(predict);
	aibrix_predict_free(predict);
	printf("%llu blocks predicted: %s\n", (unsigned long long)stat.added,
	       failed ? "failed" : "ok");
	return failed != 0;
}
