/*
 * Writers with two owners each and readers, on each of the other designs.
 *
 * An owner stores a chain and gives it up again, always from the end or by
 * a clear, so that a reader must see at most the whole chain of the owner
 * whose chain it asks for, and at most the shared half of the others'.  At
 * the end every owner stores its chain once more, and all answers are exact.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "baseline.h"

enum {
	WRITERS = 3,
	READERS = 2,
	OWNERS = 2 * WRITERS, /* more than a set holds in place */
	CHAIN = 160,
	ROUNDS = 250,
	LOOKUPS = 2500
};

struct work {
	const struct baseline *b;
	void *self;
	uint32_t number;
	int failed;
};

static void
chain_of(uint32_t owner, uint64_t *hashes)
{
	for (uint64_t i = 0; i < CHAIN; i++)
		hashes[i] = i < CHAIN / 2 ? i + 1 : i + 1000 * (owner + 1);
}

static int
chain_store(const struct work *work, uint32_t owner, const uint64_t *hashes)
{
	const uint64_t *rest = hashes + CHAIN / 2;

	return work->b->stored(work->self, owner, 0, 0, hashes, hashes,
			       CHAIN / 2) ||
	       work->b->stored(work->self, owner, rest[-1], 1, rest, rest,
			       CHAIN / 2);
}

static void
chain_remove(const struct work *work, uint32_t owner, const uint64_t *hashes)
{
	uint64_t names[CHAIN];

	for (uint32_t i = 0; i < CHAIN; i++)
		names[i] = hashes[CHAIN - 1 - i];
	for (uint32_t i = 0; i < CHAIN; i += CHAIN / 8)
		work->b->removed(work->self, owner, names + i, CHAIN / 8);
}

static void *
writer_run(void *arg)
{
	struct work *work = arg;
	uint64_t hashes[CHAIN];

	for (uint32_t round = 0; round < 2 * ROUNDS; round++) {
		uint32_t owner = 2 * work->number + round % 2;

		chain_of(owner, hashes);
		work->failed |= chain_store(work, owner, hashes);
		if (round % 5 == 0)
			work->b->cleared(work->self, owner);
		else
			chain_remove(work, owner, hashes);
	}
	for (uint32_t i = 0; i < 2; i++) {
		chain_of(2 * work->number + i, hashes);
		work->failed |= chain_store(work, 2 * work->number + i, hashes);
	}
	return NULL;
}

/* Whether the answers for owner's chain can be; at the end, must be. */
static int
answers_are_good(const struct work *work, uint32_t owner, int at_end)
{
	uint64_t hashes[CHAIN];
	aibrix_match out[OWNERS];
	uint32_t n;
	int good;

	chain_of(owner, hashes);
	n = work->b->lookup(work->self, hashes, CHAIN, out, OWNERS);
	good = at_end ? n == OWNERS : n <= OWNERS;
	for (uint32_t i = 0; good && i < n; i++) {
		uint32_t most = out[i].owner == owner ? CHAIN : CHAIN / 2;

		good = out[i].owner < OWNERS && out[i].held > 0 &&
		       (i == 0 || out[i].owner > out[i - 1].owner) &&
		       (at_end ? out[i].held == most : out[i].held <= most);
	}
	return good;
}

static void *
reader_run(void *arg)
{
	struct work *work = arg;
	uint64_t seed = work->number;

	for (uint32_t i = 0; i < LOOKUPS; i++)
		work->failed |=
			!answers_are_good(work, rand_below(&seed, OWNERS), 0);
	return NULL;
}

static int
design_run(const struct baseline *b)
{
	struct work work[WRITERS + READERS];
	pthread_t threads[WRITERS + READERS];
	void *self = b->create(OWNERS, NULL);
	int failed = 0;

	if (!self)
		return 1;
	for (uint32_t i = 0; i < WRITERS + READERS; i++) {
		work[i] = (struct work){b, self, i, 0};
		if (pthread_create(&threads[i], NULL,
				   i < WRITERS ? writer_run : reader_run,
				   &work[i]))
			abort();
	}
	for (uint32_t i = 0; i < WRITERS + READERS; i++) {
		pthread_join(threads[i], NULL);
		failed |= work[i].failed;
	}
	for (uint32_t owner = 0; owner < OWNERS; owner++)
		failed |= !answers_are_good(&work[0], owner, 1);
	b->destroy(self);
	printf("%s: %s\n", b->name, failed ? "failed" : "ok");
	return failed;
}

int
main(void)
{
	int failed = design_run(&baseline_nested_map);

	failed |= design_run(&baseline_radix_locks);
	failed |= design_run(&baseline_positional_32);
	failed |= design_run(&baseline_positional_each);
	failed |= design_run(&baseline_owner_maps);
	return failed != 0;
}
