/*
 * What the files of the cache share.
 *
 *   cache.c        the object itself, statistics
 *   cache_meter.c  what the host's meter is told
 *   cache_table.c  from keys to slots
 *   cache_slot.h   a slot, and the word that pins change
 *   cache_l1.c     slots, pins, eviction
 *   cache_tenant.c whose they are, and who gives one
 *   cache_lease.c  leases: what a caller holds, and the prefix rule
 *   cache_request.c  the calls, with all that they may have
 *   cache_acquire.c  holding what L1 has, and reading it
 *   cache_reserve.c
 *   cache_trailer.c values with their tokens, as AIBrix has them
 *   cache_view.c   what its holder sees of a lease
 *   cache_handover.c prompts that others go on with, and their last piece
 *   cache_copy.c   copies into and out of leases, summed on the way
 *   cache_prefetch.c leases for nobody yet
 *   cache_l2.c     reading from the store
 *   cache_ingest.c what is written to it, and when
 *   cache_flush.c  all of it
 *   cache_write.c  writing to it
 *   cache_budget.c when it is asked, and for how long
 *   cache_batch.c  transfers, and handing them to the store
 *   cache_remove.c removing blocks from both
 *   cache_clear.c  all of L1
 *   cache_drive.c  who may touch the store, and what is handed to it
 *   cache_poll.c   taking completions from it
 *   cache_wait.c   sleeping until something has happened
 *   cache_event.c  telling others
 *   cache_check.c  the invariants, for tests
 *
 * Two things refer to a slot: the block of a lease and a transfer.  Each
 * counts as one pin, and a slot with pins is neither evicted nor freed.
 */
#ifndef CACHE_INTERNAL_H
#define CACHE_INTERNAL_H

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <aibrix/cache.h>
#include <aibrix/cache_tenant.h>
#include <aibrix/evict.h>
#include <aibrix/hash.h>
#include <aibrix/meter.h>
#include <aibrix/pool.h>
#include <aibrix/store.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/xxh.h"
#include "cache/cache_lease.h"
#include "cache/cache_remove.h"
#include "cache/cache_slot.h"
#include "cache/cache_table.h"
#include "cache/cache_tenant.h"
#include "evict/evict_ask.h"
#include "store/frame.h"

/* What a frame says besides, for slots that may go to L2. */
struct origin {
	aibrix_key parent; /* of the block before it, or zero */
	uint64_t digest;   /* content hash; 0: not known */
};

enum {
	GOAL_READ = 0,  /* a lease, or did */
	GOAL_WRITE = 1, /* nobody: a block goes to L2 */
	GOAL_PREFETCH = 2,
	GOAL_REMOVE = 3 /* a removal: gone tells of which key */
};

enum { TRANSFER_VERIFY = 16 }; /* of a block in L1; else AIBRIX_STORE_* */

/* One request to L2.  Its address is the tag: whoever polls the store finds
 * the cache that it belongs to. */
struct transfer {
	struct aibrix_cache *owner; /* NULL: not in use */
	uint64_t block;             /* of the lease */
	aibrix_key key;
	aibrix_iov iov[2];
	struct gone *gone;
	uint32_t op;
	uint32_t lease;  /* index; NONE: given up, or none */
	uint32_t slot;   /* pinned; NONE: none */
	uint32_t goal;   /* GOAL_*: who waits for it */
	uint32_t doomed; /* in the list of those to be cancelled */
	uint32_t tail;   /* tokens that the block must have; 0: all */
	struct expected expected;
	uint8_t frame[FRAME_BYTES];
};

enum { METER_GAUGES = 4 };

/* What the meter has been told. */
struct metered {
	aibrix_cache_stat stat;
	uint64_t gauges[METER_GAUGES];
};

/* What L2 takes, as measured, and what may be lost on it; cache_budget.c. */
struct budget {
	double token_ns, position_ns; /* both 0: L2 is asked always */
	double lack_ratio;
	uint64_t lack_blocks;
	uint64_t token_wait_ns;
	double latency_ns, deviation_ns; /* until the first block */
	double byte_ns;
	double best_ns; /* the least latency seen */
	double credit_ns, credit_max_ns;
	uint64_t tried_ns; /* L2 was last measured */
	uint64_t retry_ns; /* 0: it was in time */
};

/* -1: not there. */
struct wait_fds {
	int store; /* readable when the store has work */
	int wake;  /* readable when the watcher must look */
	int note;  /* readable when the host's loop must look */
	int loop;  /* over store and note; what the host gets */
};

/* Who sleeps for L2, and what wakes them; cache_wait.c. */
struct waiting {
	uint64_t (*clock)(void *ctx);
	void *clock_ctx;
	pthread_cond_t moved;
	uint32_t made;     /* the condition was */
	uint32_t pollers;  /* sleep until a transfer has ended */
	uint32_t waiters;  /* until a lease is settled */
	uint32_t wanted;   /* until nobody touches the store */
	uint32_t watching; /* one of them looks at the descriptors */
	uint32_t kick;     /* descriptors to write when the lock is left */
	uint32_t tried;    /* to get descriptors */
	uint64_t ended;    /* transfers so far */
	uint64_t settled;  /* leases that had to wait so far */
	uint64_t polled;   /* ended, when a poll came back last */
	uint64_t told;     /* settled, when the loop was told last */
	uint64_t wake_ns;  /* when the store must be polled */
	uint64_t late_ns;  /* no waiting lease's deadline is before it */
	struct wait_fds fds;
};

/* What the log has been told of. */
struct said {
	uint64_t corrupt_l1, corrupt_l2, l2_errors;
};

struct aibrix_cache {
	aibrix_allocator alloc;
	aibrix_log log;
	uint64_t block_bytes;
	uint64_t slot_bytes; /* with room for the longest trailer */
	uint64_t layout;
	uint64_t trailer_tokens; /* most of them; 0: there is none */
	aibrix_store *l2;
	aibrix__xxh3_fn hash;
	uint32_t cpu;
	uint32_t flags;
	uint32_t policy;
	uint32_t block_tokens;
	uint32_t lease_bits;
	uint32_t locked_once; /* the mutex was made */

	/* Asked without the lock, written under it. */
	struct table table;

	/* Changed without the lock. */
	_Atomic uint64_t leases_free; /* a stack: changes (32), its top (32) */
	_Atomic uint64_t leases_held;
	_Atomic uint64_t pinned;      /* slots with pins */
	_Atomic uint64_t asked, hits; /* of acquire, as in stat */
	_Atomic uint32_t hits_noted;  /* leases whose hits the order lacks */

	/* Guards all that follows.  Nobody touches the store, the log or a
	 * payload while holding it. */
	pthread_mutex_t mutex;

	aibrix_pool *pool;
	struct slot *slots;
	struct origin *origins; /* NULL without L2 */
	uint32_t capacity;
	uint64_t count[SLOT_STATES];

	struct tenant *tenants; /* &alone: one */
	struct tenant alone;    /* of several: without an order */
	uint32_t n_tenants;
	uint32_t tick_shift; /* of uses to ticks */
	uint64_t uses;       /* by the order */

	aibrix_meter *meter; /* NULL: none */
	struct metered metered;

	struct lease *leases;
	struct link *lease_links;
	struct list leases_waiting;
	uint32_t max_leases;
	struct budget budget;

	uint32_t max_transfers; /* 0 without L2 */
	struct transfer *transfers;
	struct link *transfer_links;
	struct list transfers_free;
	struct list deletes; /* transfers that are not at the store yet */
	struct list cancels; /* transfers that nobody waits for any more */
	uint32_t writing;    /* transfers of GOAL_WRITE */
	uint32_t max_writing;
	uint32_t prefetching;     /* transfers of GOAL_PREFETCH */
	uint64_t prefetch_blocks; /* of leases that are */
	uint64_t max_blocks;      /* of a sequence; 0: no limit */
	uint32_t promote;
	uint32_t ingest; /* AIBRIX_CACHE_INGEST_* */
	uint32_t hot_hits;
	uint32_t ahead;    /* victims, leaving and left, to be had in advance */
	uint32_t leaving;  /* slots that are */
	uint32_t luck;     /* 0 to 3: whether L2 had the last prompts */
	uint32_t lost;     /* writes that came to nothing since the last good */
	uint32_t flushing; /* slots whose writes somebody waits for */
	uint64_t unflushed; /* of them, so far: came to nothing */
	uint32_t driving;   /* a thread has the store: no other touches it */
	uint32_t stirred;   /* who has it must look at everything again */
	struct waiting wait;
	struct dead *dead; /* memory to be freed when the lock is left */
	struct link *write_links;
	struct list writes; /* slots that wait to be written to L2 */
	uint32_t left;      /* slots that are */
	struct removing removing;
	uint64_t now_ns; /* the latest that a caller said */

	struct events *events; /* NULL: nobody wants to be told */

	aibrix_cache_stat stat;
	struct said said;
};

static inline struct tenant *
tenant_of(const aibrix_cache *cache, uint32_t slot)
{
	return cache->n_tenants == 1
		       ? cache->tenants
		       : &cache->tenants[cache->slots[slot].tenant];
}

/* The order that a slot is in, or would be. */
static inline aibrix_evict *
order_of(const aibrix_cache *cache, uint32_t slot)
{
	return cache->n_tenants == 1
		       ? cache->alone.evict
		       : cache->tenants[cache->slots[slot].tenant].evict;
}

/* The order is told that a slot was used. */
static inline void
slot_used(aibrix_cache *cache, uint32_t slot)
{
	if (cache->n_tenants == 1)
		return;
	cache->uses++;
	cache->slots[slot].used =
		(cache->uses >> cache->tick_shift) & (TICKS - 1);
}

/* cache.c */

void aibrix__cache_enter(aibrix_cache *cache);
/* Also tells the log what went wrong since. */
void aibrix__cache_leave(aibrix_cache *cache);
/* The same in the middle of a call: wakes who must be, and logs nothing. */
void aibrix__cache_unlock(aibrix_cache *cache);

/* cache_meter.c */

/* What has changed since; before the lock is left.  There is a meter. */
void aibrix__meter_tell(aibrix_cache *cache);
/* The cache ends: its gauges are 0, its leases were leaked. */
void aibrix__meter_close(aibrix_cache *cache);
/* A lease is settled, with its first l1 hits from L1; it was given up. */
void aibrix__meter_acquired(const aibrix_cache *cache,
			    const struct lease *lease, uint64_t l1);
void aibrix__meter_given_up(const aibrix_cache *cache,
			    const struct lease *lease);
/* Blocks were read of L1; so many leases more or, negated, less.  These need
 * no lock. */
void aibrix__meter_read(const aibrix_cache *cache, uint64_t blocks);
void aibrix__meter_leases(const aibrix_cache *cache, uint64_t more);
/* A call that is an operation by itself, in blocks. */
void aibrix__meter_call(const aibrix_cache *cache, uint32_t op, int status,
			uint64_t blocks, uint64_t done);
/* A block was sent to L2; a request of a reading has failed there. */
void aibrix__meter_put(const aibrix_cache *cache, int status);
void aibrix__meter_fault(const aibrix_cache *cache, int status);

/* cache_l1.c */

int aibrix__l1_open(aibrix_cache *cache, uint64_t l1_bytes, int l2);
void aibrix__l1_close(aibrix_cache *cache);
/* The key of a slot in the table. */
aibrix_key aibrix__l1_key(const aibrix_cache *cache, uint32_t slot);
/* A slot of a tenant for a key that the table lacks, in state, with one pin;
 * evicts when it must.  NONE: all that it may have is pinned. */
uint32_t aibrix__l1_take(aibrix_cache *cache, uint32_t tenant,
			 const aibrix_key *key, const aibrix_key *parent,
			 uint8_t state);
/* Evict one of a tenant's.  0: all are pinned. */
int aibrix__l1_evict(aibrix_cache *cache, struct tenant *from);
void *aibrix__l1_data(const aibrix_cache *cache, uint32_t slot);
uint64_t aibrix__l1_sum(const aibrix_cache *cache, uint32_t slot);

/* Of a key to a bucket, which is one of 2^32 at most: two multiplications by
 * 2^64 over the golden ratio. */
static inline uint64_t
key_mix(const aibrix_key *key)
{
	const uint64_t odd = 0x9e3779b97f4a7c15;
	uint64_t half[2];

	memcpy(half, key->bytes, sizeof(half));
	half[0] = (half[0] * odd ^ half[1]) * odd;
	return half[0] >> 32;
}

/* Does anybody look at the sums of slots? */
static inline int
sums_are_kept(const aibrix_cache *cache)
{
	return !(cache->flags & AIBRIX_CACHE_NO_L1_VERIFY) ||
	       (cache->l2 && !(cache->flags & (AIBRIX_CACHE_NO_L2_VERIFY |
					       AIBRIX_CACHE_L2_RAW)));
}

/* Does acquire look at the sums of L1, or whoever hands out the bytes? */
static inline int
verifies_now(const aibrix_cache *cache)
{
	return !(cache->flags &
		 (AIBRIX_CACHE_NO_L1_VERIFY | AIBRIX_CACHE_VERIFY_LATE));
}

static inline int
verifies_late(const aibrix_cache *cache)
{
	return (cache->flags &
		(AIBRIX_CACHE_NO_L1_VERIFY | AIBRIX_CACHE_VERIFY_LATE)) ==
	       AIBRIX_CACHE_VERIFY_LATE;
}

/* What stands before a block in L2. */
static inline uint64_t
frame_bytes(const aibrix_cache *cache)
{
	return cache->flags & AIBRIX_CACHE_L2_RAW ? 0 : FRAME_BYTES;
}

static inline uint64_t
value_bytes(const aibrix_cache *cache)
{
	return frame_bytes(cache) + cache->block_bytes;
}

void aibrix__l1_pin(aibrix_cache *cache, uint32_t slot);
void aibrix__l1_unpin(aibrix_cache *cache, uint32_t slot);
/* A pin for a reader.  0: there are too many. */
int aibrix__l1_read(aibrix_cache *cache, uint32_t slot);
/*
 * Without the lock: pin the slots of as many of n keys, each stride bytes
 * after the one before it, as L1 shows and can be pinned so.  tail: valid
 * tokens of the last one; 0: all.
 */
enum { L1_WINDOW = 32 }; /* keys at most, whose slots are on their way */
uint64_t aibrix__l1_read_run(aibrix_cache *cache, const void *keys,
			     size_t stride, uint64_t n, uint32_t tail,
			     uint32_t *slots);
/* The payload is whole: others may find it.  Not yet in the order. */
void aibrix__l1_publish(aibrix_cache *cache, uint32_t slot);
/* Into the eviction order, unless it is there. */
void aibrix__l1_order(aibrix_cache *cache, uint32_t slot);
void aibrix__l1_touch(aibrix_cache *cache, uint32_t slot);
/* It was to be given up, and is pinned: into the order again. */
void aibrix__l1_back(aibrix_cache *cache, uint32_t slot);
/* Nobody finds it any more; it is freed now or with its last pin. */
void aibrix__l1_drop(aibrix_cache *cache, uint32_t slot);
/* A READY slot's payload is not what was published: count, drop. */
void aibrix__l1_damaged(aibrix_cache *cache, uint32_t slot);

/* cache_lease.c */

int aibrix__lease_open(aibrix_cache *cache, uint32_t max_leases);
void aibrix__lease_close(aibrix_cache *cache);
/* How many keys stand before the first zero one: that is "no key", and
 * prompts must not meet under it. */
uint64_t aibrix__keys_named(const aibrix_key *keys, uint64_t n);
/*
 * Blocks for the first *n keys; *n is cut to what L1 could ever hold, and
 * before a zero key.
 * *out is NULL when none are left.
 * Fails: E_INVAL (no keys), E_NOMEM.
 */
int aibrix__blocks_new(aibrix_cache *cache, const aibrix_key *keys, uint64_t *n,
		       struct lease_block **out);
void aibrix__blocks_free(aibrix_cache *cache, struct lease_block *blocks,
			 uint64_t n);
/* A BUSY lease that owns blocks; NULL: all are taken.  Needs no lock. */
struct lease *aibrix__lease_take(aibrix_cache *cache,
				 struct lease_block *blocks, uint64_t n);
/*
 * An acquired lease, without the lock: it stays until it is left.  NULL: it
 * is none, ask with the lock.  Not to be left under the lock.
 */
struct lease *aibrix__lease_enter(aibrix_cache *cache, uint64_t id);
void aibrix__lease_leave(aibrix_cache *cache, struct lease *lease);
/* Leave and release it; E_NOT_FOUND: another thread has. */
int aibrix__lease_release(aibrix_cache *cache, struct lease *lease);
uint64_t aibrix__leases_free_count(const aibrix_cache *cache);
struct lease *aibrix__lease_find(const aibrix_cache *cache, uint64_t id);
/* Lets all go; the caller frees the blocks when it has left the lock. */
struct lease_block *aibrix__lease_end(aibrix_cache *cache, struct lease *lease,
				      uint64_t *cap);
/* The prefix rule: how many leading blocks are held. */
uint64_t aibrix__lease_good(struct lease *lease);
/* The prefix ends before block at: all from there on is let go. */
void aibrix__lease_cut(aibrix_cache *cache, struct lease *lease, uint64_t at);
/* The same; block at is missing for this reason. */
void aibrix__lease_fail(aibrix_cache *cache, struct lease *lease, uint64_t at,
			int why);
/* A waiting lease becomes what it has. */
void aibrix__lease_settle(aibrix_cache *cache, struct lease *lease);

/* cache_acquire.c */

/* What leases have noted is told to the order. */
void aibrix__hits_apply(aibrix_cache *cache);
/* Hold the longest prefix of a BUSY lease: OK, or E_AGAIN. */
int aibrix__lease_ask(aibrix_cache *cache, struct lease *l,
		      uint64_t deadline_ns, uint64_t now_ns);

/* cache_handover.c */

/* May the last of n blocks have tail tokens? */
int aibrix__tail_check(const aibrix_cache *cache, uint64_t n, uint32_t tail);
/* Valid tokens of a slot's block; 0: all. */
void aibrix__tail_set(aibrix_cache *cache, uint32_t slot, uint32_t tail);

static inline uint32_t
slot_tail(const aibrix_cache *cache, uint32_t slot)
{
	/* Acquire: as with keys, for who looks without the lock. */
	return atomic_load_explicit(&cache->slots[slot].tail,
				    memory_order_acquire);
}

/* What block i of a lease must have. */
static inline uint32_t
lease_tail(const struct lease *l, uint64_t i)
{
	return l->tail && i == l->asked - 1 ? l->tail : 0;
}

/* cache_copy.c */

/* Sum block i of an acquired lease, which the caller has entered: OK,
 * E_CORRUPT.  Without the lock. */
int aibrix__block_verify(aibrix_cache *cache, struct lease *lease, uint64_t i);

/* cache_trailer.c */

/* n of them; those of a lease that ends, under the lock. */
void aibrix__expected_free(aibrix_cache *cache, struct expected *expected,
			   uint64_t n);
void aibrix__expected_drop(aibrix_cache *cache, struct lease *l);
/* Length of the value of a slot's block; of block i of a lease. */
uint64_t aibrix__value_bytes(const aibrix_cache *cache, uint32_t slot);
uint64_t aibrix__value_wanted(const aibrix_cache *cache, const struct lease *l,
			      uint64_t i);
/* Has the value of that many bytes in a slot the trailer that is expected? */
int aibrix__trailer_check(const aibrix_cache *cache, uint32_t slot,
			  uint64_t bytes, const struct expected *want);

/* May a request with tokens be made?  What its last n blocks must have behind
 * them; NULL where there are no trailers. */
int aibrix__tokens_check(const aibrix_cache *cache,
			 const aibrix_cache_request *r);
int aibrix__expected_new(aibrix_cache *cache, const aibrix_cache_request *r,
			 uint64_t n, struct expected **out);
/* With tokens behind the blocks. */
int aibrix__acquire_tokens(aibrix_cache *cache, const aibrix_cache_request *r,
			   uint64_t *lease, uint64_t *n_out);
int aibrix__reserve_tokens(aibrix_cache *cache, const aibrix_cache_request *r,
			   uint64_t *lease, uint64_t *n_out);

/* cache_acquire.c, cache_reserve.c, cache_prefetch.c: calls whose request was
 * looked at.  expected is the callee's: n of them, allocated; NULL. */
int aibrix__acquire(aibrix_cache *cache, const aibrix_cache_request *r,
		    struct expected *expected, uint64_t *lease,
		    uint64_t *n_out);
int aibrix__reserve(aibrix_cache *cache, const aibrix_cache_request *r,
		    uint64_t *lease, uint64_t *n_out);
int aibrix__prefetch(aibrix_cache *cache, const aibrix_cache_request *r,
		     uint64_t *lease);

/* cache_prefetch.c */

/* May a lease have one more transfer? */
int aibrix__prefetch_may(const aibrix_cache *cache, const struct lease *l);
/* A block that came from L2 stays in L1, or not. */
void aibrix__promote(aibrix_cache *cache, uint32_t slot);
/* If it is a prefetch and has what it can get, it ends. */
void aibrix__prefetch_over(aibrix_cache *cache, struct lease *l);

/* cache_batch.c; transfers: the rest is in cache_batch.h */

int aibrix__transfers_open(aibrix_cache *cache, uint32_t max);
void aibrix__transfers_close(aibrix_cache *cache);

/* cache_l2.c */

/* The lease will ask L2 for what is behind its first good blocks. */
void aibrix__l2_ask(aibrix_cache *cache, struct lease *lease, uint64_t good);
/* The lease of this transfer has let go of it. */
void aibrix__l2_detach(aibrix_cache *cache, uint32_t transfer);

/* cache_write.c */

/* READY and not in L2: to be written when a transfer is free. */
void aibrix__l2_queue(aibrix_cache *cache, uint32_t slot);
void aibrix__l2_unqueue(aibrix_cache *cache, uint32_t slot);
/* A transfer of GOAL_WRITE has ended, or did not begin; again: it will. */
void aibrix__write_done(aibrix_cache *cache, struct transfer *t,
			const aibrix_done *done);
void aibrix__write_undo(aibrix_cache *cache, struct transfer *t, int again);

/* cache_ingest.c */

int aibrix__writes_wanted(const aibrix_cache *cache);
/* Queue a READY slot, and those before it, that L2 was not given. */
void aibrix__ingest_chain(aibrix_cache *cache, uint32_t slot);
/* Slot was committed, is part of a chain that was, or was handed out. */
void aibrix__ingest_commit(aibrix_cache *cache, uint32_t slot);
void aibrix__ingest_again(aibrix_cache *cache, uint32_t slot);
void aibrix__ingest_hit(aibrix_cache *cache, uint32_t slot);
/* Choose victims ahead of need, and have them written. */
void aibrix__ingest_ahead(aibrix_cache *cache);
/* A victim's write is over, and nobody uses it. */
void aibrix__ingest_left(aibrix_cache *cache, uint32_t slot);
/* A slot in no order is a victim that L2 is to have first. */
void aibrix__ingest_leave(aibrix_cache *cache, uint32_t slot);
/* Somebody uses a victim: it is none any more. */
void aibrix__ingest_stay(aibrix_cache *cache, uint32_t slot);
/* The next slot of a tenant to reuse, READY and in no order; NONE: none. */
uint32_t aibrix__ingest_victim(aibrix_cache *cache, struct tenant *from);
/* Has it victims that wait to be written? */
int aibrix__ingest_waits(const aibrix_cache *cache, const struct tenant *from);
/* The slot will not be READY any more. */
void aibrix__ingest_forget(aibrix_cache *cache, uint32_t slot);

/* cache_drive.c */

enum {
	DRIVE_WRITES = 1,
	DRIVE_ALL = 2 /* writes, and what all waiting leases lack */
};

/*
 * Hand to the store what what says, and what lease, if any, lacks, until
 * nothing is left that can go on without waiting; cancel what was given up.
 * A thread that has the store already does it instead.  The lock is held, and
 * released in between.
 */
void aibrix__l2_drive(aibrix_cache *cache, uint32_t what, struct lease *lease,
		      uint64_t now_ns);
/* There may be more to write: for the next poll, whoever makes it. */
void aibrix__l2_offer(aibrix_cache *cache, uint64_t now_ns);
/* The store is this thread's until given back; the lock is released between
 * the two.  take: 0, another thread has it. */
int aibrix__store_take(aibrix_cache *cache);
void aibrix__store_give(aibrix_cache *cache);

/* cache_poll.c */

/* Take what has ended, settle what is late, and go on, without waiting. */
void aibrix__l2_round(aibrix_cache *cache, uint64_t now_ns);
/* Transfers that have begun or wait for their turn. */
uint64_t aibrix__l2_work(const aibrix_cache *cache);
/* Wait for what is in flight.  0: the store cannot be polled any more, its
 * buffers must stay. */
int aibrix__l2_drain(aibrix_cache *cache);

/* cache_flush.c */

/* A slot's write has ended, or never will. */
void aibrix__flush_settle(aibrix_cache *cache, uint32_t slot, int taken);

/* cache_wait.c */

int aibrix__wait_open(aibrix_cache *cache, const aibrix_cache_opts *opts);
void aibrix__wait_close(aibrix_cache *cache);
/* Before a poll's look; without the lock. */
void aibrix__wait_noted(aibrix_cache *cache);
/* Before the lock is left: the host's loop must look. */
void aibrix__wait_note(aibrix_cache *cache);
/* A transfer has ended; a lease that had to wait is settled. */
void aibrix__wait_ended(aibrix_cache *cache);
void aibrix__wait_settled(aibrix_cache *cache);
/* A lease has begun to wait. */
void aibrix__wait_begun(aibrix_cache *cache, struct lease *lease);
/* Whoever watches, or the host's loop, must look. */
void aibrix__wait_stir(aibrix_cache *cache);
/* Settle the leases whose deadline has come. */
void aibrix__wait_late(aibrix_cache *cache, uint64_t now_ns);
/* When the store must be polled; asked by the one who has it, without the
 * lock, and told with it. */
uint64_t aibrix__wait_ask(const aibrix_cache *cache);
void aibrix__wait_tell(aibrix_cache *cache, uint64_t wake_ns);

/* A call that may sleep. */
struct sleep {
	uint64_t begun_ns;   /* as its caller said */
	uint64_t timeout_ns; /* 0: it does not sleep */
	uint64_t clock_ns;   /* the clock, when it began */
	uint64_t now_ns;
	uint64_t nap_ns; /* the next one, where nothing can wake it */
};

/* Now, and whether the time is over: told after each look. */
void aibrix__sleep_begin(const aibrix_cache *cache, struct sleep *sleep,
			 uint64_t now_ns, uint64_t timeout_ns);
/* Until something has happened, or the time is over.  sleepers: of waiting;
 * the lock is held. */
void aibrix__sleep_nap(aibrix_cache *cache, struct sleep *sleep,
		       uint32_t *sleepers);
int aibrix__sleep_over(const struct sleep *sleep);
/* The call returns: somebody else must watch. */
void aibrix__sleep_end(aibrix_cache *cache);
/* What somebody may sleep for, other than these. */
void aibrix__wait_flushed(aibrix_cache *cache);
/* Writes to descriptors of waiting, outside the lock. */
void aibrix__wait_kick(const aibrix_cache *cache, uint32_t kick);

/* cache_event.c; without effect where nobody wants to be told */

void aibrix__events_close(aibrix_cache *cache);
/* A slot was taken for a block behind parent; its content hash, when that is
 * known. */
void aibrix__events_taken(aibrix_cache *cache, uint32_t slot,
			  const aibrix_key *parent);
void aibrix__events_content(aibrix_cache *cache, uint32_t slot, uint64_t hash);
/* It can be found; it can no longer be, and still has its key. */
void aibrix__events_shown(aibrix_cache *cache, uint32_t slot);
void aibrix__events_hidden(aibrix_cache *cache, uint32_t slot);
/* All that was hidden can be told as one event, if nothing else was told. */
void aibrix__events_cleared(aibrix_cache *cache);

/* cache_budget.c */

int aibrix__budget_set(struct budget *b, const aibrix_cache_opts *o);
/* May this lease ask L2 for what L1 lacks behind its first good blocks?  Cuts
 * the lease to what is worth it. */
int aibrix__budget_open(aibrix_cache *cache, struct lease *l, uint64_t good,
			uint64_t now_ns);
/* A block has come from L2. */
void aibrix__budget_arrival(const aibrix_cache *cache, struct lease *l);
/* Until when a waiting lease waits; 0: for ever. */
uint64_t aibrix__budget_limit(const aibrix_cache *cache, struct lease *l);
/* It waits no longer, with the blocks that it has; given up: by its owner. */
void aibrix__budget_close(aibrix_cache *cache, struct lease *l, int given_up);

/* cache_check.c */

/* The first invariant that does not hold, as text; NULL: all hold. */
const char *aibrix__cache_check(aibrix_cache *cache);

#endif
