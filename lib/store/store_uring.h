/*
 * An io_uring for the steps of one file: the only place that knows the
 * kernel's ring.  In a build without liburing none can be opened.
 */
#ifndef STORE_URING_H
#define STORE_URING_H

#include "store/store_step.h"

struct uring;

/*
 * A ring for steps on fd, of which at most steps are under way at a time;
 * event_fd becomes readable with each step that ends.
 *
 * Fails: E_UNSUPPORTED (this build, this kernel, or a rule of this container
 * has none; *os_error says why, 0: the build), E_NOMEM.
 */
int aibrix__uring_open(const aibrix_allocator *alloc, int fd, int event_fd,
		       uint32_t steps, struct uring **out, int *os_error);

/* No step is under way, or the process is a child of the one that opened;
 * NULL is allowed. */
void aibrix__uring_close(const aibrix_allocator *alloc, struct uring *u);

/* Is this the process that opened it? */
int aibrix__uring_is_ours(const struct uring *u);

/* What is left of a step shall be carried out, under this number; after the
 * next flush.  There is always room. */
void aibrix__uring_put(struct uring *u, const struct step *step, uint32_t id);

/* The step of this number shall end early; it ends all the same. */
void aibrix__uring_stop(struct uring *u, uint32_t id);

/* Hand over to the kernel what was put and stopped, and wait so long for a
 * step to end; 0: do not wait. */
void aibrix__uring_flush(struct uring *u, uint64_t wait_ns);

/* A step that has ended, with bytes or -errno; 0: none. */
int aibrix__uring_next(struct uring *u, uint32_t *id, int64_t *result);

/* Pin memory: as aibrix_store_memory_add. */
int aibrix__uring_add(struct uring *u, void *base, uint64_t bytes);
void aibrix__uring_remove(struct uring *u, void *base, uint64_t bytes);

#endif
