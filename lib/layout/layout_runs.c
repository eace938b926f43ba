/*
 * Runs: what is contiguous on both sides of a copy.
 *
 * A nest of at most four loops, in the order of the block, walks what is to
 * be moved.  Two things keep it from visiting single vectors:
 *
 *   - inner loops whose strides on both sides continue what is within them
 *     are no loops: they make the unit longer (all heads of a token, say);
 *   - where the innermost loop left is that of the tokens, neighbouring slots
 *     are one step.
 *
 * What still touches the run before it is joined to it when it is written,
 * so that runs are as long as can be even where neither applies.  2048
 * tokens of 32 layers in an engine with K and V apart take 64 steps for each
 * block this way, not 64 times tokens times heads.
 *
 * A cursor is the number of units before the place where to go on.  It stops
 * in front of a unit that does not touch the last run, so that no run is cut
 * by the end of the caller's array.
 */

#include "layout/layout_internal.h"

#include <string.h>

struct loop {
	uint64_t block_stride, other_stride;
	uint32_t extent, region_step;
};

struct nest {
	struct loop loop[DIMS]; /* slowest first */
	uint32_t loops;
	uint32_t token_loop; /* with slots; else DIMS */
	int slots_join;      /* neighbouring slots are one step */
	uint64_t unit;       /* bytes */
	uint64_t block_base, other_base;
	uint32_t blocks;
	uint64_t total; /* units of all blocks */
	/* one last run, behind the vectors */
	uint64_t tail_bytes, tail_block, tail_other;
	/* with slots */
	const int64_t *slots;
	uint64_t tokens;
	uint32_t block_tokens, token_first, region_base;
	uint64_t engine_tokens, engine_stride;
};

/* The other side as the nest sees it. */
struct other {
	uint64_t stride[DIMS];
	uint32_t first[DIMS];
	uint32_t region_step[DIMS];
	int has_slots;
};

struct output {
	aibrix_layout_run *runs;
	uint32_t cap, n;
};

static uint32_t
loop_add(struct nest *n, uint64_t block_stride, uint64_t other_stride,
	 uint32_t extent, uint32_t region_step)
{
	n->loop[n->loops] =
		(struct loop){block_stride, other_stride, extent, region_step};
	return n->loops++;
}

/* A dimension of regions has no stride, so that it is never joined. */
static void
loops_join(struct nest *n)
{
	while (n->loops > 0 && n->token_loop != n->loops - 1) {
		const struct loop *l = &n->loop[n->loops - 1];

		if (l->block_stride != n->unit || l->other_stride != n->unit)
			return;
		n->unit *= l->extent;
		n->loops--;
	}
	if (n->loops > 0)
		n->slots_join = n->loop[n->loops - 1].block_stride == n->unit &&
				n->loop[n->loops - 1].other_stride == n->unit;
}

/* Over first[d] .. first[d] + extent[d]; extents are above 0. */
static void
nest_begin(struct nest *n, const struct shape *s, const struct other *o,
	   const uint32_t *first, const uint32_t *extent)
{
	memset(n, 0, sizeof(*n));
	n->token_loop = DIMS;
	n->blocks = 1;
	n->unit = s->vector_bytes;
	for (uint32_t i = 0; i < DIMS; i++) {
		uint32_t d = s->order[i];
		int slots = d == DIM_TOKEN && o->has_slots;

		n->block_base +=
			(uint64_t)(first[d] - s->first[d]) * s->stride[d];
		if (!slots) {
			n->other_base += (uint64_t)(first[d] - o->first[d]) *
					 o->stride[d];
			n->region_base +=
				(first[d] - o->first[d]) * o->region_step[d];
		}
		if (slots)
			n->token_loop = loop_add(n, s->stride[d], o->stride[d],
						 extent[d], 0);
		else if (extent[d] > 1)
			loop_add(n, s->stride[d], o->stride[d], extent[d],
				 o->region_step[d]);
	}
	loops_join(n);
	n->total = 1;
	for (uint32_t i = 0; i < n->loops; i++)
		n->total *= n->loop[i].extent;
}

/* Returns 0 when the array is full. */
static int
output_add(struct output *out, const aibrix_layout_run *run)
{
	aibrix_layout_run *last = out->n ? &out->runs[out->n - 1] : NULL;

	if (last && last->block == run->block && last->region == run->region &&
	    last->block_offset + last->bytes == run->block_offset &&
	    last->other_offset + last->bytes == run->other_offset) {
		last->bytes += run->bytes;
		return 1;
	}
	if (out->n == out->cap)
		return 0;
	out->runs[out->n++] = *run;
	return 1;
}

/* Digits of a place in the nest, and its block. */
static uint32_t
place_at(const struct nest *n, uint64_t at, uint32_t *digit)
{
	for (uint32_t i = n->loops; i-- > 0;) {
		digit[i] = (uint32_t)(at % n->loop[i].extent);
		at /= n->loop[i].extent;
	}
	return (uint32_t)at;
}

static void
place_next(const struct nest *n, uint32_t steps, uint32_t *digit,
	   uint32_t *block)
{
	uint32_t i = n->loops;

	for (; i > 0; i--, steps = 1) {
		digit[i - 1] += steps;
		if (digit[i - 1] < n->loop[i - 1].extent)
			return;
		digit[i - 1] = 0;
	}
	++*block;
}

/* How many tokens from here on lie in slots one after the other, within the
 * engine's block and the nest's. */
static uint32_t
slots_count(const struct nest *n, uint64_t token, uint32_t most)
{
	uint64_t slot = (uint64_t)n->slots[token];
	uint64_t room = n->engine_tokens - slot % n->engine_tokens;
	uint32_t k = 1;

	if (most > n->tokens - token)
		most = (uint32_t)(n->tokens - token);
	if (most > room)
		most = (uint32_t)room;
	while (k < most && n->slots[token + k] == (int64_t)(slot + k))
		k++;
	return k;
}

/* Where the place is on both sides, and how many steps of the innermost loop
 * are one; run->bytes is 0 where nothing is moved. */
static uint32_t
place_run(const struct nest *n, const uint32_t *digit, uint32_t block,
	  aibrix_layout_run *run)
{
	uint64_t token, slot;
	uint32_t most, k = 1;

	*run = (aibrix_layout_run){.block_offset = n->block_base,
				   .other_offset = n->other_base,
				   .bytes = n->unit,
				   .block = block,
				   .region = n->region_base};
	for (uint32_t i = 0; i < n->loops; i++) {
		run->block_offset += digit[i] * n->loop[i].block_stride;
		run->region += digit[i] * n->loop[i].region_step;
		if (i != n->token_loop)
			run->other_offset += digit[i] * n->loop[i].other_stride;
	}
	if (n->token_loop == DIMS)
		return 1;
	token = (uint64_t)block * n->block_tokens + n->token_first +
		digit[n->token_loop];
	if (token >= n->tokens || n->slots[token] < 0) {
		run->bytes = 0;
		return 1;
	}
	slot = (uint64_t)n->slots[token];
	run->other_offset +=
		slot / n->engine_tokens * n->engine_stride +
		slot % n->engine_tokens * n->loop[n->token_loop].other_stride;
	if (n->slots_join && n->token_loop == n->loops - 1) {
		most = n->loop[n->token_loop].extent - digit[n->token_loop];
		k = slots_count(n, token, most);
		run->bytes *= k;
	}
	return k;
}

static uint64_t
nest_walk(const struct nest *n, uint64_t at, struct output *out)
{
	uint32_t digit[DIMS] = {0}, block, k;
	aibrix_layout_run run;

	block = place_at(n, at, digit);
	while (at < n->total) {
		k = place_run(n, digit, block, &run);
		if (run.bytes && !output_add(out, &run))
			return at;
		place_next(n, k, digit, &block);
		at += k;
	}
	if (n->tail_bytes) {
		run = (aibrix_layout_run){.block_offset = n->tail_block,
					  .other_offset = n->tail_other,
					  .bytes = n->tail_bytes};
		if (!output_add(out, &run))
			return at;
	}
	return AIBRIX_LAYOUT_END;
}

static int
nest_write(const struct nest *n, uint64_t *at, struct output *out,
	   uint32_t *count)
{
	if (*at != AIBRIX_LAYOUT_END) {
		if (*at > n->total ||
		    (*at == n->total && *at && !n->tail_bytes))
			return AIBRIX_E_INVAL;
		*at = nest_walk(n, *at, out);
	}
	*count = out->n;
	return AIBRIX_OK;
}

static int
output_is_valid(const struct output *out, const uint64_t *at, const uint32_t *n)
{
	return out->runs && out->cap > 0 && at && n;
}

static int
box_is_within(const aibrix_layout_box *b, const struct shape *s)
{
	return range_within(b->layer_first, b->layers, s->first[DIM_LAYER],
			    s->extent[DIM_LAYER]) &&
	       range_within(b->part_first, b->parts, 0, s->extent[DIM_PART]) &&
	       range_within(b->token_first, b->tokens, 0,
			    s->extent[DIM_TOKEN]) &&
	       range_within(b->head_first, b->heads, s->first[DIM_HEAD],
			    s->extent[DIM_HEAD]);
}

static void
box_load(const aibrix_layout_box *b, uint32_t *first, uint32_t *extent)
{
	first[DIM_LAYER] = b->layer_first;
	first[DIM_PART] = b->part_first;
	first[DIM_TOKEN] = b->token_first;
	first[DIM_HEAD] = b->head_first;
	extent[DIM_LAYER] = b->layers;
	extent[DIM_PART] = b->parts;
	extent[DIM_TOKEN] = b->tokens;
	extent[DIM_HEAD] = b->heads;
}

/* Narrow first, extent to what the other side holds; 0: nothing. */
static int
ranges_narrow(uint32_t *first, uint32_t *extent, const uint32_t *first1,
	      const uint32_t *extent1)
{
	range_narrow(&first[DIM_LAYER], &extent[DIM_LAYER], first1[DIM_LAYER],
		     extent1[DIM_LAYER]);
	range_narrow(&first[DIM_HEAD], &extent[DIM_HEAD], first1[DIM_HEAD],
		     extent1[DIM_HEAD]);
	return extent[DIM_LAYER] > 0 && extent[DIM_HEAD] > 0;
}

int
aibrix_layout_runs(const aibrix_layout_spec *spec, const aibrix_layout_box *box,
		   uint64_t *at, aibrix_layout_run *runs, uint32_t cap,
		   uint32_t *n)
{
	struct output out = {runs, cap, 0};
	uint32_t first[DIMS], extent[DIMS];
	struct other other = {0};
	struct nest nest = {0};
	struct shape s;
	uint64_t bytes;
	int err;

	if (!output_is_valid(&out, at, n))
		return AIBRIX_E_INVAL;
	err = aibrix__layout_shape(spec, &s);
	if (err)
		return err;
	if (!box) {
		nest.tail_bytes = s.block_bytes;
		return nest_write(&nest, at, &out, n);
	}
	if (!box_is_within(box, &s))
		return AIBRIX_E_INVAL;
	box_load(box, first, extent);
	memcpy(other.first, first, sizeof(first));
	bytes = s.vector_bytes;
	for (int i = DIMS - 1; i >= 0; i--) {
		other.stride[s.order[i]] = bytes;
		bytes *= extent[s.order[i]];
	}
	nest_begin(&nest, &s, &other, first, extent);
	return nest_write(&nest, at, &out, n);
}

static int
slots_are_valid(const int64_t *slots, uint32_t tokens, uint64_t limit)
{
	for (uint32_t i = 0; i < tokens; i++)
		if (slots[i] >= 0 && (uint64_t)slots[i] >= limit)
			return 0;
	return 1;
}

int
aibrix_layout_copy_runs(const aibrix_layout_spec *spec,
			const aibrix_layout_engine *engine,
			const aibrix_layout_box *box, const int64_t *slots,
			uint32_t tokens, uint64_t *at, aibrix_layout_run *runs,
			uint32_t cap, uint32_t *n)
{
	struct output out = {runs, cap, 0};
	uint32_t first[DIMS], extent[DIMS];
	struct other other = {.has_slots = 1};
	struct nest nest = {0};
	struct memory m;
	struct shape s;
	int err;

	if (!output_is_valid(&out, at, n) || (!slots && tokens > 0))
		return AIBRIX_E_INVAL;
	err = aibrix__layout_shape(spec, &s);
	if (!err)
		err = aibrix__layout_memory(engine, &s, &m);
	if (err)
		return err;
	if (!slots_are_valid(slots, tokens, m.slots))
		return AIBRIX_E_INVAL;
	memcpy(first, s.first, sizeof(first));
	memcpy(extent, s.extent, sizeof(extent));
	if (box) {
		if (!box_is_within(box, &s) ||
		    !range_within(box->layer_first, box->layers,
				  m.first[DIM_LAYER], m.extent[DIM_LAYER]) ||
		    !range_within(box->head_first, box->heads,
				  m.first[DIM_HEAD], m.extent[DIM_HEAD]))
			return AIBRIX_E_INVAL;
		box_load(box, first, extent);
	}
	if (ranges_narrow(first, extent, m.first, m.extent) && tokens > 0) {
		memcpy(other.stride, m.stride, sizeof(other.stride));
		memcpy(other.first, m.first, sizeof(other.first));
		memcpy(other.region_step, m.region_step,
		       sizeof(other.region_step));
		nest_begin(&nest, &s, &other, first, extent);
		nest.slots = slots;
		nest.tokens = tokens;
		nest.block_tokens = s.extent[DIM_TOKEN];
		nest.token_first = first[DIM_TOKEN];
		nest.engine_tokens = m.extent[DIM_TOKEN];
		nest.engine_stride = m.block_stride;
		nest.blocks = (tokens - 1) / nest.block_tokens + 1;
		nest.total *= nest.blocks;
	}
	return nest_write(&nest, at, &out, n);
}

static int
is_same_range(const struct shape *a, const struct shape *b, uint32_t d)
{
	return a->first[d] == b->first[d] && a->extent[d] == b->extent[d];
}

static uint32_t
map_why(const struct shape *to, const struct shape *from)
{
	if (to->flags != from->flags ||
	    to->vector_bytes != from->vector_bytes ||
	    to->vector_aux_bytes != from->vector_aux_bytes ||
	    to->element_bits != from->element_bits)
		return AIBRIX_LAYOUT_WHY_VECTOR;
	if (to->extent[DIM_TOKEN] != from->extent[DIM_TOKEN])
		return AIBRIX_LAYOUT_WHY_TOKENS;
	if (to->aux_bytes != from->aux_bytes ||
	    (to->aux_bytes && !(is_same_range(to, from, DIM_LAYER) &&
				is_same_range(to, from, DIM_HEAD))))
		return AIBRIX_LAYOUT_WHY_AUX;
	return AIBRIX_LAYOUT_WHY_NONE;
}

int
aibrix_layout_map_runs(const aibrix_layout_spec *to,
		       const aibrix_layout_spec *from, uint32_t *why,
		       uint64_t *at, aibrix_layout_run *runs, uint32_t cap,
		       uint32_t *n)
{
	struct output out = {runs, cap, 0};
	uint32_t first[DIMS], extent[DIMS], reason;
	struct other other = {0};
	struct nest nest = {0};
	struct shape a, b;
	int err;

	if (!output_is_valid(&out, at, n))
		return AIBRIX_E_INVAL;
	err = aibrix__layout_shape(to, &a);
	if (!err)
		err = aibrix__layout_shape(from, &b);
	if (err)
		return err;
	reason = map_why(&a, &b);
	if (why)
		*why = reason;
	if (reason)
		return AIBRIX_E_UNSUPPORTED;
	memcpy(first, a.first, sizeof(first));
	memcpy(extent, a.extent, sizeof(extent));
	if (ranges_narrow(first, extent, b.first, b.extent)) {
		memcpy(other.stride, b.stride, sizeof(other.stride));
		memcpy(other.first, b.first, sizeof(other.first));
		nest_begin(&nest, &a, &other, first, extent);
		nest.tail_bytes = a.aux_bytes;
		nest.tail_block = a.payload_bytes;
		nest.tail_other = b.payload_bytes;
	}
	return nest_write(&nest, at, &out, n);
}
