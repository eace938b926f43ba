/*
 * Copies beyond the first: how many more an owner holds of a block.
 *
 * Engines rarely hold a block twice, so this is a sparse table beside the
 * runs: open addressing, at most 3/4 full, and an entry that goes is closed
 * over by those behind it.
 */

#include "index/index_internal.h"

static size_t
extra_home(const struct aibrix_index *index, const struct extra *key)
{
	uint64_t x = (uint64_t)key->run << 32 | key->off;

	x = mix64(x ^ index->salt);
	return (size_t)mix64(x + ((uint64_t)key->owner << 8 | key->tier)) &
	       (index->extras.n - 1);
}

static int
extra_same(const struct extra *a, const struct extra *b)
{
	return a->run == b->run && a->off == b->off && a->owner == b->owner &&
	       a->tier == b->tier;
}

/* Where key is, or the free place where it would go. */
static struct extra *
extra_find(const struct aibrix_index *index, const struct extra *key)
{
	size_t mask = index->extras.n - 1, i = extra_home(index, key);

	while (index->extras.at[i].tier &&
	       !extra_same(&index->extras.at[i], key))
		i = (i + 1) & mask;
	return &index->extras.at[i];
}

int
aibrix__extras_reserve(struct aibrix_index *index, uint64_t more)
{
	struct extras *e = &index->extras, old = *e;
	uint64_t want = (e->used + more) * 4 / 3 + 1;
	size_t n = e->n ? e->n : 64;
	int err;

	if (!more || (e->n && want <= e->n))
		return AIBRIX_OK;
	while (n < want)
		n *= 2;
	e->at = aibrix__mem_take(&index->mem, n, sizeof(*e->at), &err);
	if (!e->at) {
		e->at = old.at;
		return err;
	}
	e->n = n;
	for (size_t i = 0; i < old.n; i++)
		if (old.at[i].tier)
			*extra_find(index, &old.at[i]) = old.at[i];
	aibrix__mem_give(&index->mem, old.at, old.n, sizeof(*old.at));
	return AIBRIX_OK;
}

static struct extra *
extra_at(const struct aibrix_index *index, const struct run *run, uint32_t off,
	 uint32_t owner, uint32_t tier)
{
	struct extra key = {run->id, off, owner, tier + 1, 0};

	if (!run->extras || !index->owners[owner]->extras)
		return NULL;
	return extra_find(index, &key);
}

uint32_t
aibrix__extra_count(const struct aibrix_index *index, const struct run *run,
		    uint32_t off, uint32_t owner, uint32_t tier)
{
	const struct extra *extra = extra_at(index, run, off, owner, tier);

	return extra ? extra->count : 0;
}

void
aibrix__extra_add(struct aibrix_index *index, struct run *run, uint32_t off,
		  uint32_t owner, uint32_t tier, uint32_t count)
{
	struct extra key = {run->id, off, owner, tier + 1, 0};
	struct extra *extra = extra_find(index, &key);

	if (!extra->tier) {
		*extra = key;
		index->extras.used++;
		index->owners[owner]->extras++;
		run->extras++;
	}
	extra->count += count;
}

/* Those behind it move up when they may stand in its place. */
static void
extra_remove(struct aibrix_index *index, struct extra *extra)
{
	struct extras *e = &index->extras;
	size_t mask = e->n - 1, hole = (size_t)(extra - e->at);

	run_at(index, extra->run)->extras--;
	index->owners[extra->owner]->extras--;
	e->used--;
	for (size_t i = (hole + 1) & mask; e->at[i].tier; i = (i + 1) & mask) {
		size_t home = extra_home(index, &e->at[i]);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		e->at[hole] = e->at[i];
		hole = i;
	}
	e->at[hole] = (struct extra){0};
}

int
aibrix__extra_take(struct aibrix_index *index, struct run *run, uint32_t off,
		   uint32_t owner, uint32_t tier)
{
	struct extra *extra = extra_at(index, run, off, owner, tier);

	if (!extra || !extra->tier)
		return 0;
	if (!--extra->count)
		extra_remove(index, extra);
	return 1;
}

void
aibrix__extras_drop(struct aibrix_index *index, struct run *run, uint32_t owner)
{
	uint32_t len = run_len(run);

	for (uint32_t off = 0; off < len; off++) {
		for (uint32_t tier = 0; tier < AIBRIX_TIERS; tier++) {
			struct extra *extra =
				extra_at(index, run, off, owner, tier);

			if (extra && extra->tier)
				extra_remove(index, extra);
		}
	}
}

void
aibrix__extras_free(struct aibrix_index *index)
{
	struct extras *e = &index->extras;

	aibrix__mem_give(&index->mem, e->at, e->n, sizeof(*e->at));
	*e = (struct extras){0};
}
