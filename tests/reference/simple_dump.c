/*
 * The whole index as bytes: owners, then places, parents first, each with
 * its names and holders.
 *
 * A place is written as its parent's position in the dump, so that loading
 * needs no search and the order of the numbers inside does not matter.
 * Loading keeps the order, so a loaded index dumps the same bytes.
 */

#include "reference/simple_internal.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/cpu.h"
#include "base/crc32c.h"
#include "reference/simple_dump.h"

static uint64_t
dump_bytes(const struct simple_index *index)
{
	return DUMP_HEADER + index->stat.owners * (uint64_t)DUMP_OWNER +
	       index->places.live * (uint64_t)DUMP_PLACE +
	       index->names.live * (uint64_t)DUMP_NAME +
	       index->stat.held * DUMP_HOLDER + DUMP_CHECKSUM;
}

static void
header_write(struct writer *w, const struct simple_index *index)
{
	write_bytes(w, DUMP_MAGIC, 8);
	write_u32(w, DUMP_VERSION);
	write_u32(w, index->stat.owners);
	write_u64(w, dump_bytes(index));
	write_u64(w, index->places.live);
	write_u64(w, index->names.live);
	write_u64(w, index->stat.held);
	for (uint32_t i = 0; i < index->max_owners; i++) {
		if (!index->owners[i])
			continue;
		write_u32(w, i);
		write_u32(w, 0);
		write_u64(w, index->owners[i]->ignored);
	}
}

static void
place_write(struct writer *w, const struct simple_index *index, uint32_t id,
	    uint32_t parent)
{
	struct place *place = place_at(index, id);
	const struct holder *holders = holders_of(place);
	uint32_t names = 0;

	for (uint32_t at = place->names; at != NONE;
	     at = name_at(index, at)->after)
		names++;
	write_u32(w, parent);
	write_u32(w, names);
	write_u32(w, place->n_holders);
	write_u64(w, place->hash);
	for (uint32_t at = place->names; at != NONE;
	     at = name_at(index, at)->after) {
		write_u64(w, name_at(index, at)->name);
		write_u32(w, name_at(index, at)->scope);
	}
	for (uint32_t i = 0; i < place->n_holders; i++) {
		write_u32(w, holders[i].owner);
		for (uint32_t t = 0; t < AIBRIX_TIERS; t++)
			write_u32(w, holders[i].copies[t]);
	}
}

/*
 * order: every place once, by number, but its ancestors before it.
 * position: 1 + where in order, by number; 0 elsewhere.
 */
static void
places_order(const struct simple_index *index, uint32_t *order,
	     uint32_t *position)
{
	uint32_t n = 0;

	for (uint32_t id = 0; id < index->places.used; id++) {
		uint32_t at = id, missing = 0;

		if (place_at(index, id)->parent == FREE)
			continue;
		while (at != ROOT && !position[at]) {
			missing++;
			at = place_at(index, at)->parent;
		}
		n += missing;
		at = id;
		for (uint32_t i = 0; i < missing; i++) {
			order[n - 1 - i] = at;
			position[at] = n - i;
			at = place_at(index, at)->parent;
		}
	}
}

static void
index_write(const struct simple_index *index, void *out, uint64_t bytes,
	    const uint32_t *order, const uint32_t *position)
{
	struct writer w = writer_on(out, (size_t)bytes);

	header_write(&w, index);
	for (uint32_t i = 0; i < index->places.live; i++) {
		uint32_t parent = place_at(index, order[i])->parent;

		place_write(&w, index, order[i],
			    parent == ROOT ? 0 : position[parent]);
	}
	write_u32(&w, aibrix__crc32c(aibrix__cpu(), 0, out,
				     (size_t)bytes - DUMP_CHECKSUM));
}

static int
index_dump(struct simple_index *index, void *out, uint64_t cap, uint64_t *n)
{
	uint64_t bytes = dump_bytes(index);
	uint32_t used = index->places.used, *order;

	if (bytes > cap) {
		*n = bytes;
		return AIBRIX_E_SPACE;
	}
	order = aibrix__alloc(&index->mem.a, used, 2 * sizeof(*order));
	if (!order)
		return AIBRIX_E_NOMEM;
	places_order(index, order, order + used);
	index_write(index, out, bytes, order, order + used);
	aibrix__free(&index->mem.a, order, used, 2 * sizeof(*order));
	*n = bytes;
	return AIBRIX_OK;
}

int
simple_index_dump(simple_index *index, void *out, uint64_t cap, uint64_t *n)
{
	int err;

	if (!index || !n || (cap && !out))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	err = index_dump(index, out, cap, n);
	pthread_mutex_unlock(&index->lock);
	return err;
}
