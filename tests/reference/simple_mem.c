/*
 * Memory of the index: counted, and refused beyond the budget.
 *
 * Places and names live in slabs of 1024 items that never move: growing an
 * array of a million places would copy 60 MB under the lock and keep up to
 * half of the new one idle.
 *
 * Every reservation only makes room.  An event reserves all that it may
 * need before it changes anything, so that it fails as a whole.
 */

#include "reference/simple_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

void *
simple__mem_take(struct mem *mem, size_t n, size_t bytes, int *err)
{
	size_t total;
	void *ptr;

	if (!checked_mul(n, bytes, &total)) {
		*err = AIBRIX_E_NOMEM;
		return NULL;
	}
	if (mem->budget &&
	    (mem->used > mem->budget || total > mem->budget - mem->used)) {
		*err = AIBRIX_E_FULL;
		return NULL;
	}
	ptr = aibrix__alloc(&mem->a, n, bytes);
	*err = ptr ? AIBRIX_OK : AIBRIX_E_NOMEM;
	if (ptr)
		mem->used += total;
	return ptr;
}

void
simple__mem_give(struct mem *mem, void *ptr, size_t n, size_t bytes)
{
	if (!ptr)
		return;
	mem->used -= n * bytes;
	aibrix__free(&mem->a, ptr, n, bytes);
}

/* Doubles *array until it holds want; the new part is zero. */
static int
array_grow(struct mem *mem, void *array, size_t *cap, size_t want, size_t bytes)
{
	size_t next = *cap ? *cap : 8;
	void *old, *grown;
	int err;

	if (want <= *cap)
		return AIBRIX_OK;
	while (next < want)
		if (!checked_mul(next, 2, &next))
			return AIBRIX_E_NOMEM;
	grown = simple__mem_take(mem, next, bytes, &err);
	if (!grown)
		return err;
	memcpy(&old, array, sizeof(old));
	if (old)
		memcpy(grown, old, *cap * bytes);
	simple__mem_give(mem, old, *cap, bytes);
	memcpy(array, &grown, sizeof(grown));
	*cap = next;
	return AIBRIX_OK;
}

int
simple__list_reserve(struct mem *mem, struct list *list, size_t more)
{
	return array_grow(mem, &list->items, &list->cap, list->n + more,
			  sizeof(*list->items));
}

void
simple__list_free(struct mem *mem, struct list *list)
{
	simple__mem_give(mem, list->items, list->cap, sizeof(*list->items));
	*list = (struct list){0};
}

int
simple__slab_reserve(struct mem *mem, struct slab *slab, uint64_t more)
{
	uint64_t want = slab->live + more, chunks;
	int err;

	if (want >= FREE)
		return AIBRIX_E_FULL;
	chunks = (want + CHUNK_ITEMS - 1) >> CHUNK_SHIFT;
	err = array_grow(mem, &slab->chunks, &slab->chunks_cap, (size_t)chunks,
			 sizeof(*slab->chunks));
	while (!err && slab->n_chunks < chunks) {
		void *chunk =
			simple__mem_take(mem, CHUNK_ITEMS, slab->item, &err);

		if (chunk)
			slab->chunks[slab->n_chunks++] = chunk;
	}
	return err;
}

void
simple__slab_free(struct mem *mem, struct slab *slab)
{
	for (uint32_t i = 0; i < slab->n_chunks; i++)
		simple__mem_give(mem, slab->chunks[i], CHUNK_ITEMS, slab->item);
	simple__mem_give(mem, slab->chunks, slab->chunks_cap,
			 sizeof(*slab->chunks));
	*slab = (struct slab){.item = slab->item, .free = NONE};
}

int
simple__heads_reserve(struct mem *mem, const struct heads *heads,
		      uint64_t items, struct heads *out)
{
	size_t n = heads->n ? heads->n : 64;
	int err;

	*out = (struct heads){0};
	if (items <= heads->n)
		return AIBRIX_OK;
	while (n < items)
		if (!checked_mul(n, 2, &n))
			return AIBRIX_E_NOMEM;
	out->at = simple__mem_take(mem, n, sizeof(*out->at), &err);
	if (!out->at)
		return err;
	memset(out->at, 0xff, n * sizeof(*out->at)); /* NONE */
	out->n = n;
	return AIBRIX_OK;
}

void
simple__heads_free(struct mem *mem, struct heads *heads)
{
	simple__mem_give(mem, heads->at, heads->n, sizeof(*heads->at));
	*heads = (struct heads){0};
}
