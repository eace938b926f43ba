/*
 * The real part of a replay: one aibrix_cache per pod, all over one L2
 * store, with bytes that can be checked because a block's key decides them.
 */
#ifndef REPLAY_TIERS_H
#define REPLAY_TIERS_H

#include <stdint.h>

#include <aibrix/aibrix.h>

#include "replay_options.h"

typedef struct replay_tiers {
	const replay_options *options;
	aibrix_store *l2;
	aibrix_cache **caches; /* by pod */
	uint32_t n_caches;
	void *expected;    /* one block */
	uint64_t verified; /* blocks read back and compared */
	uint64_t wrong;    /* of them, not what was stored */
	uint64_t ns;       /* in calls of the cache */
	uint64_t blocks;   /* that went through those calls */
} replay_tiers;

/* What a read found. */
typedef struct replay_hits {
	uint32_t l1;
	uint32_t l2;
} replay_hits;

/* Statuses of the library; a message was printed. */
int replay_tiers_open(replay_tiers *tiers, const replay_options *options,
		      const char *evict);

void replay_tiers_close(replay_tiers *tiers);

/* Read the longest prefix of these blocks and check every byte. */
int replay_tiers_read(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		      uint32_t n, replay_hits *hits);

/* Store these blocks in L1 and L2. */
int replay_tiers_write(replay_tiers *tiers, uint32_t pod,
		       const aibrix_key *keys, const uint64_t *hashes,
		       uint32_t n);

/* Damaged blocks: caught by the caches, and seen by us. */
uint64_t replay_tiers_corrupt(replay_tiers *tiers);

/* Say on stderr what L2 could not do; it costs hits, not correctness. */
void replay_tiers_warn(replay_tiers *tiers);

/* The store that the options ask for, empty; NULL when they ask for none. */
int replay_store_open(const replay_options *options, uint64_t value_bytes,
		      uint64_t capacity_bytes, aibrix_store **out);

/* The bytes of the block with this key. */
void replay_payload(const aibrix_key *key, void *data, uint64_t bytes);

/* The clock of everything real. */
uint64_t replay_now_ns(void);

#endif
