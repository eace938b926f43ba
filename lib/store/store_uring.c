/*
 * The kernel's ring.
 *
 * Flags.  COOP_TASKRUN spares the interrupt that would tell a thread of an
 * end which it finds anyway when it asks.  SINGLE_ISSUER and DEFER_TASKRUN
 * would tie a ring to one thread for ever, and a store may be handed from
 * thread to thread.
 *
 * The completion queue holds four times what can be under way, cancellations
 * with it, so that it cannot overflow; and where the kernel must keep one
 * back, NODROP says that it does.
 *
 * Registered is the host's memory, in pieces of 1 GiB, which is what the
 * kernel takes at a time; the table of pieces is made sparse when the ring is
 * made.  The file is not: a ring ends up to 50 ms after its process, and
 * until then the lock of a registered file would be held; without, it is
 * held until the last request has ended.
 */

#define _DEFAULT_SOURCE

#include "store/store_uring.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#if AIBRIX__URING

#include <liburing.h>

enum {
	REGIONS = 64,
	NEEDED = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
		 IORING_FEAT_SUBMIT_STABLE
};

#define REGION_BYTES (UINT64_C(1) << 30)
#define ID_NONE UINT64_MAX

struct region {
	uintptr_t base; /* 0: none */
	uint64_t bytes;
};

struct uring {
	struct io_uring ring;
	int fd; /* of the file */
	pid_t owner;
	uint32_t regions; /* of the kernel's table; 0: it has none */
	uint32_t used;    /* no region is behind this one */
	struct region region[REGIONS];
};

static int
ring_setup(struct uring *u, uint32_t steps)
{
	static const unsigned flags[] = {
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0};
	int failed = -EINVAL;

	for (size_t i = 0; failed == -EINVAL && i < 2; i++) {
		struct io_uring_params p = {.flags = flags[i] |
						     IORING_SETUP_CQSIZE,
					    .cq_entries = 4 * steps};

		failed = io_uring_queue_init_params(2 * steps, &u->ring, &p);
		if (!failed && (p.features & NEEDED) != NEEDED) {
			io_uring_queue_exit(&u->ring);
			failed = -ENOSYS;
		}
	}
	return -failed;
}

int
aibrix__uring_open(const aibrix_allocator *alloc, int fd, int event_fd,
		   uint32_t steps, struct uring **out, int *os_error)
{
	struct uring *u = aibrix__alloc(alloc, 1, sizeof(*u));

	if (!u)
		return AIBRIX_E_NOMEM;
	*os_error = ring_setup(u, steps);
	if (*os_error) {
		aibrix__free(alloc, u, 1, sizeof(*u));
		return AIBRIX_E_UNSUPPORTED;
	}
	u->fd = fd;
	u->owner = getpid();
	*os_error = -io_uring_register_eventfd(&u->ring, event_fd);
	if (*os_error) {
		aibrix__uring_close(alloc, u);
		return AIBRIX_E_UNSUPPORTED;
	}
	if (io_uring_register_buffers_sparse(&u->ring, REGIONS) == 0)
		u->regions = REGIONS;
	*out = u;
	return AIBRIX_OK;
}

void
aibrix__uring_close(const aibrix_allocator *alloc, struct uring *u)
{
	if (!u)
		return;
	io_uring_queue_exit(&u->ring);
	aibrix__free(alloc, u, 1, sizeof(*u));
}

int
aibrix__uring_is_ours(const struct uring *u)
{
	return u->owner == getpid();
}

/* The queue has two places for each step; what fills them is waiting for
 * the kernel to take it, and it takes all unless it is out of memory. */
static struct io_uring_sqe *
sqe_take(struct uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	while (!sqe) {
		(void)io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	return sqe;
}

/* The registered region that this memory lies in, or -1. */
static int
region_of(const struct uring *u, const struct iovec *iov)
{
	uintptr_t base = (uintptr_t)iov->iov_base;

	for (uint32_t i = 0; i < u->used; i++) {
		const struct region *r = &u->region[i];

		if (r->base && base >= r->base && iov->iov_len <= r->bytes &&
		    base - r->base <= r->bytes - iov->iov_len)
			return (int)i;
	}
	return -1;
}

void
aibrix__uring_put(struct uring *u, const struct step *step, uint32_t id)
{
	struct io_uring_sqe *sqe = sqe_take(u);
	const struct iovec *iov = &step->iov[step->first];
	uint32_t n = step->n_iov - step->first;
	int region = n == 1 ? region_of(u, iov) : -1;
	unsigned len = n == 1 ? (unsigned)iov->iov_len : 0;

	if (step->kind == STEP_SYNC)
		io_uring_prep_fsync(sqe, u->fd, IORING_FSYNC_DATASYNC);
	else if (step->kind == STEP_READ && region >= 0)
		io_uring_prep_read_fixed(sqe, u->fd, iov->iov_base, len,
					 step->at, region);
	else if (step->kind == STEP_READ)
		io_uring_prep_readv(sqe, u->fd, iov, n, step->at);
	else if (region >= 0)
		io_uring_prep_write_fixed(sqe, u->fd, iov->iov_base, len,
					  step->at, region);
	else
		io_uring_prep_writev(sqe, u->fd, iov, n, step->at);
	io_uring_sqe_set_data64(sqe, id);
}

void
aibrix__uring_stop(struct uring *u, uint32_t id)
{
	struct io_uring_sqe *sqe = sqe_take(u);

	io_uring_prep_cancel64(sqe, id, 0);
	io_uring_sqe_set_data64(sqe, ID_NONE);
}

void
aibrix__uring_flush(struct uring *u, uint64_t wait_ns)
{
	struct __kernel_timespec t = {.tv_sec = (int64_t)(wait_ns / 1000000000),
				      .tv_nsec = wait_ns % 1000000000};
	struct io_uring_cqe *cqe;

	/* What fails here is tried again by the next call; waiting ends with
	 * the time, a signal or a completion. */
	if (wait_ns)
		(void)io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &t,
						       NULL);
	else if (io_uring_sq_ready(&u->ring))
		(void)io_uring_submit(&u->ring);
}

int
aibrix__uring_next(struct uring *u, uint32_t *id, int64_t *result)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		uint64_t data = io_uring_cqe_get_data64(cqe);

		*result = cqe->res;
		io_uring_cqe_seen(&u->ring, cqe);
		*id = (uint32_t)data;
		if (data != ID_NONE)
			return 1;
	}
	return 0;
}

/* Memory of one place of the table; NULL: nothing from now on. */
static int
region_set(struct uring *u, uint32_t i, void *base, uint64_t bytes)
{
	struct iovec iov = {base, bytes};
	const __u64 tag = 0;
	int n = io_uring_register_buffers_update_tag(&u->ring, i, &iov, &tag,
						     1);

	if (n < 0)
		return -n;
	u->region[i] = (struct region){(uintptr_t)base, bytes};
	while (u->used && !u->region[u->used - 1].base)
		u->used--;
	if (base && u->used <= i)
		u->used = i + 1;
	return 0;
}

static int
register_status(int os_error)
{
	switch (os_error) {
	case ENOMEM: /* the limit of locked memory says so too */
	case EPERM: return AIBRIX_E_DENIED;
	case EFAULT: return AIBRIX_E_INVAL;
	default: return AIBRIX_E_FULL;
	}
}

int
aibrix__uring_add(struct uring *u, void *base, uint64_t bytes)
{
	uint8_t *at = base;
	uint64_t done = 0;

	while (done < bytes) {
		uint64_t some = bytes - done;
		uint32_t i = 0;
		int failed;

		if (some > REGION_BYTES)
			some = REGION_BYTES;
		while (i < u->regions && u->region[i].base)
			i++;
		failed = i == u->regions ? ENOSPC
					 : region_set(u, i, at + done, some);
		if (failed) {
			aibrix__uring_remove(u, base, done);
			return register_status(failed);
		}
		done += some;
	}
	return AIBRIX_OK;
}

void
aibrix__uring_remove(struct uring *u, void *base, uint64_t bytes)
{
	uintptr_t first = (uintptr_t)base;

	for (uint32_t i = u->used; i-- > 0;)
		if (u->region[i].base && u->region[i].base >= first &&
		    u->region[i].base - first < bytes)
			(void)region_set(u, i, NULL, 0);
}

#else

int
aibrix__uring_open(const aibrix_allocator *alloc, int fd, int event_fd,
		   uint32_t steps, struct uring **out, int *os_error)
{
	(void)alloc;
	(void)fd;
	(void)event_fd;
	(void)steps;
	(void)out;
	*os_error = 0;
	return AIBRIX_E_UNSUPPORTED;
}

void
aibrix__uring_close(const aibrix_allocator *alloc, struct uring *u)
{
	(void)alloc;
	(void)u;
}

int
aibrix__uring_is_ours(const struct uring *u)
{
	(void)u;
	return 0;
}

void
aibrix__uring_put(struct uring *u, const struct step *step, uint32_t id)
{
	(void)u;
	(void)step;
	(void)id;
}

void
aibrix__uring_stop(struct uring *u, uint32_t id)
{
	(void)u;
	(void)id;
}

void
aibrix__uring_flush(struct uring *u, uint64_t wait_ns)
{
	(void)u;
	(void)wait_ns;
}

int
aibrix__uring_next(struct uring *u, uint32_t *id, int64_t *result)
{
	(void)u;
	(void)id;
	(void)result;
	return 0;
}

int
aibrix__uring_add(struct uring *u, void *base, uint64_t bytes)
{
	(void)u;
	(void)base;
	(void)bytes;
	return AIBRIX_E_UNSUPPORTED;
}

void
aibrix__uring_remove(struct uring *u, void *base, uint64_t bytes)
{
	(void)u;
	(void)base;
	(void)bytes;
}

#endif
