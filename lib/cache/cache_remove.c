/*
 * Removing blocks, from both tiers.
 *
 *   L1   at once: out of table, order and queue.  Who holds a block keeps
 *        it; its memory is free with the last pin.  A reservation that
 *        writes it ends without publishing it.
 *   L2   key --> bucket --> [write of it in flight ends] --> queue
 *            --> delete --> over
 *
 * A store completes in any order.  So while a key is in its bucket nothing
 * else is asked about it: a delete goes out when no write of the key is in
 * flight, a write when no delete is, and a reader takes the key for a miss.
 * Else a put would come in behind the delete, or a get bring back what was
 * deleted under it.
 *
 * What is known of a write is its transfer, of which there are a few
 * hundred, and it holds no pointer from its key.  So keys are entered a CHUNK
 * at a time, and all transfers are looked at once for each chunk.  The lock is
 * left in between: a caller with 10^6 keys holds nobody up.
 *
 * Buckets are as many as an eighth of L1's blocks, so that asking whether a
 * key is among them costs one load while few are, and nothing while none is.
 */

#include "cache/cache_remove.h"

#include <assert.h>
#include <string.h>

#include "cache/cache_batch.h"

enum { CHUNK = 256, BUCKETS_MIN = 64, BLOCKS_PER_BUCKET = 8 };
enum { SHARE = 4 }; /* of the transfers */

int
aibrix__remove_open(aibrix_cache *cache)
{
	struct removing *r = &cache->removing;

	r->n_buckets = BUCKETS_MIN;
	while (r->n_buckets < cache->capacity / BLOCKS_PER_BUCKET)
		r->n_buckets *= 2;
	r->buckets =
		aibrix__alloc(&cache->alloc, r->n_buckets, sizeof(*r->buckets));
	return r->buckets ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__remove_free(const aibrix_cache *cache, struct removal *r)
{
	struct removal *next;

	for (; r; r = next) {
		next = r->next;
		aibrix__free(&cache->alloc, r->keys, r->n, sizeof(*r->keys));
		aibrix__free(&cache->alloc, r, 1, sizeof(*r));
	}
}

void
aibrix__remove_close(aibrix_cache *cache)
{
	struct removing *r = &cache->removing;

	aibrix__remove_free(cache, r->over);
	aibrix__remove_free(cache, r->all);
	aibrix__free(&cache->alloc, r->buckets, r->n_buckets,
		     sizeof(*r->buckets));
}

/* ---- buckets */

static struct gone **
bucket_of(const struct removing *r, const aibrix_key *key)
{
	return &r->buckets[key_mix(key) & (r->n_buckets - 1)];
}

/* The next one of key, from g on. */
static struct gone *
gone_find(struct gone *g, const aibrix_key *key)
{
	while (g && memcmp(&g->key, key, sizeof(*key)) != 0)
		g = g->next;
	return g;
}

static struct gone *
gone_first(const aibrix_cache *cache, const aibrix_key *key)
{
	return cache->removing.count
		       ? gone_find(*bucket_of(&cache->removing, key), key)
		       : NULL;
}

int
aibrix__remove_has(const aibrix_cache *cache, const aibrix_key *key)
{
	return gone_first(cache, key) != NULL;
}

static void
gone_enter(struct removing *r, struct gone *g)
{
	struct gone **bucket = bucket_of(r, &g->key);

	g->next = *bucket;
	g->at = bucket;
	if (g->next)
		g->next->at = &g->next;
	*bucket = g;
	r->count++;
}

static void
gone_leave(struct removing *r, struct gone *g)
{
	*g->at = g->next;
	if (g->next)
		g->next->at = g->at;
	r->count--;
}

/* ---- the queue of those that L2 may be told */

static void
queue_append(struct removing *r, struct gone *g)
{
	g->after = NULL;
	if (r->first)
		r->last->after = g;
	else
		r->first = g;
	r->last = g;
}

static void
queue_prepend(struct removing *r, struct gone *g)
{
	g->after = r->first;
	if (!r->first)
		r->last = g;
	r->first = g;
}

uint64_t
aibrix__remove_waiting(const aibrix_cache *cache)
{
	return cache->removing.count - cache->removing.sent;
}

void
aibrix__remove_written(aibrix_cache *cache, const aibrix_key *key)
{
	struct gone *g = gone_first(cache, key);

	for (; g; g = gone_find(g->next, key))
		if (g->writes && --g->writes == 0)
			queue_append(&cache->removing, g);
}

/* ---- the end of a key, and of all keys of a call */

static void
removal_list(struct removal **list, struct removal *r)
{
	r->next = *list;
	r->at = list;
	if (r->next)
		r->next->at = &r->next;
	*list = r;
}

/* Nobody refers to it any more: freed when the lock is left. */
static void
removal_end(aibrix_cache *cache, struct removal *r)
{
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	removal_list(&cache->removing.over, r);
}

static void
removal_settle(aibrix_cache *cache, struct removal *r)
{
	struct lease *l;

	if (r->left)
		return;
	if (r->lease == NONE) {
		removal_end(cache, r);
		return;
	}
	l = &cache->leases[r->lease];
	if (lease_state(l) != LEASE_REMOVING)
		return;
	lease_set(l, LEASE_REMOVED);
	aibrix__wait_settled(cache);
}

void
aibrix__remove_released(aibrix_cache *cache, struct removal *r)
{
	r->lease = NONE;
	if (r->left)
		aibrix__wait_settled(cache);
	removal_settle(cache, r);
}

static void
gone_over(aibrix_cache *cache, struct gone *g, int32_t status)
{
	struct removal *r = g->of;

	gone_leave(&cache->removing, g);
	g->status = status;
	if (status) {
		r->failed++;
		cache->stat.l2_unremoved++;
	} else {
		cache->stat.l2_removed++;
	}
	r->left--;
	removal_settle(cache, r);
}

/* What L2 did not have is gone, too. */
void
aibrix__remove_done(aibrix_cache *cache, const struct transfer *t,
		    int32_t status)
{
	gone_over(cache, t->gone,
		  status == AIBRIX_E_NOT_FOUND ? AIBRIX_OK : status);
}

void
aibrix__remove_undo(aibrix_cache *cache, const struct transfer *t, int again)
{
	if (again)
		queue_prepend(&cache->removing, t->gone);
	else
		gone_over(cache, t->gone, AIBRIX_E_UNAVAILABLE);
}

/* Readers need transfers more. */
static int
gather_may(const struct batch *batch)
{
	const aibrix_cache *cache = batch->cache;

	return cache->removing.first && !batch_full(batch) && !batch->stalled &&
	       (cache->removing.sent == 0 ||
		cache->removing.sent < cache->max_transfers / SHARE);
}

void
aibrix__remove_gather(struct batch *batch)
{
	aibrix_cache *cache = batch->cache;
	struct removing *r = &cache->removing;
	struct transfer *t;

	while (gather_may(batch)) {
		struct gone *g = r->first;
		uint64_t deadline_ns = g->of->deadline_ns;

		if (deadline_ns && batch->now_ns >= deadline_ns) {
			r->first = g->after;
			gone_over(cache, g, AIBRIX_E_TIMEOUT);
			continue;
		}
		t = aibrix__transfer_take(cache, AIBRIX_STORE_DELETE, &g->key);
		if (!t)
			return;
		r->first = g->after;
		r->sent++;
		t->goal = GOAL_REMOVE;
		t->gone = g;
		aibrix__batch_add(batch, t, deadline_ns);
	}
}

/* ---- what L1 has */

/* Does a put have it?  Then that says what became of it. */
static int
slot_is_sent(const aibrix_cache *cache, uint32_t slot)
{
	for (uint32_t i = 0; i < cache->max_transfers; i++)
		if (cache->transfers[i].owner &&
		    cache->transfers[i].slot == slot &&
		    cache->transfers[i].op == AIBRIX_STORE_PUT)
			return 1;
	return 0;
}

/* Others are not handed it any more.  It waits for no write: that is none
 * that L2 has refused, and none that a flush lacks. */
void
aibrix__remove_slot(aibrix_cache *cache, uint32_t slot)
{
	struct slot *s = &cache->slots[slot];

	/* L2 writes it: its lease lets go of it, in transfers_meet. */
	if (slot_state(s) == SLOT_FETCHING)
		return;
	if (slot_state(s) == SLOT_READY) {
		cache->stat.removed++;
		tenant_of(cache, slot)->stat.removed++;
		if (s->queued ||
		    (s->l2 == L2_ASKED && !slot_is_sent(cache, slot)))
			cache->stat.l2_unqueued++;
		if (s->queued)
			aibrix__l2_unqueue(cache, slot);
		aibrix__flush_settle(cache, slot, 1);
		s->l2 = 0;
	}
	aibrix__l1_drop(cache, slot);
}

static void
keys_remove(aibrix_cache *cache, const aibrix_key *keys, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t slot = aibrix__table_find(&cache->table, &keys[i]);

		if (slot != NONE)
			aibrix__remove_slot(cache, slot);
	}
}

/* Transfers that know nothing of keys [from, to) of r, entered just now. */
static void
transfers_meet(aibrix_cache *cache, const struct removal *r, uint64_t from,
	       uint64_t to)
{
	const struct gone *begin = r->keys + from, *end = r->keys + to;

	for (uint32_t i = 0; i < cache->max_transfers; i++) {
		struct transfer *t = &cache->transfers[i];
		struct gone *g = t->owner ? gone_first(cache, &t->key) : NULL;

		for (; g; g = gone_find(g->next, &t->key)) {
			if (g < begin || g >= end)
				continue;
			if (t->goal == GOAL_WRITE)
				g->writes++;
			else if (t->op == AIBRIX_STORE_GET && t->lease != NONE)
				aibrix__lease_fail(
					cache, &cache->leases[t->lease],
					t->block, AIBRIX_E_NOT_FOUND);
		}
	}
}

static void
chunk_remove(aibrix_cache *cache, struct removal *r, const aibrix_key *keys,
	     uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		r->keys[i].key = keys[i];
		r->keys[i].of = r;
		r->keys[i].status = AIBRIX_E_AGAIN;
		gone_enter(&cache->removing, &r->keys[i]);
	}
	keys_remove(cache, keys + from, to - from);
	transfers_meet(cache, r, from, to);
	for (uint64_t i = from; i < to; i++)
		if (!r->keys[i].writes)
			queue_append(&cache->removing, &r->keys[i]);
	/* Leases that have lost a block have what they can get. */
	cache->stirred = 1;
}

/* ---- calls */

static struct removal *
removal_new(aibrix_cache *cache, uint64_t n, uint64_t deadline_ns)
{
	struct removal *r = aibrix__alloc(&cache->alloc, 1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct removal){
		.n = n, .left = n, .deadline_ns = deadline_ns, .lease = NONE};
	r->keys = aibrix__alloc(&cache->alloc, n, sizeof(*r->keys));
	if (r->keys)
		return r;
	aibrix__free(&cache->alloc, r, 1, sizeof(*r));
	return NULL;
}

/* With nothing in L2 to be told. */
static int
remove_here(aibrix_cache *cache, const aibrix_key *keys, uint64_t n)
{
	for (uint64_t i = 0, end; i < n; i = end) {
		end = n - i < CHUNK ? n : i + CHUNK;
		aibrix__cache_enter(cache);
		keys_remove(cache, keys + i, end - i);
		aibrix__cache_leave(cache);
	}
	return AIBRIX_OK;
}

static int
remove_both(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
	    uint64_t deadline_ns, uint64_t now_ns, uint64_t *lease)
{
	struct removal *r = removal_new(cache, n, deadline_ns);
	struct lease *l;

	if (!r)
		return AIBRIX_E_NOMEM;
	aibrix__cache_enter(cache);
	l = aibrix__lease_take(cache, NULL, 0);
	if (!l) {
		aibrix__cache_leave(cache);
		aibrix__remove_free(cache, r);
		return AIBRIX_E_FULL;
	}
	l->removal = r;
	lease_set(l, LEASE_REMOVING);
	*lease = lease_id(l);
	r->lease = (uint32_t)(l - cache->leases);
	removal_list(&cache->removing.all, r);
	for (uint64_t i = 0, end; i < n; i = end) {
		end = n - i < CHUNK ? n : i + CHUNK;
		if (i) {
			aibrix__cache_leave(cache);
			aibrix__cache_enter(cache);
		}
		chunk_remove(cache, r, keys, i, end);
	}
	aibrix__l2_drive(cache, DRIVE_WRITES, NULL, now_ns);
	aibrix__cache_leave(cache);
	return AIBRIX_E_AGAIN;
}

int
aibrix_cache_remove(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		    uint32_t tiers, uint64_t deadline_ns, uint64_t now_ns,
		    uint64_t *lease)
{
	const uint32_t both = AIBRIX_CACHE_L1 | AIBRIX_CACHE_L2;

	if (!cache || !lease || (!keys && n) ||
	    (tiers && tiers != AIBRIX_CACHE_L1 && tiers != both) ||
	    aibrix__keys_named(keys, n) != n)
		return AIBRIX_E_INVAL;
	if (!cache->l2)
		tiers = AIBRIX_CACHE_L1;
	if (tiers != AIBRIX_CACHE_L1 && !aibrix__writes_wanted(cache))
		return AIBRIX_E_UNSUPPORTED;
	if (tiers != AIBRIX_CACHE_L1 && n)
		return remove_both(cache, keys, n, deadline_ns, now_ns, lease);
	*lease = 0;
	return remove_here(cache, keys, n);
}

int
aibrix_cache_removed(aibrix_cache *cache, uint64_t lease, uint64_t i)
{
	const struct lease *l;
	int status = AIBRIX_E_NOT_FOUND;

	if (!cache)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	l = aibrix__lease_find(cache, lease);
	if (l && lease_removes(l) && i < l->removal->n)
		status = l->removal->keys[i].status;
	aibrix__cache_leave(cache);
	return status;
}
