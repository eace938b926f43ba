/*
 * Lookups as callers see them.
 *
 * A lookup that a removal has met on its way is repeated; one that is met
 * again and again, or needs more hops than a reader has room for, takes the
 * lock, and then nothing changes under it.
 */

#include "index/index_lookup.h"

#include <string.h>

#include "base/fence.h"
#include "base/versioned.h"

enum { TRIES = 8 };

static void
lookup_enter(aibrix_index_reader *reader)
{
	aibrix_index *index = reader->index;
	uint64_t now =
		atomic_load_explicit(&index->epoch, memory_order_acquire);

	atomic_store_explicit(&reader->epoch, now, memory_order_relaxed);
	fence_light(index->asymmetric);
}

static void
lookup_leave(aibrix_index_reader *reader)
{
	atomic_store_explicit(&reader->epoch, 0, memory_order_release);
}

static void
count(_Atomic uint64_t *counter)
{
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

/* Nothing changes meanwhile, so the hops may be used piece by piece. */
static uint32_t
prompt_score_locked(aibrix_index_reader *reader, const uint64_t *hashes,
		    uint32_t n, aibrix_match *rows)
{
	struct aibrix_index *index = reader->index;
	struct score score;
	struct walk walk;

	count(&reader->locked);
	aibrix__score_begin(&score, reader, rows);
	pthread_mutex_lock(&index->lock);
	aibrix__walk_begin(index, &walk, hashes, n, reader->hops, HOPS);
	do {
		walk.n_hops = 0;
		aibrix__walk(index, &walk);
		aibrix__score_hops(&score, walk.hops, walk.n_hops);
	} while (aibrix__walk_open(&walk));
	pthread_mutex_unlock(&index->lock);
	aibrix__score_end(&score);
	return score.n;
}

/* The rows of a walk that has ended; NONE: they are not to be trusted. */
static uint32_t
walk_score(aibrix_index_reader *reader, const struct walk *walk,
	   aibrix_match *rows)
{
	struct score score;

	aibrix__score_begin(&score, reader, rows);
	aibrix__score_hops(&score, walk->hops, walk->n_hops);
	if (!aibrix__walk_holds(walk))
		return NONE;
	aibrix__score_end(&score);
	return score.n;
}

/* Fills rows, max_owners of them; their number.  Between enter and leave. */
static uint32_t
prompt_score(aibrix_index_reader *reader, const uint64_t *hashes, uint32_t n,
	     aibrix_match *rows)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		struct walk walk;
		uint32_t found;

		if (i)
			count(&reader->retries);
		aibrix__walk_begin(reader->index, &walk, hashes, n,
				   reader->hops, HOPS);
		aibrix__walk(reader->index, &walk);
		if (aibrix__walk_open(&walk))
			break;
		found = walk_score(reader, &walk, rows);
		if (found != NONE)
			return found;
	}
	return prompt_score_locked(reader, hashes, n, rows);
}

int
aibrix_index_lookup(aibrix_index_reader *reader, const uint64_t *hashes,
		    uint64_t n, aibrix_match *out, uint32_t cap,
		    uint32_t *n_out)
{
	aibrix_match *rows;
	uint32_t found;

	if (!reader || !n_out || (n && !hashes) || (cap && !out) ||
	    n > UINT32_MAX)
		return AIBRIX_E_INVAL;
	rows = cap < reader->index->max_owners ? reader->rows : out;
	lookup_enter(reader);
	found = prompt_score(reader, hashes, (uint32_t)n, rows);
	lookup_leave(reader);
	*n_out = found;
	if (found > cap)
		return AIBRIX_E_SPACE;
	if (found && rows != out)
		memcpy(out, rows, found * sizeof(*out));
	return AIBRIX_OK;
}

/* Blocks that the index knows of the prompt, whoever holds them. */
static uint32_t
prompt_depth(aibrix_index_reader *reader, const uint64_t *hashes, uint32_t n)
{
	struct walk walk;

	lookup_enter(reader);
	aibrix__walk_begin(reader->index, &walk, hashes, n, reader->hops, HOPS);
	do {
		walk.n_hops = 0;
		aibrix__walk(reader->index, &walk);
	} while (aibrix__walk_open(&walk));
	lookup_leave(reader);
	return walk.depth;
}

/* Hash until a block is unknown or none is left; *n: how many there are. */
static int
prompt_hash(aibrix_index_reader *reader, const aibrix_hash *hash,
	    const aibrix_prompt *prompt, uint64_t *hashes, uint64_t total,
	    uint64_t *n)
{
	uint64_t block = aibrix_hash_block_tokens(hash), depth = *n;
	aibrix_prompt part = *prompt;

	while (depth == *n && *n < total) {
		uint64_t want = *n + 8 + *n / 4, known = *n;
		int err;

		want = want < total ? want : total;
		part.n_tokens = want * block;
		err = aibrix_hash_blocks(hash, &part, known, hashes, NULL, want,
					 n);
		if (err)
			return err;
		depth = prompt_depth(reader, hashes, (uint32_t)*n);
	}
	return AIBRIX_OK;
}

int
aibrix_index_lookup_tokens(aibrix_index_reader *reader, const aibrix_hash *hash,
			   const aibrix_prompt *prompt, uint64_t known,
			   uint64_t *hashes, uint64_t hashes_cap,
			   uint64_t *n_hashes, aibrix_match *out, uint32_t cap,
			   uint32_t *n_out)
{
	aibrix_prompt p;
	uint64_t total, n = known;
	int err;

	if (!reader || !hash || !prompt || !n_hashes || !n_out ||
	    (hashes_cap && !hashes) || (cap && !out))
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(&p, sizeof(p), prompt,
				  STRUCT_UPTO(aibrix_prompt, salt));
	if (err)
		return err;
	total = aibrix_hash_count(hash, p.n_tokens);
	if (total > UINT32_MAX || known > total)
		return AIBRIX_E_INVAL;
	if (hashes_cap < total) {
		*n_hashes = total;
		return AIBRIX_E_SPACE;
	}
	p.size = sizeof(p);
	err = prompt_hash(reader, hash, &p, hashes, total, &n);
	if (err)
		return err;
	*n_hashes = n;
	return aibrix_index_lookup(reader, hashes, n, out, cap, n_out);
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

/* Where the matches of a batch go. */
struct batch {
	aibrix_index_reader *reader;
	const uint64_t *hashes, *ends;
	aibrix_match *out;
	uint32_t *out_ends;
	uint32_t cap;
	uint64_t n; /* matches, also those without room */
};

/* Room for all rows that the next prompt may have. */
static aibrix_match *
batch_rows(const struct batch *b)
{
	if (b->n > b->cap || b->cap - b->n < b->reader->index->max_owners)
		return b->reader->rows;
	return b->out + b->n;
}

static void
batch_put(struct batch *b, uint32_t prompt, const aibrix_match *rows,
	  uint32_t n)
{
	if (b->n + n <= b->cap) {
		if (n && rows != b->out + b->n)
			memcpy(b->out + b->n, rows, n * sizeof(*rows));
		b->out_ends[prompt] = (uint32_t)b->n + n;
	}
	b->n += n;
}

/*
 * Prompts first to end.  Each walk asks for memory at every step, so they
 * take turns: while one waits the others go on.
 */
static void
batch_walk(struct batch *b, uint32_t first, uint32_t end)
{
	aibrix_index_reader *reader = b->reader;
	const struct aibrix_index *index = reader->index;
	uint32_t turn[BATCH], n = end - first, left = n;
	struct walk walks[BATCH];

	lookup_enter(reader);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t begin = first + i ? b->ends[first + i - 1] : 0;

		turn[i] = i;
		aibrix__walk_begin(index, &walks[i], b->hashes + begin,
				   (uint32_t)(b->ends[first + i] - begin),
				   reader->batch_hops[i], BATCH_HOPS);
	}
	while (left) {
		uint32_t still = 0;

		for (uint32_t i = 0; i < left; i++) {
			if (aibrix__walk_turn(index, &walks[turn[i]]))
				turn[still++] = turn[i];
		}
		left = still;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct walk *walk = &walks[i];
		aibrix_match *rows = batch_rows(b);
		uint32_t found = NONE;

		if (!aibrix__walk_open(walk))
			found = walk_score(reader, walk, rows);
		if (found == NONE)
			found = prompt_score(reader, walk->hashes, walk->n,
					     rows);
		batch_put(b, first + i, rows, found);
	}
	lookup_leave(reader);
}

int
aibrix_index_lookup_batch(aibrix_index_reader *reader, const uint64_t *hashes,
			  const uint64_t *ends, uint32_t n_prompts,
			  aibrix_match *out, uint32_t cap, uint32_t *out_ends,
			  uint32_t *n_out)
{
	struct batch b = {reader, hashes, ends, out, out_ends, cap, 0};

	if (!reader || !n_out || (n_prompts && (!ends || !out_ends)) ||
	    (cap && !out) || !ends_valid(ends, n_prompts) ||
	    (n_prompts && ends[n_prompts - 1] && !hashes))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < n_prompts; i += BATCH)
		batch_walk(&b, i,
			   n_prompts - i < BATCH ? n_prompts : i + BATCH);
	*n_out = b.n < UINT32_MAX ? (uint32_t)b.n : UINT32_MAX;
	return b.n > cap ? AIBRIX_E_SPACE : AIBRIX_OK;
}

int
aibrix_index_match(aibrix_index_reader *reader, const uint64_t *hashes,
		   uint64_t n, uint32_t device_only, double *blocks,
		   uint32_t rows)
{
	uint32_t found;

	if (!reader || (n && !hashes) || (rows && !blocks) || n > UINT32_MAX)
		return AIBRIX_E_INVAL;
	lookup_enter(reader);
	found = prompt_score(reader, hashes, (uint32_t)n, reader->rows);
	lookup_leave(reader);
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
