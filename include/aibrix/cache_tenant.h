/*
 * Several tenants in one cache: requests in somebody's name, and how much of
 * L1 each may have.
 *
 *   quota       guaranteed <= blocks <= ceiling
 *
 * A block of L1 belongs to the tenant that reserved it, or for which it came
 * from L2, until it is gone.  Names, and with them data and hits, are parted
 * by salts (hash.h) and not by tenants: a block that two have under one name
 * is the first one's, and whoever else reads it has a hit and pays nothing.
 *
 * Who needs a block when none is free takes, of all that is above somebody's
 * guarantee, the one that was used least recently, in the order of its owner;
 * at its ceiling its own.  So what is guaranteed and not used is lent, and
 * comes back when it is asked for, as far as it is not pinned just then: that
 * ends with the leases of others.
 *
 * Contract:
 *   - No call for one tenant takes a block that another is guaranteed.
 *   - Who is below its guarantee gets a block, unless all that could be given
 *     up is pinned.
 *   - Nobody who is not above its ceiling when it is set is ever above it.
 */
#ifndef AIBRIX_CACHE_TENANT_H
#define AIBRIX_CACHE_TENANT_H

#include <aibrix/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What acquire, reserve and prefetch take, with all that they may have.  What
 * a call does not need is not looked at. */
typedef struct aibrix_cache_request {
	uint32_t size;
	uint32_t tenant; /* below opts.tenants; 0: the default one */
	const aibrix_key *keys;
	uint64_t n;
	const uint64_t *hashes; /* reserve: content hashes; NULL: not known */
	const uint32_t *tokens; /* opts.trailer_tokens: as with the calls that
	                           end in _tokens; else NULL */
	uint64_t n_tokens;
	uint64_t deadline_ns; /* acquire, prefetch */
	uint64_t now_ns;
	uint32_t tail_tokens; /* of the last block; 0: all */
	uint32_t spare;       /* 0 */
} aibrix_cache_request;

/*
 * As aibrix_cache_acquire, _tail and _tokens.
 *
 * Fails: as these; E_INVAL (tenant), E_ABI (spare).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_acquire_request(aibrix_cache *cache,
			     const aibrix_cache_request *request,
			     uint64_t *lease, uint64_t *n_out);

/*
 * As aibrix_cache_reserve, _tail and _tokens.  E_FULL: the tenant can have no
 * more now; what it asked for is counted in no_room.
 *
 * Fails: as these; E_INVAL (tenant), E_ABI (spare).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_reserve_request(aibrix_cache *cache,
			     const aibrix_cache_request *request,
			     uint64_t *lease, uint64_t *n_out);

/*
 * As aibrix_cache_prefetch; also brings a tail, and values with tokens.
 *
 * Fails: as that; E_INVAL (tenant, tail_tokens, tokens), E_ABI (spare).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_prefetch_request(aibrix_cache *cache,
			      const aibrix_cache_request *request,
			      uint64_t *lease);

/* In blocks; who thinks in bytes divides by block_bytes.  Frozen: 32 bytes. */
typedef struct aibrix_cache_quota {
	uint32_t tenant;
	uint32_t spare;      /* 0 */
	uint64_t guaranteed; /* 0: nothing */
	uint64_t ceiling;    /* 0: all of L1 */
	uint64_t more;       /* 0 */
} aibrix_cache_quota;

/*
 * Set the quotas of these tenants; others keep theirs, and have none at first.
 * What a tenant has above a new ceiling is evicted now, but for what is
 * pinned: that stays, and the tenant gets nothing until it is below.
 *
 * Fails, and nothing is changed: E_INVAL (a tenant that is none, or stands
 * twice; more guaranteed than its ceiling, or than L1 has in all), E_ABI
 * (spare, more), E_UNSUPPORTED (opts.tenants below 2).
 * Cost: O(n + evicted), in short holds of the lock.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_set_quotas(aibrix_cache *cache, const aibrix_cache_quota *quotas,
			uint32_t n);

/*
 * Remove all blocks of L1 that are a tenant's, as aibrix_cache_clear does for
 * all: what is pinned when its last pin ends, what is being reserved is not
 * published, what comes from L2 is let go of.  Its quota stays.  What it reads
 * of others stays.  Events tell each block.
 *
 * Fails: E_INVAL (tenant).
 * Cost: O(blocks of L1), in short holds of the lock.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_clear_tenant(aibrix_cache *cache,
						      uint32_t tenant,
						      uint64_t now_ns);

/* Counters only grow; gauges say so.  All are of one moment. */
typedef struct aibrix_cache_tenant_stat {
	uint32_t size;
	uint32_t tenant;
	uint64_t guaranteed; /* as set */
	uint64_t ceiling;
	uint64_t blocks;     /* gauge: memory that it has, whatever is in it:
	                        readable, reserved, on its way, or removed and
	                        still held */
	uint64_t asked;      /* blocks, by its acquires */
	uint64_t hits_l1;    /* whoever the blocks belong to */
	uint64_t hits_l2;
	uint64_t stored;     /* committed */
	uint64_t evicted;    /* of its blocks, for whomever */
	uint64_t given;      /* of these, for others */
	uint64_t no_room;    /* blocks that it asked for and could not have */
	uint64_t removed;    /* of its blocks: by remove, clear */
} aibrix_cache_tenant_stat;

/*
 * What a tenant has and what became of it.
 *
 * Fails: E_INVAL (tenant, stat->size), E_UNSUPPORTED (opts.tenants below 2).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_tenant_stats(aibrix_cache *cache, uint32_t tenant,
			  aibrix_cache_tenant_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
