/* The queue's insides: what a user and a request are, and how users move. */
#ifndef VTC_INTERNAL_H
#define VTC_INTERNAL_H

#include <aibrix/vtc.h>

#include "base/heap.h"
#include "base/list.h"

enum {
	UNITS = 1024,     /* of a counter, in one weighted token */
	SHARE_ONE = 1024, /* of a request whose share is 1 */
	RATIO_MAX = 1000  /* weights, shares */
};

/* In units.  What one request may cost, far above any that is meant; where
 * a counter stops; and where all of them are lowered. */
#define COST_MAX ((uint64_t)1 << 50)
#define COUNTER_MAX ((uint64_t)1 << 63)
#define COUNTER_HIGH ((uint64_t)1 << 62)

struct user {
	uint64_t name;
	uint64_t counter;
	uint64_t lifted;     /* pops until the last lift */
	struct list waiting; /* its requests, oldest first */
	uint32_t running;
	uint32_t next; /* in its bucket */
};

enum { REQUEST_FREE, REQUEST_WAITS, REQUEST_RUNS };

struct request {
	uint64_t tag;
	uint64_t pushed_ns;
	uint64_t heard_ns; /* while it runs */
	uint64_t order;    /* of arrivals */
	uint64_t popped;   /* pops up to its own */
	uint64_t charged;  /* so far */
	uint32_t user, state, generation;
	uint32_t input, expected, output;
	uint32_t share; /* in SHARE_ONE */
	uint32_t spare;
};

/*
 * A user is in the heap of those with a request waiting, or, with none
 * anywhere, in that of idle ones, or, with all its requests running, in
 * neither; so one array of places serves both.
 */
struct aibrix_vtc {
	aibrix_allocator alloc;
	uint32_t max_requests, max_user_requests, max_users;
	uint32_t input_weight, output_weight; /* units of a token */
	uint64_t lease_ns, seed;
	struct user *users;
	uint32_t *places;      /* of users, in heaps */
	uint32_t *buckets;     /* users, by name; NONE: empty */
	uint32_t bucket_mask;  /* buckets - 1 */
	struct heap waiting;   /* by counter, oldest request */
	struct heap idle;      /* by counter, idle the longest */
	uint32_t known;        /* users[0 .. known) have been used */
	uint32_t last;         /* who last had no request left; NONE */
	uint64_t last_counter; /* of it, once it is forgotten */
	uint64_t forgotten;    /* the largest counter of whom is forgotten */
	struct request *requests;
	struct link *links;
	struct list free;
	struct list running; /* heard of longest ago first */
	uint64_t now_ns;     /* the latest seen */
	uint64_t arrivals, pops, idled;
	aibrix_vtc_stat stat; /* its totals */
};

/* NONE: not known. */
uint32_t aibrix__vtc_find(const aibrix_vtc *v, uint64_t name);

/* A record for a new user, whose name is not known: a fresh one, or that of
 * the idle user with the least counter.  NONE: all have something. */
uint32_t aibrix__vtc_add(aibrix_vtc *v, uint64_t name);

/* The i-th in order of those who wait, from 0; NONE: they are fewer. */
uint32_t aibrix__vtc_ith(const aibrix_vtc *v, uint32_t i);

/* The counter of whoever would begin now. */
uint64_t aibrix__vtc_floor(const aibrix_vtc *v);

/* A request for a user without one waiting is about to wait. */
void aibrix__vtc_lift(aibrix_vtc *v, uint32_t user);

/*
 * Its counter or its requests have changed: to where it belongs.  was: it had
 * a request waiting before.  Lowers all counters when they have grown high.
 */
void aibrix__vtc_place(aibrix_vtc *v, uint32_t user, int was);

#endif
