/*
 * An index from a dump.
 *
 * The bytes may come from anywhere.  Counts are compared with the length
 * before anything is reserved, so memory stays within a constant factor of
 * the input, and everything that aibrix__index_check asks of an index is
 * asked here while it is filled.  The checksum finds damage, not malice.
 */

#include "index/index_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/cpu.h"
#include "base/crc32c.h"
#include "index/dump.h"

struct header {
	uint32_t owners;
	uint64_t places, names, holders;
};

/* Where the places read so far went. */
struct load {
	struct aibrix_index *index;
	struct reader r;
	struct header left;
	uint32_t n;      /* places read */
	uint32_t *runs;  /* of each place */
	uint32_t *bases; /* of each run: places before its first */
	uint32_t cap;    /* of both */
};

/* The fixed part of a place. */
struct record {
	uint32_t parent, names, holders;
	uint64_t hash;
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
owners_read(struct reader *r, struct aibrix_index *index, uint32_t n)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t owner = read_u32(r), spare = read_u32(r);
		uint64_t ignored = read_u64(r);
		int err;

		if (!r->ok || spare || (i && owner <= last))
			return AIBRIX_E_PARSE;
		err = aibrix__owner_new(index, owner);
		if (err)
			return err;
		index->owners[owner]->ignored = ignored;
		last = owner;
	}
	return AIBRIX_OK;
}

static int
owner_loaded(const struct aibrix_index *index, uint32_t owner)
{
	return owner < index->max_owners && index->owners[owner];
}

static struct record
record_read(struct reader *r)
{
	struct record record;

	record.parent = read_u32(r);
	record.names = read_u32(r);
	record.holders = read_u32(r);
	record.hash = read_u64(r);
	return record;
}

/* What follows the fixed part. */
static void
record_skip(struct reader *r, const struct record *record)
{
	read_bytes(r, (size_t)record->names * DUMP_NAME);
	read_bytes(r, (size_t)record->holders * DUMP_HOLDER);
}

/* Places from here on that stand one on the other. */
static uint32_t
chain_length(const struct load *l)
{
	struct reader r = l->r;
	uint32_t n = 0;

	while (n < l->left.places && n < AIBRIX_INDEX_EVENT_BLOCKS) {
		struct record record = record_read(&r);

		if (!r.ok || (n && record.parent != l->n + n))
			break;
		n++;
		record_skip(&r, &record);
	}
	return n;
}

static int
name_taken(const struct aibrix_index *index, uint32_t scope, uint64_t name)
{
	struct run *run;

	return aibrix__alias_find(index, scope, name) != NONE ||
	       (scope == SHARED && aibrix__map_find(index, name, &run) != NONE);
}

/* From the last to the first: an alias goes before those it finds. */
static int
aliases_read(struct load *l, const uint8_t *begin, uint32_t n,
	     const struct run *run, uint32_t off)
{
	int err = aibrix__aliases_reserve(l->index, n);

	for (; !err && n > 0; n--) {
		struct reader one = reader_on(
			begin + (n - 1) * (size_t)DUMP_NAME, DUMP_NAME);
		uint64_t name = read_u64(&one);
		uint32_t scope = read_u32(&one);

		if ((scope != SHARED && !owner_loaded(l->index, scope)) ||
		    name_taken(l->index, scope, name))
			return AIBRIX_E_PARSE;
		aibrix__alias_add(l->index, scope, name, run, off);
	}
	return err;
}

static int
unfiled_set(struct aibrix_index *index, struct run *run, uint32_t off)
{
	int err = AIBRIX_OK;

	if (!run->unfiled)
		run->unfiled =
			aibrix__mem_take(&index->mem, (run->cap + 63) / 64,
					 sizeof(uint64_t), &err);
	if (err)
		return err;
	run->unfiled[off / 64] |= (uint64_t)1 << off % 64;
	index->unfiled++;
	return AIBRIX_OK;
}

/* A shared name that stands first is the engine array's. */
static int
names_read(struct load *l, uint32_t n, struct run *run, uint32_t off)
{
	uint64_t *engine = (uint64_t *)(run + 1) + run->cap;
	const uint8_t *begin = read_bytes(&l->r, (size_t)n * DUMP_NAME);
	struct reader first;
	int err;

	if (n && !begin)
		return AIBRIX_E_PARSE;
	first = reader_on(begin, n ? DUMP_NAME : 0);
	engine[off] = read_u64(&first);
	if (read_u32(&first) != SHARED || !first.ok) {
		err = unfiled_set(l->index, run, off);
		return err ? err : aliases_read(l, begin, n, run, off);
	}
	if (name_taken(l->index, SHARED, engine[off]))
		return AIBRIX_E_PARSE;
	if (!aibrix__map_add(l->index, &engine[off], 1, run, off, &err))
		return err;
	return aliases_read(l, begin + DUMP_NAME, n - 1, run, off);
}

static int
copies_add(struct load *l, struct run *run, uint32_t off, uint32_t owner,
	   uint32_t tier, uint32_t copies)
{
	struct grant grant = {.run = run, .from = off, .to = off + 1};
	int err = aibrix__owner_reserve(l->index, owner, 1);

	if (!err && copies > 1)
		err = aibrix__extras_reserve(l->index, 1);
	if (!err)
		err = aibrix__cover_reserve(l->index, owner, tier, &grant);
	if (err)
		return err;
	aibrix__cover_add(l->index, owner, tier, &grant);
	if (copies > 1)
		aibrix__extra_add(l->index, run, off, owner, tier, copies - 1);
	return AIBRIX_OK;
}

static int
holders_read(struct load *l, uint32_t n, struct run *run, uint32_t off)
{
	uint32_t last = NONE;
	int err = AIBRIX_OK;

	for (uint32_t i = 0; !err && i < n; i++) {
		uint32_t owner = read_u32(&l->r), copies[AIBRIX_TIERS], any = 0;

		for (uint32_t t = 0; t < AIBRIX_TIERS; t++)
			any |= copies[t] = read_u32(&l->r);
		if (!l->r.ok || !any || !owner_loaded(l->index, owner) ||
		    (i && owner <= last))
			return AIBRIX_E_PARSE;
		last = owner;
		for (uint32_t t = 0; !err && t < AIBRIX_TIERS; t++)
			if (copies[t])
				err = copies_add(l, run, off, owner, t,
						 copies[t]);
	}
	return err;
}

static int
place_read(struct load *l, struct run *run, uint32_t off)
{
	struct record record = record_read(&l->r);
	int err;

	if (!l->r.ok || record.names > l->left.names ||
	    record.holders > l->left.holders ||
	    record.holders > l->index->stat.owners)
		return AIBRIX_E_PARSE;
	l->left.places--;
	l->left.names -= record.names;
	l->left.holders -= record.holders;
	l->runs[l->n++] = run->id;
	err = names_read(l, record.names, run, off);
	return err ? err : holders_read(l, record.holders, run, off);
}

/* Where the place numbered parent (from 1; 0: root) lets a child hang. */
static struct run *
parent_of(const struct load *l, uint32_t parent, uint32_t *at)
{
	uint32_t id;

	*at = 0;
	if (!parent)
		return l->index->root;
	id = l->runs[parent - 1];
	*at = parent - l->bases[id];
	return run_at(l->index, id);
}

/* The chain as a run that no lookup sees yet. */
static int
chain_new(struct load *l, uint32_t n, struct run *parent, uint32_t at,
	  struct run **out)
{
	struct aibrix_index *index = l->index;
	struct reader r = l->r;
	struct run *run;
	int err;

	run = aibrix__run_new(index, (n + 7) / 8 * 8, &err);
	if (!run)
		return err;
	if (run->id >= l->cap) {
		aibrix__run_discard(index, run);
		return AIBRIX_E_STATE;
	}
	for (uint32_t off = 0; off < n; off++) {
		struct record record = record_read(&r);

		((uint64_t *)(run + 1))[off] = record.hash;
		record_skip(&r, &record);
	}
	run->at = at;
	run->parent = parent;
	run->filled = n;
	slot_len_set(index, run->id, n);
	atomic_store_explicit(&run->len, n, memory_order_relaxed);
	l->bases[run->id] = l->n;
	*out = run;
	return AIBRIX_OK;
}

static int
chain_read(struct load *l)
{
	struct aibrix_index *index = l->index;
	struct reader ahead = l->r;
	struct record record = record_read(&ahead);
	uint32_t n = chain_length(l), at;
	struct run *parent, *run = NULL;
	struct kids *kids;
	int err;

	/* Numbers are given in order, so parents are there. */
	if (!n || record.parent > l->n)
		return AIBRIX_E_PARSE;
	parent = parent_of(l, record.parent, &at);
	if (aibrix__kid_find(index, parent, at, record.hash) ||
	    (at < run_len(parent) && run_content(parent)[at] == record.hash))
		return AIBRIX_E_PARSE;
	err = aibrix__kid_reserve(index, parent, at, record.hash, &kids);
	if (err)
		return err;
	err = chain_new(l, n, parent, at, &run);
	if (err) {
		if (kids)
			aibrix__kids_discard(index, kids);
		return err;
	}
	index->runs++;
	index->places += n;
	aibrix__kid_add(index, parent, run, kids);
	for (uint32_t off = 0; !err && off < n; off++)
		err = place_read(l, run, off);
	aibrix__limbo_trim(index);
	return err;
}

/* Every place must be known; that shows only when all is there. */
static int
index_whole(const struct aibrix_index *index)
{
	for (uint32_t id = 1; id < index->slots.used; id++) {
		struct run *run = run_at(index, id);

		if (run && aibrix__cover_end(run) < run_len(run) &&
		    aibrix__kids_end(index, run) < run_len(run))
			return 0;
	}
	return 1;
}

static int
index_read(struct load *l, const void *bytes, uint64_t n)
{
	struct aibrix_index *index = l->index;
	int err;

	l->r = reader_on(bytes, (size_t)n);
	err = header_read(&l->r, n, &l->left);
	if (!err && l->left.places >= RUNS_MAX)
		err = AIBRIX_E_FULL;
	if (!err)
		err = owners_read(&l->r, index, l->left.owners);
	if (err)
		return err;
	/* Runs have numbers up to those of places, above the ones in use. */
	l->cap = (uint32_t)l->left.places + index->slots.used + 1;
	l->runs = aibrix__alloc(&index->mem.a, l->cap, 2 * sizeof(*l->runs));
	if (!l->runs)
		return AIBRIX_E_NOMEM;
	l->bases = l->runs + l->cap;
	while (!err && l->left.places)
		err = chain_read(l);
	aibrix__free(&index->mem.a, l->runs, l->cap, 2 * sizeof(*l->runs));
	if (!err && (l->left.names || l->left.holders || !index_whole(index)))
		err = AIBRIX_E_PARSE;
	return err;
}

int
aibrix_index_load(aibrix_index *index, const void *bytes, uint64_t n)
{
	int err = AIBRIX_E_STATE;

	if (!index || (n && !bytes))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	if (!index->stat.owners) {
		struct load load = {.index = index};

		aibrix__map_reset(index);
		err = index_read(&load, bytes, n);
		if (err)
			aibrix__index_empty(index);
	}
	pthread_mutex_unlock(&index->lock);
	return err;
}
