/*
 * Leases: what a caller holds of the cache.
 *
 *   acquire --> WAITING --> ACQUIRED --> release
 *         '------------------^
 *   reserve --> RESERVED --> commit, abort
 *
 * The prefix rule is lease_good(): the leading blocks that are held.  Every
 * path ends in lease_cut(lease, lease_good(lease)) or cuts earlier, so no
 * count of scattered successes can pass for a prefix.  (In AIBrix it can:
 * l2_cache.py, _mget_impl.)
 *
 * Payloads are read without the lock: blocks are pinned first, summed, and
 * kept or dropped under the lock again.  In between the lease is BUSY, and
 * other threads that name it are told to come back.
 */

#include "cache/cache_internal.h"

#include <string.h>

#include "base/arch.h"

enum { WINDOW = 32 }; /* blocks whose slots are on their way */

int
aibrix__lease_open(aibrix_cache *cache, uint32_t max_leases)
{
	cache->lease_bits = 1;
	while (cache->lease_bits < 32 && max_leases >> cache->lease_bits)
		cache->lease_bits++;
	cache->max_leases = max_leases;
	cache->leases = aibrix__alloc(&cache->alloc, max_leases,
				      sizeof(*cache->leases));
	cache->lease_links = aibrix__alloc(&cache->alloc, max_leases,
					   sizeof(*cache->lease_links));
	if (!cache->leases || !cache->lease_links)
		return AIBRIX_E_NOMEM;
	for (uint32_t i = 0; i < max_leases; i++) {
		cache->leases[i].id = ((uint64_t)1 << cache->lease_bits) | i;
		list_append(&cache->leases_free, cache->lease_links, i);
	}
	return AIBRIX_OK;
}

void
aibrix__blocks_free(aibrix_cache *cache, struct lease_block *blocks, uint64_t n)
{
	if (blocks)
		aibrix__free(&cache->alloc, blocks, n, sizeof(*blocks));
}

void
aibrix__lease_close(aibrix_cache *cache)
{
	for (uint32_t i = 0; cache->leases && i < cache->max_leases; i++) {
		aibrix__blocks_free(cache, cache->leases[i].blocks,
				    cache->leases[i].cap);
		aibrix__expected_free(cache, cache->leases[i].expected,
				      cache->leases[i].asked);
	}
	aibrix__free(&cache->alloc, cache->leases, cache->max_leases,
		     sizeof(*cache->leases));
	aibrix__free(&cache->alloc, cache->lease_links, cache->max_leases,
		     sizeof(*cache->lease_links));
}

static inline int
key_is_none(const aibrix_key *key)
{
	uint64_t half[2];

	memcpy(half, key, sizeof(half));
	return (half[0] | half[1]) == 0;
}

uint64_t
aibrix__keys_named(const aibrix_key *keys, uint64_t n)
{
	uint64_t i = 0;

	while (i < n && !key_is_none(&keys[i]))
		i++;
	return i;
}

/* Up to the first zero key; how many. */
static uint64_t
blocks_fill(struct lease_block *blocks, const aibrix_key *keys, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n && !key_is_none(&keys[i]); i++)
		blocks[i] = (struct lease_block){.key = keys[i]};
	return i;
}

int
aibrix__blocks_new(aibrix_cache *cache, const aibrix_key *keys, uint64_t *n,
		   struct lease_block **out)
{
	uint64_t want = *n < cache->capacity ? *n : cache->capacity, use = 0;
	struct lease_block *blocks = NULL;

	if (!keys && *n)
		return AIBRIX_E_INVAL;
	/* Twice where a zero key cuts it, which is hardly ever. */
	while (want) {
		blocks =
			aibrix__alloc_raw(&cache->alloc, want, sizeof(*blocks));
		if (!blocks)
			return AIBRIX_E_NOMEM;
		use = blocks_fill(blocks, keys, want);
		if (use == want)
			break;
		aibrix__blocks_free(cache, blocks, want);
		blocks = NULL;
		want = use;
	}
	*out = blocks;
	*n = want;
	return AIBRIX_OK;
}

struct lease *
aibrix__lease_take(aibrix_cache *cache, struct lease_block *blocks, uint64_t n)
{
	uint32_t i = list_pop(&cache->leases_free, cache->lease_links);
	struct lease *l;

	if (i == NONE)
		return NULL;
	l = &cache->leases[i];
	*l = (struct lease){.id = l->id,
			    .n = n,
			    .cap = n,
			    .used = n,
			    .blocks = blocks,
			    .state = LEASE_BUSY};
	cache->stat.leases++;
	return l;
}

struct lease *
aibrix__lease_find(aibrix_cache *cache, uint64_t id)
{
	uint64_t i = id & (((uint64_t)1 << cache->lease_bits) - 1);

	if (i >= cache->max_leases || cache->leases[i].id != id ||
	    cache->leases[i].state == LEASE_FREE)
		return NULL;
	return &cache->leases[i];
}

uint64_t
aibrix__lease_good(struct lease *l)
{
	while (l->good < l->n && l->blocks[l->good].state >= BLOCK_HELD)
		l->good++;
	return l->good;
}

static void
block_let_go(aibrix_cache *cache, struct lease_block *b)
{
	uint32_t ref = b->ref;

	switch (b->state) {
	case BLOCK_OWN:
		/* Unless it was removed already. */
		if (slot_state(&cache->slots[ref]) != SLOT_LOOSE)
			aibrix__l1_drop(cache, ref);
		aibrix__l1_unpin(cache, ref);
		break;
	case BLOCK_PINNED:
	case BLOCK_HELD: aibrix__l1_unpin(cache, ref); break;
	case BLOCK_PROBING:
	case BLOCK_FETCHING: aibrix__l2_detach(cache, ref); break;
	default: break;
	}
	b->state = BLOCK_WANTED;
}

/* Last block first: what the order had put aside for its pins comes back as
 * used, and parents must be the more recent ones. */
void
aibrix__lease_cut(aibrix_cache *cache, struct lease *l, uint64_t at)
{
	uint64_t rest = at > l->used ? at : l->used;

	if (at == 0 && l->held > l->n)
		l->n = l->held;
	if (l->n > rest)
		l->n = rest;
	while (l->n > at)
		block_let_go(cache, &l->blocks[--l->n]);
	if (l->good > at)
		l->good = at;
}

void
aibrix__lease_fail(aibrix_cache *cache, struct lease *l, uint64_t at, int why)
{
	if (at < l->n)
		l->why = why;
	aibrix__lease_cut(cache, l, at);
}

void
aibrix__lease_shorten(struct lease *l, uint64_t at)
{
	if (l->held < l->n)
		l->held = l->n;
	l->n = at;
	l->good = at;
	l->why = AIBRIX_E_CORRUPT;
}

/* Ends a lease; the caller frees the blocks when the lock is released. */
struct lease_block *
aibrix__lease_end(aibrix_cache *cache, struct lease *l, uint64_t *cap)
{
	uint32_t i = (uint32_t)(l - cache->leases);
	struct lease_block *blocks = l->blocks;

	aibrix__lease_cut(cache, l, 0);
	if (l->prefetch)
		cache->prefetch_blocks -= l->cap;
	if (l->removal)
		aibrix__remove_released(cache, l->removal);
	l->removal = NULL;
	if (l->state == LEASE_WAITING) {
		if (!l->prefetch)
			aibrix__meter_given_up(cache, l);
		aibrix__budget_close(cache, l, 1);
		list_remove(&cache->leases_waiting, cache->lease_links, i);
		aibrix__wait_settled(cache);
	}
	aibrix__expected_drop(cache, l);
	*cap = l->cap;
	l->blocks = NULL;
	l->cap = 0;
	l->state = LEASE_FREE;
	l->id += (uint64_t)1 << cache->lease_bits;
	list_append(&cache->leases_free, cache->lease_links, i);
	cache->stat.leases--;
	return blocks;
}

void
aibrix__lease_settle(aibrix_cache *cache, struct lease *l)
{
	const uint64_t before = cache->stat.hits_l1;
	struct lease_block *b;

	aibrix__lease_cut(cache, l, aibrix__lease_good(l));
	for (uint64_t i = l->n; i-- > 0;) {
		b = &l->blocks[i];
		if (l->prefetch) {
			if (b->tier == AIBRIX_CACHE_L2 &&
			    slot_state(&cache->slots[b->ref]) == SLOT_READY)
				aibrix__l1_order(cache, b->ref);
			cache->stat.prefetched += b->tier == AIBRIX_CACHE_L2;
		} else if (b->tier == AIBRIX_CACHE_L1) {
			aibrix__l1_touch(cache, b->ref);
			aibrix__ingest_hit(cache, b->ref);
			cache->stat.hits_l1++;
		} else {
			aibrix__promote(cache, b->ref);
			cache->stat.hits_l2++;
		}
	}
	if (!l->prefetch)
		aibrix__meter_acquired(cache, l, cache->stat.hits_l1 - before);
	if (l->state == LEASE_WAITING) {
		aibrix__budget_close(cache, l, 0);
		list_remove(&cache->leases_waiting, cache->lease_links,
			    (uint32_t)(l - cache->leases));
		aibrix__wait_settled(cache);
	}
	l->state = LEASE_ACQUIRED;
}

uint64_t
aibrix_cache_lookup(aibrix_cache *cache, const aibrix_key *keys, uint64_t n)
{
	uint64_t found;

	if (!cache || !keys)
		return 0;
	found = aibrix__table_run(&cache->table, keys, sizeof(*keys), n, NULL);
	aibrix__meter_call(cache, AIBRIX_METER_EXISTS, AIBRIX_OK, n, found);
	return found;
}

/* The slots of a window of blocks are asked for together, then pinned. */
static void
run_pin(aibrix_cache *cache, struct lease *l)
{
	uint64_t got = WINDOW;

	l->used = 0;
	for (uint64_t i = 0; got == WINDOW && i < l->n; i += got) {
		uint64_t want = l->n - i < WINDOW ? l->n - i : WINDOW;
		struct lease_block *b = &l->blocks[i];
		uint32_t slots[WINDOW];

		got = aibrix__table_run(&cache->table, &b->key, sizeof(*b),
					want, slots);
		got = aibrix__table_sure(&cache->table, &b->key, sizeof(*b),
					 got, slots);
		for (uint64_t k = 0; k < got; k++)
			prefetch(&cache->slots[slots[k]]);
		for (uint64_t k = 0; k < got; k++, b++) {
			if (slot_tail(cache, slots[k]) !=
				    lease_tail(l, i + k) ||
			    !aibrix__l1_read(cache, slots[k]))
				return;
			b->ref = slots[k];
			b->state = BLOCK_PINNED;
			b->tier = AIBRIX_CACHE_L1;
			l->used = i + k + 1;
		}
	}
}

/* Called with the lock released: the blocks are pinned and READY ones are
 * never written. */
static uint64_t
run_verify(const aibrix_cache *cache, const struct lease *l)
{
	const struct lease_block *b;
	uint64_t i;

	for (i = 0; i < l->n; i++) {
		b = &l->blocks[i];
		if (b->state != BLOCK_PINNED)
			break;
		if (aibrix__l1_sum(cache, b->ref) !=
		    cache->slots[b->ref].checksum)
			break;
	}
	return i;
}

/* The first good blocks of the run are held; a damaged one is dropped, and
 * those behind it, which nobody has verified, are looked at again if L2 can
 * fill the hole. */
static void
run_keep(aibrix_cache *cache, struct lease *l, uint64_t good)
{
	for (uint64_t i = 0; i < good; i++)
		l->blocks[i].state = BLOCK_HELD;
	l->why = AIBRIX_E_NOT_FOUND;
	if (good < l->n && l->blocks[good].state == BLOCK_PINNED) {
		aibrix__l1_damaged(cache, l->blocks[good].ref);
		l->why = AIBRIX_E_CORRUPT;
	}
	for (uint64_t i = l->used; i-- > good;)
		block_let_go(cache, &l->blocks[i]);
}

int
aibrix__lease_ask(aibrix_cache *cache, struct lease *l, uint64_t deadline_ns,
		  uint64_t now_ns)
{
	uint64_t good, id = l->id;
	int wait = 0;

	run_pin(cache, l);
	if (l->used && verifies_now(cache)) {
		aibrix__cache_leave(cache);
		good = run_verify(cache, l);
		aibrix__cache_enter(cache);
	} else {
		good = l->used;
	}
	run_keep(cache, l, good);

	l->deadline_ns = deadline_ns;
	if (cache->l2 && deadline_ns && now_ns >= deadline_ns)
		l->why = AIBRIX_E_TIMEOUT;
	else if (cache->l2 && good < l->n && !l->prefetch &&
		 !aibrix__budget_open(cache, l, good, now_ns))
		l->why = AIBRIX_E_UNAVAILABLE;
	else
		wait = cache->l2 && good < l->n;
	if (!wait) {
		aibrix__lease_settle(cache, l);
		return AIBRIX_OK;
	}
	l->state = LEASE_WAITING;
	aibrix__l2_ask(cache, l, good);
	list_append(&cache->leases_waiting, cache->lease_links,
		    (uint32_t)(l - cache->leases));
	aibrix__wait_begun(cache, l);
	aibrix__l2_drive(cache, 0, l, now_ns);
	/* A prefetch may have ended by itself, in another thread. */
	return l->id != id || l->state == LEASE_WAITING ? AIBRIX_E_AGAIN
							: AIBRIX_OK;
}

int
aibrix__acquire(aibrix_cache *cache, const aibrix_key *keys, uint64_t n,
		uint32_t tail, struct expected *expected, uint64_t deadline_ns,
		uint64_t now_ns, uint64_t *lease, uint64_t *n_out)
{
	struct lease_block *blocks;
	uint64_t want = n;
	struct lease *l;
	int err;

	/* Without L2 only L1's run can come: no use to copy more. */
	if (!cache->l2 && keys)
		want = aibrix__table_run(&cache->table, keys, sizeof(*keys), n,
					 NULL);
	err = aibrix__blocks_new(cache, keys, &want, &blocks);
	if (err) {
		aibrix__expected_free(cache, expected, n);
		return err;
	}

	aibrix__cache_enter(cache);
	cache->stat.asked += n;
	l = aibrix__lease_take(cache, blocks, want);
	if (!l) {
		aibrix__meter_call(cache, AIBRIX_METER_ACQUIRE, AIBRIX_E_FULL,
				   n, 0);
		aibrix__cache_leave(cache);
		aibrix__blocks_free(cache, blocks, want);
		aibrix__expected_free(cache, expected, n);
		return AIBRIX_E_FULL;
	}
	l->asked = n;
	l->tail = tail;
	l->expected = expected;
	l->begun_ns = now_ns;
	err = aibrix__lease_ask(cache, l, deadline_ns, now_ns);
	*lease = l->id;
	if (!err)
		*n_out = l->n;
	aibrix__cache_leave(cache);
	return err;
}

/* Length of a lease that is settled; the lock is held. */
static int
lease_tell(aibrix_cache *cache, uint64_t lease, uint64_t *n_out)
{
	const struct lease *l = aibrix__lease_find(cache, lease);

	if (!l)
		return AIBRIX_E_NOT_FOUND;
	if (lease_goes_on(l))
		return AIBRIX_E_AGAIN;
	*n_out = l->removal ? l->removal->n - l->removal->failed : l->n;
	return AIBRIX_OK;
}

int
aibrix_cache_state(aibrix_cache *cache, uint64_t lease, uint64_t *n_out)
{
	int err;

	if (!cache || !n_out)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	err = lease_tell(cache, lease, n_out);
	aibrix__cache_leave(cache);
	return err;
}

int
aibrix_cache_wait(aibrix_cache *cache, uint64_t lease, uint64_t deadline_ns,
		  uint64_t now_ns, uint64_t *n_out)
{
	uint64_t timeout_ns = AIBRIX_FOREVER;
	struct sleep sleep;
	int err;

	if (!cache || !n_out)
		return AIBRIX_E_INVAL;
	if (deadline_ns)
		timeout_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	aibrix__sleep_begin(cache, &sleep, now_ns, timeout_ns);
	aibrix__cache_enter(cache);
	err = lease_tell(cache, lease, n_out);
	while (err == AIBRIX_E_AGAIN && cache->l2) {
		aibrix__l2_round(cache, sleep.now_ns);
		err = lease_tell(cache, lease, n_out);
		if (err != AIBRIX_E_AGAIN || aibrix__sleep_over(&sleep))
			break;
		aibrix__sleep_nap(cache, &sleep, &cache->wait.waiters);
		err = lease_tell(cache, lease, n_out);
	}
	aibrix__sleep_end(cache);
	aibrix__cache_leave(cache);
	return err;
}

int
aibrix_cache_release(aibrix_cache *cache, uint64_t lease)
{
	struct lease_block *blocks = NULL;
	struct lease *l;
	uint64_t cap = 0;
	int err = AIBRIX_OK;

	if (!cache)
		return AIBRIX_E_INVAL;
	aibrix__cache_enter(cache);
	l = aibrix__lease_find(cache, lease);
	if (!l)
		err = AIBRIX_E_NOT_FOUND;
	else if (l->state != LEASE_ACQUIRED && l->state != LEASE_WAITING &&
		 !l->removal)
		err = AIBRIX_E_STATE;
	else
		blocks = aibrix__lease_end(cache, l, &cap);
	if (cache->cancels.count)
		aibrix__l2_drive(cache, 0, NULL, 0);
	aibrix__cache_leave(cache);
	aibrix__blocks_free(cache, blocks, cap);
	return err;
}
