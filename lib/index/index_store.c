/*
 * Stored events.
 *
 * The walk down the known part compares arrays and notes one grant per run.
 * What is new becomes one run, or the end of the one that this owner alone
 * holds.  All memory is taken before anything shows, so an event that is
 * refused has changed nothing: its map entries name a run that never came
 * alive and are stale from the start.
 */

#include "index/index_internal.h"

#include <string.h>

#include "base/arch.h"

enum { NEW_RUN_MAX = 64 }; /* blocks of room for one that grows by steps */

/* Where the next block of an event would be. */
struct place {
	struct run *run;
	uint32_t at;
};

/* An event on its way in. */
struct store {
	struct aibrix_index *index;
	const aibrix_index_stored *event;
	uint32_t owner;
	struct place end;   /* of the known part */
	uint32_t known;     /* blocks of it */
	struct run *run;    /* receives the others */
	uint32_t begin;     /* first position of theirs */
	int fresh;          /* run is new */
	struct grant grant; /* of a new run */
	struct kids *kids;  /* for its parent */
};

static int
grant_note(struct aibrix_index *index, struct run *run, uint32_t from,
	   uint32_t n, uint32_t first)
{
	struct grants *g = &index->grants;
	int err = aibrix__array_grow(&index->mem, &g->items, &g->cap, g->n + 1,
				     sizeof(*g->items));

	if (!err)
		g->items[g->n++] = (struct grant){.run = run,
						  .from = from,
						  .to = from + n,
						  .first = first};
	return err;
}

static int
odd_note(struct aibrix_index *index, uint32_t block)
{
	int err = aibrix__list_reserve(&index->mem, &index->odd, 1);

	if (!err)
		index->odd.items[index->odd.n++] = block;
	return err;
}

/*
 * Names that are not simply those of their places need a second look, and
 * so do all behind them, since the first may change what an owner means.
 */
static int
names_compare(struct store *s, const struct run *run, uint32_t at,
	      uint32_t first, uint32_t n)
{
	struct aibrix_index *index = s->index;
	uint32_t i = 0;
	int err = AIBRIX_OK;

	if (!run->unfiled && index->owners[s->owner]->private == NONE &&
	    !index->odd.n)
		i = blocks_equal(run_engine(run) + at, s->event->names + first,
				 n);
	for (; !err && i < n; i++)
		err = odd_note(index, first + i);
	return err;
}

/* The blocks of a run that are about to be compared, hashes and names. */
static void
run_warm(const struct run *run, uint32_t at, uint32_t n)
{
	const char *content = (const char *)(run_content(run) + at);
	const char *engine = (const char *)(run_engine(run) + at);

	prefetch(run_parts(run));
	for (uint32_t i = 0; i < n && i < 16 * 8; i += 8) {
		prefetch(content + i * 8);
		prefetch(engine + i * 8);
	}
}

static int
known_walk(struct store *s)
{
	const aibrix_index_stored *e = s->event;
	struct run *run = s->end.run;
	uint32_t at = s->end.at, i = 0;
	int err = AIBRIX_OK;

	while (!err) {
		uint32_t left = run_len(run) - at, n;

		left = left < e->n - i ? left : e->n - i;
		run_warm(run, at, left);
		n = blocks_equal(run_content(run) + at, e->hashes + i, left);
		if (n)
			err = grant_note(s->index, run, at, n, i);
		if (n && !err)
			err = names_compare(s, run, at, i, n);
		i += n;
		s->end = (struct place){run, at + n};
		if (err || i == e->n)
			break;
		run = aibrix__kid_find(s->index, run, at + n, e->hashes[i]);
		at = 0;
		if (!run)
			break;
	}
	s->known = i;
	return err;
}

int
aibrix__owner_reserve(struct aibrix_index *index, uint32_t owner, size_t more)
{
	struct owner *o = index->owners[owner];
	size_t n = 0;

	if (o->runs.n + more <= o->runs.cap)
		return AIBRIX_OK;
	if (o->runs.n >= 2 * (size_t)o->n_runs + 64) {
		index->mark++;
		for (size_t i = 0; i < o->runs.n; i++) {
			struct run *run = run_at(index, o->runs.items[i]);

			if (!run || run->mark == index->mark ||
			    !aibrix__cover_held(run, owner))
				continue;
			run->mark = index->mark;
			o->runs.items[n++] = run->id;
		}
		o->runs.n = n;
	}
	return aibrix__list_reserve(&index->mem, &o->runs, more);
}

static int
known_reserve(struct store *s)
{
	struct aibrix_index *index = s->index;
	struct grants *g = &index->grants;
	uint64_t copies = 0;
	int err = aibrix__owner_reserve(index, s->owner, g->n + 1);

	for (size_t i = 0; !err && i < g->n; i++) {
		err = aibrix__cover_reserve(index, s->owner, s->event->tier,
					    &g->items[i]);
		copies += g->items[i].copies;
	}
	if (!err)
		err = aibrix__extras_reserve(index, copies);
	return err;
}

/* Can the new blocks follow in the run where the known part ends? */
static int
append_fits(const struct store *s, uint32_t n)
{
	const struct run *run = s->end.run;
	struct part *part;
	uint32_t held;

	return run->holders == 1 && s->event->tier == AIBRIX_TIER_DEVICE &&
	       s->end.at == run->filled && s->end.at == run_len(run) &&
	       n <= run->cap - run->filled &&
	       aibrix__cover(run, s->owner, &held, &part) == COVER_FULL;
}

static uint32_t
run_capacity(const struct store *s, uint32_t n)
{
	const struct run *parent = s->end.run;
	uint32_t room = (n + 7) / 8 * 8;

	/* An engine that decodes announces a block at a time. */
	if (n < 8 && parent->holders == 1 && s->end.at == run_len(parent))
		room = parent->cap < NEW_RUN_MAX ? parent->cap : NEW_RUN_MAX;
	return room < 8 ? 8 : room;
}

static int
fresh_reserve(struct store *s, uint32_t n)
{
	struct aibrix_index *index = s->index;
	int err;

	s->run = aibrix__run_new(index, run_capacity(s, n), &err);
	if (!s->run)
		return err;
	s->fresh = 1;
	s->run->at = s->end.at;
	s->run->parent = s->end.run;
	atomic_store_explicit(&s->run->len, n, memory_order_relaxed);
	s->grant = (struct grant){.run = s->run, .to = n};
	err = aibrix__cover_reserve(index, s->owner, s->event->tier, &s->grant);
	if (!err)
		err = aibrix__kid_reserve(index, s->end.run, s->end.at,
					  s->event->hashes[s->known], &s->kids);
	return err;
}

/* The block's name means another place already. */
static int
unfiled_note(struct store *s, uint32_t block)
{
	struct run *run = s->run;
	uint32_t off = s->begin + block - s->known;
	int err = AIBRIX_OK;

	if (!run->unfiled)
		run->unfiled =
			aibrix__mem_take(&s->index->mem, (run->cap + 63) / 64,
					 sizeof(uint64_t), &err);
	if (!err)
		run->unfiled[off / 64] |= (uint64_t)1 << off % 64;
	return err;
}

/* How many leading ones of n names no second name stands in the way of. */
static uint32_t
names_plain(const struct aibrix_index *index, const uint64_t *names, uint32_t n)
{
	uint32_t i = 0;

	if (!index->aliases.n_heads)
		return n;
	while (i < n && aibrix__alias_find(index, SHARED, names[i]) == NONE)
		i++;
	return i;
}

static int
names_file(struct store *s, uint32_t n)
{
	const uint64_t *names = s->event->names + s->known;
	int err = AIBRIX_OK;

	for (uint32_t i = 0; !err && i < n; i++) {
		i += aibrix__map_add(s->index, names + i,
				     names_plain(s->index, names + i, n - i),
				     s->run, s->begin + i, &err);
		if (err == AIBRIX_E_STATE || (!err && i < n))
			err = unfiled_note(s, s->known + i);
	}
	return err;
}

/*
 * Blocks are named in order, and a name of the known part that has no
 * meaning yet takes precedence over the same name of a new block.
 */
static int
names_precede(struct store *s, size_t n_odd)
{
	int err = AIBRIX_OK;

	for (size_t i = 0; !err && i < n_odd; i++) {
		uint64_t name = s->event->names[s->index->odd.items[i]];
		struct run *run;
		uint32_t off = aibrix__map_find(s->index, name, &run);

		if (off != NONE && run == s->run && off >= s->begin)
			err = unfiled_note(s, s->known + off - s->begin);
	}
	return err;
}

/* New blocks whose names need a second look. */
static int
names_odd(struct store *s, uint32_t n)
{
	int all = s->index->owners[s->owner]->private != NONE, err = AIBRIX_OK;

	if (!all && !s->run->unfiled)
		return AIBRIX_OK;
	for (uint32_t i = 0; !err && i < n; i++)
		if (all || bit_get(s->run->unfiled, s->begin + i))
			err = odd_note(s->index, s->known + i);
	return err;
}

static int
new_reserve(struct store *s)
{
	const aibrix_index_stored *e = s->event;
	uint32_t n = e->n - s->known;
	size_t n_odd = s->index->odd.n;
	uint64_t *content;
	int err = AIBRIX_OK;

	if (append_fits(s, n)) {
		s->run = s->end.run;
		s->begin = s->end.at;
	} else {
		err = fresh_reserve(s, n);
		if (err)
			return err;
	}
	content = (uint64_t *)(s->run + 1);
	memcpy(content + s->begin, e->hashes + s->known, n * sizeof(*content));
	memcpy(content + s->run->cap + s->begin, e->names + s->known,
	       n * sizeof(*content));
	s->run->filled = s->begin + n;
	slot_len_set(s->index, s->run->id, s->begin + n);
	err = names_file(s, n);
	if (!err && n_odd)
		err = names_precede(s, n_odd);
	if (!err)
		err = names_odd(s, n);
	return err;
}

/* Nothing of the event stays. */
static void
store_undo(struct store *s)
{
	struct aibrix_index *index = s->index;
	struct run *run = s->run;

	for (size_t i = 0; i < index->grants.n; i++)
		aibrix__cover_release(index, &index->grants.items[i]);
	if (!run)
		return;
	if (run->unfiled && !s->fresh)
		for (uint32_t i = s->begin; i < run->filled; i++)
			run->unfiled[i / 64] &= ~((uint64_t)1 << i % 64);
	slot_len_set(index, run->id, s->begin);
	index->map.stale += run->filled - s->begin;
	if (!s->fresh)
		return;
	aibrix__cover_release(index, &s->grant);
	if (s->kids)
		aibrix__kids_discard(index, s->kids);
	if (run->unfiled)
		aibrix__mem_give(&index->mem, run->unfiled,
				 (run->cap + 63) / 64, sizeof(uint64_t));
	aibrix__run_discard(index, run);
}

static void
names_announce(struct store *s)
{
	struct aibrix_index *index = s->index;
	size_t n = index->odd.n, at = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t block = index->odd.items[i];
		uint64_t name = s->event->names[block];
		const struct grant *grant;

		if (block >= s->known) {
			aibrix__name_announce(index, s->owner, name, s->run,
					      s->begin + block - s->known);
			continue;
		}
		grant = &index->grants.items[at];
		while (block - grant->first >= grant->to - grant->from)
			grant = &index->grants.items[++at];
		aibrix__name_announce(index, s->owner, name, grant->run,
				      grant->from + block - grant->first);
	}
}

static void
unfiled_count(struct store *s)
{
	for (uint32_t i = s->begin; i < s->run->filled; i++)
		s->index->unfiled += (uint64_t)bit_get(s->run->unfiled, i);
}

static void
new_commit(struct store *s)
{
	struct aibrix_index *index = s->index;
	uint32_t n = s->event->n - s->known;

	index->places += n;
	if (s->run->unfiled)
		unfiled_count(s);
	if (s->fresh) {
		index->runs++;
		aibrix__cover_add(index, s->owner, s->event->tier, &s->grant);
		aibrix__kid_add(index, s->end.run, s->run, s->kids);
		return;
	}
	index->stat.held += n;
	atomic_store_explicit(&s->run->len, s->run->filled,
			      memory_order_release);
}

static int
store_blocks(struct store *s)
{
	struct aibrix_index *index = s->index;
	int err = known_walk(s);

	if (!err)
		err = known_reserve(s);
	if (!err && s->known < s->event->n)
		err = new_reserve(s);
	if (!err)
		err = aibrix__aliases_reserve(index, index->odd.n);
	if (err) {
		store_undo(s);
		return err;
	}
	for (size_t i = 0; i < index->grants.n; i++)
		aibrix__cover_add(index, s->owner, s->event->tier,
				  &index->grants.items[i]);
	if (s->known < s->event->n)
		new_commit(s);
	names_announce(s);
	index->stat.stored += s->event->n;
	return AIBRIX_OK;
}

/* Blocks from i on whose names are those of places in a row; their number. */
static uint32_t
names_in_row(const struct store *s, uint32_t i, const struct run *run,
	     uint32_t off)
{
	uint32_t left = run_len(run) - off, n = s->event->n - i;

	if (run->unfiled || s->index->owners[s->owner]->private != NONE)
		return 1;
	n = blocks_equal(run_engine(run) + off, s->event->names + i,
			 left < n ? left : n);
	return n ? n : 1; /* the first may be a twin */
}

/* n blocks from block i on, which are places of a run from off on. */
static int
store_row(struct store *s, uint32_t i, uint32_t n, struct run *run,
	  uint32_t off)
{
	struct aibrix_index *index = s->index;
	struct grant grant = {.run = run, .from = off, .to = off + n};
	int err = aibrix__owner_reserve(index, s->owner, 1);

	if (!err)
		err = aibrix__aliases_reserve(index, 1);
	if (!err)
		err = aibrix__cover_reserve(index, s->owner, s->event->tier,
					    &grant);
	if (err)
		return err;
	err = aibrix__extras_reserve(index, grant.copies);
	if (err) {
		aibrix__cover_release(index, &grant);
		return err;
	}
	aibrix__cover_add(index, s->owner, s->event->tier, &grant);
	if (n == 1)
		aibrix__name_announce(index, s->owner, s->event->names[i], run,
				      off);
	index->stat.stored += n;
	return AIBRIX_OK;
}

static int
store_names(struct store *s)
{
	uint32_t n;

	for (uint32_t i = 0; i < s->event->n; i += n) {
		struct run *run;
		uint32_t off = aibrix__name_resolve(s->index, s->owner,
						    s->event->names[i], &run);
		int err;

		n = 1;
		if (off == NONE) {
			s->index->stat.unknown_names++;
			continue;
		}
		n = names_in_row(s, i, run, off);
		err = store_row(s, i, n, run, off);
		if (err)
			return err;
	}
	return AIBRIX_OK;
}

int
aibrix__stored_apply(struct aibrix_index *index, uint32_t owner,
		     const aibrix_index_stored *event)
{
	struct store s = {.index = index,
			  .event = event,
			  .owner = owner,
			  .end = {index->root, 0}};

	index->grants.n = 0;
	index->odd.n = 0;
	if (!event->hashes)
		return store_names(&s);
	if (event->flags & AIBRIX_INDEX_HAS_PARENT) {
		uint32_t off = aibrix__name_resolve(index, owner, event->parent,
						    &s.end.run);

		if (off == NONE)
			return AIBRIX_E_NOT_FOUND;
		s.end.at = off + 1;
	}
	return event->n ? store_blocks(&s) : AIBRIX_OK;
}
