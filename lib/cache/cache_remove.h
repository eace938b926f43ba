/* Keys on their way out of L2. */
#ifndef CACHE_REMOVE_H
#define CACHE_REMOVE_H

#include <stdint.h>

#include <aibrix/hash.h>

struct aibrix_cache;
struct batch;
struct removal;
struct transfer;

/* One key of a removal; in its bucket until L2 has answered. */
struct gone {
	aibrix_key key;
	struct gone *next, **at; /* of its bucket */
	struct gone *after;      /* in the queue */
	struct removal *of;
	int32_t status;  /* AIBRIX_E_AGAIN: not over */
	uint32_t writes; /* of this key, in flight: it waits for them */
};

/* What one call removes.  It outlives its lease if that is released early. */
struct removal {
	struct removal *next,
		**at; /* of the cache's, or of those to be freed */
	struct gone *keys;
	uint64_t n, left, failed;
	uint64_t deadline_ns;
	uint32_t lease; /* index; NONE: released */
};

struct removing {
	struct gone **buckets;     /* NULL without L2 */
	uint32_t n_buckets;        /* a power of two */
	uint32_t sent;             /* transfers of GOAL_REMOVE */
	uint64_t count;            /* keys in buckets */
	struct gone *first, *last; /* that L2 may be told now */
	struct removal *all;
	struct removal *over; /* to be freed when the lock is left */
};

int aibrix__remove_open(struct aibrix_cache *cache);
void aibrix__remove_close(struct aibrix_cache *cache);
/* Nobody else is handed the block of a slot that is in the table; one that L2
 * writes is its transfer's. */
void aibrix__remove_slot(struct aibrix_cache *cache, uint32_t slot);
/* Is the key on its way out of L2?  Then it is not read from there, and not
 * written. */
int aibrix__remove_has(const struct aibrix_cache *cache, const aibrix_key *key);
/* A write of the key has ended, or has not begun. */
void aibrix__remove_written(struct aibrix_cache *cache, const aibrix_key *key);
/* Keys that L2 was not told. */
uint64_t aibrix__remove_waiting(const struct aibrix_cache *cache);
/* Fill a batch; a transfer of it has ended, or did not begin; again: it
 * will. */
void aibrix__remove_gather(struct batch *batch);
void aibrix__remove_done(struct aibrix_cache *cache, const struct transfer *t,
			 int32_t status);
void aibrix__remove_undo(struct aibrix_cache *cache, const struct transfer *t,
			 int again);
/* The lease of a removal ends. */
void aibrix__remove_released(struct aibrix_cache *cache, struct removal *r);
/* Without the lock. */
void aibrix__remove_free(const struct aibrix_cache *cache, struct removal *r);

#endif
