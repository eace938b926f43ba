/*
 * What lies in which slot: a table from keys to slots, and the order in
 * which slots are given up.
 *
 * A slot is free, taken (without a name), busy (its name is known, its value
 * is not to be seen: being written or going), used, or bad (never used
 * again).  A used slot that is being read is pinned: it is in no order, so
 * nobody gives it up, and given up it becomes free with its last reader.
 *
 * Memory is bounded by the number of slots and taken at open, except that
 * pages for keys of more than 16 bytes appear when such keys do.
 */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include <aibrix/evict.h>
#include <aibrix/pool.h>
#include <aibrix/store.h>

enum { PLACE_KEY = 16 };

#define SLOT_NONE UINT32_MAX
#define SLOTS_MAX (UINT32_C(1) << 30)

struct place {
	uint64_t hash;  /* of the key */
	uint64_t bytes; /* of the value */
	uint32_t readers : 28, state : 4;
	uint16_t key_bytes;
	uint16_t lead;          /* of the slot's head */
	uint8_t key[PLACE_KEY]; /* keys that fit; others are in long_keys */
};

struct directory {
	const aibrix_allocator *alloc;
	struct place *places; /* one per slot */
	uint32_t *table;      /* slot + 1, or 0; linear probing */
	uint32_t *free;       /* a stack */
	aibrix_pool *long_keys;
	aibrix_evict *order;
	size_t cells; /* of the table; a power of two */
	uint32_t slots, n_free, used, bad;
};

/* All slots are free, but none is on the stack before settle. */
int aibrix__directory_open(struct directory *d, const aibrix_allocator *alloc,
			   uint32_t slots);

/* Also after a failed or no open, on zeros. */
void aibrix__directory_close(struct directory *d);

/* The used or busy slot of this key, or SLOT_NONE. */
uint32_t aibrix__directory_find(const struct directory *d, const void *key,
				uint32_t key_bytes);

/* The slot's key; key_bytes of its place are valid. */
const void *aibrix__directory_key(const struct directory *d, uint32_t slot);

/* Take a free slot, or the victim's, and set *evicted when it was used.
 * SLOT_NONE: all are bad, taken, busy or pinned. */
uint32_t aibrix__directory_take(struct directory *d, int *evicted);

/* Take this slot, which is free: only before settle. */
void aibrix__directory_claim(struct directory *d, uint32_t slot);

/* Recovery is over: free slots will be taken from 0 upwards. */
void aibrix__directory_settle(struct directory *d);

/* A taken slot holds a value under a key that no other slot has. */
void aibrix__directory_add(struct directory *d, uint32_t slot, const void *key,
			   uint32_t key_bytes, uint64_t bytes);

/* The same in two moves: a taken slot gets a name and is busy, a busy one
 * becomes used. */
void aibrix__directory_name(struct directory *d, uint32_t slot, const void *key,
			    uint32_t key_bytes, uint64_t bytes);
void aibrix__directory_show(struct directory *d, uint32_t slot);

/* A used slot becomes busy, whoever reads it. */
void aibrix__directory_hide(struct directory *d, uint32_t slot);

/* A used slot is being read, and once less; then it was used again. */
void aibrix__directory_pin(struct directory *d, uint32_t slot);
void aibrix__directory_unpin(struct directory *d, uint32_t slot);

int aibrix__directory_uses(const struct directory *d, uint32_t slot);

/* A used slot was used again. */
void aibrix__directory_hit(struct directory *d, uint32_t slot);

/* A taken, busy or used slot becomes free, when nobody reads it. */
void aibrix__directory_release(struct directory *d, uint32_t slot);

/* A taken, busy or used slot becomes bad. */
void aibrix__directory_retire(struct directory *d, uint32_t slot);

#endif
