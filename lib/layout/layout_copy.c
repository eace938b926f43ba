/*
 * The reference for moving runs: one memcpy for each.
 *
 * Runs are made long where they are computed, so that a block that is
 * contiguous on both sides arrives here as one run and is one memcpy; there
 * is no second way to copy that could differ.  All runs are checked before
 * the first byte moves: a list that is wrong at its end changes nothing.
 */

#include <string.h>

#include "base/versioned.h"
#include "layout/layout_internal.h"

static int
run_fits(const aibrix_layout_memory *m, const aibrix_layout_run *r)
{
	return r->block < m->blocks && r->region < m->regions &&
	       m->block[r->block] && m->region[r->region] &&
	       r->bytes <= m->block_bytes &&
	       r->block_offset <= m->block_bytes - r->bytes &&
	       r->bytes <= m->region_bytes &&
	       r->other_offset <= m->region_bytes - r->bytes;
}

static int
memory_load(aibrix_layout_memory *own, const aibrix_layout_memory *memory,
	    const aibrix_layout_run *runs, uint32_t n)
{
	int err;

	err = aibrix__struct_load(own, sizeof(*own), memory,
				  STRUCT_UPTO(aibrix_layout_memory, region));
	if (err)
		return err;
	if (own->flags)
		return AIBRIX_E_ABI;
	if ((!runs && n > 0) || (!own->block && own->blocks > 0) ||
	    (!own->region && own->regions > 0))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n; i++)
		if (!run_fits(own, &runs[i]))
			return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix_layout_gather(const aibrix_layout_memory *memory,
		     const aibrix_layout_run *runs, uint32_t n)
{
	aibrix_layout_memory m;
	int err = memory_load(&m, memory, runs, n);

	for (uint32_t i = 0; !err && i < n; i++) {
		const aibrix_layout_run *r = &runs[i];
		const uint8_t *from = m.region[r->region];
		uint8_t *to = m.block[r->block];

		memcpy(to + r->block_offset, from + r->other_offset, r->bytes);
	}
	return err;
}

int
aibrix_layout_scatter(const aibrix_layout_memory *memory,
		      const aibrix_layout_run *runs, uint32_t n)
{
	aibrix_layout_memory m;
	int err = memory_load(&m, memory, runs, n);

	for (uint32_t i = 0; !err && i < n; i++) {
		const aibrix_layout_run *r = &runs[i];
		const uint8_t *from = m.block[r->block];
		uint8_t *to = m.region[r->region];

		memcpy(to + r->other_offset, from + r->block_offset, r->bytes);
	}
	return err;
}
