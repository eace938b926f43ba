/*
 * Steps on their way.
 *
 * Bounce buffers and edges are taken once, when the store is opened: pages
 * that no request touches cost nothing.  When all are in use a step waits.
 *
 * All transfers of a file are direct or none is: a range that is read by one
 * way and written by the other is what the kernel does not promise to keep
 * in step.  Whoever wrote the file through the page cache before (its
 * creation, a store with AIBRIX_STORE_BUFFERED) has ended: the kernel writes
 * back and drops what it cached before direct I/O touches a range.
 *
 * Blocking calls go through the page cache: one after the other, they have
 * no depth of their own, and read-ahead and write-back are then what keeps
 * the disk at work.
 */

#define _GNU_SOURCE

#include "store/store_carry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

static uint64_t
edges_bytes(const struct carry *c)
{
	return (uint64_t)c->n_steps * STEP_EDGE;
}

static uint64_t
bounces_bytes(const struct carry *c)
{
	return c->n_steps * c->bounce_bytes;
}

/* A power of two that aligns, and not beyond what slots are aligned to. */
static int
align_is_good(uint32_t align)
{
	return align && !(align & (align - 1)) && align <= SLOT_ALIGN;
}

/* What the file's device asks for: told by newer kernels, else a page. */
static struct step_rules
rules_ask(int fd)
{
	struct step_rules rules = {SLOT_ALIGN, SLOT_ALIGN};
#ifdef STATX_DIOALIGN
	struct statx st = {0};

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
	    st.stx_mask & STATX_DIOALIGN &&
	    align_is_good(st.stx_dio_offset_align) &&
	    align_is_good(st.stx_dio_mem_align))
		rules = (struct step_rules){st.stx_dio_offset_align,
					    st.stx_dio_mem_align};
#else
	(void)fd;
	(void)align_is_good;
#endif
	if (rules.align < rules.memory)
		rules.align = rules.memory;
	return rules;
}

/* Without the page cache, if a first read says that it works. */
static void
direct_begin(struct carry *c)
{
	const struct step_rules any = {1, 1};
	int flags = fcntl(c->fd, F_GETFL);
	struct step step = {.edge = c->edges};

	c->rules = any;
	if (!c->uring || c->conf->flags & AIBRIX_STORE_BUFFERED || flags < 0 ||
	    fcntl(c->fd, F_SETFL, flags | O_DIRECT) != 0)
		return;
	c->rules = rules_ask(c->fd);
	aibrix__step_make_head(&step, STEP_READ, 0);
	if (aibrix__carry_whole(c, &step) == 0)
		return;
	c->rules = any;
	(void)fcntl(c->fd, F_SETFL, flags);
}

/* Blocking calls do all that a ring does, one after the other. */
static int
ring_begin(struct carry *c)
{
	int os_error = 0, err;

	c->conf->stat->caps = AIBRIX_CAP_BLOCKING;
	if (c->conf->flags & AIBRIX_STORE_NO_RING)
		return AIBRIX_OK;
	c->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (c->event_fd < 0)
		os_error = errno;
	err = c->event_fd < 0
		      ? AIBRIX_E_UNSUPPORTED
		      : aibrix__uring_open(c->conf->alloc, c->fd, c->event_fd,
					   c->n_steps, &c->uring, &os_error);
	if (!err)
		c->conf->stat->caps = 0;
	if (err != AIBRIX_E_UNSUPPORTED)
		return err;
	aibrix__log(c->conf->log, AIBRIX_LOG_INFO, LOG_STORE_NO_RING,
		    "store %s: blocking calls: no io_uring: errno %d",
		    c->conf->path, os_error);
	return AIBRIX_OK;
}

/* As many as could be under way, for requests that wait or not. */
static uint32_t
steps_of(const aibrix_backend_conf *conf)
{
	uint64_t pieces = 1 + conf->value_bytes / STEP_PIECE;

	if (conf->max_inflight >= CARRY_STEPS / pieces)
		return CARRY_STEPS;
	return (uint32_t)(conf->max_inflight * pieces);
}

int
aibrix__carry_open(struct carry *c, const aibrix_backend_conf *conf,
		   const struct slot_file *slots)
{
	uint64_t rest = slots->stride - SLOT_VALUE_AT;
	int err;

	*c = (struct carry){.conf = conf,
			    .fd = slots->fd,
			    .event_fd = -1,
			    .n_steps = steps_of(conf)};
	c->steps = aibrix__alloc(conf->alloc, c->n_steps, sizeof(*c->steps));
	c->edges = aibrix__alloc_pages(conf->alloc, edges_bytes(c));
	if (!c->steps || !c->edges)
		return AIBRIX_E_NOMEM;
	err = ring_begin(c);
	if (err)
		return err;
	direct_begin(c);
	if (c->rules.align > 1) {
		c->bounce_bytes = rest < STEP_PIECE ? rest : STEP_PIECE;
		c->bounces = aibrix__alloc_pages(conf->alloc, bounces_bytes(c));
		if (!c->bounces)
			return AIBRIX_E_NOMEM;
	}
	for (uint32_t i = c->n_steps; i-- > 0;) {
		c->steps[i].edge = c->edges + (size_t)i * STEP_EDGE;
		c->free[c->n_free++] = i;
		if (c->bounces)
			c->free_bounces[c->n_bounces++] =
				c->bounces + i * c->bounce_bytes;
	}
	return AIBRIX_OK;
}

/* A child after fork has no steps: those are the parent's. */
static void
steps_end(struct carry *c)
{
	uint32_t id, out = 0;
	int64_t result;

	if (!aibrix__uring_is_ours(c->uring))
		return;
	for (uint32_t i = 0; i < c->n_steps; i++) {
		if (!c->steps[i].busy)
			continue;
		aibrix__uring_stop(c->uring, i);
		out++;
	}
	while (out) {
		aibrix__uring_flush(c->uring, UINT64_C(1000000000));
		for (; aibrix__uring_next(c->uring, &id, &result); out--)
			c->steps[id].busy = 0;
	}
}

void
aibrix__carry_close(struct carry *c)
{
	const aibrix_allocator *alloc;

	if (!c->conf)
		return;
	alloc = c->conf->alloc;
	if (c->uring)
		steps_end(c);
	aibrix__uring_close(alloc, c->uring);
	if (c->event_fd >= 0)
		close(c->event_fd);
	aibrix__free(alloc, c->bounces, 1, bounces_bytes(c));
	aibrix__free(alloc, c->edges, 1, edges_bytes(c));
	aibrix__free(alloc, c->steps, c->n_steps, sizeof(*c->steps));
}

uint32_t
aibrix__carry_take(struct carry *c, int bounces)
{
	struct step *step;
	uint32_t id;

	if (!c->n_free || (bounces && !c->n_bounces))
		return CARRY_NONE;
	id = c->free[--c->n_free];
	step = &c->steps[id];
	step->busy = 1;
	step->bounce = bounces ? c->free_bounces[--c->n_bounces] : NULL;
	return id;
}

void
aibrix__carry_give(struct carry *c, uint32_t id)
{
	struct step *step = &c->steps[id];

	if (step->bounce)
		c->free_bounces[c->n_bounces++] = step->bounce;
	step->bounce = NULL;
	step->busy = 0;
	c->free[c->n_free++] = id;
}

int64_t
aibrix__carry_call(const struct carry *c, struct step *step)
{
	const struct iovec *iov = &step->iov[step->first];
	int n = (int)(step->n_iov - step->first);
	int64_t got;

	if (step->kind == STEP_READ)
		got = preadv(c->fd, iov, n, (off_t)step->at);
	else if (step->kind == STEP_WRITE)
		got = pwritev(c->fd, iov, n, (off_t)step->at);
	else
		got = fdatasync(c->fd);
	return got < 0 ? -errno : got;
}

int
aibrix__carry_whole(const struct carry *c, struct step *step)
{
	int failed = STEP_AGAIN;

	while (failed == STEP_AGAIN)
		failed = aibrix__step_result(&c->rules, step,
					     aibrix__carry_call(c, step));
	return failed;
}

static void
heads_on_ring(struct carry *c, uint32_t n, int *failed)
{
	uint32_t left = n, id;
	int64_t result;

	for (uint32_t i = 0; i < n; i++)
		aibrix__uring_put(c->uring, &c->steps[i], i);
	while (left) {
		aibrix__uring_flush(c->uring, UINT64_C(1000000000));
		while (aibrix__uring_next(c->uring, &id, &result)) {
			failed[id] = aibrix__step_result(&c->rules,
							 &c->steps[id], result);
			if (failed[id] == STEP_AGAIN)
				aibrix__uring_put(c->uring, &c->steps[id], id);
			else
				left--;
		}
	}
}

void
aibrix__carry_heads(struct carry *c, const struct slot_file *slots,
		    uint32_t first, uint32_t n, int *failed)
{
	for (uint32_t i = 0; i < n; i++) {
		aibrix__step_make_head(&c->steps[i], STEP_READ,
				       aibrix__slot_at(slots, first + i));
		if (!c->uring)
			failed[i] = aibrix__carry_whole(c, &c->steps[i]);
	}
	if (c->uring)
		heads_on_ring(c, n, failed);
}

/* Recovery looks at one head while it clears another: an edge's second page
 * is never a head's. */
int
aibrix__carry_clear(struct carry *c, const struct slot_file *slots,
		    uint32_t slot)
{
	struct step step = {.edge = c->steps[0].edge + SLOT_VALUE_AT};

	step.kind = STEP_WRITE;
	step.at = aibrix__slot_at(slots, slot);
	step.left = SLOT_ALIGN;
	step.n_iov = 1;
	memset(step.edge, 0, SLOT_ALIGN);
	step.iov[0] = (struct iovec){step.edge, SLOT_ALIGN};
	return aibrix__carry_whole(c, &step);
}
