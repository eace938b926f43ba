/* Whether blocks, cells, chunks and the order by age fit together. */

#include "index/claims_check.h"

#include "index/claims.h"

/* The chunks of a block, 0 when they are not packed or have a loop. */
static int
block_check(const struct claims *t, uint32_t at, uint64_t *entries,
	    uint64_t *chunks)
{
	const struct claim_block *b = &t->blocks[at];
	uint64_t own = 1;
	int ended = 0;

	if (claims_find(t, b->hash, cells_hash(&t->cells, b->hash)) != at)
		return 0;
	for (uint32_t c = b->more; c != NONE; c = t->chunks[c].next) {
		if (ended || c >= t->chunks_used || ++*chunks > t->chunks_used)
			return 0;
		for (uint32_t i = 0; i < CHUNK_ENTRIES; i++) {
			uint32_t claim = t->chunks[c].claims[i];

			if (claim && ended)
				return 0;
			if (!claim && i == 0)
				return 0;
			ended |= !claim;
			own += claim != 0;
		}
	}
	*entries += own;
	return own <= t->max.entries;
}

int
aibrix__claims_check(const struct claims *t)
{
	uint64_t entries = 0, chunks = 0, cells, n = 0, unused = 0;
	uint32_t older = NONE;

	for (uint32_t at = t->oldest; at != NONE; at = t->blocks[at].newer) {
		if (at >= t->used || n++ > t->count || !t->blocks[at].claim ||
		    t->blocks[at].older != older ||
		    !block_check(t, at, &entries, &chunks))
			return AIBRIX_E_CORRUPT;
		older = at;
	}
	for (uint32_t at = t->free; at != NONE; at = t->blocks[at].newer)
		if (at >= t->used || t->blocks[at].claim || unused++ > t->used)
			return AIBRIX_E_CORRUPT;
	cells = aibrix__cells_count(&t->cells);
	if (older != t->newest || n != t->count || cells != t->count ||
	    n + unused != t->used || t->used > t->max.blocks ||
	    entries != t->entries)
		return AIBRIX_E_CORRUPT;
	for (uint32_t c = t->chunks_free; c != NONE; c = t->chunks[c].next)
		if (c >= t->chunks_used || ++chunks > t->chunks_used)
			return AIBRIX_E_CORRUPT;
	return chunks == t->chunks_used ? AIBRIX_OK : AIBRIX_E_CORRUPT;
}
