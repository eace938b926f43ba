/* How soon blocks of a class are used again, learnt from a sample. */
#ifndef EVICT_LEARN_H
#define EVICT_LEARN_H

#include "base/arch.h"
#include "evict/evict_internal.h"

/*
 * A class of blocks is three things that are known when a block is used:
 * bit 0: it is the last block of its chain; bits 1-2: how often it was used
 * before, 0 to 3; bits 3-5: the binary logarithm of its chain's length.
 */
enum { LEARN_CLASSES = 64, LEARN_AGES = 32 };

struct learn_entry {
	uint64_t hash;
	uint64_t used_at;
	uint32_t newer, older;
	uint32_t next;  /* of its chain, plus one */
	uint32_t class; /* when it was used */
};

typedef uint32_t learn_table[LEARN_CLASSES][LEARN_AGES];

struct learn_tables {
	learn_table reused;  /* used again at that age */
	learn_table lost;    /* not seen again, until that age */
	learn_table running; /* lost, and what is watched still */
	double density[LEARN_CLASSES][LEARN_AGES];
};

struct evict_learn {
	struct learn_tables *tables;
	struct learn_entry *entries; /* what is watched */
	uint32_t *heads;
	uint32_t cap, used;
	uint32_t newest, oldest;
	uint32_t unused; /* entries, linked by newer */
	uint32_t age_shift;
	uint32_t until, pause; /* draws until the densities are renewed */
	uint64_t ended;        /* sum of reused and lost */
};

/* learn is zeroed; close accepts what a failed open left. */
int aibrix__learn_open(struct evict_learn *learn, const aibrix_allocator *a,
		       uint32_t capacity);
void aibrix__learn_close(struct evict_learn *learn, const aibrix_allocator *a);

/*
 * now counts uses; hash is of the block's fingerprint, all bits good.
 *
 * A use of a block is a reuse of what is watched under its hash, if anything
 * is; then the block is in a class from now on.  1: and is watched.
 */
void aibrix__learn_reuse(struct evict_learn *learn, uint64_t hash,
			 uint64_t now);
int aibrix__learn_use(struct evict_learn *learn, uint64_t hash, uint32_t class,
		      uint64_t now);

/* Ages: 0 to 1 units, then two for each doubling, the last without end. */
static inline uint32_t
learn_age(const struct evict_learn *learn, uint64_t uses)
{
	uint64_t halves = uses >> (learn->age_shift - 1);
	uint32_t octave, age;

	if (halves < 2)
		return 0;
	octave = highest_bit(halves);
	age = 2 * octave - 1 + (uint32_t)(halves >> (octave - 1) & 1);
	return age < LEARN_AGES ? age : LEARN_AGES - 1;
}

/* Expected reuses per unit of time in the cache, of a block not used for
 * that many uses of others; at the best time to give it up. */
static inline double
learn_density(const struct evict_learn *learn, uint32_t class, uint64_t uses)
{
	return learn->tables->density[class][learn_age(learn, uses)];
}

#endif
