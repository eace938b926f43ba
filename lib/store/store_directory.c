/*
 * Keys to slots, for stores of up to a few million values.
 *
 * The table holds slot numbers only; hash, length and short key of a slot
 * lie in one 40-byte place, so a probe reads one cell and, when the cell is
 * not empty, one line.  It is at most half full.  Removal moves later cells
 * back instead of leaving marks, so lookups never get slower with age.
 *
 * Keys are compared in full: equality of hashes is never taken for equality
 * of keys.  Callers of ours have 16-byte keys; longer ones would make every
 * place 512 bytes, so they go to a mapping of which only touched pages cost
 * memory.  Keys are digests, so the table's hash needs no secret.
 */

#include "store/store_directory.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/xxh.h"

enum {
	SLOT_FREE = 0,
	SLOT_TAKEN = 1,
	SLOT_USED = 2,
	SLOT_BAD = 3,
	SLOT_BUSY = 4,
	SLOT_LEFT = 5 /* free when its last reader has gone */
};

int
aibrix__directory_open(struct directory *d, const aibrix_allocator *alloc,
		       uint32_t slots)
{
	aibrix_evict_opts evict = {.size = sizeof(evict),
				   .policy = AIBRIX_EVICT_LRU,
				   .capacity = slots,
				   .alloc = alloc};
	aibrix_pool_opts keys = {.size = sizeof(keys),
				 .slot_bytes = AIBRIX_STORE_KEY_MAX,
				 .slots = slots,
				 .align = 8,
				 .alloc = alloc};
	int err;

	assert(slots > 0 && slots <= SLOTS_MAX);
	*d = (struct directory){.alloc = alloc, .slots = slots, .cells = 2};
	while (d->cells < 2 * (size_t)slots)
		d->cells *= 2;
	d->places = aibrix__alloc(alloc, slots, sizeof(*d->places));
	d->table = aibrix__alloc(alloc, d->cells, sizeof(*d->table));
	d->free = aibrix__alloc(alloc, slots, sizeof(*d->free));
	if (!d->places || !d->table || !d->free)
		return AIBRIX_E_NOMEM;
	err = aibrix_evict_new(&evict, &d->order);
	if (err)
		return err;
	return aibrix_pool_new(&keys, &d->long_keys);
}

void
aibrix__directory_close(struct directory *d)
{
	if (!d->alloc)
		return;
	aibrix_pool_free(d->long_keys);
	aibrix_evict_free(d->order);
	aibrix__free(d->alloc, d->free, d->slots, sizeof(*d->free));
	aibrix__free(d->alloc, d->table, d->cells, sizeof(*d->table));
	aibrix__free(d->alloc, d->places, d->slots, sizeof(*d->places));
}

const void *
aibrix__directory_key(const struct directory *d, uint32_t slot)
{
	const struct place *p = &d->places[slot];

	return p->key_bytes <= PLACE_KEY ? p->key
					 : aibrix_pool_slot(d->long_keys, slot);
}

static size_t
cell_next(const struct directory *d, size_t cell)
{
	return (cell + 1) & (d->cells - 1);
}

/* The cell of this key, or the empty one where it belongs. */
static size_t
cell_find(const struct directory *d, uint64_t hash, const void *key,
	  uint32_t key_bytes)
{
	size_t cell = hash & (d->cells - 1);

	for (; d->table[cell]; cell = cell_next(d, cell)) {
		uint32_t slot = d->table[cell] - 1;
		const struct place *p = &d->places[slot];

		if (p->hash == hash && p->key_bytes == key_bytes &&
		    memcmp(aibrix__directory_key(d, slot), key, key_bytes) == 0)
			break;
	}
	return cell;
}

uint32_t
aibrix__directory_find(const struct directory *d, const void *key,
		       uint32_t key_bytes)
{
	uint64_t hash = aibrix__xxh3_64(key, key_bytes, 0);
	uint32_t found = d->table[cell_find(d, hash, key, key_bytes)];

	return found ? found - 1 : SLOT_NONE;
}

/* Empty a cell: cells after it that would become unreachable from their
 * home move back into the gap. */
static void
cell_empty(struct directory *d, size_t gap)
{
	size_t mask = d->cells - 1;

	for (size_t at = cell_next(d, gap); d->table[at];
	     at = cell_next(d, at)) {
		size_t home = d->places[d->table[at] - 1].hash & mask;

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		d->table[gap] = d->table[at];
		gap = at;
	}
	d->table[gap] = 0;
}

static void
place_forget(struct directory *d, uint32_t slot)
{
	struct place *p = &d->places[slot];
	size_t cell = cell_find(d, p->hash, aibrix__directory_key(d, slot),
				p->key_bytes);

	assert(d->table[cell] == slot + 1);
	cell_empty(d, cell);
	p->state = SLOT_TAKEN;
}

uint32_t
aibrix__directory_take(struct directory *d, int *evicted)
{
	uint32_t slot;

	*evicted = 0;
	if (d->n_free) {
		slot = d->free[--d->n_free];
		d->places[slot].state = SLOT_TAKEN;
		return slot;
	}
	if (aibrix_evict_pop(d->order, &slot))
		return SLOT_NONE;
	place_forget(d, slot);
	d->used--;
	*evicted = 1;
	return slot;
}

void
aibrix__directory_claim(struct directory *d, uint32_t slot)
{
	assert(d->places[slot].state == SLOT_FREE);
	d->places[slot].state = SLOT_TAKEN;
}

void
aibrix__directory_settle(struct directory *d)
{
	d->n_free = 0;
	for (uint32_t slot = d->slots; slot-- > 0;)
		if (d->places[slot].state == SLOT_FREE)
			d->free[d->n_free++] = slot;
}

void
aibrix__directory_name(struct directory *d, uint32_t slot, const void *key,
		       uint32_t key_bytes, uint64_t bytes)
{
	struct place *p = &d->places[slot];
	uint8_t *to = p->key;
	size_t cell;

	assert(p->state == SLOT_TAKEN && key_bytes <= AIBRIX_STORE_KEY_MAX);
	p->hash = aibrix__xxh3_64(key, key_bytes, 0);
	p->bytes = bytes;
	p->lead = 0;
	p->key_bytes = (uint16_t)key_bytes;
	if (key_bytes > PLACE_KEY)
		to = aibrix_pool_slot(d->long_keys, slot);
	memcpy(to, key, key_bytes);
	cell = cell_find(d, p->hash, key, key_bytes);
	assert(!d->table[cell]);
	d->table[cell] = slot + 1;
	p->state = SLOT_BUSY;
}

/* Most recently used. */
static void
order_insert(struct directory *d, uint32_t slot)
{
	int err = aibrix_evict_insert(d->order, slot, d->places[slot].hash,
				      AIBRIX_EVICT_NO_PARENT);

	assert(!err);
	(void)err;
}

static void
order_remove(struct directory *d, uint32_t slot)
{
	int err = aibrix_evict_remove(d->order, slot);

	assert(!err);
	(void)err;
}

void
aibrix__directory_show(struct directory *d, uint32_t slot)
{
	struct place *p = &d->places[slot];

	assert(p->state == SLOT_BUSY && !p->readers);
	p->state = SLOT_USED;
	d->used++;
	order_insert(d, slot);
}

void
aibrix__directory_add(struct directory *d, uint32_t slot, const void *key,
		      uint32_t key_bytes, uint64_t bytes)
{
	aibrix__directory_name(d, slot, key, key_bytes, bytes);
	aibrix__directory_show(d, slot);
}

void
aibrix__directory_hide(struct directory *d, uint32_t slot)
{
	struct place *p = &d->places[slot];

	assert(p->state == SLOT_USED);
	if (!p->readers)
		order_remove(d, slot);
	p->state = SLOT_BUSY;
	d->used--;
}

void
aibrix__directory_pin(struct directory *d, uint32_t slot)
{
	struct place *p = &d->places[slot];

	assert(p->state == SLOT_USED);
	if (p->readers++ == 0)
		order_remove(d, slot);
}

static void
slot_free(struct directory *d, uint32_t slot)
{
	d->places[slot].state = SLOT_FREE;
	d->free[d->n_free++] = slot;
}

void
aibrix__directory_unpin(struct directory *d, uint32_t slot)
{
	struct place *p = &d->places[slot];

	assert(p->readers > 0);
	if (--p->readers)
		return;
	if (p->state == SLOT_USED)
		order_insert(d, slot);
	else if (p->state == SLOT_LEFT)
		slot_free(d, slot);
}

int
aibrix__directory_uses(const struct directory *d, uint32_t slot)
{
	return d->places[slot].state == SLOT_USED;
}

void
aibrix__directory_hit(struct directory *d, uint32_t slot)
{
	int err;

	if (d->places[slot].readers)
		return; /* unpin will say so */
	err = aibrix_evict_hit(d->order, slot);
	assert(!err);
	(void)err;
}

/* Taken, whatever it was. */
static void
slot_clear(struct directory *d, uint32_t slot)
{
	if (d->places[slot].state == SLOT_USED)
		aibrix__directory_hide(d, slot);
	if (d->places[slot].state == SLOT_BUSY)
		place_forget(d, slot);
}

void
aibrix__directory_release(struct directory *d, uint32_t slot)
{
	struct place *p = &d->places[slot];

	slot_clear(d, slot);
	assert(p->state == SLOT_TAKEN);
	if (p->readers)
		p->state = SLOT_LEFT;
	else
		slot_free(d, slot);
}

void
aibrix__directory_retire(struct directory *d, uint32_t slot)
{
	slot_clear(d, slot);
	assert(d->places[slot].state == SLOT_TAKEN);
	d->places[slot].state = SLOT_BAD;
	d->bad++;
}
