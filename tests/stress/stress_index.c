/*
 * Writers with an owner each and readers with a reader each, on one index.
 *
 * Writer w stores a chain of 64 blocks and removes it again, always from
 * the end, so every reader must see a score that is a state its owner was
 * in: 0 to 64, never more.  At the end nothing is known.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <aibrix/index.h>

#include "base/rand.h"
#include "index/index_internal.h"

enum { WRITERS = 3, READERS = 2, CHAIN = 64, ROUNDS = 400, LOOKUPS = 4000 };

struct work {
	aibrix_index *index;
	uint32_t owner;
	int failed;
};

/* The first half of the chain is shared by all owners. */
static void
chain_of(uint32_t owner, uint64_t *hashes)
{
	for (uint64_t i = 0; i < CHAIN; i++)
		hashes[i] = i < CHAIN / 2 ? i + 1 : i + 1000 * (owner + 1);
}

static int
chain_store(aibrix_index *index, uint32_t owner, uint64_t *hashes)
{
	aibrix_index_stored e = {.size = sizeof(e),
				 .n = CHAIN / 2,
				 .hashes = hashes,
				 .names = hashes};
	int err = aibrix_index_apply_stored(index, owner, &e);

	if (err)
		return err;
	e.hashes += CHAIN / 2;
	e.names += CHAIN / 2;
	e.parent = hashes[CHAIN / 2 - 1];
	e.flags = AIBRIX_INDEX_HAS_PARENT;
	return aibrix_index_apply_stored(index, owner, &e);
}

static void *
writer_run(void *arg)
{
	struct work *work = arg;
	uint64_t hashes[CHAIN];

	chain_of(work->owner, hashes);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		work->failed |= chain_store(work->index, work->owner, hashes);
		for (uint32_t i = CHAIN; i > 0 && round % 4; i--)
			work->failed |= aibrix_index_apply_removed(
				work->index, work->owner, &hashes[i - 1], 1,
				AIBRIX_TIER_DEVICE, 0);
		if (round % 4 == 0)
			work->failed |= aibrix_index_apply_cleared(work->index,
								   work->owner);
		if (round % 64 == 63)
			work->failed |= aibrix_index_owner_remove(
						work->index, work->owner) ||
					aibrix_index_owner_add(work->index,
							       work->owner);
	}
	return NULL;
}

static void *
reader_run(void *arg)
{
	struct work *work = arg;
	aibrix_index_reader *reader;
	uint64_t hashes[CHAIN], seed = work->owner;

	if (aibrix_index_reader_new(work->index, &reader)) {
		work->failed = 1;
		return NULL;
	}
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		uint32_t owner = rand_below(&seed, WRITERS), n;
		aibrix_match out[WRITERS];

		chain_of(owner, hashes);
		work->failed |= aibrix_index_lookup(reader, hashes, CHAIN, out,
						    WRITERS, &n);
		for (uint32_t j = 0; j < n; j++)
			work->failed |= out[j].owner >= WRITERS ||
					out[j].device != out[j].held ||
					(out[j].owner != owner &&
					 out[j].held > CHAIN / 2);
	}
	aibrix_index_reader_free(reader);
	return NULL;
}

int
main(void)
{
	aibrix_index_opts opts = {.size = sizeof(opts), .max_owners = WRITERS};
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct work work[WRITERS + READERS];
	pthread_t threads[WRITERS + READERS];
	aibrix_index *index;
	int failed;

	if (aibrix_index_new(&opts, &index))
		return 1;
	for (uint32_t i = 0; i < WRITERS; i++)
		if (aibrix_index_owner_add(index, i))
			return 1;
	for (uint32_t i = 0; i < WRITERS + READERS; i++) {
		work[i] = (struct work){index, i, 0};
		if (pthread_create(&threads[i], NULL,
				   i < WRITERS ? writer_run : reader_run,
				   &work[i]))
			return 1;
	}
	failed = 0;
	for (uint32_t i = 0; i < WRITERS + READERS; i++) {
		pthread_join(threads[i], NULL);
		failed |= work[i].failed;
	}
	failed |= aibrix_index_stats(index, &stat) || stat.places ||
		  stat.held || stat.unknown_parents || stat.unknown_removals;
	failed |= aibrix__index_check(index) != AIBRIX_OK;
	aibrix_index_free(index);
	printf("%llu blocks stored: %s\n", (unsigned long long)stat.stored,
	       failed ? "failed" : "ok");
	return failed != 0;
}
