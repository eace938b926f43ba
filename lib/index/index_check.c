/* Do the parts fit together?  For tests and fuzzing. */

#include "index/index_detail.h"

#include "base/alloc.h"

struct tally {
	uint64_t runs, places, held, unfiled, aliases, extras, bytes;
	uint32_t *kids, *refs; /* by run */
};

static int
aliases_fit(const struct aibrix_index *index, const struct run *run,
	    struct tally *tally)
{
	uint32_t prev = NONE;

	for (uint32_t id = run->aliases; id != NONE;) {
		const struct alias *alias = alias_at(index, id);

		if (alias->run != run->id || alias->off >= run_len(run) ||
		    alias->run_prev != prev ||
		    aibrix__alias_find(index, alias->scope, alias->name) !=
			    id ||
		    ++tally->aliases > index->aliases.items.live ||
		    (alias->scope != SHARED && !index->owners[alias->scope]))
			return 0;
		prev = id;
		id = alias->run_next;
	}
	return 1;
}

static int
names_fit(const struct aibrix_index *index, const struct run *run,
	  struct tally *tally)
{
	for (uint32_t off = 0; off < run->cap; off++) {
		int unfiled = run->unfiled && bit_get(run->unfiled, off);
		struct run *found;

		if (off >= run_len(run)) {
			if (unfiled)
				return 0;
			continue;
		}
		tally->unfiled += (uint64_t)unfiled;
		if (!unfiled && (aibrix__map_find(index, run_engine(run)[off],
						  &found) != off ||
				 found != run))
			return 0;
	}
	return aliases_fit(index, run, tally);
}

static int
place_in_tree_fits(const struct aibrix_index *index, const struct run *run,
		   struct tally *tally)
{
	const struct run *parent = run->parent;

	if (run_at(index, parent->id) != parent ||
	    (parent != index->root && run->at > run_len(parent)) ||
	    (parent == index->root && run->at) ||
	    (run->at < run_len(parent) &&
	     run_content(parent)[run->at] == *run_content(run)))
		return 0;
	tally->kids[parent->id]++;
	return aibrix__kid_find(index, parent, run->at, *run_content(run)) ==
	       run;
}

static int
detail_fits(const struct run *run, const struct part *part)
{
	const struct detail *d = part->detail;
	uint32_t held = 0;

	for (uint32_t off = 0; off < run->cap; off++) {
		int has = detail_has(d, AIBRIX_TIERS, off);

		if (has && off >= run_len(run))
			return 0;
		held += (uint32_t)has;
	}
	return held && held == d->held && d->words == (run->cap + 63) / 64 &&
	       !detail_plain(d, detail_leading(d, 0)) &&
	       atomic_load_explicit(&part->held, memory_order_relaxed) ==
		       detail_leading(d, 1) &&
	       atomic_load_explicit(&part->device, memory_order_relaxed) ==
		       detail_leading(d, 0);
}

static int
part_fits(const struct run *run, const struct part *part)
{
	uint32_t held = atomic_load_explicit(&part->held, memory_order_relaxed);
	uint32_t device =
		atomic_load_explicit(&part->device, memory_order_relaxed);

	if (part->detail)
		return detail_fits(run, part);
	if (held == ALL && part->owner < INLINE_OWNERS)
		return 0;
	return held == device && (held < run_len(run) || held == ALL);
}

/* Do the forms of the run's owners fit? */
static int
cover_fits(const struct aibrix_index *index, const struct run *run)
{
	const struct parts *parts = run_parts(run);
	uint32_t gone = 0, holders = 0;

	for (uint32_t i = 0; parts && i < parts->n; i++) {
		const struct part *part = &parts->at[i];

		if (i && part[-1].owner >= part->owner)
			return 0;
		gone += (uint32_t)part_gone(part);
		if (part_gone(part))
			continue;
		if (!part_fits(run, part) || cover_bit(run, part->owner))
			return 0;
	}
	for (uint32_t owner = 0; owner < index->max_owners; owner++) {
		struct part *part;
		uint32_t n;

		if (aibrix__cover(run, owner, &n, &part) == COVER_NONE)
			continue;
		if (!index->owners[owner])
			return 0;
		holders++;
	}
	return holders == run->holders &&
	       (!parts || (gone == parts->gone && gone < parts->n));
}

static int
run_fits(const struct aibrix_index *index, struct run *run, struct tally *tally)
{
	uint32_t len = run_len(run), kids = aibrix__kids_end(index, run);
	uint32_t end = aibrix__cover_end(run);

	tally->runs++;
	tally->places += len;
	tally->extras += run->extras;
	tally->bytes += run_bytes(run->cap) + aibrix__kids_bytes(run) +
			aibrix__parts_bytes(run);
	if (run->unfiled)
		tally->bytes += (run->cap + 63) / 64 * sizeof(uint64_t);
	for (uint32_t i = 0; i < index->max_owners; i++)
		tally->held += aibrix__cover_held(run, i);
	return len && len <= run->filled && run->filled <= run->cap &&
	       slot_len(index, run->id) == len &&
	       len == (end > kids ? end : kids) &&
	       place_in_tree_fits(index, run, tally) &&
	       cover_fits(index, run) && names_fit(index, run, tally);
}

/* Every run that the owner holds something of is in its list. */
static int
owner_fits(const struct aibrix_index *index, uint32_t owner,
	   struct tally *tally)
{
	const struct owner *o = index->owners[owner];
	uint32_t n_runs = 0;

	for (uint32_t id = 1; id < index->slots.used; id++) {
		const struct run *run = run_at(index, id);
		size_t i = 0;

		if (!run || !aibrix__cover_held(run, owner))
			continue;
		n_runs++;
		while (i < o->runs.n && o->runs.items[i] != id)
			i++;
		if (i == o->runs.n)
			return 0;
	}
	for (uint32_t id = o->private; id != NONE;
	     id = alias_at(index, id)->own_next)
		if (alias_at(index, id)->scope != owner)
			return 0;
	tally->bytes += sizeof(*o) + o->runs.cap * sizeof(uint32_t);
	return n_runs == o->n_runs;
}

static int
extras_fit(const struct aibrix_index *index)
{
	for (size_t i = 0; i < index->extras.n; i++) {
		const struct extra *e = &index->extras.at[i];
		const struct run *run;

		if (!e->tier)
			continue;
		run = run_at(index, e->run);
		if (!run || !e->count || e->off >= run_len(run) ||
		    !aibrix__cover_has(run, e->owner, e->tier - 1, e->off))
			return 0;
	}
	return 1;
}

static uint64_t
slab_bytes(const struct slab *slab)
{
	return slab->n_chunks * (uint64_t)CHUNK_ITEMS * slab->item +
	       slab->chunks_cap * sizeof(*slab->chunks);
}

static uint64_t
fixed_bytes(const struct aibrix_index *index)
{
	return sizeof(*index) + index->max_owners * sizeof(*index->owners) +
	       aibrix__map_bytes(index) + 2 * run_bytes(1) +
	       aibrix__kids_bytes(index->root) + slab_bytes(&index->slots) +
	       slab_bytes(&index->aliases.items) +
	       index->aliases.n_heads * sizeof(uint32_t) +
	       index->extras.n * sizeof(struct extra) + index->limbo_bytes +
	       index->odd.cap * sizeof(uint32_t) +
	       index->grants.cap * sizeof(struct grant);
}

static int
slots_fit(const struct aibrix_index *index, const struct tally *tally)
{
	uint32_t live = 1;

	for (uint32_t id = 1; id < index->slots.used; id++) {
		const struct run *run = run_at(index, id);

		if (run && run->n_kids != tally->kids[id])
			return 0;
		if ((run || tally->refs[id]) &&
		    *slot_refs(index, id) != tally->refs[id])
			return 0;
		live += run || tally->refs[id];
	}
	return live == index->slots.live &&
	       index->root->n_kids == tally->kids[0];
}

static int
index_fits(const struct aibrix_index *index, struct tally *tally)
{
	uint32_t owners = 0;

	for (uint32_t id = 1; id < index->slots.used; id++)
		if (run_at(index, id) &&
		    !run_fits(index, run_at(index, id), tally))
			return 0;
	for (uint32_t i = 0; i < index->max_owners; i++) {
		if (!index->owners[i])
			continue;
		owners++;
		if (!owner_fits(index, i, tally))
			return 0;
	}
	tally->bytes += fixed_bytes(index);
	return aibrix__map_tally(index, tally->refs) &&
	       slots_fit(index, tally) && extras_fit(index) &&
	       owners == index->stat.owners && tally->runs == index->runs &&
	       tally->places == index->places &&
	       tally->held == index->stat.held &&
	       tally->unfiled == index->unfiled &&
	       tally->aliases == index->aliases.items.live &&
	       tally->extras == index->extras.used &&
	       tally->bytes == index->mem.used;
}

int
aibrix__index_check(struct aibrix_index *index)
{
	struct tally tally = {0};
	uint32_t n;
	int fits;

	pthread_mutex_lock(&index->lock);
	n = index->slots.used;
	tally.kids = aibrix__alloc(&index->mem.a, n, 2 * sizeof(*tally.kids));
	tally.refs = tally.kids ? tally.kids + n : NULL;
	fits = tally.kids && index_fits(index, &tally);
	pthread_mutex_unlock(&index->lock);
	if (!tally.kids)
		return AIBRIX_E_NOMEM;
	aibrix__free(&index->mem.a, tally.kids, n, 2 * sizeof(*tally.kids));
	return fits ? AIBRIX_OK : AIBRIX_E_CORRUPT;
}
