/*
 * Who may touch the store.
 *
 *   any thread --lock--> tables: leases, slots, what is to be asked
 *                            |
 *   one thread  <--batch-----'   store: submit, cancel, poll
 *
 * The lock guards tables and is never held while the store is touched; a
 * store belongs to one thread at a time.  So the store is taken like a token:
 * a flag under the lock that is tried and never waited for.  Who finds it
 * taken sets stirred and goes his way; who gives it back looks at stirred
 * again before he leaves the lock, so no work is lost and nobody waits for
 * somebody else's I/O.
 *
 * Payloads are summed with neither lock nor token: another thread may submit
 * and poll meanwhile.
 *
 * An alternative is one thread that owns the store and takes requests from a
 * queue, as LMCache, Mooncake and KVBM have it.  A library without threads
 * has none to give, and a request would wait for that thread to wake up.
 */

#include "cache/cache_batch.h"

int
aibrix__store_take(aibrix_cache *cache)
{
	if (cache->driving)
		return 0;
	cache->driving = 1;
	return 1;
}

void
aibrix__store_give(aibrix_cache *cache)
{
	cache->driving = 0;
	if (cache->wait.wanted)
		pthread_cond_broadcast(&cache->wait.moved);
}

static void
cancels_gather(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	struct transfer *t;

	while (cache->cancels.count && batch->n_cancels < BATCH) {
		t = &cache->transfers[list_pop(&cache->cancels,
					       cache->transfer_links)];
		t->doomed = 0;
		batch->cancels[batch->n_cancels++] = (uint64_t)(uintptr_t)t;
	}
}

static void
deletes_gather(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	uint32_t i;

	while (cache->deletes.count && !batch_full(batch) && !batch->stalled) {
		i = list_pop(&cache->deletes, cache->transfer_links);
		aibrix__batch_add(batch, &cache->transfers[i], 0);
	}
}

/* 0: the batch is full, there may be more. */
static int
leases_gather(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	const struct list *waiting = &cache->leases_waiting;
	uint32_t i, next = waiting->count ? waiting->head : NONE;

	while (next != NONE) {
		i = next;
		next = cache->lease_links[i].next; /* i may leave the list */
		aibrix__l2_advance(batch, &cache->leases[i]);
		aibrix__prefetch_over(cache, &cache->leases[i]);
		if (batch_full(batch))
			return 0;
	}
	return 1;
}

static void
batch_gather(struct batch *batch, uint32_t what, struct lease *lease)
{
	aibrix_cache *cache = batch->cache;

	cancels_gather(batch);
	deletes_gather(batch);
	if (lease && lease_state(lease) == LEASE_WAITING)
		aibrix__l2_advance(batch, lease);
	if (cache->stirred) {
		what |= DRIVE_WRITES;
		if (leases_gather(batch))
			cache->stirred = 0;
	}
	if (what & DRIVE_WRITES) {
		aibrix__remove_gather(batch);
		aibrix__l2_write(batch);
	}
}

/* One step; 0: nothing can go on.  What was all sent need not be looked at
 * again, unless others have left something meanwhile. */
static int
batch_move(struct batch *batch, uint32_t what, struct lease *lease)
{
	aibrix_cache *cache = batch->cache;
	int more = 0;

	if (!aibrix__store_take(cache)) {
		cache->stirred = 1;
	} else {
		batch_gather(batch, what, lease);
		if (batch->n || batch->n_cancels) {
			more = batch_full(batch) || batch->n_looks;
			more |= aibrix__batch_send(batch);
			more |= cache->cancels.count || cache->stirred;
		}
		aibrix__store_give(cache);
	}
	if (!more && batch->n_looks) {
		aibrix__batch_verify(batch);
		return 1;
	}
	return more;
}

void
aibrix__l2_drive(aibrix_cache *cache, uint32_t what, struct lease *lease,
		 uint64_t now_ns)
{
	struct batch batch;

	if (!cache->l2)
		return;
	if (now_ns > cache->now_ns)
		cache->now_ns = now_ns;
	batch.cache = cache;
	batch.now_ns = cache->now_ns;
	batch.n = batch.n_cancels = batch.n_looks = batch.stalled = 0;
	if (what & DRIVE_ALL)
		cache->stirred = 1;
	while (batch_move(&batch, what, lease))
		continue;
}

/* Handing blocks over costs microseconds each, in the store and the kernel,
 * and a commit is a step of the engine: so it does not.  Victims are chosen
 * ahead of need, which cannot wait. */
void
aibrix__l2_offer(aibrix_cache *cache, uint64_t now_ns)
{
	if (!cache->l2)
		return;
	if (cache->ahead) {
		aibrix__l2_drive(cache, DRIVE_WRITES, NULL, now_ns);
		return;
	}
	if (now_ns > cache->now_ns)
		cache->now_ns = now_ns;
	if (!cache->writes.count)
		return;
	if (cache->driving) /* that one has not looked yet, or will again */
		cache->stirred = 1;
	else
		aibrix__wait_stir(cache);
}
