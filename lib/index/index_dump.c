/*
 * The whole index as bytes: owners, then places, parents first, each with
 * its names and holders.
 *
 * Runs do not show: a place is written as its parent's position in the dump.
 * Loading keeps the order and finds the runs again, where a chain that had
 * grown by pieces becomes one; the loaded index dumps the same bytes.
 */

#include "index/index_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/cpu.h"
#include "base/crc32c.h"
#include "index/dump.h"

struct dump {
	const struct aibrix_index *index;
	struct writer w;
	uint32_t *order; /* runs, parents first */
	uint32_t *base;  /* places before those of the run */
	uint32_t *first; /* alias of each block of a run */
	uint32_t *next;  /* the alias after that */
	uint32_t n_runs, len_max;
	void *memory;
	size_t bytes;
};

static uint64_t
dump_names(const struct aibrix_index *index)
{
	return index->places - index->unfiled + index->aliases.items.live;
}

static uint64_t
dump_bytes(const struct aibrix_index *index)
{
	return DUMP_HEADER + index->stat.owners * (uint64_t)DUMP_OWNER +
	       index->places * DUMP_PLACE + dump_names(index) * DUMP_NAME +
	       index->stat.held * DUMP_HOLDER + DUMP_CHECKSUM;
}

static void
header_write(struct writer *w, const struct aibrix_index *index)
{
	write_bytes(w, DUMP_MAGIC, 8);
	write_u32(w, DUMP_VERSION);
	write_u32(w, index->stat.owners);
	write_u64(w, dump_bytes(index));
	write_u64(w, index->places);
	write_u64(w, dump_names(index));
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
names_write(struct dump *d, const struct run *run, uint32_t off)
{
	int unfiled = run->unfiled && bit_get(run->unfiled, off);

	if (!unfiled) {
		write_u64(&d->w, run_engine(run)[off]);
		write_u32(&d->w, SHARED);
	}
	if (run->aliases == NONE)
		return;
	for (uint32_t id = d->first[off]; id != NONE; id = d->next[id]) {
		write_u64(&d->w, alias_at(d->index, id)->name);
		write_u32(&d->w, alias_at(d->index, id)->scope);
	}
}

static uint32_t
names_count(const struct dump *d, const struct run *run, uint32_t off)
{
	uint32_t n = !run->unfiled || !bit_get(run->unfiled, off);

	if (run->aliases == NONE)
		return n;
	for (uint32_t id = d->first[off]; id != NONE; id = d->next[id])
		n++;
	return n;
}

/* Which aliases each block of the run has, in the order of the run's. */
static void
aliases_sort(struct dump *d, const struct run *run)
{
	uint32_t last = run->aliases;

	if (last == NONE)
		return;
	memset(d->first, 0xff, run_len(run) * sizeof(*d->first)); /* NONE */
	while (alias_at(d->index, last)->run_next != NONE)
		last = alias_at(d->index, last)->run_next;
	for (uint32_t id = last; id != NONE;
	     id = alias_at(d->index, id)->run_prev) {
		uint32_t *first = &d->first[alias_at(d->index, id)->off];

		d->next[id] = *first;
		*first = id;
	}
}

/* Owners that may hold something of a run, ascending. */
struct owners {
	const struct run *run;
	const struct parts *parts;
	uint32_t bit, part; /* where each goes on */
};

static struct owners
owners_begin(const struct run *run)
{
	return (struct owners){run, run_parts(run), 0, 0};
}

/* NONE: no more. */
static uint32_t
owners_next(struct owners *o)
{
	uint32_t part = NONE;

	while (o->bit < INLINE_OWNERS && !cover_bit(o->run, o->bit))
		o->bit++;
	if (o->parts && o->part < o->parts->n)
		part = o->parts->at[o->part].owner;
	if (o->bit == INLINE_OWNERS || part < o->bit) {
		o->part++;
		return part;
	}
	/* With a bit and an entry that is gone: once. */
	o->part += part == o->bit;
	return o->bit++;
}

static uint32_t
holders_count(const struct run *run, uint32_t off)
{
	struct owners owners = owners_begin(run);
	uint32_t n = 0, owner;

	while ((owner = owners_next(&owners)) != NONE)
		n += (uint32_t)aibrix__cover_has(run, owner, AIBRIX_TIERS, off);
	return n;
}

static void
holders_write(struct dump *d, const struct run *run, uint32_t off)
{
	struct owners owners = owners_begin(run);
	uint32_t owner;

	while ((owner = owners_next(&owners)) != NONE) {
		if (!aibrix__cover_has(run, owner, AIBRIX_TIERS, off))
			continue;
		write_u32(&d->w, owner);
		for (uint32_t t = 0; t < AIBRIX_TIERS; t++) {
			uint32_t copies = 0;

			if (aibrix__cover_has(run, owner, t, off))
				copies = 1 + aibrix__extra_count(d->index, run,
								 off, owner, t);
			write_u32(&d->w, copies);
		}
	}
}

static void
run_write(struct dump *d, const struct run *run)
{
	uint32_t parent = 0, len = run_len(run);

	if (run->parent != d->index->root)
		parent = d->base[run->parent->id] + run->at;
	aliases_sort(d, run);
	for (uint32_t off = 0; off < len; off++) {
		write_u32(&d->w, parent);
		write_u32(&d->w, names_count(d, run, off));
		write_u32(&d->w, holders_count(run, off));
		write_u64(&d->w, run_content(run)[off]);
		names_write(d, run, off);
		holders_write(d, run, off);
		parent = d->base[run->id] + off + 1;
	}
}

/* Every run once, by number, but its ancestors before it. */
static void
runs_order(struct dump *d)
{
	const struct aibrix_index *index = d->index;
	uint32_t places = 0;

	memset(d->base, 0xff, index->slots.used * sizeof(*d->base));
	for (uint32_t id = 1; id < index->slots.used; id++) {
		const struct run *run = run_at(index, id);
		uint32_t missing = 0, at;

		while (run && run != index->root && d->base[run->id] == NONE) {
			missing++;
			run = run->parent;
		}
		d->n_runs += missing;
		run = run_at(index, id);
		for (at = d->n_runs; missing > 0; missing--) {
			d->order[--at] = run->id;
			d->base[run->id] = 0;
			run = run->parent;
		}
	}
	for (uint32_t i = 0; i < d->n_runs; i++) {
		d->base[d->order[i]] = places;
		places += run_len(run_at(index, d->order[i]));
	}
}

static int
dump_reserve(struct dump *d)
{
	const struct aibrix_index *index = d->index;
	size_t runs = index->slots.used, aliases = index->aliases.items.used;
	size_t len = 0;

	for (uint32_t id = 1; id < runs; id++)
		if (run_at(index, id) && run_len(run_at(index, id)) > len)
			len = run_len(run_at(index, id));
	d->bytes = 2 * runs + len + aliases;
	d->memory = aibrix__alloc(&index->mem.a, d->bytes, sizeof(uint32_t));
	if (!d->memory)
		return AIBRIX_E_NOMEM;
	d->order = d->memory;
	d->base = d->order + runs;
	d->first = d->base + runs;
	d->next = d->first + len;
	return AIBRIX_OK;
}

static int
index_dump(struct aibrix_index *index, void *out, uint64_t cap, uint64_t *n)
{
	uint64_t bytes = dump_bytes(index);
	struct dump d = {.index = index};
	int err;

	if (bytes > cap) {
		*n = bytes;
		return AIBRIX_E_SPACE;
	}
	err = dump_reserve(&d);
	if (err)
		return err;
	runs_order(&d);
	d.w = writer_on(out, (size_t)bytes);
	header_write(&d.w, index);
	for (uint32_t i = 0; i < d.n_runs; i++)
		run_write(&d, run_at(index, d.order[i]));
	write_u32(&d.w, aibrix__crc32c(aibrix__cpu(), 0, out,
				       (size_t)bytes - DUMP_CHECKSUM));
	aibrix__free(&index->mem.a, d.memory, d.bytes, sizeof(uint32_t));
	*n = bytes;
	return AIBRIX_OK;
}

int
aibrix_index_dump(aibrix_index *index, void *out, uint64_t cap, uint64_t *n)
{
	int err;

	if (!index || !n || (cap && !out))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&index->lock);
	err = index_dump(index, out, cap, n);
	pthread_mutex_unlock(&index->lock);
	return err;
}
