/* Who owes what: users in stripes, each with its lock. */
#ifndef LIMIT_TABLE_H
#define LIMIT_TABLE_H

#include <pthread.h>

#include "base/sha256.h"
#include "limit/limit_lane.h"

enum { LANE_REQUESTS, LANE_TOKENS, LANES };
enum { BUCKET = 8, LINE = 64 };

/* In windows of compat a lane is due when its window ends, and slot[0] is the
 * count. */
struct entry {
	uint64_t user[2];
	uint64_t last_ns; /* of the last charge; earlier times count as it */
	uint32_t turn;    /* of the stripe, at the last charge */
	uint32_t spare;
	struct lane lane[LANES];
};

struct stripe {
	pthread_mutex_t lock; /* guards its users and all below */
	uint32_t turn;
	uint64_t users;
	aibrix_limit_stat stat; /* counters */
};

struct aibrix_limit {
	aibrix_allocator alloc;
	const struct sha256_impl *sha;
	uint64_t seed;
	uint32_t compat;
	uint32_t stripes;        /* a power of two */
	uint32_t stripe_buckets; /* of each stripe */
	uint32_t open;           /* stripes with a lock */
	struct stripe **stripe;  /* each apart: they are written often */
	uint32_t *tags;          /* of each place; 0: nobody */
	struct entry *entries;
};

struct user {
	uint64_t id[2];
	uint32_t tag;
	uint32_t first[2]; /* places of its two buckets */
	struct stripe *stripe;
};

static inline size_t
limit_places(const aibrix_limit *limit)
{
	return (size_t)limit->stripes * limit->stripe_buckets * BUCKET;
}

/* The user of a name, or of an id, and where it may lie. */
struct user aibrix__limit_user(const aibrix_limit *limit, const void *name,
			       size_t n);
struct user aibrix__limit_user_of(const aibrix_limit *limit,
				  const uint64_t id[2]);

/* Both under the stripe's lock.  NULL: not known; no room. */
struct entry *aibrix__limit_find(aibrix_limit *limit, const struct user *user);
struct entry *aibrix__limit_make(aibrix_limit *limit, const struct user *user,
				 uint64_t now_ns);

/* Under the lock; entry is the user's. */
void aibrix__limit_drop(aibrix_limit *limit, const struct user *user,
			struct entry *entry);

int aibrix__limit_table_open(aibrix_limit *limit, uint64_t users);
void aibrix__limit_table_close(aibrix_limit *limit);
uint64_t aibrix__limit_table_bytes(const aibrix_limit *limit);

/* For tests: 0 when the table is consistent, else a line. */
int aibrix__limit_check(aibrix_limit *limit);

#endif
