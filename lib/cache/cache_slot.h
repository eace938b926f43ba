/*
 * A slot of L1, and the word that says whether it may be read.
 *
 *   word   generation (32) | pins (27) | KEPT | LAST | state (3)
 *
 * Readers pin a READY slot by one compare-and-swap, and whoever evicts it
 * claims it by another one of the same word, so one of the two wins.  A
 * reader looks at the word, then compares the key, then swaps: the generation
 * has changed if the slot has had another block meanwhile.
 *
 * All else of a slot, and every change of its state, belongs to the holder of
 * the cache's lock.  Two marks send a reader to it:
 *
 *   KEPT   a pin means more: the slot was to be reused
 *   LAST   giving back the last pin means more: it goes back into the order
 */
#ifndef CACHE_SLOT_H
#define CACHE_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

/*
 *            take                 publish
 *     FREE -------> FILLING  ---------------> READY
 *       ^ \ take                             ^  |
 *       |  -------> FETCHING ----------------   | damaged, read by others
 *       |              | given up, L2 writes    |
 *       |              v                        v
 *       <------------ LOOSE <-------------------
 *        last pin
 *
 * READY without pins becomes LOOSE, and FREE at once, by eviction.
 */
enum {
	SLOT_FREE = 0,     /* the pool's */
	SLOT_FILLING = 1,  /* in the table; a reservation writes it */
	SLOT_FETCHING = 2, /* in the table; L2 writes it */
	SLOT_READY = 3,    /* in the table; whole */
	SLOT_LOOSE = 4,    /* not in the table; freed with its last pin */
	SLOT_STATES = 5
};

enum {
	SLOT_STATE = 7,
	SLOT_LAST = 1 << 3,
	SLOT_KEPT = 1 << 4,
	SLOT_PIN = 1 << 5,
	SLOT_PINS_MAX = (1 << 27) - 1,
	SLOT_READERS_MAX = 1 << 26 /* what is left is for transfers */
};

/* 32 bytes: two to a cache line. */
struct slot {
	_Atomic uint64_t word;
	uint64_t checksum;   /* XXH3-64 of the payload, once READY */
	_Atomic uint32_t at; /* its entry of the table, which has its key */
	uint32_t parent;     /* slot that had the block before it; NONE */
	union {
		uint32_t depth; /* blocks from the first one known to this one;
				   one tenant */
		struct {        /* several */
			uint32_t tenant : 8;
			uint32_t used : 24; /* when, in ticks */
		};
	};
	_Atomic uint16_t tail; /* valid tokens of a piece; 0: all */
	/* All of these only when READY. */
	uint8_t ordered : 1; /* in the eviction order */
	uint8_t aside : 1;   /* which takes it for pinned */
	uint8_t queued : 1;  /* waits to be written to L2 */
	uint8_t probed : 1;  /* L2 said that it lacks it */
	uint8_t leaving : 1; /* a victim that L2 is to have first */
	uint8_t left : 1;    /* a victim: its memory is the next to be reused */
	uint8_t flush : 1;   /* somebody waits for its write */
	uint8_t l2;          /* hits, or L2_ASKED, L2_HAS */
};

_Static_assert(sizeof(struct slot) == 32, "two to a cache line");

enum {
	HITS_MAX = 200,
	L2_ASKED = 254, /* queued, asked about or sent */
	L2_HAS = 255    /* it came from there, or was taken there */
};

static inline uint64_t
slot_word(const struct slot *s)
{
	return atomic_load_explicit(&s->word, memory_order_acquire);
}

static inline uint8_t
word_state(uint64_t word)
{
	return word & SLOT_STATE;
}

static inline uint32_t
word_pins(uint64_t word)
{
	return (uint32_t)word / SLOT_PIN;
}

static inline uint32_t
word_generation(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static inline uint32_t
slot_at(const struct slot *s)
{
	return atomic_load_explicit(&s->at, memory_order_relaxed);
}

static inline uint8_t
slot_state(const struct slot *s)
{
	return word_state(slot_word(s));
}

static inline uint32_t
slot_pins(const struct slot *s)
{
	return word_pins(slot_word(s));
}

/* Release: whoever pins sees what was written before, and whoever claims what
 * was read. */
static inline int
word_swap(struct slot *s, uint64_t *before, uint64_t after)
{
	return atomic_compare_exchange_weak_explicit(&s->word, before, after,
						     memory_order_acq_rel,
						     memory_order_acquire);
}

/* What follows needs no lock. */

/* A pin, if it is READY still, nobody wants the lock for it, and word, which
 * was seen before its key was compared, is of the same block.  word becomes
 * the one before. */
static inline int
slot_pin(struct slot *s, uint64_t *word)
{
	const uint32_t generation = word_generation(*word);

	do {
		if (word_generation(*word) != generation ||
		    (*word & (SLOT_STATE | SLOT_KEPT)) != SLOT_READY ||
		    word_pins(*word) >= SLOT_READERS_MAX)
			return 0;
	} while (!word_swap(s, word, *word + SLOT_PIN));
	return 1;
}

/* One pin less, unless its end means more; word becomes the one before. */
static inline int
slot_unpin(struct slot *s, uint64_t *word)
{
	const uint32_t marks = SLOT_LAST | SLOT_KEPT;

	*word = slot_word(s);
	do {
		if (word_pins(*word) == 1 &&
		    (*word & (SLOT_STATE | marks)) != SLOT_READY)
			return 0;
	} while (!word_swap(s, word, *word - SLOT_PIN));
	return 1;
}

/* What follows is of the lock's holder. */

/* Taken from the pool, with one pin. */
static inline void
slot_begin(struct slot *s, uint8_t state, uint32_t generation)
{
	atomic_store_explicit(&s->word,
			      (uint64_t)generation << 32 | SLOT_PIN | state,
			      memory_order_release);
}

static inline void
slot_at_set(struct slot *s, uint32_t at)
{
	atomic_store_explicit(&s->at, at, memory_order_relaxed);
}

/* The word before. */
static inline uint64_t
slot_change(struct slot *s, uint8_t state)
{
	uint64_t word = slot_word(s);

	while (!word_swap(s, &word, (word & ~(uint64_t)SLOT_STATE) | state))
		;
	return word;
}

static inline void
slot_mark(struct slot *s, uint32_t mark)
{
	atomic_fetch_or_explicit(&s->word, mark, memory_order_acq_rel);
}

static inline void
slot_unmark(struct slot *s, uint32_t mark)
{
	atomic_fetch_and_explicit(&s->word, ~(uint64_t)mark,
				  memory_order_acq_rel);
}

/* Set mark if there are pins, or if there are none: 1, it is set. */
static inline int
slot_mark_if(struct slot *s, uint32_t mark, int pinned)
{
	uint64_t word = slot_word(s);

	do {
		if ((word_pins(word) != 0) != pinned)
			return 0;
	} while (!word_swap(s, &word, word | mark));
	return 1;
}

/* READY and without pins: nobody's any more.  0: somebody reads it. */
static inline int
slot_claim(struct slot *s)
{
	uint64_t word = slot_word(s);

	do {
		if (word_pins(word))
			return 0;
	} while (!word_swap(s, &word,
			    (word & ~(uint64_t)SLOT_STATE) | SLOT_LOOSE));
	return 1;
}

/* One pin more, in any state, and how many there were.  0: max, none is
 * added. */
static inline int
slot_hold(struct slot *s, uint32_t max, uint32_t *before)
{
	uint64_t word = slot_word(s);

	do {
		*before = word_pins(word);
		if (*before >= max)
			return 0;
	} while (!word_swap(s, &word, word + SLOT_PIN));
	return 1;
}

/* One pin less; the word before.  If others remain, the last of them is given
 * back with the lock where mark says so. */
static inline uint64_t
slot_let_go(struct slot *s, uint32_t mark)
{
	uint64_t word = slot_word(s), after;

	do {
		after = word - SLOT_PIN;
		if (word_pins(after))
			after |= mark;
	} while (!word_swap(s, &word, after));
	return word;
}

#endif
