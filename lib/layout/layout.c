/*
 * Checked descriptions of blocks and of engines' memory.
 *
 * Every layout is five strides: a vector lies at the sum of its layer, part,
 * token and head, each times a stride.  What a layout is called matters here
 * and nowhere else; copies see strides on both sides, so that one loop nest
 * serves blocks of any order, engines of any order, and one shard made from
 * another.
 *
 *   LCND  [layer][part][token][head]     one layer is one piece
 *   NCLD  [token][part][layer][head]     one token is one piece
 *   HLCND [head][layer][part][token]     one head is one piece
 *
 * All limits are checked before anything is multiplied: the largest product
 * that they let pass has 61 bits.
 */

#include <assert.h>

#include "base/versioned.h"
#include "layout/layout_internal.h"

static_assert((uint64_t)AIBRIX_LAYOUT_LAYERS_MAX * AIBRIX_LAYOUT_HEADS_MAX * 2 *
			      AIBRIX_LAYOUT_TOKENS_MAX *
			      (AIBRIX_LAYOUT_HEAD_SIZE_MAX * 8 +
			       AIBRIX_LAYOUT_AUX_MAX) <
		      (uint64_t)1 << 61,
	      "sizes do not overflow");

static const uint8_t orders[][DIMS] = {
	[AIBRIX_LAYOUT_LCND] = {DIM_LAYER, DIM_PART, DIM_TOKEN, DIM_HEAD},
	[AIBRIX_LAYOUT_NCLD] = {DIM_TOKEN, DIM_PART, DIM_LAYER, DIM_HEAD},
	[AIBRIX_LAYOUT_HLCND] = {DIM_HEAD, DIM_LAYER, DIM_PART, DIM_TOKEN},
};

static int
bits_are_valid(uint32_t bits)
{
	return bits == 4 || bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

/* A latent may say that it has no heads; it is counted as one. */
static int
heads_load(uint32_t flags, uint32_t first, uint32_t *count)
{
	if (flags & AIBRIX_LAYOUT_LATENT) {
		if (first != 0 || *count > 1)
			return AIBRIX_E_INVAL;
		*count = 1;
	}
	if (!range_within(first, *count, 0, AIBRIX_LAYOUT_HEADS_MAX))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

static int
spec_load(aibrix_layout_spec *own, const aibrix_layout_spec *spec)
{
	int err;

	err = aibrix__struct_load(
		own, sizeof(*own), spec,
		STRUCT_UPTO(aibrix_layout_spec, block_aux_bytes));
	if (err)
		return err;
	if (own->flags & ~(uint32_t)AIBRIX_LAYOUT_LATENT)
		return AIBRIX_E_ABI;
	if (!own->element_bits)
		own->element_bits = 16;
	if (own->layout > AIBRIX_LAYOUT_HLCND || own->block_tokens == 0 ||
	    own->block_tokens > AIBRIX_LAYOUT_TOKENS_MAX ||
	    !range_within(own->layer_first, own->layers, 0,
			  AIBRIX_LAYOUT_LAYERS_MAX) ||
	    own->head_size == 0 ||
	    own->head_size > AIBRIX_LAYOUT_HEAD_SIZE_MAX ||
	    !bits_are_valid(own->element_bits) ||
	    (uint64_t)own->head_size * own->element_bits % 8 != 0 ||
	    own->head_aux_bytes > AIBRIX_LAYOUT_AUX_MAX ||
	    own->block_aux_bytes > AIBRIX_LAYOUT_AUX_MAX)
		return AIBRIX_E_INVAL;
	return heads_load(own->flags, own->head_first, &own->heads);
}

int
aibrix__layout_shape(const aibrix_layout_spec *spec, struct shape *out)
{
	struct shape s = {0};
	aibrix_layout_spec own;
	uint64_t bytes;
	int err = spec_load(&own, spec);

	if (err)
		return err;
	s.layout = own.layout;
	s.flags = own.flags;
	s.element_bits = own.element_bits;
	s.vector_aux_bytes = own.head_aux_bytes;
	s.aux_bytes = own.block_aux_bytes;
	s.order = orders[own.layout];
	s.first[DIM_LAYER] = own.layer_first;
	s.first[DIM_HEAD] = own.head_first;
	s.extent[DIM_LAYER] = own.layers;
	s.extent[DIM_PART] = own.flags & AIBRIX_LAYOUT_LATENT ? 1 : 2;
	s.extent[DIM_TOKEN] = own.block_tokens;
	s.extent[DIM_HEAD] = own.heads;
	s.vector_bytes = (uint64_t)own.head_size * own.element_bits / 8 +
			 own.head_aux_bytes;
	bytes = s.vector_bytes;
	for (int i = DIMS - 1; i >= 0; i--) {
		s.stride[s.order[i]] = bytes;
		bytes *= s.extent[s.order[i]];
	}
	s.payload_bytes = bytes;
	s.block_bytes = bytes + own.block_aux_bytes;
	if (s.block_bytes > AIBRIX_LAYOUT_BYTES_MAX)
		return AIBRIX_E_INVAL;
	*out = s;
	return AIBRIX_OK;
}

int
aibrix_layout_sizes(const aibrix_layout_spec *spec, aibrix_layout_size *out)
{
	aibrix_layout_size size = {0};
	struct shape s;
	int err = out ? aibrix__layout_shape(spec, &s) : AIBRIX_E_INVAL;

	if (err)
		return err;
	size.parts = s.extent[DIM_PART];
	size.vector_bytes = s.vector_bytes;
	size.head_bytes = s.payload_bytes / s.extent[DIM_HEAD];
	size.token_bytes = s.payload_bytes / s.extent[DIM_TOKEN];
	size.layer_bytes = s.payload_bytes / s.extent[DIM_LAYER];
	size.payload_bytes = s.payload_bytes;
	size.block_bytes = s.block_bytes;
	size.layer_stride = s.stride[DIM_LAYER];
	size.part_stride = s.stride[DIM_PART];
	size.token_stride = s.stride[DIM_TOKEN];
	size.head_stride = s.stride[DIM_HEAD];
	return aibrix__struct_store(
		out, &size, sizeof(size),
		STRUCT_UPTO(aibrix_layout_size, head_stride));
}

struct step {
	uint64_t stride, count;
};

static void
step_add(struct step *steps, uint32_t *n, uint64_t stride, uint64_t count)
{
	uint32_t i = (*n)++;

	for (; i > 0 && steps[i - 1].stride > stride; i--)
		steps[i] = steps[i - 1];
	steps[i] = (struct step){stride, count};
}

/*
 * From the shortest stride to the longest, each must step over all that lies
 * within it, and the whole must end within the region: then no two vectors
 * overlap, none leaves the region, and no later sum of offsets overflows.
 */
static int
steps_fit(const struct step *steps, uint32_t n, uint64_t vector_bytes,
	  uint64_t region_bytes)
{
	uint64_t span = vector_bytes;

	if (span > region_bytes)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (steps[i].count == 1)
			continue;
		if (steps[i].stride < span ||
		    steps[i].stride >
			    (region_bytes - span) / (steps[i].count - 1))
			return 0;
		span += steps[i].stride * (steps[i].count - 1);
	}
	return 1;
}

static int
engine_load(aibrix_layout_engine *own, const aibrix_layout_engine *engine,
	    uint32_t latent)
{
	const uint32_t known =
		AIBRIX_LAYOUT_LAYER_REGIONS | AIBRIX_LAYOUT_PART_REGIONS;
	int err;

	err = aibrix__struct_load(
		own, sizeof(*own), engine,
		STRUCT_UPTO(aibrix_layout_engine, region_bytes));
	if (err)
		return err;
	if (own->flags & ~known)
		return AIBRIX_E_ABI;
	if (own->blocks == 0 || own->block_tokens == 0 ||
	    own->block_tokens > AIBRIX_LAYOUT_TOKENS_MAX ||
	    !range_within(own->layer_first, own->layers, 0,
			  AIBRIX_LAYOUT_LAYERS_MAX))
		return AIBRIX_E_INVAL;
	return heads_load(latent, own->head_first, &own->heads);
}

int
aibrix__layout_memory(const aibrix_layout_engine *engine,
		      const struct shape *shape, struct memory *out)
{
	struct memory m = {0};
	struct step steps[DIMS + 1];
	aibrix_layout_engine own;
	uint32_t n = 0;
	int err = engine_load(&own, engine, shape->flags);

	if (err)
		return err;
	m.first[DIM_LAYER] = own.layer_first;
	m.first[DIM_HEAD] = own.head_first;
	m.extent[DIM_LAYER] = own.layers;
	m.extent[DIM_PART] = shape->extent[DIM_PART];
	m.extent[DIM_TOKEN] = own.block_tokens;
	m.extent[DIM_HEAD] = own.heads;
	m.stride[DIM_LAYER] = own.layer_stride;
	m.stride[DIM_PART] = own.part_stride;
	m.stride[DIM_TOKEN] = own.token_stride;
	m.stride[DIM_HEAD] = own.head_stride;
	m.block_stride = own.block_stride;
	m.slots = (uint64_t)own.blocks * own.block_tokens;
	if (own.flags & AIBRIX_LAYOUT_PART_REGIONS)
		m.region_step[DIM_PART] = 1;
	if (own.flags & AIBRIX_LAYOUT_LAYER_REGIONS)
		m.region_step[DIM_LAYER] =
			m.region_step[DIM_PART] ? m.extent[DIM_PART] : 1;
	for (uint32_t d = 0; d < DIMS; d++) {
		if (m.region_step[d] || m.extent[d] == 1)
			m.stride[d] = 0;
		else
			step_add(steps, &n, m.stride[d], m.extent[d]);
	}
	step_add(steps, &n, m.block_stride, own.blocks);
	if (!steps_fit(steps, n, shape->vector_bytes, own.region_bytes))
		return AIBRIX_E_INVAL;
	*out = m;
	return AIBRIX_OK;
}
