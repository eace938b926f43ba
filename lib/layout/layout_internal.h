/* What the files of layout share: a description that has been checked. */
#ifndef LAYOUT_INTERNAL_H
#define LAYOUT_INTERNAL_H

#include <aibrix/layout.h>

/* Dimensions of a block and of an engine's memory. */
enum { DIM_LAYER, DIM_PART, DIM_TOKEN, DIM_HEAD, DIMS };

/* A block: vectors at first[d] .. first[d] + extent[d] in each dimension. */
struct shape {
	uint64_t stride[DIMS];
	uint32_t first[DIMS], extent[DIMS];
	const uint8_t *order; /* DIM_*, slowest first */
	uint64_t vector_bytes, payload_bytes, block_bytes;
	uint32_t layout, flags, aux_bytes;
	uint32_t vector_aux_bytes, element_bits;
};

/* An engine's memory. */
struct memory {
	uint64_t stride[DIMS];
	uint32_t first[DIMS], extent[DIMS]; /* tokens: of one block */
	uint64_t block_stride;
	uint64_t slots;
	uint32_t region_step[DIMS]; /* 0: within one region */
};

int aibrix__layout_shape(const aibrix_layout_spec *spec, struct shape *out);

int aibrix__layout_memory(const aibrix_layout_engine *engine,
			  const struct shape *shape, struct memory *out);

/* Whether what begins at first and has count lies within first0, count0. */
static inline int
range_within(uint32_t first, uint32_t count, uint32_t first0, uint32_t count0)
{
	return count > 0 && first >= first0 && count <= count0 &&
	       first - first0 <= count0 - count;
}

/* Narrow *first, *count to what both ranges have; *count may become 0. */
static inline void
range_narrow(uint32_t *first, uint32_t *count, uint32_t first1, uint32_t count1)
{
	uint64_t end = (uint64_t)*first + *count;
	uint64_t end1 = (uint64_t)first1 + count1;

	if (first1 > *first)
		*first = first1;
	if (end1 < end)
		end = end1;
	*count = end > *first ? (uint32_t)(end - *first) : 0;
}

#endif
