/*
 * The conformance suite of stores: what any backend must do, asked through
 * the public interface alone.
 *
 * A target says how to open a store; the suite fills it, breaks off, reads
 * back and compares.  A store that passes can stand under a cache: nothing
 * is completed twice or never, no byte is wrong, a miss is a miss.
 *
 * The store's contents must be of no value to anybody.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <aibrix/aibrix.h>

/* How to come by a store.  value_bytes and more than 64 values of that size
 * must fit. */
struct conform_target {
	/* Open it; the second time the values of the first are there, if
	 * that is what such stores do. */
	int (*open)(void *ctx, uint32_t max_inflight, aibrix_store **out);
	void *ctx;
	uint64_t value_bytes; /* longest value */
	uint64_t seed;
	/* A request without an answer counts as lost after this.  20 times
	 * the store's time-out is wise: machines stall. */
	uint64_t patience_ns;
};

enum { CONFORM_REASON = 240 };

/* One check on one store. */
struct conform {
	const struct conform_target *target;
	aibrix_store *store;
	uint64_t seed; /* of what is random in this check */
	uint64_t tags;
	char reason[CONFORM_REASON]; /* why it failed, or is not asked */
};

enum { CHECK_PASSED = 0, CHECK_FAILED = 1, CHECK_SKIPPED = 2 };

struct conform_check {
	const char *name; /* what must hold */
	int (*run)(struct conform *c);
	uint32_t inflight; /* max_inflight to open the store with */
};

extern const struct conform_check conform_checks[];
extern const uint32_t conform_n_checks;

/* Open a store, run the check, close.  CHECK_*; reason has CONFORM_REASON
 * bytes. */
int conform_run(const struct conform_target *target,
		const struct conform_check *check, char *reason);

#endif
