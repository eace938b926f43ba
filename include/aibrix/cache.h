/*
 * The tiered KV cache of one engine: L1 in memory over an optional L2 store.
 *
 * Reading:  acquire the longest prefix -> read its blocks -> release.
 * Writing:  reserve -> fill -> commit (or abort).
 * Handing over:  reserve_tail -> fill -> commit -> hand_over, and there
 *           acquire_tail -> extent -> read -> release.
 *
 * Contract:
 *   - Only leading blocks count.  A block that is missing, late or damaged
 *     ends the prefix before it; everything after it is a miss.
 *   - A hit is exactly the bytes that were committed under that key: each
 *     block's key, identity, length and checksum are verified; opts.flags
 *     say when, or whom to trust instead.  A damaged block is counted,
 *     dropped and never handed out.
 *   - A fault of L2 is a miss, never an error of the request.
 *   - Blocks become visible to others when they are whole.
 *   - Held blocks are never evicted; the handle of a lease that has ended
 *     is refused.
 */
#ifndef AIBRIX_CACHE_H
#define AIBRIX_CACHE_H

#include <aibrix/base.h>
#include <aibrix/hash.h>
#include <aibrix/meter.h>
#include <aibrix/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the cache adds to a block in L2: a store for blocks of block_bytes
 * needs value_bytes of block_bytes + AIBRIX_CACHE_FRAME_BYTES at least. */
enum { AIBRIX_CACHE_FRAME_BYTES = 128 };

typedef struct aibrix_cache_opts {
	uint32_t size;
	uint32_t evict;       /* AIBRIX_EVICT_*, of L1 */
	uint64_t block_bytes; /* of one block; not 0 */
	uint64_t l1_bytes;    /* at least one block */
	/* what else makes bytes differ; a value of L2 that was stored under
	   another layout is a miss */
	const char *layout;
	aibrix_store *l2; /* borrowed until the cache is freed; NULL: none.
	                     Nobody else submits to it or polls it, but other
	                     caches, if all calls to all of them are made by
	                     one thread at a time. */
	uint32_t max_leases;   /* held at once; 0: 1024 */
	uint32_t block_tokens; /* for the frame; 0: 16 */
	uint32_t flags;        /* AIBRIX_CACHE_* */
	uint32_t l2_inflight;  /* blocks in flight to L2; 0: 256 */
	const aibrix_log *log;         /* NULL: silent */
	const aibrix_allocator *alloc; /* NULL: malloc */
	uint32_t ingest;      /* AIBRIX_CACHE_INGEST_*: what L2 is given */
	uint32_t hot_hits;    /* INGEST_HOT: hits of L1 that make a block hot;
	                         0: 1; at most 200 */
	uint64_t write_bytes; /* memory that waits for L2 to take it; 0: three
	                         quarters of l2_inflight blocks */
	/* how time passes in a call that waits; NULL: CLOCK_MONOTONIC */
	uint64_t (*clock)(void *clock_ctx);
	void *clock_ctx;
	/* told of all operations and sums; borrowed until the cache is freed,
	   may be shared with other caches; NULL: none */
	aibrix_meter *meter;
	/* What computing costs, as in aibrix_cache_costs.  With either of
	   them above 0, L2 is asked where that pays: cache_worth.h. */
	double token_ns;
	double position_ns;
	/* how long readers may have waited in vain, all together, besides a
	   fiftieth of what they would have computed; 0: 1 s */
	uint64_t l2_risk_ns;
	/* longest wait for L2, for each token that L1 lacks; 0: no limit.
	   AIBrix: 20 ms. */
	uint64_t token_wait_ns;
	/* L2 is asked when L1 lacks as many blocks at least, and this share
	   of those asked for.  0: always.  AIBrix: 4 and 0.1. */
	double min_lack_ratio;
	uint32_t min_lack_blocks;
	uint32_t promote; /* AIBRIX_CACHE_PROMOTE_*: what of L2 stays in L1 */
	/* longest sequence: what is behind so many tokens, rounded up to
	   whole blocks, is not kept; 0: no limit */
	uint64_t max_tokens;
	/* With L2_RAW: values are AIBrix's extended ones, a block and the
	   tokens up to its end, of so many at most.  Blocks are then written
	   and read by the calls that end in _tokens only, and a slot of L1
	   has room for all these tokens.  0: values are compact. */
	uint64_t trailer_tokens;
	/* L1 is theirs together: cache_tenant.h.  0, 1: there is one, which
	   has all of it; at most 256; not with AIBRIX_EVICT_DENSITY. */
	uint32_t tenants;
	uint32_t spare;
} aibrix_cache_opts;

enum {
	AIBRIX_CACHE_NO_L1_VERIFY = 1, /* trust memory: no checksum on L1 */
	AIBRIX_CACHE_NO_L2_WRITE = 2,  /* L2 is read only */
	/* Values of L2 are the block's bytes and nothing else, as AIBrix has
	   them.  Only their length is checked: whoever writes to that store
	   is believed.  The store's value_bytes need no room for a frame. */
	AIBRIX_CACHE_L2_RAW = 4,
	/* Trust L2's bytes: frames are read (key, layout, length), payloads
	   are not summed.  With NO_L1_VERIFY no sum is made at all, and what
	   is written then is a miss to caches that verify. */
	AIBRIX_CACHE_NO_L2_VERIFY = 8,
	/* L2 is asked before a block is sent, and given only what it lacks:
	   for stores where a question costs much less than a block. */
	AIBRIX_CACHE_PROBE_FIRST = 16,
	/* Blocks of L1 are verified by the call that hands their bytes out,
	   aibrix_cache_read or aibrix_cache_block, and not by acquire, which
	   then reads no payload.  Damage shows later: the call fails with
	   E_CORRUPT, the lease ends before that block, and whoever counted
	   on it acquires again, from L2, or computes. */
	AIBRIX_CACHE_VERIFY_LATE = 32
};

/* What becomes of blocks that acquire has brought from L2. */
enum {
	/* They enter L1's order, as if committed. */
	AIBRIX_CACHE_PROMOTE_ALL = 0,
	/* They do when they are used again.  Until then their memory is the
	   first to be reused: reading much of L2 once takes no more of L1
	   than is held at a time. */
	AIBRIX_CACHE_PROMOTE_USED = 1
};

/*
 * What L2 is given.  Always with the blocks before it in its chain that L1
 * has and L2 was not given, and these first: what L2 gets is a prefix.
 */
enum {
	/* What is committed, at once. */
	AIBRIX_CACHE_INGEST_ALL = 0,
	/* What acquire has handed out of L1 hot_hits times. */
	AIBRIX_CACHE_INGEST_HOT = 1,
	/* What is about to be evicted.  Victims are chosen and written ahead
	   of need, up to write_bytes and a quarter of L1 of them.  They stay
	   readable until their memory is reused, and who reads one keeps it.
	   A victim that is reused before L2 has taken it is l2_dropped. */
	AIBRIX_CACHE_INGEST_EVICTED = 2
};

/*
 * A call that finds another thread at the store leaves its work to that one
 * and does not wait for it.  The lock inside is held for tables only, never
 * during I/O, a sum or a callback.
 *
 * Thread: shared; caches over one store: confined, together with it.
 */
typedef struct aibrix_cache aibrix_cache;

/*
 * A cache.  *out is owned: aibrix_cache_free.
 *
 * Fails: E_INVAL (sizes, an L2 whose values are shorter than a frame and a
 * block), E_ABI, E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_new(const aibrix_cache_opts *opts,
					     aibrix_cache **out);

/*
 * Release; NULL is allowed.  What is in flight to or from L2 is waited for
 * (writes) or cancelled (reads); the store itself stays open.  Leases end.
 * Writes that have not begun are dropped: aibrix_cache_flush keeps them.
 * Since: 0.1.
 */
AIBRIX_API void aibrix_cache_free(aibrix_cache *cache);

/*
 * How many leading blocks of the prompt with these keys are in L1 now.
 * Nothing is held: the answer may be old when it arrives.  64 bits of a key and
 * its place are compared, so a missing one passes in 10^18 about once; acquire
 * compares all of it.
 *
 * Thread: any, beside everything but free; wait-free.
 * Cost: O(blocks found), one cache line each, asked for ahead.  Since: 0.1.
 */
AIBRIX_API uint64_t aibrix_cache_lookup(aibrix_cache *cache,
					const aibrix_key *keys, uint64_t n);

/* A lease: a handle that is never reused.  0 is none. */

/*
 * Hold the longest prefix of the prompt that L1 and L2 have.  keys are
 * copied; an engine that holds the first m blocks itself asks for keys + m.
 * *lease is set in both good cases; it must be released.
 *
 * OK: *n_out blocks are held and readable now.
 * E_AGAIN: blocks come from L2: aibrix_cache_wait waits for them; or poll
 * until aibrix_cache_state says how many.
 *
 * Fails: E_FULL (max_leases), E_NOMEM.
 * deadline_ns on now_ns's clock bounds the wait for L2; what has not arrived
 * by then is a miss.  0: the store's default.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_acquire(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		     uint64_t deadline_ns, uint64_t now_ns, uint64_t *lease,
		     uint64_t *n_out);

/*
 * Room for the blocks of a prompt that are not in L1 yet: the longest prefix
 * for which room can be made.  keys and hashes (content hashes, may be NULL)
 * are copied.  *n_out becomes the length of the prefix; blocks of it that
 * are there already, or that another lease is writing, have data NULL in
 * aibrix_cache_block and need not be filled.  A zero key ends the prefix, and
 * so does opts.max_tokens.
 *
 * Fails: E_FULL (max_leases, or no room for even one block: nothing was
 * reserved), E_DENIED (more than max_tokens, and all that may be kept is
 * there), E_INVAL (the first key is zero), E_NOMEM.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_reserve(aibrix_cache *cache, const aibrix_key *keys,
		     const uint64_t *hashes, uint64_t n, uint64_t now_ns,
		     uint64_t *lease, uint64_t *n_out);

/*
 * A prompt that does not end with a whole block, for who hands it over: the
 * last of the n keys, made by aibrix_hash_partial, names a block of which
 * only tail_tokens are valid.  0: it is whole, as with the calls above.
 *
 * Such a tail is as long as other blocks and starts as zeros; the caller fills
 * what is valid.  hashes has no element for it.  How many tokens it has is
 * checked besides its key, in both tiers: a block of another number is a miss.
 * Nothing follows a tail, and aibrix_cache_events does not tell it.
 *
 * Fails: as the calls above; E_INVAL (tail_tokens not below block_tokens, or
 * above 65535; no keys), E_UNSUPPORTED (AIBRIX_CACHE_L2_RAW: such values do not
 * say how much is valid), E_STATE (reserve: the first key names a block of
 * another number of tokens).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_reserve_tail(aibrix_cache *cache, const aibrix_key *keys,
			  const uint64_t *hashes, uint64_t n,
			  uint32_t tail_tokens, uint64_t now_ns,
			  uint64_t *lease, uint64_t *n_out);

/* Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_acquire_tail(aibrix_cache *cache, const aibrix_key *keys,
			  uint64_t n, uint32_t tail_tokens,
			  uint64_t deadline_ns, uint64_t now_ns,
			  uint64_t *lease, uint64_t *n_out);

/*
 * With opts.trailer_tokens, instead of the calls above: tokens are those of
 * the prompt from its first one to the end of the n blocks, so that blocks
 * before keys[0] are seen to be there.  They are read during the call.  What is
 * written has them behind it (layout.h); a value of L2 that has other tokens,
 * or as many divided otherwise, is a miss.  A block of L1 is known by its key.
 *
 * Fails: as reserve and acquire; E_UNSUPPORTED (no trailers; and, with
 * trailers, reserve, acquire, their tails and prefetch), E_INVAL (n_tokens is
 * no whole number of blocks, fewer than n of them, or above trailer_tokens).
 * Cost: 4 bytes of each block for each token before its end.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_reserve_tokens(aibrix_cache *cache, const aibrix_key *keys,
			    const uint64_t *hashes, uint64_t n,
			    const uint32_t *tokens, uint64_t n_tokens,
			    uint64_t now_ns, uint64_t *lease, uint64_t *n_out);

/* Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_acquire_tokens(aibrix_cache *cache, const aibrix_key *keys,
			    uint64_t n, const uint32_t *tokens,
			    uint64_t n_tokens, uint64_t deadline_ns,
			    uint64_t now_ns, uint64_t *lease, uint64_t *n_out);

enum { AIBRIX_CACHE_L1 = 1, AIBRIX_CACHE_L2 = 2 };

/* One block of a lease. */
typedef struct aibrix_cache_view {
	uint32_t size;
	uint32_t tier; /* AIBRIX_CACHE_L1 or L2: where an acquired block came
	                  from; 0 in a reservation */
	void *data;    /* block_bytes bytes; acquired: read only; reserved:
	                  to be filled, or NULL: nothing to do */
	uint64_t bytes;
	uint64_t tokens; /* valid ones: block_tokens, or those of a tail */
} aibrix_cache_view;

/*
 * The i-th block of a lease; data is borrowed until the lease ends.
 *
 * Fails: E_NOT_FOUND (no such lease, or i not below its length), E_AGAIN
 * (still coming), E_CORRUPT (AIBRIX_CACHE_VERIFY_LATE: damaged, as with
 * aibrix_cache_read), E_INVAL (view->size).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_block(aibrix_cache *cache,
					       uint64_t lease, uint64_t i,
					       aibrix_cache_view *view);

/* What of a prompt a lease has, exactly. */
typedef struct aibrix_cache_extent {
	uint32_t size;
	int32_t why; /* status of the first block that is missing; OK: none */
	uint64_t blocks;       /* held, from the first one on: its length */
	uint64_t tokens;       /* in them, valid */
	uint64_t asked_blocks; /* those from blocks on have failed */
	uint64_t asked_tokens;
} aibrix_cache_extent;

/*
 * How far a settled lease reaches, and why no further.  Blocks and tokens
 * count from keys[0].  Who has told a scheduler that asked_tokens would come
 * reports [blocks, asked_blocks) as failed and computes from tokens on.
 *
 * why, of an acquired lease: E_NOT_FOUND (nobody has it, or has it with
 * another number of tokens or layout, or it was removed meanwhile), E_TIMEOUT
 * (the deadline), E_CORRUPT (damaged: dropped), E_BUSY (another lease is
 * writing it), E_FULL (no room in L1 to read it into), E_UNAVAILABLE (L2 was
 * not asked, or did not take the request), or what the store's completion
 * said, such as E_IO, E_CLOSED.
 * Of a reservation: E_FULL, E_DENIED (max_tokens), E_STATE (the key is taken by
 * a block of another number of tokens).
 *
 * Fails: E_AGAIN (still coming), E_NOT_FOUND, E_STATE (a removal), E_INVAL
 * (out->size).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_extent_of(aibrix_cache *cache,
						   uint64_t lease,
						   aibrix_cache_extent *out);

/*
 * Copy blocks of an acquired lease out: block first + i to dst[i], which has
 * block_bytes bytes and does not overlap L1.  *n_out becomes how many of the n
 * are there, from the front, when it is OK or E_CORRUPT.  Each is verified
 * once for a lease: by acquire, or with AIBRIX_CACHE_VERIFY_LATE here, while
 * it is copied, so that memory is read once.
 *
 * Several threads may copy from one lease.  One that is released meanwhile
 * ends when they have.
 *
 * Fails: E_NOT_FOUND (no such lease, or it does not have all these blocks),
 * E_AGAIN (still coming), E_STATE (a reservation), E_CORRUPT (block first +
 * *n_out is damaged: it is counted and dropped, the lease ends before it, and
 * dst[*n_out] holds nothing of use), E_INVAL (NULL).
 * Cost: one pass, the copy that is fastest here.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_read(aibrix_cache *cache,
					      uint64_t lease, uint64_t first,
					      void *const *dst, uint64_t n,
					      uint64_t *n_out);

/*
 * Fill blocks of a reservation: block first + i with the block_bytes bytes at
 * src[i].  Their sums are made while they are copied, so that commit has none
 * to make; what damages a block between the two is found like any other
 * damage.  So whoever changes a block through aibrix_cache_block afterwards
 * writes it again.  Blocks that need not be filled are left alone, and so is
 * one whose src[i] is NULL.
 *
 * Several threads may fill one reservation, each its own blocks.
 *
 * Fails: E_NOT_FOUND (no such lease, or it does not have all these blocks),
 * E_STATE (an acquired lease), E_AGAIN (it is being committed), E_INVAL.
 * Cost: one pass.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_write(aibrix_cache *cache,
					       uint64_t lease, uint64_t first,
					       const void *const *src,
					       uint64_t n);

/*
 * Length of a lease, when it is settled.
 *
 * Fails: E_AGAIN (still coming), E_NOT_FOUND.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_state(aibrix_cache *cache,
					       uint64_t lease,
					       uint64_t *n_out);

/*
 * The same, and wait for it: until the lease is settled, or deadline_ns has
 * passed (on now_ns's clock; 0: as long as the lease itself waits).  Any
 * number of threads may wait, each for its own lease.
 *
 * Fails: E_AGAIN (still coming: the lease goes on), E_NOT_FOUND.
 * A store that blocks inside poll (AIBRIX_CAP_BLOCKING) is not interrupted.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_wait(aibrix_cache *cache,
					      uint64_t lease,
					      uint64_t deadline_ns,
					      uint64_t now_ns, uint64_t *n_out);

/*
 * All blocks of a reservation are filled: publish them, queue them for L2 and
 * end the lease.  Poll and flush, and a thread that waits for L2 anyway, send
 * what is queued, also the host's loop, which is told; but INGEST_EVICTED
 * sends from here, since victims are needed at once.
 *
 * Fails: E_NOT_FOUND, E_STATE (not a reservation).
 * Cost: one pass over the new bytes for their checksums, but for those that
 * aibrix_cache_write has filled.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_commit(aibrix_cache *cache,
						uint64_t lease,
						uint64_t now_ns);

/* Give a reservation up.  Fails: E_NOT_FOUND, E_STATE.  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_abort(aibrix_cache *cache,
					       uint64_t lease);

/*
 * End an acquired lease; one that still waits for L2 is given up, its
 * buffers are freed when L2 has let go of them.
 *
 * Fails: E_NOT_FOUND (ended already: harmless), E_STATE (a reservation).
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_release(aibrix_cache *cache,
						 uint64_t lease);

/*
 * Bring blocks of the prompt that L2 has into L1, in the background: behind
 * all readers, with a quarter of the transfers, and for a quarter of L1 at
 * once.  What is held is not evicted for it.  *lease becomes a handle that
 * aibrix_cache_release cancels and that ends by itself; aibrix_cache_state
 * then says E_NOT_FOUND.  0: there is nothing to bring.
 * deadline_ns: as in aibrix_cache_acquire.
 *
 * Fails: E_UNSUPPORTED (no L2), E_FULL (max_leases, or the quarter of L1 is
 * in use), E_NOMEM.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_prefetch(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		      uint64_t deadline_ns, uint64_t now_ns, uint64_t *lease);

/*
 * Remove blocks: nobody is handed them any more, what a lease holds stays
 * until it ends, and what is being read, reserved or waits to be written under
 * these keys comes to nothing: of a reservation, these blocks.  Blocks behind a
 * removed one stay, unreachable until it is there again.
 *
 * tiers: AIBRIX_CACHE_L1 alone, from where L2 may bring a block back;
 * AIBRIX_CACHE_L1 | AIBRIX_CACHE_L2, or 0, both.  Caches of others, and what
 * they are writing, are theirs.
 *
 * OK: gone; *lease is 0.
 * E_AGAIN: gone from L1, and misses for this cache until L2 has answered.
 * *lease is for aibrix_cache_wait, or poll and aibrix_cache_state; *n_out there
 * is how many of the keys are gone, and aibrix_cache_removed tells of each.
 * aibrix_cache_release ends it; L2 is told all the same, unless the cache
 * is freed before.
 *
 * deadline_ns on now_ns's clock: what L2 has not been told by then is not
 * told, and what it was told is waited for so long; 0: its own default.
 *
 * Fails, and nothing is removed: E_INVAL (a zero key, tiers), E_UNSUPPORTED
 * (an L2 that is read only), E_FULL (max_leases), E_NOMEM.
 * Cost: O(n); with L2 64 bytes for each key until *lease ends.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_remove(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		    uint32_t tiers, uint64_t deadline_ns, uint64_t now_ns,
		    uint64_t *lease);

/*
 * What became of the i-th key of a removal: OK, it is gone; E_AGAIN, L2 has
 * not answered; or what L2 said: it may still have it, and gives it to who
 * asks.
 *
 * Fails: E_NOT_FOUND (no such removal, or no such key).  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_removed(aibrix_cache *cache,
						 uint64_t lease, uint64_t i);

/*
 * Remove all of L1, as aibrix_cache_remove does with L1 alone: all that was
 * reserved or asked for before this call.  What L2 has it may bring back;
 * how to rule that out, for a model or a tenant: doc/modules/cache.md.
 * Events are one AIBRIX_CACHE_CLEARED, unless others write at the same time.
 *
 * Cost: O(blocks of L1), in short holds of the lock.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_clear(aibrix_cache *cache,
					       uint64_t now_ns);

/*
 * Move transfers along, waiting up to timeout_ns for one to end, whoever
 * asked for it; one that ended after the poll before this one counts.  *busy
 * becomes the number of transfers of this cache that are in flight or wait
 * for their turn.  Caches that share a store may be polled in any order.
 *
 * With several threads, who waits for a lease calls aibrix_cache_wait: what a
 * poll waits for may be somebody else's.
 * Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_poll(aibrix_cache *cache,
					      uint64_t now_ns,
					      uint64_t timeout_ns,
					      uint64_t *busy);

/*
 * Write to L2 all blocks that are in L1 now and not known to be in L2, also
 * those that opts.ingest would keep from it, and wait until it is done or
 * deadline_ns on now_ns's clock has come; at or before now_ns: do not wait.
 * *left becomes the number of these blocks that are not in L2, whatever is
 * returned of OK, E_TIMEOUT and E_UNAVAILABLE.  Blocks that were evicted
 * before are not in L1: l2_refused and l2_dropped tell of them.
 *
 * Fails: E_TIMEOUT (*left blocks still wait, and go on), E_UNAVAILABLE (L2
 * did not take *left blocks: flush again), E_UNSUPPORTED (no L2, or one that
 * is read only), E_INVAL.
 * Cost: O(blocks of L1) and the writes.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_flush(aibrix_cache *cache,
					       uint64_t deadline_ns,
					       uint64_t now_ns, uint64_t *left);

/*
 * aibrix_cache_flush for one prompt: write its blocks to L2 and wait until L2
 * has them, or deadline_ns has come.  *n_out becomes the number of its leading
 * blocks that L2 has taken, whatever is returned of OK, E_TIMEOUT,
 * E_UNAVAILABLE and E_NOT_FOUND.  They are held meanwhile.
 *
 * Fails: E_TIMEOUT (more are under way), E_UNAVAILABLE (L2 did not take the
 * next one), E_NOT_FOUND (the next one is not in L1: it was not kept, or
 * evicted), E_UNSUPPORTED (no L2, or one that is read only), E_FULL
 * (max_leases), E_NOMEM, E_INVAL.
 * Cost: O(n) and the writes.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_cache_hand_over(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		       uint64_t deadline_ns, uint64_t now_ns, uint64_t *n_out);

/*
 * For a host's event loop: a descriptor that is readable when poll has work,
 * also when another thread's call has settled a lease; -1: poll works only
 * when called.  Always the same one.  Borrowed.  One loop at a time: what its
 * poll has seen is not told again.
 * Since: 0.1.
 */
AIBRIX_API int aibrix_cache_fd(aibrix_cache *cache);

/* When poll must be called even if the descriptor is quiet; AIBRIX_FOREVER:
 * not at all.  Known once the descriptor was asked for.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_cache_wake(aibrix_cache *cache);

/* Counters only grow; gauges say so.  Blocks unless stated. */
typedef struct aibrix_cache_stat {
	uint32_t size;
	uint32_t leases;         /* gauge: held now */
	uint64_t l1_capacity;    /* gauge */
	uint64_t l1_blocks;      /* gauge: readable */
	uint64_t l1_pinned;      /* gauge */
	uint64_t asked;          /* by acquire */
	uint64_t hits_l1;
	uint64_t hits_l2;
	uint64_t stored;         /* committed */
	uint64_t evicted;
	uint64_t l2_written;
	uint64_t l2_refused;     /* writes that L2 did not take */
	uint64_t l2_errors;      /* faults of L2, each a miss */
	uint64_t corrupt_l1;     /* damaged blocks caught */
	uint64_t corrupt_l2;
	uint64_t no_room;        /* blocks not reserved for want of room */
	uint64_t l2_waiting;     /* gauge: to be written, or being written */
	uint64_t l2_had;         /* writes that found L2 with the block */
	uint64_t l2_dropped;     /* victims that were never given to L2 */
	uint64_t l2_skipped;     /* L2 was not asked: it would not have paid */
	uint64_t l2_late;        /* leases that ended before L2 had answered */
	uint64_t l2_wait_ns;     /* leases have waited for L2 */
	uint64_t l2_saved_ns;    /* computing that this has saved */
	uint64_t prefetched;     /* brought into L1 for nobody yet */
	uint64_t too_long;       /* not reserved because of max_tokens */
	uint64_t l2_queued;      /* blocks queued for L2, each time: what comes
	                            of it is written, had, refused, unqueued,
	                            or a fault */
	uint64_t removed;        /* of L1: by remove, clear */
	uint64_t l2_removed;     /* keys that L2 was told to forget, and did */
	uint64_t l2_unremoved;   /* and may not have */
	uint64_t l2_unqueued;    /* queued for L2, and removed before */
} aibrix_cache_stat;

/* Fails: E_INVAL (stat->size).  Since: 0.1. */
AIBRIX_API AIBRIX_CHECK int aibrix_cache_stats(aibrix_cache *cache,
					       aibrix_cache_stat *stat);

#ifdef __cplusplus
}
#endif

/* What users of one header had from the first. */
#include <aibrix/cache_event.h>
#include <aibrix/cache_worth.h>

#endif
