/*
 * Layouts against five loops.  A model, an engine's memory (any order of
 * dimensions, any padding, one region or several), slots and a box are drawn
 * from a seed, or from bytes; runs are computed, moved both ways and compared
 * with what the loops move vector by vector, bytes around it included.
 *
 * Whatever was drawn: runs ascend, none could be longer, and cutting the
 * caller's array anywhere yields the same runs.
 */
#ifndef TESTS_LAYOUT_PROGRAM_H
#define TESTS_LAYOUT_PROGRAM_H

#include "layout_drawn.h"

static void
check_runs(struct play *p, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		const aibrix_layout_run *a = &p->runs[i - 1];
		const aibrix_layout_run *b = &p->runs[i];
		uint64_t end = a->block_offset + a->bytes;

		RULE(p, a->block < b->block || (a->block == b->block &&
						end <= b->block_offset));
		RULE(p, a->block != b->block || end != b->block_offset ||
				a->region != b->region ||
				a->other_offset + a->bytes != b->other_offset);
	}
}

enum { RUNS_BOX, RUNS_COPY, RUNS_COPY_ALL, RUNS_MAP };

static int
runs_call(struct play *p, uint32_t kind, const aibrix_layout_spec *from,
	  uint64_t *at, aibrix_layout_run *runs, uint32_t cap, uint32_t *n)
{
	struct drawn *d = &p->d;

	switch (kind) {
	case RUNS_BOX:
		return aibrix_layout_runs(&d->spec, &d->box, at, runs, cap, n);
	case RUNS_MAP:
		return aibrix_layout_map_runs(&d->spec, from, NULL, at, runs,
					      cap, n);
	default:
		return aibrix_layout_copy_runs(
			&d->spec, &d->engine,
			kind == RUNS_COPY ? &d->box : NULL, d->slots, d->tokens,
			at, runs, cap, n);
	}
}

/* All at once, then in pieces: the same.  The number of runs. */
static uint32_t
runs_get(struct play *p, uint32_t kind, const aibrix_layout_spec *from)
{
	uint32_t n = 0, all = 0, piece;
	uint64_t at = 0;

	RULE(p, runs_call(p, kind, from, &at, p->runs, RUNS, &n) == AIBRIX_OK);
	RULE(p, at == AIBRIX_LAYOUT_END);
	check_runs(p, n);
	for (at = 0; at != AIBRIX_LAYOUT_END && !p->wrong; all += piece) {
		RULE(p,
		     runs_call(p, kind, from, &at, p->again + all,
			       1 + draw(&p->choices, 3), &piece) == AIBRIX_OK);
		RULE(p, all + piece <= n);
	}
	RULE(p, all == n &&
			memcmp(p->runs, p->again, n * sizeof(p->runs[0])) == 0);
	return p->wrong ? 0 : n;
}

static void
fill(struct play *p, void *to, size_t n)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(rand_next(&p->choices.rand) >> 32);
}

/* A box of one block: the loops mark what it has. */
static void
play_box(struct play *p)
{
	const struct drawn *d = &p->d;
	const aibrix_layout_spec *s = &d->spec;
	uint64_t sum = 0;
	uint32_t n;

	n = runs_get(p, RUNS_BOX, NULL);
	memset(p->blocks[0], 0, BLOCK_BYTES);
	memset(p->blocks[1], 0, BLOCK_BYTES);
	for (uint32_t i = 0; i < n; i++) {
		RULE(p, p->runs[i].other_offset == sum);
		sum += p->runs[i].bytes;
		memset(p->blocks[0] + p->runs[i].block_offset, 1,
		       p->runs[i].bytes);
	}
	for (uint32_t i = 0; i < vectors_count(d, s->block_tokens); i++) {
		struct vector v = vector_at(d, i);

		if (in_box(&d->box, v))
			memset(p->blocks[1] + block_byte(s, v.l, v.c, v.t, v.h,
							 d->vector),
			       1, d->vector);
	}
	RULE(p, memcmp(p->blocks[0], p->blocks[1], BLOCK_BYTES) == 0);
}

/* Vector by vector: token, part, layer, head, byte. */
static void
naive_copy(struct play *p, int boxed, int to_blocks)
{
	const struct drawn *d = &p->d;
	const aibrix_layout_spec *s = &d->spec;

	for (uint32_t i = 0; i < vectors_count(d, d->tokens); i++) {
		struct vector v = vector_at(d, i);
		uint32_t token = v.t;
		uint8_t *a, *b;

		v.t = token % s->block_tokens;
		if (d->slots[token] < 0 || !in_spec(s, v.l, v.h) ||
		    !in_engine(&d->engine, s->flags, v.l, v.h) ||
		    (boxed && !in_box(&d->box, v)))
			continue;
		a = p->want_blocks[token / s->block_tokens] +
		    block_byte(s, v.l, v.c, v.t, v.h, d->vector);
		b = engine_at(p, p->want_regions, v.l, v.c,
			      (uint64_t)d->slots[token], v.h);
		memcpy(to_blocks ? a : b, to_blocks ? b : a, d->vector);
		p->moved += d->vector;
	}
}

static void
play_copy(struct play *p, int boxed)
{
	void *block[BLOCKS], *region[REGIONS];
	aibrix_layout_memory m = {.size = sizeof(m),
				  .blocks = BLOCKS,
				  .regions = REGIONS,
				  .block_bytes = BLOCK_BYTES,
				  .region_bytes = p->d.engine.region_bytes,
				  .block = block,
				  .region = region};
	uint32_t n = runs_get(p, boxed ? RUNS_COPY : RUNS_COPY_ALL, NULL);

	for (uint32_t i = 0; i < BLOCKS; i++)
		block[i] = p->blocks[i];
	for (uint32_t i = 0; i < REGIONS; i++) {
		region[i] = p->regions[i];
		fill(p, p->regions[i], m.region_bytes);
		memcpy(p->want_regions[i], p->regions[i], m.region_bytes);
	}
	memset(p->blocks, 0xee, sizeof(p->blocks));
	memset(p->want_blocks, 0xee, sizeof(p->want_blocks));
	RULE(p, aibrix_layout_gather(&m, p->runs, n) == AIBRIX_OK);
	naive_copy(p, boxed, 1);
	RULE(p, memcmp(p->blocks, p->want_blocks, sizeof(p->blocks)) == 0);

	for (uint32_t i = 0; i < BLOCKS; i++) {
		fill(p, p->blocks[i], BLOCK_BYTES / 8);
		memcpy(p->want_blocks[i], p->blocks[i], BLOCK_BYTES);
	}
	RULE(p, aibrix_layout_scatter(&m, p->runs, n) == AIBRIX_OK);
	naive_copy(p, boxed, 0);
	for (uint32_t i = 0; i < REGIONS; i++)
		RULE(p, memcmp(p->regions[i], p->want_regions[i],
			       m.region_bytes) == 0);
}

static void
naive_map(struct play *p, const aibrix_layout_spec *from)
{
	const struct drawn *d = &p->d;
	const aibrix_layout_spec *to = &d->spec;

	for (uint32_t i = 0; i < vectors_count(d, to->block_tokens); i++) {
		struct vector v = vector_at(d, i);

		if (in_spec(to, v.l, v.h) && in_spec(from, v.l, v.h))
			memcpy(p->want_blocks[0] + block_byte(to, v.l, v.c, v.t,
							      v.h, d->vector),
			       p->regions[0] + block_byte(from, v.l, v.c, v.t,
							  v.h, d->vector),
			       d->vector);
	}
}

static void
play_map(struct play *p)
{
	aibrix_layout_spec from = p->d.spec;
	void *block = p->blocks[0], *region = p->regions[0];
	aibrix_layout_memory m = {.size = sizeof(m),
				  .blocks = 1,
				  .regions = 1,
				  .block_bytes = BLOCK_BYTES,
				  .region_bytes = REGION_BYTES,
				  .block = &block,
				  .region = &region};
	uint32_t n;

	from.layout = draw(&p->choices, 3);
	from.block_aux_bytes = p->d.spec.block_aux_bytes = 0;
	draw_range(p, DRAWN_LAYERS, &from.layer_first, &from.layers);
	if (!from.flags)
		draw_range(p, DRAWN_HEADS, &from.head_first, &from.heads);
	n = runs_get(p, RUNS_MAP, &from);
	fill(p, p->regions[0], BLOCK_BYTES);
	memset(p->blocks[0], 0xee, BLOCK_BYTES);
	memset(p->want_blocks[0], 0xee, BLOCK_BYTES);
	RULE(p, aibrix_layout_gather(&m, p->runs, n) == AIBRIX_OK);
	naive_map(p, &from);
	RULE(p, memcmp(p->blocks[0], p->want_blocks[0], BLOCK_BYTES) == 0);
}

/* 0, or the line of the rule that was broken. */
static uint32_t
program_run(struct play *p)
{
	aibrix_layout_size size = {.size = sizeof(size)};
	uint64_t all;

	draw_spec(p);
	draw_engine(p);
	draw_slots(p);
	draw_box(p, &p->d.spec);
	RULE(p, aibrix_layout_sizes(&p->d.spec, &size) == AIBRIX_OK);
	all = (uint64_t)p->d.vector * p->d.parts * p->d.spec.layers *
	      p->d.spec.block_tokens * (p->d.spec.flags ? 1 : p->d.spec.heads);
	RULE(p, size.payload_bytes == all);
	RULE(p, size.block_bytes == all + p->d.spec.block_aux_bytes);
	play_box(p);
	play_copy(p, 0);
	/* A box that leaves the engine is a wrong call. */
	if (in_engine(&p->d.engine, p->d.spec.flags, p->d.box.layer_first,
		      p->d.box.head_first) &&
	    in_engine(&p->d.engine, p->d.spec.flags,
		      p->d.box.layer_first + p->d.box.layers - 1,
		      p->d.box.head_first + p->d.box.heads - 1))
		play_copy(p, 1);
	play_map(p);
	return p->wrong;
}

#endif
