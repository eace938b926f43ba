/*
 * Whole copies: runs are computed a few at a time and moved at once, so that
 * a connector needs neither an array of them nor a cursor.
 *
 * All that could stop a copy halfway is looked at before its first byte:
 * sizes and counts here, slots where runs are computed.
 */

#include <string.h>

#include "base/versioned.h"
#include "layout/layout_internal.h"

enum { RUNS = 256 }; /* 8 KiB of stack */

/* Do memory's regions and blocks have what runs may refer to? */
static int
memory_fits(const aibrix_layout_memory *m, const struct shape *s,
	    const aibrix_layout_engine *engine, const struct memory *e,
	    uint32_t tokens)
{
	uint64_t regions = 1, blocks = tokens / s->extent[DIM_TOKEN] +
				       (tokens % s->extent[DIM_TOKEN] != 0);

	for (uint32_t d = 0; d < DIMS; d++)
		if (e->region_step[d])
			regions *= e->extent[d];
	if (m->blocks < blocks || m->regions < regions ||
	    m->block_bytes < s->block_bytes ||
	    m->region_bytes < engine->region_bytes ||
	    (!m->block && blocks > 0) || !m->region)
		return 0;
	for (uint32_t i = 0; i < regions; i++)
		if (!m->region[i])
			return 0;
	return 1;
}

static int
move_check(const aibrix_layout_spec *spec, const aibrix_layout_engine *engine,
	   uint32_t tokens, const aibrix_layout_memory *memory)
{
	aibrix_layout_memory own;
	struct memory e;
	struct shape s;
	int err = aibrix__layout_shape(spec, &s);

	if (!err)
		err = aibrix__layout_memory(engine, &s, &e);
	if (!err)
		err = aibrix__struct_load(
			&own, sizeof(own), memory,
			STRUCT_UPTO(aibrix_layout_memory, region));
	if (err)
		return err;
	if (own.flags)
		return AIBRIX_E_ABI;
	return memory_fits(&own, &s, engine, &e, tokens) ? AIBRIX_OK
							 : AIBRIX_E_INVAL;
}

/* Without those of blocks that are not there. */
static uint32_t
runs_keep(const aibrix_layout_memory *memory, aibrix_layout_run *runs,
	  uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if (memory->block[runs[i].block])
			runs[kept++] = runs[i];
	return kept;
}

typedef int copy_fn(const aibrix_layout_memory *memory,
		    const aibrix_layout_run *runs, uint32_t n);

static int
move(const aibrix_layout_spec *spec, const aibrix_layout_engine *engine,
     const aibrix_layout_box *box, const int64_t *slots, uint32_t tokens,
     const aibrix_layout_memory *memory, copy_fn *copy)
{
	aibrix_layout_run runs[RUNS];
	uint64_t at = 0;
	uint32_t n;
	int err = move_check(spec, engine, tokens, memory);

	while (!err && at != AIBRIX_LAYOUT_END) {
		err = aibrix_layout_copy_runs(spec, engine, box, slots, tokens,
					      &at, runs, RUNS, &n);
		if (!err)
			err = copy(memory, runs, runs_keep(memory, runs, n));
	}
	return err;
}

int
aibrix_layout_save(const aibrix_layout_spec *spec,
		   const aibrix_layout_engine *engine,
		   const aibrix_layout_box *box, const int64_t *slots,
		   uint32_t tokens, const aibrix_layout_memory *memory)
{
	return move(spec, engine, box, slots, tokens, memory,
		    aibrix_layout_gather);
}

int
aibrix_layout_load(const aibrix_layout_spec *spec,
		   const aibrix_layout_engine *engine,
		   const aibrix_layout_box *box, const int64_t *slots,
		   uint32_t tokens, const aibrix_layout_memory *memory)
{
	return move(spec, engine, box, slots, tokens, memory,
		    aibrix_layout_scatter);
}

int
aibrix_layout_reshard(const aibrix_layout_spec *to,
		      const aibrix_layout_spec *from, uint32_t *why,
		      void *to_block, const void *from_block)
{
	aibrix_layout_run runs[RUNS];
	const uint8_t *source = from_block;
	uint8_t *target = to_block;
	uint64_t at = 0;
	uint32_t n;
	int err = target && source ? AIBRIX_OK : AIBRIX_E_INVAL;

	while (!err && at != AIBRIX_LAYOUT_END) {
		err = aibrix_layout_map_runs(to, from, why, &at, runs, RUNS,
					     &n);
		for (uint32_t i = 0; !err && i < n; i++)
			memcpy(target + runs[i].block_offset,
			       source + runs[i].other_offset, runs[i].bytes);
	}
	return err;
}
