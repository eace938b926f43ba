/*
 * What a dump of the block index says, whatever order its writer kept:
 * places are told apart by their path, names and holders are summed up.
 * The form is version 1 of doc/modules/index.md.
 */
#ifndef MODEL_DUMP_VIEW_H
#define MODEL_DUMP_VIEW_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rand.h"

/* A place: its path, and all that is filed there. */
struct dumped {
	uint64_t path, content;
};

struct dump_view {
	uint64_t owners; /* digest of numbers and ignored groups */
	uint64_t n;
	struct dumped *places; /* ascending by path */
};

static inline uint64_t
dump_mix(uint64_t a, uint64_t b)
{
	return mix64(a * 0x9e3779b97f4a7c15u + mix64(b + 1));
}

static inline int
dumped_order(const void *a, const void *b)
{
	const struct dumped *x = a, *y = b;

	return (x->path > y->path) - (x->path < y->path);
}

/* One place; paths: of the places before it, from 1. */
static inline struct dumped
dumped_read(struct reader *r, const uint64_t *paths, uint64_t before)
{
	uint32_t parent = read_u32(r), names = read_u32(r);
	uint32_t holders = read_u32(r);
	struct dumped d = {0};

	if (parent > before)
		r->ok = 0;
	d.path = dump_mix(r->ok ? paths[parent] : 0, read_u64(r));
	for (uint32_t i = 0; r->ok && i < names; i++) {
		uint64_t name = read_u64(r);

		d.content += dump_mix(name, read_u32(r)); /* in any order */
	}
	for (uint32_t i = 0; r->ok && i < holders; i++)
		for (uint32_t t = 0; t < 5; t++)
			d.content = dump_mix(d.content, read_u32(r));
	return d;
}

/* 0: not a dump of version 1.  places is the caller's to free. */
static inline int
dump_view_read(struct dump_view *view, const uint8_t *bytes, uint64_t n)
{
	struct reader r = reader_on(bytes, (size_t)n - 4);
	const uint8_t *magic = read_bytes(&r, 8);
	uint32_t version = read_u32(&r), owners = read_u32(&r);
	uint64_t *paths;

	memset(view, 0, sizeof(*view));
	if (!r.ok || memcmp(magic, "AIBXINDX", 8) != 0 || version != 1)
		return 0;
	read_u64(&r);
	view->n = read_u64(&r);
	read_u64(&r);
	read_u64(&r);
	for (uint32_t i = 0; i < owners; i++)
		for (int part = 0; part < 2; part++)
			view->owners = dump_mix(view->owners, read_u64(&r));
	if (!r.ok || view->n > n)
		return 0;
	view->places = calloc((size_t)view->n + 1, sizeof(*view->places));
	paths = calloc((size_t)view->n + 1, sizeof(*paths));
	if (!view->places || !paths)
		abort();
	for (uint64_t i = 0; r.ok && i < view->n; i++) {
		view->places[i] = dumped_read(&r, paths, i);
		paths[i + 1] = view->places[i].path;
	}
	free(paths);
	qsort(view->places, (size_t)view->n, sizeof(*view->places),
	      dumped_order);
	return r.ok && r.at == r.end;
}

static inline int
dump_views_equal(const struct dump_view *a, const struct dump_view *b)
{
	return a->owners == b->owners && a->n == b->n &&
	       memcmp(a->places, b->places,
		      (size_t)a->n * sizeof(*a->places)) == 0;
}

#endif
