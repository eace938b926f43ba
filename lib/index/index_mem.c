/*
 * Memory of the index: counted, and refused beyond the budget.
 *
 * Items with a number live in slabs of 1024 that never move: growing an
 * array of a million would copy it under the lock and keep up to half of
 * the new one idle.
 *
 * Every reservation only makes room.  An event reserves all that it may
 * need before it changes anything, so that it fails as a whole.
 */

#include "index/index_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

static int
budget_allows(const struct mem *mem, size_t bytes)
{
	return !mem->budget ||
	       (mem->used <= mem->budget && bytes <= mem->budget - mem->used);
}

/* What the allocator gave, counted. */
static void *
mem_count(struct mem *mem, void *ptr, size_t bytes, int *err)
{
	*err = ptr ? AIBRIX_OK : AIBRIX_E_NOMEM;
	if (ptr)
		mem->used += bytes;
	return ptr;
}

void *
aibrix__mem_take(struct mem *mem, size_t n, size_t bytes, int *err)
{
	size_t total;

	if (!checked_mul(n, bytes, &total)) {
		*err = AIBRIX_E_NOMEM;
		return NULL;
	}
	if (!budget_allows(mem, total)) {
		*err = AIBRIX_E_FULL;
		return NULL;
	}
	return mem_count(mem, aibrix__alloc(&mem->a, n, bytes), total, err);
}

void
aibrix__mem_give(struct mem *mem, void *ptr, size_t n, size_t bytes)
{
	if (!ptr)
		return;
	mem->used -= n * bytes;
	aibrix__free(&mem->a, ptr, n, bytes);
}

void *
aibrix__mem_take_line(struct mem *mem, size_t bytes, int *err)
{
	if (!budget_allows(mem, bytes)) {
		*err = AIBRIX_E_FULL;
		return NULL;
	}
	return mem_count(mem, aibrix__alloc_aligned(&mem->a, 1, bytes, 64),
			 bytes, err);
}

void *
aibrix__mem_take_pages(struct mem *mem, size_t bytes, int *err)
{
	if (!budget_allows(mem, bytes)) {
		*err = AIBRIX_E_FULL;
		return NULL;
	}
	return mem_count(mem, aibrix__alloc_pages(&mem->a, bytes), bytes, err);
}

/* Doubles *array until it holds want; the new part is zero. */
int
aibrix__array_grow(struct mem *mem, void *array, size_t *cap, size_t want,
		   size_t bytes)
{
	size_t next = *cap ? *cap : 8;
	void *old, *grown;
	int err;

	if (want <= *cap)
		return AIBRIX_OK;
	while (next < want)
		if (!checked_mul(next, 2, &next))
			return AIBRIX_E_NOMEM;
	grown = aibrix__mem_take(mem, next, bytes, &err);
	if (!grown)
		return err;
	memcpy(&old, array, sizeof(old));
	if (old)
		memcpy(grown, old, *cap * bytes);
	aibrix__mem_give(mem, old, *cap, bytes);
	memcpy(array, &grown, sizeof(grown));
	*cap = next;
	return AIBRIX_OK;
}

int
aibrix__list_reserve(struct mem *mem, struct list *list, size_t more)
{
	return aibrix__array_grow(mem, &list->items, &list->cap, list->n + more,
				  sizeof(*list->items));
}

void
aibrix__list_free(struct mem *mem, struct list *list)
{
	aibrix__mem_give(mem, list->items, list->cap, sizeof(*list->items));
	*list = (struct list){0};
}

int
aibrix__slab_reserve(struct mem *mem, struct slab *slab, uint64_t more)
{
	uint64_t want = slab->live + more, chunks;
	int err;

	if (want >= NONE - 1)
		return AIBRIX_E_FULL;
	chunks = (want + CHUNK_ITEMS - 1) >> CHUNK_SHIFT;
	err = aibrix__array_grow(mem, &slab->chunks, &slab->chunks_cap,
				 (size_t)chunks, sizeof(*slab->chunks));
	while (!err && slab->n_chunks < chunks) {
		void *chunk =
			aibrix__mem_take(mem, CHUNK_ITEMS, slab->item, &err);

		if (chunk)
			slab->chunks[slab->n_chunks++] = chunk;
	}
	return err;
}

void
aibrix__slab_free(struct mem *mem, struct slab *slab)
{
	for (uint32_t i = 0; i < slab->n_chunks; i++)
		aibrix__mem_give(mem, slab->chunks[i], CHUNK_ITEMS, slab->item);
	aibrix__mem_give(mem, slab->chunks, slab->chunks_cap,
			 sizeof(*slab->chunks));
	*slab = (struct slab){.item = slab->item, .free = NONE};
}
