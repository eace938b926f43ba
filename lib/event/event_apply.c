/*
 * A batch straight into the index.
 *
 * vLLM announces each evicted block in an event of its own, and evicts in
 * bunches.  The names of neighbouring removals gather in the decoder's
 * array, and reach the index as one call.
 */

#include <string.h>

#include "event/event_internal.h"

/* Removals not yet applied: n names from start on in the decoder's array. */
struct pending {
	size_t start;
	uint32_t n, tier, group;
};

struct target {
	aibrix_event_decoder *d;
	aibrix_index *index;
	uint32_t owner;
	struct pending pending;
	int lost; /* the first status for want of memory */
};

/* OK, or a status that ends the batch. */
static int
result_take(struct target *t, int err)
{
	if (!err)
		return AIBRIX_OK;
	if (err == AIBRIX_E_INVAL) /* nobody registered owner */
		return err;
	t->d->stat.refused++;
	if (err != AIBRIX_E_NOT_FOUND && !t->lost)
		t->lost = err;
	return AIBRIX_OK;
}

static int
pending_flush(struct target *t)
{
	struct pending *p = &t->pending;
	int err = AIBRIX_OK;

	if (p->n)
		err = aibrix_index_apply_removed(t->index, t->owner,
						 t->d->names + p->start, p->n,
						 p->tier, p->group);
	memset(p, 0, sizeof(*p));
	return result_take(t, err);
}

static int
removed_apply(struct target *t, const aibrix_event *e, size_t held)
{
	struct pending *p = &t->pending;
	int err = AIBRIX_OK;

	if (p->n && (p->tier != e->tier || p->group != e->group ||
		     p->n > AIBRIX_INDEX_EVENT_BLOCKS - e->n))
		err = pending_flush(t);
	if (!p->n)
		*p = (struct pending){held, 0, e->tier, e->group};
	p->n += e->n;
	return err;
}

static int
stored_apply(struct target *t, const aibrix_event *e)
{
	const aibrix_index_stored stored = {
		.size = sizeof(stored),
		.n = e->n,
		.hashes = e->hashes,
		.names = e->names,
		.parent = e->parent,
		.flags = e->flags,
		.tier = e->tier,
		.group = e->group,
		.kind = e->kind,
	};

	return e->n ? aibrix_index_apply_stored(t->index, t->owner, &stored)
		    : AIBRIX_OK;
}

static int
event_apply(struct target *t, const aibrix_event *e, size_t held)
{
	int err;

	if (e->type == AIBRIX_EVENT_REMOVED)
		return removed_apply(t, e, held);
	err = pending_flush(t);
	if (err)
		return err;
	if (e->type == AIBRIX_EVENT_STORED)
		err = stored_apply(t, e);
	else
		err = aibrix_index_apply_cleared(t->index, t->owner);
	return result_take(t, err);
}

/* Where the next event's names go: behind those that wait. */
static size_t
names_place(struct target *t)
{
	struct pending *p = &t->pending;

	if (p->start) {
		memmove(t->d->names, t->d->names + p->start,
			p->n * sizeof(*t->d->names));
		p->start = 0;
	}
	return p->n;
}

int
aibrix_event_apply(aibrix_event_decoder *d, aibrix_index *index, uint32_t owner,
		   const void *bytes, uint64_t n)
{
	struct target t = {.d = d, .index = index, .owner = owner};
	uint64_t broken;
	int err;

	if (!d || !index || (d->flags & AIBRIX_EVENT_NO_HASHES))
		return AIBRIX_E_INVAL;
	broken = d->stat.broken_batches;
	err = aibrix_event_open(d, bytes, n, NULL);
	while (!err) {
		size_t held = names_place(&t);
		aibrix_event e;
		int got = aibrix__event_take(d, held, &e);

		if (got == AIBRIX_E_NOT_FOUND)
			break;
		if (got == AIBRIX_E_NOMEM) {
			t.lost = t.lost ? t.lost : got;
			(void)aibrix__event_skip(d, NO_MEMORY);
		} else if (!got) {
			err = event_apply(&t, &e, held);
		}
	}
	if (!err)
		err = pending_flush(&t);
	d->open = 0;
	if (!err && d->stat.broken_batches != broken)
		err = AIBRIX_E_PARSE;
	return err ? err : t.lost;
}
