/*
 * When memory that lookups read may be used again.
 *
 * A lookup notes the epoch when it begins and 0 when it ends, each in a line
 * of its own that nobody else writes.  What the writer takes out of the
 * index waits in limbo, marked with the epoch of that time.  To free, the
 * writer starts a new epoch and looks at all readers: memory goes when every
 * lookup under way began later, for it cannot have found it any more.
 *
 * A lookup must not load a pointer before its note can be seen.  It does
 * that millions of times a second and the writer frees a few times per
 * millisecond, so the writer pays for the order of both (base/fence.h).
 */

#include "index/index_internal.h"

#include "base/alloc.h"
#include "base/fence.h"

enum { LIMBO_BYTES = 256 << 10 };

void
aibrix__retire(struct aibrix_index *index, void *start, struct retired *what,
	       size_t bytes)
{
	what->next = NULL;
	what->bytes = (uint32_t)bytes;
	what->before = (uint32_t)((char *)what - (char *)start);
	what->epoch = atomic_load_explicit(&index->epoch, memory_order_relaxed);
	*index->limbo_end = what;
	index->limbo_end = &what->next;
	index->limbo_bytes += bytes;
}

/* Lookups under way began in this epoch or later. */
static uint64_t
epoch_oldest(struct aibrix_index *index)
{
	uint64_t oldest = atomic_fetch_add_explicit(&index->epoch, 1,
						    memory_order_seq_cst) +
			  1;

	if (index->readers)
		aibrix__fence_heavy(index->asymmetric);
	for (struct aibrix_index_reader *r = index->readers; r; r = r->next) {
		uint64_t began =
			atomic_load_explicit(&r->epoch, memory_order_acquire);

		if (began && began < oldest)
			oldest = began;
	}
	return oldest;
}

void
aibrix__reclaim(struct aibrix_index *index)
{
	uint64_t oldest;

	if (!index->limbo)
		return;
	oldest = epoch_oldest(index);
	while (index->limbo && index->limbo->epoch < oldest) {
		struct retired *what = index->limbo;

		index->limbo = what->next;
		index->limbo_bytes -= what->bytes;
		aibrix__mem_give(&index->mem, (char *)what - what->before, 1,
				 what->bytes);
	}
	if (!index->limbo)
		index->limbo_end = &index->limbo;
}

/* After every event: the limbo is small, or cannot be smaller. */
void
aibrix__limbo_trim(struct aibrix_index *index)
{
	if (index->limbo_bytes <= index->limbo_allowed)
		return;
	aibrix__reclaim(index);
	index->limbo_allowed = index->limbo_bytes * 2 + LIMBO_BYTES;
}

int
aibrix_index_reader_new(aibrix_index *index, aibrix_index_reader **out)
{
	aibrix_index_reader *reader;
	const aibrix_allocator *a;

	if (!index || !out)
		return AIBRIX_E_INVAL;
	a = &index->mem.a;
	reader = aibrix__alloc_aligned(a, 1, sizeof(*reader), 64);
	if (!reader)
		return AIBRIX_E_NOMEM;
	reader->index = index;
	reader->rows =
		aibrix__alloc(a, index->max_owners, sizeof(*reader->rows));
	reader->in_play =
		aibrix__alloc(a, index->max_owners, sizeof(*reader->in_play));
	if (!reader->rows || !reader->in_play) {
		aibrix__free(a, reader->rows, index->max_owners,
			     sizeof(*reader->rows));
		aibrix__free(a, reader->in_play, index->max_owners,
			     sizeof(*reader->in_play));
		aibrix__free(a, reader, 1, sizeof(*reader));
		return AIBRIX_E_NOMEM;
	}
	pthread_mutex_lock(&index->lock);
	reader->next = index->readers;
	index->readers = reader;
	pthread_mutex_unlock(&index->lock);
	*out = reader;
	return AIBRIX_OK;
}

void
aibrix_index_reader_free(aibrix_index_reader *reader)
{
	struct aibrix_index_reader **link;
	const aibrix_allocator *a;
	aibrix_index *index;

	if (!reader)
		return;
	index = reader->index;
	a = &index->mem.a;
	pthread_mutex_lock(&index->lock);
	link = &index->readers;
	while (*link != reader)
		link = &(*link)->next;
	*link = reader->next;
	index->stat.retries +=
		atomic_load_explicit(&reader->retries, memory_order_relaxed);
	index->stat.locked +=
		atomic_load_explicit(&reader->locked, memory_order_relaxed);
	pthread_mutex_unlock(&index->lock);
	aibrix__free(a, reader->rows, index->max_owners, sizeof(*reader->rows));
	aibrix__free(a, reader->in_play, index->max_owners,
		     sizeof(*reader->in_play));
	aibrix__free(a, reader, 1, sizeof(*reader));
}
