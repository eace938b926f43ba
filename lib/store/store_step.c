/*
 * Where the bytes of a request go: pure arithmetic on spans, so that a test
 * drives it without a file, and ring and blocking calls cannot differ.
 */

#include "store/store_step.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

/* A place in a list of memory. */
struct cursor {
	const aibrix_iov *iov;
	uint32_t left; /* entries */
	uint64_t at;   /* in iov[0] */
};

static struct cursor
cursor_at(const struct span *span, uint64_t offset)
{
	struct cursor c = {span->iov, span->n_iov, offset};

	while (c.left && c.at >= c.iov->bytes) {
		c.at -= c.iov->bytes;
		c.iov++;
		c.left--;
	}
	return c;
}

/* The next bytes that lie together, at most n of them. */
static struct iovec
cursor_next(struct cursor *c, uint64_t n)
{
	struct iovec some = {NULL, 0};

	while (c->left && c->at == c->iov->bytes) {
		c->iov++;
		c->left--;
		c->at = 0;
	}
	if (c->left) {
		uint8_t *base = c->iov->base;

		some.iov_base = base + c->at;
		some.iov_len = c->iov->bytes - c->at;
		if (some.iov_len > n)
			some.iov_len = n;
		c->at += some.iov_len;
	}
	return some;
}

/* n bytes of the value from offset on, to or from a buffer. */
static void
span_gather(const struct span *span, uint64_t offset, uint8_t *out, uint64_t n)
{
	struct cursor c = cursor_at(span, offset);

	while (n) {
		struct iovec some = cursor_next(&c, n);

		memcpy(out, some.iov_base, some.iov_len);
		out += some.iov_len;
		n -= some.iov_len;
	}
}

static void
span_scatter(const struct span *span, uint64_t offset, const uint8_t *in,
	     uint64_t n)
{
	struct cursor c = cursor_at(span, offset);

	while (n) {
		struct iovec some = cursor_next(&c, n);

		memcpy(some.iov_base, in, some.iov_len);
		in += some.iov_len;
		n -= some.iov_len;
	}
}

int
aibrix__span_is_direct(const struct step_rules *rules, const struct span *span)
{
	struct cursor c = cursor_at(span, span->lead);
	uint64_t left = span->bytes - span->lead;

	while (left >= rules->align) {
		struct iovec some = cursor_next(&c, left);

		left -= some.iov_len;
		if ((uintptr_t)some.iov_base % rules->memory ||
		    (left && some.iov_len % rules->align))
			return 0;
	}
	return 1;
}

uint32_t
aibrix__span_lead(const struct step_rules *rules, const struct span *span,
		  int *direct)
{
	struct span moved = *span;

	moved.lead = 0;
	*direct = aibrix__span_is_direct(rules, &moved);
	if (*direct || span->n_iov < 2 || span->bytes < span->iov[0].bytes ||
	    span->iov[0].bytes > SLOT_LEAD_MAX)
		return 0;
	moved.lead = (uint32_t)span->iov[0].bytes;
	*direct = aibrix__span_is_direct(rules, &moved);
	return *direct ? moved.lead : 0;
}

static void
step_add(struct step *step, void *base, uint64_t bytes)
{
	if (!bytes)
		return;
	step->iov[step->n_iov++] = (struct iovec){base, bytes};
	step->left += bytes;
}

static uint64_t
round_up(uint64_t n, uint32_t align)
{
	return (n + align - 1) & ~(uint64_t)(align - 1);
}

/* Memory as it lies; what is left behind the last aligned byte goes to the
 * edge. */
static void
step_direct(const struct step_rules *rules, const struct span *span,
	    struct step *step)
{
	struct cursor c = cursor_at(span, span->lead + step->from);
	uint64_t tail = step->bytes % rules->align;
	uint64_t left = step->bytes - tail;
	uint8_t *edge = step->edge + SLOT_VALUE_AT;

	step->tail = (uint32_t)tail;
	while (left) {
		struct iovec some = cursor_next(&c, left);

		step_add(step, some.iov_base, some.iov_len);
		left -= some.iov_len;
	}
	if (!tail)
		return;
	if (step->kind == STEP_WRITE) {
		memset(edge, 0, rules->align);
		span_gather(span, span->lead + step->from + step->bytes - tail,
			    edge, tail);
	}
	step_add(step, edge, rules->align);
}

static void
step_bounce(const struct step_rules *rules, const struct span *span,
	    struct step *step)
{
	uint64_t whole = round_up(step->bytes, rules->align);

	if (step->kind == STEP_WRITE) {
		span_gather(span, span->lead + step->from, step->bounce,
			    step->bytes);
		memset(step->bounce + step->bytes, 0, whole - step->bytes);
	}
	step_add(step, step->bounce, whole);
}

static void
step_clear(struct step *step, uint32_t kind, uint64_t at)
{
	step->kind = kind;
	step->has_head = 0;
	step->tries = 0;
	step->tail = 0;
	step->from = 0;
	step->bytes = 0;
	step->at = at;
	step->left = 0;
	step->first = 0;
	step->n_iov = 0;
}

void
aibrix__step_make_head(struct step *step, uint32_t kind, uint64_t at)
{
	step_clear(step, kind, at);
	step->has_head = 1;
	if (kind == STEP_WRITE)
		memset(step->edge + SLOT_HEAD, 0, SLOT_VALUE_AT - SLOT_HEAD);
	step_add(step, step->edge, SLOT_VALUE_AT);
}

void
aibrix__step_make(const struct step_rules *rules, const struct span *span,
		  struct step *step, uint32_t kind, uint64_t from)
{
	uint64_t rest = span->bytes - span->lead - from;

	if (from == 0) {
		aibrix__step_make_head(step, kind, span->at);
		if (kind == STEP_WRITE)
			span_gather(span, 0,
				    step->edge + SLOT_VALUE_AT - span->lead,
				    span->lead);
	} else {
		step_clear(step, kind, span->at + SLOT_VALUE_AT + from);
	}
	step->from = from;
	step->bytes = rest < STEP_PIECE ? rest : STEP_PIECE;
	if (step->bounce)
		step_bounce(rules, span, step);
	else
		step_direct(rules, span, step);
}

void
aibrix__step_make_sync(struct step *step)
{
	step_clear(step, STEP_SYNC, 0);
}

void
aibrix__step_scatter(const struct span *span, const struct step *step)
{
	uint64_t offset = span->lead + step->from;

	if (step->has_head)
		span_scatter(span, 0, step->edge + SLOT_VALUE_AT - span->lead,
			     span->lead);
	if (step->bounce) {
		span_scatter(span, offset, step->bounce, step->bytes);
		return;
	}
	span_scatter(span, offset + step->bytes - step->tail,
		     step->edge + SLOT_VALUE_AT, step->tail);
}

/* Forget the first bytes of what is left. */
static void
step_advance(struct step *step, uint64_t bytes)
{
	step->at += bytes;
	step->left -= bytes;
	while (bytes) {
		struct iovec *iov = &step->iov[step->first];
		uint8_t *base = iov->iov_base;
		uint64_t some = iov->iov_len < bytes ? iov->iov_len : bytes;

		iov->iov_base = base + some;
		iov->iov_len -= some;
		bytes -= some;
		step->first += iov->iov_len == 0;
	}
}

/* Nothing was done, and nothing stands against it.  A ring cancels what it
 * has no thread for, and a signal can keep it from making one: ECANCELED by
 * nobody's wish. */
int
aibrix__step_is_undone(int64_t result)
{
	return result == -EINTR || result == -EAGAIN || result == -ECANCELED;
}

/* A signal, a limit of the kernel (2 GiB) or a full disk may end a call
 * early: it goes on from the last aligned byte. */
int
aibrix__step_result(const struct step_rules *rules, struct step *step,
		    int64_t result)
{
	uint64_t moved;

	if (aibrix__step_is_undone(result))
		return ++step->tries < STEP_TRIES ? STEP_AGAIN : EAGAIN;
	if (result < 0)
		return (int)-result;
	if (step->kind == STEP_SYNC)
		return 0;
	moved = (uint64_t)result;
	if (moved >= step->left)
		return 0;
	moved -= moved % rules->align;
	if (moved == 0 && (result == 0 || ++step->tries == STEP_TRIES))
		return step->kind == STEP_READ ? FILE_END : EIO;
	step_advance(step, moved);
	return STEP_AGAIN;
}
