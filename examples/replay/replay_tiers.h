/*
 * The real part of a replay: one aibrix_cache per pod, all over one L2
 * store, with bytes that can be checked because a block's key decides them.
 */
#ifndef REPLAY_TIERS_H
#define REPLAY_TIERS_H

#include <stdint.h>

#include <aibrix/aibrix.h>

#include "replay_link.h"
#include "replay_options.h"
#include "sim/sim_presets.h"

typedef struct replay_tiers {
	const replay_options *options;
	aibrix_store *l2;
	aibrix_store **links;  /* by pod, to l2; NULL: none */
	aibrix_cache **caches; /* by pod */
	uint32_t n_caches;
	aibrix_cache_opts conf; /* of a cache without links */
	uint64_t corrupt;       /* seen by caches that are gone */
	void *expected;         /* one block */
	uint64_t verified;      /* blocks read back and compared */
	uint64_t wrong;         /* of them, not what was stored */
	uint64_t ns;            /* in calls of the cache */
	uint64_t blocks;        /* that went through those calls */
} replay_tiers;

/* What a read found. */
typedef struct replay_hits {
	uint32_t l1;
	uint32_t l2;
} replay_hits;

/* Statuses of the library; a message was printed.  link: what is between
 * each pod and L2, without values; NULL: nothing, and L2 takes real time. */
int replay_tiers_open(replay_tiers *tiers, const replay_options *options,
		      const char *evict, const sim_pod_spec *spec,
		      const replay_link_conf *link);

/* A pod begins anew, with nothing in its memory.  Without links. */
int replay_tiers_restart(replay_tiers *tiers, uint32_t pod);

void replay_tiers_close(replay_tiers *tiers);

/* Read the longest prefix of these blocks and check every byte.  Without
 * links. */
int replay_tiers_read(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		      uint32_t n, replay_hits *hits);

/*
 * The same with links, in virtual time.  E_AGAIN: blocks are on their way,
 * for budget_ns at most; *lease is then for replay_tiers_get.
 */
int replay_tiers_ask(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		     uint32_t n, uint64_t budget_ns, uint64_t now_ns,
		     uint64_t *lease, replay_hits *hits);

/* Has it come?  E_AGAIN: not yet. */
int replay_tiers_get(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		     uint64_t lease, replay_hits *hits);

/* Move a pod's transfers along. */
int replay_tiers_poll(replay_tiers *tiers, uint32_t pod, uint64_t now_ns);

/* When it must be polled next. */
uint64_t replay_tiers_wake(const replay_tiers *tiers, uint32_t pod);

/* Compare the held blocks with what they must be, and let go of them. */
int replay_tiers_take(replay_tiers *tiers, uint32_t pod, const aibrix_key *keys,
		      uint64_t lease, uint64_t n, replay_hits *hits);

/* Message and status. */
int replay_tiers_fail(const char *what, int status);

/* Store these blocks in L1 and L2; with links in virtual time, else waited
 * for. */
int replay_tiers_write(replay_tiers *tiers, uint32_t pod,
		       const aibrix_key *keys, const uint64_t *hashes,
		       uint32_t n, uint64_t now_ns);

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
