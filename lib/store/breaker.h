/*
 * A circuit breaker for one node: after enough failures it refuses calls at
 * once, so that a dead node costs its misses and no deadlines, and it lets a
 * few probes through to find out when the node is well again.  breaker.c has
 * the picture.
 *
 * A plain struct without pointers: no allocation, no end to call.  One thread
 * at a time.
 */
#ifndef STORE_BREAKER_H
#define STORE_BREAKER_H

#include <stdint.h>

enum { BREAKER_CLOSED = 0, BREAKER_OPEN = 1, BREAKER_HALF_OPEN = 2 };

/* How an admitted call ended. */
enum {
	BREAKER_SUCCESS = 0,
	BREAKER_MISS = 1, /* an answer, thus a success */
	BREAKER_ERROR = 2,
	BREAKER_TIMEOUT = 3,
	BREAKER_NOTHING = 4 /* says nothing: cancelled, or never sent */
};

/* jitter_pct: every wait is exactly the back-off. */
#define BREAKER_NO_JITTER UINT32_MAX

/* A fixed number of steps in which the window moves on. */
enum { BREAKER_BUCKETS = 8 };

struct breaker_opts {
	uint64_t window_ns;      /* 0: 10 s; at least BREAKER_BUCKETS */
	uint64_t backoff_min_ns; /* 0: 100 ms */
	uint64_t backoff_max_ns; /* 0: 30 s, or the minimum if above */
	uint64_t probe_ns;       /* 0: 5 s; a probe longer than this failed */
	uint32_t failures;       /* 0: 5; so many in a row open it */
	uint32_t min_calls;   /* 0: 20; in the window, before a share counts */
	uint32_t failure_pct; /* 0: 50; this share of the window opens it */
	uint32_t jitter_pct;  /* 0: 20; BREAKER_NO_JITTER: none */
	uint32_t probes;      /* 0: 1; under way at any time, half open */
	uint32_t successes;   /* 0: 3; probes that succeed, to close */
};

/* Only grow, up to UINT64_MAX. */
struct breaker_stat {
	uint64_t opened;  /* times, with those after a failed probe */
	uint64_t closed;  /* times that it closed again */
	uint64_t refused; /* calls */
	uint64_t probes;  /* calls let through while half open */
	uint64_t late;    /* outcomes of an earlier epoch, not counted */
};

struct breaker_bucket {
	uint32_t calls, failures;
};

struct breaker {
	struct breaker_opts opts; /* with the defaults filled in */
	struct breaker_stat stat;
	uint64_t rand;
	uint64_t epoch;   /* moves on with each change of state; from 1 */
	uint64_t last_ns; /* the caller's clock, as last believed */
	uint64_t wait_ns; /* left of what the state waits for */
	uint64_t age_ns;  /* of the newest bucket */
	uint32_t state;
	uint32_t level;              /* back-offs in a row */
	uint32_t in_row;             /* failures since the last success */
	uint32_t newest;             /* bucket */
	uint32_t running, succeeded; /* probes of this epoch */
	struct breaker_bucket buckets[BREAKER_BUCKETS];
};

/*
 * Closed, with nothing counted.  entropy seeds the jitter: breakers of many
 * processes must get different numbers, the same number gives the same waits.
 *
 * Fails: E_INVAL (an option out of range; *b is untouched).
 */
int aibrix__breaker_init(struct breaker *b, const struct breaker_opts *opts,
			 uint64_t entropy, uint64_t now_ns);

/*
 * May a call go out?  If so, *token is for aibrix__breaker_give, which must
 * be called once for it, whatever becomes of the call.
 *
 * Fails: E_UNAVAILABLE (not before *until_ns, on the clock of now_ns; while
 * half open a probe that ends may make room earlier; *token is untouched).
 */
int aibrix__breaker_take(struct breaker *b, uint64_t now_ns, uint64_t *token,
			 uint64_t *until_ns);

/* The call of token ended with a BREAKER_* outcome. */
void aibrix__breaker_give(struct breaker *b, uint64_t token, uint32_t outcome,
			  uint64_t now_ns);

/* The node is known to be gone: open, whatever was counted.  Calls under way
 * count no more. */
void aibrix__breaker_trip(struct breaker *b, uint64_t now_ns);

/* The outcome that a request's status stands for. */
uint32_t aibrix__breaker_outcome(int status);

#endif
