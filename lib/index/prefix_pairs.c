/*
 * Numbers for (model, pod), so that a block need not hold 16 bytes for each
 * pod that has it, and forgetting a pod need not visit blocks.
 *
 *   (model, pod) --> pair <--> pair <--> pair    of one pod, any model
 *                             ^
 *                    pod -----'
 */

#include "index/prefix_pairs.h"

int
aibrix__pairs_open(struct pairs *pairs, const aibrix_allocator *a, uint32_t max)
{
	int err;

	pairs->max = max;
	pairs->links = aibrix__alloc(a, max, sizeof(*pairs->links));
	pairs->at = aibrix__alloc(a, max, sizeof(*pairs->at));
	if (!pairs->links || !pairs->at)
		return AIBRIX_E_NOMEM;
	err = aibrix__cells_open(&pairs->by_both, a, max);
	return err ? err : aibrix__cells_open(&pairs->by_pod, a, max);
}

void
aibrix__pairs_close(struct pairs *pairs, const aibrix_allocator *a)
{
	aibrix__cells_close(&pairs->by_pod, a);
	aibrix__cells_close(&pairs->by_both, a);
	aibrix__free(a, pairs->at, pairs->max, sizeof(*pairs->at));
	aibrix__free(a, pairs->links, pairs->max, sizeof(*pairs->links));
}

uint64_t
aibrix__pairs_bytes(const struct pairs *pairs)
{
	return cells_bytes(&pairs->by_both) + cells_bytes(&pairs->by_pod) +
	       (uint64_t)pairs->max *
		       (sizeof(*pairs->links) + sizeof(*pairs->at));
}

static uint64_t
both_hash(const struct pairs *pairs, uint64_t model, uint64_t pod)
{
	return cells_hash(&pairs->by_both,
			  mix64(model ^ pairs->by_both.salt) + pod);
}

uint32_t
aibrix__pairs_find(const struct pairs *pairs, uint64_t model, uint64_t pod)
{
	uint64_t hash = both_hash(pairs, model, pod);
	struct cells_walk walk = cells_start(&pairs->by_both, hash);
	uint32_t at;

	do
		at = cells_next(&pairs->by_both, hash, &walk);
	while (at != NONE &&
	       (pairs->at[at].pod != pod || pairs->at[at].model != model));
	return at;
}

uint32_t
aibrix__pairs_of_pod(const struct pairs *pairs, uint64_t pod)
{
	uint64_t hash = cells_hash(&pairs->by_pod, pod);
	struct cells_walk walk = cells_start(&pairs->by_pod, hash);
	uint32_t at;

	do
		at = cells_next(&pairs->by_pod, hash, &walk);
	while (at != NONE && pairs->at[at].pod != pod);
	return at;
}

uint32_t
aibrix__pairs_add(struct pairs *pairs, uint64_t model, uint64_t pod)
{
	uint32_t first = aibrix__pairs_of_pod(pairs, pod);
	uint32_t at = list_pop(&pairs->unused, pairs->links);

	if (at == NONE)
		at = pairs->used++;
	pairs->at[at] = (struct pair){model, pod, NONE, NONE};
	if (first == NONE) {
		aibrix__cells_add(&pairs->by_pod,
				  cells_hash(&pairs->by_pod, pod), at);
	} else {
		pairs->at[at].before = first;
		pairs->at[at].after = pairs->at[first].after;
		if (pairs->at[at].after != NONE)
			pairs->at[pairs->at[at].after].before = at;
		pairs->at[first].after = at;
	}
	aibrix__cells_add(&pairs->by_both, both_hash(pairs, model, pod), at);
	list_prepend(&pairs->recent, pairs->links, at);
	return at;
}

void
aibrix__pairs_touch(struct pairs *pairs, uint32_t at)
{
	if (pairs->recent.head == at)
		return;
	list_remove(&pairs->recent, pairs->links, at);
	list_prepend(&pairs->recent, pairs->links, at);
}

void
aibrix__pairs_remove(struct pairs *pairs, uint32_t at)
{
	const struct pair *pair = &pairs->at[at];
	uint64_t pod_hash = cells_hash(&pairs->by_pod, pair->pod);

	if (pair->after != NONE)
		pairs->at[pair->after].before = pair->before;
	if (pair->before != NONE) {
		pairs->at[pair->before].after = pair->after;
	} else {
		aibrix__cells_remove(&pairs->by_pod, pod_hash, at);
		if (pair->after != NONE)
			aibrix__cells_add(&pairs->by_pod, pod_hash,
					  pair->after);
	}
	aibrix__cells_remove(&pairs->by_both,
			     both_hash(pairs, pair->model, pair->pod), at);
	list_remove(&pairs->recent, pairs->links, at);
	list_prepend(&pairs->unused, pairs->links, at);
}
