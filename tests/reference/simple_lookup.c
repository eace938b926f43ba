/*
 * Lookups: one walk down the trie with the owners still in question.
 *
 *   depth      0         1         2
 *   holders  1 3 4 7   1 4 7     1 2 7
 *   in play  1 3 4 7   1 4 7     1 7        owner 2 never held block 0
 *
 * Both lines ascend, so each step is a merge, and who drops out keeps the
 * depth reached.  The reader brings the memory for the lines.
 */

#include "reference/simple_internal.h"

#include <string.h>

#include "base/alloc.h"

struct simple_index_reader {
	simple_index *index;
	aibrix_match *rows; /* max_owners of them */
	uint32_t *in_play;  /* positions in rows, ascending */
};

int
simple_index_reader_new(simple_index *index, simple_index_reader **out)
{
	simple_index_reader *reader;
	const aibrix_allocator *a;

	if (!index || !out)
		return AIBRIX_E_INVAL;
	a = &index->mem.a;
	reader = aibrix__alloc(a, 1, sizeof(*reader));
	if (!reader)
		return AIBRIX_E_NOMEM;
	reader->index = index;
	reader->rows =
		aibrix__alloc(a, index->max_owners, sizeof(*reader->rows));
	reader->in_play =
		aibrix__alloc(a, index->max_owners, sizeof(*reader->in_play));
	if (!reader->rows || !reader->in_play) {
		simple_index_reader_free(reader);
		return AIBRIX_E_NOMEM;
	}
	*out = reader;
	return AIBRIX_OK;
}

void
simple_index_reader_free(simple_index_reader *reader)
{
	const aibrix_allocator *a;
	uint32_t n;

	if (!reader)
		return;
	a = &reader->index->mem.a;
	n = reader->index->max_owners;
	aibrix__free(a, reader->rows, n, sizeof(*reader->rows));
	aibrix__free(a, reader->in_play, n, sizeof(*reader->in_play));
	aibrix__free(a, reader, 1, sizeof(*reader));
}

/* All holders of block 0 come into play. */
static uint32_t
rows_begin(simple_index_reader *reader, uint32_t id)
{
	struct place *place = place_at(reader->index, id);
	const struct holder *holders = holders_of(place);

	for (uint32_t i = 0; i < place->n_holders; i++) {
		uint32_t device = holders[i].copies[AIBRIX_TIER_DEVICE] != 0;

		reader->rows[i] =
			(aibrix_match){holders[i].owner, 1, device, 0};
		reader->in_play[i] = i;
	}
	return place->n_holders;
}

/* Who of the n in play holds the place at depth, too; their new number. */
static uint32_t
rows_step(simple_index_reader *reader, uint32_t id, uint32_t n, uint32_t depth)
{
	struct place *place = place_at(reader->index, id);
	const struct holder *holder = holders_of(place);
	const struct holder *end = holder + place->n_holders;
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		aibrix_match *row = &reader->rows[reader->in_play[i]];

		while (holder < end && holder->owner < row->owner)
			holder++;
		if (holder == end)
			break;
		if (holder->owner != row->owner)
			continue;
		row->held = depth + 1;
		if (row->device == depth && holder->copies[AIBRIX_TIER_DEVICE])
			row->device = depth + 1;
		reader->in_play[left++] = reader->in_play[i];
	}
	return left;
}

/* Fills reader->rows; their number. */
static uint32_t
prompt_score(simple_index_reader *reader, const uint64_t *hashes, uint32_t n)
{
	uint32_t at = ROOT, rows = 0, left = 0;

	for (uint32_t depth = 0; depth < n; depth++) {
		at = simple__place_child(reader->index, at, hashes[depth]);
		if (at == NONE)
			break;
		if (depth == 0)
			rows = left = rows_begin(reader, at);
		else
			left = rows_step(reader, at, left, depth);
		if (!left)
			break;
	}
	return rows;
}

/* As many rows as prompt_score fills, without the walk. */
static uint32_t
prompt_rows(const struct simple_index *index, const uint64_t *hashes,
	    uint64_t n)
{
	uint32_t at = n ? simple__place_child(index, ROOT, hashes[0]) : NONE;

	return at == NONE ? 0 : place_at(index, at)->n_holders;
}

int
simple_index_lookup(simple_index_reader *reader, const uint64_t *hashes,
		    uint64_t n, aibrix_match *out, uint32_t cap,
		    uint32_t *n_out)
{
	uint32_t rows;

	if (!reader || !n_out || (n && !hashes) || (cap && !out) ||
	    n > UINT32_MAX)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&reader->index->lock);
	rows = prompt_score(reader, hashes, (uint32_t)n);
	pthread_mutex_unlock(&reader->index->lock);
	*n_out = rows;
	if (rows > cap)
		return AIBRIX_E_SPACE;
	if (rows)
		memcpy(out, reader->rows, rows * sizeof(*out));
	return AIBRIX_OK;
}

static int
ends_valid(const uint64_t *ends, uint32_t n_prompts)
{
	uint64_t begin = 0;

	for (uint32_t i = 0; i < n_prompts; i++) {
		if (ends[i] < begin || ends[i] - begin > UINT32_MAX)
			return 0;
		begin = ends[i];
	}
	return 1;
}

/* The lock is held, so that the second pass finds what the first counted. */
static int
batch_lookup(simple_index_reader *reader, const uint64_t *hashes,
	     const uint64_t *ends, uint32_t n_prompts, aibrix_match *out,
	     uint32_t cap, uint32_t *out_ends, uint32_t *n_out)
{
	uint64_t begin = 0, total = 0;
	uint32_t at = 0;

	for (uint32_t i = 0; i < n_prompts; begin = ends[i++])
		if (ends[i] > begin)
			total += prompt_rows(reader->index, hashes + begin,
					     ends[i] - begin);
	*n_out = total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
	if (total > cap)
		return AIBRIX_E_SPACE;
	begin = 0;
	for (uint32_t i = 0; i < n_prompts; begin = ends[i++]) {
		uint32_t rows = 0;

		if (ends[i] > begin)
			rows = prompt_score(reader, hashes + begin,
					    (uint32_t)(ends[i] - begin));
		if (rows)
			memcpy(out + at, reader->rows, rows * sizeof(*out));
		at += rows;
		out_ends[i] = at;
	}
	return AIBRIX_OK;
}

int
simple_index_lookup_batch(simple_index_reader *reader, const uint64_t *hashes,
			  const uint64_t *ends, uint32_t n_prompts,
			  aibrix_match *out, uint32_t cap, uint32_t *out_ends,
			  uint32_t *n_out)
{
	int err;

	if (!reader || !n_out || (n_prompts && (!ends || !out_ends)) ||
	    (cap && !out) || !ends_valid(ends, n_prompts) ||
	    (n_prompts && ends[n_prompts - 1] && !hashes))
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&reader->index->lock);
	err = batch_lookup(reader, hashes, ends, n_prompts, out, cap, out_ends,
			   n_out);
	pthread_mutex_unlock(&reader->index->lock);
	return err;
}

int
simple_index_match(simple_index_reader *reader, const uint64_t *hashes,
		   uint64_t n, uint32_t device_only, double *blocks,
		   uint32_t rows)
{
	uint32_t found;

	if (!reader || (n && !hashes) || (rows && !blocks) || n > UINT32_MAX)
		return AIBRIX_E_INVAL;
	pthread_mutex_lock(&reader->index->lock);
	found = prompt_score(reader, hashes, (uint32_t)n);
	pthread_mutex_unlock(&reader->index->lock);
	for (uint32_t i = 0; i < rows; i++)
		blocks[i] = 0;
	for (uint32_t i = 0; i < found; i++) {
		const aibrix_match *row = &reader->rows[i];

		if (row->owner < rows)
			blocks[row->owner] =
				device_only ? row->device : row->held;
	}
	return AIBRIX_OK;
}
