/*
 * Carrying out steps: a window of them with the memory they need, on a ring
 * or by blocking calls.
 */
#ifndef STORE_CARRY_H
#define STORE_CARRY_H

#include "store/store_step.h"
#include "store/store_uring.h"

enum { CARRY_STEPS = 64, CARRY_NONE = CARRY_STEPS };

struct carry {
	const aibrix_backend_conf *conf;
	int fd;
	int event_fd; /* readable when a step of the ring has ended, or -1 */
	struct step_rules rules;
	struct uring *uring;   /* NULL: blocking calls */
	uint32_t n_steps;      /* at most CARRY_STEPS, and as many bounces */
	uint32_t n_free;       /* steps */
	uint32_t n_bounces;    /* free */
	uint64_t bounce_bytes; /* of one; 0: none is ever needed */
	struct step *steps;
	uint8_t *edges;
	uint8_t *bounces;
	uint32_t free[CARRY_STEPS];
	uint8_t *free_bounces[CARRY_STEPS];
};

/*
 * On fd, which gets O_DIRECT where the options and the filesystem allow it.
 * Without a ring, carry.uring is NULL, and why is in the log.
 *
 * Fails: E_NOMEM.
 */
int aibrix__carry_open(struct carry *c, const aibrix_backend_conf *conf,
		       const struct slot_file *slots);

/* Also after a failed or no open, on zeros.  Steps under way are stopped and
 * waited for. */
void aibrix__carry_close(struct carry *c);

/* A step with its memory, or CARRY_NONE: all are under way. */
uint32_t aibrix__carry_take(struct carry *c, int bounces);
void aibrix__carry_give(struct carry *c, uint32_t id);

/* One call of the kernel for what is left of a step, which blocks: bytes or
 * -errno. */
int64_t aibrix__carry_call(const struct carry *c, struct step *step);

/* The same until it is done: 0, errno or FILE_END. */
int aibrix__carry_whole(const struct carry *c, struct step *step);

/* Heads of up to n_steps slots, in the edges of steps 0, 1 and so on; none
 * is under way.  failed: each 0, errno or FILE_END. */
void aibrix__carry_heads(struct carry *c, const struct slot_file *slots,
			 uint32_t first, uint32_t n, int *failed);

/* A head of zeros; 0, errno or FILE_END. */
int aibrix__carry_clear(struct carry *c, const struct slot_file *slots,
			uint32_t slot);

#endif
