/* From a key to the slot that has its block; cache_table.c. */
#ifndef CACHE_TABLE_H
#define CACHE_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <aibrix/hash.h>

struct table_line;

/*
 * One thread at a time writes; any thread asks for runs beside it.
 */
struct table {
	struct table_line *lines;
	_Atomic uint64_t *low; /* by slot: the first half of its key */
	size_t bytes;
	uint32_t n; /* lines */
	uint32_t capacity;
	uint64_t odd[2]; /* what keys are multiplied with */
	uint64_t undo;   /* odd[1] times this is 1 */
};

/* Room for capacity keys, at most 2^30, in slots below capacity.  Fails:
 * E_NOMEM; close accepts what is left. */
int aibrix__table_open(struct table *table, const aibrix_allocator *alloc,
		       uint32_t capacity);
void aibrix__table_close(struct table *table, const aibrix_allocator *alloc);

/* Of the writer. */

/* The slot of key, shown or not; NONE. */
uint32_t aibrix__table_find(const struct table *table, const aibrix_key *key);
/* Enter a key that is not there, not yet shown, for a slot that no other key
 * has; its position. */
uint32_t aibrix__table_add(struct table *table, const aibrix_key *key,
			   uint32_t slot);
/* By position: runs contain it from now on. */
void aibrix__table_show(struct table *table, uint32_t at);
void aibrix__table_remove(struct table *table, uint32_t at);
void aibrix__table_key(const struct table *table, uint32_t at, aibrix_key *key);
uint64_t aibrix__table_count(const struct table *table);

/*
 * How many leading keys of n, each stride bytes after the one before it, are
 * shown.  slots: theirs, or NULL.  Wait-free: a key whose line others write
 * again and again counts as missing in the end.  Tags are compared, so a
 * missing key counts as shown once in 2^64 comparisons.
 */
uint64_t aibrix__table_run(const struct table *table, const void *keys,
			   size_t stride, uint64_t n, uint32_t *slots);

/* Is each of n keys the one of the slot that stands in its entry at now?  How
 * many leading ones are.  Needs no lock: who asks sees that the slot has not
 * changed meanwhile. */
uint64_t aibrix__table_match(const struct table *table, const void *keys,
			     size_t stride, uint64_t n, const uint32_t *slots,
			     const uint32_t *at);

/* Of the writer: how many of a run's n keys are shown for certain, and in
 * which slots. */
uint64_t aibrix__table_sure(const struct table *table, const void *keys,
			    size_t stride, uint64_t n, uint32_t *slots);

#endif
