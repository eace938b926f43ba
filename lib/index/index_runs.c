/*
 * Runs and the tree that they form.
 *
 *   root --(A)--> [A B C D E] --(at 3: X)--> [X Y]
 *                      '--(at 5: F)--> [F G]
 *
 * Children hang at any offset, so a chain that diverges splits nothing, and
 * numbers that point at a run stay true for its life.  A run's memory never
 * moves either: a run that is full or was cut grows by a child.
 *
 * Lookups follow the children without a lock.  A slot, the one in the run
 * as well as those of the table, keeps its key for ever; only the child
 * changes, first from nothing to a run, then to index->gone, which hangs
 * nowhere, and perhaps to another run that begins the same.  So a lookup
 * that reads key and child at different times still reads a true pair.
 */

#include "index/index_internal.h"

#include <string.h>

struct run *
aibrix__run_new(struct aibrix_index *index, uint32_t cap, int *err)
{
	struct slab *slots = &index->slots;
	struct run *run;
	uint32_t id = slots->free;

	if (id == NONE) {
		if (slots->used >= RUNS_MAX) {
			*err = AIBRIX_E_FULL;
			return NULL;
		}
		*err = aibrix__slab_reserve(&index->mem, slots, 1);
		if (*err)
			return NULL;
	}
	run = aibrix__mem_take_line(&index->mem, run_bytes(cap), err);
	if (!run)
		return NULL;
	if (id == NONE) {
		id = slots->used++;
	} else {
		slots->free = *slot_refs(index, id);
	}
	slots->live++;
	slots_of(index, id)->run[id % CHUNK_ITEMS] = run;
	slot_len_set(index, id, 0);
	*slot_refs(index, id) = 0;
	run->id = id;
	run->cap = cap;
	run->aliases = NONE;
	return run;
}

/* The number of a dead run; it waits for the map to forget it. */
static void
slot_release(struct aibrix_index *index, uint32_t id)
{
	uint32_t *refs = slot_refs(index, id);

	slots_of(index, id)->run[id % CHUNK_ITEMS] = NULL;
	slot_len_set(index, id, 0);
	if (*refs == 0) {
		*refs = index->slots.free;
		index->slots.free = id;
		index->slots.live--;
	}
}

void
aibrix__run_discard(struct aibrix_index *index, struct run *run)
{
	slot_release(index, run->id);
	aibrix__mem_give(&index->mem, run, 1, run_bytes(run->cap));
}

static int
kid_is(const struct run *kid, uint32_t at, uint64_t hash)
{
	return kid->at == at && *run_content(kid) == hash;
}

struct run *
aibrix__kid_find(const struct aibrix_index *index, const struct run *run,
		 uint32_t at, uint64_t hash)
{
	struct run *kid = atomic_load_explicit(&run->kid, memory_order_acquire);
	uint64_t key = kid_key(index, at, hash);
	struct kids *kids;

	if (kid &&
	    atomic_load_explicit(&run->kid_key, memory_order_relaxed) == key &&
	    kid_is(kid, at, hash))
		return kid;
	kids = atomic_load_explicit(&run->kids, memory_order_acquire);
	for (uint64_t i = key; kids; i++) {
		struct kid *slot = &kids->at[i & kids->mask];

		kid = atomic_load_explicit(&slot->run, memory_order_acquire);
		if (!kid)
			break;
		if (atomic_load_explicit(&slot->key, memory_order_relaxed) ==
			    key &&
		    kid_is(kid, at, hash))
			return kid;
	}
	return NULL;
}

/* A slot of the table that a child with this key may take, or NULL. */
static struct kid *
kid_slot(const struct aibrix_index *index, struct kids *kids, uint64_t key)
{
	for (uint64_t i = key; kids; i++) {
		struct kid *slot = &kids->at[i & kids->mask];
		struct run *kid =
			atomic_load_explicit(&slot->run, memory_order_relaxed);

		if (!kid)
			return slot;
		if (kid == index->gone &&
		    atomic_load_explicit(&slot->key, memory_order_relaxed) ==
			    key)
			return slot;
	}
	return NULL;
}

/* Can a child with this key have the slot in the run itself? */
static int
inline_fits(const struct aibrix_index *index, const struct run *run,
	    uint64_t key)
{
	struct run *kid = atomic_load_explicit(&run->kid, memory_order_relaxed);

	return !kid || (kid == index->gone &&
			atomic_load_explicit(&run->kid_key,
					     memory_order_relaxed) == key);
}

static size_t
kids_bytes(uint32_t slots)
{
	return sizeof(struct kids) + slots * sizeof(struct kid);
}

int
aibrix__kid_reserve(struct aibrix_index *index, const struct run *run,
		    uint32_t at, uint64_t hash, struct kids **kids)
{
	struct kids *old =
		atomic_load_explicit(&run->kids, memory_order_relaxed);
	uint64_t key = kid_key(index, at, hash);
	uint32_t slots = 4;
	int err;

	*kids = NULL;
	if (inline_fits(index, run, key))
		return AIBRIX_OK;
	if (old && (old->used + 1) * 4 <= (old->mask + 1) * 3)
		return AIBRIX_OK;
	while (slots < ((uint64_t)run->n_kids + 1) * 2)
		slots *= 2;
	*kids = aibrix__mem_take_line(&index->mem, kids_bytes(slots), &err);
	if (*kids)
		(*kids)->mask = slots - 1;
	return err;
}

void
aibrix__kids_discard(struct aibrix_index *index, struct kids *kids)
{
	aibrix__mem_give(&index->mem, kids, 1, kids_bytes(kids->mask + 1));
}

static void
kid_put(struct kid *slot, struct kids *kids, uint64_t key, struct run *kid)
{
	kids->used += !atomic_load_explicit(&slot->run, memory_order_relaxed);
	atomic_store_explicit(&slot->key, key, memory_order_relaxed);
	atomic_store_explicit(&slot->run, kid, memory_order_release);
}

static void
kids_replace(struct aibrix_index *index, struct run *run, struct kids *kids)
{
	struct kids *old =
		atomic_load_explicit(&run->kids, memory_order_relaxed);

	for (uint32_t i = 0; old && i <= old->mask; i++) {
		struct run *kid = atomic_load_explicit(&old->at[i].run,
						       memory_order_relaxed);
		uint64_t key = atomic_load_explicit(&old->at[i].key,
						    memory_order_relaxed);

		if (kid && kid != index->gone)
			kid_put(kid_slot(index, kids, key), kids, key, kid);
	}
	atomic_store_explicit(&run->kids, kids, memory_order_release);
	if (old)
		aibrix__retire(index, old, &old->retired,
			       kids_bytes(old->mask + 1));
}

void
aibrix__kid_add(struct aibrix_index *index, struct run *run, struct run *kid,
		struct kids *kids)
{
	uint64_t key = kid_key(index, kid->at, *run_content(kid));

	kid->parent = run;
	if (run->n_kids == 0 || kid->at > run->kid_max) {
		run->kid_max = kid->at;
		run->kid_max_n = 1;
	} else if (run->kid_max_n && kid->at == run->kid_max) {
		run->kid_max_n++;
	}
	run->n_kids++;
	if (inline_fits(index, run, key)) {
		atomic_store_explicit(&run->kid_key, key, memory_order_relaxed);
		atomic_store_explicit(&run->kid, kid, memory_order_release);
		return;
	}
	if (kids)
		kids_replace(index, run, kids);
	kids = atomic_load_explicit(&run->kids, memory_order_relaxed);
	kid_put(kid_slot(index, kids, key), kids, key, kid);
}

static void
kid_unlink(struct aibrix_index *index, struct run *kid)
{
	struct run *run = kid->parent;
	uint64_t key = kid_key(index, kid->at, *run_content(kid));
	struct kids *kids =
		atomic_load_explicit(&run->kids, memory_order_relaxed);

	run->n_kids--;
	if (kid->at == run->kid_max && run->kid_max_n)
		run->kid_max_n--;
	if (atomic_load_explicit(&run->kid, memory_order_relaxed) == kid) {
		atomic_store_explicit(&run->kid, index->gone,
				      memory_order_release);
		return;
	}
	for (uint64_t i = key;; i++) {
		struct kid *slot = &kids->at[i & kids->mask];

		if (atomic_load_explicit(&slot->run, memory_order_relaxed) ==
		    kid) {
			atomic_store_explicit(&slot->run, index->gone,
					      memory_order_release);
			return;
		}
	}
}

static void
kid_max_count(const struct run *kid, struct run *run)
{
	if (kid->at > run->kid_max) {
		run->kid_max = kid->at;
		run->kid_max_n = 0;
	}
	run->kid_max_n += kid->at == run->kid_max;
}

uint32_t
aibrix__kids_end(const struct aibrix_index *index, struct run *run)
{
	struct run *kid = atomic_load_explicit(&run->kid, memory_order_relaxed);
	struct kids *kids =
		atomic_load_explicit(&run->kids, memory_order_relaxed);

	if (!run->n_kids)
		return 0;
	if (run->kid_max_n)
		return run->kid_max;
	run->kid_max = 0;
	if (kid && kid != index->gone)
		kid_max_count(kid, run);
	for (uint32_t i = 0; kids && i <= kids->mask; i++) {
		kid = atomic_load_explicit(&kids->at[i].run,
					   memory_order_relaxed);
		if (kid && kid != index->gone)
			kid_max_count(kid, run);
	}
	return run->kid_max;
}

void
aibrix__run_shrunk(struct run *run)
{
	atomic_fetch_add_explicit(&run->version, 1, memory_order_release);
}

static void
run_cut(struct aibrix_index *index, struct run *run, uint32_t len)
{
	uint32_t old = run_len(run);

	if (run->aliases != NONE)
		aibrix__aliases_cut(index, run, len);
	if (run->unfiled) {
		for (uint32_t i = len; i < old; i++) {
			index->unfiled -= (uint64_t)bit_get(run->unfiled, i);
			run->unfiled[i / 64] &= ~((uint64_t)1 << i % 64);
		}
	}
	index->places -= old - len;
	index->map.stale += old - len;
	slot_len_set(index, run->id, len);
	atomic_store_explicit(&run->len, len, memory_order_release);
	aibrix__run_shrunk(run);
}

int
aibrix__run_shorten(struct aibrix_index *index, struct run *run, uint32_t len)
{
	if (aibrix__kids_end(index, run) > len)
		return 0;
	run_cut(index, run, len);
	return 1;
}

void
aibrix__kids_drop(struct aibrix_index *index, struct run *run)
{
	struct kids *kids =
		atomic_load_explicit(&run->kids, memory_order_relaxed);

	atomic_store_explicit(&run->kids, NULL, memory_order_release);
	if (kids)
		aibrix__retire(index, kids, &kids->retired,
			       kids_bytes(kids->mask + 1));
}

size_t
aibrix__kids_bytes(const struct run *run)
{
	const struct kids *kids =
		atomic_load_explicit(&run->kids, memory_order_relaxed);

	return kids ? kids_bytes(kids->mask + 1) : 0;
}

static void
run_die(struct aibrix_index *index, struct run *run)
{
	kid_unlink(index, run);
	aibrix__parts_free(index, run);
	if (run->unfiled)
		aibrix__mem_give(&index->mem, run->unfiled,
				 (run->cap + 63) / 64, sizeof(uint64_t));
	aibrix__kids_drop(index, run);
	index->runs--;
	slot_release(index, run->id);
	aibrix__retire(index, run, &run->retired, run_bytes(run->cap));
}

void
aibrix__run_settle(struct aibrix_index *index, struct run *run)
{
	while (run != index->root) {
		uint32_t end = aibrix__cover_end(run), kids;
		struct run *parent = run->parent;

		if (end == run_len(run))
			return;
		kids = aibrix__kids_end(index, run);
		if (kids > end)
			end = kids;
		if (end == run_len(run))
			return;
		run_cut(index, run, end);
		if (end) {
			aibrix__cover_trim(index, run);
			return;
		}
		run_die(index, run);
		run = parent;
	}
}
