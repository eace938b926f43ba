/*
 * Keys that were not there a moment ago, so that the same miss is not asked
 * for again and again.
 */
#ifndef STORE_ABSENT_H
#define STORE_ABSENT_H

#include <aibrix/base.h>

/* Two cache lines hold a set; a set is searched whole. */
enum { ABSENT_WAYS = 8, ABSENT_SETS = 2048 };

struct absent_entry {
	uint64_t print; /* fingerprint of the key */
	uint64_t until_ns;
};

struct absent {
	struct absent_entry *entries; /* NULL: nothing is remembered */
	uint64_t keep_ns;
};

/* keep_ns 0: remember nothing.  Fails: E_NOMEM. */
int aibrix__absent_open(struct absent *absent, const aibrix_allocator *alloc,
			uint64_t keep_ns);

/* Also on zeros. */
void aibrix__absent_close(struct absent *absent, const aibrix_allocator *alloc);

/* 1: a key with this fingerprint was missed less than keep_ns ago. */
int aibrix__absent_has(const struct absent *absent, uint64_t print,
		       uint64_t now_ns);

void aibrix__absent_add(struct absent *absent, uint64_t print, uint64_t now_ns);
void aibrix__absent_forget(struct absent *absent, uint64_t print);

#endif
