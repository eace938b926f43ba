/*
 * An index from a dump.
 *
 * The bytes may come from anywhere.  Counts are compared with the length
 * before anything is reserved, so memory stays within a constant factor of
 * the input, and everything that simple__index_check asks of an index is
 * asked here while it is filled.  The checksum finds damage, not malice.
 */

#include "reference/simple_internal.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/crc32c.h"
#include "reference/simple_dump.h"

struct header {
	uint32_t owners;
	uint64_t places, names, holders;
};

/* Does count items of bytes each fit into *left?  Takes them off. */
static int
part_fits(uint64_t *left, uint64_t count, uint64_t bytes)
{
	if (count > *left / bytes)
		return 0;
	*left -= count * bytes;
	return 1;
}

/* Also the checksum; r then ends before it. */
static int
header_read(struct reader *r, uint64_t n, struct header *h)
{
	const uint8_t *magic = read_bytes(r, 8);
	const uint8_t *begin = magic;
	uint32_t version = read_u32(r);
	uint64_t bytes, left;
	struct reader end;

	h->owners = read_u32(r);
	bytes = read_u64(r);
	h->places = read_u64(r);
	h->names = read_u64(r);
	h->holders = read_u64(r);
	if (!r->ok || memcmp(magic, DUMP_MAGIC, 8) != 0)
		return AIBRIX_E_PARSE;
	if (version > DUMP_VERSION)
		return AIBRIX_E_UNSUPPORTED;
	if (version == 0 || bytes != n || n < DUMP_HEADER + DUMP_CHECKSUM)
		return AIBRIX_E_PARSE;
	end = reader_on(begin + n - DUMP_CHECKSUM, DUMP_CHECKSUM);
	if (aibrix__crc32c(aibrix__cpu(), 0, begin,
			   (size_t)n - DUMP_CHECKSUM) != read_u32(&end))
		return AIBRIX_E_CORRUPT;
	r->end -= DUMP_CHECKSUM;
	left = n - DUMP_HEADER - DUMP_CHECKSUM;
	if (!part_fits(&left, h->owners, DUMP_OWNER) ||
	    !part_fits(&left, h->places, DUMP_PLACE) ||
	    !part_fits(&left, h->names, DUMP_NAME) ||
	    !part_fits(&left, h->holders, DUMP_HOLDER) || left)
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}

static int
owners_read(struct reader *r, struct simple_index *index, uint32_t n)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t owner = read_u32(r), spare = read_u32(r);
		uint64_t ignored = read_u64(r);
		int err;

		if (!r->ok || spare || (i && owner <= last))
			return AIBRIX_E_PARSE;
		err = simple__owner_new(index, owner);
		if (err)
			return err;
		index->owners[owner]->ignored = ignored;
		last = owner;
	}
	return AIBRIX_OK;
}

static int
owner_loaded(const struct simple_index *index, uint32_t owner)
{
	return owner < index->max_owners && index->owners[owner];
}

/* From the last to the first: a name is filed before those it finds. */
static int
names_read(struct reader *r, struct simple_index *index, uint32_t id,
	   uint32_t n)
{
	const uint8_t *begin = read_bytes(r, (size_t)n * DUMP_NAME);

	for (uint32_t i = n; begin && i > 0; i--) {
		struct reader one = reader_on(
			begin + (i - 1) * (size_t)DUMP_NAME, DUMP_NAME);
		uint64_t name = read_u64(&one);
		uint32_t scope = read_u32(&one);
		int err;

		if ((scope != SHARED && !owner_loaded(index, scope)) ||
		    simple__name_find(index, scope, name) != NONE)
			return AIBRIX_E_PARSE;
		if (scope != SHARED) {
			err = simple__list_reserve(
				&index->mem, &index->owners[scope]->names, 1);
			if (err)
				return err;
		}
		simple__name_file(index, scope, name, id);
	}
	return begin || !n ? AIBRIX_OK : AIBRIX_E_PARSE;
}

static int
holder_read(struct reader *r, struct simple_index *index, uint32_t id,
	    uint32_t *last)
{
	uint32_t owner = read_u32(r), copies[AIBRIX_TIERS], any = 0;
	int first = *last == NONE, err;

	for (uint32_t t = 0; t < AIBRIX_TIERS; t++)
		any |= copies[t] = read_u32(r);
	if (!r->ok || !any || !owner_loaded(index, owner) ||
	    (!first && owner <= *last))
		return AIBRIX_E_PARSE;
	err = simple__list_reserve(&index->mem, &index->owners[owner]->held, 1);
	if (err)
		return err;
	memcpy(simple__holder_new(index, id, owner)->copies, copies,
	       sizeof(copies));
	*last = owner;
	return AIBRIX_OK;
}

static int
place_read(struct reader *r, struct simple_index *index, struct header *left)
{
	uint32_t parent = read_u32(r), names = read_u32(r);
	uint32_t holders = read_u32(r), last = NONE, id;
	uint64_t hash = read_u64(r);
	int err;

	/* Numbers are given in order, so parent - 1 is the parent's. */
	if (!r->ok || parent > index->places.live || names > left->names ||
	    holders > left->holders || holders > index->stat.owners)
		return AIBRIX_E_PARSE;
	parent = parent ? parent - 1 : ROOT;
	if (simple__place_child(index, parent, hash) != NONE)
		return AIBRIX_E_PARSE;
	left->names -= names;
	left->holders -= holders;
	id = simple__place_new(index, parent, hash);
	err = names_read(r, index, id, names);
	if (!err)
		err = simple__holders_reserve(index, id, holders);
	for (uint32_t i = 0; !err && i < holders; i++)
		err = holder_read(r, index, id, &last);
	return err;
}

/* Every place must be known; that shows only when all is there. */
static int
index_whole(const struct simple_index *index)
{
	for (uint32_t id = 0; id < index->places.used; id++) {
		const struct place *place = place_at(index, id);

		if (!place->children && !place->n_holders)
			return 0;
	}
	return 1;
}

static int
index_read(struct simple_index *index, const void *bytes, uint64_t n)
{
	struct reader r = reader_on(bytes, (size_t)n);
	struct header h;
	int err = header_read(&r, n, &h);

	if (!err)
		err = owners_read(&r, index, h.owners);
	if (!err)
		err = simple__places_reserve(index, h.places);
	if (!err)
		err = simple__names_reserve(index, h.names);
	for (uint64_t i = 0; !err && i < h.places; i++)
		err = place_read(&r, index, &h);
	if (!err && (h.names || h.holders || !index_whole(index)))
		err = AIBRIX_E_PARSE;
	return err;
}

int
simple_index_load(simple_index *index, const void *bytes, uint64_t n)
{
	int err = AIBRIX_E_STATE;

	if (!index || (n && !bytes))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (!index->stat.owners) {
		/* Fresh slabs, which give numbers in order. */
		simple__index_empty(index);
		err = index_read(index, bytes, n);
		if (err)
			simple__index_empty(index);
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}
