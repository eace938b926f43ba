/*
 * Removed and cleared events.
 *
 * Engines evict the end of a chain first, so the names of one event, or of
 * one batch, mostly stand side by side in an engine array.  The first name
 * costs a search; the others are compared with their neighbours, and the
 * whole stretch is taken at once.
 */

#include "index/index_internal.h"

#include "base/arch.h"

struct removal {
	struct aibrix_index *index;
	uint32_t owner, tier;
	struct run *run; /* NULL: nothing pending */
	uint32_t from, to;
};

/* Do the names in the engine array mean its places to the owner? */
static int
engine_counts(const struct removal *r, const struct run *run)
{
	return !run->unfiled && r->index->owners[r->owner]->private == NONE;
}

static void
pending_take(struct removal *r)
{
	aibrix_index_stat *stat = &r->index->stat;
	uint32_t taken;

	if (!r->run)
		return;
	taken = aibrix__cover_take(r->index, r->owner, r->tier, r->run, r->from,
				   r->to);
	stat->removed += taken;
	stat->unknown_removals += r->to - r->from - taken;
	if (taken)
		aibrix__run_settle(r->index, r->run);
	r->run = NULL;
}

static int
pending_extend(struct removal *r, uint64_t name)
{
	if (!r->run || !engine_counts(r, r->run))
		return 0;
	if (r->from && run_engine(r->run)[r->from - 1] == name) {
		r->from--;
		return 1;
	}
	if (r->to < run_len(r->run) && run_engine(r->run)[r->to] == name) {
		r->to++;
		return 1;
	}
	return 0;
}

/* The run before the pending one, when name is that of the block before it.
 * It is still there when the pending blocks are gone: they stood on it. */
static struct run *
pending_before(const struct removal *r, uint64_t name)
{
	struct run *parent = r->run ? r->run->parent : NULL;
	uint32_t at = r->run ? r->run->at : 0;

	if (!parent || r->from || !at || !engine_counts(r, parent) ||
	    run_engine(parent)[at - 1] != name)
		return NULL;
	return parent;
}

static void
removal_begin(struct removal *r, uint64_t name)
{
	struct run *before = pending_before(r, name), *run;
	uint32_t id = before ? before->id : 0, off = before ? r->run->at : 0;

	pending_take(r);
	if (before && slot_len(r->index, id) >= off) {
		r->run = before;
		r->from = off - 1;
		r->to = off;
		return;
	}
	off = aibrix__name_resolve(r->index, r->owner, name, &run);
	if (off == NONE) {
		r->index->stat.unknown_removals++;
		return;
	}
	r->run = run;
	r->from = off;
	r->to = off + 1;
}

void
aibrix__removed_apply(struct aibrix_index *index, uint32_t owner,
		      const uint64_t *names, uint32_t n, uint32_t tier)
{
	struct removal r = {.index = index, .owner = owner, .tier = tier};

	for (uint32_t i = 0; i < n; i++)
		if (!pending_extend(&r, names[i]))
			removal_begin(&r, names[i]);
	pending_take(&r);
}

void
aibrix__owner_clear(struct aibrix_index *index, uint32_t owner)
{
	struct list *runs = &index->owners[owner]->runs;

	for (size_t i = 0; i < runs->n; i++) {
		struct run *run = run_at(index, runs->items[i]);

		if (!run || !aibrix__cover_held(run, owner))
			continue;
		aibrix__cover_drop(index, owner, run);
		aibrix__run_settle(index, run);
	}
	runs->n = 0;
}
