/*
 * A lease, and the word that says who may read it.
 *
 *   word   users (24) | state (8)
 *
 * A lease that waits, is filled, or is worked on is guarded by the cache's
 * lock and by its state.  An acquired one is read without the lock, by any
 * number of users, and released once: the last of all these ends it.
 */
#ifndef CACHE_LEASE_H
#define CACHE_LEASE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <aibrix/hash.h>

/* States of a lease's block; from BLOCK_HELD on it counts for the prefix. */
enum {
	BLOCK_WANTED = 0,
	BLOCK_PINNED = 1,   /* of L1, not yet verified */
	BLOCK_PROBING = 2,  /* ref is the transfer */
	BLOCK_FOUND = 3,    /* L2 has it */
	BLOCK_FETCHING = 4, /* ref is the transfer */
	BLOCK_HELD = 5,     /* ref is the slot, READY and pinned */
	BLOCK_OWN = 6,      /* reserved: ref is the slot, to be filled */
	BLOCK_ELSEWHERE = 7 /* reserved: another lease fills it */
};

struct lease_block {
	aibrix_key key;
	uint32_t ref; /* a slot or a transfer, as state says */
	uint8_t state;
	uint8_t tier; /* AIBRIX_CACHE_L1 or L2, of an acquired block */
	/* Acquired: this lease knows its bytes to be good, and any of its users
	 * may say so; reserved: its slot has their sum. */
	_Atomic uint8_t summed;
};

enum {
	LEASE_FREE = 0,
	LEASE_BUSY = 1,    /* a call works on it with the lock released */
	LEASE_WAITING = 2, /* acquired, L2 is asked */
	LEASE_ACQUIRED = 3,
	LEASE_RESERVED = 4,
	LEASE_LOADED = 5,   /* a prefetch that has what it can get */
	LEASE_REMOVING = 6, /* has no blocks */
	LEASE_REMOVED = 7,
	LEASE_ENDED = 8 /* released; the last user ends it */
};

enum { LEASE_STATE = 255, LEASE_USER = 256 };

#define NONE_DAMAGED UINT64_MAX

/* Blocks of a lease that ended under the lock. */
struct dead {
	struct dead *next;
	uint64_t cap;
};

/* The trailer that a block's value must have. */
struct expected {
	uint64_t tokens;    /* up to its end */
	uint8_t digest[16]; /* of them all */
};

struct lease {
	_Atomic uint64_t id; /* generation << lease_bits | index */
	_Atomic uint32_t word;
	_Atomic uint32_t below; /* it, in a stack of leases */
	_Atomic uint32_t noted; /* the order lacks its hits */
	/* Acquired: a user found this block damaged; NONE_DAMAGED.  It ends
	 * there for whoever asks, and holds all n. */
	_Atomic uint64_t damaged;
	/* From here on zeroed when it is taken. */
	uint64_t n;           /* blocks that may still become its prefix */
	uint64_t cap;         /* of blocks */
	uint64_t good;        /* blocks that lease_good has counted */
	uint64_t used;        /* those behind them are wanted, no more */
	uint64_t probe_at;    /* first block that L2 was not asked about */
	uint64_t get_at;      /* first block not held and not fetched */
	uint64_t deadline_ns; /* 0: none */
	uint64_t asked;       /* blocks, by the caller */
	uint64_t begun_ns;    /* acquire */
	struct lease_block *blocks;
	struct removal *removal; /* NULL: it is none */
	uint64_t asked_ns;       /* when L2 was asked */
	uint64_t asked_at;       /* blocks that L1 had */
	uint64_t first_ns; /* when the first block came from L2; 0: none */
	uint64_t last_ns;
	uint64_t arrived;
	double risk_ns;            /* 0: no budget */
	struct expected *expected; /* of each of asked; NULL: no trailers */
	uint8_t late;              /* settled before L2 had said all */
	uint8_t prefetch;
	uint8_t known; /* L2 has some of it, or is expected to */
	uint32_t tenant;
	uint32_t tail; /* tokens of the last block asked for; 0: all */
	int32_t why;   /* block n is missing: a status */
};

static inline uint32_t
lease_state(const struct lease *l)
{
	return atomic_load_explicit(&l->word, memory_order_acquire) &
	       LEASE_STATE;
}

/* Of both tiers; the lock is held. */
static inline int
lease_removes(const struct lease *l)
{
	uint32_t state = lease_state(l);

	return state == LEASE_REMOVING || state == LEASE_REMOVED;
}

/* Of a lease that is not acquired, and so has no users. */
static inline void
lease_set(struct lease *l, uint32_t state)
{
	atomic_store_explicit(&l->word, state, memory_order_release);
}

static inline uint64_t
lease_id(const struct lease *l)
{
	return atomic_load_explicit(&l->id, memory_order_acquire);
}

/* Of one that is acquired, by a user of it: blocks before the first one that
 * was found damaged. */
static inline uint64_t
lease_end(const struct lease *l)
{
	uint64_t at = atomic_load_explicit(&l->damaged, memory_order_acquire);

	return at < l->n ? at : l->n;
}

static inline void
lease_shorten(struct lease *l, uint64_t at)
{
	uint64_t end = atomic_load_explicit(&l->damaged, memory_order_relaxed);

	while (at < end && !atomic_compare_exchange_weak_explicit(
				   &l->damaged, &end, at, memory_order_release,
				   memory_order_relaxed))
		;
}

static inline int
block_summed(const struct lease_block *b)
{
	return atomic_load_explicit(&b->summed, memory_order_relaxed);
}

static inline void
block_summed_set(struct lease_block *b)
{
	atomic_store_explicit(&b->summed, 1, memory_order_relaxed);
}

#endif
