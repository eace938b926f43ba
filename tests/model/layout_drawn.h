/* What layout_program.h plays with, drawn from a seed or from bytes, and where
 * each vector of it lies: by the formulas, without strides or runs. */
#ifndef TESTS_LAYOUT_DRAWN_H
#define TESTS_LAYOUT_DRAWN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/layout.h>

#include "choices.h"

enum {
	DRAWN_LAYERS = 4, /* of the model */
	DRAWN_HEADS = 4,
	RUNS = 4096,
	REGIONS = 2 * DRAWN_LAYERS,
	REGION_BYTES = 1 << 17,
	BLOCKS = 8,
	BLOCK_BYTES = 1 << 14,
	SLOTS = 36
};

struct drawn {
	aibrix_layout_spec spec;
	aibrix_layout_engine engine;
	aibrix_layout_box box;
	uint32_t parts, vector;    /* vector: bytes */
	uint32_t order[5], pad[5]; /* of the engine, slowest first */
	uint32_t extent[5];        /* block, layer, part, token, head */
	int64_t slots[SLOTS];
	uint32_t tokens;
};

struct play {
	struct drawn d;
	aibrix_layout_run runs[RUNS], again[RUNS];
	uint8_t blocks[BLOCKS][BLOCK_BYTES];
	uint8_t want_blocks[BLOCKS][BLOCK_BYTES];
	uint8_t regions[REGIONS][REGION_BYTES];
	uint8_t want_regions[REGIONS][REGION_BYTES];
	uint32_t wrong; /* the line of the first broken rule */
	int lies;       /* of K and V: planted */
	struct choices choices;
	uint64_t moved; /* bytes */
};

#define RULE(p, x)                                                             \
	do {                                                                   \
		if (!(x) && !(p)->wrong)                                       \
			(p)->wrong = __LINE__;                                 \
	} while (0)

static void
draw_range(struct play *p, uint32_t n, uint32_t *first, uint32_t *count)
{
	*first = draw(&p->choices, n);
	*count = 1 + draw(&p->choices, n - *first);
}

static void
draw_spec(struct play *p)
{
	static const uint32_t bits[] = {0, 8, 4, 32};
	aibrix_layout_spec *s = &p->d.spec;

	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	s->layout = draw(&p->choices, 3);
	s->flags = draw(&p->choices, 4) ? 0 : AIBRIX_LAYOUT_LATENT;
	s->block_tokens = 1 + draw(&p->choices, 6);
	draw_range(p, DRAWN_LAYERS, &s->layer_first, &s->layers);
	if (!s->flags)
		draw_range(p, DRAWN_HEADS, &s->head_first, &s->heads);
	s->element_bits = bits[draw(&p->choices, 4)];
	s->head_size = 2 * (1 + draw(&p->choices, 6));
	s->head_aux_bytes = draw(&p->choices, 2) * 3;
	s->block_aux_bytes = draw(&p->choices, 2) * 5;
	p->d.parts = s->flags ? 1 : 2;
	p->d.vector =
		s->head_size * (s->element_bits ? s->element_bits : 16) / 8 +
		s->head_aux_bytes;
}

/* Byte of a vector in a block, by the formula of each layout; ids. */
static uint64_t
block_byte(const aibrix_layout_spec *s, uint32_t l, uint32_t c, uint32_t t,
	   uint32_t h, uint32_t vector)
{
	uint64_t parts = s->flags ? 1 : 2, heads = s->flags ? 1 : s->heads;

	l -= s->layer_first;
	h -= s->head_first;
	switch (s->layout) {
	case AIBRIX_LAYOUT_LCND:
		return (((l * parts + c) * s->block_tokens + t) * heads + h) *
		       vector;
	case AIBRIX_LAYOUT_NCLD:
		return (((t * parts + c) * s->layers + l) * heads + h) * vector;
	default:
		return (((h * (uint64_t)s->layers + l) * parts + c) *
				s->block_tokens +
			t) *
		       vector;
	}
}

/* Whether a dimension is one of regions. */
static int
is_region(const aibrix_layout_engine *e, uint32_t dim)
{
	return (dim == 1 && (e->flags & AIBRIX_LAYOUT_LAYER_REGIONS)) ||
	       (dim == 2 && (e->flags & AIBRIX_LAYOUT_PART_REGIONS));
}

static void
draw_engine(struct play *p)
{
	struct drawn *d = &p->d;
	aibrix_layout_engine *e = &d->engine;
	uint64_t *stride[5] = {&e->block_stride, &e->layer_stride,
			       &e->part_stride, &e->token_stride,
			       &e->head_stride};
	uint64_t bytes = d->vector;

	memset(e, 0, sizeof(*e));
	e->size = sizeof(*e);
	e->flags = draw(&p->choices, 4);
	e->blocks = 1 + draw(&p->choices, 6);
	e->block_tokens = draw(&p->choices, 2) ? d->spec.block_tokens
					       : 1 + draw(&p->choices, 5);
	draw_range(p, DRAWN_LAYERS, &e->layer_first, &e->layers);
	if (draw(&p->choices, 2)) {
		e->layer_first = d->spec.layer_first;
		e->layers = d->spec.layers;
	}
	if (!d->spec.flags) {
		draw_range(p, DRAWN_HEADS, &e->head_first, &e->heads);
		if (draw(&p->choices, 2)) {
			e->head_first = d->spec.head_first;
			e->heads = d->spec.heads;
		}
	}
	d->extent[0] = e->blocks;
	d->extent[1] = e->layers;
	d->extent[2] = d->parts;
	d->extent[3] = e->block_tokens;
	d->extent[4] = d->spec.flags ? 1 : e->heads;
	for (uint32_t i = 0; i < 5; i++) {
		uint32_t k = draw(&p->choices, i + 1);

		d->order[i] = d->order[k];
		d->order[k] = i;
		d->pad[i] = draw(&p->choices, 8) ? 0 : draw(&p->choices, 3);
	}
	if (draw(&p->choices, 3) == 0) /* as the block is, if that is LCND */
		for (uint32_t i = 0; i < 5; i++)
			d->order[i] = i;
	for (uint32_t i = 5; i-- > 0;) {
		uint32_t dim = d->order[i];

		if (is_region(e, dim))
			continue;
		bytes += d->pad[i];
		*stride[dim] = bytes;
		bytes *= d->extent[dim];
	}
	e->region_bytes = bytes;
}

/* Where a vector is in the engine: index by index through its dimensions,
 * from the fastest, ids. */
static uint8_t *
engine_at(struct play *p, uint8_t (*regions)[REGION_BYTES], uint32_t l,
	  uint32_t c, uint64_t slot, uint32_t h)
{
	const struct drawn *d = &p->d;
	const aibrix_layout_engine *e = &d->engine;
	uint32_t index[5] = {
		(uint32_t)(slot / e->block_tokens), l - e->layer_first, c,
		(uint32_t)(slot % e->block_tokens), h - e->head_first};
	uint32_t region = 0;
	uint64_t bytes = d->vector, at = 0;

	if (p->lies && d->parts == 2)
		index[2] = 1 - c;
	if (is_region(e, 1))
		region = index[1] * (is_region(e, 2) ? d->parts : 1);
	if (is_region(e, 2))
		region += index[2];
	for (uint32_t i = 5; i-- > 0;) {
		if (is_region(e, d->order[i]))
			continue;
		bytes += d->pad[i];
		at += index[d->order[i]] * bytes;
		bytes *= d->extent[d->order[i]];
	}
	return regions[region] + at;
}

/* Slots each once: in order, in any order, with holes. */
static void
draw_slots(struct play *p)
{
	struct drawn *d = &p->d;
	uint32_t all = d->engine.blocks * d->engine.block_tokens;
	uint32_t how = draw(&p->choices, 3), i;
	int64_t swap;

	for (i = 0; i < all; i++)
		d->slots[i] = i;
	for (i = 0; how && i < all; i++) {
		uint32_t k = i + draw(&p->choices, all - i);

		if (how == 1 && draw(&p->choices, 4))
			continue;
		swap = d->slots[i];
		d->slots[i] = d->slots[k];
		d->slots[k] = swap;
	}
	d->tokens = draw(&p->choices, all + 1);
	if (d->tokens > BLOCKS * d->spec.block_tokens)
		d->tokens = BLOCKS * d->spec.block_tokens;
	for (i = 0; i < d->tokens; i++)
		if (draw(&p->choices, 6) == 0)
			d->slots[i] = -1 - (int64_t)draw(&p->choices, 2);
}

static void
draw_box(struct play *p, const aibrix_layout_spec *s)
{
	aibrix_layout_box *b = &p->d.box;
	uint32_t heads = s->flags ? 1 : s->heads;

	draw_range(p, s->layers, &b->layer_first, &b->layers);
	draw_range(p, p->d.parts, &b->part_first, &b->parts);
	draw_range(p, s->block_tokens, &b->token_first, &b->tokens);
	draw_range(p, heads, &b->head_first, &b->heads);
	b->layer_first += s->layer_first;
	b->head_first += s->head_first;
}

static int
in(uint32_t x, uint32_t first, uint32_t count)
{
	return x >= first && x - first < count;
}

/* A vector of a model that is drawn. */
struct vector {
	uint32_t l, c, t, h;
};

/* All of them, one after the other, for t below tokens. */
static uint32_t
vectors_count(const struct drawn *d, uint32_t tokens)
{
	return DRAWN_LAYERS * d->parts * tokens * DRAWN_HEADS;
}

static struct vector
vector_at(const struct drawn *d, uint32_t i)
{
	struct vector v = {.h = i % DRAWN_HEADS};

	v.l = i / DRAWN_HEADS % DRAWN_LAYERS;
	v.c = i / DRAWN_HEADS / DRAWN_LAYERS % d->parts;
	v.t = i / DRAWN_HEADS / DRAWN_LAYERS / d->parts;
	return v;
}

static int
in_box(const aibrix_layout_box *b, struct vector v)
{
	return in(v.l, b->layer_first, b->layers) &&
	       in(v.c, b->part_first, b->parts) &&
	       in(v.t, b->token_first, b->tokens) &&
	       in(v.h, b->head_first, b->heads);
}

static int
in_spec(const aibrix_layout_spec *s, uint32_t l, uint32_t h)
{
	return in(l, s->layer_first, s->layers) &&
	       in(h, s->head_first, s->flags ? 1 : s->heads);
}

static int
in_engine(const aibrix_layout_engine *e, uint32_t latent, uint32_t l,
	  uint32_t h)
{
	return in(l, e->layer_first, e->layers) &&
	       in(h, e->head_first, latent ? 1 : e->heads);
}

#endif
