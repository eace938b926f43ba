/*
 * One thread enters and removes keys in a small table, where every line
 * spills; others ask for runs meanwhile, without a lock.
 *
 * Keys that stay are found at any time, whatever happens around them, and
 * with their own slot; a key that is never entered is never found.  Of two
 * keys that take turns in one entry none is found with the other's slot:
 * that is what a line's version is for, and only a change between two loads
 * asks for it, so they do nothing else.
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

enum { READERS = 3, STAY = 60, COME = 140, STEPS = 300000, TURNS = 2000000 };

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

static void *
turn_reader(void *arg)
{
	struct shared *s = arg;
	uint32_t slot;

	while (!s->stop)
		for (uint32_t i = 0; i < 2; i++)
			if (aibrix__table_run(&s->table, &s->come[i],
					      sizeof(aibrix_key), 1, &slot) &&
			    slot != i)
				s->failed = 5;
	return NULL;
}

/* Two keys that get the same entry of an empty table. */
static void
twins_choose(struct shared *s)
{
	uint32_t at, want;

	s->come[0] = key_of(0);
	want = aibrix__table_add(&s->table, &s->come[0], 0);
	aibrix__table_remove(&s->table, want);
	for (uint64_t i = 1;; i++) {
		s->come[1] = key_of(i);
		at = aibrix__table_add(&s->table, &s->come[1], 1);
		aibrix__table_remove(&s->table, at);
		if (at == want)
			return;
	}
}

static void
turn_some(struct shared *s)
{
	for (uint32_t step = 0; step < TURNS && !s->failed; step++) {
		uint32_t i = step % 2, at;

		at = aibrix__table_add(&s->table, &s->come[i], i);
		aibrix__table_show(&s->table, at);
		aibrix__table_remove(&s->table, at);
	}
}

/* Readers beside one writer; 0, or which rule is broken. */
static int
threads_run(struct shared *s, void *(*reads)(void *arg),
	    void (*writes)(struct shared *s))
{
	pthread_t threads[READERS];

	s->stop = 0;
	for (uint32_t i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reads, s))
			exit(EXIT_FAILURE);
	writes(s);
	s->stop = 1;
	for (uint32_t i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	return s->failed;
}

int
main(void)
{
	static struct shared s;
	aibrix_allocator alloc;
	int failed;

	if (aibrix__allocator_load(&alloc, NULL) ||
	    aibrix__table_open(&s.table, &alloc, STAY + COME))
		return EXIT_FAILURE;
	twins_choose(&s);
	failed = threads_run(&s, turn_reader, turn_some);
	s.never = key_of(STAY + COME);
	for (uint32_t i = 0; i < COME; i++)
		s.come[i] = key_of(STAY + i);
	for (uint32_t i = 0; i < STAY; i++) {
		s.stay[i] = key_of(i);
		aibrix__table_show(&s.table,
				   aibrix__table_add(&s.table, &s.stay[i], i));
	}
	if (!failed)
		failed = threads_run(&s, reader, write_some);
	if (failed)
		fprintf(stderr, "kind %d\n", failed);
	aibrix__table_close(&s.table, &alloc);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
