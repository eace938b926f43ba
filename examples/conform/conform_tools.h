/*
 * What the checks are made of: named values, memory with guards around it,
 * and requests that are followed to their ends.
 */
#ifndef CONFORM_TOOLS_H
#define CONFORM_TOOLS_H

#include "conform/conform.h"

/* Leave a check with a reason unless it holds. */
#define WANT(c, condition, ...)                                                \
	do {                                                                   \
		if (!(condition))                                              \
			return conform_fail((c), __VA_ARGS__);                 \
	} while (0)

/* Leave a check if a step of it has failed. */
#define STEP(call)                                                             \
	do {                                                                   \
		int step_verdict = (call);                                     \
		if (step_verdict)                                              \
			return step_verdict;                                   \
	} while (0)

__attribute__((format(printf, 2, 3))) int conform_fail(struct conform *c,
						       const char *format, ...);

__attribute__((format(printf, 2, 3))) int conform_skip(struct conform *c,
						       const char *format, ...);

uint64_t conform_now(void);

/* SplitMix64 on c->seed. */
uint64_t conform_random(struct conform *c);
uint64_t conform_below(struct conform *c, uint64_t n);

/* Keys of this run, which no other run has: 24 bytes. */
enum { NAME_BYTES = 24 };
struct name {
	uint8_t bytes[NAME_BYTES];
};
struct name name_of(const struct conform *c, uint64_t number);

/* The value that belongs to a number. */
void value_fill(uint64_t number, uint8_t *to, uint64_t bytes);
int value_is(uint64_t number, const uint8_t *at, uint64_t bytes);

/*
 * Memory in n_iov pieces, with guards before, between and behind them.
 */
enum { PIECES_MAX = 8 };
struct memory {
	uint8_t *base;
	uint64_t bytes;  /* of all */
	uint64_t usable; /* of the pieces */
	aibrix_iov iov[PIECES_MAX];
	uint32_t n_iov;
};

/* Pieces of random sizes, some empty; usable bytes in all. */
int memory_new(struct conform *c, struct memory *m, uint64_t usable);
void memory_free(struct memory *m);
void memory_write(struct memory *m, uint64_t number);
/* The first bytes are the value of number. */
int memory_holds(const struct memory *m, uint64_t number, uint64_t bytes);
/* Overwrite the pieces; later memory_is_poison says whether they are so. */
void memory_poison(struct memory *m);
int memory_is_poison(const struct memory *m);
int guards_are_whole(const struct memory *m);

/* A request for the value of a number; m: NULL without memory. */
aibrix_io request_of(struct conform *c, uint32_t op, const struct name *name,
		     const struct memory *m);

/* Submit one and follow it to its end. */
int request_do(struct conform *c, const aibrix_io *io, aibrix_done *done);

/* Poll until n completions are there, by descriptor where there is one. */
int request_await(struct conform *c, aibrix_done *dones, uint32_t n);

/* PUT the value of number; GET it and compare.  Check steps. */
int value_put(struct conform *c, const struct name *name, uint64_t number,
	      uint64_t bytes);
int value_get(struct conform *c, const struct name *name, uint64_t number,
	      uint64_t bytes);

#endif
