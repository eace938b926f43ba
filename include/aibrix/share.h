/*
 * What gateways have charged and claimed, told to each other over logs.
 *
 *   here    aibrix_share_put(share, log, &count)     a pod's charge is another
 *           aibrix_share_claim(log, ...)             a prompt was sent there
 *                  |  messages: lost, late, twice, in any order
 *   there   aibrix_share_take(share, message, ...)
 *              changed(sum of all others)  --> aibrix_pd_ledger_others
 *              claim(hashes)               --> aibrix_predict_add
 *
 * A count is what one gateway has charged to one pod now, not by how much it
 * has changed; the latest that it has said is what it has.  So sums are right
 * once all messages are there, whatever was lost before, and a gateway that
 * is not heard of any more owes nothing.
 */
#ifndef AIBRIX_SHARE_H
#define AIBRIX_SHARE_H

#include <aibrix/base.h>
#include <aibrix/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_SHARE_VALUES = 6,
	AIBRIX_SHARE_CLAIM_BLOCKS = 512 /* of a claim at most */
};

/* Kinds of records.  Those below AIBRIX_SHARE_KIND_MIN are the host's. */
enum {
	AIBRIX_SHARE_KIND_MIN = 0x61620000,
	AIBRIX_SHARE_CLAIM = 0x61620000,
	AIBRIX_SHARE_LEDGER = 0x61620001, /* requests and tokens */
	AIBRIX_SHARE_PD_LEDGER = 0x61620002, /* an aibrix_pd_charge */
	AIBRIX_SHARE_KIND_MAX = 0x6162ffff
};

typedef struct aibrix_share_opts {
	uint32_t size;
	uint32_t max_origins; /* 0: 16; at most 256 */
	uint32_t max_counts;  /* of all gateways; 0: 16 384; at most 2^20 */
	uint32_t spare;       /* must be 0 */
	uint64_t origin;      /* this gateway's, as its log has it */
	uint64_t lease_ns;    /* who is not heard of for so long owes nothing;
	                         0: 10 s; AIBRIX_FOREVER: none */
	const aibrix_allocator *alloc; /* NULL: malloc */
} aibrix_share_opts;

/*
 * Thread: confined.
 */
typedef struct aibrix_share aibrix_share;

/*
 * Nobody has charged anything.  *out is owned: aibrix_share_free.  All memory
 * is taken here.
 *
 * Fails: E_INVAL (a number out of range), E_ABI, E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_share_new(const aibrix_share_opts *opts,
					     aibrix_share **out);

/* NULL is allowed.  Since: 0.1. */
AIBRIX_API void aibrix_share_free(aibrix_share *share);

/* Frozen: 64 bytes. */
typedef struct aibrix_share_count {
	uint64_t pod;
	uint32_t rank;
	uint32_t kind; /* AIBRIX_SHARE_LEDGER and others, not CLAIM */
	uint64_t values[AIBRIX_SHARE_VALUES];
} aibrix_share_count;

/*
 * This gateway has charged that now: a record of it is added to the log,
 * unless the last said the same.
 *
 * Fails: E_FULL (max_counts; nothing is said), E_INVAL (kind).
 * Cost: O(1), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_share_put(aibrix_share *share,
					     aibrix_sync_log *log,
					     const aibrix_share_count *count);

/* Frozen: 40 bytes.  A prompt of these blocks was sent there. */
typedef struct aibrix_share_claim_of {
	uint64_t pod;
	uint32_t rank;
	uint32_t spare;       /* must be 0 */
	uint64_t lease_ns;    /* from its arrival on */
	const uint64_t *hashes; /* of its leading blocks; borrowed */
	uint64_t n;
} aibrix_share_claim_of;

/*
 * Add a claim to the log; of more than AIBRIX_SHARE_CLAIM_BLOCKS the first:
 * what is behind them follows from the pod's events.
 *
 * Fails: E_INVAL.  Cost: O(n), no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_share_claim(aibrix_sync_log *log, const aibrix_share_claim_of *claim);

/* Bytes that aibrix_share_save may need.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_share_save_bound(const aibrix_share *share);

/*
 * All that this gateway has charged, for aibrix_sync_log_snapshot.  Claims
 * are not in it: they end by themselves.
 *
 * Fails: E_SPACE (*n says how much), E_INVAL.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_share_save(const aibrix_share *share,
					      void *out, uint64_t cap,
					      uint64_t *n);

/* What the host does with what comes.  Any may be NULL. */
typedef struct aibrix_share_sink {
	uint32_t size;
	uint32_t spare; /* must be 0 */
	void *ctx;
	/* the sum of all other gateways' is this now */
	void (*changed)(void *ctx, const aibrix_share_count *sum);
	void (*claim)(void *ctx, const aibrix_share_claim_of *claim);
	/* a record of the host's own kinds, of that origin */
	void (*record)(void *ctx, uint64_t origin,
		       const aibrix_sync_record *record);
} aibrix_share_sink;

typedef struct aibrix_share_news {
	uint32_t size;
	uint32_t what;    /* AIBRIX_SYNC_NOTHING and others, as sync.h says */
	uint64_t origin;  /* of the message */
	uint64_t want;    /* GAP: ask it for what is from here on */
	uint64_t dropped; /* counts for which there was no room; they come back
	                     with the next that is said of the same pod */
} aibrix_share_news;

/*
 * Take a message of another gateway.  A message of this one's own is NOTHING.
 * Callbacks come from within the call and must not call on share.
 *
 * Fails: E_PARSE (damaged, or records that are none), E_FULL (max_origins),
 * E_INVAL, E_ABI; then nothing has changed.
 * Cost: O(bytes) and max_origins for each count, no allocation.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_share_take(aibrix_share *share, const void *message, uint64_t bytes,
		  uint64_t now_ns, const aibrix_share_sink *sink,
		  aibrix_share_news *news);

/*
 * Who has not been heard of for a lease owes nothing, and is new when it
 * comes again.  *n becomes how many gateways.
 *
 * Fails: E_INVAL, E_ABI.  Cost: O(max_counts) for each of them.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_share_expire(aibrix_share *share,
						uint64_t now_ns,
						const aibrix_share_sink *sink,
						uint32_t *n);

/*
 * What all other gateways have charged to sum's kind, pod and rank: values
 * are filled in.
 *
 * Fails: E_INVAL.  Cost: O(max_origins).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_share_sum(const aibrix_share *share,
					     aibrix_share_count *sum);

#ifdef __cplusplus
}
#endif

#endif
