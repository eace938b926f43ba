/*
 * What the cache tells others about its blocks.
 *
 *	shown    READY block:  QUIET --> PENDING
 *	hidden   TOLD block:   its key goes into a ring; others: nothing
 *	taken    first the ring, then PENDING blocks: --> TOLD
 *
 * Only removals are queued.  What is stored is seen in the cache itself when
 * somebody asks, so a block that came and went in between costs no event.
 * And since only a block that was told can be removed, and blocks are told
 * by the call that empties the ring, a ring of one key per slot never
 * overflows: a consumer may be as slow as it likes and misses nothing.
 *
 * Whoever builds an index of chains refuses a block whose parent it does not
 * know (decision of ours, and of routers).  A block is told when its parent
 * has been told, or is the first of its prompt; else it is WAITING, filed
 * under the key of its parent:
 *
 *	- blocks of L2 arrive in any order;
 *	- a prompt's front is written by one lease, its end by another one;
 *	- a front is evicted while the end is held.
 *
 * A parent that was told and is evicted leaves its children told: an index
 * keeps the place of a block that has held descendants.
 */

#include "cache/cache_internal.h"

#include <string.h>

enum { QUIET = 0, PENDING = 1, WAITING = 2, TOLD = 3 };

struct told {
	aibrix_key parent;
	uint64_t hash;
	uint32_t below; /* the way down of the walk that came by */
	uint32_t walk;  /* which one that was */
	uint32_t state;
};

struct events {
	struct told *slots;
	struct link *links; /* of pending, and of the families */
	struct list pending;
	struct list *families; /* WAITING, by a hash of the parent's key */
	uint32_t n_families;   /* a power of two */
	aibrix_key *gone;      /* ring of keys, one for each slot */
	uint32_t gone_first, n_gone;
	uint32_t clear;  /* a cleared event is due */
	uint32_t n_told; /* slots that are TOLD */
	uint32_t walks;
	uint64_t seq;
};

static const aibrix_key no_key;

static int
key_same(const aibrix_key *a, const aibrix_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct list *
family_of(const struct events *e, const aibrix_key *parent)
{
	return &e->families[key_mix(parent) & (e->n_families - 1)];
}

static void
slot_move(struct events *e, uint32_t slot, uint32_t state)
{
	struct told *t = &e->slots[slot];

	if (t->state == PENDING)
		list_remove(&e->pending, e->links, slot);
	else if (t->state == WAITING)
		list_remove(family_of(e, &t->parent), e->links, slot);
	e->n_told += (uint32_t)(state == TOLD) - (uint32_t)(t->state == TOLD);
	t->state = state;
	if (state == PENDING)
		list_append(&e->pending, e->links, slot);
	else if (state == WAITING)
		list_append(family_of(e, &t->parent), e->links, slot);
}

static void
events_free(aibrix_cache *cache, struct events *e)
{
	const aibrix_allocator *a = &cache->alloc;

	aibrix__free(a, e->slots, cache->capacity, sizeof(*e->slots));
	aibrix__free(a, e->links, cache->capacity, sizeof(*e->links));
	aibrix__free(a, e->gone, cache->capacity, sizeof(*e->gone));
	aibrix__free(a, e->families, e->n_families, sizeof(*e->families));
	aibrix__free(a, e, 1, sizeof(*e));
}

static struct events *
events_new(aibrix_cache *cache)
{
	const aibrix_allocator *a = &cache->alloc;
	struct events *e = aibrix__alloc(a, 1, sizeof(*e));

	if (!e)
		return NULL;
	e->n_families = 1;
	while (e->n_families < cache->capacity / 4)
		e->n_families *= 2;
	e->slots = aibrix__alloc(a, cache->capacity, sizeof(*e->slots));
	e->links = aibrix__alloc(a, cache->capacity, sizeof(*e->links));
	e->gone = aibrix__alloc(a, cache->capacity, sizeof(*e->gone));
	e->families = aibrix__alloc(a, e->n_families, sizeof(*e->families));
	if (e->slots && e->links && e->gone && e->families)
		return e;
	events_free(cache, e);
	return NULL;
}

void
aibrix__events_close(aibrix_cache *cache)
{
	if (cache->events)
		events_free(cache, cache->events);
}

/* ---- what happens to slots */

void
aibrix__events_taken(aibrix_cache *cache, uint32_t slot,
		     const aibrix_key *parent)
{
	if (!cache->events)
		return;
	cache->events->slots[slot].parent = parent ? *parent : no_key;
	cache->events->slots[slot].hash = 0;
}

void
aibrix__events_content(aibrix_cache *cache, uint32_t slot, uint64_t hash)
{
	if (cache->events)
		cache->events->slots[slot].hash = hash;
}

void
aibrix__events_shown(aibrix_cache *cache, uint32_t slot)
{
	/* No prompt goes on behind a piece of a block: routers need not
	   know. */
	if (cache->events && !cache->slots[slot].tail)
		slot_move(cache->events, slot, PENDING);
}

void
aibrix__events_hidden(aibrix_cache *cache, uint32_t slot)
{
	struct events *e = cache->events;

	if (!e)
		return;
	if (e->slots[slot].state == TOLD) {
		e->gone[(e->gone_first + e->n_gone) % cache->capacity] =
			aibrix__l1_key(cache, slot);
		e->n_gone++;
	}
	slot_move(e, slot, QUIET);
}

void
aibrix__events_cleared(aibrix_cache *cache)
{
	struct events *e = cache->events;

	if (!e || e->n_told || !e->n_gone)
		return;
	e->n_gone = 0;
	e->clear = 1;
}

/* ---- telling */

struct telling {
	aibrix_cache_event *out;
	uint32_t n, cap;
};

static void
event_put(struct events *e, struct telling *to, uint32_t type,
	  const aibrix_key *key, const struct told *t)
{
	aibrix_cache_event *out = &to->out[to->n++];

	*out = (aibrix_cache_event){
		.seq = e->seq++, .type = type, .tier = AIBRIX_CACHE_L1};
	if (key)
		out->key = *key;
	if (t) {
		out->parent = t->parent;
		out->hash = t->hash;
	}
}

static void
gone_tell(aibrix_cache *cache, struct telling *to)
{
	struct events *e = cache->events;

	while (e->n_gone && to->n < to->cap) {
		event_put(e, to, AIBRIX_CACHE_REMOVED, &e->gone[e->gone_first],
			  NULL);
		e->gone_first = (e->gone_first + 1) % cache->capacity;
		e->n_gone--;
	}
}

/* Those that waited for this parent. */
static void
children_wake(struct events *e, const aibrix_key *parent)
{
	struct list *family = family_of(e, parent);
	uint32_t next = family->count ? family->head : NONE, slot;

	while (next != NONE) {
		slot = next;
		next = e->links[slot].next;
		if (key_same(&e->slots[slot].parent, parent))
			slot_move(e, slot, PENDING);
	}
}

static void
slot_tell(aibrix_cache *cache, uint32_t slot, struct telling *to)
{
	struct events *e = cache->events;
	aibrix_key key = aibrix__l1_key(cache, slot);

	slot_move(e, slot, TOLD);
	event_put(e, to, AIBRIX_CACHE_STORED, &key, &e->slots[slot]);
	children_wake(e, &key);
}

/*
 * Up from a pending slot over parents that are pending, too; *top is the
 * last one, and below leads back down.  Can top be told now?  Its parent may
 * be missing or wait itself; keys that name each other in a circle are no
 * chain.
 */
static int
chain_climb(aibrix_cache *cache, uint32_t slot, uint32_t *top)
{
	struct events *e = cache->events;
	uint32_t walk = ++e->walks, up;

	e->slots[slot].below = NONE;
	for (;;) {
		e->slots[slot].walk = walk;
		*top = slot;
		if (key_same(&e->slots[slot].parent, &no_key))
			return 1;
		up = aibrix__table_find(&cache->table, &e->slots[slot].parent);
		if (up == NONE || e->slots[up].state == QUIET ||
		    e->slots[up].state == WAITING || e->slots[up].walk == walk)
			return 0;
		if (e->slots[up].state == TOLD)
			return 1;
		e->slots[up].below = slot;
		slot = up;
	}
}

static void
pending_tell(aibrix_cache *cache, struct telling *to)
{
	struct events *e = cache->events;
	uint32_t slot, next;
	int good;

	while (e->pending.count && to->n < to->cap) {
		good = chain_climb(cache, e->pending.head, &slot);
		for (; slot != NONE && to->n < to->cap; slot = next) {
			next = e->slots[slot].below;
			if (good)
				slot_tell(cache, slot, to);
			else
				slot_move(e, slot, WAITING);
		}
	}
}

/* ---- calls */

int
aibrix_cache_events_begin(aibrix_cache *cache)
{
	struct events *e = NULL;
	int err = AIBRIX_OK;

	if (!cache)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	if (cache->events) {
		e = cache->events;
		e->n_gone = 0;
		e->clear = 1;
		for (uint32_t i = 0; i < cache->capacity; i++)
			if (e->slots[i].state != QUIET)
				slot_move(e, i, PENDING);
	} else if (cache->count[SLOT_FREE] != cache->capacity) {
		err = AIBRIX_E_STATE;
	} else {
		cache->events = events_new(cache);
		err = cache->events ? AIBRIX_OK : AIBRIX_E_NOMEM;
	}
	aibrix__cache_leave(cache);
	return err;
}

int
aibrix_cache_events(aibrix_cache *cache, aibrix_cache_event *out, uint32_t cap,
		    uint32_t *n)
{
	struct telling to = {out, 0, cap};
	struct events *e;
	int err = AIBRIX_OK;

	if (!cache || !out || !cap || !n)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	e = cache->events;
	if (!e) {
		err = AIBRIX_E_STATE;
	} else {
		if (e->clear)
			event_put(e, &to, AIBRIX_CACHE_CLEARED, NULL, NULL);
		e->clear = 0;
		gone_tell(cache, &to);
		pending_tell(cache, &to);
		*n = to.n;
	}
	aibrix__cache_leave(cache);
	return err;
}
