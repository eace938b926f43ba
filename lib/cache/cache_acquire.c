/*
 * Holding what L1 has, and reading it.
 *
 *   acquire --> pinned --> verified --> held          without the lock
 *                  | not all of it         \
 *                  v                        '--> the order hears of hits
 *                under the lock, L2 is asked
 *
 * A prompt that is all in L1 is pinned, read and released without the lock.
 * The order is told of its hits by whoever has the lock next, and before that
 * one does anything else: so nothing is given up in ignorance of a hit that
 * was before.  Who finds the lock free tells it at once.
 *
 * Payloads are read without the lock: blocks are pinned first, summed, and
 * kept, or dropped under the lock.  In between the lease is BUSY, and other
 * threads that name it are told to come back.
 */

#include "cache/cache_internal.h"

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

static void
blocks_pinned(const aibrix_cache *cache, struct lease *l, const uint32_t *slots,
	      uint64_t n)
{
	const uint8_t state = verifies_now(cache) ? BLOCK_PINNED : BLOCK_HELD;
	struct lease_block *b = &l->blocks[l->used];

	for (uint64_t i = 0; i < n; i++, b++) {
		b->ref = slots[i];
		b->state = state;
		b->tier = AIBRIX_CACHE_L1;
	}
	l->used += n;
}

static uint64_t
window_of(const struct lease *l)
{
	return l->n - l->used < L1_WINDOW ? l->n - l->used : L1_WINDOW;
}

/* Without the lock.  What ends it may be a miss, or a slot that wants the
 * lock. */
static void
run_read(aibrix_cache *cache, struct lease *l)
{
	uint32_t slots[L1_WINDOW];
	uint64_t want, got;

	do {
		want = window_of(l);
		got = aibrix__l1_read_run(
			cache, &l->blocks[l->used].key, sizeof(*l->blocks),
			want, lease_tail(l, l->used + want - 1), slots);
		blocks_pinned(cache, l, slots, got);
	} while (got == want && l->used < l->n);
}

/* With it, from where that has ended. */
static void
run_pin(aibrix_cache *cache, struct lease *l)
{
	uint64_t want = L1_WINDOW, got = want, i;
	uint32_t slots[L1_WINDOW];

	while (got == want && l->used < l->n) {
		const struct lease_block *b = &l->blocks[l->used];

		want = window_of(l);
		got = aibrix__table_run(&cache->table, &b->key, sizeof(*b),
					want, slots);
		got = aibrix__table_sure(&cache->table, &b->key, sizeof(*b),
					 got, slots);
		for (i = 0;
		     i < got &&
		     slot_tail(cache, slots[i]) == lease_tail(l, l->used + i) &&
		     aibrix__l1_read(cache, slots[i]);)
			i++;
		got = i;
		blocks_pinned(cache, l, slots, got);
	}
}

/* Called with the lock released: the blocks are pinned and READY ones are
 * never written. */
static uint64_t
run_verify(const aibrix_cache *cache, const struct lease *l)
{
	const struct lease_block *b;
	uint64_t i;

	for (i = 0; i < l->used; i++) {
		b = &l->blocks[i];
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
	for (uint64_t i = l->used; i-- > good;) {
		aibrix__l1_unpin(cache, l->blocks[i].ref);
		l->blocks[i].state = BLOCK_WANTED;
	}
}

/* ---- hits, and when the order hears of them */

static void
lease_hits(aibrix_cache *cache, const struct lease *l)
{
	aibrix_cache_tenant_stat *of = &cache->tenants[l->tenant].stat;

	of->asked += l->asked;
	of->hits_l1 += l->n;
	for (uint64_t i = l->n; i-- > 0;) {
		aibrix__l1_touch(cache, l->blocks[i].ref);
		aibrix__ingest_hit(cache, l->blocks[i].ref);
	}
}

/* The first one first, so the stack is turned round. */
void
aibrix__hits_apply(aibrix_cache *cache)
{
	uint32_t i = atomic_exchange_explicit(&cache->hits_noted, NONE,
					      memory_order_acquire);
	uint32_t first = NONE, below;
	struct lease *l;

	for (; i != NONE; i = below) {
		l = &cache->leases[i];
		below = atomic_load_explicit(&l->below, memory_order_relaxed);
		atomic_store_explicit(&l->below, first, memory_order_relaxed);
		first = i;
	}
	for (; first != NONE; first = below) {
		l = &cache->leases[first];
		below = atomic_load_explicit(&l->below, memory_order_relaxed);
		lease_hits(cache, l);
		/* Its holder may end it from here on. */
		atomic_store_explicit(&l->noted, 0, memory_order_release);
	}
}

static void
hits_note(aibrix_cache *cache, struct lease *l)
{
	uint32_t top =
		atomic_load_explicit(&cache->hits_noted, memory_order_relaxed);

	atomic_store_explicit(&l->noted, 1, memory_order_relaxed);
	do {
		atomic_store_explicit(&l->below, top, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		&cache->hits_noted, &top, (uint32_t)(l - cache->leases),
		memory_order_release, memory_order_relaxed));
}

/* All that the lease can have is pinned and good.  Who finds the lock free
 * tells the order at once; otherwise the next one who has it will. */
static void
lease_hit(aibrix_cache *cache, struct lease *l)
{
	for (uint64_t i = 0; verifies_now(cache) && i < l->n; i++)
		l->blocks[i].state = BLOCK_HELD;
	l->good = l->n;
	l->why = AIBRIX_E_NOT_FOUND;
	atomic_fetch_add_explicit(&cache->hits, l->n, memory_order_relaxed);
	aibrix__meter_read(cache, l->n);
	aibrix__meter_acquired(cache, l, l->n);
	if (l->n || cache->n_tenants > 1)
		hits_note(cache, l);
	/* Its holder may end it from here on. */
	lease_set(l, LEASE_ACQUIRED);
	if (atomic_load_explicit(&cache->hits_noted, memory_order_relaxed) ==
	    NONE)
		return;
	if (pthread_mutex_trylock(&cache->mutex))
		return;
	aibrix__hits_apply(cache);
	aibrix__cache_leave(cache);
}

/* ---- calls */

static int
lease_verified(const aibrix_cache *cache, const struct lease *l)
{
	return !verifies_now(cache) || run_verify(cache, l) == l->used;
}

int
aibrix__lease_ask(aibrix_cache *cache, struct lease *l, uint64_t deadline_ns,
		  uint64_t now_ns)
{
	uint64_t good, id = lease_id(l);
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
	lease_set(l, LEASE_WAITING);
	aibrix__l2_ask(cache, l, good);
	list_append(&cache->leases_waiting, cache->lease_links,
		    (uint32_t)(l - cache->leases));
	aibrix__wait_begun(cache, l);
	aibrix__l2_drive(cache, 0, l, now_ns);
	/* A prefetch may have ended by itself, in another thread. */
	return lease_id(l) != id || lease_state(l) == LEASE_WAITING
		       ? AIBRIX_E_AGAIN
		       : AIBRIX_OK;
}

int
aibrix__acquire(aibrix_cache *cache, const aibrix_cache_request *r,
		struct expected *expected, uint64_t *lease, uint64_t *n_out)
{
	struct lease_block *blocks;
	uint64_t want = r->n;
	struct lease *l;
	int err;

	/* Without L2 only L1's run can come: no use to copy more. */
	if (!cache->l2 && r->keys)
		want = aibrix__table_run(&cache->table, r->keys,
					 sizeof(*r->keys), r->n, NULL);
	err = aibrix__blocks_new(cache, r->keys, &want, &blocks);
	if (err) {
		aibrix__expected_free(cache, expected, r->n);
		return err;
	}

	atomic_fetch_add_explicit(&cache->asked, r->n, memory_order_relaxed);
	l = aibrix__lease_take(cache, blocks, want);
	if (!l) {
		aibrix__meter_call(cache, AIBRIX_METER_ACQUIRE, AIBRIX_E_FULL,
				   r->n, 0);
		aibrix__blocks_free(cache, blocks, want);
		aibrix__expected_free(cache, expected, r->n);
		return AIBRIX_E_FULL;
	}
	*lease = lease_id(l);
	l->asked = r->n;
	l->tenant = r->tenant;
	l->tail = r->tail_tokens;
	l->expected = expected;
	l->begun_ns = r->now_ns;
	l->used = 0;
	if (l->n)
		run_read(cache, l);
	if (l->used == l->n && lease_verified(cache, l)) {
		*n_out = l->n;
		lease_hit(cache, l);
		return AIBRIX_OK;
	}
	aibrix__cache_enter(cache);
	cache->tenants[l->tenant].stat.asked += l->asked;
	err = aibrix__lease_ask(cache, l, r->deadline_ns, r->now_ns);
	if (!err)
		*n_out = l->n;
	aibrix__cache_leave(cache);
	return err;
}

/* Length of an acquired lease, without the lock.  E_AGAIN: it is none. */
static int
held_tell(aibrix_cache *cache, uint64_t lease, uint64_t *n_out)
{
	struct lease *l = aibrix__lease_enter(cache, lease);

	if (!l)
		return AIBRIX_E_AGAIN;
	*n_out = lease_end(l);
	aibrix__lease_leave(cache, l);
	return AIBRIX_OK;
}

/* Is it settled, and how long is a reservation, or what was
 * removed?  The lock is held.  Whoever
 * acquired a lease may release it meanwhile: then *held, and how long it is
 * has to be asked without the lock. */
static int
lease_tell(const aibrix_cache *cache, uint64_t lease, uint64_t *n_out,
	   int *held)
{
	const struct lease *l = aibrix__lease_find(cache, lease);

	if (!l)
		return AIBRIX_E_NOT_FOUND;
	switch (lease_state(l)) {
	case LEASE_RESERVED: *n_out = l->n; return AIBRIX_OK;
	case LEASE_REMOVED:
		*n_out = l->removal->n - l->removal->failed;
		return AIBRIX_OK;
	case LEASE_ACQUIRED: *held = 1; return AIBRIX_OK;
	default: return AIBRIX_E_AGAIN;
	}
}

/* What lease_tell said, when the lock is left. */
static int
tell_done(aibrix_cache *cache, uint64_t lease, int err, int held,
	  uint64_t *n_out)
{
	if (!held)
		return err;
	return held_tell(cache, lease, n_out) ? AIBRIX_E_NOT_FOUND : AIBRIX_OK;
}

int
aibrix_cache_state(aibrix_cache *cache, uint64_t lease, uint64_t *n_out)
{
	int err, held = 0;

	if (!cache || !n_out)
		return AIBRIX_E_INVAL;
	if (held_tell(cache, lease, n_out) == AIBRIX_OK)
		return AIBRIX_OK;
	aibrix__cache_enter(cache);
	err = lease_tell(cache, lease, n_out, &held);
	aibrix__cache_leave(cache);
	return tell_done(cache, lease, err, held, n_out);
}

int
aibrix_cache_wait(aibrix_cache *cache, uint64_t lease, uint64_t deadline_ns,
		  uint64_t now_ns, uint64_t *n_out)
{
	uint64_t timeout_ns = AIBRIX_FOREVER;
	struct sleep sleep;
	int err, held = 0;

	if (!cache || !n_out)
		return AIBRIX_E_INVAL;
	if (deadline_ns)
		timeout_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	aibrix__sleep_begin(cache, &sleep, now_ns, timeout_ns);
	aibrix__cache_enter(cache);
	err = lease_tell(cache, lease, n_out, &held);
	while (err == AIBRIX_E_AGAIN && cache->l2) {
		aibrix__l2_round(cache, sleep.now_ns);
		err = lease_tell(cache, lease, n_out, &held);
		if (err != AIBRIX_E_AGAIN || aibrix__sleep_over(&sleep))
			break;
		aibrix__sleep_nap(cache, &sleep, &cache->wait.waiters);
		err = lease_tell(cache, lease, n_out, &held);
	}
	aibrix__sleep_end(cache);
	aibrix__cache_leave(cache);
	return tell_done(cache, lease, err, held, n_out);
}

/* One that is not acquired yet, or was not when it was looked at. */
static int
waiting_release(aibrix_cache *cache, uint64_t lease)
{
	struct lease_block *blocks = NULL;
	int err = AIBRIX_OK;
	struct lease *l;
	uint64_t cap = 0;

	aibrix__cache_enter(cache);
	l = aibrix__lease_find(cache, lease);
	if (!l) {
		err = AIBRIX_E_NOT_FOUND;
	} else {
		switch (lease_state(l)) {
		case LEASE_WAITING:
		case LEASE_LOADED:
		case LEASE_REMOVING:
		case LEASE_REMOVED:
			blocks = aibrix__lease_end(cache, l, &cap);
			break;
		case LEASE_ACQUIRED: err = AIBRIX_E_AGAIN; break;
		default: err = AIBRIX_E_STATE;
		}
	}
	if (cache->cancels.count)
		aibrix__l2_drive(cache, 0, NULL, 0);
	aibrix__cache_leave(cache);
	aibrix__blocks_free(cache, blocks, cap);
	return err;
}

int
aibrix_cache_release(aibrix_cache *cache, uint64_t lease)
{
	struct lease *l;
	int err;

	if (!cache)
		return AIBRIX_E_INVAL;
	do {
		l = aibrix__lease_enter(cache, lease);
		if (l)
			return aibrix__lease_release(cache, l);
		err = waiting_release(cache, lease);
	} while (err == AIBRIX_E_AGAIN);
	return err;
}
