/*
 * One thread enters and removes keys in a small table, where every line
 * spills; others ask for runs meanwhile, without a lock.
 *
 * Keys that stay are found at any time, whatever happens around them, and
 * with their own slot; a key that is never entered is never found.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/rand.h"
#include "cache/cache_table.h"

enum { READERS = 3, STAY = 60, COME = 140, STEPS = 300000 };

struct shared {
	struct table table;
	aibrix_key stay[STAY], come[COME], never;
	_Atomic int stop;
	_Atomic int failed;
};

static aibrix_key
key_of(uint64_t i)
{
	uint64_t half[2] = {mix64(i), i + 1};
	aibrix_key key;

	memcpy(key.bytes, half, sizeof(half));
	return key;
}

static void *
reader(void *arg)
{
	struct shared *s = arg;
	uint32_t slots[COME];
	uint64_t runs = 0, n;

	while (!s->stop) {
		n = aibrix__table_run(&s->table, s->stay, sizeof(aibrix_key),
				      STAY, slots);
		if (n != STAY)
			s->failed = 1;
		for (uint32_t i = 0; i < n; i++)
			if (slots[i] != i)
				s->failed = 2;
		n = aibrix__table_run(&s->table, s->come, sizeof(aibrix_key),
				      COME, slots);
		for (uint32_t i = 0; i < n; i++)
			if (slots[i] != STAY + i)
				s->failed = 3;
		if (aibrix__table_run(&s->table, &s->never, sizeof(aibrix_key),
				      1, slots))
			s->failed = 4;
		runs++;
	}
	return runs ? NULL : arg;
}

static void
write_some(struct shared *s)
{
	uint32_t at[COME];
	uint64_t state = 1;

	for (uint32_t i = 0; i < COME; i++)
		at[i] = NONE;
	for (uint32_t step = 0; step < STEPS && !s->failed; step++) {
		/* The first ones mostly, so that runs begin with them. */
		uint32_t i = rand_below(&state, step % 2 ? COME : 4);

		if (at[i] == NONE) {
			at[i] = aibrix__table_add(&s->table, &s->come[i],
						  STAY + i);
			aibrix__table_show(&s->table, at[i]);
		} else {
			aibrix__table_remove(&s->table, at[i]);
			at[i] = NONE;
		}
	}
}

int
main(void)
{
	static struct shared s;
	pthread_t threads[READERS];
	aibrix_allocator alloc;
	int failed;

	if (aibrix__allocator_load(&alloc, NULL) ||
	    aibrix__table_open(&s.table, &alloc, STAY + COME))
		return EXIT_FAILURE;
	s.never = key_of(STAY + COME);
	for (uint32_t i = 0; i < COME; i++)
		s.come[i] = key_of(STAY + i);
	for (uint32_t i = 0; i < STAY; i++) {
		s.stay[i] = key_of(i);
		aibrix__table_show(&s.table,
				   aibrix__table_add(&s.table, &s.stay[i], i));
	}
	for (uint32_t i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reader, &s))
			return EXIT_FAILURE;
	write_some(&s);
	s.stop = 1;
	for (uint32_t i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	failed = s.failed;
	if (failed)
		fprintf(stderr, "kind %d\n", failed);
	aibrix__table_close(&s.table, &alloc);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
