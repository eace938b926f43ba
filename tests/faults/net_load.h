/*
 * Traffic for a store that is being broken: random requests, many at a time,
 * each of which is held to what a store promises.
 *
 *   - it ends, within 20 times its deadline;
 *   - with a status that this fault may lead to;
 *   - a value has the bytes and the length that follow from its key;
 *   - once it has ended, its memory is not written again.
 *
 * Whatever deviates is counted in `broken`; the first one is told.
 */
#ifndef TESTS_FAULTS_NET_LOAD_H
#define TESTS_FAULTS_NET_LOAD_H

#include <stdint.h>

#include <aibrix/aibrix.h>

enum {
	LOAD_KEYS = 256,
	LOAD_VALUE_MAX = 1 << 20,
	LOAD_DEPTH = 16, /* requests at a time */
	LOAD_SLOTS = 48, /* memory of those and of such that have ended */
	LOAD_STATUSES = 64
};

#define LOAD_DEADLINE_NS UINT64_C(200000000)

/* A status as a bit. */
#define LOAD_BIT(status) (UINT64_C(1) << -(status))

/* What a network that fails leads to. */
#define LOAD_FAULTS                                                            \
	(LOAD_BIT(AIBRIX_E_TIMEOUT) | LOAD_BIT(AIBRIX_E_UNAVAILABLE) |         \
	 LOAD_BIT(AIBRIX_E_CLOSED) | LOAD_BIT(AIBRIX_E_IO))

struct load_slot {
	uint8_t *memory;
	aibrix_iov iov[2];
	char key[16];
	uint64_t bytes; /* of its value */
	uint64_t start_ns;
	uint32_t number;
	uint32_t op;
	uint32_t busy;
	uint32_t poisoned; /* bytes that nobody may write to */
};

struct load {
	aibrix_store *store;
	struct load_slot slots[LOAD_SLOTS];
	uint64_t seed;
	uint64_t allowed; /* LOAD_BIT of statuses but the good */
	uint64_t by_status[LOAD_STATUSES]; /* [-status] */
	uint64_t hits;
	uint64_t slowest_ns;
	uint64_t deadline_ns; /* from each one's start */
	uint32_t next;
	uint32_t inflight;
	uint32_t broken;
	uint32_t reads_only;
	uint32_t large_only; /* values of LOAD_VALUE_MAX */
};

uint64_t load_now_ns(void);

/* Length and bytes of the value of a key. */
uint64_t load_bytes(uint32_t key);
void load_value(uint32_t key, uint8_t *out, uint64_t bytes);
int load_value_is(uint32_t key, const uint8_t *value, uint64_t bytes);

void load_open(struct load *load, aibrix_store *store, uint64_t seed);
void load_close(struct load *load);

/* A note of something that is not as promised. */
__attribute__((format(printf, 2, 3))) void load_broken(struct load *load,
						       const char *format, ...);

/* Submit what there is room for, poll once. */
void load_step(struct load *load, uint64_t wait_ns);
void load_run(struct load *load, uint64_t ms);

/* Nothing in flight any more. */
void load_drain(struct load *load);

/* Run until a value has been hit; milliseconds, or above the bound. */
uint64_t load_until_hit(struct load *load, uint64_t bound_ms);

/* All values are put, in a network that works. */
void load_fill(struct load *load);

/* How often requests ended so. */
uint64_t load_count(const struct load *load, int status);

/* Open descriptors of this process. */
int load_descriptors(void);

#endif
