/* Do the parts fit together?  For tests and fuzzing. */

#include "reference/simple_internal.h"

#include "base/alloc.h"

struct tally {
	uint64_t places, names, held, private_names, bytes;
	uint32_t *children; /* per place */
};

static int
holders_fit(const struct simple_index *index, uint32_t id)
{
	struct place *place = place_at(index, id);
	const struct holder *holders = holders_of(place);

	if (place->n_holders > place->cap)
		return 0;
	for (uint32_t i = 0; i < place->n_holders; i++) {
		const struct holder *h = &holders[i];
		const struct owner *owner;

		if (h->owner >= index->max_owners ||
		    (i && holders[i - 1].owner >= h->owner))
			return 0;
		owner = index->owners[h->owner];
		if (!owner || h->at >= owner->held.n ||
		    owner->held.items[h->at] != id)
			return 0;
		if (!(h->copies[0] | h->copies[1] | h->copies[2] |
		      h->copies[3]))
			return 0;
	}
	return 1;
}

static int
private_fits(const struct simple_index *index, uint32_t id)
{
	const struct name *name = name_at(index, id);
	const struct owner *owner;

	if (name->scope >= index->max_owners || !index->owners[name->scope])
		return 0;
	owner = index->owners[name->scope];
	return name->at < owner->names.n && owner->names.items[name->at] == id;
}

static int
names_fit(const struct simple_index *index, uint32_t id, struct tally *tally)
{
	uint32_t before = NONE, at = place_at(index, id)->names;

	while (at != NONE) {
		const struct name *name = name_at(index, at);

		if (name->place != id || name->before != before ||
		    simple__name_find(index, name->scope, name->name) != at ||
		    ++tally->names > index->names.live)
			return 0;
		if (name->scope != SHARED) {
			tally->private_names++;
			if (!private_fits(index, at))
				return 0;
		}
		before = at;
		at = name->after;
	}
	return 1;
}

static int
place_fits(const struct simple_index *index, uint32_t id, struct tally *tally)
{
	const struct place *place = place_at(index, id);

	if (simple__place_child(index, place->parent, place->hash) != id)
		return 0;
	if (place->parent != ROOT) {
		if (place->parent >= index->places.used ||
		    place_at(index, place->parent)->parent == FREE)
			return 0;
		tally->children[place->parent]++;
	}
	tally->places++;
	tally->held += place->n_holders;
	if (place->cap > 1)
		tally->bytes += place->cap * sizeof(struct holder);
	return holders_fit(index, id) && names_fit(index, id, tally);
}

static uint64_t
slab_bytes(const struct slab *slab)
{
	return slab->n_chunks * (uint64_t)CHUNK_ITEMS * slab->item +
	       slab->chunks_cap * sizeof(*slab->chunks);
}

static int
totals_fit(const struct simple_index *index, struct tally *tally)
{
	uint64_t held = 0, private_names = 0, owners = 0;

	for (uint32_t i = 0; i < index->max_owners; i++) {
		const struct owner *owner = index->owners[i];

		if (!owner)
			continue;
		owners++;
		held += owner->held.n;
		private_names += owner->names.n;
		tally->bytes +=
			sizeof(*owner) +
			(owner->held.cap + owner->names.cap) * sizeof(uint32_t);
	}
	tally->bytes +=
		sizeof(*index) + index->max_owners * sizeof(*index->owners) +
		slab_bytes(&index->places) + slab_bytes(&index->names) +
		(index->children.n + index->meanings.n) * sizeof(uint32_t);
	return tally->places == index->places.live &&
	       tally->names == index->names.live &&
	       tally->held == index->stat.held && held == index->stat.held &&
	       tally->private_names == private_names &&
	       owners == index->stat.owners && tally->bytes == index->mem.used;
}

static int
index_fits(const struct simple_index *index, struct tally *tally)
{
	for (uint32_t id = 0; id < index->places.used; id++)
		if (place_at(index, id)->parent != FREE &&
		    !place_fits(index, id, tally))
			return 0;
	for (uint32_t id = 0; id < index->places.used; id++) {
		const struct place *place = place_at(index, id);

		if (place->parent == FREE)
			continue;
		if (place->children != tally->children[id] ||
		    !(place->children || place->n_holders))
			return 0;
	}
	return totals_fit(index, tally);
}

int
simple__index_check(struct simple_index *index)
{
	struct tally tally = {0};
	uint32_t n;
	int fits;

	pthread_mutex_lock(&index->lock);
	n = index->places.used;
	tally.children =
		aibrix__alloc(&index->mem.a, n, sizeof(*tally.children));
	fits = tally.children && index_fits(index, &tally);
	pthread_mutex_unlock(&index->lock);
	if (!tally.children)
		return AIBRIX_E_NOMEM;
	aibrix__free(&index->mem.a, tally.children, n, sizeof(*tally.children));
	return fits ? AIBRIX_OK : AIBRIX_E_CORRUPT;
}
